/*
 * test_ledger.c - the ledger balances in every minute, whatever fails between its file and the
 * commit
 *
 * Method: batches of known content over several hours go into the ledger, which is committed now
 * and then as the engine does it: its file, then a checkpoint by one rename, on a simulated disk.
 * In a sweep each call fails in turn, done or not; the commit is tried again, or the machine dies
 * and reads on from the checkpoint that the disk holds. In the end files and checkpoint must hold
 * each minute once.
 */
#include "check.h"
#include "simdisk.h"
#include "stream/checkpoint.h"
#include "stream/ledger.h"
#include "stream/sources.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define HOUR_US (60 * PT_MINUTE_US)
#define START (INT64_C(29000000) / 60 * 60 * PT_MINUTE_US)
#define BATCHES 40 /* one each 7 minutes: almost five hours */
#define COMMIT_EVERY 6

/* Of batch i: so many accepted records, of which every fifth is a duplicate, and dead letters. */
static uint32_t records_of(int i)
{
    return (uint32_t)(i % 4 ? 10 + i : 0);
}

static uint64_t dead_of(int i)
{
    return (uint64_t)(i % 3);
}

/* What the log is: running sums, and where each batch begins. */
struct sums {
    uint64_t received;
    uint64_t dead;
};

static struct sums sums_at(int count)
{
    struct sums sums = {0};

    for (int i = 0; i < count; i++) {
        sums.dead += dead_of(i);
        sums.received += dead_of(i) + records_of(i);
    }
    return sums;
}

static void read_batch(struct pt_ledger *ledger, int i)
{
    struct sums sums = sums_at(i + 1);
    struct pt_error err = {0};

    PT_CHECK_OK(pt_ledger_batch(ledger, START + i * 7 * PT_MINUTE_US, records_of(i), sums.received,
                                sums.dead, &err),
                err);
    for (uint32_t r = 0; r < records_of(i); r++) {
        pt_ledger_event(ledger, r % 5 != 4, r % 5 == 0);
    }
}

/* The world of one run: a disk, the ledger, and where the log is read on. */
struct world {
    struct pt_simdisk *disk;
    struct pt_io *io;
    struct pt_json_parser *parser;
    struct pt_ledger ledger;
    uint64_t number; /* of the newest checkpoint, as the process knows */
    int next;        /* batch */
};

#define CHECKPOINT "state/checkpoint"

/* Of the checkpoint on the disk: false where there is none. */
static bool read_checkpoint(struct world *world, struct pt_json *ledger_out, int64_t *number,
                            int64_t *next)
{
    static uint8_t *data;
    size_t size = 0;
    struct pt_json root;
    struct pt_error err = {0};
    enum pt_code code = PT_OK;

    pt_free(data);
    data = NULL;
    code = pt_io_read_all(world->io, CHECKPOINT, 1 << 20, PT_JSON_PADDING, &data, &size, &err);
    if (code == PT_NOT_FOUND) {
        return false;
    }
    PT_CHECK_OK(code, err);
    PT_CHECK_OK(pt_json_parse(world->parser, pt_span_of(data, size), &root, NULL, &err), err);
    pt_free(data);
    data = NULL;
    PT_CHECK(pt_json_member_int(root, "number", number) && pt_json_member_int(root, "next", next));
    *ledger_out = pt_json_member(root, "ledger");
    return true;
}

static void start(struct world *world)
{
    struct pt_json ledger;
    int64_t number = 0;
    int64_t next = 0;
    struct pt_error err = {0};

    PT_CHECK_OK(pt_ledger_init(&world->ledger, world->io, "state", 90, &err), err);
    PT_CHECK_OK(pt_io_sync_dir(world->io, "state", &err), err);
    if (read_checkpoint(world, &ledger, &number, &next)) {
        PT_CHECK(pt_ledger_load(&world->ledger, ledger));
    }
    world->number = (uint64_t)number;
    world->next = (int)next;
    PT_CHECK_OK(pt_ledger_remove_old(&world->ledger, world->number, START, &err), err);
}

static enum pt_code commit(struct world *world)
{
    struct pt_buf text;
    struct pt_jsonw w;
    enum pt_code code = PT_OK;

    pt_ledger_select(&world->ledger, world->number + 1);
    code = pt_ledger_put_away(&world->ledger, NULL);
    pt_buf_init(&text, 1 << 20);
    pt_jsonw_init(&w, &text);
    pt_jsonw_object(&w);
    pt_jsonw_key(&w, "number");
    pt_jsonw_uint(&w, world->number + 1);
    pt_jsonw_key(&w, "next");
    pt_jsonw_int(&w, world->next);
    pt_jsonw_key(&w, "ledger");
    pt_ledger_describe(&world->ledger, &w);
    pt_jsonw_object_end(&w);
    if (!code) {
        code = pt_io_replace(world->io, CHECKPOINT, pt_buf_span(&text), 0, NULL);
    }
    if (!code) {
        world->number++;
        pt_ledger_committed(&world->ledger);
    }
    pt_buf_release(&text);
    return code;
}

/* Files and checkpoint together hold every batch once. */
static void check_all(struct world *world)
{
    struct pt_ledger_summary summary;
    struct pt_buf minutes;
    const struct pt_ledger_minute *at = NULL;
    struct pt_json ledger;
    int64_t number = 0;
    int64_t next = 0;
    struct pt_error err = {0};

    pt_buf_init(&minutes, 1 << 20);
    PT_CHECK(read_checkpoint(world, &ledger, &number, &next));
    assert_int_equal(next, BATCHES);
    PT_CHECK(pt_ledger_read_state(ledger, 0, INT64_MAX, &summary, &minutes));
    PT_CHECK_OK(
        pt_ledger_read_files(world->io, "state", (uint64_t)number, 0, INT64_MAX, &minutes, &err),
        err);
    pt_ledger_merge(&minutes);
    at = (const struct pt_ledger_minute *)(const void *)minutes.data;
    assert_int_equal(minutes.size / sizeof(*at), BATCHES);
    for (int i = 0; i < BATCHES; i++) {
        const struct pt_ledger_counts *c = &at[i].counts;

        assert_int_equal(at[i].minute, pt_minute_of(START) + i * 7);
        assert_int_equal(c->accepted, records_of(i));
        assert_int_equal(c->dead_lettered, dead_of(i));
        assert_int_equal(c->received, records_of(i) + dead_of(i));
        assert_int_equal(c->duplicate, records_of(i) / 5);
        assert_int_equal(c->stored, records_of(i) - records_of(i) / 5);
        assert_int_equal(c->late, (records_of(i) + 4) / 5);
    }
    assert_int_equal(summary.total.received, sums_at(BATCHES).received);
    assert_int_equal(summary.total.dead_lettered, sums_at(BATCHES).dead);
    assert_int_equal(summary.total.accepted, summary.total.stored + summary.total.duplicate);
    pt_buf_release(&minutes);
}

/* False: no call was left to fail. */
static bool run_with_fault(struct pt_json_parser *parser, unsigned call, bool has_effect, bool dies)
{
    struct world world = {.disk = pt_simdisk_create(), .parser = parser};
    bool fired = false;

    world.io = pt_simdisk_io(world.disk);
    start(&world);
    pt_simdisk_fail_call(world.disk, call, PT_IO, has_effect);
    while (world.next < BATCHES) {
        bool is_due = false;

        read_batch(&world.ledger, world.next++);
        is_due = world.next % COMMIT_EVERY == 0 || world.next == BATCHES;
        if (is_due && commit(&world)) {
            if (dies) {
                pt_simdisk_crash(world.disk, PT_SIMDISK_LOSE_SOME, call);
                pt_ledger_release(&world.ledger);
                start(&world);
            } else if (world.next == BATCHES) {
                PT_CHECK(commit(&world) == PT_OK);
            }
        }
    }
    fired = pt_simdisk_fault_fired(world.disk);
    pt_simdisk_fail_call(world.disk, 0, PT_IO, false);
    check_all(&world);
    pt_ledger_release(&world.ledger);
    pt_simdisk_destroy(world.disk);
    return fired;
}

static void every_minute_is_there_once_whatever_fails(void **state)
{
    struct pt_json_parser *parser = pt_json_parser_create(1 << 20);
    unsigned call = 0;
    bool fired = true;

    (void)state;
    while (fired) {
        call++;
        fired = false;
        for (int way = 0; way < 4; way++) {
            fired = run_with_fault(parser, call, way & 1, way & 2) || fired;
        }
    }
    print_message("%u calls failed in turn\n", call - 1);
    PT_CHECK(call > 40);
    pt_json_parser_destroy(parser);
}

/* After a restart a batch of a note alone is read once more; dead letters without one come by the
 * note. */
static void sums_that_were_seen_count_once(void **state)
{
    struct world world = {.disk = pt_simdisk_create()};
    struct pt_ledger_minute total;
    struct pt_error err = {0};

    (void)state;
    world.io = pt_simdisk_io(world.disk);
    PT_CHECK_OK(pt_ledger_init(&world.ledger, world.io, "state", 90, &err), err);
    PT_CHECK_OK(pt_ledger_batch(&world.ledger, START, 3, 5, 2, &err), err);
    for (int i = 0; i < 3; i++) {
        pt_ledger_event(&world.ledger, true, false);
    }
    PT_CHECK_OK(pt_ledger_batch(&world.ledger, START, 0, 7, 4, &err), err);
    PT_CHECK_OK(pt_ledger_batch(&world.ledger, START, 0, 7, 4, &err), err);
    /* A note that tells of records which are yet to be read waits for them. */
    PT_CHECK_OK(pt_ledger_note(&world.ledger, START, 12, 5, &err), err);
    total = pt_ledger_minute_of(&world.ledger.total);
    assert_int_equal(total.counts.dead_lettered, 4);
    PT_CHECK_OK(pt_ledger_note(&world.ledger, START + HOUR_US, 9, 6, &err), err);
    PT_CHECK_OK(pt_ledger_note(&world.ledger, START + HOUR_US, 9, 6, &err), err);
    PT_CHECK_OK(pt_ledger_batch(&world.ledger, START + HOUR_US, 0, 9, 6, &err), err);
    total = pt_ledger_minute_of(&world.ledger.total);
    assert_int_equal(total.counts.dead_lettered, 6);
    assert_int_equal(total.counts.received, 9);
    assert_int_equal(total.counts.accepted, 3);
    assert_int_equal(total.in_flight, 3);
    assert_int_equal(total.counts.stored, 0);
    pt_ledger_committed(&world.ledger);
    total = pt_ledger_minute_of(&world.ledger.total);
    assert_int_equal(total.in_flight, 0);
    assert_int_equal(total.counts.stored, 3);
    pt_ledger_release(&world.ledger);
    pt_simdisk_destroy(world.disk);
}

static void state_without_a_ledger_stands_before_it(void **state)
{
    const struct pt_checkpoint_summary old = {
        .number = 9, .log_offset = 100, .stored = 90, .duplicates = 10, .late = 5};
    struct pt_ledger ledger = {0};
    struct pt_simdisk *disk = pt_simdisk_create();
    struct pt_ledger_minute total;
    struct pt_error err = {0};

    (void)state;
    PT_CHECK_OK(pt_ledger_init(&ledger, pt_simdisk_io(disk), "state", 90, &err), err);
    pt_ledger_begin(&ledger, &old);
    /* 104 received before: 100 accepted and 4 dead; now 6 more and none dead. */
    PT_CHECK_OK(pt_ledger_batch(&ledger, START, 6, 110, 4, &err), err);
    for (int i = 0; i < 6; i++) {
        pt_ledger_event(&ledger, i > 0, false);
    }
    assert_int_equal(ledger.before.received, 104);
    assert_int_equal(ledger.before.dead_lettered, 4);
    assert_int_equal(ledger.rows[0].open.received, 6);
    assert_int_equal(ledger.rows[0].open.dead_lettered, 0);
    pt_ledger_committed(&ledger);
    total = pt_ledger_minute_of(&ledger.total);
    assert_int_equal(total.counts.received, total.counts.accepted + total.counts.dead_lettered);
    assert_int_equal(total.counts.accepted, total.counts.stored + total.counts.duplicate);
    pt_ledger_release(&ledger);
    pt_simdisk_destroy(disk);
}

/* The clock steps back over an hour's end, then far ahead and back: minutes come twice and add up.
 */
static void a_clock_that_steps_back_loses_no_minute(void **state)
{
    static const int64_t at_minutes[] = {59, 60, 58, 61, 59, 100000, 62, 130};
    enum { STEPS = sizeof(at_minutes) / sizeof(at_minutes[0]) };
    struct pt_json_parser *parser = pt_json_parser_create(1 << 20);
    struct world world = {.disk = pt_simdisk_create(), .parser = parser};
    struct pt_buf minutes;
    const struct pt_ledger_minute *found = NULL;
    uint64_t accepted = 0;
    struct pt_error err = {0};

    (void)state;
    pt_buf_init(&minutes, 1 << 20);
    world.io = pt_simdisk_io(world.disk);
    start(&world);
    for (int i = 0; i < STEPS; i++) {
        PT_CHECK_OK(pt_ledger_batch(&world.ledger, START + at_minutes[i] * PT_MINUTE_US, 1,
                                    (uint64_t)i + 1, 0, &err),
                    err);
        pt_ledger_event(&world.ledger, true, false);
        PT_CHECK(commit(&world) == PT_OK);
    }
    PT_CHECK_OK(pt_ledger_read_files(world.io, "state", world.number, 0, INT64_MAX, &minutes, &err),
                err);
    for (size_t i = 0; i < world.ledger.count; i++) {
        struct pt_ledger_minute minute = pt_ledger_minute_of(&world.ledger.rows[i]);

        pt_buf_append(&minutes, &minute, sizeof(minute));
    }
    pt_ledger_merge(&minutes);
    found = (const struct pt_ledger_minute *)(const void *)minutes.data;
    for (size_t i = 0; i < minutes.size / sizeof(*found); i++) {
        accepted += found[i].counts.accepted;
        PT_CHECK(i == 0 || found[i].minute > found[i - 1].minute);
    }
    assert_int_equal(minutes.size / sizeof(*found), STEPS - 1); /* minute 59 came twice */
    assert_int_equal(accepted, STEPS);
    /* Older than the days kept: the file goes. */
    PT_CHECK_OK(pt_ledger_remove_old(&world.ledger, world.number,
                                     START + (100000 + 91 * 24 * 60) * PT_MINUTE_US, &err),
                err);
    pt_buf_reset(&minutes);
    PT_CHECK_OK(pt_ledger_read_files(world.io, "state", world.number, 0, INT64_MAX, &minutes, &err),
                err);
    assert_int_equal(minutes.size / sizeof(*found), 0);
    pt_buf_release(&minutes);
    pt_ledger_release(&world.ledger);
    pt_simdisk_destroy(world.disk);
    pt_json_parser_destroy(parser);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_minute_is_there_once_whatever_fails),
        cmocka_unit_test(sums_that_were_seen_count_once),
        cmocka_unit_test(state_without_a_ledger_stands_before_it),
        cmocka_unit_test(a_clock_that_steps_back_loses_no_minute),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
