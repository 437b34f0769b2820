/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Command and answer APDUs (ISO/IEC 7816-4, sections 5.1 to 5.3, and 7816-3, section 12.1 for the lengths): short ones, extended ones
 * where the card takes them, chained ones where it does not, and answers in parts (61xx, 6Cxx). Pure but for the
 * transmit function that is given.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/outcome.h"
#include "common/wire.h"

#define APDU_DATA_MAX 2048
#define APDU_COMMAND_MAX (4 + 3 + APDU_DATA_MAX + 2)
#define APDU_ANSWER_MAX 4096			 /* data of one answer, or of all its parts */
#define APDU_PART_MAX (APDU_ANSWER_MAX + 2)	 /* with the status word */
#define APDU_ANSWER_SHORT 256

struct apdu {
	uint8_t cla, ins, p1, p2;
	const uint8_t *data;
	size_t len;	/* 0..APDU_DATA_MAX */
	size_t answer;	/* the most that may come back: 0, up to 256, or with extended lengths up to APDU_ANSWER_MAX */
};

struct apdu_card {
	/* One command as it is, one answer with its status word. 0 or a negative errno, which ends everything. */
	int (*transmit)(void *userdata, const uint8_t *command, size_t len, uint8_t *answer, size_t size, size_t *ret_len);
	void *userdata;
	bool extended; /* the card says that it takes extended lengths */
	bool chaining; /* ... command chaining */
	bool t0;       /* protocol T=0, which has no place for data and Le in one command */
	/* The caller's, guarded where secrets pass: a command, a part of an answer. Wiped after use. */
	uint8_t *command; /* APDU_COMMAND_MAX */
	uint8_t *part;	  /* APDU_PART_MAX */
};

/*
 * Sends a command, in parts if need be, and gathers the answer. Data that comes with a status word other than success is dropped.
 * -EMSGSIZE: the card takes no command of this length, or the answer is longer than size. -EBADMSG: that was no answer, or
 * one without end. Others from transmit.
 */
int apdu_exchange(const struct apdu_card *card, const struct apdu *command, uint8_t *answer, size_t size, size_t *ret_len,
	uint16_t *ret_sw);

/* The bytes of one command. chain: more of it follows. -EMSGSIZE for what only extended lengths could say. */
int apdu_encode(uint8_t ret[static APDU_COMMAND_MAX], size_t *ret_len, const struct apdu *command, bool chain, bool extended, bool t0);

/* Third of the software bytes in historical bytes (ISO/IEC 7816-4, section 12.1.1.9, table 119): what the card takes. */
void apdu_capabilities(struct apdu_card *card, const uint8_t *historical, size_t len);

#define APDU_SW_OK 0x9000
#define APDU_SW_SECURITY_STATUS 0x6982
#define APDU_SW_BLOCKED 0x6983
#define APDU_SW_CONDITIONS 0x6985
#define APDU_SW_WRONG_DATA 0x6a80
#define APDU_SW_NO_FILE 0x6a82
#define APDU_SW_NO_REFERENCE 0x6a88
#define APDU_SW_NO_INSTRUCTION 0x6d00

/* 63Cx: how many tries are left, else -1. */
int8_t apdu_tries(uint16_t sw);
/* The command is not there at all, or not for these parameters. */
bool apdu_is_unknown(uint16_t sw);
/*
 * What a status word means to a request. detail: printable ASCII, "" where the outcome says it all. *ret_tries: of the PIN, else -1.
 */
enum outcome apdu_outcome(uint16_t sw, int8_t *ret_tries, char detail[static WIRE_TEXT_MAX]);
