/*
 * cmd_audit.c - `playtrace audit`: recount everything, name every difference
 */
#include "cmd/audit.h"
#include "cmd/cmd.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/tree.h"
#include "wire/rfc3339.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TRIES_MAX 3

static uint64_t in_flight_of(const struct pt_audit *audit)
{
    return audit->accepted > audit->checkpoint.log_offset
               ? audit->accepted - audit->checkpoint.log_offset
               : 0;
}

static void balance(struct pt_audit *audit)
{
    const struct pt_checkpoint_summary *checkpoint = &audit->checkpoint;
    uint64_t in_flight = in_flight_of(audit);

    if (audit->log_start == 0) {
        /* Twins further apart than the window are rows of their own. */
        int64_t duplicates = (int64_t)(audit->log_ids - audit->stored);

        pt_audit_check(audit, duplicates == (int64_t)checkpoint->duplicates, "duplicates",
                       "%" PRId64 " in the log, the checkpoint counts %" PRIu64, duplicates,
                       checkpoint->duplicates);
    }
    pt_audit_check(audit, audit->received == audit->accepted + audit->noted_dead, "ledger",
                   "received = accepted + dead letters: %" PRIu64 " = %" PRIu64 " + %" PRIu64,
                   audit->received, audit->accepted, audit->noted_dead);
    pt_audit_check(audit, audit->accepted == audit->stored + checkpoint->duplicates + in_flight,
                   "ledger",
                   "accepted = stored + duplicates + in flight: %" PRIu64 " = %" PRIu64
                   " + %" PRIu64 " + %" PRIu64,
                   audit->accepted, audit->stored, checkpoint->duplicates, in_flight);
}

static enum pt_code recount(struct pt_audit *audit, int64_t *snapshot_id_out, struct pt_error *err)
{
    struct pt_lake_snapshot snapshot;
    enum pt_code code = pt_audit_read_state(audit, &snapshot, err);

    if (code) {
        return code;
    }
    *snapshot_id_out = snapshot.snapshot_id;
    code = pt_audit_log(audit, err);
    if (!code) {
        code = pt_audit_dead_letters(audit, err);
    }
    if (!code) {
        code = pt_audit_id_runs(audit, err);
    }
    if (!code) {
        code = pt_audit_ledger(audit, err);
    }
    if (!code) {
        code = pt_audit_table(audit, &snapshot, err);
    }
    if (!code) {
        balance(audit);
    }
    pt_lake_snapshot_release(&snapshot);
    return code;
}

/* Whether a server has gone on since: what was missed then may have been what it removed. */
static bool has_moved(const struct pt_audit *audit, int64_t snapshot_id)
{
    struct pt_checkpoint_summary now;
    struct pt_lake_snapshot snapshot = {0};
    bool moved = false;

    if (!pt_stream_read_checkpoint(pt_io_posix(), audit->dir->state, &now, NULL) &&
        !pt_lake_read(pt_io_posix(), audit->dir->lake, &snapshot, NULL)) {
        moved = now.number != audit->checkpoint.number || snapshot.snapshot_id != snapshot_id;
    }
    pt_lake_snapshot_release(&snapshot);
    return moved;
}

/* Make a temporary directory of our own, and recount there. */
static enum pt_code recount_apart(struct pt_audit *audit, const char *temp_root,
                                  struct pt_error *err)
{
    enum pt_code code = PT_OK;

    for (unsigned tries = 1;; tries++) {
        char *temp = pt_strf("%s/playtrace-audit-XXXXXX", temp_root);
        int64_t snapshot_id = 0;

        if (!temp || !mkdtemp(temp)) {
            code = pt_fail_errno(err, temp ? errno : ENOMEM, "make a directory in %s", temp_root);
            pt_free(temp);
            return code;
        }
        pt_audit_forget(audit);
        audit->temp = temp;
        code = recount(audit, &snapshot_id, err);
        audit->temp = NULL;
        if (pt_tree_remove(pt_io_posix(), temp, NULL)) {
            pt_cmd_say("audit: %s could not be removed", temp);
        }
        pt_free(temp);
        if ((!code && !audit->differences) || tries == TRIES_MAX ||
            !has_moved(audit, snapshot_id)) {
            break;
        }
    }
    return !code && audit->has_failed ? pt_fail(err, PT_NO_MEMORY, "keep the findings") : code;
}

static void format_time(int64_t time_us, char text[PT_RFC3339_TEXT_BYTES + 1])
{
    pt_rfc3339_format(time_us, text);
    memcpy(text + 19, "Z", 2); /* without the fraction of a second */
}

static void print_table(const struct pt_audit *audit)
{
    char from[PT_RFC3339_TEXT_BYTES + 1];
    char to[PT_RFC3339_TEXT_BYTES + 1];

    for (size_t i = 0; i < audit->finding_count; i++) {
        const struct pt_audit_finding *finding = &audit->findings[i];

        printf("  %-8s %-13s %s\n", finding->is_ok ? "ok" : "DIFFERS", finding->what,
               finding->text);
    }
    printf("\n  received    %12" PRIu64 "  = accepted %" PRIu64 " + dead letters %" PRIu64 "\n",
           audit->received, audit->accepted, audit->noted_dead);
    printf("  accepted    %12" PRIu64 "  = stored %" PRIu64 " + duplicates %" PRIu64
           " + in flight %" PRIu64 "\n",
           audit->accepted, audit->stored, audit->checkpoint.duplicates, in_flight_of(audit));
    printf("  stored      %12" PRIu64 "  of them late %" PRIu64 "\n", audit->stored,
           audit->checkpoint.late);
    if (audit->accepted > audit->log_start) {
        format_time(audit->log_start_us, from);
        format_time(audit->log_end_us, to);
        printf("\n  recounted from the log: offsets %" PRIu64 " to %" PRIu64 ", %s to %s\n",
               audit->log_start, audit->accepted, from, to);
    }
    if (audit->log_start > 0) {
        printf("  before that, from rows and the checkpoint's sums alone: the log reaches back no "
               "further\n");
    }
    printf("\n%s: %zu checks, %u differences\n", audit->differences ? "NOT BALANCED" : "balanced",
           audit->finding_count, audit->differences);
}

static enum pt_code print_json(const struct pt_audit *audit, struct pt_error *err)
{
    struct pt_buf text;
    struct pt_jsonw w;
    char time[PT_RFC3339_TEXT_BYTES + 1];

    pt_buf_init(&text, 64u << 20);
    pt_jsonw_init(&w, &text);
    pt_jsonw_object(&w);
    pt_jsonw_member_uint(&w, "received", audit->received);
    pt_jsonw_member_uint(&w, "accepted", audit->accepted);
    pt_jsonw_member_uint(&w, "dead_letters", audit->noted_dead);
    pt_jsonw_member_uint(&w, "stored", audit->stored);
    pt_jsonw_member_uint(&w, "duplicates", audit->checkpoint.duplicates);
    pt_jsonw_member_uint(&w, "in_flight", in_flight_of(audit));
    pt_jsonw_member_uint(&w, "late", audit->checkpoint.late);
    pt_jsonw_member_uint(&w, "log_start", audit->log_start);
    if (audit->accepted > audit->log_start) {
        format_time(audit->log_start_us, time);
        pt_jsonw_member_str(&w, "log_start_at", time);
    }
    pt_jsonw_member_bool(&w, "balanced", !audit->differences);
    pt_jsonw_key(&w, "checks");
    pt_jsonw_array(&w);
    for (size_t i = 0; i < audit->finding_count; i++) {
        const struct pt_audit_finding *finding = &audit->findings[i];

        pt_jsonw_object(&w);
        pt_jsonw_member_str(&w, "check", finding->what);
        pt_jsonw_member_bool(&w, "ok", finding->is_ok);
        pt_jsonw_member_str(&w, "detail", finding->text);
        pt_jsonw_object_end(&w);
    }
    pt_jsonw_array_end(&w);
    pt_jsonw_object_end(&w);
    if (!text.has_failed) {
        printf("%.*s\n", (int)text.size, (const char *)text.data);
    }
    pt_buf_release(&text);
    return text.has_failed ? pt_fail(err, PT_NO_MEMORY, "print the findings") : PT_OK;
}

static int run_audit(struct pt_audit *audit, const char *temp_root, bool is_json)
{
    struct pt_error err = {0};
    enum pt_code code = recount_apart(audit, temp_root, &err);
    bool differs = audit->differences > 0;

    if (!code && is_json) {
        code = print_json(audit, &err);
    } else if (!code) {
        print_table(audit);
    }
    pt_audit_forget(audit);
    if (code) {
        return pt_cmd_failed("audit", &err);
    }
    return differs ? PT_EXIT_FAILED : PT_EXIT_OK;
}

int pt_cmd_audit(int argc, char **argv)
{
    const char *data = NULL;
    const char *config_path = NULL;
    const char *format = "table";
    const char *temp_root = NULL;
    bool is_json = false;
    const struct pt_option options[] = {
        {"--data", "DIR", "data directory (default $PLAYTRACE_DATA or playtrace-data)", &data,
         NULL},
        {"--config", "FILE", "the server's settings", &config_path, NULL},
        {"--temp", "DIR", "for temporary files, 200 bytes an event (default $TMPDIR or /tmp)",
         &temp_root, NULL},
        {"--format", "table|json", "how to print (default table)", &format, NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };
    struct pt_command_line line = {
        .usage = "playtrace audit [--data DIR] [--config FILE] [--temp DIR] [--format table|json]",
        .about =
            "Recounts log, dead letters, id runs and table from the files themselves and names "
            "every difference. Exit 0: balanced; 1: not, or it could not be told.",
        .options = options,
    };
    struct pt_data_dir dir = {0};
    struct pt_audit audit = {.dir = &dir};
    struct pt_config *config = NULL;
    struct pt_error err = {0};
    int status = pt_command_line_parse(&line, argc, argv);

    if (status >= 0) {
        return status;
    }
    is_json = strcmp(format, "json") == 0;
    if (!is_json && strcmp(format, "table") != 0) {
        pt_cmd_say("--format: \"%s\"; it may be table or json", format);
        return PT_EXIT_USAGE;
    }
    config = pt_cmd_config(config_path);
    if (!config) {
        return PT_EXIT_USAGE;
    }
    audit.dedup_hours = (unsigned)pt_config_int(config, PT_CONFIG_stream_dedup_hours);
    audit.ledger_days = pt_config_int(config, PT_CONFIG_stream_ledger_days);
    pt_config_destroy(config);
    if (pt_data_dir_init(&dir, pt_cmd_data_dir(data), &err)) {
        return pt_cmd_failed("audit", &err);
    }
    if (!temp_root) {
        temp_root = getenv("TMPDIR");
    }
    if (pt_data_dir_check(&dir, &err)) {
        pt_data_dir_release(&dir);
        return pt_cmd_failed("audit", &err);
    }
    status = run_audit(&audit, temp_root && *temp_root ? temp_root : "/tmp", is_json);
    pt_data_dir_release(&dir);
    return status;
}
