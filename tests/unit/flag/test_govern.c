/*
 * test_govern.c - layers exclude each other, holdouts hold out, prerequisites hold, epochs stick
 *
 * Method: flag files are loaded and 100,000 units asked; counts are held to the binomial
 * distribution within 4 sigma (hashes, so the same counts on every run). What is sticky is asked
 * before and after each of many widenings. Mistakes go in a table with pointer and words.
 */
#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNITS 100000
#define VARIANTS                                                                                   \
    "\"state\":\"ENABLED\",\"variants\":{\"off\":0,\"on\":1,\"more\":2},\"defaultVariant\":"       \
    "\"off\""

static void bench_with(struct bench *b, const char *file)
{
    bench_open(b);
    load(b, file);
}

static const struct pt_flag_evaluation *ask(struct bench *b, const char *key, const char *context)
{
    return eval(b, key, context, PT_FLAG_ANY);
}

static const struct pt_flag_evaluation *ask_unit(struct bench *b, const char *key, int unit)
{
    char context[64];

    snprintf(context, sizeof(context), "{\"targetingKey\":\"player-%d\"}", unit);
    return ask(b, key, context);
}

static void wants(const struct pt_flag_evaluation *got, const char *variant, const char *metadata)
{
    if (!pt_span_is(got->variant, variant) || !pt_span_is(got->metadata, metadata)) {
        fail_msg("got %.*s %.*s (%s), want %s %s", PT_SPAN_ARG(got->variant),
                 PT_SPAN_ARG(got->metadata), got->detail, variant, metadata);
    }
}

/* `count` of `total` is within 4 sigma of the share p. */
static void is_share(long count, long total, double p)
{
    double sigma = sqrt((double)total * p * (1 - p));

    if (fabs((double)count - (double)total * p) > 4 * sigma) {
        fail_msg("%ld of %ld is no share of %g: %.1f sigma off", count, total, p,
                 ((double)count - (double)total * p) / sigma);
    }
}

/* Promise: of flags that share out a layer, each unit gets one, by the share that the flag owns. */
static void layers_exclude(void **state)
{
    static const char *const keys[] = {"a", "b", "c"};
    static const double shares[] = {0.5, 0.2, 0.2};
    struct bench b;
    long counts[3] = {0};

    (void)state;
    bench_with(&b, "{\"flags\":{"
                   "\"a\":{" VARIANTS ",\"targeting\":{\"if\":[true,\"on\"]},\"metadata\":{"
                   "\"layer\":\"shop\",\"layerBuckets\":\"0-4999\"}},"
                   "\"b\":{" VARIANTS ",\"targeting\":{\"if\":[true,\"on\"]},\"metadata\":{"
                   "\"layer\":\"shop\",\"layerBuckets\":\"5000-5999,7000-7999\"}},"
                   "\"c\":{" VARIANTS ",\"targeting\":{\"if\":[true,\"on\"]},\"metadata\":{"
                   "\"layer\":\"shop\",\"layerBuckets\":\"6000-6999,8000-8999\"}}}}");
    for (int unit = 0; unit < UNITS; unit++) {
        int in = 0;

        for (int k = 0; k < 3; k++) {
            const struct pt_flag_evaluation *got = ask_unit(&b, keys[k], unit);

            if (got->gate == PT_FLAG_GATE_NONE) {
                wants(got, "on", "{\"layer\":\"shop\"}");
                PT_CHECK(got->reason == PT_FLAG_REASON_TARGETING_MATCH);
                counts[k]++;
                in++;
            } else {
                wants(got, "off", "{\"layer\":\"shop\",\"gate\":\"layer\"}");
                PT_CHECK(got->reason == PT_FLAG_REASON_DEFAULT);
            }
        }
        PT_CHECK(in <= 1);
    }
    for (int k = 0; k < 3; k++) {
        is_share(counts[k], UNITS, shares[k]);
    }
    PT_CHECK(!ask(&b, "a", "{}")->error && b.got.is_targeting_key_missing);
    wants(&b.got, "off", "{\"layer\":\"shop\",\"gate\":\"layer\"}");
    bench_close(&b);
}

/* Promise: what a unit gets in one layer, holdout or rollout says nothing about another. */
static void layers_are_independent(void **state)
{
    static const char *const keys[] = {"a", "b", "c", "d", "e"};
    struct bench b;
    long on[5] = {0};
    long both[5][5] = {{0}};

    (void)state;
    bench_with(&b, "{\"flags\":{"
                   "\"a\":{" VARIANTS ",\"metadata\":{\"layer\":\"one\",\"layerBuckets\":"
                   "\"0-4999\"}},"
                   "\"b\":{" VARIANTS ",\"metadata\":{\"layer\":\"two\",\"layerBuckets\":"
                   "\"0-4999\"}},"
                   "\"c\":{" VARIANTS ",\"metadata\":{\"epoch.1\":\"0-4999 on=1\"}},"
                   "\"d\":{" VARIANTS ",\"metadata\":{\"epoch.1\":\"0-4999 on=1\"}},"
                   "\"e\":{" VARIANTS ",\"metadata\":{\"epoch.1\":\"0-9999 on=1 off=1\"}}}}");
    for (int unit = 0; unit < UNITS; unit++) {
        bool is_on[5];

        for (int k = 0; k < 5; k++) {
            const struct pt_flag_evaluation *got = ask_unit(&b, keys[k], unit);

            is_on[k] = k == 4 ? pt_span_is(got->variant, "on") : got->gate == PT_FLAG_GATE_NONE;
            on[k] += is_on[k];
            for (int i = 0; i < k; i++) {
                both[k][i] += is_on[k] && is_on[i];
            }
        }
    }
    for (int k = 0; k < 5; k++) {
        is_share(on[k], UNITS, 0.5);
        for (int i = 0; i < k; i++) {
            /* The correlation of two yes-or-no's has sigma 1/sqrt(n) where there is none. */
            double n = UNITS;
            double p = (double)on[k] / n;
            double q = (double)on[i] / n;
            double r = ((double)both[k][i] / n - p * q) / sqrt(p * (1 - p) * q * (1 - q));

            if (fabs(r) > 4 / sqrt(n)) {
                fail_msg("flags %s and %s correlate: %g", keys[i], keys[k], r);
            }
        }
    }
    bench_close(&b);
}

/* Promise: a holdout's share gets every flag's default, but for those that opt out, and is told. */
static void holdouts_hold_out(void **state)
{
    struct bench b;
    long out = 0;
    long other = 0;

    (void)state;
    bench_with(&b, "{\"metadata\":{\"team\":\"core\",\"holdout.2026\":7.25,\"holdout.shop\":3},"
                   "\"flags\":{"
                   "\"a\":{" VARIANTS ",\"targeting\":{\"if\":[true,\"on\"]}},"
                   "\"b\":{" VARIANTS ",\"targeting\":{\"if\":[true,\"more\"]}},"
                   "\"free\":{" VARIANTS ",\"targeting\":{\"if\":[true,\"on\"]},"
                   "\"metadata\":{\"holdout\":false}},"
                   "\"some\":{" VARIANTS ",\"targeting\":{\"if\":[true,\"on\"]},"
                   "\"metadata\":{\"holdout.2026\":false}}}}");
    for (int unit = 0; unit < UNITS; unit++) {
        const struct pt_flag_evaluation *got = ask_unit(&b, "a", unit);
        bool is_out = got->gate == PT_FLAG_GATE_HOLDOUT;
        bool is_2026 = pt_span_is(got->gated_by, "2026");

        if (is_2026) {
            wants(got, "off", "{\"team\":\"core\",\"gate\":\"holdout\",\"holdout\":\"2026\"}");
            PT_CHECK(got->reason == PT_FLAG_REASON_DEFAULT);
        } else if (!is_out) {
            wants(got, "on", "{\"team\":\"core\"}");
        }
        out += is_2026;
        PT_CHECK((ask_unit(&b, "b", unit)->gate == PT_FLAG_GATE_HOLDOUT) == is_out);
        wants(ask_unit(&b, "free", unit), "on", "{\"team\":\"core\"}");
        other += ask_unit(&b, "some", unit)->gate == PT_FLAG_GATE_HOLDOUT;
        PT_CHECK(!pt_span_is(b.got.gated_by, "2026"));
    }
    is_share(out, UNITS, 0.0725);
    is_share(other, UNITS, 0.03);
    wants(ask(&b, "a", "{}"), "on", "{\"team\":\"core\"}"); /* no unit, no holdout */
    bench_close(&b);
}

/* Promise: a flag waits for another's variants, by the same context, over several levels. */
static void prerequisites_hold(void **state)
{
    struct bench b;

    (void)state;
    bench_with(
        &b, "{\"flags\":{"
            "\"base\":{" VARIANTS ",\"targeting\":{\"if\":[{\"==\":[{\"var\":\"plan\"},\"pro\"]},"
            "\"on\",{\"==\":[{\"var\":\"plan\"},\"max\"]},\"more\"]}},"
            "\"top\":{" VARIANTS ",\"targeting\":{\"if\":[true,\"on\"]},"
            "\"metadata\":{\"requires.base\":\"on|more\"}},"
            "\"above\":{" VARIANTS ",\"targeting\":{\"if\":[true,\"on\"]},"
            "\"metadata\":{\"requires.top\":\"on\",\"requires.base\":\"more\"}},"
            "\"dead\":{\"state\":\"DISABLED\",\"variants\":{\"on\":1},\"defaultVariant\":\"on\"},"
            "\"x\":{" VARIANTS ",\"metadata\":{\"requires.dead\":\"on\"}},"
            "\"broken\":{" VARIANTS ",\"targeting\":{\"nonsense\":[1]}},"
            "\"y\":{" VARIANTS ",\"metadata\":{\"requires.broken\":\"off\"}},"
            "\"odd\":{\"state\":\"ENABLED\",\"variants\":{\"a|b\":1,\"c d\":2},"
            "\"defaultVariant\":\"a|b\"},"
            "\"z\":{" VARIANTS ",\"metadata\":{\"requires.odd\":\"c d|a%7Cb\"}}}}");
    wants(ask(&b, "top", "{\"plan\":\"pro\"}"), "on", "{}");
    wants(ask(&b, "top", "{\"plan\":\"max\"}"), "on", "{}");
    wants(ask(&b, "top", "{\"plan\":\"free\"}"), "off",
          "{\"gate\":\"prerequisite\",\"prerequisite\":\"base\"}");
    wants(ask(&b, "above", "{\"plan\":\"max\"}"), "on", "{}");
    wants(ask(&b, "above", "{\"plan\":\"pro\"}"), "off",
          "{\"gate\":\"prerequisite\",\"prerequisite\":\"base\"}");
    wants(ask(&b, "above", "{}"), "off", "{\"gate\":\"prerequisite\",\"prerequisite\":\"top\"}");
    wants(ask(&b, "x", "{}"), "off", "{\"gate\":\"prerequisite\",\"prerequisite\":\"dead\"}");
    wants(ask(&b, "y", "{}"), "off", "{\"gate\":\"prerequisite\",\"prerequisite\":\"broken\"}");
    wants(ask(&b, "z", "{}"), "off", "{}");
    PT_CHECK(b.got.reason == PT_FLAG_REASON_STATIC);
    bench_close(&b);
}

/* Promise: widening a rollout moves nobody who was assigned, however often and by whatever weights;
 * the epoch says when a unit came in; shares are right. Method: 12 files, each with an epoch more.
 */
static void widening_moves_nobody(void **state)
{
    enum { STEPS = 12, SOME = UNITS / 5 };
    static const unsigned widths[STEPS] = {50, 100, 7,    343,  500,  1000,
                                           1,  999, 2000, 1500, 2500, 1000};
    static const char *const weights[] = {"on=1", "on=1 off=1", "on=9 more=1", "off=1 on=2 more=3"};
    char *was = calloc(SOME, 1);
    int *epoch_was = calloc(SOME, sizeof(*epoch_was));
    struct pt_buf file;
    struct pt_buf epochs;
    unsigned from = 0;

    (void)state;
    pt_buf_init(&file, 1 << 16);
    pt_buf_init(&epochs, 1 << 16);
    for (unsigned step = 0; step < STEPS; step++) {
        struct bench b;
        long counts[STEPS + 1] = {0};

        pt_buf_appendf(&epochs, "%s\"epoch.%u\":\"%u-%u %s\"", step > 0 ? "," : "", step + 1, from,
                       from + widths[step] - 1, weights[step % 4]);
        from += widths[step];
        pt_buf_reset(&file);
        pt_buf_appendf(&file, "{\"flags\":{\"roll\":{" VARIANTS ",\"metadata\":{%.*s}}}}",
                       (int)epochs.size, (const char *)epochs.data);
        pt_buf_append_byte(&file, 0);
        bench_with(&b, (const char *)file.data);
        for (int unit = 0; unit < SOME; unit++) {
            const struct pt_flag_evaluation *got = ask_unit(&b, "roll", unit);

            counts[got->epoch]++;
            if (got->epoch == 0) {
                PT_CHECK(epoch_was[unit] == 0);
                wants(got, "off", "{\"gate\":\"rollout\"}");
                continue;
            }
            PT_CHECK(got->reason == PT_FLAG_REASON_SPLIT);
            PT_CHECK(got->gate == PT_FLAG_GATE_NONE && got->epoch <= step + 1);
            if (epoch_was[unit]) {
                PT_CHECK(epoch_was[unit] == (int)got->epoch);
                PT_CHECK(was[unit] == (char)got->variant.data[0]);
            }
            epoch_was[unit] = (int)got->epoch;
            was[unit] = (char)got->variant.data[0];
        }
        for (unsigned k = 0; k <= step; k++) {
            is_share(counts[k + 1], SOME, widths[k] / 10000.0);
        }
        bench_close(&b);
    }
    PT_CHECK(from == 10000);
    pt_buf_release(&file);
    pt_buf_release(&epochs);
    free(was);
    free(epoch_was);
}

/* Promise: within an epoch the weights hold, targeting goes first, and another salt shuffles anew.
 */
static void epochs_keep_their_weights(void **state)
{
    struct bench b;
    long on = 0;
    long off = 0;
    long same = 0;

    (void)state;
    bench_with(&b, "{\"flags\":{"
                   "\"a\":{" VARIANTS ",\"metadata\":{\"version\":4,\"experiment\":\"x\","
                   "\"epoch.3\":\"0-2999 off=7 on=2 more=1\"}},"
                   "\"b\":{" VARIANTS ",\"targeting\":{\"if\":[{\"var\":\"tester\"},\"more\"]},"
                   "\"metadata\":{\"rolloutSalt\":\"a\",\"epoch.1\":\"0-2999 off=7 on=2 more=1\"}},"
                   "\"c\":{" VARIANTS ",\"metadata\":{\"epoch.1\":\"0-4999 on=1 off=1\"}}}}");
    for (int unit = 0; unit < UNITS; unit++) {
        const struct pt_flag_evaluation *got = ask_unit(&b, "a", unit);
        uint8_t first = got->epoch ? got->variant.data[1] : 0; /* off, on, more */

        on += got->epoch && pt_span_is(got->variant, "on");
        off += got->epoch && pt_span_is(got->variant, "off");
        got = ask_unit(&b, "b", unit); /* the same salt: the same units */
        PT_CHECK((got->epoch ? got->variant.data[1] : 0) == first);
        same += first > 0 && ask_unit(&b, "c", unit)->epoch > 0;
    }
    is_share(off, UNITS, 0.3 * 0.7);
    is_share(on, UNITS, 0.3 * 0.2);
    is_share(same, UNITS, 0.3 * 0.5);
    for (int unit = 0; b.got.epoch == 0 || unit == 0; unit++) {
        (void)ask_unit(&b, "a", unit);
    }
    PT_CHECK(strstr((const char *)b.got.metadata.data,
                    "{\"version\":4,\"experiment\":\"x\","
                    "\"epoch\":3}") == (const char *)b.got.metadata.data);
    wants(ask(&b, "b", "{\"targetingKey\":\"u\",\"tester\":true}"), "more", "{\"override\":true}");
    PT_CHECK(b.got.reason == PT_FLAG_REASON_TARGETING_MATCH);
    wants(ask(&b, "b", "{}"), "off", "{\"gate\":\"rollout\"}");
    PT_CHECK(b.got.is_targeting_key_missing);
    bench_close(&b);
}

/* Promise: without the keys above, metadata goes out as it stands and a flag is what it was. */
static void plain_flags_are_as_before(void **state)
{
    struct bench b;

    (void)state;
    bench_with(&b, "{\"metadata\":{\"set\":1},\"flags\":{\"a\":{" VARIANTS ",\"metadata\":{"
                   "\"gate\":\"x\",\"epoch\":7,\"layer\":\"ui\",\"version\":\"v9\","
                   "\"prerequisite\":true}}}}");
    wants(ask(&b, "a", "{}"), "off",
          "{\"set\":1,\"gate\":\"x\",\"epoch\":7,\"layer\":\"ui\",\"version\":\"v9\","
          "\"prerequisite\":true}");
    PT_CHECK(b.got.reason == PT_FLAG_REASON_STATIC);
    bench_close(&b);
}

/* The report of lint as text in `report`. */
static void lint(struct pt_buf *report, struct pt_span file, bool *is_valid)
{
    struct pt_error err = {0};
    struct pt_jsonw w;

    pt_buf_reset(report);
    pt_jsonw_init(&w, report);
    PT_CHECK_OK(pt_flags_lint(file, &w, is_valid, &err), err);
    pt_buf_append_byte(report, 0);
}

/* Promise: every mistake is an error of lint, with its place, and no such file is loaded. */
static void mistakes_are_told(void **state)
{
    static const struct {
        const char *set;  /* the set's metadata */
        const char *flag; /* flag a's metadata; flag b is plain, flag c owns 100-199 of layer L */
        const char *pointer;
        const char *detail;
    } cases[] = {
        {"", "\"layerBuckets\":\"0-9\"", "/flags/a/metadata/layerBuckets", "needs \\\"layer\\\""},
        {"", "\"layer\":\"M\",\"layerBuckets\":7", "/flags/a/metadata/layerBuckets", "a text"},
        {"", "\"layer\":\"M\",\"layerBuckets\":\"0-10000\"", "/flags/a/metadata/layerBuckets",
         "within 0-9999"},
        {"", "\"layer\":\"M\",\"layerBuckets\":\"9-5\"", "/flags/a/metadata/layerBuckets",
         "within 0-9999"},
        {"", "\"layer\":\"M\",\"layerBuckets\":\"1,\"", "/flags/a/metadata/layerBuckets",
         "within 0-9999"},
        {"", "\"layer\":\"M\",\"layerBuckets\":\"1-5,5-9\"", "/flags/a/metadata/layerBuckets",
         "bucket 5 is named twice"},
        {"", "\"layer\":\"L\",\"layerBuckets\":\"0-99,150-300\"", "/flags/a/metadata/layerBuckets",
         "bucket 150 of layer \\\"L\\\" belongs to flag \\\"c\\\" already"},
        {"", "\"layer\":\"L\",\"layerBuckets\":\"0-9999\"", "/flags/c/metadata/layerBuckets",
         "bucket 100 of layer \\\"L\\\" belongs to flag \\\"a\\\" already"},
        {"", "\"holdout\":5", "/flags/a/metadata/holdout", "true or false"},
        {"", "\"holdout.x\":5", "/flags/a/metadata/holdout.x", "true or false"},
        {"\"holdout.x\":101", "", "/metadata/holdout.x", "a percentage"},
        {"\"holdout.x\":-1", "", "/metadata/holdout.x", "a percentage"},
        {"\"holdout.x\":\"5\"", "", "/metadata/holdout.x", "a percentage"},
        {"\"holdout.\":5", "", "/metadata/holdout.", "a percentage"},
        {"", "\"requires.nobody\":\"on\"", "/flags/a/metadata/requires.nobody",
         "there is no flag \\\"nobody\\\""},
        {"", "\"requires.b\":\"on|blue\"", "/flags/a/metadata/requires.b",
         "flag \\\"b\\\" has no variant \\\"blue\\\""},
        {"", "\"requires.b\":true", "/flags/a/metadata/requires.b", "a variant's name"},
        {"", "\"requires.b\":\"on%\"", "/flags/a/metadata/requires.b", "two hexadecimal digits"},
        {"", "\"requires.a\":\"on\"", "/flags/a/metadata/requires.a", "a -> a"},
        {"", "\"epoch.1\":\"0-99\"", "/flags/a/metadata/epoch.1", "sum to zero"},
        {"", "\"epoch.1\":\"0-99 on=0\"", "/flags/a/metadata/epoch.1", "sum to zero"},
        {"", "\"epoch.1\":\"0-99 blue=1\"", "/flags/a/metadata/epoch.1",
         "there is no variant \\\"blue\\\""},
        {"", "\"epoch.1\":\"0-99 on=-1\"", "/flags/a/metadata/epoch.1", "whole numbers"},
        {"", "\"epoch.1\":\"0-99 on=999999999 off=999999999 more=999999999\"",
         "/flags/a/metadata/epoch.1", "whole numbers"},
        {"", "\"epoch.1\":\"on=1\"", "/flags/a/metadata/epoch.1", "within 0-9999"},
        {"", "\"epoch.1\":3", "/flags/a/metadata/epoch.1", "a text"},
        {"", "\"epoch.0\":\"0-99 on=1\"", "/flags/a/metadata/epoch.0", "from 1"},
        {"", "\"epoch.x\":\"0-99 on=1\"", "/flags/a/metadata/epoch.x", "from 1"},
        {"", "\"epoch.1\":\"0-99 on=1\",\"epoch.2\":\"50 on=1\"", "/flags/a/metadata/epoch.2",
         "bucket 50 belongs to epoch 1 already"},
        {"", "\"rolloutSalt\":5", "/flags/a/metadata/rolloutSalt", "a salt is a text"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *file =
            pt_strf("{\"metadata\":{%s},\"flags\":{\"a\":{" VARIANTS ",\"metadata\":{%s}},"
                    "\"b\":{" VARIANTS "},\"c\":{" VARIANTS ",\"metadata\":{\"layer\":\"L\","
                    "\"layerBuckets\":\"100-199\"}}}}",
                    cases[i].set, cases[i].flag);
        struct pt_error err = {0};
        struct pt_flags *flags = pt_flags_create(pt_io_posix(), pt_clock_system());
        char *place = pt_strf("\"pointer\":\"%s\"", cases[i].pointer);
        struct pt_buf report;
        bool is_valid = true;

        pt_buf_init(&report, 1 << 20);
        lint(&report, pt_span_str(file), &is_valid);
        if (is_valid || !strstr((const char *)report.data, place) ||
            !strstr((const char *)report.data, cases[i].detail)) {
            fail_msg("%s\n  gives %s\n  want %s: %s", file, (const char *)report.data,
                     cases[i].pointer, cases[i].detail);
        }
        PT_CHECK(pt_flags_load(flags, pt_span_str(file), &err) == PT_INVALID);
        pt_flags_destroy(flags);
        pt_buf_release(&report);
        pt_free(place);
        pt_free(file);
    }
}

/* Promise: lint names every flag of a circle; a chain, however long, and a web of prerequisites
 * end in words, not in a stack or in time. */
static void circles_are_named(void **state)
{
    struct pt_buf file;
    struct pt_buf report;
    bool is_valid = true;

    (void)state;
    pt_buf_init(&file, 16 << 20);
    pt_buf_init(&report, 16 << 20);
    pt_buf_append_str(&file,
                      "{\"flags\":{\"start\":{" VARIANTS ",\"metadata\":{\"requires.n0\":\"on\"}}");
    for (int i = 0; i < 5; i++) {
        pt_buf_appendf(&file, ",\"n%d\":{" VARIANTS ",\"metadata\":{\"requires.n%d\":\"on\"}}", i,
                       (i + 1) % 5);
    }
    pt_buf_append_str(&file, "}}");
    lint(&report, pt_buf_span(&file), &is_valid);
    PT_CHECK(!is_valid);
    PT_CHECK(strstr((const char *)report.data, "n0 -> n1 -> n2 -> n3 -> n4 -> n0"));
    PT_CHECK(strstr((const char *)report.data, "/flags/n4/metadata/requires.n0"));

    pt_buf_reset(&file); /* a chain of 20,000 */
    pt_buf_append_str(&file, "{\"flags\":{\"n20000\":{" VARIANTS "}");
    for (int i = 0; i < 20000; i++) {
        pt_buf_appendf(&file, ",\"n%d\":{" VARIANTS ",\"metadata\":{\"requires.n%d\":\"on\"}}", i,
                       i + 1);
    }
    pt_buf_append_str(&file, "}}");
    lint(&report, pt_buf_span(&file), &is_valid);
    PT_CHECK(!is_valid);
    PT_CHECK(strstr((const char *)report.data, "at most 32 levels"));

    pt_buf_reset(&file); /* each asks two of the next level: 2^20 ways down */
    pt_buf_append_str(&file, "{\"flags\":{\"a20\":{" VARIANTS "},\"b20\":{" VARIANTS "}");
    for (int i = 0; i < 20; i++) {
        for (int side = 0; side < 2; side++) {
            pt_buf_appendf(&file,
                           ",\"%c%d\":{" VARIANTS ",\"metadata\":{\"requires.a%d\":\"off\","
                           "\"requires.b%d\":\"off\"}}",
                           side ? 'b' : 'a', i, i + 1, i + 1);
        }
    }
    pt_buf_append_str(&file, "}}");
    lint(&report, pt_buf_span(&file), &is_valid);
    PT_CHECK(!is_valid);
    PT_CHECK(strstr((const char *)report.data, "1000 evaluations"));
    pt_buf_release(&file);
    pt_buf_release(&report);
}

/* Promise: places in a file whose flags are a list are the list's; and lint says where epochs are
 * out of reach, and what is a mere label. */
static void lists_and_warnings(void **state)
{
    struct pt_buf report;
    bool is_valid = true;

    (void)state;
    pt_buf_init(&report, 1 << 20);
    lint(&report,
         pt_span_str("{\"flags\":[{\"key\":\"z\"," VARIANTS "},{\"key\":\"a\"," VARIANTS
                     ",\"metadata\":{\"requires.q\":\"on\"}}]}"),
         &is_valid);
    PT_CHECK(!is_valid && strstr((const char *)report.data, "/flags/1/metadata/requires.q"));
    lint(&report,
         pt_span_str("{\"flags\":{\"a\":{" VARIANTS ",\"targeting\":{\"fractional\":[[\"on\",1],"
                     "[\"off\",1]]},\"metadata\":{\"epoch.1\":\"0 on=1\"}}}}"),
         &is_valid);
    PT_CHECK(!is_valid && strstr((const char *)report.data, "no epoch is ever asked"));
    lint(&report,
         pt_span_str("{\"metadata\":{\"layer\":\"x\"},\"flags\":{\"a\":{" VARIANTS
                     ",\"metadata\":{\"layer\":\"x\",\"holdout.none\":false}}}}"),
         &is_valid);
    PT_CHECK(is_valid && strstr((const char *)report.data, "a mere label") &&
             strstr((const char *)report.data, "no holdout of this name") &&
             strstr((const char *)report.data, "of a flag alone"));
    pt_buf_release(&report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_exclude),
        cmocka_unit_test(layers_are_independent),
        cmocka_unit_test(holdouts_hold_out),
        cmocka_unit_test(prerequisites_hold),
        cmocka_unit_test(widening_moves_nobody),
        cmocka_unit_test(epochs_keep_their_weights),
        cmocka_unit_test(plain_flags_are_as_before),
        cmocka_unit_test(mistakes_are_told),
        cmocka_unit_test(circles_are_named),
        cmocka_unit_test(lists_and_warnings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
