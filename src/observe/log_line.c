/*
 * log_line.c - structured log lines on standard error
 *
 * One JSON object a line, written by one write(2): POSIX lets no other write to a pipe
 * come between up to PIPE_BUF bytes, and none at all in a file opened to append.
 */
#include "observe/observe.h"

#include "base/json.h"

#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

#define LINE_BYTES_MAX ((size_t)64 * 1024)
#define MESSAGE_BYTES 1024

static const char *const level_names[] = {"debug", "info", "warn", "error"};

static enum pt_log_level lowest_level = PT_LOG_INFO;

void pt_log_set_level(enum pt_log_level level)
{
    lowest_level = level;
}

bool pt_log_level_parse(const char *text, enum pt_log_level *level_out)
{
    for (unsigned i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *level_out = (enum pt_log_level)i;
            return true;
        }
    }
    return false;
}

/* UTC, to the millisecond. */
static void format_time(char *text, size_t bytes)
{
    int64_t wall_us = pt_clock_wall_us(pt_clock_system());
    time_t second = (time_t)(wall_us / 1000000);
    struct tm tm = {0};

    (void)gmtime_r(&second, &tm);
    (void)snprintf(text, bytes, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
                   tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                   (int)(wall_us / 1000 % 1000));
}

static void write_line(const struct pt_buf *line)
{
    ssize_t written = 0;

    do {
        written = write(STDERR_FILENO, line->data, line->size);
    } while (written < 0 && errno == EINTR);
    /* Where standard error fails there is nobody left to tell. */
}

void pt_log_line(enum pt_log_level level, const char *stage, const char *fields,
                 const char *message_format, ...)
{
    char time_text[96];
    char message[MESSAGE_BYTES];
    struct pt_buf line;
    struct pt_jsonw w;
    va_list args;

    if (level < lowest_level) {
        return;
    }
    va_start(args, message_format);
    (void)vsnprintf(message, sizeof(message), message_format, args);
    va_end(args);
    format_time(time_text, sizeof(time_text));
    pt_buf_init(&line, LINE_BYTES_MAX);
    pt_jsonw_init(&w, &line);
    pt_jsonw_object(&w);
    pt_jsonw_key(&w, "time");
    pt_jsonw_str(&w, time_text);
    pt_jsonw_key(&w, "level");
    pt_jsonw_str(&w, level_names[level]);
    pt_jsonw_key(&w, "stage");
    pt_jsonw_str(&w, stage);
    pt_jsonw_key(&w, "message");
    pt_jsonw_str(&w, message);
    if (fields && fields[0]) {
        pt_buf_append_byte(&line, ',');
        pt_buf_append_str(&line, fields);
    }
    pt_jsonw_object_end(&w);
    pt_buf_append_byte(&line, '\n');
    if (!line.has_failed) {
        write_line(&line);
    }
    pt_buf_release(&line);
}
