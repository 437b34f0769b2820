/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The documented outcomes of an operation. Functions that can end in one return an int: negative errno = forward
 * it, 0 (OUTCOME_OK) = done, positive = one of these, to be handled at once.
 * One table maps outcome <-> D-Bus error name <-> exit status of the command line <-> the sentence a user reads.
 */
#pragma once

enum outcome {
	OUTCOME_OK = 0,
	OUTCOME_TOKEN_MISSING,		/* no security key is plugged in */
	OUTCOME_TOUCH_TIMEOUT,		/* plugged in, but not touched in time */
	OUTCOME_CANCELLED,		/* by the caller, or because the caller went away */
	OUTCOME_PIN_REQUIRED,
	OUTCOME_PIN_INVALID,
	OUTCOME_PIN_FEW_TRIES_LEFT,	/* three or fewer: the caller must confirm */
	OUTCOME_PIN_BLOCKED,
	OUTCOME_NOT_ENROLLED,		/* no key file for this tunnel */
	OUTCOME_NOT_APPROVED,
	OUTCOME_WRONG_TOKEN,		/* no keyslot fits the plugged token(s) */
	OUTCOME_TOKEN_BUSY,
	OUTCOME_TOKEN_FAILED,		/* the token broke protocol, or went away in mid-operation */
	OUTCOME_UNSUPPORTED,		/* for example a token without hmac-secret */
	OUTCOME_DENIED,
	OUTCOME_INVALID_ARGUMENT,
	OUTCOME_LIMIT_EXCEEDED,
	OUTCOME_KEYFILE_DAMAGED,
	OUTCOME_EXISTS,			/* would replace a key: unprotect, rekey or remove it first */
	OUTCOME_FAILED,			/* anything else; detail says what */
	OUTCOME_MAX_,
};

/* "TokenMissing": the tail of org.wgfido1.Error.*. Never NULL for a valid outcome. */
const char *outcome_name(enum outcome o);

/* From a full D-Bus error name; OUTCOME_FAILED for a name that is not ours. */
enum outcome outcome_from_error_name(const char *name);

/* What a user reads: one sentence that says what happened and what to do next. No trailing newline. */
const char *outcome_sentence(enum outcome o);

/* Exit status of `wgfido` for this outcome, 0..; documented in wgfido(1). 1 = FAILED, 2 = usage, 10.. = the outcomes. */
int outcome_exit_status(enum outcome o);
