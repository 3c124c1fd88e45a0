/*
 * program.h - a compiled JSON Schema
 *
 * PROGRAM. Every schema and subschema is a node: the types that it takes, and a run of
 * instructions. Nodes refer to each other by index, so that $ref is a jump and recursion in
 * a schema needs none here. Node 0 takes everything. What an object's keywords say is gathered
 * into one rule (properties, patterns, required, …), so that one pass over the members drives
 * all of them; the same for arrays. Constants are tapes of their own, copied out of the schema's.
 *
 * All arrays are immutable once compiled and belong to the schema.
 */
#ifndef PT_SCHEMA_PROGRAM_H
#define PT_SCHEMA_PROGRAM_H

#include "schema/format.h"
#include "schema/number.h"
#include "schema/regex.h"
#include "schema/schema.h"

#define PT_REQUIRED_MAX 4096u /* names in one `required` */

#define PT_NODE_TRUE 0u
#define PT_NODE_NONE UINT32_MAX

/* Bits of a value's type; an integral double counts as an integer. */
enum pt_type_bit {
    PT_TYPE_NULL = 1,
    PT_TYPE_BOOL = 2,
    PT_TYPE_INTEGER = 4,
    PT_TYPE_FRACTION = 8, /* a number that is no integer */
    PT_TYPE_STRING = 16,
    PT_TYPE_ARRAY = 32,
    PT_TYPE_OBJECT = 64,
    PT_TYPE_NUMBER = PT_TYPE_INTEGER | PT_TYPE_FRACTION,
    PT_TYPE_ANY = 127,
};

/* What an instruction does, and in a comment what a, b, c are. */
enum pt_op {
    PT_OP_FALSE,        /* - */
    PT_OP_CONST,        /* a: value in `constants` */
    PT_OP_ENUM,         /* a: enum rule */
    PT_OP_NUMBER_RANGE, /* a: range rule */
    PT_OP_MULTIPLE_OF,  /* a: number */
    PT_OP_LENGTH,       /* a: bytes that are enough for sure; b, c: least and most code points */
    PT_OP_PATTERN,      /* a: regex */
    PT_OP_FORMAT,       /* a: enum pt_format */
    PT_OP_OBJECT,       /* a: object rule */
    PT_OP_ARRAY,        /* a: array rule */
    PT_OP_UNIQUE_ITEMS, /* - */
    PT_OP_CONTAINS,     /* a: node, b, c: least and most elements */
    PT_OP_DEPENDENT_REQUIRED, /* a: key, b: first in `keys`, c: count */
    PT_OP_DEPENDENT_SCHEMA,   /* a: key, b: node */
    PT_OP_REF,                /* a: node */
    PT_OP_DYNAMIC_REF,        /* a: node where no scope says otherwise, b: anchor's name */
    PT_OP_ALL_OF,             /* b: first in `lists`, c: count */
    PT_OP_ANY_OF,
    PT_OP_ONE_OF,
    PT_OP_NOT,               /* a: node */
    PT_OP_IF,                /* a: condition, b: then or NONE, c: else or NONE */
    PT_OP_UNEVALUATED_ITEMS, /* a: node */
    PT_OP_UNEVALUATED_PROPERTIES,
};

struct pt_insn {
    uint8_t op;
    uint8_t types;   /* the value types that it looks at */
    uint16_t detail; /* DEPENDENT_*: enum pt_keyword it came from; UNEVALUATED_*: 1 for `false` */
    uint32_t a;
    uint32_t b;
    uint32_t c;
};

/* The two above 1 are type bits: nodes that ask which elements or members were looked at. */
enum pt_node_flag {
    PT_NODE_LEAF = 1, /* all its instructions look at a string or a number alone */
    PT_NODE_UNEVALUATED_ITEMS = PT_TYPE_ARRAY,
    PT_NODE_UNEVALUATED_PROPERTIES = PT_TYPE_OBJECT,
};

struct pt_node {
    uint32_t insn_first;
    uint16_t insn_count;
    uint8_t types;     /* what `type` takes; PT_TYPE_ANY without it */
    uint8_t flags;     /* enum pt_node_flag */
    uint32_t resource; /* the schema resource it belongs to: the dynamic scope */
    uint32_t location; /* in `texts`: "URI#pointer" or "pointer" */
};

/* Text in `texts`: a key, a name. */
struct pt_name {
    uint32_t at;
    uint32_t bytes;
};

/*
 * A hash table in `slots`: an entry's first slot is its hash >> shift, then the ones behind it;
 * NONE ends the search. `shift` is chosen so that, wherever possible, no two entries want the same
 * slot.
 */
struct pt_table {
    uint32_t first;
    uint32_t mask; /* slots - 1 */
    uint32_t shift;
};

struct pt_property {
    struct pt_name key;
    uint32_t node;     /* NONE: the key is only required */
    uint32_t required; /* its bit among the required ones, or NONE */
};

struct pt_pattern_property {
    uint32_t regex;
    uint32_t node;
};

struct pt_object_rule {
    uint32_t property_first;
    uint32_t property_count;
    struct pt_table table; /* of indexes into this rule's properties */
    uint32_t pattern_first;
    uint32_t pattern_count;
    uint32_t additional; /* node or NONE */
    uint32_t names;      /* node or NONE */
    uint32_t required_count;
    uint32_t members_min;
    uint32_t members_max;
    bool is_closed; /* additionalProperties is false */
};

struct pt_array_rule {
    uint32_t prefix_first; /* in `lists` */
    uint32_t prefix_count;
    uint32_t rest; /* node for the elements behind the prefix, or NONE */
    uint32_t elements_min;
    uint32_t elements_max;
    bool is_closed;  /* the rest is false */
    bool has_prefix; /* prefixItems, or the array form of items */
};

/* Strings by hash, all else one by one. */
struct pt_enum_rule {
    uint32_t string_first; /* in `keys` */
    uint32_t string_count;
    struct pt_table table; /* of indexes among these */
    uint32_t other_first;  /* in `lists`: values in `constants` */
    uint32_t other_count;
};

struct pt_range_rule {
    struct pt_number min;
    struct pt_number max;
    bool has_min;
    bool has_max;
    bool is_min_exclusive;
    bool is_max_exclusive;
};

struct pt_dynamic_anchor {
    uint32_t resource;
    uint32_t name;
    uint32_t node;
};

struct pt_schema {
    struct pt_node *nodes;
    struct pt_insn *insns;
    char *texts;
    struct pt_property *properties;
    struct pt_pattern_property *patterns;
    struct pt_object_rule *objects;
    struct pt_array_rule *arrays;
    struct pt_enum_rule *enums;
    struct pt_range_rule *ranges;
    struct pt_number *numbers;
    struct pt_name *keys;
    uint32_t *lists;
    uint32_t *slots;
    struct pt_dynamic_anchor *anchors;
    struct pt_regex **regexes;
    uint64_t *constant_tape;
    uint8_t *constant_strings;
    uint32_t anchor_count;
    uint32_t regex_count;
    uint32_t root;
    bool has_dynamic;      /* any PT_OP_DYNAMIC_REF: the dynamic scope is kept */
    struct pt_arena arena; /* all of the above */
};

/* Hash of a key or a string of an enum, the same when compiled and when run. */
static inline uint32_t pt_key_hash(const uint8_t *data, size_t bytes)
{
    uint64_t head = 0;
    uint64_t tail = 0;

    if (bytes >= 8) {
        memcpy(&head, data, 8);
        memcpy(&tail, data + bytes - 8, 8);
    } else if (bytes >= 4) {
        uint32_t a = 0;
        uint32_t b = 0;

        memcpy(&a, data, 4);
        memcpy(&b, data + bytes - 4, 4);
        head = a;
        tail = b;
    } else if (bytes > 0) {
        head = (uint64_t)data[0] | (uint64_t)data[bytes / 2] << 8 | (uint64_t)data[bytes - 1] << 16;
    }
    head = (head ^ (uint64_t)bytes * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xbf58476d1ce4e5b9);
    head ^= head >> 29;
    head = (head ^ tail) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(head >> 32);
}

/* Equality of short texts without a call. */
static inline bool pt_bytes_equal(const uint8_t *a, const uint8_t *b, size_t bytes)
{
    if (bytes >= 8 && bytes <= 16) {
        uint64_t w[4];

        memcpy(&w[0], a, 8);
        memcpy(&w[1], b, 8);
        memcpy(&w[2], a + bytes - 8, 8);
        memcpy(&w[3], b + bytes - 8, 8);
        return ((w[0] ^ w[1]) | (w[2] ^ w[3])) == 0;
    }
    if (bytes > 16 && bytes <= 32) {
        uint64_t w[8];

        memcpy(&w[0], a, 16);
        memcpy(&w[2], b, 16);
        memcpy(&w[4], a + bytes - 16, 16);
        memcpy(&w[6], b + bytes - 16, 16);
        return ((w[0] ^ w[2]) | (w[1] ^ w[3]) | (w[4] ^ w[6]) | (w[5] ^ w[7])) == 0;
    }
    if (bytes >= 4 && bytes < 8) {
        uint32_t w[4];

        memcpy(&w[0], a, 4);
        memcpy(&w[1], b, 4);
        memcpy(&w[2], a + bytes - 4, 4);
        memcpy(&w[3], b + bytes - 4, 4);
        return ((w[0] ^ w[1]) | (w[2] ^ w[3])) == 0;
    }
    return memcmp(a, b, bytes) == 0;
}

#endif
