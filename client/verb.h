/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One verb of the command line per cmd-*.c; main.c holds the table. */
#pragma once

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>

struct verb {
	const char *name;
	int (*main)(const struct verb *verb, int argc, char **argv); /* returns the exit status */
	const char *arguments;					     /* "[TUNNEL[/PEER]] [--for TIME]" */
	const char *help;					     /* one line, for the list of verbs */
	const char *details;					     /* the body of --help: what, and the options */
};

extern const struct verb verb_status;
extern const struct verb verb_approve;
extern const struct verb verb_revoke;
extern const struct verb verb_lock;
extern const struct verb verb_enroll;
extern const struct verb verb_genkey;
extern const struct verb verb_pubkey;
extern const struct verb verb_gateway;
extern const struct verb verb_tokens;
extern const struct verb verb_protect;
extern const struct verb verb_unprotect;
extern const struct verb verb_rekey;
extern const struct verb verb_keyslot;
extern const struct verb verb_monitor;
extern const struct verb verb_nm;
extern const struct verb verb_doctor;

#define EXIT_USAGE 2

void verb_print_help(const struct verb *verb, FILE *f);
/* After getopt_long said '?': where the help is. Returns EXIT_USAGE. */
int verb_usage(const struct verb *verb);
/* With a sentence of its own before it. */
int verb_usage_error(const struct verb *verb, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* For verbs whose only option is --help: -1 = go on at optind, else the exit status. */
int verb_options_help_only(const struct verb *verb, int argc, char **argv);

/* The codes of long options without a letter, shared by the verbs. */
enum verb_option {
	OPTION_HELP = 'h',
	OPTION_JSON = 256,
	OPTION_WATCH,
	OPTION_FOR,
	OPTION_WAIT,
	OPTION_TOKEN,
	OPTION_UV,
	OPTION_LABEL,
	OPTION_PIN_FD,
	OPTION_KEYS,
	OPTION_CONFIRM_PIN,
	OPTION_RECOVERY_FD,
	OPTION_NO_RECOVERY,
	OPTION_YES,
	OPTION_RESIDENT,
	OPTION_COMMIT,
	OPTION_ABANDON,
	OPTION_SLOT,
	OPTION_TOUCH,
	OPTION_WINDOWS,
	OPTION_WINDOW,
	OPTION_FROM,
	OPTION_OUTPUT,
};
