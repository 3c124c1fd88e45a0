/*
 * main.c - the table of subcommands
 */
#include "cmd/cmd.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *about;
};

static const struct command commands[] = {
    {"serve", pt_cmd_serve, "run everything on one machine"},
    {"simulate", pt_cmd_simulate, "play a synthetic game with known truth through the client SDK"},
    {"import", pt_cmd_import, "send NDJSON, CSV or TSV files through the collector's checks"},
    {"query", pt_cmd_query, "a metric (retention, funnel, revenue, sessions) or any SQL"},
    {"experiment", pt_cmd_experiment, "plan, start and read out experiments: tests, verdict"},
    {"stats", pt_cmd_stats, "power, tests, looks, posteriors: a line of JSON each"},
    {"flags", pt_cmd_flags, "evaluate and check flag definitions"},
    {"schema", pt_cmd_schema, "hold JSON to a JSON Schema"},
    {"lake", pt_cmd_lake, "the Iceberg table: snapshots, compaction, expiry, checks, place"},
    {"dlq", pt_cmd_dlq, "list the events that were refused, and why"},
    {"keys", pt_cmd_keys, "make, list and revoke API keys"},
    {"audit", pt_cmd_audit, "recount everything from the files; exit 1 on any difference"},
    {"backup", pt_cmd_backup, "a consistent copy of the data directory, while the server runs"},
    {"restore", pt_cmd_restore, "make a data directory of a backup"},
    {"doctor", pt_cmd_doctor, "is this installation sound, and if not, what to do"},
    {"config", pt_cmd_config_reference, "print the reference of all settings"},
};

static const size_t command_count = sizeof(commands) / sizeof(commands[0]);

static void print_help(FILE *out)
{
    fputs("Playtrace carries a player's event from the game to a decision.\n\n"
          "usage: playtrace COMMAND [OPTION…]\n\n",
          out);
    for (size_t i = 0; i < command_count; i++) {
        fprintf(out, "  %-12s %s\n", commands[i].name, commands[i].about);
    }
    fputs("\n`playtrace COMMAND --help` tells more; `playtrace --version` which version this is.\n",
          out);
}

int main(int argc, char **argv)
{
    /* A peer or a reader of our output that leaves is an error return, not the end. */
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2) {
        print_help(stderr);
        return PT_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return PT_EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("playtrace " PT_VERSION);
        return PT_EXIT_OK;
    }
    for (size_t i = 0; i < command_count; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            int status = commands[i].run(argc - 1, argv + 1);

            if (fflush(stdout) != 0 && status == PT_EXIT_OK) {
                pt_cmd_say("standard output: it could not be written");
                status = PT_EXIT_FAILED;
            }
            return status;
        }
    }
    pt_cmd_say("%s: no such command; `playtrace --help` lists them", argv[1]);
    return PT_EXIT_USAGE;
}
