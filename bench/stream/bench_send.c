/*
 * bench_send.c - bodies of 100 events to a server, each event once, and simdjson's parse of them
 *
 *     bench_send PORT EVENTS SEED
 *
 * Sends EVENTS events (bodies of 100, of 20 players) over 32 connections as fast as they are
 * answered, and parses the same bodies beside that, before or after as SEED is odd or even. Prints
 * one line of JSON: events, seconds that sending took, CPU ns an event of the parse.
 */
#include "collect/events.h"
#include "collect/yardstick.h"
#include "stream/records.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#define PLAYERS 20
#define CONNECTIONS 32
#define PADDING 64
#define ANSWER_BYTES 4096

struct body {
    char *text; /* with simdjson's padding behind it */
    size_t size;
};

static struct body *make_bodies(size_t count, uint64_t seed)
{
    struct bench_events events = {.state = seed * UINT64_C(1000000007)};
    struct body *bodies = pt_alloc(count * sizeof(*bodies));
    char *text = pt_alloc((BENCH_BATCH_EVENTS + 1) * BENCH_EVENT_BYTES_MAX);

    bench_must(bodies && text, "memory");
    for (size_t i = 0; i < count; i++) {
        size_t size = bench_body(&events, BENCH_BATCH_EVENTS, PLAYERS, true, text, NULL);

        bodies[i] = (struct body){.text = pt_alloc_zero(size + PADDING), .size = size};
        bench_must(bodies[i].text, "memory");
        memcpy(bodies[i].text, text, size);
    }
    pt_free(text);
    return bodies;
}

/* CPU nanoseconds an event. */
static double parse_all(const struct body *bodies, size_t count)
{
    struct bench_dom *dom = bench_dom_create();
    double start = 0;

    bench_must(dom, "memory");
    for (size_t i = 0; i < count && i < 100; i++) { /* its own memory grows once */
        bench_must(bench_dom_parse(dom, (const uint8_t *)bodies[i].text, bodies[i].size), "parse");
    }
    start = bench_cpu_seconds();
    for (size_t i = 0; i < count; i++) {
        bench_must(bench_dom_parse(dom, (const uint8_t *)bodies[i].text, bodies[i].size), "parse");
    }
    start = bench_cpu_seconds() - start;
    bench_dom_destroy(dom);
    return start * 1e9 / ((double)count * BENCH_BATCH_EVENTS);
}

static int connect_to(const char *port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
        .sin_addr = {htonl(INADDR_LOOPBACK)},
    };
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    bench_must(fd >= 0, "socket");
    bench_must(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0, "connect");
    bench_must(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0, "setsockopt");
    return fd;
}

static void send_all(int fd, const char *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t sent = send(fd, data, bytes, MSG_NOSIGNAL);

        bench_must(sent > 0, "send");
        data += sent;
        bytes -= (size_t)sent;
    }
}

/* A 202 to its end: its head names its length. */
static void await_answer(int fd)
{
    char answer[ANSWER_BYTES];
    size_t size = 0;

    for (;;) {
        ssize_t got = recv(fd, answer + size, sizeof(answer) - 1 - size, 0);
        const char *head_end = NULL;
        const char *length = NULL;

        bench_must(got > 0, "the connection was closed");
        size += (size_t)got;
        answer[size] = '\0';
        head_end = strstr(answer, "\r\n\r\n");
        if (!head_end) {
            continue;
        }
        if (strncmp(answer, "HTTP/1.1 202", 12) != 0 || !strstr(head_end, "\"accepted\":100}")) {
            fprintf(stderr, "bench_send: not all was accepted: %s\n", answer);
            exit(1);
        }
        length = strcasestr(answer, "content-length:");
        bench_must(length, "an answer without length");
        if (size >= (size_t)(head_end + 4 - answer) + strtoul(length + 15, NULL, 10)) {
            return;
        }
    }
}

static double send_bodies(const char *port, const struct body *bodies, size_t count)
{
    int fds[CONNECTIONS];
    double start = 0;

    for (int i = 0; i < CONNECTIONS; i++) {
        fds[i] = connect_to(port);
    }
    start = bench_wall_seconds();
    for (size_t i = 0; i < count + CONNECTIONS; i++) {
        int fd = fds[i % CONNECTIONS];

        if (i >= CONNECTIONS && i - CONNECTIONS < count) {
            await_answer(fd);
        }
        if (i < count) {
            char head[160];
            int size = snprintf(head, sizeof(head),
                                "POST /v1/events HTTP/1.1\r\nHost: bench\r\nContent-Type: "
                                "application/json\r\nContent-Length: %zu\r\n\r\n",
                                bodies[i].size);

            send_all(fd, head, (size_t)size);
            send_all(fd, bodies[i].text, bodies[i].size);
        }
    }
    start = bench_wall_seconds() - start;
    for (int i = 0; i < CONNECTIONS; i++) {
        close(fds[i]);
    }
    return start;
}

int main(int argc, char **argv)
{
    size_t count = 0;
    uint64_t seed = 0;
    struct body *bodies = NULL;
    double parse_ns = 0;
    double wall = 0;

    if (argc != 4) {
        fprintf(stderr, "usage: bench_send PORT EVENTS SEED\n");
        return 2;
    }
    count = (size_t)strtoull(argv[2], NULL, 10) / BENCH_BATCH_EVENTS;
    seed = strtoull(argv[3], NULL, 10);
    bodies = make_bodies(count, seed);
    if (seed % 2) {
        parse_ns = parse_all(bodies, count);
    }
    wall = send_bodies(argv[1], bodies, count);
    if (seed % 2 == 0) {
        parse_ns = parse_all(bodies, count);
    }
    printf("{\"events\":%zu,\"seconds\":%.4f,\"parse_ns\":%.2f,\"body_bytes\":%zu}\n",
           count * BENCH_BATCH_EVENTS, wall, parse_ns, count ? bodies[0].size : 0);
    for (size_t i = 0; i < count; i++) {
        pt_free(bodies[i].text);
    }
    pt_free(bodies);
    return 0;
}
