/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "client/term.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

bool term_is_live(FILE *f)
{
	const char *term = getenv("TERM");

	return isatty(fileno(f)) && term && *term && strcmp(term, "dumb");
}

const char *term_colour(FILE *f, enum term_colour c)
{
	static const char *const codes[] = {[TERM_PLAIN] = "\033[0m",
		[TERM_BOLD] = "\033[1m",
		[TERM_DIM] = "\033[2m",
		[TERM_RED] = "\033[31m",
		[TERM_GREEN] = "\033[32m",
		[TERM_YELLOW] = "\033[33m"};
	const char *no_color = getenv("NO_COLOR");

	return term_is_live(f) && !(no_color && *no_color) ? codes[c] : "";
}

int term_columns(FILE *f)
{
	struct winsize w;

	if (!isatty(fileno(f)))
		return 100;
	return ioctl(fileno(f), TIOCGWINSZ, &w) == 0 && w.ws_col > 1 ? w.ws_col : 80;
}

void term_live_line(const char *text)
{
	fprintf(stderr, "\r\033[K%.*s", term_columns(stderr) - 1, text);
	fflush(stderr);
}

static int tty_open(void)
{
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

	return fd < 0 ? -ENXIO : fd;
}

bool term_can_ask(void)
{
	int fd = tty_open();

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static int tty_write(int fd, const char *s)
{
	size_t len = strlen(s);

	while (len) {
		ssize_t n = write(fd, s, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			s += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

/* Bytes up to a newline or the end, one at a time: what follows belongs to somebody else. */
static int line_read(struct secret **ret, int fd, int signal_fd)
{
	_cleanup_secret_ struct secret *s = secret_new(SECRET_MAX);
	size_t len = 0;

	if (!s)
		return -ENOMEM;
	for (;;) {
		struct pollfd p[] = {{fd, POLLIN, 0}, {signal_fd, POLLIN, 0}};
		uint8_t *at = secret_borrow_mut(s) + len;
		static uint8_t spare; /* one that would not fit; only its newline counts */
		ssize_t n;

		if (poll(p, signal_fd < 0 ? 1 : 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (signal_fd >= 0 && p[1].revents)
			return -EINTR;
		n = read(fd, len < SECRET_MAX ? at : &spare, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		if ((len < SECRET_MAX ? *at : spare) == '\n')
			break;
		if (len == SECRET_MAX) {
			spare = 0;
			return -EMSGSIZE;
		}
		len++;
	}
	if (len && secret_borrow(s)[len - 1] == '\r')
		len--;
	if (!len)
		return -ENODATA;
	/* Also cuts the newline off. */
	secret_truncate(s, len);
	*ret = secret_take(&s);
	return 0;
}

int term_read_secret_line(struct secret **ret, int fd)
{
	return line_read(ret, fd, -1);
}

int term_ask_secret(struct secret **ret, const char *question, bool echo)
{
	struct termios before, quiet;
	int fd = -1, signal_fd = -1, r;
	sigset_t mask, old;

	fd = tty_open();
	if (fd < 0)
		return fd;

	/* Signals that would end us wait in signal_fd until the echo is back; then they do their work. */
	sigemptyset(&mask);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGHUP);
	sigaddset(&mask, SIGQUIT);
	sigaddset(&mask, SIGTSTP);
	sigprocmask(SIG_BLOCK, &mask, &old);
	sigdelset(&mask, SIGTSTP);
	signal_fd = signalfd(-1, &mask, SFD_CLOEXEC);
	r = signal_fd < 0 ? -errno : 0;
	if (r >= 0 && tcgetattr(fd, &before) < 0)
		r = -errno;
	if (r < 0)
		goto out;

	quiet = before;
	if (!echo)
		quiet.c_lflag &= (tcflag_t) ~(ECHO | ECHOE | ECHOK | ECHONL);
	quiet.c_lflag |= ICANON | ISIG;
	if (tcsetattr(fd, TCSAFLUSH, &quiet) < 0) {
		r = -errno;
		goto out;
	}
	r = tty_write(fd, question);
	if (r >= 0)
		r = line_read(ret, fd, signal_fd);
	/* TCSAFLUSH: the rest of a line that was broken off must not reach the shell. */
	tcsetattr(fd, TCSAFLUSH, &before);
	if (!echo || r < 0)
		tty_write(fd, "\n");

	if (r == -EINTR) {
		/* Ctrl-C is an answer, to be told by the caller; the others end the program as they would have. */
		struct signalfd_siginfo info;

		if (read(signal_fd, &info, sizeof(info)) == sizeof(info) && info.ssi_signo != SIGINT)
			raise((int)info.ssi_signo);
	}
out:
	if (signal_fd >= 0)
		close(signal_fd);
	sigprocmask(SIG_SETMASK, &old, NULL);
	close(fd);
	return r;
}

int term_confirm(const char *question)
{
	_cleanup_secret_ struct secret *answer = NULL;
	char text[512];
	int r;

	snprintf(text, sizeof(text), "%s [y/N] ", question);
	r = term_ask_secret(&answer, text, true);
	if (r == -ENODATA || r == -EMSGSIZE)
		return 0;
	if (r < 0)
		return r;
	return *secret_borrow(answer) == 'y' || *secret_borrow(answer) == 'Y';
}
