/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/soft/usb.h"

#include <errno.h>
#include <linux/hid.h>
#include <linux/usb/ch9.h>
#include <string.h>

/* HID 1.11 section 7.1 */
#define HID_DESCRIPTOR_TYPE 0x21
#define HID_REPORT_DESCRIPTOR_TYPE 0x22
#define HID_OUTPUT_REPORT_TYPE 2

#define FROM_DEVICE (USB_DIR_IN | USB_RECIP_DEVICE)
#define FROM_INTERFACE (USB_DIR_IN | USB_RECIP_INTERFACE)
#define FROM_ENDPOINT (USB_DIR_IN | USB_RECIP_ENDPOINT)
#define TO_CLASS (USB_DIR_OUT | USB_TYPE_CLASS | USB_RECIP_INTERFACE)

#define CONFIGURATION 1
#define CONFIGURATION_SIZE (9 + 9 + 9 + 7 + 7)
#define ENDPOINT_INTERVAL_MS 1

enum { STRING_LANGUAGES, STRING_MANUFACTURER, STRING_PRODUCT, STRING_SERIAL };

struct request {
	uint8_t type, request;
	uint16_t value, index, length;
};

static const uint8_t device_descriptor[] = {
	18, USB_DT_DEVICE,
	0x00, 0x02,			     /* USB 2.0: no BOS descriptor to be asked for */
	0, 0, 0,			     /* the interface says what it is */
	SOFTHID_REPORT_SIZE,		     /* of endpoint 0 */
	TRANSPORT_VENDOR & 0xff, TRANSPORT_VENDOR >> 8, TRANSPORT_PRODUCT & 0xff, TRANSPORT_PRODUCT >> 8,
	0x00, 0x01,			     /* version 1.0 */
	STRING_MANUFACTURER, STRING_PRODUCT, STRING_SERIAL,
	1,				     /* configuration */
};

static const uint8_t configuration_descriptor[] = {
	9, USB_DT_CONFIG, CONFIGURATION_SIZE, 0, 1, CONFIGURATION, 0, USB_CONFIG_ATT_ONE, 50, /* 100 mA */
	9, USB_DT_INTERFACE, 0, 0, 2, USB_CLASS_HID, 0, 0, 0,
	9, HID_DESCRIPTOR_TYPE, 0x11, 0x01, 0, 1, HID_REPORT_DESCRIPTOR_TYPE, TRANSPORT_DESCRIPTOR_SIZE, 0,
	7, USB_DT_ENDPOINT, USB_DIR_IN | SOFTUSB_IN, USB_ENDPOINT_XFER_INT, SOFTHID_REPORT_SIZE, 0, ENDPOINT_INTERVAL_MS,
	7, USB_DT_ENDPOINT, USB_DIR_OUT | SOFTUSB_OUT, USB_ENDPOINT_XFER_INT, SOFTHID_REPORT_SIZE, 0, ENDPOINT_INTERVAL_MS,
};

_Static_assert(sizeof(device_descriptor) == USB_DT_DEVICE_SIZE, "a whole device descriptor");
_Static_assert(sizeof(configuration_descriptor) == CONFIGURATION_SIZE, "a whole configuration");

static int give(uint8_t *answer, const uint8_t *data, size_t len)
{
	memcpy(answer, data, len);
	return (int)len;
}

/* UTF-16LE of ASCII. */
static int give_string(const struct softusb *u, uint8_t *answer, uint8_t index)
{
	static const uint8_t languages[] = {4, USB_DT_STRING, 0x09, 0x04}; /* English, United States */
	const char *text;
	size_t len = 2;

	switch (index) {
	case STRING_LANGUAGES:
		return give(answer, languages, sizeof(languages));
	case STRING_MANUFACTURER:
		text = u->identity.manufacturer;
		break;
	case STRING_PRODUCT:
		text = u->identity.product;
		break;
	case STRING_SERIAL:
		text = u->identity.serial;
		break;
	default:
		return -EPIPE;
	}
	for (; *text && len + 2 < SOFTUSB_ANSWER_MAX; text++) {
		answer[len++] = (uint8_t)*text;
		answer[len++] = 0;
	}
	answer[0] = (uint8_t)len;
	answer[1] = USB_DT_STRING;
	return (int)len;
}

static int get_descriptor(const struct softusb *u, const struct request *q, uint8_t *answer)
{
	uint8_t index = (uint8_t)q->value;

	switch (q->value >> 8) {
	case USB_DT_DEVICE:
		return give(answer, device_descriptor, sizeof(device_descriptor));
	case USB_DT_CONFIG:
		return index ? -EPIPE : give(answer, configuration_descriptor, sizeof(configuration_descriptor));
	case USB_DT_STRING:
		return give_string(u, answer, index);
	default:
		return -EPIPE; /* so also the qualifier: it is full speed, and knows no other */
	}
}

static int get_hid_descriptor(const struct request *q, uint8_t *answer)
{
	if (q->index != 0 || (q->value & 0xff) != 0)
		return -EPIPE;
	if (q->value >> 8 == HID_DESCRIPTOR_TYPE)
		return give(answer, configuration_descriptor + 18, 9);
	if (q->value >> 8 == HID_REPORT_DESCRIPTOR_TYPE)
		return give(answer, transport_descriptor, TRANSPORT_DESCRIPTOR_SIZE);
	return -EPIPE;
}

static int from_device(const struct softusb *u, const struct request *q, uint8_t *answer)
{
	static const uint8_t nothing[2];

	if (q->request == USB_REQ_GET_STATUS)
		return give(answer, nothing, 2);
	if (q->type == FROM_DEVICE && q->request == USB_REQ_GET_DESCRIPTOR)
		return get_descriptor(u, q, answer);
	if (q->type == FROM_DEVICE && q->request == USB_REQ_GET_CONFIGURATION)
		return give(answer, &u->configuration, 1);
	if (q->type == FROM_INTERFACE && q->request == USB_REQ_GET_DESCRIPTOR)
		return get_hid_descriptor(q, answer);
	if (q->type == FROM_INTERFACE && q->request == USB_REQ_GET_INTERFACE)
		return give(answer, nothing, 1);
	return -EPIPE;
}

static int to_device(struct softusb *u, const struct request *q)
{
	if (q->type == USB_RECIP_DEVICE && q->request == USB_REQ_SET_CONFIGURATION && q->value <= CONFIGURATION) {
		u->configuration = (uint8_t)q->value;
		return 0;
	}
	if (q->type == USB_RECIP_DEVICE && q->request == USB_REQ_SET_ADDRESS)
		return 0;
	if (q->type == USB_RECIP_INTERFACE && q->request == USB_REQ_SET_INTERFACE && q->value == 0 && q->index == 0)
		return 0;
	if (q->type == USB_RECIP_ENDPOINT && q->request == USB_REQ_CLEAR_FEATURE && q->value == USB_ENDPOINT_HALT)
		return 0;
	return -EPIPE;
}

static int to_class(struct softusb *u, const struct request *q, const uint8_t *out, size_t out_len)
{
	if (q->request == HID_REQ_SET_IDLE)
		return 0;
	/* The way around the endpoint that some hosts take. */
	if (q->request == HID_REQ_SET_REPORT && q->value == HID_OUTPUT_REPORT_TYPE << 8 && out_len == SOFTHID_REPORT_SIZE) {
		u->report(u->userdata, out);
		return 0;
	}
	return -EPIPE;
}

int softusb_control(struct softusb *u, const uint8_t setup[static SOFTUSB_SETUP_SIZE], const uint8_t *out, size_t out_len,
	uint8_t answer[static SOFTUSB_ANSWER_MAX])
{
	struct request q = {
		.type = setup[0],
		.request = setup[1],
		.value = (uint16_t)(setup[2] | setup[3] << 8),
		.index = (uint16_t)(setup[4] | setup[5] << 8),
		.length = (uint16_t)(setup[6] | setup[7] << 8),
	};
	int n;

	switch (q.type) {
	case FROM_DEVICE:
	case FROM_INTERFACE:
	case FROM_ENDPOINT:
		n = from_device(u, &q, answer);
		break;
	case USB_RECIP_DEVICE:
	case USB_RECIP_INTERFACE:
	case USB_RECIP_ENDPOINT:
		n = to_device(u, &q);
		break;
	case TO_CLASS:
		n = to_class(u, &q, out, out_len);
		break;
	default:
		n = -EPIPE; /* feature reports and protocols, which it has none of */
		break;
	}
	return n > q.length ? q.length : n;
}
