/*
 * records.h - the log's records of the benchmarks' events, and the same rows for the yardstick
 *
 * The events of bench/collect, taken through the collector's own decoder as requests of 100
 * events. Ids can be given anew, so that one set of records
 * serves for any number of different events.
 */
#ifndef PT_BENCH_RECORDS_H
#define PT_BENCH_RECORDS_H

#include "base/mem.h"
#include "log/log.h"

#define BENCH_BATCH_EVENTS 100

struct bench_records {
    uint8_t *data;   /* records one after another */
    size_t bytes;    /* of all of them */
    uint32_t *sizes; /* of each */
    size_t count;    /* a multiple of BENCH_BATCH_EVENTS */
    uint64_t state;  /* of the generator of ids */
};

/*
 * Events of bodies drawn from `players` players (0: 200,000); `count` is rounded up to whole
 * batches. Ends the program on failure, as all here do.
 */
void bench_records_init(struct bench_records *records, size_t count, uint64_t players);
void bench_records_release(struct bench_records *records);

/*
 * Other ids, random (version 4) or in the order of time (version 7), and times that start at
 * `received_at_us`, an event each `gap_us`.
 */
void bench_records_renew(struct bench_records *records, bool is_ordered, int64_t received_at_us,
                         int64_t gap_us);

/* All of them into the log, in batches of 3,200 events; not synced. */
void bench_records_append(const struct bench_records *records, struct pt_log *log);

void bench_must(bool is_right, const char *what);
void bench_must_ok(enum pt_code code, const struct pt_error *err);
double bench_cpu_seconds(void); /* of all threads of this process */
double bench_thread_seconds(void);
double bench_wall_seconds(void);

#endif
