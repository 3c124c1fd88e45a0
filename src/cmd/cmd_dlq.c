/*
 * cmd_dlq.c - list the events that were refused, and why
 */
#include "cmd/cmd.h"
#include "cmd/data_dir.h"
#include "log/log.h"


#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Printed as they stand: a dead letter is one JSON object, which has no newline in it. */
static enum pt_code print_letters(struct pt_log_reader *reader, uint64_t from, int64_t limit,
                                  struct pt_error *err)
{
    enum pt_code code = pt_log_reader_seek(reader, from, err);

    while (!code && limit > 0) {
        struct pt_log_batch batch;
        const uint8_t *at = NULL;

        code = pt_log_reader_next(reader, UINT64_MAX, &batch, err);
        if (code) {
            break;
        }
        at = batch.records;
        for (uint32_t i = 0; i < batch.count && limit > 0; i++) {
            if (batch.offset + i >= from) {
                printf("{\"offset\":%" PRIu64 ",%.*s\n", batch.offset + i,
                       (int)(batch.sizes[i] - 1), (const char *)at + 1);
                limit--;
            }
            at += batch.sizes[i];
        }
    }
    return code == PT_NOT_FOUND ? PT_OK : code;
}

int pt_cmd_dlq(int argc, char **argv)
{
    const char *data = NULL;
    const char *from_text = NULL;
    const char *limit_text = "1000000000";
    const char *verb[1] = {NULL};
    const struct pt_option options[] = {
        {"--data", "DIR", "data directory (default $PLAYTRACE_DATA or playtrace-data)", &data, NULL},
        {"--from", "OFFSET", "first dead letter to print (default the oldest)", &from_text, NULL},
        {"--limit", "N", "at most so many", &limit_text, NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };
    struct pt_command_line line = {
        .usage = "playtrace dlq list [--data DIR] [--from OFFSET] [--limit N]",
        .about = "Prints one JSON object a refused event: when it came, why it was refused (code, "
                 "JSON pointer, sentence), and the event with its ids as pseudonyms.",
        .options = options,
        .positional = verb,
        .positional_max = 1,
    };
    struct pt_data_dir dir = {0};
    struct pt_log_reader *reader = NULL;
    struct pt_error err = {0};
    int64_t from = 0;
    int64_t limit = 0;
    enum pt_code code = PT_OK;
    int status = pt_command_line_parse(&line, argc, argv);

    if (status >= 0) {
        return status;
    }
    if (!verb[0] || strcmp(verb[0], "list") != 0) {
        pt_cmd_say("dlq: say what to do: %s", line.usage);
        return PT_EXIT_USAGE;
    }
    if ((from_text && !pt_cmd_parse_int("--from", from_text, 0, INT64_MAX, &from)) ||
        !pt_cmd_parse_int("--limit", limit_text, 0, INT64_MAX, &limit)) {
        return PT_EXIT_USAGE;
    }
    code = pt_data_dir_init(&dir, pt_cmd_data_dir(data), &err);
    if (!code) {
        code = pt_log_reader_open(&reader, pt_io_posix(), dir.dlq, &err);
    }
    if (!code) {
        code = print_letters(reader, from_text ? (uint64_t)from : pt_log_reader_start(reader),
                             limit, &err);
    }
    pt_log_reader_close(reader);
    pt_data_dir_release(&dir);
    return code ? pt_cmd_failed("dlq", &err) : PT_EXIT_OK;
}
