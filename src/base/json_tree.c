/*
 * json_tree.c - a JSON document that can be changed
 */
#include "base/json_tree.h"

#include "base/crypto.h"

#include <math.h>

#define HASHED_FROM 16u /* members, from which on equal keys are found by a table */

bool pt_json_tree_spend(struct pt_json_tree *tree)
{
    return ++tree->work <= PT_JSON_TREE_WORK_MAX;
}

enum pt_code pt_json_tree_overworked(struct pt_json_tree *tree)
{
    return pt_fail(tree->err, PT_TOO_BIG, "the patch asks for too much work on this document");
}

struct pt_json_node *pt_json_tree_node(struct pt_json_tree *tree, enum pt_json_node_kind kind)
{
    struct pt_json_node *node = pt_arena_alloc(tree->arena, sizeof(*node));

    if (node) {
        *node = (struct pt_json_node){.kind = kind};
    }
    return node;
}

enum pt_code pt_json_tree_overflown(struct pt_json_tree *tree)
{
    return pt_fail(tree->err, PT_TOO_BIG, "the patched document takes more than %u bytes",
                   PT_JSON_TREE_BYTES_MAX);
}

void pt_json_node_append(struct pt_json_node *parent, struct pt_json_node *child)
{
    child->next = NULL;
    if (parent->last) {
        parent->last->next = child;
    } else {
        parent->first = child;
    }
    parent->last = child;
    parent->count++;
}

static struct pt_json_node *previous_of(const struct pt_json_node *parent,
                                        const struct pt_json_node *child)
{
    struct pt_json_node *at = parent->first;

    if (at == child) {
        return NULL;
    }
    while (at->next != child) {
        at = at->next;
    }
    return at;
}

void pt_json_node_cut(struct pt_json_node *parent, struct pt_json_node *child)
{
    struct pt_json_node *before = previous_of(parent, child);

    if (before) {
        before->next = child->next;
    } else {
        parent->first = child->next;
    }
    if (parent->last == child) {
        parent->last = before;
    }
    parent->count--;
    child->next = NULL;
}

/* `child` takes the place of `old` in `parent`, key and all. */
void pt_json_node_swap(struct pt_json_node *parent, struct pt_json_node *old,
                       struct pt_json_node *child)
{
    struct pt_json_node *before = previous_of(parent, old);

    child->key = old->key;
    child->next = old->next;
    if (before) {
        before->next = child;
    } else {
        parent->first = child;
    }
    if (parent->last == old) {
        parent->last = child;
    }
}

void pt_json_node_insert(struct pt_json_node *parent, uint32_t index, struct pt_json_node *child)
{
    struct pt_json_node **link = &parent->first;

    if (index == parent->count) {
        pt_json_node_append(parent, child);
        return;
    }
    for (uint32_t i = 0; i < index; i++) {
        link = &(*link)->next;
    }
    child->next = *link;
    *link = child;
    parent->count++;
}

/* The slot of `key` in a table of members, or the empty one where it belongs. */
static struct pt_json_node **find_slot(struct pt_json_node **slots, size_t slot_count,
                                       struct pt_span key)
{
    size_t at = (size_t)pt_checksum64(key.data, key.size) & (slot_count - 1);

    while (slots[at] && !pt_span_equal(slots[at]->key, key)) {
        at = (at + 1) & (slot_count - 1);
    }
    return &slots[at];
}

struct pt_json_node *pt_json_tree_member(struct pt_json_tree *tree,
                                         const struct pt_json_node *object, struct pt_span key)
{
    struct pt_json_node *at = object->first;

    while (at && pt_json_tree_spend(tree) && !pt_span_equal(at->key, key)) {
        at = at->next;
    }
    return at;
}

static enum pt_code build_members(struct pt_json_tree *tree, struct pt_json json,
                                  struct pt_json_node *node)
{
    uint32_t member_count = pt_json_count(json);
    struct pt_json_node **slots = NULL;
    size_t slot_count = 64;

    if (member_count >= HASHED_FROM) {
        while (slot_count < (size_t)member_count * 2) {
            slot_count *= 2;
        }
        slots = pt_arena_alloc(tree->arena, slot_count * sizeof(struct pt_json_node *));
        if (!slots) {
            return pt_json_tree_overflown(tree);
        }
        memset(slots, 0, slot_count * sizeof(struct pt_json_node *));
    }
    for (struct pt_json_iter it = pt_json_iterate(json); pt_json_next(&it);) {
        struct pt_json_node *child = NULL;
        struct pt_json_node *old = NULL;
        struct pt_json_node **slot = NULL;
        enum pt_code code = pt_json_tree_build(tree, it.value, &child);

        if (code) {
            return code;
        }
        child->key = it.key;
        slot = slots ? find_slot(slots, slot_count, it.key) : NULL;
        old = slot ? *slot : pt_json_tree_member(tree, node, it.key);
        if (old) {
            /* The last of equal keys counts; it stays where the first one stood. */
            struct pt_json_node *next = old->next;

            *old = *child;
            old->next = next;
        } else {
            pt_json_node_append(node, child);
            if (slot) {
                *slot = child;
            }
        }
    }
    return PT_OK;
}

/* Recursion is bounded by the parser's depth limit. */
enum pt_code pt_json_tree_build(struct pt_json_tree *tree, struct pt_json json,
                                struct pt_json_node **node_out)
{
    enum pt_json_type type = pt_json_type(json);
    struct pt_json_node *node = pt_json_tree_node(tree, type == PT_JSON_OBJECT  ? PT_JSON_MEMBERS
                                                        : type == PT_JSON_ARRAY ? PT_JSON_LIST
                                                                                : PT_JSON_LEAF);

    *node_out = node;
    if (!node) {
        return pt_json_tree_overflown(tree);
    }
    if (!pt_json_tree_spend(tree)) {
        return pt_json_tree_overworked(tree);
    }
    if (type == PT_JSON_OBJECT) {
        return build_members(tree, json, node);
    }
    if (type != PT_JSON_ARRAY) {
        node->leaf = json;
        return PT_OK;
    }
    for (struct pt_json_iter it = pt_json_iterate(json); pt_json_next(&it);) {
        struct pt_json_node *child = NULL;
        enum pt_code code = pt_json_tree_build(tree, it.value, &child);

        if (code) {
            return code;
        }
        pt_json_node_append(node, child);
    }
    return PT_OK;
}

/* Recursion is bounded, as that of all functions on the tree: no value is put in deeper than the
 * limit. */
enum pt_code pt_json_tree_clone(struct pt_json_tree *tree, const struct pt_json_node *node,
                                struct pt_json_node **node_out)
{
    struct pt_json_node *copy = pt_json_tree_node(tree, node->kind);

    *node_out = copy;
    if (!copy) {
        return pt_json_tree_overflown(tree);
    }
    if (!pt_json_tree_spend(tree)) {
        return pt_json_tree_overworked(tree);
    }
    copy->key = node->key;
    copy->leaf = node->leaf;
    for (const struct pt_json_node *at = node->first; at; at = at->next) {
        struct pt_json_node *child = NULL;
        enum pt_code code = pt_json_tree_clone(tree, at, &child);

        if (code) {
            return code;
        }
        pt_json_node_append(copy, child);
    }
    return PT_OK;
}

/* Levels of arrays and objects, itself included; an empty one is no level (json.h). */
uint32_t pt_json_node_height(const struct pt_json_node *node)
{
    uint32_t most = 0;

    for (const struct pt_json_node *at = node->first; at; at = at->next) {
        uint32_t one = pt_json_node_height(at) + 1;

        most = one > most ? one : most;
    }
    return most;
}

void pt_json_node_write(struct pt_jsonw *w, const struct pt_json_node *node)
{
    if (node->kind == PT_JSON_LEAF) {
        pt_jsonw_value(w, node->leaf);
        return;
    }
    if (node->kind == PT_JSON_MEMBERS) {
        pt_jsonw_object(w);
    } else {
        pt_jsonw_array(w);
    }
    for (const struct pt_json_node *at = node->first; at; at = at->next) {
        if (node->kind == PT_JSON_MEMBERS) {
            pt_jsonw_key_span(w, at->key);
        }
        pt_json_node_write(w, at);
    }
    if (node->kind == PT_JSON_MEMBERS) {
        pt_jsonw_object_end(w);
    } else {
        pt_jsonw_array_end(w);
    }
}

/* ---- equality (RFC 6902, 4.6): numbers by value, objects in any order ---- */

/* Whether a double is exactly that integer. */
static bool double_is_integer(double number, struct pt_json integer)
{
    if (number != floor(number) || number < -0x1p63 || number >= 0x1p64) {
        return false;
    }
    if (pt_json_type(integer) == PT_JSON_UINT) {
        return number >= 0x1p63 && (uint64_t)number == pt_json_uint(integer);
    }
    return number < 0x1p63 && (int64_t)number == pt_json_int(integer);
}

static bool numbers_equal(struct pt_json a, struct pt_json b)
{
    enum pt_json_type type_a = pt_json_type(a);
    enum pt_json_type type_b = pt_json_type(b);

    if (type_a == PT_JSON_DOUBLE && type_b == PT_JSON_DOUBLE) {
        return pt_json_double(a) == pt_json_double(b);
    }
    if (type_a == PT_JSON_DOUBLE) {
        return double_is_integer(pt_json_double(a), b);
    }
    if (type_b == PT_JSON_DOUBLE) {
        return double_is_integer(pt_json_double(b), a);
    }
    if (type_a != type_b) {
        return false;
    }
    return type_a == PT_JSON_INT ? pt_json_int(a) == pt_json_int(b)
                                 : pt_json_uint(a) == pt_json_uint(b);
}

static bool leaves_equal(struct pt_json a, struct pt_json b)
{
    enum pt_json_type type = pt_json_type(a);

    if (pt_json_is_number(a)) {
        return pt_json_is_number(b) && numbers_equal(a, b);
    }
    if (type != pt_json_type(b)) {
        return false;
    }
    if (type == PT_JSON_BOOL) {
        return pt_json_bool(a) == pt_json_bool(b);
    }
    return type == PT_JSON_NULL || pt_span_equal(pt_json_string(a), pt_json_string(b));
}

bool pt_json_tree_equal(struct pt_json_tree *tree, const struct pt_json_node *a,
                        const struct pt_json_node *b)
{
    const struct pt_json_node *beside = b->first;

    if (!pt_json_tree_spend(tree) || a->kind != b->kind || a->count != b->count) {
        return false;
    }
    if (a->kind == PT_JSON_LEAF) {
        return leaves_equal(a->leaf, b->leaf);
    }
    for (const struct pt_json_node *at = a->first; at; at = at->next) {
        const struct pt_json_node *other = beside;

        /* Mostly the order is the same too. */
        if (a->kind == PT_JSON_MEMBERS && !pt_span_equal(at->key, beside->key)) {
            other = pt_json_tree_member(tree, b, at->key);
        }
        if (!other || !pt_json_tree_equal(tree, at, other)) {
            return false;
        }
        beside = beside->next;
    }
    return true;
}
