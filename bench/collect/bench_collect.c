/*
 * bench_collect.c - what an event costs the collector, without network
 *
 * Takes 40,000 events in bodies of 100 (20 players) and of 5 (one player) through the stages of the
 * front door, each stage with all before it, and the parts of which a stage consists alone. Beside
 * them, in the same round, simdjson's DOM parse of the same bytes: the yardstick, of which
 * everything is given as a multiple. Prints medians of ROUNDS rounds; CPU nanoseconds an event; and
 * one line of JSON for each size, which run.mjs reads.
 *
 *     bench_collect [DIRECTORY]      (default: a directory of its own in the current one)
 */
#include "base/crypto.h"
#include "collect/commit.h"
#include "collect/decode.h"
#include "collect/events.h"
#include "collect/yardstick.h"
#include "schema/schema.h"
#include "support/measure.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define EVENTS 40000
#define ROUNDS_MAX 99
#define STAGE_CPU_S 0.08
#define GROUP_BYTES ((size_t)256 << 10)

struct body {
    struct pt_span json;
    int64_t sent_at_us;
};

/* Everything that the stages work on. */
struct bench {
    int body_events;
    struct body *bodies;
    size_t body_count;
    struct bench_dom *dom;
    struct pt_json_parser *parser;
    struct pt_pseudonyms *pseudonyms;
    struct pt_cardinality *cardinality;
    struct pt_decoder *decoder;
    struct pt_decode_env env;
    struct pt_registry *registry;
    struct pt_registry_reader *reader;
    struct pt_schema_scratch *scratch;
    struct pt_schema_errors errors;
    struct pt_log *log;
    struct pt_log *unsynced_log;
    struct pt_buf group;
    struct pt_sizes group_sizes;
    struct pt_event_fields *fields; /* of the last body */
    struct pt_event *events;        /* of the last body */
    struct pt_buf records;          /* all of the last body's */
    uint8_t *copy;
    uint64_t sink; /* keeps results from being optimised away */
};

typedef void run_body(struct bench *bench, const struct body *body);

static void must(bool is_right, const char *what)
{
    if (!is_right) {
        fprintf(stderr, "bench_collect: %s: %s\n", what, strerror(errno));
        exit(1);
    }
}

static void must_ok(enum pt_code code, const struct pt_error *err)
{
    if (code) {
        fprintf(stderr, "bench_collect: %s\n", err->text);
        exit(1);
    }
}

static double cpu_seconds(void)
{
    return measure_seconds(CLOCK_PROCESS_CPUTIME_ID);
}

/* ---- stages: each with all before it ---- */

static void run_yardstick(struct bench *bench, const struct body *body)
{
    must(bench_dom_parse(bench->dom, body->json.data, body->json.size), "yardstick");
}

static struct pt_json parse(struct bench *bench, const struct body *body)
{
    struct pt_error err = {0};
    struct pt_json root;

    must_ok(pt_json_parse(bench->parser, body->json, &root, NULL, &err), &err);
    return root;
}

static void run_parse(struct bench *bench, const struct body *body)
{
    bench->sink += parse(bench, body).at;
}

static void run_check(struct bench *bench, const struct body *body)
{
    struct pt_json events = pt_json_member(parse(bench, body), "events");
    struct pt_problem problem;
    size_t at = 0;

    for (struct pt_json_iter it = pt_json_iterate(events); pt_json_next(&it);) {
        must(pt_schema_check_event(it.value, &bench->fields[at++], &problem), problem.detail);
    }
}

static void run_schema(struct bench *bench, const struct body *body)
{
    uint32_t version = 0;

    run_check(bench, body);
    for (int i = 0; i < bench->body_events; i++) {
        const struct pt_event_fields *fields = &bench->fields[i];

        must(pt_registry_check_event(bench->reader, fields->event_name, fields->schema_version,
                                     fields->attributes, bench->scratch, &version,
                                     &bench->errors) == PT_REGISTRY_VALID,
             "an event does not hold to its schema");
    }
}

static void run_decode(struct bench *bench, const struct body *body)
{
    static const struct pt_place nowhere;
    struct pt_error err = {0};

    must_ok(pt_decode_body(bench->decoder, PT_BODY_JSON, body->json, body->sent_at_us, &nowhere,
                           &bench->env, &err),
            &err);
    must(bench->decoder->record_sizes.count == (uint32_t)bench->body_events, "events were refused");
}

/* As the group commit does it: requests gather in a group, a group is a batch in the log. */
static void append(struct bench *bench, struct pt_log *log)
{
    const struct pt_decoder *decoder = bench->decoder;
    static const uint8_t note[PT_LOG_NOTE_BYTES];
    struct pt_error err = {0};
    uint64_t offset = 0;

    pt_buf_append(&bench->group, decoder->records.data, decoder->records.size);
    memcpy(bench->group_sizes.values + bench->group_sizes.count, decoder->record_sizes.values,
           decoder->record_sizes.count * sizeof(uint32_t));
    bench->group_sizes.count += decoder->record_sizes.count;
    if (bench->group.size < GROUP_BYTES) {
        return;
    }
    must_ok(pt_log_append(log, pt_buf_span(&bench->group), bench->group_sizes.values,
                          bench->group_sizes.count, note, &offset, &err),
            &err);
    must_ok(pt_log_sync(log, &err), &err);
    pt_log_release(log, pt_log_synced_end(log));
    pt_buf_reset(&bench->group);
    bench->group_sizes.count = 0;
}

static void run_append(struct bench *bench, const struct body *body)
{
    run_decode(bench, body);
    append(bench, bench->unsynced_log);
}

static void run_sync(struct bench *bench, const struct body *body)
{
    run_decode(bench, body);
    append(bench, bench->log);
}

/* ---- parts alone ---- */

static void run_clock(struct bench *bench, const struct body *body)
{
    for (int i = 0; i < bench->body_events; i++) {
        int64_t event_time_us = 0;
        int64_t skew_us = 0;

        pt_correct_clock(bench->fields[i].occurred_at_us, body->sent_at_us, body->sent_at_us,
                         &bench->env.limits, &event_time_us, &skew_us);
        bench->sink += (uint64_t)(event_time_us + skew_us);
    }
}

/* One pseudonym a player of the body: what is left when none is made twice. */
static void run_pseudonym(struct bench *bench, const struct body *body)
{
    int players = bench->body_events == 100 ? 20 : 1;
    uint8_t pseudonym[PT_PSEUDONYM_BYTES];

    (void)body;
    for (int i = 0; i < players; i++) {
        pt_pseudonym_user(bench->pseudonyms, bench->fields[i].user_id, pseudonym);
        bench->sink += pseudonym[0];
    }
}

static void run_encode(struct bench *bench, const struct body *body)
{
    uint8_t *at = bench->copy;

    (void)body;
    for (int i = 0; i < bench->body_events; i++) {
        at += pt_event_encode(&bench->events[i], at);
    }
    bench->sink += (uint64_t)(at - bench->copy);
}

static void run_checksum(struct bench *bench, const struct body *body)
{
    (void)body;
    memcpy(bench->copy, bench->records.data, bench->records.size);
    bench->sink += pt_checksum64(bench->copy, bench->records.size);
}

enum stage {
    YARDSTICK,
    PARSE,
    CHECK,
    SCHEMA,
    DECODE,
    APPEND,
    SYNC,
    CLOCK,
    PSEUDONYM,
    ENCODE,
    CHECKSUM,
    STAGES,
};

static run_body *const stages[STAGES] = {
    [YARDSTICK] = run_yardstick, [PARSE] = run_parse,       [CHECK] = run_check,
    [SCHEMA] = run_schema,       [DECODE] = run_decode,     [APPEND] = run_append,
    [SYNC] = run_sync,           [CLOCK] = run_clock,       [PSEUDONYM] = run_pseudonym,
    [ENCODE] = run_encode,       [CHECKSUM] = run_checksum,
};

/* CPU nanoseconds an event. */
static double measure(struct bench *bench, enum stage stage)
{
    double start = cpu_seconds();
    double spent = 0;
    size_t passes = 0;

    do {
        for (size_t i = 0; i < bench->body_count; i++) {
            stages[stage](bench, &bench->bodies[i]);
        }
        passes++;
        spent = cpu_seconds() - start;
    } while (spent < STAGE_CPU_S);
    return spent * 1e9 / ((double)passes * (double)bench->body_count * bench->body_events);
}

static void make_bodies(struct bench *bench)
{
    struct bench_events events = {.state = 77};
    size_t room = ((size_t)bench->body_events + 1) * BENCH_EVENT_BYTES_MAX;
    char *text = pt_alloc(room);

    bench->body_count = (size_t)(EVENTS / bench->body_events);
    bench->bodies = pt_alloc(bench->body_count * sizeof(*bench->bodies));
    must(text && bench->bodies, "memory");
    for (size_t i = 0; i < bench->body_count; i++) {
        struct body *body = &bench->bodies[i];
        size_t size = bench_body(&events, bench->body_events, bench->body_events == 100 ? 20 : 1,
                                 true, text, &body->sent_at_us);
        uint8_t *json = pt_alloc(size + PT_JSON_PADDING);

        must(json, "memory");
        memcpy(json, text, size);
        memset(json + size, 0, PT_JSON_PADDING);
        body->json = pt_span_of(json, size);
    }
    pt_free(text);
}

/* Fields, events and records of the last body, for the parts alone. */
static void prepare_parts(struct bench *bench)
{
    const struct body *last = &bench->bodies[bench->body_count - 1];
    const uint8_t *at = NULL;

    bench->fields = pt_alloc_zero((size_t)bench->body_events * sizeof(*bench->fields));
    bench->events = pt_alloc_zero((size_t)bench->body_events * sizeof(*bench->events));
    bench->copy = pt_alloc((size_t)1 << 20);
    must(bench->fields && bench->events && bench->copy, "memory");
    run_check(bench, last);
    run_decode(bench, last);
    pt_buf_append(&bench->records, bench->decoder->records.data, bench->decoder->records.size);
    at = bench->records.data;
    for (int i = 0; i < bench->body_events; i++) {
        uint32_t size = bench->decoder->record_sizes.values[i];

        must(pt_event_decode(at, size, &bench->events[i]), "a record");
        at += size;
    }
}

/* The same schema for each event name, as if each had its own. */
static void open_registry(struct bench *bench)
{
    struct pt_registry_schema schema = {.json = pt_span_str(bench_attributes_schema)};
    struct pt_error err = {0};

    must_ok(pt_registry_open(&bench->registry, pt_io_posix(), NULL, &err), &err);
    for (const char *const *name = bench_event_names; *name; name++) {
        struct pt_registry_fault fault = {0};
        struct pt_compat_report report;
        uint32_t id = 0;
        uint32_t version = 0;

        must(pt_registry_register(bench->registry, pt_span_str(*name), &schema, &id, &version,
                                  &report, &fault) == PT_OK,
             fault.text);
    }
    bench->reader = pt_registry_reader_create(bench->registry);
    bench->scratch = pt_schema_scratch_create();
    must(bench->reader && bench->scratch, "memory");
    pt_registry_reader_refresh(bench->reader);
    must_ok(pt_decoder_use_registry(bench->decoder, bench->registry, &err), &err);
}

/* What an append costs without the disk: the log is told that it synced. */
static enum pt_code skip_sync(void *ctx, struct pt_file *file, struct pt_error *err)
{
    (void)ctx;
    (void)file;
    (void)err;
    return PT_OK;
}

static struct pt_log *open_log(struct pt_io *io, const char *dir, const char *name)
{
    struct pt_log_options options;
    struct pt_log *log = NULL;
    struct pt_error err = {0};
    char *path = pt_strf("%s/%s", dir, name);

    must(path, "memory");
    pt_log_options_default(&options);
    options.retention_bytes = 0;
    must_ok(pt_log_open(&log, io, pt_clock_system(), path, &options, &err), &err);
    pt_free(path);
    return log;
}

static void bench_open(struct bench *bench, const char *dir)
{
    static struct pt_io unsynced;
    struct pt_error err = {0};
    char *keys = pt_strf("%s/keys", dir);

    must(keys, "memory");
    bench->dom = bench_dom_create();
    bench->parser = pt_json_parser_create(4u << 20);
    bench->decoder = pt_decoder_create(4u << 20, 8u << 20);
    bench->cardinality = pt_cardinality_create(200, 10000, NULL);
    bench->group_sizes.values = pt_alloc(sizeof(uint32_t) << 16);
    must(bench->dom && bench->parser && bench->decoder && bench->cardinality &&
             bench->group_sizes.values,
         "memory");
    open_registry(bench);
    pt_buf_init(&bench->group, 8u << 20);
    pt_buf_init(&bench->records, 8u << 20);
    must_ok(pt_pseudonyms_open(&bench->pseudonyms, pt_io_posix(), keys, true, &err), &err);
    unsynced = *pt_io_posix();
    unsynced.sync = skip_sync;
    bench->log = open_log(pt_io_posix(), dir, "log");
    bench->unsynced_log = open_log(&unsynced, dir, "unsynced");
    bench->env = (struct pt_decode_env){
        .pseudonyms = bench->pseudonyms,
        .cardinality = bench->cardinality,
        .limits = {.events_max = 1000,
                   .record_bytes_max = 8u << 20,
                   .clock_tolerance_us = 5000000,
                   .event_age_us_max = 400 * INT64_C(86400000000),
                   .attributes_max = 64,
                   .depth_max = 8,
                   .key_bytes_max = 64,
                   .value_bytes_max = 4096},
    };
    pt_free(keys);
}

static void bench_close(struct bench *bench)
{
    for (size_t i = 0; i < bench->body_count; i++) {
        pt_free((void *)(uintptr_t)bench->bodies[i].json.data);
    }
    pt_free(bench->bodies);
    pt_free(bench->fields);
    pt_free(bench->events);
    pt_free(bench->copy);
    pt_free(bench->group_sizes.values);
    pt_buf_release(&bench->group);
    pt_buf_release(&bench->records);
    bench_dom_destroy(bench->dom);
    pt_json_parser_destroy(bench->parser);
    pt_decoder_destroy(bench->decoder);
    pt_registry_reader_destroy(bench->reader);
    pt_registry_close(bench->registry);
    pt_schema_scratch_destroy(bench->scratch);
    pt_cardinality_destroy(bench->cardinality);
    pt_pseudonyms_close(bench->pseudonyms);
    pt_log_close(bench->log);
    pt_log_close(bench->unsynced_log);
}

static double median(const double *values, int count)
{
    double sorted[ROUNDS_MAX];

    memcpy(sorted, values, (size_t)count * sizeof(*values));
    qsort(sorted, (size_t)count, sizeof(*sorted), measure_compare);
    return sorted[count / 2];
}

/* Median of the rounds' differences of two stages, and of that as a multiple of the yardstick. */
static void line(const char *name, const char *key, double ns[STAGES][ROUNDS_MAX], int rounds,
                 enum stage of, enum stage without)
{
    double part[ROUNDS_MAX];
    double ratio[ROUNDS_MAX];

    for (int i = 0; i < rounds; i++) {
        part[i] = ns[of][i] - (without == STAGES ? 0 : ns[without][i]);
        ratio[i] = part[i] / ns[YARDSTICK][i];
    }
    printf("  %-46s %8.0f ns  %6.2fx\n", name, median(part, rounds), median(ratio, rounds));
    if (key) {
        printf("#%s %.4f %.1f\n", key, median(ratio, rounds), median(part, rounds));
    }
}

static void run_size(const char *dir, int body_events, int rounds)
{
    struct bench bench = {.body_events = body_events};
    static double ns[STAGES][ROUNDS_MAX];
    static double attributes[STAGES][ROUNDS_MAX];

    bench_open(&bench, dir);
    make_bodies(&bench);
    prepare_parts(&bench);
    for (int i = 0; i < 40; i++) { /* until every segment of both logs had its first life */
        for (size_t at = 0; at < bench.body_count; at++) {
            run_append(&bench, &bench.bodies[at]);
            append(&bench, bench.log);
        }
    }
    for (int round = 0; round < rounds; round++) {
        for (enum stage stage = 0; stage < STAGES; stage++) {
            ns[stage][round] = measure(&bench, stage);
        }
        run_check(&bench, &bench.bodies[bench.body_count - 1]); /* fields point into the parser */
        attributes[YARDSTICK][round] = ns[YARDSTICK][round];
        attributes[DECODE][round] = ns[DECODE][round] - ns[SCHEMA][round] - ns[CLOCK][round] -
                                    ns[PSEUDONYM][round] - ns[ENCODE][round];
    }
    printf("\nbodies of %d events, %zu bytes an event; %d rounds; simdjson's %s\n", body_events,
           bench.bodies[0].json.size / (size_t)body_events, rounds, bench_dom_name());
    printf("#body %d\n", body_events);
    line("yardstick: simdjson's DOM parse", "yardstick", ns, rounds, YARDSTICK, STAGES);
    line("parse", "parse", ns, rounds, PARSE, STAGES);
    line("check by the base schema, over the parse", "check", ns, rounds, CHECK, PARSE);
    line("check by the event's schema", "schema", ns, rounds, SCHEMA, CHECK);
    line("validation: both checks", "validation", ns, rounds, SCHEMA, PARSE);
    line("correct the clock", "clock", ns, rounds, CLOCK, STAGES);
    line("pseudonym (one a player of the body)", "pseudonym", ns, rounds, PSEUDONYM, STAGES);
    line("encode the record", "encode", ns, rounds, ENCODE, STAGES);
    line("attributes: guard and rewrite (the rest of decode)", "attributes", attributes, rounds,
         DECODE, STAGES);
    line("decode: all of the above", "decode", ns, rounds, DECODE, STAGES);
    line("append: into the group, into the log", "append", ns, rounds, APPEND, DECODE);
    line("  of that, one copy and the checksum", "checksum", ns, rounds, CHECKSUM, STAGES);
    line("sync, a group of 256 KiB", "sync", ns, rounds, SYNC, APPEND);
    line("parse to append", "whole", ns, rounds, APPEND, STAGES);
    line("parse to sync", "durable", ns, rounds, SYNC, STAGES);
    if (bench.sink == 42) {
        printf("\n");
    }
    bench_close(&bench);
}

int main(int argc, char **argv)
{
    char *dir = argc > 1 ? pt_strdup(argv[1]) : pt_strf("bench-collect-%d", (int)getpid());
    const char *text = getenv("ROUNDS");
    long rounds = text ? strtol(text, NULL, 10) : 5;

    must(dir, "memory");
    must(mkdir(dir, 0700) == 0 || errno == EEXIST, dir);
    rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
    run_size(dir, 100, (int)rounds);
    run_size(dir, 5, (int)rounds);
    pt_free(dir);
    return 0;
}
