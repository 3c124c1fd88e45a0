/*
 * audit.c - recount log, dead letters, id runs and table
 */
#include "cmd/audit.h"

#include "wire/event.h"

#include <inttypes.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

#define STATE_TRIES 50

void pt_audit_check(struct pt_audit *audit, bool ok, const char *what, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    audit->checks++;
    audit->differences += !ok;
    if (audit->is_json) {
        pt_jsonw_object(&audit->w);
        pt_jsonw_key(&audit->w, "check");
        pt_jsonw_str(&audit->w, what);
        pt_jsonw_key(&audit->w, "ok");
        pt_jsonw_bool(&audit->w, ok);
        pt_jsonw_key(&audit->w, "detail");
        pt_jsonw_str(&audit->w, text);
        pt_jsonw_object_end(&audit->w);
    } else {
        printf("  %-8s %-13s %s\n", ok ? "ok" : "DIFFERS", what, text);
    }
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
            pt_audit_check(audit, true, "state", "checkpoint %" PRIu64 " and the table agree",
                           after.number);
            return PT_OK;
        }
        if (tries == STATE_TRIES) {
            pt_audit_check(audit, false, "state",
                           "checkpoint %" PRIu64 " expects the table at %" PRIu64
                           ", the table is at %" PRIu64 "; start the server, which commits what a "
                           "crash left, and audit again",
                           after.number, after.lake_checkpoint, snapshot_out->checkpoint);
            return PT_OK;
        }
        pt_lake_snapshot_release(snapshot_out);
        nanosleep(&pause, NULL);
    }
}

/* ---- the log ---- */

static enum pt_code write_id(struct pt_audit *audit, const uint8_t *record, uint32_t bytes,
                             uint64_t offset, struct pt_error *err)
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
    text[PT_UUID_TEXT_BYTES] = '\n';
    if (fwrite(text, 1, sizeof(text), audit->ids) != sizeof(text)) {
        return pt_fail(err, PT_IO, "write ids to %s", audit->ids_path);
    }
    audit->logged_ids++;
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
    audit->received = note.received;
    audit->noted_dead = note.dead;
    for (uint32_t i = 0; i < batch->count; i++) {
        enum pt_code code = write_id(audit, at, batch->sizes[i], batch->offset + i, err);

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
    int fd = -1;

    snprintf(audit->ids_path, sizeof(audit->ids_path), "/tmp/playtrace-audit-XXXXXX");
    fd = mkstemp(audit->ids_path);
    audit->ids = fd < 0 ? NULL : fdopen(fd, "w");
    if (!audit->ids) {
        audit->ids_path[0] = '\0';
        return pt_fail(err, PT_IO, "make a temporary file under /tmp");
    }
    return PT_OK;
}

enum pt_code pt_audit_log(struct pt_audit *audit, struct pt_error *err)
{
    struct pt_log_reader *reader = NULL;
    struct pt_log_batch batch;
    uint64_t batches = 0;
    struct pt_error damage = {0};
    enum pt_code code = open_id_file(audit, err);

    if (!code) {
        code = pt_log_reader_open(&reader, pt_io_posix(), audit->dir->log, err);
    }
    if (code) {
        return code;
    }
    audit->log_start = pt_log_reader_start(reader);
    audit->accepted = audit->log_start;
    code = pt_log_reader_seek(reader, audit->log_start, &damage);
    while (!code) {
        code = pt_log_reader_next(reader, UINT64_MAX, &batch, &damage);
        if (!code) {
            batches++;
            code = count_batch(audit, &batch, err);
            if (code) {
                break;
            }
        }
    }
    pt_log_reader_close(reader);
    if (code == PT_CORRUPT) {
        pt_audit_check(audit, false, "log", "%s", damage.text);
    } else if (code != PT_NOT_FOUND) {
        if (err && damage.code) {
            *err = damage;
        }
        return code;
    }
    if (fflush(audit->ids) != 0) {
        return pt_fail(err, PT_IO, "write ids to %s", audit->ids_path);
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

enum pt_code pt_audit_dead_letters(struct pt_audit *audit, struct pt_error *err)
{
    struct pt_log_reader *reader = NULL;
    struct pt_log_batch batch;
    struct pt_error damage = {0};
    uint64_t counted = 0;
    enum pt_code code = pt_log_reader_open(&reader, pt_io_posix(), audit->dir->dlq, err);

    if (code) {
        return code;
    }
    counted = pt_log_reader_start(reader);
    code = pt_log_reader_seek(reader, counted, &damage);
    while (!code) {
        code = pt_log_reader_next(reader, UINT64_MAX, &batch, &damage);
        counted += code ? 0 : batch.count;
    }
    pt_log_reader_close(reader);
    if (code == PT_CORRUPT) {
        pt_audit_check(audit, false, "dead letters", "%s", damage.text);
    } else if (code != PT_NOT_FOUND) {
        if (err) {
            *err = damage;
        }
        return code;
    }
    audit->dead = counted;
    /* More than the log has noted: written for a request that is not answered yet. */
    pt_audit_check(audit, counted >= audit->noted_dead, "dead letters",
                   "%" PRIu64 " are there, the log counts %" PRIu64, counted, audit->noted_dead);
    return PT_OK;
}

/* ---- id runs ---- */

static void note_damaged_run(void *ctx, const char *reason)
{
    pt_audit_check(ctx, false, "id runs", "%s", reason);
}

enum pt_code pt_audit_id_runs(struct pt_audit *audit, struct pt_error *err)
{
    unsigned differences = audit->differences;
    uint64_t runs = 0;
    uint64_t ids = 0;
    enum pt_code code = pt_stream_verify_runs(pt_io_posix(), audit->dir->state, note_damaged_run,
                                              audit, &runs, &ids, err);

    if (!code && audit->differences == differences && runs < audit->checkpoint.id_runs) {
        struct pt_checkpoint_summary now;

        /* A running server merges runs: only a checkpoint that still stands misses one. */
        code = pt_stream_read_checkpoint(pt_io_posix(), audit->dir->state, &now, err);
        if (!code && now.number == audit->checkpoint.number) {
            pt_audit_check(audit, false, "id runs",
                           "%s/ids holds %" PRIu64 " runs, the checkpoint names %" PRIu64,
                           audit->dir->state, runs, now.id_runs);
        }
    }
    if (!code && audit->differences == differences) {
        pt_audit_check(audit, true, "id runs", "%" PRIu64 " runs hold %" PRIu64 " ids, all sound",
                       runs, ids);
    }
    return code;
}
