/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In pcscd's place: readers with emulated cards, for programs that are linked with pcsc-socket.c.
 *
 *	readers SOCKET
 *
 * obeys lines on stdin and says "ok" to each: insert READER [openpgp|piv|none|both], pull READER, uif READER N, touch READER, reset READER,
 * exclusive READER 0|1, tries READER N, deny 0|1, state READER.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/card/emulator.h"
#include "token/card/pcsc.h"

#define CLIENTS_MAX 32

struct client {
	int fd;		/* 0: none */
	int card;	/* -1: not connected */
	bool stale, waits_watch, waits_begin, waits_touch;
	struct pcsc_readers known;
	uint8_t command[4096];
	size_t command_len;
};

static struct pcsc_readers readers;
static struct emulator cards[PCSC_READERS_MAX];
static struct client *holders[PCSC_READERS_MAX];
static struct client clients[CLIENTS_MAX];
static struct client *current;
static bool deny;

static void answer(struct client *c, int error, const void *data, size_t len)
{
	static uint8_t buf[70000];

	buf[0] = (uint8_t)error;
	if (len > 0)
		memcpy(buf + 1, data, len);
	(void)send(c->fd, buf, 1 + len, MSG_NOSIGNAL);
}

static int find(const char *name)
{
	for (unsigned int i = 0; i < readers.n; i++)
		if (strcmp(readers.list[i].name, name) == 0)
			return (int)i;
	return -1;
}

static void reset(int card)
{
	emulator_reset(&cards[card]);
	for (int i = 0; i < CLIENTS_MAX; i++)
		if (clients[i].fd && clients[i].card == card && &clients[i] != current)
			clients[i].stale = true;
}

static bool is_gone(const struct client *c)
{
	return c->card < 0 || !readers.list[c->card].present;
}

static void wants_touch(struct emulator *e)
{
	/* Answered later: see transmit(). */
	if (!e->touched)
		current->waits_touch = true;
}

static void transmit(struct client *c)
{
	static uint8_t out[EMULATOR_ANSWER_MAX];
	struct emulator before;
	size_t len;

	if (is_gone(c)) {
		answer(c, ENODEV, NULL, 0);
		return;
	}
	before = cards[c->card];
	current = c;
	c->waits_touch = false;
	len = emulator_transmit(&cards[c->card], c->command, c->command_len, out);
	current = NULL;
	if (c->waits_touch) {
		cards[c->card] = before;
		return;
	}
	cards[c->card].touched = false;
	answer(c, 0, out, len);
}

static void begin(struct client *c)
{
	c->waits_begin = false;
	if (is_gone(c))
		answer(c, ENODEV, NULL, 0);
	else if (c->stale)
		answer(c, ESTALE, NULL, 0);
	else if (holders[c->card] && holders[c->card] != c)
		c->waits_begin = true;
	else {
		holders[c->card] = c;
		answer(c, 0, NULL, 0);
	}
}

static void let_go(struct client *c, bool and_reset)
{
	if (c->card >= 0 && holders[c->card] == c)
		holders[c->card] = NULL;
	if (c->card >= 0 && and_reset) {
		current = c;
		reset(c->card);
		current = NULL;
	}
	c->card = -1;
	c->waits_begin = c->waits_touch = c->stale = false;
}

static void connect_card(struct client *c, const char *name)
{
	uint8_t atr[33];

	c->card = find(name);
	c->stale = false;
	if (is_gone(c)) {
		c->card = -1;
		answer(c, ENODEV, NULL, 0);
	} else if (readers.list[c->card].exclusive) {
		c->card = -1;
		answer(c, EBUSY, NULL, 0);
	} else {
		answer(c, 0, atr, emulator_atr(&cards[c->card], atr));
	}
}

static void handle(struct client *c)
{
	char buf[8192];
	ssize_t n = recv(c->fd, buf, sizeof(buf) - 1, 0);

	if (n <= 0) {
		/* As pcscd does for a client that goes. */
		let_go(c, true);
		close(c->fd);
		*c = (struct client){.card = -1};
		return;
	}
	buf[n] = '\0';
	switch (buf[0]) {
	case 'O':
		answer(c, deny ? EACCES : 0, NULL, 0);
		break;
	case 'C':
		connect_card(c, buf + 1);
		break;
	case 'R':
		c->stale = false;
		answer(c, 0, NULL, 0);
		break;
	case 'D':
		let_go(c, buf[1] == '1');
		answer(c, 0, NULL, 0);
		break;
	case 'B':
		begin(c);
		break;
	case 'E':
		if (c->card >= 0 && holders[c->card] == c)
			holders[c->card] = NULL;
		answer(c, 0, NULL, 0);
		break;
	case 'T':
		c->command_len = (size_t)n - 1;
		memcpy(c->command, buf + 1, c->command_len);
		transmit(c);
		break;
	case 'W':
		memcpy(&c->known, buf + 1, sizeof(c->known));
		c->waits_watch = true;
		break;
	default:
		exit(2);
	}
}

static void insert(const char *name, const char *what)
{
	int i = find(name);

	if (i < 0) {
		i = (int)readers.n++;
		strcpy(readers.list[i].name, name);
	}
	emulator_init(&cards[i]);
	cards[i].wait_for_touch = wants_touch;
	if (what[0] && strcmp(what, "both") != 0) {
		cards[i].openpgp = strcmp(what, "openpgp") == 0;
		cards[i].piv = strcmp(what, "piv") == 0;
	}
	readers.list[i].present = true;
	readers.list[i].events++;
}

static void obey(const char *line)
{
	char verb[16], name[64], what[16] = "";
	int i;

	if (sscanf(line, "%15s %63s %15s", verb, name, what) < 2)
		exit(2);
	i = find(name);
	if (strcmp(verb, "deny") == 0)
		deny = name[0] == '1';
	else if (strcmp(verb, "insert") == 0)
		insert(name, what);
	else if (i < 0)
		exit(2);
	else if (strcmp(verb, "pull") == 0) {
		readers.list[i].present = false;
		readers.list[i].events++;
		reset(i);
	} else if (strcmp(verb, "uif") == 0)
		cards[i].uif = atoi(what);
	else if (strcmp(verb, "tries") == 0)
		cards[i].pw1.tries = atoi(what);
	else if (strcmp(verb, "touch") == 0)
		cards[i].touched = true;
	else if (strcmp(verb, "reset") == 0)
		reset(i);
	else if (strcmp(verb, "exclusive") == 0)
		readers.list[i].exclusive = what[0] == '1';
	else if (strcmp(verb, "state") == 0)
		printf("verify %u dh %u verified %d\n", cards[i].n_verify, cards[i].n_dh, cards[i].pw1.verified || cards[i].pin.verified);
	else
		exit(2);
	printf("ok\n");
	fflush(stdout);
}

/* Whoever waits for what may be now. */
static void settle(void)
{
	for (int i = 0; i < CLIENTS_MAX; i++) {
		struct client *c = &clients[i];

		if (!c->fd)
			continue;
		if (c->waits_watch && memcmp(&c->known, &readers, sizeof(readers)) != 0) {
			c->waits_watch = false;
			answer(c, 0, &readers, sizeof(readers));
		}
		if (c->waits_begin)
			begin(c);
		if (c->waits_touch && (is_gone(c) || cards[c->card].touched))
			transmit(c);
	}
}

static void accept_client(int listener)
{
	int fd = accept(listener, NULL, NULL);

	for (int i = 0; i < CLIENTS_MAX; i++)
		if (!clients[i].fd) {
			clients[i] = (struct client){.fd = fd, .card = -1};
			return;
		}
	close(fd);
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char line[256];
	int listener;

	if (argc != 2)
		return 2;
	strncpy(address.sun_path, argv[1], sizeof(address.sun_path) - 1);
	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(listener, 16) < 0)
		return 1;
	setvbuf(stdin, NULL, _IONBF, 0);
	for (;;) {
		struct pollfd fds[2 + CLIENTS_MAX] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = listener, .events = POLLIN}};

		for (int i = 0; i < CLIENTS_MAX; i++)
			fds[2 + i] = (struct pollfd){.fd = clients[i].fd ? clients[i].fd : -1, .events = POLLIN};
		if (poll(fds, 2 + CLIENTS_MAX, -1) < 0)
			return 1;
		if (fds[0].revents) {
			if (!fgets(line, sizeof(line), stdin))
				break;
			obey(line);
		}
		if (fds[1].revents)
			accept_client(listener);
		for (int i = 0; i < CLIENTS_MAX; i++)
			if (fds[2 + i].revents)
				handle(&clients[i]);
		settle();
	}
	unlink(argv[1]);
	return 0;
}
