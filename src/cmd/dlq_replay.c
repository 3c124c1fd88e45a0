/*
 * dlq_replay.c - `playtrace dlq replay`: repair, look into the table, send
 *
 * NEVER TWICE. Events that the table holds already are not sent. Before it is looked at, the server
 * is asked for a checkpoint, so that the table holds what an earlier replay sent; a lock keeps a
 * second replay out; and what the game itself sends meanwhile meets the stream engine's dedup.
 * Within a replay the first of several dead letters with one event_id counts.
 */
#include "cmd/cmd.h"
#include "cmd/data_dir.h"
#include "cmd/dlq.h"

#include "base/clock.h"
#include "base/json_patch.h"
#include "base/lock.h"
#include "collect/collect.h"
#include "wire/uuid.h"

#include <inttypes.h>
#include <stdarg.h>

#define CHUNK_LETTERS_MAX PT_DLQ_IDS_MAX /* looked up in the table together */
#define CHUNK_BYTES_GOAL (32u << 20)
#define CHUNK_BYTES_MAX (128u << 20)
#define BATCH_EVENTS_MAX 500 /* sent together */
#define BATCH_BYTES_GOAL (1u << 20)
#define EVENT_BYTES_MAX (16u << 20)
#define SHOWN_MAX 20

enum fate {
    TO_SEND,
    UNREPAIRED, /* the patch does not apply */
    IN_TABLE,
    REPEATED, /* another dead letter before it has the same event_id */
};

/* A letter of the chunk; its texts stand in replay->texts. */
struct entry {
    uint64_t offset;
    enum fate fate;
    size_t before_at; /* the event as it is in the dead letters */
    size_t before_bytes;
    size_t item_at; /* the letter with the repaired event, as it is sent */
    size_t item_bytes;
    size_t after_at; /* the repaired event, within the item */
    size_t after_bytes;
};

struct counts {
    uint64_t selected;
    uint64_t repaired;   /* changed by the patch */
    uint64_t unrepaired; /* the patch does not apply */
    uint64_t in_table;
    uint64_t repeated;
    uint64_t accepted;
    uint64_t refused;
};

struct replay {
    bool is_dry;
    bool is_json;
    struct pt_json_patch *patch; /* NULL: events go as they are */
    struct pt_dlq *dlq;
    struct pt_dlq_table *table;
    struct pt_dlq_sender *sender;  /* not for a dry run */
    struct pt_registry *registry;  /* for a dry run; NULL: there is none */
    struct pt_replay_check *check; /* for a dry run */
    struct pt_lock *lock;
    struct pt_json_parser *parser;       /* of repaired events and of answers */
    struct pt_json_parser *other_parser; /* of the event before, for differences */
    struct entry *entries;
    struct pt_dlq_id *ids; /* of each entry */
    size_t count;
    struct pt_buf texts;
    struct pt_buf body;
    struct counts counts;
    unsigned shown; /* messages about single letters */
};

static void say_letter(struct replay *replay, uint64_t offset, const char *format, ...)
    PT_PRINTF(3, 4);

static void say_letter(struct replay *replay, uint64_t offset, const char *format, ...)
{
    char text[1024];
    va_list args;

    if (replay->shown++ >= SHOWN_MAX) {
        if (replay->shown == SHOWN_MAX + 1) {
            pt_cmd_say("dlq replay: further reasons are not shown");
        }
        return;
    }
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    pt_cmd_say("dead letter %" PRIu64 ": %s", offset, text);
}

static void print_verdict(const struct entry *entry, const char *format, ...) PT_PRINTF(2, 3);

static void print_verdict(const struct entry *entry, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    printf("dead letter %" PRIu64 ": ", entry->offset);
    pt_dlq_print_text(stdout, pt_span_str(text), sizeof(text), false);
    putchar('\n');
}

/* ---- repair ---- */

/* Parse JSON that stands in replay->texts or another buffer: padding is appended and taken off
 * again. */
static enum pt_code parse_text(struct pt_json_parser *parser, struct pt_buf *buf, size_t at,
                               size_t bytes, struct pt_json *out, struct pt_error *err)
{
    if (!pt_buf_reserve(buf, PT_JSON_PADDING)) {
        return pt_fail(err, PT_NO_MEMORY, "read a repaired event");
    }
    return pt_json_parse(parser, pt_span_of(buf->data + at, bytes), out, NULL, err);
}

/* The repaired event behind what the item has so far. PT_INVALID: the patch does not apply. */
static enum pt_code write_event(struct replay *replay, const struct pt_dlq_letter *letter,
                                struct pt_jsonw *w, struct entry *entry, struct pt_error *err)
{
    enum pt_code code = PT_OK;

    entry->after_at = replay->texts.size;
    if (replay->patch) {
        code = pt_json_patch_apply(replay->patch, letter->event, &replay->texts, err);
    } else {
        w->needs_comma = false;
        pt_jsonw_value(w, letter->event);
    }
    w->needs_comma = true;
    entry->after_bytes = replay->texts.size - entry->after_at;
    return code;
}

/* What the server wants of a letter: all but the verdict. */
static enum pt_code write_item(struct replay *replay, const struct pt_dlq_letter *letter,
                               struct entry *entry, struct pt_error *err)
{
    static const char *const names[] = {"received_at", "sent_at", "sent_mono_us", "boot",
                                        "country",     "region",  "city"};
    struct pt_jsonw w;
    enum pt_code code = PT_OK;

    entry->item_at = replay->texts.size;
    pt_jsonw_init(&w, &replay->texts);
    pt_jsonw_object(&w);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct pt_json value = pt_json_member(letter->json, names[i]);

        if (pt_json_exists(value)) {
            pt_jsonw_key(&w, names[i]);
            pt_jsonw_value(&w, value);
        }
    }
    pt_jsonw_key(&w, "event");
    code = write_event(replay, letter, &w, entry, err);
    pt_jsonw_object_end(&w);
    entry->item_bytes = replay->texts.size - entry->item_at;
    return code;
}

static enum pt_code find_id(struct replay *replay, const struct entry *entry, struct pt_dlq_id *id,
                            struct pt_error *err)
{
    struct pt_json event;
    struct pt_span text;
    enum pt_code code = parse_text(replay->parser, &replay->texts, entry->after_at,
                                   entry->after_bytes, &event, err);

    if (!code && pt_json_type(event) == PT_JSON_OBJECT &&
        pt_json_member_string(event, "event_id", &text)) {
        id->is_there = pt_uuid_parse((const char *)text.data, text.size, id->bytes);
    }
    return code;
}

static enum pt_code take_letter(struct replay *replay, const struct pt_dlq_letter *letter,
                                struct pt_error *err)
{
    struct entry *entry = &replay->entries[replay->count];
    struct pt_dlq_id *id = &replay->ids[replay->count++];
    struct pt_error why = {0};
    struct pt_jsonw w;
    enum pt_code code = PT_OK;

    *id = (struct pt_dlq_id){.is_there = false};
    *entry = (struct entry){.offset = letter->offset, .before_at = replay->texts.size};
    replay->counts.selected++;
    pt_jsonw_init(&w, &replay->texts);
    pt_jsonw_value(&w, letter->event);
    entry->before_bytes = replay->texts.size - entry->before_at;
    code = write_item(replay, letter, entry, &why);
    if (replay->texts.has_failed || code == PT_NO_MEMORY) {
        return pt_fail(err, PT_NO_MEMORY, "repair dead letter %" PRIu64, letter->offset);
    }
    if (code) {
        entry->fate = UNREPAIRED;
        replay->counts.unrepaired++;
        if (replay->is_dry && !replay->is_json) {
            print_verdict(entry, "the patch does not apply: %s", why.text);
        } else {
            say_letter(replay, entry->offset, "the patch does not apply: %s", why.text);
        }
        return PT_OK;
    }
    replay->counts.repaired +=
        !pt_span_equal(pt_span_of(replay->texts.data + entry->before_at, entry->before_bytes),
                       pt_span_of(replay->texts.data + entry->after_at, entry->after_bytes));
    return find_id(replay, entry, id, err);
}

/* ---- what the table has ---- */

static enum pt_code ask_table(struct replay *replay, struct pt_error *err)
{
    enum pt_code code = pt_dlq_table_ask(replay->table, replay->ids, replay->count, err);

    for (size_t i = 0; !code && i < replay->count; i++) {
        if (replay->ids[i].known == PT_DLQ_IN_TABLE) {
            replay->entries[i].fate = IN_TABLE;
            replay->counts.in_table++;
        } else if (replay->ids[i].known == PT_DLQ_REPEATED) {
            replay->entries[i].fate = REPEATED;
            replay->counts.repeated++;
        }
    }
    return code;
}

/* ---- sending, or what would come of it ---- */

static enum pt_code print_dry(struct replay *replay, const struct entry *entry, const char *verdict,
                              struct pt_error *err)
{
    struct pt_json before = {0};
    struct pt_json after = {0};
    enum pt_code code = parse_text(replay->parser, &replay->texts, entry->after_at,
                                   entry->after_bytes, &after, err);

    if (!code) {
        code = parse_text(replay->other_parser, &replay->texts, entry->before_at,
                          entry->before_bytes, &before, err);
    }
    if (!code) {
        print_verdict(entry, "%s", verdict);
        if (pt_dlq_print_diff(stdout, before, after) == 0) {
            puts("  (unchanged)");
        }
    }
    return code;
}

/* The receipts of one batch, by index: what is not among the refused was accepted. */
static enum pt_code take_answer(struct replay *replay, const size_t *batch, size_t count,
                                struct pt_span answer, char (*reasons)[512], struct pt_error *err)
{
    struct pt_json root;
    struct pt_json list = {0};
    int64_t accepted = 0;
    uint64_t refused = 0;

    if (!pt_json_parse(replay->parser, answer, &root, NULL, NULL) &&
        pt_json_type(root) == PT_JSON_OBJECT && pt_json_member_int(root, "accepted", &accepted)) {
        list = pt_json_member(root, "rejected");
    }
    if (!pt_json_exists(list) || pt_json_type(list) != PT_JSON_ARRAY) {
        return pt_fail(err, PT_IO, "the server answers with something that is no receipt");
    }
    for (struct pt_json_iter it = pt_json_iterate(list); pt_json_next(&it); refused++) {
        struct pt_span code = {0};
        struct pt_span pointer = {0};
        struct pt_span detail = {0};
        int64_t index = -1;

        if (pt_json_type(it.value) != PT_JSON_OBJECT ||
            !pt_json_member_int(it.value, "index", &index) || index < 0 ||
            (uint64_t)index >= count) {
            return pt_fail(err, PT_IO, "the server answers with something that is no receipt");
        }
        pt_json_member_string(it.value, "code", &code);
        pt_json_member_string(it.value, "pointer", &pointer);
        pt_json_member_string(it.value, "detail", &detail);
        snprintf(reasons[index], sizeof(reasons[index]), "%.*s%s%.*s: %.*s", PT_SPAN_ARG(code),
                 pointer.size ? " " : "", PT_SPAN_ARG(pointer), PT_SPAN_ARG(detail));
        if (!replay->is_dry) {
            say_letter(replay, replay->entries[batch[index]].offset, "still refused: %s",
                       reasons[index]);
        }
    }
    if (accepted < 0 || (uint64_t)accepted + refused != count) {
        return pt_fail(err, PT_IO,
                       "%zu events were sent, but %" PRId64 " accepted and %" PRIu64 " refused",
                       count, accepted, refused);
    }
    replay->counts.accepted += (uint64_t)accepted;
    replay->counts.refused += refused;
    return PT_OK;
}

static enum pt_code print_batch(struct replay *replay, const size_t *batch, size_t count,
                                char (*reasons)[512], struct pt_error *err)
{
    for (size_t i = 0; i < count; i++) {
        char verdict[600];
        enum pt_code code = PT_OK;

        snprintf(verdict, sizeof(verdict), reasons[i][0] ? "would still be refused: %s" : "%s",
                 reasons[i][0] ? reasons[i] : "would be accepted");
        code = print_dry(replay, &replay->entries[batch[i]], verdict, err);
        if (code) {
            return code;
        }
    }
    return PT_OK;
}

static void build_body(struct replay *replay, const size_t *batch, size_t count)
{
    pt_buf_reset(&replay->body);
    pt_buf_append_str(&replay->body, "{\"events\":[");
    for (size_t i = 0; i < count; i++) {
        const struct entry *entry = &replay->entries[batch[i]];

        if (i) {
            pt_buf_append_byte(&replay->body, ',');
        }
        pt_buf_append(&replay->body, replay->texts.data + entry->item_at, entry->item_bytes);
    }
    pt_buf_append_str(&replay->body, "]}");
}

/* `is_too_big_out`: nothing was taken, fewer at once may be. */
static enum pt_code ask(struct replay *replay, bool *is_too_big_out, struct pt_span *answer_out,
                        struct pt_error *err)
{
    enum pt_code code = PT_OK;
    int status = 0;

    *is_too_big_out = false;
    if (replay->is_dry) {
        if (!pt_buf_reserve(&replay->body, PT_JSON_PADDING)) {
            return pt_fail(err, PT_NO_MEMORY, "check repaired events");
        }
        code = pt_replay_check_body(replay->check, pt_buf_span(&replay->body),
                                    pt_clock_wall_us(pt_clock_system()), answer_out, err);
        *is_too_big_out = code == PT_TOO_BIG;
        return code == PT_TOO_BIG ? PT_OK : code;
    }
    code = pt_dlq_sender_post(replay->sender, "/api/v1/replay", pt_buf_span(&replay->body), &status,
                              answer_out, err);
    *is_too_big_out = !code && status == 413;
    if (!code && status == 400) {
        return pt_fail(err, PT_INVALID, "the server cannot read the dead letters: %.*s",
                       answer_out->size < 200 ? (int)answer_out->size : 200,
                       (const char *)answer_out->data);
    }
    return code;
}

/* Depth: the logarithm of a batch. */
static enum pt_code submit(struct replay *replay, const size_t *batch, size_t count,
                           struct pt_error *err)
{
    bool is_too_big = false;
    char(*reasons)[512] = NULL;
    struct pt_span answer;
    enum pt_code code = PT_OK;

    build_body(replay, batch, count);
    if (replay->body.has_failed) {
        return pt_fail(err, PT_NO_MEMORY, "write a request");
    }
    code = ask(replay, &is_too_big, &answer, err);
    if (code) {
        return code;
    }
    if (is_too_big && count > 1) {
        code = submit(replay, batch, count / 2, err);
        return code ? code : submit(replay, batch + count / 2, count - count / 2, err);
    }
    reasons = pt_alloc_zero(count * sizeof(*reasons));
    if (!reasons) {
        return pt_fail(err, PT_NO_MEMORY, "read receipts");
    }
    if (is_too_big) {
        snprintf(reasons[0], sizeof(reasons[0]), "the event is larger than a request may be");
        replay->counts.refused++;
        if (!replay->is_dry) {
            say_letter(replay, replay->entries[batch[0]].offset, "still refused: %s", reasons[0]);
        }
    } else {
        code = take_answer(replay, batch, count, answer, reasons, err);
    }
    if (!code && replay->is_dry && !replay->is_json) {
        code = print_batch(replay, batch, count, reasons, err);
    }
    pt_free(reasons);
    return code;
}

static enum pt_code finish_chunk(struct replay *replay, struct pt_error *err)
{
    size_t batch[BATCH_EVENTS_MAX];
    size_t count = 0;
    size_t bytes = 0;
    enum pt_code code = ask_table(replay, err);

    for (size_t i = 0; !code && i < replay->count; i++) {
        const struct entry *entry = &replay->entries[i];

        if (entry->fate == TO_SEND) {
            batch[count++] = i;
            bytes += entry->item_bytes;
        } else if (entry->fate != UNREPAIRED && replay->is_dry && !replay->is_json) {
            code = print_dry(replay, entry,
                             entry->fate == IN_TABLE
                                 ? "its event_id is in the table already"
                                 : "its event_id is that of a dead letter before it",
                             err);
        }
        if (!code && (count == BATCH_EVENTS_MAX || bytes >= BATCH_BYTES_GOAL)) {
            code = submit(replay, batch, count, err);
            count = 0;
            bytes = 0;
        }
    }
    if (!code && count > 0) {
        code = submit(replay, batch, count, err);
    }
    replay->count = 0;
    pt_buf_reset(&replay->texts);
    return code;
}

static enum pt_code run(struct replay *replay, struct pt_error *err)
{
    struct pt_dlq_letter letter = {0};
    enum pt_code code = PT_OK;

    while (!code) {
        code = pt_dlq_next(replay->dlq, &letter, err);
        if (!code) {
            code = take_letter(replay, &letter, err);
        }
        if (!code &&
            (replay->count == CHUNK_LETTERS_MAX || replay->texts.size >= CHUNK_BYTES_GOAL)) {
            code = finish_chunk(replay, err);
        }
    }
    return code == PT_NOT_FOUND ? finish_chunk(replay, err) : code;
}

/* ---- the command ---- */

static enum pt_code read_patch(struct replay *replay, const char *path, struct pt_error *err)
{
    uint8_t *text = NULL;
    size_t size = 0;
    enum pt_code code =
        pt_io_read_all(pt_io_posix(), path, PT_JSON_PATCH_BYTES_MAX, 1, &text, &size, err);

    if (code) {
        return code;
    }
    code = pt_json_patch_create(&replay->patch, pt_span_of(text, size), PT_JSON_PATCH_AUTO, err);
    pt_free(text);
    return code ? pt_error_prefix(err, code, "%s", path) : PT_OK;
}

/* So that the table holds what was sent before. */
static enum pt_code checkpoint(struct replay *replay, struct pt_error *err)
{
    struct pt_span answer;
    int status = 0;
    enum pt_code code = pt_dlq_sender_post(replay->sender, "/api/v1/checkpoint",
                                           (struct pt_span){0}, &status, &answer, err);

    if (!code && status != 200) {
        code = pt_fail(err, PT_IO, "the server could not bring the table up to date: it answers %d",
                       status);
    }
    return code;
}

struct request {
    struct pt_dlq_options given;
    const char *config_path;
    const char *patch_path;
    const char *url;
    const char *api_key;
};

static enum pt_code open_server(struct replay *replay, const struct request *request,
                                const struct pt_data_dir *dir, struct pt_error *err)
{
    char *path = pt_strf("%s/replay.lock", dir->root);
    enum pt_code code = path ? pt_lock_take(&replay->lock, path, err)
                             : pt_fail(err, PT_NO_MEMORY, "lock the dead letters");

    pt_free(path);
    if (code) {
        return code == PT_FENCED
                   ? pt_error_prefix(err, code, "another replay of these dead letters is running")
                   : code;
    }
    code = pt_dlq_sender_open(&replay->sender, request->url, request->api_key, err);
    return code ? code : checkpoint(replay, err);
}

static enum pt_code open_check(struct replay *replay, const struct pt_config *config,
                               const struct pt_data_dir *dir, struct pt_error *err)
{
    enum pt_code code = pt_dlq_schemas_open(&replay->registry, dir->registry, err);

    return code ? code : pt_replay_check_open(&replay->check, config, replay->registry, err);
}

static enum pt_code open_replay(struct replay *replay, const struct request *request,
                                const struct pt_dlq_filter *filter, const struct pt_config *config,
                                struct pt_error *err)
{
    struct pt_data_dir dir = {0};
    enum pt_code code = pt_data_dir_init(&dir, pt_cmd_data_dir(request->given.data), err);

    pt_buf_init(&replay->texts, CHUNK_BYTES_MAX);
    pt_buf_init(&replay->body, CHUNK_BYTES_MAX);
    replay->parser = pt_json_parser_create(EVENT_BYTES_MAX);
    replay->other_parser = pt_json_parser_create(EVENT_BYTES_MAX);
    replay->entries = pt_alloc(CHUNK_LETTERS_MAX * sizeof(struct entry));
    replay->ids = pt_alloc(CHUNK_LETTERS_MAX * sizeof(struct pt_dlq_id));
    if (!code && (!replay->parser || !replay->other_parser || !replay->entries || !replay->ids)) {
        code = pt_fail(err, PT_NO_MEMORY, "start");
    }
    if (!code) {
        code = pt_dlq_open(&replay->dlq, dir.dlq, filter, err);
    }
    if (!code) {
        code = replay->is_dry ? open_check(replay, config, &dir, err)
                              : open_server(replay, request, &dir, err);
    }
    if (!code) {
        code = pt_dlq_table_open(&replay->table, dir.lake, err);
    }
    pt_data_dir_release(&dir);
    return code;
}

static void close_replay(struct replay *replay)
{
    pt_dlq_table_close(replay->table);
    pt_dlq_sender_close(replay->sender);
    pt_replay_check_close(replay->check);
    pt_registry_close(replay->registry);
    pt_lock_release(replay->lock);
    pt_dlq_close(replay->dlq);
    pt_json_parser_destroy(replay->parser);
    pt_json_parser_destroy(replay->other_parser);
    pt_json_patch_destroy(replay->patch);
    pt_buf_release(&replay->texts);
    pt_buf_release(&replay->body);
    pt_free(replay->entries);
    pt_free(replay->ids);
}

static void print_counts(const struct replay *replay)
{
    const struct counts *counts = &replay->counts;

    if (replay->is_json) {
        printf("{\"dry_run\":%s,\"selected\":%" PRIu64 ",\"repaired\":%" PRIu64
               ",\"not_repaired\":%" PRIu64 ",\"in_table\":%" PRIu64 ",\"repeated\":%" PRIu64
               ",\"accepted\":%" PRIu64 ",\"refused\":%" PRIu64 "}\n",
               replay->is_dry ? "true" : "false", counts->selected, counts->repaired,
               counts->unrepaired, counts->in_table, counts->repeated, counts->accepted,
               counts->refused);
        return;
    }
    printf("selected              %10" PRIu64 "\n", counts->selected);
    printf("repaired              %10" PRIu64 "\n", counts->repaired);
    if (counts->unrepaired) {
        printf("patch does not apply  %10" PRIu64 "\n", counts->unrepaired);
    }
    printf("already in the table  %10" PRIu64 "\n", counts->in_table);
    if (counts->repeated) {
        printf("repeated              %10" PRIu64 "\n", counts->repeated);
    }
    printf("%-20s  %10" PRIu64 "\n", replay->is_dry ? "would be accepted" : "accepted",
           counts->accepted);
    printf("%-20s  %10" PRIu64 "\n", replay->is_dry ? "would be refused" : "still refused",
           counts->refused);
}

static int replay_letters(struct replay *replay, const struct request *request)
{
    struct pt_dlq_filter filter;
    struct pt_config *config = NULL;
    struct pt_error err = {0};
    enum pt_code code = PT_OK;

    if (!pt_dlq_filter_init(&filter, &request->given)) {
        return PT_EXIT_USAGE;
    }
    if (request->patch_path && read_patch(replay, request->patch_path, &err)) {
        pt_cmd_failed("dlq replay", &err);
        return PT_EXIT_USAGE;
    }
    config = pt_cmd_config(request->config_path);
    if (!config) {
        return PT_EXIT_USAGE;
    }
    code = open_replay(replay, request, &filter, config, &err);
    pt_config_destroy(config);
    if (code) {
        return pt_cmd_failed("dlq replay", &err);
    }
    code = run(replay, &err);
    /* Also after a failure: what was accepted before it is accepted. */
    print_counts(replay);
    if (code) {
        return pt_cmd_failed("dlq replay", &err);
    }
    return replay->counts.refused || replay->counts.unrepaired ? PT_EXIT_FAILED : PT_EXIT_OK;
}

int pt_dlq_replay(int argc, char **argv)
{
    struct request request = {.url = "http://127.0.0.1:8080"};
    struct replay replay = {0};
    const char *format = "table";
    const struct pt_option options[] = {
        PT_DLQ_OPTIONS(&request.given),
        {"--patch", "FILE", "the repair: a JSON Patch (an array) or a Merge Patch (an object)",
         &request.patch_path, NULL},
        {"--dry-run", NULL, "show what would change and become of it, and send nothing", NULL,
         &replay.is_dry},
        {"--url", "URL", "the server's address for administrators (http://127.0.0.1:8080)",
         &request.url, NULL},
        {"--api-key", "KEY", "an admin key, where the server has one", &request.api_key, NULL},
        {"--config", "FILE", "the server's settings, for the limits of a dry run",
         &request.config_path, NULL},
        {"--format", "FORMAT", "table (default), or json: the counts alone", &format, NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };
    struct pt_command_line line = {
        .usage = "playtrace dlq replay [--data DIR] [--code CODE] [--event-name NAME] "
                 "[--since TIME] [--until TIME] [--from OFFSET] [--limit N] [--patch FILE] "
                 "[--dry-run] [--url URL] [--api-key KEY]",
        .about =
            "Repairs refused events and sends them to the running server, which checks them "
            "again. An event that\nthe table holds already is left out, so that a replay may be "
            "repeated. Exit 1 where some are still refused.",
        .options = options,
    };
    int status = pt_command_line_parse(&line, argc, argv);

    if (status >= 0) {
        return status;
    }
    replay.is_json = strcmp(format, "json") == 0;
    if (!replay.is_json && strcmp(format, "table") != 0) {
        pt_cmd_say("--format: \"%s\"; it may be table or json", format);
        return PT_EXIT_USAGE;
    }
    status = replay_letters(&replay, &request);
    close_replay(&replay);
    return status;
}
