/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hidraw nodes that udev's 60-fido-id.rules marked as security keys. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-device.h>
#include <unistd.h>

#include "daemon/presence-internal.h"

struct presence_udev {
	struct presence *presence;
	sd_device_monitor *monitor;
};

static bool is_token(sd_device *d)
{
	const char *subsystem, *value;

	return sd_device_get_subsystem(d, &subsystem) >= 0 && strcmp(subsystem, "hidraw") == 0 &&
		sd_device_get_property_value(d, "ID_FIDO_TOKEN", &value) >= 0 && strcmp(value, "1") == 0;
}

static const char *parent_property(sd_device *d, const char *name)
{
	sd_device *parent;
	const char *value;

	if (sd_device_get_parent_with_subsystem_devtype(d, "hid", NULL, &parent) < 0 ||
	    sd_device_get_property_value(parent, name, &value) < 0)
		return "";
	return value;
}

/* The physical path (bus, port, interface) is stable for a port; it is cut from the front, where keys differ least. */
static void fill_id(struct token_node *node, sd_device *d, const char *sysname)
{
	const char *phys = parent_property(d, "HID_PHYS");
	size_t max = sizeof(node->id) - sizeof("hidraw-") - sizeof("~99") + 1, len = strlen(phys);
	char printable[sizeof(node->id)];

	if (len == 0)
		phys = sysname;
	else if (len > max)
		phys += len - max;
	presence_copy_printable(printable, sizeof(printable), phys);
	snprintf(node->id, sizeof(node->id), "hidraw-%.*s", (int)max, printable);
}

static int entry_from_device(struct presence_entry **ret, struct presence *p, sd_device *d, const char *devpath)
{
	struct presence_entry *e;
	const char *devname, *sysname;
	int r;

	r = sd_device_get_devname(d, &devname);
	if (r < 0)
		return r;
	r = sd_device_get_sysname(d, &sysname);
	if (r < 0)
		return r;
	if (strlen(devname) >= sizeof(e->node.path))
		return -ENAMETOOLONG;

	e = presence_entry_new(p, TOKEN_HIDRAW);
	if (!e)
		return -ENOMEM;
	e->syspath = strdup(devpath);
	if (!e->syspath) {
		presence_entry_free(e);
		return -ENOMEM;
	}
	strcpy(e->node.path, devname);
	fill_id(&e->node, d, sysname);
	presence_copy_printable(e->node.name, sizeof(e->node.name), parent_property(d, "HID_NAME"));
	if (e->node.name[0] == '\0')
		presence_copy_printable(e->node.name, sizeof(e->node.name), sysname);
	*ret = e;
	return 0;
}

/* A token is there: known already, or added. */
static int see(struct presence *p, sd_device *d)
{
	const char *devpath, *syspath;
	struct presence_entry *e;
	int r;

	r = sd_device_get_devpath(d, &devpath);
	if (r < 0)
		return r;
	e = presence_find_syspath(p, devpath);
	if (e) {
		e->seen = true;
		return 0;
	}
	/* udevd is behind the kernel: what it adds may have been pulled again, and the kernel's word of that been read already. */
	r = sd_device_get_syspath(d, &syspath);
	if (r < 0)
		return r;
	if (access(syspath, F_OK) < 0)
		return 0;
	r = entry_from_device(&e, p, d, devpath);
	if (r < 0)
		return r;
	e->seen = true;
	presence_add(p, e);
	return 0;
}

static int on_device(sd_device_monitor *m, sd_device *d, void *userdata)
{
	struct presence *p = userdata;
	sd_device_action_t action;
	struct presence_entry *e;
	const char *devpath;

	(void)m;
	if (sd_device_get_action(d, &action) < 0 || sd_device_get_devpath(d, &devpath) < 0)
		return 0;
	if (action == SD_DEVICE_REMOVE) {
		e = presence_find_syspath(p, devpath);
		if (e)
			presence_remove(p, e);
	} else if (is_token(d)) {
		(void)see(p, d);
	}
	return 0;
}

int presence_udev_new(struct presence_udev **ret, struct presence *p)
{
	struct presence_udev *u = calloc(1, sizeof(*u));
	int r;

	if (!u)
		return -ENOMEM;
	u->presence = p;
	r = sd_device_monitor_new(&u->monitor);
	if (r < 0)
		goto fail;
	r = sd_device_monitor_filter_add_match_subsystem_devtype(u->monitor, "hidraw", NULL);
	if (r < 0)
		goto fail;
	r = sd_device_monitor_attach_event(u->monitor, presence_event(p));
	if (r < 0)
		goto fail;
	r = sd_device_monitor_start(u->monitor, on_device, p);
	if (r < 0)
		goto fail;
	*ret = u;
	return 0;
fail:
	presence_udev_free(u);
	return r;
}

struct presence_udev *presence_udev_free(struct presence_udev *u)
{
	if (!u)
		return NULL;
	sd_device_monitor_unref(u->monitor);
	free(u);
	return NULL;
}

int presence_udev_enumerate(struct presence_udev *u)
{
	struct presence *p = u->presence;
	sd_device_enumerator *enumerator = NULL;
	struct presence_entry *e, *next;
	int r;

	r = sd_device_enumerator_new(&enumerator);
	if (r < 0)
		return r;
	r = sd_device_enumerator_add_match_subsystem(enumerator, "hidraw", true);
	if (r < 0)
		goto out;

	for (e = presence_first(p); e; e = e->next)
		e->seen = false;
	for (sd_device *d = sd_device_enumerator_get_device_first(enumerator); d; d = sd_device_enumerator_get_device_next(enumerator))
		if (is_token(d))
			(void)see(p, d);
	for (e = presence_first(p); e; e = next) {
		next = e->next;
		if (e->node.kind == TOKEN_HIDRAW && !e->seen)
			presence_remove(p, e);
	}
	r = 0;
out:
	sd_device_enumerator_unref(enumerator);
	return r;
}
