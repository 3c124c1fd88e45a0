/*
 * history_show.c - the history as people and scripts see it
 */
#include "flag/flag.h"
#include "flag/history.h"

#define ASIDE_MAX 1000

/* The history and the file, seen together. */
struct view {
    struct pt_flag_history history;
    struct pt_arena arena;
    struct pt_lock *lock;
    uint8_t *file; /* NULL: absent */
    size_t file_bytes;
    enum pt_flag_standing standing;
};

static enum pt_code view_open(struct view *view, struct pt_io *io, const char *path,
                              struct pt_error *err)
{
    char hash[PT_CHAIN_HASH_CHARS + 1];
    enum pt_code code = PT_OK;

    *view = (struct view){0};
    pt_arena_init(&view->arena, PT_FLAG_HISTORY_ARENA_BYTES_MAX);
    code = pt_flag_history_lock(&view->lock, path, err);
    if (code == PT_AGAIN || code == PT_NO_MEMORY) {
        return code;
    }
    /* Who may only read does without the lock. */
    code = pt_flag_history_read(&view->history, io, path, &view->arena, 0, err);
    if (code) {
        return code;
    }
    code =
        pt_io_read_all(io, path, PT_FLAGS_FILE_BYTES_MAX, 1, &view->file, &view->file_bytes, err);
    code = code == PT_NOT_FOUND ? PT_OK : code;
    pt_flag_file_hash(pt_span_of(view->file, view->file_bytes), hash);
    view->standing = pt_flag_history_standing(&view->history, hash);
    return code;
}

/* In any case. */
static void view_close(struct view *view)
{
    pt_flag_history_release(&view->history);
    pt_arena_release(&view->arena);
    pt_lock_release(view->lock);
    pt_free(view->file);
}

enum pt_code pt_flag_history_look(struct pt_io *io, const char *path,
                                  enum pt_flag_standing *standing_out, struct pt_error *err)
{
    struct view view;
    enum pt_code code = view_open(&view, io, path, err);

    *standing_out = view.standing;
    view_close(&view);
    return code;
}

/* ---- as JSON ---- */

struct showing {
    struct pt_jsonw *w;
    struct pt_arena *arena;
    struct pt_span key; /* size 0: all lines */
};

static bool touches(const struct showing *showing, struct pt_json changes)
{
    for (struct pt_json_iter it = pt_json_iterate(changes); pt_json_next(&it);) {
        struct pt_span pointer = {0};
        struct pt_span name = {0};
        bool is_flag = false;

        if (pt_json_member_string(it.value, "pointer", &pointer) &&
            pt_flag_pointer_read(showing->arena, pointer, &is_flag, &name) && is_flag &&
            pt_span_equal(name, showing->key)) {
            return true;
        }
    }
    return false;
}

static enum pt_code show_line(void *ctx, struct pt_json line, const char *hash,
                              struct pt_error *err)
{
    static const char *const shown[] = {
        "seq", "at", "kind", "by", "why", "of", "before_sha256", "after_sha256", "changes"};
    struct showing *showing = ctx;

    (void)err;
    if (showing->key.size > 0 && !touches(showing, pt_json_member(line, "changes"))) {
        return PT_OK;
    }
    pt_jsonw_object(showing->w);
    for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
        struct pt_json value = pt_json_member(line, shown[i]);

        if (pt_json_exists(value)) {
            pt_jsonw_key(showing->w, shown[i]);
            pt_jsonw_value(showing->w, value);
        }
    }
    pt_jsonw_member_str(showing->w, "sha256", hash);
    pt_jsonw_object_end(showing->w);
    return PT_OK;
}

/* What the file has otherwise than the newest line. */
static enum pt_code show_outside(const struct pt_flag_history *history, struct pt_span file,
                                 struct pt_jsonw *w, struct pt_error *err)
{
    struct pt_flag_parts now = {.arena = history->parts.arena};
    struct pt_flag_difference *found = NULL;
    struct pt_flag_text text = {0};
    size_t count = 0;
    enum pt_code code = file.data ? pt_flag_text_open(&text, file, err) : PT_OK;

    if (!code && file.data) {
        code = pt_flag_parts_read(&now, text.root, err);
    }
    pt_jsonw_key(w, "outside");
    if (code == PT_INVALID) {
        code = PT_OK;
        pt_jsonw_null(w); /* it is no flag file any more */
    } else if (!code) {
        found = pt_flag_parts_compare(&history->parts, &now, &count);
        code = found ? PT_OK : pt_fail(err, PT_NO_MEMORY, "no memory for what was edited outside");
        pt_flag_differences_write(w, found, count);
    }
    pt_flag_text_close(&text);
    return code;
}

static enum pt_code show(struct pt_io *io, const char *path, struct view *view, struct pt_span key,
                         struct pt_jsonw *w, struct pt_error *err)
{
    static const char *const names[] = {
        [PT_FLAG_RECORDED] = "recorded",
        [PT_FLAG_NOT_IN_EFFECT] = "not_in_effect",
        [PT_FLAG_OUTSIDE] = "edited_outside",
        [PT_FLAG_UNRECORDED] = "unrecorded",
    };
    const struct pt_chain *chain = &view->history.chain;
    struct showing showing = {.w = w, .arena = &view->arena, .key = key};
    struct pt_chain again = {0};
    enum pt_code code;

    pt_jsonw_object(w);
    pt_jsonw_member_str(w, "file", path);
    pt_jsonw_member_str(w, "standing", names[view->standing]);
    pt_jsonw_key(w, "head");
    pt_jsonw_object(w);
    pt_jsonw_member_uint(w, "seq", chain->seq);
    pt_jsonw_member_str(w, "sha256", chain->hash);
    pt_jsonw_object_end(w);
    pt_jsonw_key(w, "changes");
    pt_jsonw_array(w);
    code = pt_chain_read(&again, io, chain->path, PT_FLAG_HISTORY_BYTES_MAX,
                         PT_FLAG_HISTORY_LINE_BYTES_MAX, show_line, &showing, err);
    pt_chain_release(&again);
    pt_jsonw_array_end(w);
    if (!code && view->standing == PT_FLAG_OUTSIDE) {
        code = show_outside(&view->history, pt_span_of(view->file, view->file_bytes), w, err);
    }
    pt_jsonw_object_end(w);
    return code;
}

enum pt_code pt_flag_history_show(struct pt_io *io, const char *path, struct pt_span key,
                                  struct pt_jsonw *result, struct pt_error *err)
{
    struct view view;
    enum pt_code code = view_open(&view, io, path, err);

    code = code ? code : show(io, path, &view, key, result, err);
    view_close(&view);
    return code;
}

/* ---- aside ---- */

enum pt_code pt_flag_history_set_aside(struct pt_io *io, const char *path, struct pt_buf *name_out,
                                       struct pt_error *err)
{
    struct pt_lock *lock = NULL;
    char *from = pt_strf("%s.history", path);
    enum pt_code code = from ? pt_flag_history_lock(&lock, path, err)
                             : pt_fail(err, PT_NO_MEMORY, "%s: no memory", path);

    for (int i = 1; !code; i++) {
        pt_buf_reset(name_out);
        pt_buf_appendf(name_out, "%s.history.broken-%d", path, i);
        pt_buf_append_byte(name_out, 0);
        code = name_out->has_failed ? pt_fail(err, PT_NO_MEMORY, "%s: no memory", path)
                                    : pt_io_rename_new(io, from, (const char *)name_out->data, err);
        if (code != PT_INVALID || i == ASIDE_MAX) {
            break;
        }
        code = PT_OK; /* there is one of that number already */
    }
    pt_lock_release(lock);
    pt_free(from);
    return code;
}
