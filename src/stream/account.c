/*
 * account.c - what the engine knows beside the rows: time, live windows, sequence numbers, the
 * ledger
 *
 * STATE (docs/formats/checkpoint.md): the checkpoint's member `state` is base64 of one zstd frame
 * of: u8 version, the live windows (windows.c), the sequence numbers (sequence.c).
 */
#include "stream/account.h"

#include "base/compress.h"
#include "base/crypto.h"
#include "wire/frame.h"

#include <inttypes.h>
#include <stdio.h>

#define STATE_VERSION 1
#define STATE_BYTES_MAX (192u << 20)
#define STATE_LEVEL 1
#define ATTRIBUTES_BYTES_MAX (1u << 20)
#define SOURCE_NAME "log"
#define EXPOSURE_NAME "experiment_exposure"
#define AHEAD_US                                                                                   \
    PT_MINUTE_US /* a device's clock is believed to be so far ahead of ours at most                \
                  */

enum pt_code pt_account_open(struct pt_account **account_out, const struct pt_stream_parts *parts,
                             struct pt_error *err)
{
    const struct pt_config *config = parts->config;
    struct pt_account *account = pt_alloc_zero(sizeof(*account));
    enum pt_code code = PT_OK;

    *account_out = NULL;
    if (!account) {
        return pt_fail(err, PT_NO_MEMORY, "open the stream engine");
    }
    account->clock = parts->clock;
    account->keys = parts->keys;
    account->metrics = parts->metrics;
    account->log = parts->log;
    account->io = parts->io;
    account->state_dir = parts->state_dir;
    pthread_mutex_init(&account->lock, NULL);
    pt_buf_init(&account->attributes, ATTRIBUTES_BYTES_MAX + PT_JSON_PADDING);
    pt_buf_init(&account->sources_json, STATE_BYTES_MAX);
    pt_buf_init(&account->ledger_json, STATE_BYTES_MAX);
    pt_buf_init(&account->state_json, STATE_BYTES_MAX);
    pt_sources_init(&account->sources,
                    pt_config_int(config, PT_CONFIG_stream_watermark_delay_ms) * 1000);
    account->in_flight = pt_metrics_get(parts->metrics, PT_GAUGE, "playtrace_ledger_in_flight",
                                        NULL, "events accepted that no checkpoint holds yet");
    account->watermark_s =
        pt_metrics_get(parts->metrics, PT_GAUGE, "playtrace_stream_watermark_seconds", NULL,
                       "the watermark, seconds since 1970; 0: no event yet");
    account->source = pt_sources_get(&account->sources, SOURCE_NAME);
    account->watermark_us = PT_NO_EVENT_TIME;
    account->parser = pt_json_parser_create(ATTRIBUTES_BYTES_MAX + PT_JSON_PADDING);
    if (!account->parser) {
        code = pt_fail(err, PT_NO_MEMORY, "open the stream engine");
    }
    if (!code) {
        code = pt_windows_init(&account->windows,
                               (uint32_t)pt_config_int(config, PT_CONFIG_stream_live_minutes), err);
    }
    if (!code) {
        code = pt_sequence_init(
            &account->sequence, (uint32_t)pt_config_int(config, PT_CONFIG_stream_sessions_max),
            (uint32_t)pt_config_int(config, PT_CONFIG_stream_session_idle_minutes), err);
    }
    if (!code) {
        code = pt_ledger_init(&account->ledger, parts->io, parts->state_dir,
                              pt_config_int(config, PT_CONFIG_stream_ledger_days), err);
    }
    if (code) {
        pt_account_close(account);
        return code;
    }
    *account_out = account;
    return PT_OK;
}

void pt_account_close(struct pt_account *account)
{
    if (account) {
        pt_json_parser_destroy(account->parser);
        pt_buf_release(&account->attributes);
        pt_buf_release(&account->sources_json);
        pt_buf_release(&account->ledger_json);
        pt_buf_release(&account->state_json);
        pt_windows_release(&account->windows);
        pt_sequence_release(&account->sequence);
        pt_ledger_release(&account->ledger);
        pthread_mutex_destroy(&account->lock);
        pt_free(account);
    }
}

/* ---- events ---- */

void pt_account_lock(struct pt_account *account)
{
    pthread_mutex_lock(&account->lock);
}

void pt_account_unlock(struct pt_account *account)
{
    pthread_mutex_unlock(&account->lock);
}

enum pt_code pt_account_batch(struct pt_account *account, const struct pt_log_batch *batch,
                              uint32_t count, struct pt_error *err)
{
    enum pt_code code = PT_OK;

    pt_account_lock(account);
    account->appended_us = batch->appended_at_us;
    if (pt_sources_batch(&account->sources, account->source, batch->appended_at_us)) {
        pt_windows_rewind(&account->windows, pt_minute_of(batch->appended_at_us));
        pt_log_line(PT_LOG_WARN, "stream", NULL,
                    "the clock of this machine had run ahead and came back: the watermark "
                    "follows it, and live windows of the future are dropped");
    }
    account->watermark_us = pt_sources_watermark(&account->sources);
    code = pt_ledger_batch(&account->ledger, batch->appended_at_us, count, pt_get_u64(batch->note),
                           pt_get_u64(batch->note + 8), err);
    pt_account_unlock(account);
    return code;
}

static struct pt_text text_of(struct pt_span span)
{
    return (struct pt_text){.data = (const char *)span.data, .size = (uint32_t)span.size};
}

/* What {"experiment":…,"variant":…} says; nothing where it says something else. */
static void read_exposure(struct pt_account *account, const struct pt_event *event,
                          struct pt_exposure *out)
{
    struct pt_json root;
    struct pt_span experiment = {0};
    struct pt_span variant = {0};

    pt_buf_reset(&account->attributes);
    pt_buf_append(&account->attributes, event->attributes.data, event->attributes.size);
    if (event->attributes.size && pt_buf_reserve(&account->attributes, PT_JSON_PADDING) &&
        !pt_json_parse(account->parser, pt_buf_span(&account->attributes), &root, NULL, NULL) &&
        pt_json_type(root) == PT_JSON_OBJECT &&
        pt_json_member_string(root, "experiment", &experiment) &&
        pt_json_member_string(root, "variant", &variant)) {
        out->experiment = text_of(experiment);
        out->variant = text_of(variant);
    }
}

static bool is_exposure(const struct pt_event *event)
{
    return event->event_name.size == sizeof(EXPOSURE_NAME) - 1 &&
           memcmp(event->event_name.data, EXPOSURE_NAME, sizeof(EXPOSURE_NAME) - 1) == 0;
}

/* Let time go on by the event, but never past its receipt. */
static void move_time(struct pt_account *account, const struct pt_event *event)
{
    int64_t newest_us = account->source->max_event_time_us;
    int64_t received_us =
        event->received_at_us < account->appended_us ? event->received_at_us : account->appended_us;
    int64_t ahead_us = received_us + AHEAD_US;

    pt_source_note(account->source, event->event_time_us, received_us);
    if (account->source->max_event_time_us != newest_us) {
        account->watermark_us = pt_sources_watermark(&account->sources);
    }
    if (account->windows.newest == PT_NO_MINUTE ||
        event->event_time_us >= (account->windows.newest + 1) * PT_MINUTE_US) {
        pt_windows_advance(
            &account->windows,
            pt_minute_of(event->event_time_us < ahead_us ? event->event_time_us : ahead_us));
    }
}

void pt_account_expect(struct pt_account *account, size_t i, const struct pt_event *event)
{
    account->sessions[i] = pt_sequence_key(&account->sequence, event);
}

bool pt_account_event(struct pt_account *account, size_t i, const struct pt_event *event,
                      bool is_new)
{
    uint64_t build_hash = pt_checksum64(event->build_id.data, event->build_id.size);
    int64_t watermark_us = account->watermark_us;
    int64_t minute = 0;
    bool is_late = false;
    bool is_final = false;
    struct pt_exposure exposure = {0};

    if (is_new) {
        minute = pt_minute_of(event->event_time_us);
        is_late = watermark_us != PT_NO_EVENT_TIME && event->event_time_us < watermark_us;
        is_final = is_late && (minute + 1) * PT_MINUTE_US <= watermark_us;
        move_time(account, event);
        if (is_exposure(event)) {
            read_exposure(account, event, &exposure);
        }
        pt_windows_add(&account->windows, minute, event,
                       pt_checksum64(event->event_name.data, event->event_name.size), build_hash,
                       &exposure, is_late, is_final);
    }
    pt_sequence_add(&account->sequence, event, account->sessions[i], build_hash, is_new,
                    account->windows.newest);
    pt_ledger_event(&account->ledger, is_new, is_late);
    return is_late;
}

int64_t pt_account_newest(const struct pt_account *account)
{
    return pt_sources_newest(&account->sources);
}

void pt_account_read(struct pt_account *account, uint64_t log_offset)
{
    uint8_t note[PT_LOG_NOTE_BYTES];
    struct pt_error err = {0};

    pt_account_lock(account);
    account->log_offset = log_offset;
    if (account->log) {
        pt_log_synced_note(account->log, note);
        if (pt_ledger_note(&account->ledger, pt_clock_wall_us(account->clock), pt_get_u64(note),
                           pt_get_u64(note + 8), &err)) {
            /* The next batch's note tells of them too. */
            pt_log_line(PT_LOG_WARN, "stream", NULL, "%s", err.text);
        }
        pt_metric_set(account->in_flight, (int64_t)(pt_log_synced_end(account->log) - log_offset +
                                                    account->ledger.total.open.stored +
                                                    account->ledger.total.open.duplicate));
    }
    if (account->watermark_us != PT_NO_EVENT_TIME) {
        pt_metric_set(account->watermark_s, account->watermark_us / 1000000);
    }
    pt_account_unlock(account);
}

/* ---- metrics ---- */

static void set_metric(struct pt_account *account, enum pt_metric_kind kind, const char *name,
                       const char *labels, const char *help, int64_t value)
{
    pt_metric_set(pt_metrics_get(account->metrics, kind, name, labels, help), value);
}

static void show_ledger(struct pt_account *account)
{
    const struct pt_ledger_counts *total = &account->ledger.total.held;

    set_metric(account, PT_COUNTER, "playtrace_ledger_received_total", NULL,
               "events received since the table began, as of the newest checkpoint",
               (int64_t)total->received);
    set_metric(account, PT_COUNTER, "playtrace_ledger_accepted_total", NULL,
               "events accepted since the table began, as of the newest checkpoint",
               (int64_t)total->accepted);
    set_metric(account, PT_COUNTER, "playtrace_ledger_dead_lettered_total", NULL,
               "events dead-lettered since the table began, as of the newest checkpoint",
               (int64_t)total->dead_lettered);
    set_metric(account, PT_COUNTER, "playtrace_ledger_stored_total", NULL,
               "rows stored since the table began, as of the newest checkpoint",
               (int64_t)total->stored);
    set_metric(account, PT_COUNTER, "playtrace_ledger_duplicate_total", NULL,
               "duplicates dropped since the table began, as of the newest checkpoint",
               (int64_t)total->duplicate);
    set_metric(account, PT_COUNTER, "playtrace_ledger_late_total", NULL,
               "late rows among the stored, as of the newest checkpoint", (int64_t)total->late);
}

static void show_quality_row(struct pt_account *account, const char *labels,
                             const struct pt_sequence_row *row)
{
    set_metric(account, PT_GAUGE, "playtrace_quality_rows", labels,
               "rows stored since the table began", (int64_t)row->events);
    set_metric(account, PT_GAUGE, "playtrace_quality_duplicates", labels,
               "duplicates dropped since the table began", (int64_t)row->duplicates);
    set_metric(account, PT_GAUGE, "playtrace_quality_missing", labels,
               "sequence numbers jumped over and not filled", row->missing);
    set_metric(account, PT_GAUGE, "playtrace_quality_reordered", labels,
               "events that came after one with a greater sequence number",
               (int64_t)row->reordered);
}

/* platform="ios",build="1.2" with what Prometheus wants escaped. */
static void label_row(const struct pt_sequence_row *row, char *labels, size_t bytes)
{
    const char *platform = pt_platform_name(row->platform);
    char build[2 * PT_SEQUENCE_BUILD_BYTES_MAX + 1];
    size_t used = 0;

    for (size_t i = 0; i < row->build_bytes; i++) {
        char c = row->build[i];

        if (c == '"' || c == '\\' || c == '\n') {
            build[used++] = '\\';
            c = c == '\n' ? 'n' : c;
        }
        build[used++] = c;
    }
    build[used] = '\0';
    (void)snprintf(labels, bytes, "platform=\"%s\",build=\"%s\"", platform ? platform : "", build);
}

/* The first builds heard of have metrics of their own, all others one together. */
static void show_quality(struct pt_account *account)
{
    const struct pt_sequence *sequence = &account->sequence;
    static const struct pt_sequence_row none;
    const struct pt_sequence_row *shown[PT_ACCOUNT_BUILDS] = {0};
    struct pt_sequence_row other = {0};

    for (uint32_t i = 0; i < sequence->row_count; i++) {
        const struct pt_sequence_row *row = &sequence->rows[i];
        uint32_t at = 0;

        while (at < account->build_count && account->builds[at].hash != row->hash) {
            at++;
        }
        if (i > 0 && at == account->build_count && at < PT_ACCOUNT_BUILDS) {
            account->builds[at].hash = row->hash;
            label_row(row, account->builds[at].labels, sizeof(account->builds[at].labels));
            account->build_count++;
        }
        if (i > 0 && at < account->build_count) {
            shown[at] = row;
        } else {
            pt_sequence_row_add(&other, row);
        }
    }
    for (uint32_t i = 0; i < account->build_count; i++) {
        /* One that is no longer told apart counts in the other row. */
        show_quality_row(account, account->builds[i].labels, shown[i] ? shown[i] : &none);
    }
    show_quality_row(account, "platform=\"other\",build=\"other\"", &other);
}

/* ---- state ---- */

static const char digits64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* A JSON string of base64 (RFC 4648), without padding. */
static void put_base64(struct pt_buf *out, struct pt_span bytes)
{
    uint8_t *to = pt_buf_reserve(out, bytes.size / 3 * 4 + 6);

    if (!to) {
        return;
    }
    *to++ = '"';
    for (size_t i = 0; i < bytes.size; i += 3) {
        size_t left = bytes.size - i;
        uint32_t word = (uint32_t)bytes.data[i] << 16 |
                        (left > 1 ? (uint32_t)bytes.data[i + 1] << 8 : 0) |
                        (left > 2 ? bytes.data[i + 2] : 0);

        *to++ = (uint8_t)digits64[word >> 18];
        *to++ = (uint8_t)digits64[word >> 12 & 63];
        if (left > 1) {
            *to++ = (uint8_t)digits64[word >> 6 & 63];
        }
        if (left > 2) {
            *to++ = (uint8_t)digits64[word & 63];
        }
    }
    *to++ = '"';
    out->size = (size_t)(to - out->data);
}

/* False: a letter that is none of the alphabet, or no memory. */
static bool get_base64(struct pt_span text, struct pt_buf *out)
{
    uint8_t values[256];
    uint32_t word = 0;
    unsigned bits = 0;

    memset(values, 0xff, sizeof(values));
    for (uint8_t i = 0; i < 64; i++) {
        values[(uint8_t)digits64[i]] = i;
    }
    if (!pt_buf_reserve(out, text.size)) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        uint8_t value = values[text.data[i]];

        if (value == 0xff) {
            return false;
        }
        word = word << 6 | value;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out->data[out->size++] = (uint8_t)(word >> bits);
        }
    }
    return true;
}

static enum pt_code encode_state(struct pt_account *account, struct pt_error *err)
{
    struct pt_buf plain;
    struct pt_buf packed;
    enum pt_code code = PT_OK;

    pt_buf_init(&plain, STATE_BYTES_MAX);
    pt_buf_init(&packed, STATE_BYTES_MAX);
    pt_buf_append_byte(&plain, STATE_VERSION);
    pt_windows_encode(&account->windows, &plain);
    pt_sequence_encode(&account->sequence, &plain);
    if (plain.has_failed) {
        code = pt_fail(err, PT_NO_MEMORY, "write the state");
    } else {
        code = pt_zstd_compress(pt_buf_span(&plain), STATE_LEVEL, &packed, err);
    }
    if (!code) {
        pt_buf_reset(&account->state_json);
        put_base64(&account->state_json, pt_buf_span(&packed));
    }
    pt_buf_release(&plain);
    pt_buf_release(&packed);
    return code;
}

static enum pt_code decode_state(struct pt_account *account, struct pt_span text,
                                 struct pt_error *err)
{
    struct pt_buf packed;
    struct pt_buf plain;
    struct pt_bytes in;
    enum pt_code code = PT_OK;

    pt_buf_init(&packed, STATE_BYTES_MAX);
    pt_buf_init(&plain, STATE_BYTES_MAX);
    if (!get_base64(text, &packed)) {
        code = packed.has_failed ? pt_fail(err, PT_NO_MEMORY, "read the state")
                                 : pt_fail(err, PT_CORRUPT, "the state is not base64");
    }
    if (!code) {
        code = pt_zstd_decompress(pt_buf_span(&packed), &plain, err);
        code = code == PT_INVALID ? PT_CORRUPT : code;
    }
    if (!code && (plain.size == 0 || plain.data[0] != STATE_VERSION)) {
        code = pt_fail(err, PT_CORRUPT, "the state has version %d, not %d",
                       plain.size ? plain.data[0] : -1, STATE_VERSION);
    }
    if (!code) {
        in = pt_bytes_of(pt_span_of(plain.data + 1, plain.size - 1));
        code = pt_windows_decode(&account->windows, &in, err);
    }
    if (!code) {
        code = pt_sequence_decode(&account->sequence, &in, err);
    }
    if (!code && in.at != in.end) {
        code =
            pt_fail(err, PT_CORRUPT, "%zu bytes stand behind the state", (size_t)(in.end - in.at));
    }
    pt_buf_release(&packed);
    pt_buf_release(&plain);
    return code;
}

enum pt_code pt_account_load(struct pt_account *account, const struct pt_checkpoint *found,
                             struct pt_error *err)
{
    const struct pt_checkpoint_summary *summary = &found->summary;
    enum pt_code code = PT_OK;

    account->checkpoint = summary->number;
    account->log_offset = summary->log_offset;
    if (!found->has_account) {
        pt_ledger_begin(&account->ledger, summary);
        account->source->max_event_time_us = summary->max_event_time_us;
        account->source->received_us = summary->max_event_time_us;
    } else if (!pt_sources_load(&account->sources, found->sources)) {
        code = pt_fail(err, PT_CORRUPT, "the sources are no array of sources");
    } else if (!pt_ledger_load(&account->ledger, found->ledger)) {
        code = pt_fail(err, PT_CORRUPT, "the ledger is not one");
    } else {
        code = decode_state(account, found->state, err);
    }
    if (code) {
        return pt_error_prefix(err, code, "checkpoint %" PRIu64, summary->number);
    }
    account->watermark_us = pt_sources_watermark(&account->sources);
    show_ledger(account);
    show_quality(account);
    return pt_ledger_remove_old(&account->ledger, summary->number, pt_clock_wall_us(account->clock),
                                err);
}

enum pt_code pt_account_prepare(struct pt_account *account, uint64_t number,
                                struct pt_checkpoint_account *out, struct pt_error *err)
{
    struct pt_jsonw w;
    enum pt_code code = PT_OK;

    pt_account_lock(account);
    pt_sequence_tidy(&account->sequence, account->windows.newest);
    pt_ledger_select(&account->ledger, number);
    pt_account_unlock(account);
    /* From here on it is only read, which handlers may do at the same time. */
    code = pt_ledger_put_away(&account->ledger, err);
    if (!code) {
        pt_buf_reset(&account->sources_json);
        pt_jsonw_init(&w, &account->sources_json);
        pt_sources_describe(&account->sources, &w);
        pt_buf_reset(&account->ledger_json);
        pt_jsonw_init(&w, &account->ledger_json);
        pt_ledger_describe(&account->ledger, &w);
        code = encode_state(account, err);
    }
    if (!code && (account->sources_json.has_failed || account->ledger_json.has_failed ||
                  account->state_json.has_failed)) {
        code = pt_fail(err, PT_NO_MEMORY, "write the state");
    }
    *out = (struct pt_checkpoint_account){
        .sources = pt_buf_span(&account->sources_json),
        .ledger = pt_buf_span(&account->ledger_json),
        .state = pt_buf_span(&account->state_json),
    };
    return code;
}

void pt_account_committed(struct pt_account *account, uint64_t number)
{
    struct pt_error err = {0};
    bool has_file = false;
    enum pt_code code = PT_OK;

    pt_account_lock(account);
    has_file = account->ledger.put_away > 0;
    pt_ledger_committed(&account->ledger);
    account->checkpoint = number;
    show_ledger(account);
    show_quality(account);
    pt_account_unlock(account);
    if (has_file) {
        code =
            pt_ledger_remove_old(&account->ledger, number, pt_clock_wall_us(account->clock), &err);
    }
    if (code) {
        pt_log_line(PT_LOG_WARN, "stream", NULL, "old files of the ledger were not removed: %s",
                    err.text);
    }
}
