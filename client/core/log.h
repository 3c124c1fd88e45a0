/*
 * log.h - what went wrong, in words, for the game's own log
 *
 * Only client/core includes this. The game's callback may call playtrace functions and may be
 * slow, so it is never called under a lock: pt_client_log() keeps the text, and
 * pt_client_log_deliver() hands it over once no lock is held. Memory is fixed; a storm of one kind
 * is thinned out to the first few and then one in each power of two.
 */
#ifndef PT_CLIENT_LOG_H
#define PT_CLIENT_LOG_H

#include "playtrace.h"

#define PT_CLIENT_LOG_TEXT_BYTES 320
#define PT_CLIENT_LOG_TEXTS 8

enum pt_client_log_kind {
    PT_CLIENT_LOG_CALL,   /* a wrong argument, a wrong event */
    PT_CLIENT_LOG_DROP,   /* ring or queue is full */
    PT_CLIENT_LOG_SERVER, /* an answer other than a receipt, events refused in a receipt */
    PT_CLIENT_LOG_FLAGS,
    PT_CLIENT_LOG_KINDS,
};

struct pt_client_log {
    uint32_t counts[PT_CLIENT_LOG_KINDS]; /* how often each kind was logged or thinned out */
    unsigned first;
    unsigned count; /* texts that wait, from `first` on */
    enum playtrace_log_level levels[PT_CLIENT_LOG_TEXTS];
    char texts[PT_CLIENT_LOG_TEXTS][PT_CLIENT_LOG_TEXT_BYTES];
};

#if defined(__GNUC__)
#define PT_CLIENT_PRINTF(at, first) __attribute__((format(printf, at, first)))
#else
#define PT_CLIENT_PRINTF(at, first)
#endif

/*
 * Keep a text for the game's log: what was wrong, where, what to do. The caller does not hold
 * `lock`; work_lock is fine, its release delivers. Without options.log this does nothing.
 */
void pt_client_log(struct playtrace *p, enum playtrace_log_level level,
                   enum pt_client_log_kind kind, const char *format, ...) PT_CLIENT_PRINTF(4, 5);

/* Make `text` one line of UTF-8: '?' for each other byte, as where a character was cut. */
void pt_client_log_tidy(char *text);

/* Hand over what waits. The caller holds no lock. */
void pt_client_log_deliver(struct playtrace *p);

#endif
