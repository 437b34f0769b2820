/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A UNIX SOCK_SEQPACKET socket with several clients. The path appears, ready to be connected to, with
 * server_publish (bound and listening under a hidden name before, then renamed), and goes with server_close.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SERVER_CLIENTS_MAX 32
#define SERVER_PACKET_MAX 256

struct server {
	int epoll_fd; /* readable when server_dispatch has something to do */
	int listen_fd;
	int clients[SERVER_CLIENTS_MAX]; /* -1: free */
	char *path, *hidden;
	dev_t dev; /* of the socket's node, to remove no other's */
	ino_t ino;
	/* client is an index below SERVER_CLIENTS_MAX. gone may be NULL. */
	void (*packet)(void *userdata, unsigned int client, const uint8_t *data, size_t len);
	void (*gone)(void *userdata, unsigned int client);
	void *userdata;
};

#define SERVER_MODE_DEFAULT ((mode_t)-1) /* as the umask says */

/* The callbacks must be set; *s is otherwise overwritten. -EADDRINUSE: somebody listens there; -ENAMETOOLONG;
 * or another errno. */
int server_open(struct server *s, const char *path, mode_t mode);
int server_publish(struct server *s);
void server_dispatch(struct server *s);
/* Never waits: a client that does not read loses the packet. */
void server_send(struct server *s, unsigned int client, const void *data, size_t len);
void server_send_all(struct server *s, const void *data, size_t len);
void server_close(struct server *s);
