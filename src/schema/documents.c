/*
 * documents.c - schema documents while one is compiled
 */
#include "schema/documents.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/crypto.h"
#include "base/json_walk.h"
#include "schema/program.h"
#include "schema/uri.h"

/* Pointers, URIs and keys of all documents. */
#define ARENA_BYTES_MAX (64u << 20)
/* A metaschema of a metaschema of a metaschema. */
#define LOAD_DEPTH_MAX 4
#define POINTER_BYTES_MAX 4096

static const struct {
    const char *uri;
    struct pt_dialect dialect;
} known_dialects[] = {
    {"http://json-schema.org/draft-07/schema",
     {PT_DRAFT_7, 0xff & ~PT_VOCABULARY_FORMAT_ASSERTION}},
    {"https://json-schema.org/draft-07/schema",
     {PT_DRAFT_7, 0xff & ~PT_VOCABULARY_FORMAT_ASSERTION}},
    {"https://json-schema.org/draft/2019-09/schema",
     {PT_DRAFT_2019_09, 0xff & ~PT_VOCABULARY_FORMAT_ASSERTION}},
    {"https://json-schema.org/draft/2020-12/schema",
     {PT_DRAFT_2020_12, 0xff & ~PT_VOCABULARY_FORMAT_ASSERTION}},
};

#define VOCABULARY "https://json-schema.org/draft/2020-12/vocab/"
#define VOCABULARY_2019 "https://json-schema.org/draft/2019-09/vocab/"

static const struct {
    const char *name;
    unsigned bit;
} known_vocabularies[] = {
    {"core", PT_VOCABULARY_CORE},
    {"applicator", PT_VOCABULARY_APPLICATOR},
    {"unevaluated", PT_VOCABULARY_UNEVALUATED},
    {"validation", PT_VOCABULARY_VALIDATION},
    {"meta-data", PT_VOCABULARY_OTHER},
    {"content", PT_VOCABULARY_OTHER},
    {"format", PT_VOCABULARY_FORMAT},
    {"format-annotation", PT_VOCABULARY_FORMAT},
    {"format-assertion", PT_VOCABULARY_FORMAT_ASSERTION},
};

void pt_documents_init(struct pt_documents *docs, const struct pt_schema_options *options)
{
    memset(docs, 0, sizeof(*docs));
    docs->options = options;
    pt_arena_init(&docs->arena, ARENA_BYTES_MAX);
    pt_buf_init(&docs->resources, PT_SCHEMA_NODES_MAX * sizeof(struct pt_resource));
    pt_buf_init(&docs->locations, PT_SCHEMA_NODES_MAX * sizeof(struct pt_location));
    pt_buf_init(&docs->anchors, PT_SCHEMA_NODES_MAX * sizeof(struct pt_anchor));
}

void pt_documents_release(struct pt_documents *docs)
{
    for (uint32_t i = 0; i < docs->document_count; i++) {
        pt_json_parser_destroy(docs->documents[i].parser);
        pt_buf_release(&docs->documents[i].bytes);
        pt_free(docs->documents[i].location_at);
    }
    pt_buf_release(&docs->resources);
    pt_buf_release(&docs->locations);
    pt_buf_release(&docs->anchors);
    pt_arena_release(&docs->arena);
}

struct pt_json pt_location_value(const struct pt_documents *docs, uint32_t location)
{
    const struct pt_location *place = pt_location(docs, location);
    struct pt_json value = docs->documents[place->document].root;

    value.at = place->at;
    return value;
}

enum pt_code pt_location_fail(const struct pt_documents *docs, uint32_t location,
                              const char *keyword, struct pt_error *err, enum pt_code code,
                              const char *format, ...)
{
    const struct pt_location *place = pt_location(docs, location);
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return pt_fail(err, code, "schema %.120s#%.160s%s%s: %s", docs->documents[place->document].uri,
                   place->pointer, keyword ? "/" : "", keyword ? keyword : "", text);
}

static uint64_t hash_text(const char *text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (; *text; text++) {
        hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
    }
    return hash;
}

/* Appends to one of the lists; false where it is full or there is no memory. */
static bool push(struct pt_buf *list, const void *entry, size_t bytes)
{
    pt_buf_append(list, entry, bytes);
    return !list->has_failed;
}

static enum pt_code too_many(struct pt_error *err)
{
    return pt_fail(err, PT_TOO_BIG,
                   "the schema and what it refers to have more than %u subschemas, or names and "
                   "paths too long to keep",
                   PT_SCHEMA_NODES_MAX);
}

static uint32_t find_resource(const struct pt_documents *docs, const char *uri)
{
    uint32_t count = (uint32_t)(docs->resources.size / sizeof(struct pt_resource));
    uint64_t hash = hash_text(uri);

    for (uint32_t i = 0; i < count; i++) {
        if (pt_resource(docs, i)->hash == hash && strcmp(pt_resource(docs, i)->uri, uri) == 0) {
            return i;
        }
    }
    return UINT32_MAX;
}

/* ---- walking a document ---- */

struct walk {
    struct pt_documents *docs;
    uint32_t document;
    struct pt_error *err;
};

static enum pt_code scan(struct walk *walk, uint32_t at, uint32_t resource, const char *pointer,
                         uint32_t *location_out);
static enum pt_code find_dialect(struct pt_documents *docs, struct pt_span uri,
                                 struct pt_dialect *dialect_out, struct pt_error *err);

/* `pointer` and one more token, escaped. */
static const char *longer_pointer(struct pt_documents *docs, const char *pointer,
                                  struct pt_span token)
{
    size_t bytes = strlen(pointer);
    char *text = NULL;
    char *at = NULL;

    if (bytes + token.size > POINTER_BYTES_MAX) {
        return NULL;
    }
    text = pt_arena_alloc(&docs->arena, bytes + 2 * token.size + 2);
    if (!text) {
        return NULL;
    }
    memcpy(text, pointer, bytes + 1);
    at = text + bytes;
    *at++ = '/';
    for (size_t i = 0; i < token.size; i++) {
        if (token.data[i] == '~' || token.data[i] == '/') {
            *at++ = '~';
            *at++ = token.data[i] == '~' ? '0' : '1';
        } else {
            *at++ = (char)token.data[i];
        }
    }
    *at = '\0';
    return text;
}

static enum pt_code scan_token(struct walk *walk, uint32_t at, uint32_t resource,
                               const char *pointer, struct pt_span token)
{
    const char *below = longer_pointer(walk->docs, pointer, token);
    uint32_t ignored = 0;

    if (!below) {
        return too_many(walk->err);
    }
    return scan(walk, at, resource, below, &ignored);
}

/* The schemas in an object or array of them. */
static enum pt_code scan_container(struct walk *walk, struct pt_json container, uint32_t resource,
                                   const char *pointer, bool skip_arrays)
{
    struct pt_json_iter it = pt_json_iterate(container);
    uint32_t index = 0;
    enum pt_code code = PT_OK;

    while (!code && pt_json_next(&it)) {
        char digits[12];
        struct pt_span token = it.key;

        if (skip_arrays && pt_json_type(it.value) == PT_JSON_ARRAY) {
            continue;
        }
        if (!it.is_object) {
            snprintf(digits, sizeof(digits), "%u", index++);
            token = pt_span_str(digits);
        }
        code = scan_token(walk, it.value.at, resource, pointer, token);
    }
    return code;
}

static enum pt_code scan_keyword(struct walk *walk, enum pt_keyword keyword, struct pt_json value,
                                 uint32_t resource, const char *pointer)
{
    enum pt_keyword_form form = (enum pt_keyword_form)pt_keywords[keyword].form;
    enum pt_json_type type = pt_json_type(value);
    const char *below = NULL;
    uint32_t ignored = 0;

    if (form == PT_FORM_VALUE) {
        return PT_OK;
    }
    below = longer_pointer(walk->docs, pointer, pt_span_str(pt_keywords[keyword].name));
    if (!below) {
        return too_many(walk->err);
    }
    /* A value of the wrong form is the compiler's to refuse. */
    if (form == PT_FORM_SCHEMA || (form == PT_FORM_SCHEMA_OR_LIST && type != PT_JSON_ARRAY)) {
        return scan(walk, value.at, resource, below, &ignored);
    }
    if ((form == PT_FORM_LIST || form == PT_FORM_SCHEMA_OR_LIST) && type == PT_JSON_ARRAY) {
        return scan_container(walk, value, resource, below, false);
    }
    if ((form == PT_FORM_MAP || form == PT_FORM_DEPENDENCIES) && type == PT_JSON_OBJECT) {
        return scan_container(walk, value, resource, below, form == PT_FORM_DEPENDENCIES);
    }
    return PT_OK;
}

static enum pt_code add_anchor(struct walk *walk, uint32_t location, uint32_t resource,
                               struct pt_span name, bool is_dynamic)
{
    struct pt_anchor anchor = {resource, name, location, is_dynamic};

    if (!push(&walk->docs->anchors, &anchor, sizeof(anchor))) {
        return too_many(walk->err);
    }
    return PT_OK;
}

/* A schema with $id begins a resource of its own: *resource becomes it. */
static enum pt_code take_id(struct walk *walk, struct pt_json schema, uint32_t location,
                            uint32_t *resource)
{
    struct pt_documents *docs = walk->docs;
    struct pt_resource *outer = pt_resource(docs, *resource);
    struct pt_resource own = {.location = location, .dialect = outer->dialect};
    struct pt_span id;
    struct pt_span fragment;

    if (!pt_json_member_string(schema, "$id", &id)) {
        if (pt_json_exists(pt_json_member(schema, "$id"))) {
            return pt_location_fail(docs, location, "$id", walk->err, PT_INVALID,
                                    "it must be a string");
        }
        return PT_OK;
    }
    if (own.dialect.draft == PT_DRAFT_7 && pt_json_exists(pt_json_member(schema, "$ref"))) {
        return PT_OK; /* draft-07 reads nothing beside $ref */
    }
    own.uri = pt_uri_resolve(&docs->arena, pt_span_str(outer->uri), id, &fragment);
    if (!own.uri) {
        return too_many(walk->err);
    }
    if (strlen(own.uri) != strcspn(own.uri, "#") || memchr(id.data, 0, id.size)) {
        return pt_location_fail(docs, location, "$id", walk->err, PT_INVALID, "it is not a URI");
    }
    if (fragment.size > 0 && own.dialect.draft != PT_DRAFT_7) {
        return pt_location_fail(docs, location, "$id", walk->err, PT_INVALID,
                                "a fragment has no place here; $anchor names a place");
    }
    if (strcmp(own.uri, outer->uri) != 0) {
        own.hash = hash_text(own.uri);
        if (!push(&docs->resources, &own, sizeof(own))) {
            return too_many(walk->err);
        }
        *resource = (uint32_t)(docs->resources.size / sizeof(own)) - 1;
    }
    return fragment.size > 0 ? add_anchor(walk, location, *resource, fragment, false) : PT_OK;
}

/* $schema counts where a resource begins: at a document's root and beside $id. */
static enum pt_code take_schema(struct walk *walk, struct pt_json schema, uint32_t location,
                                uint32_t resource)
{
    struct pt_documents *docs = walk->docs;
    struct pt_span uri;
    struct pt_dialect dialect;
    enum pt_code code = PT_OK;

    if (!pt_json_member_string(schema, "$schema", &uri)) {
        if (pt_json_exists(pt_json_member(schema, "$schema"))) {
            return pt_location_fail(docs, location, "$schema", walk->err, PT_INVALID,
                                    "it must be a string");
        }
        return PT_OK;
    }
    code = find_dialect(docs, uri, &dialect, walk->err);
    if (code) {
        return pt_error_prefix(walk->err, code, "$schema");
    }
    pt_resource(docs, resource)->dialect = dialect;
    return PT_OK;
}

static enum pt_code take_anchors(struct walk *walk, struct pt_json schema, uint32_t location,
                                 uint32_t resource)
{
    static const char *const names[] = {"$anchor", "$dynamicAnchor"};
    unsigned draft = pt_resource(walk->docs, resource)->dialect.draft;
    enum pt_code code = PT_OK;

    for (int i = 0; i < 2 && !code; i++) {
        struct pt_json value = pt_json_member(schema, names[i]);

        if (!pt_json_exists(value) ||
            !(pt_keywords[i == 0 ? PT_KW_ANCHOR : PT_KW_DYNAMIC_ANCHOR].drafts & draft)) {
            continue;
        }
        if (pt_json_type(value) != PT_JSON_STRING || pt_json_string(value).size == 0) {
            return pt_location_fail(walk->docs, location, names[i], walk->err, PT_INVALID,
                                    "it must be a name");
        }
        code = add_anchor(walk, location, resource, pt_json_string(value), i == 1);
    }
    return code;
}

/* Recursion: as deep as the JSON, 64 at most. */
static enum pt_code scan(struct walk *walk, uint32_t at, uint32_t resource, const char *pointer,
                         uint32_t *location_out)
{
    struct pt_documents *docs = walk->docs;
    struct pt_document *document = &docs->documents[walk->document];
    struct pt_location place = {walk->document, at, resource, PT_NODE_NONE, pointer};
    struct pt_json schema = document->root;
    struct pt_json_iter it;
    uint32_t location = 0;
    enum pt_code code = PT_OK;

    schema.at = at;
    if (document->location_at[at] != PT_LOCATION_NONE) {
        *location_out = document->location_at[at];
        return PT_OK;
    }
    if (!push(&docs->locations, &place, sizeof(place))) {
        return too_many(walk->err);
    }
    location = pt_documents_location_count(docs) - 1;
    *location_out = location;
    document->location_at[at] = location;
    if (pt_json_type(schema) != PT_JSON_OBJECT) {
        return PT_OK;
    }
    if (pt_resource(docs, resource)->location == PT_LOCATION_NONE) {
        pt_resource(docs, resource)->location = location;
        code = take_schema(walk, schema, location, resource);
    }
    if (!code) {
        code = take_id(walk, schema, location, &resource);
    }
    pt_location(docs, location)->resource = resource;
    if (!code && pt_resource(docs, resource)->location == location && pointer[0]) {
        code = take_schema(walk, schema, location, resource);
    }
    if (!code) {
        code = take_anchors(walk, schema, location, resource);
    }
    for (it = pt_json_iterate(schema); !code && pt_json_next(&it);) {
        enum pt_keyword keyword =
            pt_keyword_find(it.key, pt_resource(docs, resource)->dialect.draft);

        if (keyword != PT_KW_COUNT) {
            code = scan_keyword(walk, keyword, it.value, resource, pointer);
        }
    }
    return code;
}

/* ---- loading ---- */

static enum pt_code add_document(struct pt_documents *docs, struct pt_span json, const char *uri,
                                 const char *shown_uri, struct pt_dialect dialect,
                                 uint32_t *location_out, struct pt_error *err)
{
    struct pt_document *document = &docs->documents[docs->document_count];
    struct pt_resource resource = {uri, hash_text(uri), PT_LOCATION_NONE, dialect};
    struct walk walk = {docs, docs->document_count, err};
    uint32_t words = 0;
    uint32_t index = 0;
    enum pt_code code = PT_OK;

    if (docs->document_count == PT_SCHEMA_DOCUMENTS_MAX) {
        return pt_fail(err, PT_TOO_BIG, "the schema refers to more than %d documents",
                       PT_SCHEMA_DOCUMENTS_MAX - 1);
    }
    if (json.size > PT_SCHEMA_BYTES_MAX) {
        return pt_fail(err, PT_TOO_BIG, "schema %s: %zu bytes are over the limit of %u", shown_uri,
                       json.size, PT_SCHEMA_BYTES_MAX);
    }
    docs->document_count++;
    memset(document, 0, sizeof(*document));
    document->uri = shown_uri;
    pt_buf_init(&document->bytes, PT_SCHEMA_BYTES_MAX + PT_JSON_PADDING);
    document->parser = pt_json_parser_create(PT_SCHEMA_BYTES_MAX);
    if (!document->parser || !pt_buf_reserve(&document->bytes, json.size + PT_JSON_PADDING)) {
        return pt_fail(err, PT_NO_MEMORY, "no memory for schema %s", shown_uri);
    }
    memset(document->bytes.data, 0, json.size + PT_JSON_PADDING);
    pt_buf_append(&document->bytes, json.data, json.size);
    code =
        pt_json_parse(document->parser, pt_buf_span(&document->bytes), &document->root, NULL, err);
    if (code) {
        return pt_error_prefix(err, code, "schema%s%s", shown_uri[0] ? " " : "", shown_uri);
    }
    words = pt_walk_skip(document->root.tape, document->root.at) + 1;
    document->location_at = pt_alloc(words * sizeof(uint32_t));
    if (!document->location_at) {
        return pt_fail(err, PT_NO_MEMORY, "no memory for schema %s", shown_uri);
    }
    memset(document->location_at, 0xff, words * sizeof(uint32_t));
    if (!push(&docs->resources, &resource, sizeof(resource))) {
        return too_many(err);
    }
    index = (uint32_t)(docs->resources.size / sizeof(resource)) - 1;
    code = scan(&walk, document->root.at, index, "", location_out);
    if (!code && pt_resource(docs, index)->location == PT_LOCATION_NONE) {
        pt_resource(docs, index)->location = *location_out; /* true or false */
    }
    return code;
}

/* The document of `uri`, from the metaschemas or the caller's resolver. */
static enum pt_code load(struct pt_documents *docs, const char *uri, struct pt_dialect dialect,
                         uint32_t *location_out, struct pt_error *err)
{
    struct pt_buf text;
    enum pt_code code = PT_OK;

    for (const struct pt_metaschema *known = pt_metaschemas; known->uri; known++) {
        if (strcmp(known->uri, uri) == 0) {
            return add_document(docs, pt_span_str(known->json), uri, uri, dialect, location_out,
                                err);
        }
    }
    if (!docs->options->resolve) {
        return pt_fail(err, PT_NOT_FOUND, "\"%.200s\" is no document that is known here", uri);
    }
    pt_buf_init(&text, PT_SCHEMA_BYTES_MAX);
    code = docs->options->resolve(docs->options->resolve_ctx, uri, &text, err);
    if (code == PT_NOT_FOUND) {
        code = pt_fail(err, PT_NOT_FOUND, "\"%.200s\" is no document that is known here", uri);
    } else if (!code && text.has_failed) {
        code = pt_fail(err, PT_TOO_BIG, "schema %s: over the limit of %u bytes", uri,
                       PT_SCHEMA_BYTES_MAX);
    } else if (!code) {
        code = add_document(docs, pt_buf_span(&text), uri, uri, dialect, location_out, err);
    }
    pt_buf_release(&text);
    return code;
}

/* What $vocabulary of the metaschema at `location` says. */
static enum pt_code read_vocabularies(struct pt_documents *docs, uint32_t location,
                                      struct pt_dialect *dialect, struct pt_error *err)
{
    struct pt_json metaschema = pt_location_value(docs, location);
    struct pt_json vocabulary = {0};
    struct pt_json_iter it;

    *dialect = pt_resource(docs, pt_location(docs, location)->resource)->dialect;
    if (pt_json_type(metaschema) != PT_JSON_OBJECT || dialect->draft == PT_DRAFT_7) {
        return PT_OK;
    }
    vocabulary = pt_json_member(metaschema, "$vocabulary");
    if (!pt_json_exists(vocabulary)) {
        return PT_OK;
    }
    if (pt_json_type(vocabulary) != PT_JSON_OBJECT) {
        return pt_location_fail(docs, location, "$vocabulary", err, PT_INVALID,
                                "it must be an object");
    }
    dialect->vocabularies = PT_VOCABULARY_CORE;
    for (it = pt_json_iterate(vocabulary); pt_json_next(&it);) {
        bool is_known = false;

        for (size_t i = 0; i < sizeof(known_vocabularies) / sizeof(known_vocabularies[0]); i++) {
            size_t prefix = sizeof(VOCABULARY) - 1;

            if (it.key.size > prefix &&
                (memcmp(it.key.data, VOCABULARY, prefix) == 0 ||
                 memcmp(it.key.data, VOCABULARY_2019, prefix) == 0) &&
                pt_span_is(pt_span_of(it.key.data + prefix, it.key.size - prefix),
                           known_vocabularies[i].name)) {
                is_known = true;
                dialect->vocabularies |= known_vocabularies[i].bit;
            }
        }
        if (!is_known && pt_json_type(it.value) == PT_JSON_BOOL && pt_json_bool(it.value)) {
            return pt_location_fail(docs, location, "$vocabulary", err, PT_INVALID,
                                    "it requires \"%.*s\", which is not known here",
                                    PT_SPAN_ARG(it.key));
        }
    }
    return PT_OK;
}

static enum pt_code find_dialect(struct pt_documents *docs, struct pt_span uri,
                                 struct pt_dialect *dialect_out, struct pt_error *err)
{
    struct pt_span fragment;
    const char *absolute = pt_uri_resolve(&docs->arena, pt_span_str(""), uri, &fragment);
    uint32_t resource = 0;
    uint32_t location = 0;
    enum pt_code code = PT_OK;

    if (!absolute) {
        return too_many(err);
    }
    for (size_t i = 0; i < sizeof(known_dialects) / sizeof(known_dialects[0]); i++) {
        if (strcmp(absolute, known_dialects[i].uri) == 0) {
            *dialect_out = known_dialects[i].dialect;
            return PT_OK;
        }
    }
    resource = find_resource(docs, absolute);
    if (resource != UINT32_MAX) {
        location = pt_resource(docs, resource)->location;
        return read_vocabularies(docs, location, dialect_out, err);
    }
    if (docs->load_depth == LOAD_DEPTH_MAX) {
        return pt_fail(err, PT_INVALID, "metaschemas refer to metaschemas without an end");
    }
    docs->load_depth++;
    code = load(docs, absolute, known_dialects[3].dialect, &location, err);
    docs->load_depth--;
    if (code == PT_NOT_FOUND) {
        return pt_fail(err, PT_INVALID,
                       "\"%.200s\" is neither draft-07 nor 2020-12 nor a metaschema that is known "
                       "here",
                       absolute);
    }
    return code ? code : read_vocabularies(docs, location, dialect_out, err);
}

enum pt_code pt_documents_add(struct pt_documents *docs, struct pt_span json,
                              uint32_t *location_out, struct pt_error *err)
{
    const char *base = docs->options->base_uri ? docs->options->base_uri : "";
    bool is_7 = docs->options->draft == PT_SCHEMA_DRAFT_7;
    struct pt_span fragment;
    const char *uri = pt_uri_resolve(&docs->arena, pt_span_str(""), pt_span_str(base), &fragment);

    if (!uri) {
        return too_many(err);
    }
    return add_document(docs, json, uri, "", known_dialects[is_7 ? 0 : 3].dialect, location_out,
                        err);
}

/* ---- references ---- */

uint32_t pt_documents_location(const struct pt_documents *docs, uint32_t from, uint32_t at)
{
    return docs->documents[pt_location(docs, from)->document].location_at[at];
}

/* "~0" and "~1" in place; the new size. */
static size_t unescape_token(uint8_t *token, size_t bytes)
{
    size_t out = 0;

    for (size_t i = 0; i < bytes; i++) {
        if (token[i] == '~' && i + 1 < bytes && (token[i + 1] == '0' || token[i + 1] == '1')) {
            token[out++] = token[++i] == '0' ? '~' : '/';
        } else {
            token[out++] = token[i];
        }
    }
    return out;
}

static struct pt_json step_into(struct pt_json value, struct pt_span token)
{
    struct pt_json found = {0};
    uint32_t index = 0;

    if (pt_json_type(value) == PT_JSON_OBJECT) {
        struct pt_json_iter it = pt_json_iterate(value);

        while (pt_json_next(&it)) {
            if (pt_span_equal(it.key, token)) {
                found = it.value;
            }
        }
        return found;
    }
    if (pt_json_type(value) != PT_JSON_ARRAY || token.size == 0 || token.size > 8) {
        return found;
    }
    for (size_t i = 0; i < token.size; i++) {
        if (token.data[i] < '0' || token.data[i] > '9' || (i == 1 && token.data[0] == '0')) {
            return found;
        }
        index = index * 10 + (uint32_t)(token.data[i] - '0');
    }
    return pt_json_element(value, index);
}

/* A JSON Pointer from the root of a resource. What no keyword led to is looked at as a schema now.
 */
static enum pt_code follow_pointer(struct pt_documents *docs, uint32_t root, uint8_t *pointer,
                                   size_t bytes, uint32_t *location_out, struct pt_error *err)
{
    struct pt_json value = pt_location_value(docs, root);
    struct walk walk = {docs, pt_location(docs, root)->document, err};
    const uint32_t *location_at = docs->documents[walk.document].location_at;
    uint32_t resource = pt_location(docs, root)->resource;
    const char *path = pt_location(docs, root)->pointer;
    size_t at = 0;

    while (at < bytes) {
        size_t end = ++at;
        struct pt_span token;

        while (end < bytes && pointer[end] != '/') {
            end++;
        }
        token = pt_span_of(pointer + at, unescape_token(pointer + at, end - at));
        value = step_into(value, token);
        if (!pt_json_exists(value)) {
            return pt_fail(err, PT_NOT_FOUND, "there is nothing at this place");
        }
        path = longer_pointer(docs, path, token);
        if (!path) {
            return too_many(err);
        }
        if (location_at[value.at] != PT_LOCATION_NONE) {
            resource = pt_location(docs, location_at[value.at])->resource;
        }
        at = end;
    }
    return scan(&walk, value.at, resource, path, location_out);
}

static enum pt_code follow_fragment(struct pt_documents *docs, uint32_t root,
                                    struct pt_span fragment, uint32_t *location_out,
                                    struct pt_span *anchor_out, struct pt_error *err)
{
    uint8_t *text = pt_arena_alloc(&docs->arena, fragment.size + 1);
    uint32_t count = (uint32_t)(docs->anchors.size / sizeof(struct pt_anchor));
    uint32_t resource = pt_location(docs, root)->resource;
    size_t bytes = 0;

    if (!text) {
        return too_many(err);
    }
    if (!pt_percent_decode(fragment, false, text, fragment.size, &bytes)) {
        return pt_fail(err, PT_INVALID, "the fragment is not well escaped");
    }
    if (bytes == 0) {
        *location_out = root;
        return PT_OK;
    }
    if (text[0] == '/') {
        return follow_pointer(docs, root, text, bytes, location_out, err);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct pt_anchor *anchor =
            (const struct pt_anchor *)(const void *)docs->anchors.data + i;

        if (anchor->resource == resource && pt_span_equal(anchor->name, pt_span_of(text, bytes))) {
            *location_out = anchor->location;
            if (anchor->is_dynamic) {
                *anchor_out = anchor->name;
            }
            return PT_OK;
        }
    }
    return pt_fail(err, PT_NOT_FOUND, "there is no anchor of this name");
}

enum pt_code pt_documents_follow(struct pt_documents *docs, uint32_t from, struct pt_span reference,
                                 uint32_t *location_out, struct pt_span *anchor_out,
                                 struct pt_error *err)
{
    const struct pt_resource *base = pt_resource(docs, pt_location(docs, from)->resource);
    struct pt_dialect dialect = base->dialect;
    struct pt_span fragment;
    const char *uri = NULL;
    uint32_t resource = 0;
    uint32_t root = 0;
    enum pt_code code = PT_OK;

    *anchor_out = (struct pt_span){NULL, 0};
    if (memchr(reference.data, 0, reference.size)) {
        return pt_fail(err, PT_INVALID, "it is not a URI reference");
    }
    uri = pt_uri_resolve(&docs->arena, pt_span_str(base->uri), reference, &fragment);
    if (!uri) {
        return too_many(err);
    }
    resource = find_resource(docs, uri);
    if (resource != UINT32_MAX) {
        root = pt_resource(docs, resource)->location;
    } else {
        code = load(docs, uri, dialect, &root, err);
        if (code) {
            return code;
        }
    }
    return follow_fragment(docs, root, fragment, location_out, anchor_out, err);
}
