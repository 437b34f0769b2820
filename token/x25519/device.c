/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/x25519/device.h"

#include "token/x25519/mem.h"

#define KEY X25519_KEY_SIZE
#define IN_THE_CLEAR (-1) /* instead of a host's index */

_Static_assert(X25519_DEVICE_SLOTS <= X25519_SLOTS_LIMIT && X25519_DEVICE_HOSTS <= X25519_HOSTS_LIMIT, "limits of the protocol");

/* One request while it is looked at. */
struct work {
	struct x25519_device *d;
	const struct x25519_call *call;
	const struct x25519_request *request;
	struct x25519_answer *answer; /* op and status are the caller's */
	int host;		      /* whose channel it came in; or IN_THE_CLEAR */
	bool wait;		      /* a touch is wanted */
};

static bool load_identity(struct x25519_device *d)
{
	uint8_t private_key[KEY];
	bool used = false, good;

	memset(d->hello.token_public, 0, KEY);
	good = d->storage->read_identity(d->userdata, private_key, &used) == 0;
	if (good && !used)
		good = d->crypto->random(private_key, KEY) == 0 && d->storage->write_identity(d->userdata, private_key) == 0;
	if (good)
		x25519_public(d->hello.token_public, d->crypto, private_key);
	d->crypto->wipe(private_key, KEY);
	return good;
}

bool x25519_device_init(struct x25519_device *d, const struct x25519_crypto *crypto,
	const struct x25519_storage *storage, void *userdata, uint32_t features)
{
	memset(d, 0, sizeof(*d));
	d->crypto = crypto;
	d->storage = storage;
	d->userdata = userdata;
	d->hello.oldest = X25519_VERSION;
	d->hello.newest = X25519_VERSION;
	d->hello.features = features;
	d->hello.slots = X25519_DEVICE_SLOTS;
	d->hello.hosts = X25519_DEVICE_HOSTS;
	return load_identity(d);
}

bool x25519_device_reset(struct x25519_device *d)
{
	d->crypto->wipe(d->sessions, sizeof(d->sessions));
	memset(d->touched_until_ms, 0, sizeof(d->touched_until_ms));
	return load_identity(d);
}

void x25519_device_clear(struct x25519_device *d)
{
	if (d->crypto)
		d->crypto->wipe(d, sizeof(*d));
}

static void end_session(struct x25519_device *d, struct x25519_session *s)
{
	d->crypto->wipe(s, sizeof(*s));
}

static struct x25519_session *find_session(struct x25519_device *d, uint32_t cid)
{
	for (unsigned int i = 0; i < X25519_DEVICE_CHANNELS; i++) {
		if (d->sessions[i].channel.open && d->sessions[i].cid == cid)
			return &d->sessions[i];
	}
	return NULL;
}

void x25519_device_forget(struct x25519_device *d, uint32_t cid)
{
	struct x25519_session *s = find_session(d, cid);

	if (s)
		end_session(d, s);
}

/* A free one, else one whose other end has proven nothing, else the one unused for longest. */
static struct x25519_session *new_session(struct x25519_device *d)
{
	struct x25519_session *best = &d->sessions[0];

	for (unsigned int i = 0; i < X25519_DEVICE_CHANNELS; i++) {
		struct x25519_session *s = &d->sessions[i];

		if (!s->channel.open) {
			best = s;
			break;
		}
		if (s->proven != best->proven ? !s->proven : s->used < best->used)
			best = s;
	}
	end_session(d, best);
	best->used = ++d->use_count;
	return best;
}

/* X25519_OK, or what to answer; with w->wait set nothing may have happened yet. */
static enum x25519_status ask_touch(struct work *w)
{
	switch (w->call->finger) {
	case X25519_FINGER_NONE:
		w->wait = true;
		return X25519_INTERNAL;
	case X25519_FINGER_GIVEN:
		return X25519_OK;
	case X25519_FINGER_DENIED:
		return X25519_TOUCH_DENIED;
	case X25519_FINGER_TIMEOUT:
		return X25519_TOUCH_TIMEOUT;
	case X25519_FINGER_CANCELLED:
		return X25519_CANCELLED;
	}
	return X25519_INTERNAL;
}

static enum x25519_status hello(struct work *w)
{
	struct x25519_device *d = w->d;
	struct x25519_slot slot;

	d->hello.taken = 0;
	for (unsigned int i = 0; i < X25519_DEVICE_SLOTS; i++) {
		if (d->storage->read_slot(d->userdata, i, &slot) != 0)
			return X25519_STORAGE;
		if (slot.used)
			d->hello.taken |= 1u << i;
		d->crypto->wipe(&slot, sizeof(slot));
	}
	memcpy(w->answer->nonce, w->request->nonce, X25519_HELLO_NONCE_SIZE);
	w->answer->hello = d->hello;
	return X25519_OK;
}

static void tell_info(struct work *w, const struct x25519_slot *slot)
{
	struct x25519_key_info *info = &w->answer->info;

	info->slot = w->request->slot;
	info->imported = slot->imported;
	info->owner = slot->owner;
	info->touch = slot->touch;
	info->cached_seconds = slot->cached_seconds;
	memcpy(info->public_key, slot->public_key, KEY);
}

/* GENERATE and IMPORT. A slot that holds a key is never written over. */
static enum x25519_status make_key(struct work *w, struct x25519_slot *slot)
{
	const struct x25519_request *r = w->request;
	struct x25519_device *d = w->d;
	bool import = r->op == X25519_IMPORT;
	enum x25519_status status;

	if (w->host == IN_THE_CLEAR && (import || !r->open))
		return X25519_NO_CHANNEL;
	if ((import && !(d->hello.features & X25519_FEATURE_IMPORT)) || (r->open && !(d->hello.features & X25519_FEATURE_OPEN)) ||
		(r->touch == X25519_TOUCH_CACHED && !(d->hello.features & X25519_FEATURE_CACHED)))
		return X25519_BAD_PARAMETER;
	if (slot->used)
		return X25519_SLOT_TAKEN;
	status = ask_touch(w);
	if (status != X25519_OK)
		return status;
	slot->used = true;
	slot->imported = import;
	slot->owner = r->open ? X25519_NO_HOST : (uint8_t)w->host;
	slot->touch = r->touch;
	slot->cached_seconds = r->cached_seconds;
	if (import)
		memcpy(slot->private_key, r->key, KEY);
	else if (d->crypto->random(slot->private_key, KEY) != 0)
		return X25519_INTERNAL;
	x25519_public(slot->public_key, d->crypto, slot->private_key);
	d->touched_until_ms[r->slot] = 0;
	if (d->storage->write_slot(d->userdata, r->slot, slot) != 0)
		return X25519_STORAGE;
	tell_info(w, slot);
	return X25519_OK;
}

/* DH and ERASE: of a slot that is bound to a host only that host, and only in its channel. */
static enum x25519_status check_owner(const struct work *w, const struct x25519_slot *slot)
{
	if (slot->used && slot->owner == X25519_NO_HOST)
		return X25519_OK;
	if (w->host == IN_THE_CLEAR)
		return X25519_NO_CHANNEL; /* of an empty slot too: the clear tells nothing more */
	if (!slot->used)
		return X25519_SLOT_EMPTY;
	return slot->owner == w->host ? X25519_OK : X25519_NOT_OWNER;
}

static enum x25519_status check_policy(struct work *w, const struct x25519_slot *slot)
{
	uint64_t *until = &w->d->touched_until_ms[w->request->slot], now = w->call->now_ms;
	enum x25519_status status;

	switch (slot->touch) {
	case X25519_TOUCH_NEVER:
		return X25519_OK;
	case X25519_TOUCH_CACHED:
		if (now < *until)
			return X25519_OK;
		status = ask_touch(w);
		if (status == X25519_OK)
			*until = now + slot->cached_seconds * UINT64_C(1000);
		return status;
	case X25519_TOUCH_ALWAYS:
		break;
	}
	return ask_touch(w);
}

static enum x25519_status dh(struct work *w, const struct x25519_slot *slot)
{
	enum x25519_status status = check_owner(w, slot);

	if (status == X25519_OK)
		status = check_policy(w, slot);
	if (status != X25519_OK)
		return status;
	w->d->crypto->x25519(w->answer->shared, slot->private_key, w->request->key);
	return x25519_is_zero(w->answer->shared) ? X25519_BAD_POINT : X25519_OK;
}

static enum x25519_status erase(struct work *w, const struct x25519_slot *slot)
{
	static const struct x25519_slot empty;
	enum x25519_status status = check_owner(w, slot);

	if (status == X25519_OK)
		status = ask_touch(w);
	if (status != X25519_OK)
		return status;
	w->d->touched_until_ms[w->request->slot] = 0;
	return w->d->storage->write_slot(w->d->userdata, w->request->slot, &empty) == 0 ? X25519_OK : X25519_STORAGE;
}

static enum x25519_status with_slot(struct work *w)
{
	struct x25519_slot slot;
	enum x25519_status status;

	if (w->request->slot >= X25519_DEVICE_SLOTS)
		return X25519_BAD_SLOT;
	if (w->d->storage->read_slot(w->d->userdata, w->request->slot, &slot) != 0)
		return X25519_STORAGE;
	if (w->request->op == X25519_GENERATE || w->request->op == X25519_IMPORT) {
		status = make_key(w, &slot);
	} else if (w->request->op == X25519_DH) {
		status = dh(w, &slot);
	} else if (w->request->op == X25519_ERASE) {
		status = erase(w, &slot);
	} else {
		status = slot.used ? X25519_OK : X25519_SLOT_EMPTY;
		if (slot.used)
			tell_info(w, &slot);
	}
	w->d->crypto->wipe(&slot, sizeof(slot));
	return status;
}

/* The place of a host with this key, else a free one. */
static enum x25519_status find_place(struct x25519_device *d, const uint8_t public_key[static KEY], uint8_t *ret, bool *ret_known)
{
	struct x25519_host host;
	int place = -1;

	*ret_known = false;
	for (unsigned int i = 0; i < X25519_DEVICE_HOSTS && !*ret_known; i++) {
		if (d->storage->read_host(d->userdata, i, &host) != 0)
			return X25519_STORAGE;
		*ret_known = host.used && memcmp(host.public_key, public_key, KEY) == 0;
		if (*ret_known || (!host.used && place < 0))
			place = (int)i;
	}
	if (place < 0)
		return X25519_HOSTS_FULL;
	*ret = (uint8_t)place;
	return X25519_OK;
}

/* A key of low order would make channels whose secrets anybody knows half of. */
static bool good_host_key(const struct x25519_device *d, const uint8_t public_key[static KEY])
{
	static const uint8_t any[KEY] = {8};
	uint8_t product[KEY];

	d->crypto->x25519(product, any, public_key);
	return !x25519_is_zero(product);
}

static enum x25519_status pair(struct work *w)
{
	struct x25519_device *d = w->d;
	struct x25519_host host = {.used = true};
	enum x25519_status status;
	uint8_t place = 0;
	bool known;

	if (x25519_is_zero(d->hello.token_public)) /* a reset that could not be finished */
		return X25519_STORAGE;
	if (!good_host_key(d, w->request->key))
		return X25519_BAD_POINT;
	status = find_place(d, w->request->key, &place, &known);
	if (status == X25519_OK)
		status = ask_touch(w);
	if (status != X25519_OK)
		return status;
	memcpy(host.public_key, w->request->key, KEY);
	if (!known && d->storage->write_host(d->userdata, place, &host) != 0)
		return X25519_STORAGE;
	w->answer->host = place;
	memcpy(w->answer->token_public, d->hello.token_public, KEY);
	return X25519_OK;
}

/* With the host go its keys: its place may be another's next. Keys first, so that one cut short can be done again. */
static enum x25519_status unpair(struct work *w)
{
	static const struct x25519_slot empty;
	static const struct x25519_host nobody;
	struct x25519_device *d = w->d;
	uint8_t index = w->request->host;
	struct x25519_host host = {.used = false};
	struct x25519_slot slot;
	enum x25519_status status;

	if (index < X25519_DEVICE_HOSTS && d->storage->read_host(d->userdata, index, &host) != 0)
		return X25519_STORAGE;
	status = host.used ? ask_touch(w) : X25519_NOT_PAIRED;
	for (unsigned int i = 0; i < X25519_DEVICE_SLOTS && status == X25519_OK; i++) {
		if (d->storage->read_slot(d->userdata, i, &slot) != 0)
			return X25519_STORAGE;
		if (slot.used && slot.owner == index) {
			d->touched_until_ms[i] = 0;
			if (d->storage->write_slot(d->userdata, i, &empty) != 0)
				status = X25519_STORAGE;
		}
		d->crypto->wipe(&slot, sizeof(slot));
	}
	if (status == X25519_OK && d->storage->write_host(d->userdata, index, &nobody) != 0)
		status = X25519_STORAGE;
	return status;
}

static enum x25519_status channel(struct work *w)
{
	const struct x25519_request *r = w->request;
	struct x25519_device *d = w->d;
	struct x25519_terms terms = {.version = r->version, .host = r->host, .hello = &d->hello};
	uint8_t private_key[KEY];
	struct x25519_host host;
	struct x25519_ends ends = {private_key, d->hello.token_public, host.public_key};
	struct x25519_session *s;
	bool used = false;
	enum x25519_status status = X25519_NOT_PAIRED;

	x25519_device_forget(d, w->call->cid);
	if (r->version != X25519_VERSION)
		return X25519_BAD_VERSION;
	if (r->host >= X25519_DEVICE_HOSTS)
		return X25519_NOT_PAIRED;
	if (d->storage->read_host(d->userdata, r->host, &host) != 0)
		return X25519_STORAGE;
	if (!host.used)
		return X25519_NOT_PAIRED;
	if (d->storage->read_identity(d->userdata, private_key, &used) != 0 || !used) {
		status = X25519_STORAGE;
	} else {
		struct x25519_channel fresh;

		if (x25519_channel_accept(&fresh, d->crypto, &ends, &terms, r->handshake, w->answer->handshake)) {
			/* only now: what does not fit ends nobody's channel */
			s = new_session(d);
			s->cid = w->call->cid;
			s->host = r->host;
			s->channel = fresh;
			status = X25519_OK;
		}
		x25519_channel_end(&fresh, d->crypto);
	}
	d->crypto->wipe(private_key, KEY);
	return status;
}

static enum x25519_status perform(struct work *w)
{
	bool clear = w->host == IN_THE_CLEAR;

	switch (w->request->op) {
	case X25519_HELLO:
		return clear ? hello(w) : X25519_UNKNOWN_OP;
	case X25519_PAIR:
		return clear ? pair(w) : X25519_UNKNOWN_OP;
	case X25519_CHANNEL:
		return clear ? channel(w) : X25519_UNKNOWN_OP;
	case X25519_UNPAIR:
		return clear ? X25519_NO_CHANNEL : unpair(w);
	case X25519_PUBLIC:
	case X25519_GENERATE:
	case X25519_IMPORT:
	case X25519_DH:
	case X25519_ERASE:
		return with_slot(w);
	case X25519_SEALED:
		break; /* no channel inside a channel */
	}
	return X25519_UNKNOWN_OP;
}

static enum x25519_verdict handle_one(struct x25519_device *d, const struct x25519_call *call, const uint8_t *data, size_t len,
	int host, uint8_t ret[static X25519_MESSAGE_MAX], size_t *ret_len)
{
	struct x25519_request request;
	struct x25519_answer answer;
	struct work w = {.d = d, .call = call, .request = &request, .answer = &answer, .host = host};

	memset(&answer, 0, sizeof(answer));
	answer.status = x25519_request_decode(&request, data, len);
	if (answer.status == X25519_OK)
		answer.status = perform(&w);
	answer.op = (enum x25519_op)data[0];
	if (!w.wait)
		*ret_len = x25519_answer_encode(ret, &answer);
	/* keys are in both */
	d->crypto->wipe(&request, sizeof(request));
	d->crypto->wipe(&answer, sizeof(answer));
	return w.wait ? X25519_TOUCH_WANTED : X25519_ANSWERED;
}

static enum x25519_verdict fail(
	uint8_t ret[static X25519_MESSAGE_MAX], size_t *ret_len, enum x25519_op op, enum x25519_status status)
{
	ret[0] = (uint8_t)op;
	ret[1] = (uint8_t)status;
	*ret_len = 2;
	return X25519_ANSWERED;
}

static void end_sessions_of_gone_hosts(struct x25519_device *d)
{
	struct x25519_host host;

	for (unsigned int i = 0; i < X25519_DEVICE_CHANNELS; i++) {
		struct x25519_session *s = &d->sessions[i];

		if (s->channel.open && (d->storage->read_host(d->userdata, s->host, &host) != 0 || !host.used))
			end_session(d, s);
	}
}

static enum x25519_verdict handle_sealed(struct x25519_device *d, const struct x25519_call *call,
	uint8_t ret[static X25519_MESSAGE_MAX], size_t *ret_len)
{
	struct x25519_session *s = find_session(d, call->cid);
	uint8_t inner[X25519_MESSAGE_MAX], plain[X25519_MESSAGE_MAX];
	enum x25519_verdict verdict;
	struct x25519_request outer;
	enum x25519_status status = x25519_request_decode(&outer, call->request, call->len);
	size_t n = 0;
	bool unpair;

	if (status != X25519_OK)
		return fail(ret, ret_len, X25519_SEALED, status);
	if (!s)
		return fail(ret, ret_len, X25519_SEALED, X25519_NO_CHANNEL);
	if (!x25519_channel_open(&s->channel, d->crypto, inner, outer.sealed, outer.sealed_len))
		return fail(ret, ret_len, X25519_SEALED, X25519_NO_CHANNEL);
	s->proven = true;
	s->used = ++d->use_count;
	verdict = handle_one(d, call, inner, outer.sealed_len - X25519_TAG_SIZE, s->host, plain, &n);
	unpair = inner[0] == X25519_UNPAIR;
	d->crypto->wipe(inner, sizeof(inner));
	if (verdict == X25519_TOUCH_WANTED) {
		s->channel.received--; /* the same request comes again, with what became of the touch */
		return verdict;
	}
	n = x25519_channel_seal(&s->channel, d->crypto, ret + 2, plain, n);
	d->crypto->wipe(plain, sizeof(plain));
	if (n == 0)
		return fail(ret, ret_len, X25519_SEALED, X25519_NO_CHANNEL);
	if (unpair)
		end_sessions_of_gone_hosts(d);
	ret[0] = X25519_SEALED;
	ret[1] = X25519_OK;
	*ret_len = 2 + n;
	return X25519_ANSWERED;
}

enum x25519_verdict x25519_device_handle(struct x25519_device *d, const struct x25519_call *call,
	uint8_t answer[static X25519_MESSAGE_MAX], size_t *ret_len)
{
	if (call->len == 0 || call->len > X25519_MESSAGE_MAX)
		return fail(answer, ret_len, (enum x25519_op)0, X25519_BAD_LENGTH);
	if (call->request[0] == X25519_SEALED)
		return handle_sealed(d, call, answer, ret_len);
	return handle_one(d, call, call->request, call->len, IN_THE_CLEAR, answer, ret_len);
}
