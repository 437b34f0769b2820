#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# wgfido-tunnel against another WireGuard: both roles, v4 and v6 outside and inside, preshared keys, roaming, a peer that
# restarts, wg show and wg set on the socket.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/interop.sh"
net_reexec "$@"

interop_machines
interop_tunnel ours
interop_tunnel theirs

# Both ends forget what they had; only the one that begins knows where the other is.
for outer in v4 v6; do
	for begins in ours theirs; do
		interop_conf "$(interop_other "$begins")" -
		interop_conf "$begins" "$outer"
		for m in ours theirs; do interop_fresh "$m"; done
		for inner in v4 v6; do
			check "outside $outer, $begins begins, inside $inner" interop_ping "$begins" "$inner"
		done
		check "and back" interop_ping "$(interop_other "$begins")" v4
		for m in ours theirs; do
			check_not "$m has seen a handshake" test "$(interop_shake "$m")" = 0
		done
	done
done

wg_psk one
wg_psk two
for begins in ours theirs; do
	interop_conf ours v4 "PresharedKey = $(cat "$NET_TMP/one")"
	interop_conf theirs v4 "PresharedKey = $(cat "$NET_TMP/two")"
	for m in ours theirs; do interop_fresh "$m"; done
	check_not "two preshared keys, $begins begins: nothing" interop_ping "$begins" v4 1.5
	interop_conf theirs v4 "PresharedKey = $(cat "$NET_TMP/one")"
	for m in ours theirs; do interop_fresh "$m"; done
	check "the same preshared key, $begins begins" interop_ping "$begins" v4
done

# Roaming: the address of one end changes under a session, and the other follows.
interop_conf ours v4
interop_conf theirs v4
check "a session" interop_ping ours v4
endpoint_of() { net_in "$1" wg show wg0 endpoints | cut -f 2; }
ours_address() { ip -n ours -4 -o address show dev eth0 | awk '{ sub("/.*", "", $4); print $4 }'; }
moves() { # MACHINE OTHER FROM TO
	ip -n "$1" address del "192.0.2.$3/24" dev eth0
	net_address "$1" eth0 "192.0.2.$4/24"
	check "$1 has another address" interop_ping "$1" v4
	check_eq "$2 has seen it" "$(endpoint_of "$2")" "192.0.2.$4:51820"
	check "$2 follows" interop_ping "$2" v4
}
before=$(interop_shake ours)
[ "${WGFIDO_NET_OURS:-}" = theirs ] || moves ours theirs 1 11
# wireguard-go goes on sending from an address that it no longer has.
last=2
if [ "$NET_WG" = kernel ]; then
	moves theirs ours 2 12
	last=12
fi
net_in ours wg set wg0 listen-port 4711
check "another port" interop_ping ours v4
check_eq "which the other has seen" "$(endpoint_of theirs)" "$(ours_address):4711"
check_eq "all that in one session" "$(interop_shake ours)" "$before"
net_in ours wg set wg0 listen-port 51820
check "the first port again" interop_ping ours v4
[ $last = 2 ] || moves theirs ours 12 2
[ "${WGFIDO_NET_OURS:-}" = theirs ] || moves ours theirs 11 1
net_in theirs wg set wg0 listen-port 4712
check "the other one's port" interop_ping theirs v4
check_eq "which ours has seen" "$(endpoint_of ours)" 192.0.2.2:4712
check "and follows" interop_ping ours v4
net_in theirs wg set wg0 listen-port 51820
check "back to its first" interop_ping theirs v4

# A peer that restarts has lost every session. The one that sends finds out, or the one that comes back says so.
for m in ours theirs; do
	other=$(interop_other "$m")
	interop_conf "$m" v4
	interop_conf "$other" v4
	check "a session before $m restarts" interop_ping "$m" v4
	interop_stop "$m"
	interop_tunnel "$m"
	interop_apply "$m"
	check "$m is back, and begins" interop_ping "$m" v4
	interop_stop "$m"
	interop_tunnel "$m"
	interop_apply "$m"
	# It sends into a dead session for up to 15 s, and then begins anew.
	check "$m is back, and $other finds out" interop_ping "$other" v4
done

# wg show and wg set.
wg_keys third >/dev/null
ours wg set wg0 peer "$(interop_pub third)" allowed-ips 10.9.0.0/16,fd09::/32 endpoint '[2001:db8::9]:9' persistent-keepalive 25 \
	preshared-key "$NET_TMP/one"
shown() { ours wg show wg0 dump | awk -F '\t' -v k="$(interop_pub third)" '$1 == k { print $2, $3, $4, $8 }'; }
check_eq "wg show says what wg set said" "$(shown)" "$(cat "$NET_TMP/one") [2001:db8::9]:9 10.9.0.0/16,fd09::/32 25"
ours wg set wg0 fwmark 0x1234
check_eq "fwmark" "$(ours wg show wg0 fwmark)" 0x1234
check "and packets still pass" interop_ping ours v4
ours wg set wg0 fwmark 0
check_eq "no fwmark" "$(ours wg show wg0 fwmark)" off
ours wg set wg0 peer "$(interop_pub third)" allowed-ips 10.0.0.2/32
check_not "an allowed-ip that another peer took no longer routes" interop_ping ours v4 1
check_eq "and moved" "$(ours wg show wg0 allowed-ips | awk -v k="$(interop_pub theirs)" '$1 == k { print $2 }')" fd00::2/128
check "the other one still does" interop_ping ours v6
ours wg set wg0 peer "$(interop_pub third)" remove
check_eq "one peer is left" "$(ours wg show wg0 peers)" "$(interop_pub theirs)"
ours wg set wg0 peer "$(interop_pub theirs)" allowed-ips 10.0.0.2/32,fd00::2/128
check "routes again" interop_ping ours v4
# A young session, which nobody renews meanwhile.
interop_fresh ours
check "a session" interop_ping ours v4
ours wg syncconf wg0 "$NET_TMP/ours.conf"
before=$(interop_shake ours)
check "syncconf changes nothing" interop_ping ours v4
check_eq "and keeps the session" "$(interop_shake ours)" "$before"
transfer() { ours wg show wg0 transfer | awk '{ print ($2 > 0 && $3 > 0) }'; }
check_eq "bytes are counted" "$(transfer)" 1
check_not "a bad setting is refused" ours wg set wg0 peer "$(interop_pub theirs)" allowed-ips 10.0.0.2/33
ours wg set wg0 private-key /dev/null
check_eq "no private key" "$(ours wg show wg0 private-key)" "(none)"
check_not "and then no packet" interop_ping ours v4 1
interop_conf ours v4
check "with its key again" interop_ping ours v4
