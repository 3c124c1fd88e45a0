/*
 * schema_codegen.c - playtrace schema codegen: typed source for an event
 */
#include "base/io.h"
#include "cmd/cmd.h"
#include "cmd/schema_verbs.h"
#include "schema/codegen.h"
#include "schema/schema.h"

#include <stdio.h>
#include <string.h>

#define SOURCE_BYTES_MAX (16u << 20)

/* "events/purchase.json" is about the event `purchase`. */
static char *name_of_file(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *start = slash ? slash + 1 : path;
    const char *dot = strrchr(start, '.');

    return pt_strndup(start,
                      dot && strcmp(dot, ".json") == 0 ? (size_t)(dot - start) : strlen(start));
}

static int generate(const char *path, const char *name, enum pt_codegen_language language)
{
    char *own_name = name ? NULL : name_of_file(path);
    uint8_t *data = NULL;
    size_t size = 0;
    struct pt_schema *schema = NULL;
    struct pt_buf source;
    struct pt_error err = {0};
    int status = PT_EXIT_OK;

    pt_buf_init(&source, SOURCE_BYTES_MAX);
    if (!name && !own_name) {
        pt_cmd_say("schema codegen: no memory");
        return PT_EXIT_FAILED;
    }
    if (pt_io_read_all(pt_io_posix(), path, PT_SCHEMA_BYTES_MAX, 1, &data, &size, &err) ||
        pt_schema_compile(&schema, pt_span_of(data, size),
                          &(struct pt_schema_options){.draft = PT_SCHEMA_DRAFT_7}, &err) ||
        pt_codegen(pt_span_of(data, size), name ? name : own_name, language, &source, &err)) {
        status = pt_cmd_failed(path, &err);
    } else {
        fwrite(source.data, 1, source.size, stdout);
    }
    pt_schema_destroy(schema);
    pt_buf_release(&source);
    pt_free(data);
    pt_free(own_name);
    return status;
}

int pt_schema_verb_codegen(int argc, char **argv)
{
    const char *language_text = NULL;
    const char *name = NULL;
    const char *path = NULL;
    const struct pt_option options[] = {
        {"--lang", "LANG", "c, cpp or csharp", &language_text, NULL},
        {"--name", "EVENT", "the event's name (default: the file's name)", &name, NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };
    struct pt_command_line line = {
        .usage = "playtrace schema codegen --lang c|cpp|csharp [--name EVENT] FILE",
        .about = "Writes source to standard output that records the event with typed attributes: "
                 "what the "
                 "schema requires cannot be left out.",
        .options = options,
        .positional = &path,
        .positional_max = 1,
    };
    enum pt_codegen_language language = PT_CODEGEN_C;
    int status = pt_command_line_parse(&line, argc, argv);

    if (status >= 0) {
        return status;
    }
    if (!path) {
        pt_cmd_say("schema codegen: FILE is missing; usage: %s", line.usage);
        return PT_EXIT_USAGE;
    }
    if (!language_text || !pt_codegen_language_parse(language_text, &language)) {
        pt_cmd_say("schema codegen: --lang is c, cpp or csharp%s%s%s",
                   language_text ? ", not \"" : "", language_text ? language_text : "",
                   language_text ? "\"" : "");
        return PT_EXIT_USAGE;
    }
    return generate(path, name, language);
}
