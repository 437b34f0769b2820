/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the state file of an unplugged token says of X25519, and taking something out of it. */
#include <getopt.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/encoding.h"
#include "common/log.h"
#include "token/soft/store.h"
#include "token/soft/verbs.h"
#include "token/x25519-sodium.h"
#include "token/x25519/channel.h"

static const char help_forget[] =
	"Usage: wgfido-softtoken forget --state FILE (--slot N | --host N)\n\n"
	"Takes an X25519 key out of an unplugged token, or a host that was paired, and with it all keys that\n"
	"are bound to it. \"info\" lists both.\n\n"
	"  --state FILE        its keys\n"
	"  --slot N            the key\n"
	"  --host N            the host\n"
	"  --help\n";

static void print_key(const char *name, const uint8_t key[static KEY_SIZE])
{
	char text[KEY_BASE64_SIZE];

	key_to_base64(text, key);
	printf("%s: %s", name, text);
}

static void print_slot(unsigned int number, const struct x25519_slot *s)
{
	char name[32];

	snprintf(name, sizeof(name), "x25519 slot %u", number);
	print_key(name, s->public_key);
	switch (s->touch) {
	case X25519_TOUCH_NEVER:
		printf(", touch never");
		break;
	case X25519_TOUCH_CACHED:
		printf(", touch cached %u s", s->cached_seconds);
		break;
	case X25519_TOUCH_ALWAYS:
		printf(", touch always");
		break;
	}
	if (s->owner != X25519_NO_HOST)
		printf(", of host %u", s->owner);
	puts(s->imported ? ", imported" : "");
}

void verb_print_x25519(const struct store_x25519 *x)
{
	uint8_t identity[X25519_KEY_SIZE];
	char name[32];

	if (x->has_identity) {
		x25519_public(identity, &x25519_sodium, x->identity);
		print_key("x25519 identity", identity);
		putchar('\n');
	}
	for (unsigned int i = 0; i < X25519_DEVICE_HOSTS; i++) {
		if (!x->hosts[i].used)
			continue;
		snprintf(name, sizeof(name), "x25519 host %u", i);
		print_key(name, x->hosts[i].public_key);
		putchar('\n');
	}
	for (unsigned int i = 0; i < X25519_DEVICE_SLOTS; i++) {
		if (x->slots[i].used)
			print_slot(i, &x->slots[i]);
	}
}

/* False: there is none. */
static bool forget_slot(struct store_x25519 *x, unsigned long slot)
{
	if (slot >= X25519_DEVICE_SLOTS || !x->slots[slot].used)
		return false;
	sodium_memzero(&x->slots[slot], sizeof(x->slots[slot]));
	return true;
}

static bool forget_host(struct store_x25519 *x, unsigned long host)
{
	if (host >= X25519_DEVICE_HOSTS || !x->hosts[host].used)
		return false;
	for (unsigned int i = 0; i < X25519_DEVICE_SLOTS; i++) {
		if (x->slots[i].used && x->slots[i].owner == host)
			sodium_memzero(&x->slots[i], sizeof(x->slots[i]));
	}
	memset(&x->hosts[host], 0, sizeof(x->hosts[host]));
	return true;
}

static int forget(const char *path, const char *what, unsigned long number)
{
	bool slot = strcmp(what, "slot") == 0;
	struct store s;
	int r = store_open(&s, path, false);

	if (r < 0) {
		verb_state_error(path, r);
		return EXIT_FAILURE;
	}
	if (!(slot ? forget_slot : forget_host)(s.data.x25519, number)) {
		log_error("%s: there is no %s %lu; see wgfido-softtoken info", path, what, number);
		store_close(&s);
		return EXIT_FAILURE;
	}
	r = store_save(&s);
	store_close(&s);
	if (r < 0)
		verb_state_error(path, r);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int verb_forget(int argc, char **argv)
{
	static const struct option options[] = {
		{"state", required_argument, NULL, 's'},
		{"slot", required_argument, NULL, 'n'},
		{"host", required_argument, NULL, 'o'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	const char *path = NULL, *what = NULL;
	unsigned long number = 0;
	int option, n_what = 0;
	char *end;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 's':
			path = optarg;
			break;
		case 'n':
		case 'o':
			what = option == 'n' ? "slot" : "host";
			n_what++;
			number = strtoul(optarg, &end, 10);
			if (optarg[0] < '0' || optarg[0] > '9' || *end != '\0') {
				log_error("--%s cannot be \"%s\"; it is a number", what, optarg);
				return EXIT_USAGE;
			}
			break;
		case 'h':
			fputs(help_forget, stdout);
			return EXIT_SUCCESS;
		default:
			return EXIT_USAGE;
		}
	}
	if (!path || n_what != 1 || optind < argc) {
		log_error("forget needs --state FILE and one of --slot N and --host N; see wgfido-softtoken forget --help");
		return EXIT_USAGE;
	}
	return forget(path, what, number);
}
