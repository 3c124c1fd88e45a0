/*
 * test_idset.c - an id seen within the window is found; one that was not is never taken for seen
 *
 * Method: thousands of random steps (new ids, twins near and far, hours that pass, checkpoints,
 * failing ones, restarts, power cuts in the middle of merges) against a plain list of what was seen
 * when, on a simulated disk; ids at the edges of buckets; ids made to collide; files damaged,
 * missing, of another state and of other versions.
 */
#include "idset_world.h"

#include "base/crypto.h"
#include "observe/observe.h"
#include "wire/frame.h"

/* ---- against a plain list ---- */

#define MODEL_IDS 4000u
#define ABSENT INT64_MIN

struct model {
    uint8_t ids[MODEL_IDS][PT_UUID_BYTES];
    int64_t seen[MODEL_IDS];  /* hour of the last sighting, or ABSENT */
    int64_t saved[MODEL_IDS]; /* as the checkpoint has it */
    bool is_open[MODEL_IDS];  /* sighted since the checkpoint */
    unsigned made;
    int64_t newest;
};

static bool model_add(struct model *m, unsigned i, int64_t hour, int64_t window)
{
    bool was_seen = false;

    m->newest = hour > m->newest ? hour : m->newest;
    was_seen = m->seen[i] != ABSENT && (m->is_open[i] || m->seen[i] >= m->newest - window);
    if (!was_seen || m->seen[i] != m->newest) {
        m->seen[i] = m->newest;
        m->is_open[i] = true;
    }
    return !was_seen;
}

static void model_commit(struct model *m)
{
    memcpy(m->saved, m->seen, sizeof(m->seen));
    memset(m->is_open, 0, sizeof(m->is_open));
}

static void model_roll_back(struct model *m)
{
    memcpy(m->seen, m->saved, sizeof(m->seen));
    memset(m->is_open, 0, sizeof(m->is_open));
    m->newest = 0;
    for (unsigned i = 0; i < m->made; i++) {
        m->newest = m->seen[i] > m->newest ? m->seen[i] : m->newest;
    }
}

/* A checkpoint during which any one call may fail: then nothing has changed, and it is repeated. */
static void commit_with_fault(struct idset_world *w, struct pt_rng *rng)
{
    struct pt_error err = {0};
    size_t open_count = pt_idset_open_count(w->set);

    pt_simdisk_fail_call(w->disk, 1 + (unsigned)pt_rng_below(rng, 12),
                         pt_rng_below(rng, 2) ? PT_IO : PT_FULL, pt_rng_below(rng, 2));
    if (pt_idset_write(w->set, w->checkpoint + 1, &err)) {
        PT_CHECK(err.text[0] != '\0');
        PT_CHECK(pt_idset_open_count(w->set) == open_count);
    }
    pt_simdisk_fail_call(w->disk, 0, PT_OK, false);
    world_commit(w);
}

static void one_life(uint64_t seed, unsigned window, unsigned steps)
{
    struct model *m = pt_alloc_zero(sizeof(*m));
    struct idset_world w;
    struct pt_rng rng;
    int64_t now_us = 500000 * HOUR_US;

    assert_non_null(m);
    print_message("seed %llu\n", (unsigned long long)seed);
    pt_rng_seed(&rng, seed);
    for (unsigned i = 0; i < MODEL_IDS; i++) {
        m->seen[i] = m->saved[i] = ABSENT;
    }
    world_up(&w, window);
    for (unsigned step = 0; step < steps; step++) {
        uint64_t dice = pt_rng_below(&rng, 1000);

        if (dice < 550 && m->made < MODEL_IDS) {
            int64_t made_us = now_us - (dice < 40 ? 5 * HOUR_US : 0);

            make_id(seed * MODEL_IDS + m->made, dice % 2, made_us, m->ids[m->made]);
            PT_CHECK(world_add(&w, m->ids[m->made], now_us));
            PT_CHECK(model_add(m, m->made++, now_us / HOUR_US, window));
        } else if (dice < 950 && m->made > 0) {
            unsigned near = m->made < 50 ? m->made : 50;
            unsigned i = dice < 750 ? m->made - 1 - (unsigned)pt_rng_below(&rng, near)
                                    : (unsigned)pt_rng_below(&rng, m->made);
            int64_t at_us = now_us - (dice % 7 == 0 ? HOUR_US : 0); /* a little back */

            PT_CHECK(world_add(&w, m->ids[i], at_us) == model_add(m, i, at_us / HOUR_US, window));
        } else if (dice < 965) {
            now_us += (int64_t)pt_rng_below(&rng, (uint64_t)(2 * HOUR_US));
        } else if (dice < 985) {
            if (dice % 3 == 0) {
                commit_with_fault(&w, &rng);
            } else {
                world_commit(&w);
            }
            model_commit(m);
        } else if (dice < 995) {
            pt_simdisk_crash(w.disk,
                             pt_rng_below(&rng, 2) ? PT_SIMDISK_LOSE_SOME : PT_SIMDISK_LOSE_ALL,
                             pt_rng_next(&rng));
            world_again(&w);
            model_roll_back(m);
        } else {
            pt_idset_wait_merge(w.set);
        }
    }
    world_commit(&w);
    PT_CHECK(world_verify(&w).damaged == 0);
    world_down(&w);
    pt_free(m);
}

static void agrees_with_a_plain_list(void **state)
{
    (void)state;
    one_life(1, 3, 9000);
    one_life(2, 24, 9000);
    one_life(3, 1, 6000);
    one_life(4, 720, 9000); /* several hours share a tag of the filter */
}

static void the_window_is_kept_to_its_last_moment(void **state)
{
    struct idset_world w;
    uint8_t early[PT_UUID_BYTES];
    uint8_t late[PT_UUID_BYTES];
    uint8_t other[PT_UUID_BYTES];

    (void)state;
    make_id(1, false, 0, early);
    make_id(2, false, 0, late);
    make_id(3, false, 0, other);
    world_up(&w, 2);
    PT_CHECK(world_add(&w, early, 10 * HOUR_US));
    PT_CHECK(world_add(&w, late, 11 * HOUR_US - 1));
    world_commit(&w);
    PT_CHECK(world_add(&w, other, 13 * HOUR_US - 1));
    world_commit(&w);
    world_again(&w);
    PT_CHECK(!world_add(&w, late, 13 * HOUR_US - 1)); /* two hours, to the moment */
    world_commit(&w);
    make_id(4, false, 0, other);
    PT_CHECK(world_add(&w, other, 13 * HOUR_US)); /* hour 10 is now past the window as a whole */
    PT_CHECK(world_add(&w, early, 13 * HOUR_US));
    world_commit(&w);
    PT_CHECK(!world_add(&w, early, 13 * HOUR_US + 5));
    world_down(&w);
}

/* A twin is a sighting: what comes again and again stays known, however long ago it came first. */
static void a_twin_renews_its_id(void **state)
{
    struct idset_world w;
    uint8_t id[PT_UUID_BYTES];

    (void)state;
    make_id(1, true, 0, id);
    world_up(&w, 2);
    PT_CHECK(world_add(&w, id, 10 * HOUR_US));
    for (int64_t hour = 12; hour < 40; hour += 2) {
        world_commit(&w);
        if (hour % 4 == 0) {
            world_again(&w);
        }
        PT_CHECK(!world_add(&w, id, hour * HOUR_US));
        PT_CHECK(!world_add(&w, id, hour * HOUR_US + 1));
    }
    world_commit(&w);
    PT_CHECK(world_add(&w, id, 50 * HOUR_US));
    world_down(&w);
}

static void a_batch_is_its_ids_in_order(void **state)
{
    enum { COUNT = 300 };
    struct idset_world w;
    struct pt_error err = {0};
    uint8_t ids[COUNT][PT_UUID_BYTES];
    const uint8_t *asked[COUNT];
    int64_t times[COUNT];
    bool is_new[COUNT];
    size_t done = 0;
    char path[256];

    (void)state;
    world_up(&w, 24);
    for (unsigned i = 0; i < COUNT; i++) {
        make_id(i - (i % 3 == 2 ? 2 : 0), false, 0, ids[i]);
        asked[i] = ids[i];
        times[i] = i;
    }
    PT_CHECK_OK(pt_idset_add_batch(w.set, asked, times, COUNT, is_new, &done, &err), err);
    PT_CHECK(done == COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        PT_CHECK(is_new[i] == (i % 3 != 2));
    }
    world_commit(&w);
    /* The first that has to be read cannot be: those before it are noted. */
    world_only_file(&w, path);
    pt_simdisk_flip(w.disk, path, 200, 1);
    make_id(9999, false, 0, ids[0]);
    make_id(9998, false, 0, ids[1]);
    PT_CHECK(pt_idset_add_batch(w.set, asked, times, COUNT, is_new, &done, &err) == PT_CORRUPT);
    PT_CHECK(done == 2 && pt_idset_open_count(w.set) == 2);
    world_down(&w);
}

/* Ids that agree in their first half, of one moment, all with the same end, ascending, and equal
 * ones. */
static void ids_made_alike_are_ids(void **state)
{
    enum { COUNT = 3000 };
    struct idset_world w;
    uint8_t id[PT_UUID_BYTES] = {0};

    (void)state;
    world_up(&w, 24);
    for (unsigned pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < COUNT; i++) {
            memset(id, i % 3 == 0 ? 0xff : 0, sizeof(id));
            pt_put_u32(id + (i % 3 == 1 ? 0 : 12), i);
            PT_CHECK(world_add(&w, id, HOUR_US) == (pass == 0));
        }
        world_commit(&w);
    }
    PT_CHECK(world_verify(&w).damaged == 0);
    PT_CHECK(world_verify(&w).ids == COUNT);
    world_down(&w);
}

/* ---- files that are not as they were left ---- */

static void write_ids(struct idset_world *w, unsigned count, bool is_v7)
{
    for (unsigned i = 0; i < count; i++) {
        uint8_t id[PT_UUID_BYTES];

        make_id(i, is_v7, i, id);
        PT_CHECK(world_add(w, id, i));
    }
    world_commit(w);
}

static void every_damaged_byte_is_noticed_by_an_audit(void **state)
{
    struct idset_world w;
    struct pt_error err = {0};
    struct pt_file *file = NULL;
    char path[256];
    uint64_t size = 0;

    (void)state;
    world_up(&w, 24);
    write_ids(&w, 300, true);
    world_only_file(&w, path);
    PT_CHECK(world_verify(&w).runs == 1 && world_verify(&w).ids == 300);
    PT_CHECK_OK(pt_io_open(w.io, path, PT_OPEN_WRITE, &file, &err), err);
    PT_CHECK_OK(pt_io_size(w.io, file, &size, &err), err);
    for (uint64_t at = 0; at < size; at++) {
        pt_simdisk_flip(w.disk, path, at, (uint8_t)(1u << at % 8));
        PT_CHECK(world_verify(&w).damaged == 1);
        pt_simdisk_flip(w.disk, path, at, (uint8_t)(1u << at % 8));
    }
    PT_CHECK(world_verify(&w).damaged == 0);
    PT_CHECK_OK(pt_io_truncate(w.io, file, size - 1, &err), err);
    PT_CHECK(world_verify(&w).damaged == 1);
    pt_io_close(w.io, file);
    world_down(&w);
}

/* A state is opened without reading its ids; a damaged block is found when it is asked, and named.
 */
static void a_damaged_block_is_named_when_it_is_read(void **state)
{
    struct idset_world w;
    struct pt_error err = {0};
    char path[256];
    unsigned damaged = 0;

    (void)state;
    world_up(&w, 24);
    write_ids(&w, 2000, false);
    world_only_file(&w, path);
    pt_simdisk_flip(w.disk, path, 128 + 5000, 1); /* in the second block of 256 */
    world_again(&w);
    for (unsigned i = 0; i < 2000; i++) {
        uint8_t id[PT_UUID_BYTES];
        bool is_new = true;
        enum pt_code code = PT_OK;

        make_id(i, false, i, id);
        code = pt_idset_add(w.set, id, 0, &is_new, &err);
        if (code) {
            PT_CHECK(code == PT_CORRUPT);
            assert_non_null(strstr(err.text, path));
            assert_non_null(strstr(err.text, "block 1 of its ids"));
            damaged++;
        } else {
            PT_CHECK(!is_new);
        }
    }
    PT_CHECK(damaged == 256);
    assert_non_null(strstr(world_verify(&w).reason, "block 1 of its ids"));
    world_down(&w);
}

static void what_opening_reads_is_verified(void **state)
{
    static const struct {
        const char *what;
        int64_t at; /* from the end where negative */
        const char *says;
    } cases[] = {
        {"the magic", 3, "not a run of ids"},
        {"the header", 30, "checksum of its header"},
        {"the index", -3, "checksum of its index"},
        {"the hashes", -300, "of its hashes"},
    };
    struct idset_world w;
    struct pt_error err = {0};
    struct pt_file *file = NULL;
    char path[256];
    uint64_t size = 0;

    (void)state;
    world_up(&w, 24);
    write_ids(&w, 2000, false);
    world_only_file(&w, path);
    PT_CHECK_OK(pt_io_open(w.io, path, PT_OPEN_READ, &file, &err), err);
    PT_CHECK_OK(pt_io_size(w.io, file, &size, &err), err);
    pt_io_close(w.io, file);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t at = cases[i].at < 0 ? size - (uint64_t)-cases[i].at : (uint64_t)cases[i].at;

        pt_idset_close(w.set);
        pt_simdisk_flip(w.disk, path, at, 4);
        PT_CHECK(world_try_load(&w, &err) == PT_CORRUPT);
        assert_non_null(strstr(err.text, cases[i].says));
        assert_non_null(strstr(err.text, path));
        pt_simdisk_flip(w.disk, path, at, 4);
    }
    pt_idset_close(w.set);
    PT_CHECK_OK(pt_io_unlink(w.io, path, &err), err);
    PT_CHECK(world_try_load(&w, &err) == PT_CORRUPT);
    assert_non_null(strstr(err.text, "is missing"));
    world_down(&w);
}

static void a_newer_version_is_refused(void **state)
{
    struct idset_world w;
    struct pt_error err = {0};
    char path[256];

    (void)state;
    world_up(&w, 24);
    write_ids(&w, 10, false);
    world_only_file(&w, path);
    pt_simdisk_flip(w.disk, path, 7, '2' ^ '3');
    pt_idset_close(w.set);
    PT_CHECK(world_try_load(&w, &err) == PT_INVALID);
    assert_non_null(strstr(err.text, "format 3"));
    assert_non_null(strstr(err.text, "knows 2"));
    world_down(&w);
}

static void a_run_of_another_state_is_refused(void **state)
{
    struct idset_world w;
    struct idset_world other;
    struct pt_error err = {0};
    struct pt_file *file = NULL;
    uint8_t *data = NULL;
    size_t size = 0;
    char path[256];

    (void)state;
    world_up(&other, 24);
    write_ids(&other, 10, false);
    world_only_file(&other, path);
    PT_CHECK_OK(pt_io_read_all(other.io, path, 1u << 20, 1, &data, &size, &err), err);
    world_down(&other);
    world_up(&w, 24);
    write_ids(&w, 10, false);
    PT_CHECK(world_add(&w, (const uint8_t *)"another id here!", 0));
    world_commit(&w);
    pt_idset_close(w.set);
    PT_CHECK_OK(pt_io_open(w.io, path, PT_OPEN_WRITE, &file, &err), err);
    PT_CHECK_OK(pt_io_truncate(w.io, file, 0, &err), err);
    PT_CHECK_OK(pt_io_write(w.io, file, 0, data, size, &err), err);
    pt_io_close(w.io, file);
    PT_CHECK(world_try_load(&w, &err) == PT_CORRUPT);
    assert_non_null(strstr(err.text, "another state"));
    pt_free(data);
    world_down(&w);
}

/* ---- version 1 ---- */

static void write_version_1(struct idset_world *w, const char *name, uint32_t bucket, uint8_t first,
                            uint8_t count)
{
    struct pt_error err = {0};
    struct pt_file *file = NULL;
    uint8_t data[64 + 64 + 255 * PT_UUID_BYTES] = {0};
    size_t size = 128 + (size_t)count * PT_UUID_BYTES;
    char path[256];

    memcpy(data, "PTIDRUN1", 8);
    pt_put_u32(data + 8, bucket);
    pt_put_u32(data + 12, 1);
    pt_put_u64(data + 16, count);
    for (uint8_t i = 0; i < count; i++) {
        memset(data + 128 + i * PT_UUID_BYTES, first + i, PT_UUID_BYTES);
    }
    memcpy(data + 24, data + 128, PT_UUID_BYTES);
    memcpy(data + 40, data + size - PT_UUID_BYTES, PT_UUID_BYTES);
    pt_put_u64(data + 56, pt_checksum64_pair(data, 56, data + 64, size - 64));
    snprintf(path, sizeof(path), "%s/%s", IDS_DIR, name);
    PT_CHECK_OK(pt_io_open(w->io, path, PT_OPEN_WRITE | PT_OPEN_CREATE, &file, &err), err);
    PT_CHECK_OK(pt_io_write(w->io, file, 0, data, size, &err), err);
    PT_CHECK_OK(pt_io_sync(w->io, file, &err), err);
    pt_io_close(w->io, file);
    PT_CHECK_OK(pt_io_sync_dir(w->io, IDS_DIR, &err), err);
}

static void version_1_is_read_and_written_anew(void **state)
{
    static const char named[] = "[{\"file\":\"run-a.ids\",\"bucket\":7,\"count\":20},"
                                "{\"file\":\"run-b.ids\",\"bucket\":8,\"count\":30}]";
    struct pt_error err = {0};
    bool went_through = false;

    (void)state;
    /* Every call fails in turn while it is taken over; then it is taken over all the same. */
    for (unsigned call = 1; !went_through; call++) {
        struct idset_world w;

        world_up(&w, 24);
        write_version_1(&w, "run-a.ids", 7, 1, 20);
        write_version_1(&w, "run-b.ids", 8, 100, 30);
        pt_buf_reset(&w.named);
        pt_buf_append(&w.named, named, strlen(named));
        assert_non_null(pt_buf_reserve(&w.named, PT_JSON_PADDING));
        pt_idset_close(w.set);
        pt_simdisk_fail_call(w.disk, call + 1, PT_IO, false); /* the first makes the directory */
        went_through = world_try_load(&w, &err) == PT_OK;
        PT_CHECK(went_through == !pt_simdisk_fault_fired(w.disk));
        pt_simdisk_fail_call(w.disk, 0, PT_OK, false);
        pt_simdisk_crash(w.disk, PT_SIMDISK_LOSE_ALL, call);
        world_again(&w);
        PT_CHECK(world_verify(&w).runs == 2 && world_verify(&w).ids == 50);
        for (uint8_t i = 0; i < 140; i++) {
            uint8_t id[PT_UUID_BYTES];

            memset(id, i, sizeof(id));
            PT_CHECK(world_add(&w, id, 8 * HOUR_US) ==
                     !((i >= 1 && i < 21) || (i >= 100 && i < 130)));
        }
        world_down(&w);
    }
}

static void a_damaged_version_1_is_refused(void **state)
{
    static const char named[] = "[{\"file\":\"run-a.ids\",\"bucket\":7,\"count\":20}]";
    struct idset_world w;
    struct pt_error err = {0};

    (void)state;
    world_up(&w, 24);
    write_version_1(&w, "run-a.ids", 7, 1, 20);
    pt_buf_reset(&w.named);
    pt_buf_append(&w.named, named, strlen(named));
    assert_non_null(pt_buf_reserve(&w.named, PT_JSON_PADDING));
    for (uint64_t at = 8; at < 128 + 20 * PT_UUID_BYTES; at += 13) {
        pt_idset_close(w.set);
        pt_simdisk_flip(w.disk, IDS_DIR "/run-a.ids", at, 2);
        PT_CHECK(world_try_load(&w, &err) == PT_CORRUPT);
        pt_simdisk_flip(w.disk, IDS_DIR "/run-a.ids", at, 2);
    }
    world_down(&w);
}

/* ---- approximate mode ---- */

static void approximate_forgets_nothing_and_errs_as_it_says(void **state)
{
    enum { COUNT = 60000 };
    struct idset_world w;
    bool *is_known = pt_alloc(COUNT); /* false: was new and taken for a twin */
    unsigned dropped = 0;
    double expected = 0;

    (void)state;
    assert_non_null(is_known);
    world_up(&w, 24);
    pt_idset_set_approximate(w.set);
    for (unsigned i = 0; i < COUNT; i++) {
        uint8_t id[PT_UUID_BYTES];

        make_id(i, i % 2, i, id);
        expected += world_stats(&w).false_rate;
        is_known[i] = world_add(&w, id, i);
        dropped += !is_known[i];
        PT_CHECK(!world_add(&w, id, i));
        if (i % 5000 == 4999) {
            world_commit(&w);
        }
        if (i % 20000 == 19999) {
            world_again(&w);
            pt_idset_set_approximate(w.set);
        }
    }
    /* Some twenty are expected; chance alone never gives thrice that. */
    PT_CHECK(dropped <= 3 * expected && dropped >= expected / 5);
    PT_CHECK(world_stats(&w).block_reads == 0);
    PT_CHECK(world_stats(&w).disk_bytes < COUNT * 5);
    PT_CHECK(world_verify(&w).damaged == 0);
    /* Back in exact mode the filter still answers for the runs without ids. */
    world_again(&w);
    for (unsigned i = 0; i < COUNT; i += 7) {
        uint8_t id[PT_UUID_BYTES];

        make_id(i, i % 2, i, id);
        PT_CHECK(!world_add(&w, id, COUNT) || !is_known[i]);
    }
    world_down(&w);
    pt_free(is_known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_plain_list),
        cmocka_unit_test(the_window_is_kept_to_its_last_moment),
        cmocka_unit_test(a_twin_renews_its_id),
        cmocka_unit_test(a_batch_is_its_ids_in_order),
        cmocka_unit_test(ids_made_alike_are_ids),
        cmocka_unit_test(every_damaged_byte_is_noticed_by_an_audit),
        cmocka_unit_test(a_damaged_block_is_named_when_it_is_read),
        cmocka_unit_test(what_opening_reads_is_verified),
        cmocka_unit_test(a_newer_version_is_refused),
        cmocka_unit_test(a_run_of_another_state_is_refused),
        cmocka_unit_test(version_1_is_read_and_written_anew),
        cmocka_unit_test(a_damaged_version_1_is_refused),
        cmocka_unit_test(approximate_forgets_nothing_and_errs_as_it_says),
    };

    pt_log_set_level(PT_LOG_ERROR + 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
