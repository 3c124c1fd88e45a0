/*
 * no_platform.c - a build without the default platform says so, and takes nothing else's place
 */
#include "playtrace.h"

#include <stdio.h>

int main(void)
{
    struct playtrace_options options;
    struct playtrace *p = NULL;

    playtrace_options_init(&options);
    options.url = "http://127.0.0.1:1";
    options.queue_dir = "queue";
    puts(playtrace_status_name(playtrace_open(&p, &options)));
    return p ? 1 : 0;
}
