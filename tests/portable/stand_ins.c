/*
 * stand_ins.c - for 32 bits: the default transport, which has no 32-bit library here
 *
 * Tests that reach it are left out, or bring a transport of their own.
 */
#include "playtrace.h"

void *playtrace_http_curl_create(void *unused)
{
    (void)unused;
    return NULL;
}

void playtrace_http_curl_destroy(void *transport)
{
    (void)transport;
}

void playtrace_http_curl_post(void *transport, const struct playtrace_http_request *request,
                              struct playtrace_http_response *response)
{
    (void)transport;
    (void)request;
    response->status = 0;
}
