/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The single operations behind fido_operate, on an open session. They fill *ret but for its outcome, which they return. */
#pragma once

#include "token/fido.h"
#include "token/session.h"

enum outcome fido_info(struct wire_result *ret, struct session *s);
enum outcome fido_create(struct wire_result *ret, struct session *s, const struct wire_request *request, const char *pin);
enum outcome fido_probe(struct wire_result *ret, struct session *s, const struct wire_request *request);
enum outcome fido_evaluate(struct wire_result *ret, struct session *s, const struct wire_request *request, const char *pin);

/* The status callback of a session, with one of these as its userdata: passes changes on, and only what the specification knows. */
struct fido_status_filter {
	const struct fido_status_sink *sink;
	enum wire_status last;
};
void fido_filter_status(void *userdata, uint8_t status);

/* Puts a sentence in ret->detail and returns o. */
enum outcome fido_refuse(struct wire_result *ret, enum outcome o, const char *detail);
