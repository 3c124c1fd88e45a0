/*
 * retry.h - how long to wait before the next request
 */
#ifndef PT_CLIENT_RETRY_H
#define PT_CLIENT_RETRY_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The wait that a Retry-After header asks for: seconds or an HTTP date (RFC 9110, 10.2.3), at
 * most a day. 0 for an empty or unreadable value.
 */
int64_t pt_client_retry_after_us(const char *value, int64_t wall_us);

/* The upper end of the full-jitter wait after `failures` (>= 1) failed requests in a row. */
int64_t pt_client_retry_span_us(uint32_t failures, uint32_t base_ms, uint32_t cap_ms);

#endif
