/*
 * cmd_experiment.c - playtrace experiment: the table of its verbs, and what they share
 */
#include "cmd/cmd.h"
#include "cmd/experiment_verbs.h"
#include "wire/rfc3339.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define PROBLEM_BYTES_MAX (1u << 20)

static const struct pt_verb verbs[] = {
    {"plan", pt_experiment_verb_plan, "what a plan costs: units, days, boundaries"},
    {"start", pt_experiment_verb_start, "fix a plan before the first exposure"},
    {"amend", pt_experiment_verb_amend, "record the ratio of an epoch that the plan does not name"},
    {"analyze", pt_experiment_verb_analyze,
     "read an experiment out: as it was planned, or ad hoc where no plan was started"},
    {"report", pt_experiment_verb_report, "the last look as a page"},
    {"simulate", pt_experiment_verb_simulate, "a plan's real error rate and power"},
    {NULL, NULL, NULL},
};

int pt_cmd_experiment(int argc, char **argv)
{
    return pt_cmd_verb("experiment", verbs, argc, argv);
}

static void ignore_entry(void *ctx, const char *name, bool is_dir)
{
    (void)ctx;
    (void)name;
    (void)is_dir;
}

enum pt_code pt_experiment_open(struct pt_experiment_open *open, const char *data,
                                struct pt_error *err)
{
    enum pt_code code = PT_OK;

    *open = (struct pt_experiment_open){0};
    code = pt_data_dir_init(&open->dir, pt_cmd_data_dir(data), err);
    /* A table that is not there yet is empty; a directory that is not there is a slip. */
    code = code ? code : pt_io_list(pt_io_posix(), open->dir.root, ignore_entry, NULL, err);
    if (code) {
        return code;
    }
    open->experiments = pt_strf("%s/experiments", open->dir.root);
    open->temporary = pt_strf("%s/query-tmp", open->dir.root);
    if (!open->experiments || !open->temporary) {
        return pt_fail(err, PT_NO_MEMORY, "no memory for the data directory");
    }
    return pt_query_open(&open->query, pt_io_posix(), open->dir.lake, open->temporary, err);
}

enum pt_code pt_experiment_open_started(struct pt_experiment_open *open, const char *name,
                                        struct pt_error *err)
{
    open->started = pt_alloc(sizeof(*open->started));
    return open->started
               ? pt_started_open(pt_io_posix(), open->experiments, name, open->started, err)
               : pt_fail(err, PT_NO_MEMORY, "no memory for the plan");
}

void pt_experiment_open_release(struct pt_experiment_open *open)
{
    pt_free(open->started);
    pt_query_close(open->query);
    pt_free(open->experiments);
    pt_free(open->temporary);
    pt_data_dir_release(&open->dir);
    *open = (struct pt_experiment_open){0};
}

int pt_experiment_read_plan(const char *path, struct pt_plan *plan, uint8_t **text_out,
                            size_t *bytes_out)
{
    struct pt_buf problems;
    struct pt_error err = {0};
    enum pt_code code =
        pt_io_read_all(pt_io_posix(), path, PT_PLAN_BYTES_MAX, 1, text_out, bytes_out, &err);
    int status = PT_EXIT_OK;

    pt_buf_init(&problems, PROBLEM_BYTES_MAX);
    if (!code) {
        code = pt_plan_read(plan, pt_span_of(*text_out, *bytes_out), path, &problems, &err);
    }
    if (code) {
        if (problems.size > 0) {
            fwrite(problems.data, 1, problems.size, stderr);
        }
        status = pt_cmd_failed("experiment", &err);
    }
    pt_buf_release(&problems);
    return status;
}

int pt_experiment_planned_open(struct pt_experiment_planned *planned, const char *path,
                               const char *data, const char *usage)
{
    struct pt_plan *plan = &planned->plan;
    struct pt_error err = {0};
    uint8_t *text = NULL;
    size_t bytes = 0;
    int status = PT_EXIT_OK;
    enum pt_code code = PT_OK;

    planned->open = (struct pt_experiment_open){0};
    if (!path) {
        pt_cmd_say("experiment: which plan? usage: %s", usage);
        return PT_EXIT_USAGE;
    }
    status = pt_experiment_read_plan(path, plan, &text, &bytes);
    pt_free(text);
    if (status) {
        return status;
    }
    code = pt_experiment_open(&planned->open, data, &err);
    if (code == PT_NOT_FOUND && !data && !isnan(plan->baseline) &&
        (pt_plan_is_share(plan->metrics[0].kind) || !isnan(plan->baseline_sd))) {
        code = PT_OK;
    }
    code = code ? code : pt_forecast_make(planned->open.query, plan, &planned->forecast, &err);
    return code ? pt_cmd_failed("experiment", &err) : PT_EXIT_OK;
}

void pt_experiment_planned_release(struct pt_experiment_planned *planned)
{
    pt_experiment_open_release(&planned->open);
}

bool pt_experiment_parse_as_of(const char *text, int64_t *as_of_us_out)
{
    char midnight[32];

    if (strcmp(text, "now") == 0) {
        *as_of_us_out = pt_clock_wall_us(pt_clock_system());
        return true;
    }
    snprintf(midnight, sizeof(midnight), "%.10sT00:00:00Z", text);
    if (!pt_rfc3339_parse(text, strlen(text), as_of_us_out) &&
        !(strlen(text) == 10 && pt_rfc3339_parse(midnight, strlen(midnight), as_of_us_out))) {
        pt_cmd_say("--as-of: \"%s\" is not a time such as 2026-11-01T12:00:00Z, a date, or now",
                   text);
        return false;
    }
    return true;
}

bool pt_experiment_parse_format(const char *text, bool *is_json_out)
{
    *is_json_out = strcmp(text, "json") == 0;
    if (!*is_json_out && strcmp(text, "table") != 0) {
        pt_cmd_say("--format: \"%s\" is not table or json", text);
        return false;
    }
    return true;
}

enum pt_code pt_experiment_print(const struct pt_buf *out, struct pt_error *err)
{
    if (out->has_failed) {
        return pt_fail(err, PT_NO_MEMORY, "no memory for the report");
    }
    if (fwrite(out->data, 1, out->size, stdout) != out->size || fflush(stdout) != 0) {
        return pt_fail(err, PT_IO, "standard output cannot be written");
    }
    return PT_OK;
}
