/*
 * logic.h - JSONLogic with flagd's operators: compiled once, evaluated often
 *
 * Only src/flag includes this. A rule becomes a tree of nodes in an arena; evaluating walks
 * it and parses nothing. Semantics are those of json-logic-js (jsonlogic.com) with JavaScript's
 * conversions, plus flagd's `fractional`, `starts_with`, `ends_with`, `sem_ver`, `$flagd`
 * properties and `$ref` to `$evaluators`. Two things differ on purpose: substr counts
 * code points instead of UTF-16 units, so that it never cuts a character; and two
 * arrays or objects are never equal, not even one to itself.
 *
 * Bounds: depth PT_LOGIC_DEPTH_MAX, PT_LOGIC_NODES_MAX nodes a rule ($refs written out),
 * PT_LOGIC_STEPS_MAX steps and the run's arena a evaluation; beyond them evaluation fails with a
 * reason.
 */
#ifndef PT_FLAG_LOGIC_H
#define PT_FLAG_LOGIC_H

#include "base/json.h"
#include "base/mem.h"

#define PT_LOGIC_DEPTH_MAX 100u
#define PT_LOGIC_NODES_MAX 100000u
#define PT_LOGIC_STEPS_MAX 1000000u

struct pt_flag_compiler;

enum pt_logic_kind {
    PT_LOGIC_NULL,
    PT_LOGIC_BOOL,
    PT_LOGIC_NUMBER,
    PT_LOGIC_STRING,
    PT_LOGIC_ARRAY,  /* made by a rule: items */
    PT_LOGIC_OBJECT, /* made by a rule: items under keys */
    PT_LOGIC_JSON,   /* an array or object of the data */
};

/* A value while a rule runs. What it points to lives in the rule, the data or the run's arena. */
struct pt_logic_value {
    enum pt_logic_kind kind;
    bool boolean;
    uint32_t count;
    double number; /* may be NaN or infinite */
    union {
        struct pt_span text;
        struct pt_json json;
        struct {
            const struct pt_logic_value *items;
            const struct pt_span *keys; /* OBJECT */
        };
    };
};

struct pt_logic; /* a compiled rule, in the compiler's arena */

/*
 * Compile a rule. What is wrong with it is reported for `flags lint`; the rule itself then fails
 * where the wrong part is reached, with the same words, as flagd does. NULL without memory.
 */
const struct pt_logic *pt_logic_compile(struct pt_flag_compiler *c, struct pt_json rule);

struct pt_logic_run {
    struct pt_arena *arena; /* borrowed: the run's own values */
    struct pt_logic_value data;
    struct pt_span flag_key; /* data NULL: no flag, then "$flagd…" is a name like any other */
    int64_t now_s;           /* $flagd.timestamp: seconds since 1970 */
    uint32_t steps;          /* taken so far */
    bool is_key_missing;     /* a targetingKey was wanted and is not there, or is empty */
    struct pt_error err;     /* why evaluation failed */
};

/* False with the reason in run->err. */
bool pt_logic_eval(struct pt_logic_run *run, const struct pt_logic *rule,
                   struct pt_logic_value *value_out);

/* ---- values ---- */

struct pt_logic_value pt_logic_of_json(struct pt_json json); /* absent: null */
struct pt_logic_value pt_logic_null(void);
struct pt_logic_value pt_logic_bool(bool boolean);
struct pt_logic_value pt_logic_number(double number);
struct pt_logic_value pt_logic_text(struct pt_span text);

bool pt_logic_is_array(const struct pt_logic_value *value);
uint32_t pt_logic_count(const struct pt_logic_value *array);
/* The items of an array, an array of the data unpacked into the arena. False without memory. */
bool pt_logic_items(struct pt_arena *arena, const struct pt_logic_value *array,
                    const struct pt_logic_value **items_out);
/* A member, an element by its digits, or null. */
struct pt_logic_value pt_logic_member(const struct pt_logic_value *value, struct pt_span key);

bool pt_logic_truthy(const struct pt_logic_value *value);
/* JavaScript's String(value), and what join() makes of it (null is empty). Appends. */
void pt_logic_append_text(struct pt_buf *buf, const struct pt_logic_value *value, bool is_joined);
double pt_logic_to_number(const struct pt_logic_value *value);   /* Number(value) */
double pt_logic_parse_float(const struct pt_logic_value *value); /* parseFloat(value) */
bool pt_logic_same(const struct pt_logic_value *a, const struct pt_logic_value *b);  /* === */
bool pt_logic_equal(const struct pt_logic_value *a, const struct pt_logic_value *b); /* == */
/* a < b, or a <= b; comparisons with NaN are false. */
bool pt_logic_less(const struct pt_logic_value *a, const struct pt_logic_value *b, bool or_equal);
void pt_logic_write(struct pt_jsonw *w, const struct pt_logic_value *value);

/* ---- flagd's own, in logic_flagd.c ---- */

/* A version as flagd takes it: "1", "1.2", "v1.2.3-rc.1+build"; false for anything else. */
struct pt_semver {
    uint64_t part[3];
    struct pt_span prerelease;
};
bool pt_semver_parse(struct pt_span text, struct pt_semver *version_out);
bool pt_semver_is_operator(struct pt_span op);
/* -1, 0, 1 by SemVer 2.0.0, clause 11. */
int pt_semver_compare(const struct pt_semver *a, const struct pt_semver *b);

/* {"sem_ver":[a, op, b]} of three values; null where one of them is unsound. */
struct pt_logic_value pt_logic_sem_ver(const struct pt_logic_value *args, uint32_t count);
/*
 * The bucket of `key` among `weights` (sum <= INT32_MAX): MurmurHash3 x86 32-bit, seed 0, bucket =
 * (hash * total) >> 32, the first whose cumulative weight is above it. `count` where the sum is 0.
 */
uint32_t pt_fractional_bucket(struct pt_span key, const uint32_t *weights, uint32_t count,
                              uint32_t total);

#endif
