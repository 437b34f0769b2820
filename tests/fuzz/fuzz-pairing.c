/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pairing_parse on anything; what it takes comes back the same through pairing_format. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/outcome.h"
#include "daemon/pairing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pairing p = {0}, again = {0};
	char *text = NULL;
	int r;

	r = pairing_parse(&p, (const char *)data, size);
	require(r == 0 || r == OUTCOME_KEYFILE_DAMAGED);
	if (r == 0) {
		require(pairing_format(&text, &p) == 0);
		require(pairing_parse(&again, text, strlen(text)) == 0);
		require(key_equal(p.token_public, again.token_public) && key_equal(p.host_public, again.host_public) &&
			p.host_index == again.host_index && p.created == again.created && strcmp(p.label, again.label) == 0);
	}
	free(text);
	return 0;
}
