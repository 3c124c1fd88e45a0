/*
 * backup_file.c - BACKUP.json: what a backup holds
 *
 * FORMAT (docs/formats/backup.md): two lines, a JSON object, then "xxh3:" and 16 hexadecimal
 * digits, the XXH3-64 of the first line without its newline.
 */
#include "cmd/backup.h"

#include "base/crypto.h"
#include "base/json.h"
#include "base/mem.h"
#include "wire/rfc3339.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define BACKUP_FORMAT 1
#define BACKUP_BYTES_MAX ((size_t)1 << 30)

enum pt_code pt_backup_add(struct pt_backup *backup, char *path, uint64_t bytes, uint64_t sum,
                           struct pt_error *err)
{
    if (path && backup->count == backup->capacity) {
        size_t capacity = backup->capacity ? 2 * backup->capacity : 64;
        struct pt_backup_file *grown = pt_realloc(backup->files, capacity * sizeof(*grown));

        if (!grown) {
            pt_free(path);
            path = NULL;
        } else {
            backup->files = grown;
            backup->capacity = capacity;
        }
    }
    if (!path) {
        return pt_fail(err, PT_NO_MEMORY, "list the files of a backup");
    }
    backup->files[backup->count++] =
        (struct pt_backup_file){.path = path, .bytes = bytes, .sum = sum};
    backup->bytes += bytes;
    return PT_OK;
}

void pt_backup_release(struct pt_backup *backup)
{
    for (size_t i = 0; i < backup->count; i++) {
        pt_free(backup->files[i].path);
    }
    pt_free(backup->files);
    *backup = (struct pt_backup){0};
}

static void put_hex(struct pt_buf *text, uint64_t value)
{
    pt_buf_appendf(text, "%016" PRIx64, value);
}

static void write_document(const struct pt_backup *backup, struct pt_buf *text)
{
    char time[PT_RFC3339_TEXT_BYTES + 1];
    char sum[17];
    struct pt_jsonw w;

    pt_rfc3339_format(backup->made_at_us, time);
    pt_jsonw_init(&w, text);
    pt_jsonw_object(&w);
    pt_jsonw_member_uint(&w, "format", BACKUP_FORMAT);
    pt_jsonw_member_str(&w, "made_at", time);
    pt_jsonw_member_int(&w, "made_at_us", backup->made_at_us);
    pt_jsonw_member_uint(&w, "checkpoint", backup->checkpoint);
    pt_jsonw_member_uint(&w, "checkpoint_offset", backup->checkpoint_offset);
    pt_jsonw_member_uint(&w, "rows", backup->rows);
    pt_jsonw_member_uint(&w, "log_start", backup->log_start);
    pt_jsonw_member_uint(&w, "log_end", backup->log_end);
    pt_jsonw_member_uint(&w, "dead_letters", backup->dead_letters);
    pt_jsonw_key(&w, "files");
    pt_jsonw_array(&w);
    for (size_t i = 0; i < backup->count; i++) {
        snprintf(sum, sizeof(sum), "%016" PRIx64, backup->files[i].sum);
        pt_jsonw_object(&w);
        pt_jsonw_member_str(&w, "path", backup->files[i].path);
        pt_jsonw_member_uint(&w, "bytes", backup->files[i].bytes);
        pt_jsonw_member_str(&w, "xxh3", sum);
        pt_jsonw_object_end(&w);
    }
    pt_jsonw_array_end(&w);
    pt_jsonw_object_end(&w);
}

enum pt_code pt_backup_write(struct pt_io *io, const char *dir, const struct pt_backup *backup,
                             struct pt_error *err)
{
    struct pt_buf text;
    uint64_t sum = 0;
    char *path = pt_strf("%s/" PT_BACKUP_NAME, dir);
    enum pt_code code = PT_OK;

    pt_buf_init(&text, BACKUP_BYTES_MAX);
    write_document(backup, &text);
    sum = pt_checksum64(text.data, text.size);
    pt_buf_append_str(&text, "\nxxh3:");
    put_hex(&text, sum);
    pt_buf_append_byte(&text, '\n');
    code = !path || text.has_failed ? pt_fail(err, PT_NO_MEMORY, "describe the backup")
                                    : pt_io_replace(io, path, pt_buf_span(&text), 0, err);
    pt_free(path);
    pt_buf_release(&text);
    return code;
}

/* Relative, and no way out of the directory. */
static bool is_safe_path(struct pt_span path)
{
    size_t start = 0;

    if (path.size == 0 || path.size > 4096 || memchr(path.data, 0, path.size)) {
        return false;
    }
    for (size_t at = 0; at <= path.size; at++) {
        if (at == path.size || path.data[at] == '/') {
            struct pt_span part = pt_span_of(path.data + start, at - start);

            if (part.size == 0 || pt_span_is(part, ".") || pt_span_is(part, "..")) {
                return false;
            }
            start = at + 1;
        }
    }
    return true;
}

static bool take_uint(struct pt_json object, const char *key, uint64_t *out)
{
    int64_t value = -1;

    if (!pt_json_member_int(object, key, &value) || value < 0) {
        return false;
    }
    *out = (uint64_t)value;
    return true;
}

static bool take_hex(struct pt_json object, const char *key, uint64_t *out)
{
    struct pt_span text = {0};
    char digits[17];

    if (!pt_json_member_string(object, key, &text) || text.size != 16) {
        return false;
    }
    memcpy(digits, text.data, 16);
    digits[16] = '\0';
    if (strspn(digits, "0123456789abcdef") != 16) {
        return false;
    }
    *out = strtoull(digits, NULL, 16);
    return true;
}

static enum pt_code take_files(struct pt_json files, struct pt_backup *backup, struct pt_error *err)
{
    struct pt_json_iter it;
    enum pt_code code = PT_OK;

    for (it = pt_json_iterate(files); !code && pt_json_next(&it);) {
        struct pt_span path = {0};
        uint64_t bytes = 0;
        uint64_t sum = 0;

        if (pt_json_type(it.value) != PT_JSON_OBJECT ||
            !pt_json_member_string(it.value, "path", &path) || !is_safe_path(path) ||
            !take_uint(it.value, "bytes", &bytes) || !take_hex(it.value, "xxh3", &sum)) {
            return pt_fail(err, PT_CORRUPT, "an entry of \"files\" is wrong");
        }
        code =
            pt_backup_add(backup, pt_strndup((const char *)path.data, path.size), bytes, sum, err);
    }
    return code;
}

static enum pt_code take_document(struct pt_json root, struct pt_backup *backup,
                                  struct pt_error *err)
{
    struct pt_json files = {0};
    uint64_t format = 0;

    if (pt_json_type(root) != PT_JSON_OBJECT || !take_uint(root, "format", &format)) {
        return pt_fail(err, PT_CORRUPT, "not the description of a backup");
    }
    if (format > BACKUP_FORMAT) {
        return pt_fail(err, PT_INVALID,
                       "the backup has format %" PRIu64 ", this version of playtrace knows %d: use "
                       "the version that made it, or a newer one",
                       format, BACKUP_FORMAT);
    }
    files = pt_json_member(root, "files");
    if (!pt_json_member_int(root, "made_at_us", &backup->made_at_us) ||
        !take_uint(root, "checkpoint", &backup->checkpoint) ||
        !take_uint(root, "checkpoint_offset", &backup->checkpoint_offset) ||
        !take_uint(root, "rows", &backup->rows) ||
        !take_uint(root, "log_start", &backup->log_start) ||
        !take_uint(root, "log_end", &backup->log_end) ||
        !take_uint(root, "dead_letters", &backup->dead_letters) || !pt_json_exists(files) ||
        pt_json_type(files) != PT_JSON_ARRAY) {
        return pt_fail(err, PT_CORRUPT, "a member is missing or wrong");
    }
    return take_files(files, backup, err);
}

enum pt_code pt_backup_read(struct pt_io *io, const char *dir, struct pt_backup *backup_out,
                            struct pt_error *err)
{
    struct pt_json_parser *parser = NULL;
    struct pt_json root;
    char tail[32];
    uint8_t *data = NULL;
    size_t size = 0;
    size_t line = 0;
    char *path = pt_strf("%s/" PT_BACKUP_NAME, dir);
    enum pt_code code = PT_OK;

    *backup_out = (struct pt_backup){0};
    if (!path) {
        return pt_fail(err, PT_NO_MEMORY, "read a backup");
    }
    code = pt_io_read_all(io, path, BACKUP_BYTES_MAX, PT_JSON_PADDING, &data, &size, err);
    if (code == PT_NOT_FOUND) {
        code = pt_fail(err, PT_NOT_FOUND, "%s is no backup: it holds no " PT_BACKUP_NAME, dir);
    }
    if (code) {
        goto out;
    }
    line = strcspn((const char *)data, "\n");
    snprintf(tail, sizeof(tail), "\nxxh3:%016" PRIx64 "\n", pt_checksum64(data, line));
    if (line > size || !pt_span_is(pt_span_of(data + line, size - line), tail)) {
        code = pt_fail(err, PT_CORRUPT, "%s: its checksum is wrong", path);
        goto out;
    }
    parser = pt_json_parser_create(BACKUP_BYTES_MAX);
    if (!parser) {
        code = pt_fail(err, PT_NO_MEMORY, "read a backup");
        goto out;
    }
    if (pt_json_parse(parser, pt_span_of(data, line), &root, NULL, err)) {
        code = PT_CORRUPT;
    } else {
        code = take_document(root, backup_out, err);
    }
    if (code) {
        code = pt_error_prefix(err, code, "%s", path);
    }

out:
    if (code) {
        pt_backup_release(backup_out);
    }
    pt_json_parser_destroy(parser);
    pt_free(data);
    pt_free(path);
    return code;
}
