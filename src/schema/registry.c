/*
 * registry.c - what may change the registry
 *
 * A change is checked against the current state, applied to a copy of it, written and synced
 * (registry_file.c), and then the copy is published: readers see all of it or nothing, and what
 * could not be written is not seen.
 */
#include "schema/registry_state.h"

#include <stdarg.h>
#include <stdio.h>

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

/* ---- changes: the writer's lock is held --------------------------------------------------- */

static enum pt_code commit(struct pt_registry *registry, const struct registry_change *change,
                           bool with_entry, struct pt_registry_fault *fault)
{
    struct registry_state *next = registry_state_copy(registry->current);
    struct registry_state *old = NULL;
    struct pt_error err = {0};
    enum pt_code code = PT_OK;

    if (!next || !registry_apply(next, change) || registry_state_finish(next)) {
        registry_state_release(next);
        return refuse(fault, PT_NO_MEMORY, 50001, "no memory for the change");
    }
    code = registry_store(registry, change, with_entry, &err);
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
                is_same =
                    is_same && pt_span_equal(other->references[r].name, entry->references[r].name);
            }
            if (is_same) {
                return other;
            }
        }
    }
    return NULL;
}

/* What the caller gave, as an entry without an id; `same` is the one that is registered already. */
static enum pt_code
read_schema(struct pt_registry *registry, const struct pt_registry_schema *schema,
            struct pt_registry_entry **entry_out, const struct pt_registry_entry **same_out,
            struct pt_schemaver *named_out, bool *is_named_out, struct pt_registry_fault *fault)
{
    struct pt_registry_entry *entry = NULL;
    struct pt_error err = {0};
    enum pt_code code = PT_OK;

    *entry_out = NULL;
    code = registry_make_entry(schema->json, &entry, named_out, is_named_out, &err);
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

        if (!version || version->is_deleted ||
            entry->reference_count == PT_REGISTRY_REFERENCES_MAX) {
            code = refuse(fault, PT_INVALID, 42201,
                          "Invalid schema: no schema for reference '%.*s' (subject '%.*s', version "
                          "%u)",
                          PT_SPAN_ARG(reference->name), PT_SPAN_ARG(reference->subject),
                          reference->version);
        } else if (registry_add_reference(entry, reference->name, reference->subject,
                                          reference->version, version->entry, &err)) {
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

enum pt_compat_mode registry_mode_of(const struct registry_state *state,
                                     const struct registry_subject *subject)
{
    return subject && subject->has_mode ? subject->mode : state->mode;
}

/* Against the newest, or all where the mode is transitive, newest first; stops at the first that
 * does not go. */
static enum pt_code check_versions(const struct registry_state *state,
                                   const struct registry_subject *subject,
                                   const struct pt_registry_entry *entry,
                                   struct pt_compat_report *report, uint32_t *against_out,
                                   struct pt_registry_fault *fault)
{
    enum pt_compat_mode mode = registry_mode_of(state, subject);

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
        return refuse(fault, PT_INVALID, 409,
                      "Schema being registered is incompatible with version %u", against);
    }
    return refuse(
        fault, PT_INVALID, 409,
        "Schema being registered is incompatible with version %u (%s): %s at %.100s: %s%s", against,
        pt_compat_mode_name(mode), report->reasons[0].kind, report->reasons[0].new_pointer,
        report->reasons[0].detail, report->count > 1 ? " (and more)" : "");
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
                                 const struct pt_registry_entry *entry, bool is_new, bool is_named,
                                 struct pt_schemaver *schemaver, struct pt_compat_report *report,
                                 uint32_t *version_out, struct pt_registry_fault *fault)
{
    const struct registry_state *state = registry->current;
    uint32_t against = 0;
    struct registry_change change = {
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
        return refuse_incompatible(report, against, registry_mode_of(state, subject), fault);
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
        registry_own_entry(registry, entry);
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
    if (!subject || (!with_deleted && !registry_is_live(subject))) {
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
    if (number != 0 && !registry_is_live(subject)) {
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
    } else if (registry_mode_of(registry->current, subject) != PT_COMPAT_NONE) {
        code = compare(version->entry, same ? same : entry,
                       registry_mode_of(registry->current, subject), report_out, fault_out);
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
            return refuse(
                fault, PT_NOT_FOUND, 40406,
                "Subject '%.*s' Version %u was soft deleted. Set permanent=true to delete "
                "permanently",
                PT_SPAN_ARG(name), number);
        }
        if (!version->is_deleted && is_permanent) {
            return refuse(
                fault, PT_NOT_FOUND, 40407,
                "Subject '%.*s' Version %u was not deleted first before being permanently "
                "deleted",
                PT_SPAN_ARG(name), number);
        }
    } else if (!registry_is_live(subject) && !is_permanent) {
        return refuse(fault, PT_NOT_FOUND, 40404,
                      "Subject '%.*s' was soft deleted. Set permanent=true to delete permanently",
                      PT_SPAN_ARG(name));
    } else if (registry_is_live(subject) && is_permanent) {
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
    struct registry_change change = {.kind = CHANGE_DELETE,
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
    struct registry_change change = {
        .kind = CHANGE_MODE, .subject = subject, .has_mode = mode != NULL};
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
