/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The broker's core without bus and tokens: ends by session, one reply to each request, limits, what is told when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "daemon/broker.h"

#define UNTIL (UINT64_C(1000) * US_PER_SEC)

struct fixture {
	char dir[64], etc[80], state[80];
	sd_event *event;
	struct clock_fake clock;
	struct broker *broker;
	struct broker_callbacks callbacks;
	unsigned int told;	  /* tunnel_changed */
	char told_state[32];	  /* what State was then */
	unsigned int answered;
	enum outcome outcome; /* of the last answer */
};

static void on_token(void *userdata, struct token *t)
{
	(void)userdata;
	(void)t;
}

static void on_tunnel(void *userdata, struct tunnel *t)
{
	(void)userdata;
	(void)t;
}

static void on_tunnel_changed(void *userdata, struct tunnel *t, unsigned int what)
{
	struct fixture *f = userdata;

	(void)what;
	f->told++;
	(void)snprintf(f->told_state, sizeof(f->told_state), "%s", tunnel_state(t));
}

static void on_note(void *userdata, enum log_level level, const char *text)
{
	(void)userdata;
	(void)level;
	assert_null(strchr(text, '\n'));
}

static void on_reply(void *userdata, struct request *r, const struct request_result *result)
{
	struct fixture *f = userdata;

	(void)r;
	f->answered++;
	f->outcome = result->outcome;
}

static void write_text(const struct fixture *f, const char *ifname, const char *text)
{
	const struct file_attributes attributes = {.mode = 0600, .uid = (uid_t)-1, .gid = (gid_t)-1};
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s.conf", f->etc, ifname);
	assert_int_equal(file_write_atomic(AT_FDCWD, path, text, strlen(text), &attributes), 0);
}

static void write_config(const struct fixture *f, const char *ifname, const char *extra)
{
	uint8_t key[KEY_SIZE];
	char own[KEY_BASE64_SIZE], peer[KEY_BASE64_SIZE], text[1024];

	memset(key, 'C', sizeof(key));
	key_to_base64(own, key);
	memset(key, 'A', sizeof(key));
	key_to_base64(peer, key);
	(void)snprintf(text, sizeof(text), "[Interface]\nMode = psk\nPublicKey = %s\n%s[Peer]\nPublicKey = %s\n", own, extra,
		peer);
	write_text(f, ifname, text);
}

static void remove_config(const struct fixture *f, const char *ifname)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s.conf", f->etc, ifname);
	assert_int_equal(unlink(path), 0);
}

/* What a broker that was killed while it saved left beside the keys. */
static void leave_half_save(struct fixture *f, char path[static 128])
{
	int fd;

	(void)snprintf(path, 128, "%s/keys", f->state);
	if (mkdir(f->state, 0700) < 0 || mkdir(path, 0700) < 0)
		assert_int_equal(errno, EEXIST);
	(void)snprintf(path, 128, "%s/keys/.wg0.key.tmp-0123abcd", f->state);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct broker_options options = {0};
	char half_save[128];

	assert_non_null(f);
	*state = f;
	(void)snprintf(f->dir, sizeof(f->dir), "%s", "/tmp/wgfido-unit.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->etc, sizeof(f->etc), "%s/etc", f->dir);
	(void)snprintf(f->state, sizeof(f->state), "%s/state", f->dir);
	assert_int_equal(mkdir(f->etc, 0700), 0);
	leave_half_save(f, half_save);
	write_config(f, "wg0", "EndOn = lock\n");
	write_config(f, "wg1", "EndOn = logout,suspend\n");
	write_config(f, "wg2", "EndOn = none\n");
	clock_fake_init(&f->clock, 5 * UNTIL, UINT64_C(1800000000) * US_PER_SEC);
	f->callbacks = (struct broker_callbacks){
		.token_added = on_token,
		.token_changed = on_token,
		.token_removed = on_token,
		.tunnel_added = on_tunnel,
		.tunnel_changed = on_tunnel_changed,
		.tunnel_removed = on_tunnel,
		.note = on_note,
	};
	options.config_dir = f->etc;
	options.state_dir = f->state;
	options.token_worker = "/nonexistent";
	options.touch_timeout_ms = 1000;
	options.wait_timeout_ms = 3600000;
	options.clock = &f->clock.clock;
	assert_int_equal(sd_event_new(&f->event), 0);
	assert_int_equal(broker_new(&f->broker, f->event, &options, &f->callbacks, f), 0);
	assert_int_equal(access(half_save, F_OK), -1);
	assert_int_equal(broker_reload(f->broker), 0);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char path[128];

	f->broker = broker_free(f->broker);
	sd_event_unref(f->event);
	remove_config(f, "wg0");
	remove_config(f, "wg1");
	remove_config(f, "wg2");
	assert_int_equal(rmdir(f->etc), 0);
	(void)snprintf(path, sizeof(path), "%s/keys/new", f->state);
	assert_int_equal(rmdir(path), 0);
	(void)snprintf(path, sizeof(path), "%s/keys", f->state);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rmdir(f->state), 0);
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

static void grant(struct fixture *f, const char *ifname, const char *session)
{
	struct instant now = broker_now(f->broker);
	struct approval_request request = {.whole_tunnel = true, .uid = 1000, .token_id = "soft-x", .lifetime_seconds = 600};
	struct tunnel *t = broker_find_tunnel(f->broker, ifname);
	_cleanup_secret_ struct secret *key = secret_new(SECRET_KEY_SIZE);
	struct secret *preshared[1] = {NULL};
	const struct approval *a;
	uint8_t public_key[KEY_SIZE];

	assert_non_null(t);
	assert_string_equal(tunnel_problem(t), "");
	(void)snprintf(request.ifname, sizeof(request.ifname), "%s", ifname);
	(void)snprintf(request.session, sizeof(request.session), "%s", session);
	request.slot_seconds = t->config->slot_seconds;
	memset(secret_borrow_mut(key), 7, SECRET_KEY_SIZE);
	schedule_public(public_key, key);
	assert_int_equal(approvals_grant(f->broker->approvals, &a, &request, t->config, key, public_key, preshared, &now), 0);
}

static bool approved(struct fixture *f, const char *ifname)
{
	return strcmp(tunnel_state(broker_find_tunnel(f->broker, ifname)), "approved") == 0;
}

static void test_end_on_lock(void **state)
{
	struct fixture *f = *state;

	grant(f, "wg0", "c1");
	grant(f, "wg1", "c1");
	grant(f, "wg2", "c1");
	assert_int_equal(broker_end_on(f->broker, CONFIG_END_LOCK, "c2", false), 0);
	assert_int_equal(f->told, 0);
	assert_int_equal(broker_end_on(f->broker, CONFIG_END_LOCK, "c1", false), 1);
	assert_false(approved(f, "wg0"));
	assert_true(approved(f, "wg1"));
	assert_true(approved(f, "wg2"));
	/* Told within the call, with the new state. */
	assert_int_equal(f->told, 1);
	assert_string_equal(f->told_state, "unenrolled");
	assert_int_equal(broker_find_tunnel(f->broker, "wg0")->end_reason, APPROVAL_END_LOCK);
}

static void test_end_on_logout(void **state)
{
	struct fixture *f = *state;

	grant(f, "wg0", "");
	grant(f, "wg1", "3");
	assert_int_equal(broker_end_on(f->broker, CONFIG_END_LOGOUT, "3", false), 1);
	assert_int_equal(broker_find_tunnel(f->broker, "wg1")->end_reason, APPROVAL_END_LOGOUT);
	assert_true(approved(f, "wg0"));
}

static void test_end_on_suspend(void **state)
{
	struct fixture *f = *state;

	grant(f, "wg0", "1");
	grant(f, "wg1", "2");
	grant(f, "wg2", "");
	assert_int_equal(broker_end_on(f->broker, CONFIG_END_SUSPEND, NULL, false), 1);
	assert_false(approved(f, "wg1"));
	/* hibernation */
	assert_int_equal(broker_end_on(f->broker, CONFIG_END_SUSPEND, NULL, true), 2);
	assert_false(approved(f, "wg0") || approved(f, "wg2"));
}

/* An identity has one approval for all its peers, and its configuration need not name any. */
static void test_end_on_of_an_identity(void **state)
{
	struct fixture *f = *state;

	write_text(f, "wg2", "[Interface]\nMode = identity\nEndOn = lock,logout\n");
	assert_int_equal(broker_reload(f->broker), 0);
	grant(f, "wg2", "c1");
	assert_int_equal(broker_end_on(f->broker, CONFIG_END_LOCK, "c2", false), 0);
	assert_int_equal(broker_end_on(f->broker, CONFIG_END_LOCK, "c1", false), 1);
	assert_false(approved(f, "wg2"));
	grant(f, "wg2", "c1");
	assert_int_equal(broker_end_on(f->broker, CONFIG_END_LOGOUT, "c1", false), 1);
	assert_false(approved(f, "wg2"));
}

static void test_check_grant(void **state)
{
	struct fixture *f = *state;
	const struct config *ends_on_lock = broker_find_tunnel(f->broker, "wg0")->config;
	const struct config *ends_never = broker_find_tunnel(f->broker, "wg2")->config;
	const char *detail = NULL;

	assert_int_equal(broker_check_grant(f->broker, ends_never, &detail), 0);
	assert_int_equal(broker_check_grant(f->broker, ends_on_lock, &detail), OUTCOME_DENIED);
	assert_non_null(strstr(detail, "need logind"));
	broker_set_told_of(f->broker, CONFIG_END_LOCK | CONFIG_END_LOGOUT);
	assert_int_equal(broker_check_grant(f->broker, ends_on_lock, &detail), 0);
	/* Whatever they end on. */
	broker_set_sleeping(f->broker, true);
	assert_int_equal(broker_check_grant(f->broker, ends_on_lock, &detail), OUTCOME_DENIED);
	assert_non_null(strstr(detail, "sleep"));
	assert_int_equal(broker_check_grant(f->broker, ends_never, &detail), OUTCOME_DENIED);
	broker_set_sleeping(f->broker, false);
	assert_int_equal(broker_check_grant(f->broker, ends_never, &detail), 0);
}

static struct request *make(struct fixture *f, uid_t uid, enum request_kind kind, const char *ifname)
{
	struct requester who = {.uid = uid, .sender = ":1.1", .text = "uid"};
	struct request *r = NULL;

	assert_int_equal(request_new(&r, f->broker, kind, &who), 0);
	(void)snprintf(r->ifname, sizeof(r->ifname), "%s", ifname);
	r->options.wait = true;
	r->reply = on_reply;
	r->userdata = f;
	return r;
}

static void test_one_reply(void **state)
{
	struct fixture *f = *state;

	/* refused before anything began; refused by the operation; cancelled; ended by the stop, in both states */
	request_refuse(make(f, 1, REQUEST_APPROVE, "wg0"), OUTCOME_DENIED, "");
	assert_int_equal(f->answered, 1);
	assert_int_equal(f->outcome, OUTCOME_DENIED);
	request_start(make(f, 1, REQUEST_APPROVE, "wg0"));
	assert_int_equal(f->answered, 2);
	assert_int_equal(f->outcome, OUTCOME_NOT_ENROLLED);
	request_start(make(f, 1, REQUEST_ENROLL, "wg9"));
	assert_int_equal(f->answered, 3);

	request_start(make(f, 1, REQUEST_ENROLL, "wg0"));
	assert_int_equal(f->answered, 3);
	assert_string_equal(tunnel_state(broker_find_tunnel(f->broker, "wg0")), "waiting");
	assert_string_equal(operation_prompt(tunnel_operation(broker_find_tunnel(f->broker, "wg0"))), "token");
	request_cancel(TAILQ_FIRST(&f->broker->requests), "");
	assert_int_equal(f->answered, 4);
	assert_int_equal(f->outcome, OUTCOME_CANCELLED);
	assert_true(TAILQ_EMPTY(&f->broker->operations));

	request_start(make(f, 1, REQUEST_ENROLL, "wg0"));
	(void)make(f, 2, REQUEST_REKEY, "wg1");
	broker_stop(f->broker);
	assert_int_equal(f->answered, 6);
	assert_int_equal(f->outcome, OUTCOME_CANCELLED);
	assert_true(TAILQ_EMPTY(&f->broker->requests));
}

static void test_cancel_is_for_the_own_uid(void **state)
{
	struct fixture *f = *state;
	struct requester who = {.uid = 2};

	request_start(make(f, 1, REQUEST_ENROLL, "wg0"));
	assert_int_equal(broker_cancel(f->broker, &who, "wg0", NULL), 0);
	who.uid = 1;
	assert_int_equal(broker_cancel(f->broker, &who, "wg1", NULL), 0);
	assert_int_equal(broker_cancel(f->broker, &who, "wg0", NULL), 1);
	assert_int_equal(f->answered, 1);
}

static void test_limits(void **state)
{
	struct fixture *f = *state;
	struct requester who = {.uid = 1};
	struct request *r = NULL;
	uid_t uid;
	int i;

	for (i = 0; i < REQUESTS_PER_UID_MAX; i++)
		(void)make(f, 1, REQUEST_APPROVE, "wg0");
	assert_int_equal(request_new(&r, f->broker, REQUEST_APPROVE, &who), OUTCOME_LIMIT_EXCEEDED);
	assert_null(r);
	for (uid = 2; i < REQUESTS_MAX; i++)
		(void)make(f, uid + (uid_t)i / REQUESTS_PER_UID_MAX, REQUEST_APPROVE, "wg0");
	who.uid = 1000000;
	assert_int_equal(request_new(&r, f->broker, REQUEST_APPROVE, &who), OUTCOME_LIMIT_EXCEEDED);
	/* A full house does not keep root out, but for its own limit. */
	for (i = 0; i < REQUESTS_PER_UID_MAX; i++)
		(void)make(f, 0, REQUEST_APPROVE, "wg0");
	who.uid = 0;
	assert_int_equal(request_new(&r, f->broker, REQUEST_APPROVE, &who), OUTCOME_LIMIT_EXCEEDED);
	broker_stop(f->broker);
	assert_int_equal(f->answered, REQUESTS_MAX + REQUESTS_PER_UID_MAX);
}

static void test_reload(void **state)
{
	struct fixture *f = *state;

	grant(f, "wg0", "");
	grant(f, "wg1", "");
	request_start(make(f, 1, REQUEST_ENROLL, "wg1"));
	assert_int_equal(broker_reload(f->broker), 0);
	assert_true(approved(f, "wg0") && approved(f, "wg1"));
	write_config(f, "wg1", "EndOn = lock\n");
	assert_int_equal(broker_reload(f->broker), 0);
	assert_true(approved(f, "wg0"));
	assert_false(approved(f, "wg1"));
	assert_int_equal(f->answered, 1);
	assert_int_equal(f->outcome, OUTCOME_CANCELLED);
}

static void test_lock_all_and_revoke(void **state)
{
	struct fixture *f = *state;
	struct tunnel *t = broker_find_tunnel(f->broker, "wg1");
	uint8_t peer[KEY_SIZE];

	memset(peer, 'A', sizeof(peer));
	grant(f, "wg0", "");
	grant(f, "wg1", "");
	/* A peer that the tunnel's approval covers takes that along. */
	assert_int_equal(broker_revoke(f->broker, t, peer, "uid"), 1);
	assert_false(approved(f, "wg1"));
	assert_int_equal(t->peers[0].end_reason, APPROVAL_END_REVOKED);
	assert_int_equal(broker_lock_all(f->broker), 1);
	assert_int_equal(broker_lock_all(f->broker), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_end_on_lock, setup, teardown),
		cmocka_unit_test_setup_teardown(test_end_on_logout, setup, teardown),
		cmocka_unit_test_setup_teardown(test_end_on_suspend, setup, teardown),
		cmocka_unit_test_setup_teardown(test_end_on_of_an_identity, setup, teardown),
		cmocka_unit_test_setup_teardown(test_check_grant, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_reply, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel_is_for_the_own_uid, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reload, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lock_all_and_revoke, setup, teardown),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
