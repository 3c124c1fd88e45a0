/*
 * test_avro_move.c - an Avro file with its paths moved is the same file otherwise
 *
 * Method: a file with every kind of type is moved to a longer place and back; every cut and every
 * changed byte of it is tried, for which the sanitizers watch.
 */
#include "lake/avro_move.h"

#include "check.h"
#include "lake/container.h"

static struct pt_error err;

static const char schema[] =
    "{\"type\":\"record\",\"name\":\"r\",\"fields\":["
    "{\"name\":\"manifest_path\",\"type\":\"string\"},"
    "{\"name\":\"manifest_length\",\"type\":\"long\"},"
    "{\"name\":\"flag\",\"type\":\"boolean\"},"
    "{\"name\":\"maybe\",\"type\":[\"null\",{\"type\":\"array\",\"items\":\"string\"}]},"
    "{\"name\":\"map\",\"type\":{\"type\":\"map\",\"values\":\"bytes\"}},"
    "{\"name\":\"fixed\",\"type\":{\"type\":\"fixed\",\"name\":\"f\",\"size\":3}},"
    "{\"name\":\"double\",\"type\":\"double\"},"
    "{\"name\":\"inner\",\"type\":{\"type\":\"record\",\"name\":\"i\",\"fields\":["
    "{\"name\":\"day\",\"type\":{\"type\":\"int\",\"logicalType\":\"date\"}}]}}]}";

static void put_long(struct pt_buf *buf, int64_t value)
{
    uint64_t bits = (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0);

    for (; bits >= 0x80; bits >>= 7) {
        pt_buf_append_byte(buf, (uint8_t)(bits | 0x80));
    }
    pt_buf_append_byte(buf, (uint8_t)bits);
}

static void put_text(struct pt_buf *buf, const char *text)
{
    put_long(buf, (int64_t)strlen(text));
    pt_buf_append_str(buf, text);
}

/* Two values; `place` stands before the paths. */
static void make(struct pt_buf *file, const char *place, int64_t length)
{
    static const uint8_t sync[PT_CONTAINER_SYNC_BYTES] = "0123456789abcde";
    const struct pt_container_pair pairs[] = {{"avro.schema", pt_span_of(schema, strlen(schema))},
                                              {"other", pt_span_of("file:///a/b", 11)}};
    struct pt_buf values;
    char path[64];

    pt_buf_init(file, 1u << 20);
    pt_buf_init(&values, 1u << 20);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%s/m%d.avro", place, i);
        put_text(&values, path);
        put_long(&values, length);
        pt_buf_append_byte(&values, 1);
        put_long(&values, i); /* the branch */
        if (i) {
            put_long(&values, 3);
            put_text(&values, place);
            put_text(&values, "file:///a/bc"); /* another place */
            put_text(&values, "");
            put_long(&values, 0);
        }
        put_long(&values, 1);
        put_text(&values, "key");
        put_text(&values, "file:///a/b/bytes"); /* bytes are no text */
        put_long(&values, 0);
        pt_buf_append(&values, "abc", 3);
        pt_buf_append(&values, "12345678", 8);
        put_long(&values, -400);
    }
    pt_container_begin(file, pairs, 2, sync);
    pt_container_block(file, 2, pt_buf_span(&values), sync);
    pt_buf_release(&values);
}

static bool new_length(void *ctx, struct pt_span path, int64_t *bytes_out)
{
    (void)path;
    *bytes_out = *(const int64_t *)ctx;
    return true;
}

static void only_the_place_changes(void **state)
{
    static const char *const forms[] = {"file:///a/b", "file:/a/b", "/a/b"};
    const char *far = "file:///somewhere/quite/different";

    (void)state;
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct pt_buf file;
        struct pt_buf expected;
        struct pt_buf out;
        const struct pt_avro_move how = {.old = "file:///a/b", .new = far};

        make(&file, forms[i], 77);
        make(&expected, far, 77);
        pt_buf_init(&out, 1u << 20);
        PT_CHECK_OK(pt_avro_move(pt_buf_span(&file), &how, &out, &err), err);
        PT_CHECK(pt_span_equal(pt_buf_span(&out), pt_buf_span(&expected)));
        pt_buf_release(&out);
        pt_buf_release(&expected);
        pt_buf_release(&file);
    }
}

static void a_list_says_its_manifests_new_sizes(void **state)
{
    int64_t length = INT64_C(123456789);
    const struct pt_avro_move how = {
        .old = "file:///a/b", .new = "file:///c", .bytes_of = new_length, .ctx = &length};
    struct pt_buf file;
    struct pt_buf expected;
    struct pt_buf out;

    (void)state;
    make(&file, "file:///a/b", 5);
    make(&expected, "file:///c", length);
    pt_buf_init(&out, 1u << 20);
    PT_CHECK_OK(pt_avro_move(pt_buf_span(&file), &how, &out, &err), err);
    PT_CHECK(pt_span_equal(pt_buf_span(&out), pt_buf_span(&expected)));
    pt_buf_release(&out);
    pt_buf_release(&expected);
    pt_buf_release(&file);
}

static void no_damage_is_taken_for_more_than_it_is(void **state)
{
    const struct pt_avro_move how = {.old = "file:///a/b", .new = "file:///longer/than/before"};
    struct pt_buf file;
    struct pt_buf out;

    (void)state;
    make(&file, "file:///a/b", 77);
    pt_buf_init(&out, 1u << 20);
    for (size_t size = 0; size < file.size; size++) {
        enum pt_code code = PT_OK;

        pt_buf_reset(&out);
        code = pt_avro_move(pt_span_of(file.data, size), &how, &out, &err);
        /* Cut behind the header there are no blocks, which is a file too. */
        PT_CHECK(code || out.size == size);
    }
    for (size_t at = 0; at < file.size; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            file.data[at] ^= (uint8_t)(1u << bit);
            pt_buf_reset(&out);
            (void)!pt_avro_move(pt_buf_span(&file), &how, &out, &err);
            file.data[at] ^= (uint8_t)(1u << bit);
        }
    }
    pt_buf_release(&out);
    pt_buf_release(&file);
}

static void a_place_ends_where_a_name_ends(void **state)
{
    struct pt_span rest;

    (void)state;
    PT_CHECK(pt_text_move(pt_span_str("file:///a/b"), "file:///a/b", &rest) && rest.size == 0);
    PT_CHECK(pt_text_move(pt_span_str("/a/b/c"), "file:///a/b", &rest) && pt_span_is(rest, "/c"));
    PT_CHECK(!pt_text_move(pt_span_str("file:///a/bc"), "file:///a/b", &rest));
    PT_CHECK(!pt_text_move(pt_span_str("file:///a"), "file:///a/b", &rest));
    PT_CHECK(!pt_text_move(pt_span_str("s3://x/a/b"), "file:///a/b", &rest));
    PT_CHECK(!pt_text_move(pt_span_str(""), "file:///a/b", &rest));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_place_changes),
        cmocka_unit_test(a_list_says_its_manifests_new_sizes),
        cmocka_unit_test(no_damage_is_taken_for_more_than_it_is),
        cmocka_unit_test(a_place_ends_where_a_name_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
