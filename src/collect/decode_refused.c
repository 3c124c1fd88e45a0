/*
 * decode_refused.c - an event that is not taken: its receipt and its dead letter
 *
 * DEAD LETTER (docs/formats/dead_letter.md): one JSON object,
 *
 *     {"received_at":…,"sent_at":…,"sent_mono_us":…,"boot":…,"country":…,"region":…,"city":…,
 *      "index":…,"code":…,"pointer":…,"detail":…,"event":…}
 *
 * `event` is what arrived, but no personal id: user_id and install_id, and every scalar
 * directly under a name that the schema does not know, stand as the user pseudonym of their
 * text. So a repaired event still belongs to its player.
 */
#include "collect/decode_inside.h"

#include "base/crypto.h"
#include "wire/rfc3339.h"

static void write_pseudonym(struct pt_decode_batch *batch, struct pt_jsonw *w, struct pt_json value,
                            bool is_install)
{
    uint8_t pseudonym[PT_PSEUDONYM_BYTES];
    char hex[2 * PT_PSEUDONYM_BYTES + 1];
    struct pt_span id;

    if (pt_json_type(value) == PT_JSON_STRING) {
        id = pt_json_string(value);
    } else {
        struct pt_jsonw plain;

        pt_buf_reset(&batch->decoder->scratch);
        pt_jsonw_init(&plain, &batch->decoder->scratch);
        pt_jsonw_value(&plain, value);
        id = pt_buf_span(&batch->decoder->scratch);
    }
    if (is_install) {
        pt_pseudonym_install(batch->env->pseudonyms, id, pseudonym);
    } else {
        pt_pseudonym_user(batch->env->pseudonyms, id, pseudonym);
    }
    pt_hex_encode(pseudonym, sizeof(pseudonym), hex);
    pt_jsonw_str(w, hex);
}

static bool is_known_plain_field(struct pt_span key)
{
    static const char *const names[] = {
        "event_id", "event_name",       "occurred_at", "session_id", "received_at",
        "build_id", "mechanic_version", "platform",    "attributes", "seq",
        "boot",     "schema_version",   "mono_us"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (pt_span_is(key, names[i])) {
            return true;
        }
    }
    return false;
}

static void write_dead_event(struct pt_decode_batch *batch, struct pt_jsonw *w,
                             struct pt_json event)
{
    if (pt_json_type(event) != PT_JSON_OBJECT) {
        write_pseudonym(batch, w, event, false);
        return;
    }
    pt_jsonw_object(w);
    for (struct pt_json_iter it = pt_json_iterate(event); pt_json_next(&it);) {
        pt_jsonw_key_span(w, it.key);
        if (is_known_plain_field(it.key)) {
            pt_jsonw_value(w, it.value);
        } else {
            write_pseudonym(batch, w, it.value, pt_span_is(it.key, "install_id"));
        }
    }
    pt_jsonw_object_end(w);
}

static void write_problem(struct pt_jsonw *w, const struct pt_problem *problem)
{
    pt_jsonw_member_str(w, "code", problem->code);
    pt_jsonw_member_str(w, "pointer", problem->pointer);
    pt_jsonw_member_str(w, "detail", problem->detail);
}

void pt_decode_write_receipt(struct pt_jsonw *w, uint32_t index,
                             const struct pt_event_fields *fields, const struct pt_problem *problem)
{
    pt_jsonw_member_uint(w, "index", index);
    pt_jsonw_key(w, "event_id");
    if (fields->has_event_id) {
        char text[PT_UUID_TEXT_BYTES + 1];

        pt_uuid_format(fields->event_id, text);
        pt_jsonw_str(w, text);
    } else {
        pt_jsonw_null(w);
    }
    write_problem(w, problem);
}

/* What the record would have had of the request: a repaired event gets it back. */
static void write_circumstances(const struct pt_decode_batch *batch, struct pt_jsonw *w)
{
    const struct pt_place *place = batch->place;
    char time[PT_RFC3339_TEXT_BYTES + 1];

    pt_rfc3339_format(batch->received_at_us, time);
    pt_jsonw_key(w, "received_at");
    pt_jsonw_str(w, time);
    if (batch->sent_at_us != PT_NO_TIME) {
        pt_rfc3339_format(batch->sent_at_us, time);
        pt_jsonw_key(w, "sent_at");
        pt_jsonw_str(w, time);
    }
    if (batch->sent_mono.mono_us >= 0) {
        pt_jsonw_key(w, "sent_mono_us");
        pt_jsonw_int(w, batch->sent_mono.mono_us);
    }
    if (batch->sent_mono.boot >= 0) {
        pt_jsonw_key(w, "boot");
        pt_jsonw_int(w, batch->sent_mono.boot);
    }
    if (place->country[0]) {
        pt_jsonw_key(w, "country");
        pt_jsonw_string(w, pt_span_of(place->country, sizeof(place->country)));
    }
    if (place->region[0]) {
        pt_jsonw_key(w, "region");
        pt_jsonw_str(w, place->region);
    }
    if (place->city[0]) {
        pt_jsonw_key(w, "city");
        pt_jsonw_str(w, place->city);
    }
}

static enum pt_code append_dead_letter(struct pt_decode_batch *batch, struct pt_json event,
                                       const struct pt_problem *problem, struct pt_error *err)
{
    struct pt_decoder *d = batch->decoder;
    size_t before = d->dead.size;
    struct pt_jsonw w;

    pt_jsonw_init(&w, &d->dead);
    pt_jsonw_object(&w);
    write_circumstances(batch, &w);
    pt_jsonw_member_uint(&w, "index", batch->index);
    write_problem(&w, problem);
    if (d->schema_version) {
        pt_jsonw_key(&w, "schema_version");
        pt_jsonw_uint(&w, d->schema_version);
    }
    pt_jsonw_key(&w, "event");
    write_dead_event(batch, &w, event);
    pt_jsonw_object_end(&w);
    if (d->dead.has_failed || d->scratch.has_failed ||
        !pt_sizes_add(&d->dead_sizes, d->dead.size - before)) {
        return pt_fail(err, PT_NO_MEMORY, "decode a request");
    }
    if (d->records.size + d->dead.size > batch->env->limits.record_bytes_max) {
        return pt_fail(err, PT_TOO_BIG, "the events of one request take more than %zu bytes",
                       batch->env->limits.record_bytes_max);
    }
    return PT_OK;
}

enum pt_code pt_decode_refuse(struct pt_decode_batch *batch, struct pt_json event,
                              const struct pt_event_fields *fields,
                              const struct pt_problem *problem, struct pt_error *err)
{
    pt_jsonw_object(&batch->answer);
    pt_decode_write_receipt(&batch->answer, batch->index, fields, problem);
    pt_jsonw_object_end(&batch->answer);
    return batch->is_replay ? PT_OK : append_dead_letter(batch, event, problem, err);
}
