/*
 * svg.h - axes and marks of a chart as inline SVG
 *
 * Private to src/experiment. A chart is PT_SVG_WIDTH wide in its own units and stretches with the
 * page. Values outside the axes are drawn at their edge; what is no number is not drawn.
 */
#ifndef PT_EXPERIMENT_SVG_H
#define PT_EXPERIMENT_SVG_H

#include "base/mem.h"

#define PT_SVG_WIDTH 760.0

struct pt_svg {
    struct pt_buf *out; /* borrowed */
    double height;
    double x_low;
    double x_high;
    double y_low;
    double y_high;
};

/* Text with & < > " ' as entities, and control characters as U+FFFD. */
void pt_html_text(struct pt_buf *out, const char *text);

/* Opens the chart; `label` is for those who cannot see it. A range of no width is widened. */
void pt_svg_begin(struct pt_svg *svg, struct pt_buf *out, double height, const char *label);
void pt_svg_end(struct pt_svg *svg);

double pt_svg_x(const struct pt_svg *svg, double x);
double pt_svg_y(const struct pt_svg *svg, double y);

/* Horizontal grid with labels, each `scale` times the value with `unit` behind it. */
void pt_svg_y_grid(struct pt_svg *svg, double scale, const char *unit);
/* Labels at round numbers of the x axis. */
void pt_svg_x_ticks(struct pt_svg *svg);
void pt_svg_x_label(struct pt_svg *svg, double x, const char *text);
void pt_svg_axis_names(struct pt_svg *svg, const char *x_name, const char *y_name);
void pt_svg_line(struct pt_svg *svg, double x1, double y1, double x2, double y2,
                 const char *css_class);
void pt_svg_dot(struct pt_svg *svg, double x, double y, const char *css_class);
/* Lines through points; those that are no number break it. */
void pt_svg_path(struct pt_svg *svg, const double *x, const double *y, size_t count,
                 const char *css_class);

#endif
