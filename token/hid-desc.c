/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/hid-desc.h"

#include <errno.h>
#include <stdbool.h>

#include "token/transport.h"

#define FIDO_USAGE_PAGE UINT32_C(0xf1d0)
#define FIDO_USAGE_CTAPHID UINT32_C(0x01)
#define COLLECTION_APPLICATION 0x01

/* Tag and type of a short item: the prefix without its two size bits. */
enum item {
	ITEM_INPUT = 0x80,
	ITEM_OUTPUT = 0x90,
	ITEM_COLLECTION = 0xa0,
	ITEM_END_COLLECTION = 0xc0,
	ITEM_USAGE_PAGE = 0x04,
	ITEM_REPORT_SIZE = 0x74,
	ITEM_REPORT_ID = 0x84,
	ITEM_REPORT_COUNT = 0x94,
	ITEM_PUSH = 0xa4,
	ITEM_POP = 0xb4,
	ITEM_USAGE = 0x08,
	ITEM_LONG = 0xfc,
};

struct parser {
	uint32_t usage_page, report_size, report_count; /* global items: hold until changed */
	uint32_t usage;					/* local item: holds until the next main item */
	bool usage_set;
	unsigned int depth;
	unsigned int fido_depth; /* of the FIDO collection; 0: outside */
	bool found;
	uint64_t in_bits, out_bits;
};

static int add_report(struct parser *p, uint64_t *bits)
{
	if (p->fido_depth == 0)
		return 0;
	*bits += (uint64_t)p->report_size * p->report_count;
	return *bits > TRANSPORT_REPORT_MAX * 8 ? -EBADMSG : 0;
}

static int begin_collection(struct parser *p, uint32_t kind)
{
	bool fido = p->usage_page == FIDO_USAGE_PAGE && p->usage_set && p->usage == FIDO_USAGE_CTAPHID;

	/* An extended usage carries its page in the upper half. */
	if (p->usage_set && p->usage >> 16 != 0)
		fido = p->usage == (FIDO_USAGE_PAGE << 16 | FIDO_USAGE_CTAPHID);
	if (++p->depth > 32)
		return -EBADMSG;
	if (fido && kind == COLLECTION_APPLICATION && p->fido_depth == 0 && !p->found) {
		p->fido_depth = p->depth;
		p->found = true;
	}
	return 0;
}

static int end_collection(struct parser *p)
{
	if (p->depth == 0)
		return -EBADMSG;
	if (p->depth == p->fido_depth)
		p->fido_depth = 0;
	p->depth--;
	return 0;
}

static int take_item(struct parser *p, uint8_t tag, uint32_t value)
{
	int r = 0;

	switch (tag) {
	case ITEM_USAGE_PAGE:
		p->usage_page = value;
		return 0;
	case ITEM_REPORT_SIZE:
		p->report_size = value;
		return 0;
	case ITEM_REPORT_COUNT:
		p->report_count = value;
		return 0;
	case ITEM_USAGE:
		if (!p->usage_set) /* a collection's usage is the first */
			p->usage = value;
		p->usage_set = true;
		return 0;
	case ITEM_REPORT_ID:
	case ITEM_PUSH:
	case ITEM_POP:
		/* Not wrong as such, but then sizes would need more than sums; a composite of keyboard and FIDO has a node for each. */
		return -EBADMSG;
	case ITEM_INPUT:
		r = add_report(p, &p->in_bits);
		break;
	case ITEM_OUTPUT:
		r = add_report(p, &p->out_bits);
		break;
	case ITEM_COLLECTION:
		r = begin_collection(p, value);
		break;
	case ITEM_END_COLLECTION:
		r = end_collection(p);
		break;
	}
	/* Main items end the life of local ones; their type bits are zero. */
	if ((tag & 0x0c) == 0)
		p->usage_set = false;
	return r;
}

static int report_bytes(size_t *ret, uint64_t bits)
{
	if (bits % 8 != 0 || bits / 8 < TRANSPORT_REPORT_MIN || bits / 8 > TRANSPORT_REPORT_MAX)
		return -EBADMSG;
	*ret = (size_t)(bits / 8);
	return 0;
}

int hid_desc_parse(struct hid_desc *ret, const uint8_t *desc, size_t len)
{
	static const uint8_t sizes[] = {0, 1, 2, 4};
	struct parser p = {0};
	struct hid_desc found;
	int r = 0;

	for (size_t i = 0; r == 0 && i < len;) {
		uint8_t prefix = desc[i++];
		size_t n = sizes[prefix & 3];
		uint32_t value = 0;

		if ((prefix & 0xfc) == (ITEM_LONG & 0xfc)) {
			/* Long items: none is defined; the first byte behind the prefix is the length. */
			if (len - i < 2 || len - i - 2 < desc[i])
				return -EBADMSG;
			i += 2 + (size_t)desc[i];
			continue;
		}
		if (len - i < n)
			return -EBADMSG;
		for (size_t k = 0; k < n; k++)
			value |= (uint32_t)desc[i + k] << (8 * k);
		i += n;
		r = take_item(&p, prefix & 0xfc, value);
	}
	if (r == 0 && !p.found)
		return -ENXIO;
	if (r == 0)
		r = report_bytes(&found.in_size, p.in_bits);
	if (r == 0)
		r = report_bytes(&found.out_size, p.out_bits);
	if (r == 0)
		*ret = found;
	return r;
}
