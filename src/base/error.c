/*
 * error.c - what went wrong, for code and for people
 */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

PT_PRINTF(3, 0)
static void set_text(struct pt_error *err, enum pt_code code, const char *format, va_list args)
{
    if (!err) {
        return;
    }
    err->code = code;
    vsnprintf(err->text, sizeof(err->text), format, args);
    for (char *at = err->text; *at; at++) {
        if (*at == '\n' || *at == '\r') {
            *at = ' ';
        }
    }
}

enum pt_code pt_fail(struct pt_error *err, enum pt_code code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    set_text(err, code, format, args);
    va_end(args);
    return code;
}

enum pt_code pt_fail_errno(struct pt_error *err, int errnum, const char *format, ...)
{
    enum pt_code code = PT_IO;
    va_list args;

    if (errnum == ENOSPC || errnum == EDQUOT) {
        code = PT_FULL;
    } else if (errnum == ENOENT) {
        code = PT_NOT_FOUND;
    } else if (errnum == ENOMEM) {
        code = PT_NO_MEMORY;
    }
    va_start(args, format);
    set_text(err, code, format, args);
    va_end(args);
    if (err) {
        char reason[128] = "";
        size_t used = strlen(err->text);

        /* GNU strerror_r: the text may be static, not in `reason`. */
        snprintf(err->text + used, sizeof(err->text) - used, ": %s",
                 strerror_r(errnum, reason, sizeof(reason)));
    }
    return code;
}

enum pt_code pt_error_prefix(struct pt_error *err, enum pt_code code, const char *format, ...)
{
    char before[PT_ERROR_TEXT_BYTES];
    va_list args;

    if (!err) {
        return code;
    }
    memcpy(before, err->text, sizeof(before));
    va_start(args, format);
    set_text(err, code, format, args);
    va_end(args);
    size_t used = strlen(err->text);
    snprintf(err->text + used, sizeof(err->text) - used, ": %s", before);
    return code;
}

const char *pt_code_name(enum pt_code code)
{
    switch (code) {
    case PT_OK:
        return "ok";
    case PT_AGAIN:
        return "try again";
    case PT_INVALID:
        return "invalid";
    case PT_TOO_BIG:
        return "too big";
    case PT_NOT_FOUND:
        return "not found";
    case PT_FENCED:
        return "owned by another";
    case PT_CORRUPT:
        return "corrupt";
    case PT_FULL:
        return "no space left";
    case PT_IO:
        return "input/output failed";
    case PT_NO_MEMORY:
        return "no memory";
    }
    return "unknown";
}

_Noreturn void pt_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "playtrace: a bug in this program: %s:%d: %s\n", file, line, condition);
    abort();
}
