/*
 * govern.c - layers, holdouts, prerequisites and epochs of one flag: read, and asked
 */
#include "flag/govern.h"

#include "flag/murmur3.h"

#include <math.h>
#include <stdlib.h>

#define HOLDOUT_PREFIX "holdout."
#define REQUIRES_PREFIX "requires."
#define EPOCH_PREFIX "epoch."

/* What follows `prefix` in `key`; false where it does not start so. */
static bool cut_prefix(struct pt_span key, const char *prefix, struct pt_span *rest_out)
{
    size_t bytes = strlen(prefix);

    if (key.size < bytes || memcmp(key.data, prefix, bytes) != 0) {
        return false;
    }
    *rest_out = pt_span_of(key.data + bytes, key.size - bytes);
    return true;
}

bool pt_flag_is_config_key(struct pt_span key)
{
    struct pt_span rest;

    return pt_span_is(key, "layerBuckets") || pt_span_is(key, "rolloutSalt") ||
           pt_span_is(key, "holdout") || cut_prefix(key, HOLDOUT_PREFIX, &rest) ||
           cut_prefix(key, REQUIRES_PREFIX, &rest) || cut_prefix(key, EPOCH_PREFIX, &rest);
}

/* ---- reading ---- */

/* Up to `digits_max` digits at the start of *text, which goes on behind them. */
static bool take_number(struct pt_span *text, unsigned digits_max, uint32_t *number_out)
{
    unsigned digits = 0;
    uint32_t number = 0;

    while (digits < text->size && text->data[digits] >= '0' && text->data[digits] <= '9') {
        if (digits == digits_max) {
            return false;
        }
        number = number * 10 + (uint32_t)(text->data[digits] - '0');
        digits++;
    }
    *text = pt_span_of(text->data + digits, text->size - digits);
    *number_out = number;
    return digits > 0;
}

static bool take_byte(struct pt_span *text, uint8_t byte)
{
    if (text->size == 0 || text->data[0] != byte) {
        return false;
    }
    *text = pt_span_of(text->data + 1, text->size - 1);
    return true;
}

/* The part before the first `mark`; *text goes on behind it. */
static struct pt_span take_part(struct pt_span *text, uint8_t mark)
{
    const uint8_t *at = text->size > 0 ? memchr(text->data, mark, text->size) : NULL;
    struct pt_span part = pt_span_of(text->data, at ? (size_t)(at - text->data) : text->size);

    *text = at ? pt_span_of(at + 1, text->size - part.size - 1) : pt_span_of(NULL, 0);
    return part;
}

static uint32_t count_byte(struct pt_span text, uint8_t byte)
{
    uint32_t count = 0;

    for (size_t i = 0; i < text.size; i++) {
        count += text.data[i] == byte;
    }
    return count;
}

static int compare_ranges(const void *a, const void *b)
{
    const struct pt_flag_range *one = a;
    const struct pt_flag_range *two = b;

    return (one->from > two->from) - (one->from < two->from);
}

/* "0-999,2000" in order and disjoint, into the arena. False after reporting. */
static bool read_slices(struct pt_flag_compiler *c, struct pt_span text, struct pt_flag_slices *out)
{
    uint32_t room = count_byte(text, ',') + 1;

    *out = (struct pt_flag_slices){.ranges = pt_flag_room(c, room * sizeof(*out->ranges))};
    if (!out->ranges) {
        return false;
    }
    do {
        struct pt_flag_range *range = &out->ranges[out->count];
        bool is_sound = take_number(&text, 4, &range->from);

        range->to = range->from;
        if (is_sound && take_byte(&text, '-')) {
            is_sound = take_number(&text, 4, &range->to);
        }
        if (!is_sound || range->to < range->from ||
            (text.size > 0 && (text.data[0] != ',' || text.size == 1))) {
            pt_flag_report(c,
                           "buckets are ranges within 0-%u such as \"0-999\" or "
                           "\"0-999,2000-2499\"",
                           PT_FLAG_BUCKETS - 1);
            return false;
        }
        out->count++;
    } while (take_byte(&text, ','));
    qsort(out->ranges, out->count, sizeof(*out->ranges), compare_ranges);
    for (uint32_t i = 1; i < out->count; i++) {
        if (out->ranges[i].from <= out->ranges[i - 1].to) {
            pt_flag_report(c, "bucket %u is named twice", out->ranges[i].from);
            return false;
        }
    }
    return true;
}

static int hex_value(uint8_t digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    digit |= 0x20;
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* A variant's name within a list, percent-decoded into the arena. */
static bool read_name(struct pt_flag_compiler *c, struct pt_span text, struct pt_span *name_out)
{
    uint8_t *room = pt_flag_room(c, text.size);
    size_t bytes = 0;

    for (size_t i = 0; room && i < text.size; i++) {
        room[bytes] = text.data[i];
        if (text.data[i] == '%') {
            int high = i + 2 < text.size ? hex_value(text.data[i + 1]) : -1;
            int low = i + 2 < text.size ? hex_value(text.data[i + 2]) : -1;

            if (high < 0 || low < 0) {
                pt_flag_report(c, "in a list of variants %% begins two hexadecimal digits (%%25 is "
                                  "a percent sign itself)");
                return false;
            }
            room[bytes] = (uint8_t)(high << 4 | low);
            i += 2;
        }
        bytes++;
    }
    *name_out = pt_span_of(room, bytes);
    return room != NULL;
}

uint32_t pt_flag_epoch_number(struct pt_span key)
{
    struct pt_span digits;
    uint32_t number = 0;

    if (!cut_prefix(key, EPOCH_PREFIX, &digits) || digits.size == 0 || digits.data[0] == '0' ||
        !take_number(&digits, 9, &number) || digits.size > 0) {
        return 0;
    }
    return number;
}

static bool read_weight(struct pt_flag_compiler *c, const struct pt_flag_definition *flag,
                        struct pt_span part, struct pt_flag_epoch *out)
{
    struct pt_span weight = part;
    struct pt_span name = take_part(&weight, '=');
    uint32_t i = out->weight_count;

    if (name.size == part.size || !take_number(&weight, 9, &out->weights[i]) || weight.size > 0 ||
        out->weights[i] > INT32_MAX - out->total) {
        pt_flag_report(c, "an epoch is its buckets and its variants' weights, whole numbers, such "
                          "as \"0-999 control=1 treatment=1\"");
        return false;
    }
    if (!read_name(c, name, &name)) {
        return false;
    }
    out->variants[i] = pt_flag_find_variant(flag, name);
    if (out->variants[i] == PT_FLAG_NO_VARIANT) {
        pt_flag_report(c, "there is no variant \"%.*s\"", PT_SPAN_ARG(name));
        return false;
    }
    out->total += out->weights[i];
    out->weight_count++;
    return true;
}

/* "0-999,2000 a=1 b=1" of a flag whose variants are compiled. False after reporting. */
static bool read_epoch(struct pt_flag_compiler *c, const struct pt_flag_definition *flag,
                       struct pt_span text, struct pt_flag_epoch *out)
{
    uint32_t room = count_byte(text, ' ') + 1;
    struct pt_span slices = take_part(&text, ' ');

    out->variants = pt_flag_room(c, room * sizeof(*out->variants));
    out->weights = pt_flag_room(c, room * sizeof(*out->weights));
    if (!out->variants || !out->weights || !read_slices(c, slices, &out->slices)) {
        return false;
    }
    while (text.size > 0) {
        struct pt_span part = take_part(&text, ' ');

        if (part.size > 0 && !read_weight(c, flag, part, out)) {
            return false;
        }
    }
    if (out->total == 0) {
        pt_flag_report(c, "an epoch's weights must not sum to zero");
        return false;
    }
    return true;
}

static void read_requirement(struct pt_flag_compiler *c, struct pt_flag_govern *govern,
                             struct pt_span key, struct pt_json value)
{
    struct pt_flag_requirement *requirement = &govern->requirements[govern->requirement_count];
    struct pt_span text;

    if (pt_json_type(value) != PT_JSON_STRING || pt_json_string(value).size == 0 || key.size == 0) {
        pt_flag_report(c, "a prerequisite is requires.KEY and a variant's name, or several with | "
                          "between");
        return;
    }
    text = pt_json_string(value);
    *requirement = (struct pt_flag_requirement){
        .key = pt_flag_copy(c, key),
        .variants = pt_flag_room(c, (count_byte(text, '|') + 1) * sizeof(struct pt_span)),
    };
    while (text.size > 0 && requirement->variants) {
        struct pt_span name = take_part(&text, '|');

        if (!read_name(c, name, &requirement->variants[requirement->variant_count++])) {
            return;
        }
    }
    govern->requirement_count++;
}

static uint32_t holdout_index(const struct pt_flag_set *set, struct pt_span name)
{
    uint32_t i = 0;

    while (i < set->holdout_count && !pt_span_equal(set->holdouts[i].name, name)) {
        i++;
    }
    return i;
}

static void read_opt_out(struct pt_flag_compiler *c, struct pt_flag_govern *govern,
                         struct pt_span name, struct pt_json value)
{
    uint32_t i = holdout_index(c->set, name);

    if (pt_json_type(value) != PT_JSON_BOOL) {
        pt_flag_report(c, "a flag's part in a holdout is true or false");
    } else if (i == c->set->holdout_count) {
        pt_flag_warn(c, "the set's metadata has no holdout of this name");
    } else {
        govern->is_out_of[i] = !pt_json_bool(value);
    }
}

static void read_layer(struct pt_flag_compiler *c, struct pt_flag_govern *govern,
                       struct pt_json metadata)
{
    struct pt_json layer = pt_json_member(metadata, "layer");
    struct pt_json buckets = pt_json_member(metadata, "layerBuckets");
    size_t mark = pt_flag_down_str(c, "layerBuckets");

    if (!pt_json_exists(buckets)) {
        if (pt_json_exists(layer)) {
            pt_flag_warn(c,
                         "without \"layerBuckets\" the flag owns nothing of its layer: \"layer\" "
                         "is a mere label");
        }
    } else if (!pt_json_exists(layer) || pt_json_type(layer) != PT_JSON_STRING ||
               pt_json_string(layer).size == 0) {
        pt_flag_report(c, "\"layerBuckets\" needs \"layer\", the layer's name");
    } else if (pt_json_type(buckets) != PT_JSON_STRING) {
        pt_flag_report(c, "buckets are a text such as \"0-999\"");
    } else if (read_slices(c, pt_json_string(buckets), &govern->layer_slices)) {
        govern->layer = pt_flag_copy(c, pt_json_string(layer));
    }
    pt_flag_up(c, mark);
}

static int compare_epochs(const void *a, const void *b)
{
    const struct pt_flag_epoch *one = a;
    const struct pt_flag_epoch *two = b;

    return (one->number > two->number) - (one->number < two->number);
}

/* Two epochs that own one bucket: which of them is not said, so neither. */
static void check_epochs(struct pt_flag_compiler *c, struct pt_flag_govern *govern)
{
    uint32_t owner[PT_FLAG_BUCKETS] = {0};

    qsort(govern->epochs, govern->epoch_count, sizeof(*govern->epochs), compare_epochs);
    for (uint32_t i = 0; i < govern->epoch_count; i++) {
        const struct pt_flag_epoch *epoch = &govern->epochs[i];

        for (uint32_t k = 0; k < epoch->slices.count; k++) {
            for (uint32_t b = epoch->slices.ranges[k].from; b <= epoch->slices.ranges[k].to; b++) {
                if (owner[b] > 0) {
                    char name[24];

                    snprintf(name, sizeof(name), EPOCH_PREFIX "%u", epoch->number);
                    size_t mark = pt_flag_down_str(c, name);

                    pt_flag_report(c, "bucket %u belongs to epoch %u already", b, owner[b]);
                    pt_flag_up(c, mark);
                    return;
                }
                owner[b] = epoch->number;
            }
        }
    }
}

static void read_member(struct pt_flag_compiler *c, struct pt_flag_definition *flag,
                        struct pt_flag_govern *govern, struct pt_span key, struct pt_json value)
{
    struct pt_span rest;

    if (pt_span_is(key, "holdout")) {
        if (pt_json_type(value) != PT_JSON_BOOL) {
            pt_flag_report(c, "a flag's part in holdouts is true or false");
        } else {
            govern->is_in_no_holdout = !pt_json_bool(value);
        }
    } else if (cut_prefix(key, HOLDOUT_PREFIX, &rest)) {
        read_opt_out(c, govern, rest, value);
    } else if (cut_prefix(key, REQUIRES_PREFIX, &rest)) {
        read_requirement(c, govern, rest, value);
    } else if (pt_span_is(key, "rolloutSalt")) {
        if (pt_json_type(value) != PT_JSON_STRING) {
            pt_flag_report(c, "a salt is a text");
        } else {
            govern->salt = pt_flag_copy(c, pt_json_string(value));
        }
    } else if (cut_prefix(key, EPOCH_PREFIX, &rest)) {
        struct pt_flag_epoch *epoch = &govern->epochs[govern->epoch_count];

        *epoch = (struct pt_flag_epoch){.number = pt_flag_epoch_number(key)};
        if (epoch->number == 0) {
            pt_flag_report(c, "an epoch is epoch.N, N a whole number from 1");
        } else if (pt_json_type(value) != PT_JSON_STRING) {
            pt_flag_report(c, "an epoch is a text such as \"0-999 control=1 treatment=1\"");
        } else {
            govern->epoch_count += read_epoch(c, flag, pt_json_string(value), epoch);
        }
    }
}

/* A rule that gives everybody a variant leaves nobody to the epochs. */
static void check_reach(struct pt_flag_compiler *c, const struct pt_flag_govern *govern,
                        struct pt_json targeting)
{
    if (govern->epoch_count > 0 && pt_json_exists(targeting) &&
        pt_json_type(targeting) == PT_JSON_OBJECT &&
        pt_json_exists(pt_json_member(targeting, "fractional"))) {
        pt_flag_report_strict(c, "the targeting is a fractional, which gives everybody a variant: "
                                 "no epoch is ever asked");
    }
}

void pt_flag_compile_govern(struct pt_flag_compiler *c, struct pt_flag_definition *flag,
                            struct pt_json metadata, struct pt_json targeting)
{
    bool has_members = pt_json_exists(metadata) && pt_json_type(metadata) == PT_JSON_OBJECT;
    uint32_t members = has_members ? pt_json_count(metadata) : 0;
    bool is_governed = c->set->holdout_count > 0;
    struct pt_flag_govern *govern = NULL;

    if (has_members) {
        for (struct pt_json_iter it = pt_json_iterate(metadata); pt_json_next(&it);) {
            is_governed = is_governed || pt_flag_is_config_key(it.key);
        }
    }
    govern = pt_flag_room(c, sizeof(*govern));
    if (!govern) {
        return;
    }
    *govern = (struct pt_flag_govern){
        .salt = flag->key,
        .is_out_of = pt_flag_room(c, c->set->holdout_count * sizeof(bool)),
        .requirements = pt_flag_room(c, members * sizeof(*govern->requirements)),
        .epochs = pt_flag_room(c, members * sizeof(*govern->epochs)),
    };
    if (!govern->is_out_of || !govern->requirements || !govern->epochs) {
        return;
    }
    memset(govern->is_out_of, 0, c->set->holdout_count * sizeof(bool));
    if (has_members) {
        read_layer(c, govern, metadata);
        for (struct pt_json_iter it = pt_json_iterate(metadata); pt_json_next(&it);) {
            size_t mark = pt_flag_down(c, it.key);

            read_member(c, flag, govern, it.key, it.value);
            pt_flag_up(c, mark);
        }
        check_epochs(c, govern);
        check_reach(c, govern, targeting);
    }
    flag->govern = is_governed ? govern : NULL;
}

void pt_flag_compile_holdouts(struct pt_flag_compiler *c, struct pt_json metadata)
{
    struct pt_flag_set *set = c->set;
    struct pt_span name;

    if (!pt_json_exists(metadata) || pt_json_type(metadata) != PT_JSON_OBJECT) {
        return;
    }
    set->holdouts = pt_flag_room(c, pt_json_count(metadata) * sizeof(*set->holdouts));
    for (struct pt_json_iter it = pt_json_iterate(metadata); set->holdouts && pt_json_next(&it);) {
        size_t mark = pt_flag_down(c, it.key);

        if (cut_prefix(it.key, HOLDOUT_PREFIX, &name)) {
            double percent = pt_json_is_number(it.value) ? pt_json_double(it.value) : -1;

            if (!(percent >= 0 && percent <= 100) || name.size == 0) {
                pt_flag_report(c, "a holdout is holdout.NAME and a percentage from 0 to 100");
            } else {
                set->holdouts[set->holdout_count++] = (struct pt_flag_holdout){
                    .name = pt_flag_copy(c, name),
                    .buckets = (uint32_t)lround(percent * PT_FLAG_BUCKETS / 100),
                };
            }
        } else if (pt_flag_is_config_key(it.key) || pt_span_is(it.key, "layer")) {
            pt_flag_warn(c, "this means something in the metadata of a flag alone");
        }
        pt_flag_up(c, mark);
    }
}

/* ---- asking ---- */

uint32_t pt_flag_bucket(const char *purpose, struct pt_span salt, struct pt_span unit,
                        uint32_t total)
{
    uint32_t seed = pt_murmur3_32(salt, pt_murmur3_32(pt_span_str(purpose), 0));

    return (uint32_t)(((uint64_t)pt_murmur3_32(unit, seed) * total) >> 32);
}

bool pt_flag_slices_own(const struct pt_flag_slices *slices, uint32_t bucket)
{
    for (uint32_t i = 0; i < slices->count; i++) {
        if (bucket >= slices->ranges[i].from && bucket <= slices->ranges[i].to) {
            return true;
        }
    }
    return false;
}

const struct pt_flag_holdout *pt_flag_held_out(const struct pt_flag_set *set,
                                               const struct pt_flag_definition *flag,
                                               struct pt_span unit)
{
    for (uint32_t i = 0; i < set->holdout_count && !flag->govern->is_in_no_holdout; i++) {
        const struct pt_flag_holdout *holdout = &set->holdouts[i];

        if (!flag->govern->is_out_of[i] &&
            pt_flag_bucket("holdout", holdout->name, unit, PT_FLAG_BUCKETS) < holdout->buckets) {
            return holdout;
        }
    }
    return NULL;
}

const struct pt_flag_epoch *pt_flag_assign(const struct pt_flag_definition *flag,
                                           struct pt_span unit, uint32_t *variant_out)
{
    const struct pt_flag_govern *govern = flag->govern;
    uint32_t bucket = pt_flag_bucket("rollout", govern->salt, unit, PT_FLAG_BUCKETS);

    for (uint32_t i = 0; i < govern->epoch_count; i++) {
        const struct pt_flag_epoch *epoch = &govern->epochs[i];
        uint32_t at = 0;

        if (!pt_flag_slices_own(&epoch->slices, bucket)) {
            continue;
        }
        bucket = pt_flag_bucket("variant", govern->salt, unit, epoch->total);
        while (bucket >= epoch->weights[at]) {
            bucket -= epoch->weights[at++];
        }
        *variant_out = epoch->variants[at];
        return epoch;
    }
    return NULL;
}
