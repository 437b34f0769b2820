/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The out thread: TUN -> segments -> peer -> cipher -> UDP. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "tunnel/inet.h"
#include "tunnel/path-impl.h"
#include "tunnel/unreachable.h"

/* RFC 6040 section 4.1, as the kernel's WireGuard has it: the two bits are copied, but for a mark, which the outer header must not
 * begin with. */
static uint8_t ecn_outer(const uint8_t *packet)
{
	const uint8_t bits = packet[0] >> 4 == 4 ? packet[INET4_TOS] & 3 : packet[1] >> 4 & 3;

	return bits == 3 ? 2 : bits;
}

static void send_run(struct path *p, struct run *r)
{
	struct endpoint without;
	const struct endpoint *to = &r->peer->endpoint;
	bool refused;

	/* The peer's endpoint is not ours to change. */
	if (endpoint_equal(to, &p->out.refused)) {
		without = *to;
		memset(&without.from, 0, sizeof(without.from));
		to = &without;
	}
	/* What cannot be sent is lost, as on any network. */
	(void)udp_send(&p->udp, r->room + AEAD_HEADROOM, r->used, r->segment, r->ecn, to, &p->out.may_wait, &refused);
	if (refused)
		p->out.refused = *to;
}

void path_flush(struct path *p)
{
	struct run *const r = &p->out.run;

	if (r->n == 0)
		return;
	for (unsigned int i = 0; i < r->n; i++) {
		uint8_t *const header = r->packets[i].text - DATA_HEADER;

		put_le32(header, DATA_TYPE);
		put_le32(header + 4, r->session->remote_index);
		put_le32(header + 8, (uint32_t)r->packets[i].counter);
		put_le32(header + 12, (uint32_t)(r->packets[i].counter >> 32));
	}
	if (!device_closing(p->device)) {
		aead_seal(p->out.cipher, r->session->send_key, r->packets, r->n);
		send_run(p, r);
		peer_note_sent(r->peer, r->session, p->out.now_us, r->used, r->n_data);
	}
	r->n = r->n_data = 0;
	r->used = 0;
	r->full = false;
}

static size_t padded(const struct path *p, size_t len)
{
	const size_t mtu = atomic_load_explicit(&p->mtu, memory_order_relaxed);
	const size_t full = (len + DATA_PADDING - 1) / DATA_PADDING * DATA_PADDING;

	return full <= mtu ? full : len < mtu ? mtu : len;
}

/* Room for the next packet of len bytes, with its padding zeroed; NULL: it is too long for any datagram. The session may be sent with. */
static uint8_t *run_add(struct path *p, struct peer *peer, struct session *session, size_t len, uint8_t ecn)
{
	struct run *const r = &p->out.run;
	const size_t text_len = padded(p, len), datagram = text_len + DATA_OVERHEAD;
	uint8_t *text;

	if (datagram > UDP_PAYLOAD_MAX)
		return NULL;
	if (r->n > 0 && (r->full || r->n == UDP_SEGMENTS_MAX || r->session != session || r->ecn != ecn || datagram > r->segment ||
				r->used + datagram > UDP_PAYLOAD_MAX))
		path_flush(p);
	if (r->n == 0) {
		r->segment = datagram;
		r->peer = peer;
		r->session = session;
		r->ecn = ecn;
	}
	r->full = datagram < r->segment;
	text = r->room + AEAD_HEADROOM + r->used + DATA_HEADER;
	memset(text + len, 0, text_len - len);
	r->packets[r->n++] = (struct aead_packet){ .text = text, .len = (uint32_t)text_len, .counter = session->send_counter++ };
	r->used += datagram;
	if (len)
		r->n_data++;
	return text;
}

static void stage_all(struct path *p, struct peer *peer, struct gso *g)
{
	/* In the run's room, which is empty between runs. */
	path_flush(p);
	for (size_t len; (len = gso_next_len(g)) > 0;) {
		gso_next(g, p->out.run.room);
		stage_put(p->out.stages, &peer->stage, p->out.run.room, len);
	}
	peer_raise(peer, PEER_NEED_HANDSHAKE);
}

void path_refuse(struct path *p, const uint8_t *packet, size_t len, uint64_t now_us)
{
	uint8_t answer[TUN_HEADER + UNREACHABLE_MAX] = { 0 }; /* the header says that there is nothing to know of it */
	const size_t n = unreachable_answer(answer + TUN_HEADER, packet, len);
	ssize_t written;

	if (n == 0 || !bucket_take(&p->out.unreachable, UNREACHABLE_BURST, UNREACHABLE_RATE_US, now_us))
		return;
	/* What TUN does not take is lost, as any answer may be. */
	written = write(p->tun.fd, answer, TUN_HEADER + n);
	(void)written;
}

/* One packet as TUN gave it. How many segments it had. */
static unsigned int out_packet(struct path *p, const struct virtio_net_hdr *h, uint8_t *packet, size_t len)
{
	struct peer *peer = allowedips_lookup_destination(&p->device->allowed_ips, packet, len);
	struct session *session;
	unsigned int n = 0;
	struct gso g;
	uint8_t ecn;

	/* A peer that is nowhere yet must call us first, as with the kernel's WireGuard. */
	if (!peer || !endpoint_known(&peer->endpoint)) {
		path_refuse(p, packet, len, p->out.now_us);
		return 1;
	}
	if (gso_begin(&g, h, packet, len) < 0)
		return 1;
	/* A session has come up, and control is about to send what waits: that goes first. */
	session = peer_sending(peer);
	if (peer->stage && session_may_send(session, p->out.now_us, 1))
		path_out_staged(p, peer, false);
	ecn = ecn_outer(packet);
	for (size_t segment; (segment = gso_next_len(&g)) > 0; n++) {
		uint8_t *text;

		if (!session_may_send(session, p->out.now_us, 1)) {
			stage_all(p, peer, &g);
			return n + 1;
		}
		text = run_add(p, peer, session, segment, ecn);
		if (!text)
			break;
		gso_next(&g, text);
	}
	return n ? n : 1;
}

void path_out_staged(struct path *p, struct peer *peer, bool always_one)
{
	struct session *const session = peer_sending(peer);
	const uint8_t *packet;
	bool sent = false;
	size_t len;

	if (!endpoint_known(&peer->endpoint))
		return;
	while (peer->stage && session_may_send(session, p->out.now_us, 1) &&
		(packet = stage_take(p->out.stages, &peer->stage, &len))) {
		uint8_t *const text = run_add(p, peer, session, len, ecn_outer(packet));

		if (text)
			memcpy(text, packet, len);
		sent = sent || text;
	}
	if (!sent && always_one && session_may_send(session, p->out.now_us, 1))
		(void)run_add(p, peer, session, 0, 0);
	path_flush(p);
}

/* The packet's length, or a negative errno. */
static ssize_t tun_take(const struct path *p)
{
	/* The header lies before the packet, where the cipher's headroom is. */
	const ssize_t n = read(p->tun.fd, p->out.room + AEAD_HEADROOM, TUN_HEADER + TUN_PACKET_MAX);

	if (n < 0)
		return -errno;
	return n > (ssize_t)TUN_HEADER ? n - (ssize_t)TUN_HEADER : -EAGAIN;
}

/* The first packet is there. Takes more until there is none, or others should have their turn. What the last read said. */
static ssize_t out_turn(struct path *p, ssize_t n)
{
	uint8_t *const packet = p->out.room + AEAD_HEADROOM + TUN_HEADER;
	unsigned int segments = 0;
	struct virtio_net_hdr h;

	device_path_lock(p->device, DEVICE_OUT);
	p->out.now_us = path_now_us();
	p->out.may_wait = true;
	for (;;) {
		memcpy(&h, packet - TUN_HEADER, sizeof(h));
		segments += out_packet(p, &h, packet, (size_t)n);
		/* A full socket: others want the lock more than the next packet, which would be lost. */
		if (segments >= TURN_PACKETS || !p->out.may_wait)
			break;
		n = tun_take(p);
		if (n < 0)
			break;
	}
	path_flush(p);
	/* One that comes alone, and has to wait for a session: the first of a peer's. */
	device_path_done(p->device, DEVICE_OUT, n < 0 && segments == 1);
	return n;
}

void *path_out_main(void *path)
{
	struct path *p = path;

	while (!atomic_load_explicit(&p->stop, memory_order_relaxed)) {
		struct pollfd fds[] = { { .fd = p->tun.fd, .events = POLLIN }, { .fd = p->out.stop_fd, .events = POLLIN } };
		ssize_t n = tun_take(p);

		if (n >= 0)
			n = out_turn(p, n);
		if (n == -EAGAIN) {
			(void)poll(fds, 2, -1);
			continue;
		}
		/* EBADFD: the interface was deleted. EINTR cannot be, EIO is an interface that is down. */
		if (n == -EBADFD || n == -EBADF || n == -ENODEV || n == -EIO) {
			path_end(p);
			break;
		}
	}
	return NULL;
}
