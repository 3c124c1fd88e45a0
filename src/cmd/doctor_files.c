/*
 * doctor_files.c - `playtrace doctor`: the data directory, and what is in it
 *
 * Cheap checks: what opens, what agrees with what, the newest part of each store. Every record is
 * `playtrace audit`'s to count. A running server changes the files meanwhile; the table is
 * therefore read before the checkpoint, which is ahead of it and never behind.
 */
#include "base/host.h"
#include "base/lock.h"
#include "cmd/doctor.h"
#include "lake/lake.h"
#include "log/log.h"
#include "privacy/privacy.h"
#include "stream/stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PROBE_BYTES 4096
#define SLOW_SYNC_US 100000
#define BATCHES_READ 64 /* from the checkpoint on */
#define FILES_LOOKED_AT 10000

static void note_time(struct pt_doctor *doctor, int64_t time_us, const char *of)
{
    if (time_us > doctor->newest_us) {
        doctor->newest_us = time_us;
        doctor->newest_of = of;
    }
}

/* ---- the directory ---- */

static void check_absent_root(struct pt_doctor *doctor)
{
    char *parent = pt_strdup(doctor->dir.root);
    struct pt_host_file file;
    bool may = false;

    doctor->is_quiet_root = true;
    /* The nearest directory that is there. */
    for (;;) {
        char *slash = parent ? strrchr(parent, '/') : NULL;

        if (!slash || slash == parent) {
            may = pt_host_may_write(parent && slash ? "/" : ".");
            break;
        }
        *slash = '\0';
        if (pt_host_look(parent, &file, NULL) == PT_OK) {
            may = file.is_dir && pt_host_may_write(parent);
            break;
        }
    }
    if (may) {
        pt_doctor_say(doctor, PT_VERDICT_OK, "data", NULL,
                      "%s is not there yet; serve makes it at its first start", doctor->dir.root);
    } else {
        pt_doctor_say(doctor, PT_VERDICT_FAIL, "data",
                      "make it, owned by the user who runs the server, or give another --data",
                      "%s is not there, and cannot be made by this user", doctor->dir.root);
    }
    pt_free(parent);
}

/* A small file written, synced and removed: what an event needs. */
static enum pt_code try_write(struct pt_doctor *doctor, int64_t *took_us_out, struct pt_error *err)
{
    static const uint8_t bytes[PROBE_BYTES] = {1};
    struct pt_file *file = NULL;
    char *path = pt_strf("%s/.doctor-%ld", doctor->dir.root, pt_host_pid());
    int64_t began_us = pt_clock_mono_us(doctor->clock);
    enum pt_code code = PT_OK;

    if (!path) {
        return pt_fail(err, PT_NO_MEMORY, "write a file");
    }
    code = pt_io_open(doctor->io, path, PT_OPEN_WRITE | PT_OPEN_NEW | PT_OPEN_PRIVATE, &file, err);
    if (!code) {
        code = pt_io_write(doctor->io, file, 0, bytes, sizeof(bytes), err);
        if (!code) {
            code = pt_io_sync(doctor->io, file, err);
        }
        pt_io_close(doctor->io, file);
        *took_us_out = pt_clock_mono_us(doctor->clock) - began_us;
        if (pt_io_unlink(doctor->io, path, code ? NULL : err) && !code) {
            code = PT_IO;
        }
    }
    pt_free(path);
    return code;
}

static void check_root(struct pt_doctor *doctor)
{
    struct pt_error err = {0};
    int64_t took_us = 0;
    enum pt_code code = try_write(doctor, &took_us, &err);

    if (code == PT_FULL) {
        pt_doctor_say(doctor, PT_VERDICT_FAIL, "data",
                      "make room on the device; events get 507 until then, and are taken again by "
                      "themselves afterwards",
                      "the disk is full: %s", err.text);
    } else if (code) {
        pt_doctor_say(
            doctor, PT_VERDICT_FAIL, "data",
            "run this as the server's user; the directory must belong to that user and be "
            "mounted for writing",
            "%s cannot be written: %s", doctor->dir.root, err.text);
    } else {
        pt_doctor_say(doctor, took_us > SLOW_SYNC_US ? PT_VERDICT_WARN : PT_VERDICT_OK, "data",
                      took_us > SLOW_SYNC_US
                          ? "every answer waits for such a sync: look for other load on the disk"
                          : NULL,
                      "%s: a write with its sync took %.1f ms", doctor->dir.root,
                      (double)took_us / 1000);
    }
}

static void check_space(struct pt_doctor *doctor)
{
    uint64_t min = (uint64_t)pt_config_int(doctor->config, PT_CONFIG_log_free_bytes_min);
    uint64_t segment = (uint64_t)pt_config_int(doctor->config, PT_CONFIG_log_segment_bytes);
    uint64_t bytes = 0;
    char has[32];
    char needs[32];
    struct pt_error err = {0};

    if (pt_io_free_bytes(doctor->io, doctor->dir.root, &bytes, &err)) {
        pt_doctor_say(doctor, PT_VERDICT_FAIL, "disk", "look at the device", "%s", err.text);
        return;
    }
    pt_doctor_bytes(bytes, has);
    pt_doctor_bytes(min, needs);
    if (bytes < min) {
        pt_doctor_say(doctor, PT_VERDICT_FAIL, "disk",
                      "make room, or lower log.free_bytes_min; until then events get 507",
                      "%s free, less than log.free_bytes_min (%s)", has, needs);
    } else if (bytes < min + 4 * segment) {
        pt_doctor_say(doctor, PT_VERDICT_WARN, "disk", "make room soon: then events get 507",
                      "%s free; few log segments from log.free_bytes_min (%s)", has, needs);
    } else {
        pt_doctor_say(doctor, PT_VERDICT_OK, "disk", NULL, "%s free", has);
    }
}

static void check_lock(struct pt_doctor *doctor)
{
    struct pt_error err = {0};

    if (pt_lock_probe(doctor->dir.lock, &doctor->server_pid, &err)) {
        pt_doctor_say(doctor, PT_VERDICT_FAIL, "lock", "run this as the server's user", "%s",
                      err.text);
    } else if (doctor->server_pid > 0) {
        pt_doctor_say(doctor, PT_VERDICT_OK, "lock", NULL, "held by a running server, process %ld",
                      doctor->server_pid);
    } else if (doctor->server_pid < 0) {
        pt_doctor_say(doctor, PT_VERDICT_WARN, "lock", "find it with `fuser` or `lsof`",
                      "%s is held by a process that did not say which", doctor->dir.lock);
    } else {
        pt_doctor_say(doctor, PT_VERDICT_OK, "lock", NULL,
                      "free: no server runs on this directory");
    }
}

static void check_private_file(struct pt_doctor *doctor, const char *path, unsigned mode)
{
    char *advice = pt_strf("chmod 600 %s", path);

    if (mode & 077) {
        pt_doctor_say(doctor, PT_VERDICT_FAIL, "keys", advice,
                      "%s has mode %04o: others on this machine can read it", path, mode);
    }
    pt_free(advice);
}

static void check_pseudonym_key(struct pt_doctor *doctor)
{
    struct pt_pseudonyms *pseudonyms = NULL;
    struct pt_host_file file;
    struct pt_host_file log;
    struct pt_error err = {0};
    char *path = pt_strf("%s/pseudonym.key", doctor->dir.keys);
    enum pt_code code = path ? pt_host_look(path, &file, &err) : PT_NO_MEMORY;

    if (code == PT_NOT_FOUND && pt_host_look(doctor->dir.log, &log, NULL) == PT_NOT_FOUND) {
        pt_doctor_say(doctor, PT_VERDICT_OK, "keys", NULL,
                      "no pseudonym key yet; serve makes it at its first start");
        goto out;
    }
    if (!code) {
        code = pt_pseudonyms_open(&pseudonyms, doctor->io, doctor->dir.keys, false, &err);
        pt_pseudonyms_close(pseudonyms);
    }
    if (code == PT_NOT_FOUND) {
        pt_doctor_say(
            doctor, PT_VERDICT_FAIL, "keys",
            "restore it from a backup: with another key every player would become a new one",
            "%s is missing though events are stored", path);
    } else if (code) {
        pt_doctor_say(doctor, PT_VERDICT_FAIL, "keys",
                      "run this as the server's user, or restore the file from a backup", "%s",
                      err.text);
    } else {
        check_private_file(doctor, path, file.mode);
        if (!(file.mode & 077)) {
            pt_doctor_say(doctor, PT_VERDICT_OK, "keys", NULL, "%s is a key, mode %04o", path,
                          file.mode);
        }
    }

out:
    pt_free(path);
}

static void check_api_keys(struct pt_doctor *doctor)
{
    char *path = pt_strf("%s/api_keys.json", doctor->dir.keys);
    struct pt_host_file file;
    struct pt_key_info *infos = NULL;
    size_t count = 0;
    size_t expired = 0;
    struct pt_error err = {0};

    if (!path || pt_host_look(path, &file, NULL)) {
        pt_free(path);
        return; /* none were made, which the settings' check has an opinion on */
    }
    if (pt_key_file_read(doctor->io, path, &infos, &count, &err)) {
        pt_doctor_say(doctor, PT_VERDICT_FAIL, "keys",
                      "restore it from a backup, or remove it and make the keys anew", "%s",
                      err.text);
        pt_free(path);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        expired += infos[i].expires_at_us <= pt_clock_wall_us(doctor->clock);
    }
    check_private_file(doctor, path, file.mode);
    pt_doctor_say(doctor, count > 0 && expired == count ? PT_VERDICT_WARN : PT_VERDICT_OK, "keys",
                  count > 0 && expired == count ? "make new ones: playtrace keys create" : NULL,
                  "%zu API keys, %zu of them expired", count, expired);
    pt_free(infos);
    pt_free(path);
}

void pt_doctor_check_data(struct pt_doctor *doctor)
{
    struct pt_host_file file;
    struct pt_error err = {0};
    enum pt_code code = pt_host_look(doctor->dir.root, &file, &err);

    if (code == PT_NOT_FOUND) {
        check_absent_root(doctor);
        return;
    }
    if (code || !file.is_dir) {
        doctor->is_quiet_root = true;
        pt_doctor_say(doctor, PT_VERDICT_FAIL, "data", "give the data directory with --data", "%s",
                      code ? err.text : "what --data names is no directory");
        return;
    }
    check_root(doctor);
    check_space(doctor);
    check_lock(doctor);
    check_pseudonym_key(doctor);
    check_api_keys(doctor);
}

/* ---- the stores ---- */

/* From `offset` on (UINT64_MAX: from the oldest), a number of batches. */
static void check_log(struct pt_doctor *doctor, const char *name, const char *dir, uint64_t offset,
                      const char *advice)
{
    struct pt_log_reader *reader = NULL;
    struct pt_error err = {0};
    uint64_t start = 0;
    uint64_t end = 0;
    enum pt_code code = pt_log_reader_open(&reader, doctor->io, dir, &err);

    if (code == PT_NOT_FOUND && (offset == 0 || offset == UINT64_MAX)) {
        pt_doctor_say(doctor, PT_VERDICT_OK, name, NULL, "nothing there yet");
        return;
    }
    if (!code) {
        start = pt_log_reader_start(reader);
        end = offset == UINT64_MAX ? start : offset;
        code = pt_log_reader_seek(reader, end, &err);
    }
    for (unsigned i = 0; !code && i < BATCHES_READ; i++) {
        struct pt_log_batch batch;

        code = pt_log_reader_next(reader, UINT64_MAX, &batch, &err);
        if (!code) {
            note_time(doctor, batch.appended_at_us, "the newest batch of the log");
            end = batch.offset + batch.count;
        }
    }
    if (reader && (code == PT_NOT_FOUND || code == PT_FENCED)) {
        /* The end, or a running server recycled what was being read. But a seek must have found it.
         */
        code = end >= start ? PT_OK : code;
    }
    if (code) {
        pt_doctor_say(doctor, PT_VERDICT_FAIL, name, advice, "%s", err.text);
    } else {
        pt_doctor_say(doctor, PT_VERDICT_OK, name, NULL,
                      "readable from record %" PRIu64 ", looked at up to %" PRIu64, start, end);
    }
    pt_log_reader_close(reader);
}

static void look_at_checkpoint(void *ctx, const char *name, bool is_dir)
{
    struct pt_doctor *doctor = ctx;
    struct pt_host_file file;
    char *path = NULL;

    if (is_dir || strncmp(name, "checkpoint-", 11) != 0) {
        return;
    }
    path = pt_strf("%s/%s", doctor->dir.state, name);
    if (path && pt_host_look(path, &file, NULL) == PT_OK) {
        note_time(doctor, file.modified_at_us, "the newest checkpoint");
    }
    pt_free(path);
}

static void check_table(struct pt_doctor *doctor, const struct pt_lake_snapshot *table)
{
    size_t first = table->file_count > FILES_LOOKED_AT ? table->file_count - FILES_LOOKED_AT : 0;
    size_t bad = 0;
    char why[256] = "";

    for (size_t i = first; i < table->file_count; i++) {
        struct pt_host_file file;
        struct pt_error err = {0};

        if (pt_host_look(table->files[i], &file, &err)) {
            bad++;
            snprintf(why, sizeof(why), "%.250s", err.text);
        } else if (file.bytes != table->file_bytes[i]) {
            bad++;
            snprintf(why, sizeof(why), "%.150s has %" PRIu64 " bytes instead of %" PRIu64,
                     table->files[i], file.bytes, table->file_bytes[i]);
        }
    }
    if (bad > 0) {
        pt_doctor_say(doctor, PT_VERDICT_FAIL, "table",
                      "restore the files from a backup; `playtrace audit` names them all",
                      "%zu of %zu data files are missing or cut: %s", bad, table->file_count, why);
    } else {
        pt_doctor_say(doctor, PT_VERDICT_OK, "table", NULL,
                      "%" PRIu64 " rows in %zu files, all there", table->row_count,
                      table->file_count);
    }
}

/* The checkpoint, and whether the table agrees with it. */
static void check_state(struct pt_doctor *doctor, const struct pt_checkpoint_summary *checkpoint,
                        const struct pt_lake_snapshot *table)
{
    if (table->checkpoint > checkpoint->number) {
        pt_doctor_say(doctor, PT_VERDICT_FAIL, "state",
                      "restore state/ and lake/ from one backup; then run `playtrace audit`",
                      "the table stands at checkpoint %" PRIu64 ", the state only at %" PRIu64,
                      table->checkpoint, checkpoint->number);
    } else if (table->checkpoint < checkpoint->lake_checkpoint && doctor->server_pid == 0) {
        pt_doctor_say(doctor, PT_VERDICT_OK, "state", NULL,
                      "checkpoint %" PRIu64
                      "; the table is one commit behind, which the next start "
                      "makes up for",
                      checkpoint->number);
    } else if (checkpoint->number == 0) {
        pt_doctor_say(doctor, PT_VERDICT_OK, "state", NULL, "no checkpoint yet");
    } else {
        pt_doctor_say(doctor, PT_VERDICT_OK, "state", NULL,
                      "checkpoint %" PRIu64 ": %" PRIu64 " rows, %" PRIu64 " duplicates",
                      checkpoint->number, checkpoint->stored, checkpoint->duplicates);
    }
}

void pt_doctor_check_stores(struct pt_doctor *doctor)
{
    static const char log_advice[] =
        "`playtrace audit` says how much is affected; restore the directory from a backup";
    struct pt_checkpoint_summary checkpoint = {0};
    struct pt_lake_snapshot table = {0};
    struct pt_error err = {0};
    bool has_table = false;

    if (doctor->is_quiet_root) {
        return;
    }
    if (pt_lake_read(doctor->io, doctor->dir.lake, &table, &err)) {
        pt_doctor_say(doctor, PT_VERDICT_FAIL, "table",
                      "restore lake/ from a backup; `playtrace audit` says more", "%s", err.text);
    } else {
        has_table = true;
    }
    if (pt_stream_read_checkpoint(doctor->io, doctor->dir.state, &checkpoint, &err)) {
        pt_doctor_say(doctor, PT_VERDICT_FAIL, "state",
                      "restore state/ from a backup; `playtrace audit` says more", "%s", err.text);
    } else if (has_table) {
        check_state(doctor, &checkpoint, &table);
    }
    if (has_table) {
        check_table(doctor, &table);
        pt_lake_snapshot_release(&table);
    }
    if (pt_io_list(doctor->io, doctor->dir.state, look_at_checkpoint, doctor, NULL)) {
        /* No state, no times. */
    }
    check_log(doctor, "log", doctor->dir.log, checkpoint.log_offset, log_advice);
    check_log(doctor, "dead letters", doctor->dir.dlq, UINT64_MAX, log_advice);
}
