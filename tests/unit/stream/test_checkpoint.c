/*
 * test_checkpoint.c - state, log and table go together, or the engine says what does not
 *
 * Method: the real engine makes a checkpoint, then another one; copies of log, state and table of
 * both moments are put together in every pairing and opened. Checkpoint files are rewritten as an
 * older and as a newer version would have written them, and with parts of nonsense.
 */
#include "check.h"
#include "stream/account.h"
#include "stream/stream.h"

#include "base/mem.h"
#include "base/tree.h"
#include "wire/frame.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define EVENTS 40
#define START INT64_C(1600000000000000) /* before any clock of a machine that runs this */
#define DAY_US INT64_C(86400000000)

struct place {
    char *root;
    char *log;
    char *state;
    char *lake;
    struct pt_json_parser *parser;
};

static void place_init(struct place *place)
{
    place->root = pt_test_dir_create();
    place->log = pt_strf("%s/log", place->root);
    place->state = pt_strf("%s/state", place->root);
    place->lake = pt_strf("%s/lake/events", place->root);
    place->parser = pt_json_parser_create(16 << 20);
}

static void place_release(struct place *place)
{
    pt_test_dir_remove(place->root);
    pt_json_parser_destroy(place->parser);
    pt_free(place->log);
    pt_free(place->state);
    pt_free(place->lake);
}

/* ---- copies ---- */

struct copy {
    const char *from;
    const char *to;
};

static enum pt_code copy_entry(void *ctx, const struct pt_tree_entry *entry, struct pt_error *err)
{
    const struct copy *copy = ctx;
    char *from = pt_strf("%s/%s", copy->from, entry->path);
    char *to = pt_strf("%s/%s", copy->to, entry->path);
    enum pt_code code = entry->is_dir ? pt_io_mkdir(pt_io_posix(), to, err)
                                      : pt_file_copy(pt_io_posix(), from, to, 0, err);

    pt_free(from);
    pt_free(to);
    return code;
}

static void copy_tree(const char *from, const char *to)
{
    struct copy copy = {.from = from, .to = to};
    struct pt_error err = {0};

    PT_CHECK_OK(pt_tree_remove(pt_io_posix(), to, &err), err);
    PT_CHECK_OK(pt_io_mkdir(pt_io_posix(), to, &err), err);
    PT_CHECK_OK(pt_tree_walk(pt_io_posix(), from, copy_entry, &copy, &err), err);
}

/* Log, state and table to root/NAME/…, or back. */
static void save(const struct place *place, const char *name, const char *part, bool is_back)
{
    char *here = pt_strf("%s/%s", place->root, part);
    char *there = pt_strf("%s/%s/%s", place->root, name, part);

    copy_tree(is_back ? there : here, is_back ? here : there);
    pt_free(here);
    pt_free(there);
}

static void save_all(const struct place *place, const char *name)
{
    save(place, name, "log", false);
    save(place, name, "state", false);
    save(place, name, "lake", false);
}

/* ---- the engine ---- */

static struct pt_text text_of(const char *text)
{
    return (struct pt_text){.data = text, .size = (uint32_t)strlen(text)};
}

/* EVENTS distinct events from number `first` on, a second apart from `start_us`, and their note. */
static void append_events(struct pt_log *log, uint32_t first, int64_t start_us)
{
    static uint8_t records[EVENTS * 512];
    uint32_t sizes[EVENTS];
    uint8_t note[PT_LOG_NOTE_BYTES] = {0};
    size_t used = 0;
    uint64_t offset = 0;
    struct pt_error err = {0};

    for (uint32_t i = 0; i < EVENTS; i++) {
        uint32_t n = first + i;
        struct pt_event event = {
            .platform = PT_PLATFORM_PC,
            .event_time_us = start_us + (int64_t)n * 1000000,
            .occurred_at_us = START,
            .received_at_us = start_us + (int64_t)n * 1000000,
            .seq = n,
            .boot = PT_EVENT_NO_NUMBER,
            .event_name = text_of("tick"),
            .session_id = text_of("s"),
        };

        memset(event.event_id, 0x22, sizeof(event.event_id));
        memcpy(event.event_id, &n, sizeof(n));
        sizes[i] = (uint32_t)pt_event_encode(&event, records + used);
        used += sizes[i];
    }
    pt_put_u64(note, first + EVENTS);
    PT_CHECK_OK(pt_log_append(log, pt_span_of(records, used), sizes, EVENTS, note, &offset, &err),
                err);
    PT_CHECK_OK(pt_log_sync(log, &err), err);
}

struct engine {
    struct pt_config *config;
    struct pt_metrics *metrics;
    struct pt_log *log;
    struct pt_lake *lake;
    struct pt_stream *stream;
};

static enum pt_code engine_open(struct engine *engine, const struct place *place,
                                struct pt_error *err)
{
    struct pt_log_options options;
    enum pt_code code = PT_OK;

    *engine = (struct engine){0};
    engine->config = pt_config_create();
    engine->metrics = pt_metrics_create();
    PT_CHECK(pt_config_set(engine->config, "stream.checkpoint_ms", "3600000", "test", err) ==
             PT_OK);
    pt_log_options_default(&options);
    options.segment_bytes = 1 << 20;
    options.free_bytes_min = 0;
    code = pt_log_open(&engine->log, pt_io_posix(), pt_clock_system(), place->log, &options, err);
    if (!code) {
        code = pt_lake_open(&engine->lake, pt_io_posix(), pt_clock_system(), place->lake, err);
    }
    if (!code) {
        const struct pt_stream_parts parts = {
            .io = pt_io_posix(),
            .clock = pt_clock_system(),
            .config = engine->config,
            .metrics = engine->metrics,
            .log = engine->log,
            .lake = engine->lake,
            .log_dir = place->log,
            .state_dir = place->state,
        };

        code = pt_stream_open(&engine->stream, &parts, err);
    }
    return code ? code : pt_stream_start(engine->stream, err);
}

static void engine_close(struct engine *engine)
{
    struct pt_error err = {0};

    if (engine->stream) {
        PT_CHECK_OK(pt_stream_stop(engine->stream, &err), err);
    }
    pt_stream_close(engine->stream);
    pt_lake_close(engine->lake);
    pt_log_close(engine->log);
    pt_metrics_destroy(engine->metrics);
    pt_config_destroy(engine->config);
}

/* So many events, and a checkpoint behind them. */
static void play(const struct place *place, uint32_t first)
{
    struct engine engine;
    struct pt_error err = {0};

    PT_CHECK_OK(engine_open(&engine, place, &err), err);
    append_events(engine.log, first, START);
    PT_CHECK_OK(pt_stream_checkpoint(engine.stream, &err), err);
    engine_close(&engine);
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

/* ---- pairings ---- */

static void what_does_not_go_together_is_refused(void **state)
{
    static const struct {
        const char *log, *state, *lake;
        const char *refusal; /* part of it; NULL: it opens, and nothing is lost */
    } cases[] = {
        {"new", "new", "new", NULL},
        {"new", "old", "old", NULL}, /* the log is read again from the older checkpoint */
        {"old", "old", "old", NULL},
        {"new", "old", "new", "state and table disagree"},
        {"old", "old", "new", "state and table disagree"},
        {"old", "new", "new", "the log ends at offset 40, but the checkpoint has read to 80"},
        {"old", "new", "old", "which a checkpoint names, is gone"},
        {"new", "new", "old",
         "which a checkpoint names, is gone"}, /* its Parquet files went with the table */
    };
    struct place place;

    (void)state;
    place_init(&place);
    play(&place, 0);
    save_all(&place, "old");
    play(&place, EVENTS);
    save_all(&place, "new");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct engine engine;
        struct pt_error err = {0};
        enum pt_code code = PT_OK;

        save(&place, cases[i].log, "log", true);
        save(&place, cases[i].state, "state", true);
        save(&place, cases[i].lake, "lake", true);
        code = engine_open(&engine, &place, &err);
        if (cases[i].refusal) {
            if (!code || !strstr(err.text, cases[i].refusal)) {
                fail_msg("log %s, state %s, table %s: %s: %s", cases[i].log, cases[i].state,
                         cases[i].lake, pt_code_name(code), err.text);
            }
        } else {
            PT_CHECK_OK(code, err);
            PT_CHECK_OK(pt_stream_checkpoint(engine.stream, &err), err);
        }
        engine_close(&engine);
        if (!cases[i].refusal) {
            uint64_t events = strcmp(cases[i].log, "new") == 0 ? 2 * EVENTS : EVENTS;

            assert_int_equal(ask(&place, "count(*)"), events);
            assert_int_equal(ask(&place, "count(DISTINCT event_id)"), events);
        }
    }
    place_release(&place);
}

/* ---- versions ---- */

/*
 * Write the newest checkpoint anew: `format`, and where `member` is not NULL, `value` in its place.
 * Format 1 has none of what came later.
 */
static void rewrite(const struct place *place, uint64_t number, int format, const char *member,
                    const char *value)
{
    char *path = pt_strf("%s/checkpoint-%020" PRIu64 ".json", place->state, number);
    uint8_t *data = NULL;
    size_t size = 0;
    struct pt_span body;
    struct pt_json root;
    struct pt_json_iter it;
    struct pt_buf text;
    struct pt_jsonw w;
    struct pt_error err = {0};

    PT_CHECK_OK(pt_io_read_all(pt_io_posix(), path, 1 << 24, PT_JSON_PADDING, &data, &size, &err),
                err);
    PT_CHECK(pt_checkpoint_unseal(pt_span_of(data, size), &body));
    PT_CHECK_OK(pt_json_parse(place->parser, body, &root, NULL, &err), err);
    pt_buf_init(&text, 1 << 24);
    pt_jsonw_init(&w, &text);
    pt_jsonw_object(&w);
    for (it = pt_json_iterate(root); pt_json_next(&it);) {
        bool is_later = pt_span_is(it.key, "sources") || pt_span_is(it.key, "ledger") ||
                        pt_span_is(it.key, "state");

        if (format == 1 && is_later) {
            continue;
        }
        pt_jsonw_key_span(&w, it.key);
        if (pt_span_is(it.key, "format")) {
            pt_jsonw_int(&w, format);
        } else if (member && pt_span_is(it.key, member)) {
            pt_jsonw_raw(&w, pt_span_str(value));
        } else {
            pt_jsonw_value(&w, it.value);
        }
    }
    pt_jsonw_object_end(&w);
    pt_checkpoint_seal(&text);
    PT_CHECK_OK(pt_io_replace(pt_io_posix(), path, pt_buf_span(&text), 0, &err), err);
    pt_buf_release(&text);
    pt_free(data);
    pt_free(path);
}

static void no_minute(void *ctx, const struct pt_ledger_minute *minute)
{
    uint64_t *accepted = ctx;

    *accepted += minute->counts.accepted;
}

static void state_of_format_1_is_read_on(void **state)
{
    struct place place;
    struct pt_ledger_summary summary;
    uint64_t accepted = 0;
    struct pt_error err = {0};

    (void)state;
    place_init(&place);
    play(&place, 0);
    rewrite(&place, 1, 1, NULL, NULL);
    PT_CHECK_OK(pt_stream_read_ledger(pt_io_posix(), place.state, 0, INT64_MAX, no_minute,
                                      &accepted, &summary, &err),
                err);
    assert_int_equal(summary.before.accepted, EVENTS);
    assert_int_equal(accepted, 0);
    play(&place, EVENTS);
    PT_CHECK_OK(pt_stream_read_ledger(pt_io_posix(), place.state, 0, INT64_MAX, no_minute,
                                      &accepted, &summary, &err),
                err);
    assert_int_equal(summary.checkpoint, 2);
    assert_int_equal(summary.total.received, 2 * EVENTS);
    assert_int_equal(summary.total.accepted, 2 * EVENTS);
    assert_int_equal(summary.total.stored, 2 * EVENTS);
    assert_int_equal(summary.before.received, EVENTS);
    assert_int_equal(accepted, EVENTS);
    assert_int_equal(ask(&place, "count(*)"), 2 * EVENTS);
    place_release(&place);
}

static void a_newer_format_is_refused_with_both_named(void **state)
{
    struct place place;
    struct engine engine;
    struct pt_checkpoint_summary summary;
    struct pt_error err = {0};

    (void)state;
    place_init(&place);
    play(&place, 0);
    rewrite(&place, 1, 7, NULL, NULL);
    PT_CHECK(engine_open(&engine, &place, &err) == PT_INVALID);
    PT_CHECK(strstr(err.text, "has format 7") && strstr(err.text, "knows 2") &&
             strstr(err.text, "use the version that wrote it, or a newer one"));
    engine_close(&engine);
    PT_CHECK(pt_stream_read_checkpoint(pt_io_posix(), place.state, &summary, &err) == PT_INVALID);
    place_release(&place);
}

static void parts_of_nonsense_are_refused(void **state)
{
    static const struct {
        const char *member, *value, *refusal;
    } cases[] = {
        {"state", "\"!\"", "checkpoint 1: the state is not base64"},
        {"state", "\"AAAA\"", "checkpoint 1: zstd"},
        {"state", "\"\"", "checkpoint 1: "},
        {"state", "7", "a member is missing or wrong"},
        {"ledger", "{}", "checkpoint 1: the ledger is not one"},
        {"ledger", "[]", "checkpoint 1: the ledger is not one"},
        {"sources", "[{}]", "checkpoint 1: the sources are no array of sources"},
        {"sources", "{}", "checkpoint 1: the sources are no array of sources"},
    };
    struct place place;

    (void)state;
    place_init(&place);
    play(&place, 0);
    save_all(&place, "whole");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct engine engine;
        struct pt_error err = {0};

        save(&place, "whole", "state", true);
        rewrite(&place, 1, 2, cases[i].member, cases[i].value);
        PT_CHECK(engine_open(&engine, &place, &err) == PT_CORRUPT);
        if (!strstr(err.text, cases[i].refusal)) {
            fail_msg("%s %s: %s", cases[i].member, cases[i].value, err.text);
        }
        engine_close(&engine);
    }
    place_release(&place);
}

/* Windows, sequence numbers and the ledger after a restart are what they would be without one. */
static void the_account_goes_on_where_it_was(void **state)
{
    struct pt_span states[2];
    struct pt_checkpoint found[2];
    struct place places[2];
    struct pt_error err = {0};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct engine engine;

        place_init(&places[i]);
        PT_CHECK_OK(engine_open(&engine, &places[i], &err), err);
        for (uint32_t n = 0; n < 3; n++) {
            append_events(engine.log, n * EVENTS, START);
            PT_CHECK_OK(pt_stream_checkpoint(engine.stream, &err), err);
            if (i == 1) {
                engine_close(&engine);
                PT_CHECK_OK(engine_open(&engine, &places[i], &err), err);
            }
        }
        engine_close(&engine);
        PT_CHECK_OK(
            pt_checkpoint_read(pt_io_posix(), places[i].state, places[i].parser, &found[i], &err),
            err);
        states[i] = found[i].state;
    }
    assert_int_equal(found[0].summary.number, 3);
    assert_int_equal(found[1].summary.number, 3);
    PT_CHECK(states[0].size > 0 && pt_span_equal(states[0], states[1]));
    place_release(&places[0]);
    place_release(&places[1]);
}

/* Dead letters sent again carry their first receipt: they are late, and time does not turn back. */
static void old_receipts_do_not_move_time(void **state)
{
    struct place place;
    struct engine engine;
    struct pt_checkpoint_summary before;
    struct pt_checkpoint_summary after;
    struct pt_error err = {0};

    (void)state;
    place_init(&place);
    play(&place, 0);
    PT_CHECK_OK(pt_stream_read_checkpoint(pt_io_posix(), place.state, &before, &err), err);
    PT_CHECK_OK(engine_open(&engine, &place, &err), err);
    append_events(engine.log, EVENTS, START - 3 * DAY_US);
    append_events(engine.log, 2 * EVENTS, START);
    PT_CHECK_OK(pt_stream_checkpoint(engine.stream, &err), err);
    engine_close(&engine);
    PT_CHECK_OK(pt_stream_read_checkpoint(pt_io_posix(), place.state, &after, &err), err);
    assert_int_equal(before.max_event_time_us, START + (EVENTS - 1) * 1000000);
    assert_int_equal(after.max_event_time_us, START + (3 * EVENTS - 1) * 1000000);
    assert_int_equal(before.late, 0);
    assert_int_equal(after.late, EVENTS);
    place_release(&place);
}

/* What nobody can write stops the commit and not the reading; it is made good. */
static void an_unwritable_ledger_stops_the_commit_alone(void **state)
{
    struct place place;
    struct engine engine;
    struct pt_error err = {0};
    char *dir = NULL;
    char *tmp = NULL;

    (void)state;
    place_init(&place);
    PT_CHECK_OK(engine_open(&engine, &place, &err), err);
    append_events(engine.log, 0, START);
    PT_CHECK_OK(pt_stream_checkpoint(engine.stream, &err), err);
    append_events(engine.log, EVENTS, START);
    /* The checkpoint's own place is taken by a directory. */
    dir = pt_strf("%s/checkpoint-%020d.json", place.state, 2);
    tmp = pt_strf("%s/x", dir);
    PT_CHECK_OK(pt_io_mkdir(pt_io_posix(), tmp, &err), err);
    pt_log_set_level(PT_LOG_ERROR + 1);
    PT_CHECK(pt_stream_checkpoint(engine.stream, &err) != PT_OK);
    append_events(engine.log, 2 * EVENTS, START); /* the log goes on */
    PT_CHECK(pt_stream_checkpoint(engine.stream, &err) != PT_OK);
    PT_CHECK_OK(pt_tree_remove(pt_io_posix(), dir, &err), err);
    PT_CHECK_OK(pt_stream_checkpoint(engine.stream, &err), err);
    pt_log_set_level(PT_LOG_INFO);
    engine_close(&engine);
    assert_int_equal(ask(&place, "count(*)"), 3 * EVENTS);
    pt_free(dir);
    pt_free(tmp);
    place_release(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_go_together_is_refused),
        cmocka_unit_test(state_of_format_1_is_read_on),
        cmocka_unit_test(a_newer_format_is_refused_with_both_named),
        cmocka_unit_test(parts_of_nonsense_are_refused),
        cmocka_unit_test(the_account_goes_on_where_it_was),
        cmocka_unit_test(old_receipts_do_not_move_time),
        cmocka_unit_test(an_unwritable_ledger_stops_the_commit_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
