/*
 * test_flag.c - flag definitions and their evaluation
 *
 * Promise: a flag file in flagd's format gives the variant that flagd's specification gives, or a
 * clear error; a broken file never replaces a sound one. Method: published hash vectors, flagd's
 * own evaluator cases where they are there, tables, distributions, nonsense, concurrent reloads.
 */
#include "bench.h"

#include "flag/murmur3.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define TESTBED PT_SOURCE_DIR "/../shared/conformance/flagd-testbed/"

static const char basic_file[] =
    "{\"flags\":{"
    "\"on\":{\"state\":\"ENABLED\",\"variants\":{\"yes\":true,\"no\":false},"
    "\"defaultVariant\":\"yes\",\"metadata\":{\"team\":\"ui\",\"n\":2}},"
    "\"off\":{\"state\":\"DISABLED\",\"variants\":{\"yes\":true},\"defaultVariant\":\"yes\"},"
    "\"none\":{\"state\":\"ENABLED\",\"variants\":{\"a\":1},\"defaultVariant\":null},"
    "\"ten\":{\"state\":\"ENABLED\",\"variants\":{\"ten\":10},\"defaultVariant\":\"ten\","
    "\"targeting\":{}},"
    "\"half\":{\"state\":\"ENABLED\",\"variants\":{\"h\":0.5},\"defaultVariant\":\"h\"},"
    "\"box\":{\"state\":\"ENABLED\",\"variants\":{\"b\":{\"x\":[1,2]}},\"defaultVariant\":\"b\"},"
    "\"ab\":{\"state\":\"ENABLED\",\"variants\":{\"a\":\"A\",\"b\":\"B\",\"w\":\"W\"},"
    "\"defaultVariant\":\"w\",\"targeting\":{\"fractional\":[[\"a\",1],[\"b\",3]]}},"
    "\"mail\":{\"state\":\"ENABLED\",\"variants\":{\"a\":\"A\",\"b\":\"B\"},"
    "\"defaultVariant\":\"b\",\"targeting\":{\"fractional\":[{\"var\":\"email\"},[\"a\"],[\"b\"]]}}"
    "},\"metadata\":{\"flagSetId\":\"main\",\"team\":\"core\"}}";

static void wants(const struct pt_flag_evaluation *got, enum pt_flag_reason reason,
                  const char *variant, const char *json)
{
    if (got->reason != reason || !got->has_value || !pt_span_is(got->value, json) ||
        !pt_span_is(got->variant, variant)) {
        fail_msg("got %s %s %.*s = %.*s, want %s %s = %s", pt_flag_reason_name(got->reason),
                 got->detail, PT_SPAN_ARG(got->variant), PT_SPAN_ARG(got->value),
                 pt_flag_reason_name(reason), variant, json);
    }
}

/* Promise: the hash is MurmurHash3 x86 32-bit. Method: vectors of several public implementations.
 */
static void murmur_vectors(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t seed;
        uint32_t hash;
    } vectors[] = {
        {"", 0, 0},
        {"", 1, 0x514e28b7},
        {"", 0xffffffff, 0x81f16f39},
        {"test", 0, 0xba6bd213},
        {"Hello, world!", 0, 0xc0363e43},
        {"The quick brown fox jumps over the lazy dog", 0, 0x2e4ff723},
        {"aaaa", 0x9747b28c, 0x5a97808a},
        {"aaa", 0x9747b28c, 0x283e0130},
        {"aa", 0x9747b28c, 0x5d211726},
        {"a", 0x9747b28c, 0x7fa09ea6},
        {"\xff\xff\xff\xff", 0, 0x76293b50},
    };

    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        assert_int_equal(pt_murmur3_32(pt_span_str(vectors[i].text), vectors[i].seed),
                         vectors[i].hash);
    }
}

/* Promise: each state, default and type gives the value and reason that OpenFeature names. */
static void evaluation_table(void **state)
{
    (void)state;
    struct bench b;
    const struct pt_flag_evaluation *got;

    bench_open(&b);
    load(&b, basic_file);
    assert_int_equal(pt_flags_count(b.flags), 8);
    wants(eval(&b, "on", NULL, PT_FLAG_BOOLEAN), PT_FLAG_REASON_STATIC, "yes", "true");
    wants(eval(&b, "ten", "{}", PT_FLAG_INTEGER), PT_FLAG_REASON_STATIC, "ten", "10");
    wants(eval(&b, "ten", "{}", PT_FLAG_FLOAT), PT_FLAG_REASON_STATIC, "ten", "10");
    wants(eval(&b, "half", "{}", PT_FLAG_FLOAT), PT_FLAG_REASON_STATIC, "h", "0.5");
    wants(eval(&b, "box", "{}", PT_FLAG_OBJECT), PT_FLAG_REASON_STATIC, "b", "{\"x\":[1,2]}");
    got = eval(&b, "off", "{}", PT_FLAG_BOOLEAN);
    assert_true(got->reason == PT_FLAG_REASON_DISABLED && !got->has_value && !got->error);
    got = eval(&b, "none", "{}", PT_FLAG_INTEGER);
    assert_true(got->reason == PT_FLAG_REASON_DEFAULT && !got->has_value && !got->error);

    static const struct {
        const char *key;
        const char *context;
        enum pt_flag_type type;
        enum pt_flag_error error;
    } errors[] = {
        {"missing", "{}", PT_FLAG_ANY, PT_FLAG_ERROR_FLAG_NOT_FOUND},
        {"", "{}", PT_FLAG_ANY, PT_FLAG_ERROR_FLAG_NOT_FOUND},
        {"on", "{}", PT_FLAG_STRING, PT_FLAG_ERROR_TYPE_MISMATCH},
        {"half", "{}", PT_FLAG_INTEGER, PT_FLAG_ERROR_TYPE_MISMATCH},
        {"ab", "{\"targetingKey\":\"u\"}", PT_FLAG_BOOLEAN, PT_FLAG_ERROR_TYPE_MISMATCH},
        {"on", "[]", PT_FLAG_ANY, PT_FLAG_ERROR_INVALID_CONTEXT},
        {"on", "3", PT_FLAG_ANY, PT_FLAG_ERROR_INVALID_CONTEXT},
    };
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        got = eval(&b, errors[i].key, errors[i].context, errors[i].type);
        assert_int_equal(got->error, errors[i].error);
        assert_int_equal(got->reason, PT_FLAG_REASON_ERROR);
        assert_true(!got->has_value && got->detail[0] != 0);
    }

    /* The flag's metadata stands over the set's; a missing flag has the set's. */
    got = eval(&b, "on", "{}", PT_FLAG_ANY);
    assert_true(pt_span_is(got->metadata, "{\"flagSetId\":\"main\",\"team\":\"ui\",\"n\":2}"));
    got = eval(&b, "missing", "{}", PT_FLAG_ANY);
    assert_true(pt_span_is(got->metadata, "{\"flagSetId\":\"main\",\"team\":\"core\"}"));
    bench_close(&b);
}

/*
 * Promise: where no bucketing key is given, or it is no string, flag key and targetingKey are
 * hashed; without those the default variant, as flagd has it. Method: the rule with the key
 * written out must agree with the short one for every user.
 */
static void default_bucketing_key(void **state)
{
    (void)state;
    struct bench b;
    const struct pt_flag_evaluation *got;
    static const char *const rules[] = {
        "[[\"a\",1],[\"b\",3]]",
        "[{\"cat\":[{\"var\":\"$flagd.flagKey\"},{\"var\":\"targetingKey\"}]},[\"a\",1],[\"b\",3]]",
        "[{\"var\":\"age\"},[\"a\",1],[\"b\",3]]",
        "[{\"cat\":[\"f\",{\"var\":[\"targetingKey\"]}]},[\"a\",1],[\"b\",3]]",
        "[{\"cat\":[\"f\",{\"var\":[\"nobody\",{\"var\":\"targetingKey\"}]}]},[\"a\",1],[\"b\",3]]",
        "[{\"cat\":[\"f\",{\"var\":\"deep.list.1.id\"}]},[\"a\",1],[\"b\",3]]",
    };

    bench_open(&b);
    for (int user = 0; user < 200; user++) {
        char context[200];
        char first[8] = "";

        snprintf(context, sizeof(context),
                 "{\"targetingKey\":\"u%d\",\"age\":42,\"deep\":{\"list\":[0,{\"id\":\"u%d\"}]}}",
                 user, user);
        for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
            char file[600];

            snprintf(
                file, sizeof(file),
                "{\"flags\":{\"f\":{\"state\":\"ENABLED\",\"variants\":{\"a\":1,\"b\":2,\"w\":3},"
                "\"defaultVariant\":\"w\",\"targeting\":{\"fractional\":%s}}}}",
                rules[i]);
            load(&b, file);
            got = eval(&b, "f", context, PT_FLAG_ANY);
            assert_int_equal(got->reason, PT_FLAG_REASON_TARGETING_MATCH);
            if (i == 0) {
                snprintf(first, sizeof(first), "%.*s", PT_SPAN_ARG(got->variant));
            } else if (!pt_span_is(got->variant, first)) {
                fail_msg("user %d, rule %s: %.*s, not %s", user, rules[i],
                         PT_SPAN_ARG(got->variant), first);
            }
        }
    }
    load(&b, basic_file);
    got = eval(&b, "ab", "{}", PT_FLAG_ANY);
    wants(got, PT_FLAG_REASON_DEFAULT, "w", "\"W\"");
    assert_true(got->is_targeting_key_missing);
    got = eval(&b, "ab", "{\"targetingKey\":5}", PT_FLAG_ANY);
    assert_true(got->is_targeting_key_missing);
    got = eval(&b, "mail", "{\"email\":\"x@y\"}", PT_FLAG_ANY);
    assert_true(got->reason == PT_FLAG_REASON_TARGETING_MATCH && !got->is_targeting_key_missing);
    bench_close(&b);
}

/*
 * Promise: 100,000 users fall into the buckets in proportion to the weights, and two flags divide
 * the same users independently. Method: chi-square against its 1e-6 quantile (3 df: 30.66; 9
 * df: 45.1).
 */
static void distribution(void **state)
{
    (void)state;
    struct bench b;
    static const double share[] = {0.05, 0.15, 0.3, 0.5};
    double counts[4] = {0};
    double pairs[4][4] = {{0}};
    double chi2 = 0;
    double independent = 0;
    const double users = 100000;

    bench_open(&b);
    load(&b, "{\"flags\":{"
             "\"f\":{\"state\":\"ENABLED\",\"variants\":{\"0\":0,\"1\":1,\"2\":2,\"3\":3},"
             "\"targeting\":{\"fractional\":[[\"0\",5],[\"1\",15],[\"2\",30],[\"3\",50]]}},"
             "\"g\":{\"state\":\"ENABLED\",\"variants\":{\"0\":0,\"1\":1,\"2\":2,\"3\":3},"
             "\"targeting\":{\"fractional\":[[\"0\",5],[\"1\",15],[\"2\",30],[\"3\",50]]}}}}");
    for (int user = 0; user < (int)users; user++) {
        char context[64];
        int f;
        int g;

        snprintf(context, sizeof(context), "{\"targetingKey\":\"player-%d\"}", user);
        f = eval(&b, "f", context, PT_FLAG_INTEGER)->value.data[0] - '0';
        g = eval(&b, "g", context, PT_FLAG_INTEGER)->value.data[0] - '0';
        counts[f]++;
        pairs[f][g]++;
    }
    for (int f = 0; f < 4; f++) {
        chi2 += pow(counts[f] - users * share[f], 2) / (users * share[f]);
        for (int g = 0; g < 4; g++) {
            double expected = users * share[f] * share[g];

            independent += pow(pairs[f][g] - expected, 2) / expected;
        }
    }
    print_message("shares: chi-square %.2f (3 df); pairs of two flags: %.2f (15 df)\n", chi2,
                  independent);
    assert_true(chi2 < 30.66);
    assert_true(independent < 56.5);
    bench_close(&b);
}

/* Promise: edges of weights: 0 never chosen, all 0 the default, the largest sum works. */
static void weights(void **state)
{
    (void)state;
    struct bench b;

    bench_open(&b);
    load(&b,
         "{\"flags\":{"
         "\"zero\":{\"state\":\"ENABLED\",\"variants\":{\"a\":1,\"b\":2},\"defaultVariant\":\"b\","
         "\"targeting\":{\"fractional\":[[\"a\",0],[\"a\",0]]}},"
         "\"never\":{\"state\":\"ENABLED\",\"variants\":{\"a\":1,\"b\":2},"
         "\"targeting\":{\"fractional\":[[\"a\",0],[\"b\",7]]}},"
         "\"minus\":{\"state\":\"ENABLED\",\"variants\":{\"a\":1,\"b\":2},"
         "\"targeting\":{\"fractional\":[[\"a\",-50],[\"b\",100]]}},"
         "\"max\":{\"state\":\"ENABLED\",\"variants\":{\"a\":1,\"b\":2},"
         "\"targeting\":{\"fractional\":[[\"a\",2147483646],[\"b\",1]]}},"
         "\"one\":{\"state\":\"ENABLED\",\"variants\":{\"a\":1},"
         "\"targeting\":{\"fractional\":[[\"a\",1]]}}}}");
    for (int user = 0; user < 1000; user++) {
        char context[64];

        snprintf(context, sizeof(context), "{\"targetingKey\":\"%d\"}", user);
        wants(eval(&b, "zero", context, PT_FLAG_ANY), PT_FLAG_REASON_DEFAULT, "b", "2");
        wants(eval(&b, "never", context, PT_FLAG_ANY), PT_FLAG_REASON_TARGETING_MATCH, "b", "2");
        wants(eval(&b, "minus", context, PT_FLAG_ANY), PT_FLAG_REASON_TARGETING_MATCH, "b", "2");
        wants(eval(&b, "max", context, PT_FLAG_ANY), PT_FLAG_REASON_TARGETING_MATCH, "a", "1");
        wants(eval(&b, "one", context, PT_FLAG_ANY), PT_FLAG_REASON_TARGETING_MATCH, "a", "1");
    }
    bench_close(&b);
}

#define FLAG_OF(rest)                                                                              \
    "{\"flags\":{\"k/1~\":{\"state\":\"ENABLED\",\"variants\":{\"a\":1}" rest "}}}"

/* Promise: a file that is wrong names flag, place and what would be right, and changes nothing. */
static void broken_files(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        const char *says;
    } cases[] = {
        {"", "not JSON at byte 0"},
        {"{", "not JSON at byte 1"},
        {"\xff\xfe", "not JSON at byte 0"},
        {"[]", "an object with \"flags\""},
        {"{}", "/flags: \"flags\" must be"},
        {"{\"flags\":3}", "/flags: \"flags\" must be"},
        {"{\"flags\":{\"f\":3}}", "flag \"f\", at /flags/f: a flag must be an object"},
        {"{\"flags\":{\"f\":{\"variants\":{\"a\":1}}}}", "/flags/f/state: \"state\" must be"},
        {"{\"flags\":{\"f\":{\"state\":\"ON\",\"variants\":{\"a\":1}}}}", "ENABLED"},
        {"{\"flags\":{\"f\":{\"state\":\"ENABLED\"}}}", "\"variants\" must be an object"},
        {"{\"flags\":{\"f\":{\"state\":\"ENABLED\",\"variants\":{}}}}", "\"variants\" must be"},
        {"{\"flags\":{\"f\":{\"state\":\"ENABLED\",\"variants\":{\"a\":1,\"b\":\"x\"}}}}",
         "/flags/f/variants/b: all variants of a flag have one type"},
        {"{\"flags\":{\"f\":{\"state\":\"ENABLED\",\"variants\":{\"a\":null}}}}", "a variant is"},
        {FLAG_OF(",\"defaultVariant\":\"z\""), "/flags/k~11~0/defaultVariant: there is no variant"},
        {FLAG_OF(",\"defaultVariant\":7"), "defaultVariant"},
        {FLAG_OF(",\"metadata\":{\"x\":[]}"), "/metadata/x: metadata values are"},
        {FLAG_OF(",\"targeting\":null"), "/targeting: targeting must be an object"},
        {FLAG_OF(",\"targeting\":[1]"), "/targeting: targeting must be an object"},
        {"{\"$evaluators\":[],\"flags\":{}}", "/$evaluators: \"$evaluators\" must be"},
        {"{\"flags\":[{\"state\":\"ENABLED\",\"variants\":{\"a\":1}}]}", "with a \"key\""},
        {"{\"flags\":{\"f\":{\"state\":\"ENABLED\",\"variants\":{\"a\":1}},"
         "\"f\":{\"state\":\"ENABLED\",\"variants\":{\"a\":1}}}}",
         "\"f\" is defined twice"},
    };
    struct bench b;

    bench_open(&b);
    load(&b, basic_file);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pt_error err;
        struct pt_buf buf;
        struct pt_jsonw w;
        bool is_valid = true;

        assert_int_equal(pt_flags_load(b.flags, pt_span_str(cases[i].file), &err), PT_INVALID);
        if (!strstr(err.text, cases[i].says)) {
            fail_msg("file %s says: %s", cases[i].file, err.text);
        }
        assert_int_equal(pt_flags_count(b.flags), 8);
        pt_buf_init(&buf, 1u << 20);
        pt_jsonw_init(&w, &buf);
        PT_CHECK_OK(pt_flags_lint(pt_span_str(cases[i].file), &w, &is_valid, &err), err);
        assert_false(is_valid);
        pt_buf_release(&buf);
    }
    wants(eval(&b, "on", NULL, PT_FLAG_ANY), PT_FLAG_REASON_STATIC, "yes", "true");
    bench_close(&b);
}

/* Promise: lint names what is wrong with a rule, and where; the file loads all the same. */
static void lint_judges_rules(void **state)
{
    static const struct {
        const char *rule;
        const char *says; /* NULL: nothing is wrong with it */
    } cases[] = {
        {"{\"if\":[true,\"a\"]}", NULL},
        {"{\"if\":[{\"==\":[{\"var\":\"x\"},1]},\"a\",null]}", NULL},
        {"{\"fractional\":[[\"a\",{\"if\":[{\"var\":\"x\"},1,2]}]]}", NULL},
        {"{\"fractional\":[[{\"var\":\"x\"},1]]}", NULL},
        {"{\"fractional\":[{\"var\":\"$flagd.timestamp\"},[\"a\",1]]}", NULL},
        {"{\"iff\":[true,\"a\"]}", "/targeting/iff\",\"detail\":\"there is no operator"},
        {"{\"$ref\":\"x\"}", "/targeting/$ref\",\"detail\":\"\\\"$evaluators\\\" has no"},
        {"{\"fractional\":[],\"if\":[]}", "one operator, this has 2 members"},
        {"{\"fractional\":[]}", "at least 1 arguments"},
        {"{\"fractional\":[\"key\"]}", "names no variant"},
        {"{\"fractional\":[[\"b\",1]]}", "/fractional/0/0\",\"detail\":\"there is no variant"},
        {"{\"if\":[true,\"b\",\"a\"]}", "/if/1\",\"detail\":\"there is no variant"},
        {"{\"if\":[true,\"a\",true]}", "there is no variant \\\"true"},
        {"{\"fractional\":[[\"a\",1.5]]}", "/fractional/0/1\",\"detail\":\"a weight is"},
        {"{\"fractional\":[[\"a\",\"1\"]]}", "a weight is a whole number"},
        {"{\"fractional\":[[\"a\",2147483648]]}", "a weight is a whole number from 0"},
        {"{\"fractional\":[[\"a\",2147483647],[\"a\",1]]}", "sum to 2147483648"},
        {"{\"fractional\":[[\"a\",1,2]]}", "an entry of"},
        {"{\"fractional\":[{\"==\":[1]},[\"a\",1]]}",
         "/fractional/0/==\",\"detail\":\"\\\"==\\\" takes 2"},
        {"{\"if\":[{\"sem_ver\":[\"1.2.3.4\",\"=\",\"1.0.0\"]},\"a\",null]}",
         "no semantic version"},
        {"{\"if\":[{\"var\":\"$flagd.time\"},\"a\",null]}", "there is no \\\"$flagd.time"},
    };
    struct bench b;

    (void)state;
    bench_open(&b);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char file[512];
        struct pt_error err;
        struct pt_buf buf;
        struct pt_jsonw w;
        bool is_valid = false;

        snprintf(
            file, sizeof(file),
            "{\"flags\":{\"f\":{\"state\":\"ENABLED\",\"variants\":{\"a\":1},\"targeting\":%s}}}",
            cases[i].rule);
        load(&b, file);
        pt_buf_init(&buf, 1u << 20);
        pt_jsonw_init(&w, &buf);
        PT_CHECK_OK(pt_flags_lint(pt_span_str(file), &w, &is_valid, &err), err);
        pt_buf_append_byte(&buf, 0);
        if (is_valid != !cases[i].says ||
            (cases[i].says && !strstr((char *)buf.data, cases[i].says))) {
            fail_msg("rule %s: %s", cases[i].rule, (char *)buf.data);
        }
        pt_buf_release(&buf);
    }
    bench_close(&b);
}

#define RULED(name, rule)                                                                          \
    "\"" name "\":{\"state\":\"ENABLED\",\"variants\":{\"a\":1,\"b\":2},\"defaultVariant\":\"b\"," \
    "\"targeting\":" rule "}"

/* Promise: a rule that cannot work fails its own flag alone, and only where it is reached. */
static void a_broken_rule_harms_its_flag_alone(void **state)
{
    struct bench b;
    const struct pt_flag_evaluation *got;

    (void)state;
    bench_open(&b);
    load(
        &b, "{\"$evaluators\":{\"round\":{\"or\":[{\"$ref\":\"trip\"}]},"
            "\"trip\":{\"and\":[{\"$ref\":\"round\"}]},\"yes\":{\"==\":[1,1]}},\"flags\":{" RULED("unknown", "{\"if\":[{\"var\":\"x\"},{\"fly\":1},\"a\"]}") "," RULED(
                "lost",
                "{\"$ref\":\"nothing\"}") "," RULED("circle",
                                                    "{\"if\":[{\"$ref\":\"round\"},\"a\","
                                                    "\"b\"]}") "," RULED("other",
                                                                         "{\"if\":[true,"
                                                                         "\"z\"]}") "," RULED("soun"
                                                                                              "d",
                                                                                              "{\"i"
                                                                                              "f\":"
                                                                                              "[{"
                                                                                              "\"$"
                                                                                              "ref"
                                                                                              "\":"
                                                                                              "\"ye"
                                                                                              "s\"}"
                                                                                              ",\"a"
                                                                                              "\"]"
                                                                                              "}") "}}");
    wants(eval(&b, "sound", "{}", PT_FLAG_ANY), PT_FLAG_REASON_TARGETING_MATCH, "a", "1");
    wants(eval(&b, "unknown", "{}", PT_FLAG_ANY), PT_FLAG_REASON_TARGETING_MATCH, "a", "1");
    got = eval(&b, "unknown", "{\"x\":true}", PT_FLAG_ANY);
    assert_int_equal(got->error, PT_FLAG_ERROR_PARSE_ERROR);
    assert_non_null(strstr(got->detail, "there is no operator \"fly\""));
    assert_int_equal(eval(&b, "lost", "{}", PT_FLAG_ANY)->error, PT_FLAG_ERROR_PARSE_ERROR);
    got = eval(&b, "circle", "{}", PT_FLAG_ANY);
    assert_int_equal(got->error, PT_FLAG_ERROR_PARSE_ERROR);
    assert_non_null(strstr(got->detail, "circle"));
    assert_int_equal(eval(&b, "other", "{}", PT_FLAG_ANY)->error, PT_FLAG_ERROR_PARSE_ERROR);
    bench_close(&b);
}

/* Promise: any prefix and any damaged byte of a file loads or is refused, nothing else (sanitizers
 * watch). */
static void damaged_files(void **state)
{
    (void)state;
    struct bench b;
    char text[sizeof(basic_file)];
    unsigned refused = 0;

    bench_open(&b);
    for (size_t i = 0; i < sizeof(basic_file) - 1; i++) {
        struct pt_error err;

        assert_int_equal(pt_flags_load(b.flags, pt_span_of(basic_file, i), &err), PT_INVALID);
        memcpy(text, basic_file, sizeof(text));
        text[i] = (char)(text[i] ^ 1);
        refused += pt_flags_load(b.flags, pt_span_str(text), &err) != PT_OK;
        (void)eval(&b, "ab", "{\"targetingKey\":\"u\"}", PT_FLAG_ANY);
    }
    assert_true(refused > 100);
    bench_close(&b);
}

/* Promise: lint tells every mistake, and warns of what loads but is not meant. */
static void lint_tells_all(void **state)
{
    (void)state;
    struct pt_buf buf;
    struct pt_jsonw w;
    struct pt_error err;
    bool is_valid = true;
    static const char file[] =
        "{\"flags\":{\"f\":{\"state\":\"ENABLED\",\"variants\":{\"a\":1},\"defaultVarient\":\"a\","
        "\"targeting\":{\"fractional\":[[\"a\",-1],[\"q\",1]]}},\"g\":{\"state\":1,\"variants\":[]}"
        "}}";

    pt_buf_init(&buf, 1u << 20);
    pt_jsonw_init(&w, &buf);
    PT_CHECK_OK(pt_flags_lint(pt_span_str(file), &w, &is_valid, &err), err);
    pt_buf_append_byte(&buf, 0);
    assert_false(is_valid);
    assert_non_null(strstr((char *)buf.data, "/flags/f/targeting/fractional/0/1"));
    assert_non_null(strstr((char *)buf.data, "/flags/f/targeting/fractional/1/0"));
    assert_non_null(strstr((char *)buf.data, "/flags/g/state"));
    assert_non_null(strstr((char *)buf.data, "\"pointer\":\"/flags/f/defaultVarient\""));
    pt_buf_reset(&buf);
    pt_jsonw_init(&w, &buf);
    PT_CHECK_OK(pt_flags_lint(pt_span_str(basic_file), &w, &is_valid, &err), err);
    assert_true(is_valid);
    assert_true(pt_span_is(pt_buf_span(&buf),
                           "{\"valid\":true,\"flags\":8,\"errors\":[],\"warnings\":[]}"));
    pt_buf_release(&buf);
}

static void write_file(const char *path, const char *text)
{
    struct pt_io *io = pt_io_posix();
    struct pt_file *file = NULL;
    struct pt_error err;

    PT_CHECK_OK(pt_io_open(io, path, PT_OPEN_WRITE | PT_OPEN_CREATE, &file, &err), err);
    PT_CHECK_OK(pt_io_truncate(io, file, 0, &err), err);
    PT_CHECK_OK(pt_io_write(io, file, 0, text, strlen(text), &err), err);
    pt_io_close(io, file);
}

/* Promise: a changed file is taken, a broken or missing one leaves the old set. */
static void reload_keeps_the_old(void **state)
{
    (void)state;
    struct bench b;
    struct pt_error err;
    bool has_changed = true;
    char *dir = pt_test_dir_create();
    char *path = pt_strf("%s/flags.json", dir);

    bench_open(&b);
    assert_int_equal(pt_flags_load_file(b.flags, path, &err), PT_NOT_FOUND);
    write_file(path, basic_file);
    PT_CHECK_OK(pt_flags_reload(b.flags, &has_changed, &err), err);
    assert_true(has_changed);
    assert_int_equal(pt_flags_count(b.flags), 8);
    PT_CHECK_OK(pt_flags_reload(b.flags, &has_changed, &err), err);
    assert_false(has_changed);
    write_file(path, "{\"flags\":");
    assert_int_equal(pt_flags_reload(b.flags, &has_changed, &err), PT_INVALID);
    assert_non_null(strstr(err.text, "flags.json"));
    assert_false(has_changed);
    assert_int_equal(pt_flags_count(b.flags), 8);
    /* The same broken bytes again: nothing new. */
    PT_CHECK_OK(pt_flags_reload(b.flags, &has_changed, &err), err);
    assert_int_equal(pt_flags_count(b.flags), 8);
    write_file(path, "{\"flags\":{}}");
    PT_CHECK_OK(pt_flags_reload(b.flags, &has_changed, &err), err);
    assert_true(has_changed);
    assert_int_equal(pt_flags_count(b.flags), 0);
    PT_CHECK_OK(pt_io_unlink(pt_io_posix(), path, &err), err);
    assert_int_equal(pt_flags_reload(b.flags, &has_changed, &err), PT_NOT_FOUND);
    bench_close(&b);
    pt_free(path);
    pt_test_dir_remove(dir);
}

struct reader {
    struct pt_flags *flags;
    atomic_bool *stop;
    unsigned evaluations;
    bool is_wrong;
};

static void *read_flags(void *arg)
{
    struct reader *r = arg;
    struct pt_buf scratch;
    struct pt_flag_evaluation got;

    pt_buf_init(&scratch, 1u << 20);
    while (!atomic_load(r->stop)) {
        pt_flags_evaluate(r->flags, pt_span_str("on"), (struct pt_json){0}, PT_FLAG_ANY, &scratch,
                          &got);
        r->is_wrong =
            r->is_wrong || !pt_span_is(got.value, "true") || !pt_span_is(got.variant, "yes");
        r->evaluations++;
    }
    pt_buf_release(&scratch);
    return NULL;
}

/* Promise: readers see one whole set or another while it is replaced. Method: three readers, 500
 * loads. */
static void readers_beside_a_writer(void **state)
{
    (void)state;
    struct bench b;
    atomic_bool stop = false;
    struct reader readers[3];
    pthread_t threads[3];

    bench_open(&b);
    load(&b, basic_file);
    for (int i = 0; i < 3; i++) {
        readers[i] = (struct reader){.flags = b.flags, .stop = &stop};
        assert_int_equal(pthread_create(&threads[i], NULL, read_flags, &readers[i]), 0);
    }
    for (int i = 0; i < 500; i++) {
        load(&b, basic_file);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_false(readers[i].is_wrong);
    }
    bench_close(&b);
}

/* Promise: no memory at any moment gives an error and leaves the old set. */
static void no_memory(void **state)
{
    (void)state;
    struct bench b;
    unsigned failures = 0;

    bench_open(&b);
    load(&b, basic_file);
    for (unsigned nth = 1; nth < 200; nth++) {
        struct pt_error err;
        enum pt_code code;

        pt_mem_fail_after(nth);
        code = pt_flags_load(b.flags, pt_span_str(basic_file), &err);
        if (!pt_mem_fault_fired()) {
            pt_mem_fail_after(0);
            assert_int_equal(code, PT_OK);
            break;
        }
        pt_mem_fail_after(0);
        failures++;
        assert_int_equal(pt_flags_count(b.flags), 8);
    }
    assert_true(failures > 3);
    bench_close(&b);
}

/* ---- flagd's own cases ---- */

static bool read_whole(const char *path, struct pt_buf *buf)
{
    struct pt_io *io = pt_io_posix();
    struct pt_error err;
    struct pt_file *file = NULL;
    uint64_t bytes = 0;
    size_t got = 0;
    enum pt_code code = pt_io_open(io, path, PT_OPEN_READ, &file, &err);

    if (code == PT_NOT_FOUND) {
        return false;
    }
    PT_CHECK_OK(code, err);
    PT_CHECK_OK(pt_io_size(io, file, &bytes, &err), err);
    assert_non_null(pt_buf_reserve(buf, bytes + PT_JSON_PADDING));
    PT_CHECK_OK(pt_io_read(io, file, 0, buf->data, bytes, &got, &err), err);
    buf->size = got;
    pt_io_close(io, file);
    return true;
}

static bool has_tag(struct pt_json test, const char *tag)
{
    struct pt_json_iter it = pt_json_iterate(pt_json_member(test, "tags"));

    while (pt_json_next(&it)) {
        if (pt_span_is(pt_json_string(it.value), tag)) {
            return true;
        }
    }
    return false;
}

static void to_text(struct pt_json value, struct pt_buf *buf)
{
    struct pt_jsonw w;

    pt_buf_reset(buf);
    pt_jsonw_init(&w, buf);
    pt_jsonw_value(&w, value);
}

/* 0.0 and 0, written by different hands, are one number. */
static bool is_same_json(struct pt_span got, struct pt_json want, struct pt_buf *buf)
{
    to_text(want, buf);
    if (pt_json_is_number(want)) {
        char text[64];

        snprintf(text, sizeof(text), "%.*s", PT_SPAN_ARG(got));
        return strtod(text, NULL) == pt_json_double(want);
    }
    return pt_span_equal(got, pt_buf_span(buf));
}

static void run_case(struct bench *b, struct pt_json test)
{
    struct pt_json flag = pt_json_member(test, "flag");
    struct pt_json expect = pt_json_member(test, "expect");
    struct pt_json want;
    struct pt_flag_evaluation got;
    struct pt_span key;
    struct pt_span type_name;
    struct pt_span id;
    struct pt_buf text;
    enum pt_flag_type type = PT_FLAG_ANY;

    assert_true(pt_json_member_string(flag, "key", &key) &&
                pt_json_member_string(flag, "type", &type_name) &&
                pt_json_member_string(test, "id", &id) && pt_flag_type_parse(type_name, &type));
    pt_buf_init(&text, 1u << 20);
    pt_flags_evaluate(b->flags, key, pt_json_member(test, "context"), type, &b->scratch, &got);
    want = pt_json_member(expect, "value");
    if (pt_json_exists(want)) {
        to_text(pt_json_member(flag, "default"), &text);
        struct pt_span value = got.has_value ? got.value : pt_buf_span(&text);
        struct pt_buf other;

        pt_buf_init(&other, 1u << 20);
        if (!is_same_json(value, want, &other)) {
            fail_msg("%.*s: got %.*s, want %.*s", PT_SPAN_ARG(id), PT_SPAN_ARG(value),
                     PT_SPAN_ARG(pt_buf_span(&other)));
        }
        pt_buf_release(&other);
    }
    want = pt_json_member(expect, "reason");
    if (pt_json_exists(want) &&
        !pt_span_is(pt_json_string(want), pt_flag_reason_name(got.reason))) {
        fail_msg("%.*s: reason %s", PT_SPAN_ARG(id), pt_flag_reason_name(got.reason));
    }
    want = pt_json_member(expect, "errorCode");
    if (pt_json_exists(want) && !pt_span_is(pt_json_string(want), pt_flag_error_name(got.error))) {
        fail_msg("%.*s: error %s", PT_SPAN_ARG(id), pt_flag_error_name(got.error));
    }
    want = pt_json_member(expect, "metadata");
    if (pt_json_exists(want)) {
        assert_true(is_same_json(got.metadata, want, &text));
    }
    pt_buf_release(&text);
}

/* Promise: each of flagd's evaluator cases holds, against the whole testkit file. */
static void flagd_evaluator_cases(void **state)
{
    (void)state;
    struct bench b;
    struct pt_buf kit_text;
    struct pt_buf case_text;
    struct pt_json cases;
    struct pt_error err;
    unsigned run = 0;
    unsigned other_version = 0;

    pt_buf_init(&kit_text, 4u << 20);
    pt_buf_init(&case_text, 4u << 20);
    if (!read_whole(TESTBED "evaluator/flags/testkit-flags.json", &kit_text) ||
        !read_whole(TESTBED "cases/evaluator-cases.json", &case_text)) {
        print_message("skipped: %s is not there\n", TESTBED);
        pt_buf_release(&kit_text);
        skip();
    }
    bench_open(&b);
    PT_CHECK_OK(pt_flags_load(b.flags, pt_buf_span(&kit_text), &err), err);
    PT_CHECK_OK(pt_json_parse(b.parser, pt_buf_span(&case_text), &cases, NULL, &err), err);
    struct pt_json_iter it = pt_json_iterate(cases);

    while (pt_json_next(&it)) {
        /* The current specification is integer buckets, tagged v2. */
        if (has_tag(it.value, "fractional-v1") || has_tag(it.value, "fractional-v3")) {
            other_version++;
        } else {
            run_case(&b, it.value);
            run++;
        }
    }
    print_message("flagd evaluator cases: %u hold, %u are of another fractional version\n", run,
                  other_version);
    assert_true(run >= 60);
    bench_close(&b);
    pt_buf_release(&kit_text);
    pt_buf_release(&case_text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(murmur_vectors),
        cmocka_unit_test(evaluation_table),
        cmocka_unit_test(default_bucketing_key),
        cmocka_unit_test(distribution),
        cmocka_unit_test(weights),
        cmocka_unit_test(broken_files),
        cmocka_unit_test(lint_judges_rules),
        cmocka_unit_test(a_broken_rule_harms_its_flag_alone),
        cmocka_unit_test(damaged_files),
        cmocka_unit_test(lint_tells_all),
        cmocka_unit_test(reload_keeps_the_old),
        cmocka_unit_test(readers_beside_a_writer),
        cmocka_unit_test(no_memory),
        cmocka_unit_test(flagd_evaluator_cases),
    };

    pt_log_set_level(PT_LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
