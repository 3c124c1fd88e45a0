/*
 * verify_data.h - is a Parquet file what its manifest entry says
 *
 * Only src/lake includes this.
 */
#ifndef PT_LAKE_VERIFY_DATA_H
#define PT_LAKE_VERIFY_DATA_H

#include "lake/table.h"

struct pt_data_check;

/* `schema` is borrowed. Pair with pt_data_check_destroy(); NULL is fine there. */
enum pt_code pt_data_check_create(struct pt_data_check **check_out, const struct pt_schema *schema,
                                  struct pt_error *err) PT_MUST_USE;
void pt_data_check_destroy(struct pt_data_check *check);

/*
 * The footer counts the entry's rows; with `reads_data` every column of every row is read, and
 * nulls, bounds and the day are held to the entry. PT_CORRUPT says what is not so.
 */
enum pt_code pt_data_check_file(struct pt_data_check *check, const char *path,
                                const struct pt_manifest_entry *entry, bool reads_data,
                                struct pt_error *err) PT_MUST_USE;

#endif
