/*
 * experiment_verbs.h - the verbs of `playtrace experiment`, and what they share
 *
 * Each is a file, experiment_<verb>.c, with one function; argv[0] is the verb's name.
 * cmd_experiment.c has the table.
 */
#ifndef PT_CMD_EXPERIMENT_VERBS_H
#define PT_CMD_EXPERIMENT_VERBS_H

#include "base/mem.h"
#include "cmd/data_dir.h"
#include "experiment/readout.h"
#include "query/query.h"

int pt_experiment_verb_amend(int argc, char **argv);
int pt_experiment_verb_analyze(int argc, char **argv);
int pt_experiment_verb_plan(int argc, char **argv);
int pt_experiment_verb_start(int argc, char **argv);
int pt_experiment_verb_report(int argc, char **argv);
int pt_experiment_verb_simulate(int argc, char **argv);

/* A data directory with a session over its table. */
struct pt_experiment_open {
    struct pt_data_dir dir;
    char *experiments; /* DATA/experiments */
    char *temporary;
    struct pt_query *query;
    struct pt_started *started; /* NULL before pt_experiment_open_started() */
};

/* PT_NOT_FOUND where the directory is not there; a table that is not there is empty. Release in
 * any case. */
enum pt_code pt_experiment_open(struct pt_experiment_open *open, const char *data,
                                struct pt_error *err) PT_MUST_USE;
/* The started experiment of that name; codes as of pt_started_open(). */
enum pt_code pt_experiment_open_started(struct pt_experiment_open *open, const char *name,
                                        struct pt_error *err) PT_MUST_USE;
void pt_experiment_open_release(struct pt_experiment_open *open);

/* Read the plan at `path` into `plan`; every mistake in it is said. The file's text is the
 * caller's to pt_free(). Returns an exit code. */
int pt_experiment_read_plan(const char *path, struct pt_plan *plan, uint8_t **text_out,
                            size_t *bytes_out);

/* A plan that was not started, and what it costs. */
struct pt_experiment_planned {
    struct pt_plan plan;
    struct pt_forecast forecast;
    struct pt_experiment_open open;
};

/*
 * Read the plan at `path` (NULL: `usage` is said) and work out its forecast. A plan that gives its
 * baseline needs no directory where `data` is NULL. Returns an exit code; release in any case.
 */
int pt_experiment_planned_open(struct pt_experiment_planned *planned, const char *path,
                               const char *data, const char *usage);
void pt_experiment_planned_release(struct pt_experiment_planned *planned);

/* "now", a date (its midnight in UTC), or a time with offset; false after the mistake was said. */
bool pt_experiment_parse_as_of(const char *text, int64_t *as_of_us_out);

/* "table" or "json"; false after the mistake was said. */
bool pt_experiment_parse_format(const char *text, bool *is_json_out);

/* All of `out` to standard output. */
enum pt_code pt_experiment_print(const struct pt_buf *out, struct pt_error *err) PT_MUST_USE;

#endif
