/*
 * test_client_flags.c - flags: never in the way, never another player's
 *
 * Method: a server in memory that answers bulk evaluations as each case says, a clock that moves
 * only when told; the client is pumped by hand. Then: what do the getters give, what was asked
 * when, what was said.
 */
#include "core/decimal.h"
#include "core/flags.h"
#include "flags_desk.h"

#include <stdlib.h>

/* ---- values ---- */

static const char all_types[] =
    "{\"flags\":["
    "{\"key\":\"on\",\"reason\":\"STATIC\",\"variant\":\"yes\",\"value\":true,\"metadata\":{}},"
    "{\"key\":\"off\",\"reason\":\"STATIC\",\"variant\":\"no\",\"value\":false},"
    "{\"key\":\"int\",\"reason\":\"STATIC\",\"variant\":\"a\",\"value\":-9223372036854775808},"
    "{\"key\":\"big\",\"reason\":\"STATIC\",\"variant\":\"a\",\"value\":18446744073709551615},"
    "{\"key\":\"whole\",\"reason\":\"STATIC\",\"variant\":\"a\",\"value\":3.0},"
    "{\"key\":\"real\",\"reason\":\"STATIC\",\"variant\":\"a\",\"value\":0.1},"
    "{\"key\":\"text\",\"reason\":\"STATIC\",\"variant\":\"a\","
    "\"value\":\"a\\\"b\\\\c\\n\\u00e9\\ud83d\\ude00\xc3\xbc\"},"
    "{\"key\":\"object\",\"reason\":\"STATIC\",\"variant\":\"a\",\"value\": {\"x\":[1,\"]}\"]} },"
    "{\"key\":\"array\",\"reason\":\"STATIC\",\"variant\":\"a\",\"value\":[]},"
    "{\"key\":\"null\",\"reason\":\"STATIC\",\"variant\":\"a\",\"value\":null},"
    "{\"key\":\"disabled\",\"reason\":\"DISABLED\",\"metadata\":{}},"
    "{\"key\":\"broken\",\"errorCode\":\"PARSE_ERROR\",\"errorDetails\":\"\\\"x\\\"\"},"
    "{\"key\":\"k\\u0065y "
    "\\\"\xc3\xbc\",\"reason\":\"SPLIT\",\"variant\":\"v\\u00fc\",\"value\":1},"
    "{\"key\":\"on\",\"reason\":\"STATIC\",\"variant\":\"later\",\"value\":false},"
    "{\"reason\":\"STATIC\"},17,{\"key\":5,\"value\":true}"
    "],\"metadata\":{\"flags\":[]}}";

static void each_type_gives_its_value_and_any_other_the_default(void **state)
{
    struct set *set = set_ready(all_types);
    struct playtrace *p = set->p;
    static const double tenth = 0.1;
    double got = 0;
    char text[64];

    (void)state;
    PT_CHECK(playtrace_flag_bool(p, "on", false) && !playtrace_flag_bool(p, "off", true));
    PT_CHECK(playtrace_flag_int(p, "int", 1) == INT64_MIN);
    PT_CHECK(playtrace_flag_int(p, "big", 1) == 1 && playtrace_flag_int(p, "real", 1) == 1);
    PT_CHECK(playtrace_flag_int(p, "whole", 1) == 3 && playtrace_flag_double(p, "whole", 1) == 3);
    got = playtrace_flag_double(p, "real", 1);
    PT_CHECK(memcmp(&got, &tenth, sizeof(got)) == 0); /* where 0.1 itself is a long double, too */
    PT_CHECK(playtrace_flag_double(p, "big", 1) == 18446744073709551616.0);
    PT_CHECK(playtrace_flag_string(p, "text", "d", text, sizeof(text)) == 14);
    PT_CHECK(strcmp(text, "a\"b\\c\n\xc3\xa9\xf0\x9f\x98\x80\xc3\xbc") == 0);
    PT_CHECK(playtrace_flag_json(p, "object", "{}", text, sizeof(text)) == 14);
    PT_CHECK(strcmp(text, "{\"x\":[1,\"]}\"]}") == 0);
    PT_CHECK(playtrace_flag_json(p, "array", "{}", text, sizeof(text)) == 2);
    PT_CHECK(playtrace_flag_int(p, "key \"\xc3\xbc", 0) == 1);
    /* Each getter, each flag of another type. */
    static const char *const keys[] = {"on",   "int",    "text",  "object",  "array",
                                       "null", "broken", "whole", "nowhere", "disabled"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        PT_CHECK(i == 0 || playtrace_flag_bool(p, keys[i], true));
        PT_CHECK(i == 0 || !playtrace_flag_bool(p, keys[i], false));
        PT_CHECK(i == 1 || i == 7 || playtrace_flag_int(p, keys[i], 7) == 7);
        PT_CHECK(i == 1 || i == 7 || playtrace_flag_double(p, keys[i], 7.5) == 7.5);
        PT_CHECK(i == 2 || (playtrace_flag_string(p, keys[i], "def", text, sizeof(text)) == 3 &&
                            strcmp(text, "def") == 0));
        PT_CHECK(i == 3 || i == 4 ||
                 (playtrace_flag_json(p, keys[i], NULL, text, sizeof(text)) == 0 && !text[0]));
    }
    check_details(p, "on", "yes", "STATIC", "", false); /* the first of two counts */
    check_details(p, "disabled", "", "DISABLED", "", true);
    check_details(p, "broken", "", "ERROR", "PARSE_ERROR", true);
    check_details(p, "nowhere", "", "ERROR", "FLAG_NOT_FOUND", true);
    check_details(p, "key \"\xc3\xbc", "v\xc3\xbc", "SPLIT", "", false);
    check_details(p, "null", "a", "STATIC", "", true);
    set_destroy(set);
}

static void texts_are_cut_before_a_character_without_room(void **state)
{
    struct set *set = set_ready(all_types);
    char text[16];

    (void)state;
    for (size_t room = 0; room <= sizeof(text); room++) {
        memset(text, '#', sizeof(text));
        PT_CHECK(playtrace_flag_string(set->p, "text", "", text, room) == 14);
        PT_CHECK(room == 0 || memchr(text, '\0', room) != NULL);
        PT_CHECK(room == sizeof(text) || text[room] == '#');
        if (room > 0) {
            size_t bytes = strlen(text);
            /* Whole characters only: borders stand behind 6 ASCII, 2, 4 and 2 bytes. */
            PT_CHECK(bytes <= 6 || bytes == 8 || bytes == 12 || bytes == 14);
            PT_CHECK(bytes + 4 >= room || room > 14);
        }
    }
    PT_CHECK(playtrace_flag_string(set->p, "no", "\xc3\xbc", text, 2) == 2 && text[0] == '\0');
    PT_CHECK(playtrace_flag_string(set->p, "no", NULL, NULL, 0) == 0);
    set_destroy(set);
}

static void bad_arguments_are_defaults_and_statuses(void **state)
{
    struct set *set = set_ready(SIMPLE);
    struct playtrace_flag_details details;
    char long_key[400];
    char text[8];

    (void)state;
    memset(long_key, 'k', sizeof(long_key) - 1);
    long_key[sizeof(long_key) - 1] = '\0';
    PT_CHECK(playtrace_flag_bool(NULL, "shop", true) && playtrace_flag_bool(set->p, NULL, true));
    PT_CHECK(playtrace_flag_int(NULL, "shop", 3) == 3 && playtrace_flag_double(NULL, "a", 3) == 3);
    PT_CHECK(playtrace_flag_string(NULL, "a", "d", text, sizeof(text)) == 1);
    PT_CHECK(!playtrace_flag_bool(set->p, long_key, false) && !playtrace_flag_bool(set->p, "", 0));
    PT_CHECK(playtrace_flag_details(NULL, "a", &details) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_flag_details(set->p, NULL, &details) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_flag_details(set->p, "a", NULL) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_flags_refresh(NULL, 1) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_flags_generation(NULL) == 0);
    PT_CHECK(playtrace_set_flag_context(NULL, NULL) == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_set_flag_context(set->p, "[]") == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_set_flag_context(set->p, "{\"a\":1") == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_set_flag_context(set->p, "{\"targetingKey\":\"x\"}") == PLAYTRACE_INVALID);
    PT_CHECK(playtrace_set_flag_context(set->p, "{\"\\u0074argetingKey\":1}") == PLAYTRACE_INVALID);
    set_close(set);
    set->options.flags_bytes_max = 1023;
    PT_CHECK(playtrace_open(&set->p, &set->options) == PLAYTRACE_INVALID);
    set->options.flags_bytes_max = PLAYTRACE_FLAGS_BYTES_MAX + 1;
    PT_CHECK(playtrace_open(&set->p, &set->options) == PLAYTRACE_INVALID);
    set->options.flags_bytes_max = 1024;
    set->options.flag_context = "{\"targetingKey\":\"x\"}";
    PT_CHECK(playtrace_open(&set->p, &set->options) == PLAYTRACE_INVALID);
    set->options.flag_context = NULL;
    set->options.flags_enabled = false;
    set_open(set);
    (void)playtrace_pump(set->p);
    PT_CHECK(set->desk.times == 1 && !playtrace_flag_bool(set->p, "shop", false));
    PT_CHECK(playtrace_flags_refresh(set->p, 1) == PLAYTRACE_INVALID);
    check_details(set->p, "shop", "", "ERROR", "PROVIDER_NOT_READY", true);
    set_destroy(set);
}

/* Against the C library, where its locale is C's. */
static void numbers_are_the_nearest_doubles(void **state)
{
    static const char *const texts[] = {
        "0",
        "-0.0",
        "0.1",
        "1e22",
        "1e23",
        "5e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "2.2250738585072011e-308",
        "2.2250738585072014e-308",
        "1.7976931348623157e307",
        "9007199254740993",
        "9007199254740992.5",
        "18446744073709551615",
        "3.14159265358979323846264338327950288419716939937510582097494459230781640628",
        "1e-400",
        "0.000000000000000000000000000001e30",
        "6.631236846766476e-316",
        "0e5",
        "123456789.0e-9",
    };
    uint64_t seed = 42;
    int64_t whole = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        double expected = strtod(texts[i], NULL);
        double got = pt_client_decimal_double(texts[i], strlen(texts[i]));

        PT_CHECK(memcmp(&expected, &got, sizeof(got)) == 0);
    }
    for (unsigned i = 0; i < 20000; i++) {
        char text[64];
        double expected = 0;
        double got = 0;

        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        (void)snprintf(text, sizeof(text), "%llu.%ue%d", (unsigned long long)(seed >> (seed >> 58)),
                       (unsigned)(seed >> 40), (int)(seed % 500) - 300 - (i % 2 ? 0 : 40));
        expected = strtod(text, NULL);
        got = pt_client_decimal_double(text, strlen(text));
        PT_CHECK(expected > 1e308 || memcmp(&expected, &got, sizeof(got)) == 0);
    }
    PT_CHECK(pt_client_decimal_int("9223372036854775807", 19, &whole) && whole == INT64_MAX);
    PT_CHECK(!pt_client_decimal_int("9223372036854775808", 19, &whole));
    PT_CHECK(pt_client_decimal_int("-9223372036854775808", 20, &whole) && whole == INT64_MIN);
    PT_CHECK(!pt_client_decimal_int("-9223372036854775809", 20, &whole));
    PT_CHECK(pt_client_decimal_int("1.5e1", 5, &whole) && whole == 15);
    PT_CHECK(!pt_client_decimal_int("1.5", 3, &whole) &&
             !pt_client_decimal_int("1e300", 5, &whole));
}

/* ---- asking ---- */

static void the_question_names_player_options_and_context(void **state)
{
    struct set *set = set_create(SIMPLE);

    (void)state;
    set->options.build_id = "1.4.2";
    set->options.platform = "pc";
    set->options.api_key = "key-1";
    set->options.flag_context = " { \"level\" : 7, \"platform\":\"x\" } ";
    set->options.user_id = "ann \"\n\xc3\xbc";
    set_open(set);
    PT_CHECK(playtrace_pump(set->p) == PLAYTRACE_OK);
    PT_CHECK(strcmp(set->desk.asked,
                    "{\"context\":{\"targetingKey\":\"ann \\\"\\u000a\xc3\xbc\","
                    "\"build_id\":\"1.4.2\",\"level\" : 7, \"platform\":\"x\" }}") == 0);
    PT_CHECK(set->desk.had_key && set->desk.if_none_match[0] == '\0');
    PT_CHECK(playtrace_set_flag_context(set->p, "{ }") == PLAYTRACE_OK);
    (void)playtrace_pump(set->p);
    PT_CHECK(set->desk.times == 2);
    PT_CHECK(strstr(set->desk.asked, "\"platform\":\"pc\"}}") != NULL);
    PT_CHECK(playtrace_set_flag_context(set->p, "{ }") == PLAYTRACE_OK); /* the same: no request */
    (void)playtrace_pump(set->p);
    PT_CHECK(set->desk.times == 2);
    PT_CHECK(playtrace_set_user(set->p, NULL) == PLAYTRACE_OK);
    (void)playtrace_pump(set->p);
    PT_CHECK(set->desk.times == 3 && !strstr(set->desk.asked, "ann"));
    PT_CHECK(strlen(set->desk.asked) > 60); /* the install's id */
    set_destroy(set);
}

static void polls_have_their_interval_and_a_tag(void **state)
{
    struct set *set = set_create(SIMPLE);
    uint64_t generation = 0;
    int64_t began_us = 0;

    (void)state;
    set->desk.etag = "\"e1\"";
    set_open(set);
    PT_CHECK(playtrace_flags_generation(set->p) == 0 && !playtrace_flag_bool(set->p, "shop", 0));
    (void)playtrace_pump(set->p);
    generation = playtrace_flags_generation(set->p);
    PT_CHECK(generation > 0 && playtrace_flag_bool(set->p, "shop", false));
    for (unsigned i = 2; i < 20; i++) {
        began_us = set->fake->mono_us;
        while (set->desk.times < i) {
            fake_advance_ms(set->fake, 500);
            (void)playtrace_pump(set->p);
        }
        PT_CHECK(set->fake->mono_us - began_us >= 54000000);
        PT_CHECK(set->fake->mono_us - began_us <= 66500000);
        PT_CHECK(strcmp(set->desk.if_none_match, "\"e1\"") == 0);
    }
    PT_CHECK(playtrace_flags_generation(set->p) == generation); /* 304: nothing changed */
    PT_CHECK(stats_of(set).flag_requests == 19 && stats_of(set).flag_failures == 0);
    set->desk.etag = "\"e2\"";
    set->desk.body = "{\"flags\":[]}";
    PT_CHECK(playtrace_flags_refresh(set->p, 1000) == PLAYTRACE_OK);
    PT_CHECK(playtrace_flags_generation(set->p) == generation + 1);
    PT_CHECK(!playtrace_flag_bool(set->p, "shop", false));
    check_details(set->p, "shop", "", "ERROR", "FLAG_NOT_FOUND", true);
    set_destroy(set);
}

/* The same values again, without tags: no change. */
static void an_answer_without_a_tag_is_compared(void **state)
{
    struct set *set = set_ready(SIMPLE);
    uint64_t generation = playtrace_flags_generation(set->p);

    (void)state;
    PT_CHECK(playtrace_flags_refresh(set->p, 1000) == PLAYTRACE_OK && set->desk.times == 2);
    PT_CHECK(set->desk.if_none_match[0] == '\0');
    PT_CHECK(playtrace_flags_generation(set->p) == generation);
    set_destroy(set);
}

struct refusal {
    int status;
    const char *body;
    const char *retry_after;
    bool is_truncated;
    int64_t least_ms; /* no request before */
    int64_t most_ms;
};

static void what_is_no_answer_changes_nothing(void **state)
{
    static const struct refusal cases[] = {
        {0, NULL, NULL, false, 0, 1100},
        {200, "<html>Sign in to the hotel's network</html>", NULL, false, 0, 1100},
        {200, "", NULL, false, 0, 1100},
        {200, "{}", NULL, false, 0, 1100},
        {200, "[]", NULL, false, 0, 1100},
        {200, "{\"flags\":{}}", NULL, false, 0, 1100},
        {200, "{\"flags\":[]", NULL, false, 0, 1100},
        {200, "{\"flags\":[{\"key\":\"shop\",\"value\":false}]} x", NULL, false, 0, 1100},
        {200, "{\"flags\":[{\"key\":\"\xff\"}]}", NULL, false, 0, 1100},
        {200, "{\"flags\":[]}", NULL, true, 150000, 301000}, /* more than flags_bytes_max */
        {202, "{\"flags\":[]}", NULL, false, 0, 1100},
        {204, NULL, NULL, false, 0, 1100},
        {301, NULL, NULL, false, 0, 1100},
        {304, NULL, NULL, false, 0, 1100}, /* to no tag */
        {400, "{\"errorCode\":\"INVALID_CONTEXT\"}", NULL, false, 150000, 301000},
        {401, NULL, NULL, false, 150000, 301000},
        {403, NULL, NULL, false, 150000, 301000},
        {404, NULL, NULL, false, 150000, 301000},
        {429, NULL, "20", false, 20000, 21100},
        {429, NULL, NULL, false, 0, 1100},
        {500, "{\"flags\":[]}", NULL, false, 0, 1100},
        {503, NULL, "Sun, 01 Nov 2026 12:01:00 GMT", false, 50000, 61100},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct set *set = set_ready(SIMPLE);
        uint64_t generation = playtrace_flags_generation(set->p);
        int64_t began_us = 0;

        set->desk.status = cases[i].status;
        set->desk.body = cases[i].body;
        set->desk.retry_after = cases[i].retry_after;
        set->desk.is_truncated = cases[i].is_truncated;
        PT_CHECK(playtrace_flags_refresh(set->p, 1000) == PLAYTRACE_QUEUED);
        PT_CHECK(set->desk.times == 2 && stats_of(set).flag_failures == 1);
        PT_CHECK(playtrace_flag_bool(set->p, "shop", false));
        PT_CHECK(playtrace_flags_generation(set->p) == generation);
        if (cases[i].retry_after) { /* asked for, but not against the server's word */
            PT_CHECK(playtrace_flags_refresh(set->p, 1000) == PLAYTRACE_QUEUED);
            PT_CHECK(set->desk.times == 2);
        }
        began_us = set->fake->mono_us;
        while (set->desk.times == 2) {
            fake_advance_ms(set->fake, 50);
            (void)playtrace_pump(set->p);
            PT_CHECK(playtrace_flag_bool(set->p, "shop", false));
        }
        PT_CHECK(set->fake->mono_us - began_us >= cases[i].least_ms * 1000);
        PT_CHECK(set->fake->mono_us - began_us <= cases[i].most_ms * 1000);
        set_destroy(set);
    }
}

static void failures_in_a_row_wait_longer_up_to_the_cap(void **state)
{
    struct set *set = set_create(NULL);
    unsigned times = 0;

    (void)state;
    set->options.retry_cap_ms = 60000;
    set->desk.status = 500;
    set_open(set);
    for (unsigned second = 0; second < 3600; second++) {
        fake_advance_ms(set->fake, 1000);
        (void)playtrace_pump(set->p);
    }
    times = set->desk.times;
    PT_CHECK(times > 60 && times < 260); /* 30 s on average */
    set->desk.status = 200;
    set->desk.body = SIMPLE;
    fake_advance_ms(set->fake, 60000);
    (void)playtrace_pump(set->p);
    PT_CHECK(set->desk.times == times + 1 && playtrace_flag_bool(set->p, "shop", false));
    set_destroy(set);
}

static void an_answer_with_too_many_flags_is_not_taken(void **state)
{
    struct set *set = set_create(NULL);
    char *body = pt_alloc(4096);
    size_t used = (size_t)snprintf(body, 4096, "{\"flags\":[");

    (void)state;
    /* 24 bytes a flag: more of them than the memory for 1,024 bytes holds. */
    for (unsigned i = 0; i < 38; i++) {
        used += (size_t)snprintf(body + used, 4096 - used, "%s{\"key\":\"%02u\",\"value\":1}",
                                 i > 0 ? "," : "", i);
    }
    (void)snprintf(body + used, 4096 - used, "]}");
    set->options.flags_bytes_max = 1024;
    set->desk.body = body;
    PT_CHECK(strlen(body) <= 1024);
    set_open(set);
    (void)playtrace_pump(set->p);
    PT_CHECK(set->desk.times == 1 && stats_of(set).flag_failures == 1);
    PT_CHECK(playtrace_flag_int(set->p, "01", 5) == 5);
    set->desk.body = SIMPLE;
    PT_CHECK(playtrace_flags_refresh(set->p, 1000) == PLAYTRACE_OK);
    PT_CHECK(playtrace_flag_bool(set->p, "shop", false));
    set_destroy(set);
    pt_free(body);
}

static void a_jump_of_the_clock_changes_nothing(void **state)
{
    struct set *set = set_ready(SIMPLE);

    (void)state;
    set->fake->wall_us -= INT64_C(86400000000) * 365;
    (void)playtrace_pump(set->p);
    PT_CHECK(set->desk.times == 1 && playtrace_flag_bool(set->p, "shop", false));
    set->fake->wall_us += INT64_C(86400000000) * 3650;
    (void)playtrace_pump(set->p);
    PT_CHECK(set->desk.times == 1);
    set_close(set);
    set->desk.status = 0;
    set_open(set); /* the cache has no age */
    PT_CHECK(playtrace_flag_bool(set->p, "shop", false));
    set_destroy(set);
}

/* ---- what is said ---- */

struct heard {
    char text[4096];
    unsigned count;
};

static void hear(void *ctx, enum playtrace_log_level level, const char *text)
{
    struct heard *heard = ctx;
    size_t used = strlen(heard->text);

    PT_CHECK(level >= PLAYTRACE_LOG_ERROR && level <= PLAYTRACE_LOG_INFO);
    heard->count++;
    (void)snprintf(heard->text + used, sizeof(heard->text) - used, "%s\n", text);
}

static void what_is_wrong_is_said_to_the_game(void **state)
{
    static const struct {
        struct refusal answer;
        const char *said; /* NULL: nothing */
    } cases[] = {
        {{0, NULL, NULL, false, 0, 0}, NULL},
        {{304, NULL, NULL, false, 0, 0}, "answered 304"},
        {{200, "<html>", NULL, false, 0, 0}, "no bulk evaluation"},
        {{200, "{\"flags\":[]}", NULL, true, 0, 0}, "flags_bytes_max (262144 bytes)"},
        {{401, NULL, NULL, false, 0, 0}, "api_key"},
        {{404, NULL, NULL, false, 0, 0}, "flags_enabled = false"},
        {{503, "{\"code\":\"busy\"}", NULL, false, 0, 0}, "answered 503: {\"code\":\"busy\"}"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct set *set = set_create(SIMPLE);
        struct heard heard = {{0}, 0};

        set->options.log = hear;
        set->options.log_ctx = &heard;
        set_open(set);
        (void)playtrace_pump(set->p);
        PT_CHECK(heard.count == 0);
        set->desk.status = cases[i].answer.status;
        set->desk.body = cases[i].answer.body;
        set->desk.is_truncated = cases[i].answer.is_truncated;
        PT_CHECK(playtrace_flags_refresh(set->p, 1000) == PLAYTRACE_QUEUED);
        PT_CHECK(heard.count == (cases[i].said ? 1 : 0));
        PT_CHECK(!cases[i].said || strstr(heard.text, cases[i].said) != NULL);
        /* A getter of another type than the flag's: once for each answer. */
        for (unsigned call = 0; call < 3; call++) {
            PT_CHECK(playtrace_flag_int(set->p, "shop", 4) == 4);
            (void)playtrace_pump(set->p);
        }
        PT_CHECK(count_of(heard.text, "\"shop\" has a value that is no whole number") == 1);
        set_destroy(set);
    }
}

/* ---- whose ---- */

static void change_user(struct playtrace *p)
{
    PT_CHECK(playtrace_set_user(p, "bob") == PLAYTRACE_OK);
}

static void another_player_never_sees_the_first_ones_values(void **state)
{
    struct set *set = set_ready(SIMPLE);
    uint64_t generation = playtrace_flags_generation(set->p);

    (void)state;
    PT_CHECK(playtrace_set_user(set->p, "player") == PLAYTRACE_OK); /* the same */
    PT_CHECK(playtrace_flag_bool(set->p, "shop", false));
    PT_CHECK(playtrace_flags_generation(set->p) == generation);
    change_user(set->p);
    PT_CHECK(!playtrace_flag_bool(set->p, "shop", false));
    PT_CHECK(playtrace_flags_generation(set->p) == generation + 1);
    check_details(set->p, "shop", "", "ERROR", "PROVIDER_NOT_READY", true);
    (void)playtrace_pump(set->p);
    PT_CHECK(set->desk.times == 2 && strstr(set->desk.asked, "\"bob\"") != NULL);
    PT_CHECK(playtrace_flag_bool(set->p, "shop", false));
    /* The player changes while his answer is on its way: it is thrown away. */
    PT_CHECK(playtrace_set_user(set->p, "player") == PLAYTRACE_OK);
    set->desk.meanwhile = change_user;
    (void)playtrace_pump(set->p);
    PT_CHECK(set->desk.times == 3 && strstr(set->desk.asked, "\"player\"") != NULL);
    PT_CHECK(!playtrace_flag_bool(set->p, "shop", false));
    set->desk.meanwhile = NULL;
    set->desk.body = "{\"flags\":[]}";
    (void)playtrace_pump(set->p);
    PT_CHECK(set->desk.times == 4 && strstr(set->desk.asked, "\"bob\"") != NULL);
    check_details(set->p, "shop", "", "ERROR", "FLAG_NOT_FOUND", true);
    set_destroy(set);
}

static void another_context_keeps_the_values_until_the_answer(void **state)
{
    struct set *set = set_create(SIMPLE);

    (void)state;
    set->desk.etag = "\"e1\"";
    set_open(set);
    (void)playtrace_pump(set->p);
    PT_CHECK(playtrace_set_flag_context(set->p, "{\"level\":2}") == PLAYTRACE_OK);
    PT_CHECK(playtrace_flag_bool(set->p, "shop", false));
    set->desk.status = 500;
    (void)playtrace_pump(set->p);
    PT_CHECK(set->desk.times == 2 && playtrace_flag_bool(set->p, "shop", false));
    set->desk.status = 200;
    PT_CHECK(playtrace_flags_refresh(set->p, 1000) == PLAYTRACE_OK);
    PT_CHECK(set->desk.if_none_match[0] == '\0'); /* the tag was of another question's answer */
    set_destroy(set);
}

static void without_consent_nothing_is_asked_kept_or_given(void **state)
{
    struct set *set = set_create(SIMPLE);

    (void)state;
    set->options.consent = PLAYTRACE_CONSENT_NONE;
    set_open(set);
    (void)playtrace_pump(set->p);
    PT_CHECK(set->desk.times == 0 && !playtrace_flag_bool(set->p, "shop", false));
    PT_CHECK(playtrace_flags_refresh(set->p, 100) == PLAYTRACE_NO_CONSENT && set->desk.times == 0);
    PT_CHECK(playtrace_set_consent(set->p, PLAYTRACE_CONSENT_GIVEN) == PLAYTRACE_OK);
    (void)playtrace_pump(set->p);
    PT_CHECK(set->desk.times == 1 && playtrace_flag_bool(set->p, "shop", false));
    PT_CHECK(file_exists(set, "flags"));
    PT_CHECK(playtrace_set_consent(set->p, PLAYTRACE_CONSENT_WITHDRAWN) == PLAYTRACE_OK);
    PT_CHECK(!file_exists(set, "flags") && !file_exists(set, "flags.new"));
    PT_CHECK(!playtrace_flag_bool(set->p, "shop", false));
    fake_advance_ms(set->fake, 1000000);
    (void)playtrace_pump(set->p);
    PT_CHECK(set->desk.times == 1 && !file_exists(set, "flags"));
    set_destroy(set);
}

/* Withdrawn while the answer is on its way. */
static void withdraw(struct playtrace *p)
{
    PT_CHECK(playtrace_set_consent(p, PLAYTRACE_CONSENT_WITHDRAWN) == PLAYTRACE_OK);
}

static void consent_that_ends_during_the_request_leaves_nothing(void **state)
{
    struct set *set = set_create(SIMPLE);

    (void)state;
    set->fake->platform.mutex_create = NULL; /* the request's thread may take the locks again */
    set_open(set);
    set->desk.meanwhile = withdraw;
    (void)playtrace_pump(set->p);
    PT_CHECK(set->desk.times == 1 && !playtrace_flag_bool(set->p, "shop", false));
    PT_CHECK(!file_exists(set, "flags") && !file_exists(set, "flags.new"));
    set_destroy(set);
}

/* ---- with others ---- */

/* An asynchronous transport: a flush does not wait for flags. */
static void events_go_before_flags(void **state)
{
    struct set *set = set_create(SIMPLE);

    (void)state;
    fake_be_asynchronous(set->fake, -1);
    set_open(set);
    (void)playtrace_pump(set->p);
    PT_CHECK(set->fake->under_way != NULL && set->desk.times == 0); /* the flags' */
    fake_track(set->p, 1);
    PT_CHECK(playtrace_flush(set->p, 50) == PLAYTRACE_QUEUED);
    PT_CHECK(set->fake->cancels == 1);
    PT_CHECK(set->fake->under_way && strstr(set->fake->under_way->url, "/v1/events"));
    set->fake->polls_left = 0;
    set->fake->polls_before_answer = 2;
    for (unsigned i = 0; i < 20; i++) {
        (void)playtrace_pump(set->p);
        fake_advance_ms(set->fake, 10);
    }
    PT_CHECK(set->desk.times == 1 && playtrace_flag_bool(set->p, "shop", false));
    PT_CHECK(stats_of(set).flag_failures == 0);
    PT_CHECK(playtrace_flags_refresh(set->p, 1000) == PLAYTRACE_OK && set->desk.times == 2);
    set_destroy(set);
}

/* ---- the stream ---- */

static struct pt_client_flags_index *index_of(char *text)
{
    size_t bytes = strlen(text);
    struct pt_client_flags_index *index = pt_alloc_zero(sizeof(*index));

    index->flag_count_max = pt_client_flags_count_max(bytes);
    index->flags = pt_alloc_zero(index->flag_count_max * sizeof(*index->flags));
    index->head_count = pt_client_flags_head_count(bytes);
    index->heads = pt_alloc_zero(index->head_count * sizeof(*index->heads));
    PT_CHECK(pt_client_flags_index_read(index, text, bytes) == PT_CLIENT_FLAGS_SOUND);
    return index;
}

static void index_free(struct pt_client_flags_index *index)
{
    pt_free(index->flags);
    pt_free(index->heads);
    pt_free(index);
}

static void the_streams_address_is_taken_where_it_is_safe(void **state)
{
    static const struct {
        const char *streams;
        const char *server;
        const char *url;
    } cases[] = {
        {"[{\"type\":\"sse\",\"endpoint\":{\"requestUri\":\"/ofrep/v1/events?since=a&ticket=b\"}}]",
         "http://h:1/x/ofrep", "http://h:1/ofrep/v1/events?since=a&ticket=b"},
        {"[{\"type\":\"sse\",\"url\":\"https:\\/\\/cdn.example/e\"}]", "https://h/x",
         "https://cdn.example/e"},
        {"[{\"type\":\"sse\",\"endpoint\":{\"requestUri\":\"/e\",\"origin\":\"https://o:8\"}}]",
         "https://h", "https://o:8/e"},
        {"[{\"type\":\"other\",\"url\":\"https://a/1\"},{\"type\":\"sse\",\"url\":\"https://a/"
         "2\"}]",
         "https://h", "https://a/2"},
        {"[{\"type\":\"other\",\"url\":\"https://a/1\"}]", "https://h", ""},
        {"[{\"type\":\"sse\",\"url\":\"http://a/1\"}]", "https://h", ""}, /* not secret any more */
        {"[{\"type\":\"sse\",\"url\":\"ftp://a/1\"}]", "http://h", ""},
        {"[{\"type\":\"sse\",\"url\":\"/a\"}]", "http://h", ""},
        {"[{\"type\":\"sse\",\"url\":\"http://\"}]", "http://h", ""},
        {"[{\"type\":\"sse\",\"url\":\"http://h/a b\"}]", "http://h", ""},
        {"[{\"type\":\"sse\",\"url\":\"http://h/\\r\\nX: y\"}]", "http://h", ""},
        {"[{\"type\":\"sse\",\"endpoint\":{\"requestUri\":\"@evil/e\"}}]", "http://h", ""},
        {"[{\"type\":\"sse\",\"endpoint\":7,\"url\":9}]", "http://h", ""},
        {"[]", "http://h", ""},
        {"{}", "http://h", ""},
        {"[5,null,\"x\"]", "http://h", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = pt_strf("{\"flags\":[{\"key\":\"a\"}],\"eventStreams\":%s}", cases[i].streams);
        char *none = pt_strf("{\"flags\":[],\"eventStreams\":%s}", cases[i].streams);
        struct pt_client_flags_index *index = index_of(text);
        struct pt_client_flags_index *empty = index_of(none);
        char url[PT_CLIENT_STREAM_URL_BYTES];

        pt_client_flags_stream_url(index, cases[i].server, url);
        PT_CHECK(strcmp(url, cases[i].url) == 0);
        pt_client_flags_stream_url(empty, cases[i].server, url);
        PT_CHECK(url[0] == '\0'); /* without flags there is nothing to hear */
        index_free(index);
        index_free(empty);
        pt_free(text);
        pt_free(none);
    }
}

static void events_are_read_however_they_are_cut(void **state)
{
    static const char text[] =
        "retry: 1499\nid: aa\n\n:\n\n"
        "id: bb\r\nevent: message\r\ndata: {\"type\":\"refetchEvaluation\",\"etag\":\"x\"}\r\n\r\n"
        "event: other\ndata: {\"type\":\"refetchEvaluation\"}\n\n"
        "data:{\"type\":\ndata:\"refetchEvaluation\"}\n\n"
        "data: {\"type\":\"hello\"}\n\ndata: {broken\n\ndata\n\n"
        "retry: soon\nretry: 99999999999999999999\nid: cc\rdata: x\r\r";
    struct pt_client_stream *s = pt_alloc_zero(sizeof(*s));

    (void)state;
    for (size_t step = 1; step <= sizeof(text); step++) {
        unsigned news = 0;

        memset(s, 0, sizeof(*s));
        for (size_t at = 0; at < sizeof(text) - 1; at += step) {
            size_t left = sizeof(text) - 1 - at;

            news += pt_client_stream_read(s, text + at, left < step ? left : step);
        }
        PT_CHECK(step == 1 ? news == 2 : news >= 1 && news <= 2);
        PT_CHECK(strcmp(s->last_id, "cc") == 0 && s->retry_ms == 60000);
    }
    /* Lines and data without end take no more room than there is. */
    memset(s, 0, sizeof(*s));
    PT_CHECK(!pt_client_stream_read(s, "data: ", 6));
    for (unsigned i = 0; i < 100000; i++) {
        PT_CHECK(!pt_client_stream_read(s, "xxxxxxxxxx", 10));
    }
    for (unsigned i = 0; i < 1000; i++) {
        PT_CHECK(!pt_client_stream_read(s, "\ndata: 0123456789", 17));
    }
    PT_CHECK(!pt_client_stream_read(s, "\n\n", 2));
    PT_CHECK(pt_client_stream_read(s, "data:{\"type\":\"refetchEvaluation\"}\n\n", 35));
    pt_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_type_gives_its_value_and_any_other_the_default),
        cmocka_unit_test(texts_are_cut_before_a_character_without_room),
        cmocka_unit_test(bad_arguments_are_defaults_and_statuses),
        cmocka_unit_test(numbers_are_the_nearest_doubles),
        cmocka_unit_test(the_question_names_player_options_and_context),
        cmocka_unit_test(polls_have_their_interval_and_a_tag),
        cmocka_unit_test(an_answer_without_a_tag_is_compared),
        cmocka_unit_test(what_is_no_answer_changes_nothing),
        cmocka_unit_test(failures_in_a_row_wait_longer_up_to_the_cap),
        cmocka_unit_test(an_answer_with_too_many_flags_is_not_taken),
        cmocka_unit_test(a_jump_of_the_clock_changes_nothing),
        cmocka_unit_test(what_is_wrong_is_said_to_the_game),
        cmocka_unit_test(another_player_never_sees_the_first_ones_values),
        cmocka_unit_test(another_context_keeps_the_values_until_the_answer),
        cmocka_unit_test(without_consent_nothing_is_asked_kept_or_given),
        cmocka_unit_test(consent_that_ends_during_the_request_leaves_nothing),
        cmocka_unit_test(events_go_before_flags),
        cmocka_unit_test(the_streams_address_is_taken_where_it_is_safe),
        cmocka_unit_test(events_are_read_however_they_are_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
