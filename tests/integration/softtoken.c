/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/integration/softtoken.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define REPORT_SIZE 64
#define ARGUMENTS_MAX 24

static const char *program(void)
{
	static char path[4096];
	const char *top = getenv("top_builddir");

	snprintf(path, sizeof(path), "%s/token/soft/wgfido-softtoken", top ? top : ".");
	return path;
}

pid_t softtoken_spawn(const char *const *arguments, int stdin_fd)
{
	const char *argv[ARGUMENTS_MAX + 2] = {program()};
	pid_t pid;

	for (size_t i = 0; arguments[i]; i++) {
		assert_true(i < ARGUMENTS_MAX);
		argv[i + 1] = arguments[i];
	}
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		dup2(stdin_fd >= 0 ? stdin_fd : null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		execv(argv[0], (char **)argv);
		_exit(127);
	}
	return pid;
}

int softtoken_wait(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int softtoken_run(const struct softtoken *t, const char *text, const char *const *arguments)
{
	int fds[2];
	pid_t pid;

	(void)t;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = softtoken_spawn(arguments, fds[0]);
	close(fds[0]);
	if (text)
		assert_int_equal(write(fds[1], text, strlen(text)), (ssize_t)strlen(text));
	close(fds[1]);
	return softtoken_wait(pid);
}

void softtoken_init(struct softtoken *t)
{
	*t = (struct softtoken){.dir = "/tmp/wgfido-soft-XXXXXX"};
	signal(SIGPIPE, SIG_IGN);
	assert_non_null(mkdtemp(t->dir));
	snprintf(t->state, sizeof(t->state), "%s/state", t->dir);
	snprintf(t->socket, sizeof(t->socket), "%s/key", t->dir);
}

bool softtoken_is_uhid(void)
{
	const char *how = getenv("WGFIDO_SOFTTOKEN");

	return how && strcmp(how, "uhid") == 0;
}

static const char *name_of(const struct softtoken *t)
{
	return strrchr(t->dir, '/') + 1;
}

static bool is_ours(const struct softtoken *t, const char *hidraw)
{
	char path[300], line[128], wanted[64];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/class/hidraw/%s/device/uevent", hidraw);
	snprintf(wanted, sizeof(wanted), "HID_PHYS=uhid/%s\n", name_of(t));
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f))
		found = strcmp(line, wanted) == 0;
	if (f)
		fclose(f);
	return found;
}

/* -1 until it is there and can be opened. */
static int open_node(struct softtoken *t)
{
	DIR *d = opendir("/sys/class/hidraw");
	struct dirent *e;
	int fd = -1;

	while (fd < 0 && d && (e = readdir(d))) {
		if (e->d_name[0] == '.' || strlen(e->d_name) > 16 || !is_ours(t, e->d_name))
			continue;
		snprintf(t->node, sizeof(t->node), "/dev/%.16s", e->d_name);
		fd = open(t->node, O_RDWR | O_CLOEXEC);
	}
	if (d)
		closedir(d);
	return fd;
}

void softtoken_plug(struct softtoken *t, const char *const *arguments)
{
	char control[80];
	const char *over_socket[] = {"--socket", t->socket, NULL};
	const char *over_uhid[] = {"--uhid", "--control", control, "--name", name_of(t), NULL};
	const char **how = softtoken_is_uhid() ? over_uhid : over_socket;
	const char *argv[ARGUMENTS_MAX + 1] = {"run", "--quiet", "--state", t->state};
	size_t n = 4;
	int fd;

	snprintf(control, sizeof(control), "%s.ctl", t->socket);
	while (*how)
		argv[n++] = *how++;

	for (size_t i = 0; arguments && arguments[i]; i++) {
		assert_true(n < ARGUMENTS_MAX);
		argv[n++] = arguments[i];
	}
	t->pid = softtoken_spawn(argv, -1);
	while ((fd = softtoken_is_uhid() ? open_node(t) : softtoken_connect(t)) < 0) {
		assert_int_equal(waitpid(t->pid, NULL, WNOHANG), 0); /* it must not have ended */
		poll(NULL, 0, 2);
	}
	close(fd);
}

int softtoken_unplug(struct softtoken *t)
{
	int status;

	if (t->pid == 0)
		return 0;
	kill(t->pid, SIGTERM);
	status = softtoken_wait(t->pid);
	t->pid = 0;
	assert_int_equal(access(t->socket, F_OK), -1);
	if (softtoken_is_uhid())
		assert_int_equal(access(t->node, F_OK), -1);
	return status;
}

void softtoken_clear(struct softtoken *t)
{
	static const char *const names[] = {"state", "state.lock"};

	assert_int_equal(softtoken_unplug(t), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[128];

		snprintf(path, sizeof(path), "%s/%s", t->dir, names[i]);
		unlink(path);
	}
	assert_int_equal(rmdir(t->dir), 0); /* nothing else was left */
}

int softtoken_connect(const struct softtoken *t)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	strncpy(address.sun_path, t->socket, sizeof(address.sun_path) - 1);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

struct handle {
	int fd;
};

static void *io_open(const char *path)
{
	struct softtoken t = {0};
	struct handle *h = malloc(sizeof(*h));

	snprintf(t.socket, sizeof(t.socket), "%s", path);
	if (h)
		h->fd = softtoken_connect(&t);
	if (h && h->fd < 0) {
		free(h);
		h = NULL;
	}
	return h;
}

static void io_close(void *handle)
{
	close(((struct handle *)handle)->fd);
	free(handle);
}

static int io_read(void *handle, unsigned char *buf, size_t len, int ms)
{
	struct pollfd pfd = {.fd = ((struct handle *)handle)->fd, .events = POLLIN};

	if (len < REPORT_SIZE || poll(&pfd, 1, ms) != 1)
		return -1;
	return recv(pfd.fd, buf, REPORT_SIZE, 0) == REPORT_SIZE ? REPORT_SIZE : -1;
}

/* libfido2 puts the report number in front, as hidraw wants it. */
static int io_write(void *handle, const unsigned char *buf, size_t len)
{
	if (len != REPORT_SIZE + 1)
		return -1;
	return send(((struct handle *)handle)->fd, buf + 1, REPORT_SIZE, 0) == REPORT_SIZE ? (int)len : -1;
}

fido_dev_t *softtoken_open(const struct softtoken *t)
{
	static const fido_dev_io_t io = {
		.open = io_open, .close = io_close, .read = io_read, .write = io_write};
	fido_dev_t *dev = fido_dev_new();

	assert_non_null(dev);
	if (softtoken_is_uhid()) {
		assert_int_equal(fido_dev_open(dev, t->node), FIDO_OK);
		return dev;
	}
	assert_int_equal(fido_dev_set_io_functions(dev, &io), FIDO_OK);
	assert_int_equal(fido_dev_open(dev, t->socket), FIDO_OK);
	return dev;
}

void softtoken_close(fido_dev_t *dev)
{
	fido_dev_close(dev);
	fido_dev_free(&dev);
}
