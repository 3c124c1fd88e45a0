/*
 * hello.c - one event from a C program to a Playtrace server
 *
 *     cc hello.c $(pkg-config --cflags --libs playtrace) -o hello
 *     ./hello http://127.0.0.1:8080 ./hello-queue
 *
 * What cannot be sent now stays in the directory, and the next run sends it.
 */
#include <playtrace.h>

#include <stdio.h>

int main(int argc, char **argv)
{
    struct playtrace_options options;
    struct playtrace_event event;
    struct playtrace *p = NULL;
    enum playtrace_status status = PLAYTRACE_OK;

    playtrace_options_init(&options);
    options.url = argc > 1 ? argv[1] : "http://127.0.0.1:8080";
    options.queue_dir = argc > 2 ? argv[2] : "hello-queue";
    options.user_id = "player-1";
    options.platform = "pc";
    options.consent = PLAYTRACE_CONSENT_GIVEN; /* a game asks its player first */

    status = playtrace_open(&p, &options);
    if (status != PLAYTRACE_OK) {
        fprintf(stderr, "hello: open: %s\n", playtrace_status_name(status));
        return 1;
    }
    playtrace_event_init(&event, "hello");
    playtrace_event_add_string(&event, "from", "c");
    playtrace_event_add_int(&event, "level", 7);
    playtrace_event_add_bool(&event, "won", true);
    status = playtrace_track_event(p, &event, NULL);
    if (status != PLAYTRACE_OK) {
        fprintf(stderr, "hello: track: %s\n", playtrace_status_name(status));
    }
    status = playtrace_close(p, 5000);
    if (status != PLAYTRACE_OK) {
        fprintf(stderr, "hello: close: %s: kept for the next run\n", playtrace_status_name(status));
        return 1;
    }
    printf("delivered\n");
    return 0;
}
