/*
 * json_tree.h - a JSON document that can be changed
 *
 * Only json_patch.c includes it. A tree in an arena: leaves and keys stay where they were parsed,
 * so the parser must not parse again meanwhile. Bounded in memory (PT_JSON_TREE_BYTES_MAX) and in
 * work (PT_JSON_TREE_WORK_MAX); the user keeps it from nesting deeper than PT_JSON_DEPTH_MAX, which
 * is what bounds the recursion here.
 */
#ifndef PT_BASE_JSON_TREE_H
#define PT_BASE_JSON_TREE_H

#include "base/json.h"

#define PT_JSON_TREE_BYTES_MAX (64u << 20)
#define PT_JSON_TREE_WORK_MAX 20000000u /* values looked at */

enum pt_json_node_kind {
    PT_JSON_LEAF,
    PT_JSON_LIST,
    PT_JSON_MEMBERS,
};

struct pt_json_node {
    struct pt_json_node *next; /* in the list of the parent */
    struct pt_span key;        /* in an object; borrowed */
    enum pt_json_node_kind kind;
    struct pt_json leaf;        /* PT_JSON_LEAF */
    struct pt_json_node *first; /* PT_JSON_LIST, PT_JSON_MEMBERS */
    struct pt_json_node *last;
    uint32_t count;
};

struct pt_json_tree {
    struct pt_arena *arena; /* borrowed */
    struct pt_json_node *root;
    uint32_t work;
    struct pt_error *err; /* where failures are told */
};

/* Every step over a value counts: what is quadratic in a large document ends here. False: enough.
 */
bool pt_json_tree_spend(struct pt_json_tree *tree);
enum pt_code pt_json_tree_overworked(struct pt_json_tree *tree); /* says so; PT_TOO_BIG */
enum pt_code pt_json_tree_overflown(struct pt_json_tree *tree);  /* no memory left; PT_TOO_BIG */

/* An empty node, in no parent yet; NULL without memory. */
struct pt_json_node *pt_json_tree_node(struct pt_json_tree *tree,
                                       enum pt_json_node_kind kind) PT_MUST_USE;
/* From parsed JSON. Of equal keys the last one counts, in the place of the first. */
enum pt_code pt_json_tree_build(struct pt_json_tree *tree, struct pt_json json,
                                struct pt_json_node **node_out) PT_MUST_USE;
enum pt_code pt_json_tree_clone(struct pt_json_tree *tree, const struct pt_json_node *node,
                                struct pt_json_node **node_out) PT_MUST_USE;

/* The member of that key, or NULL, also when the work is used up. */
struct pt_json_node *pt_json_tree_member(struct pt_json_tree *tree,
                                         const struct pt_json_node *object, struct pt_span key);
/* As RFC 6902, 4.6 has it: numbers by value, objects in any order. False also when the work is used
 * up. */
bool pt_json_tree_equal(struct pt_json_tree *tree, const struct pt_json_node *a,
                        const struct pt_json_node *b);

void pt_json_node_append(struct pt_json_node *parent, struct pt_json_node *child);
void pt_json_node_insert(struct pt_json_node *parent, uint32_t index, struct pt_json_node *child);
void pt_json_node_cut(struct pt_json_node *parent, struct pt_json_node *child);
/* `child` takes the place of `old` in `parent`, key and all. */
void pt_json_node_swap(struct pt_json_node *parent, struct pt_json_node *old,
                       struct pt_json_node *child);

/* Levels of arrays and objects, itself included; an empty one is no level (json.h). */
uint32_t pt_json_node_height(const struct pt_json_node *node);
void pt_json_node_write(struct pt_jsonw *w, const struct pt_json_node *node);

#endif
