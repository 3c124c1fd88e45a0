/*
 * avro_values.c - Avro C behind our types
 */
#include "lake/avro_values.h"

#include <avro.h>

static avro_value_t raw(struct pt_avro value)
{
    return (avro_value_t){.iface = value.iface, .self = value.self};
}

static struct pt_avro wrap(avro_value_t value)
{
    return (struct pt_avro){.iface = value.iface, .self = value.self};
}

enum pt_code pt_avro_init(struct pt_avro_set *set, struct pt_span schema, struct pt_error *err)
{
    avro_schema_t parsed = NULL;
    avro_value_t value = {0};

    memset(set, 0, sizeof(*set));
    if (avro_schema_from_json_length((const char *)schema.data, schema.size, &parsed)) {
        return pt_fail(err, PT_CORRUPT, "Avro schema: %s", avro_strerror());
    }
    set->schema = parsed;
    set->iface = avro_generic_class_from_schema(parsed);
    if (!set->iface || avro_generic_value_new(set->iface, &value)) {
        return pt_fail(err, PT_NO_MEMORY, "Avro values");
    }
    set->value = wrap(value);
    set->has_value = true;
    return PT_OK;
}

void pt_avro_release(struct pt_avro_set *set)
{
    avro_value_t value = raw(set->value);

    if (set->has_value) {
        avro_value_decref(&value);
    }
    if (set->iface) {
        avro_value_iface_decref((avro_value_iface_t *)set->iface);
    }
    if (set->schema) {
        avro_schema_decref((avro_schema_t)set->schema);
    }
    memset(set, 0, sizeof(*set));
}

void pt_avro_reset(struct pt_avro_set *set)
{
    avro_value_t value = raw(set->value);

    set->has_failed |= avro_value_reset(&value) != 0;
}

/* ---- writing ---- */

/* Of a union of null and a type the type's part, which the union then holds. */
static bool open_value(struct pt_avro_set *set, avro_value_t field, avro_value_t *field_out)
{
    *field_out = field;
    if (avro_value_get_type(&field) == AVRO_UNION && avro_value_set_branch(&field, 1, field_out)) {
        set->has_failed = true;
        return false;
    }
    return true;
}

static bool open_field(struct pt_avro_set *set, struct pt_avro record, const char *name,
                       avro_value_t *field_out)
{
    avro_value_t value = raw(record);
    avro_value_t field;

    if (avro_value_get_by_name(&value, name, &field, NULL)) {
        set->has_failed = true;
        return false;
    }
    return open_value(set, field, field_out);
}

bool pt_avro_open(struct pt_avro_set *set, struct pt_avro record, const char *name,
                  struct pt_avro *field_out)
{
    avro_value_t field;

    if (!open_field(set, record, name, &field)) {
        return false;
    }
    *field_out = wrap(field);
    return true;
}

bool pt_avro_append(struct pt_avro_set *set, struct pt_avro array, struct pt_avro *element_out)
{
    avro_value_t value = raw(array);
    avro_value_t element;

    if (avro_value_append(&value, &element, NULL)) {
        set->has_failed = true;
        return false;
    }
    *element_out = wrap(element);
    return true;
}

static void set_null(struct pt_avro_set *set, avro_value_t *field)
{
    avro_value_t branch;

    if (avro_value_get_type(field) != AVRO_UNION || avro_value_set_branch(field, 0, &branch) ||
        avro_value_set_null(&branch)) {
        set->has_failed = true;
    }
}

void pt_avro_put_null(struct pt_avro_set *set, struct pt_avro record, const char *name)
{
    avro_value_t value = raw(record);
    avro_value_t field;

    if (avro_value_get_by_name(&value, name, &field, NULL)) {
        set->has_failed = true;
        return;
    }
    set_null(set, &field);
}

static void set_integer(struct pt_avro_set *set, avro_value_t *field, int64_t value)
{
    int failed = 0;

    if (avro_value_get_type(field) == AVRO_INT32) {
        failed = avro_value_set_int(field, (int32_t)value);
    } else {
        failed = avro_value_set_long(field, value);
    }
    set->has_failed |= failed != 0;
}

void pt_avro_put_int(struct pt_avro_set *set, struct pt_avro record, const char *name,
                     int64_t value)
{
    avro_value_t field;

    if (open_field(set, record, name, &field)) {
        set_integer(set, &field, value);
    }
}

void pt_avro_put_bool(struct pt_avro_set *set, struct pt_avro record, const char *name, bool value)
{
    avro_value_t field;

    if (open_field(set, record, name, &field) && avro_value_set_boolean(&field, value)) {
        set->has_failed = true;
    }
}

void pt_avro_put_text(struct pt_avro_set *set, struct pt_avro record, const char *name,
                      const char *text)
{
    avro_value_t field;

    if (open_field(set, record, name, &field) && avro_value_set_string(&field, text)) {
        set->has_failed = true;
    }
}

void pt_avro_put_bytes(struct pt_avro_set *set, struct pt_avro record, const char *name,
                       const void *data, size_t size)
{
    avro_value_t field;

    /* The setter copies; its parameter lacks const. */
    if (open_field(set, record, name, &field) &&
        avro_value_set_bytes(&field, (void *)(uintptr_t)data, size)) {
        set->has_failed = true;
    }
}

/* Schemas of ours bound the depth: `to` decides what is descended into. */
static void copy_value(struct pt_avro_set *set, avro_value_t from, avro_value_t to);

static void copy_record(struct pt_avro_set *set, avro_value_t *from, avro_value_t *to)
{
    size_t count = 0;

    set->has_failed |= avro_value_get_size(to, &count) != 0;
    for (size_t i = 0; !set->has_failed && i < count; i++) {
        avro_value_t ours;
        avro_value_t theirs;
        const char *name = NULL;

        if (avro_value_get_by_index(to, i, &ours, &name)) {
            set->has_failed = true;
        } else if (avro_value_get_by_name(from, name, &theirs, NULL)) {
            set_null(set, &ours);
        } else {
            copy_value(set, theirs, ours);
        }
    }
}

static void copy_array(struct pt_avro_set *set, avro_value_t *from, avro_value_t *to)
{
    size_t count = 0;

    set->has_failed |= avro_value_get_size(from, &count) != 0;
    for (size_t i = 0; !set->has_failed && i < count; i++) {
        avro_value_t ours;
        avro_value_t theirs;

        if (avro_value_get_by_index(from, i, &theirs, NULL) || avro_value_append(to, &ours, NULL)) {
            set->has_failed = true;
        } else {
            copy_value(set, theirs, ours);
        }
    }
}

static void copy_scalar(struct pt_avro_set *set, avro_value_t *from, avro_value_t *to)
{
    const char *text = NULL;
    const void *bytes = NULL;
    size_t size = 0;
    int32_t small = 0;
    int64_t large = 0;
    int boolean = 0;

    switch ((int)avro_value_get_type(from)) {
    case AVRO_INT32:
        set->has_failed |= avro_value_get_int(from, &small) != 0;
        set_integer(set, to, small);
        break;
    case AVRO_INT64:
        set->has_failed |= avro_value_get_long(from, &large) != 0;
        set_integer(set, to, large);
        break;
    case AVRO_BOOLEAN:
        set->has_failed |=
            avro_value_get_boolean(from, &boolean) || avro_value_set_boolean(to, boolean);
        break;
    case AVRO_STRING:
        set->has_failed |=
            avro_value_get_string(from, &text, &size) || avro_value_set_string(to, text);
        break;
    case AVRO_BYTES:
        set->has_failed |= avro_value_get_bytes(from, &bytes, &size) ||
                           avro_value_set_bytes(to, (void *)(uintptr_t)bytes, size);
        break;
    default:
        set->has_failed = true;
        break;
    }
}

static void copy_value(struct pt_avro_set *set, avro_value_t from, avro_value_t to)
{
    avro_value_t branch;

    if (avro_value_get_type(&from) == AVRO_UNION) {
        if (avro_value_get_current_branch(&from, &branch)) {
            set->has_failed = true;
            return;
        }
        from = branch;
    }
    if (avro_value_get_type(&from) == AVRO_NULL) {
        set_null(set, &to);
        return;
    }
    if (!open_value(set, to, &branch)) {
        return;
    }
    if (avro_value_get_type(&branch) == AVRO_RECORD) {
        set->has_failed |= avro_value_get_type(&from) != AVRO_RECORD;
        copy_record(set, &from, &branch);
    } else if (avro_value_get_type(&branch) == AVRO_ARRAY) {
        set->has_failed |= avro_value_get_type(&from) != AVRO_ARRAY;
        copy_array(set, &from, &branch);
    } else {
        copy_scalar(set, &from, &branch);
    }
}

void pt_avro_copy(struct pt_avro_set *set, struct pt_avro from, struct pt_avro to)
{
    copy_value(set, raw(from), raw(to));
}

enum pt_code pt_avro_encode(struct pt_avro_set *set, struct pt_buf *out, struct pt_error *err)
{
    avro_value_t value = raw(set->value);
    avro_writer_t writer = NULL;
    uint8_t *at = NULL;
    size_t size = 0;
    enum pt_code code = PT_OK;

    if (set->has_failed || avro_value_sizeof(&value, &size)) {
        return pt_fail(err, PT_NO_MEMORY, "encode a manifest: %s", avro_strerror());
    }
    at = pt_buf_reserve(out, size);
    writer = at ? avro_writer_memory((const char *)at, (int64_t)size) : NULL;
    if (!writer) {
        return pt_fail(err, PT_NO_MEMORY, "encode a manifest");
    }
    if (avro_value_write(writer, &value)) {
        code = pt_fail(err, PT_NO_MEMORY, "encode a manifest: %s", avro_strerror());
    } else {
        out->size += size;
    }
    avro_writer_free(writer);
    return code;
}

/* ---- reading ---- */

static bool look_through(avro_value_t *value)
{
    avro_value_t branch;

    if (avro_value_get_type(value) == AVRO_UNION) {
        if (avro_value_get_current_branch(value, &branch)) {
            return false;
        }
        *value = branch;
    }
    return avro_value_get_type(value) != AVRO_NULL;
}

static bool look_field(struct pt_avro record, const char *name, avro_value_t *field_out)
{
    avro_value_t value = raw(record);

    return avro_value_get_type(&value) == AVRO_RECORD &&
           !avro_value_get_by_name(&value, name, field_out, NULL) && look_through(field_out);
}

bool pt_avro_field(struct pt_avro record, const char *name, struct pt_avro *field_out)
{
    avro_value_t field;

    if (!look_field(record, name, &field)) {
        return false;
    }
    *field_out = wrap(field);
    return true;
}

bool pt_avro_get_int(struct pt_avro record, const char *name, int64_t *value_out)
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

bool pt_avro_get_int32(struct pt_avro record, const char *name, int32_t *value_out)
{
    int64_t value = 0;

    if (!pt_avro_get_int(record, name, &value) || value < INT32_MIN || value > INT32_MAX) {
        return false;
    }
    *value_out = (int32_t)value;
    return true;
}

const char *pt_avro_get_text(struct pt_avro record, const char *name)
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

bool pt_avro_get_bytes(struct pt_avro record, const char *name, struct pt_span *bytes_out)
{
    avro_value_t field;
    const void *data = NULL;
    size_t size = 0;

    if (!look_field(record, name, &field) || avro_value_get_type(&field) != AVRO_BYTES ||
        avro_value_get_bytes(&field, &data, &size)) {
        return false;
    }
    *bytes_out = pt_span_of(data, size);
    return true;
}

size_t pt_avro_count(struct pt_avro array)
{
    avro_value_t value = raw(array);
    size_t count = 0;

    if (avro_value_get_type(&value) != AVRO_ARRAY || avro_value_get_size(&value, &count)) {
        return 0;
    }
    return count;
}

bool pt_avro_at(struct pt_avro array, size_t index, struct pt_avro *element_out)
{
    avro_value_t value = raw(array);
    avro_value_t element;

    if (avro_value_get_by_index(&value, index, &element, NULL) || !look_through(&element)) {
        return false;
    }
    *element_out = wrap(element);
    return true;
}

enum pt_code pt_avro_each(struct pt_avro_set *set, uint64_t count, struct pt_span block,
                          enum pt_code (*each)(void *ctx, struct pt_avro value,
                                               struct pt_error *err),
                          void *ctx, struct pt_error *err)
{
    avro_reader_t reader = avro_reader_memory((const char *)block.data, (int64_t)block.size);
    avro_value_t value = raw(set->value);
    enum pt_code code = PT_OK;

    if (!reader) {
        return pt_fail(err, PT_NO_MEMORY, "decode a manifest");
    }
    for (; !code && count > 0; count--) {
        if (avro_value_reset(&value) || avro_value_read(reader, &value)) {
            code = pt_fail(err, PT_CORRUPT, "decode a manifest: %s", avro_strerror());
        } else {
            code = each(ctx, set->value, err);
        }
    }
    avro_reader_free(reader);
    return code;
}
