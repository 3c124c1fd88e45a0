/*
 * registry_text.c - the texts of registered schemas: when two are the same, and what they refer to
 */
#include "schema/registry_state.h"

#include <stdlib.h>

/* Where a schema without an $id stands, so that a relative $ref has something to be relative to. */
#define BASE_URI "playtrace://registry/"

#define TARGETS_MAX 256

struct member {
    struct pt_span key;
    struct pt_json value;
};

static int compare_members(const void *a, const void *b)
{
    const struct member *x = a;
    const struct member *y = b;
    size_t size = x->key.size < y->key.size ? x->key.size : y->key.size;
    int order = size > 0 ? memcmp(x->key.data, y->key.data, size) : 0;

    return order != 0 ? order : (x->key.size > y->key.size) - (x->key.size < y->key.size);
}

/* Recursion is bounded by the parser's depth. False without memory. */
static bool write_sorted(struct pt_jsonw *w, struct pt_json value)
{
    struct pt_json_iter it;
    struct member *members = NULL;
    size_t count = 0;
    bool is_fine = true;

    if (pt_json_type(value) == PT_JSON_ARRAY) {
        pt_jsonw_array(w);
        it = pt_json_iterate(value);
        while (is_fine && pt_json_next(&it)) {
            is_fine = write_sorted(w, it.value);
        }
        pt_jsonw_array_end(w);
        return is_fine;
    }
    if (pt_json_type(value) != PT_JSON_OBJECT) {
        pt_jsonw_value(w, value);
        return true;
    }
    it = pt_json_iterate(value);
    while (pt_json_next(&it)) {
        count++;
    }
    members = pt_alloc((count + 1) * sizeof(*members));
    if (!members) {
        return false;
    }
    count = 0;
    it = pt_json_iterate(value);
    while (pt_json_next(&it)) {
        members[count++] = (struct member){it.key, it.value};
    }
    qsort(members, count, sizeof(*members), compare_members);
    pt_jsonw_object(w);
    for (size_t i = 0; i < count && is_fine; i++) {
        pt_jsonw_key_span(w, members[i].key);
        is_fine = write_sorted(w, members[i].value);
    }
    pt_jsonw_object_end(w);
    pt_free(members);
    return is_fine;
}

bool pt_schemaver_parse(struct pt_span text, struct pt_schemaver *out)
{
    uint32_t parts[3] = {0};
    int part = 0;
    int digits = 0;

    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];

        if (c == '-' && digits > 0 && part < 2) {
            part++;
            digits = 0;
        } else if (c >= '0' && c <= '9' && digits < 6) {
            parts[part] = parts[part] * 10 + (uint32_t)(c - '0');
            digits++;
        } else {
            return false;
        }
    }
    if (part != 2 || digits == 0 || parts[0] == 0) {
        return false;
    }
    *out = (struct pt_schemaver){parts[0], parts[1], parts[2]};
    return true;
}

enum pt_code registry_minify(struct pt_span json, struct pt_buf *minified, struct pt_buf *canonical,
                             struct pt_schemaver *self_out, bool *has_self_out,
                             struct pt_error *err)
{
    struct pt_json_parser *parser = NULL;
    struct pt_buf padded;
    struct pt_jsonw w;
    struct pt_json root;
    struct pt_json self;
    struct pt_span text;
    enum pt_code code = PT_OK;

    *has_self_out = false;
    pt_buf_init(&padded, PT_SCHEMA_BYTES_MAX + PT_JSON_PADDING);
    if (json.size > PT_SCHEMA_BYTES_MAX) {
        return pt_fail(err, PT_TOO_BIG, "the schema is over %u bytes", PT_SCHEMA_BYTES_MAX);
    }
    pt_buf_append(&padded, json.data, json.size);
    parser = pt_json_parser_create(PT_SCHEMA_BYTES_MAX);
    if (!parser || !pt_buf_reserve(&padded, PT_JSON_PADDING)) {
        code = pt_fail(err, PT_NO_MEMORY, "read a schema");
        goto out;
    }
    code = pt_json_parse(parser, pt_buf_span(&padded), &root, NULL, err);
    if (code) {
        goto out;
    }
    if (pt_json_type(root) != PT_JSON_OBJECT && pt_json_type(root) != PT_JSON_BOOL) {
        code = pt_fail(err, PT_INVALID, "a schema is an object or a boolean, not %s",
                       pt_json_type_name(pt_json_type(root)));
        goto out;
    }
    pt_jsonw_init(&w, minified);
    pt_jsonw_value(&w, root);
    pt_jsonw_init(&w, canonical);
    if (!write_sorted(&w, root)) {
        code = pt_fail(err, PT_NO_MEMORY, "read a schema");
    } else if (json.size <= PT_REGISTRY_SCHEMA_BYTES_MAX &&
               (minified->has_failed || canonical->has_failed)) {
        code = pt_fail(err, PT_NO_MEMORY, "read a schema");
    } else if (minified->size > PT_REGISTRY_SCHEMA_BYTES_MAX || minified->has_failed ||
               canonical->has_failed) {
        code =
            pt_fail(err, PT_TOO_BIG, "the schema is over %u bytes", PT_REGISTRY_SCHEMA_BYTES_MAX);
    }
    if (!code && pt_json_type(root) == PT_JSON_OBJECT) {
        self = pt_json_member(root, "self");
        *has_self_out = pt_json_exists(self) && pt_json_type(self) == PT_JSON_OBJECT &&
                        pt_json_member_string(self, "version", &text) &&
                        pt_schemaver_parse(text, self_out);
    }

out:
    pt_json_parser_destroy(parser);
    pt_buf_release(&padded);
    return code;
}

void registry_entry_destroy(struct pt_registry_entry *entry)
{
    if (!entry) {
        return;
    }
    for (uint32_t i = 0; i < entry->reference_count; i++) {
        pt_free((void *)(uintptr_t)entry->references[i].name.data);
        pt_free((void *)(uintptr_t)entry->references[i].subject.data);
    }
    pt_schema_destroy(entry->schema);
    pt_free(entry->json);
    pt_free(entry->canonical);
    pt_free(entry);
}

/* "https://game.example/common.json" is asked for where the reference is called "common.json". */
static bool is_called(struct pt_span uri, struct pt_span name)
{
    while (name.size > 1 && name.data[0] == '.' && name.data[1] == '/') {
        name = pt_span_of(name.data + 2, name.size - 2);
    }
    if (pt_span_equal(uri, name)) {
        return true;
    }
    return name.size > 0 && uri.size > name.size && uri.data[uri.size - name.size - 1] == '/' &&
           memcmp(uri.data + uri.size - name.size, name.data, name.size) == 0;
}

/* `left`: of many that refer to many, so many are looked at. */
static const struct pt_registry_entry *find_target(const struct pt_registry_entry *entry,
                                                   struct pt_span uri, uint32_t *left)
{
    const struct pt_registry_entry *found = NULL;

    for (uint32_t i = 0; i < entry->reference_count; i++) {
        if (is_called(uri, entry->references[i].name)) {
            return entry->targets[i];
        }
    }
    for (uint32_t i = 0; i<entry->reference_count && * left> 0 && !found; i++) {
        (*left)--;
        found = find_target(entry->targets[i], uri, left);
    }
    return found;
}

enum pt_code registry_resolve(void *ctx, const char *uri, struct pt_buf *json_out,
                              struct pt_error *err)
{
    uint32_t left = TARGETS_MAX;
    const struct pt_registry_entry *target = find_target(ctx, pt_span_str(uri), &left);

    if (!target) {
        return pt_fail(err, PT_NOT_FOUND, "no reference of the schema is called %s", uri);
    }
    pt_buf_append(json_out, target->json, target->json_bytes);
    return json_out->has_failed ? pt_fail(err, PT_NO_MEMORY, "read %s", uri) : PT_OK;
}

enum pt_code registry_compile(struct pt_registry_entry *entry, struct pt_error *err)
{
    const struct pt_schema_options options = {
        .draft = PT_SCHEMA_DRAFT_7, /* Confluent's, for a schema that names none */
        .assert_formats = true,
        .base_uri = BASE_URI,
        .resolve = registry_resolve,
        .resolve_ctx = entry,
    };

    return pt_schema_compile(&entry->schema, pt_span_of(entry->json, entry->json_bytes), &options,
                             err);
}
