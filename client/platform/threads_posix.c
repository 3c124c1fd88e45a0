/*
 * threads_posix.c - the default platform's threads
 *
 * Conditions wait by the monotonic clock. The worker takes no signals that are sent to the game.
 */
#include "platform/posix.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

struct thread {
    pthread_t id;
    void (*run)(void *arg);
    void *arg;
};

#ifndef NDEBUG

/* What this thread holds: the client takes two at most. A signal's handler sees the same. */
#define HELD_MAX 4
static __thread void *held[HELD_MAX];

static void exchange_held(const void *from, void *to)
{
    for (int i = 0; i < HELD_MAX; i++) {
        if (held[i] == from) {
            held[i] = to;
            return;
        }
    }
}

static bool mutex_is_mine(void *ctx, void *mutex)
{
    bool is_mine = false;

    (void)ctx;
    for (int i = 0; i < HELD_MAX; i++) {
        is_mine = is_mine || held[i] == mutex;
    }
    return is_mine;
}

#endif

static void *mutex_create(void *ctx)
{
    pthread_mutex_t *mutex = malloc(sizeof(pthread_mutex_t));

    (void)ctx;
    if (mutex && pthread_mutex_init(mutex, NULL) != 0) {
        free(mutex);
        mutex = NULL;
    }
    return mutex;
}

static void mutex_destroy(void *ctx, void *mutex)
{
    (void)ctx;
    (void)pthread_mutex_destroy(mutex);
    free(mutex);
}

static void mutex_lock(void *ctx, void *mutex)
{
    (void)ctx;
#ifndef NDEBUG
    exchange_held(NULL, mutex); /* before: a handler may strike while it waits, too */
#endif
    (void)pthread_mutex_lock(mutex);
}

static void mutex_unlock(void *ctx, void *mutex)
{
    (void)ctx;
    (void)pthread_mutex_unlock(mutex);
#ifndef NDEBUG
    exchange_held(mutex, NULL);
#endif
}

static void *cond_create(void *ctx)
{
    pthread_cond_t *cond = malloc(sizeof(pthread_cond_t));
    pthread_condattr_t attributes;

    (void)ctx;
    if (!cond || pthread_condattr_init(&attributes) != 0) {
        free(cond);
        return NULL;
    }
    if (pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) != 0 ||
        pthread_cond_init(cond, &attributes) != 0) {
        free(cond);
        cond = NULL;
    }
    (void)pthread_condattr_destroy(&attributes);
    return cond;
}

static void cond_destroy(void *ctx, void *cond)
{
    (void)ctx;
    (void)pthread_cond_destroy(cond);
    free(cond);
}

static void cond_wait(void *ctx, void *cond, void *mutex, uint32_t timeout_ms)
{
    struct timespec until = {0};

    (void)ctx;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(timeout_ms / 1000);
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    (void)pthread_cond_timedwait(cond, mutex, &until);
}

static void cond_broadcast(void *ctx, void *cond)
{
    (void)ctx;
    (void)pthread_cond_broadcast(cond);
}

static void *thread_main(void *arg)
{
    struct thread *thread = arg;

    thread->run(thread->arg);
    return NULL;
}

/*
 * Signals that are sent to the process. Not those that a runtime sends to one thread: a garbage
 * collector stops the threads that ran managed code by one (Mono's: SIGPWR, SIGXCPU, real-time
 * ones) and waits for ever where it is blocked. And not faults, which somebody's crash handler, or
 * a runtime's null check, must see.
 */
static const int games_signals[] = {
    SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2,  SIGALRM, SIGPIPE,
    SIGCHLD, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG,  SIGWINCH, SIGIO,
};

static void *thread_start(void *ctx, void (*run)(void *arg), void *arg)
{
    struct thread *thread = malloc(sizeof(*thread));
    sigset_t games;
    sigset_t before;
    int result = 0;

    (void)ctx;
    if (!thread) {
        return NULL;
    }
    thread->run = run;
    thread->arg = arg;
    (void)sigemptyset(&games);
    for (size_t i = 0; i < sizeof(games_signals) / sizeof(games_signals[0]); i++) {
        (void)sigaddset(&games, games_signals[i]);
    }
    (void)pthread_sigmask(SIG_BLOCK, &games, &before);
    result = pthread_create(&thread->id, NULL, thread_main, thread);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result != 0) {
        free(thread);
        thread = NULL;
    }
    return thread;
}

static void thread_join(void *ctx, void *handle)
{
    struct thread *thread = handle;

    (void)ctx;
    (void)pthread_join(thread->id, NULL);
    free(thread);
}

void pt_client_threads_posix_init(struct playtrace_platform *platform)
{
    platform->mutex_create = mutex_create;
    platform->mutex_destroy = mutex_destroy;
    platform->mutex_lock = mutex_lock;
    platform->mutex_unlock = mutex_unlock;
    platform->cond_create = cond_create;
    platform->cond_destroy = cond_destroy;
    platform->cond_wait = cond_wait;
    platform->cond_broadcast = cond_broadcast;
    platform->thread_start = thread_start;
    platform->thread_join = thread_join;
#ifndef NDEBUG
    platform->mutex_is_mine = mutex_is_mine;
#endif
}
