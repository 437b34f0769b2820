/* SPDX-License-Identifier: GPL-2.0-or-later */
/* status for programs; wgfido(1) describes it. */
#include <string.h>

#include "client/status.h"
#include "client/windows.h"

/* A boot time as what a program can use without knowing ours. null: not approved. */
static json_t *until_json(const struct status *s, uint64_t until_boot_us)
{
	if (!until_boot_us)
		return json_null();
	if (until_boot_us < s->now.boot_us)
		return json_integer((json_int_t)(s->now.real_us / US_PER_SEC));
	return json_integer((json_int_t)((s->now.real_us + (until_boot_us - s->now.boot_us)) / US_PER_SEC));
}

static json_t *agent_peer_json(const struct agent_peer *a)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "public_key", a->public_key, "name", a->name,
		"state", a->state, "reason", a->reason, "slot", (json_int_t)a->slot, "slot_end", (json_int_t)a->slot_end, "offset",
		(json_int_t)a->offset, "last_handshake", (json_int_t)a->last_handshake, "drift_repaired",
		(json_int_t)a->drift_repaired);
}

static json_t *agent_json(const struct status *s, const struct agent_status *a)
{
	json_t *peers;

	if (!a)
		return json_null();
	peers = json_array();
	for (size_t i = 0; i < a->n_peers; i++)
		json_array_append_new(peers, agent_peer_json(&a->peers[i]));
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:o}", "interface", a->interface, "mode", a->mode,
		"role", a->role, "backend", a->backend, "state", a->state, "reason", a->reason, "problem", a->problem,
		"stale", (int)agent_status_is_stale(a, s->now), "peers", peers);
}

static json_t *peer_json(const struct status *s, const struct proxy_peer *peer)
{
	return json_pack("{s:s, s:s, s:s, s:o, s:s, s:s}", "public_key", peer->public_key, "name", peer->name, "state",
		peer->state, "approved_until", until_json(s, peer->approved_until), "requester", peer->requester,
		"end_reason", peer->end_reason);
}

static json_t *keyslots_json(const struct proxy_keyslots *k)
{
	json_t *slots = json_array();

	for (size_t i = 0; i < k->n; i++)
		json_array_append_new(slots,
			json_pack("{s:I, s:s, s:s, s:s, s:I}", "id", (json_int_t)k->slots[i].id, "type",
				k->slots[i].type, "label", k->slots[i].label, "uv", k->slots[i].uv, "created",
				(json_int_t)k->slots[i].created));
	return slots;
}

static json_t *prompt_json(const struct status *s, const struct proxy_tunnel *t)
{
	if (!*t->prompt)
		return json_null();
	return json_pack("{s:s, s:s, s:o, s:I, s:I, s:s}", "kind", t->prompt, "token", t->prompt_token, "deadline",
		until_json(s, t->prompt_deadline), "step", (json_int_t)t->prompt_step, "steps",
		(json_int_t)t->prompt_steps, "requester", t->prompt_requester);
}

static void warning_add(void *userdata, const char *text)
{
	json_array_append_new(userdata, json_string(text));
}

/* null: none of its peers has window keys. */
static json_t *windows_json(const struct status *s, const struct proxy_tunnel *t)
{
	json_t *json = json_null();
	struct windows w;

	if (windows_of(&w, t->interface, s->now.real_us / US_PER_SEC))
		json = json_pack("{s:I, s:I, s:s}", "window_end", (json_int_t)w.window_end, "keys_end", (json_int_t)w.keys_end, "problem",
			w.error ? w.error : "");
	windows_clear(&w);
	return json;
}

static json_t *tunnel_json(const struct status *s, const struct proxy_tunnel *t)
{
	const struct agent_status *agent = status_find_agent(s, t->interface);
	json_t *peers = json_array(), *warnings = json_array();

	for (struct proxy_peer *peer = NULL; (peer = proxy_next_peer(s->proxy, t, peer));)
		json_array_append_new(peers, peer_json(s, peer));
	status_warn(s, t, agent, warning_add, warnings);
	status_warn_windows(s, t, warning_add, warnings);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:s, s:s, s:s, s:I, s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:o}",
		"interface", t->interface, "name", t->name, "mode", t->mode, "held", t->held, "public_key",
		t->public_key, "slot", t->slot, "touch_policy", t->touch_policy, "handle", t->handle, "next_public_key",
		t->next_public_key, "window_keys", windows_json(s, t), "state", t->state, "guarantee", t->guarantee, "approval_scope",
		t->approval_scope, "approval_lifetime", (json_int_t)t->approval_lifetime, "approved_until",
		until_json(s, t->approved_until), "end_reason", t->end_reason, "problem", t->problem, "prompt",
		prompt_json(s, t), "keyslots", keyslots_json(&t->keyslots), "peers", peers, "agent",
		agent_json(s, agent), "warnings", warnings);
}

static json_t *token_json(const struct proxy_token *t)
{
	json_t *capabilities = json_array();

	for (char **c = t->capabilities; c && *c; c++)
		json_array_append_new(capabilities, json_string(*c));
	return json_pack("{s:s, s:s, s:s, s:o, s:s, s:b}", "id", t->id, "name", t->name, "serial", t->serial,
		"capabilities", capabilities, "pin_state", t->pin_state, "busy", (int)t->busy);
}

json_t *status_json(const struct status *s)
{
	json_t *tunnels = json_array(), *others = json_array(), *tokens = json_array();

	for (size_t i = 0; i < s->proxy->n_tunnels; i++)
		json_array_append_new(tunnels, tunnel_json(s, &s->proxy->tunnels[i]));
	for (struct agent_status **a = s->agents; *a; a++)
		if (status_is_foreign(s, *a))
			json_array_append_new(others, agent_json(s, *a));
	for (size_t i = 0; i < s->proxy->n_tokens; i++)
		json_array_append_new(tokens, token_json(&s->proxy->tokens[i]));
	return json_pack("{s:b, s:s, s:o, s:o, s:o}", "broker", (int)s->proxy->running, "version",
		s->proxy->version ? s->proxy->version : "", "tunnels", tunnels, "agent_only", others, "tokens", tokens);
}
