/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A software token's UNIX socket, SOCK_SEQPACKET: one 64-byte report a packet. Plugged = it accepts. */
#pragma once

#include "token/transport.h"

#define SEQPACKET_REPORT_SIZE 64

/* path is copied; -ENAMETOOLONG when no socket can have it. Free with seqpacket_free. */
int seqpacket_new(struct transport **ret, const char *path, struct clock *clock);
struct transport *seqpacket_free(struct transport *t);
