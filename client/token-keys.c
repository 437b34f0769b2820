/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "client/token-keys.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client/text.h"
#include "common/encoding.h"
#include "common/names.h"
#include "common/outcome.h"

/* It may be at work for others first, and wait for their touch. */
#define REPLY_US UINT64_C(90000000)

struct key {
	const char *slot, *touch, *public_key, *handle;
	uint32_t cached_seconds;
	int needs_pin, bound;
};

static const struct proxy_tunnel *whose(const struct proxy *p, const char *public_key, bool next)
{
	for (size_t i = 0; i < p->n_tunnels; i++)
		if (!strcmp(next ? p->tunnels[i].next_public_key : p->tunnels[i].public_key, public_key))
			return &p->tunnels[i];
	return NULL;
}

static void touch_print(const struct key *k)
{
	if (!strcmp(k->touch, "never"))
		fputs("asks for no touch", stdout);
	else if (!strcmp(k->touch, "always"))
		fputs("asks for a touch each time", stdout);
	else if (!strcmp(k->touch, "cached") && k->cached_seconds)
		printf("a touch is good for %u s", k->cached_seconds);
	else if (!strcmp(k->touch, "cached"))
		fputs("asks for a touch now and then", stdout);
	else
		fputs("does not say when it asks for a touch", stdout);
	if (k->needs_pin)
		fputs(", wants a PIN", stdout);
	if (!strncmp(k->slot, "ctaphid:", 8) && !k->bound)
		fputs(", answers every computer", stdout);
}

static void key_print(const struct proxy *p, const struct key *k)
{
	const struct proxy_tunnel *t = whose(p, k->public_key, false), *next = whose(p, k->public_key, true);
	char name[128];

	printf("    %-11s %s, ", k->slot, k->public_key);
	if (t)
		printf("of %s\n", text_tunnel(name, sizeof(name), t));
	else if (next)
		printf("the next of %s\n", text_tunnel(name, sizeof(name), next));
	else
		printf("of no tunnel here\n                handle %s\n", k->handle);
	fputs("                ", stdout);
	touch_print(k);
	putchar('\n');
}

static bool is_printable(const char *s)
{
	char copy[32];

	(void)snprintf(copy, sizeof(copy), "%s", s);
	text_make_printable(copy);
	return !strcmp(copy, s);
}

/* A key is a key, and a slot is no text of somebody's. */
static int key_read(sd_bus_message *m, struct key *ret)
{
	uint8_t key[KEY_SIZE];
	int r = sd_bus_message_read(m, "(ssubbss)", &ret->slot, &ret->touch, &ret->cached_seconds, &ret->needs_pin, &ret->bound,
		&ret->public_key, &ret->handle);

	if (r > 0 && (!is_printable(ret->slot) || key_from_base64(key, ret->public_key) < 0 || key_from_base64(key, ret->handle) < 0))
		return -EBADMSG;
	return r;
}

static int keys_read(struct proxy *p, sd_bus_message *m)
{
	struct key k;
	uint32_t slots;
	size_t n = 0;
	int r = sd_bus_message_read(m, "u", &slots);

	if (r >= 0)
		r = sd_bus_message_enter_container(m, 'a', "(ssubbss)");
	if (r >= 0)
		printf("  keys          in %u slot%s:\n", slots, slots == 1 ? "" : "s");
	for (; r >= 0 && (r = key_read(m, &k)) > 0; n++)
		key_print(p, &k);
	if (r >= 0 && !n)
		puts("    none");
	return r;
}

int token_keys_print(struct proxy *p, const struct proxy_token *t)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *m = NULL, *reply = NULL;
	char text[1024];
	int r;

	r = sd_bus_message_new_method_call(p->bus, &m, WGFIDO_BUS_NAME, t->path, WGFIDO_TOKEN_INTERFACE, "ListKeys");
	if (r >= 0)
		r = sd_bus_call(p->bus, m, REPLY_US, &error, &reply);
	if (r >= 0)
		r = keys_read(p, reply);
	if (r < 0) {
		r = (int)proxy_error_text(text, sizeof(text), &error, r);
		printf("  keys          not known: %s\n", text);
		r = outcome_exit_status((enum outcome)r);
	}
	sd_bus_error_free(&error);
	sd_bus_message_unref(reply);
	sd_bus_message_unref(m);
	return r > 0 ? r : 0;
}
