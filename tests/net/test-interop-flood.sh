#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A flood of handshake initiations with a right mac1: who is flooded answers with cookies and still lets in a peer that
# gives them back (WireGuard whitepaper, 5.3 and 5.4.7). Once with wgfido-tunnel flooded, once with the other WireGuard.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/interop.sh"
net_reexec "$@"
net_need /usr/bin/python3 jq

interop_machines
net_ns crowd
ip link add eth1 netns theirs type veth peer name eth1 netns crowd
ip link add eth2 netns ours type veth peer name eth2 netns crowd
net_address theirs eth1 198.51.100.2/24
net_address crowd eth1 198.51.100.9/24
net_address ours eth2 203.0.113.1/24
net_address crowd eth2 203.0.113.9/24
for m in "theirs eth1" "crowd eth1" "ours eth2" "crowd eth2"; do
	# shellcheck disable=SC2086 # machine and interface
	set -- $m
	ip -n "$1" link set "$2" up
done
interop_tunnel ours
interop_tunnel theirs
interop_conf ours v4
interop_conf theirs v4

address_of() { [ "$1" = ours ] && echo 203.0.113.1 || echo 198.51.100.2; }
interface_of() { [ "$1" = ours ] && echo eth2 || echo eth1; }
flown() { ip -n crowd -j -s link show dev "$1" | jq '.[0].stats64.tx.packets'; }
flows() { [ "$(flown "$1")" -gt $(($2 + 5000)) ]; }
for flooded in ours theirs; do
	other=$(interop_other "$flooded")
	check "before $flooded is flooded" interop_ping "$other" v4
	net_start crowd flood /usr/bin/python3 "$NET_SRC/tests/net/flood.py" "$(address_of "$flooded")" 51820 "$(interop_pub "$flooded")"
	check "the flood flows" eventually flows "$(interface_of "$flooded")" "$(flown "$(interface_of "$flooded")")"
	check "a session goes on while $flooded is flooded" interop_ping "$other" v4
	interop_fresh "$other"
	check "a new handshake gets through while $flooded is flooded" interop_ping "$other" v4
	check "$flooded answers with cookies" eventually grep -q cookie "$NET_TMP/flood.log"
	check "all the time under the flood" kill -0 "$(net_pid flood)"
	net_stop flood
	read -r sent cookies others < <(tail -n 1 "$NET_TMP/flood.log")
	echo "# $flooded: $sent initiations, $cookies cookie replies, $others other answers"
	check_eq "and with nothing else" "$others" 0
	check "and goes on after it" interop_ping "$flooded" v4
done
