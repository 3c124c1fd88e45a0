/*
 * multiple.h - several hypotheses at once
 *
 * Part of stats.h.
 */
#ifndef PT_STATS_MULTIPLE_H
#define PT_STATS_MULTIPLE_H

#include "base/error.h"
#include "stats/types.h"

/*
 * Adjusted p-values: a hypothesis is rejected at alpha when its adjusted p is at most alpha. Of
 * the familywise error: BONFERRONI (Dunn, JASA 56 (1961) 52-64), SIDAK 1 - (1 - p)^m (JASA 62
 * (1967) 626-633, independent or positively dependent tests), HOLM (Scandinavian Journal of
 * Statistics 6 (1979) 65-70), HOCHBERG (Biometrika 75 (1988) 800-802, the same condition). Of the
 * false discovery rate: BH (Benjamini, Hochberg, JRSS B 57 (1995) 289-300), BY (Benjamini,
 * Yekutieli, Annals of Statistics 29 (2001) 1165-1188, any dependence). As R's p.adjust; a
 * missing p (NaN) stays missing and is not counted.
 */
enum pt_adjustment {
    PT_ADJUST_BONFERRONI,
    PT_ADJUST_SIDAK,
    PT_ADJUST_HOLM,
    PT_ADJUST_HOCHBERG,
    PT_ADJUST_BH,
    PT_ADJUST_BY,
};
/* `adjusted_out` has room for count. PT_INVALID names a p outside [0, 1]. */
enum pt_code pt_p_adjust(const double *p, size_t count, enum pt_adjustment method,
                         double *adjusted_out, struct pt_error *err) PT_MUST_USE;

/*
 * e-BH: e-values instead of p-values, any dependence: the k largest with k e_(k)/m >= 1/alpha are
 * rejected. The adjusted value is min over j >= k of m/(j e_(j)), at most 1, and is read like an
 * adjusted p. exp(log_lambda) of an always-valid test is an e-value. Wang, Ramdas, JRSS B 84
 * (2022) 822-852. PT_INVALID names an e below 0.
 */
enum pt_code pt_e_adjust(const double *e, size_t count, double *adjusted_out,
                         struct pt_error *err) PT_MUST_USE;

/*
 * The alpha with which each hypothesis' own interval matches the decisions at `alpha`: it leaves
 * the null value out exactly when the hypothesis is rejected. BONFERRONI alpha/m and SIDAK 1 - (1 -
 * alpha)^(1/m): jointly covering. HOLM and HOCHBERG: alpha/(m - r + 1), r the rank of the p, but
 * the same for all that are not rejected (Ludbrook, Clinical and Experimental Pharmacology and
 * Physiology 27 (2000) 214-222); where joint coverage is wanted, take Bonferroni's. BH and BY: R
 * alpha/m, BY over sum 1/i, R the number rejected, at least 1: false coverage rate alpha among the
 * rejected (Benjamini, Yekutieli, JASA 100 (2005) 71-81). Missing p: NaN.
 */
enum pt_code pt_interval_alpha(const double *p, size_t count, enum pt_adjustment method,
                               double alpha, double *alpha_out, struct pt_error *err) PT_MUST_USE;

#endif
