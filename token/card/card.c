/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/card/card.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "token/card/card-internal.h"

/* No card needs as long for the operation itself: a refusal after it is a touch that did not come. */
#define TOUCH_WAITED_US (3 * US_PER_SEC)
#define TRIES_FEW 2 /* as the broker has it: of three in all */

enum outcome card_refuse(struct wire_result *ret, enum outcome o, const char *detail)
{
	snprintf(ret->detail, sizeof(ret->detail), "%s", detail);
	return o;
}

enum outcome card_status(struct wire_result *ret, uint16_t sw)
{
	return apdu_outcome(sw, &ret->pin_retries, ret->detail);
}

enum outcome card_fail(const struct card *c, struct wire_result *ret, int error)
{
	switch (-error) {
	case ENODEV:
		return card_refuse(ret, OUTCOME_TOKEN_FAILED, "the card was taken out");
	case ESTALE:
		return card_refuse(ret, OUTCOME_TOKEN_FAILED, "another program has reset the card");
	case EBUSY:
		return card_refuse(ret, OUTCOME_TOKEN_BUSY, "another program has the card for itself alone");
	case ETIMEDOUT:
		return card_refuse(ret, OUTCOME_TOKEN_FAILED, "the card did not answer in time");
	case ECONNREFUSED:
	case ECONNRESET:
		return card_refuse(ret, OUTCOME_TOKEN_FAILED, "pcscd has gone");
	case EACCES:
		return card_refuse(ret, OUTCOME_FAILED, "pcscd lets wgfido at no card: see wgfido doctor");
	case EBADMSG:
	case EMSGSIZE:
		return card_refuse(ret, OUTCOME_TOKEN_FAILED, "the card's answer is malformed");
	}
	(void)c;
	snprintf(ret->detail, sizeof(ret->detail), "cannot use the card: %.80s", strerror(-error));
	return OUTCOME_TOKEN_FAILED;
}

enum outcome card_check_tries(const struct card *c, struct wire_result *ret, int8_t tries)
{
	if (tries == 0)
		return OUTCOME_PIN_BLOCKED;
	if (tries < 0 || tries > TRIES_FEW || tries >= c->told_tries)
		return OUTCOME_OK;
	ret->pin_retries = tries;
	return OUTCOME_PIN_FEW_TRIES_LEFT;
}

static int transmit(void *userdata, const uint8_t *command, size_t len, uint8_t *answer, size_t size, size_t *ret_len)
{
	struct card *c = userdata;
	int r;

	if (clock_now(c->clock).boot_us >= c->deadline_us)
		return -ETIMEDOUT;
	r = c->pcsc->ops->transmit(c->pcsc, command, len, answer, size, ret_len);
	if (r == -ECONNRESET || r == -ECONNREFUSED)
		c->lost = true;
	return r;
}

int card_command(struct card *c, const struct apdu *command, size_t *ret_len, uint16_t *ret_sw)
{
	return apdu_exchange(&c->apdu, command, c->buffers->answer, sizeof(c->buffers->answer), ret_len, ret_sw);
}

int card_select(struct card *c, const char *aid, size_t len, uint16_t *ret_sw)
{
	const struct apdu select = {0x00, 0xa4, 0x04, 0x00, (const uint8_t *)aid, len, APDU_ANSWER_SHORT};
	size_t got;

	c->apdu.extended = c->apdu.chaining = false;
	return card_command(c, &select, &got, ret_sw);
}

int card_new(struct card **ret, struct pcsc *pcsc, const char *reader, struct clock *clock)
{
	struct card *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->buffers = sodium_malloc(sizeof(*c->buffers));
	if (!c->buffers) {
		free(c);
		return -ENOMEM;
	}
	sodium_memzero(c->buffers, sizeof(*c->buffers));
	c->pcsc = pcsc;
	c->reader = reader;
	c->clock = clock;
	c->apdu = (struct apdu_card){.transmit = transmit, .userdata = c, .command = c->buffers->command, .part = c->buffers->part};
	*ret = c;
	return 0;
}

static void let_go(struct card *c, bool reset)
{
	if (c->connected)
		c->pcsc->ops->disconnect(c->pcsc, reset);
	c->connected = false;
	c->kept = (struct wire_x_slot){0};
}

struct card *card_free(struct card *c)
{
	if (c) {
		let_go(c, c->kept.kind != 0);
		sodium_free(c->buffers);
		free(c);
	}
	return NULL;
}

bool card_is_lost(const struct card *c)
{
	return c->lost;
}

static void phase(struct card *c, enum card_phase p)
{
	if (c->watch)
		c->watch->phase(c->watch, p);
}

static bool keeps_session(const struct card *c)
{
	return c->kept.kind != 0;
}

/* -ESTALE: a session was kept, and is there no more. */
static int open_card(struct card *c)
{
	int r = 0;

	if (!c->connected) {
		r = c->pcsc->ops->connect(c->pcsc, c->reader, &c->connection);
		if (r < 0)
			return r;
		c->connected = true;
		c->apdu.t0 = c->connection.t0;
	}
	phase(c, CARD_WAITS_FOR_OTHERS);
	r = c->pcsc->ops->begin(c->pcsc);
	if (r == -ESTALE && !keeps_session(c)) {
		r = c->pcsc->ops->reconnect(c->pcsc);
		if (r == 0)
			r = c->pcsc->ops->begin(c->pcsc);
	}
	phase(c, CARD_TALKS);
	return r;
}

/* The end of an operation, however it went. */
static void close_card(struct card *c, bool in_transaction)
{
	if (in_transaction && c->connected)
		c->pcsc->ops->end(c->pcsc);
	if (!keeps_session(c))
		let_go(c, c->verified);
	c->verified = false;
	sodium_memzero(c->buffers, sizeof(*c->buffers));
}

/* An application that is not there is no failure. */
static enum outcome look_at(struct card *c, struct wire_result *ret, enum outcome (*open)(struct card *c, struct wire_result *ret),
	enum outcome (*look)(struct card *c, struct wire_result *ret))
{
	enum outcome o = open(c, ret);

	if (o == OUTCOME_OK)
		return look(c, ret);
	return o == OUTCOME_UNSUPPORTED ? OUTCOME_OK : o;
}

/* The reader's name without the numbers of reader and slot that pcscd adds, and without serial and interface in brackets. */
static void name_product(struct card *c, struct wire_token_info *info)
{
	size_t len = strnlen(c->reader, sizeof(info->product) - 1);

	memcpy(info->product, c->reader, len);
	info->product[len] = '\0';
	for (size_t i = 1; i + 1 < len; i++)
		if (info->product[i] == ' ' && (info->product[i + 1] == '[' || info->product[i + 1] == '('))
			info->product[i] = '\0';
	len = strlen(info->product);
	while (len >= 3 && info->product[len - 3] == ' ' && strspn(info->product + len - 2, "0123456789ABCDEF") == 2) {
		len -= 3;
		info->product[len] = '\0';
	}
}

static enum outcome operate_info(struct card *c, struct wire_result *ret)
{
	enum outcome o;

	ret->info.pin_retries = -1;
	if (keeps_session(c) && c->info_known) {
		ret->info = c->info;
		return OUTCOME_OK;
	}
	name_product(c, &ret->info);
	o = look_at(c, ret, card_openpgp_open, card_openpgp_info);
	if (o == OUTCOME_OK)
		o = look_at(c, ret, card_piv_open, card_piv_info);
	if (o == OUTCOME_OK && ret->info.capabilities == 0)
		return card_refuse(ret, OUTCOME_UNSUPPORTED, "the card can do no X25519");
	if (o == OUTCOME_OK) {
		c->info = ret->info;
		c->info_known = true;
	}
	return o;
}

static enum outcome operate_list(struct card *c, struct wire_result *ret)
{
	enum outcome o;

	if (keeps_session(c)) {
		if (!c->list_known)
			return card_refuse(ret, OUTCOME_TOKEN_BUSY, "a tunnel's session with the card is open");
		ret->x_slots = c->slots;
		ret->n_x_keys = c->n_keys;
		memcpy(ret->x_keys, c->keys, sizeof(c->keys));
		return OUTCOME_OK;
	}
	o = look_at(c, ret, card_openpgp_open, card_openpgp_list);
	if (o == OUTCOME_OK)
		o = look_at(c, ret, card_piv_open, card_piv_list);
	if (o == OUTCOME_OK) {
		c->slots = ret->x_slots;
		c->n_keys = ret->n_x_keys;
		memcpy(c->keys, ret->x_keys, sizeof(c->keys));
		c->list_known = true;
	}
	return o;
}

static enum outcome open_application(struct card *c, struct wire_result *ret, const struct wire_x_slot *slot, struct card_key *key)
{
	const bool piv = slot->kind == WIRE_X_PIV;
	enum outcome o = piv ? card_piv_open(c, ret) : card_openpgp_open(c, ret);

	if (o == OUTCOME_UNSUPPORTED)
		return card_refuse(ret, OUTCOME_NOT_ENROLLED, "there is no such key on the card");
	if (o != OUTCOME_OK)
		return o;
	return piv ? card_piv_key(c, ret, slot->number, key) : card_openpgp_key(c, ret, key);
}

/* Everything before the key may be used; *key is what the card says of it. */
static enum outcome unlock(struct card *c, struct wire_result *ret, struct wire_request *request, struct card_key *key)
{
	const bool piv = request->x_slot.kind == WIRE_X_PIV;
	const bool kept = c->kept.kind == request->x_slot.kind;
	enum outcome o = OUTCOME_OK;

	/* To select again would end the session. */
	if (kept && c->kept.number == request->x_slot.number && !request->pin) {
		*key = (struct card_key){.touch = c->kept_touch, .needs_pin = c->kept_needs_pin};
		return OUTCOME_OK;
	}
	if (kept && !request->pin)
		return piv ? card_piv_key(c, ret, request->x_slot.number, key) : OUTCOME_OK;
	c->told_tries = keeps_session(c) && c->info_known ? c->info.pin_retries : -1;
	if (keeps_session(c)) {
		/* For another application, or with a PIN that is to be proven: a new one. What was verified is not to stay. */
		c->verified = true;
		c->kept = (struct wire_x_slot){0};
	}
	o = open_application(c, ret, &request->x_slot, key);
	if (o != OUTCOME_OK || !key->needs_pin)
		return o;
	if (!request->pin)
		return OUTCOME_PIN_REQUIRED;
	o = piv ? card_piv_verify(c, ret, request->pin) : card_openpgp_verify(c, ret, request->pin);
	request->pin = secret_free(request->pin);
	c->verified = c->verified || o == OUTCOME_OK;
	return o;
}

/* The session that was kept is there no more: said as what the user has to do about it. */
static enum outcome session_gone(struct card *c, struct wire_result *ret)
{
	c->verified = true; /* whatever is left of it */
	c->kept = (struct wire_x_slot){0};
	return card_refuse(ret, OUTCOME_PIN_REQUIRED, "another program used the card, which ended the session");
}

static enum outcome dh_refused(struct card *c, struct wire_result *ret, uint16_t sw, const struct card_key *key, bool from_kept,
	uint64_t took_us)
{
	const bool touch = key->touch != WIRE_X_TOUCH_NEVER;

	if (sw == 0x6600)
		return OUTCOME_TOUCH_TIMEOUT;
	if (touch && took_us >= TOUCH_WAITED_US && (sw == APDU_SW_SECURITY_STATUS || sw == APDU_SW_CONDITIONS))
		return OUTCOME_TOUCH_TIMEOUT;
	/* Also what another application says to a command that it does not know. */
	if (from_kept && (sw == APDU_SW_SECURITY_STATUS || sw == APDU_SW_NO_REFERENCE || sw == APDU_SW_NO_FILE || apdu_is_unknown(sw)))
		return session_gone(c, ret);
	return card_status(ret, sw);
}

static enum outcome take_shared(struct card *c, struct wire_result *ret, const uint8_t *shared)
{
	enum outcome o = OUTCOME_OK;

	if (!shared)
		return card_refuse(ret, OUTCOME_TOKEN_FAILED, "the card's answer is no X25519 result");
	if (sodium_is_zero(shared, 32))
		return card_refuse(ret, OUTCOME_INVALID_ARGUMENT, "the point is of low order");
	ret->outputs[0] = secret_new(SECRET_KEY_SIZE);
	if (ret->outputs[0]) {
		memcpy(secret_borrow_mut(ret->outputs[0]), shared, SECRET_KEY_SIZE);
		ret->n_outputs = 1;
	} else {
		o = card_refuse(ret, OUTCOME_FAILED, "out of memory");
	}
	sodium_memzero(c->buffers->answer, sizeof(c->buffers->answer));
	return o;
}

/* libsodium refuses points of low order: with those a card's answer would be no secret. */
static bool is_low_order(const uint8_t point[static 32])
{
	uint8_t scalar[32], out[32];
	bool low;

	randombytes_buf(scalar, sizeof(scalar));
	low = crypto_scalarmult(out, scalar, point) != 0;
	sodium_memzero(scalar, sizeof(scalar));
	sodium_memzero(out, sizeof(out));
	return low;
}

static void tell_touch(struct card *c, enum wire_x_touch touch)
{
	switch (touch) {
	case WIRE_X_TOUCH_ALWAYS:
		phase(c, CARD_WANTS_TOUCH);
		break;
	case WIRE_X_TOUCH_CACHED:
	case WIRE_X_TOUCH_UNKNOWN:
		phase(c, CARD_MAY_WANT_TOUCH);
		break;
	case WIRE_X_TOUCH_NEVER:
		break;
	}
}

static enum outcome operate_dh(struct card *c, struct wire_result *ret, struct wire_request *request)
{
	struct card_key key = {.touch = WIRE_X_TOUCH_UNKNOWN, .needs_pin = true};
	const uint8_t *shared = NULL;
	bool from_kept;
	enum outcome o;
	uint64_t began;
	uint16_t sw;
	int r;

	if (is_low_order(request->x_point))
		return card_refuse(ret, OUTCOME_INVALID_ARGUMENT, "the point is of low order");
	o = unlock(c, ret, request, &key);
	if (o != OUTCOME_OK)
		return o;
	from_kept = keeps_session(c);
	tell_touch(c, key.touch);
	began = clock_now(c->clock).boot_us;
	if (request->x_slot.kind == WIRE_X_PIV)
		r = card_piv_dh(c, request->x_slot.number, request->x_point, &shared, &sw);
	else
		r = card_openpgp_dh(c, request->x_point, &shared, &sw);
	phase(c, CARD_TALKS);
	if (r < 0)
		return r == -ESTALE && from_kept ? session_gone(c, ret) : card_fail(c, ret, r);
	if (sw != APDU_SW_OK)
		return dh_refused(c, ret, sw, &key, from_kept, clock_now(c->clock).boot_us - began);
	o = take_shared(c, ret, shared);
	if (o == OUTCOME_OK && request->x_keep && (c->verified || from_kept)) {
		if (!from_kept)
			c->kept = request->x_slot;
		c->kept_touch = key.touch;
		c->kept_needs_pin = key.needs_pin;
	}
	return o;
}

static enum outcome operate(struct card *c, struct wire_result *ret, struct wire_request *request)
{
	switch (request->type) {
	case WIRE_INFO:
		return operate_info(c, ret);
	case WIRE_X_LIST:
		return operate_list(c, ret);
	case WIRE_X_DH:
		return operate_dh(c, ret, request);
	case WIRE_X_GENERATE:
	case WIRE_X_IMPORT:
	case WIRE_X_ERASE:
		return card_refuse(ret, OUTCOME_UNSUPPORTED, "a card's keys are made with gpg or ykman; enrolling takes the one there is");
	case WIRE_PROBE:
	case WIRE_CREATE:
	case WIRE_EVALUATE:
	case WIRE_X_PAIR:
	case WIRE_X_FORGET:
	case WIRE_CANCEL:
	case WIRE_STATUS:
	case WIRE_RESULT:
		break;
	}
	return card_refuse(ret, OUTCOME_UNSUPPORTED, "a smart card has no such operation");
}

static bool is_our_slot(const struct wire_request *request)
{
	return request->type != WIRE_X_DH || request->x_slot.kind == WIRE_X_OPENPGP ||
	       (request->x_slot.kind == WIRE_X_PIV && piv_slot_valid(request->x_slot.number));
}

void card_operate(struct wire_result *ret, struct wire_request *request, struct card *c, uint64_t deadline_us, struct card_watch *watch)
{
	bool kept = keeps_session(c);
	int r;

	*ret = (struct wire_result){.serial = request->serial, .pin_retries = -1, .answers = request->type};
	c->watch = watch;
	c->deadline_us = deadline_us;
	if (request->type == WIRE_X_FORGET) {
		let_go(c, true);
		c->watch = NULL;
		return;
	}
	if (!is_our_slot(request)) {
		ret->outcome = card_refuse(ret, OUTCOME_INVALID_ARGUMENT, "a card has no such slot");
		request->pin = secret_free(request->pin);
		c->watch = NULL;
		return;
	}
	/* From memory: anybody may ask, and when it cannot be answered that is no end of a tunnel's session. */
	if (request->type == WIRE_X_LIST && kept) {
		ret->outcome = operate_list(c, ret);
		c->watch = NULL;
		return;
	}
	r = open_card(c);
	if (r == 0) {
		ret->outcome = operate(c, ret, request);
	} else if (r == -ESTALE && kept) {
		ret->outcome = session_gone(c, ret);
	} else {
		ret->outcome = card_fail(c, ret, r);
		if (r == -ENODEV && !kept)
			ret->outcome = card_refuse(ret, OUTCOME_TOKEN_MISSING, "there is no card in the reader");
		c->lost = c->lost || r == -ECONNRESET || r == -ECONNREFUSED;
		c->kept = (struct wire_x_slot){0};
	}
	if (request->type == WIRE_X_DH && kept && (ret->outcome == OUTCOME_TOKEN_FAILED || !request->x_keep)) {
		/* Broken off in the middle: nobody knows what the card still holds open. Or the last one of several. */
		c->verified = true;
		c->kept = (struct wire_x_slot){0};
	}
	request->pin = secret_free(request->pin);
	close_card(c, r == 0);
	c->watch = NULL;
}
