/*
 * flags.c - feature flags: what the game asks, and whose values are in force
 *
 * A getter takes `lock`, looks the key up in the index and copies the value: no file, no network,
 * no allocation. The first one of a session that returns a value of an experiment logs its
 * exposure through the ring, as track() does.
 */
#include "core/client.h"
#include "core/json.h"

#include <stdio.h>
#include <string.h>

/* Five members of at most 600 bytes, and their names. */
#define EXPOSURE_BYTES 3200u

/* ---- life ---- */

static size_t aligned(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static size_t text_bytes(const struct playtrace_options *options)
{
    return aligned(PT_CLIENT_FLAGS_CACHE_HEAD_BYTES_MAX) + aligned(options->flags_bytes_max);
}

size_t pt_client_flags_block_bytes(const struct playtrace_options *options)
{
    size_t bytes_max = options->flags_bytes_max;

    if (!options->flags_enabled) {
        return 0;
    }
    return 2 * (text_bytes(options) +
                aligned(pt_client_flags_count_max(bytes_max) * sizeof(struct pt_client_flag)) +
                aligned(pt_client_flags_head_count(bytes_max) * sizeof(uint32_t))) +
           aligned(PT_CLIENT_FLAGS_ASK_BYTES + PLAYTRACE_FLAG_CONTEXT_BYTES_MAX) +
           aligned(sizeof(struct pt_client_stream));
}

void pt_client_flags_place(struct playtrace *p, char *block)
{
    struct pt_client_flags *flags = &p->flags;
    size_t bytes_max = p->options.flags_bytes_max;

    flags->is_enabled = p->options.flags_enabled;
    flags->round = 1;
    flags->exposure_round = 1;
    flags->due_us = INT64_MAX;
    flags->cache.platform = &p->platform;
    flags->cache.dir = p->dir;
    flags->cache.sealer = &p->lanes.sealer;
    (void)snprintf(flags->url, sizeof(flags->url), "%.*s/ofrep/v1/evaluate/flags",
                   (int)(strlen(p->url) - strlen("/v1/events")), p->url);
    if (!flags->is_enabled) {
        return;
    }
    if (p->options.flag_context) {
        memcpy(flags->context, p->options.flag_context, strlen(p->options.flag_context) + 1);
        p->options.flag_context = NULL; /* see flags.context */
    }
    for (int i = 0; i < 2; i++) {
        struct pt_client_flags_index *index = &flags->indexes[i];

        flags->texts[i] = block + aligned(PT_CLIENT_FLAGS_CACHE_HEAD_BYTES_MAX);
        block += text_bytes(&p->options);
        index->flags = (void *)block;
        index->flag_count_max = pt_client_flags_count_max(bytes_max);
        block += aligned(index->flag_count_max * sizeof(struct pt_client_flag));
        index->heads = (void *)block;
        index->head_count = pt_client_flags_head_count(bytes_max);
        block += aligned(index->head_count * sizeof(uint32_t));
    }
    flags->ask = block;
    block += aligned(PT_CLIENT_FLAGS_ASK_BYTES + PLAYTRACE_FLAG_CONTEXT_BYTES_MAX);
    flags->stream = (void *)block;
    memset(flags->stream, 0, sizeof(*flags->stream));
    flags->stream->client = p;
}

void pt_client_flags_open(struct playtrace *p)
{
    if (!p->flags.is_enabled) {
        return;
    }
    pt_client_flags_load(p);
    pt_client_lock(p);
    p->flags.due_us = pt_client_now_us(p);
    pt_client_unlock(p);
}

void pt_client_flags_start_stream(struct playtrace *p)
{
    const struct playtrace_platform *platform = &p->platform;
    struct pt_client_flags *flags = &p->flags;

    /* A transport of its own, because one is busy for as long as the stream is open. */
    if (!flags->is_enabled || !p->options.flags_stream || p->options.without_worker ||
        !platform->http_create || !platform->http_post || platform->http_start) {
        return;
    }
    flags->stream_changed = platform->cond_create(platform->thread_ctx);
    if (flags->stream_changed) {
        flags->stream_thread =
            platform->thread_start(platform->thread_ctx, pt_client_flags_stream_run, p);
    }
}

void pt_client_flags_stop_stream(struct playtrace *p)
{
    if (!p->flags.stream_thread) {
        return;
    }
    pt_client_lock(p);
    p->is_stopping = true;
    p->platform.cond_broadcast(p->platform.thread_ctx, p->flags.stream_changed);
    pt_client_unlock(p);
    p->platform.thread_join(p->platform.thread_ctx, p->flags.stream_thread);
    p->flags.stream_thread = NULL;
}

void pt_client_flags_destroy(struct playtrace *p)
{
    struct pt_client_flags *flags = &p->flags;

    if (flags->stream && flags->stream->http && p->platform.http_destroy) {
        p->platform.http_destroy(flags->stream->http);
    }
    if (flags->stream_changed) {
        p->platform.cond_destroy(p->platform.thread_ctx, flags->stream_changed);
    }
}

/* ---- whose ---- */

bool pt_client_flags_may_use(const struct playtrace *p)
{
    return p->flags.is_enabled && (p->state.purposes & PLAYTRACE_PURPOSE_EXPERIMENTS) &&
           !p->flags.is_removal_due;
}

/* What is being asked for now is for somebody who is not here any more. */
static void begin_round(struct playtrace *p)
{
    p->flags.round++;
    p->flags.due_us = pt_client_now_us(p);
    if (!p->options.without_worker) {
        p->platform.cond_broadcast(p->platform.thread_ctx, p->changed);
    }
}

void pt_client_flags_put_in_force(struct playtrace *p, bool is_confirmed)
{
    struct pt_client_flags *flags = &p->flags;

    flags->in_force = &flags->indexes[flags->spare];
    flags->spare = 1 - flags->spare;
    flags->is_confirmed = is_confirmed;
    flags->generation++;
}

void pt_client_flags_empty(struct playtrace *p)
{
    struct pt_client_flags *flags = &p->flags;

    flags->generation += flags->in_force ? 1 : 0;
    flags->in_force = NULL;
    flags->is_confirmed = false;
    flags->stream_url[0] = '\0';
}

void pt_client_flags_session_changed(struct playtrace *p)
{
    p->flags.exposure_round++;
    p->flags.exposure_round += p->flags.exposure_round == 0 ? 1 : 0;
}

void pt_client_flags_resumed(struct playtrace *p)
{
    if (p->flags.stream_thread) {
        p->platform.cond_broadcast(p->platform.thread_ctx, p->flags.stream_changed);
    }
    if (!p->options.without_worker) {
        p->platform.cond_broadcast(p->platform.thread_ctx, p->changed);
    }
}

void pt_client_flags_user_changed(struct playtrace *p)
{
    if (!p->flags.is_enabled) {
        return;
    }
    pt_client_flags_empty(p); /* nobody gets another player's values */
    pt_client_flags_session_changed(p);
    begin_round(p);
}

void pt_client_flags_consent_changed(struct playtrace *p)
{
    struct pt_client_flags *flags = &p->flags;

    if (!(p->state.purposes & PLAYTRACE_PURPOSE_EXPERIMENTS)) {
        pt_client_flags_empty(p);
        memset(flags->exposed, 0, sizeof(flags->exposed));
        flags->exposed_count = 0;
        flags->is_removal_due = true; /* an earlier open with flags may have left a file */
    }
    if (flags->is_enabled) {
        flags->not_before_us = 0;
        begin_round(p);
    }
}

bool pt_client_flags_purge(struct playtrace *p)
{
    struct pt_client_flags *flags = &p->flags;
    bool is_due = false;
    bool is_clean = true;

    pt_client_lock(p);
    is_due = flags->is_removal_due && !flags->in_force;
    pt_client_unlock(p);
    if (!is_due) {
        return true;
    }
    is_clean = pt_client_flags_cache_remove(&flags->cache);
    for (int i = 0; i < 2; i++) {
        if (flags->indexes[i].text) {
            /* Only what was written: the rest of the block never became memory. */
            memset((char *)flags->indexes[i].text, 0, flags->indexes[i].text_bytes);
        }
    }
    flags->etag[0] = '\0';
    pt_client_lock(p);
    flags->is_removal_due = !is_clean;
    pt_client_unlock(p);
    return is_clean;
}

/* ---- exposures ---- */

static uint64_t hash_piece(uint64_t hash, const struct pt_client_flags_index *index,
                           struct pt_client_piece piece)
{
    const char *text = index->text + piece.at;

    for (uint32_t i = 0; i < piece.bytes; i++) {
        hash = (hash ^ (unsigned char)text[i]) * UINT64_C(1099511628211);
    }
    return (hash ^ 0xffu) * UINT64_C(1099511628211); /* no byte of UTF-8: the pieces' border */
}

/* True: it was logged in this round; else it is noted as such. */
static bool note_exposure(struct pt_client_flags *flags, uint64_t hash)
{
    uint32_t mask = PT_CLIENT_FLAGS_EXPOSED_MAX - 1;
    uint32_t at = 0;

    if (flags->exposed_round != flags->exposure_round ||
        flags->exposed_count >= PT_CLIENT_FLAGS_EXPOSED_MAX / 4 * 3) {
        memset(flags->exposed, 0, sizeof(flags->exposed));
        flags->exposed_count = 0;
        flags->exposed_round = flags->exposure_round;
    }
    hash += hash == 0 ? 1 : 0;
    for (at = (uint32_t)(hash >> 32) & mask; flags->exposed[at] != 0; at = (at + 1) & mask) {
        if (flags->exposed[at] == hash) {
            return true;
        }
    }
    flags->exposed[at] = hash;
    flags->exposed_count++;
    return false;
}

struct writer {
    char *to;
    const char *end;
};

static void put(struct writer *w, const char *text, size_t bytes)
{
    if ((size_t)(w->end - w->to) >= bytes) {
        memcpy(w->to, text, bytes);
        w->to += bytes;
    }
}

static void put_member(struct writer *w, const char *name, const char *value, size_t bytes,
                       const char *quote)
{
    put(w, name, strlen(name));
    put(w, quote, strlen(quote));
    put(w, value, bytes);
    put(w, quote, strlen(quote));
}

/* The game has taken this value of an experiment's flag. The caller holds `lock`. */
static void expose(struct playtrace *p, struct pt_client_flag *flag)
{
    struct pt_client_flags *flags = &p->flags;
    const struct pt_client_flags_index *index = flags->in_force;
    struct pt_client_exposure exposure;
    char attributes[EXPOSURE_BYTES];
    struct writer w = {attributes, attributes + sizeof(attributes) - 1};
    uint64_t hash = UINT64_C(14695981039346656037);

    if (!flag->is_exposure || flag->exposed_round == flags->exposure_round ||
        !pt_client_track_has_room(p, sizeof(attributes))) {
        return; /* without room now: the next call tries again */
    }
    pt_client_flags_exposure(index, flag, &exposure);
    flag->exposed_round = flags->exposure_round;
    hash = hash_piece(hash, index, flag->key);
    hash = hash_piece(hash, index, flag->variant);
    hash = hash_piece(hash, index, exposure.epoch);
    if (note_exposure(flags, hash)) {
        return;
    }
    put_member(&w, "{\"experiment\":", index->text + exposure.experiment.at,
               exposure.experiment.bytes, "");
    put_member(&w, ",\"variant\":", index->text + flag->variant.at, flag->variant.bytes, "\"");
    put_member(&w, ",\"flag_key\":", index->text + flag->key.at, flag->key.bytes, "\"");
    if (exposure.version.bytes > 0) {
        put_member(&w, ",\"flag_version\":", index->text + exposure.version.at,
                   exposure.version.bytes, "");
    }
    if (exposure.epoch.bytes > 0) {
        put_member(&w, ",\"epoch\":", index->text + exposure.epoch.at, exposure.epoch.bytes, "");
    }
    put(&w, "}", 1);
    *w.to = '\0';
    (void)pt_client_put(p, PT_CLIENT_EXPOSURE_NAME, attributes, PT_CLIENT_LANE_EXPOSURES);
}

/* ---- getters ---- */

/* A getter's call, under `lock` from begin to end. */
struct getting {
    struct pt_client_flag *flag; /* NULL: the default */
    bool is_wrong;               /* the game asks for another type than the flag has, once */
};

/* The flag with this key, if there is a value of this type; takes `lock`. */
static struct getting begin(struct playtrace *p, const char *key, enum pt_client_flag_type type)
{
    struct getting getting = {NULL, false};
    struct pt_client_flag *flag = NULL;

    pt_client_lock(p);
    if (!p->flags.in_force || !pt_client_flags_may_use(p)) {
        return getting;
    }
    flag = pt_client_flags_index_find(p->flags.in_force, key,
                                      pt_client_text_bytes(key, PT_CLIENT_FLAG_KEY_BYTES_MAX + 1));
    if (flag && flag->type == (uint8_t)type) {
        getting.flag = flag;
    } else if (flag && flag->type != PT_CLIENT_FLAG_NONE) {
        getting.is_wrong = !flag->is_wrong_told;
        flag->is_wrong_told = true;
    }
    return getting;
}

static void end(struct playtrace *p, const char *key, const struct getting *getting,
                const char *type)
{
    if (getting->flag) {
        expose(p, getting->flag);
    }
    pt_client_unlock(p);
    if (getting->is_wrong) {
        pt_client_log(p, PLAYTRACE_LOG_WARNING, PT_CLIENT_LOG_FLAGS,
                      "flag \"%.64s\" has a value that is no %s: the default is used; ask for the "
                      "type that its variants have",
                      key, type);
    }
}

bool playtrace_flag_bool(struct playtrace *p, const char *key, bool default_value)
{
    struct getting getting;

    if (!key || !pt_client_is_usable(p)) {
        return default_value;
    }
    getting = begin(p, key, PT_CLIENT_FLAG_BOOL);
    if (getting.flag) {
        default_value = getting.flag->is_true;
    }
    end(p, key, &getting, "boolean");
    return default_value;
}

int64_t playtrace_flag_int(struct playtrace *p, const char *key, int64_t default_value)
{
    struct getting getting;

    if (!key || !pt_client_is_usable(p)) {
        return default_value;
    }
    getting = begin(p, key, PT_CLIENT_FLAG_NUMBER);
    if (getting.flag && !getting.flag->is_integer) {
        getting.is_wrong = !getting.flag->is_wrong_told;
        getting.flag->is_wrong_told = true;
        getting.flag = NULL;
    }
    if (getting.flag) {
        default_value = getting.flag->integer;
    }
    end(p, key, &getting, "whole number of 64 bits");
    return default_value;
}

double playtrace_flag_double(struct playtrace *p, const char *key, double default_value)
{
    struct getting getting;

    if (!key || !pt_client_is_usable(p)) {
        return default_value;
    }
    getting = begin(p, key, PT_CLIENT_FLAG_NUMBER);
    if (getting.flag) {
        default_value = getting.flag->real;
    }
    end(p, key, &getting, "number");
    return default_value;
}

/* Copy `bytes` of `text` as far as there is room, whole characters and a NUL. */
static size_t copy_out(const char *text, size_t bytes, char *out, size_t out_bytes)
{
    size_t copied = bytes < out_bytes ? bytes : out_bytes - 1;

    if (out_bytes == 0) {
        return bytes;
    }
    while (copied < bytes && copied > 0 && ((unsigned char)text[copied] & 0xc0) == 0x80) {
        copied--;
    }
    memcpy(out, text, copied);
    out[copied] = '\0';
    return bytes;
}

static size_t take_text(struct playtrace *p, const char *key, enum pt_client_flag_type type,
                        const char *default_value, char *out, size_t out_bytes)
{
    struct getting getting = {NULL, false};
    size_t bytes = 0;

    out_bytes = out ? out_bytes : 0;
    if (pt_client_is_usable(p) && key) {
        getting = begin(p, key, type);
        if (getting.flag) {
            struct pt_client_piece value = getting.flag->value;
            const char *text = p->flags.in_force->text + value.at;

            bytes = type == PT_CLIENT_FLAG_STRING
                        ? pt_client_json_unescape(text, value.bytes, out, out_bytes)
                        : copy_out(text, value.bytes, out, out_bytes);
        }
        end(p, key, &getting, type == PT_CLIENT_FLAG_STRING ? "text" : "object or array");
    }
    if (!getting.flag) {
        default_value = default_value ? default_value : "";
        bytes = copy_out(default_value, strlen(default_value), out, out_bytes);
    }
    return bytes;
}

size_t playtrace_flag_string(struct playtrace *p, const char *key, const char *default_value,
                             char *out, size_t out_bytes)
{
    return take_text(p, key, PT_CLIENT_FLAG_STRING, default_value, out, out_bytes);
}

size_t playtrace_flag_json(struct playtrace *p, const char *key, const char *default_value,
                           char *out, size_t out_bytes)
{
    return take_text(p, key, PT_CLIENT_FLAG_JSON, default_value, out, out_bytes);
}

/* ---- details, context ---- */

static void set_word(char *out, size_t out_bytes, const char *word)
{
    (void)copy_out(word, strlen(word), out, out_bytes);
}

static void fill_details(const struct playtrace *p, const struct pt_client_flag *flag,
                         struct playtrace_flag_details *out)
{
    const char *text = p->flags.in_force->text;

    (void)pt_client_json_unescape(text + flag->variant.at, flag->variant.bytes, out->variant,
                                  sizeof(out->variant));
    out->is_default = flag->type == PT_CLIENT_FLAG_NONE;
    if (flag->is_error) {
        set_word(out->reason, sizeof(out->reason), "ERROR");
        (void)pt_client_json_unescape(text + flag->word.at, flag->word.bytes, out->error_code,
                                      sizeof(out->error_code));
    } else if (p->flags.is_confirmed || out->is_default) {
        (void)pt_client_json_unescape(text + flag->word.at, flag->word.bytes, out->reason,
                                      sizeof(out->reason));
    } else {
        set_word(out->reason, sizeof(out->reason), "CACHED");
    }
}

enum playtrace_status playtrace_flag_details(struct playtrace *p, const char *key,
                                             struct playtrace_flag_details *out)
{
    const struct pt_client_flag *flag = NULL;
    const char *error = "PROVIDER_NOT_READY";

    if (!key || !out || !pt_client_is_usable(p)) {
        return PLAYTRACE_INVALID;
    }
    memset(out, 0, sizeof(*out));
    pt_client_lock(p);
    if (p->flags.in_force && pt_client_flags_may_use(p)) {
        error = "FLAG_NOT_FOUND";
        flag = pt_client_flags_index_find(
            p->flags.in_force, key, pt_client_text_bytes(key, PT_CLIENT_FLAG_KEY_BYTES_MAX + 1));
    }
    if (flag) {
        fill_details(p, flag, out);
    } else {
        out->is_default = true;
        set_word(out->reason, sizeof(out->reason), "ERROR");
        set_word(out->error_code, sizeof(out->error_code), error);
    }
    pt_client_unlock(p);
    return PLAYTRACE_OK;
}

bool pt_client_flag_context_is_valid(const char *attributes_json)
{
    size_t bytes = pt_client_text_bytes(attributes_json, PLAYTRACE_FLAG_CONTEXT_BYTES_MAX + 1);

    return bytes <= PLAYTRACE_FLAG_CONTEXT_BYTES_MAX &&
           pt_client_json_is_object(attributes_json, bytes, PLAYTRACE_ATTRIBUTE_DEPTH_MAX) &&
           !pt_client_json_has_member(attributes_json, "targetingKey");
}

enum playtrace_status playtrace_set_flag_context(struct playtrace *p, const char *attributes_json)
{
    const char *text = attributes_json ? attributes_json : "";

    if (!pt_client_is_usable(p) ||
        (attributes_json && !pt_client_flag_context_is_valid(attributes_json))) {
        return PLAYTRACE_INVALID;
    }
    pt_client_lock(p);
    if (strcmp(p->flags.context, text) != 0) {
        memcpy(p->flags.context, text, strlen(text) + 1);
        if (p->flags.is_enabled) {
            begin_round(p); /* the player is the same: his values hold until the new ones come */
        }
    }
    pt_client_unlock(p);
    return PLAYTRACE_OK;
}

uint64_t playtrace_flags_generation(struct playtrace *p)
{
    uint64_t generation = 0;

    if (pt_client_is_usable(p)) {
        pt_client_lock(p);
        generation = p->flags.generation;
        pt_client_unlock(p);
    }
    return generation;
}
