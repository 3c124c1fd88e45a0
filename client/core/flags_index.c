/*
 * flags_index.c - the answer of OFREP's bulk evaluation, found by a flag's key
 *
 * The whole is checked by the strict reader first; what follows walks text that is known to be
 * JSON, and so needs no bounds of its own.
 */
#include "core/flags_index.h"

#include "core/decimal.h"
#include "core/json.h"

#include <string.h>

#define ANSWER_DEPTH_MAX 64
/* Of the three that an exposure repeats, so that it always has room. */
#define EXPOSED_BYTES_MAX 600u
#define LITERAL_IS(piece_text, piece_bytes, literal)                                               \
    ((piece_bytes) == sizeof(literal) - 1 && memcmp(piece_text, literal, sizeof(literal) - 1) == 0)

/* ---- walking through text that is JSON ---- */

static const char *skip_space(const char *at)
{
    while (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r') {
        at++;
    }
    return at;
}

static const char *skip_string(const char *at)
{
    for (at++; *at != '"'; at++) {
        at += *at == '\\' ? 1 : 0;
    }
    return at + 1;
}

/* Not strcspn(): the text ends in a brace, not in a NUL. */
static bool ends_word(char c)
{
    return c == ',' || c == ']' || c == '}' || c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static const char *skip_value(const char *at)
{
    unsigned depth = 0;

    do {
        switch (*at) {
        case '"':
            at = skip_string(at);
            continue;
        case '{':
        case '[':
            depth++;
            break;
        case '}':
        case ']':
            depth--;
            break;
        default:
            if (depth == 0) { /* a number or a word; the object around it ends it at last */
                while (!ends_word(*at)) {
                    at++;
                }
                continue;
            }
            break;
        }
        at++;
    } while (depth > 0);
    return at;
}

struct member {
    const char *name; /* without its quotes */
    size_t name_bytes;
    const char *value;
    size_t value_bytes;
};

/* `*at` stands behind a brace or behind the value of the member before. */
static bool next_member(const char **at, struct member *member)
{
    const char *to = skip_space(*at);

    to = *to == ',' ? skip_space(to + 1) : to;
    if (*to == '}') {
        return false;
    }
    member->name = to + 1;
    to = skip_string(to);
    member->name_bytes = (size_t)(to - member->name) - 1;
    member->value = skip_space(skip_space(to) + 1);
    *at = skip_value(member->value);
    member->value_bytes = (size_t)(*at - member->value);
    return true;
}

/* As next_member(), in an array. */
static const char *next_element(const char **at)
{
    const char *to = skip_space(*at);

    to = *to == ',' ? skip_space(to + 1) : to;
    if (*to == ']') {
        return NULL;
    }
    *at = skip_value(to);
    return to;
}

#define NAME_IS(member, literal) LITERAL_IS((member)->name, (member)->name_bytes, literal)

static struct pt_client_piece piece_of(const struct pt_client_flags_index *index, const char *at,
                                       size_t bytes)
{
    struct pt_client_piece piece = {(uint32_t)(at - index->text), (uint32_t)bytes};

    return piece;
}

/* The inside of a string; nothing where the value is no string. */
static struct pt_client_piece inside_of(const struct pt_client_flags_index *index,
                                        const struct member *member)
{
    struct pt_client_piece none = {0, 0};

    return *member->value == '"' ? piece_of(index, member->value + 1, member->value_bytes - 2)
                                 : none;
}

/* ---- text ---- */

static unsigned hex4(const char *at)
{
    unsigned value = 0;

    for (int i = 0; i < 4; i++) {
        char c = at[i];

        value = value * 16 + (unsigned)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
}

static size_t put_utf8(unsigned code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

/* One escape, behind its backslash; moves `*at` behind it. */
static size_t put_escape(const char **at, char out[4])
{
    static const char from[] = "bfnrt";
    static const char to[] = "\b\f\n\r\t";
    char c = *(*at)++;
    const char *known = memchr(from, c, sizeof(from) - 1);
    unsigned code = 0;

    if (c != 'u') {
        out[0] = known ? to[known - from] : c;
        return 1;
    }
    code = hex4(*at);
    *at += 4;
    if (code >= 0xd800 && code <= 0xdbff) {
        code = 0x10000 + ((code - 0xd800) << 10) + (hex4(*at + 2) - 0xdc00);
        *at += 6;
    }
    return put_utf8(code, out);
}

size_t pt_client_json_unescape(const char *inside, size_t bytes, char *out, size_t out_bytes)
{
    const char *end = inside + bytes;
    size_t whole = 0;
    size_t written = 0;
    bool is_cut = false;

    while (inside < end) {
        char character[4];
        size_t count = 0;

        if (*inside == '\\') {
            inside++;
            count = put_escape(&inside, character);
        } else {
            unsigned char lead = (unsigned char)*inside;

            count = lead < 0xc0 ? 1u : lead < 0xe0 ? 2u : lead < 0xf0 ? 3u : 4u;
            memcpy(character, inside, count);
            inside += count;
        }
        whole += count;
        is_cut = is_cut || written + count >= out_bytes;
        if (!is_cut) {
            memcpy(out + written, character, count);
            written += count;
        }
    }
    if (out_bytes > 0) {
        out[written] = '\0';
    }
    return whole;
}

/* ---- reading ---- */

uint32_t pt_client_flags_count_max(size_t bytes)
{
    return (uint32_t)(bytes / PT_CLIENT_FLAG_TEXT_BYTES) + 1;
}

uint32_t pt_client_flags_head_count(size_t bytes)
{
    uint32_t count = 16;

    while (count < pt_client_flags_count_max(bytes)) {
        count *= 2;
    }
    return count;
}

/* FNV-1a. */
static uint32_t hash_of(const char *key, size_t bytes)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < bytes; i++) {
        hash = (hash ^ (unsigned char)key[i]) * 16777619u;
    }
    return hash;
}

static bool has_key(const struct pt_client_flags_index *index, const struct pt_client_flag *flag,
                    const char *key, size_t key_bytes)
{
    const char *inside = index->text + flag->key.at;
    char text[PT_CLIENT_FLAG_KEY_BYTES_MAX + 1];

    if (!memchr(inside, '\\', flag->key.bytes)) {
        return flag->key.bytes == key_bytes && memcmp(inside, key, key_bytes) == 0;
    }
    return pt_client_json_unescape(inside, flag->key.bytes, text, sizeof(text)) == key_bytes &&
           memcmp(text, key, key_bytes) == 0;
}

static struct pt_client_flag *find(const struct pt_client_flags_index *index, uint32_t hash,
                                   const char *key, size_t key_bytes)
{
    uint32_t place = index->heads[hash & (index->head_count - 1)];

    while (place > 0) {
        struct pt_client_flag *flag = &index->flags[place - 1];

        if (flag->hash == hash && has_key(index, flag, key, key_bytes)) {
            return flag;
        }
        place = flag->next;
    }
    return NULL;
}

struct pt_client_flag *pt_client_flags_index_find(const struct pt_client_flags_index *index,
                                                  const char *key, size_t key_bytes)
{
    if (index->flag_count == 0 || key_bytes > PT_CLIENT_FLAG_KEY_BYTES_MAX) {
        return NULL;
    }
    return find(index, hash_of(key, key_bytes), key, key_bytes);
}

static void read_value(const struct pt_client_flags_index *index, const struct member *member,
                       struct pt_client_flag *flag)
{
    flag->value = piece_of(index, member->value, member->value_bytes);
    switch (*member->value) {
    case '"':
        flag->type = PT_CLIENT_FLAG_STRING;
        flag->value = inside_of(index, member);
        break;
    case '{':
    case '[':
        flag->type = PT_CLIENT_FLAG_JSON;
        break;
    case 't':
    case 'f':
        flag->type = PT_CLIENT_FLAG_BOOL;
        flag->is_true = *member->value == 't';
        break;
    case 'n':
        flag->type = PT_CLIENT_FLAG_NONE; /* null is no value */
        break;
    default:
        flag->type = PT_CLIENT_FLAG_NUMBER;
        flag->real = pt_client_decimal_double(member->value, member->value_bytes);
        flag->is_integer =
            pt_client_decimal_int(member->value, member->value_bytes, &flag->integer);
        break;
    }
}

/* Whether the metadata names an experiment in which the unit takes part. */
static bool is_in_experiment(const struct pt_client_flags_index *index,
                             const struct pt_client_flag *flag)
{
    const char *at = index->text + flag->metadata.at + 1;
    struct member member;
    bool is_named = false;
    bool is_left_out = false;

    if (flag->metadata.bytes == 0) {
        return false;
    }
    while (next_member(&at, &member)) {
        if (NAME_IS(&member, "experiment")) {
            is_named = *member.value == '"' && member.value_bytes > 2 &&
                       member.value_bytes <= EXPOSED_BYTES_MAX;
        } else if (NAME_IS(&member, "gate")) {
            is_left_out = true;
        } else if (NAME_IS(&member, "override")) {
            is_left_out = is_left_out || *member.value == 't';
        }
    }
    return is_named && !is_left_out;
}

/* Only where chance decided, as the server has it (docs/experiments.md, "Exposures"). */
static bool is_exposure(const struct pt_client_flags_index *index,
                        const struct pt_client_flag *flag)
{
    const char *reason = index->text + flag->word.at;
    bool is_by_chance = LITERAL_IS(reason, flag->word.bytes, "TARGETING_MATCH") ||
                        LITERAL_IS(reason, flag->word.bytes, "SPLIT");

    return is_by_chance && !flag->is_error && flag->type != PT_CLIENT_FLAG_NONE &&
           flag->variant.bytes > 0 && flag->variant.bytes <= EXPOSED_BYTES_MAX &&
           flag->key.bytes <= EXPOSED_BYTES_MAX && is_in_experiment(index, flag);
}

/* False: the element is no flag. */
static bool read_flag(const struct pt_client_flags_index *index, const char *element,
                      struct pt_client_flag *flag)
{
    const char *at = element + 1;
    struct member member;
    struct pt_client_piece error = {0, 0};

    memset(flag, 0, sizeof(*flag));
    if (*element != '{') {
        return false;
    }
    while (next_member(&at, &member)) {
        if (NAME_IS(&member, "key")) {
            flag->key = inside_of(index, &member);
        } else if (NAME_IS(&member, "value")) {
            read_value(index, &member, flag);
        } else if (NAME_IS(&member, "variant")) {
            flag->variant = inside_of(index, &member);
        } else if (NAME_IS(&member, "reason")) {
            flag->word = inside_of(index, &member);
        } else if (NAME_IS(&member, "errorCode")) {
            error = inside_of(index, &member);
            flag->is_error = true;
        } else if (NAME_IS(&member, "metadata") && *member.value == '{') {
            flag->metadata = piece_of(index, member.value, member.value_bytes);
        }
    }
    if (flag->is_error) {
        flag->word = error;
        flag->type = PT_CLIENT_FLAG_NONE;
    }
    flag->is_exposure = is_exposure(index, flag);
    return flag->key.bytes > 0;
}

/* Put the flag behind the others; false where its key cannot be asked for or is there already. */
static bool insert(struct pt_client_flags_index *index, struct pt_client_flag *flag)
{
    char key[PT_CLIENT_FLAG_KEY_BYTES_MAX + 1];
    size_t key_bytes =
        pt_client_json_unescape(index->text + flag->key.at, flag->key.bytes, key, sizeof(key));
    uint32_t *head = NULL;

    if (key_bytes > PT_CLIENT_FLAG_KEY_BYTES_MAX) {
        return false;
    }
    flag->hash = hash_of(key, key_bytes);
    if (find(index, flag->hash, key, key_bytes)) {
        return false;
    }
    head = &index->heads[flag->hash & (index->head_count - 1)];
    flag->next = *head;
    index->flag_count++;
    *head = index->flag_count;
    return true;
}

static bool read_flags(struct pt_client_flags_index *index, const char *array)
{
    const char *at = array + 1;
    const char *element = NULL;

    while ((element = next_element(&at)) != NULL) {
        struct pt_client_flag *flag = &index->flags[index->flag_count];

        if (index->flag_count == index->flag_count_max) {
            return false;
        }
        if (!read_flag(index, element, flag) || !insert(index, flag)) {
            index->skipped++;
        }
    }
    return true;
}

static void read_endpoint(struct pt_client_flags_index *index, const char *object)
{
    const char *at = object + 1;
    struct member member;

    while (next_member(&at, &member)) {
        if (NAME_IS(&member, "requestUri")) {
            index->stream = inside_of(index, &member);
            index->is_stream_relative = true;
        } else if (NAME_IS(&member, "origin")) {
            index->origin = inside_of(index, &member);
        }
    }
}

/* The first stream of server-sent events. */
static void read_streams(struct pt_client_flags_index *index, const char *array)
{
    struct pt_client_piece none = {0, 0};
    const char *at = array + 1;
    const char *element = NULL;

    while ((element = next_element(&at)) != NULL) {
        const char *inner = element + 1;
        struct member member;
        bool is_sse = false;

        index->stream = none;
        index->origin = none;
        index->is_stream_relative = false;
        while (*element == '{' && next_member(&inner, &member)) {
            if (NAME_IS(&member, "type")) {
                is_sse = LITERAL_IS(member.value, member.value_bytes, "\"sse\"");
            } else if (NAME_IS(&member, "url") && *member.value == '"') {
                index->stream = inside_of(index, &member);
                index->is_stream_relative = false;
            } else if (NAME_IS(&member, "endpoint") && *member.value == '{' &&
                       index->stream.bytes == 0) {
                read_endpoint(index, member.value);
            }
        }
        if (is_sse && index->stream.bytes > 0) {
            return;
        }
    }
    index->stream = none;
}

static void empty(struct pt_client_flags_index *index, char *text, size_t bytes)
{
    struct pt_client_piece none = {0, 0};

    index->text = text;
    index->text_bytes = bytes;
    index->flag_count = 0;
    index->skipped = 0;
    index->stream = none;
    index->origin = none;
    index->is_stream_relative = false;
    memset(index->heads, 0, index->head_count * sizeof(index->heads[0]));
}

enum pt_client_flags_verdict pt_client_flags_index_read(struct pt_client_flags_index *index,
                                                        char *text, size_t bytes)
{
    const char *at = NULL;
    struct member member;
    bool has_flags = false;

    empty(index, text, bytes);
    if (bytes > UINT32_MAX || !pt_client_json_is_object(text, bytes, ANSWER_DEPTH_MAX)) {
        return PT_CLIENT_FLAGS_MALFORMED;
    }
    at = skip_space(text) + 1;
    while (next_member(&at, &member)) {
        if (NAME_IS(&member, "flags") && *member.value == '[' && !has_flags) {
            has_flags = true;
            if (!read_flags(index, member.value)) {
                empty(index, text, bytes);
                return PT_CLIENT_FLAGS_TOO_MANY;
            }
        } else if (NAME_IS(&member, "eventStreams") && *member.value == '[') {
            read_streams(index, member.value);
        }
    }
    if (!has_flags) {
        empty(index, text, bytes);
        return PT_CLIENT_FLAGS_MALFORMED;
    }
    return PT_CLIENT_FLAGS_SOUND;
}

/* ---- what an exposure says ---- */

/* A text or a number that is not too long. */
static struct pt_client_piece scalar_of(const struct pt_client_flags_index *index,
                                        const struct member *member)
{
    struct pt_client_piece none = {0, 0};
    char c = *member->value;
    bool is_scalar = c == '"' || c == '-' || (c >= '0' && c <= '9');

    return is_scalar && member->value_bytes <= EXPOSED_BYTES_MAX
               ? piece_of(index, member->value, member->value_bytes)
               : none;
}

void pt_client_flags_exposure(const struct pt_client_flags_index *index,
                              const struct pt_client_flag *flag, struct pt_client_exposure *out)
{
    const char *at = index->text + flag->metadata.at + 1;
    struct member member;

    memset(out, 0, sizeof(*out));
    while (flag->metadata.bytes > 0 && next_member(&at, &member)) {
        if (NAME_IS(&member, "experiment")) {
            out->experiment = scalar_of(index, &member);
        } else if (NAME_IS(&member, "epoch")) {
            out->epoch = scalar_of(index, &member);
        } else if (NAME_IS(&member, "version")) {
            out->version = scalar_of(index, &member);
        }
    }
}

bool pt_client_flags_is_refetch(const char *text, size_t bytes)
{
    const char *at = NULL;
    struct member member;
    bool is_refetch = false;

    if (!pt_client_json_is_object(text, bytes, ANSWER_DEPTH_MAX)) {
        return false;
    }
    at = skip_space(text) + 1;
    while (next_member(&at, &member)) {
        if (NAME_IS(&member, "type")) {
            is_refetch = LITERAL_IS(member.value, member.value_bytes, "\"refetchEvaluation\"");
        }
    }
    return is_refetch;
}

bool pt_client_json_has_member(const char *object, const char *name)
{
    const char *at = skip_space(object) + 1;
    size_t bytes = strlen(name);
    struct member member;

    while (next_member(&at, &member)) {
        char text[64];

        if (pt_client_json_unescape(member.name, member.name_bytes, text, sizeof(text)) == bytes &&
            memcmp(text, name, bytes) == 0) {
            return true;
        }
    }
    return false;
}
