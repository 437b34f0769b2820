/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which tokens are plugged in. Sources: hidraw nodes that udev tags ID_FIDO_TOKEN=1 (sd-device; removal also from the
 * kernel's own uevents, since udevd can hang, with a fresh enumeration when the socket overran), and, only when a directory is
 * given, sockets of software tokens in it (inotify for names, plus one idle connection each, whose hang-up tells of a token
 * that died without unlinking). Smart cards are a third one, on request (presence_watch_cards).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

enum token_kind { TOKEN_HIDRAW, TOKEN_SOFT, TOKEN_CARD };

struct token_node {
	char id[64];	/* unique while plugged, stable for the same port or socket: "hidraw-...", "soft-NAME", "card-READER" */
	enum token_kind kind;
	char path[256];	/* /dev/hidrawN, the socket, or the name of the reader */
	char name[128];	/* HID_NAME of the kernel, the socket's name, or the reader's; printable */
	char pcscd[108]; /* card: pcscd's socket; "": where it always is */
};

enum presence_cards {
	PRESENCE_CARDS_WATCHED, /* pcscd tells of them */
	PRESENCE_CARDS_DENIED,  /* pcscd does not let us */
};

struct presence_callbacks {
	void (*added)(void *userdata, const struct token_node *node);
	void (*removed)(void *userdata, const char *id);
	void (*cards)(void *userdata, enum presence_cards state); /* may be NULL */
};

struct presence;

/*
 * soft_dir: NULL for none; it must exist. use_udev: false in tests, and then netlink is not touched. Calls added for what is
 * there already, from the loop's first turn; removed is called from the turn that sees it, no timer between. Do not call
 * presence_free from the callbacks. Where udev or the kernel's uevents cannot be had (a container), presence goes on with the
 * rest: presence_sources tells.
 */
int presence_new(struct presence **ret, sd_event *event, bool use_udev, const char *soft_dir,
	const struct presence_callbacks *callbacks, void *userdata);
struct presence *presence_free(struct presence *p);

/*
 * From now on smart cards that can do X25519 too. worker_exe: wgfido-token, which also is the monitor of readers; pcscd: its socket,
 * NULL: where it always is. It need not be there yet.
 */
int presence_watch_cards(struct presence *p, const char *worker_exe, const char *pcscd);

enum presence_source { PRESENCE_UDEV = 1, PRESENCE_KERNEL = 2, PRESENCE_SOFT = 4, PRESENCE_CARD = 8 };
/* Those that are listened to. Without PRESENCE_KERNEL a hanging udevd delays the closing of tunnels. */
unsigned int presence_sources(const struct presence *p);
