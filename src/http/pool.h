/*
 * pool.h - receive buffers of one loop thread
 *
 * Only src/http includes this. Buffers come in powers of two; those given back wait
 * for the next request, up to a bound, so that a busy loop allocates nothing and
 * an idle connection holds nothing. One thread owns a pool.
 */
#ifndef PT_HTTP_POOL_H
#define PT_HTTP_POOL_H

#include "base/error.h"

#include <stdint.h>

#define PT_HTTP_POOL_CLASSES 10
#define PT_HTTP_BUFFER_BYTES_MIN 4096u

struct pt_http_pool {
    void *free[PT_HTTP_POOL_CLASSES]; /* singly linked through the buffers' first bytes */
    size_t kept_bytes;
    size_t kept_bytes_max;
};

void pt_http_pool_init(struct pt_http_pool *pool, size_t kept_bytes_max);
void pt_http_pool_release(struct pt_http_pool *pool);

/* A buffer of at least `bytes`, its true size in *capacity_out; NULL without memory. */
uint8_t *pt_http_pool_take(struct pt_http_pool *pool, size_t bytes,
                           size_t *capacity_out) PT_MUST_USE;

/* `capacity` as take gave it. NULL is fine. */
void pt_http_pool_give(struct pt_http_pool *pool, uint8_t *buffer, size_t capacity);

#endif
