/*
 * change.c - change a flag file: checked, audited, whole or not at all
 *
 * ORDER. Under FILE.lock: read history and file; make the new file; check it; append what the file
 * has otherwise than the history (edited outside, or a change that a crash kept from the file);
 * append the change; replace the file. A crash before the change's line leaves all as it was; one
 * behind it leaves a line whose "after" the file never was, which the next change finds.
 */
#include "flag/change.h"

#include "flag/edit.h"
#include "flag/flag.h"
#include "flag/govern.h"
#include "flag/history.h"

#include <inttypes.h>
#include <stdio.h>

#define REPORT_BYTES_MAX (4 * (size_t)PT_FLAGS_FILE_BYTES_MAX)

struct work {
    struct pt_io *io;
    struct pt_clock *clock;
    const char *path;
    const struct pt_flag_change *change;
    struct pt_arena arena;
    struct pt_flag_history history;
    uint8_t *data; /* the file's bytes; NULL: there is none */
    size_t bytes;
    char hash[PT_CHAIN_HASH_CHARS + 1]; /* of them */
    struct pt_flag_text text;
    struct pt_flag_parts old;
    struct pt_flag_parts new;
    struct pt_buf file; /* the new one */
    struct pt_flag_difference *changes;
    size_t change_count;
};

static void make_tag(struct pt_span json, char tag_out[PT_FLAG_TAG_CHARS + 1])
{
    char hash[PT_CHAIN_HASH_CHARS + 1];

    pt_chain_hash(json, hash);
    memcpy(tag_out, hash, PT_FLAG_TAG_CHARS);
    tag_out[PT_FLAG_TAG_CHARS] = '\0';
}

bool pt_flag_state_parse(struct pt_span text, enum pt_flag_state *state_out)
{
    if (pt_span_is(text, "on") || pt_span_is(text, "ENABLED")) {
        *state_out = PT_FLAG_STATE_ON;
        return true;
    }
    if (pt_span_is(text, "off") || pt_span_is(text, "DISABLED")) {
        *state_out = PT_FLAG_STATE_OFF;
        return true;
    }
    return false;
}

static enum pt_code no_memory(const char *path, struct pt_error *err)
{
    return pt_fail(err, PT_NO_MEMORY, "%s: no memory to change it", path);
}

/* The file and its parts; an absent one has none. */
static enum pt_code read_file(struct work *work, struct pt_error *err)
{
    enum pt_code code = pt_io_read_all(work->io, work->path, PT_FLAGS_FILE_BYTES_MAX,
                                       PT_JSON_PADDING, &work->data, &work->bytes, err);
    struct pt_span file = pt_span_of(work->data, work->bytes);

    if (code && code != PT_NOT_FOUND) {
        return code;
    }
    pt_flag_file_hash(file, work->hash);
    code = pt_flag_text_open(&work->text, file.data ? file : pt_span_str("{\"flags\":{}}"), err);
    code = code ? code : pt_flag_parts_read(&work->old, work->text.root, err);
    return code ? pt_error_prefix(err, code, "%s", work->path) : PT_OK;
}

static enum pt_code work_open(struct work *work, struct pt_io *io, const char *path,
                              uint64_t wanted, struct pt_error *err)
{
    enum pt_code code;

    work->io = io;
    work->path = path;
    work->old.arena = work->new.arena = &work->arena;
    pt_arena_init(&work->arena, PT_FLAG_HISTORY_ARENA_BYTES_MAX);
    pt_buf_init(&work->file, PT_FLAGS_FILE_BYTES_MAX);
    code = pt_flag_history_read(&work->history, io, path, &work->arena, wanted, err);
    code = code ? code : read_file(work, err);
    code = code ? code : pt_flag_parts_read(&work->new, work->text.root, err);
    if (!code && work->history.found_seq == work->history.chain.seq &&
        pt_flag_history_standing(&work->history, work->hash) == PT_FLAG_NOT_IN_EFFECT) {
        pt_flag_history_drop_newest(&work->history);
    }
    return code;
}

static void work_close(struct work *work)
{
    pt_flag_history_release(&work->history);
    pt_flag_text_close(&work->text);
    pt_buf_release(&work->file);
    pt_arena_release(&work->arena);
    pt_free(work->data);
}

/* ---- what is to be otherwise ---- */

static const struct pt_flag_part *target_part(const struct work *work,
                                              const struct pt_flag_parts *parts)
{
    bool is_flag = work->change->key.size > 0;

    return pt_flag_parts_find(parts, is_flag,
                              is_flag ? work->change->key : pt_span_str("metadata"));
}

/* Whether the flag is what the caller has seen. */
static enum pt_code check_tag(const struct work *work, struct pt_error *err)
{
    const struct pt_flag_change *change = work->change;
    const struct pt_flag_part *part = target_part(work, &work->old);
    bool is_there = part && part->json.size > 0;
    char tag[PT_FLAG_TAG_CHARS + 1];

    if (change->is_new && is_there) {
        return pt_fail(err, PT_FENCED, "flag %.*s is there already", PT_SPAN_ARG(change->key));
    }
    if (change->if_tag.size == 0 || (pt_span_is(change->if_tag, "*") && is_there)) {
        return PT_OK;
    }
    if (!is_there) {
        return pt_fail(err, PT_FENCED, "flag %.*s is not there", PT_SPAN_ARG(change->key));
    }
    make_tag(part->json, tag);
    return pt_span_is(change->if_tag, tag)
               ? PT_OK
               : pt_fail(
                     err, PT_FENCED,
                     "flag %.*s was changed meanwhile: its etag is \"%s\" now; look at it again",
                     PT_SPAN_ARG(change->key), tag);
}

static enum pt_code put_part(struct work *work, bool is_flag, struct pt_span name,
                             struct pt_span json, struct pt_error *err)
{
    struct pt_flag_part *part = pt_flag_parts_put(&work->new, is_flag, name);

    if (!part) {
        return no_memory(work->path, err);
    }
    part->json = json;
    return PT_OK;
}

static enum pt_code write_new(struct work *work, struct pt_error *err)
{
    pt_buf_reset(&work->file);
    return pt_flag_parts_write(&work->new, &work->file, err);
}

/* The new epoch: numbers go on above all that the flag ever had. */
static enum pt_code roll_out(struct work *work, struct pt_error *err)
{
    const struct pt_flag_part *known =
        pt_flag_parts_find(&work->history.parts, true, work->change->key);
    const struct pt_flag_part *part = target_part(work, &work->new);
    struct pt_flag_change rollout = {.kind = PT_FLAG_CHANGE_SET};
    const struct pt_flag_definition *flag = NULL;
    struct pt_flag_set *set = NULL;
    struct pt_flag_text text = {0};
    uint32_t epoch_max = known ? known->epoch_max : 0;
    bool is_valid = false;
    enum pt_code code = write_new(work, err);

    code = code ? code : pt_flag_set_compile(pt_buf_span(&work->file), &set, NULL, &is_valid, err);
    if (code) {
        goto out;
    }
    flag = pt_flag_set_find(set, work->change->key);
    pt_assert(flag);
    if (flag->govern && flag->govern->epoch_count > 0) {
        uint32_t newest = flag->govern->epochs[flag->govern->epoch_count - 1].number;

        epoch_max = newest > epoch_max ? newest : epoch_max;
    }
    code = pt_flag_edit_rollout(&work->arena, flag, work->change, epoch_max, rollout.metadata,
                                &rollout.metadata_count, err);
    code = code ? code : pt_flag_text_open(&text, part->json, err);
    if (!code) {
        struct pt_span json = pt_flag_edit(&work->arena, text.root, &rollout);

        code = json.size > 0 ? put_part(work, true, work->change->key, json, err)
                             : no_memory(work->path, err);
    }

out:
    pt_flag_text_close(&text);
    pt_flag_set_destroy(set);
    return code;
}

static enum pt_code set_flag(struct work *work, struct pt_error *err)
{
    const struct pt_flag_change *change = work->change;
    const struct pt_flag_part *part = target_part(work, &work->new);
    struct pt_span base = change->definition.size > 0 ? change->definition
                          : part                      ? part->json
                                                      : pt_span_of(NULL, 0);
    struct pt_flag_text text = {0};
    struct pt_span json;
    enum pt_code code;

    if (base.size == 0) {
        return pt_fail(err, PT_NOT_FOUND,
                       "there is no flag \"%.*s\"; a new one needs its whole definition",
                       PT_SPAN_ARG(change->key));
    }
    code = pt_flag_text_open(&text, base, err);
    if (!code && pt_json_type(text.root) != PT_JSON_OBJECT) {
        code = pt_fail(err, PT_INVALID, "a flag must be an object, this is %s",
                       pt_json_type_name(pt_json_type(text.root)));
    } else if (!code && pt_json_exists(pt_json_member(text.root, "flags"))) {
        code = pt_fail(err, PT_INVALID,
                       "it has \"flags\", so it is a whole file; what is wanted is flag \"%.*s\" "
                       "alone: {\"state\":…,\"variants\":…,\"defaultVariant\":…}",
                       PT_SPAN_ARG(change->key));
    }
    if (code) {
        code = pt_error_prefix(err, code, "the definition");
        goto out;
    }
    json = pt_flag_edit(&work->arena, text.root, change);
    code =
        json.size > 0 ? put_part(work, true, change->key, json, err) : no_memory(work->path, err);
    if (!code && change->has_rollout) {
        code = roll_out(work, err);
    }

out:
    pt_flag_text_close(&text);
    return code;
}

static enum pt_code set_metadata(struct work *work, struct pt_error *err)
{
    const struct pt_flag_part *part = target_part(work, &work->new);
    struct pt_json old = {0};
    struct pt_flag_text text = {0};
    struct pt_span json;
    enum pt_code code = PT_OK;

    if (part && part->json.size > 0) {
        code = pt_flag_text_open(&text, part->json, err);
        old = text.root;
    }
    if (!code) {
        json = pt_flag_edit_members(&work->arena, old, work->change->metadata,
                                    work->change->metadata_count);
        code = json.size > 0 ? put_part(work, false, pt_span_str("metadata"),
                                        json.size > 2 ? json : pt_span_of(NULL, 0), err)
                             : no_memory(work->path, err);
    }
    pt_flag_text_close(&text);
    return code;
}

/* Equal but for the version. */
static bool are_alike(struct work *work, const struct pt_flag_part *part, struct pt_span a,
                      struct pt_span b)
{
    if (!part->is_flag || a.size == 0 || b.size == 0) {
        return pt_span_equal(a, b);
    }
    return pt_span_equal(pt_flag_edit_version(&work->arena, a, 0, NULL),
                         pt_flag_edit_version(&work->arena, b, 0, NULL));
}

static struct pt_span member_text(struct work *work, struct pt_json object, const char *key)
{
    struct pt_json value = pt_json_member(object, key);

    return pt_json_exists(value) ? pt_flag_minify(&work->arena, value) : pt_span_of(NULL, 0);
}

/* Each part goes back to what it was before the change, if it still is what the change made. */
static enum pt_code undo(struct work *work, struct pt_error *err)
{
    struct pt_flag_text text = {0};
    uint64_t seq = work->history.found_seq;
    enum pt_code code = PT_OK;

    if (seq == 0) {
        return work->change->undo > 0
                   ? pt_fail(err, PT_NOT_FOUND,
                             "there is no change %" PRIu64 " that could be taken back",
                             work->change->undo)
                   : pt_fail(err, PT_NOT_FOUND, "there is no change that could be taken back");
    }
    code = pt_flag_text_open(&text, work->history.found_changes, err);
    if (code) {
        goto out;
    }
    for (struct pt_json_iter it = pt_json_iterate(text.root); !code && pt_json_next(&it);) {
        struct pt_span before = member_text(work, it.value, "before");
        struct pt_span after = member_text(work, it.value, "after");
        struct pt_span pointer = {0};
        struct pt_span name = {0};
        bool is_flag = false;
        struct pt_flag_part *part = NULL;

        (void)pt_json_member_string(it.value, "pointer", &pointer);
        if (!pt_flag_pointer_read(&work->arena, pointer, &is_flag, &name)) {
            code = no_memory(work->path, err);
            break;
        }
        part = pt_flag_parts_put(&work->new, is_flag, name);
        if (!part) {
            code = no_memory(work->path, err);
        } else if (!are_alike(work, part, part->json, after)) {
            code = pt_fail(err, PT_INVALID,
                           "change %" PRIu64 " cannot be taken back: %.*s was changed since; take "
                           "back the later changes first",
                           seq, PT_SPAN_ARG(pointer));
        } else {
            part->json = before;
        }
    }

out:
    pt_flag_text_close(&text);
    return code;
}

/* Flags that are otherwise now get the next version; where only that differs nothing is otherwise.
 */
static enum pt_code raise_versions(struct work *work, struct pt_error *err)
{
    struct pt_flag_difference *found;
    size_t count = 0;

    found = pt_flag_parts_compare(&work->old, &work->new, &count);
    for (size_t i = 0; found && i < count; i++) {
        struct pt_span name = found[i].part->name;
        const struct pt_flag_part *known = pt_flag_parts_find(&work->history.parts, true, name);
        uint64_t version = known ? known->version_max : 0;
        struct pt_span json = found[i].before;

        if (!found[i].part->is_flag || found[i].after.size == 0) {
            continue;
        }
        if (!are_alike(work, found[i].part, found[i].before, found[i].after)) {
            struct pt_flag_text text = {0};

            if (found[i].before.size > 0 && !pt_flag_text_open(&text, found[i].before, NULL)) {
                uint64_t own = pt_flag_version(text.root);

                version = own > version ? own : version;
            }
            pt_flag_text_close(&text);
            json = pt_flag_edit_version(&work->arena, found[i].after, version + 1, err);
        }
        if (json.size == 0 || put_part(work, true, name, json, err)) {
            return no_memory(work->path, err);
        }
    }
    work->changes =
        found ? pt_flag_parts_compare(&work->old, &work->new, &work->change_count) : NULL;
    return work->changes ? PT_OK : no_memory(work->path, err);
}

static enum pt_code make_new(struct work *work, struct pt_error *err)
{
    const struct pt_flag_change *change = work->change;
    const struct pt_flag_part *part = NULL;
    enum pt_code code = check_tag(work, err);

    if (code) {
        return code;
    }
    switch (change->kind) {
    case PT_FLAG_CHANGE_SET:
        code = change->key.size > 0 ? set_flag(work, err) : set_metadata(work, err);
        break;
    case PT_FLAG_CHANGE_DELETE:
        part = target_part(work, &work->new);
        code = part ? put_part(work, true, change->key, pt_span_of(NULL, 0), err)
                    : pt_fail(err, PT_NOT_FOUND, "there is no flag \"%.*s\"",
                              PT_SPAN_ARG(change->key));
        break;
    case PT_FLAG_CHANGE_UNDO:
        code = undo(work, err);
        break;
    }
    code = code ? code : raise_versions(work, err);
    return code || work->change_count == 0 ? code : write_new(work, err);
}

/* ---- checks ---- */

static enum pt_code lint(struct pt_span file, struct pt_flag_text *report_out, struct pt_error *err)
{
    struct pt_buf report;
    struct pt_jsonw w;
    bool is_valid = false;
    enum pt_code code;

    pt_buf_init(&report, REPORT_BYTES_MAX);
    pt_jsonw_init(&w, &report);
    code = pt_flags_lint(file, &w, &is_valid, err);
    code = code ? code : pt_flag_text_open(report_out, pt_buf_span(&report), err);
    pt_buf_release(&report);
    return code;
}

/* No mistake that the old file had not: one elsewhere must not keep a flag from being turned off.
 */
static enum pt_code check_mistakes(struct work *work, struct pt_error *err)
{
    struct pt_flag_parts known = {.arena = &work->arena}; /* by their texts */
    struct pt_flag_text old = {0};
    struct pt_flag_text new = {0};
    struct pt_span pointer = {0};
    struct pt_span detail = {0};
    struct pt_json first = {0};
    unsigned count = 0;
    enum pt_code code = lint(pt_buf_span(&work->file), &new, err);

    if (!code && work->data) {
        code = lint(pt_span_of(work->data, work->bytes), &old, err);
    }
    if (code) {
        goto out;
    }
    if (work->data) {
        for (struct pt_json_iter it = pt_json_iterate(pt_json_member(old.root, "errors"));
             pt_json_next(&it);) {
            if (!pt_flag_parts_put(&known, false, pt_flag_minify(&work->arena, it.value))) {
                code = no_memory(work->path, err);
                goto out;
            }
        }
    }
    for (struct pt_json_iter it = pt_json_iterate(pt_json_member(new.root, "errors"));
         pt_json_next(&it);) {
        if (!pt_flag_parts_find(&known, false, pt_flag_minify(&work->arena, it.value))) {
            first = count++ > 0 ? first : it.value;
        }
    }
    if (count > 0) {
        (void)pt_json_member_string(first, "pointer", &pointer);
        (void)pt_json_member_string(first, "detail", &detail);
        code = pt_fail(err, PT_INVALID, "refused: at %.*s: %.*s", PT_SPAN_ARG(pointer),
                       PT_SPAN_ARG(detail));
        if (count > 1) {
            char more[sizeof(err->text)];

            snprintf(more, sizeof(more), "%s", err ? err->text : "");
            code = pt_fail(err, PT_INVALID, "%.*s (and %u more)", (int)sizeof(more) - 32, more,
                           count - 1);
        }
    }

out:
    pt_flag_text_close(&old);
    pt_flag_text_close(&new);
    return code;
}

static enum pt_code check_new(struct work *work, struct pt_error *err)
{
    struct pt_flag_set *old = NULL;
    struct pt_flag_set *new = NULL;
    const struct pt_flag_definition *was = NULL;
    const struct pt_flag_definition *now = NULL;
    bool is_valid = false;
    enum pt_code code = check_mistakes(work, err);

    if (code) {
        return code;
    }
    code = pt_flag_set_compile(pt_buf_span(&work->file), &new, NULL, &is_valid, err);
    if (code) {
        return pt_error_prefix(err, code, "refused: the file could not be loaded");
    }
    if (work->change->kind == PT_FLAG_CHANGE_SET && work->change->key.size > 0 &&
        !work->change->may_reassign && work->data &&
        !pt_flag_set_compile(pt_span_of(work->data, work->bytes), &old, NULL, &is_valid, NULL)) {
        was = pt_flag_set_find(old, work->change->key);
        now = pt_flag_set_find(new, work->change->key);
        code = was && now ? pt_flag_edit_keeps(was, now, err) : PT_OK;
    }
    pt_flag_set_destroy(old);
    pt_flag_set_destroy(new);
    return code;
}

/* ---- carrying it out ---- */

/* What the file has otherwise than the history says becomes a line of its own. */
static enum pt_code reconcile(struct work *work, struct pt_error *err)
{
    enum pt_flag_standing standing = pt_flag_history_standing(&work->history, work->hash);
    struct pt_flag_note note = {
        .kind = standing == PT_FLAG_UNRECORDED      ? "found"
                : standing == PT_FLAG_NOT_IN_EFFECT ? "void"
                                                    : "outside",
        .of = standing == PT_FLAG_NOT_IN_EFFECT ? work->history.chain.seq : 0,
        .hash_before = work->history.hash,
        .hash_after = work->hash,
    };
    struct pt_flag_difference *found = NULL;
    size_t count = 0;

    if (standing == PT_FLAG_RECORDED) {
        return PT_OK;
    }
    found = pt_flag_parts_compare(&work->history.parts, &work->old, &count);
    return found ? pt_flag_history_append(&work->history, work->io, work->clock, &note, found,
                                          count, err)
                 : no_memory(work->path, err);
}

static enum pt_code carry_out(struct work *work, struct pt_error *err)
{
    static const char *const kinds[] = {
        [PT_FLAG_CHANGE_SET] = "set",
        [PT_FLAG_CHANGE_DELETE] = "delete",
        [PT_FLAG_CHANGE_UNDO] = "undo",
    };
    char hash[PT_CHAIN_HASH_CHARS + 1];
    struct pt_flag_note note = {
        .kind = kinds[work->change->kind],
        .by = work->change->by,
        .why = work->change->why,
        .of = work->change->kind == PT_FLAG_CHANGE_UNDO ? work->history.found_seq : 0,
        .hash_before = work->hash,
        .hash_after = hash,
    };
    enum pt_code code = reconcile(work, err);

    pt_chain_hash(pt_buf_span(&work->file), hash);
    code = code ? code
                : pt_flag_history_append(&work->history, work->io, work->clock, &note,
                                         work->changes, work->change_count, err);
    return code ? code : pt_io_replace(work->io, work->path, pt_buf_span(&work->file), 0, err);
}

static void write_result(struct work *work, bool is_changed, struct pt_jsonw *w)
{
    bool is_undo = work->change->kind == PT_FLAG_CHANGE_UNDO; /* "changes" say of what */
    const struct pt_flag_part *part = is_undo ? NULL : target_part(work, &work->new);
    char tag[PT_FLAG_TAG_CHARS + 1];
    struct pt_flag_text text = {0};

    pt_jsonw_object(w);
    pt_jsonw_key(w, "seq");
    if (is_changed) {
        pt_jsonw_uint(w, work->history.chain.seq);
    } else {
        pt_jsonw_null(w);
    }
    pt_jsonw_key(w, "key");
    if (work->change->key.size > 0) {
        pt_jsonw_string(w, work->change->key);
    } else {
        pt_jsonw_null(w);
    }
    if (part && part->json.size > 0) {
        if (part->is_flag && !pt_flag_text_open(&text, part->json, NULL)) {
            pt_jsonw_member_uint(w, "version", pt_flag_version(text.root));
        }
        pt_flag_text_close(&text);
        make_tag(part->json, tag);
        pt_jsonw_member_str(w, "etag", tag);
    }
    pt_jsonw_key(w, "changes");
    pt_flag_differences_write(w, work->changes, work->change_count);
    pt_jsonw_member_str(w, "history_sha256", work->history.chain.hash);
    pt_jsonw_object_end(w);
}

enum pt_code pt_flag_change_apply(struct pt_io *io, struct pt_clock *clock, const char *path,
                                  const struct pt_flag_change *change, struct pt_jsonw *result,
                                  struct pt_error *err)
{
    struct work work = {.clock = clock, .change = change};
    struct pt_lock *lock = NULL;
    enum pt_code code = pt_flag_history_lock(&lock, path, err);

    if (code) {
        return code;
    }
    code = work_open(&work, io, path, change->kind == PT_FLAG_CHANGE_UNDO ? change->undo : 0, err);
    code = code ? code : make_new(&work, err);
    if (!code && work.change_count > 0) {
        code = check_new(&work, err);
        code = code ? code : carry_out(&work, err);
    }
    if (!code) {
        write_result(&work, work.change_count > 0, result);
    }
    work_close(&work);
    pt_lock_release(lock);
    return code;
}

/* ---- looking ---- */

static void write_shown(struct pt_jsonw *w, const struct pt_flag_part *part,
                        char tag_out[PT_FLAG_TAG_CHARS + 1])
{
    make_tag(part->json, tag_out);
    pt_jsonw_object(w);
    pt_jsonw_key(w, "key");
    pt_jsonw_string(w, part->name);
    pt_jsonw_member_str(w, "etag", tag_out);
    pt_jsonw_key(w, "definition");
    pt_jsonw_raw(w, part->json);
    pt_jsonw_object_end(w);
}

enum pt_code pt_flag_file_show(struct pt_io *io, const char *path, struct pt_span key,
                               struct pt_jsonw *result, char tag_out[PT_FLAG_TAG_CHARS + 1],
                               struct pt_error *err)
{
    struct work work = {.io = io, .path = path, .old = {.arena = &work.arena}};
    const struct pt_flag_part *part = NULL;
    char tag[PT_FLAG_TAG_CHARS + 1];
    enum pt_code code;

    pt_arena_init(&work.arena, PT_FLAG_HISTORY_ARENA_BYTES_MAX);
    code = read_file(&work, err);
    if (code) {
        goto out;
    }
    if (key.size > 0) {
        part = pt_flag_parts_find(&work.old, true, key);
        if (!part) {
            code = pt_fail(err, PT_NOT_FOUND, "there is no flag \"%.*s\"", PT_SPAN_ARG(key));
            goto out;
        }
        write_shown(result, part, tag_out);
        goto out;
    }
    make_tag(pt_span_str(work.hash), tag_out);
    part = pt_flag_parts_find(&work.old, false, pt_span_str("metadata"));
    pt_jsonw_object(result);
    pt_jsonw_member_str(result, "etag", tag_out);
    pt_jsonw_key(result, "metadata");
    pt_jsonw_raw(result, part ? part->json : pt_span_str("{}"));
    pt_jsonw_key(result, "flags");
    pt_jsonw_array(result);
    for (size_t i = 0; i < work.old.count; i++) {
        if (work.old.items[i].is_flag) {
            write_shown(result, &work.old.items[i], tag);
        }
    }
    pt_jsonw_array_end(result);
    pt_jsonw_object_end(result);

out:
    work_close(&work);
    return code;
}
