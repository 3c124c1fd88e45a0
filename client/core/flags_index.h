/*
 * flags_index.h - the answer of OFREP's bulk evaluation, found by a flag's key
 *
 * Only client/core includes this. The text is borrowed and stays as it came; what stands here are
 * places in it. No allocation: the caller brings the memory. Reading is safe for any bytes; only
 * what is JSON as a whole is taken, so that half an answer is none.
 */
#ifndef PT_CLIENT_FLAGS_INDEX_H
#define PT_CLIENT_FLAGS_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PT_CLIENT_FLAG_KEY_BYTES_MAX 256u
/* Fewer bytes than that no flag takes on average: {"key":…,"reason":…,"variant":…,"value":…} */
#define PT_CLIENT_FLAG_TEXT_BYTES 96u

enum pt_client_flag_type {
    PT_CLIENT_FLAG_NONE, /* the default in the game's code holds */
    PT_CLIENT_FLAG_BOOL,
    PT_CLIENT_FLAG_NUMBER,
    PT_CLIENT_FLAG_STRING,
    PT_CLIENT_FLAG_JSON, /* an object or an array */
};

/* A piece of the text; of a string, what stands between the quotes, with its escapes. */
struct pt_client_piece {
    uint32_t at;
    uint32_t bytes;
};

struct pt_client_flag {
    uint32_t hash;
    uint32_t next; /* in the chain: its place + 1; 0: the end */
    struct pt_client_piece key;
    struct pt_client_piece value;
    struct pt_client_piece variant;
    struct pt_client_piece metadata; /* an object, or nothing */
    struct pt_client_piece word;     /* the reason; of an error, its code */
    double real;
    int64_t integer;
    uint32_t exposed_round; /* in this round its exposure was logged; 0: in none */
    uint8_t type;           /* enum pt_client_flag_type */
    bool is_true;
    bool is_integer; /* a number of 64 bits */
    bool is_error;
    bool is_wrong_told; /* that the game asks for another type */
    bool is_exposure;   /* who gets this value takes part in an experiment */
};

struct pt_client_flags_index {
    char *text; /* borrowed; only read here */
    size_t text_bytes;
    struct pt_client_flag *flags; /* borrowed memory, flag_count_max of them */
    uint32_t flag_count;
    uint32_t flag_count_max;
    uint32_t *heads; /* borrowed memory, a power of two */
    uint32_t head_count;
    uint32_t skipped;              /* elements that are no flag, or have one's key again */
    struct pt_client_piece stream; /* the address of changes; nothing: there is none */
    struct pt_client_piece origin; /* where it is relative and names its host apart */
    bool is_stream_relative;       /* it begins with the path */
};

enum pt_client_flags_verdict {
    PT_CLIENT_FLAGS_SOUND,
    PT_CLIENT_FLAGS_MALFORMED, /* no bulk answer; the index is empty */
    PT_CLIENT_FLAGS_TOO_MANY,  /* more flags than there is memory for; the index is empty */
};

/* How many of both kinds an answer of `bytes` needs. */
uint32_t pt_client_flags_count_max(size_t bytes);
uint32_t pt_client_flags_head_count(size_t bytes);

/* Read `text`; `index` has its memory already, and borrows `text` from here on. */
enum pt_client_flags_verdict pt_client_flags_index_read(struct pt_client_flags_index *index,
                                                        char *text, size_t bytes);

/* NULL: no such flag. */
struct pt_client_flag *pt_client_flags_index_find(const struct pt_client_flags_index *index,
                                                  const char *key, size_t key_bytes);

/*
 * Write the inside of a JSON string as text with a NUL, at most `out_bytes` with it, cut before a
 * character that has no room. Returns the bytes of the whole, without the NUL. `out` may be NULL
 * where `out_bytes` is 0.
 */
size_t pt_client_json_unescape(const char *inside, size_t bytes, char *out, size_t out_bytes);

/* What an exposure says beside the flag's variant: members of its metadata, as they stand (a text
 * with its quotes); nothing where they are not a text or a number. */
struct pt_client_exposure {
    struct pt_client_piece experiment;
    struct pt_client_piece epoch;
    struct pt_client_piece version;
};
void pt_client_flags_exposure(const struct pt_client_flags_index *index,
                              const struct pt_client_flag *flag, struct pt_client_exposure *out);

/* Is `text` OFREP's message that the flags have changed, {"type":"refetchEvaluation",…}? */
bool pt_client_flags_is_refetch(const char *text, size_t bytes);

/* Has this JSON object, which is known to be one, a member with this name? */
bool pt_client_json_has_member(const char *object, const char *name);

#endif
