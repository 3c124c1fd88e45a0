/*
 * samples.c - rank test, quantile differences, winsorised means
 */
#include "stats/samples.h"

#include "base/mem.h"
#include "stats/special.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int by_value(const void *one, const void *two)
{
    double x = *(const double *)one;
    double y = *(const double *)two;

    return (x > y) - (x < y);
}

static enum pt_code check_values(const char *arm, struct pt_values v, size_t count_min,
                                 struct pt_error *err)
{
    if (v.count < count_min) {
        return pt_fail(err, PT_INVALID, "%s: %zu values; at least %zu are needed", arm, v.count,
                       count_min);
    }
    for (size_t i = 0; i < v.count; i++) {
        if (!isfinite(v.values[i])) {
            return pt_fail(err, PT_INVALID, "%s[%zu] is not a finite number", arm, i);
        }
    }
    return PT_OK;
}

static enum pt_code check_arms(struct pt_values a, struct pt_values b, size_t count_min,
                               struct pt_error *err)
{
    enum pt_code code = check_values("a", a, count_min, err);

    return code ? code : check_values("b", b, count_min, err);
}

/* A sorted copy of one list, or of two together. NULL without memory. */
static double *sorted(struct pt_values a, struct pt_values b, struct pt_error *err)
{
    double *copy = pt_alloc((a.count + b.count) * sizeof(*copy));

    if (!copy) {
        pt_fail(err, PT_NO_MEMORY, "sort %zu values", a.count + b.count);
        return NULL;
    }
    memcpy(copy, a.values, a.count * sizeof(*copy));
    if (b.count > 0) {
        memcpy(copy + a.count, b.values, b.count * sizeof(*copy));
    }
    qsort(copy, a.count + b.count, sizeof(*copy), by_value);
    return copy;
}

/* ---- Mann-Whitney ---- */

/*
 * P(U <= u) without ties. Row `n` of the recursion holds the distribution of U for n values of
 * one arm against 0..m of the other: the largest of all values belongs to the first arm with
 * probability n/(n + m) and is then above m others. Only positive terms are added.
 */
static double exact_lower(size_t n, size_t m, double u, double *rows)
{
    size_t width = n * m + 1;
    double sum = 0;

    for (size_t k = 0; k <= m; k++) {
        memset(rows + k * width, 0, width * sizeof(*rows));
        rows[k * width] = 1; /* no value of the first arm: U = 0 */
    }
    for (size_t i = 1; i <= n; i++) {
        for (size_t k = 0; k <= m; k++) {
            double *row = rows + k * width;
            double first = (double)i / (double)(i + k);

            /* row holds (i - 1, k); rows + (k - 1) width already (i, k - 1). Downwards in place. */
            for (size_t x = i * k + 1; x-- > 0;) {
                double from_first = x >= k ? row[x - k] : 0;
                double from_other = k > 0 ? rows[(k - 1) * width + x] : 0;

                row[x] = first * from_first + (1 - first) * from_other;
            }
        }
    }
    for (size_t x = 0; x < width && (double)x <= u; x++) {
        sum += rows[m * width + x];
    }
    return sum;
}

static enum pt_code exact_p(size_t n, size_t m, double u_b, enum pt_alternative alternative,
                            double *p_out, struct pt_error *err)
{
    size_t bytes = (m + 1) * (n * m + 1) * sizeof(double);
    double *rows = pt_alloc(bytes);
    double pairs = (double)n * (double)m;

    if (!rows) {
        return pt_fail(err, PT_NO_MEMORY, "exact rank distribution of %zu and %zu values", n, m);
    }
    /* U is symmetric: P(U >= u) = P(U <= nm - u). */
    double smaller = exact_lower(n, m, u_b, rows);
    double larger = exact_lower(n, m, pairs - u_b, rows);

    pt_free(rows);
    *p_out = alternative == PT_LARGER    ? larger
             : alternative == PT_SMALLER ? smaller
                                         : fmin(1, 2 * fmin(larger, smaller));
    return PT_OK;
}

static double rank_p(double off, double sd, double correction, enum pt_alternative alternative)
{
    switch (alternative) {
    case PT_TWO_SIDED:
        return fmin(1, 2 * pt_norm_sf((fabs(off) - correction) / sd));
    case PT_LARGER:
        return pt_norm_sf((off - correction) / sd);
    case PT_SMALLER:
        return pt_norm_cdf((off + correction) / sd);
    }
    return NAN;
}

/* How many of the sorted values are below x, and how many equal it: from `from` on. */
static size_t run_end(const double *values, size_t count, size_t from, double x)
{
    while (from < count && values[from] == x) {
        from++;
    }
    return from;
}

enum pt_code pt_mann_whitney(struct pt_values a, struct pt_values b,
                             enum pt_alternative alternative, struct pt_rank_test *out,
                             struct pt_error *err)
{
    double *x = NULL;
    double *y = NULL;
    double u_b = 0;
    double ties = 0;
    size_t i = 0;
    enum pt_code code = check_arms(a, b, 1, err);

    *out = (struct pt_rank_test){NAN, NAN, NAN, NAN, NAN};
    if (code) {
        return code;
    }
    x = sorted(a, (struct pt_values){NULL, 0}, err);
    y = sorted(b, (struct pt_values){NULL, 0}, err);
    if (!x || !y) {
        code = PT_NO_MEMORY;
        goto out;
    }
    /* Walk the distinct values of both lists in order. */
    for (size_t k = 0; i < a.count || k < b.count;) {
        double value = k == b.count || (i < a.count && x[i] < y[k]) ? x[i] : y[k];
        size_t i_end = run_end(x, a.count, i, value);
        size_t k_end = run_end(y, b.count, k, value);
        double equal = (double)(i_end - i + k_end - k);

        u_b += (double)(k_end - k) * ((double)i + (double)(i_end - i) / 2);
        ties += equal * (equal * equal - 1);
        i = i_end;
        k = k_end;
    }
    double n = (double)a.count;
    double m = (double)b.count;
    double sd = sqrt(n * m / 12 * (n + m + 1 - ties / ((n + m) * (n + m - 1))));

    out->u_b = u_b;
    out->u_a = n * m - u_b;
    if (sd > 0) {
        out->p_corrected = rank_p(u_b - n * m / 2, sd, 0.5, alternative);
        out->p_uncorrected = rank_p(u_b - n * m / 2, sd, 0, alternative);
    }
    if (ties == 0 && n * m <= PT_RANK_EXACT_PAIRS) {
        code = exact_p(a.count, b.count, u_b, alternative, &out->p_exact, err);
    }

out:
    pt_free(x);
    pt_free(y);
    return code;
}

/* ---- quantiles ---- */

/* Type 7 from sorted values. */
static double quantile_of(const double *values, size_t count, double q)
{
    double at = (double)(count - 1) * q;
    size_t below = (size_t)at;
    double share = at - (double)below;

    if (below + 1 >= count) {
        return values[count - 1];
    }
    return values[below] + share * (values[below + 1] - values[below]);
}

/*
 * Maritz and Jarrett: with m = [q n + 1/2], the i-th of n values is the m-th order statistic of
 * a sample of its own with probability I(i/n) - I((i - 1)/n), I of Beta(m, n - m + 1).
 */
static double maritz_jarrett(const double *values, size_t count, double q)
{
    double n = (double)count;
    double m = fmin(fmax(floor(q * n + 0.5), 1), n);
    double before = 0;
    double mean = 0;
    double square = 0;
    double center = quantile_of(values, count, q);
    /* Further than 12 sd of the rank from it no value has weight: 1e-30. */
    double reach = 12 * sqrt(n * q * (1 - q)) + 12;
    size_t first = (size_t)fmax(0, floor(m - reach));
    size_t end = (size_t)fmin(n, ceil(m + reach));

    for (size_t i = first; i < end; i++) {
        double upto = pt_beta_cdf((double)(i + 1) / n, m, n - m + 1);
        double weight = upto - before;
        double off = values[i] - center; /* so that the second moment does not cancel */

        before = upto;
        mean += weight * off;
        square += weight * off * off;
    }
    return sqrt(fmax(0, square - mean * mean));
}

/* Test of a difference with a normal standard error: Welch's form has it already. */
static struct pt_mean_test normal_difference(double a, double b, double se,
                                             enum pt_alternative alternative, double level)
{
    double half_variance = se * se; /* two arms of two units: var/2 + var/2 = se^2 */

    return pt_z_test_means((struct pt_sample){2, a, half_variance},
                           (struct pt_sample){2, b, half_variance}, alternative, level);
}

static enum pt_code check_quantile(double q, double level, struct pt_error *err)
{
    if (!(q > 0 && q < 1)) {
        return pt_fail(err, PT_INVALID, "q: %g is not above 0 and below 1", q);
    }
    if (!(level > 0 && level < 1)) {
        return pt_fail(err, PT_INVALID, "level: %g is not above 0 and below 1", level);
    }
    return PT_OK;
}

enum pt_code pt_quantile_diff(struct pt_values a, struct pt_values b, double q,
                              enum pt_alternative alternative, double level,
                              struct pt_quantile_test *out, struct pt_error *err)
{
    const struct pt_values none = {NULL, 0};
    double *x = NULL;
    double *y = NULL;
    enum pt_code code = check_arms(a, b, 2, err);

    if (!code) {
        code = check_quantile(q, level, err);
    }
    if (code) {
        return code;
    }
    x = sorted(a, none, err);
    y = sorted(b, none, err);
    if (!x || !y) {
        code = PT_NO_MEMORY;
        goto out;
    }
    out->quantile_a = quantile_of(x, a.count, q);
    out->quantile_b = quantile_of(y, b.count, q);
    out->se_a = maritz_jarrett(x, a.count, q);
    out->se_b = maritz_jarrett(y, b.count, q);
    out->difference = normal_difference(out->quantile_a, out->quantile_b,
                                        hypot(out->se_a, out->se_b), alternative, level);

out:
    pt_free(x);
    pt_free(y);
    return code;
}

struct pt_quantile_ranks pt_quantile_ranks(double size, double q, double level)
{
    struct pt_quantile_ranks ranks = {NAN, NAN};

    if (!(size >= 2) || !isfinite(size) || !(q > 0 && q < 1) || !(level > 0 && level < 1)) {
        return ranks;
    }
    double half = pt_norm_quantile_upper((1 - level) / 2) * sqrt(size * q * (1 - q));
    double low = floor(size * q - half);
    double high = ceil(size * q + half) + 1;

    if (low >= 1 && high <= size) {
        ranks.low = low;
        ranks.high = high;
    }
    return ranks;
}

struct pt_quantile_test pt_quantile_limits_diff(struct pt_quantile_limits a,
                                                struct pt_quantile_limits b, double limits_level,
                                                enum pt_alternative alternative, double level)
{
    const struct pt_mean_test none = {NAN, NAN, NAN, NAN, NAN, {NAN, NAN}};
    struct pt_quantile_test result = {NAN, NAN, NAN, NAN, none};

    if (!(limits_level > 0 && limits_level < 1) || !(level > 0 && level < 1) ||
        !(a.low <= a.quantile && a.quantile <= a.high) ||
        !(b.low <= b.quantile && b.quantile <= b.high)) {
        return result;
    }
    double z = pt_norm_quantile_upper((1 - limits_level) / 2);

    result.quantile_a = a.quantile;
    result.quantile_b = b.quantile;
    result.se_a = (a.high - a.low) / (2 * z);
    result.se_b = (b.high - b.low) / (2 * z);
    result.difference = normal_difference(a.quantile, b.quantile, hypot(result.se_a, result.se_b),
                                          alternative, level);
    return result;
}

/* ---- winsorised means ---- */

/* Mean and variance by Welford's update: one pass, no cancellation. */
static struct pt_sample clipped_sample(struct pt_values v, double low, double high)
{
    double mean = 0;
    double squares = 0;

    for (size_t i = 0; i < v.count; i++) {
        double value = fmin(fmax(v.values[i], low), high);
        double off = value - mean;

        mean += off / (double)(i + 1);
        squares += off * (value - mean);
    }
    return (struct pt_sample){(double)v.count, mean, squares / (double)(v.count - 1)};
}

enum pt_code pt_winsorized_test(struct pt_values a, struct pt_values b, double low, double high,
                                enum pt_alternative alternative, double level,
                                struct pt_winsorized *out, struct pt_error *err)
{
    double *all = NULL;
    enum pt_code code = check_arms(a, b, 2, err);

    if (!code && (!(low >= 0 && low < high) || !(high <= 1))) {
        code = pt_fail(err, PT_INVALID,
                       "low and high: %g and %g are not two quantiles with 0 <= low < high <= 1",
                       low, high);
    }
    if (code) {
        return code;
    }
    all = sorted(a, b, err);
    if (!all) {
        return PT_NO_MEMORY;
    }
    out->limit_low = quantile_of(all, a.count + b.count, low);
    out->limit_high = quantile_of(all, a.count + b.count, high);
    out->a = clipped_sample(a, out->limit_low, out->limit_high);
    out->b = clipped_sample(b, out->limit_low, out->limit_high);
    out->test = pt_t_test(out->a, out->b, false, alternative, level);
    pt_free(all);
    return PT_OK;
}
