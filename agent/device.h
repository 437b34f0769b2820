/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A WireGuard interface, behind one small interface with two backends: generic netlink (the kernel's; libmnl) and
 * the cross-platform userspace socket protocol (wireguard-go and others; /var/run/wireguard/IFACE.sock). Blocking with a
 * two-second limit per exchange (-ETIMEDOUT). Keys that pass through are struct secret; message buffers are guarded and wiped.
 */
#pragma once

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/encoding.h"
#include "common/secret.h"

struct device_allowed_ip {
	sa_family_t family; /* AF_INET or AF_INET6 */
	uint8_t cidr;
	union {
		struct in_addr v4;
		struct in6_addr v6;
	};
};

union device_endpoint {
	struct sockaddr any; /* sa_family AF_UNSPEC: none */
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct device_peer {
	uint8_t public_key[KEY_SIZE];
	struct secret *preshared_key; /* NULL: the zero PSK, that is none */
	union device_endpoint endpoint;
	uint16_t keepalive;
	uint64_t rx_bytes, tx_bytes;
	uint64_t last_handshake_us; /* CLOCK_REALTIME; 0: never. It survives a link down and goes stale */
	size_t n_allowed_ips;
	struct device_allowed_ip *allowed_ips;
};

struct device {
	char ifname[IF_NAMESIZE];
	uint32_t ifindex;
	struct secret *private_key; /* NULL: none */
	uint8_t public_key[KEY_SIZE];
	uint16_t listen_port;
	size_t n_peers;
	struct device_peer *peers; /* sorted by public key */
};

enum device_peer_how {
	/* Change what is given, on a peer that is there (never creates one: UPDATE_ONLY / update_only=true). */
	DEVICE_PEER_UPDATE,
	/*
	 * Remove and add again in ONE message: its sessions are gone at once in both directions, while the peer and so its
	 * routes stay. endpoint, allowed_ips, keepalive and preshared_key must all be given.
	 */
	DEVICE_PEER_RENEW,
};

struct device_peer_change {
	uint8_t public_key[KEY_SIZE];
	enum device_peer_how how;
	const struct secret *preshared_key; /* borrowed; NULL: leave (UPDATE), none (RENEW) */
	bool set_keepalive;
	uint16_t keepalive;
	union device_endpoint endpoint; /* RENEW */
	size_t n_allowed_ips;		/* RENEW; borrowed */
	const struct device_allowed_ip *allowed_ips;
};

enum device_private_key_how { DEVICE_PRIVATE_KEY_LEAVE, DEVICE_PRIVATE_KEY_SET, DEVICE_PRIVATE_KEY_CLEAR };

struct device_change {
	enum device_private_key_how private_key_how;
	const struct secret *private_key; /* borrowed; SET */
	size_t n_peers;
	const struct device_peer_change *peers; /* borrowed; any number: the backend batches, never splitting one peer's RENEW */
};

struct device_backend;
struct device_backend_ops {
	const char *name; /* "kernel", "userspace" */
	/* -ENODEV: no such WireGuard interface. */
	int (*get)(struct device_backend *b, const char *ifname, struct device **ret);
	int (*set)(struct device_backend *b, const char *ifname, const struct device_change *change);
	struct device_backend *(*free)(struct device_backend *b);
};
struct device_backend {
	const struct device_backend_ops *ops;
};

/* -EOPNOTSUPP: the kernel has no WireGuard (no such generic netlink family). */
int device_netlink_new(struct device_backend **ret);
/* rundir: WGFIDO_WIREGUARD_RUNDIR, or a test's. */
int device_uapi_new(struct device_backend **ret, const char *rundir);

/* Chooses by what the interface is: a userspace socket for it that answers, else the kernel. -ENODEV where neither has it. */
struct device_set;
int device_set_new(struct device_set **ret, const char *uapi_rundir);
struct device_set *device_set_free(struct device_set *s);
int device_choose(struct device_set *s, const char *ifname, struct device_backend **ret);

struct device *device_free(struct device *d);
const struct device_peer *device_find_peer(const struct device *d, const uint8_t public_key[static KEY_SIZE]);

/*
 * Interfaces that appear, change or go (rtnetlink RTM_NEWLINK/DELLINK, IFLA_INFO_KIND not needed), and userspace sockets
 * that appear later than their TUN (inotify on the rundir). fd to poll; device_watch_read calls back per event; an overrun
 * calls back with ifname NULL: look at everything again.
 */
struct device_watch;
typedef void (*device_watch_event_t)(void *userdata, const char *ifname, bool present);
int device_watch_new(struct device_watch **ret, const char *uapi_rundir, device_watch_event_t event, void *userdata);
int device_watch_fd(const struct device_watch *w); /* an epoll descriptor */
int device_watch_read(struct device_watch *w);
struct device_watch *device_watch_free(struct device_watch *w);
