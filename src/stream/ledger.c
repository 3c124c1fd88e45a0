/*
 * ledger.c - double entry a minute: every event that was received is somewhere
 *
 * FORMAT (docs/formats/ledger.md): state/ledger/<checkpoint, 20 digits>-<first minute, 10
 * digits>-<last minute, 10 digits>.json:
 * {"format":1,"checkpoint":N,"minutes":[[minute,received,dead_lettered,
 * accepted,stored,duplicate,late],…]}, sealed as a checkpoint is. Minutes count since 1970.
 *
 * A commit that fails is tried again under the same number with more rows, and its file may then
 * bear another name: the file of the attempt before goes first. What a crash leaves bears a number
 * beyond the newest checkpoint's.
 */
#include "stream/ledger.h"

#include "base/mem.h"
#include "stream/checkpoint.h"
#include "stream/sources.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define LEDGER_FORMAT 1
#define FILE_BYTES_MAX (256u << 20)
#define NAME_BYTES (20 + 1 + 10 + 1 + 10 + 5)
#define MINUTES_A_DAY 1440
#define MINUTE_MAX INT64_C(9999999999)

/* ---- counting ---- */

static void add(struct pt_ledger_counts *into, const struct pt_ledger_counts *counts)
{
    into->received += counts->received;
    into->dead_lettered += counts->dead_lettered;
    into->accepted += counts->accepted;
    into->stored += counts->stored;
    into->duplicate += counts->duplicate;
    into->late += counts->late;
}

struct pt_ledger_minute pt_ledger_minute_of(const struct pt_ledger_row *row)
{
    struct pt_ledger_minute minute = {.minute = row->minute, .counts = row->held};

    minute.counts.received += row->open.received;
    minute.counts.dead_lettered += row->open.dead_lettered;
    minute.counts.accepted += row->open.accepted;
    minute.in_flight = row->open.stored + row->open.duplicate;
    return minute;
}

enum pt_code pt_ledger_init(struct pt_ledger *ledger, struct pt_io *io, const char *state_dir,
                            int64_t days, struct pt_error *err)
{
    *ledger = (struct pt_ledger){.io = io, .state_dir = state_dir, .days = days, .is_begun = true};
    ledger->dir = pt_strf("%s/ledger", state_dir);
    if (!ledger->dir) {
        return pt_fail(err, PT_NO_MEMORY, "open the ledger");
    }
    return pt_io_mkdir(io, ledger->dir, err);
}

void pt_ledger_release(struct pt_ledger *ledger)
{
    pt_free(ledger->dir);
    pt_free(ledger->rows);
    *ledger = (struct pt_ledger){0};
}

/* The row of the minute is the last one. */
static enum pt_code turn_to(struct pt_ledger *ledger, int64_t time_us, struct pt_error *err)
{
    int64_t minute = pt_minute_of(time_us);

    minute = minute < 0 ? 0 : minute > MINUTE_MAX ? MINUTE_MAX : minute;
    ledger->hour = minute / 60;
    if (ledger->count && ledger->rows[ledger->count - 1].minute == minute) {
        return PT_OK;
    }
    if (ledger->count == ledger->capacity) {
        size_t capacity = ledger->capacity ? ledger->capacity * 2 : 128;
        struct pt_ledger_row *rows = pt_realloc(ledger->rows, capacity * sizeof(*rows));

        if (!rows) {
            return pt_fail(err, PT_NO_MEMORY, "keep %zu minutes of the ledger", capacity);
        }
        ledger->rows = rows;
        ledger->capacity = capacity;
    }
    ledger->rows[ledger->count++] = (struct pt_ledger_row){.minute = minute};
    return PT_OK;
}

/* The first note after state without a ledger tells what was before. */
static void begin(struct pt_ledger *ledger, uint64_t received, uint64_t dead)
{
    struct pt_ledger_counts *before = &ledger->before;

    before->dead_lettered = dead;
    before->received = received;
    ledger->total.held.dead_lettered = dead;
    ledger->total.held.received = received;
    ledger->is_begun = true;
}

static void note(struct pt_ledger *ledger, uint64_t received, uint64_t dead)
{
    struct pt_ledger_row *total = &ledger->total;
    uint64_t received_before = total->held.received + total->open.received;
    uint64_t dead_before = total->held.dead_lettered + total->open.dead_lettered;
    struct pt_ledger_counts step = {
        .received = received > received_before ? received - received_before : 0,
        .dead_lettered = dead > dead_before ? dead - dead_before : 0,
    };

    add(&total->open, &step);
    add(&ledger->rows[ledger->count - 1].open, &step);
}

enum pt_code pt_ledger_batch(struct pt_ledger *ledger, int64_t appended_at_us, uint32_t count,
                             uint64_t received, uint64_t dead, struct pt_error *err)
{
    enum pt_code code = turn_to(ledger, appended_at_us, err);

    if (code) {
        return code;
    }
    if (!ledger->is_begun) {
        begin(ledger, received > count ? received - count : 0, dead);
    }
    note(ledger, received, dead);
    ledger->total.open.accepted += count;
    ledger->rows[ledger->count - 1].open.accepted += count;
    return PT_OK;
}

void pt_ledger_event(struct pt_ledger *ledger, bool is_new, bool is_late)
{
    struct pt_ledger_counts *open = &ledger->rows[ledger->count - 1].open;
    struct pt_ledger_counts *total = &ledger->total.open;

    open->stored += is_new;
    open->duplicate += !is_new;
    open->late += is_late;
    total->stored += is_new;
    total->duplicate += !is_new;
    total->late += is_late;
}

enum pt_code pt_ledger_note(struct pt_ledger *ledger, int64_t now_us, uint64_t received,
                            uint64_t dead, struct pt_error *err)
{
    const struct pt_ledger_row *total = &ledger->total;
    enum pt_code code = PT_OK;

    if (!ledger->is_begun || dead <= total->held.dead_lettered + total->open.dead_lettered ||
        received - dead != total->held.accepted + total->open.accepted) {
        return PT_OK;
    }
    code = turn_to(ledger, now_us, err);
    if (!code) {
        note(ledger, received, dead);
    }
    return code;
}

void pt_ledger_begin(struct pt_ledger *ledger, const struct pt_checkpoint_summary *summary)
{
    ledger->before = (struct pt_ledger_counts){
        .received = summary->log_offset,
        .accepted = summary->log_offset,
        .stored = summary->stored,
        .duplicate = summary->duplicates,
        .late = summary->late,
    };
    ledger->total.held = ledger->before;
    ledger->is_begun = summary->number == 0;
}

/* ---- files ---- */

static int compare_rows(const void *left, const void *right)
{
    const struct pt_ledger_row *a = left;
    const struct pt_ledger_row *b = right;

    return (a->minute > b->minute) - (a->minute < b->minute);
}

/* Minutes of other hours first, by time; then those of the current one. Returns the count of the
 * first. */
static size_t arrange(struct pt_ledger *ledger)
{
    size_t count = 0;
    size_t away = 0;
    struct pt_ledger_row swap;

    qsort(ledger->rows, ledger->count, sizeof(*ledger->rows), compare_rows);
    for (size_t i = 0; i < ledger->count; i++) {
        if (count && ledger->rows[count - 1].minute == ledger->rows[i].minute) {
            add(&ledger->rows[count - 1].held, &ledger->rows[i].held);
            add(&ledger->rows[count - 1].open, &ledger->rows[i].open);
        } else {
            ledger->rows[count++] = ledger->rows[i];
        }
    }
    ledger->count = count;
    for (size_t i = 0; i < count; i++) {
        if (ledger->rows[i].minute / 60 != ledger->hour) {
            swap = ledger->rows[i];
            memmove(&ledger->rows[away + 1], &ledger->rows[away], (i - away) * sizeof(swap));
            ledger->rows[away++] = swap;
        }
    }
    return away;
}

static void put_minute(struct pt_jsonw *w, int64_t minute, const struct pt_ledger_counts *counts)
{
    pt_jsonw_array(w);
    pt_jsonw_int(w, minute);
    pt_jsonw_uint(w, counts->received);
    pt_jsonw_uint(w, counts->dead_lettered);
    pt_jsonw_uint(w, counts->accepted);
    pt_jsonw_uint(w, counts->stored);
    pt_jsonw_uint(w, counts->duplicate);
    pt_jsonw_uint(w, counts->late);
    pt_jsonw_array_end(w);
}

/* Rows as the checkpoint will hold them. */
static void put_rows(struct pt_jsonw *w, const struct pt_ledger_row *rows, size_t count)
{
    pt_jsonw_array(w);
    for (size_t i = 0; i < count; i++) {
        struct pt_ledger_counts counts = rows[i].held;

        add(&counts, &rows[i].open);
        put_minute(w, rows[i].minute, &counts);
    }
    pt_jsonw_array_end(w);
}

void pt_ledger_select(struct pt_ledger *ledger, uint64_t number)
{
    if (ledger->attempt != number) {
        ledger->attempt = number;
        ledger->put_away = arrange(ledger);
    }
}

enum pt_code pt_ledger_put_away(const struct pt_ledger *ledger, struct pt_error *err)
{
    struct pt_ledger_file file = {.number = ledger->attempt};
    struct pt_buf text;
    struct pt_jsonw w;
    char *path = NULL;
    enum pt_code code = PT_OK;

    if (ledger->put_away == 0) {
        return PT_OK;
    }
    pt_buf_init(&text, FILE_BYTES_MAX);
    pt_jsonw_init(&w, &text);
    pt_jsonw_object(&w);
    pt_jsonw_key(&w, "format");
    pt_jsonw_int(&w, LEDGER_FORMAT);
    pt_jsonw_key(&w, "checkpoint");
    pt_jsonw_uint(&w, ledger->attempt);
    pt_jsonw_key(&w, "minutes");
    put_rows(&w, ledger->rows, ledger->put_away);
    pt_jsonw_object_end(&w);
    pt_checkpoint_seal(&text);
    file.first = ledger->rows[0].minute;
    file.last = ledger->rows[ledger->put_away - 1].minute;
    path = pt_ledger_path(ledger->dir, &file);
    if (!path || text.has_failed) {
        code = pt_fail(err, PT_NO_MEMORY, "put away %zu minutes of the ledger", ledger->put_away);
    } else {
        code = pt_io_replace(ledger->io, path, pt_buf_span(&text), 0, err);
    }
    pt_free(path);
    pt_buf_release(&text);
    return code;
}

void pt_ledger_committed(struct pt_ledger *ledger)
{
    size_t left = ledger->count - ledger->put_away;

    if (ledger->put_away) {
        memmove(ledger->rows, ledger->rows + ledger->put_away, left * sizeof(*ledger->rows));
        ledger->count = left;
        ledger->put_away = 0;
    }
    ledger->attempt = 0;
    for (size_t i = 0; i < ledger->count; i++) {
        add(&ledger->rows[i].held, &ledger->rows[i].open);
        ledger->rows[i].open = (struct pt_ledger_counts){0};
    }
    add(&ledger->total.held, &ledger->total.open);
    ledger->total.open = (struct pt_ledger_counts){0};
}

/* ---- the checkpoint's part ---- */

static void put_counts(struct pt_jsonw *w, const struct pt_ledger_counts *counts)
{
    pt_jsonw_object(w);
    pt_jsonw_key(w, "received");
    pt_jsonw_uint(w, counts->received);
    pt_jsonw_key(w, "dead_lettered");
    pt_jsonw_uint(w, counts->dead_lettered);
    pt_jsonw_key(w, "accepted");
    pt_jsonw_uint(w, counts->accepted);
    pt_jsonw_key(w, "stored");
    pt_jsonw_uint(w, counts->stored);
    pt_jsonw_key(w, "duplicate");
    pt_jsonw_uint(w, counts->duplicate);
    pt_jsonw_key(w, "late");
    pt_jsonw_uint(w, counts->late);
    pt_jsonw_object_end(w);
}

void pt_ledger_describe(const struct pt_ledger *ledger, struct pt_jsonw *w)
{
    struct pt_ledger_counts total = ledger->total.held;

    add(&total, &ledger->total.open);
    pt_jsonw_object(w);
    pt_jsonw_key(w, "is_begun");
    pt_jsonw_bool(w, ledger->is_begun);
    pt_jsonw_key(w, "before");
    put_counts(w, &ledger->before);
    pt_jsonw_key(w, "total");
    put_counts(w, &total);
    pt_jsonw_key(w, "minutes");
    put_rows(w, ledger->rows + ledger->put_away, ledger->count - ledger->put_away);
    pt_jsonw_object_end(w);
}

static bool take_count(struct pt_json object, const char *key, uint64_t *out)
{
    int64_t value = 0;

    if (!pt_json_member_int(object, key, &value) || value < 0) {
        return false;
    }
    *out = (uint64_t)value;
    return true;
}

static bool take_counts(struct pt_json object, struct pt_ledger_counts *out)
{
    return pt_json_exists(object) && pt_json_type(object) == PT_JSON_OBJECT &&
           take_count(object, "received", &out->received) &&
           take_count(object, "dead_lettered", &out->dead_lettered) &&
           take_count(object, "accepted", &out->accepted) &&
           take_count(object, "stored", &out->stored) &&
           take_count(object, "duplicate", &out->duplicate) &&
           take_count(object, "late", &out->late);
}

/* [minute, received, dead_lettered, accepted, stored, duplicate, late] */
static bool take_minute(struct pt_json array, struct pt_ledger_minute *out)
{
    uint64_t *places[] = {&out->counts.received, &out->counts.dead_lettered, &out->counts.accepted,
                          &out->counts.stored,   &out->counts.duplicate,     &out->counts.late};
    struct pt_json_iter it;

    *out = (struct pt_ledger_minute){0};
    if (pt_json_type(array) != PT_JSON_ARRAY) {
        return false;
    }
    it = pt_json_iterate(array);
    if (!pt_json_next(&it) || pt_json_type(it.value) != PT_JSON_INT) {
        return false;
    }
    out->minute = pt_json_int(it.value);
    if (out->minute < 0 || out->minute > MINUTE_MAX) {
        return false;
    }
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (!pt_json_next(&it) || pt_json_type(it.value) != PT_JSON_INT ||
            pt_json_int(it.value) < 0) {
            return false;
        }
        *places[i] = pt_json_uint(it.value);
    }
    return true;
}

/* Those of [first, last] to the end of `minutes`. False: it is not what put_rows() wrote. */
static bool take_minutes(struct pt_json array, int64_t first, int64_t last, struct pt_buf *minutes)
{
    struct pt_json_iter it;

    if (!pt_json_exists(array) || pt_json_type(array) != PT_JSON_ARRAY) {
        return false;
    }
    it = pt_json_iterate(array);
    while (pt_json_next(&it)) {
        struct pt_ledger_minute minute;

        if (!take_minute(it.value, &minute)) {
            return false;
        }
        if (minute.minute >= first && minute.minute <= last) {
            pt_buf_append(minutes, &minute, sizeof(minute));
        }
    }
    return true;
}

bool pt_ledger_read_state(struct pt_json object, int64_t first, int64_t last,
                          struct pt_ledger_summary *summary_out, struct pt_buf *minutes)
{
    return pt_json_exists(object) && pt_json_type(object) == PT_JSON_OBJECT &&
           take_counts(pt_json_member(object, "before"), &summary_out->before) &&
           take_counts(pt_json_member(object, "total"), &summary_out->total) &&
           take_minutes(pt_json_member(object, "minutes"), first, last, minutes);
}

bool pt_ledger_load(struct pt_ledger *ledger, struct pt_json object)
{
    struct pt_ledger_summary summary;
    struct pt_buf minutes;
    const struct pt_ledger_minute *at = NULL;
    size_t count = 0;
    bool is_sound = false;

    pt_buf_init(&minutes, FILE_BYTES_MAX);
    is_sound = pt_ledger_read_state(object, 0, INT64_MAX, &summary, &minutes) &&
               pt_json_member_bool(object, "is_begun", &ledger->is_begun) && !minutes.has_failed;
    count = minutes.size / sizeof(*at);
    at = (const struct pt_ledger_minute *)(const void *)minutes.data;
    for (size_t i = 0; is_sound && i < count; i++) {
        is_sound = turn_to(ledger, at[i].minute * PT_MINUTE_US, NULL) == PT_OK;
        if (is_sound) {
            ledger->rows[ledger->count - 1].held = at[i].counts;
        }
    }
    if (is_sound) {
        ledger->before = summary.before;
        ledger->total = (struct pt_ledger_row){.held = summary.total};
    }
    pt_buf_release(&minutes);
    return is_sound;
}

/* ---- reading files ---- */

static bool take_digits(const char **at, unsigned digits, char behind, uint64_t *out)
{
    *out = 0;
    for (unsigned i = 0; i < digits; i++, (*at)++) {
        if (**at < '0' || **at > '9') {
            return false;
        }
        *out = *out * 10 + (uint64_t)(**at - '0');
    }
    return *(*at)++ == behind;
}

static bool parse_name(const char *name, struct pt_ledger_file *file)
{
    uint64_t first = 0;
    uint64_t last = 0;

    if (!take_digits(&name, 20, '-', &file->number) || !take_digits(&name, 10, '-', &first) ||
        !take_digits(&name, 10, '.', &last) || strcmp(name, "json") != 0) {
        return false;
    }
    file->first = (int64_t)first;
    file->last = (int64_t)last;
    return true;
}

static void note_file(void *ctx, const char *name, bool is_dir)
{
    struct pt_buf *files = ctx;
    struct pt_ledger_file file;

    if (!is_dir && parse_name(name, &file)) {
        pt_buf_append(files, &file, sizeof(file));
    }
}

enum pt_code pt_ledger_list(struct pt_io *io, const char *state_dir, struct pt_buf *files,
                            struct pt_error *err)
{
    char *dir = pt_strf("%s/ledger", state_dir);
    enum pt_code code = PT_OK;

    pt_buf_init(files, FILE_BYTES_MAX);
    code = dir ? pt_io_list(io, dir, note_file, files, err) : PT_NO_MEMORY;
    pt_free(dir);
    if (code == PT_NOT_FOUND) {
        return PT_OK;
    }
    if (code == PT_NO_MEMORY || (!code && files->has_failed)) {
        code = pt_fail(err, PT_NO_MEMORY, "list the ledger's files");
    }
    return code;
}

char *pt_ledger_path(const char *dir, const struct pt_ledger_file *file)
{
    return pt_strf("%s/%020" PRIu64 "-%010" PRId64 "-%010" PRId64 ".json", dir, file->number,
                   file->first, file->last);
}

static enum pt_code read_file(struct pt_io *io, const char *path, int64_t first, int64_t last,
                              struct pt_json_parser *parser, struct pt_buf *minutes,
                              struct pt_error *err)
{
    uint8_t *data = NULL;
    size_t size = 0;
    struct pt_span body = {0};
    struct pt_json root;
    int64_t format = 0;
    enum pt_code code =
        pt_io_read_all(io, path, FILE_BYTES_MAX, PT_JSON_PADDING, &data, &size, err);

    if (code) {
        return code == PT_NOT_FOUND ? PT_OK : code;
    }
    if (!pt_checkpoint_unseal(pt_span_of(data, size), &body)) {
        code = pt_fail(err, PT_CORRUPT, "%s: its checksum is wrong", path);
    } else if (pt_json_parse(parser, body, &root, NULL, err)) {
        code = PT_CORRUPT;
    } else if (pt_json_type(root) != PT_JSON_OBJECT ||
               !pt_json_member_int(root, "format", &format)) {
        code = pt_fail(err, PT_CORRUPT, "%s: no ledger", path);
    } else if (format > LEDGER_FORMAT) {
        code = pt_fail(err, PT_INVALID,
                       "%s has format %" PRId64 ", this version of playtrace knows %d: use the "
                       "version that wrote it, or a newer one",
                       path, format, LEDGER_FORMAT);
    } else if (!take_minutes(pt_json_member(root, "minutes"), first, last, minutes)) {
        code = pt_fail(err, PT_CORRUPT, "%s: a member is missing or wrong", path);
    }
    pt_free(data);
    return code;
}

enum pt_code pt_ledger_read_files(struct pt_io *io, const char *state_dir, uint64_t number,
                                  int64_t first, int64_t last, struct pt_buf *minutes,
                                  struct pt_error *err)
{
    struct pt_json_parser *parser = pt_json_parser_create(FILE_BYTES_MAX);
    char *dir = pt_strf("%s/ledger", state_dir);
    struct pt_buf files;
    const struct pt_ledger_file *at = NULL;
    enum pt_code code = PT_OK;

    pt_buf_init(&files, FILE_BYTES_MAX);
    if (!parser || !dir) {
        code = pt_fail(err, PT_NO_MEMORY, "read the ledger");
        goto out;
    }
    code = pt_ledger_list(io, state_dir, &files, err);
    at = (const struct pt_ledger_file *)(const void *)files.data;
    for (size_t i = 0; !code && i < files.size / sizeof(*at); i++) {
        if (at[i].number <= number && at[i].first <= last && at[i].last >= first) {
            char *path = pt_ledger_path(dir, &at[i]);

            code = path ? read_file(io, path, first, last, parser, minutes, err)
                        : pt_fail(err, PT_NO_MEMORY, "read the ledger");
            pt_free(path);
        }
    }
    if (!code && minutes->has_failed) {
        code = pt_fail(err, PT_NO_MEMORY, "read the ledger");
    }

out:
    pt_buf_release(&files);
    pt_free(dir);
    pt_json_parser_destroy(parser);
    return code;
}

static int compare_minutes(const void *left, const void *right)
{
    const struct pt_ledger_minute *a = left;
    const struct pt_ledger_minute *b = right;

    return (a->minute > b->minute) - (a->minute < b->minute);
}

void pt_ledger_merge(struct pt_buf *minutes)
{
    struct pt_ledger_minute *at = (struct pt_ledger_minute *)(void *)minutes->data;
    size_t count = minutes->size / sizeof(*at);
    size_t kept = 0;

    if (count == 0) {
        return;
    }
    qsort(at, count, sizeof(*at), compare_minutes);
    for (size_t i = 0; i < count; i++) {
        if (kept && at[kept - 1].minute == at[i].minute) {
            add(&at[kept - 1].counts, &at[i].counts);
            at[kept - 1].in_flight += at[i].in_flight;
        } else {
            at[kept++] = at[i];
        }
    }
    minutes->size = kept * sizeof(*at);
}

enum pt_code pt_ledger_remove_old(struct pt_ledger *ledger, uint64_t number, int64_t now_us,
                                  struct pt_error *err)
{
    int64_t oldest = pt_minute_of(now_us) - ledger->days * MINUTES_A_DAY;
    struct pt_buf files;
    const struct pt_ledger_file *at = NULL;
    enum pt_code code = pt_ledger_list(ledger->io, ledger->state_dir, &files, err);

    at = (const struct pt_ledger_file *)(const void *)files.data;
    for (size_t i = 0; !code && i < files.size / sizeof(*at); i++) {
        if (at[i].number > number || at[i].last < oldest) {
            char *path = pt_ledger_path(ledger->dir, &at[i]);

            code = path ? pt_io_unlink(ledger->io, path, err)
                        : pt_fail(err, PT_NO_MEMORY, "remove old files of the ledger");
            pt_free(path);
        }
    }
    pt_buf_release(&files);
    return code == PT_NOT_FOUND ? PT_OK : code;
}

enum pt_code pt_stream_read_ledger(struct pt_io *io, const char *state_dir, int64_t from_us,
                                   int64_t to_us,
                                   void (*each)(void *ctx, const struct pt_ledger_minute *minute),
                                   void *ctx, struct pt_ledger_summary *summary_out,
                                   struct pt_error *err)
{
    struct pt_json_parser *parser = pt_json_parser_create(FILE_BYTES_MAX);
    int64_t first = pt_minute_of(from_us);
    int64_t last = pt_minute_of(to_us - (to_us > INT64_MIN));
    struct pt_checkpoint found;
    struct pt_buf minutes;
    const struct pt_ledger_minute *at = NULL;
    enum pt_code code = PT_OK;

    *summary_out = (struct pt_ledger_summary){0};
    pt_buf_init(&minutes, FILE_BYTES_MAX);
    if (!parser) {
        code = pt_fail(err, PT_NO_MEMORY, "read the ledger");
        goto out;
    }
    code = pt_checkpoint_read(io, state_dir, parser, &found, err);
    if (code || found.summary.number == 0) {
        goto out;
    }
    if (!found.has_account) {
        struct pt_ledger ledger = {0};

        pt_ledger_begin(&ledger, &found.summary);
        summary_out->before = ledger.before;
        summary_out->total = ledger.before;
    } else if (!pt_ledger_read_state(found.ledger, first, last, summary_out, &minutes)) {
        code = pt_fail(err, PT_CORRUPT, "%s: the ledger of checkpoint %" PRIu64 " is not one",
                       state_dir, found.summary.number);
        goto out;
    }
    summary_out->checkpoint = found.summary.number;
    summary_out->log_offset = found.summary.log_offset;
    code = pt_ledger_read_files(io, state_dir, found.summary.number, first, last, &minutes, err);
    if (code) {
        goto out;
    }
    pt_ledger_merge(&minutes);
    at = (const struct pt_ledger_minute *)(const void *)minutes.data;
    for (size_t i = 0; i < minutes.size / sizeof(*at); i++) {
        each(ctx, &at[i]);
    }

out:
    pt_buf_release(&minutes);
    pt_json_parser_destroy(parser);
    return code;
}
