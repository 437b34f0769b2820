/* SPDX-License-Identifier: GPL-2.0-or-later */
/* keyfile_parse on anything; what it takes comes back the same through keyfile_format, and opens with no wrong key. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/keystore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct secret *kek;
	struct keyfile *k = NULL, *again = NULL;
	struct secret *t = NULL;
	char *error = NULL, *text = NULL;
	int r;

	if (!kek) {
		require(secret_init() >= 0);
		kek = secret_new(SECRET_KEY_SIZE);
		require(kek != NULL);
	}

	r = keyfile_parse(&k, &error, (const char *)data, size);
	require(r == 0 || (r == OUTCOME_KEYFILE_DAMAGED && error && !k));
	if (r == 0) {
		require(!error);
		require(keyfile_format(&text, k) == 0);
		require(keyfile_parse(&again, &error, text, strlen(text)) == 0);
		require(memcmp(k, again, sizeof(*k)) == 0);
		require(k->held == KEYFILE_WRAPPED || (k->n_slots == 0 && keyfile_resident_valid(&k->resident)));
		for (size_t i = 0; i < k->n_slots; i++) {
			require(keyfile_find_slot(k, k->slots[i].id) == &k->slots[i]);
			require(keyfile_unwrap(&t, k, k->slots[i].id, kek) == OUTCOME_WRONG_TOKEN && !t);
		}
	}
	free(text);
	free(error);
	keyfile_free(k);
	keyfile_free(again);
	return 0;
}
