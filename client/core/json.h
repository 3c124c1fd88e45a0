/*
 * json.h - the little JSON that the client must read and write itself
 *
 * No allocation, no state; bounded recursion. Strict RFC 8259: what passes here is read by any
 * parser, so that one event cannot spoil the batch it travels in.
 */
#ifndef PT_CLIENT_JSON_H
#define PT_CLIENT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Is `text` exactly one JSON object (white space around it is fine)? Not if it is nested deeper
 * than `depth_max`, holds invalid UTF-8, a lone surrogate, or a number that neither a 64-bit
 * integer nor a finite double can hold.
 */
bool pt_client_json_is_object(const char *text, size_t bytes, unsigned depth_max);

/* Where a text is wrong, and how, in words. */
struct pt_client_json_fault {
    size_t offset; /* bytes into the text */
    const char *why;
};

/* The same for one value of any kind, or (`is_object`) one object; says what is wrong. */
bool pt_client_json_check(const char *text, size_t bytes, unsigned depth_max, bool is_object,
                          struct pt_client_json_fault *fault_out);

/* Bytes of the UTF-8 sequence at `text`, of which there are `bytes` > 0; 0: it is none. */
size_t pt_client_utf8_sequence(const char *text, size_t bytes);

/* Is `text` valid UTF-8 (no surrogates, no overlong forms)? */
bool pt_client_utf8_is_valid(const char *text, size_t bytes);

/*
 * Write `text` (valid UTF-8) as the inside of a JSON string; returns the bytes written, at most
 * 6 a byte of text, which `out` must have room for.
 */
size_t pt_client_json_escape(const char *text, size_t bytes, char *out);
/* How many bytes that writes. */
size_t pt_client_json_escaped_bytes(const char *text, size_t bytes);

/* Bytes of an answer, which must stay in place; no NUL at the end. */
struct pt_client_text {
    const char *text;
    size_t bytes;
};

/* How many events the server's receipt says it took and refused. */
struct pt_client_receipt {
    uint64_t accepted;
    uint64_t rejected;
    struct pt_client_text
        first; /* the first rejected one: an object; no bytes where there is none */
};

/* False unless `body` is a JSON object with a count "accepted" and an array "rejected" of objects.
 */
bool pt_client_receipt_parse(const char *body, size_t bytes, struct pt_client_receipt *receipt_out);

/* Why something was refused, escapes as they stand in the JSON text; "" where it does not say. */
struct pt_client_refusal {
    struct pt_client_text code;
    struct pt_client_text detail;
};

/* False: there is no code. */
bool pt_client_refusal_parse(const char *body, size_t bytes, struct pt_client_refusal *refusal_out);

/* Is `body` a JSON object with a text member "code": a refusal by Playtrace, not by a proxy? */
bool pt_client_refusal_is_ours(const char *body, size_t bytes);

#endif
