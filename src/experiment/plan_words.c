/*
 * plan_words.c - the words of a plan, in the order of their enumerations
 */
#include "experiment/plan_words.h"

#include "experiment/plan.h"

#include <assert.h>

const char *const pt_plan_word_kinds[5] = {"retention", "conversion", "mean", "count", "ratio"};
const char *const pt_plan_word_models[3] = {"normal", "hurdle", "poisson"};
const char *const pt_plan_word_roles[3] = {"primary", "secondary", "guardrail"};
const char *const pt_plan_word_analyses[4] = {"fixed", "group_sequential", "always_valid",
                                              "bayesian"};
const char *const pt_plan_word_alternatives[3] = {"two-sided", "larger", "smaller"};
const char *const pt_plan_word_corrections[4] = {"none", "bonferroni", "holm", "bh"};
const char *const pt_plan_word_spendings[5] = {"obrien_fleming", "obrien_fleming_total", "pocock",
                                               "hwang_shih_decani", "kim_demets"};
const char *const pt_plan_word_sources[4] = {"playtrace", "opentelemetry", "launchdarkly",
                                             "unleash"};
static_assert(PT_SPEND_KIM_DEMETS == 4 && PT_TWO_SIDED == 0 && PT_SMALLER == 2,
              "the words stand in the order of the enumerations");

const char *pt_plan_kind_name(enum pt_plan_kind kind)
{
    return pt_plan_word_kinds[kind];
}
const char *pt_plan_model_name(enum pt_plan_model model)
{
    return pt_plan_word_models[model];
}
const char *pt_plan_role_name(enum pt_plan_role role)
{
    return pt_plan_word_roles[role];
}
const char *pt_plan_analysis_name(enum pt_plan_analysis analysis)
{
    return pt_plan_word_analyses[analysis];
}
const char *pt_plan_alternative_name(enum pt_alternative alternative)
{
    return pt_plan_word_alternatives[alternative];
}
const char *pt_plan_correction_name(enum pt_plan_correction correction)
{
    return pt_plan_word_corrections[correction];
}
const char *pt_plan_spending_name(enum pt_spending_kind kind)
{
    return (size_t)kind < PT_PLAN_WORD_COUNT(pt_plan_word_spendings) ? pt_plan_word_spendings[kind]
                                                                     : "user";
}
