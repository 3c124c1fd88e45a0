/*
 * manifest_list.c - Iceberg v2 manifest lists, as bytes
 *
 * FORMAT (Iceberg spec, "Manifest Lists"; docs/formats/lake.md): an Avro object container, one
 * record a manifest.
 */
#include "lake/manifest_output.h"

#include "lake/manifest.h"
#include "wire/frame.h"

/* clang-format off: one field a line, as the spec lists them */
static const char list_schema[] =
    "{\"type\":\"record\",\"name\":\"manifest_file\",\"fields\":["
    "{\"name\":\"manifest_path\",\"type\":\"string\",\"field-id\":500},"
    "{\"name\":\"manifest_length\",\"type\":\"long\",\"field-id\":501},"
    "{\"name\":\"partition_spec_id\",\"type\":\"int\",\"field-id\":502},"
    "{\"name\":\"content\",\"type\":\"int\",\"field-id\":517},"
    "{\"name\":\"sequence_number\",\"type\":\"long\",\"field-id\":515},"
    "{\"name\":\"min_sequence_number\",\"type\":\"long\",\"field-id\":516},"
    "{\"name\":\"added_snapshot_id\",\"type\":\"long\",\"field-id\":503},"
    "{\"name\":\"added_files_count\",\"type\":\"int\",\"field-id\":504},"
    "{\"name\":\"existing_files_count\",\"type\":\"int\",\"field-id\":505},"
    "{\"name\":\"deleted_files_count\",\"type\":\"int\",\"field-id\":506},"
    "{\"name\":\"added_rows_count\",\"type\":\"long\",\"field-id\":512},"
    "{\"name\":\"existing_rows_count\",\"type\":\"long\",\"field-id\":513},"
    "{\"name\":\"deleted_rows_count\",\"type\":\"long\",\"field-id\":514},"
    "{\"name\":\"partitions\",\"type\":[\"null\",{\"type\":\"array\",\"element-id\":508,"
    "\"items\":{\"type\":\"record\",\"name\":\"r508\","
    "\"fields\":[{\"name\":\"contains_null\",\"type\":\"boolean\",\"field-id\":509},"
    "{\"name\":\"contains_nan\",\"type\":[\"null\",\"boolean\"],\"default\":null,"
    "\"field-id\":518},{\"name\":\"lower_bound\",\"type\":[\"null\",\"bytes\"],"
    "\"default\":null,\"field-id\":510},{\"name\":\"upper_bound\",\"type\":[\"null\","
    "\"bytes\"],\"default\":null,\"field-id\":511}]}}],\"default\":null,\"field-id\":507}"
    "]}";
/* clang-format on */

static void put_partitions(struct pt_avro_set *set, const struct pt_manifest *manifest)
{
    struct pt_avro array;
    struct pt_avro summary;
    uint8_t bound[4];

    if (!manifest->has_days) {
        pt_avro_put_null(set, set->value, "partitions");
        return;
    }
    if (!pt_avro_open(set, set->value, "partitions", &array) ||
        !pt_avro_append(set, array, &summary)) {
        return;
    }
    pt_avro_put_bool(set, summary, "contains_null", false);
    pt_avro_put_null(set, summary, "contains_nan");
    pt_put_u32(bound, (uint32_t)manifest->day_min);
    pt_avro_put_bytes(set, summary, "lower_bound", bound, sizeof(bound));
    pt_put_u32(bound, (uint32_t)manifest->day_max);
    pt_avro_put_bytes(set, summary, "upper_bound", bound, sizeof(bound));
}

static void put_line(struct pt_avro_set *set, const struct pt_manifest *manifest)
{
    struct pt_avro line = set->value;

    pt_avro_reset(set);
    pt_avro_put_text(set, line, "manifest_path", manifest->path);
    pt_avro_put_int(set, line, "manifest_length", manifest->bytes);
    pt_avro_put_int(set, line, "partition_spec_id", manifest->spec_id);
    pt_avro_put_int(set, line, "content", manifest->has_deletes);
    pt_avro_put_int(set, line, "sequence_number", manifest->sequence);
    pt_avro_put_int(set, line, "min_sequence_number", manifest->min_sequence);
    pt_avro_put_int(set, line, "added_snapshot_id", manifest->added_snapshot_id);
    pt_avro_put_int(set, line, "added_files_count", manifest->added_files);
    pt_avro_put_int(set, line, "existing_files_count", manifest->existing_files);
    pt_avro_put_int(set, line, "deleted_files_count", manifest->deleted_files);
    pt_avro_put_int(set, line, "added_rows_count", manifest->added_rows);
    pt_avro_put_int(set, line, "existing_rows_count", manifest->existing_rows);
    pt_avro_put_int(set, line, "deleted_rows_count", manifest->deleted_rows);
    put_partitions(set, manifest);
}

enum pt_code pt_manifest_list_build(const struct pt_manifest *manifests, size_t count,
                                    int64_t snapshot_id, int64_t parent_id, int64_t sequence,
                                    struct pt_buf *out, struct pt_error *err)
{
    struct pt_avro_set set = {0};
    struct pt_output output = {0};
    char id[24];
    char parent[24] = "null";
    char number[24];
    enum pt_code code = pt_avro_init(&set, pt_span_str(list_schema), err);

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

        code = pt_output_init(&output, out, pairs, sizeof(pairs) / sizeof(pairs[0]), err);
    }
    for (size_t i = 0; !code && i < count; i++) {
        put_line(&set, &manifests[i]);
        code = pt_output_add(&output, &set, err);
    }
    if (!code) {
        code = pt_output_finish(&output, err);
    }
    pt_output_release(&output);
    pt_avro_release(&set);
    return code;
}

/* ---- reading ---- */

struct list_walk {
    struct pt_arena *arena;
    struct pt_manifest *manifests; /* in the arena */
    size_t count;
    size_t capacity;
};

/* Days are a help for pruning: without them nothing is lost. */
static void get_days(struct pt_avro line, struct pt_manifest *manifest)
{
    struct pt_avro array;
    struct pt_avro summary;
    struct pt_span low = {0};
    struct pt_span high = {0};

    if (manifest->spec_id == 0 && pt_avro_field(line, "partitions", &array) &&
        pt_avro_count(array) == 1 && pt_avro_at(array, 0, &summary) &&
        pt_avro_get_bytes(summary, "lower_bound", &low) &&
        pt_avro_get_bytes(summary, "upper_bound", &high) && low.size == 4 && high.size == 4) {
        manifest->has_days = true;
        manifest->day_min = (int32_t)pt_get_u32(low.data);
        manifest->day_max = (int32_t)pt_get_u32(high.data);
    }
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

/* Older versions of Iceberg for Java call these three fields by another name. */
static bool get_files(struct pt_avro line, const char *name, const char *older_name,
                      int32_t *count_out)
{
    return pt_avro_get_int32(line, name, count_out) ||
           pt_avro_get_int32(line, older_name, count_out);
}

static enum pt_code walk_line(void *ctx, struct pt_avro line, struct pt_error *err)
{
    struct list_walk *walk = ctx;
    struct pt_manifest manifest = {0};
    const char *path = pt_avro_get_text(line, "manifest_path");
    int32_t content = 0;

    if (!path || !pt_avro_get_int(line, "manifest_length", &manifest.bytes) ||
        !pt_avro_get_int32(line, "partition_spec_id", &manifest.spec_id) ||
        !pt_avro_get_int32(line, "content", &content) ||
        !pt_avro_get_int(line, "sequence_number", &manifest.sequence) ||
        !pt_avro_get_int(line, "min_sequence_number", &manifest.min_sequence) ||
        !pt_avro_get_int(line, "added_snapshot_id", &manifest.added_snapshot_id) ||
        !get_files(line, "added_files_count", "added_data_files_count", &manifest.added_files) ||
        !get_files(line, "existing_files_count", "existing_data_files_count",
                   &manifest.existing_files) ||
        !get_files(line, "deleted_files_count", "deleted_data_files_count",
                   &manifest.deleted_files) ||
        !pt_avro_get_int(line, "added_rows_count", &manifest.added_rows) ||
        !pt_avro_get_int(line, "existing_rows_count", &manifest.existing_rows) ||
        !pt_avro_get_int(line, "deleted_rows_count", &manifest.deleted_rows)) {
        return pt_fail(err, PT_CORRUPT, "a manifest list without the fields of Iceberg v2");
    }
    manifest.has_deletes = content != 0;
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
    enum pt_code code = pt_container_each(file, walk_line, &walk, err);

    *manifests_out = walk.manifests;
    *count_out = code ? 0 : walk.count;
    return code;
}
