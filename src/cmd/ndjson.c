/*
 * ndjson.c - standard input, a JSON text a line
 */
#include "cmd/ndjson.h"

#include "base/json.h"
#include "cmd/cmd.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define CHUNK_BYTES 65536u

/* Who takes the lines, in one of the two forms. */
struct taker {
    bool (*take)(void *ctx, struct pt_span line);
    bool (*take_numbered)(void *ctx, uint64_t number, struct pt_span line);
    void *ctx;
    uint64_t number;
};

static bool take_one(struct taker *taker, struct pt_span line)
{
    return taker->take ? taker->take(taker->ctx, line)
                       : taker->take_numbered(taker->ctx, taker->number, line);
}

/* Takes the whole lines of `text` and keeps the rest; `is_last` takes that too. */
static bool take_lines(struct pt_buf *text, bool is_last, struct taker *taker)
{
    size_t at = 0;

    while (at < text->size) {
        const uint8_t *end = memchr(text->data + at, '\n', text->size - at);
        struct pt_span line;

        if (!end && !is_last) {
            break;
        }
        line = pt_span_of(text->data + at, end ? (size_t)(end - text->data) - at : text->size - at);
        at += line.size + (end ? 1 : 0);
        taker->number++;
        if (!pt_span_is_blank(line) && !take_one(taker, line)) {
            return false;
        }
    }
    memmove(text->data, text->data + at, text->size - at);
    text->size -= at;
    return true;
}

static int each_line(const char *what, size_t line_bytes_max, struct taker *taker)
{
    struct pt_buf text;
    int status = PT_EXIT_OK;

    pt_buf_init(&text, line_bytes_max + CHUNK_BYTES + PT_JSON_PADDING);
    for (bool is_last = false; !is_last && status == PT_EXIT_OK;) {
        uint8_t *room = pt_buf_reserve(&text, CHUNK_BYTES + PT_JSON_PADDING);
        /* read(2), not fread(3): a line is answered when it comes, not when a buffer is full. */
        ssize_t bytes = room ? read(STDIN_FILENO, room, CHUNK_BYTES) : 0;

        if (bytes < 0 && errno == EINTR) {
            continue;
        }
        if (!room || bytes < 0) {
            if (room) {
                pt_cmd_say("%s: standard input cannot be read", what);
            } else {
                pt_cmd_say("%s: a line is longer than %zu bytes", what, line_bytes_max);
            }
            status = PT_EXIT_FAILED;
            break;
        }
        text.size += (size_t)bytes;
        memset(text.data + text.size, 0, PT_JSON_PADDING);
        is_last = bytes == 0;
        if (!take_lines(&text, is_last, taker) || fflush(stdout) != 0) {
            status = PT_EXIT_FAILED;
        }
    }
    pt_buf_release(&text);
    return status;
}

int pt_cmd_each_line(const char *what, size_t line_bytes_max,
                     bool (*take)(void *ctx, struct pt_span line), void *ctx)
{
    struct taker taker = {.take = take, .ctx = ctx};

    return each_line(what, line_bytes_max, &taker);
}

int pt_cmd_each_numbered_line(const char *what, size_t line_bytes_max,
                              bool (*take)(void *ctx, uint64_t number, struct pt_span line),
                              void *ctx)
{
    struct taker taker = {.take_numbered = take, .ctx = ctx};

    return each_line(what, line_bytes_max, &taker);
}
