/*
 * exposure.c - exposures that the server itself knows of become events
 *
 * MEMORY. 64-bit hashes under a random seed in sets of eight, one line of the cache each, the
 * latest first: an exposure that comes again moves to the front, a new one pushes out the last.
 *
 * EVENT ID. The first 16 bytes of SHA-256 over "playtrace exposure" and the experiment, the unit's
 * pseudonym, the variant and the epoch, each preceded by its length; UUID version 8 (RFC 9562
 * 5.8). A raw user id in the hash could be guessed from the table; a pseudonym cannot.
 */
#include "collect/collect.h"

#include "base/crypto.h"
#include "base/rng.h"
#include "collect/exposure.h"
#include "wire/frame.h"
#include "wire/rfc3339.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <time.h>

#define WAYS 8u
#define SETS (PT_EXPOSURES_KNOWN / WAYS)
#define LINE_BYTES_MAX (16u << 10)
#define BATCH_BYTES_MAX (256u << 10)
#define BATCH_EVENTS_MAX 250u
#define RETRY_MS 1000

static_assert(BATCH_BYTES_MAX + LINE_BYTES_MAX <= PT_COLLECT_TAKE_BYTES_MAX, "a batch is taken");

struct pt_exposures {
    struct pt_collect *collect; /* borrowed, as the next two */
    struct pt_clock *clock;
    const struct pt_pseudonyms *pseudonyms;
    uint32_t batch_events_max;
    uint64_t seed; /* so that nobody can aim units at one set */
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;  /* something is queued, or it is time to end */
    uint64_t (*known)[WAYS]; /* under the lock, as all below; 0: empty */
    struct pt_buf queues[2]; /* NDJSON */
    struct pt_buf *open;     /* the one that is added to */
    uint64_t dropped;        /* since it was last said; 0: none */
    bool is_closing;
    struct pt_metric *logged_total;
    struct pt_metric *dead_total;
    struct pt_metric *repeated_total;
    struct pt_metric *dropped_total;
};

/* ---- who was seen ---- */

static uint64_t hash_of(const struct pt_exposures *e, const struct pt_exposure *exposure)
{
    const struct pt_span parts[] = {exposure->experiment, exposure->variant, exposure->epoch,
                                    exposure->unit};
    uint64_t hash = e->seed;

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        hash = pt_checksum64_pair(&hash, sizeof(hash), parts[i].data, parts[i].size);
    }
    return hash ? hash : 1;
}

/* Whether it was there; it is now, in front. */
static bool remember(struct pt_exposures *e, uint64_t hash)
{
    uint64_t *set = e->known[hash % SETS];
    unsigned at = 0;
    bool is_known = false;

    while (at + 1 < WAYS && set[at] != hash) {
        at++;
    }
    is_known = set[at] == hash;
    memmove(set + 1, set, at * sizeof(*set));
    set[0] = hash;
    return is_known;
}

static void forget(struct pt_exposures *e, uint64_t hash)
{
    uint64_t *set = e->known[hash % SETS];

    for (unsigned at = 0; at < WAYS; at++) {
        if (set[at] == hash) {
            memmove(set + at, set + at + 1, (WAYS - 1 - at) * sizeof(*set));
            set[WAYS - 1] = 0;
        }
    }
}

/* ---- an exposure as an event ---- */

bool pt_exposure_id(const struct pt_pseudonyms *pseudonyms, const struct pt_exposure *exposure,
                    uint8_t id_out[PT_UUID_BYTES])
{
    static const char domain[] = "playtrace exposure";
    uint8_t pseudonym[PT_PSEUDONYM_BYTES];
    uint8_t lengths[4][4];
    uint8_t digest[PT_SHA256_BYTES];
    const struct pt_span parts[] = {exposure->experiment, pt_span_of(pseudonym, sizeof(pseudonym)),
                                    exposure->variant, exposure->epoch};
    struct pt_buf text;
    bool is_whole = false;

    pt_pseudonym_user(pseudonyms, exposure->unit, pseudonym);
    pt_buf_init(&text, LINE_BYTES_MAX);
    pt_buf_append_str(&text, domain);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        pt_put_u32(lengths[i], (uint32_t)parts[i].size);
        pt_buf_append(&text, lengths[i], sizeof(lengths[i]));
        pt_buf_append(&text, parts[i].data, parts[i].size);
    }
    is_whole = !text.has_failed;
    pt_sha256(pt_buf_span(&text), digest);
    pt_buf_release(&text);
    memcpy(id_out, digest, PT_UUID_BYTES);
    id_out[6] = (uint8_t)(0x80 | (id_out[6] & 0x0f));
    id_out[8] = (uint8_t)(0x80 | (id_out[8] & 0x3f));
    return is_whole;
}

static void write_text(struct pt_jsonw *w, const char *key, struct pt_span text)
{
    pt_jsonw_key(w, key);
    pt_jsonw_string(w, text);
}

static void write_json(struct pt_jsonw *w, const char *key, struct pt_span json)
{
    if (json.size > 0) {
        pt_jsonw_key(w, key);
        pt_jsonw_raw(w, json);
    }
}

/* One line. */
static void write_event(const struct pt_exposures *e, const struct pt_exposure *exposure,
                        const uint8_t id[PT_UUID_BYTES], struct pt_buf *out)
{
    struct pt_jsonw w;
    char text[PT_UUID_TEXT_BYTES + 1];
    char time[PT_RFC3339_TEXT_BYTES + 1];

    pt_uuid_format(id, text);
    pt_rfc3339_format(pt_clock_wall_us(e->clock), time);
    pt_jsonw_init(&w, out);
    pt_jsonw_object(&w);
    write_text(&w, "event_id", pt_span_str(text));
    write_text(&w, "event_name", pt_span_str("experiment_exposure"));
    write_text(&w, "occurred_at", pt_span_str(time));
    write_text(&w, "user_id", exposure->unit);
    write_text(&w, "session_id",
               exposure->session_id.size > 0 ? exposure->session_id : pt_span_str("ofrep"));
    if (exposure->platform) {
        write_text(&w, "platform", pt_span_str(pt_platform_name(exposure->platform)));
    }
    if (exposure->build_id.size > 0) {
        write_text(&w, "build_id", exposure->build_id);
    }
    pt_jsonw_key(&w, "attributes");
    pt_jsonw_object(&w);
    write_text(&w, "experiment", exposure->experiment);
    write_text(&w, "variant", exposure->variant);
    write_text(&w, "flag_key", exposure->flag_key);
    write_json(&w, "flag_version", exposure->flag_version);
    write_json(&w, "epoch", exposure->epoch);
    pt_jsonw_object_end(&w);
    pt_jsonw_object_end(&w);
    pt_buf_append_byte(out, '\n');
}

/* Under the lock; false: there is no room. */
static bool queue(struct pt_exposures *e, struct pt_span line)
{
    struct pt_buf *open = e->open;
    bool is_first = open->size == 0;

    if (open->size + line.size + PT_JSON_PADDING > PT_EXPOSURES_QUEUE_BYTES ||
        !pt_buf_reserve(open, line.size + PT_JSON_PADDING)) {
        open->has_failed = false;
        return false;
    }
    pt_buf_append(open, line.data, line.size);
    if (is_first) {
        pthread_cond_signal(&e->changed);
    }
    return true;
}

static void note_dropped(struct pt_exposures *e, uint64_t count)
{
    bool is_first = e->dropped == 0;

    e->dropped += count;
    pt_metric_add(e->dropped_total, (int64_t)count);
    if (is_first) {
        pt_log_line(PT_LOG_WARN, "collect", NULL,
                    "exposures are dropped: the log does not take them; the same units are exposed "
                    "again by their next evaluation");
    }
}

void pt_exposures_add(struct pt_exposures *e, const struct pt_exposure *exposure)
{
    uint64_t hash = hash_of(e, exposure);
    uint8_t id[PT_UUID_BYTES];
    struct pt_buf line;
    bool is_known = false;
    bool is_whole = false;

    pthread_mutex_lock(&e->lock);
    is_known = remember(e, hash);
    pthread_mutex_unlock(&e->lock);
    if (is_known) {
        pt_metric_add(e->repeated_total, 1);
        return;
    }
    is_whole = pt_exposure_id(e->pseudonyms, exposure, id);
    pt_buf_init(&line, LINE_BYTES_MAX);
    write_event(e, exposure, id, &line);
    pthread_mutex_lock(&e->lock);
    if (!is_whole || line.has_failed || !queue(e, pt_buf_span(&line))) {
        forget(e, hash);
        note_dropped(e, 1);
    }
    pthread_mutex_unlock(&e->lock);
    pt_buf_release(&line);
}

/* ---- the thread ---- */

/* The next lines of `text` from `at` on that one batch holds. */
static struct pt_span next_batch(const struct pt_exposures *e, struct pt_span text, size_t at,
                                 uint32_t *events_out)
{
    size_t end = at;

    *events_out = 0;
    while (end < text.size && *events_out < e->batch_events_max && end - at < BATCH_BYTES_MAX) {
        const uint8_t *newline = memchr(text.data + end, '\n', text.size - end);

        end = (size_t)(newline - text.data) + 1;
        (*events_out)++;
    }
    return pt_span_of(text.data + at, end - at);
}

/* False: it is time to end. */
static bool pause_before_retry(struct pt_exposures *e)
{
    struct timespec until;
    int timed_out = 0;
    bool goes_on = false;

    /* The condition's clock is the monotonic one. */
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += RETRY_MS / 1000;
    pthread_mutex_lock(&e->lock);
    while (!e->is_closing && timed_out != ETIMEDOUT) {
        timed_out = pthread_cond_timedwait(&e->changed, &e->lock, &until);
    }
    goes_on = !e->is_closing;
    pthread_mutex_unlock(&e->lock);
    return goes_on;
}

static void note_taken(struct pt_exposures *e, uint32_t events, uint32_t dead)
{
    uint64_t dropped = 0;

    pt_metric_add(e->logged_total, events - dead);
    pt_metric_add(e->dead_total, dead);
    pthread_mutex_lock(&e->lock);
    dropped = e->dropped;
    e->dropped = 0;
    pthread_mutex_unlock(&e->lock);
    if (dropped > 0) {
        pt_log_line(PT_LOG_INFO, "collect", NULL, "exposures are logged again; %llu were dropped",
                    (unsigned long long)dropped);
    }
}

static void take_batch(struct pt_exposures *e, struct pt_span batch, uint32_t events)
{
    struct pt_error err = {0};
    uint32_t dead = 0;
    bool has_said = false;

    for (;;) {
        enum pt_code code = pt_collect_take(e->collect, batch, &dead, &err);

        if (!code) {
            note_taken(e, events, dead);
            return;
        }
        if (!has_said) {
            pt_log_line(PT_LOG_WARN, "collect", NULL, "exposures wait: %s", err.text);
            has_said = true;
        }
        if (code == PT_INVALID || code == PT_TOO_BIG || !pause_before_retry(e)) {
            pthread_mutex_lock(&e->lock);
            note_dropped(e, events);
            pthread_mutex_unlock(&e->lock);
            return;
        }
    }
}

static void *run(void *arg)
{
    struct pt_exposures *e = arg;

    pthread_mutex_lock(&e->lock);
    for (;;) {
        struct pt_buf *full = e->open;
        uint32_t events = 0;

        if (full->size == 0) {
            if (e->is_closing) {
                break;
            }
            pthread_cond_wait(&e->changed, &e->lock);
            continue;
        }
        e->open = full == &e->queues[0] ? &e->queues[1] : &e->queues[0];
        pthread_mutex_unlock(&e->lock);
        for (size_t at = 0; at < full->size;) {
            struct pt_span batch = next_batch(e, pt_buf_span(full), at, &events);

            take_batch(e, batch, events);
            at += batch.size;
        }
        pt_buf_reset(full);
        pthread_mutex_lock(&e->lock);
    }
    pthread_mutex_unlock(&e->lock);
    return NULL;
}

enum pt_code pt_exposures_start(struct pt_exposures **exposures_out,
                                const struct pt_collect_parts *parts, struct pt_collect *collect,
                                struct pt_error *err)
{
    static const char help[] = "exposures by flag evaluations, by what became of them";
    struct pt_exposures *e = pt_alloc_zero(sizeof(*e));
    int64_t events_max = pt_config_int(parts->config, PT_CONFIG_collect_batch_events_max);
    pthread_condattr_t attributes;
    int errnum = 0;

    *exposures_out = NULL;
    if (!e) {
        return pt_fail(err, PT_NO_MEMORY, "start logging exposures");
    }
    e->collect = collect;
    e->clock = parts->clock;
    e->pseudonyms = parts->pseudonyms;
    e->batch_events_max = events_max < BATCH_EVENTS_MAX ? (uint32_t)events_max : BATCH_EVENTS_MAX;
    pthread_mutex_init(&e->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&e->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pt_buf_init(&e->queues[0], PT_EXPOSURES_QUEUE_BYTES);
    pt_buf_init(&e->queues[1], PT_EXPOSURES_QUEUE_BYTES);
    e->open = &e->queues[0];
    e->logged_total = pt_metrics_get(parts->metrics, PT_COUNTER, "playtrace_exposures_total",
                                     "verdict=\"logged\"", help);
    e->dead_total = pt_metrics_get(parts->metrics, PT_COUNTER, "playtrace_exposures_total",
                                   "verdict=\"dead\"", help);
    e->repeated_total = pt_metrics_get(parts->metrics, PT_COUNTER, "playtrace_exposures_total",
                                       "verdict=\"repeated\"", help);
    e->dropped_total = pt_metrics_get(parts->metrics, PT_COUNTER, "playtrace_exposures_total",
                                      "verdict=\"dropped\"", help);
    e->known = pt_alloc_pages(SETS * sizeof(*e->known));
    if (!e->known || pt_random_bytes(&e->seed, sizeof(e->seed), err)) {
        pt_exposures_close(e);
        return pt_fail(err, PT_NO_MEMORY, "start logging exposures");
    }
    errnum = pthread_create(&e->thread, NULL, run, e);
    if (errnum) {
        pt_exposures_close(e);
        return pt_fail_errno(err, errnum, "start logging exposures");
    }
    e->has_thread = true;
    *exposures_out = e;
    return PT_OK;
}

void pt_exposures_close(struct pt_exposures *e)
{
    if (!e) {
        return;
    }
    if (e->has_thread) {
        pthread_mutex_lock(&e->lock);
        e->is_closing = true;
        pthread_cond_signal(&e->changed);
        pthread_mutex_unlock(&e->lock);
        pthread_join(e->thread, NULL);
    }
    pt_buf_release(&e->queues[0]);
    pt_buf_release(&e->queues[1]);
    pt_free_pages(e->known, SETS * sizeof(*e->known));
    pthread_cond_destroy(&e->changed);
    pthread_mutex_destroy(&e->lock);
    pt_free(e);
}
