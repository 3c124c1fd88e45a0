/*
 * keys.c - who may ask for what
 *
 * FORMAT (docs/formats/api_keys.md): {"format":1,"keys":[{"id","name","sha256","scopes":[…],
 * "created_at","expires_at"}]}; sha256 in 64 hexadecimal digits, times RFC 3339, expires_at null:
 * never.
 */
#include "http/keys.h"

#include "base/crypto.h"
#include "base/json.h"
#include "observe/observe.h"
#include "wire/rfc3339.h"

#include <pthread.h>
#include <stdio.h>
#include <strings.h>

#define FILE_BYTES_MAX (4u << 20)
#define KEY_FORMAT 1

struct pt_keys {
    struct pt_io *io;
    struct pt_clock *clock;
    char *path;
    struct pt_key_info *plain; /* from the settings */
    size_t plain_count;
    pthread_rwlock_t lock; /* over `infos` and `count`; asking holds it shared */
    struct pt_key_info *infos;
    size_t count;
    uint64_t taken; /* checksum of the file in use, or of the broken one that was logged; 0: none */
};

static const struct {
    const char *name;
    enum pt_scope scope;
} scopes[] = {
    {"events", PT_SCOPE_EVENTS},
    {"flags", PT_SCOPE_FLAGS},
    {"registry", PT_SCOPE_REGISTRY},
    {"admin", PT_SCOPE_ADMIN},
};

#define SCOPE_COUNT (sizeof(scopes) / sizeof(scopes[0]))

unsigned pt_scope_parse(struct pt_span name)
{
    for (size_t i = 0; i < SCOPE_COUNT; i++) {
        if (pt_span_is(name, scopes[i].name)) {
            return scopes[i].scope;
        }
    }
    return 0;
}

const char *pt_scope_name(enum pt_scope scope)
{
    for (size_t i = 0; i < SCOPE_COUNT; i++) {
        if (scopes[i].scope == scope) {
            return scopes[i].name;
        }
    }
    return "?";
}

/* ---- the file ---- */

static bool copy_text(struct pt_json object, const char *key, char *out, size_t room)
{
    struct pt_span text;

    if (!pt_json_member_string(object, key, &text) || text.size == 0 || text.size >= room ||
        memchr(text.data, 0, text.size)) {
        return false;
    }
    memcpy(out, text.data, text.size);
    out[text.size] = '\0';
    return true;
}

static bool copy_time(struct pt_json object, const char *key, int64_t *us_out)
{
    struct pt_span text;

    return pt_json_member_string(object, key, &text) &&
           pt_rfc3339_parse((const char *)text.data, text.size, us_out);
}

static bool copy_digest(struct pt_json object, uint8_t digest_out[PT_SHA256_BYTES])
{
    struct pt_span text;
    char again[2 * PT_SHA256_BYTES + 1];

    if (!pt_json_member_string(object, "sha256", &text) || text.size != sizeof(again) - 1) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        uint8_t digit = (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);

        digest_out[i / 2] =
            (uint8_t)(i % 2 ? digest_out[i / 2] | (digit & 15) : (unsigned)digit << 4);
    }
    pt_hex_encode(digest_out, PT_SHA256_BYTES, again);
    return memcmp(again, text.data, text.size) == 0;
}

static bool take_scopes(struct pt_json key, unsigned *scopes_out)
{
    struct pt_json list = pt_json_member(key, "scopes");

    *scopes_out = 0;
    if (!pt_json_exists(list) || pt_json_type(list) != PT_JSON_ARRAY) {
        return false;
    }
    for (struct pt_json_iter it = pt_json_iterate(list); pt_json_next(&it);) {
        unsigned scope =
            pt_json_type(it.value) == PT_JSON_STRING ? pt_scope_parse(pt_json_string(it.value)) : 0;

        if (!scope) {
            return false;
        }
        *scopes_out |= scope;
    }
    return *scopes_out != 0;
}

/* NULL, or the member that is wrong. */
static const char *take_key(struct pt_json key, struct pt_key_info *info)
{
    struct pt_json expires;

    *info = (struct pt_key_info){.expires_at_us = INT64_MAX};
    if (pt_json_type(key) != PT_JSON_OBJECT) {
        return "";
    }
    expires = pt_json_member(key, "expires_at");
    if (!copy_text(key, "id", info->id, sizeof(info->id))) {
        return "/id";
    }
    if (!copy_text(key, "name", info->name, sizeof(info->name))) {
        return "/name";
    }
    if (!copy_digest(key, info->digest)) {
        return "/sha256";
    }
    if (!take_scopes(key, &info->scopes)) {
        return "/scopes";
    }
    if (!copy_time(key, "created_at", &info->created_at_us)) {
        return "/created_at";
    }
    if (pt_json_exists(expires) && pt_json_type(expires) != PT_JSON_NULL &&
        !copy_time(key, "expires_at", &info->expires_at_us)) {
        return "/expires_at";
    }
    return NULL;
}

static enum pt_code parse_file(const char *path, struct pt_span text,
                               struct pt_key_info **infos_out, size_t *count_out,
                               struct pt_error *err)
{
    struct pt_json_parser *parser = pt_json_parser_create(FILE_BYTES_MAX);
    struct pt_json root;
    struct pt_json list;
    struct pt_key_info *infos = NULL;
    int64_t format = 0;
    size_t count = 0;
    enum pt_code code = PT_OK;

    if (!parser) {
        return pt_fail(err, PT_NO_MEMORY, "read %s", path);
    }
    code = pt_json_parse(parser, text, &root, NULL, err);
    if (code) {
        code = pt_error_prefix(err, code, "%s", path);
        goto out;
    }
    if (pt_json_type(root) != PT_JSON_OBJECT || !pt_json_member_int(root, "format", &format) ||
        format != KEY_FORMAT) {
        code = pt_fail(err, PT_INVALID, "%s: not a key file of format %d", path, KEY_FORMAT);
        goto out;
    }
    list = pt_json_member(root, "keys");
    if (!pt_json_exists(list) || pt_json_type(list) != PT_JSON_ARRAY) {
        code = pt_fail(err, PT_INVALID, "%s: /keys must be an array", path);
        goto out;
    }
    infos = pt_alloc_zero((pt_json_count(list) + 1) * sizeof(*infos));
    if (!infos) {
        code = pt_fail(err, PT_NO_MEMORY, "read %s", path);
        goto out;
    }
    for (struct pt_json_iter it = pt_json_iterate(list); pt_json_next(&it); count++) {
        const char *wrong = take_key(it.value, &infos[count]);

        if (wrong) {
            code =
                pt_fail(err, PT_INVALID, "%s: /keys/%zu%s is missing or wrong", path, count, wrong);
            goto out;
        }
    }
    *infos_out = infos;
    *count_out = count;
    infos = NULL;

out:
    pt_free(infos);
    pt_json_parser_destroy(parser);
    return code;
}

enum pt_code pt_key_file_read(struct pt_io *io, const char *path, struct pt_key_info **infos_out,
                              size_t *count_out, struct pt_error *err)
{
    uint8_t *data = NULL;
    size_t size = 0;
    enum pt_code code = PT_OK;

    *infos_out = NULL;
    *count_out = 0;
    code = pt_io_read_all(io, path, FILE_BYTES_MAX, PT_JSON_PADDING, &data, &size, err);
    if (code == PT_NOT_FOUND) {
        return PT_OK;
    }
    if (!code) {
        code = parse_file(path, pt_span_of(data, size), infos_out, count_out, err);
    }
    pt_free(data);
    return code;
}

static void write_key(struct pt_jsonw *w, const struct pt_key_info *info)
{
    char time[PT_RFC3339_TEXT_BYTES + 1];
    char hex[2 * PT_SHA256_BYTES + 1];

    pt_jsonw_object(w);
    pt_jsonw_key(w, "id");
    pt_jsonw_str(w, info->id);
    pt_jsonw_key(w, "name");
    pt_jsonw_str(w, info->name);
    pt_jsonw_key(w, "sha256");
    pt_hex_encode(info->digest, PT_SHA256_BYTES, hex);
    pt_jsonw_str(w, hex);
    pt_jsonw_key(w, "scopes");
    pt_jsonw_array(w);
    for (size_t i = 0; i < SCOPE_COUNT; i++) {
        if (info->scopes & scopes[i].scope) {
            pt_jsonw_str(w, scopes[i].name);
        }
    }
    pt_jsonw_array_end(w);
    pt_jsonw_key(w, "created_at");
    pt_rfc3339_format(info->created_at_us, time);
    pt_jsonw_str(w, time);
    pt_jsonw_key(w, "expires_at");
    if (info->expires_at_us == INT64_MAX) {
        pt_jsonw_null(w);
    } else {
        pt_rfc3339_format(info->expires_at_us, time);
        pt_jsonw_str(w, time);
    }
    pt_jsonw_object_end(w);
}

enum pt_code pt_key_file_write(struct pt_io *io, const char *path, const struct pt_key_info *infos,
                               size_t count, struct pt_error *err)
{
    struct pt_buf text;
    struct pt_jsonw w;
    enum pt_code code = PT_OK;

    pt_buf_init(&text, FILE_BYTES_MAX);
    pt_jsonw_init(&w, &text);
    pt_jsonw_object(&w);
    pt_jsonw_key(&w, "format");
    pt_jsonw_int(&w, KEY_FORMAT);
    pt_jsonw_key(&w, "keys");
    pt_jsonw_array(&w);
    for (size_t i = 0; i < count; i++) {
        write_key(&w, &infos[i]);
    }
    pt_jsonw_array_end(&w);
    pt_jsonw_object_end(&w);
    pt_buf_append_byte(&text, '\n');
    code = text.has_failed ? pt_fail(err, PT_TOO_BIG, "%s: too many keys", path)
                           : pt_io_replace(io, path, pt_buf_span(&text), PT_OPEN_PRIVATE, err);
    pt_buf_release(&text);
    return code;
}

/* ---- the set in use ---- */

/* Takes the file if its bytes changed. */
static enum pt_code refresh(struct pt_keys *keys, struct pt_error *err)
{
    uint8_t *data = NULL;
    size_t size = 0;
    struct pt_key_info *infos = NULL;
    size_t count = 0;
    uint64_t checksum = 0;
    enum pt_code code = PT_OK;

    if (!keys->path) {
        return PT_OK;
    }
    code = pt_io_read_all(keys->io, keys->path, FILE_BYTES_MAX, PT_JSON_PADDING, &data, &size, err);
    if (code && code != PT_NOT_FOUND) {
        return code;
    }
    if (!code) {
        checksum = pt_checksum64(data, size) | 1;
    }
    if (checksum == keys->taken) {
        pt_free(data);
        return PT_OK;
    }
    keys->taken = checksum;
    code = code ? PT_OK : parse_file(keys->path, pt_span_of(data, size), &infos, &count, err);
    pt_free(data);
    if (code) {
        return code;
    }
    pthread_rwlock_wrlock(&keys->lock);
    struct pt_key_info *old = keys->infos;

    keys->infos = infos;
    keys->count = count;
    pthread_rwlock_unlock(&keys->lock);
    pt_free(old);
    return PT_OK;
}

enum pt_code pt_keys_open(struct pt_keys **keys_out, struct pt_io *io, struct pt_clock *clock,
                          const char *path, const char *const *plain, size_t plain_count,
                          struct pt_error *err)
{
    struct pt_keys *keys = pt_alloc_zero(sizeof(*keys));
    enum pt_code code = PT_OK;

    *keys_out = NULL;
    if (!keys) {
        return pt_fail(err, PT_NO_MEMORY, "read the keys");
    }
    keys->io = io;
    keys->clock = clock;
    pthread_rwlock_init(&keys->lock, NULL);
    keys->path = path ? pt_strdup(path) : NULL;
    keys->plain = pt_alloc_zero((plain_count + 1) * sizeof(*keys->plain));
    if ((path && !keys->path) || !keys->plain) {
        pt_keys_close(keys);
        return pt_fail(err, PT_NO_MEMORY, "read the keys");
    }
    for (; keys->plain_count < plain_count; keys->plain_count++) {
        struct pt_key_info *info = &keys->plain[keys->plain_count];

        info->scopes = PT_SCOPE_EVENTS | PT_SCOPE_FLAGS;
        info->expires_at_us = INT64_MAX;
        pt_sha256(pt_span_str(plain[keys->plain_count]), info->digest);
    }
    code = refresh(keys, err);
    if (code) {
        pt_keys_close(keys);
        return code;
    }
    *keys_out = keys;
    return PT_OK;
}

void pt_keys_close(struct pt_keys *keys)
{
    if (keys) {
        pthread_rwlock_destroy(&keys->lock);
        pt_free(keys->infos);
        pt_free(keys->plain);
        pt_free(keys->path);
        pt_free(keys);
    }
}

void pt_keys_reload(struct pt_keys *keys)
{
    struct pt_error err = {0};

    if (refresh(keys, &err)) {
        pt_log_line(PT_LOG_ERROR, "http", NULL, "%s; the keys before stay in use", err.text);
    }
}

/* Scopes that the live keys carry together; with `digest`, those of the key that has it. */
static unsigned find_scopes(struct pt_keys *keys, const uint8_t *digest)
{
    int64_t now_us = pt_clock_wall_us(keys->clock);
    unsigned found = 0;

    pthread_rwlock_rdlock(&keys->lock);
    for (size_t i = 0; i < keys->plain_count + keys->count; i++) {
        const struct pt_key_info *info =
            i < keys->plain_count ? &keys->plain[i] : &keys->infos[i - keys->plain_count];

        if (info->expires_at_us > now_us &&
            (!digest || pt_equal_constant_time(pt_span_of(digest, PT_SHA256_BYTES),
                                               pt_span_of(info->digest, PT_SHA256_BYTES)))) {
            found |= info->scopes;
        }
    }
    pthread_rwlock_unlock(&keys->lock);
    return found;
}

bool pt_keys_has(struct pt_keys *keys, enum pt_scope scope)
{
    return (find_scopes(keys, NULL) & ((unsigned)scope | PT_SCOPE_ADMIN)) != 0;
}

/* A proxy on this machine makes strangers look like neighbours: what it forwards is not local. */
static bool is_local(const struct pt_http_request *request)
{
    return pt_http_peer_is_loopback(request) &&
           pt_http_header(request, "X-Forwarded-For").size == 0 &&
           pt_http_header(request, "Forwarded").size == 0;
}

static void answer_unauthorized(struct pt_http_request *request)
{
    static const char text[] =
        "{\"code\":\"unauthorized\",\"detail\":\"send a known key that has not "
        "expired: Authorization: Bearer KEY\"}";
    static const struct pt_http_header_out challenge = {"WWW-Authenticate", "Bearer"};

    pt_http_respond(request, 401, "application/json", pt_span_of(text, sizeof(text) - 1),
                    &challenge, 1);
}

bool pt_keys_admit(struct pt_keys *keys, struct pt_http_request *request, enum pt_scope scope)
{
    struct pt_span header = pt_http_header(request, "Authorization");
    uint8_t digest[PT_SHA256_BYTES];
    unsigned found = 0;

    if ((find_scopes(keys, NULL) & (unsigned)scope) == 0 && header.size == 0) {
        if (is_local(request)) {
            return true;
        }
        pt_http_respond_error(
            request, 403, "forbidden",
            "no key carries the scope \"%s\", so it is open to this machine only; "
            "`playtrace keys create` makes one",
            pt_scope_name(scope));
        return false;
    }
    if (header.size <= 7 || strncasecmp((const char *)header.data, "Bearer ", 7) != 0) {
        answer_unauthorized(request);
        return false;
    }
    pt_sha256(pt_span_of(header.data + 7, header.size - 7), digest);
    found = find_scopes(keys, digest);
    if (found & ((unsigned)scope | PT_SCOPE_ADMIN)) {
        return true;
    }
    if (found == 0 && (find_scopes(keys, NULL) & (unsigned)scope) == 0 && is_local(request)) {
        return true; /* nothing asks for a key here, and one that is not needed does no harm */
    }
    if (found == 0) {
        answer_unauthorized(request);
    } else {
        pt_http_respond_error(request, 403, "forbidden", "this key lacks the scope \"%s\"",
                              pt_scope_name(scope));
    }
    return false;
}

void pt_keys_name(struct pt_keys *keys, const struct pt_http_request *request, char name_out[64])
{
    struct pt_span header = pt_http_header(request, "Authorization");
    uint8_t digest[PT_SHA256_BYTES];

    memset(name_out, 0, 64);
    if (header.size <= 7 || strncasecmp((const char *)header.data, "Bearer ", 7) != 0) {
        return;
    }
    pt_sha256(pt_span_of(header.data + 7, header.size - 7), digest);
    pthread_rwlock_rdlock(&keys->lock);
    for (size_t i = 0; i < keys->plain_count + keys->count; i++) {
        bool is_plain = i < keys->plain_count;
        const struct pt_key_info *info =
            is_plain ? &keys->plain[i] : &keys->infos[i - keys->plain_count];

        if (pt_equal_constant_time(pt_span_of(digest, PT_SHA256_BYTES),
                                   pt_span_of(info->digest, PT_SHA256_BYTES))) {
            snprintf(name_out, 64, "%s", is_plain ? "settings" : info->name);
        }
    }
    pthread_rwlock_unlock(&keys->lock);
}

/* ---- tickets ---- */

/* False without memory. */
static bool make_ticket(const uint8_t digest[PT_SHA256_BYTES], const char *purpose,
                        char ticket_out[PT_TICKET_BYTES])
{
    struct pt_hmac *hmac = pt_hmac_create(pt_span_of(digest, PT_SHA256_BYTES));
    uint8_t mac[PT_SHA256_BYTES];

    ticket_out[0] = '\0';
    if (!hmac) {
        return false;
    }
    pt_hmac_sha256(hmac, pt_span_str(purpose), mac);
    pt_hmac_destroy(hmac);
    pt_hex_encode(mac, (PT_TICKET_BYTES - 1) / 2, ticket_out);
    return true;
}

void pt_keys_ticket(struct pt_keys *keys, struct pt_http_request *request, const char *purpose,
                    char ticket_out[PT_TICKET_BYTES])
{
    struct pt_span header = pt_http_header(request, "Authorization");
    uint8_t digest[PT_SHA256_BYTES];

    ticket_out[0] = '\0';
    if (header.size > 7) {
        pt_sha256(pt_span_of(header.data + 7, header.size - 7), digest);
        if (find_scopes(keys, digest)) {
            (void)make_ticket(digest, purpose, ticket_out);
        }
    }
}

/* Whether a live key with the scope has that ticket. */
static bool is_ticket(struct pt_keys *keys, enum pt_scope scope, const char *purpose,
                      struct pt_span ticket)
{
    int64_t now_us = pt_clock_wall_us(keys->clock);
    bool is_known = false;

    pthread_rwlock_rdlock(&keys->lock);
    for (size_t i = 0; i < keys->plain_count + keys->count && !is_known; i++) {
        const struct pt_key_info *info =
            i < keys->plain_count ? &keys->plain[i] : &keys->infos[i - keys->plain_count];
        char text[PT_TICKET_BYTES];

        is_known = info->expires_at_us > now_us &&
                   (info->scopes & ((unsigned)scope | PT_SCOPE_ADMIN)) &&
                   make_ticket(info->digest, purpose, text) &&
                   pt_equal_constant_time(ticket, pt_span_str(text));
    }
    pthread_rwlock_unlock(&keys->lock);
    return is_known;
}

bool pt_keys_admit_ticket(struct pt_keys *keys, struct pt_http_request *request,
                          enum pt_scope scope, const char *purpose, struct pt_span ticket)
{
    return (ticket.size == PT_TICKET_BYTES - 1 && is_ticket(keys, scope, purpose, ticket)) ||
           pt_keys_admit(keys, request, scope);
}
