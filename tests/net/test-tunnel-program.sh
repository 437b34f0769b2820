#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# wgfido-tunnel as a program: wg-quick brings it up and down, and takes it where the kernel has a WireGuard of its own; how it
# starts, how it ends, and what it leaves behind. With software keys, against the distribution's wireguard-go.
. "$(dirname "$0")/lib.sh"
net_reexec "$@"
net_need_userspace
net_need wg-quick

net_ns laptop
net_ns gateway
net_veth laptop eth0 192.0.2.1/24 gateway eth0 192.0.2.2/24
wg_keys laptop >/dev/null
wg_keys gateway >/dev/null
PATH=$NET_BUILD/tunnel:$PATH
run=$NET_TMP/ns/laptop/wireguard
conf=$NET_TMP/home.conf
cat >"$conf" <<-CONF
	[Interface]
	PrivateKey = $(cat "$NET_TMP/laptop.key")
	Address = 10.8.0.1/32, fd08::1/128
	PostUp = echo \$(ip -o link show dev %i | grep -c UP) >$NET_TMP/hook
	[Peer]
	PublicKey = $(cat "$NET_TMP/gateway.pub")
	Endpoint = 192.0.2.2:51821
	AllowedIPs = 10.8.0.2/32, fd08::2/128
CONF
cat >"$NET_TMP/gateway.conf" <<-CONF
	[Interface]
	PrivateKey = $(cat "$NET_TMP/gateway.key")
	ListenPort = 51821
	[Peer]
	PublicKey = $(cat "$NET_TMP/laptop.pub")
	AllowedIPs = 10.8.0.1/32, fd08::1/128
CONF
wg_up gateway plain 10.8.0.2/32 "$NET_TMP/gateway.conf"
net_address gateway plain fd08::2/128
ip -n gateway route add 10.8.0.1/32 dev plain
ip -n gateway route add fd08::1/128 dev plain

quick() { net_in laptop env WG_QUICK_USERSPACE_IMPLEMENTATION=wgfido-tunnel "$@" >>"$NET_TMP/wg-quick.log" 2>&1; }
gone() { ! [ -e "$run/home.sock" ] && ! ip -n laptop link show dev home >/dev/null 2>&1; }
running() { pgrep -x wgfido-tunnel >/dev/null; }
all_gone() { gone && ! running && ! pgrep -x wgfido-tun-sock >/dev/null; }
one_runs() { [ "$(pgrep -cx wgfido-tunnel)" = 1 ]; }

if [ "$NET_WG" = userspace ] && ! ip link add probe0 type wireguard 2>/dev/null; then
	check "wg-quick brings it up" quick wg-quick up "$conf"
	check "a packet passes" wg_pings laptop 10.8.0.2
	check "and one of IPv6" wg_pings laptop fd08::2
	check_eq "wg shows the public key" "$(net_in laptop wg show home public-key)" "$(cat "$NET_TMP/laptop.pub")"
	check_not "a second one of the same name" net_in laptop wgfido-tunnel home
	check "one process carries it" eventually one_runs
	check "wg-quick takes it down" quick wg-quick down "$conf"
	check "which ends it, socket, janitor and all" eventually all_gone
fi

# As on a kernel that would take a wireguard link.
quick_bin=$NET_BUILD/systemd/wgfido-quick
own() { quick env WGFIDO_TUNNEL="$NET_BUILD/tunnel/wgfido-tunnel" bash "$quick_bin" "$@"; }
check "wgfido-quick brings it up" own up "$conf"
check "a packet passes" wg_pings laptop 10.8.0.2
check_eq "its hook sees the interface" "$(cat "$NET_TMP/hook")" 1

# Who is not there: no peer has the address, or the one that has it is nowhere yet. Said at once, whatever the reverse path filter.
udp_refused() {
	net_in laptop /usr/bin/python3 - "$1" "$NET_PATIENCE" <<-'PYTHON'
		import errno, socket, sys
		v6 = ":" in sys.argv[1]
		s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
		# IPV6_RECVERR, IP_RECVERR: as resolvers do
		s.setsockopt(*((socket.IPPROTO_IPV6, 25) if v6 else (socket.IPPROTO_IP, 11)), 1)
		s.settimeout(int(sys.argv[2]))
		s.connect((sys.argv[1], 9))
		s.send(b"is anybody there?")
		try:
		    s.recv(1)
		except OSError as e:
		    sys.exit(e.errno != errno.EHOSTUNREACH)
		sys.exit(1)
	PYTHON
}
net_in laptop wg set home peer "$(wg genkey | wg pubkey)" allowed-ips 10.8.0.98/32,fd08::62/128
for address in 10.8.0.98 10.8.0.99 fd08::62 fd08::63; do
	ip -n laptop route add "$address" dev home
done
for filter in 0 1 2; do
	net_in laptop bash -c "echo $filter | tee /proc/sys/net/ipv4/conf/{all,home}/rp_filter >/dev/null" || fail "rp_filter cannot be set"
	check "a connection to nobody fails at once, rp_filter $filter" wg_refuses laptop 10.8.0.99
	check "so it does to a peer without an endpoint" wg_refuses laptop 10.8.0.98
done
check "so it does with IPv6" wg_refuses laptop fd08::63
check "and to a peer without an endpoint" wg_refuses laptop fd08::62
check "and so does a datagram" udp_refused 10.8.0.99
check "and one of IPv6" udp_refused fd08::63
check "whoever is there is there" wg_pings laptop 10.8.0.2
check_not "up again" own up "$conf"
check "and it goes on" wg_pings laptop 10.8.0.2
check "it takes it down" own down "$conf"
check "which ends it" eventually all_gone

# As the unit does it.
net_start laptop tunnel "$NET_BUILD/tunnel/wgfido-tunnel" --foreground --debug home
eventually wg_answers laptop home || fail "it does not start"
check "what wg-quick makes of its file, on an interface that is there" own --made home up "$conf"
check "a packet passes" wg_pings laptop 10.8.0.2
check_eq "its hook sees the interface" "$(cat "$NET_TMP/hook")" 1
net_stop tunnel
check "SIGTERM ends it" eventually all_gone

net_start laptop tunnel "$NET_BUILD/tunnel/wgfido-tunnel" -f home
eventually wg_answers laptop home || fail "it does not start"
net_in laptop wg setconf home <(net_in laptop wg-quick strip "$conf")
net_stop tunnel KILL
check "killed, its socket goes all the same" eventually all_gone

# Nobody who waits for its output waits for its end.
out=$(net_in laptop wgfido-tunnel home 2>&1 9>&1)
check "in the background it holds nothing of who started it: $out" test -S "$run/home.sock"
ip -n laptop link delete home
check "deleting the interface ends it" eventually all_gone

net_in laptop wgfido-tunnel home 2>/dev/null
pid=$(pgrep -x wgfido-tunnel)
if grep -q '^TracerPid' "/proc/$pid/status" 2>/dev/null; then
	caps=$(awk '/^CapPrm/ { print $2 }' "/proc/$pid/status")
	check_eq "it has CAP_NET_ADMIN and no other" "$caps" 0000000000001000
	check_eq "and no new privileges" "$(awk '/^NoNewPrivs/ { print $2 }' "/proc/$pid/status")" 1
	check_eq "it starts no programs" "$(awk '/^Seccomp:/ { print $2 }' "/proc/$pid/status")" 2
	check_eq "its janitor has none" "$(awk '/^CapPrm/ { print $2 }' "/proc/$(pgrep -x wgfido-tun-sock)/status")" 0000000000000000
fi
ip -n laptop link delete home
check "and ends" eventually all_gone

check_not "an interface of another kind" net_in laptop wgfido-tunnel eth0
check_not "no name" net_in laptop wgfido-tunnel
check_not "a name that is none" net_in laptop wgfido-tunnel a/b
