/*
 * test_change.c - a change of flags is checked, recorded, whole or not at all, and taken back
 *
 * Method: changes against a real directory; the file is then evaluated or read back and held
 * against the history. For faults, an io that dies at its Nth change of the disk, N sweeping until
 * nothing is left to fail: file and history must agree or say how they differ, and the next change
 * must work. Threads change at once. The history is edited byte by byte.
 */
#include "check.h"
#include "fault_io.h"
#include "flag/change.h"
#include "flag/flag.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define SHOP                                                                                       \
    "\"state\":\"ENABLED\",\"variants\":{\"on\":true,\"off\":false},\"defaultVariant\":\"off\""
#define FILE_TEXT                                                                                  \
    "{\"metadata\":{\"team\":\"core\"},\"flags\":{\"shop\":{" SHOP "},\"gate\":{" SHOP "}}}"

struct bench {
    char *dir;
    char *path;
    struct pt_buf result;
    struct pt_error err;
};

static void bench_open(struct bench *b, const char *file)
{
    *b = (struct bench){.dir = pt_test_dir_create()};
    b->path = pt_strf("%s/flags.json", b->dir);
    pt_buf_init(&b->result, 64 << 20);
    if (file) {
        PT_CHECK_OK(pt_io_replace(pt_io_posix(), b->path, pt_span_str(file), 0, &b->err), b->err);
    }
}

static void bench_close(struct bench *b)
{
    pt_buf_release(&b->result);
    pt_free(b->path);
    pt_test_dir_remove(b->dir);
}

static enum pt_code apply_with(struct bench *b, struct pt_io *io,
                               const struct pt_flag_change *change)
{
    struct pt_flag_change own = *change;
    struct pt_jsonw w;
    enum pt_code code;

    own.by = own.by ? own.by : "ann";
    b->err.text[0] = 0;
    pt_buf_reset(&b->result);
    pt_jsonw_init(&w, &b->result);
    code = pt_flag_change_apply(io, pt_clock_system(), b->path, &own, &w, &b->err);
    pt_buf_append_byte(&b->result, 0);
    return code;
}

static enum pt_code apply(struct bench *b, const struct pt_flag_change *change)
{
    return apply_with(b, pt_io_posix(), change);
}

static struct pt_flag_change off(const char *key)
{
    return (struct pt_flag_change){.key = pt_span_str(key), .state = PT_FLAG_STATE_OFF};
}

static struct pt_flag_change on(const char *key)
{
    return (struct pt_flag_change){.key = pt_span_str(key), .state = PT_FLAG_STATE_ON};
}

static struct pt_flag_change undo(uint64_t seq)
{
    return (struct pt_flag_change){.kind = PT_FLAG_CHANGE_UNDO, .undo = seq};
}

static struct pt_flag_change rollout(const char *key, double percent, const char *weights)
{
    return (struct pt_flag_change){.key = pt_span_str(key),
                                   .has_rollout = true,
                                   .rollout_percent = percent,
                                   .weights = pt_span_str(weights)};
}

static bool says(const struct bench *b, const char *text)
{
    return b->result.data && strstr((const char *)b->result.data, text);
}

static void is_done(struct bench *b, struct pt_flag_change change)
{
    PT_CHECK_OK(apply(b, &change), b->err);
    PT_CHECK(!says(b, "\"seq\":null"));
}

static void is_refused(struct bench *b, struct pt_flag_change change, enum pt_code code,
                       const char *why)
{
    enum pt_code got = apply(b, &change);

    if (got != code || !strstr(b->err.text, why)) {
        fail_msg("got %s: %s, want %s: %s", pt_code_name(got), b->err.text, pt_code_name(code),
                 why);
    }
}

/* The history as JSON in b->result. */
static enum pt_code show(struct bench *b, const char *key)
{
    struct pt_jsonw w;
    enum pt_code code;

    pt_buf_reset(&b->result);
    pt_jsonw_init(&w, &b->result);
    code = pt_flag_history_show(pt_io_posix(), b->path, pt_span_str(key), &w, &b->err);
    pt_buf_append_byte(&b->result, 0);
    return code;
}

static void stands(struct bench *b, const char *standing)
{
    char *want = pt_strf("\"standing\":\"%s\"", standing);

    PT_CHECK_OK(show(b, ""), b->err);
    if (!says(b, want)) {
        fail_msg("want %s: %s", want, (const char *)b->result.data);
    }
    pt_free(want);
}

static char *read_file(const char *path)
{
    struct pt_error err = {0};
    uint8_t *data = NULL;
    size_t bytes = 0;

    PT_CHECK_OK(pt_io_read_all(pt_io_posix(), path, 64 << 20, 1, &data, &bytes, &err), err);
    return (char *)data;
}

static bool file_has(struct bench *b, const char *text)
{
    char *file = read_file(b->path);
    bool is_there = strstr(file, text) != NULL;

    pt_free(file);
    return is_there;
}

/* Promise: a change takes effect and raises the version; the same again changes nothing. */
static void a_change_takes_effect(void **state)
{
    struct bench b;
    struct pt_flag_change change = off("shop");

    (void)state;
    bench_open(&b, FILE_TEXT);
    is_done(&b, change);
    PT_CHECK(says(&b, "\"seq\":2") && says(&b, "\"version\":1"));
    PT_CHECK_OK(apply(&b, &change), b.err);
    PT_CHECK(says(&b, "\"seq\":null") && says(&b, "\"changes\":[]"));
    is_done(&b, on("shop"));
    PT_CHECK(says(&b, "\"version\":2"));
    change = (struct pt_flag_change){
        .key = pt_span_str("shop"),
        .default_variant = pt_span_str("on"),
        .metadata = {{pt_span_str("experiment"), pt_span_str("\"x\"")},
                     {pt_span_str("version"), pt_span_str("700")}}, /* ours alone */
        .metadata_count = 2,
        .why = "because",
    };
    is_done(&b, change);
    PT_CHECK(says(&b, "\"version\":3") && file_has(&b, "\"defaultVariant\": \"on\""));
    PT_CHECK(file_has(&b, "\"experiment\": \"x\""));
    change = (struct pt_flag_change){
        .metadata = {{pt_span_str("team"), {0}}, {pt_span_str("holdout.h"), pt_span_str("5")}},
        .metadata_count = 2};
    is_done(&b, change);
    PT_CHECK(file_has(&b, "\"metadata\": {\"holdout.h\": 5}"));
    change = (struct pt_flag_change){.kind = PT_FLAG_CHANGE_DELETE, .key = pt_span_str("shop")};
    is_done(&b, change);
    PT_CHECK(!file_has(&b, "shop"));
    is_refused(&b, change, PT_NOT_FOUND, "no flag \"shop\"");
    /* A flag that comes back goes on with its versions. */
    change = (struct pt_flag_change){.key = pt_span_str("shop"),
                                     .definition = pt_span_str("{" SHOP "}")};
    is_done(&b, change);
    PT_CHECK(says(&b, "\"version\":4"));
    stands(&b, "recorded");
    PT_CHECK(says(&b, "\"why\":\"because\"") && says(&b, "\"by\":\"ann\""));
    PT_CHECK_OK(show(&b, "gate"), b.err);
    PT_CHECK(says(&b, "\"kind\":\"found\"") && !says(&b, "\"kind\":\"set\""));
    bench_close(&b);
}

/* Promise: the first change makes file and history; names of every kind come back as they were. */
static void from_nothing(void **state)
{
    static const char *const keys[] = {"a/b", "a~1b", "a~b", "\xc3\xa9", "\"", "metadata"};
    struct bench b;

    (void)state;
    bench_open(&b, NULL);
    stands(&b, "recorded"); /* nothing, and nothing said about it */
    is_refused(&b, on("a"), PT_NOT_FOUND, "whole definition");
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        struct pt_flag_change change = {.key = pt_span_str(keys[i]),
                                        .definition = pt_span_str("{" SHOP "}")};

        is_done(&b, change);
        is_done(&b, off(keys[i]));
        is_done(&b, undo(0));
        PT_CHECK_OK(show(&b, keys[i]), b.err);
        PT_CHECK(says(&b, "\"kind\":\"undo\""));
    }
    stands(&b, "recorded");
    PT_CHECK(!says(&b, "outside"));
    bench_close(&b);
}

/* Promise: what lint would refuse changes nothing; a mistake that was there before is no reason to
 * refuse turning a flag off. */
static void mistakes_change_nothing(void **state)
{
    static const struct {
        const char *definition;
        const char *why;
    } cases[] = {
        {"{", "the definition"},
        {"[]", "must be an object"},
        {FILE_TEXT, "a whole file; what is wanted is flag \"shop\" alone"},
        {"{\"state\":\"ON\",\"variants\":{\"on\":true}}", "/flags/shop/state"},
        {"{" SHOP ",\"targeting\":{\"nonsense\":[]}}", "/flags/shop/targeting"},
        {"{" SHOP ",\"metadata\":{\"epoch.1\":\"0-99 blue=1\"}}", "/flags/shop/metadata/epoch.1"},
        {"{" SHOP ",\"metadata\":[]}", "/flags/shop/metadata"},
    };
    struct bench b;
    char *before = NULL;
    char *after = NULL;

    (void)state;
    bench_open(&b, FILE_TEXT);
    is_done(&b, off("gate"));
    before = read_file(b.path);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pt_flag_change change = {.key = pt_span_str("shop"),
                                        .definition = pt_span_str(cases[i].definition)};

        is_refused(&b, change, PT_INVALID, cases[i].why);
    }
    is_refused(&b, rollout("shop", 101, ""), PT_INVALID, "0 to 100");
    is_refused(&b, rollout("shop", 0.001, ""), PT_INVALID, "two decimals");
    is_refused(&b, rollout("shop", 5, "blue=1"), PT_INVALID, "no variant \"blue\"");
    is_refused(&b, undo(77), PT_NOT_FOUND, "no change 77");
    after = read_file(b.path);
    assert_string_equal(before, after);
    stands(&b, "recorded");
    pt_free(before);
    pt_free(after);
    bench_close(&b);

    bench_open(&b, "{\"flags\":{\"shop\":{" SHOP "},\"bad\":{" SHOP
                   ",\"targeting\":{\"nonsense\":[1]}}}}");
    is_done(&b, off("shop"));
    PT_CHECK(file_has(&b, "DISABLED"));
    bench_close(&b);
}

/* Promise: widening makes an epoch more; what would move units is refused, or said. */
static void rollouts_widen(void **state)
{
    struct bench b;
    struct pt_flag_change change = rollout("shop", 20, "");

    (void)state;
    bench_open(&b, FILE_TEXT);
    is_done(&b, rollout("shop", 10, ""));
    PT_CHECK(file_has(&b, "\"epoch.1\": \"0-999 on=1\""));
    is_done(&b, change);
    PT_CHECK(file_has(&b, "\"epoch.2\": \"1000-1999 on=1\""));
    is_done(&b, rollout("shop", 20.5, "on=1 off=3"));
    PT_CHECK(file_has(&b, "\"epoch.3\": \"2000-2049 on=1 off=3\""));
    PT_CHECK(!apply(&b, &(struct pt_flag_change){.key = pt_span_str("shop"),
                                                 .has_rollout = true,
                                                 .rollout_percent = 20.5}));
    PT_CHECK(says(&b, "\"seq\":null"));
    is_refused(&b, rollout("shop", 20, ""), PT_INVALID, "20.50 %");
    is_refused(&b, rollout("shop", 20.5, "off=1"), PT_INVALID, "--reassign");
    change = (struct pt_flag_change){
        .key = pt_span_str("shop"),
        .metadata = {{pt_span_str("epoch.2"), pt_span_str("\"1000-1998 on=1\"")}},
        .metadata_count = 1};
    is_refused(&b, change, PT_INVALID, "1 of 10000 buckets");
    change.metadata[0].json = pt_span_str("\"1000-1999 on=2\"");
    is_refused(&b, change, PT_INVALID, "1000 of 10000 buckets");
    change.metadata[0] =
        (struct pt_flag_set_metadata){pt_span_str("rolloutSalt"), pt_span_str("\"s\"")};
    is_refused(&b, change, PT_INVALID, "rolloutSalt");
    change.metadata[0] = (struct pt_flag_set_metadata){pt_span_str("layer"), pt_span_str("\"l\"")};
    change.metadata[1] =
        (struct pt_flag_set_metadata){pt_span_str("layerBuckets"), pt_span_str("\"0-8999\"")};
    change.metadata_count = 2;
    is_refused(&b, change, PT_INVALID, "lose units of its layer");
    change.may_reassign = true;
    is_done(&b, change);
    /* Undoing needs no more words; the number of an epoch that went is not given again. */
    is_done(&b, rollout("shop", 30, "on=1"));
    PT_CHECK(file_has(&b, "\"epoch.4\": \"2050-2999 on=1\""));
    is_done(&b, undo(0));
    PT_CHECK(!file_has(&b, "epoch.4"));
    is_done(&b, rollout("shop", 25, "on=1"));
    PT_CHECK(file_has(&b, "\"epoch.5\": \"2050-2499 on=1\""));
    change = rollout("shop", 5, "off=1");
    change.may_reassign = true;
    is_done(&b, change);
    PT_CHECK(file_has(&b, "\"epoch.6\": \"0-499 off=1\"") && !file_has(&b, "epoch.5"));
    stands(&b, "recorded");
    bench_close(&b);

    bench_open(&b, "{\"flags\":{\"t\":{\"state\":\"ENABLED\",\"variants\":{\"a b\":1,\"c\":2,"
                   "\"d\":3},\"defaultVariant\":\"c\"}}}");
    is_refused(&b, rollout("t", 5, ""), PT_INVALID, "--weights");
    is_done(&b, rollout("t", 5, "a%20b=1"));
    is_done(&b, rollout("t", 6, ""));
    PT_CHECK(file_has(&b, "\"epoch.2\": \"500-599 a%20b=1\""));
    bench_close(&b);
}

/* Promise: an undo takes back its change, is a change itself, and refuses to take back what was
 * changed since. */
static void undo_takes_back(void **state)
{
    struct bench b;
    struct pt_flag_change change = {.kind = PT_FLAG_CHANGE_DELETE, .key = pt_span_str("gate")};

    (void)state;
    bench_open(&b, FILE_TEXT);
    is_refused(&b, undo(0), PT_NOT_FOUND, "no change");
    is_done(&b, off("shop"));                             /* 2 */
    is_refused(&b, undo(1), PT_NOT_FOUND, "no change 1"); /* as it was found */
    is_done(&b, off("gate"));                             /* 3 */
    is_done(&b, undo(2));                                 /* 4: of another flag than 3 */
    PT_CHECK(says(&b, "\"seq\":4") && says(&b, "/flags/shop"));
    is_refused(&b, undo(2), PT_INVALID, "/flags/shop was changed since");
    is_done(&b, undo(0)); /* 5: takes back the undo */
    PT_CHECK(says(&b, "\"state\":\"DISABLED\",\"variants\""));
    is_done(&b, undo(2)); /* 6: 2 stands again, but for versions */
    is_done(&b, change);  /* 7 */
    is_done(&b, undo(7)); /* 8: the flag is back, and off */
    PT_CHECK(file_has(&b, "\"gate\""));
    stands(&b, "recorded");
    PT_CHECK(says(&b, "\"of\":7"));
    bench_close(&b);
}

/* Promise: an edit by hand is seen, said part by part at the next change, and can be taken back. */
static void an_edit_outside_is_recorded(void **state)
{
    struct bench b;

    (void)state;
    bench_open(&b, FILE_TEXT);
    is_done(&b, off("shop")); /* 2 */
    PT_CHECK_OK(
        pt_io_replace(pt_io_posix(), b.path,
                      pt_span_str("{\"flags\":[{\"key\":\"gate\"," SHOP
                                  ",\"metadata\":{\"version\":9}},{\"key\":\"new\"," SHOP "}]}"),
                      0, &b.err),
        b.err);
    stands(&b, "edited_outside");
    PT_CHECK(says(&b, "\"outside\":[{\"pointer\":\"/metadata\",\"before\":{\"team\":\"core\"}},"
                      "{\"pointer\":\"/flags/shop\",\"before\":"));
    is_done(&b, off("gate")); /* 3 outside, 4 */
    PT_CHECK(says(&b, "\"seq\":4") && says(&b, "\"version\":10"));
    stands(&b, "recorded");
    PT_CHECK(says(&b, "\"kind\":\"outside\",\"by\":null"));
    is_refused(&b, undo(3), PT_INVALID, "/flags/gate was changed since");
    is_done(&b, undo(4));
    is_done(&b, undo(3));
    PT_CHECK(file_has(&b, "\"team\"") && !file_has(&b, "\"new\""));
    /* Only blanks: no part differs, the bytes do. */
    PT_CHECK_OK(pt_io_replace(pt_io_posix(), b.path, pt_span_str(FILE_TEXT), 0, &b.err), b.err);
    is_done(&b, off("gate"));
    stands(&b, "recorded");
    /* No flag file any more: told, and no change on top of it. */
    PT_CHECK_OK(pt_io_replace(pt_io_posix(), b.path, pt_span_str("oops"), 0, &b.err), b.err);
    stands(&b, "edited_outside");
    PT_CHECK(says(&b, "\"outside\":null"));
    is_refused(&b, off("gate"), PT_INVALID, "flags.json");
    bench_close(&b);
}

/* Promise: every changed byte of the history is noticed, by show and by the next change. */
static void tampering_is_noticed(void **state)
{
    struct bench b;
    char *path = NULL;
    char *data = NULL;
    struct pt_buf name;
    size_t size = 0;

    (void)state;
    bench_open(&b, FILE_TEXT);
    path = pt_strf("%s.history", b.path);
    is_done(&b, off("shop"));
    is_done(&b, on("shop"));
    data = read_file(path);
    size = strlen(data);
    for (size_t i = 0; i + 1 < size; i += 7) {
        data[i] ^= 1;
        PT_CHECK_OK(pt_io_replace(pt_io_posix(), path, pt_span_of(data, size), 0, &b.err), b.err);
        PT_CHECK(show(&b, "") == PT_CORRUPT);
        data[i] ^= 1;
    }
    is_refused(&b, off("shop"), PT_CORRUPT, "line 3");
    pt_buf_init(&name, 4096);
    PT_CHECK_OK(pt_flag_history_set_aside(pt_io_posix(), b.path, &name, &b.err), b.err);
    is_done(&b, off("shop"));
    stands(&b, "recorded");
    /* The last line taken away: the file is no longer explained. */
    pt_free(data);
    data = read_file(path);
    *strrchr(data, '{') = 0; /* a torn line now */
    PT_CHECK_OK(pt_io_replace(pt_io_posix(), path, pt_span_str(data), 0, &b.err), b.err);
    stands(&b, "edited_outside");
    pt_buf_release(&name);
    pt_free(data);
    pt_free(path);
    bench_close(&b);
}

/* Promise: a change with an etag that is not the flag's is refused. */
static void tags_fence(void **state)
{
    struct bench b;
    struct pt_flag_change change = off("shop");
    char tag[PT_FLAG_TAG_CHARS + 1];
    struct pt_jsonw w;

    (void)state;
    bench_open(&b, FILE_TEXT);
    pt_buf_reset(&b.result);
    pt_jsonw_init(&w, &b.result);
    PT_CHECK_OK(pt_flag_file_show(pt_io_posix(), b.path, pt_span_str("shop"), &w, tag, &b.err),
                b.err);
    change.if_tag = pt_span_str(tag);
    is_done(&b, change);
    change.state = PT_FLAG_STATE_ON;
    is_refused(&b, change, PT_FENCED, "changed meanwhile");
    change.if_tag = pt_span_str("*");
    is_done(&b, change);
    change.key = pt_span_str("none");
    is_refused(&b, change, PT_FENCED, "not there");
    change = off("shop");
    change.is_new = true;
    is_refused(&b, change, PT_FENCED, "there already");
    PT_CHECK(pt_flag_file_show(pt_io_posix(), b.path, pt_span_str("none"), &w, tag, &b.err) ==
             PT_NOT_FOUND);
    bench_close(&b);
}

static bool is_off(struct bench *b)
{
    return file_has(b, "DISABLED");
}

/* Promise: wherever a change dies, the file is whole, the history reads, an acknowledged change is
 * in both, and the next change works and leaves both in agreement. */
static void no_single_fault_parts_file_and_history(void **state)
{
    bool fired = true;
    unsigned voids = 0;

    (void)state;
    for (unsigned call = 1; fired; call++) {
        struct bench b;
        struct pt_flag_change first = off("shop");
        struct pt_flag_change next = off("gate");
        struct pt_io *io = NULL;
        bool is_acked = false;

        bench_open(&b, FILE_TEXT);
        is_done(&b, off("gate"));
        is_done(&b, on("gate"));
        io = pt_fault_io(call);
        is_acked = apply_with(&b, io, &first) == PT_OK;
        fired = pt_fault_io_fired();
        PT_CHECK(is_acked != fired);
        PT_CHECK_OK(show(&b, ""), b.err);
        PT_CHECK(!says(&b, "edited_outside"));
        PT_CHECK(!is_acked || (is_off(&b) && says(&b, "recorded")));
        if (says(&b, "\"standing\":\"not_in_effect\"")) {
            PT_CHECK(!is_off(&b));
            is_refused(&b, undo(4), PT_NOT_FOUND, "no change 4"); /* it did not happen */
            if (voids++ % 2 == 0) { /* void is written before the undo of what is before */
                is_done(&b, undo(0));
                PT_CHECK(says(&b, "\"seq\":6") && says(&b, "/flags/gate"));
                is_refused(&b, undo(4), PT_NOT_FOUND, "no change 4");
                is_done(&b, undo(0));
                PT_CHECK_OK(show(&b, ""), b.err);
            }
        }
        PT_CHECK(!is_off(&b) || says(&b, "\"seq\":4")); /* in force, so accounted for */
        is_done(&b, next);
        stands(&b, "recorded");
        PT_CHECK(!is_acked || says(&b, "\"kind\":\"set\""));
        is_done(&b, undo(0)); /* the newest that happened */
        PT_CHECK(says(&b, "/flags/gate"));
        bench_close(&b);
    }
    PT_CHECK(voids > 0); /* a line without its file was among the cases */
}

/* Promise: the same where the first change of all dies, and where an edit outside comes first. */
static void no_single_fault_harms_the_first_line(void **state)
{
    bool fired = true;

    (void)state;
    for (unsigned call = 1; fired; call++) {
        struct bench b;
        struct pt_flag_change change = off("shop");

        bench_open(&b, FILE_TEXT);
        (void)apply_with(&b, pt_fault_io(call), &change);
        fired = pt_fault_io_fired();
        PT_CHECK_OK(show(&b, ""), b.err);
        is_done(&b, off("gate"));
        PT_CHECK_OK(apply(&b, &change), b.err);
        stands(&b, "recorded");
        PT_CHECK(says(&b, "\"kind\":\"found\""));
        bench_close(&b);
    }
}

struct worker {
    struct bench *b;
    int number;
    pthread_t thread;
};

static void *work(void *arg)
{
    struct worker *worker = arg;
    char name[24];
    struct pt_flag_change change = {.key = pt_span_str("shop"),
                                    .metadata = {{{0}, pt_span_str("1")}},
                                    .metadata_count = 1,
                                    .by = "many"};

    for (int i = 0; i < 10; i++) {
        struct pt_buf result;
        struct pt_jsonw w;

        snprintf(name, sizeof(name), "n%d-%d", worker->number, i);
        change.metadata[0].name = pt_span_str(name);
        pt_buf_init(&result, 1 << 20);
        pt_jsonw_init(&w, &result);
        /* PT_AGAIN: a machine that stood still; the test is about none being lost. */
        while (pt_flag_change_apply(pt_io_posix(), pt_clock_system(), worker->b->path, &change, &w,
                                    NULL) == PT_AGAIN) {
        }
        pt_buf_release(&result);
    }
    return NULL;
}

/* Promise: changes at the same moment come one after the other, and none is lost. */
static void many_at_once(void **state)
{
    struct worker workers[4];
    struct bench b;

    (void)state;
    bench_open(&b, FILE_TEXT);
    for (int i = 0; i < 4; i++) {
        workers[i] = (struct worker){.b = &b, .number = i};
        PT_CHECK(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(workers[i].thread, NULL);
    }
    stands(&b, "recorded");
    PT_CHECK(says(&b, "\"head\":{\"seq\":41,"));
    PT_CHECK(file_has(&b, "\"version\": 40") && file_has(&b, "\"n3-9\": 1"));
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_takes_effect),
        cmocka_unit_test(from_nothing),
        cmocka_unit_test(mistakes_change_nothing),
        cmocka_unit_test(rollouts_widen),
        cmocka_unit_test(undo_takes_back),
        cmocka_unit_test(an_edit_outside_is_recorded),
        cmocka_unit_test(tampering_is_noticed),
        cmocka_unit_test(tags_fence),
        cmocka_unit_test(no_single_fault_parts_file_and_history),
        cmocka_unit_test(no_single_fault_harms_the_first_line),
        cmocka_unit_test(many_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
