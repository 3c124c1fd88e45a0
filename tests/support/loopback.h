/*
 * loopback.h - a test's end of a connection to a server of this machine
 */
#ifndef PT_SUPPORT_LOOPBACK_H
#define PT_SUPPORT_LOOPBACK_H

#include <stdbool.h>
#include <stdint.h>

/* The port at the end of `url`, as pt_http_server_url() has it. */
uint16_t pt_test_port(const char *url);

/* A socket that is connected to nobody; its reads and writes fail after a minute. Close it. */
int pt_test_socket(void);

/* Connect `fd` to 127.0.0.1:`port`; false: nobody takes it. */
bool pt_test_dial(int fd, uint16_t port);

/* Both; whoever is not taken fails the test. */
int pt_test_connect(uint16_t port);

void pt_test_sleep_ms(int ms);

#endif
