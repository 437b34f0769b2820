/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "client/keyslot.h"

#include <stdio.h>
#include <string.h>

#include "client/recovery.h"
#include "client/target.h"
#include "client/text.h"
#include "common/names.h"

size_t keyslot_count(const struct proxy_tunnel *t, const char *type)
{
	size_t n = 0;

	for (size_t i = 0; i < t->keyslots.n; i++)
		n += !type || !strcmp(t->keyslots.slots[i].type, type);
	return n;
}

int keyslot_add_recovery(struct proxy *p, const char *ifname, const struct call_options *o, bool yes)
{
	struct call_options own = {
		.type = "recovery", .token = o->token, .confirm_pin = o->confirm_pin, .pin_fd = o->pin_fd};
	struct recovery_result result = {};
	char purpose[192], tunnel[128];
	struct proxy_tunnel *t;
	int r;

	r = target_resolve_tunnel(&t, p, ifname);
	if (r)
		return r;
	snprintf(purpose, sizeof(purpose), "to make a recovery code for %s", text_tunnel(tunnel, sizeof(tunnel), t));
	own.recovery_code = o->recovery_code;
	r = recovery_call(p,
		&(struct call){
			.path = t->path,
			.interface = WGFIDO_TUNNEL_INTERFACE,
			.method = "AddKeyslot",
			.tunnel_path = t->path,
			.purpose = purpose,
			.options = &own,
		},
		&result);
	own.recovery_code = NULL; /* borrowed */
	call_options_clear(&own);
	if (!r && result.code)
		r = recovery_show(result.code, tunnel, yes);
	recovery_result_clear(&result);
	return r;
}

int keyslot_add_token(struct proxy *p, const char *ifname, struct call_options *o, uint32_t *ret_slot)
{
	struct recovery_result result = {};
	char purpose[192], tunnel[128];
	struct proxy_tunnel *t;
	int r;

	r = target_resolve_tunnel(&t, p, ifname);
	if (r)
		return r;
	snprintf(purpose, sizeof(purpose), "to add a security key to %s", text_tunnel(tunnel, sizeof(tunnel), t));
	r = recovery_call(p,
		&(struct call){
			.path = t->path,
			.interface = WGFIDO_TUNNEL_INTERFACE,
			.method = "AddKeyslot",
			.tunnel_path = t->path,
			.purpose = purpose,
			.options = o,
		},
		&result);
	*ret_slot = result.slot;
	recovery_result_clear(&result);
	return r;
}

int keyslot_remove(struct proxy *p, const char *ifname, uint32_t slot, const struct call_options *o)
{
	struct call_options own = {.token = o->token, .confirm_pin = o->confirm_pin, .pin_fd = o->pin_fd};
	char purpose[192], tunnel[128];
	sd_bus_message *reply = NULL;
	struct proxy_tunnel *t;
	int r;

	r = target_resolve_tunnel(&t, p, ifname);
	if (r)
		return r;
	snprintf(purpose, sizeof(purpose), "to remove keyslot %u of %s", slot, text_tunnel(tunnel, sizeof(tunnel), t));
	own.recovery_code = o->recovery_code;
	r = call_run(p,
		&(struct call){
			.path = t->path,
			.interface = WGFIDO_TUNNEL_INTERFACE,
			.method = "RemoveKeyslot",
			.tunnel_path = t->path,
			.purpose = purpose,
			.slot = &slot,
			.options = &own,
		},
		&reply);
	own.recovery_code = NULL; /* borrowed */
	call_options_clear(&own);
	sd_bus_message_unref(reply);
	return r;
}
