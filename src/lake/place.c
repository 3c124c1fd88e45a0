/*
 * place.c - where the table is
 */
#include "lake/table.h"

enum pt_code pt_lake_locate(struct pt_io *io, const char *dir, struct pt_lake_place *place_out,
                            struct pt_error *err)
{
    struct pt_table table;
    enum pt_code code = pt_table_init(&table, io, dir, err);

    *place_out = (struct pt_lake_place){0};
    if (code) {
        return code;
    }
    code = pt_table_load(&table, err);
    if (!code) {
        place_out->location = pt_strdup(table.location);
        place_out->metadata_path = pt_table_metadata_path(&table, table.version);
        place_out->snapshot_id = table.snapshot_id;
        place_out->row_count = table.row_count;
        place_out->file_count = table.file_count;
        if (!place_out->location || !place_out->metadata_path) {
            code = pt_fail(err, PT_NO_MEMORY, "locate table %s", dir);
        }
    }
    if (code) {
        pt_lake_place_release(place_out);
    }
    pt_table_release(&table);
    return code;
}

void pt_lake_place_release(struct pt_lake_place *place)
{
    pt_free(place->location);
    pt_free(place->metadata_path);
    *place = (struct pt_lake_place){0};
}
