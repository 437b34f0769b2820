/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control thread's part in the program's event loop: kicks of the path threads, and deadlines. From loop_new to loop_free
 * the caller's thread holds the control lock (tunnel/device.h), but for where loop_run waits.
 */
#pragma once

#include <systemd/sd-event.h>

#include "tunnel/control.h"

struct loop;

/* event and c are the caller's, initialised, and outlive it. 0 or a negative errno. */
int loop_new(struct loop **ret, sd_event *event, struct control *c);
/* As sd_event_loop. */
int loop_run(struct loop *l);
struct loop *loop_free(struct loop *l);
