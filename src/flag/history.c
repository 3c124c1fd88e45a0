/*
 * history.c - every change of a flag file, chained
 *
 * FORMAT (docs/formats/flags_history.md). A chain (base/chain.c) of lines with "kind" "set",
 * "delete", "undo", "found", "outside" or "void", "by", "why", "of", "before_sha256",
 * "after_sha256" and "changes": [{"pointer","before","after"}].
 */
#include "flag/history.h"

#include "flag/flag.h"
#include "flag/govern.h"

#define HEX PT_CHAIN_HASH_CHARS
#define LOCK_WAIT_MS 10000u

void pt_flag_file_hash(struct pt_span file, char hash_out[HEX + 1])
{
    if (file.data) {
        pt_chain_hash(file, hash_out);
    } else {
        hash_out[0] = '\0';
    }
}

enum pt_flag_standing pt_flag_history_standing(const struct pt_flag_history *history,
                                               const char *file_hash)
{
    if (history->chain.seq == 0) {
        return file_hash[0] ? PT_FLAG_UNRECORDED : PT_FLAG_RECORDED;
    }
    if (strcmp(history->hash, file_hash) == 0) {
        return PT_FLAG_RECORDED;
    }
    return history->is_newest_change && strcmp(history->hash_before, file_hash) == 0
               ? PT_FLAG_NOT_IN_EFFECT
               : PT_FLAG_OUTSIDE;
}

enum pt_code pt_flag_history_lock(struct pt_lock **lock_out, const char *path, struct pt_error *err)
{
    char *name = pt_strf("%s.lock", path);
    enum pt_code code = name ? pt_lock_wait(lock_out, name, LOCK_WAIT_MS, err)
                             : pt_fail(err, PT_NO_MEMORY, "%s: no memory", path);

    pt_free(name);
    return code;
}

/* ---- reading ---- */

/* Numbers that a flag had once are never given again. */
static void note_highest(struct pt_flag_part *part, struct pt_json flag)
{
    uint64_t version = pt_flag_version(flag);
    struct pt_json metadata = pt_flag_metadata(flag);

    part->version_max = version > part->version_max ? version : part->version_max;
    if (!pt_json_exists(metadata)) {
        return;
    }
    for (struct pt_json_iter it = pt_json_iterate(metadata); pt_json_next(&it);) {
        uint32_t epoch = pt_flag_epoch_number(it.key);

        part->epoch_max = epoch > part->epoch_max ? epoch : part->epoch_max;
    }
}

static bool play(struct pt_flag_history *history, struct pt_json change)
{
    struct pt_span pointer = {0};
    struct pt_span name = {0};
    struct pt_flag_part *part = NULL;
    struct pt_json after;
    bool is_flag = false;

    if (pt_json_type(change) != PT_JSON_OBJECT ||
        !pt_json_member_string(change, "pointer", &pointer) ||
        !pt_flag_pointer_read(history->parts.arena, pointer, &is_flag, &name)) {
        return false;
    }
    part = pt_flag_parts_put(&history->parts, is_flag, name);
    if (!part) {
        return false;
    }
    after = pt_json_member(change, "after");
    part->json =
        pt_json_exists(after) ? pt_flag_minify(history->parts.arena, after) : pt_span_of(NULL, 0);
    if (pt_json_exists(after) && is_flag) {
        note_highest(part, after);
    }
    return !pt_json_exists(after) || part->json.size > 0;
}

/* Null is "", the hash of an absent file. */
static bool read_hash(struct pt_json line, const char *key, char hash_out[HEX + 1])
{
    struct pt_json value = pt_json_member(line, key);
    struct pt_span text = {0};

    memset(hash_out, 0, HEX + 1);
    if (pt_json_exists(value) && pt_json_type(value) == PT_JSON_NULL) {
        return true;
    }
    if (!pt_json_member_string(line, key, &text) || text.size != HEX) {
        return false;
    }
    memcpy(hash_out, text.data, HEX);
    return true;
}

void pt_flag_history_drop_newest(struct pt_flag_history *history)
{
    history->found_seq = history->found_before;
    history->found_changes = history->changes_before;
}

static enum pt_code take_line(void *ctx, struct pt_json line, const char *hash,
                              struct pt_error *err)
{
    struct pt_flag_history *history = ctx;
    struct pt_json changes = pt_json_member(line, "changes");
    struct pt_span kind = {0};
    bool is_void = false;
    bool is_undoable = false;

    (void)hash;
    if (!pt_json_member_string(line, "kind", &kind) ||
        !read_hash(line, "before_sha256", history->hash_before) ||
        !read_hash(line, "after_sha256", history->hash) || !pt_json_exists(changes) ||
        pt_json_type(changes) != PT_JSON_ARRAY) {
        return pt_fail(err, PT_CORRUPT, "%s: line %llu is no change of flags", history->chain.path,
                       (unsigned long long)history->chain.seq);
    }
    for (struct pt_json_iter it = pt_json_iterate(changes); pt_json_next(&it);) {
        if (!play(history, it.value)) {
            return pt_fail(err, PT_CORRUPT, "%s: line %llu holds a change that cannot be read",
                           history->chain.path, (unsigned long long)history->chain.seq);
        }
    }
    is_void = pt_span_is(kind, "void");
    is_undoable = !is_void && !pt_span_is(kind, "found");
    history->is_newest_change = is_undoable && !pt_span_is(kind, "outside");
    if (is_void && history->found_seq + 1 == history->chain.seq) {
        pt_flag_history_drop_newest(history); /* it did not happen */
    } else if (is_undoable && (history->wanted == 0 || history->wanted == history->chain.seq)) {
        history->found_before = history->found_seq;
        history->changes_before = history->found_changes;
        history->found_seq = history->chain.seq;
        history->found_changes = pt_flag_minify(history->parts.arena, changes);
        if (history->found_changes.size == 0) {
            return pt_fail(err, PT_NO_MEMORY, "%s: no memory to read it", history->chain.path);
        }
    }
    return PT_OK;
}

enum pt_code pt_flag_history_read(struct pt_flag_history *history, struct pt_io *io,
                                  const char *path, struct pt_arena *arena, uint64_t wanted,
                                  struct pt_error *err)
{
    char *name = pt_strf("%s.history", path);
    enum pt_code code;

    *history = (struct pt_flag_history){.parts = {.arena = arena}, .wanted = wanted};
    code = name ? pt_chain_read(&history->chain, io, name, PT_FLAG_HISTORY_BYTES_MAX,
                                PT_FLAG_HISTORY_LINE_BYTES_MAX, take_line, history, err)
                : pt_fail(err, PT_NO_MEMORY, "%s: no memory", path);
    pt_free(name);
    return code;
}

void pt_flag_history_release(struct pt_flag_history *history)
{
    pt_chain_release(&history->chain);
}

/* ---- differences ---- */

struct pt_flag_difference *pt_flag_parts_compare(const struct pt_flag_parts *was,
                                                 const struct pt_flag_parts *now, size_t *count_out)
{
    struct pt_flag_difference *list =
        pt_arena_alloc(now->arena, (was->count + now->count + 1) * sizeof(*list));
    size_t count = 0;

    for (size_t i = 0; list && i < was->count; i++) {
        const struct pt_flag_part *part = &was->items[i];
        const struct pt_flag_part *other = pt_flag_parts_find(now, part->is_flag, part->name);
        struct pt_span after = other ? other->json : pt_span_of(NULL, 0);

        if (!pt_span_equal(part->json, after)) {
            list[count++] = (struct pt_flag_difference){part, part->json, after};
        }
    }
    for (size_t i = 0; list && i < now->count; i++) {
        const struct pt_flag_part *part = &now->items[i];

        if (part->json.size > 0 && !pt_flag_parts_find(was, part->is_flag, part->name)) {
            list[count++] = (struct pt_flag_difference){part, {0}, part->json};
        }
    }
    *count_out = count;
    return list;
}

/* ---- writing ---- */

static void key_text(struct pt_jsonw *w, const char *key, const char *text)
{
    if (text && *text) {
        pt_jsonw_member_str(w, key, text);
    } else {
        pt_jsonw_key(w, key);
        pt_jsonw_null(w);
    }
}

void pt_flag_differences_write(struct pt_jsonw *w, const struct pt_flag_difference *changes,
                               size_t count)
{
    pt_jsonw_array(w);
    for (size_t i = 0; i < count; i++) {
        pt_jsonw_object(w);
        pt_jsonw_key(w, "pointer");
        pt_flag_pointer_write(w, changes[i].part);
        if (changes[i].before.size > 0) {
            pt_jsonw_key(w, "before");
            pt_jsonw_raw(w, changes[i].before);
        }
        if (changes[i].after.size > 0) {
            pt_jsonw_key(w, "after");
            pt_jsonw_raw(w, changes[i].after);
        }
        pt_jsonw_object_end(w);
    }
    pt_jsonw_array_end(w);
}

enum pt_code pt_flag_history_append(struct pt_flag_history *history, struct pt_io *io,
                                    struct pt_clock *clock, const struct pt_flag_note *note,
                                    const struct pt_flag_difference *changes, size_t count,
                                    struct pt_error *err)
{
    char *dir = pt_io_parent(history->chain.path);
    struct pt_buf line;
    struct pt_jsonw w;
    enum pt_code code = PT_OK;

    pt_buf_init(&line, PT_FLAG_HISTORY_LINE_BYTES_MAX);
    pt_jsonw_init(&w, &line);
    pt_chain_begin(&history->chain, clock, note->kind, &w);
    key_text(&w, "by", note->by);
    key_text(&w, "why", note->why);
    if (note->of > 0) {
        pt_jsonw_member_uint(&w, "of", note->of);
    }
    key_text(&w, "before_sha256", note->hash_before);
    key_text(&w, "after_sha256", note->hash_after);
    pt_jsonw_key(&w, "changes");
    pt_flag_differences_write(&w, changes, count);
    pt_jsonw_object_end(&w);
    code = dir ? pt_chain_append(&history->chain, io, dir, &line, err)
               : pt_fail(err, PT_NO_MEMORY, "%s: no memory", history->chain.path);
    pt_free(dir);
    pt_buf_release(&line);
    return code;
}
