/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * org.freedesktop.Notifications on the session bus: one notification per key (a tunnel's interface), replaced in place. Shows it
 * again when another notification daemon takes over; without one it waits until there is.
 * https://specifications.freedesktop.org/notification-spec/
 */
#pragma once

#include <stddef.h>
#include <systemd/sd-bus.h>

#include "client/prompt.h"
#include "common/names.h"

struct notify;

/* The name of our .desktop file, by which a desktop keeps its settings for us. */
#define NOTIFY_DESKTOP_ENTRY WGFIDO_PROMPT_BUS_NAME
#define NOTIFY_ICON "wgfido"

/* bus is attached to an event loop by the caller, and outlives this. 0 or negative errno. */
int notify_new(struct notify **ret, sd_bus *bus,
	void (*clicked)(void *userdata, const char *key, enum prompt_action action), void *userdata);
/* Takes everything away. */
struct notify *notify_free(struct notify *n);

void notify_show(struct notify *n, const char *key, const struct prompt_card *card);
void notify_close(struct notify *n, const char *key);

/* For a body that is read as markup. Cut between characters where buf is too small. */
void notify_escape(char *buf, size_t size, const char *text);
