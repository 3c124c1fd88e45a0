/*
 * experiment_start.c - playtrace experiment start: fix a plan before the first exposure
 */
#include "cmd/cmd.h"
#include "cmd/experiment_verbs.h"
#include "experiment/readout.h"

#include <inttypes.h>
#include <stdio.h>

static enum pt_code start(struct pt_experiment_open *open, const struct pt_plan *plan,
                          struct pt_span text, bool is_late, struct pt_error *err)
{
    struct pt_forecast forecast;
    uint64_t exposures = 0;
    char hash[2 * PT_SHA256_BYTES + 1];
    enum pt_code code = pt_plan_hash(plan, hash, err);

    code = code ? code : pt_exposure_map_use(open->query, plan->name, &plan->exposures, err);
    code = code ? code : pt_measure_exposures(open->query, plan->name, &exposures, err);
    if (!code && exposures > 0 && !is_late) {
        code = pt_fail(err, PT_INVALID,
                       "%" PRIu64 " exposures of %s are in the table already: a plan made after "
                       "the first look at them proves nothing. --late starts it all the same, and "
                       "every readout will say so",
                       exposures, plan->name);
    }
    code = code ? code : pt_forecast_make(open->query, plan, &forecast, err);
    code = code ? code
                : pt_started_create(pt_io_posix(), pt_clock_system(), open->experiments, plan, text,
                                    forecast.basis, exposures, err);
    if (!code) {
        printf("started %s%s\n  plan %s\n  units ", plan->name, exposures > 0 ? " LATE" : "", hash);
        for (size_t i = 0; i < plan->arm_count; i++) {
            printf("%s%.0f", i > 0 ? " + " : "", forecast.design.units[i]);
        }
        printf("\n  kept in %s/%s/plan.yaml, recorded in %s/journal\n", open->experiments,
               plan->name, open->experiments);
    }
    return code;
}

int pt_experiment_verb_start(int argc, char **argv)
{
    const char *data = NULL;
    const char *path = NULL;
    bool is_late = false;
    const struct pt_option options[] = {
        {"--data", "DIR", "data directory (default $PLAYTRACE_DATA or playtrace-data)", &data,
         NULL},
        {"--late", NULL, "although exposures are in the table already; every readout says so", NULL,
         &is_late},
        {NULL, NULL, NULL, NULL, NULL},
    };
    struct pt_command_line line = {
        .usage = "playtrace experiment start FILE [--data DIR] [--late]",
        .about = "Fixes a plan: its canonical form is hashed and recorded in the journal of the "
                 "data directory, with the baseline and the sizes that follow from it. From then "
                 "on `analyze` refuses an edited plan or journal.",
        .options = options,
        .positional = &path,
        .positional_max = 1,
    };
    struct pt_plan plan;
    struct pt_experiment_open open = {0};
    struct pt_error err = {0};
    uint8_t *text = NULL;
    size_t bytes = 0;
    enum pt_code code = PT_OK;
    int status = pt_command_line_parse(&line, argc, argv);

    if (status >= 0) {
        return status;
    }
    if (!path) {
        pt_cmd_say("experiment: which plan? usage: %s", line.usage);
        return PT_EXIT_USAGE;
    }
    status = pt_experiment_read_plan(path, &plan, &text, &bytes);
    if (!status) {
        code = pt_experiment_open(&open, data, &err);
        code = code ? code : start(&open, &plan, pt_span_of(text, bytes), is_late, &err);
        status = code ? pt_cmd_failed("experiment", &err) : PT_EXIT_OK;
    }
    pt_experiment_open_release(&open);
    pt_free(text);
    return status;
}
