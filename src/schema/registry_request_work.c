/*
 * registry_request_work.c - requests that change something, or compare schemas: POST, PUT, DELETE
 *
 * Each may wait for the disk or think for a while, so registry_http.c calls them on a thread of
 * their own.
 */
#include "schema/registry_request_inside.h"

#include <stdio.h>

static void fail_with(struct registry_desk *desk, const struct pt_registry_fault *fault)
{
    registry_fail(desk, fault->error_code, "%s", fault->text);
}

/* ---- bodies ------------------------------------------------------------------------------- */

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
static bool read_object(struct registry_desk *desk, const struct registry_call *call,
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

static bool read_schema_body(struct registry_desk *desk, const struct registry_call *call,
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

/* ---- what is asked ------------------------------------------------------------------------ */

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

    registry_begin(desk);
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
            registry_write_version(&desk->w, subject, &versions[i]);
            return;
        }
    }
    registry_fail(desk, 40402, "Version %u not found.", version); /* deleted meanwhile */
}

static void do_register(struct registry_desk *desk, const struct registry_call *call)
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

static void do_lookup(struct registry_desk *desk, const struct registry_call *call)
{
    struct schema_body body;
    struct pt_registry_fault fault = {0};
    uint32_t id = 0;
    uint32_t version = 0;

    if (!read_schema_body(desk, call, &body)) {
        return;
    }
    if (pt_registry_lookup(desk->registry, call->words[1], &body.schema,
                           registry_has_flag(call->query, "deleted"), &id, &version, &fault)) {
        fail_with(desk, &fault);
        return;
    }
    write_id(desk, call->words[1], version, id);
}

static void do_check(struct registry_desk *desk, const struct registry_call *call)
{
    struct schema_body body;
    struct pt_compat_report report;
    struct pt_registry_fault fault = {0};
    uint32_t version = 0;

    if (call->word_count == 5 && !registry_read_version(desk, call->words[4], &version)) {
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
    if (registry_has_flag(call->query, "verbose")) {
        pt_jsonw_key(&desk->w, "messages");
        pt_jsonw_array(&desk->w);
        for (uint32_t i = 0; i < report.count; i++) {
            write_reason(&desk->w, &report.reasons[i]);
        }
        pt_jsonw_array_end(&desk->w);
    }
    pt_jsonw_object_end(&desk->w);
}

static void do_set_mode(struct registry_desk *desk, const struct registry_call *call)
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

static void do_forget_mode(struct registry_desk *desk, const struct registry_call *call)
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

static void do_delete(struct registry_desk *desk, const struct registry_call *call)
{
    uint32_t versions[PT_REGISTRY_VERSIONS_MAX];
    struct pt_registry_fault fault = {0};
    uint32_t count = 0;
    uint32_t version = 0;

    if (call->word_count == 4 && !registry_read_version(desk, call->words[3], &version)) {
        return;
    }
    if (pt_registry_delete(desk->registry, call->words[1], version,
                           registry_has_flag(call->query, "permanent"), versions, &count, &fault)) {
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

void registry_work(struct registry_desk *desk, const struct registry_call *call)
{
    bool is_subject = call->word_count >= 2 && registry_is_word(call, 0, "subjects");
    bool is_config = call->word_count <= 2 && registry_is_word(call, 0, "config");

    if (pt_span_is(call->method, "POST")) {
        if (is_subject && call->word_count == 3 && registry_is_word(call, 2, "versions")) {
            do_register(desk, call);
            return;
        }
        if (is_subject && call->word_count == 2) {
            do_lookup(desk, call);
            return;
        }
        if (registry_is_word(call, 0, "compatibility") && registry_is_word(call, 1, "subjects") &&
            registry_is_word(call, 3, "versions") && call->word_count <= 5) {
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
               (call->word_count == 2 ||
                (call->word_count == 4 && registry_is_word(call, 2, "versions")))) {
        do_delete(desk, call);
        return;
    }
    registry_fail(desk, 404, "HTTP 404 Not Found");
}
