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
	bool gone; /* the other end unplugged it: nothing more comes */
};

/* As a HID device. The pair is pid.codes' for tests, which no product has. */
#define TRANSPORT_VENDOR 0x1209
#define TRANSPORT_PRODUCT 0x0001
#define TRANSPORT_DESCRIPTOR_SIZE 34
extern const uint8_t transport_descriptor[TRANSPORT_DESCRIPTOR_SIZE];

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

#define TRANSPORT_USB_CONTROLLER "/sys/devices/platform/vhci_hcd.0"

/* What the device says of itself: ASCII. */
struct transport_usb_identity {
	char manufacturer[64], product[64], serial[64];
};

/* A USB device on the virtual host controller in that directory. Errors: those of opening it (-ENOENT: no module vhci-hcd;
 * -EACCES: it is root's). To plug it in: -EBUSY when all ports are taken. */
int transport_usb_new(struct transport **ret, const char *controller, const struct transport_usb_identity *identity,
	transport_report report, void *userdata);
