/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tokens: the security keys that are plugged in. */
#include <getopt.h>
#include <string.h>

#include "client/proxy.h"
#include "client/token-keys.h"
#include "client/verb.h"

static const char *pin_words(const struct proxy_token *t)
{
	static const char *const words[][2] = {
		{"none", "no PIN set"},
		{"set", "PIN set"},
		{"blocked", "PIN blocked: only a reset, which erases the key, helps"},
		{"unsupported", "takes no PIN"},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(t->pin_state, words[i][0]))
			return words[i][1];
	return "not asked yet";
}

static bool token_has(const struct proxy_token *t, const char *capability)
{
	for (char **c = t->capabilities; c && *c; c++)
		if (!strcmp(*c, capability))
			return true;
	return false;
}

/* Can it hold a key that never leaves it? NULL: no. */
static const char *resident_words(const struct proxy_token *t)
{
	if (token_has(t, "wgX25519"))
		return "holds keys that never leave it (--slot ctaphid)";
	if (token_has(t, "openpgp") && token_has(t, "piv"))
		return "holds keys that never leave it (--slot openpgp, --slot piv:9d)";
	if (token_has(t, "openpgp"))
		return "holds a key that never leaves it (--slot openpgp)";
	return token_has(t, "piv") ? "holds keys that never leave it (--slot piv:9d)" : NULL;
}

static void token_print(const struct proxy_token *t)
{
	printf("%s%s\n", *t->name ? t->name : "security key", t->busy ? " (busy)" : "");
	printf("  id            %s\n", t->id);
	if (*t->serial && strcmp(t->serial, t->id))
		printf("  serial        %s\n", t->serial);
	fputs("  capabilities ", stdout);
	for (char **c = t->capabilities; c && *c; c++)
		printf(" %s", *c);
	if (!t->capabilities || !*t->capabilities)
		fputs(" not asked yet", stdout);
	printf("\n  PIN           %s", pin_words(t));
	if (t->pin_tries > 0)
		printf(", %u %s left", t->pin_tries, t->pin_tries == 1 ? "try" : "tries");
	putchar('\n');
	if (resident_words(t))
		printf("  --resident    %s\n", resident_words(t));
	if (t->capabilities && *t->capabilities && !token_has(t, "hmac-secret") && !resident_words(t))
		puts("  It cannot open tunnels: it lacks hmac-secret. Use another security key.");
}

static int tokens_main(const struct verb *verb, int argc, char **argv)
{
	static const struct option options[] = {
		{"keys", no_argument, NULL, OPTION_KEYS},
		{"help", no_argument, NULL, OPTION_HELP},
		{},
	};
	_cleanup_proxy_ struct proxy *p = NULL;
	bool keys = false;
	int c, r;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		switch (c) {
		case OPTION_KEYS:
			keys = true;
			break;
		case OPTION_HELP:
			verb_print_help(verb, stdout);
			return 0;
		default:
			return verb_usage(verb);
		}
	}
	if (optind < argc)
		return verb_usage_error(verb, "tokens takes no argument");
	r = proxy_open(&p);
	if (r)
		return r;
	for (size_t i = 0; i < p->n_tokens; i++) {
		const struct proxy_token *t = &p->tokens[i];
		int one;

		token_print(t);
		one = keys && resident_words(t) ? token_keys_print(p, t) : 0;
		if (one)
			r = one;
	}
	if (!p->n_tokens)
		puts("No security key is plugged in.");
	return r;
}

const struct verb verb_tokens = {
	"tokens",
	tokens_main,
	"[--keys]",
	"List the security keys that are plugged in",
	"  --keys    and the keys that never leave them: slot, public key, whose it is\n",
};
