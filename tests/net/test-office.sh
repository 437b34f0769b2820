#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# psk mode from the key to the packets: closed, approved by touch, PSK rotation confirmed by a handshake, key pulled, backup key.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/stage.sh"
net_reexec "$@"

stage_set --no-udev
STAGE_SLOT=6
stage_office
stage_plug blue
check "enrols" laptop wgfido enroll office --yes
stage_office_gateway

check "an interface that appears is closed" wait_for 5 is_state office closed
check_not "no packet before approval" wg_pings laptop 10.7.0.2 1
check "approves by touch" laptop wgfido approve office
check "a packet passes after approval" wg_pings laptop 10.7.0.2 10
check "open in the agent's status" wait_for 5 is_state office open
check "the handshake confirms the PSK" wait_for 5 peer_is office rotated
check_eq "both ends derived the same PSK" "$(psk_of laptop office)" "$(psk_of gateway gw-office)"

first=$(psk_of laptop office)
psk_changed() { [ "$(psk_of laptop office)" != "$first" ]; }
psk_same() { [ "$(psk_of laptop office)" = "$(psk_of gateway gw-office)" ]; }
check "the PSK changes with the slot" wait_for 10 psk_changed
check "at both ends" wait_for 5 psk_same
check "and packets go on" wg_pings laptop 10.7.0.2 5

# The sessions are forgotten at the gateway, so a new handshake needs the new PSK; initiated by the gateway. (Setting the link down
# does not do that with wireguard-go.) The gateway's agent finds a new peer that has the placeholder PSK of its static config.
before=$(wg_handshake laptop office "$(cat "$NET_TMP/gw-office.pub")")
later() { [ "$(wg_handshake laptop office "$(cat "$NET_TMP/gw-office.pub")")" -gt "$before" ]; }
sleep 1.1
stage_forget_sessions
check "a new handshake with the new PSK" wg_pings gateway 10.7.0.1 15
check "seen by the laptop" wait_for 5 later
check "rotated" wait_for 10 peer_is office rotated

# Drift: somebody else's PSK in our peer is repaired and reported.
before_drift=$(agent_state office '.peers[0].drift_repaired')
wg genpsk >"$NET_TMP/foreign.psk"
laptop wg set office peer "$(cat "$NET_TMP/gw-office.pub")" preshared-key "$NET_TMP/foreign.psk"
drift_seen() { [ "$(agent_state office '.peers[0].drift_repaired')" -gt "$before_drift" ]; }
check "a foreign PSK is found" wait_for 5 drift_seen
check "and replaced" wait_for 5 psk_same

check "a backup key is added" laptop sh -c 'wgfido-softtoken --help >/dev/null; wgfido keyslot list office'
stage_plug green
check "keyslot add with the second key" laptop wgfido keyslot add office --label green --token soft-green
stage_unplug green

out=$("$NET_BUILD/bench/flow" --a "/run/netns/laptop,10.7.0.1" --b "/run/netns/gateway,10.7.0.2" --pull "$(net_pid key-blue)") ||
	fail "the flow through the tunnel"
ok "pulled: $out (us to the last packet)"
check "closed in the agent's status" wait_for 5 is_state office closed
check_not "no packet without the key" wg_pings laptop 10.7.0.2 1
check_not "nor from the gateway" wg_pings gateway 10.7.0.1 1
check "the route still points into the tunnel" sh -c 'ip -n laptop route get 10.7.0.2 | grep -q "dev office"'
check_not "no approval without a key" laptop sh -c 'wgfido approve office >"$1" 2>&1' sh "$NET_TMP/approve.log"

stage_plug green
check "the backup key approves" laptop wgfido approve office
check "and opens" wg_pings laptop 10.7.0.2 10

check "revoke" laptop wgfido revoke office
check "closes" wait_for 5 is_state office closed
check_not "no packet after revoke" wg_pings laptop 10.7.0.2 1

# The interface is deleted and made again while approved.
check "approves again" laptop wgfido approve office
check "opens again" wg_pings laptop 10.7.0.2 10
wg_down laptop office
check "absent" wait_for 5 is_state office absent
wg_up laptop office 10.7.0.1/32 "$NET_TMP/laptop/wireguard/office.conf"
ip -n laptop route add 10.7.0.2/32 dev office
check "an approved interface that comes back is opened" wg_pings laptop 10.7.0.2 10

# Expiry.
check "approve for a moment" laptop wgfido approve office --for 3s
check "open meanwhile" wg_pings laptop 10.7.0.2 5
check "closed when the time is over" wait_for 10 is_state office closed
check_not "no packet after expiry" wg_pings laptop 10.7.0.2 1
