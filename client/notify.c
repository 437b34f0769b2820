/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "client/notify.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/text.h"
#include "common/log.h"

#define NOTIFICATIONS "org.freedesktop.Notifications"
#define NOTIFICATIONS_PATH "/org/freedesktop/Notifications"
#define ACTION_APPROVE "approve"
#define ACTION_CANCEL "cancel"

struct item {
	struct notify *notify;
	struct item *next;
	char key[64];
	struct prompt_card card;
	uint32_t id;	     /* 0: not on the screen, as far as we know */
	bool wanted;	     /* neither closed by us nor dismissed */
	bool stale;	     /* card is newer than what was sent */
	sd_bus_slot *sending; /* Notify is not answered */
};

struct notify {
	sd_bus *bus;
	void (*clicked)(void *userdata, const char *key, enum prompt_action action);
	void *userdata;
	char owner[256]; /* the daemon that told its capabilities; "": none did */
	bool has_actions, has_markup;
	bool told_absent;
	sd_bus_slot *asking; /* GetCapabilities is not answered */
	sd_bus_slot *slots[3];
	struct item *items;
};

void notify_escape(char *buf, size_t size, const char *text)
{
	size_t len = 0;

	for (; *text; text++) {
		const char *as = *text == '&' ? "&amp;" : *text == '<' ? "&lt;" : *text == '>' ? "&gt;" : NULL;
		size_t need = as ? strlen(as) : 1;

		if (len + need >= size)
			break;
		memcpy(buf + len, as ? as : text, need);
		len += need;
	}
	buf[len] = '\0';
	text_shorten(buf, size);
}

/* Before the capabilities are known nothing is sent: what there are no buttons for is said in words. */
static void send_all(struct notify *n);

static void capabilities_read(struct notify *n, sd_bus_message *m)
{
	char **names = NULL;

	n->has_actions = n->has_markup = false;
	if (sd_bus_message_read_strv(m, &names) < 0)
		return;
	for (char **name = names; name && *name; name++) {
		n->has_actions |= !strcmp(*name, "actions");
		n->has_markup |= !strcmp(*name, "body-markup");
		free(*name);
	}
	free(names);
}

static int on_capabilities(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct notify *n = userdata;
	const sd_bus_error *e = sd_bus_message_get_error(m);

	(void)error;
	n->asking = sd_bus_slot_unref(n->asking);
	if (e) {
		if (!n->told_absent)
			log_warning("there is no notification daemon (%s): waiting for one", e->message ? e->message : e->name);
		n->told_absent = true;
		return 0;
	}
	n->told_absent = false;
	capabilities_read(n, m);
	snprintf(n->owner, sizeof(n->owner), "%s", sd_bus_message_get_sender(m));
	send_all(n);
	return 0;
}

static void ask_capabilities(struct notify *n)
{
	int r;

	if (n->asking)
		return;
	r = sd_bus_call_method_async(n->bus, &n->asking, NOTIFICATIONS, NOTIFICATIONS_PATH, NOTIFICATIONS, "GetCapabilities",
		on_capabilities, n, "");
	if (r < 0)
		log_warning("the notification daemon cannot be asked: %s", strerror(-r));
}

static void take_away(struct notify *n, struct item *item)
{
	if (item->id)
		(void)sd_bus_call_method_async(n->bus, NULL, NOTIFICATIONS, NOTIFICATIONS_PATH, NOTIFICATIONS,
			"CloseNotification", NULL, NULL, "u", item->id);
	item->id = 0;
}

static void item_send(struct item *item);

static int on_notified(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct item *item = userdata;
	const sd_bus_error *e = sd_bus_message_get_error(m);

	(void)error;
	item->sending = sd_bus_slot_unref(item->sending);
	if (e)
		log_warning("a notification was not taken: %s", e->message ? e->message : e->name);
	else if (sd_bus_message_read_basic(m, 'u', &item->id) < 0)
		item->id = 0;
	if (!item->wanted)
		take_away(item->notify, item);
	else if (item->stale)
		item_send(item);
	return 0;
}

static int append_hints(sd_bus_message *m, const struct prompt_card *card)
{
	bool request = card->kind == PROMPT_TOUCH || card->kind == PROMPT_PLUG;
	int r = sd_bus_message_open_container(m, 'a', "{sv}");

	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}{sv}", "urgency", "y", (uint8_t)card->urgency, "desktop-entry", "s",
			NOTIFY_DESKTOP_ENTRY);
	/* A request that is over is of no interest in a history. */
	if (r >= 0 && request)
		r = sd_bus_message_append(m, "{sv}", "transient", "b", 1);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int message_build(struct item *item, sd_bus_message **ret)
{
	const struct notify *n = item->notify;
	const struct prompt_card *card = &item->card;
	bool button = card->action != PROMPT_ACTION_NONE && n->has_actions;
	char plain[sizeof(card->body) + sizeof(card->instead) + 2], body[1024];
	/* 0: until we take it away; -1: as long as the daemon likes */
	int32_t expire = card->kind == PROMPT_TOUCH || card->kind == PROMPT_PLUG ? 0 : -1;
	sd_bus_message *m = NULL;
	int r;

	snprintf(plain, sizeof(plain), "%s%s%s", card->body, *card->instead && !button ? "\n" : "", button ? "" : card->instead);
	if (n->has_markup)
		notify_escape(body, sizeof(body), plain);
	else
		snprintf(body, sizeof(body), "%s", plain);

	r = sd_bus_message_new_method_call(n->bus, &m, NOTIFICATIONS, NOTIFICATIONS_PATH, NOTIFICATIONS, "Notify");
	if (r >= 0)
		r = sd_bus_message_append(m, "susss", "wgfido", item->id, NOTIFY_ICON, card->summary, body);
	if (r >= 0 && button)
		r = sd_bus_message_append(m, "as", 2, card->action == PROMPT_ACTION_CANCEL ? ACTION_CANCEL : ACTION_APPROVE,
			card->label);
	else if (r >= 0)
		r = sd_bus_message_append(m, "as", 0);
	if (r >= 0)
		r = append_hints(m, card);
	if (r >= 0)
		r = sd_bus_message_append_basic(m, 'i', &expire);
	if (r < 0) {
		sd_bus_message_unref(m);
		return r;
	}
	*ret = m;
	return 0;
}

static void item_send(struct item *item)
{
	struct notify *n = item->notify;
	sd_bus_message *m = NULL;
	int r;

	if (!*n->owner) {
		ask_capabilities(n);
		return;
	}
	/* Two at once, and the answer to the first would come too late to be replaced by the second. */
	if (item->sending)
		return;
	item->stale = false;
	r = message_build(item, &m);
	if (r >= 0)
		r = sd_bus_call_async(n->bus, &item->sending, m, on_notified, item, 0);
	sd_bus_message_unref(m);
	if (r < 0)
		log_warning("a notification cannot be sent: %s", strerror(-r));
}

static void send_all(struct notify *n)
{
	for (struct item *i = n->items; i; i = i->next)
		if (i->wanted && i->stale)
			item_send(i);
}

static struct item *item_find(struct notify *n, const char *key)
{
	for (struct item *i = n->items; i; i = i->next)
		if (!strcmp(i->key, key))
			return i;
	return NULL;
}

void notify_show(struct notify *n, const char *key, const struct prompt_card *card)
{
	struct item *item = item_find(n, key);

	if (!item) {
		item = calloc(1, sizeof(*item));
		if (!item) {
			log_error("out of memory for a notification");
			return;
		}
		item->notify = n;
		snprintf(item->key, sizeof(item->key), "%s", key);
		item->next = n->items;
		n->items = item;
	}
	item->card = *card;
	item->wanted = item->stale = true;
	item_send(item);
}

void notify_close(struct notify *n, const char *key)
{
	struct item *item = item_find(n, key);

	if (!item)
		return;
	item->wanted = item->stale = false;
	if (!item->sending)
		take_away(n, item);
}

/* Signals sent straight to us pass by our matches; only the daemon clicks. */
static struct item *item_of_signal(struct notify *n, sd_bus_message *m)
{
	const char *sender = sd_bus_message_get_sender(m);
	uint32_t id;

	if (!sender || strcmp(sender, n->owner) != 0 || sd_bus_message_read_basic(m, 'u', &id) < 0 || !id)
		return NULL;
	for (struct item *i = n->items; i; i = i->next)
		if (i->id == id)
			return i;
	return NULL;
}

static int on_action(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct notify *n = userdata;
	struct item *item = item_of_signal(n, m);
	const char *action;

	(void)error;
	if (!item || sd_bus_message_read_basic(m, 's', &action) < 0)
		return 0;
	if (!strcmp(action, ACTION_APPROVE))
		n->clicked(n->userdata, item->key, PROMPT_ACTION_APPROVE);
	else if (!strcmp(action, ACTION_CANCEL))
		n->clicked(n->userdata, item->key, PROMPT_ACTION_CANCEL);
	return 0;
}

static int on_closed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct item *item = item_of_signal(userdata, m);

	(void)error;
	if (item) {
		item->id = 0;
		/* Seen, or run out: it does not come back unless there is something new to say. */
		if (!item->stale && !item->sending)
			item->wanted = false;
	}
	return 0;
}

static int on_owner(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct notify *n = userdata;
	const char *sender = sd_bus_message_get_sender(m), *name, *before, *after;

	(void)error;
	if (!sender || strcmp(sender, "org.freedesktop.DBus") != 0 || sd_bus_message_read(m, "sss", &name, &before, &after) < 0)
		return 0;
	if (!strcmp(after, n->owner))
		return 0;
	n->owner[0] = '\0';
	n->asking = sd_bus_slot_unref(n->asking);
	for (struct item *i = n->items; i; i = i->next) {
		i->id = 0;
		i->sending = sd_bus_slot_unref(i->sending);
		i->stale = i->wanted;
	}
	if (*after)
		ask_capabilities(n);
	return 0;
}

int notify_new(struct notify **ret, sd_bus *bus,
	void (*clicked)(void *userdata, const char *key, enum prompt_action action), void *userdata)
{
	struct notify *n = calloc(1, sizeof(*n));
	int r;

	if (!n)
		return -ENOMEM;
	n->bus = bus;
	n->clicked = clicked;
	n->userdata = userdata;
	r = sd_bus_match_signal_async(bus, &n->slots[0], NOTIFICATIONS, NOTIFICATIONS_PATH, NOTIFICATIONS, "ActionInvoked",
		on_action, NULL, n);
	if (r >= 0)
		r = sd_bus_match_signal_async(bus, &n->slots[1], NOTIFICATIONS, NOTIFICATIONS_PATH, NOTIFICATIONS,
			"NotificationClosed", on_closed, NULL, n);
	if (r >= 0)
		r = sd_bus_add_match_async(bus, &n->slots[2],
			"type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
			"member='NameOwnerChanged',arg0='" NOTIFICATIONS "'",
			on_owner, NULL, n);
	if (r < 0) {
		notify_free(n);
		return r;
	}
	*ret = n;
	return 0;
}

struct notify *notify_free(struct notify *n)
{
	struct item *next;

	if (!n)
		return NULL;
	for (struct item *i = n->items; i; i = next) {
		next = i->next;
		sd_bus_slot_unref(i->sending);
		take_away(n, i);
		free(i);
	}
	sd_bus_slot_unref(n->asking);
	for (size_t i = 0; i < sizeof(n->slots) / sizeof(n->slots[0]); i++)
		sd_bus_slot_unref(n->slots[i]);
	free(n);
	return NULL;
}
