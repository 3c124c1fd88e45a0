/*
 * pseudonym.c - the key and the pseudonyms under it
 *
 * FORMAT of keys/pseudonym.key: one line, 64 lower-case hexadecimal digits (32 random bytes).
 * The two kinds of id get keys of their own, HMAC(key, kind), so that a user id and an install id
 * of equal text have nothing in common, and a pseudonym is one HMAC of the bare id.
 */
#include "privacy/privacy.h"

#include "base/crypto.h"
#include "base/mem.h"
#include "base/rng.h"

#define KEY_BYTES 32

struct pt_pseudonyms {
    struct pt_hmac *user;
    struct pt_hmac *install;
};

static bool parse_key(const uint8_t *text, size_t size, uint8_t key_out[KEY_BYTES])
{
    while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == '\r')) {
        size--;
    }
    if (size != 2 * KEY_BYTES) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        uint8_t c = text[i];
        uint8_t digit = 0;

        if (c >= '0' && c <= '9') {
            digit = (uint8_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            digit = (uint8_t)(c - 'a' + 10);
        } else {
            return false;
        }
        key_out[i / 2] = (uint8_t)(i % 2 ? key_out[i / 2] | digit : digit << 4);
    }
    return true;
}

static enum pt_code make_key(struct pt_io *io, const char *path, uint8_t key_out[KEY_BYTES],
                             struct pt_error *err)
{
    char text[2 * KEY_BYTES + 2];
    enum pt_code code = pt_random_bytes(key_out, KEY_BYTES, err);

    if (code) {
        return code;
    }
    pt_hex_encode(key_out, KEY_BYTES, text);
    text[2 * KEY_BYTES] = '\n';
    return pt_io_replace(io, path, pt_span_of(text, 2 * KEY_BYTES + 1), PT_OPEN_PRIVATE, err);
}

static struct pt_hmac *derive(struct pt_hmac *master, const char *kind)
{
    uint8_t key[PT_SHA256_BYTES];

    pt_hmac_sha256(master, pt_span_str(kind), key);
    return pt_hmac_create(pt_span_of(key, sizeof(key)));
}

static enum pt_code open_key(struct pt_pseudonyms **pseudonyms_out, const uint8_t key[KEY_BYTES],
                             struct pt_error *err)
{
    struct pt_hmac *master = pt_hmac_create(pt_span_of(key, KEY_BYTES));
    struct pt_pseudonyms *pseudonyms = pt_alloc_zero(sizeof(*pseudonyms));
    enum pt_code code = PT_OK;

    if (master && pseudonyms) {
        pseudonyms->user = derive(master, "user");
        pseudonyms->install = derive(master, "install");
    }
    if (pseudonyms && pseudonyms->user && pseudonyms->install) {
        *pseudonyms_out = pseudonyms;
    } else {
        pt_pseudonyms_close(pseudonyms);
        code = pt_fail(err, PT_NO_MEMORY, "load the pseudonym key");
    }
    pt_hmac_destroy(master);
    return code;
}

enum pt_code pt_pseudonyms_open(struct pt_pseudonyms **pseudonyms_out, struct pt_io *io,
                                const char *keys_dir, bool may_create, struct pt_error *err)
{
    uint8_t key[KEY_BYTES] = {0};
    uint8_t *text = NULL;
    size_t size = 0;
    char *path = pt_strf("%s/pseudonym.key", keys_dir);
    enum pt_code code = PT_OK;

    *pseudonyms_out = NULL;
    if (!path) {
        code = pt_fail(err, PT_NO_MEMORY, "load the pseudonym key");
        goto out;
    }
    code = pt_io_mkdir(io, keys_dir, err);
    if (code) {
        goto out;
    }
    code = pt_io_read_all(io, path, 4096, 1, &text, &size, err);
    if (code == PT_NOT_FOUND && may_create) {
        code = make_key(io, path, key, err);
    } else if (code == PT_NOT_FOUND) {
        code = pt_fail(err, PT_NOT_FOUND,
                       "%s is missing though events are stored; restore it from a backup: with "
                       "another key every player would become a new one",
                       path);
    } else if (!code && !parse_key(text, size, key)) {
        code = pt_fail(err, PT_CORRUPT,
                       "%s is not a key (64 hexadecimal digits); restore it from a backup: with "
                       "another key every player would become a new one",
                       path);
    } else if (!code) {
        /* A name that is visible need not be durable: one killed before its sync left it so. */
        code = pt_io_sync_dir(io, keys_dir, err);
    }
    if (code) {
        goto out;
    }
    code = open_key(pseudonyms_out, key, err);

out:
    memset(key, 0, sizeof(key));
    pt_free(text);
    pt_free(path);
    return code;
}

enum pt_code pt_pseudonyms_open_ephemeral(struct pt_pseudonyms **pseudonyms_out,
                                          struct pt_error *err)
{
    uint8_t key[KEY_BYTES] = {0};
    enum pt_code code = pt_random_bytes(key, KEY_BYTES, err);

    *pseudonyms_out = NULL;
    if (!code) {
        code = open_key(pseudonyms_out, key, err);
    }
    memset(key, 0, sizeof(key));
    return code;
}

void pt_pseudonyms_close(struct pt_pseudonyms *pseudonyms)
{
    if (pseudonyms) {
        pt_hmac_destroy(pseudonyms->user);
        pt_hmac_destroy(pseudonyms->install);
        pt_free(pseudonyms);
    }
}

static void pseudonym(const struct pt_hmac *hmac, struct pt_span id,
                      uint8_t pseudonym_out[PT_PSEUDONYM_BYTES])
{
    uint8_t digest[PT_SHA256_BYTES];

    pt_hmac_sha256(hmac, id, digest);
    memcpy(pseudonym_out, digest, PT_PSEUDONYM_BYTES);
}

void pt_pseudonym_user(const struct pt_pseudonyms *pseudonyms, struct pt_span user_id,
                       uint8_t pseudonym_out[PT_PSEUDONYM_BYTES])
{
    pseudonym(pseudonyms->user, user_id, pseudonym_out);
}

void pt_pseudonym_install(const struct pt_pseudonyms *pseudonyms, struct pt_span install_id,
                          uint8_t pseudonym_out[PT_PSEUDONYM_BYTES])
{
    pseudonym(pseudonyms->install, install_id, pseudonym_out);
}
