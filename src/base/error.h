/*
 * error.h - what went wrong, for code and for people
 *
 * A function that can fail returns enum pt_code, which says what the caller can
 * do, and fills struct pt_error, which says to a person what was wrong, where,
 * and what to do. No code parses the text. `err` comes last, may be NULL, and is
 * the caller's storage; any thread may use its own.
 */
#ifndef PT_BASE_ERROR_H
#define PT_BASE_ERROR_H

#include <stdbool.h>
#include <stddef.h>

#define PT_MUST_USE __attribute__((warn_unused_result))
#define PT_PRINTF(format_at, args_at) __attribute__((format(printf, format_at, args_at)))

enum pt_code {
    PT_OK = 0,
    PT_AGAIN,     /* passing: try again later */
    PT_INVALID,   /* the input is wrong: reject it */
    PT_TOO_BIG,   /* the input is over a limit: reject it */
    PT_NOT_FOUND, /* there is no such thing */
    PT_FENCED,    /* somebody else owns it now: stop */
    PT_CORRUPT,   /* stored bytes are not what was written: quarantine */
    PT_FULL,      /* no space on the device: refuse until there is */
    PT_IO,        /* the operating system or a peer failed */
    PT_NO_MEMORY,
};

#define PT_ERROR_TEXT_BYTES 512

struct pt_error {
    enum pt_code code;
    char text[PT_ERROR_TEXT_BYTES]; /* NUL-terminated, no newline */
};

/* Fill `err` (NULL is fine) with the formatted text, cut to fit; returns `code`. */
enum pt_code pt_fail(struct pt_error *err, enum pt_code code, const char *format, ...)
    PT_PRINTF(3, 4);

/* As pt_fail(), with ": " and the text of errno value `errnum`; ENOSPC and EDQUOT give PT_FULL. */
enum pt_code pt_fail_errno(struct pt_error *err, int errnum, const char *format, ...)
    PT_PRINTF(3, 4);

/* Put "what: " before the text that `err` already holds; returns its code. NULL is fine: PT_IO. */
enum pt_code pt_error_prefix(struct pt_error *err, enum pt_code code, const char *format, ...)
    PT_PRINTF(3, 4);

/* The code's name in lower case, such as "not found"; static storage. */
const char *pt_code_name(enum pt_code code);

/* Our own bugs only; stays on in release builds. Prints the place and aborts. */
#define pt_assert(condition)                                                                       \
    ((condition) ? (void)0 : pt_assert_failed(#condition, __FILE__, __LINE__))
_Noreturn void pt_assert_failed(const char *condition, const char *file, int line);

#endif
