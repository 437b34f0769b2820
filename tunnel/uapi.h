/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cross-platform configuration protocol (wireguard.com/xplatform) as text, the server's side: "set=1" or "get=1", lines "key=value", an
 * empty line; the answer ends with "errno=" and an empty line. Pure: no socket, nothing is changed here. A request is
 * read whole before any of it is done.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/encoding.h"
#include "common/secret.h"
#include "tunnel/endpoint.h"

#define UAPI_LINE_MAX 512
/* Bounds on what one request may have us remember. */
#define UAPI_PEERS_MAX 65536u
#define UAPI_ALLOWED_IPS_MAX 1048576u

struct uapi_allowed_ip {
	int family; /* AF_INET, AF_INET6 */
	uint8_t address[16];
	uint8_t cidr;
	bool remove; /* "allowed_ip=-..." */
};

struct uapi_peer {
	uint8_t public_key[KEY_SIZE];
	bool remove, update_only, replace_allowed_ips;
	bool has_psk, has_endpoint, has_keepalive;
	struct secret *psk; /* with has_psk; all zero: none */
	struct endpoint endpoint;
	uint16_t keepalive_s; /* 0: none */
	size_t first_allowed_ip, n_allowed_ips; /* in the request's */
};

enum uapi_operation {
	UAPI_NONE,
	UAPI_GET,
	UAPI_SET,
};

struct uapi_request {
	enum uapi_operation operation;
	int error; /* the first: a negative errno; then the rest was only read, not remembered */
	bool has_private_key, has_listen_port, has_fwmark, replace_peers;
	struct secret *private_key; /* with has_private_key; all zero: none; may be a handle (common/handle.h) */
	uint16_t listen_port;
	uint32_t fwmark;
	struct uapi_peer *peers;
	size_t n_peers;
	struct uapi_allowed_ip *allowed_ips;
	size_t n_allowed_ips;
	size_t peers_size, allowed_ips_size;
};

struct uapi_parser {
	char *line; /* guarded, UAPI_LINE_MAX */
	size_t len;
	bool too_long; /* the rest of this line is passed over */
	bool done;     /* the empty line was read: request is whole */
	struct uapi_request request;
};

/* -ENOMEM. */
int uapi_parser_init(struct uapi_parser *p);
void uapi_parser_clear(struct uapi_parser *p);
/* How many bytes were taken: fewer than len only when done; then no more are until uapi_parser_next. */
size_t uapi_parser_push(struct uapi_parser *p, const char *bytes, size_t len);
/* Forgets the request that was done. */
void uapi_parser_next(struct uapi_parser *p);
/* As after uapi_parser_init, wiped, for somebody else. */
void uapi_parser_reset(struct uapi_parser *p);

/* "1.2.3.4:5" or "[::1%2]:5", as wg(8) says them. 0 or -EINVAL. */
int uapi_endpoint_parse(struct endpoint *ret, const char *text);
#define UAPI_ENDPOINT_MAX 80
void uapi_endpoint_format(char ret[static UAPI_ENDPOINT_MAX], const struct endpoint *e);
