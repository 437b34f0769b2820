/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The packet threads of wgfido-tunnel alone, between two network namespaces: sessions are put in by hand and last for three minutes, so
 * what is measured is the path and nothing else. In bench/tunnel-path-plain the cipher does nothing: what is left is what
 * TUN, UDP and the system calls cost. bench/tunnel-path-profile prints at its end what the CPU time went to.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/secret.h"
#include "tunnel/path.h"

#ifdef BENCH_PLAIN
void __wrap_aead_seal(struct aead_worker *w, const uint8_t *key, struct aead_packet *packets, size_t n);
size_t __wrap_aead_open(struct aead_worker *w, const uint8_t *key, struct aead_packet *packets, size_t n);

void __wrap_aead_seal(struct aead_worker *w, const uint8_t *key, struct aead_packet *packets, size_t n)
{
	(void)w, (void)key, (void)packets, (void)n;
}

size_t __wrap_aead_open(struct aead_worker *w, const uint8_t *key, struct aead_packet *packets, size_t n)
{
	(void)w, (void)key;
	for (size_t i = 0; i < n; i++)
		packets[i].ok = true;
	return n;
}
#endif

#ifdef BENCH_PROFILE
void profile_print(void);
#else
static void profile_print(void)
{
}
#endif

#define PORT 51820

struct side {
	const char *netns, *other; /* its network namespace; the other's address in the underlay */
	int channel;
	bool first;
};

static void check(int r, const char *what)
{
	if (r < 0) {
		fprintf(stderr, "tunnel-path: %s: %s\n", what, strerror(r == -1 ? errno : -r));
		exit(1);
	}
}

static int run(const struct side *side, const char *ifname, enum aead_kind cipher)
{
	static struct device device;
	struct in_addr any = { 0 };
	struct secret *keys = secret_new(2 * SECRET_KEY_SIZE);
	struct index_entry *entry;
	struct session *session;
	struct path *path;
	struct peer *peer;
	struct tun tun;
	uint16_t port = PORT;
	uint32_t index;
	int ns = open(side->netns, O_RDONLY | O_CLOEXEC);
	sigset_t end;
	int sig;

	check(ns < 0 ? -errno : setns(ns, CLONE_NEWNET), side->netns);
	close(ns);
	check(tun_open(&tun, ifname), "TUN");
	check(device_init(&device, &path_ops, NULL), "device");
	check(path_new(&path, &device, &tun, DEVICE_MTU_DEFAULT, cipher), "path");
	device.path = path;
	check(path_ops.rebind(path, &port, 0), "port");
	check(device_peer_add(&device, (const uint8_t[KEY_SIZE]){ 1 }, &peer), "peer");
	if (!keys)
		check(-ENOMEM, "keys");
	for (int i = 0; i < SECRET_KEY_SIZE; i++) {
		secret_borrow_mut(keys)[i] = side->first ? 1 : 2;
		secret_borrow_mut(keys)[SECRET_KEY_SIZE + i] = side->first ? 2 : 1;
	}
	session = session_new(peer, keys, side->first, 0, 0, clock_now(&clock_system).boot_us);
	entry = &session->entry;
	check(index_insert(&device.indexes, entry), "index");
	check((int)write(side->channel, &entry->index, sizeof(index)), "channel");
	check((int)read(side->channel, &index, sizeof(index)), "channel");
	session->remote_index = index;
	session->entry.session = session;
	session->entry.peer = peer;
	peer->current = session;
	peer->endpoint.to.in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(PORT) };
	inet_pton(AF_INET, side->other, &peer->endpoint.to.in.sin_addr);
	check(allowedips_insert(&device.allowed_ips, AF_INET, &any, 0, peer), "allowed-ips");
	check(path_start(path), "threads");
	if (side->first)
		fprintf(stderr, "cipher %s; TCP segments %s, UDP segments %s\n", path_describe(path), tun.tso ? "yes" : "no",
			tun.uso ? "yes" : "no");
	check((int)write(STDOUT_FILENO, "up\n", 3), "stdout");
	sigemptyset(&end);
	sigaddset(&end, SIGTERM);
	sigwait(&end, &sig);
	path_stop(path);
	profile_print();
	device_session_end(&device, &peer->current);
	device_clear(&device);
	path_free(path);
	tun_close(&tun);
	return 0;
}

static pid_t start(const struct side *side, const char *ifname, enum aead_kind cipher)
{
	const pid_t pid = fork();

	check(pid, "fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		exit(run(side, ifname, cipher));
	}
	return pid;
}

int main(int argc, char **argv)
{
	enum aead_kind cipher = AEAD_FASTEST;
	int channel[2], sig;
	struct side a, b;
	sigset_t end;

	if (argc == 7 && strcmp(argv[6], "libcrypto") == 0)
		cipher = AEAD_LIBCRYPTO;
	else if (argc == 7 && strcmp(argv[6], "ipsec-mb") == 0)
		cipher = AEAD_IPSEC_MB;
	else if (argc != 6) {
		fputs("usage: tunnel-path IFACE NETNS ADDRESS NETNS ADDRESS [libcrypto|ipsec-mb]\n"
		      "Makes the TUN device IFACE in both network namespaces, each reached at its ADDRESS, until SIGTERM.\n", stderr);
		return 2;
	}
	sigemptyset(&end);
	sigaddset(&end, SIGTERM);
	sigprocmask(SIG_BLOCK, &end, NULL);
	check(secret_init(), "secrets");
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel), "socketpair");
	a = (struct side){ .netns = argv[2], .other = argv[5], .channel = channel[0], .first = true };
	b = (struct side){ .netns = argv[4], .other = argv[3], .channel = channel[1] };
	const pid_t pids[] = { start(&a, argv[1], cipher), start(&b, argv[1], cipher) };

	sigwait(&end, &sig);
	for (int i = 0; i < 2; i++)
		kill(pids[i], SIGTERM);
	while (wait(NULL) > 0)
		;
	return 0;
}
