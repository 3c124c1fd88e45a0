/*
 * client.c - open, close: the client's life
 */
#include "core/client.h"
#include "core/json.h"

#include <stdio.h>
#include <string.h>

void pt_client_lock(struct playtrace *p)
{
    if (p->lock) {
        p->platform.mutex_lock(p->platform.thread_ctx, p->lock);
    }
}

void pt_client_unlock(struct playtrace *p)
{
    if (p->lock) {
        p->platform.mutex_unlock(p->platform.thread_ctx, p->lock);
    }
}

void pt_client_work_lock(struct playtrace *p)
{
    if (p->work_lock) {
        p->platform.mutex_lock(p->platform.thread_ctx, p->work_lock);
    }
}

void pt_client_work_unlock(struct playtrace *p)
{
    if (p->work_lock) {
        p->platform.mutex_unlock(p->platform.thread_ctx, p->work_lock);
    }
    pt_client_log_deliver(p);
}

int64_t pt_client_now_us(struct playtrace *p)
{
    return p->platform.mono_us(p->platform.clock_ctx);
}

int64_t pt_client_wall_us(struct playtrace *p)
{
    int64_t wall_us = p->platform.wall_us(p->platform.clock_ctx);

    if (wall_us < 0) {
        return 0;
    }
    return wall_us < PT_CLIENT_WALL_US_MAX ? wall_us : PT_CLIENT_WALL_US_MAX;
}

uint64_t pt_client_mono_us(struct playtrace *p)
{
    int64_t now_us = pt_client_now_us(p);

    return now_us > 0 ? (uint64_t)now_us : 0;
}

/* ---- options ---- */

void playtrace_options_init(struct playtrace_options *options)
{
    memset(options, 0, sizeof(*options));
    options->consent = PLAYTRACE_CONSENT_NONE;
    options->sync_at_close = true;
    options->report_health = true;
    options->flush_interval_ms = 10000;
    options->batch_events_max = 100;
    options->queue_bytes_max = UINT64_C(64) << 20;
    options->queue_age_max_ms = UINT64_C(30) * 24 * 3600 * 1000;
    options->ring_bytes = 256u * 1024;
    options->session_timeout_ms = 30000;
    options->retry_base_ms = 1000;
    options->retry_cap_ms = 300000;
    options->connect_timeout_ms = 5000;
    options->request_timeout_ms = 15000;
    options->flags_enabled = true;
    options->flags_stream = true;
    options->flags_poll_ms = 60000;
    options->flags_bytes_max = 256u * 1024;
}

static bool text_is_absent_or_valid(const char *text)
{
    return !text || pt_client_text_is_valid(text, PLAYTRACE_TEXT_BYTES_MAX);
}

static bool platform_name_is_known(const char *name)
{
    static const char *const known[] = {"ios", "android", "pc", "console", "web"};

    for (size_t i = 0; name && i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(name, known[i]) == 0) {
            return true;
        }
    }
    return !name;
}

/* Visible ASCII: a key or a URL that held more could smuggle a header line. */
static bool is_visible_ascii(const char *text, size_t bytes_max)
{
    size_t bytes = 0;

    for (; text[bytes] != '\0'; bytes++) {
        if (bytes == bytes_max || text[bytes] <= ' ' || text[bytes] > '~') {
            return false;
        }
    }
    return bytes > 0;
}

/* As options_fault(). */
static const char *flags_options_fault(const struct playtrace_options *options)
{
    if (!options->flags_enabled) {
        return NULL;
    }
    if (options->flags_bytes_max < 1024 || options->flags_bytes_max > PLAYTRACE_FLAGS_BYTES_MAX) {
        return "flags_bytes_max: 1024 to 1047552";
    }
    if (options->flag_context && !pt_client_flag_context_is_valid(options->flag_context)) {
        return "flag_context: a JSON object up to 4096 bytes without targetingKey, or NULL";
    }
    return NULL;
}

/* What is wrong with the options, in words; NULL: nothing. */
static const char *options_fault(const struct playtrace_options *options)
{
    bool is_http = options->url && (strncmp(options->url, "http://", 7) == 0 ||
                                    strncmp(options->url, "https://", 8) == 0);

    if (!is_http || !is_visible_ascii(options->url, PLAYTRACE_URL_BYTES_MAX - 1)) {
        return "url: http://host or https://host in visible ASCII, up to 1023 bytes";
    }
    if (options->api_key && !is_visible_ascii(options->api_key, PLAYTRACE_TEXT_BYTES_MAX)) {
        return "api_key: 1 to 256 bytes of visible ASCII, or NULL";
    }
    if (!options->queue_dir || options->queue_dir[0] == '\0' ||
        pt_client_text_bytes(options->queue_dir, PLAYTRACE_URL_BYTES_MAX) ==
            PLAYTRACE_URL_BYTES_MAX) {
        return "queue_dir: a directory of this game's own, up to 1023 bytes";
    }
    if (!text_is_absent_or_valid(options->user_id)) {
        return "user_id: 1 to 256 bytes of UTF-8, or NULL";
    }
    if (!text_is_absent_or_valid(options->signing_secret)) {
        return "signing_secret: 1 to 256 bytes of UTF-8, or NULL";
    }
    if (!text_is_absent_or_valid(options->build_id)) {
        return "build_id: 1 to 256 bytes of UTF-8, or NULL";
    }
    if (!text_is_absent_or_valid(options->mechanic_version)) {
        return "mechanic_version: 1 to 256 bytes of UTF-8, or NULL";
    }
    if (!platform_name_is_known(options->platform)) {
        return "platform: ios, android, pc, console or web, or NULL";
    }
    if (options->consent > PLAYTRACE_CONSENT_WITHDRAWN) {
        return "consent: one of enum playtrace_consent";
    }
    if (options->batch_events_max == 0 || options->batch_events_max > PLAYTRACE_BATCH_EVENTS_MAX) {
        return "batch_events_max: 1 to 1000; did playtrace_options_init() fill in the defaults?";
    }
    if (options->ring_bytes < 4 * PLAYTRACE_EVENT_BYTES_MAX || options->ring_bytes > (64u << 20)) {
        return "ring_bytes: 131072 to 67108864";
    }
    if (options->request_timeout_ms == 0) {
        return "request_timeout_ms: more than 0";
    }
    return flags_options_fault(options);
}

/* Copy what the options point to into `p`. */
static void take_options(struct playtrace *p, const struct playtrace_options *options)
{
    size_t url_bytes = strlen(options->url);

    p->options = *options;
    while (options->url[url_bytes - 1] == '/') {
        url_bytes--;
    }
    (void)snprintf(p->url, sizeof(p->url), "%.*s/v1/events", (int)url_bytes, options->url);
    (void)snprintf(p->dir, sizeof(p->dir), "%s", options->queue_dir);
    if (options->api_key) {
        (void)snprintf(p->authorization, sizeof(p->authorization), "Authorization: Bearer %s",
                       options->api_key);
    }
    if (options->build_id) {
        (void)snprintf(p->build_id, sizeof(p->build_id), "%s", options->build_id);
    }
    if (options->mechanic_version) {
        (void)snprintf(p->mechanic_version, sizeof(p->mechanic_version), "%s",
                       options->mechanic_version);
    }
    if (options->signing_secret) {
        (void)snprintf(p->signing_secret, sizeof(p->signing_secret), "%s", options->signing_secret);
    }
    if (options->platform) {
        (void)snprintf(p->platform_name, sizeof(p->platform_name), "%s", options->platform);
    }
    if (options->user_id) {
        p->has_user = true;
        (void)snprintf(p->user_id, sizeof(p->user_id), "%s", options->user_id);
    }
    p->options.url = p->url;
    p->options.api_key = p->authorization[0] ? p->authorization : NULL;
    p->options.queue_dir = p->dir;
    p->options.signing_secret = p->signing_secret[0] ? p->signing_secret : NULL;
    p->options.user_id = NULL; /* see has_user */
    p->options.build_id = options->build_id ? p->build_id : NULL;
    p->options.mechanic_version = options->mechanic_version ? p->mechanic_version : NULL;
    p->options.platform = options->platform ? p->platform_name : NULL;
    p->options.platform_table = NULL;
    p->options.queue_key = NULL; /* see lanes.sealer */
}

/* ---- open and close ---- */

/* Does the table hold what these options need? */
static bool platform_is_whole(const struct playtrace_platform *platform,
                              const struct playtrace_options *options)
{
    bool has_transport = platform->http_start ? platform->http_is_done && platform->http_cancel
                                              : platform->http_post != NULL;

    return platform->alloc && has_transport &&
           (options->without_worker || platform->mutex_create) &&
           (!options->signing_secret || platform->hmac_sha256) &&
           (!options->queue_key || (platform->seal && platform->unseal)) &&
           (!platform->compress ||
            (platform->content_encoding && is_visible_ascii(platform->content_encoding, 16)));
}

static bool threads_create(struct playtrace *p)
{
    const struct playtrace_platform *platform = &p->platform;

    if (!platform->mutex_create) {
        return true;
    }
    p->work_lock = platform->mutex_create(platform->thread_ctx);
    p->lock = platform->mutex_create(platform->thread_ctx);
    p->changed = platform->cond_create(platform->thread_ctx);
    return p->work_lock && p->lock && p->changed;
}

static void destroy(struct playtrace *p)
{
    struct playtrace_platform platform = p->platform;

    pt_client_lanes_close(&p->lanes);
    pt_client_flags_destroy(p);
    if (p->is_http_owned && platform.http_destroy) {
        platform.http_destroy(p->http);
    }
    if (p->dir_lock) {
        platform.dir_unlock(platform.file_ctx, p->dir_lock);
    }
    if (p->changed) {
        platform.cond_destroy(platform.thread_ctx, p->changed);
    }
    if (p->lock) {
        platform.mutex_destroy(platform.thread_ctx, p->lock);
    }
    if (p->work_lock) {
        platform.mutex_destroy(platform.thread_ctx, p->work_lock);
    }
    platform.release(platform.memory_ctx, p);
}

/* One allocation holds everything; only the pages that are touched become memory. */
static struct playtrace *create(const struct playtrace_platform *platform,
                                const struct playtrace_options *options,
                                struct pt_client_segment **segments_out)
{
    size_t head_bytes = (sizeof(struct playtrace) + 63) / 64 * 64;
    size_t segments_bytes =
        PT_CLIENT_LANES * PT_CLIENT_SEGMENTS_MAX * sizeof(struct pt_client_segment);
    size_t body_bytes = PT_CLIENT_BODY_HEAD_BYTES + PLAYTRACE_BATCH_BYTES_MAX + 64;
    size_t packed_bytes =
        platform->compress ? PT_CLIENT_SIGN_ROOM_BYTES + PT_CLIENT_PACKED_BYTES_MAX : 0;
    size_t half_bytes = options->ring_bytes / 2;
    size_t flags_bytes = pt_client_flags_block_bytes(options);
    char *block = platform->alloc(platform->memory_ctx,
                                  head_bytes + segments_bytes + flags_bytes + body_bytes +
                                      PT_CLIENT_ANSWER_BYTES_MAX + PT_CLIENT_NOTICES_BYTES_MAX +
                                      half_bytes * 3 + packed_bytes);
    struct playtrace *p = (void *)block;

    if (!block) {
        return NULL;
    }
    memset(p, 0, sizeof(*p));
    *segments_out = (void *)(block + head_bytes);
    p->body = block + head_bytes + segments_bytes + flags_bytes;
    p->answer = p->body + body_bytes;
    p->notices = p->answer + PT_CLIENT_ANSWER_BYTES_MAX;
    p->active = p->notices + PT_CLIENT_NOTICES_BYTES_MAX;
    p->spare = p->active + half_bytes;
    p->gathered = p->spare + half_bytes;
    if (platform->compress) {
        p->packed = p->gathered + half_bytes;
        (void)snprintf(p->content_encoding, sizeof(p->content_encoding), "Content-Encoding: %s",
                       platform->content_encoding);
    }
    p->half_bytes = half_bytes;
    p->platform = *platform;
    if (!platform->http_create) {
        p->http = platform->http_ctx;
    }
    p->drain_due_us = INT64_MAX;
    p->paused_us = INT64_MIN;
    p->poll_due_us = INT64_MAX;
    take_options(p, options);
    pt_client_flags_place(p, block + head_bytes + segments_bytes);
    return p;
}

/* Consent, install and boot as this open finds or makes them. False: the file was not written. */
static bool start_state(struct playtrace *p, bool is_loaded)
{
    bool is_changed = !is_loaded && p->options.consent != PLAYTRACE_CONSENT_NONE;

    if (!is_loaded && p->options.consent != PLAYTRACE_CONSENT_NONE) {
        p->state.consent = p->options.consent;
        p->state.decided_us = pt_client_wall_us(p);
        p->state.purposes =
            p->options.consent == PLAYTRACE_CONSENT_GIVEN ? PLAYTRACE_PURPOSES_ALL : 0;
    }
    pt_client_session_new(p);
    if (p->state.consent == PLAYTRACE_CONSENT_GIVEN) {
        if (p->state.install_id[0] == '\0') {
            pt_client_install_new(p);
        } else {
            p->state.boot++;
            pt_client_identity_render(p);
        }
        is_changed = true;
    }
    return !is_changed || pt_client_state_save(&p->state_file, &p->state, false);
}

static enum playtrace_status open_dir(struct playtrace *p, const uint8_t *queue_key,
                                      struct pt_client_segment *segments)
{
    const struct playtrace_platform *platform = &p->platform;
    enum playtrace_status status = PLAYTRACE_OK;
    bool is_loaded = false;
    int locked = 0;

    if (platform->dir_create(platform->file_ctx, p->dir) != 0) {
        return PLAYTRACE_IO;
    }
    locked = platform->dir_lock(platform->file_ctx, p->dir, &p->dir_lock);
    if (locked != 0) {
        return locked > 0 ? PLAYTRACE_BUSY : PLAYTRACE_IO;
    }
    if (platform->random(platform->clock_ctx, p->random, sizeof(p->random)) != 0) {
        return PLAYTRACE_IO;
    }
    p->random_left = sizeof(p->random);
    pt_client_state_file(&p->state_file, platform, p->dir);
    is_loaded = pt_client_state_load(&p->state_file, &p->state);
    status = pt_client_lanes_open(&p->lanes, platform, p->dir, p->options.queue_bytes_max,
                                  queue_key, segments, p->body, PLAYTRACE_BATCH_BYTES_MAX);
    if (status) {
        return status;
    }
    if (!pt_client_notices_load(p, is_loaded)) {
        return PLAYTRACE_KEY;
    }
    /* Only now, when all is known to be readable, is anything changed. */
    if (!pt_client_lanes_tidy(&p->lanes)) {
        return PLAYTRACE_IO;
    }
    if (!start_state(p, is_loaded)) {
        return PLAYTRACE_IO;
    }
    p->stats.recovered = pt_client_lanes_events(&p->lanes) + p->notice_count;
    /* Events of an install whose decision was lost stay until there is a new one. */
    if (is_loaded || p->options.consent == PLAYTRACE_CONSENT_WITHDRAWN) {
        p->purge_lanes = PT_CLIENT_LANES_ALL & ~pt_client_lanes_of(p->state.purposes);
        p->is_purge_due = p->purge_lanes == PT_CLIENT_LANES_ALL ||
                          pt_client_events_of(&p->lanes, p->purge_lanes) > 0;
        p->flags.is_removal_due = !(p->state.purposes & PLAYTRACE_PURPOSE_EXPERIMENTS);
    }
    if ((p->is_purge_due || p->is_notices_dirty || p->flags.is_removal_due) &&
        !pt_client_drain(p)) {
        return PLAYTRACE_IO;
    }
    pt_client_flags_open(p);
    pt_client_publish(p);
    return PLAYTRACE_OK;
}

/* To the game's log where there is no client. */
static void say(const struct playtrace_options *options, const char *what, const char *why)
{
    char text[PT_CLIENT_LOG_TEXT_BYTES];

    if (options->log) {
        (void)snprintf(text, sizeof(text), "%.160s: %s", what, why);
        pt_client_log_tidy(text);
        options->log(options->log_ctx, PLAYTRACE_LOG_ERROR, text);
    }
}

enum playtrace_status playtrace_open(struct playtrace **p_out,
                                     const struct playtrace_options *options)
{
    struct playtrace_platform platform;
    struct pt_client_segment *segments = NULL;
    struct playtrace *p = NULL;
    int64_t begun_us = 0;
    const char *fault = NULL;
    enum playtrace_status status = PLAYTRACE_OK;

    if (p_out) {
        *p_out = NULL;
    }
    if (!p_out || !options) {
        return PLAYTRACE_INVALID;
    }
    fault = options_fault(options);
    if (fault) {
        say(options, "not opened", fault);
        return PLAYTRACE_INVALID;
    }
    if (options->platform_table) {
        platform = *options->platform_table;
    } else {
        playtrace_platform_posix_init(&platform);
    }
    if (!platform_is_whole(&platform, options)) {
        say(options, "not opened",
            "platform_table: a function is missing that these options need (alloc, http_post or "
            "http_start; mutex_create unless without_worker; hmac_sha256; seal)");
        return PLAYTRACE_INVALID; /* no alloc: a build that has no default platform */
    }
    begun_us = platform.mono_us(platform.clock_ctx);
    p = create(&platform, options, &segments);
    if (!p) {
        return PLAYTRACE_NO_MEMORY;
    }
    if (!threads_create(p)) {
        status = PLAYTRACE_NO_MEMORY;
        goto out;
    }
    status = open_dir(p, options->queue_key, segments);
    if (status) {
        say(options, p->dir,
            status == PLAYTRACE_BUSY ? "another client has this directory open; one process a queue"
            : status == PLAYTRACE_KEY ? "holds records that options.queue_key does not open"
            : status == PLAYTRACE_VERSION
                ? "was written by a newer version of this SDK"
                : "cannot be made, read or written; is it on a full or read-only disk?");
        goto out;
    }
    if (options->report_health) {
        pt_client_self_test(p, begun_us);
        pt_client_health(p);
    }
    p->send_due_us = pt_client_now_us(p);
    if (p->stats.recovered == 0) {
        p->send_due_us += (int64_t)options->flush_interval_ms * 1000;
    }
    pt_client_flags_start_stream(p);
    if (!options->without_worker) {
        /* track() and flush() look at `worker`; the thread itself never does. */
        p->worker = platform.thread_start(platform.thread_ctx, pt_client_worker_run, p);
        if (!p->worker) {
            status = PLAYTRACE_NO_MEMORY;
            goto out;
        }
    }
#if PT_CLIENT_CHECKS
    pt_client_misuse_opened(p);
#endif
    *p_out = p;
    p = NULL;

out:
    if (p) {
        pt_client_flags_stop_stream(p);
        destroy(p);
    }
    return status;
}

enum playtrace_status playtrace_close(struct playtrace *p, uint32_t timeout_ms)
{
    enum playtrace_status status = PLAYTRACE_OK;
    uint64_t lost = 0;

    if (!p) {
        return PLAYTRACE_OK;
    }
    if (!pt_client_is_usable_for_work(p)) {
        return PLAYTRACE_INVALID;
    }
    pt_client_lock(p);
    p->is_closing = true;
    pt_client_unlock(p);
    if (p->worker) {
        pt_client_lock(p);
        p->is_stopping = true;
        p->stop_us = pt_client_now_us(p) + (int64_t)timeout_ms * 1000;
        if (p->options.flush_ignores_retry) {
            p->is_backing_off = false;
        }
        p->platform.cond_broadcast(p->platform.thread_ctx, p->changed);
        pt_client_unlock(p);
        p->platform.thread_join(p->platform.thread_ctx, p->worker);
        pt_client_flags_stop_stream(p);
        status = p->stop_status;
    } else {
        status = playtrace_flush(p, timeout_ms);
    }
    pt_client_work_lock(p);
    pt_client_exchange_cancel(p);
    (void)pt_client_drain(p);
    lost = p->spare_events + p->active_events + (p->is_notices_dirty ? p->notice_count : 0);
    if (p->options.sync_at_close && pt_client_lanes_events(&p->lanes) > 0 &&
        !pt_client_lanes_sync(&p->lanes)) {
        lost += pt_client_lanes_events(
            &p->lanes); /* perhaps: the device did not say that it has them */
    }
    pt_client_work_unlock(p);
#if PT_CLIENT_CHECKS
    pt_client_misuse_closed(p);
#endif
    destroy(p);
    if (lost > 0) {
        return PLAYTRACE_IO;
    }
    return status == PLAYTRACE_NO_CONSENT ? PLAYTRACE_OK : status;
}

/* ---- stats ---- */

void playtrace_stats(struct playtrace *p, struct playtrace_stats *stats_out)
{
    if (!stats_out) {
        return;
    }
    memset(stats_out, 0, sizeof(*stats_out));
    if (pt_client_is_usable(p)) {
        pt_client_lock(p);
        *stats_out = p->stats;
        pt_client_unlock(p);
    }
}

const char *playtrace_status_name(enum playtrace_status status)
{
    switch (status) {
    case PLAYTRACE_OK:
        return "OK";
    case PLAYTRACE_QUEUED:
        return "QUEUED";
    case PLAYTRACE_INVALID:
        return "INVALID";
    case PLAYTRACE_NO_CONSENT:
        return "NO_CONSENT";
    case PLAYTRACE_DROPPED:
        return "DROPPED";
    case PLAYTRACE_BUSY:
        return "BUSY";
    case PLAYTRACE_IO:
        return "IO";
    case PLAYTRACE_NO_MEMORY:
        return "NO_MEMORY";
    case PLAYTRACE_KEY:
        return "KEY";
    case PLAYTRACE_VERSION:
        return "VERSION";
    }
    return "unknown";
}
