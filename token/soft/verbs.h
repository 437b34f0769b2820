/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verbs of wgfido-softtoken, one file each or by what they share. argv[0] is "wgfido-softtoken VERB";
 * each returns an exit status. */
#pragma once

#define EXIT_USAGE 2

int verb_run(int argc, char **argv);
int verb_touch(int argc, char **argv);
int verb_status(int argc, char **argv);
int verb_set_pin(int argc, char **argv);
int verb_reset(int argc, char **argv);
int verb_forget(int argc, char **argv);
int verb_info(int argc, char **argv);

struct store_x25519;
/* Identity, keys and hosts on stdout, as info does; nothing secret. */
void verb_print_x25519(const struct store_x25519 *x);

/* Says on stderr what went wrong with a state file; r is of store_open. */
void verb_state_error(const char *path, int r);
