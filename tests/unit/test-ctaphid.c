/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake-token.h"

struct fixture {
	struct fake_token token;
	struct ctaphid hid;
	uint8_t request[CTAPHID_PAYLOAD_MAX], reply[CTAPHID_PAYLOAD_MAX];
	size_t len;
	uint8_t statuses[64];
	unsigned int n_statuses, n_requests;
	unsigned int busy; /* so many times CHANNEL_BUSY before an answer */
};

static void note_status(void *userdata, uint8_t status)
{
	struct fixture *f = userdata;

	if (f->n_statuses < sizeof(f->statuses))
		f->statuses[f->n_statuses++] = status;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	assert_true(sodium_init() >= 0);
	fake_token_init(&f->token);
	f->token.userdata = f;
	ctaphid_init(&f->hid, &f->token.transport, note_status, f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static uint64_t now(struct fixture *f)
{
	return f->token.clock.now.boot_us;
}

static uint64_t in_seconds(struct fixture *f, unsigned int s)
{
	return now(f) + s * US_PER_SEC;
}

static void connect_token(struct fixture *f)
{
	assert_int_equal(ctaphid_connect(&f->hid, in_seconds(f, 10)), 0);
	assert_int_equal(f->hid.cid, f->token.cid);
}

static int transact(struct fixture *f, size_t len, uint64_t deadline)
{
	return ctaphid_transact(&f->hid, CTAPHID_CBOR, f->request, len, f->reply, sizeof(f->reply), &f->len, deadline);
}

/* PING of the specification, but on CBOR: everything comes back. */
static void echo(struct fake_token *t, const uint8_t *report)
{
	struct fixture *f = t->userdata;

	if (report[4] == (0x80 | CTAPHID_CANCEL) || !fake_token_take(t, report))
		return;
	f->n_requests++;
	if (f->busy > 0) {
		f->busy--;
		fake_token_queue(t, t->cid, CTAPHID_ERROR, "\x06", 1, 0);
		return;
	}
	fake_token_queue(t, t->cid, t->in.command, t->message, t->in.len, 0);
}

static void test_init_reads_the_reply(void **state)
{
	struct fixture *f = *state;

	connect_token(f);
	assert_int_equal(f->hid.protocol, 2);
	assert_int_equal(f->hid.major, 5);
	assert_int_equal(f->hid.build, 3);
	assert_int_equal(f->hid.capabilities, 0x0c);
}

static void others_first(struct fake_token *t, const uint8_t *report)
{
	uint8_t other[17] = {1, 2, 3, 4, 5, 6, 7, 8, 0xaa, 0xaa, 0xaa, 0xaa, 2, 1, 1, 1, 4}, mine[17];

	memcpy(mine, other, sizeof(mine));
	memcpy(mine, report + 7, 8);
	mine[8] = 0x01;
	/* another program's reply, somebody's channel, a shattered message, an error for somebody, and ours */
	fake_token_queue(t, CTAPHID_BROADCAST, CTAPHID_INIT, other, sizeof(other), 0);
	fake_token_queue(t, 0x77777777, CTAPHID_CBOR, other, sizeof(other), 0);
	fake_token_queue_raw(t, "\xff\xff\xff\xff\x05zzz", 8, 0);
	fake_token_queue_raw(t, "\xff\xff\xff\xff\x86\xff\xff", 7, 0);
	fake_token_queue(t, CTAPHID_BROADCAST, CTAPHID_ERROR, "\x01", 1, 0);
	fake_token_queue(t, CTAPHID_BROADCAST, CTAPHID_INIT, mine, 16, 0); /* too short */
	fake_token_queue(t, CTAPHID_BROADCAST, CTAPHID_INIT, mine, sizeof(mine), 0);
}

static void test_init_ignores_other_clients(void **state)
{
	struct fixture *f = *state;

	f->token.answer_init = false;
	f->token.on_write = others_first;
	assert_int_equal(ctaphid_connect(&f->hid, in_seconds(f, 10)), 0);
	assert_int_equal(f->hid.cid, 0x01aaaaaa);
}

static void test_init_refuses_senseless_channels(void **state)
{
	struct fixture *f = *state;

	f->token.cid = 0;
	assert_int_equal(ctaphid_connect(&f->hid, in_seconds(f, 10)), -EPROTO);
	f->token.cid = CTAPHID_BROADCAST;
	assert_int_equal(ctaphid_connect(&f->hid, in_seconds(f, 10)), -EPROTO);
}

static void test_init_gives_up_on_a_dead_token(void **state)
{
	struct fixture *f = *state;
	uint64_t start = now(f);

	f->token.answer_init = false;
	assert_int_equal(ctaphid_connect(&f->hid, in_seconds(f, 30)), -ETIMEDOUT);
	assert_int_equal(now(f) - start, CTAPHID_INIT_PATIENCE_US);
	assert_int_equal(f->token.n_cancelled, 0); /* there is no channel to cancel on */
}

static void busy_init(struct fake_token *t, const uint8_t *report)
{
	(void)report;
	fake_token_queue(t, CTAPHID_BROADCAST, CTAPHID_ERROR, "\x06", 1, 0);
	t->answer_init = t->n_inits >= 3;
}

static void test_init_backs_off_when_busy(void **state)
{
	struct fixture *f = *state;
	uint64_t start = now(f);

	f->token.answer_init = false;
	f->token.on_write = busy_init;
	assert_int_equal(ctaphid_connect(&f->hid, in_seconds(f, 10)), 0);
	assert_int_equal(f->token.n_inits, 4);
	assert_true(now(f) - start >= 350 * US_PER_MS);
}

static void test_all_lengths_round_trip(void **state)
{
	struct fixture *f = *state;

	connect_token(f);
	f->token.on_write = echo;
	randombytes_buf(f->request, sizeof(f->request));
	for (size_t len = 0; len <= CTAPHID_PAYLOAD_MAX; len += len < 200 || len > 7480 ? 1 : 97) {
		memset(f->reply, 0, sizeof(f->reply));
		assert_int_equal(transact(f, len, in_seconds(f, 10)), 0);
		assert_int_equal(f->len, len);
		assert_memory_equal(f->reply, f->request, len);
	}
	assert_int_equal(ctaphid_payload_max(64), CTAPHID_PAYLOAD_MAX);
	f->token.transport.out_size = 16;
	assert_int_equal(transact(f, ctaphid_payload_max(16) + 1, in_seconds(f, 10)), -EMSGSIZE);
}

static void test_short_reports(void **state)
{
	struct fixture *f = *state;
	uint8_t report[TRANSPORT_REPORT_MAX], got[64], message[64];
	struct ctaphid_assembler a;
	unsigned int n = 0;
	int r = CTAPHID_INCOMPLETE;

	(void)f;
	randombytes_buf(message, sizeof(message));
	ctaphid_assembler_init(&a, 5, got, sizeof(got));
	while (ctaphid_fragment(report, 8, 5, CTAPHID_PING, message, sizeof(message), n)) {
		assert_int_equal(r, CTAPHID_INCOMPLETE);
		r = ctaphid_assemble(&a, report, 8);
		n++;
	}
	assert_int_equal(r, CTAPHID_COMPLETE);
	assert_int_equal(n, 1 + 63 / 3);
	assert_memory_equal(got, message, sizeof(got));
}

static void test_other_channels_are_ignored(void **state)
{
	struct fixture *f = *state;

	connect_token(f);
	f->token.on_write = echo;
	fake_token_queue(&f->token, 0x99, CTAPHID_CBOR, f->request, 500, 0);
	fake_token_queue(&f->token, 0x99, CTAPHID_KEEPALIVE, "\x02", 1, 0);
	memcpy(f->request, "hello", 5);
	assert_int_equal(transact(f, 5, in_seconds(f, 1)), 0);
	assert_int_equal(f->len, 5);
	assert_int_equal(f->n_statuses, 0);
}

/* Interleaved with another client's message, report by report. */
static void interleaved(struct fake_token *t, const uint8_t *report)
{
	uint8_t r[TRANSPORT_REPORT_MAX];

	if (!fake_token_take(t, report))
		return;
	for (unsigned int i = 0; ctaphid_fragment(r, sizeof(r), t->cid, CTAPHID_CBOR, t->message, t->in.len, i); i++) {
		fake_token_queue_raw(t, r, sizeof(r), 0);
		ctaphid_fragment(r, sizeof(r), 0x55, CTAPHID_CBOR, t->message, t->in.len, i);
		fake_token_queue_raw(t, r, sizeof(r), 0);
	}
}

static void test_interleaved_channels(void **state)
{
	struct fixture *f = *state;

	connect_token(f);
	f->token.on_write = interleaved;
	randombytes_buf(f->request, 1000);
	assert_int_equal(transact(f, 1000, in_seconds(f, 1)), 0);
	assert_memory_equal(f->reply, f->request, 1000);
}

static int keepalives_for_ever(struct fake_token *t)
{
	fake_token_queue(t, t->cid, CTAPHID_KEEPALIVE, "\x02", 1, 100 * US_PER_MS);
	return 0;
}

static void test_keepalives_reach_the_callback_and_the_deadline(void **state)
{
	struct fixture *f = *state;
	uint64_t deadline;

	connect_token(f);
	f->token.on_empty = keepalives_for_ever;
	deadline = in_seconds(f, 30);
	assert_int_equal(transact(f, 5, deadline), -ETIMEDOUT);
	assert_true(f->hid.touch_wanted);
	assert_true(f->n_statuses > 5);
	assert_int_equal(f->statuses[0], CTAPHID_STATUS_UPNEEDED);
	assert_int_equal(f->token.n_cancelled, 1);
	assert_true(now(f) >= deadline && now(f) <= deadline + CTAPHID_CANCEL_GRACE_US + US_PER_MS);
}

static int instant_keepalives(struct fake_token *t)
{
	clock_fake_advance(&t->clock, 10); /* a flood: time goes by in the reading only */
	fake_token_queue(t, t->cid, CTAPHID_KEEPALIVE, "\x01", 1, 0);
	return 0;
}

static int instant_foreign_traffic(struct fake_token *t)
{
	clock_fake_advance(&t->clock, 10);
	fake_token_queue(t, 0x33, CTAPHID_CBOR, "x", 1, 0);
	return 0;
}

static void test_floods_hit_the_deadline(void **state)
{
	struct fixture *f = *state;
	uint64_t deadline;

	connect_token(f);
	f->token.on_empty = instant_keepalives;
	deadline = in_seconds(f, 1);
	assert_int_equal(transact(f, 5, deadline), -ETIMEDOUT);
	assert_false(f->hid.touch_wanted);
	assert_true(now(f) <= deadline + CTAPHID_CANCEL_GRACE_US + US_PER_MS);

	f->token.on_empty = instant_foreign_traffic;
	deadline = in_seconds(f, 1);
	assert_int_equal(transact(f, 5, deadline), -ETIMEDOUT);
	assert_true(now(f) <= deadline + CTAPHID_CANCEL_GRACE_US + US_PER_MS);
}

static void test_silence_and_late_answers(void **state)
{
	struct fixture *f = *state;
	uint64_t deadline;

	connect_token(f);
	deadline = in_seconds(f, 2);
	assert_int_equal(transact(f, 5, deadline), -ETIMEDOUT);
	assert_int_equal(now(f), deadline + CTAPHID_CANCEL_GRACE_US);
	assert_int_equal(f->token.n_cancelled, 1);

	/* the answer comes in the grace after the cancellation: still too late, and it ends the wait */
	fake_token_queue(&f->token, f->token.cid, CTAPHID_CBOR, "late", 4, 2 * US_PER_SEC + 50 * US_PER_MS);
	deadline = in_seconds(f, 2);
	assert_int_equal(transact(f, 5, deadline), -ETIMEDOUT);
	assert_int_equal(now(f), deadline + 50 * US_PER_MS);
	assert_true(sodium_is_zero(f->reply, sizeof(f->reply)));
}

static void test_busy_is_tried_again(void **state)
{
	struct fixture *f = *state;
	uint64_t start, deadline;

	connect_token(f);
	f->token.on_write = echo;
	f->busy = 3;
	start = now(f);
	memcpy(f->request, "again", 5);
	assert_int_equal(transact(f, 5, in_seconds(f, 10)), 0);
	assert_int_equal(f->n_requests, 4);
	assert_memory_equal(f->reply, "again", 5);
	assert_int_equal(now(f) - start, (50 + 100 + 200) * US_PER_MS);

	f->busy = 1000000;
	deadline = in_seconds(f, 5);
	assert_int_equal(transact(f, 5, deadline), -EBUSY);
	assert_true(now(f) < deadline);
	assert_true(f->n_requests < 20); /* backs off, does not hammer */
}

static void answer_error(struct fake_token *t, const uint8_t *report)
{
	if (fake_token_take(t, report))
		fake_token_queue(t, t->cid, CTAPHID_ERROR, "\x0b", 1, 0);
}

static void test_error_of_the_token(void **state)
{
	struct fixture *f = *state;

	connect_token(f);
	f->token.on_write = answer_error;
	assert_int_equal(transact(f, 5, in_seconds(f, 1)), -EREMOTEIO);
	assert_int_equal(f->hid.error, 0x0b);
}

static void answer_cut_off(struct fake_token *t, const uint8_t *report)
{
	struct fixture *f = t->userdata;

	if (f->busy == 0) {
		echo(t, report);
	} else if (fake_token_take(t, report)) {
		f->busy--;
		f->n_requests++;
		fake_token_queue(t, t->cid, CTAPHID_ERROR, "\x05", 1, 0);
	}
}

/* The token had not the whole request in time. It may be the machine, and it may be the token. */
static void test_cut_off_is_tried_again(void **state)
{
	struct fixture *f = *state;

	connect_token(f);
	f->token.on_write = answer_cut_off;
	f->busy = 2;
	memcpy(f->request, "again", 5);
	assert_int_equal(transact(f, 5, in_seconds(f, 10)), 0);
	assert_int_equal(f->n_requests, 3);
	assert_memory_equal(f->reply, "again", 5);

	f->busy = 1000000;
	assert_int_equal(transact(f, 5, in_seconds(f, 10)), -EREMOTEIO);
	assert_int_equal(f->hid.error, CTAPHID_ERR_MSG_TIMEOUT);
	assert_int_equal(f->n_requests, 3 + 4);
}

#define REPORT(...) ((const uint8_t[]){1, 2, 3, 4, __VA_ARGS__})

static void test_garbage(void **state)
{
	struct fixture *f = *state;
	static const struct {
		uint8_t first[8], second[8];
		int expected;
	} cases[] = {
		{{1, 2, 3, 4, 0x00}, {0}, -EPROTO},			    /* a continuation of nothing */
		{{1, 2, 3, 4, 0x90, 0x00, 0x64}, {1, 2, 3, 4, 0x01}, -EPROTO}, /* sequence starts at 1 */
		{{1, 2, 3, 4, 0x90, 0x00, 0x64}, {1, 2, 3, 4, 0x7f}, -EPROTO},
		{{1, 2, 3, 4, 0x90, 0x00, 0x64}, {1, 2, 3, 4, 0x90, 0, 1}, -EPROTO}, /* a message in a message */
		{{1, 2, 3, 4, 0x90, 0x1d, 0xba}, {0}, -EMSGSIZE},	    /* 7610 bytes */
		{{1, 2, 3, 4, 0x90, 0xff, 0xff}, {0}, -EMSGSIZE},
		{{1, 2, 3, 4, 0x81, 0x00, 0x01}, {0}, -EPROTO},		    /* the answer to another command */
		{{1, 2, 3, 4, 0x86, 0x00, 0x11}, {0}, -EPROTO},
		{{1, 2, 3, 4, 0xbb, 0x00, 0x00}, {0}, -EPROTO},		    /* keepalive without a status */
		{{1, 2, 3, 4, 0xbb, 0x00, 0x02}, {0}, -EPROTO},
		{{1, 2, 3, 4, 0xbf, 0x00, 0x00}, {0}, -EPROTO},		    /* error without a code */
		{{1, 2, 3, 4, 0xbf, 0x00, 0x09}, {0}, -EPROTO},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		fake_token_init(&f->token);
		ctaphid_init(&f->hid, &f->token.transport, note_status, f);
		connect_token(f);
		fake_token_queue_raw(&f->token, cases[i].first, 8, 0);
		if (cases[i].second[0])
			fake_token_queue_raw(&f->token, cases[i].second, 8, 0);
		assert_int_equal(transact(f, 5, in_seconds(f, 1)), cases[i].expected);
	}
}

static void test_reply_longer_than_the_buffer(void **state)
{
	struct fixture *f = *state;
	uint8_t small[10];

	connect_token(f);
	fake_token_queue(&f->token, f->token.cid, CTAPHID_CBOR, "eleven byte", 11, 0);
	assert_int_equal(ctaphid_transact(&f->hid, CTAPHID_CBOR, f->request, 1, small, sizeof(small), &f->len,
				 in_seconds(f, 1)),
		-EMSGSIZE);
}

static int unplug(struct fake_token *t)
{
	(void)t;
	return -ENODEV;
}

static void test_unplug(void **state)
{
	struct fixture *f = *state;

	connect_token(f);
	f->token.on_empty = unplug;
	assert_int_equal(transact(f, 5, in_seconds(f, 1)), -ENODEV);

	/* in the middle of the answer */
	fake_token_queue_raw(&f->token, REPORT(0x90, 0x01, 0x00), 7, 0);
	assert_int_equal(transact(f, 5, in_seconds(f, 1)), -ENODEV);
	f->token.write_error = -EIO;
	assert_int_equal(transact(f, 5, in_seconds(f, 1)), -EIO);
	assert_int_equal(f->token.n_cancelled, 0);
}

static void test_cancel(void **state)
{
	struct fixture *f = *state;
	uint64_t start;

	connect_token(f);
	start = now(f);
	f->token.on_empty = keepalives_for_ever;
	f->token.interrupt_at_us = start + 3 * US_PER_SEC + 1;
	assert_int_equal(transact(f, 5, in_seconds(f, 30)), -ECANCELED);
	assert_int_equal(f->token.n_cancelled, 1);
	assert_true(now(f) - start <= 3 * US_PER_SEC + 1 + CTAPHID_CANCEL_GRACE_US + US_PER_MS);
	assert_ptr_equal(f->token.transport.interrupt, &f->token.interrupt); /* put back */
}

static void cancel_is_answered(struct fake_token *t, const uint8_t *report)
{
	if (report[4] == (0x80 | CTAPHID_CANCEL))
		fake_token_queue(t, t->cid, CTAPHID_CBOR, "\x2d", 1, 10 * US_PER_MS);
}

static void test_cancel_waits_for_the_answer(void **state)
{
	struct fixture *f = *state;
	uint64_t start;

	connect_token(f);
	start = now(f);
	f->token.on_write = cancel_is_answered;
	f->token.interrupt_at_us = start + US_PER_SEC;
	assert_int_equal(transact(f, 5, in_seconds(f, 30)), -ECANCELED);
	assert_int_equal(now(f) - start, US_PER_SEC + 10 * US_PER_MS);
	assert_int_equal(f->token.n_queued, 0); /* nothing is left for the next one */
}

static void test_cancel_while_busy(void **state)
{
	struct fixture *f = *state;

	connect_token(f);
	f->token.on_write = echo;
	f->busy = 1000000;
	f->token.interrupt_at_us = in_seconds(f, 1);
	assert_int_equal(transact(f, 5, in_seconds(f, 30)), -ECANCELED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_init_reads_the_reply, setup, teardown),
		cmocka_unit_test_setup_teardown(test_init_ignores_other_clients, setup, teardown),
		cmocka_unit_test_setup_teardown(test_init_refuses_senseless_channels, setup, teardown),
		cmocka_unit_test_setup_teardown(test_init_gives_up_on_a_dead_token, setup, teardown),
		cmocka_unit_test_setup_teardown(test_init_backs_off_when_busy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_lengths_round_trip, setup, teardown),
		cmocka_unit_test_setup_teardown(test_short_reports, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_channels_are_ignored, setup, teardown),
		cmocka_unit_test_setup_teardown(test_interleaved_channels, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keepalives_reach_the_callback_and_the_deadline, setup, teardown),
		cmocka_unit_test_setup_teardown(test_floods_hit_the_deadline, setup, teardown),
		cmocka_unit_test_setup_teardown(test_silence_and_late_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_busy_is_tried_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut_off_is_tried_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_error_of_the_token, setup, teardown),
		cmocka_unit_test_setup_teardown(test_garbage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reply_longer_than_the_buffer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unplug, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel_waits_for_the_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel_while_busy, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
