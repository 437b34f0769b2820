/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The token as a USB device, without I/O: descriptors and what the control endpoint answers (USB 2.0 chapter 9, HID 1.11
 * chapter 7). One configuration, one interface, an interrupt endpoint each way for the reports.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "token/soft/transport.h"

#define SOFTUSB_SETUP_SIZE 8
#define SOFTUSB_IN 1  /* endpoint numbers */
#define SOFTUSB_OUT 2
#define SOFTUSB_ANSWER_MAX 256

struct softusb {
	struct transport_usb_identity identity;
	uint8_t configuration;
	transport_report report;
	void *userdata;
};

/*
 * One control transfer: out is its data stage when the setup packet says that the host sends one. The answer's length, already
 * cut to what the host asked for; or -EPIPE, a stall: there is no such request.
 */
int softusb_control(struct softusb *u, const uint8_t setup[static SOFTUSB_SETUP_SIZE], const uint8_t *out, size_t out_len,
	uint8_t answer[static SOFTUSB_ANSWER_MAX]);
