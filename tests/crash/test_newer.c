/*
 * test_newer.c - a state directory that a newer version has written is refused, and not touched
 *
 * Method: a checkpoint whose checksum is right and whose format is not ours, as a later version
 * leaves it; what the older one finds must be said with both versions, and be there afterwards.
 */
#include "world.h"

#include "base/crypto.h"

static char *newest_checkpoint(struct world *w)
{
    struct pt_checkpoint_summary now;
    struct pt_error err = {0};

    PT_CHECK_OK(pt_stream_read_checkpoint(pt_io_posix(), w->state_dir, &now, &err), err);
    PT_CHECK(now.number > 0);
    return pt_strf("%s/checkpoint-%020" PRIu64 ".json", w->state_dir, now.number);
}

/* The same document with another format, and the checksum that belongs to it. */
static void put_format(const char *path, const char *format)
{
    uint8_t *data = NULL;
    size_t size = 0;
    struct pt_buf text;
    struct pt_error err = {0};
    const char *after = NULL;

    pt_buf_init(&text, 1 << 20);
    PT_CHECK_OK(pt_io_read_all(pt_io_posix(), path, 1 << 20, 1, &data, &size, &err), err);
    PT_CHECK(strncmp((char *)data, "{\"format\":", 10) == 0);
    after = strchr((char *)data, ',');
    pt_buf_appendf(&text, "{\"format\":%s%.*s", format, (int)strcspn(after, "\n"), after);
    pt_buf_appendf(&text, "\nxxh3:%016" PRIx64 "\n", pt_checksum64(text.data, text.size));
    PT_CHECK_OK(pt_io_replace(pt_io_posix(), path, pt_buf_span(&text), 0, &err), err);
    pt_buf_release(&text);
    pt_free(data);
}

static void a_checkpoint_of_a_newer_version_is_refused(void **state)
{
    char next[24];
    const char *const formats[] = {next, "99", "9007199254740993"};
    struct world w;
    struct pt_error err = {0};
    char *path = NULL;
    char *own = NULL;
    uint8_t *before = NULL;
    uint8_t *after = NULL;
    size_t before_bytes = 0;
    size_t after_bytes = 0;

    (void)state;
    world_init(&w, false);
    PT_CHECK_OK(world_up(&w, &err), err);
    PT_CHECK(send_events(&w, 0, 10, 1));
    PT_CHECK_OK(pt_stream_checkpoint(w.stream, &err), err);
    PT_CHECK(send_events(&w, 10, 5, 0));
    world_down(&w);
    path = newest_checkpoint(&w);
    PT_CHECK_OK(pt_io_read_all(pt_io_posix(), path, 1 << 20, 1, &before, &before_bytes, &err), err);
    own = pt_strf("%.*s", (int)strcspn((char *)before + 10, ","), (char *)before + 10);
    (void)snprintf(next, sizeof(next), "%ld", strtol(own, NULL, 10) + 1);
    put_format(path, own);
    PT_CHECK_OK(world_up(&w, &err), err); /* the checksum is right: it is the format that decides */
    world_down(&w);
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        char *names = pt_strf("has format %s, this version of playtrace knows %s", formats[i], own);
        uint8_t *changed = NULL;
        size_t changed_bytes = 0;

        put_format(path, formats[i]);
        PT_CHECK_OK(pt_io_read_all(pt_io_posix(), path, 1 << 20, 1, &changed, &changed_bytes, &err),
                    err);
        PT_CHECK(world_up(&w, &err) == PT_INVALID);
        PT_CHECK(strstr(err.text, names) && strstr(err.text, path));
        PT_CHECK_OK(pt_io_read_all(pt_io_posix(), path, 1 << 20, 1, &after, &after_bytes, &err),
                    err);
        PT_CHECK(after_bytes == changed_bytes && memcmp(after, changed, after_bytes) == 0);
        pt_free(after);
        pt_free(changed);
        pt_free(names);
    }
    PT_CHECK_OK(pt_io_replace(pt_io_posix(), path, pt_span_of(before, before_bytes), 0, &err), err);
    check_promise(&w);
    pt_free(before);
    pt_free(own);
    pt_free(path);
    world_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_checkpoint_of_a_newer_version_is_refused),
    };

    pt_log_set_level(PT_LOG_ERROR + 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
