/*
 * files.c - the files that a checkpoint stands on
 */
#include "stream/checkpoint.h"
#include "stream/ledger.h"

#include "base/mem.h"

#include <inttypes.h>

#define PARSE_BYTES_MAX (256u << 20)

static enum pt_code take_member(struct pt_json array, const char *key, const char *prefix,
                                char ***paths_out, size_t *count_out, struct pt_error *err)
{
    size_t room = *count_out + pt_json_count(array);
    char **grown = pt_realloc(*paths_out, (room + 1) * sizeof(*grown));
    struct pt_json_iter it;

    if (!grown) {
        return pt_fail(err, PT_NO_MEMORY, "list the files of a checkpoint");
    }
    *paths_out = grown;
    for (it = pt_json_iterate(array); pt_json_next(&it);) {
        struct pt_span name = {0};

        if (pt_json_type(it.value) != PT_JSON_OBJECT ||
            !pt_json_member_string(it.value, key, &name)) {
            return pt_fail(err, PT_CORRUPT, "the checkpoint names a file without \"%s\"", key);
        }
        grown[*count_out] = pt_strf("%s%.*s", prefix, PT_SPAN_ARG(name));
        if (!grown[*count_out]) {
            return pt_fail(err, PT_NO_MEMORY, "list the files of a checkpoint");
        }
        ++*count_out;
    }
    return PT_OK;
}

static enum pt_code count_pending(struct pt_json files, uint64_t *rows_out, struct pt_error *err)
{
    struct pt_json_iter it;

    for (it = pt_json_iterate(files); pt_json_next(&it);) {
        int64_t rows = 0;

        if (!pt_json_member_int(it.value, "rows", &rows) || rows < 0) {
            return pt_fail(err, PT_CORRUPT, "the checkpoint names a data file without \"rows\"");
        }
        *rows_out += (uint64_t)rows;
    }
    return PT_OK;
}

/* The ledger's files, in the paths. */
static enum pt_code take_ledger(struct pt_io *io, const char *state_dir, uint64_t number,
                                struct pt_state_files *files, struct pt_error *err)
{
    struct pt_buf list;
    const struct pt_ledger_file *at = NULL;
    char **grown = NULL;
    size_t count = 0;
    enum pt_code code = pt_ledger_list(io, state_dir, &list, err);

    at = (const struct pt_ledger_file *)(const void *)list.data;
    count = list.size / sizeof(*at);
    if (!code) {
        grown = pt_realloc(files->paths, (files->count + count + 1) * sizeof(*grown));
        if (!grown) {
            code = pt_fail(err, PT_NO_MEMORY, "list the files of a checkpoint");
        } else {
            files->paths = grown;
        }
    }
    for (size_t i = 0; !code && i < count; i++) {
        if (at[i].number <= number) {
            grown[files->count] = pt_ledger_path("ledger", &at[i]);
            if (!grown[files->count]) {
                code = pt_fail(err, PT_NO_MEMORY, "list the files of a checkpoint");
            } else {
                files->count++;
            }
        }
    }
    pt_buf_release(&list);
    return code;
}

enum pt_code pt_stream_list_files(struct pt_io *io, const char *state_dir,
                                  struct pt_state_files *files_out, struct pt_error *err)
{
    struct pt_json_parser *parser = pt_json_parser_create(PARSE_BYTES_MAX);
    struct pt_checkpoint found;
    enum pt_code code = PT_OK;

    *files_out = (struct pt_state_files){0};
    if (!parser) {
        return pt_fail(err, PT_NO_MEMORY, "read the checkpoint");
    }
    code = pt_checkpoint_read(io, state_dir, parser, &found, err);
    if (code || found.summary.number == 0) {
        goto out;
    }
    files_out->checkpoint = found.summary;
    files_out->lake_before = found.lake_before;
    files_out->paths = pt_alloc_zero(sizeof(char *));
    if (files_out->paths) {
        files_out->paths[0] = pt_strf("checkpoint-%020" PRIu64 ".json", found.summary.number);
    }
    if (!files_out->paths || !files_out->paths[0]) {
        code = pt_fail(err, PT_NO_MEMORY, "list the files of a checkpoint");
        goto out;
    }
    files_out->count = 1;
    code = take_member(found.runs, "file", "ids/", &files_out->paths, &files_out->count, err);
    if (!code) {
        code = take_ledger(io, state_dir, found.summary.number, files_out, err);
    }
    if (!code) {
        code = take_member(found.files, "path", "", &files_out->pending, &files_out->pending_count,
                           err);
    }
    if (!code) {
        code = count_pending(found.files, &files_out->pending_rows, err);
    }

out:
    if (code) {
        pt_state_files_release(files_out);
    }
    pt_json_parser_destroy(parser);
    return code;
}

void pt_state_files_release(struct pt_state_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        pt_free(files->paths[i]);
    }
    for (size_t i = 0; i < files->pending_count; i++) {
        pt_free(files->pending[i]);
    }
    pt_free(files->paths);
    pt_free(files->pending);
    *files = (struct pt_state_files){0};
}
