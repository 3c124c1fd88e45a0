/*
 * manifest.c - Iceberg v2 manifests and manifest lists, as bytes
 *
 * FORMAT (Iceberg spec, "Manifests" and "Manifest Lists"; docs/formats/lake.md): Avro object
 * containers with the schemas below. Iceberg finds fields by `field-id`, names are for people.
 * Sequence numbers of added files are null: they are the snapshot's, which the manifest list tells.
 */
#include "lake/manifest.h"

#include "base/rng.h"
#include "lake/container.h"
#include "wire/frame.h"

#include <avro.h>

#define BLOCK_BYTES (64u << 10) /* a block ends once it has this many */
#define BLOCK_BYTES_MAX (16u << 20)

enum status { STATUS_EXISTING = 0, STATUS_ADDED = 1, STATUS_DELETED = 2 };

#define OPTIONAL(name, type, id)                                                                   \
    "{\"name\":\"" name "\",\"type\":[\"null\"," type "],\"default\":null,\"field-id\":" id "}"
#define REQUIRED(name, type, id) "{\"name\":\"" name "\",\"type\":" type ",\"field-id\":" id "}"
#define MAP(name, value_type, id, key_id, value_id)                                                \
    OPTIONAL(name,                                                                                 \
             "{\"type\":\"array\",\"logicalType\":\"map\",\"items\":{\"type\":\"record\","         \
             "\"name\":\"k" key_id "_v" value_id "\",\"fields\":[" REQUIRED(                       \
                 "key", "\"int\"", key_id) "," REQUIRED("value", value_type, value_id) "]}}",      \
             id)

/* Partition values of a day transform are dates: days since 1970-01-01 as an int. */
static const char entry_schema[] =
    "{\"type\":\"record\",\"name\":\"manifest_entry\",\"fields\":[" REQUIRED("status", "\"int\"", "0") "," OPTIONAL("snapshot_id", "\"long\"", "1") "," OPTIONAL("sequence_number", "\"long\"", "3") "," OPTIONAL(
        "file_sequence_number", "\"long\"",
        "4") ","
             "{\"name\":\"data_file\",\"field-id\":2,\"type\":"
             "{\"type\":\"record\",\"name\":\"r2\",\"fields\":[" REQUIRED("content", "\"int\"", "134") "," REQUIRED("file_path", "\"string\"", "100") "," REQUIRED(
                 "file_format", "\"string\"",
                 "101") ","
                        "{\"name\":\"partition\",\"field-id\":102,\"type\":"
                        "{\"type\":\"record\",\"name\":\"r102\",\"fields\":"
                        "[" OPTIONAL("event_time_day", "{\"type\":\"int\",\"logicalType\":\"date\"}", "1000") "]}}," REQUIRED("record_count", "\"long\"", "103") "," REQUIRED(
                            "file_size_in_bytes", "\"long\"",
                            "104") "," MAP("column_sizes", "\"long\"", "108", "117",
                                           "118") "," MAP("value_counts", "\"long\"", "109", "119",
                                                          "120") "," MAP("null_"
                                                                         "value"
                                                                         "_coun"
                                                                         "ts",
                                                                         "\"lon"
                                                                         "g\"",
                                                                         "110", "121",
                                                                         "122") "," MAP("lower_"
                                                                                        "bounds",
                                                                                        "\"bytes\"",
                                                                                        "125",
                                                                                        "126",
                                                                                        "127") "," MAP("upper_bounds",
                                                                                                       "\"bytes\"",
                                                                                                       "128",
                                                                                                       "129",
                                                                                                       "130") "," OPTIONAL("sort_order_id",
                                                                                                                           "\"int\"",
                                                                                                                           "140") "]}}]}";

static const char
    list_schema[] =
        "{\"type\":\"record\",\"name\":\"manifest_file\",\"fields\":[" REQUIRED(
            "manifest_path", "\"string\"",
            "500") "," REQUIRED("manifest_length", "\"long\"",
                                "501") "," REQUIRED("partition_spec_id", "\"int\"",
                                                    "502") "," REQUIRED("content",
                                                                        "\"int\"", "517") "," REQUIRED("sequence_number",
                                                                                                       "\"long\"",
                                                                                                       "515") "," REQUIRED("min_sequence_number", "\"long\"", "516") "," REQUIRED("added_snapshot_id", "\"long\"", "503") "," REQUIRED("added_files_count", "\"int\"", "504") "," REQUIRED("existing_files_count", "\"int\"", "505") "," REQUIRED("deleted_files_count",
                                                                                                                                                                                                                                                                                                                                                  "\"int\"",
                                                                                                                                                                                                                                                                                                                                                  "506") "," REQUIRED("added_rows_count", "\"long\"", "512") "," REQUIRED("existing_rows_count", "\"long\"", "513") "," REQUIRED("deleted_rows_count", "\"long\"", "514") "," OPTIONAL("partitions",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                       "{\"type\":\"array\",\"element-id\":508,\"items\":"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                       "{\"type\":\"record\",\"name\":\"r508\",\"fields\":[" REQUIRED("contains_null",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                      "\"boolean\"", "509") "," OPTIONAL("contains_nan", "\"boolean\"", "518") "," OPTIONAL("lower_bound",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                            "\"bytes\"", "510") "," OPTIONAL("upper_bound",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                             "\"bytes\"",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                             "511") "]}}",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                       "507") "]}";

static const char partition_spec[] =
    "[{\"name\":\"event_time_day\",\"transform\":\"day\",\"source-id\":3,\"field-id\":1000}]";

/* ---- Avro values of one schema; `has_failed` sticks, so that a writer looks once ---- */

struct values {
    avro_schema_t schema;
    avro_value_iface_t *iface;
    avro_value_t value;
    bool has_value;
    bool has_failed;
};

static enum pt_code values_init(struct values *values, struct pt_span schema, struct pt_error *err)
{
    memset(values, 0, sizeof(*values));
    if (avro_schema_from_json_length((const char *)schema.data, schema.size, &values->schema)) {
        values->schema = NULL;
        return pt_fail(err, PT_CORRUPT, "Avro schema: %s", avro_strerror());
    }
    values->iface = avro_generic_class_from_schema(values->schema);
    if (!values->iface || avro_generic_value_new(values->iface, &values->value)) {
        return pt_fail(err, PT_NO_MEMORY, "Avro values");
    }
    values->has_value = true;
    return PT_OK;
}

static void values_release(struct values *values)
{
    if (values->has_value) {
        avro_value_decref(&values->value);
    }
    if (values->iface) {
        avro_value_iface_decref(values->iface);
    }
    if (values->schema) {
        avro_schema_decref(values->schema);
    }
}

/* Field `name`; of an optional one the part that is not null, which it then is. */
static bool open_field(struct values *values, avro_value_t *record, const char *name,
                       avro_value_t *field_out)
{
    avro_value_t field;

    if (avro_value_get_by_name(record, name, &field, NULL)) {
        values->has_failed = true;
        return false;
    }
    if (avro_value_get_type(&field) == AVRO_UNION) {
        if (avro_value_set_branch(&field, 1, field_out)) {
            values->has_failed = true;
            return false;
        }
    } else {
        *field_out = field;
    }
    return true;
}

static void put_null(struct values *values, avro_value_t *record, const char *name)
{
    avro_value_t field;
    avro_value_t branch;

    if (avro_value_get_by_name(record, name, &field, NULL) ||
        avro_value_set_branch(&field, 0, &branch) || avro_value_set_null(&branch)) {
        values->has_failed = true;
    }
}

static void put_integer(struct values *values, avro_value_t *record, const char *name,
                        int64_t value)
{
    avro_value_t field;
    int failed = 0;

    if (open_field(values, record, name, &field)) {
        if (avro_value_get_type(&field) == AVRO_INT32) {
            failed = avro_value_set_int(&field, (int32_t)value);
        } else {
            failed = avro_value_set_long(&field, value);
        }
        values->has_failed |= failed != 0;
    }
}

static void put_text(struct values *values, avro_value_t *record, const char *name,
                     const char *text)
{
    avro_value_t field;

    if (open_field(values, record, name, &field) && avro_value_set_string(&field, text)) {
        values->has_failed = true;
    }
}

static void put_bytes(struct values *values, avro_value_t *record, const char *name,
                      const void *data, size_t size)
{
    avro_value_t field;

    /* The setter copies; its parameter lacks const. */
    if (open_field(values, record, name, &field) &&
        avro_value_set_bytes(&field, (void *)(uintptr_t)data, size)) {
        values->has_failed = true;
    }
}

/* The value of a field, its union looked through; false where absent or null. */
static bool look_field(avro_value_t *record, const char *name, avro_value_t *field_out)
{
    avro_value_t field;

    if (avro_value_get_by_name(record, name, &field, NULL)) {
        return false;
    }
    if (avro_value_get_type(&field) == AVRO_UNION) {
        return !avro_value_get_current_branch(&field, field_out) &&
               avro_value_get_type(field_out) != AVRO_NULL;
    }
    *field_out = field;
    return true;
}

static bool get_integer(avro_value_t *record, const char *name, int64_t *value_out)
{
    avro_value_t field;
    int32_t small = 0;

    if (!look_field(record, name, &field)) {
        return false;
    }
    if (avro_value_get_type(&field) == AVRO_INT32 && !avro_value_get_int(&field, &small)) {
        *value_out = small;
        return true;
    }
    return avro_value_get_type(&field) == AVRO_INT64 && !avro_value_get_long(&field, value_out);
}

static bool get_int32(avro_value_t *record, const char *name, int32_t *value_out)
{
    int64_t value = 0;

    if (!get_integer(record, name, &value) || value < INT32_MIN || value > INT32_MAX) {
        return false;
    }
    *value_out = (int32_t)value;
    return true;
}

static const char *get_text(avro_value_t *record, const char *name)
{
    avro_value_t field;
    const char *text = NULL;
    size_t size = 0; /* with the final NUL */

    if (!look_field(record, name, &field) || avro_value_get_type(&field) != AVRO_STRING ||
        avro_value_get_string(&field, &text, &size)) {
        return NULL;
    }
    return text;
}

/* ---- writing a container of values ---- */

struct output {
    struct pt_buf *file; /* borrowed */
    struct pt_buf block;
    uint64_t block_count;
    uint8_t sync[PT_CONTAINER_SYNC_BYTES];
};

static enum pt_code output_init(struct output *output, struct pt_buf *file,
                                const struct pt_container_pair *pairs, size_t pair_count,
                                struct pt_error *err)
{
    output->file = file;
    output->block_count = 0;
    pt_buf_init(&output->block, BLOCK_BYTES_MAX);
    if (pt_random_bytes(output->sync, sizeof(output->sync), err)) {
        return PT_IO;
    }
    pt_container_begin(file, pairs, pair_count, output->sync);
    return PT_OK;
}

static void output_flush(struct output *output)
{
    output->file->has_failed |= output->block.has_failed;
    pt_container_block(output->file, output->block_count, pt_buf_span(&output->block),
                       output->sync);
    pt_buf_reset(&output->block);
    output->block_count = 0;
}

static enum pt_code output_add(struct output *output, struct values *values, struct pt_error *err)
{
    avro_writer_t writer = NULL;
    uint8_t *at = NULL;
    size_t size = 0;
    enum pt_code code = PT_OK;

    if (values->has_failed || avro_value_sizeof(&values->value, &size)) {
        return pt_fail(err, PT_NO_MEMORY, "encode a manifest: %s", avro_strerror());
    }
    at = pt_buf_reserve(&output->block, size);
    writer = at ? avro_writer_memory((const char *)at, (int64_t)size) : NULL;
    if (!writer) {
        return pt_fail(err, PT_NO_MEMORY, "encode a manifest");
    }
    if (avro_value_write(writer, &values->value)) {
        code = pt_fail(err, PT_NO_MEMORY, "encode a manifest: %s", avro_strerror());
    } else {
        output->block.size += size;
        output->block_count++;
    }
    avro_writer_free(writer);
    if (output->block.size >= BLOCK_BYTES) {
        output_flush(output);
    }
    return code;
}

static enum pt_code output_finish(struct output *output, struct pt_error *err)
{
    output_flush(output);
    if (output->file->has_failed) {
        return pt_fail(err, PT_NO_MEMORY, "encode a manifest");
    }
    return PT_OK;
}

static void output_release(struct output *output)
{
    pt_buf_release(&output->block);
}

static enum pt_code manifest_begin(struct output *output, struct values *values,
                                   const struct pt_manifest_context *context, struct pt_buf *out,
                                   struct pt_error *err)
{
    const struct pt_container_pair pairs[] = {
        {"avro.schema", pt_span_str(entry_schema)},
        {"schema", context->table_schema},
        {"schema-id", pt_span_str("0")},
        {"partition-spec", pt_span_str(partition_spec)},
        {"partition-spec-id", pt_span_str("0")},
        {"format-version", pt_span_str("2")},
        {"content", pt_span_str("data")},
    };
    enum pt_code code = values_init(values, pt_span_str(entry_schema), err);

    if (!code) {
        code = output_init(output, out, pairs, sizeof(pairs) / sizeof(pairs[0]), err);
    }
    return code;
}

static void take_day(struct pt_manifest *manifest, int32_t day)
{
    if (!manifest->has_days || day < manifest->day_min) {
        manifest->day_min = day;
    }
    if (!manifest->has_days || day > manifest->day_max) {
        manifest->day_max = day;
    }
    manifest->has_days = true;
}

/* ---- a manifest of new files ---- */

static void put_counts(struct values *values, avro_value_t *record, const char *name,
                       const struct pt_data_file *file,
                       uint64_t (*count_of)(const struct pt_data_file *file, unsigned column))
{
    avro_value_t map;
    avro_value_t pair;

    if (!open_field(values, record, name, &map)) {
        return;
    }
    for (unsigned i = 0; i < PT_COLUMN_COUNT; i++) {
        if (avro_value_append(&map, &pair, NULL)) {
            values->has_failed = true;
            return;
        }
        put_integer(values, &pair, "key", i + 1);
        put_integer(values, &pair, "value", (int64_t)count_of(file, i));
    }
}

static void put_bounds(struct values *values, avro_value_t *record, const char *name,
                       const struct pt_data_file *file, bool upper)
{
    avro_value_t map;
    avro_value_t pair;

    if (!open_field(values, record, name, &map)) {
        return;
    }
    for (unsigned i = 0; i < PT_COLUMN_COUNT; i++) {
        const struct pt_bound *bound = upper ? &file->columns[i].upper : &file->columns[i].lower;

        if (!bound->is_set) {
            continue;
        }
        if (avro_value_append(&map, &pair, NULL)) {
            values->has_failed = true;
            return;
        }
        put_integer(values, &pair, "key", i + 1);
        put_bytes(values, &pair, "value", bound->data, bound->size);
    }
}

static uint64_t bytes_of(const struct pt_data_file *file, unsigned column)
{
    return file->columns[column].file_bytes;
}

static uint64_t values_of(const struct pt_data_file *file, unsigned column)
{
    (void)column;
    return file->rows;
}

static uint64_t nulls_of(const struct pt_data_file *file, unsigned column)
{
    return file->columns[column].null_count;
}

static enum pt_code put_file(struct values *values, const struct pt_manifest_context *context,
                             const struct pt_data_file *file, struct pt_error *err)
{
    char *path = pt_strf("%s/%.*s", context->location, PT_SPAN_ARG(file->path));
    avro_value_t *entry = &values->value;
    avro_value_t data;
    avro_value_t partition;

    if (!path || avro_value_reset(entry)) {
        pt_free(path);
        return pt_fail(err, PT_NO_MEMORY, "encode a manifest");
    }
    put_integer(values, entry, "status", STATUS_ADDED);
    put_integer(values, entry, "snapshot_id", context->snapshot_id);
    put_null(values, entry, "sequence_number");
    put_null(values, entry, "file_sequence_number");
    if (open_field(values, entry, "data_file", &data) &&
        open_field(values, &data, "partition", &partition)) {
        put_integer(values, &data, "content", 0);
        put_text(values, &data, "file_path", path);
        put_text(values, &data, "file_format", "PARQUET");
        put_integer(values, &partition, "event_time_day", file->day);
        put_integer(values, &data, "record_count", (int64_t)file->rows);
        put_integer(values, &data, "file_size_in_bytes", (int64_t)file->bytes);
        put_counts(values, &data, "column_sizes", file, bytes_of);
        put_counts(values, &data, "value_counts", file, values_of);
        put_counts(values, &data, "null_value_counts", file, nulls_of);
        put_bounds(values, &data, "lower_bounds", file, false);
        put_bounds(values, &data, "upper_bounds", file, true);
        put_null(values, &data, "sort_order_id");
    }
    pt_free(path);
    return PT_OK;
}

enum pt_code pt_manifest_build(const struct pt_manifest_context *context, struct pt_json files,
                               struct pt_buf *out, struct pt_manifest *manifest_out,
                               struct pt_manifest_sums *sums_out, struct pt_error *err)
{
    struct values values = {0};
    struct output output = {0};
    struct pt_data_file *file = pt_alloc(sizeof(*file));
    struct pt_json_iter it;
    enum pt_code code = PT_OK;

    *manifest_out = (struct pt_manifest){0};
    *sums_out = (struct pt_manifest_sums){0};
    if (!file) {
        code = pt_fail(err, PT_NO_MEMORY, "encode a manifest");
        goto out;
    }
    code = manifest_begin(&output, &values, context, out, err);
    for (it = pt_json_iterate(files); !code && pt_json_next(&it);) {
        code = pt_data_file_parse(it.value, file, err);
        if (!code) {
            code = put_file(&values, context, file, err);
        }
        if (!code) {
            code = output_add(&output, &values, err);
        }
        if (!code) {
            take_day(manifest_out, (int32_t)file->day);
            sums_out->files++;
            sums_out->rows += file->rows;
            sums_out->bytes += file->bytes;
        }
    }
    if (code) {
        goto out;
    }
    code = output_finish(&output, err);
    manifest_out->bytes = (int64_t)out->size;
    manifest_out->sequence = context->sequence;
    manifest_out->min_sequence = context->sequence;
    manifest_out->added_snapshot_id = context->snapshot_id;
    manifest_out->added_files = (int32_t)sums_out->files;
    manifest_out->added_rows = (int64_t)sums_out->rows;

out:
    output_release(&output);
    values_release(&values);
    pt_free(file);
    return code;
}

/* ---- reading ---- */

/* Calls `each` for every value of a container, decoded into `values`. */
static enum pt_code each_value(struct pt_span file, struct values *values,
                               enum pt_code (*each)(void *ctx, avro_value_t *value,
                                                    struct pt_error *err),
                               void *ctx, struct pt_error *err)
{
    struct pt_container container;
    struct pt_span block = {0};
    uint64_t count = 0;
    avro_reader_t reader = NULL;
    enum pt_code code = pt_container_open(&container, file, err);

    if (!code) {
        code = values_init(values, container.schema, err);
    }
    while (!code) {
        code = pt_container_next(&container, &count, &block, err);
        if (code || count == 0) {
            break;
        }
        reader = avro_reader_memory((const char *)block.data, (int64_t)block.size);
        if (!reader) {
            code = pt_fail(err, PT_NO_MEMORY, "decode a manifest");
        }
        for (; !code && count > 0; count--) {
            if (avro_value_reset(&values->value) || avro_value_read(reader, &values->value)) {
                code = pt_fail(err, PT_CORRUPT, "decode a manifest: %s", avro_strerror());
            } else {
                code = each(ctx, &values->value, err);
            }
        }
        if (reader) {
            avro_reader_free(reader);
        }
    }
    return code;
}

struct entry_walk {
    const struct pt_manifest *manifest;
    enum pt_code (*each)(void *ctx, const struct pt_manifest_entry *entry, struct pt_error *err);
    void *ctx;
};

static enum pt_code walk_entry(void *ctx, avro_value_t *value, struct pt_error *err)
{
    struct entry_walk *walk = ctx;
    struct pt_manifest_entry entry = {0};
    int64_t status = 0;
    int64_t content = 0;
    avro_value_t data;

    if (!get_integer(value, "status", &status) || !look_field(value, "data_file", &data) ||
        !get_integer(&data, "record_count", &entry.rows) || entry.rows < 0 ||
        !get_integer(&data, "file_size_in_bytes", &entry.bytes) || entry.bytes < 0) {
        return pt_fail(err, PT_CORRUPT, "an entry without the fields of Iceberg v2");
    }
    entry.path = get_text(&data, "file_path");
    if (!entry.path) {
        return pt_fail(err, PT_CORRUPT, "an entry without file_path");
    }
    if (get_integer(&data, "content", &content) && content != 0) {
        return pt_fail(err, PT_INVALID, "delete files are not read: %s", entry.path);
    }
    if (!get_integer(value, "sequence_number", &entry.sequence)) {
        entry.sequence = walk->manifest->sequence; /* inherited */
    }
    entry.is_live = status != STATUS_DELETED;
    return walk->each(walk->ctx, &entry, err);
}

enum pt_code pt_manifest_each(const struct pt_manifest *manifest, struct pt_span file,
                              enum pt_code (*each)(void *ctx, const struct pt_manifest_entry *entry,
                                                   struct pt_error *err),
                              void *ctx, struct pt_error *err)
{
    struct entry_walk walk = {.manifest = manifest, .each = each, .ctx = ctx};
    struct values values = {0};
    enum pt_code code = each_value(file, &values, walk_entry, &walk, err);

    values_release(&values);
    return code;
}

/* ---- one manifest out of many ---- */

struct merge {
    const struct pt_manifest *source; /* where the entries come from now */
    struct pt_manifest *manifest;     /* what they come to */
    struct output output;
    struct values *values;
};

/* Entries have our own schema, so that each is changed in place and written as it is. */
static enum pt_code merge_entry(void *ctx, avro_value_t *value, struct pt_error *err)
{
    struct merge *merge = ctx;
    struct pt_manifest *manifest = merge->manifest;
    avro_value_t data;
    avro_value_t partition;
    int64_t status = 0;
    int64_t number = 0;
    int64_t rows = 0;
    int64_t day = 0;

    if (!get_integer(value, "status", &status) || !look_field(value, "data_file", &data) ||
        !get_integer(&data, "record_count", &rows) || !look_field(&data, "partition", &partition) ||
        !get_integer(&partition, "event_time_day", &day)) {
        return pt_fail(err, PT_CORRUPT, "an entry without the fields of Iceberg v2");
    }
    if (status == STATUS_DELETED) {
        return PT_OK;
    }
    put_integer(merge->values, value, "status", STATUS_EXISTING);
    if (!get_integer(value, "snapshot_id", &number)) {
        put_integer(merge->values, value, "snapshot_id", merge->source->added_snapshot_id);
    }
    if (!get_integer(value, "file_sequence_number", &number)) {
        put_integer(merge->values, value, "file_sequence_number", merge->source->sequence);
    }
    if (!get_integer(value, "sequence_number", &number)) {
        number = merge->source->sequence;
        put_integer(merge->values, value, "sequence_number", number);
    }
    if (manifest->existing_files == 0 || number < manifest->min_sequence) {
        manifest->min_sequence = number;
    }
    manifest->existing_files++;
    manifest->existing_rows += rows;
    take_day(manifest, (int32_t)day);
    return output_add(&merge->output, merge->values, err);
}

enum pt_code pt_manifest_merge(const struct pt_manifest_context *context,
                               const struct pt_manifest_source *sources, size_t count,
                               struct pt_buf *out, struct pt_manifest *manifest_out,
                               struct pt_error *err)
{
    struct merge merge = {.manifest = manifest_out};
    struct values values = {0};
    enum pt_code code = PT_OK;

    *manifest_out = (struct pt_manifest){.sequence = context->sequence,
                                         .min_sequence = context->sequence,
                                         .added_snapshot_id = context->snapshot_id};
    code = manifest_begin(&merge.output, &values, context, out, err);
    values_release(&values);
    for (size_t i = 0; !code && i < count; i++) {
        values = (struct values){0};
        merge.source = sources[i].manifest;
        merge.values = &values;
        code = each_value(sources[i].file, &values, merge_entry, &merge, err);
        values_release(&values);
    }
    if (!code) {
        code = output_finish(&merge.output, err);
        manifest_out->bytes = (int64_t)out->size;
    }
    output_release(&merge.output);
    return code;
}

bool pt_manifest_is_ours(struct pt_span file)
{
    struct pt_container container;

    return !pt_container_open(&container, file, NULL) && pt_span_is(container.schema, entry_schema);
}

/* ---- manifest lists ---- */

static void put_partitions(struct values *values, avro_value_t *line,
                           const struct pt_manifest *manifest)
{
    avro_value_t array;
    avro_value_t summary;
    avro_value_t contains_null;
    uint8_t bound[4];

    if (!manifest->has_days) {
        put_null(values, line, "partitions");
        return;
    }
    if (!open_field(values, line, "partitions", &array) ||
        avro_value_append(&array, &summary, NULL) ||
        !open_field(values, &summary, "contains_null", &contains_null) ||
        avro_value_set_boolean(&contains_null, 0)) {
        values->has_failed = true;
        return;
    }
    put_null(values, &summary, "contains_nan");
    pt_put_u32(bound, (uint32_t)manifest->day_min);
    put_bytes(values, &summary, "lower_bound", bound, sizeof(bound));
    pt_put_u32(bound, (uint32_t)manifest->day_max);
    put_bytes(values, &summary, "upper_bound", bound, sizeof(bound));
}

static void put_line(struct values *values, const struct pt_manifest *manifest)
{
    avro_value_t *line = &values->value;

    values->has_failed |= avro_value_reset(line) != 0;
    put_text(values, line, "manifest_path", manifest->path);
    put_integer(values, line, "manifest_length", manifest->bytes);
    put_integer(values, line, "partition_spec_id", 0);
    put_integer(values, line, "content", 0);
    put_integer(values, line, "sequence_number", manifest->sequence);
    put_integer(values, line, "min_sequence_number", manifest->min_sequence);
    put_integer(values, line, "added_snapshot_id", manifest->added_snapshot_id);
    put_integer(values, line, "added_files_count", manifest->added_files);
    put_integer(values, line, "existing_files_count", manifest->existing_files);
    put_integer(values, line, "deleted_files_count", manifest->deleted_files);
    put_integer(values, line, "added_rows_count", manifest->added_rows);
    put_integer(values, line, "existing_rows_count", manifest->existing_rows);
    put_integer(values, line, "deleted_rows_count", manifest->deleted_rows);
    put_partitions(values, line, manifest);
}

enum pt_code pt_manifest_list_build(const struct pt_manifest *manifests, size_t count,
                                    int64_t snapshot_id, int64_t parent_id, int64_t sequence,
                                    struct pt_buf *out, struct pt_error *err)
{
    struct values values = {0};
    struct output output = {0};
    char id[24];
    char parent[24] = "null";
    char number[24];
    enum pt_code code = values_init(&values, pt_span_str(list_schema), err);

    snprintf(id, sizeof(id), "%lld", (long long)snapshot_id);
    if (parent_id) {
        snprintf(parent, sizeof(parent), "%lld", (long long)parent_id);
    }
    snprintf(number, sizeof(number), "%lld", (long long)sequence);
    if (!code) {
        const struct pt_container_pair pairs[] = {
            {"avro.schema", pt_span_str(list_schema)},   {"snapshot-id", pt_span_str(id)},
            {"parent-snapshot-id", pt_span_str(parent)}, {"sequence-number", pt_span_str(number)},
            {"format-version", pt_span_str("2")},
        };

        code = output_init(&output, out, pairs, sizeof(pairs) / sizeof(pairs[0]), err);
    }
    for (size_t i = 0; !code && i < count; i++) {
        put_line(&values, &manifests[i]);
        code = output_add(&output, &values, err);
    }
    if (!code) {
        code = output_finish(&output, err);
    }
    output_release(&output);
    values_release(&values);
    return code;
}

struct list_walk {
    struct pt_arena *arena;
    struct pt_manifest *manifests; /* in the arena */
    size_t count;
    size_t capacity;
};

static void get_days(avro_value_t *line, struct pt_manifest *manifest)
{
    avro_value_t array;
    avro_value_t summary;
    avro_value_t field;
    size_t count = 0;
    const void *low = NULL;
    const void *high = NULL;
    size_t low_bytes = 0;
    size_t high_bytes = 0;

    if (!look_field(line, "partitions", &array) || avro_value_get_size(&array, &count) ||
        count != 1 || avro_value_get_by_index(&array, 0, &summary, NULL) ||
        !look_field(&summary, "lower_bound", &field) ||
        avro_value_get_bytes(&field, &low, &low_bytes) ||
        !look_field(&summary, "upper_bound", &field) ||
        avro_value_get_bytes(&field, &high, &high_bytes) || low_bytes != 4 || high_bytes != 4) {
        return; /* days are a help for pruning: without them nothing is lost */
    }
    manifest->has_days = true;
    manifest->day_min = (int32_t)pt_get_u32(low);
    manifest->day_max = (int32_t)pt_get_u32(high);
}

static enum pt_code list_grow(struct list_walk *walk, struct pt_error *err)
{
    size_t capacity = walk->capacity ? 2 * walk->capacity : 64;
    struct pt_manifest *grown = pt_arena_alloc(walk->arena, capacity * sizeof(*grown));

    if (!grown) {
        return pt_fail(err, PT_NO_MEMORY, "read a manifest list");
    }
    if (walk->count) {
        memcpy(grown, walk->manifests, walk->count * sizeof(*grown));
    }
    walk->manifests = grown;
    walk->capacity = capacity;
    return PT_OK;
}

static enum pt_code walk_line(void *ctx, avro_value_t *line, struct pt_error *err)
{
    struct list_walk *walk = ctx;
    struct pt_manifest manifest = {0};
    const char *path = get_text(line, "manifest_path");
    int32_t content = 0;
    int32_t spec = 0;

    if (!path || !get_integer(line, "manifest_length", &manifest.bytes) ||
        !get_int32(line, "partition_spec_id", &spec) || !get_int32(line, "content", &content) ||
        !get_integer(line, "sequence_number", &manifest.sequence) ||
        !get_integer(line, "min_sequence_number", &manifest.min_sequence) ||
        !get_integer(line, "added_snapshot_id", &manifest.added_snapshot_id) ||
        !get_int32(line, "added_files_count", &manifest.added_files) ||
        !get_int32(line, "existing_files_count", &manifest.existing_files) ||
        !get_int32(line, "deleted_files_count", &manifest.deleted_files) ||
        !get_integer(line, "added_rows_count", &manifest.added_rows) ||
        !get_integer(line, "existing_rows_count", &manifest.existing_rows) ||
        !get_integer(line, "deleted_rows_count", &manifest.deleted_rows)) {
        return pt_fail(err, PT_CORRUPT, "a manifest list without the fields of Iceberg v2");
    }
    if (content != 0 || spec != 0) {
        return pt_fail(err, PT_INVALID,
                       "delete files and other partition specs, written by another program, "
                       "are not read: %s",
                       path);
    }
    get_days(line, &manifest);
    if (walk->count == walk->capacity && list_grow(walk, err)) {
        return PT_NO_MEMORY;
    }
    manifest.path = pt_arena_strdup(walk->arena, pt_span_str(path));
    if (!manifest.path) {
        return pt_fail(err, PT_NO_MEMORY, "read a manifest list");
    }
    walk->manifests[walk->count++] = manifest;
    return PT_OK;
}

enum pt_code pt_manifest_list_parse(struct pt_span file, struct pt_arena *arena,
                                    struct pt_manifest **manifests_out, size_t *count_out,
                                    struct pt_error *err)
{
    struct list_walk walk = {.arena = arena};
    struct values values = {0};
    enum pt_code code = each_value(file, &values, walk_line, &walk, err);

    values_release(&values);
    *manifests_out = walk.manifests;
    *count_out = code ? 0 : walk.count;
    return code;
}
