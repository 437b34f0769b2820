/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of a NetworkManager profile's secrets, and what doctor finds in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client/doctor.h"
#include "client/nm.h"
#include "common/handle.h"

static struct secret *secret_of(uint8_t byte)
{
	struct secret *s = secret_new(SECRET_KEY_SIZE);

	assert_non_null(s);
	memset(secret_borrow_mut(s), byte, SECRET_KEY_SIZE);
	return s;
}

/* Peer 1 has a preshared key, peer 2 none and no flags, peer 3 none that is not required. */
static struct nm_profile profile(uint8_t key)
{
	struct nm_profile p = {.has_secrets = true, .n_peers = 3};

	p.path = strdup("/1");
	p.id = strdup("office");
	p.uuid = strdup("u");
	p.type = strdup("wireguard");
	p.ifname = strdup("wg0");
	p.key = secret_of(key);
	p.peers = calloc(3, sizeof(*p.peers));
	assert_non_null(p.peers);
	for (uint8_t i = 0; i < 3; i++) {
		memset(p.peers[i].key, i + 1, KEY_SIZE);
		p.peers[i].public_key = strdup("-");
	}
	p.peers[0].has_flags = true;
	p.peers[0].psk = secret_of(9);
	p.peers[2].has_flags = true;
	p.peers[2].flags = NM_SECRET_NOT_REQUIRED;
	return p;
}

static struct config *config(const char *mode, uint8_t peer)
{
	char base64[KEY_BASE64_SIZE], text[256], *error = NULL;
	struct config *c = NULL;
	uint8_t key[KEY_SIZE];

	memset(key, peer, sizeof(key));
	key_to_base64(base64, key);
	snprintf(text, sizeof(text), "[Interface]\nMode = %s\n%s%s\n[Peer]\nPublicKey = %s\n", mode, strcmp(mode, "psk") ? "" : "PublicKey = ",
		strcmp(mode, "psk") ? "" : "//////////////////////////////////////////8=", base64);
	assert_int_equal(config_parse(&c, &error, "x", "wg0", text, strlen(text)), 0);
	return c;
}

static void test_psk(void **state)
{
	struct nm_profile p = profile(1);
	struct config *c = config("psk", 2);
	enum nm_problem problem;
	struct nm_change change = {};

	(void)state;
	assert_int_equal(nm_plan_setup(&change, &problem, &p, CONFIG_MODE_PSK, NULL), 0);
	assert_int_equal(problem, NM_FINE);
	assert_false(change.set_key);
	assert_int_equal(change.psks[0].how, NM_PSK_REMOVE);
	assert_int_equal(change.psks[1].how, NM_PSK_KEEP);
	assert_int_equal(change.psks[2].how, NM_PSK_KEEP);
	assert_false(nm_change_is_empty(&change, &p));
	nm_change_clear(&change);
	/* Of a peer that is not guarded nothing is taken. */
	assert_int_equal(nm_plan_setup(&change, &problem, &p, CONFIG_MODE_PSK, c), 0);
	assert_true(nm_change_is_empty(&change, &p));
	nm_change_clear(&change);
	/* One that is asked for at each activation. */
	p.peers[1].has_flags = true;
	p.peers[1].flags = NM_SECRET_AGENT_OWNED;
	assert_int_equal(nm_plan_setup(&change, &problem, &p, CONFIG_MODE_PSK, c), 0);
	assert_int_equal(change.psks[1].how, NM_PSK_REMOVE);
	nm_change_clear(&change);
	config_free(c);
	nm_profile_clear(&p);
}

static void test_identity(void **state)
{
	struct nm_profile p = profile(1);
	enum nm_problem problem;
	struct nm_change change = {};

	(void)state;
	assert_int_equal(nm_plan_setup(&change, &problem, &p, CONFIG_MODE_IDENTITY, NULL), 0);
	assert_true(change.set_key);
	assert_null(change.new_key);
	/* Its preshared keys are its own. */
	assert_int_equal(change.psks[0].how, NM_PSK_KEEP);
	nm_change_clear(&change);
	secret_free(p.key);
	p.key = secret_of(0);
	assert_int_equal(nm_plan_setup(&change, &problem, &p, CONFIG_MODE_IDENTITY, NULL), 0);
	assert_int_equal(problem, NM_FINE);
	assert_true(nm_change_is_empty(&change, &p));
	nm_change_clear(&change);
	nm_profile_clear(&p);
}

static enum nm_problem problem_of(const struct nm_profile *p, enum config_mode mode)
{
	struct nm_change change = {};
	enum nm_problem problem;

	assert_int_equal(nm_plan_setup(&change, &problem, p, mode, NULL), 0);
	if (problem != NM_FINE)
		assert_null(change.psks);
	assert_true(problem == NM_FINE || *nm_problem_words(problem));
	nm_change_clear(&change);
	return problem;
}

static void test_problems(void **state)
{
	struct nm_profile p = profile(0);

	(void)state;
	assert_int_equal(problem_of(&p, CONFIG_MODE_PSK), NM_KEY_TAKEN);
	p.key_flags = NM_SECRET_NOT_SAVED;
	assert_int_equal(problem_of(&p, CONFIG_MODE_PSK), NM_KEY_NOT_STORED);
	assert_int_equal(problem_of(&p, CONFIG_MODE_IDENTITY), NM_KEY_NOT_STORED);
	p.key_flags = 0;
	handle_make(secret_borrow_mut(p.key), 1, 0, p.peers[0].key);
	assert_int_equal(problem_of(&p, CONFIG_MODE_IDENTITY), NM_KEY_HANDLE);
	assert_int_equal(problem_of(&p, CONFIG_MODE_PSK), NM_KEY_HANDLE);
	p.key = secret_free(p.key);
	assert_int_equal(problem_of(&p, CONFIG_MODE_IDENTITY), NM_KEY_NOT_STORED);
	p.has_secrets = false;
	assert_int_equal(problem_of(&p, CONFIG_MODE_IDENTITY), NM_KEY_UNREADABLE);
	free(p.ifname);
	p.ifname = strdup("../wg0");
	assert_int_equal(problem_of(&p, CONFIG_MODE_IDENTITY), NM_NO_IFNAME);
	nm_profile_clear(&p);
	p.ifname = strdup("wg0");
	assert_int_equal(problem_of(&p, CONFIG_MODE_IDENTITY), NM_NO_PEERS);
	nm_profile_clear(&p);
}

static void test_equal(void **state)
{
	struct nm_profile a = profile(1), b = profile(1);

	(void)state;
	assert_true(nm_profile_equal(&a, &b));
	b.peers[1].psk = secret_of(4);
	assert_false(nm_profile_equal(&a, &b));
	b.peers[1].psk = secret_free(b.peers[1].psk);
	b.peers[2].key[0] = 0;
	assert_false(nm_profile_equal(&a, &b));
	b.peers[2].key[0] = 3;
	secret_free(b.key);
	b.key = secret_of(2);
	assert_false(nm_profile_equal(&a, &b));
	b.key = secret_free(b.key);
	assert_false(nm_profile_equal(&a, &b));
	nm_profile_clear(&a);
	nm_profile_clear(&b);
}

static void test_findings(void **state)
{
	struct nm_profile p = profile(1);
	struct config *identity = config("identity", 1), *psk = config("psk", 1), *other = config("psk", 2);

	(void)state;
	assert_int_equal(nm_findings(&p, identity), NM_FINDING_KEY_STORED);
	assert_int_equal(nm_findings(&p, psk), NM_FINDING_PSK_STORED);
	assert_int_equal(nm_findings(&p, other), 0);
	/* Without the secrets there are the flags. */
	p.peers[0].psk = secret_free(p.peers[0].psk);
	assert_int_equal(nm_findings(&p, psk), NM_FINDING_PSK_FLAGS);
	p.peers[0].flags = NM_SECRET_NOT_REQUIRED;
	assert_int_equal(nm_findings(&p, psk), 0);
	secret_free(p.key);
	p.key = secret_of(0);
	assert_int_equal(nm_findings(&p, identity), 0);
	p.key_flags = NM_SECRET_AGENT_OWNED;
	assert_int_equal(nm_findings(&p, identity), NM_FINDING_KEY_FLAGS);
	config_free(identity);
	config_free(psk);
	config_free(other);
	nm_profile_clear(&p);
}

static void test_script(void **state)
{
	struct stat st = {.st_mode = S_IFREG | 0755};

	(void)state;
	assert_int_equal(doctor_script_judge(&st), DOCTOR_SCRIPT_FINE);
	st.st_mode = S_IFREG | 0644;
	assert_int_equal(doctor_script_judge(&st), DOCTOR_SCRIPT_NOT_EXECUTABLE);
	st.st_mode = S_IFCHR | 0755; /* /dev/null: switched off */
	assert_int_equal(doctor_script_judge(&st), DOCTOR_SCRIPT_NOT_EXECUTABLE);
	st.st_mode = S_IFREG | 0775;
	assert_int_equal(doctor_script_judge(&st), DOCTOR_SCRIPT_UNSAFE);
	st.st_mode = S_IFREG | 0755;
	st.st_uid = 1000;
	assert_int_equal(doctor_script_judge(&st), DOCTOR_SCRIPT_UNSAFE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_psk),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_problems),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_findings),
		cmocka_unit_test(test_script),
	};

	if (secret_init() < 0)
		return 99;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
