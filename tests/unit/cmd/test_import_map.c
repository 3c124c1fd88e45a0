/*
 * test_import_map.c - a row becomes the events that its mapping says, or a reason
 *
 * Method: tables of mapping, row and the JSON that must come out; tables of wrong mappings
 * and the message that names line and remedy.
 */
/* Commands are no library that a test could link: their parts are included as source. */
#include "cmd/import_map.c"
#include "cmd/import_read.c"
#include "cmd/import_row.c"

#include "check.h"

#define HEAD                                                                                       \
    "  - event_name: e\n    occurred_at: \"{t}\"\n    user_id: \"{u}\"\n    session_id: s\n"
#define HEAD_OUT "{\"event_id\":\"id\",\"event_name\":\"e\",\"occurred_at\":"
#define TAIL_OUT ",\"user_id\":\"7\",\"session_id\":\"s\""

static char *put_file(const char *dir, const char *name, const char *text)
{
    char *path = pt_strf("%s/%s", dir, name);
    struct pt_error err;

    assert_non_null(path);
    PT_CHECK_OK(pt_io_replace(pt_io_posix(), path, pt_span_str(text), 0, &err), err);
    return path;
}

/* Every event of every row, a line each; a wrong field as "!reason". */
static enum pt_code apply(const char *dir, const char *map_text, const char *csv_text,
                          struct pt_buf *out, struct pt_error *err)
{
    char *map_path = put_file(dir, "map.yaml", map_text);
    char *csv_path = put_file(dir, "rows.csv", csv_text);
    struct pt_import_reader *reader = pt_alloc_zero(sizeof(*reader));
    struct pt_import_map *map = NULL;
    enum pt_code code = pt_import_map_load(&map, pt_io_posix(), map_path, err);

    assert_non_null(reader);
    PT_CHECK_OK(pt_import_reader_open(reader, pt_io_posix(), csv_path, err), *err);
    reader->name = "rows.csv";
    if (!code) {
        PT_CHECK_OK(pt_import_next_row(reader, ',', err), *err);
        code = pt_import_map_bind(map, reader, err);
    }
    while (!code && pt_import_next_row(reader, ',', err) == PT_OK) {
        for (size_t i = 0; i < pt_import_map_event_count(map); i++) {
            struct pt_jsonw w;
            size_t before = out->size;
            bool is_wanted = false;

            pt_jsonw_init(&w, out);
            if (pt_import_map_event(map, reader, i, "id", &w, &is_wanted, err)) {
                out->size = before;
                pt_buf_appendf(out, "!%s", err->text);
                is_wanted = true;
            }
            if (is_wanted) {
                pt_buf_append_byte(out, '\n');
            }
        }
    }
    pt_buf_append_byte(out, 0);
    pt_import_map_destroy(map);
    pt_import_reader_close(reader);
    pt_free(reader);
    pt_free(map_path);
    pt_free(csv_path);
    return code;
}

static void a_row_becomes_what_the_mapping_says(void **state)
{
    static const struct {
        const char *map;
        const char *csv;
        const char *events;
    } cases[] = {
        {"events:\n" HEAD, "t,u\n2026-01-02T03:04:05Z,7\n",
         HEAD_OUT "\"2026-01-02T03:04:05.000000Z\"" TAIL_OUT "}\n"},
        /* Times without offset are UTC; a wrong one goes out as it stands. */
        {"events:\n" HEAD, "t,u\n2023-02-26 05:13:47.262000,7\n",
         HEAD_OUT "\"2023-02-26T05:13:47.262000Z\"" TAIL_OUT "}\n"},
        {"events:\n" HEAD, "t,u\n2023-02-26 05:13:47+01:00,7\n",
         HEAD_OUT "\"2023-02-26T04:13:47.000000Z\"" TAIL_OUT "}\n"},
        {"events:\n" HEAD, "t,u\n2023-02-26,7\n",
         HEAD_OUT "\"2023-02-26T00:00:00.000000Z\"" TAIL_OUT "}\n"},
        {"events:\n" HEAD, "t,u\nyesterday,7\n", HEAD_OUT "\"yesterday\"" TAIL_OUT "}\n"},
        {"events:\n" HEAD, "t,u\n2023-02-30,7\n", HEAD_OUT "\"2023-02-30\"" TAIL_OUT "}\n"},
        {"events:\n  - event_name: e\n    occurred_at: {value: \"{t}\", unit: ms, plus: 1d}\n"
         "    user_id: \"{u}\"\n    session_id: s\n",
         "t,u\n1000,7\n", HEAD_OUT "\"1970-01-02T00:00:01.000000Z\"" TAIL_OUT "}\n"},
        {"events:\n  - event_name: e\n"
         "    occurred_at: {value: \"2026-01-01T12:00:00Z\", plus: \"-{t}m\"}\n"
         "    user_id: \"{u}\"\n    session_id: s\n",
         "t,u\n30,7\n", HEAD_OUT "\"2026-01-01T11:30:00.000000Z\"" TAIL_OUT "}\n"},
        /* Names: templates, replacement, sanitising; alternatives; braces. */
        {"events:\n  - event_name: {value: \"{t}\", sanitize: true, names: {bought: purchase}}\n"
         "    occurred_at: x\n    user_id: [\"{u}\", \"anon-{{{t}\"]\n    session_id: s\n",
         "t,u\nbought,7\n1 up-now!,\n",
         "{\"event_id\":\"id\",\"event_name\":\"purchase\",\"occurred_at\":\"x\"" TAIL_OUT "}\n"
         "{\"event_id\":\"id\",\"event_name\":\"e1_up_now_\",\"occurred_at\":\"x\","
         "\"user_id\":\"anon-{1 up-now!\",\"session_id\":\"s\"}\n"},
        /* Optional fields, null values, an identifier beyond 2^53. */
        {"null_values: [None, NULL]\nevents:\n  - event_name: e\n    occurred_at: x\n"
         "    user_id: \"{u}\"\n    session_id: \"{s}\"\n    seq: \"{n}\"\n    platform: \"{p}\"\n"
         "    build_id: \"{b}\"\n",
         "u,s,n,p,b\n23010000124797536,9007199254740993,4,web,None\n7,s,x,NULL,\n",
         "{\"event_id\":\"id\",\"event_name\":\"e\",\"occurred_at\":\"x\","
         "\"user_id\":\"23010000124797536\",\"session_id\":\"9007199254740993\","
         "\"platform\":\"web\",\"seq\":4}\n"
         "{\"event_id\":\"id\",\"event_name\":\"e\",\"occurred_at\":\"x\",\"user_id\":\"7\","
         "\"session_id\":\"s\",\"seq\":\"x\"}\n"},
        /* Attributes of every type, constants, what is empty. */
        {"events:\n" HEAD "    attributes:\n      i: {column: t, type: int}\n"
         "      f: {column: f, type: float}\n      b: {column: b, type: bool}\n"
         "      j: {column: j, type: json}\n      s: {column: f}\n      text: \"<{t}>\"\n"
         "      n: 5\n      yes: true\n      five: \"5\"\n      word: gate\n      gone: null\n"
         "      empty: {column: z, type: int}\n",
         "t,u,f,b,j,z\n-12,7,2.50,TRUE,\"{\"\"a\"\": [1, null]}\",\n",
         HEAD_OUT "\"-12\"" TAIL_OUT ",\"attributes\":{\"i\":-12,\"f\":2.5,\"b\":true,"
                  "\"j\":{\"a\":[1,null]},\"s\":\"2.50\",\"text\":\"<-12>\",\"n\":5,\"yes\":true,"
                  "\"five\":\"5\",\"word\":\"gate\"}}\n"},
        {"events:\n" HEAD "    attributes_from: {column: j, exclude: [remote_addr, agent]}\n",
         "t,u,j\nx,7,\"{\"\"level\"\": 3, \"\"remote_addr\"\": \"\"1.2.3.4\"\", \"\"agent\"\": "
         "{}}\"\n"
         "x,7,\n",
         HEAD_OUT "\"x\"" TAIL_OUT ",\"attributes\":{\"level\":3}}\n" HEAD_OUT "\"x\"" TAIL_OUT
                  ",\"attributes\":{}}\n"},
        /* Wrong values are named by line and column. */
        {"events:\n" HEAD "    attributes: {i: {column: t, type: int}}\n",
         "t,u\n12,7\n1.5,7\n99999999999999999999,7\n\" 1\",7\n",
         HEAD_OUT "\"12\"" TAIL_OUT ",\"attributes\":{\"i\":12}}\n"
                  "!rows.csv:3: column 't': '1.5' is no whole number\n"
                  "!rows.csv:4: column 't': '99999999999999999999' is no whole number\n"
                  "!rows.csv:5: column 't': ' 1' is no whole number\n"},
        {"events:\n" HEAD "    attributes: {i: {column: t, type: float}}\n",
         "t,u\ninf,7\n1e999,7\n",
         "!rows.csv:2: column 't': 'inf' is no number\n"
         "!rows.csv:3: column 't': '1e999' is no number\n"},
        {"events:\n" HEAD "    attributes: {i: {column: t, type: bool}}\n", "t,u\nmaybe,7\n",
         "!rows.csv:2: column 't': 'maybe' is no true or false\n"},
        {"events:\n" HEAD "    attributes_from: {column: t}\n", "t,u\n[1],7\n{,7\n",
         "!rows.csv:2: column 't': '[1]' is no JSON object\n"
         "!rows.csv:3: column 't': '{' is no JSON object\n"},
    };
    char *dir = pt_test_dir_create();

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pt_buf out;
        struct pt_error err = {0};

        pt_buf_init(&out, 1 << 20);
        PT_CHECK_OK(apply(dir, cases[i].map, cases[i].csv, &out, &err), err);
        assert_string_equal((const char *)out.data, cases[i].events);
        pt_buf_release(&out);
    }
    pt_test_dir_remove(dir);
}

static void conditions_choose_rows(void **state)
{
    static const struct {
        const char *when;
        const char *kept; /* of the rows x, y, and one without value */
    } cases[] = {
        {"{column: c, equals: x}", "x"},
        {"{column: c, equals: [x, y]}", "xy"},
        {"{column: c, not_equals: x}", "y-"},
        {"{column: c, empty: true}", "-"},
        {"{column: c, empty: false}", "xy"},
        {"[{column: c, empty: false}, {column: c, not_equals: y}]", "x"},
    };
    char *dir = pt_test_dir_create();

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *map = pt_strf("null_values: none\nevents:\n  - event_name: [\"{c}\", \"-\"]\n"
                            "    occurred_at: t\n    user_id: u\n    session_id: s\n    when: %s\n",
                            cases[i].when);
        struct pt_buf out;
        struct pt_error err = {0};
        const char *at = NULL;

        pt_buf_init(&out, 1 << 20);
        PT_CHECK_OK(apply(dir, map, "c,d\nx,1\ny,1\nnone,1\n", &out, &err), err);
        at = (const char *)out.data;
        for (const char *kept = cases[i].kept; *kept; kept++) {
            at = strstr(at, "\"event_name\":\"");
            assert_non_null(at);
            at += strlen("\"event_name\":\"");
            assert_int_equal(*at, *kept);
        }
        assert_null(strstr(at, "\"event_name\":\""));
        pt_buf_release(&out);
        pt_free(map);
    }
    pt_test_dir_remove(dir);
}

static void a_wrong_mapping_names_line_and_remedy(void **state)
{
    static const struct {
        const char *map;
        const char *says;
    } cases[] = {
        {"", "map.yaml: events: is missing"},
        {"events: []\n", "map.yaml: events: is missing"},
        {"evnts: []\n", "map.yaml:1: no key is called 'evnts' here; did you mean 'events'?"},
        {"events:\n" HEAD "    occured_at: x\n",
         "map.yaml:6: no key is called 'occured_at' here; did you mean 'occurred_at'?"},
        {"events:\n  - event_name: e\n", "map.yaml:2: an event needs event_name, occurred_at"},
        {"events:\n" HEAD "    when: {column: t}\n", "map.yaml:6: when: a condition is"},
        {"events:\n" HEAD "    when: {equals: t}\n", "map.yaml: a column is missing"},
        {"events:\n" HEAD "    seq: \"{t\"\n", "map.yaml:6: seq: a '{' is not closed"},
        {"events:\n" HEAD "    attributes: {i: {column: t, type: integer}}\n",
         "map.yaml:6: type: is one of string, int"},
        {"events:\n" HEAD "    attributes: [1]\n", "map.yaml:6: attributes: a map"},
        {"events:\n" HEAD "    platform: {a: b}\n", "map.yaml:6: platform: text such as"},
        {"events:\n" HEAD "    attributes: {i: {column: tt}}\n",
         "map.yaml:6: rows.csv has no column 'tt'; did you mean 't'?"},
        {"delimiter: abc\nevents:\n" HEAD, "map.yaml:1: delimiter: is one character"},
        {"events:\n  - event_name: e\n    occurred_at: {value: x, unit: days}\n    user_id: u\n"
         "    session_id: s\n",
         "map.yaml:3: unit: is one of text, s, ms, us"},
    };
    char *dir = pt_test_dir_create();

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pt_buf out;
        struct pt_error err = {0};

        pt_buf_init(&out, 1 << 20);
        assert_int_equal(apply(dir, cases[i].map, "t,u\n1,2\n", &out, &err), PT_INVALID);
        if (!strstr(err.text, cases[i].says)) {
            fail_msg("case %zu: \"%s\" does not hold \"%s\"", i, err.text, cases[i].says);
        }
        pt_buf_release(&out);
    }
    pt_test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_becomes_what_the_mapping_says),
        cmocka_unit_test(conditions_choose_rows),
        cmocka_unit_test(a_wrong_mapping_names_line_and_remedy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
