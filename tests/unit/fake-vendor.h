/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A fake token with wgX25519: the device's own code behind the CTAPHID of fake-token.h, a finger that comes at once, and a
 * place to change any answer on its way, from outside or as the paired token itself would.
 */
#pragma once

#include "tests/unit/fake-token.h"
#include "tests/unit/x25519-memory.h"
#include "token/x25519/device.h"

/* What becomes of INIT on a channel that was allocated before. */
enum fake_resume {
	FAKE_RESUME,
	FAKE_RESUME_ERROR,
	FAKE_RESUME_SILENCE,
	FAKE_RESUME_OTHER, /* another channel, which no token may say */
};

struct fake_vendor {
	struct fake_token token; /* its userdata is this struct */
	struct x25519_device device;
	struct x25519_memory memory;
	bool no_extension; /* getInfo does not list it */
	bool no_touch;	   /* it is asked for, and does not come */
	enum fake_resume resume;
	unsigned int n_resumed;
	unsigned int n_get_info, n_vendor, n_touches; /* commands that came; touches that were asked for */
	unsigned int n_ops[16];				 /* by op; what came sealed counts as SEALED */

	/* An answer that is about to go out; may change it, or say false: none goes. NULL: honest. */
	bool (*tamper)(struct fake_vendor *f, const uint8_t *request, uint8_t answer[static CTAPHID_PAYLOAD_MAX], size_t *len);
	void *userdata;
	/* Of the channel that it came in, from before the answer was sealed: to seal another one in its place. */
	struct x25519_channel before;
};

void fake_vendor_init(struct fake_vendor *f);
/* What the token says inside the channel instead: plain is sealed as its next message. */
void fake_vendor_reseal(struct fake_vendor *f, uint8_t *answer, size_t *len, const uint8_t *plain, size_t plain_len);
