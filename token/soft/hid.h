/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device's side of CTAPHID, CTAP 2.1 section 11.2, without I/O: reports and the time in, reports out
 * through a callback. One transaction at a time, on any of several channels. What a message means is the
 * business of handlers, one per command: CTAPHID_CBOR is one of them, a vendor command can be another.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "token/soft/ctap2.h"

#define SOFTHID_REPORT_SIZE 64
#define SOFTHID_MESSAGE_MAX 7609 /* 64 - 7 + 128 * (64 - 5) */
#define SOFTHID_CHANNELS_MAX 64	 /* the one unused for longest is forgotten when more are opened */
#define SOFTHID_BROADCAST 0xffffffffu

#define SOFTHID_KEEPALIVE_US (UINT64_C(100) * 1000)
#define SOFTHID_FRAGMENT_TIMEOUT_US (UINT64_C(500) * 1000)

enum softhid_command {
	SOFTHID_PING = 0x01,
	SOFTHID_INIT = 0x06,
	SOFTHID_CBOR = 0x10,
	SOFTHID_CANCEL = 0x11,
	SOFTHID_KEEPALIVE = 0x3b,
	SOFTHID_ERROR = 0x3f,
};

enum softhid_error {
	SOFTHID_ERR_INVALID_CMD = 0x01,
	SOFTHID_ERR_INVALID_PAR = 0x02,
	SOFTHID_ERR_INVALID_LEN = 0x03,
	SOFTHID_ERR_INVALID_SEQ = 0x04,
	SOFTHID_ERR_MSG_TIMEOUT = 0x05,
	SOFTHID_ERR_CHANNEL_BUSY = 0x06,
	SOFTHID_ERR_INVALID_CHANNEL = 0x0b,
	SOFTHID_ERR_OTHER = 0x7f,
};

/* What to do wrong with the answer of one command, CBOR if not said otherwise: for tests of the host. */
enum softhid_misbehaviour {
	SOFTHID_HONEST,
	SOFTHID_GARBAGE,	   /* well framed, CTAP2_OK, and then nonsense */
	SOFTHID_TOO_LONG,	   /* SOFTHID_MESSAGE_MAX bytes */
	SOFTHID_SILENT,		   /* no answer, and no keepalive */
	SOFTHID_SLOW,		   /* the honest answer, later than anybody waits; no keepalive */
	SOFTHID_KEEPALIVE_FOREVER, /* "processing" until unplugged, whatever the host says */
};

/*
 * A handler gets a whole message. It either answers (SOFTHID_ANSWER, at most SOFTHID_MESSAGE_MAX bytes; the
 * answer's command is the request's), or wants a touch first and is then called again with the same message
 * and what became of the touch, or refuses with an enum softhid_error (positive: SOFTHID_REFUSE + error).
 */
enum softhid_verdict { SOFTHID_ANSWER, SOFTHID_TOUCH, SOFTHID_REFUSE };

struct softhid_message {
	uint32_t channel;
	uint8_t command;
	const uint8_t *payload;
	size_t len;
	uint64_t received_us;
	uint64_t now_us; /* later than received_us when a touch was waited for */
	enum ctap2_touch touch;
};

struct softhid_reply {
	uint8_t data[SOFTHID_MESSAGE_MAX];
	size_t len;
	enum softhid_error error;
};

typedef enum softhid_verdict (*softhid_handler)(
	void *userdata, const struct softhid_message *message, struct softhid_reply *reply);

enum softhid_state {
	SOFTHID_IDLE,
	SOFTHID_RECEIVING,
	SOFTHID_TOUCH_WAIT, /* a handler wants a touch */
	SOFTHID_DELAYED,    /* misbehaving: the answer is held back, perhaps for ever */
};

struct softhid {
	void (*send)(void *userdata, const uint8_t report[static SOFTHID_REPORT_SIZE]);
	void *userdata;
	struct {
		softhid_handler handle;
		void *userdata;
	} handlers[128];
	/* NULL, or told when a channel is initialised anew or forgotten: what a handler keeps of it is over. */
	void (*channel_ended)(void *userdata, uint32_t channel);
	void *channel_userdata;

	struct {
		uint32_t id; /* 0: free */
		uint64_t used;
	} channels[SOFTHID_CHANNELS_MAX];
	uint64_t use_count;
	uint32_t next_channel;

	enum softhid_state state;
	uint32_t channel; /* of the transaction */
	uint8_t command;
	uint8_t sequence;
	size_t expected, len;
	uint64_t received_us;
	uint64_t keepalive_us; /* when the next one is due */
	uint64_t deadline_us;  /* RECEIVING: of the next fragment; TOUCH_WAIT: of the touch; DELAYED: of the
				  answer */
	uint64_t touch_timeout_us;
	uint8_t buffer[SOFTHID_MESSAGE_MAX];
	struct softhid_reply reply;

	enum softhid_misbehaviour misbehaviour;
	uint8_t misbehaving; /* the command */
	uint64_t slow_us;
	unsigned int honest_first; /* so many of its answers are given as they should be */
};

/* first_channel: where channel numbers start; any. */
void softhid_init(struct softhid *h,
	void (*send)(void *userdata, const uint8_t report[static SOFTHID_REPORT_SIZE]), void *userdata,
	uint32_t first_channel);
/* command 0x01..0x7f; replaces the handler there was. */
void softhid_set_handler(struct softhid *h, uint8_t command, softhid_handler handle, void *userdata);

void softhid_receive(struct softhid *h, const uint8_t report[static SOFTHID_REPORT_SIZE], uint64_t now_us);
/* To be called when softhid_deadline has come; earlier does no harm. */
void softhid_tick(struct softhid *h, uint64_t now_us);
/* US_NEVER: nothing is due. */
uint64_t softhid_deadline(const struct softhid *h);

bool softhid_touch_wanted(const struct softhid *h);
/* CTAP2_TOUCH_GIVEN or _DENIED. Without effect when none is wanted. */
void softhid_touch(struct softhid *h, enum ctap2_touch touch, uint64_t now_us);

/* The handler of SOFTHID_CBOR; userdata is a struct ctap2. */
enum softhid_verdict softhid_handle_cbor(
	void *userdata, const struct softhid_message *message, struct softhid_reply *reply);
