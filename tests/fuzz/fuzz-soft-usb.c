/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device's end of USB/IP: what the host sends, in pieces, between reports of the token's. Every frame that comes out is an
 * answer of the length that it says, and no transfer is answered that was not asked for.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "token/soft/usbip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t word(const uint8_t *frame, size_t at)
{
	uint32_t v;

	memcpy(&v, frame + at, 4);
	return ntohl(v);
}

static void on_send(void *userdata, const uint8_t *frame, size_t len)
{
	uint32_t command = word(frame, 0), length = word(frame, 24);

	(void)userdata;
	if (command != 3 && command != 4)
		abort();
	if (len < USBIP_HEADER_SIZE || len > USBIP_FRAME_MAX)
		abort();
	if (len > USBIP_HEADER_SIZE && (command != 3 || length != len - USBIP_HEADER_SIZE))
		abort();
	if ((int32_t)word(frame, 20) < 0 && len != USBIP_HEADER_SIZE)
		abort();
}

static void on_report(void *userdata, const uint8_t report[static SOFTHID_REPORT_SIZE])
{
	struct usbip *u = userdata;

	usbip_report(u, report); /* an echo */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct usbip u;

	memset(&u, 0, sizeof(u));
	u = (struct usbip){.send = on_send,
		.device = {.identity = {"maker", "a key", "0123"}, .report = on_report, .userdata = &u}};
	u.device.configuration = 1;
	while (size > 0) {
		size_t n = data[0] ? data[0] : USBIP_HEADER_SIZE;

		data++;
		size--;
		n = n < size ? n : size;
		if (usbip_receive(&u, data, n) < 0)
			break;
		if (u.have > sizeof(u.in) || u.n_waiting > USBIP_WAITING_MAX || u.n_reports > USBIP_REPORTS_MAX ||
			(u.n_waiting > 0 && u.n_reports > 0))
			abort();
		data += n;
		size -= n;
	}
	return 0;
}
