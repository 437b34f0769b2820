/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The token's end of USB/IP, with the test in the kernel's place: frames as the protocol's description has them. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>

#include "token/hid-desc.h"
#include "token/soft/usbip.h"

struct fixture {
	struct usbip usbip;
	unsigned int reports, frames;
	uint8_t report[SOFTHID_REPORT_SIZE];
	uint8_t frame[USBIP_FRAME_MAX]; /* the last */
	size_t len;
};

static void on_report(void *userdata, const uint8_t report[static SOFTHID_REPORT_SIZE])
{
	struct fixture *f = userdata;

	f->reports++;
	memcpy(f->report, report, SOFTHID_REPORT_SIZE);
}

static void on_send(void *userdata, const uint8_t *frame, size_t len)
{
	struct fixture *f = userdata;

	f->frames++;
	memcpy(f->frame, frame, len);
	f->len = len;
}

static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){.usbip = {.send = on_send, .userdata = &f,
		.device = {.identity = {"maker", "a key", "0123"}, .report = on_report, .userdata = &f}}};
	*state = &f;
	return 0;
}

static uint32_t word(const struct fixture *f, size_t at)
{
	uint32_t v;

	memcpy(&v, f->frame + at, 4);
	return ntohl(v);
}

/* The header of a command, and what follows it. */
static size_t command(uint8_t *to, const uint32_t words[static 6], const char *setup_packet, const void *data, size_t len)
{
	memset(to, 0, USBIP_HEADER_SIZE);
	for (unsigned int i = 0; i < 6; i++) {
		uint32_t v = htonl(words[i]);

		memcpy(to + 4 * i + (i >= 5 ? 4 : 0), &v, 4); /* command, sequence, device, direction, endpoint, -, length */
	}
	if (setup_packet)
		memcpy(to + 40, setup_packet, 8);
	if (len)
		memcpy(to + USBIP_HEADER_SIZE, data, len);
	return USBIP_HEADER_SIZE + len;
}

static int submit(struct fixture *f, uint32_t sequence, bool in, uint32_t endpoint, uint32_t length, const char *setup_packet,
	const void *data)
{
	const uint32_t words[] = {1, sequence, 65538, in, endpoint, length};
	uint8_t frame[1024];

	return usbip_receive(&f->usbip, frame, command(frame, words, setup_packet, data, in ? 0 : length));
}

/* A control transfer from the device: its status, its data in f->frame + USBIP_HEADER_SIZE, its length in *ret_len. */
static int control_in(struct fixture *f, const char *setup_packet, uint32_t *ret_len)
{
	unsigned int before = f->frames;
	uint16_t length = (uint16_t)((uint8_t)setup_packet[6] | (uint8_t)setup_packet[7] << 8);

	assert_int_equal(submit(f, 77, true, 0, length, setup_packet, NULL), 0);
	assert_int_equal(f->frames, before + 1);
	assert_int_equal(word(f, 0), 3);
	assert_int_equal(word(f, 4), 77);
	*ret_len = word(f, 24);
	assert_int_equal(f->len, USBIP_HEADER_SIZE + *ret_len);
	return (int)word(f, 20);
}

static void configure(struct fixture *f)
{
	assert_int_equal(submit(f, 1, false, 0, 0, "\x00\x09\x01\x00\x00\x00\x00\x00", NULL), 0);
	assert_int_equal((int)word(f, 20), 0);
}

static void test_descriptors(void **state)
{
	struct fixture *f = *state;
	const uint8_t *data = f->frame + USBIP_HEADER_SIZE;
	struct hid_desc desc;
	uint32_t len;

	assert_int_equal(control_in(f, "\x80\x06\x00\x01\x00\x00\x40\x00", &len), 0);
	assert_int_equal(len, 18);
	assert_memory_equal(data, "\x12\x01\x00\x02\x00\x00\x00\x40\x09\x12\x01\x00\x00\x01\x01\x02\x03\x01", 18);
	/* the host first asks for the beginning, to learn how long it is */
	assert_int_equal(control_in(f, "\x80\x06\x00\x02\x00\x00\x09\x00", &len), 0);
	assert_int_equal(len, 9);
	assert_int_equal(data[2], 41);
	assert_int_equal(control_in(f, "\x80\x06\x00\x02\x00\x00\xff\x00", &len), 0);
	assert_int_equal(len, 41);
	for (uint32_t at = 0; at < len; at += data[at])
		assert_true(data[at] >= 2 && at + data[at] <= len);
	assert_int_equal(control_in(f, "\x80\x06\x02\x03\x09\x04\xff\x00", &len), 0);
	assert_int_equal(len, 12);
	assert_memory_equal(data, "\x0c\x03" "a\0 \0k\0e\0y\0", 12);
	assert_int_equal(control_in(f, "\x80\x06\x00\x03\x00\x00\xff\x00", &len), 0);
	assert_int_equal(len, 4);
	/* what our own side, and so libfido2, takes for a security key */
	assert_int_equal(control_in(f, "\x81\x06\x00\x22\x00\x00\xff\x00", &len), 0);
	assert_int_equal(hid_desc_parse(&desc, data, len), 0);
	assert_int_equal(desc.in_size, SOFTHID_REPORT_SIZE);
}

static void test_stalls(void **state)
{
	struct fixture *f = *state;
	static const char *const setups[] = {
		"\x80\x06\x00\x06\x00\x00\x0a\x00", /* qualifier: no high speed */
		"\x80\x06\x04\x03\x09\x04\xff\x00", /* a fourth string */
		"\x80\x06\x01\x02\x00\x00\xff\x00", /* a second configuration */
		"\xa1\x01\x00\x03\x00\x00\x40\x00", /* a feature report */
		"\xc0\x06\x00\x01\x00\x00\x40\x00", /* a vendor's */
	};
	uint32_t len;

	for (size_t i = 0; i < sizeof(setups) / sizeof(*setups); i++) {
		assert_int_equal(control_in(f, setups[i], &len), -EPIPE);
		assert_int_equal(len, 0);
	}
	assert_int_equal(submit(f, 5, false, 0, 0, "\x00\x09\x02\x00\x00\x00\x00\x00", NULL), 0); /* configuration 2 */
	assert_int_equal((int)word(f, 20), -EPIPE);
	assert_int_equal(submit(f, 5, true, SOFTUSB_IN, 64, NULL, NULL), 0); /* before it is configured */
	assert_int_equal((int)word(f, 20), -EPIPE);
	configure(f);
	assert_int_equal(submit(f, 5, true, SOFTUSB_IN, 63, NULL, NULL), 0);
	assert_int_equal((int)word(f, 20), -EOVERFLOW);
	assert_int_equal(submit(f, 5, true, 3, 64, NULL, NULL), 0);
	assert_int_equal((int)word(f, 20), -EPIPE);
	assert_int_equal(f->usbip.n_waiting, 0);
}

static void test_reports(void **state)
{
	struct fixture *f = *state;
	uint8_t report[SOFTHID_REPORT_SIZE];
	unsigned int frames;

	configure(f);
	for (size_t i = 0; i < sizeof(report); i++)
		report[i] = (uint8_t)(i + 7);
	assert_int_equal(submit(f, 8, false, SOFTUSB_OUT, sizeof(report), NULL, report), 0);
	assert_int_equal(f->reports, 1);
	assert_memory_equal(f->report, report, sizeof(report));
	assert_int_equal(word(f, 24), sizeof(report));
	assert_int_equal(f->len, USBIP_HEADER_SIZE);
	/* by the control endpoint as well */
	assert_int_equal(submit(f, 9, false, 0, sizeof(report), "\x21\x09\x00\x02\x00\x00\x40\x00", report), 0);
	assert_int_equal(f->reports, 2);

	/* who asks first waits; and what comes first is kept */
	frames = f->frames;
	assert_int_equal(submit(f, 10, true, SOFTUSB_IN, 64, NULL, NULL), 0);
	assert_int_equal(f->frames, frames);
	usbip_report(&f->usbip, report);
	assert_int_equal(word(f, 4), 10);
	assert_int_equal(f->len, USBIP_HEADER_SIZE + 64);
	assert_memory_equal(f->frame + USBIP_HEADER_SIZE, report, sizeof(report));
	for (unsigned int i = 0; i < USBIP_REPORTS_MAX + 3; i++) {
		report[0] = (uint8_t)i;
		usbip_report(&f->usbip, report);
	}
	assert_int_equal(f->frames, frames + 1);
	assert_int_equal(submit(f, 11, true, SOFTUSB_IN, 64, NULL, NULL), 0);
	assert_int_equal(f->frame[USBIP_HEADER_SIZE], 3); /* the oldest three are gone */
}

static void test_unlink(void **state)
{
	struct fixture *f = *state;
	const uint32_t words[] = {2, 21, 65538, 0, 0, 0};
	uint8_t frame[USBIP_HEADER_SIZE];

	configure(f);
	(void)command(frame, words, NULL, NULL, 0);
	frame[23] = 20; /* which one */
	assert_int_equal(submit(f, 20, true, SOFTUSB_IN, 64, NULL, NULL), 0);
	assert_int_equal(usbip_receive(&f->usbip, frame, sizeof(frame)), 0);
	assert_int_equal(word(f, 0), 4);
	assert_int_equal(word(f, 4), 21);
	assert_int_equal((int)word(f, 20), -ECONNRESET);
	assert_int_equal(f->usbip.n_waiting, 0);
	assert_int_equal(usbip_receive(&f->usbip, frame, sizeof(frame)), 0);
	assert_int_equal((int)word(f, 20), 0); /* not there any more */
}

static void test_in_pieces(void **state)
{
	struct fixture *f = *state;
	const uint32_t words[] = {1, 8, 65538, 0, SOFTUSB_OUT, 64};
	uint8_t frame[USBIP_HEADER_SIZE + 64], report[64] = {42};
	size_t len = command(frame, words, NULL, report, sizeof(report));

	configure(f);
	for (size_t i = 0; i < len; i++) {
		assert_int_equal(f->reports, 0);
		assert_int_equal(usbip_receive(&f->usbip, frame + i, 1), 0);
	}
	assert_int_equal(f->reports, 1);
	assert_int_equal(f->report[0], 42);
}

static void test_what_is_no_usbip(void **state)
{
	struct fixture *f = *state;
	static const uint32_t bad[][6] = {
		{0, 1, 1, 0, 0, 0}, {3, 1, 1, 0, 0, 0}, {1, 1, 1, 2, 0, 0},
		{1, 1, 1, 0, 2, USBIP_OUT_MAX + 1}, {1, 1, 1, 0, 2, UINT32_MAX},
	};
	uint8_t frame[USBIP_HEADER_SIZE];

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		(void)command(frame, bad[i], NULL, NULL, 0);
		f->usbip.have = 0;
		assert_int_equal(usbip_receive(&f->usbip, frame, sizeof(frame)), -EPROTO);
	}
	assert_int_equal(f->frames, 0);
}

static void test_free_port(void **state)
{
	static const char status[] = "hub port sta spd dev      sockfd local_busid\n"
				     "hs  0000 006 002 00010002 000003 1-1\n"
				     "hs  0001 004 000 00000000 000000 0-0\n"
				     "hs  0009 004 000 00000000 000000 0-0\n"
				     "ss  0010 004 000 00000000 000000 0-0\n";
	unsigned int port = 0;

	(void)state;
	assert_int_equal(usbip_free_port(&port, status), 0);
	assert_int_equal(port, 1);
	port++;
	assert_int_equal(usbip_free_port(&port, status), 0);
	assert_int_equal(port, 9);
	port++;
	assert_int_equal(usbip_free_port(&port, status), -EBUSY);
	assert_int_equal(usbip_free_port(&port, ""), -EBUSY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_descriptors, setup),
		cmocka_unit_test_setup(test_stalls, setup),
		cmocka_unit_test_setup(test_reports, setup),
		cmocka_unit_test_setup(test_unlink, setup),
		cmocka_unit_test_setup(test_in_pieces, setup),
		cmocka_unit_test_setup(test_what_is_no_usbip, setup),
		cmocka_unit_test(test_free_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
