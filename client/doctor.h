/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The checks of `wgfido doctor`: each says what it found, and what mends it. None changes anything; what D-Bus starts when it
 * is asked for (the broker, polkit, logind, timedated) may be started by the question.
 */
#pragma once

#include "client/status.h"
#include "common/config.h"

/* What the configurations ask of the machine. */
struct doctor_wants {
	unsigned int end_on; /* of all tunnels */
	bool clock;	     /* a schedule that goes by the time */
	bool token_side;     /* a tunnel that a token here opens, or may open: this is no mere gateway */
	bool gateway_side;   /* a peer with a token of its own */
};

struct doctor {
	FILE *f;
	const struct status *status;
	const char *config_dir;
	const char *root; /* before the paths of the system: "", or a directory of a test's */
	struct doctor_wants wants;
	bool gateway;
	unsigned int n_wrong;
};

void doctor_ok(struct doctor *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
void doctor_note(struct doctor *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* mend: a command, or what to do. */
void doctor_wrong(struct doctor *d, const char *mend, const char *format, ...) __attribute__((format(printf, 3, 4)));

void doctor_wants_add(struct doctor_wants *w, const struct config *c);
/* No broker, and every interface the agent guards is a gateway's: then none is wanted. */
bool doctor_is_gateway(const struct doctor *d);

/* doctor-checks.c */
void doctor_check_broker(struct doctor *d);
void doctor_check_tunnel(struct doctor *d, const char *ifname);

/* doctor-bus.c: what the message bus knows */
bool doctor_bus_has_owner(const struct doctor *d, const char *name);
bool doctor_bus_can_start(const struct doctor *d, const char *name);
/* A call that the bus policy must let through did not get through: says so. */
bool doctor_check_policy_absent(struct doctor *d);
void doctor_check_policy(struct doctor *d);

/* doctor-units.c */
struct doctor_unit {
	char *load, *active, *sub, *file, *result;
};
enum doctor_unit_state {
	DOCTOR_UNIT_OK,
	DOCTOR_UNIT_ABSENT,
	DOCTOR_UNIT_MASKED,
	DOCTOR_UNIT_BROKEN,	/* its file */
	DOCTOR_UNIT_FAILED,
	DOCTOR_UNIT_RESTARTING, /* does not come up, again and again */
	DOCTOR_UNIT_STOPPED,
	DOCTOR_UNIT_NOT_AT_BOOT,
};
/* at_boot: it is only right when it starts with the machine. */
enum doctor_unit_state doctor_unit_judge(const struct doctor_unit *u, bool at_boot);
/* Of the unit that is not right, says what is wrong: true. Without systemd: false. */
bool doctor_check_unit(struct doctor *d, const char *name, bool at_boot);
void doctor_check_units(struct doctor *d);

/* doctor-polkit.c, doctor-logind.c */
void doctor_check_polkit(struct doctor *d);
void doctor_check_logind(struct doctor *d);

/* doctor-clock.c */
struct timex;
bool doctor_clock_synchronised(const struct timex *t);
void doctor_check_clock(struct doctor *d);

/* doctor-module.c: the kernel's WireGuard */
enum doctor_module {
	DOCTOR_MODULE_LOADED,
	DOCTOR_MODULE_BUILTIN,
	DOCTOR_MODULE_LOADABLE,
	DOCTOR_MODULE_BLOCKED,	/* ret_where: the file, or "the kernel's command line" */
	DOCTOR_MODULE_NO_TREE,	/* nothing is there for this kernel */
	DOCTOR_MODULE_MISSING,
};
enum doctor_module doctor_module_find(const char *root, const char *release, char *ret_where, size_t size);
void doctor_check_module(struct doctor *d);

/* doctor-udev.c: security keys as udev left them */
#define DOCTOR_ACL_MAX 1024
struct doctor_node {
	uint32_t uid, gid, mode;	/* of struct stat */
	uint8_t acl[DOCTOR_ACL_MAX];	/* system.posix_acl_access */
	size_t acl_len;			/* 0: none */
};
struct doctor_user {
	uint32_t uid;
	size_t n_groups;
	uint32_t groups[64];
};
bool doctor_node_opens(const struct doctor_node *node, const struct doctor_user *user);
/* A HID report descriptor of usage page 0xF1D0. */
bool doctor_is_fido_descriptor(const uint8_t *descriptor, size_t len);
void doctor_check_udev(struct doctor *d);

/* doctor-files.c: owners and modes, and what an interrupted change left behind */
void doctor_check_files(struct doctor *d);
/* A command for a shell that gives path to owner, whose directory it is in already. */
void doctor_chown_words(char *buf, size_t size, const char *path, const char *owner_name);

/* doctor-nm.c: NetworkManager's profiles of these interfaces */
struct stat;
enum doctor_script { DOCTOR_SCRIPT_FINE, DOCTOR_SCRIPT_NOT_EXECUTABLE, DOCTOR_SCRIPT_UNSAFE };
enum doctor_script doctor_script_judge(const struct stat *st);
void doctor_check_nm(struct doctor *d, char **names);

/* doctor-tokens.c */
void doctor_check_tokens(struct doctor *d);
