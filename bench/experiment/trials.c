/*
 * trials.c - one trial: its days, its looks, the first that calls a difference
 */
#include "experiment/trials.h"

#include "base/rng.h"
#include "stats/special.h"

#include <math.h>

const struct trial_rule trial_rules[] = {
    {"fixed", "one test at the end", TRIAL_FIXED, 1, {0}},
    {"obrien_fleming",
     "O'Brien-Fleming type, 5 looks",
     TRIAL_SPENDING,
     5,
     {PT_SPEND_LAN_DEMETS_OBF, NAN, NULL, 0}},
    {"obrien_fleming_total",
     "O'Brien-Fleming type (total), 5 looks",
     TRIAL_SPENDING,
     5,
     {PT_SPEND_LAN_DEMETS_OBF_TOTAL, NAN, NULL, 0}},
    {"pocock",
     "Pocock type, 5 looks",
     TRIAL_SPENDING,
     5,
     {PT_SPEND_LAN_DEMETS_POCOCK, NAN, NULL, 0}},
    {"hwang_shih_decani",
     "Hwang-Shih-DeCani -4, 5 looks",
     TRIAL_SPENDING,
     5,
     {PT_SPEND_HWANG_SHIH_DECANI, -4, NULL, 0}},
    {"kim_demets", "Kim-DeMets 2, 5 looks", TRIAL_SPENDING, 5, {PT_SPEND_KIM_DEMETS, 2, NULL, 0}},
    {"always_valid", "always valid, every day", TRIAL_ALWAYS_VALID, 0, {0}},
    {"bayesian", "Bayesian 95 %, every day", TRIAL_BAYESIAN, 0, {0}},
    {"naive", "p < 0.05, every day", TRIAL_NAIVE, 0, {0}},
    {"naive_5", "p < 0.05, 5 looks", TRIAL_NAIVE, 5, {0}},
};
const size_t trial_rule_count = sizeof(trial_rules) / sizeof(trial_rules[0]);

/* ---- how many players ---- */

/* The two-sided bound of the mixture SPRT on |z| at the variance V of the estimate (always_valid.h,
 * solved for z). */
static double always_bound(double variance)
{
    double tau2 = TRIAL_EFFECT * TRIAL_EFFECT;
    double sum = variance + tau2;

    return sqrt(sum / tau2 * (2 * log(1 / TRIAL_ALPHA) + log(sum / variance)));
}

/* How far the drift at `inflation` times the fixed size lies above what the power needs. */
static double always_gap(const void *ctx, double inflation)
{
    const double *drift = ctx;
    double se = TRIAL_EFFECT / *drift / sqrt(inflation);

    return TRIAL_EFFECT / se - always_bound(se * se) - pt_norm_quantile_upper(1 - TRIAL_POWER);
}

static enum pt_code plan_players(const struct trial_rule *rule, double *players_out,
                                 struct pt_error *err)
{
    double fixed = 2 * pt_sample_size_arcsine(TRIAL_BASELINE, TRIAL_BASELINE + TRIAL_EFFECT,
                                              TRIAL_ALPHA, TRIAL_POWER, 1, PT_TWO_SIDED)
                           .n_a;
    double drift_fixed =
        pt_norm_quantile_upper(TRIAL_ALPHA / 2) + pt_norm_quantile_upper(1 - TRIAL_POWER);
    double drift = drift_fixed;
    double t[TRIAL_LOOKS_MAX];
    double z[TRIAL_LOOKS_MAX];
    struct pt_gs_design design = {rule->spending, TRIAL_ALPHA, 2, t, NULL, rule->looks};
    struct pt_gs_region region = {t, z, NULL, rule->looks, 2};
    enum pt_code code = PT_OK;

    if (rule->kind == TRIAL_SPENDING) {
        for (size_t k = 0; k < rule->looks; k++) {
            t[k] = (double)(k + 1) / (double)rule->looks;
        }
        code = pt_gs_bounds(&design, z, NULL, err);
        code = code ? code : pt_gs_drift_for_power(&region, TRIAL_POWER, false, &drift, err);
    } else if (rule->kind == TRIAL_ALWAYS_VALID) {
        drift *= sqrt(pt_root(always_gap, &drift_fixed, 0.5, 100));
    }
    *players_out = ceil(fixed * pow(drift / drift_fixed, 2) / 2) * 2;
    return code;
}

/* ---- a trial ---- */

struct day {
    struct pt_proportion arm[2]; /* all players so far */
    double t;                    /* information over the planned one */
};

struct trial {
    struct day days[TRIAL_DAYS_MAX];
    size_t day_count;
    size_t look_at[TRIAL_DAYS_MAX]; /* places of `days` */
    size_t look_count;
};

/* As many as a day has: a busy weekend, and a fifth more or less. */
static uint64_t players_of_day(size_t day, double players, struct pt_rng *rng)
{
    double weekend = day % 7 >= 5 ? 1.4 : 0.84;

    return (uint64_t)(players / TRIAL_DAYS * weekend * (0.8 + 0.4 * pt_rng_unit(rng)));
}

static void play_days(struct trial *trial, double players, double effect, struct pt_rng *rng)
{
    /* Thresholds on the lower half of a random number; its top bit is the coin. */
    const uint64_t converts[2] = {(uint64_t)(TRIAL_BASELINE * 0x1p32),
                                  (uint64_t)((TRIAL_BASELINE + effect) * 0x1p32)};
    uint64_t size[2] = {0, 0};
    uint64_t count[2] = {0, 0};
    double t = 0;

    for (trial->day_count = 0; trial->day_count < TRIAL_DAYS_MAX && t < 1; trial->day_count++) {
        for (uint64_t i = players_of_day(trial->day_count, players, rng); i > 0; i--) {
            uint64_t random = pt_rng_next(rng);
            size_t arm = random >> 63;

            size[arm]++;
            count[arm] += (random & UINT32_MAX) < converts[arm];
        }
        t = 4 / players / (1 / (double)size[0] + 1 / (double)size[1]);
        trial->days[trial->day_count] = (struct day){
            {{(double)count[0], (double)size[0]}, {(double)count[1], (double)size[1]}}, t};
    }
}

/* A look is due at the end of the day that brings the next part of the information. */
static void find_looks(struct trial *trial, size_t looks)
{
    double reached = 0;

    trial->look_count = 0;
    for (size_t i = 0; i < trial->day_count; i++) {
        double part = looks == 0 ? (double)(i + 1) : floor(trial->days[i].t * (double)looks);

        if (part > reached) {
            trial->look_at[trial->look_count++] = i;
            reached = part;
        }
    }
}

static enum pt_code find_bounds(const struct trial *trial, const struct trial_rule *rule,
                                double *z_out, struct pt_error *err)
{
    double t[TRIAL_DAYS_MAX];
    struct pt_gs_design design = {rule->spending, TRIAL_ALPHA, 2, t, NULL, trial->look_count};

    for (size_t k = 0; k < trial->look_count; k++) {
        t[k] = trial->days[trial->look_at[k]].t;
    }
    return pt_gs_bounds(&design, z_out, NULL, err);
}

static bool is_called(const struct trial_rule *rule, const struct day *day, double z, double bound,
                      struct pt_msprt_running *run)
{
    struct pt_proportion a = day->arm[0];
    struct pt_proportion b = day->arm[1];
    double se = pt_prop_ztest(a, b, false, PT_TWO_SIDED).se;
    struct pt_msprt now;
    double better = 0;

    switch (rule->kind) {
    case TRIAL_ALWAYS_VALID:
        now = pt_msprt(b.successes / b.size - a.successes / a.size, se * se,
                       TRIAL_EFFECT * TRIAL_EFFECT, 0, TRIAL_ALPHA);
        *run = pt_msprt_run(*run, &now);
        return run->p_value <= TRIAL_ALPHA;
    case TRIAL_BAYESIAN:
        better = pt_norm_cdf((b.successes / b.size - a.successes / a.size) / se);
        return fmax(better, 1 - better) >= 0.95;
    case TRIAL_FIXED:
    case TRIAL_SPENDING:
    case TRIAL_NAIVE:
        break;
    }
    return fabs(z) >= bound;
}

static enum pt_code judge(const struct trial *trial, const struct trial_rule *rule,
                          struct trial_result *out, struct pt_error *err)
{
    struct pt_msprt_running run = PT_MSPRT_RUNNING_START;
    double bounds[TRIAL_DAYS_MAX];
    enum pt_code code = PT_OK;

    for (size_t k = 0; k < trial->look_count; k++) {
        bounds[k] = pt_norm_quantile_upper(TRIAL_ALPHA / 2);
    }
    if (rule->kind == TRIAL_SPENDING) {
        code = find_bounds(trial, rule, bounds, err);
    }
    for (size_t k = rule->kind == TRIAL_FIXED ? trial->look_count - 1 : 0;
         k < trial->look_count && !code; k++) {
        const struct day *day = &trial->days[trial->look_at[k]];
        double z = pt_prop_ztest(day->arm[0], day->arm[1], true, PT_TWO_SIDED).z;
        bool is_last = k + 1 == trial->look_count;

        if (is_called(rule, day, z, bounds[k], &run)) {
            out->calls++;
            out->wrong += z < 0;
            out->called_by_day[trial->look_at[k]]++;
            is_last = true;
        } else if (is_last) {
            out->looks += (double)trial->look_count;
        }
        if (is_last) {
            out->used += day->arm[0].size + day->arm[1].size;
            break;
        }
    }
    return code;
}

enum pt_code trials_run(const struct trial_rule *rule, uint64_t runs, uint64_t seed, double effect,
                        struct trial_result *out, struct pt_error *err)
{
    struct trial trial = {0};
    struct pt_rng rng;
    enum pt_code code = PT_OK;

    *out = (struct trial_result){.runs = runs};
    pt_rng_seed(&rng, seed);
    code = plan_players(rule, &out->players, err);
    for (uint64_t i = 0; i < runs && !code; i++) {
        play_days(&trial, out->players, effect, &rng);
        find_looks(&trial, rule->looks);
        code = judge(&trial, rule, out, err);
    }
    for (size_t i = 1; i < TRIAL_DAYS_MAX; i++) {
        out->called_by_day[i] += out->called_by_day[i - 1];
    }
    out->used /= (double)runs;
    out->looks = runs > out->calls ? out->looks / (double)(runs - out->calls) : NAN;
    return code;
}
