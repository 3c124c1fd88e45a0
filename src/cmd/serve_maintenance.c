/*
 * serve_maintenance.c - what `serve` does for the table in the background
 */
#include "cmd/serve_maintenance.h"

#include "base/host.h"
#include "base/mem.h"
#include "lake/lake.h"

#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#define STOP_AGAIN_MS 50
#define MEMORY_BYTES_USUAL (UINT64_C(4) << 30) /* for a file of 128 MiB */
#define MEMORY_BYTES_MIN (UINT64_C(128) << 20) /* DuckDB needs as much to sort anything */

struct pt_maintenance {
    struct pt_maintenance_parts parts;
    int64_t interval_ms;
    bool compacts;
    struct pt_lake_expiry expiry;
    enum pt_code compact_failed; /* of the last turn; the thread's own, as the next */
    enum pt_code expire_failed;
    struct pt_compactor *compactor;

    struct pt_metric *files_total;
    struct pt_metric *rows_total;
    struct pt_metric *snapshots_total;
    struct pt_metric *conflicts_total;
    struct pt_metric *failing;
    struct pt_metric *expired_total;
    struct pt_metric *expiry_failing;

    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake; /* one of the two below has changed */
    bool is_closing;
    bool has_ended;
};

static uint64_t memory_bytes(const struct pt_config *config)
{
    int64_t set = pt_config_int(config, PT_CONFIG_lake_compact_memory_bytes);
    uint64_t bytes = set > 0 ? (uint64_t)set : pt_host_memory_bytes() / 4;

    if (set == 0 && bytes > MEMORY_BYTES_USUAL) {
        bytes = MEMORY_BYTES_USUAL;
    }
    return bytes < MEMORY_BYTES_MIN ? MEMORY_BYTES_MIN : bytes;
}

void pt_maintenance_options(const struct pt_config *config, struct pt_compact_options *options_out)
{
    *options_out = (struct pt_compact_options){
        .target_file_bytes = (uint64_t)pt_config_int(config, PT_CONFIG_lake_target_file_bytes),
        .memory_bytes = memory_bytes(config),
        .files_min = (unsigned)pt_config_int(config, PT_CONFIG_lake_compact_files_min),
        .files_min_today = (unsigned)pt_config_int(config, PT_CONFIG_lake_compact_files_min_today),
    };
}

static void note_made(void *ctx, const struct pt_compacted *made)
{
    struct pt_maintenance *maintenance = ctx;

    pt_metric_add(maintenance->snapshots_total, 1);
    pt_metric_add(maintenance->files_total, (int64_t)made->files_in);
    pt_metric_add(maintenance->rows_total, (int64_t)made->rows);
    pt_log_line(PT_LOG_DEBUG, "lake", NULL,
                "%" PRIu64 " files with %" PRIu64 " rows became %s of %" PRIu64 " bytes",
                made->files_in, made->rows, made->path, made->bytes_out);
}

/* A failure is logged once, however many turns it lasts. */
static void note_end(enum pt_code code, enum pt_code *last, struct pt_metric *failing,
                     const char *what, const struct pt_error *err)
{
    if (code && code != *last) {
        pt_log_line(PT_LOG_ERROR, "lake", NULL,
                    "%s failed and will be tried again; no row is lost: %s", what, err->text);
    }
    *last = code;
    pt_metric_set(failing, code != PT_OK);
}

static void compact(struct pt_maintenance *maintenance)
{
    struct pt_compact_options options;
    struct pt_compact_result result;
    struct pt_error err = {0};
    enum pt_code code = PT_OK;

    pt_maintenance_options(maintenance->parts.config, &options);
    options.each = note_made;
    options.ctx = maintenance;
    code = pt_compactor_run(maintenance->compactor, &options, &result, &err);
    pt_metric_add(maintenance->conflicts_total, (int64_t)result.conflicts);
    if (code == PT_FENCED) {
        code = PT_OK; /* `playtrace lake compact` is at it */
    }
    note_end(code, &maintenance->compact_failed, maintenance->failing, "compaction", &err);
}

/* Old snapshots, and the files that only they named. */
static void expire(struct pt_maintenance *maintenance)
{
    const struct pt_maintenance_parts *parts = &maintenance->parts;
    struct pt_lake_expired expired = {0};
    struct pt_lake *lake = NULL;
    struct pt_error err = {0};
    enum pt_code code = pt_lake_open(&lake, parts->io, parts->clock, parts->lake_dir, &err);

    if (!code) {
        code = pt_lake_expire(lake, &maintenance->expiry, &expired, &err);
        pt_metric_add(maintenance->expired_total, (int64_t)expired.snapshots);
    }
    if (code == PT_AGAIN) {
        code = PT_OK; /* others were faster each time: the next turn does it */
    }
    note_end(code, &maintenance->expire_failed, maintenance->expiry_failing, "snapshot expiry",
             &err);
    pt_lake_close(lake);
}

/* False: it is time to end. */
static bool wait_for_turn(struct pt_maintenance *maintenance, int64_t wait_ms)
{
    struct timespec until;
    int timed_out = 0;
    bool goes_on = false;

    /* The condition's clock is the monotonic one. */
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += wait_ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_mutex_lock(&maintenance->lock);
    while (!maintenance->is_closing && !timed_out) {
        timed_out = pthread_cond_timedwait(&maintenance->wake, &maintenance->lock, &until);
    }
    goes_on = !maintenance->is_closing;
    pthread_mutex_unlock(&maintenance->lock);
    return goes_on;
}

static void *run(void *arg)
{
    struct pt_maintenance *maintenance = arg;

    pt_host_thread_yield_cpu();
    while (wait_for_turn(maintenance, maintenance->interval_ms)) {
        if (maintenance->compacts) {
            compact(maintenance);
        }
        expire(maintenance);
    }
    pthread_mutex_lock(&maintenance->lock);
    maintenance->has_ended = true;
    pthread_cond_broadcast(&maintenance->wake);
    pthread_mutex_unlock(&maintenance->lock);
    return NULL;
}

static enum pt_code read_settings(struct pt_maintenance *maintenance, struct pt_error *err)
{
    const struct pt_config *config = maintenance->parts.config;
    const char *compacts = pt_config_string(config, PT_CONFIG_lake_compact);

    if (strcmp(compacts, "on") != 0 && strcmp(compacts, "off") != 0) {
        return pt_fail(err, PT_INVALID, "lake.compact is \"%s\"; it may be on or off", compacts);
    }
    maintenance->compacts = strcmp(compacts, "on") == 0;
    maintenance->interval_ms = pt_config_int(config, PT_CONFIG_lake_compact_interval_ms);
    maintenance->expiry = (struct pt_lake_expiry){
        .age_us = pt_config_int(config, PT_CONFIG_lake_snapshot_days) * 86400 * 1000000,
        .kept_max = (uint32_t)pt_config_int(config, PT_CONFIG_lake_snapshots_kept),
        .orphan_age_us = pt_config_int(config, PT_CONFIG_lake_orphan_hours) * 3600 * 1000000,
    };
    return PT_OK;
}

static void add_metrics(struct pt_maintenance *maintenance)
{
    struct pt_metrics *metrics = maintenance->parts.metrics;

    maintenance->snapshots_total =
        pt_metrics_get(metrics, PT_COUNTER, "playtrace_lake_compacted_total", NULL,
                       "files that compaction has made since the start");
    maintenance->files_total =
        pt_metrics_get(metrics, PT_COUNTER, "playtrace_lake_compacted_files_total", NULL,
                       "small files that compaction has replaced since the start");
    maintenance->rows_total =
        pt_metrics_get(metrics, PT_COUNTER, "playtrace_lake_compacted_rows_total", NULL,
                       "rows that compaction has rewritten since the start");
    maintenance->conflicts_total =
        pt_metrics_get(metrics, PT_COUNTER, "playtrace_lake_compact_conflicts_total", NULL,
                       "files given up because the table had changed");
    maintenance->failing = pt_metrics_get(metrics, PT_GAUGE, "playtrace_lake_compact_failing", NULL,
                                          "1: the last compaction failed");
    maintenance->expired_total =
        pt_metrics_get(metrics, PT_COUNTER, "playtrace_lake_expired_snapshots_total", NULL,
                       "snapshots that have expired since the start");
    maintenance->expiry_failing = pt_metrics_get(metrics, PT_GAUGE, "playtrace_lake_expiry_failing",
                                                 NULL, "1: the last expiry of snapshots failed");
}

static void release(struct pt_maintenance *maintenance)
{
    pt_compactor_close(maintenance->compactor);
    pthread_cond_destroy(&maintenance->wake);
    pthread_mutex_destroy(&maintenance->lock);
    pt_free(maintenance);
}

enum pt_code pt_maintenance_start(struct pt_maintenance **maintenance_out,
                                  const struct pt_maintenance_parts *parts, struct pt_error *err)
{
    struct pt_maintenance *maintenance = pt_alloc_zero(sizeof(*maintenance));
    pthread_condattr_t monotonic;
    int errnum = 0;
    enum pt_code code = PT_OK;

    *maintenance_out = NULL;
    if (!maintenance) {
        return pt_fail(err, PT_NO_MEMORY, "start the table's maintenance");
    }
    maintenance->parts = *parts;
    pthread_mutex_init(&maintenance->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&maintenance->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    add_metrics(maintenance);
    code = read_settings(maintenance, err);
    if (!code) {
        code = pt_compactor_open(&maintenance->compactor, parts->io, parts->clock, parts->lake_dir,
                                 err);
    }
    if (!code) {
        errnum = pthread_create(&maintenance->thread, NULL, run, maintenance);
        code = errnum ? pt_fail_errno(err, errnum, "start the table's maintenance") : PT_OK;
    }
    if (code) {
        release(maintenance);
        return code;
    }
    *maintenance_out = maintenance;
    return PT_OK;
}

void pt_maintenance_stop(struct pt_maintenance *maintenance)
{
    if (!maintenance) {
        return;
    }
    pthread_mutex_lock(&maintenance->lock);
    maintenance->is_closing = true;
    pthread_cond_broadcast(&maintenance->wake);
    while (!maintenance->has_ended) {
        struct timespec until;

        /* An interrupt that comes between two statements of DuckDB is lost: again, then. */
        pthread_mutex_unlock(&maintenance->lock);
        pt_compactor_stop(maintenance->compactor);
        pthread_mutex_lock(&maintenance->lock);
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += STOP_AGAIN_MS * 1000000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_nsec -= 1000000000;
            until.tv_sec++;
        }
        if (!maintenance->has_ended) {
            pthread_cond_timedwait(&maintenance->wake, &maintenance->lock, &until);
        }
    }
    pthread_mutex_unlock(&maintenance->lock);
    pthread_join(maintenance->thread, NULL);
    release(maintenance);
}
