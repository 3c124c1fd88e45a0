/*
 * flags_history.c - playtrace flags history: who changed what, when and why
 */
#include "cmd/cmd.h"

#include "base/host.h"
#include "cmd/flags_verbs.h"
#include "flag/change.h"
#include "flag/flag.h"

#include <stdio.h>
#include <string.h>

#define RESULT_BYTES_MAX ((size_t)1 << 30)
#define CELL_BYTES_MAX 60 /* of a value in the table; longer ones are cut */

static struct pt_span text_of(struct pt_json object, const char *key)
{
    struct pt_span text = pt_span_str("-");

    (void)pt_json_member_string(object, key, &text);
    return text;
}

static void append_value(struct pt_buf *out, struct pt_json value)
{
    size_t start = out->size;
    struct pt_jsonw w;

    if (!pt_json_exists(value)) {
        pt_buf_append_str(out, "(none)");
        return;
    }
    pt_jsonw_init(&w, out);
    pt_jsonw_value(&w, value);
    if (out->size - start > CELL_BYTES_MAX) {
        out->size = start + CELL_BYTES_MAX;
        while (out->size > start && (out->data[out->size - 1] & 0xc0) == 0x80) {
            out->size--; /* no half characters */
        }
        out->size -= out->size > start && out->data[out->size - 1] >= 0xc0;
        pt_buf_append_str(out, "...");
    }
}

static struct pt_json member(struct pt_json object, struct pt_span key)
{
    return pt_json_exists(object) && pt_json_type(object) == PT_JSON_OBJECT
               ? pt_json_member_span(object, key)
               : (struct pt_json){0};
}

static bool are_equal(struct pt_json a, struct pt_json b)
{
    struct pt_buf texts[2];
    bool is_equal = pt_json_exists(a) == pt_json_exists(b);

    if (!is_equal || !pt_json_exists(a)) {
        return is_equal;
    }
    for (int i = 0; i < 2; i++) {
        struct pt_jsonw w;

        pt_buf_init(&texts[i], RESULT_BYTES_MAX);
        pt_jsonw_init(&w, &texts[i]);
        pt_jsonw_value(&w, i ? b : a);
    }
    is_equal = pt_span_equal(pt_buf_span(&texts[0]), pt_buf_span(&texts[1]));
    pt_buf_release(&texts[0]);
    pt_buf_release(&texts[1]);
    return is_equal;
}

static void append_members(struct pt_buf *out, struct pt_json before, struct pt_json after,
                           const char *prefix, unsigned *count);

/* One member that differs; metadata by its members. */
static void append_difference(struct pt_buf *out, struct pt_span name, struct pt_json before,
                              struct pt_json after, const char *prefix, unsigned *count)
{
    if (are_equal(before, after) || (*prefix && pt_span_is(name, "version"))) {
        return; /* the version rises with every change */
    }
    if (!*prefix && pt_span_is(name, "metadata")) {
        append_members(out, before, after, "metadata.", count);
        return;
    }
    pt_buf_appendf(out, "%s%s%.*s ", (*count)++ > 0 ? "; " : "", prefix, PT_SPAN_ARG(name));
    append_value(out, before);
    pt_buf_append_str(out, " -> ");
    append_value(out, after);
}

static void append_members(struct pt_buf *out, struct pt_json before, struct pt_json after,
                           const char *prefix, unsigned *count)
{
    if (pt_json_exists(before) && pt_json_type(before) == PT_JSON_OBJECT) {
        for (struct pt_json_iter it = pt_json_iterate(before); pt_json_next(&it);) {
            append_difference(out, it.key, it.value, member(after, it.key), prefix, count);
        }
    }
    if (pt_json_exists(after) && pt_json_type(after) == PT_JSON_OBJECT) {
        for (struct pt_json_iter it = pt_json_iterate(after); pt_json_next(&it);) {
            if (!pt_json_exists(member(before, it.key))) {
                append_difference(out, it.key, (struct pt_json){0}, it.value, prefix, count);
            }
        }
    }
}

static void append_change(struct pt_buf *out, struct pt_json change)
{
    struct pt_json before = pt_json_member(change, "before");
    struct pt_json after = pt_json_member(change, "after");
    unsigned count = 0;

    pt_buf_appendf(out, "%.*s: ", PT_SPAN_ARG(text_of(change, "pointer")));
    if (!pt_json_exists(before) || !pt_json_exists(after)) {
        pt_buf_append_str(out, pt_json_exists(after) ? "added" : "deleted");
        return;
    }
    append_members(out, before, after, "", &count);
    if (count == 0) {
        pt_buf_append_str(out, "changed");
    }
}

static void append_changes(struct pt_buf *out, struct pt_json changes)
{
    for (struct pt_json_iter it = pt_json_iterate(changes); pt_json_next(&it);) {
        pt_buf_append_str(out, "    ");
        append_change(out, it.value);
        pt_buf_append_byte(out, '\n');
    }
}

static void append_line(struct pt_buf *out, struct pt_json line)
{
    struct pt_span kind = text_of(line, "kind");
    int64_t seq = 0;
    int64_t of = 0;

    (void)pt_json_member_int(line, "seq", &seq);
    pt_buf_appendf(out, "%4lld  %.*s  %-12.*s  ", (long long)seq, PT_SPAN_ARG(text_of(line, "at")),
                   PT_SPAN_ARG(text_of(line, "by")));
    if (pt_span_is(kind, "outside")) {
        pt_buf_append_str(out, "edited outside");
    } else if (pt_span_is(kind, "found")) {
        pt_buf_append_str(out, "found, as the history began");
    } else if (pt_span_is(kind, "void")) {
        pt_buf_append_str(out, "did not happen");
    } else {
        pt_buf_appendf(out, "%.*s", PT_SPAN_ARG(kind));
    }
    if (pt_json_member_int(line, "of", &of)) {
        pt_buf_appendf(out, ": change %lld", (long long)of);
    }
    if (pt_json_type(pt_json_member(line, "why")) == PT_JSON_STRING) {
        pt_buf_appendf(out, "  (%.*s)", PT_SPAN_ARG(text_of(line, "why")));
    }
    pt_buf_append_byte(out, '\n');
    append_changes(out, pt_json_member(line, "changes"));
}

static bool print_table(struct pt_buf *json)
{
    struct pt_json_parser *parser = pt_json_parser_create(RESULT_BYTES_MAX);
    struct pt_json root;
    struct pt_error err = {0};
    struct pt_buf out;
    bool is_done = false;

    pt_buf_init(&out, RESULT_BYTES_MAX);
    if (!parser || !pt_buf_reserve(json, PT_JSON_PADDING)) {
        pt_cmd_say("flags history: no memory");
        goto out;
    }
    if (pt_json_parse(parser, pt_buf_span(json), &root, NULL, &err)) {
        pt_cmd_failed("flags history", &err);
        goto out;
    }
    for (struct pt_json_iter it = pt_json_iterate(pt_json_member(root, "changes"));
         pt_json_next(&it);) {
        append_line(&out, it.value);
    }
    struct pt_span standing = text_of(root, "standing");

    if (pt_span_is(standing, "edited_outside")) {
        struct pt_json outside = pt_json_member(root, "outside");

        pt_buf_append_str(&out, "      edited outside since:\n");
        if (pt_json_type(outside) == PT_JSON_ARRAY) {
            append_changes(&out, outside);
        } else {
            pt_buf_append_str(&out, "    the file is no flag file any more\n");
        }
    } else if (pt_span_is(standing, "not_in_effect")) {
        pt_buf_append_str(&out, "      the newest change is not in the file: it was interrupted; "
                                "say it again\n");
    } else if (pt_span_is(standing, "unrecorded")) {
        pt_buf_append_str(&out, "no history yet: it begins with the first `playtrace flags set`\n");
    }
    pt_buf_appendf(&out, "newest line: %.*s\n",
                   PT_SPAN_ARG(text_of(pt_json_member(root, "head"), "sha256")));
    is_done = !out.has_failed && fwrite(out.data, 1, out.size, stdout) == out.size;

out:
    pt_buf_release(&out);
    pt_json_parser_destroy(parser);
    return is_done;
}

/* The directory that `path` is in; false after saying that there is none. */
static bool has_directory(const char *path)
{
    struct pt_host_file look = {0};
    struct pt_error err = {0};
    char *dir = pt_io_parent(path);
    enum pt_code code =
        dir ? pt_host_look(dir, &look, &err) : pt_fail(&err, PT_NO_MEMORY, "%s: no memory", path);

    if (code == PT_NOT_FOUND || (!code && !look.is_dir)) {
        code = pt_fail(&err, PT_NOT_FOUND, "there is no directory %s", dir);
    }
    if (code) {
        pt_cmd_failed("flags history", &err);
    }
    pt_free(dir);
    return !code;
}

int pt_flags_verb_history(int argc, char **argv)
{
    const char *words[1] = {NULL};
    const char *file = NULL;
    const char *data = NULL;
    const char *format = "table";
    const struct pt_option options[] = {
        {"--data", "DIR", "data directory (default $PLAYTRACE_DATA or playtrace-data)", &data,
         NULL},
        {"--flags", "FILE", "another file than the data directory's flags.json", &file, NULL},
        {"--format", "table|json", "for people, or one JSON object", &format, NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };
    struct pt_command_line line = {
        .usage = "playtrace flags history [KEY] [--format table|json]",
        .about = "Print every change of the flags, or of one: who, when, what, why. Exits 1 where "
                 "the history was tampered with; a file that was edited by hand is told.",
        .options = options,
        .positional = words,
        .positional_max = 1,
    };
    struct pt_error err = {0};
    struct pt_buf result;
    struct pt_jsonw w;
    char *path = NULL;
    int status = pt_command_line_parse(&line, argc, argv);

    if (status >= 0) {
        return status;
    }
    if (strcmp(format, "table") != 0 && strcmp(format, "json") != 0) {
        pt_cmd_say("flags history: --format is table or json, not \"%s\"", format);
        return PT_EXIT_USAGE;
    }
    path = pt_flags_path(file, data);
    if (!path) {
        return PT_EXIT_FAILED;
    }
    status = PT_EXIT_FAILED;
    pt_buf_init(&result, RESULT_BYTES_MAX);
    pt_jsonw_init(&w, &result);
    if (!has_directory(path)) {
        goto out;
    }
    if (pt_flag_history_show(pt_io_posix(), path, pt_span_str(words[0] ? words[0] : ""), &w,
                             &err)) {
        pt_cmd_failed("flags history", &err);
    } else if (strcmp(format, "json") == 0) {
        status = printf("%.*s\n", (int)result.size, (const char *)result.data) > 0 ? PT_EXIT_OK
                                                                                   : PT_EXIT_FAILED;
    } else {
        status = print_table(&result) ? PT_EXIT_OK : PT_EXIT_FAILED;
    }

out:
    pt_buf_release(&result);
    pt_free(path);
    return status;
}
