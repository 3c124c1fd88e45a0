/*
 * host_posix.c - what the operating system says of files and of this process
 */
#include "base/host.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
        .is_file = S_ISREG(status.st_mode),
        .device = (uint64_t)status.st_dev,
        .mode = status.st_mode & 07777,
        .bytes = (uint64_t)status.st_size,
        .modified_at_us = (int64_t)status.st_mtim.tv_sec * 1000000 + status.st_mtim.tv_nsec / 1000,
    };
    return PT_OK;
}

char *pt_host_real_path(const char *path, struct pt_error *err)
{
    char real[PATH_MAX];
    char *trimmed = NULL;
    char *slash = NULL;
    char *found = NULL;
    size_t size = strlen(path);

    while (size > 1 && path[size - 1] == '/') {
        size--;
    }
    trimmed = pt_strndup(path, size);
    if (!trimmed) {
        goto out;
    }
    if (realpath(trimmed, real)) {
        found = pt_strdup(real);
        goto out;
    }
    slash = strrchr(trimmed, '/');
    if (errno == ENOENT && strcmp(slash ? slash + 1 : trimmed, "..") != 0) {
        if (slash) {
            *slash = '\0';
        }
        if (realpath(slash ? (*trimmed ? trimmed : "/") : ".", real)) {
            found =
                pt_strf("%s/%s", strcmp(real, "/") == 0 ? "" : real, slash ? slash + 1 : trimmed);
            goto out;
        }
    }
    (void)pt_fail_errno(err, errno, "look at %s", path);
    pt_free(trimmed);
    return NULL;

out:
    if (!found) {
        (void)pt_fail(err, PT_NO_MEMORY, "look at %s", path);
    }
    pt_free(trimmed);
    return found;
}

bool pt_host_may_write(const char *dir)
{
    return access(dir, W_OK | X_OK) == 0;
}

bool pt_host_is_unreadable(const char *dir)
{
    return faccessat(AT_FDCWD, dir, R_OK, AT_EACCESS) != 0 && errno == EACCES;
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

uint64_t pt_host_memory_bytes(void)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    long page_bytes = sysconf(_SC_PAGESIZE);
    uint64_t bytes = pages > 0 && page_bytes > 0 ? (uint64_t)pages * (uint64_t)page_bytes : 0;
    unsigned long long limit = 0;
    FILE *file = fopen("/sys/fs/cgroup/memory.max", "re"); /* "max" where there is none */

    if (file && fscanf(file, "%llu", &limit) == 1 && limit > 0 && (bytes == 0 || limit < bytes)) {
        bytes = limit;
    }
    if (file) {
        fclose(file);
    }
    return bytes;
}

void pt_host_thread_yield_cpu(void)
{
    /* Linux counts niceness a thread; elsewhere it is the process's, and then nothing is done. */
#ifdef __linux__
    (void)setpriority(PRIO_PROCESS, 0, 10);
#endif
}

long pt_host_pid(void)
{
    return (long)getpid();
}
