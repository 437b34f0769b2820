/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Operations on resident keys: made, adopted, paired, proved, approved, found; and tokens that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/handle.h"
#include "daemon/approval-keys.h"
#include "daemon/operation-resident.h"
#include "tests/unit/resident-fixture.h"

static void test_enroll(void **state)
{
	struct fixture *f = *state;
	const struct keyfile *k;
	char path[128];
	struct stat st;

	(void)plug(f, "good");
	assert_int_equal(enroll(f, "wg0"), OUTCOME_OK);
	assert_string_equal(f->prompts, "touch-pair 1/2 touch 2/2");
	k = keyfile_of(f, "wg0");
	assert_non_null(k);
	assert_int_equal(k->held, KEYFILE_RESIDENT);
	assert_key(k->public_key, 0, "");
	assert_memory_equal(f->public_key, k->public_key, KEY_SIZE);
	assert_int_equal(f->slot.number, 0);
	assert_true(k->resident.paired);
	assert_string_equal(k->resident.label, "Fake good");
	assert_string_equal(tunnel_held(tunnel_of(f, "wg0")), "resident");
	assert_string_equal(tunnel_state(tunnel_of(f, "wg0")), "locked");
	(void)snprintf(path, sizeof(path), "%s/host.key", f->state);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	/* Another key on the same token: it is paired already, and the slot is the next one. */
	assert_int_equal(enroll(f, "wg1"), OUTCOME_OK);
	assert_string_equal(f->prompts, "touch 1/1");
	assert_key(keyfile_of(f, "wg1")->public_key, 1, "");
	/* Once more is too often. */
	assert_int_equal(enroll(f, "wg1"), OUTCOME_EXISTS);
	/* What the disk says is what a new broker finds. */
	assert_int_equal(broker_reload(f->broker), 0);
	assert_int_equal(approve(f, "wg0"), OUTCOME_OK);
}

static void test_slots(void **state)
{
	struct fixture *f = *state;
	struct request *r;

	(void)plug(f, "good");
	r = make(f, REQUEST_ENROLL, "wg0");
	r->options.has_resident = r->options.resident = r->options.has_x_slot = true;
	r->options.x_slot = (struct wire_x_slot){.kind = WIRE_X_CTAPHID, .number = 3};
	assert_int_equal(run(f, r), OUTCOME_EXISTS);
	r = make(f, REQUEST_ENROLL, "wg0");
	r->options.has_resident = r->options.resident = r->options.has_x_slot = true;
	r->options.x_slot = (struct wire_x_slot){.kind = WIRE_X_CTAPHID, .number = 4};
	assert_int_not_equal(run(f, r), OUTCOME_OK);
	r = make(f, REQUEST_ENROLL, "wg0");
	r->options.has_resident = r->options.resident = r->options.has_x_slot = true;
	r->options.x_slot = (struct wire_x_slot){.kind = WIRE_X_PIV, .number = 0x9d};
	assert_int_equal(run(f, r), OUTCOME_UNSUPPORTED);
	r = make(f, REQUEST_ENROLL, "wg0");
	r->options.has_resident = r->options.resident = r->options.has_x_slot = true;
	r->options.x_slot = (struct wire_x_slot){.kind = WIRE_X_CTAPHID, .number = 2};
	assert_int_equal(run(f, r), OUTCOME_OK);
	assert_key(keyfile_of(f, "wg0")->public_key, 2, "");
	assert_int_equal(enroll(f, "wg1"), OUTCOME_OK);
	assert_int_equal(enroll(f, "wg2"), OUTCOME_OK);
	/* Slot 3 was filled from the start. */
	assert_int_equal(run(f, make(f, REQUEST_GENERATE, "")), OUTCOME_LIMIT_EXCEEDED);
}

static void test_adopt(void **state)
{
	struct fixture *f = *state;
	uint8_t public_key[KEY_SIZE];
	struct request *r;

	(void)plug(f, "good");
	fake_public(public_key, 3, "");
	r = make(f, REQUEST_ENROLL, "wg0");
	r->options.has_resident = r->options.resident = r->options.has_handle = true;
	handle_make(r->options.handle, WIRE_X_CTAPHID, 3, public_key);
	assert_int_equal(run(f, r), OUTCOME_OK);
	assert_string_equal(f->prompts, "touch-pair 1/1");
	assert_memory_equal(keyfile_of(f, "wg0")->public_key, public_key, KEY_SIZE);
	/* One key, one tunnel. */
	r = make(f, REQUEST_ENROLL, "wg1");
	r->options.has_resident = r->options.resident = r->options.has_handle = true;
	handle_make(r->options.handle, WIRE_X_CTAPHID, 3, public_key);
	assert_int_equal(run(f, r), OUTCOME_EXISTS);
	assert_non_null(strstr(f->detail, "wg0"));
	/* A damaged handle, and one of a key that is not there. */
	r = make(f, REQUEST_ENROLL, "wg1");
	r->options.has_resident = r->options.resident = r->options.has_handle = true;
	assert_int_equal(run(f, r), OUTCOME_INVALID_ARGUMENT);
	r = make(f, REQUEST_ENROLL, "wg1");
	r->options.has_resident = r->options.resident = r->options.has_handle = true;
	handle_make(r->options.handle, WIRE_X_CTAPHID, 2, public_key);
	assert_int_equal(run(f, r), OUTCOME_WRONG_TOKEN);
}

/* A key that every process with the node open may use is no tunnel's. */
static void test_adopt_open(void **state)
{
	struct fixture *f = *state;
	uint8_t public_key[KEY_SIZE];
	struct request *r;

	(void)plug(f, "open");
	fake_public(public_key, 3, "");
	r = make(f, REQUEST_ENROLL, "wg0");
	r->options.has_resident = r->options.resident = r->options.has_handle = true;
	handle_make(r->options.handle, WIRE_X_CTAPHID, 3, public_key);
	assert_int_equal(run(f, r), OUTCOME_UNSUPPORTED);
	assert_non_null(strstr(f->detail, "every program"));
	assert_string_equal(f->prompts, "");
	assert_null(keyfile_of(f, "wg0"));
}

/* One key, one tunnel: also where two ask for it at the same time. */
static void test_adopt_at_once(void **state)
{
	static const char *const ifnames[] = {"wg0", "wg1"};
	struct fixture *f = *state;
	uint8_t public_key[KEY_SIZE];
	struct request *r;

	(void)plug(f, "good");
	fake_public(public_key, 3, "");
	for (size_t i = 0; i < 2; i++) {
		r = make(f, REQUEST_ENROLL, ifnames[i]);
		r->options.has_resident = r->options.resident = r->options.has_handle = true;
		handle_make(r->options.handle, WIRE_X_CTAPHID, 3, public_key);
		request_start(r);
	}
	turn_until(f, &f->answered, 2);
	assert_true(!keyfile_of(f, "wg0") != !keyfile_of(f, "wg1"));
	assert_int_equal(f->outcome, OUTCOME_EXISTS);
}

static void test_options_that_do_not_fit(void **state)
{
	struct fixture *f = *state;
	struct request *r;

	(void)plug(f, "good");
	r = make(f, REQUEST_ENROLL, "wg0");
	r->options.has_resident = r->options.resident = r->options.recovery_asked = true;
	assert_int_equal(run(f, r), OUTCOME_INVALID_ARGUMENT);
	r = make(f, REQUEST_ENROLL, "wg0");
	r->options.has_resident = r->options.resident = true;
	r->options.uv = REQUEST_UV_PIN;
	assert_int_equal(run(f, r), OUTCOME_INVALID_ARGUMENT);
	r = make(f, REQUEST_ENROLL, "wg0");
	r->options.x_touch = WIRE_X_TOUCH_NEVER;
	assert_int_equal(run(f, r), OUTCOME_INVALID_ARGUMENT);
	assert_null(keyfile_of(f, "wg0"));
}

static void test_two_tokens(void **state)
{
	struct fixture *f = *state;
	struct request *r;

	(void)plug(f, "good");
	(void)plug(f, "other");
	assert_int_equal(enroll(f, "wg0"), OUTCOME_INVALID_ARGUMENT);
	r = make(f, REQUEST_ENROLL, "wg0");
	r->options.has_resident = r->options.resident = true;
	(void)snprintf(r->options.token, sizeof(r->options.token), "soft-other");
	assert_int_equal(run(f, r), OUTCOME_OK);
	assert_key(keyfile_of(f, "wg0")->public_key, 0, "other");
	/* Only the one with the key is asked for it, and only its end ends the approval. */
	assert_int_equal(approve(f, "wg0"), OUTCOME_OK);
	unplug(f, "good");
	assert_string_equal(tunnel_state(tunnel_of(f, "wg0")), "approved");
	unplug(f, "other");
	assert_string_equal(tunnel_state(tunnel_of(f, "wg0")), "locked");
	assert_int_equal(tunnel_of(f, "wg0")->end_reason, APPROVAL_END_TOKEN_REMOVED);
}

static void test_waits_for_a_token(void **state)
{
	struct fixture *f = *state;
	struct request *r;

	assert_int_equal(enroll(f, "wg0"), OUTCOME_TOKEN_MISSING);
	(void)plug(f, "plain");
	assert_int_equal(enroll(f, "wg0"), OUTCOME_UNSUPPORTED);
	r = make(f, REQUEST_ENROLL, "wg0");
	r->options.has_resident = r->options.resident = r->options.wait = true;
	request_start(r);
	idle(f);
	assert_string_equal(operation_prompt(tunnel_operation(tunnel_of(f, "wg0"))), "token");
	(void)plug(f, "good");
	assert_int_equal(finish(f), OUTCOME_OK);
	unplug(f, "good");
	(void)plug(f, "other");
	assert_int_equal(approve(f, "wg0"), OUTCOME_WRONG_TOKEN);
	r = make(f, REQUEST_APPROVE, "wg0");
	r->options.wait = true;
	request_start(r);
	idle(f);
	assert_string_equal(operation_prompt(tunnel_operation(tunnel_of(f, "wg0"))), "token-with-key");
	/* Pulled out again in the middle of it: it waits on. */
	(void)plug(f, "good");
	unplug(f, "good");
	idle(f);
	assert_string_equal(operation_prompt(tunnel_operation(tunnel_of(f, "wg0"))), "token-with-key");
	broker_stop(f->broker);
	assert_int_equal(f->outcome, OUTCOME_CANCELLED);
}

/* The same when it was asked for the second of two uses. */
static void test_waits_on_when_pulled_out(void **state)
{
	struct fixture *f = *state;
	struct request *r;

	(void)plug(f, "slow");
	assert_int_equal(enroll(f, "wg1"), OUTCOME_OK);
	r = make(f, REQUEST_APPROVE, "wg1");
	r->options.wait = true;
	request_start(r);
	/* It answers the first peer's, and hangs with the second's. */
	while (!tunnel_operation(tunnel_of(f, "wg1"))->token_name[0])
		assert_true(sd_event_run(f->event, 120 * US_PER_SEC) > 0);
	unplug(f, "slow");
	idle(f);
	assert_int_equal(f->answered, 1);
	assert_string_equal(operation_prompt(tunnel_operation(tunnel_of(f, "wg1"))), "token-with-key");
	(void)plug(f, "filled");
	assert_int_equal(finish(f), OUTCOME_OK);
	assert_string_equal(tunnel_state(tunnel_of(f, "wg1")), "approved");
}

/* The PSK is the one that the other end computes from its own private key; nothing but a DH was asked of the token. */
static void test_psk(void **state)
{
	struct fixture *f = *state;
	_cleanup_secret_ struct secret *t = fake_key(0, ""), *psk = NULL, *expected = NULL;
	const struct config *config = tunnel_of(f, "wg1")->config;
	const uint64_t real = clock_now(&f->clock.clock).real_us / US_PER_SEC, slot = real / 120;
	struct instant now = clock_now(&f->clock.clock);
	struct approval_keys keys;
	uint64_t start, end;

	(void)plug(f, "good");
	assert_int_equal(enroll(f, "wg1"), OUTCOME_OK);
	assert_int_equal(approve(f, "wg1"), OUTCOME_OK);
	assert_int_equal(approvals_psk(f->broker->approvals, &psk, &start, &end, "wg1", config->peers[1].public_key, &now), 0);
	assert_int_equal(approval_keys_make(&keys, config, NULL, t, keyfile_of(f, "wg1")->public_key, NULL, 120, slot, slot), 0);
	assert_int_equal(approval_keys_psk(&expected, &keys, config->peers[1].public_key, slot), 0);
	assert_true(secret_equal(psk, expected));
	approval_keys_clear(&keys);
}

static void test_a_touch_for_each_peer(void **state)
{
	struct fixture *f = *state;
	struct request *r;

	(void)plug(f, "touchy");
	r = make(f, REQUEST_ENROLL, "wg1");
	r->options.has_resident = r->options.resident = true;
	r->options.x_touch = WIRE_X_TOUCH_ALWAYS;
	assert_int_equal(run(f, r), OUTCOME_OK);
	assert_string_equal(f->prompts, "touch-pair 1/3 touch 2/3 touch 3/3");
	assert_int_equal(approve(f, "wg1"), OUTCOME_OK);
	assert_string_equal(f->prompts, "touch 1/2 touch 2/2");
	assert_string_equal(tunnel_state(tunnel_of(f, "wg1")), "approved");
	/* The next key asks as this one does: nobody said otherwise. */
	assert_int_equal(run(f, make(f, REQUEST_REKEY, "wg1")), OUTCOME_OK);
	assert_int_equal(keyfile_of(f, "wg1")->next.touch, WIRE_X_TOUCH_ALWAYS);
}

/* An identity's approval holds nothing that could be handed out. */
static void test_identity_holds_nothing(void **state)
{
	struct fixture *f = *state;
	struct instant now = clock_now(&f->clock.clock);
	const struct secret *key = NULL;
	struct request *r;

	(void)plug(f, "good");
	assert_int_equal(enroll(f, "wg0"), OUTCOME_OK);
	assert_int_equal(approve(f, "wg0"), OUTCOME_OK);
	assert_int_equal(approvals_private_key(f->broker->approvals, &key, "wg0", &now), OUTCOME_UNSUPPORTED);
	assert_null(key);
	assert_int_equal(run(f, make(f, REQUEST_EXPORT, "wg0")), OUTCOME_UNSUPPORTED);
	assert_int_equal(run(f, make(f, REQUEST_ADD_KEYSLOT, "wg0")), OUTCOME_UNSUPPORTED);
	r = make(f, REQUEST_REMOVE_KEYSLOT, "wg0");
	r->slot = 1;
	assert_int_equal(run(f, r), OUTCOME_UNSUPPORTED);
}

/* Says that it has the key, and cannot show it. */
static void test_liar(void **state)
{
	struct fixture *f = *state;

	(void)plug(f, "good");
	assert_int_equal(enroll(f, "wg0"), OUTCOME_OK);
	unplug(f, "good");
	(void)plug(f, "liar");
	assert_int_equal(enroll(f, "wg1"), OUTCOME_WRONG_TOKEN);
	assert_null(keyfile_of(f, "wg1"));
	assert_int_equal(approve(f, "wg0"), OUTCOME_WRONG_TOKEN);
	assert_string_equal(tunnel_state(tunnel_of(f, "wg0")), "locked");
}

/* Paired under another name than it had said it had: it is no pairing, and no key is made. */
static void test_paired_under_another_name(void **state)
{
	struct fixture *f = *state;
	uint8_t name[KEY_SIZE], index;

	(void)plug(f, "twofaced");
	assert_int_equal(enroll(f, "wg0"), OUTCOME_TOKEN_FAILED);
	assert_string_equal(f->prompts, "touch-pair 1/2");
	assert_null(keyfile_of(f, "wg0"));
	for (unsigned int i = 0x66; i <= 0x77; i += 0x11) {
		memset(name, (int)i, sizeof(name));
		assert_int_equal(pairings_find(f->broker->pairings, &index, name), OUTCOME_NOT_ENROLLED);
	}
}

/* A token that has forgotten us is paired again when it makes a key, and refuses else. */
static void test_pairing_lost(void **state)
{
	struct fixture *f = *state;

	(void)plug(f, "good");
	assert_int_equal(enroll(f, "wg0"), OUTCOME_OK);
	/* The fake one forgets with its process. */
	unplug(f, "good");
	(void)plug(f, "good");
	assert_int_equal(approve(f, "wg0"), OUTCOME_WRONG_TOKEN); /* slot 0 is empty again */
	assert_int_equal(enroll(f, "wg1"), OUTCOME_OK);
	assert_string_equal(f->prompts, "touch-pair 1/2 touch 2/2");
	unplug(f, "good");
	(void)plug(f, "stranger");
	assert_int_equal(enroll(f, "wg2"), OUTCOME_WRONG_TOKEN);
	assert_null(keyfile_of(f, "wg2"));
}

/* Another host key, as after the disk was made anew, and pairings that say what they like, count as none. */
static void test_pairing_of_another_host_key(void **state)
{
	struct fixture *f = *state;
	char command[256];

	(void)plug(f, "good");
	assert_int_equal(enroll(f, "wg0"), OUTCOME_OK);
	(void)snprintf(command, sizeof(command), "rm '%s/host.key'", f->state);
	assert_int_equal(system(command), 0);
	assert_int_equal(broker_reload(f->broker), 0);
	assert_int_equal(approve(f, "wg0"), OUTCOME_WRONG_TOKEN);
	assert_non_null(strstr(f->detail, "not paired"));
	assert_int_equal(enroll(f, "wg1"), OUTCOME_OK);
	assert_string_equal(f->prompts, "touch-pair 1/2 touch 2/2");
	assert_int_equal(approve(f, "wg0"), OUTCOME_OK);
	(void)snprintf(command, sizeof(command), "for p in '%s'/pairings/*; do echo '{}' > \"$p\"; done", f->state);
	assert_int_equal(system(command), 0);
	assert_int_equal(broker_reload(f->broker), 0);
	assert_int_equal(approve(f, "wg0"), OUTCOME_WRONG_TOKEN);
	/* A damaged key of our own is nobody's to replace. */
	(void)snprintf(command, sizeof(command), "echo x > '%s/host.key'", f->state);
	assert_int_equal(system(command), 0);
	assert_int_equal(broker_reload(f->broker), 0);
	assert_int_equal(enroll(f, "wg2"), OUTCOME_FAILED);
	assert_int_equal(approve(f, "wg0"), OUTCOME_FAILED);
}

static struct secret *channel_key(struct fixture *f, const char *ifname)
{
	const struct keyfile_resident *k = &keyfile_of(f, ifname)->resident;
	struct wire_request request = {.type = WIRE_X_DH};
	const char *detail;

	assert_int_equal(x_fill_channel(f->broker, &request, k->slot.kind, k->token_public, &detail), 0);
	return request.x_host_key;
}

/* A worker that its token has taken over has nothing that another token would know us by. */
static void test_channel_keys(void **state)
{
	_cleanup_secret_ struct secret *good = NULL, *again = NULL, *other = NULL;
	struct fixture *f = *state;
	const struct secret *root;

	(void)plug(f, "good");
	assert_int_equal(enroll(f, "wg0"), OUTCOME_OK);
	unplug(f, "good");
	(void)plug(f, "other");
	assert_int_equal(enroll(f, "wg1"), OUTCOME_OK);
	good = channel_key(f, "wg0");
	again = channel_key(f, "wg0");
	other = channel_key(f, "wg1");
	assert_true(secret_equal(good, again));
	assert_false(secret_equal(good, other));
	assert_int_equal(pairings_host_key(f->broker->pairings, &root, false), 0);
	assert_false(secret_equal(good, root));
	assert_false(secret_equal(other, root));
}

static void test_card(void **state)
{
	struct fixture *f = *state;
	struct request *r;

	(void)plug(f, "card");
	assert_int_equal(enroll(f, "wg0"), OUTCOME_PIN_REQUIRED);
	assert_null(keyfile_of(f, "wg0"));
	r = make(f, REQUEST_ENROLL, "wg0");
	r->options.has_resident = r->options.resident = true;
	r->options.pin = secret_new(6);
	memcpy(secret_borrow_mut(r->options.pin), "123456", 6);
	assert_int_equal(run(f, r), OUTCOME_OK);
	assert_key(keyfile_of(f, "wg0")->public_key, 0, "");
	assert_int_equal(keyfile_of(f, "wg0")->resident.slot.kind, WIRE_X_OPENPGP);
	/* An approval wants the PIN, whatever the card remembers. */
	assert_int_equal(approve(f, "wg0"), OUTCOME_PIN_REQUIRED);
	r = make(f, REQUEST_APPROVE, "wg0");
	r->options.pin = secret_new(6);
	memcpy(secret_borrow_mut(r->options.pin), "654321", 6);
	assert_int_equal(run(f, r), OUTCOME_PIN_INVALID);
	r = make(f, REQUEST_APPROVE, "wg0");
	r->options.pin = secret_new(6);
	memcpy(secret_borrow_mut(r->options.pin), "123456", 6);
	assert_int_equal(run(f, r), OUTCOME_PIN_FEW_TRIES_LEFT);
	r = make(f, REQUEST_APPROVE, "wg0");
	r->options.pin = secret_new(6);
	r->options.confirm_pin = true;
	memcpy(secret_borrow_mut(r->options.pin), "123456", 6);
	assert_int_equal(run(f, r), OUTCOME_OK);
	/* A next key has no second slot to be in. */
	r = make(f, REQUEST_REKEY, "wg0");
	assert_int_equal(run(f, r), OUTCOME_LIMIT_EXCEEDED);
}

static void test_generate_and_find(void **state)
{
	struct fixture *f = *state;
	uint8_t handle[KEY_SIZE];
	struct request *r;

	(void)plug(f, "good");
	assert_int_equal(run(f, make(f, REQUEST_GENERATE, "")), OUTCOME_OK);
	assert_string_equal(f->prompts, "touch-pair 1/2 touch 2/2");
	assert_null(broker_prompt(f->broker));
	assert_key(f->public_key, 0, "");
	handle_make(handle, (uint8_t)f->slot.kind, f->slot.number, f->public_key);
	memset(f->public_key, 0, sizeof(f->public_key));
	r = make(f, REQUEST_FIND, "");
	memcpy(r->options.handle, handle, sizeof(handle));
	assert_int_equal(run(f, r), OUTCOME_OK);
	assert_key(f->public_key, 0, "");
	/* Enrolled, it is found without the token. */
	r = make(f, REQUEST_ENROLL, "wg0");
	r->options.has_resident = r->options.resident = r->options.has_handle = true;
	memcpy(r->options.handle, handle, sizeof(handle));
	assert_int_equal(run(f, r), OUTCOME_OK);
	unplug(f, "good");
	memset(f->public_key, 0, sizeof(f->public_key));
	r = make(f, REQUEST_FIND, "");
	memcpy(r->options.handle, handle, sizeof(handle));
	assert_int_equal(run(f, r), OUTCOME_OK);
	assert_key(f->public_key, 0, "");
	handle_make(handle, WIRE_X_CTAPHID, 1, f->public_key);
	r = make(f, REQUEST_FIND, "");
	memcpy(r->options.handle, handle, sizeof(handle));
	assert_int_equal(run(f, r), OUTCOME_TOKEN_MISSING);
	(void)plug(f, "other");
	r = make(f, REQUEST_FIND, "");
	memcpy(r->options.handle, handle, sizeof(handle));
	assert_int_equal(run(f, r), OUTCOME_WRONG_TOKEN);
	assert_int_equal(run(f, make(f, REQUEST_FIND, "")), OUTCOME_INVALID_ARGUMENT);
}

static enum outcome list_keys(struct fixture *f, const char *token)
{
	struct request *r = make(f, REQUEST_LIST, "");

	(void)snprintf(r->options.token, sizeof(r->options.token), "soft-%s", token);
	return run(f, r);
}

static void test_list(void **state)
{
	struct fixture *f = *state;

	(void)plug(f, "good");
	assert_int_equal(enroll(f, "wg0"), OUTCOME_OK);
	(void)plug(f, "card");
	/* The one that was named, and without a touch. */
	assert_int_equal(list_keys(f, "good"), OUTCOME_OK);
	assert_string_equal(f->prompts, "");
	assert_int_equal(f->list.x_slots, 4);
	assert_int_equal(f->list.n_x_keys, 2);
	assert_int_equal(f->list.x_keys[0].slot.number, 0);
	assert_memory_equal(f->list.x_keys[0].public_key, keyfile_of(f, "wg0")->public_key, KEY_SIZE);
	assert_int_equal(f->list.x_keys[1].slot.number, 3);
	assert_int_equal(list_keys(f, "card"), OUTCOME_OK);
	assert_int_equal(f->list.x_slots, 1);
	assert_int_not_equal(f->list.x_keys[0].slot.kind, WIRE_X_CTAPHID);
	assert_int_equal(list_keys(f, "gone"), OUTCOME_TOKEN_MISSING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_enroll),
		TEST(test_slots),
		TEST(test_adopt),
		TEST(test_adopt_open),
		TEST(test_adopt_at_once),
		TEST(test_options_that_do_not_fit),
		TEST(test_two_tokens),
		TEST(test_waits_for_a_token),
		TEST(test_waits_on_when_pulled_out),
		TEST(test_psk),
		TEST(test_a_touch_for_each_peer),
		TEST(test_identity_holds_nothing),
		TEST(test_liar),
		TEST(test_paired_under_another_name),
		TEST(test_pairing_lost),
		TEST(test_pairing_of_another_host_key),
		TEST(test_channel_keys),
		TEST(test_card),
		TEST(test_generate_and_find),
		TEST(test_list),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
