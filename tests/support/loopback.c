/*
 * loopback.c - sockets with a limit, so that a server that says nothing fails a test
 */
#include "loopback.h"

#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#define LIMIT_SECONDS 60

uint16_t pt_test_port(const char *url)
{
    const char *colon = strrchr(url, ':');
    uint16_t port = 0;

    assert_non_null(colon);
    port = (uint16_t)strtoul(colon + 1, NULL, 10);
    assert_int_not_equal(port, 0);
    return port;
}

int pt_test_socket(void)
{
    const struct timeval limit = {.tv_sec = LIMIT_SECONDS};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)), 0);
    return fd;
}

bool pt_test_dial(int fd, uint16_t port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    return connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
}

int pt_test_connect(uint16_t port)
{
    int fd = pt_test_socket();

    assert_true(pt_test_dial(fd, port));
    return fd;
}

void pt_test_sleep_ms(int ms)
{
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

    nanosleep(&time, NULL);
}
