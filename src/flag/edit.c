/*
 * edit.c - a flag's definition with some of it otherwise
 */
#include "flag/edit.h"

#include "flag/document.h"
#include "flag/flag.h"
#include "flag/govern.h"

#include <math.h>
#include <stdio.h>

static const struct pt_flag_set_metadata *find(const struct pt_flag_set_metadata *members,
                                               size_t count, struct pt_span name)
{
    for (size_t i = count; i > 0; i--) {
        if (pt_span_equal(members[i - 1].name, name)) {
            return &members[i - 1]; /* of several the last counts */
        }
    }
    return NULL;
}

struct pt_span pt_flag_edit_members(struct pt_arena *arena, struct pt_json object,
                                    const struct pt_flag_set_metadata *members, size_t count)
{
    bool has_object = pt_json_exists(object) && pt_json_type(object) == PT_JSON_OBJECT;
    struct pt_buf buf;
    struct pt_jsonw w;

    pt_buf_init(&buf, PT_FLAGS_FILE_BYTES_MAX);
    pt_jsonw_init(&w, &buf);
    pt_jsonw_object(&w);
    if (has_object) {
        for (struct pt_json_iter it = pt_json_iterate(object); pt_json_next(&it);) {
            const struct pt_flag_set_metadata *other = find(members, count, it.key);

            if (!other) {
                pt_jsonw_key_span(&w, it.key);
                pt_jsonw_value(&w, it.value);
            } else if (other->json.size > 0) {
                pt_jsonw_key_span(&w, it.key);
                pt_jsonw_raw(&w, other->json);
            }
        }
    }
    for (size_t i = 0; i < count; i++) {
        bool is_there = has_object && pt_json_exists(pt_json_member_span(object, members[i].name));

        if (!is_there && members[i].json.size > 0 &&
            find(members, count, members[i].name) == &members[i]) {
            pt_jsonw_key_span(&w, members[i].name);
            pt_jsonw_raw(&w, members[i].json);
        }
    }
    pt_jsonw_object_end(&w);
    return pt_flag_keep_buf(arena, &buf);
}

static void write_metadata(struct pt_jsonw *w, struct pt_span metadata)
{
    if (!pt_span_is(metadata, "{}")) { /* that is as good as none */
        pt_jsonw_key(w, "metadata");
        pt_jsonw_raw(w, metadata);
    }
}

static void write_state(struct pt_jsonw *w, const struct pt_flag_change *change)
{
    pt_jsonw_member_str(w, "state", change->state == PT_FLAG_STATE_ON ? "ENABLED" : "DISABLED");
}

static void write_default(struct pt_jsonw *w, const struct pt_flag_change *change)
{
    pt_jsonw_key(w, "defaultVariant");
    pt_jsonw_string(w, change->default_variant);
}

struct pt_span pt_flag_edit(struct pt_arena *arena, struct pt_json flag,
                            const struct pt_flag_change *change)
{
    struct pt_json old = pt_json_member(flag, "metadata");
    bool has_state = change->state != PT_FLAG_STATE_STAYS;
    bool has_default = change->default_variant.size > 0;
    struct pt_span metadata;
    struct pt_buf buf;
    struct pt_jsonw w;

    if (pt_json_exists(old) && pt_json_type(old) != PT_JSON_OBJECT) {
        metadata = pt_flag_minify(arena, old); /* a mistake, for the check to tell */
    } else {
        metadata = pt_flag_edit_members(arena, old, change->metadata, change->metadata_count);
    }
    pt_buf_init(&buf, PT_FLAGS_FILE_BYTES_MAX);
    pt_jsonw_init(&w, &buf);
    pt_jsonw_object(&w);
    for (struct pt_json_iter it = pt_json_iterate(flag); pt_json_next(&it);) {
        if (pt_span_is(it.key, "state") && has_state) {
            write_state(&w, change);
        } else if (pt_span_is(it.key, "defaultVariant") && has_default) {
            write_default(&w, change);
        } else if (pt_span_is(it.key, "metadata")) {
            write_metadata(&w, metadata);
        } else {
            pt_jsonw_key_span(&w, it.key);
            pt_jsonw_value(&w, it.value);
        }
    }
    if (has_state && !pt_json_exists(pt_json_member(flag, "state"))) {
        write_state(&w, change);
    }
    if (has_default && !pt_json_exists(pt_json_member(flag, "defaultVariant"))) {
        write_default(&w, change);
    }
    if (!pt_json_exists(old)) {
        write_metadata(&w, metadata);
    }
    pt_jsonw_object_end(&w);
    buf.has_failed = buf.has_failed || metadata.size == 0;
    return pt_flag_keep_buf(arena, &buf);
}

struct pt_span pt_flag_edit_version(struct pt_arena *arena, struct pt_span flag, uint64_t version,
                                    struct pt_error *err)
{
    char digits[24];
    struct pt_flag_change change = {
        .metadata = {{.name = pt_span_str("version")}},
        .metadata_count = 1,
    };
    struct pt_flag_text text;
    struct pt_span edited = flag;

    snprintf(digits, sizeof(digits), "%llu", (unsigned long long)version);
    if (version > 0) {
        change.metadata[0].json = pt_span_str(digits);
    }
    if (pt_flag_text_open(&text, flag, err)) {
        edited = pt_span_of(NULL, 0);
    } else if (pt_json_type(text.root) == PT_JSON_OBJECT) { /* else it is told by the check */
        edited = pt_flag_edit(arena, text.root, &change);
    }
    pt_flag_text_close(&text);
    return edited;
}

/* ---- rollouts ---- */

/* Which epoch owns each bucket; NULL: none. */
static void find_owners(const struct pt_flag_definition *flag,
                        const struct pt_flag_epoch *owners[PT_FLAG_BUCKETS])
{
    for (uint32_t b = 0; b < PT_FLAG_BUCKETS; b++) {
        owners[b] = NULL;
    }
    for (uint32_t i = 0; flag->govern && i < flag->govern->epoch_count; i++) {
        const struct pt_flag_epoch *epoch = &flag->govern->epochs[i];

        for (uint32_t k = 0; k < epoch->slices.count; k++) {
            for (uint32_t b = epoch->slices.ranges[k].from; b <= epoch->slices.ranges[k].to; b++) {
                owners[b] = epoch;
            }
        }
    }
}

static void append_name(struct pt_buf *text, struct pt_span name)
{
    for (size_t i = 0; i < name.size; i++) {
        uint8_t byte = name.data[i];

        if (byte <= ' ' || byte == '%' || byte == '=' || byte == '|' || byte == 0x7f) {
            pt_buf_appendf(text, "%%%02X", byte);
        } else {
            pt_buf_append_byte(text, byte);
        }
    }
}

/* The weights where none are given: those of the newest epoch, or all for the only other variant.
 */
static bool append_weights(struct pt_buf *text, const struct pt_flag_definition *flag)
{
    const struct pt_flag_govern *govern = flag->govern;

    if (govern && govern->epoch_count > 0) {
        const struct pt_flag_epoch *epoch = &govern->epochs[govern->epoch_count - 1];

        for (uint32_t i = 0; i < epoch->weight_count; i++) {
            pt_buf_append_byte(text, ' ');
            append_name(text, flag->variants[epoch->variants[i]].name);
            pt_buf_appendf(text, "=%u", epoch->weights[i]);
        }
        return true;
    }
    if (flag->variant_count != 2 || flag->default_variant == PT_FLAG_NO_VARIANT) {
        return false;
    }
    pt_buf_append_byte(text, ' ');
    append_name(text, flag->variants[1 - flag->default_variant].name);
    pt_buf_append_str(text, "=1");
    return true;
}

/* The lowest `count` buckets that nobody owns, as ranges. */
static void append_buckets(struct pt_buf *text, const struct pt_flag_epoch *const *owners,
                           uint32_t count)
{
    const char *comma = "";

    for (uint32_t from = 0; from < PT_FLAG_BUCKETS && count > 0; from++) {
        uint32_t to = from;

        if (owners[from]) {
            continue;
        }
        while (--count > 0 && to + 1 < PT_FLAG_BUCKETS && !owners[to + 1]) {
            to++;
        }
        pt_buf_appendf(text, to > from ? "%s%u-%u" : "%s%u", comma, from, to);
        comma = ",";
        from = to;
    }
}

/* Member `name` = the text as JSON. */
static bool add_member(struct pt_arena *arena, struct pt_flag_set_metadata *out, size_t *count,
                       const char *name, const struct pt_buf *text)
{
    struct pt_buf json;
    struct pt_jsonw w;
    struct pt_flag_set_metadata *member = &out[(*count)++];

    member->name = pt_flag_keep(arena, pt_span_str(name));
    member->json = pt_span_of(NULL, 0);
    if (!text) {
        return member->name.size > 0;
    }
    pt_buf_init(&json, 1u << 20);
    pt_jsonw_init(&w, &json);
    pt_jsonw_string(&w, pt_buf_span(text));
    json.has_failed = json.has_failed || text->has_failed;
    member->json = pt_flag_keep_buf(arena, &json);
    return member->name.size > 0 && member->json.size > 0;
}

enum pt_code pt_flag_edit_rollout(struct pt_arena *arena, const struct pt_flag_definition *flag,
                                  const struct pt_flag_change *change, uint32_t epoch_max,
                                  struct pt_flag_set_metadata *out, size_t *count_out,
                                  struct pt_error *err)
{
    const struct pt_flag_epoch *owners[PT_FLAG_BUCKETS];
    const struct pt_flag_govern *govern = flag->govern;
    uint32_t wanted = 0;
    uint32_t owned = 0;
    struct pt_buf text;
    char name[24];
    enum pt_code code = PT_OK;

    *count_out = 0;
    pt_buf_init(&text, 1u << 20);
    if (!(change->rollout_percent >= 0 && change->rollout_percent <= 100)) {
        return pt_fail(err, PT_INVALID, "a rollout is a percentage from 0 to 100");
    }
    wanted = (uint32_t)lround(change->rollout_percent * PT_FLAG_BUCKETS / 100);
    if (fabs(change->rollout_percent * PT_FLAG_BUCKETS / 100 - wanted) > 1e-6) {
        return pt_fail(err, PT_INVALID, "a rollout has at most two decimals: there are %u buckets",
                       PT_FLAG_BUCKETS);
    }
    find_owners(flag, owners);
    for (uint32_t b = 0; b < PT_FLAG_BUCKETS; b++) {
        owned += owners[b] != NULL;
    }
    if (wanted < owned || (wanted == owned && change->weights.size > 0 && owned > 0)) {
        if (!change->may_reassign) {
            return pt_fail(err, PT_INVALID,
                           "%u.%02u %% of the units are assigned and would be moved; widening "
                           "moves nobody, turning the flag off is --state off; say --reassign if "
                           "moving them is meant",
                           owned / 100, owned % 100);
        }
        if (govern->epoch_count >= PT_FLAG_CHANGE_METADATA_MAX) {
            return pt_fail(err, PT_INVALID, "more than %d epochs: give the whole definition",
                           PT_FLAG_CHANGE_METADATA_MAX - 1);
        }
        for (uint32_t i = 0; i < govern->epoch_count; i++) {
            snprintf(name, sizeof(name), "epoch.%u", govern->epochs[i].number);
            if (!add_member(arena, out, count_out, name, NULL)) {
                code = pt_fail(err, PT_NO_MEMORY, "no memory for the rollout");
            }
        }
        memset(owners, 0, sizeof(owners));
        owned = 0;
    }
    if (wanted == owned || code) {
        goto out;
    }
    append_buckets(&text, owners, wanted - owned);
    if (change->weights.size > 0) {
        pt_buf_append_byte(&text, ' ');
        for (size_t i = 0; i < change->weights.size; i++) {
            uint8_t byte = change->weights.data[i];

            pt_buf_append_byte(&text, byte == ',' ? ' ' : byte);
        }
    } else if (!append_weights(&text, flag)) {
        code = pt_fail(err, PT_INVALID,
                       "which variants the new epoch gives is not clear: say --weights, such as "
                       "\"control=1,treatment=1\"");
        goto out;
    }
    snprintf(name, sizeof(name), "epoch.%u", epoch_max + 1);
    if (!add_member(arena, out, count_out, name, &text)) {
        code = pt_fail(err, PT_NO_MEMORY, "no memory for the rollout");
    }

out:
    pt_buf_release(&text);
    return code;
}

/* ---- who was assigned ---- */

static bool are_same(const struct pt_flag_definition *was, const struct pt_flag_epoch *a,
                     const struct pt_flag_definition *now, const struct pt_flag_epoch *b)
{
    if (a->number != b->number || a->weight_count != b->weight_count) {
        return false;
    }
    for (uint32_t i = 0; i < a->weight_count; i++) {
        if (a->weights[i] != b->weights[i] || !pt_span_equal(was->variants[a->variants[i]].name,
                                                             now->variants[b->variants[i]].name)) {
            return false;
        }
    }
    return true;
}

/* Whether whom the layer let in before it lets in now. */
static bool is_layer_kept(const struct pt_flag_govern *was, const struct pt_flag_govern *now)
{
    if (now->layer.size == 0) {
        return true;
    }
    if (was->layer.size == 0) {
        was = NULL; /* it was in none: it owned every bucket, of every layer */
    } else if (!pt_span_equal(was->layer, now->layer)) {
        return false;
    }
    for (uint32_t b = 0; b < PT_FLAG_BUCKETS; b++) {
        if ((!was || pt_flag_slices_own(&was->layer_slices, b)) &&
            !pt_flag_slices_own(&now->layer_slices, b)) {
            return false;
        }
    }
    return true;
}

enum pt_code pt_flag_edit_keeps(const struct pt_flag_definition *was,
                                const struct pt_flag_definition *now, struct pt_error *err)
{
    const struct pt_flag_epoch *owners[2][PT_FLAG_BUCKETS];
    const struct pt_flag_epoch *last[2] = {NULL, NULL};
    bool is_same = false;
    uint32_t moved = 0;

    if (!was->govern || was->govern->epoch_count == 0) {
        return PT_OK;
    }
    find_owners(was, owners[0]);
    find_owners(now, owners[1]);
    for (uint32_t b = 0; b < PT_FLAG_BUCKETS; b++) {
        const struct pt_flag_epoch *a = owners[0][b];
        const struct pt_flag_epoch *c = owners[1][b];

        if (a && c && (a != last[0] || c != last[1])) {
            last[0] = a;
            last[1] = c;
            is_same = are_same(was, a, now, c);
        }
        moved += a && !(c && is_same);
    }
    if (now->govern && !pt_span_equal(was->govern->salt, now->govern->salt)) {
        return pt_fail(err, PT_INVALID,
                       "another \"rolloutSalt\" moves every unit that was assigned; say --reassign "
                       "if that is meant");
    }
    if (moved > 0) {
        return pt_fail(err, PT_INVALID,
                       "%u of %u buckets that were assigned would be moved; say --reassign if that "
                       "is meant",
                       moved, PT_FLAG_BUCKETS);
    }
    if (now->govern && !is_layer_kept(was->govern, now->govern)) {
        return pt_fail(err, PT_INVALID,
                       "the flag would lose units of its layer that were assigned; say --reassign "
                       "if that is meant");
    }
    return PT_OK;
}
