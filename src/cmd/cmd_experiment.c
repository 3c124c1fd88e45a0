/*
 * cmd_experiment.c - playtrace experiment analyze: read an experiment out
 */
#include "cmd/cmd.h"
#include "cmd/data_dir.h"
#include "experiment/experiment.h"
#include "query/query.h"
#include "wire/rfc3339.h"

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
    const char *as_of;
    const char *format;
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

/* "now", a date (its midnight in UTC), or a time with offset. */
static bool parse_as_of(const char *text, struct pt_experiment_request *request)
{
    char midnight[32];

    if (strcmp(text, "now") == 0) {
        request->as_of_us = pt_clock_wall_us(pt_clock_system());
        return true;
    }
    snprintf(midnight, sizeof(midnight), "%.10sT00:00:00Z", text);
    if (!pt_rfc3339_parse(text, strlen(text), &request->as_of_us) &&
        !(strlen(text) == 10 && pt_rfc3339_parse(midnight, strlen(midnight), &request->as_of_us))) {
        pt_cmd_say("--as-of: \"%s\" is not a time such as 2026-11-01T12:00:00Z, a date, or now",
                   text);
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
    if (strcmp(given->format, "table") != 0 && strcmp(given->format, "json") != 0) {
        pt_cmd_say("--format: \"%s\" is not table or json", given->format);
        return false;
    }
    return parse_ratio(given->ratio, request) && parse_alpha(given->alpha, request) &&
           (!given->as_of || parse_as_of(given->as_of, request));
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
    if (out.has_failed) {
        code = pt_fail(err, PT_NO_MEMORY, "no memory for the report");
    } else if (fwrite(out.data, 1, out.size, stdout) != out.size || fflush(stdout) != 0) {
        code = pt_fail(err, PT_IO, "standard output cannot be written");
    }
    pt_buf_release(&out);
    return code;
}

static void ignore_entry(void *ctx, const char *name, bool is_dir)
{
    (void)ctx;
    (void)name;
    (void)is_dir;
}

static enum pt_code analyze(const struct given *given, const struct pt_experiment_request *request,
                            struct pt_error *err)
{
    struct pt_data_dir dir = {0};
    struct pt_query *query = NULL;
    struct pt_experiment_report *report = NULL;
    char *temporary = NULL;
    enum pt_code code = pt_data_dir_init(&dir, pt_cmd_data_dir(given->data), err);

    if (!code) {
        /* A table that is not there yet is empty; a directory that is not there is a slip. */
        code = pt_io_list(pt_io_posix(), dir.root, ignore_entry, NULL, err);
    }
    if (code) {
        goto out;
    }
    temporary = pt_strf("%s/query-tmp", dir.root);
    report = pt_alloc_zero(sizeof(*report));
    if (!temporary || !report) {
        code = pt_fail(err, PT_NO_MEMORY, "no memory for the report");
        goto out;
    }
    code = pt_query_open(&query, pt_io_posix(), dir.lake, temporary, err);
    if (code) {
        goto out;
    }
    code = pt_experiment_analyze(query, request, report, err);
    if (!code) {
        code = print_report(report, strcmp(given->format, "json") == 0, err);
    }
    pt_experiment_report_release(report);

out:
    pt_query_close(query);
    pt_free(report);
    pt_free(temporary);
    pt_data_dir_release(&dir);
    return code;
}

int pt_cmd_experiment(int argc, char **argv)
{
    struct given given = {
        .metric = "retention:1", .ratio = "1:1", .alpha = "0.05", .format = "table"};
    struct pt_experiment_request request = {0};
    struct pt_error err = {0};
    const char *words[2] = {NULL, NULL};
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
        {"--as-of", "TIME",
         "look back from here: a time, a date, now (default the newest receipt of an event)",
         &given.as_of, NULL},
        {"--format", "FORMAT", "table or json (default table)", &given.format, NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };
    struct pt_command_line line = {
        .usage = "playtrace experiment analyze NAME [--data DIR] [--control A] [--treatment B] "
                 "[--metric LIST] [--ratio A:B] [--alpha P] [--as-of TIME] [--format table|json]",
        .about = "Reads an experiment out: sizes and their check against the plan, rates, "
                 "difference with interval, z test, Bayesian comparison, decision. Exposures are "
                 "events experiment_exposure with attributes {\"experiment\":NAME,\"variant\":V}.",
        .options = options,
        .positional = words,
        .positional_max = 2,
    };
    int status = pt_command_line_parse(&line, argc, argv);

    if (status >= 0) {
        return status;
    }
    if (line.positional_count < 2 || strcmp(words[0], "analyze") != 0) {
        pt_cmd_say("experiment: say `analyze` and the experiment's name; usage: %s", line.usage);
        return PT_EXIT_USAGE;
    }
    request.name = words[1];
    if (!read_request(&given, &request)) {
        return PT_EXIT_USAGE;
    }
    return analyze(&given, &request, &err) ? pt_cmd_failed("experiment", &err) : PT_EXIT_OK;
}
