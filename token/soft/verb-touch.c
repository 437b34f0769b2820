/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verbs that talk to a running token's control socket. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "token/soft/control.h"
#include "token/soft/verbs.h"

#define TIMEOUT_SECONDS_DEFAULT 30
#define TIMEOUT_SECONDS_MAX 86400

static const char help_touch[] =
	"Usage: wgfido-softtoken touch (--socket PATH | --control PATH) [--timeout SECONDS] [--deny]\n\n"
	"Touches the token that is plugged in there: waits until a touch is wanted, and gives it.\n\n"
	"  --socket PATH       of wgfido-softtoken run\n"
	"  --control PATH      the same\n"
	"  --timeout SECONDS   how long to wait (default 30)\n"
	"  --deny              refuse instead\n"
	"  --help\n\n"
	"Exit status: 0 touched, 1 no touch was wanted in time or no token is there.\n";

static const char help_status[] =
	"Usage: wgfido-softtoken status (--socket PATH | --control PATH)\n\n"
	"Prints \"touch\" when the token that is plugged in there waits for a touch, else \"idle\".\n\n"
	"  --socket PATH       of wgfido-softtoken run\n"
	"  --control PATH      the same\n"
	"  --help\n\n"
	"Exit status: 0 printed, 1 no token is there.\n";

struct arguments {
	const char *socket, *control; /* one of them */
	unsigned long timeout;
	bool deny;
};

static const char *where(const struct arguments *a)
{
	return a->control ? a->control : a->socket;
}

static int control_connect(const struct arguments *a)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, n;

	n = snprintf(address.sun_path, sizeof(address.sun_path), "%s%s", where(a),
		a->control ? "" : CONTROL_SUFFIX);
	if (n < 0 || (size_t)n >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

/* The NUL-terminated answer: 0; -ETIMEDOUT; -ECONNRESET when the token was unplugged meanwhile. */
static int control_ask(const struct arguments *a, const char *request, uint64_t timeout_us,
	char ret[static CONTROL_REPLY_MAX])
{
	uint64_t deadline = clock_now(&clock_system).boot_us + timeout_us;
	int fd = control_connect(a);
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	int r = 0;

	if (fd < 0)
		return fd;
	if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
		r = -errno;
	while (r == 0) {
		uint64_t now = clock_now(&clock_system).boot_us;
		uint64_t ms = now < deadline ? (deadline - now + US_PER_MS - 1) / US_PER_MS : 0;
		int n = poll(&pfd, 1, ms < INT_MAX ? (int)ms : INT_MAX);

		if (n > 0)
			break;
		if (n == 0 && ms <= INT_MAX)
			r = -ETIMEDOUT;
		else if (n < 0 && errno != EINTR)
			r = -errno;
	}
	if (r == 0) {
		ssize_t n = recv(fd, ret, CONTROL_REPLY_MAX - 1, 0);

		if (n > 0)
			ret[n] = '\0';
		else
			r = n < 0 ? -errno : -ECONNRESET;
	}
	close(fd);
	return r;
}

static void say_error(const struct arguments *a, int r)
{
	if (r == -ENOENT || r == -ECONNREFUSED)
		log_error("%s: no software token is plugged in there", where(a));
	else if (r == -ETIMEDOUT)
		log_error("%s: no touch was wanted in time", where(a));
	else if (r == -ECONNRESET)
		log_error("%s: the token was unplugged", where(a));
	else
		log_error("%s: %s", where(a), strerror(-r));
}

/* 0 to go on, else an exit status + 1. */
static int parse(struct arguments *a, int argc, char **argv, const char *help, bool with_touch)
{
	static const struct option options[] = {
		{"socket", required_argument, NULL, 's'},
		{"control", required_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'h'},
		{"timeout", required_argument, NULL, 't'},
		{"deny", no_argument, NULL, 'd'},
		{0},
	};
	char *end = NULL;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'h') {
			fputs(help, stdout);
			return EXIT_SUCCESS + 1;
		} else if (option == 's') {
			a->socket = optarg;
		} else if (option == 'c') {
			a->control = optarg;
		} else if (option == 't' && with_touch) {
			a->timeout = strtoul(optarg, &end, 10);
			if (optarg[0] < '0' || optarg[0] > '9' || *end != '\0' ||
				a->timeout > TIMEOUT_SECONDS_MAX) {
				log_error("--timeout is a number of seconds up to %d", TIMEOUT_SECONDS_MAX);
				return EXIT_USAGE + 1;
			}
		} else if (option == 'd' && with_touch) {
			a->deny = true;
		} else {
			if (option != '?')
				log_error("%s takes --socket PATH or --control PATH only", argv[0]);
			return EXIT_USAGE + 1;
		}
	}
	if (optind < argc || !a->socket == !a->control) {
		log_error(
			"%s needs one of --socket PATH and --control PATH; see %s --help", argv[0], argv[0]);
		return EXIT_USAGE + 1;
	}
	return 0;
}

int verb_touch(int argc, char **argv)
{
	struct arguments a = {.timeout = TIMEOUT_SECONDS_DEFAULT};
	char reply[CONTROL_REPLY_MAX];
	int r = parse(&a, argc, argv, help_touch, true);

	if (r > 0)
		return r - 1;
	r = control_ask(&a, a.deny ? "deny" : "touch", a.timeout * US_PER_SEC, reply);
	if (r < 0) {
		say_error(&a, r);
		return EXIT_FAILURE;
	}
	if (strcmp(reply, "auto") == 0) {
		log_error("%s: this token gives its touches by itself (--touch auto)", where(&a));
		return EXIT_FAILURE;
	}
	return strcmp(reply, "ok") == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int verb_status(int argc, char **argv)
{
	struct arguments a = {0};
	char reply[CONTROL_REPLY_MAX];
	int r = parse(&a, argc, argv, help_status, false);

	if (r > 0)
		return r - 1;
	r = control_ask(&a, "status", TIMEOUT_SECONDS_DEFAULT * US_PER_SEC, reply);
	if (r < 0) {
		say_error(&a, r);
		return EXIT_FAILURE;
	}
	puts(reply);
	return EXIT_SUCCESS;
}
