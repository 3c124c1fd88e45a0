/*
 * columns.c - the table's columns, and a row's cell in each
 */
#include "lake/columns.h"

#include <assert.h>

const struct pt_column pt_columns[PT_COLUMN_COUNT] = {
    [PT_COLUMN_EVENT_ID] = {"event_id", PT_COLUMN_UUID, true},
    [PT_COLUMN_EVENT_NAME] = {"event_name", PT_COLUMN_TEXT, true},
    [PT_COLUMN_EVENT_TIME] = {"event_time", PT_COLUMN_TIME, true},
    [PT_COLUMN_OCCURRED_AT] = {"occurred_at", PT_COLUMN_TIME, true},
    [PT_COLUMN_RECEIVED_AT] = {"received_at", PT_COLUMN_TIME, true},
    [PT_COLUMN_USER_ID] = {"user_id", PT_COLUMN_HEX, true},
    [PT_COLUMN_SESSION_ID] = {"session_id", PT_COLUMN_TEXT, true},
    [PT_COLUMN_SEQ] = {"seq", PT_COLUMN_LONG, false},
    [PT_COLUMN_INSTALL_ID] = {"install_id", PT_COLUMN_HEX, false},
    [PT_COLUMN_BOOT] = {"boot", PT_COLUMN_LONG, false},
    [PT_COLUMN_BUILD_ID] = {"build_id", PT_COLUMN_TEXT, false},
    [PT_COLUMN_PLATFORM] = {"platform", PT_COLUMN_TEXT, false},
    [PT_COLUMN_MECHANIC_VERSION] = {"mechanic_version", PT_COLUMN_TEXT, false},
    [PT_COLUMN_ATTRIBUTES] = {"attributes", PT_COLUMN_TEXT, false},
    [PT_COLUMN_CLOCK_SKEW_US] = {"clock_skew_us", PT_COLUMN_LONG, false},
    [PT_COLUMN_IS_LATE] = {"is_late", PT_COLUMN_BOOL, true},
    [PT_COLUMN_COUNTRY] = {"country", PT_COLUMN_TEXT, false},
    [PT_COLUMN_REGION] = {"region", PT_COLUMN_TEXT, false},
    [PT_COLUMN_CITY] = {"city", PT_COLUMN_TEXT, false},
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

static struct pt_cell bytes_cell(const void *data, size_t size)
{
    return (struct pt_cell){.bytes = pt_span_of(data, size)};
}

static struct pt_cell optional_text(struct pt_text text)
{
    return (struct pt_cell){.is_null = text.size == 0, .bytes = pt_span_of(text.data, text.size)};
}

static struct pt_cell integer_cell(int64_t value, int64_t null_value)
{
    return (struct pt_cell){.is_null = value == null_value, .integer = value};
}

static inline struct pt_cell platform_cell(enum pt_platform platform)
{
    static const char names[][8] = {"", "ios", "android", "pc", "console", "web"};
    static const uint8_t sizes[] = {0, 3, 7, 2, 7, 3};

    static_assert(sizeof(sizes) == PT_PLATFORM_WEB + 1, "each platform has a name");
    return (struct pt_cell){.is_null = platform == PT_PLATFORM_NONE,
                            .bytes = pt_span_of(names[platform], sizes[platform])};
}

/* Inlined for each column, so that the choice goes away. */
static inline struct pt_cell cell_of(const struct pt_row *row, enum pt_column_index column)
{
    const struct pt_event *event = &row->event;

    switch (column) {
    case PT_COLUMN_EVENT_ID:
        return bytes_cell(event->event_id, PT_UUID_BYTES);
    case PT_COLUMN_EVENT_NAME:
        return bytes_cell(event->event_name.data, event->event_name.size);
    case PT_COLUMN_EVENT_TIME:
        return (struct pt_cell){.integer = event->event_time_us};
    case PT_COLUMN_OCCURRED_AT:
        return (struct pt_cell){.integer = event->occurred_at_us};
    case PT_COLUMN_RECEIVED_AT:
        return (struct pt_cell){.integer = event->received_at_us};
    case PT_COLUMN_USER_ID:
        return bytes_cell(event->user, PT_PSEUDONYM_BYTES);
    case PT_COLUMN_SESSION_ID:
        return bytes_cell(event->session_id.data, event->session_id.size);
    case PT_COLUMN_SEQ:
        return integer_cell(event->seq, PT_EVENT_NO_NUMBER);
    case PT_COLUMN_INSTALL_ID:
        return (struct pt_cell){.is_null = !event->has_install,
                                .bytes = pt_span_of(event->install, PT_PSEUDONYM_BYTES)};
    case PT_COLUMN_BOOT:
        return integer_cell(event->boot, PT_EVENT_NO_NUMBER);
    case PT_COLUMN_BUILD_ID:
        return optional_text(event->build_id);
    case PT_COLUMN_PLATFORM:
        return platform_cell(event->platform);
    case PT_COLUMN_MECHANIC_VERSION:
        return optional_text(event->mechanic_version);
    case PT_COLUMN_ATTRIBUTES:
        return optional_text(event->attributes);
    case PT_COLUMN_CLOCK_SKEW_US:
        return integer_cell(event->clock_skew_us, 0);
    case PT_COLUMN_IS_LATE:
        return (struct pt_cell){.integer = row->is_late};
    case PT_COLUMN_COUNTRY:
        return (struct pt_cell){.is_null = event->country[0] == '\0',
                                .bytes = pt_span_of(event->country, sizeof(event->country))};
    case PT_COLUMN_REGION:
        return optional_text(event->region);
    case PT_COLUMN_CITY:
        return optional_text(event->city);
    case PT_COLUMN_COUNT:
        break;
    }
    pt_assert(false);
    return (struct pt_cell){.is_null = true};
}

void pt_cells_gather(unsigned column, const struct pt_row *rows, const uint32_t *order,
                     size_t count, struct pt_cell *cells_out)
{
#define GATHER(index)                                                                              \
    case index:                                                                                    \
        for (size_t i = 0; i < count; i++) {                                                       \
            cells_out[i] = cell_of(&rows[order[i]], index);                                        \
        }                                                                                          \
        break;

    switch ((enum pt_column_index)column) {
        GATHER(PT_COLUMN_EVENT_ID)
        GATHER(PT_COLUMN_EVENT_NAME)
        GATHER(PT_COLUMN_EVENT_TIME)
        GATHER(PT_COLUMN_OCCURRED_AT)
        GATHER(PT_COLUMN_RECEIVED_AT)
        GATHER(PT_COLUMN_USER_ID)
        GATHER(PT_COLUMN_SESSION_ID)
        GATHER(PT_COLUMN_SEQ)
        GATHER(PT_COLUMN_INSTALL_ID)
        GATHER(PT_COLUMN_BOOT)
        GATHER(PT_COLUMN_BUILD_ID)
        GATHER(PT_COLUMN_PLATFORM)
        GATHER(PT_COLUMN_MECHANIC_VERSION)
        GATHER(PT_COLUMN_ATTRIBUTES)
        GATHER(PT_COLUMN_CLOCK_SKEW_US)
        GATHER(PT_COLUMN_IS_LATE)
        GATHER(PT_COLUMN_COUNTRY)
        GATHER(PT_COLUMN_REGION)
        GATHER(PT_COLUMN_CITY)
    case PT_COLUMN_COUNT:
        pt_assert(false);
    }
#undef GATHER
}
