// PlaytracePlatform.h - the core's platform table over the engine's hardware layer
#pragma once

#include "playtrace.h"

/** Clock, randomness, memory, files and (where the platform has them) threads; no transport. */
void PlaytracePlatformInit(struct playtrace_platform &Table);
