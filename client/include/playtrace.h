/*
 * playtrace.h - the game's side of Playtrace: record an event, keep it, deliver it
 *
 *     struct playtrace_options options;
 *     struct playtrace *p = NULL;
 *
 *     playtrace_options_init(&options);
 *     options.url = "https://play.example";
 *     options.queue_dir = save_dir;
 *     options.user_id = account;
 *     options.consent = PLAYTRACE_CONSENT_GIVEN;
 *     if (playtrace_open(&p, &options) == PLAYTRACE_OK) {
 *         playtrace_track(p, "level_end", "{\"level\":7,\"won\":true}");
 *         playtrace_close(p, 2000);
 *     }
 *
 * Promises. playtrace_track() copies the event and returns: no I/O, no allocation, no lock
 * that is held over I/O. An event leaves the queue on disk only by the server's receipt, by
 * withdrawn consent, because the server says that it cannot be read, or where the options' budget
 * or age say so; everything that was written outlives a kill of the process. A loss of power may
 * take the last seconds, but nothing from before a playtrace_sync(). Nothing is stored and nothing
 * is sent without consent. No function ends the game: failures are statuses, and every event that
 * could not be kept is counted in struct playtrace_stats.
 *
 * Threads. Between open and close every call may be made from any thread at any time. flush, pump,
 * sync, pause, flags_refresh and both set_consent may wait for files (and flush, pump and
 * flags_refresh for the network); the others wait for nothing but each other. close is
 * called once, when no other call is running. Not from a signal handler; not after fork(). A
 * struct playtrace_event belongs to one thread at a time.
 *
 * Text is UTF-8 with a final NUL, borrowed for the call unless stated.
 */
#ifndef PLAYTRACE_H
#define PLAYTRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The library hides everything but what stands here (Windows has its list from here too). */
#if defined(PLAYTRACE_BUILD) && defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

#ifdef __cplusplus
/* Two functions are named like their structs; C++ keeps them apart, and g++ -Wshadow says so. */
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#endif
extern "C" {
#endif

#define PLAYTRACE_NAME_BYTES_MAX 64      /* event_name */
#define PLAYTRACE_TEXT_BYTES_MAX 256     /* user_id, build_id, mechanic_version, api_key */
#define PLAYTRACE_URL_BYTES_MAX 1024     /* url; also queue_dir */
#define PLAYTRACE_EVENT_BYTES_MAX 32768u /* the whole event as JSON */
#define PLAYTRACE_ATTRIBUTE_DEPTH_MAX 32 /* objects and arrays within attributes */
#define PLAYTRACE_ID_TEXT_BYTES 37       /* a UUID as text, with the NUL */
#define PLAYTRACE_BATCH_BYTES_MAX 262144u
#define PLAYTRACE_KEY_BYTES 32             /* queue_key */
#define PLAYTRACE_KEY_BYTES_MAX 64         /* an attribute's key, by the builder */
#define PLAYTRACE_POLICY_BYTES_MAX 64      /* policy_version */
#define PLAYTRACE_EVENT_OWN_BYTES 2048     /* attributes within struct playtrace_event */
#define PLAYTRACE_EVENT_ATTRIBUTES_MAX 256 /* of one struct playtrace_event */
#define PLAYTRACE_BATCH_EVENTS_MAX 1000    /* highest batch_events_max */
#define PLAYTRACE_FLAG_CONTEXT_BYTES_MAX 4096
#define PLAYTRACE_FLAGS_BYTES_MAX 1047552u /* highest flags_bytes_max */

enum playtrace_status {
    PLAYTRACE_OK = 0,
    PLAYTRACE_QUEUED,     /* not everything is delivered; what is left stays in the queue */
    PLAYTRACE_INVALID,    /* an argument is wrong; nothing was done */
    PLAYTRACE_NO_CONSENT, /* nothing was stored or sent */
    PLAYTRACE_DROPPED,    /* the ring in memory is full; the event is lost and counted */
    PLAYTRACE_BUSY,       /* another client has this queue directory open */
    PLAYTRACE_IO,         /* the queue directory cannot be used */
    PLAYTRACE_NO_MEMORY,
    PLAYTRACE_KEY,     /* the queue holds records that options.queue_key does not open */
    PLAYTRACE_VERSION, /* the queue was written by a newer version of this library */
};

enum playtrace_consent {
    PLAYTRACE_CONSENT_NONE = 0, /* the player has not decided */
    PLAYTRACE_CONSENT_GIVEN,
    PLAYTRACE_CONSENT_WITHDRAWN,
};

/* What is kept and sent before what, when there is no room for all. */
enum playtrace_priority {
    PLAYTRACE_PRIORITY_LOW = 0, /* heartbeats, positions: the first to give way */
    PLAYTRACE_PRIORITY_NORMAL,
    PLAYTRACE_PRIORITY_HIGH, /* purchases, consent: the last to give way, the first to be sent */
};

/* What data may be used for; bits. */
enum playtrace_purpose {
    PLAYTRACE_PURPOSE_ANALYTICS = 1,   /* the events of the game */
    PLAYTRACE_PURPOSE_EXPERIMENTS = 2, /* flags from the server, exposures */
    PLAYTRACE_PURPOSES_ALL = 3,
};

/* The decision that holds. */
struct playtrace_consent_record {
    enum playtrace_consent consent;
    unsigned purposes;  /* bits of enum playtrace_purpose; 0 unless consent is given */
    int64_t decided_us; /* UTC, microseconds since 1970; 0: none, or not known */
    char policy_version[PLAYTRACE_POLICY_BYTES_MAX + 1]; /* "": none was named */
};

enum playtrace_log_level {
    PLAYTRACE_LOG_ERROR = 1, /* data is lost, or nothing works until something is put right */
    PLAYTRACE_LOG_WARNING,   /* a call did not do what it was meant to */
    PLAYTRACE_LOG_INFO,
};

struct playtrace; /* one client: a queue directory, a session, a destination */
struct playtrace_platform;

/* Text and key are copied by playtrace_open(); `platform_table` is copied too, what it points to is
 * not. */
struct playtrace_options {
    const char *url;     /* required: the server, "https://host[:port]"; /v1/events is added */
    const char *api_key; /* NULL: no Authorization header */
    const char *signing_secret; /* NULL: batches are not signed; else 1..256 bytes, one of the
                                   server's collect.signing_secrets */
    const char *queue_dir;      /* required: made if absent (one level); this client's alone */
    const char *user_id;        /* NULL: the install_id stands for the player */
    const char *build_id;       /* NULL: left out of events; so for the next two */
    const char *platform;       /* "ios", "android", "pc", "console" or "web" */
    const char *mechanic_version;

    enum playtrace_consent consent; /* used where the directory holds no decision; default NONE */
    bool without_worker;      /* true: no thread; the game calls playtrace_pump(). Default false */
    bool sync_at_close;       /* fsync undelivered events at close. Default true */
    bool flush_ignores_retry; /* flush and close send at once, whatever the back-off timer says.
                                 Default false */
    bool report_health;       /* the client tracks events of its own: playtrace_self_test once an
                                 open, playtrace_dropped when events were lost. Default true */

    uint32_t session_timeout_ms; /* in the background for longer: a new session; default 30,000 */
    uint32_t flush_interval_ms;  /* send at least this often; default 10,000 */
    uint32_t batch_events_max;   /* events a request, 1..PLAYTRACE_BATCH_EVENTS_MAX; default 100 */
    uint64_t queue_bytes_max;    /* budget on disk of all priorities together; where it is reached,
                                    the oldest events of lower priorities give way, and else the
                                    newest are refused; default 64 MiB, some 170,000 events */
    uint64_t queue_age_max_ms;   /* older events are given up where they cannot be sent: after a
                                    failed request, and only where a server's Date confirms the
                                    clock, so that a wrong clock loses nothing; default 30 days;
                                    0: never */
    const uint8_t *queue_key;    /* PLAYTRACE_KEY_BYTES bytes: events on disk are sealed with
                                    AES-256-GCM; copied. NULL (default): they are plain text */
    uint32_t ring_bytes;         /* memory between track() and the queue; default 256 KiB, at
                                    least 4 * PLAYTRACE_EVENT_BYTES_MAX */
    uint32_t retry_base_ms;      /* back-off: random(0, min(cap, base * 2^n)); default 1,000 */
    uint32_t retry_cap_ms;       /* default 300,000 */
    uint32_t connect_timeout_ms; /* default 5,000 */
    uint32_t request_timeout_ms; /* one request in all; default 15,000 */

    /*
     * What was wrong, where, and what to do, as a line of text without a line feed; NULL: silence.
     * Called from any thread that calls the client and from the worker, with no lock held: it may
     * call the client, and it may be slow. Texts of one kind are thinned out when they repeat.
     */
    void (*log)(void *log_ctx, enum playtrace_log_level level, const char *text);
    void *log_ctx;

    bool flags_enabled;       /* ask the server for feature flags. Default true */
    bool flags_stream;        /* hear of changes at once, by a second thread and connection, where
                                 the server offers a stream of them. Default true */
    const char *flag_context; /* as playtrace_set_flag_context(); NULL: nothing */
    uint32_t flags_poll_ms;   /* ask again so often; ten times rarer while the stream is open; 0:
                                 only at open and when asked to. Default 60,000 */
    uint32_t flags_bytes_max; /* an answer with more is not taken; 1,024..
                                 PLAYTRACE_FLAGS_BYTES_MAX; default 256 KiB */

    const struct playtrace_platform *platform_table; /* NULL: POSIX and libcurl */
};

/* All counts since open. While no call is running,
 * tracked + recovered = queued + delivered + refused + unreadable + dropped_budget +
 * dropped_evicted + dropped_age + withdrawn,
 * unless somebody else damages the queue's files meanwhile. */
struct playtrace_stats {
    uint64_t tracked;         /* events that track() took */
    uint64_t recovered;       /* found in the queue at open */
    uint64_t queued;          /* now in memory or on disk */
    uint64_t queued_bytes;    /* bytes of queue files now on disk */
    uint64_t delivered;       /* accepted by the server's receipt */
    uint64_t refused;         /* refused by the server's receipt: left the queue */
    uint64_t unreadable;      /* single events to which the server answered 400 or 413 */
    uint64_t dropped_ring;    /* track() returned PLAYTRACE_DROPPED */
    uint64_t dropped_budget;  /* the queue had reached queue_bytes_max */
    uint64_t withdrawn;       /* thrown away because consent ended */
    uint64_t damaged;         /* runs of damaged bytes that were cut or skipped in the queue */
    uint64_t send_attempts;   /* HTTP requests made */
    uint64_t retries;         /* of these, how many repeat a batch that failed */
    uint64_t io_failures;     /* file operations that failed; they are repeated */
    uint64_t dropped_evicted; /* gave way to events of a higher priority */
    uint64_t dropped_age;     /* older than queue_age_max_ms, and could not be sent */
    uint64_t invalid;         /* track calls that returned PLAYTRACE_INVALID */
    uint64_t flag_requests;   /* HTTP requests for flags */
    uint64_t flag_failures;   /* of these, how many brought no answer that could be used */
};

/* Fill in the defaults named above. */
void playtrace_options_init(struct playtrace_options *options);

/*
 * Open the queue directory, recover what it holds, start a session, and (unless without_worker)
 * the worker thread. Any other status than PLAYTRACE_OK leaves `*p_out` NULL and nothing open;
 * PLAYTRACE_BUSY, _KEY and _VERSION leave the directory as it was. Pair with playtrace_close().
 */
enum playtrace_status playtrace_open(struct playtrace **p_out,
                                     const struct playtrace_options *options);

/*
 * Record that something happened, now. `name` is 1..64 bytes of [A-Za-z][A-Za-z0-9_.]*;
 * `attributes_json` is NULL or the text of one JSON object. Takes a sequence number, also when
 * the event is DROPPED, so that the loss shows; INVALID and NO_CONSENT take none.
 */
enum playtrace_status playtrace_track(struct playtrace *p, const char *name,
                                      const char *attributes_json);

/* The same, and the event's id as text; an empty text unless the answer is PLAYTRACE_OK. */
enum playtrace_status playtrace_track_id(struct playtrace *p, const char *name,
                                         const char *attributes_json,
                                         char event_id_out[PLAYTRACE_ID_TEXT_BYTES]);

/* The same with a priority; playtrace_track() is NORMAL. `event_id_out` may be NULL. */
enum playtrace_status playtrace_track_with(struct playtrace *p, const char *name,
                                           const char *attributes_json,
                                           enum playtrace_priority priority,
                                           char event_id_out[PLAYTRACE_ID_TEXT_BYTES]);

/* Whose events follow, 1..256 bytes; NULL: the install_id again. Earlier events keep theirs. */
enum playtrace_status playtrace_set_user(struct playtrace *p, const char *user_id);

/*
 * ---- One event by typed calls: no text to put together, no allocation. ----
 *
 *     struct playtrace_event e;
 *
 *     playtrace_event_init(&e, "level_end");
 *     playtrace_event_add_int(&e, "level", 7);
 *     playtrace_event_add_double(&e, "seconds", 81.5);
 *     playtrace_track_event(p, &e, NULL);
 *
 * The members are the client's; `refused` may be read. Each add answers PLAYTRACE_INVALID, counts
 * in `refused` and leaves that attribute out where the number is not finite, the text is not UTF-8,
 * the key is empty, longer than PLAYTRACE_KEY_BYTES_MAX, or repeated, or no room is left; what was
 * added before stands. The event may be tracked more than once; each is an event of its own.
 */
struct playtrace_event {
    char name[PLAYTRACE_NAME_BYTES_MAX + 2]; /* one more than allowed: too long stays too long */
    enum playtrace_priority priority;
    unsigned refused;        /* attributes that were left out */
    const char *refused_why; /* the first one's reason */
    char refused_key[32];    /* and the start of its key, in ASCII */
    unsigned count;
    size_t bytes;     /* of the text, without its NUL */
    size_t bytes_max; /* with its NUL */
    char *larger;     /* the caller's buffer; NULL: `own` */
    uint16_t key_at[PLAYTRACE_EVENT_ATTRIBUTES_MAX];
    char own[PLAYTRACE_EVENT_OWN_BYTES];
};

/* Start an event called `name` (copied). */
void playtrace_event_init(struct playtrace_event *e, const char *name);
/* The same with room for `bytes` of attributes in `buffer`, which is borrowed until the last use.
 */
void playtrace_event_init_in(struct playtrace_event *e, const char *name, void *buffer,
                             size_t bytes);
enum playtrace_status playtrace_event_add_string(struct playtrace_event *e, const char *key,
                                                 const char *value);
enum playtrace_status playtrace_event_add_int(struct playtrace_event *e, const char *key,
                                              int64_t value);
enum playtrace_status playtrace_event_add_uint(struct playtrace_event *e, const char *key,
                                               uint64_t value);
enum playtrace_status playtrace_event_add_double(struct playtrace_event *e, const char *key,
                                                 double value);
enum playtrace_status playtrace_event_add_bool(struct playtrace_event *e, const char *key,
                                               bool value);
/* `json` is the text of any one JSON value. */
enum playtrace_status playtrace_event_add_json(struct playtrace_event *e, const char *key,
                                               const char *json);
/* NORMAL unless set. */
void playtrace_event_set_priority(struct playtrace_event *e, enum playtrace_priority priority);
/* As playtrace_track_with(); event_id_out may be NULL. */
enum playtrace_status playtrace_track_event(struct playtrace *p, const struct playtrace_event *e,
                                            char event_id_out[PLAYTRACE_ID_TEXT_BYTES]);

/*
 * The player's decision about all purposes, kept on disk with its time. Anything but GIVEN empties
 * memory and queue, cancels a request on its way (within some 50 ms with libcurl), and forgets
 * install id and session before it returns. PLAYTRACE_IO: a file could not be written or removed;
 * the decision holds in this process and the removal is repeated.
 *
 * WITHDRAWN after GIVEN leaves one event, `playtrace_consent`, with the ids that it is about; it is
 * sent until the server's receipt, over restarts too, and then nothing is left on the device but
 * the decision. WITHDRAWN where nothing was given, and NONE ("not decided"), send nothing.
 */
enum playtrace_status playtrace_set_consent(struct playtrace *p, enum playtrace_consent consent);

/*
 * The decision by purpose: GIVEN for `purposes` (bits of enum playtrace_purpose), WITHDRAWN where
 * that is 0. `policy_version` (1..64 bytes) names the text that the player decided about; NULL: as
 * recorded before. Taking one purpose of two back empties what was kept for it and sends one
 * `playtrace_consent` event with the purposes left. Without ANALYTICS no event is taken but
 * exposures; without EXPERIMENTS no exposure. The same decision again changes nothing.
 */
enum playtrace_status playtrace_set_consent_for(struct playtrace *p, unsigned purposes,
                                                const char *policy_version);

/* The decision that holds now. */
enum playtrace_consent playtrace_get_consent(struct playtrace *p);
void playtrace_get_consent_record(struct playtrace *p, struct playtrace_consent_record *record_out);

/* A new session_id; seq starts from 0. playtrace_open() has started the first one. */
enum playtrace_status playtrace_session_start(struct playtrace *p);

/*
 * The game goes to the background: what was tracked is written and synced (waiting at most 2 s, for
 * files only), what is queued is sent soon, and the time is noted. PLAYTRACE_IO: it could not be
 * written. The game may go on tracking.
 */
enum playtrace_status playtrace_pause(struct playtrace *p);

/*
 * The game is back: after more than options.session_timeout_ms a new session begins. What waits
 * for a next try is sent at once, unless the server asked for a longer wait.
 */
enum playtrace_status playtrace_resume(struct playtrace *p);

/* The current session's id as text. */
void playtrace_session_id(struct playtrace *p, char session_id_out[PLAYTRACE_ID_TEXT_BYTES]);

/*
 * Send what is queued, waiting at most `timeout_ms` (0: only write the ring to the queue).
 * PLAYTRACE_OK: everything that was tracked before the call has left the queue; PLAYTRACE_QUEUED:
 * time was up, or the server asks for a longer wait than that.
 */
enum playtrace_status playtrace_flush(struct playtrace *p, uint32_t timeout_ms);

/*
 * The sync point. PLAYTRACE_OK: every event that was tracked before the call has left the queue
 * already, is on disk and outlives also a loss of power, or is counted as dropped.
 * PLAYTRACE_QUEUED: `timeout_ms` was over first (without a worker it is not looked at).
 * PLAYTRACE_IO: a file operation failed; what was not written is still in memory.
 */
enum playtrace_status playtrace_sync(struct playtrace *p, uint32_t timeout_ms);

/*
 * One step of the worker's work, for games without one (call it once a frame or a second):
 * writes the ring to the queue and sends one batch if one is due, which takes as long as the
 * request does, unless the platform has http_start. PLAYTRACE_OK: nothing is queued;
 * PLAYTRACE_QUEUED: something is.
 */
enum playtrace_status playtrace_pump(struct playtrace *p);

/*
 * Write everything to the queue, send for at most `timeout_ms` (0: send nothing), and free `p`
 * (NULL is fine: PLAYTRACE_OK). PLAYTRACE_QUEUED: the rest is on disk for the next open.
 * PLAYTRACE_IO: some of it could not be written and is lost.
 */
enum playtrace_status playtrace_close(struct playtrace *p, uint32_t timeout_ms);

void playtrace_stats(struct playtrace *p, struct playtrace_stats *stats_out);

/*
 * How many calls were refused because they must not be made: after close, or from a signal handler
 * that interrupted the client. Only builds without NDEBUG (gcc and clang) look, and answer
 * PLAYTRACE_INVALID; elsewhere this is 0, and such a call may hang or crash.
 */
unsigned playtrace_misuse_count(void);

/* "OK", "QUEUED", …; never NULL. */
const char *playtrace_status_name(enum playtrace_status status);

/*
 * ---- Feature flags (docs/flags.md, "In the game") ----
 *
 * The values are the server's last answer for this player: first the one kept on disk by an
 * earlier run, then the network's. A getter takes the value from memory: it never waits, reads no
 * file and allocates nothing; without a value of its type it gives `default_value`, which is so
 * before the first answer, without consent, for an unknown flag, and for one that is turned off.
 * What is the value of an experiment's flag is logged as its exposure by the getter that returns
 * it, once a session, flag, variant and epoch: call it where the player meets what it decides.
 */

bool playtrace_flag_bool(struct playtrace *p, const char *key, bool default_value);
/* Whole numbers of 64 bits; 3.0 is one. */
int64_t playtrace_flag_int(struct playtrace *p, const char *key, int64_t default_value);
/* Any number. */
double playtrace_flag_double(struct playtrace *p, const char *key, double default_value);

/*
 * Like snprintf(): the length of the whole text; `out` gets what fits of it, cut before a
 * character that does not, and a NUL (`out` may be NULL where `out_bytes` is 0). `default_value`
 * may be NULL for "". json is for objects and arrays, as the server wrote them.
 */
size_t playtrace_flag_string(struct playtrace *p, const char *key, const char *default_value,
                             char *out, size_t out_bytes);
size_t playtrace_flag_json(struct playtrace *p, const char *key, const char *default_value,
                           char *out, size_t out_bytes);

/* Why a flag has its value. Longer texts are cut. */
struct playtrace_flag_details {
    char variant[65];
    char reason[33];     /* OpenFeature's; CACHED: from disk, the server has not confirmed it yet */
    char error_code[33]; /* with reason ERROR: FLAG_NOT_FOUND, PROVIDER_NOT_READY, the server's */
    bool is_default;     /* getters of any type give the caller's default */
};

/* Logs no exposure. PLAYTRACE_INVALID: an argument is NULL. */
enum playtrace_status playtrace_flag_details(struct playtrace *p, const char *key,
                                             struct playtrace_flag_details *details_out);

/*
 * What targeting rules are asked with beside the player (targetingKey: the user id, else the
 * install id) and the options' build_id, platform and mechanic_version: a JSON object of at most
 * PLAYTRACE_FLAG_CONTEXT_BYTES_MAX bytes without targetingKey, NULL: nothing. A change asks
 * anew; until the answer comes the present values hold. (After playtrace_set_user() they do not.)
 */
enum playtrace_status playtrace_set_flag_context(struct playtrace *p, const char *attributes_json);

/*
 * Ask the server now, and wait for the answer at most `timeout_ms` (0: do not wait). PLAYTRACE_OK:
 * the values are those of now; PLAYTRACE_QUEUED: they are the last known ones, because time was
 * up, the answer could not be used, or the server asks for a longer wait (Retry-After).
 */
enum playtrace_status playtrace_flags_refresh(struct playtrace *p, uint32_t timeout_ms);

/* Grows with each change of values: compare once a frame. */
uint64_t playtrace_flags_generation(struct playtrace *p);

/*
 * ---- The platform table: everything that the core asks of the machine. ----
 *
 * Take the default with playtrace_platform_posix_init() and replace what you need. Each group is
 * handed its own context. Functions that return int answer 0 for done and -1 for failed.
 */

struct playtrace_http_request {
    const char *method; /* "POST" or "GET" (no body); NULL: POST */
    const char *url;
    const char *const *headers; /* "Name: value", header_count of them */
    size_t header_count;
    const void *body;
    size_t body_bytes;
    uint32_t connect_timeout_ms;
    uint32_t timeout_ms;                 /* the whole exchange; 0: no limit (an event stream) */
    bool wants_new_connection;           /* close those that are kept alive, where that can be done:
                                            an answer came that was to another request */
    bool (*should_stop)(void *stop_ctx); /* ask often; true: give up now with status 0 */
    void *stop_ctx;
    /* NULL: the answer's body goes to response->body. Else each part of it is handed over as it
     * comes, with the response's status and headers filled in; false: give up with status 0. */
    bool (*on_body)(void *body_ctx, const char *data, size_t bytes);
    void *body_ctx;
};

/* Headers are filled in as the server sent them, "" where it did not or where they do not fit. */
struct playtrace_http_response {
    int status; /* HTTP status; 0: no whole answer came */
    char *body; /* storage of the core: fill at most body_bytes_max */
    size_t body_bytes_max;
    size_t body_bytes;      /* filled */
    bool is_truncated;      /* the answer was longer */
    char retry_after[64];   /* Retry-After */
    char etag[128];         /* ETag, with its quotes */
    char content_type[64];  /* Content-Type */
    char traceresponse[64]; /* traceresponse: the request's traceparent, from a server that we know
                             */
    char date[64];          /* Date: tells a device whose clock is wrong what time it is */
};

enum playtrace_file_mode {
    PLAYTRACE_FILE_READ,    /* reading only; fails where the file is not there */
    PLAYTRACE_FILE_APPEND,  /* made if absent; read anywhere, write at the end */
    PLAYTRACE_FILE_REPLACE, /* as APPEND, but emptied first */
};

struct playtrace_platform {
    /* Clock and randomness: never fail but for random(). */
    void *clock_ctx;
    int64_t (*wall_us)(void *clock_ctx); /* UTC, microseconds since 1970 */
    int64_t (*mono_us)(void *clock_ctx); /* never goes back, and counts the time asleep: events'
                                            times are corrected by it */
    int (*random)(void *clock_ctx, void *buffer, size_t bytes);
    void (*sleep_ms)(void *clock_ctx, uint32_t ms); /* flush and close without a worker wait here */

    /* Memory: only open, close and the transport's first request call it. */
    void *memory_ctx;
    void *(*alloc)(void *memory_ctx, size_t bytes); /* NULL: none */
    void (*release)(void *memory_ctx, void *memory);

    /* Files. Handles are opaque; paths are full paths. */
    void *file_ctx;
    int (*dir_create)(void *file_ctx, const char *path); /* 0 also where it exists */
    int (*dir_list)(void *file_ctx, const char *path, void (*each)(void *arg, const char *name),
                    void *arg);
    int (*dir_lock)(void *file_ctx, const char *path, void **lock_out); /* 1: taken by another */
    void (*dir_unlock)(void *file_ctx, void *lock);
    int (*file_open)(void *file_ctx, const char *path, enum playtrace_file_mode mode,
                     void **file_out);
    int64_t (*file_size)(void *file_ctx, void *file);                               /* -1: failed */
    int (*file_append)(void *file_ctx, void *file, const void *data, size_t bytes); /* one write */
    int64_t (*file_read)(void *file_ctx, void *file, uint64_t offset, void *buffer, size_t bytes);
    int (*file_truncate)(void *file_ctx, void *file, uint64_t bytes);
    int (*file_sync)(void *file_ctx, void *file);
    void (*file_close)(void *file_ctx, void *file);
    int (*file_rename)(void *file_ctx, const char *from, const char *to); /* replaces */
    int (*file_remove)(void *file_ctx, const char *path); /* 0 also where it is not there */

    /*
     * AES-256-GCM, for queue_key only. seal() writes `bytes` + 16 (the tag is last); unseal() is
     * given the same, writes `bytes` - 16, and answers -1 where the text is not authentic. `out`
     * of unseal() may be `sealed` itself.
     */
    void *crypto_ctx;
    int (*seal)(void *crypto_ctx, const uint8_t key[PLAYTRACE_KEY_BYTES], const uint8_t nonce[12],
                const void *plain, size_t bytes, void *out);
    int (*unseal)(void *crypto_ctx, const uint8_t key[PLAYTRACE_KEY_BYTES], const uint8_t nonce[12],
                  const void *sealed, size_t bytes, void *out);

    /*
     * HTTP. Where http_create is set, each client makes a transport of its own at its first
     * request and http_post gets that; else http_post gets http_ctx, which the caller owns: so
     * many clients of one thread, one after another, share one kept-alive connection.
     *
     * http_post returns when the exchange is over. Where an engine owns the network, or there is
     * one thread only, set http_start instead: it begins an exchange and returns (-1: it could
     * not); http_is_done is asked every few milliseconds, or once a pump, until it says true, which
     * it does exactly once, with the response filled in; or http_cancel is called, after which
     * neither request nor response may be touched. One exchange at a time; request and response,
     * and all they point to, stay in place meanwhile. playtrace_pump() never waits then. The three
     * are called one at a time, by whichever thread is in the client: the worker, or one that
     * pumps, flushes, closes or changes consent.
     */
    void *http_ctx;
    void *(*http_create)(void *http_ctx); /* NULL: failed, tried again later */
    void (*http_destroy)(void *http);
    void (*http_post)(void *http, const struct playtrace_http_request *request,
                      struct playtrace_http_response *response);
    int (*http_start)(void *http, const struct playtrace_http_request *request,
                      struct playtrace_http_response *response);
    bool (*http_is_done)(void *http);
    void (*http_cancel)(void *http);

    /*
     * Signatures and compression. hmac_sha256, given crypto_ctx, may be NULL where
     * options.signing_secret is. Where compress is set, batches go out packed, as content_encoding
     * says ("gzip" or "zstd"; the text stays in place), if that makes them smaller; compress
     * answers the bytes it wrote, 0: they did not fit, or it failed.
     */
    int (*hmac_sha256)(void *crypto_ctx, const void *key, size_t key_bytes, const void *data,
                       size_t bytes, uint8_t out[32]);
    void *compress_ctx;
    size_t (*compress)(void *compress_ctx, const void *in, size_t bytes, void *out,
                       size_t out_bytes_max);
    const char *content_encoding;

    /*
     * Threads. mutex_create NULL: one thread calls everything, and without_worker is required.
     * A condition belongs to one mutex; cond_wait() may wake early.
     */
    void *thread_ctx;
    void *(*mutex_create)(void *thread_ctx);
    void (*mutex_destroy)(void *thread_ctx, void *mutex);
    void (*mutex_lock)(void *thread_ctx, void *mutex);
    void (*mutex_unlock)(void *thread_ctx, void *mutex);
    void *(*cond_create)(void *thread_ctx);
    void (*cond_destroy)(void *thread_ctx, void *cond);
    void (*cond_wait)(void *thread_ctx, void *cond, void *mutex, uint32_t timeout_ms);
    void (*cond_broadcast)(void *thread_ctx, void *cond);
    void *(*thread_start)(void *thread_ctx, void (*run)(void *arg), void *arg); /* NULL: failed */
    void (*thread_join)(void *thread_ctx, void *thread);
    /* Does the calling thread hold it? Asked by debug builds only; NULL: not known. */
    bool (*mutex_is_mine)(void *thread_ctx, void *mutex);
};

/* The default table: POSIX files and threads, getrandom(), libcurl, OpenSSL, zlib. */
void playtrace_platform_posix_init(struct playtrace_platform *platform);

/*
 * The default transport. One thread at a time uses one transport; it keeps its connection alive.
 * To share one: platform.http_create = NULL; platform.http_ctx = playtrace_http_curl_create(NULL);
 * and playtrace_http_curl_destroy(platform.http_ctx) after the last client is closed.
 */
void *playtrace_http_curl_create(void *unused);
void playtrace_http_curl_destroy(void *transport);
void playtrace_http_curl_post(void *transport, const struct playtrace_http_request *request,
                              struct playtrace_http_response *response);

#ifdef __cplusplus
}
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif
#endif

#if defined(PLAYTRACE_BUILD) && defined(__GNUC__)
#pragma GCC visibility pop
#endif
#endif
