/*
 * gs_check.h - what the files of the group-sequential designs share
 *
 * Private to src/stats.
 */
#ifndef PT_STATS_GS_CHECK_H
#define PT_STATS_GS_CHECK_H

#include "base/error.h"
#include "stats/group_sequential.h"

/* PT_INVALID says which look is wrong. */
enum pt_code pt_gs_check_looks(const double *t, size_t looks, struct pt_error *err) PT_MUST_USE;
enum pt_code pt_gs_check_alpha(const char *name, double alpha, struct pt_error *err) PT_MUST_USE;
enum pt_code pt_gs_check_sided(int sided, struct pt_error *err) PT_MUST_USE;

/* f at each look into `out`: never falling, never above alpha. */
enum pt_code pt_gs_cumulative(const struct pt_spending *spending, double alpha, int sided,
                              const double *t, size_t looks, double *out,
                              struct pt_error *err) PT_MUST_USE;

#endif
