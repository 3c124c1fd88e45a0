/*
 * dlq_list.c - `playtrace dlq list` and `playtrace dlq show`
 */
#include "cmd/cmd.h"
#include "cmd/data_dir.h"
#include "cmd/dlq.h"

#include <inttypes.h>
#include <stdlib.h>

#define GROUPS_MAX 1000 /* reasons told apart; further ones are counted together */

enum format {
    NDJSON,
    JSON,
    TABLE,
};

static bool parse_format(const char *text, enum format *format_out)
{
    static const char *const names[] = {"ndjson", "json", "table"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text, names[i]) == 0) {
            *format_out = (enum format)i;
            return true;
        }
    }
    pt_cmd_say("--format: \"%s\"; it may be table, json or ndjson", text);
    return false;
}

/* ---- list ---- */

static void print_letter(const struct pt_dlq_letter *letter, enum format format, bool is_first)
{
    if (format == TABLE) {
        if (is_first) {
            printf("%10s  %-20s  %-16s  %-24s  %-20s  %s\n", "offset", "received", "code",
                   "pointer", "event", "why");
        }
        printf("%10" PRIu64 "  ", letter->offset);
        pt_dlq_print_text(stdout,
                          pt_span_of(letter->received_at.data,
                                     letter->received_at.size < 19 ? letter->received_at.size : 19),
                          20, true);
        fputs("  ", stdout);
        pt_dlq_print_text(stdout, letter->code, 16, true);
        fputs("  ", stdout);
        pt_dlq_print_text(stdout, letter->pointer, 24, true);
        fputs("  ", stdout);
        pt_dlq_print_text(stdout, letter->event_name, 20, true);
        fputs("  ", stdout);
        pt_dlq_print_text(stdout, letter->detail, 100, false);
        putchar('\n');
        return;
    }
    if (format == JSON) {
        fputs(is_first ? "[\n" : ",\n", stdout);
    }
    /* A letter is one JSON object, which has no newline in it. */
    printf("{\"offset\":%" PRIu64 ",", letter->offset);
    fwrite(letter->text.data + 1, 1, letter->text.size - 1, stdout);
    if (format == NDJSON) {
        putchar('\n');
    }
}

static enum pt_code list(struct pt_dlq *dlq, enum format format, struct pt_error *err)
{
    struct pt_dlq_letter letter = {0};
    bool is_first = true;
    enum pt_code code = pt_dlq_next(dlq, &letter, err);

    for (; !code; code = pt_dlq_next(dlq, &letter, err)) {
        print_letter(&letter, format, is_first);
        is_first = false;
    }
    if (format == JSON) {
        puts(is_first ? "[]" : "\n]");
    } else if (format == TABLE && is_first) {
        puts("no dead letters");
    }
    return code == PT_NOT_FOUND ? PT_OK : code;
}

/* ---- summary ---- */

struct group {
    char *code;
    char *pointer;
    uint64_t count;
    uint64_t example; /* offset of the newest */
    char first[32];   /* received_at of the oldest … */
    char last[32];    /* … and of the newest */
};

struct summary {
    struct group *groups;
    size_t count;
    uint64_t letters;
};

static char *copy_of(struct pt_span text)
{
    return pt_strndup(text.size ? (const char *)text.data : "", text.size);
}

static enum pt_code add_to_summary(struct summary *summary, const struct pt_dlq_letter *letter,
                                   struct pt_error *err)
{
    bool is_over = summary->count == GROUPS_MAX;
    struct group *group = summary->groups;
    struct group *end = group + summary->count;
    int time_bytes = letter->received_at.size < 31 ? (int)letter->received_at.size : 31;

    for (; group < end; group++) {
        if (pt_span_is(letter->code, group->code) && pt_span_is(letter->pointer, group->pointer)) {
            break;
        }
    }
    if (group == end && is_over) {
        group--; /* the last one stands for all others */
        pt_free(group->code);
        pt_free(group->pointer);
        group->code = pt_strdup("(others)");
        group->pointer = pt_strdup("");
    } else if (group == end) {
        *group = (struct group){.code = copy_of(letter->code), .pointer = copy_of(letter->pointer)};
        snprintf(group->first, sizeof(group->first), "%.*s", time_bytes,
                 (const char *)letter->received_at.data);
        summary->count++;
    }
    if (!group->code || !group->pointer) {
        return pt_fail(err, PT_NO_MEMORY, "sum up the dead letters");
    }
    group->count++;
    group->example = letter->offset;
    snprintf(group->last, sizeof(group->last), "%.*s", time_bytes,
             (const char *)letter->received_at.data);
    summary->letters++;
    return PT_OK;
}

static int by_count(const void *a, const void *b)
{
    const struct group *left = a;
    const struct group *right = b;

    return left->count < right->count ? 1 : left->count > right->count ? -1 : 0;
}

static void print_groups_table(const struct summary *summary)
{
    printf("%10s  %-16s  %-32s  %-19s  %-19s  %s\n", "count", "code", "pointer", "first", "last",
           "newest");
    for (size_t i = 0; i < summary->count; i++) {
        const struct group *group = &summary->groups[i];

        printf("%10" PRIu64 "  ", group->count);
        pt_dlq_print_text(stdout, pt_span_str(group->code), 16, true);
        fputs("  ", stdout);
        pt_dlq_print_text(stdout, pt_span_str(group->pointer), 32, true);
        printf("  %-19.19s  %-19.19s  %" PRIu64 "\n", group->first, group->last, group->example);
    }
    printf("%10" PRIu64 "  in all\n", summary->letters);
}

static void print_groups_json(const struct summary *summary, enum format format)
{
    struct pt_buf text;
    struct pt_jsonw w;

    pt_buf_init(&text, 16u << 20);
    for (size_t i = 0; i < summary->count; i++) {
        const struct group *group = &summary->groups[i];

        pt_buf_append_str(&text, format == NDJSON ? "" : i ? ",\n" : "[\n");
        pt_jsonw_init(&w, &text);
        pt_jsonw_object(&w);
        pt_jsonw_member_str(&w, "code", group->code);
        pt_jsonw_member_str(&w, "pointer", group->pointer);
        pt_jsonw_member_uint(&w, "count", group->count);
        pt_jsonw_member_str(&w, "first_received_at", group->first);
        pt_jsonw_member_str(&w, "last_received_at", group->last);
        pt_jsonw_member_uint(&w, "newest_offset", group->example);
        pt_jsonw_object_end(&w);
        pt_buf_append_str(&text, format == NDJSON ? "\n" : "");
    }
    if (format == JSON) {
        pt_buf_append_str(&text, summary->count ? "\n]\n" : "[]\n");
    }
    if (text.size) {
        fwrite(text.data, 1, text.size, stdout);
    }
    pt_buf_release(&text);
}

static enum pt_code summarize(struct pt_dlq *dlq, enum format format, struct pt_error *err)
{
    struct summary summary = {.groups = pt_alloc_zero(GROUPS_MAX * sizeof(struct group))};
    struct pt_dlq_letter letter = {0};
    enum pt_code code = PT_OK;

    if (!summary.groups) {
        return pt_fail(err, PT_NO_MEMORY, "sum up the dead letters");
    }
    code = pt_dlq_next(dlq, &letter, err);
    while (!code) {
        code = add_to_summary(&summary, &letter, err);
        if (!code) {
            code = pt_dlq_next(dlq, &letter, err);
        }
    }
    if (code == PT_NOT_FOUND) {
        qsort(summary.groups, summary.count, sizeof(struct group), by_count);
        if (format == TABLE) {
            print_groups_table(&summary);
        } else {
            print_groups_json(&summary, format);
        }
        code = PT_OK;
    }
    for (size_t i = 0; i < summary.count; i++) {
        pt_free(summary.groups[i].code);
        pt_free(summary.groups[i].pointer);
    }
    pt_free(summary.groups);
    return code;
}

/* Open the data directory's dead letters. */
static enum pt_code open_letters(struct pt_dlq **dlq_out, const char *data,
                                 const struct pt_dlq_filter *filter, struct pt_error *err)
{
    struct pt_data_dir dir = {0};
    enum pt_code code = pt_data_dir_init(&dir, pt_cmd_data_dir(data), err);

    *dlq_out = NULL;
    if (!code) {
        code = pt_dlq_open(dlq_out, dir.dlq, filter, err);
    }
    pt_data_dir_release(&dir);
    return code;
}

int pt_dlq_list(int argc, char **argv)
{
    struct pt_dlq_options given = {0};
    const char *format_text = NULL;
    bool is_summary = false;
    const struct pt_option options[] = {
        PT_DLQ_OPTIONS(&given),
        {"--summary", NULL, "count by code and pointer", NULL, &is_summary},
        {"--format", "FORMAT", "ndjson (default), json, or table (default of --summary)",
         &format_text, NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };
    struct pt_command_line line = {
        .usage = "playtrace dlq list [--data DIR] [--code CODE] [--event-name NAME] [--since TIME] "
                 "[--until TIME] [--from OFFSET] [--limit N] [--summary] [--format FORMAT]",
        .about = "Prints one JSON object a refused event: when it came, why it was refused (code, "
                 "JSON pointer, sentence), and the event with its ids as pseudonyms.",
        .options = options,
    };
    struct pt_dlq_filter filter;
    struct pt_dlq *dlq = NULL;
    struct pt_error err = {0};
    enum format format = NDJSON;
    enum pt_code code = PT_OK;
    int status = pt_command_line_parse(&line, argc, argv);

    if (status >= 0) {
        return status;
    }
    if (!format_text) {
        format_text = is_summary ? "table" : "ndjson";
    }
    if (!parse_format(format_text, &format) || !pt_dlq_filter_init(&filter, &given)) {
        return PT_EXIT_USAGE;
    }
    code = open_letters(&dlq, given.data, &filter, &err);
    if (!code) {
        code = is_summary ? summarize(dlq, format, &err) : list(dlq, format, &err);
    }
    pt_dlq_close(dlq);
    return code ? pt_cmd_failed("dlq list", &err) : PT_EXIT_OK;
}

/* ---- show ---- */

static const struct {
    const char *code;
    const char *hint;
} hints[] = {
    {"missing_field",
     "Have the game send it. Here: add it, where its value is the same for all (an "
     "`add` operation), or move it from the name under which it came (`move`)."},
    {"wrong_type", "Have the game send the type that is asked for. Here: `replace` the value."},
    {"empty", "Have the game send a value. Here: `replace` it, or `remove` an optional field."},
    {"too_long",
     "Have the game send less. Here: `replace` or `remove` it, or raise the limit "
     "(collect.attribute_value_bytes_max, collect.attribute_key_bytes_max) and replay."},
    {"invalid_uuid",
     "Have the game make UUIDs (the SDKs do). Here: `replace` event_id by a UUID of "
     "your own, one for each event: replay one with --from OFFSET --limit 1."},
    {"invalid_name", "Have the game send letters, digits, _ and . only. Here: `replace` it."},
    {"invalid_time", "Have the game send RFC 3339. Here: `replace` it."},
    {"invalid_platform", "Have the game send ios, android, pc, console or web. Here: `replace` it, "
                         "or `remove` it."},
    {"invalid_value", "Here: `replace` the value."},
    {"out_of_range", "Here: `replace` the value, or `remove` it where the field is optional."},
    {"unknown_field", "Have the game send it under attributes. Here: `remove` it (its value stands "
                      "as a pseudonym and cannot be had back), or `move` it, where it is the "
                      "player's id under another name: /userId to /user_id."},
    {"too_many", "Have the game send fewer attributes. Here: `remove` some, or raise "
                 "collect.attributes_max and replay."},
    {"too_deep", "Have the game nest less. Here: `move` or `remove`, or raise "
                 "collect.attribute_depth_max and replay."},
    {"schema_violation",
     "Have the game hold to the schema of its event_name, or register the schema "
     "that it really sends and replay. Here: repair the attributes."},
    {"unknown_schema_version", "Register that version and replay. Here: `remove` /schema_version, "
                               "and any live version will do."},
    {"too_many_keys", "A key is probably made from data (level_17): move that into a value. Or "
                      "raise collect.attribute_keys_max and replay."},
};

static const char *hint_for(struct pt_span code)
{
    for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
        if (pt_span_is(code, hints[i].code)) {
            return hints[i].hint;
        }
    }
    return "Repair the event by a patch, so that the reason above no longer holds.";
}

static void print_member(struct pt_json letter, const char *name, const char *before)
{
    struct pt_span text;

    if (pt_json_member_string(letter, name, &text)) {
        fputs(before, stdout);
        pt_dlq_print_text(stdout, text, 100, false);
    }
}

static void show(const struct pt_dlq_letter *letter)
{
    int64_t index = 0;
    int64_t version = 0;

    printf("dead letter %" PRIu64 "\n\n  received    ", letter->offset);
    pt_dlq_print_text(stdout, letter->received_at, 40, false);
    print_member(letter->json, "sent_at", ", sent by the device's clock ");
    print_member(letter->json, "country", ", from ");
    print_member(letter->json, "region", " ");
    print_member(letter->json, "city", " ");
    if (pt_json_member_int(letter->json, "index", &index)) {
        printf(", event %" PRId64 " of its request", index);
    }
    fputs("\n  refused as  ", stdout);
    pt_dlq_print_text(stdout, letter->code, 40, false);
    if (letter->pointer.size) {
        fputs(" at ", stdout);
        pt_dlq_print_text(stdout, letter->pointer, 100, false);
    }
    if (pt_json_member_int(letter->json, "schema_version", &version)) {
        printf(" by version %" PRId64 " of its schema", version);
    }
    fputs("\n  because     ", stdout);
    pt_dlq_print_text(stdout, letter->detail, 200, false);
    printf("\n  what to do  %s\n\n", hint_for(letter->code));
    pt_dlq_print_pretty(stdout, letter->event, 0);
    printf("\n\nTry a repair: playtrace dlq replay --from %" PRIu64
           " --limit 1 --patch FILE --dry-run\n",
           letter->offset);
}

int pt_dlq_show(int argc, char **argv)
{
    const char *data = NULL;
    const char *format_text = "table";
    const char *offset_text = NULL;
    const struct pt_option options[] = {
        {"--data", "DIR", "data directory (default $PLAYTRACE_DATA or playtrace-data)", &data,
         NULL},
        {"--format", "FORMAT", "table (default) or json", &format_text, NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };
    struct pt_command_line line = {
        .usage = "playtrace dlq show OFFSET [--data DIR] [--format table|json]",
        .about = "Prints one dead letter: the event, why it was refused, and what to do about it.",
        .options = options,
        .positional = &offset_text,
        .positional_max = 1,
    };
    struct pt_dlq_filter filter;
    struct pt_dlq_letter letter = {0};
    struct pt_dlq *dlq = NULL;
    struct pt_error err = {0};
    enum format format = TABLE;
    enum pt_code code = PT_OK;
    int64_t offset = 0;
    int status = pt_command_line_parse(&line, argc, argv);

    if (status >= 0) {
        return status;
    }
    if (!offset_text) {
        pt_cmd_say("dlq show: which one? usage: %s", line.usage);
        return PT_EXIT_USAGE;
    }
    if (!pt_cmd_parse_int("dlq show", offset_text, 0, INT64_MAX, &offset) ||
        !parse_format(format_text, &format)) {
        return PT_EXIT_USAGE;
    }
    filter = (struct pt_dlq_filter){.since_us = INT64_MIN,
                                    .until_us = INT64_MAX,
                                    .has_from = true,
                                    .from = (uint64_t)offset,
                                    .limit = 1};
    code = open_letters(&dlq, data, &filter, &err);
    if (!code) {
        code = pt_dlq_next(dlq, &letter, &err);
        if (code == PT_NOT_FOUND) {
            code = pt_fail(&err, code, "there is no dead letter %" PRId64 " yet", offset);
        }
    }
    if (!code && format == TABLE) {
        show(&letter);
    } else if (!code) {
        pt_dlq_print_pretty(stdout, letter.json, 0);
        putchar('\n');
    }
    pt_dlq_close(dlq);
    return code ? pt_cmd_failed("dlq show", &err) : PT_EXIT_OK;
}
