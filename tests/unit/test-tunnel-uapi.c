/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration protocol: its text, what it does to a device, and its clients. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/handle.h"
#include "tests/unit/no-path.h"
#include "tunnel/config.h"
#include "tunnel/handshake.h"
#include "tunnel/uapi-server.h"

#define A "aa00000000000000000000000000000000000000000000000000000000000000"
#define B "bb00000000000000000000000000000000000000000000000000000000000000"
#define PRIVATE "e84b5a6d2717c1003a13b431570353dbaca9146cf150c5f8575680feba52027a"
#define PSK "188515093e952f5f22e865cef3012e72f8b5f0b598ac0309d5dacce3b70fcf52"

static struct device device;
static struct control control;
static struct clock_fake clock_;
static unsigned int n_rebinds, n_messages;
static uint16_t bound_port;
static uint32_t bound_mark;
static int rebind_error;

static int send_message(void *path, const void *bytes, size_t len, struct endpoint *to)
{
	(void)path;
	(void)bytes;
	(void)len;
	(void)to;
	n_messages++;
	return 0;
}

static int rebind(void *path, uint16_t *port, uint32_t fwmark)
{
	(void)path;
	if (rebind_error)
		return rebind_error;
	n_rebinds++;
	if (!*port)
		*port = 40000;
	bound_port = *port;
	bound_mark = fwmark;
	return 0;
}

static const struct path_ops ops = { send_message, no_path_send_staged, no_path_drop_staged, rebind };

static int setup(void **state)
{
	(void)state;
	clock_fake_init(&clock_, 1000 * US_PER_SEC, UINT64_C(1790000000) * US_PER_SEC);
	n_rebinds = n_messages = 0;
	rebind_error = 0;
	if (device_init(&device, &ops, NULL) < 0)
		return -1;
	return control_init(&control, &device, &clock_.clock);
}

static int teardown(void **state)
{
	(void)state;
	control_clear(&control);
	device_clear(&device);
	return 0;
}

/* The first error of a request, which is given in pieces of every size. */
static int parse(struct uapi_parser *p, const char *text, size_t piece)
{
	size_t len = strlen(text);

	assert_int_equal(uapi_parser_init(p), 0);
	while (len && !p->done) {
		const size_t n = uapi_parser_push(p, text, len < piece ? len : piece);

		text += n;
		len -= n;
	}
	assert_true(p->done);
	assert_int_equal(len, 0);
	return p->request.error;
}

static int check(const char *text)
{
	struct uapi_parser p;
	int first = 0, r;

	for (size_t piece = 1; piece < 100; piece += 7) {
		r = parse(&p, text, piece);
		uapi_parser_clear(&p);
		if (piece > 1)
			assert_int_equal(r, first);
		first = r;
	}
	return first;
}

static void test_parse(void **state)
{
	struct uapi_parser p;
	const struct uapi_request *q = &p.request;

	(void)state;
	assert_int_equal(parse(&p,
				 "set=1\nprivate_key=" PRIVATE "\nlisten_port=12912\nfwmark=5\nreplace_peers=true\n"
				 "public_key=" A "\npreshared_key=" PSK "\nreplace_allowed_ips=true\nallowed_ip=192.168.4.4/32\n"
				 "endpoint=[abcd:23::33%2]:51820\npublic_key=" B "\nprotocol_version=1\nupdate_only=true\n"
				 "persistent_keepalive_interval=111\nendpoint=182.122.22.19:3233\nallowed_ip=-fd00::1/64\n"
				 "allowed_ip=0.0.0.0/0\npublic_key=" A "\nremove=true\n\n",
				 7),
		0);
	assert_int_equal(q->operation, UAPI_SET);
	assert_true(q->has_private_key && q->has_listen_port && q->has_fwmark && q->replace_peers);
	assert_int_equal(q->listen_port, 12912);
	assert_int_equal(q->fwmark, 5);
	assert_int_equal(q->n_peers, 3);
	assert_true(q->peers[0].has_psk && q->peers[0].replace_allowed_ips && !q->peers[0].has_keepalive);
	assert_int_equal(q->peers[0].endpoint.to.in6.sin6_scope_id, 2);
	assert_int_equal(ntohs(q->peers[0].endpoint.to.in6.sin6_port), 51820);
	assert_int_equal(q->peers[1].keepalive_s, 111);
	assert_int_equal(ntohs(q->peers[1].endpoint.to.in.sin_port), 3233);
	assert_int_equal(q->peers[1].n_allowed_ips, 2);
	assert_true(q->allowed_ips[1].remove);
	assert_int_equal(q->allowed_ips[1].cidr, 64);
	assert_false(q->allowed_ips[2].remove);
	assert_true(q->peers[1].update_only && q->peers[2].remove);
	uapi_parser_clear(&p);
	assert_int_equal(check("get=1\n\n"), 0);
	assert_int_equal(check("set=1\n\n"), 0);
	assert_int_equal(check("set=1\npublic_key=" A "\nallowed_ip=1.2.3.4/0\nreplace_allowed_ips=true\n\n"), 0);
}

static void test_bad(void **state)
{
	static const struct {
		const char *text;
		int error;
	} bad[] = {
		{ "\n", -EPROTO },
		{ "get=2\n\n", -EPROTO },
		{ "put=1\n\n", -EPROTO },
		{ "get\n\n", -EPROTO },
		{ "get=1\nx=1\n\n", -EINVAL },
		{ "set=1\nlisten_port\n\n", -EPROTO },
		{ "set=1\nlisten_port=65536\n\n", -EINVAL },
		{ "set=1\nlisten_port=-1\n\n", -EINVAL },
		{ "set=1\nlisten_port=\n\n", -EINVAL },
		{ "set=1\nlisten_port=0x10\n\n", -EINVAL },
		{ "set=1\nfwmark=4294967296\n\n", -EINVAL },
		{ "set=1\nreplace_peers=yes\n\n", -EINVAL },
		{ "set=1\nprivate_key=12\n\n", -EINVAL },
		{ "set=1\nprivate_key=" PRIVATE "0\n\n", -EINVAL },
		{ "set=1\nprotocol_version=1\n\n", -EINVAL },
		{ "set=1\nallowed_ip=1.2.3.4/32\n\n", -EINVAL },
		{ "set=1\npublic_key=zz\n\n", -EINVAL },
		{ "set=1\npublic_key=" A "\nlisten_port=1\n\n", -EINVAL },
		{ "set=1\npublic_key=" A "\nprotocol_version=2\n\n", -EINVAL },
		{ "set=1\npublic_key=" A "\nremove=false\n\n", -EINVAL },
		{ "set=1\npublic_key=" A "\npersistent_keepalive_interval=65536\n\n", -EINVAL },
		{ "set=1\npublic_key=" A "\npersistent_keepalive_interval=off\n\n", -EINVAL },
		{ "set=1\npublic_key=" A "\nallowed_ip=1.2.3.4\n\n", -EINVAL },
		{ "set=1\npublic_key=" A "\nallowed_ip=1.2.3.4/33\n\n", -EINVAL },
		{ "set=1\npublic_key=" A "\nallowed_ip=::/129\n\n", -EINVAL },
		{ "set=1\npublic_key=" A "\nallowed_ip=/8\n\n", -EINVAL },
		{ "set=1\npublic_key=" A "\nallowed_ip=--1.2.3.4/8\n\n", -EINVAL },
		{ "set=1\npublic_key=" A "\nendpoint=1.2.3.4\n\n", -EINVAL },
		{ "set=1\npublic_key=" A "\nendpoint=1.2.3.4:0\n\n", -EINVAL },
		{ "set=1\npublic_key=" A "\nendpoint=::1:5\n\n", -EINVAL },
		{ "set=1\npublic_key=" A "\nendpoint=[::1]5\n\n", -EINVAL },
		{ "set=1\npublic_key=" A "\nendpoint=[1.2.3.4]:5\n\n", -EINVAL },
		{ "set=1\npublic_key=" A "\nendpoint=[\n\n", -EINVAL },
		{ "set=1\npublic_key=" A "\nendpoint=[:5\n\n", -EINVAL },
		{ "set=1\npublic_key=" A "\nendpoint=[fe80::1%nosuch0]:5\n\n", -EINVAL },
		{ "set=1\npublic_key=" A "\nendpoint=example.com:5\n\n", -EINVAL },
	};
	char longline[UAPI_LINE_MAX + 100] = "set=1\nfwmark=";

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (check(bad[i].text) != bad[i].error)
			fail_msg("%s", bad[i].text);
	memset(longline + strlen(longline), '1', UAPI_LINE_MAX);
	memcpy(longline + strlen(longline), "\n\n", 3);
	assert_int_equal(check(longline), -EPROTO);
}

static void test_endpoints(void **state)
{
	static const char *const same[] = { "1.2.3.4:5", "[::1]:65535", "[fe80::1%3]:7", "[2001:db8::2]:51820" };
	char text[UAPI_ENDPOINT_MAX];
	struct endpoint e;

	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		assert_int_equal(uapi_endpoint_parse(&e, same[i]), 0);
		uapi_endpoint_format(text, &e);
		assert_string_equal(text, same[i]);
	}
	assert_int_equal(uapi_endpoint_parse(&e, "[::ffff:1.2.3.4]:5"), 0);
	uapi_endpoint_format(text, &e);
	assert_string_equal(text, "1.2.3.4:5");
}

static int resolve(void *userdata, const uint8_t handle[static KEY_SIZE], struct static_key **ret)
{
	struct secret *s = secret_new(32);

	memset(secret_borrow_mut(s), 0x40, 32);
	*ret = static_key_software_new(s);
	(*ret)->resident = true;
	memcpy((*ret)->shown, handle, KEY_SIZE);
	(*(unsigned int *)userdata)++;
	return 0;
}

static unsigned int n_resolved;
static const struct config_resident resident = { .resolve = resolve, .userdata = &n_resolved };

static int set(const char *text)
{
	struct uapi_parser p;
	int r = parse(&p, text, 4096);

	if (r == 0)
		r = config_set(&control, &p.request, &resident, clock_.now);
	uapi_parser_clear(&p);
	return r;
}

static void assert_get(const char *expected)
{
	size_t len;
	char *text = config_get(&control, &len);

	if (len != strlen(expected) || memcmp(text, expected, len) != 0)
		fail_msg("got:\n%.*s", (int)len, text);
	sodium_free(text);
}

#define NEVER "last_handshake_time_sec=0\nlast_handshake_time_nsec=0\ntx_bytes=0\nrx_bytes=0\n"
#define NO_PSK "preshared_key=0000000000000000000000000000000000000000000000000000000000000000\nprotocol_version=1\n"

static void test_set_and_get(void **state)
{
	(void)state;
	assert_get("");
	assert_int_equal(set("set=1\nprivate_key=" PRIVATE "\nfwmark=7\n\n"), 0);
	/* No port was asked for, so none is taken before the interface is up. */
	assert_int_equal(n_rebinds, 0);
	assert_get("private_key=" PRIVATE "\nfwmark=7\n");
	assert_int_equal(control_set_up(&control, true, clock_.now), 0);
	assert_int_equal(bound_mark, 7);
	assert_get("private_key=" PRIVATE "\nlisten_port=40000\nfwmark=7\n");
	assert_int_equal(set("set=1\nlisten_port=5555\nfwmark=0\npublic_key=" A "\nallowed_ip=10.0.0.0/8\nallowed_ip=fd00::/64\n"
			     "endpoint=192.0.2.1:9\npublic_key=" B "\npreshared_key=" PSK "\nallowed_ip=10.1.0.0/16\n\n"),
		0);
	assert_int_equal(bound_port, 5555);
	assert_int_equal(bound_mark, 0);
	assert_int_equal(n_rebinds, 2);
	assert_get("private_key=" PRIVATE "\nlisten_port=5555\n"
		   "public_key=" A "\n" NO_PSK "endpoint=192.0.2.1:9\n" NEVER
		   "persistent_keepalive_interval=0\nallowed_ip=10.0.0.0/8\nallowed_ip=fd00::/64\n"
		   "public_key=" B "\npreshared_key=" PSK "\nprotocol_version=1\n" NEVER
		   "persistent_keepalive_interval=0\nallowed_ip=10.1.0.0/16\n");
	/* Another takes a block over; one is taken away; update_only and remove of nobody do nothing; PSK off. */
	assert_int_equal(set("set=1\nlisten_port=5555\npublic_key=" B "\nallowed_ip=10.0.0.0/8\nallowed_ip=-10.1.0.0/16\n"
			     "preshared_key=0000000000000000000000000000000000000000000000000000000000000000\n"
			     "public_key=cc00000000000000000000000000000000000000000000000000000000000000\nupdate_only=true\n"
			     "allowed_ip=1.1.1.1/32\npublic_key="
			     "dd00000000000000000000000000000000000000000000000000000000000000\nremove=true\n"
			     "public_key=" A "\nreplace_allowed_ips=true\n\n"),
		0);
	assert_int_equal(n_rebinds, 2);
	assert_get("private_key=" PRIVATE "\nlisten_port=5555\n"
		   "public_key=" A "\n" NO_PSK "endpoint=192.0.2.1:9\n" NEVER "persistent_keepalive_interval=0\n"
		   "public_key=" B "\n" NO_PSK NEVER "persistent_keepalive_interval=0\nallowed_ip=10.0.0.0/8\n");
	assert_int_equal(set("set=1\nreplace_peers=true\npublic_key=" B "\n\n"), 0);
	assert_get("private_key=" PRIVATE "\nlisten_port=5555\npublic_key=" B "\n" NO_PSK NEVER
		   "persistent_keepalive_interval=0\n");
	assert_int_equal(set("set=1\npublic_key=" B "\nremove=true\n\n"), 0);
	assert_int_equal(set("set=1\nprivate_key=0000000000000000000000000000000000000000000000000000000000000000\n\n"), 0);
	assert_get("listen_port=5555\n");
}

static void test_keepalive_begins(void **state)
{
	(void)state;
	assert_int_equal(set("set=1\nprivate_key=" PRIVATE "\npublic_key=" A "\nendpoint=192.0.2.1:9\npersistent_keepalive_interval=25\n\n"),
		0);
	assert_int_equal(n_messages, 0);
	assert_int_equal(control_deadline(&control), US_NEVER);
	assert_int_equal(control_set_up(&control, true, clock_.now), 0);
	assert_int_equal(n_messages, 1);
	assert_int_equal(set("set=1\npublic_key=" A "\npersistent_keepalive_interval=0\n\n"), 0);
	assert_int_equal(set("set=1\npublic_key=" A "\npersistent_keepalive_interval=5\n\n"), 0);
	assert_int_equal(n_messages, 1);
	assert_true(control_deadline(&control) <= clock_.now.boot_us + 5 * US_PER_SEC);
}

/* What is refused changes nothing. */
static void test_atomic(void **state)
{
	(void)state;
	assert_int_equal(set("set=1\nprivate_key=" PRIVATE "\nlisten_port=5555\npublic_key=" A "\n\n"), 0);
	rebind_error = -EADDRINUSE;
	assert_int_equal(set("set=1\nprivate_key=0000000000000000000000000000000000000000000000000000000000000000\nlisten_port=53\n"
			     "replace_peers=true\npublic_key=" B "\n\n"),
		-EADDRINUSE);
	assert_int_equal(set("set=1\nreplace_peers=true\npublic_key=" B "\nallowed_ip=300.0.0.0/8\n\n"), -EINVAL);
	assert_get("private_key=" PRIVATE "\nlisten_port=5555\npublic_key=" A "\n" NO_PSK NEVER
		   "persistent_keepalive_interval=0\n");
}

/* The same key again, as syncconf sends it, disturbs nothing; one's own public key is no peer. */
static void test_own_key(void **state)
{
	const struct static_key *before;
	uint8_t private_key[KEY_SIZE], public_key[KEY_SIZE];
	char text[256], hex[KEY_HEX_SIZE];

	(void)state;
	assert_int_equal(set("set=1\nprivate_key=" PRIVATE "\n\n"), 0);
	before = control.key;
	assert_int_equal(set("set=1\nprivate_key=" PRIVATE "\n\n"), 0);
	assert_ptr_equal(control.key, before);
	key_from_hex(private_key, PRIVATE);
	crypto_scalarmult_base(public_key, private_key);
	key_to_hex(hex, public_key);
	snprintf(text, sizeof(text), "set=1\npublic_key=%s\n\n", hex);
	assert_int_equal(set(text), 0);
	assert_int_equal(device.n_peers, 0);
	assert_int_equal(set("set=1\nprivate_key=0000000000000000000000000000000000000000000000000000000000000000\n\n"), 0);
	assert_int_equal(set(text), 0);
	assert_int_equal(device.n_peers, 1);
	assert_int_equal(set("set=1\nprivate_key=" PRIVATE "\n\n"), 0);
	assert_int_equal(device.n_peers, 0);
}

static void test_handle(void **state)
{
	uint8_t handle[KEY_SIZE], public_key[KEY_SIZE] = { 5 };
	char text[256], hex[KEY_HEX_SIZE], expected[128];
	struct uapi_parser p;

	(void)state;
	n_resolved = 0;
	handle_make(handle, 1, 0, public_key);
	key_to_hex(hex, handle);
	snprintf(text, sizeof(text), "set=1\nprivate_key=%s\n\n", hex);
	assert_int_equal(set(text), 0);
	assert_int_equal(n_resolved, 1);
	/* It is shown again, and nothing else is. */
	snprintf(expected, sizeof(expected), "private_key=%s\n", hex);
	assert_get(expected);
	/* Where there are none, and a damaged one: never taken for a private key. */
	assert_int_equal(parse(&p, text, 4096), 0);
	assert_int_equal(config_set(&control, &p.request, NULL, clock_.now), -EOPNOTSUPP);
	uapi_parser_clear(&p);
	text[strlen("set=1\nprivate_key=") + 50] ^= 1;
	assert_int_equal(set(text), -EINVAL);
	assert_int_equal(n_resolved, 1);
}

/* Over a socket. */
static int listening(char path[static 64])
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(path, "/tmp/wgfido-uapi-XXXXXX");
	assert_non_null(mkdtemp(path));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 64), 0);
	return fd;
}

static int connected(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), small = 4096;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", path);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void turn(sd_event *event)
{
	while (sd_event_run(event, 0) > 0)
		;
}

static void assert_answer(sd_event *event, int fd, const char *expected)
{
	char buf[1024];
	ssize_t n;

	turn(event);
	n = read(fd, buf, sizeof(buf));
	assert_int_equal(n, strlen(expected));
	assert_memory_equal(buf, expected, strlen(expected));
}

static void say(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void test_server(void **state)
{
	struct uapi_server *s;
	sd_event *event;
	char path[64], file[80];
	int fd = listening(path), a, b, hog, many[UAPI_CLIENTS_MAX];
	size_t sent = 0;

	(void)state;
	assert_true(sd_event_new(&event) >= 0);
	assert_int_equal(uapi_server_new(&s, event, fd, &control, &resident), 0);
	a = connected(path);
	b = connected(path);
	/* Interleaved, in pieces, several requests in one. */
	say(a, "set=1\npriv");
	turn(event);
	say(b, "get=1\n\nget=1\n\n");
	assert_answer(event, b, "errno=0\n\nerrno=0\n\n");
	say(a, "ate_key=" PRIVATE "\n");
	turn(event);
	assert_null(control.key);
	say(a, "\nget=1\n\n");
	assert_answer(event, a, "errno=0\n\nprivate_key=" PRIVATE "\nerrno=0\n\n");
	say(b, "set=1\nnonsense=1\npublic_key=" A "\n\nget=1\n");
	assert_answer(event, b, "errno=-22\n\n");
	assert_int_equal(device.n_peers, 0);
	say(b, "\n");
	assert_answer(event, b, "private_key=" PRIVATE "\nerrno=0\n\n");
	/* One that asks without ever reading is held at a bounded size, and in nobody's way. */
	hog = connected(path);
	for (int i = 0; i < 3000; i++) {
		ssize_t n = write(hog, "get=1\n\nget=1\n\nget=1\n\nget=1\n\nget=1\n\nget=1\n\nget=1\n\nget=1\n\n", 56);

		if (n < 0) {
			assert_int_equal(errno, EAGAIN);
			turn(event);
			n = write(hog, "get=1\n\n", 7);
			if (n < 0)
				break;
		}
		sent += (size_t)n;
	}
	assert_true(sent < 168000);
	say(a, "get=1\n\n");
	assert_answer(event, a, "private_key=" PRIVATE "\nerrno=0\n\n");
	/* It reads after all: every answer comes. */
	for (size_t got = 0, tries = 0; tries < 10000; tries++) {
		char buf[4096];
		ssize_t n = read(hog, buf, sizeof(buf));

		if (n > 0)
			got += (size_t)n;
		turn(event);
		if (got >= sent / 7 * strlen("private_key=" PRIVATE "\nerrno=0\n\n"))
			break;
		assert_int_not_equal(tries, 9999);
	}
	close(hog);
	close(b);
	turn(event);
	/* More than it serves at once: those are turned away, and when one goes another may come. */
	for (size_t i = 0; i < UAPI_CLIENTS_MAX; i++)
		many[i] = connected(path);
	turn(event);
	assert_int_equal(read(many[UAPI_CLIENTS_MAX - 1], file, 1), 0);
	for (size_t i = 0; i < UAPI_CLIENTS_MAX; i++)
		close(many[i]);
	turn(event);
	b = connected(path);
	say(b, "get=1\n\n");
	assert_answer(event, b, "private_key=" PRIVATE "\nerrno=0\n\n");
	/* Gone in the middle of a request. */
	say(b, "set=1\nprivate_key=" PRIVATE);
	turn(event);
	close(b);
	turn(event);
	uapi_server_free(s);
	assert_int_equal(read(a, file, 1), 0);
	close(a);
	close(fd);
	sd_event_unref(event);
	snprintf(file, sizeof(file), "%s/s", path);
	unlink(file);
	rmdir(path);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_endpoints),
		TEST(test_set_and_get),
		TEST(test_keepalive_begins),
		TEST(test_atomic),
		TEST(test_own_key),
		TEST(test_handle),
		TEST(test_server),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
