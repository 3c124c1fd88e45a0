/*
 * ofrep.c - OpenFeature Remote Evaluation Protocol: one flag, and all of them
 *
 * Protocol 0.3, service/openapi.yaml. A body is {"context":{…}}. Answers: 200
 * {"key","reason","variant","value", "metadata"}, without "value" where the caller's own default
 * holds; 404 FLAG_NOT_FOUND; 400 with PARSE_ERROR, INVALID_CONTEXT, TARGETING_KEY_MISSING or
 * GENERAL. The protocol's list of reasons has no DEFAULT: what is DEFAULT inside is UNKNOWN on the
 * wire. The bulk answer is {"flags":[…],"metadata":{…},"eventStreams":[…]}, each flag a success or
 * a failure of its own; its ETag is a hash of the flags and the metadata, so that one context has
 * one as long as its flags stay, and If-None-Match with it gives 304. The streams' address, which
 * names the set (ofrep_events.c), is no part of it.
 *
 * Handlers run on the loop threads; each thread has a parser and two buffers of its own.
 */
#include "flag/flag.h"

#include "base/crypto.h"
#include "flag/expose.h"
#include "flag/ofrep_events.h"

#define BODY_BYTES_MAX (64u << 10)
#define ANSWER_BYTES_MAX (PT_FLAGS_FILE_BYTES_MAX + (64u << 10))
#define ALL "/ofrep/v1/evaluate/flags"
#define PREFIX ALL "/"

struct desk {
    struct pt_json_parser *parser;
    struct pt_buf scratch;
    struct pt_buf answer;
    struct pt_flag_exposer *exposer; /* NULL: nobody wants exposures */
};

struct pt_flag_api {
    struct pt_keys *keys; /* borrowed; NULL: none are asked for */
    struct pt_flags *flags;
    struct desk *desks; /* one a loop thread */
    uint32_t desk_count;
    enum pt_flag_expose expose;
    struct pt_metric *by_reason[PT_FLAG_REASON_COUNT];
    struct pt_metrics *metrics;    /* borrowed; NULL: none */
    struct pt_flag_events *events; /* NULL: none are offered */
};

static const char *wire_reason(enum pt_flag_reason reason)
{
    return reason == PT_FLAG_REASON_DEFAULT ? "UNKNOWN" : pt_flag_reason_name(reason);
}

/* The key in the path, percent-decoded into `key`, which is empty; false where an escape is broken.
 */
static bool decode_key(struct pt_span text, struct pt_buf *key)
{
    uint8_t *room = pt_buf_reserve(key, text.size + 1);

    return room && pt_percent_decode(text, false, room, text.size, &key->size);
}

/* `key` NULL: a failure of the whole bulk request. */
static void write_failure(struct pt_jsonw *w, const struct pt_span *key, enum pt_flag_error error,
                          const char *detail)
{
    pt_jsonw_object(w);
    if (key) {
        pt_jsonw_key(w, "key");
        pt_jsonw_string(w, *key);
    }
    pt_jsonw_member_str(w, "errorCode", pt_flag_error_name(error));
    pt_jsonw_member_str(w, "errorDetails", detail);
    pt_jsonw_object_end(w);
}

static void write_success(struct pt_jsonw *w, struct pt_span key,
                          const struct pt_flag_evaluation *evaluation)
{
    pt_jsonw_object(w);
    pt_jsonw_key(w, "key");
    pt_jsonw_string(w, key);
    pt_jsonw_member_str(w, "reason", wire_reason(evaluation->reason));
    if (evaluation->has_value) {
        pt_jsonw_key(w, "variant");
        pt_jsonw_string(w, evaluation->variant);
        pt_jsonw_key(w, "value");
        pt_jsonw_raw(w, evaluation->value);
    }
    pt_jsonw_key(w, "metadata");
    pt_jsonw_raw(w, evaluation->metadata);
    pt_jsonw_object_end(w);
}

/* The context of the body; false after writing the failure. */
static bool read_context(struct desk *desk, struct pt_http_request *request,
                         const struct pt_span *key, struct pt_jsonw *w, struct pt_json *context_out)
{
    struct pt_error err;
    struct pt_json root;

    if (pt_json_parse(desk->parser, pt_http_body(request), &root, NULL, &err)) {
        write_failure(w, key, PT_FLAG_ERROR_PARSE_ERROR, err.text);
        return false;
    }
    if (pt_json_type(root) != PT_JSON_OBJECT) {
        write_failure(w, key, PT_FLAG_ERROR_PARSE_ERROR, "the body must be a JSON object");
        return false;
    }
    *context_out = pt_json_member(root, "context");
    if (!pt_json_exists(*context_out) || pt_json_type(*context_out) != PT_JSON_OBJECT) {
        write_failure(w, key, PT_FLAG_ERROR_INVALID_CONTEXT,
                      "the body needs \"context\", an object");
        return false;
    }
    struct pt_json targeting_key = pt_json_member(*context_out, "targetingKey");

    if (pt_json_exists(targeting_key) && pt_json_type(targeting_key) != PT_JSON_STRING) {
        write_failure(w, key, PT_FLAG_ERROR_INVALID_CONTEXT, "targetingKey must be a string");
        return false;
    }
    return true;
}

/* Write what came of one flag; the status that it has alone. */
static int write_evaluation(struct pt_flag_api *api, struct pt_jsonw *w, struct pt_span key,
                            const struct pt_flag_evaluation *evaluation)
{
    pt_metric_add(api->by_reason[evaluation->reason], 1);
    if (evaluation->error) {
        write_failure(w, &key, evaluation->error, evaluation->detail);
        return evaluation->error == PT_FLAG_ERROR_FLAG_NOT_FOUND ? 404 : 400;
    }
    if (evaluation->is_targeting_key_missing) {
        write_failure(w, &key, PT_FLAG_ERROR_TARGETING_KEY_MISSING,
                      "this flag is targeted and the context has no targetingKey");
        return 400;
    }
    write_success(w, key, evaluation);
    return 200;
}

static void respond(struct pt_http_request *request, struct desk *desk, int status,
                    const struct pt_http_header_out *header)
{
    if (desk->answer.has_failed) {
        pt_http_respond(request, 500, "application/json",
                        pt_span_str("{\"errorDetails\":\"no memory for the answer\"}"), NULL, 0);
        return;
    }
    pt_http_respond(request, status, "application/json", pt_buf_span(&desk->answer), header,
                    header ? 1 : 0);
}

static void handle(void *ctx, struct pt_http_request *request)
{
    struct pt_flag_api *api = ctx;
    struct desk *desk = &api->desks[pt_http_loop_index(request)];
    struct pt_buf key;
    struct pt_span name = pt_http_path_rest(request);
    struct pt_jsonw w;
    struct pt_json context;
    int status = 400;

    if (api->keys && !pt_keys_admit(api->keys, request, PT_SCOPE_FLAGS)) {
        return;
    }
    pt_buf_init(&key, BODY_BYTES_MAX);
    pt_buf_reset(&desk->answer);
    pt_jsonw_init(&w, &desk->answer);
    if (!decode_key(name, &key)) {
        write_failure(&w, &name, PT_FLAG_ERROR_PARSE_ERROR,
                      "the key in the path has a broken percent escape");
    } else {
        name = pt_buf_span(&key);
        if (read_context(desk, request, &name, &w, &context)) {
            struct pt_flag_evaluation evaluation;

            pt_flags_evaluate(api->flags, name, context, PT_FLAG_ANY, &desk->scratch, &evaluation);
            status = write_evaluation(api, &w, name, &evaluation);
            pt_flag_exposer_see(desk->exposer, name, context, &evaluation);
        }
    }
    respond(request, desk, status, NULL);
    pt_buf_release(&key);
}

/* ---- all flags ---- */

struct bulk {
    struct pt_flag_api *api;
    struct pt_jsonw *w;
    struct pt_flag_exposer *exposer; /* NULL: bulk is no exposure */
    struct pt_json context;
};

static void take_one(void *ctx, struct pt_span key, const struct pt_flag_evaluation *evaluation)
{
    struct bulk *bulk = ctx;

    (void)write_evaluation(bulk->api, bulk->w, key, evaluation);
    pt_flag_exposer_see(bulk->exposer, key, bulk->context, evaluation);
}

/* Whether If-None-Match names the tag: a list of tags, weak ones too, or a star (RFC 9110 13.1.2).
 */
static bool is_known_tag(struct pt_span known, const char *tag)
{
    size_t bytes = strlen(tag);

    if (pt_span_is(known, "*")) {
        return true;
    }
    for (size_t i = 0; i + bytes <= known.size; i++) {
        if (memcmp(known.data + i, tag, bytes) == 0) {
            return true; /* the quotes are part of it */
        }
    }
    return false;
}

static void handle_all(void *ctx, struct pt_http_request *request)
{
    struct pt_flag_api *api = ctx;
    struct desk *desk = &api->desks[pt_http_loop_index(request)];
    struct pt_jsonw w;
    struct pt_json context;
    char tag[32];
    struct pt_flags_version version;
    struct pt_http_header_out etag = {"ETag", tag};

    if (api->keys && !pt_keys_admit(api->keys, request, PT_SCOPE_FLAGS)) {
        return;
    }
    pt_buf_reset(&desk->answer);
    pt_jsonw_init(&w, &desk->answer);
    if (!read_context(desk, request, NULL, &w, &context)) {
        respond(request, desk, 400, NULL);
        return;
    }
    struct bulk bulk = {.api = api, .w = &w, .context = context};
    struct pt_span metadata;

    bulk.exposer = api->expose == PT_FLAG_EXPOSE_ALL ? desk->exposer : NULL;
    pt_flags_version(api->flags, &version); /* first: a set that comes between is told of */
    pt_jsonw_object(&w);
    pt_jsonw_key(&w, "flags");
    pt_jsonw_array(&w);
    if (!pt_flags_evaluate_all(api->flags, context, &desk->scratch, take_one, &bulk, &metadata)) {
        metadata = pt_span_str("{}");
    }
    pt_jsonw_array_end(&w);
    pt_jsonw_key(&w, "metadata");
    pt_jsonw_raw(&w, metadata);
    snprintf(tag, sizeof(tag), "\"%016llx\"",
             (unsigned long long)pt_checksum64(desk->answer.data, desk->answer.size));
    if (!desk->answer.has_failed && is_known_tag(pt_http_header(request, "If-None-Match"), tag)) {
        pt_http_respond(request, 304, NULL, (struct pt_span){0}, &etag, 1);
        return;
    }
    pt_flag_events_offer(api->events, request, &version, &w);
    pt_jsonw_object_end(&w);
    respond(request, desk, 200, &etag);
}

static void count_reasons(struct pt_flag_api *api, struct pt_metrics *metrics)
{
    for (unsigned i = 0; i < PT_FLAG_REASON_COUNT; i++) {
        char label[64];

        snprintf(label, sizeof(label), "reason=\"%s\"",
                 pt_flag_reason_name((enum pt_flag_reason)i));
        api->by_reason[i] = pt_metrics_get(metrics, PT_COUNTER, "playtrace_flag_evaluations_total",
                                           label, "Flags evaluated over OFREP, by reason.");
    }
}

enum pt_code pt_flag_routes(struct pt_flag_api **api_out, struct pt_http_server *server,
                            struct pt_flags *flags, struct pt_keys *keys, uint32_t loop_threads,
                            struct pt_metrics *metrics, struct pt_error *err)
{
    struct pt_flag_api *api = pt_alloc_zero(sizeof(*api));
    enum pt_code code = PT_OK;

    *api_out = NULL;
    if (!api) {
        return pt_fail(err, PT_NO_MEMORY, "no memory for the flag routes");
    }
    api->flags = flags;
    api->keys = keys;
    api->metrics = metrics;
    api->desks = pt_alloc_zero(loop_threads * sizeof(*api->desks));
    if (!api->desks) {
        code = pt_fail(err, PT_NO_MEMORY, "no memory for the flag routes");
        goto out;
    }
    api->desk_count = loop_threads;
    for (uint32_t i = 0; i < loop_threads; i++) {
        struct desk *desk = &api->desks[i];

        pt_buf_init(&desk->scratch, ANSWER_BYTES_MAX);
        pt_buf_init(&desk->answer, ANSWER_BYTES_MAX);
        desk->parser = pt_json_parser_create(BODY_BYTES_MAX);
        if (!desk->parser) {
            code = pt_fail(err, PT_NO_MEMORY, "no memory for the flag routes");
            goto out;
        }
    }
    if (metrics) {
        count_reasons(api, metrics);
    }
    code = pt_http_route(server, "POST", PREFIX "*", BODY_BYTES_MAX, handle, api, err);
    if (!code) {
        code = pt_http_route(server, "POST", ALL, BODY_BYTES_MAX, handle_all, api, err);
    }
    if (code) {
        goto out;
    }
    *api_out = api;
    api = NULL;

out:
    pt_flag_api_close(api);
    return code;
}

enum pt_code pt_flag_api_expose(struct pt_flag_api *api, enum pt_flag_expose expose,
                                void (*take)(void *ctx, const struct pt_flag_exposure *exposure),
                                void *ctx, struct pt_error *err)
{
    api->expose = expose;
    for (uint32_t i = 0; expose != PT_FLAG_EXPOSE_OFF && i < api->desk_count; i++) {
        api->desks[i].exposer = pt_flag_exposer_create(take, ctx);
        if (!api->desks[i].exposer) {
            return pt_fail(err, PT_NO_MEMORY, "no memory for exposures");
        }
    }
    return PT_OK;
}

void pt_flag_api_close(struct pt_flag_api *api)
{
    if (!api) {
        return;
    }
    for (uint32_t i = 0; api->desks && i < api->desk_count; i++) {
        pt_json_parser_destroy(api->desks[i].parser);
        pt_buf_release(&api->desks[i].scratch);
        pt_buf_release(&api->desks[i].answer);
        pt_flag_exposer_destroy(api->desks[i].exposer);
    }
    pt_flag_events_close(api->events);
    pt_free(api->desks);
    pt_free(api);
}

enum pt_code pt_flag_api_offer_events(struct pt_flag_api *api, struct pt_http_server *server,
                                      struct pt_clock *clock, const char *setting,
                                      struct pt_error *err)
{
    pt_assert(!api->events);
    return pt_flag_events_open(&api->events, server, clock, api->flags, api->keys, api->metrics,
                               setting, err);
}

void pt_flag_api_tick(struct pt_flag_api *api)
{
    pt_flag_events_tick(api->events);
}
