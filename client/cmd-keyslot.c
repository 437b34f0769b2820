/* SPDX-License-Identifier: GPL-2.0-or-later */
/* keyslot list|add|remove|recover: the security keys and recovery codes that open a tunnel's key. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/keyslot.h"
#include "client/recovery.h"
#include "client/say.h"
#include "client/target.h"
#include "client/term.h"
#include "client/text.h"

struct keyslot_command {
	struct proxy *proxy;
	const char *tunnel;
	struct call_options options;
	bool recovery; /* --recovery: add: a code instead of a token; remove: typed instead of a touch */
	uint32_t slot;
};

static int say_resident(const struct proxy_tunnel *t)
{
	return say_outcome(OUTCOME_UNSUPPORTED,
		"%s has a key that never leaves its security key, so it has no keyslots and no recovery code: if that security key is lost, "
		"enroll with another one, and the other end changes a line",
		t->interface);
}

static int slots_list(struct keyslot_command *c)
{
	char day[32];
	struct proxy_tunnel *t;
	int r;

	r = target_resolve_tunnel(&t, c->proxy, c->tunnel);
	if (r)
		return r;
	if (!strcmp(t->held, "resident"))
		return say_resident(t);
	if (!t->keyslots.n)
		return say_outcome(OUTCOME_NOT_ENROLLED, "%s has no keyslot: `wgfido %s %s` makes the first", t->interface,
			text_making_verb(t), t->interface);
	for (size_t i = 0; i < t->keyslots.n; i++) {
		const struct proxy_keyslot *s = &t->keyslots.slots[i];
		time_t created = (time_t)s->created;
		struct tm tm;

		if (!localtime_r(&created, &tm) || !strftime(day, sizeof(day), "%Y-%m-%d", &tm))
			strcpy(day, "?");
		printf("%3u  %-13s  %-9s  %s  %s\n", s->id, !strcmp(s->type, "recovery") ? "recovery code" : "security key",
			!strcmp(s->uv, "pin") ? "touch+PIN" : !strcmp(s->uv, "presence") ? "touch" : "", day, s->label);
	}
	return 0;
}

static int slots_add(struct keyslot_command *c)
{
	uint32_t slot;
	int r;

	if (c->recovery) {
		if (!c->options.yes && !term_can_ask())
			return say_outcome(OUTCOME_FAILED, "There is no terminal to show the recovery code on: use --yes");
		return keyslot_add_recovery(c->proxy, c->tunnel, &c->options, c->options.yes);
	}
	r = keyslot_add_token(c->proxy, c->tunnel, &c->options, &slot);
	if (!r)
		printf("The security key has keyslot %u of %s: it opens the tunnel as the others do.\n", slot, c->tunnel);
	return r;
}

static int slots_recover(struct keyslot_command *c)
{
	struct proxy_tunnel *t;
	uint32_t slot;
	int r;

	/* Before somebody looks for a code that there never was. */
	r = target_resolve_tunnel(&t, c->proxy, c->tunnel);
	if (!r && !strcmp(t->held, "resident"))
		r = say_resident(t);
	if (!r && !c->options.recovery_code)
		r = recovery_ask(&c->options);
	if (!r)
		r = keyslot_add_token(c->proxy, c->tunnel, &c->options, &slot);
	if (!r)
		printf("The security key has keyslot %u of %s and opens it from now on.\n"
		       "Whoever finds the lost one can do so too: `wgfido rekey %s` ends that, "
		       "`wgfido keyslot remove %s SLOT` only here.\n",
			slot, c->tunnel, c->tunnel, c->tunnel);
	return r;
}

static int slots_remove(struct keyslot_command *c)
{
	int r = c->recovery && !c->options.recovery_code ? recovery_ask(&c->options) : 0;

	if (!r)
		r = keyslot_remove(c->proxy, c->tunnel, c->slot, &c->options);
	if (!r)
		printf("Keyslot %u of %s is gone. Copies of the key file made before still have it: if the security key was\n"
		       "lost or stolen, make a new key with `wgfido rekey %s`.\n",
			c->slot, c->tunnel, c->tunnel);
	return r;
}

static const struct action {
	const char *name;
	int (*run)(struct keyslot_command *c);
	bool takes_slot;
} actions[] = {
	{"list", slots_list, false},
	{"add", slots_add, false},
	{"remove", slots_remove, true},
	{"recover", slots_recover, false},
};

static int arguments_parse(const struct verb *verb, struct keyslot_command *c, const struct action **ret, int argc,
	char **argv)
{
	unsigned long slot;
	char *end;

	*ret = NULL;
	for (size_t i = 0; argc > 0 && i < sizeof(actions) / sizeof(actions[0]); i++)
		if (!strcmp(argv[0], actions[i].name))
			*ret = &actions[i];
	if (!*ret)
		return verb_usage_error(verb, "Say what to do: list, add, remove or recover");
	if (argc != ((*ret)->takes_slot ? 3 : 2))
		return verb_usage_error(verb, (*ret)->takes_slot ? "Say which tunnel and which keyslot" : "Say which tunnel");
	c->tunnel = argv[1];
	if ((*ret)->takes_slot) {
		errno = 0;
		slot = strtoul(argv[2], &end, 10);
		if (errno || end == argv[2] || *end || slot > UINT32_MAX)
			return verb_usage_error(verb, "\"%s\" is no keyslot's number: `wgfido keyslot list %s` shows them",
				argv[2], c->tunnel);
		c->slot = (uint32_t)slot;
	}
	return 0;
}

static int keyslot_main(const struct verb *verb, int argc, char **argv)
{
	int recovery = 0;
	const struct option options[] = {
		{"recovery", no_argument, &recovery, 1},
		{"recovery-fd", required_argument, NULL, OPTION_RECOVERY_FD},
		{"yes", no_argument, NULL, OPTION_YES},
		{"uv", required_argument, NULL, OPTION_UV},
		{"label", required_argument, NULL, OPTION_LABEL},
		CALL_LONG_OPTIONS,
		{},
	};
	struct keyslot_command c = {.options = CALL_OPTIONS_INIT};
	const struct action *action;
	int r;

	r = call_options_parse(&c.options, verb, argc, argv, options);
	if (r >= 0)
		return r;
	c.recovery = recovery;
	r = arguments_parse(verb, &c, &action, argc - optind, argv + optind);
	if (!r)
		r = proxy_open(&c.proxy);
	if (!r)
		r = action->run(&c);
	call_options_clear(&c.options);
	proxy_free(c.proxy);
	return r;
}

const struct verb verb_keyslot = {
	"keyslot",
	keyslot_main,
	"list|add|remove|recover TUNNEL [SLOT]",
	"Manage the security keys and recovery codes of a tunnel",
	"  list             what opens the tunnel's key\n"
	"  add              another security key; the new one is touched first, then one that opens the key\n"
	"  add --recovery   a recovery code\n"
	"  remove SLOT      one of them; never the last\n"
	"  recover          a new security key with the recovery code, when every other one is lost\n\n"
	"  --recovery       remove: type the recovery code instead of using a security key\n"
	"  --recovery-fd N  read the recovery code from file descriptor N\n"
	"  --yes            add --recovery: ask nothing, the code goes to stdout\n"
	"  --uv WHEN        pin, presence, or auto (a PIN where the security key has one; the default)\n"
	"  --label TEXT     what list calls the new one\n" CALL_OPTIONS_HELP,
};
