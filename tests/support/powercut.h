/*
 * powercut.h - the real file system, whose calls fail and whose power goes
 *
 * Implements struct pt_io over pt_io_posix(), for code of which a part (DuckDB) opens files past
 * pt_io, so that a disk in memory will not do. It keeps a second account of what would survive a
 * power failure: a file's bytes as they were at its last sync, whoever wrote them, and a
 * directory's names as they were when it was last synced. pt_powercut_cut() makes the real
 * directory what that account says, and of the rest keeps nothing, all, or what a seed chooses:
 * names in the order in which they were changed, bytes by sectors of 512, ends cut off or zeroed.
 * A sync is counted and noted, not done. Any thread; a mutex orders all calls.
 */
#ifndef PT_SUPPORT_POWERCUT_H
#define PT_SUPPORT_POWERCUT_H

#include "base/io.h"

#include <stdbool.h>
#include <stdint.h>

struct pt_powercut;

/* `root` is a directory; what is in it counts as durable. Aborts without memory. */
struct pt_powercut *pt_powercut_create(const char *root);
void pt_powercut_destroy(struct pt_powercut *cut);
struct pt_io *pt_powercut_io(struct pt_powercut *cut);

enum pt_trouble {
    PT_TROUBLE_NONE,
    PT_TROUBLE_ONCE,  /* it fails and was not done; a sync forgets what it should have written */
    PT_TROUBLE_SHORT, /* the same, but half of a write's bytes, or of an allocation, are there */
    PT_TROUBLE_DONE,  /* it was done, and yet fails (a sync forgets, as above) */
    PT_TROUBLE_DELAY, /* it takes 20 ms */
    PT_TROUBLE_FROM   /* it and every later one fails, undone: the process or the disk is gone */
};

/*
 * What happens at the `nth` call from now (1 = next) that changes something: open for writing,
 * write, sync, truncate, allocate, rename, unlink, mkdir, sync of a directory. Calls fail with
 * `code`.
 */
void pt_powercut_plan(struct pt_powercut *cut, enum pt_trouble trouble, unsigned nth,
                      enum pt_code code);
bool pt_powercut_fired(struct pt_powercut *cut);     /* whether that has happened */
unsigned pt_powercut_calls(struct pt_powercut *cut); /* counted since the last plan */
/* The function that met it, for messages: "sync", "rename", …; and its path. */
const char *pt_powercut_met(struct pt_powercut *cut);

enum pt_loss {
    PT_LOSE_ALL,  /* everything that was not synced */
    PT_LOSE_SOME, /* as `seed` chooses */
    PT_LOSE_NONE  /* what was written got to the disk: a process was killed */
};

/*
 * The power goes and comes back. Files must have been closed. What is left is durable, and no
 * trouble is planned.
 */
void pt_powercut_cut(struct pt_powercut *cut, enum pt_loss loss, uint64_t seed);

#endif
