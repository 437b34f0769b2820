/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <net/if.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tunnel/uapi.h"

static void request_clear(struct uapi_request *q)
{
	secret_free(q->private_key);
	for (size_t i = 0; i < q->n_peers; i++)
		secret_free(q->peers[i].psk);
	free(q->peers);
	free(q->allowed_ips);
	*q = (struct uapi_request){ 0 };
}

int uapi_parser_init(struct uapi_parser *p)
{
	memset(p, 0, sizeof(*p));
	p->line = sodium_malloc(UAPI_LINE_MAX);
	return p->line ? 0 : -ENOMEM;
}

void uapi_parser_clear(struct uapi_parser *p)
{
	request_clear(&p->request);
	if (p->line)
		sodium_free(p->line);
	memset(p, 0, sizeof(*p));
}

void uapi_parser_next(struct uapi_parser *p)
{
	request_clear(&p->request);
	p->done = false;
	p->len = 0;
	p->too_long = false;
}

void uapi_parser_reset(struct uapi_parser *p)
{
	uapi_parser_next(p);
	sodium_memzero(p->line, UAPI_LINE_MAX);
}

/* Plain decimal digits, no sign, no blank. */
static int parse_number(uint64_t *ret, const char *text, uint64_t max)
{
	uint64_t n = 0;

	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		n = n * 10 + (uint64_t)(*text - '0');
		if (n > max)
			return -EINVAL;
	}
	*ret = n;
	return 0;
}

static int parse_true(bool *ret, const char *text)
{
	if (strcmp(text, "true") != 0)
		return -EINVAL;
	*ret = true;
	return 0;
}

static int parse_secret(struct secret **ret, const char *text)
{
	struct secret *s = NULL;
	int r = secret_from_hex(&s, text, strlen(text));

	if (r < 0)
		return r == -ENOMEM ? r : -EINVAL;
	secret_free(*ret);
	*ret = s;
	return 0;
}

static int parse_scope(uint32_t *ret, const char *text)
{
	uint64_t n;

	if (parse_number(&n, text, UINT32_MAX) == 0)
		*ret = (uint32_t)n;
	else
		*ret = if_nametoindex(text);
	return *ret ? 0 : -EINVAL;
}

int uapi_endpoint_parse(struct endpoint *ret, const char *text)
{
	char host[INET6_ADDRSTRLEN + IF_NAMESIZE + 2], *scope;
	const char *colon = strrchr(text, ':'), *begin = text, *end = colon;
	struct endpoint e = { 0 };
	uint64_t port;

	if (!colon || parse_number(&port, colon + 1, UINT16_MAX) < 0 || port == 0)
		return -EINVAL;
	if (*text == '[') {
		begin++;
		end--;
		if (end < begin || *end != ']')
			return -EINVAL;
	}
	if ((size_t)(end - begin) >= sizeof(host))
		return -EINVAL;
	memcpy(host, begin, (size_t)(end - begin));
	host[end - begin] = '\0';
	if (*text != '[') {
		e.to.in.sin_family = AF_INET;
		e.to.in.sin_port = htons((uint16_t)port);
		if (inet_pton(AF_INET, host, &e.to.in.sin_addr) != 1)
			return -EINVAL;
	} else {
		e.to.in6.sin6_family = AF_INET6;
		e.to.in6.sin6_port = htons((uint16_t)port);
		scope = strchr(host, '%');
		if (scope) {
			*scope++ = '\0';
			if (parse_scope(&e.to.in6.sin6_scope_id, scope) < 0)
				return -EINVAL;
		}
		if (inet_pton(AF_INET6, host, &e.to.in6.sin6_addr) != 1)
			return -EINVAL;
		if (IN6_IS_ADDR_V4MAPPED(&e.to.in6.sin6_addr)) {
			struct endpoint v4 = { .to.in = { .sin_family = AF_INET, .sin_port = e.to.in6.sin6_port } };

			memcpy(&v4.to.in.sin_addr, e.to.in6.sin6_addr.s6_addr + 12, 4);
			e = v4;
		}
	}
	*ret = e;
	return 0;
}

void uapi_endpoint_format(char ret[static UAPI_ENDPOINT_MAX], const struct endpoint *e)
{
	char host[INET6_ADDRSTRLEN] = "";

	if (e->to.sa.sa_family == AF_INET) {
		inet_ntop(AF_INET, &e->to.in.sin_addr, host, sizeof(host));
		snprintf(ret, UAPI_ENDPOINT_MAX, "%s:%u", host, ntohs(e->to.in.sin_port));
		return;
	}
	inet_ntop(AF_INET6, &e->to.in6.sin6_addr, host, sizeof(host));
	if (e->to.in6.sin6_scope_id)
		snprintf(ret, UAPI_ENDPOINT_MAX, "[%s%%%u]:%u", host, e->to.in6.sin6_scope_id, ntohs(e->to.in6.sin6_port));
	else
		snprintf(ret, UAPI_ENDPOINT_MAX, "[%s]:%u", host, ntohs(e->to.in6.sin6_port));
}

static int parse_allowed_ip(struct uapi_allowed_ip *ret, const char *text)
{
	char host[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	struct uapi_allowed_ip ip = { 0 };
	uint64_t cidr;

	if (*text == '-') {
		ip.remove = true;
		text++;
	}
	if (!slash || slash < text || (size_t)(slash - text) >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, (size_t)(slash - text));
	host[slash - text] = '\0';
	ip.family = strchr(host, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(ip.family, host, ip.address) != 1 ||
		parse_number(&cidr, slash + 1, ip.family == AF_INET ? 32 : 128) < 0)
		return -EINVAL;
	ip.cidr = (uint8_t)cidr;
	*ret = ip;
	return 0;
}

/* Room for one more. The elements hold no secrets, only pointers to them. */
static int grow(void **array, size_t *size, size_t n, size_t element, size_t max)
{
	size_t wanted = *size ? *size * 2 : 4;
	void *grown;

	if (n < *size)
		return 0;
	if (n >= max)
		return -E2BIG;
	grown = reallocarray(*array, wanted, element);
	if (!grown)
		return -ENOMEM;
	*array = grown;
	*size = wanted;
	return 0;
}

static int begin_peer(struct uapi_request *q, const char *value)
{
	struct uapi_peer peer = { .first_allowed_ip = q->n_allowed_ips };
	int r;

	if (key_from_hex(peer.public_key, value) < 0)
		return -EINVAL;
	r = grow((void **)&q->peers, &q->peers_size, q->n_peers, sizeof(*q->peers), UAPI_PEERS_MAX);
	if (r < 0)
		return r;
	q->peers[q->n_peers++] = peer;
	return 0;
}

static int add_allowed_ip(struct uapi_request *q, struct uapi_peer *p, const char *value)
{
	struct uapi_allowed_ip ip;
	int r = parse_allowed_ip(&ip, value);

	if (r < 0)
		return r;
	r = grow((void **)&q->allowed_ips, &q->allowed_ips_size, q->n_allowed_ips, sizeof(*q->allowed_ips),
		UAPI_ALLOWED_IPS_MAX);
	if (r < 0)
		return r;
	q->allowed_ips[q->n_allowed_ips++] = ip;
	p->n_allowed_ips++;
	return 0;
}

static int device_line(struct uapi_request *q, const char *key, const char *value)
{
	uint64_t n;

	if (strcmp(key, "private_key") == 0) {
		q->has_private_key = true;
		return parse_secret(&q->private_key, value);
	}
	if (strcmp(key, "listen_port") == 0) {
		if (parse_number(&n, value, UINT16_MAX) < 0)
			return -EINVAL;
		q->has_listen_port = true;
		q->listen_port = (uint16_t)n;
		return 0;
	}
	if (strcmp(key, "fwmark") == 0) {
		if (parse_number(&n, value, UINT32_MAX) < 0)
			return -EINVAL;
		q->has_fwmark = true;
		q->fwmark = (uint32_t)n;
		return 0;
	}
	if (strcmp(key, "replace_peers") == 0)
		return parse_true(&q->replace_peers, value);
	return -EINVAL;
}

static int peer_line(struct uapi_request *q, struct uapi_peer *p, const char *key, const char *value)
{
	uint64_t n;

	if (strcmp(key, "remove") == 0)
		return parse_true(&p->remove, value);
	if (strcmp(key, "update_only") == 0)
		return parse_true(&p->update_only, value);
	if (strcmp(key, "replace_allowed_ips") == 0) {
		/* What came before it in the same request goes too. */
		q->n_allowed_ips -= p->n_allowed_ips;
		p->n_allowed_ips = 0;
		return parse_true(&p->replace_allowed_ips, value);
	}
	if (strcmp(key, "preshared_key") == 0) {
		p->has_psk = true;
		return parse_secret(&p->psk, value);
	}
	if (strcmp(key, "endpoint") == 0) {
		p->has_endpoint = true;
		return uapi_endpoint_parse(&p->endpoint, value);
	}
	if (strcmp(key, "persistent_keepalive_interval") == 0) {
		if (parse_number(&n, value, UINT16_MAX) < 0)
			return -EINVAL;
		p->has_keepalive = true;
		p->keepalive_s = (uint16_t)n;
		return 0;
	}
	if (strcmp(key, "allowed_ip") == 0)
		return add_allowed_ip(q, p, value);
	if (strcmp(key, "protocol_version") == 0)
		return strcmp(value, "1") == 0 ? 0 : -EINVAL;
	return -EINVAL;
}

static int parse_line(struct uapi_request *q, char *line)
{
	char *value = strchr(line, '=');

	if (!value)
		return -EPROTO;
	*value++ = '\0';
	if (q->operation == UAPI_NONE) {
		if (strcmp(value, "1") != 0)
			return -EPROTO;
		if (strcmp(line, "get") == 0)
			q->operation = UAPI_GET;
		else if (strcmp(line, "set") == 0)
			q->operation = UAPI_SET;
		else
			return -EPROTO;
		return 0;
	}
	if (q->operation == UAPI_GET)
		return -EINVAL;
	if (strcmp(line, "public_key") == 0)
		return begin_peer(q, value);
	return q->n_peers ? peer_line(q, &q->peers[q->n_peers - 1], line, value) : device_line(q, line, value);
}

static void line_end(struct uapi_parser *p)
{
	struct uapi_request *q = &p->request;
	int r = 0;

	if (p->len == 0 && !p->too_long) {
		p->done = true;
		if (!q->error && q->operation == UAPI_NONE)
			q->error = -EPROTO;
	} else if (!q->error) {
		p->line[p->len] = '\0';
		/* A NUL in it would hide what follows. */
		if (p->too_long || strlen(p->line) != p->len)
			r = -EPROTO;
		else
			r = parse_line(q, p->line);
		q->error = r;
	}
	sodium_memzero(p->line, p->len);
	p->len = 0;
	p->too_long = false;
}

size_t uapi_parser_push(struct uapi_parser *p, const char *bytes, size_t len)
{
	size_t i;

	for (i = 0; i < len && !p->done; i++) {
		if (bytes[i] == '\n')
			line_end(p);
		else if (p->len + 1 < UAPI_LINE_MAX)
			p->line[p->len++] = bytes[i];
		else
			p->too_long = true;
	}
	return i;
}
