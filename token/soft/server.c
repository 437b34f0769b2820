/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/soft/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LISTENER UINT32_MAX /* epoll data; other values are clients */

static int fill_address(struct sockaddr_un *ret, const char *path)
{
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(ret->sun_path))
		return -ENAMETOOLONG;
	strcpy(ret->sun_path, path);
	return 0;
}

/* A dot name in the same directory, short so that it does not run out of sun_path before the real one does.
 */
static int hidden_name(char **ret, const char *path)
{
	static unsigned int count;
	const char *slash = strrchr(path, '/');
	int dir_len = slash ? (int)(slash - path + 1) : 0;

	return asprintf(ret, "%.*s.%x-%x", dir_len, path, (unsigned int)getpid(), count++) < 0 ? -ENOMEM : 0;
}

static bool somebody_listens(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool yes;

	if (fd < 0)
		return false;
	yes = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN;
	close(fd);
	return yes;
}

static int watch(struct server *s, int fd, uint32_t what)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = what};

	return epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int listen_hidden(struct server *s, mode_t mode)
{
	struct sockaddr_un address;
	struct stat st;
	int r;

	r = fill_address(&address, s->path);
	if (r < 0)
		return r;
	if (somebody_listens(&address))
		return -EADDRINUSE;
	r = fill_address(&address, s->hidden);
	if (r < 0)
		return r;
	s->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->listen_fd < 0)
		return -errno;
	if (unlink(s->hidden) < 0 && errno != ENOENT) /* of an earlier process of the same number */
		return -errno;
	if (bind(s->listen_fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	if (mode != SERVER_MODE_DEFAULT && chmod(s->hidden, mode) < 0)
		return -errno;
	if (listen(s->listen_fd, SERVER_CLIENTS_MAX) < 0 || lstat(s->hidden, &st) < 0)
		return -errno;
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	return watch(s, s->listen_fd, LISTENER);
}

int server_open(struct server *s, const char *path, mode_t mode)
{
	int r;

	s->listen_fd = -1;
	s->hidden = NULL;
	for (unsigned int i = 0; i < SERVER_CLIENTS_MAX; i++)
		s->clients[i] = -1;
	s->path = strdup(path);
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	r = s->epoll_fd < 0 ? -errno : 0;
	if (r == 0)
		r = s->path ? hidden_name(&s->hidden, path) : -ENOMEM;
	if (r == 0)
		r = listen_hidden(s, mode);
	if (r < 0)
		server_close(s);
	return r;
}

int server_publish(struct server *s)
{
	if (rename(s->hidden, s->path) < 0)
		return -errno;
	free(s->hidden);
	s->hidden = NULL;
	return 0;
}

static void drop(struct server *s, unsigned int client)
{
	close(s->clients[client]);
	s->clients[client] = -1;
	if (s->gone)
		s->gone(s->userdata, client);
}

static void accept_one(struct server *s)
{
	int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	for (unsigned int i = 0; i < SERVER_CLIENTS_MAX; i++) {
		if (s->clients[i] >= 0)
			continue;
		if (watch(s, fd, i) < 0)
			break;
		s->clients[i] = fd;
		return;
	}
	close(fd);
}

static void receive_one(struct server *s, unsigned int client)
{
	uint8_t buf[SERVER_PACKET_MAX];
	ssize_t n;

	if (s->clients[client] < 0) /* dropped while an earlier event was handled */
		return;
	n = recv(s->clients[client], buf, sizeof(buf), MSG_TRUNC);
	if (n > 0) {
		if ((size_t)n <= sizeof(buf))
			s->packet(s->userdata, client, buf, (size_t)n);
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		drop(s, client);
	}
}

void server_dispatch(struct server *s)
{
	struct epoll_event events[SERVER_CLIENTS_MAX + 1];
	int n = epoll_wait(s->epoll_fd, events, SERVER_CLIENTS_MAX + 1, 0);

	for (int i = 0; i < n; i++) {
		if (events[i].data.u32 == LISTENER)
			accept_one(s);
		else
			receive_one(s, events[i].data.u32);
	}
}

void server_send(struct server *s, unsigned int client, const void *data, size_t len)
{
	/* What is wrong with a client (EPIPE) shows when it is read from. */
	if (s->clients[client] >= 0)
		(void)!send(s->clients[client], data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void server_send_all(struct server *s, const void *data, size_t len)
{
	for (unsigned int i = 0; i < SERVER_CLIENTS_MAX; i++)
		server_send(s, i, data, len);
}

void server_close(struct server *s)
{
	struct stat st;

	if (s->hidden && s->listen_fd >= 0)
		unlink(s->hidden);
	else if (s->listen_fd >= 0 && lstat(s->path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino)
		unlink(s->path);
	for (unsigned int i = 0; i < SERVER_CLIENTS_MAX; i++) {
		if (s->clients[i] >= 0)
			close(s->clients[i]);
		s->clients[i] = -1;
	}
	if (s->listen_fd >= 0)
		close(s->listen_fd);
	if (s->epoll_fd >= 0)
		close(s->epoll_fd);
	s->listen_fd = s->epoll_fd = -1;
	free(s->hidden);
	free(s->path);
	s->hidden = s->path = NULL;
}
