/*
 * test_client_posix.c - the client's threads leave signals where they belong
 *
 * Promise: what is sent to the process reaches the game's threads, not ours. What a runtime sends
 * to one thread (a garbage collector that stops it) and what a fault raises gets through, or a game
 * in C# would stand still once our thread has called into it. Method: a thread of the table tells
 * its mask.
 */
#include "check.h"
#include "playtrace.h"

#include <pthread.h>
#include <signal.h>

static void tell_mask(void *arg)
{
    (void)pthread_sigmask(SIG_SETMASK, NULL, arg);
}

static void only_the_process_signals_are_blocked(void **state)
{
    static const int blocked[] = {SIGINT,  SIGTERM, SIGHUP,  SIGUSR1, SIGUSR2,
                                  SIGALRM, SIGPIPE, SIGCHLD, SIGQUIT};
    const int open[] = {SIGSEGV, SIGBUS, SIGFPE,  SIGILL,       SIGABRT,      SIGTRAP, SIGSYS,
                        SIGPROF, SIGPWR, SIGXCPU, SIGRTMIN + 0, SIGRTMIN + 1, SIGRTMAX};
    struct playtrace_platform platform;
    sigset_t before;
    sigset_t after;
    sigset_t seen;
    void *thread = NULL;

    (void)state;
    playtrace_platform_posix_init(&platform);
    (void)sigfillset(&seen);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &before);
    thread = platform.thread_start(platform.thread_ctx, tell_mask, &seen);
    PT_CHECK(thread);
    platform.thread_join(platform.thread_ctx, thread);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (size_t i = 0; i < sizeof(blocked) / sizeof(blocked[0]); i++) {
        PT_CHECK(sigismember(&seen, blocked[i]) == 1);
    }
    for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++) {
        PT_CHECK(sigismember(&seen, open[i]) == 0);
    }
    for (int number = 1; number < 32; number++) { /* the caller's mask is as it was */
        PT_CHECK(sigismember(&before, number) == sigismember(&after, number));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_process_signals_are_blocked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
