/*
 * test_metrics.c - a metric is found again by name and labels, and rendered as Prometheus reads it
 *
 * Method: whole renderings are compared with texts written by hand; adds come from several
 * threads; every allocation fails once.
 */
#include "check.h"

#include "observe/observe.h"

#include <pthread.h>
#include <stdio.h>

static void renders_sorted_with_help_and_type_once(void **state)
{
    struct pt_metrics *metrics = pt_metrics_create();
    struct pt_buf out;

    (void)state;
    PT_CHECK(metrics);
    pt_buf_init(&out, 1 << 16);
    pt_metric_add(
        pt_metrics_get(metrics, PT_COUNTER, "pt_refused_total", "code=\"late\"", "Refused."), 3);
    pt_metric_set(pt_metrics_get(metrics, PT_GAUGE, "pt_lag_us", NULL, "Behind\nthe \\ log."), -5);
    pt_metric_add(
        pt_metrics_get(metrics, PT_COUNTER, "pt_refused_total", "code=\"bad_uuid\"", "Refused."),
        7);
    pt_metric_add(pt_metrics_get(metrics, PT_COUNTER, "pt_refused", NULL, NULL), 1);
    pt_metrics_render(metrics, &out);
    pt_buf_append_byte(&out, 0);
    assert_string_equal((const char *)out.data, "# HELP pt_lag_us Behind\\nthe \\\\ log.\n"
                                                "# TYPE pt_lag_us gauge\n"
                                                "pt_lag_us -5\n"
                                                "# HELP pt_refused \n"
                                                "# TYPE pt_refused counter\n"
                                                "pt_refused 1\n"
                                                "# HELP pt_refused_total Refused.\n"
                                                "# TYPE pt_refused_total counter\n"
                                                "pt_refused_total{code=\"bad_uuid\"} 7\n"
                                                "pt_refused_total{code=\"late\"} 3\n");
    pt_buf_release(&out);
    pt_metrics_destroy(metrics);
}

static void asking_again_gives_the_same_metric(void **state)
{
    struct pt_metrics *metrics = pt_metrics_create();
    struct pt_metric *kept[1000];
    char labels[32];

    (void)state;
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(labels, sizeof(labels), "n=\"%d\"", i * 7919 % 1000);
        kept[i] = pt_metrics_get(metrics, PT_GAUGE, "pt_n", labels, "N.");
        PT_CHECK(kept[i]);
        pt_metric_set(kept[i], i);
    }
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(labels, sizeof(labels), "n=\"%d\"", i * 7919 % 1000);
        PT_CHECK(pt_metrics_get(metrics, PT_GAUGE, "pt_n", labels, "N.") == kept[i]);
        PT_CHECK(pt_metric_read(kept[i]) == i);
    }
    pt_metrics_destroy(metrics);
}

static void the_registry_has_an_end(void **state)
{
    struct pt_metrics *metrics = pt_metrics_create();
    char labels[32];

    (void)state;
    for (int i = 0; i < 10000; i++) {
        (void)snprintf(labels, sizeof(labels), "n=\"%05d\"", i);
        PT_CHECK(pt_metrics_get(metrics, PT_COUNTER, "pt_n_total", labels, ""));
    }
    PT_CHECK(!pt_metrics_get(metrics, PT_COUNTER, "pt_n_total", "n=\"x\"", ""));
    pt_metric_add(NULL, 1); /* what the caller then does */
    PT_CHECK(pt_metric_read(NULL) == 0);
    PT_CHECK(pt_metrics_get(metrics, PT_COUNTER, "pt_n_total", "n=\"00001\"", ""));
    pt_metrics_destroy(metrics);
}

static void *add_many(void *arg)
{
    struct pt_metrics *metrics = arg;

    for (int i = 0; i < 20000; i++) {
        pt_metric_add(pt_metrics_get(metrics, PT_COUNTER, "pt_shared_total", NULL, "S."), 1);
    }
    return NULL;
}

static void no_add_of_any_thread_is_lost(void **state)
{
    struct pt_metrics *metrics = pt_metrics_create();
    struct pt_buf out;
    pthread_t threads[4];

    (void)state;
    pt_buf_init(&out, 1 << 20);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, metrics), 0);
    }
    for (int i = 0; i < 100; i++) {
        pt_metrics_render(metrics, &out);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    PT_CHECK(pt_metric_read(pt_metrics_get(metrics, PT_COUNTER, "pt_shared_total", NULL, "S.")) ==
             80000);
    pt_buf_release(&out);
    pt_metrics_destroy(metrics);
}

static void no_failed_allocation_breaks_the_registry(void **state)
{
    bool has_fired = true;

    (void)state;
    for (unsigned nth = 1; has_fired; nth++) {
        struct pt_metrics *metrics = NULL;
        struct pt_metric *metric = NULL;

        pt_mem_fail_after(nth);
        metrics = pt_metrics_create();
        if (metrics) {
            metric = pt_metrics_get(metrics, PT_GAUGE, "pt_one", "a=\"b\"", "One.");
        }
        has_fired = pt_mem_fault_fired();
        pt_mem_fail_after(0);
        PT_CHECK(has_fired == !metric);
        if (metrics) {
            PT_CHECK(pt_metrics_get(metrics, PT_GAUGE, "pt_one", "a=\"b\"", "One."));
        }
        pt_metrics_destroy(metrics);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(renders_sorted_with_help_and_type_once),
        cmocka_unit_test(asking_again_gives_the_same_metric),
        cmocka_unit_test(the_registry_has_an_end),
        cmocka_unit_test(no_add_of_any_thread_is_lost),
        cmocka_unit_test(no_failed_allocation_breaks_the_registry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
