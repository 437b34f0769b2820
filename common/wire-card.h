/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the monitor of smart cards (wgfido-token --cards) tells the broker. One message a packet on a SOCK_SEQPACKET socketpair: u8
 * version, u8 event, u8 length of the reader's name, the name. The broker sends nothing and ends it by closing.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define WIRE_CARD_READER_SIZE 128 /* with the NUL; pcscd's names are shorter */
#define WIRE_CARD_MESSAGE_MAX (3 + WIRE_CARD_READER_SIZE)

enum wire_card_event {
	WIRE_CARD_CONNECTED = 1, /* pcscd answers */
	WIRE_CARD_DENIED = 2,	 /* pcscd lets us at no reader; the monitor ends and is started anew later */
	WIRE_CARD_ADDED = 3,	 /* a card is in this reader */
	WIRE_CARD_REMOVED = 4,	 /* it is there no more; a swapped card is removed and added */
	WIRE_CARD_FREED = 5,	 /* the program that had it for itself alone has let go */
};

struct wire_card_message {
	enum wire_card_event event;
	char reader[WIRE_CARD_READER_SIZE]; /* ADDED, REMOVED, FREED: not empty, without control characters; else "" */
};

/* -EINVAL: breaks the rules above. */
int wire_card_encode(uint8_t ret[static WIRE_CARD_MESSAGE_MAX], size_t *ret_len, const struct wire_card_message *message);
/* -EBADMSG. */
int wire_card_decode(struct wire_card_message *ret, const uint8_t *buf, size_t len);
