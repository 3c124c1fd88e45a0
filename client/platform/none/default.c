/*
 * default.c - the default platform table of a build that has none
 *
 * For engines that bring every function themselves (PLAYTRACE_DEFAULT_PLATFORM=OFF): the table is
 * empty, and playtrace_open() without options.platform_table says INVALID.
 */
#include "playtrace.h"

#include <string.h>

void playtrace_platform_posix_init(struct playtrace_platform *platform)
{
    memset(platform, 0, sizeof(*platform));
}
