/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long packets still pass after a key is pulled, or after something else happened to what keeps a tunnel.
 *
 * One process holds a UDP socket at each end of each tunnel (a network namespace and an address) and sends a numbered
 * datagram through it in both directions every interval. When all of them flow it pulls the key (sends a signal to the
 * software token) or runs a command, and goes on until nothing has arrived for the quiet time. It prints, for each
 * tunnel and direction, the microseconds from then to the last arrival.
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
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TUNNELS_MAX 4

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

/* A socket belongs to the namespace it was made in, for good; the command runs where we were started. */
static void end_open(struct end *e, const char *netns, const char *ip)
{
	socklen_t len = sizeof(e->address);
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), ns = open(netns, O_RDONLY | O_CLOEXEC);

	if (home < 0 || ns < 0 || setns(ns, CLONE_NEWNET) < 0)
		die(netns);
	close(ns);
	e->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	e->address.sin_family = AF_INET;
	if (e->fd < 0 || inet_pton(AF_INET, ip, &e->address.sin_addr) != 1 ||
	    bind(e->fd, (struct sockaddr *)&e->address, sizeof(e->address)) < 0 ||
	    getsockname(e->fd, (struct sockaddr *)&e->address, &len) < 0)
		die(ip);
	if (setns(home, CLONE_NEWNET) < 0)
		die("its own network namespace");
	close(home);
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
	fputs("usage: flow (--a NETNS,IP --b NETNS,IP)... [--interval-us N] [--quiet-ms N] [--packets N] [--limit-ms N]\n"
	      "            (--pull PID [--signal N] | -- COMMAND [ARGUMENT]...)\n"
	      "Sends through each tunnel both ways; when N packets (200) have arrived at every end pulls the key (signals PID)\n"
	      "or runs COMMAND, and prints a line for each tunnel\n"
	      "  A>B MICROSECONDS B>A MICROSECONDS\n"
	      "from then to the last packet that still passed.\n",
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

struct flow {
	struct end a[TUNNELS_MAX], b[TUNNELS_MAX];
	size_t n_a, n_b;
	uint64_t interval_us, quiet_us, limit_us, packets;
	uint64_t pulled_us;
	pid_t pid;
	int signal;
	char **command;
};

static void end_add(struct end *ends, size_t *n, char *arg)
{
	char *ip = split(arg);

	if (*n == TUNNELS_MAX) {
		usage(stderr);
		exit(2);
	}
	end_open(&ends[(*n)++], arg, ip);
}

static void flow_pull(struct flow *f)
{
	f->pulled_us = now_us();
	if (!f->command) {
		if (kill(f->pid, f->signal) < 0)
			die("kill");
		return;
	}
	f->pid = fork();
	if (f->pid < 0)
		die("fork");
	if (f->pid == 0) {
		/* Its output is not ours, which is read as figures. */
		(void)dup2(STDERR_FILENO, STDOUT_FILENO);
		execvp(f->command[0], f->command);
		die(f->command[0]);
	}
}

/* The command has its own say in whether it worked. */
static int flow_end(const struct flow *f)
{
	int status;

	if (!f->command)
		return 0;
	if (waitpid(f->pid, &status, 0) < 0)
		die("wait");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	fprintf(stderr, "flow: %s: it failed (%#x)\n", f->command[0], (unsigned int)status);
	return 1;
}

static void flow_turn(struct flow *f, uint64_t *next, uint64_t *number)
{
	struct pollfd fds[2 * TUNNELS_MAX];
	uint64_t now = now_us();
	struct timespec wait = { 0 };

	for (size_t i = 0; i < f->n_a; i++) {
		fds[2 * i] = (struct pollfd){ .fd = f->a[i].fd, .events = POLLIN };
		fds[2 * i + 1] = (struct pollfd){ .fd = f->b[i].fd, .events = POLLIN };
	}
	if (now >= *next) {
		for (size_t i = 0; i < f->n_a; i++) {
			end_send(&f->a[i], &f->b[i], *number);
			end_send(&f->b[i], &f->a[i], *number);
		}
		(*number)++;
		*next = now + f->interval_us;
	}
	wait.tv_nsec = (long)((*next - now > f->interval_us ? 0 : *next - now) * 1000);
	if (ppoll(fds, 2 * f->n_a, &wait, NULL) <= 0)
		return;
	for (size_t i = 0; i < f->n_a; i++) {
		end_drain(&f->a[i]);
		end_drain(&f->b[i]);
	}
}

/* True when each end has had more than this many. */
static bool flow_flows(const struct flow *f)
{
	for (size_t i = 0; i < f->n_a; i++)
		if (f->a[i].received <= f->packets || f->b[i].received <= f->packets)
			return false;
	return true;
}

static bool flow_quiet(const struct flow *f, uint64_t now)
{
	if (now - f->pulled_us <= f->quiet_us)
		return false;
	for (size_t i = 0; i < f->n_a; i++)
		if (now - f->a[i].last_us <= f->quiet_us || now - f->b[i].last_us <= f->quiet_us)
			return false;
	return true;
}

static int flow_run(struct flow *f)
{
	uint64_t number = 0, start, next, now;

	start = next = now_us();
	for (;;) {
		flow_turn(f, &next, &number);
		if (!f->pulled_us && flow_flows(f))
			flow_pull(f);
		now = now_us();
		if (!f->pulled_us && now - start > 20000000) {
			for (size_t i = 0; i < f->n_a; i++)
				fprintf(stderr, "flow: nothing passes the tunnel (%llu and %llu packets)\n",
					(unsigned long long)f->b[i].received, (unsigned long long)f->a[i].received);
			return 1;
		}
		if (f->pulled_us && flow_quiet(f, now))
			break;
		if (f->pulled_us && now - f->pulled_us > f->limit_us) {
			fprintf(stderr, "flow: packets still pass after %llu ms\n", (unsigned long long)(now - f->pulled_us) / 1000);
			return 1;
		}
	}
	for (size_t i = 0; i < f->n_a; i++) {
		const uint64_t out = f->b[i].last_us, in = f->a[i].last_us;

		printf("A>B %llu B>A %llu\n", (unsigned long long)(out > f->pulled_us ? out - f->pulled_us : 0),
			(unsigned long long)(in > f->pulled_us ? in - f->pulled_us : 0));
	}
	fflush(stdout);
	return flow_end(f);
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
		{ "packets", required_argument, NULL, 'n' },
		{ "limit-ms", required_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct flow f = { .interval_us = 200, .quiet_us = 400000, .limit_us = 30000000, .packets = 200, .signal = SIGTERM };
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'a':
			end_add(f.a, &f.n_a, optarg);
			break;
		case 'b':
			end_add(f.b, &f.n_b, optarg);
			break;
		case 'p':
			f.pid = (pid_t)strtol(optarg, NULL, 10);
			break;
		case 's':
			f.signal = (int)strtol(optarg, NULL, 10);
			break;
		case 'i':
			f.interval_us = strtoull(optarg, NULL, 10);
			break;
		case 'q':
			f.quiet_us = strtoull(optarg, NULL, 10) * 1000;
			break;
		case 'n':
			f.packets = strtoull(optarg, NULL, 10);
			break;
		case 'l':
			f.limit_us = strtoull(optarg, NULL, 10) * 1000;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind < argc)
		f.command = argv + optind;
	if (f.n_a == 0 || f.n_a != f.n_b || (f.pid <= 1) == !f.command || f.interval_us == 0) {
		usage(stderr);
		return 2;
	}
	return flow_run(&f);
}
