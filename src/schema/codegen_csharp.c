/*
 * codegen_csharp.c - C#: a static class an event
 *
 * It needs nothing but the language: Track() is given the SDK's own function. Required values come
 * first, what may be left out is null by default.
 */
#include "schema/codegen_model.h"

static const char helpers[] =
    "        private static void Key(System.Text.StringBuilder json, string key)\n"
    "        {\n"
    "            json.Append(json.Length == 0 ? '{' : ',').Append(key);\n"
    "        }\n"
    "\n"
    "        private static void Put(System.Text.StringBuilder json, string value)\n"
    "        {\n"
    "            if (value == null)\n"
    "            {\n"
    "                json.Append(\"null\");\n"
    "                return;\n"
    "            }\n"
    "            json.Append('\"');\n"
    "            foreach (char c in value)\n"
    "            {\n"
    "                if (c == '\"' || c == '\\\\')\n"
    "                {\n"
    "                    json.Append('\\\\').Append(c);\n"
    "                }\n"
    "                else if (c < 0x20 || (c >= 0xd800 && c < 0xe000))\n"
    "                {\n"
    "                    json.Append(\"\\\\u\").Append(((int)c).ToString(\"x4\"));\n"
    "                }\n"
    "                else\n"
    "                {\n"
    "                    json.Append(c);\n"
    "                }\n"
    "            }\n"
    "            json.Append('\"');\n"
    "        }\n"
    "\n"
    "        private static void Put(System.Text.StringBuilder json, long? value)\n"
    "        {\n"
    "            json.Append(value.HasValue\n"
    "                ? value.Value.ToString(System.Globalization.CultureInfo.InvariantCulture) : "
    "\"null\");\n"
    "        }\n"
    "\n"
    "        private static void Put(System.Text.StringBuilder json, double? value)\n"
    "        {\n"
    "            if (value.HasValue && (double.IsNaN(value.Value) || "
    "double.IsInfinity(value.Value)))\n"
    "            {\n"
    "                throw new System.ArgumentException(\"a number of an event must be finite\");\n"
    "            }\n"
    "            json.Append(value.HasValue\n"
    "                ? value.Value.ToString(\"R\", "
    "System.Globalization.CultureInfo.InvariantCulture) : \"null\");\n"
    "        }\n"
    "\n"
    "        private static void Put(System.Text.StringBuilder json, bool? value)\n"
    "        {\n"
    "            json.Append(!value.HasValue ? \"null\" : value.Value ? \"true\" : \"false\");\n"
    "        }\n";

static const char *type_name(const struct codegen_property *property)
{
    bool is_plain = property->is_required && !property->is_nullable;

    switch (property->type) {
    case CODEGEN_INTEGER:
        return is_plain ? "long" : "long?";
    case CODEGEN_NUMBER:
        return is_plain ? "double" : "double?";
    case CODEGEN_BOOL:
        return is_plain ? "bool" : "bool?";
    case CODEGEN_STRING:
    case CODEGEN_JSON:
        break;
    }
    return "string";
}

/* Required ones, then the others; "type name = null" or the bare names. */
static void write_parameters(const struct codegen_model *model, struct pt_buf *out, bool with_types,
                             bool is_first)
{
    for (int is_optional = 0; is_optional < 2; is_optional++) {
        for (uint32_t i = 0; i < model->count; i++) {
            const struct codegen_property *property = &model->properties[i];

            if (property->is_required == (is_optional != 0)) {
                continue;
            }
            pt_buf_append_str(out, is_first ? "" : ", ");
            is_first = false;
            if (with_types) {
                pt_buf_appendf(out, "%s ", type_name(property));
            }
            pt_buf_appendf(out, "%s%s", property->name, with_types && is_optional ? " = null" : "");
        }
    }
}

static void write_member(struct pt_buf *out, const struct codegen_property *property)
{
    bool is_text = property->type == CODEGEN_STRING || property->type == CODEGEN_JSON;
    const char *indent = property->is_required ? "            " : "                ";

    if (!property->is_required) {
        pt_buf_appendf(out, "            if (%s != null)\n            {\n", property->name);
    } else if (is_text && !property->is_nullable) {
        pt_buf_appendf(out,
                       "            if (%s == null)\n            {\n"
                       "                throw new System.ArgumentNullException(\"%s\");\n"
                       "            }\n",
                       property->name, property->name);
    }
    pt_buf_appendf(out, "%sKey(builder, ", indent);
    codegen_literal(out, PT_CODEGEN_CSHARP, property->key);
    pt_buf_append_str(out, ");\n");
    if (property->type == CODEGEN_JSON) {
        pt_buf_appendf(out, "%sbuilder.Append(%s ?? \"null\");\n", indent, property->name);
    } else {
        pt_buf_appendf(out, "%sPut(builder, %s);\n", indent, property->name);
    }
    if (!property->is_required) {
        pt_buf_append_str(out, "            }\n");
    }
}

static void write_docs(const struct codegen_model *model, struct pt_buf *out)
{
    for (uint32_t i = 0; i < model->count; i++) {
        const struct codegen_property *property = &model->properties[i];

        if (*property->comment || property->type == CODEGEN_JSON) {
            pt_buf_appendf(out, "        /// <param name=\"%s\">%s%s</param>\n", property->name,
                           property->comment, property->type == CODEGEN_JSON ? " (JSON)" : "");
        }
    }
}

void codegen_csharp(const struct codegen_model *model, struct pt_buf *out)
{
    pt_buf_appendf(
        out,
        "// The event \"%s\". Generated by `playtrace schema codegen` from its schema: do not "
        "edit.\n"
        "namespace Playtrace.Events\n{\n",
        model->event_name);
    if (*model->comment) {
        pt_buf_appendf(out, "    /// <summary>%s</summary>\n", model->comment);
    }
    pt_buf_appendf(
        out, "    public static class %sEvent\n    {\n        public const string EventName = ",
        model->pascal);
    codegen_literal(out, PT_CODEGEN_CSHARP, model->event_name);
    pt_buf_append_str(out, ";\n\n        /// <summary>The attributes as JSON.</summary>\n");
    write_docs(model, out);
    pt_buf_append_str(out, "        public static string Attributes(");
    write_parameters(model, out, true, true);
    pt_buf_append_str(
        out,
        ")\n        {\n"
        "            System.Text.StringBuilder builder = new System.Text.StringBuilder();\n\n");
    for (uint32_t i = 0; i < model->count; i++) {
        write_member(out, &model->properties[i]);
    }
    pt_buf_append_str(
        out, "            return builder.Length == 0 ? \"{}\" : builder.Append('}').ToString();\n"
             "        }\n\n"
             "        /// <summary>Record it: sdkTrack is given the name and the "
             "attributes.</summary>\n"
             "        public static T Track<T>(System.Func<string, string, T> sdkTrack");
    write_parameters(model, out, true, false);
    pt_buf_append_str(out, ")\n        {\n            return sdkTrack(EventName, Attributes(");
    write_parameters(model, out, false, true);
    pt_buf_append_str(out, "));\n        }\n\n");
    pt_buf_append_str(out, helpers);
    pt_buf_append_str(out, "    }\n}\n");
}
