/*
 * keys.h - who may ask for what: keys with scopes
 *
 * A key is a random text that a game build or a tool sends as `Authorization: Bearer KEY`. On
 * disk (keys/api_keys.json, mode 0600, docs/formats/api_keys.md) and in memory only its SHA-256
 * is kept. Keys that stand in the settings (collect.keys) carry the events scope. A changed file is
 * taken while the server runs, so that keys are rotated without a gap: add, roll out, revoke.
 *
 * A scope that no live key carries is open to this machine and to nobody else: a loopback peer
 * whose request did not come through a proxy. Any number of threads ask while one reloads.
 */
#ifndef PT_HTTP_KEYS_H
#define PT_HTTP_KEYS_H

#include "base/clock.h"
#include "base/io.h"
#include "http/http.h"

enum pt_scope {
    PT_SCOPE_EVENTS = 1 << 0,   /* send events */
    PT_SCOPE_FLAGS = 1 << 1,    /* evaluate flags */
    PT_SCOPE_REGISTRY = 1 << 2, /* change schemas */
    PT_SCOPE_ADMIN = 1 << 3,    /* everything */
};

/* "events", "flags", "registry" or "admin"; 0 for anything else. And back, static storage. */
unsigned pt_scope_parse(struct pt_span name);
const char *pt_scope_name(enum pt_scope scope);

struct pt_keys;

/*
 * `path` is the key file; absent is no keys, and so is NULL. `plain` are `plain_count` keys from
 * the settings. PT_INVALID names file and place of a mistake.
 */
enum pt_code pt_keys_open(struct pt_keys **keys_out, struct pt_io *io, struct pt_clock *clock,
                          const char *path, const char *const *plain, size_t plain_count,
                          struct pt_error *err) PT_MUST_USE;
void pt_keys_close(struct pt_keys *keys);

/* Take a changed file. A broken one is logged, once, and the keys stay. About once a second, one
 * thread. */
void pt_keys_reload(struct pt_keys *keys);

/* Whether a live key carries the scope (or admin). */
bool pt_keys_has(struct pt_keys *keys, enum pt_scope scope);

/*
 * True: the request may have what needs `scope`. False: it was answered, with 401 (no key, or an
 * unknown or expired one) or 403 (a key without the scope, or a scope without keys asked for from
 * elsewhere).
 */
bool pt_keys_admit(struct pt_keys *keys, struct pt_http_request *request, enum pt_scope scope);

/*
 * A ticket, for a client that cannot send a header: a browser's EventSource has nothing but its
 * address. It is a MAC of `purpose` under the key's digest, so it opens what asks for that purpose
 * and nothing else, outlives restarts, and ends with its key; the key cannot be had from it.
 */
#define PT_TICKET_BYTES 33u /* with the NUL */

/*
 * After pt_keys_admit(): the ticket of the key that the request came with; "" where it came without
 * a known one, and needs none.
 */
void pt_keys_ticket(struct pt_keys *keys, struct pt_http_request *request, const char *purpose,
                    char ticket_out[PT_TICKET_BYTES]);
/* As pt_keys_admit(), but a ticket for `purpose` does as well as the key; empty: none was sent. */
bool pt_keys_admit_ticket(struct pt_keys *keys, struct pt_http_request *request,
                          enum pt_scope scope, const char *purpose, struct pt_span ticket);

/* What the key of the request is for, as `playtrace keys` named it; "" where it carries none that
 * is known, "settings" for one of the settings. For an account of who did what. */
void pt_keys_name(struct pt_keys *keys, const struct pt_http_request *request, char name_out[64]);

/* ---- the file, for `playtrace keys` ---- */

struct pt_key_info {
    char id[16];     /* names the key; not secret */
    char name[64];   /* what it is for */
    unsigned scopes; /* of enum pt_scope */
    int64_t created_at_us;
    int64_t expires_at_us; /* INT64_MAX: never */
    uint8_t digest[32];    /* SHA-256 of the key */
};

/* All keys of the file, in heap memory; an absent file has none. Pair with pt_free(). */
enum pt_code pt_key_file_read(struct pt_io *io, const char *path, struct pt_key_info **infos_out,
                              size_t *count_out, struct pt_error *err) PT_MUST_USE;
/* Put the file in place whole, mode 0600. */
enum pt_code pt_key_file_write(struct pt_io *io, const char *path, const struct pt_key_info *infos,
                               size_t count, struct pt_error *err) PT_MUST_USE;

#endif
