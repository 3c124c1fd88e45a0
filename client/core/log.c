/*
 * log.c - what went wrong, in words, for the game's own log
 */
#include "core/log.h"
#include "core/client.h"
#include "core/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Each of the first ones is said, then the 16th, the 32nd, … */
#define SAID_ALL 8

void pt_client_log_tidy(char *text)
{
    size_t bytes = strlen(text);

    for (size_t at = 0; at < bytes;) {
        size_t step = pt_client_utf8_sequence(text + at, bytes - at);

        if (step == 0 || (unsigned char)text[at] < ' ' || text[at] == 0x7f) {
            text[at] = '?';
            step = 1;
        }
        at += step;
    }
}

void pt_client_log(struct playtrace *p, enum playtrace_log_level level,
                   enum pt_client_log_kind kind, const char *format, ...)
{
    struct pt_client_log *log = &p->log;
    char text[PT_CLIENT_LOG_TEXT_BYTES];
    uint32_t count = 0;
    va_list args;

    if (!p->options.log) {
        return;
    }
    pt_client_lock(p);
    count = ++log->counts[kind];
    if ((count <= SAID_ALL || (count & (count - 1)) == 0) && log->count < PT_CLIENT_LOG_TEXTS) {
        unsigned at = (log->first + log->count) % PT_CLIENT_LOG_TEXTS;

        va_start(args, format);
        (void)vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        if (count > SAID_ALL) {
            (void)snprintf(log->texts[at], sizeof(log->texts[at]), "%.280s (%lu of this kind)",
                           text, (unsigned long)count);
        } else {
            memcpy(log->texts[at], text, sizeof(text));
        }
        pt_client_log_tidy(log->texts[at]);
        log->levels[at] = level;
        log->count++;
    }
    pt_client_unlock(p);
}

void pt_client_log_deliver(struct playtrace *p)
{
    if (!p->options.log) {
        return;
    }
#if PT_CLIENT_CHECKS
    {
        unsigned refused = pt_client_misuse_take();

        if (refused > 0) {
            pt_client_log(p, PLAYTRACE_LOG_ERROR, PT_CLIENT_LOG_CALL,
                          "%u calls were refused: made after close, or from a signal handler or a "
                          "callback that interrupted the client; note it, and call from the game's "
                          "own loop",
                          refused);
        }
    }
#endif
    for (;;) {
        char text[PT_CLIENT_LOG_TEXT_BYTES];
        enum playtrace_log_level level = PLAYTRACE_LOG_INFO;
        bool is_any = false;

        pt_client_lock(p);
        is_any = p->log.count > 0;
        if (is_any) {
            memcpy(text, p->log.texts[p->log.first], sizeof(text));
            level = p->log.levels[p->log.first];
            p->log.first = (p->log.first + 1) % PT_CLIENT_LOG_TEXTS;
            p->log.count--;
        }
        pt_client_unlock(p);
        if (!is_any) {
            return;
        }
        p->options.log(p->options.log_ctx, level, text);
    }
}
