/*
 * certificate.c - what a certificate says of itself, and whether the server can use it
 */
#include "base/mem.h"
#include "http/http.h"
#include "http/tls.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>
#include <time.h>

#define FILE_BYTES_MAX ((size_t)1024 * 1024)

static bool time_of(const ASN1_TIME *time, int64_t *time_us_out)
{
    struct tm utc;

    memset(&utc, 0, sizeof(utc));
    if (ASN1_TIME_to_tm(time, &utc) != 1) {
        return false;
    }
    *time_us_out = (int64_t)timegm(&utc) * 1000000;
    return true;
}

enum pt_code pt_http_certificate_check(struct pt_io *io, const char *certificate_path,
                                       const char *key_path,
                                       struct pt_http_certificate *certificate_out,
                                       struct pt_error *err)
{
    struct pt_http_tls *tls = NULL;
    uint8_t *text = NULL;
    size_t size = 0;
    BIO *bio = NULL;
    X509 *certificate = NULL;
    enum pt_code code = pt_http_tls_open(&tls, io, certificate_path, key_path, err);

    *certificate_out = (struct pt_http_certificate){0};
    if (code) {
        return code;
    }
    pt_http_tls_close(tls);
    code = pt_io_read_all(io, certificate_path, FILE_BYTES_MAX, 1, &text, &size, err);
    if (code) {
        return code;
    }
    bio = BIO_new_mem_buf(text, (int)size);
    certificate = bio ? PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL) : NULL;
    if (!certificate ||
        !time_of(X509_get0_notBefore(certificate), &certificate_out->not_before_us) ||
        !time_of(X509_get0_notAfter(certificate), &certificate_out->not_after_us)) {
        code = pt_fail(err, PT_INVALID, "%s: its dates cannot be read", certificate_path);
    }
    X509_free(certificate);
    BIO_free(bio);
    pt_free(text);
    return code;
}
