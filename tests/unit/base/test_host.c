/*
 * test_host.c - what the operating system says, and who holds a lock
 *
 * Method: files and locks of our own are asked for; a lock that a child holds is seen from here.
 */
#include "check.h"

#include "base/clock.h"
#include "base/host.h"
#include "base/io.h"
#include "base/lock.h"
#include "base/mem.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void a_file_is_described(void **state)
{
    char *dir = pt_test_dir_create();
    char *path = pt_strf("%s/file", dir);
    struct pt_host_file file;
    struct pt_error err = {0};
    int64_t now_us = pt_clock_wall_us(pt_clock_system());

    (void)state;
    PT_CHECK(pt_host_look(path, &file, &err) == PT_NOT_FOUND);
    PT_CHECK_OK(pt_io_replace(pt_io_posix(), path, pt_span_str("abc"), PT_OPEN_PRIVATE, &err), err);
    PT_CHECK_OK(pt_host_look(path, &file, &err), err);
    PT_CHECK(!file.is_dir && file.mode == 0600 && file.bytes == 3);
    PT_CHECK(llabs(file.modified_at_us - now_us) < 60000000);
    PT_CHECK_OK(pt_host_look(dir, &file, &err), err);
    PT_CHECK(file.is_dir);
    PT_CHECK(pt_host_may_write(dir) && !pt_host_may_write(path));
    pt_free(path);
    pt_test_dir_remove(dir);
}

static void descriptors_are_raised_to_what_is_allowed(void **state)
{
    uint64_t before = pt_host_descriptors_max(0);
    uint64_t raised = pt_host_descriptors_raise();

    (void)state;
    PT_CHECK(before > 0 && raised >= before);
    PT_CHECK(pt_host_descriptors_max(0) == raised);
    PT_CHECK(pt_host_descriptors_max(pt_host_pid()) == raised);
    PT_CHECK(pt_host_descriptors_raise() == raised);
}

static void a_lock_tells_its_holder(void **state)
{
    char *dir = pt_test_dir_create();
    char *path = pt_strf("%s/lock", dir);
    struct pt_lock *lock = NULL;
    struct pt_error err = {0};
    long pid = -1;
    pid_t child = 0;
    int status = 0;

    (void)state;
    PT_CHECK_OK(pt_lock_probe(path, &pid, &err), err);
    PT_CHECK(pid == 0); /* never taken, and asking does not make the file */
    PT_CHECK(access(path, F_OK) != 0);
    PT_CHECK_OK(pt_lock_take(&lock, path, &err), err);
    child = fork();
    if (child == 0) {
        _exit(pt_lock_probe(path, &pid, NULL) == PT_OK && pid == (long)getppid() ? 0 : 1);
    }
    PT_CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    pt_lock_release(lock);
    PT_CHECK_OK(pt_lock_probe(path, &pid, &err), err);
    PT_CHECK(pid == 0);                                /* the file is still there, and free */
    PT_CHECK_OK(pt_lock_take(&lock, path, &err), err); /* asking does not keep it */
    pt_lock_release(lock);
    pt_free(path);
    pt_test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_described),
        cmocka_unit_test(descriptors_are_raised_to_what_is_allowed),
        cmocka_unit_test(a_lock_tells_its_holder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
