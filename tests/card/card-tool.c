/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The broker's part, for tests: starts a worker for a card and sends it what the command line says, in turn.
 *
 *	card-tool WORKER READER COMMAND...	info | list | dh KIND:SLOT PIN|- keep|leave MS | forget | line (waits for one on stdin)
 *		| cancel (of the next dh, when it asks for a touch)
 *	card-tool WORKER --cards		prints what the monitor tells, for ever
 */
#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/outcome.h"
#include "common/wire-card.h"
#include "common/wire.h"
#include "tests/card/emulator.h"

static struct {
	int fd;
	pid_t pid;
	uint32_t serial;
	bool cancel;
	uint8_t *buf;
	const char *worker, *reader;
} t;

static void start(const char *worker, const char *reader)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0)
		exit(3);
	t.pid = fork();
	if (t.pid < 0)
		exit(3);
	if (t.pid == 0) {
		close(pair[0]);
		dup2(pair[1], 3);
		if (reader)
			execl(worker, worker, "--fd", "3", "--card", reader, (char *)NULL);
		else
			execl(worker, worker, "--fd", "3", "--cards", (char *)NULL);
		_exit(127);
	}
	close(pair[1]);
	t.fd = pair[0];
}

static void print_info(const struct wire_token_info *i)
{
	printf(" product=%s serial=%s capabilities=%u tries=%d", i->product, i->serial, i->capabilities, i->pin_retries);
}

static void print_keys(const struct wire_result *r)
{
	char hex[65];

	printf(" slots=%u", r->x_slots);
	for (unsigned int i = 0; i < r->n_x_keys; i++)
		printf(" %d:%02x:touch%d:pin%d:%s", r->x_keys[i].slot.kind, r->x_keys[i].slot.number, r->x_keys[i].touch, r->x_keys[i].needs_pin,
			sodium_bin2hex(hex, sizeof(hex), r->x_keys[i].public_key, 32));
}

/* Against the secrets that the emulator's cards have. */
static void print_shared(const struct wire_result *r, const struct wire_request *request)
{
	uint8_t secret[32], shared[32];

	memset(secret, request->x_slot.kind == WIRE_X_OPENPGP ? 0x11 : 0x22, sizeof(secret));
	printf(" %s", emulator_x25519(shared, secret, request->x_point) && memcmp(shared, secret_key(r->outputs[0]), 32) == 0 ? "right" : "WRONG");
}

static void send_request(const struct wire_request *request)
{
	size_t len;

	if (wire_encode_request(t.buf, &len, request) < 0) {
		fprintf(stderr, "card-tool: not a request\n");
		exit(2);
	}
	if (send(t.fd, t.buf, len, MSG_NOSIGNAL) < 0) {
		/* It went while nothing ran. */
		close(t.fd);
		(void)waitpid(t.pid, NULL, 0);
		start(t.worker, t.reader);
		(void)send(t.fd, t.buf, len, MSG_NOSIGNAL);
	}
}

static bool reply(const struct wire_request *request)
{
	struct wire_status_message status;
	struct wire_result result;
	enum wire_type type;
	ssize_t n;

	n = recv(t.fd, t.buf, WIRE_MESSAGE_MAX, 0);
	if (n <= 0 || wire_decode_reply(&type, &result, &status, t.buf, (size_t)n) < 0) {
		printf("gone\n");
		/* As the broker: the next one gets a new worker. */
		close(t.fd);
		(void)waitpid(t.pid, NULL, 0);
		start(t.worker, t.reader);
		return true;
	}
	if (type == WIRE_STATUS) {
		printf("status %d\n", status.status);
		if (t.cancel)
			send_request(&(struct wire_request){.type = WIRE_CANCEL, .serial = t.serial});
		t.cancel = false;
		return false;
	}
	printf("%d %s", request->type, outcome_name(result.outcome));
	if (result.pin_retries >= 0)
		printf(" tries=%d", result.pin_retries);
	if (result.detail[0])
		printf(" (%s)", result.detail);
	if (result.outcome == OUTCOME_OK && request->type == WIRE_INFO)
		print_info(&result.info);
	if (result.outcome == OUTCOME_OK && request->type == WIRE_X_LIST)
		print_keys(&result);
	if (result.outcome == OUTCOME_OK && request->type == WIRE_X_DH)
		print_shared(&result, request);
	printf("\n");
	wire_result_clear(&result);
	return true;
}

static void ask(struct wire_request *request)
{
	request->serial = ++t.serial;
	send_request(request);
	fflush(stdout);
	while (!reply(request))
		fflush(stdout);
	fflush(stdout);
	wire_request_clear(request);
}

static void ask_dh(char **argv)
{
	struct wire_request request = {.type = WIRE_X_DH};
	unsigned int kind, slot;
	uint8_t secret[32];

	if (sscanf(argv[0], "%u:%x", &kind, &slot) != 2)
		exit(2);
	request.x_slot = (struct wire_x_slot){(enum wire_x_kind)kind, (uint8_t)slot};
	if (strcmp(argv[1], "-") != 0) {
		request.uv = WIRE_UV_PIN;
		request.pin = secret_new(strlen(argv[1]));
		memcpy(secret_borrow_mut(request.pin), argv[1], strlen(argv[1]));
	}
	request.x_keep = strcmp(argv[2], "keep") == 0;
	request.timeout_ms = (uint32_t)atoi(argv[3]);
	randombytes_buf(secret, sizeof(secret));
	crypto_scalarmult_base(request.x_point, secret);
	ask(&request);
}

static int monitor(void)
{
	static const char *const names[] = {"?", "connected", "denied", "added", "removed", "freed"};
	uint8_t bytes[WIRE_CARD_MESSAGE_MAX];
	struct wire_card_message m;
	ssize_t n;

	while ((n = recv(t.fd, bytes, sizeof(bytes), 0)) > 0) {
		if (wire_card_decode(&m, bytes, (size_t)n) < 0)
			return 1;
		printf("%s %s\n", names[m.event], m.reader);
		fflush(stdout);
	}
	printf("end\n");
	return 0;
}

int main(int argc, char **argv)
{
	char line[64];

	if (argc < 3 || secret_init() < 0)
		return 2;
	(void)signal(SIGPIPE, SIG_IGN);
	t.buf = sodium_malloc(WIRE_MESSAGE_MAX);
	t.worker = argv[1];
	t.reader = strcmp(argv[2], "--cards") == 0 ? NULL : argv[2];
	start(t.worker, t.reader);
	if (!t.reader)
		return monitor();
	for (int i = 3; i < argc; i++) {
		struct wire_request request = {.timeout_ms = 10000};

		if (strcmp(argv[i], "line") == 0) {
			if (!fgets(line, sizeof(line), stdin))
				return 1;
			continue;
		}
		if (strcmp(argv[i], "cancel") == 0) {
			t.cancel = true;
			continue;
		}
		if (strcmp(argv[i], "dh") == 0 && i + 4 < argc) {
			ask_dh(argv + i + 1);
			i += 4;
			continue;
		}
		request.type = strcmp(argv[i], "info") == 0 ? WIRE_INFO : strcmp(argv[i], "list") == 0 ? WIRE_X_LIST : WIRE_X_FORGET;
		ask(&request);
	}
	close(t.fd);
	(void)waitpid(t.pid, NULL, 0);
	sodium_free(t.buf);
	return 0;
}
