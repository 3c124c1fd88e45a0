/*
 * logic_compile.c - a JSONLogic rule becomes a tree of nodes
 */
#include "flag/definition.h"
#include "flag/logic_node.h"

/* How many arguments flagd's schema of targeting rules allows: what else is a mistake to lint. */
static const struct operator_entry {
    const char *name;
    enum pt_logic_op op;
    uint8_t args_min;
    uint8_t args_max; /* 0: any number */
} operators[] = {
    {"var", PT_OP_VAR, 0, 2},
    {"missing", PT_OP_MISSING, 0, 0},
    {"missing_some", PT_OP_MISSING_SOME, 2, 2},
    {"if", PT_OP_IF, 1, 0},
    {"?:", PT_OP_IF, 1, 0},
    {"and", PT_OP_AND, 1, 0},
    {"or", PT_OP_OR, 1, 0},
    {"==", PT_OP_EQUAL, 2, 2},
    {"===", PT_OP_SAME, 2, 2},
    {"!=", PT_OP_NOT_EQUAL, 2, 2},
    {"!==", PT_OP_NOT_SAME, 2, 2},
    {">", PT_OP_GREATER, 2, 2},
    {">=", PT_OP_GREATER_EQUAL, 2, 2},
    {"<", PT_OP_LESS, 2, 3},
    {"<=", PT_OP_LESS_EQUAL, 2, 3},
    {"!", PT_OP_NOT, 1, 1},
    {"!!", PT_OP_TRUTHY, 1, 1},
    {"%", PT_OP_MODULO, 2, 2},
    {"log", PT_OP_LOG, 1, 1},
    {"in", PT_OP_IN, 2, 2},
    {"cat", PT_OP_CAT, 1, 0},
    {"substr", PT_OP_SUBSTR, 2, 3},
    {"+", PT_OP_ADD, 1, 0},
    {"*", PT_OP_MULTIPLY, 2, 0},
    {"-", PT_OP_SUBTRACT, 1, 0},
    {"/", PT_OP_DIVIDE, 2, 2},
    {"min", PT_OP_MIN, 1, 0},
    {"max", PT_OP_MAX, 1, 0},
    {"merge", PT_OP_MERGE, 1, 0},
    {"map", PT_OP_MAP, 2, 2},
    {"filter", PT_OP_FILTER, 2, 2},
    {"reduce", PT_OP_REDUCE, 3, 3},
    {"all", PT_OP_ALL, 2, 2},
    {"none", PT_OP_NONE, 2, 2},
    {"some", PT_OP_SOME, 2, 2},
    {"fractional", PT_OP_FRACTIONAL, 1, 0},
    {"starts_with", PT_OP_STARTS_WITH, 2, 2},
    {"ends_with", PT_OP_ENDS_WITH, 2, 2},
    {"sem_ver", PT_OP_SEM_VER, 3, 3},
};

static bool compile(struct pt_flag_compiler *c, struct pt_json json, struct pt_logic *node);

static const struct operator_entry *find_operator(struct pt_span name)
{
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
        if (pt_span_is(name, operators[i].name)) {
            return &operators[i];
        }
    }
    return NULL;
}

/* The node fails with `detail` when it is reached; lint tells it at once. */
static bool break_node(struct pt_flag_compiler *c, struct pt_logic *node, const char *detail)
{
    if (c->logic_nodes <= PT_LOGIC_NODES_MAX) {
        pt_flag_report_strict(c, "%s", detail);
    }
    pt_flag_note_broken(c, detail);
    node->op = PT_OP_BROKEN;
    node->value = pt_logic_text(pt_flag_copy(c, pt_span_str(detail)));
    return node->value.text.data != NULL;
}

/* ---- constants ---- */

static bool copy_value(struct pt_flag_compiler *c, struct pt_json json, struct pt_logic_value *out)
{
    bool is_object = pt_json_type(json) == PT_JSON_OBJECT;
    struct pt_logic_value *items = NULL;
    struct pt_span *keys = NULL;
    uint32_t count = 0;

    *out = pt_logic_of_json(json);
    if (out->kind == PT_LOGIC_STRING) {
        out->text = pt_flag_copy(c, out->text);
        return out->text.data != NULL;
    }
    if (out->kind != PT_LOGIC_JSON) {
        return true;
    }
    items = pt_flag_room(c, pt_json_count(json) * sizeof(*items));
    keys = is_object ? pt_flag_room(c, pt_json_count(json) * sizeof(*keys)) : NULL;
    if (!items || (is_object && !keys)) {
        return false;
    }
    for (struct pt_json_iter it = pt_json_iterate(json); pt_json_next(&it); count++) {
        if (is_object) {
            keys[count] = pt_flag_copy(c, it.key);
        }
        if (!copy_value(c, it.value, &items[count])) {
            return false;
        }
    }
    *out = (struct pt_logic_value){.kind = is_object ? PT_LOGIC_OBJECT : PT_LOGIC_ARRAY,
                                   .count = count};
    out->items = items;
    out->keys = keys;
    return true;
}

static bool compile_constant(struct pt_flag_compiler *c, struct pt_json json, struct pt_logic *node)
{
    node->op = PT_OP_CONSTANT;
    return copy_value(c, json, &node->value);
}

/* A list whose elements are all constants is one itself. */
static bool fold_list(struct pt_flag_compiler *c, struct pt_logic *node)
{
    struct pt_logic_value *items = NULL;

    for (uint32_t i = 0; i < node->arg_count; i++) {
        if (node->args[i].op != PT_OP_CONSTANT) {
            return true;
        }
    }
    items = pt_flag_room(c, node->arg_count * sizeof(*items));
    if (!items) {
        return false;
    }
    for (uint32_t i = 0; i < node->arg_count; i++) {
        items[i] = node->args[i].value;
    }
    node->op = PT_OP_CONSTANT;
    node->value = (struct pt_logic_value){.kind = PT_LOGIC_ARRAY, .count = node->arg_count};
    node->value.items = items;
    return true;
}

/* ---- operators ---- */

/* The arguments: a list, or one that stands without its brackets. */
static bool compile_args(struct pt_flag_compiler *c, struct pt_json json, struct pt_logic *node)
{
    bool is_list = pt_json_type(json) == PT_JSON_ARRAY;
    uint32_t count = is_list ? pt_json_count(json) : 1;

    node->args = pt_flag_room(c, count * sizeof(*node->args));
    if (!node->args) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        size_t mark = is_list ? pt_flag_down_index(c, i) : c->pointer_bytes;
        bool is_ok = compile(c, is_list ? pt_json_element(json, i) : json, &node->args[i]);

        pt_flag_up(c, mark);
        if (!is_ok) {
            return false;
        }
    }
    node->arg_count = count;
    return true;
}

static bool is_constant_text(const struct pt_logic *node)
{
    return node->op == PT_OP_CONSTANT && node->value.kind == PT_LOGIC_STRING;
}

static bool starts_with(struct pt_span text, const char *start)
{
    size_t bytes = strlen(start);

    return text.size >= bytes && memcmp(text.data, start, bytes) == 0;
}

static bool split_path(struct pt_flag_compiler *c, struct pt_logic *node, struct pt_span path)
{
    uint32_t count = 1;

    for (size_t i = 0; i < path.size; i++) {
        count += path.data[i] == '.';
    }
    node->path = pt_flag_room(c, count * sizeof(*node->path));
    if (!node->path) {
        return false;
    }
    node->path_count = count;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *dot = path.size > 0 ? memchr(path.data, '.', path.size) : NULL;
        size_t bytes = dot ? (size_t)(dot - path.data) : path.size;

        node->path[i] = pt_span_of(path.data, bytes);
        if (dot) {
            path = pt_span_of(dot + 1, path.size - bytes - 1);
        }
    }
    return true;
}

static bool finish_var(struct pt_flag_compiler *c, struct pt_logic *node)
{
    struct pt_span path;

    if (node->arg_count == 0 || !is_constant_text(&node->args[0])) {
        return true;
    }
    path = node->args[0].value.text;
    if (path.size == 0) {
        return true; /* the data itself, as for null */
    }
    if (pt_span_is(path, "$flagd.flagKey")) {
        node->property = PT_PROPERTY_FLAG_KEY;
    } else if (pt_span_is(path, "$flagd.timestamp")) {
        node->property = PT_PROPERTY_TIMESTAMP;
    } else if (starts_with(path, "$flagd.")) {
        pt_flag_report_strict(c,
                              "there is no \"%.*s\": flagd has $flagd.flagKey and "
                              "$flagd.timestamp",
                              PT_SPAN_ARG(path));
    }
    node->is_targeting_key = pt_span_is(path, "targetingKey");
    return split_path(c, node, path);
}

static void lint_weight(struct pt_flag_compiler *c, const struct pt_logic *weight)
{
    if (weight->op != PT_OP_CONSTANT) {
        return;
    }
    if (weight->value.kind != PT_LOGIC_NUMBER || weight->value.number < 0 ||
        weight->value.number > INT32_MAX ||
        weight->value.number != (double)(int64_t)weight->value.number) {
        pt_flag_report_strict(c, "a weight is a whole number from 0 to 2147483647, or a rule that "
                                 "gives one");
    }
}

static void lint_fractional(struct pt_flag_compiler *c, const struct pt_logic *node,
                            struct pt_json args)
{
    double total = 0;
    bool is_total_known = true;
    uint32_t buckets = 0;

    for (uint32_t i = 0; i < node->arg_count; i++) {
        struct pt_json json = pt_json_type(args) == PT_JSON_ARRAY ? pt_json_element(args, i) : args;
        bool is_entry = pt_json_type(json) == PT_JSON_ARRAY;
        size_t mark = pt_flag_down_index(c, i);

        if (!is_entry && i == 0) {
            if (pt_json_type(json) != PT_JSON_OBJECT) {
                pt_flag_report_strict(c, "the bucketing key must be a rule such as "
                                         "{\"var\":\"targetingKey\"}");
            }
        } else if (!is_entry || pt_json_count(json) < 1 || pt_json_count(json) > 2) {
            pt_flag_report_strict(c, "an entry of \"fractional\" is [\"variant\"] or "
                                     "[\"variant\", weight]");
        } else {
            struct pt_logic weight = {.op = PT_OP_CONSTANT, .value = pt_logic_number(1)};
            struct pt_json given = pt_json_element(json, 1);

            buckets++;
            if (pt_json_exists(given)) {
                size_t inner = pt_flag_down_index(c, 1);

                weight.value = pt_logic_of_json(given);
                weight.op = pt_json_type(given) == PT_JSON_OBJECT ? PT_OP_LIST : PT_OP_CONSTANT;
                lint_weight(c, &weight);
                pt_flag_up(c, inner);
            }
            is_total_known = is_total_known && weight.op == PT_OP_CONSTANT;
            total += weight.value.kind == PT_LOGIC_NUMBER && weight.value.number > 0
                         ? weight.value.number
                         : 0;
        }
        pt_flag_up(c, mark);
    }
    if (buckets == 0) {
        pt_flag_report_strict(c, "\"fractional\" names no variant");
    } else if (total > INT32_MAX) {
        pt_flag_report_strict(c, "the weights sum to %.0f, the most is 2147483647", total);
    } else if (is_total_known && total == 0) {
        pt_flag_warn(c, "all weights are 0: everybody gets the default variant");
    }
}

static void lint_sem_ver(struct pt_flag_compiler *c, const struct pt_logic *node)
{
    struct pt_semver version;

    for (uint32_t i = 0; i < node->arg_count && i < 3; i++) {
        const struct pt_logic *arg = &node->args[i];
        size_t mark = pt_flag_down_index(c, i);

        if (arg->op == PT_OP_CONSTANT && i == 1 &&
            (arg->value.kind != PT_LOGIC_STRING || !pt_semver_is_operator(arg->value.text))) {
            pt_flag_report_strict(c, "the operator is one of = != < <= > >= ^ ~");
        } else if (arg->op == PT_OP_CONSTANT && i != 1 &&
                   (arg->value.kind != PT_LOGIC_STRING ||
                    !pt_semver_parse(arg->value.text, &version))) {
            pt_flag_report_strict(c, "this is no semantic version, such as \"2.0.0\"");
        }
        pt_flag_up(c, mark);
    }
}

static bool compile_operator(struct pt_flag_compiler *c, struct pt_span name, struct pt_json args,
                             struct pt_logic *node)
{
    const struct operator_entry *entry = find_operator(name);
    char text[160];

    if (!entry) {
        snprintf(text, sizeof(text), "there is no operator \"%.*s\"",
                 (int)(name.size < 80 ? name.size : 80), (const char *)name.data);
        return break_node(c, node, text);
    }
    if (!compile_args(c, args, node)) {
        return false;
    }
    node->op = entry->op;
    if (node->arg_count < entry->args_min ||
        (entry->args_max && node->arg_count > entry->args_max)) {
        if (entry->args_min == entry->args_max) {
            pt_flag_report_strict(c, "\"%s\" takes %u arguments, these are %u", entry->name,
                                  entry->args_min, node->arg_count);
        } else if (entry->args_max) {
            pt_flag_report_strict(c, "\"%s\" takes %u to %u arguments, these are %u", entry->name,
                                  entry->args_min, entry->args_max, node->arg_count);
        } else {
            pt_flag_report_strict(c, "\"%s\" takes at least %u arguments, these are %u",
                                  entry->name, entry->args_min, node->arg_count);
        }
    }
    if (entry->op == PT_OP_VAR) {
        return finish_var(c, node);
    }
    if (entry->op == PT_OP_FRACTIONAL) {
        lint_fractional(c, node, args);
    } else if (entry->op == PT_OP_SEM_VER) {
        lint_sem_ver(c, node);
    }
    return true;
}

/* {"$ref":"name"}: the shared rule of that name stands here instead. */
static bool compile_ref(struct pt_flag_compiler *c, struct pt_json name, struct pt_logic *node)
{
    struct pt_json rule = {0};
    char text[200];
    bool is_ok = false;

    if (pt_json_type(name) == PT_JSON_STRING && pt_json_exists(c->evaluators)) {
        for (struct pt_json_iter it = pt_json_iterate(c->evaluators); pt_json_next(&it);) {
            if (pt_span_equal(it.key, pt_json_string(name))) {
                rule = it.value;
            }
        }
    }
    if (!pt_json_exists(rule) && c->is_rule_alone) {
        node->op = PT_OP_CONSTANT; /* it stands in another file: nothing to judge here */
        return true;
    }
    if (!pt_json_exists(rule)) {
        struct pt_span shown =
            pt_json_type(name) == PT_JSON_STRING ? pt_json_string(name) : pt_span_str("");

        snprintf(text, sizeof(text), "\"$evaluators\" has no \"%.*s\"",
                 (int)(shown.size < 100 ? shown.size : 100), (const char *)shown.data);
        return break_node(c, node, text);
    }
    if (c->ref_depth >= 32) {
        return break_node(c, node, "\"$ref\" goes round in a circle, or more than 32 deep");
    }
    c->ref_depth++;
    is_ok = compile(c, rule, node);
    c->ref_depth--;
    return is_ok;
}

static bool compile_inner(struct pt_flag_compiler *c, struct pt_json json, struct pt_logic *node)
{
    struct pt_json_iter it;

    if (pt_json_type(json) == PT_JSON_ARRAY) {
        node->op = PT_OP_LIST;
        return compile_args(c, json, node) && fold_list(c, node);
    }
    if (pt_json_type(json) != PT_JSON_OBJECT) {
        return compile_constant(c, json, node);
    }
    it = pt_json_iterate(json);
    if (pt_json_count(json) != 1 || !pt_json_next(&it)) {
        if (pt_json_count(json) > 0) {
            pt_flag_report_strict(c, "a rule is an object with one operator, this has %u members",
                                  pt_json_count(json));
        }
        return compile_constant(c, json, node);
    }
    size_t mark = pt_flag_down(c, it.key);
    bool is_ok = pt_span_is(it.key, "$ref") ? compile_ref(c, it.value, node)
                                            : compile_operator(c, it.key, it.value, node);

    pt_flag_up(c, mark);
    return is_ok;
}

/* False without memory alone: everything else that is wrong becomes a node that fails. */
static bool compile(struct pt_flag_compiler *c, struct pt_json json, struct pt_logic *node)
{
    bool is_ok = false;

    *node = (struct pt_logic){0};
    c->logic_nodes++;
    if (c->logic_nodes >= PT_LOGIC_NODES_MAX || c->logic_depth >= PT_LOGIC_DEPTH_MAX) {
        return break_node(c, node,
                          "the rule is too large: 100000 parts and a depth of 100 are the "
                          "most, with each $ref written out");
    }
    c->logic_depth++;
    is_ok = compile_inner(c, json, node);
    c->logic_depth--;
    return is_ok;
}

const struct pt_logic *pt_logic_compile(struct pt_flag_compiler *c, struct pt_json rule)
{
    struct pt_logic *node = pt_flag_room(c, sizeof(*node));

    c->logic_nodes = 0;
    c->logic_depth = 0;
    c->ref_depth = 0;
    return node && compile(c, rule, node) ? node : NULL;
}
