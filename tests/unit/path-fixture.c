/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/path-fixture.h"

#include <arpa/inet.h>
#include <assert.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/secret.h"

static void must(bool ok)
{
	if (!ok)
		abort();
}

void path_fixture_init(struct path_fixture *f, enum aead_kind cipher)
{
	const int large = 1 << 20;
	int pair[2];

	memset(f, 0, sizeof(*f));
	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
	for (int i = 0; i < 2; i++)
		must(setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &large, sizeof(large)) == 0);
	f->tun = pair[0];
	f->tun_device = (struct tun){ .fd = pair[1], .tso = true, .uso = true };
	must(device_init(&f->device, &path_ops, NULL) == 0);
	must(path_new(&f->path, &f->device, &f->tun_device, DEVICE_MTU_DEFAULT, cipher) == 0);
	f->device.path = f->path;
	must(path_ops.rebind(f->path, &f->port, 0) == 0);
}

void path_fixture_clear(struct path_fixture *f)
{
	path_stop(f->path);
	path_fixture_disconnect(f);
	device_clear(&f->device);
	path_free(f->path);
	tun_close(&f->tun_device);
	close(f->tun);
}

void path_fixture_peer(struct path_fixture *f, uint16_t port)
{
	static const uint8_t four[4] = { 10 }, six[16] = { 0xfc };

	must(device_peer_add(&f->device, (const uint8_t[KEY_SIZE]){ 1 }, &f->peer) == 0);
	device_lock(&f->device);
	f->peer->endpoint.to.in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	must(allowedips_insert(&f->device.allowed_ips, AF_INET, four, 8, f->peer) == 0);
	must(allowedips_insert(&f->device.allowed_ips, AF_INET6, six, 6, f->peer) == 0);
	device_unlock(&f->device);
}

static struct session *session_of(struct path_fixture *f, uint8_t send, uint8_t receive)
{
	struct secret *keys = secret_new(2 * SECRET_KEY_SIZE);
	struct session *s;

	must(keys != NULL);
	memset(secret_borrow_mut(keys), send, SECRET_KEY_SIZE);
	memset(secret_borrow_mut(keys) + SECRET_KEY_SIZE, receive, SECRET_KEY_SIZE);
	s = session_new(f->peer, keys, send < receive, 0, 0, clock_now(&clock_system).boot_us);
	must(s && index_insert(&f->device.indexes, &s->entry) == 0);
	return s;
}

void path_fixture_disconnect(struct path_fixture *f)
{
	device_lock(&f->device);
	if (f->peer)
		device_session_end(&f->device, &f->peer->current);
	device_unlock(&f->device);
}

static void install(struct path_fixture *f, struct session *s)
{
	if (f->peer->current)
		device_session_end(&f->device, &f->peer->current);
	f->peer->current = s;
}

void path_fixture_connect(struct path_fixture *a, struct path_fixture *b, uint8_t key)
{
	struct session *x, *y;

	device_lock(&a->device);
	device_lock(&b->device);
	x = session_of(a, key, (uint8_t)(key + 1));
	y = session_of(b, (uint8_t)(key + 1), key);
	x->remote_index = y->entry.index;
	y->remote_index = x->entry.index;
	install(a, x);
	install(b, y);
	device_unlock(&b->device);
	device_unlock(&a->device);
}

uint32_t path_fixture_session(struct path_fixture *f, uint8_t key)
{
	struct session *s;

	device_lock(&f->device);
	s = session_of(f, key, key);
	install(f, s);
	device_unlock(&f->device);
	return s->entry.index;
}

size_t path_fixture_read(struct path_fixture *f, void *to, size_t size, int ms)
{
	struct pollfd fd = { .fd = f->tun, .events = POLLIN };
	ssize_t n;

	if (ms && poll(&fd, 1, ms) <= 0)
		return 0;
	n = read(f->tun, to, size);
	return n > 0 ? (size_t)n : 0;
}

void path_fixture_write(struct path_fixture *f, const void *header, const void *packet, size_t len)
{
	struct iovec iov[] = { { (void *)(uintptr_t)header, TUN_HEADER }, { (void *)(uintptr_t)packet, len } };
	struct pollfd fd = { .fd = f->tun, .events = POLLOUT };

	while (writev(f->tun, iov, 2) < 0)
		must(poll(&fd, 1, 60000) == 1);
}
