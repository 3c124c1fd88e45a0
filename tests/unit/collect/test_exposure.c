/*
 * test_exposure.c - exposures of our own take the way of any event, once, and wait for nobody
 *
 * Method: the collector over logs whose disk is full, or whose queue is, at will; what was added
 * is counted in the log, whose ledger must balance after each. Ids are compared across restarts.
 */
#include "check.h"
#include "collect/exposure.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

static _Atomic bool is_disk_full;

static enum pt_code scarce_free_bytes(void *ctx, const char *path, uint64_t *bytes_out,
                                      struct pt_error *err)
{
    if (atomic_load(&is_disk_full)) {
        *bytes_out = 0;
        return PT_OK;
    }
    return pt_io_posix()->free_bytes(ctx, path, bytes_out, err);
}

struct rig {
    char *dir;
    struct pt_io io;
    struct pt_config *config;
    struct pt_metrics *metrics;
    struct pt_keys *keys;
    struct pt_pseudonyms *pseudonyms;
    struct pt_log *log;
    struct pt_log *dead_letters;
    struct pt_collect *collect;
    struct pt_collect_parts parts;
    struct pt_exposures *exposures;
};

static struct pt_log *open_log(struct rig *rig, const char *name)
{
    struct pt_log_options options;
    struct pt_log *log = NULL;
    struct pt_error err = {0};
    char *path = pt_strf("%s/%s", rig->dir, name);

    pt_log_options_default(&options);
    options.segment_bytes = 1 << 20;
    options.free_bytes_min = 1;
    PT_CHECK_OK(pt_log_open(&log, &rig->io, pt_clock_system(), path, &options, &err), err);
    pt_free(path);
    return log;
}

static void rig_open(struct rig *rig)
{
    struct pt_error err = {0};
    struct pt_collect_parts parts = {.clock = pt_clock_system()};
    char *keys = NULL;

    atomic_store(&is_disk_full, false);
    if (!rig->dir) {
        rig->dir = pt_test_dir_create();
    }
    keys = pt_strf("%s/keys", rig->dir);
    rig->io = *pt_io_posix();
    rig->io.free_bytes = scarce_free_bytes;
    parts.log = rig->log = open_log(rig, "log");
    parts.dead_letters = rig->dead_letters = open_log(rig, "dlq");
    parts.config = rig->config = pt_config_create();
    parts.metrics = rig->metrics = pt_metrics_create();
    PT_CHECK_OK(pt_pseudonyms_open(&rig->pseudonyms, &rig->io, keys, true, &err), err);
    pt_free(keys);
    PT_CHECK_OK(pt_keys_open(&rig->keys, &rig->io, pt_clock_system(), NULL, NULL, 0, &err), err);
    parts.pseudonyms = rig->pseudonyms;
    parts.keys = rig->keys;
    PT_CHECK_OK(pt_collect_open(&rig->collect, &parts, 1, &err), err);
    rig->parts = parts;
    PT_CHECK_OK(pt_exposures_start(&rig->exposures, &parts, rig->collect, &err), err);
}

static int64_t count_of(const struct rig *rig, const char *verdict)
{
    char label[64];

    snprintf(label, sizeof(label), "verdict=\"%s\"", verdict);
    return pt_metric_read(
        pt_metrics_get(rig->metrics, PT_COUNTER, "playtrace_exposures_total", label, ""));
}

/* Records and dead letters, after all that was queued; the ledger balances. */
static void rig_close(struct rig *rig, uint64_t records, uint64_t dead)
{
    uint8_t bytes[PT_LOG_NOTE_BYTES];
    struct pt_ledger_note note;

    pt_exposures_close(rig->exposures);
    pt_collect_close(rig->collect);
    pt_log_last_note(rig->log, bytes);
    pt_ledger_note_decode(bytes, &note);
    PT_CHECK(note.received == records + dead && note.dead == dead);
    PT_CHECK(pt_log_end(rig->log) == records);
    PT_CHECK(pt_log_end(rig->dead_letters) == dead);
    pt_log_close(rig->log);
    pt_log_close(rig->dead_letters);
    pt_pseudonyms_close(rig->pseudonyms);
    pt_keys_close(rig->keys);
    pt_metrics_destroy(rig->metrics);
    pt_config_destroy(rig->config);
}

static void rig_remove(struct rig *rig)
{
    pt_test_dir_remove(rig->dir);
}

static struct pt_exposure exposure_of(const char *unit, const char *variant, const char *epoch)
{
    return (struct pt_exposure){
        .unit = pt_span_str(unit),
        .experiment = pt_span_str("shop"),
        .variant = pt_span_str(variant),
        .flag_key = pt_span_str("shop-flag"),
        .flag_version = pt_span_str("7"),
        .epoch = pt_span_str(epoch),
    };
}

static void add(struct rig *rig, const char *unit, const char *variant, const char *epoch)
{
    struct pt_exposure exposure = exposure_of(unit, variant, epoch);

    pt_exposures_add(rig->exposures, &exposure);
}

/* Until the counter has the value; a machine that is slow only waits longer. */
static void await(const struct rig *rig, const char *verdict, int64_t value)
{
    for (int tries = 0; tries < 3000 && count_of(rig, verdict) < value; tries++) {
        usleep(10000);
    }
    assert_int_equal(count_of(rig, verdict), value);
}

static void once_a_unit_variant_and_epoch(void **state)
{
    struct rig rig = {0};
    char long_id[400];

    (void)state;
    rig_open(&rig);
    for (int i = 0; i < 100; i++) {
        add(&rig, "alice", "a", "1");
        add(&rig, "bob", "a", "1");
    }
    add(&rig, "alice", "b", "1");
    add(&rig, "alice", "b", "\"two\"");
    await(&rig, "logged", 4);
    assert_int_equal(count_of(&rig, "repeated"), 198);

    /* What the schema refuses is a dead letter, once. */
    memset(long_id, 'x', sizeof(long_id) - 1);
    long_id[sizeof(long_id) - 1] = 0;
    add(&rig, long_id, "a", "1");
    add(&rig, long_id, "a", "1");
    await(&rig, "dead", 1);
    assert_int_equal(count_of(&rig, "dropped"), 0);
    rig_close(&rig, 4, 1);
    rig_remove(&rig);
}

static void a_full_disk_is_waited_for_and_then_has_all(void **state)
{
    struct rig rig = {0};
    char unit[32];

    (void)state;
    rig_open(&rig);
    atomic_store(&is_disk_full, true);
    for (int i = 0; i < 1000; i++) {
        snprintf(unit, sizeof(unit), "player-%d", i);
        add(&rig, unit, "a", "1");
    }
    assert_int_equal(count_of(&rig, "logged"), 0);
    atomic_store(&is_disk_full, false);
    await(&rig, "logged", 1000);
    assert_int_equal(count_of(&rig, "dropped"), 0);
    rig_close(&rig, 1000, 0);
    rig_remove(&rig);
}

static void a_full_queue_drops_and_the_next_evaluation_logs(void **state)
{
    struct rig rig = {0};
    char unit[256];
    int64_t first = 0;
    int added = 0;

    (void)state;
    rig_open(&rig);
    atomic_store(&is_disk_full, true);
    while (count_of(&rig, "dropped") < 10) {
        snprintf(unit, sizeof(unit), "player-%d-%0200d", added++, 0);
        add(&rig, unit, "a", "1");
    }
    first = count_of(&rig, "dropped");
    PT_CHECK(added > 1000);
    atomic_store(&is_disk_full, false);
    await(&rig, "logged", added - first);
    /* All come again: those that were dropped, and no other. */
    for (int i = 0; i < added; i++) {
        snprintf(unit, sizeof(unit), "player-%d-%0200d", i, 0);
        add(&rig, unit, "a", "1");
    }
    await(&rig, "logged", added);
    assert_int_equal(count_of(&rig, "dropped"), first);
    rig_close(&rig, (uint64_t)added, 0);
    rig_remove(&rig);
}

static void closing_beside_a_full_disk_ends_and_counts(void **state)
{
    struct rig rig = {0};
    char unit[32];

    (void)state;
    rig_open(&rig);
    atomic_store(&is_disk_full, true);
    for (int i = 0; i < 600; i++) {
        snprintf(unit, sizeof(unit), "player-%d", i);
        add(&rig, unit, "a", "1");
    }
    pt_exposures_close(rig.exposures);
    rig.exposures = NULL;
    assert_int_equal(count_of(&rig, "dropped"), 600);
    rig_close(&rig, 0, 0);
    rig_remove(&rig);
}

static void *add_many(void *arg)
{
    struct rig *rig = arg;
    char unit[32];

    for (int i = 0; i < 2000; i++) {
        snprintf(unit, sizeof(unit), "player-%d", i);
        add(rig, unit, "a", "1");
    }
    return NULL;
}

static void threads_together_log_each_once(void **state)
{
    struct rig rig = {0};
    pthread_t threads[4];

    (void)state;
    rig_open(&rig);
    for (int i = 0; i < 4; i++) {
        PT_CHECK(pthread_create(&threads[i], NULL, add_many, &rig) == 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    await(&rig, "logged", 2000);
    assert_int_equal(count_of(&rig, "repeated"), 6000);
    rig_close(&rig, 2000, 0);
    rig_remove(&rig);
}

static void an_id_is_the_same_after_a_restart_and_tells_no_unit(void **state)
{
    static const char *const others[][3] = {
        {"bob", "a", "1"}, {"alice", "b", "1"}, {"alice", "a", "2"}, {"alice", "a", ""}};
    struct rig rig = {0};
    struct pt_pseudonyms *elsewhere = NULL;
    struct pt_error err = {0};
    struct pt_exposure exposure = exposure_of("alice", "a", "1");
    struct pt_exposure shifted = exposure_of("alice", "a1", "");
    uint8_t id[PT_UUID_BYTES];
    uint8_t again[PT_UUID_BYTES];

    (void)state;
    rig_open(&rig);
    PT_CHECK(pt_exposure_id(rig.pseudonyms, &exposure, id));
    PT_CHECK((id[6] >> 4) == 8 && (id[8] >> 6) == 2);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct pt_exposure other = exposure_of(others[i][0], others[i][1], others[i][2]);

        PT_CHECK(pt_exposure_id(rig.pseudonyms, &other, again));
        PT_CHECK(memcmp(id, again, sizeof(id)) != 0);
    }
    PT_CHECK(pt_exposure_id(rig.pseudonyms, &shifted, again));
    PT_CHECK(memcmp(id, again, sizeof(id)) != 0);
    /* Under another key it is another: nobody can try user ids against the table. */
    PT_CHECK_OK(pt_pseudonyms_open_ephemeral(&elsewhere, &err), err);
    PT_CHECK(pt_exposure_id(elsewhere, &exposure, again));
    PT_CHECK(memcmp(id, again, sizeof(id)) != 0);
    pt_pseudonyms_close(elsewhere);
    rig_close(&rig, 0, 0);

    rig_open(&rig);
    PT_CHECK(pt_exposure_id(rig.pseudonyms, &exposure, again));
    PT_CHECK(memcmp(id, again, sizeof(id)) == 0);
    rig_close(&rig, 0, 0);
    rig_remove(&rig);
}

static void an_id_is_whole_or_none(void **state)
{
    static char long_name[32 << 10];
    struct rig rig = {0};
    struct pt_exposure exposure = exposure_of("alice", "a", "1");
    uint8_t id[PT_UUID_BYTES];

    (void)state;
    rig_open(&rig);
    pt_mem_fail_after(1);
    PT_CHECK(!pt_exposure_id(rig.pseudonyms, &exposure, id));
    pt_mem_fail_after(0);
    PT_CHECK(pt_exposure_id(rig.pseudonyms, &exposure, id));
    memset(long_name, 'a', sizeof(long_name));
    exposure.experiment = pt_span_of(long_name, sizeof(long_name));
    PT_CHECK(!pt_exposure_id(rig.pseudonyms, &exposure, id));
    rig_close(&rig, 0, 0);
    rig_remove(&rig);
}

static void no_failed_allocation_loses_count(void **state)
{
    struct rig rig = {0};
    uint64_t logged = 0;
    bool fired = true;

    (void)state;
    rig_open(&rig);
    for (unsigned nth = 1; fired; nth++) {
        struct pt_error err = {0};
        int64_t before = count_of(&rig, "logged") + count_of(&rig, "dropped");
        char unit[32];

        pt_exposures_close(rig.exposures);
        pt_mem_fail_after(nth);
        if (pt_exposures_start(&rig.exposures, &rig.parts, rig.collect, &err) == PT_OK) {
            for (unsigned i = 0; i < 3; i++) {
                snprintf(unit, sizeof(unit), "player-%u-%u", nth, i);
                add(&rig, unit, "a", "1");
            }
            /* Whatever is still queued gets one try. */
            pt_exposures_close(rig.exposures);
            rig.exposures = NULL;
            assert_int_equal(count_of(&rig, "logged") + count_of(&rig, "dropped"), before + 3);
        } else {
            PT_CHECK(rig.exposures == NULL && err.text[0]);
        }
        fired = pt_mem_fault_fired();
        pt_mem_fail_after(0);
    }
    logged = (uint64_t)count_of(&rig, "logged");
    PT_CHECK(logged > 0);
    rig_close(&rig, logged, 0);
    rig_remove(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(once_a_unit_variant_and_epoch),
        cmocka_unit_test(a_full_disk_is_waited_for_and_then_has_all),
        cmocka_unit_test(a_full_queue_drops_and_the_next_evaluation_logs),
        cmocka_unit_test(closing_beside_a_full_disk_ends_and_counts),
        cmocka_unit_test(threads_together_log_each_once),
        cmocka_unit_test(an_id_is_whole_or_none),
        cmocka_unit_test(no_failed_allocation_loses_count),
        cmocka_unit_test(an_id_is_the_same_after_a_restart_and_tells_no_unit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
