/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/presence-fixture.h"

static int timers;

int __wrap_sd_event_add_time_relative(sd_event *e, sd_event_source **s, clockid_t clock, uint64_t usec, uint64_t accuracy,
	sd_event_time_handler_t callback, void *userdata);
int __wrap_sd_event_add_time_relative(sd_event *e, sd_event_source **s, clockid_t clock, uint64_t usec, uint64_t accuracy,
	sd_event_time_handler_t callback, void *userdata)
{
	(void)e;
	(void)s;
	(void)clock;
	(void)usec;
	(void)accuracy;
	(void)callback;
	(void)userdata;
	timers++;
	return -ENOSYS;
}

static void on_added(void *userdata, const struct token_node *node)
{
	struct fixture *f = userdata;

	f->n_added++;
	f->added = *node;
}

static void on_removed(void *userdata, const char *id)
{
	struct fixture *f = userdata;

	f->n_removed++;
	snprintf(f->removed, sizeof(f->removed), "%s", id);
}

const struct presence_callbacks callbacks = { .added = on_added, .removed = on_removed };

int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	timers = 0;
	strcpy(f->dir, "/tmp/wgfido-presence-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	assert_int_equal(sd_event_new(&f->event), 0);
	*state = f;
	return 0;
}

int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	presence_free(f->p);
	sd_event_unref(f->event);
	snprintf(command, sizeof(command), "rm -rf '%s'", f->dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(timers, 0);
	free(f);
	return 0;
}

void turn(struct fixture *f)
{
	int r;

	while ((r = sd_event_run(f->event, 0)) > 0)
		;
	assert_int_equal(r, 0);
}
