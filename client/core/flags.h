/*
 * flags.h - feature flags: the values in force, whose they are, when the next are asked for
 *
 * Only client/core includes this. There are two texts with an index each. One may be in force: it
 * is read under `lock` and changed by nobody. The other belongs to who holds work_lock: an answer
 * or the cache file is read into it, and when that is whole, the two change places under `lock`.
 */
#ifndef PT_CLIENT_FLAGS_H
#define PT_CLIENT_FLAGS_H

#include "core/exchange.h"
#include "core/flags_cache.h"
#include "core/flags_index.h"

#define PT_CLIENT_FLAGS_EXPOSED_MAX 1024u /* a power of two */
/* The targetingKey and three options, each byte as \u00xx; the game's context; their names. */
#define PT_CLIENT_FLAGS_ASK_BYTES (4 * 6 * PLAYTRACE_TEXT_BYTES_MAX + 256)
#define PT_CLIENT_STREAM_URL_BYTES 1200
#define PT_CLIENT_STREAM_LINE_BYTES 1024
#define PT_CLIENT_STREAM_ID_BYTES 128

/* One connection to the stream of changes; its thread's alone. */
struct pt_client_stream {
    struct playtrace *client;
    void *http; /* owned */
    char url[PT_CLIENT_STREAM_URL_BYTES];
    char line[PT_CLIENT_STREAM_LINE_BYTES];
    size_t line_bytes;
    bool is_line_cut; /* longer than there is room for: the line counts as none */
    bool was_return;  /* the last byte was a CR: an LF belongs to it */
    char data[PT_CLIENT_STREAM_LINE_BYTES];
    size_t data_bytes;
    char id[PT_CLIENT_STREAM_ID_BYTES];      /* of the event that is being read */
    char last_id[PT_CLIENT_STREAM_ID_BYTES]; /* what the server has to tell from */
    bool is_other_event;                     /* its type is not "message" */
    bool is_open;                            /* the server has answered as it should */
    uint32_t retry_ms;                       /* what it asks for; 0: nothing */
    struct playtrace_http_response response;
};

/* Members stand beside the lock that guards them, which costs 52 bytes of padding. */
/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding) */
struct pt_client_flags {
    /* Set at open, then only read. */
    bool is_enabled;
    struct pt_client_flags_cache cache;
    char url[PLAYTRACE_URL_BYTES_MAX + 32];
    void *stream_changed; /* condition of `lock`, for the stream's thread */
    void *stream_thread;
    struct pt_client_stream *stream; /* its thread's alone */

    /* work */
    struct pt_client_flags_index indexes[2];
    char *texts[2];
    unsigned spare; /* which of the two may be written */
    char *ask;      /* the request's body */
    size_t ask_bytes;
    struct pt_client_flags_binding binding; /* of the request's body */
    uint32_t ask_round;                     /* whose flags are being asked for */
    uint32_t ask_count;
    char etag[PT_CLIENT_ETAG_BYTES]; /* of the values in force; "": none */
    char if_none_match[PT_CLIENT_ETAG_BYTES + 16];
    uint32_t etag_round;
    uint32_t failures; /* in a row */

    /* ring */
    const struct pt_client_flags_index *in_force; /* NULL: there are no values */
    bool is_confirmed; /* by the server, since open; else they are the cache's */
    uint64_t generation;
    uint32_t round;          /* whose: grows with user, context and consent */
    uint32_t cached_round;   /* the round for which the cache file was looked at */
    bool is_removal_due;     /* of the cache file */
    int64_t due_us;          /* when to ask again; INT64_MAX: not by itself */
    bool is_address_old;     /* the stream's: the next answer is to be a whole one */
    bool is_told;            /* the stream said that there is news, after the request began */
    int64_t not_before_us;   /* what the server has asked for by Retry-After */
    uint32_t asked;          /* how often a refresh was asked for, */
    uint32_t answered;       /* which of them is done, */
    bool is_answer_sound;    /* and whether it was answered as it should be */
    uint32_t exposure_round; /* grows with session and user; never 0 */
    uint32_t exposed_count;
    uint64_t exposed[PT_CLIENT_FLAGS_EXPOSED_MAX]; /* hashes of what was logged; 0: free */
    uint32_t exposed_round;                        /* which round they are of */
    char stream_url[PT_CLIENT_STREAM_URL_BYTES];   /* "": there is none */
    bool is_stream_up;
    uint32_t stream_failures;
    int64_t stream_due_us;
    int64_t stream_heard_us;                            /* when the last byte came */
    char context[PLAYTRACE_FLAG_CONTEXT_BYTES_MAX + 1]; /* the game's attributes; "": none */
};

/* ---- flags.c: life; what the game asks ---- */

/* Bytes of the client's one block that flags take, and their places in it. */
size_t pt_client_flags_block_bytes(const struct playtrace_options *options);
void pt_client_flags_place(struct playtrace *p, char *block);
/* Open: take what the directory holds for this player; then the stream's thread. */
void pt_client_flags_open(struct playtrace *p);
void pt_client_flags_start_stream(struct playtrace *p);
/* Without locks: end the stream's thread; then give back what open took. */
void pt_client_flags_stop_stream(struct playtrace *p);
void pt_client_flags_destroy(struct playtrace *p);

/* The caller holds `lock`: another user; consent was given or taken. */
void pt_client_flags_user_changed(struct playtrace *p);
void pt_client_flags_consent_changed(struct playtrace *p);
/* The caller holds `lock`: a new session logs its exposures anew. */
void pt_client_flags_session_changed(struct playtrace *p);
/* The caller holds `lock`: the game is back. */
void pt_client_flags_resumed(struct playtrace *p);
/* Is `attributes_json` a context that fits? */
bool pt_client_flag_context_is_valid(const char *attributes_json);
/* Remove what withdrawn consent must. The caller holds work_lock. False: a file failed. */
bool pt_client_flags_purge(struct playtrace *p);

/* May flags be used and asked for? The caller holds `lock`. */
bool pt_client_flags_may_use(const struct playtrace *p);
/* Put the spare index in force. The caller holds work_lock and `lock`. */
void pt_client_flags_put_in_force(struct playtrace *p, bool is_confirmed);
/* The values go; the stream's address too. The caller holds `lock`. */
void pt_client_flags_empty(struct playtrace *p);

/* ---- flags_fetch.c: asking; the caller holds work_lock, but for due_us() ---- */

/* When the next request is due; INT64_MAX: none. The caller holds `lock`. */
int64_t pt_client_flags_due_us(const struct playtrace *p);
/* Read the cache file, if it is this player's and nothing newer is known. */
void pt_client_flags_load(struct playtrace *p);
/* Ask. No request may be on its way. */
enum pt_client_step pt_client_flags_fetch(struct playtrace *p, uint32_t timeout_ms);

/* ---- flags_stream.c ---- */

/* The absolute address of the index's stream; "" where there is none that may be used. */
void pt_client_flags_stream_url(const struct pt_client_flags_index *index, const char *server,
                                char out[PT_CLIENT_STREAM_URL_BYTES]);
/* Read bytes of the stream; true: the server said that the flags have changed. */
bool pt_client_stream_read(struct pt_client_stream *stream, const char *data, size_t bytes);
void pt_client_flags_stream_run(void *client);

#endif
