/*
 * experiment_report.c - playtrace experiment report: the last look as a page
 */
#include "cmd/cmd.h"
#include "cmd/experiment_verbs.h"
#include "experiment/readout.h"

#include <stdio.h>

#define OUT_BYTES_MAX (64u << 20)

static enum pt_code write_file(const char *path, const struct pt_buf *out, struct pt_error *err)
{
    if (out->has_failed) {
        return pt_fail(err, PT_NO_MEMORY, "no memory for the report");
    }
    return pt_io_replace(pt_io_posix(), path, pt_buf_span(out), 0, err);
}

static enum pt_code report(struct pt_experiment_open *open, const char *name, const char *html,
                           const char *json, struct pt_error *err)
{
    struct pt_readout *readout = pt_alloc_zero(sizeof(*readout));
    struct pt_buf out;
    struct pt_jsonw w;
    enum pt_code code = PT_OK;

    if (!readout) {
        return pt_fail(err, PT_NO_MEMORY, "no memory for the report");
    }
    pt_buf_init(&out, OUT_BYTES_MAX);
    code = pt_readout_run(open->query, open->started, 0, PT_READOUT_REPEAT, readout, err);
    if (!code && html) {
        pt_readout_html(readout, &out);
        code = write_file(html, &out, err);
    }
    if (!code && json) {
        pt_buf_reset(&out);
        pt_jsonw_init(&w, &out);
        pt_readout_json(readout, &w);
        pt_buf_append_byte(&out, '\n');
        code = write_file(json, &out, err);
    }
    if (!code) {
        printf("look %zu of %s: %s%s%s%s%s\n", readout->look_number, name,
               pt_verdict_name(readout->look.verdict), html ? ", in " : "", html ? html : "",
               json ? ", in " : "", json ? json : "");
    }
    pt_buf_release(&out);
    pt_readout_release(readout);
    pt_free(readout);
    return code;
}

int pt_experiment_verb_report(int argc, char **argv)
{
    const char *data = NULL;
    const char *html = NULL;
    const char *json = NULL;
    const char *name = NULL;
    const struct pt_option options[] = {
        {"--html", "FILE", "one self-contained page", &html, NULL},
        {"--json", "FILE", "the same for machines", &json, NULL},
        {"--data", "DIR", "data directory (default $PLAYTRACE_DATA or playtrace-data)", &data,
         NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };
    struct pt_command_line line = {
        .usage = "playtrace experiment report NAME [--html FILE] [--json FILE] [--data DIR]",
        .about = "Writes the last recorded look of a started experiment as a page and as JSON: "
                 "effects with intervals, boundaries, the difference and exposures by day, the "
                 "groups, the plan's hash, and how to reproduce it. It is no new look.",
        .options = options,
        .positional = &name,
        .positional_max = 1,
    };
    struct pt_experiment_open open = {0};
    struct pt_error err = {0};
    enum pt_code code = PT_OK;
    int status = pt_command_line_parse(&line, argc, argv);

    if (status >= 0) {
        return status;
    }
    if (!name || (!html && !json)) {
        pt_cmd_say("experiment: %s; usage: %s",
                   name ? "say --html FILE, --json FILE or both" : "report which experiment?",
                   line.usage);
        return PT_EXIT_USAGE;
    }
    code = pt_experiment_open(&open, data, &err);
    code = code ? code : pt_experiment_open_started(&open, name, &err);
    code = code ? code : report(&open, name, html, json, &err);
    pt_experiment_open_release(&open);
    return code ? pt_cmd_failed("experiment", &err) : PT_EXIT_OK;
}
