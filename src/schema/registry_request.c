/*
 * registry_request.c - Confluent Schema Registry's REST interface: a request in, an answer out
 *
 * Answers are in Confluent's form: {"error_code","message"} for what failed, with the codes that
 * its clients know.
 */
#include "schema/registry_request.h"

#include <stdarg.h>
#include <stdio.h>

#define ANSWER_BYTES_MAX (16u << 20)
#define WORDS_MAX 8

/* A request read apart. Words are unescaped, in `text`. */
struct call {
    struct pt_span words[WORDS_MAX];
    uint32_t word_count;
    struct pt_span method;
    struct pt_span query;
    struct pt_span body;
    struct pt_buf text;
};

/* ---- answers ------------------------------------------------------------------------ */

static void begin(struct registry_desk *desk)
{
    pt_buf_reset(&desk->answer);
    pt_jsonw_init(&desk->w, &desk->answer);
    desk->status = 200;
}

void registry_fail(struct registry_desk *desk, int error_code, const char *format, ...)
{
    char text[PT_ERROR_TEXT_BYTES];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    begin(desk);
    desk->status = error_code < 1000 ? error_code : error_code / 100;
    pt_jsonw_object(&desk->w);
    pt_jsonw_key(&desk->w, "error_code");
    pt_jsonw_int(&desk->w, error_code);
    pt_jsonw_key(&desk->w, "message");
    pt_jsonw_str(&desk->w, text);
    pt_jsonw_object_end(&desk->w);
}

static void fail_with(struct registry_desk *desk, const struct pt_registry_fault *fault)
{
    registry_fail(desk, fault->error_code, "%s", fault->text);
}

/* ---- requests ------------------------------------------------------------------------- */

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The path's words, percent signs resolved; false for a broken escape, too many words, or an empty
 * one. */
static bool read_path(struct call *call, struct pt_span path)
{
    size_t at = 0;

    if (!pt_buf_reserve(&call->text, path.size + 1)) {
        return false;
    }
    while (path.size > 0 && path.data[path.size - 1] == '/') {
        path.size--;
    }
    while (at < path.size) {
        uint8_t *start = call->text.data + call->text.size;
        size_t size = 0;

        while (at < path.size && path.data[at] != '/') {
            uint8_t c = path.data[at++];

            if (c == '%') {
                int high = at < path.size ? hex_digit(path.data[at]) : -1;
                int low = at + 1 < path.size ? hex_digit(path.data[at + 1]) : -1;

                if (high < 0 || low < 0) {
                    return false;
                }
                c = (uint8_t)(high << 4 | low);
                at += 2;
            }
            start[size++] = c;
        }
        at++;
        if (size == 0 || call->word_count == WORDS_MAX) {
            return false;
        }
        call->words[call->word_count++] = pt_span_of(start, size);
        call->text.size += size;
    }
    return true;
}

static bool is_word(const struct call *call, uint32_t index, const char *word)
{
    return index < call->word_count && pt_span_is(call->words[index], word);
}

/* "…&name=true&…" */
static bool has_flag(struct pt_span query, const char *name)
{
    size_t bytes = strlen(name);
    size_t at = 0;

    while (at < query.size) {
        const uint8_t *start = query.data + at;
        const uint8_t *end = memchr(start, '&', query.size - at);
        size_t size = end ? (size_t)(end - start) : query.size - at;

        if (size == bytes + 5 && memcmp(start, name, bytes) == 0 &&
            memcmp(start + bytes, "=true", 5) == 0) {
            return true;
        }
        at += size + 1;
    }
    return false;
}

/* What stands behind "name=", percent signs resolved into `out` (room for all of the query). */
static struct pt_span flag_value(struct pt_span query, const char *name, uint8_t *out)
{
    size_t bytes = strlen(name);
    size_t size = 0;
    size_t at = 0;

    while (at < query.size) {
        const uint8_t *start = query.data + at;
        const uint8_t *end = memchr(start, '&', query.size - at);
        size_t count = end ? (size_t)(end - start) : query.size - at;

        if (count > bytes && memcmp(start, name, bytes) == 0 && start[bytes] == '=') {
            for (size_t i = bytes + 1; i < count; i++) {
                bool is_escape = start[i] == '%' && i + 2 < count && hex_digit(start[i + 1]) >= 0 &&
                                 hex_digit(start[i + 2]) >= 0;

                int value =
                    is_escape ? hex_digit(start[i + 1]) << 4 | hex_digit(start[i + 2]) : start[i];

                out[size++] = (uint8_t)value;
                i += is_escape ? 2 : 0;
            }
            break;
        }
        at += count + 1;
    }
    return pt_span_of(out, size);
}

/* A number, "latest" or "-1". Fails the answer where it is neither. */
static bool read_version(struct registry_desk *desk, struct pt_span text, uint32_t *version_out)
{
    uint64_t number = 0;

    if (pt_span_is(text, "latest") || pt_span_is(text, "-1")) {
        *version_out = PT_REGISTRY_LATEST;
        return true;
    }
    for (size_t i = 0; i < text.size && number < INT32_MAX; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            number = 0;
            break;
        }
        number = number * 10 + (uint64_t)(text.data[i] - '0');
    }
    if (number == 0 || number > INT32_MAX) {
        registry_fail(
            desk, 42202,
            "The specified version '%.*s' is not a valid version id. Allowed values are between "
            "[1, 2^31-1] and the string \"latest\"",
            PT_SPAN_ARG(text));
        return false;
    }
    *version_out = (uint32_t)number;
    return true;
}

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

static void write_version(struct pt_jsonw *w, struct pt_span subject,
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

    if (!read_version(desk, text, &number)) {
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

static void list_subjects(struct registry_desk *desk, struct call *call)
{
    bool with_deleted = has_flag(call->query, "deleted");
    uint8_t *room = pt_buf_reserve(&call->text, call->query.size + 1);
    struct pt_span prefix = {0};

    if (!room) {
        registry_fail(desk, 50001, "no memory for the request");
        return;
    }
    prefix = flag_value(call->query, "subjectPrefix", room);
    pt_jsonw_array(&desk->w);
    for (uint32_t i = 0; i < pt_registry_subject_count(desk->reader); i++) {
        bool is_deleted = false;
        uint32_t count = 0;
        struct pt_span name = pt_registry_subject_at(desk->reader, i, &is_deleted);

        if (name.size < prefix.size || memcmp(name.data, prefix.data, prefix.size) != 0) {
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

static void list_versions(struct registry_desk *desk, const struct call *call)
{
    bool with_deleted = has_flag(call->query, "deleted");
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
static void list_referrers(struct registry_desk *desk, const struct call *call)
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

static void get_version(struct registry_desk *desk, const struct call *call)
{
    const struct pt_registry_version *version =
        find_version(desk, call->words[1], call->words[3], has_flag(call->query, "deleted"));

    if (!version) {
        return;
    }
    if (call->word_count == 5) {
        pt_jsonw_raw(&desk->w, version->json);
    } else {
        write_version(&desk->w, call->words[1], version);
    }
}

static void get_subjects(struct registry_desk *desk, struct call *call)
{
    if (call->word_count == 1) {
        list_subjects(desk, call);
    } else if (call->word_count == 3 && is_word(call, 2, "versions")) {
        list_versions(desk, call);
    } else if (is_word(call, 2, "versions") &&
               (call->word_count == 4 || (call->word_count == 5 && is_word(call, 4, "schema")))) {
        get_version(desk, call);
    } else if (call->word_count == 5 && is_word(call, 2, "versions") &&
               is_word(call, 4, "referencedby")) {
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

static void get_by_id(struct registry_desk *desk, const struct call *call)
{
    const struct pt_registry_entry *entry = NULL;
    struct pt_span json;
    uint32_t id = 0;
    struct listing listing = {.w = &desk->w,
                              .is_subjects = is_word(call, 3, "subjects"),
                              .with_deleted = has_flag(call->query, "deleted")};

    if (!read_version(desk, call->words[2], &id) ||
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
    } else if (is_word(call, 3, "schema")) {
        pt_jsonw_raw(&desk->w, json);
    } else if (is_word(call, 3, "versions") || listing.is_subjects) {
        pt_jsonw_array(&desk->w);
        (void)pt_registry_by_id(desk->reader, id, &json, &entry, list_use, &listing);
        pt_jsonw_array_end(&desk->w);
    } else {
        registry_fail(desk, 404, "HTTP 404 Not Found");
    }
}

static void get_config(struct registry_desk *desk, const struct call *call)
{
    bool is_own = false;
    struct pt_span subject = call->word_count > 1 ? call->words[1] : (struct pt_span){0};
    enum pt_compat_mode mode = pt_registry_mode(desk->reader, subject, &is_own);

    if (!is_own && !has_flag(call->query, "defaultToGlobal")) {
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

/* ---- bodies ------------------------------------------------------------------------------------
 */

struct schema_body {
    struct pt_registry_schema schema;
    struct pt_registry_reference references[PT_REGISTRY_REFERENCES_MAX];
};

static bool read_references(struct registry_desk *desk, struct pt_json list,
                            struct schema_body *body)
{
    struct pt_json_iter it;

    if (!pt_json_exists(list) || pt_json_type(list) == PT_JSON_NULL) {
        return true;
    }
    if (pt_json_type(list) != PT_JSON_ARRAY) {
        registry_fail(desk, 42201, "Invalid schema: references must be an array");
        return false;
    }
    it = pt_json_iterate(list);
    while (pt_json_next(&it)) {
        struct pt_registry_reference *reference = &body->references[body->schema.reference_count];
        int64_t version = 0;

        if (body->schema.reference_count == PT_REGISTRY_REFERENCES_MAX) {
            registry_fail(desk, 42201, "Invalid schema: more than %u references",
                          PT_REGISTRY_REFERENCES_MAX);
            return false;
        }
        if (pt_json_type(it.value) != PT_JSON_OBJECT ||
            !pt_json_member_string(it.value, "name", &reference->name) ||
            !pt_json_member_string(it.value, "subject", &reference->subject) ||
            !pt_json_member_int(it.value, "version", &version) || version < 1 ||
            version > INT32_MAX || reference->name.size == 0 || reference->name.size > 1024) {
            registry_fail(desk, 42201,
                          "Invalid schema: a reference needs name, subject and version");
            return false;
        }
        reference->version = (uint32_t)version;
        body->schema.reference_count++;
    }
    return true;
}

/* The body as an object; fails the answer with Confluent's code for what is no JSON. */
static bool read_object(struct registry_desk *desk, const struct call *call,
                        struct pt_json *root_out)
{
    struct pt_error err = {0};
    enum pt_code code = call->body.size == 0
                            ? pt_fail(&err, PT_INVALID, "the body is empty")
                            : pt_json_parse(desk->parser, call->body, root_out, NULL, &err);

    if (!code && pt_json_type(*root_out) != PT_JSON_OBJECT) {
        code = pt_fail(&err, PT_INVALID, "the body is no object");
    }
    if (code) {
        registry_fail(desk, code == PT_INVALID ? 400 : 50001, "%s", err.text);
    }
    return code == PT_OK;
}

static bool read_schema_body(struct registry_desk *desk, const struct call *call,
                             struct schema_body *body)
{
    struct pt_json root;
    struct pt_json type;

    *body = (struct schema_body){0};
    body->schema.references = body->references;
    if (!read_object(desk, call, &root)) {
        return false;
    }
    type = pt_json_member(root, "schemaType");
    if (!pt_json_exists(type)) {
        registry_fail(
            desk, 42201,
            "Invalid schema: without a schemaType it would be AVRO, which is not kept here: send "
            "\"schemaType\":\"JSON\"");
        return false;
    }
    if (pt_json_type(type) != PT_JSON_STRING || !pt_span_is(pt_json_string(type), "JSON")) {
        registry_fail(
            desk, 42201,
            "Invalid schema: schemaType must be JSON; AVRO and PROTOBUF are not kept here");
        return false;
    }
    if (!pt_json_member_string(root, "schema", &body->schema.json)) {
        registry_fail(desk, 42201,
                      "Invalid schema: \"schema\" must be a string that holds a JSON Schema");
        return false;
    }
    (void)pt_json_member_string(root, "schemaVer", &body->schema.schemaver);
    return read_references(desk, pt_json_member(root, "references"), body);
}

/* ---- what the API's thread does
 * ------------------------------------------------------------------- */

static void write_reason(struct pt_jsonw *w, const struct pt_compat_reason *reason)
{
    char text[1024];

    snprintf(text, sizeof(text), "{%s: %s, old: %s, new: %s, description: %s}", reason->direction,
             reason->kind, reason->old_pointer, reason->new_pointer, reason->detail);
    pt_jsonw_str(w, text);
}

/* What does not go, each with its places: a member that Confluent's answer does not have. */
static void add_reasons(struct registry_desk *desk, const struct pt_registry_fault *fault,
                        const struct pt_compat_report *report)
{
    struct pt_jsonw *w = &desk->w;

    begin(desk);
    desk->status = fault->error_code;
    pt_jsonw_object(w);
    pt_jsonw_key(w, "error_code");
    pt_jsonw_int(w, fault->error_code);
    pt_jsonw_key(w, "message");
    pt_jsonw_str(w, fault->text);
    pt_jsonw_key(w, "reasons");
    pt_compat_write_reasons(w, report);
    pt_jsonw_object_end(w);
}

static void write_id(struct registry_desk *desk, struct pt_span subject, uint32_t version,
                     uint32_t id)
{
    uint32_t count = 0;
    const struct pt_registry_version *versions = NULL;

    pt_registry_reader_refresh(desk->reader);
    versions = pt_registry_versions(desk->reader, subject, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (versions[i].version == version && versions[i].id == id) {
            write_version(&desk->w, subject, &versions[i]);
            return;
        }
    }
    registry_fail(desk, 40402, "Version %u not found.", version); /* deleted meanwhile */
}

static void do_register(struct registry_desk *desk, const struct call *call)
{
    struct schema_body body;
    struct pt_compat_report report;
    struct pt_registry_fault fault = {0};
    uint32_t id = 0;
    uint32_t version = 0;

    if (!read_schema_body(desk, call, &body)) {
        return;
    }
    if (pt_registry_register(desk->registry, call->words[1], &body.schema, &id, &version, &report,
                             &fault)) {
        fail_with(desk, &fault);
        if (fault.error_code == 409) {
            add_reasons(desk, &fault, &report);
        }
        return;
    }
    write_id(desk, call->words[1], version, id);
}

static void do_lookup(struct registry_desk *desk, const struct call *call)
{
    struct schema_body body;
    struct pt_registry_fault fault = {0};
    uint32_t id = 0;
    uint32_t version = 0;

    if (!read_schema_body(desk, call, &body)) {
        return;
    }
    if (pt_registry_lookup(desk->registry, call->words[1], &body.schema,
                           has_flag(call->query, "deleted"), &id, &version, &fault)) {
        fail_with(desk, &fault);
        return;
    }
    write_id(desk, call->words[1], version, id);
}

static void do_check(struct registry_desk *desk, const struct call *call)
{
    struct schema_body body;
    struct pt_compat_report report;
    struct pt_registry_fault fault = {0};
    uint32_t version = 0;

    if (call->word_count == 5 && !read_version(desk, call->words[4], &version)) {
        return;
    }
    if (!read_schema_body(desk, call, &body)) {
        return;
    }
    if (pt_registry_check(desk->registry, call->words[2], version, &body.schema, &report, &fault)) {
        fail_with(desk, &fault);
        return;
    }
    pt_jsonw_object(&desk->w);
    pt_jsonw_key(&desk->w, "is_compatible");
    pt_jsonw_bool(&desk->w, report.is_compatible);
    if (has_flag(call->query, "verbose")) {
        pt_jsonw_key(&desk->w, "messages");
        pt_jsonw_array(&desk->w);
        for (uint32_t i = 0; i < report.count; i++) {
            write_reason(&desk->w, &report.reasons[i]);
        }
        pt_jsonw_array_end(&desk->w);
    }
    pt_jsonw_object_end(&desk->w);
}

static void do_set_mode(struct registry_desk *desk, const struct call *call)
{
    struct pt_span subject = call->word_count > 1 ? call->words[1] : (struct pt_span){0};
    struct pt_registry_fault fault = {0};
    enum pt_compat_mode mode = PT_COMPAT_NONE;
    struct pt_json root;
    struct pt_span name;

    if (!read_object(desk, call, &root)) {
        return;
    }
    if (!pt_json_member_string(root, "compatibility", &name) ||
        !pt_compat_mode_parse(name, &mode)) {
        registry_fail(
            desk, 42203,
            "Invalid compatibility level. Valid values are none, backward, forward, full, "
            "backward_transitive, forward_transitive, and full_transitive");
        return;
    }
    if (pt_registry_set_mode(desk->registry, subject, &mode, &fault)) {
        fail_with(desk, &fault);
        return;
    }
    pt_jsonw_object(&desk->w);
    pt_jsonw_key(&desk->w, "compatibility");
    pt_jsonw_str(&desk->w, pt_compat_mode_name(mode));
    pt_jsonw_object_end(&desk->w);
}

static void do_forget_mode(struct registry_desk *desk, const struct call *call)
{
    struct pt_span subject = call->word_count > 1 ? call->words[1] : (struct pt_span){0};
    struct pt_registry_fault fault = {0};
    bool is_own = false;
    enum pt_compat_mode mode = PT_COMPAT_NONE;

    pt_registry_reader_refresh(desk->reader);
    mode = pt_registry_mode(desk->reader, subject, &is_own);
    if (!is_own) {
        registry_fail(desk, 40401, "Subject '%.*s' not found.", PT_SPAN_ARG(subject));
        return;
    }
    if (pt_registry_set_mode(desk->registry, subject, NULL, &fault)) {
        fail_with(desk, &fault);
        return;
    }
    pt_jsonw_object(&desk->w);
    pt_jsonw_key(&desk->w, "compatibilityLevel");
    pt_jsonw_str(&desk->w, pt_compat_mode_name(mode));
    pt_jsonw_object_end(&desk->w);
}

static void do_delete(struct registry_desk *desk, const struct call *call)
{
    uint32_t versions[PT_REGISTRY_VERSIONS_MAX];
    struct pt_registry_fault fault = {0};
    uint32_t count = 0;
    uint32_t version = 0;

    if (call->word_count == 4 && !read_version(desk, call->words[3], &version)) {
        return;
    }
    if (pt_registry_delete(desk->registry, call->words[1], version,
                           has_flag(call->query, "permanent"), versions, &count, &fault)) {
        fail_with(desk, &fault);
        return;
    }
    if (call->word_count == 4) {
        pt_jsonw_uint(&desk->w, count > 0 ? versions[0] : 0);
        return;
    }
    pt_jsonw_array(&desk->w);
    for (uint32_t i = 0; i < count; i++) {
        pt_jsonw_uint(&desk->w, versions[i]);
    }
    pt_jsonw_array_end(&desk->w);
}

static void work(struct registry_desk *desk, const struct call *call)
{
    bool is_subject = call->word_count >= 2 && is_word(call, 0, "subjects");
    bool is_config = call->word_count <= 2 && is_word(call, 0, "config");

    if (pt_span_is(call->method, "POST")) {
        if (is_subject && call->word_count == 3 && is_word(call, 2, "versions")) {
            do_register(desk, call);
            return;
        }
        if (is_subject && call->word_count == 2) {
            do_lookup(desk, call);
            return;
        }
        if (is_word(call, 0, "compatibility") && is_word(call, 1, "subjects") &&
            is_word(call, 3, "versions") && call->word_count <= 5) {
            do_check(desk, call);
            return;
        }
    } else if (pt_span_is(call->method, "PUT") && is_config) {
        do_set_mode(desk, call);
        return;
    } else if (pt_span_is(call->method, "DELETE") && is_config) {
        do_forget_mode(desk, call);
        return;
    } else if (pt_span_is(call->method, "DELETE") && is_subject &&
               (call->word_count == 2 || (call->word_count == 4 && is_word(call, 2, "versions")))) {
        do_delete(desk, call);
        return;
    }
    registry_fail(desk, 404, "HTTP 404 Not Found");
}

static void get(struct registry_desk *desk, struct call *call)
{
    pt_registry_reader_refresh(desk->reader);
    if (is_word(call, 0, "subjects")) {
        get_subjects(desk, call);
    } else if (call->word_count == 2 && is_word(call, 0, "schemas") && is_word(call, 1, "types")) {
        pt_jsonw_raw(&desk->w, pt_span_str("[\"JSON\"]"));
    } else if ((call->word_count == 3 || call->word_count == 4) && is_word(call, 0, "schemas") &&
               is_word(call, 1, "ids")) {
        get_by_id(desk, call);
    } else if (call->word_count <= 2 && is_word(call, 0, "config")) {
        get_config(desk, call);
    } else if (call->word_count <= 2 && is_word(call, 0, "mode")) {
        pt_jsonw_raw(&desk->w, pt_span_str("{\"mode\":\"READWRITE\"}"));
    } else if (call->word_count == 0) {
        pt_jsonw_raw(&desk->w, pt_span_str("{}"));
    } else {
        registry_fail(desk, 404, "HTTP 404 Not Found");
    }
}

void registry_answer(struct registry_desk *desk, struct pt_span method, struct pt_span path,
                     struct pt_span query, struct pt_span body)
{
    struct call call = {.method = method, .query = query, .body = body};

    begin(desk);
    pt_buf_init(&call.text, 65536);
    if (!read_path(&call, path)) {
        registry_fail(desk, 404, "HTTP 404 Not Found");
    } else if (pt_span_is(method, "GET") || pt_span_is(method, "HEAD")) {
        get(desk, &call);
    } else {
        work(desk, &call);
    }
    pt_buf_release(&call.text);
}

bool registry_desk_open(struct registry_desk *desk, struct pt_registry *registry)
{
    desk->registry = registry;
    pt_buf_init(&desk->answer, ANSWER_BYTES_MAX);
    desk->parser = pt_json_parser_create(REGISTRY_BODY_BYTES_MAX);
    desk->reader = pt_registry_reader_create(registry);
    return desk->parser && desk->reader;
}

void registry_desk_close(struct registry_desk *desk)
{
    pt_json_parser_destroy(desk->parser);
    pt_registry_reader_destroy(desk->reader);
    pt_buf_release(&desk->answer);
}
