#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The library of these tests itself: two machines, a tunnel between them, a ping through it, and wrong keys give none.
. "$(dirname "$0")/lib.sh"
net_reexec "$@"

echo "# WireGuard: $NET_WG"
net_ns laptop
net_ns gateway
net_veth laptop eth0 192.0.2.1/24 gateway eth0 192.0.2.2/24
check "the cable carries" wg_pings laptop 192.0.2.2

laptop=$(wg_keys laptop)
gateway=$(wg_keys gateway)
cat >"$NET_TMP/laptop.conf" <<END
[Interface]
PrivateKey = $(cat "$NET_TMP/laptop.key")
[Peer]
PublicKey = $gateway
AllowedIPs = 10.0.0.2/32
Endpoint = 192.0.2.2:51820
END
cat >"$NET_TMP/gateway.conf" <<END
[Interface]
PrivateKey = $(cat "$NET_TMP/gateway.key")
ListenPort = 51820
[Peer]
PublicKey = $laptop
AllowedIPs = 10.0.0.1/32
END
# The same name on both machines: their sockets must not meet.
wg_up laptop wg0 10.0.0.1/24 "$NET_TMP/laptop.conf"
wg_up gateway wg0 10.0.0.2/24 "$NET_TMP/gateway.conf"
check_eq "no handshake yet" "$(wg_handshake laptop wg0 "$gateway")" 0
check "a ping through the tunnel" wg_pings laptop 10.0.0.2
check_not "and its handshake" test "$(wg_handshake laptop wg0 "$gateway")" = 0

wg_down laptop wg0
check_not "gone" wg_answers laptop wg0
check "the other stays" wg_answers gateway wg0
check "wait_for comes back" never_for 0.2 false
