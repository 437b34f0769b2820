/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/keystore-fixture.h"

struct keyslot_new hmac_slot(const struct fixture *f)
{
	static const uint8_t aaguid[16] = { 1, 2, 3, 255 };

	return (struct keyslot_new){
		.type = KEYSLOT_HMAC_SECRET,
		.label = "Solo \xc2\xb5" "2",
		.created = 1700000000,
		.uv = WIRE_UV_PRESENCE,
		.aaguid = aaguid,
		.credential = &f->credential,
		.kek = f->kek[0],
	};
}

struct keyslot_new recovery_slot(const struct fixture *f)
{
	return (struct keyslot_new){ .type = KEYSLOT_RECOVERY, .label = "recovery code", .created = 1700000001, .kek = f->kek[1] };
}

void format(struct fixture *f)
{
	free(f->text);
	assert_int_equal(keyfile_format(&f->text, f->k), 0);
	f->len = strlen(f->text);
}

int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct keyslot_new slot;

	f->t = secret_new(32);
	secret_fill_random(f->t);
	for (size_t i = 0; i < 2; i++) {
		f->kek[i] = secret_new(32);
		secret_fill_random(f->kek[i]);
	}
	f->credential.id_len = 48;
	randombytes_buf(f->credential.id, 48);
	randombytes_buf(f->credential.public_key, 64);
	assert_int_equal(keyfile_new(&f->k, "wg0", CONFIG_MODE_PSK, f->t), 0);
	slot = hmac_slot(f);
	assert_int_equal(keyfile_add_slot(f->k, NULL, &slot, f->t), 0);
	slot = recovery_slot(f);
	assert_int_equal(keyfile_add_slot(f->k, NULL, &slot, f->t), 0);
	format(f);
	strcpy(f->dir, "/tmp/wgfido-keystore-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	*state = f;
	return 0;
}

int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", f->dir);
	assert_int_equal(system(command), 0);
	secret_free(f->t);
	secret_free(f->kek[0]);
	secret_free(f->kek[1]);
	keyfile_free(f->k);
	free(f->text);
	free(f);
	return 0;
}

struct keyfile *parse(const char *text, size_t len)
{
	struct keyfile *k = NULL;
	char *error = NULL;
	int r = keyfile_parse(&k, &error, text, len);

	if (r != 0) {
		assert_int_equal(r, OUTCOME_KEYFILE_DAMAGED);
		assert_non_null(error);
		assert_null(k);
		for (const char *c = error; *c; c++)
			assert_true(*c >= 0x20 && *c < 0x7f);
	} else {
		assert_null(error);
	}
	free(error);
	return k;
}

int unwrap(const struct fixture *f, const struct keyfile *k, size_t slot)
{
	struct secret *t = NULL;
	int r = keyfile_unwrap(&t, k, (uint32_t)slot + 1, f->kek[slot]);

	assert_true((r == 0) == (t != NULL));
	if (t)
		assert_true(secret_equal(t, f->t));
	secret_free(t);
	return r;
}
