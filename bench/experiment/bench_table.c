/*
 * bench_table.c - the table that `analyze` is measured on: an experiment's players and their events
 *
 *     bench_table LAKE_DIRECTORY PLAYERS
 *
 * Players come within two weeks, are exposed at once, return on fewer and fewer days, and do on
 * each what a puzzle game's players do: a session with some levels, an advert now and then, seldom
 * a purchase. Everything follows from the player's number and the day, so that a table is the same
 * each time. Rows go through the lake's own writer in the order of time, 250,000 a snapshot, as the
 * stream engine would write them. Prints one JSON object: players, events, data files, bytes.
 */
#include "lake/lake.h"

#include "wire/uuid.h"

#include <inttypes.h>
#include <math.h>

#define DAYS_OF_ARRIVAL 14
#define DAYS_OF_PLAY 14
#define DAY_US INT64_C(86400000000)
#define FIRST_US (INT64_C(20454) * DAY_US) /* 2026-01-01 */
#define ROWS_A_SNAPSHOT 250000
#define TEXT_BYTES 128

enum kind { EXPOSURE, SESSION_START, LEVEL_START, LEVEL_END, AD_VIEW, PURCHASE, SESSION_END };

static const char *const names[] = {"experiment_exposure", "session_start", "level_start",
                                    "level_end",           "ad_view",       "purchase",
                                    "session_end"};

/* What happened; the rest follows from the player and the day. */
struct thing {
    int64_t time_us;
    uint32_t player;
    uint16_t seq;
    uint8_t kind;
    uint32_t value; /* level, price in cents, seconds */
};

struct day {
    struct thing *things;
    size_t count;
    size_t room;
};

struct table {
    struct pt_lake *lake;
    struct pt_row *rows;
    char (*texts)[TEXT_BYTES]; /* attributes of each row */
    char (*sessions)[17];
    size_t row_count;
    uint64_t checkpoint;
    uint64_t events;
};

static void must(enum pt_code code, const struct pt_error *err)
{
    if (code) {
        fprintf(stderr, "bench_table: %s\n", err->text);
        exit(1);
    }
}

/* splitmix64's last step: a number that looks random for each (seed, place). */
static uint64_t mix(uint64_t seed, uint64_t place)
{
    uint64_t z = seed * UINT64_C(0x9e3779b97f4a7c15) + place * UINT64_C(0xd1342543de82ef95);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static double unit(uint64_t seed, uint64_t place)
{
    return (double)(mix(seed, place) >> 11) * 0x1p-53;
}

static void add(struct day *day, uint32_t player, int64_t time_us, enum kind kind, uint32_t value,
                uint16_t *seq)
{
    if (day->count == day->room) {
        day->room = day->room ? 2 * day->room : 1 << 20;
        day->things = pt_realloc(day->things, day->room * sizeof(*day->things));
        if (!day->things) {
            fprintf(stderr, "bench_table: no memory\n");
            exit(1);
        }
    }
    day->things[day->count++] = (struct thing){time_us, player, (*seq)++, (uint8_t)kind, value};
}

/* One player's day, `age` days after he came. */
static void play(struct day *day, uint32_t player, int age, int64_t day_us)
{
    uint64_t seed = (uint64_t)player << 8 | (uint64_t)age;
    int64_t now = day_us + (int64_t)(unit(seed, 1) * 0.97 * (double)DAY_US);
    int levels = 1 + (int)(unit(seed, 2) * unit(seed, 2) * 5);
    int64_t start = now;
    uint16_t seq = 0;

    if (age > 0 && unit(seed, 0) >= 0.34 * pow(age, -0.55)) {
        return;
    }
    add(day, player, now, SESSION_START, 0, &seq);
    if (age == 0) {
        add(day, player, now += 1500000, EXPOSURE, 0, &seq);
    }
    for (int i = 0; i < levels; i++) {
        add(day, player, now += 5000000, LEVEL_START, (uint32_t)(age * 4 + i + 1), &seq);
        now += (int64_t)((20 + 100 * unit(seed, (uint64_t)(10 + i))) * 1e6);
        add(day, player, now, LEVEL_END, (uint32_t)(age * 4 + i + 1), &seq);
    }
    if (unit(seed, 3) < 0.3) {
        add(day, player, now += 3000000, AD_VIEW, 0, &seq);
    }
    if (unit(seed, 4) < 0.015) {
        /* 99 cents to 99.99, the dear ones seldom. */
        add(day, player, now += 9000000, PURCHASE, (uint32_t)(99 * pow(101, pow(unit(seed, 5), 3))),
            &seq);
    }
    now += 2000000;
    add(day, player, now, SESSION_END, (uint32_t)((now - start) / 1000000), &seq);
}

static void attributes_of(const struct thing *thing, char text[TEXT_BYTES])
{
    uint64_t random = mix(thing->player, 77 + thing->value);

    switch ((enum kind)thing->kind) {
    case EXPOSURE:
        snprintf(text, TEXT_BYTES, "{\"experiment\":\"bench\",\"variant\":\"%s\"}",
                 mix(thing->player, 1) & 1 ? "clear" : "control");
        break;
    case LEVEL_START:
        snprintf(text, TEXT_BYTES, "{\"level\":%u}", thing->value);
        break;
    case LEVEL_END:
        snprintf(text, TEXT_BYTES, "{\"level\":%u,\"won\":%s,\"score\":%u}", thing->value,
                 random % 3 ? "true" : "false", (uint32_t)(random >> 40) % 10000);
        break;
    case AD_VIEW:
        snprintf(text, TEXT_BYTES, "{\"placement\":\"%s\"}", random & 1 ? "revive" : "double");
        break;
    case PURCHASE:
        snprintf(text, TEXT_BYTES, "{\"sku\":\"gems_%u\",\"price_cents\":%u}", thing->value / 500,
                 thing->value);
        break;
    case SESSION_END:
        snprintf(text, TEXT_BYTES, "{\"seconds\":%u}", thing->value);
        break;
    case SESSION_START:
        text[0] = '\0';
        break;
    }
}

static struct pt_text text_of(const char *text)
{
    return (struct pt_text){text, (uint32_t)strlen(text)};
}

static void flush(struct table *table)
{
    static const char padding[PT_JSON_PADDING];
    struct pt_buf buf;
    struct pt_jsonw w;
    struct pt_json files;
    struct pt_json_parser *parser = pt_json_parser_create(64u << 20);
    struct pt_error err = {0};

    if (table->row_count > 0) {
        table->checkpoint++;
        pt_buf_init(&buf, 64u << 20);
        pt_jsonw_init(&w, &buf);
        pt_jsonw_array(&w);
        must(pt_lake_write(table->lake, table->rows, table->row_count, table->checkpoint, &w, &err),
             &err);
        pt_jsonw_array_end(&w);
        pt_buf_append(&buf, padding, sizeof(padding));
        must(pt_json_parse(parser, pt_span_of(buf.data, buf.size - sizeof(padding)), &files, NULL,
                           &err),
             &err);
        must(pt_lake_commit(table->lake, files, table->checkpoint, &err), &err);
        pt_buf_release(&buf);
        table->events += table->row_count;
        table->row_count = 0;
    }
    pt_json_parser_destroy(parser);
}

static void put(struct table *table, const struct thing *thing)
{
    static const char *const builds[] = {"2.0.0", "2.0.1", "2.1.0"};
    static const char countries[][3] = {"DE", "US", "BR", "JP", "IN", "FR"};
    struct pt_row *row = &table->rows[table->row_count];
    char *text = table->texts[table->row_count];
    char *session = table->sessions[table->row_count];
    uint64_t player[2] = {mix(thing->player, 2), mix(thing->player, 3)};
    uint64_t random[2] = {mix((uint64_t)thing->time_us, thing->player),
                          mix(thing->player, thing->seq)};

    *row = (struct pt_row){0};
    attributes_of(thing, text);
    snprintf(session, 17, "%016" PRIx64, mix(player[0], (uint64_t)(thing->time_us / DAY_US)));
    memcpy(row->event.user, player, sizeof(player));
    pt_uuid_v7(thing->time_us / 1000, (const uint8_t *)random, row->event.event_id);
    row->event.platform = player[0] % 5 < 2 ? PT_PLATFORM_IOS : PT_PLATFORM_ANDROID;
    row->event.event_time_us = row->event.occurred_at_us = thing->time_us;
    row->event.received_at_us = thing->time_us + (int64_t)(random[1] % 30000000);
    row->event.seq = thing->seq;
    row->event.boot = PT_EVENT_NO_NUMBER;
    row->event.event_name = text_of(names[thing->kind]);
    row->event.session_id = text_of(session);
    row->event.build_id = text_of(builds[player[1] % 3]);
    row->event.attributes = text_of(text);
    memcpy(row->event.country, countries[player[1] / 3 % 6], 2);
    if (++table->row_count == ROWS_A_SNAPSHOT) {
        flush(table);
    }
}

static int by_time(const void *one, const void *two)
{
    const struct thing *a = one;
    const struct thing *b = two;

    return a->time_us != b->time_us ? (a->time_us > b->time_us) - (a->time_us < b->time_us)
                                    : (a->player > b->player) - (a->player < b->player);
}

int main(int argc, char **argv)
{
    struct table table = {0};
    struct day day = {0};
    struct pt_lake_place place;
    struct pt_error err = {0};
    uint32_t players = argc == 3 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0;

    if (players == 0) {
        fprintf(stderr, "usage: bench_table LAKE_DIRECTORY PLAYERS\n");
        return 2;
    }
    table.rows = pt_alloc(ROWS_A_SNAPSHOT * sizeof(*table.rows));
    table.texts = pt_alloc(ROWS_A_SNAPSHOT * sizeof(*table.texts));
    table.sessions = pt_alloc(ROWS_A_SNAPSHOT * sizeof(*table.sessions));
    if (!table.rows || !table.texts || !table.sessions) {
        fprintf(stderr, "bench_table: no memory\n");
        return 1;
    }
    must(pt_lake_open(&table.lake, pt_io_posix(), pt_clock_system(), argv[1], &err), &err);
    for (int now = 0; now < DAYS_OF_ARRIVAL + DAYS_OF_PLAY - 1; now++) {
        day.count = 0;
        for (uint32_t i = 0; i < players; i++) {
            int age = now - (int)(mix(i, 4) % DAYS_OF_ARRIVAL);

            if (age >= 0 && age < DAYS_OF_PLAY) {
                play(&day, i, age, FIRST_US + now * DAY_US);
            }
        }
        qsort(day.things, day.count, sizeof(*day.things), by_time);
        for (size_t i = 0; i < day.count; i++) {
            put(&table, &day.things[i]);
        }
    }
    flush(&table);
    pt_lake_close(table.lake);
    must(pt_lake_locate(pt_io_posix(), argv[1], &place, &err), &err);
    printf("{\"players\":%u,\"events\":%" PRIu64 ",\"files\":%" PRIu64 "}\n", players,
           place.row_count, place.file_count);
    pt_lake_place_release(&place);
    pt_free(day.things);
    pt_free(table.rows);
    pt_free(table.texts);
    pt_free(table.sessions);
    return 0;
}
