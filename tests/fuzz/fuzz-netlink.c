/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A datagram from the kernel (the first two bytes: family and sequence number to expect); what is read is encoded in turn. */
#include <libmnl/libmnl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "agent/device-netlink-message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void encode(const struct device *d)
{
	static _Alignas(4) uint8_t buf[DEVICE_NETLINK_MESSAGE_MAX];
	struct device_peer_change *peers = calloc(d->n_peers + 1, sizeof(*peers));
	const struct device_change c = { .n_peers = d->n_peers, .peers = peers };
	/* Small messages, so that peers are cut. */
	struct device_netlink_encoder e = { .ifname = "wg0", .change = &c };
	size_t peer = 0, allowed_ip = 0;
	int n;

	if (!peers)
		abort();
	for (size_t i = 0; i < d->n_peers; i++) {
		const struct device_peer *p = &d->peers[i];

		peers[i] = (struct device_peer_change){ .how = i % 3 ? DEVICE_PEER_RENEW : DEVICE_PEER_UPDATE,
			.preshared_key = p->preshared_key, .keepalive = p->keepalive, .endpoint = p->endpoint,
			.n_allowed_ips = p->n_allowed_ips, .allowed_ips = p->allowed_ips };
		memcpy(peers[i].public_key, p->public_key, KEY_SIZE);
	}
	while ((n = device_netlink_encode_set(&e, buf, 512, 20, 1)) > 0) {
		if (!mnl_nlmsg_ok((const struct nlmsghdr *)buf, n) || n > 512)
			abort();
		if (d->n_peers && e.peer == peer && e.allowed_ip <= allowed_ip)
			abort();
		peer = e.peer;
		allowed_ip = e.allowed_ip;
	}
	if (n < 0 || e.peer != d->n_peers)
		abort();
	free(peers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct device_netlink_decoder d = { .seq = 1, .want_dump = true };
	struct device *device;
	void *buf;

	if (sodium_init() < 0)
		abort();
	if (size < 2)
		return 0;
	d.family = data[0];
	d.want_dump = data[1] & 1;
	/* The alignment and padding that the caller promises; what lies behind is AddressSanitizer's to guard. */
	buf = calloc(1, size > 2 ? (size + 1) / 4 * 4 : 4);
	if (!buf || device_builder_init(&d.builder) < 0)
		abort();
	memcpy(buf, data + 2, size - 2);
	if (device_netlink_decode(&d, buf, size - 2) >= 0 && device_builder_finish(&d.builder, &device) == 0) {
		encode(device);
		device_free(device);
	}
	device_builder_clear(&d.builder);
	free(buf);
	return 0;
}
