/*
 * lake_expire.c - playtrace lake expire: old snapshots go, and files that none names
 */
#include "cmd/cmd.h"
#include "cmd/lake_open.h"
#include "cmd/lake_verbs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ORPHAN_AGE_MIN_US (INT64_C(3600) * 1000000)

/* "7d", "12h", "30m", "45s" in microseconds; false after the mistake was said. */
static bool parse_age(const char *option, const char *text, int64_t *age_us_out)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
    size_t digits = strspn(text, "0123456789");
    char number[16];

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (digits > 0 && digits < 7 && text[digits] == units[i].unit && text[digits + 1] == '\0') {
            snprintf(number, sizeof(number), "%.*s", (int)digits, text);
            *age_us_out = strtoll(number, NULL, 10) * units[i].seconds * 1000000;
            return true;
        }
    }
    pt_cmd_say("lake expire: %s %s: it is a number with a unit, such as 7d, 12h, 30m or 0s", option,
               text);
    return false;
}

static void say_result(const struct pt_lake_expired *expired, bool is_dry_run)
{
    const char *verb = is_dry_run ? "would expire" : "expired";
    const char *deleted = is_dry_run ? "would be deleted" : "deleted";

    printf("%" PRIu64 " snapshots %s; %" PRIu64 " data files, %" PRIu64
           " metadata files and %" PRIu64 " orphans %s, %" PRIu64 " bytes\n",
           expired->snapshots, verb, expired->data_files, expired->metadata_files, expired->orphans,
           deleted, expired->bytes);
}

int pt_lake_verb_expire(int argc, char **argv)
{
    const char *data = NULL;
    const char *config_path = NULL;
    const char *age = NULL;
    const char *keep = NULL;
    const char *orphan_age = NULL;
    struct pt_lake_expiry rule = {0};
    struct pt_lake_expired expired = {0};
    struct pt_config *config = NULL;
    struct pt_lake *lake = NULL;
    struct pt_error err = {0};
    enum pt_code failed = PT_OK;
    int64_t number = 0;
    const struct pt_option options[] = {
        {"--older-than", "AGE",
         "what is older goes, such as 7d or 12h (default: lake.snapshot_days)", &age, NULL},
        {"--keep", "N", "at most the newest N stay, however young (default: lake.snapshots_kept)",
         &keep, NULL},
        {"--orphans-older-than", "AGE",
         "files that no snapshot names go at that age (default: lake.orphan_hours)", &orphan_age,
         NULL},
        {"--dry-run", NULL, "only say what would go", NULL, &rule.is_dry_run},
        {"--data", "DIR", "the data directory", &data, NULL},
        {"--config", "FILE", "the settings", &config_path, NULL},
        {0},
    };
    struct pt_command_line line = {
        .usage = "playtrace lake expire [--older-than AGE] [--keep N] [--dry-run] [--data DIR]",
        .about = "Take old snapshots out of the table and delete the files that only they named. "
                 "The current one stays, and those that tags and other branches name. `serve` does "
                 "the same by itself; both may run at the same time.",
        .options = options,
    };
    int code = pt_command_line_parse(&line, argc, argv);

    if (code >= 0) {
        return code;
    }
    config = pt_cmd_config(config_path);
    if (!config) {
        return PT_EXIT_USAGE;
    }
    rule.age_us = pt_config_int(config, PT_CONFIG_lake_snapshot_days) * 86400 * 1000000;
    rule.kept_max = (uint32_t)pt_config_int(config, PT_CONFIG_lake_snapshots_kept);
    rule.orphan_age_us = pt_config_int(config, PT_CONFIG_lake_orphan_hours) * 3600 * 1000000;
    pt_config_destroy(config);
    if (age || keep) {
        /* What is said here stands alone: --keep 10 is not also seven days. */
        rule.age_us = -1;
        rule.kept_max = 0;
    }
    if ((age && !parse_age("--older-than", age, &rule.age_us)) ||
        (orphan_age && !parse_age("--orphans-older-than", orphan_age, &rule.orphan_age_us)) ||
        (keep && !pt_cmd_parse_int("lake expire: --keep", keep, 1, UINT32_MAX, &number))) {
        return PT_EXIT_USAGE;
    }
    if (orphan_age && rule.orphan_age_us < ORPHAN_AGE_MIN_US) {
        pt_cmd_say("lake expire: --orphans-older-than %s: at least 1h, because a commit that is "
                   "under way has files that no snapshot names yet",
                   orphan_age);
        return PT_EXIT_USAGE;
    }
    rule.kept_max = keep ? (uint32_t)number : rule.kept_max;
    failed = pt_cmd_lake_open(&lake, data, &err);
    if (!failed) {
        failed = pt_lake_expire(lake, &rule, &expired, &err);
        if (!failed || expired.snapshots) {
            say_result(&expired, rule.is_dry_run);
        }
    }
    pt_lake_close(lake);
    return failed ? pt_cmd_failed("lake expire", &err) : PT_EXIT_OK;
}
