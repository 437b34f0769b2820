/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "client/verb.h"

#include <stdarg.h>

void verb_print_help(const struct verb *verb, FILE *f)
{
	fprintf(f, "Usage: wgfido %s%s%s\n%s.\n", verb->name, *verb->arguments ? " " : "", verb->arguments,
		verb->help);
	if (verb->details)
		fprintf(f, "\n%s", verb->details);
}

int verb_usage(const struct verb *verb)
{
	fprintf(stderr, "wgfido: see `wgfido %s --help`\n", verb->name);
	return EXIT_USAGE;
}

int verb_usage_error(const struct verb *verb, const char *format, ...)
{
	va_list ap;

	fputs("wgfido: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fprintf(stderr, "; see `wgfido %s --help`\n", verb->name);
	return EXIT_USAGE;
}

int verb_options_help_only(const struct verb *verb, int argc, char **argv)
{
	static const struct option options[] = {
		{"help", no_argument, NULL, OPTION_HELP},
		{},
	};
	int c = getopt_long(argc, argv, "h", options, NULL);

	if (c < 0)
		return -1;
	if (c != OPTION_HELP)
		return verb_usage(verb);
	verb_print_help(verb, stdout);
	return 0;
}
