/*
 * multiple.c - adjusted p-values, e-values, matching intervals
 */
#include "stats/multiple.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

struct entry {
    double value;
    size_t at;
};

static int by_value(const void *one, const void *two)
{
    const struct entry *x = one;
    const struct entry *y = two;

    if (x->value != y->value) {
        return x->value > y->value ? 1 : -1;
    }
    return (x->at > y->at) - (x->at < y->at);
}

/* Those that are not missing, smallest first; *entries_out is the caller's to free. */
static enum pt_code sort_present(const double *values, size_t count, const char *name, double max,
                                 struct entry **entries_out, size_t *present_out,
                                 struct pt_error *err)
{
    struct entry *entries = pt_alloc((count + 1) * sizeof(*entries));
    size_t present = 0;

    *entries_out = NULL;
    if (!entries) {
        return pt_fail(err, PT_NO_MEMORY, "adjust %zu values", count);
    }
    for (size_t i = 0; i < count; i++) {
        if (isnan(values[i])) {
            continue;
        }
        if (!(values[i] >= 0 && values[i] <= max)) {
            pt_free(entries);
            return pt_fail(err, PT_INVALID, "%s[%zu]: %g is not from 0 to %g", name, i, values[i],
                           max);
        }
        entries[present++] = (struct entry){values[i], i};
    }
    qsort(entries, present, sizeof(*entries), by_value);
    *present_out = present;
    *entries_out = entries;
    return PT_OK;
}

static double harmonic(size_t m)
{
    double sum = 0;

    for (size_t i = m; i >= 1; i--) {
        sum += 1 / (double)i;
    }
    return sum;
}

/* What the p of rank r (from 1) of m is multiplied by. */
static double multiplier(enum pt_adjustment method, size_t rank, size_t m, double sum)
{
    switch (method) {
    case PT_ADJUST_HOLM:
    case PT_ADJUST_HOCHBERG:
        return (double)(m - rank + 1);
    case PT_ADJUST_BH:
        return (double)m / (double)rank;
    case PT_ADJUST_BY:
        return (double)m / (double)rank * sum;
    case PT_ADJUST_BONFERRONI:
    case PT_ADJUST_SIDAK:
        break;
    }
    return (double)m;
}

enum pt_code pt_p_adjust(const double *p, size_t count, enum pt_adjustment method,
                         double *adjusted_out, struct pt_error *err)
{
    size_t m = 0;
    struct entry *entries = NULL;
    enum pt_code code = sort_present(p, count, "p", 1, &entries, &m, err);
    bool is_step_up =
        method == PT_ADJUST_HOCHBERG || method == PT_ADJUST_BH || method == PT_ADJUST_BY;
    double sum = method == PT_ADJUST_BY ? harmonic(m) : 1;
    double so_far = is_step_up ? 1 : 0;

    if (code) {
        return code;
    }
    for (size_t i = 0; i < count; i++) {
        adjusted_out[i] = NAN;
    }
    for (size_t i = 0; i < m; i++) {
        /* Step-up methods take the smallest from the largest p down, Holm the largest from the
         * smallest up. */
        size_t rank = is_step_up ? m - i : i + 1;
        const struct entry *entry = &entries[rank - 1];
        double value = fmin(1, entry->value * multiplier(method, rank, m, sum));

        if (method == PT_ADJUST_SIDAK) {
            value = -expm1((double)m * log1p(-entry->value));
        } else if (method == PT_ADJUST_HOLM) {
            value = so_far = fmax(so_far, value);
        } else if (is_step_up) {
            value = so_far = fmin(so_far, value);
        }
        adjusted_out[entry->at] = value;
    }
    pt_free(entries);
    return PT_OK;
}

enum pt_code pt_e_adjust(const double *e, size_t count, double *adjusted_out, struct pt_error *err)
{
    size_t m = 0;
    struct entry *entries = NULL;
    enum pt_code code = sort_present(e, count, "e", INFINITY, &entries, &m, err);
    double so_far = 1;

    if (code) {
        return code;
    }
    for (size_t i = 0; i < count; i++) {
        adjusted_out[i] = NAN;
    }
    for (size_t i = 0; i < m; i++) {
        size_t rank = m - i; /* among e from the largest down */

        so_far = fmin(so_far, (double)m / (double)rank / entries[i].value);
        adjusted_out[entries[i].at] = so_far;
    }
    pt_free(entries);
    return PT_OK;
}

/* The alpha of the interval of the hypothesis of rank r, with `rejected` of m rejected. */
static double own_alpha(enum pt_adjustment method, double alpha, size_t rank, size_t rejected,
                        size_t m)
{
    size_t step = rank < rejected + 1 ? rank : rejected + 1;

    switch (method) {
    case PT_ADJUST_BONFERRONI:
        return alpha / (double)m;
    case PT_ADJUST_SIDAK:
        return -expm1(log1p(-alpha) / (double)m);
    case PT_ADJUST_HOLM:
        return alpha / (double)(m - step + 1);
    case PT_ADJUST_HOCHBERG:
        /* All up to the last one that passes are rejected at its level; the others at the next. */
        return alpha / (double)(m - (rank <= rejected ? rejected : rejected + 1) + 1);
    case PT_ADJUST_BH:
        return alpha * (double)(rejected > 0 ? rejected : 1) / (double)m;
    case PT_ADJUST_BY:
        return alpha * (double)(rejected > 0 ? rejected : 1) / (double)m / harmonic(m);
    }
    return NAN;
}

enum pt_code pt_interval_alpha(const double *p, size_t count, enum pt_adjustment method,
                               double alpha, double *alpha_out, struct pt_error *err)
{
    struct entry *entries = NULL;
    size_t m = 0;
    size_t rejected = 0;
    enum pt_code code = PT_OK;

    if (!(alpha > 0 && alpha < 1)) {
        return pt_fail(err, PT_INVALID, "alpha: %g is not above 0 and below 1", alpha);
    }
    code = pt_p_adjust(p, count, method, alpha_out, err);
    if (code) {
        return code;
    }
    for (size_t i = 0; i < count; i++) {
        rejected += alpha_out[i] <= alpha;
        alpha_out[i] = NAN;
    }
    code = sort_present(p, count, "p", 1, &entries, &m, err);
    if (code) {
        return code;
    }
    for (size_t i = 0; i < m; i++) {
        alpha_out[entries[i].at] = own_alpha(method, alpha, i + 1, rejected, m);
    }
    pt_free(entries);
    return PT_OK;
}
