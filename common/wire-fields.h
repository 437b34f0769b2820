/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fields that worker messages are made of; for wire.c and wire-x25519.c alone. Writers and readers remember the first
 * error and do nothing after it, so that messages read as a list of fields.
 */
#pragma once

#include "common/wire.h"

struct wire_writer {
	uint8_t *buf; /* WIRE_MESSAGE_MAX */
	size_t len;
	int error; /* 0, -EINVAL: the struct breaks the contract, -EMSGSIZE */
};

struct wire_reader {
	const uint8_t *p, *end;
	int error; /* 0, -EBADMSG, -ENOMEM */
};

void wire_put_bytes(struct wire_writer *w, const void *data, size_t len);
void wire_put_u8(struct wire_writer *w, unsigned int v);
void wire_put_u16(struct wire_writer *w, unsigned int v);
void wire_put_u32(struct wire_writer *w, uint32_t v);
void wire_put_flag(struct wire_writer *w, bool flag);
void wire_put_check(struct wire_writer *w, bool valid);

/* NULL after an error. */
const uint8_t *wire_get_bytes(struct wire_reader *r, size_t len);
void wire_get_copy(struct wire_reader *r, void *ret, size_t len);
/* 0 after an error. */
uint8_t wire_get_u8(struct wire_reader *r);
uint16_t wire_get_u16(struct wire_reader *r);
uint32_t wire_get_u32(struct wire_reader *r);
bool wire_get_flag(struct wire_reader *r);
void wire_get_check(struct wire_reader *r, bool valid);

/* Text from a token: sent as printable ASCII whatever the token says, so that no name makes a result unsendable. */
void wire_put_ascii(struct wire_writer *w, const char *text, size_t size);
void wire_get_ascii(struct wire_reader *r, char *ret, size_t size);
/* Text of the broker's: UTF-8 as text_valid has it. */
void wire_put_text(struct wire_writer *w, const char *text, size_t size);
void wire_get_text(struct wire_reader *r, char *ret, size_t size);

/* -1: unknown. */
void wire_put_retries(struct wire_writer *w, int8_t retries);
int8_t wire_get_retries(struct wire_reader *r);

/* A secret of 32 bytes; NULL or another length is an error. */
void wire_put_key(struct wire_writer *w, const struct secret *key);
/* The caller's; NULL after an error. */
struct secret *wire_get_secret(struct wire_reader *r, size_t len);

/* How the user is verified, with the PIN where that takes one. */
void wire_put_pin(struct wire_writer *w, const struct wire_request *request);
void wire_get_pin(struct wire_reader *r, struct wire_request *ret);

/* wire-x25519.c, for the types of wire_type_is_x25519: what follows the timeout in a request, and what a result answers. */
void wire_put_x_request(struct wire_writer *w, const struct wire_request *request);
void wire_get_x_request(struct wire_reader *r, enum wire_type type, struct wire_request *ret);
void wire_put_x_result(struct wire_writer *w, const struct wire_result *result);
void wire_get_x_result(struct wire_reader *r, enum wire_type type, struct wire_result *ret);
