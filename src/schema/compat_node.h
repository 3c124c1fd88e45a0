/*
 * compat_node.h - what the files of the compatibility checker share
 *
 * SETS. A value is held to several schemas at once: an object's members to a property's schema and
 * a pattern's, everything to all of allOf, to what a $ref leads to. A set is that conjunction,
 * flattened: each of its items is one schema object of either document, a set without items takes
 * everything. The question "is every value of the set a value of schema R" is then asked keyword by
 * keyword of R.
 *
 * All memory is the checker's arena. One thread a checker.
 */
#ifndef PT_SCHEMA_COMPAT_NODE_H
#define PT_SCHEMA_COMPAT_NODE_H

#include "schema/compat.h"
#include "schema/number.h"
#include "schema/regex.h"

/* Bits of a value's type; a number is an integer or a fraction. */
enum compat_type {
    COMPAT_NULL = 1,
    COMPAT_BOOL = 2,
    COMPAT_INTEGER = 4,
    COMPAT_FRACTION = 8,
    COMPAT_STRING = 16,
    COMPAT_ARRAY = 32,
    COMPAT_OBJECT = 64,
    COMPAT_ANY = 127,
};

/* A step down from the document's root; the root of all is NULL. */
struct compat_path {
    const struct compat_path *up;
    struct pt_span word; /* as it stands in the schema, unescaped */
};

/* A schema of one of the documents. */
struct compat_node {
    struct pt_json value;           /* absent: takes everything */
    struct pt_json resource;        /* what "#" means here: the nearest schema with an $id */
    const struct compat_path *path; /* from the root of `document` */
    const struct compat_path *resource_path;
    uint32_t document;
};

struct compat_item {
    struct compat_node node;
    bool is_any_used; /* one branch of its anyOf stands in the set: not looked at again */
    bool is_one_used;
    uint32_t one_branch; /* which of oneOf: the value is none of the others */
};

struct compat_set {
    struct compat_item *items;
    uint32_t count;
    uint32_t capacity;
    uint8_t types; /* what all of them leave */
    bool is_false; /* nothing is valid */
    bool is_cut;   /* there were more: it takes less than its items say */
    bool is_split; /* made by choosing a branch: types that exclude each other mean "never" */
    struct compat_node at; /* where it stands, for people */
};

struct compat_document {
    struct pt_json_parser *parser; /* owned */
    struct pt_buf json;            /* owned */
    const char *uri;               /* "" for the two compared */
    struct pt_json root;
    uint32_t owner; /* index of the compared document that led here */
    bool is_2020;
};

#define COMPAT_DOCUMENTS_MAX PT_SCHEMA_DOCUMENTS_MAX

/* A question under way; see compat_subset(). */
struct compat_frame {
    const struct compat_frame *up;
    const struct compat_set *set;
    struct compat_node reader;
    uint32_t level;
};

#define COMPAT_REGEXES_MAX 256

/* NULL where the pattern is none that we can match. */
struct compat_regex {
    struct pt_span pattern;
    struct pt_regex *regex;
};

struct compat_checker {
    struct pt_arena arena;
    struct compat_document documents[COMPAT_DOCUMENTS_MAX];
    uint32_t document_count;
    const struct pt_compat_document *sources[2];
    struct pt_compat_report *report;
    const char *direction;
    uint32_t writer;    /* 0 or 1: which of the two compared documents is the writer's */
    uint64_t steps;     /* left */
    uint32_t depth;     /* of questions within questions */
    uint32_t level;     /* of members and elements entered: the value looked at gets smaller */
    uint32_t trials;    /* > 0: reasons are not kept */
    uint32_t exactness; /* > 0: defaults and the lenient policy do not count */
    bool is_lenient;
    bool is_too_complex;
    bool is_out_of_memory; /* not the arena's bound: there was none to be had */
    const struct compat_frame *frames;
    struct compat_regex regexes[COMPAT_REGEXES_MAX];
    uint32_t regex_count;
    struct pt_regex_space *regex_space;
};

struct compat_checker *compat_checker_create(void) PT_MUST_USE; /* NULL without memory */
void compat_checker_destroy(struct compat_checker *ck);

/* Spend; false when there is nothing left, or not enough. */
bool compat_spend(struct compat_checker *ck, uint64_t steps);
/* From the arena; NULL ends the comparison. */
void *compat_take(struct compat_checker *ck, size_t bytes) PT_MUST_USE;

/* ---- documents and places (compat_node.c) ---- */

enum pt_code compat_document_add(struct compat_checker *ck, struct pt_span json, const char *uri,
                                 uint32_t owner, uint32_t *index_out, struct pt_error *err);
struct compat_node compat_root(struct compat_checker *ck, uint32_t document);
/* The schema at `key`, at `key`/`member` (member.data NULL: none), with its path. */
struct compat_node compat_child(struct compat_checker *ck, const struct compat_node *node,
                                const char *key, struct pt_json value);
struct compat_node compat_member(struct compat_checker *ck, const struct compat_node *node,
                                 const char *key, struct pt_span member, struct pt_json value);
struct compat_node compat_element(struct compat_checker *ck, const struct compat_node *node,
                                  const char *key, uint32_t index, struct pt_json value);
/* Where $ref leads; false where it leads nowhere, or to what is not known before a value is seen.
 */
bool compat_follow(struct compat_checker *ck, const struct compat_node *node,
                   struct compat_node *target_out);
/* The schema `false`, which takes nothing. */
bool compat_is_false(const struct compat_node *node);
bool compat_is_2020(const struct compat_checker *ck, const struct compat_node *node);
/* In draft-07 nothing beside a $ref counts. */
bool compat_is_only_ref(const struct compat_checker *ck, const struct compat_node *node);
/* A keyword of this schema, absent where the schema is a boolean or it is not of the draft. */
struct pt_json compat_keyword(struct compat_checker *ck, const struct compat_node *node,
                              const char *keyword);
struct pt_json compat_find(struct compat_checker *ck, struct pt_json object, struct pt_span key);
void compat_pointer(const struct compat_checker *ck, const struct compat_node *node,
                    const char *more, char text[PT_COMPAT_POINTER_BYTES]);
uint8_t compat_types(struct pt_json type);
struct pt_number compat_number(struct pt_json value);
struct pt_number compat_count(uint64_t count);

/* prefixItems and what follows, in either draft's words. */
struct compat_list {
    struct pt_json prefix; /* array, or absent */
    uint32_t prefix_count;
    const char *prefix_key;
    struct compat_node rest; /* value absent: everything */
    const char *rest_key;
};
void compat_list_of(struct compat_checker *ck, const struct compat_node *node,
                    struct compat_list *list_out);

/* ---- sets (compat_set.c) ---- */

void compat_set_init(struct compat_set *set, struct compat_node at);
void compat_set_add(struct compat_checker *ck, struct compat_set *set, struct compat_node node);
void compat_set_add_set(struct compat_checker *ck, struct compat_set *set,
                        const struct compat_set *more);
/* What the set asks of the member `key`; of a member whose name nobody mentions (key.data NULL). */
void compat_set_member(struct compat_checker *ck, const struct compat_set *set, struct pt_span key,
                       struct compat_set *out);
void compat_set_element(struct compat_checker *ck, const struct compat_set *set, uint32_t index,
                        struct compat_set *out);
bool compat_set_requires(struct compat_checker *ck, const struct compat_set *set,
                         struct pt_span key);
/* The largest of a keyword that is a lower bound, the smallest of an upper one; false: none. */
bool compat_set_bound(struct compat_checker *ck, const struct compat_set *set, const char *keyword,
                      bool is_lower, struct pt_number *bound_out);
bool compat_set_has_text(struct compat_checker *ck, const struct compat_set *set,
                         const char *keyword, struct pt_span text);
bool compat_set_has(struct compat_checker *ck, const struct compat_set *set, const char *keyword);
/* The values that an enum or a const of the set leaves; false: there is neither. */
bool compat_set_values(struct compat_checker *ck, const struct compat_set *set,
                       struct pt_json **values_out, uint32_t *count_out);
/* True: no value is valid. False: there may be one. */
bool compat_set_is_empty(struct compat_checker *ck, const struct compat_set *set);

/* ---- sameness (compat_equal.c) ---- */

bool compat_json_equal(struct compat_checker *ck, struct pt_json a, struct pt_json b);
/* Whether both say the same, whatever they tell people in title and description. */
bool compat_schema_equal(struct compat_checker *ck, const struct compat_node *a,
                         const struct compat_node *b);

/* ---- single values and names (compat_eval.c) ---- */

enum compat_answer { COMPAT_NO, COMPAT_YES, COMPAT_UNKNOWN };

enum compat_answer compat_matches(struct compat_checker *ck, struct pt_span pattern,
                                  struct pt_span text);
enum compat_answer compat_evaluate(struct compat_checker *ck, struct pt_json value,
                                   const struct compat_node *schema);
enum compat_answer compat_evaluate_text(struct compat_checker *ck, struct pt_span text,
                                        const struct compat_node *schema);
/* Whether a value's member `key` (NULL data: a name nobody mentions) is looked at by this schema.
 */
enum compat_answer compat_looks_at(struct compat_checker *ck, const struct compat_node *schema,
                                   struct pt_span key);

/* ---- the question (compat.c) and its parts (compat_value.c and so on) ---- */

/* Whether every value of the set is one of `reader`; keeps reasons unless in a trial. */
bool compat_subset(struct compat_checker *ck, const struct compat_set *writer,
                   const struct compat_node *reader);
/* The same without reasons. */
bool compat_subset_quietly(struct compat_checker *ck, const struct compat_set *writer,
                           const struct compat_node *reader);
/* Either of the two about a part of the value, a member or an element: one level further in. */
bool compat_enter(struct compat_checker *ck, const struct compat_set *writer,
                  const struct compat_node *reader, bool is_quiet);
bool compat_check_type(struct compat_checker *ck, const struct compat_set *writer,
                       const struct compat_node *reader);
bool compat_check_enum(struct compat_checker *ck, const struct compat_set *writer,
                       const struct compat_node *reader);
bool compat_check_number(struct compat_checker *ck, const struct compat_set *writer,
                         const struct compat_node *reader);
bool compat_check_string(struct compat_checker *ck, const struct compat_set *writer,
                         const struct compat_node *reader);
/* The writer takes these `count` values and no others: each must be one of the reader's. */
bool compat_check_values(struct compat_checker *ck, const struct compat_set *writer,
                         const struct compat_node *reader, const struct pt_json *values,
                         uint32_t count);
bool compat_check_reference(struct compat_checker *ck, const struct compat_set *writer,
                            const struct compat_node *reader);
/* allOf, anyOf, oneOf, not, if. */
bool compat_check_combined(struct compat_checker *ck, const struct compat_set *writer,
                           const struct compat_node *reader);
/* The array that is `keyword` of `node`; absent where it has none. */
struct pt_json compat_branches_of(struct compat_checker *ck, const struct compat_node *node,
                                  const char *keyword);
bool compat_check_object(struct compat_checker *ck, const struct compat_set *writer,
                         const struct compat_node *reader);
bool compat_check_array(struct compat_checker *ck, const struct compat_set *writer,
                        const struct compat_node *reader);
/*
 * Keep a reason; `more` is the rest of the reader's pointer, such as "/maxLength". Returns whether
 * the policy lets it pass.
 */
bool compat_refuse(struct compat_checker *ck, const struct compat_set *writer,
                   const struct compat_node *reader, const char *more, const char *kind,
                   const char *format, ...) PT_PRINTF(6, 7);
/* Bound keywords: "_ADDED" and "_INCREASED" or "_DECREASED" behind `kind`. */
bool compat_check_bound(struct compat_checker *ck, const struct compat_set *writer,
                        const struct compat_node *reader, const char *keyword, const char *kind,
                        bool is_lower, uint64_t *implied);

#endif
