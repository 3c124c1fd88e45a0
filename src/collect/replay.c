/*
 * replay.c - dead letters that were repaired, on their way into the log
 */
#include "collect/replay.h"

#include "collect/collect.h"
#include "wire/rfc3339.h"

/* A member that must be a time where it is there. */
static enum pt_code read_time(struct pt_json letter, const char *name, uint32_t index,
                              int64_t *time_us_out, struct pt_error *err)
{
    struct pt_json value = pt_json_member(letter, name);
    struct pt_span text;

    if (!pt_json_exists(value)) {
        return PT_OK;
    }
    if (!pt_json_member_string(letter, name, &text) ||
        !pt_rfc3339_parse((const char *)text.data, text.size, time_us_out) || *time_us_out < 0) {
        return pt_fail(err, PT_INVALID, "/events/%u/%s is no time of a dead letter", index, name);
    }
    return PT_OK;
}

/* An absent one is PT_EVENT_NO_NUMBER. */
static enum pt_code read_count(struct pt_json letter, const char *name, uint32_t index,
                               int64_t *count_out, struct pt_error *err)
{
    *count_out = PT_EVENT_NO_NUMBER;
    if (pt_json_exists(pt_json_member(letter, name)) &&
        (!pt_json_member_int(letter, name, count_out) || *count_out < 0)) {
        return pt_fail(err, PT_INVALID, "/events/%u/%s is no count of a dead letter", index, name);
    }
    return PT_OK;
}

/* An absent name is an unknown place. */
static enum pt_code read_name(struct pt_json letter, const char *name, uint32_t index,
                              char text_out[PT_PLACE_BYTES_MAX], struct pt_error *err)
{
    struct pt_span text;

    text_out[0] = '\0';
    if (!pt_json_exists(pt_json_member(letter, name))) {
        return PT_OK;
    }
    if (!pt_json_member_string(letter, name, &text) || text.size >= PT_PLACE_BYTES_MAX ||
        (text.size && memchr(text.data, 0, text.size))) {
        return pt_fail(err, PT_INVALID, "/events/%u/%s is no place of a dead letter", index, name);
    }
    if (text.size) {
        memcpy(text_out, text.data, text.size);
    }
    text_out[text.size] = '\0';
    return PT_OK;
}

static enum pt_code read_place(struct pt_json letter, uint32_t index, struct pt_place *place_out,
                               struct pt_error *err)
{
    char country[PT_PLACE_BYTES_MAX];
    enum pt_code code = read_name(letter, "country", index, country, err);

    *place_out = (struct pt_place){0};
    if (!code && country[0]) {
        if (strlen(country) != sizeof(place_out->country)) {
            return pt_fail(err, PT_INVALID, "/events/%u/country is no country of a dead letter",
                           index);
        }
        memcpy(place_out->country, country, sizeof(place_out->country));
    }
    if (!code) {
        code = read_name(letter, "region", index, place_out->region, err);
    }
    return code ? code : read_name(letter, "city", index, place_out->city, err);
}

static enum pt_code take_letter(struct pt_decode_batch *batch, struct pt_json letter,
                                int64_t now_us, struct pt_error *err)
{
    struct pt_place place;
    struct pt_json event;
    uint32_t index = batch->index;
    enum pt_code code = PT_OK;

    if (pt_json_type(letter) != PT_JSON_OBJECT) {
        return pt_fail(err, PT_INVALID, "/events/%u must be a dead letter, an object, not %s",
                       index, pt_json_type_name(pt_json_type(letter)));
    }
    event = pt_json_member(letter, "event");
    if (!pt_json_exists(event) || !pt_json_exists(pt_json_member(letter, "received_at"))) {
        return pt_fail(err, PT_INVALID, "/events/%u has no %s; it must be a dead letter", index,
                       pt_json_exists(event) ? "received_at" : "event");
    }
    batch->sent_at_us = PT_NO_TIME;
    code = read_time(letter, "received_at", index, &batch->received_at_us, err);
    if (!code) {
        code = read_time(letter, "sent_at", index, &batch->sent_at_us, err);
    }
    if (!code) {
        code = read_count(letter, "sent_mono_us", index, &batch->sent_mono.mono_us, err);
    }
    if (!code) {
        code = read_count(letter, "boot", index, &batch->sent_mono.boot, err);
    }
    if (!code) {
        code = read_place(letter, index, &place, err);
    }
    if (code) {
        return code;
    }
    if (batch->received_at_us > now_us + batch->env->limits.clock_tolerance_us) {
        return pt_fail(err, PT_INVALID, "/events/%u/received_at lies in the future", index);
    }
    batch->place = &place;
    code = pt_decode_event(batch, event, err);
    batch->place = NULL;
    return code;
}

enum pt_code pt_decode_replay(struct pt_decoder *decoder, struct pt_span body, int64_t now_us,
                              const struct pt_decode_env *env, struct pt_error *err)
{
    struct pt_decode_batch batch;
    struct pt_json root;
    struct pt_json events = {0};
    enum pt_code code = PT_OK;

    pt_decode_begin(&batch, decoder, env);
    batch.is_replay = true;
    code = pt_json_parse(decoder->parser, body, &root, NULL, err);
    if (code) {
        return code;
    }
    if (pt_json_type(root) == PT_JSON_OBJECT) {
        events = pt_json_member(root, "events");
    }
    if (!pt_json_exists(events) || pt_json_type(events) != PT_JSON_ARRAY) {
        return pt_fail(err, PT_INVALID, "the body must be {\"events\":[DEAD LETTER,…]}");
    }
    for (struct pt_json_iter it = pt_json_iterate(events); pt_json_next(&it);) {
        code = take_letter(&batch, it.value, now_us, err);
        if (code) {
            return code;
        }
    }
    return pt_decode_end(&batch, err);
}

/* ---- without a server ---- */

struct pt_replay_check {
    struct pt_decoder *decoder;
    struct pt_decode_env env;
};

enum pt_code pt_replay_check_open(struct pt_replay_check **check_out,
                                  const struct pt_config *config, struct pt_registry *registry,
                                  struct pt_error *err)
{
    struct pt_replay_check *check = pt_alloc_zero(sizeof(*check));

    *check_out = NULL;
    if (!check) {
        return pt_fail(err, PT_NO_MEMORY, "check repaired events");
    }
    pt_decode_limits_init(&check->env.limits, config);
    check->decoder =
        pt_decoder_create((size_t)pt_config_int(config, PT_CONFIG_collect_decompressed_bytes_max),
                          check->env.limits.record_bytes_max);
    /* What a running server has seen of attribute keys is its own: here nothing was seen yet. */
    check->env.cardinality = pt_cardinality_create(
        (uint32_t)pt_config_int(config, PT_CONFIG_collect_attribute_keys_max), UINT32_MAX, NULL);
    if (!check->decoder || !check->env.cardinality) {
        pt_replay_check_close(check);
        return pt_fail(err, PT_NO_MEMORY, "check repaired events");
    }
    if (registry) {
        enum pt_code code = pt_decoder_use_registry(check->decoder, registry, err);

        if (code) {
            pt_replay_check_close(check);
            return code;
        }
    }
    *check_out = check;
    return PT_OK;
}

void pt_replay_check_close(struct pt_replay_check *check)
{
    if (check) {
        pt_decoder_destroy(check->decoder);
        pt_cardinality_destroy(check->env.cardinality);
        pt_free(check);
    }
}

enum pt_code pt_replay_check_body(struct pt_replay_check *check, struct pt_span body,
                                  int64_t now_us, struct pt_span *answer_out, struct pt_error *err)
{
    enum pt_code code = pt_decode_replay(check->decoder, body, now_us, &check->env, err);

    if (!code) {
        *answer_out = pt_buf_span(&check->decoder->answer);
    }
    return code;
}
