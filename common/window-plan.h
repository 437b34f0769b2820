/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How window keys divide time: "24h at 04:00" is a window a day that begins at 04:00 UTC; "12h" are two, at 00:00 and 12:00. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/schedule.h"

#define WINDOW_SECONDS_DEFAULT 86400u
#define WINDOW_SECONDS_MAX (7u * 86400u)

struct window_plan {
	uint32_t seconds; /* whole hours, one hour to seven days */
	uint32_t offset;  /* of each start, from a multiple of seconds in unix time; whole hours, less than seconds and than a day */
};
#define WINDOW_PLAN_DEFAULT ((struct window_plan){ .seconds = WINDOW_SECONDS_DEFAULT })

/* A duration (duration_parse), then maybe "at HH:00". -EINVAL. */
int window_plan_parse(struct window_plan *ret, const char *text);
#define WINDOW_PLAN_ALLOWED "whole hours from 1h to 7d, such as 24h, 12h or \"24h at 04:00\" (UTC)"
#define WINDOW_PLAN_TEXT_MAX 32
/* window_plan_parse reads it again. Returns buf. */
const char *window_plan_format(char buf[static WINDOW_PLAN_TEXT_MAX], const struct window_plan *plan);
/* The window that this moment is in. A moment before the first one that there is (in 1970) is taken for its start. */
struct schedule_window window_at(const struct window_plan *plan, uint64_t unix_seconds);
