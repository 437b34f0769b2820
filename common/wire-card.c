/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/wire-card.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "common/encoding.h"

#define FORMAT_VERSION 1

static bool valid(unsigned int event, const char *reader, size_t len)
{
	switch (event) {
	case WIRE_CARD_CONNECTED:
	case WIRE_CARD_DENIED:
		return len == 0;
	case WIRE_CARD_ADDED:
	case WIRE_CARD_REMOVED:
	case WIRE_CARD_FREED:
		return len > 0 && len < WIRE_CARD_READER_SIZE && strlen(reader) == len && text_valid(reader);
	default: /* a byte of the peer's, not an enum */
		return false;
	}
}

int wire_card_encode(uint8_t ret[static WIRE_CARD_MESSAGE_MAX], size_t *ret_len, const struct wire_card_message *message)
{
	const size_t len = strnlen(message->reader, sizeof(message->reader));

	if (len >= sizeof(message->reader) || !valid(message->event, message->reader, len))
		return -EINVAL;
	ret[0] = FORMAT_VERSION;
	ret[1] = (uint8_t)message->event;
	ret[2] = (uint8_t)len;
	memcpy(ret + 3, message->reader, len);
	*ret_len = 3 + len;
	return 0;
}

int wire_card_decode(struct wire_card_message *ret, const uint8_t *buf, size_t len)
{
	struct wire_card_message m = {0};

	if (len < 3 || buf[0] != FORMAT_VERSION || buf[2] != len - 3 || buf[2] >= sizeof(m.reader))
		return -EBADMSG;
	memcpy(m.reader, buf + 3, buf[2]);
	if (!valid(buf[1], m.reader, buf[2]))
		return -EBADMSG;
	m.event = (enum wire_card_event)buf[1];
	*ret = m;
	return 0;
}
