/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How reports come and go. The token is plugged in with transport_plug and unplugged with transport_free. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "token/soft/hid.h"

struct transport;

struct transport_ops {
	int (*fd)(struct transport *t); /* to poll for reading */
	int (*plug)(struct transport *t);
	void (*dispatch)(struct transport *t);
	void (*send)(struct transport *t, const uint8_t report[static SOFTHID_REPORT_SIZE]);
	void (*free)(struct transport *t);
};

typedef void (*transport_report)(void *userdata, const uint8_t report[static SOFTHID_REPORT_SIZE]);

struct transport {
	const struct transport_ops *ops;
	transport_report report;
	void *userdata;
};

/* One report per packet of a SOCK_SEQPACKET socket at path; all clients get all that the token sends, as with
 * hidraw. Errors: see server_open. */
int transport_unix_new(
	struct transport **ret, const char *path, mode_t mode, transport_report report, void *userdata);
