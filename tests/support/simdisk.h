/*
 * simdisk.h - a disk in memory that fails, tears and forgets
 *
 * Implements struct pt_io (base/io.h). What a program sees is kept apart from what would
 * survive a power failure: file bytes become durable by sync, names by sync_dir. A crash throws
 * the rest away, all or some of it, in units of 512-byte sectors. A failed sync forgets as
 * Linux does: the bytes stay readable, and no later sync writes them unless they are
 * written again. Any number of threads; a mutex orders all calls.
 */
#ifndef PT_SUPPORT_SIMDISK_H
#define PT_SUPPORT_SIMDISK_H

#include "base/io.h"

#include <stdbool.h>
#include <stdint.h>

struct pt_simdisk;

/* Empty, 1 GiB large; the root "/" and "." are there. Aborts without memory, as all of this does.
 */
struct pt_simdisk *pt_simdisk_create(void);
void pt_simdisk_destroy(struct pt_simdisk *disk);
struct pt_io *pt_simdisk_io(struct pt_simdisk *disk);

/*
 * The `nth` call from now (1 = next) of any function but close fails with `code`, once; 0 switches
 * it off. A failing write leaves half of its bytes. `has_effect`: the call fails, and yet was done
 * (not a sync, which always forgets).
 */
void pt_simdisk_fail_call(struct pt_simdisk *disk, unsigned nth, enum pt_code code,
                          bool has_effect);
/* That call and every later one fails: the device is gone. Ends with a crash. */
void pt_simdisk_fail_from(struct pt_simdisk *disk, unsigned nth, enum pt_code code);
/* Whether the failure asked for last has happened. */
bool pt_simdisk_fault_fired(struct pt_simdisk *disk);
/*
 * Before the `nth` call from now, `hook` runs once and may itself use the disk: another process
 * that acts just then. Its calls do not count. For a disk that one thread uses.
 */
void pt_simdisk_hook_call(struct pt_simdisk *disk, unsigned nth, void (*hook)(void *ctx),
                          void *ctx);
/* Whether that hook has run. */
bool pt_simdisk_hook_ran(struct pt_simdisk *disk);
/* Calls since creation. */
uint64_t pt_simdisk_calls(struct pt_simdisk *disk);

enum pt_simdisk_loss {
    PT_SIMDISK_LOSE_ALL,  /* everything that was not synced */
    PT_SIMDISK_LOSE_SOME, /* any subset of the unsynced sectors, and of the names the newest changes
                           */
    PT_SIMDISK_LOSE_NONE, /* all that was written got to the disk (but not what a failed sync
                             forgot) */
};

/*
 * Power failure and restart. Files that are open stay open but every call on them fails.
 * `seed` chooses what LOSE_SOME loses.
 */
void pt_simdisk_crash(struct pt_simdisk *disk, enum pt_simdisk_loss loss, uint64_t seed);
/* As LOSE_NONE, but of the last write only the first `bytes` bytes got to the disk. */
void pt_simdisk_crash_torn(struct pt_simdisk *disk, size_t bytes);

/* The last write's size in bytes. */
size_t pt_simdisk_last_write_bytes(struct pt_simdisk *disk);

/* Turn the bits of `mask` at one stored byte of a file; the file and the byte must be there. */
void pt_simdisk_flip(struct pt_simdisk *disk, const char *path, uint64_t at, uint8_t mask);

/* The space on the device; what is used stays used. */
void pt_simdisk_set_capacity(struct pt_simdisk *disk, uint64_t bytes);
uint64_t pt_simdisk_used(struct pt_simdisk *disk);

/* Files (not directories) that can be seen now. */
unsigned pt_simdisk_file_count(struct pt_simdisk *disk);

#endif
