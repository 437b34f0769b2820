/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A file of window keys of any bytes is parsed, and then formats to what parses to the same, or refused with a message that names it. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/window.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void check(const struct window_keys *k)
{
	struct window_keys *again = NULL;
	char *text = NULL, *error = NULL;
	size_t len;

	must(k->n >= 1 && k->n <= WINDOW_COUNT_MAX);
	must(k->plan.seconds % SCHEDULE_EPOCH_SECONDS == 0 && k->plan.offset < k->plan.seconds && k->first % SCHEDULE_EPOCH_SECONDS == 0);
	must(window_keys_end(k) > k->first);
	if (window_keys_format(&text, &len, k, NULL) < 0)
		abort();
	must(len <= WINDOW_FILE_MAX);
	if (window_keys_parse(&again, &error, "again", text, len) < 0)
		abort();
	must(again->n == k->n && again->first == k->first && memcmp(&again->plan, &k->plan, sizeof(k->plan)) == 0);
	must(memcmp(again->keys, k->keys, k->n * sizeof(k->keys[0])) == 0);
	window_keys_free(again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct window_keys *k = NULL;
	char *error = NULL;

	if (sodium_init() < 0)
		abort();
	if (window_keys_parse(&k, &error, "fuzz", (const char *)data, size) == 0) {
		must(k && !error);
		check(k);
	} else {
		must(!k && error && strncmp(error, "fuzz:", 5) == 0 && text_valid(error));
	}
	window_keys_free(k);
	free(error);
	return 0;
}
