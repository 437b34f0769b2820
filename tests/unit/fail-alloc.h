/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Allocations that fail on demand, where the linker wraps their function (-Wl,--wrap=calloc); the test defines fail_after. */
#pragma once

#include <stddef.h>

#include "common/secret.h"

/* The n-th allocation from now fails; -1: none does. */
extern long fail_after;

#define FAIL_ALLOC(type, function, parameters, arguments)                                                    \
	type __real_##function parameters;                                                                   \
	type __wrap_##function parameters;                                                                   \
	type __wrap_##function parameters                                                                    \
	{                                                                                                    \
		return fail_after >= 0 && fail_after-- == 0 ? NULL : __real_##function arguments;            \
	}
#define FAIL_MALLOC FAIL_ALLOC(void *, malloc, (size_t size), (size))
#define FAIL_CALLOC FAIL_ALLOC(void *, calloc, (size_t n, size_t size), (n, size))
#define FAIL_SODIUM_MALLOC FAIL_ALLOC(void *, sodium_malloc, (size_t size), (size))
#define FAIL_SECRET_NEW FAIL_ALLOC(struct secret *, secret_new, (size_t len), (len))
