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

#define TRANSPORT_UHID_NODE "/dev/uhid"

/* What the kernel calls the device (HID_NAME, HID_PHYS, HID_UNIQ); cut to what fits. */
struct transport_uhid_identity {
	char name[128], phys[64], uniq[64];
};

/* A HID device of the kernel's, hidraw node and all. Errors: those of opening TRANSPORT_UHID_NODE, which is
 * root's. */
int transport_uhid_new(struct transport **ret, const struct transport_uhid_identity *identity,
	transport_report report, void *userdata);
/* The same on an open descriptor, which on success belongs to it. */
int transport_uhid_new_fd(struct transport **ret, int fd, const struct transport_uhid_identity *identity,
	transport_report report, void *userdata);
