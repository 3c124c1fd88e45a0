/*
 * live_routes.c - GET /api/v1/live, /api/v1/quality, /api/v1/ledger
 *
 * Admin routes. What they answer is docs/live.md. The lock is held while an answer is written: up
 * to a few milliseconds at 4,096 series.
 */
#include "stream/live_json.h"

#include "base/crypto.h"

#include <inttypes.h>

#define ANSWER_BYTES_MAX (64u << 20)
#define LIVE_MINUTES 10 /* asked for by saying nothing */
#define LIMIT 50
#define LIMIT_MAX 1000
#define LEDGER_MINUTES 60
#define LEDGER_MINUTES_MAX 1440

/* ---- questions ---- */

#define VALUE_BYTES_MAX 128

struct parameter {
    struct pt_span name;
    struct pt_span value; /* in `text` */
    bool is_broken;       /* it has a percent sign that is no escape */
    uint8_t text[VALUE_BYTES_MAX];
};

/* Take the next name=value off a query string; false at its end. What is too long for any value of
 * ours is cut, and then is none. */
static bool next_parameter(struct pt_span *query, struct parameter *out)
{
    struct pt_span value;
    size_t size = 0;

    if (!pt_http_query_next(query, &out->name, &value)) {
        return false;
    }
    out->is_broken = !pt_percent_decode(value, false, out->text, VALUE_BYTES_MAX, &size) &&
                     size < VALUE_BYTES_MAX;
    out->value = pt_span_of(out->text, size);
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
        unsigned found = pt_live_dimension(pt_span_of(text.data + at, end - at));

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

/* A value that cannot be read; true after saying so. */
static bool is_unreadable(struct pt_http_request *request, const struct parameter *parameter)
{
    if (parameter->is_broken) {
        refuse(request, parameter,
               "a percent sign that is no escape such as %2C; itself it is %25");
    }
    return parameter->is_broken;
}

static void answer(struct pt_http_request *request, const struct pt_buf *text)
{
    if (text->has_failed) {
        pt_http_respond_error(request, 503, "overloaded", "no memory for the answer");
    } else {
        pt_http_respond(request, 200, "application/json", pt_buf_span(text), NULL, 0);
    }
}

static void handle_live(void *ctx, struct pt_http_request *request)
{
    struct pt_account *account = ctx;
    struct pt_live_question question = {.minutes = LIVE_MINUTES, .limit = LIMIT};
    struct pt_span query = pt_http_query(request);
    struct parameter parameter;
    struct pt_buf text;
    struct pt_jsonw w;

    if (!pt_keys_admit(account->keys, request, PT_SCOPE_ADMIN)) {
        return;
    }
    question.minutes =
        account->windows.minutes < LIVE_MINUTES ? account->windows.minutes : LIVE_MINUTES;
    while (next_parameter(&query, &parameter)) {
        if (is_unreadable(request, &parameter)) {
            return;
        }
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
    if (!pt_live_put(&w, account, &question)) {
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

    pt_jsonw_member_uint(w, "events", row->events);
    pt_jsonw_member_uint(w, "numbered", row->numbered);
    pt_jsonw_member_uint(w, "missing", missing);
    pt_jsonw_member_uint(w, "missing_before_first",
                         row->missing_head > 0 ? (uint64_t)row->missing_head : 0);
    pt_jsonw_member_uint(w, "reordered", row->reordered);
    pt_jsonw_member_uint(w, "repeated", row->repeated);
    pt_jsonw_member_uint(w, "duplicates", row->duplicates);
    pt_jsonw_member_uint(w, "loss_ppm", pt_parts_per_million(missing, row->numbered));
    pt_jsonw_member_uint(w, "duplicates_ppm", pt_parts_per_million(row->duplicates, row->events));
}

static void handle_quality(void *ctx, struct pt_http_request *request)
{
    struct pt_account *account = ctx;
    const struct pt_sequence *sequence = &account->sequence;
    struct pt_sequence_row total = {0};
    struct pt_span query = pt_http_query(request);
    struct parameter parameter;
    struct pt_buf text;
    struct pt_jsonw w;

    if (!pt_keys_admit(account->keys, request, PT_SCOPE_ADMIN)) {
        return;
    }
    if (next_parameter(&query, &parameter)) {
        refuse(request, &parameter, "no such parameter; there are none");
        return;
    }
    pt_buf_init(&text, ANSWER_BYTES_MAX);
    pt_jsonw_init(&w, &text);
    pt_account_lock(account);
    pt_jsonw_object(&w);
    pt_jsonw_key(&w, "sessions");
    pt_jsonw_object(&w);
    pt_jsonw_member_uint(&w, "open", sequence->count);
    pt_jsonw_member_uint(&w, "closed", sequence->closed);
    pt_jsonw_member_uint(&w, "evicted", sequence->evicted);
    pt_jsonw_member_uint(&w, "jumps", sequence->jumps);
    pt_jsonw_object_end(&w);
    pt_jsonw_key(&w, "rows");
    pt_jsonw_array(&w);
    for (uint32_t i = 0; i < sequence->row_count; i++) {
        const struct pt_sequence_row *row = &sequence->rows[i];

        pt_sequence_row_add(&total, row);
        if (i == 0 && row->events + row->duplicates == 0) {
            continue;
        }
        pt_jsonw_object(&w);
        if (i == 0) {
            pt_jsonw_member_bool(&w, "other", true);
        } else {
            pt_live_put_platform(&w, row->platform);
            pt_live_put_text(&w, "build_id",
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

    pt_jsonw_member_uint(w, "received", counts->received);
    pt_jsonw_member_uint(w, "dead_lettered", counts->dead_lettered);
    pt_jsonw_member_uint(w, "accepted", counts->accepted);
    pt_jsonw_member_uint(w, "stored", counts->stored);
    pt_jsonw_member_uint(w, "duplicate", counts->duplicate);
    pt_jsonw_member_uint(w, "in_flight", minute->in_flight);
    pt_jsonw_member_uint(w, "late", counts->late);
    pt_jsonw_member_bool(w, "balanced",
                         counts->received == counts->accepted + counts->dead_lettered &&
                             counts->accepted ==
                                 counts->stored + counts->duplicate + minute->in_flight);
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
    pt_live_put_time(&w, "from", first * PT_MINUTE_US);
    pt_live_put_time(&w, "to", (last + 1) * PT_MINUTE_US);
    pt_jsonw_member_uint(&w, "checkpoint", checkpoint);
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
        pt_live_put_time(&w, "minute", at[i].minute * PT_MINUTE_US);
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
    struct pt_span query = pt_http_query(request);
    struct parameter parameter;

    if (!pt_keys_admit(account->keys, request, PT_SCOPE_ADMIN)) {
        return;
    }
    while (next_parameter(&query, &parameter)) {
        bool is_from = pt_span_is(parameter.name, "from");

        if (is_unreadable(request, &parameter)) {
            return;
        }
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
