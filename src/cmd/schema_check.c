/*
 * schema_check.c - playtrace schema check: may one version of a schema follow another
 */
#include "base/io.h"
#include "cmd/cmd.h"
#include "cmd/schema_verbs.h"
#include "schema/compat.h"

#include <stdio.h>

static int check(const char *const paths[2], enum pt_compat_mode mode, bool is_lenient)
{
    struct pt_compat_document documents[2] = {{.resolve = NULL}, {.resolve = NULL}};
    struct pt_compat_report *report = pt_alloc_zero(sizeof(*report));
    uint8_t *data[2] = {NULL, NULL};
    struct pt_buf text;
    struct pt_jsonw w;
    struct pt_error err = {0};
    int status = PT_EXIT_OK;

    pt_buf_init(&text, 1u << 20);
    if (!report) {
        pt_cmd_say("schema check: no memory");
        return PT_EXIT_FAILED;
    }
    for (int i = 0; i < 2 && !status; i++) {
        size_t size = 0;

        if (pt_io_read_all(pt_io_posix(), paths[i], PT_SCHEMA_BYTES_MAX, 1, &data[i], &size,
                           &err)) {
            status = pt_cmd_failed("schema check", &err);
        }
        documents[i].json = pt_span_of(data[i], size);
    }
    if (!status && pt_compat_check(&documents[0], &documents[1], mode, is_lenient, report, &err)) {
        status = pt_cmd_failed("schema check", &err);
    }
    if (!status) {
        pt_jsonw_init(&w, &text);
        pt_jsonw_object(&w);
        pt_jsonw_member_bool(&w, "compatible", report->is_compatible);
        pt_jsonw_key(&w, "reasons");
        pt_compat_write_reasons(&w, report);
        pt_jsonw_object_end(&w);
        pt_buf_append_byte(&text, '\n');
        fwrite(text.data, 1, text.size, stdout);
        status = report->is_compatible ? PT_EXIT_OK : PT_EXIT_FAILED;
    }
    pt_free(data[0]);
    pt_free(data[1]);
    pt_free(report);
    pt_buf_release(&text);
    return status;
}

int pt_schema_verb_check(int argc, char **argv)
{
    const char *mode_text = "BACKWARD";
    const char *paths[2] = {NULL, NULL};
    bool is_lenient = false;
    const struct pt_option options[] = {
        {"--mode", "MODE",
         "BACKWARD (default), FORWARD, FULL, their _TRANSITIVE forms (the same for two), or NONE",
         &mode_text, NULL},
        {"--lenient", NULL, "Confluent's lenient policy: a new property of an open object goes",
         NULL, &is_lenient},
        {NULL, NULL, NULL, NULL, NULL},
    };
    struct pt_command_line line = {
        .usage = "playtrace schema check [--mode MODE] [--lenient] OLD NEW",
        .about = "Prints {\"compatible\":…,\"reasons\":[{\"kind\",\"direction\",\"old\",\"new\","
                 "\"detail\"}]}; exits 0 where the new schema may follow the old one, 1 where not.",
        .options = options,
        .positional = paths,
        .positional_max = 2,
    };
    enum pt_compat_mode mode = PT_COMPAT_BACKWARD;
    int status = pt_command_line_parse(&line, argc, argv);

    if (status >= 0) {
        return status;
    }
    if (line.positional_count != 2) {
        pt_cmd_say("schema check: two files are needed; usage: %s", line.usage);
        return PT_EXIT_USAGE;
    }
    if (!pt_compat_mode_parse(pt_span_str(mode_text), &mode)) {
        pt_cmd_say(
            "schema check: --mode is BACKWARD, FORWARD, FULL, one of these with _TRANSITIVE, or "
            "NONE, not \"%s\"",
            mode_text);
        return PT_EXIT_USAGE;
    }
    return check(paths, mode, is_lenient);
}
