/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tokens: the security keys that are plugged in. */
#include <string.h>

#include "client/proxy.h"
#include "client/text.h"
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
	_cleanup_proxy_ struct proxy *p = NULL;
	int r;

	r = verb_options_help_only(verb, argc, argv);
	if (r >= 0)
		return r;
	if (optind < argc)
		return verb_usage_error(verb, "tokens takes no argument");
	r = proxy_open(&p);
	if (r)
		return r;
	for (size_t i = 0; i < p->n_tokens; i++)
		token_print(&p->tokens[i]);
	if (!p->n_tokens)
		puts("No security key is plugged in.");
	return 0;
}

const struct verb verb_tokens = {
	"tokens",
	tokens_main,
	"",
	"List the security keys that are plugged in",
	NULL,
};
