/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between card.c (connection, session, requests) and the two applications. */
#pragma once

#include "token/card/card.h"

/* What of a card is not to be in ordinary memory: commands with PINs, answers with results. */
struct card_buffers {
	uint8_t command[APDU_COMMAND_MAX], part[APDU_PART_MAX], answer[APDU_ANSWER_MAX];
	uint8_t pin[OPENPGP_PIN_MAX];
};

struct card {
	struct pcsc *pcsc;
	const char *reader;
	struct clock *clock;
	struct card_watch *watch; /* of the running operation */
	uint64_t deadline_us;
	struct apdu_card apdu;
	struct card_buffers *buffers; /* guarded */
	struct pcsc_connection connection;
	bool connected, lost;
	bool verified;		  /* in this operation: a reset at its end */
	struct wire_x_slot kept;  /* kind 0: no session is kept */
	bool kept_needs_pin;
	enum wire_x_touch kept_touch;
	bool info_known, list_known; /* for while a session is kept, which looking would end */
	int8_t told_tries;	     /* a PIN comes after such a session: what was said of tries left before it; -1: they were looked at */
	struct wire_token_info info;
	uint8_t n_keys, slots;
	struct wire_x_key keys[WIRE_X_KEYS_MAX];
	/* The application that is selected. */
	struct openpgp_info openpgp;
};

/* What is needed to know of a key before it is used. */
struct card_key {
	enum wire_x_touch touch;
	bool needs_pin;
};

/*
 * Both: 0 or a negative errno of the way to the card; else the status word decides. card_command: an answer lies in
 * buffers->answer until the next command.
 */
int card_command(struct card *c, const struct apdu *command, size_t *ret_len, uint16_t *ret_sw);
int card_select(struct card *c, const char *aid, size_t len, uint16_t *ret_sw);

/* In all of these: OUTCOME_OK, or an outcome with ret->detail set. */
enum outcome card_fail(const struct card *c, struct wire_result *ret, int error);
enum outcome card_refuse(struct wire_result *ret, enum outcome o, const char *detail);
enum outcome card_status(struct wire_result *ret, uint16_t sw);

/* Selects the application; OUTCOME_UNSUPPORTED, without a detail, where there is none. */
enum outcome card_openpgp_open(struct card *c, struct wire_result *ret);
enum outcome card_piv_open(struct card *c, struct wire_result *ret);
/* With the application selected. They add to what the other one found. */
enum outcome card_openpgp_info(struct card *c, struct wire_result *ret);
enum outcome card_piv_info(struct card *c, struct wire_result *ret);
enum outcome card_openpgp_list(struct card *c, struct wire_result *ret);
enum outcome card_piv_list(struct card *c, struct wire_result *ret);
/* OUTCOME_NOT_ENROLLED: no X25519 key there. */
enum outcome card_openpgp_key(struct card *c, struct wire_result *ret, struct card_key *ret_key);
enum outcome card_piv_key(struct card *c, struct wire_result *ret, uint8_t slot, struct card_key *ret_key);
/* Before a PIN is sent. OUTCOME_PIN_FEW_TRIES_LEFT: few, and fewer than was said. */
enum outcome card_check_tries(const struct card *c, struct wire_result *ret, int8_t tries);
/* One try, after the tries left were asked for; ret->pin_retries is set when it was refused. */
enum outcome card_openpgp_verify(struct card *c, struct wire_result *ret, const struct secret *pin);
enum outcome card_piv_verify(struct card *c, struct wire_result *ret, const struct secret *pin);
/* *ret_shared: into buffers->answer, where *ret_sw is 9000; NULL: that was no X25519 result. Negative errno. */
int card_openpgp_dh(struct card *c, const uint8_t point[static 32], const uint8_t **ret_shared, uint16_t *ret_sw);
int card_piv_dh(struct card *c, uint8_t slot, const uint8_t point[static 32], const uint8_t **ret_shared, uint16_t *ret_sw);
