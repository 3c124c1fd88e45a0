/*
 * test_codegen.c - generated source compiles without a warning, and what it records is what it was
 * given
 *
 * Method: schemas with awkward names, texts and types are turned into C and C++, which is compiled
 * as C99 and C++17 with warnings as errors against playtrace.h; programs with a playtrace_track()
 * of their own print what reaches it, and that is parsed and held to the schema. C# is compiled and
 * run where mono-mcs is installed.
 */
#include "check.h"

#include "base/io.h"
#include "base/json.h"
#include "schema/codegen.h"
#include "schema/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

static const char awkward[] =
    "{\"title\":\"Ends a comment */ // and begins one /* "
    "\?\?/\",\"type\":\"object\",\"properties\":{"
    "\"price\":{\"type\":\"number\",\"description\":\"100% of it\\nline\"},"
    "\"Currency\":{\"enum\":[\"EUR\",\"USD\"]},\"item-id\":{\"type\":\"string\"},"
    "\"itemId\":{\"type\":[\"string\",\"null\"]},\"class\":{\"type\":\"integer\"},"
    "\"gr\xc3\xb6\xc3\x9f"
    "e\\\"\?\?/\\u2028\":{\"type\":\"boolean\"},\"tags\":{\"type\":\"array\"},"
    "\"1st\":{\"type\":[\"integer\",\"null\"]},\"never\":false,\"\":{\"type\":\"boolean\"},"
    "\"p\":{\"type\":\"string\"},\"name\":{\"type\":\"string\"},\"writer\":{\"type\":\"number\"}},"
    "\"required\":[\"price\",\"Currency\",\"itemId\",\"tags\",\"1st\"],"
    "\"allOf\":[{\"properties\":{\"level\":{\"$ref\":\"#/definitions/"
    "l\"}},\"required\":[\"level\"]}],"
    "\"definitions\":{\"l\":{\"type\":\"integer\"}}}";

static const char c_program[] =
    "#include \"first.h\"\n#include \"second.h\"\n#include \"third.h\"\n"
    "enum playtrace_status playtrace_track(struct playtrace *p, const char *name, const char "
    "*text)\n"
    "{\n    (void)p;\n    printf(\"%s %s\\n\", name, text);\n    return PLAYTRACE_OK;\n}\n"
    "int main(void)\n{\n"
    "    static const int64_t one = 1;\n    static const bool yes = true;\n"
    "    const struct playtrace_shop_purchase_options options = {.item_id = \"a\\\"\\\\\\n\", "
    ".class_2 = &one,\n"
    "                                                            .gr_e = &yes};\n"
    "    struct playtrace_shop_purchase_options none = {0};\n"
    "    double zero = 0;\n"
    "    playtrace_track_shop_purchase(NULL, 0.1, \"EUR\", NULL, \"[1,2]\", &one, -9000000000LL, "
    "&options);\n"
    "    playtrace_track_shop_purchase(NULL, 1e300, \"USD\", \"x\", \"[]\", NULL, 0, &none);\n"
    "    playtrace_track_shop_purchase(NULL, 2, \"USD\", \"x\", \"[]\", NULL, 0, NULL);\n"
    "    if (playtrace_track_shop_purchase(NULL, 1 / zero, \"USD\", NULL, \"[]\", NULL, 0, NULL) "
    "!=\n"
    "            PLAYTRACE_INVALID ||\n"
    "        playtrace_track_shop_purchase(NULL, 1, NULL, NULL, \"[]\", NULL, 0, NULL) !=\n"
    "            PLAYTRACE_INVALID) {\n        return 1;\n    }\n"
    "    playtrace_track_ping(NULL);\n    playtrace_track_id_event(NULL, NULL);\n    return "
    "0;\n}\n";

static const char cpp_program[] =
    "#include \"first.hpp\"\n#include \"second.hpp\"\n#include \"third.hpp\"\n#include <cstdio>\n"
    "extern \"C\" enum playtrace_status playtrace_track(struct playtrace *, const char *name,\n"
    "                                                  const char *text)\n"
    "{\n    std::printf(\"%s %s\\n\", name, text);\n    return PLAYTRACE_OK;\n}\n"
    "int main()\n{\n    using namespace playtrace_events;\n"
    "    ShopPurchaseEvent event(0.1, \"EUR\", std::nullopt, Json{\"[1,2]\"}, 1, -9000000000LL);\n"
    "    event.item_id = \"a\\\"\\\\\\n\";\n    event.class_2 = 1;\n    event.gr_e = true;\n"
    "    event.track(nullptr);\n"
    "    ShopPurchaseEvent(1e300, \"USD\", \"x\", Json{\"[]\"}, std::nullopt, 0).track(nullptr);\n"
    "    ShopPurchaseEvent(2, \"USD\", \"x\", Json{\"[]\"}, std::nullopt, 0).track(nullptr);\n"
    "    if (ShopPurchaseEvent(HUGE_VAL, \"USD\", \"x\", Json{\"[]\"}, std::nullopt, "
    "0).track(nullptr) !=\n"
    "        PLAYTRACE_INVALID) {\n        return 1;\n    }\n"
    "    PingEvent().track(nullptr);\n    IdEventEvent().track(nullptr);\n    return 0;\n}\n";

static const char csharp_program[] =
    "using Playtrace.Events;\npublic static class Program\n{\n    static int Print(string name, "
    "string text)\n"
    "    {\n        System.Console.WriteLine(name + \" \" + text);\n        return 0;\n    }\n"
    "    public static void Main()\n    {\n"
    "        ShopPurchaseEvent.Track<int>(Print, 0.1, \"EUR\", null, \"[1,2]\", 1, -9000000000L,\n"
    "            itemId: \"a\\\"\\\\\\n\", class_2: 1, grE: true);\n"
    "        ShopPurchaseEvent.Track<int>(Print, 1e300, \"USD\", \"x\", \"[]\", null, 0);\n"
    "        ShopPurchaseEvent.Track<int>(Print, 2, \"USD\", \"x\", \"[]\", null, 0);\n"
    "        PingEvent.Track<int>(Print);\n        IdEventEvent.Track<int>(Print);\n    }\n}\n";

static void write_file(const char *dir, const char *name, struct pt_span content)
{
    char path[512];
    struct pt_error err = {0};

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    PT_CHECK_OK(pt_io_replace(pt_io_posix(), path, content, 0, &err), err);
}

static void generate(const char *dir, const char *file, const char *schema, const char *event,
                     enum pt_codegen_language language)
{
    struct pt_buf out;
    struct pt_error err = {0};

    pt_buf_init(&out, 1 << 20);
    PT_CHECK_OK(pt_codegen(pt_span_str(schema), event, language, &out, &err), err);
    write_file(dir, file, pt_buf_span(&out));
    pt_buf_release(&out);
}

static void generate_all(const char *dir, enum pt_codegen_language language, const char *extension)
{
    char file[32];

    snprintf(file, sizeof(file), "first.%s", extension);
    generate(dir, file, awkward, "shop.purchase", language);
    snprintf(file, sizeof(file), "second.%s", extension);
    generate(dir, file, "{}", "ping", language);
    snprintf(file, sizeof(file), "third.%s", extension);
    generate(dir, file, "{\"properties\":{\"a\":{\"type\":\"integer\"}}}", "id", language);
}

/* What the command printed; the test fails with it where it ended otherwise than with 0. */
static void run(const char *command, struct pt_buf *out)
{
    char chunk[4096];
    size_t size = 0;
    FILE *pipe = popen(command, "r");
    int status = 0;

    PT_CHECK(pipe != NULL);
    pt_buf_reset(out);
    while ((size = fread(chunk, 1, sizeof(chunk), pipe)) > 0) {
        pt_buf_append(out, chunk, size);
    }
    status = pclose(pipe);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fail_msg("%s\n%.*s", command, (int)out->size, (const char *)out->data);
    }
}

static void check_line(struct pt_span line, unsigned number, const struct pt_schema *schema,
                       struct pt_json_parser *parser, struct pt_schema_scratch *scratch)
{
    static const char *const names[] = {"shop.purchase ", "shop.purchase ", "shop.purchase ",
                                        "ping ", "id "};
    size_t bytes = strlen(names[number]);
    struct pt_json value;
    struct pt_span text;
    int64_t level = 0;
    bool is_large = false;

    PT_CHECK(line.size > bytes && memcmp(line.data, names[number], bytes) == 0);
    line = pt_span_of(line.data + bytes, line.size - bytes);
    if (number >= 3) {
        PT_CHECK(pt_span_is(line, "{}"));
        return;
    }
    PT_CHECK(pt_json_parse(parser, line, &value, NULL, NULL) == PT_OK);
    PT_CHECK(pt_schema_validate(schema, value, scratch, NULL) == PT_OK);
    PT_CHECK(pt_json_double(pt_json_member(value, "price")) == (number == 0   ? 0.1
                                                                : number == 1 ? 1e300
                                                                              : 2));
    if (number == 0) {
        PT_CHECK(pt_json_member_string(value, "item-id", &text) && pt_span_is(text, "a\"\\\n"));
        PT_CHECK(pt_json_member_int(value, "level", &level) && level == -9000000000LL);
        PT_CHECK(pt_json_member_bool(value,
                                     "gr\xc3\xb6\xc3\x9f"
                                     "e\"\?\?/\xe2\x80\xa8",
                                     &is_large));
        PT_CHECK(is_large && pt_json_count(pt_json_member(value, "tags")) == 2);
        PT_CHECK(pt_json_type(pt_json_member(value, "itemId")) == PT_JSON_NULL);
    } else {
        PT_CHECK(pt_json_count(value) == 6); /* what is required, and nothing else */
    }
}

static void check_output(struct pt_buf *out)
{
    const struct pt_schema_options options = {.draft = PT_SCHEMA_DRAFT_7};
    struct pt_json_parser *parser = pt_json_parser_create(1 << 16);
    struct pt_schema_scratch *scratch = pt_schema_scratch_create();
    struct pt_schema *schema = NULL;
    size_t at = 0;
    unsigned lines = 0;

    PT_CHECK(parser && scratch);
    PT_CHECK(pt_schema_compile(&schema, pt_span_str(awkward), &options, NULL) == PT_OK);
    PT_CHECK(pt_buf_reserve(out, PT_JSON_PADDING) != NULL);
    while (at < out->size) {
        const uint8_t *end = memchr(out->data + at, '\n', out->size - at);
        size_t size = end ? (size_t)(end - out->data) - at : out->size - at;

        PT_CHECK(lines < 5);
        check_line(pt_span_of(out->data + at, size), lines++, schema, parser, scratch);
        at += size + 1;
    }
    PT_CHECK(lines == 5);
    pt_schema_destroy(schema);
    pt_schema_scratch_destroy(scratch);
    pt_json_parser_destroy(parser);
}

static void compile_and_run(enum pt_codegen_language language, const char *extension,
                            const char *file, const char *program, const char *build)
{
    char *dir = pt_test_dir_create();
    char command[1024];
    struct pt_buf out;

    pt_buf_init(&out, 1 << 20);
    generate_all(dir, language, extension);
    write_file(dir, file, pt_span_str(program));
    snprintf(command, sizeof(command), "cd %s && %s", dir, build);
    run(command, &out);
    check_output(&out);
    pt_buf_release(&out);
    pt_test_dir_remove(dir);
}

/* Not -Wshadow: playtrace.h has a struct and a function of one name, which C++ calls hiding. */
#define WARNINGS "-Wall -Wextra -Wpedantic -Wconversion -Werror -I " PT_SOURCE_DIR "/client/include"

static void c_compiles_and_records(void **state)
{
    (void)state;
    compile_and_run(PT_CODEGEN_C, "h", "main.c", c_program,
                    "gcc -std=c99 -O2 " WARNINGS " -o main main.c 2>&1 && ./main");
}

static void c_reads_as_cpp_too(void **state)
{
    char *dir = pt_test_dir_create();
    char command[1024];
    struct pt_buf out;

    (void)state;
    pt_buf_init(&out, 1 << 20);
    generate_all(dir, PT_CODEGEN_C, "h");
    write_file(dir, "main.cpp",
               pt_span_str("#include \"first.h\"\n#include \"second.h\"\n#include \"third.h\"\n"));
    snprintf(command, sizeof(command),
             "cd %s && g++ -std=c++17 -Wall -Wextra -Werror -I " PT_SOURCE_DIR
             "/client/include -c main.cpp 2>&1",
             dir);
    run(command, &out);
    pt_buf_release(&out);
    pt_test_dir_remove(dir);
}

static void cpp_compiles_and_records(void **state)
{
    (void)state;
    compile_and_run(PT_CODEGEN_CPP, "hpp", "main.cpp", cpp_program,
                    "g++ -std=c++17 -O1 " WARNINGS " -o main main.cpp 2>&1 && ./main");
}

static void csharp_compiles_and_records(void **state)
{
    (void)state;
    if (system("command -v mcs >/dev/null 2>&1 && command -v mono >/dev/null 2>&1") != 0) {
        print_message("skipped: mono-mcs is not installed\n");
        skip();
    }
    compile_and_run(PT_CODEGEN_CSHARP, "cs", "main.cs", csharp_program,
                    "export LC_ALL=C.UTF-8; "
                    "mcs -warnaserror -out:main.exe *.cs 2>&1 && mono main.exe");
}

static void what_is_no_event_is_refused(void **state)
{
    static const char *const names[] = {"", "1st", "a b", "a\nb", "*/", "\xc3\xb6"};
    struct pt_buf out;
    struct pt_error err = {0};

    (void)state;
    pt_buf_init(&out, 1 << 20);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        PT_CHECK(pt_codegen(pt_span_str("{}"), names[i], PT_CODEGEN_C, &out, &err) == PT_INVALID);
    }
    PT_CHECK(pt_codegen(pt_span_str("{\"type\":\"string\"}"), "a", PT_CODEGEN_C, &out, &err) ==
             PT_INVALID);
    PT_CHECK(pt_codegen(pt_span_str("[]"), "a", PT_CODEGEN_C, &out, &err) == PT_INVALID);
    PT_CHECK(pt_codegen(pt_span_str("false"), "a", PT_CODEGEN_C, &out, &err) == PT_INVALID);
    PT_CHECK(out.size == 0);
    pt_buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(c_compiles_and_records),
        cmocka_unit_test(c_reads_as_cpp_too),
        cmocka_unit_test(cpp_compiles_and_records),
        cmocka_unit_test(csharp_compiles_and_records),
        cmocka_unit_test(what_is_no_event_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
