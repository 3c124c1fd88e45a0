/*
 * registry.c - the registry's file, and what may change it
 *
 * FILE (docs/formats/registry.md). DIR/schemas.log is a run of frames (wire/frame.h), each a JSON object:
 *
 *     {"format":"playtrace-registry","version":1}                                the first
 *     {"op":"register","subject","version","id","schemaver":[m,r,a][,"schema"[,"references"]]}
 *     {"op":"delete","subject","version","permanent"}                            version 0: the subject
 *     {"op":"mode","subject","mode"}                                             subject "": global; mode null: none
 *     {"op":"numbers","subject","last"}                                          subject "": ids
 *
 * A change is one frame, written and synced before it is seen or answered, so that a crash leaves it
 * whole or (cut at the next open) not at all. A write that failed is cut off before the next one. What is deleted
 * for good leaves the file when it is opened and half of it has gone stale.
 *
 * LOCKS. `writer` is held through a change, disk and all; `publish` only to take or to give the current
 * state. Order: writer, then publish. `generation` is changed under publish, and read without it.
 */
#include "schema/registry_state.h"

#include "base/crypto.h"
#include "wire/frame.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

#define FILE_BYTES_MAX (1u << 30)
#define STALE_RECORDS_MIN 64
#define RECORD_BYTES_MAX PT_FRAME_PAYLOAD_BYTES_MAX

struct pt_registry {
    struct pt_io *io;
    char *dir;  /* NULL: in memory alone */
    char *path;
    struct pt_file *file;
    uint64_t end_bytes;  /* what is sound of the file */
    bool needs_cut;      /* bytes behind it are unknown */
    pthread_mutex_t writer;
    struct pt_registry_entry *entries; /* all, the newest first; guarded by writer */
    uint32_t entry_count;
    pthread_mutex_t publish;
    struct registry_state *current; /* guarded by publish; replaced under writer too */
    _Atomic uint64_t generation;    /* release after current is set, acquire by readers */
    struct pt_json_parser *empty_parser;
    struct pt_json empty; /* {} */
};

struct pt_registry_reader {
    struct pt_registry *registry;
    struct registry_state *state;
    uint64_t generation;
};

static const char empty_object[2 + PT_JSON_PADDING] = "{}";

static enum pt_code refuse(struct pt_registry_fault *fault, enum pt_code code, int error_code,
                           const char *format, ...) PT_PRINTF(4, 5);

static enum pt_code refuse(struct pt_registry_fault *fault, enum pt_code code, int error_code,
                           const char *format, ...)
{
    va_list args;

    fault->error_code = error_code;
    va_start(args, format);
    vsnprintf(fault->text, sizeof(fault->text), format, args);
    va_end(args);
    return code;
}

/* ---- applying a change to an unfinished state ------------------------------------- */

struct change {
    enum { CHANGE_REGISTER, CHANGE_DELETE, CHANGE_MODE, CHANGE_NUMBERS } kind;
    struct pt_span subject;
    uint32_t version;
    bool is_permanent;
    bool has_mode;
    enum pt_compat_mode mode;
    struct pt_schemaver schemaver;
    const struct pt_registry_entry *entry;
};

static bool apply_register(struct registry_state *state, const struct change *change)
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

static void apply_delete(struct registry_state *state, const struct change *change)
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

static bool apply_mode(struct registry_state *state, const struct change *change)
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

static bool apply(struct registry_state *state, const struct change *change)
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

static void write_change(struct pt_buf *out, const struct change *change, bool with_entry)
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

static enum pt_code append_change(struct pt_buf *file, const struct change *change, bool with_entry,
                                  struct pt_error *err)
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

static enum pt_code store(struct pt_registry *registry, const struct change *change, bool with_entry,
                          struct pt_error *err)
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
    struct change change = {.kind = CHANGE_MODE, .has_mode = true, .mode = state->mode};
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
                    change = (struct change){.kind = CHANGE_REGISTER,
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
            change = (struct change){.kind = CHANGE_DELETE,
                                     .subject = subject->name,
                                     .version = subject->versions[j].version};
            if (subject->versions[j].is_deleted) {
                code = append_change(file, &change, false, err);
            }
        }
        change = (struct change){.kind = CHANGE_MODE,
                                 .subject = subject->name,
                                 .has_mode = true,
                                 .mode = subject->mode};
        if (!code && subject->has_mode) {
            code = append_change(file, &change, false, err);
        }
        change = (struct change){.kind = CHANGE_NUMBERS,
                                 .subject = subject->name,
                                 .version = subject->last_version};
        if (!code) {
            code = append_change(file, &change, false, err);
        }
    }
    change = (struct change){.kind = CHANGE_NUMBERS, .version = state->last_id};
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
static enum pt_code make_entry(struct pt_span json, struct pt_registry_entry **entry_out,
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

static enum pt_code add_reference(struct pt_registry_entry *entry, struct pt_span name,
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

static void own_entry(struct pt_registry *registry, struct pt_registry_entry *entry)
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
        code = target ? add_reference(entry, name, subject, (uint32_t)version, target, err)
                      : pt_fail(err, PT_CORRUPT, "the schema of a reference is not there");
    }
    return code;
}

static enum pt_code replay_register(struct replay *replay, struct pt_json record,
                                    struct change *change, struct pt_error *err)
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
        code = make_entry(json, &entry, &self, &has_self, err);
        if (code) {
            return code;
        }
        entry->id = (uint32_t)id;
        code = replay_references(replay->registry, entry, pt_json_member(record, "references"), err);
        own_entry(replay->registry, entry);
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
    struct change change = {0};
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
        if (!pt_json_member_int(record, pt_span_is(op, "numbers") ? "last" : "version",
                                &version) ||
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
    return apply(replay->state, &change) ? PT_OK : pt_fail(err, PT_NO_MEMORY, "read the registry");
}

static enum pt_code replay_frame(struct replay *replay, struct pt_span payload, struct pt_error *err)
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

/* A frame further on means that what is damaged was whole once: a torn write is the last there is. */
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
    enum pt_code code = pt_io_read_all(registry->io, registry->path, FILE_BYTES_MAX, 1, &data,
                                       &size, err);

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
        replay.records == 0 ||
        (replay.records > STALE_RECORDS_MIN && replay.records / 2 > live);

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
    size_t size = strlen(registry->dir);
    char *parent = NULL;
    enum pt_code code = pt_io_mkdir(registry->io, registry->dir, err);

    if (code) {
        return code;
    }
    while (size > 0 && registry->dir[size - 1] != '/') {
        size--;
    }
    parent = size == 0 ? pt_strdup(".") : pt_strndup(registry->dir, size > 1 ? size - 1 : 1);
    code = parent ? pt_io_sync_dir(registry->io, parent, err)
                  : pt_fail(err, PT_NO_MEMORY, "open the registry");
    pt_free(parent);
    return code;
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

/* ---- changes: the writer's lock is held --------------------------------------------------- */

static enum pt_code commit(struct pt_registry *registry, const struct change *change,
                           bool with_entry, struct pt_registry_fault *fault)
{
    struct registry_state *next = registry_state_copy(registry->current);
    struct registry_state *old = NULL;
    struct pt_error err = {0};
    enum pt_code code = PT_OK;

    if (!next || !apply(next, change) || registry_state_finish(next)) {
        registry_state_release(next);
        return refuse(fault, PT_NO_MEMORY, 50001, "no memory for the change");
    }
    code = store(registry, change, with_entry, &err);
    if (code) {
        registry_state_release(next);
        return refuse(fault, code, 50001, "the registry's file could not be written: %s", err.text);
    }
    pthread_mutex_lock(&registry->publish);
    old = registry->current;
    registry->current = next;
    atomic_fetch_add_explicit(&registry->generation, 1, memory_order_release);
    pthread_mutex_unlock(&registry->publish);
    registry_state_release(old);
    return PT_OK;
}

static bool is_live(const struct registry_subject *subject)
{
    return subject && registry_latest(subject);
}

/* "Subject 'x' not found." and its like, in the words that people know from Confluent's. */
static enum pt_code no_subject(struct pt_registry_fault *fault, struct pt_span subject)
{
    return refuse(fault, PT_NOT_FOUND, 40401, "Subject '%.*s' not found.", PT_SPAN_ARG(subject));
}

static enum pt_code no_version(struct pt_registry_fault *fault, uint32_t version)
{
    return refuse(fault, PT_NOT_FOUND, 40402, "Version %u not found.", version);
}

static bool is_subject_name(struct pt_span name)
{
    for (size_t i = 0; i < name.size; i++) {
        if (name.data[i] < 0x20 || name.data[i] == 0x7f) {
            return false;
        }
    }
    return name.size > 0 && name.size <= PT_REGISTRY_SUBJECT_BYTES_MAX;
}

/* The entry that stands in the state and is the same, or NULL. */
static const struct pt_registry_entry *find_same(const struct pt_registry *registry,
                                                 const struct pt_registry_entry *entry)
{
    const struct registry_state *state = registry->current;

    for (uint32_t i = 0; i < state->entry_count; i++) {
        const struct pt_registry_entry *other = state->entries[i];

        if (other->hash == entry->hash && other->canonical_bytes == entry->canonical_bytes &&
            other->reference_count == entry->reference_count &&
            memcmp(other->canonical, entry->canonical, entry->canonical_bytes) == 0 &&
            memcmp(other->targets, entry->targets,
                   entry->reference_count * sizeof(entry->targets[0])) == 0) {
            bool is_same = true;

            for (uint32_t r = 0; r < entry->reference_count; r++) {
                is_same = is_same && pt_span_equal(other->references[r].name,
                                                   entry->references[r].name);
            }
            if (is_same) {
                return other;
            }
        }
    }
    return NULL;
}

/* What the caller gave, as an entry without an id; `same` is the one that is registered already. */
static enum pt_code read_schema(struct pt_registry *registry, const struct pt_registry_schema *schema,
                                struct pt_registry_entry **entry_out,
                                const struct pt_registry_entry **same_out,
                                struct pt_schemaver *named_out, bool *is_named_out,
                                struct pt_registry_fault *fault)
{
    struct pt_registry_entry *entry = NULL;
    struct pt_error err = {0};
    enum pt_code code = PT_OK;

    *entry_out = NULL;
    code = make_entry(schema->json, &entry, named_out, is_named_out, &err);
    if (code) {
        return refuse(fault, code, code == PT_NO_MEMORY ? 50001 : 42201, "Invalid schema: %s",
                      err.text);
    }
    if (schema->schemaver.size > 0) {
        *is_named_out = pt_schemaver_parse(schema->schemaver, named_out);
        if (!*is_named_out) {
            code = refuse(fault, PT_INVALID, 42202, "'%.*s' is no SchemaVer, such as 1-0-0",
                          PT_SPAN_ARG(schema->schemaver));
            goto out;
        }
    }
    for (uint32_t i = 0; i < schema->reference_count && !code; i++) {
        const struct pt_registry_reference *reference = &schema->references[i];
        struct registry_subject *subject = registry_subject(registry->current, reference->subject);
        struct pt_registry_version *version =
            subject ? registry_version(subject, reference->version) : NULL;

        if (!version || version->is_deleted || entry->reference_count == PT_REGISTRY_REFERENCES_MAX) {
            code = refuse(fault, PT_INVALID, 42201,
                          "Invalid schema: no schema for reference '%.*s' (subject '%.*s', version "
                          "%u)",
                          PT_SPAN_ARG(reference->name), PT_SPAN_ARG(reference->subject),
                          reference->version);
        } else if (add_reference(entry, reference->name, reference->subject, reference->version,
                                 version->entry, &err)) {
            code = refuse(fault, PT_NO_MEMORY, 50001, "%s", err.text);
        }
    }
    if (code) {
        goto out;
    }
    *same_out = find_same(registry, entry);
    if (!*same_out) {
        code = registry_compile(entry, &err);
        if (code) {
            code = refuse(fault, code == PT_NO_MEMORY ? code : PT_INVALID,
                          code == PT_NO_MEMORY ? 50001 : 42201, "Invalid schema: %s", err.text);
        }
    }

out:
    if (code) {
        registry_entry_destroy(entry);
        return code;
    }
    *entry_out = entry;
    return PT_OK;
}

static enum pt_code compare(const struct pt_registry_entry *older,
                            const struct pt_registry_entry *newer, enum pt_compat_mode mode,
                            struct pt_compat_report *report, struct pt_registry_fault *fault)
{
    const struct pt_compat_document documents[2] = {
        {.json = pt_span_of(older->json, older->json_bytes),
         .resolve = older->reference_count ? registry_resolve : NULL,
         .resolve_ctx = (void *)(uintptr_t)older},
        {.json = pt_span_of(newer->json, newer->json_bytes),
         .resolve = newer->reference_count ? registry_resolve : NULL,
         .resolve_ctx = (void *)(uintptr_t)newer},
    };
    struct pt_error err = {0};
    enum pt_code code = pt_compat_check(&documents[0], &documents[1], mode, false, report, &err);

    return code ? refuse(fault, code, code == PT_INVALID ? 42201 : 50001, "%s", err.text) : PT_OK;
}

static enum pt_compat_mode mode_of(const struct registry_state *state,
                                   const struct registry_subject *subject)
{
    return subject && subject->has_mode ? subject->mode : state->mode;
}

/* Against the newest, or all where the mode is transitive, newest first; stops at the first that does not go. */
static enum pt_code check_versions(const struct registry_state *state,
                                   const struct registry_subject *subject,
                                   const struct pt_registry_entry *entry,
                                   struct pt_compat_report *report, uint32_t *against_out,
                                   struct pt_registry_fault *fault)
{
    enum pt_compat_mode mode = mode_of(state, subject);

    *report = (struct pt_compat_report){.is_compatible = true};
    if (!subject || mode == PT_COMPAT_NONE) {
        return PT_OK;
    }
    for (uint32_t i = subject->count; i > 0; i--) {
        const struct pt_registry_version *version = &subject->versions[i - 1];
        enum pt_code code = PT_OK;

        if (version->is_deleted) {
            continue;
        }
        *against_out = version->version;
        code = compare(version->entry, entry, mode, report, fault);
        if (code || !report->is_compatible || !pt_compat_mode_is_transitive(mode)) {
            return code;
        }
    }
    return PT_OK;
}

static bool is_before(struct pt_schemaver a, struct pt_schemaver b)
{
    if (a.model != b.model) {
        return a.model < b.model;
    }
    return a.revision != b.revision ? a.revision < b.revision : a.addition < b.addition;
}

/* The next name: what the comparison with the newest says, unless the schema says it. */
static enum pt_code name_version(const struct registry_subject *subject,
                                 const struct pt_registry_entry *entry, bool is_named,
                                 struct pt_schemaver *name, struct pt_registry_fault *fault)
{
    const struct pt_registry_version *latest = subject ? registry_latest(subject) : NULL;
    struct pt_schemaver highest = {0};
    struct pt_compat_report report;
    enum pt_code code = PT_OK;

    for (uint32_t i = 0; subject && i < subject->count; i++) {
        if (is_before(highest, subject->versions[i].schemaver)) {
            highest = subject->versions[i].schemaver;
        }
    }
    if (is_named) {
        return is_before(highest, *name)
                   ? PT_OK
                   : refuse(fault, PT_INVALID, 42202,
                            "SchemaVer %u-%u-%u is not behind %u-%u-%u, which is there",
                            name->model, name->revision, name->addition, highest.model,
                            highest.revision, highest.addition);
    }
    if (!latest) {
        *name = (struct pt_schemaver){highest.model + 1, 0, 0};
        return PT_OK;
    }
    code = compare(latest->entry, entry, PT_COMPAT_BACKWARD, &report, fault);
    if (code) {
        return code;
    }
    if (report.is_compatible) {
        *name = (struct pt_schemaver){highest.model, highest.revision, highest.addition + 1};
        return PT_OK;
    }
    code = compare(latest->entry, entry, PT_COMPAT_FORWARD, &report, fault);
    *name = report.is_compatible ? (struct pt_schemaver){highest.model, highest.revision + 1, 0}
                                 : (struct pt_schemaver){highest.model + 1, 0, 0};
    return code;
}

static enum pt_code refuse_incompatible(const struct pt_compat_report *report, uint32_t against,
                                        enum pt_compat_mode mode, struct pt_registry_fault *fault)
{
    if (report->count == 0) {
        return refuse(fault, PT_INVALID, 409, "Schema being registered is incompatible with version %u",
                      against);
    }
    return refuse(fault, PT_INVALID, 409,
                  "Schema being registered is incompatible with version %u (%s): %s at %.100s: %s%s",
                  against, pt_compat_mode_name(mode), report->reasons[0].kind,
                  report->reasons[0].new_pointer, report->reasons[0].detail,
                  report->count > 1 ? " (and more)" : "");
}

static const struct pt_registry_version *find_version_of(const struct registry_subject *subject,
                                                         const struct pt_registry_entry *entry,
                                                         bool with_deleted)
{
    for (uint32_t i = subject ? subject->count : 0; i > 0; i--) {
        const struct pt_registry_version *version = &subject->versions[i - 1];

        if (version->entry == entry && (with_deleted || !version->is_deleted)) {
            return version;
        }
    }
    return NULL;
}

static enum pt_code register_new(struct pt_registry *registry, struct pt_span name,
                                 const struct registry_subject *subject,
                                 const struct pt_registry_entry *entry, bool is_new,
                                 bool is_named, struct pt_schemaver *schemaver,
                                 struct pt_compat_report *report, uint32_t *version_out,
                                 struct pt_registry_fault *fault)
{
    const struct registry_state *state = registry->current;
    uint32_t against = 0;
    struct change change = {
        .kind = CHANGE_REGISTER,
        .subject = name,
        .version = subject ? subject->last_version + 1 : 1,
        .entry = entry,
    };
    enum pt_code code = check_versions(state, subject, entry, report, &against, fault);

    if (code) {
        return code;
    }
    if (!report->is_compatible) {
        return refuse_incompatible(report, against, mode_of(state, subject), fault);
    }
    code = name_version(subject, entry, is_named, schemaver, fault);
    if (code) {
        return code;
    }
    if ((subject && subject->count >= PT_REGISTRY_VERSIONS_MAX) ||
        registry->entry_count >= PT_REGISTRY_SCHEMAS_MAX) {
        return refuse(fault, PT_TOO_BIG, 42205,
                      "the registry is full: %u schemas, %u versions of a subject are the most",
                      PT_REGISTRY_SCHEMAS_MAX, PT_REGISTRY_VERSIONS_MAX);
    }
    change.schemaver = *schemaver;
    *version_out = change.version;
    return commit(registry, &change, is_new, fault);
}

enum pt_code pt_registry_register(struct pt_registry *registry, struct pt_span subject_name,
                                  const struct pt_registry_schema *schema, uint32_t *id_out,
                                  uint32_t *version_out, struct pt_compat_report *report_out,
                                  struct pt_registry_fault *fault_out)
{
    struct pt_registry_entry *entry = NULL;
    const struct pt_registry_entry *same = NULL;
    const struct pt_registry_version *version = NULL;
    struct registry_subject *subject = NULL;
    struct pt_schemaver schemaver = {0};
    bool is_named = false;
    enum pt_code code = PT_OK;

    *report_out = (struct pt_compat_report){.is_compatible = true};
    if (!is_subject_name(subject_name)) {
        return refuse(fault_out, PT_INVALID, 42208,
                      "a subject's name is 1 to %u bytes without control characters",
                      PT_REGISTRY_SUBJECT_BYTES_MAX);
    }
    pthread_mutex_lock(&registry->writer);
    code = read_schema(registry, schema, &entry, &same, &schemaver, &is_named, fault_out);
    if (code) {
        goto out;
    }
    subject = registry_subject(registry->current, subject_name);
    version = same ? find_version_of(subject, same, false) : NULL;
    if (version) {
        *id_out = version->id;
        *version_out = version->version;
        goto out;
    }
    entry->id = registry->current->last_id + 1;
    code = register_new(registry, subject_name, subject, same ? same : entry, !same, is_named,
                        &schemaver, report_out, version_out, fault_out);
    if (!code) {
        *id_out = same ? same->id : entry->id;
    }
    if (!code && !same) {
        own_entry(registry, entry);
        entry = NULL;
    }

out:
    pthread_mutex_unlock(&registry->writer);
    registry_entry_destroy(entry);
    return code;
}

enum pt_code pt_registry_lookup(struct pt_registry *registry, struct pt_span subject_name,
                                const struct pt_registry_schema *schema, bool with_deleted,
                                uint32_t *id_out, uint32_t *version_out,
                                struct pt_registry_fault *fault_out)
{
    struct pt_registry_entry *entry = NULL;
    const struct pt_registry_entry *same = NULL;
    const struct pt_registry_version *version = NULL;
    struct registry_subject *subject = NULL;
    struct pt_schemaver schemaver;
    bool is_named = false;
    enum pt_code code = PT_OK;

    pthread_mutex_lock(&registry->writer);
    subject = registry_subject(registry->current, subject_name);
    if (!subject || (!with_deleted && !is_live(subject))) {
        code = no_subject(fault_out, subject_name);
        goto out;
    }
    code = read_schema(registry, schema, &entry, &same, &schemaver, &is_named, fault_out);
    if (code) {
        goto out;
    }
    version = same ? find_version_of(subject, same, with_deleted) : NULL;
    if (!version) {
        code = refuse(fault_out, PT_NOT_FOUND, 40403, "Schema not found");
        goto out;
    }
    *id_out = version->id;
    *version_out = version->version;

out:
    pthread_mutex_unlock(&registry->writer);
    registry_entry_destroy(entry);
    return code;
}

enum pt_code pt_registry_check(struct pt_registry *registry, struct pt_span subject_name,
                               uint32_t number, const struct pt_registry_schema *schema,
                               struct pt_compat_report *report_out,
                               struct pt_registry_fault *fault_out)
{
    struct pt_registry_entry *entry = NULL;
    const struct pt_registry_entry *same = NULL;
    const struct pt_registry_version *version = NULL;
    struct registry_subject *subject = NULL;
    struct pt_schemaver schemaver;
    bool is_named = false;
    uint32_t against = 0;
    enum pt_code code = PT_OK;

    *report_out = (struct pt_compat_report){.is_compatible = true};
    pthread_mutex_lock(&registry->writer);
    subject = registry_subject(registry->current, subject_name);
    if (number != 0 && !is_live(subject)) {
        code = no_subject(fault_out, subject_name);
        goto out;
    }
    if (number != 0) {
        version = number == PT_REGISTRY_LATEST ? registry_latest(subject)
                                               : registry_version(subject, number);
        if (!version || version->is_deleted) {
            code = no_version(fault_out, number);
            goto out;
        }
    }
    code = read_schema(registry, schema, &entry, &same, &schemaver, &is_named, fault_out);
    if (code) {
        goto out;
    }
    if (!version) {
        code = check_versions(registry->current, subject, same ? same : entry, report_out, &against,
                              fault_out);
    } else if (mode_of(registry->current, subject) != PT_COMPAT_NONE) {
        code = compare(version->entry, same ? same : entry, mode_of(registry->current, subject),
                       report_out, fault_out);
    }

out:
    pthread_mutex_unlock(&registry->writer);
    registry_entry_destroy(entry);
    return code;
}

/* Whether a schema that is not itself deleted for good refers to this version. */
static bool is_referred_to(const struct registry_state *state, struct pt_span subject,
                           uint32_t version)
{
    for (uint32_t i = 0; i < state->entry_count; i++) {
        const struct pt_registry_entry *entry = state->entries[i];

        for (uint32_t r = 0; r < entry->reference_count; r++) {
            if (entry->references[r].version == version &&
                pt_span_equal(entry->references[r].subject, subject)) {
                return true;
            }
        }
    }
    return false;
}

static enum pt_code may_delete(const struct registry_state *state, struct pt_span name,
                               const struct registry_subject *subject, uint32_t number,
                               bool is_permanent, struct pt_registry_fault *fault)
{
    const struct pt_registry_version *version = NULL;

    if (!subject || subject->count == 0) {
        return no_subject(fault, name);
    }
    if (number != 0) {
        version = registry_version(subject, number);
        if (!version) {
            return no_version(fault, number);
        }
        if (version->is_deleted && !is_permanent) {
            return refuse(fault, PT_NOT_FOUND, 40406,
                          "Subject '%.*s' Version %u was soft deleted. Set permanent=true to delete "
                          "permanently",
                          PT_SPAN_ARG(name), number);
        }
        if (!version->is_deleted && is_permanent) {
            return refuse(fault, PT_NOT_FOUND, 40407,
                          "Subject '%.*s' Version %u was not deleted first before being permanently "
                          "deleted",
                          PT_SPAN_ARG(name), number);
        }
    } else if (!is_live(subject) && !is_permanent) {
        return refuse(fault, PT_NOT_FOUND, 40404,
                      "Subject '%.*s' was soft deleted. Set permanent=true to delete permanently",
                      PT_SPAN_ARG(name));
    } else if (is_live(subject) && is_permanent) {
        return refuse(fault, PT_NOT_FOUND, 40405,
                      "Subject '%.*s' was not deleted first before being permanently deleted",
                      PT_SPAN_ARG(name));
    }
    for (uint32_t i = 0; i < subject->count; i++) {
        uint32_t each = subject->versions[i].version;

        if ((number == 0 || each == number) && is_referred_to(state, name, each)) {
            return refuse(fault, PT_INVALID, 42206,
                          "One or more references exist to the schema {subject=%.*s,version=%u}.",
                          PT_SPAN_ARG(name), each);
        }
    }
    return PT_OK;
}

enum pt_code pt_registry_delete(struct pt_registry *registry, struct pt_span subject_name,
                                uint32_t number, bool is_permanent, uint32_t *versions_out,
                                uint32_t *count_out, struct pt_registry_fault *fault_out)
{
    struct change change = {.kind = CHANGE_DELETE,
                            .subject = subject_name,
                            .version = number,
                            .is_permanent = is_permanent};
    const struct registry_subject *subject = NULL;
    const struct pt_registry_version *latest = NULL;
    enum pt_code code = PT_OK;

    *count_out = 0;
    pthread_mutex_lock(&registry->writer);
    subject = registry_subject(registry->current, subject_name);
    if (number == PT_REGISTRY_LATEST && subject) {
        latest = registry_latest(subject);
        change.version = latest ? latest->version : number;
    }
    code = may_delete(registry->current, subject_name, subject, change.version, is_permanent,
                      fault_out);
    if (code) {
        goto out;
    }
    for (uint32_t i = 0; i < subject->count; i++) {
        const struct pt_registry_version *version = &subject->versions[i];

        if (change.version == version->version ||
            (change.version == 0 && version->is_deleted == is_permanent)) {
            versions_out[(*count_out)++] = version->version;
        }
    }
    code = commit(registry, &change, false, fault_out);

out:
    pthread_mutex_unlock(&registry->writer);
    return code;
}

enum pt_code pt_registry_set_mode(struct pt_registry *registry, struct pt_span subject,
                                  const enum pt_compat_mode *mode,
                                  struct pt_registry_fault *fault_out)
{
    struct change change = {.kind = CHANGE_MODE, .subject = subject, .has_mode = mode != NULL};
    enum pt_code code = PT_OK;

    if (subject.size > 0 && !is_subject_name(subject)) {
        return refuse(fault_out, PT_INVALID, 42208,
                      "a subject's name is 1 to %u bytes without control characters",
                      PT_REGISTRY_SUBJECT_BYTES_MAX);
    }
    if (mode) {
        change.mode = *mode;
    }
    pthread_mutex_lock(&registry->writer);
    if (registry->current->subject_count >= PT_REGISTRY_SCHEMAS_MAX &&
        !registry_subject(registry->current, subject)) {
        code = refuse(fault_out, PT_TOO_BIG, 42205, "the registry is full");
    } else {
        code = commit(registry, &change, false, fault_out);
    }
    pthread_mutex_unlock(&registry->writer);
    return code;
}

/* ---- readers ---------------------------------------------------------------------------------- */

struct pt_registry_reader *pt_registry_reader_create(struct pt_registry *registry)
{
    struct pt_registry_reader *reader = pt_alloc_zero(sizeof(*reader));

    if (reader) {
        reader->registry = registry;
        pt_registry_reader_refresh(reader);
    }
    return reader;
}

void pt_registry_reader_destroy(struct pt_registry_reader *reader)
{
    if (reader) {
        registry_state_release(reader->state);
        pt_free(reader);
    }
}

void pt_registry_reader_refresh(struct pt_registry_reader *reader)
{
    struct pt_registry *registry = reader->registry;
    struct registry_state *old = reader->state;

    if (old && atomic_load_explicit(&registry->generation, memory_order_acquire) ==
                   reader->generation) {
        return;
    }
    pthread_mutex_lock(&registry->publish);
    reader->state = registry->current;
    atomic_fetch_add_explicit(&reader->state->references, 1, memory_order_relaxed);
    reader->generation = atomic_load_explicit(&registry->generation, memory_order_relaxed);
    pthread_mutex_unlock(&registry->publish);
    registry_state_release(old);
}

static const struct registry_subject *look_up(const struct registry_state *state,
                                              struct pt_span name)
{
    uint32_t at = (uint32_t)pt_checksum64(name.data, name.size) & state->slot_mask;

    while (state->slots[at]) {
        const struct registry_subject *subject = &state->subjects[state->slots[at] - 1];

        if (pt_span_equal(subject->name, name)) {
            return subject;
        }
        at = (at + 1) & state->slot_mask;
    }
    return NULL;
}

static bool parse_number(struct pt_span text, uint32_t *number_out)
{
    uint64_t number = 0;

    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || number > UINT32_MAX) {
            return false;
        }
        number = number * 10 + (uint64_t)(text.data[i] - '0');
    }
    *number_out = (uint32_t)number;
    return text.size > 0 && number > 0 && number < UINT32_MAX;
}

static const struct pt_registry_version *find_named(const struct registry_subject *subject,
                                                    struct pt_span text)
{
    struct pt_schemaver name = {0};
    uint32_t number = 0;
    bool is_number = parse_number(text, &number);

    if (!is_number && !pt_schemaver_parse(text, &name)) {
        return NULL;
    }
    for (uint32_t i = subject->count; i > 0; i--) {
        const struct pt_registry_version *version = &subject->versions[i - 1];
        bool is_meant = is_number ? version->version == number
                                  : version->schemaver.model == name.model &&
                                        version->schemaver.revision == name.revision &&
                                        version->schemaver.addition == name.addition;

        if (is_meant && !version->is_deleted) {
            return version;
        }
    }
    return NULL;
}

const struct pt_registry_version *pt_registry_find(struct pt_registry_reader *reader,
                                                   struct pt_span subject_name,
                                                   struct pt_span version, bool *is_known_out)
{
    const struct registry_subject *subject = look_up(reader->state, subject_name);

    *is_known_out = is_live(subject);
    if (!*is_known_out) {
        return NULL;
    }
    return version.size == 0 ? registry_latest(subject) : find_named(subject, version);
}

enum pt_registry_verdict pt_registry_check_event(struct pt_registry_reader *reader,
                                                 struct pt_span event_name, struct pt_span version,
                                                 struct pt_json attributes,
                                                 struct pt_schema_scratch *scratch,
                                                 uint32_t *version_out,
                                                 struct pt_schema_errors *errors_out)
{
    const struct registry_subject *subject = look_up(reader->state, event_name);
    const struct pt_registry_version *newest = NULL;
    struct pt_json value = pt_json_exists(attributes) ? attributes : reader->registry->empty;
    uint32_t tried = 0;

    *version_out = 0;
    newest = subject ? registry_latest(subject) : NULL;
    if (!newest) {
        return PT_REGISTRY_UNKNOWN;
    }
    if (version.size > 0) {
        newest = find_named(subject, version);
        if (!newest) {
            return PT_REGISTRY_NO_VERSION;
        }
    }
    *version_out = newest->version;
    if (pt_schema_validate(newest->schema, value, scratch, errors_out) == PT_OK) {
        return PT_REGISTRY_VALID;
    }
    if (version.size > 0) {
        return PT_REGISTRY_INVALID;
    }
    for (const struct pt_registry_version *older = newest;
         older > subject->versions && tried < PT_REGISTRY_TRIED_MAX; tried++) {
        older--;
        if (!older->is_deleted && pt_schema_validate(older->schema, value, scratch, NULL) == PT_OK) {
            *version_out = older->version;
            return PT_REGISTRY_VALID;
        }
    }
    return PT_REGISTRY_INVALID;
}

/* ---- what a state holds --------------------------------------------------------------------------- */

uint32_t pt_registry_subject_count(const struct pt_registry_reader *reader)
{
    return reader->state->subject_count;
}

struct pt_span pt_registry_subject_at(const struct pt_registry_reader *reader, uint32_t index,
                                      bool *is_deleted_out)
{
    const struct registry_subject *subject = &reader->state->subjects[index];

    *is_deleted_out = !is_live(subject);
    return subject->name;
}

const struct pt_registry_version *pt_registry_versions(const struct pt_registry_reader *reader,
                                                       struct pt_span subject_name,
                                                       uint32_t *count_out)
{
    const struct registry_subject *subject = look_up(reader->state, subject_name);

    *count_out = subject ? subject->count : 0;
    return *count_out > 0 ? subject->versions : NULL;
}

enum pt_compat_mode pt_registry_mode(const struct pt_registry_reader *reader,
                                     struct pt_span subject_name, bool *is_own_out)
{
    const struct registry_subject *subject =
        subject_name.size > 0 ? look_up(reader->state, subject_name) : NULL;

    *is_own_out = subject_name.size == 0 || (subject && subject->has_mode);
    return mode_of(reader->state, subject);
}

bool pt_registry_by_id(const struct pt_registry_reader *reader, uint32_t id,
                       struct pt_span *json_out, const struct pt_registry_entry **entry_out,
                       void (*each)(void *ctx, struct pt_span subject,
                                    const struct pt_registry_version *version),
                       void *ctx)
{
    const struct registry_state *state = reader->state;
    bool is_found = false;

    for (uint32_t i = 0; i < state->subject_count; i++) {
        for (uint32_t j = 0; j < state->subjects[i].count; j++) {
            const struct pt_registry_version *version = &state->subjects[i].versions[j];

            if (version->id != id) {
                continue;
            }
            is_found = true;
            *json_out = version->json;
            *entry_out = version->entry;
            if (!each) {
                return true;
            }
            each(ctx, state->subjects[i].name, version);
        }
    }
    return is_found;
}

uint32_t pt_registry_reference_count(const struct pt_registry_entry *entry)
{
    return entry->reference_count;
}

struct pt_registry_reference pt_registry_reference_at(const struct pt_registry_entry *entry,
                                                      uint32_t index)
{
    return entry->references[index];
}
