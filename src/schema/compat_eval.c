/*
 * compat_eval.c - single values and single names: is this constant valid, is this name looked at
 *
 * An answer of COMPAT_UNKNOWN is always allowed, and given where a keyword asks for more than is
 * worth having here; whoever asks takes it for the worse.
 */
#include "schema/compat_node.h"

#include "schema/format.h"

#define DEPTH_MAX 64
#define MATCH_STEPS 100000

/* ---- patterns --------------------------------------------------------------------- */

enum compat_answer compat_matches(struct compat_checker *ck, struct pt_span pattern,
                                  struct pt_span text)
{
    struct compat_regex *entry = NULL;
    uint64_t steps = MATCH_STEPS;
    enum pt_match match = PT_MATCH_NO;

    for (uint32_t i = 0; i < ck->regex_count && !entry; i++) {
        entry = pt_span_equal(ck->regexes[i].pattern, pattern) ? &ck->regexes[i] : NULL;
    }
    if (!entry) {
        if (ck->regex_count == COMPAT_REGEXES_MAX || !compat_spend(ck, 2000)) {
            return COMPAT_UNKNOWN;
        }
        entry = &ck->regexes[ck->regex_count++];
        *entry = (struct compat_regex){.pattern = pattern};
        if (pt_regex_compile(&entry->regex, pattern, NULL)) {
            entry->regex = NULL;
        }
    }
    if (!ck->regex_space) {
        ck->regex_space = pt_regex_space_create();
    }
    if (!entry->regex || !ck->regex_space || !compat_spend(ck, 8 + text.size / 8)) {
        return COMPAT_UNKNOWN;
    }
    match = pt_regex_match(entry->regex, text, ck->regex_space, &steps);
    if (!compat_spend(ck, MATCH_STEPS - (steps < MATCH_STEPS ? steps : MATCH_STEPS)) ||
        match == PT_MATCH_TOO_COMPLEX) {
        return COMPAT_UNKNOWN;
    }
    return match == PT_MATCH_YES ? COMPAT_YES : COMPAT_NO;
}

/* ---- values ------------------------------------------------------------------------- */

/* A constant of a schema, or a member's name. */
struct value {
    struct pt_json json; /* absent: it is `text` */
    struct pt_span text;
    uint8_t type;
};

static enum compat_answer evaluate(struct compat_checker *ck, const struct value *value,
                                   const struct compat_node *schema, uint32_t depth);

static enum compat_answer both(enum compat_answer a, enum compat_answer b)
{
    if (a == COMPAT_NO || b == COMPAT_NO) {
        return COMPAT_NO;
    }
    return a == COMPAT_UNKNOWN || b == COMPAT_UNKNOWN ? COMPAT_UNKNOWN : COMPAT_YES;
}

static enum compat_answer answer_of(bool is_true)
{
    return is_true ? COMPAT_YES : COMPAT_NO;
}

static struct value value_of(struct pt_json json)
{
    struct value value = {.json = json, .type = COMPAT_OBJECT};

    switch (pt_json_type(json)) {
    case PT_JSON_NULL:
        value.type = COMPAT_NULL;
        break;
    case PT_JSON_BOOL:
        value.type = COMPAT_BOOL;
        break;
    case PT_JSON_INT:
    case PT_JSON_UINT:
    case PT_JSON_DOUBLE:
        value.type = pt_number_is_integer(compat_number(json)) ? COMPAT_INTEGER : COMPAT_FRACTION;
        break;
    case PT_JSON_STRING:
        value.type = COMPAT_STRING;
        value.text = pt_json_string(json);
        break;
    case PT_JSON_ARRAY:
        value.type = COMPAT_ARRAY;
        break;
    case PT_JSON_OBJECT:
        break;
    }
    return value;
}

static bool is_value(struct compat_checker *ck, const struct value *value, struct pt_json json)
{
    if (pt_json_exists(value->json)) {
        return compat_json_equal(ck, value->json, json);
    }
    return pt_json_type(json) == PT_JSON_STRING && pt_span_equal(pt_json_string(json), value->text);
}

static enum compat_answer in_enum(struct compat_checker *ck, const struct value *value,
                                  const struct compat_node *schema)
{
    struct pt_json list = compat_keyword(ck, schema, "enum");
    struct pt_json only = compat_keyword(ck, schema, "const");
    struct pt_json_iter it;

    if (pt_json_exists(only) && !is_value(ck, value, only)) {
        return COMPAT_NO;
    }
    if (!pt_json_exists(list) || pt_json_type(list) != PT_JSON_ARRAY) {
        return COMPAT_YES;
    }
    it = pt_json_iterate(list);
    while (pt_json_next(&it)) {
        if (is_value(ck, value, it.value)) {
            return COMPAT_YES;
        }
    }
    return COMPAT_NO;
}

/* -1, 0, 1: `number` against the keyword's; 2: there is no such keyword. */
static int against(struct compat_checker *ck, struct pt_number number,
                   const struct compat_node *schema, const char *keyword)
{
    struct pt_json bound = compat_keyword(ck, schema, keyword);

    return pt_json_exists(bound) && pt_json_is_number(bound)
               ? pt_number_compare(number, compat_number(bound))
               : 2;
}

static enum compat_answer evaluate_number(struct compat_checker *ck, struct pt_number number,
                                          const struct compat_node *schema)
{
    struct pt_json multiple = compat_keyword(ck, schema, "multipleOf");
    int order = against(ck, number, schema, "maximum");

    if (order == 1 || against(ck, number, schema, "minimum") == -1) {
        return COMPAT_NO;
    }
    order = against(ck, number, schema, "exclusiveMaximum");
    if (order == 0 || order == 1) {
        return COMPAT_NO;
    }
    order = against(ck, number, schema, "exclusiveMinimum");
    if (order == 0 || order == -1) {
        return COMPAT_NO;
    }
    return answer_of(!pt_json_exists(multiple) || !pt_json_is_number(multiple) ||
                     pt_json_double(multiple) <= 0 ||
                     pt_number_is_multiple(number, compat_number(multiple)));
}

static bool is_count_within(struct compat_checker *ck, uint64_t count,
                            const struct compat_node *schema, const char *least, const char *most)
{
    return against(ck, compat_count(count), schema, least) != -1 &&
           against(ck, compat_count(count), schema, most) != 1;
}

static enum compat_answer evaluate_string(struct compat_checker *ck, struct pt_span text,
                                          const struct compat_node *schema)
{
    struct pt_json pattern = compat_keyword(ck, schema, "pattern");
    struct pt_json format = compat_keyword(ck, schema, "format");
    uint64_t length = 0;
    enum compat_answer answer = COMPAT_YES;

    for (size_t i = 0; i < text.size; i++) {
        length += (text.data[i] & 0xc0) != 0x80 ? 1 : 0;
    }
    if (!is_count_within(ck, length, schema, "minLength", "maxLength")) {
        return COMPAT_NO;
    }
    if (pt_json_exists(pattern) && pt_json_type(pattern) == PT_JSON_STRING) {
        answer = compat_matches(ck, pt_json_string(pattern), text);
    }
    if (pt_json_exists(format) && pt_json_type(format) == PT_JSON_STRING) {
        enum pt_format known = pt_format_parse(pt_json_string(format));

        if (known != PT_FORMAT_COUNT && !pt_format_check(known, text)) {
            /* Whether a format is an assertion is the validator's setting. */
            answer = both(answer, COMPAT_UNKNOWN);
        }
    }
    return answer;
}

static bool has_any(struct compat_checker *ck, const struct compat_node *schema,
                    const char *const *keywords, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (pt_json_exists(compat_keyword(ck, schema, keywords[i]))) {
            return true;
        }
    }
    return false;
}

static enum compat_answer evaluate_array(struct compat_checker *ck, struct pt_json array,
                                         const struct compat_node *schema, uint32_t depth)
{
    static const char *const harder[] = {"contains", "uniqueItems", "unevaluatedItems"};
    struct compat_list list;
    struct pt_json_iter it = pt_json_iterate(array);
    struct pt_json_iter prefix;
    enum compat_answer answer = COMPAT_YES;
    uint32_t index = 0;

    if (!is_count_within(ck, pt_json_count(array), schema, "minItems", "maxItems")) {
        return COMPAT_NO;
    }
    if (has_any(ck, schema, harder, sizeof(harder) / sizeof(harder[0]))) {
        answer = COMPAT_UNKNOWN;
    }
    compat_list_of(ck, schema, &list);
    if (list.prefix_count > 0) {
        prefix = pt_json_iterate(list.prefix);
    }
    while (pt_json_next(&it) && answer != COMPAT_NO) {
        struct value element = value_of(it.value);
        struct compat_node node = list.rest;

        if (index < list.prefix_count && pt_json_next(&prefix)) {
            node = compat_element(ck, schema, list.prefix_key, index, prefix.value);
        }
        answer = both(answer, evaluate(ck, &element, &node, depth + 1));
        index++;
    }
    return answer;
}

static enum compat_answer evaluate_member(struct compat_checker *ck, struct pt_span key,
                                          struct pt_json json, const struct compat_node *schema,
                                          uint32_t depth)
{
    struct pt_json property = compat_find(ck, compat_keyword(ck, schema, "properties"), key);
    struct pt_json patterns = compat_keyword(ck, schema, "patternProperties");
    struct pt_json additional = compat_keyword(ck, schema, "additionalProperties");
    struct value value = value_of(json);
    enum compat_answer answer = COMPAT_YES;
    bool is_known = pt_json_exists(property);

    if (is_known) {
        struct compat_node node = compat_member(ck, schema, "properties", key, property);

        answer = evaluate(ck, &value, &node, depth + 1);
    }
    if (pt_json_exists(patterns) && pt_json_type(patterns) == PT_JSON_OBJECT) {
        struct pt_json_iter it = pt_json_iterate(patterns);

        while (pt_json_next(&it)) {
            struct compat_node node =
                compat_member(ck, schema, "patternProperties", it.key, it.value);
            enum compat_answer match = compat_matches(ck, it.key, key);

            if (match == COMPAT_YES) {
                answer = both(answer, evaluate(ck, &value, &node, depth + 1));
            } else if (match == COMPAT_UNKNOWN) {
                answer = both(answer, COMPAT_UNKNOWN);
            }
            is_known = is_known || match != COMPAT_NO;
        }
    }
    if (!is_known && pt_json_exists(additional)) {
        struct compat_node node = compat_child(ck, schema, "additionalProperties", additional);

        answer = both(answer, evaluate(ck, &value, &node, depth + 1));
    }
    return answer;
}

static enum compat_answer evaluate_object(struct compat_checker *ck, struct pt_json object,
                                          const struct compat_node *schema, uint32_t depth)
{
    static const char *const harder[] = {"dependencies", "dependentRequired", "dependentSchemas",
                                         "propertyNames", "unevaluatedProperties"};
    struct pt_json required = compat_keyword(ck, schema, "required");
    struct pt_json_iter it = pt_json_iterate(object);
    enum compat_answer answer = COMPAT_YES;

    if (!is_count_within(ck, pt_json_count(object), schema, "minProperties", "maxProperties")) {
        return COMPAT_NO;
    }
    if (has_any(ck, schema, harder, sizeof(harder) / sizeof(harder[0]))) {
        answer = COMPAT_UNKNOWN;
    }
    while (pt_json_next(&it) && answer != COMPAT_NO) {
        answer = both(answer, evaluate_member(ck, it.key, it.value, schema, depth));
    }
    if (pt_json_exists(required) && pt_json_type(required) == PT_JSON_ARRAY) {
        it = pt_json_iterate(required);
        while (pt_json_next(&it) && answer != COMPAT_NO) {
            if (pt_json_type(it.value) == PT_JSON_STRING &&
                !pt_json_exists(compat_find(ck, object, pt_json_string(it.value)))) {
                answer = COMPAT_NO;
            }
        }
    }
    return answer;
}

static enum compat_answer evaluate_branches(struct compat_checker *ck, const struct value *value,
                                            const struct compat_node *schema, const char *keyword,
                                            uint32_t depth)
{
    struct pt_json list = compat_keyword(ck, schema, keyword);
    uint32_t valid = 0;
    uint32_t unknown = 0;
    uint32_t count = 0;
    struct pt_json_iter it;

    if (!pt_json_exists(list) || pt_json_type(list) != PT_JSON_ARRAY) {
        return COMPAT_YES;
    }
    it = pt_json_iterate(list);
    while (pt_json_next(&it)) {
        struct compat_node node = compat_element(ck, schema, keyword, count++, it.value);
        enum compat_answer answer = evaluate(ck, value, &node, depth + 1);

        valid += answer == COMPAT_YES ? 1 : 0;
        unknown += answer == COMPAT_UNKNOWN ? 1 : 0;
    }
    if (keyword[0] == 'a' && keyword[1] == 'l') {
        return valid == count ? COMPAT_YES : valid + unknown == count ? COMPAT_UNKNOWN : COMPAT_NO;
    }
    if (keyword[0] == 'a') {
        return valid > 0 ? COMPAT_YES : unknown > 0 ? COMPAT_UNKNOWN : COMPAT_NO;
    }
    if (unknown > 0) {
        return valid > 1 ? COMPAT_NO : COMPAT_UNKNOWN;
    }
    return answer_of(valid == 1);
}

static enum compat_answer evaluate_condition(struct compat_checker *ck, const struct value *value,
                                             const struct compat_node *schema, uint32_t depth)
{
    struct pt_json refused = compat_keyword(ck, schema, "not");
    struct pt_json condition = compat_keyword(ck, schema, "if");
    enum compat_answer answer = COMPAT_YES;
    struct compat_node node;

    if (pt_json_exists(refused)) {
        node = compat_child(ck, schema, "not", refused);
        answer = evaluate(ck, value, &node, depth + 1);
        answer = answer == COMPAT_UNKNOWN ? COMPAT_UNKNOWN : answer_of(answer == COMPAT_NO);
    }
    if (pt_json_exists(condition)) {
        enum compat_answer holds = COMPAT_UNKNOWN;
        const char *keyword = NULL;
        struct pt_json then;

        node = compat_child(ck, schema, "if", condition);
        holds = evaluate(ck, value, &node, depth + 1);
        if (holds == COMPAT_UNKNOWN) {
            return both(answer, COMPAT_UNKNOWN);
        }
        keyword = holds == COMPAT_YES ? "then" : "else";
        then = compat_keyword(ck, schema, keyword);
        if (pt_json_exists(then)) {
            node = compat_child(ck, schema, keyword, then);
            answer = both(answer, evaluate(ck, value, &node, depth + 1));
        }
    }
    return answer;
}

static enum compat_answer evaluate(struct compat_checker *ck, const struct value *value,
                                   const struct compat_node *schema, uint32_t depth)
{
    enum compat_answer answer = COMPAT_YES;
    struct compat_node target;

    if (!pt_json_exists(schema->value)) {
        return COMPAT_YES;
    }
    if (pt_json_type(schema->value) == PT_JSON_BOOL) {
        return answer_of(pt_json_bool(schema->value));
    }
    if (pt_json_type(schema->value) != PT_JSON_OBJECT || depth > DEPTH_MAX ||
        !compat_spend(ck, 16)) {
        return COMPAT_UNKNOWN;
    }
    if (pt_json_exists(compat_keyword(ck, schema, "$ref"))) {
        answer = compat_follow(ck, schema, &target) ? evaluate(ck, value, &target, depth + 1)
                                                    : COMPAT_UNKNOWN;
    }
    if (pt_json_exists(compat_keyword(ck, schema, "$dynamicRef"))) {
        answer = both(answer, COMPAT_UNKNOWN);
    }
    if (!(compat_types(compat_keyword(ck, schema, "type")) & value->type) ||
        in_enum(ck, value, schema) == COMPAT_NO) {
        return COMPAT_NO;
    }
    if (value->type & (COMPAT_INTEGER | COMPAT_FRACTION)) {
        answer = both(answer, evaluate_number(ck, compat_number(value->json), schema));
    } else if (value->type == COMPAT_STRING) {
        answer = both(answer, evaluate_string(ck, value->text, schema));
    } else if (value->type == COMPAT_ARRAY) {
        answer = both(answer, evaluate_array(ck, value->json, schema, depth));
    } else if (value->type == COMPAT_OBJECT) {
        answer = both(answer, evaluate_object(ck, value->json, schema, depth));
    }
    answer = both(answer, evaluate_branches(ck, value, schema, "allOf", depth));
    answer = both(answer, evaluate_branches(ck, value, schema, "anyOf", depth));
    answer = both(answer, evaluate_branches(ck, value, schema, "oneOf", depth));
    return both(answer, evaluate_condition(ck, value, schema, depth));
}

enum compat_answer compat_evaluate(struct compat_checker *ck, struct pt_json value,
                                   const struct compat_node *schema)
{
    struct value subject = value_of(value);

    return evaluate(ck, &subject, schema, 0);
}

enum compat_answer compat_evaluate_text(struct compat_checker *ck, struct pt_span text,
                                        const struct compat_node *schema)
{
    struct value subject = {.text = text, .type = COMPAT_STRING};

    return evaluate(ck, &subject, schema, 0);
}

/* ---- which members a schema looks at -------------------------------------------------- */

static enum compat_answer either(enum compat_answer a, enum compat_answer b)
{
    if (a == COMPAT_YES || b == COMPAT_YES) {
        return COMPAT_YES;
    }
    return a == COMPAT_UNKNOWN || b == COMPAT_UNKNOWN ? COMPAT_UNKNOWN : COMPAT_NO;
}

/*
 * What stands in a set of schemas already (the root, allOf, $ref) has its names among those that
 * are asked for one by one; what may apply or not has names of its own.
 */
enum standing { STANDING_ROOT, STANDING_SURE, STANDING_PERHAPS };

static enum compat_answer looks_at(struct compat_checker *ck, const struct compat_node *schema,
                                   struct pt_span key, enum standing standing, uint32_t depth);

static enum compat_answer branches_look_at(struct compat_checker *ck,
                                           const struct compat_node *schema, const char *keyword,
                                           struct pt_span key, enum standing standing,
                                           uint32_t depth)
{
    struct pt_json list = compat_keyword(ck, schema, keyword);
    bool is_sure = strcmp(keyword, "allOf") == 0;
    enum compat_answer answer = COMPAT_NO;
    struct pt_json_iter it;

    if (!pt_json_exists(list) ||
        (pt_json_type(list) != PT_JSON_ARRAY && pt_json_type(list) != PT_JSON_OBJECT)) {
        return COMPAT_NO;
    }
    it = pt_json_iterate(list);
    while (pt_json_next(&it)) {
        struct compat_node node = compat_child(ck, schema, keyword, it.value);

        answer = either(answer, looks_at(ck, &node, key,
                                         is_sure && standing != STANDING_PERHAPS ? STANDING_SURE
                                                                                 : STANDING_PERHAPS,
                                         depth + 1));
    }
    /* Only what applies whatever the value is sure to look. */
    return answer == COMPAT_YES && !is_sure ? COMPAT_UNKNOWN : answer;
}

static enum compat_answer looks_at(struct compat_checker *ck, const struct compat_node *schema,
                                   struct pt_span key, enum standing standing, uint32_t depth)
{
    static const char *const lists[] = {"allOf", "anyOf", "oneOf", "dependentSchemas"};
    static const char *const singles[] = {"if", "then", "else"};
    enum compat_answer answer = COMPAT_NO;
    struct compat_node target;
    struct pt_json patterns;

    if (!pt_json_exists(schema->value) || pt_json_type(schema->value) != PT_JSON_OBJECT) {
        return COMPAT_NO;
    }
    if (depth > DEPTH_MAX || !compat_spend(ck, 16) ||
        pt_json_exists(compat_keyword(ck, schema, "$dynamicRef"))) {
        return COMPAT_UNKNOWN;
    }
    if (pt_json_exists(compat_keyword(ck, schema, "additionalProperties")) ||
        (standing != STANDING_ROOT &&
         pt_json_exists(compat_keyword(ck, schema, "unevaluatedProperties"))) ||
        (key.data &&
         pt_json_exists(compat_find(ck, compat_keyword(ck, schema, "properties"), key)))) {
        return COMPAT_YES;
    }
    patterns = compat_keyword(ck, schema, "patternProperties");
    if (!key.data && standing == STANDING_PERHAPS &&
        (pt_json_exists(patterns) || pt_json_exists(compat_keyword(ck, schema, "properties")))) {
        answer = COMPAT_UNKNOWN;
    }
    if (key.data && pt_json_exists(patterns) && pt_json_type(patterns) == PT_JSON_OBJECT) {
        struct pt_json_iter it = pt_json_iterate(patterns);

        while (pt_json_next(&it)) {
            answer = either(answer, compat_matches(ck, it.key, key));
        }
    }
    if (pt_json_exists(compat_keyword(ck, schema, "$ref"))) {
        answer =
            either(answer, compat_follow(ck, schema, &target)
                               ? looks_at(ck, &target, key,
                                          standing == STANDING_PERHAPS ? standing : STANDING_SURE,
                                          depth + 1)
                               : COMPAT_UNKNOWN);
    }
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        answer = either(answer, branches_look_at(ck, schema, lists[i], key, standing, depth));
    }
    for (size_t i = 0; i < sizeof(singles) / sizeof(singles[0]); i++) {
        struct compat_node node =
            compat_child(ck, schema, singles[i], compat_keyword(ck, schema, singles[i]));
        enum compat_answer part = looks_at(ck, &node, key, STANDING_PERHAPS, depth + 1);

        answer = either(answer, part == COMPAT_YES ? COMPAT_UNKNOWN : part);
    }
    return answer;
}

enum compat_answer compat_looks_at(struct compat_checker *ck, const struct compat_node *schema,
                                   struct pt_span key)
{
    return looks_at(ck, schema, key, STANDING_ROOT, 0);
}
