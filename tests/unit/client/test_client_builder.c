/*
 * test_client_builder.c - typed events: what is added is sent, what is wrong is left out and said
 *
 * Method: events are read back from the fake server's body by base/json.h; numbers are compared
 * with what strtod() reads from the text, which is the promise.
 */
#include "fake.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>

struct said {
    unsigned count;
    enum playtrace_log_level level;
    char last[512];
    struct playtrace *p; /* the callback may call the client */
};

static void say(void *ctx, enum playtrace_log_level level, const char *text)
{
    struct said *said = ctx;
    struct playtrace_stats stats;

    said->count++;
    said->level = level;
    (void)snprintf(said->last, sizeof(said->last), "%s", text);
    PT_CHECK(!strchr(text, '\n'));
    playtrace_stats(said->p, &stats);
}

static struct playtrace *open_with_log(struct fake *fake, const char *dir, struct said *said)
{
    struct playtrace_options options = fake_options(fake, dir);

    memset(said, 0, sizeof(*said));
    options.log = say;
    options.log_ctx = said;
    PT_CHECK(playtrace_open(&said->p, &options) == PLAYTRACE_OK);
    return said->p;
}

static void check_said(const struct said *said, const char *part)
{
    if (!strstr(said->last, part)) {
        fail_msg("\"%s\" is not in \"%s\"", part, said->last);
    }
}

/* The attributes' text of the one event of the last body. */
static void check_sent(struct fake *fake, const char *attributes)
{
    char *want = pt_strf("\"attributes\":%s}]}", attributes);

    if (!strstr(fake->last_body, want)) {
        fail_msg("%s is not in %s", want, fake->last_body);
    }
    pt_free(want);
}

static void every_type_arrives(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace *p = fake_open(fake, dir);
    struct playtrace_event e;
    char id[PLAYTRACE_ID_TEXT_BYTES];

    (void)state;
    playtrace_event_init(&e, "level_end");
    PT_CHECK(playtrace_track_event(p, &e, NULL) == PLAYTRACE_OK); /* without attributes */
    PT_CHECK(playtrace_flush(p, 100) == PLAYTRACE_OK);
    PT_CHECK(!strstr(fake->last_body, "attributes"));
    PT_CHECK(playtrace_event_add_int(&e, "min", INT64_MIN) == PLAYTRACE_OK);
    PT_CHECK(playtrace_event_add_int(&e, "max", INT64_MAX) == PLAYTRACE_OK);
    PT_CHECK(playtrace_event_add_int(&e, "zero", 0) == PLAYTRACE_OK);
    PT_CHECK(playtrace_event_add_uint(&e, "umax", UINT64_MAX) == PLAYTRACE_OK);
    PT_CHECK(playtrace_event_add_bool(&e, "won", true) == PLAYTRACE_OK);
    PT_CHECK(playtrace_event_add_bool(&e, "lost", false) == PLAYTRACE_OK);
    PT_CHECK(playtrace_event_add_string(&e, "a\"b\xc3\xa9", "x\\\"\n\xe2\x82\xac") == PLAYTRACE_OK);
    PT_CHECK(playtrace_event_add_string(&e, "empty", "") == PLAYTRACE_OK);
    PT_CHECK(playtrace_event_add_double(&e, "seconds", -81.25) == PLAYTRACE_OK);
    PT_CHECK(playtrace_event_add_json(&e, "list", "[1,{\"a\":null}]") == PLAYTRACE_OK);
    PT_CHECK(playtrace_event_add_json(&e, "text", "\"t\"") == PLAYTRACE_OK);
    PT_CHECK(e.refused == 0);
    PT_CHECK(playtrace_track_event(p, &e, id) == PLAYTRACE_OK && strlen(id) == 36);
    PT_CHECK(playtrace_flush(p, 100) == PLAYTRACE_OK);
    check_sent(fake, "{\"min\":-9223372036854775808,\"max\":9223372036854775807,\"zero\":0,"
                     "\"umax\":18446744073709551615,\"won\":true,\"lost\":false,"
                     "\"a\\\"b\xc3\xa9\":\"x\\\\\\\"\\u000a\xe2\x82\xac\",\"empty\":\"\","
                     "\"seconds\":-81.25,\"list\":[1,{\"a\":null}],\"text\":\"t\"}");
    PT_CHECK(strcmp(fake->taken[1].event_id, id) == 0);
    PT_CHECK(playtrace_track_event(p, &e, NULL) == PLAYTRACE_OK); /* again: another event */
    PT_CHECK(playtrace_flush(p, 100) == PLAYTRACE_OK && fake->taken_count == 3);
    playtrace_event_init(&e, "purchase");
    playtrace_event_set_priority(&e, PLAYTRACE_PRIORITY_HIGH);
    fake_track(p, 1);
    PT_CHECK(playtrace_track_event(p, &e, NULL) == PLAYTRACE_OK);
    PT_CHECK(playtrace_flush(p, 100) == PLAYTRACE_OK && fake->taken_count == 5);
    PT_CHECK(strcmp(fake->taken[3].name, "purchase") == 0); /* overtakes */
    playtrace_event_set_priority(&e, (enum playtrace_priority)3);
    PT_CHECK(playtrace_track_event(p, &e, NULL) == PLAYTRACE_INVALID);
    playtrace_event_set_priority(NULL, PLAYTRACE_PRIORITY_HIGH);
    fake_end(fake, p, dir);
}

static void doubles_read_back_exactly(void **state)
{
    static const struct {
        double value;
        const char *text; /* NULL: any that reads back */
    } cases[] = {
        {0.0, "0"},
        {1.0, "1"},
        {-1.5, "-1.5"},
        {0.1, "0.1"},
        {0.3, "0.3"},
        {4.99, "4.99"},
        {-0.001, "-0.001"},
        {1e-9, "0.000000001"},
        {123456789.123, "123456789.123"},
        {81.7, "81.7"},
        {9007199254740991.0, "9007199254740991"},
        {1e300, NULL},
        {DBL_MAX, NULL},
        {-DBL_MAX, NULL},
        {DBL_MIN, NULL},
        {5e-324, NULL},
        {1.0 / 3.0, NULL},
        {0.1 + 0.2, NULL},
        {9007199254740993.0, NULL},
    };
    struct playtrace_event e;
    uint64_t seed = 7;

    (void)state;
    for (size_t i = 0; i < 20000; i++) {
        double value = 0;

        if (i < sizeof(cases) / sizeof(cases[0])) {
            value = cases[i].value;
        } else {
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            memcpy(&value, &seed, sizeof(value));
            if (i % 2 == 0 || !isfinite(value)) {
                value = (double)(int64_t)(seed >> 40) / 1000.0;
            }
        }
        playtrace_event_init(&e, "x");
        PT_CHECK(playtrace_event_add_double(&e, "v", value) == PLAYTRACE_OK);
        if (strtod(e.own + 5, NULL) != value) {
            fail_msg("%.17g became %s", value, e.own);
        }
        if (i < sizeof(cases) / sizeof(cases[0]) && cases[i].text) {
            char *want = pt_strf("{\"v\":%s}", cases[i].text);

            if (strcmp(e.own, want) != 0) {
                fail_msg("%s is not %s", e.own, want);
            }
            pt_free(want);
        }
    }
}

/* In a locale with a decimal comma, and in one whose decimal point has two bytes, JSON still has a
 * point. The locales are made here, where the machine has their sources. */
static void the_locale_changes_nothing(void **state)
{
    static const char *const names[] = {"de_DE", "ps_AF"};
    char *dir = pt_test_dir_create();
    unsigned made = 0;

    (void)state;
    PT_CHECK(setenv("LOCPATH", dir, 1) == 0);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *command = pt_strf("localedef -i %s -f UTF-8 %s/%s.UTF-8 >/dev/null 2>&1", names[i],
                                dir, names[i]);
        char *name = pt_strf("%s.UTF-8", names[i]);
        struct playtrace_event e;

        if (system(command) == 0 && setlocale(LC_NUMERIC, name) != NULL) {
            made++;
        }
        playtrace_event_init(&e, "x");
        PT_CHECK(playtrace_event_add_double(&e, "v", 1.0 / 3.0) == PLAYTRACE_OK);
        PT_CHECK(playtrace_event_add_double(&e, "w", -1e300 / 3.0) == PLAYTRACE_OK);
        (void)setlocale(LC_NUMERIC, "C");
        PT_CHECK(strcmp(e.own, "{\"v\":0.33333333333333331,\"w\":-3.3333333333333335e+299}") == 0);
        pt_free(name);
        pt_free(command);
    }
    PT_CHECK(unsetenv("LOCPATH") == 0);
    pt_test_dir_remove(dir);
    if (made < 2) {
        print_message("no sources of locales here\n");
        skip();
    }
}

static void wrong_attributes_are_left_out_and_said(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct said said;
    struct playtrace *p = open_with_log(fake, dir, &said);
    char long_key[PLAYTRACE_KEY_BYTES_MAX + 2];
    char big[PLAYTRACE_EVENT_OWN_BYTES];
    struct playtrace_event e;

    (void)state;
    memset(long_key, 'k', sizeof(long_key));
    long_key[sizeof(long_key) - 1] = '\0';
    memset(big, 'b', sizeof(big));
    big[sizeof(big) - 1] = '\0';
    playtrace_event_init(&e, "shot");
    PT_CHECK(playtrace_event_add_double(&e, "speed", NAN) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_event_add_int(&e, "a", 1) == PLAYTRACE_OK);
    PT_CHECK(playtrace_event_add_double(&e, "b", INFINITY) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_event_add_double(&e, "b", -INFINITY) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_event_add_int(&e, "a", 2) == PLAYTRACE_INVALID); /* repeated */
    PT_CHECK(playtrace_event_add_int(&e, NULL, 2) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_event_add_int(&e, "", 2) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_event_add_int(&e, long_key, 2) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_event_add_int(&e, "k\xff", 2) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_event_add_string(&e, "c", "\xc3\x28") == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_event_add_string(&e, "c", NULL) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_event_add_string(&e, "c", big) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_event_add_json(&e, "c", "{\"x\":}") == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_event_add_json(&e, "c", "1,\"event_id\":2") == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_event_add_json(&e, "c", NULL) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_event_add_bool(&e, "aa", true) == PLAYTRACE_OK); /* "a" is another key */
    PT_CHECK(e.refused == 14 && strcmp(e.own, "{\"a\":1,\"aa\":true}") == 0);
    PT_CHECK(playtrace_track_event(p, &e, NULL) == PLAYTRACE_OK);
    PT_CHECK(said.count == 1 && said.level == PLAYTRACE_LOG_WARNING);
    check_said(&said,
               "\"shot\": 14 attributes were left out, the first is \"speed\": the number is "
               "NaN or infinite");
    PT_CHECK(playtrace_flush(p, 100) == PLAYTRACE_OK);
    check_sent(fake, "{\"a\":1,\"aa\":true}");
    PT_CHECK(playtrace_event_add_int(NULL, "a", 1) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_event_add_double(NULL, "a", 1) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_event_add_string(NULL, "a", "") == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_event_add_json(NULL, "a", "1") == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_event_add_bool(NULL, "a", true) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_event_add_uint(NULL, "a", 1) == PLAYTRACE_INVALID);
    playtrace_event_init(NULL, "x");
    PT_CHECK(playtrace_track_event(p, NULL, NULL) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_track_event(NULL, &e, NULL) == PLAYTRACE_INVALID);
    memset(&e, 0, sizeof(e)); /* not initialised */
    PT_CHECK(playtrace_event_add_int(&e, "a", 1) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_track_event(p, &e, NULL) == PLAYTRACE_INVALID);
    fake_end(fake, p, dir);
}

/* A million attributes: as many stand as have room, the rest is counted, nothing is written past
 * the buffer's end. */
static void a_million_attributes_end_at_the_bound(void **state)
{
    static const size_t sizes[] = {0, 1, 2, 3, 4, 10, 11, 12, 64, 2048, 70000};
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace *p = fake_open(fake, dir);

    (void)state;
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        char *buffer = pt_alloc(sizes[s] + 1);
        struct playtrace_event e;
        unsigned total = s + 1 < sizeof(sizes) / sizeof(sizes[0]) ? 1000 : 1000000;
        unsigned taken = 0;

        buffer[sizes[s]] = 0x5a;
        playtrace_event_init_in(&e, "many", buffer, sizes[s]);
        for (unsigned i = 0; i < total; i++) {
            char key[16];

            (void)snprintf(key, sizeof(key), "k%u", i);
            taken += playtrace_event_add_uint(&e, key, i) == PLAYTRACE_OK ? 1 : 0;
        }
        PT_CHECK(taken + e.refused == total && taken <= PLAYTRACE_EVENT_ATTRIBUTES_MAX);
        PT_CHECK(sizes[s] < 2048 || taken > 100);
        PT_CHECK(buffer[sizes[s]] == 0x5a);
        PT_CHECK(playtrace_track_event(p, &e, NULL) == PLAYTRACE_OK);
        PT_CHECK(playtrace_flush(p, 100) == PLAYTRACE_OK);
        pt_free(buffer);
    }
    PT_CHECK(fake->taken_count == sizeof(sizes) / sizeof(sizes[0]));
    fake_end(fake, p, dir);
}

/* A text that is longer than any event is said to be that, wherever the bound falls into it. */
static void a_text_longer_than_an_event_has_no_room(void **state)
{
    const size_t bytes = PLAYTRACE_EVENT_BYTES_MAX + 100;
    char *text = pt_alloc(bytes + 1);
    struct playtrace_event e;

    (void)state;
    for (size_t start = 1; start <= 2; start++) {
        memset(text, '"', start);
        for (size_t at = start; at + 2 <= bytes; at += 2) {
            memcpy(text + at, "ä", 3);
        }
        playtrace_event_init(&e, "x");
        PT_CHECK(playtrace_event_add_string(&e, "a", text) == PLAYTRACE_INVALID);
        PT_CHECK(strstr(e.refused_why, "no room") != NULL);
        playtrace_event_init(&e, "x");
        PT_CHECK(playtrace_event_add_json(&e, "a", text) == PLAYTRACE_INVALID);
        PT_CHECK(strstr(e.refused_why, "no room") != NULL);
    }
    pt_free(text);
}

/* Every text that track() refuses is named in the log by what, where and why. */
static void wrong_json_is_said_with_its_place(void **state)
{
    static const struct {
        const char *name;
        const char *attributes;
        const char *said;
    } cases[] = {
        {"1up", NULL, "event \"1up\" not taken: a name is a letter and then"},
        {NULL, NULL, "event \"\" not taken: a name is"},
        {"caf\xc3\xa9", NULL, "event \"caf??\" not taken"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL, "up to 63"},
        {"ok", "[]", "attributes, byte 0: attributes are one JSON object"},
        {"ok", "", "attributes, byte 0: attributes are one JSON object"},
        {"ok", "{\"a\":NaN}", "attributes, byte 5: not a JSON value (NaN"},
        {"ok", "{\"a\":-Infinity}", "attributes, byte 6: not a JSON value (NaN"},
        {"ok", "{\"a\":1}}", "attributes, byte 7: something follows"},
        {"ok", "{\"a\":\"x\xff\"}", "attributes, byte 7: bytes that are not UTF-8"},
        {"ok", "{\"a\":\"\\ud800\"}", "half of a surrogate pair"},
        {"ok", "{\"a\":\"\\u00g0\"}", "four hexadecimal digits"},
        {"ok", "{\"a\":\"\\x\"}", "an escape that JSON does not have"},
        {"ok", "{\"a\":\"\n\"}", "attributes, byte 6: a control character"},
        {"ok", "{\"a\":1e999}", "too large for a double"},
        {"ok", "{\"a\":99999999999999999999}", "64 bits do not hold"},
        {"ok", "{\"a\":01}", "starts with 0"},
        {"ok", "{\"a\":1.}", "behind the decimal point"},
        {"ok", "{\"a\":1e}", "into the exponent"},
        {"ok", "{\"a\":[1 2]}", "attributes, byte 8: \",\" or \"]\" belongs here"},
        {"ok", "{\"a\":1 \"b\":2}", "attributes, byte 7: \",\" or \"}\" belongs here"},
        {"ok", "{\"a\" 1}", "\":\" belongs here"},
        {"ok", "{a:1}", "attributes, byte 1: a text in double quotes belongs here"},
        {"ok", "{\"a\":", "the text ends where a value belongs"},
        {"ok", "{\"a\":\"", "the text ends within a string"},
        {"ok", "{\"a\":nul}", "attributes, byte 5: not JSON"},
    };
    struct fake *fake = fake_create();

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *dir = pt_test_dir_create();
        struct said said;
        struct playtrace *p = open_with_log(fake, dir, &said);
        struct playtrace_stats stats;

        PT_CHECK(playtrace_track(p, cases[i].name, cases[i].attributes) == PLAYTRACE_INVALID);
        PT_CHECK(said.count == 1 && said.level == PLAYTRACE_LOG_WARNING);
        check_said(&said, cases[i].said);
        playtrace_stats(p, &stats);
        PT_CHECK(stats.invalid == 1 && stats.tracked == 0);
        PT_CHECK(playtrace_close(p, 0) == PLAYTRACE_OK);
        pt_test_dir_remove(dir);
    }
    fake_destroy(fake);
}

static void too_much_json_is_said(void **state)
{
    enum { MILLION_BYTES = 12000000 };
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct said said;
    struct playtrace *p = open_with_log(fake, dir, &said);
    char *text = pt_alloc(MILLION_BYTES);
    size_t at = 1;

    (void)state;
    text[0] = '{';
    for (unsigned i = 0; i < 1000000; i++) {
        at += (size_t)snprintf(text + at, MILLION_BYTES - at, "%s\"%u\":1", i > 0 ? "," : "", i);
        PT_CHECK(at + 20 < MILLION_BYTES);
    }
    memcpy(text + at, "}", 2);
    PT_CHECK(playtrace_track(p, "many", text) == PLAYTRACE_INVALID);
    check_said(&said, "byte 32768: longer than 32768 bytes");
    memset(text, '[', 40000);
    memcpy(text, "{\"a\":", 5);
    text[20000] = '\0';
    PT_CHECK(playtrace_track(p, "deep", text) == PLAYTRACE_INVALID);
    check_said(&said, "byte 36: nested too deep");
    memset(text, ' ', 32768);
    text[0] = '{';
    memcpy(text + 32766, "}", 2);
    PT_CHECK(playtrace_track(p, "wide", text) == PLAYTRACE_INVALID);
    check_said(&said, "event \"wide\" not taken: with ids and times it is longer");
    PT_CHECK(said.count == 3);
    PT_CHECK(playtrace_close(p, 0) == PLAYTRACE_OK);
    pt_free(text);
    fake_destroy(fake);
    pt_test_dir_remove(dir);
}

static void a_storm_of_one_kind_is_thinned_out(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct said said;
    struct playtrace *p = open_with_log(fake, dir, &said);
    unsigned dropped = 0;

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        PT_CHECK(playtrace_track(p, "", NULL) == PLAYTRACE_INVALID);
    }
    PT_CHECK(said.count == 8 + 6); /* 16, 32, 64, 128, 256, 512 */
    check_said(&said, "(512 of this kind)");
    while (playtrace_track(p, "tick", NULL) == PLAYTRACE_OK) {
        PT_CHECK(dropped++ < 100000);
    }
    PT_CHECK(said.count == 15 && said.level == PLAYTRACE_LOG_ERROR); /* another kind */
    check_said(&said, "event \"tick\" is lost: the ring in memory is full");
    (void)playtrace_close(p, 0);
    fake_destroy(fake);
    pt_test_dir_remove(dir);
}

static void an_open_that_fails_says_why(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace_options options = fake_options(fake, dir);
    struct said said;
    struct playtrace *p = NULL;

    (void)state;
    memset(&said, 0, sizeof(said));
    options.log = say;
    options.log_ctx = &said;
    options.url = "play.example";
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_INVALID);
    check_said(&said, "not opened: url: http://host");
    options.url = "http://127.0.0.1:1";
    options.batch_events_max = 0;
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_INVALID);
    check_said(&said, "playtrace_options_init()");
    options.batch_events_max = 1;
    PT_CHECK(playtrace_open(&said.p, &options) == PLAYTRACE_OK);
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_BUSY);
    check_said(&said, "another client has this directory open");
    PT_CHECK(playtrace_close(said.p, 0) == PLAYTRACE_OK);
    said.p = NULL;
    options.queue_dir = "/proc/no/such";
    PT_CHECK(playtrace_open(&p, &options) == PLAYTRACE_IO && said.count == 4);
    check_said(&said, "/proc/no/such: cannot be made, read or written");
    fake_destroy(fake);
    pt_test_dir_remove(dir);
}

static bool refuse_at_length(struct fake *fake, uint32_t events,
                             struct playtrace_http_response *response)
{
    (void)fake;
    (void)events;
    fake_reply(response, 503,
               "{\"code\":\"busy\",\"detail\":\"x"
               "ääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääää\"}");
    return true;
}

/* Where a text is cut to fit into the line, no half of a character stays, and no line ends in it:
 * of a path, of a flag's key, of what the server says. */
static void a_line_of_the_log_is_utf8(void **state)
{
    char *dir = pt_test_dir_create();
    struct fake *fake = fake_create();
    struct playtrace_options options = fake_options(fake, dir);
    struct said said;
    char path[256] = "/proc/a\nb\xff";

    (void)state;
    memset(&said, 0, sizeof(said));
    options.log = say;
    options.log_ctx = &said;
    for (size_t at = strlen(path); at + 2 < sizeof(path); at += 2) {
        memcpy(path + at, "ä", 3);
    }
    options.queue_dir = path;
    PT_CHECK(playtrace_open(&said.p, &options) == PLAYTRACE_IO);
    check_said(&said, "/proc/a?b?ä");
    check_said(&said, "ä: cannot be made");
    memmove(path + 6, path + 7, strlen(path + 6));
    PT_CHECK(playtrace_open(&said.p, &options) == PLAYTRACE_IO);
    check_said(&said, "ä?: cannot be made");
    options.queue_dir = dir;
    fake->answer = refuse_at_length;
    PT_CHECK(playtrace_open(&said.p, &options) == PLAYTRACE_OK);
    fake_track(said.p, 1);
    PT_CHECK(playtrace_flush(said.p, 1) == PLAYTRACE_QUEUED);
    check_said(&said, "busy: xää");
    check_said(&said, "ä?; the events wait");
    PT_CHECK(playtrace_close(said.p, 0) == PLAYTRACE_QUEUED);
    fake_destroy(fake);
    pt_test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_arrives),
        cmocka_unit_test(doubles_read_back_exactly),
        cmocka_unit_test(the_locale_changes_nothing),
        cmocka_unit_test(wrong_attributes_are_left_out_and_said),
        cmocka_unit_test(a_million_attributes_end_at_the_bound),
        cmocka_unit_test(a_text_longer_than_an_event_has_no_room),
        cmocka_unit_test(wrong_json_is_said_with_its_place),
        cmocka_unit_test(too_much_json_is_said),
        cmocka_unit_test(a_storm_of_one_kind_is_thinned_out),
        cmocka_unit_test(an_open_that_fails_says_why),
        cmocka_unit_test(a_line_of_the_log_is_utf8),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
