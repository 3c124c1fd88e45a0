/*
 * registry_state.c - one immutable state of the registry
 */
#include "schema/registry_state.h"

#include "base/crypto.h"

#include <stdlib.h>

#define STATE_BYTES_MAX (256u << 20)

static int compare_spans(struct pt_span a, struct pt_span b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    int order = size > 0 ? memcmp(a.data, b.data, size) : 0;

    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

struct registry_state *registry_state_copy(const struct registry_state *from)
{
    struct registry_state *state = pt_alloc_zero(sizeof(*state));

    if (!state) {
        return NULL;
    }
    atomic_init(&state->references, 1);
    pt_arena_init(&state->arena, STATE_BYTES_MAX);
    state->mode = PT_COMPAT_BACKWARD;
    if (!from) {
        return state;
    }
    state->mode = from->mode;
    state->last_id = from->last_id;
    for (uint32_t i = 0; i < from->subject_count; i++) {
        const struct registry_subject *old = &from->subjects[i];
        struct registry_subject *subject = registry_subject_add(state, old->name);

        if (!subject) {
            goto fail;
        }
        subject->last_version = old->last_version;
        subject->has_mode = old->has_mode;
        subject->mode = old->mode;
        for (uint32_t j = 0; j < old->count; j++) {
            struct pt_registry_version *version = registry_version_add(state, subject);

            if (!version) {
                goto fail;
            }
            *version = old->versions[j];
        }
    }
    return state;

fail:
    registry_state_release(state);
    return NULL;
}

void registry_state_release(struct registry_state *state)
{
    if (state && atomic_fetch_sub_explicit(&state->references, 1, memory_order_acq_rel) == 1) {
        pt_arena_release(&state->arena);
        pt_free(state);
    }
}

/* Index of the first subject that is not before `name`. */
static uint32_t find_place(const struct registry_state *state, struct pt_span name, bool *is_there)
{
    uint32_t low = 0;
    uint32_t high = state->subject_count;

    *is_there = false;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = compare_spans(state->subjects[middle].name, name);

        if (order == 0) {
            *is_there = true;
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct registry_subject *registry_subject(const struct registry_state *state, struct pt_span name)
{
    bool is_there = false;
    uint32_t at = find_place(state, name, &is_there);

    return is_there ? &state->subjects[at] : NULL;
}

struct registry_subject *registry_subject_add(struct registry_state *state, struct pt_span name)
{
    bool is_there = false;
    uint32_t at = find_place(state, name, &is_there);
    char *text = NULL;

    if (is_there) {
        return &state->subjects[at];
    }
    text = pt_arena_strdup(&state->arena, name);
    if (!text) {
        return NULL;
    }
    if (state->subject_count == state->subject_capacity) {
        uint32_t capacity = state->subject_capacity ? state->subject_capacity * 2 : 64;
        struct registry_subject *subjects =
            pt_arena_alloc(&state->arena, capacity * sizeof(*subjects));

        if (!subjects) {
            return NULL;
        }
        if (state->subject_count > 0) {
            memcpy(subjects, state->subjects, state->subject_count * sizeof(*subjects));
        }
        state->subjects = subjects;
        state->subject_capacity = capacity;
    }
    memmove(state->subjects + at + 1, state->subjects + at,
            (state->subject_count - at) * sizeof(*state->subjects));
    state->subject_count++;
    state->subjects[at] = (struct registry_subject){.name = pt_span_of(text, name.size)};
    return &state->subjects[at];
}

void registry_subject_remove(struct registry_state *state, struct registry_subject *subject)
{
    size_t at = (size_t)(subject - state->subjects);

    memmove(state->subjects + at, state->subjects + at + 1,
            (state->subject_count - at - 1) * sizeof(*state->subjects));
    state->subject_count--;
}

struct pt_registry_version *registry_version_add(struct registry_state *state,
                                                 struct registry_subject *subject)
{
    if (subject->count == subject->capacity) {
        uint32_t capacity = subject->capacity ? subject->capacity * 2 : 4;
        struct pt_registry_version *versions =
            pt_arena_alloc(&state->arena, capacity * sizeof(*versions));

        if (!versions) {
            return NULL;
        }
        if (subject->count > 0) {
            memcpy(versions, subject->versions, subject->count * sizeof(*versions));
        }
        subject->versions = versions;
        subject->capacity = capacity;
    }
    subject->versions[subject->count] = (struct pt_registry_version){0};
    return &subject->versions[subject->count++];
}

struct pt_registry_version *registry_version(const struct registry_subject *subject,
                                             uint32_t version)
{
    for (uint32_t i = 0; i < subject->count; i++) {
        if (subject->versions[i].version == version) {
            return &subject->versions[i];
        }
    }
    return NULL;
}

struct pt_registry_version *registry_latest(const struct registry_subject *subject)
{
    for (uint32_t i = subject->count; i > 0; i--) {
        if (!subject->versions[i - 1].is_deleted) {
            return &subject->versions[i - 1];
        }
    }
    return NULL;
}

static int compare_entries(const void *a, const void *b)
{
    const struct pt_registry_entry *const *x = a;
    const struct pt_registry_entry *const *y = b;

    return ((*x)->id > (*y)->id) - ((*x)->id < (*y)->id);
}

static void gather_entries(struct registry_state *state)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < state->subject_count; i++) {
        for (uint32_t j = 0; j < state->subjects[i].count; j++) {
            /* The table is the state's; what it points to never changes. */
            state->entries[state->entry_count++] =
                (struct pt_registry_entry *)(uintptr_t)state->subjects[i].versions[j].entry;
        }
    }
    if (state->entry_count > 1) {
        qsort(state->entries, state->entry_count, sizeof(*state->entries), compare_entries);
    }
    for (uint32_t i = 0; i < state->entry_count; i++) {
        if (kept == 0 || state->entries[kept - 1]->id != state->entries[i]->id) {
            state->entries[kept++] = state->entries[i];
        }
    }
    state->entry_count = kept;
}

enum pt_code registry_state_finish(struct registry_state *state)
{
    uint32_t slots = 16;
    uint32_t versions = 1;

    while (slots < state->subject_count * 2) {
        slots *= 2;
    }
    for (uint32_t i = 0; i < state->subject_count; i++) {
        versions += state->subjects[i].count;
    }
    state->slots = pt_arena_alloc(&state->arena, slots * sizeof(*state->slots));
    state->entries = pt_arena_alloc(&state->arena, versions * sizeof(*state->entries));
    if (!state->slots || !state->entries) {
        return PT_NO_MEMORY;
    }
    memset(state->slots, 0, slots * sizeof(*state->slots));
    state->slot_mask = slots - 1;
    for (uint32_t i = 0; i < state->subject_count; i++) {
        struct pt_span name = state->subjects[i].name;
        uint32_t at = (uint32_t)pt_checksum64(name.data, name.size) & state->slot_mask;

        while (state->slots[at]) {
            at = (at + 1) & state->slot_mask;
        }
        state->slots[at] = i + 1;
    }
    gather_entries(state);
    return PT_OK;
}
