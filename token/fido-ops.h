/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The single operations behind fido_operate, on an open session. They fill *ret but for its outcome, which they return. */
#pragma once

#include "token/session.h"

enum outcome fido_info(struct wire_result *ret, struct session *s);
enum outcome fido_create(struct wire_result *ret, struct session *s, const struct wire_request *request, const char *pin);
enum outcome fido_probe(struct wire_result *ret, struct session *s, const struct wire_request *request);
enum outcome fido_evaluate(struct wire_result *ret, struct session *s, const struct wire_request *request, const char *pin);

/* Puts a sentence in ret->detail and returns o. */
enum outcome fido_refuse(struct wire_result *ret, enum outcome o, const char *detail);
