/*
 * hello_web.c - one event from a page to a Playtrace server
 *
 *     emcc -O2 hello_web.c ../client/core/(all).c ../src/wire/(all).c ../client/platform/sha256.c
 *         ../client/platform/aes_gcm.c ../client/platform/web/web.c
 *         -I../client/include -I../client -I../src
 *         --js-library ../client/platform/web/playtrace.jslib -o hello.html
 *
 * Serve hello.html, and tell the server the page's origin:
 *     PLAYTRACE_SERVER_CORS_ORIGINS=http://127.0.0.1:8000 playtrace serve --data my-game
 * What cannot be sent now stays in the browser, and the next visit sends it.
 */
#include "platform/web/playtrace_web.h"

#include <emscripten.h>
#include <stdio.h>

static const char *url = "http://127.0.0.1:8080";
static const char dir[] = "hello-queue"; /* a name in the page's IndexedDB */
static struct playtrace *p;

static void start(void)
{
    struct playtrace_options options;
    struct playtrace_event event;
    enum playtrace_status status = PLAYTRACE_OK;

    playtrace_options_init(&options);
    options.url = url;
    options.queue_dir = dir;
    options.user_id = "player-1";
    options.platform = "web";
    options.consent = PLAYTRACE_CONSENT_GIVEN; /* a game asks its player first */
    options.without_worker = true;             /* frame() pumps */
    options.queue_bytes_max = 4u << 20;        /* a browser holds it in memory too */
    status = playtrace_open(&p, &options);
    if (status != PLAYTRACE_OK) { /* BUSY: another tab has it */
        printf("hello: open: %s\n", playtrace_status_name(status));
        emscripten_cancel_main_loop();
        return;
    }
    playtrace_web_watch(p);
    playtrace_event_init(&event, "hello");
    playtrace_event_add_string(&event, "from", "web");
    playtrace_track_event(p, &event, NULL);
}

static void frame(void)
{
    if (p) {
        playtrace_pump(p);
    } else if (playtrace_web_load_state(dir) > PLAYTRACE_WEB_LOADING) {
        start();
    }
}

int main(int argc, char **argv)
{
    url = argc > 1 ? argv[1] : url;
    playtrace_web_load(dir);
    emscripten_set_main_loop(frame, 0, 0);
    return 0;
}
