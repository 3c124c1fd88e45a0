/*
 * evolve.c - a column more, without rewriting a file
 */
#include "lake/lake_inside.h"

#define EVOLVE_TRIES 20
#define NAME_BYTES_MAX 128

static char lower(char letter)
{
    return letter >= 'A' && letter <= 'Z' ? (char)(letter - 'A' + 'a') : letter;
}

static bool is_same_name(const char *a, const char *b)
{
    while (*a && lower(*a) == lower(*b)) {
        a++;
        b++;
    }
    return lower(*a) == lower(*b);
}

/* A name that every reader takes without quotes. */
static bool is_plain_name(const char *name)
{
    size_t size = strlen(name);

    if (size == 0 || size > NAME_BYTES_MAX || (name[0] >= '0' && name[0] <= '9')) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        char letter = lower(name[i]);

        if (!(letter >= 'a' && letter <= 'z') && !(letter >= '0' && letter <= '9') &&
            letter != '_') {
            return false;
        }
    }
    return true;
}

/* Readers, DuckDB among them, do not tell cases apart, so names that differ in it alone clash. */
static enum pt_code check_free(const struct pt_table *table, const char *name, struct pt_error *err)
{
    for (size_t i = 0; i < table->schema.count; i++) {
        if (is_same_name(table->schema.columns[i].name, name)) {
            return pt_fail(err, PT_INVALID, "the table has a column %s already",
                           table->schema.columns[i].name);
        }
    }
    return PT_OK;
}

enum pt_code pt_lake_add_column(struct pt_lake *lake, const char *name, const char *type,
                                struct pt_error *err)
{
    struct pt_arena arena;
    enum pt_code code = PT_AGAIN;

    pt_arena_init(&arena, 4096);
    if (!is_plain_name(name)) {
        code = pt_fail(err, PT_INVALID,
                       "\"%s\" is no name for a column: letters, digits and _, at most %d, not a "
                       "digit first",
                       name, NAME_BYTES_MAX);
    } else if (!pt_schema_sql_type(pt_span_str(type), &arena)) {
        code = pt_fail(err, PT_INVALID,
                       "%s is no type of a column: it is boolean, int, long, float, double, date, "
                       "time, timestamp, timestamptz, string, uuid, binary or decimal(P,S)",
                       type);
    }
    for (unsigned tries = 0; code == PT_AGAIN && tries < EVOLVE_TRIES; tries++) {
        struct pt_update update = {.now_ms = pt_lake_now_ms(lake),
                                   .adds_columns = true,
                                   .column_name = name,
                                   .column_type = type};

        code = pt_lake_refresh(lake, err);
        if (!code) {
            code = pt_table_check_writable(&lake->table, err);
        }
        if (!code) {
            code = check_free(&lake->table, name, err);
        }
        if (!code) {
            code = pt_table_publish(&lake->table, &update, err);
            lake->is_stale = code != PT_OK;
        }
    }
    pt_arena_release(&arena);
    return code;
}
