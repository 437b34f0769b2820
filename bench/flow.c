/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long packets still pass after a key is pulled.
 *
 * One process holds a UDP socket in each of two network namespaces and sends a numbered datagram through the
 * tunnel in both directions every interval. When both directions flow it pulls the key (sends a signal to the software
 * token), and goes on until nothing has arrived for the quiet time. It prints, for each direction, the microseconds from
 * the signal to the last arrival.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct end {
	int fd;
	struct sockaddr_in address;
	uint64_t last_us; /* of the last arrival */
	uint64_t received;
};

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void die(const char *what)
{
	fprintf(stderr, "flow: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* A socket belongs to the namespace it was made in, for good. */
static void end_open(struct end *e, const char *netns, const char *ip)
{
	socklen_t len = sizeof(e->address);
	int ns = open(netns, O_RDONLY | O_CLOEXEC);

	if (ns < 0 || setns(ns, CLONE_NEWNET) < 0)
		die(netns);
	close(ns);
	e->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	e->address.sin_family = AF_INET;
	if (e->fd < 0 || inet_pton(AF_INET, ip, &e->address.sin_addr) != 1 ||
	    bind(e->fd, (struct sockaddr *)&e->address, sizeof(e->address)) < 0 ||
	    getsockname(e->fd, (struct sockaddr *)&e->address, &len) < 0)
		die(ip);
}

static void end_drain(struct end *e)
{
	uint64_t number;

	while (recv(e->fd, &number, sizeof(number), 0) == sizeof(number)) {
		e->last_us = now_us();
		e->received++;
	}
}

static void end_send(const struct end *from, const struct end *to, uint64_t number)
{
	/* Refused or unroutable once the tunnel is closed: that is what is being measured. */
	(void)!sendto(from->fd, &number, sizeof(number), 0, (const struct sockaddr *)&to->address,
		sizeof(to->address));
}

static void usage(FILE *out)
{
	fputs("usage: flow --a NETNS,IP --b NETNS,IP --pull PID [--signal N] [--interval-us N] [--quiet-ms N]\n"
	      "Sends through the tunnel both ways, pulls the key (signals PID), and prints\n"
	      "  A>B MICROSECONDS B>A MICROSECONDS\n"
	      "from the signal to the last packet that still passed.\n",
		out);
}

static char *split(char *arg)
{
	char *comma = strchr(arg, ',');

	if (!comma) {
		usage(stderr);
		exit(2);
	}
	*comma = '\0';
	return comma + 1;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "a", required_argument, NULL, 'a' },
		{ "b", required_argument, NULL, 'b' },
		{ "pull", required_argument, NULL, 'p' },
		{ "signal", required_argument, NULL, 's' },
		{ "interval-us", required_argument, NULL, 'i' },
		{ "quiet-ms", required_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct end a = { .fd = -1 }, b = { .fd = -1 };
	uint64_t interval = 200, quiet = 400000, pulled = 0, number = 0, start, next;
	int sig = SIGTERM, c;
	pid_t pid = 0;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		char *ip;

		switch (c) {
		case 'a':
			ip = split(optarg);
			end_open(&a, optarg, ip);
			break;
		case 'b':
			ip = split(optarg);
			end_open(&b, optarg, ip);
			break;
		case 'p':
			pid = (pid_t)strtol(optarg, NULL, 10);
			break;
		case 's':
			sig = (int)strtol(optarg, NULL, 10);
			break;
		case 'i':
			interval = strtoull(optarg, NULL, 10);
			break;
		case 'q':
			quiet = strtoull(optarg, NULL, 10) * 1000;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (a.fd < 0 || b.fd < 0 || pid <= 1 || interval == 0) {
		usage(stderr);
		return 2;
	}

	start = next = now_us();
	for (;;) {
		struct pollfd fds[2] = { { .fd = a.fd, .events = POLLIN }, { .fd = b.fd, .events = POLLIN } };
		uint64_t now = now_us();

		if (now >= next) {
			end_send(&a, &b, number);
			end_send(&b, &a, number);
			number++;
			next = now + interval;
		}
		struct timespec wait = { .tv_nsec = (long)((next - now > interval ? 0 : next - now) * 1000) };

		if (ppoll(fds, 2, &wait, NULL) > 0) {
			end_drain(&a);
			end_drain(&b);
		}
		now = now_us();
		if (!pulled && a.received > 200 && b.received > 200) {
			pulled = now = now_us();
			if (kill(pid, sig) < 0)
				die("kill");
		}
		if (!pulled && now - start > 20000000) {
			fprintf(stderr, "flow: nothing passes the tunnel (%llu and %llu packets)\n",
				(unsigned long long)b.received, (unsigned long long)a.received);
			return 1;
		}
		if (pulled && now - pulled > quiet && now - a.last_us > quiet && now - b.last_us > quiet)
			break;
		if (pulled && now - pulled > 30000000) {
			fputs("flow: packets still pass 30 s after the key was pulled\n", stderr);
			return 1;
		}
	}
	printf("A>B %llu B>A %llu\n", (unsigned long long)(b.last_us > pulled ? b.last_us - pulled : 0),
		(unsigned long long)(a.last_us > pulled ? a.last_us - pulled : 0));
	return 0;
}
