/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A broker's core with tokens that have resident keys (fake-x-worker), and a bus's place in it. */
#pragma once

#include "daemon/broker.h"

struct fixture {
	char dir[64], etc[80], state[80];
	sd_event *event;
	struct clock_fake clock;
	struct broker *broker;
	struct broker_callbacks callbacks;
	/* Of requests: */
	unsigned int answered;
	enum outcome outcome; /* of the last answer */
	char detail[REQUEST_DETAIL_MAX];
	uint8_t public_key[KEY_SIZE];
	struct wire_x_slot slot;
	struct wire_result list; /* of x_list */
	uint64_t until;
	/* What the prompt of wg0, or of what is about no tunnel, has said: "touch-pair 1/3 touch 2/3" */
	char prompts[256];
	/* Of DiffieHellman: */
	unsigned int dh_answered;
	int dh_outcome;
	char dh_detail[REQUEST_DETAIL_MAX];
	uint8_t shared[KEY_SIZE];
};

int setup(void **state);
int teardown(void **state);
/* name: "good", ... */
struct token *plug(struct fixture *f, const char *name);
void unplug(struct fixture *f, const char *name);
void write_config(struct fixture *f, const char *ifname, const char *mode, const char *peers, const char *extra);
struct tunnel *tunnel_of(struct fixture *f, const char *ifname);
const struct keyfile *keyfile_of(struct fixture *f, const char *ifname);

/* In REQUEST_NEW, of uid 1. */
struct request *make(struct fixture *f, enum request_kind kind, const char *ifname);
/* Until one more request was answered; its outcome. */
enum outcome finish(struct fixture *f);
enum outcome run(struct fixture *f, struct request *r);
/* The loop until it has nothing to do. */
void idle(struct fixture *f);
void turn_until(struct fixture *f, const unsigned int *counter, unsigned int value);
enum outcome enroll(struct fixture *f, const char *ifname);
enum outcome approve(struct fixture *f, const char *ifname);

/* The secret and public key of the fake token's slot. */
struct secret *fake_key(unsigned int slot, const char *suffix);
void fake_public(uint8_t ret[static KEY_SIZE], unsigned int slot, const char *suffix);
void assert_key(const uint8_t key[static KEY_SIZE], unsigned int slot, const char *suffix);

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
