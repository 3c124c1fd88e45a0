/*
 * cmd_flags.c - playtrace flags: eval, lint, logic; set and history have files of their own
 */
#include "cmd/cmd.h"
#include "cmd/flags_verbs.h"
#include "cmd/ndjson.h"
#include "flag/flag.h"

#include <stdio.h>
#include <string.h>

#define LINE_BYTES_MAX (1u << 20)
#define ANSWER_BYTES_MAX (PT_FLAGS_FILE_BYTES_MAX + LINE_BYTES_MAX)

/* What one evaluation needs besides the flags. */
struct desk {
    struct pt_flags *flags;
    struct pt_json_parser *context_parser; /* of --context, or of a line */
    struct pt_json_parser *default_parser; /* of --default */
    struct pt_buf scratch;
    struct pt_buf answer;
};

static bool desk_open(struct desk *desk)
{
    desk->flags = pt_flags_create(pt_io_posix(), pt_clock_system());
    desk->context_parser = pt_json_parser_create(LINE_BYTES_MAX);
    desk->default_parser = pt_json_parser_create(LINE_BYTES_MAX);
    pt_buf_init(&desk->scratch, ANSWER_BYTES_MAX);
    pt_buf_init(&desk->answer, ANSWER_BYTES_MAX);
    return desk->flags && desk->context_parser && desk->default_parser;
}

static void desk_close(struct desk *desk)
{
    pt_flags_destroy(desk->flags);
    pt_json_parser_destroy(desk->context_parser);
    pt_json_parser_destroy(desk->default_parser);
    pt_buf_release(&desk->scratch);
    pt_buf_release(&desk->answer);
}

static bool print_answer(struct desk *desk)
{
    pt_buf_append_byte(&desk->answer, '\n');
    if (desk->answer.has_failed) {
        pt_cmd_say("flags: no memory for the answer");
        return false;
    }
    return fwrite(desk->answer.data, 1, desk->answer.size, stdout) == desk->answer.size;
}

static void write_evaluation(struct pt_jsonw *w, struct pt_span key, struct pt_json fallback,
                             const struct pt_flag_evaluation *evaluation)
{
    pt_jsonw_object(w);
    pt_jsonw_key(w, "key");
    pt_jsonw_string(w, key);
    pt_jsonw_key(w, "value");
    if (evaluation->has_value) {
        pt_jsonw_raw(w, evaluation->value);
    } else if (pt_json_exists(fallback)) {
        pt_jsonw_value(w, fallback);
    } else {
        pt_jsonw_null(w);
    }
    pt_jsonw_key(w, "variant");
    if (evaluation->has_value) {
        pt_jsonw_string(w, evaluation->variant);
    } else {
        pt_jsonw_null(w);
    }
    pt_jsonw_member_str(w, "reason", pt_flag_reason_name(evaluation->reason));
    if (evaluation->error) {
        pt_jsonw_member_str(w, "errorCode", pt_flag_error_name(evaluation->error));
        pt_jsonw_member_str(w, "errorDetails", evaluation->detail);
    }
    pt_jsonw_key(w, "metadata");
    pt_jsonw_raw(w, evaluation->metadata);
    pt_jsonw_object_end(w);
}

static bool evaluate(struct desk *desk, struct pt_span key, struct pt_json context,
                     enum pt_flag_type type, struct pt_json fallback)
{
    struct pt_flag_evaluation evaluation;
    struct pt_jsonw w;

    pt_flags_evaluate(desk->flags, key, context, type, &desk->scratch, &evaluation);
    pt_buf_reset(&desk->answer);
    pt_jsonw_init(&w, &desk->answer);
    write_evaluation(&w, key, fallback, &evaluation);
    return print_answer(desk);
}

/* Parse a command-line value; its bytes live in `buf`. False after saying what is wrong. */
static bool parse_value(const char *option, const char *text, struct pt_json_parser *parser,
                        struct pt_buf *buf, struct pt_json *value_out)
{
    struct pt_error err = {0};
    size_t bytes = strlen(text);

    pt_buf_append(buf, text, bytes);
    if (!pt_buf_reserve(buf, PT_JSON_PADDING)) {
        pt_cmd_say("%s: too long", option);
        return false;
    }
    memset(buf->data + bytes, 0, PT_JSON_PADDING);
    if (pt_json_parse(parser, pt_buf_span(buf), value_out, NULL, &err)) {
        pt_cmd_say("%s: %s", option, err.text);
        return false;
    }
    return true;
}

/* ---- lines ---- */

/* A line that asks for nothing that can be evaluated gets an answer of its own. */
static bool refuse_line(struct desk *desk, struct pt_span key, enum pt_flag_error error,
                        const char *detail)
{
    struct pt_flag_evaluation evaluation = {.reason = PT_FLAG_REASON_ERROR, .error = error};
    struct pt_jsonw w;

    snprintf(evaluation.detail, sizeof(evaluation.detail), "%s", detail);
    evaluation.metadata = pt_span_str("{}");
    pt_buf_reset(&desk->answer);
    pt_jsonw_init(&w, &desk->answer);
    write_evaluation(&w, key, (struct pt_json){0}, &evaluation);
    return print_answer(desk);
}

/* {"key","context","type","default"}; `line` has padding behind it. */
static bool evaluate_line(void *ctx, struct pt_span line)
{
    struct desk *desk = ctx;
    struct pt_error err = {0};
    struct pt_json root;
    struct pt_span key = {0};
    struct pt_span type_name = {0};
    enum pt_flag_type type = PT_FLAG_ANY;

    if (pt_json_parse(desk->context_parser, line, &root, NULL, &err)) {
        return refuse_line(desk, key, PT_FLAG_ERROR_PARSE_ERROR, err.text);
    }
    if (pt_json_type(root) != PT_JSON_OBJECT || !pt_json_member_string(root, "key", &key)) {
        return refuse_line(desk, key, PT_FLAG_ERROR_PARSE_ERROR,
                           "a line is an object with \"key\", a string");
    }
    if (pt_json_exists(pt_json_member(root, "type")) &&
        (!pt_json_member_string(root, "type", &type_name) ||
         !pt_flag_type_parse(type_name, &type))) {
        return refuse_line(desk, key, PT_FLAG_ERROR_PARSE_ERROR,
                           "\"type\" is boolean, string, integer, float or object");
    }
    return evaluate(desk, key, pt_json_member(root, "context"), type,
                    pt_json_member(root, "default"));
}

/* ---- subcommands ---- */

struct given {
    const char *flags;
    const char *data;
    const char *context;
    const char *type;
    const char *fallback;
};

static int evaluate_key(struct desk *desk, const struct given *given, const char *key)
{
    struct pt_json context = {0};
    struct pt_json fallback = {0};
    enum pt_flag_type type = PT_FLAG_ANY;
    struct pt_buf context_text;
    struct pt_buf default_text;
    int status = PT_EXIT_USAGE;

    pt_buf_init(&context_text, LINE_BYTES_MAX);
    pt_buf_init(&default_text, LINE_BYTES_MAX);
    if (given->type && !pt_flag_type_parse(pt_span_str(given->type), &type)) {
        pt_cmd_say("--type: \"%s\" is not boolean, string, integer, float or object", given->type);
        goto out;
    }
    if ((given->context && !parse_value("--context", given->context, desk->context_parser,
                                        &context_text, &context)) ||
        (given->fallback && !parse_value("--default", given->fallback, desk->default_parser,
                                         &default_text, &fallback))) {
        goto out;
    }
    status =
        evaluate(desk, pt_span_str(key), context, type, fallback) ? PT_EXIT_OK : PT_EXIT_FAILED;

out:
    pt_buf_release(&context_text);
    pt_buf_release(&default_text);
    return status;
}

static int eval(const struct given *given, const char *key)
{
    struct desk desk = {0};
    struct pt_error err = {0};
    char *path = NULL;
    int status = PT_EXIT_FAILED;

    if (!desk_open(&desk)) {
        pt_cmd_say("flags: no memory");
        goto out;
    }
    path = pt_flags_path(given->flags, given->data);
    if (!path) {
        goto out;
    }
    if (pt_flags_load_file(desk.flags, path, &err)) {
        status = pt_cmd_failed("flags", &err);
        goto out;
    }
    status = key ? evaluate_key(&desk, given, key)
                 : pt_cmd_each_line("flags eval", LINE_BYTES_MAX, evaluate_line, &desk);

out:
    pt_free(path);
    desk_close(&desk);
    return status;
}

/* ---- rules ---- */

static bool answer_rule(void *ctx, struct pt_span line)
{
    struct desk *desk = ctx;
    struct pt_error err = {0};
    struct pt_json root;
    struct pt_jsonw w;

    pt_buf_reset(&desk->answer);
    pt_jsonw_init(&w, &desk->answer);
    if (pt_json_parse(desk->context_parser, line, &root, NULL, &err) ||
        pt_flag_logic(root, &w, &err)) {
        pt_jsonw_object(&w);
        pt_jsonw_member_str(&w, "error", err.text);
        pt_jsonw_object_end(&w);
    }
    return print_answer(desk);
}

static int logic(void)
{
    struct desk desk = {0};
    int status = PT_EXIT_FAILED;

    if (desk_open(&desk)) {
        status = pt_cmd_each_line("flags logic", LINE_BYTES_MAX, answer_rule, &desk);
    } else {
        pt_cmd_say("flags: no memory");
    }
    desk_close(&desk);
    return status;
}

static enum pt_code read_file(const char *path, struct pt_buf *text, struct pt_error *err)
{
    struct pt_io *io = pt_io_posix();
    struct pt_file *file = NULL;
    uint64_t bytes = 0;
    size_t got = 0;
    enum pt_code code = pt_io_open(io, path, PT_OPEN_READ, &file, err);

    if (code) {
        return code;
    }
    code = pt_io_size(io, file, &bytes, err);
    if (!code && bytes > PT_FLAGS_FILE_BYTES_MAX) {
        code = pt_fail(err, PT_TOO_BIG, "%s: a flag file has at most %u bytes", path,
                       PT_FLAGS_FILE_BYTES_MAX);
    }
    if (!code && !pt_buf_reserve(text, (size_t)bytes + 1)) {
        code = pt_fail(err, PT_NO_MEMORY, "%s: no memory", path);
    }
    if (!code) {
        code = pt_io_read(io, file, 0, text->data, (size_t)bytes, &got, err);
        text->size = got;
    }
    pt_io_close(io, file);
    return code;
}

static int lint(const char *path)
{
    struct pt_buf text;
    struct pt_buf report;
    struct pt_jsonw w;
    struct pt_error err = {0};
    bool is_valid = false;
    int status = PT_EXIT_FAILED;

    pt_buf_init(&text, PT_FLAGS_FILE_BYTES_MAX + 1);
    pt_buf_init(&report, 4 * PT_FLAGS_FILE_BYTES_MAX);
    pt_jsonw_init(&w, &report);
    if (read_file(path, &text, &err) || pt_flags_lint(pt_buf_span(&text), &w, &is_valid, &err)) {
        pt_cmd_failed("flags", &err);
    } else {
        printf("%.*s\n", (int)report.size, (const char *)report.data);
        status = is_valid ? PT_EXIT_OK : PT_EXIT_FAILED;
    }
    pt_buf_release(&report);
    pt_buf_release(&text);
    return status;
}

int pt_cmd_flags(int argc, char **argv)
{
    struct given given = {0};
    const char *words[2] = {NULL, NULL};
    const struct pt_option options[] = {
        {"--flags", "FILE", "flag definitions (default flags.json in the data directory)",
         &given.flags, NULL},
        {"--data", "DIR", "data directory (default $PLAYTRACE_DATA or playtrace-data)", &given.data,
         NULL},
        {"--context", "JSON", "evaluation context, such as {\"targetingKey\":\"u1\"}",
         &given.context, NULL},
        {"--type", "TYPE", "boolean, string, integer, float or object: what the value must be",
         &given.type, NULL},
        {"--default", "JSON", "the value where the flag gives none", &given.fallback, NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };
    struct pt_command_line line = {
        .usage = "playtrace flags eval [--flags FILE] [--context JSON] [--type TYPE] "
                 "[--default JSON] [KEY] | playtrace flags lint FILE | playtrace flags logic | "
                 "playtrace flags set … | playtrace flags history …",
        .about =
            "eval prints a flag's {\"key\",\"value\",\"variant\",\"reason\",\"metadata\"}; "
            "without KEY it reads lines {\"key\",\"context\",\"type\",\"default\"} from "
            "standard input and prints a line for each. lint checks a file of definitions, "
            "prints every mistake as JSON, and exits 1 where there is one. logic reads lines "
            "{\"rule\",\"data\"} from standard input, runs each JSONLogic rule over its data, and "
            "prints {\"result\"} or {\"error\"}. set changes flags, history shows their changes "
            "(`playtrace flags set --help`).",
        .options = options,
        .positional = words,
        .positional_max = 2,
    };
    int status = -1;

    if (argc >= 2 && strcmp(argv[1], "set") == 0) {
        return pt_flags_verb_set(argc - 1, argv + 1);
    }
    if (argc >= 2 && strcmp(argv[1], "history") == 0) {
        return pt_flags_verb_history(argc - 1, argv + 1);
    }
    status = pt_command_line_parse(&line, argc, argv);
    if (status >= 0) {
        return status;
    }
    if (words[0] && strcmp(words[0], "eval") == 0) {
        if (!words[1] && (given.context || given.type || given.fallback)) {
            pt_cmd_say("flags eval: --context, --type and --default go with a KEY; lines bring "
                       "their own");
            return PT_EXIT_USAGE;
        }
        return eval(&given, words[1]);
    }
    if (words[0] && strcmp(words[0], "lint") == 0 && words[1]) {
        return lint(words[1]);
    }
    if (words[0] && strcmp(words[0], "logic") == 0 && !words[1]) {
        return logic();
    }
    pt_cmd_say("flags: say `eval`, `logic`, `set`, `history`, or `lint` and a file; usage: %s",
               line.usage);
    return PT_EXIT_USAGE;
}
