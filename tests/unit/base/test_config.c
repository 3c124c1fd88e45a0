/*
 * test_config.c - settings arrive from four places, and a mistake names its place
 *
 * Method: real files in a fresh directory; a table of wrong files with the message that
 * each must give; after each, every setting must be as before. The reference page in docs/ is
 * compared with the one generated now.
 */
#include "base/config.h"

#include "base/yaml.h"

#include "check.h"

#include <string.h>

static char *put_file(const char *dir, const char *text)
{
    char *path = pt_strf("%s/playtrace.yaml", dir);
    struct pt_error err;

    assert_non_null(path);
    PT_CHECK_OK(pt_io_replace(pt_io_posix(), path, pt_span_str(text), 0, &err), err);
    return path;
}

static void with_no_source_there_are_defaults(void **state)
{
    struct pt_config *config = pt_config_create();

    (void)state;
    assert_non_null(config);
    assert_string_equal(pt_config_string(config, PT_CONFIG_server_listen), "127.0.0.1:8080");
    assert_int_equal(pt_config_int(config, PT_CONFIG_collect_batch_events_max), 1000);
    assert_int_equal(pt_config_list_count(config, PT_CONFIG_collect_keys), 0);
    pt_config_destroy(config);
}

static void later_sources_win(void **state)
{
    char *dir = pt_test_dir_create();
    char *path = put_file(dir, "server:\n  listen: 127.0.0.1:1\n  threads: 3\n"
                               "collect:\n  keys:\n    - one\n    - ' two '\n"
                               "stream:\n"); /* an empty section is fine */
    char *environment[] = {"HOME=/", "PLAYTRACE_SERVER_THREADS=4", "PLAYTRACE_DATA=elsewhere",
                           "PLAYTRACE_COLLECT_KEYS=three, four,,", NULL};
    struct pt_config *config = pt_config_create();
    struct pt_error err;

    (void)state;
    PT_CHECK_OK(pt_config_load_file(config, pt_io_posix(), path, &err), err);
    assert_string_equal(pt_config_string(config, PT_CONFIG_server_listen), "127.0.0.1:1");
    assert_int_equal(pt_config_int(config, PT_CONFIG_server_threads), 3);
    assert_int_equal(pt_config_list_count(config, PT_CONFIG_collect_keys), 2);
    assert_string_equal(pt_config_list_item(config, PT_CONFIG_collect_keys, 1), "two");
    PT_CHECK_OK(pt_config_load_environment(config, environment, &err), err);
    assert_int_equal(pt_config_int(config, PT_CONFIG_server_threads), 4);
    assert_int_equal(pt_config_list_count(config, PT_CONFIG_collect_keys), 2);
    assert_string_equal(pt_config_list_item(config, PT_CONFIG_collect_keys, 0), "three");
    assert_string_equal(pt_config_list_item(config, PT_CONFIG_collect_keys, 1), "four");
    PT_CHECK_OK(pt_config_set(config, "server.threads", "5", "--threads", &err), err);
    assert_int_equal(pt_config_int(config, PT_CONFIG_server_threads), 5);
    pt_config_destroy(config);
    pt_free(path);
    pt_test_dir_remove(dir);
}

static void a_wrong_file_names_line_and_remedy_and_changes_nothing(void **state)
{
    static const struct {
        const char *text;
        const char *says;
    } cases[] = {
        {"server:\n  threads: 3\n  lisen: x\n",
         "playtrace.yaml:3: no setting is called 'server.lisen'; did you mean 'server.listen'?"},
        {"servr:\n  threads: 3\n",
         "playtrace.yaml:1: no section is called 'servr'; did you mean 'server'?"},
        {"zzzzzzzzz:\n  threads: 3\n", "playtrace.yaml:1: no section is called 'zzzzzzzzz'"},
        {"server:\n  threads: 65\n",
         "playtrace.yaml:2: server.threads: 65 is not between 1 and 64"},
        {"server:\n  threads: 99999999999999999999\n", "is not between 1 and 64"},
        {"server:\n  threads: two\n",
         "playtrace.yaml:2: server.threads: 'two' is not a whole number"},
        {"server:\n  threads: 2.5\n", "'2.5' is not a whole number"},
        {"server:\n  threads: [2]\n",
         "playtrace.yaml:2: server.threads: a list stands where a number"},
        {"server:\n  threads:\n", "playtrace.yaml:2: server.threads: has no value"},
        {"server: 5\n", "playtrace.yaml:1: section 'server' must hold settings"},
        {"- server\n", "playtrace.yaml:1: a list stands where sections belong"},
        {"server:\n  threads: 3\n  threads: 4\n",
         "playtrace.yaml:3: key 'threads' is already there in line 2"},
        {"server:\n  threads: 3\n threads: 4\n", "playtrace.yaml:3: "},
        {"server:\n\tthreads: 3\n", "playtrace.yaml:2: "},
        {"server: &a\n  threads: 3\n", "playtrace.yaml:1: anchors and tags are not taken"},
        {"server:\n  threads: *a\n", "playtrace.yaml:2: aliases are not taken"},
        {"server:\n  threads: 3\n---\nserver:\n",
         "playtrace.yaml:4: a second document is not taken"},
        {"observe:\n  log_level: loud\n", "playtrace.yaml:2: observe.log_level: 'loud' is none of"},
        {"server:\n  threads: 3\n  listen: \"a\\0b\"\n", "playtrace.yaml:3: text holds a NUL"},
        {"collect:\n  keys: [a, [b]]\n",
         "playtrace.yaml:2: an entry must be a value without a comma"},
        {"collect:\n  keys: [a, 'b,c']\n",
         "playtrace.yaml:2: an entry must be a value without a comma"},
        {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "playtrace.yaml:1: nested too deeply"},
        {"server:\n  listen: \xff\xfe\n", "playtrace.yaml"},
    };
    char *dir = pt_test_dir_create();

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *path = put_file(dir, cases[i].text);
        struct pt_config *config = pt_config_create();
        struct pt_error err = {0};

        assert_int_equal(pt_config_load_file(config, pt_io_posix(), path, &err), PT_INVALID);
        if (!strstr(err.text, cases[i].says)) {
            fail_msg("case %zu: \"%s\" does not hold \"%s\"", i, err.text, cases[i].says);
        }
        assert_int_equal(pt_config_int(config, PT_CONFIG_server_threads), 2);
        assert_int_equal(pt_config_list_count(config, PT_CONFIG_collect_keys), 0);
        pt_config_destroy(config);
        pt_free(path);
    }
    pt_test_dir_remove(dir);
}

static void an_empty_file_changes_nothing_and_an_absent_one_is_an_error(void **state)
{
    static const char *const empty[] = {"", "# only a word\n", "---\n", "~\n"};
    char *dir = pt_test_dir_create();
    struct pt_config *config = pt_config_create();
    struct pt_error err = {0};

    (void)state;
    assert_int_equal(pt_config_load_file(config, pt_io_posix(), "/nonexistent.yaml", &err),
                     PT_NOT_FOUND);
    assert_non_null(strstr(err.text, "/nonexistent.yaml"));
    for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
        char *path = put_file(dir, empty[i]);

        PT_CHECK_OK(pt_config_load_file(config, pt_io_posix(), path, &err), err);
        pt_free(path);
    }
    pt_config_destroy(config);
    pt_test_dir_remove(dir);
}

static void wrong_variables_and_options_are_named(void **state)
{
    char *misspelt[] = {"PLAYTRACE_SERVER_THREADS=7", "PLAYTRACE_SERVER_THREDS=4", NULL};
    char *wrong[] = {"PLAYTRACE_STREAM_DEDUP_HOURS=many", NULL};
    struct pt_config *config = pt_config_create();
    struct pt_error err = {0};

    (void)state;
    assert_int_equal(pt_config_load_environment(config, misspelt, &err), PT_INVALID);
    assert_string_equal(err.text,
                        "environment: PLAYTRACE_SERVER_THREDS is no setting of playtrace; "
                        "did you mean PLAYTRACE_SERVER_THREADS?");
    assert_int_equal(pt_config_int(config, PT_CONFIG_server_threads), 2);
    assert_int_equal(pt_config_load_environment(config, wrong, &err), PT_INVALID);
    assert_string_equal(err.text, "PLAYTRACE_STREAM_DEDUP_HOURS: stream.dedup_hours: 'many' is not "
                                  "a whole number");
    assert_int_equal(pt_config_set(config, "server.listn", "x", "--listen", &err), PT_INVALID);
    assert_string_equal(err.text, "--listen: no setting is called 'server.listn'; did you mean "
                                  "'server.listen'?");
    pt_config_destroy(config);
}

static void no_memory_is_said_and_nothing_leaks(void **state)
{
    char *dir = pt_test_dir_create();
    char *path = put_file(dir, "server:\n  threads: 3\ncollect:\n  keys: [a, b]\n");
    bool fired = true;

    (void)state;
    for (unsigned nth = 1; fired; nth++) {
        struct pt_config *config = NULL;
        struct pt_error err = {0};
        enum pt_code code = PT_OK;

        pt_mem_fail_after(nth);
        config = pt_config_create();
        code = config ? pt_config_load_file(config, pt_io_posix(), path, &err) : PT_NO_MEMORY;
        fired = pt_mem_fault_fired();
        pt_mem_fail_after(0);
        assert_int_equal(code, fired ? PT_NO_MEMORY : PT_OK);
        if (config) {
            assert_int_equal(pt_config_int(config, PT_CONFIG_server_threads), fired ? 2 : 3);
        }
        pt_config_destroy(config);
    }
    pt_free(path);
    pt_test_dir_remove(dir);
}

static void the_reference_page_is_up_to_date(void **state)
{
    struct pt_buf page;
    uint8_t *stored = NULL;
    size_t size = 0;
    struct pt_error err;

    (void)state;
    pt_buf_init(&page, 1 << 20);
    pt_config_reference(&page);
    PT_CHECK(!page.has_failed);
    PT_CHECK_OK(pt_io_read_all(pt_io_posix(), PT_SOURCE_DIR "/docs/configuration.md", 1 << 20, 1,
                               &stored, &size, &err),
                err);
    if (!pt_span_equal(pt_buf_span(&page), pt_span_of(stored, size))) {
        fail_msg("docs/configuration.md is not what `playtrace config reference` prints");
    }
    pt_free(stored);
    pt_buf_release(&page);
}

static void the_nearest_name_is_near(void **state)
{
    static const char *const names[] = {"event_name", "occurred_at", "user_id"};

    (void)state;
    assert_string_equal(pt_nearest_name("event_nam", names, 3), "event_name");
    assert_string_equal(pt_nearest_name("occured_at", names, 3), "occurred_at");
    assert_string_equal(pt_nearest_name("userid", names, 3), "user_id");
    assert_null(pt_nearest_name("zebra", names, 3));
    assert_null(pt_nearest_name("x", names, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_no_source_there_are_defaults),
        cmocka_unit_test(later_sources_win),
        cmocka_unit_test(a_wrong_file_names_line_and_remedy_and_changes_nothing),
        cmocka_unit_test(an_empty_file_changes_nothing_and_an_absent_one_is_an_error),
        cmocka_unit_test(wrong_variables_and_options_are_named),
        cmocka_unit_test(no_memory_is_said_and_nothing_leaks),
        cmocka_unit_test(the_reference_page_is_up_to_date),
        cmocka_unit_test(the_nearest_name_is_near),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
