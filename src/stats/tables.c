/*
 * tables.c - contingency tables: the sample-ratio check, independence, Fisher's exact test
 */
#include "stats/proportions.h"

#include "stats/special.h"

#include <math.h>

/*
 * 2 sum O ln(O/E) cancels badly near the null, where the summands are large and of both signs. As
 * sum (O - E) = 0, it equals 2 sum [O ln(O/E) - (O - E)], whose summands are all >= 0; for d =
 * (O - E)/E each is E ((1 + d) log1p(d) - d), and near d = 0 that is its series.
 */
static double g_summand(double observed, double expected)
{
    double d = (observed - expected) / expected;

    if (observed == 0) {
        return 2 * expected;
    }
    if (fabs(d) < 0.01) {
        /* (1 + d) ln(1 + d) - d = sum over k >= 2 of (-1)^k d^k / (k (k - 1)) */
        double sum = 0;
        double power = -d;

        for (int k = 2; k <= 9; k++) {
            power *= -d;
            sum += power / (k * (k - 1));
        }
        return 2 * expected * sum;
    }
    return 2 * expected * ((1 + d) * log1p(d) - d);
}

struct pt_srm pt_srm_test(const double *sizes, const double *weights, size_t count,
                          double *expected_out)
{
    struct pt_srm result = {NAN, NAN, NAN, NAN, NAN};
    double size_sum = 0;
    double weight_sum = 0;
    double chi2 = 0;
    double g = 0;
    bool is_sound = count >= 2;

    for (size_t i = 0; i < count; i++) {
        is_sound = is_sound && isfinite(sizes[i]) && sizes[i] >= 0 && isfinite(weights[i]) &&
                   weights[i] > 0;
        size_sum += sizes[i];
        weight_sum += weights[i];
    }
    is_sound = is_sound && size_sum > 0;
    for (size_t i = 0; i < count; i++) {
        double expected = is_sound ? size_sum * weights[i] / weight_sum : NAN;
        double off = sizes[i] - expected;

        if (expected_out) {
            expected_out[i] = expected;
        }
        chi2 += off * off / expected;
        g += is_sound ? g_summand(sizes[i], expected) : NAN;
    }
    if (!is_sound) {
        return result;
    }
    result.df = (double)(count - 1);
    result.chi2 = chi2;
    result.p_value = pt_chi2_sf(chi2, result.df);
    result.g = g;
    result.g_p_value = pt_chi2_sf(g, result.df);
    return result;
}

/* One cell of the 2 x k table. Yates: |O - E| reduced by at most 1/2. */
static double chi2_summand(double observed, double expected, bool is_yates)
{
    double off = fabs(observed - expected);

    if (is_yates) {
        off -= fmin(0.5, off);
    }
    return off * off / expected;
}

struct pt_srm pt_chi2_independence(const struct pt_proportion *arms, size_t count, bool is_yates)
{
    struct pt_srm result = {NAN, NAN, NAN, NAN, NAN};
    double successes = 0;
    double size = 0;
    double chi2 = 0;
    double g = 0;

    for (size_t i = 0; i < count; i++) {
        if (!isfinite(arms[i].size) || !(arms[i].size > 0) || !(arms[i].successes >= 0) ||
            !(arms[i].successes <= arms[i].size)) {
            return result;
        }
        successes += arms[i].successes;
        size += arms[i].size;
    }
    if (count < 2 || successes == 0 || successes == size || (is_yates && count != 2)) {
        return result;
    }
    for (size_t i = 0; i < count; i++) {
        double yes = arms[i].size * (successes / size);
        double no = arms[i].size * ((size - successes) / size);

        chi2 += chi2_summand(arms[i].successes, yes, is_yates) +
                chi2_summand(arms[i].size - arms[i].successes, no, is_yates);
        g += g_summand(arms[i].successes, yes) + g_summand(arms[i].size - arms[i].successes, no);
    }
    result.df = (double)(count - 1);
    result.chi2 = chi2;
    result.p_value = pt_chi2_sf(chi2, result.df);
    result.g = g;
    result.g_p_value = pt_chi2_sf(g, result.df);
    return result;
}

/* ---- Fisher's exact test ---- */

/* With all margins fixed, b's successes x run from low to high. */
struct margins {
    double size_a;
    double size_b;
    double successes; /* of both arms */
    double low;
    double high;
};

/* P(x + 1)/P(x) of the hypergeometric distribution. */
static double up_ratio(const struct margins *m, double x)
{
    return (m->size_b - x) / (x + 1) * ((m->successes - x) / (m->size_a - m->successes + x + 1));
}

/*
 * Sums of P(x)/P(mode) on one side of the mode, from the mode outwards: the terms fall faster than
 * geometrically, so the sum ends where they are below the rounding of what has been summed.
 */
struct side {
    double all;          /* without the mode itself */
    double at_least;     /* the part with x >= observed (going up) or <= observed (going down) */
    double not_likelier; /* the part that is not likelier than the observed table */
};

static struct side sum_side(const struct margins *m, double mode, double observed,
                            double observed_weight, bool is_up)
{
    struct side side = {0, 0, 0};
    double weight = 1;
    double x = mode;

    while (is_up ? x < m->high : x > m->low) {
        weight = is_up ? weight * up_ratio(m, x) : weight / up_ratio(m, x - 1);
        x += is_up ? 1 : -1;
        side.all += weight;
        if (is_up ? x >= observed : x <= observed) {
            side.at_least += weight;
        }
        if (weight <= observed_weight * (1 + 1e-7)) {
            side.not_likelier += weight;
        }
        /* A far tail is wanted to relative accuracy too: go on past the observed table. */
        if (weight < 1e-17 * side.all && (is_up ? x >= observed : x <= observed) &&
            weight < 1e-17 * side.at_least && weight < 1e-17 * side.not_likelier) {
            break;
        }
        if (weight == 0) {
            break;
        }
    }
    return side;
}

/* P(observed)/P(mode). */
static double weight_of(const struct margins *m, double mode, double observed)
{
    double weight = 1;

    for (double x = mode; x < observed && weight > 0; x++) {
        weight *= up_ratio(m, x);
    }
    for (double x = mode; x > observed && weight > 0; x--) {
        weight /= up_ratio(m, x - 1);
    }
    return weight;
}

/* The observed table and everything further out on `toward`; `steps` from the mode that way. The
 * sum of small terms is taken where there is one, so a small tail keeps its digits. */
static double tail_weight(struct side toward, struct side away, double own, double steps)
{
    if (steps > 0) {
        return toward.at_least;
    }
    return 1 + toward.all + (steps < 0 ? away.all - (away.at_least - own) : 0);
}

struct pt_fisher pt_fisher_exact(struct pt_proportion a, struct pt_proportion b,
                                 enum pt_alternative alternative)
{
    struct pt_fisher result = {NAN, NAN};
    double units = a.size + b.size;
    double successes = a.successes + b.successes;
    double observed = b.successes;

    if (!(a.size >= 0) || !(b.size >= 0) || !(a.successes >= 0) || !(b.successes >= 0) ||
        !(a.successes <= a.size) || !(b.successes <= b.size) || !(units <= PT_FISHER_UNITS_MAX) ||
        floor(a.size) != a.size || floor(b.size) != b.size || floor(a.successes) != a.successes ||
        floor(b.successes) != b.successes) {
        return result;
    }
    struct margins m = {a.size, b.size, successes, fmax(0, successes - a.size),
                        fmin(successes, b.size)};
    double mode = floor((b.size + 1) * (successes + 1) / (units + 2));

    mode = fmin(fmax(mode, m.low), m.high);
    double own = weight_of(&m, mode, observed);
    struct side up = sum_side(&m, mode, observed, own, true);
    struct side down = sum_side(&m, mode, observed, own, false);
    double all = 1 + up.all + down.all;
    double not_likelier = up.not_likelier + down.not_likelier + (1 <= own * (1 + 1e-7) ? 1 : 0);
    double larger = tail_weight(up, down, own, observed - mode);
    double smaller = tail_weight(down, up, own, mode - observed);

    switch (alternative) {
    case PT_TWO_SIDED:
        result.p_value = fmin(1, not_likelier / all);
        break;
    case PT_LARGER:
        result.p_value = fmin(1, larger / all);
        break;
    case PT_SMALLER:
        result.p_value = fmin(1, smaller / all);
        break;
    }
    result.odds_ratio =
        (b.successes * (a.size - a.successes)) / ((b.size - b.successes) * a.successes);
    return result;
}
