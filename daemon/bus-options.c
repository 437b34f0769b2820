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
	const char *type;
} table[] = {
	{"for", BUS_OPTION_FOR, "t"},
	{"wait", BUS_OPTION_WAIT, "b"},
	{"pin", BUS_OPTION_PIN, "h"},
	{"old-pin", BUS_OPTION_OLD_PIN, "h"},
	{"confirm-pin", BUS_OPTION_CONFIRM_PIN, "b"},
	{"token", BUS_OPTION_TOKEN, "s"},
	{"uv", BUS_OPTION_UV, "s"},
	{"label", BUS_OPTION_LABEL, "s"},
	{"recovery", BUS_OPTION_MAKE_RECOVERY, "b"},
	{"recovery", BUS_OPTION_RECOVERY, "h"},
	{"type", BUS_OPTION_TYPE, "s"},
	{"forget", BUS_OPTION_FORGET, "b"},
	{"slot", BUS_OPTION_SLOT, "t"},
	{"resident", BUS_OPTION_RESIDENT, "b"},
	{"slot", BUS_OPTION_X_SLOT, "s"},
	{"touch", BUS_OPTION_TOUCH, "s"},
	{"handle", BUS_OPTION_HANDLE, "ay"},
	{"abandon", BUS_OPTION_ABANDON, "b"},
	{"erase", BUS_OPTION_ERASE, "b"},
	{"role", BUS_OPTION_ROLE, "s"},
	{"peer", BUS_OPTION_PEER, "ay"},
	{"message", BUS_OPTION_MESSAGE, "ay"},
	{"next", BUS_OPTION_NEXT, "b"},
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

static int read_x_slot(struct request_options *o, const char *text, sd_bus_error *error)
{
	o->has_x_slot = strcmp(text, "auto") != 0;
	if (o->has_x_slot && keyfile_x_slot_parse(&o->x_slot, text) < 0)
		return refuse(error, "slot", "\"auto\", \"ctaphid:0\" to \"ctaphid:31\", \"openpgp\", \"piv:9d\", \"piv:82\" to \"piv:95\"");
	return 0;
}

static int read_touch(struct request_options *o, const char *text, sd_bus_error *error)
{
	static const enum wire_x_touch touches[] = {WIRE_X_TOUCH_NEVER, WIRE_X_TOUCH_CACHED, WIRE_X_TOUCH_ALWAYS};

	for (size_t i = 0; i < sizeof(touches) / sizeof(touches[0]); i++)
		if (strcmp(text, keyfile_x_touch_name(touches[i])) == 0) {
			o->x_touch = touches[i];
			return 0;
		}
	return refuse(error, "touch", "\"never\", \"cached\" or \"always\"");
}

static int read_role(struct request_options *o, const char *text, sd_bus_error *error)
{
	if (strcmp(text, "static") == 0)
		o->role = REQUEST_ROLE_STATIC;
	else if (strcmp(text, "initiator") == 0)
		o->role = REQUEST_ROLE_INITIATOR;
	else if (strcmp(text, "responder") == 0)
		o->role = REQUEST_ROLE_RESPONDER;
	else
		return refuse(error, "role", "\"static\", \"initiator\" or \"responder\"");
	return 0;
}

union value {
	int flag, fd;
	uint64_t number;
	const char *text;
	struct {
		const uint8_t *data;
		size_t len;
	} bytes;
};

static int read_key(uint8_t ret[static KEY_SIZE], bool *ret_has, const union value *v, const char *name, sd_bus_error *error)
{
	if (v->bytes.len != KEY_SIZE)
		return refuse(error, name, "32 bytes");
	memcpy(ret, v->bytes.data, KEY_SIZE);
	*ret_has = true;
	return 0;
}

static int read_message(struct request_options *o, const union value *v, sd_bus_error *error)
{
	if (v->bytes.len == 0 || v->bytes.len > sizeof(o->message))
		return refuse(error, "message", "a handshake message has 92 or 148 bytes");
	memcpy(o->message, v->bytes.data, v->bytes.len);
	o->message_len = v->bytes.len;
	return 0;
}

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
		o->recovery_asked = v->flag;
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
	case BUS_OPTION_RESIDENT:
		o->has_resident = true;
		o->resident = v->flag;
		return 0;
	case BUS_OPTION_X_SLOT:
		return read_x_slot(o, v->text, error);
	case BUS_OPTION_TOUCH:
		return read_touch(o, v->text, error);
	case BUS_OPTION_HANDLE:
		return read_key(o->handle, &o->has_handle, v, "handle", error);
	case BUS_OPTION_ABANDON:
		o->abandon = v->flag;
		return 0;
	case BUS_OPTION_ERASE:
		o->erase = v->flag;
		return 0;
	case BUS_OPTION_ROLE:
		return read_role(o, v->text, error);
	case BUS_OPTION_PEER:
		return read_key(o->peer, &o->has_peer, v, "peer", error);
	case BUS_OPTION_MESSAGE:
		return read_message(o, v, error);
	case BUS_OPTION_NEXT:
		o->next = v->flag;
		return 0;
	}
	return -EINVAL;
}

static int read_one(sd_bus_message *m, unsigned int known, unsigned int *seen, struct request_options *o,
	sd_bus_error *error)
{
	const char *name, *contents, *signature;
	union value value;
	const void *data;
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
	signature = table[i].type;
	if (strcmp(contents, signature) != 0) {
		char what[32];

		(void)snprintf(what, sizeof(what), "its type is %s", signature);
		return refuse(error, name, what);
	}
	if (*seen & (unsigned int)table[i].option)
		return refuse(error, name, "given twice");
	*seen |= (unsigned int)table[i].option;
	r = sd_bus_message_enter_container(m, 'v', signature);
	if (r >= 0 && signature[0] == 'a') {
		r = sd_bus_message_read_array(m, 'y', &data, &value.bytes.len);
		value.bytes.data = data;
	} else if (r >= 0) {
		r = sd_bus_message_read_basic(m, signature[0], &value);
	}
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
