/*
 * sign.h - X-Playtrace-Signature: t=UNIX,v1=HEX, as src/collect/signature.h checks it
 *
 * Only client/core includes this; the caller holds work_lock. The server takes a signature whose
 * time is near its own. A device whose clock is wrong learns the server's time from the Date of
 * the refusal, and signs by that from then on.
 */
#ifndef PT_CLIENT_SIGN_H
#define PT_CLIENT_SIGN_H

#include "playtrace.h"

#define PT_CLIENT_SIGN_ROOM_BYTES 24 /* before the body: the time as text and a full stop */
#define PT_CLIENT_SIGNATURE_BYTES 128

/*
 * Write the whole header line for `body` as it will be sent; the PT_CLIENT_SIGN_ROOM_BYTES before
 * it are overwritten. False: the platform could not compute it, and there is no header.
 */
bool pt_client_sign(struct playtrace *p, char *body, size_t bytes,
                    char header_out[PT_CLIENT_SIGNATURE_BYTES]);

/* A signature was refused by an answer of this Date. True: the clock was to blame, and the next
 * signature is made by the server's time. */
bool pt_client_sign_learn(struct playtrace *p, const char *date);

#endif
