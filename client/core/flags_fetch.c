/*
 * flags_fetch.c - asking for the flags: OFREP 0.3, bulk evaluation
 *
 *     POST /ofrep/v1/evaluate/flags   {"context":{"targetingKey":…,"build_id":…,…}}
 *
 * Only an answer that is whole and is a bulk evaluation takes the place of the values in force:
 * whatever else comes (pages, half answers, errors, too much, 304 to nothing), they stay.
 */
#include "core/client.h"
#include "core/json.h"
#include "core/retry.h"

#include <stdio.h>
#include <string.h>

/* With an open stream a poll is only there for what the stream may have missed. */
#define POLLS_SAVED_BY_STREAM 10

/* ---- what to ask ---- */

static char *put(char *to, const char *text)
{
    size_t bytes = strlen(text);

    memcpy(to, text, bytes);
    return to + bytes;
}

static char *put_member(char *to, const char *name, const char *value)
{
    to = put(to, name);
    to = put(to, ":\"");
    to += pt_client_json_escape(value, strlen(value), to);
    return put(to, "\"");
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* The members of the game's object, behind others. */
static char *put_context(char *to, const char *object)
{
    const char *end = object + strlen(object);

    while (is_space(*object)) {
        object++;
    }
    object++;
    while (*object != '\0' && is_space(*object)) {
        object++;
    }
    while (*--end != '}') {
    }
    if (object < end) {
        *to++ = ',';
        memcpy(to, object, (size_t)(end - object));
        to += end - object;
    }
    return to;
}

/* Write the request's body, and note for whom it asks. */
static void render_ask(struct playtrace *p)
{
    struct pt_client_flags *flags = &p->flags;
    const struct {
        const char *name;
        const char *quoted;
        const char *value;
    } options[] = {
        {"build_id", ",\"build_id\"", p->options.build_id},
        {"platform", ",\"platform\"", p->options.platform},
        {"mechanic_version", ",\"mechanic_version\"", p->options.mechanic_version},
    };
    char *to = flags->ask;

    pt_client_lock(p);
    to = put_member(to, "{\"context\":{\"targetingKey\"",
                    p->has_user ? p->user_id : p->state.install_id);
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (options[i].value && (flags->context[0] == '\0' ||
                                 !pt_client_json_has_member(flags->context, options[i].name))) {
            to = put_member(to, options[i].quoted, options[i].value);
        }
    }
    if (flags->context[0] != '\0') {
        to = put_context(to, flags->context);
    }
    to = put(to, "}}");
    flags->ask_round = flags->round;
    flags->ask_count = flags->asked;
    flags->is_told = false;
    pt_client_unlock(p);
    flags->ask_bytes = (size_t)(to - flags->ask);
    pt_client_flags_bind(flags->url, flags->ask, flags->ask_bytes, &flags->binding);
}

/* ---- when ---- */

int64_t pt_client_flags_due_us(const struct playtrace *p)
{
    const struct pt_client_flags *flags = &p->flags;

    if (!pt_client_flags_may_use(p) || p->flushers > 0 || p->is_stopping) {
        return INT64_MAX; /* who waits for his events goes first */
    }
    if (p->paused_us != INT64_MIN && flags->asked == flags->answered) {
        return INT64_MAX; /* nobody sees what they decide */
    }
    return flags->due_us > flags->not_before_us ? flags->due_us : flags->not_before_us;
}

/* The next poll, a tenth earlier or later, so that not all clients ask in the same instant. */
static int64_t poll_us(struct playtrace *p)
{
    int64_t interval_us = (int64_t)p->options.flags_poll_ms * 1000;

    if (p->flags.is_stream_up) {
        interval_us *= POLLS_SAVED_BY_STREAM;
    }
    if (interval_us == 0) {
        return INT64_MAX;
    }
    return pt_client_now_us(p) + interval_us / 10 * 9 +
           (int64_t)pt_client_random_below(p, (uint64_t)(interval_us / 5));
}

/* After a failure. The caller holds `lock`. */
static int64_t back_off_us(struct playtrace *p, bool is_long,
                           const struct playtrace_http_response *response)
{
    const struct playtrace_options *options = &p->options;
    int64_t now_us = pt_client_now_us(p);
    int64_t cap_us = (int64_t)options->retry_cap_ms * 1000;
    int64_t least_us = pt_client_retry_after_us(response->retry_after, response->date,
                                                p->platform.wall_us(p->platform.clock_ctx));

    p->flags.failures++;
    if (least_us > 0) {
        p->flags.not_before_us =
            now_us + least_us +
            (int64_t)pt_client_random_below(p, (uint64_t)options->retry_base_ms * 1000);
    }
    if (is_long) {
        return now_us + cap_us / 2 + (int64_t)pt_client_random_below(p, (uint64_t)(cap_us / 2));
    }
    return now_us + (int64_t)pt_client_random_below(
                        p, (uint64_t)pt_client_retry_span_us(
                               p->flags.failures, options->retry_base_ms, options->retry_cap_ms));
}

/* ---- the cache ---- */

/* An ETag is sent back as a header: only what cannot be more than one. */
static void keep_etag(struct pt_client_flags *flags, const char *etag)
{
    size_t bytes = 0;

    while (etag[bytes] >= ' ' && etag[bytes] <= '~') {
        bytes++;
    }
    flags->etag_round = flags->ask_round;
    flags->etag[0] = '\0';
    if (etag[bytes] == '\0' && bytes < sizeof(flags->etag)) {
        memcpy(flags->etag, etag, bytes + 1);
    }
}

void pt_client_flags_load(struct playtrace *p)
{
    struct pt_client_flags *flags = &p->flags;
    char *room = flags->texts[flags->spare] - PT_CLIENT_FLAGS_CACHE_HEAD_BYTES_MAX;
    struct pt_client_flags_cached cached;
    enum pt_client_flags_found found = PT_CLIENT_FLAGS_ABSENT;
    bool is_allowed = false;

    pt_client_lock(p);
    is_allowed = pt_client_flags_may_use(p);
    flags->cached_round = flags->round;
    pt_client_unlock(p);
    if (!is_allowed) {
        return;
    }
    render_ask(p);
    found = pt_client_flags_cache_load(
        &flags->cache, room, PT_CLIENT_FLAGS_CACHE_HEAD_BYTES_MAX + p->options.flags_bytes_max,
        &cached);
    if (found == PT_CLIENT_FLAGS_FOUND &&
        memcmp(&cached.binding, &flags->binding, sizeof(cached.binding)) != 0) {
        return; /* another player's, or another context's */
    }
    if (found == PT_CLIENT_FLAGS_FOUND &&
        pt_client_flags_index_read(&flags->indexes[flags->spare], cached.text, cached.text_bytes) !=
            PT_CLIENT_FLAGS_SOUND) {
        found = PT_CLIENT_FLAGS_DAMAGED;
    }
    pt_client_lock(p);
    p->stats.damaged += found == PT_CLIENT_FLAGS_DAMAGED ? 1 : 0;
    if (found == PT_CLIENT_FLAGS_FOUND && flags->ask_round == flags->round &&
        pt_client_flags_may_use(p)) {
        pt_client_flags_put_in_force(p, false);
        keep_etag(flags, cached.etag);
    }
    pt_client_unlock(p);
    if (found == PT_CLIENT_FLAGS_DAMAGED) {
        pt_client_log(p, PLAYTRACE_LOG_INFO, PT_CLIENT_LOG_FLAGS,
                      "flags: the cache file is damaged, or not of this queue_key; defaults hold "
                      "until the server answers");
    }
}

static void save(struct playtrace *p)
{
    struct pt_client_flags *flags = &p->flags;
    unsigned saved = 1 - flags->spare; /* what is in force now */

    if (!pt_client_flags_cache_save(&flags->cache, &flags->binding, flags->etag,
                                    flags->texts[saved], flags->indexes[saved].text_bytes,
                                    flags->texts[flags->spare] -
                                        PT_CLIENT_FLAGS_CACHE_HEAD_BYTES_MAX)) {
        pt_client_lock(p);
        p->stats.io_failures++;
        pt_client_unlock(p);
    }
}

/* ---- the answer ---- */

enum verdict {
    VERDICT_NEW,        /* the spare index holds the values */
    VERDICT_SAME,       /* those in force hold */
    VERDICT_LATER,      /* nothing was learnt */
    VERDICT_MUCH_LATER, /* and asking often does not help: a wrong key, no such service, too much */
};

static enum verdict judge(struct playtrace *p, const struct playtrace_http_response *response)
{
    struct pt_client_flags *flags = &p->flags;
    enum pt_client_flags_verdict read = PT_CLIENT_FLAGS_MALFORMED;

    switch (response->status) {
    case 200:
        if (response->is_truncated) {
            return VERDICT_MUCH_LATER;
        }
        read = pt_client_flags_index_read(&flags->indexes[flags->spare], flags->texts[flags->spare],
                                          response->body_bytes);
        if (read == PT_CLIENT_FLAGS_SOUND) {
            return VERDICT_NEW;
        }
        return read == PT_CLIENT_FLAGS_TOO_MANY ? VERDICT_MUCH_LATER : VERDICT_LATER;
    case 304:
        return flags->if_none_match[0] != '\0' ? VERDICT_SAME : VERDICT_LATER;
    case 400:
    case 401:
    case 403:
    case 404:
    case 405:
    case 413:
    case 415:
    case 422:
    case 501:
        return VERDICT_MUCH_LATER;
    default:
        return VERDICT_LATER;
    }
}

/* Are the values of the spare index those in force? The caller holds `lock`. */
static bool is_known(const struct pt_client_flags *flags, const char *etag)
{
    const struct pt_client_flags_index *now = flags->in_force;
    const struct pt_client_flags_index *next = &flags->indexes[flags->spare];

    if (!now || flags->etag_round != flags->ask_round) {
        return false;
    }
    if (etag[0] != '\0' || flags->etag[0] != '\0') {
        return strcmp(etag, flags->etag) == 0;
    }
    return now->text_bytes == next->text_bytes &&
           memcmp(now->text, next->text, now->text_bytes) == 0;
}

/* The caller holds `lock`. True: the cache file is to be written. */
static bool take(struct playtrace *p, enum verdict verdict, const char *etag)
{
    struct pt_client_flags *flags = &p->flags;
    const struct pt_client_flags_index *index = &flags->indexes[flags->spare];
    bool is_new = verdict == VERDICT_NEW && !is_known(flags, etag);

    if (verdict == VERDICT_SAME) {
        index = flags->in_force;
    }
    pt_client_flags_stream_url(index, flags->url, flags->stream_url);
    if (is_new) {
        pt_client_flags_put_in_force(p, true);
        keep_etag(flags, etag);
    }
    flags->is_confirmed = true;
    if (flags->stream_thread) {
        p->platform.cond_broadcast(p->platform.thread_ctx, flags->stream_changed);
    }
    return is_new;
}

/* What the game's makers should know. The caller does not hold `lock`. */
static void complain(struct playtrace *p, const struct playtrace_http_response *response)
{
    const enum playtrace_log_level warning = PLAYTRACE_LOG_WARNING;

    switch (response->status) {
    case 0:
        return; /* offline is no news */
    case 200:
        if (response->is_truncated) {
            pt_client_log(p, warning, PT_CLIENT_LOG_FLAGS,
                          "flags: the answer is larger than flags_bytes_max (%lu bytes); the old "
                          "values stay; raise it, or serve fewer flags",
                          (unsigned long)p->options.flags_bytes_max);
        } else {
            pt_client_log(p, warning, PT_CLIENT_LOG_FLAGS,
                          "flags: %s answered 200 with what is no bulk evaluation (%.48s, %lu "
                          "bytes): a proxy or a sign-in page? the old values stay",
                          p->flags.url, response->content_type,
                          (unsigned long)response->body_bytes);
        }
        return;
    case 401:
    case 403:
        pt_client_log(p, warning, PT_CLIENT_LOG_FLAGS,
                      "flags: %s answered %d: api_key is missing or may not read flags (scope "
                      "\"flags\")",
                      p->flags.url, response->status);
        return;
    case 404:
        pt_client_log(p, warning, PT_CLIENT_LOG_FLAGS,
                      "flags: %s answered 404: no OFREP service there; set flags_enabled = false "
                      "if there is to be none",
                      p->flags.url);
        return;
    default:
        pt_client_log(p, warning, PT_CLIENT_LOG_FLAGS, "flags: %s answered %d: %.*s", p->flags.url,
                      response->status,
                      (int)(response->body_bytes < 120 ? response->body_bytes : 120),
                      response->body ? response->body : "");
        return;
    }
}

static enum pt_client_step finish(struct playtrace *p,
                                  const struct playtrace_http_response *response)
{
    struct pt_client_flags *flags = &p->flags;
    enum verdict verdict = judge(p, response);
    bool is_sound = verdict == VERDICT_NEW || verdict == VERDICT_SAME;
    bool is_new = false;
    bool is_bad = false;

    pt_client_lock(p);
    if (flags->ask_round != flags->round || !pt_client_flags_may_use(p)) {
        is_sound = false; /* an answer for somebody else; the next request is due already */
    } else if (response->status == 0 && (p->is_stopping || p->flushers > 0)) {
        is_sound = false; /* left off for those who wait for their events */
        flags->due_us = pt_client_now_us(p);
    } else {
        flags->answered = flags->ask_count;
        flags->is_answer_sound = is_sound;
        is_bad = !is_sound;
        p->stats.flag_failures += is_bad ? 1 : 0;
        if (is_sound) {
            is_new = take(p, verdict, response->etag);
            flags->failures = 0;
            flags->not_before_us = 0;
            flags->due_us = poll_us(p);
        } else {
            flags->due_us = back_off_us(p, verdict == VERDICT_MUCH_LATER, response);
        }
        if (flags->is_told || flags->asked != flags->answered) {
            flags->due_us = pt_client_now_us(p); /* news of meanwhile */
        }
    }
    if (!p->options.without_worker) {
        p->platform.cond_broadcast(p->platform.thread_ctx, p->changed);
    }
    pt_client_unlock(p);
    if (is_new) {
        save(p);
    }
    if (is_bad) {
        complain(p, response);
    }
    return is_sound ? PT_CLIENT_STEP_SENT : PT_CLIENT_STEP_FAILED;
}

enum pt_client_step pt_client_flags_fetch(struct playtrace *p, uint32_t timeout_ms)
{
    struct pt_client_flags *flags = &p->flags;
    struct pt_client_call call = {
        .method = "POST",
        .url = flags->url,
        .headers = {"Content-Type: application/json", "Accept: application/json"},
        .header_count = 2,
        .timeout_ms = timeout_ms,
        .yields = true,
        .finish = finish,
    };
    bool is_cache_new = false;
    bool is_whole = false;

    pt_client_lock(p);
    is_cache_new = flags->cached_round != flags->round;
    is_whole = flags->is_address_old;
    flags->is_address_old = false;
    p->stats.flag_requests++;
    pt_client_unlock(p);
    if (is_cache_new) {
        pt_client_flags_load(p);
    }
    render_ask(p);
    flags->if_none_match[0] = '\0';
    if (!is_whole && flags->etag[0] != '\0' && flags->etag_round == flags->ask_round) {
        (void)snprintf(flags->if_none_match, sizeof(flags->if_none_match), "If-None-Match: %s",
                       flags->etag);
        call.headers[call.header_count++] = flags->if_none_match;
    }
    call.body = flags->ask;
    call.body_bytes = flags->ask_bytes;
    call.answer = flags->texts[flags->spare];
    call.answer_bytes_max = p->options.flags_bytes_max;
    return pt_client_exchange_begin(p, &call);
}

/* ---- refresh ---- */

/* The caller holds `lock`. */
static uint32_t ask(struct playtrace *p)
{
    p->flags.asked++;
    p->flags.due_us = pt_client_now_us(p);
    return p->flags.asked;
}

/* Whether the request number `target` is answered. The caller holds `lock`. */
static bool is_answered(const struct pt_client_flags *flags, uint32_t target)
{
    return (int32_t)(flags->answered - target) >= 0;
}

static enum playtrace_status refresh_by_worker(struct playtrace *p, uint32_t timeout_ms)
{
    enum playtrace_status status = PLAYTRACE_QUEUED;
    int64_t until_us = 0;
    uint32_t target = 0;

    pt_client_lock(p);
    until_us = pt_client_now_us(p) + (int64_t)timeout_ms * 1000;
    target = ask(p);
    p->platform.cond_broadcast(p->platform.thread_ctx, p->changed);
    for (;;) {
        int64_t now_us = pt_client_now_us(p);

        if (!pt_client_flags_may_use(p)) {
            status = PLAYTRACE_NO_CONSENT;
            break;
        }
        if (is_answered(&p->flags, target)) {
            status = p->flags.is_answer_sound ? PLAYTRACE_OK : PLAYTRACE_QUEUED;
            break;
        }
        if (now_us >= until_us || p->flags.not_before_us > until_us) {
            break;
        }
        p->platform.cond_wait(p->platform.thread_ctx, p->changed, p->lock,
                              (uint32_t)((until_us - now_us) / 1000 + 1));
    }
    pt_client_unlock(p);
    return status;
}

/* Without a worker this thread does it; whoever else waits for the network goes first. */
static enum playtrace_status refresh_here(struct playtrace *p, uint32_t timeout_ms)
{
    enum playtrace_status status = PLAYTRACE_QUEUED;
    uint32_t slept_ms = 0; /* a clock that stands still ends nothing */
    int64_t start_us = pt_client_now_us(p);
    uint32_t target = 0;

    pt_client_work_lock(p);
    pt_client_lock(p);
    target = ask(p);
    pt_client_unlock(p);
    for (;;) {
        int64_t left_us = start_us + (int64_t)timeout_ms * 1000 - pt_client_now_us(p);
        bool is_due = false;
        bool is_done = false;

        pt_client_lock(p);
        is_done = is_answered(&p->flags, target);
        if (!pt_client_flags_may_use(p)) {
            status = PLAYTRACE_NO_CONSENT;
            is_done = true;
        } else if (is_done) {
            status = p->flags.is_answer_sound ? PLAYTRACE_OK : PLAYTRACE_QUEUED;
        }
        is_due = pt_client_flags_due_us(p) <= pt_client_now_us(p);
        pt_client_unlock(p);
        if (is_done || left_us <= 0 || slept_ms >= timeout_ms) {
            break;
        }
        if (p->exchange.is_under_way) {
            (void)pt_client_exchange_poll(p);
        } else if (is_due) {
            uint32_t left_ms = (uint32_t)(left_us / 1000) + 1;

            (void)pt_client_flags_fetch(p, left_ms < p->options.request_timeout_ms
                                               ? left_ms
                                               : p->options.request_timeout_ms);
            if (!p->exchange.is_under_way) {
                continue;
            }
        } else {
            break; /* the server has asked for a longer wait */
        }
        pt_client_work_unlock(p);
        p->platform.sleep_ms(p->platform.clock_ctx, PT_CLIENT_POLL_MS);
        pt_client_work_lock(p);
        slept_ms += PT_CLIENT_POLL_MS;
    }
    pt_client_work_unlock(p);
    return status;
}

enum playtrace_status playtrace_flags_refresh(struct playtrace *p, uint32_t timeout_ms)
{
    if (!pt_client_is_usable_for_work(p) || !p->flags.is_enabled) {
        return PLAYTRACE_INVALID;
    }
    return p->worker ? refresh_by_worker(p, timeout_ms) : refresh_here(p, timeout_ms);
}
