/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a wg-quick file: what can be taken out goes back to the same bytes. */
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "client/wgconf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct secret *key = NULL;
	size_t taken_len, back_len;
	char *taken, *back;
	unsigned int line;
	struct wgconf c, after;

	if (!size || secret_init() < 0 || wgconf_scan(&c, text, size) < 0)
		return 0;
	if (wgconf_may_take(&c, &line) != WGCONF_FINE || wgconf_key(&key, &c, text) < 0) {
		wgconf_clear(&c);
		return 0;
	}
	check(wgconf_take(&taken, &taken_len, &c, text, size) == 0);
	check(wgconf_scan(&after, taken, taken_len) == 0);
	check(after.n_keys == 0 && after.n_peers == c.n_peers);
	/* With lines that look like ours before it, another one is filled; the file is then refused, or gives the key. */
	if (wgconf_put(&back, &back_len, &after, taken, taken_len, key) == 0) {
		check(c.n_held || (back_len == size && !memcmp(back, text, size)));
		sodium_free(back);
	} else {
		check(c.n_held);
	}
	wgconf_clear(&after);
	wgconf_clear(&c);
	sodium_free(taken);
	secret_free(key);
	return 0;
}
