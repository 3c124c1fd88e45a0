/*
 * seal.c - a data file's name tells its checksum
 */
#include "lake/seal.h"

#include "base/mem.h"
#include "base/tree.h"
#include "lake/lake.h"

#include <inttypes.h>
#include <stdlib.h>

#define ENDING ".parquet"
#define ENDING_BYTES (sizeof(ENDING) - 1)
#define SUM_DIGITS 16

static enum pt_code sync_file(struct pt_io *io, const char *path, struct pt_error *err)
{
    struct pt_file *file = NULL;
    enum pt_code code = pt_io_open(io, path, PT_OPEN_WRITE, &file, err);

    if (!code) {
        code = pt_io_sync(io, file, err);
    }
    pt_io_close(io, file);
    return code;
}

static enum pt_code rename_and_sync(struct pt_io *io, const char *from, const char *to,
                                    struct pt_error *err)
{
    enum pt_code code = pt_io_rename(io, from, to, err);

    return code ? code : pt_io_sync_parent(io, to, err);
}

enum pt_code pt_data_seal(struct pt_io *io, const char *dir, char **name, uint64_t *bytes_out,
                          struct pt_error *err)
{
    size_t stem = strlen(*name) - ENDING_BYTES;
    char *from = pt_strf("%s/%s", dir, *name);
    char *sealed = NULL;
    char *to = NULL;
    uint64_t sum = 0;
    enum pt_code code = PT_OK;

    pt_assert(strlen(*name) > ENDING_BYTES && strcmp(*name + stem, ENDING) == 0);
    code = from ? sync_file(io, from, err) : pt_fail(err, PT_NO_MEMORY, "name a data file");
    if (!code) {
        code = pt_file_sum(io, from, bytes_out, &sum, err);
    }
    if (code) {
        goto out;
    }
    sealed = pt_strf("%.*s.%016" PRIx64 ENDING, (int)stem, *name, sum);
    to = sealed ? pt_strf("%s/%s", dir, sealed) : NULL;
    code = to ? rename_and_sync(io, from, to, err) : pt_fail(err, PT_NO_MEMORY, "name %s", from);
    if (!code) {
        pt_free(*name);
        *name = sealed;
        sealed = NULL;
    }

out:
    pt_free(to);
    pt_free(sealed);
    pt_free(from);
    return code;
}

bool pt_lake_file_sum(const char *path, uint64_t *sum_out)
{
    size_t size = strlen(path);
    char digits[SUM_DIGITS + 1];
    const char *at = path + size - ENDING_BYTES - SUM_DIGITS;

    if (size < ENDING_BYTES + SUM_DIGITS + 1 || strcmp(path + size - ENDING_BYTES, ENDING) != 0 ||
        at[-1] != '.') {
        return false;
    }
    memcpy(digits, at, SUM_DIGITS);
    digits[SUM_DIGITS] = '\0';
    if (strspn(digits, "0123456789abcdef") != SUM_DIGITS) {
        return false;
    }
    *sum_out = strtoull(digits, NULL, 16);
    return true;
}
