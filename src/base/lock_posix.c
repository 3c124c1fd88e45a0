/*
 * lock_posix.c - one process a directory, by flock(2)
 */
#include "base/lock.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS 10 /* between two tries of who waits */

struct pt_lock {
    int fd;
};

enum pt_code pt_lock_take(struct pt_lock **lock_out, const char *path, struct pt_error *err)
{
    struct pt_lock *lock = pt_alloc_zero(sizeof(*lock));
    char text[32] = "";
    int length = 0;

    *lock_out = NULL;
    if (!lock) {
        return pt_fail(err, PT_NO_MEMORY, "lock %s", path);
    }
    lock->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (lock->fd < 0) {
        enum pt_code code = pt_fail_errno(err, errno, "open the lock %s", path);

        pt_free(lock);
        return code;
    }
    if (flock(lock->fd, LOCK_EX | LOCK_NB) != 0) {
        ssize_t got = pread(lock->fd, text, sizeof(text) - 1, 0);
        enum pt_code code = PT_OK;

        text[got > 0 ? got : 0] = '\0';
        text[strcspn(text, "\n")] = '\0';
        code = errno == EWOULDBLOCK || text[0]
                   ? pt_fail(err, PT_FENCED,
                             "%s is held by process %s: one server a data directory; stop that one "
                             "first, or use another directory",
                             path, text[0] ? text : "(unknown)")
                   : pt_fail_errno(err, errno, "lock %s", path);
        close(lock->fd);
        pt_free(lock);
        return code;
    }
    length = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    if (ftruncate(lock->fd, 0) != 0 || pwrite(lock->fd, text, (size_t)length, 0) != length) {
        enum pt_code code = pt_fail_errno(err, errno, "write our process id into %s", path);

        pt_lock_release(lock);
        return code;
    }
    *lock_out = lock;
    return PT_OK;
}

enum pt_code pt_lock_wait(struct pt_lock **lock_out, const char *path, uint32_t wait_ms,
                          struct pt_error *err)
{
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
    enum pt_code code = pt_lock_take(lock_out, path, err);
    long pid = 0;

    for (uint32_t waited = 0; code == PT_FENCED && waited < wait_ms; waited += LOOK_MS) {
        nanosleep(&pause, NULL);
        code = pt_lock_take(lock_out, path, err);
    }
    if (code == PT_FENCED) {
        code = pt_lock_probe(path, &pid, err);
        code = code ? code : pt_fail(err, PT_AGAIN, "%s is held by process %ld", path, pid);
    }
    return code;
}

enum pt_code pt_lock_probe(const char *path, long *pid_out, struct pt_error *err)
{
    char text[32] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    *pid_out = 0;
    if (fd < 0) {
        return errno == ENOENT || errno == ENOTDIR
                   ? PT_OK
                   : pt_fail_errno(err, errno, "open the lock %s", path);
    }
    if (flock(fd, LOCK_SH | LOCK_NB) != 0) {
        ssize_t got = pread(fd, text, sizeof(text) - 1, 0);

        *pid_out = got > 0 ? strtol(text, NULL, 10) : 0;
        *pid_out = *pid_out > 0 ? *pid_out : -1;
    }
    close(fd);
    return PT_OK;
}

void pt_lock_release(struct pt_lock *lock)
{
    if (lock) {
        close(lock->fd); /* which unlocks; the file stays, since removing it would race */
        pt_free(lock);
    }
}
