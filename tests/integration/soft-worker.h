/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests: the worker program as the broker drives it, and a software token for it to work with. On a hidraw node
 * (WGFIDO_SOFTTOKEN=uhid) there is a worker only while the token is plugged in, since its sandbox holds that one node.
 */
#pragma once

#include "tests/unit/unit.h"

#include "common/wire.h"
#include "tests/integration/softtoken.h"

#define PIN "123456"
#define TIMEOUT_MS 20000

struct fixture {
	struct softtoken token;
	pid_t worker;
	int fd;
	uint32_t serial;
	unsigned int touches;
	uint8_t buffer[WIRE_MESSAGE_MAX];
	struct wire_request request;
	struct wire_result result;
	struct wire_credential credential;
};

void soft_worker_start(struct fixture *f);
void soft_worker_end(struct fixture *f);
void soft_worker_plug(struct fixture *f, const char *const *arguments);
void soft_worker_unplug(struct fixture *f);
int soft_worker_setup(void **state);
int soft_worker_teardown(void **state);
void soft_worker_begin(struct fixture *f, enum wire_type type);
void soft_worker_send_request(struct fixture *f);
bool soft_worker_receive(struct fixture *f);
enum outcome soft_worker_run(struct fixture *f);
void soft_worker_ask_create(struct fixture *f, const char *pin);
void soft_worker_create(struct fixture *f, const char *pin);
void soft_worker_ask_evaluate(struct fixture *f, const char *pin, unsigned int n_salts, uint8_t salt);
struct secret *soft_worker_evaluate(struct fixture *f, const char *pin, uint8_t salt);
void soft_worker_set_pin(struct fixture *f);
