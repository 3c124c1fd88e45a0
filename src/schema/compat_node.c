/*
 * compat_node.c - documents, places in them, and where a $ref leads
 */
#include "schema/compat_node.h"

#include "base/crypto.h"
#include "schema/uri.h"

#include <stdio.h>

#define ANCHOR_DEPTH_MAX 64

bool compat_spend(struct compat_checker *ck, uint64_t steps)
{
    if (ck->is_too_complex || ck->steps < steps) {
        ck->is_too_complex = true;
        return false;
    }
    ck->steps -= steps;
    return true;
}

void *compat_take(struct compat_checker *ck, size_t bytes)
{
    void *memory = pt_arena_alloc(&ck->arena, bytes);

    if (!memory) {
        ck->is_too_complex = true;
        ck->is_out_of_memory =
            ck->is_out_of_memory || ck->arena.bytes_max - ck->arena.used_bytes > bytes + 64;
    }
    return memory;
}

static struct pt_span keep_text(struct compat_checker *ck, struct pt_span text)
{
    char *kept = compat_take(ck, text.size + 1);

    if (!kept) {
        return (struct pt_span){0};
    }
    if (text.size > 0) {
        memcpy(kept, text.data, text.size);
    }
    kept[text.size] = '\0';
    return pt_span_of(kept, text.size);
}

enum pt_code compat_document_add(struct compat_checker *ck, struct pt_span json, const char *uri,
                                 uint32_t owner, uint32_t *index_out, struct pt_error *err)
{
    struct compat_document *document = &ck->documents[ck->document_count];
    struct pt_span draft;
    enum pt_code code = PT_OK;

    if (ck->document_count == COMPAT_DOCUMENTS_MAX) {
        return pt_fail(err, PT_TOO_BIG, "more than %u documents", (unsigned)COMPAT_DOCUMENTS_MAX);
    }
    ck->document_count++;
    document->uri = uri;
    document->owner = owner;
    pt_buf_init(&document->json, PT_SCHEMA_BYTES_MAX + PT_JSON_PADDING);
    pt_buf_append(&document->json, json.data, json.size);
    if (!pt_buf_reserve(&document->json, PT_JSON_PADDING)) {
        return json.size > PT_SCHEMA_BYTES_MAX
                   ? pt_fail(err, PT_TOO_BIG, "the schema is over %u bytes", PT_SCHEMA_BYTES_MAX)
                   : pt_fail(err, PT_NO_MEMORY, "read the schema");
    }
    document->parser = pt_json_parser_create(PT_SCHEMA_BYTES_MAX);
    if (!document->parser) {
        return pt_fail(err, PT_NO_MEMORY, "read the schema");
    }
    code =
        pt_json_parse(document->parser, pt_buf_span(&document->json), &document->root, NULL, err);
    if (code) {
        return code;
    }
    if (pt_json_type(document->root) != PT_JSON_OBJECT &&
        pt_json_type(document->root) != PT_JSON_BOOL) {
        return pt_fail(err, PT_INVALID, "a schema is an object or a boolean, not %s",
                       pt_json_type_name(pt_json_type(document->root)));
    }
    if (pt_json_type(document->root) == PT_JSON_OBJECT &&
        pt_json_member_string(document->root, "$schema", &draft)) {
        document->is_2020 = memmem(draft.data, draft.size, "/2020-12/", 9) != NULL ||
                            memmem(draft.data, draft.size, "/2019-09/", 9) != NULL;
    }
    *index_out = ck->document_count - 1;
    return PT_OK;
}

struct compat_node compat_root(struct compat_checker *ck, uint32_t document)
{
    return (struct compat_node){
        .value = ck->documents[document].root,
        .resource = ck->documents[document].root,
        .document = document,
    };
}

static const struct compat_path *step(struct compat_checker *ck, const struct compat_path *up,
                                      struct pt_span word)
{
    struct compat_path *path = compat_take(ck, sizeof(*path));

    if (!path) {
        return up;
    }
    path->up = up;
    path->word = word;
    return path;
}

/* A schema with an $id of its own is what "#" means inside it. */
static void enter_resource(struct compat_node *node)
{
    struct pt_span id;

    if (pt_json_exists(node->value) && pt_json_type(node->value) == PT_JSON_OBJECT &&
        pt_json_member_string(node->value, "$id", &id) && id.size > 0 && id.data[0] != '#') {
        node->resource = node->value;
        node->resource_path = node->path;
    }
}

struct compat_node compat_member(struct compat_checker *ck, const struct compat_node *node,
                                 const char *key, struct pt_span member, struct pt_json value)
{
    struct compat_node child = *node;

    child.value = value;
    child.path = step(ck, node->path, pt_span_str(key));
    if (member.data) {
        child.path = step(ck, child.path, member);
    }
    enter_resource(&child);
    return child;
}

struct compat_node compat_child(struct compat_checker *ck, const struct compat_node *node,
                                const char *key, struct pt_json value)
{
    return compat_member(ck, node, key, (struct pt_span){0}, value);
}

struct compat_node compat_element(struct compat_checker *ck, const struct compat_node *node,
                                  const char *key, uint32_t index, struct pt_json value)
{
    char digits[16];

    snprintf(digits, sizeof(digits), "%u", index);
    return compat_member(ck, node, key, keep_text(ck, pt_span_str(digits)), value);
}

bool compat_is_2020(const struct compat_checker *ck, const struct compat_node *node)
{
    return ck->documents[node->document].is_2020;
}

struct pt_json compat_find(struct compat_checker *ck, struct pt_json object, struct pt_span key)
{
    struct pt_json found = {0};
    struct pt_json_iter it;

    if (!pt_json_exists(object) || pt_json_type(object) != PT_JSON_OBJECT ||
        !compat_spend(ck, 1 + pt_json_count(object) / 4)) {
        return found;
    }
    it = pt_json_iterate(object);
    while (pt_json_next(&it)) {
        if (pt_span_equal(it.key, key)) {
            found = it.value;
        }
    }
    return found;
}

bool compat_is_only_ref(const struct compat_checker *ck, const struct compat_node *node)
{
    return !compat_is_2020(ck, node) && pt_json_exists(pt_json_member(node->value, "$ref"));
}

static bool is_among(const char *keyword, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(keyword, list[i]) == 0) {
            return true;
        }
    }
    return false;
}

struct pt_json compat_keyword(struct compat_checker *ck, const struct compat_node *node,
                              const char *keyword)
{
    static const char *const newer[] = {
        "prefixItems", "dependentRequired", "dependentSchemas",     "minContains",
        "maxContains", "unevaluatedItems",  "unevaluatedProperties"};
    struct pt_json absent = {0};

    if (!pt_json_exists(node->value) || pt_json_type(node->value) != PT_JSON_OBJECT) {
        return absent;
    }
    if (!compat_is_2020(ck, node) &&
        (is_among(keyword, newer, sizeof(newer) / sizeof(newer[0])) ||
         (strcmp(keyword, "$ref") != 0 && compat_is_only_ref(ck, node)))) {
        return absent;
    }
    return compat_find(ck, node->value, pt_span_str(keyword));
}

/* ---- $ref ------------------------------------------------------------------ */

/* A fragment without its percent escapes, in the arena. */
static struct pt_span decode_fragment(struct compat_checker *ck, struct pt_span text)
{
    uint8_t *out = compat_take(ck, text.size + 1);
    size_t size = 0;

    if (out) {
        (void)pt_percent_decode(text, false, out, text.size, &size); /* broken: as it is */
    }
    return pt_span_of(out, size);
}

/* A word of a pointer without the pointer's own escapes, in the arena. */
static struct pt_span unescape(struct compat_checker *ck, struct pt_span text)
{
    uint8_t *out = compat_take(ck, text.size + 1);
    size_t size = 0;

    if (!out) {
        return (struct pt_span){0};
    }
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];

        if (c == '~' && i + 1 < text.size && (text.data[i + 1] == '0' || text.data[i + 1] == '1')) {
            c = text.data[++i] == '0' ? '~' : '/';
        }
        out[size++] = c;
    }
    return pt_span_of(out, size);
}

static struct pt_json element_at(struct pt_json array, struct pt_span word)
{
    uint32_t index = 0;

    if (word.size == 0 || word.size > 6) {
        return (struct pt_json){0};
    }
    for (size_t i = 0; i < word.size; i++) {
        if (word.data[i] < '0' || word.data[i] > '9') {
            return (struct pt_json){0};
        }
        index = index * 10 + (uint32_t)(word.data[i] - '0');
    }
    return pt_json_element(array, index);
}

/* From `node` down the pointer. */
static bool walk_pointer(struct compat_checker *ck, struct compat_node *node,
                         struct pt_span pointer)
{
    size_t at = 0;

    while (at < pointer.size) {
        size_t end = at + 1;
        struct pt_span word;
        struct pt_json next = {0};

        if (pointer.data[at] != '/') {
            return false;
        }
        while (end < pointer.size && pointer.data[end] != '/') {
            end++;
        }
        word = unescape(ck, pt_span_of(pointer.data + at + 1, end - at - 1));
        at = end;
        if (pt_json_type(node->value) == PT_JSON_OBJECT) {
            next = compat_find(ck, node->value, word);
        } else if (pt_json_type(node->value) == PT_JSON_ARRAY) {
            next = element_at(node->value, word);
        }
        if (!pt_json_exists(next)) {
            return false;
        }
        node->value = next;
        node->path = step(ck, node->path, word);
        enter_resource(node);
    }
    return true;
}

static bool is_named(struct pt_json object, struct pt_span name, bool is_anchor)
{
    struct pt_span text;

    if (!is_anchor) {
        return pt_json_member_string(object, "$id", &text) && pt_span_equal(text, name);
    }
    if ((pt_json_member_string(object, "$anchor", &text) ||
         pt_json_member_string(object, "$dynamicAnchor", &text)) &&
        pt_span_equal(text, name)) {
        return true;
    }
    return pt_json_member_string(object, "$id", &text) && text.size == name.size + 1 &&
           text.data[0] == '#' && memcmp(text.data + 1, name.data, name.size) == 0;
}

/* The steps of a search stand on the stack; what is found needs them longer. */
static const struct compat_path *keep_path(struct compat_checker *ck,
                                           const struct compat_path *path)
{
    struct compat_path *kept = path ? compat_take(ck, sizeof(*kept)) : NULL;

    if (kept) {
        kept->word = keep_text(ck, path->word); /* digits are the stack's */
        kept->up = keep_path(ck, path->up);
    }
    return kept;
}

/* The schema below `node` that has this anchor, or (is_anchor false) this $id. */
static bool find_named(struct compat_checker *ck, struct compat_node *node, struct pt_span name,
                       bool is_anchor, uint32_t depth)
{
    struct pt_json_iter it;
    uint32_t index = 0;

    if (depth > ANCHOR_DEPTH_MAX || (pt_json_type(node->value) != PT_JSON_OBJECT &&
                                     pt_json_type(node->value) != PT_JSON_ARRAY)) {
        return false;
    }
    if (!compat_spend(ck, 1 + pt_json_count(node->value) / 2)) {
        return false;
    }
    if (pt_json_type(node->value) == PT_JSON_OBJECT && is_named(node->value, name, is_anchor)) {
        node->path = keep_path(ck, node->path);
        enter_resource(node);
        return true;
    }
    it = pt_json_iterate(node->value);
    while (pt_json_next(&it)) {
        struct compat_node child = *node;
        char digits[16];
        struct compat_path here = {.up = node->path, .word = it.key};

        if (!it.is_object) {
            snprintf(digits, sizeof(digits), "%u", index++);
            here.word = pt_span_str(digits);
        }
        child.value = it.value;
        child.path = &here;
        if (find_named(ck, &child, name, is_anchor, depth + 1)) {
            *node = child;
            return true;
        }
    }
    return false;
}

static bool open_document(struct compat_checker *ck, uint32_t owner, struct pt_span uri,
                          struct compat_node *target_out)
{
    const struct pt_compat_document *source = ck->sources[owner];
    struct pt_buf json;
    const char *name = (const char *)keep_text(ck, uri).data;
    uint32_t index = 0;
    enum pt_code code = PT_OK;

    if (!name) {
        return false;
    }
    for (uint32_t i = 2; i < ck->document_count; i++) {
        if (ck->documents[i].owner == owner && pt_span_is(uri, ck->documents[i].uri)) {
            *target_out = compat_root(ck, i);
            return pt_json_exists(target_out->value);
        }
    }
    if (!source->resolve) {
        return false;
    }
    pt_buf_init(&json, PT_SCHEMA_BYTES_MAX);
    code = source->resolve(source->resolve_ctx, name, &json, NULL);
    if (!code && !json.has_failed) {
        code = compat_document_add(ck, pt_buf_span(&json), name, owner, &index, NULL);
    }
    pt_buf_release(&json);
    if (code) {
        return false;
    }
    *target_out = compat_root(ck, index);
    return true;
}

/* A schema of another $id: inside one of the owner's documents, or a document of its own. */
static bool find_resource(struct compat_checker *ck, const struct compat_node *node,
                          struct pt_span uri, struct compat_node *target_out)
{
    uint32_t owner = ck->documents[node->document].owner;
    struct pt_span base = {0};
    struct pt_span absolute = uri;
    struct pt_span fragment;

    if (pt_json_type(node->resource) == PT_JSON_OBJECT &&
        pt_json_member_string(node->resource, "$id", &base)) {
        const char *text = pt_uri_resolve(&ck->arena, base, uri, &fragment);

        absolute = text ? pt_span_str(text) : uri;
    }
    for (uint32_t i = 0; i < ck->document_count; i++) {
        if (ck->documents[i].owner != owner || !pt_json_exists(ck->documents[i].root)) {
            continue;
        }
        *target_out = compat_root(ck, i);
        if (find_named(ck, target_out, uri, false, 0)) {
            return true;
        }
        *target_out = compat_root(ck, i);
        if (!pt_span_equal(uri, absolute) && find_named(ck, target_out, absolute, false, 0)) {
            return true;
        }
    }
    return open_document(ck, owner, uri, target_out) ||
           (!pt_span_equal(uri, absolute) && open_document(ck, owner, absolute, target_out));
}

bool compat_follow(struct compat_checker *ck, const struct compat_node *node,
                   struct compat_node *target_out)
{
    struct pt_span reference;
    struct pt_span uri;
    struct pt_span fragment = {0};
    const uint8_t *hash = NULL;

    if (!pt_json_member_string(node->value, "$ref", &reference) || !compat_spend(ck, 8)) {
        return false;
    }
    hash = reference.size ? memchr(reference.data, '#', reference.size) : NULL;
    uri = reference;
    if (hash) {
        uri.size = (size_t)(hash - reference.data);
        fragment = decode_fragment(ck, pt_span_of(hash + 1, reference.size - uri.size - 1));
    }
    *target_out = *node;
    if (uri.size > 0) {
        if (!find_resource(ck, node, uri, target_out)) {
            return false;
        }
    } else {
        target_out->value = node->resource;
        target_out->path = node->resource_path;
    }
    if (fragment.size == 0) {
        return true;
    }
    return fragment.data[0] == '/' ? walk_pointer(ck, target_out, fragment)
                                   : find_named(ck, target_out, fragment, true, 0);
}

/* ---- reading a keyword's value ---------------------------------------------- */

static uint8_t type_bit(struct pt_json name)
{
    static const struct {
        const char *name;
        uint8_t bits;
    } table[] = {
        {"null", COMPAT_NULL},       {"boolean", COMPAT_BOOL},
        {"integer", COMPAT_INTEGER}, {"number", COMPAT_INTEGER | COMPAT_FRACTION},
        {"string", COMPAT_STRING},   {"array", COMPAT_ARRAY},
        {"object", COMPAT_OBJECT},
    };

    for (size_t i = 0; pt_json_type(name) == PT_JSON_STRING && i < sizeof(table) / sizeof(table[0]);
         i++) {
        if (pt_span_is(pt_json_string(name), table[i].name)) {
            return table[i].bits;
        }
    }
    return 0;
}

uint8_t compat_types(struct pt_json type)
{
    uint8_t bits = 0;
    struct pt_json_iter it;

    if (!pt_json_exists(type)) {
        return COMPAT_ANY;
    }
    if (pt_json_type(type) != PT_JSON_ARRAY) {
        return type_bit(type);
    }
    it = pt_json_iterate(type);
    while (pt_json_next(&it)) {
        bits |= type_bit(it.value);
    }
    return bits;
}

struct pt_number compat_number(struct pt_json value)
{
    return pt_number_at(value.tape, value.at);
}

struct pt_number compat_count(uint64_t count)
{
    if (count > INT64_MAX) {
        return (struct pt_number){.kind = 'u', .as.u = count};
    }
    return (struct pt_number){.kind = 'l', .as.i = (int64_t)count};
}

void compat_list_of(struct compat_checker *ck, const struct compat_node *node,
                    struct compat_list *list_out)
{
    struct pt_json prefix = compat_keyword(ck, node, "prefixItems");
    struct pt_json items = compat_keyword(ck, node, "items");
    struct pt_json rest = items;

    *list_out = (struct compat_list){.prefix_key = "prefixItems", .rest_key = "items"};
    if (pt_json_exists(items) && pt_json_type(items) == PT_JSON_ARRAY) {
        prefix = items;
        rest = compat_keyword(ck, node, "additionalItems");
        list_out->prefix_key = "items";
        list_out->rest_key = "additionalItems";
    }
    if (pt_json_exists(prefix) && pt_json_type(prefix) == PT_JSON_ARRAY) {
        list_out->prefix = prefix;
        list_out->prefix_count = pt_json_count(prefix);
    }
    list_out->rest = compat_child(ck, node, list_out->rest_key, rest);
}

/* ---- pointers, for people ---------------------------------------------------- */

static size_t append(char *text, size_t at, size_t room, struct pt_span word)
{
    for (size_t i = 0; i < word.size && at + 3 < room; i++) {
        uint8_t c = word.data[i];

        if (c == '~' || c == '/') {
            text[at++] = '~';
            text[at++] = c == '~' ? '0' : '1';
        } else {
            text[at++] = (char)c;
        }
    }
    return at;
}

void compat_pointer(const struct compat_checker *ck, const struct compat_node *node,
                    const char *more, char text[PT_COMPAT_POINTER_BYTES])
{
    const struct compat_path *steps[PT_COMPAT_POINTER_BYTES / 2];
    size_t count = 0;
    size_t room = PT_COMPAT_POINTER_BYTES - 4; /* for "..." */
    size_t at = 0;
    int written = snprintf(text, room, "%s#", ck->documents[node->document].uri);

    at = written < 0 ? 0 : (size_t)written;
    at = at < room ? at : room - 1;
    for (const struct compat_path *path = node->path;
         path && count < sizeof(steps) / sizeof(steps[0]); path = path->up) {
        steps[count++] = path;
    }
    while (count > 0 && at + 4 < room) {
        text[at++] = '/';
        at = append(text, at, room, steps[--count]->word);
    }
    for (; *more && at + 3 < room; more++) {
        text[at++] = *more;
    }
    if (count > 0 || *more || at + 4 >= room) {
        /* Not in the middle of a character. */
        while (at > 0 && ((uint8_t)text[at - 1] & 0xc0) == 0x80) {
            at--;
        }
        if (at > 0 && ((uint8_t)text[at - 1] & 0x80)) {
            at--;
        }
        memcpy(text + at, "...", 3);
        at += 3;
    }
    text[at] = '\0';
}

bool compat_is_false(const struct compat_node *node)
{
    return pt_json_exists(node->value) && pt_json_type(node->value) == PT_JSON_BOOL &&
           !pt_json_bool(node->value);
}
