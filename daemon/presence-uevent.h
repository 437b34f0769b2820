/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's uevent messages (lib/kobject_uevent.c): "ACTION@DEVPATH", NUL, then "KEY=value", NUL, each. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define UEVENT_MESSAGE_MAX 8192 /* the kernel's own limit is 2048 and the header */

enum uevent_action { UEVENT_ADD, UEVENT_REMOVE, UEVENT_OTHER };

/* Points into the message. */
struct uevent {
	enum uevent_action action;
	const char *devpath;   /* "/devices/..." */
	const char *subsystem;
	const char *devname;   /* "hidraw0"; NULL: it has no node */
};

/*
 * buf must stay as it is while ret is used. -EBADMSG for anything but a whole message of the kernel's: udevd's own
 * ("libudev" header), no final NUL, header and keys that disagree, a key twice.
 */
int uevent_parse(struct uevent *ret, const char *buf, size_t len);

/* A hidraw node went: *ret = its devpath. */
bool uevent_is_hidraw_removal(const struct uevent *u);
