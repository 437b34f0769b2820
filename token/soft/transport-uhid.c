/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A HID device of the kernel's, made through /dev/uhid: with a hidraw node, and with udev's opinion of it,
 * like any key. It is said to be on USB, since libfido2 lists no other bus. The kernel destroys it when the
 * descriptor is closed, however we end.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <linux/uhid.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "token/soft/transport.h"

/* Full-speed USB's frame. hidraw keeps 64 reports for a reader and drops what comes faster than it reads. */
#define REPORT_INTERVAL_NS 1000000

struct transport_uhid {
	struct transport transport;
	struct transport_uhid_identity identity;
	int fd;
	bool plugged;
};

static struct transport_uhid *from(struct transport *t)
{
	return (struct transport_uhid *)t; /* the first member */
}

/* The kernel takes a short event and reads the rest as zero. */
static int put(struct transport_uhid *u, const struct uhid_event *event, size_t len)
{
	ssize_t n;

	do
		n = write(u->fd, event, len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

static void copy_text(uint8_t *to, size_t size, const char *text)
{
	snprintf((char *)to, size, "%s", text);
}

static int uhid_fd(struct transport *t)
{
	return from(t)->fd;
}

static int uhid_plug(struct transport *t)
{
	struct transport_uhid *u = from(t);
	struct uhid_event event = {.type = UHID_CREATE2};
	struct uhid_create2_req *c = &event.u.create2;
	int r;

	copy_text(c->name, sizeof(c->name), u->identity.name);
	copy_text(c->phys, sizeof(c->phys), u->identity.phys);
	copy_text(c->uniq, sizeof(c->uniq), u->identity.uniq);
	c->bus = BUS_USB;
	c->vendor = TRANSPORT_VENDOR;
	c->product = TRANSPORT_PRODUCT;
	c->rd_size = TRANSPORT_DESCRIPTOR_SIZE;
	memcpy(c->rd_data, transport_descriptor, TRANSPORT_DESCRIPTOR_SIZE);
	r = put(u, &event, sizeof(event));
	u->plugged = r == 0;
	return r;
}

/* As the kernel's USB driver does it: a report number of 0 stands for none and is not the token's. */
static void on_output(struct transport_uhid *u, const struct uhid_output_req *output)
{
	const uint8_t *data = output->data;
	size_t len = output->size;

	if (output->rtype != UHID_OUTPUT_REPORT || len > sizeof(output->data))
		return;
	if (len == SOFTHID_REPORT_SIZE + 1 && data[0] == 0)
		u->transport.report(u->transport.userdata, data + 1);
}

/* Feature reports, which a FIDO key has none of: whoever asks waits for the answer. */
static void refuse_get(struct transport_uhid *u, uint32_t id)
{
	struct uhid_event event = {.type = UHID_GET_REPORT_REPLY};

	event.u.get_report_reply.id = id;
	event.u.get_report_reply.err = EIO;
	(void)put(u, &event, offsetof(struct uhid_event, u.get_report_reply.data));
}

static void refuse_set(struct transport_uhid *u, uint32_t id)
{
	struct uhid_event event = {.type = UHID_SET_REPORT_REPLY};

	event.u.set_report_reply.id = id;
	event.u.set_report_reply.err = EIO;
	(void)put(u, &event, offsetof(struct uhid_event, u) + sizeof(event.u.set_report_reply));
}

static void uhid_dispatch(struct transport *t)
{
	struct transport_uhid *u = from(t);
	struct uhid_event event = {0};
	ssize_t n = read(u->fd, &event, sizeof(event));

	if (n < (ssize_t)sizeof(event.type))
		return;
	if (event.type == UHID_OUTPUT)
		on_output(u, &event.u.output);
	else if (event.type == UHID_GET_REPORT)
		refuse_get(u, event.u.get_report.id);
	else if (event.type == UHID_SET_REPORT)
		refuse_set(u, event.u.set_report.id);
}

static void uhid_send(struct transport *t, const uint8_t report[static SOFTHID_REPORT_SIZE])
{
	const struct timespec interval = {.tv_nsec = REPORT_INTERVAL_NS};
	struct uhid_event event = {.type = UHID_INPUT2};

	event.u.input2.size = SOFTHID_REPORT_SIZE;
	memcpy(event.u.input2.data, report, SOFTHID_REPORT_SIZE);
	(void)put(from(t), &event, offsetof(struct uhid_event, u.input2.data) + SOFTHID_REPORT_SIZE);
	nanosleep(&interval, NULL);
}

static void uhid_free(struct transport *t)
{
	struct transport_uhid *u = from(t);
	const struct uhid_event event = {.type = UHID_DESTROY};

	if (u->plugged)
		(void)put(u, &event, sizeof(event.type));
	close(u->fd);
	free(u);
}

int transport_uhid_new_fd(struct transport **ret, int fd, const struct transport_uhid_identity *identity,
	transport_report report, void *userdata)
{
	static const struct transport_ops ops = {
		.fd = uhid_fd,
		.plug = uhid_plug,
		.dispatch = uhid_dispatch,
		.send = uhid_send,
		.free = uhid_free,
	};
	struct transport_uhid *u = calloc(1, sizeof(*u));

	if (!u)
		return -ENOMEM;
	u->transport = (struct transport){.ops = &ops, .report = report, .userdata = userdata};
	u->identity = *identity;
	u->fd = fd;
	*ret = &u->transport;
	return 0;
}

int transport_uhid_new(struct transport **ret, const struct transport_uhid_identity *identity,
	transport_report report, void *userdata)
{
	int fd = open(TRANSPORT_UHID_NODE, O_RDWR | O_CLOEXEC | O_NONBLOCK), r;

	if (fd < 0)
		return -errno;
	r = transport_uhid_new_fd(ret, fd, identity, report, userdata);
	if (r < 0)
		close(fd);
	return r;
}
