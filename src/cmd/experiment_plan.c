/*
 * experiment_plan.c - playtrace experiment plan: what a plan costs
 */
#include "cmd/cmd.h"
#include "cmd/experiment_verbs.h"
#include "experiment/readout.h"

#define OUT_BYTES_MAX (4u << 20)

int pt_experiment_verb_plan(int argc, char **argv)
{
    const char *data = NULL;
    const char *format = "table";
    const char *path = NULL;
    bool is_json = false;
    const struct pt_option options[] = {
        {"--data", "DIR", "data directory (default $PLAYTRACE_DATA or playtrace-data)", &data,
         NULL},
        {"--format", "FORMAT", "table or json (default table)", &format, NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };
    struct pt_command_line line = {
        .usage = "playtrace experiment plan FILE [--data DIR] [--format table|json]",
        .about = "Checks a plan and says what it costs: units an arm, days at the game's traffic, "
                 "boundaries on the scales of z, p and effect, expected units with and without an "
                 "effect. docs/experiments.md names the fields.",
        .options = options,
        .positional = &path,
        .positional_max = 1,
    };
    struct pt_experiment_planned *planned = NULL;
    struct pt_error err = {0};
    struct pt_buf out;
    struct pt_jsonw w;
    enum pt_code code = PT_OK;
    int status = pt_command_line_parse(&line, argc, argv);

    if (status >= 0) {
        return status;
    }
    if (!pt_experiment_parse_format(format, &is_json)) {
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
    if (is_json) {
        pt_jsonw_init(&w, &out);
        pt_forecast_json(&planned->plan, &planned->forecast, &w);
        pt_buf_append_byte(&out, '\n');
    } else {
        pt_forecast_table(&planned->plan, &planned->forecast, &out);
    }
    code = pt_experiment_print(&out, &err);
    status = code ? pt_cmd_failed("experiment", &err) : PT_EXIT_OK;

out:
    pt_buf_release(&out);
    pt_experiment_planned_release(planned);
    pt_free(planned);
    return status;
}
