/*
 * logic_eval.c - run a compiled JSONLogic rule
 */
#include "flag/logic_node.h"

#include <math.h>

typedef struct pt_logic_value value_t;

static bool fail(struct pt_logic_run *run, enum pt_code code, const char *text)
{
    (void)pt_fail(&run->err, code, "%s", text);
    return false;
}

bool pt_logic_no_memory(struct pt_logic_run *run)
{
    return fail(run, PT_NO_MEMORY, "the rule needs more memory than one evaluation may have");
}

static value_t array_of(const value_t *items, uint32_t count)
{
    value_t array = {.kind = PT_LOGIC_ARRAY, .count = count};

    array.items = items;
    return array;
}

static value_t *room_for(struct pt_logic_run *run, uint32_t count)
{
    return pt_arena_alloc(run->arena, ((size_t)count + 1) * sizeof(value_t));
}

/* All arguments, evaluated. */
static bool eval_args(struct pt_logic_run *run, const struct pt_logic *node, const value_t *data,
                      value_t **args_out)
{
    value_t *args = room_for(run, node->arg_count);

    if (!args) {
        return pt_logic_no_memory(run);
    }
    for (uint32_t i = 0; i < node->arg_count; i++) {
        if (!pt_logic_eval_node(run, &node->args[i], data, &args[i])) {
            return false;
        }
    }
    args[node->arg_count] = pt_logic_null(); /* what a missing last argument is */
    *args_out = args;
    return true;
}

/* Argument `index`, or null. */
static bool eval_arg(struct pt_logic_run *run, const struct pt_logic *node, uint32_t index,
                     const value_t *data, value_t *out)
{
    *out = pt_logic_null();
    return index >= node->arg_count || pt_logic_eval_node(run, &node->args[index], data, out);
}

/* What the buffer holds becomes a text of the run. The buffer is released. */
static bool keep_text(struct pt_logic_run *run, struct pt_buf *buf, value_t *out)
{
    uint8_t *copy = buf->has_failed ? NULL : pt_arena_alloc(run->arena, buf->size + 1);

    if (copy && buf->size > 0) {
        memcpy(copy, buf->data, buf->size);
    }
    *out = pt_logic_text(pt_span_of(copy, buf->size));
    pt_buf_release(buf);
    return copy || pt_logic_no_memory(run);
}

/* ---- data ---- */

static value_t follow(const value_t *data, struct pt_span path)
{
    value_t value = *data;

    for (;;) {
        const uint8_t *dot = path.size > 0 ? memchr(path.data, '.', path.size) : NULL;
        size_t bytes = dot ? (size_t)(dot - path.data) : path.size;

        value = pt_logic_member(&value, pt_span_of(path.data, bytes));
        if (!dot || value.kind == PT_LOGIC_NULL) {
            return value;
        }
        path = pt_span_of(dot + 1, path.size - bytes - 1);
    }
}

/* The value under a path that is any value; null and "" name the data itself. */
static bool look_up(struct pt_logic_run *run, const value_t *path, const value_t *data,
                    value_t *out)
{
    struct pt_buf text;
    value_t name = *path;

    if (path->kind == PT_LOGIC_NULL || (path->kind == PT_LOGIC_STRING && path->text.size == 0)) {
        *out = *data;
        return true;
    }
    if (path->kind != PT_LOGIC_STRING) {
        pt_buf_init(&text, PT_LOGIC_TEXT_BYTES_MAX);
        pt_logic_append_text(&text, path, false);
        if (!keep_text(run, &text, &name)) {
            return false;
        }
    }
    *out = follow(data, name.text);
    return true;
}

static bool eval_var(struct pt_logic_run *run, const struct pt_logic *node, const value_t *data,
                     value_t *out)
{
    if (node->property != PT_PROPERTY_NONE && run->flag_key.data) {
        *out = node->property == PT_PROPERTY_FLAG_KEY ? pt_logic_text(run->flag_key)
                                                      : pt_logic_number((double)run->now_s);
        return true;
    }
    if (node->path_count > 0) {
        *out = *data;
        for (uint32_t i = 0; i < node->path_count; i++) {
            *out = pt_logic_member(out, node->path[i]);
        }
    } else {
        value_t path;

        if (!eval_arg(run, node, 0, data, &path) || !look_up(run, &path, data, out)) {
            return false;
        }
    }
    if (out->kind != PT_LOGIC_NULL) {
        return true;
    }
    run->is_key_missing = run->is_key_missing || node->is_targeting_key;
    return eval_arg(run, node, 1, data, out);
}

/* Those of `keys` that the data has not got, or has as null or "". */
static bool find_missing(struct pt_logic_run *run, const value_t *keys, uint32_t count,
                         const value_t *data, value_t *out)
{
    value_t *missing = room_for(run, count);
    uint32_t found = 0;

    if (!missing) {
        return pt_logic_no_memory(run);
    }
    for (uint32_t i = 0; i < count; i++) {
        value_t value;

        if (!look_up(run, &keys[i], data, &value)) {
            return false;
        }
        if (value.kind == PT_LOGIC_NULL || (value.kind == PT_LOGIC_STRING && !value.text.size)) {
            missing[found++] = keys[i];
        }
    }
    *out = array_of(missing, found);
    return true;
}

static bool eval_missing(struct pt_logic_run *run, const struct pt_logic *node, const value_t *data,
                         value_t *out)
{
    value_t *args = NULL;
    const value_t *keys = NULL;
    uint32_t count = node->arg_count;

    if (!eval_args(run, node, data, &args)) {
        return false;
    }
    keys = args;
    if (count > 0 && pt_logic_is_array(&args[0])) {
        count = pt_logic_count(&args[0]);
        if (!pt_logic_items(run->arena, &args[0], &keys)) {
            return pt_logic_no_memory(run);
        }
    }
    return find_missing(run, keys, count, data, out);
}

static bool eval_missing_some(struct pt_logic_run *run, const struct pt_logic *node,
                              const value_t *data, value_t *out)
{
    value_t wanted;
    value_t list;
    const value_t *keys = NULL;
    uint32_t count = 0;

    if (!eval_arg(run, node, 0, data, &wanted) || !eval_arg(run, node, 1, data, &list)) {
        return false;
    }
    if (pt_logic_is_array(&list)) {
        count = pt_logic_count(&list);
        if (!pt_logic_items(run->arena, &list, &keys)) {
            return pt_logic_no_memory(run);
        }
    }
    if (!find_missing(run, keys, count, data, out)) {
        return false;
    }
    if (count - out->count >= pt_logic_to_number(&wanted)) {
        out->count = 0;
    }
    return true;
}

/* ---- control ---- */

static bool eval_if(struct pt_logic_run *run, const struct pt_logic *node, const value_t *data,
                    value_t *out)
{
    uint32_t i = 0;

    for (; i + 1 < node->arg_count; i += 2) {
        value_t condition;

        if (!pt_logic_eval_node(run, &node->args[i], data, &condition)) {
            return false;
        }
        if (pt_logic_truthy(&condition)) {
            return pt_logic_eval_node(run, &node->args[i + 1], data, out);
        }
    }
    return eval_arg(run, node, i, data, out);
}

/* and: the first that is false, or the last; or: the first that is true, or the last. */
static bool eval_and_or(struct pt_logic_run *run, const struct pt_logic *node, const value_t *data,
                        value_t *out)
{
    *out = pt_logic_null();
    for (uint32_t i = 0; i < node->arg_count; i++) {
        if (!pt_logic_eval_node(run, &node->args[i], data, out)) {
            return false;
        }
        if (pt_logic_truthy(out) == (node->op == PT_OP_OR)) {
            return true;
        }
    }
    return true;
}

static bool eval_comparison(struct pt_logic_run *run, const struct pt_logic *node,
                            const value_t *data, value_t *out)
{
    value_t a;
    value_t b;
    value_t third;
    bool is_true = false;

    if (!eval_arg(run, node, 0, data, &a) || !eval_arg(run, node, 1, data, &b)) {
        return false;
    }
    switch ((int)node->op) {
    case PT_OP_EQUAL:
    case PT_OP_NOT_EQUAL:
        is_true = pt_logic_equal(&a, &b) == (node->op == PT_OP_EQUAL);
        break;
    case PT_OP_SAME:
    case PT_OP_NOT_SAME:
        is_true = pt_logic_same(&a, &b) == (node->op == PT_OP_SAME);
        break;
    case PT_OP_GREATER:
    case PT_OP_GREATER_EQUAL:
        is_true = pt_logic_less(&b, &a, node->op == PT_OP_GREATER_EQUAL);
        break;
    default:
        is_true = pt_logic_less(&a, &b, node->op == PT_OP_LESS_EQUAL);
        if (is_true && node->arg_count > 2) {
            if (!eval_arg(run, node, 2, data, &third)) {
                return false;
            }
            is_true = pt_logic_less(&b, &third, node->op == PT_OP_LESS_EQUAL);
        }
        break;
    }
    *out = pt_logic_bool(is_true);
    return true;
}

/* ---- numbers ---- */

static bool eval_arithmetic(struct pt_logic_run *run, const struct pt_logic *node,
                            const value_t *data, value_t *out)
{
    value_t *args = NULL;
    uint32_t count = node->arg_count;
    double number = 0;

    if (!eval_args(run, node, data, &args)) {
        return false;
    }
    switch ((int)node->op) {
    case PT_OP_ADD:
        for (uint32_t i = 0; i < count; i++) {
            number += pt_logic_parse_float(&args[i]);
        }
        break;
    case PT_OP_MULTIPLY:
        if (count == 1) {
            *out = args[0]; /* json-logic-js folds the list, and one value folds to itself */
            return true;
        }
        number = count > 0 ? 1 : NAN;
        for (uint32_t i = 0; i < count; i++) {
            number *= pt_logic_parse_float(&args[i]);
        }
        break;
    case PT_OP_SUBTRACT:
        number = count == 1  ? -pt_logic_to_number(&args[0])
                 : count > 1 ? pt_logic_to_number(&args[0]) - pt_logic_to_number(&args[1])
                             : NAN;
        break;
    case PT_OP_DIVIDE:
        number = count > 1 ? pt_logic_to_number(&args[0]) / pt_logic_to_number(&args[1]) : NAN;
        break;
    case PT_OP_MODULO:
        number = count > 1 ? fmod(pt_logic_to_number(&args[0]), pt_logic_to_number(&args[1])) : NAN;
        break;
    default:
        number = node->op == PT_OP_MIN ? INFINITY : -INFINITY;
        for (uint32_t i = 0; i < count && !isnan(number); i++) {
            double other = pt_logic_to_number(&args[i]);

            if (isnan(other) || (node->op == PT_OP_MIN ? other < number : other > number)) {
                number = other;
            }
        }
        break;
    }
    *out = pt_logic_number(number);
    return true;
}

/* ---- texts ---- */

static bool eval_cat(struct pt_logic_run *run, const struct pt_logic *node, const value_t *data,
                     value_t *out)
{
    struct pt_buf text;
    value_t *args = NULL;

    if (!eval_args(run, node, data, &args)) {
        return false;
    }
    pt_buf_init(&text, PT_LOGIC_TEXT_BYTES_MAX);
    for (uint32_t i = 0; i < node->arg_count; i++) {
        pt_logic_append_text(&text, &args[i], true);
    }
    return keep_text(run, &text, out);
}

static bool is_continuation(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

static size_t count_points(struct pt_span text)
{
    size_t count = 0;

    for (size_t i = 0; i < text.size; i++) {
        count += !is_continuation(text.data[i]);
    }
    return count;
}

/* Byte offset of code point `index`, or the size. */
static size_t offset_of(struct pt_span text, size_t index)
{
    size_t at = 0;

    for (; at < text.size; at++) {
        if (!is_continuation(text.data[at]) && index-- == 0) {
            break;
        }
    }
    return at;
}

/* An argument of substr as JavaScript takes it: truncated, NaN is 0, within +-1e9. */
static double as_position(const value_t *value)
{
    double number = trunc(pt_logic_to_number(value));

    return isnan(number) ? 0 : fmax(-1e9, fmin(1e9, number));
}

static bool eval_substr(struct pt_logic_run *run, const struct pt_logic *node, const value_t *data,
                        value_t *out)
{
    struct pt_buf buf;
    value_t *args = NULL;
    value_t text;
    double count = 0;
    double from = 0;
    double to = 0;

    if (!eval_args(run, node, data, &args)) {
        return false;
    }
    pt_buf_init(&buf, PT_LOGIC_TEXT_BYTES_MAX);
    if (node->arg_count > 0) {
        pt_logic_append_text(&buf, &args[0], false);
    }
    if (!keep_text(run, &buf, &text)) {
        return false;
    }
    count = (double)count_points(text.text);
    from = node->arg_count > 1 ? as_position(&args[1]) : 0;
    from = from < 0 ? fmax(0, count + from) : fmin(from, count);
    to = count;
    if (node->arg_count > 2) {
        double length = as_position(&args[2]);

        /* A negative one counts from the end. */
        to = length < 0 ? count + length : from + length;
        to = fmax(from, fmin(to, count));
    }
    size_t first = offset_of(text.text, (size_t)from);
    size_t last = offset_of(text.text, (size_t)to);

    *out = pt_logic_text(pt_span_of(text.text.data + first, last - first));
    return true;
}

static bool contains(struct pt_span text, struct pt_span part)
{
    for (size_t i = 0; i + part.size <= text.size; i++) {
        if (part.size == 0 || memcmp(text.data + i, part.data, part.size) == 0) {
            return true;
        }
    }
    return false;
}

static bool eval_in(struct pt_logic_run *run, const struct pt_logic *node, const value_t *data,
                    value_t *out)
{
    struct pt_buf buf;
    value_t *args = NULL;
    const value_t *items = NULL;
    value_t part;
    bool is_in = false;

    if (!eval_args(run, node, data, &args)) {
        return false;
    }
    *out = pt_logic_bool(false);
    if (node->arg_count < 2) {
        return true;
    }
    if (args[1].kind == PT_LOGIC_STRING) {
        pt_buf_init(&buf, PT_LOGIC_TEXT_BYTES_MAX);
        pt_logic_append_text(&buf, &args[0], false);
        if (!keep_text(run, &buf, &part)) {
            return false;
        }
        *out = pt_logic_bool(contains(args[1].text, part.text));
        return true;
    }
    if (!pt_logic_is_array(&args[1])) {
        return true;
    }
    if (!pt_logic_items(run->arena, &args[1], &items)) {
        return pt_logic_no_memory(run);
    }
    run->steps += pt_logic_count(&args[1]); /* looked at by the next step */
    for (uint32_t i = 0; i < pt_logic_count(&args[1]) && !is_in; i++) {
        is_in = pt_logic_same(&args[0], &items[i]);
    }
    *out = pt_logic_bool(is_in);
    return true;
}

static value_t starts_or_ends(const value_t *args, uint32_t count, bool at_end)
{
    if (count != 2 || args[0].kind != PT_LOGIC_STRING || args[1].kind != PT_LOGIC_STRING) {
        return pt_logic_null();
    }
    struct pt_span text = args[0].text;
    struct pt_span part = args[1].text;

    return pt_logic_bool(part.size <= text.size &&
                         (part.size == 0 || memcmp(text.data + (at_end ? text.size - part.size : 0),
                                                   part.data, part.size) == 0));
}

/* ---- arrays ---- */

static bool eval_merge(struct pt_logic_run *run, const struct pt_logic *node, const value_t *data,
                       value_t *out)
{
    value_t *args = NULL;
    value_t *merged = NULL;
    uint64_t count = 0;

    if (!eval_args(run, node, data, &args)) {
        return false;
    }
    for (uint32_t i = 0; i < node->arg_count; i++) {
        count += pt_logic_is_array(&args[i]) ? pt_logic_count(&args[i]) : 1;
    }
    merged = count < UINT32_MAX ? room_for(run, (uint32_t)count) : NULL;
    if (!merged) {
        return pt_logic_no_memory(run);
    }
    count = 0;
    for (uint32_t i = 0; i < node->arg_count; i++) {
        const value_t *items = &args[i];
        uint32_t more = 1;

        if (pt_logic_is_array(&args[i])) {
            more = pt_logic_count(&args[i]);
            if (!pt_logic_items(run->arena, &args[i], &items)) {
                return pt_logic_no_memory(run);
            }
        }
        for (uint32_t k = 0; k < more; k++) {
            merged[count++] = items[k];
        }
    }
    *out = array_of(merged, (uint32_t)count);
    return true;
}

/* The list in the first argument; what is no array is an empty one. */
static bool eval_list(struct pt_logic_run *run, const struct pt_logic *node, const value_t *data,
                      const value_t **items_out, uint32_t *count_out)
{
    value_t list;

    *count_out = 0;
    if (!eval_arg(run, node, 0, data, &list)) {
        return false;
    }
    if (!pt_logic_is_array(&list)) {
        return true;
    }
    *count_out = pt_logic_count(&list);
    run->steps += *count_out; /* looked at by the next step */
    return pt_logic_items(run->arena, &list, items_out) || pt_logic_no_memory(run);
}

static bool eval_map_filter(struct pt_logic_run *run, const struct pt_logic *node,
                            const value_t *data, value_t *out)
{
    const value_t *items = NULL;
    value_t *made = NULL;
    uint32_t count = 0;
    uint32_t kept = 0;

    if (!eval_list(run, node, data, &items, &count)) {
        return false;
    }
    made = room_for(run, count);
    if (!made) {
        return pt_logic_no_memory(run);
    }
    for (uint32_t i = 0; i < count; i++) {
        value_t value;

        if (!eval_arg(run, node, 1, &items[i], &value)) {
            return false;
        }
        if (node->op == PT_OP_MAP) {
            made[kept++] = value;
        } else if (pt_logic_truthy(&value)) {
            made[kept++] = items[i];
        }
    }
    *out = array_of(made, kept);
    return true;
}

static bool eval_reduce(struct pt_logic_run *run, const struct pt_logic *node, const value_t *data,
                        value_t *out)
{
    const struct pt_span keys[] = {pt_span_str("current"), pt_span_str("accumulator")};
    const value_t *items = NULL;
    uint32_t count = 0;

    if (!eval_list(run, node, data, &items, &count) || !eval_arg(run, node, 2, data, out)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        value_t *pair = room_for(run, 2);
        struct pt_span *names = pt_arena_alloc(run->arena, sizeof(keys));
        value_t scope = {.kind = PT_LOGIC_OBJECT, .count = 2};

        if (!pair || !names) {
            return pt_logic_no_memory(run);
        }
        /* In the arena: the rule may give its scope back as a value. */
        memcpy(names, keys, sizeof(keys));
        pair[0] = items[i];
        pair[1] = *out;
        scope.items = pair;
        scope.keys = names;
        if (!eval_arg(run, node, 1, &scope, out)) {
            return false;
        }
    }
    return true;
}

static bool eval_quantifier(struct pt_logic_run *run, const struct pt_logic *node,
                            const value_t *data, value_t *out)
{
    const value_t *items = NULL;
    uint32_t count = 0;
    uint32_t hits = 0;

    if (!eval_list(run, node, data, &items, &count)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        value_t value;

        if (!eval_arg(run, node, 1, &items[i], &value)) {
            return false;
        }
        hits += pt_logic_truthy(&value);
        if (node->op == PT_OP_ALL ? hits <= i : hits > 0) {
            break;
        }
    }
    *out = pt_logic_bool(node->op == PT_OP_ALL    ? count > 0 && hits == count
                         : node->op == PT_OP_NONE ? hits == 0
                                                  : hits > 0);
    return true;
}

/* ---- the walk ---- */

static bool eval_list_rule(struct pt_logic_run *run, const struct pt_logic *node,
                           const value_t *data, value_t *out)
{
    value_t *items = NULL;

    if (!eval_args(run, node, data, &items)) {
        return false;
    }
    *out = array_of(items, node->arg_count);
    return true;
}

static bool eval_not(struct pt_logic_run *run, const struct pt_logic *node, const value_t *data,
                     value_t *out)
{
    value_t value;

    if (!eval_arg(run, node, 0, data, &value)) {
        return false;
    }
    *out = pt_logic_bool(pt_logic_truthy(&value) == (node->op == PT_OP_TRUTHY));
    return true;
}

/* It gives its argument: a server has no console to write it on. */
static bool eval_log(struct pt_logic_run *run, const struct pt_logic *node, const value_t *data,
                     value_t *out)
{
    return eval_arg(run, node, 0, data, out);
}

static bool eval_starts_or_ends(struct pt_logic_run *run, const struct pt_logic *node,
                                const value_t *data, value_t *out)
{
    value_t *args = NULL;

    if (!eval_args(run, node, data, &args)) {
        return false;
    }
    *out = starts_or_ends(args, node->arg_count, node->op == PT_OP_ENDS_WITH);
    return true;
}

static bool eval_sem_ver(struct pt_logic_run *run, const struct pt_logic *node, const value_t *data,
                         value_t *out)
{
    value_t *args = NULL;

    if (!eval_args(run, node, data, &args)) {
        return false;
    }
    *out = pt_logic_sem_ver(args, node->arg_count);
    return true;
}

static bool eval_broken(struct pt_logic_run *run, const struct pt_logic *node, const value_t *data,
                        value_t *out)
{
    (void)data;
    (void)out;
    (void)pt_fail(&run->err, PT_INVALID, "%.*s", PT_SPAN_ARG(node->value.text));
    return false;
}

typedef bool evaluator_t(struct pt_logic_run *run, const struct pt_logic *node, const value_t *data,
                         value_t *out);

static evaluator_t *const evaluators[] = {
    [PT_OP_LIST] = eval_list_rule,
    [PT_OP_BROKEN] = eval_broken,
    [PT_OP_VAR] = eval_var,
    [PT_OP_MISSING] = eval_missing,
    [PT_OP_MISSING_SOME] = eval_missing_some,
    [PT_OP_IF] = eval_if,
    [PT_OP_AND] = eval_and_or,
    [PT_OP_OR] = eval_and_or,
    [PT_OP_EQUAL] = eval_comparison,
    [PT_OP_SAME] = eval_comparison,
    [PT_OP_NOT_EQUAL] = eval_comparison,
    [PT_OP_NOT_SAME] = eval_comparison,
    [PT_OP_GREATER] = eval_comparison,
    [PT_OP_GREATER_EQUAL] = eval_comparison,
    [PT_OP_LESS] = eval_comparison,
    [PT_OP_LESS_EQUAL] = eval_comparison,
    [PT_OP_NOT] = eval_not,
    [PT_OP_TRUTHY] = eval_not,
    [PT_OP_LOG] = eval_log,
    [PT_OP_IN] = eval_in,
    [PT_OP_CAT] = eval_cat,
    [PT_OP_SUBSTR] = eval_substr,
    [PT_OP_MODULO] = eval_arithmetic,
    [PT_OP_ADD] = eval_arithmetic,
    [PT_OP_MULTIPLY] = eval_arithmetic,
    [PT_OP_SUBTRACT] = eval_arithmetic,
    [PT_OP_DIVIDE] = eval_arithmetic,
    [PT_OP_MIN] = eval_arithmetic,
    [PT_OP_MAX] = eval_arithmetic,
    [PT_OP_MERGE] = eval_merge,
    [PT_OP_MAP] = eval_map_filter,
    [PT_OP_FILTER] = eval_map_filter,
    [PT_OP_REDUCE] = eval_reduce,
    [PT_OP_ALL] = eval_quantifier,
    [PT_OP_NONE] = eval_quantifier,
    [PT_OP_SOME] = eval_quantifier,
    [PT_OP_FRACTIONAL] = pt_logic_eval_fractional,
    [PT_OP_STARTS_WITH] = eval_starts_or_ends,
    [PT_OP_ENDS_WITH] = eval_starts_or_ends,
    [PT_OP_SEM_VER] = eval_sem_ver,
};

bool pt_logic_eval_node(struct pt_logic_run *run, const struct pt_logic *node, const value_t *data,
                        value_t *out)
{
    if (node->op == PT_OP_CONSTANT) {
        *out = node->value;
        return true;
    }
    if (++run->steps > PT_LOGIC_STEPS_MAX) {
        return fail(run, PT_TOO_BIG, "the rule takes more than a million steps");
    }
    return evaluators[node->op](run, node, data, out);
}

bool pt_logic_eval(struct pt_logic_run *run, const struct pt_logic *rule,
                   struct pt_logic_value *value_out)
{
    return pt_logic_eval_node(run, rule, &run->data, value_out);
}
