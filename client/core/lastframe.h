/*
 * lastframe.h - a small value in a file, where the last sound frame is the value
 *
 * Only client/core includes this. A change appends a frame (one open and one write: replacing a
 * file by rename makes ext4 write it out at once, which was measured at 0.2 to 4 ms); a file that
 * has grown past PT_CLIENT_LASTFRAME_BYTES_MAX, or that ends in damage, is replaced by rename.
 * A kill leaves the old value or the new one.
 */
#ifndef PT_CLIENT_LASTFRAME_H
#define PT_CLIENT_LASTFRAME_H

#include "playtrace.h"

#define PT_CLIENT_LASTFRAME_BYTES_MAX 4096
#define PT_CLIENT_LASTFRAME_PAYLOAD_MAX 128

struct pt_client_lastframe {
    const struct playtrace_platform *platform; /* borrowed */
    const char *dir;                           /* borrowed */
    const char *name;                          /* borrowed: the file's, in `dir` */
    size_t payload_bytes;                      /* at most PT_CLIENT_LASTFRAME_PAYLOAD_MAX */
    size_t file_bytes;                         /* sound frames to append behind; 0: replace */
};

/* False: there is no value. `*is_damaged_out` (may be NULL): bytes were there that are no frame. */
bool pt_client_lastframe_load(struct pt_client_lastframe *last, void *payload_out,
                              bool *is_damaged_out);

/* Make `payload` the value; with `is_alone` no older value stays in the file, and it outlives a
 * loss of power. False: a file operation failed; the value is the old or the new one. */
bool pt_client_lastframe_store(struct pt_client_lastframe *last, const void *payload,
                               bool is_alone);

/* Remove the file. */
bool pt_client_lastframe_remove(struct pt_client_lastframe *last);

#endif
