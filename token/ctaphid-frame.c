/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/ctaphid-frame.h"

#include <errno.h>
#include <string.h>

#define INIT_HEADER 7 /* channel, command, length */
#define CONT_HEADER 5 /* channel, sequence */
#define FRAME_INIT 0x80

static void put_be32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

static uint32_t get_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

size_t ctaphid_payload_max(size_t report_size)
{
	return report_size - INIT_HEADER + CTAPHID_CONTINUATIONS_MAX * (report_size - CONT_HEADER);
}

bool ctaphid_fragment(uint8_t *report, size_t size, uint32_t cid, uint8_t command, const uint8_t *payload, size_t len,
	unsigned int index)
{
	size_t header = index == 0 ? INIT_HEADER : CONT_HEADER;
	size_t begin = index == 0 ? 0 : (size - INIT_HEADER) + (index - 1) * (size - CONT_HEADER);
	size_t n;

	if (index > CTAPHID_CONTINUATIONS_MAX || (index > 0 && begin >= len))
		return false;
	n = len - begin < size - header ? len - begin : size - header;

	memset(report, 0, size);
	put_be32(report, cid);
	if (index == 0) {
		report[4] = FRAME_INIT | command;
		report[5] = (uint8_t)(len >> 8);
		report[6] = (uint8_t)len;
	} else {
		report[4] = (uint8_t)(index - 1);
	}
	if (n > 0)
		memcpy(report + header, payload + begin, n);
	return true;
}

void ctaphid_assembler_init(struct ctaphid_assembler *a, uint32_t cid, uint8_t *payload, size_t size)
{
	*a = (struct ctaphid_assembler){.cid = cid, .payload = payload, .size = size};
}

static int take(struct ctaphid_assembler *a, const uint8_t *data, size_t available)
{
	size_t missing = a->expected - a->len, n = missing < available ? missing : available;

	if (n > 0)
		memcpy(a->payload + a->len, data, n);
	a->len += n;
	return a->len == a->expected ? CTAPHID_COMPLETE : CTAPHID_INCOMPLETE;
}

int ctaphid_assemble(struct ctaphid_assembler *a, const uint8_t *report, size_t report_size)
{
	if (report_size < TRANSPORT_REPORT_MIN || report_size > TRANSPORT_REPORT_MAX)
		return -EPROTO;
	if (get_be32(report) != a->cid)
		return CTAPHID_IGNORED;

	if (report[4] & FRAME_INIT) {
		if (a->started)
			return -EPROTO;
		a->command = report[4] & (uint8_t)~FRAME_INIT;
		a->expected = (size_t)report[5] << 8 | report[6];
		if (a->expected > ctaphid_payload_max(report_size) || a->expected > a->size)
			return -EMSGSIZE;
		a->started = true;
		return take(a, report + INIT_HEADER, report_size - INIT_HEADER);
	}

	if (!a->started || report[4] != a->next_sequence)
		return -EPROTO;
	a->next_sequence++;
	return take(a, report + CONT_HEADER, report_size - CONT_HEADER);
}
