/*
 * run_old.c - runs of version 1 become runs of version 2
 *
 * FORMAT of version 1, little-endian: 64 bytes of header (magic "PTIDRUN1", u32 bucket, u32 filter
 * lines, u64 count, least and greatest id, u64 XXH3-64 over all but itself), the filter's lines of
 * 64 bytes, the ids as they are, ascending. Such a file is read whole, as the version that wrote it
 * did.
 */
#include "base/crypto.h"
#include "stream/run.h"
#include "wire/frame.h"

#define OLD_HEADER_BYTES 64u
#define OLD_LINE_BYTES 64u
#define OLD_CHECKSUM_AT 56u

static const uint8_t old_magic[8] = {'P', 'T', 'I', 'D', 'R', 'U', 'N', '1'};

enum pt_code pt_run_is_old(struct pt_io *io, const char *dir, const char *name, bool *is_old_out,
                           struct pt_error *err)
{
    char *path = pt_strf("%s/%s", dir, name);
    struct pt_file *file = NULL;
    uint8_t data[8] = {0};
    size_t got = 0;
    enum pt_code code = path ? pt_io_open(io, path, PT_OPEN_READ, &file, err)
                             : pt_fail(err, PT_NO_MEMORY, "open id run %s", name);

    if (!code) {
        code = pt_io_read(io, file, 0, data, sizeof(data), &got, err);
        pt_io_close(io, file);
    }
    *is_old_out = !code && got == sizeof(data) && memcmp(data, old_magic, sizeof(data)) == 0;
    pt_free(path);
    return code;
}

/* Check a whole file; `*ids_out` points into it. */
static enum pt_code take_old(const char *name, uint8_t *data, size_t bytes, const uint8_t **ids_out,
                             uint64_t *count_out, struct pt_error *err)
{
    uint64_t filter_bytes =
        bytes < OLD_HEADER_BYTES ? 0 : (uint64_t)pt_get_u32(data + 12) * OLD_LINE_BYTES;
    uint64_t checksum = 0;

    *count_out = bytes < OLD_HEADER_BYTES ? 0 : pt_get_u64(data + 16);
    if (*count_out == 0 || filter_bytes > bytes - OLD_HEADER_BYTES ||
        *count_out != (bytes - OLD_HEADER_BYTES - filter_bytes) / PT_UUID_BYTES ||
        (bytes - OLD_HEADER_BYTES) % PT_UUID_BYTES != 0) {
        return pt_fail(err, PT_CORRUPT, "id run %s: it has %zu bytes, which is not what it says",
                       name, bytes);
    }
    *ids_out = data + OLD_HEADER_BYTES + filter_bytes;
    checksum = pt_get_u64(data + OLD_CHECKSUM_AT);
    memmove(data + 8, data, OLD_CHECKSUM_AT);
    if (pt_checksum64(data + 8, bytes - 8) != checksum) {
        return pt_fail(err, PT_CORRUPT, "id run %s: its checksum is wrong", name);
    }
    return PT_OK;
}

static enum pt_code write_new(struct pt_io *io, const char *dir, const char *name, uint32_t bucket,
                              uint64_t seed, const uint8_t *bytes, size_t count,
                              struct pt_error *err)
{
    struct pt_run_writer *writer = NULL;
    struct pt_id *hashes = pt_alloc(count * sizeof(*hashes));
    struct pt_id *spare = pt_alloc(count * sizeof(*spare));
    struct pt_id_key key;
    enum pt_code code = PT_OK;

    if (!hashes || !spare) {
        code = pt_fail(err, PT_NO_MEMORY, "write id run %s", name);
        goto out;
    }
    code = pt_run_writer_open(&writer, io, dir, name, bucket, 0, true, seed, err);
    if (code) {
        goto out;
    }
    pt_id_key_init(&key, seed);
    for (size_t i = 0; i < count; i++) {
        struct pt_id id = pt_id_of(bytes + i * PT_UUID_BYTES);

        pt_run_writer_put_id(writer, id);
        hashes[i] = (struct pt_id){.hi = pt_id_hash(&key, id)};
    }
    pt_ids_sort(hashes, spare, count);
    for (size_t i = 0; i < count; i++) {
        pt_run_writer_put_hash(writer, hashes[i].hi);
    }
    code = pt_run_writer_finish(writer, err);

out:
    pt_run_writer_close(writer);
    pt_free(hashes);
    pt_free(spare);
    return code;
}

enum pt_code pt_run_renew(struct pt_io *io, const char *dir, const char *name, uint64_t seed,
                          struct pt_error *err)
{
    char *path = pt_strf("%s/%s", dir, name);
    uint8_t *data = NULL;
    size_t bytes = 0;
    const uint8_t *ids = NULL;
    uint64_t count = 0;
    uint32_t bucket = 0;
    enum pt_code code = path ? pt_io_read_all(io, path, SIZE_MAX / 2, 1, &data, &bytes, err)
                             : pt_fail(err, PT_NO_MEMORY, "read id run %s", name);

    if (!code) {
        bucket = bytes < OLD_HEADER_BYTES ? 0 : pt_get_u32(data + 8);
        code = take_old(name, data, bytes, &ids, &count, err);
    }
    if (!code) {
        code = write_new(io, dir, name, bucket, seed, ids, (size_t)count, err);
    }
    if (!code) {
        code = pt_io_sync_dir(io, dir, err);
    }
    pt_free(data);
    pt_free(path);
    return code;
}
