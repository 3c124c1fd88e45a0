/*
 * bench_load.c - load of a constant rate, and connections that do nothing
 *
 *     bench_load bodies DIRECTORY EVENTS PLAYERS COUNT envelope|array
 *         writes COUNT bodies to DIRECTORY/body-N.json
 *     bench_load rate PORT PATH EVENTS PLAYERS CONNECTIONS REQUESTS_A_SECOND SECONDS
 *         sends requests on a timetable and prints latencies as one line of JSON. A latency counts
 * from the moment that the timetable names, so that a stall also counts for the requests that it
 * kept from being sent. The first second is not counted. bench_load idle PORT CONNECTIONS opens
 * connections, makes one request on each, prints "open N", and holds them until standard input ends
 */
#include "base/mem.h"
#include "collect/events.h"
#include "support/measure.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BODIES 64
#define WARM_UP_S 1.0
#define ANSWER_BYTES_MAX 4096

struct connection {
    int fd;
    double due; /* of the request under way */
    const struct pt_buf *request;
    size_t sent_bytes;
    size_t answer_bytes;
    struct connection *next_idle;
    char answer[ANSWER_BYTES_MAX];
};

struct load {
    int epoll;
    struct pt_buf requests[BODIES];
    struct connection *connections;
    struct connection *idle;
    double start;
    uint64_t done;
    uint64_t failed;
    double *latencies;
    size_t latency_count;
};

static void must(bool is_right, const char *what)
{
    if (!is_right) {
        fprintf(stderr, "bench_load: %s: %s\n", what, strerror(errno));
        exit(1);
    }
}

static double now_s(void)
{
    return measure_seconds(CLOCK_MONOTONIC);
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

    must(fd >= 0, "socket");
    must(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0, "connect");
    must(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0, "setsockopt");
    return fd;
}

/* ---- bodies ---- */

static size_t make_body(struct bench_events *events, int count, int players, bool has_envelope,
                        char **text)
{
    *text = pt_alloc(((size_t)count + 1) * BENCH_EVENT_BYTES_MAX);
    must(*text, "memory");
    return bench_body(events, count, players, has_envelope, *text, NULL);
}

static int write_bodies(char **argv)
{
    struct bench_events events = {.state = 12};
    long count = strtol(argv[5], NULL, 10);

    for (long i = 0; i < count; i++) {
        char *path = pt_strf("%s/body-%ld.json", argv[2], i + 1);
        char *text = NULL;
        size_t size =
            make_body(&events, (int)strtol(argv[3], NULL, 10), (int)strtol(argv[4], NULL, 10),
                      strcmp(argv[6], "array") != 0, &text);
        FILE *file = fopen(path, "w");

        must(file && fwrite(text, 1, size, file) == size && fclose(file) == 0, path);
        pt_free(text);
        pt_free(path);
    }
    return 0;
}

/* ---- a constant rate ---- */

static void watch(struct load *load, struct connection *connection, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = connection};

    must(epoll_ctl(load->epoll, EPOLL_CTL_MOD, connection->fd, &event) == 0, "epoll_ctl");
}

static void go_on_sending(struct load *load, struct connection *connection)
{
    while (connection->sent_bytes < connection->request->size) {
        ssize_t sent = send(connection->fd, connection->request->data + connection->sent_bytes,
                            connection->request->size - connection->sent_bytes, MSG_NOSIGNAL);

        if (sent < 0 && errno == EAGAIN) {
            watch(load, connection, EPOLLIN | EPOLLOUT);
            return;
        }
        must(sent > 0, "send");
        connection->sent_bytes += (size_t)sent;
    }
    watch(load, connection, EPOLLIN);
}

static void begin(struct load *load, double due)
{
    struct connection *connection = load->idle;

    load->idle = connection->next_idle;
    connection->due = due;
    connection->request = &load->requests[load->done++ % BODIES];
    connection->sent_bytes = 0;
    connection->answer_bytes = 0;
    go_on_sending(load, connection);
}

/* Whether the answer is whole: its headers, and Content-Length bytes behind them. */
static bool is_whole(struct connection *connection)
{
    const char *end = NULL;
    const char *length = NULL;

    connection->answer[connection->answer_bytes] = '\0';
    end = strstr(connection->answer, "\r\n\r\n");
    length = strcasestr(connection->answer, "content-length:");
    return end && length &&
           connection->answer_bytes >=
               (size_t)(end + 4 - connection->answer) + strtoul(length + 15, NULL, 10);
}

static void receive(struct load *load, struct connection *connection)
{
    ssize_t received = recv(connection->fd, connection->answer + connection->answer_bytes,
                            ANSWER_BYTES_MAX - 1 - connection->answer_bytes, 0);

    if (received < 0 && errno == EAGAIN) {
        return;
    }
    must(received > 0, "the server closed a connection");
    connection->answer_bytes += (size_t)received;
    if (!is_whole(connection)) {
        must(connection->answer_bytes < ANSWER_BYTES_MAX - 1, "an answer is too long");
        return;
    }
    load->failed += strncmp(connection->answer, "HTTP/1.1 202", 12) != 0;
    if (connection->due - load->start >= WARM_UP_S) {
        load->latencies[load->latency_count++] = now_s() - connection->due;
    }
    connection->next_idle = load->idle;
    load->idle = connection;
}

static void wait_for_answers(struct load *load, double until)
{
    struct epoll_event events[64];
    double left = until - now_s();
    struct timespec pause = {.tv_nsec = 0};
    int count = 0;

    left = left < 0 ? 0 : left > 0.5 ? 0.5 : left;
    pause.tv_nsec = (long)(left * 1e9);
    count = epoll_pwait2(load->epoll, events, 64, &pause, NULL);
    must(count >= 0 || errno == EINTR, "epoll_pwait2");
    for (int i = 0; i < count; i++) {
        if (events[i].events & EPOLLOUT) {
            go_on_sending(load, events[i].data.ptr);
        }
        if (events[i].events & ~(uint32_t)EPOLLOUT) {
            receive(load, events[i].data.ptr);
        }
    }
}

static double quantile_us(const struct load *load, double q)
{
    return load->latencies[(size_t)((double)(load->latency_count - 1) * q)] * 1e6;
}

static void open_load(struct load *load, char **argv)
{
    struct bench_events events = {.state = 34};
    long connections = strtol(argv[6], NULL, 10);

    for (int i = 0; i < BODIES; i++) {
        char *text = NULL;
        size_t size = make_body(&events, (int)strtol(argv[4], NULL, 10),
                                (int)strtol(argv[5], NULL, 10), true, &text);

        pt_buf_init(&load->requests[i], 64u << 20);
        pt_buf_appendf(&load->requests[i],
                       "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                       "Content-Length: %zu\r\n\r\n",
                       argv[3], size);
        pt_buf_append(&load->requests[i], text, size);
        must(!load->requests[i].has_failed, "memory");
        pt_free(text);
    }
    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    load->connections = pt_alloc_zero((size_t)connections * sizeof(*load->connections));
    must(load->epoll >= 0 && load->connections, "open");
    for (long i = 0; i < connections; i++) {
        struct connection *connection = &load->connections[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};

        connection->fd = connect_to(argv[2]);
        must(fcntl(connection->fd, F_SETFL, O_NONBLOCK) == 0, "fcntl");
        must(epoll_ctl(load->epoll, EPOLL_CTL_ADD, connection->fd, &event) == 0, "epoll_ctl");
        connection->next_idle = load->idle;
        load->idle = connection;
    }
}

static int run_rate(char **argv)
{
    static struct load load;
    double rate = strtod(argv[7], NULL);
    double seconds = strtod(argv[8], NULL);
    uint64_t total = (uint64_t)(rate * seconds);
    double end = 0;

    open_load(&load, argv);
    load.latencies = pt_alloc((total + 1) * sizeof(*load.latencies));
    must(load.latencies, "memory");
    load.start = now_s() + 0.05;
    while (load.done < total) {
        double due = load.start + (double)load.done / rate;

        if (load.idle && now_s() >= due) {
            begin(&load, due);
        } else {
            /* Without an idle connection only an answer helps, whenever it comes. */
            wait_for_answers(&load, load.idle ? due : due + 3600);
        }
    }
    end = now_s();
    while (load.latency_count + (uint64_t)(rate * WARM_UP_S) + 1 < total && now_s() < end + 10) {
        wait_for_answers(&load, now_s() + 0.1);
    }
    must(load.latency_count > 0, "no answer");
    qsort(load.latencies, load.latency_count, sizeof(*load.latencies), measure_compare);
    printf("{\"requests\":%zu,\"failed\":%llu,\"rate\":%.0f,\"p50_us\":%.0f,\"p90_us\":%.0f,"
           "\"p99_us\":%.0f,\"max_us\":%.0f}\n",
           load.latency_count, (unsigned long long)load.failed, (double)total / (end - load.start),
           quantile_us(&load, 0.5), quantile_us(&load, 0.9), quantile_us(&load, 0.99),
           quantile_us(&load, 1));
    return load.failed ? 1 : 0;
}

/* ---- idle connections ---- */

static int run_idle(char **argv)
{
    static const char request[] = "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    static char answer[1 << 16];
    long count = strtol(argv[3], NULL, 10);

    for (long i = 0; i < count; i++) {
        int fd = connect_to(argv[2]);

        must(send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) == sizeof(request) - 1, "send");
        must(recv(fd, answer, sizeof(answer), 0) > 0, "recv");
    }
    printf("open %ld\n", count);
    fflush(stdout);
    while (read(0, answer, sizeof(answer)) > 0) {
        continue;
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 7 && strcmp(argv[1], "bodies") == 0) {
        return write_bodies(argv);
    }
    if (argc == 9 && strcmp(argv[1], "rate") == 0) {
        return run_rate(argv);
    }
    if (argc == 4 && strcmp(argv[1], "idle") == 0) {
        return run_idle(argv);
    }
    fprintf(stderr, "usage: bench_load bodies DIRECTORY EVENTS PLAYERS COUNT envelope|array\n"
                    "       bench_load rate PORT PATH EVENTS PLAYERS CONNECTIONS RATE SECONDS\n"
                    "       bench_load idle PORT CONNECTIONS\n");
    return 2;
}
