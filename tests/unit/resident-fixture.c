/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "tests/unit/resident-fixture.h"

#define PATIENCE_US (120 * US_PER_SEC) /* on a busy machine; never waited for when all is well */

static void on_token(void *userdata, struct token *t)
{
	(void)userdata, (void)t;
}

static void on_tunnel(void *userdata, struct tunnel *t)
{
	(void)userdata, (void)t;
}

static void note_prompt(struct fixture *f, const struct operation *op)
{
	const size_t len = strlen(f->prompts);

	if (op && strncmp(operation_prompt(op), "touch", 5) == 0)
		(void)snprintf(f->prompts + len, sizeof(f->prompts) - len, "%s%s %u/%u", len ? " " : "", operation_prompt(op), op->step,
			op->steps);
}

static void on_tunnel_changed(void *userdata, struct tunnel *t, unsigned int what)
{
	if (what & TUNNEL_CHANGE_PROMPT)
		note_prompt(userdata, tunnel_operation(t));
}

static void on_prompt_changed(void *userdata)
{
	struct fixture *f = userdata;

	note_prompt(f, broker_prompt(f->broker));
}

static void on_note(void *userdata, enum log_level level, const char *text)
{
	(void)userdata, (void)level;
	assert_null(strchr(text, '\n'));
}

static void on_reply(void *userdata, struct request *r, const struct request_result *result)
{
	struct fixture *f = userdata;

	(void)r;
	f->answered++;
	f->outcome = result->outcome;
	(void)snprintf(f->detail, sizeof(f->detail), "%s", result->detail);
	if (result->public_key)
		memcpy(f->public_key, result->public_key, KEY_SIZE);
	if (result->x_slot)
		f->slot = *result->x_slot;
	if (result->x_list)
		f->list = *result->x_list;
	f->until = result->until_boot_us;
}

void write_config(struct fixture *f, const char *ifname, const char *mode, const char *peers, const char *extra)
{
	const struct file_attributes attributes = {.mode = 0600, .uid = (uid_t)-1, .gid = (gid_t)-1};
	char path[128], text[2048], base64[KEY_BASE64_SIZE];
	uint8_t key[KEY_SIZE];
	size_t len;

	memset(key, 'C', sizeof(key));
	key_to_base64(base64, key);
	len = (size_t)snprintf(text, sizeof(text), "[Interface]\nMode = %s\n%s%s%s%s", mode, strcmp(mode, "psk") ? "" : "PublicKey = ",
		strcmp(mode, "psk") ? "" : base64, strcmp(mode, "psk") ? "" : "\n", extra);
	for (; *peers; peers++) {
		memset(key, *peers, sizeof(key));
		key_to_base64(base64, key);
		len += (size_t)snprintf(text + len, sizeof(text) - len, "[Peer]\nPublicKey = %s\n", base64);
	}
	(void)snprintf(path, sizeof(path), "%s/%s.conf", f->etc, ifname);
	assert_int_equal(file_write_atomic(AT_FDCWD, path, text, strlen(text), &attributes), 0);
}

int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct broker_options options = {0};

	assert_non_null(f);
	*state = f;
	(void)snprintf(f->dir, sizeof(f->dir), "%s", "/tmp/wgfido-resident.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->etc, sizeof(f->etc), "%s/etc", f->dir);
	(void)snprintf(f->state, sizeof(f->state), "%s/state", f->dir);
	assert_int_equal(mkdir(f->etc, 0700), 0);
	write_config(f, "wg0", "identity", "AB", "");
	write_config(f, "wg1", "psk", "AB", "");
	write_config(f, "wg2", "psk", "A", "");
	/* Timers are the kernel's: boot time is about the true one, and stands still. */
	clock_fake_init(&f->clock, clock_now(&clock_system).boot_us, UINT64_C(1800000000) * US_PER_SEC);
	f->callbacks = (struct broker_callbacks){
		.token_added = on_token,
		.token_changed = on_token,
		.token_removed = on_token,
		.tunnel_added = on_tunnel,
		.tunnel_changed = on_tunnel_changed,
		.tunnel_removed = on_tunnel,
		.prompt_changed = on_prompt_changed,
		.note = on_note,
	};
	options.config_dir = f->etc;
	options.state_dir = f->state;
	options.token_worker = TOP_BUILDDIR "/tests/unit/fake-x-worker";
	options.touch_timeout_ms = 30000;
	options.wait_timeout_ms = 3600000;
	options.clock = &f->clock.clock;
	assert_int_equal(sd_event_new(&f->event), 0);
	assert_int_equal(broker_new(&f->broker, f->event, &options, &f->callbacks, f), 0);
	assert_int_equal(broker_reload(f->broker), 0);
	return 0;
}

int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	f->broker = broker_free(f->broker);
	sd_event_unref(f->event);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", f->dir);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

struct tunnel *tunnel_of(struct fixture *f, const char *ifname)
{
	struct tunnel *t = broker_find_tunnel(f->broker, ifname);

	assert_non_null(t);
	return t;
}

/* As the broker does when it is told that one was plugged in. */
struct token *plug(struct fixture *f, const char *name)
{
	struct token_node node = {.kind = TOKEN_SOFT};
	struct operation *op, *following;
	struct token *t;

	(void)snprintf(node.id, sizeof(node.id), "soft-%s", name);
	(void)snprintf(node.path, sizeof(node.path), "/fake/%s", name);
	(void)snprintf(node.name, sizeof(node.name), "%s", name);
	assert_int_equal(tokens_add(&f->broker->tokens, &t, &node), 0);
	for (op = TAILQ_FIRST(&f->broker->operations); op; op = following) {
		following = TAILQ_NEXT(op, link);
		op->ops->token_added(op, t);
	}
	return t;
}

void unplug(struct fixture *f, const char *name)
{
	char id[80];

	(void)snprintf(id, sizeof(id), "soft-%s", name);
	(void)approvals_end_token(f->broker->approvals, id);
	token_remove(tokens_find(&f->broker->tokens, id));
	broker_settle(f->broker);
}

struct request *make(struct fixture *f, enum request_kind kind, const char *ifname)
{
	struct requester who = {.uid = 1, .sender = ":1.1", .text = "uid 1"};
	struct request *r = NULL;

	assert_int_equal(request_new(&r, f->broker, kind, &who), 0);
	(void)snprintf(r->ifname, sizeof(r->ifname), "%s", ifname);
	r->reply = on_reply;
	r->userdata = f;
	return r;
}

void turn_until(struct fixture *f, const unsigned int *counter, unsigned int value)
{
	while (*counter < value)
		if (sd_event_run(f->event, PATIENCE_US) <= 0)
			fail_msg("nothing happened");
}

void idle(struct fixture *f)
{
	const struct token *t;
	bool busy = true;

	while (busy) {
		while (sd_event_run(f->event, 0) > 0)
			;
		busy = false;
		TAILQ_FOREACH(t, &f->broker->tokens.list, link)
			busy |= token_busy(t);
		if (busy)
			assert_true(sd_event_run(f->event, PATIENCE_US) > 0);
	}
}

enum outcome finish(struct fixture *f)
{
	turn_until(f, &f->answered, f->answered + 1);
	return f->outcome;
}

enum outcome run(struct fixture *f, struct request *r)
{
	const unsigned int before = f->answered;

	f->prompts[0] = 0;
	request_start(r);
	if (f->answered == before)
		(void)finish(f);
	while (sd_event_run(f->event, 0) > 0)
		;
	return f->outcome;
}

enum outcome enroll(struct fixture *f, const char *ifname)
{
	struct request *r = make(f, REQUEST_ENROLL, ifname);

	r->options.has_resident = r->options.resident = true;
	return run(f, r);
}

enum outcome approve(struct fixture *f, const char *ifname)
{
	return run(f, make(f, REQUEST_APPROVE, ifname));
}

struct secret *fake_key(unsigned int slot, const char *suffix)
{
	struct secret *s = secret_new(SECRET_KEY_SIZE);
	char text[32];

	(void)snprintf(text, sizeof(text), "fake%u%s", slot, suffix);
	assert_non_null(s);
	(void)crypto_generichash(secret_borrow_mut(s), SECRET_KEY_SIZE, (const uint8_t *)text, strlen(text), NULL, 0);
	return s;
}

void fake_public(uint8_t ret[static KEY_SIZE], unsigned int slot, const char *suffix)
{
	struct secret *s = fake_key(slot, suffix);

	schedule_public(ret, s);
	secret_free(s);
}

const struct keyfile *keyfile_of(struct fixture *f, const char *ifname)
{
	return tunnel_of(f, ifname)->keyfile;
}

void assert_key(const uint8_t key[static KEY_SIZE], unsigned int slot, const char *suffix)
{
	uint8_t expected[KEY_SIZE];

	fake_public(expected, slot, suffix);
	assert_memory_equal(key, expected, KEY_SIZE);
}
