/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tunnel/timers.h"

static uint64_t persistent_deadline(const struct timers *t, const struct timers_seen *seen)
{
	uint64_t since = t->persistent_base_us;

	if (!t->persistent_us)
		return US_NEVER;
	if (seen->last_sent_us > since)
		since = seen->last_sent_us;
	if (seen->last_received_us > since)
		since = seen->last_received_us;
	return since + t->persistent_us;
}

static bool reached(uint64_t deadline_us, uint64_t now_us)
{
	return deadline_us && now_us >= deadline_us;
}

uint32_t timers_due(struct timers *t, const struct timers_seen *seen, uint64_t now_us)
{
	uint32_t due = 0;

	if (reached(t->retransmit_us, now_us)) {
		t->retransmit_us = 0;
		due |= t->attempt_since_us && now_us - t->attempt_since_us >= TIMERS_REKEY_ATTEMPT_US ? TIMERS_GIVE_UP :
													TIMERS_RETRANSMIT;
	}
	if (reached(t->zero_keys_us, now_us)) {
		t->zero_keys_us = 0;
		due |= TIMERS_ZERO_KEYS;
	}
	if (seen->unanswered_since_us && now_us >= seen->unanswered_since_us + TIMERS_UNANSWERED_US)
		due |= TIMERS_UNANSWERED;
	if (seen->unacknowledged_since_us && now_us >= seen->unacknowledged_since_us + TIMERS_KEEPALIVE_US)
		due |= TIMERS_KEEPALIVE;
	if (now_us >= persistent_deadline(t, seen)) {
		t->persistent_base_us = now_us;
		due |= TIMERS_PERSISTENT;
	}
	if (!seen->active) {
		t->poll_us = 0;
	} else if (!t->poll_us || now_us >= t->poll_us) {
		if (t->poll_us && !seen->unanswered_since_us && !seen->unacknowledged_since_us) {
			t->poll_us = 0;
			due |= TIMERS_IDLE;
		} else {
			t->poll_us = now_us + TIMERS_POLL_US;
		}
	}
	return due;
}

static void earlier(uint64_t *next, uint64_t deadline_us)
{
	if (deadline_us && deadline_us < *next)
		*next = deadline_us;
}

uint64_t timers_next(const struct timers *t, const struct timers_seen *seen)
{
	uint64_t next = persistent_deadline(t, seen);

	earlier(&next, t->retransmit_us);
	earlier(&next, t->zero_keys_us);
	earlier(&next, t->poll_us);
	if (seen->unanswered_since_us)
		earlier(&next, seen->unanswered_since_us + TIMERS_UNANSWERED_US);
	if (seen->unacknowledged_since_us)
		earlier(&next, seen->unacknowledged_since_us + TIMERS_KEEPALIVE_US);
	return next;
}
