/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests to wgfido-tunnel's configuration socket. The first byte says in how large pieces they come: that must make no difference.
 * What was set reads back, and set again it reads back the same.
 */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/no-path.h"
#include "tunnel/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int send_message(void *path, const void *bytes, size_t len, struct endpoint *to)
{
	(void)path;
	(void)bytes;
	(void)len;
	if (!endpoint_known(to))
		abort();
	return 0;
}

static int rebind(void *path, uint16_t *port, uint32_t fwmark)
{
	(void)path;
	(void)fwmark;
	return *port == 1 ? -EADDRINUSE : 0;
}

static int resolve(void *userdata, const uint8_t handle[static KEY_SIZE], struct static_key **ret)
{
	struct secret *s = secret_new(SECRET_KEY_SIZE);

	(void)userdata;
	if (!s)
		return -ENOMEM;
	memcpy(secret_borrow_mut(s), handle, KEY_SIZE);
	*ret = static_key_software_new(s);
	if (!*ret)
		return -ENOMEM;
	(*ret)->resident = true;
	memcpy((*ret)->shown, handle, KEY_SIZE);
	return 0;
}

static const struct path_ops ops = { send_message, no_path_send_staged, no_path_drop_staged, rebind };
static const struct config_resident resident = { .resolve = resolve };

struct one {
	struct device device;
	struct clock_fake clock;
	struct control control;
	int results[64];
	size_t n_results;
};

static void one_init(struct one *o)
{
	memset(o, 0, sizeof(*o));
	clock_fake_init(&o->clock, 1000, 1000);
	if (device_init(&o->device, &ops, NULL) < 0 || control_init(&o->control, &o->device, &o->clock.clock) < 0 ||
		control_set_up(&o->control, true, o->clock.now) < 0)
		abort();
}

static void one_clear(struct one *o)
{
	control_clear(&o->control);
	device_clear(&o->device);
}

static void feed(struct one *o, const char *text, size_t len, size_t piece)
{
	struct uapi_parser p;

	if (uapi_parser_init(&p) < 0)
		abort();
	while (len > 0) {
		const size_t n = uapi_parser_push(&p, text, len < piece ? len : piece);

		text += n;
		len -= n;
		if (!p.done)
			continue;
		int r = p.request.error;

		if (r == 0 && p.request.operation == UAPI_SET)
			r = config_set(&o->control, &p.request, &resident, o->clock.now);
		if (o->n_results < 64)
			o->results[o->n_results++] = r;
		uapi_parser_next(&p);
	}
	uapi_parser_clear(&p);
}

/* The answer to a get as the set that makes it: without what only an answer has. */
static char *as_request(const char *text, size_t len, size_t *ret_len)
{
	char *request = malloc(len + 8), *to = request;

	if (!request)
		abort();
	to = (char *)memcpy(to, "set=1\n", 6) + 6;
	while (len > 0) {
		const size_t line = (size_t)((const char *)memchr(text, '\n', len) - text) + 1;

		if (strncmp(text, "last_", 5) != 0 && strncmp(text, "tx_", 3) != 0 && strncmp(text, "rx_", 3) != 0) {
			memcpy(to, text, line);
			to += line;
		}
		text += line;
		len -= line;
	}
	*to++ = '\n';
	*ret_len = (size_t)(to - request);
	return request;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct one whole, pieces, again;
	char *a, *b, *c, *request;
	size_t a_len, b_len, c_len, request_len;

	if (sodium_init() < 0)
		abort();
	if (size < 1)
		return 0;
	one_init(&whole);
	one_init(&pieces);
	one_init(&again);
	feed(&whole, (const char *)data + 1, size - 1, size);
	feed(&pieces, (const char *)data + 1, size - 1, (size_t)data[0] + 1);
	a = config_get(&whole.control, &a_len);
	b = config_get(&pieces.control, &b_len);
	if (!a || !b || a_len != b_len || memcmp(a, b, a_len) != 0 || whole.n_results != pieces.n_results ||
		memcmp(whole.results, pieces.results, sizeof(whole.results)) != 0)
		abort();
	request = as_request(a, a_len, &request_len);
	feed(&again, request, request_len, request_len);
	c = config_get(&again.control, &c_len);
	/* Allowed-ips may come in another order. */
	if (!c || again.n_results != 1 || again.results[0] != 0 || c_len != a_len ||
		again.device.n_peers != whole.device.n_peers)
		abort();
	free(request);
	sodium_free(a);
	sodium_free(b);
	sodium_free(c);
	one_clear(&whole);
	one_clear(&pieces);
	one_clear(&again);
	return 0;
}
