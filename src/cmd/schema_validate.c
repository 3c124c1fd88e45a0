/*
 * schema_validate.c - playtrace schema validate: lines of JSON held to a JSON Schema
 */
#include "base/io.h"
#include "cmd/cmd.h"
#include "cmd/ndjson.h"
#include "cmd/schema_verbs.h"
#include "schema/schema.h"

#include <stdio.h>
#include <string.h>

#define LINE_BYTES_MAX (16u << 20)
#define ANSWER_BYTES_MAX (1u << 20)
#define REMOTES_MAX 32

/* `--remotes URL=DIR`: documents under URL are files under DIR. */
struct remote {
    const char *url;
    size_t url_bytes;
    const char *dir;
};

struct remotes {
    struct remote list[REMOTES_MAX];
    size_t count;
};

struct checker {
    struct pt_schema *schema;
    struct pt_schema_scratch *scratch;
    struct pt_json_parser *parser;
    struct pt_schema_errors errors;
    struct pt_buf answer;
};

/* ---- remote documents ---- */

static bool add_remote(struct remotes *remotes, const char *text)
{
    const char *equals = strrchr(text, '=');
    struct remote *remote = &remotes->list[remotes->count];

    if (!equals || equals == text || !equals[1]) {
        pt_cmd_say("schema validate: --remotes takes URL=DIR, not \"%s\"", text);
        return false;
    }
    if (remotes->count == REMOTES_MAX) {
        pt_cmd_say("schema validate: more than %d --remotes", REMOTES_MAX);
        return false;
    }
    *remote = (struct remote){text, (size_t)(equals - text), equals + 1};
    while (remote->url_bytes > 0 && text[remote->url_bytes - 1] == '/') {
        remote->url_bytes--;
    }
    remotes->count++;
    return true;
}

/* A path that stays below its directory: no "..", nothing that the file system reads otherwise. */
static bool is_plain_path(const char *path)
{
    for (const char *at = path; *at; at++) {
        if (*at == '\\' || (*at == '.' && at[1] == '.' && (at == path || at[-1] == '/'))) {
            return false;
        }
    }
    return *path != '\0';
}

static enum pt_code resolve(void *ctx, const char *uri, struct pt_buf *json_out,
                            struct pt_error *err)
{
    const struct remotes *remotes = ctx;

    for (size_t i = 0; i < remotes->count; i++) {
        const struct remote *remote = &remotes->list[i];
        const char *rest = uri + remote->url_bytes;
        uint8_t *data = NULL;
        size_t size = 0;
        char *path = NULL;
        enum pt_code code = PT_OK;

        if (strncmp(uri, remote->url, remote->url_bytes) != 0 || *rest != '/' ||
            !is_plain_path(rest + 1)) {
            continue;
        }
        path = pt_strf("%s%s", remote->dir, rest);
        if (!path) {
            return pt_fail(err, PT_NO_MEMORY, "%s: no memory", uri);
        }
        code = pt_io_read_all(pt_io_posix(), path, PT_SCHEMA_BYTES_MAX, 1, &data, &size, err);
        pt_free(path);
        if (!code) {
            pt_buf_append(json_out, data, size);
            pt_free(data);
        }
        if (code != PT_NOT_FOUND) {
            return code;
        }
    }
    return pt_fail(err, PT_NOT_FOUND, "%s: no --remotes has it", uri);
}

/* ---- lines ---- */

static void write_error(struct pt_jsonw *w, const char *instance, const char *schema,
                        const char *keyword, const char *detail)
{
    pt_jsonw_object(w);
    pt_jsonw_member_str(w, "instance", instance);
    pt_jsonw_member_str(w, "schema", schema);
    pt_jsonw_member_str(w, "keyword", keyword);
    pt_jsonw_member_str(w, "detail", detail);
    pt_jsonw_object_end(w);
}

/* Prints the verdict on a line that has padding behind it. */
static bool check_line(void *ctx, struct pt_span line)
{
    struct checker *checker = ctx;
    struct pt_error err = {0};
    struct pt_json root;
    struct pt_jsonw w;
    enum pt_code code = pt_json_parse(checker->parser, line, &root, NULL, &err);
    bool is_json = code == PT_OK;

    if (is_json) {
        code = pt_schema_validate(checker->schema, root, checker->scratch, &checker->errors);
    }
    pt_buf_reset(&checker->answer);
    pt_jsonw_init(&w, &checker->answer);
    pt_jsonw_object(&w);
    pt_jsonw_member_bool(&w, "valid", code == PT_OK);
    pt_jsonw_key(&w, "errors");
    pt_jsonw_array(&w);
    if (!is_json) {
        write_error(&w, "", "", "json", err.text);
    } else if (code) {
        for (uint32_t i = 0; i < checker->errors.count; i++) {
            const struct pt_schema_error *error = &checker->errors.list[i];

            write_error(&w, error->instance, error->schema, error->keyword, error->detail);
        }
    }
    pt_jsonw_array_end(&w);
    pt_jsonw_object_end(&w);
    pt_buf_append_byte(&checker->answer, '\n');
    return !checker->answer.has_failed &&
           fwrite(checker->answer.data, 1, checker->answer.size, stdout) == checker->answer.size;
}

/* ---- the verb ---- */

static int validate(const char *path, const struct pt_schema_options *options)
{
    struct checker *checker = pt_alloc_zero(sizeof(*checker));
    struct pt_error err = {0};
    uint8_t *data = NULL;
    size_t size = 0;
    int status = PT_EXIT_FAILED;

    if (!checker) {
        pt_cmd_say("schema validate: no memory");
        return PT_EXIT_FAILED;
    }
    pt_buf_init(&checker->answer, ANSWER_BYTES_MAX);
    checker->parser = pt_json_parser_create(LINE_BYTES_MAX);
    checker->scratch = pt_schema_scratch_create();
    if (!checker->parser || !checker->scratch) {
        pt_cmd_say("schema validate: no memory");
    } else if (pt_io_read_all(pt_io_posix(), path, PT_SCHEMA_BYTES_MAX, 1, &data, &size, &err) ||
               pt_schema_compile(&checker->schema, pt_span_of(data, size), options, &err)) {
        status = pt_cmd_failed(path, &err);
    } else {
        status = pt_cmd_each_line("schema validate", LINE_BYTES_MAX, check_line, checker);
    }
    pt_free(data);
    pt_schema_destroy(checker->schema);
    pt_schema_scratch_destroy(checker->scratch);
    pt_json_parser_destroy(checker->parser);
    pt_buf_release(&checker->answer);
    pt_free(checker);
    return status;
}

/* Takes each --remotes out of argv, because it may stand there more than once. */
static bool take_remotes(struct remotes *remotes, int *argc, char **argv)
{
    static const char name[] = "--remotes";
    int kept = 0;

    for (int i = 0; i < *argc; i++) {
        if (strncmp(argv[i], name, sizeof(name) - 1) == 0 && argv[i][sizeof(name) - 1] == '=') {
            if (!add_remote(remotes, argv[i] + sizeof(name))) {
                return false;
            }
        } else if (strcmp(argv[i], name) == 0 && i + 1 < *argc) {
            if (!add_remote(remotes, argv[++i])) {
                return false;
            }
        } else {
            argv[kept++] = argv[i];
        }
    }
    *argc = kept;
    return true;
}

int pt_schema_verb_validate(int argc, char **argv)
{
    struct remotes remotes = {.count = 0};
    struct pt_schema_options compile = {.resolve = resolve, .resolve_ctx = &remotes};
    const char *path = NULL;
    const char *draft = NULL;
    const char *unused = NULL;
    const struct pt_option options[] = {
        {"--schema", "FILE", "the JSON Schema, draft-07 or 2020-12", &path, NULL},
        {"--remotes", "URL=DIR", "where documents under URL are; may be given again", &unused,
         NULL},
        {"--format-assertion", NULL, "`format` refuses, instead of only telling", NULL,
         &compile.assert_formats},
        {"--draft", "DRAFT", "7 or 2020-12: of a schema without $schema (default 2020-12)", &draft,
         NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };
    struct pt_command_line line = {
        .usage = "playtrace schema validate --schema FILE [--remotes URL=DIR]… "
                 "[--format-assertion] [--draft 7|2020-12] <INSTANCES",
        .about = "Reads a JSON value a line from standard input and prints, a line for each, "
                 "{\"valid\":true|false,\"errors\":[{\"instance\",\"schema\",\"keyword\","
                 "\"detail\"}]}. Exits 1 where the schema is wrong; an invalid value is an answer, "
                 "not a failure.",
        .options = options,
    };
    int status = PT_EXIT_USAGE;

    if (!take_remotes(&remotes, &argc, argv)) {
        return PT_EXIT_USAGE;
    }
    status = pt_command_line_parse(&line, argc, argv);
    if (status >= 0) {
        return status;
    }
    if (!path) {
        pt_cmd_say("schema validate: --schema FILE is missing; usage: %s", line.usage);
        return PT_EXIT_USAGE;
    }
    if (draft && strcmp(draft, "7") == 0) {
        compile.draft = PT_SCHEMA_DRAFT_7;
    } else if (draft && strcmp(draft, "2020-12") != 0) {
        pt_cmd_say("schema validate: --draft is 7 or 2020-12, not \"%s\"", draft);
        return PT_EXIT_USAGE;
    }
    return validate(path, &compile);
}
