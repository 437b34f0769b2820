/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "client/recovery.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/say.h"
#include "client/term.h"
#include "client/text.h"

static int string_entry(char **ret, sd_bus_message *m)
{
	const char *s;
	char *copy;
	int r;

	r = sd_bus_message_read(m, "v", "s", &s);
	if (r < 0)
		return r;
	copy = strdup(s);
	if (!copy)
		return -ENOMEM;
	text_make_printable(copy);
	free(*ret);
	*ret = copy;
	return 0;
}

static int result_entry(struct recovery_result *ret, sd_bus_message *m)
{
	const char *name, *s;
	int fd, r;

	r = sd_bus_message_read_basic(m, 's', &name);
	if (r < 0)
		return r;
	if (!strcmp(name, "public-key"))
		return string_entry(&ret->public_key, m);
	if (!strcmp(name, "recovery")) {
		r = sd_bus_message_read(m, "v", "h", &fd);
		if (r < 0)
			return r;
		ret->code = secret_free(ret->code);
		return secret_from_pipe(&ret->code, fd, SECRET_MAX);
	}
	if (!strcmp(name, "slot")) {
		r = sd_bus_message_peek_type(m, NULL, &s);
		if (r >= 0 && !strcmp(s, "s"))
			return string_entry(&ret->x_slot, m);
		return sd_bus_message_read(m, "v", "u", &ret->slot);
	}
	if (!strcmp(name, "handle"))
		return string_entry(&ret->handle, m);
	return sd_bus_message_skip(m, "v");
}

static int result_read(struct recovery_result *ret, sd_bus_message *reply)
{
	struct recovery_result result = {.public_key = strdup(""), .handle = strdup(""), .x_slot = strdup("")};
	int r = result.public_key && result.handle && result.x_slot ? sd_bus_message_enter_container(reply, 'a', "{sv}") : -ENOMEM;

	while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
		r = result_entry(&result, reply);
		if (r >= 0)
			r = sd_bus_message_exit_container(reply);
	}
	if (r < 0) {
		recovery_result_clear(&result);
		return r;
	}
	*ret = result;
	return 0;
}

int recovery_call(struct proxy *p, const struct call *c, struct recovery_result *ret)
{
	sd_bus_message *reply = NULL;
	int r;

	r = call_run(p, c, &reply);
	if (r)
		return r;
	r = result_read(ret, reply);
	sd_bus_message_unref(reply);
	if (r < 0)
		return say_errno(r, "The broker's answer cannot be read");
	return 0;
}

void recovery_result_clear(struct recovery_result *r)
{
	free(r->public_key);
	free(r->handle);
	free(r->x_slot);
	r->public_key = r->handle = r->x_slot = NULL;
	r->code = secret_free(r->code);
}

static int write_all(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static int code_print(int fd, const char *before, const struct secret *code, const char *after)
{
	int r = write_all(fd, before, strlen(before));

	if (r >= 0)
		r = write_all(fd, secret_borrow(code), secret_len(code));
	return r < 0 ? r : write_all(fd, after, strlen(after));
}

/* What is easily mistaken on paper is the same letter, as for the broker: case, O and 0, I, L and 1. */
static uint8_t plain_letter(uint8_t c)
{
	if (c >= 'a' && c <= 'z')
		c = (uint8_t)(c - 'a' + 'A');
	return c == 'O' ? '0' : c == 'I' || c == 'L' ? '1' : c;
}

static bool group_is_right(const struct secret *typed, const struct secret *code)
{
	const uint8_t *c = secret_borrow(code), *t = secret_borrow(typed);
	size_t start = secret_len(code), n = 0;

	while (start && c[start - 1] != '-' && c[start - 1] != ' ')
		start--;
	for (size_t i = 0; i < secret_len(typed); i++) {
		if (t[i] == ' ')
			continue;
		if (start + n >= secret_len(code) || plain_letter(t[i]) != plain_letter(c[start + n]))
			return false;
		n++;
	}
	return start + n == secret_len(code);
}

int recovery_show(const struct secret *code, const char *tunnel, bool yes)
{
	char before[256];
	int fd, r;

	fflush(stdout);
	if (yes) {
		r = code_print(STDOUT_FILENO, "recovery code: ", code, "\n");
		return r < 0 ? say_errno(r, "The recovery code cannot be printed") : 0;
	}
	fd = open("/dev/tty", O_WRONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return say_outcome(OUTCOME_FAILED,
			"There is no terminal to show the recovery code on: use --yes or --no-recovery in scripts");
	snprintf(before, sizeof(before),
		"\nThe recovery code opens %s when every security key is lost. It is shown only now:\n\n    ", tunnel);
	r = code_print(fd, before, code, "\n\nWrite it down on paper and keep it apart from this machine.\n");
	close(fd);
	if (r < 0)
		return say_errno(r, "The recovery code cannot be shown");
	for (;;) {
		_cleanup_secret_ struct secret *typed = NULL;

		r = term_ask_secret(&typed, "To confirm, type its last group: ", true);
		if (r == -EINTR)
			return say_outcome(OUTCOME_CANCELLED, "Cancelled before the recovery code was confirmed");
		if (r < 0 && r != -ENODATA && r != -EMSGSIZE)
			return say_errno(r, "The terminal cannot be read");
		if (r == 0 && group_is_right(typed, code))
			return 0;
		fputs("That is not its last group. ", stderr);
	}
}

int recovery_check(const struct call_options *o)
{
	if (o->recovery && !o->yes && !term_can_ask())
		return say_outcome(OUTCOME_FAILED,
			"There is no terminal to show the recovery code on: use --yes (it is printed) or --no-recovery");
	return 0;
}

int recovery_hand_over(const struct recovery_result *r, const char *tunnel, const char *ifname, const struct call_options *o)
{
	int shown = r->code ? recovery_show(r->code, tunnel, o->yes) : 0;

	if (shown)
		say_warning("Without its recovery code noted, make another one: `wgfido keyslot add %s --recovery`", ifname);
	return shown;
}

int recovery_ask(struct call_options *o)
{
	int r;

	o->recovery_code = secret_free(o->recovery_code);
	r = term_ask_secret(&o->recovery_code, "Recovery code (it does not show): ", false);
	if (r == -ENXIO)
		return say_outcome(OUTCOME_INVALID_ARGUMENT,
			"The recovery code is needed: run this on a terminal, or give it with --recovery-fd");
	if (r == -EINTR || r == -ENODATA)
		return say_outcome(OUTCOME_CANCELLED, NULL);
	if (r == -EMSGSIZE)
		return say_outcome(OUTCOME_INVALID_ARGUMENT, "That is too long for a recovery code: check it and try again");
	return r < 0 ? say_errno(r, "The terminal cannot be read") : 0;
}
