/*
 * mem.h - memory: the heap, arenas, growing buffers
 *
 * Only base/ calls malloc. Every function returns NULL or PT_NO_MEMORY when there
 * is no memory; tests make the Nth allocation fail with pt_mem_fail_after().
 * An arena or a buffer belongs to one thread at a time.
 */
#ifndef PT_BASE_MEM_H
#define PT_BASE_MEM_H

#include "base/error.h"
#include "base/span.h"

void *pt_alloc(size_t bytes) PT_MUST_USE;      /* not cleared */
void *pt_alloc_zero(size_t bytes) PT_MUST_USE; /* cleared */
void *pt_realloc(void *memory, size_t bytes) PT_MUST_USE;
void pt_free(void *memory); /* NULL is fine */
/*
 * Cleared, page-aligned memory for a table that is looked at all over: the system is asked for huge
 * pages, without which each look costs a walk of the page tables. Pair with pt_free_pages().
 */
void *pt_alloc_pages(size_t bytes) PT_MUST_USE;
void pt_free_pages(void *memory, size_t bytes); /* NULL is fine */
char *pt_strdup(const char *text) PT_MUST_USE;
char *pt_strndup(const char *text, size_t bytes) PT_MUST_USE;
/* A new string, printf's way; NULL without memory. Pair with pt_free(). */
char *pt_strf(const char *format, ...) PT_PRINTF(1, 2) PT_MUST_USE;

/* Give free pages back to the system: for moments of rest, it takes milliseconds. Any thread. */
void pt_mem_trim(void);

/* Test seam: the `nth` allocation from now (1 = next) fails, once; 0 switches it off. */
void pt_mem_fail_after(unsigned nth);
/* Whether that failure has happened since it was set. */
bool pt_mem_fault_fired(void);

/*
 * Arena: allocations that end together. Aligned to 16 bytes. `bytes_max` bounds
 * the sum; beyond it pt_arena_alloc() returns NULL. Reset keeps the first block.
 */
struct pt_arena_block;
struct pt_arena {
    struct pt_arena_block *head; /* newest first */
    size_t used_bytes;           /* handed out since the last reset */
    size_t bytes_max;
};

void pt_arena_init(struct pt_arena *arena, size_t bytes_max);
void pt_arena_release(struct pt_arena *arena); /* frees all; the arena can be used again */
void pt_arena_reset(struct pt_arena *arena);
void *pt_arena_alloc(struct pt_arena *arena, size_t bytes) PT_MUST_USE;
char *pt_arena_strdup(struct pt_arena *arena, struct pt_span text) PT_MUST_USE; /* adds a NUL */
char *pt_arena_strf(struct pt_arena *arena, const char *format, ...) PT_PRINTF(2, 3) PT_MUST_USE;

/*
 * Buffer: bytes that grow up to a maximum. After a failed append `has_failed`
 * stays set until reset and later appends do nothing, so that a writer may append
 * many times and look once.
 */
struct pt_buf {
    uint8_t *data;
    size_t size;
    size_t capacity;
    size_t bytes_max;
    bool has_failed;
};

void pt_buf_init(struct pt_buf *buf, size_t bytes_max);
void pt_buf_release(struct pt_buf *buf);
void pt_buf_reset(struct pt_buf *buf); /* size 0, memory kept */
/* Make room for `bytes` more; returns where they go, or NULL. size is not changed. */
uint8_t *pt_buf_grow(struct pt_buf *buf, size_t bytes); /* pt_buf_reserve()'s slow half */
static inline uint8_t *pt_buf_reserve(struct pt_buf *buf, size_t bytes)
{
    /* Without data the capacity is 0, and it is never over bytes_max. */
    if (!buf->has_failed && buf->data && bytes <= buf->capacity - buf->size) {
        return buf->data + buf->size;
    }
    return pt_buf_grow(buf, bytes);
}
void pt_buf_append(struct pt_buf *buf, const void *data, size_t bytes);
void pt_buf_append_str(struct pt_buf *buf, const char *text);
static inline void pt_buf_append_byte(struct pt_buf *buf, uint8_t byte)
{
    uint8_t *at = pt_buf_reserve(buf, 1);

    if (at) {
        *at = byte;
        buf->size++;
    }
}
void pt_buf_appendf(struct pt_buf *buf, const char *format, ...) PT_PRINTF(2, 3);
static inline struct pt_span pt_buf_span(const struct pt_buf *buf)
{
    return pt_span_of(buf->data, buf->size);
}

#endif
