#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A private key that never leaves its token: the real broker, worker, software token and wgfido-tunnel, and gateways that know
# nothing of it. It opens and closes by the broker's word, in both roles of the handshake, and whatever happens to a part.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/stage.sh"
net_reexec "$@"
net_need_userspace
net_need wg-quick busctl

open_again() {
	check "$1: approves" laptop wgfido approve home
	check "$1: opens" wg_pings laptop 10.8.0.2
}
# Neither way, with neither gateway.
no_packet() {
	local pids=() pid passed=no

	wg_pings laptop 10.8.0.2 1 & pids+=($!)
	wg_pings gateway 10.8.0.1 1 & pids+=($!)
	wg_pings laptop 10.8.0.3 1 & pids+=($!)
	for pid in "${pids[@]}"; do
		if wait "$pid"; then passed=yes; fi
	done
	check_eq "$1: no packet, neither way, with neither gateway" "$passed" no
}
# What wgfido-tunnel said last: "open", or "closed: " and why, which tells by which way it noticed.
tunnel_is() { [ "$(grep -o 'home: \(open\|closed: .*\)$' "$NET_TMP/wgfido-tunnel.log" | tail -n 1)" = "home: $1" ]; }
gone="the broker (wgfidod) is not running" silent="the broker (wgfidod) does not answer"
closed() { # closed WHAT REASON
	local start
	start=$(now_ms)
	check "$1: closes, since $2" eventually tunnel_is "closed: $2"
	echo "# $1: $(($(now_ms) - start)) ms until closed"
	no_packet "$1"
}
flow() { "$NET_BUILD/bench/flow" --a /run/netns/laptop,10.8.0.1 --b /run/netns/gateway,10.8.0.2 --limit-ms 60000 "$@"; }
is() { [ "$(agent_state home .state)" = "$1" ]; }

stage_set --no-udev
stage_resident
check "the agent stands back from it" eventually is closed
no_packet "before approval"
check "a connection fails at once" wg_refuses laptop 10.8.0.2
check_eq "wg shows a handle for its key" "$(laptop wg show home private-key | cut -c 1-16)" wgfido/resident/

open_again "as initiator"
check "a packet from the other gateway: as responder" wg_pings gateway2 10.8.0.1
check "the agent says that it is open" eventually is open
out=$(laptop wgfido status)
case $out in
*"identity, resident"*) ok "and status what it gives" ;;
*) fail "status: $out" ;;
esac

out=$(flow -- wgfido revoke home) || fail "the flow through the tunnel"
ok "approval over with traffic flowing: $out (us to the last packet)"
closed "revoked" "the approval ended: revoked"
check "the agent says that it is closed" eventually is closed
check "and why" eventually reason_is home "the approval ended: revoked"
check_not "no handshake was left to be finished" wg_pings gateway2 10.8.0.1 1

open_again "approved again"
out=$(flow --pull "$(net_pid key-blue)") || fail "the flow through the tunnel"
ok "the key pulled with traffic flowing: $out (us to the last packet)"
closed "pulled" "the approval ended: token-removed"
stage_plug blue
no_packet "plugged in again, not approved"

open_again "once more"
out=$(flow -- wgfido approve home --for 3s) || fail "the flow through the tunnel"
ok "approved for 3 s with traffic flowing: $out (us to the last packet)"
closed "expired" "the approval ended: expired"

open_again "again"
kill -STOP "$(net_pid wgfidod)"
closed "broker frozen" "$silent"
kill -CONT "$(net_pid wgfidod)"
eventually stage_broker_answers || fail "the broker does not answer again"
open_again "broker thawed"

net_stop wgfidod KILL
closed "broker killed" "$gone"
stage_broker
eventually stage_token_known blue || fail "the new broker does not see the key"
no_packet "the new broker knows of no approval"
open_again "broker back"

# One that was revoked in the midst of it: no other peer is one of the approval's. (Scope peer is for psk mode.)
laptop wg set home peer "$(wg genkey | wg pubkey)" allowed-ips 10.8.0.9/32 endpoint 192.0.2.2:51821
check_not "a peer that the configuration does not list is not spoken with" wg_pings laptop 10.8.0.9 1
check "the others are" wg_pings laptop 10.8.0.3

# Gone in the midst of a handshake: the answers take a while.
stage_unplug blue
stage_plug blue --touch auto --misbehave-x25519 slow=700
check "approves with a slow key" laptop wgfido approve home
wg_pings laptop 10.8.0.2 3 &
pings=$!
sleep 1
stage_unplug blue KILL
wait "$pings" || :
closed "the key goes in the midst of a handshake" "the approval ended: token-removed"
check "the tunnel goes on" laptop wg show home peers

# Slower than a handshake waits for its answer: 5 s.
stage_plug blue --touch auto --misbehave-x25519 slow=2000
check "approves with a key that takes longer than a handshake may" laptop wgfido approve home
start=$(now_ms)
check "it opens all the same" wg_pings laptop 10.8.0.2 200
echo "# after $(($(now_ms) - start)) ms"

net_stop wgfido-tunnel KILL
check_not "wgfido-tunnel killed: no packet" wg_pings gateway 10.8.0.1 1
stage_unplug blue
stage_plug blue
stage_tunnel
open_again "wgfido-tunnel back"

# The private key of the interface may be a handle, and no other than the tunnel's.
handle=$(laptop wg show home private-key)
laptop wg set home private-key <(echo "$handle")
check "its own handle for a private key" wg_pings laptop 10.8.0.2
other=wgfido/resident/AQBPNb9H1Ut5Fb+C/UVDG/RLB1E=
check_not "another key's handle is refused" laptop wg set home private-key <(echo "$other")
check "with a clear word" eventually grep -q "PrivateKey is the handle of another key" "$NET_TMP/wgfido-tunnel.log"
laptop wg set home private-key <(wg genkey)
back() { [ "$(laptop wg show home private-key)" = "$handle" ]; }
check "a private key of somebody else's is thrown away" eventually back
check "and the tunnel goes on with its own" wg_pings laptop 10.8.0.2

# A search that finds it where it is.
in_memory() { python3 -B "$NET_SRC/tests/net/memory-has.py" "$NET_TMP/blue.key" "$(laptop wgfido pubkey home)" "$1" || return $?; }
nowhere() { local status=0; in_memory "$1" || status=$?; [ "$status" = 1 ]; }
check "the private key is in the token's memory" in_memory "$(net_pid key-blue)"
check "and not in the tunnel's" nowhere "$(net_pid wgfido-tunnel)"
check "nor in the broker's" nowhere "$(net_pid wgfidod)"
check_eq "no core of it is written" "$(awk '/^Max core file size/ { print $5 $6 }' "/proc/$(net_pid wgfido-tunnel)/limits")" 00

net_stop bus TERM
closed "bus gone" "$gone"
