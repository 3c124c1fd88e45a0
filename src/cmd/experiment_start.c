/*
 * experiment_start.c - playtrace experiment start: fix a plan before the first exposure
 */
#include "cmd/cmd.h"
#include "cmd/experiment_verbs.h"
#include "cmd/import.h"
#include "experiment/readout.h"

#include <inttypes.h>
#include <stdio.h>

struct given {
    const char *data;
    const char *path;
    const char *url; /* where the event goes; NULL: nowhere */
    const char *api_key;
    bool is_late;
};

/* The start as an event, acknowledged: it is in the log then. */
static enum pt_code send_event(const struct given *given, const struct pt_plan *plan,
                               const char *hash, struct pt_error *err)
{
    struct pt_import_sender *sender = NULL;
    struct pt_import_counts counts = {0};
    enum pt_code code = pt_import_sender_open(&sender, given->url, given->api_key, err);

    if (!code) {
        pt_import_sender_begin(sender, given->path, &counts);
        pt_started_event_write(plan->name, hash, pt_clock_wall_us(pt_clock_system()),
                               pt_import_sender_event(sender));
        code = pt_import_sender_keep(sender, 1, err);
        code = code ? code : pt_import_sender_flush(sender, err);
    }
    if (!code && counts.rejected > 0) {
        code = pt_fail(err, PT_INVALID, "%s refused the event experiment_started", given->url);
    }
    pt_import_sender_close(sender);
    if (code) {
        struct pt_error why = *err;

        code = pt_fail(err, code,
                       "%s is started and recorded, but its event is not in the log: %s. The same "
                       "command sends it again",
                       plan->name, why.text);
    }
    return code;
}

/* A start whose event was not taken is sent again: true where that is so. */
static bool is_waiting(struct pt_experiment_open *open, const struct given *given,
                       const struct pt_plan *plan, const char *event_id)
{
    return given->url && pt_experiment_open_started(open, plan->name, NULL) == PT_OK &&
           strcmp(open->started->event_id, event_id) == 0;
}

static enum pt_code start(struct pt_experiment_open *open, const struct pt_plan *plan,
                          struct pt_span text, const struct given *given, struct pt_error *err)
{
    struct pt_forecast forecast;
    uint64_t exposures = 0;
    char hash[2 * PT_SHA256_BYTES + 1];
    char event_id[PT_UUID_TEXT_BYTES + 1];
    enum pt_code code = pt_plan_hash(plan, hash, err);

    if (code) {
        return code;
    }
    pt_started_event_id(plan->name, hash, event_id);
    if (is_waiting(open, given, plan, event_id)) {
        code = send_event(given, plan, hash, err);
        if (!code) {
            printf("%s was started before; its event experiment_started is in the log\n",
                   plan->name);
        }
        return code;
    }
    code = pt_exposure_map_use(open->query, plan->name, &plan->exposures, err);
    code = code ? code : pt_measure_exposures(open->query, plan->name, NULL, &exposures, err);
    if (!code && exposures > 0 && !given->is_late) {
        code = pt_fail(err, PT_INVALID,
                       "%" PRIu64 " exposures of %s are in the table already: a plan made after "
                       "the first look at them proves nothing. --late starts it all the same, and "
                       "every readout will say so",
                       exposures, plan->name);
    }
    code = code ? code : pt_forecast_make(open->query, plan, &forecast, err);
    code = code ? code
                : pt_started_create(pt_io_posix(), pt_clock_system(), open->experiments, plan, text,
                                    forecast.basis, exposures, given->url ? event_id : NULL, err);
    code = code || !given->url ? code : send_event(given, plan, hash, err);
    if (!code) {
        printf("started %s%s\n  plan %s\n  units ", plan->name, exposures > 0 ? " LATE" : "", hash);
        for (size_t i = 0; i < plan->arm_count; i++) {
            printf("%s%.0f", i > 0 ? " + " : "", forecast.design.units[i]);
        }
        printf("\n  kept in %s/%s/plan.yaml, recorded in %s/journal%s\n", open->experiments,
               plan->name, open->experiments,
               given->url ? " and as an event experiment_started"
                          : "\n  not in the table: --url of a running server sends the start as an "
                            "event, which no edit of files reaches");
    }
    return code;
}

int pt_experiment_verb_start(int argc, char **argv)
{
    struct given given = {.url = NULL};
    const struct pt_option options[] = {
        {"--data", "DIR", "data directory (default $PLAYTRACE_DATA or playtrace-data)", &given.data,
         NULL},
        {"--late", NULL, "although exposures are in the table already; every readout says so", NULL,
         &given.is_late},
        {"--url", "URL", "the running server that takes the start as an event, too", &given.url,
         NULL},
        {"--api-key", "KEY", "its key", &given.api_key, NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };
    struct pt_command_line line = {
        .usage = "playtrace experiment start FILE [--data DIR] [--late] [--url URL "
                 "[--api-key KEY]]",
        .about = "Fixes a plan: its canonical form is hashed and recorded in the journal of the "
                 "data directory, with the baseline and the sizes that follow from it. From then "
                 "on `analyze` refuses an edited plan or journal. With --url the start is an event "
                 "experiment_started, too, which stands in the table where no edit reaches it.",
        .options = options,
        .positional = &given.path,
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
    if (!given.path) {
        pt_cmd_say("experiment: which plan? usage: %s", line.usage);
        return PT_EXIT_USAGE;
    }
    status = pt_experiment_read_plan(given.path, &plan, &text, &bytes);
    if (!status) {
        code = pt_experiment_open(&open, given.data, &err);
        code = code ? code : start(&open, &plan, pt_span_of(text, bytes), &given, &err);
        status = code ? pt_cmd_failed("experiment", &err) : PT_EXIT_OK;
    }
    pt_experiment_open_release(&open);
    pt_free(text);
    return status;
}
