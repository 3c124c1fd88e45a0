/*
 * keywords.h - the keywords of JSON Schema: who knows them, and where schemas stand in them
 */
#ifndef PT_SCHEMA_KEYWORDS_H
#define PT_SCHEMA_KEYWORDS_H

#include "base/span.h"

enum pt_keyword {
    PT_KW_SCHEMA,
    PT_KW_ID,
    PT_KW_ANCHOR,
    PT_KW_DYNAMIC_ANCHOR,
    PT_KW_REF,
    PT_KW_DYNAMIC_REF,
    PT_KW_RECURSIVE_REF,
    PT_KW_DEFS,
    PT_KW_DEFINITIONS,
    PT_KW_TYPE,
    PT_KW_CONST,
    PT_KW_ENUM,
    PT_KW_MINIMUM,
    PT_KW_MAXIMUM,
    PT_KW_EXCLUSIVE_MINIMUM,
    PT_KW_EXCLUSIVE_MAXIMUM,
    PT_KW_MULTIPLE_OF,
    PT_KW_MIN_LENGTH,
    PT_KW_MAX_LENGTH,
    PT_KW_PATTERN,
    PT_KW_FORMAT,
    PT_KW_MIN_ITEMS,
    PT_KW_MAX_ITEMS,
    PT_KW_UNIQUE_ITEMS,
    PT_KW_PREFIX_ITEMS,
    PT_KW_ITEMS,
    PT_KW_ADDITIONAL_ITEMS,
    PT_KW_CONTAINS,
    PT_KW_MIN_CONTAINS,
    PT_KW_MAX_CONTAINS,
    PT_KW_MIN_PROPERTIES,
    PT_KW_MAX_PROPERTIES,
    PT_KW_REQUIRED,
    PT_KW_PROPERTIES,
    PT_KW_PATTERN_PROPERTIES,
    PT_KW_ADDITIONAL_PROPERTIES,
    PT_KW_PROPERTY_NAMES,
    PT_KW_DEPENDENT_REQUIRED,
    PT_KW_DEPENDENT_SCHEMAS,
    PT_KW_DEPENDENCIES,
    PT_KW_ALL_OF,
    PT_KW_ANY_OF,
    PT_KW_ONE_OF,
    PT_KW_NOT,
    PT_KW_IF,
    PT_KW_THEN,
    PT_KW_ELSE,
    PT_KW_UNEVALUATED_ITEMS,
    PT_KW_UNEVALUATED_PROPERTIES,
    PT_KW_CONTENT_SCHEMA,
    PT_KW_COUNT,
};

enum pt_draft_bit {
    PT_DRAFT_7 = 1,
    PT_DRAFT_2019_09 = 2, /* where a 2020-12 schema refers to one; without $recursiveRef */
    PT_DRAFT_2020_12 = 4,
};

enum pt_vocabulary_bit {
    PT_VOCABULARY_CORE = 1,
    PT_VOCABULARY_APPLICATOR = 2,
    PT_VOCABULARY_UNEVALUATED = 4,
    PT_VOCABULARY_VALIDATION = 8,
    PT_VOCABULARY_FORMAT = 16,           /* format annotates */
    PT_VOCABULARY_FORMAT_ASSERTION = 32, /* format asserts */
    PT_VOCABULARY_OTHER = 64,            /* meta-data, content: nothing to check */
};

/* Where schemas stand in a keyword's value. */
enum pt_keyword_form {
    PT_FORM_VALUE,  /* nowhere */
    PT_FORM_SCHEMA, /* it is one */
    PT_FORM_LIST,   /* an array of them */
    PT_FORM_SCHEMA_OR_LIST,
    PT_FORM_MAP,          /* an object of them */
    PT_FORM_DEPENDENCIES, /* an object of them, or of arrays of names */
};

struct pt_keyword_info {
    const char *name;
    uint8_t drafts;
    uint8_t vocabulary;
    uint8_t form;
};

extern const struct pt_keyword_info pt_keywords[PT_KW_COUNT];

/* PT_KW_COUNT where `name` is none of the drafts in `drafts`. */
enum pt_keyword pt_keyword_find(struct pt_span name, unsigned drafts);

#endif
