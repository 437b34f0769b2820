/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tunnel/path.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "tunnel/message.h"
#include "tunnel/path-impl.h"

#define RUN_ROOM (AEAD_HEADROOM + 66u * 1024 + AEAD_TAILROOM)
#define OUT_ROOM (AEAD_HEADROOM + TUN_HEADER + TUN_PACKET_MAX + 64u)
/* A thousand peers that begin at once, or a flood, while a socket is full: control has other things to do than to wait for each. */
#define MESSAGE_WAIT_EVERY_US 100000
/* A handshake in a local network and the first round trip behind it; it may cost a twentieth of a processor. */
#define LIVELY_US 1000
#define LIVELY_EVERY_US 20000

uint64_t path_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

void path_end(struct path *p)
{
	if (!atomic_exchange(&p->ended, true))
		device_kick(p->device);
}

bool path_ended(const struct path *p)
{
	return atomic_load(&p->ended);
}

void path_set_mtu(struct path *p, uint32_t mtu)
{
	atomic_store_explicit(&p->mtu, mtu, memory_order_relaxed);
}

const char *path_describe(const struct path *p)
{
	return aead_worker_describe(p->out.cipher);
}

int path_new(struct path **ret, struct device *d, const struct tun *t, uint32_t mtu, enum aead_kind cipher)
{
	struct path *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->device = d;
	p->tun = *t;
	p->udp.fd[UDP_V4] = p->udp.fd[UDP_V6] = -1;
	p->in.gro.udp = t->uso;
	atomic_store(&p->mtu, mtu);
	p->out.stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	p->in.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = p->out.stop_fd < 0 || p->in.wake_fd < 0 ? -errno : 0;
	p->out.run.room = malloc(RUN_ROOM);
	p->out.room = malloc(OUT_ROOM);
	p->out.stages = stages_new();
	p->in.batch = udp_batch_new();
	if (r == 0 && (!p->out.run.room || !p->out.room || !p->out.stages || !p->in.batch))
		r = -ENOMEM;
	if (r == 0)
		r = aead_worker_new(&p->out.cipher, cipher);
	if (r == 0)
		r = aead_worker_new(&p->in.cipher, cipher);
	if (r < 0) {
		path_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

struct path *path_free(struct path *p)
{
	if (!p)
		return NULL;
	udp_close(&p->udp);
	aead_worker_free(p->out.cipher);
	aead_worker_free(p->in.cipher);
	stages_free(p->out.stages);
	udp_batch_free(p->in.batch);
	free(p->out.run.room);
	free(p->out.room);
	if (p->out.stop_fd >= 0)
		close(p->out.stop_fd);
	if (p->in.wake_fd >= 0)
		close(p->in.wake_fd);
	free(p);
	return NULL;
}

static void wake(int fd)
{
	(void)!eventfd_write(fd, 1);
}

int path_start(struct path *p)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	r = -pthread_sigmask(SIG_SETMASK, &all, &before);
	if (r < 0)
		return r;
	atomic_store(&p->stop, false);
	r = -pthread_create(&p->out.thread, NULL, path_out_main, p);
	if (r == 0) {
		r = -pthread_create(&p->in.thread, NULL, path_in_main, p);
		if (r < 0) {
			atomic_store(&p->stop, true);
			wake(p->out.stop_fd);
			pthread_join(p->out.thread, NULL);
		}
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	p->running = r == 0;
	return r;
}

void path_stop(struct path *p)
{
	if (!p->running)
		return;
	atomic_store(&p->stop, true);
	wake(p->out.stop_fd);
	wake(p->in.wake_fd);
	pthread_join(p->out.thread, NULL);
	pthread_join(p->in.thread, NULL);
	p->running = false;
}

/* The other end's next message may be there in a moment: to wake up takes as long as many networks take. */
static void expect_answer(struct path *p, uint64_t now_us)
{
	/* Before handshakes that follow one another, nobody would sleep any more. */
	if (now_us < atomic_load(&p->in.lively_until_us) + LIVELY_EVERY_US)
		return;
	atomic_store(&p->in.lively_until_us, now_us + LIVELY_US);
	if (atomic_load(&p->in.asleep))
		wake(p->in.wake_fd);
}

/* Control is the only one that changes the sockets, so it may look at them without a lock. */
static int send_message(void *path, const void *bytes, size_t len, struct endpoint *to)
{
	struct path *p = path;
	const uint64_t now_us = path_now_us();
	const bool patient = now_us - p->waited_us >= MESSAGE_WAIT_EVERY_US;
	bool refused, may_wait = patient;
	int r;

	/* To a cookie reply there is none. */
	if (message_type(bytes, len) != MESSAGE_COOKIE)
		expect_answer(p, now_us);
	r = udp_send(&p->udp, bytes, len, len, 0, to, &may_wait, &refused);

	if (patient && !may_wait)
		p->waited_us = now_us;
	if (refused) {
		memset(&to->from, 0, sizeof(to->from));
		to->from_ifindex = 0;
	}
	return r;
}

static void send_staged(void *path, struct peer *peer, uint64_t now_us, bool always_one)
{
	struct path *p = path;

	device_path_lock(p->device, DEVICE_OUT);
	p->out.now_us = now_us;
	p->out.may_wait = true;
	path_out_staged(p, peer, always_one);
	device_path_unlock(p->device, DEVICE_OUT);
}

static void drop_staged(void *path, struct peer *peer, bool tell)
{
	struct path *p = path;
	const uint64_t now_us = path_now_us();
	const uint8_t *packet;
	size_t len;

	while (tell && (packet = stage_take(p->out.stages, &peer->stage, &len)))
		path_refuse(p, packet, len, now_us);
	stage_drop(p->out.stages, &peer->stage);
}

static void forget_keys(void *path, const struct session *s)
{
	struct path *p = path;

	aead_forget(p->out.cipher, s->send_key);
	aead_forget(p->in.cipher, s->receive_key);
}

static int set_mark(const struct udp *u, uint32_t fwmark)
{
	for (int i = 0; i < _UDP_FAMILIES; i++)
		if (u->fd[i] >= 0 && setsockopt(u->fd[i], SOL_SOCKET, SO_MARK, &fwmark, sizeof(fwmark)) < 0)
			return -errno;
	return 0;
}

static int rebind(void *path, uint16_t *port, uint32_t fwmark)
{
	struct path *p = path;
	const bool bound = p->udp.fd[UDP_V4] >= 0 || p->udp.fd[UDP_V6] >= 0;
	struct udp fresh, old;
	int r;

	/* The port is taken: by us. */
	if (bound && *port == p->udp.port) {
		r = fwmark == p->fwmark ? 0 : set_mark(&p->udp, fwmark);
		if (r == 0)
			p->fwmark = fwmark;
		return r;
	}
	r = udp_open(&fresh, port, fwmark);
	if (r < 0)
		return r;
	device_lock(p->device);
	old = p->udp;
	p->udp = fresh;
	p->fwmark = fwmark;
	device_unlock(p->device);
	/* The in thread may still wait for the old ones. */
	wake(p->in.wake_fd);
	udp_close(&old);
	return 0;
}

const struct path_ops path_ops = {
	.send_message = send_message,
	.send_staged = send_staged,
	.drop_staged = drop_staged,
	.forget_keys = forget_keys,
	.rebind = rebind,
};
