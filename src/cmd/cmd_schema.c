/*
 * cmd_schema.c - playtrace schema: the table of its verbs
 */
#include "cmd/cmd.h"
#include "cmd/schema_verbs.h"

static const struct pt_verb verbs[] = {
    {"validate", pt_schema_verb_validate, "hold lines of JSON to a JSON Schema"},
    {"check", pt_schema_verb_check, "may one version of a schema follow another"},
    {"register", pt_schema_verb_register, "put a schema into a running server's registry"},
    {"codegen", pt_schema_verb_codegen, "write typed C, C++ or C# for an event from its schema"},
    {NULL, NULL, NULL},
};

int pt_cmd_schema(int argc, char **argv)
{
    return pt_cmd_verb("schema", verbs, argc, argv);
}
