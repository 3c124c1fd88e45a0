/*
 * bench_dedup.c - what it costs to know which event ids were seen
 *
 *     bench_dedup DIR [IDS [ROUNDS]]          (default: 100000000 ids, 5 rounds)
 *
 * For random ids (UUIDv4) and for those of the SDKs (UUIDv7) it fills states of 1 %, 10 % and all
 * of IDS at the pace of a day of IDS events (a checkpoint each 250,000, an hour each IDS/24) and
 * prints one JSON object a line: resident memory, bytes on disk, CPU a new id and a duplicate, the
 * time to open. Then, taking turns in ROUNDS rounds, the yardstick (1 M keys sorted by qsort and
 * written as a RocksDB SST file), an hour's new ids at 1 % and an hour's at all of IDS, and the
 * medians. CPU is that of all threads of the process, merging included. The yardstick needs
 * librocksdb (Debian: librocksdb-dev); without it that part is left out and says so. DIR is created
 * and emptied of what is written there.
 */
#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "stream/idset.h"
#include "support/measure.h"

#include <dlfcn.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define HOUR_US INT64_C(3600000000)
#define START_HOUR 480000
#define CHECKPOINT_IDS 250000u
#define BATCH 100u
#define YARDSTICK_KEYS 1000000u
#define ROUNDS_MAX 99

static void need(enum pt_code code, const struct pt_error *err)
{
    if (code) {
        fprintf(stderr, "bench_dedup: %s\n", err->text);
        exit(1);
    }
}

static void need_memory(const void *memory)
{
    if (!memory) {
        fprintf(stderr, "bench_dedup: no memory\n");
        exit(1);
    }
}

static double cpu(void)
{
    return measure_seconds(CLOCK_PROCESS_CPUTIME_ID);
}

static double resident_mib(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long all = 0;
    unsigned long resident = 0;

    if (!file || fscanf(file, "%lu %lu", &all, &resident) != 2) {
        resident = 0;
    }
    if (file) {
        fclose(file);
    }
    return (double)resident * (double)sysconf(_SC_PAGESIZE) / 1048576;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(const double *values, unsigned count)
{
    double sorted[ROUNDS_MAX];

    memcpy(sorted, values, count * sizeof(double));
    qsort(sorted, count, sizeof(double), compare_doubles);
    return sorted[count / 2];
}

/* ---- ids ---- */

static uint64_t mix(uint64_t z)
{
    z += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

struct world {
    bool is_v7;
    uint64_t ids_an_hour;
    struct pt_idset *set;
    char *dir;
    uint64_t made;
    uint64_t checkpoint;
};

static int64_t time_of(const struct world *world, uint64_t number)
{
    uint64_t hour = number / world->ids_an_hour;
    uint64_t within = number % world->ids_an_hour;

    return (int64_t)(START_HOUR + hour) * HOUR_US +
           (int64_t)((double)within / (double)world->ids_an_hour * (double)HOUR_US);
}

static void make_id(const struct world *world, uint64_t number, uint8_t id[PT_UUID_BYTES])
{
    uint64_t words[2] = {mix(2 * number), mix(2 * number + 1)};

    memcpy(id, words, PT_UUID_BYTES);
    if (world->is_v7) {
        pt_uuid_v7(time_of(world, number) / 1000, (const uint8_t *)words, id);
    } else {
        id[6] = (uint8_t)((id[6] & 0x0f) | 0x40);
        id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
    }
}

/* Ask for `count` ids from `first` on, `step` apart; how many were new. CPU of making them is not
 * in it. */
static uint64_t ask(struct world *world, uint64_t first, uint64_t count, bool is_spread,
                    double *cpu_s)
{
    uint8_t(*ids)[PT_UUID_BYTES] = pt_alloc(CHECKPOINT_IDS * PT_UUID_BYTES);
    const uint8_t **asked = pt_alloc(CHECKPOINT_IDS * sizeof(*asked));
    int64_t *times = pt_alloc(CHECKPOINT_IDS * sizeof(*times));
    bool *is_new = pt_alloc(CHECKPOINT_IDS);
    uint64_t news = 0;
    struct pt_error err = {0};

    need_memory(ids);
    need_memory(asked);
    need_memory(times);
    need_memory(is_new);
    for (uint64_t done = 0; done < count;) {
        uint64_t now = count - done < CHECKPOINT_IDS ? count - done : CHECKPOINT_IDS;
        double start = 0;

        for (uint64_t i = 0; i < now; i++) {
            uint64_t number = first + done + i;

            if (is_spread) { /* over the whole window */
                uint64_t window =
                    world->made < 24 * world->ids_an_hour ? world->made : 24 * world->ids_an_hour;

                number = world->made - 1 - mix(number) % window;
            }
            make_id(world, number, ids[i]);
            asked[i] = ids[i];
            times[i] = time_of(world, is_spread ? world->made - 1 : number);
        }
        start = cpu();
        for (uint64_t i = 0; i < now; i += BATCH) {
            size_t some = now - i < BATCH ? (size_t)(now - i) : BATCH;
            size_t got = 0;

            need(pt_idset_add_batch(world->set, asked + i, times + i, some, is_new + i, &got, &err),
                 &err);
        }
        if (!is_spread) {
            need(pt_idset_write(world->set, ++world->checkpoint, &err), &err);
            need(pt_idset_remove_stale(world->set, &err), &err);
            world->made += now;
        }
        *cpu_s += cpu() - start;
        for (uint64_t i = 0; i < now; i++) {
            news += is_new[i];
        }
        done += now;
    }
    if (!is_spread) {
        double start = cpu();

        pt_idset_wait_merge(world->set);
        *cpu_s += cpu() - start;
    }
    pt_free(ids);
    pt_free(asked);
    pt_free(times);
    pt_free(is_new);
    return news;
}

static void open_set(struct world *world)
{
    struct pt_error err = {0};

    need(pt_idset_open(&world->set, pt_io_posix(), world->dir, 24, &err), &err);
}

static void remove_file(void *ctx, const char *name, bool is_dir)
{
    char *path = pt_strf("%s/%s", (const char *)ctx, name);

    if (path && !is_dir) {
        unlink(path);
    }
    pt_free(path);
}

static void end_world(struct world *world)
{
    pt_idset_close(world->set);
    if (!pt_io_list(pt_io_posix(), world->dir, remove_file, world->dir, NULL)) {
        rmdir(world->dir);
    }
    pt_free(world->dir);
}

static struct world begin_world(const char *root, const char *name, bool is_v7, uint64_t an_hour)
{
    struct world world = {.is_v7 = is_v7, .ids_an_hour = an_hour};

    world.dir = pt_strf("%s/%s", root, name);
    need_memory(world.dir);
    open_set(&world);
    return world;
}

/* Close and open from what the set tells, as recovery does; wall and CPU seconds of it. */
static double reopen(struct world *world, double *cpu_s)
{
    struct pt_buf text;
    struct pt_jsonw w;
    struct pt_json runs;
    struct pt_json_parser *parser = pt_json_parser_create(16u << 20);
    struct pt_error err = {0};
    double start = 0;
    double took = 0;

    need_memory(parser);
    pt_buf_init(&text, 16u << 20);
    pt_jsonw_init(&w, &text);
    pt_idset_describe(world->set, &w);
    need_memory(pt_buf_reserve(&text, PT_JSON_PADDING));
    pt_idset_close(world->set);
    need(pt_json_parse(parser, pt_buf_span(&text), &runs, NULL, &err), &err);
    *cpu_s = cpu();
    start = measure_seconds(CLOCK_MONOTONIC);
    open_set(world);
    need(pt_idset_load(world->set, runs, &err), &err);
    took = measure_seconds(CLOCK_MONOTONIC) - start;
    *cpu_s = cpu() - *cpu_s;
    pt_json_parser_destroy(parser);
    pt_buf_release(&text);
    return took;
}

/* Fill to `ids` and say what that state costs. */
static void describe_state(struct world *world, uint64_t ids)
{
    struct pt_idset_stats stats;
    uint64_t asked = 100000;
    double fill_cpu = 0;
    double ask_cpu = 0;
    double rss = 0;
    double opened = 0;
    uint64_t reads = 0;
    uint64_t more = ids - world->made;

    if (ask(world, world->made, more, false, &fill_cpu) != more) {
        fprintf(stderr, "bench_dedup: a new id was taken for a seen one\n");
        exit(1);
    }
    rss = resident_mib();
    pt_idset_stats(world->set, &stats);
    reads = stats.block_reads;
    if (ask(world, 0, asked, true, &ask_cpu) != 0) {
        fprintf(stderr, "bench_dedup: a seen id was taken for a new one\n");
        exit(1);
    }
    pt_idset_stats(world->set, &stats);
    printf(
        "{\"ids\":\"%s\",\"state_ids\":%llu,\"resident_mib\":%.0f,\"set_memory_bytes_an_id\":%.2f,"
        "\"disk_bytes_an_id\":%.2f,\"runs\":%llu,\"fill_cpu_ns_an_id\":%.0f,"
        "\"duplicate_cpu_ns\":%.0f,\"blocks_read_a_duplicate\":%.2f,\"reads_for_new_ids\":%llu,"
        "\"false_rate\":%.6f,\"merges\":%llu",
        world->is_v7 ? "v7" : "v4", (unsigned long long)stats.ids, rss,
        (double)stats.memory_bytes / (double)stats.ids,
        (double)stats.disk_bytes / (double)stats.ids, (unsigned long long)stats.runs,
        fill_cpu / (double)more * 1e9, ask_cpu / (double)asked * 1e9,
        (double)(stats.block_reads - reads) / (double)asked, (unsigned long long)reads,
        stats.false_rate, (unsigned long long)stats.merges);
    fflush(stdout);
    opened = reopen(world, &ask_cpu);
    printf(",\"open_s\":%.3f,\"open_cpu_s\":%.3f}\n", opened, ask_cpu);
    fflush(stdout);
}

/* ---- the yardstick ---- */

struct rocks {
    void *(*options_create)(void);
    void (*set_compression)(void *options, int kind);
    void *(*table_create)(void);
    void *(*bloom_create)(double bits);
    void (*set_bloom)(void *table, void *bloom);
    void (*set_hash_index)(void *table, int kind);
    void (*set_table)(void *options, void *table);
    void *(*env_create)(void);
    void *(*writer_create)(void *env, void *options);
    void (*writer_open)(void *writer, const char *path, char **error);
    void (*writer_put)(void *writer, const char *key, size_t key_bytes, const char *value,
                       size_t value_bytes, char **error);
    void (*writer_finish)(void *writer, char **error);
    void (*writer_destroy)(void *writer);
    void *options;
    void *env;
};

static bool find_rocks(struct rocks *rocks)
{
    static const char *const names[] = {"librocksdb.so", "librocksdb.so.7.8"};
    static const struct {
        const char *name;
        size_t at;
    } wanted[] = {
        {"rocksdb_options_create", offsetof(struct rocks, options_create)},
        {"rocksdb_options_set_compression", offsetof(struct rocks, set_compression)},
        {"rocksdb_block_based_options_create", offsetof(struct rocks, table_create)},
        {"rocksdb_filterpolicy_create_bloom_full", offsetof(struct rocks, bloom_create)},
        {"rocksdb_block_based_options_set_filter_policy", offsetof(struct rocks, set_bloom)},
        {"rocksdb_block_based_options_set_data_block_index_type",
         offsetof(struct rocks, set_hash_index)},
        {"rocksdb_options_set_block_based_table_factory", offsetof(struct rocks, set_table)},
        {"rocksdb_envoptions_create", offsetof(struct rocks, env_create)},
        {"rocksdb_sstfilewriter_create", offsetof(struct rocks, writer_create)},
        {"rocksdb_sstfilewriter_open", offsetof(struct rocks, writer_open)},
        {"rocksdb_sstfilewriter_put", offsetof(struct rocks, writer_put)},
        {"rocksdb_sstfilewriter_finish", offsetof(struct rocks, writer_finish)},
        {"rocksdb_sstfilewriter_destroy", offsetof(struct rocks, writer_destroy)},
    };
    void *library = NULL;
    void *table = NULL;

    for (size_t i = 0; !library && i < sizeof(names) / sizeof(names[0]); i++) {
        library = dlopen(names[i], RTLD_NOW);
    }
    if (!library) {
        return false;
    }
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        void *found = dlsym(library, wanted[i].name);

        if (!found) {
            return false;
        }
        memcpy((char *)rocks + wanted[i].at, &found, sizeof(found));
    }
    rocks->options = rocks->options_create();
    rocks->set_compression(rocks->options, 0);
    table = rocks->table_create();
    rocks->set_bloom(table, rocks->bloom_create(15));
    rocks->set_hash_index(table, 1);
    rocks->set_table(rocks->options, table);
    rocks->env = rocks->env_create();
    return true;
}

static int compare_keys(const void *a, const void *b)
{
    return memcmp(a, b, PT_UUID_BYTES);
}

/* CPU seconds to sort and write a million keys. */
static double yardstick(const struct rocks *rocks, const char *root, uint64_t seed)
{
    uint8_t(*keys)[PT_UUID_BYTES] = pt_alloc(YARDSTICK_KEYS * PT_UUID_BYTES);
    char *path = pt_strf("%s/yardstick.sst", root);
    char *error = NULL;
    struct world any = {.ids_an_hour = 1};
    void *writer = NULL;
    double start = 0;
    double took = 0;

    need_memory(keys);
    need_memory(path);
    for (size_t i = 0; i < YARDSTICK_KEYS; i++) {
        make_id(&any, (seed << 32) + i, keys[i]);
    }
    start = cpu();
    qsort(keys, YARDSTICK_KEYS, PT_UUID_BYTES, compare_keys);
    writer = rocks->writer_create(rocks->env, rocks->options);
    rocks->writer_open(writer, path, &error);
    for (size_t i = 0; i < YARDSTICK_KEYS && !error; i++) {
        rocks->writer_put(writer, (const char *)keys[i], PT_UUID_BYTES, "", 0, &error);
    }
    if (!error) {
        rocks->writer_finish(writer, &error);
    }
    took = cpu() - start;
    rocks->writer_destroy(writer);
    if (error) {
        fprintf(stderr, "bench_dedup: RocksDB: %s\n", error);
        exit(1);
    }
    unlink(path);
    pt_free(path);
    pt_free(keys);
    return took;
}

/* An hour's new ids at a small state and at a large one, and the yardstick, in turns. */
static void compare(const char *root, struct world *large, uint64_t small_ids, unsigned rounds,
                    const struct rocks *rocks)
{
    double sticks[ROUNDS_MAX] = {0};
    double smalls[ROUNDS_MAX] = {0};
    double larges[ROUNDS_MAX] = {0};
    double to_stick[ROUNDS_MAX] = {0};
    double to_small[ROUNDS_MAX] = {0};
    uint64_t an_hour = large->ids_an_hour;

    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned turn = 0; turn < 3; turn++) {
            unsigned what = (turn + round) % 3;
            double spent = 0;

            if (what == 0 && rocks) {
                sticks[round] = yardstick(rocks, root, round + 1) / YARDSTICK_KEYS * 1e9;
            } else if (what == 1) {
                struct world small = begin_world(root, "small", large->is_v7, an_hour);

                ask(&small, 0, small_ids, false, &spent);
                spent = 0;
                ask(&small, small_ids, an_hour, false, &spent);
                smalls[round] = spent / (double)an_hour * 1e9;
                end_world(&small);
            } else if (what == 2) {
                ask(large, large->made, an_hour, false, &spent);
                larges[round] = spent / (double)an_hour * 1e9;
            }
        }
        to_stick[round] = rocks ? larges[round] / sticks[round] : 0;
        to_small[round] = larges[round] / smalls[round];
        printf("{\"ids\":\"%s\",\"round\":%u,\"yardstick_cpu_ns\":%.0f,\"small_cpu_ns\":%.0f,"
               "\"large_cpu_ns\":%.0f}\n",
               large->is_v7 ? "v7" : "v4", round + 1, sticks[round], smalls[round], larges[round]);
        fflush(stdout);
    }
    printf("{\"ids\":\"%s\",\"medians\":%u,\"small_state\":%llu,\"large_state\":%llu,"
           "\"yardstick_cpu_ns\":%.0f,\"small_cpu_ns\":%.0f,\"large_cpu_ns\":%.0f,"
           "\"large_to_yardstick\":%.2f,\"large_to_small\":%.2f}\n",
           large->is_v7 ? "v7" : "v4", rounds, (unsigned long long)small_ids,
           (unsigned long long)(24 * an_hour), median(sticks, rounds), median(smalls, rounds),
           median(larges, rounds), median(to_stick, rounds), median(to_small, rounds));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    const char *root = argc > 1 ? argv[1] : NULL;
    uint64_t ids = argc > 2 ? strtoull(argv[2], NULL, 10) : 100000000;
    unsigned rounds = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 5;
    struct rocks rocks = {0};
    bool has_rocks = false;
    struct pt_error err = {0};

    if (!root || ids < 2400 || rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr,
                "usage: bench_dedup DIR [IDS [ROUNDS]]; at least 2400 ids, 1 to 99 rounds\n");
        return 2;
    }
    need(pt_io_mkdir(pt_io_posix(), root, &err), &err);
    has_rocks = find_rocks(&rocks);
    if (!has_rocks) {
        fprintf(stderr, "bench_dedup: librocksdb is not here: the yardstick is left out\n");
    }
    for (int kind = 0; kind < 2; kind++) {
        struct world world = begin_world(root, "large", kind == 1, ids / 24);

        describe_state(&world, ids / 100);
        describe_state(&world, ids / 10);
        describe_state(&world, ids);
        compare(root, &world, ids / 100, rounds, has_rocks ? &rocks : NULL);
        end_world(&world);
    }
    return 0;
}
