/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/transport.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>

/* Rounded up, so that a wait never ends before its deadline and spins. */
static int milliseconds_until(uint64_t now_us, uint64_t deadline_us)
{
	uint64_t ms;

	if (deadline_us == US_NEVER)
		return -1;
	ms = (deadline_us - now_us) / US_PER_MS + ((deadline_us - now_us) % US_PER_MS != 0);
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

int transport_wait(struct transport *t, int fd, short events, uint64_t deadline_us)
{
	for (;;) {
		uint64_t now = clock_now(t->clock).boot_us;
		struct pollfd fds[2] = {
			{.fd = fd, .events = events},
			{.fd = t->interrupt ? t->interrupt->fd : -1, .events = POLLIN},
		};
		int r;

		if (now >= deadline_us)
			return -ETIMEDOUT;
		r = poll(fds, 2, milliseconds_until(now, deadline_us));
		if (r < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		/* Before the token's side: a token that never stops talking must not outrun a cancellation. */
		if (fds[1].revents && t->interrupt->raised(t->interrupt))
			return -ECANCELED;
		if (fds[0].revents & POLLNVAL)
			return -EBADF;
		if (fds[0].revents)
			return 0;
	}
}

int transport_pause(struct transport *t, uint64_t us, uint64_t deadline_us)
{
	uint64_t now = clock_now(t->clock).boot_us, until = deadline_us - now > us ? now + us : deadline_us;
	int r;

	if (now >= deadline_us)
		return -ETIMEDOUT;
	r = transport_wait(t, -1, 0, until);
	if (r == -ETIMEDOUT && until < deadline_us)
		return 0;
	return r;
}

void transport_set_text(char ret[static TRANSPORT_TEXT_MAX], const char *text)
{
	size_t i;

	for (i = 0; text[i] && i < TRANSPORT_TEXT_MAX - 1; i++)
		ret[i] = text[i] >= 0x20 && text[i] < 0x7f ? text[i] : ' ';
	ret[i] = 0;
}
