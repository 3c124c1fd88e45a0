/*
 * journal_look.c - a look's record in the journal
 *
 * FORMAT (docs/formats/experiments.md). One treatment's members stand in the record itself; with
 * several of them, in objects of its array "treatments".
 */
#include "experiment/journal.h"

#include "experiment/members.h"
#include "wire/rfc3339.h"

#include <math.h>

static const char *const verdicts[] = {"continue", "stop_for_effect", "stop_for_futility",
                                       "inconclusive", "invalid"};

const char *pt_verdict_name(enum pt_verdict verdict)
{
    return verdicts[verdict];
}

static enum pt_verdict read_verdict(struct pt_json object)
{
    struct pt_span text = {0};

    if (pt_json_member_string(object, "verdict", &text)) {
        for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
            if (pt_span_is(text, verdicts[i])) {
                return (enum pt_verdict)i;
            }
        }
    }
    return PT_VERDICT_CONTINUE;
}

static void write_arm(const struct pt_look_arm *arm, struct pt_jsonw *w)
{
    pt_jsonw_member_double(w, "units_treatment", arm->units);
    pt_jsonw_member_double(w, "information", arm->t);
    pt_jsonw_member_double(w, "estimate", arm->estimate);
    pt_jsonw_member_double(w, "se", arm->se);
    pt_jsonw_member_double(w, "z", arm->z);
    pt_jsonw_member_double(w, "z_upper", arm->z_upper);
    pt_jsonw_member_double(w, "z_lower", arm->z_lower);
    pt_jsonw_member_double(w, "alpha_spent", arm->alpha_spent);
    pt_jsonw_member_double(w, "beta_spent", arm->beta_spent);
    pt_jsonw_member_double(w, "p_value", arm->p_value);
    pt_jsonw_member_double(w, "low", arm->interval.low);
    pt_jsonw_member_double(w, "high", arm->interval.high);
}

void pt_look_write(const struct pt_look *look, size_t treatments, struct pt_jsonw *w)
{
    pt_jsonw_object(w);
    pt_member_time(w, "as_of", look->as_of_us);
    pt_jsonw_member_bool(w, "planned", look->is_planned);
    pt_jsonw_member_str(w, "verdict", pt_verdict_name(look->verdict));
    pt_jsonw_member_double(w, "units_control", look->units);
    if (treatments == 1) {
        write_arm(&look->arms[0], w);
    } else {
        pt_jsonw_member_double(w, "information", look->t);
        pt_jsonw_key(w, "treatments");
        pt_jsonw_array(w);
        for (size_t i = 0; i < treatments; i++) {
            pt_jsonw_object(w);
            pt_jsonw_member_str(w, "verdict", pt_verdict_name(look->arms[i].verdict));
            write_arm(&look->arms[i], w);
            pt_jsonw_object_end(w);
        }
        pt_jsonw_array_end(w);
    }
    pt_jsonw_object_end(w);
}

static double number(struct pt_json object, const char *key, double missing)
{
    double value = missing;

    (void)pt_json_member_double(object, key, &value);
    return value;
}

static void read_arm(struct pt_json object, struct pt_look_arm *arm)
{
    *arm = (struct pt_look_arm){
        .units = number(object, "units_treatment", 0),
        .t = number(object, "information", 0),
        .estimate = number(object, "estimate", NAN),
        .se = number(object, "se", NAN),
        .z = number(object, "z", NAN),
        .z_upper = number(object, "z_upper", HUGE_VAL),
        .z_lower = number(object, "z_lower", -HUGE_VAL),
        .alpha_spent = number(object, "alpha_spent", 0),
        .beta_spent = number(object, "beta_spent", 0),
        .p_value = number(object, "p_value", 1),
        .interval = {number(object, "low", -HUGE_VAL), number(object, "high", HUGE_VAL)},
        .verdict = read_verdict(object),
    };
}

void pt_look_read(struct pt_json record, struct pt_look *out)
{
    struct pt_json treatments = pt_json_member(record, "treatments");
    struct pt_span as_of = {0};

    *out = (struct pt_look){
        .units = number(record, "units_control", 0),
        .t = number(record, "information", 0),
        .verdict = read_verdict(record),
    };
    (void)pt_json_member_bool(record, "planned", &out->is_planned);
    if (pt_json_member_string(record, "as_of", &as_of)) {
        (void)pt_rfc3339_parse((const char *)as_of.data, as_of.size, &out->as_of_us);
    }
    if (treatments.tape && pt_json_type(treatments) == PT_JSON_ARRAY) {
        struct pt_json_iter iter = pt_json_iterate(treatments);

        for (size_t i = 0; i < PT_PLAN_TREATMENTS_MAX && pt_json_next(&iter); i++) {
            read_arm(iter.value, &out->arms[i]);
        }
    } else {
        read_arm(record, &out->arms[0]);
    }
}
