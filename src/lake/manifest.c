/*
 * manifest.c - Iceberg v2 manifests, as bytes
 *
 * FORMAT (Iceberg spec, "Manifests"; docs/formats/lake.md): Avro object containers with the schema
 * below. Iceberg finds fields by `field-id`; the names, by which we find them, are the spec's too.
 * Sequence numbers of added files are null: they are the snapshot's, which the manifest list tells.
 */
#include "lake/manifest.h"

#include "lake/manifest_output.h"
#include "wire/frame.h"

enum status { STATUS_EXISTING = 0, STATUS_ADDED = 1, STATUS_DELETED = 2 };

/* Partition values of a day transform are dates: days since 1970-01-01 as an int. */
/* clang-format off: one field a line, as the spec lists them */
static const char entry_schema[] =
    "{\"type\":\"record\",\"name\":\"manifest_entry\",\"fields\":["
    "{\"name\":\"status\",\"type\":\"int\",\"field-id\":0},"
    "{\"name\":\"snapshot_id\",\"type\":[\"null\",\"long\"],\"default\":null,\"field-id\":1},"
    "{\"name\":\"sequence_number\",\"type\":[\"null\",\"long\"],\"default\":null,"
    "\"field-id\":3},"
    "{\"name\":\"file_sequence_number\",\"type\":[\"null\",\"long\"],\"default\":null,"
    "\"field-id\":4},"
    "{\"name\":\"data_file\",\"field-id\":2,\"type\":{\"type\":\"record\",\"name\":\"r2\","
    "\"fields\":["
    "{\"name\":\"content\",\"type\":\"int\",\"field-id\":134},"
    "{\"name\":\"file_path\",\"type\":\"string\",\"field-id\":100},"
    "{\"name\":\"file_format\",\"type\":\"string\",\"field-id\":101},"
    "{\"name\":\"partition\",\"field-id\":102,\"type\":{\"type\":\"record\","
    "\"name\":\"r102\",\"fields\":[{\"name\":\"event_time_day\",\"type\":[\"null\","
    "{\"type\":\"int\",\"logicalType\":\"date\"}],\"default\":null,\"field-id\":1000}]}},"
    "{\"name\":\"record_count\",\"type\":\"long\",\"field-id\":103},"
    "{\"name\":\"file_size_in_bytes\",\"type\":\"long\",\"field-id\":104},"
    "{\"name\":\"column_sizes\",\"type\":[\"null\",{\"type\":\"array\","
    "\"logicalType\":\"map\",\"items\":{\"type\":\"record\",\"name\":\"k117_v118\","
    "\"fields\":[{\"name\":\"key\",\"type\":\"int\",\"field-id\":117},{\"name\":\"value\","
    "\"type\":\"long\",\"field-id\":118}]}}],\"default\":null,\"field-id\":108},"
    "{\"name\":\"value_counts\",\"type\":[\"null\",{\"type\":\"array\","
    "\"logicalType\":\"map\",\"items\":{\"type\":\"record\",\"name\":\"k119_v120\","
    "\"fields\":[{\"name\":\"key\",\"type\":\"int\",\"field-id\":119},{\"name\":\"value\","
    "\"type\":\"long\",\"field-id\":120}]}}],\"default\":null,\"field-id\":109},"
    "{\"name\":\"null_value_counts\",\"type\":[\"null\",{\"type\":\"array\","
    "\"logicalType\":\"map\",\"items\":{\"type\":\"record\",\"name\":\"k121_v122\","
    "\"fields\":[{\"name\":\"key\",\"type\":\"int\",\"field-id\":121},{\"name\":\"value\","
    "\"type\":\"long\",\"field-id\":122}]}}],\"default\":null,\"field-id\":110},"
    "{\"name\":\"nan_value_counts\",\"type\":[\"null\",{\"type\":\"array\","
    "\"logicalType\":\"map\",\"items\":{\"type\":\"record\",\"name\":\"k138_v139\","
    "\"fields\":[{\"name\":\"key\",\"type\":\"int\",\"field-id\":138},{\"name\":\"value\","
    "\"type\":\"long\",\"field-id\":139}]}}],\"default\":null,\"field-id\":137},"
    "{\"name\":\"lower_bounds\",\"type\":[\"null\",{\"type\":\"array\","
    "\"logicalType\":\"map\",\"items\":{\"type\":\"record\",\"name\":\"k126_v127\","
    "\"fields\":[{\"name\":\"key\",\"type\":\"int\",\"field-id\":126},{\"name\":\"value\","
    "\"type\":\"bytes\",\"field-id\":127}]}}],\"default\":null,\"field-id\":125},"
    "{\"name\":\"upper_bounds\",\"type\":[\"null\",{\"type\":\"array\","
    "\"logicalType\":\"map\",\"items\":{\"type\":\"record\",\"name\":\"k129_v130\","
    "\"fields\":[{\"name\":\"key\",\"type\":\"int\",\"field-id\":129},{\"name\":\"value\","
    "\"type\":\"bytes\",\"field-id\":130}]}}],\"default\":null,\"field-id\":128},"
    "{\"name\":\"split_offsets\",\"type\":[\"null\",{\"type\":\"array\",\"items\":\"long\","
    "\"element-id\":133}],\"default\":null,\"field-id\":132},"
    "{\"name\":\"sort_order_id\",\"type\":[\"null\",\"int\"],\"default\":null,"
    "\"field-id\":140}"
    "]}}]}";
/* clang-format on */

static const char partition_spec[] =
    "[{\"name\":\"event_time_day\",\"transform\":\"day\",\"source-id\":3,\"field-id\":1000}]";

/* ---- reading ---- */

struct walk {
    const struct pt_manifest *manifest;
    enum pt_code (*each)(void *ctx, struct pt_avro value, const struct pt_manifest_entry *entry,
                         struct pt_error *err);
    void *ctx;
};

static enum pt_code walk_entry(void *ctx, struct pt_avro value, struct pt_error *err)
{
    struct walk *walk = ctx;
    struct pt_manifest_entry entry = {0};
    struct pt_avro data;
    struct pt_avro partition;
    const char *format = NULL;
    int64_t status = 0;
    int64_t content = 0;

    if (!pt_avro_get_int(value, "status", &status) || !pt_avro_field(value, "data_file", &data) ||
        !pt_avro_get_int(data, "record_count", &entry.rows) || entry.rows < 0 ||
        !pt_avro_get_int(data, "file_size_in_bytes", &entry.bytes) || entry.bytes < 0) {
        return pt_fail(err, PT_CORRUPT, "an entry without the fields of Iceberg v2");
    }
    entry.path = pt_avro_get_text(data, "file_path");
    format = pt_avro_get_text(data, "file_format");
    if (!entry.path || !format) {
        return pt_fail(err, PT_CORRUPT, "an entry without file_path or file_format");
    }
    if (!pt_avro_get_int(value, "sequence_number", &entry.sequence)) {
        entry.sequence = walk->manifest->sequence; /* inherited */
    }
    entry.is_live = status != STATUS_DELETED;
    entry.has_deletes = pt_avro_get_int(data, "content", &content) && content != 0;
    entry.is_parquet = strcmp(format, "PARQUET") == 0 || strcmp(format, "parquet") == 0;
    entry.has_day = pt_avro_field(data, "partition", &partition) &&
                    pt_avro_get_int32(partition, "event_time_day", &entry.day);
    entry.data_file = &data;
    return walk->each(walk->ctx, value, &entry, err);
}

static enum pt_code walk_manifest(const struct pt_manifest *manifest, struct pt_span file,
                                  enum pt_code (*each)(void *ctx, struct pt_avro value,
                                                       const struct pt_manifest_entry *entry,
                                                       struct pt_error *err),
                                  void *ctx, struct pt_error *err)
{
    struct walk walk = {.manifest = manifest, .each = each, .ctx = ctx};

    return pt_container_each(file, walk_entry, &walk, err);
}

struct reading {
    enum pt_code (*each)(void *ctx, const struct pt_manifest_entry *entry, struct pt_error *err);
    void *ctx;
};

static enum pt_code give_entry(void *ctx, struct pt_avro value,
                               const struct pt_manifest_entry *entry, struct pt_error *err)
{
    struct reading *reading = ctx;

    (void)value;
    return reading->each(reading->ctx, entry, err);
}

enum pt_code pt_manifest_each(const struct pt_manifest *manifest, struct pt_span file,
                              enum pt_code (*each)(void *ctx, const struct pt_manifest_entry *entry,
                                                   struct pt_error *err),
                              void *ctx, struct pt_error *err)
{
    struct reading reading = {.each = each, .ctx = ctx};

    return walk_manifest(manifest, file, give_entry, &reading, err);
}

/* The pair of a map, which Iceberg writes as an array of records, with that key. */
static bool find_pair(const struct pt_manifest_entry *entry, const char *map, int32_t field_id,
                      struct pt_avro *pair_out)
{
    const struct pt_avro *data = entry->data_file;
    struct pt_avro pairs;
    int64_t key = 0;

    if (!pt_avro_field(*data, map, &pairs)) {
        return false;
    }
    for (size_t i = 0; i < pt_avro_count(pairs); i++) {
        if (pt_avro_at(pairs, i, pair_out) && pt_avro_get_int(*pair_out, "key", &key) &&
            key == field_id) {
            return true;
        }
    }
    return false;
}

bool pt_manifest_bound(const struct pt_manifest_entry *entry, int32_t field_id, bool upper,
                       struct pt_span *bound_out)
{
    struct pt_avro pair;

    return find_pair(entry, upper ? "upper_bounds" : "lower_bounds", field_id, &pair) &&
           pt_avro_get_bytes(pair, "value", bound_out);
}

bool pt_manifest_count(const struct pt_manifest_entry *entry, const char *counts, int32_t field_id,
                       int64_t *count_out)
{
    struct pt_avro pair;

    return find_pair(entry, counts, field_id, &pair) && pt_avro_get_int(pair, "value", count_out);
}

/* ---- writing ---- */

struct pt_manifest_writer {
    const struct pt_manifest_context *context; /* borrowed */
    struct pt_avro_set set;                    /* of our schema */
    struct pt_output output;
    struct pt_manifest made;
    struct pt_manifest_sums added;
    bool has_sequence; /* made.min_sequence is of an entry */
};

enum pt_code pt_manifest_writer_create(struct pt_manifest_writer **writer_out,
                                       const struct pt_manifest_context *context,
                                       struct pt_buf *out, struct pt_error *err)
{
    struct pt_manifest_writer *writer = pt_alloc_zero(sizeof(*writer));
    char schema_id[16];
    enum pt_code code = PT_OK;

    *writer_out = writer;
    if (!writer) {
        return pt_fail(err, PT_NO_MEMORY, "encode a manifest");
    }
    snprintf(schema_id, sizeof(schema_id), "%d", context->schema_id);
    writer->context = context;
    writer->made = (struct pt_manifest){.sequence = context->sequence,
                                        .min_sequence = context->sequence,
                                        .added_snapshot_id = context->snapshot_id};
    code = pt_avro_init(&writer->set, pt_span_str(entry_schema), err);
    if (!code) {
        const struct pt_container_pair pairs[] = {
            {"avro.schema", pt_span_str(entry_schema)},
            {"schema", context->table_schema},
            {"schema-id", pt_span_str(schema_id)},
            {"partition-spec", pt_span_str(partition_spec)},
            {"partition-spec-id", pt_span_str("0")},
            {"format-version", pt_span_str("2")},
            {"content", pt_span_str("data")},
        };

        code = pt_output_init(&writer->output, out, pairs, sizeof(pairs) / sizeof(pairs[0]), err);
    }
    return code;
}

void pt_manifest_writer_destroy(struct pt_manifest_writer *writer)
{
    if (writer) {
        pt_output_release(&writer->output);
        pt_avro_release(&writer->set);
        pt_free(writer);
    }
}

static void take_day(struct pt_manifest_writer *writer, int32_t day)
{
    struct pt_manifest *made = &writer->made;

    if (!made->has_days || day < made->day_min) {
        made->day_min = day;
    }
    if (!made->has_days || day > made->day_max) {
        made->day_max = day;
    }
    made->has_days = true;
}

static void take_sequence(struct pt_manifest_writer *writer, int64_t sequence)
{
    if (!writer->has_sequence || sequence < writer->made.min_sequence) {
        writer->made.min_sequence = sequence;
        writer->has_sequence = true;
    }
}

static void put_counts(struct pt_manifest_writer *writer, struct pt_avro data, const char *name,
                       const struct pt_data_file *file,
                       uint64_t (*count_of)(const struct pt_data_file *file, unsigned column))
{
    struct pt_avro_set *set = &writer->set;
    struct pt_avro map;
    struct pt_avro pair;

    if (!pt_avro_open(set, data, name, &map)) {
        return;
    }
    for (unsigned i = 0; i < file->column_count; i++) {
        if (!pt_avro_append(set, map, &pair)) {
            return;
        }
        pt_avro_put_int(set, pair, "key", writer->context->field_ids[i]);
        pt_avro_put_int(set, pair, "value", (int64_t)count_of(file, i));
    }
}

static void put_bounds(struct pt_manifest_writer *writer, struct pt_avro data, const char *name,
                       const struct pt_data_file *file, bool upper)
{
    struct pt_avro_set *set = &writer->set;
    struct pt_avro map;
    struct pt_avro pair;

    if (!pt_avro_open(set, data, name, &map)) {
        return;
    }
    for (unsigned i = 0; i < file->column_count; i++) {
        const struct pt_bound *bound = upper ? &file->columns[i].upper : &file->columns[i].lower;

        if (!bound->is_set) {
            continue;
        }
        if (!pt_avro_append(set, map, &pair)) {
            return;
        }
        pt_avro_put_int(set, pair, "key", writer->context->field_ids[i]);
        pt_avro_put_bytes(set, pair, "value", bound->data, bound->size);
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

static void put_data(struct pt_manifest_writer *writer, struct pt_avro data,
                     const struct pt_data_file *file, const char *path)
{
    struct pt_avro_set *set = &writer->set;
    struct pt_avro partition;

    pt_avro_put_int(set, data, "content", 0);
    pt_avro_put_text(set, data, "file_path", path);
    pt_avro_put_text(set, data, "file_format", "PARQUET");
    if (pt_avro_open(set, data, "partition", &partition)) {
        pt_avro_put_int(set, partition, "event_time_day", file->day);
    }
    pt_avro_put_int(set, data, "record_count", (int64_t)file->rows);
    pt_avro_put_int(set, data, "file_size_in_bytes", (int64_t)file->bytes);
    put_counts(writer, data, "column_sizes", file, bytes_of);
    put_counts(writer, data, "value_counts", file, values_of);
    put_counts(writer, data, "null_value_counts", file, nulls_of);
    pt_avro_put_null(set, data, "nan_value_counts");
    put_bounds(writer, data, "lower_bounds", file, false);
    put_bounds(writer, data, "upper_bounds", file, true);
    pt_avro_put_null(set, data, "split_offsets");
    pt_avro_put_null(set, data, "sort_order_id");
}

static enum pt_code put_added(struct pt_manifest_writer *writer, const struct pt_data_file *file,
                              struct pt_error *err)
{
    struct pt_avro_set *set = &writer->set;
    char *path = pt_strf("%s/%.*s", writer->context->location, PT_SPAN_ARG(file->path));
    struct pt_avro data;
    enum pt_code code = PT_OK;

    if (!path) {
        return pt_fail(err, PT_NO_MEMORY, "encode a manifest");
    }
    pt_avro_reset(set);
    pt_avro_put_int(set, set->value, "status", STATUS_ADDED);
    pt_avro_put_int(set, set->value, "snapshot_id", writer->context->snapshot_id);
    pt_avro_put_null(set, set->value, "sequence_number");
    pt_avro_put_null(set, set->value, "file_sequence_number");
    if (pt_avro_open(set, set->value, "data_file", &data)) {
        put_data(writer, data, file, path);
    }
    code = pt_output_add(&writer->output, set, err);
    pt_free(path);
    return code;
}

enum pt_code pt_manifest_writer_add(struct pt_manifest_writer *writer, struct pt_json files,
                                    struct pt_error *err)
{
    struct pt_data_file *file = pt_alloc(sizeof(*file));
    struct pt_json_iter it;
    enum pt_code code = PT_OK;

    if (!file) {
        return pt_fail(err, PT_NO_MEMORY, "encode a manifest");
    }
    for (it = pt_json_iterate(files); !code && pt_json_next(&it);) {
        code = pt_data_file_parse(it.value, file, err);
        if (!code) {
            code = put_added(writer, file, err);
        }
        if (!code) {
            take_day(writer, (int32_t)file->day);
            take_sequence(writer, writer->context->sequence);
            writer->added.files++;
            writer->added.rows += file->rows;
            writer->added.bytes += file->bytes;
        }
    }
    pt_free(file);
    return code;
}

struct taking {
    struct pt_manifest_writer *writer;
    const struct pt_manifest *source;
    bool (*drops)(void *ctx, const struct pt_manifest_entry *entry);
    void *ctx;
};

static enum pt_code take_entry(void *ctx, struct pt_avro value,
                               const struct pt_manifest_entry *entry, struct pt_error *err)
{
    struct taking *taking = ctx;
    struct pt_manifest_writer *writer = taking->writer;
    struct pt_avro_set *set = &writer->set;
    bool is_dropped = false;
    int64_t number = 0;

    if (!entry->is_live) {
        return PT_OK;
    }
    is_dropped = taking->drops && taking->drops(taking->ctx, entry);
    pt_avro_reset(set);
    pt_avro_copy(set, value, set->value);
    pt_avro_put_int(set, set->value, "status", is_dropped ? STATUS_DELETED : STATUS_EXISTING);
    if (is_dropped) {
        pt_avro_put_int(set, set->value, "snapshot_id", writer->context->snapshot_id);
    } else if (!pt_avro_get_int(value, "snapshot_id", &number)) {
        pt_avro_put_int(set, set->value, "snapshot_id", taking->source->added_snapshot_id);
    }
    if (!pt_avro_get_int(value, "file_sequence_number", &number)) {
        pt_avro_put_int(set, set->value, "file_sequence_number", taking->source->sequence);
    }
    pt_avro_put_int(set, set->value, "sequence_number", entry->sequence);
    if (is_dropped) {
        writer->made.deleted_files++;
        writer->made.deleted_rows += entry->rows;
    } else {
        writer->made.existing_files++;
        writer->made.existing_rows += entry->rows;
        take_sequence(writer, entry->sequence);
    }
    if (entry->has_day) {
        take_day(writer, entry->day);
    }
    return pt_output_add(&writer->output, set, err);
}

enum pt_code pt_manifest_writer_take(struct pt_manifest_writer *writer,
                                     const struct pt_manifest *manifest, struct pt_span file,
                                     bool (*drops)(void *ctx,
                                                   const struct pt_manifest_entry *entry),
                                     void *ctx, struct pt_error *err)
{
    struct taking taking = {.writer = writer, .source = manifest, .drops = drops, .ctx = ctx};

    return walk_manifest(manifest, file, take_entry, &taking, err);
}

enum pt_code pt_manifest_writer_finish(struct pt_manifest_writer *writer,
                                       struct pt_manifest *manifest_out,
                                       struct pt_manifest_sums *added_out, struct pt_error *err)
{
    enum pt_code code = pt_output_finish(&writer->output, err);

    writer->made.added_files = (int32_t)writer->added.files;
    writer->made.added_rows = (int64_t)writer->added.rows;
    writer->made.bytes = (int64_t)writer->output.file->size;
    *manifest_out = writer->made;
    *added_out = writer->added;
    return code;
}
