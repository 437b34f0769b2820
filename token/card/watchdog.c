/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/card/watchdog.h"

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define TICK_US 50000
/* A card that is silent for so long while it might want a touch, wants one. */
#define TOUCH_SUSPECTED_US (700 * US_PER_MS)
#define PREPARED_MAX 256

/* Made in peace, sent from the handler. */
struct prepared {
	size_t len;
	uint8_t bytes[PREPARED_MAX];
};

static struct watchdog {
	volatile sig_atomic_t armed;
	volatile sig_atomic_t phase; /* enum card_phase */
	volatile sig_atomic_t touch_told;
	int fd;
	uint32_t serial;
	uint64_t deadline_us;
	volatile uint64_t phase_since_us; /* written while the signal is blocked */
	struct prepared touch, cancelled, busy, untouched, late;
} dog;

static uint64_t now_us(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_BOOTTIME, &ts) < 0)
		return US_NEVER;
	return (uint64_t)ts.tv_sec * US_PER_SEC + (uint64_t)ts.tv_nsec / 1000;
}

static void send_prepared(const struct prepared *p)
{
	(void)send(dog.fd, p->bytes, p->len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Layout of common/wire.c: u8 version, u8 type, u32 serial. */
static bool is_cancel(const uint8_t *message, ssize_t len)
{
	const uint8_t serial[4] = {(uint8_t)dog.serial, (uint8_t)(dog.serial >> 8), (uint8_t)(dog.serial >> 16),
		(uint8_t)(dog.serial >> 24)};

	return len == 6 && message[1] == WIRE_CANCEL && memcmp(message + 2, serial, sizeof(serial)) == 0;
}

/* Only what a signal handler may call. */
static void look(void)
{
	const uint64_t now = now_us();
	uint8_t message[16];
	ssize_t n;

	n = recv(dog.fd, message, sizeof(message), MSG_DONTWAIT | MSG_TRUNC);
	if (n >= 0 || (errno != EAGAIN && errno != EINTR)) {
		/* A cancellation of an operation that is over is late, not wrong. */
		if (n == 6 && message[1] == WIRE_CANCEL && !is_cancel(message, n))
			return;
		if (is_cancel(message, n))
			send_prepared(&dog.cancelled);
		_exit(n <= 0 || is_cancel(message, n) ? 0 : 1);
	}
	if (dog.phase == CARD_MAY_WANT_TOUCH && !dog.touch_told && now - dog.phase_since_us >= TOUCH_SUSPECTED_US) {
		dog.touch_told = 1;
		send_prepared(&dog.touch);
	}
	if (now < dog.deadline_us)
		return;
	switch ((enum card_phase)dog.phase) {
	case CARD_TALKS:
		send_prepared(&dog.late);
		break;
	case CARD_WAITS_FOR_OTHERS:
		send_prepared(&dog.busy);
		break;
	case CARD_MAY_WANT_TOUCH:
	case CARD_WANTS_TOUCH:
		send_prepared(&dog.untouched);
		break;
	}
	_exit(0);
}

static void on_tick(int signal)
{
	const int saved = errno;

	(void)signal;
	if (dog.armed)
		look();
	errno = saved;
}

/* buffer: guarded as every buffer of messages, though nothing secret is in these. */
static int prepare(struct prepared *ret, uint8_t *buffer, enum outcome outcome, const char *detail)
{
	struct wire_result result = {.serial = dog.serial, .outcome = outcome, .pin_retries = -1};
	int r;

	snprintf(result.detail, sizeof(result.detail), "%s", detail);
	r = wire_encode_result(buffer, &ret->len, &result);
	if (r == 0 && ret->len > sizeof(ret->bytes))
		r = -EMSGSIZE;
	if (r == 0)
		memcpy(ret->bytes, buffer, ret->len);
	return r;
}

static int prepare_all(void)
{
	struct wire_status_message touch = {.serial = dog.serial, .status = WIRE_STATUS_TOUCH};
	uint8_t *buffer = sodium_malloc(WIRE_MESSAGE_MAX);
	int r;

	if (!buffer)
		return -ENOMEM;
	r = wire_encode_status(buffer, &dog.touch.len, &touch);
	if (r == 0)
		memcpy(dog.touch.bytes, buffer, dog.touch.len);
	if (r == 0)
		r = prepare(&dog.cancelled, buffer, OUTCOME_CANCELLED, "");
	if (r == 0)
		r = prepare(&dog.busy, buffer, OUTCOME_TOKEN_BUSY, "another program uses the card");
	if (r == 0)
		r = prepare(&dog.untouched, buffer, OUTCOME_TOUCH_TIMEOUT, "");
	if (r == 0)
		r = prepare(&dog.late, buffer, OUTCOME_TOKEN_FAILED, "the card did not answer in time");
	sodium_free(buffer);
	return r;
}

static int set_timer(long us)
{
	const struct itimerval timer = {.it_interval.tv_usec = us, .it_value.tv_usec = us};

	return setitimer(ITIMER_REAL, &timer, NULL) < 0 ? -errno : 0;
}

int watchdog_arm(int fd, uint32_t serial, uint64_t deadline_us)
{
	struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
	int r;

	dog.fd = fd;
	dog.serial = serial;
	dog.deadline_us = deadline_us;
	dog.touch_told = 0;
	dog.phase = CARD_TALKS;
	r = prepare_all();
	if (r < 0)
		return r;
	sigemptyset(&action.sa_mask);
	if (sigaction(SIGALRM, &action, NULL) < 0)
		return -errno;
	dog.armed = 1;
	r = set_timer(TICK_US);
	if (r < 0)
		dog.armed = 0;
	return r;
}

void watchdog_phase(enum card_phase phase)
{
	sigset_t alarm, before;

	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	(void)sigprocmask(SIG_BLOCK, &alarm, &before);
	dog.phase_since_us = now_us();
	dog.phase = (sig_atomic_t)phase;
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
}

void watchdog_disarm(void)
{
	dog.armed = 0;
	(void)set_timer(0);
}
