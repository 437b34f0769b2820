/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/soft/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/file.h"
#include "token/soft/evp.h"

/* Offsets; numbers are little-endian. The last 32 bytes are SHA-256 of all before them. */
#define AT_MAGIC 0
#define AT_VERSION 8
#define AT_SIGN_COUNT 12
#define AT_SERIAL 16
#define AT_PIN_SET 24
#define AT_PIN_RETRIES 25
#define AT_RESERVED 26
#define AT_MASTER 28
#define AT_PIN_HASH 60
#define AT_X25519 76 /* from version 2 on */
#define AT_CHECKSUM (AT_X25519 + STORE_X25519_SIZE)
#define AT_CHECKSUM_1 76

#define STORE_VERSION 2

static const uint8_t magic[8] = "WGFSOFT\n";

_Static_assert(AT_CHECKSUM + SHA256_SIZE == STORE_FILE_SIZE && AT_CHECKSUM_1 + SHA256_SIZE == STORE_FILE_SIZE_1, "size of the state file");

static void put_u32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static uint32_t get_u32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

int store_encode(uint8_t buf[static STORE_FILE_SIZE], const struct store_data *d)
{
	memset(buf, 0, STORE_FILE_SIZE);
	memcpy(buf + AT_MAGIC, magic, sizeof(magic));
	put_u32(buf + AT_VERSION, STORE_VERSION);
	put_u32(buf + AT_SIGN_COUNT, d->sign_count);
	memcpy(buf + AT_SERIAL, d->serial, STORE_SERIAL_SIZE);
	buf[AT_PIN_SET] = d->pin_set;
	buf[AT_PIN_RETRIES] = d->pin_retries;
	memcpy(buf + AT_MASTER, secret_borrow(d->master), 32);
	memcpy(buf + AT_PIN_HASH, secret_borrow(d->pin_hash), STORE_PIN_HASH_SIZE);
	store_encode_x25519(buf + AT_X25519, d->x25519);
	return evp_sha256(buf + AT_CHECKSUM, buf, AT_CHECKSUM);
}

static struct store_x25519 *new_x25519(void)
{
	struct store_x25519 *x = sodium_malloc(sizeof(*x));

	if (x)
		sodium_memzero(x, sizeof(*x));
	return x;
}

int store_decode(struct store_data *ret, const uint8_t *buf, size_t len)
{
	uint8_t checksum[SHA256_SIZE];
	struct store_data d = {0};
	size_t at_checksum;
	uint32_t version;
	int r;

	if (len < AT_VERSION + 4 || memcmp(buf + AT_MAGIC, magic, sizeof(magic)) != 0)
		return -EBADMSG;
	version = get_u32(buf + AT_VERSION);
	if (version != STORE_VERSION && version != 1)
		return -EPROTONOSUPPORT;
	at_checksum = version == 1 ? AT_CHECKSUM_1 : AT_CHECKSUM;
	if (len != at_checksum + SHA256_SIZE)
		return -EBADMSG;
	r = evp_sha256(checksum, buf, at_checksum);
	if (r < 0)
		return r;
	if (memcmp(checksum, buf + at_checksum, sizeof(checksum)) != 0 || buf[AT_PIN_SET] > 1 ||
		buf[AT_PIN_RETRIES] > STORE_PIN_RETRIES || buf[AT_RESERVED] || buf[AT_RESERVED + 1])
		return -EBADMSG;
	d.master = secret_new(32);
	d.pin_hash = secret_new(STORE_PIN_HASH_SIZE);
	d.x25519 = new_x25519();
	if (!d.master || !d.pin_hash || !d.x25519) {
		store_data_clear(&d);
		return -ENOMEM;
	}
	if (version != 1 && !store_decode_x25519(d.x25519, buf + AT_X25519)) {
		store_data_clear(&d);
		return -EBADMSG;
	}
	memcpy(secret_borrow_mut(d.master), buf + AT_MASTER, 32);
	memcpy(secret_borrow_mut(d.pin_hash), buf + AT_PIN_HASH, STORE_PIN_HASH_SIZE);
	memcpy(d.serial, buf + AT_SERIAL, STORE_SERIAL_SIZE);
	d.sign_count = get_u32(buf + AT_SIGN_COUNT);
	d.pin_set = buf[AT_PIN_SET];
	d.pin_retries = buf[AT_PIN_RETRIES];
	*ret = d;
	return 0;
}

int store_data_reset(struct store_data *d)
{
	struct secret *master = secret_new(32), *pin_hash = secret_new(STORE_PIN_HASH_SIZE);
	struct store_x25519 *x25519 = new_x25519();

	if (!master || !pin_hash || !x25519) {
		secret_free(master);
		secret_free(pin_hash);
		sodium_free(x25519);
		return -ENOMEM;
	}
	secret_fill_random(master);
	secret_free(d->master);
	secret_free(d->pin_hash);
	sodium_free(d->x25519);
	d->master = master;
	d->pin_hash = pin_hash;
	d->x25519 = x25519;
	d->pin_set = false;
	d->pin_retries = STORE_PIN_RETRIES;
	d->sign_count = 0;
	if (sodium_is_zero(d->serial, sizeof(d->serial)))
		randombytes_buf(d->serial, sizeof(d->serial));
	return 0;
}

void store_data_clear(struct store_data *d)
{
	d->master = secret_free(d->master);
	d->pin_hash = secret_free(d->pin_hash);
	sodium_free(d->x25519);
	d->x25519 = NULL;
}

/* The state file is replaced by every write, so that the lock has a file of its own, which stays. */
static int lock_take(const char *path)
{
	char *name = NULL;
	int fd;

	if (asprintf(&name, "%s.lock", path) < 0)
		return -ENOMEM;
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	free(name);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		int r = errno == EWOULDBLOCK ? -EBUSY : -errno;

		close(fd);
		return r;
	}
	return fd;
}

int store_peek(struct store_data *ret, const char *path)
{
	char *text = NULL;
	size_t len = 0;
	int r = file_read_guarded(&text, &len, AT_FDCWD, path, 4096, NULL);

	if (r < 0)
		return r == -EFBIG ? -EBADMSG : r;
	r = store_decode(ret, (const uint8_t *)text, len);
	sodium_free(text);
	return r;
}

int store_open(struct store *ret, const char *path, bool create)
{
	struct store s = {.lock_fd = -1};
	int r;

	if (!create && access(path, F_OK) < 0)
		return -errno;
	/* A link stays a link: what it points to is replaced, and locked. */
	r = file_resolve(&s.path, path);
	if (r == -ENOENT) {
		s.path = strdup(path);
		r = s.path ? 0 : -ENOMEM;
	}
	if (r < 0)
		return r;
	r = lock_take(s.path);
	if (r < 0)
		goto fail;
	s.lock_fd = r;
	r = store_peek(&s.data, path);
	if (r == -ENOENT && create) {
		r = store_data_reset(&s.data);
		if (r == 0)
			r = store_save(&s);
	}
	if (r < 0)
		goto fail;
	*ret = s;
	return 0;
fail:
	store_close(&s);
	return r;
}

int store_save(struct store *s)
{
	struct file_attributes attributes = {.mode = 0600, .uid = (uid_t)-1, .gid = (gid_t)-1};
	uint8_t *buf = sodium_malloc(STORE_FILE_SIZE);
	int r;

	if (!buf)
		return -ENOMEM;
	r = store_encode(buf, &s->data);
	if (r == 0)
		r = file_write_atomic(AT_FDCWD, s->path, buf, STORE_FILE_SIZE, &attributes);
	sodium_free(buf);
	return r;
}

void store_close(struct store *s)
{
	store_data_clear(&s->data);
	free(s->path);
	s->path = NULL;
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	s->lock_fd = -1;
}
