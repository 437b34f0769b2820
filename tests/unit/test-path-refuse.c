/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The out thread and packets that nobody is there for: what comes back through TUN. */
#include "tests/unit/unit.h"

#include <poll.h>

#include "common/clock.h"
#include "common/secret.h"
#include "tests/unit/offload-packets.h"
#include "tests/unit/path-fixture.h"
#include "tunnel/path-impl.h"
#include "tunnel/unreachable.h"

#define PATIENCE_MS 10000
#define QUIET_MS 20 /* for what must not come: what is waited for came before it */

static const uint8_t text[40] = "is anybody there?";
static const struct virtio_net_hdr none;
static const struct shape datagram = { .udp = true, .ttl = 60, .port = 4000 };

struct fixture {
	struct path_fixture path;
	uint8_t got[2000];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	path_fixture_init(&f->path, AEAD_FASTEST);
	path_fixture_peer(&f->path, 9);
	assert_int_equal(path_start(f->path.path), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	path_fixture_clear(&f->path);
	free(f);
	return 0;
}

/* What is said of packets that nobody is there for, and how often: not more than that, however many there are. */
static unsigned int count_refusals(struct path_fixture *f, uint8_t *got, size_t size, const uint8_t *packet, size_t len, int ms)
{
	unsigned int n = 0;

	for (size_t got_len; (got_len = path_fixture_read(f, got, size, n ? QUIET_MS : ms)) > 0; n++) {
		assert_int_equal(got_len, TUN_HEADER + 28 + len);
		assert_memory_equal(got, &none, TUN_HEADER);
		assert_int_equal(got[TUN_HEADER + 20] << 8 | got[TUN_HEADER + 21], 0x0301);
		assert_memory_equal(got + TUN_HEADER + 28, packet, len);
	}
	return n;
}

static void test_nobody_there(void **state)
{
	struct fixture *f = *state;
	uint8_t packet[200];
	size_t len = ref_packet(packet, &datagram, text, sizeof(text));
	uint64_t begun;
	unsigned int n;

	packet[16] = 11; /* 10/8 is the peer's */
	path_fixture_write(&f->path, &none, packet, len);
	assert_int_equal(count_refusals(&f->path, f->got, sizeof(f->got), packet, len, PATIENCE_MS), 1);
	/* A peer that is nowhere yet. */
	packet[16] = 10;
	device_lock(&f->path.device);
	f->path.peer->endpoint = (struct endpoint){ 0 };
	device_unlock(&f->path.device);
	path_fixture_write(&f->path, &none, packet, len);
	assert_int_equal(count_refusals(&f->path, f->got, sizeof(f->got), packet, len, PATIENCE_MS), 1);
	begun = clock_now(&clock_system).boot_us;
	for (unsigned int i = 0; i < 5000; i++)
		path_fixture_write(&f->path, &none, packet, len);
	n = count_refusals(&f->path, f->got, sizeof(f->got), packet, len, PATIENCE_MS);
	assert_in_range(n, 1, UNREACHABLE_BURST + (clock_now(&clock_system).boot_us - begun) / UNREACHABLE_RATE_US + 1);
	assert_null(f->path.peer->stage);
}

/* What waited for a session that it does not get: its senders are told, or not, and nothing is left. */
static void test_refused_stage(void **state)
{
	struct fixture *f = *state;
	uint8_t packet[200];
	const size_t len = ref_packet(packet, &datagram, text, sizeof(text));

	for (unsigned int tell = 0; tell < 2; tell++) {
		path_fixture_write(&f->path, &none, packet, len);
		for (bool staged = false; !staged;) {
			device_lock(&f->path.device);
			staged = f->path.peer->stage;
			if (staged)
				path_ops.drop_staged(f->path.path, f->path.peer, tell);
			assert_null(f->path.peer->stage);
			device_unlock(&f->path.device);
		}
		assert_int_equal(count_refusals(&f->path, f->got, sizeof(f->got), packet, len, QUIET_MS), tell);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nobody_there, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused_stage, setup, teardown),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
