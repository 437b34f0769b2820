/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wgX25519 behind the software token's CTAPHID: channels, touches, the state file, lies. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <sodium.h>

#include "common/clock.h"
#include "tests/unit/x25519-host.h"
#include "token/soft/x25519.h"
#include "token/x25519-sodium.h"

static struct softhid hid;
static struct store_data data;
static struct soft_x25519 *token;
static unsigned int n_saves, touches, keepalives;
static bool saves_fail;
static uint64_t now;
static enum ctap2_touch finger;
static bool slow_finger; /* takes 250 ms */

static struct {
	uint8_t command;
	size_t len, have;
	uint8_t data[256];
} sent;

static void on_send(void *userdata, const uint8_t report[static SOFTHID_REPORT_SIZE])
{
	size_t head = report[4] & 0x80 ? 7 : 5, n;

	(void)userdata;
	if (head == 7 && report[4] == (SOFTHID_KEEPALIVE | 0x80)) {
		assert_int_equal(report[7], 2); /* UPNEEDED */
		keepalives++;
		return;
	}
	if (head == 7) {
		sent.command = report[4] & 0x7f;
		sent.len = (size_t)report[5] << 8 | report[6];
		sent.have = 0;
	}
	n = sent.len - sent.have < SOFTHID_REPORT_SIZE - head ? sent.len - sent.have : SOFTHID_REPORT_SIZE - head;
	assert_true(sent.have + n <= sizeof(sent.data));
	memcpy(sent.data + sent.have, report + head, n);
	sent.have += n;
}

static void send_message(uint32_t channel, uint8_t command, const uint8_t *bytes, size_t len)
{
	uint8_t report[SOFTHID_REPORT_SIZE] = {0};

	for (int i = 0; i < 4; i++)
		report[i] = (uint8_t)(channel >> (24 - 8 * i));
	report[4] = command | 0x80;
	report[6] = (uint8_t)len;
	if (len > 0)
		memcpy(report + 7, bytes, len < 57 ? len : 57);
	sent.len = sent.have = 0;
	sent.command = 0;
	softhid_receive(&hid, report, now);
	if (len > 57) {
		memset(report + 4, 0, sizeof(report) - 4);
		softhid_receive(&hid, report, now);
	}
}

static uint32_t lines[2];

static size_t carry(void *userdata, const uint8_t *request, size_t len, uint8_t answer[static X25519_MESSAGE_MAX])
{
	const uint32_t *line = userdata;

	send_message(*line, X25519_COMMAND, request, len);
	if (softhid_touch_wanted(&hid)) {
		touches++;
		for (int i = 0; slow_finger && i < 5; i++) {
			now += 50 * US_PER_MS;
			softhid_tick(&hid, now);
		}
		if (finger == CTAP2_TOUCH_CANCELLED)
			send_message(*line, SOFTHID_CANCEL, NULL, 0);
		else if (finger == CTAP2_TOUCH_TIMEOUT)
			softhid_tick(&hid, now + 31 * US_PER_SEC);
		else
			softhid_touch(&hid, finger, now);
	}
	assert_int_equal(sent.command, X25519_COMMAND);
	assert_int_equal(sent.have, sent.len);
	assert_true(sent.len <= X25519_MESSAGE_MAX);
	memcpy(answer, sent.data, sent.len);
	return sent.len;
}

static uint32_t open_line(void)
{
	send_message(SOFTHID_BROADCAST, SOFTHID_INIT, (const uint8_t *)"12345678", 8);
	return (uint32_t)sent.data[8] << 24 | (uint32_t)sent.data[9] << 16 | (uint32_t)sent.data[10] << 8 | sent.data[11];
}

static int on_save(void *userdata)
{
	(void)userdata;
	n_saves++;
	return saves_fail ? -1 : 0;
}

static void plug(void)
{
	token = soft_x25519_free(token);
	assert_int_equal(soft_x25519_new(&token, &data, on_save, NULL), 0);
	softhid_init(&hid, on_send, NULL, 100);
	softhid_set_handler(&hid, X25519_COMMAND, soft_x25519_handle, token);
	hid.channel_ended = soft_x25519_channel_ended;
	hid.channel_userdata = token;
	lines[0] = open_line();
	lines[1] = open_line();
}

static struct x25519_host_end alice;

static int setup(void **state)
{
	(void)state;
	now = 100 * US_PER_SEC;
	n_saves = touches = keepalives = 0;
	saves_fail = slow_finger = false;
	finger = CTAP2_TOUCH_GIVEN;
	assert_int_equal(store_data_reset(&data), 0);
	plug();
	x25519_host_init(&alice, 0x11, carry, &lines[0]);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	token = soft_x25519_free(token);
	store_data_clear(&data);
	return 0;
}

static enum x25519_status generate(struct x25519_host_end *h, uint8_t slot, enum x25519_touch touch, uint16_t seconds)
{
	struct x25519_request r = {.op = X25519_GENERATE, .slot = slot, .touch = touch, .cached_seconds = seconds};
	struct x25519_answer a;

	return x25519_host_ask_sealed(h, &r, &a);
}

static enum x25519_status dh(struct x25519_host_end *h, uint8_t slot, struct x25519_answer *ret)
{
	struct x25519_request r = {.op = X25519_DH, .slot = slot, .key = {9}};

	return x25519_host_ask_sealed(h, &r, ret);
}

static void test_touch(void **state)
{
	struct x25519_answer a;

	(void)state;
	x25519_host_connect(&alice);
	assert_int_equal(generate(&alice, 0, X25519_TOUCH_ALWAYS, 0), X25519_OK);
	keepalives = touches = 0;
	slow_finger = true;
	assert_int_equal(dh(&alice, 0, &a), X25519_OK);
	assert_int_equal(keepalives, 3); /* at once, and every 100 ms */
	finger = CTAP2_TOUCH_DENIED;
	assert_int_equal(dh(&alice, 0, &a), X25519_TOUCH_DENIED);
	finger = CTAP2_TOUCH_CANCELLED;
	assert_int_equal(dh(&alice, 0, &a), X25519_CANCELLED);
	finger = CTAP2_TOUCH_TIMEOUT;
	assert_int_equal(dh(&alice, 0, &a), X25519_TOUCH_TIMEOUT);
	finger = CTAP2_TOUCH_GIVEN;
	assert_int_equal(dh(&alice, 0, &a), X25519_OK);
	assert_int_equal(touches, 5);

	/* cached: from the touch on, by the clock, not by the request's arrival */
	assert_int_equal(generate(&alice, 1, X25519_TOUCH_CACHED, 2), X25519_OK);
	touches = 0;
	assert_int_equal(dh(&alice, 1, &a), X25519_OK);
	now += 2 * US_PER_SEC - 1;
	assert_int_equal(dh(&alice, 1, &a), X25519_OK);
	assert_int_equal(touches, 1);
	now += 1;
	assert_int_equal(dh(&alice, 1, &a), X25519_OK);
	assert_int_equal(touches, 2);
}

/* While it blinks for one, others are told that it is busy, and take nothing from it. */
static void test_busy(void **state)
{
	uint8_t pair[33] = {X25519_PAIR, 9}, dh_request[34] = {X25519_DH};

	(void)state;
	send_message(lines[0], X25519_COMMAND, pair, sizeof(pair));
	assert_true(softhid_touch_wanted(&hid));
	send_message(lines[1], X25519_COMMAND, dh_request, sizeof(dh_request));
	assert_int_equal(sent.command, SOFTHID_ERROR);
	assert_int_equal(sent.data[0], SOFTHID_ERR_CHANNEL_BUSY);
	send_message(lines[1], SOFTHID_CANCEL, NULL, 0);
	assert_true(softhid_touch_wanted(&hid));
	/* INIT on its own line gives it up: nobody was paired */
	send_message(lines[0], SOFTHID_INIT, pair, 8);
	assert_false(softhid_touch_wanted(&hid));
	assert_false(data.x25519->hosts[0].used);
}

static void test_lengths(void **state)
{
	uint8_t bytes[64] = {X25519_HELLO};

	(void)state;
	send_message(lines[0], X25519_COMMAND, bytes, 0);
	assert_int_equal(sent.command, SOFTHID_ERROR);
	assert_int_equal(sent.data[0], SOFTHID_ERR_INVALID_LEN);
	send_message(lines[0], X25519_COMMAND, bytes, 58);
	assert_int_equal(sent.command, SOFTHID_ERROR);
	assert_int_equal(sent.data[0], SOFTHID_ERR_INVALID_LEN);
	send_message(lines[0], X25519_COMMAND, bytes, 57);
	assert_int_equal(sent.command, X25519_COMMAND);
	assert_int_equal(sent.data[1], X25519_BAD_LENGTH);
}

static void test_channel_ends_with_its_line(void **state)
{
	struct x25519_answer a;

	(void)state;
	x25519_host_connect(&alice);
	assert_int_equal(dh(&alice, 0, &a), X25519_SLOT_EMPTY);
	/* another line does not disturb */
	send_message(lines[1], SOFTHID_INIT, (const uint8_t *)"12345678", 8);
	assert_int_equal(dh(&alice, 0, &a), X25519_SLOT_EMPTY);
	send_message(lines[0], SOFTHID_INIT, (const uint8_t *)"12345678", 8);
	assert_int_equal(dh(&alice, 0, &a), X25519_NO_CHANNEL);
	/* lines are opened until its place is another's */
	assert_int_equal(x25519_host_channel(&alice), X25519_OK);
	for (int i = 0; i < SOFTHID_CHANNELS_MAX; i++)
		lines[1] = open_line();
	alice.userdata = &lines[1];
	assert_int_equal(dh(&alice, 0, &a), X25519_NO_CHANNEL);
}

static void test_what_is_kept(void **state)
{
	uint8_t *buf = sodium_malloc(STORE_FILE_SIZE), identity[32];
	struct store_data again = {0};
	struct x25519_answer a;

	(void)state;
	assert_non_null(buf);
	x25519_host_connect(&alice);
	memcpy(identity, alice.hello.token_public, 32);
	n_saves = 0;
	assert_int_equal(generate(&alice, 5, X25519_TOUCH_NEVER, 0), X25519_OK);
	assert_int_equal(n_saves, 1);
	assert_int_equal(store_encode(buf, &data), 0);
	assert_int_equal(store_decode(&again, buf, STORE_FILE_SIZE), 0);
	store_data_clear(&data);
	data = again;
	plug();
	x25519_host_hello(&alice);
	assert_memory_equal(alice.hello.token_public, identity, 32);
	assert_int_equal(alice.hello.taken, 1u << 5);
	assert_int_equal(x25519_host_channel(&alice), X25519_OK);
	assert_int_equal(dh(&alice, 5, &a), X25519_OK);

	/* what cannot be written is not done */
	saves_fail = true;
	assert_int_equal(generate(&alice, 0, X25519_TOUCH_NEVER, 0), X25519_STORAGE);
	assert_false(data.x25519->slots[0].used);
	assert_true(sodium_is_zero(data.x25519->slots[0].private_key, 32));
	alice.channel.open = false;
	saves_fail = false;

	/* a reset takes all of it */
	assert_int_equal(store_data_reset(&data), 0);
	assert_int_equal(soft_x25519_reset(token), 0);
	x25519_host_hello(&alice);
	assert_memory_not_equal(alice.hello.token_public, identity, 32);
	assert_int_equal(alice.hello.taken, 0);
	assert_int_equal(x25519_host_channel(&alice), X25519_NOT_PAIRED);
	/* one that cannot be finished leaves a token that pairs nobody */
	assert_int_equal(store_data_reset(&data), 0);
	saves_fail = true;
	assert_int_equal(soft_x25519_reset(token), -EIO);
	saves_fail = false;
	memset(alice.hello.token_public, 0, 32);
	assert_int_equal(x25519_host_pair(&alice), X25519_STORAGE);
	sodium_free(buf);
}

static void test_lies(void **state)
{
	uint8_t hello[] = {X25519_HELLO, 1, 2, 3, 4, 5, 6, 7, 8}, public[] = {X25519_PUBLIC, 0}, first[64];
	struct x25519_answer a;

	(void)state;
	x25519_host_connect(&alice);
	assert_int_equal(generate(&alice, 0, X25519_TOUCH_NEVER, 0), X25519_OK);
	send_message(lines[1], X25519_COMMAND, hello, sizeof(hello));
	memcpy(first, sent.data, sizeof(first));

	soft_x25519_set_lie(token, SOFT_X25519_SHORT, 1);
	send_message(lines[1], X25519_COMMAND, hello, sizeof(hello));
	assert_int_equal(sent.len, 54);
	send_message(lines[1], X25519_COMMAND, hello, sizeof(hello));
	assert_int_equal(sent.len, 53);
	soft_x25519_set_lie(token, SOFT_X25519_LONG, 0);
	send_message(lines[1], X25519_COMMAND, hello, sizeof(hello));
	assert_int_equal(sent.len, 55);
	soft_x25519_set_lie(token, SOFT_X25519_GARBAGE, 0);
	send_message(lines[1], X25519_COMMAND, hello, sizeof(hello));
	assert_int_equal(sent.len, 54);
	assert_memory_equal(sent.data, first, 2);
	assert_memory_not_equal(sent.data + 2, first + 2, 8);
	soft_x25519_set_lie(token, SOFT_X25519_REPLAY, 0);
	send_message(lines[1], X25519_COMMAND, public, sizeof(public));
	assert_memory_equal(sent.data, first, 54);
	/* zero, in a channel that knows nothing of it */
	soft_x25519_set_lie(token, SOFT_X25519_ZERO, 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(dh(&alice, 0, &a), X25519_OK);
		assert_true(x25519_is_zero(a.shared));
	}
	/* what CTAPHID does wrong is done to the one command */
	hid.misbehaving = X25519_COMMAND;
	hid.misbehaviour = SOFTHID_SILENT;
	send_message(lines[1], X25519_COMMAND, hello, sizeof(hello));
	assert_int_equal(sent.command, 0);
}

static void test_file_of_version_1(void **state)
{
	uint8_t old[STORE_FILE_SIZE_1] = "WGFSOFT\n\1\0\0\0\7";
	struct store_data d = {0};

	(void)state;
	old[24] = 0;
	old[25] = 8;
	memset(old + 28, 0x5a, 32);
	crypto_hash_sha256(old + 76, old, 76);
	assert_int_equal(store_decode(&d, old, sizeof(old)), 0);
	assert_int_equal(d.sign_count, 7);
	assert_int_equal(secret_borrow(d.master)[0], 0x5a);
	assert_true(sodium_is_zero((const unsigned char *)d.x25519, sizeof(*d.x25519)));
	store_data_clear(&d);
	assert_int_equal(store_decode(&d, old, sizeof(old) - 1), -EBADMSG);
	old[28]++;
	assert_int_equal(store_decode(&d, old, sizeof(old)), -EBADMSG);
}

static void test_file_that_makes_no_sense(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
	} changes[] = {
		{0, 2}, {1, 1}, {36, 2}, {37, 2}, {38, 1}, {38, 4}, {39, 3}, {39, 1}, {40, 1}, {42, 1}, {36, 0}, {612, 2}, {613, 1}, {612, 0}, {650, 1}, {4 + 36 + 72, 1},
	};
	uint8_t buf[STORE_X25519_SIZE];
	struct store_x25519 good = {.has_identity = true}, x;

	(void)state;
	good.hosts[0].used = true;
	good.slots[0] = (struct x25519_slot){.used = true, .owner = 0, .touch = X25519_TOUCH_ALWAYS};
	good.slots[0].private_key[0] = 7;
	good.hosts[0].public_key[0] = 7;
	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		store_encode_x25519(buf, &good);
		memset(&x, 0, sizeof(x));
		assert_true(store_decode_x25519(&x, buf));
		assert_memory_equal(&x, &good, sizeof(x));
		buf[changes[i].at] = changes[i].value;
		assert_false(store_decode_x25519(&x, buf));
	}
}

static int group_setup(void **state)
{
	(void)state;
	return secret_init();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_touch, setup, teardown),
		cmocka_unit_test_setup_teardown(test_busy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lengths, setup, teardown),
		cmocka_unit_test_setup_teardown(test_channel_ends_with_its_line, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lies, setup, teardown),
		cmocka_unit_test(test_file_of_version_1),
		cmocka_unit_test(test_file_that_makes_no_sense),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
