/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration socket's clients: several at once, each as slow as it likes, none in the way of another or of us. */
#pragma once

#include <systemd/sd-event.h>

#include "tunnel/config.h"

#define UAPI_CLIENTS_MAX 32
/* Without any progress for so long a client is gone. */
#define UAPI_PATIENCE_US (30 * US_PER_SEC)

struct uapi_server;

/* fd: listening, non-blocking; the caller's. resident is copied. 0 or a negative errno. */
int uapi_server_new(struct uapi_server **ret, sd_event *event, int fd, struct control *c, const struct config_resident *resident);
struct uapi_server *uapi_server_free(struct uapi_server *s);
