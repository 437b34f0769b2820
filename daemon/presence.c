/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/presence.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/presence-internal.h"

struct presence {
	sd_event *event;
	struct presence_callbacks callbacks;
	void *userdata;
	struct presence_entry *list;
	struct presence_udev *udev;
	struct presence_kernel *kernel;
	struct presence_soft *soft;
	struct presence_card *card;
	sd_event_source *first_turn;
};

struct presence_entry *presence_entry_new(struct presence *p, enum token_kind kind)
{
	struct presence_entry *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->presence = p;
	e->node.kind = kind;
	e->fd = -1;
	return e;
}

struct presence_entry *presence_entry_free(struct presence_entry *e)
{
	if (!e)
		return NULL;
	sd_event_source_disable_unref(e->source);
	if (e->fd >= 0)
		close(e->fd);
	free(e->syspath);
	free(e);
	return NULL;
}

static bool id_is_taken(const struct presence *p, const char *id)
{
	for (const struct presence_entry *e = p->list; e; e = e->next)
		if (strcmp(e->node.id, id) == 0)
			return true;
	return false;
}

void presence_add(struct presence *p, struct presence_entry *e)
{
	char base[sizeof(e->node.id)];

	/* Two keys can have the same physical path (virtual ones have none at all). */
	memcpy(base, e->node.id, sizeof(base));
	for (unsigned int n = 2; id_is_taken(p, e->node.id); n++)
		snprintf(e->node.id, sizeof(e->node.id), "%.48s~%u", base, n);
	e->next = p->list;
	p->list = e;
	p->callbacks.added(p->userdata, &e->node);
}

void presence_remove(struct presence *p, struct presence_entry *e)
{
	for (struct presence_entry **at = &p->list; *at; at = &(*at)->next)
		if (*at == e) {
			*at = e->next;
			break;
		}
	p->callbacks.removed(p->userdata, e->node.id);
	presence_entry_free(e);
}

struct presence_entry *presence_first(struct presence *p)
{
	return p->list;
}

struct presence_entry *presence_find_syspath(struct presence *p, const char *syspath)
{
	for (struct presence_entry *e = p->list; e; e = e->next)
		if (e->syspath && strcmp(e->syspath, syspath) == 0)
			return e;
	return NULL;
}

struct presence_entry *presence_find_soft(struct presence *p, const char *name)
{
	for (struct presence_entry *e = p->list; e; e = e->next)
		if (e->node.kind == TOKEN_SOFT && strcmp(strrchr(e->node.path, '/') + 1, name) == 0)
			return e;
	return NULL;
}

sd_event *presence_event(struct presence *p)
{
	return p->event;
}

void presence_copy_printable(char *ret, size_t size, const char *text)
{
	size_t i;

	for (i = 0; text[i] && i + 1 < size; i++)
		ret[i] = text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?';
	ret[i] = '\0';
}

static void on_overrun(struct presence *p)
{
	if (p->udev)
		(void)presence_udev_enumerate(p->udev);
}

static int on_first_turn(sd_event_source *s, void *userdata)
{
	struct presence *p = userdata;

	(void)s;
	p->first_turn = sd_event_source_disable_unref(p->first_turn);
	/* A source that cannot list what is there still tells what comes. */
	if (p->udev)
		(void)presence_udev_enumerate(p->udev);
	if (p->soft)
		(void)presence_soft_scan(p->soft);
	return 0;
}

int presence_new(struct presence **ret, sd_event *event, bool use_udev, const char *soft_dir,
	const struct presence_callbacks *callbacks, void *userdata)
{
	struct presence *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->event = sd_event_ref(event);
	p->callbacks = *callbacks;
	p->userdata = userdata;

	/* Containers have neither; presence_sources() tells. All listen before the first enumeration, so nothing falls between. */
	if (use_udev) {
		r = presence_udev_new(&p->udev, p);
		if (r == -ENOMEM)
			goto fail;
		r = presence_kernel_new(&p->kernel, p, on_overrun);
		if (r == -ENOMEM)
			goto fail;
	}
	if (soft_dir) {
		r = presence_soft_new(&p->soft, p, soft_dir);
		if (r < 0)
			goto fail;
	}
	r = sd_event_add_defer(event, &p->first_turn, on_first_turn, p);
	if (r < 0)
		goto fail;
	*ret = p;
	return 0;
fail:
	presence_free(p);
	return r;
}

int presence_watch_cards(struct presence *p, const char *worker_exe, const char *pcscd)
{
	return presence_card_new(&p->card, p, worker_exe, pcscd);
}

void presence_tell_cards(struct presence *p, enum presence_cards state)
{
	if (p->callbacks.cards)
		p->callbacks.cards(p->userdata, state);
}

struct presence *presence_free(struct presence *p)
{
	if (!p)
		return NULL;
	sd_event_source_disable_unref(p->first_turn);
	presence_udev_free(p->udev);
	presence_kernel_free(p->kernel);
	presence_soft_free(p->soft);
	presence_card_free(p->card);
	while (p->list) {
		struct presence_entry *e = p->list;

		p->list = e->next;
		presence_entry_free(e);
	}
	sd_event_unref(p->event);
	free(p);
	return NULL;
}

unsigned int presence_sources(const struct presence *p)
{
	return (p->udev ? PRESENCE_UDEV : 0u) | (p->kernel ? PRESENCE_KERNEL : 0u) | (p->soft ? PRESENCE_SOFT : 0u) |
	       (p->card ? PRESENCE_CARD : 0u);
}
