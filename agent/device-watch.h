/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The half of device_watch that is about userspace sockets: *.sock in a directory that may not exist yet. */
#pragma once

#include "agent/device.h"

struct device_watch_dir;
/* event as in device.h; present: somebody listens on the socket; NULL: the kernel dropped events. -ENAMETOOLONG, -ENOMEM... */
int device_watch_dir_new(struct device_watch_dir **ret, const char *path, device_watch_event_t event, void *userdata);
/* To poll: inotify's, and that of a timer. */
int device_watch_dir_fd(const struct device_watch_dir *d);
int device_watch_dir_timer_fd(const struct device_watch_dir *d);
int device_watch_dir_read(struct device_watch_dir *d);
struct device_watch_dir *device_watch_dir_free(struct device_watch_dir *d);
