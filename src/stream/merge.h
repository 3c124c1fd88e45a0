/*
 * merge.h - runs of one bucket become one, in the background
 *
 * One thread, started with the first job, does one job at a time. It is given names, opens the
 * files itself and writes a file that nobody names yet, so it shares nothing with the set but the
 * job's state, under one lock. The set takes the result at its next checkpoint; a crash before
 * leaves an orphan. A job that fails changes nothing and is asked for again. Memory: a buffer of 32
 * KiB and a block for each input, and the index of the output.
 *
 * All functions are for the set's thread.
 */
#ifndef PT_STREAM_MERGE_H
#define PT_STREAM_MERGE_H

#include "base/io.h"

struct pt_merger;

#define PT_MERGE_INPUTS_MAX 64u

enum pt_merge_state {
    PT_MERGE_IDLE,
    PT_MERGE_BUSY,
    PT_MERGE_DONE, /* the result waits to be taken */
};

/* `io` is borrowed; NULL without memory. */
struct pt_merger *pt_merger_create(struct pt_io *io, const char *dir) PT_MUST_USE;
/* Ends a running job early, joins the thread. */
void pt_merger_destroy(struct pt_merger *merger);

enum pt_merge_state pt_merger_state(struct pt_merger *merger);

/* While idle: merge `inputs` of the directory (names are copied) into `output`. */
enum pt_code pt_merger_start(struct pt_merger *merger, const char *const *inputs, size_t count,
                             const char *output, struct pt_error *err) PT_MUST_USE;

/* The job asked for last: its inputs and output, until the next pt_merger_start(). */
size_t pt_merger_input_count(const struct pt_merger *merger);
const char *pt_merger_input(const struct pt_merger *merger, size_t index);
const char *pt_merger_output(const struct pt_merger *merger); /* NULL: there was no job */

/* After DONE: how it ended, with its reason in `err`; idle from now on. */
enum pt_code pt_merger_take(struct pt_merger *merger, struct pt_error *err) PT_MUST_USE;

/* Wait until no job runs. */
void pt_merger_wait(struct pt_merger *merger);

#endif
