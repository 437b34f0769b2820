/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Handshake messages (types 1 to 3) on their way from the in thread to control: a bounded ring, one writer, one reader, no
 * lock. When it is full a message is dropped, and its sender tries again; when it is half full we are under load.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tunnel/endpoint.h"

#define INBOX_SIZE 1024u /* a power of two */
#define INBOX_MESSAGE_MAX 148u /* an initiation, the longest of them */

struct inbox_message {
	struct endpoint from;
	uint8_t len;
	uint8_t bytes[INBOX_MESSAGE_MAX];
};

struct inbox {
	_Atomic uint32_t written; /* count of all that were pushed */
	_Atomic uint32_t read;
	_Atomic uint64_t dropped;
	struct inbox_message ring[INBOX_SIZE];
};

/* In thread. False: full, dropped. *ret_was_empty: control must be kicked. len 1..INBOX_MESSAGE_MAX. */
bool inbox_push(struct inbox *b, const void *bytes, size_t len, const struct endpoint *from, bool *ret_was_empty);
/* Control. The oldest, or NULL; it stays where it is until inbox_pop. */
const struct inbox_message *inbox_peek(struct inbox *b);
void inbox_pop(struct inbox *b);
uint32_t inbox_fill(const struct inbox *b);
