/*
 * avro_values.h - Avro values of one schema, by the names of their fields
 *
 * Only src/lake includes this; avro_values.c is the only file that knows the library. Setters note
 * a failure in `has_failed` of the set, where it sticks, so that a writer looks once. Fields
 * that may be null are unions of null and a type: the setters choose, the getters look through.
 */
#ifndef PT_LAKE_AVRO_VALUES_H
#define PT_LAKE_AVRO_VALUES_H

#include "base/error.h"
#include "base/mem.h"
#include "base/span.h"

/* One value: a record, an array, a number. Borrowed from the set that it belongs to. */
struct pt_avro {
    void *iface;
    void *self;
};

struct pt_avro_set {
    void *schema;
    void *iface;
    struct pt_avro value; /* the one that is written or was read last */
    bool has_value;
    bool has_failed;
};

/* `schema` is Avro's JSON; PT_CORRUPT where it is none. Release also after a failure. */
enum pt_code pt_avro_init(struct pt_avro_set *set, struct pt_span schema,
                          struct pt_error *err) PT_MUST_USE;
void pt_avro_release(struct pt_avro_set *set);
void pt_avro_reset(struct pt_avro_set *set);

/* ---- writing ---- */

/* Field `name`; of an optional one the part that is not null, which it then is. */
bool pt_avro_open(struct pt_avro_set *set, struct pt_avro record, const char *name,
                  struct pt_avro *field_out);
/* A new element at the end of an array. */
bool pt_avro_append(struct pt_avro_set *set, struct pt_avro array, struct pt_avro *element_out);
void pt_avro_put_null(struct pt_avro_set *set, struct pt_avro record, const char *name);
void pt_avro_put_int(struct pt_avro_set *set, struct pt_avro record, const char *name,
                     int64_t value);
void pt_avro_put_bool(struct pt_avro_set *set, struct pt_avro record, const char *name, bool value);
void pt_avro_put_text(struct pt_avro_set *set, struct pt_avro record, const char *name,
                      const char *text);
void pt_avro_put_bytes(struct pt_avro_set *set, struct pt_avro record, const char *name,
                       const void *data, size_t size);
/*
 * Give `to` the value of `from`, which may be of another schema: fields are matched by name, those
 * that `to` does not have are dropped, optional ones that `from` does not have are null.
 */
void pt_avro_copy(struct pt_avro_set *set, struct pt_avro from, struct pt_avro to);
/* Append the set's value to `out`, encoded. */
enum pt_code pt_avro_encode(struct pt_avro_set *set, struct pt_buf *out,
                            struct pt_error *err) PT_MUST_USE;

/* ---- reading ---- */

/* False where the field is absent or null. */
bool pt_avro_field(struct pt_avro record, const char *name, struct pt_avro *field_out);
bool pt_avro_get_int(struct pt_avro record, const char *name, int64_t *value_out);
bool pt_avro_get_int32(struct pt_avro record, const char *name, int32_t *value_out);
/* NULL where absent; borrowed until the set's value changes. */
const char *pt_avro_get_text(struct pt_avro record, const char *name);
bool pt_avro_get_bytes(struct pt_avro record, const char *name, struct pt_span *bytes_out);
size_t pt_avro_count(struct pt_avro array);
bool pt_avro_at(struct pt_avro array, size_t index, struct pt_avro *element_out);

/*
 * Decode `count` values of a block into the set, one after the other, and call `each`; its PT_OK
 * goes on. PT_CORRUPT where the bytes are no such values.
 */
enum pt_code pt_avro_each(struct pt_avro_set *set, uint64_t count, struct pt_span block,
                          enum pt_code (*each)(void *ctx, struct pt_avro value,
                                               struct pt_error *err),
                          void *ctx, struct pt_error *err) PT_MUST_USE;

#endif
