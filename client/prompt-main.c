/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wgfido-prompt: the desktop's end of wgfido. */
#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/pinentry.h"
#include "client/prompt-run.h"
#include "common/log.h"
#include "common/secret.h"

static const char usage[] =
	"Usage: wgfido-prompt [OPTION]...\n"
	"Tells the desktop when a tunnel wants a touch or has closed, and approves what you click.\n"
	"\n"
	"  --pinentry PROGRAM   asks for PINs (" WGFIDO_PINENTRY ")\n"
	"  --debug              says more\n"
	"  --help, --version\n"
	"\n"
	"Run it once in a session: systemctl --user enable --now wgfido-prompt\n";

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"pinentry", required_argument, NULL, 'p'},
		{"debug", no_argument, NULL, 'd'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'v'},
		{},
	};
	struct prompt_options o = {.pinentry = WGFIDO_PINENTRY};
	enum log_level level = LOG_LEVEL_INFO;
	bool given = false;
	int c, r;

	setlocale(LC_CTYPE, "");
	while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
		switch (c) {
		case 'p':
			o.pinentry = optarg;
			given = true;
			break;
		case 'd':
			level = LOG_LEVEL_DEBUG;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		case 'v':
			puts(PACKAGE_STRING);
			return 0;
		default:
			fputs("Try `wgfido-prompt --help`.\n", stderr);
			return 2;
		}
	if (optind != argc) {
		fputs("wgfido-prompt: it takes no arguments; try `wgfido-prompt --help`.\n", stderr);
		return 2;
	}
	log_open("wgfido-prompt", level);
	r = secret_init();
	if (r < 0) {
		log_error("guarded memory for secrets cannot be had: %s", strerror(-r));
		return EXIT_FAILURE;
	}
	r = pinentry_check(o.pinentry);
	if (r < 0 && given) {
		log_error("--pinentry %s: %s", o.pinentry,
			r == -EPERM ? "others could change it" : r == -EINVAL ? "give the whole path" : strerror(-r));
		return 2;
	}
	return prompt_run(&o);
}
