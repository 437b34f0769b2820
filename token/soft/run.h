/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A token that is plugged in: state, authenticator, CTAPHID, transport and finger in one poll loop. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "token/soft/hid.h"
#include "token/soft/x25519.h"

enum run_touch { RUN_TOUCH_AUTO, RUN_TOUCH_MANUAL, RUN_TOUCH_TTY };

struct run_options {
	const char *state, *name;
	const char *socket;  /* NULL with uhid or usb */
	const char *control; /* NULL: beside the socket, if there is one */
	bool uhid, usb;
	enum run_touch touch;
	mode_t socket_mode;
	bool no_hmac_secret, no_x25519, quiet;
	enum softhid_misbehaviour misbehaviour;
	uint8_t misbehaving; /* the command */
	enum soft_x25519_lie lie;
	unsigned int honest_first;
	uint64_t slow_us;
};

/* Until SIGTERM or SIGINT: 0; or what broke, already logged: a negative errno. */
int run_token(const struct run_options *o);
