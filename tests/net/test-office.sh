#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# psk mode from the key to the packets: closed, approved by touch, PSK rotation confirmed by a handshake, key pulled, backup key.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/stage.sh"
net_reexec "$@"

flow() { "$NET_BUILD/bench/flow" --a /run/netns/laptop,10.7.0.1 --b /run/netns/gateway,10.7.0.2 --limit-ms 60000 "$@"; }

stage_set --no-udev
# A slot is confirmed in the status until the next one ends.
STAGE_SLOT=10
stage_office
stage_plug blue
check "enrols" laptop wgfido enroll office --yes
stage_office_gateway

check "an interface that appears is closed" eventually is_state office closed
check_not "no packet before approval" wg_pings laptop 10.7.0.2 1
check "approves by touch" laptop wgfido approve office
check "a packet passes after approval" wg_pings laptop 10.7.0.2
check "open in the agent's status" eventually is_state office open
check "the handshake confirms the PSK" eventually peer_is office rotated
# They go to the next slot at the same time, but not at once.
psk_same() { [ "$(psk_of laptop office)" = "$(psk_of gateway gw-office)" ]; }
check "both ends derived the same PSK" eventually psk_same

first=$(psk_of laptop office)
psk_changed() { [ "$(psk_of laptop office)" != "$first" ]; }
check "the PSK changes with the slot" eventually psk_changed
check "at both ends" eventually psk_same
check "and packets go on" wg_pings laptop 10.7.0.2

# The sessions are forgotten at the gateway, so a new handshake needs the new PSK; initiated by the gateway. (Setting the link down
# does not do that with wireguard-go.) The gateway's agent finds a new peer that has the placeholder PSK of its static config.
before=$(wg_handshake laptop office "$(cat "$NET_TMP/gw-office.pub")")
later() { [ "$(wg_handshake laptop office "$(cat "$NET_TMP/gw-office.pub")")" -gt "$before" ]; }
sleep 1.1
stage_forget_sessions
check "a new handshake with the new PSK" wg_pings gateway 10.7.0.1
check "seen by the laptop" eventually later
check "rotated" eventually peer_is office rotated

# Drift: somebody else's PSK in our peer is repaired and reported.
before_drift=$(agent_state office '.peers[0].drift_repaired')
wg genpsk >"$NET_TMP/foreign.psk"
laptop wg set office peer "$(cat "$NET_TMP/gw-office.pub")" preshared-key "$NET_TMP/foreign.psk"
drift_seen() { [ "$(agent_state office '.peers[0].drift_repaired')" -gt "$before_drift" ]; }
check "a foreign PSK is found" eventually drift_seen
check "and replaced" eventually psk_same

check "a backup key is added" laptop sh -c 'wgfido-softtoken --help >/dev/null; wgfido keyslot list office'
stage_plug green
check "keyslot add with the second key" laptop wgfido keyslot add office --label green --token soft-green
stage_unplug green

out=$(flow --pull "$(net_pid key-blue)") || fail "the flow through the tunnel"
ok "pulled: $out (us to the last packet)"
check "closed in the agent's status" eventually is_state office closed
check_not "no packet without the key" wg_pings laptop 10.7.0.2 1
check_not "nor from the gateway" wg_pings gateway 10.7.0.1 1
check "the route still points into the tunnel" sh -c 'ip -n laptop route get 10.7.0.2 | grep -q "dev office"'
check_not "no approval without a key" laptop sh -c 'wgfido approve office >"$1" 2>&1' sh "$NET_TMP/approve.log"

stage_plug green
check "the backup key approves" laptop wgfido approve office
check "and opens" wg_pings laptop 10.7.0.2

check "revoke" laptop wgfido revoke office
check "closes" eventually is_state office closed
check_not "no packet after revoke" wg_pings laptop 10.7.0.2 1

# The interface is deleted and made again while approved.
check "approves again" laptop wgfido approve office
check "opens again" wg_pings laptop 10.7.0.2
wg_down laptop office
check "absent" eventually is_state office absent
wg_up laptop office 10.7.0.1/32 "$NET_TMP/laptop/wireguard/office.conf"
ip -n laptop route add 10.7.0.2/32 dev office
check "an approved interface that comes back is opened" wg_pings laptop 10.7.0.2

# Expiry.
out=$(flow -- wgfido approve office --for 3s) || fail "the flow through the tunnel"
ok "approved for 3 s with traffic flowing: $out (us to the last packet)"
check "closed when the time is over" eventually is_state office closed
check "and for that reason" eventually reason_is office "the approval ended: expired"
check_not "no packet after expiry" wg_pings laptop 10.7.0.2 1
