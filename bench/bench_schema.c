/*
 * bench_schema.c - what holding an event to its schema costs over parsing it
 *
 * 500 events of some 450 bytes (9 members, 8 attributes, enums, ranges, two patterns) in 5 bodies
 * of 100, parsed and warm. Round by round: the parse of the bodies (the yardstick: simdjson's DOM),
 * then the run of each compiled schema over all events. CPU time, medians of 11 rounds; only ratios
 * of one run count. Goal: at most 2 x the parse.
 */
#include "base/json.h"
#include "base/rng.h"
#include "schema/schema.h"
#include "support/measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BODIES 5
#define EVENTS 100
#define BODY_BYTES_MAX (EVENTS * 700)
#define ROUNDS 11
#define ROUND_S 0.1

#define UUID_PATTERN "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
#define NAMES(X, SEP)                                                                              \
    X("quest_step_done")                                                                           \
    SEP()                                                                                          \
    X("quest_taken")                                                                               \
    SEP()                                                                                          \
    X("quest_dropped")                                                                             \
    SEP()                                                                                          \
    X("fight_over")                                                                                \
    SEP()                                                                                          \
    X("item_made")                                                                                 \
    SEP()                                                                                          \
    X("skill_used")                                                                                \
    SEP()                                                                                          \
    X("player_fell")                                                                               \
    SEP()                                                                                          \
    X("zone_reached")                                                                              \
    SEP() X("choice_made") SEP() X("coins_spent") SEP() X("match_joined") SEP() X("lesson_done")
#define AS_JSON(name) "\"" name "\""
#define AS_C(name) name
#define COMMA_TEXT() ","
#define COMMA() ,

/* A schema with its event_id, session_id, occurred_at and quest_id given. */
#define SCHEMA(id, session, time, quest)                                                           \
    "{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"type\":\"object\",\"required\":["  \
    "\"event_id\",\"event_name\",\"occurred_at\",\"user_id\",\"session_id\",\"build_id\","         \
    "\"platform\",\"mechanic_version\",\"attributes\"],\"additionalProperties\":false,"            \
    "\"properties\":{\"event_id\":{\"type\":\"string\"" id "},"                                    \
    "\"event_name\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":64,\"enum\":[" NAMES(       \
        AS_JSON,                                                                                   \
        COMMA_TEXT) "]},"                                                                          \
                    "\"occurred_at\":{\"type\":\"string\"" time "},"                               \
                    "\"user_id\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":128},"         \
                    "\"session_id\":{\"type\":\"string\"" session "},"                             \
                    "\"build_id\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":64},"         \
                    "\"platform\":{\"type\":\"string\",\"enum\":[\"pc-windows\",\"ps5\",\"xbox-"   \
                    "series\",\"switch\","                                                         \
                    "\"ios\",\"android\"]},\"mechanic_version\":{\"type\":\"string\","             \
                    "\"minLength\":1,"                                                             \
                    "\"maxLength\":64},\"attributes\":{\"type\":\"object\",\"required\":[\"quest_" \
                    "id\",\"step\","                                                               \
                    "\"duration_ms\",\"success\"],\"additionalProperties\":false,\"properties\":{" \
                    "\"quest_id\":{\"type\":\"string\"" quest "},"                                 \
                    "\"step\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":1000},"              \
                    "\"duration_ms\":{\"type\":\"integer\",\"minimum\":0},\"success\":{\"type\":"  \
                    "\"boolean\"},"                                                                \
                    "\"difficulty\":{\"type\":\"string\",\"enum\":[\"story\",\"normal\",\"hard\"," \
                    "\"nightmare\"]},"                                                             \
                    "\"zone\":{\"type\":\"string\",\"maxLength\":64},"                             \
                    "\"class\":{\"type\":\"string\",\"maxLength\":32},"                            \
                    "\"score\":{\"type\":\"number\",\"minimum\":0,\"maximum\":1000000}}}}}"

static const struct {
    const char *name;
    const char *json;
} schemas[] = {
    {"two patterns",
     SCHEMA(",\"pattern\":\"" UUID_PATTERN "\"", ",\"minLength\":36,\"maxLength\":36",
            ",\"minLength\":20,\"maxLength\":35", ",\"pattern\":\"^q_[0-9]{4}$\"")},
    {"no patterns", SCHEMA("", "", "", "")},
    {"formats uuid, date-time",
     SCHEMA(",\"format\":\"uuid\"", ",\"format\":\"uuid\"", ",\"format\":\"date-time\"",
            ",\"pattern\":\"^q_[0-9]{4}$\"")},
    {"a pattern for PCRE2",
     SCHEMA(",\"pattern\":\"" UUID_PATTERN "\"", "", "", ",\"pattern\":\"^(q|quest)_[0-9]+$\"")},
};

#define SCHEMA_COUNT (sizeof(schemas) / sizeof(schemas[0]))

static struct pt_json_parser *parsers[BODIES];
static struct pt_buf bodies[BODIES];
static struct pt_json roots[BODIES];
static struct pt_schema *programs[SCHEMA_COUNT];
static struct pt_schema_scratch *scratch;

static void must(bool is_right, const char *what)
{
    if (!is_right) {
        fprintf(stderr, "bench_schema: %s\n", what);
        exit(1);
    }
}

static double cpu_seconds(void)
{
    return measure_seconds(CLOCK_PROCESS_CPUTIME_ID);
}

static void put_uuid(struct pt_buf *out, uint64_t a, uint64_t b)
{
    pt_buf_appendf(out, "%08x-%04x-4%03x-a%03x-%012llx", (unsigned)(a >> 32),
                   (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xfff), (unsigned)(b >> 48 & 0xfff),
                   (unsigned long long)(b & 0xffffffffffff));
}

static void put_event(struct pt_buf *out, struct pt_rng *rng, unsigned n)
{
    static const char *const names[] = {NAMES(AS_C, COMMA)};
    static const char *const platforms[] = {"pc-windows", "ps5", "xbox-series",
                                            "switch",     "ios", "android"};
    static const char *const levels[] = {"story", "normal", "hard", "nightmare"};
    static const char *const zones[] = {"amber_reach", "low_fen", "iron_gate", "salt_bridge"};
    uint64_t player = pt_rng_below(rng, 20) * UINT64_C(0x9e3779b97f4a7c15);

    pt_buf_append_str(out, "{\"event_id\":\"");
    put_uuid(out, pt_rng_next(rng), pt_rng_next(rng));
    pt_buf_appendf(out,
                   "\",\"event_name\":\"%s\",\"occurred_at\":\"2026-11-0%uT%02u:%02u:%02u.%03uZ\","
                   "\"user_id\":\"usr_%012llx\",\"session_id\":\"",
                   names[pt_rng_below(rng, 12)], 1 + n / 50, n % 24, n % 60, n * 7 % 60,
                   n * 13 % 1000, (unsigned long long)(player & 0xffffffffffff));
    put_uuid(out, player, player * 7);
    pt_buf_appendf(out,
                   "\",\"build_id\":\"1.%u.%u+%07x\",\"platform\":\"%s\",\"mechanic_version\":"
                   "\"quest-graph/7.%u.0\",\"attributes\":{\"quest_id\":\"q_%04u\",\"step\":%u,"
                   "\"duration_ms\":%u,\"success\":%s,\"difficulty\":\"%s\",\"zone\":\"%s\","
                   "\"class\":\"ranger\",\"score\":%u.%02u}}",
                   (unsigned)(player % 43), (unsigned)(player % 5), (unsigned)(player % 0xfffffff),
                   platforms[player % 6], (unsigned)pt_rng_below(rng, 9),
                   (unsigned)pt_rng_below(rng, 800), (unsigned)pt_rng_below(rng, 12),
                   (unsigned)pt_rng_below(rng, 240000), n % 4 ? "true" : "false",
                   levels[pt_rng_below(rng, 4)], zones[pt_rng_below(rng, 4)],
                   (unsigned)pt_rng_below(rng, 5000), (unsigned)pt_rng_below(rng, 100));
}

static void set_up(void)
{
    struct pt_rng rng;
    struct pt_error err = {0};

    pt_rng_seed(&rng, 5);
    for (int i = 0; i < BODIES; i++) {
        pt_buf_init(&bodies[i], BODY_BYTES_MAX);
        for (unsigned n = 0; n < EVENTS; n++) {
            pt_buf_append_str(&bodies[i], n ? "," : "[");
            put_event(&bodies[i], &rng, n);
        }
        pt_buf_append_str(&bodies[i], "]");
        must(pt_buf_reserve(&bodies[i], PT_JSON_PADDING) != NULL, "no room for a body");
        parsers[i] = pt_json_parser_create(BODY_BYTES_MAX);
        must(parsers[i] != NULL, "no memory");
    }
    for (size_t i = 0; i < SCHEMA_COUNT; i++) {
        struct pt_schema_options options = {.assert_formats = true};

        must(!pt_schema_compile(&programs[i], pt_span_str(schemas[i].json), &options, &err),
             err.text);
    }
    scratch = pt_schema_scratch_create();
    must(scratch != NULL, "no memory");
}

static void parse_all(size_t unused)
{
    (void)unused;
    for (int i = 0; i < BODIES; i++) {
        must(!pt_json_parse(parsers[i], pt_buf_span(&bodies[i]), &roots[i], NULL, NULL), "parse");
    }
}

static void validate_all(size_t schema)
{
    for (int i = 0; i < BODIES; i++) {
        struct pt_json_iter it = pt_json_iterate(roots[i]);

        while (pt_json_next(&it)) {
            must(!pt_schema_validate_first(programs[schema], it.value, scratch, NULL), "invalid");
        }
    }
}

static double ns_an_event(void (*work)(size_t), size_t argument)
{
    double start = cpu_seconds();
    double end = start;
    unsigned passes = 0;

    do {
        work(argument);
        passes++;
        end = cpu_seconds();
    } while (end - start < ROUND_S);
    return (end - start) * 1e9 / passes / (BODIES * EVENTS);
}

int main(void)
{
    double parse[ROUNDS];
    double check[SCHEMA_COUNT][ROUNDS];
    double ratio[SCHEMA_COUNT][ROUNDS];

    set_up();
    for (int round = 0; round < ROUNDS; round++) {
        parse[round] = ns_an_event(parse_all, 0);
        for (size_t i = 0; i < SCHEMA_COUNT; i++) {
            check[i][round] = ns_an_event(validate_all, i);
            ratio[i][round] = check[i][round] / parse[round];
        }
    }
    qsort(parse, ROUNDS, sizeof(double), measure_compare);
    printf("%zu bytes an event; ns CPU an event, median of %d rounds\n", bodies[0].size / EVENTS,
           ROUNDS);
    printf("%-32s %7.0f\n", "simdjson's parse (yardstick)", parse[ROUNDS / 2]);
    for (size_t i = 0; i < SCHEMA_COUNT; i++) {
        qsort(check[i], ROUNDS, sizeof(double), measure_compare);
        qsort(ratio[i], ROUNDS, sizeof(double), measure_compare);
        printf("validate: %-22s %7.0f   %.2f x the parse\n", schemas[i].name, check[i][ROUNDS / 2],
               ratio[i][ROUNDS / 2]);
        pt_schema_destroy(programs[i]);
    }
    for (int i = 0; i < BODIES; i++) {
        pt_json_parser_destroy(parsers[i]);
        pt_buf_release(&bodies[i]);
    }
    pt_schema_scratch_destroy(scratch);
    return 0;
}
