/*
 * posix.h - the parts of the default platform table; each fills in its group
 */
#ifndef PT_CLIENT_POSIX_H
#define PT_CLIENT_POSIX_H

#include "playtrace.h"

void pt_client_files_posix_init(struct playtrace_platform *platform);
void pt_client_threads_posix_init(struct playtrace_platform *platform);
void pt_client_crypto_openssl_init(struct playtrace_platform *platform);
void pt_client_compress_zlib_init(struct playtrace_platform *platform);

#endif
