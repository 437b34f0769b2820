#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Twenty rekeys in a row under traffic, with wgfido-tunnel making the new keys and with the other WireGuard making them: no
# packet is lost to the first, and after each of the second's the next packet passes.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/interop.sh"
net_reexec "$@"

INTEROP_PROGRAM=tests/net/tunnel-rekeys interop_machines
interop_tunnel ours
interop_tunnel theirs
interop_conf ours v4
interop_conf theirs -
check "a session" interop_ping ours v4

# latest-handshakes has whole seconds, so that each of these keys shows.
net_start theirs shakes sh -c "while :; do wg show wg0 latest-handshakes | cut -f 2; sleep 0.2; done"
shakes() { sort -u "$NET_TMP/shakes.log" | wc -l; }
enough() { [ "$(shakes)" -gt 21 ]; }
net_start ours pings ping -n -i 0.05 10.0.0.2
# A slow machine takes longer for them.
check "twenty rekeys of ours" wait_for 300 enough
net_stop pings INT
net_stop shakes
read -r sent lost twice < <(net_lost <"$NET_TMP/pings.log")
echo "# $(shakes) different handshakes, $sent packets"
check "under traffic" test "$sent" -gt 200
check_eq "and no packet lost, none twice" "$lost $twice" "0 0"

# The other one cannot be told to hurry; a peer that it forgets and finds again begins anew.
interop_conf theirs v4
for _ in {1..20}; do
	# Two initiations in the same 1/50 s are taken for a replay, or for a flood.
	sleep 0.1
	interop_fresh theirs
	interop_ping theirs v4 || fail "the next keys of theirs"
done
ok "twenty times new keys of theirs"
check "and ours still sends" interop_ping ours v4
