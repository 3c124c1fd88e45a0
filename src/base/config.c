/*
 * config.c - every setting, in one table
 *
 * Each source is read into a second set of values that replaces the first only when all
 * of it was right.
 */
#include "base/config.h"

#include "base/yaml.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ENVIRONMENT_PREFIX "PLAYTRACE_"
#define LIST_ITEMS_MAX 1024
#define WHERE_BYTES 256

enum kind {
    KIND_STRING,
    KIND_INT,
    KIND_LIST,
};

struct setting {
    const char *section;
    const char *name; /* "section.key" */
    enum kind kind;
    const char *default_text;
    int64_t min;
    int64_t max;
    const char *help;
};

static const struct setting settings[PT_CONFIG_COUNT] = {
#define X(section, key, kind, default_text, min, max, help)                                        \
    {#section, #section "." #key, KIND_##kind, default_text, min, max, help},
    PT_CONFIG_TABLE(X)
#undef X
};

static const char *const setting_names[PT_CONFIG_COUNT] = {
#define X(section, key, kind, default_text, min, max, help) #section "." #key,
    PT_CONFIG_TABLE(X)
#undef X
};

struct value {
    int64_t integer;
    char *text;   /* owned; a list's is cut at its commas by NUL bytes */
    char **items; /* owned array of places in `text` */
    size_t item_count;
};

struct pt_config {
    struct value values[PT_CONFIG_COUNT];
};

/* What a source said so far; `is_set` values replace the config's in the end. */
struct draft {
    struct value values[PT_CONFIG_COUNT];
    bool is_set[PT_CONFIG_COUNT];
};

static void value_release(struct value *value)
{
    pt_free(value->text);
    pt_free(value->items);
    *value = (struct value){0};
}

static void draft_release(struct draft *draft)
{
    for (size_t i = 0; i < PT_CONFIG_COUNT; i++) {
        value_release(&draft->values[i]);
    }
}

static void draft_take(struct pt_config *config, struct draft *draft)
{
    for (size_t i = 0; i < PT_CONFIG_COUNT; i++) {
        if (draft->is_set[i]) {
            struct value old = config->values[i];

            config->values[i] = draft->values[i];
            draft->values[i] = old;
        }
    }
    draft_release(draft);
}

/* ---- one value ---- */

static enum pt_code parse_int(const struct setting *setting, const char *text, const char *where,
                              int64_t *out, struct pt_error *err)
{
    char *end = NULL;
    long long number = 0;

    errno = 0;
    number = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || isspace((unsigned char)text[0])) {
        return pt_fail(err, PT_INVALID, "%s: %s: '%s' is not a whole number", where, setting->name,
                       text);
    }
    if (errno == ERANGE || number < setting->min || number > setting->max) {
        return pt_fail(err, PT_INVALID, "%s: %s: %s is not between %" PRId64 " and %" PRId64, where,
                       setting->name, text, setting->min, setting->max);
    }
    *out = number;
    return PT_OK;
}

static char *trim(char *text)
{
    size_t size = 0;

    while (isspace((unsigned char)*text)) {
        text++;
    }
    size = strlen(text);
    while (size > 0 && isspace((unsigned char)text[size - 1])) {
        text[--size] = '\0';
    }
    return text;
}

/* Cut value->text at its commas; spaces around an item and empty items are dropped. */
static enum pt_code split_list(const struct setting *setting, const char *where,
                               struct value *value, struct pt_error *err)
{
    size_t count = 1;
    char *rest = value->text;

    for (const char *at = value->text; *at; at++) {
        count += *at == ',' ? 1 : 0;
    }
    if (count > LIST_ITEMS_MAX) {
        return pt_fail(err, PT_INVALID, "%s: %s: more than %d entries", where, setting->name,
                       LIST_ITEMS_MAX);
    }
    value->items = pt_alloc(count * sizeof(*value->items));
    if (!value->items) {
        return pt_fail(err, PT_NO_MEMORY, "%s", where);
    }
    while (rest) {
        char *comma = strchr(rest, ',');
        char *item = NULL;

        if (comma) {
            *comma = '\0';
        }
        item = trim(rest);
        if (*item) {
            value->items[value->item_count++] = item;
        }
        rest = comma ? comma + 1 : NULL;
    }
    return PT_OK;
}

/* The table knows kinds and ranges; the few settings with a fixed vocabulary stand here. */
static enum pt_code check_words(size_t key, const char *text, const char *where,
                                struct pt_error *err)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};

    if (key != PT_CONFIG_observe_log_level) {
        return PT_OK;
    }
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (strcmp(text, levels[i]) == 0) {
            return PT_OK;
        }
    }
    return pt_fail(err, PT_INVALID, "%s: %s: '%s' is none of debug, info, warn, error", where,
                   settings[key].name, text);
}

static enum pt_code draft_set(struct draft *draft, size_t key, const char *text, const char *where,
                              struct pt_error *err)
{
    const struct setting *setting = &settings[key];
    struct value value = {0};
    enum pt_code code = PT_OK;

    value.text = pt_strdup(text);
    if (!value.text) {
        code = pt_fail(err, PT_NO_MEMORY, "%s", where);
        goto out;
    }
    switch (setting->kind) {
    case KIND_INT:
        code = parse_int(setting, text, where, &value.integer, err);
        break;
    case KIND_LIST:
        code = split_list(setting, where, &value, err);
        break;
    case KIND_STRING:
        code = check_words(key, text, where, err);
        break;
    }
    if (code) {
        goto out;
    }
    value_release(&draft->values[key]);
    draft->values[key] = value;
    draft->is_set[key] = true;
    value = (struct value){0};

out:
    value_release(&value);
    return code;
}

static size_t find_setting(const char *name)
{
    for (size_t i = 0; i < PT_CONFIG_COUNT; i++) {
        if (strcmp(settings[i].name, name) == 0) {
            return i;
        }
    }
    return PT_CONFIG_COUNT;
}

static enum pt_code unknown_setting(const char *name, const char *where, struct pt_error *err)
{
    const char *nearest = pt_nearest_name(name, setting_names, PT_CONFIG_COUNT);

    if (nearest) {
        return pt_fail(err, PT_INVALID, "%s: no setting is called '%s'; did you mean '%s'?", where,
                       name, nearest);
    }
    return pt_fail(err, PT_INVALID,
                   "%s: no setting is called '%s'; `playtrace config reference` lists them", where,
                   name);
}

/* ---- life ---- */

struct pt_config *pt_config_create(void)
{
    struct pt_config *config = pt_alloc_zero(sizeof(*config));
    struct draft draft = {0};

    if (!config) {
        return NULL;
    }
    for (size_t i = 0; i < PT_CONFIG_COUNT; i++) {
        struct pt_error err;
        enum pt_code code = draft_set(&draft, i, settings[i].default_text, "default", &err);

        pt_assert(code == PT_OK || code == PT_NO_MEMORY);
        if (code) {
            draft_release(&draft);
            pt_free(config);
            return NULL;
        }
    }
    draft_take(config, &draft);
    return config;
}

void pt_config_destroy(struct pt_config *config)
{
    if (!config) {
        return;
    }
    for (size_t i = 0; i < PT_CONFIG_COUNT; i++) {
        value_release(&config->values[i]);
    }
    pt_free(config);
}

/* ---- the file ---- */

/* A list's entries, joined as the environment would write them. */
static enum pt_code join_list(const struct pt_yaml *list, const char *path, struct pt_buf *text,
                              struct pt_error *err)
{
    for (const struct pt_yaml *entry = list->child; entry; entry = entry->next) {
        if (entry->kind != PT_YAML_SCALAR || strchr(entry->text, ',')) {
            return pt_fail(err, PT_INVALID, "%s:%u: an entry must be a value without a comma", path,
                           entry->line);
        }
        pt_buf_append_str(text, entry->text);
        pt_buf_append_byte(text, ',');
    }
    return PT_OK;
}

static enum pt_code load_setting(struct draft *draft, const struct pt_yaml *section,
                                 const struct pt_yaml *node, const char *path, struct pt_error *err)
{
    char where[WHERE_BYTES];
    struct pt_buf text;
    char *name = pt_strf("%s.%s", section->key, node->key);
    size_t key = PT_CONFIG_COUNT;
    enum pt_code code = PT_OK;

    pt_buf_init(&text, PT_YAML_BYTES_MAX);
    snprintf(where, sizeof(where), "%s:%u", path, node->line);
    if (!name) {
        code = pt_fail(err, PT_NO_MEMORY, "%s", where);
        goto out;
    }
    key = find_setting(name);
    if (key == PT_CONFIG_COUNT) {
        code = unknown_setting(name, where, err);
        goto out;
    }
    if (node->kind == PT_YAML_LIST && settings[key].kind == KIND_LIST) {
        code = join_list(node, path, &text, err);
        if (code) {
            goto out;
        }
    } else if (node->kind != PT_YAML_SCALAR) {
        code = pt_fail(err, PT_INVALID, "%s: %s: %s stands where a %s belongs", where, name,
                       pt_yaml_kind_name(node->kind),
                       settings[key].kind == KIND_INT ? "number" : "text");
        goto out;
    } else if (pt_yaml_is_null(node)) {
        code = pt_fail(err, PT_INVALID, "%s: %s: has no value; leave the line out for its default",
                       where, name);
        goto out;
    } else {
        pt_buf_append_str(&text, node->text);
    }
    pt_buf_append_byte(&text, 0);
    if (text.has_failed) {
        code = pt_fail(err, PT_NO_MEMORY, "%s", where);
        goto out;
    }
    code = draft_set(draft, key, (const char *)text.data, where, err);

out:
    pt_buf_release(&text);
    pt_free(name);
    return code;
}

static bool is_section(const char *name)
{
    for (size_t i = 0; i < PT_CONFIG_COUNT; i++) {
        if (strcmp(settings[i].section, name) == 0) {
            return true;
        }
    }
    return false;
}

static enum pt_code load_section(struct draft *draft, const struct pt_yaml *section,
                                 const char *path, struct pt_error *err)
{
    if (!is_section(section->key)) {
        const char *sections[PT_CONFIG_COUNT];
        const char *nearest = NULL;

        for (size_t i = 0; i < PT_CONFIG_COUNT; i++) {
            sections[i] = settings[i].section;
        }
        nearest = pt_nearest_name(section->key, sections, PT_CONFIG_COUNT);
        return pt_fail(err, PT_INVALID, "%s:%u: no section is called '%s'%s%s%s", path,
                       section->line, section->key, nearest ? "; did you mean '" : "",
                       nearest ? nearest : "", nearest ? "'?" : "");
    }
    if (pt_yaml_is_null(section)) {
        return PT_OK;
    }
    if (section->kind != PT_YAML_MAP) {
        return pt_fail(err, PT_INVALID, "%s:%u: section '%s' must hold settings, such as %s: %s",
                       path, section->line, section->key, "threads", "2");
    }
    for (const struct pt_yaml *node = section->child; node; node = node->next) {
        enum pt_code code = load_setting(draft, section, node, path, err);

        if (code) {
            return code;
        }
    }
    return PT_OK;
}

enum pt_code pt_config_load_file(struct pt_config *config, struct pt_io *io, const char *path,
                                 struct pt_error *err)
{
    struct draft draft = {0};
    struct pt_arena arena;
    const struct pt_yaml *root = NULL;
    uint8_t *data = NULL;
    size_t size = 0;
    enum pt_code code = PT_OK;

    pt_arena_init(&arena, 64 * (size_t)PT_YAML_BYTES_MAX);
    code = pt_io_read_all(io, path, PT_YAML_BYTES_MAX, 1, &data, &size, err);
    if (code) {
        goto out;
    }
    code = pt_yaml_parse(&arena, pt_span_of(data, size), path, &root, err);
    if (code) {
        goto out;
    }
    if (root && root->kind != PT_YAML_MAP) {
        code = pt_fail(err, PT_INVALID, "%s:%u: %s stands where sections belong", path, root->line,
                       pt_yaml_kind_name(root->kind));
        goto out;
    }
    for (const struct pt_yaml *section = root ? root->child : NULL; section;
         section = section->next) {
        code = load_section(&draft, section, path, err);
        if (code) {
            goto out;
        }
    }
    draft_take(config, &draft);

out:
    draft_release(&draft);
    pt_arena_release(&arena);
    pt_free(data);
    return code;
}

/* ---- the environment ---- */

/* "PLAYTRACE_SERVER_BODY_BYTES_MAX" of "server.body_bytes_max". */
static void environment_name(const char *name, char out[WHERE_BYTES])
{
    size_t size = sizeof(ENVIRONMENT_PREFIX) - 1;

    memcpy(out, ENVIRONMENT_PREFIX, size);
    for (; *name && size < WHERE_BYTES - 1; name++) {
        out[size++] = *name == '.' ? '_' : (char)toupper((unsigned char)*name);
    }
    out[size] = '\0';
}

static enum pt_code unknown_variable(const char *name, struct pt_error *err)
{
    char names[PT_CONFIG_COUNT][WHERE_BYTES];
    const char *candidates[PT_CONFIG_COUNT];
    const char *nearest = NULL;

    for (size_t i = 0; i < PT_CONFIG_COUNT; i++) {
        environment_name(settings[i].name, names[i]);
        candidates[i] = names[i];
    }
    nearest = pt_nearest_name(name, candidates, PT_CONFIG_COUNT);
    if (nearest) {
        return pt_fail(err, PT_INVALID,
                       "environment: %s is no setting of playtrace; did you mean %s?", name,
                       nearest);
    }
    return pt_fail(err, PT_INVALID, "environment: %s is no setting of playtrace", name);
}

static enum pt_code load_variable(struct draft *draft, const char *variable, struct pt_error *err)
{
    char name[WHERE_BYTES];
    const char *equals = strchr(variable, '=');
    size_t size = equals ? (size_t)(equals - variable) : 0;

    /* PLAYTRACE_DATA names the data directory, which is no setting. */
    if (!equals || strncmp(variable, ENVIRONMENT_PREFIX, sizeof(ENVIRONMENT_PREFIX) - 1) != 0 ||
        strncmp(variable, "PLAYTRACE_DATA=", strlen("PLAYTRACE_DATA=")) == 0) {
        return PT_OK;
    }
    for (size_t i = 0; i < PT_CONFIG_COUNT; i++) {
        environment_name(settings[i].name, name);
        if (strlen(name) == size && memcmp(name, variable, size) == 0) {
            return draft_set(draft, i, equals + 1, name, err);
        }
    }
    snprintf(name, sizeof(name), "%.*s", size < 100 ? (int)size : 100, variable);
    return unknown_variable(name, err);
}

enum pt_code pt_config_load_environment(struct pt_config *config, char *const *environ_list,
                                        struct pt_error *err)
{
    struct draft draft = {0};

    for (; *environ_list; environ_list++) {
        enum pt_code code = load_variable(&draft, *environ_list, err);

        if (code) {
            draft_release(&draft);
            return code;
        }
    }
    draft_take(config, &draft);
    return PT_OK;
}

enum pt_code pt_config_set(struct pt_config *config, const char *name, const char *value,
                           const char *where, struct pt_error *err)
{
    struct draft draft = {0};
    size_t key = find_setting(name);
    enum pt_code code = PT_OK;

    if (key == PT_CONFIG_COUNT) {
        return unknown_setting(name, where, err);
    }
    code = draft_set(&draft, key, value, where, err);
    if (code) {
        draft_release(&draft);
        return code;
    }
    draft_take(config, &draft);
    return PT_OK;
}

/* ---- asking ---- */

static const struct value *value_of(const struct pt_config *config, enum pt_config_key key,
                                    enum kind kind)
{
    pt_assert((size_t)key < PT_CONFIG_COUNT && settings[key].kind == kind);
    return &config->values[key];
}

int64_t pt_config_int(const struct pt_config *config, enum pt_config_key key)
{
    return value_of(config, key, KIND_INT)->integer;
}

const char *pt_config_string(const struct pt_config *config, enum pt_config_key key)
{
    return value_of(config, key, KIND_STRING)->text;
}

size_t pt_config_list_count(const struct pt_config *config, enum pt_config_key key)
{
    return value_of(config, key, KIND_LIST)->item_count;
}

const char *pt_config_list_item(const struct pt_config *config, enum pt_config_key key,
                                size_t index)
{
    const struct value *value = value_of(config, key, KIND_LIST);

    pt_assert(index < value->item_count);
    return value->items[index];
}

/* ---- the reference page ---- */

static void append_row(const struct setting *setting, struct pt_buf *out)
{
    const char *key = strchr(setting->name, '.') + 1;
    char variable[WHERE_BYTES];

    environment_name(setting->name, variable);
    pt_buf_appendf(out, "| `%s` | ", key);
    if (setting->default_text[0]) {
        pt_buf_appendf(out, "`%s`", setting->default_text);
    } else {
        pt_buf_append_str(out, "none");
    }
    switch (setting->kind) {
    case KIND_INT:
        pt_buf_appendf(out, " | %" PRId64 " to %" PRId64, setting->min, setting->max);
        break;
    case KIND_LIST:
        pt_buf_append_str(out, " | a list");
        break;
    case KIND_STRING:
        pt_buf_append_str(out, " | text");
        break;
    }
    pt_buf_appendf(out, " | %s | `%s` |\n", setting->help, variable);
}

void pt_config_reference(struct pt_buf *out)
{
    const char *section = "";

    pt_buf_append_str(
        out,
        "# Settings\n"
        "\n"
        "<!-- Written by `playtrace config reference` from the table in src/base/config.h. -->\n"
        "\n"
        "Every setting has a default, and with no file at all `playtrace serve` works. A setting\n"
        "comes from its default, then the YAML file (`--config FILE`), then the environment, then\n"
        "the command line; the later wins. A mistake stops the program with file, line and key, "
        "and\n"
        "an unknown key is a mistake.\n"
        "\n"
        "```yaml\n"
        "server:\n"
        "  listen: 127.0.0.1:8080\n"
        "collect:\n"
        "  keys: [game-1-key, game-2-key]\n"
        "```\n"
        "\n"
        "In the environment a list is written with commas: `PLAYTRACE_COLLECT_KEYS=one,two`.\n"
        "`PLAYTRACE_DATA` is not a setting: it names the data directory where `--data` is not "
        "given.\n");
    for (size_t i = 0; i < PT_CONFIG_COUNT; i++) {
        if (strcmp(section, settings[i].section) != 0) {
            section = settings[i].section;
            pt_buf_appendf(out,
                           "\n## %s\n\n| setting | default | values | what it is | environment |\n"
                           "| --- | --- | --- | --- | --- |\n",
                           section);
        }
        append_row(&settings[i], out);
    }
}
