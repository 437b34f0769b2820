/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "token/soft/run.h"
#include "token/soft/server.h"
#include "token/soft/verbs.h"

static const char help[] =
	"Usage: wgfido-softtoken run --state FILE (--socket PATH | --uhid | --usb) [OPTION]...\n\n"
	"Plugs the token in: PATH appears, a UNIX SOCK_SEQPACKET socket that takes and gives CTAPHID reports "
	"of\n"
	"64 bytes, one a packet. A signal to end (TERM, INT, HUP) unplugs it: PATH goes. PATH.ctl beside it "
	"is for "
	"\"touch\".\n"
	"With --uhid it is a HID device of the kernel's instead, as if on USB: with a hidraw node, for every "
	"program.\n"
	"It is a software key and protects nothing.\n\n"
	"  --state FILE        its keys; made when missing, for its owner only\n"
	"  --socket PATH       where it is plugged in\n"
	"  --uhid              plug it into the kernel (/dev/uhid: root; module uhid)\n"
	"  --usb               plug it into the kernel's virtual USB, with strings and a port (root; module "
	"vhci-hcd)\n"
	"  --control PATH      where to touch it: instead of PATH.ctl, or with --uhid or --usb\n"
	"  --touch auto        every touch is given at once (default)\n"
	"          manual      wgfido-softtoken touch gives it\n"
	"          tty         Enter on standard input gives it\n"
	"  --name NAME         what it calls itself on standard output\n"
	"  --socket-mode MODE  permissions of the sockets, octal; default: as the umask says\n"
	"  --quiet             print nothing but errors\n"
	"  --help\n\n"
	"For tests of the other side only:\n"
	"  --no-hmac-secret    a key without that extension\n"
	"  --no-x25519         a key without wgX25519\n"
	"  --misbehave MODE    answers to CBOR commands are\n"
	"              garbage             nonsense in good frames\n"
	"              toolong             7609 bytes long\n"
	"              silent              never sent\n"
	"              slow[=MS]           sent after MS milliseconds, without keepalives (default 3000)\n"
	"              keepalive-forever   \"processing\", without an end\n"
	"  --misbehave-x25519 MODE  answers of wgX25519, instead of those to CBOR commands, are one of the above, or\n"
	"              short               one byte too short\n"
	"              long                one byte too long\n"
	"              zero                of zeros where a shared secret belongs\n"
	"              replay              the one before, again\n"
	"  --misbehave-after N the first N answers to such commands are honest\n";

static int parse_number(unsigned long *ret, const char *text, int base, unsigned long max)
{
	char *end = NULL;
	unsigned long v;

	if (text[0] < '0' || text[0] > '9')
		return -1;
	v = strtoul(text, &end, base);
	if (*end != '\0' || v > max)
		return -1;
	*ret = v;
	return 0;
}

static int parse_touch(enum run_touch *ret, const char *text)
{
	if (strcmp(text, "auto") == 0)
		*ret = RUN_TOUCH_AUTO;
	else if (strcmp(text, "manual") == 0)
		*ret = RUN_TOUCH_MANUAL;
	else if (strcmp(text, "tty") == 0)
		*ret = RUN_TOUCH_TTY;
	else
		return -1;
	return 0;
}

static int parse_misbehave(struct run_options *o, const char *text)
{
	unsigned long ms;

	o->misbehaving = SOFTHID_CBOR;
	if (strcmp(text, "garbage") == 0) {
		o->misbehaviour = SOFTHID_GARBAGE;
	} else if (strcmp(text, "toolong") == 0) {
		o->misbehaviour = SOFTHID_TOO_LONG;
	} else if (strcmp(text, "silent") == 0) {
		o->misbehaviour = SOFTHID_SILENT;
	} else if (strcmp(text, "keepalive-forever") == 0) {
		o->misbehaviour = SOFTHID_KEEPALIVE_FOREVER;
	} else if (strcmp(text, "slow") == 0) {
		o->misbehaviour = SOFTHID_SLOW;
	} else if (strncmp(text, "slow=", 5) == 0 && parse_number(&ms, text + 5, 10, 3600 * 1000) == 0) {
		o->misbehaviour = SOFTHID_SLOW;
		o->slow_us = ms * US_PER_MS;
	} else {
		return -1;
	}
	return 0;
}

static int parse_misbehave_x25519(struct run_options *o, const char *text)
{
	static const struct {
		const char *name;
		enum soft_x25519_lie lie;
	} lies[] = {
		{"garbage", SOFT_X25519_GARBAGE},
		{"short", SOFT_X25519_SHORT},
		{"long", SOFT_X25519_LONG},
		{"zero", SOFT_X25519_ZERO},
		{"replay", SOFT_X25519_REPLAY},
	};
	int r;

	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		if (strcmp(text, lies[i].name) == 0) {
			o->lie = lies[i].lie;
			return 0;
		}
	}
	r = parse_misbehave(o, text);
	o->misbehaving = X25519_COMMAND;
	return r;
}

enum {
	OPT_STATE = 256,
	OPT_SOCKET,
	OPT_UHID,
	OPT_USB,
	OPT_CONTROL,
	OPT_TOUCH,
	OPT_NAME,
	OPT_MODE,
	OPT_NO_HMAC,
	OPT_NO_X25519,
	OPT_QUIET,
	OPT_MISBEHAVE,
	OPT_MISBEHAVE_X25519,
	OPT_AFTER,
	OPT_HELP
};

static const struct option options[] = {
	{"state", required_argument, NULL, OPT_STATE},
	{"socket", required_argument, NULL, OPT_SOCKET},
	{"uhid", no_argument, NULL, OPT_UHID},
	{"usb", no_argument, NULL, OPT_USB},
	{"control", required_argument, NULL, OPT_CONTROL},
	{"touch", required_argument, NULL, OPT_TOUCH},
	{"name", required_argument, NULL, OPT_NAME},
	{"socket-mode", required_argument, NULL, OPT_MODE},
	{"no-hmac-secret", no_argument, NULL, OPT_NO_HMAC},
	{"no-x25519", no_argument, NULL, OPT_NO_X25519},
	{"quiet", no_argument, NULL, OPT_QUIET},
	{"misbehave", required_argument, NULL, OPT_MISBEHAVE},
	{"misbehave-x25519", required_argument, NULL, OPT_MISBEHAVE_X25519},
	{"misbehave-after", required_argument, NULL, OPT_AFTER},
	{"help", no_argument, NULL, OPT_HELP},
	{0},
};

/* 0; -1 for a bad value. */
static int take_option(struct run_options *o, int option)
{
	unsigned long number;

	switch (option) {
	case OPT_STATE:
		o->state = optarg;
		return 0;
	case OPT_SOCKET:
		o->socket = optarg;
		return 0;
	case OPT_UHID:
		o->uhid = true;
		return 0;
	case OPT_USB:
		o->usb = true;
		return 0;
	case OPT_CONTROL:
		o->control = optarg;
		return 0;
	case OPT_TOUCH:
		return parse_touch(&o->touch, optarg);
	case OPT_NAME:
		o->name = optarg;
		return 0;
	case OPT_MODE:
		if (parse_number(&number, optarg, 8, 0777) < 0)
			return -1;
		o->socket_mode = (mode_t)number;
		return 0;
	case OPT_NO_HMAC:
		o->no_hmac_secret = true;
		return 0;
	case OPT_NO_X25519:
		o->no_x25519 = true;
		return 0;
	case OPT_QUIET:
		o->quiet = true;
		return 0;
	case OPT_MISBEHAVE:
		return parse_misbehave(o, optarg);
	case OPT_MISBEHAVE_X25519:
		return parse_misbehave_x25519(o, optarg);
	case OPT_AFTER:
		if (parse_number(&number, optarg, 10, 1000000) < 0)
			return -1;
		o->honest_first = (unsigned int)number;
		return 0;
	default:
		return -1;
	}
}

int verb_run(int argc, char **argv)
{
	struct run_options o = {
		.name = "wgfido-softtoken",
		.touch = RUN_TOUCH_AUTO,
		.socket_mode = SERVER_MODE_DEFAULT,
		.misbehaviour = SOFTHID_HONEST,
		.misbehaving = SOFTHID_CBOR,
		.slow_us = 3 * US_PER_SEC,
	};
	int option, index = 0;

	while ((option = getopt_long(argc, argv, "", options, &index)) != -1) {
		if (option == OPT_HELP) {
			fputs(help, stdout);
			return EXIT_SUCCESS;
		}
		if (option == '?')
			return EXIT_USAGE;
		if (take_option(&o, option) < 0) {
			log_error("--%s cannot be \"%s\"; see wgfido-softtoken run --help",
				options[index].name, optarg);
			return EXIT_USAGE;
		}
	}
	if (optind < argc || !o.state || (o.socket != NULL) + o.uhid + o.usb != 1) {
		log_error("run needs --state FILE and one of --socket PATH, --uhid and --usb, and nothing else by "
			  "itself; "
			  "see wgfido-softtoken run --help");
		return EXIT_USAGE;
	}
	if (!o.socket && o.touch == RUN_TOUCH_MANUAL && !o.control) {
		log_error("with --uhid or --usb, --touch manual needs --control PATH: where to touch it");
		return EXIT_USAGE;
	}
	return run_token(&o) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
