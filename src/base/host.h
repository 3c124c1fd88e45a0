/*
 * host.h - what the operating system says of files and of this process
 *
 * For diagnosis and start-up; what stores data goes through io.h.
 */
#ifndef PT_BASE_HOST_H
#define PT_BASE_HOST_H

#include "base/error.h"

#include <stdint.h>

struct pt_host_file {
    bool is_dir;
    bool is_file;    /* a regular one */
    uint64_t device; /* which file system it is on */
    unsigned mode;   /* permission bits, 0600 */
    uint64_t bytes;
    int64_t modified_at_us;
};

/* PT_NOT_FOUND where there is none; PT_IO with the reason. */
enum pt_code pt_host_look(const char *path, struct pt_host_file *file_out,
                          struct pt_error *err) PT_MUST_USE;

/*
 * The absolute path of `path` without links, dots or doubled slashes; its last component need not
 * be there. NULL, with the reason in `err`, where the directory before it is not. Pair with
 * pt_free().
 */
char *pt_host_real_path(const char *path, struct pt_error *err) PT_MUST_USE;

/* Whether this process may make files in the directory. */
bool pt_host_may_write(const char *dir);
/* Whether it is kept from opening the directory, which making files in it does not ask for. */
bool pt_host_is_unreadable(const char *dir);

/* Memory that this process may use: the machine's, or less where it is contained. */
uint64_t pt_host_memory_bytes(void);

/* The calling thread is for work that can wait: others get the processor first. */
void pt_host_thread_yield_cpu(void);

/* How many descriptors process `pid` (0: this one) may have open now; 0 where that is not told. */
uint64_t pt_host_descriptors_max(long pid);

/* Let this process have as many descriptors open as it may; returns how many that is. */
uint64_t pt_host_descriptors_raise(void);

long pt_host_pid(void);

#endif
