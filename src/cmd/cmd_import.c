/*
 * cmd_import.c - `playtrace import`: files through the collector's own checks
 */
#include "cmd/cmd.h"

#include "cmd/import.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FILES_MAX 1024
#define UUID_VERSION_8 0x80
#define SCRATCH_BYTES_MAX ((size_t)4 * PT_IMPORT_ROW_BYTES_MAX)

struct import {
    struct pt_import_sender *sender;
    struct pt_import_map *map;       /* NULL: NDJSON */
    struct pt_import_reader *reader; /* large, so on the heap */
    struct pt_json_parser *parser;
    bool is_json; /* how the summary is printed */
    bool has_printed;
};

/* ---- ids ---- */

/* SHA-256 over line, fields and their sizes: what makes a row the same row again. */
static void digest_row(const struct pt_import_reader *row, uint8_t digest[PT_SHA256_BYTES],
                       struct pt_buf *scratch)
{
    pt_buf_reset(scratch);
    pt_buf_appendf(scratch, "%" PRIu64 ";", row->row_line);
    for (size_t i = 0; i < row->field_count; i++) {
        struct pt_span field = pt_import_field(row, i);

        pt_buf_appendf(scratch, "%zu:", field.size);
        pt_buf_append(scratch, field.data, field.size);
    }
    pt_sha256(pt_buf_span(scratch), digest);
}

static void event_id_of(const uint8_t row_digest[PT_SHA256_BYTES], size_t index,
                        char text[PT_UUID_TEXT_BYTES + 1])
{
    uint8_t seed[PT_SHA256_BYTES + 4];
    uint8_t digest[PT_SHA256_BYTES];

    memcpy(seed, row_digest, PT_SHA256_BYTES);
    for (size_t i = 0; i < 4; i++) {
        seed[PT_SHA256_BYTES + i] = (uint8_t)(index >> (8 * i));
    }
    pt_sha256(pt_span_of(seed, sizeof(seed)), digest);
    digest[6] = (uint8_t)(UUID_VERSION_8 | (digest[6] & 0x0f));
    digest[8] = (uint8_t)(0x80 | (digest[8] & 0x3f));
    pt_uuid_format(digest, text);
}

/* ---- one file ---- */

static bool is_row_fault(enum pt_code code)
{
    return code == PT_INVALID || code == PT_TOO_BIG;
}

static void note_unreadable(struct pt_import_counts *counts, const struct pt_error *err)
{
    counts->unreadable++;
    if (counts->shown++ < PT_IMPORT_RECEIPTS_MAX) {
        pt_cmd_say("%s", err->text);
    }
}

/* An event with a field that cannot be what the mapping says is left out; the others go on. */
static enum pt_code import_row(struct import *import, struct pt_import_counts *counts,
                               const uint8_t digest[PT_SHA256_BYTES], struct pt_error *err)
{
    for (size_t i = 0; i < pt_import_map_event_count(import->map); i++) {
        char event_id[PT_UUID_TEXT_BYTES + 1];
        bool is_wanted = false;
        enum pt_code code = PT_OK;

        event_id_of(digest, i, event_id);
        code = pt_import_map_event(import->map, import->reader, i, event_id,
                                   pt_import_sender_event(import->sender), &is_wanted, err);
        if (is_row_fault(code)) {
            pt_import_sender_drop(import->sender);
            note_unreadable(counts, err);
            continue;
        }
        if (!code && is_wanted) {
            code = pt_import_sender_keep(import->sender, import->reader->row_line, err);
        }
        if (code) {
            return code;
        }
    }
    return PT_OK;
}

static char delimiter_of(const struct import *import, const char *path)
{
    size_t size = strlen(path);
    char delimiter = pt_import_map_delimiter(import->map);

    if (delimiter) {
        return delimiter;
    }
    return size > 4 && strcmp(path + size - 4, ".tsv") == 0 ? '\t' : ',';
}

static enum pt_code read_header(struct import *import, char delimiter, size_t *columns_out,
                                struct pt_error *err)
{
    enum pt_code code = pt_import_next_row(import->reader, delimiter, err);

    if (code == PT_NOT_FOUND) {
        return pt_fail(err, PT_INVALID, "%s: is empty; a line with the columns' names is needed",
                       import->reader->name);
    }
    *columns_out = import->reader->field_count;
    return code ? code : pt_import_map_bind(import->map, import->reader, err);
}

static enum pt_code import_table(struct import *import, const char *path,
                                 struct pt_import_counts *counts, struct pt_error *err)
{
    char delimiter = delimiter_of(import, path);
    size_t columns = 0;
    struct pt_buf scratch;
    enum pt_code code = read_header(import, delimiter, &columns, err);

    pt_buf_init(&scratch, SCRATCH_BYTES_MAX);
    while (!code) {
        uint8_t digest[PT_SHA256_BYTES];

        code = pt_import_next_row(import->reader, delimiter, err);
        if (code == PT_NOT_FOUND) {
            break;
        }
        if (!code && import->reader->field_count != columns) {
            code = pt_fail(err, PT_INVALID, "%s:%" PRIu64 ": %zu fields, but %zu columns",
                           import->reader->name, import->reader->row_line,
                           import->reader->field_count, columns);
        }
        counts->rows += !code || is_row_fault(code) ? 1 : 0;
        if (is_row_fault(code)) {
            note_unreadable(counts, err);
            code = PT_OK;
            continue;
        }
        if (!code) {
            digest_row(import->reader, digest, &scratch);
            code = import_row(import, counts, digest, err);
        }
    }
    pt_buf_release(&scratch);
    return code == PT_NOT_FOUND ? PT_OK : code;
}

/* A line is an event as the collector takes it; without event_id it gets one. */
static enum pt_code import_line(struct import *import, struct pt_import_counts *counts,
                                struct pt_buf *scratch, struct pt_error *err)
{
    const struct pt_import_reader *reader = import->reader;
    struct pt_jsonw *w = pt_import_sender_event(import->sender);
    struct pt_span line = pt_import_field(reader, 0);
    struct pt_json root;
    struct pt_error reason;

    if (pt_json_parse(import->parser, line, &root, NULL, &reason)) {
        pt_fail(err, PT_INVALID, "%s:%" PRIu64 ": %s", reader->name, reader->row_line, reason.text);
        note_unreadable(counts, err);
        return PT_OK;
    }
    if (pt_json_type(root) == PT_JSON_OBJECT && !pt_json_exists(pt_json_member(root, "event_id"))) {
        uint8_t digest[PT_SHA256_BYTES];
        char event_id[PT_UUID_TEXT_BYTES + 1];
        struct pt_json_iter it = pt_json_iterate(root);

        digest_row(reader, digest, scratch);
        event_id_of(digest, 0, event_id);
        pt_jsonw_object(w);
        pt_jsonw_member_str(w, "event_id", event_id);
        while (pt_json_next(&it)) {
            pt_jsonw_key_span(w, it.key);
            pt_jsonw_value(w, it.value);
        }
        pt_jsonw_object_end(w);
    } else {
        pt_jsonw_raw(w, line);
    }
    return pt_import_sender_keep(import->sender, reader->row_line, err);
}

static enum pt_code import_ndjson(struct import *import, struct pt_import_counts *counts,
                                  struct pt_error *err)
{
    struct pt_buf scratch;
    enum pt_code code = PT_OK;

    pt_buf_init(&scratch, SCRATCH_BYTES_MAX);
    while (!code) {
        code = pt_import_next_line(import->reader, err);
        if (code == PT_NOT_FOUND) {
            break;
        }
        counts->rows += !code || is_row_fault(code) ? 1 : 0;
        if (is_row_fault(code)) {
            note_unreadable(counts, err);
            code = PT_OK;
            continue;
        }
        if (!code) {
            code = import_line(import, counts, &scratch, err);
        }
    }
    pt_buf_release(&scratch);
    return code == PT_NOT_FOUND ? PT_OK : code;
}

static void print_counts(struct import *import, const char *path,
                         const struct pt_import_counts *counts, bool is_delivered)
{
    if (!import->is_json) {
        printf("%s: %" PRIu64 " rows read, %" PRIu64 " events sent: %" PRIu64 " accepted, %" PRIu64
               " rejected; %" PRIu64 " unreadable%s\n",
               path, counts->rows, counts->sent, counts->accepted, counts->rejected,
               counts->unreadable, is_delivered ? "" : "; NOT all delivered");
        return;
    }
    struct pt_buf buf;
    struct pt_jsonw w;

    pt_buf_init(&buf, 1u << 20);
    pt_jsonw_init(&w, &buf);
    pt_jsonw_object(&w);
    pt_jsonw_member_str(&w, "file", path);
    pt_jsonw_member_uint(&w, "rows", counts->rows);
    pt_jsonw_member_uint(&w, "sent", counts->sent);
    pt_jsonw_member_uint(&w, "accepted", counts->accepted);
    pt_jsonw_member_uint(&w, "rejected", counts->rejected);
    pt_jsonw_member_uint(&w, "unreadable", counts->unreadable);
    pt_jsonw_member_bool(&w, "delivered", is_delivered);
    pt_jsonw_object_end(&w);
    printf("%s%.*s", import->has_printed ? ",\n" : "[", PT_SPAN_ARG(pt_buf_span(&buf)));
    import->has_printed = true;
    pt_buf_release(&buf);
}

static int import_file(struct import *import, const char *path)
{
    struct pt_import_counts counts = {0};
    struct pt_error err = {0};
    enum pt_code code = pt_import_reader_open(import->reader, pt_io_posix(), path, &err);

    if (code) {
        return pt_cmd_failed("import", &err);
    }
    pt_import_sender_begin(import->sender, import->reader->name, &counts);
    code = import->map ? import_table(import, path, &counts, &err)
                       : import_ndjson(import, &counts, &err);
    if (!code) {
        code = pt_import_sender_flush(import->sender, &err);
    }
    pt_import_reader_close(import->reader);
    print_counts(import, path, &counts, code == PT_OK);
    if (code) {
        return pt_cmd_failed("import", &err);
    }
    return counts.unreadable == 0 ? PT_EXIT_OK : PT_EXIT_FAILED;
}

/* ---- the command ---- */

static bool needs_map(const char *path)
{
    const char *dot = strrchr(path, '.');

    return dot && (strcmp(dot, ".csv") == 0 || strcmp(dot, ".tsv") == 0);
}

static enum pt_code open_all(struct import *import, const char *map_path, const char *url,
                             const char *api_key, struct pt_error *err)
{
    import->reader = pt_alloc_zero(sizeof(*import->reader));
    import->parser = pt_json_parser_create(PT_IMPORT_ROW_BYTES_MAX);
    if (!import->reader || !import->parser) {
        return pt_fail(err, PT_NO_MEMORY, "start");
    }
    if (map_path) {
        enum pt_code code = pt_import_map_load(&import->map, pt_io_posix(), map_path, err);

        if (code) {
            return code;
        }
    }
    return pt_import_sender_open(&import->sender, url, api_key, err);
}

static int import_files(struct import *import, const char *const *files, size_t count)
{
    int exit_code = PT_EXIT_OK;

    for (size_t i = 0; i < count; i++) {
        if (!import->map && needs_map(files[i])) {
            pt_cmd_say("import: %s: a table needs --map FILE: what does a row become?", files[i]);
            exit_code = PT_EXIT_FAILED;
            break;
        }
        exit_code = import_file(import, files[i]);
        if (exit_code != PT_EXIT_OK) {
            break;
        }
    }
    if (import->has_printed) {
        puts("]");
    }
    return exit_code;
}

int pt_cmd_import(int argc, char **argv)
{
    static const char *files[FILES_MAX];
    const char *map_path = NULL;
    const char *url = "http://127.0.0.1:8080";
    const char *api_key = NULL;
    const char *format = "table";
    struct import import = {0};
    struct pt_error err = {0};
    const struct pt_option options[] = {
        {"--map", "FILE", "what a row becomes (docs/import.md); needed for CSV and TSV", &map_path,
         NULL},
        {"--url", "URL", "the server (http://127.0.0.1:8080)", &url, NULL},
        {"--api-key", "KEY", "the key of the game", &api_key, NULL},
        {"--format", "FORMAT", "table or json", &format, NULL},
        {0},
    };
    struct pt_command_line line = {
        .usage = "playtrace import FILE… [--map MAP.yaml] [--url URL] [--api-key KEY]",
        .about = "Send events from files: NDJSON (an event a line; \"-\" is standard input), or "
                 "CSV and\n"
                 "TSV with a mapping. They go through the collector's own checks; what it rejects "
                 "is in\n"
                 "the dead letters. Importing a file again gives no second row.",
        .options = options,
        .positional = files,
        .positional_max = FILES_MAX,
    };
    int exit_code = pt_command_line_parse(&line, argc, argv);

    if (exit_code >= 0) {
        return exit_code;
    }
    if (line.positional_count == 0) {
        pt_cmd_say("import: which file? \"-\" is standard input");
        return PT_EXIT_USAGE;
    }
    import.is_json = strcmp(format, "json") == 0;
    if (!import.is_json && strcmp(format, "table") != 0) {
        pt_cmd_say("import: --format is table or json");
        return PT_EXIT_USAGE;
    }
    exit_code = open_all(&import, map_path, url, api_key, &err)
                    ? pt_cmd_failed("import", &err)
                    : import_files(&import, files, line.positional_count);
    pt_import_sender_close(import.sender);
    pt_import_map_destroy(import.map);
    pt_json_parser_destroy(import.parser);
    pt_free(import.reader);
    return exit_code;
}
