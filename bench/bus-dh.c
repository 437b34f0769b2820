/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DiffieHellman on the bus, role "static", one call after the other: what a handshake waits for. Figures, never a verdict.
 * bus-dh INTERFACE PEER-HEX [COUNT]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>
#include <unistd.h>

#include "common/encoding.h"
#include "common/names.h"

#define COUNT_MAX 100000u

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void call(sd_bus *bus, const char *path, const uint8_t point[static KEY_SIZE])
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *m = NULL, *reply = NULL;
	uint8_t shared[KEY_SIZE];
	int fd, r;

	r = sd_bus_message_new_method_call(bus, &m, WGFIDO_BUS_NAME, path, WGFIDO_TUNNEL_INTERFACE, "DiffieHellman");
	if (r >= 0)
		r = sd_bus_message_append_array(m, 'y', point, KEY_SIZE);
	if (r >= 0)
		r = sd_bus_message_append(m, "a{sv}", 1, "role", "s", "static");
	if (r >= 0)
		r = sd_bus_call(bus, m, 0, &error, &reply);
	if (r >= 0)
		r = sd_bus_message_read(reply, "h", &fd);
	if (r < 0 || read(fd, shared, sizeof(shared)) != sizeof(shared)) {
		fprintf(stderr, "bus-dh: %s\n", error.message ? error.message : strerror(-r));
		exit(1);
	}
	sd_bus_message_unref(m);
	sd_bus_message_unref(reply);
}

int main(int argc, char **argv)
{
	static uint64_t took[COUNT_MAX];
	uint8_t point[KEY_SIZE];
	sd_bus *bus = NULL;
	unsigned long count;
	char *path = NULL;
	uint64_t begin;

	count = argc > 3 ? strtoul(argv[3], NULL, 10) : 1000;
	if (argc < 3 || argc > 4 || count < 1 || count > COUNT_MAX || strlen(argv[2]) != 2 * KEY_SIZE) {
		fputs("usage: bus-dh INTERFACE PEER-HEX [COUNT]\n", stderr);
		return 2;
	}
	for (size_t i = 0; i < KEY_SIZE; i++) {
		const char digits[] = {argv[2][2 * i], argv[2][2 * i + 1], '\0'};

		point[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	if (sd_bus_open_system(&bus) < 0 || sd_bus_path_encode(WGFIDO_PATH "/tunnel", argv[1], &path) < 0) {
		fputs("bus-dh: there is no bus\n", stderr);
		return 1;
	}
	call(bus, path, point);
	begin = now_ns();
	for (unsigned long i = 0; i < count; i++) {
		const uint64_t start = now_ns();

		call(bus, path, point);
		took[i] = now_ns() - start;
	}
	begin = now_ns() - begin;
	qsort(took, count, sizeof(*took), compare);
	printf("%.1f %.1f %.0f\n", (double)took[count / 2] / 1e3, (double)took[count * 99 / 100] / 1e3, 1e9 * (double)count / (double)begin);
	sd_bus_unref(bus);
	free(path);
	return 0;
}
