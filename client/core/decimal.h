/*
 * decimal.h - a JSON number's text as a number
 *
 * Only client/core includes this. strtod() asks the locale, and is no part of what the core may
 * call.
 */
#ifndef PT_CLIENT_DECIMAL_H
#define PT_CLIENT_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The double nearest to `text`, which is one number by RFC 8259 whose value is below 1e308
 * (pt_client_json_is_object() takes no other), ties to even.
 */
double pt_client_decimal_double(const char *text, size_t bytes);

/*
 * False: `text` (as above) is no whole number of 64 bits. 3.0 and 1e3 are whole where a double
 * holds them exactly (magnitude at most 2^53).
 */
bool pt_client_decimal_int(const char *text, size_t bytes, int64_t *out);

#endif
