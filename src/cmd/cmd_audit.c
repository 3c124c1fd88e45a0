/*
 * cmd_audit.c - `playtrace audit`: recount everything, name every difference
 */
#include "cmd/audit.h"
#include "cmd/cmd.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

static void print_ledger(const struct pt_audit *audit)
{
    uint64_t in_flight = audit->accepted - audit->checkpoint.log_offset;

    printf("\n  received    %12" PRIu64 "  = accepted %" PRIu64 " + dead letters %" PRIu64 "\n",
           audit->received, audit->accepted, audit->noted_dead);
    printf("  accepted    %12" PRIu64 "  = stored %" PRIu64 " + duplicates %" PRIu64
           " + in flight %" PRIu64 "\n",
           audit->accepted, audit->stored, audit->checkpoint.duplicates, in_flight);
    printf("  stored      %12" PRIu64 "  of them late %" PRIu64 "\n", audit->stored,
           audit->checkpoint.late);
}

static void balance(struct pt_audit *audit)
{
    uint64_t in_flight = audit->accepted - audit->checkpoint.log_offset;

    pt_audit_check(audit, audit->received == audit->accepted + audit->noted_dead, "ledger",
                   "received = accepted + dead letters: %" PRIu64 " = %" PRIu64 " + %" PRIu64,
                   audit->received, audit->accepted, audit->noted_dead);
    pt_audit_check(audit,
                   audit->accepted == audit->stored + audit->checkpoint.duplicates + in_flight,
                   "ledger",
                   "accepted = stored + duplicates + in flight: %" PRIu64 " = %" PRIu64
                   " + %" PRIu64 " + %" PRIu64,
                   audit->accepted, audit->stored, audit->checkpoint.duplicates, in_flight);
}

static enum pt_code recount(struct pt_audit *audit, struct pt_error *err)
{
    struct pt_lake_snapshot snapshot;
    enum pt_code code = pt_audit_read_state(audit, &snapshot, err);

    if (code) {
        return code;
    }
    code = pt_audit_log(audit, err);
    if (!code) {
        code = pt_audit_dead_letters(audit, err);
    }
    if (!code) {
        code = pt_audit_id_runs(audit, err);
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

static void print_json(struct pt_audit *audit)
{
    pt_jsonw_array_end(&audit->w);
    printf("{\"received\":%" PRIu64 ",\"accepted\":%" PRIu64 ",\"dead_letters\":%" PRIu64
           ",\"stored\":%" PRIu64 ",\"duplicates\":%" PRIu64 ",\"in_flight\":%" PRIu64
           ",\"late\":%" PRIu64 ",\"balanced\":%s,\"checks\":%.*s}\n",
           audit->received, audit->accepted, audit->noted_dead, audit->stored,
           audit->checkpoint.duplicates, audit->accepted - audit->checkpoint.log_offset,
           audit->checkpoint.late, audit->differences ? "false" : "true", (int)audit->lines.size,
           (const char *)audit->lines.data);
}

static int run_audit(struct pt_audit *audit)
{
    struct pt_error err = {0};
    enum pt_code code = PT_OK;

    pt_buf_init(&audit->lines, 16u << 20);
    pt_jsonw_init(&audit->w, &audit->lines);
    pt_jsonw_array(&audit->w);
    code = recount(audit, &err);
    if (audit->ids) {
        fclose(audit->ids);
        unlink(audit->ids_path);
    }
    if (code == PT_OK && audit->is_json) {
        print_json(audit);
    } else if (code == PT_OK) {
        print_ledger(audit);
        printf("\n%s: %u checks, %u differences\n",
               audit->differences ? "NOT BALANCED" : "balanced", audit->checks, audit->differences);
    }
    pt_buf_release(&audit->lines);
    if (code) {
        return pt_cmd_failed("audit", &err);
    }
    return audit->differences ? PT_EXIT_FAILED : PT_EXIT_OK;
}

int pt_cmd_audit(int argc, char **argv)
{
    const char *data = NULL;
    const char *config_path = NULL;
    const char *format = "table";
    const struct pt_option options[] = {
        {"--data", "DIR", "data directory (default $PLAYTRACE_DATA or playtrace-data)", &data,
         NULL},
        {"--config", "FILE", "the server's settings", &config_path, NULL},
        {"--format", "table|json", "how to print (default table)", &format, NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };
    struct pt_command_line line = {
        .usage = "playtrace audit [--data DIR] [--config FILE] [--format table|json]",
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
    audit.is_json = strcmp(format, "json") == 0;
    if (!audit.is_json && strcmp(format, "table") != 0) {
        pt_cmd_say("--format: \"%s\"; it may be table or json", format);
        return PT_EXIT_USAGE;
    }
    config = pt_cmd_config(config_path);
    if (!config) {
        return PT_EXIT_USAGE;
    }
    audit.dedup_hours = (unsigned)pt_config_int(config, PT_CONFIG_stream_dedup_hours);
    pt_config_destroy(config);
    if (pt_data_dir_init(&dir, pt_cmd_data_dir(data), &err)) {
        return pt_cmd_failed("audit", &err);
    }
    status = run_audit(&audit);
    pt_data_dir_release(&dir);
    return status;
}
