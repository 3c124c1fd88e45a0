/*
 * registry_request_get.c - requests that read: subjects, versions, schemas, settings
 *
 * They are answered from the reader's state alone and wait for nothing.
 */
#include "schema/registry_request_inside.h"

#include "base/crypto.h"

#include <stdio.h>

/* ---- what a version looks like ------------------------------------------------------------ */

static void write_references(struct pt_jsonw *w, const struct pt_registry_entry *entry)
{
    uint32_t count = pt_registry_reference_count(entry);

    if (count == 0) {
        return;
    }
    pt_jsonw_key(w, "references");
    pt_jsonw_array(w);
    for (uint32_t i = 0; i < count; i++) {
        struct pt_registry_reference reference = pt_registry_reference_at(entry, i);

        pt_jsonw_object(w);
        pt_jsonw_key(w, "name");
        pt_jsonw_string(w, reference.name);
        pt_jsonw_key(w, "subject");
        pt_jsonw_string(w, reference.subject);
        pt_jsonw_key(w, "version");
        pt_jsonw_uint(w, reference.version);
        pt_jsonw_object_end(w);
    }
    pt_jsonw_array_end(w);
}

void registry_write_version(struct pt_jsonw *w, struct pt_span subject,
                            const struct pt_registry_version *version)
{
    char name[48];

    snprintf(name, sizeof(name), "%u-%u-%u", version->schemaver.model, version->schemaver.revision,
             version->schemaver.addition);
    pt_jsonw_object(w);
    pt_jsonw_key(w, "subject");
    pt_jsonw_string(w, subject);
    pt_jsonw_key(w, "version");
    pt_jsonw_uint(w, version->version);
    pt_jsonw_key(w, "id");
    pt_jsonw_uint(w, version->id);
    pt_jsonw_key(w, "schemaType");
    pt_jsonw_str(w, "JSON");
    pt_jsonw_key(w, "schema");
    pt_jsonw_string(w, version->json);
    write_references(w, version->entry);
    pt_jsonw_key(w, "schemaVer");
    pt_jsonw_str(w, name);
    pt_jsonw_object_end(w);
}

/* Fails the answer where the subject, or the version that is asked for, is not there. */
static const struct pt_registry_version *find_version(struct registry_desk *desk,
                                                      struct pt_span subject, struct pt_span text,
                                                      bool with_deleted)
{
    uint32_t count = 0;
    uint32_t number = 0;
    bool is_live = false;
    const struct pt_registry_version *versions =
        pt_registry_versions(desk->reader, subject, &count);
    const struct pt_registry_version *found = NULL;

    if (!registry_read_version(desk, text, &number)) {
        return NULL;
    }
    for (uint32_t i = 0; i < count; i++) {
        is_live = is_live || !versions[i].is_deleted;
        if ((versions[i].version == number || number == PT_REGISTRY_LATEST) &&
            (with_deleted || !versions[i].is_deleted)) {
            found = &versions[i];
        }
    }
    if (count == 0 || (!is_live && !with_deleted)) {
        registry_fail(desk, 40401, "Subject '%.*s' not found.", PT_SPAN_ARG(subject));
    } else if (!found) {
        registry_fail(desk, 40402, "Version %.*s not found.", PT_SPAN_ARG(text));
    }
    return found;
}

/* ---- GET ------------------------------------------------------------------------------------ */

static void list_subjects(struct registry_desk *desk, struct registry_call *call)
{
    bool with_deleted = registry_has_flag(call->query, "deleted");
    struct pt_span sent = pt_http_query_value(call->query, "subjectPrefix");
    uint8_t *prefix = pt_buf_reserve(&call->text, sent.size + 1);
    size_t prefix_bytes = 0;

    if (!prefix) {
        registry_fail(desk, 50001, "no memory for the request");
        return;
    }
    (void)pt_percent_decode(sent, false, prefix, sent.size, &prefix_bytes); /* broken: as it is */
    pt_jsonw_array(&desk->w);
    for (uint32_t i = 0; i < pt_registry_subject_count(desk->reader); i++) {
        bool is_deleted = false;
        uint32_t count = 0;
        struct pt_span name = pt_registry_subject_at(desk->reader, i, &is_deleted);

        if (name.size < prefix_bytes || memcmp(name.data, prefix, prefix_bytes) != 0) {
            continue;
        }
        if (is_deleted) {
            (void)pt_registry_versions(desk->reader, name, &count);
        }
        if (!is_deleted || (with_deleted && count > 0)) {
            pt_jsonw_string(&desk->w, name);
        }
    }
    pt_jsonw_array_end(&desk->w);
}

static void list_versions(struct registry_desk *desk, const struct registry_call *call)
{
    bool with_deleted = registry_has_flag(call->query, "deleted");
    uint32_t count = 0;
    uint32_t written = 0;
    const struct pt_registry_version *versions =
        pt_registry_versions(desk->reader, call->words[1], &count);

    pt_jsonw_array(&desk->w);
    for (uint32_t i = 0; i < count; i++) {
        if (with_deleted || !versions[i].is_deleted) {
            pt_jsonw_uint(&desk->w, versions[i].version);
            written++;
        }
    }
    pt_jsonw_array_end(&desk->w);
    if (written == 0) {
        registry_fail(desk, 40401, "Subject '%.*s' not found.", PT_SPAN_ARG(call->words[1]));
    }
}

/* Ids of the schemas that refer to this version. */
static void list_referrers(struct registry_desk *desk, const struct registry_call *call)
{
    const struct pt_registry_version *target =
        find_version(desk, call->words[1], call->words[3], true);

    if (!target) {
        return;
    }
    pt_jsonw_array(&desk->w);
    for (uint32_t i = 0; i < pt_registry_subject_count(desk->reader); i++) {
        bool is_deleted = false;
        uint32_t count = 0;
        const struct pt_registry_version *versions = pt_registry_versions(
            desk->reader, pt_registry_subject_at(desk->reader, i, &is_deleted), &count);

        for (uint32_t j = 0; j < count; j++) {
            bool is_referrer = false;

            for (uint32_t r = 0; r < pt_registry_reference_count(versions[j].entry); r++) {
                struct pt_registry_reference reference =
                    pt_registry_reference_at(versions[j].entry, r);

                is_referrer = is_referrer || (reference.version == target->version &&
                                              pt_span_equal(reference.subject, call->words[1]));
            }
            if (is_referrer) {
                pt_jsonw_uint(&desk->w, versions[j].id);
            }
        }
    }
    pt_jsonw_array_end(&desk->w);
}

static void get_version(struct registry_desk *desk, const struct registry_call *call)
{
    const struct pt_registry_version *version = find_version(
        desk, call->words[1], call->words[3], registry_has_flag(call->query, "deleted"));

    if (!version) {
        return;
    }
    if (call->word_count == 5) {
        pt_jsonw_raw(&desk->w, version->json);
    } else {
        registry_write_version(&desk->w, call->words[1], version);
    }
}

static void get_subjects(struct registry_desk *desk, struct registry_call *call)
{
    if (call->word_count == 1) {
        list_subjects(desk, call);
    } else if (call->word_count == 3 && registry_is_word(call, 2, "versions")) {
        list_versions(desk, call);
    } else if (registry_is_word(call, 2, "versions") &&
               (call->word_count == 4 ||
                (call->word_count == 5 && registry_is_word(call, 4, "schema")))) {
        get_version(desk, call);
    } else if (call->word_count == 5 && registry_is_word(call, 2, "versions") &&
               registry_is_word(call, 4, "referencedby")) {
        list_referrers(desk, call);
    } else {
        registry_fail(desk, 404, "HTTP 404 Not Found");
    }
}

struct listing {
    struct pt_jsonw *w;
    bool is_subjects;
    bool with_deleted;
    struct pt_span last; /* of the subjects; they come in order */
};

static void list_use(void *ctx, struct pt_span subject, const struct pt_registry_version *version)
{
    struct listing *listing = ctx;

    if (version->is_deleted && !listing->with_deleted) {
        return;
    }
    if (listing->is_subjects) {
        if (!pt_span_equal(listing->last, subject)) {
            pt_jsonw_string(listing->w, subject);
        }
        listing->last = subject;
        return;
    }
    pt_jsonw_object(listing->w);
    pt_jsonw_key(listing->w, "subject");
    pt_jsonw_string(listing->w, subject);
    pt_jsonw_key(listing->w, "version");
    pt_jsonw_uint(listing->w, version->version);
    pt_jsonw_object_end(listing->w);
}

static void get_by_id(struct registry_desk *desk, const struct registry_call *call)
{
    const struct pt_registry_entry *entry = NULL;
    struct pt_span json;
    uint32_t id = 0;
    struct listing listing = {.w = &desk->w,
                              .is_subjects = registry_is_word(call, 3, "subjects"),
                              .with_deleted = registry_has_flag(call->query, "deleted")};

    if (!registry_read_version(desk, call->words[2], &id) ||
        !pt_registry_by_id(desk->reader, id, &json, &entry, NULL, NULL)) {
        registry_fail(desk, 40403, "Schema %.*s not found", PT_SPAN_ARG(call->words[2]));
        return;
    }
    if (call->word_count == 3) {
        pt_jsonw_object(&desk->w);
        pt_jsonw_key(&desk->w, "schemaType");
        pt_jsonw_str(&desk->w, "JSON");
        pt_jsonw_key(&desk->w, "schema");
        pt_jsonw_string(&desk->w, json);
        write_references(&desk->w, entry);
        pt_jsonw_object_end(&desk->w);
    } else if (registry_is_word(call, 3, "schema")) {
        pt_jsonw_raw(&desk->w, json);
    } else if (registry_is_word(call, 3, "versions") || listing.is_subjects) {
        pt_jsonw_array(&desk->w);
        (void)pt_registry_by_id(desk->reader, id, &json, &entry, list_use, &listing);
        pt_jsonw_array_end(&desk->w);
    } else {
        registry_fail(desk, 404, "HTTP 404 Not Found");
    }
}

static void get_config(struct registry_desk *desk, const struct registry_call *call)
{
    bool is_own = false;
    struct pt_span subject = call->word_count > 1 ? call->words[1] : (struct pt_span){0};
    enum pt_compat_mode mode = pt_registry_mode(desk->reader, subject, &is_own);

    if (!is_own && !registry_has_flag(call->query, "defaultToGlobal")) {
        registry_fail(desk, 40408,
                      "Subject '%.*s' does not have subject-level compatibility configured",
                      PT_SPAN_ARG(subject));
        return;
    }
    pt_jsonw_object(&desk->w);
    pt_jsonw_key(&desk->w, "compatibilityLevel");
    pt_jsonw_str(&desk->w, pt_compat_mode_name(mode));
    pt_jsonw_object_end(&desk->w);
}

void registry_get(struct registry_desk *desk, struct registry_call *call)
{
    pt_registry_reader_refresh(desk->reader);
    if (registry_is_word(call, 0, "subjects")) {
        get_subjects(desk, call);
    } else if (call->word_count == 2 && registry_is_word(call, 0, "schemas") &&
               registry_is_word(call, 1, "types")) {
        pt_jsonw_raw(&desk->w, pt_span_str("[\"JSON\"]"));
    } else if ((call->word_count == 3 || call->word_count == 4) &&
               registry_is_word(call, 0, "schemas") && registry_is_word(call, 1, "ids")) {
        get_by_id(desk, call);
    } else if (call->word_count <= 2 && registry_is_word(call, 0, "config")) {
        get_config(desk, call);
    } else if (call->word_count <= 2 && registry_is_word(call, 0, "mode")) {
        pt_jsonw_raw(&desk->w, pt_span_str("{\"mode\":\"READWRITE\"}"));
    } else if (call->word_count == 0) {
        pt_jsonw_raw(&desk->w, pt_span_str("{}"));
    } else {
        registry_fail(desk, 404, "HTTP 404 Not Found");
    }
}
