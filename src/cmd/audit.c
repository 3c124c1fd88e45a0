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
#define MINUTE_US INT64_C(60000000)

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
        .dir = audit->dir, .dedup_hours = audit->dedup_hours, .temp = audit->temp};
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

/* Whether a server could start from this pair: a crash may leave the table one commit behind. */
static bool is_behind_by_one(const struct pt_audit *audit, const struct pt_lake_snapshot *snapshot)
{
    struct pt_state_files files = {0};
    bool is_legal = false;

    if (!pt_stream_list_files(pt_io_posix(), audit->dir->state, &files, NULL)) {
        is_legal = files.checkpoint.number == audit->checkpoint.number &&
                   files.checkpoint.lake_checkpoint == files.checkpoint.number &&
                   snapshot->checkpoint == files.lake_before;
    }
    pt_state_files_release(&files);
    return is_legal;
}

enum pt_code pt_audit_read_state(struct pt_audit *audit, struct pt_lake_snapshot *snapshot_out,
                                 struct pt_error *err)
{
    struct pt_io *io = pt_io_posix();
    enum pt_code code = PT_OK;

    for (int tries = 0;; tries++) {
        struct pt_checkpoint_summary after;
        const struct timespec pause = {.tv_nsec = 100000000};

        *snapshot_out = (struct pt_lake_snapshot){0};
        code = pt_stream_read_checkpoint(io, audit->dir->state, &audit->checkpoint, err);
        if (!code) {
            code = pt_lake_read(io, audit->dir->lake, snapshot_out, err);
        }
        if (!code) {
            code = pt_stream_read_checkpoint(io, audit->dir->state, &after, err);
        }
        if (code) {
            pt_lake_snapshot_release(snapshot_out);
            return code;
        }
        if (after.number == audit->checkpoint.number &&
            snapshot_out->checkpoint == audit->checkpoint.lake_checkpoint) {
            check_newest(audit);
            pt_audit_check(audit, true, "state", "checkpoint %" PRIu64 " and the table agree",
                           after.number);
            return PT_OK;
        }
        if (tries == STATE_TRIES) {
            check_newest(audit);
            pt_audit_check(
                audit, false, "state",
                "checkpoint %" PRIu64 " expects the table at %" PRIu64 ", the table is at %" PRIu64
                "; %s",
                after.number, after.lake_checkpoint, snapshot_out->checkpoint,
                is_behind_by_one(audit, snapshot_out)
                    ? "a crash left it so: start the server, which commits the rest, and "
                      "audit again"
                    : "one of them was put back alone");
            return PT_OK;
        }
        pt_lake_snapshot_release(snapshot_out);
        nanosleep(&pause, NULL);
    }
}

/* ---- the log ---- */

static enum pt_code write_id(struct pt_audit *audit, const uint8_t *record, uint32_t bytes,
                             uint64_t offset, int64_t minute, struct pt_error *err)
{
    struct pt_event event;
    char text[PT_UUID_TEXT_BYTES + 1];

    if (!pt_event_decode(record, bytes, &event)) {
        pt_audit_check(audit, false, "log", "the record at offset %" PRIu64 " is no event", offset);
        return PT_OK;
    }
    if (offset >= audit->checkpoint.log_offset) {
        return PT_OK;
    }
    pt_uuid_format(event.event_id, text);
    text[PT_UUID_TEXT_BYTES] = '\0';
    if (fprintf(audit->ids, "%s,%" PRIu64 ",%" PRId64 ",%" PRId64 "\n", text, offset, minute,
                event.received_at_us) < 0) {
        return pt_fail(err, PT_IO, "write ids to %s", audit->temp);
    }
    audit->log_ids++;
    return PT_OK;
}

static enum pt_code count_batch(struct pt_audit *audit, const struct pt_log_batch *batch,
                                struct pt_error *err)
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
        enum pt_code code = write_id(audit, at, batch->sizes[i], batch->offset + i,
                                     batch->appended_at_us / MINUTE_US, err);

        if (code) {
            return code;
        }
        at += batch->sizes[i];
    }
    audit->accepted = batch->offset + batch->count;
    return PT_OK;
}

static enum pt_code open_id_file(struct pt_audit *audit, struct pt_error *err)
{
    char *path = pt_strf("%s/log.csv", audit->temp);

    audit->ids = path ? fopen(path, "w") : NULL;
    pt_free(path);
    return audit->ids ? PT_OK : pt_fail(err, PT_IO, "make a file in %s", audit->temp);
}

/* Count every batch; PT_NOT_FOUND at the end, PT_CORRUPT with the place in `damage`. */
static enum pt_code read_log(struct pt_audit *audit, uint64_t *batches_out, struct pt_error *damage,
                             struct pt_error *err)
{
    struct pt_log_reader *reader = NULL;
    struct pt_log_batch batch;
    enum pt_code code = pt_log_reader_open(&reader, pt_io_posix(), audit->dir->log, damage);

    *batches_out = 0;
    if (code) {
        return code == PT_CORRUPT ? code : pt_fail(err, PT_IO, "%s", damage->text);
    }
    audit->log_start = pt_log_reader_start(reader);
    audit->accepted = audit->log_start;
    audit->is_clock_steady = true;
    code = pt_log_reader_seek(reader, audit->log_start, damage);
    while (!code) {
        code = pt_log_reader_next(reader, UINT64_MAX, &batch, damage);
        if (!code) {
            ++*batches_out;
            if (count_batch(audit, &batch, err)) {
                code = PT_IO;
                break;
            }
        } else if (code != PT_CORRUPT && code != PT_NOT_FOUND) {
            (void)pt_fail(err, code, "%s", damage->text);
        }
    }
    pt_log_reader_close(reader);
    return code;
}

enum pt_code pt_audit_log(struct pt_audit *audit, struct pt_error *err)
{
    uint64_t batches = 0;
    struct pt_error damage = {0};
    bool is_written = false;
    enum pt_code code = open_id_file(audit, err);

    if (code) {
        return code;
    }
    code = read_log(audit, &batches, &damage, err);
    is_written = fclose(audit->ids) == 0;
    audit->ids = NULL;
    if (code != PT_CORRUPT && code != PT_NOT_FOUND) {
        return code;
    }
    if (!is_written) {
        return pt_fail(err, PT_IO, "write ids to %s", audit->temp);
    }
    if (code == PT_CORRUPT) {
        pt_audit_check(audit, false, "log", "%s", damage.text);
    }
    if (audit->accepted < audit->checkpoint.log_offset) {
        pt_audit_check(audit, false, "log",
                       "it ends at offset %" PRIu64 ", the checkpoint has read to %" PRIu64,
                       audit->accepted, audit->checkpoint.log_offset);
    } else if (code != PT_CORRUPT) {
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
    return code;
}
