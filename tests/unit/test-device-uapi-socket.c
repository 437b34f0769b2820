/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The userspace backend against a server (a child process) that does what the test wants, also the wrong thing. */
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
#include "agent/device.h"
#include "tests/unit/device-uapi-answer.h"

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
	device_io_timeout_ms = 60000;
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

/* Which interfaces have little time: only those that used up all of it, and not each time. */
static void test_patience(void **state)
{
	struct device_io_patience p = { 0 };
	char name[IF_NAMESIZE];
	unsigned int n_full = 0;

	(void)state;
	device_io_timeout_ms = 2000;
	device_io_patience_learn(&p, "wg0", false);
	assert_int_equal(device_io_patience_ms(&p, "wg0"), 2000);
	device_io_patience_learn(&p, "wg0", true);
	assert_int_equal(device_io_patience_ms(&p, "wg0"), 250);
	assert_int_equal(device_io_patience_ms(&p, "wg1"), 2000);
	for (unsigned int i = 0; i < 80; i++) {
		n_full += device_io_patience_ms(&p, "wg0") == 2000;
		device_io_patience_learn(&p, "wg0", true);
	}
	assert_int_equal(n_full, 10);
	device_io_patience_learn(&p, "wg0", false);
	assert_int_equal(device_io_patience_ms(&p, "wg0"), 2000);
	/* More than there is room for. */
	for (int i = 0; i < DEVICE_IO_SLOW_MAX + 3; i++) {
		(void)snprintf(name, sizeof(name), "many%d", i);
		device_io_patience_learn(&p, name, true);
		assert_int_equal(device_io_patience_ms(&p, name), i < DEVICE_IO_SLOW_MAX ? 250 : 2000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_server, setup, teardown),
		cmocka_unit_test_setup_teardown(test_server_silent, setup, teardown),
		cmocka_unit_test_setup_teardown(test_server_hangs_up, setup, teardown),
		cmocka_unit_test_setup_teardown(test_server_hangs_up_early, setup, teardown),
		cmocka_unit_test_setup_teardown(test_server_says_error, setup, teardown),
		cmocka_unit_test_setup_teardown(test_server_says_error_early, setup, teardown),
		cmocka_unit_test_setup_teardown(test_server_garbage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_invalid_change_is_not_sent, setup, teardown),
		cmocka_unit_test(test_patience),
		cmocka_unit_test_setup_teardown(test_absent, setup, teardown),
		cmocka_unit_test_setup_teardown(test_untrusted_path, setup, teardown),
		cmocka_unit_test_setup_teardown(test_untrusted_listener, setup, teardown),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
