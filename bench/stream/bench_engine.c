/*
 * bench_engine.c - from the log to the table, in process
 *
 *     bench_engine table DIRECTORY EVENTS ROUNDS
 *         a round: EVENTS events stand in the log; the engine takes them to the table (dedup,
 *         Parquet, id runs, checkpoints, snapshots, all synced), and DuckDB copies the same rows
 * from memory to one file. Which begins alternates. A line of JSON a round, CPU of all threads.
 *     bench_engine compact DIRECTORY EVENTS PLAYERS
 *         EVENTS events of PLAYERS players become a table, which is compacted. A line of JSON.
 */
#include "lake/compact.h"
#include "stream/records.h"
#include "stream/rows_duck.h"
#include "stream/stream.h"

#include <inttypes.h>
#include <sys/stat.h>

#define FIRST_US INT64_C(1790000000000000)
#define GAP_US 50 /* 20,000 events a second */
/* A new segment would sync what is appended, and the engine would begin before it is measured. */
#define TABLE_SEGMENT_BYTES ((uint64_t)1 << 30)
#define FILL_EVENTS 1000000
#define GROWTH_EVENTS 1000000
#define GROWTH_SPAN_US (INT64_C(23) * 3600 * 1000000)

struct engine {
    char *log_dir;
    char *state_dir;
    char *lake_dir;
    struct pt_config *config;
    struct pt_metrics *metrics;
    struct pt_log *log;
    struct pt_lake *lake;
    struct pt_stream *stream;
};

static void engine_init(struct engine *engine, const char *dir, uint64_t segment_bytes)
{
    struct pt_log_options options;
    struct pt_error err = {0};

    engine->log_dir = pt_strf("%s/log", dir);
    engine->state_dir = pt_strf("%s/state", dir);
    engine->lake_dir = pt_strf("%s/lake/events", dir);
    engine->config = pt_config_create();
    engine->metrics = pt_metrics_create();
    bench_must(engine->log_dir && engine->state_dir && engine->lake_dir && engine->config &&
                   engine->metrics,
               "memory");
    pt_log_options_default(&options);
    options.retention_bytes = 0;
    options.segment_bytes = segment_bytes;
    bench_must_ok(pt_log_open(&engine->log, pt_io_posix(), pt_clock_system(), engine->log_dir,
                              &options, &err),
                  &err);
    bench_must_ok(pt_io_mkdir(pt_io_posix(), engine->state_dir, &err), &err);
    /* A checkpoint by size alone, so that a round is the same work on any machine. */
    bench_must_ok(pt_config_set(engine->config, "stream.checkpoint_ms", "3600000", "bench", &err),
                  &err);
}

static void engine_open(struct engine *engine)
{
    struct pt_error err = {0};
    struct pt_stream_parts parts = {
        .io = pt_io_posix(),
        .clock = pt_clock_system(),
        .config = engine->config,
        .metrics = engine->metrics,
        .log = engine->log,
        .log_dir = engine->log_dir,
        .state_dir = engine->state_dir,
    };

    bench_must_ok(pt_lake_open(&engine->lake, parts.io, parts.clock, engine->lake_dir, &err), &err);
    parts.lake = engine->lake;
    bench_must_ok(pt_stream_open(&engine->stream, &parts, &err), &err);
    bench_must_ok(pt_stream_start(engine->stream, &err), &err);
}

static void engine_close(struct engine *engine)
{
    struct pt_error err = {0};

    bench_must_ok(pt_stream_stop(engine->stream, &err), &err);
    pt_stream_close(engine->stream);
    pt_lake_close(engine->lake);
}

static void engine_release(struct engine *engine)
{
    pt_log_close(engine->log);
    pt_metrics_destroy(engine->metrics);
    pt_config_destroy(engine->config);
    pt_free(engine->log_dir);
    pt_free(engine->state_dir);
    pt_free(engine->lake_dir);
}

/* What the log holds becomes rows of the table; CPU seconds of all threads but this one. */
static double engine_run(struct engine *engine)
{
    struct pt_error err = {0};
    double start = bench_cpu_seconds() - bench_thread_seconds();

    bench_must_ok(pt_log_sync(engine->log, &err), &err);
    bench_must_ok(pt_stream_checkpoint(engine->stream, &err), &err);
    return bench_cpu_seconds() - bench_thread_seconds() - start;
}

struct table_sums {
    uint64_t rows;
    uint64_t bytes;
    uint64_t files;
};

static struct table_sums sum_table(const struct engine *engine)
{
    struct pt_lake_snapshot snapshot;
    struct table_sums sums = {0};
    struct pt_error err = {0};

    bench_must_ok(pt_lake_read(pt_io_posix(), engine->lake_dir, &snapshot, &err), &err);
    sums.rows = snapshot.row_count;
    sums.files = snapshot.file_count;
    for (size_t i = 0; i < snapshot.file_count; i++) {
        sums.bytes += snapshot.file_bytes[i];
    }
    pt_lake_snapshot_release(&snapshot);
    return sums;
}

static int run_compact(const char *dir, size_t events, uint64_t players)
{
    struct pt_compact_options options = {.is_thorough = true, .files_min_today = 2};
    struct pt_compact_result result;
    struct pt_compactor *compactor = NULL;
    struct bench_records records;
    struct bench_duck *duck = bench_duck_open();
    char *copy = pt_strf("%s/copy.parquet", dir);
    struct engine engine = {0};
    struct table_sums sums = {0};
    struct pt_error err = {0};
    double copy_seconds = 0;
    double start = 0;

    bench_must(copy, "memory");
    bench_records_init(&records, events, players);
    bench_records_renew(&records, false, FIRST_US, GAP_US);
    bench_duck_take(duck, &records);
    copy_seconds = bench_duck_copy(duck, copy, "");
    bench_duck_close(duck);
    engine_init(&engine, dir, TABLE_SEGMENT_BYTES);
    engine_open(&engine);
    bench_records_append(&records, engine.log);
    engine_run(&engine);
    engine_close(&engine);
    sums = sum_table(&engine);
    bench_must_ok(
        pt_compactor_open(&compactor, pt_io_posix(), pt_clock_system(), engine.lake_dir, &err),
        &err);
    start = bench_cpu_seconds();
    bench_must_ok(pt_compactor_run(compactor, &options, &result, &err), &err);
    start = bench_cpu_seconds() - start;
    pt_compactor_close(compactor);
    bench_must(result.rows == records.count, "not all rows were compacted");
    printf("{\"events\":%zu,\"players\":%" PRIu64 ",\"files\":%" PRIu64
           ",\"bytes\":%.3f,\"files_out\":%" PRIu64
           ",\"compacted_bytes\":%.3f,\"copy_bytes\":%.3f,\"cpu_ns\":%.1f,\"copy_cpu_ns\":%.1f}\n",
           records.count, players, sums.files, (double)sums.bytes / (double)sums.rows,
           result.snapshots, (double)result.bytes_out / (double)result.rows,
           (double)bench_file_bytes(copy) / (double)records.count,
           start * 1e9 / (double)result.rows, copy_seconds * 1e9 / (double)records.count);
    engine_release(&engine);
    bench_records_release(&records);
    pt_free(copy);
    return 0;
}

static int run_table(const char *dir, size_t events, int rounds)
{
    struct bench_records records;
    struct bench_duck *duck = bench_duck_open();
    char *copy = pt_strf("%s/copy.parquet", dir);
    struct engine engine = {0};
    struct table_sums before = {0};

    bench_must(copy, "memory");
    bench_records_init(&records, events, 0);
    engine_init(&engine, dir, TABLE_SEGMENT_BYTES);
    engine_open(&engine);
    for (int round = -1; round < rounds; round++) { /* the first warms up */
        int64_t at_us = FIRST_US + (int64_t)(round + 1) * (int64_t)records.count * GAP_US;
        struct table_sums after = {0};
        double ours = 0;
        double theirs = 0;
        double wall = 0;

        bench_records_renew(&records, false, at_us, GAP_US);
        bench_duck_take(duck, &records);
        bench_records_append(&records, engine.log);
        if (round % 2) {
            theirs = bench_duck_copy(duck, copy, "");
        }
        wall = bench_wall_seconds();
        ours = engine_run(&engine);
        wall = bench_wall_seconds() - wall;
        if (round % 2 == 0) {
            theirs = bench_duck_copy(duck, copy, "");
        }
        after = sum_table(&engine);
        bench_must(after.rows - before.rows == records.count, "rows are missing");
        if (round >= 0) {
            printf("{\"events\":%zu,\"cpu_ns\":%.1f,\"copy_cpu_ns\":%.1f,\"wall_ns\":%.1f,"
                   "\"bytes\":%.3f,\"copy_bytes\":%.3f,\"files\":%" PRIu64 "}\n",
                   records.count, ours * 1e9 / (double)records.count,
                   theirs * 1e9 / (double)records.count, wall * 1e9 / (double)records.count,
                   (double)(after.bytes - before.bytes) / (double)records.count,
                   (double)bench_file_bytes(copy) / (double)records.count,
                   after.files - before.files);
            fflush(stdout);
        }
        before = after;
    }
    engine_close(&engine);
    engine_release(&engine);
    bench_records_release(&records);
    bench_duck_close(duck);
    pt_free(copy);
    return 0;
}

static int run_fill(const char *dir, size_t events)
{
    struct bench_records records;
    struct pt_log_options options;
    struct pt_log *log = NULL;
    struct pt_error err = {0};
    char *log_dir = pt_strf("%s/log", dir);

    bench_must(log_dir, "memory");
    pt_log_options_default(&options);
    bench_must_ok(pt_log_open(&log, pt_io_posix(), pt_clock_system(), log_dir, &options, &err),
                  &err);
    bench_records_init(&records, events < FILL_EVENTS ? events : FILL_EVENTS, 0);
    for (size_t done = 0; done < events; done += records.count) {
        bench_records_renew(&records, false, pt_clock_wall_us(pt_clock_system()), 1);
        bench_records_append(&records, log);
    }
    bench_must_ok(pt_log_sync(log, &err), &err);
    pt_log_close(log);
    bench_records_release(&records);
    pt_free(log_dir);
    return 0;
}

/* ---- growth ---- */

static uint64_t folder_bytes(const char *path);

struct folder {
    const char *path;
    uint64_t bytes;
};

static void add_entry(void *ctx, const char *name, bool is_dir)
{
    struct folder *folder = ctx;
    char *path = pt_strf("%s/%s", folder->path, name);

    bench_must(path, "memory");
    folder->bytes += is_dir ? folder_bytes(path) : bench_file_bytes(path);
    pt_free(path);
}

static uint64_t folder_bytes(const char *path)
{
    struct folder folder = {.path = path};
    struct pt_error err = {0};

    bench_must_ok(pt_io_list(pt_io_posix(), path, add_entry, &folder, &err), &err);
    return folder.bytes;
}

static uint64_t resident_bytes(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    bench_must(file && fscanf(file, "%*u %lu", &pages) == 1, "/proc/self/statm");
    fclose(file);
    return (uint64_t)pages * 4096;
}

static void print_growth(const struct engine *engine, uint64_t events, uint64_t step_events,
                         double cpu_seconds, uint64_t own_bytes)
{
    printf("{\"events\":%" PRIu64 ",\"cpu_ns\":%.1f,\"resident_bytes\":%" PRIu64
           ",\"state_bytes\":%" PRIu64 ",\"lake_bytes\":%" PRIu64 ",\"log_bytes\":%" PRIu64 "}\n",
           events, cpu_seconds * 1e9 / (double)step_events, resident_bytes() - own_bytes,
           folder_bytes(engine->state_dir), folder_bytes(engine->lake_dir),
           folder_bytes(engine->log_dir));
    fflush(stdout);
}

/* What the benchmark itself holds is not counted as resident. */
static int run_growth(const char *dir, uint64_t events)
{
    int64_t gap_us = GROWTH_SPAN_US / (int64_t)events;
    struct bench_records records;
    struct engine engine = {0};
    uint64_t own_bytes = 0;
    uint64_t next = 1000000;
    bool is_three = false;
    uint64_t step_events = 0;
    double cpu_seconds = 0;

    bench_records_init(&records, GROWTH_EVENTS, 0);
    own_bytes = records.bytes + records.count * sizeof(uint32_t);
    engine_init(&engine, dir, (uint64_t)64 << 20);
    engine_open(&engine);
    for (uint64_t done = 0; done < events;) {
        bench_records_renew(&records, true, FIRST_US + (int64_t)done * gap_us, gap_us);
        bench_records_append(&records, engine.log);
        cpu_seconds += engine_run(&engine);
        done += records.count;
        step_events += records.count;
        if (done >= next || done >= events) {
            print_growth(&engine, done, step_events, cpu_seconds, own_bytes);
            is_three = !is_three; /* 1, 3, 10, 30, 100 millions */
            next = is_three ? next * 3 : next / 3 * 10;
            cpu_seconds = 0;
            step_events = 0;
        }
    }
    bench_must(sum_table(&engine).rows >= events, "rows are missing");
    engine_close(&engine);
    engine_release(&engine);
    bench_records_release(&records);
    return 0;
}

int main(int argc, char **argv)
{
    struct pt_error err = {0};

    if (argc >= 4) {
        bench_must_ok(pt_io_mkdir(pt_io_posix(), argv[2], &err), &err);
    }
    if (argc == 4 && strcmp(argv[1], "fill") == 0) {
        return run_fill(argv[2], (size_t)strtoull(argv[3], NULL, 10));
    }
    if (argc == 4 && strcmp(argv[1], "growth") == 0) {
        return run_growth(argv[2], strtoull(argv[3], NULL, 10));
    }
    if (argc == 5 && strcmp(argv[1], "compact") == 0) {
        return run_compact(argv[2], (size_t)strtoull(argv[3], NULL, 10),
                           strtoull(argv[4], NULL, 10));
    }
    if (argc == 5 && strcmp(argv[1], "table") == 0) {
        return run_table(argv[2], (size_t)strtoull(argv[3], NULL, 10),
                         (int)strtol(argv[4], NULL, 10));
    }
    fprintf(stderr, "usage: bench_engine table DIRECTORY EVENTS ROUNDS\n"
                    "       bench_engine compact DIRECTORY EVENTS PLAYERS\n"
                    "       bench_engine fill|growth DIRECTORY EVENTS\n");
    return 2;
}
