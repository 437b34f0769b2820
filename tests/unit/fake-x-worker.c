/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A wgfido-token with resident keys that are known to the test: the key of slot n is generichash("fake" || n). The node's path says
 * how it behaves:
 *
 *   /fake/good      slots 0 to 3, the last one filled; pairs with a touch, wants a touch to make a key
 *   /fake/filled    the same with slot 0 filled, which knows every host
 *   /fake/touchy    the same, and each use of a key wants a touch
 *   /fake/other     the same as good under another name; its keys are other ones
 *   /fake/liar      its keys are others than it says
 *   /fake/twofaced  is paired under another name than it lists
 *   /fake/stranger  says that it was never paired
 *   /fake/slow      does not answer X_DH before it is cancelled, but for the first two: it is enrolled and approved
 *   /fake/card      an OpenPGP card with a key that wants the PIN 123456 once; then each use is good until X_FORGET
 *   /fake/card2     the same card once more, with the same key
 *   /fake/stuck     a card that does not answer when it is to list its key, and answers all else
 *   /fake/clumsy    a card whose third use and all after it are not touched in time: it may be asked again, and ends no session that is kept
 *   /fake/open      as good, and its keys are bound to nobody
 *   /fake/plain     knows no such keys
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/schedule.h"
#include "common/wire.h"

static uint8_t buf[WIRE_MESSAGE_MAX];
static const char *how;
static bool filled[WIRE_X_KEYS_MAX], session;
static int8_t tries = 5;
static unsigned int n_used;
static uint8_t host_public[KEY_SIZE];

static bool is(const char *name)
{
	return strcmp(how, name) == 0;
}

static bool is_card(void)
{
	return is("card") || is("card2") || is("stuck") || is("clumsy");
}

static struct secret *key_of(unsigned int slot, bool real)
{
	struct secret *s = secret_new(SECRET_KEY_SIZE);
	char text[32];

	(void)snprintf(text, sizeof(text), "fake%u%s%s", slot, is("other") ? "other" : "", is("liar") && real ? "liar" : "");
	if (!s || crypto_generichash(secret_borrow_mut(s), SECRET_KEY_SIZE, (const uint8_t *)text, strlen(text), NULL, 0) < 0)
		_exit(9);
	return s;
}

static struct wire_x_key describe(unsigned int slot)
{
	_cleanup_secret_ struct secret *s = key_of(slot, false);
	struct wire_x_key k = {
		.slot = {.kind = is_card() ? WIRE_X_OPENPGP : WIRE_X_CTAPHID, .number = (uint8_t)slot},
		.touch = is("touchy") ? WIRE_X_TOUCH_ALWAYS : is_card() ? WIRE_X_TOUCH_UNKNOWN : WIRE_X_TOUCH_NEVER,
		.needs_pin = is_card(),
		.bound = !is_card() && !is("open"),
	};

	schedule_public(k.public_key, s);
	return k;
}

static void send_result(struct wire_result *result)
{
	size_t len;

	if (wire_encode_result(buf, &len, result) < 0)
		_exit(8);
	(void)send(3, buf, len, MSG_NOSIGNAL);
	wire_result_clear(result);
}

static void touch(uint32_t serial)
{
	struct wire_status_message m = {.serial = serial, .status = WIRE_STATUS_TOUCH};
	size_t len;

	if (wire_encode_status(buf, &len, &m) < 0)
		_exit(7);
	(void)send(3, buf, len, MSG_NOSIGNAL);
}

static void fail(struct wire_result *result, enum outcome outcome, const char *detail)
{
	result->outcome = outcome;
	(void)snprintf(result->detail, sizeof(result->detail), "%s", detail);
}

static bool knows_us(const struct wire_request *q)
{
	uint8_t public_key[KEY_SIZE];

	if (is_card())
		return true;
	schedule_public(public_key, q->x_host_key);
	return is("filled") || (!is("stranger") && q->x_host_index == 5 && key_equal(public_key, host_public));
}

static void use(const struct wire_request *q, struct wire_result *result)
{
	_cleanup_secret_ struct secret *s = key_of(q->x_slot.number, true);

	if (!knows_us(q)) {
		fail(result, OUTCOME_WRONG_TOKEN, "it is not paired with this computer");
		return;
	}
	if (is_card() && q->pin && (secret_len(q->pin) != 6 || memcmp(secret_borrow(q->pin), "123456", 6) != 0)) {
		fail(result, OUTCOME_PIN_INVALID, "");
		result->pin_retries = tries = 2;
		return;
	}
	/* A PIN is sent once, and the rest is done in the session that it opens. */
	if (is("clumsy") && session && q->pin)
		_exit(5);
	session |= q->pin != NULL;
	if (is_card() && !session) {
		fail(result, OUTCOME_PIN_REQUIRED, "");
		return;
	}
	session = session && q->x_keep;
	if (is("clumsy") && ++n_used > 2) {
		fail(result, OUTCOME_TOUCH_TIMEOUT, "");
		return;
	}
	if (is("touchy"))
		touch(q->serial);
	if (schedule_shared(&result->outputs[0], s, q->x_point) < 0)
		fail(result, OUTCOME_INVALID_ARGUMENT, "a point of low order");
	else
		result->n_outputs = 1;
}

static void wait_for_cancel(void)
{
	struct wire_request request;
	ssize_t n = recv(3, buf, sizeof(buf), 0);

	if (n <= 0 || wire_decode_request(&request, buf, (size_t)n) < 0 || request.type != WIRE_CANCEL)
		_exit(0);
}

static void answer(const struct wire_request *q)
{
	struct wire_result result = {.serial = q->serial, .pin_retries = -1, .answers = q->type};

	switch (q->type) {
	case WIRE_INFO:
		(void)snprintf(result.info.product, sizeof(result.info.product), "Fake %s", how);
		result.info.pin_retries = is_card() ? tries : -1;
		result.info.capabilities = is("plain") ? WIRE_CAP_FIDO2 :
			is_card() ? WIRE_CAP_OPENPGP | WIRE_CAP_CLIENT_PIN | WIRE_CAP_PIN_SET : WIRE_CAP_X25519;
		break;
	case WIRE_X_LIST:
		if (is("stuck"))
			return;
		result.x_slots = is_card() ? 1 : 4;
		if (!is_card())
			memset(result.x_token_public, is("other") ? 0x66 : 0x77, KEY_SIZE);
		for (unsigned int i = 0; i < result.x_slots; i++)
			if (filled[i] || i + 1 == result.x_slots || (i == 0 && is("filled")))
				result.x_keys[result.n_x_keys++] = describe(i);
		break;
	case WIRE_X_PAIR:
		touch(q->serial);
		schedule_public(host_public, q->x_host_key);
		result.x_host_index = 5;
		memset(result.x_token_public, is("other") || is("twofaced") ? 0x66 : 0x77, KEY_SIZE);
		break;
	case WIRE_X_GENERATE:
		if (!knows_us(q)) {
			fail(&result, OUTCOME_WRONG_TOKEN, "it is not paired with this computer");
			break;
		}
		touch(q->serial);
		filled[q->x_slot.number] = true;
		result.n_x_keys = 1;
		result.x_keys[0] = describe(q->x_slot.number);
		break;
	case WIRE_X_DH:
		use(q, &result);
		if (is("slow") && n_used++ >= 2) {
			wait_for_cancel();
			/* It had it ready, and says so all the same. */
		}
		break;
	case WIRE_X_FORGET:
		session = false;
		break;
	case WIRE_X_ERASE:
		if (!knows_us(q)) {
			fail(&result, OUTCOME_WRONG_TOKEN, "it is not paired with this computer");
			break;
		}
		touch(q->serial);
		filled[q->x_slot.number] = false;
		break;
	case WIRE_CANCEL:
		/* As the real one's watchdog does, which is asleep only when nothing is asked. */
		if (is_card())
			_exit(0);
		return;
	case WIRE_PROBE:
	case WIRE_CREATE:
	case WIRE_EVALUATE:
	case WIRE_X_IMPORT:
	case WIRE_STATUS:
	case WIRE_RESULT:
		fail(&result, OUTCOME_UNSUPPORTED, "");
		break;
	}
	send_result(&result);
}

int main(int argc, char **argv)
{
	struct wire_request request;
	ssize_t n;

	if (argc != 5 || strncmp(argv[4], "/fake/", 6) != 0 || secret_init() < 0)
		_exit(6);
	how = argv[4] + 6;
	while ((n = recv(3, buf, sizeof(buf), 0)) > 0) {
		if (wire_decode_request(&request, buf, (size_t)n) < 0)
			_exit(4);
		answer(&request);
		wire_request_clear(&request);
	}
	_exit(0);
}
