/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/sim/tunnel-world.h"

#include <errno.h>
#include <sodium.h>

#define DATA_HEADER 16
#define DATA_LEN 24 /* of a packet that is not a keepalive */
#define STAGED_MAX 128

struct packet {
	struct packet *next;
	uint64_t at_us;
	struct endpoint from, to;
	size_t len;
	uint8_t bytes[148];
};

struct path_stage {
	unsigned int n;
};

struct static_call {
	struct static_call *next;
	uint64_t at_us;
	struct static_request request;
	static_done done;
	void *userdata;
};

uint64_t world_now(const struct world *w)
{
	return w->clock.now.boot_us;
}

/* splitmix64 */
static uint64_t chance(uint64_t *seed)
{
	uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

unsigned int world_random(struct world *w, unsigned int below)
{
	return (unsigned int)(chance(&w->seed) % below);
}

/* Keys, indexes and jitter too, so that what fails once fails again. */
static uint64_t random_seed;

static const char *random_name(void)
{
	return "simulated";
}

static uint32_t random_number(void)
{
	return (uint32_t)chance(&random_seed);
}

static void random_bytes(void *buf, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((uint8_t *)buf)[i] = (uint8_t)random_number();
}

static randombytes_implementation random_simulated = {
	.implementation_name = random_name, .random = random_number, .buf = random_bytes };

static void put_on_wire(struct node *n, const void *bytes, size_t len, const struct endpoint *to)
{
	struct world *w = n->world;
	const unsigned int copies = 1 + (world_random(w, 100) < w->double_percent);

	n->n_sent[((const uint8_t *)bytes)[0]]++;
	n->n_bytes_sent += (unsigned int)len;
	if (((const uint8_t *)bytes)[0] < 4)
		memcpy(n->last_message[((const uint8_t *)bytes)[0]], bytes, len);
	if (world_random(w, 100) < w->loss_percent)
		return;
	for (unsigned int i = 0; i < copies; i++) {
		struct packet *p = calloc(1, sizeof(*p)), **link = &w->packets;

		assert_non_null(p);
		assert_true(len <= sizeof(p->bytes));
		p->at_us = world_now(w) + w->delay_us + (w->jitter_us ? world_random(w, (unsigned int)w->jitter_us) : 0);
		p->from = n->address;
		p->to = *to;
		p->len = len;
		memcpy(p->bytes, bytes, len);
		while (*link && (*link)->at_us <= p->at_us)
			link = &(*link)->next;
		p->next = *link;
		*link = p;
	}
}

static int path_send_message(void *path, const void *bytes, size_t len, struct endpoint *to)
{
	assert_true(endpoint_known(to));
	put_on_wire(path, bytes, len, to);
	return 0;
}

static void encrypt(struct node *n, struct peer *p, bool data)
{
	struct session *s = p->current;
	uint8_t bytes[DATA_HEADER + DATA_LEN + 16] = { MESSAGE_DATA }, plain[DATA_LEN] = { 0x45 }, nonce[12] = { 0 };
	const size_t len = data ? DATA_LEN : 0;

	message_put32(bytes + 4, s->remote_index);
	memcpy(bytes + 8, &s->send_counter, 8);
	memcpy(nonce + 4, &s->send_counter, 8);
	s->send_counter++;
	crypto_aead_chacha20poly1305_ietf_encrypt(bytes + DATA_HEADER, NULL, plain, len, NULL, 0, NULL, nonce, s->send_key);
	put_on_wire(n, bytes, DATA_HEADER + len + 16, &p->endpoint);
	peer_note_sent(p, s, world_now(n->world), DATA_HEADER + len + 16, data);
}

static void path_send_staged(void *path, struct peer *p, uint64_t now_us, bool always_one)
{
	struct node *n = path;

	device_path_lock(&n->device, DEVICE_OUT);
	if (session_may_send(p->current, now_us, 1)) {
		const unsigned int staged = p->stage ? p->stage->n : 0;

		for (unsigned int i = 0; i < staged; i++)
			encrypt(n, p, true);
		if (p->stage)
			p->stage->n = 0;
		if (!staged && always_one)
			encrypt(n, p, false);
	}
	device_path_unlock(&n->device, DEVICE_OUT);
}

static void path_drop_staged(void *path, struct peer *p, bool tell)
{
	struct node *n = path;

	if (tell)
		n->n_refused += p->stage->n;
	n->n_dropped_staged += p->stage->n;
	free(p->stage);
	p->stage = NULL;
}

static int path_rebind(void *path, uint16_t *port, uint32_t fwmark)
{
	const struct node *n = path;

	(void)fwmark;
	if (*port == 1)
		return -EADDRINUSE;
	if (!*port)
		*port = ntohs(n->address.to.in.sin_port);
	return 0;
}

static const struct path_ops path_ops = {
	.send_message = path_send_message,
	.send_staged = path_send_staged,
	.drop_staged = path_drop_staged,
	.rebind = path_rebind,
};

void node_send(struct node *a, const struct node *b, unsigned int n)
{
	struct peer *p = node_peer(a, b);

	device_path_lock(&a->device, DEVICE_OUT);
	for (unsigned int i = 0; i < n; i++) {
		if (session_may_send(p->current, world_now(a->world), 1)) {
			encrypt(a, p, true);
			continue;
		}
		if (!p->stage)
			p->stage = calloc(1, sizeof(*p->stage));
		if (p->stage->n < STAGED_MAX)
			p->stage->n++;
		peer_raise(p, PEER_NEED_HANDSHAKE);
	}
	device_path_unlock(&a->device, DEVICE_OUT);
}

static void decrypt(struct node *n, const uint8_t *bytes, size_t len, const struct endpoint *from)
{
	const struct index_entry *e = index_find(&n->device.indexes, message_get32(bytes + 4));
	uint8_t plain[DATA_LEN], nonce[12] = { 0 };
	struct session *s = e ? e->session : NULL;
	uint64_t counter;

	memcpy(&counter, bytes + 8, 8);
	memcpy(nonce + 4, &counter, 8);
	if (!session_may_receive(s, world_now(n->world))) {
		n->n_bad++;
		return;
	}
	if (!replay_may(&s->replay, counter)) {
		n->n_replayed++;
		return;
	}
	if (len > DATA_HEADER + DATA_LEN + 16 || crypto_aead_chacha20poly1305_ietf_decrypt(plain, NULL, NULL, bytes + DATA_HEADER,
							 len - DATA_HEADER, NULL, 0, nonce, s->receive_key) != 0) {
		n->n_bad++;
		return;
	}
	assert_true(replay_take(&s->replay, counter));
	peer_note_received(e->peer, s, world_now(n->world), len, len > DATA_HEADER + 16, from);
	if (len > DATA_HEADER + 16)
		n->n_received_data++;
	else
		n->n_keepalives++;
}

void node_receive(struct node *n, const void *bytes, size_t len, const struct endpoint *from)
{
	if (n->deaf)
		return;
	device_path_lock(&n->device, DEVICE_IN);
	if (message_type(bytes, len) == MESSAGE_DATA)
		decrypt(n, bytes, len, from);
	else
		device_deliver(&n->device, bytes, len, from);
	device_path_unlock(&n->device, DEVICE_IN);
}

/* The slow key. */
static int slow_dh(struct static_key *k, const struct static_request *request, static_done done, void *userdata,
	struct static_call **ret_call, struct secret **ret_shared)
{
	struct slow_key *s = (struct slow_key *)k;
	struct static_call *call;

	(void)ret_shared;
	/* The broker's own rules. */
	assert_true(request->message_len == (request->role == STATIC_PEER ? 0u : request->role == STATIC_INITIATOR ? 92u : 148u));
	s->n_calls[request->role]++;
	if (s->closed)
		return -EACCES;
	call = calloc(1, sizeof(*call));
	call->at_us = s->delay_us == US_NEVER - 1 ? US_NEVER : world_now(s->node->world) + s->delay_us;
	call->request = *request;
	call->done = done;
	call->userdata = userdata;
	call->next = s->calls;
	s->calls = call;
	*ret_call = call;
	return 0;
}

static void slow_cancel(struct static_key *k, struct static_call *call)
{
	struct slow_key *s = (struct slow_key *)k;
	struct static_call **link = &s->calls;

	while (*link != call)
		link = &(*link)->next;
	*link = call->next;
	free(call);
}

static bool slow_approved(struct static_key *k, const uint8_t peer[static KEY_SIZE])
{
	(void)peer;
	return !((struct slow_key *)k)->closed;
}

static void slow_free(struct static_key *k)
{
	struct slow_key *s = (struct slow_key *)k;

	while (s->calls)
		slow_cancel(k, s->calls);
	s->node->slow = NULL;
	secret_free(s->private_key);
	free(s);
}

static const struct static_key_ops slow_ops = {
	.dh = slow_dh, .cancel = slow_cancel, .approved = slow_approved, .free = slow_free };

static struct static_call *slow_due(const struct slow_key *s, uint64_t now_us)
{
	for (struct static_call *c = s ? s->calls : NULL; c; c = c->next)
		if (c->at_us <= now_us)
			return c;
	return NULL;
}

static void slow_answer(struct slow_key *s, struct static_call *call)
{
	const static_done done = call->done;
	void *userdata = call->userdata;
	struct secret *shared = secret_new(32);
	int error = s->error;

	if (!error && crypto_scalarmult(secret_borrow_mut(shared), secret_key(s->private_key), call->request.point) != 0)
		error = -EINVAL;
	if (error)
		shared = secret_free(shared);
	slow_cancel(&s->key, call);
	done(userdata, error, shared);
}

static struct static_key *slow_new(struct node *n, uint64_t delay_us)
{
	struct slow_key *s = calloc(1, sizeof(*s));

	s->key = (struct static_key){ .ops = &slow_ops, .resident = true, .burst = 4, .waiting_max = 2, .rate_us = SEC / 2 };
	memcpy(s->key.public_key, n->public_key, KEY_SIZE);
	s->private_key = secret_new(32);
	memcpy(secret_borrow_mut(s->private_key), n->private_key, KEY_SIZE);
	s->node = n;
	s->delay_us = delay_us;
	n->slow = s;
	return &s->key;
}

static void node_start(struct node *n, uint64_t delay_us)
{
	struct static_key *key;

	assert_int_equal(device_init(&n->device, &path_ops, n), 0);
	assert_int_equal(control_init(&n->control, &n->device, &n->world->clock.clock), 0);
	if (delay_us == US_NEVER) {
		struct secret *private_key = secret_new(32);

		memcpy(secret_borrow_mut(private_key), n->private_key, KEY_SIZE);
		key = static_key_software_new(private_key);
	} else {
		key = slow_new(n, delay_us);
	}
	assert_int_equal(control_set_key(&n->control, key, n->world->clock.now), 0);
	assert_int_equal(control_set_up(&n->control, true, n->world->clock.now), 0);
	n->alive = true;
}

struct node *world_node(struct world *w, uint64_t delay_us)
{
	struct node *n = &w->nodes[w->n_nodes++];

	assert_true(w->n_nodes <= WORLD_NODES);
	n->world = w;
	randombytes_buf(n->private_key, KEY_SIZE);
	n->private_key[0] &= 248;
	n->private_key[31] = (uint8_t)((n->private_key[31] & 127) | 64);
	crypto_scalarmult_base(n->public_key, n->private_key);
	n->address.to.in.sin_family = AF_INET;
	n->address.to.in.sin_addr.s_addr = htonl(0x0a000000 + w->n_nodes);
	n->address.to.in.sin_port = htons((in_port_t)(51820 + w->n_nodes));
	node_start(n, delay_us);
	return n;
}

static void node_stop(struct node *n)
{
	control_clear(&n->control);
	/* Nothing that was given an index is forgotten. */
	assert_int_equal(n->device.indexes.n, 0);
	device_clear(&n->device);
	n->alive = false;
}

void node_restart(struct node *n)
{
	const uint64_t delay_us = n->slow ? n->slow->delay_us : US_NEVER;

	node_stop(n);
	node_start(n, delay_us);
}

struct peer *node_peer(const struct node *a, const struct node *b)
{
	return device_peer_find(&a->device, b->public_key);
}

struct peer *node_add_peer(struct node *a, const struct node *b, bool endpoint)
{
	struct peer *p;

	assert_int_equal(control_peer_add(&a->control, b->public_key, &p), 0);
	if (endpoint)
		p->endpoint = b->address;
	return p;
}

void world_join(struct node *a, struct node *b)
{
	node_add_peer(a, b, true);
	node_add_peer(b, a, true);
}

void world_init(struct world *w, uint64_t seed)
{
	memset(w, 0, sizeof(*w));
	random_seed = seed ^ UINT64_C(0x5eed);
	randombytes_set_implementation(&random_simulated);
	/* 2026; the machine has been up for a while. */
	clock_fake_init(&w->clock, 1000 * SEC, UINT64_C(1790000000) * SEC);
	w->seed = seed;
	w->delay_us = 10 * MS;
}

static void packet_drop(struct world *w)
{
	struct packet *p = w->packets;

	w->packets = p->next;
	free(p);
}

void world_clear(struct world *w)
{
	while (w->packets)
		packet_drop(w);
	for (unsigned int i = 0; i < w->n_nodes; i++)
		if (w->nodes[i].alive)
			node_stop(&w->nodes[i]);
}

/* Everything that is due now. */
static void world_settle(struct world *w)
{
	const uint64_t now_us = world_now(w);

	while (w->packets && w->packets->at_us <= now_us) {
		struct packet p = *w->packets;

		packet_drop(w);
		for (unsigned int i = 0; i < w->n_nodes; i++)
			if (w->nodes[i].alive &&
				w->nodes[i].address.to.in.sin_addr.s_addr == p.to.to.in.sin_addr.s_addr &&
				w->nodes[i].address.to.in.sin_port == p.to.to.in.sin_port)
				node_receive(&w->nodes[i], p.bytes, p.len, &p.from);
	}
	for (unsigned int i = 0; i < w->n_nodes; i++) {
		struct node *n = &w->nodes[i];
		struct static_call *call;

		if (!n->alive)
			continue;
		/* Packet threads do the main thread's work now and then. */
		if (world_random(w, 2) || control_serve(&n->control, w->clock.now))
			while (control_kicked(&n->control, w->clock.now))
				;
		while (n->slow && (call = slow_due(n->slow, now_us)))
			slow_answer(n->slow, call);
		control_run(&n->control, w->clock.now);
		/* Sometimes there is an idle moment, sometimes not. */
		if (world_random(w, 2) && w->clock.now.boot_us >= control_prepare_at(&n->control))
			control_prepare(&n->control);
	}
}

static uint64_t world_next(const struct world *w)
{
	uint64_t next = w->packets ? w->packets->at_us : US_NEVER;

	for (unsigned int i = 0; i < w->n_nodes; i++) {
		const struct node *n = &w->nodes[i];

		if (!n->alive)
			continue;
		if (control_deadline(&n->control) < next)
			next = control_deadline(&n->control);
		for (struct static_call *c = n->slow ? n->slow->calls : NULL; c; c = c->next)
			if (c->at_us < next)
				next = c->at_us;
	}
	return next;
}

void world_run(struct world *w, uint64_t us)
{
	const uint64_t end = world_now(w) + us;
	uint64_t next;

	for (;;) {
		world_settle(w);
		next = world_next(w);
		if (next > end)
			break;
		if (next > world_now(w))
			clock_fake_advance(&w->clock, next - world_now(w));
	}
	clock_fake_advance(&w->clock, end - world_now(w));
	world_settle(w);
}

void assert_open(struct node *a, struct node *b)
{
	const unsigned int at_a = a->n_received_data, at_b = b->n_received_data;

	node_send(a, b, 3);
	node_send(b, a, 2);
	world_run(a->world, 4 * (a->world->delay_us + a->world->jitter_us) + MS);
	assert_int_equal(b->n_received_data, at_b + 3);
	assert_int_equal(a->n_received_data, at_a + 2);
}
