/*
 * locate.h - from an address to country, region and city, and then the address is forgotten
 *
 * Reads a MaxMind DB file (libmaxminddb). Any number of threads look up while one reloads.
 */
#ifndef PT_COLLECT_LOCATE_H
#define PT_COLLECT_LOCATE_H

#include "base/error.h"
#include "base/span.h"

#define PT_PLACE_BYTES_MAX 96

struct pt_place {
    char country[2];                 /* ISO 3166-1 alpha-2; zeros: unknown */
    char region[PT_PLACE_BYTES_MAX]; /* English name, or ISO code, of the first subdivision; "" */
    char city[PT_PLACE_BYTES_MAX];   /* English name; "" */
};

struct pt_locator;

/*
 * `path` "" locates nothing. A file that is absent is logged once and looked for at each reload;
 * one that is broken is PT_INVALID.
 */
enum pt_code pt_locator_open(struct pt_locator **locator_out, const char *path,
                             struct pt_error *err) PT_MUST_USE;
void pt_locator_close(struct pt_locator *locator);

/*
 * Take a replaced file. Cheap when nothing changed. A broken one is logged, once, and the old one
 * stays in use. One thread at a time.
 */
void pt_locator_reload(struct pt_locator *locator);

/* `address` as text, "81.2.69.160" or "2001:db8::1". Unknown gives an empty place. */
void pt_locate(struct pt_locator *locator, const char *address, struct pt_place *place_out);

/*
 * Who really sent it: `peer` unless it is in `trusted` (addresses or CIDR blocks, `count` of them),
 * then the rightmost address of the X-Forwarded-For header that is not. Text in `address_out`; ""
 * where the header is no list of addresses.
 */
void pt_client_address(const char *peer, struct pt_span forwarded_for, const char *const *trusted,
                       size_t count, char address_out[64]);

/* Whether `text` is an address or a CIDR block: for checking settings. */
bool pt_is_network(const char *text);

#endif
