/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the token's answer to the PSK being in WireGuard. Touches a software token (its control socket answers "ok" once the
 * token has given its answer) and then reads the interface as fast as it can until the peer has another PSK. Prints microseconds.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "agent/device.h"
#include "common/names.h"
#include "common/secret.h"

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* Waits until the token wants a touch, gives it, and returns when it has answered. */
static int touch(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = 20 };
	char reply[16] = "";
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (send(fd, "touch", 5, MSG_NOSIGNAL) != 5 || recv(fd, reply, sizeof(reply) - 1, 0) <= 0)
		return -errno;
	close(fd);
	return strcmp(reply, "ok") == 0 ? 0 : -EPROTO;
}

/* The PSK of the interface's first peer. */
static int read_psk(struct device_set *set, const char *ifname, struct secret **ret)
{
	struct device_backend *backend;
	struct device *device;
	int r;

	r = device_choose(set, ifname, &backend);
	if (r == 0)
		r = backend->ops->get(backend, ifname, &device);
	if (r < 0)
		return r;
	if (device->n_peers == 0 || !device->peers[0].preshared_key)
		r = -ENODATA;
	else
		*ret = secret_take(&device->peers[0].preshared_key);
	device_free(device);
	return r;
}

int main(int argc, char **argv)
{
	struct secret *before = NULL, *after = NULL;
	struct device_set *set = NULL;
	uint64_t answered;
	int r;

	if (argc != 3) {
		fputs("usage: opened IFACE CONTROL-SOCKET\n", stderr);
		return 2;
	}
	r = secret_init();
	if (r == 0)
		r = device_set_new(&set, WGFIDO_WIREGUARD_RUNDIR);
	if (r == 0)
		r = read_psk(set, argv[1], &before);
	if (r == 0)
		r = touch(argv[2]);
	answered = now_us();
	while (r == 0) {
		r = read_psk(set, argv[1], &after);
		if (r == 0 && !secret_equal(before, after)) {
			printf("%llu\n", (unsigned long long)(now_us() - answered));
			break;
		}
		after = secret_free(after);
		if (now_us() - answered > 10000000)
			r = -ETIMEDOUT;
	}
	if (r < 0)
		fprintf(stderr, "opened: %s\n", strerror(-r));
	secret_free(before);
	secret_free(after);
	device_set_free(set);
	return r < 0;
}
