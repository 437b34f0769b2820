/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The token's side of wgX25519 under hostile hosts: messages on several CTAPHID channels, in the clear and inside a
 * channel that stands (a host that was paired may be hostile as well), touches given and refused, storage that fails.
 * Whatever comes: the answer has the length and op that the specification says, a bound slot's key serves its owner
 * only, no bound slot is emptied but by its owner or with it, and touches are asked for where the policy wants one.
 */
#include <limits.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/x25519-memory.h"
#include "token/x25519-sodium.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum action { CLEAR, INSIDE, FORGET, FINGER, FAIL_WRITES, FAIL_READS, PASS_TIME, N_ACTIONS };

#define ALICE 0
#define BOB 1
#define ALICE_CID 100

/* In place of the curve, which would take all the time: what is fed in decides the product, and low order is there. */
static void fast_dh(uint8_t ret[static X25519_KEY_SIZE], const uint8_t private_key[static X25519_KEY_SIZE],
	const uint8_t point[static X25519_KEY_SIZE])
{
	for (int i = 0; i < X25519_KEY_SIZE; i++)
		ret[i] = (uint8_t)(private_key[i] + 1);
	if (point[0] < 2)
		memset(ret, 0, X25519_KEY_SIZE);
}

static struct x25519_crypto crypto;
static struct x25519_memory memory;
static struct x25519_device device;
static struct x25519_channel alice; /* her end */
static enum x25519_finger finger;
static uint64_t now_ms;

static void begin(void)
{
	struct x25519_session *s = &device.sessions[0];

	crypto = x25519_sodium;
	crypto.x25519 = fast_dh;
	x25519_memory_init(&memory);
	for (unsigned int i = 0; i < 2; i++) {
		memory.hosts[i].used = true;
		memory.hosts[i].public_key[0] = (uint8_t)(10 + i);
	}
	memory.slots[0] = (struct x25519_slot){.used = true, .owner = ALICE, .touch = X25519_TOUCH_NEVER};
	memory.slots[1] = (struct x25519_slot){.used = true, .owner = ALICE, .touch = X25519_TOUCH_ALWAYS};
	memory.slots[2] = (struct x25519_slot){.used = true, .owner = BOB, .touch = X25519_TOUCH_NEVER};
	memory.slots[3] = (struct x25519_slot){.used = true, .owner = X25519_NO_HOST, .touch = X25519_TOUCH_CACHED, .cached_seconds = 5};
	if (!x25519_device_init(&device, &crypto, &x25519_memory_storage, &memory, 7))
		abort();
	/* as if she had opened it */
	memset(&alice, 0, sizeof(alice));
	memset(alice.send_key, 1, 32);
	memset(alice.receive_key, 2, 32);
	alice.open = true;
	s->cid = ALICE_CID;
	s->host = ALICE;
	memcpy(s->channel.send_key, alice.receive_key, 32);
	memcpy(s->channel.receive_key, alice.send_key, 32);
	s->channel.open = true;
	finger = X25519_FINGER_GIVEN;
	now_ms = 1;
}

static size_t ask(uint32_t cid, const uint8_t *request, size_t len, uint8_t answer[static X25519_MESSAGE_MAX], bool *ret_touched)
{
	struct x25519_call call = {.cid = cid, .request = request, .len = len, .now_ms = now_ms};
	size_t n = 0;

	*ret_touched = x25519_device_handle(&device, &call, answer, &n) == X25519_TOUCH_WANTED;
	if (*ret_touched) {
		call.finger = finger;
		if (x25519_device_handle(&device, &call, answer, &n) != X25519_ANSWERED)
			abort();
	}
	if (n < 2 || n > X25519_MESSAGE_MAX)
		abort();
	return n;
}

/* What may have changed for this host (-1: in the clear). */
static void check(int host, const uint8_t *request, size_t len, const struct x25519_memory *before, const uint8_t *answer, size_t n, bool touched)
{
	struct x25519_answer a;
	uint8_t again[X25519_MESSAGE_MAX];
	unsigned int slot = len > 1 ? request[1] : 0;

	if (answer[0] != request[0])
		abort();
	if (answer[1] == X25519_OK || request[0] - 1u < X25519_UNPAIR) {
		if (!x25519_answer_decode(&a, (enum x25519_op)request[0], answer, n) || x25519_answer_encode(again, &a) != n ||
			memcmp(again, answer, n) != 0)
			abort();
	}
	for (unsigned int i = 0; i < X25519_DEVICE_SLOTS; i++) {
		const struct x25519_slot *old = &before->slots[i], *new = &memory.slots[i];
		bool unpaired = request[0] == X25519_UNPAIR && len == 2 && request[1] == old->owner && host >= 0;

		if (memcmp(old, new, sizeof(*old)) == 0)
			continue;
		if (!touched || finger != X25519_FINGER_GIVEN)
			abort();
		if (old->used && (new->used || (!unpaired && old->owner != X25519_NO_HOST && old->owner != host)))
			abort();
		if (!old->used && new->owner != X25519_NO_HOST && new->owner != host)
			abort();
	}
	if (memcmp(before->hosts, memory.hosts, sizeof(memory.hosts)) != 0 && (!touched || finger != X25519_FINGER_GIVEN))
		abort();
	if (answer[1] == X25519_OK && request[0] == X25519_DH) {
		const struct x25519_slot *s = &before->slots[slot];

		if (!s->used || (s->owner != X25519_NO_HOST && s->owner != host) || x25519_is_zero(answer + 2) ||
			(s->touch == X25519_TOUCH_ALWAYS && (!touched || finger != X25519_FINGER_GIVEN)))
			abort();
	}
	if (answer[1] == X25519_OK && request[0] == X25519_IMPORT && host < 0)
		abort();
}

static void inside(const uint8_t *request, size_t len)
{
	struct x25519_memory before = memory;
	uint8_t sealed[X25519_MESSAGE_MAX] = {X25519_SEALED}, answer[X25519_MESSAGE_MAX], inner[X25519_MESSAGE_MAX];
	size_t n;
	bool touched;

	if (len == 0 || len > X25519_MESSAGE_MAX - 1 - X25519_TAG_SIZE)
		return;
	if (!alice.open)
		return;
	n = x25519_channel_seal(&alice, &crypto, sealed + 1, request, len);
	n = ask(ALICE_CID, sealed, 1 + n, answer, &touched);
	if (answer[0] != X25519_SEALED)
		abort();
	if (answer[1] != X25519_OK) {
		if (n != 2 || answer[1] != X25519_NO_CHANNEL || memcmp(&before, &memory, sizeof(before)) != 0)
			abort();
		alice.open = false;
		return;
	}
	if (!x25519_channel_open(&alice, &crypto, inner, answer + 2, n - 2))
		abort();
	check(ALICE, request, len, &before, inner, n - 2 - X25519_TAG_SIZE, touched);
}

static void clear(uint32_t cid, const uint8_t *request, size_t len)
{
	struct x25519_memory before = memory;
	uint8_t answer[X25519_MESSAGE_MAX];
	size_t n;
	bool touched;

	if (len == 0)
		return;
	n = ask(cid, request, len, answer, &touched);
	check(-1, request, len, &before, answer, n, touched);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (sodium_init() < 0)
		abort();
	begin();
	while (size > 1) {
		enum action action = (enum action)(data[0] % N_ACTIONS);
		uint8_t argument = data[1];
		size_t n = argument % (X25519_MESSAGE_MAX + 1);

		data += 2;
		size -= 2;
		if (n > size)
			n = size;
		switch (action) {
		case CLEAR:
			clear(argument & 0x80 ? ALICE_CID : 1 + (argument & 0x40), data, n);
			break;
		case INSIDE:
			inside(data, n);
			break;
		case FORGET:
			n = 0;
			x25519_device_forget(&device, argument);
			break;
		case FINGER:
			n = 0;
			finger = (enum x25519_finger)(X25519_FINGER_GIVEN + argument % 4);
			break;
		case FAIL_WRITES:
			n = 0;
			memory.writes_left = argument < 128 ? argument : UINT_MAX;
			break;
		case FAIL_READS:
			n = 0;
			memory.fail_reads = argument & 1;
			break;
		case PASS_TIME:
			n = 0;
			now_ms += argument * UINT64_C(100);
			break;
		case N_ACTIONS:
			break;
		}
		data += n;
		size -= n;
	}
	return 0;
}
