/*
 * test_compress.c - bodies come back whole, or with a reason; no bomb passes its bound
 *
 * Method: round trips over sizes around the step; every cut of a stream and every flipped
 * bit must be refused or give the same bytes; bounds one byte below and exactly at the size.
 */
#include "base/compress.h"
#include "base/rng.h"

#include "check.h"

#include <string.h>
#include <zstd.h>

typedef enum pt_code decompress_fn(struct pt_span data, struct pt_buf *out, struct pt_error *err);

static void zstd_pack(struct pt_span data, struct pt_buf *out)
{
    size_t bound = ZSTD_compressBound(data.size);
    uint8_t *to = pt_buf_reserve(out, bound);
    size_t size = 0;

    assert_non_null(to);
    /* With a checksum, so that a flipped bit cannot pass. */
    ZSTD_CCtx *context = ZSTD_createCCtx();
    assert_non_null(context);
    assert_false(ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)));
    size = ZSTD_compress2(context, to, bound, data.data, data.size);
    assert_false(ZSTD_isError(size));
    out->size += size;
    ZSTD_freeCCtx(context);
}

static void gzip_pack(struct pt_span data, struct pt_buf *out)
{
    struct pt_error err;

    PT_CHECK_OK(pt_gzip_compress(data, out, &err), err);
}

static const struct {
    void (*pack)(struct pt_span data, struct pt_buf *out);
    decompress_fn *unpack;
} formats[] = {{gzip_pack, pt_gzip_decompress}, {zstd_pack, pt_zstd_decompress}};

#define FORMAT_COUNT (sizeof(formats) / sizeof(formats[0]))

static void fill(uint8_t *data, size_t bytes)
{
    struct pt_rng rng;

    pt_rng_seed(&rng, bytes + 1);
    for (size_t i = 0; i < bytes; i++) {
        data[i] = (uint8_t)(i % 7 == 0 ? pt_rng_below(&rng, 256) : 'a' + i % 5);
    }
}

static void sizes_come_back_whole(void **state)
{
    static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 8192, 70000, 1 << 20};

    (void)state;
    for (size_t f = 0; f < FORMAT_COUNT; f++) {
        for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
            uint8_t *data = pt_alloc(sizes[s] + 1);
            struct pt_buf packed, plain;
            struct pt_error err;

            fill(data, sizes[s]);
            pt_buf_init(&packed, 4 << 20);
            pt_buf_init(&plain, sizes[s] + 3);
            pt_buf_append_str(&plain, "abc");
            formats[f].pack(pt_span_of(data, sizes[s]), &packed);
            PT_CHECK_OK(formats[f].unpack(pt_buf_span(&packed), &plain, &err), err);
            assert_int_equal(plain.size, sizes[s] + 3);
            assert_memory_equal(plain.data + 3, data, sizes[s]);
            pt_buf_release(&packed);
            pt_buf_release(&plain);
            pt_free(data);
        }
    }
}

static void one_byte_over_the_bound_is_too_big(void **state)
{
    uint8_t data[20000];

    (void)state;
    memset(data, 'x', sizeof(data));
    for (size_t f = 0; f < FORMAT_COUNT; f++) {
        struct pt_buf packed, plain;
        struct pt_error err = {0};

        pt_buf_init(&packed, 1 << 20);
        pt_buf_init(&plain, sizeof(data) - 1);
        formats[f].pack(pt_span_of(data, sizeof(data)), &packed);
        assert_int_equal(formats[f].unpack(pt_buf_span(&packed), &plain, &err), PT_TOO_BIG);
        assert_int_equal(plain.size, 0);
        PT_CHECK(!plain.has_failed);
        pt_buf_release(&packed);
        pt_buf_release(&plain);
    }
}

static void cut_or_longer_streams_are_invalid(void **state)
{
    uint8_t data[5000];

    (void)state;
    fill(data, sizeof(data));
    for (size_t f = 0; f < FORMAT_COUNT; f++) {
        struct pt_buf packed, plain;
        struct pt_error err = {0};

        pt_buf_init(&packed, 1 << 20);
        pt_buf_init(&plain, 1 << 20);
        formats[f].pack(pt_span_of(data, sizeof(data)), &packed);
        for (size_t cut = 0; cut < packed.size; cut++) {
            enum pt_code code = formats[f].unpack(pt_span_of(packed.data, cut), &plain, &err);

            assert_int_equal(code, PT_INVALID);
            assert_int_equal(plain.size, 0);
        }
        pt_buf_append_byte(&packed, 0);
        assert_int_equal(formats[f].unpack(pt_buf_span(&packed), &plain, &err), PT_INVALID);
        assert_non_null(strstr(err.text, "behind the end"));
        pt_buf_release(&packed);
        pt_buf_release(&plain);
    }
}

static void flipped_bits_never_give_other_bytes(void **state)
{
    uint8_t data[600];

    (void)state;
    fill(data, sizeof(data));
    for (size_t f = 0; f < FORMAT_COUNT; f++) {
        struct pt_buf packed, plain;
        unsigned refused = 0;

        pt_buf_init(&packed, 1 << 20);
        pt_buf_init(&plain, 1 << 16);
        formats[f].pack(pt_span_of(data, sizeof(data)), &packed);
        for (size_t bit = 0; bit < packed.size * 8; bit++) {
            struct pt_error err = {0};

            packed.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            pt_buf_reset(&plain);
            if (formats[f].unpack(pt_buf_span(&packed), &plain, &err)) {
                PT_CHECK(err.text[0] != '\0');
                refused++;
            } else {
                /* gzip's time and system bytes mean nothing to us. */
                assert_int_equal(plain.size, sizeof(data));
                assert_memory_equal(plain.data, data, sizeof(data));
            }
            packed.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        }
        PT_CHECK(refused > packed.size * 7);
        pt_buf_release(&packed);
        pt_buf_release(&plain);
    }
}

static void a_window_over_eight_mebibytes_is_too_big(void **state)
{
    /* RFC 8878 3.1.1: magic, descriptor 0, window descriptor: exponent 14 (16 MiB), an empty block.
     */
    static const uint8_t frame[] = {0x28, 0xb5, 0x2f, 0xfd, 0x00, 14 << 3, 0x01, 0x00, 0x00};
    static const uint8_t smaller[] = {0x28, 0xb5, 0x2f, 0xfd, 0x00, 13 << 3, 0x01, 0x00, 0x00};
    struct pt_buf plain;
    struct pt_error err = {0};

    (void)state;
    pt_buf_init(&plain, 1 << 30);
    assert_int_equal(pt_zstd_decompress(pt_span_of(frame, sizeof(frame)), &plain, &err),
                     PT_TOO_BIG);
    PT_CHECK_OK(pt_zstd_decompress(pt_span_of(smaller, sizeof(smaller)), &plain, &err), err);
    pt_buf_release(&plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_come_back_whole),
        cmocka_unit_test(one_byte_over_the_bound_is_too_big),
        cmocka_unit_test(cut_or_longer_streams_are_invalid),
        cmocka_unit_test(flipped_bits_never_give_other_bytes),
        cmocka_unit_test(a_window_over_eight_mebibytes_is_too_big),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
