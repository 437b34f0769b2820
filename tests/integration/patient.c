/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded into a notification daemon that takes away after some seconds what nobody has clicked: on a busy machine that is before
 * the test has seen it. What would wait for seconds waits for an hour.
 */
#define _GNU_SOURCE
#include <dlfcn.h>

#define SOME_SECONDS 3u
#define HOUR 3600u

typedef int (*function_t)(void *);

unsigned int g_timeout_add(unsigned int ms, function_t f, void *data);
unsigned int g_timeout_add_seconds(unsigned int s, function_t f, void *data);

unsigned int g_timeout_add(unsigned int ms, function_t f, void *data)
{
	unsigned int (*next)(unsigned int, function_t, void *);

	*(void **)&next = dlsym(RTLD_NEXT, "g_timeout_add");
	return next(ms < SOME_SECONDS * 1000 ? ms : HOUR * 1000, f, data);
}

unsigned int g_timeout_add_seconds(unsigned int s, function_t f, void *data)
{
	unsigned int (*next)(unsigned int, function_t, void *);

	*(void **)&next = dlsym(RTLD_NEXT, "g_timeout_add_seconds");
	return next(s < SOME_SECONDS ? s : HOUR, f, data);
}
