/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control thread's part in the program's event loop: kicks of the path threads, and deadlines. */
#pragma once

#include <systemd/sd-event.h>

#include "tunnel/control.h"

struct loop;

/* c is the caller's, initialised, and outlives it. 0 or a negative errno. */
int loop_new(struct loop **ret, sd_event *event, struct control *c);
struct loop *loop_free(struct loop *l);
