/*
 * fuzz_flags.c - any flag file is loaded or refused; loaded, every flag evaluates within bounds;
 * what lint finds sound is loaded; written from its parts, a file has the same parts again
 *
 * The input is a flag file.
 */
#include "flag/document.h"
#include "flag/flag.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct tools {
    struct pt_flags *flags;
    struct pt_json_parser *parser;
    struct pt_buf scratch;
    struct pt_buf report;
    struct pt_json context;
};

static void take(void *ctx, struct pt_span key, const struct pt_flag_evaluation *evaluation)
{
    size_t offset = 0;
    const char *reason = NULL;

    (void)ctx;
    (void)key;
    pt_assert(pt_json_check(evaluation->metadata, &offset, &reason));
    pt_assert(!evaluation->has_value || pt_json_check(evaluation->value, &offset, &reason));
    pt_assert((evaluation->error != PT_FLAG_ERROR_NONE) ==
              (evaluation->reason == PT_FLAG_REASON_ERROR));
    pt_assert(evaluation->epoch == 0 || evaluation->gate == PT_FLAG_GATE_NONE);
}

static void check_parts(struct pt_span file)
{
    struct pt_arena arena;
    struct pt_flag_parts was = {.arena = &arena};
    struct pt_flag_parts is = {.arena = &arena};
    struct pt_flag_text text = {0};
    struct pt_flag_text again = {0};
    struct pt_buf written;
    struct pt_error err = {0};

    pt_arena_init(&arena, 64 << 20);
    pt_buf_init(&written, PT_FLAGS_FILE_BYTES_MAX);
    if (!pt_flag_text_open(&text, file, &err) && !pt_flag_parts_read(&was, text.root, &err) &&
        !pt_flag_parts_write(&was, &written, &err)) {
        pt_assert(!pt_flag_text_open(&again, pt_buf_span(&written), &err));
        pt_assert(!pt_flag_parts_read(&is, again.root, &err));
        for (size_t i = 0; i < was.count; i++) {
            const struct pt_flag_part *part = &was.items[i];
            const struct pt_flag_part *other = pt_flag_parts_find(&is, part->is_flag, part->name);

            pt_assert(other && pt_span_equal(part->json, other->json));
        }
        pt_assert(is.count == was.count);
    }
    pt_flag_text_close(&text);
    pt_flag_text_close(&again);
    pt_buf_release(&written);
    pt_arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tools t;
    static uint8_t context[64 + PT_JSON_PADDING] = "{\"targetingKey\":\"u1\",\"plan\":\"pro\"}";
    struct pt_span file = pt_span_of(data, size);
    struct pt_error err = {0};
    struct pt_span metadata;
    struct pt_jsonw w;
    bool is_valid = false;

    if (!t.flags) {
        t.flags = pt_flags_create(pt_io_posix(), pt_clock_system());
        t.parser = pt_json_parser_create(1 << 16);
        pt_assert(t.flags && t.parser);
        pt_buf_init(&t.scratch, 64 << 20);
        pt_buf_init(&t.report, 64 << 20);
        pt_assert(
            !pt_json_parse(t.parser, pt_span_str((const char *)context), &t.context, NULL, &err));
        pt_log_set_level(PT_LOG_ERROR);
    }
    if (size > 1 << 14) {
        return 0;
    }
    pt_buf_reset(&t.report);
    pt_jsonw_init(&w, &t.report);
    pt_assert(!pt_flags_lint(file, &w, &is_valid, &err));
    if (!pt_flags_load(t.flags, file, &err)) {
        (void)pt_flags_evaluate_all(t.flags, t.context, &t.scratch, take, NULL, &metadata);
        (void)pt_flags_evaluate_all(t.flags, (struct pt_json){0}, &t.scratch, take, NULL,
                                    &metadata);
    } else {
        pt_assert(err.text[0]);
    }
    check_parts(file);
    return 0;
}
