/*
 * cmocka.h - the part of cmocka that our unit tests use, for builds where there is no cmocka
 *
 * Written anew against cmocka's documented interface; Debian has no 32-bit package of it beside
 * the 64-bit one. A failed check ends its test by longjmp(), as cmocka's does.
 */
#ifndef PT_PORTABLE_CMOCKA_H
#define PT_PORTABLE_CMOCKA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*test_func)(void **state);
    int (*setup_func)(void **state);
    int (*teardown_func)(void **state);
};

#define cmocka_unit_test(f)                                                                        \
    {                                                                                              \
#f, f, NULL, NULL                                                                          \
    }
#define cmocka_unit_test_setup_teardown(f, setup, teardown)                                        \
    {                                                                                              \
#f, f, setup, teardown                                                                     \
    }

static jmp_buf shim_end;
static bool shim_is_skipped;

static inline void shim_fail(const char *file, int line)
{
    printf("%s:%d: error: Failure!\n", file, line);
    fflush(stdout);
    longjmp(shim_end, 1);
}

static inline void shim_skip(void)
{
    shim_is_skipped = true;
    longjmp(shim_end, 1);
}

#define print_message(...) (void)printf(__VA_ARGS__)
#define print_error(...) (void)printf(__VA_ARGS__)
#define fail_msg(...) (printf(__VA_ARGS__), printf("\n"), shim_fail(__FILE__, __LINE__))
#define fail() shim_fail(__FILE__, __LINE__)
#define skip() shim_skip()
#define assert_true(c) ((c) ? (void)0 : (printf("%s\n", #c), shim_fail(__FILE__, __LINE__)))
#define assert_false(c) assert_true(!(c))
#define assert_non_null(c) assert_true((c) != NULL)
#define assert_null(c) assert_true((c) == NULL)
#define assert_int_equal(a, b) assert_true((a) == (b))
#define assert_int_not_equal(a, b) assert_true((a) != (b))
#define assert_ptr_equal(a, b) assert_true((const void *)(a) == (const void *)(b))
#define assert_string_equal(a, b) assert_true(strcmp(a, b) == 0)
#define assert_string_not_equal(a, b) assert_true(strcmp(a, b) != 0)
#define assert_memory_equal(a, b, bytes) assert_true(memcmp(a, b, bytes) == 0)
#define assert_in_range(value, low, high) assert_true((value) >= (low) && (value) <= (high))

static inline int shim_run(const struct CMUnitTest *tests, size_t count)
{
    volatile int failed = 0;

    printf("[==========] Running %u test(s).\n", (unsigned)count);
    for (volatile size_t i = 0; i < count; i++) {
        void *state = NULL;
        volatile bool is_sound = false;

        shim_is_skipped = false;
        printf("[ RUN      ] %s\n", tests[i].name);
        fflush(stdout);
        if (setjmp(shim_end) == 0) {
            if (tests[i].setup_func && tests[i].setup_func(&state) != 0) {
                shim_fail(__FILE__, __LINE__);
            }
            tests[i].test_func(&state);
            is_sound = true;
        }
        if (is_sound && tests[i].teardown_func) {
            (void)tests[i].teardown_func(&state);
        }
        printf("[%s] %s\n",
               is_sound          ? "       OK "
               : shim_is_skipped ? "  SKIPPED "
                                 : "  FAILED  ",
               tests[i].name);
        failed += !is_sound && !shim_is_skipped;
    }
    return failed;
}

#define cmocka_run_group_tests(tests, setup, teardown)                                             \
    shim_run(tests, sizeof(tests) / sizeof((tests)[0]))
#define cmocka_run_group_tests_name(name, tests, setup, teardown)                                  \
    shim_run(tests, sizeof(tests) / sizeof((tests)[0]))

#endif
