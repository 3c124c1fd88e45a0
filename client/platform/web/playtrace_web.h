/*
 * playtrace_web.h - the platform table of a browser: emscripten, Unity's WebGL
 *
 *     playtrace_web_load("playtrace"); once, early; then each frame, until it is not LOADING:
 *
 *     if (playtrace_web_load_state("playtrace") >= PLAYTRACE_WEB_READY) {
 *         options.queue_dir = "playtrace";
 *         options.without_worker = true;
 *         playtrace_open(&p, &options);
 *         playtrace_web_watch(p);
 *     }
 *
 *     playtrace_pump(p); each frame
 *
 * Compile core/, src/wire, platform/sha256.c, aes_gcm.c and web.c, and link with --js-library
 * playtrace.jslib (Unity: all of them in Assets/Plugins/WebGL, or in a package). One thread, no
 * mmap, no waiting.
 *
 * Promises. Files are read from IndexedDB once, by load, and written back after every change, all
 * files that changed in one transaction: so what the browser keeps is the queue at one moment, and
 * an event is safe once playtrace_web_is_stored() says so, some milliseconds after the pump that
 * followed its track(). Saving goes on after playtrace_close() by itself. Requests are fetch(),
 * with keepalive where the body is small enough, so that the one on its way outlives the page; its
 * events leave the queue by a receipt alone, so they are sent again, and the server drops repeats.
 * playtrace_flush() and playtrace_close() with a timeout cannot wait for the network here, as no
 * answer comes while they run: pump instead.
 */
#ifndef PLAYTRACE_WEB_H
#define PLAYTRACE_WEB_H

#include "playtrace.h"

#ifdef __cplusplus
extern "C" {
#endif

enum playtrace_web_state {
    PLAYTRACE_WEB_UNKNOWN = 0, /* nobody asked for it to be loaded */
    PLAYTRACE_WEB_LOADING,
    PLAYTRACE_WEB_BUSY,  /* another tab has it: playtrace_open() says PLAYTRACE_BUSY */
    PLAYTRACE_WEB_READY, /* playtrace_open() may be called */
    /* May be opened too, but the browser keeps nothing (a private window, storage denied): events
     * live as long as the page. */
    PLAYTRACE_WEB_UNSTORED,
};

/*
 * Begin to load what the browser keeps under `dir`, a name of the game's choice within the page's
 * origin. A tab that has it keeps it until its page is gone (Web Locks; a page over plain HTTP has
 * none, and two tabs of it are not kept apart). A second call for the same `dir` does nothing,
 * unless the first ended BUSY: then it is tried again.
 */
void playtrace_web_load(const char *dir);
enum playtrace_web_state playtrace_web_load_state(const char *dir);

/* True: everything that was written so far is in IndexedDB. */
bool playtrace_web_is_stored(const char *dir);

/*
 * From now on playtrace_pause() is called where the page is hidden or left, which also saves and
 * sends one batch, and playtrace_resume() where it is seen again. NULL ends it, and must be called
 * before playtrace_close(). One client at a time.
 */
void playtrace_web_watch(struct playtrace *p);

/* Also what playtrace_open() takes without a table. */
void playtrace_platform_web_init(struct playtrace_platform *platform);

#ifdef __cplusplus
}
#endif
#endif
