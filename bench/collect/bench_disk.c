/*
 * bench_disk.c - what the disk alone takes to make a group durable
 *
 * Writes groups of one size one after another into a file that was filled before, with fdatasync
 * after each, and prints the latencies as one line of JSON: the least that any durable answer
 * waits.
 *
 *     bench_disk FILE GROUP_BYTES SECONDS
 */
#include "base/mem.h"
#include "support/measure.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define FILE_BYTES ((size_t)256 << 20)
#define GROUPS_MAX 1000000

static void must(bool is_right, const char *what)
{
    if (!is_right) {
        fprintf(stderr, "bench_disk: %s: %s\n", what, strerror(errno));
        exit(1);
    }
}

/* Filled once and kept for the next run, as a log's recycled segments are. */
static int open_filled(const char *path, const uint8_t *data)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    must(fd >= 0, path);
    if (lseek(fd, 0, SEEK_END) < (off_t)FILE_BYTES) {
        for (size_t at = 0; at < FILE_BYTES; at += (size_t)1 << 20) {
            must(pwrite(fd, data, (size_t)1 << 20, (off_t)at) == 1 << 20, "fill");
        }
        must(fdatasync(fd) == 0, "sync");
    }
    return fd;
}

int main(int argc, char **argv)
{
    size_t group_bytes = argc == 4 ? strtoul(argv[2], NULL, 10) : 0;
    double seconds = argc == 4 ? strtod(argv[3], NULL) : 0;
    uint8_t *data = pt_alloc((size_t)1 << 22);
    double *latencies = pt_alloc(GROUPS_MAX * sizeof(*latencies));
    size_t count = 0;
    off_t at = 0;
    double start = 0;
    double cpu = 0;
    int fd = -1;

    if (group_bytes == 0 || group_bytes > (size_t)1 << 22 || seconds <= 0) {
        fprintf(stderr, "usage: bench_disk FILE GROUP_BYTES SECONDS (groups of up to 4 MiB)\n");
        return 2;
    }
    must(data && latencies, "memory");
    for (size_t i = 0; i < (size_t)1 << 22; i++) {
        data[i] = (uint8_t)((i * 2654435761u) >> 13);
    }
    fd = open_filled(argv[1], data);
    start = measure_seconds(CLOCK_MONOTONIC);
    cpu = measure_seconds(CLOCK_PROCESS_CPUTIME_ID);
    while (count < GROUPS_MAX && measure_seconds(CLOCK_MONOTONIC) - start < seconds) {
        double before = measure_seconds(CLOCK_MONOTONIC);

        must(pwrite(fd, data, group_bytes, at) == (ssize_t)group_bytes, "write");
        must(fdatasync(fd) == 0, "sync");
        latencies[count++] = measure_seconds(CLOCK_MONOTONIC) - before;
        at += (off_t)group_bytes;
        at = (size_t)at + group_bytes > FILE_BYTES ? 0 : at;
    }
    cpu = measure_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    qsort(latencies, count, sizeof(*latencies), measure_compare);
    printf("{\"groups\":%zu,\"p50_us\":%.0f,\"p99_us\":%.0f,\"max_us\":%.0f,\"cpu_us\":%.1f}\n",
           count, latencies[count / 2] * 1e6, latencies[count * 99 / 100] * 1e6,
           latencies[count - 1] * 1e6, cpu * 1e6 / (double)count);
    close(fd);
    pt_free(latencies);
    pt_free(data);
    return 0;
}
