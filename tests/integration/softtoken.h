/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests: a wgfido-softtoken of the build tree as a child process, and libfido2 with its own CTAPHID on its socket. With
 * WGFIDO_SOFTTOKEN=uhid in the environment it is a HID device of the kernel's instead, and libfido2 opens its hidraw node.
 */
#pragma once

#include <fido.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct softtoken {
	char dir[32];
	char state[64], socket[64];
	char node[32]; /* uhid: /dev/hidrawN while plugged in */
	pid_t pid; /* 0: unplugged */
};

bool softtoken_is_uhid(void);
/* A temporary directory; nothing runs yet. */
void softtoken_init(struct softtoken *t);
/* Plugs it in, with extra arguments (NULL at the end; may be NULL), and waits until it is there. */
void softtoken_plug(struct softtoken *t, const char *const *arguments);
/* As a signal from the user: the socket must be gone when it ends. Returns its exit status. */
int softtoken_unplug(struct softtoken *t);
/* Unplugs and removes all. */
void softtoken_clear(struct softtoken *t);
/* Runs a verb to its end with text (may be NULL) on standard input, silently; the exit status. */
int softtoken_run(const struct softtoken *t, const char *text, const char *const *arguments);
/* The same, not waited for. */
pid_t softtoken_spawn(const char *const *arguments, int stdin_fd);
int softtoken_wait(pid_t pid);

/* A connected SOCK_SEQPACKET socket. */
int softtoken_connect(const struct softtoken *t);
fido_dev_t *softtoken_open(const struct softtoken *t);
void softtoken_close(fido_dev_t *dev);
