/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "agent/device-uapi-text.h"
#include "common/clock.h"
#include "common/schedule.h"

int device_uapi_parser_init(struct device_uapi_parser *p, bool want_device)
{
	*p = (struct device_uapi_parser){ .line = sodium_malloc(DEVICE_UAPI_LINE_MAX) };
	if (!p->line)
		return -ENOMEM;
	if (want_device && device_builder_init(&p->builder) < 0) {
		sodium_free(p->line);
		p->line = NULL;
		return -ENOMEM;
	}
	return 0;
}

void device_uapi_parser_clear(struct device_uapi_parser *p)
{
	sodium_free(p->line);
	device_builder_clear(&p->builder);
	*p = (struct device_uapi_parser){ 0 };
}

/* Digits only, and all of them. */
static int parse_number(uint64_t *ret, const char *text, uint64_t max)
{
	uint64_t n = 0;

	if (*text == '\0')
		return -EBADMSG;
	for (; *text; text++) {
		const unsigned int digit = (unsigned int)(*text - '0');

		if (digit > 9 || n > (max - digit) / 10)
			return -EBADMSG;
		n = n * 10 + digit;
	}
	*ret = n;
	return 0;
}

static int parse_secret(struct secret **slot, const char *text)
{
	struct secret *s = NULL;

	switch (secret_from_hex(&s, text, strlen(text))) {
	case 0:
		break;
	case -ENOMEM:
		return -ENOMEM;
	default:
		return -EBADMSG;
	}
	if (secret_len(s) != KEY_SIZE) {
		secret_free(s);
		return -EBADMSG;
	}
	if (secret_is_zero(s))
		s = secret_free(s);
	secret_free(*slot);
	*slot = s;
	return 0;
}

/* 192.0.2.1:51820, [2001:db8::1]:51820, [fe80::1%3]:51820, [fe80::1%eth0]:51820 */
static int parse_endpoint(union device_endpoint *ret, char *text)
{
	union device_endpoint endpoint = { 0 };
	char *colon = strrchr(text, ':'), *scope;
	uint64_t port, id;

	if (!colon || parse_number(&port, colon + 1, UINT16_MAX) < 0)
		return -EBADMSG;
	*colon = '\0';
	if (*text != '[') {
		endpoint.v4.sin_family = AF_INET;
		endpoint.v4.sin_port = htons((uint16_t)port);
		if (inet_pton(AF_INET, text, &endpoint.v4.sin_addr) != 1)
			return -EBADMSG;
		*ret = endpoint;
		return 0;
	}
	if (colon[-1] != ']')
		return -EBADMSG;
	colon[-1] = '\0';
	text++;
	scope = strchr(text, '%');
	if (scope)
		*scope++ = '\0';
	endpoint.v6.sin6_family = AF_INET6;
	endpoint.v6.sin6_port = htons((uint16_t)port);
	if (inet_pton(AF_INET6, text, &endpoint.v6.sin6_addr) != 1)
		return -EBADMSG;
	if (scope) {
		/* An interface that is not here (any more) is no reason to read nothing: scope 0. */
		if (parse_number(&id, scope, UINT32_MAX) < 0)
			id = if_nametoindex(scope);
		endpoint.v6.sin6_scope_id = (uint32_t)id;
	}
	*ret = endpoint;
	return 0;
}

static int parse_allowed_ip(struct device_uapi_parser *p, char *text)
{
	struct device_allowed_ip ip = { .family = strchr(text, ':') ? AF_INET6 : AF_INET };
	char *slash = strchr(text, '/');
	uint64_t cidr;

	if (!slash || parse_number(&cidr, slash + 1, ip.family == AF_INET ? 32 : 128) < 0)
		return -EBADMSG;
	*slash = '\0';
	if (inet_pton(ip.family, text, &ip.v4) != 1)
		return -EBADMSG;
	ip.cidr = (uint8_t)cidr;
	return device_builder_add_allowed_ip(&p->builder, &ip);
}

static int parse_public_key(struct device_uapi_parser *p, const char *value)
{
	uint8_t key[KEY_SIZE];

	if (key_from_hex(key, value) < 0)
		return -EBADMSG;
	p->has_peer = true;
	return device_builder_add_peer(&p->builder, key, NULL);
}

static int parse_device_line(struct device_uapi_parser *p, const char *key, const char *value)
{
	struct device *d = p->builder.device;
	uint64_t n;

	if (strcmp(key, "private_key") == 0)
		return parse_secret(&d->private_key, value);
	if (strcmp(key, "listen_port") == 0) {
		if (parse_number(&n, value, UINT16_MAX) < 0)
			return -EBADMSG;
		d->listen_port = (uint16_t)n;
	}
	return 0;
}

static int parse_peer_line(struct device_uapi_parser *p, const char *key, char *value)
{
	struct device_peer *peer = device_builder_peer(&p->builder);
	uint64_t n;

	if (strcmp(key, "preshared_key") == 0)
		return parse_secret(&peer->preshared_key, value);
	if (strcmp(key, "endpoint") == 0)
		return parse_endpoint(&peer->endpoint, value);
	if (strcmp(key, "allowed_ip") == 0)
		return parse_allowed_ip(p, value);
	if (strcmp(key, "persistent_keepalive_interval") == 0) {
		if (parse_number(&n, value, UINT16_MAX) < 0)
			return -EBADMSG;
		peer->keepalive = (uint16_t)n;
	} else if (strcmp(key, "last_handshake_time_sec") == 0) {
		if (parse_number(&n, value, UINT64_MAX / US_PER_SEC - 1) < 0)
			return -EBADMSG;
		peer->last_handshake_us = n * US_PER_SEC + peer->last_handshake_us % US_PER_SEC;
	} else if (strcmp(key, "last_handshake_time_nsec") == 0) {
		if (parse_number(&n, value, 999999999) < 0)
			return -EBADMSG;
		peer->last_handshake_us = peer->last_handshake_us / US_PER_SEC * US_PER_SEC + n / 1000;
	} else if (strcmp(key, "rx_bytes") == 0) {
		return parse_number(&peer->rx_bytes, value, UINT64_MAX);
	} else if (strcmp(key, "tx_bytes") == 0) {
		return parse_number(&peer->tx_bytes, value, UINT64_MAX);
	}
	return 0;
}

/* Some implementations give the number with its sign. */
static int parse_errno(struct device_uapi_parser *p, const char *value)
{
	uint64_t n;

	if (p->has_errno || parse_number(&n, *value == '-' ? value + 1 : value, INT32_MAX) < 0)
		return -EBADMSG;
	p->has_errno = true;
	p->error = n == 0 ? 0 : n <= 4095 ? -(int)n : -EIO;
	return 0;
}

/* The line without its newline, ended by NUL. */
static int parse_line(struct device_uapi_parser *p)
{
	char *value = strchr(p->line, '=');

	if (p->len == 0) {
		p->complete = true;
		return p->has_errno ? 0 : -EBADMSG;
	}
	if (!value || strlen(p->line) != p->len)
		return -EBADMSG;
	*value++ = '\0';
	if (strcmp(p->line, "errno") == 0)
		return parse_errno(p, value);
	/* errno= is the last line. */
	if (p->has_errno)
		return -EBADMSG;
	if (!p->builder.device)
		return 0;
	if (strcmp(p->line, "public_key") == 0)
		return parse_public_key(p, value);
	return p->has_peer ? parse_peer_line(p, p->line, value) : parse_device_line(p, p->line, value);
}

int device_uapi_parser_push(struct device_uapi_parser *p, const char *bytes, size_t len)
{
	int r;

	while (len > 0) {
		const char *newline = memchr(bytes, '\n', len);
		const size_t n = newline ? (size_t)(newline - bytes) : len;

		if (p->complete || n >= DEVICE_UAPI_LINE_MAX - p->len)
			return -EBADMSG;
		memcpy(p->line + p->len, bytes, n);
		p->len += n;
		if (!newline)
			break;
		p->line[p->len] = '\0';
		r = parse_line(p);
		sodium_memzero(p->line, p->len);
		p->len = 0;
		if (r < 0)
			return r;
		bytes += n + 1;
		len -= n + 1;
	}
	return 0;
}

int device_uapi_parser_finish(struct device_uapi_parser *p, struct device **ret)
{
	struct device *d = p->builder.device;

	if (!p->complete)
		return -EBADMSG;
	if (p->error < 0 || !d)
		return p->error;
	/* The protocol tells only the private key. */
	if (d->private_key)
		schedule_public(d->public_key, d->private_key);
	return device_builder_finish(&p->builder, ret);
}
