/*
 * test_client_exclusive.c - the client is at home where a file has one writer, as on Windows
 *
 * Promise: no file is opened for writing twice at a time, and none is removed, renamed or replaced
 * while it is open. Windows refuses the second, and Unreal's files both, on every system. Method: a
 * table that refuses both; a whole life over it must see no file operation fail.
 */
#include "fake.h"

#define FILES_MAX 64

struct open_file {
    void *real; /* NULL: free */
    bool is_writer;
    char path[1100];
};

struct exclusive {
    struct playtrace_platform real;
    struct open_file files[FILES_MAX];
    unsigned refusals;
};

static bool is_open(const struct exclusive *x, const char *path, bool for_writing)
{
    for (size_t i = 0; i < FILES_MAX; i++) {
        if (x->files[i].real && strcmp(x->files[i].path, path) == 0 &&
            (x->files[i].is_writer || !for_writing)) {
            return true;
        }
    }
    return false;
}

static int refuse(struct exclusive *x, const char *what, const char *path)
{
    fprintf(stderr, "refused: %s %s\n", what, path);
    x->refusals++;
    return -1;
}

static int file_open(void *ctx, const char *path, enum playtrace_file_mode mode, void **file_out)
{
    struct exclusive *x = ctx;
    struct open_file *file = x->files;

    *file_out = NULL;
    if (mode != PLAYTRACE_FILE_READ && is_open(x, path, true)) {
        return refuse(x, "open", path);
    }
    while (file->real) {
        file++;
        PT_CHECK(file < x->files + FILES_MAX);
    }
    if (x->real.file_open(NULL, path, mode, &file->real) != 0) {
        file->real = NULL;
        return -1;
    }
    file->is_writer = mode != PLAYTRACE_FILE_READ;
    (void)snprintf(file->path, sizeof(file->path), "%s", path);
    *file_out = file;
    return 0;
}

static void file_close(void *ctx, void *file)
{
    ((struct exclusive *)ctx)->real.file_close(NULL, ((struct open_file *)file)->real);
    ((struct open_file *)file)->real = NULL;
}

static int64_t file_size(void *ctx, void *file)
{
    return ((struct exclusive *)ctx)->real.file_size(NULL, ((struct open_file *)file)->real);
}

static int file_append(void *ctx, void *file, const void *data, size_t bytes)
{
    return ((struct exclusive *)ctx)
        ->real.file_append(NULL, ((struct open_file *)file)->real, data, bytes);
}

static int64_t file_read(void *ctx, void *file, uint64_t offset, void *buffer, size_t bytes)
{
    return ((struct exclusive *)ctx)
        ->real.file_read(NULL, ((struct open_file *)file)->real, offset, buffer, bytes);
}

static int file_truncate(void *ctx, void *file, uint64_t bytes)
{
    return ((struct exclusive *)ctx)
        ->real.file_truncate(NULL, ((struct open_file *)file)->real, bytes);
}

static int file_sync(void *ctx, void *file)
{
    return ((struct exclusive *)ctx)->real.file_sync(NULL, ((struct open_file *)file)->real);
}

static int file_rename(void *ctx, const char *from, const char *to)
{
    struct exclusive *x = ctx;

    if (is_open(x, from, false) || is_open(x, to, false)) {
        return refuse(x, "rename", to);
    }
    return x->real.file_rename(NULL, from, to);
}

static int file_remove(void *ctx, const char *path)
{
    struct exclusive *x = ctx;

    return is_open(x, path, false) ? refuse(x, "remove", path) : x->real.file_remove(NULL, path);
}

static void make_exclusive(struct exclusive *x, struct fake *fake)
{
    x->real = fake->real;
    fake->platform.file_ctx = x;
    fake->platform.file_open = file_open;
    fake->platform.file_close = file_close;
    fake->platform.file_size = file_size;
    fake->platform.file_append = file_append;
    fake->platform.file_read = file_read;
    fake->platform.file_truncate = file_truncate;
    fake->platform.file_sync = file_sync;
    fake->platform.file_rename = file_rename;
    fake->platform.file_remove = file_remove;
}

/* Some 300 KiB in every lane, so that each has two segments. */
static void track_many(struct playtrace *p)
{
    char text[1024];

    memset(text, 'x', sizeof(text));
    (void)snprintf(text, 8, "{\"a\":\"x");
    text[7] = 'x';
    (void)snprintf(text + sizeof(text) - 3, 3, "\"}");
    for (unsigned i = 0; i < 300; i++) {
        for (int priority = PLAYTRACE_PRIORITY_LOW; priority <= PLAYTRACE_PRIORITY_HIGH;
             priority++) {
            PT_CHECK(playtrace_track_with(p, "tick", text, (enum playtrace_priority)priority,
                                          NULL) == PLAYTRACE_OK);
        }
        PT_CHECK(playtrace_sync(p, 0) == PLAYTRACE_OK);
    }
}

static void a_whole_life_with_one_writer_a_file(void **state)
{
    struct fake *fake = fake_create();
    struct exclusive *x = pt_alloc_zero(sizeof(*x));
    char *dir = pt_test_dir_create();
    struct playtrace_options options = fake_options(fake, dir);
    struct playtrace *p = NULL;
    struct playtrace_stats stats;

    (void)state;
    make_exclusive(x, fake);
    options.sync_at_close = true;
    fake->answer = fake_busy;
    for (unsigned round = 0; round < 3; round++) {
        options.queue_bytes_max = round == 1 ? 1u << 20 : 8u << 20; /* the second one evicts */
        PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
        track_many(p);
        PT_CHECK(playtrace_pause(p) == PLAYTRACE_OK);
        PT_CHECK(playtrace_pump(p) == PLAYTRACE_QUEUED);
        playtrace_stats(p, &stats);
        PT_CHECK(stats.io_failures == 0);
        PT_CHECK(stats.dropped_evicted > 0 || round != 1);
        PT_CHECK(playtrace_close(p, 0) == PLAYTRACE_QUEUED);
    }
    fake->answer = NULL;
    fake->taken_count = 0;
    options.retry_base_ms = 0;
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_OK);
    PT_CHECK(playtrace_flush(p, 60000) == PLAYTRACE_OK);
    fake_track(p, 10);
    PT_CHECK(playtrace_set_consent(p, PLAYTRACE_CONSENT_WITHDRAWN) == PLAYTRACE_OK);
    PT_CHECK(playtrace_set_consent(p, PLAYTRACE_CONSENT_GIVEN) == PLAYTRACE_OK);
    fake_track(p, 10);
    PT_CHECK(playtrace_sync(p, 0) == PLAYTRACE_OK);
    PT_CHECK(playtrace_flush(p, 60000) == PLAYTRACE_OK);
    playtrace_stats(p, &stats);
    PT_CHECK(stats.io_failures == 0);
    fake_check_balance(p);
    PT_CHECK(playtrace_close(p, 0) == PLAYTRACE_OK);
    PT_CHECK(x->refusals == 0);
    for (size_t i = 0; i < FILES_MAX; i++) {
        PT_CHECK(!x->files[i].real); /* all were closed */
    }
    pt_test_dir_remove(dir);
    pt_free(x);
    fake_destroy(fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_life_with_one_writer_a_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
