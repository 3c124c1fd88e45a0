/*
 * user_index.c - which data files may hold a user
 *
 * FORMAT (docs/formats/lake.md). "ckpt-00000012.users" beside "ckpt-00000012.parquet",
 * little-endian:
 *
 *     0  u32  0x31555450, "PTU1"
 *     4  u32  flags; bit 0: there are users without a fingerprint, so that all may be here
 *     8  u64  bytes of the data file
 *    16  u32  count
 *    20  u32  crc32c over the 20 bytes before and all that follows
 *    24  u32  fingerprints, ascending
 */
#include "lake/user_index.h"

#include "wire/frame.h"

#include <inttypes.h>

#define MAGIC 0x31555450u
#define FLAG_OPEN 1u
#define HEADER_BYTES 24
#define CRC_AT 20
#define INDEX_BYTES_MAX ((size_t)1 << 31)

#define DIGIT_BITS 11
#define DIGITS (1u << DIGIT_BITS)

void pt_user_set_release(struct pt_user_set *set)
{
    pt_free(set->prints);
    *set = (struct pt_user_set){0};
}

static uint32_t print_of(const uint8_t user[PT_PSEUDONYM_BYTES])
{
    return (uint32_t)user[0] << 24 | (uint32_t)user[1] << 16 | (uint32_t)user[2] << 8 | user[3];
}

/* ---- sorting: three passes by 11 bits, a fifth of what qsort takes ---- */

static void sort_pass(const uint32_t *from, uint32_t *to, size_t count, unsigned shift)
{
    size_t starts[DIGITS] = {0};
    size_t sum = 0;

    for (size_t i = 0; i < count; i++) {
        starts[from[i] >> shift & (DIGITS - 1)]++;
    }
    for (unsigned i = 0; i < DIGITS; i++) {
        size_t here = starts[i];

        starts[i] = sum;
        sum += here;
    }
    for (size_t i = 0; i < count; i++) {
        to[starts[from[i] >> shift & (DIGITS - 1)]++] = from[i];
    }
}

static size_t keep_each_once(uint32_t *prints, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || prints[i] != prints[kept - 1]) {
            prints[kept++] = prints[i];
        }
    }
    return kept;
}

/* Three passes leave the result in `spare`, which becomes the set's. */
static void sort_prints(struct pt_user_set *set, uint32_t **spare)
{
    uint32_t *from = set->prints;

    sort_pass(from, *spare, set->count, 0);
    sort_pass(*spare, from, set->count, DIGIT_BITS);
    sort_pass(from, *spare, set->count, 2 * DIGIT_BITS);
    set->prints = *spare;
    *spare = from;
    set->count = keep_each_once(set->prints, set->count);
}

enum pt_code pt_user_set_take(struct pt_user_set *set_out, const struct pt_row *rows,
                              const uint32_t *order, size_t count, struct pt_error *err)
{
    uint32_t *prints = pt_alloc((count + 1) * sizeof(*prints));
    uint32_t *spare = pt_alloc((count + 1) * sizeof(*spare));

    *set_out = (struct pt_user_set){0};
    if (!prints || !spare) {
        pt_free(prints);
        pt_free(spare);
        return pt_fail(err, PT_NO_MEMORY, "index %zu rows by user", count);
    }
    set_out->prints = prints;
    for (size_t i = 0; i < count; i++) {
        uint32_t print = print_of(rows[order[i]].event.user);

        /* A device sends several events at once, so that most rows have their neighbour's user. */
        if (set_out->count == 0 || prints[set_out->count - 1] != print) {
            prints[set_out->count++] = print;
        }
    }
    sort_prints(set_out, &spare);
    pt_free(spare);
    return PT_OK;
}

enum pt_code pt_user_set_join(struct pt_user_set *set, const struct pt_user_set *other,
                              struct pt_error *err)
{
    uint32_t *joined = pt_alloc((set->count + other->count + 1) * sizeof(*joined));
    size_t count = 0;
    size_t a = 0;
    size_t b = 0;

    if (!joined) {
        return pt_fail(err, PT_NO_MEMORY, "join the users of two files");
    }
    while (a < set->count || b < other->count) {
        uint32_t print = 0;

        if (b == other->count || (a < set->count && set->prints[a] <= other->prints[b])) {
            print = set->prints[a++];
        } else {
            print = other->prints[b++];
        }
        if (count == 0 || joined[count - 1] != print) {
            joined[count++] = print;
        }
    }
    pt_free(set->prints);
    set->prints = joined;
    set->count = count;
    set->is_open = set->is_open || other->is_open;
    return PT_OK;
}

bool pt_user_set_has(const struct pt_user_set *set, const uint8_t user[PT_PSEUDONYM_BYTES])
{
    uint32_t print = print_of(user);
    size_t low = 0;
    size_t high = set->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (set->prints[middle] < print) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return set->is_open || (low < set->count && set->prints[low] == print);
}

/* ---- files ---- */

char *pt_user_index_path(const char *data_path)
{
    static const char ending[] = ".parquet";
    size_t size = strlen(data_path);

    if (size >= sizeof(ending) - 1 &&
        strcmp(data_path + size - (sizeof(ending) - 1), ending) == 0) {
        size -= sizeof(ending) - 1;
    }
    return pt_strf("%.*s" PT_USER_INDEX_ENDING, (int)size, data_path);
}

enum pt_code pt_user_index_remove(struct pt_io *io, const char *data_path, struct pt_error *err)
{
    char *path = pt_user_index_path(data_path);
    enum pt_code code = path ? pt_io_unlink(io, path, err)
                             : pt_fail(err, PT_NO_MEMORY, "remove the index of %s", data_path);

    pt_free(path);
    return code == PT_NOT_FOUND ? PT_OK : code;
}

static uint32_t crc_of(const uint8_t *data, size_t size)
{
    uint32_t crc = pt_crc32c(0, data, CRC_AT);

    return pt_crc32c(crc, data + HEADER_BYTES, size - HEADER_BYTES);
}

enum pt_code pt_user_index_write(struct pt_io *io, const char *data_path, uint64_t data_bytes,
                                 const struct pt_user_set *set, struct pt_error *err)
{
    size_t size = HEADER_BYTES + set->count * sizeof(uint32_t);
    uint8_t *data = pt_alloc(size);
    char *path = pt_user_index_path(data_path);
    struct pt_file *file = NULL;
    enum pt_code code = PT_OK;

    if (!data || !path || set->count > UINT32_MAX) {
        code = pt_fail(err, PT_NO_MEMORY, "index %s by user", data_path);
        goto out;
    }
    pt_put_u32(data, MAGIC);
    pt_put_u32(data + 4, set->is_open ? FLAG_OPEN : 0);
    pt_put_u64(data + 8, data_bytes);
    pt_put_u32(data + 16, (uint32_t)set->count);
    for (size_t i = 0; i < set->count; i++) {
        pt_put_u32(data + HEADER_BYTES + i * sizeof(uint32_t), set->prints[i]);
    }
    pt_put_u32(data + CRC_AT, crc_of(data, size));
    code = pt_io_open(io, path, PT_OPEN_WRITE | PT_OPEN_CREATE, &file, err);
    if (!code) {
        code = pt_io_truncate(io, file, 0, err);
    }
    if (!code) {
        code = pt_io_write(io, file, 0, data, size, err);
    }

out:
    pt_io_close(io, file);
    pt_free(path);
    pt_free(data);
    return code;
}

static enum pt_code parse(const uint8_t *data, size_t size, uint64_t data_bytes,
                          struct pt_user_set *set_out, struct pt_error *err)
{
    size_t count = size >= HEADER_BYTES ? pt_get_u32(data + 16) : 0;

    if (size < HEADER_BYTES || pt_get_u32(data) != MAGIC ||
        size != HEADER_BYTES + count * sizeof(uint32_t) ||
        pt_get_u32(data + CRC_AT) != crc_of(data, size)) {
        return pt_fail(err, PT_CORRUPT, "not a whole index of users");
    }
    if (pt_get_u64(data + 8) != data_bytes) {
        return pt_fail(err, PT_CORRUPT, "an index of a file of %" PRIu64 " bytes, not of %" PRIu64,
                       pt_get_u64(data + 8), data_bytes);
    }
    set_out->prints = pt_alloc((count + 1) * sizeof(uint32_t));
    if (!set_out->prints) {
        return pt_fail(err, PT_NO_MEMORY, "read an index of %zu users", count);
    }
    set_out->count = count;
    set_out->is_open = pt_get_u32(data + 4) & FLAG_OPEN;
    for (size_t i = 0; i < count; i++) {
        set_out->prints[i] = pt_get_u32(data + HEADER_BYTES + i * sizeof(uint32_t));
    }
    return PT_OK;
}

enum pt_code pt_user_index_read(struct pt_io *io, const char *data_path, uint64_t data_bytes,
                                struct pt_user_set *set_out, struct pt_error *err)
{
    char *path = pt_user_index_path(data_path);
    uint8_t *data = NULL;
    size_t size = 0;
    enum pt_code code = PT_OK;

    *set_out = (struct pt_user_set){0};
    if (!path) {
        return pt_fail(err, PT_NO_MEMORY, "read the index of %s", data_path);
    }
    code = pt_io_read_all(io, path, INDEX_BYTES_MAX, 1, &data, &size, err);
    if (!code) {
        code = parse(data, size, data_bytes, set_out, err);
        code = code ? pt_error_prefix(err, code, "%s", path) : PT_OK;
    }
    pt_free(data);
    pt_free(path);
    return code;
}

/* ---- made anew ---- */

/*
 * One row a fingerprint, ascending; NULL for users that are not 32 lower-case hex digits, which
 * another program may have written.
 */
static void users_sql(const char *data_path, struct pt_buf *sql)
{
    pt_buf_append_str(sql, "SELECT DISTINCT CASE WHEN regexp_full_match(user_id, '[0-9a-f]{32}') "
                           "THEN ('0x' || substr(user_id, 1, 8))::BIGINT END AS print "
                           "FROM read_parquet(");
    pt_sql_append_text(sql, data_path);
    pt_buf_append_str(sql, ", hive_partitioning = false) ORDER BY print");
    pt_buf_append_byte(sql, '\0');
}

enum pt_code pt_user_index_make(struct pt_duck *duck, const char *data_path,
                                struct pt_user_set *set_out, struct pt_error *err)
{
    struct pt_duck_result *result = NULL;
    struct pt_buf sql;
    struct pt_buf prints;
    enum pt_code code = PT_OK;

    *set_out = (struct pt_user_set){0};
    pt_buf_init(&sql, 1u << 20);
    pt_buf_init(&prints, INDEX_BYTES_MAX);
    users_sql(data_path, &sql);
    code = sql.has_failed ? pt_fail(err, PT_NO_MEMORY, "index %s by user", data_path)
                          : pt_duck_query(duck, (const char *)sql.data, &result, err);
    while (!code && pt_duck_next(result)) {
        struct pt_duck_value value = pt_duck_value_at(result, 0);
        uint32_t print = (uint32_t)value.integer;

        if (value.kind == PT_DUCK_INT) {
            pt_buf_append(&prints, &print, sizeof(print));
        } else {
            set_out->is_open = true;
        }
    }
    if (!code && (prints.has_failed || !pt_buf_reserve(&prints, sizeof(uint32_t)))) {
        code = pt_fail(err, PT_NO_MEMORY, "index %s by user", data_path);
    }
    if (!code) {
        set_out->prints = (uint32_t *)(void *)prints.data;
        set_out->count = prints.size / sizeof(uint32_t);
        prints = (struct pt_buf){0};
    }
    pt_duck_result_close(result);
    pt_buf_release(&prints);
    pt_buf_release(&sql);
    return code;
}

/* ---- a user's files ---- */

/* Whether the file may hold the user; on any doubt it may. */
static bool may_hold(struct pt_io *io, const struct pt_lake_snapshot *snapshot, size_t file,
                     const uint8_t user[PT_PSEUDONYM_BYTES], struct pt_duck **duck)
{
    const char *path = snapshot->files[file];
    uint64_t bytes = snapshot->file_bytes[file];
    struct pt_user_set users;
    enum pt_code code = pt_user_index_read(io, path, bytes, &users, NULL);
    bool may = true;

    if (code) {
        code = *duck ? PT_OK : pt_duck_open(duck, 1, NULL);
        code = code ? code : pt_user_index_make(*duck, path, &users, NULL);
        if (!code) {
            /* Where that fails, as on a read-only copy, it is made anew the next time. */
            (void)!pt_user_index_write(io, path, bytes, &users, NULL);
        }
    }
    may = code || pt_user_set_has(&users, user);
    pt_user_set_release(&users);
    return may;
}

enum pt_code pt_lake_files_of_user(struct pt_io *io, const char *dir,
                                   const uint8_t user[PT_PSEUDONYM_BYTES],
                                   struct pt_lake_snapshot *snapshot_out, uint64_t *files_out,
                                   struct pt_error *err)
{
    struct pt_lake_snapshot *all = snapshot_out;
    struct pt_duck *duck = NULL;
    size_t kept = 0;
    enum pt_code code = pt_lake_read(io, dir, all, err);

    *files_out = code ? 0 : all->file_count;
    if (code) {
        return code;
    }
    all->row_count = 0;
    for (size_t i = 0; i < all->file_count; i++) {
        if (!may_hold(io, all, i, user, &duck)) {
            pt_free(all->files[i]);
            continue;
        }
        all->files[kept] = all->files[i];
        all->file_rows[kept] = all->file_rows[i];
        all->file_bytes[kept] = all->file_bytes[i];
        all->row_count += all->file_rows[kept];
        kept++;
    }
    all->file_count = kept;
    pt_duck_close(duck);
    return PT_OK;
}
