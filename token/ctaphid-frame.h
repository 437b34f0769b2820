/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CTAPHID packets (CTAP 2.1, section 11.2.4), pure: messages to reports, reports to messages.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "token/transport.h"

#define CTAPHID_BROADCAST UINT32_C(0xffffffff)
#define CTAPHID_PAYLOAD_MAX 7609 /* 64 - 7 + 128 * (64 - 5) */
#define CTAPHID_CONTINUATIONS_MAX 128

enum ctaphid_command {
	CTAPHID_PING = 0x01,
	CTAPHID_INIT = 0x06,
	CTAPHID_CBOR = 0x10,
	CTAPHID_CANCEL = 0x11,
	CTAPHID_KEEPALIVE = 0x3b,
	CTAPHID_ERROR = 0x3f,
};

/* The longest payload that 129 reports of size bytes carry. */
size_t ctaphid_payload_max(size_t report_size);

/*
 * The index-th report of a message, 0 being the initialization packet; size is 8..64. False behind the last one.
 * Every message has at least one report.
 */
bool ctaphid_fragment(uint8_t *report, size_t size, uint32_t cid, uint8_t command, const uint8_t *payload, size_t len,
	unsigned int index);

/* Puts one message together. Reports of other channels are nobody's business here. */
struct ctaphid_assembler {
	uint32_t cid;
	uint8_t *payload; /* the caller's */
	size_t size;
	bool started;
	uint8_t command;
	uint8_t next_sequence;
	size_t expected, len;
};

enum ctaphid_assembly { CTAPHID_IGNORED, CTAPHID_INCOMPLETE, CTAPHID_COMPLETE };

void ctaphid_assembler_init(struct ctaphid_assembler *a, uint32_t cid, uint8_t *payload, size_t size);

/*
 * Takes one report: an enum ctaphid_assembly; then a->command and a->len hold. -EPROTO: a continuation out of order or
 * with none begun, or a new message in the middle of one. -EMSGSIZE: longer than the protocol or the caller's buffer allows.
 * After COMPLETE and after an error the assembler must be initialized again.
 */
int ctaphid_assemble(struct ctaphid_assembler *a, const uint8_t *report, size_t report_size);
