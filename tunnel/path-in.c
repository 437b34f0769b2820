/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The in thread: UDP -> session -> cipher -> is it the peer's address? -> TUN. */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>

#include "tunnel/inet.h"
#include "tunnel/path-impl.h"

/* The length that the inner packet gives itself, which is without our padding; 0: it is none, or longer than what came. */
static uint32_t inner_len(const uint8_t *packet, uint32_t len)
{
	uint32_t n = 0;

	if (len >= INET4_HEADER && packet[0] >> 4 == 4) {
		n = get16(packet + INET4_LENGTH);
		if (n < INET4_HEADER)
			return 0;
	} else if (len >= INET6_HEADER && packet[0] >> 4 == 6) {
		n = get16(packet + INET6_LENGTH) + INET6_HEADER;
	}
	return n <= len ? n : 0;
}

/* RFC 6040 section 4.2, as the kernel's WireGuard has it: the mark of the way is passed on to those who understand it. */
static void ecn_inner(uint8_t *packet, uint8_t outer)
{
	if (outer != 3)
		return;
	if (packet[0] >> 4 == 6) {
		if (packet[1] >> 4 & 3)
			packet[1] |= 3 << 4;
	} else if (packet[INET4_TOS] & 3) {
		const uint16_t was = get16(packet);
		uint32_t sum;

		packet[INET4_TOS] |= 3;
		/* RFC 1624: a wrong checksum stays wrong. */
		sum = (uint16_t)~get16(packet + INET4_CHECKSUM) + (uint32_t)(uint16_t)~was + get16(packet);
		sum = (sum & 0xffff) + (sum >> 16);
		sum = (sum & 0xffff) + (sum >> 16);
		put16(packet + INET4_CHECKSUM, (uint16_t)~sum);
	}
}

static void write_out(struct path *p)
{
	const struct iovec *iov;
	uint16_t cursor = 0;
	int n;

	while ((n = gro_next(&p->in.gro, &cursor, &iov)) > 0)
		/* An interface that is down takes nothing; what it does not take is lost. */
		if (!device_closing(p->device))
			(void)!writev(p->tun.fd, iov, n);
}

/* What is told control per batch, session and place. */
struct note {
	struct session *session;
	uint16_t message;
	bool data;
	uint64_t bytes;
};

static void note_flush(struct path *p, struct note *note)
{
	if (note->session)
		peer_note_received(note->session->entry.peer, note->session, p->in.now_us, note->bytes, note->data,
			&p->in.messages[note->message].from);
	note->session = NULL;
}

static void note_add(struct path *p, struct note *note, const struct in_packet *packet, const struct aead_packet *text)
{
	if (note->session != packet->session || note->message != packet->message) {
		note_flush(p, note);
		*note = (struct note){ .session = packet->session, .message = packet->message };
	}
	note->bytes += text->len + DATA_OVERHEAD;
	note->data = note->data || text->len > 0;
}

static void open_all(struct in *in)
{
	for (unsigned int i = 0, n; i < in->n; i += n) {
		for (n = 1; i + n < in->n && in->packets[i + n].session == in->packets[i].session; n++)
			;
		(void)aead_open(in->cipher, in->packets[i].session->receive_key, in->texts + i, n);
	}
}

/* Everything that was collected. */
static void in_process(struct path *p)
{
	struct in *const in = &p->in;
	struct note note = { 0 };

	if (device_closing(p->device))
		in->n = 0;
	open_all(in);
	for (unsigned int i = 0; i < in->n; i++) {
		struct aead_packet *const text = &in->texts[i];
		const struct in_packet *const packet = &in->packets[i];
		uint32_t len;

		if (!text->ok || !replay_take(&packet->session->replay, text->counter))
			continue;
		note_add(p, &note, packet, text);
		len = inner_len(text->text, text->len);
		if (len == 0 || allowedips_lookup_source(&p->device->allowed_ips, text->text, len) != packet->session->entry.peer)
			continue;
		ecn_inner(text->text, in->messages[packet->message].ecn);
		if (!gro_add(&in->gro, text->text, len)) {
			note_flush(p, &note);
			write_out(p);
			(void)gro_add(&in->gro, text->text, len);
		}
	}
	note_flush(p, &note);
	write_out(p);
	in->n = 0;
}

static void in_datagram(struct path *p, uint16_t message, uint8_t *bytes, uint32_t len)
{
	struct in *const in = &p->in;
	const struct index_entry *e;
	uint64_t counter;
	uint32_t type;

	if (len < 4)
		return;
	/* The three bytes after it are reserved, and zero. */
	type = get_le32(bytes);
	if (type >= MESSAGE_TYPE_MIN && type <= MESSAGE_TYPE_MAX) {
		if (len <= INBOX_MESSAGE_MAX)
			(void)device_deliver(p->device, bytes, len, &in->messages[message].from);
		return;
	}
	if (type != DATA_TYPE || len < DATA_OVERHEAD)
		return;
	e = index_find(&p->device->indexes, get_le32(bytes + 4));
	if (!e || !session_may_receive(e->session, in->now_us))
		return;
	counter = get_le32(bytes + 8) | (uint64_t)get_le32(bytes + 12) << 32;
	if (!replay_may(&e->session->replay, counter))
		return;
	if (in->n == IN_PACKETS_MAX)
		in_process(p);
	in->packets[in->n] = (struct in_packet){ .session = e->session, .message = message };
	in->texts[in->n++] = (struct aead_packet){ .text = bytes + DATA_HEADER, .len = len - DATA_OVERHEAD, .counter = counter };
}

static void in_message(struct path *p, uint16_t message)
{
	const struct udp_message *const m = &p->in.messages[message];
	uint8_t *bytes = m->bytes;

	for (uint32_t left = m->len, n; left > 0; bytes += n, left -= n) {
		n = m->segment < left && m->segment > 0 ? m->segment : left;
		in_datagram(p, message, bytes, n);
	}
}

static void in_messages(struct path *p, const struct udp_message *messages, int n)
{
	p->in.now_us = path_now_us();
	p->in.messages = messages;
	for (int i = 0; i < n; i++)
		in_message(p, (uint16_t)i);
	in_process(p);
}

/* Lock held. Is there more? What was taken is added to *taken. */
static bool in_turn(struct path *p, int fd, int *taken)
{
	const struct udp_message *messages;
	int n;

	if (fd < 0)
		return false;
	n = udp_receive(fd, p->in.batch, &messages);
	if (n <= 0)
		return false;
	in_messages(p, messages, n);
	*taken += n;
	return n == (int)UDP_BATCH;
}

void path_inject(struct path *p, uint8_t *bytes, uint32_t len, uint32_t segment, uint8_t ecn, const struct endpoint *from)
{
	const struct udp_message m = { .bytes = bytes, .len = len, .segment = segment, .ecn = ecn, .from = *from };

	device_path_lock(p->device, DEVICE_IN);
	in_messages(p, &m, 1);
	device_path_unlock(p->device, DEVICE_IN);
}

static bool lively(const struct path *p)
{
	return path_now_us() < atomic_load(&p->in.lively_until_us);
}

/* Until there is something to do, or there may be. */
static void in_wait(struct path *p, struct pollfd *fds, nfds_t n)
{
	while (lively(p)) {
		if (poll(fds, n, 0) > 0)
			return;
		sched_yield();
	}
	atomic_store(&p->in.asleep, true);
	/* Whoever did not see us asleep has made us lively before. */
	if (!lively(p))
		(void)poll(fds, n, -1);
	atomic_store(&p->in.asleep, false);
}

void *path_in_main(void *path)
{
	struct path *p = path;

	while (!atomic_load_explicit(&p->stop, memory_order_relaxed)) {
		struct pollfd fds[_UDP_FAMILIES + 1] = { 0 };
		bool more = false;
		int taken = 0;
		eventfd_t ignored;

		device_path_lock(p->device, DEVICE_IN);
		for (int i = 0; i < _UDP_FAMILIES; i++) {
			more = in_turn(p, p->udp.fd[i], &taken) || more;
			fds[i] = (struct pollfd){ .fd = p->udp.fd[i], .events = POLLIN };
		}
		/* One that comes alone is answered here and now. */
		device_path_done(p->device, DEVICE_IN, taken == 1);
		if (more)
			continue;
		fds[_UDP_FAMILIES] = (struct pollfd){ .fd = p->in.wake_fd, .events = POLLIN };
		in_wait(p, fds, _UDP_FAMILIES + 1);
		if (fds[_UDP_FAMILIES].revents)
			(void)eventfd_read(p->in.wake_fd, &ignored);
	}
	return NULL;
}
