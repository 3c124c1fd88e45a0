/*
 * held.c - the rows read since the last checkpoint, and the records behind them
 */
#include "stream/held.h"

#include "base/mem.h"

#define BLOCK_BYTES ((size_t)4 << 20)
#define ROWS_FIRST 4096u

struct pt_held_block {
    uint8_t *data;
    size_t used;
    size_t capacity;
};

void pt_held_init(struct pt_held *held)
{
    *held = (struct pt_held){0};
}

void pt_held_release(struct pt_held *held)
{
    for (size_t i = 0; i < held->block_count; i++) {
        pt_free(held->blocks[i].data);
    }
    pt_free(held->blocks);
    pt_free(held->rows);
    pt_held_init(held);
}

void pt_held_trim(struct pt_held *held)
{
    pt_held_release(held);
}

void pt_held_reset(struct pt_held *held)
{
    held->count = 0;
    held->record_bytes = 0;
    held->block_at = 0;
    if (held->block_count > 0) {
        held->blocks[0].used = 0;
    }
}

static bool reserve_rows(struct pt_held *held, size_t rows)
{
    size_t capacity = held->capacity ? held->capacity : ROWS_FIRST;
    struct pt_row *grown = NULL;

    while (capacity - held->count < rows) {
        capacity *= 2;
    }
    if (capacity == held->capacity) {
        return true;
    }
    grown = pt_realloc(held->rows, capacity * sizeof(*grown));
    if (!grown) {
        return false;
    }
    held->rows = grown;
    held->capacity = capacity;
    return true;
}

static struct pt_held_block *add_block(struct pt_held *held, size_t bytes)
{
    struct pt_held_block block = {.capacity = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES};

    if (held->block_count == held->block_capacity) {
        size_t capacity = held->block_capacity ? held->block_capacity * 2 : 16;
        struct pt_held_block *grown = pt_realloc(held->blocks, capacity * sizeof(*grown));

        if (!grown) {
            return NULL;
        }
        held->blocks = grown;
        held->block_capacity = capacity;
    }
    block.data = pt_alloc(block.capacity);
    if (!block.data) {
        return NULL;
    }
    held->blocks[held->block_count] = block;
    return &held->blocks[held->block_count++];
}

/* A block with room: the present one, the next that fits, or a new one. */
static struct pt_held_block *find_block(struct pt_held *held, size_t bytes)
{
    for (size_t at = held->block_at; at < held->block_count; at++) {
        struct pt_held_block *block = &held->blocks[at];

        if (at > held->block_at) {
            block->used = 0;
        }
        if (block->capacity - block->used >= bytes) {
            held->block_at = at;
            return block;
        }
    }
    if (!add_block(held, bytes)) {
        return NULL;
    }
    held->block_at = held->block_count - 1;
    return &held->blocks[held->block_at];
}

uint8_t *pt_held_copy(struct pt_held *held, const uint8_t *records, size_t bytes, size_t rows)
{
    struct pt_held_block *block = NULL;
    uint8_t *copy = NULL;

    if (!reserve_rows(held, rows)) {
        return NULL;
    }
    block = find_block(held, bytes);
    if (!block) {
        return NULL;
    }
    copy = block->data + block->used;
    memcpy(copy, records, bytes);
    block->used += bytes;
    held->record_bytes += bytes;
    return copy;
}
