/*
 * svg.c - axes and marks of a chart as inline SVG
 */
#include "experiment/svg.h"

#include <math.h>

/* Room for letters that a phone enlarges (readout_style.c). */
#define LEFT 96.0
#define RIGHT 16.0
#define TOP 40.0
#define BOTTOM 74.0

void pt_html_text(struct pt_buf *out, const char *text)
{
    for (const char *at = text; *at; at++) {
        switch (*at) {
        case '&':
            pt_buf_append_str(out, "&amp;");
            break;
        case '<':
            pt_buf_append_str(out, "&lt;");
            break;
        case '>':
            pt_buf_append_str(out, "&gt;");
            break;
        case '"':
            pt_buf_append_str(out, "&quot;");
            break;
        case '\'':
            pt_buf_append_str(out, "&#39;");
            break;
        default:
            if ((unsigned char)*at < 0x20 && *at != '\n' && *at != '\t') {
                pt_buf_append_str(out, "\xef\xbf\xbd");
            } else {
                pt_buf_append_byte(out, (uint8_t)*at);
            }
        }
    }
}

void pt_svg_begin(struct pt_svg *svg, struct pt_buf *out, double height, const char *label)
{
    svg->out = out;
    svg->height = height;
    if (!(svg->x_high > svg->x_low)) {
        svg->x_high = svg->x_low + 1;
    }
    if (!(svg->y_high > svg->y_low)) {
        svg->y_high = svg->y_low + 1;
    }
    pt_buf_appendf(out, "<svg viewBox=\"0 0 %g %g\" role=\"img\" aria-label=\"", PT_SVG_WIDTH,
                   height);
    pt_html_text(out, label);
    pt_buf_append_str(out, "\">\n");
}

void pt_svg_end(struct pt_svg *svg)
{
    pt_buf_append_str(svg->out, "</svg>\n");
}

static double clamp(double value, double low, double high)
{
    return value < low ? low : value > high ? high : value;
}

double pt_svg_x(const struct pt_svg *svg, double x)
{
    double share = (clamp(x, svg->x_low, svg->x_high) - svg->x_low) / (svg->x_high - svg->x_low);

    return LEFT + share * (PT_SVG_WIDTH - LEFT - RIGHT);
}

double pt_svg_y(const struct pt_svg *svg, double y)
{
    double share = (clamp(y, svg->y_low, svg->y_high) - svg->y_low) / (svg->y_high - svg->y_low);

    return svg->height - BOTTOM - share * (svg->height - TOP - BOTTOM);
}

/* 1, 2 or 5 times a power of ten: some five steps in the range. */
static double nice_step(double range)
{
    double raw = range / 5;
    double power = pow(10, floor(log10(raw)));
    double lead = raw / power;

    return power * (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10);
}

void pt_svg_y_grid(struct pt_svg *svg, double scale, const char *unit)
{
    double step = nice_step((svg->y_high - svg->y_low) * scale) / scale;
    double first = ceil(svg->y_low / step);

    for (int i = 0; i < 20 && (first + i) * step <= svg->y_high * (1 + 1e-12); i++) {
        double value = (first + i) * step;

        pt_svg_line(svg, svg->x_low, value, svg->x_high, value,
                    fabs(value) < step / 1e6 ? "zero" : "grid");
        pt_buf_appendf(svg->out,
                       "<text x=\"%.1f\" y=\"%.1f\" class=\"tick\" text-anchor=\"end\" "
                       "dy=\"0.35em\">%s%.6g%s"
                       "</text>\n",
                       LEFT - 8, pt_svg_y(svg, value), value < -step / 1e6 ? "\xe2\x88\x92" : "",
                       fabs(value) < step / 1e6 ? 0 : fabs(value) * scale, unit);
    }
}

void pt_svg_x_ticks(struct pt_svg *svg)
{
    double step = nice_step(svg->x_high - svg->x_low);
    double first = ceil(svg->x_low / step);

    for (int i = 0; i < 20 && (first + i) * step <= svg->x_high * (1 + 1e-12); i++) {
        char text[32];

        snprintf(text, sizeof(text), "%.6g", (first + i) * step);
        pt_svg_x_label(svg, (first + i) * step, text);
    }
}

void pt_svg_x_label(struct pt_svg *svg, double x, const char *text)
{
    pt_buf_appendf(svg->out, "<text x=\"%.1f\" y=\"%.1f\" class=\"tick\" text-anchor=\"middle\">",
                   pt_svg_x(svg, x), svg->height - BOTTOM + 34);
    pt_html_text(svg->out, text);
    pt_buf_append_str(svg->out, "</text>\n");
}

void pt_svg_axis_names(struct pt_svg *svg, const char *x_name, const char *y_name)
{
    pt_buf_appendf(svg->out, "<text x=\"%.1f\" y=\"%.1f\" class=\"name\" text-anchor=\"end\">",
                   PT_SVG_WIDTH - RIGHT, svg->height - 8);
    pt_html_text(svg->out, x_name);
    pt_buf_append_str(svg->out, "</text>\n<text x=\"4\" y=\"22\" class=\"name\">");
    pt_html_text(svg->out, y_name);
    pt_buf_append_str(svg->out, "</text>\n");
}

void pt_svg_line(struct pt_svg *svg, double x1, double y1, double x2, double y2,
                 const char *css_class)
{
    if (isnan(x1) || isnan(y1) || isnan(x2) || isnan(y2)) {
        return;
    }
    pt_buf_appendf(
        svg->out, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"%s\"/>\n",
        pt_svg_x(svg, x1), pt_svg_y(svg, y1), pt_svg_x(svg, x2), pt_svg_y(svg, y2), css_class);
}

void pt_svg_dot(struct pt_svg *svg, double x, double y, const char *css_class)
{
    if (!isnan(x) && !isnan(y)) {
        pt_buf_appendf(svg->out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4.5\" class=\"%s\"/>\n",
                       pt_svg_x(svg, x), pt_svg_y(svg, y), css_class);
    }
}

void pt_svg_path(struct pt_svg *svg, const double *x, const double *y, size_t count,
                 const char *css_class)
{
    bool is_drawing = false;

    pt_buf_appendf(svg->out, "<path class=\"%s\" d=\"", css_class);
    for (size_t i = 0; i < count; i++) {
        if (isnan(x[i]) || isnan(y[i])) {
            is_drawing = false;
            continue;
        }
        pt_buf_appendf(svg->out, "%c%.1f %.1f", is_drawing ? 'L' : 'M', pt_svg_x(svg, x[i]),
                       pt_svg_y(svg, y[i]));
        is_drawing = true;
    }
    pt_buf_append_str(svg->out, "\"/>\n");
}
