/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pubkey: the public key that enrolment made, alone on a line, as `wg pubkey` prints one; or that of a handle on stdin. */
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include "client/proxy.h"
#include "client/say.h"
#include "client/target.h"
#include "client/text.h"
#include "client/verb.h"
#include "common/handle.h"
#include "common/names.h"

static int of_tunnel(struct proxy *p, const char *name)
{
	struct proxy_tunnel *t;
	int r = target_resolve_tunnel(&t, p, name);

	if (r)
		return r;
	if (!*t->public_key)
		return say_outcome(OUTCOME_NOT_ENROLLED, "%s has no token key yet: `wgfido %s %s` makes one",
			t->interface, text_making_verb(t), t->interface);
	puts(t->public_key);
	return 0;
}

static int say_slip(void)
{
	return say_outcome(OUTCOME_INVALID_ARGUMENT, "That is a handle with a slip in it: its checksum does not fit");
}

static int of_handle(struct proxy *p, const uint8_t handle[static KEY_SIZE])
{
	sd_bus_message *m = NULL, *reply = NULL;
	sd_bus_error error = SD_BUS_ERROR_NULL;
	const char *public_key;
	uint8_t key[KEY_SIZE];
	int r;

	r = sd_bus_message_new_method_call(p->bus, &m, WGFIDO_BUS_NAME, WGFIDO_PATH, WGFIDO_MANAGER_INTERFACE, "FindKey");
	if (r >= 0)
		r = sd_bus_message_append_array(m, 'y', handle, KEY_SIZE);
	if (r >= 0)
		r = sd_bus_call(p->bus, m, 0, &error, &reply);
	if (r >= 0)
		r = sd_bus_message_read(reply, "s", &public_key);
	if (r < 0)
		r = proxy_say_error(&error, r);
	else if (key_from_base64(key, public_key) < 0 || !handle_matches(handle, key))
		r = say_outcome(OUTCOME_FAILED, "The broker named a key that this handle is not of: see its log (wgfidod(8))");
	else
		r = puts(public_key) < 0;
	sd_bus_error_free(&error);
	sd_bus_message_unref(reply);
	sd_bus_message_unref(m);
	return r;
}

/* One line: a handle, or the name of a tunnel. In guarded memory, for somebody may hand us a private key. */
static int read_line(struct secret **ret, const struct verb *verb)
{
	int r;

	if (isatty(STDIN_FILENO))
		return verb_usage_error(verb, "Say which tunnel, or give a handle");
	r = secret_from_fd(ret, STDIN_FILENO, SECRET_MAX);
	if (r == -EMSGSIZE || r == -ENODATA)
		return say_outcome(OUTCOME_INVALID_ARGUMENT, "The standard input has neither a handle nor the name of a tunnel");
	return r < 0 ? say_errno(r, "The standard input cannot be read") : 0;
}

/* A handle is no secret: it may stand on the command line. */
static int of_argument(struct proxy *p, const char *text)
{
	struct handle h;
	uint8_t key[KEY_SIZE];

	if (key_from_base64(key, text) < 0 || !handle_is(key))
		return of_tunnel(p, text);
	if (handle_parse(&h, key) < 0)
		return say_slip();
	return of_handle(p, key);
}

static int of_input(struct proxy *p, const struct secret *line)
{
	_cleanup_secret_ struct secret *key = NULL;
	char name[IF_NAMESIZE] = "";
	struct handle h;

	if (secret_from_base64(&key, (const char *)secret_borrow(line), secret_len(line)) < 0) {
		/* What is too long for a name may be a private key with a slip in it, and stays where it is. */
		if (secret_len(line) < sizeof(name))
			memcpy(name, secret_borrow(line), secret_len(line));
		if (ifname_valid(name))
			return of_tunnel(p, name);
		return say_outcome(OUTCOME_INVALID_ARGUMENT, "The standard input has neither a handle nor the name of a tunnel");
	}
	if (!handle_is_secret(key))
		return say_outcome(OUTCOME_INVALID_ARGUMENT,
			"That is no handle of `wgfido genkey --resident`; of a private key `wg pubkey` makes the public key");
	if (handle_parse(&h, secret_key(key)) < 0)
		return say_slip();
	return of_handle(p, secret_key(key));
}

static int pubkey_main(const struct verb *verb, int argc, char **argv)
{
	_cleanup_secret_ struct secret *line = NULL;
	_cleanup_proxy_ struct proxy *p = NULL;
	int r = verb_options_help_only(verb, argc, argv);

	if (r >= 0)
		return r;
	if (argc - optind > 1)
		return verb_usage_error(verb, "Say which tunnel");
	r = optind == argc ? read_line(&line, verb) : 0;
	if (!r)
		r = proxy_open(&p);
	if (r)
		return r;
	return line ? of_input(p, line) : of_argument(p, argv[optind]);
}

const struct verb verb_pubkey = {
	"pubkey",
	pubkey_main,
	"[TUNNEL | HANDLE]",
	"Print a tunnel's public key, or a handle's",
	"Mode = psk: the token's public key, which the other end adds as TokenPublicKey (see `wgfido gateway`).\n"
	"Mode = identity: the interface's own WireGuard public key.\n"
	"HANDLE is what `wgfido genkey --resident` printed; the security key with that key is to be plugged in where no tunnel\n"
	"has it. Without an argument the standard input has one of the two, as `wg pubkey` takes a key.\n",
};
