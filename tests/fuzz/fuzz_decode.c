/*
 * fuzz_decode.c - any body is refused whole, or each of its events has a record or a dead letter
 *
 * The first byte chooses JSON or NDJSON and the encoding; the rest is the body.
 */
#include "collect/decode.h"

#include "base/compress.h"
#include "base/io.h"
#include "base/mem.h"

#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct pt_decoder *decoder;
static struct pt_decode_env env = {
    .limits =
        {
            .events_max = 100,
            .record_bytes_max = 1 << 20,
            .clock_tolerance_us = 5000000,
            .event_age_us_max = INT64_C(34560000000000),
            .attributes_max = 64,
            .depth_max = 8,
            .key_bytes_max = 64,
            .value_bytes_max = 4096,
        },
};
static struct pt_pseudonyms *pseudonyms;

static void set_up(void)
{
    char dir[] = "/tmp/playtrace-fuzz-XXXXXX";

    pt_assert(mkdtemp(dir) != NULL);
    pt_assert(pt_pseudonyms_open(&pseudonyms, pt_io_posix(), dir, true, NULL) == PT_OK);
    env.pseudonyms = pseudonyms;
    env.cardinality = pt_cardinality_create(200, 10000, NULL);
    decoder = pt_decoder_create(1 << 20, 1 << 20);
    pt_assert(decoder && env.cardinality);
}

static void check(uint32_t events)
{
    const uint8_t *at = decoder->records.data;
    size_t sum = 0;

    pt_assert(decoder->record_sizes.count + decoder->dead_sizes.count == events);
    for (uint32_t i = 0; i < decoder->record_sizes.count; i++) {
        struct pt_event event;

        pt_assert(pt_event_decode(at, decoder->record_sizes.values[i], &event));
        at += decoder->record_sizes.values[i];
        sum += decoder->record_sizes.values[i];
    }
    pt_assert(sum == decoder->records.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct pt_place nowhere;
    struct pt_buf body;
    struct pt_error err = {0};
    struct pt_json_parser *parser = NULL;
    enum pt_code code = PT_OK;

    if (size == 0 || size > (1 << 16)) {
        return 0;
    }
    if (!decoder) {
        set_up();
    }
    pt_buf_init(&body, 1 << 20);
    switch (data[0] >> 6) {
    case 1:
        code = pt_gzip_decompress(pt_span_of(data + 1, size - 1), &body, &err);
        break;
    case 2:
        code = pt_zstd_decompress(pt_span_of(data + 1, size - 1), &body, &err);
        break;
    default:
        pt_buf_append(&body, data + 1, size - 1);
    }
    if (!code && pt_buf_reserve(&body, PT_JSON_PADDING)) {
        memset(body.data + body.size, 0, PT_JSON_PADDING);
        code = pt_decode_body(decoder, data[0] & 1 ? PT_BODY_NDJSON : PT_BODY_JSON,
                              pt_buf_span(&body), INT64_C(1793534400000000), &nowhere, &env, &err);
        if (!code && !(data[0] & 1)) {
            struct pt_json root;

            parser = pt_json_parser_create(1 << 20);
            pt_assert(parser &&
                      pt_json_parse(parser, pt_buf_span(&body), &root, NULL, &err) == PT_OK);
            check(pt_json_count(pt_json_member(root, "events")));
        } else if (code) {
            pt_assert(err.text[0]);
        }
    }
    pt_json_parser_destroy(parser);
    pt_buf_release(&body);
    return 0;
}
