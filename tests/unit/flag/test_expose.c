/*
 * test_expose.c - which evaluations are exposures
 *
 * Method: a flag of each kind is evaluated for one unit; what the exposer tells is written down and
 * compared, also nothing where nothing was given by chance.
 */
#include "check.h"
#include "flag/expose.h"

#include <stdio.h>

#define ALWAYS "{\"fractional\":[[\"a\",1]]}"
#define TESTERS "{\"if\":[{\"var\":\"qa\"},\"b\",null]}"
#define SHOP "\"experiment\":\"shop\""

/* A flag each, with variants a and b and default b, and what player p1's evaluation tells. */
static const struct {
    const char *key;
    const char *targeting; /* NULL: none */
    const char *metadata;
    const char *told;
} flags[] = {
    {"whole", ALWAYS, SHOP ",\"version\":7,\"epoch\":2.5", "whole p1 shop a 7 2.5\n"},
    {"texts", ALWAYS, SHOP ",\"version\":\"v\\n1\",\"epoch\":true",
     "texts p1 shop a \"v\\n1\" true\n"},
    {"bare", ALWAYS, SHOP, "bare p1 shop a  \n"},
    {"none", ALWAYS, "\"owner\":\"\\\"experiment\\\"\"", ""},
    {"number", ALWAYS, "\"experiment\":5", ""},
    {"empty", ALWAYS, "\"experiment\":\"\"", ""},
    {"static", NULL, SHOP, ""},
    {"default", "{\"if\":[false,\"a\",null]}", SHOP, ""},
    {"wrong", "{\"if\":[true,\"c\"]}", SHOP, ""},
    {"epochs", NULL, SHOP ",\"epoch.3\":\"0-9999 a=1\"", "epochs p1 shop a  3\n"},
    {"rollout", NULL, SHOP ",\"epoch.3\":\"0-0 a=1\"", ""},
    {"tester", TESTERS, SHOP ",\"epoch.3\":\"0-9999 a=1\"", "tester p1 shop a  3\n"},
    {"required", ALWAYS, SHOP ",\"requires.static\":\"a\"", ""},
    {"met", ALWAYS, SHOP ",\"requires.static\":\"b\"", "met p1 shop a  \n"},
    {"layer", ALWAYS, SHOP ",\"layer\":\"ui\",\"layerBuckets\":\"0-9999\"", "layer p1 shop a  \n"},
    {"elsewhere", ALWAYS, SHOP ",\"layer\":\"other\",\"layerBuckets\":\"0-0\"", ""},
    {"free", ALWAYS, SHOP ",\"holdout\":false", "free p1 shop a  \n"},
};
#define FLAGS (sizeof(flags) / sizeof(flags[0]))

/* `metadata` is the set's own. */
static void write_flags(struct pt_buf *out, const char *metadata)
{
    pt_buf_append_str(out, "{\"flags\":{");
    for (size_t i = 0; i < FLAGS; i++) {
        pt_buf_appendf(out,
                       "\"%s\":{\"state\":\"ENABLED\",\"variants\":{\"a\":\"A\",\"b\":\"B\"},"
                       "\"defaultVariant\":\"b\",%s%s%s\"metadata\":{%s}},",
                       flags[i].key, flags[i].targeting ? "\"targeting\":" : "",
                       flags[i].targeting ? flags[i].targeting : "", flags[i].targeting ? "," : "",
                       flags[i].metadata);
    }
    pt_buf_appendf(out,
                   "\"off\":{\"state\":\"DISABLED\",\"variants\":{\"a\":\"A\"},"
                   "\"defaultVariant\":\"a\",\"metadata\":{" SHOP "}}},\"metadata\":{%s}}",
                   metadata);
}

static void write_down(void *ctx, const struct pt_flag_exposure *exposure)
{
    pt_buf_appendf(ctx, "%.*s %.*s %.*s %.*s %.*s %.*s\n", PT_SPAN_ARG(exposure->key),
                   PT_SPAN_ARG(exposure->unit), PT_SPAN_ARG(exposure->experiment),
                   PT_SPAN_ARG(exposure->variant), PT_SPAN_ARG(exposure->version),
                   PT_SPAN_ARG(exposure->epoch));
}

struct bench {
    struct pt_flags *flags;
    struct pt_json_parser *parser;
    struct pt_flag_exposer *exposer;
    struct pt_buf told;
    struct pt_buf scratch;
};

static void bench_open(struct bench *b, const char *metadata)
{
    struct pt_error err = {0};
    struct pt_buf text;

    b->flags = pt_flags_create(pt_io_posix(), pt_clock_system());
    b->parser = pt_json_parser_create(4096);
    b->exposer = pt_flag_exposer_create(write_down, &b->told);
    assert_non_null(b->flags);
    assert_non_null(b->parser);
    assert_non_null(b->exposer);
    pt_buf_init(&b->told, 1 << 20);
    pt_buf_init(&b->scratch, 1 << 20);
    pt_buf_init(&text, 1 << 20);
    write_flags(&text, metadata);
    PT_CHECK_OK(pt_flags_load(b->flags, pt_buf_span(&text), &err), err);
    pt_buf_release(&text);
}

static void bench_close(struct bench *b)
{
    pt_flag_exposer_destroy(b->exposer);
    pt_json_parser_destroy(b->parser);
    pt_flags_destroy(b->flags);
    pt_buf_release(&b->told);
    pt_buf_release(&b->scratch);
}

/* What evaluating `key` tells. */
static const char *see(struct bench *b, const char *key, const char *context_text)
{
    char text[512] = {0};
    struct pt_json context;
    struct pt_flag_evaluation evaluation;
    struct pt_error err = {0};

    snprintf(text, sizeof(text) - PT_JSON_PADDING, "%s", context_text);
    PT_CHECK_OK(pt_json_parse(b->parser, pt_span_str(text), &context, NULL, &err), err);
    pt_flags_evaluate(b->flags, pt_span_str(key), context, PT_FLAG_ANY, &b->scratch, &evaluation);
    pt_buf_reset(&b->told);
    pt_flag_exposer_see(b->exposer, pt_span_str(key), context, &evaluation);
    pt_buf_append_byte(&b->told, 0);
    return (const char *)b->told.data;
}

static void only_what_was_given_by_chance_is_an_exposure(void **state)
{
    struct bench b;

    (void)state;
    bench_open(&b, "");
    for (size_t i = 0; i < FLAGS; i++) {
        assert_string_equal(see(&b, flags[i].key, "{\"targetingKey\":\"p1\"}"), flags[i].told);
    }
    assert_string_equal(see(&b, "off", "{\"targetingKey\":\"p1\"}"), "");
    assert_string_equal(see(&b, "missing", "{\"targetingKey\":\"p1\"}"), "");
    /* Epochs assign by chance; a rule that goes before them does not. */
    assert_string_equal(see(&b, "tester", "{\"targetingKey\":\"p1\",\"qa\":true}"), "");
    /* Nobody was exposed where nobody is named. */
    assert_string_equal(see(&b, "whole", "{}"), "");
    assert_string_equal(see(&b, "whole", "{\"targetingKey\":\"\"}"), "");
    bench_close(&b);
}

static void a_unit_in_a_holdout_is_not_exposed(void **state)
{
    struct bench b;

    (void)state;
    bench_open(&b, "\"holdout.all\":100");
    assert_string_equal(see(&b, "bare", "{\"targetingKey\":\"p1\"}"), "");
    assert_string_equal(see(&b, "free", "{\"targetingKey\":\"p1\"}"), "free p1 shop a  \n");
    bench_close(&b);
}

static void the_words_of_the_setting(void **state)
{
    enum pt_flag_expose expose = PT_FLAG_EXPOSE_OFF;

    (void)state;
    PT_CHECK(pt_flag_expose_parse(pt_span_str("single"), &expose));
    PT_CHECK(expose == PT_FLAG_EXPOSE_SINGLE);
    PT_CHECK(pt_flag_expose_parse(pt_span_str("all"), &expose) && expose == PT_FLAG_EXPOSE_ALL);
    PT_CHECK(pt_flag_expose_parse(pt_span_str("off"), &expose) && expose == PT_FLAG_EXPOSE_OFF);
    PT_CHECK(!pt_flag_expose_parse(pt_span_str("on"), &expose));
    PT_CHECK(!pt_flag_expose_parse(pt_span_str(""), &expose));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_was_given_by_chance_is_an_exposure),
        cmocka_unit_test(a_unit_in_a_holdout_is_not_exposed),
        cmocka_unit_test(the_words_of_the_setting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
