/*
 * lock.h - one process a directory
 */
#ifndef PT_BASE_LOCK_H
#define PT_BASE_LOCK_H

#include "base/error.h"

#include <stdint.h>

struct pt_lock;

/*
 * Take the lock file at `path` (created where absent) and write our process id into it. PT_FENCED
 * names the process that holds it. The lock ends with the process, however it ends.
 */
enum pt_code pt_lock_take(struct pt_lock **lock_out, const char *path,
                          struct pt_error *err) PT_MUST_USE;
/*
 * As pt_lock_take(), for what is held only for a moment: waits up to `wait_ms` for it. PT_AGAIN
 * names the process that holds it even then.
 */
enum pt_code pt_lock_wait(struct pt_lock **lock_out, const char *path, uint32_t wait_ms,
                          struct pt_error *err) PT_MUST_USE;
/*
 * Who holds it: `*pid_out` is 0 where it is free or was never taken, -1 where the holder did not
 * say. It tries the lock for a moment, so that a server that starts in that moment is refused.
 */
enum pt_code pt_lock_probe(const char *path, long *pid_out, struct pt_error *err) PT_MUST_USE;
void pt_lock_release(struct pt_lock *lock); /* NULL is fine */

#endif
