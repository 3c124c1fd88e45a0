/*
 * test_client_disk.c - a disk that is full, and a directory that cannot be written
 *
 * Method: the process may not write files beyond a size (RLIMIT_FSIZE), which cuts a real write
 * short in its midst as a full disk does; a platform whose files open for reading only.
 */
#include "fake.h"

#include <signal.h>
#include <sys/resource.h>

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;

    PT_CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    PT_CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

static bool answer_nothing(struct fake *fake, uint32_t events,
                           struct playtrace_http_response *response)
{
    (void)fake;
    (void)events;
    response->status = 0;
    return true;
}

/* A client that has written `events` to a disk on which `bytes` more fit; the server is away. */
static struct playtrace *open_on_full_disk(struct fake *fake, const char *dir, unsigned events,
                                           uint64_t bytes)
{
    struct playtrace *p = fake_open(fake, dir);
    struct playtrace_stats stats;

    fake->answer = answer_nothing;
    PT_CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    fake_track(p, events);
    (void)playtrace_flush(p, 0);
    playtrace_stats(p, &stats);
    limit_files((rlim_t)(stats.queued_bytes + bytes));
    return p;
}

static void a_full_disk_costs_nothing_that_memory_holds(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace *p = open_on_full_disk(fake, dir, 100, 1000); /* three and a bit fit */
    struct playtrace_stats stats;

    (void)state;
    fake_track(p, 200);
    (void)playtrace_flush(p, 1);
    fake_track(p, 50);
    (void)playtrace_flush(p, 5000);
    playtrace_stats(p, &stats);
    PT_CHECK(stats.io_failures > 0 && stats.queued == 350 && stats.dropped_ring == 0);
    fake_check_balance(p);
    /* Until the ring is full too; then each loss is counted. */
    while (playtrace_track(p, "tick", "{\"n\":1}") == PLAYTRACE_OK) {
    }
    playtrace_stats(p, &stats);
    PT_CHECK(stats.dropped_ring == 1);
    PT_CHECK(playtrace_sync(p, 0) == PLAYTRACE_IO);
    limit_files(RLIM_INFINITY);
    PT_CHECK(playtrace_sync(p, 0) == PLAYTRACE_OK);
    fake->answer = NULL;
    PT_CHECK(playtrace_flush(p, 1000000) == PLAYTRACE_OK);
    fake_check_all_in_order(fake, (size_t)stats.tracked);
    playtrace_stats(p, &stats);
    PT_CHECK(stats.damaged == 0);
    fake_check_balance(p);
    fake_end(fake, p, dir);
}

static void a_disk_full_at_close_is_told(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace *p = open_on_full_disk(fake, dir, 10, 100);

    (void)state;
    fake_track(p, 10);
    PT_CHECK(playtrace_close(p, 0) == PLAYTRACE_IO);
    limit_files(RLIM_INFINITY);
    fake->answer = NULL;
    p = fake_open(fake, dir);
    PT_CHECK(playtrace_flush(p, 1000) == PLAYTRACE_OK);
    fake_check_all_in_order(fake, 10);
    fake_end(fake, p, dir);
}

static bool is_read_only;

static int open_read_only(void *ctx, const char *path, enum playtrace_file_mode mode,
                          void **file_out)
{
    struct playtrace_platform real;

    playtrace_platform_posix_init(&real);
    if (is_read_only && mode != PLAYTRACE_FILE_READ) {
        return -1;
    }
    return real.file_open(ctx, path, mode, file_out);
}

static void a_read_only_directory_is_a_status(void **state)
{
    char *dir = pt_test_dir_create();
    char *file = pt_strf("%s/file", dir);
    char *below = pt_strf("%s/no/such", dir);
    struct fake *fake = fake_create();
    struct playtrace_options options = fake_options(fake, dir);
    struct playtrace *p = NULL;
    struct playtrace_stats stats;
    FILE *made = fopen(file, "w");

    (void)state;
    PT_CHECK(made && fclose(made) == 0);
    fake->platform.file_open = open_read_only;
    is_read_only = true;
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_IO && !p);
    options.queue_dir = file; /* no directory at all */
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_IO && !p);
    options.queue_dir = below;
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_IO && !p);
    options.queue_dir = "/proc"; /* nobody may write there, not even root */
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_IO && !p);
    /* It becomes so while the game runs, and later it is writable again. */
    is_read_only = false;
    p = fake_open(fake, dir);
    is_read_only = true;
    fake_track(p, 20);
    PT_CHECK(playtrace_track_with(p, "buy", NULL, PLAYTRACE_PRIORITY_HIGH, NULL) == PLAYTRACE_OK);
    PT_CHECK(playtrace_sync(p, 0) == PLAYTRACE_IO);
    playtrace_stats(p, &stats);
    PT_CHECK(stats.queued == 21 && stats.queued_bytes == 0 && stats.io_failures > 0);
    is_read_only = false;
    PT_CHECK(playtrace_flush(p, 10000) == PLAYTRACE_OK && fake->taken_count == 21);
    fake_check_balance(p);
    PT_CHECK(playtrace_close(p, 0) == PLAYTRACE_OK);
    fake_destroy(fake);
    pt_free(below);
    pt_free(file);
    pt_test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk_costs_nothing_that_memory_holds),
        cmocka_unit_test(a_disk_full_at_close_is_told),
        cmocka_unit_test(a_read_only_directory_is_a_status),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
