/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device backends from the shell, for tests: as wg(8) would be if it could renew a peer.
 *
 *	device-tool BACKEND get IFACE			as `wg show IFACE dump`, peers sorted by key (hex order)
 *	device-tool BACKEND renew IFACE PUBKEY PSKFILE [KEEPALIVE]	removes and adds again, all else kept
 *	device-tool BACKEND update IFACE PUBKEY PSKFILE|- [KEEPALIVE]	never creates
 *	device-tool BACKEND renew-all IFACE KEEPALIVE	every peer, with the PSK it has
 *	device-tool BACKEND set-key IFACE KEYFILE; clear-key IFACE
 *	device-tool BACKEND fill IFACE N IPS	adds N peers with random keys and IPS allowed-ips each
 *	device-tool auto watch -		"+ IFACE BACKEND|none", "- IFACE" and "*" per event, until it is killed
 *
 * BACKEND: kernel, userspace, or auto, which prints which. Files are base64 as wg genpsk writes. RUNDIR in the environment is
 * the directory of the sockets.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/device-io.h"
#include "agent/device.h"
#include "common/names.h"

static int fail(const char *what, int r)
{
	fprintf(stderr, "%s: %s\n", what, strerror(-r));
	return -r;
}

static struct secret *read_key(const char *path)
{
	_cleanup_secret_ struct secret *text = NULL;
	struct secret *key = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || secret_from_fd(&text, fd, KEY_BASE64_SIZE - 1) < 0 ||
		secret_from_base64(&key, (const char *)secret_borrow(text), secret_len(text)) < 0) {
		fprintf(stderr, "%s: not a key\n", path);
		exit(1);
	}
	close(fd);
	return key;
}

static void print_key(const struct secret *key)
{
	char text[KEY_BASE64_SIZE];

	if (!key) {
		fputs("(none)", stdout);
		return;
	}
	key_to_base64(text, secret_key(key));
	fputs(text, stdout);
}

static void print_peer(const struct device_peer *p)
{
	char text[INET6_ADDRSTRLEN], key[KEY_BASE64_SIZE];

	key_to_base64(key, p->public_key);
	printf("%s\t", key);
	print_key(p->preshared_key);
	if (p->endpoint.any.sa_family == AF_INET)
		printf("\t%s:%u\t", inet_ntop(AF_INET, &p->endpoint.v4.sin_addr, text, sizeof(text)),
			ntohs(p->endpoint.v4.sin_port));
	else if (p->endpoint.any.sa_family == AF_INET6)
		printf("\t[%s]:%u\t", inet_ntop(AF_INET6, &p->endpoint.v6.sin6_addr, text, sizeof(text)),
			ntohs(p->endpoint.v6.sin6_port));
	else
		printf("\t(none)\t");
	for (size_t i = 0; i < p->n_allowed_ips; i++)
		printf("%s%s/%u", i ? "," : "",
			inet_ntop(p->allowed_ips[i].family, &p->allowed_ips[i].v4, text, sizeof(text)),
			p->allowed_ips[i].cidr);
	printf("%s\t%llu\t%llu\t%llu\t", p->n_allowed_ips ? "" : "(none)",
		(unsigned long long)(p->last_handshake_us / 1000000), (unsigned long long)p->rx_bytes,
		(unsigned long long)p->tx_bytes);
	if (p->keepalive)
		printf("%u\n", p->keepalive);
	else
		printf("off\n");
}

static int get(struct device_backend *b, const char *ifname)
{
	char text[KEY_BASE64_SIZE];
	struct device *d;
	int r = b->ops->get(b, ifname, &d);

	if (r < 0)
		return fail("get", r);
	print_key(d->private_key);
	key_to_base64(text, d->public_key);
	printf("\t%s\t%u\n", key_is_zero(d->public_key) ? "(none)" : text, d->listen_port);
	for (size_t i = 0; i < d->n_peers; i++)
		print_peer(&d->peers[i]);
	device_free(d);
	return 0;
}

static struct device_peer_change renewal(const struct device_peer *p)
{
	struct device_peer_change c = {
		.how = DEVICE_PEER_RENEW,
		.preshared_key = p->preshared_key,
		.set_keepalive = true,
		.keepalive = p->keepalive,
		.endpoint = p->endpoint,
		.n_allowed_ips = p->n_allowed_ips,
		.allowed_ips = p->allowed_ips,
	};

	memcpy(c.public_key, p->public_key, KEY_SIZE);
	return c;
}

static int change_peer(struct device_backend *b, const char *ifname, bool renew, char **argv)
{
	struct device_peer_change p = { .how = DEVICE_PEER_UPDATE };
	const struct device_change c = { .n_peers = 1, .peers = &p };
	_cleanup_secret_ struct secret *psk = strcmp(argv[1], "-") ? read_key(argv[1]) : NULL;
	const struct device_peer *old;
	struct device *d = NULL;
	uint8_t key[KEY_SIZE];
	int r;

	if (key_from_base64(key, argv[0]) < 0)
		return fail(argv[0], -EINVAL);
	r = renew ? b->ops->get(b, ifname, &d) : 0;
	if (r < 0)
		return fail("get", r);
	if (renew) {
		old = device_find_peer(d, key);
		if (!old)
			return fail("peer", -ENOENT);
		p = renewal(old);
	}
	memcpy(p.public_key, key, KEY_SIZE);
	p.preshared_key = psk;
	if (argv[2]) {
		p.set_keepalive = true;
		p.keepalive = (uint16_t)atoi(argv[2]);
	}
	r = b->ops->set(b, ifname, &c);
	device_free(d);
	return r < 0 ? fail("set", r) : 0;
}

static int renew_all(struct device_backend *b, const char *ifname, uint16_t keepalive)
{
	struct device_change c = { 0 };
	struct device_peer_change *peers;
	struct timespec t[3];
	struct device *d;
	int r;

	clock_gettime(CLOCK_MONOTONIC, &t[0]);
	r = b->ops->get(b, ifname, &d);
	if (r < 0)
		return fail("get", r);
	clock_gettime(CLOCK_MONOTONIC, &t[1]);
	peers = calloc(d->n_peers + 1, sizeof(*peers));
	if (!peers)
		return fail("peers", -ENOMEM);
	for (size_t i = 0; i < d->n_peers; i++) {
		peers[i] = renewal(&d->peers[i]);
		peers[i].keepalive = keepalive;
	}
	c.n_peers = d->n_peers;
	c.peers = peers;
	r = b->ops->set(b, ifname, &c);
	clock_gettime(CLOCK_MONOTONIC, &t[2]);
	fprintf(stderr, "%zu peers: get %.1f ms, set %.1f ms\n", d->n_peers,
		(double)(t[1].tv_sec - t[0].tv_sec) * 1e3 + (double)(t[1].tv_nsec - t[0].tv_nsec) / 1e6,
		(double)(t[2].tv_sec - t[1].tv_sec) * 1e3 + (double)(t[2].tv_nsec - t[1].tv_nsec) / 1e6);
	free(peers);
	device_free(d);
	return r < 0 ? fail("set", r) : 0;
}

static int fill(struct device_backend *b, const char *ifname, uint32_t n, uint32_t n_ips)
{
	struct device_peer_change *peers = calloc(n, sizeof(*peers));
	struct device_allowed_ip *ips = calloc((size_t)n * n_ips + 1, sizeof(*ips));
	const struct device_change c = { .n_peers = n, .peers = peers };
	_cleanup_secret_ struct secret *psk = secret_new(KEY_SIZE);
	int r;

	if (!peers || !ips || !psk)
		return fail("fill", -ENOMEM);
	secret_fill_random(psk);
	for (uint32_t i = 0; i < n; i++) {
		peers[i].how = DEVICE_PEER_RENEW;
		randombytes_buf(peers[i].public_key, KEY_SIZE);
		peers[i].preshared_key = psk;
		peers[i].n_allowed_ips = n_ips;
		peers[i].allowed_ips = &ips[(size_t)i * n_ips];
		for (uint32_t j = 0; j < n_ips; j++) {
			struct device_allowed_ip *ip = &ips[(size_t)i * n_ips + j];

			ip->family = AF_INET;
			ip->cidr = 32;
			ip->v4.s_addr = htonl(0x0a000000 + i * n_ips + j);
		}
	}
	r = b->ops->set(b, ifname, &c);
	free(peers);
	free(ips);
	return r < 0 ? fail("set", r) : 0;
}

static void watch_event(void *userdata, const char *ifname, bool present)
{
	struct device_set *set = userdata;
	struct device_backend *b = NULL;

	if (!ifname)
		puts("*");
	else if (present)
		printf("+ %s %s\n", ifname, device_choose(set, ifname, &b) == 0 ? b->ops->name : "none");
	else
		printf("- %s\n", ifname);
	fflush(stdout);
}

static int watch(struct device_set *set, const char *rundir)
{
	struct device_watch *w;
	struct pollfd p = { .events = POLLIN };
	int r = device_watch_new(&w, rundir, watch_event, set);

	if (r < 0)
		return fail("watch", r);
	p.fd = device_watch_fd(w);
	puts("watching");
	fflush(stdout);
	while (r == 0 && poll(&p, 1, -1) > 0)
		r = device_watch_read(w);
	device_watch_free(w);
	return fail("watch", r);
}

static int run(struct device_backend *b, int argc, char **argv)
{
	const char *verb = argv[0], *ifname = argv[1];
	struct device_change c = { 0 };
	int r;

	if (strcmp(verb, "get") == 0)
		return get(b, ifname);
	if ((strcmp(verb, "renew") == 0 || strcmp(verb, "update") == 0) && argc >= 4)
		return change_peer(b, ifname, strcmp(verb, "renew") == 0, argv + 2);
	if (strcmp(verb, "renew-all") == 0 && argc == 3)
		return renew_all(b, ifname, (uint16_t)atoi(argv[2]));
	if (strcmp(verb, "fill") == 0 && argc == 4)
		return fill(b, ifname, (uint32_t)atoi(argv[2]), (uint32_t)atoi(argv[3]));
	if (strcmp(verb, "clear-key") == 0 || (strcmp(verb, "set-key") == 0 && argc == 3)) {
		_cleanup_secret_ struct secret *key = argc == 3 ? read_key(argv[2]) : NULL;

		c.private_key_how = key ? DEVICE_PRIVATE_KEY_SET : DEVICE_PRIVATE_KEY_CLEAR;
		c.private_key = key;
		r = b->ops->set(b, ifname, &c);
		return r < 0 ? fail("set", r) : 0;
	}
	fprintf(stderr, "see the comment in the source\n");
	return 2;
}

int main(int argc, char **argv)
{
	const char *rundir = getenv("RUNDIR") ? getenv("RUNDIR") : WGFIDO_WIREGUARD_RUNDIR;
	struct device_backend *b = NULL;
	struct device_set *set = NULL;
	int r;

	if (argc < 4) {
		fprintf(stderr, "see the comment in the source\n");
		return 2;
	}
	/* How long the agent has for an exchange is none of this; a wireguard-go with thousands of peers may be slow. */
	device_io_timeout_ms = 60000;
	r = secret_init();
	if (r == 0 && strcmp(argv[1], "auto") == 0) {
		r = device_set_new(&set, rundir);
		if (r == 0 && strcmp(argv[2], "watch") == 0)
			return watch(set, rundir);
		if (r == 0)
			r = device_choose(set, argv[3], &b);
		if (r == 0)
			fprintf(stderr, "%s\n", b->ops->name);
	} else if (r == 0) {
		r = strcmp(argv[1], "kernel") == 0 ? device_netlink_new(&b) : device_uapi_new(&b, rundir);
	}
	r = r < 0 ? fail(argv[1], r) : run(b, argc - 2, argv + 2);
	if (b && !set)
		b->ops->free(b);
	device_set_free(set);
	return r;
}
