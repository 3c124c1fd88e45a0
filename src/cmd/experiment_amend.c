/*
 * experiment_amend.c - playtrace experiment amend: the ratio of an epoch to come
 */
#include "cmd/cmd.h"
#include "cmd/experiment_verbs.h"
#include "experiment/readout.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct given {
    const char *name;
    const char *epoch;
    const char *ratio;
    bool is_late;
};

/* "9:1:0": a weight for each of the plan's variants, control's above 0. */
static enum pt_code read_ratio(const char *text, const struct pt_plan *plan, double *weights_out,
                               struct pt_error *err)
{
    const char *at = text;
    size_t count = 0;
    bool is_sound = true;

    while (is_sound && count < plan->arm_count) {
        char *end = NULL;
        double weight = strtod(at, &end);

        is_sound = end != at && isfinite(weight) && weight >= (count == 0 ? 1e-300 : 0) &&
                   *end == (count + 1 < plan->arm_count ? ':' : 0);
        weights_out[count++] = weight;
        at = end + 1;
    }
    return is_sound ? PT_OK
                    : pt_fail(err, PT_INVALID,
                              "--ratio: \"%s\" is not %zu weights from 0 on, control's above 0, in "
                              "the plan's order, such as 9:1",
                              text, plan->arm_count);
}

static enum pt_code amend(struct pt_experiment_open *open, const struct given *given,
                          struct pt_error *err)
{
    struct pt_started *started = open->started;
    const struct pt_plan *plan = &started->plan;
    const struct pt_look *last = pt_started_last_look(started);
    struct pt_plan_epoch epoch = {.weight = {0}};
    uint64_t exposures = 0;
    enum pt_code code = read_ratio(given->ratio, plan, epoch.weight, err);

    if (!code && (strlen(given->epoch) == 0 || strlen(given->epoch) >= sizeof(epoch.name))) {
        code =
            pt_fail(err, PT_INVALID, "--epoch: a name has 1 to %zu bytes", sizeof(epoch.name) - 1);
    }
    if (!code && last && last->verdict != PT_VERDICT_CONTINUE &&
        last->verdict != PT_VERDICT_INVALID) {
        code = pt_fail(err, PT_INVALID, "%s has ended with %s", plan->name,
                       pt_verdict_name(last->verdict));
    }
    snprintf(epoch.name, sizeof(epoch.name), "%s", given->epoch);
    code = code ? code : pt_exposure_map_use(open->query, plan->name, &plan->exposures, err);
    code = code ? code : pt_measure_exposures(open->query, plan->name, epoch.name, &exposures, err);
    if (!code && exposures > 0 && !given->is_late) {
        code =
            pt_fail(err, PT_INVALID,
                    "%" PRIu64 " exposures of epoch %s are in the table already: a ratio that is "
                    "made to fit them proves nothing. --late records it all the same, and every "
                    "readout will say so",
                    exposures, epoch.name);
    }
    code = code ? code
                : pt_started_amend(pt_io_posix(), pt_clock_system(), open->experiments, started,
                                   &epoch, exposures, err);
    if (!code) {
        printf("amended %s%s: epoch %s has %s\n", plan->name, exposures > 0 ? " LATE" : "",
               epoch.name, given->ratio);
    }
    return code;
}

int pt_experiment_verb_amend(int argc, char **argv)
{
    struct given given = {.name = NULL};
    const char *data = NULL;
    const struct pt_option options[] = {
        {"--epoch", "E", "its name in the exposures", &given.epoch, NULL},
        {"--ratio", "A:B:…", "its weights, in the order of the plan's variants; 0: not given out",
         &given.ratio, NULL},
        {"--late", NULL, "although exposures of it are in the table already", NULL, &given.is_late},
        {"--data", "DIR", "data directory (default $PLAYTRACE_DATA or playtrace-data)", &data,
         NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };
    struct pt_command_line line = {
        .usage = "playtrace experiment amend NAME --epoch E --ratio A:B [--late] [--data DIR]",
        .about = "Records in the journal, before its first exposure, that an allocation epoch has "
                 "another ratio than the plan's. The sample ratio of that epoch is held to it, and "
                 "the analysis keeps the epochs apart. Nothing else of a started plan can change.",
        .options = options,
        .positional = &given.name,
        .positional_max = 1,
    };
    struct pt_experiment_open open = {0};
    struct pt_error err = {0};
    enum pt_code code = PT_OK;
    int status = pt_command_line_parse(&line, argc, argv);

    if (status >= 0) {
        return status;
    }
    if (!given.name || !given.epoch || !given.ratio) {
        pt_cmd_say("experiment: %s; usage: %s",
                   given.name ? "say --epoch and --ratio" : "amend which experiment?", line.usage);
        return PT_EXIT_USAGE;
    }
    code = pt_experiment_open(&open, data, &err);
    code = code ? code : pt_experiment_open_started(&open, given.name, &err);
    code = code ? code : amend(&open, &given, &err);
    pt_experiment_open_release(&open);
    return code ? pt_cmd_failed("experiment", &err) : PT_EXIT_OK;
}
