/*
 * mem.c - memory: the heap, arenas, growing buffers
 */
#include "base/mem.h"

#include <assert.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Test seam: 0 is off; n makes the nth allocation from now fail. */
static _Atomic unsigned fail_countdown;
static _Atomic bool fault_fired;

void pt_mem_fail_after(unsigned nth)
{
    atomic_store(&fault_fired, false);
    atomic_store(&fail_countdown, nth);
}

bool pt_mem_fault_fired(void)
{
    return atomic_load(&fault_fired);
}

static bool fails_now(void)
{
    if (atomic_load_explicit(&fail_countdown, memory_order_relaxed) == 0) {
        return false;
    }
    if (atomic_fetch_sub(&fail_countdown, 1) == 1) {
        atomic_store(&fault_fired, true);
        return true;
    }
    return false;
}

void *pt_alloc(size_t bytes)
{
    return fails_now() ? NULL : malloc(bytes ? bytes : 1);
}

void *pt_alloc_zero(size_t bytes)
{
    return fails_now() ? NULL : calloc(1, bytes ? bytes : 1);
}

void *pt_realloc(void *memory, size_t bytes)
{
    return fails_now() ? NULL : realloc(memory, bytes ? bytes : 1);
}

void pt_free(void *memory)
{
    free(memory);
}

void *pt_alloc_pages(size_t bytes)
{
    void *memory = MAP_FAILED;

    if (!fails_now()) {
        memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    if (memory == MAP_FAILED) {
        return NULL;
    }
    (void)madvise(memory, bytes, MADV_HUGEPAGE); /* where there are none, small ones do */
    return memory;
}

void pt_free_pages(void *memory, size_t bytes)
{
    if (memory) {
        munmap(memory, bytes);
    }
}

void pt_mem_trim(void)
{
    malloc_trim(0);
}

char *pt_strndup(const char *text, size_t bytes)
{
    char *copy = pt_alloc(bytes + 1);

    if (copy) {
        if (bytes) {
            memcpy(copy, text, bytes);
        }
        copy[bytes] = '\0';
    }
    return copy;
}

char *pt_strdup(const char *text)
{
    return pt_strndup(text, strlen(text));
}

char *pt_strf(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    int length = 0;

    va_start(args, format);
    length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    pt_assert(length >= 0);
    text = pt_alloc((size_t)length + 1);
    if (text) {
        va_start(args, format);
        vsnprintf(text, (size_t)length + 1, format, args);
        va_end(args);
    }
    return text;
}

/* ---- arena ---- */

#define ARENA_ALIGN 16u
#define ARENA_BLOCK_BYTES 16384u

struct pt_arena_block {
    struct pt_arena_block *older;
    size_t capacity;
    size_t used;
    size_t pad; /* the bytes behind this header stay aligned to 16 */
};

static_assert(sizeof(struct pt_arena_block) % ARENA_ALIGN == 0, "an arena's blocks are aligned");

void pt_arena_init(struct pt_arena *arena, size_t bytes_max)
{
    arena->head = NULL;
    arena->used_bytes = 0;
    arena->bytes_max = bytes_max;
}

void pt_arena_release(struct pt_arena *arena)
{
    struct pt_arena_block *block = arena->head;

    while (block) {
        struct pt_arena_block *older = block->older;

        pt_free(block);
        block = older;
    }
    arena->head = NULL;
    arena->used_bytes = 0;
}

void pt_arena_reset(struct pt_arena *arena)
{
    while (arena->head && arena->head->older) {
        struct pt_arena_block *block = arena->head;

        arena->head = block->older;
        pt_free(block);
    }
    if (arena->head) {
        arena->head->used = 0;
    }
    arena->used_bytes = 0;
}

void *pt_arena_alloc(struct pt_arena *arena, size_t bytes)
{
    struct pt_arena_block *block = arena->head;
    void *memory = NULL;

    if (bytes > arena->bytes_max) {
        return NULL;
    }
    bytes = (bytes + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
    if (arena->used_bytes + bytes > arena->bytes_max) {
        return NULL;
    }
    if (!block || block->capacity - block->used < bytes) {
        size_t capacity = block ? block->capacity * 2 : ARENA_BLOCK_BYTES;

        if (capacity > (4u << 20)) {
            capacity = 4u << 20;
        }
        if (capacity < bytes) {
            capacity = bytes;
        }
        block = pt_alloc(sizeof(*block) + capacity);
        if (!block) {
            return NULL;
        }
        block->older = arena->head;
        block->capacity = capacity;
        block->used = 0;
        block->pad = 0;
        arena->head = block;
    }
    memory = (uint8_t *)(block + 1) + block->used;
    block->used += bytes;
    arena->used_bytes += bytes;
    return memory;
}

char *pt_arena_strdup(struct pt_arena *arena, struct pt_span text)
{
    char *copy = pt_arena_alloc(arena, text.size + 1);

    if (copy) {
        if (text.size) {
            memcpy(copy, text.data, text.size);
        }
        copy[text.size] = '\0';
    }
    return copy;
}

char *pt_arena_strf(struct pt_arena *arena, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    int length = 0;

    va_start(args, format);
    length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    pt_assert(length >= 0);
    text = pt_arena_alloc(arena, (size_t)length + 1);
    if (text) {
        va_start(args, format);
        vsnprintf(text, (size_t)length + 1, format, args);
        va_end(args);
    }
    return text;
}

/* ---- buffer ---- */

void pt_buf_init(struct pt_buf *buf, size_t bytes_max)
{
    *buf = (struct pt_buf){.bytes_max = bytes_max};
}

void pt_buf_release(struct pt_buf *buf)
{
    pt_free(buf->data);
    *buf = (struct pt_buf){.bytes_max = buf->bytes_max};
}

void pt_buf_reset(struct pt_buf *buf)
{
    buf->size = 0;
    buf->has_failed = false;
}

uint8_t *pt_buf_grow(struct pt_buf *buf, size_t bytes)
{
    if (buf->has_failed) {
        return NULL;
    }
    if (bytes > buf->bytes_max || buf->size > buf->bytes_max - bytes) {
        buf->has_failed = true;
        return NULL;
    }
    if (buf->capacity - buf->size < bytes || !buf->data) {
        size_t needed = buf->size + bytes;
        size_t capacity = buf->capacity + buf->capacity / 2;
        uint8_t *data = NULL;

        if (capacity < needed) {
            capacity = needed;
        }
        if (capacity < 64) {
            capacity = 64;
        }
        if (capacity > buf->bytes_max) {
            capacity = buf->bytes_max;
        }
        data = pt_realloc(buf->data, capacity);
        if (!data) {
            buf->has_failed = true;
            return NULL;
        }
        buf->data = data;
        buf->capacity = capacity;
    }
    return buf->data + buf->size;
}

void pt_buf_append(struct pt_buf *buf, const void *data, size_t bytes)
{
    uint8_t *at = pt_buf_reserve(buf, bytes);

    if (at && bytes) {
        memcpy(at, data, bytes);
        buf->size += bytes;
    }
}

void pt_buf_append_str(struct pt_buf *buf, const char *text)
{
    pt_buf_append(buf, text, strlen(text));
}

void pt_buf_appendf(struct pt_buf *buf, const char *format, ...)
{
    va_list args;
    int length = 0;
    char *at = NULL;

    va_start(args, format);
    length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    pt_assert(length >= 0);
    /* One byte more for vsnprintf's NUL, which is not part of the buffer. */
    at = (char *)pt_buf_reserve(buf, (size_t)length + 1);
    if (at) {
        va_start(args, format);
        vsnprintf(at, (size_t)length + 1, format, args);
        va_end(args);
        buf->size += (size_t)length;
    }
}
