/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A scripted token as a transport, with a clock of its own: a read takes the next report that is queued, or runs the clock to
 * the deadline. on_write sees every report of the host and queues what it likes.
 */
#pragma once

#include "token/ctaphid.h"

#define FAKE_QUEUE 4096

struct fake_token {
	struct transport transport;
	struct clock_fake clock;
	struct interrupt interrupt;
	struct {
		uint64_t delay_us; /* before it arrives */
		uint8_t bytes[TRANSPORT_REPORT_MAX];
	} queue[FAKE_QUEUE];
	size_t n_queued, n_read;

	void (*on_write)(struct fake_token *f, const uint8_t *report);
	int (*on_empty)(struct fake_token *f); /* may queue more and return 0, or fail the read; NULL: silence */
	void *userdata;

	/* the host's message as assembled from its reports */
	struct ctaphid_assembler in;
	uint8_t message[CTAPHID_PAYLOAD_MAX];

	bool answer_init; /* INIT is answered, with channel cid */
	uint32_t cid;
	uint8_t capabilities;
	unsigned int n_opened, n_closed, n_written, n_cancelled, n_inits;
	int open_error, write_error;
	bool interrupted; /* what raised() says */
	uint64_t interrupt_at_us; /* boot time at which the interrupt is raised by itself; 0: never */
};

void fake_token_init(struct fake_token *f);
void fake_token_queue(struct fake_token *f, uint32_t cid, uint8_t command, const void *payload, size_t len, uint64_t delay_us);
void fake_token_queue_raw(struct fake_token *f, const void *report, size_t len, uint64_t delay_us);
/* Whether report ends a message of the host's on our channel; then f->in and f->message hold it. */
bool fake_token_take(struct fake_token *f, const uint8_t *report);
