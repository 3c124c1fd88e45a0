/*
 * pool.c - receive buffers of one loop thread
 */
#include "http/pool.h"

#include "base/mem.h"

#include <string.h>

void pt_http_pool_init(struct pt_http_pool *pool, size_t kept_bytes_max)
{
    *pool = (struct pt_http_pool){.kept_bytes_max = kept_bytes_max};
}

void pt_http_pool_release(struct pt_http_pool *pool)
{
    for (unsigned i = 0; i < PT_HTTP_POOL_CLASSES; i++) {
        while (pool->free[i]) {
            void *buffer = pool->free[i];

            memcpy(&pool->free[i], buffer, sizeof(buffer));
            pt_free(buffer);
        }
    }
    pool->kept_bytes = 0;
}

/* The class whose buffers hold `bytes`; PT_HTTP_POOL_CLASSES where none is so large. */
static unsigned class_of(size_t bytes)
{
    unsigned i = 0;

    while (i < PT_HTTP_POOL_CLASSES && ((size_t)PT_HTTP_BUFFER_BYTES_MIN << i) < bytes) {
        i++;
    }
    return i;
}

uint8_t *pt_http_pool_take(struct pt_http_pool *pool, size_t bytes, size_t *capacity_out)
{
    unsigned i = class_of(bytes);
    void *buffer = NULL;

    if (i == PT_HTTP_POOL_CLASSES) {
        *capacity_out = bytes;
        return pt_alloc(bytes);
    }
    *capacity_out = (size_t)PT_HTTP_BUFFER_BYTES_MIN << i;
    buffer = pool->free[i];
    if (!buffer) {
        return pt_alloc(*capacity_out);
    }
    memcpy(&pool->free[i], buffer, sizeof(buffer));
    pool->kept_bytes -= *capacity_out;
    return buffer;
}

void pt_http_pool_give(struct pt_http_pool *pool, uint8_t *buffer, size_t capacity)
{
    unsigned i = class_of(capacity);

    if (!buffer) {
        return;
    }
    if (i == PT_HTTP_POOL_CLASSES || pool->kept_bytes + capacity > pool->kept_bytes_max) {
        pt_free(buffer);
        return;
    }
    memcpy(buffer, &pool->free[i], sizeof(pool->free[i]));
    pool->free[i] = buffer;
    pool->kept_bytes += capacity;
}
