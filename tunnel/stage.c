/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tunnel/stage.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* What a stage keeps of its memory when it is given back. */
#define KEEP (16u * 1024)

struct path_stage {
	uint8_t *bytes; /* STAGE_BYTES */
	uint32_t high;	/* how much of it was touched */
	uint32_t first, n;
	struct {
		uint32_t at, len;
	} packets[STAGE_PACKETS];
	struct path_stage *next_free;
};

struct stages {
	uint8_t *memory;
	struct path_stage *free;
	struct path_stage all[STAGE_PEERS];
};

struct stages *stages_new(void)
{
	struct stages *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->memory = mmap(NULL, (size_t)STAGE_PEERS * STAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (s->memory == MAP_FAILED) {
		free(s);
		return NULL;
	}
	for (unsigned int i = STAGE_PEERS; i-- > 0;) {
		s->all[i].bytes = s->memory + (size_t)i * STAGE_BYTES;
		s->all[i].next_free = s->free;
		s->free = &s->all[i];
	}
	return s;
}

struct stages *stages_free(struct stages *s)
{
	if (s) {
		munmap(s->memory, (size_t)STAGE_PEERS * STAGE_BYTES);
		free(s);
	}
	return NULL;
}

void stage_drop(struct stages *s, struct path_stage **stage)
{
	struct path_stage *const p = *stage;

	if (!p)
		return;
	if (p->high > KEEP) {
		madvise(p->bytes, STAGE_BYTES, MADV_DONTNEED);
		p->high = 0;
	}
	p->first = p->n = 0;
	p->next_free = s->free;
	s->free = p;
	*stage = NULL;
}

static void forget_oldest(struct path_stage *p)
{
	p->first = (p->first + 1) % STAGE_PACKETS;
	p->n--;
}

/* Where the next len bytes go: behind the youngest, or at the beginning if they do not fit there. The oldest that are in the way go. */
static uint32_t make_room(struct path_stage *p, uint32_t len)
{
	uint32_t at = 0;

	if (p->n > 0) {
		const uint32_t last = (p->first + p->n - 1) % STAGE_PACKETS;

		at = p->packets[last].at + p->packets[last].len;
		if (at + len > STAGE_BYTES) {
			/* What still lies behind the youngest is older than all at the beginning. */
			while (p->n > 0 && p->packets[p->first].at >= at)
				forget_oldest(p);
			at = 0;
		}
	}
	while (p->n > 0 && p->packets[p->first].at < at + len && at < p->packets[p->first].at + p->packets[p->first].len)
		forget_oldest(p);
	return at;
}

void stage_put(struct stages *s, struct path_stage **stage, const uint8_t *packet, size_t len)
{
	struct path_stage *p = *stage;
	uint32_t slot, at;

	if (len == 0 || len > STAGE_BYTES / 2)
		return;
	if (!p) {
		p = s->free;
		if (!p)
			return;
		s->free = p->next_free;
		*stage = p;
	}
	if (p->n == STAGE_PACKETS)
		forget_oldest(p);
	at = make_room(p, (uint32_t)len);
	slot = (p->first + p->n) % STAGE_PACKETS;
	p->packets[slot].at = at;
	p->packets[slot].len = (uint32_t)len;
	p->n++;
	memcpy(p->bytes + at, packet, len);
	if (at + len > p->high)
		p->high = at + (uint32_t)len;
}

const uint8_t *stage_take(struct stages *s, struct path_stage **stage, size_t *ret_len)
{
	struct path_stage *const p = *stage;
	uint32_t first;

	if (!p || p->n == 0) {
		stage_drop(s, stage);
		return NULL;
	}
	first = p->first;
	forget_oldest(p);
	*ret_len = p->packets[first].len;
	return p->bytes + p->packets[first].at;
}
