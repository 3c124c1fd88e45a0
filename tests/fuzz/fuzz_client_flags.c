/*
 * fuzz_client_flags.c - whatever a flag server, a stream or a file says, the game's side stays
 * whole
 *
 * The first byte says what the rest is: an answer, a cache file, a cache file's payload, or what
 * comes over the stream. An answer that is taken is held to itself: each flag is found by its key,
 * its pieces lie within the text, its numbers are those of strtod().
 */
#include "base/mem.h"
#include "core/flags.h"

#include "wire/frame.h"

#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_BYTES_MAX (1u << 16)

/* Heap memory of exactly this size, so that a sanitizer sees a byte too far. */
static char *exact_copy(const uint8_t *data, size_t size)
{
    char *copy = malloc(size > 0 ? size : 1);

    pt_assert(copy);
    memcpy(copy, data, size);
    return copy;
}

static void check_piece(const struct pt_client_flags_index *index, struct pt_client_piece piece)
{
    pt_assert((uint64_t)piece.at + piece.bytes <= index->text_bytes);
}

static void check_unescaped(const char *inside, size_t bytes)
{
    size_t whole = pt_client_json_unescape(inside, bytes, NULL, 0);
    char *room = malloc(whole + 1);
    char little[5];

    pt_assert(room && whole <= bytes);
    pt_assert(pt_client_json_unescape(inside, bytes, room, whole + 1) == whole);
    pt_assert(room[whole] == '\0');
    pt_assert(pt_client_json_unescape(inside, bytes, little, sizeof(little)) == whole);
    pt_assert(memchr(little, '\0', sizeof(little)) != NULL);
    free(room);
}

static void check_number(const char *text, size_t bytes, const struct pt_client_flag *flag)
{
    char copy[512];
    double expected = 0;

    pt_assert(isfinite(flag->real));
    /* Behind 40 digits the reader drops what is far below half a unit. */
    if (bytes < 40) {
        memcpy(copy, text, bytes);
        copy[bytes] = '\0';
        expected = strtod(copy, NULL);
        pt_assert(memcmp(&expected, &flag->real, sizeof(expected)) == 0);
    }
    pt_assert(!flag->is_integer || (double)flag->integer == flag->real);
}

static void check_flag(const struct pt_client_flags_index *index, const struct pt_client_flag *flag)
{
    struct pt_client_exposure exposure;
    char key[PT_CLIENT_FLAG_KEY_BYTES_MAX + 1];
    size_t key_bytes = 0;

    check_piece(index, flag->key);
    check_piece(index, flag->value);
    check_piece(index, flag->variant);
    check_piece(index, flag->metadata);
    check_piece(index, flag->word);
    check_unescaped(index->text + flag->variant.at, flag->variant.bytes);
    check_unescaped(index->text + flag->word.at, flag->word.bytes);
    key_bytes =
        pt_client_json_unescape(index->text + flag->key.at, flag->key.bytes, key, sizeof(key));
    pt_assert(pt_client_flags_index_find(index, key, key_bytes) == flag);
    if (flag->type == PT_CLIENT_FLAG_STRING) {
        check_unescaped(index->text + flag->value.at, flag->value.bytes);
    }
    if (flag->type == PT_CLIENT_FLAG_NUMBER) {
        check_number(index->text + flag->value.at, flag->value.bytes, flag);
    }
    pt_client_flags_exposure(index, flag, &exposure);
    check_piece(index, exposure.experiment);
    check_piece(index, exposure.epoch);
    check_piece(index, exposure.version);
    pt_assert(!flag->is_exposure || exposure.experiment.bytes > 2);
}

static void check_answer(char *text, size_t bytes)
{
    struct pt_client_flags_index index = {0};
    char url[PT_CLIENT_STREAM_URL_BYTES];

    index.flag_count_max = (uint32_t)(bytes / 8) + 1; /* more than ever: each is looked at */
    index.flags = calloc(index.flag_count_max, sizeof(*index.flags));
    index.head_count = pt_client_flags_head_count(bytes);
    index.heads = calloc(index.head_count, sizeof(*index.heads));
    pt_assert(index.flags && index.heads);
    if (pt_client_flags_index_read(&index, text, bytes) == PT_CLIENT_FLAGS_SOUND) {
        for (uint32_t i = 0; i < index.flag_count; i++) {
            check_flag(&index, &index.flags[i]);
        }
        pt_client_flags_stream_url(&index, "https://play.example/x", url);
        pt_assert(url[0] == '\0' || strncmp(url, "https://", 8) == 0);
        for (const char *c = url; *c != '\0'; c++) {
            pt_assert(*c > ' ' && *c <= '~');
        }
    } else {
        pt_assert(index.flag_count == 0 && !pt_client_flags_index_find(&index, "a", 1));
    }
    free(index.flags);
    free(index.heads);
}

static void check_file(uint8_t *file, size_t bytes)
{
    static struct pt_client_sealer sealer; /* without a key */
    struct pt_client_flags_cached cached;

    if (pt_client_flags_cache_read(&sealer, file, bytes, &cached)) {
        pt_assert(cached.text >= (char *)file &&
                  cached.text + cached.text_bytes == (char *)file + bytes);
        pt_assert(strlen(cached.etag) < PT_CLIENT_ETAG_BYTES);
        check_answer(cached.text, cached.text_bytes);
    }
}

static void check_payload(const uint8_t *data, size_t size)
{
    uint8_t *file = malloc(PT_FRAME_HEADER_BYTES + size);

    pt_assert(file);
    memcpy(file + PT_FRAME_HEADER_BYTES, data, size);
    if (size > 0) {
        pt_frame_header(file + PT_FRAME_HEADER_BYTES, (uint32_t)size, file);
        check_file(file, PT_FRAME_HEADER_BYTES + size);
    }
    free(file);
}

/* However it is cut, the same is read. */
static void check_stream(const char *data, size_t size)
{
    struct pt_client_stream *whole = calloc(1, sizeof(*whole));
    struct pt_client_stream *cut = calloc(1, sizeof(*cut));
    bool is_news = false;

    pt_assert(whole && cut);
    for (size_t at = 0; at < size; at++) {
        is_news = pt_client_stream_read(cut, data + at, 1) || is_news;
    }
    pt_assert(pt_client_stream_read(whole, data, size) == is_news);
    pt_assert(strcmp(whole->last_id, cut->last_id) == 0 && whole->retry_ms == cut->retry_ms);
    pt_assert(whole->line_bytes == cut->line_bytes && whole->data_bytes == cut->data_bytes);
    for (const char *c = whole->last_id; *c != '\0'; c++) {
        pt_assert(*c > ' ' && *c <= '~'); /* it is sent back as a header */
    }
    free(whole);
    free(cut);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = NULL;

    if (size == 0 || size > INPUT_BYTES_MAX) {
        return 0;
    }
    copy = exact_copy(data + 1, size - 1);
    switch (data[0] % 4) {
    case 0:
        check_answer(copy, size - 1);
        break;
    case 1:
        check_file((uint8_t *)copy, size - 1);
        break;
    case 2:
        check_payload(data + 1, size - 1);
        break;
    default:
        check_stream(copy, size - 1);
        break;
    }
    free(copy);
    return 0;
}
