/*
 * test_stats.c - the statistics against reference values
 *
 * Promise: every function of stats.h and special.h gives what high-precision arithmetic gives.
 * Method: the records of the shared golden files for the functions that exist here, each field
 * within its own tolerance, with counts and the worst error printed; and a handful of values in
 * this file, so that the test still bites where those files are absent.
 */
#include "check.h"

#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "stats/special.h"
#include "stats/stats.h"

#include <math.h>
#include <stdio.h>

#define GOLDEN_DIR PT_SOURCE_DIR "/../shared/golden/stats/"
#define FIELDS_MAX 24

/* What one record's function gave, by the golden field's name. */
struct field {
    const char *name;
    double values[8];
    size_t count;
};

struct result {
    struct field fields[FIELDS_MAX];
    size_t count;
};

/* One function's score over all its records. */
struct score {
    const char *fn;
    void (*call)(struct pt_json inputs, struct result *out);
    unsigned records;
    unsigned fields;
    double worst_share; /* largest error as a share of its tolerance */
    double worst_relative;
};

static void put_n(struct result *out, const char *name, const double *values, size_t count)
{
    struct field *field = &out->fields[out->count++];

    assert_true(out->count <= FIELDS_MAX && count <= 8);
    field->name = name;
    field->count = count;
    memcpy(field->values, values, count * sizeof(*values));
}

static void put(struct result *out, const char *name, double value)
{
    put_n(out, name, &value, 1);
}

static void put_interval(struct result *out, const char *name, struct pt_interval interval)
{
    put_n(out, name, (double[]){interval.low, interval.high}, 2);
}

static double num(struct pt_json inputs, const char *name)
{
    struct pt_json value = pt_json_member(inputs, name);

    assert_true(pt_json_exists(value) && pt_json_is_number(value));
    return pt_json_double(value);
}

static bool text_is(struct pt_json inputs, const char *name, const char *text)
{
    struct pt_span span;

    return pt_json_member_string(inputs, name, &span) && pt_span_is(span, text);
}

static struct pt_proportion arm(struct pt_json inputs, const char *x, const char *n)
{
    return (struct pt_proportion){num(inputs, x), num(inputs, n)};
}

/* ---- one adapter a golden function ---- */

static void call_norm_dist(struct pt_json in, struct result *out)
{
    put(out, "pdf", pt_norm_pdf(num(in, "x")));
    put(out, "cdf", pt_norm_cdf(num(in, "x")));
    put(out, "sf", pt_norm_sf(num(in, "x")));
}

static void call_norm_quantile(struct pt_json in, struct result *out)
{
    double p = num(in, "p");

    put(out, "x", text_is(in, "tail", "lower") ? pt_norm_quantile(p) : pt_norm_quantile_upper(p));
}

static void call_chi2_dist(struct pt_json in, struct result *out)
{
    put(out, "cdf", pt_chi2_cdf(num(in, "x"), num(in, "df")));
    put(out, "sf", pt_chi2_sf(num(in, "x"), num(in, "df")));
}

static void call_beta_dist(struct pt_json in, struct result *out)
{
    double x = num(in, "x");
    double a = num(in, "a");
    double b = num(in, "b");

    put(out, "pdf", pt_beta_pdf(x, a, b));
    put(out, "cdf", pt_beta_cdf(x, a, b));
    put(out, "sf", pt_beta_sf(x, a, b));
}

static void call_beta_quantile(struct pt_json in, struct result *out)
{
    double p = num(in, "p");
    double a = num(in, "a");
    double b = num(in, "b");

    put(out, "x",
        text_is(in, "tail", "lower") ? pt_beta_quantile(p, a, b) : pt_beta_quantile_upper(p, a, b));
}

static void call_prop_ztest(struct pt_json in, struct result *out)
{
    bool is_pooled = false;
    enum pt_alternative alternative = text_is(in, "alternative", "larger")    ? PT_LARGER
                                      : text_is(in, "alternative", "smaller") ? PT_SMALLER
                                                                              : PT_TWO_SIDED;
    assert_true(pt_json_member_bool(in, "pooled", &is_pooled));
    struct pt_prop_test test =
        pt_prop_ztest(arm(in, "x_a", "n_a"), arm(in, "x_b", "n_b"), is_pooled, alternative);

    put(out, "diff", test.difference);
    put(out, "se", test.se);
    put(out, "z", test.z);
    put(out, "p_value", test.p_value);
}

static void call_prop_diff_ci(struct pt_json in, struct result *out)
{
    struct pt_proportion a = arm(in, "x_a", "n_a");
    struct pt_proportion b = arm(in, "x_b", "n_b");
    double level = num(in, "level");

    put_interval(out, "wald", pt_prop_diff_interval(a, b, level, PT_DIFF_WALD));
    put_interval(out, "newcombe", pt_prop_diff_interval(a, b, level, PT_DIFF_NEWCOMBE));
    put_interval(out, "agresti_caffo", pt_prop_diff_interval(a, b, level, PT_DIFF_AGRESTI_CAFFO));
}

static void call_prop_ci(struct pt_json in, struct result *out)
{
    put_interval(out, "wilson", pt_prop_wilson(arm(in, "x", "n"), num(in, "level")));
}

static void call_uplift_prop(struct pt_json in, struct result *out)
{
    struct pt_uplift uplift =
        pt_prop_uplift(arm(in, "x_a", "n_a"), arm(in, "x_b", "n_b"), num(in, "level"));

    put(out, "uplift", uplift.uplift);
    put(out, "se", uplift.se);
    put_interval(out, "delta_ci", uplift.interval);
    put(out, "se_log_ratio", uplift.se_log_ratio);
    put_interval(out, "log_delta_ci", uplift.log_interval);
}

static void call_srm_test(struct pt_json in, struct result *out)
{
    double sizes[8];
    double weights[8];
    double expected[8];
    struct pt_json list = pt_json_member(in, "observed");
    size_t count = pt_json_count(list);

    assert_true(count <= 8);
    for (uint32_t i = 0; i < count; i++) {
        sizes[i] = pt_json_double(pt_json_element(list, i));
        weights[i] = pt_json_double(pt_json_element(pt_json_member(in, "weights"), i));
    }
    struct pt_srm srm = pt_srm_test(sizes, weights, count, expected);

    put(out, "df", srm.df);
    put_n(out, "expected_counts", expected, count);
    put(out, "chi2", srm.chi2);
    put(out, "p_value", srm.p_value);
    put(out, "g", srm.g);
    put(out, "g_p_value", srm.g_p_value);
}

static void put_comparison(struct result *out, const struct pt_beta_comparison *c)
{
    put_n(out, "post_a", (double[]){c->a.alpha, c->a.beta}, 2);
    put_n(out, "post_b", (double[]){c->b.alpha, c->b.beta}, 2);
    put(out, "mean_a", c->a.mean);
    put(out, "mean_b", c->b.mean);
    put_interval(out, "ci_a", c->a.interval);
    put_interval(out, "ci_b", c->b.interval);
    put(out, "prob_b_gt_a", c->prob_b_gt_a);
    put(out, "prob_a_gt_b", c->prob_a_gt_b);
    put(out, "expected_loss_a", c->expected_loss_a);
    put(out, "expected_loss_b", c->expected_loss_b);
    put(out, "mean_diff", c->mean_difference);
    put(out, "sd_diff", c->sd_difference);
}

static void call_beta_binomial(struct pt_json in, struct result *out)
{
    struct pt_beta_comparison c =
        pt_beta_binomial(arm(in, "x_a", "n_a"), arm(in, "x_b", "n_b"), num(in, "prior_a"),
                         num(in, "prior_b"), num(in, "level"));

    put_comparison(out, &c);
}

/* Cookie Cats: the counts are published, so the proportions need no table. */
static bool cookie_arms(struct pt_json in, struct pt_proportion *a, struct pt_proportion *b)
{
    bool is_day1 = text_is(in, "metric", "retention_1");

    *a = (struct pt_proportion){is_day1 ? 20034 : 8502, 44700};
    *b = (struct pt_proportion){is_day1 ? 20119 : 8279, 45489};
    return is_day1 || text_is(in, "metric", "retention_7");
}

static void call_cookie_ztest(struct pt_json in, struct result *out)
{
    struct pt_proportion a;
    struct pt_proportion b;
    bool is_pooled = false;

    assert_true(pt_json_member_bool(in, "pooled", &is_pooled));
    if (cookie_arms(in, &a, &b)) {
        struct pt_prop_test test =
            pt_prop_ztest(a, b, is_pooled,
                          text_is(in, "alternative", "larger")    ? PT_LARGER
                          : text_is(in, "alternative", "smaller") ? PT_SMALLER
                                                                  : PT_TWO_SIDED);

        put(out, "diff", test.difference);
        put(out, "se", test.se);
        put(out, "z", test.z);
        put(out, "p_value", test.p_value);
    }
}

static void call_cookie_ci(struct pt_json in, struct result *out)
{
    struct pt_proportion a;
    struct pt_proportion b;

    if (cookie_arms(in, &a, &b)) {
        double level = num(in, "level");

        put_interval(out, "wald", pt_prop_diff_interval(a, b, level, PT_DIFF_WALD));
        put_interval(out, "newcombe", pt_prop_diff_interval(a, b, level, PT_DIFF_NEWCOMBE));
        put_interval(out, "agresti_caffo",
                     pt_prop_diff_interval(a, b, level, PT_DIFF_AGRESTI_CAFFO));
    }
}

static void call_cookie_uplift(struct pt_json in, struct result *out)
{
    struct pt_proportion a;
    struct pt_proportion b;

    if (cookie_arms(in, &a, &b)) {
        struct pt_uplift uplift = pt_prop_uplift(a, b, num(in, "level"));

        put(out, "uplift", uplift.uplift);
        put(out, "se", uplift.se);
        put_interval(out, "delta_ci", uplift.interval);
    }
}

static void call_cookie_bayes(struct pt_json in, struct result *out)
{
    struct pt_proportion a;
    struct pt_proportion b;

    if (cookie_arms(in, &a, &b)) {
        struct pt_beta_comparison c =
            pt_beta_binomial(a, b, num(in, "prior_a"), num(in, "prior_b"), num(in, "level"));

        put_comparison(out, &c);
    }
}

/* ---- comparing ---- */

static double wanted(struct pt_json value)
{
    if (pt_json_type(value) == PT_JSON_NULL) {
        return NAN;
    }
    if (pt_json_type(value) == PT_JSON_STRING) {
        return pt_span_is(pt_json_string(value), "-inf") ? -INFINITY : INFINITY;
    }
    return pt_json_double(value);
}

static void compare(struct score *score, struct pt_json record, const char *field, double got,
                    struct pt_json expected)
{
    struct pt_json tolerance = pt_json_member(record, "tolerance");
    struct pt_json own = pt_json_member(tolerance, "fields");
    double want = wanted(expected);
    double rel = 0;
    double absolute = 0;
    struct pt_span id = {0};

    (void)pt_json_member_string(record, "id", &id);
    if (pt_json_exists(own)) {
        own = pt_json_member(own, field);
    }
    if (!pt_json_exists(own)) {
        own = tolerance;
    }
    (void)pt_json_member_double(own, "rel", &rel);
    (void)pt_json_member_double(own, "abs", &absolute);
    score->fields++;
    if (isnan(want) || isinf(want)) {
        if (!(isnan(want) ? isnan(got) : got == want)) {
            fail_msg("%.*s %s: got %.17g, want %.17g", PT_SPAN_ARG(id), field, got, want);
        }
        return;
    }
    double allowed = fmax(absolute, rel * fabs(want));
    double error = fabs(got - want);

    if (!(error <= allowed)) {
        fail_msg("%.*s %s: got %.17g, want %.17g, off by %.3g, allowed %.3g", PT_SPAN_ARG(id),
                 field, got, want, error, allowed);
    }
    if (error > 0 && allowed > 0) {
        score->worst_share = fmax(score->worst_share, error / allowed);
        if (fabs(want) > absolute) {
            score->worst_relative = fmax(score->worst_relative, error / fabs(want));
        }
    }
}

static void check_record(struct score *score, struct pt_json record)
{
    struct result result = {.count = 0};
    struct pt_json expected = pt_json_member(record, "expected");

    score->call(pt_json_member(record, "inputs"), &result);
    if (result.count == 0) {
        return; /* this record needs the rows of a table */
    }
    score->records++;
    for (size_t i = 0; i < result.count; i++) {
        struct field *field = &result.fields[i];
        struct pt_json want = pt_json_member(expected, field->name);

        if (!pt_json_exists(want)) {
            continue;
        }
        if (pt_json_type(want) != PT_JSON_ARRAY) {
            compare(score, record, field->name, field->values[0], want);
            continue;
        }
        assert_int_equal(pt_json_count(want), field->count);
        for (uint32_t k = 0; k < field->count; k++) {
            compare(score, record, field->name, field->values[k], pt_json_element(want, k));
        }
    }
}

/* The file's bytes with room behind them for the parser; false where there is no such file. */
static bool read_golden(const char *name, struct pt_buf *buf)
{
    struct pt_io *io = pt_io_posix();
    struct pt_error err;
    struct pt_file *file = NULL;
    uint64_t bytes = 0;
    size_t got = 0;
    char *path = pt_strf("%s%s", GOLDEN_DIR, name);

    assert_non_null(path);
    enum pt_code code = pt_io_open(io, path, PT_OPEN_READ, &file, &err);

    pt_free(path);
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

static void check_file(const char *name, struct score *scores, size_t count)
{
    struct pt_buf buf;
    struct pt_error err;
    struct pt_json root;
    struct pt_json_parser *parser = pt_json_parser_create(16u << 20);

    pt_buf_init(&buf, 16u << 20);
    assert_non_null(parser);
    if (!read_golden(name, &buf)) {
        print_message("skipped: %s%s is not there\n", GOLDEN_DIR, name);
        pt_json_parser_destroy(parser);
        pt_buf_release(&buf);
        skip();
    }
    PT_CHECK_OK(pt_json_parse(parser, pt_buf_span(&buf), &root, NULL, &err), err);
    struct pt_json_iter it = pt_json_iterate(pt_json_member(root, "records"));

    while (pt_json_next(&it)) {
        for (size_t i = 0; i < count; i++) {
            if (text_is(it.value, "fn", scores[i].fn)) {
                check_record(&scores[i], it.value);
            }
        }
    }
    for (size_t i = 0; i < count; i++) {
        print_message("%-26s %4u records %5u values, worst relative error %.2g, "
                      "worst share of the tolerance %.2g\n",
                      scores[i].fn, scores[i].records, scores[i].fields, scores[i].worst_relative,
                      scores[i].worst_share);
        assert_true(scores[i].records > 0);
    }
    pt_json_parser_destroy(parser);
    pt_buf_release(&buf);
}

static void golden_special(void **state)
{
    (void)state;
    struct score scores[] = {
        {.fn = "norm_dist", .call = call_norm_dist},
        {.fn = "norm_quantile", .call = call_norm_quantile},
        {.fn = "chi2_dist", .call = call_chi2_dist},
        {.fn = "beta_dist", .call = call_beta_dist},
        {.fn = "beta_quantile", .call = call_beta_quantile},
    };

    check_file("special.json", scores, sizeof(scores) / sizeof(scores[0]));
}

static void golden_two_sample(void **state)
{
    (void)state;
    struct score scores[] = {
        {.fn = "prop_ztest", .call = call_prop_ztest},
        {.fn = "prop_diff_ci", .call = call_prop_diff_ci},
        {.fn = "prop_ci", .call = call_prop_ci},
        {.fn = "uplift_prop", .call = call_uplift_prop},
        {.fn = "srm_test", .call = call_srm_test},
    };

    check_file("two_sample.json", scores, sizeof(scores) / sizeof(scores[0]));
}

static void golden_bayes(void **state)
{
    (void)state;
    struct score scores[] = {{.fn = "beta_binomial", .call = call_beta_binomial}};

    check_file("bayes.json", scores, 1);
}

static void golden_cookie_cats(void **state)
{
    (void)state;
    struct score scores[] = {
        {.fn = "cookie_cats_prop_ztest", .call = call_cookie_ztest},
        {.fn = "cookie_cats_prop_diff_ci", .call = call_cookie_ci},
        {.fn = "cookie_cats_uplift", .call = call_cookie_uplift},
        {.fn = "cookie_cats_beta_binomial", .call = call_cookie_bayes},
    };

    check_file("cookie_cats.json", scores, sizeof(scores) / sizeof(scores[0]));
}

/* ---- without the files ---- */

static void near(double got, double want, double relative)
{
    if (!(fabs(got - want) <= relative * fabs(want))) {
        fail_msg("got %.17g, want %.17g", got, want);
    }
}

/* Promise: known values of the special functions, far tails included. */
static void known_special_values(void **state)
{
    (void)state;
    near(pt_norm_cdf(1.4142135623730951), 0.9213503964748575, 1e-14);
    near(pt_norm_sf(1.4142135623730951), 0.07864960352514255, 1e-14);
    near(pt_norm_quantile(0.975), 1.9599639845400538, 1e-14);
    near(pt_norm_quantile_upper(1e-300), 37.0470962993612, 1e-13);
    near(pt_chi2_sf(6.903104852033175, 1), erfc(sqrt(6.903104852033175 / 2)), 1e-13);
    near(pt_beta_cdf(0.44819023757326293, 20035, 24667), 0.5001310516532375, 1e-11);
    near(pt_beta_quantile(0.975, 50, 50), 0.5973020834099424, 1e-13);
    assert_true(isinf(pt_norm_quantile_upper(0)) && isnan(pt_norm_quantile(1.5)));
    assert_true(isnan(pt_chi2_sf(1, -1)) && isnan(pt_beta_cdf(0.5, 0, 1)));
}

/* Promise: the published readout of Cookie Cats. */
static void known_cookie_cats(void **state)
{
    (void)state;
    struct pt_proportion day1_a = {20034, 44700};
    struct pt_proportion day1_b = {20119, 45489};
    struct pt_proportion day7_a = {8502, 44700};
    struct pt_proportion day7_b = {8279, 45489};

    near(pt_prop_ztest(day1_a, day1_b, true, PT_TWO_SIDED).p_value, 0.07440965529691887, 1e-12);
    near(pt_prop_ztest(day7_a, day7_b, true, PT_TWO_SIDED).p_value, 0.0015542499756142857, 1e-12);
    near(pt_prop_ztest(day1_a, day1_b, false, PT_TWO_SIDED).z, -1.784097271829765, 1e-12);
    struct pt_interval interval = pt_prop_diff_interval(day7_a, day7_b, 0.95, PT_DIFF_NEWCOMBE);

    near(interval.low, -0.01328194087191486, 1e-12);
    near(interval.high, -0.0031213026887613104, 1e-12);
    near(pt_prop_uplift(day1_a, day1_b, 0.95).uplift, -0.013175655859746602, 1e-12);
    struct pt_beta_comparison c = pt_beta_binomial(day7_a, day7_b, 1, 1, 0.95);

    near(c.prob_b_gt_a, 0.0007773386645762117, 1e-10);
    near(c.expected_loss_a, 5.478131606408117e-07, 1e-10);
    near(c.expected_loss_b, 0.008201725960211004, 1e-10);
    near(c.prob_a_gt_b + c.prob_b_gt_a, 1, 1e-12);
    struct pt_srm srm = pt_srm_test((double[]){44700, 45489}, (double[]){1, 1}, 2, NULL);

    near(srm.chi2, 789.0 * 789.0 / 90189.0, 1e-13);
    near(srm.p_value, 0.0086, 0.01);
}

/* Promise: Bayesian results where a closed form exists, from empty arms to a million units. */
static void bayes_closed_forms(void **state)
{
    (void)state;
    struct pt_proportion none = {0, 0};
    struct pt_beta_comparison c = pt_beta_binomial(none, none, 1, 1, 0.9);

    near(c.prob_b_gt_a, 0.5, 1e-12);         /* two uniform variables */
    near(c.expected_loss_a, 1.0 / 6, 1e-12); /* E[max(b - a, 0)] on the unit square */
    near(c.a.interval.low, 0.05, 1e-12);

    /* Against an empty arm under Beta(1, 1): P(B > A) = 1 - E[b'] with b uniform, that is E[b] of
     * the other. */
    struct pt_proportion big = {450000, 1000000};

    c = pt_beta_binomial(none, big, 1, 1, 0.95);
    near(c.prob_b_gt_a, c.b.mean, 1e-11);
    /* E[max(b - a, 0)] = E[b^2] / 2 for a uniform a. */
    double second = c.b.mean * (c.b.alpha + 1) / (c.b.alpha + c.b.beta + 1);
    near(c.expected_loss_a, second / 2, 1e-11);
    c = pt_beta_binomial(big, none, 1, 1, 0.95);
    near(c.prob_a_gt_b, c.a.mean, 1e-11);

    /* a ~ Beta(1, n + 1), b ~ Beta(n + 1, 1): P(a > b) = B(n + 1, n + 2) (n + 1), about 1e-59 for n
     * = 97. */
    struct pt_proportion all = {97, 97};
    struct pt_proportion nothing = {0, 97};

    c = pt_beta_binomial(nothing, all, 1, 1, 0.95);
    near(c.prob_a_gt_b, exp(lgamma(98.0) + lgamma(99.0) - lgamma(197.0) + log(98.0)), 1e-10);

    /* The flattest prior that is taken, nobody converted: symmetric, and the tails still end. */
    c = pt_beta_binomial(none, none, 0.1, 0.1, 0.95);
    near(c.prob_b_gt_a, 0.5, 1e-9);
    /* loss_a - loss_b is the difference of the means, whatever the widths. */
    for (double size = 10; size < 2e9; size *= 30) {
        struct pt_proportion narrow = {size / 5, size};
        struct pt_proportion wide = {3, 10};

        c = pt_beta_binomial(narrow, wide, 0.5, 0.5, 0.95);
        near(c.expected_loss_a - c.expected_loss_b, c.mean_difference, 1e-10);
        near(c.prob_a_gt_b + c.prob_b_gt_a, 1, 1e-10);
    }
}

/* Promise: senseless inputs give NaN in every field, not a number that looks like an answer. */
static void nonsense_gives_nan(void **state)
{
    (void)state;
    struct pt_proportion good = {5, 10};
    struct pt_proportion bad[] = {{11, 10}, {-1, 10}, {0, 0}, {NAN, 10}, {5, NAN}, {5, INFINITY}};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_true(isnan(pt_prop_ztest(good, bad[i], true, PT_TWO_SIDED).p_value));
        assert_true(isnan(pt_prop_diff_interval(bad[i], good, 0.95, PT_DIFF_NEWCOMBE).low));
        assert_true(isnan(pt_prop_wilson(bad[i], 0.95).high));
        assert_true(isnan(pt_prop_uplift(good, bad[i], 0.95).uplift));
        assert_true(bad[i].size == 0 ||
                    isnan(pt_beta_binomial(good, bad[i], 1, 1, 0.95).prob_b_gt_a));
    }
    assert_true(isnan(pt_prop_wilson(good, 1).low) && isnan(pt_prop_wilson(good, 0).low));
    assert_true(isnan(pt_prop_uplift((struct pt_proportion){0, 9}, good, 0.95).uplift));
    assert_true(isnan(pt_beta_binomial(good, good, 0, 1, 0.95).prob_b_gt_a));
    assert_true(isnan(pt_srm_test((double[]){0, 0}, (double[]){1, 1}, 2, NULL).chi2));
    assert_true(isnan(pt_srm_test((double[]){5, 5}, (double[]){1, 0}, 2, NULL).p_value));
    assert_true(isnan(pt_srm_test((double[]){5, -5}, (double[]){1, 1}, 2, NULL).p_value));
    assert_true(isnan(pt_srm_test((double[]){5}, (double[]){1}, 1, NULL).p_value));
    assert_true(isnan(pt_prop_ztest((struct pt_proportion){0, 9}, (struct pt_proportion){0, 8},
                                    true, PT_TWO_SIDED)
                          .z));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_special),       cmocka_unit_test(golden_two_sample),
        cmocka_unit_test(golden_bayes),         cmocka_unit_test(golden_cookie_cats),
        cmocka_unit_test(known_special_values), cmocka_unit_test(known_cookie_cats),
        cmocka_unit_test(bayes_closed_forms),   cmocka_unit_test(nonsense_gives_nan),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
