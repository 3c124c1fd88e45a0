/*
 * experiment_simulate.c - playtrace experiment simulate: a plan's real error rate and power
 */
#include "cmd/cmd.h"
#include "cmd/experiment_verbs.h"
#include "experiment/readout.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#define OUT_BYTES_MAX (1u << 20)
#define RUNS_MAX INT64_C(100000000)

static void write_table(const struct pt_plan *plan, const struct pt_forecast *f,
                        const struct pt_plan_simulated *s, double effect, uint64_t seed,
                        struct pt_buf *out)
{
    pt_buf_appendf(out,
                   "%s: %" PRIu64 " runs of %s, %zu %s, seed %" PRIu64 " (± one Monte-Carlo "
                   "standard error)\n\n",
                   plan->name, s->runs, pt_plan_analysis_name(plan->analysis), s->looks,
                   s->looks == 1 ? "look" : "looks", seed);
    pt_buf_appendf(out, "  %-34s %22s %22s\n", "", "no effect (A/A)", "effect (A/B)");
    pt_buf_appendf(out, "  %-34s %22g %22g\n", "difference", 0.0, pt_plan_sign(plan) * effect);
    pt_buf_appendf(out, "  %-34s %12.5f ± %.5f %12.5f ± %.5f\n", "stopped for effect",
                   s->stop_effect[0], s->error[0], s->stop_effect[1], s->error[1]);
    if (plan->analysis == PT_PLAN_BAYESIAN) {
        pt_buf_appendf(out, "  %-34s %22s\n", "  planned", "(no error rate is bounded)");
    } else {
        pt_buf_appendf(out, "  %-34s %22g %22g\n", "  planned: alpha, power", plan->alpha,
                       plan->power);
    }
    pt_buf_appendf(out, "  %-34s %22.5f %22.5f\n", "stopped for futility", s->stop_futility[0],
                   s->stop_futility[1]);
    pt_buf_appendf(out, "  %-34s %14.0f ± %.0f %16.0f ± %.0f\n", "units when it ended", s->units[0],
                   s->units_error[0], s->units[1], s->units_error[1]);
    pt_buf_appendf(out, "  %-34s %22.0f\n", "units at most", f->design.units_total);
    if (plan->arm_count > 2) {
        pt_buf_appendf(out,
                       "\n  The effect is in %s alone, shown in %.5f ± %.5f and shipped in %.5f of "
                       "the A/B runs;\n  another treatment was called in %.5f of them.\n",
                       plan->variant[1], s->first_shown, s->first_shown_error, s->first_shipped,
                       s->wrong);
    }
    if (s->looks > 1) {
        pt_buf_appendf(out,
                       "\n  A fixed test at each of these looks would call %.5f ± %.5f of the "
                       "A/A runs.\n",
                       s->naive, s->naive_error);
    }
}

static void write_json(const struct pt_plan *plan, const struct pt_forecast *f,
                       const struct pt_plan_simulated *s, double effect, uint64_t seed,
                       struct pt_buf *out)
{
    static const char *const names[] = {"null", "effect"};
    struct pt_jsonw w;

    pt_jsonw_init(&w, out);
    pt_jsonw_object(&w);
    pt_jsonw_member_str(&w, "experiment", plan->name);
    pt_jsonw_member_uint(&w, "runs", s->runs);
    pt_jsonw_member_uint(&w, "seed", seed);
    pt_jsonw_member_uint(&w, "looks", s->looks);
    pt_jsonw_member_double(&w, "alpha", plan->alpha);
    pt_jsonw_member_double(&w, "power", plan->power);
    pt_jsonw_member_double(&w, "difference", pt_plan_sign(plan) * effect);
    pt_jsonw_member_double(&w, "units_max", f->design.units_total);
    for (size_t i = 0; i < 2; i++) {
        pt_jsonw_key(&w, names[i]);
        pt_jsonw_object(&w);
        pt_jsonw_member_double(&w, "stop_for_effect", s->stop_effect[i]);
        pt_jsonw_member_double(&w, "stop_for_effect_error", s->error[i]);
        pt_jsonw_member_double(&w, "stop_for_futility", s->stop_futility[i]);
        pt_jsonw_member_double(&w, "units", s->units[i]);
        pt_jsonw_member_double(&w, "units_error", s->units_error[i]);
        pt_jsonw_object_end(&w);
    }
    pt_jsonw_member_double(&w, "first_treatment_shown", s->first_shown);
    pt_jsonw_member_double(&w, "first_treatment_shown_error", s->first_shown_error);
    pt_jsonw_member_double(&w, "first_treatment_shipped", s->first_shipped);
    pt_jsonw_member_double(&w, "other_treatment_shown", s->wrong);
    pt_jsonw_member_double(&w, "naive_error_rate", s->naive);
    pt_jsonw_member_double(&w, "naive_error_rate_error", s->naive_error);
    pt_jsonw_object_end(&w);
    pt_buf_append_byte(out, '\n');
}

static bool parse_effect(const char *text, double *out)
{
    char *end = NULL;

    *out = strtod(text, &end);
    if (end == text || *end || !isfinite(*out)) {
        pt_cmd_say("--effect: \"%s\" is not a finite number", text);
        return false;
    }
    return true;
}

int pt_experiment_verb_simulate(int argc, char **argv)
{
    const char *data = NULL;
    const char *format = "table";
    const char *runs_text = "10000";
    const char *seed_text = "1";
    const char *looks_text = "20";
    const char *effect_text = NULL;
    const char *path = NULL;
    bool is_json = false;
    int64_t runs = 0;
    int64_t seed = 0;
    int64_t looks = 0;
    double effect = NAN;
    const struct pt_option options[] = {
        {"--runs", "N", "experiments of each kind (default 10000)", &runs_text, NULL},
        {"--seed", "S", "of the random numbers (default 1)", &seed_text, NULL},
        {"--effect", "E", "absolute true difference of the A/B runs (default the minimum effect)",
         &effect_text, NULL},
        {"--looks", "N", "of always_valid and bayesian plans, evenly spread (default 20)",
         &looks_text, NULL},
        {"--data", "DIR", "data directory (default $PLAYTRACE_DATA or playtrace-data)", &data,
         NULL},
        {"--format", "FORMAT", "table or json (default table)", &format, NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };
    struct pt_command_line line = {
        .usage = "playtrace experiment simulate FILE [--runs N] [--seed S] [--effect E] "
                 "[--looks N] [--data DIR] [--format table|json]",
        .about = "Simulates a plan without and with an effect and says how often it stops for "
                 "an effect (the real error rate and power) and with how many units.",
        .options = options,
        .positional = &path,
        .positional_max = 1,
    };
    struct pt_experiment_planned *planned = NULL;
    struct pt_plan_simulated simulated;
    struct pt_error err = {0};
    struct pt_buf out;
    enum pt_code code = PT_OK;
    int status = pt_command_line_parse(&line, argc, argv);

    if (status >= 0) {
        return status;
    }
    if (!pt_experiment_parse_format(format, &is_json) ||
        !pt_cmd_parse_int("--runs", runs_text, 1, RUNS_MAX, &runs) ||
        !pt_cmd_parse_int("--seed", seed_text, 0, INT64_MAX, &seed) ||
        !pt_cmd_parse_int("--looks", looks_text, 1, 1000, &looks) ||
        (effect_text && !parse_effect(effect_text, &effect))) {
        return PT_EXIT_USAGE;
    }
    planned = pt_alloc_zero(sizeof(*planned));
    if (!planned) {
        (void)pt_fail(&err, PT_NO_MEMORY, "no memory for the plan");
        return pt_cmd_failed("experiment", &err);
    }
    pt_buf_init(&out, OUT_BYTES_MAX);
    status = pt_experiment_planned_open(planned, path, data, line.usage);
    if (status) {
        goto out;
    }
    /* In the hypothesis' direction, as the design has it. */
    effect =
        pt_plan_sign(&planned->plan) * (isnan(effect) ? planned->forecast.design.effect : effect);
    code = pt_plan_simulate(&planned->plan, &planned->forecast.design, (uint64_t)runs,
                            (uint64_t)seed, effect, (size_t)looks, &simulated, &err);
    if (!code) {
        (is_json ? write_json : write_table)(&planned->plan, &planned->forecast, &simulated, effect,
                                             (uint64_t)seed, &out);
        code = pt_experiment_print(&out, &err);
    }
    status = code ? pt_cmd_failed("experiment", &err) : PT_EXIT_OK;

out:
    pt_buf_release(&out);
    pt_experiment_planned_release(planned);
    pt_free(planned);
    return status;
}
