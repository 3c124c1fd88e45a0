/*
 * test_client_flags_kept.c - the answer on disk is this player's or none, and a value is exposed
 * once
 *
 * Method: the flag service in memory answers; the client is closed and opened again without it, as
 * another player, over damaged bytes, killed at each call that changes a file. Then: what do the
 * getters give, which events were sent.
 */
#include "flags_desk.h"

/* ---- the cache ---- */

static void the_cache_is_there_before_the_network(void **state)
{
    struct set *set = set_create(SIMPLE);

    (void)state;
    set->desk.etag = "\"e1\"";
    set->desk.status = 0;
    set_open(set);
    (void)playtrace_pump(set->p);
    PT_CHECK(!playtrace_flag_bool(set->p, "shop", false)); /* first start, offline */
    set->desk.status = 200;
    PT_CHECK(playtrace_flags_refresh(set->p, 1000) == PLAYTRACE_OK);
    set_close(set);
    set_open(set);
    PT_CHECK(playtrace_flag_bool(set->p, "shop", false)); /* before any request */
    PT_CHECK(playtrace_flags_generation(set->p) == 1);
    check_details(set->p, "shop", "on", "CACHED", "", false);
    (void)playtrace_pump(set->p);
    PT_CHECK(strcmp(set->desk.if_none_match, "\"e1\"") == 0); /* and is confirmed by 304 */
    check_details(set->p, "shop", "on", "STATIC", "", false);
    PT_CHECK(playtrace_flags_generation(set->p) == 1);
    set_destroy(set);
}

static void a_cache_of_others_is_not_taken(void **state)
{
    struct set *set = set_ready(SIMPLE);

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        set_close(set);
        set->options.user_id = i == 0 ? "bob" : "player";
        set->options.url = i == 1 ? "http://127.0.0.1:1/staging" : "http://127.0.0.1:1/";
        set->options.flag_context = i == 2 ? "{\"level\":2}" : NULL;
        set->desk.status = 0;
        set_open(set);
        PT_CHECK(playtrace_flag_bool(set->p, "shop", false) == (i == 3));
        PT_CHECK(stats_of(set).damaged == 0);
    }
    set_destroy(set);
}

/* The file's user comes later: it is read then. */
static void the_cache_is_looked_at_again_for_another_player(void **state)
{
    struct set *set = set_ready(SIMPLE);

    (void)state;
    set_close(set);
    set->options.user_id = NULL;
    set->desk.status = 0;
    set_open(set);
    (void)playtrace_pump(set->p);
    PT_CHECK(!playtrace_flag_bool(set->p, "shop", false));
    PT_CHECK(playtrace_set_user(set->p, "player") == PLAYTRACE_OK);
    (void)playtrace_pump(set->p);
    PT_CHECK(playtrace_flag_bool(set->p, "shop", false));
    check_details(set->p, "shop", "on", "CACHED", "", false);
    set_destroy(set);
}

static void damage_of_any_byte_is_no_cache(void **state)
{
    struct set *set = set_ready(SIMPLE);

    (void)state;
    set_close(set);
    set->desk.status = 0;
    for (long at = 0; damage_cache(set, at); at++) {
        set_open(set);
        PT_CHECK(!playtrace_flag_bool(set->p, "shop", false));
        PT_CHECK(stats_of(set).damaged == 1);
        set_close(set);
        PT_CHECK(damage_cache(set, at)); /* as it was */
    }
    set_open(set);
    PT_CHECK(playtrace_flag_bool(set->p, "shop", false));
    /* A damaged one is replaced by the next answer. */
    set_close(set);
    PT_CHECK(damage_cache(set, 20));
    set->desk.status = 200;
    set_open(set);
    (void)playtrace_pump(set->p);
    set_close(set);
    set->desk.status = 0;
    set_open(set);
    PT_CHECK(playtrace_flag_bool(set->p, "shop", false) && stats_of(set).damaged == 0);
    set_destroy(set);
}

static void a_cache_larger_than_allowed_now_is_not_taken(void **state)
{
    char *body = pt_strf(
        "{\"flags\":[{\"key\":\"on\",\"value\":true,\"metadata\":{\"x\":\"%01200d\"}}]}", 0);
    struct set *set = set_create(body);

    (void)state;
    set_open(set);
    (void)playtrace_pump(set->p);
    PT_CHECK(playtrace_flag_bool(set->p, "on", false));
    set_close(set);
    set->options.flags_bytes_max = 1024;
    set->desk.status = 0;
    set_open(set);
    PT_CHECK(!playtrace_flag_bool(set->p, "on", false));
    set_destroy(set);
    pt_free(body);
}

static bool cache_holds(struct set *set, const char *text)
{
    size_t bytes = 0;
    char *content = disk_read(set->dir, "flags", &bytes);
    bool holds = content && memmem(content, bytes, text, strlen(text)) != NULL;

    PT_CHECK(content != NULL);
    pt_free(content);
    return holds;
}

static void with_a_key_the_cache_is_sealed(void **state)
{
    static const uint8_t key[PLAYTRACE_KEY_BYTES] = {1, 2, 3};
    static const uint8_t other[PLAYTRACE_KEY_BYTES] = {4};
    struct set *set = set_create(SIMPLE);

    (void)state;
    set->desk.etag = "\"e1\"";
    set_open(set);
    (void)playtrace_pump(set->p);
    PT_CHECK(cache_holds(set, "shop"));
    set_close(set);
    set->options.queue_key = key;
    set_open(set);
    PT_CHECK(!playtrace_flag_bool(set->p, "shop", false)); /* anybody could have written it */
    (void)playtrace_pump(set->p);
    PT_CHECK(playtrace_flag_bool(set->p, "shop", false));
    PT_CHECK(!cache_holds(set, "shop") && !cache_holds(set, "e1"));
    set_close(set);
    set->desk.status = 0;
    set_open(set);
    PT_CHECK(playtrace_flag_bool(set->p, "shop", false) && stats_of(set).damaged == 0);
    set_close(set);
    set->options.queue_key = other;
    set_open(set);
    PT_CHECK(!playtrace_flag_bool(set->p, "shop", false));
    set_close(set);
    set->options.queue_key = NULL;
    set_open(set);
    PT_CHECK(!playtrace_flag_bool(set->p, "shop", false));
    set_destroy(set);
}

/* Killed at any call that changes a file: the next start has the old values or the new ones. */
static void a_kill_leaves_the_old_cache_or_the_new_one(void **state)
{
    static const char next[] = "{\"flags\":[{\"key\":\"shop\",\"reason\":\"STATIC\",\"variant\":"
                               "\"off\",\"value\":false}],\"metadata\":{}}";
    bool has_fired = true;

    (void)state;
    for (unsigned call = 1; has_fired; call++) {
        struct set *set = set_ready(SIMPLE);
        bool is_new = false;

        set->desk.body = next;
        set->fake->file_calls_max = UINT32_MAX;
        set_close(set);
        fake_kill_files_at(set->fake, UINT32_MAX);
        set_open(set);
        fake_kill_files_at(set->fake, call);
        (void)playtrace_flags_refresh(set->p, 1000);
        has_fired = set->fake->is_dead;
        is_new = !playtrace_flag_bool(set->p, "shop", true);
        PT_CHECK(is_new); /* the file is not in the way of the values */
        PT_CHECK(!has_fired || stats_of(set).io_failures > 0);
        (void)playtrace_close(set->p, 0);
        set->p = NULL;
        fake_kill_files_at(set->fake, UINT32_MAX);
        set->desk.status = 0;
        set_open(set);
        check_details(set->p, "shop", playtrace_flag_bool(set->p, "shop", false) ? "on" : "off",
                      "CACHED", "", false);
        PT_CHECK(has_fired || !playtrace_flag_bool(set->p, "shop", true));
        set_destroy(set);
        PT_CHECK(call < 100);
    }
}

/* ---- exposures ---- */

static const char experiment_flags[] =
    "{\"flags\":["
    "{\"key\":\"button\",\"reason\":\"SPLIT\",\"variant\":\"blue\",\"value\":\"b\",\"metadata\":"
    "{\"experiment\":\"colour\",\"epoch\":2,\"version\":7}},"
    "{\"key\":\"gated\",\"reason\":\"SPLIT\",\"variant\":\"on\",\"value\":true,\"metadata\":"
    "{\"experiment\":\"x\",\"gate\":\"holdout\"}},"
    "{\"key\":\"tester\",\"reason\":\"TARGETING_MATCH\",\"variant\":\"on\",\"value\":true,"
    "\"metadata\":{\"experiment\":\"x\",\"override\":true}},"
    "{\"key\":\"rule\",\"reason\":\"TARGETING_MATCH\",\"variant\":\"on\",\"value\":true,"
    "\"metadata\":{\"experiment\":\"y\"}},"
    "{\"key\":\"default\",\"reason\":\"UNKNOWN\",\"variant\":\"on\",\"value\":true,\"metadata\":"
    "{\"experiment\":\"x\"}},"
    "{\"key\":\"plain\",\"reason\":\"SPLIT\",\"variant\":\"on\",\"value\":true,\"metadata\":{}}"
    "]}";

/* Bodies of the events that were sent, one behind the other. */
struct log {
    char text[65536];
    size_t bytes;
};

static bool keep_bodies(struct fake *fake, uint32_t events,
                        struct playtrace_http_response *response)
{
    struct log *log = fake->answer_arg;
    size_t bytes = strlen(fake->last_body);

    (void)events;
    (void)response;
    PT_CHECK(log->bytes + bytes < sizeof(log->text));
    memcpy(log->text + log->bytes, fake->last_body, bytes);
    log->bytes += bytes;
    log->text[log->bytes] = '\0';
    return false;
}

static void take_all(struct playtrace *p)
{
    char text[16];

    for (unsigned i = 0; i < 5; i++) {
        PT_CHECK(playtrace_flag_string(p, "button", "", text, sizeof(text)) == 1);
        PT_CHECK(playtrace_flag_bool(p, "gated", false) && playtrace_flag_bool(p, "tester", false));
        PT_CHECK(playtrace_flag_bool(p, "rule", false) && playtrace_flag_bool(p, "plain", false));
        PT_CHECK(playtrace_flag_bool(p, "default", false));
    }
}

static void a_value_is_exposed_once_a_session(void **state)
{
    static const char button[] =
        "\"attributes\":{\"experiment\":\"colour\",\"variant\":\"blue\",\"flag_key\":\"button\","
        "\"flag_version\":7,\"epoch\":2}";
    static const char rule[] =
        "\"attributes\":{\"experiment\":\"y\",\"variant\":\"on\",\"flag_key\":\"rule\"}";
    struct set *set = set_ready(experiment_flags);
    struct log *log = pt_alloc_zero(sizeof(*log));
    struct playtrace_flag_details details;
    char text[16];

    (void)state;
    set->fake->answer = keep_bodies;
    set->fake->answer_arg = log;
    PT_CHECK(playtrace_flag_details(set->p, "button", &details) == PLAYTRACE_OK);
    PT_CHECK(playtrace_flag_bool(set->p, "button", false) == false); /* another type: default */
    PT_CHECK(playtrace_flush(set->p, 1000) == PLAYTRACE_OK);
    PT_CHECK(count_of(log->text, "experiment_exposure") == 0);
    take_all(set->p);
    PT_CHECK(playtrace_flush(set->p, 1000) == PLAYTRACE_OK);
    PT_CHECK(count_of(log->text, "experiment_exposure") == 2);
    PT_CHECK(count_of(log->text, button) == 1 && count_of(log->text, rule) == 1);
    /* A new answer with the same value is no new exposure, another variant or epoch is one. */
    PT_CHECK(playtrace_set_flag_context(set->p, "{\"a\":1}") == PLAYTRACE_OK);
    PT_CHECK(playtrace_flags_refresh(set->p, 1000) == PLAYTRACE_OK);
    take_all(set->p);
    PT_CHECK(playtrace_flush(set->p, 1000) == PLAYTRACE_OK);
    PT_CHECK(count_of(log->text, "experiment_exposure") == 2);
    set->desk.body = "{\"flags\":[{\"key\":\"button\",\"reason\":\"SPLIT\",\"variant\":\"red\","
                     "\"value\":\"r\",\"metadata\":{\"experiment\":\"colour\",\"epoch\":2}}]}";
    PT_CHECK(playtrace_flags_refresh(set->p, 1000) == PLAYTRACE_OK);
    (void)playtrace_flag_string(set->p, "button", "", text, sizeof(text));
    set->desk.body = "{\"flags\":[{\"key\":\"button\",\"reason\":\"SPLIT\",\"variant\":\"red\","
                     "\"value\":\"r\",\"metadata\":{\"experiment\":\"colour\",\"epoch\":3}}]}";
    PT_CHECK(playtrace_flags_refresh(set->p, 1000) == PLAYTRACE_OK);
    (void)playtrace_flag_string(set->p, "button", "", text, sizeof(text));
    set->desk.body = experiment_flags;
    PT_CHECK(playtrace_flags_refresh(set->p, 1000) == PLAYTRACE_OK);
    take_all(set->p);
    PT_CHECK(playtrace_flush(set->p, 1000) == PLAYTRACE_OK);
    PT_CHECK(count_of(log->text, "experiment_exposure") == 4);
    /* A new session, and a new player, are exposed anew. */
    PT_CHECK(playtrace_session_start(set->p) == PLAYTRACE_OK);
    take_all(set->p);
    PT_CHECK(playtrace_flush(set->p, 1000) == PLAYTRACE_OK);
    PT_CHECK(count_of(log->text, "experiment_exposure") == 6);
    PT_CHECK(playtrace_set_user(set->p, "bob") == PLAYTRACE_OK);
    PT_CHECK(playtrace_flags_refresh(set->p, 1000) == PLAYTRACE_OK);
    take_all(set->p);
    PT_CHECK(playtrace_flush(set->p, 1000) == PLAYTRACE_OK);
    PT_CHECK(count_of(log->text, "experiment_exposure") == 8);
    fake_check_balance(set->p);
    set_destroy(set);
    pt_free(log);
}

/* Many experiments: the memory of what was exposed is bounded, and none is logged each time. */
static void more_experiments_than_are_remembered(void **state)
{
    enum { FLAGS = 900 };
    struct set *set = set_create(NULL);
    char *body = pt_alloc(256u * 1024);
    size_t used = (size_t)snprintf(body, 64, "{\"flags\":[");
    char key[16];

    (void)state;
    for (unsigned i = 0; i < FLAGS; i++) {
        used += (size_t)snprintf(body + used, 256,
                                 "%s{\"key\":\"f%u\",\"reason\":\"SPLIT\",\"variant\":\"on\","
                                 "\"value\":%u,\"metadata\":{\"experiment\":\"e%u\"}}",
                                 i > 0 ? "," : "", i, i, i);
    }
    (void)snprintf(body + used, 8, "]}");
    set->options.ring_bytes = 4u << 20;
    set->desk.body = body;
    set_open(set);
    (void)playtrace_pump(set->p);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < FLAGS; i++) {
            (void)snprintf(key, sizeof(key), "f%u", i);
            PT_CHECK(playtrace_flag_int(set->p, key, -1) == (int64_t)i);
        }
    }
    PT_CHECK(stats_of(set).tracked >= FLAGS && stats_of(set).tracked < FLAGS + 10);
    set_destroy(set);
    pt_free(body);
}

/* With a full ring an exposure waits for room; nothing is dropped for it. */
static void an_exposure_waits_for_room_in_the_ring(void **state)
{
    struct set *set = set_ready(experiment_flags);
    char *filler = pt_alloc(20100);
    struct playtrace_stats before;

    (void)state;
    memcpy(filler, "{\"x\":\"", 6);
    memset(filler + 6, 'x', 20000);
    memcpy(filler + 20006, "\"}", 3);
    while (playtrace_track(set->p, "big", filler) == PLAYTRACE_OK) {
    }
    while (playtrace_track(set->p, "small", "{\"a\":1}") == PLAYTRACE_OK) {
    }
    before = stats_of(set);
    take_all(set->p);
    PT_CHECK(stats_of(set).tracked == before.tracked);
    PT_CHECK(stats_of(set).dropped_ring == before.dropped_ring);
    (void)playtrace_pump(set->p);
    before = stats_of(set);
    take_all(set->p);
    PT_CHECK(stats_of(set).tracked == before.tracked + 2);
    set_destroy(set);
    pt_free(filler);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cache_is_there_before_the_network),
        cmocka_unit_test(a_cache_of_others_is_not_taken),
        cmocka_unit_test(the_cache_is_looked_at_again_for_another_player),
        cmocka_unit_test(damage_of_any_byte_is_no_cache),
        cmocka_unit_test(a_cache_larger_than_allowed_now_is_not_taken),
        cmocka_unit_test(with_a_key_the_cache_is_sealed),
        cmocka_unit_test(a_kill_leaves_the_old_cache_or_the_new_one),
        cmocka_unit_test(a_value_is_exposed_once_a_session),
        cmocka_unit_test(more_experiments_than_are_remembered),
        cmocka_unit_test(an_exposure_waits_for_room_in_the_ring),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
