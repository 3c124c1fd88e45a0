/*
 * banned.h - functions that this project does not use
 *
 * Forced into every C file by the build. Each has a safe sibling: snprintf for
 * sprintf, pt_buf for strcat, strtol for atoi, gmtime_r or wire/rfc3339.h for gmtime, strtok_r
 * or spans for strtok.
 */
#ifndef PT_BANNED_H
#define PT_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PT_BANNED(name) pt_banned_function_##name

#undef strcpy
#define strcpy(a, b) PT_BANNED(strcpy)
#undef strcat
#define strcat(a, b) PT_BANNED(strcat)
#undef strncpy
#define strncpy(a, b, n) PT_BANNED(strncpy)
#undef strncat
#define strncat(a, b, n) PT_BANNED(strncat)
#undef sprintf
#define sprintf(...) PT_BANNED(sprintf)
#undef vsprintf
#define vsprintf(...) PT_BANNED(vsprintf)
#undef strtok
#define strtok(a, b) PT_BANNED(strtok)
#undef atoi
#define atoi(a) PT_BANNED(atoi)
#undef atol
#define atol(a) PT_BANNED(atol)
#undef atof
#define atof(a) PT_BANNED(atof)
#undef gmtime
#define gmtime(a) PT_BANNED(gmtime)
#undef localtime
#define localtime(a) PT_BANNED(localtime)
#undef gets
#define gets(a) PT_BANNED(gets)

#endif
