/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/secret.h"
#include "token/soft/verbs.h"

static const struct {
	const char *name;
	int (*main)(int argc, char **argv);
	const char *help;
} verbs[] = {
	{"run", verb_run, "plug the token in, on a socket or into the kernel, until a signal unplugs it"},
	{"touch", verb_touch, "touch it: waits until a touch is wanted"},
	{"status", verb_status, "print whether it waits for a touch: \"touch\" or \"idle\""},
	{"set-pin", verb_set_pin, "set its PIN, read from standard input, while it is unplugged"},
	{"reset", verb_reset, "forget PIN, credentials, X25519 keys and hosts, while it is unplugged"},
	{"forget", verb_forget, "erase an X25519 key or a paired host, while it is unplugged"},
	{"info", verb_info, "print what its state file says"},
};

#define N_VERBS (sizeof(verbs) / sizeof(verbs[0]))

static void usage(FILE *f)
{
	fputs("Usage: wgfido-softtoken VERB ...\n\n"
	      "A FIDO2 security key in software, for tests, demonstrations and machines without a key.\n"
	      "It protects nothing: its keys lie in a file, and its touch is a command.\n\n"
	      "Verbs:\n",
		f);
	for (size_t i = 0; i < N_VERBS; i++)
		fprintf(f, "  %-9s %s\n", verbs[i].name, verbs[i].help);
	fputs("\nwgfido-softtoken VERB --help tells more.\n", f);
}

int main(int argc, char **argv)
{
	log_open("wgfido-softtoken", LOG_LEVEL_INFO);
	if (argc < 2) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
		usage(stdout);
		return EXIT_SUCCESS;
	}
	if (strcmp(argv[1], "--version") == 0) {
		puts(PACKAGE_STRING);
		return EXIT_SUCCESS;
	}
	for (size_t i = 0; i < N_VERBS; i++) {
		static char name[64];
		int r;

		if (strcmp(argv[1], verbs[i].name) != 0)
			continue;
		r = secret_init();
		if (r < 0) {
			log_error("no guarded memory for keys: %s", strerror(-r));
			return EXIT_FAILURE;
		}
		snprintf(name, sizeof(name), "wgfido-softtoken %s",
			verbs[i].name); /* for getopt's messages and ours */
		argv[1] = name;
		return verbs[i].main(argc - 1, argv + 1);
	}
	log_error("there is no verb \"%s\"; see wgfido-softtoken --help", argv[1]);
	return EXIT_USAGE;
}
