/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/x25519-memory.h"

#include <limits.h>
#include <string.h>

static int may_write(struct x25519_memory *m)
{
	if (m->writes_left == 0)
		return -1;
	m->writes_left--;
	return 0;
}

static int read_identity(void *userdata, uint8_t ret[static X25519_KEY_SIZE], bool *ret_used)
{
	struct x25519_memory *m = userdata;

	memcpy(ret, m->identity, X25519_KEY_SIZE);
	*ret_used = m->has_identity;
	return m->fail_reads ? -1 : 0;
}

static int write_identity(void *userdata, const uint8_t private_key[static X25519_KEY_SIZE])
{
	struct x25519_memory *m = userdata;

	if (may_write(m) < 0)
		return -1;
	memcpy(m->identity, private_key, X25519_KEY_SIZE);
	m->has_identity = true;
	return 0;
}

static int read_slot(void *userdata, unsigned int slot, struct x25519_slot *ret)
{
	struct x25519_memory *m = userdata;

	*ret = m->slots[slot];
	return m->fail_reads ? -1 : 0;
}

static int write_slot(void *userdata, unsigned int slot, const struct x25519_slot *s)
{
	struct x25519_memory *m = userdata;

	if (may_write(m) < 0)
		return -1;
	m->slots[slot] = *s;
	return 0;
}

static int read_host(void *userdata, unsigned int host, struct x25519_host *ret)
{
	struct x25519_memory *m = userdata;

	*ret = m->hosts[host];
	return m->fail_reads ? -1 : 0;
}

static int write_host(void *userdata, unsigned int host, const struct x25519_host *h)
{
	struct x25519_memory *m = userdata;

	if (may_write(m) < 0)
		return -1;
	m->hosts[host] = *h;
	return 0;
}

const struct x25519_storage x25519_memory_storage = {
	.read_identity = read_identity,
	.write_identity = write_identity,
	.read_slot = read_slot,
	.write_slot = write_slot,
	.read_host = read_host,
	.write_host = write_host,
};

void x25519_memory_init(struct x25519_memory *m)
{
	*m = (struct x25519_memory){.writes_left = UINT_MAX};
}
