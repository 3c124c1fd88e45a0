/*
 * plan_words.h - the words of a plan, in the order of their enumerations
 *
 * Private to src/experiment.
 */
#ifndef PT_EXPERIMENT_PLAN_WORDS_H
#define PT_EXPERIMENT_PLAN_WORDS_H

#define PT_PLAN_WORD_COUNT(words) (sizeof(words) / sizeof((words)[0]))

extern const char *const pt_plan_word_kinds[5];
extern const char *const pt_plan_word_models[3];
extern const char *const pt_plan_word_roles[3];
extern const char *const pt_plan_word_analyses[4];
extern const char *const pt_plan_word_alternatives[3];
extern const char *const pt_plan_word_corrections[4];
extern const char *const pt_plan_word_spendings[5];
extern const char *const pt_plan_word_sources[4]; /* of exposures */

#endif
