/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libipsec-mb's ChaCha20-Poly1305. It is loaded at run time, so that nobody needs it; its calls go through a table of
 * functions whose layout belongs to the version, so only the version that we were compiled for is used.
 */
#include <errno.h>

#include "tunnel/aead-impl.h"

#ifdef HAVE_IPSEC_MB
#include <dlfcn.h>
#include <intel-ipsec-mb.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define LIBRARY "libIPSec_MB.so.1"
#define VERSION_OF_TABLE(v) ((v) >> 8) /* major and minor */
/* Version 1.3 loads 16 bytes more than the key has (and ignores them): there may be a guard page. */
#define KEY_ROOM (AEAD_KEY_SIZE + 32)

struct ipsec_mb {
	void *library;
	void (*free_manager)(IMB_MGR *m);
	IMB_MGR *manager;
	uint8_t *key; /* sodium_malloc, KEY_ROOM */
};

static void ipsec_mb_destroy(void *state)
{
	struct ipsec_mb *m = state;

	if (m->manager)
		m->free_manager(m->manager);
	if (m->library)
		dlclose(m->library);
	sodium_free(m->key);
	free(m);
}

static int ipsec_mb_create(void **ret)
{
	struct ipsec_mb *m = calloc(1, sizeof(*m));
	IMB_MGR *(*alloc_manager)(uint64_t flags);
	void (*init_manager)(IMB_MGR *m, IMB_ARCH *ret_arch);
	unsigned int (*version)(void);
	IMB_ARCH arch = IMB_ARCH_NONE;

	if (!m)
		return -ENOMEM;
	m->library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!m->library)
		goto missing;
	/* POSIX's way to make a function pointer of what dlsym gives. */
	*(void **)&version = dlsym(m->library, "imb_get_version");
	*(void **)&alloc_manager = dlsym(m->library, "alloc_mb_mgr");
	*(void **)&init_manager = dlsym(m->library, "init_mb_mgr_auto");
	*(void **)&m->free_manager = dlsym(m->library, "free_mb_mgr");
	if (!version || !alloc_manager || !init_manager || !m->free_manager ||
		VERSION_OF_TABLE(version()) != VERSION_OF_TABLE(IMB_VERSION_NUM))
		goto missing;
	m->manager = alloc_manager(0);
	m->key = sodium_malloc(KEY_ROOM);
	if (!m->manager || !m->key) {
		ipsec_mb_destroy(m);
		return -ENOMEM;
	}
	sodium_memzero(m->key, KEY_ROOM);
	init_manager(m->manager, &arch);
	/* What it has for older processors is slower than libcrypto's. */
	if (arch != IMB_ARCH_AVX2 && arch != IMB_ARCH_AVX512)
		goto missing;
	*ret = m;
	return 0;
missing:
	ipsec_mb_destroy(m);
	return -ENOSYS;
}

static void ipsec_mb_run(struct ipsec_mb *m, struct aead_packet *p, IMB_CIPHER_DIRECTION direction, uint8_t *ret_tag)
{
	static const uint8_t no_data[1];
	uint8_t nonce[12] = { 0 };
	IMB_JOB *job = IMB_GET_NEXT_JOB(m->manager);

	for (int i = 0; i < 8; i++)
		nonce[4 + i] = (uint8_t)(p->counter >> (8 * i));
	job->cipher_direction = direction;
	job->chain_order = direction == IMB_DIR_ENCRYPT ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
	job->cipher_mode = IMB_CIPHER_CHACHA20_POLY1305;
	job->hash_alg = IMB_AUTH_CHACHA20_POLY1305;
	job->enc_keys = job->dec_keys = m->key;
	job->key_len_in_bytes = AEAD_KEY_SIZE;
	job->u.CHACHA20_POLY1305.aad = no_data;
	job->u.CHACHA20_POLY1305.aad_len_in_bytes = 0;
	job->src = job->dst = p->text;
	job->iv = nonce;
	job->iv_len_in_bytes = sizeof(nonce);
	job->cipher_start_src_offset_in_bytes = 0;
	job->msg_len_to_cipher_in_bytes = p->len;
	job->hash_start_src_offset_in_bytes = 0;
	job->msg_len_to_hash_in_bytes = p->len;
	job->auth_tag_output = ret_tag;
	job->auth_tag_output_len_in_bytes = AEAD_TAG_SIZE;
	job = IMB_SUBMIT_JOB_NOCHECK(m->manager);
	/* This algorithm is done at once; anything else would leave the text as it was. */
	if (!job || job->status != IMB_STATUS_COMPLETED)
		abort();
}

static void ipsec_mb_seal(void *state, const uint8_t *key, struct aead_packet *packets, size_t n)
{
	struct ipsec_mb *m = state;

	memcpy(m->key, key, AEAD_KEY_SIZE);
	for (size_t i = 0; i < n; i++)
		ipsec_mb_run(m, &packets[i], IMB_DIR_ENCRYPT, packets[i].text + packets[i].len);
	sodium_memzero(m->key, AEAD_KEY_SIZE);
}

static void ipsec_mb_open(void *state, const uint8_t *key, struct aead_packet *packets, size_t n)
{
	struct ipsec_mb *m = state;
	uint8_t tag[AEAD_TAG_SIZE];

	memcpy(m->key, key, AEAD_KEY_SIZE);
	for (size_t i = 0; i < n; i++) {
		ipsec_mb_run(m, &packets[i], IMB_DIR_DECRYPT, tag);
		packets[i].ok = sodium_memcmp(packets[i].text + packets[i].len, tag, AEAD_TAG_SIZE) == 0;
	}
	sodium_memzero(m->key, AEAD_KEY_SIZE);
}

const struct aead_impl aead_ipsec_mb = {
	.name = "libipsec-mb",
	.create = ipsec_mb_create,
	.destroy = ipsec_mb_destroy,
	.seal = ipsec_mb_seal,
	.open = ipsec_mb_open,
};
#else
static int ipsec_mb_create(void **ret)
{
	(void)ret;
	return -ENOSYS;
}

const struct aead_impl aead_ipsec_mb = { .name = "libipsec-mb", .create = ipsec_mb_create };
#endif
