/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The token's half of /dev/uhid, on a socket in the kernel's place: one event a packet, as the device has one
 * a read. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <linux/input.h>
#include <linux/uhid.h>
#include <sys/socket.h>
#include <unistd.h>

#include "token/hid-desc.h"
#include "token/soft/transport.h"

struct fixture {
	struct transport *transport;
	int kernel;
	unsigned int reports;
	uint8_t report[SOFTHID_REPORT_SIZE];
};

static void on_report(void *userdata, const uint8_t report[static SOFTHID_REPORT_SIZE])
{
	struct fixture *f = userdata;

	f->reports++;
	memcpy(f->report, report, SOFTHID_REPORT_SIZE);
}

static int setup(void **state)
{
	static struct fixture f;
	struct transport_uhid_identity identity = {.name = "a key", .phys = "uhid/test", .uniq = "0123"};
	int fds[2];

	f = (struct fixture){0};
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
	f.kernel = fds[1];
	assert_int_equal(transport_uhid_new_fd(&f.transport, fds[0], &identity, on_report, &f), 0);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->transport)
		f->transport->ops->free(f->transport);
	close(f->kernel);
	return 0;
}

/* What a short event does not have is zero. */
static ssize_t take(struct fixture *f, struct uhid_event *ret)
{
	memset(ret, 0, sizeof(*ret));
	return recv(f->kernel, ret, sizeof(*ret), 0);
}

static void give(struct fixture *f, const struct uhid_event *event)
{
	assert_int_equal(send(f->kernel, event, sizeof(*event), 0), sizeof(*event));
	f->transport->ops->dispatch(f->transport);
}

static void test_plug_and_unplug(void **state)
{
	struct fixture *f = *state;
	struct uhid_event event;
	struct hid_desc desc;

	assert_int_equal(f->transport->ops->plug(f->transport), 0);
	assert_true(take(f, &event) > 0);
	assert_int_equal(event.type, UHID_CREATE2);
	assert_int_equal(event.u.create2.bus, BUS_USB);
	assert_string_equal((char *)event.u.create2.name, "a key");
	assert_string_equal((char *)event.u.create2.phys, "uhid/test");
	assert_string_equal((char *)event.u.create2.uniq, "0123");
	/* what our own side, and so libfido2, takes for a security key */
	assert_int_equal(hid_desc_parse(&desc, event.u.create2.rd_data, event.u.create2.rd_size), 0);
	assert_int_equal(desc.in_size, SOFTHID_REPORT_SIZE);
	assert_int_equal(desc.out_size, SOFTHID_REPORT_SIZE);

	f->transport->ops->free(f->transport);
	f->transport = NULL;
	assert_true(take(f, &event) > 0);
	assert_int_equal(event.type, UHID_DESTROY);
	assert_int_equal(take(f, &event), 0); /* and closed */
}

static void test_never_plugged(void **state)
{
	struct fixture *f = *state;
	struct uhid_event event;

	f->transport->ops->free(f->transport);
	f->transport = NULL;
	assert_int_equal(take(f, &event), 0); /* nothing to destroy */
}

static void test_reports(void **state)
{
	struct fixture *f = *state;
	struct uhid_event event = {.type = UHID_OUTPUT};
	uint8_t report[SOFTHID_REPORT_SIZE];

	event.u.output.rtype = UHID_OUTPUT_REPORT;
	event.u.output.size = SOFTHID_REPORT_SIZE + 1;
	for (size_t i = 0; i < SOFTHID_REPORT_SIZE; i++)
		event.u.output.data[1 + i] = report[i] = (uint8_t)(i + 7);
	give(f, &event);
	assert_int_equal(f->reports, 1);
	assert_memory_equal(f->report, report, sizeof(report));

	f->transport->ops->send(f->transport, report);
	assert_int_equal(
		take(f, &event), (ssize_t)(offsetof(struct uhid_event, u.input2.data) + SOFTHID_REPORT_SIZE));
	assert_int_equal(event.type, UHID_INPUT2);
	assert_int_equal(event.u.input2.size, SOFTHID_REPORT_SIZE);
	assert_memory_equal(event.u.input2.data, report, sizeof(report));
}

static void test_what_is_no_report(void **state)
{
	struct fixture *f = *state;
	static const uint16_t sizes[] = {
		0, 1, SOFTHID_REPORT_SIZE, SOFTHID_REPORT_SIZE + 2, UHID_DATA_MAX, UINT16_MAX};
	struct uhid_event event = {.type = UHID_OUTPUT};

	event.u.output.rtype = UHID_OUTPUT_REPORT;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		event.u.output.size = sizes[i];
		give(f, &event);
	}
	event.u.output.size = SOFTHID_REPORT_SIZE + 1;
	event.u.output.data[0] = 1; /* numbered */
	give(f, &event);
	event.u.output.data[0] = 0;
	event.u.output.rtype = UHID_FEATURE_REPORT;
	give(f, &event);
	event = (struct uhid_event){.type = UHID_START};
	give(f, &event);
	event.type = UHID_OPEN;
	give(f, &event);
	event.type = 4711;
	give(f, &event);
	f->transport->ops->dispatch(f->transport); /* nothing there */
	assert_int_equal(f->reports, 0);
	assert_int_equal(take(f, &event), -1);
	assert_int_equal(errno, EAGAIN);
}

/* The kernel holds up whoever asked until it hears. */
static void test_feature_reports(void **state)
{
	struct fixture *f = *state;
	struct uhid_event event = {.type = UHID_GET_REPORT};

	event.u.get_report.id = 5;
	give(f, &event);
	assert_true(take(f, &event) > 0);
	assert_int_equal(event.type, UHID_GET_REPORT_REPLY);
	assert_int_equal(event.u.get_report_reply.id, 5);
	assert_int_equal(event.u.get_report_reply.err, EIO);
	assert_int_equal(event.u.get_report_reply.size, 0);

	event = (struct uhid_event){.type = UHID_SET_REPORT};
	event.u.set_report.id = 6;
	give(f, &event);
	assert_true(take(f, &event) > 0);
	assert_int_equal(event.type, UHID_SET_REPORT_REPLY);
	assert_int_equal(event.u.set_report_reply.id, 6);
	assert_int_equal(event.u.set_report_reply.err, EIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_plug_and_unplug, setup, teardown),
		cmocka_unit_test_setup_teardown(test_never_plugged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reports, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_no_report, setup, teardown),
		cmocka_unit_test_setup_teardown(test_feature_reports, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
