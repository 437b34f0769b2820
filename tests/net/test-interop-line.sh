#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# wgfido-tunnel against another WireGuard on bad lines and with odd sizes: loss, reordering, duplicates (netem where the kernel has it,
# else a relay), MTU edges, fragmentation inside, outside and on the way.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/interop.sh"
net_reexec "$@"
net_need /usr/bin/python3 tc

interop_machines
interop_tunnel ours
interop_tunnel theirs
interop_conf ours v4
interop_conf theirs -
check "a good line" interop_ping ours v4

copy_bytes=${WGFIDO_NET_COPY_BYTES:-2000000}
copies() { # FROM ADDRESS
	net_start "$(interop_other "$1")" copy /usr/bin/python3 "$NET_SRC/tests/net/tcp-copy.py" listen "$2" 7000
	eventually grep -q ready "$NET_TMP/copy.log" || return 1
	net_in "$1" /usr/bin/python3 "$NET_SRC/tests/net/tcp-copy.py" send "$2" 7000 "$copy_bytes" 1 || { net_stop copy; return 1; }
	net_stop copy
}
# line LOSS DUPLICATE REORDER, shares of 1
relay_port=5000
line() {
	if tc -n ours qdisc replace dev eth0 root netem loss "$(pct "$1")" duplicate "$(pct "$2")" delay 2ms 2ms reorder "$(pct "$3")" \
		2>/dev/null; then
		tc -n theirs qdisc replace dev eth0 root netem loss "$(pct "$1")" duplicate "$(pct "$2")" delay 2ms 2ms \
			reorder "$(pct "$3")"
		echo "# netem"
		return
	fi
	[ $relay_port = 5000 ] || net_stop relay
	relay_port=$((relay_port + 1))
	net_start ours relay /usr/bin/python3 "$NET_SRC/tests/net/udp-relay.py" $relay_port 192.0.2.2 51820 7 "$@"
	eventually grep -q ready "$NET_TMP/relay.log" || fail "the relay does not start"
	ours wg set wg0 peer "$(interop_pub theirs)" endpoint 127.0.0.1:$relay_port
}
pct() { awk -v s="$1" 'BEGIN { printf "%g%%", s * 100 }'; }
# Prints how many of some two hundred were lost, and how many came twice.
pings() {
	local sent lost twice

	read -r sent lost twice < <(ours ping -n -i 0.01 -c 240 -w "$NET_PATIENCE" 10.0.0.2 | net_lost)
	[ "$sent" -ge 200 ] || echo "of $sent packets"
	echo "$lost $twice"
}
line 0 0 0.3
check "a line that reorders" interop_ping ours v4
check_eq "loses nothing of what is reordered" "$(pings)" "0 0"
line 0 0.2 0.2
check "a line that duplicates" interop_ping ours v4
check_eq "and nothing arrives twice" "$(pings)" "0 0"
line 0.05 0.02 0.1
check "a line that loses too" interop_ping ours v4
check "a copy arrives whole" copies ours 10.0.0.2
check "and the other way" copies theirs 10.0.0.1
# A handshake that loses packets is tried again.
for m in ours theirs; do interop_fresh "$m"; done
line 0.3 0.1 0.2
check "a handshake on a line that loses three of ten" interop_ping ours v4 200
if [ $relay_port = 5000 ]; then
	tc -n ours qdisc del dev eth0 root
	tc -n theirs qdisc del dev eth0 root
else
	net_stop relay
fi

# Sizes. The largest that fits goes unfragmented, one more does not; beyond that fragments inside.
interop_conf ours v4
interop_conf theirs v4
size_passes() { # MACHINE INNER SIZE [PING-ARGUMENTS...]: SIZE with the IP header
	local n header=28 to
	n=$(interop_n "$(interop_other "$1")")
	to=10.0.0.$n
	if [ "$2" = v6 ]; then
		to=fd00::$n
		header=48
	fi
	net_in "$1" ping -q -n -c 1 -W "${PING_SECONDS:-$NET_PATIENCE}" -s $(($3 - header)) "${@:4}" "$to" >/dev/null 2>&1
}
check_eq "the MTU that wg-quick expects" "$(cat "/sys/class/net/wg0/mtu" 2>/dev/null || ours cat /sys/class/net/wg0/mtu)" 1420
edges() { # MTU
	local mtu=$1 m size
	for m in ours theirs; do
		ip -n "$m" link set wg0 mtu "$mtu"
	done
	check "MTU $mtu: still passes" interop_ping ours v4
	for m in ours theirs; do
		for size in $((mtu - 17)) $((mtu - 16)) $((mtu - 15)) $((mtu - 1)) "$mtu"; do
			size_passes "$m" v4 "$size" -M "do" || fail "MTU $mtu: $size bytes from $m"
			size_passes "$m" v6 "$size" -M "do" || fail "MTU $mtu: $size bytes of IPv6 from $m"
		done
		ok "MTU $mtu: every size up to it from $m"
		PING_SECONDS=1 check_not "MTU $mtu: not one byte more from $m" size_passes "$m" v4 $((mtu + 1)) -M "do"
		check "MTU $mtu: fragments inside, from $m" size_passes "$m" v4 4000 -M dont
	done
}
edges 1420
edges 1413
ip -n ours link set eth0 mtu 9200
ip -n theirs link set eth0 mtu 9200
edges 9000
check "a copy in large packets" copies ours 10.0.0.2
edges 1420
# What carries the tunnel has less room than it needs: fragments outside.
ip -n ours link set eth0 mtu 1300
ip -n theirs link set eth0 mtu 1300
for m in ours theirs; do
	check "outside in fragments, from $m" size_passes "$m" v4 1420 -M "do"
done
check "a copy in fragments" copies ours 10.0.0.2
check "and the other way" copies theirs 10.0.0.1
for m in ours theirs; do interop_conf "$m" v6; done
check "IPv6 outside" interop_ping ours v4
for m in ours theirs; do
	check "IPv6 outside in fragments, from $m" size_passes "$m" v4 1420 -M "do"
done
check "a copy in fragments of IPv6" copies ours fd00::2
