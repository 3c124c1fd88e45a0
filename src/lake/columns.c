/*
 * columns.c - the table's columns, and a row's cell in each
 */
#include "lake/columns.h"

const struct pt_column pt_columns[PT_COLUMN_COUNT] = {
#define X(index, name, kind, is_required)                                                          \
    [PT_COLUMN_##index] = {name, PT_COLUMN_##kind, is_required},
    PT_COLUMN_TABLE(X)
#undef X
};

const char *pt_column_iceberg_type(enum pt_column_kind kind)
{
    switch (kind) {
    case PT_COLUMN_UUID:
        return "uuid";
    case PT_COLUMN_HEX:
    case PT_COLUMN_TEXT:
        return "string";
    case PT_COLUMN_TIME:
        return "timestamptz";
    case PT_COLUMN_LONG:
        return "long";
    case PT_COLUMN_BOOL:
        return "boolean";
    }
    pt_assert(false);
    return NULL;
}

const char *pt_column_sql_type(enum pt_column_kind kind)
{
    switch (kind) {
    case PT_COLUMN_UUID:
        return "UUID";
    case PT_COLUMN_HEX:
    case PT_COLUMN_TEXT:
        return "VARCHAR";
    case PT_COLUMN_TIME:
        return "TIMESTAMPTZ";
    case PT_COLUMN_LONG:
        return "BIGINT";
    case PT_COLUMN_BOOL:
        return "BOOLEAN";
    }
    pt_assert(false);
    return NULL;
}
