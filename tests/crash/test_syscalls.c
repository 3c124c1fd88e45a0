/*
 * test_syscalls.c - whatever system call on a file fails, DuckDB's too, each event is one row
 *
 * Method: this program defines open, write, pwrite, fsync and their like itself, so that our own
 * code and DuckDB's call these; on files below the test's directory they are counted, and one of
 * them meets with trouble: an error, an interruption, a short write, a disk that is full for a
 * while. The script of script.h runs once for each. What fails is tried again by the parts
 * themselves or after a restart; the end is what test_sweep.c asks for.
 */
#include "script.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define FDS_MAX 4096

enum trouble {
    NOTHING,
    FAILS,       /* with `failure`, once */
    INTERRUPTED, /* EINTR where a call may be interrupted, once */
    SHORT,       /* a write takes half of its bytes, once */
    FULL         /* ENOSPC, this one and the 30 that follow */
};

static struct {
    pthread_mutex_t lock;
    const char *root; /* NULL: nothing is counted */
    bool is_ours[FDS_MAX];
    enum trouble trouble;
    int failure;
    unsigned nth;
    unsigned calls;
    bool has_fired;
    char met[256];
} calls = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool is_below(const char *path)
{
    return calls.root && strncmp(path, calls.root, strlen(calls.root)) == 0;
}

static bool is_our_fd(int fd)
{
    return fd >= 0 && fd < FDS_MAX && calls.is_ours[fd];
}

/* Under the lock: the errno that the call fails with, 0, or -1 for half a write. */
static int count_call(const char *what, const char *path, bool takes_space, bool may_be_interrupted,
                      bool is_write)
{
    unsigned call = ++calls.calls;
    int errnum = 0;

    if (calls.trouble == NOTHING || call < calls.nth) {
        return 0;
    }
    switch (calls.trouble) {
    case FAILS:
        errnum = call == calls.nth ? calls.failure : 0;
        break;
    case INTERRUPTED:
        errnum = !calls.has_fired && may_be_interrupted ? EINTR : 0;
        break;
    case SHORT:
        errnum = !calls.has_fired && is_write ? -1 : 0;
        break;
    case FULL:
        errnum = call <= calls.nth + 30 && takes_space ? ENOSPC : 0;
        break;
    case NOTHING:
        break;
    }
    if (errnum && !calls.has_fired) {
        calls.has_fired = true;
        (void)snprintf(calls.met, sizeof(calls.met), "%s %s: %d", what, path, errnum);
    }
    return errnum;
}

static int count_path(const char *what, const char *path, bool takes_space)
{
    int errnum = 0;

    pthread_mutex_lock(&calls.lock);
    if (is_below(path)) {
        errnum = count_call(what, path, takes_space, false, false);
    }
    pthread_mutex_unlock(&calls.lock);
    return errnum;
}

static int count_fd(const char *what, int fd, bool takes_space, bool may_be_interrupted,
                    bool is_write)
{
    char name[32];
    int errnum = 0;

    pthread_mutex_lock(&calls.lock);
    if (is_our_fd(fd)) {
        (void)snprintf(name, sizeof(name), "fd %d", fd);
        errnum = count_call(what, name, takes_space, may_be_interrupted, is_write);
    }
    pthread_mutex_unlock(&calls.lock);
    return errnum;
}

static long fail_with(int errnum)
{
    errno = errnum;
    return -1;
}

/* ---- the calls themselves; the linker gives these to libduckdb too ---- */

int open(const char *path, int flags, ...)
{
    bool changes = (flags & (O_WRONLY | O_RDWR | O_CREAT)) != 0;
    int errnum = changes ? count_path("open", path, (flags & O_CREAT) != 0) : 0;
    mode_t mode = 0;
    long fd = 0;

    if (flags & O_CREAT) {
        va_list args;

        va_start(args, flags);
        mode = va_arg(args, mode_t);
        va_end(args);
    }
    fd = errnum > 0 ? fail_with(errnum) : syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    pthread_mutex_lock(&calls.lock);
    if (fd >= 0 && fd < FDS_MAX) {
        calls.is_ours[fd] = changes && is_below(path);
    }
    pthread_mutex_unlock(&calls.lock);
    return (int)fd;
}

int close(int fd)
{
    pthread_mutex_lock(&calls.lock);
    if (fd >= 0 && fd < FDS_MAX) {
        calls.is_ours[fd] = false;
    }
    pthread_mutex_unlock(&calls.lock);
    return (int)syscall(SYS_close, fd);
}

ssize_t write(int fd, const void *data, size_t bytes)
{
    int errnum = count_fd("write", fd, true, true, true);

    if (errnum > 0) {
        return fail_with(errnum);
    }
    return syscall(SYS_write, fd, data, errnum < 0 ? bytes / 2 + bytes % 2 : bytes);
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t at)
{
    int errnum = count_fd("pwrite", fd, true, true, true);

    if (errnum > 0) {
        return fail_with(errnum);
    }
    return syscall(SYS_pwrite64, fd, data, errnum < 0 ? bytes / 2 + bytes % 2 : bytes, at);
}

/* Not done: what is lost without it is test_sweep.c's subject, and it would take the time. */
int fsync(int fd)
{
    int errnum = count_fd("fsync", fd, true, false, false);

    return errnum > 0 ? (int)fail_with(errnum) : 0;
}

int fdatasync(int fd)
{
    int errnum = count_fd("fdatasync", fd, true, false, false);

    return errnum > 0 ? (int)fail_with(errnum) : 0;
}

int ftruncate(int fd, off_t bytes)
{
    int errnum = count_fd("ftruncate", fd, false, false, false);

    return (int)(errnum > 0 ? fail_with(errnum) : syscall(SYS_ftruncate, fd, bytes));
}

int posix_fallocate(int fd, off_t at, off_t bytes)
{
    int errnum = count_fd("posix_fallocate", fd, true, true, false);

    return errnum > 0 ? errnum : syscall(SYS_fallocate, fd, 0, at, bytes) == 0 ? 0 : errno;
}

int rename(const char *from, const char *to)
{
    int errnum = count_path("rename", to, true);

    return (int)(errnum > 0 ? fail_with(errnum)
                            : syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}

int unlink(const char *path)
{
    int errnum = count_path("unlink", path, false);

    return (int)(errnum > 0 ? fail_with(errnum) : syscall(SYS_unlinkat, AT_FDCWD, path, 0));
}

int mkdir(const char *path, mode_t mode)
{
    int errnum = count_path("mkdir", path, true);

    return (int)(errnum > 0 ? fail_with(errnum) : syscall(SYS_mkdirat, AT_FDCWD, path, mode));
}

/* ---- the sweeps ---- */

static void plan(const char *root, enum trouble trouble, int failure, unsigned nth)
{
    pthread_mutex_lock(&calls.lock);
    calls.root = root;
    calls.trouble = trouble;
    calls.failure = failure;
    calls.nth = nth;
    calls.calls = 0;
    calls.has_fired = false;
    calls.met[0] = '\0';
    pthread_mutex_unlock(&calls.lock);
}

static void sweep(enum trouble trouble, int failure, unsigned stride)
{
    unsigned step = step_of(stride);
    unsigned nth = 1 + (unsigned)(pt_test_seed() % step);
    bool is_reached = true;

    for (; is_reached; nth += step) {
        struct world w;

        world_init(&w, false);
        plan(w.root, trouble, failure, nth);
        (void)play(&w, 0, true);
        is_reached = calls.calls >= nth; /* what it meets there may be out of the trouble's reach */
        (void)snprintf(place, sizeof(place), "call %u: %s", nth, calls.met);
        plan(NULL, NOTHING, 0, 0);
        check_promise(&w);
        world_release(&w);
    }
    PT_CHECK(nth > 100);
}

static void any_call_fails_once(void **state)
{
    (void)state;
    sweep(FAILS, EIO, 180);
}

static void any_call_finds_no_space_for_a_while(void **state)
{
    (void)state;
    sweep(FULL, ENOSPC, 180);
}

static void any_call_is_interrupted_once(void **state)
{
    (void)state;
    sweep(INTERRUPTED, EINTR, 180);
}

static void any_write_is_short_once(void **state)
{
    (void)state;
    sweep(SHORT, 0, 180);
}

/* A test that counts nothing would pass: DuckDB's writes of a Parquet file must be among them. */
static void the_calls_of_duckdb_are_counted(void **state)
{
    struct world w;
    struct pt_duck *duck = NULL;
    struct pt_error err = {0};
    char *sql = NULL;

    (void)state;
    world_init(&w, false);
    PT_CHECK_OK(pt_duck_open(&duck, 1, &err), err);
    sql = pt_strf("COPY (SELECT 1 AS a) TO '%s/one.parquet'", w.root);
    plan(w.root, NOTHING, 0, 0);
    PT_CHECK_OK(pt_duck_run(duck, sql, &err), err);
    PT_CHECK(calls.calls >= 2);
    plan(w.root, FAILS, ENOSPC, 2);
    PT_CHECK(pt_duck_run(duck, sql, &err) != PT_OK);
    plan(NULL, NOTHING, 0, 0);
    pt_free(sql);
    pt_duck_close(duck);
    world_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_calls_of_duckdb_are_counted),
        cmocka_unit_test_teardown(any_call_fails_once, tell_place),
        cmocka_unit_test_teardown(any_call_finds_no_space_for_a_while, tell_place),
        cmocka_unit_test_teardown(any_call_is_interrupted_once, tell_place),
        cmocka_unit_test_teardown(any_write_is_short_once, tell_place),
    };

#ifdef __SANITIZE_THREAD__
    print_message("skipped: what this program defines itself, TSan would have to see\n");
    return sizeof(tests) == 0;
#else
    pt_log_set_level(PT_LOG_ERROR + 1); /* the planted faults are said otherwise */
    (void)pt_test_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
#endif
}
