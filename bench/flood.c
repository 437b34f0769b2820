/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * More UDP than can pass: sends datagrams of SIZE bytes from one network namespace to ADDRESS in another for SECONDS, as fast as sendmmsg
 * takes them, and prints how many thousands arrive per second, and how many did. The receiver's buffer is large, so that it is the tunnel
 * that is measured and not how much of a burst fits in there.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64
#define BUFFER_BYTES (16 * 1024 * 1024)
#define QUIET_MS 300 /* after which nothing is on its way any more */

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void check(int r, const char *what)
{
	if (r < 0) {
		fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
		exit(1);
	}
}

static int open_in(const char *netns)
{
	const int ns = open(netns, O_RDONLY | O_CLOEXEC), large = BUFFER_BYTES;
	int fd;

	check(ns < 0 ? -1 : setns(ns, CLONE_NEWNET), netns);
	close(ns);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	check(fd, "socket");
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &large, sizeof(large)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &large, sizeof(large));
	return fd;
}

static void send_all(int fd, const struct sockaddr_in *to, size_t size, double seconds)
{
	static uint8_t bytes[65536];
	struct iovec iov = { bytes, size };
	struct mmsghdr m[BATCH];
	const double end = now() + seconds;

	check(connect(fd, (const struct sockaddr *)to, sizeof(*to)), "connect");
	for (int i = 0; i < BATCH; i++)
		m[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } };
	while (now() < end)
		(void)sendmmsg(fd, m, BATCH, 0);
}

static void count_all(int fd)
{
	static uint8_t bytes[BATCH][2048];
	struct iovec iov[BATCH];
	struct mmsghdr m[BATCH];
	struct pollfd in = { .fd = fd, .events = POLLIN };
	double first = 0, last = 0;
	unsigned long n = 0;
	int got;

	for (int i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){ bytes[i], sizeof(bytes[i]) };
		m[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &iov[i], .msg_iovlen = 1 } };
	}
	while (poll(&in, 1, n ? QUIET_MS : 10000) == 1 && (got = recvmmsg(fd, m, BATCH, MSG_DONTWAIT, NULL)) > 0) {
		last = now();
		if (n == 0)
			first = last;
		n += (unsigned long)got;
	}
	printf("%.1f %lu\n", last > first ? (double)n / (last - first) / 1000 : 0, n);
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	socklen_t len = sizeof(to);
	int in, out;
	pid_t pid;

	if (argc != 6 || inet_pton(AF_INET, argv[3], &to.sin_addr) != 1) {
		fputs("usage: flood NETNS NETNS ADDRESS SIZE SECONDS\n", stderr);
		return 2;
	}
	out = open_in(argv[1]);
	in = open_in(argv[2]);
	check(bind(in, (struct sockaddr *)&to, sizeof(to)), "bind");
	check(getsockname(in, (struct sockaddr *)&to, &len), "port");
	pid = fork();
	check(pid, "fork");
	if (pid == 0) {
		send_all(out, &to, strtoul(argv[4], NULL, 10), strtod(argv[5], NULL));
		_exit(0);
	}
	count_all(in);
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	return 0;
}
