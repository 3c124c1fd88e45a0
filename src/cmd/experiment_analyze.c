/*
 * experiment_analyze.c - playtrace experiment analyze: read an experiment out
 *
 * As its plan has it where one was started; else ad hoc, by the options.
 */
#include "cmd/cmd.h"
#include "cmd/experiment_verbs.h"
#include "experiment/experiment.h"
#include "experiment/readout.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPORT_BYTES_MAX (4u << 20)

struct given {
    const char *data;
    const char *control;
    const char *treatment;
    const char *metric;
    const char *ratio;
    const char *alpha;
    const char *exposures;
    const char *as_of;
    const char *format;
    bool has_ad_hoc; /* any of what a plan says: all above but data, as_of and format */
};

/* A number that is all of `text` up to `end_char`; false otherwise. */
static bool parse_number(const char *text, char end_char, double *value_out, const char **end_out)
{
    char *end = NULL;

    *value_out = strtod(text, &end);
    if (end == text || *end != end_char || !isfinite(*value_out)) {
        return false;
    }
    *end_out = end;
    return true;
}

static bool parse_ratio(const char *text, struct pt_experiment_request *request)
{
    const char *end = text;

    if (!parse_number(text, ':', &request->ratio_control, &end) ||
        !parse_number(end + 1, '\0', &request->ratio_treatment, &end) ||
        request->ratio_control <= 0 || request->ratio_treatment <= 0) {
        pt_cmd_say("--ratio: \"%s\" is not control:treatment such as 1:1 or 9:1", text);
        return false;
    }
    return true;
}

static bool parse_alpha(const char *text, struct pt_experiment_request *request)
{
    const char *end = text;

    if (!parse_number(text, '\0', &request->alpha, &end) || request->alpha <= 0 ||
        request->alpha >= 1) {
        pt_cmd_say("--alpha: \"%s\" is not a number between 0 and 1", text);
        return false;
    }
    return true;
}

/* Everything that was given, or false after the mistake has been said. */
static bool read_request(const struct given *given, struct pt_experiment_request *request)
{
    struct pt_error err = {0};

    request->control = given->control;
    request->treatment = given->treatment;
    if (pt_experiment_metrics_parse(given->metric, request->metrics, &request->metric_count,
                                    &err)) {
        pt_cmd_say("--metric: %s", err.text);
        return false;
    }
    if (given->exposures && pt_exposure_map_parse(&request->exposures, given->exposures, &err)) {
        pt_cmd_say("--exposures: %s", err.text);
        return false;
    }
    return parse_ratio(given->ratio, request) && parse_alpha(given->alpha, request);
}

static enum pt_code print_report(const struct pt_experiment_report *report, bool is_json,
                                 struct pt_error *err)
{
    struct pt_buf out;
    struct pt_jsonw w;
    enum pt_code code = PT_OK;

    pt_buf_init(&out, REPORT_BYTES_MAX);
    if (is_json) {
        pt_jsonw_init(&w, &out);
        pt_experiment_report_json(report, &w);
        pt_buf_append_byte(&out, '\n');
    } else {
        pt_experiment_report_table(report, &out);
    }
    code = pt_experiment_print(&out, err);
    pt_buf_release(&out);
    return code;
}

/* A readout that is refused says all the same what became of the exposures. */
static void say_exposures(const struct pt_exposure_counts *counts,
                          const struct pt_exposure_map *map)
{
    struct pt_buf text;

    if (counts->matched > 0 && counts->why_count == 0) {
        return;
    }
    pt_buf_init(&text, REPORT_BYTES_MAX);
    pt_exposure_counts_table(counts, map, &text);
    fwrite(text.data, 1, text.size, stderr);
    pt_buf_release(&text);
}

static enum pt_code analyze_ad_hoc(struct pt_query *query,
                                   const struct pt_experiment_request *request, bool is_json,
                                   struct pt_error *err)
{
    struct pt_experiment_report *report = pt_alloc_zero(sizeof(*report));
    enum pt_code code = PT_OK;

    if (!report) {
        return pt_fail(err, PT_NO_MEMORY, "no memory for the report");
    }
    code = pt_experiment_analyze(query, request, report, err);
    if (!code) {
        code = print_report(report, is_json, err);
    } else {
        say_exposures(&report->exposures, &request->exposures);
    }
    pt_experiment_report_release(report);
    pt_free(report);
    return code;
}

/* Record first, then show: a look whose result was seen is in the journal. */
static enum pt_code analyze_planned(struct pt_experiment_open *open, int64_t as_of_us, bool spends,
                                    bool is_json, struct pt_error *err)
{
    struct pt_started *started = open->started;
    struct pt_readout *readout = pt_alloc_zero(sizeof(*readout));
    struct pt_buf out;
    struct pt_jsonw w;
    enum pt_code code = PT_OK;

    if (!readout) {
        return pt_fail(err, PT_NO_MEMORY, "no memory for the readout");
    }
    pt_buf_init(&out, REPORT_BYTES_MAX);
    code = pt_readout_run(open->query, started, as_of_us,
                          spends ? PT_READOUT_SPEND_UNPLANNED : PT_READOUT_LOOK, readout, err);
    if (code) {
        say_exposures(&readout->measure.exposures, &started->plan.exposures);
    }
    if (!code && readout->is_recordable) {
        code = pt_started_add_look(pt_io_posix(), pt_clock_system(), open->experiments, started,
                                   &readout->look, err);
    }
    if (!code && is_json) {
        pt_jsonw_init(&w, &out);
        pt_readout_json(readout, &w);
        pt_buf_append_byte(&out, '\n');
    } else if (!code) {
        pt_readout_table(readout, &out);
    }
    code = code ? code : pt_experiment_print(&out, err);
    pt_buf_release(&out);
    pt_readout_release(readout);
    pt_free(readout);
    return code;
}

static enum pt_code analyze(const struct given *given, const struct pt_experiment_request *request,
                            bool spends, bool is_json, struct pt_error *err)
{
    struct pt_experiment_open open = {0};
    enum pt_code code = pt_experiment_open(&open, given->data, err);

    if (code) {
        goto out;
    }
    code = pt_experiment_open_started(&open, request->name, err);
    if (code == PT_NOT_FOUND && spends) {
        code = pt_fail(err, PT_INVALID, "--spend-unplanned belongs to a plan; %s was not started",
                       request->name);
    } else if (code == PT_NOT_FOUND) {
        code = analyze_ad_hoc(open.query, request, is_json, err);
    } else if (!code && given->has_ad_hoc) {
        code = pt_fail(err, PT_INVALID,
                       "%s has a plan, which says what is measured and how: leave --control, "
                       "--treatment, --metric, --ratio, --alpha and --exposures away",
                       request->name);
    } else if (!code) {
        code = analyze_planned(&open, request->as_of_us, spends, is_json, err);
    }

out:
    pt_experiment_open_release(&open);
    return code;
}

int pt_experiment_verb_analyze(int argc, char **argv)
{
    struct given given = {.format = "table"};
    struct pt_experiment_request request = {0};
    struct pt_error err = {0};
    const char *name = NULL;
    bool spends = false;
    bool is_json = false;
    const struct pt_option options[] = {
        {"--data", "DIR", "data directory (default $PLAYTRACE_DATA or playtrace-data)", &given.data,
         NULL},
        {"--control", "VARIANT", "variant A (default \"control\", else the first by name)",
         &given.control, NULL},
        {"--treatment", "VARIANT", "variant B (default the other one of two)", &given.treatment,
         NULL},
        {"--metric", "LIST",
         "retention:N, conversion:EVENT:Wd, several with commas; the first decides (default "
         "retention:1)",
         &given.metric, NULL},
        {"--ratio", "A:B", "planned sizes, control to treatment (default 1:1)", &given.ratio, NULL},
        {"--alpha", "P", "of the two-sided test; intervals have level 1 - P (default 0.05)",
         &given.alpha, NULL},
        {"--exposures", "SOURCE:FLAG",
         "evaluations of a flag by opentelemetry, launchdarkly or unleash are the exposures",
         &given.exposures, NULL},
        {"--as-of", "TIME",
         "look back from here: a time, a date, now (default the newest receipt of an event)",
         &given.as_of, NULL},
        {"--format", "FORMAT", "table or json (default table)", &given.format, NULL},
        {"--spend-unplanned", NULL,
         "look although the plan knows no look here; its error is spent (group_sequential)", NULL,
         &spends},
        {NULL, NULL, NULL, NULL, NULL},
    };
    struct pt_command_line line = {
        .usage = "playtrace experiment analyze NAME [--data DIR] [--control A] [--treatment B] "
                 "[--metric LIST] [--ratio A:B] [--alpha P] [--exposures SOURCE:FLAG] [--as-of "
                 "TIME] [--spend-unplanned] "
                 "[--format table|json]",
        .about =
            "Reads an experiment out, as its plan has it where one was started "
            "(docs/experiments.md), else ad hoc: sizes and their check against the plan, rates, "
            "difference with interval, z test, Bayesian comparison, decision. Exposures are "
            "events experiment_exposure with attributes {\"experiment\":NAME,\"variant\":V}.",
        .options = options,
        .positional = &name,
        .positional_max = 1,
    };
    int status = pt_command_line_parse(&line, argc, argv);

    if (status >= 0) {
        return status;
    }
    if (!name) {
        pt_cmd_say("experiment: analyze which experiment? usage: %s", line.usage);
        return PT_EXIT_USAGE;
    }
    request.name = name;
    given.has_ad_hoc = given.control || given.treatment || given.metric || given.ratio ||
                       given.alpha || given.exposures;
    given.metric = given.metric ? given.metric : "retention:1";
    given.ratio = given.ratio ? given.ratio : "1:1";
    given.alpha = given.alpha ? given.alpha : "0.05";
    if (!read_request(&given, &request) || !pt_experiment_parse_format(given.format, &is_json) ||
        (given.as_of && !pt_experiment_parse_as_of(given.as_of, &request.as_of_us))) {
        return PT_EXIT_USAGE;
    }
    return analyze(&given, &request, spends, is_json, &err) ? pt_cmd_failed("experiment", &err)
                                                            : PT_EXIT_OK;
}
