/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long the first round trip takes after a peer was added: says what is in FILE to the configuration socket, sends an echo request
 * through the tunnel at once, and prints the microseconds from the first of them to the reply.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 20000

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void check(int r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "first-trip: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void configure(int fd, const char *text, size_t len)
{
	char answer[256];
	size_t used = 0;

	check(write(fd, text, len) == (ssize_t)len ? 0 : -1, "configuration socket");
	while (used < sizeof(answer) - 1) {
		const ssize_t n = read(fd, answer + used, sizeof(answer) - 1 - used);

		check(n > 0 ? 0 : -1, "answer");
		used += (size_t)n;
		answer[used] = '\0';
		if (strstr(answer, "\n\n"))
			break;
	}
	if (strncmp(answer, "errno=0\n", 8) != 0) {
		fprintf(stderr, "first-trip: %s", answer);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	static char text[65536];
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct icmphdr request = { .type = ICMP_ECHO };
	uint8_t reply[2048];
	uint64_t start;
	ssize_t len;
	int file, uapi, icmp;

	if (argc != 4 || strlen(argv[1]) >= sizeof(at.sun_path) || inet_pton(AF_INET, argv[3], &to.sin_addr) != 1) {
		fputs("usage: first-trip SOCKET FILE ADDRESS\n", stderr);
		return 2;
	}
	file = open(argv[2], O_RDONLY | O_CLOEXEC);
	check(file, argv[2]);
	len = read(file, text, sizeof(text));
	check((int)len, argv[2]);
	memcpy(at.sun_path, argv[1], strlen(argv[1]));
	uapi = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	check(connect(uapi, (struct sockaddr *)&at, sizeof(at)), argv[1]);
	icmp = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
	check(icmp, "ICMP");
	request.un.echo.id = htons((uint16_t)getpid());
	request.checksum = (uint16_t)~(uint16_t)(request.type + request.un.echo.id);

	start = now_us();
	configure(uapi, text, (size_t)len);
	check((int)sendto(icmp, &request, sizeof(request), 0, (struct sockaddr *)&to, sizeof(to)), "echo request");
	for (;;) {
		struct pollfd fd = { .fd = icmp, .events = POLLIN };
		const struct icmphdr *answer = (const struct icmphdr *)(const void *)(reply + 20);

		if (poll(&fd, 1, PATIENCE_MS) != 1) {
			fputs("first-trip: no reply\n", stderr);
			return 1;
		}
		if (recv(icmp, reply, sizeof(reply), 0) >= 28 && answer->type == ICMP_ECHOREPLY && answer->un.echo.id == request.un.echo.id)
			break;
	}
	printf("%llu\n", (unsigned long long)(now_us() - start));
	return 0;
}
