/*
 * checkpoint.c - the file that is the commit point
 *
 * FORMAT (docs/formats/checkpoint.md): state/checkpoint-<20 digits>.json, two lines: a JSON object,
 * then "xxh3:" and 16 hexadecimal digits, the XXH3-64 of the first line without its newline. Later
 * formats keep to that, so that any version can tell a newer one from damage.
 */
#include "stream/checkpoint.h"

#include "base/crypto.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECKPOINT_FORMAT 2
#define CHECKPOINT_BYTES_MAX (256u << 20)
#define PREFIX "checkpoint-"
#define SUFFIX ".json"
#define DIGITS 20

static char *path_of(const char *state_dir, uint64_t number)
{
    return pt_strf("%s/" PREFIX "%020" PRIu64 SUFFIX, state_dir, number);
}

/* The number in a checkpoint file's name, or 0. */
static uint64_t number_of(const char *name)
{
    size_t prefix = strlen(PREFIX);

    if (strlen(name) != prefix + DIGITS + strlen(SUFFIX) || strncmp(name, PREFIX, prefix) != 0 ||
        strcmp(name + prefix + DIGITS, SUFFIX) != 0) {
        return 0;
    }
    return strtoull(name + prefix, NULL, 10);
}

/* "\nxxh3:", 16 digits, a newline */
#define SEAL_BYTES 23

static void make_seal(struct pt_span body, char text[SEAL_BYTES + 1])
{
    uint8_t bytes[8];
    char hex[17];
    uint64_t checksum = pt_checksum64(body.data, body.size);

    for (int i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)(checksum >> (56 - 8 * i));
    }
    pt_hex_encode(bytes, sizeof(bytes), hex);
    (void)snprintf(text, SEAL_BYTES + 1, "\nxxh3:%s\n", hex);
}

void pt_checkpoint_seal(struct pt_buf *text)
{
    char seal[SEAL_BYTES + 1];

    make_seal(pt_buf_span(text), seal);
    pt_buf_append(text, seal, SEAL_BYTES);
}

bool pt_checkpoint_unseal(struct pt_span file, struct pt_span *body_out)
{
    char seal[SEAL_BYTES + 1];

    if (file.size < SEAL_BYTES) {
        return false;
    }
    *body_out = pt_span_of(file.data, file.size - SEAL_BYTES);
    make_seal(*body_out, seal);
    return memcmp(seal, file.data + body_out->size, SEAL_BYTES) == 0;
}

enum pt_code pt_checkpoint_write(struct pt_io *io, const char *state_dir,
                                 const struct pt_checkpoint_summary *summary, uint64_t lake_before,
                                 const struct pt_idset *set, struct pt_span files,
                                 const struct pt_checkpoint_account *account, struct pt_error *err)
{
    struct pt_buf text;
    struct pt_jsonw w;
    char *path = path_of(state_dir, summary->number);
    enum pt_code code = PT_OK;

    pt_buf_init(&text, CHECKPOINT_BYTES_MAX);
    pt_jsonw_init(&w, &text);
    pt_jsonw_object(&w);
    pt_jsonw_key(&w, "format");
    pt_jsonw_int(&w, CHECKPOINT_FORMAT);
    pt_jsonw_key(&w, "number");
    pt_jsonw_uint(&w, summary->number);
    pt_jsonw_key(&w, "log_offset");
    pt_jsonw_uint(&w, summary->log_offset);
    pt_jsonw_key(&w, "stored");
    pt_jsonw_uint(&w, summary->stored);
    pt_jsonw_key(&w, "duplicates");
    pt_jsonw_uint(&w, summary->duplicates);
    pt_jsonw_key(&w, "late");
    pt_jsonw_uint(&w, summary->late);
    pt_jsonw_key(&w, "max_event_time_us");
    pt_jsonw_int(&w, summary->max_event_time_us);
    pt_jsonw_key(&w, "lake_before");
    pt_jsonw_uint(&w, lake_before);
    pt_jsonw_key(&w, "lake_checkpoint");
    pt_jsonw_uint(&w, summary->lake_checkpoint);
    pt_jsonw_key(&w, "files");
    pt_jsonw_raw(&w, files);
    pt_jsonw_key(&w, "runs");
    pt_idset_describe(set, &w);
    pt_jsonw_key(&w, "sources");
    pt_jsonw_raw(&w, account->sources);
    pt_jsonw_key(&w, "ledger");
    pt_jsonw_raw(&w, account->ledger);
    pt_jsonw_key(&w, "state");
    pt_jsonw_raw(&w, account->state);
    pt_jsonw_object_end(&w);
    pt_checkpoint_seal(&text);
    if (!path || text.has_failed) {
        code = pt_fail(err, PT_NO_MEMORY, "write checkpoint %" PRIu64, summary->number);
    } else {
        code = pt_io_replace(io, path, pt_buf_span(&text), 0, err);
    }
    pt_buf_release(&text);
    pt_free(path);
    return code;
}

struct newest {
    uint64_t below; /* look for the greatest number under this */
    uint64_t number;
};

static void note_newest(void *ctx, const char *name, bool is_dir)
{
    struct newest *newest = ctx;
    uint64_t number = number_of(name);

    if (!is_dir && number < newest->below && number > newest->number) {
        newest->number = number;
    }
}

static bool take_fields(struct pt_json root, struct pt_checkpoint *out)
{
    struct pt_checkpoint_summary *s = &out->summary;
    int64_t number = 0;
    int64_t offset = 0;
    int64_t stored = 0;
    int64_t duplicates = 0;
    int64_t late = 0;
    int64_t before = 0;
    int64_t lake = 0;

    if (!pt_json_member_int(root, "number", &number) ||
        !pt_json_member_int(root, "log_offset", &offset) ||
        !pt_json_member_int(root, "stored", &stored) ||
        !pt_json_member_int(root, "duplicates", &duplicates) ||
        !pt_json_member_int(root, "late", &late) ||
        !pt_json_member_int(root, "lake_before", &before) ||
        !pt_json_member_int(root, "lake_checkpoint", &lake) ||
        !pt_json_member_int(root, "max_event_time_us", &s->max_event_time_us)) {
        return false;
    }
    s->number = (uint64_t)number;
    s->log_offset = (uint64_t)offset;
    s->stored = (uint64_t)stored;
    s->duplicates = (uint64_t)duplicates;
    s->late = (uint64_t)late;
    s->lake_checkpoint = (uint64_t)lake;
    out->lake_before = (uint64_t)before;
    out->files = pt_json_member(root, "files");
    out->runs = pt_json_member(root, "runs");
    if (!pt_json_exists(out->files) || pt_json_type(out->files) != PT_JSON_ARRAY ||
        !pt_json_exists(out->runs) || pt_json_type(out->runs) != PT_JSON_ARRAY) {
        return false;
    }
    s->pending_files = pt_json_count(out->files);
    s->id_runs = pt_json_count(out->runs);
    return true;
}

static bool take_all(struct pt_json root, int64_t format, struct pt_checkpoint *out)
{
    if (format < 1 || !take_fields(root, out)) {
        return false;
    }
    if (format == 1) {
        return true;
    }
    out->has_account = true;
    out->sources = pt_json_member(root, "sources");
    out->ledger = pt_json_member(root, "ledger");
    return pt_json_exists(out->sources) && pt_json_exists(out->ledger) &&
           pt_json_member_string(root, "state", &out->state);
}

/* PT_CORRUPT: this file is not whole. Any other failure ends the search. */
static enum pt_code read_one(struct pt_io *io, const char *path, uint64_t number,
                             struct pt_json_parser *parser, struct pt_checkpoint *out,
                             struct pt_error *err)
{
    uint8_t *data = NULL;
    size_t size = 0;
    struct pt_span line = {0};
    struct pt_json root;
    int64_t format = 0;
    enum pt_code code =
        pt_io_read_all(io, path, CHECKPOINT_BYTES_MAX, PT_JSON_PADDING, &data, &size, err);

    if (code) {
        return code;
    }
    if (!pt_checkpoint_unseal(pt_span_of(data, size), &line)) {
        code = pt_fail(err, PT_CORRUPT, "%s: its checksum is wrong", path);
    } else if (pt_json_parse(parser, line, &root, NULL, err)) {
        code = PT_CORRUPT;
    } else if (pt_json_type(root) != PT_JSON_OBJECT ||
               !pt_json_member_int(root, "format", &format)) {
        code = pt_fail(err, PT_CORRUPT, "%s: not a checkpoint", path);
    } else if (format > CHECKPOINT_FORMAT) {
        code = pt_fail(err, PT_INVALID,
                       "%s has format %" PRId64 ", this version of playtrace knows %d: use the "
                       "version that wrote it, or a newer one",
                       path, format, CHECKPOINT_FORMAT);
    } else if (!take_all(root, format, out) || out->summary.number != number) {
        code = pt_fail(err, PT_CORRUPT, "%s: a member is missing or wrong", path);
    }
    pt_free(data);
    return code;
}

enum pt_code pt_checkpoint_read(struct pt_io *io, const char *state_dir,
                                struct pt_json_parser *parser, struct pt_checkpoint *checkpoint_out,
                                struct pt_error *err)
{
    struct newest newest = {.below = UINT64_MAX};
    enum pt_code code = PT_OK;
    enum pt_code damage = PT_OK;

    *checkpoint_out = (struct pt_checkpoint){.summary.max_event_time_us = INT64_MIN};
    for (;;) {
        char *path = NULL;

        newest.number = 0;
        code = pt_io_list(io, state_dir, note_newest, &newest, err);
        if (code == PT_NOT_FOUND) {
            return PT_OK;
        }
        if (code || newest.number == 0) {
            return code ? code : damage;
        }
        path = path_of(state_dir, newest.number);
        if (!path) {
            return pt_fail(err, PT_NO_MEMORY, "read the checkpoint");
        }
        code = read_one(io, path, newest.number, parser, checkpoint_out, err);
        pt_free(path);
        if (code == PT_NOT_FOUND) {
            continue; /* a running engine has replaced it */
        }
        if (code != PT_CORRUPT) {
            return code;
        }
        damage = code;
        *checkpoint_out = (struct pt_checkpoint){.summary.max_event_time_us = INT64_MIN};
        newest.below = newest.number;
    }
}

enum pt_code pt_stream_read_checkpoint(struct pt_io *io, const char *state_dir,
                                       struct pt_checkpoint_summary *summary_out,
                                       struct pt_error *err)
{
    struct pt_json_parser *parser = pt_json_parser_create(CHECKPOINT_BYTES_MAX);
    struct pt_checkpoint checkpoint;
    enum pt_code code = PT_OK;

    *summary_out = (struct pt_checkpoint_summary){0};
    if (!parser) {
        return pt_fail(err, PT_NO_MEMORY, "read the checkpoint");
    }
    code = pt_checkpoint_read(io, state_dir, parser, &checkpoint, err);
    if (!code) {
        *summary_out = checkpoint.summary;
    }
    pt_json_parser_destroy(parser);
    return code;
}

struct old {
    struct pt_io *io;
    const char *state_dir;
    uint64_t number;
    struct pt_error *err;
    enum pt_code code;
};

static void remove_if_old(void *ctx, const char *name, bool is_dir)
{
    struct old *old = ctx;
    uint64_t number = number_of(name);
    char *path = NULL;

    if (is_dir || old->code || number == 0 || number == old->number || number + 1 == old->number) {
        return;
    }
    path = path_of(old->state_dir, number);
    old->code = path ? pt_io_unlink(old->io, path, old->err)
                     : pt_fail(old->err, PT_NO_MEMORY, "remove old checkpoints");
    pt_free(path);
}

enum pt_code pt_checkpoint_remove_old(struct pt_io *io, const char *state_dir, uint64_t number,
                                      struct pt_error *err)
{
    struct old old = {.io = io, .state_dir = state_dir, .number = number, .err = err};
    enum pt_code code = pt_io_list(io, state_dir, remove_if_old, &old, err);

    return code ? code : old.code;
}
