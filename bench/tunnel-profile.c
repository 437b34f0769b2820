/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Linked over the calls of the packet threads (--wrap) in bench/tunnel-path-profile: adds up the CPU time of each, user's and kernel's, by
 * the thread's own clock. No sampling and no privilege, so it works in any namespace; the clock itself costs some percent.
 */
#include <poll.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

#include "tunnel/aead.h"

enum share { CRYPTO, TUN, UDP, WAITING, _SHARES };

static _Atomic uint64_t spent[_SHARES];

static uint64_t thread_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void add(enum share s, uint64_t since)
{
	atomic_fetch_add_explicit(&spent[s], thread_ns() - since, memory_order_relaxed);
}

#define WRAP(share, type, name, parameters, arguments)  \
	type __real_##name parameters;                  \
	type __wrap_##name parameters;                  \
	type __wrap_##name parameters                   \
	{                                               \
		const uint64_t since = thread_ns();     \
		const type r = __real_##name arguments; \
                                                        \
		add(share, since);                      \
		return r;                               \
	}

WRAP(CRYPTO, size_t, aead_open, (struct aead_worker * w, const uint8_t *key, struct aead_packet *p, size_t n), (w, key, p, n))
WRAP(TUN, ssize_t, read, (int fd, void *to, size_t n), (fd, to, n))
WRAP(TUN, ssize_t, writev, (int fd, const struct iovec *iov, int n), (fd, iov, n))
WRAP(UDP, ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags), (fd, m, flags))
WRAP(UDP, int, recvmmsg, (int fd, struct mmsghdr *m, unsigned int n, int flags, struct timespec *t), (fd, m, n, flags, t))
WRAP(WAITING, int, poll, (struct pollfd *fds, nfds_t n, int ms), (fds, n, ms))
WRAP(WAITING, int, __poll_chk, (struct pollfd *fds, nfds_t n, int ms, size_t size), (fds, n, ms, size))

void __real_aead_seal(struct aead_worker *w, const uint8_t *key, struct aead_packet *p, size_t n);
void __wrap_aead_seal(struct aead_worker *w, const uint8_t *key, struct aead_packet *p, size_t n);

void __wrap_aead_seal(struct aead_worker *w, const uint8_t *key, struct aead_packet *p, size_t n)
{
	const uint64_t since = thread_ns();

	__real_aead_seal(w, key, p, n);
	add(CRYPTO, since);
}

void profile_print(void);

void profile_print(void)
{
	static const char *const names[_SHARES] = { "crypto", "TUN", "UDP", "waiting" };
	struct timespec ts;
	uint64_t all, ours;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	ours = all = (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
	for (int i = 0; i < _SHARES; i++) {
		printf("%s %.0f%%, ", names[i], 100.0 * (double)spent[i] / (double)all);
		ours -= spent[i];
	}
	printf("ours %.0f%%\n", 100.0 * (double)ours / (double)all);
	fflush(stdout);
}
