/*
 * compile_circle.c - references that would run for ever
 */
#include "schema/compile.h"

/* The nodes that look at the same value as this instruction does: `index`, or NONE behind the last.
 */
static uint32_t next_in_place(const struct compiler *c, const struct pt_insn *insn, uint32_t index)
{
    switch ((enum pt_op)insn->op) {
    case PT_OP_REF:
    case PT_OP_DYNAMIC_REF:
    case PT_OP_NOT:
        return index == 0 ? insn->a : PT_NODE_NONE;
    case PT_OP_DEPENDENT_SCHEMA:
        return index == 0 ? insn->b : PT_NODE_NONE;
    case PT_OP_ALL_OF:
    case PT_OP_ANY_OF:
    case PT_OP_ONE_OF:
        return index < insn->c ? *AT(c->lists, uint32_t, insn->b + index) : PT_NODE_NONE;
    case PT_OP_IF: {
        const uint32_t nodes[] = {insn->a, insn->b == PT_NODE_NONE ? PT_NODE_TRUE : insn->b,
                                  insn->c == PT_NODE_NONE ? PT_NODE_TRUE : insn->c};

        return index < 3 ? nodes[index] : PT_NODE_NONE;
    }
    case PT_OP_FALSE:
    case PT_OP_CONST:
    case PT_OP_ENUM:
    case PT_OP_NUMBER_RANGE:
    case PT_OP_MULTIPLE_OF:
    case PT_OP_LENGTH:
    case PT_OP_PATTERN:
    case PT_OP_FORMAT:
    case PT_OP_OBJECT:
    case PT_OP_ARRAY:
    case PT_OP_UNIQUE_ITEMS:
    case PT_OP_CONTAINS:
    case PT_OP_DEPENDENT_REQUIRED:
    case PT_OP_UNEVALUATED_ITEMS:
    case PT_OP_UNEVALUATED_PROPERTIES:
        break;
    }
    return PT_NODE_NONE;
}

/* Where the search stands in a node that it has entered and not left. */
struct visit {
    uint32_t node;
    uint32_t insn;
    uint32_t index;
};

/* A node on a circle of edges that consume nothing, or NONE. `state`: 0 new, 1 entered, 2 left. */
static uint32_t find_circle(const struct compiler *c, uint8_t *state, struct visit *stack)
{
    uint32_t count = COUNT(c->nodes, struct pt_node);

    for (uint32_t start = 0; start < count; start++) {
        uint32_t depth = 0;

        if (state[start] != 0) {
            continue;
        }
        state[start] = 1;
        stack[depth++] = (struct visit){start, 0, 0};
        while (depth > 0) {
            struct visit *top = &stack[depth - 1];
            const struct pt_node *node = AT(c->nodes, struct pt_node, top->node);
            uint32_t next = PT_NODE_NONE;

            if (top->insn == node->insn_count) {
                state[top->node] = 2;
                depth--;
                continue;
            }
            next = next_in_place(c, AT(c->insns, struct pt_insn, node->insn_first + top->insn),
                                 top->index++);
            if (next == PT_NODE_NONE) {
                top->insn++;
                top->index = 0;
            } else if (state[next] == 1) {
                return next;
            } else if (state[next] == 0) {
                state[next] = 1;
                stack[depth++] = (struct visit){next, 0, 0};
            }
        }
    }
    return PT_NODE_NONE;
}

enum pt_code pt_compile_refuse_circles(struct compiler *c)
{
    uint32_t count = COUNT(c->nodes, struct pt_node);
    uint8_t *state = pt_alloc_zero(count);
    struct visit *stack = pt_alloc(count * sizeof(*stack));
    enum pt_code code = PT_OK;

    if (!state || !stack) {
        code = pt_fail(c->err, PT_NO_MEMORY, "no memory to compile the schema");
    } else {
        uint32_t node = find_circle(c, state, stack);

        if (node != PT_NODE_NONE) {
            code = pt_location_fail(&c->docs, *AT(c->work, uint32_t, node - 1), NULL, c->err,
                                    PT_INVALID,
                                    "references lead from here back to here without going into "
                                    "the value: checking would never end");
        }
    }
    pt_free(state);
    pt_free(stack);
    return code;
}
