/*
 * stats_power.c - `playtrace stats`: power, sample size, minimum detectable effect
 */
#include "cmd/stats_call.h"

#include <math.h>

static void put_size(struct stats_call *call, const struct pt_sample_size *size)
{
    stats_put(call, "n_a_real", size->n_a_real);
    stats_put(call, "n_b_real", size->n_b_real);
    stats_put(call, "n_a", size->n_a);
    stats_put(call, "n_b", size->n_b);
    stats_put(call, "achieved_power", size->achieved_power);
}

static void put_power(struct stats_call *call, double power)
{
    stats_put(call, "power", power);
    stats_put(call, "type2_error", 1 - power);
}

/* ---- proportions, arcsine ---- */

static void cohen_h(struct stats_call *call)
{
    double p0 = stats_probability(call, "p0");
    double p1 = stats_probability(call, "p1");

    if (stats_ready(call)) {
        stats_put(call, "h", pt_cohen_h(p0, p1));
    }
}

static void sample_size_prop_arcsine(struct stats_call *call)
{
    double p0 = stats_probability(call, "p0");
    double p1 = stats_probability(call, "p1");
    double alpha = stats_alpha(call);
    double power = stats_share(call, "power");
    double ratio = stats_positive_or(call, "ratio", 1);
    enum pt_alternative alternative = stats_alternative(call);

    if (stats_ready(call)) {
        struct pt_sample_size size =
            pt_sample_size_arcsine(p0, p1, alpha, power, ratio, alternative);

        stats_put(call, "h", pt_cohen_h(p0, p1));
        put_size(call, &size);
    }
}

static void power_prop_arcsine(struct stats_call *call)
{
    double p0 = stats_probability(call, "p0");
    double p1 = stats_probability(call, "p1");
    double n_a = stats_positive(call, "n_a");
    double n_b = stats_positive(call, "n_b");
    double alpha = stats_alpha(call);
    enum pt_alternative alternative = stats_alternative(call);

    if (stats_ready(call)) {
        stats_put(call, "h", pt_cohen_h(p0, p1));
        put_power(call, pt_power_arcsine(p0, p1, n_a, n_b, alpha, alternative));
    }
}

/* The proportions at the distance, and how far they are from p0. */
static void put_around(struct stats_call *call, double p0, double up, double down)
{
    stats_put(call, "p1_up", up);
    stats_put(call, "p1_down", down);
    stats_put(call, "abs_up", up - p0);
    stats_put(call, "abs_down", down - p0);
    stats_put(call, "rel_up", (up - p0) / p0);
    stats_put(call, "rel_down", (down - p0) / p0);
}

static void mde_prop_arcsine(struct stats_call *call)
{
    double p0 = stats_probability(call, "p0");
    double n_a = stats_positive(call, "n_a");
    double n_b = stats_positive(call, "n_b");
    double alpha = stats_alpha(call);
    double power = stats_share(call, "power");
    int sided = stats_sided(call);

    if (stats_ready(call)) {
        struct pt_mde_arcsine mde = pt_mde_arcsine(p0, n_a, n_b, alpha, power, sided);

        stats_put(call, "h", mde.h);
        put_around(call, p0, mde.p1_up, mde.p1_down);
    }
}

/* ---- proportions, normal approximation ---- */

static void sample_size_prop(struct stats_call *call, enum pt_null_variance null)
{
    double p0 = stats_probability(call, "p0");
    double p1 = stats_probability(call, "p1");
    double alpha = stats_alpha(call);
    double power = stats_share(call, "power");
    double ratio = stats_positive_or(call, "ratio", 1);
    int sided = stats_sided(call);

    if (stats_ready(call)) {
        struct pt_sample_size size = pt_sample_size_prop(p0, p1, alpha, power, ratio, sided, null);

        put_size(call, &size);
    }
}

static void power_prop(struct stats_call *call, enum pt_null_variance null)
{
    double p0 = stats_probability(call, "p0");
    double p1 = stats_probability(call, "p1");
    double n_a = stats_positive(call, "n_a");
    double n_b = stats_positive(call, "n_b");
    double alpha = stats_alpha(call);
    int sided = stats_sided(call);

    if (stats_ready(call)) {
        put_power(call, pt_power_prop(p0, p1, n_a, n_b, alpha, sided, null));
    }
}

static void mde_prop(struct stats_call *call, enum pt_null_variance null)
{
    double p0 = stats_share(call, "p0");
    double n_a = stats_positive(call, "n_a");
    double n_b = stats_positive(call, "n_b");
    double alpha = stats_alpha(call);
    double power = stats_share(call, "power");
    int sided = stats_sided(call);

    if (stats_ready(call)) {
        struct pt_mde_prop mde = pt_mde_prop(p0, n_a, n_b, alpha, power, sided, null);

        put_around(call, p0, mde.p1_up, mde.p1_down);
    }
}

static void sample_size_prop_pooled(struct stats_call *call)
{
    sample_size_prop(call, PT_NULL_POOLED);
}

static void sample_size_prop_unpooled(struct stats_call *call)
{
    sample_size_prop(call, PT_NULL_UNPOOLED);
}

static void power_prop_pooled(struct stats_call *call)
{
    power_prop(call, PT_NULL_POOLED);
}

static void power_prop_unpooled(struct stats_call *call)
{
    power_prop(call, PT_NULL_UNPOOLED);
}

static void mde_prop_pooled(struct stats_call *call)
{
    mde_prop(call, PT_NULL_POOLED);
}

static void mde_prop_unpooled(struct stats_call *call)
{
    mde_prop(call, PT_NULL_UNPOOLED);
}

/* ---- t ---- */

static void sample_size_t(struct stats_call *call)
{
    double d = stats_number(call, "d");
    double alpha = stats_alpha(call);
    double power = stats_share(call, "power");
    double ratio = stats_positive_or(call, "ratio", 1);
    enum pt_alternative alternative = stats_alternative(call);

    if (stats_ready(call)) {
        struct pt_sample_size size = pt_sample_size_t(d, alpha, power, ratio, alternative);

        put_size(call, &size);
    }
}

static void power_t(struct stats_call *call)
{
    double d = stats_number(call, "d");
    double n_a = stats_positive(call, "n_a");
    double n_b = stats_positive(call, "n_b");
    double alpha = stats_alpha(call);
    enum pt_alternative alternative = stats_alternative(call);

    if (stats_ready(call)) {
        put_power(call, pt_power_t(d, n_a, n_b, alpha, alternative));
    }
}

static void mde_t(struct stats_call *call)
{
    double n_a = stats_positive(call, "n_a");
    double n_b = stats_positive(call, "n_b");
    double alpha = stats_alpha(call);
    double power = stats_share(call, "power");
    int sided = stats_sided(call);

    if (stats_ready(call)) {
        stats_put(call, "d", pt_mde_t(n_a, n_b, alpha, power, sided));
    }
}

/* ---- means and ratio metrics, z ---- */

struct variances {
    double a;
    double b;
};

/* var_a, and var_b where it differs. */
static struct variances mean_variances(struct stats_call *call)
{
    struct variances v;

    v.a = stats_not_negative(call, "var_a");
    v.b = stats_number_or(call, "var_b", v.a);
    if (v.b < 0) {
        stats_fail(call, "var_b: %.17g is below 0", v.b);
    }
    return v;
}

/* A ratio metric's unit variance from control's moments: the same for both arms. */
static struct variances ratio_variances(struct stats_call *call)
{
    struct pt_ratio_arm arm = {.size = 2};
    double variance = NAN;

    arm.mean_num = stats_number(call, "mean_num");
    arm.mean_den = stats_number(call, "mean_den");
    arm.var_num = stats_not_negative(call, "var_num");
    arm.var_den = stats_not_negative(call, "var_den");
    arm.cov = stats_number(call, "cov");
    if (arm.mean_den == 0) {
        stats_fail(call, "mean_den: a ratio over 0 is none");
    }
    variance = pt_ratio_unit_variance(&arm);
    return (struct variances){variance, variance};
}

static void sample_size_z(struct stats_call *call, struct variances (*read)(struct stats_call *))
{
    double diff = stats_number(call, "diff");
    struct variances v = read(call);
    double alpha = stats_alpha(call);
    double power = stats_share(call, "power");
    double ratio = stats_positive_or(call, "ratio", 1);
    enum pt_alternative alternative = stats_alternative(call);

    if (stats_ready(call)) {
        struct pt_sample_size size =
            pt_sample_size_z(diff, v.a, v.b, alpha, power, ratio, alternative);

        put_size(call, &size);
    }
}

static void power_z(struct stats_call *call, struct variances (*read)(struct stats_call *))
{
    double diff = stats_number(call, "diff");
    struct variances v = read(call);
    double n_a = stats_positive(call, "n_a");
    double n_b = stats_positive(call, "n_b");
    double alpha = stats_alpha(call);
    enum pt_alternative alternative = stats_alternative(call);

    if (stats_ready(call)) {
        put_power(call, pt_power_z(diff, v.a, v.b, n_a, n_b, alpha, alternative));
    }
}

static void mde_z(struct stats_call *call, struct variances (*read)(struct stats_call *))
{
    struct variances v = read(call);
    double n_a = stats_positive(call, "n_a");
    double n_b = stats_positive(call, "n_b");
    double alpha = stats_alpha(call);
    double power = stats_share(call, "power");
    int sided = stats_sided(call);

    if (stats_ready(call)) {
        stats_put(call, "diff", pt_mde_z(v.a, v.b, n_a, n_b, alpha, power, sided));
    }
}

static void sample_size_mean(struct stats_call *call)
{
    sample_size_z(call, mean_variances);
}

static void power_mean(struct stats_call *call)
{
    power_z(call, mean_variances);
}

static void mde_mean(struct stats_call *call)
{
    mde_z(call, mean_variances);
}

static void sample_size_ratio(struct stats_call *call)
{
    sample_size_z(call, ratio_variances);
}

static void power_ratio(struct stats_call *call)
{
    power_z(call, ratio_variances);
}

static void mde_ratio(struct stats_call *call)
{
    mde_z(call, ratio_variances);
}

/* ---- several arms ---- */

struct pair {
    double p0;
    double p1;
    double diff;
    struct variances variances;
    double power;
    int sided;
    int method;
};

static const char *const prop_methods[] = {"arcsine", "pooled", "unpooled", NULL};

static struct pt_sample_size prop_pair(const void *ctx, double ratio, double alpha)
{
    const struct pair *p = ctx;

    if (p->method == 0) {
        enum pt_alternative alternative = p->sided == 2   ? PT_TWO_SIDED
                                          : p->p1 > p->p0 ? PT_LARGER
                                                          : PT_SMALLER;

        return pt_sample_size_arcsine(p->p0, p->p1, alpha, p->power, ratio, alternative);
    }
    return pt_sample_size_prop(p->p0, p->p1, alpha, p->power, ratio, p->sided,
                               p->method == 1 ? PT_NULL_POOLED : PT_NULL_UNPOOLED);
}

static struct pt_sample_size mean_pair(const void *ctx, double ratio, double alpha)
{
    const struct pair *p = ctx;
    enum pt_alternative alternative = p->sided == 2 ? PT_TWO_SIDED
                                      : p->diff > 0 ? PT_LARGER
                                                    : PT_SMALLER;

    return pt_sample_size_z(p->diff, p->variances.a, p->variances.b, alpha, p->power, ratio,
                            alternative);
}

static void arms_size(struct stats_call *call, struct pair *pair,
                      struct pt_sample_size (*size_of)(const void *ctx, double ratio, double alpha))
{
    static const char *const comparisons[] = {"control_vs_all", "all_vs_all", NULL};
    static const char *const corrections[] = {"none", "bonferroni", NULL};
    size_t arms = 0;
    double *n = NULL;
    const double *shares = stats_numbers(call, "shares", STATS_FINITE, 2, 100, false, &arms);
    int comparison = stats_choice(call, "comparisons", comparisons, PT_CONTROL_VS_ALL);
    int correction = stats_choice(call, "correction", corrections, -1);
    double alpha = stats_alpha(call);

    pair->power = stats_share(call, "power");
    pair->sided = stats_sided(call);
    for (size_t i = 0; i < arms; i++) {
        if (!(shares[i] > 0)) {
            stats_fail(call, "shares[%zu]: %.17g is not above 0", i, shares[i]);
        }
    }
    if (stats_ready(call) && (n = stats_room(call, arms)) != NULL) {
        struct pt_arms_size size =
            pt_sample_size_arms(shares, arms, (enum pt_comparisons)comparison, correction == 1,
                                alpha, size_of, pair, n);

        stats_put(call, "comparisons", (double)size.comparisons);
        stats_put(call, "alpha_each", size.alpha_each);
        stats_put_numbers(call, "n", n, arms);
        stats_put(call, "n_total", size.n_total);
    }
}

static void sample_size_prop_arms(struct stats_call *call)
{
    struct pair pair = {0};

    pair.p0 = stats_probability(call, "p0");
    pair.p1 = stats_probability(call, "p1");
    pair.method = stats_choice(call, "method", prop_methods, 0);
    arms_size(call, &pair, prop_pair);
}

static void sample_size_mean_arms(struct stats_call *call)
{
    struct pair pair = {0};

    pair.diff = stats_number(call, "diff");
    pair.variances = mean_variances(call);
    arms_size(call, &pair, mean_pair);
}

const struct stats_function stats_power_functions[] = {
    {"cohen_h", cohen_h},
    {"sample_size_prop_arcsine", sample_size_prop_arcsine},
    {"power_prop_arcsine", power_prop_arcsine},
    {"mde_prop_arcsine", mde_prop_arcsine},
    {"sample_size_prop_pooled", sample_size_prop_pooled},
    {"power_prop_pooled", power_prop_pooled},
    {"mde_prop_pooled", mde_prop_pooled},
    {"sample_size_prop_unpooled", sample_size_prop_unpooled},
    {"power_prop_unpooled", power_prop_unpooled},
    {"mde_prop_unpooled", mde_prop_unpooled},
    {"sample_size_t", sample_size_t},
    {"power_t", power_t},
    {"mde_t", mde_t},
    {"sample_size_mean", sample_size_mean},
    {"power_mean", power_mean},
    {"mde_mean", mde_mean},
    {"sample_size_ratio", sample_size_ratio},
    {"power_ratio", power_ratio},
    {"mde_ratio", mde_ratio},
    {"sample_size_prop_arms", sample_size_prop_arms},
    {"sample_size_mean_arms", sample_size_mean_arms},
    {NULL, NULL},
};
