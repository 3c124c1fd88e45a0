/*
 * client.h - the client's inside, shared by the files of client/core
 *
 * Two locks. `work_lock` is held over files and network and guards what stands under "work";
 * `lock` is held for memory only and guards what stands under "ring". work_lock is taken before
 * lock, never the other way. With a platform that has no threads both are NULL and nothing locks.
 */
#ifndef PT_CLIENT_CLIENT_H
#define PT_CLIENT_CLIENT_H

#include "core/exchange.h"
#include "core/flags.h"
#include "core/lanes.h"
#include "core/log.h"
#include "core/misuse.h"
#include "core/sign.h"
#include "core/state.h"
#include "playtrace.h"

/* Room before the events: {"sent_at":"…","events":[ and what signing needs before that. */
#define PT_CLIENT_BODY_HEAD_BYTES (192 + PT_CLIENT_SIGN_ROOM_BYTES)
#define PT_CLIENT_PACKED_BYTES_MAX 131072u /* a batch that packs to more goes out as it is */
#define PT_CLIENT_ANSWER_BYTES_MAX 65536u
#define PT_CLIENT_IDENTITY_BYTES_MAX 5600 /* three texts, each byte as \u00xx, and the ids */
#define PT_CLIENT_RANDOM_BYTES 480        /* one refill makes 48 ids */
#define PT_CLIENT_NOTICES_BYTES_MAX 32768 /* consent events that wait for their receipt */

#define PT_CLIENT_DROP_REASONS 7 /* health.c's list */

/* Members stand beside the lock that guards them, which costs 40 bytes of padding. */
/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding) */
struct playtrace {
    /* Set at open, then only read. */
    struct playtrace_platform platform;
    struct playtrace_options options; /* its texts point into this struct, or are NULL */
    char url[PLAYTRACE_URL_BYTES_MAX + 16];
    char dir[PLAYTRACE_URL_BYTES_MAX];
    char authorization[PLAYTRACE_TEXT_BYTES_MAX + 32]; /* "" without a key */
    char build_id[PLAYTRACE_TEXT_BYTES_MAX + 1];
    char mechanic_version[PLAYTRACE_TEXT_BYTES_MAX + 1];
    char platform_name[16];
    char signing_secret[PLAYTRACE_TEXT_BYTES_MAX + 1]; /* "": batches are not signed */
    char content_encoding[48];                         /* the whole header; "": never packed */
    void *work_lock;
    void *lock;
    void *changed; /* condition of `lock`: for the worker, and for those who wait in flush */
    void *worker;  /* NULL where the game pumps */
    void *dir_lock;

    /* work */
    struct pt_client_lanes lanes;
    struct pt_client_lastframe state_file;
    void *http; /* owned where the platform has http_create */
    bool is_http_owned;
    bool is_connection_bad;             /* the next request wants a new one */
    struct pt_client_exchange exchange; /* the one request on its way */
    struct pt_client_batch sending;     /* what it carries, if it is ours; no events: nothing */
    char *spare;                        /* frames on their way to the queue */
    size_t spare_bytes;
    uint32_t spare_events;
    char *gathered;          /* half_bytes: what the drain writes at once, of one lane */
    char *body;              /* PT_CLIENT_BODY_HEAD_BYTES + PLAYTRACE_BATCH_BYTES_MAX + 2 */
    char *packed;            /* PT_CLIENT_SIGN_ROOM_BYTES + PACKED_BYTES_MAX; NULL: never packed */
    bool is_packed;          /* the batch on its way is */
    uint32_t unreadable_run; /* events in a row that the server could not read */
    bool is_plain_due;       /* a packed batch was refused: none is packed for the time being */
    char signature[PT_CLIENT_SIGNATURE_BYTES];
    int64_t date_us;         /* what the last answer with a Date said; 0: there was none */
    int64_t date_mono_us;    /* and when that was */
    int64_t server_ahead_us; /* the server's clock less ours, as far as it had to be learned */
    bool has_learned_time;   /* since the last wait */
    char *answer;            /* PT_CLIENT_ANSWER_BYTES_MAX */
    uint32_t failures;       /* requests in a row that failed */
    bool is_repeat;          /* the next request holds events that were sent before */
    uint32_t suspects;       /* events at a lane's head among which one is unreadable */
    unsigned suspect_lane;
    unsigned round_lane;  /* whose turn it is in an interval's round of lanes; 0: no round */
    uint32_t batch_limit; /* events of the next request while there are suspects */
    bool is_sending_notice;

    /* ring */
    char *active; /* frames that track() writes; swapped with `spare` */
    size_t active_bytes;
    uint32_t active_events;
    size_t half_bytes; /* size of active, of spare and of gathered */
    struct pt_client_state state;
    bool is_state_dirty;  /* the file `state` must be written */
    bool is_purge_due;    /* consent ended: files and spare must be emptied */
    unsigned purge_lanes; /* of these lanes, bits 1 << lane */
    bool is_decision_new; /* since the last drain: a request on its way ends */
    char *notices;        /* PT_CLIENT_NOTICES_BYTES_MAX: frames, oldest first (consent.c) */
    size_t notices_bytes;
    uint32_t notice_count;
    bool is_notices_dirty; /* the file `consent` must be written */
    bool has_user;         /* else the install_id stands for the player */
    char user_id[PLAYTRACE_TEXT_BYTES_MAX + 1];
    char session_id[PLAYTRACE_ID_TEXT_BYTES];
    uint64_t seq;
    int64_t paused_us; /* when the game went to the background; INT64_MIN: it did not */
    char identity[PT_CLIENT_IDENTITY_BYTES_MAX]; /* the members of each event that rarely change */
    size_t identity_bytes;
    uint8_t random[PT_CLIENT_RANDOM_BYTES];
    size_t random_left;
    struct playtrace_stats stats;
    struct pt_client_log log;
    int64_t drain_due_us;  /* when the active half goes to the queue; INT64_MAX: it is empty */
    int64_t send_due_us;   /* when the next request is due, full batches aside */
    bool is_backing_off;   /* not before send_due_us, not even full batches */
    bool is_told_to_wait;  /* because the server asked for it, or does not know our key */
    int64_t poll_due_us;   /* when to look after a request on its way; INT64_MAX: none is */
    uint64_t ready_events; /* in the queue's files, as last published */
    unsigned flushers;     /* calls that wait in flush */
    bool is_stopping;
    bool is_closing;     /* the last drains: what was dropped is reported now or never */
    uint64_t sync_asked; /* tickets given to callers of sync … */
    uint64_t sync_done;  /* … answered … */
    uint64_t sync_sound; /* … and of these the last that found everything on the device */
    char self_test[256]; /* attributes of the self-test's event until it is tracked; "" */
    uint64_t drops_reported[PT_CLIENT_DROP_REASONS];
    int64_t report_due_us;             /* no report of drops before */
    int64_t stop_us;                   /* while stopping: when to give up */
    enum playtrace_status stop_status; /* what the worker's last delivery came to */

    struct pt_client_flags flags; /* says itself which lock guards what */
};

/* ---- client.c ---- */
void pt_client_lock(struct playtrace *p);
void pt_client_unlock(struct playtrace *p);
void pt_client_work_lock(struct playtrace *p);
void pt_client_work_unlock(struct playtrace *p);
int64_t pt_client_now_us(struct playtrace *p);
/* The wall clock as far as the server takes it: from 1970 to 9999. */
int64_t pt_client_wall_us(struct playtrace *p);
/* The clock of pt_client_now_us() for the server's eyes: never below 0. */
uint64_t pt_client_mono_us(struct playtrace *p);

/* ---- track.c: an event's text ---- */

/* Of the lane of exposures, whoever makes it. */
#define PT_CLIENT_EXPOSURE_NAME "experiment_exposure"

/* An event as the game gave it; what it points to is borrowed for the call. */
struct pt_client_event {
    const char *name;
    size_t name_bytes;
    const char *attributes; /* NULL: none; checked JSON */
    size_t attributes_bytes;
    enum pt_client_lane lane;
    char seq[20]; /* set by pt_client_event_render(), and so is the next */
    size_t seq_bytes;
    char mono[20];
    size_t mono_bytes;
};

/*
 * Write the event's JSON text, with the next sequence number, to `to`, which holds `bytes_max`.
 * Returns its bytes; 0: more than PLAYTRACE_EVENT_BYTES_MAX, which takes no number; or, with
 * *is_full_out, more than bytes_max, which takes one. The caller holds `lock`.
 */
size_t pt_client_event_render(struct playtrace *p, struct pt_client_event *event, char *to,
                              size_t bytes_max, char event_id_out[PLAYTRACE_ID_TEXT_BYTES],
                              bool *is_full_out);

/* Take an event whose attributes are known to be sound. The caller holds no lock. */
enum playtrace_status pt_client_track_event(struct playtrace *p, struct pt_client_event *event,
                                            char event_id_out[PLAYTRACE_ID_TEXT_BYTES]);
/* Check an event and take it into a lane; `event_id_out` may be NULL. The caller holds no lock. */
enum playtrace_status pt_client_track(struct playtrace *p, const char *name,
                                      const char *attributes_json, enum pt_client_lane lane,
                                      char event_id_out[PLAYTRACE_ID_TEXT_BYTES]);
/* The same for a name and attributes of our own; the caller holds `lock`. */
enum playtrace_status pt_client_put(struct playtrace *p, const char *name,
                                    const char *attributes_json, enum pt_client_lane lane);
bool pt_client_lane_of(enum playtrace_priority priority, enum pt_client_lane *lane_out);

/* Count and log a track call that was wrong, `offset` bytes into its attributes or (SIZE_MAX) not
 * there. The caller holds no lock. */
enum playtrace_status pt_client_invalid(struct playtrace *p, const char *name, const char *why,
                                        size_t offset);
bool pt_client_name_is_valid(const char *name, size_t *bytes_out);
#define PT_CLIENT_WHY_NAME "a name is a letter and then up to 63 letters, digits, \"_\" and \".\""
#define PT_CLIENT_WHY_PRIORITY "its priority is none of enum playtrace_priority"
/* Decimal digits of `value`, without a NUL; returns their count. */
size_t pt_client_put_number(uint64_t value, char digits_out[20]);

/* ---- consent.c: the decision, and the events that tell the server of its end ---- */

/* May events for this purpose be kept and sent? The caller holds `lock`. */
static inline bool pt_client_may(const struct playtrace *p, enum playtrace_purpose purpose)
{
    return (p->state.purposes & (unsigned)purpose) != 0;
}
/* The lanes, as bits 1 << lane, that are kept for these purposes, and their events on disk. */
unsigned pt_client_lanes_of(unsigned purposes);
uint64_t pt_client_events_of(const struct pt_client_lanes *lanes, unsigned lane_mask);
/* Is there anything that may be sent? The caller holds `lock`. */
bool pt_client_has_work(const struct playtrace *p);
/* Read the file `consent`; what belongs to a decision that was not kept is left out. False:
 * a notice is sealed by another key; nothing was changed. */
bool pt_client_notices_load(struct playtrace *p, bool is_state_loaded);
/* Write or remove that file where it is not as memory is. The caller holds work_lock. */
bool pt_client_notices_save(struct playtrace *p);
/* The oldest notice's text into `out`, which holds PLAYTRACE_EVENT_BYTES_MAX; its bytes, or 0. */
size_t pt_client_notice_peek(struct playtrace *p, char *out);
/* The oldest notice is settled. The caller holds work_lock. */
void pt_client_notice_ack(struct playtrace *p);

/* ---- worker.c: when to write and when to send ---- */
void pt_client_worker_run(void *client);
/* Events that have left, whichever way. The caller holds `lock`. */
uint64_t pt_client_settled(const struct playtrace *p);
/*
 * Write and send until everything that was tracked by now has left or `timeout_ms` is over. The
 * caller holds work_lock, which is released while this sleeps.
 */
enum playtrace_status pt_client_deliver(struct playtrace *p, uint32_t timeout_ms);

/* ---- identity.c: ids, session, user; the caller holds `lock` ---- */
void pt_client_uuid(struct playtrace *p, int64_t wall_us, char text_out[PLAYTRACE_ID_TEXT_BYTES]);
void pt_client_random(struct playtrace *p, void *out, size_t bytes); /* at most RANDOM_BYTES */
/* Uniform in 0..max. */
uint64_t pt_client_random_below(struct playtrace *p, uint64_t max);
void pt_client_session_new(struct playtrace *p);
void pt_client_install_new(struct playtrace *p);
void pt_client_identity_render(struct playtrace *p);
/* strnlen(), which C99 does not have. */
size_t pt_client_text_bytes(const char *text, size_t bytes_max);
bool pt_client_text_is_valid(const char *text, size_t bytes_max); /* 1..max bytes of UTF-8 */

/* ---- health.c: events about the client itself ---- */
/* Look at what open found; `begun_us` is when it began. */
void pt_client_self_test(struct playtrace *p, int64_t begun_us);
/* Put what is to be told into the ring, if the queue has room. The caller holds work_lock. */
void pt_client_health(struct playtrace *p);
/* Have the worker wake when there is something to tell. The caller holds `lock`. */
void pt_client_health_plan(struct playtrace *p);

/* ---- sync.c: the caller holds work_lock ---- */
/* Answer the callers of sync. */
void pt_client_serve_sync(struct playtrace *p);
/* What must not wait for the end of a request: write the ring if that is due, and sync. */
void pt_client_serve(struct playtrace *p);

/* Would the ring take an event with so many bytes of attributes now? The caller holds `lock`. */
bool pt_client_track_has_room(const struct playtrace *p, size_t attributes_bytes);

/* ---- drain.c: ring to queue; the caller holds work_lock ---- */
/* Empty what withdrawn consent must empty, write the state file, then the ring. False: a file
 * operation failed and will be repeated. */
bool pt_client_drain(struct playtrace *p);
/* Tell stats what the queue holds. */
void pt_client_publish(struct playtrace *p);

/* ---- send.c: queue to network; the caller holds work_lock, and no request is on its way ---- */
enum pt_client_step pt_client_send(struct playtrace *p, uint32_t timeout_ms);

#endif
