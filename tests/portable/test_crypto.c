/*
 * test_crypto.c - the plain C HMAC and AES-GCM give what the standards say
 *
 * Method: examples of FIPS 180-2's appendix, of RFC 4231, and of the GCM specification (McGrew and
 * Viega, appendix B); every way of cutting a message in two hashes the same; every changed bit of
 * a sealed text is noticed.
 */
#include "machine.h"

#include "platform/aes_gcm.h"
#include "platform/sha256.h"

#include <stdio.h>
#include <string.h>

static void check_hex(const uint8_t *bytes, const char *hex)
{
    char text[2 * PT_CLIENT_SHA256_BYTES + 1];

    for (size_t i = 0; i < PT_CLIENT_SHA256_BYTES; i++) {
        (void)snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    }
    MACHINE_CHECK(strcmp(text, hex) == 0);
}

static void check_hash(const char *message, size_t repeats, const char *hex)
{
    struct pt_client_sha256 hash;
    uint8_t out[PT_CLIENT_SHA256_BYTES];

    pt_client_sha256_init(&hash);
    for (size_t i = 0; i < repeats; i++) {
        pt_client_sha256_add(&hash, message, strlen(message));
    }
    pt_client_sha256_end(&hash, out);
    check_hex(out, hex);
}

static void hashes_are_the_standards(void)
{
    check_hash("", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check_hash("abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    check_hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
               "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    check_hash("aaaaaaaaaa", 100000,
               "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* RFC 4231, 4.2, 4.3, 4.4, 4.7: a short key, a text key, a long message, a key over a block. */
static void codes_are_rfc_4231s(void)
{
    uint8_t key[131];
    uint8_t data[50];
    uint8_t out[PT_CLIENT_SHA256_BYTES];

    memset(key, 0x0b, 20);
    MACHINE_CHECK(pt_client_hmac_sha256(NULL, key, 20, "Hi There", 8, out) == 0);
    check_hex(out, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    (void)pt_client_hmac_sha256(NULL, "Jefe", 4, "what do ya want for nothing?", 28, out);
    check_hex(out, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof(key));
    memset(data, 0xdd, sizeof(data));
    (void)pt_client_hmac_sha256(NULL, key, 20, data, sizeof(data), out);
    check_hex(out, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    (void)pt_client_hmac_sha256(NULL, key, sizeof(key),
                                "Test Using Larger Than Block-Size Key - Hash Key First", 54, out);
    check_hex(out, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void cuts_do_not_matter(void)
{
    struct pt_client_sha256 hash;
    uint8_t whole[PT_CLIENT_SHA256_BYTES];
    uint8_t cut[PT_CLIENT_SHA256_BYTES];
    uint8_t message[200];

    for (size_t i = 0; i < sizeof(message); i++) {
        message[i] = (uint8_t)(i * 7);
    }
    for (size_t bytes = 0; bytes <= sizeof(message); bytes++) {
        pt_client_sha256_init(&hash);
        pt_client_sha256_add(&hash, message, bytes);
        pt_client_sha256_end(&hash, whole);
        for (size_t at = 0; at <= bytes; at += 3) {
            pt_client_sha256_init(&hash);
            pt_client_sha256_add(&hash, message, at);
            pt_client_sha256_add(&hash, message + at, bytes - at);
            pt_client_sha256_end(&hash, cut);
            MACHINE_CHECK(memcmp(whole, cut, sizeof(cut)) == 0);
        }
    }
}

static void from_hex(const char *hex, uint8_t *out)
{
    for (size_t i = 0; hex[i] != '\0'; i += 2) {
        unsigned byte = 0;

        MACHINE_CHECK(sscanf(hex + i, "%2x", &byte) == 1);
        out[i / 2] = (uint8_t)byte;
    }
}

/* The specification's cases 13, 14 and 15: no text, one block of zeros, four blocks. */
static void seals_are_the_specifications(void)
{
    static const struct {
        const char *key;
        const char *nonce;
        const char *plain;
        const char *sealed; /* with its tag */
    } cases[] = {
        {"0000000000000000000000000000000000000000000000000000000000000000",
         "000000000000000000000000", "", "530f8afbc74536b9a963b4f1c4cb738b"},
        {"0000000000000000000000000000000000000000000000000000000000000000",
         "000000000000000000000000", "00000000000000000000000000000000",
         "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"},
        {"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
         "cafebabefacedbaddecaf888",
         "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
         "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
         "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
         "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad"
         "b094dac5d93471bdec1a502270e3cc6c"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t key[32];
        uint8_t nonce[12];
        uint8_t plain[64];
        uint8_t expected[80];
        uint8_t text[80];
        size_t bytes = strlen(cases[i].plain) / 2;
        size_t sealed_bytes = bytes + PT_CLIENT_GCM_TAG_BYTES;

        from_hex(cases[i].key, key);
        from_hex(cases[i].nonce, nonce);
        from_hex(cases[i].plain, plain);
        from_hex(cases[i].sealed, expected);
        MACHINE_CHECK(pt_client_aes_gcm_seal(NULL, key, nonce, plain, bytes, text) == 0);
        MACHINE_CHECK(memcmp(text, expected, sealed_bytes) == 0);
        MACHINE_CHECK(pt_client_aes_gcm_unseal(NULL, key, nonce, text, sealed_bytes, text) == 0);
        MACHINE_CHECK(memcmp(text, plain, bytes) == 0); /* in place */
        for (size_t bit = 0; bit < sealed_bytes * 8; bit++) {
            memcpy(text, expected, sealed_bytes);
            text[bit / 8] ^= (uint8_t)(1u << bit % 8);
            MACHINE_CHECK(pt_client_aes_gcm_unseal(NULL, key, nonce, text, sealed_bytes, text) ==
                          -1);
        }
        MACHINE_CHECK(pt_client_aes_gcm_unseal(NULL, key, nonce, text, 15, text) == -1);
    }
}

int main(void)
{
    static const struct machine_test tests[] = {
        MACHINE_TEST(hashes_are_the_standards),
        MACHINE_TEST(codes_are_rfc_4231s),
        MACHINE_TEST(cuts_do_not_matter),
        MACHINE_TEST(seals_are_the_specifications),
    };

    machine_run(tests, sizeof(tests) / sizeof(tests[0]));
    return 0;
}
