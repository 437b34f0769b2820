/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device's end of a USB/IP connection, without I/O: the kernel's Documentation/usb/usbip_protocol.rst, the part after a
 * device was attached. Bytes in, in pieces of any size; frames out through a callback.
 */
#pragma once

#include "token/soft/usb.h"

#define USBIP_HEADER_SIZE 48
#define USBIP_OUT_MAX 512	/* of what the host sends, so much is kept: no request of a token's is longer */
#define USBIP_WAITING_MAX 16	/* transfers that wait for a report */
#define USBIP_REPORTS_MAX 256	/* more than a longest message has */
#define USBIP_FRAME_MAX (USBIP_HEADER_SIZE + SOFTUSB_ANSWER_MAX)

struct usbip {
	struct softusb device;
	void (*send)(void *userdata, const uint8_t *frame, size_t len);
	void *userdata;

	uint8_t in[USBIP_HEADER_SIZE + USBIP_OUT_MAX];
	size_t have;
	uint32_t want; /* behind the header; known when that is there */

	uint32_t waiting[USBIP_WAITING_MAX]; /* sequence numbers, the first waits for longest */
	unsigned int n_waiting;
	uint8_t reports[USBIP_REPORTS_MAX][SOFTHID_REPORT_SIZE]; /* a ring */
	unsigned int first_report, n_reports;
};

/* device, send and userdata are set, the rest is zero. 0; -EPROTO: that is not USB/IP, and nothing more can be made of it. */
int usbip_receive(struct usbip *u, const uint8_t *data, size_t len);

/* To the transfer that waits for it, or the next. When nobody asks for too long, the oldest goes. */
void usbip_report(struct usbip *u, const uint8_t report[static SOFTHID_REPORT_SIZE]);

/*
 * In the text of vhci_hcd's "status": the first free port for a full-speed device that is not below *port. 0, or -EBUSY: there
 * is none.
 */
int usbip_free_port(unsigned int *port, const char *status);
