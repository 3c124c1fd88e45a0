/*
 * bench_flags.c - what one evaluation of a flag costs
 *
 *     bench_flags FILE SECONDS          (FILE: flags.mjs write)
 *
 * Evaluates the file's flag for each of its contexts, over and over: first with contexts that are
 * parsed already, then with each parsed anew, as a request brings it. One JSON object: evaluations
 * and CPU seconds of both, and how many contexts got which variant, to be held against what the
 * yardstick gives.
 */
#include "flag/flag.h"
#include "support/measure.h"

#include <inttypes.h>

#define FILE_BYTES_MAX (16u << 20)
#define CONTEXTS_MAX 10000

struct bench {
    struct pt_flags *flags;
    char key[128];
    struct pt_json contexts[CONTEXTS_MAX];
    struct pt_buf texts[CONTEXTS_MAX]; /* the contexts as JSON, with padding behind */
    size_t count;
    struct pt_json_parser *file_parser; /* holds the contexts */
    struct pt_json_parser *parser;
    struct pt_buf scratch;
};

static struct bench bench; /* too large for the stack */

static void must(bool is_right, const char *what)
{
    if (!is_right) {
        fprintf(stderr, "bench_flags: %s\n", what);
        exit(1);
    }
}

static double cpu_seconds(void)
{
    return measure_seconds(CLOCK_PROCESS_CPUTIME_ID);
}

static struct pt_json parse(struct pt_json_parser *parser, struct pt_buf *text)
{
    static const char padding[PT_JSON_PADDING];
    struct pt_json root = {0};
    struct pt_error err = {0};

    pt_buf_append(text, padding, sizeof(padding));
    must(!text->has_failed, "no memory");
    text->size -= sizeof(padding);
    must(pt_json_parse(parser, pt_buf_span(text), &root, NULL, &err) == PT_OK, err.text);
    return root;
}

static void load(const char *path)
{
    struct pt_buf flags;
    struct pt_jsonw w;
    uint8_t *data = NULL;
    size_t size = 0;
    struct pt_json root;
    struct pt_json_iter it;
    struct pt_span key;
    struct pt_error err = {0};

    pt_buf_init(&flags, FILE_BYTES_MAX);
    pt_buf_init(&bench.scratch, FILE_BYTES_MAX);
    bench.flags = pt_flags_create(pt_io_posix(), pt_clock_system());
    bench.file_parser = pt_json_parser_create(FILE_BYTES_MAX);
    bench.parser = pt_json_parser_create(FILE_BYTES_MAX);
    must(bench.flags && bench.file_parser && bench.parser, "no memory");
    must(pt_io_read_all(pt_io_posix(), path, FILE_BYTES_MAX, PT_JSON_PADDING, &data, &size, &err) ==
             PT_OK,
         err.text);
    must(pt_json_parse(bench.file_parser, pt_span_of(data, size), &root, NULL, &err) == PT_OK,
         err.text);
    must(pt_json_member_string(root, "key", &key), "the file names no flag");
    snprintf(bench.key, sizeof(bench.key), "%.*s", PT_SPAN_ARG(key));
    pt_jsonw_init(&w, &flags);
    pt_jsonw_value(&w, pt_json_member(root, "flags"));
    must(pt_flags_load(bench.flags, pt_buf_span(&flags), &err) == PT_OK, err.text);
    it = pt_json_iterate(pt_json_member(root, "contexts"));
    while (bench.count < CONTEXTS_MAX && pt_json_next(&it)) {
        struct pt_buf *one = &bench.texts[bench.count];

        pt_buf_init(one, FILE_BYTES_MAX);
        pt_jsonw_init(&w, one);
        pt_jsonw_value(&w, it.value);
        bench.contexts[bench.count++] = it.value;
        (void)parse(bench.parser, one);
    }
    must(bench.count > 0, "the file has no contexts");
    pt_free(data);
    pt_buf_release(&flags);
}

static struct pt_span evaluate(struct pt_json context)
{
    struct pt_flag_evaluation result;

    pt_flags_evaluate(bench.flags, pt_span_str(bench.key), context, PT_FLAG_ANY, &bench.scratch,
                      &result);
    must(result.reason == PT_FLAG_REASON_TARGETING_MATCH, "the rule does not match");
    return result.variant;
}

static void measure(const char *name, bool parses, double seconds)
{
    double start = cpu_seconds();
    uint64_t evaluations = 0;
    double used = 0;

    for (; used < seconds; used = cpu_seconds() - start) {
        for (size_t i = 0; i < bench.count; i++) {
            struct pt_json context = bench.contexts[i];

            if (parses) {
                must(pt_json_parse(bench.parser, pt_buf_span(&bench.texts[i]), &context, NULL,
                                   NULL) == PT_OK,
                     "a context cannot be parsed");
            }
            (void)evaluate(context);
        }
        evaluations += bench.count;
    }
    printf("\"%s\":{\"evaluations\":%" PRIu64 ",\"cpu_seconds\":%.6f},", name, evaluations, used);
}

static void count_variants(void)
{
    static const char *const names[] = {"clear", "bold", "plain"};
    uint64_t counts[3] = {0, 0, 0};

    for (size_t i = 0; i < bench.count; i++) {
        struct pt_span variant = evaluate(bench.contexts[i]);

        for (size_t k = 0; k < 3; k++) {
            counts[k] += pt_span_is(variant, names[k]);
        }
    }
    printf("\"variants\":{\"clear\":%" PRIu64 ",\"bold\":%" PRIu64 ",\"plain\":%" PRIu64 "}}\n",
           counts[0], counts[1], counts[2]);
}

int main(int argc, char **argv)
{
    double seconds = argc == 3 ? strtod(argv[2], NULL) : 0;

    if (!(seconds > 0)) {
        fprintf(stderr, "usage: bench_flags FILE SECONDS\n");
        return 2;
    }
    load(argv[1]);
    putchar('{');
    measure("ready", false, seconds);
    measure("parsed", true, seconds);
    count_variants();
    for (size_t i = 0; i < bench.count; i++) {
        pt_buf_release(&bench.texts[i]);
    }
    pt_buf_release(&bench.scratch);
    pt_json_parser_destroy(bench.parser);
    pt_json_parser_destroy(bench.file_parser);
    pt_flags_destroy(bench.flags);
    return 0;
}
