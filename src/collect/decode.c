/*
 * decode.c - a request's body becomes records, dead letters and receipts
 *
 * What is refused: decode_refused.c. Whatever runs once for each event that is taken, or for each
 * of its attributes, is static here.
 */
#include "collect/decode_inside.h"

#include "base/crypto.h"
#include "schema/schema.h"
#include "wire/rfc3339.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#define ANSWER_BYTES_MAX (64u << 20)
#define SEEN_BYTES_MAX (256u << 20)

struct pt_decoder *pt_decoder_create(size_t body_bytes_max, size_t record_bytes_max)
{
    struct pt_decoder *decoder = pt_alloc_zero(sizeof(*decoder));

    if (!decoder) {
        return NULL;
    }
    decoder->parser = pt_json_parser_create(body_bytes_max);
    if (!decoder->parser) {
        pt_free(decoder);
        return NULL;
    }
    pt_buf_init(&decoder->records, record_bytes_max + PT_EVENT_RECORD_BYTES_MAX);
    pt_buf_init(&decoder->dead, ANSWER_BYTES_MAX);
    pt_buf_init(&decoder->answer, ANSWER_BYTES_MAX);
    pt_buf_init(&decoder->scratch, PT_EVENT_RECORD_BYTES_MAX);
    pt_buf_init(&decoder->inflated, body_bytes_max + PT_JSON_PADDING);
    pt_buf_init(&decoder->seen, SEEN_BYTES_MAX);
    return decoder;
}

void pt_decoder_destroy(struct pt_decoder *decoder)
{
    if (decoder) {
        pt_json_parser_destroy(decoder->parser);
        pt_buf_release(&decoder->records);
        pt_buf_release(&decoder->dead);
        pt_buf_release(&decoder->answer);
        pt_buf_release(&decoder->scratch);
        pt_buf_release(&decoder->inflated);
        pt_buf_release(&decoder->seen);
        pt_free(decoder->record_sizes.values);
        pt_free(decoder->dead_sizes.values);
        pt_registry_reader_destroy(decoder->registry);
        pt_schema_scratch_destroy(decoder->schema_scratch);
        pt_free(decoder->schema_errors);
        pt_free(decoder);
    }
}

static struct pt_text text_of(struct pt_span span)
{
    return (struct pt_text){.data = (const char *)span.data, .size = (uint32_t)span.size};
}

/* A batch holds many events of few players: most pseudonyms are there already. */
static void user_pseudonym(struct pt_decode_batch *batch, struct pt_span user_id,
                           uint8_t *pseudonym_out)
{
    struct pt_decode_player *player = NULL;

    if (user_id.size == 0 || user_id.size > PT_DECODE_PLAYER_BYTES_MAX) {
        pt_pseudonym_user(batch->env->pseudonyms, user_id, pseudonym_out);
        return;
    }
    player =
        &batch->decoder->players[pt_checksum64(user_id.data, user_id.size) % PT_DECODE_PLAYERS];
    if (!pt_span_equal(user_id, pt_span_of(player->id, player->id_bytes))) {
        pt_pseudonym_user(batch->env->pseudonyms, user_id, player->pseudonym);
        memcpy(player->id, user_id.data, user_id.size);
        player->id_bytes = (uint8_t)user_id.size;
    }
    memcpy(pseudonym_out, player->pseudonym, PT_PSEUDONYM_BYTES);
}

static enum pt_code append_record(struct pt_decode_batch *batch,
                                  const struct pt_event_fields *fields, struct pt_error *err)
{
    struct pt_decoder *d = batch->decoder;
    struct pt_mono_claim mono;
    struct pt_event event;
    size_t bytes = 0;
    uint8_t *at = NULL;

    pt_assert(batch->place);
    /* Field by field: an initialiser would clear all of it first. */
    event.platform = fields->platform;
    event.occurred_at_us = fields->occurred_at_us;
    event.received_at_us = batch->received_at_us;
    event.seq = fields->seq;
    event.boot = fields->boot;
    event.has_install = fields->install_id.size > 0;
    event.event_name = text_of(fields->event_name);
    event.session_id = text_of(fields->session_id);
    event.build_id = text_of(fields->build_id);
    event.mechanic_version = text_of(fields->mechanic_version);
    event.attributes = text_of(pt_buf_span(&d->scratch));
    event.region = text_of(pt_span_str(batch->place->region));
    event.city = text_of(pt_span_str(batch->place->city));
    memcpy(event.event_id, fields->event_id, sizeof(event.event_id));
    memcpy(event.country, batch->place->country, sizeof(event.country));
    if (batch->is_replay) {
        memcpy(event.user, batch->user, sizeof(event.user));
        memcpy(event.install, batch->install, sizeof(event.install));
    } else {
        user_pseudonym(batch, fields->user_id, event.user);
        if (event.has_install) {
            pt_pseudonym_install(batch->env->pseudonyms, fields->install_id, event.install);
        }
    }
    mono = (struct pt_mono_claim){fields->mono_us, fields->boot};
    if (!pt_correct_by_mono(fields->occurred_at_us, mono, batch->sent_mono, batch->received_at_us,
                            &batch->env->limits, &event.event_time_us, &event.clock_skew_us)) {
        pt_correct_clock(fields->occurred_at_us, batch->sent_at_us, batch->received_at_us,
                         &batch->env->limits, &event.event_time_us, &event.clock_skew_us);
    }
    bytes = pt_event_encoded_bytes(&event);
    if (d->records.size + bytes > batch->env->limits.record_bytes_max) {
        return pt_fail(err, PT_TOO_BIG, "the events of one request take more than %zu bytes",
                       batch->env->limits.record_bytes_max);
    }
    at = pt_buf_reserve(&d->records, bytes);
    if (!at || !pt_sizes_add(&d->record_sizes, bytes)) {
        return pt_fail(err, PT_NO_MEMORY, "decode a request");
    }
    d->records.size += pt_event_encode(&event, at);
    return PT_OK;
}

/* ---- attributes: written minified into the scratch buffer, and checked on the way ---- */

static bool refuse_attribute(struct pt_problem *problem, const char *code, struct pt_span key,
                             const char *detail_format, ...) PT_PRINTF(4, 5);

static bool refuse_attribute(struct pt_problem *problem, const char *code, struct pt_span key,
                             const char *detail_format, ...)
{
    bool is_plain = key.size > 0 && key.size <= 40;
    va_list args;

    /* A key that is long or odd may be personal: the pointer then stops above it. */
    for (size_t i = 0; i < key.size && is_plain; i++) {
        uint8_t c = key.data[i];

        is_plain = ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
                   c == '-' || c == '.';
    }
    problem->code = code;
    snprintf(problem->pointer, sizeof(problem->pointer), "/attributes%s%.*s", is_plain ? "/" : "",
             is_plain ? (int)key.size : 0, (const char *)key.data);
    va_start(args, detail_format);
    vsnprintf(problem->detail, sizeof(problem->detail), detail_format, args);
    va_end(args);
    return false;
}

static bool take_container(struct pt_decode_batch *batch, struct pt_jsonw *w,
                           struct pt_json container, struct pt_span top, uint32_t depth,
                           struct pt_problem *problem);

/*
 * One value and all in it; `depth` counts the objects and arrays around it. `top` is the
 * attribute's key. By pointer: a copy right after pt_json_next() would wait for its stores
 * (measured: 15 %).
 */
static bool take_value(struct pt_decode_batch *batch, struct pt_jsonw *w, const struct pt_json *at,
                       struct pt_span top, uint32_t depth, struct pt_problem *problem)
{
    const struct pt_decode_limits *limits = &batch->env->limits;
    const struct pt_json value = *at;
    struct pt_span text;

    switch (pt_json_type(value)) {
    case PT_JSON_STRING:
        text = pt_json_string(value);
        if (text.size > limits->value_bytes_max) {
            return refuse_attribute(problem, "too_long", top,
                                    "a text value has %zu bytes; at most %u are taken", text.size,
                                    limits->value_bytes_max);
        }
        pt_jsonw_parsed(w, text);
        return true;
    case PT_JSON_INT:
        pt_jsonw_int(w, pt_json_int(value));
        return true;
    case PT_JSON_UINT:
        pt_jsonw_uint(w, pt_json_uint(value));
        return true;
    case PT_JSON_DOUBLE:
        pt_jsonw_double(w, pt_json_double(value));
        return true;
    case PT_JSON_BOOL:
        pt_jsonw_bool(w, pt_json_bool(value));
        return true;
    case PT_JSON_NULL:
        pt_jsonw_null(w);
        return true;
    case PT_JSON_ARRAY:
    case PT_JSON_OBJECT:
        break;
    }
    return take_container(batch, w, value, top, depth, problem);
}

static bool take_container(struct pt_decode_batch *batch, struct pt_jsonw *w,
                           struct pt_json container, struct pt_span top, uint32_t depth,
                           struct pt_problem *problem)
{
    const struct pt_decode_limits *limits = &batch->env->limits;
    bool is_object = pt_json_type(container) == PT_JSON_OBJECT;

    if (depth == limits->depth_max) {
        return refuse_attribute(problem, "too_deep", top, "attributes nest deeper than %u",
                                limits->depth_max);
    }
    if (is_object) {
        pt_jsonw_object(w);
    } else {
        pt_jsonw_array(w);
    }
    for (struct pt_json_iter it = pt_json_iterate(container); pt_json_next(&it);) {
        if (is_object) {
            if (it.key.size > limits->key_bytes_max) {
                return refuse_attribute(problem, "too_long", top,
                                        "a key has %zu bytes; at most %u are taken", it.key.size,
                                        limits->key_bytes_max);
            }
            pt_jsonw_key_span(w, it.key);
        }
        if (!take_value(batch, w, &it.value, top, depth + 1, problem)) {
            return false;
        }
    }
    if (is_object) {
        pt_jsonw_object_end(w);
    } else {
        pt_jsonw_array_end(w);
    }
    return true;
}

static_assert(sizeof(struct pt_decode_key) == 64, "a known key takes one line of the cache");

/* Word by word: both sides have readable bytes behind them, and a call costs more than that. */
static bool is_same_key(const uint8_t *known, const uint8_t *key, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += sizeof(uint64_t)) {
        uint64_t a = 0;
        uint64_t b = 0;

        memcpy(&a, known + at, sizeof(a));
        memcpy(&b, key + at, sizeof(b));
        if (bytes - at < sizeof(a)) {
            unsigned rest_bits = (unsigned)(8 * (sizeof(a) - (bytes - at)));

            a <<= rest_bits; /* little-endian: the bytes that count are the lowest */
            b <<= rest_bits;
        }
        if (a != b) {
            return false;
        }
    }
    return true;
}

/* Writes attribute number `index`'s key and gives its sketch; NULL: there are too many keys. */
static struct pt_sketch *take_key(struct pt_decode_batch *batch, struct pt_jsonw *w,
                                  const struct pt_cardinality_name *name, uint32_t index,
                                  struct pt_span key)
{
    uint64_t place = (name->hash + index * UINT64_C(0x9e3779b97f4a7c15)) >> 20;
    struct pt_decode_key *known = &batch->decoder->keys[place % PT_DECODE_KEYS];
    struct pt_buf *buf = w->buf;
    size_t before = 0;

    if (known->name_hash == name->hash && known->quoted_bytes == key.size + 3 &&
        is_same_key(known->quoted + 1, key.data, key.size)) {
        uint8_t *at = pt_buf_reserve(buf, 1 + sizeof(known->quoted));

        if (at) {
            *at = ',';
            buf->size += w->needs_comma;
            memcpy(buf->data + buf->size, known->quoted, sizeof(known->quoted));
            buf->size += known->quoted_bytes;
            w->needs_comma = false;
        }
        return known->sketch;
    }
    known->sketch = pt_cardinality_key(batch->env->cardinality, name, key);
    known->name_hash = name->hash;
    known->quoted_bytes = 0;
    before = buf->size + w->needs_comma;
    pt_jsonw_key_span(w, key);
    if (known->sketch && !buf->has_failed && buf->size == before + key.size + 3 &&
        key.size <= PT_DECODE_KEY_BYTES_MAX) {
        known->quoted_bytes = (uint8_t)(key.size + 3);
        memcpy(known->quoted, buf->data + before, key.size + 3);
    }
    return known->sketch;
}

static bool take_attributes(struct pt_decode_batch *batch, const struct pt_event_fields *fields,
                            struct pt_problem *problem)
{
    const struct pt_decode_limits *limits = &batch->env->limits;
    struct pt_cardinality *cardinality = batch->env->cardinality;
    struct pt_cardinality_name name = pt_cardinality_name(fields->event_name);
    const struct pt_span none = {0};
    struct pt_jsonw w;
    uint32_t index = 0;
    uint32_t count = pt_json_count(fields->attributes);

    if (count > limits->attributes_max) {
        return refuse_attribute(problem, "too_many", none, "%u attributes; at most %u are taken",
                                count, limits->attributes_max);
    }
    pt_jsonw_init(&w, &batch->decoder->scratch);
    pt_jsonw_object(&w);
    for (struct pt_json_iter it = pt_json_iterate(fields->attributes); pt_json_next(&it);) {
        struct pt_sketch *sketch = NULL;

        if (it.key.size > limits->key_bytes_max) {
            return refuse_attribute(problem, "too_long", none,
                                    "a key has %zu bytes; at most %u are taken", it.key.size,
                                    limits->key_bytes_max);
        }
        sketch = take_key(batch, &w, &name, index++, it.key);
        if (!sketch) {
            return refuse_attribute(problem, "too_many_keys", it.key,
                                    "events of this name have used too many different attribute "
                                    "keys (collect.attribute_keys_max): is a key made from data?");
        }
        if (pt_json_type(it.value) == PT_JSON_STRING) {
            pt_cardinality_value(cardinality, sketch, &name, it.key, pt_json_string(it.value));
        }
        if (!take_value(batch, &w, &it.value, it.key, 1, problem)) {
            return false;
        }
    }
    pt_jsonw_object_end(&w);
    if (batch->decoder->scratch.has_failed ||
        batch->decoder->scratch.size > PT_ATTRIBUTES_BYTES_MAX) {
        return refuse_attribute(problem, "too_long", none, "attributes take more than %d bytes",
                                PT_ATTRIBUTES_BYTES_MAX);
    }
    return true;
}

static enum pt_code tell_watch(struct pt_decode_batch *batch, struct pt_json event,
                               const struct pt_event_fields *fields,
                               const struct pt_problem *problem, struct pt_error *err)
{
    struct pt_decoder *d = batch->decoder;
    struct pt_decoded decoded = {
        .event = event,
        .index = batch->index,
        .received_at_us = batch->received_at_us,
        .fields = fields,
        .problem = problem,
    };

    if (!problem) {
        uint32_t bytes = d->record_sizes.values[d->record_sizes.count - 1];

        decoded.record = pt_span_of(d->records.data + d->records.size - bytes, bytes);
    }
    return batch->env->watch(d, &decoded) ? PT_OK
                                          : pt_fail(err, PT_NO_MEMORY, "keep an event as sent");
}

/* The ids of a dead letter are pseudonyms: 32 lower-case digits, as decode_refused.c left them. */
static bool take_pseudonym(struct pt_span text, const char *name,
                           uint8_t pseudonym_out[PT_PSEUDONYM_BYTES], struct pt_problem *problem)
{
    static const char digits[] = "0123456789abcdef";
    bool ok = text.size == 2 * PT_PSEUDONYM_BYTES;

    for (size_t i = 0; ok && i < text.size; i++) {
        const char *digit = memchr(digits, text.data[i], 16);

        ok = digit != NULL;
        if (ok && i % 2 == 0) {
            pseudonym_out[i / 2] = (uint8_t)((digit - digits) << 4);
        } else if (ok) {
            pseudonym_out[i / 2] |= (uint8_t)(digit - digits);
        }
    }
    if (!ok) {
        problem->code = "invalid_pseudonym";
        snprintf(problem->pointer, sizeof(problem->pointer), "/%s", name);
        snprintf(
            problem->detail, sizeof(problem->detail),
            "%s must be a pseudonym, 32 lower-case hexadecimal digits, as dead letters have it: "
            "move it from another field of the dead letter",
            name);
    }
    return ok;
}

static bool take_pseudonyms(struct pt_decode_batch *batch, const struct pt_event_fields *fields,
                            struct pt_problem *problem)
{
    memset(batch->install, 0, sizeof(batch->install));
    return take_pseudonym(fields->user_id, "user_id", batch->user, problem) &&
           (fields->install_id.size == 0 ||
            take_pseudonym(fields->install_id, "install_id", batch->install, problem));
}

/* ---- the event's own schema ---- */

static bool check_schema(struct pt_decode_batch *batch, const struct pt_event_fields *fields,
                         struct pt_problem *problem)
{
    struct pt_decoder *d = batch->decoder;
    const struct pt_schema_error *first = &d->schema_errors->list[0];

    switch (pt_registry_check_event(d->registry, fields->event_name, fields->schema_version,
                                    fields->attributes, d->schema_scratch, &d->schema_version,
                                    d->schema_errors)) {
    case PT_REGISTRY_UNKNOWN:
    case PT_REGISTRY_VALID:
        d->schema_version = 0;
        return true;
    case PT_REGISTRY_NO_VERSION:
        problem->code = "unknown_schema_version";
        snprintf(problem->pointer, sizeof(problem->pointer), "/schema_version");
        snprintf(problem->detail, sizeof(problem->detail),
                 "the schema of this event_name has no such live version");
        return false;
    case PT_REGISTRY_INVALID:
        break;
    }
    problem->code = "schema_violation";
    snprintf(problem->pointer, sizeof(problem->pointer), "/attributes%.80s",
             d->schema_errors->count ? first->instance : "");
    snprintf(problem->detail, sizeof(problem->detail), "version %u, %.60s: %.100s",
             d->schema_version, d->schema_errors->count ? first->schema : "",
             d->schema_errors->count ? first->detail : "the attributes do not fit");
    return false;
}

enum pt_code pt_decode_event(struct pt_decode_batch *batch, struct pt_json event,
                             struct pt_error *err)
{
    struct pt_decoder *d = batch->decoder;
    struct pt_event_fields fields;
    struct pt_problem problem;
    enum pt_code code = PT_OK;
    bool ok = pt_schema_check_event(event, &fields, &problem);

    if (batch->index >= batch->env->limits.events_max) {
        return pt_fail(err, PT_TOO_BIG, "a request may hold %u events; send more requests",
                       batch->env->limits.events_max);
    }
    pt_buf_reset(&d->scratch);
    ok = ok && (!batch->is_replay || take_pseudonyms(batch, &fields, &problem));
    ok = ok && (!pt_json_exists(fields.attributes) || take_attributes(batch, &fields, &problem));
    d->schema_version = 0;
    ok = ok && (!d->registry || check_schema(batch, &fields, &problem));
    if (!ok) {
        pt_buf_reset(&d->scratch);
    }
    if (ok) {
        code = append_record(batch, &fields, err);
        if (pt_report_is_one(fields.event_name)) {
            pt_report_note(&d->reports, &fields);
        }
    } else {
        code = pt_decode_refuse(batch, event, &fields, &problem, err);
    }
    if (!code && batch->env->watch) {
        code = tell_watch(batch, event, &fields, ok ? NULL : &problem, err);
    }
    batch->index++;
    return code;
}

static enum pt_code take_mono(struct pt_json root, struct pt_decode_batch *batch,
                              struct pt_error *err)
{
    const struct {
        const char *name;
        int64_t *out;
    } claims[] = {{"sent_mono_us", &batch->sent_mono.mono_us}, {"boot", &batch->sent_mono.boot}};

    for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
        if (pt_json_exists(pt_json_member(root, claims[i].name)) &&
            (!pt_json_member_int(root, claims[i].name, claims[i].out) || *claims[i].out < 0)) {
            return pt_fail(err, PT_INVALID, "/%s must be a whole number from 0 on", claims[i].name);
        }
    }
    return PT_OK;
}

static enum pt_code take_json_body(struct pt_decode_batch *batch, struct pt_span body,
                                   struct pt_error *err)
{
    struct pt_json root;
    struct pt_json events;
    struct pt_json sent_at;
    enum pt_code code = pt_json_parse(batch->decoder->parser, body, &root, NULL, err);

    if (code) {
        return code;
    }
    if (pt_json_type(root) != PT_JSON_OBJECT) {
        return pt_fail(err, PT_INVALID,
                       "the body at byte 0 must be {\"sent_at\":…,\"events\":[…]}, not %s",
                       pt_json_type_name(pt_json_type(root)));
    }
    events = pt_json_member(root, "events");
    if (!pt_json_exists(events) || pt_json_type(events) != PT_JSON_ARRAY) {
        return pt_fail(err, PT_INVALID, "/events must be there and be an array");
    }
    sent_at = pt_json_member(root, "sent_at");
    if (pt_json_exists(sent_at)) {
        struct pt_span text;

        if (!pt_json_member_string(root, "sent_at", &text) ||
            !pt_rfc3339_parse((const char *)text.data, text.size, &batch->sent_at_us)) {
            return pt_fail(err, PT_INVALID,
                           "/sent_at is not an RFC 3339 time such as 2026-11-01T12:34:56.789Z");
        }
    }
    code = take_mono(root, batch, err);
    if (code) {
        return code;
    }
    for (struct pt_json_iter it = pt_json_iterate(events); pt_json_next(&it);) {
        code = pt_decode_event(batch, it.value, err);
        if (code) {
            return code;
        }
    }
    return PT_OK;
}

static enum pt_code take_ndjson_body(struct pt_decode_batch *batch, struct pt_span body,
                                     struct pt_error *err)
{
    size_t at = 0;

    for (size_t line = 1; at < body.size; line++) {
        const uint8_t *end = memchr(body.data + at, '\n', body.size - at);
        struct pt_span text =
            pt_span_of(body.data + at, end ? (size_t)(end - body.data) - at : body.size - at);
        struct pt_json event;
        enum pt_code code = PT_OK;

        if (!pt_span_is_blank(text)) {
            code = pt_json_parse(batch->decoder->parser, text, &event, NULL, err);
            if (code) {
                return pt_error_prefix(err, code, "line %zu, which begins at byte %zu", line, at);
            }
            code = pt_decode_event(batch, event, err);
            if (code) {
                return code;
            }
        }
        at += text.size + 1;
    }
    return PT_OK;
}

void pt_decode_begin(struct pt_decode_batch *batch, struct pt_decoder *decoder,
                     const struct pt_decode_env *env)
{
    *batch = (struct pt_decode_batch){
        .decoder = decoder,
        .env = env,
        .sent_at_us = PT_NO_TIME,
        .sent_mono = {PT_EVENT_NO_NUMBER, PT_EVENT_NO_NUMBER},
    };
    decoder->reports.is_any = false;
    if (decoder->players_of != env->pseudonyms) {
        memset(decoder->players, 0, sizeof(decoder->players));
        decoder->players_of = env->pseudonyms;
    }
    if (decoder->keys_of != env->cardinality) {
        memset(decoder->keys, 0, sizeof(decoder->keys));
        decoder->keys_of = env->cardinality;
    }
    if (decoder->registry) {
        pt_registry_reader_refresh(decoder->registry);
    }
    pt_buf_reset(&decoder->records);
    pt_buf_reset(&decoder->dead);
    pt_buf_reset(&decoder->answer);
    pt_buf_reset(&decoder->seen);
    decoder->record_sizes.count = 0;
    decoder->dead_sizes.count = 0;
    pt_jsonw_init(&batch->answer, &decoder->answer);
    pt_jsonw_object(&batch->answer);
    pt_jsonw_key(&batch->answer, "rejected");
    pt_jsonw_array(&batch->answer);
}

enum pt_code pt_decode_end(struct pt_decode_batch *batch, struct pt_error *err)
{
    struct pt_decoder *decoder = batch->decoder;

    pt_jsonw_array_end(&batch->answer);
    pt_jsonw_key(&batch->answer, "accepted");
    pt_jsonw_uint(&batch->answer, decoder->record_sizes.count);
    pt_jsonw_object_end(&batch->answer);
    return decoder->answer.has_failed ? pt_fail(err, PT_NO_MEMORY, "decode a request") : PT_OK;
}

enum pt_code pt_decoder_use_registry(struct pt_decoder *decoder, struct pt_registry *registry,
                                     struct pt_error *err)
{
    decoder->schema_scratch = pt_schema_scratch_create();
    decoder->schema_errors = pt_alloc_zero(sizeof(*decoder->schema_errors));
    decoder->registry = pt_registry_reader_create(registry);
    if (!decoder->schema_scratch || !decoder->schema_errors || !decoder->registry) {
        return pt_fail(err, PT_NO_MEMORY, "open the collector");
    }
    return PT_OK;
}

enum pt_code pt_decode_body(struct pt_decoder *decoder, enum pt_body_kind kind, struct pt_span body,
                            int64_t received_at_us, const struct pt_place *place,
                            const struct pt_decode_env *env, struct pt_error *err)
{
    struct pt_decode_batch batch;
    enum pt_code code = PT_OK;

    pt_decode_begin(&batch, decoder, env);
    batch.place = place;
    batch.received_at_us = received_at_us;
    code = kind == PT_BODY_NDJSON ? take_ndjson_body(&batch, body, err)
                                  : take_json_body(&batch, body, err);
    return code ? code : pt_decode_end(&batch, err);
}
