/*
 * bench_stats.c - what a group-sequential design costs, and other slow statistics
 *
 *     bench_stats [ROUNDS]          (default: 15 rounds)
 *
 * In each round every subject and the yardstick (a million exp() of libm, to which the recursive
 * integration comes down) take turns; one JSON object a subject tells the median CPU
 * milliseconds of a call, and how many millions of exp() that is worth: shared machines change
 * their speed, so the second figure is the one to compare. Exit 1 where the 20-look design takes
 * more than 5 ms.
 */
#include "base/error.h"
#include "stats/stats.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS_MAX 101
#define LOOKS 20
#define DESIGN_MS_MAX 5.0

static double times[LOOKS];
static double bounds[LOOKS];
static volatile double sink; /* keeps what is computed from being left out */

static void need(enum pt_code code, const struct pt_error *err)
{
    if (code) {
        fprintf(stderr, "bench_stats: %s\n", err->text);
        exit(1);
    }
}

static void yardstick(void)
{
    double sum = 0;

    for (int i = 0; i < 1000000; i++) {
        sum += exp(-1e-6 * i);
    }
    sink = sum;
}

static void design_of(enum pt_spending_kind kind, double param, int sided)
{
    struct pt_gs_design design = {{kind, param, NULL, 0}, 0.05, sided, times, NULL, LOOKS};
    struct pt_error err;

    need(pt_gs_bounds(&design, bounds, NULL, &err), &err);
    sink = bounds[LOOKS - 1];
}

static void obf_two_sided(void)
{
    design_of(PT_SPEND_LAN_DEMETS_OBF, NAN, 2);
}

static void pocock_two_sided(void)
{
    design_of(PT_SPEND_LAN_DEMETS_POCOCK, NAN, 2);
}

static void hsd_one_sided(void)
{
    design_of(PT_SPEND_HWANG_SHIH_DECANI, -4, 1);
}

static void obf_power(void)
{
    struct pt_gs_region region = {times, bounds, NULL, LOOKS, 2};
    struct pt_error err;
    double drift = NAN;

    obf_two_sided();
    need(pt_gs_drift_for_power(&region, 0.8, false, &drift, &err), &err);
    sink = drift;
}

static void obf_futility(void)
{
    struct pt_gs_futility design = {times,
                                    LOOKS,
                                    0.025,
                                    0.2,
                                    {PT_SPEND_LAN_DEMETS_OBF, NAN, NULL, 0},
                                    {PT_SPEND_HWANG_SHIH_DECANI, -2, NULL, 0},
                                    false};
    double lower[LOOKS];
    struct pt_error err;
    double drift = NAN;

    need(pt_gs_futility(&design, &drift, bounds, lower, &err), &err);
    sink = drift;
}

static void stagewise(void)
{
    struct pt_gs_region region = {times, bounds, NULL, LOOKS, 2};
    struct pt_gs_stagewise r;
    struct pt_error err;

    obf_two_sided();
    need(pt_gs_stagewise(&region, LOOKS - 1, 2.5, 0.95, &r, &err), &err);
    sink = r.median_unbiased_drift;
}

static void beta_comparison(void)
{
    sink = pt_beta_binomial((struct pt_proportion){20034, 44700},
                            (struct pt_proportion){20119, 45489}, 1, 1, 0.95)
               .prob_b_gt_a;
}

static void t_size(void)
{
    sink = pt_sample_size_t(0.05, 0.05, 0.8, 1, PT_TWO_SIDED).n_a;
}

static const struct subject {
    const char *name;
    void (*run)(void);
} subjects[] = {
    {"exp() x 1,000,000 (yardstick)", yardstick},
    {"20 looks, two-sided, O'Brien-Fleming type", obf_two_sided},
    {"20 looks, two-sided, Pocock type", pocock_two_sided},
    {"20 looks, one-sided, Hwang-Shih-DeCani -4", hsd_one_sided},
    {"20 looks and the drift for 80 % power", obf_power},
    {"20 looks, beta-spending futility", obf_futility},
    {"20 looks, inference after the last", stagewise},
    {"Beta-Binomial, two arms of 45,000", beta_comparison},
    {"sample size, noncentral t", t_size},
};

#define SUBJECTS (sizeof(subjects) / sizeof(subjects[0]))

static double cpu_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int by_value(const void *one, const void *two)
{
    double x = *(const double *)one;
    double y = *(const double *)two;

    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), by_value);
    return values[count / 2];
}

int main(int argc, char **argv)
{
    static double ms[SUBJECTS][ROUNDS_MAX];
    static double ratio[SUBJECTS][ROUNDS_MAX];
    long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 15;
    double design_ms = NAN;

    if (rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "bench_stats: rounds are 1 to %d\n", ROUNDS_MAX);
        return 2;
    }
    for (size_t k = 0; k < LOOKS; k++) {
        times[k] = (double)(k + 1) / LOOKS;
    }
    for (long round = 0; round < rounds; round++) {
        for (size_t i = 0; i < SUBJECTS; i++) {
            double start = cpu_ms();

            subjects[i].run();
            ms[i][round] = cpu_ms() - start;
            ratio[i][round] = ms[i][round] / ms[0][round];
        }
    }
    for (size_t i = 0; i < SUBJECTS; i++) {
        double middle = median(ms[i], (size_t)rounds);

        printf("{\"subject\":\"%s\",\"cpu_ms\":%.3f,\"million_exp\":%.3f}\n", subjects[i].name,
               middle, median(ratio[i], (size_t)rounds));
        design_ms = subjects[i].run == obf_two_sided ? middle : design_ms;
    }
    if (!(design_ms <= DESIGN_MS_MAX)) {
        fprintf(stderr, "bench_stats: the 20-look design takes %.2f ms; it may take %.0f\n",
                design_ms, DESIGN_MS_MAX);
        return 1;
    }
    return 0;
}
