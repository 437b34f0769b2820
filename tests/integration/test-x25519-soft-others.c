/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * X25519 keys on a software token that others use or listen to beside the worker: other programs, another worker, who carries the
 * reports; on a hidraw node of the kernel's (WGFIDO_SOFTTOKEN=uhid) whoever has it open reads along.
 */
#include "tests/integration/x25519-soft-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/x25519-host.h"

#define REPORT_SIZE 64
#define RECORDS_MAX 4096

/* Another program of the session, with the token open beside the worker. */
struct intruder {
	int fd;
	uint32_t cid;
	struct x25519_host_end host;
	unsigned int reports; /* that it saw, of whomever */
	const uint8_t *secret; /* that must not be in any; NULL: nothing */
};

static bool contains(const uint8_t *data, size_t len, const uint8_t *part, size_t part_len)
{
	return memmem(data, len, part, part_len) != NULL;
}

/* False: nothing within ms. */
static bool intruder_read(struct intruder *i, uint8_t report[static REPORT_SIZE], int ms)
{
	struct pollfd ready = {.fd = i->fd, .events = POLLIN};

	if (poll(&ready, 1, ms) != 1)
		return false;
	assert_int_equal(read(i->fd, report, REPORT_SIZE), REPORT_SIZE);
	i->reports++;
	if (i->secret) {
		assert_false(contains(report, REPORT_SIZE, i->secret, 16));
		assert_false(contains(report, REPORT_SIZE, i->secret + 16, 16));
	}
	return true;
}

static void intruder_write(struct intruder *i, uint32_t cid, uint8_t command, const uint8_t *data, size_t len)
{
	uint8_t report[1 + REPORT_SIZE] = {0, (uint8_t)(cid >> 24), (uint8_t)(cid >> 16), (uint8_t)(cid >> 8), (uint8_t)cid,
		(uint8_t)(0x80 | command), 0, (uint8_t)len};
	const size_t skip = softtoken_is_uhid() ? 0 : 1; /* the report's number */

	assert_true(len <= REPORT_SIZE - 7);
	memcpy(report + 8, data, len);
	assert_int_equal(write(i->fd, report + skip, sizeof(report) - skip), sizeof(report) - skip);
}

/* The first report of an answer on this channel that is no keepalive. */
static void intruder_answer(struct intruder *i, uint32_t cid, uint8_t report[static REPORT_SIZE])
{
	const uint8_t head[4] = {(uint8_t)(cid >> 24), (uint8_t)(cid >> 16), (uint8_t)(cid >> 8), (uint8_t)cid};

	do
		assert_true(intruder_read(i, report, 10000));
	while (memcmp(report, head, 4) != 0 || report[4] == (0x80 | 0x3b));
}

static size_t intruder_carry(void *userdata, const uint8_t *request, size_t len, uint8_t answer[static X25519_MESSAGE_MAX])
{
	struct intruder *i = userdata;
	uint8_t report[REPORT_SIZE];

	intruder_write(i, i->cid, X25519_COMMAND, request, len);
	intruder_answer(i, i->cid, report);
	assert_int_equal(report[4], 0x80 | X25519_COMMAND);
	assert_true(report[5] == 0 && report[6] <= X25519_MESSAGE_MAX);
	memcpy(answer, report + 7, report[6]);
	return report[6];
}

static void intruder_start(struct intruder *i, struct fixture *f)
{
	static const uint8_t nonce[8] = "intruder";
	uint8_t report[REPORT_SIZE];

	*i = (struct intruder){.fd = softtoken_is_uhid() ? open(f->token.node, O_RDWR | O_CLOEXEC) : softtoken_connect(&f->token)};
	assert_true(i->fd >= 0);
	intruder_write(i, 0xffffffff, 0x06, nonce, sizeof(nonce));
	do
		intruder_answer(i, 0xffffffff, report);
	while (memcmp(report + 7, nonce, 8) != 0);
	i->cid = (uint32_t)report[15] << 24 | (uint32_t)report[16] << 16 | (uint32_t)report[17] << 8 | report[18];
	x25519_host_init(&i->host, 0x77, intruder_carry, i);
}

/* It may open the node and speak the protocol, and gets no DH of a slot that is bound to this computer, whatever it tries. */
static void test_other_process(void **state)
{
	struct fixture *f = *state;
	struct x25519_request dh = {.op = X25519_DH, .slot = 0, .key = {9}}, own = {.op = X25519_GENERATE, .slot = 1};
	struct x25519_answer answer;
	struct intruder i;
	uint8_t public_key[32], shared[32];

	soft_worker_plug(f, NULL);
	pair(f);
	generate(f, 0, WIRE_X_TOUCH_NEVER, public_key);
	intruder_start(&i, f);
	x25519_host_hello(&i.host);
	assert_int_equal(x25519_host_ask(&i.host, &dh, &answer), X25519_NO_CHANNEL);
	i.host.index = self.index; /* as if it were us */
	assert_int_equal(x25519_host_channel(&i.host), X25519_NOT_PAIRED);
	/* with a touch of its own it is paired as somebody else */
	assert_int_equal(x25519_host_pair(&i.host), X25519_OK);
	assert_int_not_equal(i.host.index, self.index);
	assert_int_equal(x25519_host_channel(&i.host), X25519_OK);
	assert_int_equal(x25519_host_ask_sealed(&i.host, &dh, &answer), X25519_NOT_OWNER);

	/* while it holds its channel ours works, and its own goes on working: with its own key */
	assert_int_equal(x25519_host_ask_sealed(&i.host, &own, &answer), X25519_OK);
	memcpy(shared, answer.info.public_key, 32);
	dh.slot = 1;
	for (unsigned int n = 0; n < 10; n++) {
		assert_dh(f, 0, public_key, 0);
		assert_int_equal(x25519_host_ask_sealed(&i.host, &dh, &answer), X25519_OK);
		assert_memory_equal(answer.shared, shared, 32); /* with the base point: the public key */
	}
	close(i.fd);
}

/* Two workers, as two sessions of the same computer would have them, take turns. */
static void test_two_at_once(void **state)
{
	struct fixture *f = *state, other;
	uint8_t a[32], b[32], expected_a[32], expected_b[32];

	soft_worker_plug(f, NULL);
	pair(f);
	generate(f, 0, WIRE_X_TOUCH_NEVER, a);
	generate(f, 1, WIRE_X_TOUCH_NEVER, b);
	memset(&other, 0, sizeof(other));
	other.token = f->token;
	soft_worker_start(&other);
	for (unsigned int i = 0; i < 10; i++) {
		ask_dh(f, 0, a, expected_a);
		ask_dh(&other, 1, b, expected_b);
		soft_worker_send_request(f);
		soft_worker_send_request(&other);
		finish(f);
		finish(&other);
		assert_int_equal(f->result.outcome, OUTCOME_OK);
		assert_int_equal(other.result.outcome, OUTCOME_OK);
		assert_memory_equal(secret_key(f->result.outputs[0]), expected_a, 32);
		assert_memory_equal(secret_key(other.result.outputs[0]), expected_b, 32);
	}
	wire_request_clear(&other.request);
	wire_result_clear(&other.result);
	soft_worker_end(&other);
}

/* Every report between worker and token, both ways, as they passed. */
struct records {
	size_t n;
	struct {
		bool from_token;
		uint8_t report[REPORT_SIZE];
	} all[RECORDS_MAX];
};

static int listen_at(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 4), 0);
	return fd;
}

static bool relay(int from, int to, bool from_token, int log)
{
	uint8_t record[1 + REPORT_SIZE] = {from_token};
	ssize_t n = recv(from, record + 1, REPORT_SIZE, 0);

	if (n <= 0)
		return false;
	if (write(log, record, sizeof(record)) != sizeof(record))
		_exit(2);
	return send(to, record + 1, (size_t)n, MSG_NOSIGNAL) == n;
}

/* Reads along between the worker and the token, until killed. */
static pid_t tap(const struct fixture *f, int listener, int log)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	while (pid == 0) {
		int worker = accept(listener, NULL, NULL), token = softtoken_connect(&f->token);
		struct pollfd fds[2] = {{.fd = worker, .events = POLLIN}, {.fd = token, .events = POLLIN}};
		bool on = worker >= 0 && token >= 0;

		while (on && poll(fds, 2, -1) > 0) {
			if (fds[0].revents)
				on = relay(worker, token, false, log);
			if (on && fds[1].revents)
				on = relay(token, worker, true, log);
		}
		close(worker);
		close(token);
	}
	return pid;
}

static void read_records(struct records *r, int log)
{
	uint8_t record[1 + REPORT_SIZE];

	r->n = 0;
	assert_int_equal(lseek(log, 0, SEEK_SET), 0);
	while (read(log, record, sizeof(record)) == sizeof(record)) {
		assert_true(r->n < RECORDS_MAX);
		r->all[r->n].from_token = record[0];
		memcpy(r->all[r->n++].report, record + 1, REPORT_SIZE);
	}
}

static void assert_nowhere(const struct records *r, const uint8_t secret[static 32])
{
	for (size_t i = 0; i < r->n; i++)
		for (size_t part = 0; part < 32; part += 8)
			assert_false(contains(r->all[i].report, REPORT_SIZE, secret + part, 8));
}

/* All that was said, once more: by somebody else, on a channel of its own. */
static void replay(struct fixture *f, const struct records *r)
{
	struct intruder i;
	unsigned int channels = 0, sealed = 0;

	intruder_start(&i, f);
	for (size_t n = 0; n < r->n; n++) {
		const uint8_t *report = r->all[n].report;
		uint8_t answer[REPORT_SIZE];

		if (r->all[n].from_token || report[4] != (0x80 | X25519_COMMAND) || report[7] == X25519_PAIR)
			continue;
		intruder_write(&i, i.cid, X25519_COMMAND, report + 7, report[6]);
		intruder_answer(&i, i.cid, answer);
		assert_int_equal(answer[4], 0x80 | X25519_COMMAND);
		channels += report[7] == X25519_CHANNEL;
		if (report[7] == X25519_SEALED) {
			assert_int_equal(answer[8], X25519_NO_CHANNEL);
			sealed++;
		}
	}
	assert_true(channels > 0 && sealed > 0);
	close(i.fd);
}

/* Between worker and token nothing passes that tells a shared secret or a key, and nothing that is of use again. */
static void test_read_along(void **state)
{
	struct fixture *f = *state;
	static struct records records;
	char path[80], name[] = "/tmp/wgfido-tap-XXXXXX";
	uint8_t key[32], public_key[32], expected[3][32];
	int listener, log;
	char *real;
	pid_t pid;

	if (softtoken_is_uhid())
		skip(); /* test_second_reader has the real thing */
	soft_worker_plug(f, NULL);
	log = mkstemp(name);
	assert_true(log >= 0);
	unlink(name);
	snprintf(path, sizeof(path), "%s.tap", f->token.socket);
	listener = listen_at(path);
	soft_worker_end(f); /* before the fork, which would keep its socket open */
	pid = tap(f, listener, log);
	real = strdup(f->token.socket);
	strcpy(f->token.socket, path);
	soft_worker_start(f);

	pair(f);
	randombytes_buf(key, sizeof(key));
	crypto_scalarmult_base(public_key, key);
	ask(f, WIRE_X_IMPORT, 0);
	f->request.x_key = make_key(key);
	f->request.x_touch = WIRE_X_TOUCH_NEVER;
	assert_int_equal(soft_worker_run(f), OUTCOME_OK);
	for (unsigned int i = 0; i < 3; i++) {
		ask_dh(f, 0, public_key, expected[i]);
		assert_int_equal(soft_worker_run(f), OUTCOME_OK);
		assert_memory_equal(secret_key(f->result.outputs[0]), expected[i], 32);
	}

	soft_worker_end(f);
	strcpy(f->token.socket, real);
	free(real);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(listener);
	unlink(path);
	read_records(&records, log);
	close(log);
	assert_true(records.n > 20);
	assert_nowhere(&records, key);
	assert_nowhere(&records, self.key);
	for (unsigned int i = 0; i < 3; i++)
		assert_nowhere(&records, expected[i]);
	replay(f, &records);
}

/* On hidraw everybody gets every report: it is there, and is of no use. */
static void test_second_reader(void **state)
{
	struct fixture *f = *state;
	struct intruder i;
	uint8_t report[REPORT_SIZE], public_key[32], expected[32];

	if (!softtoken_is_uhid())
		skip();
	soft_worker_plug(f, NULL);
	pair(f);
	generate(f, 0, WIRE_X_TOUCH_NEVER, public_key);
	intruder_start(&i, f);
	for (unsigned int n = 0; n < 5; n++) {
		unsigned int before = i.reports;

		ask_dh(f, 0, public_key, expected);
		i.secret = expected;
		assert_int_equal(soft_worker_run(f), OUTCOME_OK);
		assert_memory_equal(secret_key(f->result.outputs[0]), expected, 32);
		while (intruder_read(&i, report, 0))
			;
		assert_true(i.reports >= before + 3); /* INIT, CHANNEL, DH */
	}
	close(i.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_other_process),
		TEST(test_two_at_once),
		TEST(test_read_along),
		TEST(test_second_reader),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
