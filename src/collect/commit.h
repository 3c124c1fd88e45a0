/*
 * commit.h - group commit: one sync answers many requests
 *
 * Loop threads put decoded requests into the open group; the commit thread takes the
 * group, appends it to the dead letters and the log, syncs both, and answers every request
 * in it. Lock order: there is one lock, held only to add to or to take a group.
 */
#ifndef PT_COLLECT_COMMIT_H
#define PT_COLLECT_COMMIT_H

#include "collect/collect.h"
#include "collect/decode.h"
#include "collect/sink.h"

struct pt_commit;

/*
 * `batch_bytes_goal`: whole requests are put into one log batch up to this many bytes; a single
 * request may be larger, but must fit a segment.
 */
enum pt_code pt_commit_open(struct pt_commit **commit_out, struct pt_log *log,
                            struct pt_log *dead_letters, size_t in_flight_bytes_max,
                            size_t batch_bytes_goal, struct pt_metrics *metrics,
                            struct pt_error *err) PT_MUST_USE;

/*
 * Copy what the decoder holds into the open group; `request` is answered later, with `answer` as
 * 202 or with the reason why not. PT_AGAIN: too much is waiting, or the log is broken;
 * the request is still the caller's.
 */
enum pt_code pt_commit_add(struct pt_commit *commit, struct pt_http_request *request,
                           const struct pt_decoder *decoder, struct pt_error *err) PT_MUST_USE;

/*
 * The same for events of our own, and wait until they are synced. PT_AGAIN as above; otherwise what
 * came of the group: PT_FULL without space, PT_IO and others where the log failed.
 */
enum pt_code pt_commit_keep(struct pt_commit *commit, const struct pt_decoder *decoder,
                            struct pt_error *err) PT_MUST_USE;

const char *pt_commit_unready(const struct pt_commit *commit); /* as pt_collect_unready() */
struct pt_sink pt_commit_sink(struct pt_commit *commit);       /* the three above */
/* Dead letters that the log's newest synced note counts. Any thread. */
uint64_t pt_commit_counted_dead(const struct pt_commit *commit);
void pt_commit_on_commit(struct pt_commit *commit, void (*wake)(void *ctx), void *ctx);
void pt_commit_close(struct pt_commit *commit); /* commits what waits first */

#endif
