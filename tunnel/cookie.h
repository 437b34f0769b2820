/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mac1, mac2 and cookies (WireGuard whitepaper sections 5.3, 5.4.4, 5.4.7): whoever sends under load must first show that it is
 * where it says, before we compute anything expensive for it. Time is CLOCK_BOOTTIME in us.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/secret.h"
#include "tunnel/endpoint.h"
#include "tunnel/message.h"

#define COOKIE_SECRET_US (120 * US_PER_SEC)
/* A sender's cookie is used a little shorter, for the way it has to go. */
#define COOKIE_USE_US (115 * US_PER_SEC)

/* What is received: one for the interface. */
struct cookie_checker {
	uint8_t mac1_key[32], cookie_key[32]; /* from our public key */
	struct secret *secret;		      /* 32 bytes, changes every COOKIE_SECRET_US */
	uint64_t secret_born_us;
};

/* What is sent to one peer. */
struct cookie_jar {
	uint8_t mac1_key[32], cookie_key[32]; /* from its public key */
	uint8_t last_mac1[MESSAGE_MAC_SIZE];
	bool has_last_mac1; /* since it was sent no cookie was taken */
	uint8_t cookie[MESSAGE_COOKIE_SIZE];
	uint64_t cookie_us; /* when it came; has_cookie */
	bool has_cookie;
};

/* c is zeroed at first. 0 or -ENOMEM. */
int cookie_checker_init(struct cookie_checker *c, const uint8_t public_key[static KEY_SIZE]);
void cookie_checker_clear(struct cookie_checker *c);
/* m is a whole initiation or response of len bytes. Constant time. */
bool cookie_mac1_valid(const struct cookie_checker *c, const void *m, size_t len);
bool cookie_mac2_valid(struct cookie_checker *c, const void *m, size_t len, const struct endpoint *from, uint64_t now_us);
/* The answer to m, which came from `from` with a valid mac1. */
void cookie_reply_write(struct cookie_checker *c, struct message_cookie *ret, const void *m, size_t len,
	const struct endpoint *from, uint64_t now_us);

void cookie_jar_init(struct cookie_jar *j, const uint8_t public_key[static KEY_SIZE]);
/* Fills in the macs, the last two fields, of an initiation or response that is otherwise whole. */
void cookie_add_macs(struct cookie_jar *j, void *m, size_t len, uint64_t now_us);
/* Takes the cookie out of a reply to the last message; else -EBADMSG. */
int cookie_reply_read(struct cookie_jar *j, const struct message_cookie *m, uint64_t now_us);
