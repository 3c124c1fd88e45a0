/*
 * retry.h - how long to wait before the next request
 */
#ifndef PT_CLIENT_RETRY_H
#define PT_CLIENT_RETRY_H

#include <stdbool.h>
#include <stdint.h>

/* "Sun, 06 Nov 1994 08:49:37 GMT", the one form that servers may send today. */
bool pt_client_http_date_us(const char *text, int64_t *time_us_out);

/*
 * The wait that a Retry-After header asks for: seconds or an HTTP date (RFC 9110, 10.2.3), at
 * most a day. 0 for an empty or unreadable value. `date` is the same answer's Date: by the
 * server's own clock the wait is right even where ours, `wall_us`, is wrong.
 */
int64_t pt_client_retry_after_us(const char *value, const char *date, int64_t wall_us);

/* The upper end of the full-jitter wait after `failures` (>= 1) failed requests in a row. */
int64_t pt_client_retry_span_us(uint32_t failures, uint32_t base_ms, uint32_t cap_ms);

#endif
