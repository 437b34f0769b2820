/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/encoding.h"
#include "common/window-plan.h"

#define HOUR SCHEDULE_EPOCH_SECONDS

static int parse_hour(uint32_t *ret_seconds, const char *text)
{
	unsigned int hour;

	/* "04:00" or "4:00" */
	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	hour = (unsigned int)(*text++ - '0');
	if (*text >= '0' && *text <= '9')
		hour = hour * 10 + (unsigned int)(*text++ - '0');
	if (strcmp(text, ":00") != 0 || hour > 23)
		return -EINVAL;
	*ret_seconds = hour * HOUR;
	return 0;
}

int window_plan_parse(struct window_plan *ret, const char *text)
{
	const size_t word = strcspn(text, " \t");
	const char *rest = text + word + strspn(text + word, " \t");
	struct window_plan plan = { 0 };
	char duration[32];
	uint64_t seconds;

	if (word >= sizeof(duration))
		return -EINVAL;
	memcpy(duration, text, word);
	duration[word] = '\0';
	if (duration_parse(&seconds, duration) < 0 || seconds < HOUR || seconds > WINDOW_SECONDS_MAX || seconds % HOUR != 0)
		return -EINVAL;
	plan.seconds = (uint32_t)seconds;
	if (*rest) {
		if (strncasecmp(rest, "at", 2) != 0 || (rest[2] != ' ' && rest[2] != '\t'))
			return -EINVAL;
		rest += 2;
		if (parse_hour(&plan.offset, rest + strspn(rest, " \t")) < 0)
			return -EINVAL;
	}
	/* Windows of 12 hours that begin at 16:00 begin at 04:00 as well. */
	plan.offset %= plan.seconds;
	*ret = plan;
	return 0;
}

const char *window_plan_format(char buf[static WINDOW_PLAN_TEXT_MAX], const struct window_plan *plan)
{
	int n = snprintf(buf, WINDOW_PLAN_TEXT_MAX, "%uh", plan->seconds / HOUR);

	if (plan->offset)
		(void)snprintf(buf + n, WINDOW_PLAN_TEXT_MAX - (size_t)n, " at %02u:00", plan->offset / HOUR);
	return buf;
}

struct schedule_window window_at(const struct window_plan *plan, uint64_t unix_seconds)
{
	const uint64_t since = unix_seconds > plan->offset ? unix_seconds - plan->offset : 0;
	const uint64_t start = since - since % plan->seconds + plan->offset;

	return (struct schedule_window){ .start = start, .end = start + plan->seconds };
}
