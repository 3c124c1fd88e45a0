/*
 * live_routes.c - GET /api/v1/live, /api/v1/quality, /api/v1/ledger
 *
 * Admin routes. What they answer is docs/live.md. The lock is held while an answer is written: up
 * to a few milliseconds at 4,096 series.
 */
#include "stream/account.h"

#include "base/hll.h"
#include "wire/rfc3339.h"

#include <inttypes.h>
#include <stdlib.h>

#define ANSWER_BYTES_MAX (64u << 20)
#define LIVE_MINUTES 10 /* asked for by saying nothing */
#define LIMIT 50
#define LIMIT_MAX 1000
#define LEDGER_MINUTES 60
#define LEDGER_MINUTES_MAX 1440

enum dimension {
    BY_EVENT_NAME = 1 << 0,
    BY_PLATFORM = 1 << 1,
    BY_BUILD = 1 << 2,
    BY_VARIANT = 1 << 3,
};

static const struct {
    const char *name;
    unsigned dimension;
} dimensions[] = {
    {"event_name", BY_EVENT_NAME},
    {"platform", BY_PLATFORM},
    {"build_id", BY_BUILD},
    {"variant", BY_VARIANT},
};

#define DIMENSIONS (sizeof(dimensions) / sizeof(dimensions[0]))

/* ---- questions ---- */

#define VALUE_BYTES_MAX 128

struct parameter {
    struct pt_span name;
    struct pt_span value; /* in `text` */
    uint8_t text[VALUE_BYTES_MAX];
};

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent signs resolved. What is too long for any value of ours is cut, and then is none. */
static struct pt_span decode_value(struct pt_span raw, uint8_t text[VALUE_BYTES_MAX])
{
    size_t size = 0;

    for (size_t i = 0; i < raw.size && size < VALUE_BYTES_MAX; i++) {
        int high = i + 2 < raw.size ? hex_digit(raw.data[i + 1]) : -1;
        int low = i + 2 < raw.size ? hex_digit(raw.data[i + 2]) : -1;

        if (raw.data[i] == '%' && high >= 0 && low >= 0) {
            text[size++] = (uint8_t)(high << 4 | low);
            i += 2;
        } else {
            text[size++] = raw.data[i];
        }
    }
    return pt_span_of(text, size);
}

/* The next name=value of a query string; false at its end. */
static bool next_parameter(struct pt_span query, size_t *at, struct parameter *out)
{
    const uint8_t *start = query.data + *at;
    const uint8_t *and = NULL;
    const uint8_t *equals = NULL;
    size_t size = 0;

    if (*at >= query.size) {
        return false;
    }
    and = memchr(start, '&', query.size - *at);
    size = and? (size_t)(and-start) : query.size - *at;
    equals = memchr(start, '=', size);
    out->name = pt_span_of(start, equals ? (size_t)(equals - start) : size);
    out->value = decode_value(equals ? pt_span_of(equals + 1, size - out->name.size - 1)
                                     : pt_span_of(NULL, 0),
                              out->text);
    *at += size + 1;
    return true;
}

static bool take_number(struct pt_span text, uint32_t max, uint32_t *out)
{
    uint32_t number = 0;

    if (text.size == 0 || text.size > 6) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        number = number * 10 + (uint32_t)(text.data[i] - '0');
    }
    *out = number;
    return number >= 1 && number <= max;
}

/* "event_name,platform"; false: one of them is none. */
static bool take_dimensions(struct pt_span text, unsigned *out)
{
    size_t at = 0;

    *out = 0;
    while (at <= text.size) {
        const uint8_t *comma = at < text.size ? memchr(text.data + at, ',', text.size - at) : NULL;
        size_t end = comma ? (size_t)(comma - text.data) : text.size;
        unsigned found = 0;

        for (size_t i = 0; i < DIMENSIONS; i++) {
            if (pt_span_is(pt_span_of(text.data + at, end - at), dimensions[i].name)) {
                found = dimensions[i].dimension;
            }
        }
        if (!found || (*out & found)) {
            return false;
        }
        *out |= found;
        at = end + 1;
    }
    return true;
}

static bool take_time(struct pt_span text, int64_t *out)
{
    return pt_rfc3339_parse((const char *)text.data, text.size, out);
}

static void refuse(struct pt_http_request *request, const struct parameter *parameter,
                   const char *rule)
{
    pt_http_respond_error(request, 400, "invalid_parameter", "%.*s: %s",
                          PT_SPAN_ARG(parameter->name), rule);
}

static void answer(struct pt_http_request *request, const struct pt_buf *text)
{
    if (text->has_failed) {
        pt_http_respond_error(request, 503, "overloaded", "no memory for the answer");
    } else {
        pt_http_respond(request, 200, "application/json", pt_buf_span(text), NULL, 0);
    }
}

/* ---- writing ---- */

static void put_time(struct pt_jsonw *w, const char *key, int64_t time_us)
{
    char text[PT_RFC3339_TEXT_BYTES + 1];

    pt_jsonw_key(w, key);
    if (time_us == PT_NO_EVENT_TIME) {
        pt_jsonw_null(w);
    } else {
        pt_rfc3339_format(time_us, text);
        pt_jsonw_str(w, text);
    }
}

static void put_count(struct pt_jsonw *w, const char *key, uint64_t value)
{
    pt_jsonw_key(w, key);
    pt_jsonw_uint(w, value);
}

static void put_text(struct pt_jsonw *w, const char *key, struct pt_text text)
{
    pt_jsonw_key(w, key);
    if (text.size) {
        pt_jsonw_string(w, pt_span_of(text.data, text.size));
    } else {
        pt_jsonw_null(w);
    }
}

static void put_platform(struct pt_jsonw *w, enum pt_platform platform)
{
    const char *name = pt_platform_name(platform);

    pt_jsonw_key(w, "platform");
    if (name) {
        pt_jsonw_str(w, name);
    } else {
        pt_jsonw_null(w);
    }
}

/* ---- live windows ---- */

struct group {
    uint32_t series; /* one of it, which has its texts */
    uint64_t events; /* in the window that is being written */
};

/* Series by what they are grouped by. */
struct grouping {
    unsigned by;
    uint32_t *group_of; /* PT_SERIES_MAX: index in `groups`, or NO_GROUP */
    struct group *groups;
    uint32_t count;
};

#define NO_GROUP UINT32_MAX

/* For qsort, which passes nothing of ours; one request at a time has the lock. */
static const struct pt_windows *sorted_windows;
static unsigned sorted_by;

static int compare_text(struct pt_text a, struct pt_text b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    int order = size ? memcmp(a.data, b.data, size) : 0;

    return order ? order : (a.size > b.size) - (a.size < b.size);
}

static int compare_series(const struct pt_series *a, const struct pt_series *b, unsigned by)
{
    int order = 0;

    if (by & BY_EVENT_NAME) {
        order = compare_text(pt_series_name(a), pt_series_name(b));
    }
    if (!order && (by & BY_PLATFORM)) {
        order = (int)a->platform - (int)b->platform;
    }
    if (!order && (by & BY_BUILD)) {
        order = compare_text(pt_series_build(a), pt_series_build(b));
    }
    if (!order && (by & BY_VARIANT)) {
        order = compare_text(pt_series_experiment(a), pt_series_experiment(b));
        order = order ? order : compare_text(pt_series_variant(a), pt_series_variant(b));
    }
    return order;
}

static int compare_indexes(const void *left, const void *right)
{
    const struct pt_series *series = sorted_windows->series;

    return compare_series(&series[*(const uint32_t *)left], &series[*(const uint32_t *)right],
                          sorted_by);
}

static bool grouping_init(struct grouping *grouping, const struct pt_windows *windows, unsigned by)
{
    uint32_t *order = pt_alloc(PT_SERIES_MAX * sizeof(*order));
    uint32_t count = 0;

    *grouping = (struct grouping){.by = by};
    grouping->group_of = pt_alloc(PT_SERIES_MAX * sizeof(*grouping->group_of));
    grouping->groups = pt_alloc(PT_SERIES_MAX * sizeof(*grouping->groups));
    if (!order || !grouping->group_of || !grouping->groups) {
        pt_free(order);
        return false;
    }
    for (uint32_t i = 0; i < windows->series_end; i++) {
        const struct pt_series *series = &windows->series[i];

        grouping->group_of[i] = NO_GROUP;
        /* By variant alone, what is no exposure stands nowhere. */
        if (series->total && (by != BY_VARIANT || series->experiment_bytes)) {
            order[count++] = i;
        }
    }
    sorted_windows = windows;
    sorted_by = by;
    qsort(order, count, sizeof(*order), compare_indexes);
    for (uint32_t i = 0; i < count; i++) {
        if (i == 0 || compare_indexes(&order[i - 1], &order[i]) != 0) {
            grouping->groups[grouping->count++] = (struct group){.series = order[i]};
        }
        grouping->group_of[order[i]] = grouping->count - 1;
    }
    pt_free(order);
    return true;
}

static void grouping_release(struct grouping *grouping)
{
    pt_free(grouping->group_of);
    pt_free(grouping->groups);
}

static int compare_events(const void *left, const void *right)
{
    const struct group *a = *(const struct group *const *)left;
    const struct group *b = *(const struct group *const *)right;

    if (a->events != b->events) {
        return a->events < b->events ? 1 : -1;
    }
    return (a->series > b->series) - (a->series < b->series);
}

static void put_group(struct pt_jsonw *w, const struct pt_windows *windows,
                      const struct group *group, unsigned by)
{
    const struct pt_series *series = &windows->series[group->series];

    pt_jsonw_object(w);
    if (by & BY_EVENT_NAME) {
        put_text(w, "event_name", pt_series_name(series));
    }
    if (by & BY_PLATFORM) {
        put_platform(w, series->platform);
    }
    if (by & BY_BUILD) {
        put_text(w, "build_id", pt_series_build(series));
    }
    if (by & BY_VARIANT) {
        put_text(w, "experiment", pt_series_experiment(series));
        put_text(w, "variant", pt_series_variant(series));
    }
    put_count(w, "events", group->events);
    pt_jsonw_object_end(w);
}

/* The greatest groups of a window; `rest` counts what the others hold. */
static void put_groups(struct pt_jsonw *w, const struct pt_windows *windows,
                       const struct pt_window *window, struct grouping *grouping, uint32_t limit)
{
    const uint32_t *counts = pt_windows_counts(windows, window);
    const struct group *shown[PT_SERIES_MAX];
    uint32_t count = 0;
    uint64_t rest = window->other;

    for (uint32_t i = 0; i < grouping->count; i++) {
        grouping->groups[i].events = 0;
    }
    for (uint32_t i = 0; i < windows->series_end; i++) {
        if (counts[i] && grouping->group_of[i] != NO_GROUP) {
            grouping->groups[grouping->group_of[i]].events += counts[i];
        }
    }
    for (uint32_t i = 0; i < grouping->count; i++) {
        if (grouping->groups[i].events) {
            shown[count++] = &grouping->groups[i];
        }
    }
    qsort(shown, count, sizeof(struct group *), compare_events);
    pt_jsonw_array(w);
    for (uint32_t i = 0; i < count; i++) {
        if (i < limit) {
            put_group(w, windows, shown[i], grouping->by);
        } else {
            rest += shown[i]->events;
        }
    }
    if (rest) {
        pt_jsonw_object(w);
        pt_jsonw_key(w, "other");
        pt_jsonw_bool(w, true);
        put_count(w, "events", rest);
        pt_jsonw_object_end(w);
    }
    pt_jsonw_array_end(w);
}

struct live_question {
    uint32_t minutes;
    uint32_t limit;
    unsigned by; /* 0: each dimension by itself */
};

static bool is_final(const struct pt_account *account, int64_t minute)
{
    return account->watermark_us != PT_NO_EVENT_TIME &&
           (minute + 1) * PT_MINUTE_US <= account->watermark_us;
}

static void put_window(struct pt_jsonw *w, const struct pt_account *account,
                       const struct pt_window *window, struct grouping *groupings,
                       const struct live_question *question)
{
    const struct pt_windows *windows = &account->windows;

    pt_jsonw_object(w);
    put_time(w, "minute", window->minute * PT_MINUTE_US);
    pt_jsonw_key(w, "final");
    pt_jsonw_bool(w, is_final(account, window->minute));
    put_count(w, "corrections", window->corrections);
    put_count(w, "events", window->events);
    put_count(w, "late", window->late);
    put_count(
        w, "players",
        (uint64_t)(pt_hll_estimate(pt_windows_players(windows, window), PT_PLAYERS_BITS) + 0.5));
    if (question->by) {
        pt_jsonw_key(w, "groups");
        put_groups(w, windows, window, &groupings[0], question->limit);
    } else {
        for (size_t i = 0; i < DIMENSIONS; i++) {
            char key[32] = "by_";

            memcpy(key + 3, dimensions[i].name, strlen(dimensions[i].name) + 1);
            pt_jsonw_key(w, key);
            put_groups(w, windows, window, &groupings[i], question->limit);
        }
    }
    pt_jsonw_object_end(w);
}

static void put_sources(struct pt_jsonw *w, const struct pt_sources *sources)
{
    pt_jsonw_array(w);
    for (uint32_t i = 0; i < sources->count; i++) {
        const struct pt_source *source = &sources->items[i];

        pt_jsonw_object(w);
        pt_jsonw_key(w, "source");
        pt_jsonw_str(w, source->name);
        put_time(w, "max_event_time", source->max_event_time_us);
        pt_jsonw_key(w, "idle");
        pt_jsonw_bool(w, pt_sources_is_idle(sources, source));
        pt_jsonw_object_end(w);
    }
    pt_jsonw_array_end(w);
}

/* Distinct players of all the windows that are answered. */
static uint64_t players_of(const struct pt_windows *windows, int64_t first, int64_t last)
{
    uint8_t registers[PT_PLAYERS_REGISTERS] = {0};

    for (int64_t minute = first; minute <= last; minute++) {
        const struct pt_window *window = pt_windows_at(windows, minute);

        if (window) {
            pt_hll_unite(registers, pt_windows_players(windows, window), PT_PLAYERS_BITS);
        }
    }
    return (uint64_t)(pt_hll_estimate(registers, PT_PLAYERS_BITS) + 0.5);
}

static bool put_live(struct pt_jsonw *w, const struct pt_account *account,
                     const struct live_question *question)
{
    const struct pt_windows *windows = &account->windows;
    bool is_empty = windows->newest == PT_NO_MINUTE;
    int64_t last = is_empty ? -1 : windows->newest;
    int64_t first = is_empty ? 0 : last - (int64_t)question->minutes + 1;
    size_t count = question->by ? 1 : DIMENSIONS;
    struct grouping groupings[DIMENSIONS] = {0};
    bool has_memory = true;

    for (size_t i = 0; i < count && has_memory; i++) {
        has_memory = grouping_init(&groupings[i], windows,
                                   question->by ? question->by : dimensions[i].dimension);
    }
    pt_jsonw_object(w);
    put_time(w, "watermark", account->watermark_us);
    put_count(w, "watermark_delay_ms", (uint64_t)(account->sources.delay_us / 1000));
    pt_jsonw_key(w, "sources");
    put_sources(w, &account->sources);
    put_count(w, "minutes_kept", windows->minutes);
    put_count(w, "players", players_of(windows, first, last));
    pt_jsonw_key(w, "players_standard_error");
    pt_jsonw_double(w, PT_PLAYERS_ERROR);
    put_count(w, "too_old", windows->too_old);
    put_count(w, "ahead", windows->ahead);
    pt_jsonw_key(w, "windows");
    pt_jsonw_array(w);
    for (int64_t minute = first; has_memory && minute <= last; minute++) {
        const struct pt_window *window = pt_windows_at(windows, minute);

        if (window) {
            put_window(w, account, window, groupings, question);
        }
    }
    pt_jsonw_array_end(w);
    pt_jsonw_object_end(w);
    for (size_t i = 0; i < count; i++) {
        grouping_release(&groupings[i]);
    }
    return has_memory;
}

static void handle_live(void *ctx, struct pt_http_request *request)
{
    struct pt_account *account = ctx;
    struct live_question question = {.minutes = LIVE_MINUTES, .limit = LIMIT};
    struct parameter parameter;
    struct pt_buf text;
    struct pt_jsonw w;
    size_t at = 0;

    if (!pt_keys_admit(account->keys, request, PT_SCOPE_ADMIN)) {
        return;
    }
    question.minutes =
        account->windows.minutes < LIVE_MINUTES ? account->windows.minutes : LIVE_MINUTES;
    while (next_parameter(pt_http_query(request), &at, &parameter)) {
        if (pt_span_is(parameter.name, "minutes")) {
            if (!take_number(parameter.value, account->windows.minutes, &question.minutes)) {
                pt_http_respond_error(request, 400, "invalid_parameter",
                                      "minutes: a number from 1 to %" PRIu32
                                      " (stream.live_minutes)",
                                      account->windows.minutes);
                return;
            }
        } else if (pt_span_is(parameter.name, "limit")) {
            if (!take_number(parameter.value, LIMIT_MAX, &question.limit)) {
                refuse(request, &parameter, "a number from 1 to 1000");
                return;
            }
        } else if (pt_span_is(parameter.name, "by")) {
            if (!take_dimensions(parameter.value, &question.by)) {
                refuse(request, &parameter,
                       "one or more of event_name, platform, build_id, variant, each once, with "
                       "commas");
                return;
            }
        } else {
            refuse(request, &parameter, "no such parameter; there are minutes, by, limit");
            return;
        }
    }
    pt_buf_init(&text, ANSWER_BYTES_MAX);
    pt_jsonw_init(&w, &text);
    pt_account_lock(account);
    if (!put_live(&w, account, &question)) {
        text.has_failed = true;
    }
    pt_account_unlock(account);
    answer(request, &text);
    pt_buf_release(&text);
}

/* ---- sequence numbers ---- */

static void put_quality(struct pt_jsonw *w, const struct pt_sequence_row *row)
{
    uint64_t missing = row->missing > 0 ? (uint64_t)row->missing : 0;

    put_count(w, "events", row->events);
    put_count(w, "numbered", row->numbered);
    put_count(w, "missing", missing);
    put_count(w, "missing_before_first", row->missing_head > 0 ? (uint64_t)row->missing_head : 0);
    put_count(w, "reordered", row->reordered);
    put_count(w, "repeated", row->repeated);
    put_count(w, "duplicates", row->duplicates);
    put_count(w, "loss_ppm", pt_parts_per_million(missing, row->numbered));
    put_count(w, "duplicates_ppm", pt_parts_per_million(row->duplicates, row->events));
}

static void add_row(struct pt_sequence_row *into, const struct pt_sequence_row *row)
{
    into->events += row->events;
    into->numbered += row->numbered;
    into->duplicates += row->duplicates;
    into->missing += row->missing;
    into->missing_head += row->missing_head;
    into->reordered += row->reordered;
    into->repeated += row->repeated;
}

static void handle_quality(void *ctx, struct pt_http_request *request)
{
    struct pt_account *account = ctx;
    const struct pt_sequence *sequence = &account->sequence;
    struct pt_sequence_row total = {0};
    struct parameter parameter;
    struct pt_buf text;
    struct pt_jsonw w;
    size_t at = 0;

    if (!pt_keys_admit(account->keys, request, PT_SCOPE_ADMIN)) {
        return;
    }
    if (next_parameter(pt_http_query(request), &at, &parameter)) {
        refuse(request, &parameter, "no such parameter; there are none");
        return;
    }
    pt_buf_init(&text, ANSWER_BYTES_MAX);
    pt_jsonw_init(&w, &text);
    pt_account_lock(account);
    pt_jsonw_object(&w);
    pt_jsonw_key(&w, "sessions");
    pt_jsonw_object(&w);
    put_count(&w, "open", sequence->count);
    put_count(&w, "closed", sequence->closed);
    put_count(&w, "evicted", sequence->evicted);
    put_count(&w, "jumps", sequence->jumps);
    pt_jsonw_object_end(&w);
    pt_jsonw_key(&w, "rows");
    pt_jsonw_array(&w);
    for (uint32_t i = 0; i < sequence->row_count; i++) {
        const struct pt_sequence_row *row = &sequence->rows[i];

        add_row(&total, row);
        if (i == 0 && row->events + row->duplicates == 0) {
            continue;
        }
        pt_jsonw_object(&w);
        if (i == 0) {
            pt_jsonw_key(&w, "other");
            pt_jsonw_bool(&w, true);
        } else {
            put_platform(&w, row->platform);
            put_text(&w, "build_id",
                     (struct pt_text){.data = row->build, .size = row->build_bytes});
        }
        put_quality(&w, row);
        pt_jsonw_object_end(&w);
    }
    pt_jsonw_array_end(&w);
    pt_jsonw_key(&w, "total");
    pt_jsonw_object(&w);
    put_quality(&w, &total);
    pt_jsonw_object_end(&w);
    pt_jsonw_object_end(&w);
    pt_account_unlock(account);
    answer(request, &text);
    pt_buf_release(&text);
}

/* ---- the ledger ---- */

static void put_ledger(struct pt_jsonw *w, const struct pt_ledger_minute *minute)
{
    const struct pt_ledger_counts *counts = &minute->counts;

    put_count(w, "received", counts->received);
    put_count(w, "dead_lettered", counts->dead_lettered);
    put_count(w, "accepted", counts->accepted);
    put_count(w, "stored", counts->stored);
    put_count(w, "duplicate", counts->duplicate);
    put_count(w, "in_flight", minute->in_flight);
    put_count(w, "late", counts->late);
    pt_jsonw_key(w, "balanced");
    pt_jsonw_bool(w,
                  counts->received == counts->accepted + counts->dead_lettered &&
                      counts->accepted == counts->stored + counts->duplicate + minute->in_flight);
}

/* What stands in no file, and the totals with what the log holds beyond them. */
static void copy_ledger(struct pt_account *account, int64_t first, int64_t last,
                        struct pt_buf *minutes, struct pt_ledger_minute *total,
                        struct pt_ledger_counts *before, uint64_t *checkpoint)
{
    const struct pt_ledger *ledger = &account->ledger;
    uint64_t end = account->log ? pt_log_synced_end(account->log) : 0;
    uint64_t unread = 0;

    pt_account_lock(account);
    *total = pt_ledger_minute_of(&ledger->total);
    *before = ledger->before;
    *checkpoint = account->checkpoint;
    unread = end > account->log_offset ? end - account->log_offset : 0;
    for (size_t i = 0; i < ledger->count; i++) {
        struct pt_ledger_minute minute = pt_ledger_minute_of(&ledger->rows[i]);

        if (minute.minute >= first && minute.minute <= last) {
            pt_buf_append(minutes, &minute, sizeof(minute));
        }
    }
    pt_account_unlock(account);
    total->counts.received += unread;
    total->counts.accepted += unread;
    total->in_flight += unread;
}

static void write_ledger(struct pt_account *account, int64_t first, int64_t last,
                         struct pt_http_request *request)
{
    struct pt_ledger_minute total;
    struct pt_ledger_counts before;
    struct pt_buf minutes;
    struct pt_buf text;
    struct pt_jsonw w;
    const struct pt_ledger_minute *at = NULL;
    struct pt_error err = {0};
    uint64_t checkpoint = 0;
    enum pt_code code = PT_OK;

    pt_buf_init(&minutes, ANSWER_BYTES_MAX);
    pt_buf_init(&text, ANSWER_BYTES_MAX);
    copy_ledger(account, first, last, &minutes, &total, &before, &checkpoint);
    code = pt_ledger_read_files(account->io, account->state_dir, checkpoint, first, last, &minutes,
                                &err);
    if (code) {
        pt_http_respond_error(request, 500, "ledger_unreadable", "%s", err.text);
        goto out;
    }
    pt_ledger_merge(&minutes);
    pt_jsonw_init(&w, &text);
    pt_jsonw_object(&w);
    put_time(&w, "from", first * PT_MINUTE_US);
    put_time(&w, "to", (last + 1) * PT_MINUTE_US);
    put_count(&w, "checkpoint", checkpoint);
    pt_jsonw_key(&w, "total");
    pt_jsonw_object(&w);
    put_ledger(&w, &total);
    pt_jsonw_object_end(&w);
    pt_jsonw_key(&w, "before");
    pt_jsonw_object(&w);
    put_ledger(&w, &(struct pt_ledger_minute){.counts = before});
    pt_jsonw_object_end(&w);
    pt_jsonw_key(&w, "minutes");
    pt_jsonw_array(&w);
    at = (const struct pt_ledger_minute *)(const void *)minutes.data;
    for (size_t i = 0; i < minutes.size / sizeof(*at); i++) {
        pt_jsonw_object(&w);
        put_time(&w, "minute", at[i].minute * PT_MINUTE_US);
        put_ledger(&w, &at[i]);
        pt_jsonw_object_end(&w);
    }
    pt_jsonw_array_end(&w);
    pt_jsonw_object_end(&w);
    answer(request, &text);

out:
    pt_buf_release(&minutes);
    pt_buf_release(&text);
}

static void handle_ledger(void *ctx, struct pt_http_request *request)
{
    struct pt_account *account = ctx;
    int64_t now_us = pt_clock_wall_us(account->clock);
    int64_t from_us = PT_NO_EVENT_TIME;
    int64_t to_us = PT_NO_EVENT_TIME;
    int64_t first = 0;
    int64_t last = 0;
    struct parameter parameter;
    size_t at = 0;

    if (!pt_keys_admit(account->keys, request, PT_SCOPE_ADMIN)) {
        return;
    }
    while (next_parameter(pt_http_query(request), &at, &parameter)) {
        bool is_from = pt_span_is(parameter.name, "from");

        if (!is_from && !pt_span_is(parameter.name, "to")) {
            refuse(request, &parameter, "no such parameter; there are from, to");
            return;
        }
        if (!take_time(parameter.value, is_from ? &from_us : &to_us)) {
            refuse(request, &parameter, "a time such as 2026-11-01T12:00:00Z");
            return;
        }
    }
    if (to_us == PT_NO_EVENT_TIME) {
        to_us = from_us == PT_NO_EVENT_TIME ? now_us + 1 : from_us + LEDGER_MINUTES * PT_MINUTE_US;
    }
    if (from_us == PT_NO_EVENT_TIME) {
        from_us = to_us - LEDGER_MINUTES * PT_MINUTE_US;
    }
    if (from_us >= to_us) {
        pt_http_respond_error(request, 400, "invalid_parameter", "from: not before to");
        return;
    }
    first = pt_minute_of(from_us);
    last = pt_minute_of(to_us - 1);
    if (last - first >= LEDGER_MINUTES_MAX) {
        pt_http_respond_error(request, 400, "invalid_parameter",
                              "to: more than %d minutes behind from; ask in pieces",
                              LEDGER_MINUTES_MAX);
        return;
    }
    write_ledger(account, first, last, request);
}

enum pt_code pt_account_routes(struct pt_account *account, struct pt_http_server *server,
                               struct pt_error *err)
{
    enum pt_code code =
        pt_http_route_admin(server, "GET", "/api/v1/live", 0, handle_live, account, err);

    if (!code) {
        code =
            pt_http_route_admin(server, "GET", "/api/v1/quality", 0, handle_quality, account, err);
    }
    if (!code) {
        code = pt_http_route_admin(server, "GET", "/api/v1/ledger", 0, handle_ledger, account, err);
    }
    return code;
}
