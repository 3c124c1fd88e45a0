/*
 * codegen_c.c - C99: static inline functions over playtrace_track()
 *
 * What generated headers share (a bounded writer of JSON on the stack) stands in each of them
 * behind one guard, so that a header needs nothing but playtrace.h.
 */
#include "schema/codegen_model.h"

static const char shared_part[] =
    "#ifndef PLAYTRACE_EVENT_WRITER\n"
    "#define PLAYTRACE_EVENT_WRITER\n"
    "\n"
    "#ifndef PLAYTRACE_EVENT_ATTRIBUTES_BYTES\n"
    "#define PLAYTRACE_EVENT_ATTRIBUTES_BYTES 8192 /* on the stack; define it otherwise where more "
    "is needed */\n"
    "#endif\n"
    "\n"
    "struct playtrace_event_writer {\n"
    "    char text[PLAYTRACE_EVENT_ATTRIBUTES_BYTES];\n"
    "    size_t size;\n"
    "    bool has_failed; /* no room, or a number that JSON has not */\n"
    "    bool has_member;\n"
    "};\n"
    "\n"
    "static inline void playtrace_event_put(struct playtrace_event_writer *writer, const char "
    "*text,\n"
    "                                       size_t size)\n"
    "{\n"
    "    if (writer->has_failed || size >= sizeof(writer->text) - writer->size) {\n"
    "        writer->has_failed = true;\n"
    "        return;\n"
    "    }\n"
    "    memcpy(writer->text + writer->size, text, size);\n"
    "    writer->size += size;\n"
    "}\n"
    "\n"
    "static inline void playtrace_event_key(struct playtrace_event_writer *writer, const char "
    "*key)\n"
    "{\n"
    "    playtrace_event_put(writer, writer->has_member ? \",\" : \"{\", 1);\n"
    "    writer->has_member = true;\n"
    "    playtrace_event_put(writer, key, strlen(key));\n"
    "}\n"
    "\n"
    "static inline void playtrace_event_string(struct playtrace_event_writer *writer, const char "
    "*text)\n"
    "{\n"
    "    static const char digits[] = \"0123456789abcdef\";\n"
    "\n"
    "    playtrace_event_put(writer, \"\\\"\", 1);\n"
    "    for (; *text; text++) {\n"
    "        unsigned char c = (unsigned char)*text;\n"
    "        char escaped[6] = {'\\\\', 'u', '0', '0', '0', '0'};\n"
    "\n"
    "        if (c == '\"' || c == '\\\\') {\n"
    "            escaped[1] = (char)c;\n"
    "            playtrace_event_put(writer, escaped, 2);\n"
    "        } else if (c < 0x20) {\n"
    "            escaped[4] = digits[c >> 4];\n"
    "            escaped[5] = digits[c & 15];\n"
    "            playtrace_event_put(writer, escaped, 6);\n"
    "        } else {\n"
    "            playtrace_event_put(writer, text, 1);\n"
    "        }\n"
    "    }\n"
    "    playtrace_event_put(writer, \"\\\"\", 1);\n"
    "}\n"
    "\n"
    "static inline void playtrace_event_integer(struct playtrace_event_writer *writer, int64_t "
    "value)\n"
    "{\n"
    "    char text[32];\n"
    "    int size = snprintf(text, sizeof(text), \"%lld\", (long long)value);\n"
    "\n"
    "    playtrace_event_put(writer, text, (size_t)size);\n"
    "}\n"
    "\n"
    "static inline void playtrace_event_number(struct playtrace_event_writer *writer, double "
    "value)\n"
    "{\n"
    "    char text[40];\n"
    "    int size = snprintf(text, sizeof(text), \"%.17g\", value);\n"
    "\n"
    "    if (!(value - value == 0)) { /* not a number, or without end */\n"
    "        writer->has_failed = true;\n"
    "        return;\n"
    "    }\n"
    "    for (int i = 0; i < size; i++) {\n"
    "        if (text[i] == ',') {\n"
    "            text[i] = '.'; /* some places write it so */\n"
    "        }\n"
    "    }\n"
    "    playtrace_event_put(writer, text, (size_t)size);\n"
    "}\n"
    "\n"
    "static inline void playtrace_event_bool(struct playtrace_event_writer *writer, bool value)\n"
    "{\n"
    "    playtrace_event_put(writer, value ? \"true\" : \"false\", value ? 4 : 5);\n"
    "}\n"
    "\n"
    "static inline void playtrace_event_json(struct playtrace_event_writer *writer, const char "
    "*json)\n"
    "{\n"
    "    playtrace_event_put(writer, json, strlen(json));\n"
    "}\n"
    "\n"
    "static inline enum playtrace_status playtrace_event_send(struct playtrace_event_writer "
    "*writer,\n"
    "                                                         struct playtrace *p, const char "
    "*name)\n"
    "{\n"
    "    if (!writer->has_member) {\n"
    "        playtrace_event_put(writer, \"{\", 1);\n"
    "    }\n"
    "    playtrace_event_put(writer, \"}\", 1);\n"
    "    if (writer->has_failed) {\n"
    "        return PLAYTRACE_INVALID;\n"
    "    }\n"
    "    writer->text[writer->size] = '\\0';\n"
    "    return playtrace_track(p, name, writer->text);\n"
    "}\n"
    "\n"
    "#endif\n"
    "\n";

static bool is_pointer(const struct codegen_property *property)
{
    return property->type == CODEGEN_STRING || property->type == CODEGEN_JSON;
}

static const char *type_name(const struct codegen_property *property)
{
    switch (property->type) {
    case CODEGEN_STRING:
    case CODEGEN_JSON:
        return "const char *";
    case CODEGEN_INTEGER:
        return "int64_t ";
    case CODEGEN_NUMBER:
        return "double ";
    case CODEGEN_BOOL:
        break;
    }
    return "bool ";
}

static const char *writer_name(const struct codegen_property *property)
{
    static const char *const names[] = {
        [CODEGEN_STRING] = "string", [CODEGEN_INTEGER] = "integer", [CODEGEN_NUMBER] = "number",
        [CODEGEN_BOOL] = "bool",     [CODEGEN_JSON] = "json",
    };

    return names[property->type];
}

/* A required value that may be null is a pointer to it. */
static bool is_by_pointer(const struct codegen_property *property)
{
    return property->is_nullable && !is_pointer(property);
}

static bool has_optional(const struct codegen_model *model)
{
    for (uint32_t i = 0; i < model->count; i++) {
        if (!model->properties[i].is_required) {
            return true;
        }
    }
    return false;
}

static void write_comment(struct pt_buf *out, const struct codegen_property *property,
                          const char *more)
{
    bool has_text = *property->comment != '\0';
    bool is_json = property->type == CODEGEN_JSON;

    if (has_text || *more || is_json) {
        pt_buf_appendf(out, " /* %s%s%s%s%s */", property->comment,
                       has_text && (is_json || *more) ? "; " : "", is_json ? "JSON" : "",
                       is_json && *more ? "; " : "", more);
    }
}

static void write_options(const struct codegen_model *model, struct pt_buf *out)
{
    pt_buf_appendf(out,
                   "/* What may be left out. Start from {0}: nothing of it. */\n"
                   "struct playtrace_%s_options {\n",
                   model->plain);
    for (uint32_t i = 0; i < model->count; i++) {
        const struct codegen_property *property = &model->properties[i];

        if (property->is_required) {
            continue;
        }
        if (is_pointer(property)) {
            pt_buf_appendf(out, "    const char *%s;", property->name);
            write_comment(out, property, "NULL: left out");
        } else {
            pt_buf_appendf(out, "    const %s*%s;", type_name(property), property->name);
            write_comment(out, property, "NULL: left out");
        }
        pt_buf_append_byte(out, '\n');
    }
    pt_buf_append_str(out, "};\n\n");
}

static void write_member(struct pt_buf *out, const struct codegen_property *property)
{
    const char *from = property->is_required ? "" : "options->";
    bool is_deref = !is_pointer(property) && (!property->is_required || property->is_nullable);
    bool is_tested = !property->is_required || property->is_nullable;
    const char *indent = "    ";

    if (!property->is_required) {
        pt_buf_appendf(out, "    if (options && options->%s) {\n", property->name);
        indent = "        ";
    }
    pt_buf_appendf(out, "%splaytrace_event_key(&writer, ", indent);
    codegen_literal(out, PT_CODEGEN_C, property->key);
    pt_buf_append_str(out, ");\n");
    if (property->is_required && is_tested) {
        pt_buf_appendf(out,
                       "    if (%s) {\n"
                       "        playtrace_event_%s(&writer, %s%s);\n"
                       "    } else {\n"
                       "        playtrace_event_json(&writer, \"null\");\n"
                       "    }\n",
                       property->name, writer_name(property), is_deref ? "*" : "", property->name);
        return;
    }
    pt_buf_appendf(out, "%splaytrace_event_%s(&writer, %s%s%s);\n", indent, writer_name(property),
                   is_deref ? "*" : "", from, property->name);
    if (!property->is_required) {
        pt_buf_append_str(out, "    }\n");
    }
}

static void write_function(const struct codegen_model *model, struct pt_buf *out)
{
    pt_buf_append_str(out, "/*\n");
    if (*model->comment) {
        pt_buf_appendf(out, " * %s\n *\n", model->comment);
    }
    pt_buf_append_str(
        out,
        " * As playtrace_track(); PLAYTRACE_INVALID also where a text is NULL that may not be,\n"
        " * a number is not finite, or all of it has no room.\n");
    for (uint32_t i = 0; i < model->count; i++) {
        const struct codegen_property *property = &model->properties[i];

        if (property->is_required) {
            pt_buf_appendf(out, " * %s:%s%s%s%s\n", property->name, *property->comment ? " " : "",
                           property->comment, property->type == CODEGEN_JSON ? " (JSON)" : "",
                           property->is_nullable ? " (NULL: null)" : "");
        }
    }
    pt_buf_appendf(
        out, " */\nstatic inline enum playtrace_status playtrace_track_%s(struct playtrace *p",
        model->plain);
    for (uint32_t i = 0; i < model->count; i++) {
        const struct codegen_property *property = &model->properties[i];

        if (property->is_required) {
            pt_buf_appendf(out, ",\n    %s%s%s%s", is_by_pointer(property) ? "const " : "",
                           type_name(property), is_by_pointer(property) ? "*" : "", property->name);
        }
    }
    if (has_optional(model)) {
        pt_buf_appendf(out, ",\n    const struct playtrace_%s_options *options", model->plain);
    }
    pt_buf_append_str(out, ")\n{\n    struct playtrace_event_writer writer;\n\n"
                           "    writer.size = 0;\n"
                           "    writer.has_failed = false;\n"
                           "    writer.has_member = false;\n");
    for (uint32_t i = 0; i < model->count; i++) {
        const struct codegen_property *property = &model->properties[i];

        if (property->is_required && is_pointer(property) && !property->is_nullable) {
            pt_buf_appendf(out, "    if (!%s) {\n        return PLAYTRACE_INVALID;\n    }\n",
                           property->name);
        }
    }
    for (uint32_t i = 0; i < model->count; i++) {
        write_member(out, &model->properties[i]);
    }
    pt_buf_append_str(out, "    return playtrace_event_send(&writer, p, ");
    codegen_literal(out, PT_CODEGEN_C, model->event_name);
    pt_buf_append_str(out, ");\n}\n");
}

void codegen_c(const struct codegen_model *model, struct pt_buf *out)
{
    pt_buf_appendf(
        out,
        "/*\n * The event \"%s\". Generated by `playtrace schema codegen` from its schema: "
        "do not edit.\n */\n"
        "#ifndef PLAYTRACE_EVENT_HEADER_%s\n"
        "#define PLAYTRACE_EVENT_HEADER_%s\n\n"
        "#include \"playtrace.h\"\n\n"
        "#include <stdbool.h>\n#include <stddef.h>\n#include <stdint.h>\n#include <stdio.h>\n"
        "#include <string.h>\n\n",
        model->event_name, model->plain, model->plain);
    pt_buf_append_str(out, shared_part);
    if (has_optional(model)) {
        write_options(model, out);
    }
    write_function(model, out);
    pt_buf_append_str(out, "\n#endif\n");
}
