/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A file of any bytes is parsed or refused with a message that names it; what is parsed holds together. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/config.h"
#include "common/schedule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void check_config(const struct config *c)
{
	must(c->lifetime_seconds >= 1 && c->lifetime_seconds <= 86400);
	must(schedule_slot_seconds_valid(c->slot_seconds));
	must(c->mode == CONFIG_MODE_IDENTITY || c->has_public_key);
	must(!c->name || text_valid(c->name));
	for (size_t i = 0; i < c->n_peers; i++) {
		const struct config_peer *peer = &c->peers[i];

		must(config_find_peer(c, peer->public_key) == peer);
		must(!key_is_zero(peer->public_key));
		must(peer->line > 0);
		must(!peer->name || (text_valid(peer->name) && strlen(peer->name) <= CONFIG_NAME_MAX));
		must(!peer->window_keys_file || peer->window_keys_file[0] == '/');
		must(!peer->has_window_keys || (peer->has_token_public_key && peer->window_keys.seconds >= 3600 && peer->window_keys.seconds % 3600 == 0));
		must((!peer->has_window_keys && !peer->window_keys_file) || peer->schedule == CONFIG_SCHEDULE_TIME);
		must(!peer->preshared_key_file || peer->preshared_key_file[0] == '/');
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *c = NULL;
	char *error = NULL;

	if (sodium_init() < 0)
		abort();
	if (config_parse(&c, &error, "fuzz.conf", "fuzz", (const char *)data, size) == 0) {
		must(c && !error);
		check_config(c);
	} else {
		must(!c && error && strncmp(error, "fuzz.conf:", 10) == 0 && text_valid(error));
	}
	config_free(c);
	free(error);
	return 0;
}
