/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wgfido VERB ...: finds the verb; everything else is in its cmd-*.c. */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "client/say.h"
#include "client/verb.h"
#include "common/secret.h"

static const struct verb *const verbs[] = {
	&verb_status,
	&verb_approve,
	&verb_revoke,
	&verb_lock,
	&verb_protect,
	&verb_unprotect,
	&verb_nm,
	&verb_enroll,
	&verb_gateway,
	&verb_genkey,
	&verb_pubkey,
	&verb_rekey,
	&verb_keyslot,
	&verb_tokens,
	&verb_monitor,
	&verb_doctor,
};

#define N_VERBS (sizeof(verbs) / sizeof(verbs[0]))

static void print_help(FILE *f)
{
	fputs("Usage: wgfido VERB [ARGUMENTS]\n"
	      "WireGuard tunnels that work only while your security key is plugged in and was touched.\n\n",
		f);
	for (size_t i = 0; i < N_VERBS; i++)
		fprintf(f, "  %-10s %s\n", verbs[i]->name, verbs[i]->help);
	fputs("\n  --help, --version\n"
	      "`wgfido VERB --help` explains a verb; wgfido(1) lists the exit statuses.\n",
		f);
}

int main(int argc, char **argv)
{
	static char program[64];
	int r;

	setlocale(LC_TIME, "");
	if (argc < 2) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		print_help(stdout);
		return 0;
	}
	if (!strcmp(argv[1], "--version")) {
		puts(PACKAGE_STRING);
		return 0;
	}

	for (size_t i = 0; i < N_VERBS; i++) {
		if (strcmp(argv[1], verbs[i]->name))
			continue;
		r = secret_init();
		if (r < 0)
			return say_errno(r, "Guarded memory for secrets cannot be had");
		/* getopt_long names the program by argv[0]. */
		snprintf(program, sizeof(program), "wgfido %s", verbs[i]->name);
		argv[1] = program;
		r = verbs[i]->main(verbs[i], argc - 1, argv + 1);
		if (fflush(stdout) || ferror(stdout))
			return say_errno(EIO, "The output cannot be written");
		return r;
	}
	fprintf(stderr, "wgfido: There is no verb \"%s\"; `wgfido --help` lists them.\n", argv[1]);
	return EXIT_USAGE;
}
