/*
 * fractional.c - flagd's `fractional`: compile the rule, pick a bucket
 *
 * flagd's specification, custom operations, "fractional": the bucketing value is hashed with
 * MurmurHash3 x86 32-bit, seed 0; bucket = (hash * total weight) >> 32; the first entry whose
 * cumulative weight is above the bucket wins. A bucketing expression that does not give a string is
 * replaced by the flag's key followed by the targetingKey. A total of 0 gives no variant.
 */
#include "flag/definition.h"

#include "flag/murmur3.h"

#define SUPPORTED                                                                                   \
    "supported here are no targeting, {} and {\"fractional\":[…]} with plain variant names; the " \
    "bucketing key may be a string, {\"var\":…} or {\"cat\":[…]}"

static struct pt_flag_expr *compile_expr(struct pt_flag_compiler *c, struct pt_json json);

static uint32_t count_parts(struct pt_span path)
{
    uint32_t count = 1;

    for (size_t i = 0; i < path.size; i++) {
        count += path.data[i] == '.';
    }
    return count;
}

static bool split_path(struct pt_flag_compiler *c, struct pt_flag_expr *expr)
{
    struct pt_span rest = expr->text;
    uint32_t count = count_parts(rest);

    expr->path = pt_flag_room(c, count * sizeof(*expr->path));
    if (!expr->path) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *dot = memchr(rest.data, '.', rest.size);
        size_t bytes = dot ? (size_t)(dot - rest.data) : rest.size;

        expr->path[i] = pt_span_of(rest.data, bytes);
        if (dot) {
            rest = pt_span_of(dot + 1, rest.size - bytes - 1);
        }
    }
    expr->path_count = count;
    return true;
}

/* {"var":"path"}, {"var":["path"]} or {"var":["path", default]} */
static bool compile_var(struct pt_flag_compiler *c, struct pt_flag_expr *expr, struct pt_json args)
{
    struct pt_json name = args;

    if (pt_json_type(args) == PT_JSON_ARRAY) {
        name = pt_json_element(args, 0);
        if (pt_json_count(args) == 2) {
            size_t mark = pt_flag_down_index(c, 1);

            expr->children = compile_expr(c, pt_json_element(args, 1));
            expr->child_count = 1;
            pt_flag_up(c, mark);
            if (!expr->children) {
                return false;
            }
        }
    }
    if (!pt_json_exists(name) || pt_json_type(name) != PT_JSON_STRING ||
        pt_json_string(name).size == 0 ||
        (pt_json_type(args) == PT_JSON_ARRAY && pt_json_count(args) > 2)) {
        pt_flag_report(c, "\"var\" wants the name of a context attribute; %s", SUPPORTED);
        return false;
    }
    expr->text = pt_flag_copy(c, pt_json_string(name));
    if (!expr->text.data) {
        return false;
    }
    if (pt_span_is(expr->text, "$flagd.flagKey")) {
        expr->kind = PT_FLAG_EXPR_FLAG_KEY;
        return true;
    }
    if (expr->text.size >= 6 && memcmp(expr->text.data, "$flagd", 6) == 0) {
        pt_flag_report(c, "of the $flagd properties only \"$flagd.flagKey\" can be bucketed on");
        return false;
    }
    expr->kind = PT_FLAG_EXPR_VAR;
    return split_path(c, expr);
}

/* {"cat":[…]}, or {"cat":x} for one argument, as JsonLogic allows */
static bool compile_cat(struct pt_flag_compiler *c, struct pt_flag_expr *expr, struct pt_json args)
{
    bool is_list = pt_json_type(args) == PT_JSON_ARRAY;
    uint32_t count = is_list ? pt_json_count(args) : 1;

    expr->kind = PT_FLAG_EXPR_CAT;
    expr->children = pt_flag_room(c, count * sizeof(*expr->children));
    if (!expr->children) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        size_t mark = is_list ? pt_flag_down_index(c, i) : c->pointer_bytes;
        struct pt_flag_expr *child = compile_expr(c, is_list ? pt_json_element(args, i) : args);

        pt_flag_up(c, mark);
        if (!child) {
            return false;
        }
        expr->children[i] = *child;
    }
    expr->child_count = count;
    return true;
}

/* How a scalar reads inside a text, as JavaScript writes it; false for arrays and objects. */
static bool append_scalar(struct pt_buf *buf, struct pt_json value)
{
    char number[32];

    switch (pt_json_type(value)) {
    case PT_JSON_NULL:
        return true;
    case PT_JSON_BOOL:
        pt_buf_append_str(buf, pt_json_bool(value) ? "true" : "false");
        return true;
    case PT_JSON_INT:
        pt_buf_appendf(buf, "%lld", (long long)pt_json_int(value));
        return true;
    case PT_JSON_UINT:
        pt_buf_appendf(buf, "%llu", (unsigned long long)pt_json_uint(value));
        return true;
    case PT_JSON_DOUBLE:
        pt_buf_append(buf, number, pt_double_format(number, pt_json_double(value)));
        return true;
    case PT_JSON_STRING:
        pt_buf_append(buf, pt_json_string(value).data, pt_json_string(value).size);
        return true;
    case PT_JSON_ARRAY:
    case PT_JSON_OBJECT:
        return false;
    }
    return false;
}

static bool compile_literal(struct pt_flag_compiler *c, struct pt_flag_expr *expr,
                            struct pt_json json)
{
    struct pt_buf buf;

    pt_buf_init(&buf, 1u << 20);
    if (!append_scalar(&buf, json)) {
        pt_flag_report(c, "a bucketing key cannot hold %s; %s",
                       pt_json_type_name(pt_json_type(json)), SUPPORTED);
        pt_buf_release(&buf);
        return false;
    }
    expr->kind = PT_FLAG_EXPR_TEXT;
    expr->is_string = pt_json_type(json) == PT_JSON_STRING;
    expr->text = pt_flag_copy(c, pt_buf_span(&buf));
    pt_buf_release(&buf);
    return expr->text.data != NULL;
}

static struct pt_flag_expr *compile_expr(struct pt_flag_compiler *c, struct pt_json json)
{
    struct pt_flag_expr *expr = pt_flag_room(c, sizeof(*expr));
    bool is_ok = false;

    if (!expr) {
        return NULL;
    }
    *expr = (struct pt_flag_expr){0};
    if (pt_json_type(json) != PT_JSON_OBJECT) {
        return compile_literal(c, expr, json) ? expr : NULL;
    }
    struct pt_json_iter it = pt_json_iterate(json);

    if (pt_json_count(json) != 1 || !pt_json_next(&it)) {
        pt_flag_report(c, "a rule is an object with one operator; %s", SUPPORTED);
        return NULL;
    }
    size_t mark = pt_flag_down(c, it.key);

    if (pt_span_is(it.key, "var")) {
        is_ok = compile_var(c, expr, it.value);
    } else if (pt_span_is(it.key, "cat")) {
        is_ok = compile_cat(c, expr, it.value);
    } else {
        pt_flag_report(c, "operator \"%.*s\" cannot make a bucketing key; %s", PT_SPAN_ARG(it.key),
                       SUPPORTED);
    }
    pt_flag_up(c, mark);
    return is_ok ? expr : NULL;
}

static uint32_t variant_index(const struct pt_flag_definition *flag, struct pt_span name)
{
    for (uint32_t i = flag->variant_count; i > 0; i--) {
        if (pt_span_equal(flag->variants[i - 1].name, name)) {
            return i - 1;
        }
    }
    return PT_FLAG_NO_VARIANT;
}

/* ["variant"] or ["variant", weight]; gives the weight, and false after a report. */
static bool compile_bucket(struct pt_flag_compiler *c, const struct pt_flag_definition *flag,
                           struct pt_json entry, struct pt_flag_bucket *bucket)
{
    struct pt_json name;
    struct pt_json weight;

    bucket->weight = 1;
    if (pt_json_type(entry) != PT_JSON_ARRAY || pt_json_count(entry) < 1 ||
        pt_json_count(entry) > 2) {
        pt_flag_report(c, "an entry of \"fractional\" is [\"variant\"] or [\"variant\", weight]");
        return false;
    }
    name = pt_json_element(entry, 0);
    if (pt_json_type(name) != PT_JSON_STRING) {
        size_t mark = pt_flag_down_index(c, 0);

        pt_flag_report(c, "a variant must be named by a string, this is %s; %s",
                       pt_json_type_name(pt_json_type(name)), SUPPORTED);
        pt_flag_up(c, mark);
        return false;
    }
    bucket->variant = variant_index(flag, pt_json_string(name));
    if (bucket->variant == PT_FLAG_NO_VARIANT) {
        size_t mark = pt_flag_down_index(c, 0);

        pt_flag_report(c, "there is no variant \"%.*s\"", PT_SPAN_ARG(pt_json_string(name)));
        pt_flag_up(c, mark);
        return false;
    }
    if (pt_json_count(entry) == 1) {
        return true;
    }
    bool is_ok = true;
    size_t mark = pt_flag_down_index(c, 1);

    weight = pt_json_element(entry, 1);
    if (pt_json_type(weight) == PT_JSON_OBJECT) {
        pt_flag_report(c, "a weight is a whole number here, computed weights are not supported");
        is_ok = false;
    } else if (pt_json_type(weight) != PT_JSON_INT) {
        pt_flag_report(c, "a weight is a whole number from 0 to 2147483647, this is %s",
                       pt_json_type_name(pt_json_type(weight)));
        is_ok = false;
    } else if (pt_json_int(weight) < 0) {
        /* The schema refuses it, the specification's evaluator takes it as 0. */
        pt_flag_report_strict(c, "a weight is not negative; evaluation takes it as 0");
        bucket->weight = 0;
    } else if (pt_json_int(weight) > INT32_MAX) {
        pt_flag_report(c, "a weight is at most 2147483647");
        is_ok = false;
    } else {
        bucket->weight = (uint32_t)pt_json_int(weight);
    }
    pt_flag_up(c, mark);
    return is_ok;
}

static struct pt_flag_fractional *compile_fractional(struct pt_flag_compiler *c,
                                                     const struct pt_flag_definition *flag,
                                                     struct pt_json args)
{
    struct pt_flag_fractional *fractional = pt_flag_room(c, sizeof(*fractional));
    uint64_t total = 0;
    uint32_t index = 0;
    bool is_ok = true;

    if (!fractional) {
        return NULL;
    }
    *fractional = (struct pt_flag_fractional){0};
    if (pt_json_type(args) != PT_JSON_ARRAY || pt_json_count(args) == 0) {
        pt_flag_report(c, "\"fractional\" wants a list of [\"variant\", weight]; %s", SUPPORTED);
        return NULL;
    }
    fractional->buckets = pt_flag_room(c, pt_json_count(args) * sizeof(*fractional->buckets));
    if (!fractional->buckets) {
        return NULL;
    }
    struct pt_json_iter it = pt_json_iterate(args);

    while (pt_json_next(&it)) {
        size_t mark = pt_flag_down_index(c, index);

        if (index == 0 && pt_json_type(it.value) != PT_JSON_ARRAY) {
            fractional->key = compile_expr(c, it.value);
            is_ok = is_ok && fractional->key != NULL;
        } else {
            struct pt_flag_bucket *bucket = &fractional->buckets[fractional->bucket_count];

            if (compile_bucket(c, flag, it.value, bucket)) {
                fractional->bucket_count++;
                total += bucket->weight;
            } else {
                is_ok = false;
            }
        }
        index++;
        pt_flag_up(c, mark);
    }
    if (!is_ok) {
        return NULL;
    }
    if (fractional->bucket_count == 0) {
        pt_flag_report(c, "\"fractional\" names no variant");
        return NULL;
    }
    if (total > INT32_MAX) {
        pt_flag_report(c, "the weights sum to %llu, the most is 2147483647",
                       (unsigned long long)total);
        return NULL;
    }
    if (total == 0) {
        pt_flag_warn(c, "all weights are 0: everybody gets the default variant");
    }
    fractional->total_weight = (uint32_t)total;
    return fractional;
}

struct pt_flag_fractional *pt_flag_compile_targeting(struct pt_flag_compiler *c,
                                                     const struct pt_flag_definition *flag,
                                                     struct pt_json targeting)
{
    struct pt_flag_fractional *fractional = NULL;

    if (pt_json_type(targeting) != PT_JSON_OBJECT || pt_json_count(targeting) > 1) {
        pt_flag_report(c, "targeting is one rule; %s", SUPPORTED);
        return NULL;
    }
    struct pt_json_iter it = pt_json_iterate(targeting);

    if (!pt_json_next(&it)) {
        return NULL; /* {} is no targeting */
    }
    size_t mark = pt_flag_down(c, it.key);

    if (pt_span_is(it.key, "fractional")) {
        fractional = compile_fractional(c, flag, it.value);
    } else {
        pt_flag_report(c, "operator \"%.*s\" is not supported; %s", PT_SPAN_ARG(it.key), SUPPORTED);
    }
    pt_flag_up(c, mark);
    return fractional;
}

/* ---- evaluation ---- */

static struct pt_json member_by_span(struct pt_json object, struct pt_span key)
{
    struct pt_json found = {0};
    struct pt_json_iter it = pt_json_iterate(object);

    while (pt_json_next(&it)) {
        if (pt_span_equal(it.key, key)) {
            found = it.value;
        }
    }
    return found;
}

static struct pt_json element_by_span(struct pt_json array, struct pt_span digits)
{
    uint32_t index = 0;

    if (digits.size == 0 || digits.size > 7) {
        return (struct pt_json){0};
    }
    for (size_t i = 0; i < digits.size; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9') {
            return (struct pt_json){0};
        }
        index = index * 10 + (uint32_t)(digits.data[i] - '0');
    }
    return pt_json_element(array, index);
}

static struct pt_json follow(const struct pt_flag_expr *expr, struct pt_json context)
{
    struct pt_json value = context;

    for (uint32_t i = 0; i < expr->path_count && pt_json_exists(value); i++) {
        if (pt_json_type(value) == PT_JSON_OBJECT) {
            value = member_by_span(value, expr->path[i]);
        } else if (pt_json_type(value) == PT_JSON_ARRAY) {
            value = element_by_span(value, expr->path[i]);
        } else {
            value = (struct pt_json){0};
        }
    }
    return value;
}

struct evaluation {
    const struct pt_flag_definition *flag;
    struct pt_json context; /* an object, or absent */
    struct pt_buf *buf;
    bool is_key_missing;
    struct pt_error *err;
};

/* Append the expression's text; `*is_string_out` tells whether it gave a string. */
static bool append_expr(struct evaluation *e, const struct pt_flag_expr *expr, bool *is_string_out)
{
    bool ignored;

    switch (expr->kind) {
    case PT_FLAG_EXPR_TEXT:
        *is_string_out = expr->is_string;
        pt_buf_append(e->buf, expr->text.data, expr->text.size);
        return true;
    case PT_FLAG_EXPR_FLAG_KEY:
        *is_string_out = true;
        pt_buf_append(e->buf, e->flag->key.data, e->flag->key.size);
        return true;
    case PT_FLAG_EXPR_CAT:
        *is_string_out = true;
        for (uint32_t i = 0; i < expr->child_count; i++) {
            if (!append_expr(e, &expr->children[i], &ignored)) {
                return false;
            }
        }
        return true;
    case PT_FLAG_EXPR_VAR:
        break;
    }
    struct pt_json value = follow(expr, e->context);

    if (!pt_json_exists(value) || pt_json_type(value) == PT_JSON_NULL) {
        if (expr->child_count > 0) {
            return append_expr(e, &expr->children[0], is_string_out);
        }
        *is_string_out = false;
        e->is_key_missing = e->is_key_missing || pt_span_is(expr->text, "targetingKey");
        return true;
    }
    *is_string_out = pt_json_type(value) == PT_JSON_STRING;
    if (!append_scalar(e->buf, value)) {
        (void)pt_fail(e->err, PT_INVALID,
                      "attribute \"%.*s\" is %s; a bucketing key is made of text",
                      PT_SPAN_ARG(expr->text), pt_json_type_name(pt_json_type(value)));
        return false;
    }
    return true;
}

bool pt_flag_pick(const struct pt_flag_definition *flag, struct pt_json context,
                  struct pt_buf *key_buf, uint32_t *variant_out, bool *is_key_missing_out,
                  struct pt_error *err)
{
    const struct pt_flag_fractional *fractional = flag->fractional;
    struct evaluation e = {.flag = flag, .context = context, .buf = key_buf, .err = err};
    bool is_string = false;

    *variant_out = PT_FLAG_NO_VARIANT;
    pt_buf_reset(key_buf);
    if (fractional->key && !append_expr(&e, fractional->key, &is_string)) {
        return false;
    }
    *is_key_missing_out = e.is_key_missing;
    if (!is_string) {
        struct pt_span targeting_key = {0};

        pt_buf_reset(key_buf);
        if (!pt_json_exists(context) ||
            !pt_json_member_string(context, "targetingKey", &targeting_key)) {
            *is_key_missing_out = true;
            return true;
        }
        *is_key_missing_out = false;
        pt_buf_append(key_buf, flag->key.data, flag->key.size);
        pt_buf_append(key_buf, targeting_key.data, targeting_key.size);
    }
    if (key_buf->has_failed) {
        (void)pt_fail(err, PT_TOO_BIG, "the bucketing key is too long");
        return false;
    }
    uint32_t hash = pt_murmur3_32(pt_buf_span(key_buf), 0);
    uint64_t bucket = ((uint64_t)hash * fractional->total_weight) >> 32;
    uint64_t end = 0;

    for (uint32_t i = 0; i < fractional->bucket_count; i++) {
        end += fractional->buckets[i].weight;
        if (bucket < end) {
            *variant_out = fractional->buckets[i].variant;
            break;
        }
    }
    return true;
}
