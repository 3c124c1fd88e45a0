/*
 * codegen_cpp.c - C++17: one struct an event, required values in its constructor
 */
#include "schema/codegen_model.h"

static const char shared_part[] =
    "#ifndef PLAYTRACE_EVENT_WRITER_CPP\n"
    "#define PLAYTRACE_EVENT_WRITER_CPP\n"
    "\n"
    "namespace playtrace_events {\n"
    "\n"
    "// JSON text, put in as it stands.\n"
    "struct Json {\n"
    "    std::string text;\n"
    "};\n"
    "\n"
    "namespace detail {\n"
    "\n"
    "class Writer {\n"
    "  public:\n"
    "    void key(const char *text)\n"
    "    {\n"
    "        out_ += out_.empty() ? '{' : ',';\n"
    "        out_ += text;\n"
    "    }\n"
    "    void put(const std::string &text)\n"
    "    {\n"
    "        static const char digits[] = \"0123456789abcdef\";\n"
    "\n"
    "        out_ += '\"';\n"
    "        for (char at : text) {\n"
    "            const unsigned char c = static_cast<unsigned char>(at);\n"
    "\n"
    "            if (c == '\"' || c == '\\\\') {\n"
    "                out_ += '\\\\';\n"
    "                out_ += at;\n"
    "            } else if (c < 0x20) {\n"
    "                out_ += \"\\\\u00\";\n"
    "                out_ += digits[c >> 4];\n"
    "                out_ += digits[c & 15];\n"
    "            } else {\n"
    "                out_ += at;\n"
    "            }\n"
    "        }\n"
    "        out_ += '\"';\n"
    "    }\n"
    "    void put(std::int64_t value) { out_ += std::to_string(value); }\n"
    "    void put(double value)\n"
    "    {\n"
    "        char text[40];\n"
    "        const int size = std::snprintf(text, sizeof(text), \"%.17g\", value);\n"
    "\n"
    "        is_sound_ = is_sound_ && std::isfinite(value);\n"
    "        for (int i = 0; i < size; i++) {\n"
    "            out_ += text[i] == ',' ? '.' : text[i]; // some places write it so\n"
    "        }\n"
    "    }\n"
    "    void put(bool value) { out_ += value ? \"true\" : \"false\"; }\n"
    "    void put(const Json &value) { out_ += value.text; }\n"
    "    template <typename T> void put(const std::optional<T> &value)\n"
    "    {\n"
    "        if (value) {\n"
    "            put(*value);\n"
    "        } else {\n"
    "            out_ += \"null\";\n"
    "        }\n"
    "    }\n"
    "    // An empty text: a number was not finite.\n"
    "    std::string take()\n"
    "    {\n"
    "        return !is_sound_ ? std::string() : out_.empty() ? std::string(\"{}\") : out_ + '}';\n"
    "    }\n"
    "\n"
    "  private:\n"
    "    std::string out_;\n"
    "    bool is_sound_ = true;\n"
    "};\n"
    "\n"
    "} // namespace detail\n"
    "} // namespace playtrace_events\n"
    "\n"
    "#endif\n"
    "\n";

static const char *type_name(const struct codegen_property *property)
{
    switch (property->type) {
    case CODEGEN_STRING:
        return "std::string";
    case CODEGEN_INTEGER:
        return "std::int64_t";
    case CODEGEN_NUMBER:
        return "double";
    case CODEGEN_BOOL:
        return "bool";
    case CODEGEN_JSON:
        break;
    }
    return "Json";
}

static void write_type(struct pt_buf *out, const struct codegen_property *property)
{
    if (!property->is_required || property->is_nullable) {
        pt_buf_appendf(out, "std::optional<%s>", type_name(property));
    } else {
        pt_buf_append_str(out, type_name(property));
    }
}

static uint32_t required_count(const struct codegen_model *model)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < model->count; i++) {
        count += model->properties[i].is_required ? 1 : 0;
    }
    return count;
}

static void write_constructor(const struct codegen_model *model, struct pt_buf *out)
{
    uint32_t count = required_count(model);
    uint32_t done = 0;

    if (count == 0) {
        return;
    }
    pt_buf_appendf(out, "\n    %s%sEvent(", count == 1 ? "explicit " : "", model->pascal);
    for (uint32_t i = 0; i < model->count; i++) {
        if (model->properties[i].is_required) {
            pt_buf_append_str(out, done++ ? ", " : "");
            write_type(out, &model->properties[i]);
            pt_buf_appendf(out, " %s_", model->properties[i].name);
        }
    }
    pt_buf_append_str(out, ")\n        : ");
    done = 0;
    for (uint32_t i = 0; i < model->count; i++) {
        if (model->properties[i].is_required) {
            pt_buf_appendf(out, "%s%s(std::move(%s_))", done++ ? ", " : "",
                           model->properties[i].name, model->properties[i].name);
        }
    }
    pt_buf_append_str(out, "\n    {\n    }\n");
}

static void write_members(const struct codegen_model *model, struct pt_buf *out)
{
    for (uint32_t i = 0; i < model->count; i++) {
        const struct codegen_property *property = &model->properties[i];

        pt_buf_append_str(out, "    ");
        write_type(out, property);
        pt_buf_appendf(out, " %s;", property->name);
        if (*property->comment) {
            pt_buf_appendf(out, " /* %s */", property->comment);
        }
        pt_buf_append_byte(out, '\n');
    }
}

static void write_to_json(const struct codegen_model *model, struct pt_buf *out)
{
    pt_buf_append_str(out, "\n    // The attributes as JSON; empty where a number is not finite.\n"
                           "    std::string to_json() const\n    {\n"
                           "        detail::Writer writer;\n\n");
    for (uint32_t i = 0; i < model->count; i++) {
        const struct codegen_property *property = &model->properties[i];
        const char *indent = property->is_required ? "        " : "            ";

        if (!property->is_required) {
            pt_buf_appendf(out, "        if (%s) {\n", property->name);
        }
        pt_buf_appendf(out, "%swriter.key(", indent);
        codegen_literal(out, PT_CODEGEN_CPP, property->key);
        pt_buf_appendf(out, ");\n%swriter.put(%s%s);\n", indent, property->is_required ? "" : "*",
                       property->name);
        if (!property->is_required) {
            pt_buf_append_str(out, "        }\n");
        }
    }
    pt_buf_append_str(out, "        return writer.take();\n    }\n");
}

void codegen_cpp(const struct codegen_model *model, struct pt_buf *out)
{
    pt_buf_appendf(
        out,
        "// The event \"%s\". Generated by `playtrace schema codegen` from its schema: do not "
        "edit.\n"
        "#ifndef PLAYTRACE_EVENT_HEADER_CPP_%s\n"
        "#define PLAYTRACE_EVENT_HEADER_CPP_%s\n\n"
        "#include \"playtrace.h\"\n\n"
        "#include <cmath>\n#include <cstdint>\n#include <cstdio>\n#include <optional>\n"
        "#include <string>\n#include <utility>\n\n",
        model->event_name, model->plain, model->plain);
    pt_buf_append_str(out, shared_part);
    pt_buf_append_str(out, "namespace playtrace_events {\n\n");
    if (*model->comment) {
        pt_buf_appendf(out, "/* %s */\n", model->comment);
    }
    pt_buf_appendf(out, "struct %sEvent {\n", model->pascal);
    write_members(model, out);
    write_constructor(model, out);
    write_to_json(model, out);
    pt_buf_append_str(out, "\n    enum playtrace_status track(struct playtrace *p) const\n    {\n"
                           "        const std::string json = to_json();\n\n"
                           "        return json.empty() ? PLAYTRACE_INVALID : playtrace_track(p, ");
    codegen_literal(out, PT_CODEGEN_CPP, model->event_name);
    pt_buf_append_str(out,
                      ", json.c_str());\n    }\n};\n\n} // namespace playtrace_events\n\n#endif\n");
}
