/*
 * host_posix.c - what the operating system says of files and of this process
 */
#include "base/host.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum pt_code pt_host_look(const char *path, struct pt_host_file *file_out, struct pt_error *err)
{
    struct stat status;

    if (stat(path, &status) != 0) {
        return errno == ENOENT || errno == ENOTDIR
                   ? pt_fail(err, PT_NOT_FOUND, "%s: not there", path)
                   : pt_fail_errno(err, errno, "look at %s", path);
    }
    *file_out = (struct pt_host_file){
        .is_dir = S_ISDIR(status.st_mode),
        .mode = status.st_mode & 07777,
        .bytes = (uint64_t)status.st_size,
        .modified_at_us = (int64_t)status.st_mtim.tv_sec * 1000000 + status.st_mtim.tv_nsec / 1000,
    };
    return PT_OK;
}

bool pt_host_may_write(const char *dir)
{
    return access(dir, W_OK | X_OK) == 0;
}

uint64_t pt_host_descriptors_max(long pid)
{
    struct rlimit limit;

    return prlimit((pid_t)pid, RLIMIT_NOFILE, NULL, &limit) == 0 ? (uint64_t)limit.rlim_cur : 0;
}

uint64_t pt_host_descriptors_raise(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 0;
    }
    if (limit.rlim_cur < limit.rlim_max) {
        struct rlimit higher = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};

        return (uint64_t)(setrlimit(RLIMIT_NOFILE, &higher) == 0 ? higher : limit).rlim_cur;
    }
    return (uint64_t)limit.rlim_cur;
}

long pt_host_pid(void)
{
    return (long)getpid();
}
