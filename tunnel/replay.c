/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "tunnel/replay.h"
#include "tunnel/session.h"

#define WORDS (REPLAY_BITS / REPLAY_WORD_BITS)

void replay_init(struct replay *r)
{
	memset(r, 0, sizeof(*r));
}

bool replay_may(const struct replay *r, uint64_t counter)
{
	if (counter >= SESSION_REJECT_AFTER_MESSAGES)
		return false;
	if (counter >= r->next)
		return true;
	if (r->next - counter > REPLAY_WINDOW)
		return false;
	return !(r->seen[counter / REPLAY_WORD_BITS % WORDS] >> counter % REPLAY_WORD_BITS & 1);
}

bool replay_take(struct replay *r, uint64_t counter)
{
	const uint64_t word = counter / REPLAY_WORD_BITS;

	if (!replay_may(r, counter))
		return false;
	if (counter >= r->next) {
		/* next is 0 at first, and then word 0 is clear as it is. */
		const uint64_t last = r->next ? (r->next - 1) / REPLAY_WORD_BITS : 0;
		const uint64_t ahead = word - last < WORDS ? word - last : WORDS;

		for (uint64_t i = 1; i <= ahead; i++)
			r->seen[(last + i) % WORDS] = 0;
		r->next = counter + 1;
	}
	r->seen[word % WORDS] |= UINT64_C(1) << counter % REPLAY_WORD_BITS;
	return true;
}
