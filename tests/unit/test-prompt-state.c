/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the desktop is told, and that nothing but a click makes a key blink. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "client/prompt.h"

#define ME 1000

/* What the state machine asked for since the last look: "show", "close", "approve", "approve+pin"... of which tunnel. */
struct fixture {
	struct prompt *prompt;
	char log[512];
	struct prompt_card card;
	struct prompt_question question;
	/* The tunnels, as the broker and the agent have them */
	size_t n;
	struct proxy_tunnel tunnels[3];
	struct prompt_facts facts[3];
	bool running;
};

static void note(struct fixture *f, const char *what, const char *ifname)
{
	size_t len = strlen(f->log);

	snprintf(f->log + len, sizeof(f->log) - len, "%s%s %s", len ? ", " : "", what, ifname);
}

static void op_show(void *userdata, const char *ifname, const struct prompt_card *card)
{
	struct fixture *f = userdata;

	f->card = *card;
	note(f, "show", ifname);
}

static void op_close(void *userdata, const char *ifname)
{
	note(userdata, "close", ifname);
}

static void op_approve(void *userdata, const char *ifname, const struct secret *pin, bool confirm_pin)
{
	note(userdata, pin ? confirm_pin ? "approve+pin+confirm" : "approve+pin" : confirm_pin ? "approve+confirm" : "approve", ifname);
}

static void op_cancel(void *userdata, const char *ifname)
{
	note(userdata, "cancel", ifname);
}

static void op_ask_pin(void *userdata, const char *ifname, const struct prompt_question *question)
{
	struct fixture *f = userdata;

	f->question = *question;
	note(f, "ask", ifname);
}

static void op_drop_pin(void *userdata, const char *ifname)
{
	note(userdata, "drop", ifname);
}

static const struct prompt_ops ops = {op_show, op_close, op_approve, op_cancel, op_ask_pin, op_drop_pin};

static void expect(struct fixture *f, const char *log)
{
	assert_string_equal(f->log, log);
	f->log[0] = '\0';
}

static void update(struct fixture *f)
{
	assert_int_equal(prompt_update(f->prompt, f->running, f->facts, f->running ? f->n : 0), 0);
}

/* Literals that are only read. */
static char *text(const char *s)
{
	return (char *)(uintptr_t)s;
}

static int set_up(void **state)
{
	static const char *const names[][2] = {{"wg0", "office"}, {"wg1", "home"}, {"wg2", ""}};
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f || secret_init() < 0 || prompt_new(&f->prompt, &ops, f, ME) < 0)
		return -1;
	f->running = true;
	f->n = 3;
	for (size_t i = 0; i < 3; i++) {
		f->tunnels[i] = (struct proxy_tunnel){
			.interface = text(names[i][0]),
			.name = text(names[i][1]),
			.mode = text("psk"),
			.held = text("wrapped"),
			.touch_policy = text(""),
			.state = text("locked"),
			.approval_scope = text("tunnel"),
			.approval_lifetime = 8 * 3600,
			.end_reason = text(""),
			.prompt = text(""),
			.prompt_token = text(""),
			.prompt_requester = text(""),
		};
		f->facts[i] = (struct prompt_facts){
			.tunnel = &f->tunnels[i], .peer = "", .token = "Blue", .approvable = true, .agent = "absent"};
	}
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	prompt_free(f->prompt);
	free(f);
	return 0;
}

static void pending(struct fixture *f, size_t i, const char *prompt, const char *requester)
{
	f->tunnels[i].prompt = text(prompt);
	f->tunnels[i].prompt_for = *prompt ? 3600 : 0;
	f->tunnels[i].prompt_requester = text(requester);
	f->tunnels[i].prompt_steps = f->tunnels[i].prompt_step = *prompt ? 1 : 0;
	update(f);
}

static void approved(struct fixture *f, size_t i, const char *end_reason)
{
	f->tunnels[i].state = text(end_reason ? "locked" : "approved");
	f->tunnels[i].end_reason = text(end_reason ? end_reason : "");
	update(f);
}

static void agent(struct fixture *f, size_t i, const char *to)
{
	f->facts[i].agent = to;
	update(f);
}

/* wg0 came up closed, and its button was clicked. */
static void clicked(struct fixture *f)
{
	update(f);
	agent(f, 0, "closed");
	expect(f, "show wg0");
	prompt_clicked(f->prompt, "wg0", PROMPT_ACTION_APPROVE);
	expect(f, "close wg0, approve wg0");
}

static void test_what_is_there_is_no_news(void **state)
{
	struct fixture *f = *state;

	f->facts[0].agent = "closed";
	f->tunnels[1].state = text("approved");
	f->facts[1].agent = "open";
	f->tunnels[2].end_reason = text("expired");
	f->facts[2].agent = "closed";
	update(f);
	update(f);
	expect(f, "");
}

static void test_comes_up_closed(void **state)
{
	struct fixture *f = *state;

	update(f);
	agent(f, 0, "closed");
	expect(f, "show wg0");
	assert_int_equal(f->card.kind, PROMPT_CLOSED);
	assert_string_equal(f->card.summary, "office (wg0) is closed");
	assert_int_equal(f->card.action, PROMPT_ACTION_APPROVE);
	assert_string_equal(f->card.instead, "Open it with: wgfido approve wg0");
	/* Told once. */
	agent(f, 0, "error");
	agent(f, 0, "closed");
	expect(f, "");
	agent(f, 0, "absent");
	expect(f, "close wg0");
	/* Approved first, as by PreUp: not closed for anyone. */
	approved(f, 1, NULL);
	agent(f, 1, "closed");
	agent(f, 1, "open");
	expect(f, "");
	/* Nothing to approve it with. */
	f->tunnels[2].held = text("none");
	agent(f, 2, "closed");
	expect(f, "");
}

static void test_approved_elsewhere(void **state)
{
	struct fixture *f = *state;

	update(f);
	agent(f, 0, "closed");
	expect(f, "show wg0");
	approved(f, 0, NULL);
	expect(f, "close wg0");
}

static void check_ended(struct fixture *f, const char *reason, const char *body, enum prompt_action action)
{
	approved(f, 0, NULL);
	f->log[0] = '\0';
	approved(f, 0, reason);
	expect(f, "show wg0");
	assert_int_equal(f->card.kind, PROMPT_ENDED);
	assert_string_equal(f->card.summary, "office (wg0) was closed");
	assert_string_equal(f->card.body, body);
	assert_int_equal(f->card.action, action);
}

static void test_ended(void **state)
{
	struct fixture *f = *state;

	f->facts[0].agent = "open";
	update(f);
	check_ended(f, "token-removed", "The security key was pulled out.", PROMPT_ACTION_APPROVE);
	check_ended(f, "expired", "Its time was over.", PROMPT_ACTION_APPROVE);
	check_ended(f, "suspend", "The machine went to sleep.", PROMPT_ACTION_APPROVE);
	check_ended(f, "lock", "The session was locked.", PROMPT_ACTION_APPROVE);
	check_ended(f, "revoked", "It was revoked.", PROMPT_ACTION_NONE);
	assert_int_equal(f->card.urgency, PROMPT_LOW);
	assert_string_equal(f->card.instead, "");
	/* Where no interface is, nothing closed. */
	approved(f, 1, NULL);
	approved(f, 1, "expired");
	f->log[0] = '\0';
	update(f);
	expect(f, "");
}

static void test_pending(void **state)
{
	struct fixture *f = *state;

	/* Also when it was there first: a key blinks. */
	pending(f, 0, "touch", "uid 1000 (alice)");
	expect(f, "show wg0");
	assert_string_equal(f->card.summary, "Touch your key to open office (wg0) for 1 h");
	assert_int_equal(f->card.action, PROMPT_ACTION_CANCEL);
	assert_int_equal(f->card.urgency, PROMPT_CRITICAL);
	prompt_clicked(f->prompt, "wg0", PROMPT_ACTION_APPROVE); /* not the button that is there */
	expect(f, "");
	prompt_clicked(f->prompt, "wg0", PROMPT_ACTION_CANCEL);
	expect(f, "cancel wg0");
	pending(f, 0, "", "");
	expect(f, "close wg0");

	pending(f, 2, "token-with-key", "uid 0 (root)");
	expect(f, "show wg2");
	assert_string_equal(f->card.summary, "Plug in your key to open wg2 for 1 h");
	assert_string_equal(f->card.body, "It then waits for your touch. Asked for by uid 0 (root).");
	assert_int_equal(f->card.action, PROMPT_ACTION_NONE);
	prompt_clicked(f->prompt, "wg2", PROMPT_ACTION_CANCEL);
	expect(f, "");
	/* What is busy for a moment stays as it is. */
	pending(f, 2, "busy", "uid 0 (root)");
	expect(f, "");
	f->tunnels[2].prompt_token = text("Blue");
	pending(f, 2, "touch", "uid 0 (root)");
	expect(f, "show wg2");
	assert_string_equal(f->card.body, "Blue is waiting for it. Asked for by uid 0 (root).");
	pending(f, 2, "", "");
	expect(f, "close wg2");
	pending(f, 2, "busy", "uid 0 (root)");
	expect(f, "");
}

static void test_other_operations_are_not_ours(void **state)
{
	struct fixture *f = *state;

	f->tunnels[0].prompt = text("touch");
	f->tunnels[0].prompt_requester = text("uid 1000 (alice)");
	update(f);
	expect(f, "");
}

static void test_click_and_touch(void **state)
{
	struct fixture *f = *state;

	clicked(f);
	/* A second click, of somebody quick. */
	prompt_clicked(f->prompt, "wg0", PROMPT_ACTION_APPROVE);
	expect(f, "");
	pending(f, 0, "touch", "uid 1000 (alice)");
	expect(f, "show wg0");
	approved(f, 0, NULL);
	pending(f, 0, "", "");
	expect(f, "close wg0");
	prompt_reply(f->prompt, "wg0", OUTCOME_OK, "");
	update(f);
	expect(f, "");
	/* An answer that nobody waits for. */
	prompt_reply(f->prompt, "wg0", OUTCOME_FAILED, "late");
	prompt_reply(f->prompt, "wg9", OUTCOME_FAILED, "of whom");
	expect(f, "");
}

static void test_click_fails(void **state)
{
	static const struct {
		enum outcome outcome;
		bool shown, retry;
	} table[] = {
		{OUTCOME_TOUCH_TIMEOUT, true, true},
		{OUTCOME_WRONG_TOKEN, true, true},
		{OUTCOME_DENIED, true, false},
		{OUTCOME_KEYFILE_DAMAGED, true, false},
		/* Whoever cancels knows. */
		{OUTCOME_CANCELLED, false, false},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		f->facts[0].agent = "absent";
		update(f);
		f->log[0] = '\0';
		clicked(f);
		prompt_reply(f->prompt, "wg0", table[i].outcome, "So it was.");
		expect(f, table[i].shown ? "show wg0" : "");
		if (table[i].shown) {
			assert_string_equal(f->card.summary, "office (wg0) stays closed");
			assert_string_equal(f->card.body, "So it was.");
			assert_int_equal(f->card.action, table[i].retry ? PROMPT_ACTION_APPROVE : PROMPT_ACTION_NONE);
		}
		update(f);
		expect(f, "");
	}
}

static void test_pin(void **state)
{
	struct fixture *f = *state;
	struct secret *pin = secret_new(4);

	clicked(f);
	prompt_reply(f->prompt, "wg0", OUTCOME_PIN_REQUIRED, "");
	expect(f, "ask wg0");
	assert_false(f->question.confirm || f->question.has_pin);
	assert_string_equal(f->question.text, "Type the PIN of Blue to open office (wg0) for 8 h, then touch it.");
	f->tunnels[0].touch_policy = text("never");
	f->tunnels[0].held = text("resident");
	prompt_question_text(&f->question, &f->facts[0]);
	assert_string_equal(f->question.text, "Type the PIN of Blue to open office (wg0) for 8 h.");
	prompt_pin(f->prompt, "wg0", OUTCOME_OK, pin, "");
	expect(f, "approve+pin wg0");
	/* Wrong: said, and not asked for again unless the user wants to. */
	prompt_reply(f->prompt, "wg0", OUTCOME_PIN_INVALID, "Wrong, 3 tries left.");
	expect(f, "show wg0");
	prompt_clicked(f->prompt, "wg0", PROMPT_ACTION_APPROVE);
	expect(f, "close wg0, approve wg0");
	prompt_reply(f->prompt, "wg0", OUTCOME_PIN_REQUIRED, "");
	prompt_pin(f->prompt, "wg0", OUTCOME_OK, pin, "");
	expect(f, "ask wg0, approve+pin wg0");
	/* Few are left: a question, and the PIN that stands. */
	prompt_reply(f->prompt, "wg0", OUTCOME_PIN_FEW_TRIES_LEFT, "Three left.");
	expect(f, "ask wg0");
	assert_true(f->question.confirm && f->question.has_pin);
	assert_string_equal(f->question.warning, "Three left.");
	prompt_pin(f->prompt, "wg0", OUTCOME_OK, NULL, "");
	expect(f, "approve+confirm wg0");
	/* A broker that asks for ever is not answered for ever. */
	prompt_reply(f->prompt, "wg0", OUTCOME_PIN_FEW_TRIES_LEFT, "Three left.");
	expect(f, "show wg0");
	assert_int_equal(f->card.kind, PROMPT_FAILED);
	secret_free(pin);
}

static void test_pin_is_not_typed(void **state)
{
	struct fixture *f = *state;

	clicked(f);
	prompt_reply(f->prompt, "wg0", OUTCOME_PIN_REQUIRED, "");
	prompt_pin(f->prompt, "wg0", OUTCOME_CANCELLED, NULL, "");
	expect(f, "ask wg0");
	prompt_pin(f->prompt, "wg0", OUTCOME_OK, NULL, "");
	expect(f, "");
}

static void test_one_dialog_at_a_time(void **state)
{
	struct fixture *f = *state;
	struct secret *pin = secret_new(4);

	update(f);
	for (size_t i = 0; i < 3; i++) {
		agent(f, i, "closed");
		prompt_clicked(f->prompt, f->tunnels[i].interface, PROMPT_ACTION_APPROVE);
	}
	f->log[0] = '\0';
	for (size_t i = 0; i < 3; i++)
		prompt_reply(f->prompt, f->tunnels[i].interface, OUTCOME_PIN_REQUIRED, "");
	expect(f, "ask wg0");
	prompt_pin(f->prompt, "wg0", OUTCOME_OK, pin, "");
	expect(f, "approve+pin wg0, ask wg1");
	/* Opened by somebody else meanwhile. */
	approved(f, 1, NULL);
	expect(f, "drop wg1, ask wg2");
	secret_free(pin);
}

/* A PIN is kept for the confirmation that was asked for, and for as long as that may come. */
static void test_kept_pin(void **state)
{
	struct fixture *f = *state;
	struct secret *pin = secret_new(4);

	update(f);
	for (size_t i = 0; i < 2; i++) {
		agent(f, i, "closed");
		prompt_clicked(f->prompt, f->tunnels[i].interface, PROMPT_ACTION_APPROVE);
	}
	/* Without a PIN there is none to keep. */
	assert_false(prompt_reply(f->prompt, "wg1", OUTCOME_PIN_FEW_TRIES_LEFT, "Three left."));
	f->log[0] = '\0';
	prompt_pin(f->prompt, "wg1", OUTCOME_OK, pin, "");
	expect(f, "approve+pin+confirm wg1");
	/* Confirmed once. */
	assert_false(prompt_reply(f->prompt, "wg1", OUTCOME_PIN_FEW_TRIES_LEFT, "Three left."));
	prompt_clicked(f->prompt, "wg1", PROMPT_ACTION_APPROVE);
	agent(f, 1, "absent");
	agent(f, 1, "closed");
	prompt_clicked(f->prompt, "wg1", PROMPT_ACTION_APPROVE);
	assert_false(prompt_reply(f->prompt, "wg1", OUTCOME_PIN_REQUIRED, ""));
	prompt_pin(f->prompt, "wg1", OUTCOME_OK, pin, "");
	/* wg0's dialog is open when wg1's wants to be confirmed... */
	assert_false(prompt_reply(f->prompt, "wg0", OUTCOME_PIN_REQUIRED, ""));
	assert_true(prompt_reply(f->prompt, "wg1", OUTCOME_PIN_FEW_TRIES_LEFT, "Three left."));
	f->log[0] = '\0';
	/* ...and it is opened by somebody else. wg0's dialog has nothing to do with that. */
	approved(f, 1, NULL);
	expect(f, "drop wg1");
	prompt_pin(f->prompt, "wg0", OUTCOME_CANCELLED, NULL, "");
	expect(f, "");
	/* An answer that nobody waits for keeps nothing. */
	assert_false(prompt_reply(f->prompt, "wg1", OUTCOME_PIN_FEW_TRIES_LEFT, "Three left."));
	assert_false(prompt_reply(f->prompt, "wg9", OUTCOME_PIN_FEW_TRIES_LEFT, "Three left."));
	expect(f, "");
	secret_free(pin);
}

/* A call goes with its tunnel, and what it carries. */
static void test_tunnel_goes_under_a_call(void **state)
{
	struct fixture *f = *state;

	update(f);
	agent(f, 2, "closed");
	prompt_clicked(f->prompt, "wg2", PROMPT_ACTION_APPROVE);
	expect(f, "show wg2, close wg2, approve wg2");
	f->n = 2;
	update(f);
	expect(f, "drop wg2");
}

static void test_broker_goes(void **state)
{
	struct fixture *f = *state;

	f->facts[0].agent = "open";
	f->tunnels[0].state = text("approved");
	update(f);
	agent(f, 1, "closed");
	expect(f, "show wg1");
	prompt_clicked(f->prompt, "wg1", PROMPT_ACTION_APPROVE);
	prompt_reply(f->prompt, "wg1", OUTCOME_PIN_REQUIRED, "");
	expect(f, "close wg1, approve wg1, ask wg1");
	pending(f, 2, "touch", "uid 1000 (alice)");
	expect(f, "show wg2");
	f->running = false;
	update(f);
	expect(f, "close wg2, drop wg1, show wg0");
	assert_string_equal(f->card.body, "The wgfido broker was stopped.");
	update(f);
	prompt_clicked(f->prompt, "wg0", PROMPT_ACTION_APPROVE);
	expect(f, "");
	/* And comes back: what it says is compared with what was. */
	f->running = true;
	f->tunnels[0].state = text("locked");
	f->tunnels[2].prompt = text("");
	f->tunnels[2].prompt_for = 0;
	update(f);
	expect(f, "");
}

static void test_broker_goes_under_a_call(void **state)
{
	struct fixture *f = *state;

	clicked(f);
	f->running = false;
	update(f);
	prompt_reply(f->prompt, "wg0", OUTCOME_FAILED, "It went away.");
	expect(f, "show wg0");
	update(f);
	expect(f, "");
}

static void test_tunnel_goes(void **state)
{
	struct fixture *f = *state;

	update(f);
	agent(f, 2, "closed");
	expect(f, "show wg2");
	f->n = 2;
	update(f);
	expect(f, "close wg2");
	/* Configured anew, it is looked at anew. */
	f->n = 3;
	update(f);
	expect(f, "");
}

static void test_peers(void **state)
{
	struct fixture *f = *state;

	f->facts[0].approvable = false;
	update(f);
	agent(f, 0, "closed");
	expect(f, "show wg0");
	assert_int_equal(f->card.action, PROMPT_ACTION_NONE);
	assert_string_equal(f->card.instead, "Open a peer of it with: wgfido approve wg0/PEER");
	f->facts[0].peer = "lab";
	pending(f, 0, "touch", "uid 1000 (alice)");
	assert_string_equal(f->card.summary, "Touch your key to open office (wg0) to lab for 1 h");
}

static void test_long_names(void **state)
{
	struct fixture *f = *state;
	char name[1001], token[1001];

	/* Of two bytes a character: nothing may be cut in its middle, and what matters is still there. */
	for (size_t i = 0; i < 1000; i += 2) {
		memcpy(name + i, "\xc3\xa4", 2);
		memcpy(token + i, "\xc3\xb6", 2);
	}
	name[1000] = token[1000] = '\0';
	f->tunnels[0].name = name;
	f->tunnels[0].prompt_token = token;
	f->facts[0].peer = name;
	f->facts[0].token = token;
	pending(f, 0, "touch", name);
	assert_non_null(strstr(f->card.summary, "... (wg0) to "));
	assert_non_null(strstr(f->card.summary, "... for 1 h"));
	assert_non_null(strstr(f->card.body, "... is waiting for it. Asked for by "));
	assert_true(strlen(f->card.body) < 300);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_there_is_no_news),
		TEST(test_comes_up_closed),
		TEST(test_approved_elsewhere),
		TEST(test_ended),
		TEST(test_pending),
		TEST(test_other_operations_are_not_ours),
		TEST(test_click_and_touch),
		TEST(test_click_fails),
		TEST(test_pin),
		TEST(test_pin_is_not_typed),
		TEST(test_one_dialog_at_a_time),
		TEST(test_kept_pin),
		TEST(test_tunnel_goes_under_a_call),
		TEST(test_broker_goes),
		TEST(test_broker_goes_under_a_call),
		TEST(test_tunnel_goes),
		TEST(test_peers),
		TEST(test_long_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
