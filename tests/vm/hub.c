/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A USB hub that is switched off and on: a security key that appears and disappears again, so many times within so many
 * milliseconds, at a port that is called "uhid/NAME". It answers nothing. In one process, for one of its own for each time takes longer.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <linux/uhid.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const unsigned char descriptor[] = {
	0x06, 0xd0, 0xf1, 0x09, 0x01, 0xa1, 0x01,				    /* the FIDO page, CTAPHID */
	0x09, 0x20, 0x15, 0x00, 0x26, 0xff, 0x00, 0x75, 0x08, 0x95, 0x40, 0x81, 0x02, /* 64 bytes in */
	0x09, 0x21, 0x15, 0x00, 0x26, 0xff, 0x00, 0x75, 0x08, 0x95, 0x40, 0x91, 0x02, /* 64 bytes out */
	0xc0,
};

static void put(int fd, const struct uhid_event *e)
{
	if (write(fd, e, sizeof(*e)) != (ssize_t)sizeof(*e)) {
		fprintf(stderr, "hub: /dev/uhid: %s\n", strerror(errno));
		exit(1);
	}
}

int main(int argc, char **argv)
{
	static struct uhid_event plug = { .type = UHID_CREATE2 }, unplug = { .type = UHID_DESTROY };
	struct timespec half;
	long times, half_us;
	int fd;

	times = argc == 4 ? strtol(argv[2], NULL, 10) : 0;
	if (times < 1) {
		fprintf(stderr, "usage: hub NAME TIMES MILLISECONDS\n");
		return 2;
	}
	half_us = strtol(argv[3], NULL, 10) * 1000 / times / 2;
	half = (struct timespec){ .tv_sec = half_us / 1000000, .tv_nsec = half_us % 1000000 * 1000 };
	fd = open("/dev/uhid", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		perror("hub: /dev/uhid");
		return 1;
	}
	snprintf((char *)plug.u.create2.name, sizeof(plug.u.create2.name), "a key on a hub");
	snprintf((char *)plug.u.create2.phys, sizeof(plug.u.create2.phys), "uhid/%s", argv[1]);
	memcpy(plug.u.create2.rd_data, descriptor, sizeof(descriptor));
	plug.u.create2.rd_size = sizeof(descriptor);
	plug.u.create2.bus = BUS_USB;
	plug.u.create2.vendor = 0x1209;
	plug.u.create2.product = 0x0001;
	while (times--) {
		put(fd, &plug);
		(void)nanosleep(&half, NULL);
		put(fd, &unplug);
		(void)nanosleep(&half, NULL);
	}
	return 0;
}
