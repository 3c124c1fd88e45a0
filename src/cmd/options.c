/*
 * options.c - command lines, messages, and what else the subcommands share
 */
#include "cmd/cmd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void pt_cmd_say(const char *format, ...)
{
    va_list args;

    fflush(stdout);
    fputs("playtrace: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

int pt_cmd_failed(const char *what, const struct pt_error *err)
{
    pt_cmd_say("%s: %s", what, err->text);
    return PT_EXIT_FAILED;
}

static void print_help(const struct pt_command_line *line)
{
    printf("usage: %s\n\n%s\n", line->usage, line->about);
    if (line->options[0].name) {
        puts("\noptions:");
    }
    for (const struct pt_option *option = line->options; option->name; option++) {
        char left[64];

        snprintf(left, sizeof(left), "%s %s", option->name,
                 option->argument ? option->argument : "");
        printf("  %-26s %s\n", left, option->help);
    }
}

static const struct pt_option *find_option(const struct pt_command_line *line, const char *text,
                                           size_t bytes)
{
    for (const struct pt_option *option = line->options; option->name; option++) {
        if (strlen(option->name) == bytes && memcmp(option->name, text, bytes) == 0) {
            return option;
        }
    }
    return NULL;
}

/* Takes one option at argv[*at]; false after the mistake has been said. */
static bool take_option(struct pt_command_line *line, int argc, char **argv, int *at)
{
    const char *text = argv[*at];
    const char *equals = strchr(text, '=');
    size_t name_bytes = equals ? (size_t)(equals - text) : strlen(text);
    const struct pt_option *option = find_option(line, text, name_bytes);

    if (!option) {
        pt_cmd_say("%s: %.*s: no such option; usage: %s", argv[0], (int)name_bytes, text,
                   line->usage);
        return false;
    }
    if (!option->argument) {
        if (equals) {
            pt_cmd_say("%s: %s takes no value", argv[0], option->name);
            return false;
        }
        *option->flag = true;
        return true;
    }
    if (equals) {
        *option->value = equals + 1;
        return true;
    }
    if (*at + 1 >= argc) {
        pt_cmd_say("%s: %s needs a value (%s)", argv[0], option->name, option->argument);
        return false;
    }
    *option->value = argv[++*at];
    return true;
}

int pt_command_line_parse(struct pt_command_line *line, int argc, char **argv)
{
    bool options_end = false;

    line->positional_count = 0;
    for (int at = 1; at < argc; at++) {
        const char *text = argv[at];

        if (!options_end && strcmp(text, "--") == 0) {
            options_end = true;
        } else if (!options_end && (strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0)) {
            print_help(line);
            return PT_EXIT_OK;
        } else if (!options_end && text[0] == '-' && text[1] != '\0') {
            if (!take_option(line, argc, argv, &at)) {
                return PT_EXIT_USAGE;
            }
        } else if (line->positional_count == line->positional_max) {
            pt_cmd_say("%s: %s: one argument too many; usage: %s", argv[0], text, line->usage);
            return PT_EXIT_USAGE;
        } else {
            line->positional[line->positional_count++] = text;
        }
    }
    return -1;
}

int pt_cmd_verb(const char *command, const struct pt_verb *verbs, int argc, char **argv)
{
    static char name[64]; /* main()'s thread alone; argv[0] stays as long as argv */

    if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        printf("usage: playtrace %s VERB [OPTION…]\n\n", command);
        for (const struct pt_verb *verb = verbs; verb->name; verb++) {
            printf("  %-12s %s\n", verb->name, verb->about);
        }
        printf("\n`playtrace %s VERB --help` tells more.\n", command);
        return PT_EXIT_OK;
    }
    for (const struct pt_verb *verb = verbs; argc >= 2 && verb->name; verb++) {
        if (strcmp(argv[1], verb->name) == 0) {
            snprintf(name, sizeof(name), "%s %s", command, verb->name);
            argv[1] = name;
            return verb->run(argc - 1, argv + 1);
        }
    }
    pt_cmd_say("%s: %s%s`playtrace %s --help` lists the verbs", command, argc >= 2 ? argv[1] : "",
               argc >= 2 ? ": no such verb; " : "a verb is missing; ", command);
    return PT_EXIT_USAGE;
}

bool pt_cmd_parse_int(const char *option, const char *text, int64_t min, int64_t max,
                      int64_t *value_out)
{
    char *end = NULL;
    long long value = 0;

    errno = 0;
    value = strtoll(text, &end, 10);
    if (errno || end == text || *end || value < min || value > max) {
        pt_cmd_say("%s: \"%s\" is not a whole number from %" PRId64 " to %" PRId64, option, text,
                   min, max);
        return false;
    }
    *value_out = value;
    return true;
}

struct pt_config *pt_cmd_config(const char *config_path)
{
    struct pt_config *config = pt_config_create();
    struct pt_error err = {0};

    if (!config) {
        pt_cmd_say("settings: no memory");
        return NULL;
    }
    if (config_path && pt_config_load_file(config, pt_io_posix(), config_path, &err)) {
        pt_cmd_failed("settings", &err);
        pt_config_destroy(config);
        return NULL;
    }
    if (pt_config_load_environment(config, environ, &err)) {
        pt_cmd_failed("settings", &err);
        pt_config_destroy(config);
        return NULL;
    }
    return config;
}

const char *pt_cmd_data_dir(const char *given)
{
    const char *from_environment = getenv("PLAYTRACE_DATA");

    if (given) {
        return given;
    }
    return from_environment && *from_environment ? from_environment : "playtrace-data";
}
