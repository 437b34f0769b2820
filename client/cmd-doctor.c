/* SPDX-License-Identifier: GPL-2.0-or-later */
/* doctor: everything that can be checked now, without a touch, and the command that mends each finding. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "client/dirs.h"
#include "client/doctor.h"
#include "client/say.h"
#include "client/term.h"
#include "client/verb.h"
#include "common/config.h"

__attribute__((format(printf, 4, 0)))
static void line(struct doctor *d, enum term_colour colour, const char *word, const char *format, va_list ap)
{
	fprintf(d->f, "%s%-6s%s ", term_colour(d->f, colour), word, term_colour(d->f, TERM_PLAIN));
	vfprintf(d->f, format, ap);
	fputc('\n', d->f);
}

void doctor_ok(struct doctor *d, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	line(d, TERM_GREEN, "ok", format, ap);
	va_end(ap);
}

void doctor_note(struct doctor *d, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	line(d, TERM_DIM, "note", format, ap);
	va_end(ap);
}

void doctor_wrong(struct doctor *d, const char *mend, const char *format, ...)
{
	va_list ap;

	d->n_wrong++;
	va_start(ap, format);
	line(d, TERM_RED, "wrong", format, ap);
	va_end(ap);
	fprintf(d->f, "       %s->%s %s\n", term_colour(d->f, TERM_BOLD), term_colour(d->f, TERM_PLAIN), mend);
}

static void read_wants(struct doctor *d, char **names)
{
	for (char **name = names; name && *name; name++) {
		struct config *c = NULL;
		char *error = NULL;

		/* What cannot be read is told of with its tunnel. */
		if (config_load(&c, &error, d->config_dir, *name) >= 0)
			doctor_wants_add(&d->wants, c);
		free(error);
		config_free(c);
	}
}

/* The services first, then the machine, then what is plugged in, then each tunnel. */
static void check_all(struct doctor *d)
{
	char **names = NULL;
	int r = config_list(&names, d->config_dir);

	read_wants(d, names);
	d->gateway = doctor_is_gateway(d);
	doctor_check_broker(d);
	doctor_check_units(d);
	doctor_check_policy(d);
	doctor_check_polkit(d);
	doctor_check_logind(d);
	doctor_check_module(d);
	doctor_check_clock(d);
	doctor_check_files(d);
	doctor_check_udev(d);
	doctor_check_tokens(d);
	if (r < 0 || !names || !*names)
		doctor_wrong(d,
			d->gateway ? "write one, as wgfido.conf(5) shows for a gateway" : "wgfido protect TUNNEL, or wgfido enroll TUNNEL",
			"No tunnel is configured in %s", d->config_dir);
	for (char **name = names; name && *name; name++)
		doctor_check_tunnel(d, *name);
	doctor_check_nm(d, names);
	config_list_free(names);
}

static int doctor_main(const struct verb *verb, int argc, char **argv)
{
	_cleanup_proxy_ struct proxy *p = NULL;
	struct doctor d = {.f = stdout, .config_dir = dirs_config(), .root = dirs_root()};
	struct status s;
	int r;

	r = verb_options_help_only(verb, argc, argv);
	if (r >= 0)
		return r;
	if (optind < argc)
		return verb_usage_error(verb, "doctor takes no argument");
	r = proxy_open_quiet(&p);
	if (r >= 0)
		r = status_read(&s, p, dirs_agent_run());
	if (r < 0)
		return say_errno(r, "Nothing can be checked");
	d.status = &s;
	check_all(&d);
	status_clear(&s);
	if (!d.n_wrong)
		puts("All is well.");
	else
		printf("%u finding%s.\n", d.n_wrong, d.n_wrong == 1 ? "" : "s");
	return d.n_wrong ? outcome_exit_status(OUTCOME_FAILED) : 0;
}

const struct verb verb_doctor = {
	"doctor",
	doctor_main,
	"",
	"Check everything that can be checked, and say what mends it",
	"Exit status 0 if all is well. Run it as root to have the files in /etc/wireguard checked as well.\n",
};
