/*
 * columns.h - the table's columns, and a row's cell in each
 *
 * Only src/lake includes this. A column's Iceberg field id is its index plus one and never
 * changes (docs/formats/lake.md); new columns go at the end.
 */
#ifndef PT_LAKE_COLUMNS_H
#define PT_LAKE_COLUMNS_H

#include "lake/lake.h"

#include <assert.h>

enum pt_column_kind {
    PT_COLUMN_UUID, /* 16 bytes */
    PT_COLUMN_HEX,  /* 16 bytes, text in the table: 32 lower-case hex digits */
    PT_COLUMN_TEXT,
    PT_COLUMN_TIME, /* UTC microseconds */
    PT_COLUMN_LONG,
    PT_COLUMN_BOOL,
};

/* The table of columns: index, name, kind, whether it is required. */
#define PT_COLUMN_TABLE(X)                                                                         \
    X(EVENT_ID, "event_id", UUID, true)                                                            \
    X(EVENT_NAME, "event_name", TEXT, true)                                                        \
    X(EVENT_TIME, "event_time", TIME, true)                                                        \
    X(OCCURRED_AT, "occurred_at", TIME, true)                                                      \
    X(RECEIVED_AT, "received_at", TIME, true)                                                      \
    X(USER_ID, "user_id", HEX, true)                                                               \
    X(SESSION_ID, "session_id", TEXT, true)                                                        \
    X(SEQ, "seq", LONG, false)                                                                     \
    X(INSTALL_ID, "install_id", HEX, false)                                                        \
    X(BOOT, "boot", LONG, false)                                                                   \
    X(BUILD_ID, "build_id", TEXT, false)                                                           \
    X(PLATFORM, "platform", TEXT, false)                                                           \
    X(MECHANIC_VERSION, "mechanic_version", TEXT, false)                                           \
    X(ATTRIBUTES, "attributes", TEXT, false)                                                       \
    X(CLOCK_SKEW_US, "clock_skew_us", LONG, false)                                                 \
    X(IS_LATE, "is_late", BOOL, true)                                                              \
    X(COUNTRY, "country", TEXT, false)                                                             \
    X(REGION, "region", TEXT, false)                                                               \
    X(CITY, "city", TEXT, false)

enum pt_column_index {
#define X(index, name, kind, is_required) PT_COLUMN_##index,
    PT_COLUMN_TABLE(X)
#undef X
        PT_COLUMN_COUNT,
};

struct pt_column {
    const char *name;
    enum pt_column_kind kind;
    bool is_required;
};

extern const struct pt_column pt_columns[PT_COLUMN_COUNT];

/* "uuid", "string", "timestamptz", "long" or "boolean". */
const char *pt_column_iceberg_type(enum pt_column_kind kind);
/* The same for DuckDB: "UUID", "VARCHAR", … */
const char *pt_column_sql_type(enum pt_column_kind kind);

struct pt_cell {
    bool is_null;
    int64_t integer;      /* TIME, LONG, BOOL */
    struct pt_span bytes; /* UUID and HEX (16 bytes), TEXT; borrowed from the row */
};

/*
 * A row's cell. Inlined into loops over one column each, where `column` is a
 * constant and the choice goes away; a call a cell cost as much as all else that is done with it.
 */
static inline struct pt_cell pt_cell_of(const struct pt_row *row, enum pt_column_index column)
{
    static const char platforms[][8] = {"", "ios", "android", "pc", "console", "web"};
    static const uint8_t platform_bytes[] = {0, 3, 7, 2, 7, 3};
    const struct pt_event *event = &row->event;
    struct pt_cell cell = {0};
    struct pt_text text = {0};

    static_assert(sizeof(platform_bytes) == PT_PLATFORM_WEB + 1, "each platform has a name");
    switch (column) {
    case PT_COLUMN_EVENT_ID:
        cell.bytes = pt_span_of(event->event_id, PT_UUID_BYTES);
        return cell;
    case PT_COLUMN_USER_ID:
        cell.bytes = pt_span_of(event->user, PT_PSEUDONYM_BYTES);
        return cell;
    case PT_COLUMN_INSTALL_ID:
        cell.is_null = !event->has_install;
        cell.bytes = pt_span_of(event->install, PT_PSEUDONYM_BYTES);
        return cell;
    case PT_COLUMN_EVENT_TIME:
        cell.integer = event->event_time_us;
        return cell;
    case PT_COLUMN_OCCURRED_AT:
        cell.integer = event->occurred_at_us;
        return cell;
    case PT_COLUMN_RECEIVED_AT:
        cell.integer = event->received_at_us;
        return cell;
    case PT_COLUMN_SEQ:
        cell.is_null = event->seq == PT_EVENT_NO_NUMBER;
        cell.integer = event->seq;
        return cell;
    case PT_COLUMN_BOOT:
        cell.is_null = event->boot == PT_EVENT_NO_NUMBER;
        cell.integer = event->boot;
        return cell;
    case PT_COLUMN_CLOCK_SKEW_US:
        cell.is_null = event->clock_skew_us == 0;
        cell.integer = event->clock_skew_us;
        return cell;
    case PT_COLUMN_IS_LATE:
        cell.integer = row->is_late;
        return cell;
    case PT_COLUMN_PLATFORM:
        cell.is_null = event->platform == PT_PLATFORM_NONE;
        cell.bytes = pt_span_of(platforms[event->platform], platform_bytes[event->platform]);
        return cell;
    case PT_COLUMN_COUNTRY:
        cell.is_null = event->country[0] == '\0';
        cell.bytes = pt_span_of(event->country, sizeof(event->country));
        return cell;
    case PT_COLUMN_EVENT_NAME:
        text = event->event_name;
        break;
    case PT_COLUMN_SESSION_ID:
        text = event->session_id;
        break;
    case PT_COLUMN_BUILD_ID:
        text = event->build_id;
        break;
    case PT_COLUMN_MECHANIC_VERSION:
        text = event->mechanic_version;
        break;
    case PT_COLUMN_ATTRIBUTES:
        text = event->attributes;
        break;
    case PT_COLUMN_REGION:
        text = event->region;
        break;
    case PT_COLUMN_CITY:
        text = event->city;
        break;
    case PT_COLUMN_COUNT:
        pt_assert(false);
    }
    /* A required text is never null, though it may be empty. */
    cell.is_null =
        text.size == 0 && column != PT_COLUMN_EVENT_NAME && column != PT_COLUMN_SESSION_ID;
    cell.bytes = pt_span_of(text.data, text.size);
    return cell;
}

#endif
