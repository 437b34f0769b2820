/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "client/pinentry.h"

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <sodium.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/assuan.h"
#include "common/clock.h"
#include "common/names.h"

#define BUFFER_SIZE (ASSUAN_LINE_MAX + 24)
#define LINES_MAX 200	  /* that one dialog may send */
#define COMMAND_MAX ASSUAN_LINE_MAX
#define PIN_MAX 63
#define SLACK_SECONDS 10 /* for the program to keep its own timeout */

/* What is said, in this order; each waits for the answer to the one before. */
enum step {
	STEP_GREETING,
	STEP_CTYPE,
	STEP_TIMEOUT,
	STEP_TITLE,
	STEP_WARNING,
	STEP_WARNING_OK,
	STEP_WARNING_CANCEL,
	STEP_CONFIRM,
	STEP_TEXT,
	STEP_PROMPT,
	STEP_OK,
	STEP_CANCEL,
	STEP_PIN,
	STEP_DONE,
};

struct pinentry {
	sd_event *event;
	pinentry_done_t done;
	void *userdata;
	char *text, *warning;
	bool want_pin;
	unsigned int timeout_seconds;
	enum step step;
	unsigned int n_lines;
	pid_t pid;
	int fd;
	sd_event_source *io, *timer, *child;
	char *buf; /* guarded */
	size_t len;
	struct secret *pin;
	size_t pin_len;
};

extern char **environ;

int pinentry_check(const char *program)
{
	struct stat st;

	if (*program != '/')
		return -EINVAL;
	if (stat(program, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || (st.st_mode & 022) || (st.st_uid != 0 && st.st_uid != geteuid()))
		return -EPERM;
	return access(program, X_OK) < 0 ? -errno : 0;
}

/* The loop must not use p after this. */
static void finish(struct pinentry *p, enum outcome outcome, const char *text)
{
	pinentry_done_t done = p->done;
	void *userdata = p->userdata;
	struct secret *pin = NULL;

	if (outcome == OUTCOME_OK && p->want_pin) {
		secret_truncate(p->pin, p->pin_len);
		pin = p->pin;
		p->pin = NULL;
	}
	p->io = sd_event_source_disable_unref(p->io);
	p->timer = sd_event_source_disable_unref(p->timer);
	done(userdata, outcome, pin, text);
	secret_free(pin);
}

static void fail(struct pinentry *p, const char *text)
{
	finish(p, OUTCOME_FAILED, text);
}

#define BROKEN "The PIN dialog broke off: run `wgfido approve` on a terminal."

/* The command of this step, "" if it is to be left out. */
static int command(char *buf, size_t size, const struct pinentry *p)
{
	const char *before = "", *argument = "";
	char escaped[COMMAND_MAX - 32];

	switch (p->step) {
	case STEP_GREETING:
	case STEP_DONE:
		break;
	case STEP_CTYPE:
		before = "OPTION lc-ctype=";
		argument = setlocale(LC_CTYPE, NULL);
		break;
	case STEP_TIMEOUT:
		snprintf(buf, size, "SETTIMEOUT %u\n", p->timeout_seconds);
		return 0;
	case STEP_TITLE:
		before = "SETTITLE ";
		argument = WGFIDO_RP_NAME;
		break;
	case STEP_WARNING:
		before = "SETDESC ";
		argument = p->warning ? p->warning : "";
		break;
	case STEP_WARNING_OK:
		before = "SETOK ";
		argument = p->warning ? "Use one of the last tries" : "";
		break;
	case STEP_WARNING_CANCEL:
		before = "SETCANCEL ";
		argument = p->warning ? "Cancel" : "";
		break;
	case STEP_CONFIRM:
		before = p->warning ? "CONFIRM" : "";
		break;
	case STEP_TEXT:
		before = "SETDESC ";
		argument = p->want_pin ? p->text : "";
		break;
	case STEP_PROMPT:
		before = "SETPROMPT ";
		argument = p->want_pin ? "PIN:" : "";
		break;
	case STEP_OK:
		before = "SETOK ";
		argument = p->want_pin ? "OK" : "";
		break;
	case STEP_CANCEL:
		before = "SETCANCEL ";
		argument = p->want_pin ? "Cancel" : "";
		break;
	case STEP_PIN:
		before = p->want_pin ? "GETPIN" : "";
		break;
	}
	*buf = '\0';
	if (!*before || (!*argument && before[strlen(before) - 1] == ' '))
		return 0;
	if (assuan_escape(escaped, sizeof(escaped), argument) < 0)
		return -EMSGSIZE;
	snprintf(buf, size, "%s%s\n", before, escaped);
	return 0;
}

/* Something that needs an answer of the user's? */
static bool asks(enum step s)
{
	return s == STEP_CONFIRM || s == STEP_PIN;
}

static void next(struct pinentry *p)
{
	char line[COMMAND_MAX + 1] = "";
	size_t len;

	while (!*line && p->step != STEP_DONE) {
		p->step++;
		if (p->step != STEP_DONE && command(line, sizeof(line), p) < 0) {
			fail(p, BROKEN);
			return;
		}
	}
	if (p->step == STEP_DONE) {
		if (p->want_pin && !p->pin_len)
			finish(p, OUTCOME_CANCELLED, "");
		else
			finish(p, OUTCOME_OK, "");
		return;
	}
	/* A line fits into the socket's buffer, or nobody reads there. */
	len = strlen(line);
	if (send(p->fd, line, len, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)len)
		fail(p, BROKEN);
}

static void on_error(struct pinentry *p, uint32_t code)
{
	/* An option or a button's name is no reason to give up. */
	if (!asks(p->step) && p->step != STEP_GREETING && p->step != STEP_TEXT && p->step != STEP_WARNING) {
		next(p);
		return;
	}
	if (asks(p->step) &&
		(code == ASSUAN_CODE_CANCELED || code == ASSUAN_CODE_FULLY_CANCELED || code == ASSUAN_CODE_NOT_CONFIRMED))
		finish(p, OUTCOME_CANCELLED, "");
	else if (asks(p->step) && code == ASSUAN_CODE_TIMEOUT)
		finish(p, OUTCOME_PIN_REQUIRED, "Nobody typed the PIN in time.");
	else
		fail(p, "The PIN dialog cannot be shown: run `wgfido approve` on a terminal.");
}

/* False: the PIN is too long, and the dialog over. */
static bool on_data(struct pinentry *p, const struct assuan_reply *r)
{
	if (r->text_len > PIN_MAX - p->pin_len) {
		finish(p, OUTCOME_PIN_INVALID, "A PIN has at most 63 bytes; it was not tried.");
		return false;
	}
	memcpy(secret_borrow_mut(p->pin) + p->pin_len, r->text, r->text_len);
	p->pin_len += r->text_len;
	return true;
}

/* False: it is over, and p may be gone. */
static bool on_line(struct pinentry *p, size_t len)
{
	struct assuan_reply r;

	assuan_parse(&r, p->buf, len);
	if (++p->n_lines > LINES_MAX)
		r.kind = ASSUAN_GARBAGE;
	switch (r.kind) {
	case ASSUAN_STATUS:
		return true;
	case ASSUAN_DATA:
		if (p->step == STEP_PIN)
			return on_data(p, &r);
		break;
	case ASSUAN_OK:
	case ASSUAN_ERROR:
		/* The line may be the last that p lives: what it owes to the buffer is paid first. */
		sodium_memzero(p->buf, len);
		memmove(p->buf, p->buf + len + 1, p->len - len - 1);
		p->len -= len + 1;
		/* A program that answers before it is asked would have its "OK" taken for a confirmation. */
		if (p->len) {
			fail(p, BROKEN);
			return false;
		}
		if (r.kind == ASSUAN_OK)
			next(p);
		else
			on_error(p, r.code);
		return false;
	case ASSUAN_INQUIRE:
	case ASSUAN_GARBAGE:
		break;
	}
	fail(p, BROKEN);
	return false;
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct pinentry *p = userdata;
	size_t line_len;
	ssize_t n;
	int r;

	(void)source;
	(void)events;
	n = read(fd, p->buf + p->len, BUFFER_SIZE - p->len);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		fail(p, p->step == STEP_GREETING ? "The PIN dialog did not start: run `wgfido approve` on a terminal." : BROKEN);
		return 0;
	}
	p->len += (size_t)n;
	while ((r = assuan_find_line(p->buf, p->len, &line_len)) == 0) {
		if (!on_line(p, line_len))
			return 0;
		memmove(p->buf, p->buf + line_len + 1, p->len - line_len - 1);
		p->len -= line_len + 1;
		sodium_memzero(p->buf + p->len, BUFFER_SIZE - p->len);
	}
	if (r != -EAGAIN)
		fail(p, BROKEN);
	return 0;
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	finish(userdata, OUTCOME_PIN_REQUIRED, "Nobody typed the PIN in time.");
	return 0;
}

/* Its end is seen at the socket; this only keeps zombies away. */
static int on_child(sd_event_source *source, const siginfo_t *info, void *userdata)
{
	struct pinentry *p = userdata;

	(void)source;
	(void)info;
	p->pid = 0;
	return 0;
}

static int spawn(struct pinentry *p, const char *program, int fd)
{
	char *argv[] = {(char *)program, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int r;

	sigemptyset(&none);
	sigfillset(&all);
	if (posix_spawn_file_actions_init(&actions))
		return -ENOMEM;
	if (posix_spawnattr_init(&attributes)) {
		posix_spawn_file_actions_destroy(&actions);
		return -ENOMEM;
	}
	r = posix_spawn_file_actions_adddup2(&actions, fd, STDIN_FILENO);
	if (!r)
		r = posix_spawn_file_actions_adddup2(&actions, fd, STDOUT_FILENO);
	/* A group of its own, so that a script around the program goes with it. */
	if (!r)
		r = posix_spawnattr_setflags(&attributes,
			POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	if (!r)
		r = posix_spawnattr_setsigmask(&attributes, &none);
	if (!r)
		r = posix_spawnattr_setsigdefault(&attributes, &all);
	if (!r)
		r = posix_spawn(&p->pid, program, &actions, &attributes, argv, environ);
	if (r)
		p->pid = 0;
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

static int start(struct pinentry *p, const char *program)
{
	uint64_t us = (p->timeout_seconds + SLACK_SECONDS) * US_PER_SEC;
	int fds[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	p->fd = fds[0];
	r = spawn(p, program, fds[1]);
	close(fds[1]);
	if (r >= 0)
		r = sd_event_add_child(p->event, &p->child, p->pid, WEXITED, on_child, p);
	if (r >= 0)
		r = sd_event_add_io(p->event, &p->io, p->fd, EPOLLIN, on_io, p);
	if (r >= 0)
		r = sd_event_add_time_relative(p->event, &p->timer, CLOCK_BOOTTIME, us, US_PER_MS, on_timeout, p);
	return r;
}

int pinentry_start(struct pinentry **ret, sd_event *event, const struct pinentry_question *q, pinentry_done_t done, void *userdata)
{
	struct pinentry *p = calloc(1, sizeof(*p));
	int r = pinentry_check(q->program);

	if (!p)
		return -ENOMEM;
	p->event = sd_event_ref(event);
	p->fd = -1;
	p->done = done;
	p->userdata = userdata;
	p->want_pin = q->want_pin;
	p->timeout_seconds = q->timeout_seconds;
	p->text = strdup(q->text);
	p->warning = q->warning ? strdup(q->warning) : NULL;
	p->pin = secret_new(PIN_MAX);
	p->buf = sodium_malloc(BUFFER_SIZE);
	if (!p->text || (q->warning && !p->warning) || !p->pin || !p->buf)
		r = -ENOMEM;
	if (r >= 0)
		r = start(p, q->program);
	if (r < 0) {
		pinentry_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

struct pinentry *pinentry_free(struct pinentry *p)
{
	if (!p)
		return NULL;
	sd_event_source_disable_unref(p->io);
	sd_event_source_disable_unref(p->timer);
	if (p->fd >= 0)
		close(p->fd);
	/* The end of its input does not end a dialog that is on the screen. */
	if (p->pid > 0) {
		kill(-p->pid, SIGKILL);
		(void)waitpid(p->pid, NULL, 0);
	}
	sd_event_source_disable_unref(p->child);
	secret_free(p->pin);
	sodium_free(p->buf);
	free(p->text);
	free(p->warning);
	sd_event_unref(p->event);
	free(p);
	return NULL;
}
