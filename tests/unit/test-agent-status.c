/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The status file's text, the memory of keepalives, and the lease. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <jansson.h>
#include <unistd.h>

#include "bus/lease.h"
#include "agent/status.h"
#include "common/clock.h"

static void peer(const void *userdata, size_t i, struct status_peer *ret)
{
	(void)userdata;
	memset(ret->public_key, (int)i + 1, KEY_SIZE);
	ret->name = i ? "a \"name\"" : NULL;
	ret->state = i ? STATUS_PEER_ROTATED : STATUS_PEER_CLOSED;
	ret->slot = 14166667;
	ret->slot_end = 1700000160;
	ret->offset = -2;
	ret->last_handshake_us = UINT64_C(1700000041999999);
	ret->drift_repaired = 3;
}

static void test_format(void **state)
{
	struct status s = {
		.ifname = "wg0", .has_mode = true, .mode = CONFIG_MODE_PSK, .gateway = true, .backend = "kernel", .state = STATUS_OPEN,
		.reason = "r", .problem = "line\nbreak", .changed_us = 5, .closed_us = 4, .n_peers = 2, .peer = peer
	};
	json_t *json, *peers, *p;
	char *text = NULL;
	size_t len;

	(void)state;
	assert_int_equal(status_format(&text, &len, &s), 0);
	assert_int_equal(strlen(text), len);
	json = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	assert_string_equal(json_string_value(json_object_get(json, "interface")), "wg0");
	assert_string_equal(json_string_value(json_object_get(json, "mode")), "psk");
	assert_string_equal(json_string_value(json_object_get(json, "role")), "gateway");
	assert_string_equal(json_string_value(json_object_get(json, "backend")), "kernel");
	assert_string_equal(json_string_value(json_object_get(json, "state")), "open");
	assert_string_equal(json_string_value(json_object_get(json, "problem")), "line\nbreak");
	assert_int_equal(json_integer_value(json_object_get(json, "changed_boottime_us")), 5);
	assert_int_equal(json_integer_value(json_object_get(json, "closed_boottime_us")), 4);
	peers = json_object_get(json, "peers");
	assert_int_equal(json_array_size(peers), 2);
	p = json_array_get(peers, 1);
	assert_string_equal(json_string_value(json_object_get(p, "public_key")), "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=");
	assert_string_equal(json_string_value(json_object_get(p, "name")), "a \"name\"");
	assert_string_equal(json_string_value(json_object_get(p, "state")), "rotated");
	assert_int_equal(json_integer_value(json_object_get(p, "slot_end")), 1700000160);
	assert_int_equal(json_integer_value(json_object_get(p, "offset")), -2);
	assert_int_equal(json_integer_value(json_object_get(p, "last_handshake")), 1700000041);
	assert_int_equal(json_integer_value(json_object_get(p, "drift_repaired")), 3);
	json_decref(json);
	free(text);

	s.n_peers = 0;
	s.has_mode = false;
	s.backend = NULL;
	assert_int_equal(status_format(&text, &len, &s), 0);
	json = json_loadb(text, len, 0, NULL);
	assert_non_null(json);
	assert_string_equal(json_string_value(json_object_get(json, "backend")), "none");
	assert_int_equal(json_array_size(json_object_get(json, "peers")), 0);
	json_decref(json);
	free(text);
}

static void test_keepalives(void **state)
{
	const struct keepalive saved[] = { { .public_key = { 1 }, .seconds = 25 }, { .public_key = { 2 }, .seconds = 65535 } };
	char dir[] = "/tmp/wgfido-status-XXXXXX", path[64];
	struct keepalive *all;
	FILE *f;
	size_t n;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/wg0.state", dir);
	assert_int_equal(keepalive_load(&all, &n, dir, "wg0", 7), 0);
	assert_int_equal(n, 0);
	assert_int_equal(keepalive_save(dir, "wg0", 7, saved, 2), 0);
	assert_int_equal(keepalive_load(&all, &n, dir, "wg0", 7), 0);
	assert_int_equal(n, 2);
	assert_int_equal(all[0].seconds + all[1].seconds, 25 + 65535);
	free(all);
	/* Another interface of that name. */
	assert_int_equal(keepalive_load(&all, &n, dir, "wg0", 8), 0);
	assert_int_equal(n, 0);
	free(all);
	/* Rubbish is no reason to stop. */
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs("{\"ifindex\": 7, \"keepalive\": {\"x\": 3, \"AQ==\": -1, \"y\": []}}", f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(keepalive_load(&all, &n, dir, "wg0", 7), 0);
	assert_int_equal(n, 0);
	free(all);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs("[[[[", f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(keepalive_load(&all, &n, dir, "wg0", 7), 0);
	assert_int_equal(n, 0);
	free(all);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void test_lease(void **state)
{
	struct lease l = { 0 };
	uint64_t now = 100 * US_PER_SEC;

	(void)state;
	/* None before the first answer. */
	assert_true(lease_ask(&l, now));
	assert_false(l.held);
	assert_false(lease_ask(&l, now + 500 * US_PER_MS));
	lease_answered(&l);
	assert_true(l.held);
	/* One missed is forgiven. */
	assert_true(lease_ask(&l, now += US_PER_SEC));
	lease_missed(&l);
	lease_missed(&l);
	assert_true(l.held);
	assert_true(lease_ask(&l, now += US_PER_SEC));
	lease_answered(&l);
	assert_true(l.held);
	/* Two in a row are not; what was not answered when the next is due is missed. */
	assert_true(lease_ask(&l, now += US_PER_SEC));
	assert_true(lease_ask(&l, now += US_PER_SEC));
	assert_true(l.held);
	assert_true(lease_ask(&l, now += US_PER_SEC));
	assert_false(l.held);
	lease_answered(&l);
	assert_true(l.held);
	lease_end(&l);
	assert_false(l.held);
	assert_true(lease_ask(&l, now));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_keepalives),
		cmocka_unit_test(test_lease),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
