/*
 * bench_trials.c - type I error and power of every way of looking, from trials played out
 *
 *     bench_trials [TRIALS [SEED]]          (default: 10,000 trials a rule and effect, seed 1)
 *
 * One JSON object a rule and effect: how many trials were called, the 99 % interval of that rate
 * (Clopper-Pearson), players used, days, CPU seconds, and the seed that plays the same trials
 * again. Exit 1 where 5 looks cost more than 10 CPU seconds for 10,000 trials without an effect.
 */
#include "experiment/trials.h"
#include "support/measure.h"

#include <inttypes.h>
#include <math.h>

#define CPU_SECONDS_MAX 10.0 /* of 10,000 trials */

static double cpu_seconds(void)
{
    return measure_seconds(CLOCK_PROCESS_CPUTIME_ID);
}

static void print(const struct trial_rule *rule, double effect, uint64_t seed,
                  const struct trial_result *r, double cpu)
{
    struct pt_interval ci =
        pt_prop_clopper_pearson((struct pt_proportion){(double)r->calls, (double)r->runs}, 0.99);

    printf("{\"rule\":\"%s\",\"title\":\"%s\",\"effect\":%g,\"seed\":%" PRIu64
           ",\"trials\":%" PRIu64 ",\"called\":%" PRIu64 ",\"wrong\":%" PRIu64
           ",\"rate\":%.17g,\"low\":%.6f,"
           "\"high\":%.6f,\"planned_players\":%.0f,\"mean_players\":%.1f,\"cpu_seconds\":%.3f,"
           "\"called_by_day\":[",
           rule->key, rule->title, effect, seed, r->runs, r->calls, r->wrong,
           (double)r->calls / (double)r->runs, ci.low, ci.high, r->players, r->used, cpu);
    for (size_t i = 0; i < TRIAL_DAYS_MAX; i++) {
        printf("%s%" PRIu64, i > 0 ? "," : "", r->called_by_day[i]);
    }
    puts("]}");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    uint64_t runs = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    double slowest = 0;

    if (runs == 0) {
        fprintf(stderr, "usage: bench_trials [TRIALS [SEED]]\n");
        return 2;
    }
    for (size_t i = 0; i < trial_rule_count; i++) {
        for (int k = 0; k < 2; k++) {
            double effect = k == 0 ? 0 : TRIAL_EFFECT;
            uint64_t own_seed = 1000 * seed + 2 * i + (uint64_t)k;
            double start = cpu_seconds();
            struct trial_result result;
            struct pt_error err = {0};
            double cpu = 0;

            if (trials_run(&trial_rules[i], runs, own_seed, effect, &result, &err)) {
                fprintf(stderr, "bench_trials: %s: %s\n", trial_rules[i].key, err.text);
                return 1;
            }
            cpu = cpu_seconds() - start;
            print(&trial_rules[i], effect, own_seed, &result, cpu);
            if (k == 0 && trial_rules[i].kind == TRIAL_SPENDING) {
                slowest = fmax(slowest, cpu / (double)runs * 10000);
            }
        }
    }
    if (slowest > CPU_SECONDS_MAX) {
        fprintf(stderr,
                "bench_trials: 10,000 trials with 5 looks take %.1f CPU s; %.0f are allowed\n",
                slowest, CPU_SECONDS_MAX);
        return 1;
    }
    return 0;
}
