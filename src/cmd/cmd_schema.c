/*
 * cmd_schema.c - playtrace schema: the table of its verbs
 */
#include "cmd/cmd.h"
#include "cmd/schema_verbs.h"

#include <stdio.h>
#include <string.h>

static const struct verb {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *about;
} verbs[] = {
    {"validate", pt_schema_verb_validate, "hold lines of JSON to a JSON Schema"},
    {"check", pt_schema_verb_check, "may one version of a schema follow another"},
    {"register", pt_schema_verb_register, "put a schema into a running server's registry"},
    {"codegen", pt_schema_verb_codegen, "write typed C, C++ or C# for an event from its schema"},
};

static const size_t verb_count = sizeof(verbs) / sizeof(verbs[0]);

int pt_cmd_schema(int argc, char **argv)
{
    if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        puts("usage: playtrace schema VERB [OPTION…]\n");
        for (size_t i = 0; i < verb_count; i++) {
            printf("  %-12s %s\n", verbs[i].name, verbs[i].about);
        }
        puts("\n`playtrace schema VERB --help` tells more.");
        return PT_EXIT_OK;
    }
    for (size_t i = 0; argc >= 2 && i < verb_count; i++) {
        if (strcmp(argv[1], verbs[i].name) == 0) {
            return verbs[i].run(argc - 1, argv + 1);
        }
    }
    pt_cmd_say("schema: %s%s`playtrace schema --help` lists the verbs", argc >= 2 ? argv[1] : "",
               argc >= 2 ? ": no such verb; " : "a verb is missing; ");
    return PT_EXIT_USAGE;
}
