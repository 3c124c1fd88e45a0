/*
 * audit.c - recount log, dead letters and id runs
 */
#include "cmd/audit.h"

#include "base/host.h"
#include "base/mem.h"
#include "wire/event.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STATE_TRIES 50
#define BEHIND_TRIES 3
#define MINUTE_US INT64_C(60000000)

/* ---- temporary files ---- */

static enum pt_code open_csv(struct pt_audit *audit, const char *name, struct pt_error *err)
{
    char *path = pt_strf("%s/%s", audit->temp, name);

    audit->csv = path ? fopen(path, "w") : NULL;
    pt_free(path);
    return audit->csv ? PT_OK : pt_fail(err, PT_IO, "make a file in %s", audit->temp);
}

/* Returns `code`, or that the file could not be written. */
static enum pt_code close_csv(struct pt_audit *audit, enum pt_code code, struct pt_error *err)
{
    bool is_written = !ferror(audit->csv);

    is_written &= fclose(audit->csv) == 0;
    audit->csv = NULL;
    return code || is_written ? code : pt_fail(err, PT_IO, "write to %s: is it full?", audit->temp);
}

/* ---- findings ---- */

void pt_audit_check(struct pt_audit *audit, bool ok, const char *what, const char *format, ...)
{
    char text[1024];
    va_list args;
    struct pt_audit_finding *finding = NULL;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    audit->differences += !ok;
    if (audit->finding_count == audit->finding_capacity) {
        size_t capacity = audit->finding_capacity ? 2 * audit->finding_capacity : 64;
        struct pt_audit_finding *grown = pt_realloc(audit->findings, capacity * sizeof(*grown));

        if (!grown) {
            audit->has_failed = true;
            return;
        }
        audit->findings = grown;
        audit->finding_capacity = capacity;
    }
    finding = &audit->findings[audit->finding_count];
    *finding = (struct pt_audit_finding){.is_ok = ok, .what = what, .text = pt_strdup(text)};
    if (!finding->text) {
        audit->has_failed = true;
        return;
    }
    audit->finding_count++;
}

void pt_audit_forget(struct pt_audit *audit)
{
    for (size_t i = 0; i < audit->finding_count; i++) {
        pt_free(audit->findings[i].text);
    }
    pt_free(audit->findings);
    *audit = (struct pt_audit){
        .dir = audit->dir,
        .dedup_hours = audit->dedup_hours,
        .ledger_days = audit->ledger_days,
        .temp = audit->temp,
    };
}

/* ---- checkpoint and table ---- */

struct newest {
    char name[64]; /* of the greatest checkpoint file */
};

static void note_newest(void *ctx, const char *name, bool is_dir)
{
    struct newest *newest = ctx;

    if (!is_dir && strncmp(name, "checkpoint-", 11) == 0 && strlen(name) < sizeof(newest->name) &&
        strstr(name, ".json") && !strstr(name, ".tmp") && strcmp(name, newest->name) > 0) {
        memcpy(newest->name, name, strlen(name) + 1);
    }
}

/* A damaged newest checkpoint is passed over in favour of the one before: say so. */
static void check_newest(struct pt_audit *audit)
{
    struct newest newest = {0};
    char expected[64];

    snprintf(expected, sizeof(expected), "checkpoint-%020" PRIu64 ".json",
             audit->checkpoint.number);
    if (!pt_io_list(pt_io_posix(), audit->dir->state, note_newest, &newest, NULL) &&
        strcmp(newest.name, expected) > 0) {
        pt_audit_check(audit, false, "state",
                       "%s/%s is not whole: its checksum is wrong; the checkpoint before it counts",
                       audit->dir->state, newest.name);
    }
}

/* Add the data files that `files` names to the snapshot, as the next start would. */
static enum pt_code add_pending(struct pt_audit *audit, const struct pt_state_files *files,
                                struct pt_lake_snapshot *snapshot, struct pt_error *err)
{
    char **grown = pt_realloc(snapshot->files,
                              (snapshot->file_count + files->pending_count + 1) * sizeof(*grown));

    if (!grown) {
        return pt_fail(err, PT_NO_MEMORY, "audit the table");
    }
    snapshot->files = grown;
    for (size_t i = 0; i < files->pending_count; i++) {
        char *path = pt_strf("%s/%s", audit->dir->lake, files->pending[i]);
        struct pt_host_file look;

        if (!path) {
            return pt_fail(err, PT_NO_MEMORY, "audit the table");
        }
        grown[snapshot->file_count++] = path;
        if (pt_host_look(path, &look, NULL)) {
            pt_audit_check(audit, false, "table",
                           "%s, which checkpoint %" PRIu64 " adds to the table, is missing", path,
                           files->checkpoint.number);
        }
    }
    snapshot->row_count += files->pending_rows;
    return PT_OK;
}

/*
 * A crash, or a backup of a busy server, may leave the table one commit behind the checkpoint,
 * which names the data files that the next start commits: they count as the table's.
 * `*is_behind_out` false: it is something else.
 */
static enum pt_code catch_up(struct pt_audit *audit, struct pt_lake_snapshot *snapshot,
                             bool *is_behind_out, struct pt_error *err)
{
    struct pt_state_files files = {0};
    enum pt_code code = pt_stream_list_files(pt_io_posix(), audit->dir->state, &files, err);

    *is_behind_out = !code && files.checkpoint.number == audit->checkpoint.number &&
                     files.checkpoint.lake_checkpoint == files.checkpoint.number &&
                     snapshot->checkpoint == files.lake_before;
    if (*is_behind_out) {
        code = add_pending(audit, &files, snapshot, err);
    }
    if (*is_behind_out && !code) {
        check_newest(audit);
        pt_audit_check(audit, true, "state",
                       "checkpoint %" PRIu64 " and the table agree, with %zu files (%" PRIu64
                       " rows) that the next start commits",
                       files.checkpoint.number, files.pending_count, files.pending_rows);
    }
    pt_state_files_release(&files);
    return code;
}

enum pt_code pt_audit_read_state(struct pt_audit *audit, struct pt_lake_snapshot *snapshot_out,
                                 struct pt_error *err)
{
    struct pt_io *io = pt_io_posix();
    enum pt_code code = PT_OK;

    for (int tries = 0;; tries++) {
        struct pt_checkpoint_summary after;
        const struct timespec pause = {.tv_nsec = 100000000};
        bool is_behind = false;

        *snapshot_out = (struct pt_lake_snapshot){0};
        code = pt_stream_read_checkpoint(io, audit->dir->state, &audit->checkpoint, err);
        if (!code) {
            code = pt_lake_read(io, audit->dir->lake, snapshot_out, err);
        }
        if (!code) {
            code = pt_stream_read_checkpoint(io, audit->dir->state, &after, err);
        }
        if (!code && after.number == audit->checkpoint.number &&
            snapshot_out->checkpoint == audit->checkpoint.lake_checkpoint) {
            check_newest(audit);
            pt_audit_check(audit, true, "state", "checkpoint %" PRIu64 " and the table agree",
                           after.number);
            return PT_OK;
        }
        /* Behind for a moment is a server that is about to commit; behind for long is a crash. */
        if (!code && tries >= BEHIND_TRIES) {
            code = catch_up(audit, snapshot_out, &is_behind, err);
        }
        if (code) {
            pt_lake_snapshot_release(snapshot_out);
            return code;
        }
        if (is_behind) {
            return PT_OK;
        }
        if (tries == STATE_TRIES) {
            check_newest(audit);
            pt_audit_check(audit, false, "state",
                           "checkpoint %" PRIu64 " expects the table at %" PRIu64
                           ", the table is at %" PRIu64 "; one of them was put back alone",
                           after.number, after.lake_checkpoint, snapshot_out->checkpoint);
            return PT_OK;
        }
        pt_lake_snapshot_release(snapshot_out);
        nanosleep(&pause, NULL);
    }
}

/* ---- the log ---- */

static void write_id(struct pt_audit *audit, const uint8_t *record, uint32_t bytes, uint64_t offset,
                     int64_t minute)
{
    struct pt_event event;
    char text[PT_UUID_TEXT_BYTES + 1];

    if (!pt_event_decode(record, bytes, &event)) {
        pt_audit_check(audit, false, "log", "the record at offset %" PRIu64 " is no event", offset);
        return;
    }
    if (offset >= audit->checkpoint.log_offset) {
        return;
    }
    pt_uuid_format(event.event_id, text);
    text[PT_UUID_TEXT_BYTES] = '\0';
    fprintf(audit->csv, "%s,%" PRIu64 ",%" PRId64 ",%" PRId64 "\n", text, offset, minute,
            event.received_at_us);
    audit->log_ids++;
}

static void count_batch(struct pt_audit *audit, const struct pt_log_batch *batch)
{
    struct pt_ledger_note note;
    const uint8_t *at = batch->records;

    pt_ledger_note_decode(batch->note, &note);
    if (batch->offset != audit->accepted) {
        pt_audit_check(audit, false, "log", "offset %" PRIu64 " follows %" PRIu64, batch->offset,
                       audit->accepted);
    }
    if (note.received != batch->offset + batch->count + note.dead) {
        pt_audit_check(audit, false, "log",
                       "the batch at offset %" PRIu64 " notes %" PRIu64 " received, but %" PRIu64
                       " accepted and %" PRIu64 " dead letters",
                       batch->offset, note.received, batch->offset + batch->count, note.dead);
    }
    if (audit->log_end_us == 0) {
        audit->log_start_us = batch->appended_at_us;
    } else if (batch->appended_at_us < audit->log_end_us) {
        audit->is_clock_steady = false;
    }
    audit->log_end_us = batch->appended_at_us;
    audit->received = note.received;
    audit->noted_dead = note.dead;
    for (uint32_t i = 0; i < batch->count; i++) {
        write_id(audit, at, batch->sizes[i], batch->offset + i, batch->appended_at_us / MINUTE_US);
        at += batch->sizes[i];
    }
    audit->accepted = batch->offset + batch->count;
}

/* Count every batch; PT_NOT_FOUND at the end, anything else with what is wrong in `damage`. */
static enum pt_code read_log(struct pt_audit *audit, uint64_t *batches_out, struct pt_error *damage)
{
    struct pt_log_reader *reader = NULL;
    struct pt_log_batch batch;
    enum pt_code code = pt_log_reader_open(&reader, pt_io_posix(), audit->dir->log, damage);

    *batches_out = 0;
    if (code) {
        return code == PT_NOT_FOUND ? PT_CORRUPT : code;
    }
    audit->log_start = pt_log_reader_start(reader);
    audit->accepted = audit->log_start;
    audit->is_clock_steady = true;
    /* It stands at the oldest batch. */
    while (!code) {
        code = pt_log_reader_next(reader, UINT64_MAX, &batch, damage);
        if (!code) {
            ++*batches_out;
            count_batch(audit, &batch);
        }
    }
    pt_log_reader_close(reader);
    return code;
}

struct segments {
    uint64_t least;
    uint64_t greatest;
    uint64_t count;
};

static void note_segment(void *ctx, const char *name, bool is_dir)
{
    struct segments *segments = ctx;
    uint64_t number = 0;

    if (is_dir || strncmp(name, "segment-", 8) != 0) {
        return;
    }
    number = strtoull(name + 8, NULL, 10);
    segments->least = segments->count && segments->least < number ? segments->least : number;
    segments->greatest =
        segments->count && segments->greatest > number ? segments->greatest : number;
    segments->count++;
}

/* Segments have consecutive numbers. */
static void check_segments(struct pt_audit *audit)
{
    struct segments segments = {0};

    if (pt_io_list(pt_io_posix(), audit->dir->log, note_segment, &segments, NULL) ||
        segments.count == 0) {
        return;
    }
    for (uint64_t number = segments.least; number < segments.greatest; number++) {
        char *path = pt_strf("%s/segment-%020" PRIu64 ".log", audit->dir->log, number);
        struct pt_host_file look;

        if (path && pt_host_look(path, &look, NULL) == PT_NOT_FOUND) {
            pt_audit_check(audit, false, "log", "%s is missing", path);
        }
        pt_free(path);
    }
}

enum pt_code pt_audit_log(struct pt_audit *audit, struct pt_error *err)
{
    uint64_t batches = 0;
    struct pt_error damage = {0};
    enum pt_code code = open_csv(audit, "log.csv", err);

    if (code) {
        return code;
    }
    code = read_log(audit, &batches, &damage);
    if (close_csv(audit, PT_OK, err)) {
        return PT_IO;
    }
    if (code != PT_NOT_FOUND) {
        pt_audit_check(audit, false, "log", "%s", damage.text);
    }
    check_segments(audit);
    if (audit->accepted < audit->checkpoint.log_offset) {
        pt_audit_check(audit, false, "log",
                       "it ends at offset %" PRIu64 ", the checkpoint has read to %" PRIu64,
                       audit->accepted, audit->checkpoint.log_offset);
    } else if (code == PT_NOT_FOUND) {
        pt_audit_check(audit, true, "log",
                       "%" PRIu64 " batches are whole, offsets %" PRIu64 " to %" PRIu64, batches,
                       audit->log_start, audit->accepted);
    }
    return PT_OK;
}

/* ---- dead letters ---- */

enum pt_code pt_audit_dead_letters(struct pt_audit *audit, struct pt_error *err)
{
    struct pt_log_reader *reader = NULL;
    struct pt_log_batch batch;
    struct pt_error damage = {0};
    uint64_t counted = 0;
    enum pt_code code = pt_log_reader_open(&reader, pt_io_posix(), audit->dir->dlq, &damage);

    if (code == PT_NOT_FOUND) {
        pt_audit_check(audit, audit->noted_dead == 0, "dead letters",
                       "%s holds none, the log counts %" PRIu64, audit->dir->dlq,
                       audit->noted_dead);
        return PT_OK;
    }
    if (!code) {
        audit->dead_start = pt_log_reader_start(reader);
        counted = audit->dead_start;
        code = pt_log_reader_seek(reader, counted, &damage);
    }
    while (!code) {
        code = pt_log_reader_next(reader, UINT64_MAX, &batch, &damage);
        counted += code ? 0 : batch.count;
    }
    pt_log_reader_close(reader);
    if (code == PT_CORRUPT) {
        pt_audit_check(audit, false, "dead letters", "%s", damage.text);
    } else if (code != PT_NOT_FOUND) {
        return pt_fail(err, code, "%s", damage.text);
    }
    audit->dead = counted;
    /* More than the log has noted: written for a request that is not answered yet. */
    pt_audit_check(audit, counted >= audit->noted_dead, "dead letters",
                   "%s holds %" PRIu64 " to %" PRIu64 ", the log counts %" PRIu64, audit->dir->dlq,
                   audit->dead_start, counted, audit->noted_dead);
    return PT_OK;
}

/* ---- id runs ---- */

static void note_damaged_run(void *ctx, const char *reason)
{
    pt_audit_check(ctx, false, "id runs", "%s", reason);
}

/* Each run that the checkpoint names must be there. */
static enum pt_code check_named(struct pt_audit *audit, struct pt_error *err)
{
    struct pt_state_files files = {0};
    enum pt_code code = pt_stream_list_files(pt_io_posix(), audit->dir->state, &files, err);

    for (size_t i = 0; !code && i < files.count; i++) {
        char *path = pt_strf("%s/%s", audit->dir->state, files.paths[i]);
        struct pt_host_file look;

        if (!path) {
            code = pt_fail(err, PT_NO_MEMORY, "audit the id runs");
        } else if (pt_host_look(path, &look, NULL)) {
            pt_audit_check(audit, false, "id runs",
                           "%s, which checkpoint %" PRIu64 " names, is missing", path,
                           files.checkpoint.number);
        }
        pt_free(path);
    }
    pt_state_files_release(&files);
    return code;
}

static enum pt_code write_run_id(void *ctx, const uint8_t id[PT_UUID_BYTES], uint32_t bucket,
                                 struct pt_error *err)
{
    struct pt_audit *audit = ctx;
    char text[PT_UUID_TEXT_BYTES + 1];

    (void)err;
    pt_uuid_format(id, text);
    text[PT_UUID_TEXT_BYTES] = '\0';
    fprintf(audit->csv, "%s,%u\n", text, bucket);
    if (audit->run_ids == 0 || bucket < audit->oldest_bucket) {
        audit->oldest_bucket = bucket;
    }
    audit->run_ids++;
    return PT_OK;
}

static enum pt_code write_run_ids(struct pt_audit *audit, struct pt_error *err)
{
    struct pt_error damage = {0};
    enum pt_code code = open_csv(audit, "runs.csv", err);

    if (code) {
        return code;
    }
    code = pt_stream_read_ids(pt_io_posix(), audit->dir->state, write_run_id, audit,
                              &audit->is_exact, &damage);
    if (code) {
        /* Said already where a run is damaged or missing; then there is nothing to compare. */
        audit->run_ids = 0;
    }
    return close_csv(audit, PT_OK, err);
}

enum pt_code pt_audit_id_runs(struct pt_audit *audit, struct pt_error *err)
{
    unsigned differences = audit->differences;
    uint64_t runs = 0;
    uint64_t ids = 0;
    enum pt_code code = pt_stream_verify_runs(pt_io_posix(), audit->dir->state, note_damaged_run,
                                              audit, &runs, &ids, err);

    if (!code) {
        code = check_named(audit, err);
    }
    if (!code && audit->differences == differences) {
        pt_audit_check(audit, true, "id runs", "%" PRIu64 " runs hold %" PRIu64 " ids, all sound",
                       runs, ids);
    }
    return code ? code : write_run_ids(audit, err);
}

/* ---- the ledger ---- */

static void write_minute(void *ctx, const struct pt_ledger_minute *minute)
{
    struct pt_audit *audit = ctx;
    const struct pt_ledger_counts *counts = &minute->counts;

    fprintf(audit->csv, "%" PRId64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 "\n", minute->minute,
            counts->accepted, counts->stored, counts->duplicate);
    audit->first_minute = audit->first_minute ? audit->first_minute : minute->minute;
    audit->last_minute = minute->minute;
    audit->minutes.received += counts->received;
    audit->minutes.dead_lettered += counts->dead_lettered;
    audit->minutes.accepted += counts->accepted;
    audit->minutes.stored += counts->stored;
    audit->minutes.duplicate += counts->duplicate;
    if (counts->received != counts->accepted + counts->dead_lettered ||
        counts->accepted != counts->stored + counts->duplicate) {
        pt_audit_check(audit, false, "ledger",
                       "minute %" PRId64 ": received %" PRIu64 " = accepted %" PRIu64
                       " + dead letters %" PRIu64 "; accepted = stored %" PRIu64
                       " + duplicates %" PRIu64,
                       minute->minute, counts->received, counts->accepted, counts->dead_lettered,
                       counts->stored, counts->duplicate);
    }
}

/* Its totals against the checkpoint; of its minutes, no more than the totals. */
static void check_totals(struct pt_audit *audit)
{
    const struct pt_checkpoint_summary *checkpoint = &audit->checkpoint;
    const struct pt_ledger_counts *total = &audit->ledger.total;
    const struct pt_ledger_counts *sum = &audit->minutes;
    const struct pt_ledger_counts *before = &audit->ledger.before;

    pt_audit_check(
        audit,
        total->stored == checkpoint->stored && total->duplicate == checkpoint->duplicates &&
            total->accepted == checkpoint->log_offset &&
            total->received == total->accepted + total->dead_lettered,
        "ledger",
        "its totals: received %" PRIu64 ", dead letters %" PRIu64 ", accepted %" PRIu64
        ", stored %" PRIu64 ", duplicates %" PRIu64,
        total->received, total->dead_lettered, total->accepted, total->stored, total->duplicate);
    pt_audit_check(audit,
                   sum->received + before->received <= total->received &&
                       sum->accepted + before->accepted <= total->accepted &&
                       sum->stored + before->stored <= total->stored,
                   "ledger",
                   "its minutes hold %" PRIu64 " received, %" PRIu64 " accepted, %" PRIu64
                   " stored of these",
                   sum->received, sum->accepted, sum->stored);
}

enum pt_code pt_audit_ledger(struct pt_audit *audit, struct pt_error *err)
{
    struct pt_error damage = {0};
    enum pt_code code = open_csv(audit, "ledger.csv", err);

    if (code) {
        return code;
    }
    code = pt_stream_read_ledger(pt_io_posix(), audit->dir->state, 0, INT64_MAX, write_minute,
                                 audit, &audit->ledger, &damage);
    if (code) {
        pt_audit_check(audit, false, "ledger", "%s", damage.text);
        audit->ledger.checkpoint = 0;
    } else if (audit->ledger.checkpoint == audit->checkpoint.number) {
        check_totals(audit);
    }
    return close_csv(audit, PT_OK, err);
}
