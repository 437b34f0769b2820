/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A method call that is answered later: because polkit is asked first, or a token. It follows its caller: when that leaves the
 * bus, the call is cancelled.
 */
#pragma once

#include "daemon/bus.h"

struct polkit_check;

struct bus_call {
	TAILQ_ENTRY(bus_call) link;
	struct bus *bus;
	sd_bus_message *message;
	sd_bus_track *track;
	struct polkit_check *check;
	struct requester who;
	char ifname[IF_NAMESIZE];
	bool has_peer;
	uint8_t peer[KEY_SIZE];
	struct request *request; /* NULL: not of that kind */
	/* After authorization, where there is no request to start. Replies. */
	int (*go)(struct bus_call *c, sd_bus_error *error);
};

/* Flags of the options that a method knows */
enum bus_option {
	BUS_OPTION_FOR = 1,
	BUS_OPTION_WAIT = 2,
	BUS_OPTION_PIN = 4,
	BUS_OPTION_CONFIRM_PIN = 8,
	BUS_OPTION_TOKEN = 16,
	BUS_OPTION_UV = 32,
	BUS_OPTION_LABEL = 64,
	BUS_OPTION_MAKE_RECOVERY = 128, /* "recovery" b */
	BUS_OPTION_RECOVERY = 256,	/* "recovery" h */
	BUS_OPTION_TYPE = 512,
	BUS_OPTION_OLD_PIN = 1024,
	BUS_OPTION_FORGET = 2048,
	BUS_OPTION_SLOT = 4096,		/* "slot" t */
	BUS_OPTION_RESIDENT = 8192,
	BUS_OPTION_X_SLOT = 16384,	/* "slot" s */
	BUS_OPTION_TOUCH = 32768,
	BUS_OPTION_HANDLE = 65536,
	BUS_OPTION_ABANDON = 1 << 17,
	BUS_OPTION_ROLE = 1 << 18,
	BUS_OPTION_PEER = 1 << 19,
	BUS_OPTION_MESSAGE = 1 << 20,
	BUS_OPTION_NEXT = 1 << 21,
	BUS_OPTION_ERASE = 1 << 22,
};
/* Reads a{sv}. Secrets are read out of their pipes at once. <0 with error set. */
int bus_options_read(sd_bus_message *m, unsigned int known, struct request_options *ret, sd_bus_error *error);

/* Who sent m: one round trip to the bus daemon. */
int bus_requester(struct requester *ret, sd_bus_message *m, sd_bus_error *error);

/*
 * Answers m once action is granted, by go. t and peer may be NULL. Returns what a method handler returns; on error nothing is
 * pending.
 */
int bus_call_later(struct bus *b, sd_bus_message *m, const char *action, const struct tunnel *t, const uint8_t *peer,
	int (*go)(struct bus_call *c, sd_bus_error *error), sd_bus_error *error);

/* What a method that becomes a request brings. */
struct bus_request {
	enum request_kind kind;
	const char *action;	    /* NULL: anybody may */
	const struct tunnel *tunnel; /* NULL: it is about none */
	const uint8_t *peer;	    /* NULL: the tunnel */
	unsigned int known_options; /* read from m next, if any */
	struct secret **import_key; /* taken; NULL: none */
	const uint8_t *handle;	    /* 32 bytes; NULL: none, or in the options */
	const struct token *token;  /* the one that is asked; NULL: any, or in the options */
	uint32_t slot;
};
int bus_call_request(struct bus *b, sd_bus_message *m, const struct bus_request *what, sd_bus_error *error);

void bus_call_drop_all(struct bus *b);
