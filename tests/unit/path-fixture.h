/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A device with packet threads whose TUN is a socket pair: what is put into `tun` is read as from a TUN device. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tunnel/path.h"

struct path_fixture {
	struct device device;
	struct path *path;
	struct tun tun_device;
	int tun; /* our end: a struct virtio_net_hdr and a packet per datagram */
	uint16_t port;
	struct peer *peer;
};

/* Ends the process when something cannot be had. The UDP sockets are on any port; endpoints are 127.0.0.1. */
void path_fixture_init(struct path_fixture *f, enum aead_kind cipher);
void path_fixture_clear(struct path_fixture *f);

/* The only peer, with 10.0.0.0/8 and fc00::/6 as its own; without a session. */
void path_fixture_peer(struct path_fixture *f, uint16_t port);
/* A session between two of them that begins now, as current; what was there ends. */
void path_fixture_connect(struct path_fixture *a, struct path_fixture *b, uint8_t key);
/* Ends current. */
void path_fixture_disconnect(struct path_fixture *f);
/* For one side alone: the other's keys are send and receive keys too (both bytes of `key`), the index is told. */
uint32_t path_fixture_session(struct path_fixture *f, uint8_t key);

/* What came out of it: header and packet, at most size. 0 when nothing came within ms. */
size_t path_fixture_read(struct path_fixture *f, void *to, size_t size, int ms);
void path_fixture_write(struct path_fixture *f, const void *header, const void *packet, size_t len);
