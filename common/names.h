/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every bus name, path, environment variable and well-known constant, once. */
#pragma once

#define WGFIDO_BUS_NAME "org.wgfido1"
#define WGFIDO_PATH "/org/wgfido1"
#define WGFIDO_TOKEN_PATH_PREFIX "/org/wgfido1/token"
#define WGFIDO_TUNNEL_PATH_PREFIX "/org/wgfido1/tunnel"
#define WGFIDO_MANAGER_INTERFACE "org.wgfido1.Manager"
#define WGFIDO_TOKEN_INTERFACE "org.wgfido1.Token"
#define WGFIDO_TUNNEL_INTERFACE "org.wgfido1.Tunnel"
#define WGFIDO_PEER_INTERFACE "org.wgfido1.Peer"
#define WGFIDO_ERROR_PREFIX "org.wgfido1.Error."

/* On the session bus: one wgfido-prompt per session. Its .desktop file is called the same. */
#define WGFIDO_PROMPT_BUS_NAME "org.wgfido1.Prompt"

#define WGFIDO_ACTION_APPROVE "org.wgfido1.approve"
#define WGFIDO_ACTION_REVOKE "org.wgfido1.revoke"
#define WGFIDO_ACTION_ENROLL "org.wgfido1.enroll"
#define WGFIDO_ACTION_IMPORT "org.wgfido1.import"
#define WGFIDO_ACTION_EXPORT "org.wgfido1.export"
#define WGFIDO_ACTION_REKEY "org.wgfido1.rekey"
#define WGFIDO_ACTION_KEYSLOTS "org.wgfido1.keyslots"

/* WGFIDO_SYSCONFDIR (/etc/wgfido), WGFIDO_STATEDIR (/var/lib/wgfido), WGFIDO_LIBEXECDIR come from configure. */
#define WGFIDO_KEYS_SUBDIR "keys"
#define WGFIDO_AGENT_RUNDIR "/run/wgfido-net"	/* the agent's status files; nothing secret */
#define WGFIDO_PCSCD_SOCKET "/run/pcscd/pcscd.comm"
#define WGFIDO_WIREGUARD_RUNDIR "/var/run/wireguard"
#define WGFIDO_WIREGUARD_CONFDIR "/etc/wireguard"

/* Read by the command line only, for tests and the demo; the services take arguments. */
#define WGFIDO_ENV_CONFIG_DIR "WGFIDO_CONFIG_DIR"
#define WGFIDO_ENV_AGENT_RUNDIR "WGFIDO_AGENT_RUNDIR"
#define WGFIDO_ENV_WIREGUARD_CONFDIR "WGFIDO_WIREGUARD_CONFDIR"
#define WGFIDO_ENV_ROOT "WGFIDO_ROOT"

/* The relying party of all our credentials: not a domain, so no web origin can ask for it. */
#define WGFIDO_RP_ID "wgfido:v1"
#define WGFIDO_RP_NAME "wgfido"

#define WGFIDO_TOUCH_TIMEOUT_SECONDS 30
#define WGFIDO_LEASE_INTERVAL_SECONDS 1
#define WGFIDO_LEASE_MISSED_MAX 2
#define WGFIDO_LIFETIME_DEFAULT_SECONDS (8 * 3600)
#define WGFIDO_LIFETIME_MAX_SECONDS (24 * 3600)
