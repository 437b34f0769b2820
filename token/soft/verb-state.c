/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verbs that work on the state file of an unplugged token. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "common/log.h"
#include "token/soft/ctap2.h"
#include "token/soft/store.h"
#include "token/soft/verbs.h"

static const char help_set_pin[] =
	"Usage: wgfido-softtoken set-pin --state FILE\n\n"
	"Sets the PIN of an unplugged token: the first line of standard input, 4 characters to 63 bytes. An "
	"old PIN is\n"
	"replaced without asking for it, and the tries are full again: who has the file has the key.\n\n"
	"  --state FILE        its keys; made when missing\n"
	"  --help\n";

static const char help_reset[] =
	"Usage: wgfido-softtoken reset --state FILE\n\n"
	"Makes an unplugged token as good as new: its PIN, all credentials made with it, its X25519\n"
	"keys and the hosts that were paired are gone.\n\n"
	"  --state FILE        its keys\n"
	"  --help\n";

static const char help_info[] = "Usage: wgfido-softtoken info --state FILE\n\n"
				"Prints what the state file says about the token; nothing secret.\n\n"
				"  --state FILE        its keys\n"
				"  --help\n";

void verb_state_error(const char *path, int r)
{
	if (r == -EBUSY)
		log_error("%s: another wgfido-softtoken runs on it; unplug that one first", path);
	else if (r == -EBADMSG || r == -EINVAL || r == -EISDIR)
		log_error("%s: damaged, or not the state of a software token; it was left as it is", path);
	else if (r == -EPROTONOSUPPORT)
		log_error("%s: written by another version of wgfido-softtoken; it was left as it is", path);
	else
		log_error("%s: %s", path, strerror(-r));
}

/* The path, or NULL with *ret_exit set. */
static const char *parse(int argc, char **argv, const char *help, int *ret_exit)
{
	static const struct option options[] = {
		{"state", required_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	const char *path = NULL;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 's') {
			path = optarg;
			continue;
		}
		*ret_exit = option == 'h' ? EXIT_SUCCESS : EXIT_USAGE;
		if (option == 'h')
			fputs(help, stdout);
		return NULL;
	}
	if (path && optind == argc)
		return path;
	log_error("%s needs --state FILE; see %s --help", argv[0], argv[0]);
	*ret_exit = EXIT_USAGE;
	return NULL;
}

/* One byte at a time, so that nothing of a longer input is lost to whoever reads on, and nothing lies outside
 * of the secret. */
static int read_line(struct secret **ret)
{
	_cleanup_secret_ struct secret *line = secret_new(SECRET_MAX);
	size_t len = 0;

	if (!line)
		return -ENOMEM;
	for (;;) {
		uint8_t *at = secret_borrow_mut(line) + len;
		ssize_t n = read(STDIN_FILENO, at, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0 || *at == '\n')
			break;
		if (++len == SECRET_MAX)
			return -EMSGSIZE;
	}
	if (len == 0)
		return -ENODATA;
	secret_truncate(line, len);
	*ret = secret_take(&line);
	return 0;
}

static int read_pin(struct secret **ret)
{
	struct termios saved, quiet;
	bool tty = tcgetattr(STDIN_FILENO, &saved) == 0;
	int r;

	if (tty) {
		quiet = saved;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		fputs("New PIN: ", stderr);
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	}
	r = read_line(ret);
	if (tty) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &saved);
		fputc('\n', stderr);
	}
	return r;
}

static int save_and_close(struct store *s, const char *path, int r)
{
	if (r == 0)
		r = store_save(s);
	store_close(s);
	if (r < 0)
		log_error("%s: %s", path, strerror(-r));
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int verb_set_pin(int argc, char **argv)
{
	_cleanup_secret_ struct secret *pin = NULL, *hash = NULL;
	int r, status = EXIT_FAILURE;
	const char *path = parse(argc, argv, help_set_pin, &status);
	struct store s;

	if (!path)
		return status;
	r = read_pin(&pin);
	if (r < 0 && r != -EMSGSIZE && r != -ENODATA) {
		log_error("standard input: %s", strerror(-r));
		return EXIT_FAILURE;
	}
	if (r < 0 || ctap2_pin_digest(&hash, secret_borrow(pin), secret_len(pin)) != CTAP2_OK) {
		log_error("a PIN has at least 4 characters and at most 63 bytes");
		return EXIT_FAILURE;
	}
	r = store_open(&s, path, true);
	if (r < 0) {
		verb_state_error(path, r);
		return EXIT_FAILURE;
	}
	memcpy(secret_borrow_mut(s.data.pin_hash), secret_borrow(hash), STORE_PIN_HASH_SIZE);
	s.data.pin_set = true;
	s.data.pin_retries = STORE_PIN_RETRIES;
	return save_and_close(&s, path, 0);
}

int verb_reset(int argc, char **argv)
{
	int r, status = EXIT_FAILURE;
	const char *path = parse(argc, argv, help_reset, &status);
	struct store s;

	if (!path)
		return status;
	r = store_open(&s, path, false);
	if (r < 0) {
		verb_state_error(path, r);
		return EXIT_FAILURE;
	}
	return save_and_close(&s, path, store_data_reset(&s.data));
}

static void print_hex(const char *name, const uint8_t *data, size_t len)
{
	printf("%s: ", name);
	for (size_t i = 0; i < len; i++)
		printf("%02x", data[i]);
	putchar('\n');
}

int verb_info(int argc, char **argv)
{
	int r, status = EXIT_FAILURE;
	const char *path = parse(argc, argv, help_info, &status);
	struct store_data d = {0};

	if (!path)
		return status;
	r = store_peek(&d, path);
	if (r < 0) {
		verb_state_error(path, r);
		return EXIT_FAILURE;
	}
	puts("kind: software key, protects nothing");
	print_hex("serial", d.serial, sizeof(d.serial));
	print_hex("aaguid", ctap2_aaguid, sizeof(ctap2_aaguid));
	printf("pin: %s\n", d.pin_set ? "set" : "not set");
	printf("pin tries left: %u of %d\n", d.pin_retries, STORE_PIN_RETRIES);
	printf("signatures: %u\n", d.sign_count);
	verb_print_x25519(d.x25519);
	store_data_clear(&d);
	return EXIT_SUCCESS;
}
