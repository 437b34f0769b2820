/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "common/names.h"
#include "common/outcome.h"

static const struct outcome_row {
	const char *name;
	int exit_status;
	const char *sentence;
} outcome_table[OUTCOME_MAX_] = {
	[OUTCOME_OK] = { "Ok", 0, "Done." },
	[OUTCOME_TOKEN_MISSING] = { "TokenMissing", 10,
		"No security key is plugged in: plug it in and try again, or use --wait." },
	[OUTCOME_TOUCH_TIMEOUT] = { "TouchTimeout", 11,
		"The security key was not touched in time: try again and touch it while it blinks." },
	[OUTCOME_CANCELLED] = { "Cancelled", 12, "Cancelled: nothing was changed; ask again when you are ready." },
	[OUTCOME_PIN_REQUIRED] = { "PinRequired", 13,
		"This needs the security key's PIN: run the command on a terminal and type it when asked." },
	[OUTCOME_PIN_INVALID] = { "PinInvalid", 14, "The PIN is wrong: try again with the right one." },
	[OUTCOME_PIN_FEW_TRIES_LEFT] = { "PinFewTriesLeft", 15,
		"Three or fewer PIN tries are left before the security key locks itself: try again only with a PIN you "
		"are sure of, and confirm that you want to." },
	[OUTCOME_PIN_BLOCKED] = { "PinBlocked", 16,
		"The security key has locked its PIN: unplug it and plug it in again, and if it is still locked use a "
		"backup key or the recovery code." },
	[OUTCOME_NOT_ENROLLED] = { "NotEnrolled", 17,
		"This tunnel has no key file yet: run \"wgfido enroll\" or \"wgfido protect\" for it first." },
	[OUTCOME_NOT_APPROVED] = { "NotApproved", 18,
		"Nobody has approved this tunnel: run \"wgfido approve\" and touch the security key." },
	[OUTCOME_WRONG_TOKEN] = { "WrongToken", 19,
		"No plugged-in security key opens this tunnel: plug in one that was enrolled for it, or use the recovery "
		"code where there is one." },
	[OUTCOME_TOKEN_BUSY] = { "TokenBusy", 20,
		"Another program or request is using the security key: let it finish and try again." },
	[OUTCOME_TOKEN_FAILED] = { "TokenFailed", 21,
		"The security key gave no usable answer or was pulled out midway: plug it in again and retry." },
	[OUTCOME_UNSUPPORTED] = { "Unsupported", 22,
		"That cannot be done with this security key, or with a key that never leaves it: \"wgfido tokens\" shows what each can." },
	[OUTCOME_DENIED] = { "Denied", 23,
		"You are not allowed to do that: use an active local session, or ask the administrator." },
	[OUTCOME_INVALID_ARGUMENT] = { "InvalidArgument", 24,
		"The request is not valid: check the names and values given to the command." },
	[OUTCOME_LIMIT_EXCEEDED] = { "LimitExceeded", 25,
		"Too many requests are waiting: let them finish or cancel some, then try again." },
	[OUTCOME_KEYFILE_DAMAGED] = { "KeyfileDamaged", 26,
		"The key file is damaged or was changed: restore it from a backup, or enrol the tunnel anew." },
	[OUTCOME_EXISTS] = { "Exists", 27,
		"This would replace a key that exists: use \"wgfido rekey\", or take it away first: \"wgfido unprotect\" in identity "
		"mode, else remove its file in " WGFIDO_STATEDIR "/keys and reload wgfidod." },
	[OUTCOME_FAILED] = { "Failed", 1, "It failed: run \"wgfido doctor\" and look at the log of wgfidod." },
};

static const struct outcome_row *outcome_row(enum outcome o)
{
	if ((unsigned int)o >= OUTCOME_MAX_)
		o = OUTCOME_FAILED;
	return &outcome_table[o];
}

const char *outcome_name(enum outcome o)
{
	return outcome_row(o)->name;
}

enum outcome outcome_from_error_name(const char *name)
{
	const size_t prefix = strlen(WGFIDO_ERROR_PREFIX);

	if (!name || strncmp(name, WGFIDO_ERROR_PREFIX, prefix) != 0)
		return OUTCOME_FAILED;
	/* Not from OUTCOME_OK: an error that calls itself Ok is none of ours. */
	for (unsigned int o = OUTCOME_OK + 1; o < OUTCOME_MAX_; o++)
		if (strcmp(name + prefix, outcome_table[o].name) == 0)
			return (enum outcome)o;
	return OUTCOME_FAILED;
}

const char *outcome_sentence(enum outcome o)
{
	return outcome_row(o)->sentence;
}

int outcome_exit_status(enum outcome o)
{
	return outcome_row(o)->exit_status;
}
