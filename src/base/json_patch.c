/*
 * json_patch.c - JSON Patch (RFC 6902) and Merge Patch (RFC 7396)
 *
 * The document becomes a tree in an arena whose leaves stay where they were parsed. Operations
 * move, cut and copy branches; a branch is in one place only, so that what a later operation
 * changes under a copy does not change the original. The tree is written out at the end, which is
 * what makes a patch apply whole or not at all.
 */
#include "base/json_patch.h"

#include "base/json_tree.h"

enum op_kind {
    OP_ADD,
    OP_REMOVE,
    OP_REPLACE,
    OP_MOVE,
    OP_COPY,
    OP_TEST,
};

static const char *const op_names[] = {"add", "remove", "replace", "move", "copy", "test"};

/* A JSON pointer (RFC 6901), cut up and unescaped. */
struct pointer {
    struct pt_span text; /* as written, for messages */
    struct pt_span *tokens;
    uint32_t count;
};

struct op {
    enum op_kind kind;
    struct pointer path;
    struct pointer from;  /* move and copy */
    struct pt_json value; /* add, replace and test */
};

struct pt_json_patch {
    struct pt_json_parser *parser;
    uint8_t *text;
    struct pt_json root;
    bool is_merge;
    struct op *ops; /* in `fixed` */
    uint32_t op_count;
    struct pt_arena fixed;   /* the operations */
    struct pt_arena scratch; /* the tree of one document */
};

/* ---- reading a patch ---- */

static enum pt_code read_token(struct pt_json_patch *patch, struct pt_span raw,
                               struct pt_span *token_out, struct pt_error *err)
{
    uint8_t *text = pt_arena_alloc(&patch->fixed, raw.size + 1);
    size_t size = 0;

    if (!text) {
        return pt_fail(err, PT_NO_MEMORY, "read a patch");
    }
    for (size_t i = 0; i < raw.size; i++) {
        uint8_t byte = raw.data[i];

        if (byte == '~') {
            i++;
            if (i == raw.size || (raw.data[i] != '0' && raw.data[i] != '1')) {
                return pt_fail(err, PT_INVALID, "in a pointer ~ is written ~0, and / is ~1");
            }
            byte = raw.data[i] == '0' ? '~' : '/';
        }
        text[size++] = byte;
    }
    *token_out = pt_span_of(text, size);
    return PT_OK;
}

static enum pt_code read_pointer(struct pt_json_patch *patch, struct pt_span text,
                                 struct pointer *out, struct pt_error *err)
{
    size_t at = 0;

    *out = (struct pointer){.text = text};
    if (text.size == 0) {
        return PT_OK; /* the whole document */
    }
    if (text.data[0] != '/') {
        return pt_fail(err, PT_INVALID, "a pointer is empty or begins with /, such as /user_id");
    }
    for (size_t i = 0; i < text.size; i++) {
        out->count += text.data[i] == '/';
    }
    if (out->count > PT_JSON_DEPTH_MAX) {
        return pt_fail(err, PT_TOO_BIG, "a pointer of %u steps; a document nests at most %d deep",
                       out->count, PT_JSON_DEPTH_MAX);
    }
    out->tokens = pt_arena_alloc(&patch->fixed, out->count * sizeof(*out->tokens));
    if (!out->tokens) {
        return pt_fail(err, PT_NO_MEMORY, "read a patch");
    }
    for (uint32_t i = 0; i < out->count; i++) {
        size_t end = ++at;
        enum pt_code code = PT_OK;

        while (end < text.size && text.data[end] != '/') {
            end++;
        }
        code = read_token(patch, pt_span_of(text.data + at, end - at), &out->tokens[i], err);
        if (code) {
            return code;
        }
        at = end;
    }
    return PT_OK;
}

static bool is_op_kind(struct pt_span name, enum op_kind *kind_out)
{
    for (size_t i = 0; i < sizeof(op_names) / sizeof(op_names[0]); i++) {
        if (pt_span_is(name, op_names[i])) {
            *kind_out = (enum op_kind)i;
            return true;
        }
    }
    return false;
}

/* Which of two equal members is meant cannot be told (RFC 6902, A.13). */
static bool is_repeated(struct pt_json object, const char *key)
{
    unsigned count = 0;

    for (struct pt_json_iter it = pt_json_iterate(object); pt_json_next(&it);) {
        count += pt_span_is(it.key, key);
    }
    return count > 1;
}

/* `from` may not hold `path`: a branch cannot go into itself. */
static bool is_proper_prefix(const struct pointer *from, const struct pointer *path)
{
    if (from->count >= path->count) {
        return false;
    }
    for (uint32_t i = 0; i < from->count; i++) {
        if (!pt_span_equal(from->tokens[i], path->tokens[i])) {
            return false;
        }
    }
    return true;
}

static enum pt_code read_op(struct pt_json_patch *patch, struct pt_json json, struct op *op,
                            struct pt_error *err)
{
    static const char *const members[] = {"op", "path", "from", "value"};
    struct pt_span text;
    enum pt_code code = PT_OK;

    if (pt_json_type(json) != PT_JSON_OBJECT) {
        return pt_fail(err, PT_INVALID, "must be an object with op and path, not %s",
                       pt_json_type_name(pt_json_type(json)));
    }
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        if (is_repeated(json, members[i])) {
            return pt_fail(err, PT_INVALID, "has \"%s\" twice", members[i]);
        }
    }
    if (!pt_json_member_string(json, "op", &text) || !is_op_kind(text, &op->kind)) {
        return pt_fail(err, PT_INVALID, "\"op\" must be add, remove, replace, move, copy or test");
    }
    if (!pt_json_member_string(json, "path", &text)) {
        return pt_fail(err, PT_INVALID, "%s needs \"path\", a JSON pointer such as \"/user_id\"",
                       op_names[op->kind]);
    }
    code = read_pointer(patch, text, &op->path, err);
    if (code) {
        return pt_error_prefix(err, code, "path");
    }
    if (op->kind == OP_MOVE || op->kind == OP_COPY) {
        if (!pt_json_member_string(json, "from", &text)) {
            return pt_fail(err, PT_INVALID, "%s needs \"from\", a JSON pointer",
                           op_names[op->kind]);
        }
        code = read_pointer(patch, text, &op->from, err);
        if (code) {
            return pt_error_prefix(err, code, "from");
        }
        if (op->kind == OP_MOVE && is_proper_prefix(&op->from, &op->path)) {
            return pt_fail(err, PT_INVALID, "a value cannot be moved into itself");
        }
    }
    if (op->kind == OP_ADD || op->kind == OP_REPLACE || op->kind == OP_TEST) {
        op->value = pt_json_member(json, "value");
        if (!pt_json_exists(op->value)) {
            return pt_fail(err, PT_INVALID, "%s needs \"value\"", op_names[op->kind]);
        }
    }
    if (op->kind == OP_REMOVE && op->path.count == 0) {
        return pt_fail(err, PT_INVALID, "the whole document cannot be removed");
    }
    return PT_OK;
}

static enum pt_code read_ops(struct pt_json_patch *patch, struct pt_error *err)
{
    uint32_t count = 0;

    if (pt_json_type(patch->root) != PT_JSON_ARRAY) {
        return pt_fail(
            err, PT_INVALID,
            "a JSON Patch is an array of operations, not %s (a Merge Patch is an object)",
            pt_json_type_name(pt_json_type(patch->root)));
    }
    count = pt_json_count(patch->root);
    if (count > PT_JSON_PATCH_OPS_MAX) {
        return pt_fail(err, PT_TOO_BIG, "a patch of %u operations; at most %d are taken", count,
                       PT_JSON_PATCH_OPS_MAX);
    }
    patch->ops = pt_arena_alloc(&patch->fixed, (count + 1) * sizeof(*patch->ops));
    if (!patch->ops) {
        return pt_fail(err, PT_NO_MEMORY, "read a patch");
    }
    for (struct pt_json_iter it = pt_json_iterate(patch->root); pt_json_next(&it);) {
        struct op *op = &patch->ops[patch->op_count];
        enum pt_code code = PT_OK;

        *op = (struct op){0};
        code = read_op(patch, it.value, op, err);
        if (code) {
            return pt_error_prefix(err, code, "operation %u", patch->op_count);
        }
        patch->op_count++;
    }
    return PT_OK;
}

static enum pt_code read_patch(struct pt_json_patch *patch, struct pt_span text,
                               enum pt_json_patch_kind kind, struct pt_error *err)
{
    enum pt_code code = PT_OK;

    if (text.size > PT_JSON_PATCH_BYTES_MAX) {
        return pt_fail(err, PT_TOO_BIG, "a patch of %zu bytes; at most %u are taken", text.size,
                       PT_JSON_PATCH_BYTES_MAX);
    }
    patch->parser = pt_json_parser_create(PT_JSON_PATCH_BYTES_MAX);
    patch->text = pt_alloc_zero(text.size + PT_JSON_PADDING);
    if (!patch->parser || !patch->text) {
        return pt_fail(err, PT_NO_MEMORY, "read a patch");
    }
    if (text.size) {
        memcpy(patch->text, text.data, text.size);
    }
    code =
        pt_json_parse(patch->parser, pt_span_of(patch->text, text.size), &patch->root, NULL, err);
    if (code) {
        return code;
    }
    patch->is_merge = kind == PT_JSON_PATCH_MERGE ||
                      (kind == PT_JSON_PATCH_AUTO && pt_json_type(patch->root) == PT_JSON_OBJECT);
    return patch->is_merge ? PT_OK : read_ops(patch, err);
}

enum pt_code pt_json_patch_create(struct pt_json_patch **patch_out, struct pt_span text,
                                  enum pt_json_patch_kind kind, struct pt_error *err)
{
    struct pt_json_patch *patch = pt_alloc_zero(sizeof(*patch));
    enum pt_code code = PT_OK;

    *patch_out = NULL;
    if (!patch) {
        return pt_fail(err, PT_NO_MEMORY, "read a patch");
    }
    pt_arena_init(&patch->fixed, PT_JSON_TREE_BYTES_MAX);
    pt_arena_init(&patch->scratch, PT_JSON_TREE_BYTES_MAX);
    code = read_patch(patch, text, kind, err);
    if (code) {
        pt_json_patch_destroy(patch);
        return code;
    }
    *patch_out = patch;
    return PT_OK;
}

void pt_json_patch_destroy(struct pt_json_patch *patch)
{
    if (patch) {
        pt_json_parser_destroy(patch->parser);
        pt_arena_release(&patch->fixed);
        pt_arena_release(&patch->scratch);
        pt_free(patch->text);
        pt_free(patch);
    }
}

/* ---- JSON Patch ---- */

enum index_kind {
    NOT_AN_INDEX,
    AN_INDEX,
    THE_END, /* "-" */
};

/* No sign, no leading zero (RFC 6901, 4). */
static enum index_kind read_index(struct pt_span token, uint32_t *index_out)
{
    uint32_t index = 0;

    if (pt_span_is(token, "-")) {
        return THE_END;
    }
    if (token.size == 0 || token.size > 9 || (token.size > 1 && token.data[0] == '0')) {
        return NOT_AN_INDEX;
    }
    for (size_t i = 0; i < token.size; i++) {
        if (token.data[i] < '0' || token.data[i] > '9') {
            return NOT_AN_INDEX;
        }
        index = index * 10 + (uint32_t)(token.data[i] - '0');
    }
    *index_out = index;
    return AN_INDEX;
}

static enum pt_code not_there(struct pt_json_tree *tree, const struct pointer *pointer,
                              uint32_t steps)
{
    size_t size = 0;

    if (tree->work > PT_JSON_TREE_WORK_MAX) {
        return pt_json_tree_overworked(tree);
    }
    for (uint32_t seen = 0; size < pointer->text.size; size++) {
        seen += pointer->text.data[size] == '/';
        if (seen > steps) {
            break;
        }
    }
    return pt_fail(tree->err, PT_INVALID, "%.*s is not there", size < 200 ? (int)size : 200,
                   (const char *)pointer->text.data);
}

/* Follow the first `steps` tokens. */
static enum pt_code resolve(struct pt_json_tree *tree, const struct pointer *pointer,
                            uint32_t steps, struct pt_json_node **node_out)
{
    struct pt_json_node *node = tree->root;

    for (uint32_t i = 0; i < steps; i++) {
        uint32_t index = 0;
        struct pt_json_node *child = NULL;

        if (node->kind == PT_JSON_MEMBERS) {
            child = pt_json_tree_member(tree, node, pointer->tokens[i]);
        } else if (node->kind == PT_JSON_LIST &&
                   read_index(pointer->tokens[i], &index) == AN_INDEX && index < node->count) {
            child = node->first;
            for (uint32_t k = 0; k < index && pt_json_tree_spend(tree); k++) {
                child = child->next;
            }
        }
        if (!child || tree->work > PT_JSON_TREE_WORK_MAX) {
            return not_there(tree, pointer, i + 1);
        }
        node = child;
    }
    *node_out = node;
    return PT_OK;
}

/* Puts `value` at `path`: takes the place of what an object has there, makes room in an array. */
static enum pt_code put(struct pt_json_tree *tree, const struct pointer *path,
                        struct pt_json_node *value)
{
    struct pt_json_node *parent = NULL;
    struct pt_span token;
    enum pt_code code = PT_OK;

    if (path->count + pt_json_node_height(value) > PT_JSON_DEPTH_MAX) {
        return pt_fail(tree->err, PT_TOO_BIG, "the patched document nests deeper than %d",
                       PT_JSON_DEPTH_MAX);
    }
    if (path->count == 0) {
        tree->root = value;
        return PT_OK;
    }
    code = resolve(tree, path, path->count - 1, &parent);
    if (code) {
        return code;
    }
    pt_assert(parent);
    token = path->tokens[path->count - 1];
    if (parent->kind == PT_JSON_MEMBERS) {
        struct pt_json_node *old = pt_json_tree_member(tree, parent, token);

        if (old) {
            pt_json_node_swap(parent, old, value);
        } else {
            value->key = token;
            pt_json_node_append(parent, value);
        }
        return PT_OK;
    }
    if (parent->kind == PT_JSON_LIST) {
        uint32_t index = parent->count;

        if (read_index(token, &index) == NOT_AN_INDEX || index > parent->count) {
            return pt_fail(
                tree->err, PT_INVALID, "the array has %u elements: no place to add one at \"%.*s\"",
                parent->count, token.size < 40 ? (int)token.size : 40, (const char *)token.data);
        }
        tree->work += index;
        pt_json_node_insert(parent, index, value);
        return PT_OK;
    }
    return not_there(tree, path, path->count);
}

/* Takes what is at `path` out of the tree. */
static enum pt_code take_out(struct pt_json_tree *tree, const struct pointer *path,
                             struct pt_json_node **node_out)
{
    struct pt_json_node *parent = NULL;
    enum pt_code code = resolve(tree, path, path->count, node_out);

    if (!code) {
        code = resolve(tree, path, path->count - 1, &parent);
    }
    if (!code) {
        pt_json_node_cut(parent, *node_out);
    }
    return code;
}

static enum pt_code do_replace(struct pt_json_tree *tree, const struct op *op)
{
    struct pt_json_node *parent = NULL;
    struct pt_json_node *old = NULL;
    struct pt_json_node *value = NULL;
    enum pt_code code = resolve(tree, &op->path, op->path.count, &old);

    if (!code) {
        code = pt_json_tree_build(tree, op->value, &value);
    }
    if (code) {
        return code;
    }
    if (op->path.count + pt_json_node_height(value) > PT_JSON_DEPTH_MAX) {
        return pt_fail(tree->err, PT_TOO_BIG, "the patched document nests deeper than %d",
                       PT_JSON_DEPTH_MAX);
    }
    if (op->path.count == 0) {
        tree->root = value;
        return PT_OK;
    }
    code = resolve(tree, &op->path, op->path.count - 1, &parent);
    if (!code) {
        pt_json_node_swap(parent, old, value);
    }
    return code;
}

static enum pt_code do_move(struct pt_json_tree *tree, const struct op *op)
{
    struct pt_json_node *value = NULL;
    enum pt_code code = resolve(tree, &op->from, op->from.count, &value);

    if (code || value == tree->root) {
        return code; /* the whole document can only go to where it is */
    }
    code = take_out(tree, &op->from, &value);
    return code ? code : put(tree, &op->path, value);
}

static enum pt_code do_copy(struct pt_json_tree *tree, const struct op *op)
{
    struct pt_json_node *original = NULL;
    struct pt_json_node *value = NULL;
    enum pt_code code = resolve(tree, &op->from, op->from.count, &original);

    if (!code) {
        code = pt_json_tree_clone(tree, original, &value);
    }
    return code ? code : put(tree, &op->path, value);
}

static enum pt_code do_test(struct pt_json_tree *tree, const struct op *op)
{
    struct pt_json_node *found = NULL;
    struct pt_json_node *wanted = NULL;
    enum pt_code code = resolve(tree, &op->path, op->path.count, &found);

    if (!code) {
        code = pt_json_tree_build(tree, op->value, &wanted);
    }
    if (code || pt_json_tree_equal(tree, found, wanted)) {
        return code;
    }
    return tree->work > PT_JSON_TREE_WORK_MAX
               ? pt_json_tree_overworked(tree)
               : pt_fail(tree->err, PT_INVALID, "the value is another one");
}

static enum pt_code do_op(struct pt_json_tree *tree, const struct op *op)
{
    struct pt_json_node *value = NULL;
    enum pt_code code = PT_OK;

    switch (op->kind) {
    case OP_ADD:
        code = pt_json_tree_build(tree, op->value, &value);
        return code ? code : put(tree, &op->path, value);
    case OP_REMOVE:
        return take_out(tree, &op->path, &value);
    case OP_REPLACE:
        return do_replace(tree, op);
    case OP_MOVE:
        return do_move(tree, op);
    case OP_COPY:
        return do_copy(tree, op);
    case OP_TEST:
        return do_test(tree, op);
    }
    return PT_OK;
}

static enum pt_code apply_ops(const struct pt_json_patch *patch, struct pt_json_tree *tree)
{
    for (uint32_t i = 0; i < patch->op_count; i++) {
        const struct op *op = &patch->ops[i];
        enum pt_code code = do_op(tree, op);

        if (!code && tree->work > PT_JSON_TREE_WORK_MAX) {
            code = pt_json_tree_overworked(tree);
        }
        if (code) {
            size_t size = op->path.text.size;

            return pt_error_prefix(tree->err, code, "operation %u (%s %.*s)", i, op_names[op->kind],
                                   size < 200 ? (int)size : 200, (const char *)op->path.text.data);
        }
    }
    return PT_OK;
}

/* ---- Merge Patch (RFC 7396, 2) ---- */

static enum pt_code merge(struct pt_json_tree *tree, struct pt_json_node *target,
                          struct pt_json patch);

static enum pt_code merge_member(struct pt_json_tree *tree, struct pt_json_node *target,
                                 struct pt_span key, struct pt_json value)
{
    struct pt_json_node *child = pt_json_tree_member(tree, target, key);

    if (pt_json_type(value) == PT_JSON_NULL) {
        if (child) {
            pt_json_node_cut(target, child);
        }
        return PT_OK;
    }
    if (!child) {
        child = pt_json_tree_node(tree, PT_JSON_MEMBERS);
        if (!child) {
            return pt_json_tree_overflown(tree);
        }
        child->key = key;
        pt_json_node_append(target, child);
    }
    return merge(tree, child, value);
}

/* `target` becomes the result, in its place; recursion is bounded by the patch's own depth. */
static enum pt_code merge(struct pt_json_tree *tree, struct pt_json_node *target,
                          struct pt_json patch)
{
    if (pt_json_type(patch) != PT_JSON_OBJECT) {
        struct pt_json_node *value = NULL;
        enum pt_code code = pt_json_tree_build(tree, patch, &value);

        if (!code) {
            value->key = target->key;
            value->next = target->next;
            *target = *value;
        }
        return code;
    }
    if (target->kind != PT_JSON_MEMBERS) {
        *target = (struct pt_json_node){
            .kind = PT_JSON_MEMBERS, .key = target->key, .next = target->next};
    }
    for (struct pt_json_iter it = pt_json_iterate(patch); pt_json_next(&it);) {
        enum pt_code code = merge_member(tree, target, it.key, it.value);

        if (!code && !pt_json_tree_spend(tree)) {
            code = pt_json_tree_overworked(tree);
        }
        if (code) {
            return code;
        }
    }
    return PT_OK;
}

/* ---- */

enum pt_code pt_json_patch_apply(struct pt_json_patch *patch, struct pt_json document,
                                 struct pt_buf *json_out, struct pt_error *err)
{
    struct pt_json_tree tree = {.arena = &patch->scratch, .err = err};
    size_t before = json_out->size;
    struct pt_jsonw w;
    enum pt_code code = PT_OK;

    pt_arena_reset(&patch->scratch);
    code = pt_json_tree_build(&tree, document, &tree.root);
    if (!code) {
        code = patch->is_merge ? merge(&tree, tree.root, patch->root) : apply_ops(patch, &tree);
    }
    if (!code && tree.work > PT_JSON_TREE_WORK_MAX) {
        code = pt_json_tree_overworked(&tree);
    }
    if (code) {
        return code;
    }
    pt_jsonw_init(&w, json_out);
    pt_json_node_write(&w, tree.root);
    if (json_out->has_failed) {
        json_out->size = before;
        json_out->has_failed = false;
        return pt_fail(err, PT_TOO_BIG, "the patched document takes more than %zu bytes",
                       json_out->bytes_max);
    }
    return PT_OK;
}
