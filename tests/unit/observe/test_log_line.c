/*
 * test_log_line.c - a log line is one JSON object and one write, or nothing below the level
 *
 * Method: standard error is turned into a pipe of datagrams (a SOCK_SEQPACKET pair), which keeps
 * each write apart from the next; what comes out is parsed.
 */
#include "check.h"

#include "base/json.h"
#include "observe/observe.h"

#include <sys/socket.h>
#include <unistd.h>

static int saved_stderr = -1;
static int line_fd = -1;

static void capture(void)
{
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
    saved_stderr = dup(STDERR_FILENO);
    assert_true(dup2(pair[1], STDERR_FILENO) >= 0);
    close(pair[1]);
    line_fd = pair[0];
}

static void restore(void)
{
    assert_true(dup2(saved_stderr, STDERR_FILENO) >= 0);
    close(saved_stderr);
    close(line_fd);
}

static void a_line_is_json_in_one_write(void **state)
{
    uint8_t line[4096 + PT_JSON_PADDING];
    struct pt_json_parser *parser = pt_json_parser_create(4096);
    struct pt_json root;
    struct pt_span text;
    int64_t offset = 0;
    ssize_t bytes = 0;

    (void)state;
    capture();
    pt_log_line(PT_LOG_WARN, "log", "\"offset\":12", "segment \"%s\" is\n%d bytes short", "a\\b",
                7);
    bytes = read(line_fd, line, 4096);
    restore();
    PT_CHECK(bytes > 1 && line[bytes - 1] == '\n');
    PT_CHECK(memchr(line, '\n', (size_t)bytes) == line + bytes - 1);
    PT_CHECK(pt_json_parse(parser, pt_span_of(line, (size_t)bytes), &root, NULL, NULL) == PT_OK);
    PT_CHECK(pt_json_member_string(root, "time", &text) && text.size == 24 && text.data[23] == 'Z');
    PT_CHECK(pt_json_member_string(root, "level", &text) && pt_span_is(text, "warn"));
    PT_CHECK(pt_json_member_string(root, "stage", &text) && pt_span_is(text, "log"));
    PT_CHECK(pt_json_member_string(root, "message", &text) &&
             pt_span_is(text, "segment \"a\\b\" is\n7 bytes short"));
    PT_CHECK(pt_json_member_int(root, "offset", &offset) && offset == 12);
    pt_json_parser_destroy(parser);
}

static void lines_below_the_level_are_dropped(void **state)
{
    static const struct {
        enum pt_log_level lowest;
        int written; /* of the four levels */
    } cases[] = {{PT_LOG_DEBUG, 4}, {PT_LOG_INFO, 3}, {PT_LOG_WARN, 2}, {PT_LOG_ERROR, 1}};
    uint8_t line[4096];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int written = 0;

        capture();
        pt_log_set_level(cases[i].lowest);
        for (int level = PT_LOG_DEBUG; level <= PT_LOG_ERROR; level++) {
            pt_log_line((enum pt_log_level)level, "test", NULL, "one");
        }
        while (read(line_fd, line, sizeof(line)) > 0) {
            written++;
        }
        restore();
        pt_log_set_level(PT_LOG_INFO);
        assert_int_equal(written, cases[i].written);
    }
}

static void a_level_is_read_by_its_name(void **state)
{
    enum pt_log_level level = PT_LOG_DEBUG;

    (void)state;
    PT_CHECK(pt_log_level_parse("error", &level) && level == PT_LOG_ERROR);
    PT_CHECK(pt_log_level_parse("debug", &level) && level == PT_LOG_DEBUG);
    PT_CHECK(!pt_log_level_parse("Error", &level) && level == PT_LOG_DEBUG);
    PT_CHECK(!pt_log_level_parse("", &level));
    PT_CHECK(!pt_log_level_parse("warning", &level));
}

static void a_line_too_long_is_not_written_in_part(void **state)
{
    char *fields = pt_alloc_zero(100000);
    uint8_t line[16];

    (void)state;
    PT_CHECK(fields);
    memset(fields, ' ', 99999);
    capture();
    pt_log_line(PT_LOG_ERROR, "test", fields, "one");
    PT_CHECK(read(line_fd, line, sizeof(line)) < 0);
    restore();
    pt_free(fields);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_json_in_one_write),
        cmocka_unit_test(lines_below_the_level_are_dropped),
        cmocka_unit_test(a_level_is_read_by_its_name),
        cmocka_unit_test(a_line_too_long_is_not_written_in_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
