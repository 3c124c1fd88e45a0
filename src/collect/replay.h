/*
 * replay.h - dead letters that were repaired, on their way into the log
 *
 * A body is {"events":[LETTER,…]}, a letter being a dead letter (docs/formats/dead_letter.md) whose
 * `event` was repaired. Its event passes the same checks, with three differences:
 *
 * - user_id and install_id are pseudonyms already, and anything else is refused.
 * - The record has the time, the place and the clock correction of the first receipt.
 * - What is refused gets a receipt but no second dead letter: it is one still.
 */
#ifndef PT_COLLECT_REPLAY_H
#define PT_COLLECT_REPLAY_H

#include "collect/decode.h"

/* As pt_decode_body(). `now_us`: a letter from later than that is PT_INVALID. */
enum pt_code pt_decode_replay(struct pt_decoder *decoder, struct pt_span body, int64_t now_us,
                              const struct pt_decode_env *env, struct pt_error *err) PT_MUST_USE;

#endif
