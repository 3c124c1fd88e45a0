/*
 * check.h - cmocka with the headers it wants, and PT_CHECK
 *
 * PT_CHECK(condition) fails the test with the condition's text; PT_CHECK_OK(call, err)
 * also shows the error's text.
 */
#ifndef PT_SUPPORT_CHECK_H
#define PT_SUPPORT_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"

#define PT_CHECK(condition) assert_true(condition)

#define PT_CHECK_OK(call, error)                                                                   \
    do {                                                                                           \
        enum pt_code check_code = (call);                                                          \
        if (check_code) {                                                                          \
            fail_msg("%s: %s: %s", #call, pt_code_name(check_code), (error).text);                 \
        }                                                                                          \
    } while (0)

/* A fresh directory under $TMPDIR or /tmp, removed with its content by pt_test_dir_remove(). */
char *pt_test_dir_create(void);
void pt_test_dir_remove(char *dir);

#endif
