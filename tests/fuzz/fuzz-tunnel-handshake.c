/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Handshake messages to wgfido-tunnel, in a row. Each begins with a byte that says how it is helped through the checks that chance
 * does not pass, and one that says its length:
 *
 *   0 as it is     1 an initiation, mac1 made right     2 a response to our initiation, mac1 made right
 *   3 a cookie reply to our initiation     4 the plaintext of an initiation (who, when) sealed as its owner would
 *   5 a real initiation, then these bytes over it, mac1 made right     6 so much time goes by
 */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/no-path.h"
#include "tunnel/control.h"
#include "tunnel/handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct device device;
static struct control control;
static struct clock_fake clock_;
static uint8_t sent[148]; /* our last initiation */
static uint8_t peer_private[KEY_SIZE], peer_public[KEY_SIZE];

static int send_message(void *path, const void *bytes, size_t len, struct endpoint *to)
{
	(void)path;
	if (!endpoint_known(to) || message_type(bytes, len) == 0)
		abort();
	if (message_type(bytes, len) == MESSAGE_INITIATION)
		memcpy(sent, bytes, sizeof(sent));
	return 0;
}

static void send_staged(void *path, struct peer *peer, uint64_t now_us, bool always_one)
{
	(void)path;
	(void)always_one;
	if (!session_may_send(peer->current, now_us, 1) && peer->current)
		abort();
}

static int rebind(void *path, uint16_t *port, uint32_t fwmark)
{
	(void)path;
	(void)fwmark;
	*port = 1;
	return 0;
}

static const struct path_ops ops = { send_message, send_staged, no_path_drop_staged, rebind };

static struct secret *dh(const uint8_t point[static KEY_SIZE])
{
	struct secret *s = secret_new(SECRET_KEY_SIZE);

	if (!s || crypto_scalarmult(secret_borrow_mut(s), peer_private, point) != 0)
		return secret_free(s);
	return s;
}

static void fix_mac1(void *m, size_t len)
{
	struct cookie_jar jar;

	cookie_jar_init(&jar, control.key->public_key);
	cookie_add_macs(&jar, m, len, clock_.now.boot_us);
}

/* By a peer of ours, or with its own words for who and when. */
static void make_initiation(struct message_initiation *m, const uint8_t *plain, size_t len)
{
	struct secret *ss = dh(control.key->public_key);
	struct noise n = { 0 };
	uint8_t who[KEY_SIZE], when[MESSAGE_TIMESTAMP_SIZE];

	memcpy(who, peer_public, sizeof(who));
	noise_timestamp(when, clock_.now.real_us);
	if (plain) {
		memcpy(who, plain, len < sizeof(who) ? len : sizeof(who));
		if (len > sizeof(who))
			memcpy(when, plain + sizeof(who),
				len - sizeof(who) < sizeof(when) ? len - sizeof(who) : sizeof(when));
	}
	if (!ss || noise_initiation_write(&n, m, 7, who, control.key->public_key, ss, when) < 0)
		abort();
	secret_free(ss);
	noise_wipe(&n);
}

static void deliver(uint8_t how, const uint8_t *bytes, size_t len)
{
	const struct endpoint from = { .to.in = { .sin_family = AF_INET, .sin_port = 3 } };
	union {
		uint8_t bytes[256];
		struct message_initiation initiation;
		struct message_response response;
		struct message_cookie cookie;
	} m = { 0 };
	size_t m_len = len;

	memcpy(m.bytes, bytes, len);
	switch (how) {
	case 1:
		m_len = sizeof(m.initiation);
		memcpy(m.initiation.type, "\1\0\0\0", 4);
		fix_mac1(&m, m_len);
		break;
	case 2:
		m_len = sizeof(m.response);
		memcpy(m.response.type, "\2\0\0\0", 4);
		memcpy(m.response.receiver, sent + 4, 4);
		fix_mac1(&m, m_len);
		break;
	case 3:
		m_len = sizeof(m.cookie);
		memcpy(m.cookie.type, "\3\0\0\0", 4);
		memcpy(m.cookie.receiver, sent + 4, 4);
		break;
	case 4:
		m_len = sizeof(m.initiation);
		make_initiation(&m.initiation, bytes, len);
		fix_mac1(&m, m_len);
		break;
	case 5:
		m_len = sizeof(m.initiation);
		make_initiation(&m.initiation, NULL, 0);
		for (size_t i = 0; i < len && 4 + i < m_len; i++)
			m.bytes[4 + i] ^= bytes[i];
		fix_mac1(&m, m_len);
		break;
	case 6:
		clock_fake_advance(&clock_, len * len * 20 * US_PER_MS);
		control_run(&control, clock_.now);
		return;
	}
	control_receive(&control, m.bytes, m_len, &from, clock_.now);
}

static void begin(void)
{
	struct secret *s = secret_new(SECRET_KEY_SIZE);
	struct peer *p;

	clock_fake_init(&clock_, 1000 * US_PER_SEC, UINT64_C(1790000000) * US_PER_SEC);
	memset(peer_private, 0x42, sizeof(peer_private));
	crypto_scalarmult_base(peer_public, peer_private);
	if (!s || device_init(&device, &ops, NULL) < 0 || control_init(&control, &device, &clock_.clock) < 0)
		abort();
	memset(secret_borrow_mut(s), 0x50, SECRET_KEY_SIZE);
	if (control_set_key(&control, static_key_software_new(s), clock_.now) < 0 ||
		control_set_up(&control, true, clock_.now) < 0 || control_peer_add(&control, peer_public, &p) < 0)
		abort();
	p->endpoint = (struct endpoint){ .to.in = { .sin_family = AF_INET, .sin_port = 2 } };
	handshake_begin(p->handshake, false, clock_.now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (sodium_init() < 0)
		abort();
	begin();
	while (size >= 2) {
		const uint8_t how = data[0] % 7;
		const size_t len = data[1] < size - 2 ? data[1] : size - 2;

		deliver(how, data + 2, len);
		data += 2 + len;
		size -= 2 + len;
	}
	control_clear(&control);
	/* Nothing stays in the table but by its own. */
	if (device.indexes.n != 0)
		abort();
	device_clear(&device);
	return 0;
}
