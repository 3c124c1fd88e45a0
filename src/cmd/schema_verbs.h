/*
 * schema_verbs.h - the verbs of `playtrace schema`
 *
 * Each is a file, schema_<verb>.c, with one function; argv[0] is the verb's name. cmd_schema.c has
 * the table.
 */
#ifndef PT_CMD_SCHEMA_VERBS_H
#define PT_CMD_SCHEMA_VERBS_H

int pt_schema_verb_validate(int argc, char **argv);
int pt_schema_verb_check(int argc, char **argv);
int pt_schema_verb_register(int argc, char **argv);
int pt_schema_verb_codegen(int argc, char **argv);

#endif
