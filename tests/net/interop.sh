# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# For the tests of wgfido-tunnel against a WireGuard that nobody here wrote ($NET_WG: the kernel's, or the distribution's
# wireguard-go), on top of lib.sh. Machine "ours" runs wgfido-tunnel, machine "theirs" the other; both call the interface wg0.
#
#	interop_machines	(INTEROP_PROGRAM: another program than wgfido-tunnel) both, and a cable: 192.0.2.1, 2001:db8::1 (ours) and 192.0.2.2, 2001:db8::2 (theirs), inside 10.0.0.1,
#				fd00::1 and 10.0.0.2, fd00::2
#	interop_tunnel MACHINE	starts the program of that machine, interface wg0 (ours: WGFIDO_TUNNEL_ARGS more arguments)
#	interop_conf MACHINE [OUTER [LINE...]]	writes $NET_TMP/MACHINE.conf: ListenPort 51820, the other as peer, its Endpoint in OUTER (v4, v6, -: none),
#				LINEs more in [Peer]; and interop_apply's it
#	interop_apply MACHINE	wg setconf, addresses, up
#	interop_fresh MACHINE	forgets all sessions of the peer there (removes it and puts it back)
#	interop_stop MACHINE
#	interop_ping MACHINE INNER [SECONDS]	from there to the other, INNER v4 or v6
#	interop_shake MACHINE	unix time of its last handshake
# The script can be tried on two of theirs: WGFIDO_NET_OURS=theirs.

ours() { net_in ours "$@"; }
theirs() { net_in theirs "$@"; }
interop_other() { [ "$1" = ours ] && echo theirs || echo ours; }
interop_n() { [ "$1" = ours ] && echo 1 || echo 2; }
interop_pub() { cat "$NET_TMP/$1.pub"; }

interop_machines() {
	OURS=$NET_BUILD/${INTEROP_PROGRAM:-tunnel/wgfido-tunnel}
	[ "${WGFIDO_NET_OURS:-}" = theirs ] || [ -x "$OURS" ] || fail "$OURS is not built"
	[ -c /dev/net/tun ] || skip "there is no /dev/net/tun"
	(: <>/dev/net/tun) 2>/dev/null || skip "this user may not open /dev/net/tun"
	echo "# WireGuard at the other end: $NET_WG"
	net_ns ours
	net_ns theirs
	net_veth ours eth0 192.0.2.1/24 theirs eth0 192.0.2.2/24
	net_address ours eth0 2001:db8::1/64
	net_address theirs eth0 2001:db8::2/64
	wg_keys ours >/dev/null
	wg_keys theirs >/dev/null
}

interop_tunnel() {
	if [ "$1" = theirs ] || [ "${WGFIDO_NET_OURS:-}" = theirs ]; then
		wg_create "$1" wg0
		return
	fi
	# shellcheck disable=SC2086 # words
	net_start ours wg-ours-wg0 "$OURS" --foreground ${WGFIDO_TUNNEL_ARGS:-} wg0
	eventually wg_answers ours wg0 || fail "wgfido-tunnel does not answer on its socket"
}

interop_stop() {
	if [ "$1" = ours ] && [ "${WGFIDO_NET_OURS:-}" != theirs ]; then
		net_stop wg-ours-wg0
	else
		wg_down "$1" wg0
	fi
}

interop_conf() {
	local machine=$1 outer=${2:--} other
	shift
	[ $# = 0 ] || shift
	other=$(interop_other "$machine")
	{
		printf '[Interface]\nPrivateKey = %s\nListenPort = 51820\n' "$(cat "$NET_TMP/$machine.key")"
		printf '[Peer]\nPublicKey = %s\nAllowedIPs = 10.0.0.%s/32, fd00::%s/128\n' "$(interop_pub "$other")" \
			"$(interop_n "$other")" "$(interop_n "$other")"
		case $outer in
		v4) echo "Endpoint = 192.0.2.$(interop_n "$other"):51820" ;;
		v6) echo "Endpoint = [2001:db8::$(interop_n "$other")]:51820" ;;
		esac
		[ $# = 0 ] || printf '%s\n' "$@"
	} >"$NET_TMP/$machine.conf"
	interop_apply "$machine"
}

interop_apply() {
	net_in "$1" wg setconf wg0 "$NET_TMP/$1.conf"
	if [ -z "$(ip -n "$1" address show dev wg0 to 10.0.0.0/24)" ]; then
		net_address "$1" wg0 "10.0.0.$(interop_n "$1")/24"
		net_address "$1" wg0 "fd00::$(interop_n "$1")/64"
		ip -n "$1" link set wg0 up
	fi
}

interop_fresh() {
	net_in "$1" wg set wg0 peer "$(interop_pub "$(interop_other "$1")")" remove
	net_in "$1" wg setconf wg0 "$NET_TMP/$1.conf"
}

interop_ping() {
	local n
	n=$(interop_n "$(interop_other "$1")")
	case $2 in
	v4) wg_pings "$1" "10.0.0.$n" "${3:-$NET_PATIENCE}" ;;
	v6) wg_pings "$1" "fd00::$n" "${3:-$NET_PATIENCE}" ;;
	esac
}

interop_shake() { wg_handshake "$1" wg0 "$(interop_pub "$(interop_other "$1")")"; }
