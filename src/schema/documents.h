/*
 * documents.h - schema documents while one is compiled: resources, anchors, references
 *
 * DOCUMENT: one JSON text. RESOURCE: a schema with a URI of its own ($id, or a document's root).
 * LOCATION: a place in a document where a schema stands; found by walking the keywords that hold
 * schemas, so that an "$id" in an enum is no $id. All live until pt_documents_release().
 */
#ifndef PT_SCHEMA_DOCUMENTS_H
#define PT_SCHEMA_DOCUMENTS_H

#include "base/mem.h"
#include "schema/keywords.h"
#include "schema/schema.h"

#define PT_LOCATION_NONE UINT32_MAX

struct pt_dialect {
    enum pt_draft_bit draft;
    unsigned vocabularies; /* enum pt_vocabulary_bit */
};

struct pt_document {
    struct pt_json_parser *parser;
    struct pt_buf bytes;
    struct pt_json root;
    uint32_t *location_at; /* by index on the tape: a location, or NONE */
    const char *uri;       /* where it came from; "" for the schema itself: for messages */
};

struct pt_resource {
    const char *uri; /* absolute or empty, no fragment */
    uint64_t hash;
    uint32_t location;
    struct pt_dialect dialect;
};

struct pt_location {
    uint32_t document;
    uint32_t at; /* on the document's tape */
    uint32_t resource;
    uint32_t node;       /* of the program, or PT_NODE_NONE */
    const char *pointer; /* RFC 6901, in the document */
};

struct pt_anchor {
    uint32_t resource;
    struct pt_span name;
    uint32_t location;
    bool is_dynamic;
};

struct pt_documents {
    const struct pt_schema_options *options;
    struct pt_arena arena;
    struct pt_document documents[PT_SCHEMA_DOCUMENTS_MAX];
    uint32_t document_count;
    struct pt_buf resources; /* struct pt_resource */
    struct pt_buf locations; /* struct pt_location */
    struct pt_buf anchors;   /* struct pt_anchor */
    unsigned load_depth;     /* documents that wait for the metaschema that they name */
};

void pt_documents_init(struct pt_documents *docs, const struct pt_schema_options *options);
void pt_documents_release(struct pt_documents *docs);

/* The schema itself; its location is *location_out. */
enum pt_code pt_documents_add(struct pt_documents *docs, struct pt_span json,
                              uint32_t *location_out, struct pt_error *err) PT_MUST_USE;

/*
 * Where `reference`, written at location `from`, leads; loads the document where it is a new one.
 * *anchor_out is the name where it went through a $dynamicAnchor, else empty.
 */
enum pt_code pt_documents_follow(struct pt_documents *docs, uint32_t from, struct pt_span reference,
                                 uint32_t *location_out, struct pt_span *anchor_out,
                                 struct pt_error *err) PT_MUST_USE;

/* The location of the schema at index `at` of `from`'s document; NONE where none was found there.
 */
uint32_t pt_documents_location(const struct pt_documents *docs, uint32_t from, uint32_t at);

static inline struct pt_location *pt_location(const struct pt_documents *docs, uint32_t index)
{
    return (struct pt_location *)(void *)docs->locations.data + index;
}

static inline struct pt_resource *pt_resource(const struct pt_documents *docs, uint32_t index)
{
    return (struct pt_resource *)(void *)docs->resources.data + index;
}

static inline uint32_t pt_documents_location_count(const struct pt_documents *docs)
{
    return (uint32_t)(docs->locations.size / sizeof(struct pt_location));
}

struct pt_json pt_location_value(const struct pt_documents *docs, uint32_t location);

/* Fail with "schema URI#pointer/keyword: " and the text; `keyword` may be NULL. */
enum pt_code pt_location_fail(const struct pt_documents *docs, uint32_t location,
                              const char *keyword, struct pt_error *err, enum pt_code code,
                              const char *format, ...) PT_PRINTF(6, 7);

/* The metaschemas that are built in (schemas/json-schema/), up to an entry without a URI. */
struct pt_metaschema {
    const char *uri;
    const char *json;
};
extern const struct pt_metaschema pt_metaschemas[];

#endif
