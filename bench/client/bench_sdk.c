/*
 * bench_sdk.c - what the SDK costs the game, beside two common ways to keep events on the device
 *
 *     bench_sdk track DIR    40,000 calls of a game's thread with six attributes, in bursts
 *     bench_sdk queue DIR    100,000 events offline: each tenth's cost, then open again
 *     bench_sdk memory DIR   what a client adds to the process
 *     bench_sdk wire DIR     10,000 varied events to a server in memory: packing and signing
 *     bench_sdk flags DIR    getters of 100 flags, from a server in memory
 *
 * One JSON object a line on standard output. Ways: `playtrace` is the client as it is by default
 * (POSIX, worker thread) with a server that nobody runs; `list` keeps all events in an array and
 * rewrites one JSON file at each event; `sqlite` inserts each event into a table of its own (WAL,
 * synchronous=NORMAL, one prepared statement, one transaction an event). All three keep the same
 * text. CPU of the calling thread is CLOCK_THREAD_CPUTIME_ID less what an empty pair of readings
 * shows; allocations are all calls of malloc and its kin by that thread within the measured call.
 */
#include "../support/measure.h"
#include "playtrace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

#define TRACK_EVENTS 40000
#define LIST_EVENTS 1000 /* each costs a rewrite of all before it */
#define SQLITE_EVENTS 10000
#define BURST_EVENTS 50
#define QUEUE_EVENTS 100000
#define QUEUE_LIST_EVENTS 3000
#define WIRE_EVENTS 10000
#define FLAGS 100
#define FLAG_SAMPLES 2000
#define FLAG_CALLS 100 /* a sample: the clock takes longer than a getter */
#define TENTHS 10
#define EVENT_BYTES_MAX 512

static const char name[] = "level_end";
static const char attributes[] = "{\"level\":7,\"won\":true,\"seconds\":93.25,\"weapon\":\"bow\","
                                 "\"difficulty\":\"hard\",\"coins\":1250}";

static double samples[TRACK_EVENTS];

/* ---- allocations, counted ---- */

extern void *__libc_malloc(size_t bytes);                 /* NOLINT: glibc's own names */
extern void *__libc_calloc(size_t count, size_t bytes);   /* NOLINT */
extern void *__libc_realloc(void *memory, size_t bytes);  /* NOLINT */
extern void *__libc_memalign(size_t align, size_t bytes); /* NOLINT */

static __thread bool is_counting;
static __thread unsigned long allocations;

void *malloc(size_t bytes)
{
    allocations += is_counting ? 1 : 0;
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    allocations += is_counting ? 1 : 0;
    return __libc_calloc(count, bytes);
}

void *realloc(void *memory, size_t bytes)
{
    allocations += is_counting ? 1 : 0;
    return __libc_realloc(memory, bytes);
}

void *memalign(size_t align, size_t bytes);
void *memalign(size_t align, size_t bytes)
{
    allocations += is_counting ? 1 : 0;
    return __libc_memalign(align, bytes);
}

/* ---- measuring ---- */

static void must(bool is_right, const char *what)
{
    if (!is_right) {
        fprintf(stderr, "bench_sdk: %s: %s\n", what, strerror(errno));
        exit(1);
    }
}

static double empty_pair_s(void)
{
    static double pairs[10001];

    for (size_t i = 0; i < 10001; i++) {
        double start = measure_seconds(CLOCK_THREAD_CPUTIME_ID);

        pairs[i] = measure_seconds(CLOCK_THREAD_CPUTIME_ID) - start;
    }
    qsort(pairs, 10001, sizeof(pairs[0]), measure_compare);
    return pairs[5000];
}

static void sleep_ms(long ms)
{
    struct timespec left = {ms / 1000, ms % 1000 * 1000000};

    while (nanosleep(&left, &left) != 0) {
    }
}

static void clear_dir(const char *dir)
{
    char path[4096];
    DIR *listing = NULL;

    must(mkdir(dir, 0700) == 0 || errno == EEXIST, dir);
    listing = opendir(dir);
    must(listing != NULL, dir);
    for (const struct dirent *entry; (entry = readdir(listing));) {
        (void)snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
        if (entry->d_name[0] != '.') {
            must(unlink(path) == 0, path);
        }
    }
    (void)closedir(listing);
}

/* ---- the three ways ---- */

struct way {
    const char *name;
    bool (*put)(void *state);
    void *state;
    unsigned long events;
};

/* What an event of the game comes to as text, as the SDK writes it. */
static size_t event_text(unsigned long i, char text[EVENT_BYTES_MAX])
{
    return (size_t)snprintf(
        text, EVENT_BYTES_MAX,
        "{\"event_id\":\"0190163d-8694-739b-aea5-%012lx\",\"event_name\":\"%s\","
        "\"occurred_at\":\"2026-11-22T12:00:00.000000Z\",\"seq\":%lu,"
        "\"user_id\":\"player-1\","
        "\"session_id\":\"0190163d-8694-739b-aea5-966c26f8ad91\","
        "\"install_id\":\"0190163d-8694-739b-aea5-966c26f8ad90\",\"boot\":1,"
        "\"attributes\":%s}",
        i, name, i, attributes);
}

static void default_options(struct playtrace_options *options, const char *dir)
{
    playtrace_options_init(options);
    options->url = "http://127.0.0.1:1";
    options->queue_dir = dir;
    options->user_id = "player-1";
    options->consent = PLAYTRACE_CONSENT_GIVEN;
    options->queue_bytes_max = UINT64_C(128) << 20;
}

static struct playtrace *open_client(const struct playtrace_options *options)
{
    struct playtrace *p = NULL;

    must(playtrace_open(&p, options) == PLAYTRACE_OK, "open the client");
    return p;
}

static bool put_playtrace(void *state)
{
    return playtrace_track(state, name, attributes) == PLAYTRACE_OK;
}

struct list {
    char path[4096];
    char **texts;
    unsigned long count;
};

static bool put_list(void *state)
{
    struct list *list = state;
    char text[EVENT_BYTES_MAX];
    FILE *file = NULL;

    (void)event_text(list->count, text);
    list->texts = realloc(list->texts, (list->count + 1) * sizeof(list->texts[0]));
    list->texts[list->count++] = strdup(text);
    file = fopen(list->path, "w");
    if (!file) {
        return false;
    }
    fputc('[', file);
    for (unsigned long i = 0; i < list->count; i++) {
        fprintf(file, "%s%s", i > 0 ? "," : "", list->texts[i]);
    }
    fputc(']', file);
    return fclose(file) == 0;
}

static void free_list(struct list *list)
{
    for (unsigned long i = 0; i < list->count; i++) {
        free(list->texts[i]);
    }
    free(list->texts);
}

struct database {
    sqlite3 *db;
    sqlite3_stmt *insert;
    unsigned long count;
};

static void open_database(struct database *d, const char *dir)
{
    char path[4096];

    (void)snprintf(path, sizeof(path), "%s/events.sqlite", dir);
    must(sqlite3_open(path, &d->db) == SQLITE_OK, "open the database");
    must(sqlite3_exec(d->db,
                      "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
                      "CREATE TABLE events (id INTEGER PRIMARY KEY, event TEXT NOT NULL)",
                      NULL, NULL, NULL) == SQLITE_OK,
         "make the table");
    must(sqlite3_prepare_v2(d->db, "INSERT INTO events (event) VALUES (?)", -1, &d->insert, NULL) ==
             SQLITE_OK,
         "prepare the statement");
}

static bool put_sqlite(void *state)
{
    struct database *d = state;
    char text[EVENT_BYTES_MAX];
    size_t bytes = event_text(d->count++, text);

    return sqlite3_bind_text(d->insert, 1, text, (int)bytes, SQLITE_STATIC) == SQLITE_OK &&
           sqlite3_step(d->insert) == SQLITE_DONE && sqlite3_reset(d->insert) == SQLITE_OK;
}

static void close_database(struct database *d)
{
    (void)sqlite3_finalize(d->insert);
    must(sqlite3_close(d->db) == SQLITE_OK, "close the database");
}

/* ---- track: one call of the game's thread ---- */

static void measure_calls(const struct way *way, double empty_s)
{
    unsigned long counted = 0;
    double total_s = 0;

    for (unsigned long i = 0; i < way->events; i++) {
        double start = 0;
        bool is_put = false;

        /* As a game does it: some events, and then the rest of the frame. */
        if (i % BURST_EVENTS == 0 && i > 0) {
            sleep_ms(2);
        }
        allocations = 0;
        is_counting = true;
        start = measure_seconds(CLOCK_THREAD_CPUTIME_ID);
        is_put = way->put(way->state);
        samples[i] = measure_seconds(CLOCK_THREAD_CPUTIME_ID) - start - empty_s;
        is_counting = false;
        counted += allocations;
        total_s += samples[i];
        must(is_put, way->name);
    }
    qsort(samples, way->events, sizeof(samples[0]), measure_compare);
    printf("{\"section\":\"track\",\"way\":\"%s\",\"events\":%lu,\"p50_us\":%.3f,\"p99_us\":%.3f,"
           "\"p999_us\":%.3f,\"mean_us\":%.3f,\"allocations\":%lu}\n",
           way->name, way->events, samples[way->events / 2] * 1e6,
           samples[way->events * 99 / 100] * 1e6, samples[way->events * 999 / 1000] * 1e6,
           total_s * 1e6 / (double)way->events, counted);
}

static void run_track(const char *dir)
{
    double empty_s = empty_pair_s();
    struct playtrace_options options;
    struct playtrace *p = NULL;
    struct database d = {0};
    struct list list = {0};

    clear_dir(dir);
    default_options(&options, dir);
    p = open_client(&options);
    measure_calls(&(struct way){"playtrace", put_playtrace, p, TRACK_EVENTS}, empty_s);
    (void)playtrace_close(p, 0);
    clear_dir(dir);
    (void)snprintf(list.path, sizeof(list.path), "%s/events.json", dir);
    measure_calls(&(struct way){"list", put_list, &list, LIST_EVENTS}, empty_s);
    free_list(&list);
    clear_dir(dir);
    open_database(&d, dir);
    measure_calls(&(struct way){"sqlite", put_sqlite, &d, SQLITE_EVENTS}, empty_s);
    close_database(&d);
}

/* ---- queue: offline for long ---- */

/* CPU of the whole process by tenth of the events; `settle` says that a burst is on disk. */
static void measure_tenths(const struct way *way, void (*settle)(void *state))
{
    printf("{\"section\":\"queue\",\"way\":\"%s\",\"events\":%lu,\"tenths_us\":[", way->name,
           way->events);
    for (unsigned tenth = 0; tenth < TENTHS; tenth++) {
        unsigned long events = way->events / TENTHS;
        double start = measure_seconds(CLOCK_PROCESS_CPUTIME_ID);

        for (unsigned long i = 0; i < events; i++) {
            must(way->put(way->state), way->name);
            if ((i + 1) % BURST_EVENTS == 0) {
                settle(way->state);
            }
        }
        printf("%s%.3f", tenth > 0 ? "," : "",
               (measure_seconds(CLOCK_PROCESS_CPUTIME_ID) - start) * 1e6 / (double)events);
    }
    printf("]}\n");
}

static void settle_playtrace(void *state)
{
    must(playtrace_pump(state) == PLAYTRACE_QUEUED, "pump");
}

static void settle_nothing(void *state)
{
    (void)state;
}

/* The game pumps, so that writing falls into the measured loop; nothing is due to be sent. */
static struct playtrace *open_offline(const char *dir)
{
    struct playtrace_options options;

    default_options(&options, dir);
    options.flags_enabled = false;
    options.without_worker = true;
    options.sync_at_close = false;
    return open_client(&options);
}

static void run_queue(const char *dir)
{
    struct playtrace_stats stats;
    struct playtrace *p = NULL;
    struct database d = {0};
    struct list list = {0};
    double cpu_s = 0;
    double wall_s = 0;

    clear_dir(dir);
    p = open_offline(dir);
    measure_tenths(&(struct way){"playtrace", put_playtrace, p, QUEUE_EVENTS}, settle_playtrace);
    playtrace_stats(p, &stats);
    must(stats.queued >= QUEUE_EVENTS, "not everything was queued");
    (void)playtrace_close(p, 0);
    cpu_s = measure_seconds(CLOCK_PROCESS_CPUTIME_ID);
    wall_s = measure_seconds(CLOCK_MONOTONIC);
    p = open_offline(dir);
    cpu_s = measure_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_s;
    wall_s = measure_seconds(CLOCK_MONOTONIC) - wall_s;
    playtrace_stats(p, &stats);
    must(stats.recovered >= QUEUE_EVENTS, "not everything was recovered");
    printf("{\"section\":\"open\",\"way\":\"playtrace\",\"events\":%llu,\"bytes\":%llu,"
           "\"cpu_ms\":%.3f,\"wall_ms\":%.3f}\n",
           (unsigned long long)stats.recovered, (unsigned long long)stats.queued_bytes, cpu_s * 1e3,
           wall_s * 1e3);
    (void)playtrace_close(p, 0);
    clear_dir(dir);
    (void)snprintf(list.path, sizeof(list.path), "%s/events.json", dir);
    measure_tenths(&(struct way){"list", put_list, &list, QUEUE_LIST_EVENTS}, settle_nothing);
    free_list(&list);
    clear_dir(dir);
    open_database(&d, dir);
    measure_tenths(&(struct way){"sqlite", put_sqlite, &d, QUEUE_EVENTS}, settle_nothing);
    close_database(&d);
}

/* ---- memory ---- */

struct resident {
    unsigned long all_kb;     /* with the pages of libraries, which all processes share */
    unsigned long private_kb; /* this process's alone */
};

static struct resident resident(void)
{
    struct resident found = {0};
    char line[128];
    FILE *file = fopen("/proc/self/status", "r");

    must(file != NULL, "status");
    while (fgets(line, sizeof(line), file)) {
        (void)sscanf(line, "VmRSS: %lu", &found.all_kb);
        (void)sscanf(line, "RssAnon: %lu", &found.private_kb);
    }
    (void)fclose(file);
    must(found.all_kb > 0 && found.private_kb > 0, "status");
    return found;
}

/* Before its first request, and after it (refused at once: what comes with it is libcurl's). */
static void run_memory(const char *dir)
{
    struct resident before;
    struct resident opened;
    struct resident used;
    struct playtrace_options options;
    struct playtrace *p = NULL;

    clear_dir(dir);
    before = resident();
    default_options(&options, dir);
    options.flags_enabled = false; /* they are the first request otherwise */
    p = open_client(&options);
    sleep_ms(200); /* the worker looks once */
    opened = resident();
    (void)playtrace_close(p, 0);
    clear_dir(dir);
    options.flags_enabled = true;
    p = open_client(&options);
    sleep_ms(500);
    used = resident();
    (void)playtrace_close(p, 0);
    printf("{\"section\":\"memory\",\"opened_kb\":%lu,\"request_kb\":%lu,"
           "\"request_private_kb\":%lu}\n",
           opened.all_kb - before.all_kb, used.all_kb - before.all_kb,
           used.private_kb - before.private_kb);
}

/* ---- flags ---- */

static char flags_answer[FLAGS * 160];

static void answer_flags(void *http, const struct playtrace_http_request *request,
                         struct playtrace_http_response *response)
{
    size_t bytes = strlen(flags_answer);

    (void)http;
    if (strstr(request->url, "/ofrep/")) {
        memcpy(response->body, flags_answer, bytes);
        response->body_bytes = bytes;
        response->status = 200;
    }
}

/* The answer of an OFREP server: flags of each type, every other one of an experiment. */
static void write_flags(void)
{
    static const char *const values[] = {"true", "42", "0.25", "\"some text\""};
    size_t used = (size_t)snprintf(flags_answer, sizeof(flags_answer), "{\"flags\":[");

    for (unsigned i = 0; i < FLAGS; i++) {
        used += (size_t)snprintf(flags_answer + used, sizeof(flags_answer) - used,
                                 "%s{\"key\":\"feature-flag-%u\",\"reason\":\"%s\",\"variant\":"
                                 "\"treatment\",\"value\":%s,\"metadata\":{\"experiment\":\"e%u\","
                                 "\"epoch\":2}}",
                                 i > 0 ? "," : "", i, i % 2 ? "STATIC" : "SPLIT", values[i % 4], i);
    }
    (void)snprintf(flags_answer + used, sizeof(flags_answer) - used, "]}");
}

static bool take_flag(struct playtrace *p, unsigned kind)
{
    char text[64];

    switch (kind) {
    case 0:
        return playtrace_flag_bool(p, "feature-flag-48", false);
    case 1:
        return playtrace_flag_int(p, "feature-flag-49", 0) == 42;
    case 2:
        return playtrace_flag_double(p, "feature-flag-50", 0) > 0;
    case 3:
        return playtrace_flag_string(p, "feature-flag-51", "", text, sizeof(text)) == 9;
    default:
        return !playtrace_flag_bool(p, "no-such-flag", false);
    }
}

static void run_flags(const char *dir)
{
    static const char *const kinds[] = {"bool", "int", "double", "string", "absent"};
    struct playtrace_platform platform;
    struct playtrace_options options;
    struct playtrace *p = NULL;
    struct resident before;

    write_flags();
    clear_dir(dir);
    playtrace_platform_posix_init(&platform);
    platform.http_create = NULL;
    platform.http_post = answer_flags;
    default_options(&options, dir);
    options.without_worker = true;
    options.platform_table = &platform;
    before = resident();
    p = open_client(&options);
    must(playtrace_flags_refresh(p, 1000) == PLAYTRACE_OK, "ask for flags");
    printf("{\"section\":\"flags\",\"way\":\"resident\",\"flags\":%d,\"bytes\":%lu}\n", FLAGS,
           (resident().all_kb - before.all_kb) * 1024);
    for (unsigned kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++) {
        allocations = 0;
        for (unsigned i = 0; i < FLAG_SAMPLES; i++) {
            double start = 0;

            must(take_flag(p, kind), kinds[kind]); /* with its exposure, once */
            is_counting = true;
            start = measure_seconds(CLOCK_THREAD_CPUTIME_ID);
            for (unsigned call = 0; call < FLAG_CALLS; call++) {
                must(take_flag(p, kind), kinds[kind]);
            }
            samples[i] = (measure_seconds(CLOCK_THREAD_CPUTIME_ID) - start) / FLAG_CALLS;
            is_counting = false;
        }
        qsort(samples, FLAG_SAMPLES, sizeof(samples[0]), measure_compare);
        printf("{\"section\":\"flags\",\"way\":\"%s\",\"p50_us\":%.4f,\"p99_us\":%.4f,"
               "\"allocations\":%lu}\n",
               kinds[kind], samples[FLAG_SAMPLES / 2] * 1e6, samples[FLAG_SAMPLES * 99 / 100] * 1e6,
               allocations);
    }
    (void)playtrace_close(p, 0);
}

/* ---- what goes out ---- */

/* The platform's packing and signing, watched, and zstd over the same bodies. */
static struct {
    struct playtrace_platform posix;
    unsigned long plain_bytes;
    unsigned long packed_bytes;
    unsigned long zstd_bytes;
    double pack_s;
    double zstd_s;
    double sign_s;
} wire;

static size_t pack(void *ctx, const void *in, size_t bytes, void *out, size_t out_bytes_max)
{
    static char room[1 << 19];
    double start_s = measure_seconds(CLOCK_THREAD_CPUTIME_ID);
    size_t packed = wire.posix.compress(ctx, in, bytes, out, out_bytes_max);

    wire.pack_s += measure_seconds(CLOCK_THREAD_CPUTIME_ID) - start_s;
    wire.plain_bytes += bytes;
    wire.packed_bytes += packed > 0 ? packed : bytes;
    start_s = measure_seconds(CLOCK_THREAD_CPUTIME_ID);
    wire.zstd_bytes += ZSTD_compress(room, sizeof(room), in, bytes, 1);
    wire.zstd_s += measure_seconds(CLOCK_THREAD_CPUTIME_ID) - start_s;
    return packed;
}

static int sign(void *ctx, const void *key, size_t key_bytes, const void *data, size_t bytes,
                uint8_t out[32])
{
    double start_s = measure_seconds(CLOCK_THREAD_CPUTIME_ID);
    int result = wire.posix.hmac_sha256(ctx, key, key_bytes, data, bytes, out);

    wire.sign_s += measure_seconds(CLOCK_THREAD_CPUTIME_ID) - start_s;
    return result;
}

static unsigned wire_batch_events;

static void take_batch(void *http, const struct playtrace_http_request *request,
                       struct playtrace_http_response *response)
{
    (void)http;
    (void)request;
    response->status = 202;
    response->body_bytes = (size_t)snprintf(response->body, response->body_bytes_max,
                                            "{\"accepted\":%u,\"rejected\":[]}", wire_batch_events);
}

static void track_varied(struct playtrace *p)
{
    static const char *const names[] = {"level_start", "level_end", "purchase", "heartbeat"};
    static const char *const weapons[] = {"bow", "sword", "rifle", "staff"};
    char text[256];

    (void)snprintf(text, sizeof(text),
                   "{\"level\":%d,\"won\":%s,\"seconds\":%.2f,\"weapon\":\"%s\",\"score\":%d,"
                   "\"map\":\"forest_%02d\"}",
                   rand() % 40, rand() % 2 ? "true" : "false", rand() % 30000 / 100.0,
                   weapons[rand() % 4], rand() % 100000, rand() % 12);
    must(playtrace_track(p, names[rand() % 4], text) == PLAYTRACE_OK, "track");
}

static void run_wire(const char *dir)
{
    static const unsigned batches[] = {100, 10};

    for (size_t i = 0; i < sizeof(batches) / sizeof(batches[0]); i++) {
        struct playtrace_platform platform;
        struct playtrace_options options;
        struct playtrace *p = NULL;

        srand(1);
        memset(&wire, 0, sizeof(wire));
        playtrace_platform_posix_init(&wire.posix);
        platform = wire.posix;
        wire_batch_events = batches[i];
        clear_dir(dir);
        default_options(&options, dir);
        options.build_id = "1.4.2";
        options.platform = "pc";
        options.signing_secret = "a secret of some length";
        options.without_worker = true;
        options.sync_at_close = false;
        options.report_health = false;
        options.flags_enabled = false;
        options.batch_events_max = batches[i];
        platform.compress = pack;
        platform.hmac_sha256 = sign;
        platform.http_create = NULL;
        platform.http_post = take_batch;
        options.platform_table = &platform;
        p = open_client(&options);
        for (unsigned sent = 0; sent < WIRE_EVENTS; sent += batches[i]) {
            for (unsigned k = 0; k < batches[i]; k++) {
                track_varied(p);
            }
            must(playtrace_flush(p, 1000) == PLAYTRACE_OK, "flush");
        }
        (void)playtrace_close(p, 0);
        printf("{\"section\":\"wire\",\"way\":\"%u\",\"plain_bytes\":%.1f,\"packed_bytes\":%.1f,"
               "\"zstd_bytes\":%.1f,\"pack_us\":%.3f,\"zstd_us\":%.3f,\"sign_us\":%.3f}\n",
               batches[i], (double)wire.plain_bytes / WIRE_EVENTS,
               (double)wire.packed_bytes / WIRE_EVENTS, (double)wire.zstd_bytes / WIRE_EVENTS,
               wire.pack_s * 1e6 / WIRE_EVENTS, wire.zstd_s * 1e6 / WIRE_EVENTS,
               wire.sign_s * 1e6 / WIRE_EVENTS);
    }
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 3 && strcmp(argv[1], "track") == 0) {
        run_track(argv[2]);
    } else if (argc == 3 && strcmp(argv[1], "queue") == 0) {
        run_queue(argv[2]);
    } else if (argc == 3 && strcmp(argv[1], "memory") == 0) {
        run_memory(argv[2]);
    } else if (argc == 3 && strcmp(argv[1], "wire") == 0) {
        run_wire(argv[2]);
    } else if (argc == 3 && strcmp(argv[1], "flags") == 0) {
        run_flags(argv[2]);
    } else {
        fprintf(stderr, "usage: bench_sdk track|queue|memory|wire|flags DIR\n");
        return 2;
    }
    return 0;
}
