/*
 * flags_set.c - playtrace flags set: change a flag, checked and audited
 */
#include "cmd/cmd.h"
#include "cmd/data_dir.h"
#include "cmd/flags_verbs.h"
#include "flag/change.h"
#include "flag/flag.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORDS_MAX (PT_FLAG_CHANGE_METADATA_MAX + 1)
#define RESULT_BYTES_MAX (8 * (size_t)PT_FLAGS_FILE_BYTES_MAX)
#define VALUE_BYTES_MAX ((size_t)64 << 10)

struct given {
    const char *file;
    const char *data;
    const char *definition;
    const char *state;
    const char *default_variant;
    const char *rollout;
    const char *weights;
    const char *by;
    const char *why;
    const char *if_tag;
    bool is_global;
    bool is_delete;
    bool is_undo;
    bool may_reassign;
    bool starts_history;
    const char *words[WORDS_MAX];
    size_t word_count;
};

/* What a change borrows. */
struct held {
    struct pt_buf definition;
    struct pt_buf values; /* of metadata; never grows, so that spans stay */
};

char *pt_flags_path(const char *file, const char *data)
{
    struct pt_data_dir dir = {0};
    struct pt_error err = {0};
    char *path = NULL;

    if (file) {
        path = pt_strdup(file);
    } else if (pt_data_dir_init(&dir, pt_cmd_data_dir(data), &err)) {
        pt_cmd_failed("flags", &err);
        return NULL;
    } else {
        path = pt_strdup(dir.flags);
    }
    pt_data_dir_release(&dir);
    if (!path) {
        pt_cmd_say("flags: no memory");
    }
    return path;
}

static const char *user_name(void)
{
    const struct passwd *user = getpwuid(geteuid());

    return user && user->pw_name ? user->pw_name : "unknown";
}

static bool read_definition(const char *name, struct pt_buf *text)
{
    FILE *stream = strcmp(name, "-") == 0 ? stdin : fopen(name, "rb");
    size_t got = 0;

    if (!stream) {
        pt_cmd_say("flags set: --definition: %s cannot be opened", name);
        return false;
    }
    do {
        uint8_t *room = pt_buf_reserve(text, 65536);

        got = room ? fread(room, 1, 65536, stream) : 0;
        text->size += got;
    } while (got > 0);
    bool is_whole = !text->has_failed && !ferror(stream);

    if (stream != stdin) {
        fclose(stream);
    }
    if (!is_whole || text->size == 0) {
        pt_cmd_say("flags set: --definition: %s %s", name,
                   is_whole ? "is empty" : "cannot be read, or is larger than a flag file may be");
    }
    return is_whole && text->size > 0;
}

/* NAME=VALUE; VALUE is JSON where it is true, false, a number or a text in quotes, and else a text.
 */
static bool take_member(const char *word, struct held *held, struct pt_flag_change *change)
{
    const char *equals = strchr(word, '=');
    struct pt_flag_set_metadata *member = &change->metadata[change->metadata_count];
    struct pt_json_parser *parser = NULL;
    struct pt_json value;
    struct pt_jsonw w;
    struct pt_buf text;
    size_t start = held->values.size;
    bool is_json = false;

    if (!equals || equals == word) {
        pt_cmd_say("flags set: \"%s\" is no NAME=VALUE of metadata", word);
        return false;
    }
    change->metadata_count++;
    *member = (struct pt_flag_set_metadata){
        .name = pt_span_of(word, (size_t)(equals - word)),
    };
    if (!equals[1]) {
        return true; /* NAME= takes it away */
    }
    parser = pt_json_parser_create(VALUE_BYTES_MAX);
    pt_buf_init(&text, VALUE_BYTES_MAX + PT_JSON_PADDING);
    pt_buf_append_str(&text, equals + 1);
    pt_jsonw_init(&w, &held->values);
    if (parser && pt_buf_reserve(&text, PT_JSON_PADDING)) {
        is_json = pt_json_parse(parser, pt_buf_span(&text), &value, NULL, NULL) == PT_OK &&
                  (pt_json_is_number(value) || pt_json_type(value) == PT_JSON_BOOL ||
                   pt_json_type(value) == PT_JSON_STRING);
    }
    if (is_json) {
        pt_jsonw_value(&w, value);
    } else {
        pt_jsonw_str(&w, equals + 1);
    }
    member->json = pt_span_of(held->values.data + start, held->values.size - start);
    pt_buf_release(&text);
    pt_json_parser_destroy(parser);
    if (held->values.has_failed) {
        pt_cmd_say("flags set: more metadata than %zu bytes", VALUE_BYTES_MAX);
    }
    return !held->values.has_failed;
}

static bool take_rollout(const struct given *given, struct pt_flag_change *change)
{
    char *end = NULL;

    change->has_rollout = true;
    change->rollout_percent = strtod(given->rollout, &end);
    if (end == given->rollout || (*end && strcmp(end, "%") != 0)) {
        pt_cmd_say("flags set: --rollout: \"%s\" is no percentage", given->rollout);
        return false;
    }
    change->weights = pt_span_str(given->weights ? given->weights : "");
    return true;
}

/* Of the change that is to be taken back. */
static bool take_number(const char *word, uint64_t *out)
{
    char *end = NULL;

    errno = 0;
    *out = strtoull(word, &end, 10);
    if (errno || *word < '0' || *word > '9' || *end || *out == 0 || *out > INT64_MAX) {
        pt_cmd_say(
            "flags set: --undo takes the number of a change, a whole number from 1, not \"%s\": "
            "`playtrace flags history` lists the changes",
            word);
        return false;
    }
    return true;
}

/* The change that the command line asks for; false after saying what is wrong with it. */
static bool read_change(const struct given *given, struct held *held, struct pt_flag_change *change)
{
    size_t first = 0;
    bool sets = given->definition || given->state || given->default_variant || given->rollout;

    change->by = given->by && *given->by ? given->by : user_name();
    change->why = given->why;
    change->may_reassign = given->may_reassign;
    if (given->is_undo) {
        change->kind = PT_FLAG_CHANGE_UNDO;
        if (sets || given->is_delete || given->is_global || given->word_count > 1) {
            pt_cmd_say("flags set: --undo goes with the number of a change alone");
            return false;
        }
        if (given->word_count == 1 && !take_number(given->words[0], &change->undo)) {
            return false;
        }
        return true;
    }
    if (!given->is_global) {
        if (given->word_count == 0 || !*given->words[0]) {
            pt_cmd_say("flags set: which flag? (or --global for the metadata of all)");
            return false;
        }
        change->key = pt_span_str(given->words[0]);
        first = 1;
    }
    if (given->is_global && (sets || given->is_delete)) {
        pt_cmd_say("flags set: --global goes with NAME=VALUE alone");
        return false;
    }
    if (given->weights && !given->rollout) {
        pt_cmd_say("flags set: --weights go with --rollout");
        return false;
    }
    if (given->if_tag) {
        change->if_tag = pt_span_str(given->if_tag);
    }
    if (given->is_delete) {
        change->kind = PT_FLAG_CHANGE_DELETE;
        if (sets || given->word_count > first) {
            pt_cmd_say("flags set: --delete goes with a KEY alone");
            return false;
        }
        return true;
    }
    if (!sets && given->word_count == first) {
        pt_cmd_say("flags set: nothing to change: say --state, --default, --rollout, --definition, "
                   "NAME=VALUE or --delete");
        return false;
    }
    for (size_t i = first; i < given->word_count; i++) {
        if (change->metadata_count == PT_FLAG_CHANGE_METADATA_MAX) {
            pt_cmd_say("flags set: at most %d NAME=VALUE at a time", PT_FLAG_CHANGE_METADATA_MAX);
            return false;
        }
        if (!take_member(given->words[i], held, change)) {
            return false;
        }
    }
    if (given->default_variant) {
        change->default_variant = pt_span_str(given->default_variant);
    }
    if (given->state && !pt_flag_state_parse(pt_span_str(given->state), &change->state)) {
        pt_cmd_say("flags set: --state: \"%s\" is not on or off", given->state);
        return false;
    }
    if ((given->rollout && !take_rollout(given, change)) ||
        (given->definition && !read_definition(given->definition, &held->definition))) {
        return false;
    }
    change->definition = pt_buf_span(&held->definition);
    return true;
}

/* Where the history was tampered with, a new one begins if that was asked for. */
static enum pt_code apply(const char *path, const struct given *given,
                          const struct pt_flag_change *change, struct pt_buf *result,
                          struct pt_error *err)
{
    struct pt_jsonw w;
    struct pt_buf name;
    enum pt_code code;

    pt_jsonw_init(&w, result);
    code = pt_flag_change_apply(pt_io_posix(), pt_clock_system(), path, change, &w, err);
    if (code != PT_CORRUPT) {
        return code;
    }
    if (!given->starts_history) {
        return pt_error_prefix(err, code,
                               "the history was tampered with (--new-history puts it aside and "
                               "begins anew)");
    }
    pt_buf_init(&name, 8192);
    code = pt_flag_history_set_aside(pt_io_posix(), path, &name, err);
    if (!code) {
        pt_cmd_say("flags set: the broken history is %s now; a new one begins",
                   (const char *)name.data);
        pt_buf_reset(result);
        pt_jsonw_init(&w, result);
        code = pt_flag_change_apply(pt_io_posix(), pt_clock_system(), path, change, &w, err);
    }
    pt_buf_release(&name);
    return code;
}

static int set(const struct given *given)
{
    struct pt_flag_change change = {.kind = PT_FLAG_CHANGE_SET};
    struct pt_error err = {0};
    struct pt_buf result;
    struct held held;
    char *path = NULL;
    int status = PT_EXIT_USAGE;

    pt_buf_init(&held.definition, PT_FLAGS_FILE_BYTES_MAX);
    pt_buf_init(&held.values, VALUE_BYTES_MAX);
    pt_buf_init(&result, RESULT_BYTES_MAX);
    if (!pt_buf_reserve(&held.values, VALUE_BYTES_MAX) || !read_change(given, &held, &change)) {
        goto out;
    }
    status = PT_EXIT_FAILED;
    path = pt_flags_path(given->file, given->data);
    if (!path) {
        goto out;
    }
    if (apply(path, given, &change, &result, &err)) {
        pt_cmd_failed("flags set", &err);
    } else if (printf("%.*s\n", (int)result.size, (const char *)result.data) > 0) {
        status = PT_EXIT_OK;
    }

out:
    pt_free(path);
    pt_buf_release(&held.definition);
    pt_buf_release(&held.values);
    pt_buf_release(&result);
    return status;
}

int pt_flags_verb_set(int argc, char **argv)
{
    struct given given = {0};
    const struct pt_option options[] = {
        {"--data", "DIR", "data directory (default $PLAYTRACE_DATA or playtrace-data)", &given.data,
         NULL},
        {"--flags", "FILE", "another file than the data directory's flags.json", &given.file, NULL},
        {"--state", "on|off", "off is the kill switch: clients get their own default", &given.state,
         NULL},
        {"--default", "VARIANT", "the default variant", &given.default_variant, NULL},
        {"--rollout", "PERCENT", "widen to this share: a new epoch for those not yet assigned",
         &given.rollout, NULL},
        {"--weights", "A=1,B=1", "the new epoch's variants (default: as the newest epoch's)",
         &given.weights, NULL},
        {"--reassign", NULL, "allow what moves units that were assigned", NULL,
         &given.may_reassign},
        {"--definition", "FILE", "the whole flag, JSON; - is standard input", &given.definition,
         NULL},
        {"--delete", NULL, "take the flag away", NULL, &given.is_delete},
        {"--undo", NULL, "take back change N (default: the newest)", NULL, &given.is_undo},
        {"--global", NULL, "metadata of the whole file, such as holdout.2026=5", NULL,
         &given.is_global},
        {"--by", "WHO", "who changes it (default: the user of this process)", &given.by, NULL},
        {"--why", "TEXT", "why; stands in the history", &given.why, NULL},
        {"--if-match", "ETAG", "only if the flag is still the one of this etag", &given.if_tag,
         NULL},
        {"--new-history", NULL, "where the history was tampered with: put it aside, begin anew",
         NULL, &given.starts_history},
        {NULL, NULL, NULL, NULL, NULL},
    };
    struct pt_command_line line = {
        .usage = "playtrace flags set KEY [OPTION…] [NAME=VALUE…] | --global NAME=VALUE… | "
                 "--undo [N]",
        .about = "Change a flag. NAME=VALUE sets metadata, NAME= takes it away. The change is "
                 "checked wholly, recorded (`playtrace flags history`), and then put in place; a "
                 "running server takes it within a second. Prints what changed as JSON.",
        .options = options,
        .positional = given.words,
        .positional_max = WORDS_MAX,
    };
    int status = pt_command_line_parse(&line, argc, argv);

    given.word_count = line.positional_count;
    return status >= 0 ? status : set(&given);
}
