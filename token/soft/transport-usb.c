/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A USB device of the kernel's, on its virtual host controller: with strings, ports and everything else that a key on a cable
 * has. The kernel has the other end of a socket; it takes the device away when ours is closed, however we end.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "token/soft/transport.h"
#include "token/soft/usbip.h"

#define DEVICE_ID (1u << 16 | 2) /* bus and number at the other end, of which there is none */
#define SPEED_FULL 2
/* Full-speed USB's frame. hidraw keeps 64 reports for a reader and drops what comes faster than it reads. */
#define FRAME_NS 1000000

struct transport_usb {
	struct transport transport;
	struct usbip usbip;
	int fd, directory;
};

static struct transport_usb *from(struct transport *t)
{
	return (struct transport_usb *)t; /* the first member */
}

/* The kernel's end is always read; when it is gone, so are we soon. */
static void on_send(void *userdata, const uint8_t *frame, size_t len)
{
	const struct timespec interval = {.tv_nsec = FRAME_NS};
	struct transport_usb *u = userdata;

	while (len > 0) {
		ssize_t n = send(u->fd, frame, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		frame += n;
		len -= (size_t)n;
	}
	nanosleep(&interval, NULL);
}

static int usb_fd(struct transport *t)
{
	return from(t)->fd;
}

static int attach(int directory, int port_fd, unsigned int port)
{
	char line[64];
	int fd = openat(directory, "attach", O_WRONLY | O_CLOEXEC), len, r = 0;

	if (fd < 0)
		return -errno;
	len = snprintf(line, sizeof(line), "%u %d %u %u", port, port_fd, DEVICE_ID, SPEED_FULL);
	if (write(fd, line, (size_t)len) != len)
		r = errno ? -errno : -EIO;
	close(fd);
	return r;
}

/* Another program may take a port between the reading and the attaching: -EBUSY, and the next one is tried. */
static int usb_plug(struct transport *t)
{
	struct transport_usb *u = from(t);
	unsigned int port = 0;
	char status[4096];
	int fds[2], fd, r;
	ssize_t n;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	u->fd = fds[0];
	fd = openat(u->directory, "status", O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, status, sizeof(status) - 1);
	r = n < 0 ? -errno : 0;
	if (fd >= 0)
		close(fd);
	if (r == 0) {
		status[n] = '\0';
		do {
			r = usbip_free_port(&port, status);
			if (r == 0)
				r = attach(u->directory, fds[1], port++);
			else
				break;
		} while (r == -EBUSY);
	}
	close(fds[1]);
	return r;
}

static void usb_dispatch(struct transport *t)
{
	struct transport_usb *u = from(t);
	uint8_t data[4096];
	ssize_t n = recv(u->fd, data, sizeof(data), MSG_DONTWAIT);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0 || usbip_receive(&u->usbip, data, (size_t)n) < 0)
		t->gone = true;
}

static void usb_send(struct transport *t, const uint8_t report[static SOFTHID_REPORT_SIZE])
{
	usbip_report(&from(t)->usbip, report);
}

static void usb_free(struct transport *t)
{
	struct transport_usb *u = from(t);

	if (u->fd >= 0)
		close(u->fd);
	close(u->directory);
	free(u);
}

int transport_usb_new(struct transport **ret, const char *controller, const struct transport_usb_identity *identity,
	transport_report report, void *userdata)
{
	static const struct transport_ops ops = {
		.fd = usb_fd,
		.plug = usb_plug,
		.dispatch = usb_dispatch,
		.send = usb_send,
		.free = usb_free,
	};
	struct transport_usb *u;
	int directory, r;

	directory = open(controller, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return -errno;
	if (faccessat(directory, "attach", W_OK, AT_EACCESS) < 0) {
		r = -errno;
		close(directory);
		return r;
	}
	u = calloc(1, sizeof(*u));
	if (!u) {
		close(directory);
		return -ENOMEM;
	}
	u->transport = (struct transport){.ops = &ops, .report = report, .userdata = userdata};
	u->usbip.device.identity = *identity;
	u->usbip.device.report = report;
	u->usbip.device.userdata = userdata;
	u->usbip.send = on_send;
	u->usbip.userdata = u;
	u->directory = directory;
	u->fd = -1;
	*ret = &u->transport;
	return 0;
}
