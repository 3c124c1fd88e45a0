/*
 * cmd_stats.c - playtrace stats: the statistics over lines of JSON
 *
 * {"fn":NAME,"inputs":{…}} → {"fn":NAME,"result":{…}}, or {"fn":NAME,"line":N,"error":TEXT}. A
 * line's "id" comes back in its answer. docs/statistics.md names the functions.
 */
#include "base/yaml.h"
#include "cmd/cmd.h"
#include "cmd/ndjson.h"
#include "cmd/stats_call.h"

#include <stdio.h>

#define LINE_BYTES_MAX (64u << 20)
#define ARENA_BYTES_MAX (512u << 20)
#define FUNCTIONS_MAX 160

static const struct stats_function *const tables[] = {
    stats_special_functions, stats_two_sample_functions, stats_raw_functions,
    stats_power_functions,   stats_sequential_functions, stats_always_functions,
    stats_bayes_functions,
};

struct desk {
    struct pt_json_parser *parser;
    struct pt_arena arena;
    struct pt_buf result;
    struct pt_buf answer;
    const struct stats_function *functions[FUNCTIONS_MAX];
    const char *names[FUNCTIONS_MAX];
    size_t function_count;
    uint64_t line;
};

static void collect_functions(struct desk *desk)
{
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        for (const struct stats_function *f = tables[i]; f->name; f++) {
            pt_assert(desk->function_count < FUNCTIONS_MAX);
            desk->functions[desk->function_count] = f;
            desk->names[desk->function_count++] = f->name;
        }
    }
}

static const struct stats_function *find(const struct desk *desk, struct pt_span name)
{
    for (size_t i = 0; i < desk->function_count; i++) {
        if (pt_span_is(name, desk->names[i])) {
            return desk->functions[i];
        }
    }
    return NULL;
}

static bool print_answer(struct desk *desk)
{
    pt_buf_append_byte(&desk->answer, '\n');
    if (desk->answer.has_failed || desk->result.has_failed) {
        pt_cmd_say("stats: no memory for the answer to line %llu", (unsigned long long)desk->line);
        return false;
    }
    return fwrite(desk->answer.data, 1, desk->answer.size, stdout) == desk->answer.size;
}

/* The answer's beginning: what the line said about itself. */
static void begin_answer(struct desk *desk, struct pt_jsonw *w, struct pt_json root)
{
    bool is_object = pt_json_exists(root) && pt_json_type(root) == PT_JSON_OBJECT;
    struct pt_json id = is_object ? pt_json_member(root, "id") : (struct pt_json){0};
    struct pt_json fn = is_object ? pt_json_member(root, "fn") : (struct pt_json){0};

    pt_buf_reset(&desk->answer);
    pt_jsonw_init(w, &desk->answer);
    pt_jsonw_object(w);
    if (pt_json_exists(id)) {
        pt_jsonw_key(w, "id");
        pt_jsonw_value(w, id);
    }
    if (pt_json_exists(fn)) {
        pt_jsonw_key(w, "fn");
        pt_jsonw_value(w, fn);
    }
}

static bool refuse(struct desk *desk, struct pt_json root, const char *why)
{
    struct pt_jsonw w;

    begin_answer(desk, &w, root);
    pt_jsonw_member_uint(&w, "line", desk->line);
    pt_jsonw_member_str(&w, "error", why);
    pt_jsonw_object_end(&w);
    return print_answer(desk);
}

static bool refuse_function(struct desk *desk, struct pt_json root, struct pt_span name)
{
    char given[64];
    char why[256];
    const char *near = NULL;

    snprintf(given, sizeof(given), "%.*s", PT_SPAN_ARG(name));
    near = pt_nearest_name(given, desk->names, desk->function_count);
    if (near) {
        snprintf(why, sizeof(why), "there is no function \"%s\"; did you mean \"%s\"?", given,
                 near);
    } else {
        snprintf(why, sizeof(why),
                 "there is no function \"%s\"; `playtrace stats --list` tells them", given);
    }
    return refuse(desk, root, why);
}

static bool answer(struct desk *desk, struct pt_json root, const struct stats_function *function,
                   struct pt_json inputs)
{
    struct pt_jsonw result;
    struct pt_jsonw w;
    struct stats_call call = {
        .fn = function->name, .inputs = inputs, .w = &result, .arena = &desk->arena};

    pt_arena_reset(&desk->arena);
    pt_buf_reset(&desk->result);
    pt_jsonw_init(&result, &desk->result);
    pt_jsonw_object(&result);
    function->run(&call);
    pt_jsonw_object_end(&result);
    if (call.has_failed) {
        return refuse(desk, root, call.err.text);
    }
    begin_answer(desk, &w, root);
    pt_jsonw_key(&w, "result");
    pt_jsonw_raw(&w, pt_buf_span(&desk->result));
    pt_jsonw_object_end(&w);
    return print_answer(desk);
}

static bool take_line(void *ctx, uint64_t number, struct pt_span line)
{
    struct desk *desk = ctx;
    struct pt_error err = {0};
    struct pt_json root = {0};
    struct pt_json fn;
    struct pt_json inputs;
    const struct stats_function *function = NULL;

    desk->line = number;
    if (pt_json_parse(desk->parser, line, &root, NULL, &err)) {
        return refuse(desk, (struct pt_json){0}, err.text);
    }
    if (pt_json_type(root) != PT_JSON_OBJECT) {
        return refuse(desk, root, "a line is an object {\"fn\":…,\"inputs\":{…}}");
    }
    fn = pt_json_member(root, "fn");
    if (!pt_json_exists(fn) || pt_json_type(fn) != PT_JSON_STRING) {
        return refuse(desk, root, "\"fn\" is missing; it is the name of a function");
    }
    function = find(desk, pt_json_string(fn));
    if (!function) {
        return refuse_function(desk, root, pt_json_string(fn));
    }
    inputs = pt_json_member(root, "inputs");
    if (!pt_json_exists(inputs) || pt_json_type(inputs) != PT_JSON_OBJECT) {
        return refuse(desk, root, "\"inputs\" is missing; it is an object of arguments by name");
    }
    return answer(desk, root, function, inputs);
}

/* What each function takes, a line each. */
static int list(struct desk *desk)
{
    for (size_t i = 0; i < desk->function_count; i++) {
        struct pt_jsonw w;
        struct stats_call call = {
            .fn = desk->names[i], .w = &w, .arena = &desk->arena, .is_listing = true};

        pt_buf_reset(&desk->answer);
        pt_jsonw_init(&w, &desk->answer);
        pt_jsonw_object(&w);
        pt_jsonw_member_str(&w, "fn", desk->names[i]);
        pt_jsonw_key(&w, "inputs");
        pt_jsonw_object(&w);
        desk->functions[i]->run(&call);
        pt_jsonw_object_end(&w);
        pt_jsonw_object_end(&w);
        if (!print_answer(desk)) {
            return PT_EXIT_FAILED;
        }
    }
    return PT_EXIT_OK;
}

int pt_cmd_stats(int argc, char **argv)
{
    struct desk desk = {0};
    bool is_list = false;
    const struct pt_option options[] = {
        {"--list", NULL, "print the functions, and what each takes", NULL, &is_list},
        {NULL, NULL, NULL, NULL, NULL},
    };
    struct pt_command_line line = {
        .usage = "playtrace stats [--list] < LINES",
        .about = "Reads lines {\"fn\":NAME,\"inputs\":{…}} from standard input and prints a line "
                 "{\"fn\":NAME,\"result\":{…}} for each; a line that makes no sense gets "
                 "{\"fn\":NAME,\"line\":N,\"error\":TEXT}, and the others go on. NaN is null, "
                 "infinities are \"inf\" and \"-inf\". Try: echo "
                 "'{\"fn\":\"sample_size_prop_arcsine\",\"inputs\":{\"p0\":0.35,\"p1\":0.37,"
                 "\"alpha\":0.05,\"power\":0.8}}' | playtrace stats",
        .options = options,
    };
    int status = pt_command_line_parse(&line, argc, argv);

    if (status >= 0) {
        return status;
    }
    desk.parser = pt_json_parser_create(LINE_BYTES_MAX);
    pt_arena_init(&desk.arena, ARENA_BYTES_MAX);
    pt_buf_init(&desk.result, LINE_BYTES_MAX);
    pt_buf_init(&desk.answer, 2 * LINE_BYTES_MAX);
    collect_functions(&desk);
    if (!desk.parser) {
        pt_cmd_say("stats: no memory");
        status = PT_EXIT_FAILED;
    } else {
        status = is_list ? list(&desk)
                         : pt_cmd_each_numbered_line("stats", LINE_BYTES_MAX, take_line, &desk);
    }
    pt_json_parser_destroy(desk.parser);
    pt_arena_release(&desk.arena);
    pt_buf_release(&desk.result);
    pt_buf_release(&desk.answer);
    return status;
}
