/*
 * records.c - the log's records of the benchmarks' events
 */
#include "stream/records.h"
#include "support/measure.h"

#include "collect/decode.h"
#include "collect/events.h"
#include "wire/frame.h"

#include <errno.h>
#include <time.h>

#define PLAYERS 20
#define GROUP_BATCHES 32 /* requests that one sync of the log covers */

void bench_must(bool is_right, const char *what)
{
    if (!is_right) {
        fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
        exit(1);
    }
}

void bench_must_ok(enum pt_code code, const struct pt_error *err)
{
    if (code) {
        fprintf(stderr, "bench: %s\n", err->text);
        exit(1);
    }
}

double bench_cpu_seconds(void)
{
    return measure_seconds(CLOCK_PROCESS_CPUTIME_ID);
}

double bench_thread_seconds(void)
{
    return measure_seconds(CLOCK_THREAD_CPUTIME_ID);
}

double bench_wall_seconds(void)
{
    return measure_seconds(CLOCK_MONOTONIC);
}

static void append_batch(struct bench_records *records, struct pt_buf *all,
                         const struct pt_decoder *decoder)
{
    bench_must(decoder->record_sizes.count == BENCH_BATCH_EVENTS, "events were refused");
    pt_buf_append(all, decoder->records.data, decoder->records.size);
    memcpy(records->sizes + records->count, decoder->record_sizes.values,
           BENCH_BATCH_EVENTS * sizeof(uint32_t));
    records->count += BENCH_BATCH_EVENTS;
}

void bench_records_init(struct bench_records *records, size_t count, uint64_t players)
{
    static const struct pt_place nowhere;
    struct bench_events events = {.state = 77, .players = players};
    struct pt_decoder *decoder = pt_decoder_create(4u << 20, 8u << 20);
    struct pt_cardinality *cardinality = pt_cardinality_create(200, 10000, NULL);
    struct pt_pseudonyms *pseudonyms = NULL;
    struct pt_error err = {0};
    char *text = pt_alloc((BENCH_BATCH_EVENTS + 1) * BENCH_EVENT_BYTES_MAX + PT_JSON_PADDING);
    struct pt_buf all;

    count = (count + BENCH_BATCH_EVENTS - 1) / BENCH_BATCH_EVENTS * BENCH_BATCH_EVENTS;
    *records = (struct bench_records){.state = 5};
    records->sizes = pt_alloc(count * sizeof(uint32_t));
    bench_must(decoder && cardinality && text && records->sizes, "memory");
    bench_must_ok(pt_pseudonyms_open_ephemeral(&pseudonyms, &err), &err);
    pt_buf_init(&all, (size_t)8 << 30);
    while (records->count < count) {
        const struct pt_decode_env env = {
            .pseudonyms = pseudonyms,
            .cardinality = cardinality,
            .limits = {.events_max = 1000,
                       .record_bytes_max = 8u << 20,
                       .clock_tolerance_us = 5000000,
                       .event_age_us_max = 400 * INT64_C(86400000000),
                       .attributes_max = 64,
                       .depth_max = 8,
                       .key_bytes_max = 64,
                       .value_bytes_max = 4096},
        };
        int64_t sent_at_us = 0;
        size_t size = bench_body(&events, BENCH_BATCH_EVENTS, PLAYERS, true, text, &sent_at_us);

        memset(text + size, 0, PT_JSON_PADDING);
        bench_must_ok(pt_decode_body(decoder, PT_BODY_JSON, pt_span_of(text, size), sent_at_us,
                                     &nowhere, &env, &err),
                      &err);
        append_batch(records, &all, decoder);
    }
    bench_must(!all.has_failed, "memory");
    records->data = all.data;
    records->bytes = all.size;
    pt_free(text);
    pt_pseudonyms_close(pseudonyms);
    pt_cardinality_destroy(cardinality);
    pt_decoder_destroy(decoder);
}

void bench_records_release(struct bench_records *records)
{
    pt_free(records->data);
    pt_free(records->sizes);
}

/* Offsets of a record's id and times: wire/event.c. */
void bench_records_renew(struct bench_records *records, bool is_ordered, int64_t received_at_us,
                         int64_t gap_us)
{
    struct bench_events random = {.state = records->state};
    uint8_t *at = records->data;

    for (size_t i = 0; i < records->count; i++) {
        size_t batch = i / BENCH_BATCH_EVENTS;
        int64_t received = received_at_us + (int64_t)(batch * BENCH_BATCH_EVENTS) * gap_us;
        /* As long before its receipt as it was in its body. */
        int64_t happened = received - (int64_t)(pt_get_u64(at + 64) - pt_get_u64(at + 48));
        uint64_t high = bench_random(&random);
        uint64_t low = bench_random(&random);

        if (is_ordered) {
            uint64_t ms = (uint64_t)(happened / 1000);

            for (int k = 0; k < 6; k++) {
                at[16 + k] = (uint8_t)(ms >> (40 - 8 * k));
            }
            memcpy(at + 22, &high, 2);
        } else {
            memcpy(at + 16, &high, 8);
        }
        memcpy(at + 24, &low, 8);
        at[22] = (uint8_t)((is_ordered ? 0x70 : 0x40) | (at[22] & 0x0f));
        at[24] = (uint8_t)(0x80 | (at[24] & 0x3f));
        pt_put_u64(at + 48, (uint64_t)happened);
        pt_put_u64(at + 56, (uint64_t)happened);
        pt_put_u64(at + 64, (uint64_t)received);
        at += records->sizes[i];
    }
    records->state = random.state;
}

void bench_records_append(const struct bench_records *records, struct pt_log *log)
{
    static const uint8_t note[PT_LOG_NOTE_BYTES];
    const uint8_t *at = records->data;
    struct pt_error err = {0};

    for (size_t i = 0; i < records->count;) {
        size_t left = records->count - i;
        uint32_t count = (uint32_t)(left < GROUP_BATCHES * BENCH_BATCH_EVENTS
                                        ? left
                                        : GROUP_BATCHES * BENCH_BATCH_EVENTS);
        size_t bytes = 0;
        uint64_t offset = 0;

        for (uint32_t k = 0; k < count; k++) {
            bytes += records->sizes[i + k];
        }
        bench_must_ok(pt_log_append(log, pt_span_of(at, bytes), records->sizes + i, count, note,
                                    &offset, &err),
                      &err);
        at += bytes;
        i += count;
    }
}
