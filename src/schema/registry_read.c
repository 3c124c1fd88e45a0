/*
 * registry_read.c - the registry's readers
 *
 * A reader holds a state; taking a newer one costs a lock, and happens only where the generation
 * has moved on.
 */
#include "schema/registry_state.h"

#include "base/crypto.h"

struct pt_registry_reader {
    struct pt_registry *registry;
    struct registry_state *state;
    uint64_t generation;
};

/* ---- readers ----------------------------------------------------------------------------------
 */

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

    if (old &&
        atomic_load_explicit(&registry->generation, memory_order_acquire) == reader->generation) {
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

    *is_known_out = registry_is_live(subject);
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
        if (!older->is_deleted &&
            pt_schema_validate(older->schema, value, scratch, NULL) == PT_OK) {
            *version_out = older->version;
            return PT_REGISTRY_VALID;
        }
    }
    return PT_REGISTRY_INVALID;
}

/* ---- what a state holds
 * --------------------------------------------------------------------------- */

uint32_t pt_registry_subject_count(const struct pt_registry_reader *reader)
{
    return reader->state->subject_count;
}

struct pt_span pt_registry_subject_at(const struct pt_registry_reader *reader, uint32_t index,
                                      bool *is_deleted_out)
{
    const struct registry_subject *subject = &reader->state->subjects[index];

    *is_deleted_out = !registry_is_live(subject);
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
    return registry_mode_of(reader->state, subject);
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
