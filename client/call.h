/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A call to the broker that may need a plug, a touch or a PIN, and the talk with the user around it: the live prompt,
 * Ctrl-C, which cancels at the token, and the PIN with its retries by the user's choice only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "client/proxy.h"
#include "client/verb.h"
#include "common/secret.h"

/* Of the D-Bus methods' a{sv}; what is unset is not sent. The command line's options fill it (call_options_parse). */
struct call_options {
	uint64_t for_seconds;
	bool wait;
	const char *token; /* as given, then token_id */
	char token_id[128];
	const char *uv;
	const char *label;
	const char *type;
	bool says_recovery;
	bool recovery;
	bool forget;
	bool confirm_pin;
	bool resident;
	bool commit; /* --commit: is a method of its own, not sent */
	bool abandon;
	const char *x_slot;	 /* --slot */
	const char *touch;	 /* --touch */
	const uint8_t *handle;	 /* KEY_SIZE bytes: the key to adopt; NULL: a new one */
	bool yes; /* --yes: ask nothing */
	int pin_fd;		      /* -1: none */
	struct secret *pin;	      /* owned, as the others */
	struct secret *old_pin;
	struct secret *recovery_code;
};

#define CALL_OPTIONS_INIT                                                                                    \
	{                                                                                                    \
		.pin_fd = -1                                                                                 \
	}

/*
 * The verb's options into o. What only one verb knows sets a flag of its own: {"rekey", no_argument, &rekey, 1}.
 * -1 = go on at optind, else the exit status (after --help, or when an error was said).
 */
int call_options_parse(struct call_options *o, const struct verb *verb, int argc, char **argv, const struct option *options);
/* The whole of a verb that makes a key for its only argument, TUNNEL: the exit status. options as above. */
int call_key_main(const struct verb *verb, int argc, char **argv, const struct option *options,
	int (*make)(struct proxy *p, const char *tunnel, struct call_options *o));
void call_options_clear(struct call_options *o);
#define _cleanup_call_options_ __attribute__((cleanup(call_options_clear)))

/* What every verb that uses a security key takes. */
#define CALL_LONG_OPTIONS                                                                                    \
	{"token", required_argument, NULL, OPTION_TOKEN}, {"pin-fd", required_argument, NULL, OPTION_PIN_FD},        \
		{"confirm-pin", no_argument, NULL, OPTION_CONFIRM_PIN},                                              \
	{                                                                                                    \
		"help", no_argument, NULL, OPTION_HELP                                                       \
	}
/* What a verb takes besides that makes a key. */
#define CALL_KEY_OPTIONS                                                                                     \
	{"no-recovery", no_argument, NULL, OPTION_NO_RECOVERY}, {"yes", no_argument, NULL, OPTION_YES},      \
		{"uv", required_argument, NULL, OPTION_UV},                                                  \
	{                                                                                                    \
		"label", required_argument, NULL, OPTION_LABEL                                               \
	}
/* And where the key may be one that never leaves its token. */
#define CALL_RESIDENT_OPTIONS                                                                                \
	{"resident", no_argument, NULL, OPTION_RESIDENT}, {"slot", required_argument, NULL, OPTION_SLOT},    \
	{                                                                                                    \
		"touch", required_argument, NULL, OPTION_TOUCH                                               \
	}
#define CALL_RESIDENT_HELP                                                                                   \
	"  --resident       make a key that never leaves the token: X25519 over CTAPHID, OpenPGP card or PIV\n" \
	"  --slot SLOT      where: ctaphid, ctaphid:N, openpgp, piv:9d, ...; without it a free one is taken\n"  \
	"  --touch WHEN     when the token itself asks for a touch: never (the default), cached, always; a next key: as the present\n"
/* --resident beside what it excludes, and the other way round: 0, or says the error and returns the exit status. */
int call_check_resident(const struct call_options *o, const struct verb *verb);
#define CALL_OPTIONS_HELP                                                                                    \
	"  --token NAME     use this security key: its id, or a part of its name (see `wgfido tokens`)\n"    \
	"  --pin-fd N       read the PIN from file descriptor N, when one is needed\n"                      \
	"  --confirm-pin    use the PIN also when three or fewer tries are left\n"

struct call {
	const char *path;
	const char *interface;
	const char *method;
	const char *tunnel_path; /* whose Prompt properties tell what is waited for */
	const char *purpose;	 /* "to open office (wg0) to gw for 8 h" */
	const char *iface;	 /* ImportKey's first arguments */
	const struct secret *key;
	const uint32_t *slot; /* RemoveKeyslot's first argument */
	struct call_options *options;
};

/* The method call alone; 0 or negative errno. */
int call_message(struct proxy *p, const struct call *c, sd_bus_message **ret);
/* 0 and the reply (to be unref'd by the caller), or says the error and returns the exit status. */
int call_run(struct proxy *p, const struct call *c, sd_bus_message **ret_reply);
