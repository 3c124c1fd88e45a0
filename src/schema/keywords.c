/*
 * keywords.c - the keywords of JSON Schema
 */
#include "schema/keywords.h"

#define D7 PT_DRAFT_7
#define D19 PT_DRAFT_2019_09
#define D20 PT_DRAFT_2020_12
#define NEW (D19 | D20)
#define ALL (D7 | NEW)

#define CORE PT_VOCABULARY_CORE
#define APPLICATOR PT_VOCABULARY_APPLICATOR
#define VALIDATION PT_VOCABULARY_VALIDATION
#define FORMATS (PT_VOCABULARY_FORMAT | PT_VOCABULARY_FORMAT_ASSERTION)

const struct pt_keyword_info pt_keywords[PT_KW_COUNT] = {
    [PT_KW_SCHEMA] = {"$schema", ALL, CORE, PT_FORM_VALUE},
    [PT_KW_ID] = {"$id", ALL, CORE, PT_FORM_VALUE},
    [PT_KW_ANCHOR] = {"$anchor", NEW, CORE, PT_FORM_VALUE},
    [PT_KW_DYNAMIC_ANCHOR] = {"$dynamicAnchor", D20, CORE, PT_FORM_VALUE},
    [PT_KW_REF] = {"$ref", ALL, CORE, PT_FORM_VALUE},
    [PT_KW_DYNAMIC_REF] = {"$dynamicRef", D20, CORE, PT_FORM_VALUE},
    [PT_KW_RECURSIVE_REF] = {"$recursiveRef", D19, CORE, PT_FORM_VALUE},
    [PT_KW_DEFS] = {"$defs", NEW, CORE, PT_FORM_MAP},
    /* Older than $defs; the newer metaschema still lets it stand. */
    [PT_KW_DEFINITIONS] = {"definitions", ALL, CORE, PT_FORM_MAP},
    [PT_KW_TYPE] = {"type", ALL, VALIDATION, PT_FORM_VALUE},
    [PT_KW_CONST] = {"const", ALL, VALIDATION, PT_FORM_VALUE},
    [PT_KW_ENUM] = {"enum", ALL, VALIDATION, PT_FORM_VALUE},
    [PT_KW_MINIMUM] = {"minimum", ALL, VALIDATION, PT_FORM_VALUE},
    [PT_KW_MAXIMUM] = {"maximum", ALL, VALIDATION, PT_FORM_VALUE},
    [PT_KW_EXCLUSIVE_MINIMUM] = {"exclusiveMinimum", ALL, VALIDATION, PT_FORM_VALUE},
    [PT_KW_EXCLUSIVE_MAXIMUM] = {"exclusiveMaximum", ALL, VALIDATION, PT_FORM_VALUE},
    [PT_KW_MULTIPLE_OF] = {"multipleOf", ALL, VALIDATION, PT_FORM_VALUE},
    [PT_KW_MIN_LENGTH] = {"minLength", ALL, VALIDATION, PT_FORM_VALUE},
    [PT_KW_MAX_LENGTH] = {"maxLength", ALL, VALIDATION, PT_FORM_VALUE},
    [PT_KW_PATTERN] = {"pattern", ALL, VALIDATION, PT_FORM_VALUE},
    [PT_KW_FORMAT] = {"format", ALL, FORMATS, PT_FORM_VALUE},
    [PT_KW_MIN_ITEMS] = {"minItems", ALL, VALIDATION, PT_FORM_VALUE},
    [PT_KW_MAX_ITEMS] = {"maxItems", ALL, VALIDATION, PT_FORM_VALUE},
    [PT_KW_UNIQUE_ITEMS] = {"uniqueItems", ALL, VALIDATION, PT_FORM_VALUE},
    [PT_KW_PREFIX_ITEMS] = {"prefixItems", D20, APPLICATOR, PT_FORM_LIST},
    [PT_KW_ITEMS] = {"items", ALL, APPLICATOR, PT_FORM_SCHEMA_OR_LIST},
    [PT_KW_ADDITIONAL_ITEMS] = {"additionalItems", D7 | D19, APPLICATOR, PT_FORM_SCHEMA},
    [PT_KW_CONTAINS] = {"contains", ALL, APPLICATOR, PT_FORM_SCHEMA},
    [PT_KW_MIN_CONTAINS] = {"minContains", NEW, VALIDATION, PT_FORM_VALUE},
    [PT_KW_MAX_CONTAINS] = {"maxContains", NEW, VALIDATION, PT_FORM_VALUE},
    [PT_KW_MIN_PROPERTIES] = {"minProperties", ALL, VALIDATION, PT_FORM_VALUE},
    [PT_KW_MAX_PROPERTIES] = {"maxProperties", ALL, VALIDATION, PT_FORM_VALUE},
    [PT_KW_REQUIRED] = {"required", ALL, VALIDATION, PT_FORM_VALUE},
    [PT_KW_PROPERTIES] = {"properties", ALL, APPLICATOR, PT_FORM_MAP},
    [PT_KW_PATTERN_PROPERTIES] = {"patternProperties", ALL, APPLICATOR, PT_FORM_MAP},
    [PT_KW_ADDITIONAL_PROPERTIES] = {"additionalProperties", ALL, APPLICATOR, PT_FORM_SCHEMA},
    [PT_KW_PROPERTY_NAMES] = {"propertyNames", ALL, APPLICATOR, PT_FORM_SCHEMA},
    [PT_KW_DEPENDENT_REQUIRED] = {"dependentRequired", NEW, VALIDATION, PT_FORM_VALUE},
    [PT_KW_DEPENDENT_SCHEMAS] = {"dependentSchemas", NEW, APPLICATOR, PT_FORM_MAP},
    /* Split in two by 2019-09, which lets implementations go on taking it. */
    [PT_KW_DEPENDENCIES] = {"dependencies", ALL, APPLICATOR, PT_FORM_DEPENDENCIES},
    [PT_KW_ALL_OF] = {"allOf", ALL, APPLICATOR, PT_FORM_LIST},
    [PT_KW_ANY_OF] = {"anyOf", ALL, APPLICATOR, PT_FORM_LIST},
    [PT_KW_ONE_OF] = {"oneOf", ALL, APPLICATOR, PT_FORM_LIST},
    [PT_KW_NOT] = {"not", ALL, APPLICATOR, PT_FORM_SCHEMA},
    [PT_KW_IF] = {"if", ALL, APPLICATOR, PT_FORM_SCHEMA},
    [PT_KW_THEN] = {"then", ALL, APPLICATOR, PT_FORM_SCHEMA},
    [PT_KW_ELSE] = {"else", ALL, APPLICATOR, PT_FORM_SCHEMA},
    [PT_KW_UNEVALUATED_ITEMS] = {"unevaluatedItems", NEW, PT_VOCABULARY_UNEVALUATED,
                                 PT_FORM_SCHEMA},
    [PT_KW_UNEVALUATED_PROPERTIES] = {"unevaluatedProperties", NEW, PT_VOCABULARY_UNEVALUATED,
                                      PT_FORM_SCHEMA},
    [PT_KW_CONTENT_SCHEMA] = {"contentSchema", NEW, PT_VOCABULARY_OTHER, PT_FORM_SCHEMA},
};

enum pt_keyword pt_keyword_find(struct pt_span name, unsigned drafts)
{
    for (int i = 0; i < PT_KW_COUNT; i++) {
        if ((pt_keywords[i].drafts & drafts) && pt_span_is(name, pt_keywords[i].name)) {
            return (enum pt_keyword)i;
        }
    }
    return PT_KW_COUNT;
}
