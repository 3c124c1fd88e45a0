/*
 * test_chain.c - no edit of a chain goes unnoticed, and an appended line survives any one fault
 *
 * Method: lines are written, then each byte of the file is changed, each line taken out, doubled
 * and exchanged, and the file read again. For faults, an io that dies at its Nth change, N sweeping
 * until nothing is left to fail.
 */
#include "base/chain.h"
#include "check.h"
#include "fault_io.h"

#define LINE_MAX 4096

static enum pt_code append(struct pt_io *io, const char *dir, const char *path, int number)
{
    struct pt_chain chain = {0};
    struct pt_error err = {0};
    struct pt_buf text;
    struct pt_jsonw w;
    enum pt_code code = pt_chain_read(&chain, io, path, 1 << 20, LINE_MAX, NULL, NULL, &err);

    pt_buf_init(&text, LINE_MAX);
    pt_jsonw_init(&w, &text);
    pt_chain_begin(&chain, pt_clock_system(), "note", &w);
    pt_jsonw_key(&w, "n");
    pt_jsonw_int(&w, number);
    pt_jsonw_object_end(&w);
    code = code ? code : pt_chain_append(&chain, io, dir, &text, &err);
    pt_buf_release(&text);
    pt_chain_release(&chain);
    return code;
}

static enum pt_code count_line(void *ctx, struct pt_json line, const char *hash,
                               struct pt_error *err)
{
    uint64_t *count = ctx;
    int64_t number = 0;

    (void)hash;
    (void)err;
    PT_CHECK(pt_json_member_int(line, "n", &number) && number == (int64_t)*count);
    ++*count;
    return PT_OK;
}

static enum pt_code read_back(const char *path, uint64_t *count_out)
{
    struct pt_chain chain = {0};
    struct pt_error err = {0};
    enum pt_code code;

    *count_out = 0;
    code =
        pt_chain_read(&chain, pt_io_posix(), path, 1 << 20, LINE_MAX, count_line, count_out, &err);
    PT_CHECK(code || chain.seq == *count_out);
    pt_chain_release(&chain);
    return code;
}

static void put(const char *path, const uint8_t *data, size_t bytes)
{
    struct pt_error err = {0};

    PT_CHECK_OK(pt_io_replace(pt_io_posix(), path, pt_span_of(data, bytes), 0, &err), err);
}

static void no_edit_goes_unnoticed(void **state)
{
    char *dir = pt_test_dir_create();
    char *path = pt_strf("%s/chain", dir);
    struct pt_error err = {0};
    uint8_t *data = NULL;
    uint8_t *edited = NULL;
    size_t size = 0;
    uint64_t count = 0;

    (void)state;
    for (int i = 0; i < 3; i++) {
        PT_CHECK(append(pt_io_posix(), dir, path, i) == PT_OK);
    }
    PT_CHECK(read_back(path, &count) == PT_OK && count == 3);
    PT_CHECK_OK(pt_io_read_all(pt_io_posix(), path, 1 << 20, 1, &data, &size, &err), err);
    edited = pt_alloc(2 * size);
    for (size_t i = 0; i + 1 < size; i++) { /* the last newline makes a torn line, not an edit */
        memcpy(edited, data, size);
        edited[i] ^= 1;
        put(path, edited, size);
        PT_CHECK(read_back(path, &count) == PT_CORRUPT);
    }
    size_t first = (size_t)((uint8_t *)memchr(data, '\n', size) - data) + 1;
    size_t second = (size_t)((uint8_t *)memchr(data + first, '\n', size - first) - data) + 1;

    put(path, data + first, size - first); /* without the first */
    PT_CHECK(read_back(path, &count) == PT_CORRUPT);
    memcpy(edited, data, first); /* without the second */
    memcpy(edited + first, data + second, size - second);
    put(path, edited, size - (second - first));
    PT_CHECK(read_back(path, &count) == PT_CORRUPT);
    memcpy(edited, data, second); /* the second twice */
    memcpy(edited + second, data + first, size - first);
    put(path, edited, size + (second - first));
    PT_CHECK(read_back(path, &count) == PT_CORRUPT);
    put(path, data, size - 1); /* a torn last line is no line, and the next append cuts it */
    PT_CHECK(read_back(path, &count) == PT_OK && count == 2);
    PT_CHECK(append(pt_io_posix(), dir, path, 2) == PT_OK);
    PT_CHECK(read_back(path, &count) == PT_OK && count == 3);
    pt_free(edited);
    pt_free(data);
    pt_free(path);
    pt_test_dir_remove(dir);
}

static void an_appended_line_survives_any_one_fault(void **state)
{
    bool fired = true;

    (void)state;
    for (unsigned call = 1; fired; call++) {
        char *dir = pt_test_dir_create();
        char *path = pt_strf("%s/chain", dir);
        struct pt_io *io = pt_fault_io(call);
        uint64_t acked = 0;
        uint64_t count = 0;

        for (int i = 0; i < 3; i++) {
            acked += append(io, dir, path, i) == PT_OK;
        }
        fired = pt_fault_io_fired();
        PT_CHECK(read_back(path, &count) == PT_OK && count >= acked);
        PT_CHECK(append(pt_io_posix(), dir, path, (int)count) == PT_OK);
        PT_CHECK(read_back(path, &count) == PT_OK && count > acked);
        pt_free(path);
        pt_test_dir_remove(dir);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_edit_goes_unnoticed),
        cmocka_unit_test(an_appended_line_survives_any_one_fault),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
