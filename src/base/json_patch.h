/*
 * json_patch.h - changes to a JSON document: JSON Patch (RFC 6902) and Merge Patch (RFC 7396)
 *
 * A patch is parsed and checked once and applied to any number of documents. Applying is bounded in
 * memory and in work, so that no patch and no document can make it explode. One thread a patch.
 */
#ifndef PT_BASE_JSON_PATCH_H
#define PT_BASE_JSON_PATCH_H

#include "base/json.h"

#define PT_JSON_PATCH_BYTES_MAX (1u << 20)
#define PT_JSON_PATCH_OPS_MAX 1000

enum pt_json_patch_kind {
    PT_JSON_PATCH_AUTO,  /* an array is a JSON Patch, an object a Merge Patch */
    PT_JSON_PATCH_OPS,   /* RFC 6902 */
    PT_JSON_PATCH_MERGE, /* RFC 7396; any JSON value */
};

struct pt_json_patch;

/*
 * Read a patch (`text` is copied). PT_INVALID: not JSON, or no patch of that kind; `err` names the
 * operation by its index from 0 and what is wrong with it. PT_TOO_BIG, PT_NO_MEMORY. Pair with
 * pt_json_patch_destroy().
 */
enum pt_code pt_json_patch_create(struct pt_json_patch **patch_out, struct pt_span text,
                                  enum pt_json_patch_kind kind, struct pt_error *err) PT_MUST_USE;
void pt_json_patch_destroy(struct pt_json_patch *patch); /* NULL is fine */

/*
 * Append the patched document, minified, to `json_out`. Of equal keys in `document` the last one
 * counts. All operations are applied or none: PT_INVALID names the one that does not apply (a path
 * that is not there, a test that fails), without any value of the document. PT_TOO_BIG: the result
 * is larger or nests deeper (PT_JSON_DEPTH_MAX) than is taken, or asks for too much work. On
 * failure `json_out` is as before.
 */
enum pt_code pt_json_patch_apply(struct pt_json_patch *patch, struct pt_json document,
                                 struct pt_buf *json_out, struct pt_error *err) PT_MUST_USE;

#endif
