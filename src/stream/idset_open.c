/*
 * idset_open.c - the ids since the last checkpoint
 */
#include "stream/idset_open.h"

#include "base/mem.h"

#define SLOTS_FIRST 4096u
/* Above this, a table that is nearly empty when it is cleared is made small again. */
#define SLOTS_KEPT (1u << 20)

static enum pt_code resize(struct pt_open_ids *open, size_t slot_count, struct pt_error *err)
{
    size_t capacity = slot_count / 4 * 3;
    uint64_t *slots = pt_alloc_zero(slot_count * sizeof(*slots));
    struct pt_open_id *entries =
        slots ? pt_realloc(open->entries, capacity * sizeof(*entries)) : NULL;

    if (!entries) {
        pt_free(slots);
        return pt_fail(err, PT_NO_MEMORY, "keep %zu open ids", open->count + 1);
    }
    pt_free(open->slots);
    open->slots = slots;
    open->slot_count = slot_count;
    open->entries = entries;
    open->capacity = capacity;
    for (size_t i = 0; i < open->count; i++) {
        size_t at = (size_t)entries[i].hash & (slot_count - 1);

        while (slots[at]) {
            at = (at + 1) & (slot_count - 1);
        }
        slots[at] = (entries[i].hash & ~(uint64_t)UINT32_MAX) | (i + 1);
    }
    return PT_OK;
}

enum pt_code pt_open_ids_init(struct pt_open_ids *open, struct pt_error *err)
{
    *open = (struct pt_open_ids){0};
    return resize(open, SLOTS_FIRST, err);
}

void pt_open_ids_release(struct pt_open_ids *open)
{
    pt_free(open->slots);
    pt_free(open->entries);
    *open = (struct pt_open_ids){0};
}

struct pt_open_id *pt_open_ids_find(const struct pt_open_ids *open, struct pt_id id, uint64_t hash)
{
    size_t mask = open->slot_count - 1;

    for (size_t at = (size_t)hash & mask; open->slots[at]; at = (at + 1) & mask) {
        if ((open->slots[at] ^ hash) >> 32 == 0) {
            struct pt_open_id *entry = &open->entries[(open->slots[at] & UINT32_MAX) - 1];

            if (pt_id_equal(entry->id, id)) {
                return entry;
            }
        }
    }
    return NULL;
}

enum pt_code pt_open_ids_reserve(struct pt_open_ids *open, struct pt_error *err)
{
    if (open->count < open->capacity) {
        return PT_OK;
    }
    if (open->capacity > UINT32_MAX / 4) {
        return pt_fail(err, PT_TOO_BIG, "more than %zu event ids in one checkpoint", open->count);
    }
    return resize(open, open->slot_count * 2, err);
}

void pt_open_ids_put(struct pt_open_ids *open, struct pt_id id, uint64_t hash, uint32_t bucket)
{
    size_t mask = open->slot_count - 1;
    size_t at = (size_t)hash & mask;

    while (open->slots[at]) {
        at = (at + 1) & mask;
    }
    open->entries[open->count++] = (struct pt_open_id){.id = id, .hash = hash, .bucket = bucket};
    open->slots[at] = (hash & ~(uint64_t)UINT32_MAX) | open->count;
}

void pt_open_ids_clear(struct pt_open_ids *open)
{
    bool is_oversized = open->slot_count > SLOTS_KEPT && open->count < open->slot_count / 16;

    open->count = 0;
    if (!is_oversized || resize(open, SLOTS_KEPT, NULL)) {
        memset(open->slots, 0, open->slot_count * sizeof(*open->slots));
    }
}
