/*
 * registry_file.c - the registry's file
 *
 * FILE (docs/formats/registry.md). DIR/schemas.log is a run of frames (wire/frame.h), each a JSON
 * object:
 *
 *     {"format":"playtrace-registry","version":1}                                the first
 *     {"op":"register","subject","version","id","schemaver":[m,r,a][,"schema"[,"references"]]}
 *     {"op":"delete","subject","version","permanent"}                            version 0: the
 * subject
 *     {"op":"mode","subject","mode"}                                             subject "":
 * global; mode null: none
 *     {"op":"numbers","subject","last"}                                          subject "": ids
 *
 * A change is one frame, written and synced before it is seen or answered, so that a crash leaves
 * it whole or (cut at the next open) not at all. A write that failed is cut off before the next
 * one. What is deleted for good leaves the file when it is opened and half of it has gone stale.
 */
#include "schema/registry_state.h"

#include "base/crypto.h"
#include "wire/frame.h"

#include <stdio.h>

#define FILE_BYTES_MAX (1u << 30)
#define STALE_RECORDS_MIN 64
#define RECORD_BYTES_MAX PT_FRAME_PAYLOAD_BYTES_MAX

static const char empty_object[2 + PT_JSON_PADDING] = "{}";

/* ---- applying a change to an unfinished state ------------------------------------- */

static bool apply_register(struct registry_state *state, const struct registry_change *change)
{
    struct registry_subject *subject = registry_subject_add(state, change->subject);
    struct pt_registry_version *version = subject ? registry_version_add(state, subject) : NULL;

    if (!version) {
        return false;
    }
    /* A file that was rewritten holds them by id. */
    while (version > subject->versions && version[-1].version > change->version) {
        *version = version[-1];
        version--;
    }
    *version = (struct pt_registry_version){
        .version = change->version,
        .id = change->entry->id,
        .schemaver = change->schemaver,
        .json = pt_span_of(change->entry->json, change->entry->json_bytes),
        .schema = change->entry->schema,
        .entry = change->entry,
    };
    if (change->version > subject->last_version) {
        subject->last_version = change->version;
    }
    if (change->entry->id > state->last_id) {
        state->last_id = change->entry->id;
    }
    return true;
}

static void apply_delete(struct registry_state *state, const struct registry_change *change)
{
    struct registry_subject *subject = registry_subject(state, change->subject);
    uint32_t kept = 0;

    if (!subject) {
        return;
    }
    for (uint32_t i = 0; i < subject->count; i++) {
        bool is_meant = change->version == 0 || subject->versions[i].version == change->version;

        if (is_meant && change->is_permanent) {
            continue;
        }
        subject->versions[kept] = subject->versions[i];
        subject->versions[kept++].is_deleted |= is_meant;
    }
    subject->count = kept;
    if (kept == 0 && (change->version == 0 || !subject->has_mode)) {
        registry_subject_remove(state, subject);
    }
}

static bool apply_mode(struct registry_state *state, const struct registry_change *change)
{
    struct registry_subject *subject = NULL;

    if (change->subject.size == 0) {
        state->mode = change->has_mode ? change->mode : PT_COMPAT_BACKWARD;
        return true;
    }
    subject = registry_subject_add(state, change->subject);
    if (!subject) {
        return false;
    }
    subject->has_mode = change->has_mode;
    subject->mode = change->mode;
    if (!subject->has_mode && subject->count == 0) {
        registry_subject_remove(state, subject);
    }
    return true;
}

bool registry_apply(struct registry_state *state, const struct registry_change *change)
{
    struct registry_subject *subject = NULL;

    switch (change->kind) {
    case CHANGE_REGISTER:
        return apply_register(state, change);
    case CHANGE_DELETE:
        apply_delete(state, change);
        return true;
    case CHANGE_MODE:
        return apply_mode(state, change);
    case CHANGE_NUMBERS:
        break;
    }
    if (change->subject.size == 0) {
        state->last_id = change->version > state->last_id ? change->version : state->last_id;
        return true;
    }
    subject = registry_subject(state, change->subject);
    if (subject && change->version > subject->last_version) {
        subject->last_version = change->version;
    }
    return true;
}

/* ---- records ------------------------------------------------------------------------ */

static void write_entry(struct pt_jsonw *w, const struct pt_registry_entry *entry)
{
    pt_jsonw_key(w, "schema");
    pt_jsonw_string(w, pt_span_of(entry->json, entry->json_bytes));
    if (entry->reference_count == 0) {
        return;
    }
    pt_jsonw_key(w, "references");
    pt_jsonw_array(w);
    for (uint32_t i = 0; i < entry->reference_count; i++) {
        pt_jsonw_object(w);
        pt_jsonw_key(w, "name");
        pt_jsonw_string(w, entry->references[i].name);
        pt_jsonw_key(w, "subject");
        pt_jsonw_string(w, entry->references[i].subject);
        pt_jsonw_key(w, "version");
        pt_jsonw_uint(w, entry->references[i].version);
        pt_jsonw_key(w, "id");
        pt_jsonw_uint(w, entry->targets[i]->id);
        pt_jsonw_object_end(w);
    }
    pt_jsonw_array_end(w);
}

static void write_change(struct pt_buf *out, const struct registry_change *change, bool with_entry)
{
    static const char *const ops[] = {
        [CHANGE_REGISTER] = "register",
        [CHANGE_DELETE] = "delete",
        [CHANGE_MODE] = "mode",
        [CHANGE_NUMBERS] = "numbers",
    };
    struct pt_jsonw w;

    pt_jsonw_init(&w, out);
    pt_jsonw_object(&w);
    pt_jsonw_key(&w, "op");
    pt_jsonw_str(&w, ops[change->kind]);
    pt_jsonw_key(&w, "subject");
    pt_jsonw_string(&w, change->subject);
    if (change->kind == CHANGE_MODE) {
        pt_jsonw_key(&w, "mode");
        if (change->has_mode) {
            pt_jsonw_str(&w, pt_compat_mode_name(change->mode));
        } else {
            pt_jsonw_null(&w);
        }
    } else {
        pt_jsonw_key(&w, change->kind == CHANGE_NUMBERS ? "last" : "version");
        pt_jsonw_uint(&w, change->version);
    }
    if (change->kind == CHANGE_DELETE) {
        pt_jsonw_key(&w, "permanent");
        pt_jsonw_bool(&w, change->is_permanent);
    }
    if (change->kind == CHANGE_REGISTER) {
        pt_jsonw_key(&w, "id");
        pt_jsonw_uint(&w, change->entry->id);
        pt_jsonw_key(&w, "schemaver");
        pt_jsonw_array(&w);
        pt_jsonw_uint(&w, change->schemaver.model);
        pt_jsonw_uint(&w, change->schemaver.revision);
        pt_jsonw_uint(&w, change->schemaver.addition);
        pt_jsonw_array_end(&w);
        if (with_entry) {
            write_entry(&w, change->entry);
        }
    }
    pt_jsonw_object_end(&w);
}

/* A frame with `payload` behind what `file` holds. */
static enum pt_code append_frame(struct pt_buf *file, const struct pt_buf *payload,
                                 struct pt_error *err)
{
    uint8_t header[PT_FRAME_HEADER_BYTES];

    if (payload->has_failed || payload->size == 0 || payload->size > RECORD_BYTES_MAX) {
        return pt_fail(err, payload->has_failed ? PT_NO_MEMORY : PT_TOO_BIG,
                       "write a record of the registry");
    }
    pt_frame_header(payload->data, (uint32_t)payload->size, header);
    pt_buf_append(file, header, sizeof(header));
    pt_buf_append(file, payload->data, payload->size);
    return file->has_failed ? pt_fail(err, PT_NO_MEMORY, "write a record of the registry") : PT_OK;
}

static enum pt_code append_header(struct pt_buf *file, struct pt_error *err)
{
    struct pt_buf payload;
    enum pt_code code = PT_OK;

    pt_buf_init(&payload, RECORD_BYTES_MAX);
    pt_buf_append_str(&payload, "{\"format\":\"playtrace-registry\",\"version\":1}");
    code = append_frame(file, &payload, err);
    pt_buf_release(&payload);
    return code;
}

static enum pt_code append_change(struct pt_buf *file, const struct registry_change *change,
                                  bool with_entry, struct pt_error *err)
{
    struct pt_buf payload;
    enum pt_code code = PT_OK;

    pt_buf_init(&payload, RECORD_BYTES_MAX + 1);
    write_change(&payload, change, with_entry);
    code = append_frame(file, &payload, err);
    pt_buf_release(&payload);
    return code;
}

/* ---- the file -------------------------------------------------------------------------- */

enum pt_code registry_store(struct pt_registry *registry, const struct registry_change *change,
                            bool with_entry, struct pt_error *err)
{
    struct pt_buf bytes;
    enum pt_code code = PT_OK;

    if (!registry->path) {
        return PT_OK;
    }
    pt_buf_init(&bytes, RECORD_BYTES_MAX + PT_FRAME_HEADER_BYTES);
    code = append_change(&bytes, change, with_entry, err);
    if (!code && registry->needs_cut) {
        code = pt_io_truncate(registry->io, registry->file, registry->end_bytes, err);
    }
    if (!code) {
        registry->needs_cut = true;
        code = pt_io_write(registry->io, registry->file, registry->end_bytes, bytes.data,
                           bytes.size, err);
    }
    if (!code) {
        code = pt_io_sync(registry->io, registry->file, err);
    }
    if (!code) {
        registry->needs_cut = false;
        registry->end_bytes += bytes.size;
    }
    pt_buf_release(&bytes);
    return code;
}

/* Everything that the state holds, as a file of its own. */
static enum pt_code write_state(const struct registry_state *state, struct pt_buf *file,
                                struct pt_error *err)
{
    struct registry_change change = {.kind = CHANGE_MODE, .has_mode = true, .mode = state->mode};
    enum pt_code code = append_header(file, err);

    if (!code) {
        code = append_change(file, &change, false, err);
    }
    /* By id: what a schema refers to has a smaller one. */
    for (uint32_t e = 0; e < state->entry_count && !code; e++) {
        bool is_first = true;

        for (uint32_t i = 0; i < state->subject_count && !code; i++) {
            for (uint32_t j = 0; j < state->subjects[i].count && !code; j++) {
                const struct pt_registry_version *version = &state->subjects[i].versions[j];

                if (version->entry == state->entries[e]) {
                    change = (struct registry_change){.kind = CHANGE_REGISTER,
                                                      .subject = state->subjects[i].name,
                                                      .version = version->version,
                                                      .schemaver = version->schemaver,
                                                      .entry = version->entry};
                    code = append_change(file, &change, is_first, err);
                    is_first = false;
                }
            }
        }
    }
    for (uint32_t i = 0; i < state->subject_count && !code; i++) {
        const struct registry_subject *subject = &state->subjects[i];

        for (uint32_t j = 0; j < subject->count && !code; j++) {
            change = (struct registry_change){.kind = CHANGE_DELETE,
                                              .subject = subject->name,
                                              .version = subject->versions[j].version};
            if (subject->versions[j].is_deleted) {
                code = append_change(file, &change, false, err);
            }
        }
        change = (struct registry_change){
            .kind = CHANGE_MODE, .subject = subject->name, .has_mode = true, .mode = subject->mode};
        if (!code && subject->has_mode) {
            code = append_change(file, &change, false, err);
        }
        change = (struct registry_change){
            .kind = CHANGE_NUMBERS, .subject = subject->name, .version = subject->last_version};
        if (!code) {
            code = append_change(file, &change, false, err);
        }
    }
    change = (struct registry_change){.kind = CHANGE_NUMBERS, .version = state->last_id};
    return code ? code : append_change(file, &change, false, err);
}

/* ---- replay ------------------------------------------------------------------------------ */

struct replay {
    struct pt_registry *registry;
    struct registry_state *state;
    struct pt_json_parser *parser;
    struct pt_buf padded;
    uint64_t records;
};

static struct pt_registry_entry *find_entry(struct pt_registry *registry, uint64_t id)
{
    for (struct pt_registry_entry *entry = registry->entries; entry; entry = entry->next) {
        if (entry->id == id) {
            return entry;
        }
    }
    return NULL;
}

static struct pt_span keep(struct pt_span text)
{
    return pt_span_of(pt_strndup((const char *)text.data, text.size), text.size);
}

/* A new entry of the text, without an id; not compiled. */
enum pt_code registry_make_entry(struct pt_span json, struct pt_registry_entry **entry_out,
                                 struct pt_schemaver *self_out, bool *has_self_out,
                                 struct pt_error *err)
{
    struct pt_registry_entry *entry = pt_alloc_zero(sizeof(*entry));
    struct pt_buf minified;
    struct pt_buf canonical;
    enum pt_code code = PT_OK;

    *entry_out = NULL;
    pt_buf_init(&minified, PT_SCHEMA_BYTES_MAX * 2);
    pt_buf_init(&canonical, PT_SCHEMA_BYTES_MAX * 2);
    if (!entry) {
        return pt_fail(err, PT_NO_MEMORY, "read a schema");
    }
    code = registry_minify(json, &minified, &canonical, self_out, has_self_out, err);
    if (!code) {
        entry->json = pt_strndup((const char *)minified.data, minified.size);
        entry->json_bytes = minified.size;
        entry->canonical = pt_strndup((const char *)canonical.data, canonical.size);
        entry->canonical_bytes = canonical.size;
        entry->hash = pt_checksum64(canonical.data, canonical.size);
        if (!entry->json || !entry->canonical) {
            code = pt_fail(err, PT_NO_MEMORY, "read a schema");
        }
    }
    pt_buf_release(&minified);
    pt_buf_release(&canonical);
    if (code) {
        registry_entry_destroy(entry);
        return code;
    }
    *entry_out = entry;
    return PT_OK;
}

enum pt_code registry_add_reference(struct pt_registry_entry *entry, struct pt_span name,
                                    struct pt_span subject, uint32_t version,
                                    const struct pt_registry_entry *target, struct pt_error *err)
{
    struct pt_registry_reference *reference = &entry->references[entry->reference_count];

    *reference = (struct pt_registry_reference){keep(name), keep(subject), version};
    entry->targets[entry->reference_count++] = target;
    return reference->name.data && reference->subject.data
               ? PT_OK
               : pt_fail(err, PT_NO_MEMORY, "keep a reference");
}

void registry_own_entry(struct pt_registry *registry, struct pt_registry_entry *entry)
{
    entry->next = registry->entries;
    registry->entries = entry;
    registry->entry_count++;
}

static enum pt_code replay_references(struct pt_registry *registry, struct pt_registry_entry *entry,
                                      struct pt_json list, struct pt_error *err)
{
    struct pt_json_iter it;
    enum pt_code code = PT_OK;

    if (!pt_json_exists(list)) {
        return PT_OK;
    }
    if (pt_json_type(list) != PT_JSON_ARRAY) {
        return pt_fail(err, PT_CORRUPT, "references is no array");
    }
    it = pt_json_iterate(list);
    while (!code && pt_json_next(&it)) {
        struct pt_span name;
        struct pt_span subject;
        int64_t version = 0;
        int64_t id = 0;
        struct pt_registry_entry *target = NULL;

        if (entry->reference_count == PT_REGISTRY_REFERENCES_MAX ||
            pt_json_type(it.value) != PT_JSON_OBJECT ||
            !pt_json_member_string(it.value, "name", &name) ||
            !pt_json_member_string(it.value, "subject", &subject) ||
            !pt_json_member_int(it.value, "version", &version) ||
            !pt_json_member_int(it.value, "id", &id) || version <= 0 || version > UINT32_MAX) {
            return pt_fail(err, PT_CORRUPT, "a reference is not whole");
        }
        target = id > 0 ? find_entry(registry, (uint64_t)id) : NULL;
        code = target ? registry_add_reference(entry, name, subject, (uint32_t)version, target, err)
                      : pt_fail(err, PT_CORRUPT, "the schema of a reference is not there");
    }
    return code;
}

static enum pt_code replay_register(struct replay *replay, struct pt_json record,
                                    struct registry_change *change, struct pt_error *err)
{
    struct pt_registry_entry *entry = NULL;
    struct pt_json schemaver = pt_json_member(record, "schemaver");
    struct pt_span json;
    int64_t id = 0;
    bool has_self = false;
    struct pt_schemaver self;
    uint32_t *parts[3] = {&change->schemaver.model, &change->schemaver.revision,
                          &change->schemaver.addition};
    enum pt_code code = PT_OK;

    if (!pt_json_member_int(record, "id", &id) || id <= 0 || id > UINT32_MAX ||
        !pt_json_exists(schemaver) || pt_json_type(schemaver) != PT_JSON_ARRAY) {
        return pt_fail(err, PT_CORRUPT, "a version has no id or no SchemaVer");
    }
    for (uint32_t i = 0; i < 3; i++) {
        struct pt_json part = pt_json_element(schemaver, i);

        if (!pt_json_exists(part) || pt_json_type(part) != PT_JSON_INT || pt_json_int(part) < 0 ||
            pt_json_int(part) > UINT32_MAX) {
            return pt_fail(err, PT_CORRUPT, "a SchemaVer is not three numbers");
        }
        *parts[i] = (uint32_t)pt_json_int(part);
    }
    entry = find_entry(replay->registry, (uint64_t)id);
    if (pt_json_member_string(record, "schema", &json) && !entry) {
        code = registry_make_entry(json, &entry, &self, &has_self, err);
        if (code) {
            return code;
        }
        entry->id = (uint32_t)id;
        code =
            replay_references(replay->registry, entry, pt_json_member(record, "references"), err);
        registry_own_entry(replay->registry, entry);
    }
    change->entry = entry;
    if (!code && !entry) {
        code = pt_fail(err, PT_CORRUPT, "a version's schema is not there");
    }
    if (!code && !entry->schema) {
        code = registry_compile(entry, err);
    }
    return code;
}

static enum pt_code replay_change(struct replay *replay, struct pt_json record,
                                  struct pt_error *err)
{
    struct registry_change change = {0};
    struct pt_span op;
    struct pt_span mode;
    int64_t version = 0;
    enum pt_code code = PT_OK;

    if (!pt_json_member_string(record, "op", &op) ||
        !pt_json_member_string(record, "subject", &change.subject)) {
        return pt_fail(err, PT_CORRUPT, "a record has no op or no subject");
    }
    if (pt_span_is(op, "mode")) {
        change.kind = CHANGE_MODE;
        change.has_mode = pt_json_member_string(record, "mode", &mode);
        if (change.has_mode && !pt_compat_mode_parse(mode, &change.mode)) {
            return pt_fail(err, PT_CORRUPT, "a mode is none that there is");
        }
    } else {
        if (!pt_json_member_int(record, pt_span_is(op, "numbers") ? "last" : "version", &version) ||
            version < 0 || version > UINT32_MAX) {
            return pt_fail(err, PT_CORRUPT, "a record has no version");
        }
        change.version = (uint32_t)version;
        if (pt_span_is(op, "register")) {
            change.kind = CHANGE_REGISTER;
            code = replay_register(replay, record, &change, err);
        } else if (pt_span_is(op, "delete")) {
            change.kind = CHANGE_DELETE;
            (void)pt_json_member_bool(record, "permanent", &change.is_permanent);
        } else if (pt_span_is(op, "numbers")) {
            change.kind = CHANGE_NUMBERS;
        } else {
            return pt_fail(err, PT_CORRUPT, "a record's op is none that this version knows");
        }
    }
    if (code) {
        return code;
    }
    return registry_apply(replay->state, &change) ? PT_OK
                                                  : pt_fail(err, PT_NO_MEMORY, "read the registry");
}

static enum pt_code replay_frame(struct replay *replay, struct pt_span payload,
                                 struct pt_error *err)
{
    struct pt_json record;
    int64_t version = 0;
    enum pt_code code = PT_OK;

    pt_buf_reset(&replay->padded);
    pt_buf_append(&replay->padded, payload.data, payload.size);
    if (!pt_buf_reserve(&replay->padded, PT_JSON_PADDING)) {
        return pt_fail(err, PT_NO_MEMORY, "read the registry");
    }
    code = pt_json_parse(replay->parser, pt_buf_span(&replay->padded), &record, NULL, err);
    if (code) {
        return code == PT_INVALID ? pt_error_prefix(err, PT_CORRUPT, "a record") : code;
    }
    if (pt_json_type(record) != PT_JSON_OBJECT) {
        return pt_fail(err, PT_CORRUPT, "a record is no object");
    }
    if (replay->records++ > 0) {
        return replay_change(replay, record, err);
    }
    if (!pt_json_exists(pt_json_member(record, "format")) ||
        !pt_json_member_int(record, "version", &version) || version != 1) {
        return pt_fail(err, PT_CORRUPT, "it is no registry of format version 1");
    }
    return PT_OK;
}

/* A frame further on means that what is damaged was whole once: a torn write is the last there is.
 */
static bool has_frame_behind(struct pt_span bytes)
{
    uint32_t payload_bytes = 0;

    for (size_t at = 1; at + PT_FRAME_HEADER_BYTES < bytes.size; at++) {
        if (pt_get_u32(bytes.data + at) <= bytes.size - at - PT_FRAME_HEADER_BYTES &&
            pt_frame_read(bytes.data + at, bytes.size - at, &payload_bytes)) {
            return true;
        }
    }
    return false;
}

static enum pt_code replay_file(struct replay *replay, struct pt_span bytes, uint64_t *end_out,
                                struct pt_error *err)
{
    size_t at = 0;
    uint32_t payload_bytes = 0;

    while (pt_frame_read(bytes.data + at, bytes.size - at, &payload_bytes)) {
        enum pt_code code = replay_frame(
            replay, pt_span_of(bytes.data + at + PT_FRAME_HEADER_BYTES, payload_bytes), err);

        if (code) {
            return pt_error_prefix(err, code, "record %llu at byte %zu",
                                   (unsigned long long)replay->records, at);
        }
        at += PT_FRAME_HEADER_BYTES + payload_bytes;
    }
    if (has_frame_behind(pt_span_of(bytes.data + at, bytes.size - at))) {
        return pt_fail(err, PT_CORRUPT, "damaged at byte %zu, with sound records behind it", at);
    }
    *end_out = at;
    return PT_OK;
}

/* ---- open and close ------------------------------------------------------------------------ */

static enum pt_code load(struct pt_registry *registry, struct registry_state *state,
                         bool *is_stale_out, struct pt_error *err)
{
    struct replay replay = {.registry = registry, .state = state};
    uint8_t *data = NULL;
    size_t size = 0;
    uint64_t live = 2;
    enum pt_code code =
        pt_io_read_all(registry->io, registry->path, FILE_BYTES_MAX, 1, &data, &size, err);

    *is_stale_out = true;
    if (code == PT_NOT_FOUND) {
        return PT_OK;
    }
    if (code) {
        return code;
    }
    pt_buf_init(&replay.padded, RECORD_BYTES_MAX + PT_JSON_PADDING);
    replay.parser = pt_json_parser_create(RECORD_BYTES_MAX);
    if (!replay.parser) {
        code = pt_fail(err, PT_NO_MEMORY, "read the registry");
        goto out;
    }
    code = replay_file(&replay, pt_span_of(data, size), &registry->end_bytes, err);
    for (uint32_t i = 0; i < state->subject_count; i++) {
        live += 2 + state->subjects[i].count;
    }
    registry->needs_cut = registry->end_bytes < size;
    *is_stale_out =
        replay.records == 0 || (replay.records > STALE_RECORDS_MIN && replay.records / 2 > live);

out:
    pt_json_parser_destroy(replay.parser);
    pt_buf_release(&replay.padded);
    pt_free(data);
    return code ? pt_error_prefix(err, code, "%s", registry->path) : PT_OK;
}

static enum pt_code rewrite(struct pt_registry *registry, const struct registry_state *state,
                            struct pt_error *err)
{
    struct pt_buf file;
    enum pt_code code = PT_OK;

    pt_buf_init(&file, FILE_BYTES_MAX);
    code = write_state(state, &file, err);
    if (!code) {
        code = pt_io_replace(registry->io, registry->path, pt_buf_span(&file), 0, err);
    }
    registry->end_bytes = file.size;
    registry->needs_cut = false;
    pt_buf_release(&file);
    return code;
}

/* The directory, so that its own name outlives a power failure too. */
static enum pt_code make_dir(struct pt_registry *registry, struct pt_error *err)
{
    enum pt_code code = pt_io_mkdir(registry->io, registry->dir, err);

    return code ? code : pt_io_sync_parent(registry->io, registry->dir, err);
}

static enum pt_code open_file(struct pt_registry *registry, struct registry_state *state,
                              struct pt_error *err)
{
    bool is_stale = false;
    enum pt_code code = make_dir(registry, err);

    if (!code) {
        code = load(registry, state, &is_stale, err);
    }
    if (!code && registry_state_finish(state)) {
        code = pt_fail(err, PT_NO_MEMORY, "open the registry");
    }
    if (!code && is_stale) {
        code = rewrite(registry, state, err);
    }
    if (!code) {
        code = pt_io_open(registry->io, registry->path, PT_OPEN_WRITE, &registry->file, err);
    }
    if (!code && registry->needs_cut) {
        code = pt_io_truncate(registry->io, registry->file, registry->end_bytes, err);
        if (!code) {
            code = pt_io_sync(registry->io, registry->file, err);
        }
        registry->needs_cut = code != PT_OK;
    }
    return code;
}

enum pt_code pt_registry_open(struct pt_registry **registry_out, struct pt_io *io, const char *dir,
                              struct pt_error *err)
{
    struct pt_registry *registry = pt_alloc_zero(sizeof(*registry));
    enum pt_code code = PT_OK;

    *registry_out = NULL;
    if (!registry) {
        return pt_fail(err, PT_NO_MEMORY, "open the registry");
    }
    registry->io = io;
    pthread_mutex_init(&registry->writer, NULL);
    pthread_mutex_init(&registry->publish, NULL);
    atomic_init(&registry->generation, 1);
    registry->current = registry_state_copy(NULL);
    registry->empty_parser = pt_json_parser_create(sizeof(empty_object));
    if (dir) {
        registry->dir = pt_strdup(dir);
        registry->path = pt_strf("%s/schemas.log", dir);
    }
    if (!registry->current || !registry->empty_parser ||
        (dir && (!registry->dir || !registry->path))) {
        code = pt_fail(err, PT_NO_MEMORY, "open the registry");
        goto out;
    }
    code = pt_json_parse(registry->empty_parser, pt_span_of(empty_object, 2), &registry->empty,
                         NULL, err);
    if (code) {
        goto out;
    }
    if (dir) {
        code = open_file(registry, registry->current, err);
    } else if (registry_state_finish(registry->current)) {
        code = pt_fail(err, PT_NO_MEMORY, "open the registry");
    }
    if (!code) {
        *registry_out = registry;
        registry = NULL;
    }

out:
    pt_registry_close(registry);
    return code;
}

void pt_registry_close(struct pt_registry *registry)
{
    struct pt_registry_entry *entry = NULL;

    if (!registry) {
        return;
    }
    pt_io_close(registry->io, registry->file);
    registry_state_release(registry->current);
    while (registry->entries) {
        entry = registry->entries;
        registry->entries = entry->next;
        registry_entry_destroy(entry);
    }
    pt_json_parser_destroy(registry->empty_parser);
    pthread_mutex_destroy(&registry->writer);
    pthread_mutex_destroy(&registry->publish);
    pt_free(registry->dir);
    pt_free(registry->path);
    pt_free(registry);
}
