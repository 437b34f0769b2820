/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Replies of a userspace WireGuard. The first byte says in how large pieces they come: that must make no difference. What
 * was read and is renewed is encoded, and must read back as the same peers, as an implementation would say them.
 */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "agent/device-uapi-text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int parse(struct device **ret, const char *text, size_t len, size_t piece)
{
	struct device_uapi_parser p;
	int r;

	if (device_uapi_parser_init(&p, true) < 0)
		abort();
	for (r = 0; r == 0 && len > 0;) {
		const size_t n = len < piece ? len : piece;

		r = device_uapi_parser_push(&p, text, n);
		text += n;
		len -= n;
	}
	if (r == 0)
		r = device_uapi_parser_finish(&p, ret);
	device_uapi_parser_clear(&p);
	return r;
}

static void check_same(const struct device *a, const struct device *b)
{
	if (a->n_peers != b->n_peers)
		abort();
	for (size_t i = 0; i < a->n_peers; i++) {
		const struct device_peer *x = &a->peers[i], *y = &b->peers[i];

		if (!key_equal(x->public_key, y->public_key) || !x->preshared_key != !y->preshared_key ||
			(x->preshared_key && !secret_equal(x->preshared_key, y->preshared_key)) ||
			memcmp(&x->endpoint, &y->endpoint, sizeof(x->endpoint)) != 0 || x->keepalive != y->keepalive ||
			x->n_allowed_ips != y->n_allowed_ips ||
			(x->n_allowed_ips &&
				memcmp(x->allowed_ips, y->allowed_ips,
					x->n_allowed_ips * sizeof(x->allowed_ips[0])) != 0))
			abort();
	}
}

/* The request that would renew all of them, without its lines that an answer does not have. */
static size_t renewal(char *ret, const struct device *d, struct device_peer_change *peers)
{
	static char buf[DEVICE_UAPI_BUFFER_MIN];
	const struct device_change c = { .n_peers = d->n_peers, .peers = peers };
	struct device_uapi_encoder e = { .change = &c };
	char *to = ret, previous[80] = "";
	size_t used = 0;
	bool end;
	int n;

	for (size_t i = 0; i < d->n_peers; i++) {
		const struct device_peer *p = &d->peers[i];

		peers[i] = (struct device_peer_change){ .how = DEVICE_PEER_RENEW, .preshared_key = p->preshared_key,
			.keepalive = p->keepalive, .endpoint = p->endpoint, .n_allowed_ips = p->n_allowed_ips,
			.allowed_ips = p->allowed_ips };
		memcpy(peers[i].public_key, p->public_key, KEY_SIZE);
	}
	while ((n = device_uapi_encode_set(&e, buf, sizeof(buf), &end)) > 0) {
		memcpy(ret + used, buf, (size_t)n);
		used += (size_t)n;
	}
	if (n < 0)
		abort();
	ret[used] = '\0';
	for (char *line = ret, *next; *line; line = next) {
		next = strchr(line, '\n') + 1;
		const size_t len = (size_t)(next - line);

		/* A peer's first public_key is the one it is removed by. */
		if (strncmp(line, "remove=", 7) == 0)
			to -= strlen(previous);
		if (len == 1 || strncmp(line, "set=", 4) == 0 || strncmp(line, "remove=", 7) == 0 ||
			strncmp(line, "replace_", 8) == 0)
			continue;
		memcpy(previous, line, len < sizeof(previous) ? len : 0);
		previous[len < sizeof(previous) ? len : 0] = '\0';
		memmove(to, line, len);
		to += len;
	}
	memcpy(to, "errno=0\n\n", 9);
	return (size_t)(to - ret) + 9;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct device *whole = NULL, *pieces = NULL, *again = NULL;
	struct device_peer_change *peers;
	size_t n_ips = 0, len;
	char *text;
	int r;

	if (sodium_init() < 0)
		abort();
	if (size < 1)
		return 0;
	r = parse(&whole, (const char *)data + 1, size - 1, size);
	if (parse(&pieces, (const char *)data + 1, size - 1, (size_t)data[0] + 1) != r)
		abort();
	if (r == 0) {
		check_same(whole, pieces);
		for (size_t i = 0; i < whole->n_peers; i++)
			n_ips += whole->peers[i].n_allowed_ips;
		text = malloc(whole->n_peers * 600 + n_ips * 80 + 64);
		peers = calloc(whole->n_peers + 1, sizeof(*peers));
		if (!text || !peers)
			abort();
		len = renewal(text, whole, peers);
		if (parse(&again, text, len, len) != 0)
			abort();
		check_same(whole, again);
		free(text);
		free(peers);
	}
	device_free(whole);
	device_free(pieces);
	device_free(again);
	return 0;
}
