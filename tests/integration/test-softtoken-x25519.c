/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wgX25519 on a software token that is plugged in: what others on the same node see and get. Everybody who has the
 * node open gets all that the token sends, as with hidraw.
 */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <poll.h>
#include <sodium.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/integration/softtoken.h"
#include "tests/unit/x25519-host.h"
#include "token/x25519-sodium.h"

#define REPORT 64
#define PATIENCE_MS 20000
#define ERROR 0x3f
#define KEEPALIVE 0x3b

struct process {
	int fd;
	uint8_t channel[4];
	unsigned int keepalives;
	uint8_t error; /* of CTAPHID, on the last message */
};

struct fixture {
	struct softtoken token;
	struct process host, other;
	struct x25519_host_end alice;
};

static void send_report(int fd, const uint8_t channel[static 4], uint8_t command, const void *data, size_t len)
{
	/* the report number that hidraw wants before it */
	uint8_t report[1 + REPORT] = {0, channel[0], channel[1], channel[2], channel[3], command | 0x80, 0, (uint8_t)len};

	if (len > 0)
		memcpy(report + 8, data, len);
	if (softtoken_is_uhid())
		assert_int_equal(write(fd, report, 1 + REPORT), 1 + REPORT);
	else
		assert_int_equal(send(fd, report + 1, REPORT, MSG_NOSIGNAL), REPORT);
}

static void receive_report(int fd, uint8_t report[static REPORT])
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&pfd, 1, PATIENCE_MS), 1);
	assert_int_equal(read(fd, report, REPORT), REPORT);
}

static void process_start(struct process *p, const struct softtoken *t)
{
	static const uint8_t broadcast[4] = {0xff, 0xff, 0xff, 0xff};
	uint8_t report[REPORT], nonce[8];

	*p = (struct process){.fd = softtoken_is_uhid() ? open(t->node, O_RDWR | O_CLOEXEC) : softtoken_connect(t)};
	assert_true(p->fd >= 0);
	randombytes_buf(nonce, sizeof(nonce));
	send_report(p->fd, broadcast, 0x06, nonce, sizeof(nonce));
	do
		receive_report(p->fd, report);
	while (memcmp(report + 7, nonce, sizeof(nonce)) != 0);
	memcpy(p->channel, report + 15, 4);
}

static void process_end(struct process *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

static size_t carry(void *userdata, const uint8_t *request, size_t len, uint8_t answer[static X25519_MESSAGE_MAX])
{
	struct process *p = userdata;
	uint8_t report[REPORT];

	send_report(p->fd, p->channel, X25519_COMMAND, request, len);
	for (;;) {
		receive_report(p->fd, report);
		if (memcmp(report, p->channel, 4) != 0)
			continue;
		p->error = 0;
		if (report[4] == (KEEPALIVE | 0x80)) {
			p->keepalives++;
			continue;
		}
		if (report[4] == (ERROR | 0x80)) {
			p->error = report[7];
			return 0;
		}
		assert_int_equal(report[4], X25519_COMMAND | 0x80);
		assert_true(report[6] <= X25519_MESSAGE_MAX);
		memcpy(answer, report + 7, report[6]);
		return report[6];
	}
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_true(sodium_init() >= 0);
	softtoken_init(&f->token);
	f->host.fd = f->other.fd = -1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	process_end(&f->host);
	process_end(&f->other);
	softtoken_clear(&f->token);
	free(f);
	return 0;
}

static void begin(struct fixture *f, const char *const *arguments)
{
	process_end(&f->host);
	process_end(&f->other);
	softtoken_plug(&f->token, arguments);
	process_start(&f->host, &f->token);
	process_start(&f->other, &f->token);
	f->alice.userdata = &f->host;
	if (!f->alice.carry)
		x25519_host_init(&f->alice, 0x11, carry, &f->host);
	x25519_host_hello(&f->alice);
}

static void generate(struct fixture *f, uint8_t slot, enum x25519_touch touch, uint16_t seconds, uint8_t ret_public[static 32])
{
	struct x25519_request r = {.op = X25519_GENERATE, .slot = slot, .touch = touch, .cached_seconds = seconds};
	struct x25519_answer a;

	assert_int_equal(x25519_host_ask_sealed(&f->alice, &r, &a), X25519_OK);
	memcpy(ret_public, a.info.public_key, 32);
}

static enum x25519_status dh(struct x25519_host_end *h, uint8_t slot, struct x25519_answer *ret)
{
	struct x25519_request r = {.op = X25519_DH, .slot = slot, .key = {9}};

	return x25519_host_ask_sealed(h, &r, ret);
}

/* Everything that has come since, of all channels. */
static size_t overhear(struct process *p, uint8_t *ret, size_t max)
{
	struct pollfd pfd = {.fd = p->fd, .events = POLLIN};
	size_t n = 0;

	while (n + REPORT <= max && poll(&pfd, 1, 0) == 1) {
		assert_int_equal(read(p->fd, ret + n, REPORT), REPORT);
		n += REPORT;
	}
	return n;
}

static bool contains(const uint8_t *heap, size_t len, const uint8_t *needle, size_t n)
{
	for (size_t i = 0; i + n <= len; i++) {
		if (memcmp(heap + i, needle, n) == 0)
			return true;
	}
	return false;
}

/* A point's product with a key that it also knows the public one of: only the channel hides it. */
static void test_second_reader_sees_no_secret(void **state)
{
	struct fixture *f = *state;
	uint8_t heard[64 * REPORT], key[32];
	struct x25519_request r = {.op = X25519_DH, .slot = 0, .key = {9}};
	struct x25519_answer a;
	size_t len;

	begin(f, NULL);
	assert_int_equal(x25519_host_pair(&f->alice), X25519_OK);
	assert_int_equal(x25519_host_channel(&f->alice), X25519_OK);
	generate(f, 0, X25519_TOUCH_NEVER, 0, key);
	overhear(&f->other, heard, sizeof(heard));
	for (int i = 0; i < 5; i++) {
		assert_int_equal(dh(&f->alice, 0, &a), X25519_OK);
		assert_memory_equal(a.shared, key, 32); /* the base point: its own public key, to recognise it by */
		len = overhear(&f->other, heard, sizeof(heard));
		assert_int_equal(len, REPORT); /* it did hear the answer */
		for (size_t part = 0; part < 32; part += 8)
			assert_false(contains(heard, len, a.shared + part, 8));
	}
	/* and would have seen it: of a slot that is bound to no host */
	r = (struct x25519_request){.op = X25519_GENERATE, .slot = 1, .open = true};
	assert_int_equal(x25519_host_ask(&f->alice, &r, &a), X25519_OK);
	memcpy(key, a.info.public_key, 32);
	overhear(&f->other, heard, sizeof(heard));
	r = (struct x25519_request){.op = X25519_DH, .slot = 1, .key = {9}};
	assert_int_equal(x25519_host_ask(&f->alice, &r, &a), X25519_OK);
	len = overhear(&f->other, heard, sizeof(heard));
	assert_true(contains(heard, len, key, 32));
}

/* Malware of the same session, with a handle and a channel of its own. */
static void test_another_process_gets_nothing(void **state)
{
	static const enum x25519_op ops[] = {X25519_GENERATE, X25519_IMPORT, X25519_DH, X25519_ERASE, X25519_UNPAIR};
	struct fixture *f = *state;
	struct x25519_host_end mallory;
	struct process as_host;
	struct x25519_answer a;
	uint8_t key[32];

	begin(f, NULL);
	assert_int_equal(x25519_host_pair(&f->alice), X25519_OK);
	assert_int_equal(x25519_host_channel(&f->alice), X25519_OK);
	generate(f, 0, X25519_TOUCH_NEVER, 0, key);
	x25519_host_init(&mallory, 0x66, carry, &f->other);
	x25519_host_hello(&mallory);
	for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
		struct x25519_request r = {.op = ops[i], .slot = i == 0 ? 1 : 0, .key = {9}};

		assert_int_equal(x25519_host_ask(&mallory, &r, &a), X25519_NO_CHANNEL);
	}
	mallory.index = f->alice.index;
	assert_int_equal(x25519_host_channel(&mallory), X25519_NOT_PAIRED);
	/* writing reports that carry the host's own CTAPHID channel number, which it has seen: the host's channel ends, no more */
	as_host = f->other;
	memcpy(as_host.channel, f->host.channel, 4);
	mallory.userdata = &as_host;
	assert_int_equal(x25519_host_ask(&mallory, &(struct x25519_request){.op = X25519_DH, .key = {9}}, &a), X25519_NO_CHANNEL);
	mallory.channel = (struct x25519_channel){.open = true};
	assert_int_equal(dh(&mallory, 0, &a), X25519_NO_CHANNEL);
	process_end(&f->host);
	process_start(&f->host, &f->token);
	assert_int_equal(x25519_host_channel(&f->alice), X25519_OK);
	assert_int_equal(dh(&f->alice, 0, &a), X25519_OK);

	/* paired by a touch that was not meant for it: the host's key is not its */
	mallory.userdata = &f->other;
	assert_int_equal(x25519_host_pair(&mallory), X25519_OK);
	assert_int_equal(x25519_host_channel(&mallory), X25519_OK);
	assert_int_equal(dh(&mallory, 0, &a), X25519_NOT_OWNER);
}

static void test_reboot(void **state)
{
	struct fixture *f = *state;
	const char *const forget_slot[] = {"forget", "--state", f->token.state, "--slot", "2", NULL};
	const char *const forget_host[] = {"forget", "--state", f->token.state, "--host", "0", NULL};
	const char *const info[] = {"info", "--state", f->token.state, NULL};
	struct x25519_hello hello;
	struct x25519_answer a;
	uint8_t key[32];

	begin(f, NULL);
	assert_int_equal(x25519_host_pair(&f->alice), X25519_OK);
	assert_int_equal(x25519_host_channel(&f->alice), X25519_OK);
	generate(f, 2, X25519_TOUCH_NEVER, 0, key);
	hello = f->alice.hello;
	assert_int_equal(softtoken_unplug(&f->token), 0);
	begin(f, NULL);
	assert_memory_equal(f->alice.hello.token_public, hello.token_public, 32);
	assert_int_equal(f->alice.hello.taken, 1u << 2);
	assert_int_equal(dh(&f->alice, 2, &a), X25519_NO_CHANNEL); /* that of before */
	assert_int_equal(x25519_host_channel(&f->alice), X25519_OK);
	assert_int_equal(dh(&f->alice, 2, &a), X25519_OK);
	assert_memory_equal(a.shared, key, 32);
	assert_int_equal(softtoken_run(&f->token, NULL, info), 0);
	assert_int_equal(softtoken_run(&f->token, NULL, forget_slot), 1); /* it runs */
	softtoken_unplug(&f->token);
	assert_int_equal(softtoken_run(&f->token, NULL, forget_slot), 0);
	assert_int_equal(softtoken_run(&f->token, NULL, forget_slot), 1); /* there is none any more */
	begin(f, NULL);
	assert_int_equal(f->alice.hello.taken, 0);
	assert_int_equal(x25519_host_channel(&f->alice), X25519_OK);
	generate(f, 0, X25519_TOUCH_NEVER, 0, key);
	softtoken_unplug(&f->token);
	assert_int_equal(softtoken_run(&f->token, NULL, forget_host), 0);
	begin(f, NULL);
	assert_int_equal(f->alice.hello.taken, 0);
	assert_int_equal(x25519_host_channel(&f->alice), X25519_NOT_PAIRED);
}

/* authenticatorReset, which CTAP allows for ten seconds after it was plugged in. */
static void test_reset(void **state)
{
	struct fixture *f = *state;
	struct x25519_hello before;
	uint8_t key[32];
	fido_dev_t *dev;

	begin(f, NULL);
	before = f->alice.hello;
	assert_int_equal(x25519_host_pair(&f->alice), X25519_OK);
	assert_int_equal(x25519_host_channel(&f->alice), X25519_OK);
	generate(f, 0, X25519_TOUCH_NEVER, 0, key);
	dev = softtoken_open(&f->token);
	assert_int_equal(fido_dev_reset(dev), FIDO_OK);
	softtoken_close(dev);
	x25519_host_hello(&f->alice);
	assert_int_equal(f->alice.hello.taken, 0);
	assert_memory_not_equal(f->alice.hello.token_public, before.token_public, 32);
	assert_int_equal(x25519_host_channel(&f->alice), X25519_NOT_PAIRED);
}

static void test_touch(void **state)
{
	struct fixture *f = *state;
	static const char *const manual[] = {"--touch", "manual", NULL};
	const char *const touch[] = {"touch", "--socket", f->token.socket, NULL};
	const char *const deny[] = {"touch", "--deny", "--socket", f->token.socket, NULL};
	struct x25519_answer a;
	uint8_t key[32];
	pid_t pid;

	begin(f, NULL);
	assert_int_equal(x25519_host_pair(&f->alice), X25519_OK);
	assert_int_equal(x25519_host_channel(&f->alice), X25519_OK);
	generate(f, 0, X25519_TOUCH_ALWAYS, 0, key);
	generate(f, 1, X25519_TOUCH_CACHED, 3600, key);
	assert_true(f->host.keepalives >= 3); /* also where touches are given at once */
	softtoken_unplug(&f->token);
	begin(f, manual);
	assert_int_equal(x25519_host_channel(&f->alice), X25519_OK);
	for (int i = 0; i < 2; i++) {
		pid = softtoken_spawn(touch, -1);
		assert_int_equal(dh(&f->alice, 0, &a), X25519_OK);
		assert_int_equal(softtoken_wait(pid), 0);
	}
	pid = softtoken_spawn(deny, -1);
	assert_int_equal(dh(&f->alice, 0, &a), X25519_TOUCH_DENIED);
	assert_int_equal(softtoken_wait(pid), 0);
	/* one touch, then none; and a new channel of the same host does not begin anew */
	pid = softtoken_spawn(touch, -1);
	assert_int_equal(dh(&f->alice, 1, &a), X25519_OK);
	assert_int_equal(softtoken_wait(pid), 0);
	assert_int_equal(dh(&f->alice, 1, &a), X25519_OK);
	assert_int_equal(x25519_host_channel(&f->alice), X25519_OK);
	assert_int_equal(dh(&f->alice, 1, &a), X25519_OK);
}

static void test_without_it(void **state)
{
	struct fixture *f = *state;
	static const char *const without[] = {"--no-x25519", NULL};
	uint8_t hello[] = {X25519_HELLO, 1, 2, 3, 4, 5, 6, 7, 8}, answer[X25519_MESSAGE_MAX];

	softtoken_plug(&f->token, without);
	process_start(&f->host, &f->token);
	assert_int_equal(carry(&f->host, hello, sizeof(hello), answer), 0);
	assert_int_equal(f->host.error, 0x01);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_second_reader_sees_no_secret),
		TEST(test_another_process_gets_nothing),
		TEST(test_reboot),
		TEST(test_reset),
		TEST(test_touch),
		TEST(test_without_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
