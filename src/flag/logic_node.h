/*
 * logic_node.h - a compiled rule, between logic_compile.c, logic_eval.c and logic_fractional.c
 */
#ifndef PT_FLAG_LOGIC_NODE_H
#define PT_FLAG_LOGIC_NODE_H

#include "flag/logic.h"

#define PT_LOGIC_TEXT_BYTES_MAX ((size_t)1 << 20) /* of a text that a rule makes */

enum pt_logic_op {
    PT_OP_CONSTANT, /* value */
    PT_OP_LIST,     /* [expression…] */
    PT_OP_BROKEN,   /* evaluation fails here, with the text of value */
    PT_OP_VAR,      /* args: path[, default]; a constant path is split into `path` */
    PT_OP_MISSING,
    PT_OP_MISSING_SOME,
    PT_OP_IF,
    PT_OP_AND,
    PT_OP_OR,
    PT_OP_EQUAL,
    PT_OP_SAME,
    PT_OP_NOT_EQUAL,
    PT_OP_NOT_SAME,
    PT_OP_GREATER,
    PT_OP_GREATER_EQUAL,
    PT_OP_LESS,
    PT_OP_LESS_EQUAL,
    PT_OP_NOT,
    PT_OP_TRUTHY,
    PT_OP_MODULO,
    PT_OP_LOG,
    PT_OP_IN,
    PT_OP_CAT,
    PT_OP_SUBSTR,
    PT_OP_ADD,
    PT_OP_MULTIPLY,
    PT_OP_SUBTRACT,
    PT_OP_DIVIDE,
    PT_OP_MIN,
    PT_OP_MAX,
    PT_OP_MERGE,
    PT_OP_MAP,
    PT_OP_FILTER,
    PT_OP_REDUCE,
    PT_OP_ALL,
    PT_OP_NONE,
    PT_OP_SOME,
    PT_OP_FRACTIONAL,
    PT_OP_STARTS_WITH,
    PT_OP_ENDS_WITH,
    PT_OP_SEM_VER,
};

/* Properties that flagd adds to the context. */
enum pt_logic_property { PT_PROPERTY_NONE, PT_PROPERTY_FLAG_KEY, PT_PROPERTY_TIMESTAMP };

struct pt_logic {
    enum pt_logic_op op;
    uint32_t arg_count;
    uint32_t path_count;             /* VAR: 0 where the path is no constant */
    enum pt_logic_property property; /* VAR */
    bool is_targeting_key;           /* VAR of "targetingKey" */
    struct pt_logic *args;           /* arg_count of them */
    struct pt_span *path;            /* VAR: its parts */
    struct pt_logic_value value;     /* CONSTANT, BROKEN */
};

/* One node over `data`; false with the reason in run->err. */
bool pt_logic_eval_node(struct pt_logic_run *run, const struct pt_logic *node,
                        const struct pt_logic_value *data, struct pt_logic_value *out);
bool pt_logic_eval_fractional(struct pt_logic_run *run, const struct pt_logic *node,
                              const struct pt_logic_value *data, struct pt_logic_value *out);
bool pt_logic_no_memory(struct pt_logic_run *run); /* says so; false */

#endif
