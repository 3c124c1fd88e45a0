/*
 * hello.cpp - one event from a C++17 program to a Playtrace server
 *
 *     c++ -std=c++17 hello.cpp $(pkg-config --cflags --libs playtrace) -o hello
 *     ./hello http://127.0.0.1:8080 ./hello-queue
 */
#include <playtrace.hpp>

#include <cstdio>

int main(int argc, char **argv)
{
    Playtrace::Client client;
    Playtrace::Options options(argc > 1 ? argv[1] : "http://127.0.0.1:8080",
                               argc > 2 ? argv[2] : "hello-queue");

    options.user_id("player-1").platform("pc");
    options.consent(PLAYTRACE_CONSENT_GIVEN); // a game asks its player first

    Playtrace::Status status = client.open(options);
    if (status != PLAYTRACE_OK) {
        std::fprintf(stderr, "hello: open: %s\n", Playtrace::status_name(status));
        return 1;
    }
    status = client.track("hello", {{"from", "c++"}, {"level", 7}, {"won", true}});
    if (status != PLAYTRACE_OK) {
        std::fprintf(stderr, "hello: track: %s\n", Playtrace::status_name(status));
    }
    status = client.close(5000);
    if (status != PLAYTRACE_OK) {
        std::fprintf(stderr, "hello: close: %s: kept for the next run\n",
                     Playtrace::status_name(status));
        return 1;
    }
    std::puts("delivered");
    return 0;
}
