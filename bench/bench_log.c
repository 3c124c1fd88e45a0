/*
 * bench_log.c - what the log costs over the disk alone
 *
 * Appends up to 64 MiB in groups of one size with a sync after each, through pt_log, and beside it,
 * round by round, the same bytes by pwrite and fdatasync over a file whose blocks were written
 * before (the yardstick: what any durable log must pay). Both write into files that were
 * filled once; "first life" is pt_log into a new file. Prints CPU milliseconds a MiB and the
 * median latency of a group; only the ratios of one run mean something.
 *
 *     bench_log [DIRECTORY]      (default: a directory of its own in the current one)
 */
#include "base/clock.h"
#include "base/io.h"
#include "base/mem.h"
#include "log/log.h"
#include "support/measure.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TOTAL_BYTES ((size_t)64 << 20)
#define GROUPS_MAX 512 /* of the smallest sizes; enough for a median */
#define ROUNDS 5

struct result {
    double cpu_ms; /* a MiB */
    double p50_us; /* a group */
};

static void must(bool is_right, const char *what)
{
    if (!is_right) {
        fprintf(stderr, "bench_log: %s: %s\n", what, strerror(errno));
        exit(1);
    }
}

static void must_ok(enum pt_code code, const struct pt_error *err)
{
    if (code) {
        fprintf(stderr, "bench_log: %s\n", err->text);
        exit(1);
    }
}

static double latencies[GROUPS_MAX];

static struct result summarize(size_t groups, size_t group_bytes, double cpu_s)
{
    struct result result;

    qsort(latencies, groups, sizeof(latencies[0]), measure_compare);
    result.cpu_ms = cpu_s * 1e3 / ((double)(groups * group_bytes) / (double)(1 << 20));
    result.p50_us = latencies[groups / 2] * 1e6;
    return result;
}

static struct result run_plain(int fd, const uint8_t *data, size_t group_bytes, size_t groups)
{
    double cpu = measure_seconds(CLOCK_PROCESS_CPUTIME_ID);

    for (size_t i = 0; i < groups; i++) {
        double start = measure_seconds(CLOCK_MONOTONIC);

        must(pwrite(fd, data, group_bytes, (off_t)(i * group_bytes)) == (ssize_t)group_bytes,
             "write");
        must(fdatasync(fd) == 0, "sync");
        latencies[i] = measure_seconds(CLOCK_MONOTONIC) - start;
    }
    return summarize(groups, group_bytes, measure_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu);
}

/* Records of 446 bytes, the mean size of an event. */
static struct result run_log(struct pt_log *log, const uint8_t *data, size_t group_bytes,
                             size_t groups)
{
    static uint32_t sizes[1 << 16];
    uint8_t note[PT_LOG_NOTE_BYTES] = {0};
    uint32_t count = (uint32_t)(group_bytes / 450);
    struct pt_error err = {0};
    uint64_t offset = 0;
    double cpu = 0;

    for (uint32_t i = 0; i < count; i++) {
        sizes[i] = 446;
    }
    cpu = measure_seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (size_t i = 0; i < groups; i++) {
        double start = measure_seconds(CLOCK_MONOTONIC);

        must_ok(pt_log_append(log, pt_span_of(data, (size_t)count * 446), sizes, count, note,
                              &offset, &err),
                &err);
        must_ok(pt_log_sync(log, &err), &err);
        latencies[i] = measure_seconds(CLOCK_MONOTONIC) - start;
    }
    pt_log_release(log, pt_log_end(log));
    return summarize(groups, group_bytes, measure_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu);
}

static double read_back(const char *dir, uint64_t end)
{
    struct pt_log_reader *reader = NULL;
    struct pt_log_batch batch;
    struct pt_error err = {0};
    size_t bytes = 0;
    double cpu = measure_seconds(CLOCK_PROCESS_CPUTIME_ID);

    must_ok(pt_log_reader_open(&reader, pt_io_posix(), dir, &err), &err);
    while (pt_log_reader_next(reader, end, &batch, &err) == PT_OK) {
        bytes += batch.records_bytes;
    }
    pt_log_reader_close(reader);
    return (measure_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) * 1e3 /
           ((double)bytes / (double)(1 << 20));
}

static double median(double values[ROUNDS])
{
    qsort(values, ROUNDS, sizeof(values[0]), measure_compare);
    return values[ROUNDS / 2];
}

static void run_size(const char *dir, const uint8_t *data, size_t group_bytes)
{
    size_t groups = TOTAL_BYTES / group_bytes;
    double plain_cpu[ROUNDS], log_cpu[ROUNDS], plain_p50[ROUNDS], log_p50[ROUNDS];
    double first_cpu = 0;
    double reading = 0;
    char *log_dir = pt_strf("%s/log-%zu", dir, group_bytes);
    char *plain_path = pt_strf("%s/plain-%zu", dir, group_bytes);
    struct pt_log_options options;
    struct pt_log *log = NULL;
    struct pt_error err = {0};
    int fd = -1;

    must(log_dir && plain_path, "memory");
    groups = groups < GROUPS_MAX ? groups : GROUPS_MAX;
    fd = open(plain_path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    must(fd >= 0, plain_path);
    for (size_t at = 0; at < TOTAL_BYTES; at += (size_t)1 << 20) {
        must(pwrite(fd, data, (size_t)1 << 20, (off_t)at) == 1 << 20, "fill");
    }
    must(fdatasync(fd) == 0, "sync");
    pt_log_options_default(&options);
    options.retention_bytes = 0;
    must_ok(pt_log_open(&log, pt_io_posix(), pt_clock_system(), log_dir, &options, &err), &err);
    first_cpu = run_log(log, data, group_bytes, groups).cpu_ms;
    for (unsigned i = 0; i < 3; i++) { /* until every file had its first life */
        run_log(log, data, (size_t)1 << 20, TOTAL_BYTES >> 20);
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct result plain = run_plain(fd, data, group_bytes, groups);
        struct result logged = run_log(log, data, group_bytes, groups);

        plain_cpu[round] = plain.cpu_ms;
        log_cpu[round] = logged.cpu_ms;
        plain_p50[round] = plain.p50_us;
        log_p50[round] = logged.p50_us;
    }
    reading = read_back(log_dir, pt_log_synced_end(log));
    printf("%4zu KiB  %8.3f  %8.3f  %5.2fx  %8.3f  %7.0f  %7.0f  %8.3f\n", group_bytes >> 10,
           median(plain_cpu), median(log_cpu), median(log_cpu) / median(plain_cpu), first_cpu,
           median(plain_p50), median(log_p50), reading);
    pt_log_close(log);
    close(fd);
    unlink(plain_path);
    pt_free(plain_path);
    pt_free(log_dir);
}

int main(int argc, char **argv)
{
    static const size_t sizes[] = {4096, 16384, 65536, 262144, 1048576};
    char *dir = argc > 1 ? pt_strdup(argv[1]) : pt_strf("bench-log-%d", (int)getpid());
    uint8_t *data = pt_alloc((size_t)1 << 20);

    must(dir && data, "memory");
    must(mkdir(dir, 0700) == 0 || errno == EEXIST, dir);
    for (size_t i = 0; i < (size_t)1 << 20; i++) {
        data[i] = (uint8_t)((i * 2654435761u) >> 13);
    }
    printf("          CPU ms a MiB                           p50, us a group   CPU ms a MiB\n"
           "group     plain     log       ratio  1st life  plain    log      reading\n");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        run_size(dir, data, sizes[i]);
    }
    printf("files are left in %s\n", dir);
    pt_free(data);
    pt_free(dir);
    return 0;
}
