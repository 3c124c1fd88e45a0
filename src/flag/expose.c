/*
 * expose.c - which evaluations are exposures
 */
#include "flag/expose.h"

#define METADATA_BYTES_MAX (64u << 10)
#define SCALAR_BYTES_MAX 1024

struct pt_flag_exposer {
    void (*take)(void *ctx, const struct pt_flag_exposure *exposure);
    void *ctx;
    struct pt_json_parser *parser;
    struct pt_buf metadata;
    struct pt_buf scalars;
};

bool pt_flag_expose_parse(struct pt_span text, enum pt_flag_expose *expose_out)
{
    static const char *const names[] = {"off", "single", "all"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (pt_span_is(text, names[i])) {
            *expose_out = (enum pt_flag_expose)i;
            return true;
        }
    }
    return false;
}

struct pt_flag_exposer *
pt_flag_exposer_create(void (*take)(void *ctx, const struct pt_flag_exposure *exposure), void *ctx)
{
    struct pt_flag_exposer *exposer = pt_alloc_zero(sizeof(*exposer));

    if (!exposer) {
        return NULL;
    }
    exposer->take = take;
    exposer->ctx = ctx;
    pt_buf_init(&exposer->metadata, METADATA_BYTES_MAX + PT_JSON_PADDING);
    pt_buf_init(&exposer->scalars, 2 * (size_t)SCALAR_BYTES_MAX);
    exposer->parser = pt_json_parser_create(METADATA_BYTES_MAX);
    if (!exposer->parser) {
        pt_free(exposer);
        return NULL;
    }
    return exposer;
}

void pt_flag_exposer_destroy(struct pt_flag_exposer *exposer)
{
    if (exposer) {
        pt_json_parser_destroy(exposer->parser);
        pt_buf_release(&exposer->metadata);
        pt_buf_release(&exposer->scalars);
        pt_free(exposer);
    }
}

/* Most flags belong to no experiment: their metadata is not parsed. */
static bool may_name_experiment(struct pt_span metadata)
{
    static const char word[] = "\"experiment\"";

    for (size_t i = 0; i + sizeof(word) - 1 <= metadata.size; i++) {
        if (metadata.data[i] == '"' && memcmp(metadata.data + i, word, sizeof(word) - 1) == 0) {
            return true;
        }
    }
    return false;
}

static bool parse_metadata(struct pt_flag_exposer *exposer, struct pt_span metadata,
                           struct pt_json *out)
{
    struct pt_buf *text = &exposer->metadata;

    pt_buf_reset(text);
    pt_buf_append(text, metadata.data, metadata.size);
    return pt_buf_reserve(text, PT_JSON_PADDING) &&
           !pt_json_parse(exposer->parser, pt_buf_span(text), out, NULL, NULL) &&
           pt_json_type(*out) == PT_JSON_OBJECT;
}

/* A text or a number, on one line; nothing otherwise. */
static struct pt_span scalar(struct pt_flag_exposer *exposer, struct pt_json metadata,
                             const char *key)
{
    struct pt_json value = pt_json_member(metadata, key);
    size_t before = exposer->scalars.size;
    struct pt_jsonw w;

    if (!pt_json_exists(value) || pt_json_type(value) == PT_JSON_OBJECT ||
        pt_json_type(value) == PT_JSON_ARRAY || pt_json_type(value) == PT_JSON_NULL ||
        (pt_json_type(value) == PT_JSON_STRING &&
         pt_json_string(value).size > SCALAR_BYTES_MAX / 6 - 2)) {
        return (struct pt_span){0};
    }
    pt_jsonw_init(&w, &exposer->scalars);
    pt_jsonw_value(&w, value);
    return pt_span_of(exposer->scalars.data + before, exposer->scalars.size - before);
}

void pt_flag_exposer_see(struct pt_flag_exposer *exposer, struct pt_span key,
                         struct pt_json context, const struct pt_flag_evaluation *evaluation)
{
    struct pt_flag_exposure exposure = {
        .key = key, .variant = evaluation->variant, .context = context};
    struct pt_json metadata;

    if (!exposer || evaluation->gate || evaluation->is_override ||
        (evaluation->reason != PT_FLAG_REASON_TARGETING_MATCH &&
         evaluation->reason != PT_FLAG_REASON_SPLIT) ||
        !evaluation->has_value || evaluation->is_targeting_key_missing ||
        !may_name_experiment(evaluation->metadata) ||
        !pt_json_member_string(context, "targetingKey", &exposure.unit) ||
        exposure.unit.size == 0 || !parse_metadata(exposer, evaluation->metadata, &metadata) ||
        !pt_json_member_string(metadata, "experiment", &exposure.experiment) ||
        exposure.experiment.size == 0) {
        return;
    }
    pt_buf_reset(&exposer->scalars);
    /* Room for both first, so that the first does not move. */
    if (!pt_buf_reserve(&exposer->scalars, 2 * (size_t)SCALAR_BYTES_MAX)) {
        return;
    }
    exposure.version = scalar(exposer, metadata, "version");
    exposure.epoch = scalar(exposer, metadata, "epoch");
    exposer->take(exposer->ctx, &exposure);
}
