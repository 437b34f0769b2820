/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What cmocka wants included before it, and a few helpers of the tests. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define UNIT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNIT_ASAN 1
#endif
#endif

static inline const char *unit_top_srcdir(void)
{
	const char *dir = getenv("top_srcdir");

	return dir ? dir : ".";
}
