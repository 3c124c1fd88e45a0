/*
 * lake_location.c - playtrace lake location: where the table is, and the files that may hold a user
 */
#include "base/json.h"
#include "cmd/cmd.h"
#include "cmd/data_dir.h"
#include "cmd/lake_verbs.h"
#include "lake/lake.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* 32 hex digits as the pseudonym they are; says what is wrong. */
static bool parse_user(const char *text, uint8_t user[PT_PSEUDONYM_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    bool is_right = strlen(text) == 2 * (size_t)PT_PSEUDONYM_BYTES;

    for (size_t i = 0; is_right && text[i]; i++) {
        const char *digit = strchr(digits, text[i]);

        is_right = digit != NULL;
        if (is_right) {
            user[i / 2] = (uint8_t)(user[i / 2] << 4 | (digit - digits));
        }
    }
    if (!is_right) {
        pt_cmd_say("lake location: --user %s: it is a pseudonym as in the column user_id, 32 "
                   "digits of 0-9 and a-f",
                   text);
    }
    return is_right;
}

static void tell_text(const struct pt_lake_place *place, const struct pt_lake_snapshot *of_user)
{
    printf("location  %s\nmetadata  %s\nsnapshot  %" PRId64 "\nrows      %" PRIu64
           "\nfiles     %" PRIu64 "\n",
           place->location, place->metadata_path, place->snapshot_id, place->row_count,
           place->file_count);
    if (of_user) {
        printf("\nfiles that may hold the user: %zu\n", of_user->file_count);
        for (size_t i = 0; i < of_user->file_count; i++) {
            printf("%s\n", of_user->files[i]);
        }
    }
}

static void tell_json(const struct pt_lake_place *place, const struct pt_lake_snapshot *of_user)
{
    struct pt_buf text;
    struct pt_jsonw w;
    char id[24];

    pt_buf_init(&text, 256u << 20);
    pt_jsonw_init(&w, &text);
    snprintf(id, sizeof(id), "%" PRId64, place->snapshot_id);
    pt_jsonw_object(&w);
    pt_jsonw_member_str(&w, "location", place->location);
    pt_jsonw_member_str(&w, "metadata", place->metadata_path);
    /* Text: 63 bits are more than what many readers of JSON keep of a number. */
    pt_jsonw_member_str(&w, "snapshot_id", id);
    pt_jsonw_member_uint(&w, "rows", place->row_count);
    pt_jsonw_member_uint(&w, "files", place->file_count);
    if (of_user) {
        pt_jsonw_key(&w, "files_of_user");
        pt_jsonw_array(&w);
        for (size_t i = 0; i < of_user->file_count; i++) {
            pt_jsonw_object(&w);
            pt_jsonw_member_str(&w, "path", of_user->files[i]);
            pt_jsonw_member_uint(&w, "rows", of_user->file_rows[i]);
            pt_jsonw_member_uint(&w, "bytes", of_user->file_bytes[i]);
            pt_jsonw_object_end(&w);
        }
        pt_jsonw_array_end(&w);
    }
    pt_jsonw_object_end(&w);
    printf("%.*s\n", (int)text.size, (const char *)text.data);
    pt_buf_release(&text);
}

static int locate(const char *data, const uint8_t *user, bool is_json)
{
    struct pt_data_dir dir = {0};
    struct pt_lake_place place = {0};
    struct pt_lake_snapshot of_user = {0};
    struct pt_error err = {0};
    uint64_t files = 0;
    enum pt_code code = pt_data_dir_init(&dir, pt_cmd_data_dir(data), &err);

    if (!code) {
        code = pt_lake_locate(pt_io_posix(), dir.lake, &place, &err);
        if (code == PT_NOT_FOUND) {
            code = pt_fail(&err, PT_NOT_FOUND, "%s has no table: nothing was ever stored there",
                           dir.root);
        }
    }
    if (!code && user) {
        code = pt_lake_files_of_user(pt_io_posix(), dir.lake, user, &of_user, &files, &err);
    }
    if (!code) {
        (is_json ? tell_json : tell_text)(&place, user ? &of_user : NULL);
    }
    pt_lake_snapshot_release(&of_user);
    pt_lake_place_release(&place);
    pt_data_dir_release(&dir);
    return code ? pt_cmd_failed("lake location", &err) : PT_EXIT_OK;
}

int pt_lake_verb_location(int argc, char **argv)
{
    const char *data = NULL;
    const char *user_text = NULL;
    const char *format = "table";
    uint8_t user[PT_PSEUDONYM_BYTES] = {0};
    const struct pt_option options[] = {
        {"--data", "DIR", "data directory (default $PLAYTRACE_DATA or playtrace-data)", &data,
         NULL},
        {"--user", "PSEUDONYM", "also the files that may hold that user_id", &user_text, NULL},
        {"--format", "FORMAT", "table or json", &format, NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };
    struct pt_command_line line = {
        .usage = "playtrace lake location [--user PSEUDONYM] [--data DIR] [--format json]",
        .about = "Say where the table is, for other programs: its location and its current "
                 "metadata file.\nWith --user also the data files that may hold that user's rows: "
                 "all that do, and one\nthat does not about once in 4,294,967,296 / users of the "
                 "file.",
        .options = options,
    };
    int status = pt_command_line_parse(&line, argc, argv);

    if (status >= 0) {
        return status;
    }
    if (strcmp(format, "table") != 0 && strcmp(format, "json") != 0) {
        pt_cmd_say("lake location: --format %s: it may be table or json", format);
        return PT_EXIT_USAGE;
    }
    if (user_text && !parse_user(user_text, user)) {
        return PT_EXIT_USAGE;
    }
    return locate(data, user_text ? user : NULL, strcmp(format, "json") == 0);
}
