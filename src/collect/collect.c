/*
 * collect.c - POST /v1/events
 *
 * The path of a request: who sends (key) → what it is (type, encoding) → decode.c → a sink,
 * commit.c or received.c, which answers. Everything before the commit runs on the loop thread of
 * the connection.
 */
#include "collect/collect.h"

#include "base/compress.h"
#include "collect/commit.h"
#include "collect/decode.h"
#include "collect/exposure.h"
#include "collect/rate.h"
#include "collect/received.h"
#include "collect/replay.h"
#include "collect/reports.h"
#include "collect/retention.h"
#include "collect/signature.h"
#include "wire/rfc3339.h"

#include <stdio.h>
#include <strings.h>

struct pt_collect {
    struct pt_collect_parts parts;
    struct pt_commit *commit; /* one of the two is there */
    struct pt_received *received;
    struct pt_sink sink;          /* that one */
    struct pt_decoder **decoders; /* one a loop thread */
    uint32_t decoder_count;
    struct pt_decoder *own_decoder; /* of pt_collect_take(), made by its first call */
    struct pt_decode_env env;
    struct pt_locator *locator;
    struct pt_retention *retention; /* of dead letters; NULL: all are kept */
    struct pt_hmac **secrets;       /* of signatures */
    size_t secret_count;
    struct pt_rate *address_rate; /* requests; NULL: no limit */
    struct pt_rate *key_rate;     /* events; NULL: no limit */
    const char **trusted;         /* addresses and blocks; the texts are the settings' */
    size_t trusted_count;
    struct pt_metric *refused_total; /* whole requests */
    struct pt_reports reports;
};

/* The media type without parameters, in any case. */
static bool is_media_type(struct pt_span header, const char *type)
{
    size_t size = strlen(type);

    return header.size >= size && strncasecmp((const char *)header.data, type, size) == 0 &&
           (header.size == size || header.data[size] == ';' || header.data[size] == ' ');
}

static bool find_body_kind(const struct pt_http_request *request, enum pt_body_kind *kind_out)
{
    struct pt_span type = pt_http_header(request, "Content-Type");

    *kind_out = PT_BODY_JSON;
    if (is_media_type(type, "application/x-ndjson") || is_media_type(type, "application/jsonl")) {
        *kind_out = PT_BODY_NDJSON;
        return true;
    }
    /* A browser's beacon can only say text/plain, and curl's -d says it sends a form. */
    return type.size == 0 || is_media_type(type, "application/json") ||
           is_media_type(type, "text/plain") ||
           is_media_type(type, "application/x-www-form-urlencoded");
}

/* The body as it was before Content-Encoding. */
static enum pt_code inflate_body(struct pt_decoder *decoder, const struct pt_http_request *request,
                                 struct pt_span *body_out, struct pt_error *err)
{
    struct pt_span encoding = pt_http_header(request, "Content-Encoding");
    struct pt_span body = pt_http_body(request);
    enum pt_code code = PT_OK;

    *body_out = body;
    if (encoding.size == 0 || pt_span_is(encoding, "identity")) {
        return PT_OK;
    }
    pt_buf_reset(&decoder->inflated);
    if (pt_span_is(encoding, "gzip") || pt_span_is(encoding, "x-gzip")) {
        code = pt_gzip_decompress(body, &decoder->inflated, err);
    } else if (pt_span_is(encoding, "zstd")) {
        code = pt_zstd_decompress(body, &decoder->inflated, err);
    } else {
        return pt_fail(err, PT_NOT_FOUND, "Content-Encoding may be gzip, zstd or identity");
    }
    if (code) {
        return code;
    }
    if (!pt_buf_reserve(&decoder->inflated, PT_JSON_PADDING)) {
        return pt_fail(err, PT_TOO_BIG, "the decompressed body is over the limit");
    }
    memset(decoder->inflated.data + decoder->inflated.size, 0, PT_JSON_PADDING);
    *body_out = pt_buf_span(&decoder->inflated);
    return PT_OK;
}

static void refuse(struct pt_collect *collect, struct pt_http_request *request, enum pt_code code,
                   const char *invalid_code, const struct pt_error *err)
{
    pt_metric_add(collect->refused_total, 1);
    switch (code) {
    case PT_TOO_BIG:
        pt_http_respond_error(request, 413, "too_large", "%s", err->text);
        break;
    case PT_NOT_FOUND:
        pt_http_respond_error(request, 415, "unsupported_encoding", "%s", err->text);
        break;
    case PT_INVALID:
        pt_http_respond_error(request, 400, invalid_code, "%s", err->text);
        break;
    case PT_OK:
    case PT_AGAIN:
    case PT_FENCED:
    case PT_CORRUPT:
    case PT_FULL:
    case PT_IO:
    case PT_NO_MEMORY: {
        static const char body[] =
            "{\"code\":\"overloaded\",\"detail\":\"the server cannot take more at the moment; "
            "nothing of this request was taken, send it again later\"}";
        static const struct pt_http_header_out retry = {"Retry-After", "1"};

        pt_http_respond(request, 503, "application/json", pt_span_of(body, sizeof(body) - 1),
                        &retry, 1);
        break;
    }
    }
}

/* A burst may take ten seconds' worth at once: a device that was offline sends in one go. */
#define BURST_S 10u

static void refuse_rate(struct pt_collect *collect, struct pt_http_request *request,
                        const char *whose, uint32_t retry_s)
{
    char seconds[16];
    char body[160];
    const struct pt_http_header_out retry = {"Retry-After", seconds};
    int size = snprintf(body, sizeof(body),
                        "{\"code\":\"too_many_requests\",\"detail\":\"this %s sends too much; "
                        "nothing of this request was taken, send it again in %u s\"}",
                        whose, retry_s);

    snprintf(seconds, sizeof(seconds), "%u", retry_s);
    pt_metric_add(collect->refused_total, 1);
    pt_http_respond(request, 429, "application/json", pt_span_of(body, (size_t)size), &retry, 1);
}

/* The sender's limits; false after the refusal was answered. */
static bool is_within_rate(struct pt_collect *collect, struct pt_http_request *request,
                           const char *address)
{
    uint32_t retry_s = 0;

    if (collect->address_rate && !pt_rate_take(collect->address_rate, pt_span_str(address), 1,
                                               pt_clock_mono_us(collect->parts.clock), &retry_s)) {
        refuse_rate(collect, request, "address", retry_s);
        return false;
    }
    return true;
}

static bool is_within_key_rate(struct pt_collect *collect, struct pt_http_request *request,
                               uint32_t events)
{
    uint32_t retry_s = 0;

    if (collect->key_rate &&
        !pt_rate_take(collect->key_rate, pt_http_header(request, "Authorization"), events,
                      pt_clock_mono_us(collect->parts.clock), &retry_s)) {
        refuse_rate(collect, request, "key", retry_s);
        return false;
    }
    return true;
}

/* NULL: signed well, or it need not be. A signature that is there is always checked. */
static const char *check_signature(const struct pt_collect *collect,
                                   const struct pt_http_request *request)
{
    const struct pt_config *config = collect->parts.config;
    struct pt_span header = pt_http_header(request, "X-Playtrace-Signature");

    if (collect->secret_count == 0 ||
        (header.size == 0 && !pt_config_int(config, PT_CONFIG_collect_signature_required))) {
        return NULL;
    }
    return pt_signature_check(header, pt_http_body(request), pt_clock_wall_us(collect->parts.clock),
                              pt_config_int(config, PT_CONFIG_collect_signature_window_s) * 1000000,
                              collect->secrets, collect->secret_count);
}

static void handle_events(void *ctx, struct pt_http_request *request)
{
    struct pt_collect *collect = ctx;
    struct pt_decoder *decoder = collect->decoders[pt_http_loop_index(request)];
    enum pt_body_kind kind = PT_BODY_JSON;
    struct pt_span body;
    struct pt_place place;
    char address[64];
    const char *unsigned_why = NULL;
    struct pt_error err = {0};
    enum pt_code code = PT_OK;

    pt_client_address(pt_http_peer(request), pt_http_header(request, "X-Forwarded-For"),
                      collect->trusted, collect->trusted_count, address);
    if (!is_within_rate(collect, request, address)) {
        return;
    }
    if (!pt_keys_admit(collect->parts.keys, request, PT_SCOPE_EVENTS)) {
        pt_metric_add(collect->refused_total, 1);
        return;
    }
    unsigned_why = check_signature(collect, request);
    if (unsigned_why) {
        pt_metric_add(collect->refused_total, 1);
        pt_http_respond_error(request, 403, "bad_signature", "%s", unsigned_why);
        return;
    }
    if (!find_body_kind(request, &kind)) {
        pt_metric_add(collect->refused_total, 1);
        pt_http_respond_error(request, 415, "unsupported_type",
                              "Content-Type may be application/json or application/x-ndjson");
        return;
    }
    code = inflate_body(decoder, request, &body, &err);
    if (code) {
        refuse(collect, request, code, "invalid_encoding", &err);
        return;
    }
    /* From here on there is a place, and no address. */
    pt_locate(collect->locator, address, &place);
    code = pt_decode_body(decoder, kind, body, pt_clock_wall_us(collect->parts.clock), &place,
                          &collect->env, &err);
    if (code) {
        refuse(collect, request, code, "invalid_body", &err);
        return;
    }
    if (decoder->record_sizes.count == 0 && decoder->dead_sizes.count == 0) {
        pt_http_respond(request, 202, "application/json", pt_buf_span(&decoder->answer), NULL, 0);
        return;
    }
    if (!is_within_key_rate(collect, request,
                            decoder->record_sizes.count + decoder->dead_sizes.count)) {
        return;
    }
    code = collect->sink.add(collect->sink.ctx, request, decoder, &err);
    if (code) {
        refuse(collect, request, code, "invalid_body", &err);
    } else {
        pt_reports_add(&collect->reports, &decoder->reports);
    }
}

/* ---- events of our own ---- */

static enum pt_code make_own_decoder(struct pt_collect *collect, struct pt_error *err)
{
    struct pt_decoder *decoder =
        pt_decoder_create(PT_COLLECT_TAKE_BYTES_MAX, collect->env.limits.record_bytes_max);

    if (!decoder) {
        return pt_fail(err, PT_NO_MEMORY, "take events of our own");
    }
    if (collect->parts.registry && pt_decoder_use_registry(decoder, collect->parts.registry, err)) {
        pt_decoder_destroy(decoder);
        return PT_NO_MEMORY;
    }
    collect->own_decoder = decoder;
    return PT_OK;
}

enum pt_code pt_collect_take(struct pt_collect *collect, struct pt_span ndjson, uint32_t *dead_out,
                             struct pt_error *err)
{
    static const struct pt_place nowhere;
    enum pt_code code = collect->own_decoder ? PT_OK : make_own_decoder(collect, err);

    *dead_out = 0;
    if (!code) {
        code = pt_decode_body(collect->own_decoder, PT_BODY_NDJSON, ndjson,
                              pt_clock_wall_us(collect->parts.clock), &nowhere, &collect->env, err);
    }
    if (!code) {
        code = collect->sink.keep(collect->sink.ctx, collect->own_decoder, err);
    }
    if (!code) {
        *dead_out = collect->own_decoder->dead_sizes.count;
    }
    return code;
}

enum pt_code pt_exposures_open(struct pt_exposures **exposures_out, struct pt_collect *collect,
                               struct pt_error *err)
{
    return pt_exposures_start(exposures_out, &collect->parts, collect, err);
}

/* Repaired dead letters, from `playtrace dlq replay`. */
static void handle_replay(void *ctx, struct pt_http_request *request)
{
    struct pt_collect *collect = ctx;
    struct pt_decoder *decoder = collect->decoders[pt_http_loop_index(request)];
    struct pt_error err = {0};
    enum pt_code code = PT_OK;

    if (!pt_keys_admit(collect->parts.keys, request, PT_SCOPE_ADMIN)) {
        pt_metric_add(collect->refused_total, 1);
        return;
    }
    /* A page in a browser on this machine cannot send this type without asking first. */
    if (!is_media_type(pt_http_header(request, "Content-Type"), "application/json")) {
        pt_metric_add(collect->refused_total, 1);
        pt_http_respond_error(request, 415, "unsupported_type",
                              "Content-Type must be application/json");
        return;
    }
    code = pt_decode_replay(decoder, pt_http_body(request), pt_clock_wall_us(collect->parts.clock),
                            &collect->env, &err);
    if (!code && decoder->record_sizes.count == 0) {
        pt_http_respond(request, 202, "application/json", pt_buf_span(&decoder->answer), NULL, 0);
        return;
    }
    if (!code) {
        code = collect->sink.add(collect->sink.ctx, request, decoder, &err);
    }
    if (code) {
        refuse(collect, request, code, "invalid_body", &err);
    }
}

/* ---- the test double's two routes ---- */

#define RECEIVED_ANSWER_BYTES_MAX (64u << 20)

static void handle_received(void *ctx, struct pt_http_request *request)
{
    struct pt_collect *collect = ctx;
    struct pt_received_filter filter;
    char name[PT_EVENT_NAME_BYTES_MAX];
    struct pt_buf body;

    if (!pt_keys_admit(collect->parts.keys, request, PT_SCOPE_EVENTS)) {
        return;
    }
    if (!pt_received_filter_parse(pt_http_query(request), name, &filter)) {
        pt_http_respond_error(request, 400, "invalid_query",
                              "the query may hold status=good or status=bad, event_name=NAME and "
                              "limit=N (default %u)",
                              PT_RECEIVED_LIMIT);
        return;
    }
    pt_buf_init(&body, RECEIVED_ANSWER_BYTES_MAX);
    pt_received_list(collect->received, &filter, &body);
    if (body.has_failed) {
        pt_http_respond_error(request, 400, "answer_too_large",
                              "these events take more than %u bytes: ask for fewer with limit=N or "
                              "event_name=NAME",
                              RECEIVED_ANSWER_BYTES_MAX);
    } else {
        pt_http_respond(request, 200, "application/json", pt_buf_span(&body), NULL, 0);
    }
    pt_buf_release(&body);
}

static void handle_clear(void *ctx, struct pt_http_request *request)
{
    struct pt_collect *collect = ctx;

    if (!pt_keys_admit(collect->parts.keys, request, PT_SCOPE_EVENTS)) {
        return;
    }
    pt_received_clear(collect->received);
    pt_http_respond(request, 204, NULL, (struct pt_span){0}, NULL, 0);
}

/* Dead letters behind the last note were never answered for. */
static enum pt_code cut_unanswered(const struct pt_collect_parts *parts, struct pt_error *err)
{
    uint8_t bytes[PT_LOG_NOTE_BYTES];
    struct pt_ledger_note note;
    uint64_t end = pt_log_end(parts->dead_letters);

    pt_log_last_note(parts->log, bytes);
    pt_ledger_note_decode(bytes, &note);
    if (end < note.dead) {
        return pt_fail(err, PT_CORRUPT,
                       "the log counts %llu dead letters, but only %llu are there: dead letters "
                       "were lost; restore dlq/ from a backup",
                       (unsigned long long)note.dead, (unsigned long long)end);
    }
    return end > note.dead ? pt_log_cut(parts->dead_letters, note.dead, err) : PT_OK;
}

/* A log batch, and a batch of dead letters, must fit a segment. */
static size_t batch_bytes_max_of(const struct pt_config *config)
{
    int64_t segment_bytes = pt_config_int(config, PT_CONFIG_log_segment_bytes);

    return segment_bytes < (int64_t)PT_LOG_BATCH_BYTES_MAX ? (size_t)segment_bytes
                                                           : PT_LOG_BATCH_BYTES_MAX;
}

void pt_decode_limits_init(struct pt_decode_limits *limits, const struct pt_config *config)
{
    *limits = (struct pt_decode_limits){
        .events_max = (uint32_t)pt_config_int(config, PT_CONFIG_collect_batch_events_max),
        /* The rest is room for sizes and headers. */
        .record_bytes_max = batch_bytes_max_of(config) / 2,
        .clock_tolerance_us = pt_config_int(config, PT_CONFIG_collect_clock_tolerance_ms) * 1000,
        .event_age_us_max = pt_config_int(config, PT_CONFIG_collect_event_age_days_max) * PT_DAY_US,
        .attributes_max = (uint32_t)pt_config_int(config, PT_CONFIG_collect_attributes_max),
        .depth_max = (uint32_t)pt_config_int(config, PT_CONFIG_collect_attribute_depth_max),
        .key_bytes_max = (uint32_t)pt_config_int(config, PT_CONFIG_collect_attribute_key_bytes_max),
        .value_bytes_max =
            (uint32_t)pt_config_int(config, PT_CONFIG_collect_attribute_value_bytes_max),
    };
}

/* Signing secrets and rate limits. */
static enum pt_code open_trust(struct pt_collect *collect, struct pt_error *err)
{
    const struct pt_config *config = collect->parts.config;
    size_t count = pt_config_list_count(config, PT_CONFIG_collect_signing_secrets);
    uint32_t requests = (uint32_t)pt_config_int(config, PT_CONFIG_collect_rate_address_requests);
    uint32_t events = (uint32_t)pt_config_int(config, PT_CONFIG_collect_rate_key_events);

    if (count == 0 && pt_config_int(config, PT_CONFIG_collect_signature_required)) {
        return pt_fail(err, PT_INVALID,
                       "collect.signature_required is 1, but collect.signing_secrets is empty: no "
                       "request could ever be taken");
    }
    collect->secrets = pt_alloc_zero((count + 1) * sizeof(struct pt_hmac *));
    for (; collect->secrets && collect->secret_count < count; collect->secret_count++) {
        struct pt_hmac *secret = pt_hmac_create(pt_span_str(
            pt_config_list_item(config, PT_CONFIG_collect_signing_secrets, collect->secret_count)));

        if (!secret) {
            break;
        }
        collect->secrets[collect->secret_count] = secret;
    }
    collect->address_rate = requests ? pt_rate_create(requests, requests * BURST_S) : NULL;
    collect->key_rate = events ? pt_rate_create(events, events * BURST_S) : NULL;
    if (!collect->secrets || collect->secret_count < count ||
        (requests && !collect->address_rate) || (events && !collect->key_rate)) {
        return pt_fail(err, PT_NO_MEMORY, "open the collector");
    }
    return PT_OK;
}

/* Location database and trusted proxies. */
static enum pt_code open_locator(struct pt_collect *collect, struct pt_error *err)
{
    const struct pt_config *config = collect->parts.config;

    collect->trusted_count = pt_config_list_count(config, PT_CONFIG_collect_trusted_proxies);
    collect->trusted = pt_alloc_zero((collect->trusted_count + 1) * sizeof(char *));
    if (!collect->trusted) {
        return pt_fail(err, PT_NO_MEMORY, "open the collector");
    }
    for (size_t i = 0; i < collect->trusted_count; i++) {
        collect->trusted[i] = pt_config_list_item(config, PT_CONFIG_collect_trusted_proxies, i);
        if (!pt_is_network(collect->trusted[i])) {
            return pt_fail(err, PT_INVALID,
                           "collect.trusted_proxies: \"%s\" is neither an address nor a CIDR block "
                           "such as 10.0.0.0/8",
                           collect->trusted[i]);
        }
    }
    return pt_locator_open(&collect->locator,
                           pt_config_string(config, PT_CONFIG_collect_location_database), err);
}

static enum pt_code open_retention(struct pt_collect *collect, struct pt_error *err)
{
    const struct pt_collect_parts *parts = &collect->parts;
    struct pt_retention_options options = {
        .age_us = pt_config_int(parts->config, PT_CONFIG_dlq_retention_days) * PT_DAY_US,
        .bytes_max = (uint64_t)pt_config_int(parts->config, PT_CONFIG_dlq_retention_bytes),
    };

    return pt_retention_open(&collect->retention, parts->io, parts->clock, parts->dead_letters,
                             parts->dead_letters_dir, &options, parts->metrics, err);
}

static enum pt_code open_sink(struct pt_collect *collect, struct pt_error *err)
{
    const struct pt_collect_parts *parts = &collect->parts;
    const struct pt_config *config = parts->config;
    struct pt_received_limits limits = {
        .events_max = (size_t)pt_config_int(config, PT_CONFIG_collect_received_events_max),
        .bytes_max = (size_t)pt_config_int(config, PT_CONFIG_collect_received_bytes_max),
    };
    enum pt_code code = PT_OK;

    if (parts->is_ephemeral) {
        collect->received = pt_received_create(&limits, parts->metrics);
        if (!collect->received) {
            return pt_fail(err, PT_NO_MEMORY, "open the collector");
        }
        collect->sink = pt_received_sink(collect->received);
        collect->env.watch = pt_received_watch;
        return PT_OK;
    }
    code = pt_commit_open(&collect->commit, parts->log, parts->dead_letters,
                          (size_t)pt_config_int(config, PT_CONFIG_collect_in_flight_bytes_max),
                          batch_bytes_max_of(config) / 4, parts->metrics, err);
    if (code) {
        return code;
    }
    collect->sink = pt_commit_sink(collect->commit);
    return parts->dead_letters_dir ? open_retention(collect, err) : PT_OK;
}

enum pt_code pt_collect_open(struct pt_collect **collect_out, const struct pt_collect_parts *parts,
                             uint32_t loop_threads, struct pt_error *err)
{
    const struct pt_config *config = parts->config;
    size_t body_bytes_max = (size_t)pt_config_int(config, PT_CONFIG_collect_decompressed_bytes_max);
    struct pt_collect *collect = NULL;
    enum pt_code code = parts->is_ephemeral ? PT_OK : cut_unanswered(parts, err);

    *collect_out = NULL;
    if (code) {
        return code;
    }
    collect = pt_alloc_zero(sizeof(*collect));
    if (!collect) {
        goto no_memory;
    }
    collect->parts = *parts;
    collect->env.pseudonyms = parts->pseudonyms;
    pt_decode_limits_init(&collect->env.limits, config);
    collect->env.cardinality = pt_cardinality_create(
        (uint32_t)pt_config_int(config, PT_CONFIG_collect_attribute_keys_max),
        (uint32_t)pt_config_int(config, PT_CONFIG_collect_attribute_values_warn), parts->metrics);
    collect->refused_total =
        pt_metrics_get(parts->metrics, PT_COUNTER, "playtrace_collect_refused_requests_total", NULL,
                       "requests of which nothing was taken");
    pt_reports_init(&collect->reports, parts->metrics);
    collect->decoders = pt_alloc_zero(loop_threads * sizeof(struct pt_decoder *));
    if (!collect->decoders || !collect->env.cardinality) {
        goto no_memory;
    }
    for (; collect->decoder_count < loop_threads; collect->decoder_count++) {
        struct pt_decoder *decoder =
            pt_decoder_create(body_bytes_max, collect->env.limits.record_bytes_max);

        if (!decoder) {
            goto no_memory;
        }
        collect->decoders[collect->decoder_count] = decoder;
        if (parts->registry && pt_decoder_use_registry(decoder, parts->registry, err)) {
            collect->decoder_count++;
            goto no_memory;
        }
    }
    code = open_locator(collect, err);
    if (!code) {
        code = open_trust(collect, err);
    }
    if (code) {
        pt_collect_close(collect);
        return code;
    }
    code = open_sink(collect, err);
    if (code) {
        pt_collect_close(collect);
        return code;
    }
    *collect_out = collect;
    return PT_OK;

no_memory:
    pt_collect_close(collect);
    return pt_fail(err, PT_NO_MEMORY, "open the collector");
}

enum pt_code pt_collect_routes(struct pt_collect *collect, struct pt_http_server *server,
                               struct pt_error *err)
{
    uint32_t body_bytes_max =
        (uint32_t)pt_config_int(collect->parts.config, PT_CONFIG_server_body_bytes_max);

    enum pt_code code =
        pt_http_route(server, "POST", "/v1/events", body_bytes_max, handle_events, collect, err);

    if (!code && collect->commit) {
        code = pt_http_route_admin(server, "POST", "/api/v1/replay", body_bytes_max, handle_replay,
                                   collect, err);
    }
    if (!code && collect->received) {
        code = pt_http_route(server, "GET", "/api/v1/received", 0, handle_received, collect, err);
    }
    if (!code && collect->received) {
        code = pt_http_route(server, "DELETE", "/api/v1/received", 0, handle_clear, collect, err);
    }
    return code;
}

enum pt_code pt_collect_check_location(const char *path, struct pt_error *err)
{
    struct pt_locator *locator = NULL;
    struct pt_file *file = NULL;
    enum pt_code code = pt_io_open(pt_io_posix(), path, PT_OPEN_READ, &file, err);

    if (code) {
        return code;
    }
    pt_io_close(pt_io_posix(), file);
    code = pt_locator_open(&locator, path, err);
    pt_locator_close(locator);
    return code;
}

void pt_collect_tick(struct pt_collect *collect)
{
    pt_locator_reload(collect->locator);
    if (collect->retention) {
        pt_retention_tick(collect->retention, pt_commit_counted_dead(collect->commit));
    }
}

const char *pt_collect_unready(const struct pt_collect *collect)
{
    return collect->sink.unready(collect->sink.ctx);
}

void pt_collect_on_commit(struct pt_collect *collect, void (*wake)(void *ctx), void *ctx)
{
    pt_commit_on_commit(collect->commit, wake, ctx);
}

void pt_collect_close(struct pt_collect *collect)
{
    if (!collect) {
        return;
    }
    pt_retention_close(collect->retention);
    pt_commit_close(collect->commit);
    pt_received_destroy(collect->received);
    for (uint32_t i = 0; collect->decoders && i < collect->decoder_count; i++) {
        pt_decoder_destroy(collect->decoders[i]);
    }
    pt_decoder_destroy(collect->own_decoder);
    pt_cardinality_destroy(collect->env.cardinality);
    pt_locator_close(collect->locator);
    for (size_t i = 0; i < collect->secret_count; i++) {
        pt_hmac_destroy(collect->secrets[i]);
    }
    pt_free(collect->secrets);
    pt_rate_destroy(collect->address_rate);
    pt_rate_destroy(collect->key_rate);
    pt_free(collect->trusted);
    pt_free(collect->decoders);
    pt_free(collect);
}
