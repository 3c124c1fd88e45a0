/*
 * cmd.h - what the subcommands share: options, messages, exit codes
 *
 * A subcommand is one file, cmd_<name>.c, with one function of the form
 * int pt_cmd_<name>(int argc, char **argv); argv[0] is the subcommand's name.
 * Errors go to standard error as `playtrace: what: why`.
 */
#ifndef PT_CMD_CMD_H
#define PT_CMD_CMD_H

#include "base/config.h"
#include "base/error.h"

enum pt_exit {
    PT_EXIT_OK = 0,
    PT_EXIT_FAILED = 1,
    PT_EXIT_USAGE = 2,
};

struct pt_option {
    const char *name;     /* "--data" */
    const char *argument; /* "DIR", or NULL for a flag */
    const char *help;
    const char **value; /* where the argument goes (argument != NULL); set by the last one given */
    bool *flag;         /* where a flag is noted (argument == NULL) */
};

struct pt_command_line {
    const char *usage;               /* "playtrace query NAME [--data DIR]" */
    const char *about;               /* one or more sentences for --help */
    const struct pt_option *options; /* ends with a NULL name */
    const char **positional;         /* room for positional_max; NULL when 0 */
    size_t positional_max;
    size_t positional_count; /* set */
};

/*
 * Take "--name value" and "--name=value", flags, positionals; "--" ends options. `--help` prints
 * help to standard output. Returns -1 to go on, or the exit code to leave with (help or usage
 * error, said).
 */
int pt_command_line_parse(struct pt_command_line *line, int argc, char **argv);

/* One of a subcommand's verbs, as `playtrace lake verify`. */
struct pt_verb {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0] is "lake verify" */
    const char *about;                 /* a line for --help */
};

/* Run the verb that argv[1] names, list them for --help, or say what is missing. A NULL name ends
 * `verbs`. Returns the exit code. */
int pt_cmd_verb(const char *command, const struct pt_verb *verbs, int argc, char **argv);

/* "playtrace: …" on standard error. */
void pt_cmd_say(const char *format, ...) PT_PRINTF(1, 2);

/* Say `what: err->text`; returns PT_EXIT_FAILED. */
int pt_cmd_failed(const char *what, const struct pt_error *err);

/* "2000" -> 2000; says what is wrong and returns false otherwise. */
bool pt_cmd_parse_int(const char *option, const char *text, int64_t min, int64_t max,
                      int64_t *value_out);

/*
 * Settings for a command: defaults, `config_path` (NULL: none), the environment. NULL after
 * the reason has been said. Pair with pt_config_destroy().
 */
struct pt_config *pt_cmd_config(const char *config_path);

/* The data directory: `given`, else $PLAYTRACE_DATA, else "playtrace-data". */
const char *pt_cmd_data_dir(const char *given);

int pt_cmd_serve(int argc, char **argv);
int pt_cmd_simulate(int argc, char **argv);
int pt_cmd_import(int argc, char **argv);
int pt_cmd_query(int argc, char **argv);
int pt_cmd_experiment(int argc, char **argv);
int pt_cmd_flags(int argc, char **argv);
int pt_cmd_schema(int argc, char **argv);
int pt_cmd_lake(int argc, char **argv);
int pt_cmd_dlq(int argc, char **argv);
int pt_cmd_keys(int argc, char **argv);
int pt_cmd_audit(int argc, char **argv);
int pt_cmd_backup(int argc, char **argv);
int pt_cmd_restore(int argc, char **argv);
int pt_cmd_doctor(int argc, char **argv);
int pt_cmd_config_reference(int argc, char **argv);
int pt_cmd_stats(int argc, char **argv);

#endif
