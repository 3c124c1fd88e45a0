/*
 * signature.h - X-Playtrace-Signature: t=UNIX,v1=HEX
 *
 * v1 is HMAC-SHA256, under a shared secret, of the decimal t, a full stop and the body as it was
 * sent. It shows that a body was not made up by somebody who only saw the game's traffic; t bounds
 * how long a copy of it can be sent again. Pure: any thread.
 */
#ifndef PT_COLLECT_SIGNATURE_H
#define PT_COLLECT_SIGNATURE_H

#include "base/crypto.h"

/*
 * `secrets` are `count` keyed contexts: any may have signed, so that a secret can be replaced
 * without a gap. NULL: the signature is good. Otherwise why not, static text.
 */
const char *pt_signature_check(struct pt_span header, struct pt_span body, int64_t now_us,
                               int64_t window_us, struct pt_hmac *const *secrets, size_t count);

#endif
