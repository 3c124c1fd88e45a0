/*
 * codegen.c - from an event's schema to a model of its attributes
 *
 * allOf and $ref are followed as the compatibility checker follows them: what applies to every
 * value is read.
 */
#include "schema/codegen_model.h"

#include "schema/compat_node.h"
#include "schema/format.h"

#include <ctype.h>
#include <stdio.h>

#define ARENA_BYTES_MAX (16u << 20)
#define COMMENT_BYTES_MAX 200

static const char *const language_names[] = {
    [PT_CODEGEN_C] = "c",
    [PT_CODEGEN_CPP] = "cpp",
    [PT_CODEGEN_CSHARP] = "csharp",
};

bool pt_codegen_language_parse(const char *name, enum pt_codegen_language *language_out)
{
    for (size_t i = 0; i < sizeof(language_names) / sizeof(language_names[0]); i++) {
        if (strcmp(name, language_names[i]) == 0) {
            *language_out = (enum pt_codegen_language)i;
            return true;
        }
    }
    return false;
}

/* ---- names ---------------------------------------------------------------------- */

/* Of C, C++ and C# together, and what the generated code itself uses. */
static const char *const reserved[] = {
    "abstract",
    "alignas",
    "alignof",
    "and",
    "and_eq",
    "as",
    "asm",
    "atomic",
    "auto",
    "base",
    "bitand",
    "bitor",
    "bool",
    "break",
    "byte",
    "case",
    "catch",
    "char",
    "checked",
    "class",
    "compl",
    "concept",
    "const",
    "const_cast",
    "consteval",
    "constexpr",
    "constinit",
    "continue",
    "co_await",
    "co_return",
    "co_yield",
    "decimal",
    "decltype",
    "default",
    "delegate",
    "delete",
    "do",
    "double",
    "dynamic_cast",
    "else",
    "enum",
    "errno",
    "event",
    "explicit",
    "export",
    "extern",
    "false",
    "final",
    "finally",
    "fixed",
    "float",
    "for",
    "foreach",
    "friend",
    "goto",
    "if",
    "implicit",
    "in",
    "inline",
    "int",
    "interface",
    "internal",
    "is",
    "linux",
    "lock",
    "long",
    "mutable",
    "namespace",
    "new",
    "noexcept",
    "not",
    "not_eq",
    "null",
    "nullptr",
    "object",
    "operator",
    "optional",
    "or",
    "or_eq",
    "out",
    "override",
    "p",
    "params",
    "private",
    "protected",
    "public",
    "readonly",
    "ref",
    "register",
    "reinterpret_cast",
    "requires",
    "restrict",
    "return",
    "sbyte",
    "sealed",
    "short",
    "signed",
    "sizeof",
    "stackalloc",
    "static",
    "static_assert",
    "static_cast",
    "std",
    "stderr",
    "stdin",
    "stdout",
    "string",
    "struct",
    "switch",
    "template",
    "this",
    "thread_local",
    "throw",
    "to_json",
    "track",
    "true",
    "try",
    "typedef",
    "typeid",
    "typename",
    "typeof",
    "uint",
    "ulong",
    "unchecked",
    "union",
    "unix",
    "unsafe",
    "unsigned",
    "ushort",
    "using",
    "virtual",
    "void",
    "volatile",
    "wchar_t",
    "while",
    "writer",
    "xor",
    "xor_eq",
    "EOF",
    "NULL",
    "INFINITY",
    "NAN",
    "attributes",
    "name",
    "json",
    "builder",
    "options",
    "detail",
    "event_name",
    "sdk_track",
    "sdkTrack",
    "eventName",
};

static bool is_reserved(const char *name)
{
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        if (strcmp(name, reserved[i]) == 0) {
            return true;
        }
    }
    return false;
}

/*
 * Letters and digits of ASCII, words joined by '_'. A capital after a small letter begins a word,
 * all becomes small: so that no name meets a macro or a type, and "itemId" and "item-id" read
 * alike.
 */
static void plain_name(struct pt_span text, char out[CODEGEN_NAME_BYTES])
{
    size_t size = 0;
    bool was_small = false;

    for (size_t i = 0; i < text.size && size + 8 < 64; i++) {
        int c = text.data[i];
        bool is_word = c < 0x80 && isalnum(c);

        if (is_word && isupper(c) && was_small) {
            out[size++] = '_';
        }
        if (is_word) {
            out[size++] = (char)tolower(c);
        } else if (size > 0 && out[size - 1] != '_') {
            out[size++] = '_';
        }
        was_small = is_word && (islower(c) || isdigit(c));
    }
    while (size > 0 && out[size - 1] == '_') {
        size--;
    }
    out[size] = '\0';
    if (size == 0 || isdigit((unsigned char)out[0])) {
        memmove(out + 2, out, size + 1);
        memcpy(out, "a_", 2);
        out[size + 2] = '\0';
        if (size == 0) {
            memcpy(out, "attribute", 10);
        }
    }
}

static void camel_name(char name[CODEGEN_NAME_BYTES], bool is_pascal)
{
    size_t size = 0;
    bool is_start = is_pascal;

    for (size_t i = 0; name[i]; i++) {
        if (name[i] == '_') {
            is_start = size > 0 || is_pascal;
            continue;
        }
        name[size++] = is_start ? (char)toupper((unsigned char)name[i]) : name[i];
        is_start = false;
    }
    name[size] = '\0';
}

static bool is_taken(const struct codegen_model *model, const char *name)
{
    for (uint32_t i = 0; i < model->count; i++) {
        if (strcmp(model->properties[i].name, name) == 0) {
            return true;
        }
    }
    return is_reserved(name);
}

static void choose_name(const struct codegen_model *model, enum pt_codegen_language language,
                        struct pt_span key, char out[CODEGEN_NAME_BYTES])
{
    char base[CODEGEN_NAME_BYTES];

    plain_name(key, base);
    if (language == PT_CODEGEN_CSHARP) {
        camel_name(base, false);
    }
    memcpy(out, base, CODEGEN_NAME_BYTES);
    for (uint32_t n = 2; is_taken(model, out); n++) {
        snprintf(out, CODEGEN_NAME_BYTES, "%.60s_%u", base, n);
    }
}

/* ---- texts ------------------------------------------------------------------------ */

void codegen_literal(struct pt_buf *out, enum pt_codegen_language language, const char *text)
{
    struct pt_span span = pt_span_str(text);
    size_t at = 0;

    pt_buf_append_byte(out, '"');
    while (at < span.size) {
        uint8_t c = span.data[at];

        if (c == '"' || c == '\\') {
            pt_buf_appendf(out, "\\%c", c);
            at++;
        } else if (c >= 0x20 && c < 0x7f && c != '?') {
            pt_buf_append_byte(out, c);
            at++;
        } else if (language == PT_CODEGEN_CSHARP) {
            uint32_t point = pt_utf8_next(span, &at);

            pt_buf_appendf(out, point > 0xffff ? "\\U%08x" : "\\u%04x", point);
        } else {
            /* Three digits, so that none that follows is taken for a part; '?' begins no trigraph.
             */
            pt_buf_appendf(out, "\\%03o", c);
            at++;
        }
    }
    pt_buf_append_byte(out, '"');
}

/* One line of printable ASCII in which no comment ends. */
static char *comment_text(struct pt_arena *arena, struct pt_span text)
{
    char line[COMMENT_BYTES_MAX + 4];
    size_t size = 0;

    for (size_t i = 0; i < text.size && size < COMMENT_BYTES_MAX; i++) {
        uint8_t c = text.data[i];

        if (c >= 0x80) {
            continue;
        }
        if (c < 0x20 || c == 0x7f || c == '\\' || c == '?' || c == '<' || c == '>' || c == '&') {
            c = c == '?' ? '.' : ' ';
        }
        if (c == '/' && size > 0 && (line[size - 1] == '*' || line[size - 1] == '/')) {
            c = ' ';
        }
        if (c == '*' && size > 0 && line[size - 1] == '/') {
            c = ' ';
        }
        line[size++] = (char)c;
    }
    while (size > 0 && line[size - 1] == ' ') {
        size--;
    }
    return pt_arena_strdup(arena, pt_span_of(line, size));
}

static char *json_key(struct pt_arena *arena, struct pt_span key)
{
    struct pt_buf text;
    struct pt_jsonw w;
    char *copy = NULL;

    pt_buf_init(&text, 1u << 20);
    pt_jsonw_init(&w, &text);
    pt_jsonw_string(&w, key);
    pt_buf_append_byte(&text, ':');
    copy = text.has_failed ? NULL : pt_arena_strdup(arena, pt_buf_span(&text));
    pt_buf_release(&text);
    return copy;
}

/* ---- the model ---------------------------------------------------------------------- */

static enum codegen_type type_of(uint8_t types)
{
    switch (types & (uint8_t)~COMPAT_NULL) {
    case COMPAT_STRING:
        return CODEGEN_STRING;
    case COMPAT_INTEGER:
        return CODEGEN_INTEGER;
    case COMPAT_INTEGER | COMPAT_FRACTION:
    case COMPAT_FRACTION:
        return CODEGEN_NUMBER;
    case COMPAT_BOOL:
        return CODEGEN_BOOL;
    default:
        return CODEGEN_JSON;
    }
}

/* What the listed values are, where there is a list. */
static uint8_t types_of(struct compat_checker *ck, const struct compat_set *member)
{
    struct pt_json *values = NULL;
    uint32_t count = 0;
    uint8_t types = 0;

    if (!compat_set_values(ck, member, &values, &count)) {
        return member->types;
    }
    for (uint32_t i = 0; i < count; i++) {
        switch (pt_json_type(values[i])) {
        case PT_JSON_NULL:
            types |= COMPAT_NULL;
            break;
        case PT_JSON_BOOL:
            types |= COMPAT_BOOL;
            break;
        case PT_JSON_INT:
            types |= COMPAT_INTEGER;
            break;
        case PT_JSON_UINT:
        case PT_JSON_DOUBLE:
            types |= COMPAT_INTEGER | COMPAT_FRACTION;
            break;
        case PT_JSON_STRING:
            types |= COMPAT_STRING;
            break;
        case PT_JSON_ARRAY:
            types |= COMPAT_ARRAY;
            break;
        case PT_JSON_OBJECT:
            types |= COMPAT_OBJECT;
            break;
        }
    }
    return types;
}

static char *describe(struct compat_checker *ck, struct codegen_model *model,
                      const struct compat_set *set)
{
    for (uint32_t i = 0; i < set->count; i++) {
        struct pt_json text = compat_find(ck, set->items[i].node.value, pt_span_str("description"));

        if (!pt_json_exists(text)) {
            text = compat_find(ck, set->items[i].node.value, pt_span_str("title"));
        }
        if (pt_json_exists(text) && pt_json_type(text) == PT_JSON_STRING) {
            return comment_text(&model->arena, pt_json_string(text));
        }
    }
    return pt_arena_strdup(&model->arena, pt_span_str(""));
}

static enum pt_code add_property(struct compat_checker *ck, struct codegen_model *model,
                                 const struct compat_set *root, struct pt_span key,
                                 enum pt_codegen_language language, struct pt_error *err)
{
    struct codegen_property *property = &model->properties[model->count];
    struct compat_set member;
    uint8_t types = 0;

    compat_set_member(ck, root, key, &member);
    if (compat_set_is_empty(ck, &member)) {
        return PT_OK; /* the name is there to be refused */
    }
    if (model->count == PT_CODEGEN_PROPERTIES_MAX) {
        return pt_fail(err, PT_TOO_BIG, "the schema has more than %d properties",
                       PT_CODEGEN_PROPERTIES_MAX);
    }
    types = types_of(ck, &member);
    *property = (struct codegen_property){
        .type = type_of(types),
        .is_required = compat_set_requires(ck, root, key),
        .is_nullable = types & COMPAT_NULL,
        .key = json_key(&model->arena, key),
        .comment = describe(ck, model, &member),
    };
    choose_name(model, language, key, property->name);
    if (!property->key || !property->comment) {
        return pt_fail(err, PT_NO_MEMORY, "generate code");
    }
    model->count++;
    return PT_OK;
}

static bool is_seen(struct compat_checker *ck, const struct compat_set *root, uint32_t before,
                    struct pt_span key)
{
    for (uint32_t i = 0; i < before; i++) {
        struct pt_json map = compat_keyword(ck, &root->items[i].node, "properties");

        if (pt_json_exists(map) && pt_json_exists(compat_find(ck, map, key))) {
            return true;
        }
    }
    return false;
}

static enum pt_code add_properties(struct compat_checker *ck, struct codegen_model *model,
                                   const struct compat_set *root, enum pt_codegen_language language,
                                   struct pt_error *err)
{
    for (uint32_t i = 0; i < root->count; i++) {
        struct pt_json map = compat_keyword(ck, &root->items[i].node, "properties");
        struct pt_json_iter it;

        if (!pt_json_exists(map) || pt_json_type(map) != PT_JSON_OBJECT) {
            continue;
        }
        it = pt_json_iterate(map);
        while (pt_json_next(&it)) {
            enum pt_code code = PT_OK;

            if (!is_seen(ck, root, i, it.key)) {
                code = add_property(ck, model, root, it.key, language, err);
            }
            if (code) {
                return code;
            }
        }
    }
    return PT_OK;
}

static bool is_event_name(const char *name)
{
    size_t size = strlen(name);

    for (size_t i = 0; i < size; i++) {
        int c = (unsigned char)name[i];

        if (c >= 0x80 || !(isalnum(c) || (i > 0 && (c == '_' || c == '.'))) ||
            (i == 0 && isdigit(c))) {
            return false;
        }
    }
    return size > 0 && size <= 64;
}

static enum pt_code build(struct compat_checker *ck, struct codegen_model *model,
                          struct pt_span schema_json, enum pt_codegen_language language,
                          struct pt_error *err)
{
    struct compat_node node;
    struct compat_set root;
    uint32_t index = 0;
    enum pt_code code = compat_document_add(ck, schema_json, "", 0, &index, err);

    if (code) {
        return code;
    }
    node = compat_root(ck, index);
    compat_set_init(&root, node);
    compat_set_add(ck, &root, node);
    if (!(root.types & COMPAT_OBJECT) || root.is_false) {
        return pt_fail(err, PT_INVALID,
                       "the schema takes no object; an event's schema describes its attributes");
    }
    plain_name(pt_span_str(model->event_name), model->plain);
    if (strcmp(model->plain, "id") == 0) {
        memcpy(model->plain, "id_event", 9); /* playtrace_track_id() is there */
    }
    memcpy(model->pascal, model->plain, sizeof(model->pascal));
    camel_name(model->pascal, true);
    model->comment = describe(ck, model, &root);
    model->properties =
        pt_arena_alloc(&model->arena, (PT_CODEGEN_PROPERTIES_MAX + 1) * sizeof(*model->properties));
    if (!model->comment || !model->properties) {
        return pt_fail(err, PT_NO_MEMORY, "generate code");
    }
    code = add_properties(ck, model, &root, language, err);
    if (!code && ck->is_too_complex) {
        code = pt_fail(err, ck->is_out_of_memory ? PT_NO_MEMORY : PT_TOO_BIG,
                       "the schema asks for more work than is done for one");
    }
    return code;
}

enum pt_code pt_codegen(struct pt_span schema_json, const char *event_name,
                        enum pt_codegen_language language, struct pt_buf *out, struct pt_error *err)
{
    static const struct pt_compat_document nothing;
    struct codegen_model model = {.event_name = event_name};
    struct compat_checker *ck = NULL;
    enum pt_code code = PT_OK;

    if (!is_event_name(event_name)) {
        return pt_fail(
            err, PT_INVALID,
            "\"%.80s\" is no event name: a letter, then letters, digits, _ and ., 64 bytes "
            "at most",
            event_name);
    }
    ck = compat_checker_create();
    if (!ck) {
        return pt_fail(err, PT_NO_MEMORY, "generate code");
    }
    ck->sources[0] = &nothing;
    ck->sources[1] = &nothing;
    pt_arena_init(&model.arena, ARENA_BYTES_MAX);
    code = build(ck, &model, schema_json, language, err);
    if (code) {
        goto out;
    }
    switch (language) {
    case PT_CODEGEN_C:
        codegen_c(&model, out);
        break;
    case PT_CODEGEN_CPP:
        codegen_cpp(&model, out);
        break;
    case PT_CODEGEN_CSHARP:
        codegen_csharp(&model, out);
        break;
    }
    if (out->has_failed) {
        code = pt_fail(err, PT_NO_MEMORY, "generate code");
    }

out:
    compat_checker_destroy(ck);
    pt_arena_release(&model.arena);
    return code;
}
