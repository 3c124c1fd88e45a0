/*
 * readout_page.h - how a readout's page looks and speaks
 *
 * Private to src/experiment. The style sheet, numbers as people read them, and what a verdict means
 * for somebody who knows the game and not the mathematics. Everything is appended as HTML, names
 * escaped.
 */
#ifndef PT_EXPERIMENT_READOUT_PAGE_H
#define PT_EXPERIMENT_READOUT_PAGE_H

#include "experiment/readout.h"

/* For light and dark screens, wide ones and phones, and paper. */
extern const char pt_readout_style[];

/* "18.20 %" of a share, "51.03" of anything else, a dash where it is no number. */
void pt_html_number(struct pt_buf *out, double value, bool is_share);
/* The same with a sign, a share's in percentage points: "−0.82 pp". */
void pt_html_difference(struct pt_buf *out, double value, bool is_share);
/* "44,700". */
void pt_html_count(struct pt_buf *out, double count);
void pt_html_p(struct pt_buf *out, double p);    /* "0.0086", "< 0.0001" */
void pt_html_p_is(struct pt_buf *out, double p); /* "p = 0.0086", "p < 0.0001" */

/* What a metric is: "number of level_end within 7 days". */
void pt_html_metric(struct pt_buf *out, const struct pt_plan_metric *metric);

/* What the verdict means, and what to do now: paragraphs. */
void pt_readout_explain(const struct pt_readout *r, struct pt_buf *out);

/* Sound JSON, a member a line. */
void pt_html_json(struct pt_buf *out, const char *json);

#endif
