/*
 * privacy.h - who a player is, without saying who
 *
 * A pseudonym is the first 16 bytes of HMAC-SHA256(HMAC-SHA256(key, kind), id) under a key that
 * never leaves keys/ (mode 0600). 128 bits keep 2^50 players apart.
 * Destroying the key makes every pseudonym unlinkable.
 */
#ifndef PT_PRIVACY_PRIVACY_H
#define PT_PRIVACY_PRIVACY_H

#include "base/io.h"
#include "wire/event.h"

struct pt_pseudonyms;

/*
 * Load the key in `keys_dir`. Where there is none, make one if `may_create` (a fresh data
 * directory), else PT_NOT_FOUND. PT_CORRUPT where the file is not a key. A key that data was
 * written under is never replaced, since that would split every player in two.
 */
enum pt_code pt_pseudonyms_open(struct pt_pseudonyms **pseudonyms_out, struct pt_io *io,
                                const char *keys_dir, bool may_create,
                                struct pt_error *err) PT_MUST_USE;
/* Under a random key that is kept nowhere: for a server that keeps nothing either. */
enum pt_code pt_pseudonyms_open_ephemeral(struct pt_pseudonyms **pseudonyms_out,
                                          struct pt_error *err) PT_MUST_USE;
void pt_pseudonyms_close(struct pt_pseudonyms *pseudonyms);

/* Any thread. */
void pt_pseudonym_user(const struct pt_pseudonyms *pseudonyms, struct pt_span user_id,
                       uint8_t pseudonym_out[PT_PSEUDONYM_BYTES]);
void pt_pseudonym_install(const struct pt_pseudonyms *pseudonyms, struct pt_span install_id,
                          uint8_t pseudonym_out[PT_PSEUDONYM_BYTES]);

#endif
