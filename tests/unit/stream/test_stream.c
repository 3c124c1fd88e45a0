/*
 * test_stream.c - each event of the log is one row, whatever fails on the way
 *
 * Method: a log with duplicates is processed by the real engine into a real table. Then every call
 * that changes a file fails in turn, with all after it, as if the process had died there; a healthy
 * engine opened on what is left must bring the table to exactly the distinct events.
 */
#include "check.h"
#include "fault_io.h"
#include "stream/stream.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"

#include <stdio.h>
#include <string.h>

#define BATCHES 4
#define EVENTS 25 /* a batch; every fifth repeats an earlier one */
#define DAY0 INT64_C(1790000000000000)

struct place {
    char *root;
    char *log;
    char *state;
    char *lake;
};

static void place_init(struct place *place)
{
    place->root = pt_test_dir_create();
    place->log = pt_strf("%s/log", place->root);
    place->state = pt_strf("%s/state", place->root);
    place->lake = pt_strf("%s/lake/events", place->root);
}

static void place_release(struct place *place)
{
    pt_test_dir_remove(place->root);
    pt_free(place->log);
    pt_free(place->state);
    pt_free(place->lake);
}

static struct pt_text text_of(const char *text)
{
    return (struct pt_text){.data = text, .size = (uint32_t)strlen(text)};
}

static struct pt_log *open_log(const struct place *place)
{
    struct pt_log_options options;
    struct pt_log *log = NULL;
    struct pt_error err = {0};

    pt_log_options_default(&options);
    options.segment_bytes = 1 << 20;
    options.free_bytes_min = 0;
    PT_CHECK_OK(pt_log_open(&log, pt_io_posix(), pt_clock_system(), place->log, &options, &err),
                err);
    return log;
}

/* Event number `n`; its day moves on, so that a checkpoint spans partitions. */
static size_t encode(uint32_t n, uint8_t *record)
{
    struct pt_event event = {
        .platform = PT_PLATFORM_PC,
        .event_time_us = DAY0 + (int64_t)n * INT64_C(3600000000),
        .occurred_at_us = DAY0,
        .received_at_us = DAY0 + n,
        .seq = n,
        .boot = PT_EVENT_NO_NUMBER,
        .event_name = text_of("tick"),
        .session_id = text_of("s"),
        .attributes = text_of("{\"n\":1}"),
    };

    memset(event.event_id, 0x11, sizeof(event.event_id));
    memcpy(event.event_id, &n, sizeof(n));
    return pt_event_encode(&event, record);
}

/* Returns how many distinct events were appended. */
static uint64_t fill_log(struct pt_log *log, uint32_t first, uint32_t batches)
{
    static uint8_t records[EVENTS * 512];
    uint32_t sizes[EVENTS];
    uint8_t note[PT_LOG_NOTE_BYTES] = {0};
    struct pt_error err = {0};
    uint64_t offset = 0;
    uint32_t next = first;

    for (uint32_t b = 0; b < batches; b++) {
        size_t used = 0;

        for (uint32_t i = 0; i < EVENTS; i++) {
            uint32_t n = i % 5 == 4 ? next - 1 - i % 3 : next++;

            sizes[i] = (uint32_t)encode(n, records + used);
            used += sizes[i];
        }
        PT_CHECK_OK(
            pt_log_append(log, pt_span_of(records, used), sizes, EVENTS, note, &offset, &err), err);
    }
    PT_CHECK_OK(pt_log_sync(log, &err), err);
    return next - first;
}

struct engine {
    struct pt_config *config;
    struct pt_metrics *metrics;
    struct pt_lake *lake;
    struct pt_stream *stream;
};

static enum pt_code engine_open(struct engine *engine, const struct place *place,
                                struct pt_log *log, struct pt_io *io, struct pt_error *err)
{
    enum pt_code code = PT_OK;

    engine->config = pt_config_create();
    engine->metrics = pt_metrics_create();
    engine->lake = NULL;
    engine->stream = NULL;
    PT_CHECK(pt_config_set(engine->config, "stream.checkpoint_ms", "3600000", "test", err) ==
             PT_OK);
    code = pt_lake_open(&engine->lake, io, pt_clock_system(), place->lake, err);
    if (!code) {
        const struct pt_stream_parts parts = {
            .io = io,
            .clock = pt_clock_system(),
            .config = engine->config,
            .metrics = engine->metrics,
            .log = log,
            .lake = engine->lake,
            .log_dir = place->log,
            .state_dir = place->state,
        };

        code = pt_stream_open(&engine->stream, &parts, err);
    }
    if (!code) {
        code = pt_stream_start(engine->stream, err);
    }
    return code;
}

static void engine_close(struct engine *engine)
{
    struct pt_error err = {0};

    if (engine->stream) {
        enum pt_code code = pt_stream_stop(engine->stream, &err);

        (void)code; /* after a planted fault it fails, which is the point */
    }
    pt_stream_close(engine->stream);
    pt_lake_close(engine->lake);
    pt_metrics_destroy(engine->metrics);
    pt_config_destroy(engine->config);
}

static int64_t ask(const struct place *place, const char *what)
{
    struct pt_lake_snapshot snapshot;
    struct pt_duck *duck = NULL;
    struct pt_duck_result *result = NULL;
    struct pt_error err = {0};
    struct pt_buf sql;
    int64_t answer = 0;

    pt_buf_init(&sql, 1 << 20);
    PT_CHECK_OK(pt_lake_read(pt_io_posix(), place->lake, &snapshot, &err), err);
    PT_CHECK_OK(pt_duck_open(&duck, 1, &err), err);
    pt_buf_appendf(&sql, "SELECT %s FROM ", what);
    pt_lake_scan_sql(&snapshot, &sql);
    pt_buf_append_byte(&sql, 0);
    PT_CHECK_OK(pt_duck_query(duck, (const char *)sql.data, &result, &err), err);
    PT_CHECK(pt_duck_next(result));
    answer = pt_duck_value_at(result, 0).integer;
    pt_duck_result_close(result);
    pt_duck_close(duck);
    pt_lake_snapshot_release(&snapshot);
    pt_buf_release(&sql);
    return answer;
}

static void add_minute(void *ctx, const struct pt_ledger_minute *minute)
{
    struct pt_ledger_counts *sum = ctx;

    sum->accepted += minute->counts.accepted;
    sum->stored += minute->counts.stored;
    sum->duplicate += minute->counts.duplicate;
}

/* Its minutes and its totals say the same as the table. */
static void check_ledger(const struct place *place, uint64_t distinct, uint64_t records)
{
    struct pt_ledger_summary summary;
    struct pt_ledger_counts sum = {0};
    struct pt_error err = {0};

    PT_CHECK_OK(pt_stream_read_ledger(pt_io_posix(), place->state, 0, INT64_MAX, add_minute, &sum,
                                      &summary, &err),
                err);
    assert_int_equal(sum.accepted, records);
    assert_int_equal(sum.stored, distinct);
    assert_int_equal(sum.duplicate, records - distinct);
    assert_int_equal(summary.total.accepted, records);
    assert_int_equal(summary.total.stored, distinct);
    assert_int_equal(summary.total.duplicate, records - distinct);
}

static void check_table(const struct place *place, uint64_t distinct, uint64_t records)
{
    struct pt_checkpoint_summary summary;
    struct pt_error err = {0};

    PT_CHECK_OK(pt_stream_read_checkpoint(pt_io_posix(), place->state, &summary, &err), err);
    assert_int_equal(summary.log_offset, records);
    assert_int_equal(summary.stored, distinct);
    assert_int_equal(summary.duplicates, records - distinct);
    assert_int_equal(ask(place, "count(*)"), distinct);
    assert_int_equal(ask(place, "count(DISTINCT event_id)"), distinct);
    check_ledger(place, distinct, records);
}

static void duplicates_are_dropped_also_across_restarts(void **state)
{
    struct place place;
    struct pt_log *log = NULL;
    struct engine engine;
    struct pt_error err = {0};
    uint64_t distinct = 0;
    uint64_t records = 0;

    (void)state;
    place_init(&place);
    log = open_log(&place);
    for (uint32_t round = 0; round < 3; round++) {
        distinct += fill_log(log, (uint32_t)distinct, BATCHES);
        records += (uint64_t)BATCHES * EVENTS;
        PT_CHECK_OK(engine_open(&engine, &place, log, pt_io_posix(), &err), err);
        PT_CHECK_OK(pt_stream_checkpoint(engine.stream, &err), err);
        check_table(&place, distinct, records);
        /* The same events once more: every one is a duplicate. */
        fill_log(log, (uint32_t)distinct - 80, BATCHES);
        records += (uint64_t)BATCHES * EVENTS;
        if (round == 1) {
            PT_CHECK_OK(pt_stream_checkpoint(engine.stream, &err), err);
        }
        PT_CHECK_OK(pt_stream_stop(engine.stream, &err), err); /* commits what is left */
        engine_close(&engine);
        check_table(&place, distinct, records);
    }
    PT_CHECK(ask(&place, "count(*) FILTER (is_late)") >= 0);
    pt_log_close(log);
    place_release(&place);
}

static void no_fault_loses_or_doubles_a_row(void **state)
{
    bool fired = true;
    unsigned call = 0;

    (void)state;
    pt_log_set_level(PT_LOG_ERROR + 1);
    while (fired) {
        struct place place;
        struct pt_log *log = NULL;
        struct engine engine;
        struct pt_error err = {0};
        uint64_t distinct = 0;

        call++;
        place_init(&place);
        log = open_log(&place);
        distinct = fill_log(log, 0, BATCHES);
        if (engine_open(&engine, &place, log, pt_fault_io(call), &err) == PT_OK &&
            pt_stream_checkpoint(engine.stream, &err) == PT_OK) {
            distinct += fill_log(log, (uint32_t)distinct, 1);
            (void)(pt_stream_checkpoint(engine.stream, &err) == PT_OK);
        }
        engine_close(&engine);
        fired = pt_fault_io_fired();
        PT_CHECK_OK(engine_open(&engine, &place, log, pt_io_posix(), &err), err);
        PT_CHECK_OK(pt_stream_checkpoint(engine.stream, &err), err);
        check_table(&place, distinct, pt_log_end(log));
        engine_close(&engine);
        pt_log_close(log);
        place_release(&place);
    }
    pt_log_set_level(PT_LOG_INFO);
    print_message("%u calls failed in turn\n", call - 1);
    PT_CHECK(call > 20);
}

static void state_and_table_that_disagree_are_refused(void **state)
{
    struct place place;
    struct pt_log *log = NULL;
    struct engine engine;
    struct pt_error err = {0};
    char *other = NULL;

    (void)state;
    place_init(&place);
    log = open_log(&place);
    fill_log(log, 0, 1);
    PT_CHECK_OK(engine_open(&engine, &place, log, pt_io_posix(), &err), err);
    PT_CHECK_OK(pt_stream_checkpoint(engine.stream, &err), err);
    engine_close(&engine);
    other = pt_strf("%s/moved", place.root);
    PT_CHECK_OK(pt_io_rename(pt_io_posix(), place.state, other, &err), err);
    PT_CHECK(engine_open(&engine, &place, log, pt_io_posix(), &err) == PT_CORRUPT);
    PT_CHECK(strstr(err.text, "disagree") != NULL);
    engine_close(&engine);
    pt_free(other);
    pt_log_close(log);
    place_release(&place);
}

static void a_damaged_checkpoint_is_not_believed(void **state)
{
    struct place place;
    struct pt_log *log = NULL;
    struct engine engine;
    struct pt_error err = {0};
    char *path = NULL;
    struct pt_file *file = NULL;

    (void)state;
    place_init(&place);
    log = open_log(&place);
    fill_log(log, 0, 1);
    PT_CHECK_OK(engine_open(&engine, &place, log, pt_io_posix(), &err), err);
    PT_CHECK_OK(pt_stream_checkpoint(engine.stream, &err), err);
    engine_close(&engine);
    path = pt_strf("%s/checkpoint-%020d.json", place.state, 1);
    PT_CHECK_OK(pt_io_open(pt_io_posix(), path, PT_OPEN_WRITE, &file, &err), err);
    PT_CHECK_OK(pt_io_write(pt_io_posix(), file, 40, "9", 1, &err), err);
    pt_io_close(pt_io_posix(), file);
    PT_CHECK(engine_open(&engine, &place, log, pt_io_posix(), &err) == PT_CORRUPT);
    engine_close(&engine);
    pt_free(path);
    pt_log_close(log);
    place_release(&place);
}

struct damage {
    const char *dir;
    unsigned files;
};

static void damage_file(void *ctx, const char *name, bool is_dir)
{
    struct damage *damage = ctx;
    char *path = pt_strf("%s/%s", damage->dir, name);
    struct pt_file *file = NULL;
    struct pt_error err = {0};

    PT_CHECK(!is_dir);
    PT_CHECK_OK(pt_io_open(pt_io_posix(), path, PT_OPEN_WRITE, &file, &err), err);
    PT_CHECK_OK(pt_io_write(pt_io_posix(), file, 0, "damaged!", 8, &err), err);
    pt_io_close(pt_io_posix(), file);
    pt_free(path);
    damage->files++;
}

/* The front door opens before the ids are loaded: what they lack is found behind it. */
static void damaged_ids_stop_the_engine_and_not_the_start(void **state)
{
    struct place place;
    struct pt_log *log = NULL;
    struct engine engine;
    struct damage damage = {0};
    struct pt_error err = {0};
    char *ids = NULL;

    (void)state;
    place_init(&place);
    log = open_log(&place);
    fill_log(log, 0, 1);
    PT_CHECK_OK(engine_open(&engine, &place, log, pt_io_posix(), &err), err);
    PT_CHECK_OK(pt_stream_checkpoint(engine.stream, &err), err);
    engine_close(&engine);
    ids = pt_strf("%s/ids", place.state);
    damage.dir = ids;
    PT_CHECK_OK(pt_io_list(pt_io_posix(), ids, damage_file, &damage, &err), err);
    PT_CHECK(damage.files > 0);
    fill_log(log, 0, 1); /* every one a duplicate */
    pt_log_set_level(PT_LOG_ERROR + 1);
    PT_CHECK_OK(engine_open(&engine, &place, log, pt_io_posix(), &err), err);
    PT_CHECK(pt_stream_checkpoint(engine.stream, &err) == PT_CORRUPT);
    PT_CHECK(strstr(err.text, "run") != NULL);
    engine_close(&engine);
    pt_log_set_level(PT_LOG_INFO);
    assert_int_equal(ask(&place, "count(*)"), 20); /* nothing was stored twice */
    pt_free(ids);
    pt_log_close(log);
    place_release(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(duplicates_are_dropped_also_across_restarts),
        cmocka_unit_test(no_fault_loses_or_doubles_a_row),
        cmocka_unit_test(state_and_table_that_disagree_are_refused),
        cmocka_unit_test(a_damaged_checkpoint_is_not_believed),
        cmocka_unit_test(damaged_ids_stop_the_engine_and_not_the_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
