/*
 * chain.c - lines that name the line before
 *
 * FORMAT. A line:
 *
 *     SHA-256 of the JSON behind it, 64 hex digits   space   JSON object   newline
 *
 * The object: "seq" from 1, "prev" (the digits of the line before; 64 zeros in the first), "at",
 * "kind", and what its owner adds. What follows the last newline is a torn write.
 */
#include "base/chain.h"

#include "wire/rfc3339.h"

#include <inttypes.h>

#define HEX PT_CHAIN_HASH_CHARS

static const char zeros[HEX + 1] =
    "0000000000000000000000000000000000000000000000000000000000000000";

void pt_chain_hash(struct pt_span text, char hex_out[HEX + 1])
{
    uint8_t digest[PT_SHA256_BYTES];

    pt_sha256(text, digest);
    pt_hex_encode(digest, sizeof(digest), hex_out);
}

void pt_chain_release(struct pt_chain *chain)
{
    pt_free(chain->data);
    pt_free(chain->path);
    *chain = (struct pt_chain){0};
}

static enum pt_code check_line(struct pt_chain *chain, struct pt_json_parser *parser,
                               struct pt_span line, pt_chain_line *each, void *ctx,
                               struct pt_error *err)
{
    struct pt_json root = {0};
    struct pt_span json = {0};
    struct pt_span prev = {0};
    char hash[HEX + 1];
    int64_t seq = 0;
    uint64_t number = chain->seq + 1;

    if (line.size < HEX + 2 || line.data[HEX] != ' ') {
        return pt_fail(err, PT_CORRUPT, "%s: line %" PRIu64 " has no checksum", chain->path,
                       number);
    }
    json = pt_span_of(line.data + HEX + 1, line.size - HEX - 1);
    pt_chain_hash(json, hash);
    if (memcmp(hash, line.data, HEX) != 0) {
        return pt_fail(err, PT_CORRUPT,
                       "%s: line %" PRIu64 " was changed: its checksum is %.*s, its text has %s",
                       chain->path, number, PT_SPAN_ARG(pt_span_of(line.data, HEX)), hash);
    }
    if (pt_json_parse(parser, json, &root, NULL, err) || pt_json_type(root) != PT_JSON_OBJECT) {
        return pt_fail(err, PT_CORRUPT, "%s: line %" PRIu64 " is no JSON object", chain->path,
                       number);
    }
    if (!pt_json_member_int(root, "seq", &seq) || seq != (int64_t)number ||
        !pt_json_member_string(root, "prev", &prev) || !pt_span_is(prev, chain->hash)) {
        return pt_fail(err, PT_CORRUPT,
                       "%s: line %" PRIu64 " does not follow the line before it: a line was taken "
                       "out, put in or exchanged",
                       chain->path, number);
    }
    chain->seq = number;
    memcpy(chain->hash, hash, sizeof(hash));
    return each ? each(ctx, root, hash, err) : PT_OK;
}

enum pt_code pt_chain_read(struct pt_chain *chain, struct pt_io *io, const char *path,
                           size_t bytes_max, size_t line_bytes_max, pt_chain_line *each, void *ctx,
                           struct pt_error *err)
{
    struct pt_json_parser *parser = pt_json_parser_create(line_bytes_max);
    size_t size = 0;
    enum pt_code code = PT_OK;

    *chain = (struct pt_chain){.path = pt_strdup(path), .line_bytes_max = line_bytes_max};
    memcpy(chain->hash, zeros, sizeof(zeros));
    if (!parser || !chain->path) {
        code = pt_fail(err, PT_NO_MEMORY, "%s: no memory to read it", path);
        goto out;
    }
    code = pt_io_read_all(io, chain->path, bytes_max, PT_JSON_PADDING, &chain->data, &size, err);
    if (code) {
        code = code == PT_NOT_FOUND ? PT_OK : code;
        goto out;
    }
    for (size_t at = 0; at < size && !code;) {
        const uint8_t *end = memchr(chain->data + at, '\n', size - at);

        if (!end) {
            break;
        }
        code = check_line(chain, parser,
                          pt_span_of(chain->data + at, (size_t)(end - chain->data) - at), each, ctx,
                          err);
        at = chain->whole_bytes = (size_t)(end - chain->data) + 1;
    }

out:
    pt_json_parser_destroy(parser);
    return code;
}

void pt_chain_begin(const struct pt_chain *chain, struct pt_clock *clock, const char *kind,
                    struct pt_jsonw *w)
{
    char at[PT_RFC3339_TEXT_BYTES + 1];

    pt_rfc3339_format(pt_clock_wall_us(clock), at);
    pt_jsonw_object(w);
    pt_jsonw_key(w, "seq");
    pt_jsonw_uint(w, chain->seq + 1);
    pt_jsonw_key(w, "prev");
    pt_jsonw_str(w, chain->hash);
    pt_jsonw_key(w, "at");
    pt_jsonw_str(w, at);
    pt_jsonw_key(w, "kind");
    pt_jsonw_str(w, kind);
}

enum pt_code pt_chain_append(struct pt_chain *chain, struct pt_io *io, const char *dir,
                             const struct pt_buf *json, struct pt_error *err)
{
    struct pt_file *file = NULL;
    struct pt_buf line;
    char hash[HEX + 1];
    enum pt_code code = PT_OK;

    pt_buf_init(&line, chain->line_bytes_max + HEX + 2);
    if (!json->has_failed) {
        pt_chain_hash(pt_buf_span(json), hash);
        pt_buf_appendf(&line, "%s ", hash);
        pt_buf_append(&line, json->data, json->size);
        pt_buf_append_byte(&line, '\n');
    }
    if (json->has_failed || line.has_failed) {
        code = pt_fail(err, PT_NO_MEMORY, "%s: no memory for a line of it", chain->path);
        goto out;
    }
    code = pt_io_open(io, chain->path, PT_OPEN_WRITE | PT_OPEN_CREATE, &file, err);
    code = code ? code : pt_io_truncate(io, file, chain->whole_bytes, err);
    code = code ? code : pt_io_write(io, file, chain->whole_bytes, line.data, line.size, err);
    code = code ? code : pt_io_sync(io, file, err);
    code = code ? code : pt_io_sync_dir(io, dir, err);
    if (!code) {
        chain->seq++;
        chain->whole_bytes += line.size;
        memcpy(chain->hash, hash, sizeof(hash));
    }

out:
    pt_io_close(io, file);
    pt_buf_release(&line);
    return code;
}
