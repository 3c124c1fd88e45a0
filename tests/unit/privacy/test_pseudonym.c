/*
 * test_pseudonym.c - a player keeps one pseudonym as long as the key lives, and nobody else gets it
 */
#include "check.h"
#include "privacy/privacy.h"

#include "base/crypto.h"
#include "base/mem.h"

#include <string.h>
#include <sys/stat.h>

static struct pt_span text(const char *t)
{
    return pt_span_str(t);
}

static void hmac_matches_the_standard(void **state)
{
    struct pt_hmac *hmac = NULL;
    uint8_t digest[PT_SHA256_BYTES];
    uint8_t long_key[131];
    char hex[2 * PT_SHA256_BYTES + 1];

    (void)state;
    /* RFC 4231, test cases 2 and 6. */
    hmac = pt_hmac_create(text("Jefe"));
    pt_hmac_sha256(hmac, text("what do ya want for nothing?"), digest);
    pt_hex_encode(digest, sizeof(digest), hex);
    assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    pt_hmac_destroy(hmac);
    memset(long_key, 0xaa, sizeof(long_key));
    hmac = pt_hmac_create(pt_span_of(long_key, sizeof(long_key)));
    pt_hmac_sha256(hmac, text("Test Using Larger Than Block-Size Key - Hash Key First"), digest);
    pt_hex_encode(digest, sizeof(digest), hex);
    assert_string_equal(hex, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    pt_hmac_destroy(hmac);
}

static void the_key_lives_in_one_private_file(void **state)
{
    char *dir = pt_test_dir_create();
    char *keys = pt_strf("%s/keys", dir);
    char *path = pt_strf("%s/pseudonym.key", keys);
    struct pt_pseudonyms *p = NULL;
    struct pt_error err = {0};
    uint8_t first[PT_PSEUDONYM_BYTES];
    uint8_t again[PT_PSEUDONYM_BYTES];
    uint8_t install[PT_PSEUDONYM_BYTES];
    struct stat status;

    (void)state;
    PT_CHECK(pt_pseudonyms_open(&p, pt_io_posix(), keys, false, &err) == PT_NOT_FOUND);
    PT_CHECK_OK(pt_pseudonyms_open(&p, pt_io_posix(), keys, true, &err), err);
    pt_pseudonym_user(p, text("alice"), first);
    pt_pseudonym_install(p, text("alice"), install);
    PT_CHECK(memcmp(first, install, sizeof(first)) != 0);
    pt_pseudonym_user(p, text("alicf"), again);
    PT_CHECK(memcmp(first, again, sizeof(first)) != 0);
    pt_pseudonyms_close(p);
    PT_CHECK(stat(path, &status) == 0 && (status.st_mode & 0777) == 0600);
    PT_CHECK_OK(pt_pseudonyms_open(&p, pt_io_posix(), keys, false, &err), err);
    pt_pseudonym_user(p, text("alice"), again);
    PT_CHECK(memcmp(first, again, sizeof(first)) == 0);
    pt_pseudonyms_close(p);
    /* A file that is no key is never replaced. */
    PT_CHECK_OK(pt_io_replace(pt_io_posix(), path, text("0123"), PT_OPEN_PRIVATE, &err), err);
    PT_CHECK(pt_pseudonyms_open(&p, pt_io_posix(), keys, true, &err) == PT_CORRUPT);
    PT_CHECK(p == NULL);
    pt_free(path);
    pt_free(keys);
    pt_test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hmac_matches_the_standard),
        cmocka_unit_test(the_key_lives_in_one_private_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
