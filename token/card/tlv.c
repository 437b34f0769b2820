/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/card/tlv.h"

#include <errno.h>

#define TAG_BYTES_MAX 3
#define LENGTH_BYTES_MAX 3

static int take_tag(uint32_t *ret, const uint8_t **p, const uint8_t *end)
{
	uint32_t tag = *(*p)++;

	if ((tag & 0x1f) != 0x1f) {
		*ret = tag;
		return 0;
	}
	for (int n = 1; n < TAG_BYTES_MAX; n++) {
		if (*p == end)
			return -EBADMSG;
		tag = tag << 8 | **p;
		if ((*(*p)++ & 0x80) == 0) {
			*ret = tag;
			return 0;
		}
	}
	return -EBADMSG;
}

static int take_length(size_t *ret, const uint8_t **p, const uint8_t *end)
{
	unsigned int bytes;
	size_t len = 0;

	if (*p == end)
		return -EBADMSG;
	bytes = *(*p)++;
	if (bytes < 0x80) {
		*ret = bytes;
		return 0;
	}
	bytes &= 0x7f;
	if (bytes == 0 || bytes > LENGTH_BYTES_MAX || bytes > (size_t)(end - *p))
		return -EBADMSG;
	while (bytes-- > 0)
		len = len << 8 | *(*p)++;
	*ret = len;
	return 0;
}

int tlv_next(struct tlv *ret, const uint8_t **p, const uint8_t *end)
{
	const uint8_t *at = *p;
	struct tlv t;

	while (at < end && *at == 0)
		at++;
	if (at == end) {
		*p = at;
		return 0;
	}
	if (take_tag(&t.tag, &at, end) < 0 || take_length(&t.len, &at, end) < 0 || t.len > (size_t)(end - at))
		return -EBADMSG;
	t.value = at;
	*p = at + t.len;
	*ret = t;
	return 1;
}

int tlv_find(struct tlv *ret, const uint8_t *data, size_t len, uint32_t tag)
{
	const uint8_t *p = data, *end;
	struct tlv t, found = {0};
	int r;

	/* Nothing at all may come without a place to be at. */
	if (len == 0)
		return -ENOENT;
	end = data + len;
	while ((r = tlv_next(&t, &p, end)) > 0)
		if (t.tag == tag && !found.value)
			found = t;
	if (r < 0)
		return r;
	if (!found.value)
		return -ENOENT;
	*ret = found;
	return 0;
}

size_t tlv_put_header(uint8_t *ret, uint32_t tag, size_t len)
{
	size_t n = 0;

	if (tag > 0xffff)
		ret[n++] = (uint8_t)(tag >> 16);
	if (tag > 0xff)
		ret[n++] = (uint8_t)(tag >> 8);
	ret[n++] = (uint8_t)tag;
	ret[n++] = (uint8_t)(len & 0x7f);
	return n;
}
