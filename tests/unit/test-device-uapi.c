/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The userspace protocol as text, and against a server (a child process) that does what the test wants, also the wrong thing. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/device-io.h"
#include "agent/device-uapi-text.h"
#include "agent/device.h"
#include "common/schedule.h"

#define HEX_A "abababababababababababababababababababababababababababababababab"
#define HEX_B "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
#define HEX_0 "0000000000000000000000000000000000000000000000000000000000000000"
#define HEX_1 "1111111111111111111111111111111111111111111111111111111111111111"
#define HEX_2 "2222222222222222222222222222222222222222222222222222222222222222"

static const char answer_full[] = "private_key=" HEX_2 "\n"
				  "listen_port=51820\n"
				  "fwmark=1\n"
				  "public_key=" HEX_B "\n"
				  "preshared_key=" HEX_1 "\n"
				  "protocol_version=1\n"
				  "endpoint=[fe80::1%3]:7\n"
				  "last_handshake_time_nsec=123456789\n"
				  "last_handshake_time_sec=1700000000\n"
				  "tx_bytes=148\n"
				  "rx_bytes=18446744073709551615\n"
				  "persistent_keepalive_interval=65535\n"
				  "allowed_ip=10.0.0.2/32\n"
				  "allowed_ip=fd00::/64\n"
				  "of_a_later_version=x\n"
				  "public_key=" HEX_A "\n"
				  "preshared_key=" HEX_0 "\n"
				  "endpoint=192.0.2.2:51820\n"
				  "last_handshake_time_sec=0\n"
				  "last_handshake_time_nsec=0\n"
				  "persistent_keepalive_interval=0\n"
				  "errno=0\n"
				  "\n";

static int parse(struct device **ret, const char *text, size_t piece)
{
	struct device_uapi_parser p;
	size_t len = strlen(text);
	int r = 0;

	assert_int_equal(device_uapi_parser_init(&p, true), 0);
	for (; r == 0 && len > 0; ) {
		const size_t n = len < piece ? len : piece;

		r = device_uapi_parser_push(&p, text, n);
		text += n;
		len -= n;
	}
	if (r == 0)
		r = device_uapi_parser_finish(&p, ret);
	device_uapi_parser_clear(&p);
	return r;
}

static void check_full(const struct device *d)
{
	uint8_t public_key[KEY_SIZE];

	assert_non_null(d->private_key);
	schedule_public(public_key, d->private_key);
	assert_memory_equal(d->public_key, public_key, KEY_SIZE);
	assert_int_equal(d->listen_port, 51820);
	assert_int_equal(d->n_peers, 2);
	assert_int_equal(d->peers[0].public_key[0], 0xab);
	assert_null(d->peers[0].preshared_key);
	assert_int_equal(d->peers[0].endpoint.v4.sin_family, AF_INET);
	assert_int_equal(d->peers[0].endpoint.v4.sin_addr.s_addr, htonl(0xc0000202));
	assert_int_equal(d->peers[0].endpoint.v4.sin_port, htons(51820));
	assert_int_equal(d->peers[0].last_handshake_us, 0);
	assert_int_equal(d->peers[0].n_allowed_ips, 0);
	assert_int_equal(secret_key(d->peers[1].preshared_key)[0], 0x11);
	assert_int_equal(d->peers[1].endpoint.v6.sin6_family, AF_INET6);
	assert_int_equal(d->peers[1].endpoint.v6.sin6_scope_id, 3);
	assert_true(d->peers[1].last_handshake_us == UINT64_C(1700000000123456));
	assert_int_equal(d->peers[1].tx_bytes, 148);
	assert_true(d->peers[1].rx_bytes == UINT64_MAX);
	assert_int_equal(d->peers[1].keepalive, 65535);
	assert_int_equal(d->peers[1].n_allowed_ips, 2);
	assert_int_equal(d->peers[1].allowed_ips[1].family, AF_INET6);
	assert_int_equal(d->peers[1].allowed_ips[1].cidr, 64);
}

static void test_parse(void **state)
{
	struct device *d;

	(void)state;
	for (size_t piece = 1; piece < 200; piece += 7) {
		assert_int_equal(parse(&d, answer_full, piece), 0);
		check_full(d);
		device_free(d);
	}
	assert_int_equal(parse(&d, "private_key=" HEX_0 "\nerrno=0\n\n", 99), 0);
	assert_null(d->private_key);
	assert_int_equal(d->n_peers, 0);
	device_free(d);
}

static void test_parse_errors(void **state)
{
	static const struct {
		int result;
		const char *text;
	} cases[] = {
		{ -EIO, "errno=5\n\n" },
		{ -EIO, "errno=-5\n\n" },
		{ -EIO, "errno=99999\n\n" },
		{ -EBADMSG, "" },
		{ -EBADMSG, "\n" },
		{ -EBADMSG, "errno=0\n" },
		{ -EBADMSG, "errno=0\n\nx" },
		{ -EBADMSG, "errno=0\nerrno=0\n\n" },
		{ -EBADMSG, "errno=0\nlisten_port=1\n\n" },
		{ -EBADMSG, "errno=\n\n" },
		{ -EBADMSG, "no equals sign\nerrno=0\n\n" },
		{ -EBADMSG, "listen_port=65536\nerrno=0\n\n" },
		{ -EBADMSG, "listen_port=-1\nerrno=0\n\n" },
		{ -EBADMSG, "private_key=22\nerrno=0\n\n" },
		{ -EBADMSG, "public_key=" HEX_A "00\nerrno=0\n\n" },
		{ -EBADMSG, "public_key=" HEX_A "\npublic_key=" HEX_A "\nerrno=0\n\n" },
		{ -EBADMSG, "public_key=" HEX_A "\npreshared_key=x\nerrno=0\n\n" },
		{ -EBADMSG, "public_key=" HEX_A "\nendpoint=192.0.2.1\nerrno=0\n\n" },
		{ -EBADMSG, "public_key=" HEX_A "\nendpoint=:5\nerrno=0\n\n" },
		{ -EBADMSG, "public_key=" HEX_A "\nendpoint=[::1:5\nerrno=0\n\n" },
		{ -EBADMSG, "public_key=" HEX_A "\nendpoint=192.0.2.1:65536\nerrno=0\n\n" },
		{ -EBADMSG, "public_key=" HEX_A "\nallowed_ip=10.0.0.0/33\nerrno=0\n\n" },
		{ -EBADMSG, "public_key=" HEX_A "\nallowed_ip=10.0.0.0\nerrno=0\n\n" },
		{ -EBADMSG, "public_key=" HEX_A "\nallowed_ip=::/129\nerrno=0\n\n" },
		{ -EBADMSG, "public_key=" HEX_A "\nrx_bytes=18446744073709551616\nerrno=0\n\n" },
		{ -EBADMSG, "public_key=" HEX_A "\nlast_handshake_time_nsec=1000000000\nerrno=0\n\n" },
		{ -EBADMSG, "public_key=" HEX_A "\nlast_handshake_time_sec=18446744073709\nerrno=0\n\n" },
	};
	char long_line[DEVICE_UAPI_LINE_MAX + 2];
	struct device *d;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (parse(&d, cases[i].text, 7) != cases[i].result)
			fail_msg("case %zu: %s", i, cases[i].text);
	}
	memset(long_line, 'x', sizeof(long_line) - 1);
	long_line[sizeof(long_line) - 1] = '\0';
	assert_int_equal(parse(&d, long_line, 100), -EBADMSG);
}

static struct secret *secret_of(uint8_t byte)
{
	struct secret *s = secret_new(KEY_SIZE);

	assert_non_null(s);
	memset(secret_borrow_mut(s), byte, KEY_SIZE);
	return s;
}

static ptrdiff_t last_of(const char *buf, size_t len, const char *what)
{
	const char *at = buf, *found;
	ptrdiff_t last = -1;

	while ((found = memmem(at, len - (size_t)(at - buf), what, strlen(what)))) {
		last = found - buf;
		at = found + 1;
	}
	return last;
}

/* All operations, one behind the other. */
static char *encode(const struct device_change *c, size_t size, unsigned int *ret_operations)
{
	struct device_uapi_encoder e = { .change = c };
	char *text = calloc(1, 4 << 20), *buf = malloc(size);
	size_t used = 0;
	bool end = true, whole = true;
	int n;

	*ret_operations = 0;
	while ((n = device_uapi_encode_set(&e, buf, size, &end)) > 0) {
		assert_true((size_t)n <= size);
		memcpy(text + used, buf, (size_t)n);
		used += (size_t)n;
		*ret_operations += end;
		whole = end;
		/* A piece that adds a peer has its PSK, too: the last one of both. */
		if (memmem(buf, (size_t)n, "public_key=", 11))
			assert_true(last_of(buf, (size_t)n, "preshared_key=") > last_of(buf, (size_t)n, "public_key="));
	}
	assert_int_equal(n, 0);
	assert_true(whole);
	free(buf);
	return text;
}

static void test_encode(void **state)
{
	struct secret *psk = secret_of(0x11), *key = secret_of(0x22);
	struct device_allowed_ip ips[2] = { { .family = AF_INET, .cidr = 24 }, { .family = AF_INET6, .cidr = 0 } };
	struct device_peer_change p[3] = {
		{ .how = DEVICE_PEER_UPDATE, .set_keepalive = true },
		{ .how = DEVICE_PEER_RENEW, .preshared_key = psk, .keepalive = 25, .n_allowed_ips = 2, .allowed_ips = ips },
		{ .how = DEVICE_PEER_UPDATE, .preshared_key = psk },
	};
	struct device_change c = { .private_key_how = DEVICE_PRIVATE_KEY_SET, .private_key = key, .n_peers = 3, .peers = p };
	unsigned int n;
	char *text;

	(void)state;
	memset(p[0].public_key, 0xab, KEY_SIZE);
	memset(p[1].public_key, 0xcd, KEY_SIZE);
	memset(p[2].public_key, 0x11, KEY_SIZE);
	p[1].endpoint.v6.sin6_family = AF_INET6;
	p[1].endpoint.v6.sin6_port = htons(7);
	p[1].endpoint.v6.sin6_addr.s6_addr[0] = 0xfe;
	p[1].endpoint.v6.sin6_addr.s6_addr[1] = 0x80;
	p[1].endpoint.v6.sin6_scope_id = 3;
	ips[0].v4.s_addr = htonl(0x0a000000);
	text = encode(&c, 16384, &n);
	assert_int_equal(n, 1);
	assert_string_equal(text, "set=1\nprivate_key=" HEX_2 "\n"
				  "public_key=" HEX_A "\nupdate_only=true\npersistent_keepalive_interval=0\n"
				  "public_key=" HEX_B "\nremove=true\npublic_key=" HEX_B "\npreshared_key=" HEX_1 "\n"
				  "endpoint=[fe80::%3]:7\npersistent_keepalive_interval=25\nreplace_allowed_ips=true\n"
				  "allowed_ip=10.0.0.0/24\nallowed_ip=::/0\n"
				  "public_key=" HEX_1 "\nupdate_only=true\npreshared_key=" HEX_1 "\n\n");
	free(text);
	c.private_key_how = DEVICE_PRIVATE_KEY_CLEAR;
	c.n_peers = 0;
	text = encode(&c, 1024, &n);
	assert_string_equal(text, "set=1\nprivate_key=" HEX_0 "\n\n");
	free(text);
	p[1].preshared_key = NULL;
	c = (struct device_change){ .n_peers = 1, .peers = &p[1] };
	text = encode(&c, 1024, &n);
	assert_non_null(strstr(text, "preshared_key=" HEX_0 "\n"));
	free(text);
	secret_free(psk);
	secret_free(key);
}

static void test_encode_many(void **state)
{
	enum { N = 1000, IPS = 300 };
	struct device_peer_change *p = calloc(N, sizeof(*p));
	struct device_allowed_ip ips[IPS];
	const struct device_change c = { .n_peers = N, .peers = p };
	struct secret *psk = secret_of(0x11);
	unsigned int n, n_ips = 0;
	char *small, *large;

	(void)state;
	for (unsigned int i = 0; i < IPS; i++) {
		ips[i] = (struct device_allowed_ip){ .family = AF_INET, .cidr = 32 };
		ips[i].v4.s_addr = i;
	}
	for (unsigned int i = 0; i < N; i++) {
		p[i].public_key[0] = (uint8_t)i;
		p[i].public_key[1] = (uint8_t)(i >> 8);
		p[i].how = i % 5 ? DEVICE_PEER_RENEW : DEVICE_PEER_UPDATE;
		p[i].preshared_key = psk;
		p[i].n_allowed_ips = i % 7 ? 1 : IPS;
		p[i].allowed_ips = ips;
		if (p[i].how == DEVICE_PEER_RENEW)
			n_ips += (unsigned int)p[i].n_allowed_ips;
	}
	small = encode(&c, DEVICE_UAPI_BUFFER_MIN, &n);
	assert_int_equal(n, (N + 127) / 128);
	large = encode(&c, 65536, &n);
	assert_int_equal(n, (N + 127) / 128);
	assert_string_equal(small, large);
	/* No endpoints here, so every slash is an allowed-ip's. */
	for (const char *at = small; *at; at++)
		n_ips -= *at == '/';
	assert_int_equal(n_ips, 0);
	free(small);
	free(large);
	free(p);
	secret_free(psk);
}

/* --- a server --- */

enum behaviour { ANSWERS, SILENT, HANGS_UP, HANGS_UP_EARLY, SAYS_ERROR, SAYS_ERROR_EARLY, GARBAGE };

struct fixture {
	char dir[64], path[80];
	struct device_backend *backend;
	pid_t server;
	int received; /* what the server got, for reading after its end */
};

static int bind_socket(const struct fixture *f)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", f->path);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void server_say(int fd, const char *text)
{
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		_exit(1);
}

static void server_run(int listener, int log, enum behaviour how)
{
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		char buf[4096], last[2] = "", first = '\0';
		ssize_t n;

		if (how == HANGS_UP_EARLY || how == SAYS_ERROR_EARLY) {
			if (how == SAYS_ERROR_EARLY)
				server_say(fd, "errno=22\n\n");
			close(fd);
			continue;
		}
		/* An operation ends with an empty line. */
		while ((n = read(fd, buf, sizeof(buf))) > 0) {
			if (write(log, buf, (size_t)n) != n)
				_exit(1);
			first = first ? first : buf[0];
			last[0] = n > 1 ? buf[n - 2] : last[1];
			last[1] = buf[n - 1];
			if (last[0] == '\n' && last[1] == '\n')
				break;
		}
		if (n <= 0) {
			close(fd);
			continue;
		}
		if (how == ANSWERS)
			server_say(fd, first == 'g' ? answer_full : "errno=0\n\n");
		else if (how == SAYS_ERROR)
			server_say(fd, "errno=-98\n\n");
		else if (how == GARBAGE)
			server_say(fd, "HTTP/1.1 400 Bad Request\n\n");
		else if (how == HANGS_UP)
			server_say(fd, "private_key=" HEX_2 "\n");
		if (how == SILENT)
			pause();
		close(fd);
	}
}

static void server_start(struct fixture *f, enum behaviour how)
{
	int fd = bind_socket(f), log;

	f->received = log = memfd_create("received", MFD_CLOEXEC);
	assert_true(log >= 0);
	assert_int_equal(listen(fd, 16), 0);
	f->server = fork();
	assert_true(f->server >= 0);
	if (f->server == 0) {
		server_run(fd, log, how);
		_exit(0);
	}
	close(fd);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/test-device-uapi.XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/wg0.sock", f->dir);
	device_io_timeout_ms = 5000;
	*state = f;
	return device_uapi_new(&f->backend, f->dir);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->server > 0) {
		kill(f->server, SIGKILL);
		waitpid(f->server, NULL, 0);
	}
	if (f->received > 0)
		close(f->received);
	f->backend->ops->free(f->backend);
	unlink(f->path);
	rmdir(f->dir);
	free(f);
	return 0;
}

static int do_get(struct fixture *f)
{
	struct device *d = NULL;
	int r = f->backend->ops->get(f->backend, "wg0", &d);

	if (r == 0) {
		check_full(d);
		assert_string_equal(d->ifname, "wg0");
	}
	device_free(d);
	return r;
}

static int do_set(struct fixture *f, size_t n)
{
	struct device_peer_change *p = calloc(n + 1, sizeof(*p));
	const struct device_change c = { .n_peers = n, .peers = p };
	struct secret *psk = secret_of(0x11);
	int r;

	for (size_t i = 0; i < n; i++) {
		p[i].how = DEVICE_PEER_RENEW;
		p[i].preshared_key = psk;
	}
	r = f->backend->ops->set(f->backend, "wg0", &c);
	secret_free(psk);
	free(p);
	return r;
}

static void test_server(void **state)
{
	struct fixture *f = *state;
	char text[8] = "";
	struct stat st;

	server_start(f, ANSWERS);
	assert_int_equal(do_get(f), 0);
	assert_int_equal(pread(f->received, text, 7, 0), 7);
	assert_string_equal(text, "get=1\n\n");
	assert_int_equal(do_set(f, 1), 0);
	assert_int_equal(fstat(f->received, &st), 0);
	assert_int_equal(pread(f->received, text, 6, 7), 6);
	assert_memory_equal(text, "set=1\n", 6);
	/* More than a socket's buffer holds. */
	assert_int_equal(do_set(f, 5000), 0);
}

static void test_server_silent(void **state)
{
	struct fixture *f = *state;

	server_start(f, SILENT);
	device_io_timeout_ms = 50;
	assert_int_equal(do_get(f), -ETIMEDOUT);
	/* Now it does not even accept. */
	assert_int_equal(do_set(f, 100), -ETIMEDOUT);
}

static void test_server_hangs_up(void **state)
{
	struct fixture *f = *state;

	server_start(f, HANGS_UP);
	assert_int_equal(do_get(f), -ECONNRESET);
	assert_int_equal(do_set(f, 1), -ECONNRESET);
}

static void test_server_hangs_up_early(void **state)
{
	struct fixture *f = *state;
	int r;

	server_start(f, HANGS_UP_EARLY);
	r = do_get(f);
	assert_true(r == -ECONNRESET || r == -EPIPE);
	r = do_set(f, 5000);
	assert_true(r == -ECONNRESET || r == -EPIPE);
}

static void test_server_says_error(void **state)
{
	struct fixture *f = *state;

	server_start(f, SAYS_ERROR);
	assert_int_equal(do_get(f), -EADDRINUSE);
	assert_int_equal(do_set(f, 1), -EADDRINUSE);
}

/* In the middle of a long set: the reason is read, not only the broken pipe. */
static void test_server_says_error_early(void **state)
{
	struct fixture *f = *state;

	server_start(f, SAYS_ERROR_EARLY);
	assert_int_equal(do_set(f, 5000), -EINVAL);
}

static void test_server_garbage(void **state)
{
	struct fixture *f = *state;

	server_start(f, GARBAGE);
	assert_int_equal(do_get(f), -EBADMSG);
	assert_int_equal(do_set(f, 1), -EBADMSG);
}

static void test_invalid_change_is_not_sent(void **state)
{
	struct fixture *f = *state;
	struct device_change c = { .private_key_how = DEVICE_PRIVATE_KEY_SET };
	struct stat st;

	server_start(f, ANSWERS);
	assert_int_equal(f->backend->ops->set(f->backend, "wg0", &c), -EINVAL);
	assert_int_equal(fstat(f->received, &st), 0);
	assert_int_equal(st.st_size, 0);
}

static void test_absent(void **state)
{
	struct fixture *f = *state;
	struct device_backend *b;
	struct device *d;

	assert_int_equal(do_get(f), -ENODEV);
	assert_int_equal(f->backend->ops->get(f->backend, "../wg0", &d), -ENODEV);
	assert_int_equal(device_uapi_new(&b, "/nonexistent/directory"), 0);
	assert_int_equal(b->ops->get(b, "wg0", &d), -ENODEV);
	b->ops->free(b);
	/* Left behind by one that died. */
	close(bind_socket(f));
	assert_int_equal(do_get(f), -ENODEV);
}

static void test_untrusted_path(void **state)
{
	struct fixture *f = *state;
	char other[96];

	server_start(f, ANSWERS);
	assert_int_equal(chmod(f->dir, 01777), 0);
	assert_int_equal(do_get(f), -EPERM);
	assert_int_equal(chmod(f->dir, 0755), 0);
	assert_int_equal(do_get(f), 0);
	/* A link may lead anywhere. */
	snprintf(other, sizeof(other), "%s/other", f->dir);
	assert_int_equal(rename(f->path, other), 0);
	assert_int_equal(symlink(other, f->path), 0);
	assert_int_equal(do_get(f), -EPERM);
	assert_int_equal(unlink(f->path), 0);
	assert_int_equal(rename(other, f->path), 0);
	assert_int_equal(do_get(f), 0);
	if (geteuid() != 0)
		return;
	assert_int_equal(chown(f->path, 65534, 65534), 0);
	assert_int_equal(do_get(f), -EPERM);
	assert_int_equal(chown(f->path, 0, 0), 0);
	assert_int_equal(chown(f->dir, 65534, 65534), 0);
	assert_int_equal(do_get(f), -EPERM);
}

/* The path looks right, but who listens there is somebody else. */
static void test_untrusted_listener(void **state)
{
	struct fixture *f = *state;
	int fd;

	if (geteuid() != 0)
		skip();
	fd = bind_socket(f);
	f->server = fork();
	assert_true(f->server >= 0);
	if (f->server == 0) {
		if (setresuid(65534, 65534, 65534) < 0 || listen(fd, 1) < 0)
			_exit(1);
		raise(SIGSTOP);
		_exit(0);
	}
	assert_int_equal(waitpid(f->server, NULL, WUNTRACED), f->server);
	close(fd);
	assert_int_equal(do_get(f), -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_parse_errors),
		cmocka_unit_test(test_encode),
		cmocka_unit_test(test_encode_many),
		cmocka_unit_test_setup_teardown(test_server, setup, teardown),
		cmocka_unit_test_setup_teardown(test_server_silent, setup, teardown),
		cmocka_unit_test_setup_teardown(test_server_hangs_up, setup, teardown),
		cmocka_unit_test_setup_teardown(test_server_hangs_up_early, setup, teardown),
		cmocka_unit_test_setup_teardown(test_server_says_error, setup, teardown),
		cmocka_unit_test_setup_teardown(test_server_says_error_early, setup, teardown),
		cmocka_unit_test_setup_teardown(test_server_garbage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_invalid_change_is_not_sent, setup, teardown),
		cmocka_unit_test_setup_teardown(test_absent, setup, teardown),
		cmocka_unit_test_setup_teardown(test_untrusted_path, setup, teardown),
		cmocka_unit_test_setup_teardown(test_untrusted_listener, setup, teardown),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
