/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/rotator-fixture.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/schedule.h"

static int choose(struct guard_world *w, const char *ifname, struct device_backend **ret)
{
	struct fixture *f = w->userdata;

	*ret = &f->wg->backend;
	return strcmp(ifname, f->renamed ? f->renamed : "wg0") == 0 ? 0 : -ENODEV;
}

static int name(struct guard_world *w, uint32_t ifindex, char ret[static IF_NAMESIZE])
{
	const struct fixture *f = w->userdata;

	if (!f->wg->present || ifindex != f->wg->ifindex)
		return -ENODEV;
	(void)snprintf(ret, IF_NAMESIZE, "%s", f->renamed ? f->renamed : "wg0");
	return 0;
}

/* The broker answers within the call's second. */
static int ask_psk(struct agent *a, const char *ifname, const uint8_t public_key[static KEY_SIZE], uint64_t slot)
{
	struct fixture *f = a->userdata;

	(void)ifname;
	(void)public_key;
	f->asked_slot = slot;
	f->n_psk_asked++;
	return f->refuse ? -EPERM : 0;
}

static int ask_private_key(struct agent *a, const char *ifname)
{
	struct fixture *f = a->userdata;

	(void)ifname;
	f->n_key_asked++;
	return f->refuse ? -EPERM : 0;
}

void write_conf(struct fixture *f, const char *text)
{
	FILE *file = fopen(f->conf, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

void write_psk_conf(struct fixture *f, bool both_tokens)
{
	char own[KEY_BASE64_SIZE], other[KEY_BASE64_SIZE], token[KEY_BASE64_SIZE], text[512];

	key_to_base64(own, f->own);
	key_to_base64(other, f->other);
	key_to_base64(token, f->token);
	(void)snprintf(text, sizeof(text), "[Interface]\nMode = psk\nPublicKey = %s\n[Peer]\nPublicKey = %s\nName = office\n%s%s\n", own, other,
		both_tokens ? "TokenPublicKey = " : "", both_tokens ? token : "");
	write_conf(f, text);
}

void make_wg(struct fixture *f)
{
	fake_wg_create(f->wg, f->own_key);
	fake_wg_add_peer(f->wg, f->other, f->static_psk, 25);
}

int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct secret *key = psk_random();

	assert_non_null(f);
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/wgfido-rotator-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->run, sizeof(f->run), "%s/run", f->dir);
	(void)snprintf(f->conf, sizeof(f->conf), "%s/wg0.conf", f->dir);
	assert_int_equal(mkdir(f->run, 0700), 0);
	f->own_key = psk_random();
	f->other_key = psk_random();
	f->static_psk = psk_random();
	schedule_public(f->own, f->own_key);
	schedule_public(f->other, f->other_key);
	schedule_public(f->second, key);
	secret_free(key);
	key = psk_random();
	schedule_public(f->token, key);
	secret_free(key);
	clock_fake_init(&f->clock, HOUR_US, NOW * US_PER_SEC);
	f->wg = fake_wg_new(&f->clock);
	make_wg(f);
	f->agent = (struct agent){
		.world = { .config_dir = f->dir, .run_dir = f->run, .clock = &f->clock.clock, .choose = choose, .name = name,
			   .userdata = f },
		.ask_psk = ask_psk,
		.ask_private_key = ask_private_key,
		.userdata = f,
	};
	agent_init(&f->agent);
	write_psk_conf(f, false);
	*state = f;
	return 0;
}

int teardown(void **state)
{
	struct fixture *f = *state;
	char path[128];

	agent_clear(&f->agent);
	fake_wg_free(f->wg);
	secret_free(f->own_key);
	secret_free(f->other_key);
	secret_free(f->static_psk);
	secret_free(f->given);
	(void)unlink(f->conf);
	(void)snprintf(path, sizeof(path), "%s/wg0.json", f->run);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/wg0.state", f->run);
	(void)unlink(path);
	assert_int_equal(rmdir(f->run), 0);
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

struct fake_peer *peer(struct fixture *f)
{
	struct fake_peer *p = fake_wg_peer(f->wg, f->other);

	assert_non_null(p);
	return p;
}

struct guard *guard(struct fixture *f)
{
	struct guard *g = agent_find(&f->agent, "wg0");

	assert_non_null(g);
	return g;
}

struct status_peer status(struct fixture *f)
{
	struct status_peer p = { 0 };

	rotator_status_peer(guard(f)->rotator, 0, &p);
	return p;
}

void start(struct fixture *f)
{
	assert_int_equal(agent_reload(&f->agent), 0);
	assert_true(agent_run(&f->agent));
}

void broker(struct fixture *f)
{
	agent_broker(&f->agent, true);
	agent_lease(&f->agent, true);
	assert_true(agent_wants_objects(&f->agent));
	agent_tunnel(&f->agent, "wg0", f->token, 0, "locked", "");
	agent_run(&f->agent);
}

void give_psk(struct fixture *f)
{
	const uint64_t slot = f->clock.now.real_us / US_PER_SEC / 120;

	secret_free(f->given);
	f->given = psk_random();
	f->answered_slot = slot;
	agent_got_psk(&f->agent, "wg0", f->other, secret_dup(f->given), slot * 120, (slot + 1) * 120, NULL);
	(void)agent_run(&f->agent);
}

void approve(struct fixture *f)
{
	f->n_psk_asked = 0;
	agent_peer(&f->agent, "wg0", f->other, f->clock.now.boot_us + HOUR_US);
	(void)agent_run(&f->agent);
	assert_int_equal(f->n_psk_asked, 1);
	give_psk(f);
	assert_int_equal(guard(f)->state, STATUS_OPEN);
}

void second(struct fixture *f, unsigned int n)
{
	while (n--) {
		clock_fake_advance(&f->clock, US_PER_SEC);
		(void)agent_run(&f->agent);
	}
}

bool is_closed(struct fixture *f)
{
	const struct fake_peer *p = peer(f);

	return guard(f)->state == STATUS_CLOSED && p->keepalive == 0 && p->psk && !psk_equal(p->psk, f->given) &&
	       !psk_equal(p->psk, f->static_psk) && !fake_wg_session(f->wg, f->other) && p->endpoint.v4.sin_port == 51820;
}
