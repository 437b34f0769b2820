/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A card with both applications in a reader, the worker's view of it, and uses of its keys. */
#pragma once

#include "tests/unit/unit.h"

#include "tests/card/fake-pcsc.h"
#include "token/card/card.h"

struct seen {
	struct card_watch watch;
	unsigned int n_touch, n_maybe, n_others;
	struct clock_fake *clock;
};

struct fixture {
	struct emulator e;
	struct fake_pcsc f;
	struct clock_fake clock;
	struct card *card;
	struct seen seen;
	uint8_t point[32], peer[32];
};

int setup(void **state);
int teardown(void **state);
/* Its outcome, with what holds after all of them. */
enum outcome operate(struct fixture *x, struct wire_result *ret, struct wire_request *request);
struct secret *make_pin(const char *pin);

struct ask {
	enum wire_x_kind kind;
	uint8_t slot;
	const char *pin;
	bool keep;
};

enum outcome dh(struct fixture *x, struct wire_result *ret, struct ask a);
/* It worked, and the result is what the other side computes. */
void right(struct fixture *x, struct ask a, const uint8_t secret[static 32]);
enum outcome refused(struct fixture *x, struct ask a, struct wire_result *ret);

#define OPENPGP(...) ((struct ask){WIRE_X_OPENPGP, 0, __VA_ARGS__})
#define PIV(...) ((struct ask){WIRE_X_PIV, 0x9d, __VA_ARGS__})

/* The session that an operation with keep left ends. */
void forget(struct fixture *x);
