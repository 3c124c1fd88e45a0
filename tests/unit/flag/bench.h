/*
 * bench.h - a set of flags and what asking it needs
 *
 * For the tests of evaluation: test_flag.c, test_govern.c.
 */
#ifndef PT_TESTS_FLAG_BENCH_H
#define PT_TESTS_FLAG_BENCH_H

#include "check.h"

#include "flag/flag.h"

struct bench {
    struct pt_flags *flags;
    struct pt_json_parser *parser;
    struct pt_buf context;
    struct pt_buf scratch;
    struct pt_flag_evaluation got; /* what was asked last */
};

static inline void bench_open(struct bench *b)
{
    b->flags = pt_flags_create(pt_io_posix(), pt_clock_system());
    b->parser = pt_json_parser_create(4u << 20);
    assert_non_null(b->flags);
    assert_non_null(b->parser);
    pt_buf_init(&b->context, 4u << 20);
    pt_buf_init(&b->scratch, 4u << 20);
}

static inline void bench_close(struct bench *b)
{
    pt_flags_destroy(b->flags);
    pt_json_parser_destroy(b->parser);
    pt_buf_release(&b->context);
    pt_buf_release(&b->scratch);
}

static inline void load(struct bench *b, const char *file)
{
    struct pt_error err = {0};

    PT_CHECK_OK(pt_flags_load(b->flags, pt_span_str(file), &err), err);
}

/* `context` is JSON; NULL: there is none. */
static inline const struct pt_flag_evaluation *eval(struct bench *b, const char *key,
                                                    const char *context, enum pt_flag_type type)
{
    struct pt_json value = {0};
    struct pt_error err = {0};

    if (context) {
        pt_buf_reset(&b->context);
        pt_buf_append_str(&b->context, context);
        assert_non_null(pt_buf_reserve(&b->context, PT_JSON_PADDING));
        PT_CHECK_OK(pt_json_parse(b->parser, pt_buf_span(&b->context), &value, NULL, &err), err);
    }
    pt_flags_evaluate(b->flags, pt_span_str(key), value, type, &b->scratch, &b->got);
    return &b->got;
}

#endif
