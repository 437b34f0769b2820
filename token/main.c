/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/log.h"
#include "common/names.h"
#include "common/secret.h"
#include "token/card/card.h"
#include "token/card/monitor.h"
#include "token/fido.h"
#include "token/hid.h"
#include "token/sandbox.h"
#include "token/seqpacket.h"
#include "token/worker.h"

static const char usage[] =
	"Usage: wgfido-token --fd N (--hidraw NODE | --soft PATH | --card READER | --cards)\n"
	"\n"
	"The part of wgfido that talks to one security key. The broker, wgfidod, starts it; there is\n"
	"nothing to do with it by hand.\n"
	"\n"
	"  --fd N         the socket to the broker, already open (SOCK_SEQPACKET)\n"
	"  --hidraw NODE  the key's device node, /dev/hidrawN\n"
	"  --soft PATH    the socket of a software token, see wgfido-softtoken --help\n"
	"  --card READER  the smart card in a reader of pcscd's\n"
	"  --cards        tell which readers have a card, as they come and go\n"
	"  --pcscd PATH   the socket of pcscd (default: " WGFIDO_PCSCD_SOCKET ")\n"
	"  --help         this text\n"
	"  --version      the version\n"
	"\n"
	"Exits with 0 when the broker closes the socket, 1 on trouble, 2 on wrong arguments.\n";

struct arguments {
	int fd;
	const char *hidraw, *soft, *card, *pcscd;
	bool cards;
};

static int usage_error(const char *what)
{
	fprintf(stderr, "wgfido-token: %s; see wgfido-token --help\n", what);
	return 2;
}

static int parse_fd(int *ret, const char *text)
{
	char *end;
	long v;

	errno = 0;
	v = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != 0 || v < 3 || v > 1023)
		return -EINVAL;
	*ret = (int)v;
	return 0;
}

static int check_socket(int fd)
{
	socklen_t len = sizeof(int);
	int type = 0;

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_SEQPACKET ? 0 : -ENOTSOCK;
}

/* -1: go on; else the exit status. */
static int parse_arguments(struct arguments *ret, int argc, char **argv)
{
	static const struct option options[] = {
		{"fd", required_argument, NULL, 'f'},
		{"hidraw", required_argument, NULL, 'r'},
		{"soft", required_argument, NULL, 's'},
		{"card", required_argument, NULL, 'c'},
		{"cards", no_argument, NULL, 'C'},
		{"pcscd", required_argument, NULL, 'p'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	int c;

	*ret = (struct arguments){.fd = -1, .pcscd = WGFIDO_PCSCD_SOCKET};
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'f':
			if (parse_fd(&ret->fd, optarg) < 0)
				return usage_error("--fd wants the number of an open socket, 3 or more");
			break;
		case 'r':
			ret->hidraw = optarg;
			break;
		case 's':
			ret->soft = optarg;
			break;
		case 'c':
			ret->card = optarg;
			break;
		case 'C':
			ret->cards = true;
			break;
		case 'p':
			ret->pcscd = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		case 'V':
			puts("wgfido-token " PACKAGE_VERSION);
			return 0;
		default:
			return usage_error("unknown or incomplete option");
		}
	}
	if (optind < argc)
		return usage_error("no arguments but options are taken");
	if (ret->fd < 0)
		return usage_error("--fd is missing");
	if (!!ret->hidraw + !!ret->soft + !!ret->card + ret->cards != 1)
		return usage_error("exactly one of --hidraw, --soft, --card and --cards is needed");
	if (check_socket(ret->fd) < 0)
		return usage_error("--fd does not name a SOCK_SEQPACKET socket");
	return -1;
}

static int turn_until_end(struct token_worker *w)
{
	int r;

	do
		r = token_worker_turn(w);
	while (r > 0);
	if (r < 0)
		log_error("%s: %s", r == -ECONNRESET ? "pcscd is gone" : "the broker broke off", strerror(-r));
	return r;
}

static int work(const struct arguments *args, struct transport *t)
{
	struct token_worker *w = NULL;
	struct sandbox sandbox;
	int r;

	fido_prepare();
	r = token_worker_new(&w, args->fd, t, &clock_system);
	if (r < 0) {
		log_error("no guarded memory: %s", strerror(-r));
		return r;
	}
	r = sandbox_enter(&sandbox, args->hidraw);
	if (r < 0)
		log_error("cannot enter the sandbox: %s", strerror(-r));
	else if (!sandbox.landlock && args->hidraw)
		log_warning("this kernel has no Landlock: files are guarded by their permissions only");
	if (r == 0)
		r = turn_until_end(w);
	token_worker_free(w);
	return r;
}

/* The socket to pcscd is connected already, and no other one is made after the sandbox is shut. */
static int work_card(const struct arguments *args, struct pcsc *pcsc)
{
	struct token_worker *w = NULL;
	struct card *card = NULL;
	struct sandbox sandbox;
	int r;

	r = token_worker_new(&w, args->fd, NULL, &clock_system);
	if (r == 0)
		r = card_new(&card, pcsc, args->card, &clock_system);
	if (r < 0)
		log_error("no guarded memory: %s", strerror(-r));
	if (r == 0) {
		token_worker_use_card(w, card);
		r = sandbox_enter_connected(&sandbox);
		if (r < 0)
			log_error("cannot enter the sandbox: %s", strerror(-r));
	}
	if (r == 0)
		r = turn_until_end(w);
	card_free(card);
	token_worker_free(w);
	return r;
}

static int run_card(const struct arguments *args)
{
	struct pcsc *pcsc;
	int r;

	r = pcsc_system.open(&pcsc, args->pcscd);
	if (r < 0) {
		log_error("cannot use pcscd at %s: %s", args->pcscd, strerror(-r));
		return r;
	}
	r = work_card(args, pcsc);
	pcsc->ops->close(pcsc);
	return r;
}

/* Ends when pcscd goes; the broker starts it anew, and it waits for pcscd to come back. */
static int run_monitor(const struct arguments *args)
{
	struct sandbox sandbox;
	struct pcsc *pcsc;
	int r;

	r = monitor_await(args->pcscd, args->fd);
	if (r < 0)
		return r == -ECANCELED ? 0 : r;
	r = pcsc_system.open(&pcsc, args->pcscd);
	if (r == -EACCES)
		monitor_tell_denied(args->fd);
	if (r < 0)
		return r;
	r = sandbox_enter_connected(&sandbox);
	if (r < 0)
		log_error("cannot enter the sandbox: %s", strerror(-r));
	else
		r = monitor_run(pcsc, args->fd);
	pcsc->ops->close(pcsc);
	return r;
}

int main(int argc, char **argv)
{
	struct transport *t = NULL;
	struct arguments args;
	int r;

	r = parse_arguments(&args, argc, argv);
	if (r >= 0)
		return r;
	log_open("wgfido-token", LOG_LEVEL_INFO);
	r = secret_init();
	if (r < 0) {
		log_error("cannot guard memory: %s", strerror(-r));
		return 1;
	}
	if (args.card || args.cards)
		return (args.card ? run_card(&args) : run_monitor(&args)) < 0 ? 1 : 0;
	r = args.hidraw ? hid_new(&t, args.hidraw, &clock_system) : seqpacket_new(&t, args.soft, &clock_system);
	if (r < 0) {
		log_error("cannot use %s: %s", args.hidraw ? args.hidraw : args.soft, strerror(-r));
		return 1;
	}
	r = work(&args, t);
	t = args.hidraw ? hid_free(t) : seqpacket_free(t);
	return r < 0 ? 1 : 0;
}
