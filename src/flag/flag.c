/*
 * flag.c - the current flag set, its file, and evaluation
 */
#include "flag/flag.h"

#include "base/crypto.h"
#include "flag/definition.h"
#include "flag/govern.h"

#include <pthread.h>

/* What the values of one evaluation may take. */
#define RULE_BYTES_MAX ((size_t)16 << 20)

struct pt_flags {
    struct pt_io *io;
    struct pt_clock *clock;
    pthread_mutex_t reloading;       /* one reload at a time; taken before `lock` */
    pthread_rwlock_t lock;           /* guards `set`; held for reading while a flag is evaluated */
    struct pt_flag_set *set;         /* never NULL */
    struct pt_flags_version version; /* of the set; under the lock too */
    char *path;                      /* of the file, or NULL */
    uint64_t seen_checksum;          /* of the file's bytes at the last look, sound or not */
    bool has_seen;
};

const char *pt_flag_reason_name(enum pt_flag_reason reason)
{
    static const char *const names[] = {
        [PT_FLAG_REASON_STATIC] = "STATIC",
        [PT_FLAG_REASON_TARGETING_MATCH] = "TARGETING_MATCH",
        [PT_FLAG_REASON_SPLIT] = "SPLIT",
        [PT_FLAG_REASON_DEFAULT] = "DEFAULT",
        [PT_FLAG_REASON_DISABLED] = "DISABLED",
        [PT_FLAG_REASON_ERROR] = "ERROR",
    };

    pt_assert((unsigned)reason < PT_FLAG_REASON_COUNT);
    return names[reason];
}

const char *pt_flag_error_name(enum pt_flag_error error)
{
    static const char *const names[] = {
        [PT_FLAG_ERROR_NONE] = "",
        [PT_FLAG_ERROR_FLAG_NOT_FOUND] = "FLAG_NOT_FOUND",
        [PT_FLAG_ERROR_PARSE_ERROR] = "PARSE_ERROR",
        [PT_FLAG_ERROR_TYPE_MISMATCH] = "TYPE_MISMATCH",
        [PT_FLAG_ERROR_TARGETING_KEY_MISSING] = "TARGETING_KEY_MISSING",
        [PT_FLAG_ERROR_INVALID_CONTEXT] = "INVALID_CONTEXT",
        [PT_FLAG_ERROR_GENERAL] = "GENERAL",
    };

    pt_assert((unsigned)error < sizeof(names) / sizeof(names[0]));
    return names[error];
}

bool pt_flag_type_parse(struct pt_span text, enum pt_flag_type *type_out)
{
    static const struct {
        const char *name;
        enum pt_flag_type type;
    } types[] = {
        {"boolean", PT_FLAG_BOOLEAN}, {"string", PT_FLAG_STRING}, {"integer", PT_FLAG_INTEGER},
        {"float", PT_FLAG_FLOAT},     {"object", PT_FLAG_OBJECT},
    };

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (pt_span_is(text, types[i].name)) {
            *type_out = types[i].type;
            return true;
        }
    }
    return false;
}

struct pt_flags *pt_flags_create(struct pt_io *io, struct pt_clock *clock)
{
    struct pt_flags *flags = pt_alloc_zero(sizeof(*flags));

    if (!flags) {
        return NULL;
    }
    flags->io = io;
    flags->clock = clock;
    if (pthread_rwlock_init(&flags->lock, NULL)) {
        pt_free(flags);
        return NULL;
    }
    pthread_mutex_init(&flags->reloading, NULL);
    if (pt_flags_load(flags, pt_span_str("{\"flags\":{}}"), NULL)) {
        pt_flags_destroy(flags);
        return NULL;
    }
    return flags;
}

void pt_flags_destroy(struct pt_flags *flags)
{
    if (flags) {
        pt_flag_set_destroy(flags->set);
        pthread_rwlock_destroy(&flags->lock);
        pthread_mutex_destroy(&flags->reloading);
        pt_free(flags->path);
        pt_free(flags);
    }
}

enum pt_code pt_flags_load(struct pt_flags *flags, struct pt_span json, struct pt_error *err)
{
    struct pt_flag_set *set = NULL;
    struct pt_flag_set *old;
    struct pt_flags_version version = {.checksum = pt_checksum64(json.data, json.size),
                                       .since_us = pt_clock_wall_us(flags->clock)};
    bool is_valid = false;
    enum pt_code code = pt_flag_set_compile(json, &set, NULL, &is_valid, err);

    if (code) {
        return code;
    }
    pthread_rwlock_wrlock(&flags->lock);
    old = flags->set;
    flags->set = set;
    flags->version = version;
    pthread_rwlock_unlock(&flags->lock);
    if (set->broken_count) {
        pt_log_line(PT_LOG_WARN, "flag", NULL,
                    "%u targeting rules cannot work and will answer PARSE_ERROR; %s",
                    set->broken_count, set->first_broken);
    }
    pt_flag_set_destroy(old);
    return PT_OK;
}

static enum pt_code read_file(struct pt_flags *flags, struct pt_buf *text, struct pt_error *err)
{
    struct pt_file *file = NULL;
    uint64_t bytes = 0;
    size_t got = 0;
    enum pt_code code = pt_io_open(flags->io, flags->path, PT_OPEN_READ, &file, err);

    if (code) {
        return code;
    }
    code = pt_io_size(flags->io, file, &bytes, err);
    if (code) {
        goto out;
    }
    if (bytes > PT_FLAGS_FILE_BYTES_MAX) {
        code = pt_fail(err, PT_TOO_BIG, "%s: a flag file has at most %u bytes, this has %llu",
                       flags->path, PT_FLAGS_FILE_BYTES_MAX, (unsigned long long)bytes);
        goto out;
    }
    if (!pt_buf_reserve(text, (size_t)bytes + 1)) {
        code = pt_fail(err, PT_NO_MEMORY, "%s: no memory for its %llu bytes", flags->path,
                       (unsigned long long)bytes);
        goto out;
    }
    code = pt_io_read(flags->io, file, 0, text->data, (size_t)bytes, &got, err);
    text->size = got;

out:
    pt_io_close(flags->io, file);
    return code;
}

/* Load what the file holds now, unless it is what was seen before. */
static enum pt_code look(struct pt_flags *flags, bool *is_new_out, struct pt_error *err)
{
    struct pt_buf text;
    uint64_t checksum;
    enum pt_code code;

    *is_new_out = false;
    pt_buf_init(&text, PT_FLAGS_FILE_BYTES_MAX + 1);
    code = read_file(flags, &text, err);
    if (code) {
        goto out;
    }
    checksum = pt_checksum64(text.data, text.size);
    if (flags->has_seen && checksum == flags->seen_checksum) {
        goto out;
    }
    flags->has_seen = true;
    flags->seen_checksum = checksum;
    *is_new_out = true;
    code = pt_flags_load(flags, pt_buf_span(&text), err);
    if (code) {
        code = pt_error_prefix(err, code, "%s", flags->path);
    }

out:
    pt_buf_release(&text);
    return code;
}

enum pt_code pt_flags_load_file(struct pt_flags *flags, const char *path, struct pt_error *err)
{
    char *copy = pt_strdup(path);
    bool is_new;

    if (!copy) {
        return pt_fail(err, PT_NO_MEMORY, "%s: no memory", path);
    }
    pt_free(flags->path);
    flags->path = copy;
    flags->has_seen = false;
    return look(flags, &is_new, err);
}

enum pt_code pt_flags_reload(struct pt_flags *flags, bool *has_changed_out, struct pt_error *err)
{
    struct pt_error own;
    bool is_new = false;
    enum pt_code code;

    *has_changed_out = false;
    own.text[0] = 0;
    if (!flags->path) {
        return pt_fail(err, PT_NOT_FOUND, "no flag file was named");
    }
    pthread_mutex_lock(&flags->reloading);
    code = look(flags, &is_new, &own);
    pthread_mutex_unlock(&flags->reloading);
    if (code == PT_OK && is_new) {
        *has_changed_out = true;
        pt_log_line(PT_LOG_INFO, "flag", NULL, "flags reloaded: %zu", pt_flags_count(flags));
    } else if (code && is_new) {
        pt_log_line(PT_LOG_ERROR, "flag", NULL, "flags not reloaded, the old ones stay: %s",
                    own.text);
    }
    return code ? pt_fail(err, code, "%s", own.text) : PT_OK;
}

const char *pt_flags_file(const struct pt_flags *flags)
{
    return flags->path;
}

void pt_flags_version(struct pt_flags *flags, struct pt_flags_version *version_out)
{
    pthread_rwlock_rdlock(&flags->lock);
    *version_out = flags->version;
    pthread_rwlock_unlock(&flags->lock);
}

size_t pt_flags_count(struct pt_flags *flags)
{
    size_t count;

    pthread_rwlock_rdlock(&flags->lock);
    count = flags->set->count;
    pthread_rwlock_unlock(&flags->lock);
    return count;
}

static void fail_with(struct pt_flag_evaluation *out, enum pt_flag_error error, const char *detail)
{
    out->reason = PT_FLAG_REASON_ERROR;
    out->error = error;
    out->has_value = false;
    out->gate = PT_FLAG_GATE_NONE;
    out->epoch = 0;
    out->value = pt_span_of(NULL, 0);
    out->variant = pt_span_of(NULL, 0);
    snprintf(out->detail, sizeof(out->detail), "%.*s", (int)sizeof(out->detail) - 1, detail);
}

static bool fits(const struct pt_flag_definition *flag, const struct pt_flag_variant *variant,
                 enum pt_flag_type type)
{
    switch (type) {
    case PT_FLAG_ANY:
        return true;
    case PT_FLAG_BOOLEAN:
        return flag->kind == PT_FLAG_VALUE_BOOLEAN;
    case PT_FLAG_STRING:
        return flag->kind == PT_FLAG_VALUE_STRING;
    case PT_FLAG_INTEGER:
        return flag->kind == PT_FLAG_VALUE_NUMBER && variant->is_whole;
    case PT_FLAG_FLOAT:
        return flag->kind == PT_FLAG_VALUE_NUMBER;
    case PT_FLAG_OBJECT:
        return flag->kind == PT_FLAG_VALUE_OBJECT;
    }
    return false;
}

/* The variant that a rule's result names; PT_FLAG_NO_VARIANT for null. False: no variant's name. */
static bool variant_of(const struct pt_flag_definition *flag, const struct pt_logic_value *result,
                       uint32_t *index_out)
{
    struct pt_buf name;

    *index_out = PT_FLAG_NO_VARIANT;
    if (result->kind == PT_LOGIC_NULL) {
        return true;
    }
    pt_buf_init(&name, 4096);
    pt_logic_append_text(&name, result, true);
    if (!name.has_failed) {
        *index_out = pt_flag_find_variant(flag, pt_buf_span(&name));
    }
    pt_buf_release(&name);
    return *index_out != PT_FLAG_NO_VARIANT;
}

/* What the targeting says. False: an error was set. */
static bool target(struct pt_flags *flags, const struct pt_flag_definition *flag,
                   struct pt_json context, uint32_t *index_out, struct pt_flag_evaluation *out)
{
    struct pt_arena arena;
    struct pt_logic_value result;
    struct pt_logic_run run = {
        .arena = &arena,
        .data = pt_logic_of_json(context),
        .flag_key = flag->key,
        .now_s = pt_clock_wall_us(flags->clock) / 1000000,
    };
    bool is_ok = false;

    pt_arena_init(&arena, RULE_BYTES_MAX);
    if (!pt_logic_eval(&run, flag->targeting, &result)) {
        fail_with(out,
                  run.err.code == PT_INVALID ? PT_FLAG_ERROR_PARSE_ERROR : PT_FLAG_ERROR_GENERAL,
                  run.err.text);
    } else if (!variant_of(flag, &result, index_out)) {
        fail_with(out, PT_FLAG_ERROR_PARSE_ERROR,
                  "the targeting rule names no variant of the flag");
    } else {
        is_ok = true;
    }
    out->is_targeting_key_missing = out->is_targeting_key_missing || (is_ok && run.is_key_missing);
    pt_arena_release(&arena);
    return is_ok;
}

static bool choose(struct pt_flags *flags, const struct pt_flag_definition *flag,
                   struct pt_json context, enum pt_flag_type type, struct pt_flag_evaluation *out);

static struct pt_span unit_of(struct pt_json context)
{
    struct pt_span unit = {0};

    if (pt_json_exists(context)) {
        (void)pt_json_member_string(context, "targetingKey", &unit);
    }
    return unit;
}

/* Whether flag and variants are as they must be, by the same context. */
static bool is_met(struct pt_flags *flags, const struct pt_flag_requirement *requirement,
                   struct pt_json context, struct pt_flag_evaluation *out)
{
    struct pt_flag_evaluation other;

    memset(&other, 0, sizeof(other));
    if (!choose(flags, requirement->flag, context, PT_FLAG_ANY, &other) || !other.has_value) {
        return false;
    }
    out->is_targeting_key_missing = out->is_targeting_key_missing || other.is_targeting_key_missing;
    for (uint32_t i = 0; i < requirement->variant_count; i++) {
        if (pt_span_equal(requirement->variants[i], other.variant)) {
            return true;
        }
    }
    return false;
}

/* The gates before the targeting, in this order. False: one of them holds the unit back. */
static bool admit(struct pt_flags *flags, const struct pt_flag_definition *flag,
                  struct pt_json context, struct pt_flag_evaluation *out)
{
    const struct pt_flag_govern *govern = flag->govern;
    struct pt_span unit = unit_of(context);
    const struct pt_flag_holdout *holdout =
        unit.size > 0 ? pt_flag_held_out(flags->set, flag, unit) : NULL;

    if (holdout) {
        out->gate = PT_FLAG_GATE_HOLDOUT;
        out->gated_by = holdout->name;
        return false;
    }
    if (govern->layer.size > 0 &&
        (unit.size == 0 ||
         !pt_flag_slices_own(&govern->layer_slices,
                             pt_flag_bucket("layer", govern->layer, unit, PT_FLAG_BUCKETS)))) {
        out->gate = PT_FLAG_GATE_LAYER;
        out->is_targeting_key_missing = unit.size == 0;
        return false;
    }
    for (uint32_t i = 0; i < govern->requirement_count; i++) {
        if (!is_met(flags, &govern->requirements[i], context, out)) {
            out->gate = PT_FLAG_GATE_PREREQUISITE;
            out->gated_by = govern->requirements[i].key;
            return false;
        }
    }
    return true;
}

/* What the epochs say where the targeting named nobody. */
static uint32_t roll(const struct pt_flag_definition *flag, struct pt_json context,
                     struct pt_flag_evaluation *out)
{
    struct pt_span unit = unit_of(context);
    uint32_t index = PT_FLAG_NO_VARIANT;
    const struct pt_flag_epoch *epoch = unit.size > 0 ? pt_flag_assign(flag, unit, &index) : NULL;

    if (epoch) {
        out->reason = PT_FLAG_REASON_SPLIT;
        out->epoch = epoch->number;
    } else {
        out->reason = PT_FLAG_REASON_DEFAULT;
        out->gate = PT_FLAG_GATE_ROLLOUT;
        out->is_targeting_key_missing = unit.size == 0;
    }
    return index;
}

/* What targeting and epochs say of a unit that no gate holds back. False: an error was set. */
static bool decide(struct pt_flags *flags, const struct pt_flag_definition *flag,
                   struct pt_json context, uint32_t *index, struct pt_flag_evaluation *out)
{
    if (flag->targeting) {
        if (!target(flags, flag, context, index, out)) {
            return false;
        }
        out->reason =
            *index == PT_FLAG_NO_VARIANT ? PT_FLAG_REASON_DEFAULT : PT_FLAG_REASON_TARGETING_MATCH;
    }
    if (flag->govern && flag->govern->epoch_count > 0) {
        out->is_override = *index != PT_FLAG_NO_VARIANT;
        *index = out->is_override ? *index : roll(flag, context, out);
    }
    return true;
}

/* Which variant, and why. False: an error was set. Spans of `out` still point into the set. */
static bool choose(struct pt_flags *flags, const struct pt_flag_definition *flag,
                   struct pt_json context, enum pt_flag_type type, struct pt_flag_evaluation *out)
{
    uint32_t index = PT_FLAG_NO_VARIANT;

    out->reason = PT_FLAG_REASON_STATIC;
    if (!flag->is_enabled) {
        out->reason = PT_FLAG_REASON_DISABLED;
        return true;
    }
    if (flag->govern && !admit(flags, flag, context, out)) {
        out->reason = PT_FLAG_REASON_DEFAULT;
    } else if (!decide(flags, flag, context, &index, out)) {
        return false;
    }
    if (index == PT_FLAG_NO_VARIANT) {
        index = flag->default_variant;
    }
    if (index == PT_FLAG_NO_VARIANT) {
        out->reason = PT_FLAG_REASON_DEFAULT;
        return true;
    }
    if (!fits(flag, &flag->variants[index], type)) {
        fail_with(out, PT_FLAG_ERROR_TYPE_MISMATCH, "the flag's value has another type");
        return false;
    }
    out->has_value = true;
    out->value = flag->variants[index].json;
    out->variant = flag->variants[index].name;
    return true;
}

/* The evaluation's own members behind those of the file. */
static void write_metadata(struct pt_buf *buf, const struct pt_flag_evaluation *out)
{
    static const char *const gates[] = {
        [PT_FLAG_GATE_HOLDOUT] = "holdout",
        [PT_FLAG_GATE_LAYER] = "layer",
        [PT_FLAG_GATE_PREREQUISITE] = "prerequisite",
        [PT_FLAG_GATE_ROLLOUT] = "rollout",
    };
    const char *comma = out->metadata.size > 2 ? "," : "";

    pt_buf_append(buf, out->metadata.data, out->metadata.size - 1); /* without its } */
    if (out->epoch > 0) {
        pt_buf_appendf(buf, "%s\"epoch\":%u", comma, out->epoch);
    } else if (out->gate) {
        pt_buf_appendf(buf, "%s\"gate\":\"%s\"", comma, gates[out->gate]);
    } else {
        pt_buf_appendf(buf, "%s\"override\":true", comma);
    }
    if (out->gated_by.size > 0) {
        struct pt_jsonw w;

        pt_buf_appendf(buf, ",\"%s\":", gates[out->gate]);
        pt_jsonw_init(&w, buf);
        pt_jsonw_string(&w, out->gated_by);
    }
    pt_buf_append_byte(buf, '}');
}

/* Copy what `out` borrows from the set into `scratch`, so that it outlives a reload. */
static void keep(struct pt_buf *scratch, struct pt_flag_evaluation *out)
{
    size_t value_at = 0;
    size_t variant_at = out->value.size;
    size_t metadata_at = variant_at + out->variant.size;

    pt_buf_reset(scratch);
    pt_buf_append(scratch, out->value.data, out->value.size);
    pt_buf_append(scratch, out->variant.data, out->variant.size);
    if (out->epoch > 0 || out->gate || out->is_override) {
        write_metadata(scratch, out);
    } else {
        pt_buf_append(scratch, out->metadata.data, out->metadata.size);
    }
    if (scratch->has_failed) {
        fail_with(out, PT_FLAG_ERROR_GENERAL, "no memory for the flag's value");
        out->metadata = pt_span_str("{}");
        return;
    }
    out->value = pt_span_of(scratch->data + value_at, out->value.size);
    out->variant = pt_span_of(scratch->data + variant_at, out->variant.size);
    out->metadata = pt_span_of(scratch->data + metadata_at, scratch->size - metadata_at);
}

/* One flag of the set, or NULL for one that is not there. `out` borrows from the set. */
static void evaluate(struct pt_flags *flags, const struct pt_flag_definition *flag,
                     struct pt_json context, enum pt_flag_type type, struct pt_flag_evaluation *out)
{
    memset(out, 0, sizeof(*out));
    out->metadata = flag ? flag->metadata : flags->set->metadata;
    if (!flag) {
        fail_with(out, PT_FLAG_ERROR_FLAG_NOT_FOUND, "there is no such flag");
    } else if (pt_json_exists(context) && pt_json_type(context) != PT_JSON_OBJECT) {
        fail_with(out, PT_FLAG_ERROR_INVALID_CONTEXT, "the context must be a JSON object");
    } else {
        (void)choose(flags, flag, context, type, out);
    }
}

void pt_flags_evaluate(struct pt_flags *flags, struct pt_span key, struct pt_json context,
                       enum pt_flag_type type, struct pt_buf *scratch,
                       struct pt_flag_evaluation *evaluation_out)
{
    pthread_rwlock_rdlock(&flags->lock);
    evaluate(flags, pt_flag_set_find(flags->set, key), context, type, evaluation_out);
    keep(scratch, evaluation_out);
    pthread_rwlock_unlock(&flags->lock);
}

bool pt_flags_evaluate_all(struct pt_flags *flags, struct pt_json context, struct pt_buf *scratch,
                           void (*take)(void *ctx, struct pt_span key,
                                        const struct pt_flag_evaluation *evaluation),
                           void *ctx, struct pt_span *metadata_out)
{
    struct pt_flag_evaluation evaluation;

    pthread_rwlock_rdlock(&flags->lock);
    for (size_t i = 0; i < flags->set->count; i++) {
        const struct pt_flag_definition *flag = &flags->set->flags[i];

        evaluate(flags, flag, context, PT_FLAG_ANY, &evaluation);
        keep(scratch, &evaluation);
        take(ctx, flag->key, &evaluation);
    }
    pt_buf_reset(scratch);
    pt_buf_append(scratch, flags->set->metadata.data, flags->set->metadata.size);
    pthread_rwlock_unlock(&flags->lock);
    *metadata_out = pt_buf_span(scratch);
    return !scratch->has_failed;
}

enum pt_code pt_flags_lint(struct pt_span json, struct pt_jsonw *report, bool *is_valid_out,
                           struct pt_error *err)
{
    struct pt_flag_set *set = NULL;
    enum pt_code code = pt_flag_set_compile(json, &set, report, is_valid_out, err);

    pt_flag_set_destroy(set);
    return code;
}

enum pt_code pt_flag_logic(struct pt_json line, struct pt_jsonw *w, struct pt_error *err)
{
    struct pt_flag_set set = {0};
    struct pt_flag_compiler c = {.set = &set};
    struct pt_arena arena;
    struct pt_logic_value result;
    struct pt_logic_run run = {.arena = &arena};
    const struct pt_logic *rule = NULL;
    enum pt_code code = PT_OK;

    if (pt_json_type(line) != PT_JSON_OBJECT || !pt_json_exists(pt_json_member(line, "rule"))) {
        return pt_fail(err, PT_INVALID, "a line is an object with \"rule\", and \"data\"");
    }
    pt_arena_init(&set.arena, RULE_BYTES_MAX);
    pt_arena_init(&arena, RULE_BYTES_MAX);
    run.data = pt_logic_of_json(pt_json_member(line, "data"));
    rule = pt_logic_compile(&c, pt_json_member(line, "rule"));
    if (!rule) {
        code = pt_fail(err, PT_NO_MEMORY, "the rule needs too much memory");
        goto out;
    }
    pt_jsonw_object(w);
    if (pt_logic_eval(&run, rule, &result)) {
        pt_jsonw_key(w, "result");
        pt_logic_write(w, &result);
    } else {
        pt_jsonw_member_str(w, "error", run.err.text);
    }
    pt_jsonw_object_end(w);

out:
    pt_arena_release(&arena);
    pt_arena_release(&set.arena);
    return code;
}
