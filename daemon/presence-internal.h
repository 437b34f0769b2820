/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between presence.c, which keeps the list of tokens, and its sources, which see them come and go:
 * presence-udev.c (hidraw nodes as udevd tells), presence-kernel.c (their removal as the kernel tells), presence-soft.c, presence-card.c.
 */
#pragma once

#include <sys/types.h>

#include "daemon/presence.h"

struct presence_entry {
	struct presence_entry *next;
	struct token_node node;
	char *syspath;		  /* hidraw: the devpath below /sys */
	/* soft: which socket it was, and the idle connection to it */
	dev_t dev;
	ino_t ino;
	int fd;
	sd_event_source *source;
	bool seen;		  /* during an enumeration */
	struct presence *presence;
};

struct presence_udev;
struct presence_kernel;
struct presence_soft;
struct presence_card;

/*
 * The entry is the caller's to fill (presence_entry_new); presence_add takes it over, makes its id unique, and calls added().
 */
struct presence_entry *presence_entry_new(struct presence *p, enum token_kind kind);
struct presence_entry *presence_entry_free(struct presence_entry *e);
void presence_add(struct presence *p, struct presence_entry *e);
/* Off the list, then removed(), then freed. */
void presence_remove(struct presence *p, struct presence_entry *e);
struct presence_entry *presence_first(struct presence *p);
struct presence_entry *presence_find_syspath(struct presence *p, const char *syspath);
struct presence_entry *presence_find_soft(struct presence *p, const char *name);
sd_event *presence_event(struct presence *p);
/* Unprintable bytes become '?', and len is kept below size. */
void presence_copy_printable(char *ret, size_t size, const char *text);

/* Start to listen. -errno: the source cannot be had here. */
int presence_udev_new(struct presence_udev **ret, struct presence *p);
struct presence_udev *presence_udev_free(struct presence_udev *u);
/* What is there: adds what is new, removes what went. */
int presence_udev_enumerate(struct presence_udev *u);

/* overrun: called when messages were lost. */
int presence_kernel_new(struct presence_kernel **ret, struct presence *p, void (*overrun)(struct presence *p));
struct presence_kernel *presence_kernel_free(struct presence_kernel *k);

int presence_soft_new(struct presence_soft **ret, struct presence *p, const char *dir);
struct presence_soft *presence_soft_free(struct presence_soft *s);
int presence_soft_scan(struct presence_soft *s);

void presence_tell_cards(struct presence *p, enum presence_cards state);
int presence_card_new(struct presence_card **ret, struct presence *p, const char *worker_exe, const char *pcscd);
struct presence_card *presence_card_free(struct presence_card *c);
