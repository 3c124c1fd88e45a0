/*
 * schema_register.c - playtrace schema register: put a schema into a running server's registry
 */
#include "base/io.h"
#include "base/json.h"
#include "cmd/cmd.h"
#include "cmd/schema_verbs.h"
#include "schema/schema.h"

#include "playtrace.h"

#include <stdio.h>
#include <string.h>

#define ANSWER_BYTES_MAX (4u << 20)
#define BODY_BYTES_MAX (8u << 20)

/* The subject as one word of a path. */
static void append_escaped(struct pt_buf *out, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
            c == '-' || c == '_' || c == '.' || c == '~') {
            pt_buf_append_byte(out, c);
        } else {
            pt_buf_appendf(out, "%%%02X", c);
        }
    }
}

static int explain(const char *url, const struct playtrace_http_response *response)
{
    struct pt_json_parser *parser = pt_json_parser_create(ANSWER_BYTES_MAX);
    struct pt_json root;
    struct pt_span message;
    struct pt_span text = pt_span_of(response->body, response->body_bytes);

    if (response->status == 0) {
        pt_cmd_say("schema register: %s does not answer; is `playtrace serve` running there?", url);
    } else if (parser && pt_json_parse(parser, text, &root, NULL, NULL) == PT_OK &&
               pt_json_type(root) == PT_JSON_OBJECT &&
               (pt_json_member_string(root, "message", &message) ||
                pt_json_member_string(root, "detail", &message))) {
        pt_cmd_say("schema register: %s answers %d: %.*s", url, response->status,
                   PT_SPAN_ARG(message));
    } else {
        pt_cmd_say("schema register: %s answers %d", url, response->status);
    }
    pt_json_parser_destroy(parser);
    return PT_EXIT_FAILED;
}

static int post(const char *url, const char *key_header, const struct pt_buf *body)
{
    const char *headers[2] = {"Content-Type: application/vnd.schemaregistry.v1+json", key_header};
    struct playtrace_http_request request = {
        .url = url,
        .headers = headers,
        .header_count = key_header ? 2 : 1,
        .body = body->data,
        .body_bytes = body->size,
        .connect_timeout_ms = 5000,
        .timeout_ms = 60000,
    };
    struct playtrace_http_response response = {.body_bytes_max = ANSWER_BYTES_MAX};
    void *transport = playtrace_http_curl_create(NULL);
    int status = PT_EXIT_OK;

    response.body = pt_alloc_zero(ANSWER_BYTES_MAX + PT_JSON_PADDING);
    if (!transport || !response.body) {
        pt_cmd_say("schema register: no memory");
        status = PT_EXIT_FAILED;
    } else {
        playtrace_http_curl_post(transport, &request, &response);
        if (response.status == 200) {
            fwrite(response.body, 1, response.body_bytes, stdout);
            putchar('\n');
        } else {
            status = explain(url, &response);
        }
    }
    if (transport) {
        playtrace_http_curl_destroy(transport);
    }
    pt_free(response.body);
    return status;
}

static int register_file(const char *url, const char *api_key, const char *subject,
                         const char *path)
{
    char *key_header = api_key ? pt_strf("Authorization: Bearer %s", api_key) : NULL;
    uint8_t *data = NULL;
    size_t size = 0;
    size_t url_bytes = strlen(url);
    struct pt_buf target;
    struct pt_buf body;
    struct pt_jsonw w;
    struct pt_error err = {0};
    int status = PT_EXIT_FAILED;

    pt_buf_init(&target, 65536);
    pt_buf_init(&body, BODY_BYTES_MAX);
    while (url_bytes > 0 && url[url_bytes - 1] == '/') {
        url_bytes--;
    }
    pt_buf_append(&target, url, url_bytes);
    pt_buf_append_str(&target, "/registry/subjects/");
    append_escaped(&target, subject);
    pt_buf_append_str(&target, "/versions");
    pt_buf_append_byte(&target, '\0');
    if (pt_io_read_all(pt_io_posix(), path, PT_SCHEMA_BYTES_MAX, 1, &data, &size, &err)) {
        status = pt_cmd_failed("schema register", &err);
        goto out;
    }
    pt_jsonw_init(&w, &body);
    pt_jsonw_object(&w);
    pt_jsonw_member_str(&w, "schemaType", "JSON");
    pt_jsonw_key(&w, "schema");
    pt_jsonw_string(&w, pt_span_of(data, size));
    pt_jsonw_object_end(&w);
    if (body.has_failed || target.has_failed || (api_key && !key_header)) {
        pt_cmd_say("schema register: no memory");
        goto out;
    }
    status = post((const char *)target.data, key_header, &body);

out:
    pt_free(data);
    pt_free(key_header);
    pt_buf_release(&target);
    pt_buf_release(&body);
    return status;
}

int pt_schema_verb_register(int argc, char **argv)
{
    const char *url = "http://127.0.0.1:8080";
    const char *api_key = NULL;
    const char *words[2] = {NULL, NULL};
    const struct pt_option options[] = {
        {"--url", "URL", "the server, or its admin address (default http://127.0.0.1:8080)", &url,
         NULL},
        {"--api-key", "KEY", "a key with the registry scope", &api_key, NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };
    struct pt_command_line line = {
        .usage = "playtrace schema register [--url URL] [--api-key KEY] SUBJECT FILE",
        .about = "Registers FILE as the newest version of SUBJECT (the event's name) and prints "
                 "what it is "
                 "registered as; the same schema again is no new version. Exits 1 where it may not "
                 "follow the version before it, and says why.",
        .options = options,
        .positional = words,
        .positional_max = 2,
    };
    int status = pt_command_line_parse(&line, argc, argv);

    if (status >= 0) {
        return status;
    }
    if (line.positional_count != 2) {
        pt_cmd_say("schema register: SUBJECT and FILE are needed; usage: %s", line.usage);
        return PT_EXIT_USAGE;
    }
    return register_file(url, api_key, words[0], words[1]);
}
