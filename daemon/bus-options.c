/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/bus-call.h"

#define PIN_MIN 4
#define PIN_MAX 63

static const struct {
	const char *name;
	enum bus_option option;
	char type;
} table[] = {
	{"for", BUS_OPTION_FOR, 't'},
	{"wait", BUS_OPTION_WAIT, 'b'},
	{"pin", BUS_OPTION_PIN, 'h'},
	{"old-pin", BUS_OPTION_OLD_PIN, 'h'},
	{"confirm-pin", BUS_OPTION_CONFIRM_PIN, 'b'},
	{"token", BUS_OPTION_TOKEN, 's'},
	{"uv", BUS_OPTION_UV, 's'},
	{"label", BUS_OPTION_LABEL, 's'},
	{"recovery", BUS_OPTION_MAKE_RECOVERY, 'b'},
	{"recovery", BUS_OPTION_RECOVERY, 'h'},
	{"type", BUS_OPTION_TYPE, 's'},
	{"forget", BUS_OPTION_FORGET, 'b'},
	{"slot", BUS_OPTION_SLOT, 't'},
};

static int refuse(sd_bus_error *error, const char *name, const char *what)
{
	char detail[160];

	(void)snprintf(detail, sizeof(detail), "option %.64s: %s", name, what);
	return bus_error(error, OUTCOME_INVALID_ARGUMENT, detail);
}

static int read_secret(struct secret **ret, int fd, const char *name, size_t min, size_t max, sd_bus_error *error)
{
	int r;

	*ret = secret_free(*ret);
	r = secret_from_pipe(ret, fd, max);
	if (r == -EBADF)
		return refuse(error, name, "it must be the read end of a pipe");
	if (r == -EAGAIN)
		return refuse(error, name, "the pipe must be filled, and its write end closed, before it is sent");
	if (r == -EMSGSIZE)
		return refuse(error, name, "too long");
	if (r == -ENODATA)
		return refuse(error, name, "empty");
	if (r < 0)
		return bus_error(error, r, name);
	if (secret_len(*ret) < min) {
		*ret = secret_free(*ret);
		return refuse(error, name, "too short");
	}
	return 0;
}

static int copy_text(char *buf, size_t size, const char *text, const char *name, sd_bus_error *error)
{
	const char *p;

	if (strlen(text) >= size)
		return refuse(error, name, "too long");
	/* The bus has checked that it is UTF-8. C1 controls are the two bytes C2 80 to C2 9F. */
	for (p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f || ((unsigned char)p[0] == 0xc2 && (unsigned char)p[1] < 0xa0))
			return refuse(error, name, "control characters are not allowed");
	(void)snprintf(buf, size, "%s", text);
	return 0;
}

static int read_uv(struct request_options *o, const char *text, sd_bus_error *error)
{
	if (strcmp(text, "auto") == 0)
		o->uv = REQUEST_UV_AUTO;
	else if (strcmp(text, "pin") == 0)
		o->uv = REQUEST_UV_PIN;
	else if (strcmp(text, "presence") == 0)
		o->uv = REQUEST_UV_PRESENCE;
	else
		return refuse(error, "uv", "\"auto\", \"pin\" or \"presence\"");
	return 0;
}

static int read_type(struct request_options *o, const char *text, sd_bus_error *error)
{
	o->add_recovery = strcmp(text, "recovery") == 0;
	if (!o->add_recovery && strcmp(text, "token") != 0)
		return refuse(error, "type", "\"token\" or \"recovery\"");
	return 0;
}

union value {
	int flag, fd;
	uint64_t number;
	const char *text;
};

static int apply(struct request_options *o, enum bus_option option, const union value *v, sd_bus_error *error)
{
	switch (option) {
	case BUS_OPTION_FOR:
		if (v->number == 0)
			return refuse(error, "for", "at least one second");
		o->for_seconds = v->number;
		return 0;
	case BUS_OPTION_WAIT:
		o->wait = v->flag;
		return 0;
	case BUS_OPTION_PIN:
		return read_secret(&o->pin, v->fd, "pin", PIN_MIN, PIN_MAX, error);
	case BUS_OPTION_OLD_PIN:
		return read_secret(&o->old_pin, v->fd, "old-pin", PIN_MIN, PIN_MAX, error);
	case BUS_OPTION_CONFIRM_PIN:
		o->confirm_pin = v->flag;
		return 0;
	case BUS_OPTION_TOKEN:
		return copy_text(o->token, sizeof(o->token), v->text, "token", error);
	case BUS_OPTION_UV:
		return read_uv(o, v->text, error);
	case BUS_OPTION_LABEL:
		return copy_text(o->label, sizeof(o->label), v->text, "label", error);
	case BUS_OPTION_MAKE_RECOVERY:
		o->make_recovery = v->flag;
		return 0;
	case BUS_OPTION_RECOVERY:
		return read_secret(&o->recovery, v->fd, "recovery", 1, SECRET_MAX, error);
	case BUS_OPTION_TYPE:
		return read_type(o, v->text, error);
	case BUS_OPTION_FORGET:
		o->forget = v->flag;
		return 0;
	case BUS_OPTION_SLOT:
		o->slot = v->number;
		o->has_slot = true;
		return 0;
	}
	return -EINVAL;
}

static int read_one(sd_bus_message *m, unsigned int known, unsigned int *seen, struct request_options *o,
	sd_bus_error *error)
{
	const char *name, *contents;
	char signature[2] = "";
	union value value;
	size_t i;
	int r;

	r = sd_bus_message_read_basic(m, 's', &name);
	if (r < 0)
		return r;
	r = sd_bus_message_peek_type(m, NULL, &contents);
	if (r < 0)
		return r;
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if ((known & (unsigned int)table[i].option) && strcmp(table[i].name, name) == 0)
			break;
	if (i == sizeof(table) / sizeof(table[0]))
		return refuse(error, name, "there is no such option here");
	signature[0] = table[i].type;
	if (strcmp(contents, signature) != 0) {
		char what[32];

		(void)snprintf(what, sizeof(what), "its type is %s", signature);
		return refuse(error, name, what);
	}
	if (*seen & (unsigned int)table[i].option)
		return refuse(error, name, "given twice");
	*seen |= (unsigned int)table[i].option;
	r = sd_bus_message_enter_container(m, 'v', signature);
	if (r >= 0)
		r = sd_bus_message_read_basic(m, table[i].type, &value);
	if (r >= 0)
		r = apply(o, table[i].option, &value, error);
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

int bus_options_read(sd_bus_message *m, unsigned int known, struct request_options *ret, sd_bus_error *error)
{
	unsigned int seen = 0;
	int r;

	r = sd_bus_message_enter_container(m, 'a', "{sv}");
	if (r < 0)
		return r;
	while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		r = read_one(m, known, &seen, ret, error);
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : sd_bus_message_exit_container(m);
}
