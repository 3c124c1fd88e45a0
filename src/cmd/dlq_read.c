/*
 * dlq_read.c - dead letters from the files, those that a filter lets through
 */
#include "cmd/cmd.h"
#include "cmd/dlq.h"

#include "base/clock.h"
#include "log/log.h"
#include "wire/rfc3339.h"

#include <inttypes.h>
#include <stdlib.h>

struct pt_dlq {
    struct pt_log_reader *reader;
    struct pt_json_parser *parser;
    uint8_t *text; /* the letter at hand, with padding behind it */
    size_t text_capacity;
    struct pt_dlq_filter filter;
    uint64_t left; /* of filter.limit */
    struct pt_log_batch batch;
    const uint8_t *at; /* the next record of the batch */
    uint32_t index;    /* its index */
};

/* ---- the filter ---- */

/* "90m", "24h", "7d": so long ago. */
static bool parse_ago(const char *text, int64_t *time_us_out)
{
    char *end = NULL;
    long long count = strtoll(text, &end, 10);
    int64_t unit_us = 0;

    if (end == text || count < 0 || count > 100000 || !*end || end[1]) {
        return false;
    }
    switch (*end) {
    case 'm':
        unit_us = INT64_C(60000000);
        break;
    case 'h':
        unit_us = INT64_C(3600000000);
        break;
    case 'd':
        unit_us = PT_DAY_US;
        break;
    default:
        return false;
    }
    *time_us_out = pt_clock_wall_us(pt_clock_system()) - count * unit_us;
    return true;
}

static bool parse_time(const char *option, const char *text, int64_t *time_us_out)
{
    char midnight[32];

    if (pt_rfc3339_parse(text, strlen(text), time_us_out) || parse_ago(text, time_us_out)) {
        return true;
    }
    if (strlen(text) == 10) {
        snprintf(midnight, sizeof(midnight), "%sT00:00:00Z", text);
        if (pt_rfc3339_parse(midnight, strlen(midnight), time_us_out)) {
            return true;
        }
    }
    pt_cmd_say("%s: \"%s\" is neither a time such as 2026-11-01T12:00:00Z, nor a date such as "
               "2026-11-01, nor as long ago as 90m, 24h or 7d",
               option, text);
    return false;
}

bool pt_dlq_filter_init(struct pt_dlq_filter *filter, const struct pt_dlq_options *options)
{
    int64_t from = 0;
    int64_t limit = INT64_MAX;

    *filter = (struct pt_dlq_filter){
        .code = options->code,
        .event_name = options->event_name,
        .since_us = INT64_MIN,
        .until_us = INT64_MAX,
        .has_from = options->from != NULL,
    };
    if ((options->from && !pt_cmd_parse_int("--from", options->from, 0, INT64_MAX, &from)) ||
        (options->limit && !pt_cmd_parse_int("--limit", options->limit, 0, INT64_MAX, &limit)) ||
        (options->since && !parse_time("--since", options->since, &filter->since_us)) ||
        (options->until && !parse_time("--until", options->until, &filter->until_us))) {
        return false;
    }
    filter->from = (uint64_t)from;
    filter->limit = (uint64_t)limit;
    return true;
}

static bool is_wanted(const struct pt_dlq_filter *filter, const struct pt_dlq_letter *letter)
{
    int64_t received_us = 0;

    if ((filter->code && !pt_span_is(letter->code, filter->code)) ||
        (filter->event_name && !pt_span_is(letter->event_name, filter->event_name))) {
        return false;
    }
    if (filter->since_us == INT64_MIN && filter->until_us == INT64_MAX) {
        return true;
    }
    return pt_rfc3339_parse((const char *)letter->received_at.data, letter->received_at.size,
                            &received_us) &&
           received_us >= filter->since_us && received_us < filter->until_us;
}

/* ---- reading ---- */

/* The seek's own message speaks of segments; here is what it means for dead letters. */
static enum pt_code go_to(struct pt_dlq *dlq, uint64_t from, struct pt_error *err)
{
    struct pt_error why = {0};
    enum pt_code code = pt_log_reader_seek(dlq->reader, from, &why);

    switch (code) {
    case PT_NOT_FOUND:
        return pt_fail(err, code,
                       "dead letter %" PRIu64 " is gone: retention (dlq.retention_days and "
                       "dlq.retention_bytes) released it; the oldest one there is %" PRIu64,
                       from, pt_log_reader_start(dlq->reader));
    case PT_INVALID:
        return pt_fail(err, code, "there is no dead letter %" PRIu64 " yet", from);
    case PT_OK:
    case PT_AGAIN:
    case PT_TOO_BIG:
    case PT_FENCED:
    case PT_CORRUPT:
    case PT_FULL:
    case PT_IO:
    case PT_NO_MEMORY:
        break;
    }
    if (code && err) {
        *err = why;
    }
    return code;
}

enum pt_code pt_dlq_open(struct pt_dlq **dlq_out, const char *dir,
                         const struct pt_dlq_filter *filter, struct pt_error *err)
{
    struct pt_dlq *dlq = pt_alloc_zero(sizeof(*dlq));
    enum pt_code code = PT_OK;

    *dlq_out = NULL;
    if (!dlq) {
        return pt_fail(err, PT_NO_MEMORY, "read the dead letters");
    }
    dlq->filter = *filter;
    dlq->left = filter->limit;
    dlq->parser = pt_json_parser_create(PT_LOG_BATCH_BYTES_MAX);
    if (!dlq->parser) {
        code = pt_fail(err, PT_NO_MEMORY, "read the dead letters");
    }
    if (!code) {
        code = pt_log_reader_open(&dlq->reader, pt_io_posix(), dir, err);
    }
    if (!code) {
        code = go_to(dlq, filter->has_from ? filter->from : pt_log_reader_start(dlq->reader), err);
    }
    if (code) {
        pt_dlq_close(dlq);
        return code;
    }
    *dlq_out = dlq;
    return PT_OK;
}

void pt_dlq_close(struct pt_dlq *dlq)
{
    if (dlq) {
        pt_log_reader_close(dlq->reader);
        pt_json_parser_destroy(dlq->parser);
        pt_free(dlq->text);
        pt_free(dlq);
    }
}

static enum pt_code copy_text(struct pt_dlq *dlq, uint32_t size, struct pt_error *err)
{
    size_t needed = (size_t)size + PT_JSON_PADDING;

    if (needed > dlq->text_capacity) {
        uint8_t *grown = pt_realloc(dlq->text, needed * 2);

        if (!grown) {
            return pt_fail(err, PT_NO_MEMORY, "read a dead letter of %u bytes", size);
        }
        dlq->text = grown;
        dlq->text_capacity = needed * 2;
    }
    memcpy(dlq->text, dlq->at, size);
    memset(dlq->text + size, 0, PT_JSON_PADDING);
    return PT_OK;
}

static void find_text(struct pt_json object, const char *name, struct pt_span *text_out)
{
    if (!pt_json_member_string(object, name, text_out)) {
        *text_out = (struct pt_span){0};
    }
}

/* The record at dlq->at. */
static enum pt_code read_letter(struct pt_dlq *dlq, struct pt_dlq_letter *letter,
                                struct pt_error *err)
{
    uint32_t size = dlq->batch.sizes[dlq->index];
    enum pt_code code = copy_text(dlq, size, err);

    if (code) {
        return code;
    }
    *letter = (struct pt_dlq_letter){
        .offset = dlq->batch.offset + dlq->index,
        .text = pt_span_of(dlq->text, size),
    };
    code = pt_json_parse(dlq->parser, letter->text, &letter->json, NULL, err);
    if (code) {
        return pt_error_prefix(err, code, "dead letter %" PRIu64, letter->offset);
    }
    if (pt_json_type(letter->json) == PT_JSON_OBJECT) {
        letter->event = pt_json_member(letter->json, "event");
    }
    if (!pt_json_exists(letter->event)) {
        return pt_fail(err, PT_CORRUPT, "dead letter %" PRIu64 " holds no event", letter->offset);
    }
    find_text(letter->json, "received_at", &letter->received_at);
    find_text(letter->json, "code", &letter->code);
    find_text(letter->json, "pointer", &letter->pointer);
    find_text(letter->json, "detail", &letter->detail);
    if (pt_json_type(letter->event) == PT_JSON_OBJECT) {
        find_text(letter->event, "event_name", &letter->event_name);
    }
    return PT_OK;
}

enum pt_code pt_dlq_next(struct pt_dlq *dlq, struct pt_dlq_letter *letter_out, struct pt_error *err)
{
    while (dlq->left > 0) {
        enum pt_code code = PT_OK;
        bool is_before = false;

        if (dlq->index == dlq->batch.count) {
            code = pt_log_reader_next(dlq->reader, UINT64_MAX, &dlq->batch, err);
            if (code) {
                dlq->batch.count = 0;
                dlq->index = 0;
                return code;
            }
            dlq->at = dlq->batch.records;
            dlq->index = 0;
            continue;
        }
        is_before = dlq->filter.has_from && dlq->batch.offset + dlq->index < dlq->filter.from;
        if (!is_before) {
            code = read_letter(dlq, letter_out, err);
        }
        dlq->at += dlq->batch.sizes[dlq->index];
        dlq->index++;
        if (code) {
            return code;
        }
        if (!is_before && is_wanted(&dlq->filter, letter_out)) {
            dlq->left--;
            return PT_OK;
        }
    }
    return PT_NOT_FOUND;
}
