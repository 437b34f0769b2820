#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# wgfido-tunnel at both ends of a cable beside the distribution's wireguard-go at both ends: throughput, what it costs, packets per
# second, round trips, memory. The rounds of all contestants alternate, medians and ratios are printed, and nothing is a verdict: on a
# machine with other load only the ratios mean something. Arguments: rounds (3), seconds per measurement (2).
#
# The contestants: go (wireguard-go), ours (wgfido-tunnel), path (its packet threads with sessions put in by hand) and plain (the same
# without encryption: the limit of TUN, UDP and system calls).
. "$(dirname "$0")/../tests/net/lib.sh"
net_reexec "$@"
net_need iperf3 jq wireguard-go
rounds=${1:-3}
seconds=${2:-2}

net_ns left
net_ns right
net_veth left eth0 192.0.2.1/24 right eth0 192.0.2.2/24
wg_keys left >/dev/null
wg_keys right >/dev/null
results=$NET_TMP/results
pids=()

median() { sort -n | awk '{ v[NR] = $1 } END { if (NR) print (v[int((NR + 1) / 2)] + v[int((NR + 2) / 2)]) / 2; else print "nan" }'; }
# result CONTESTANT WHAT VALUE
result() { echo "$3" >>"$results.$1.$2"; }
of() { if [ -s "$results.$1.$2" ]; then median <"$results.$1.$2"; else echo nan; fi; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { if (a == "nan" || b == "nan" || b == 0) print "nan"; else printf "%.2f", a / b }'; }
# CPU seconds of the processes that carry the tunnel
cpu() { awk '{ t += $14 + $15 } END { print t / 100 }' "${pids[@]/%//stat}"; }
rss() { awk '/^VmRSS/ { r = $2 } /^RssAnon/ { a = $2 } END { printf "%.1f MiB (%.1f of them its own)", r / 1024, a / 1024 }' "${pids[0]}/status"; }

conf() {
	cat <<-CONF
		[Interface]
		PrivateKey = $(cat "$NET_TMP/$1.key")
		ListenPort = 51820
		[Peer]
		PublicKey = $(cat "$NET_TMP/$2.pub")
		Endpoint = $3:51820
		AllowedIPs = 10.7.0.0/24
	CONF
}
conf left right 192.0.2.2 >"$NET_TMP/left.conf"
conf right left 192.0.2.1 >"$NET_TMP/right.conf"

# start CONTESTANT
start() {
	pids=()
	case $1 in
	go | ours)
		for ns in left right; do
			if [ "$1" = go ]; then
				net_start $ns "wg-$ns" env LOG_LEVEL=error wireguard-go -f wg0
			else
				net_start $ns "wg-$ns" "$NET_BUILD/tunnel/wgfido-tunnel" --foreground wg0
			fi
			wait_for 10 wg_answers $ns wg0 || fail "no tunnel"
			pids+=("/proc/$(net_pid "wg-$ns")")
			net_in $ns wg setconf wg0 "$NET_TMP/$ns.conf"
		done
		;;
	path | plain | profile)
		local program=tunnel-path
		[ "$1" = path ] || program=tunnel-path-$1
		net_start - wg-path "$NET_BUILD/bench/$program" wg0 /run/netns/left 192.0.2.1 /run/netns/right 192.0.2.2
		wait_for 10 path_runs || fail "no path"
		for pid in $(pgrep -P "$(net_pid wg-path)"); do pids+=("/proc/$pid"); done
		;;
	esac
	ip -n left addr add 10.7.0.1/24 dev wg0
	ip -n right addr add 10.7.0.2/24 dev wg0
	ip -n left link set wg0 mtu 1420 up
	ip -n right link set wg0 mtu 1420 up
	wg_pings left 10.7.0.2 || fail "no packet passes"
}
path_runs() { [ "$(grep -cx up "$NET_TMP/wg-path.log")" = 2 ]; }
stop() {
	if [ "$1" = go ] || [ "$1" = ours ]; then
		net_stop wg-left
		net_stop wg-right
	else
		net_stop wg-path
	fi
	wait_for 5 no_link || fail "the interface stays"
}
no_link() { ! ip -n left link show dev wg0 >/dev/null 2>&1 && ! ip -n right link show dev wg0 >/dev/null 2>&1; }

listening() { net_in right ss -Hltn 'sport = 5201' | grep -q .; }
# iperf ARG...: leaves its report in $NET_TMP/iperf.json
iperf() {
	net_start right iperf iperf3 -s -1
	wait_for 5 listening || fail "iperf3"
	net_in left iperf3 -c "$target" -t "$seconds" -J "$@" >"$NET_TMP/iperf.json" 2>/dev/null || fail "iperf3"
	wait "$(net_pid iperf)" 2>/dev/null || :
}
# tcp CONTESTANT STREAMS
tcp() {
	local before after
	before=$(cpu)
	iperf -P "$2"
	after=$(cpu)
	jq -r '.end.sum_received.bits_per_second / 1e9' "$NET_TMP/iperf.json" >>"$results.$1.tcp$2"
	jq -r --argjson cpu "$(awk "BEGIN { print $after - $before }")" '$cpu / (.end.sum_received.bytes * 8 / 1e9)' "$NET_TMP/iperf.json" \
		>>"$results.$1.cpu$2"
}
# udp CONTESTANT BYTES-OF-THE-INNER-PACKET: what arrives when more is sent than can pass, and the CPU time of the tunnel for each that does
udp() {
	local before after
	before=$(cpu)
	"$NET_BUILD/bench/flood" /run/netns/left /run/netns/right 10.7.0.2 $(($2 - 28)) "$seconds" >"$NET_TMP/flood" || fail "flood"
	after=$(cpu)
	awk '{ print $1 }' "$NET_TMP/flood" >>"$results.$1.udp$2"
	awk -v cpu="$(awk "BEGIN { print $after - $before }")" '{ print cpu * 1e6 / ($2 + 1) }' "$NET_TMP/flood" >>"$results.$1.udpcpu$2"
}
pinged() { net_in left ping -q -c 500 -i 0.002 10.7.0.2 | awk -F/ '/^rtt/ { print $5 * 1000 }' >>"$results.$1.ping"; }

hex() { base64 -d <"$1" | od -An -tx1 | tr -d ' \n'; }
# What wg says to add the peer, and to take it away
cat >"$NET_TMP/add" <<-SET
	set=1
	public_key=$(hex "$NET_TMP/right.pub")
	endpoint=192.0.2.2:51820
	allowed_ip=10.7.0.0/24

SET
first() {
	local i
	for i in 1 2 3 4 5 6 7 8; do
		net_in left wg set wg0 peer "$(cat "$NET_TMP/right.pub")" remove
		# Handshakes that follow one another at once are what a flood looks like.
		sleep 0.1
		net_in left "$NET_BUILD/bench/first-trip" "$NET_TMP/ns/left/wireguard/wg0.sock" "$NET_TMP/add" 10.7.0.2 >>"$results.$1.first"
	done
}

echo "cipher on one core:"
"$NET_BUILD/bench/aead-speed" | sed 's/^/  /'
target=192.0.2.2
for streams in 1 4; do
	iperf -P $streams
	echo "the cable alone, TCP $streams: $(jq -r '.end.sum_received.bits_per_second / 1e9' "$NET_TMP/iperf.json") Gbit/s"
done

target=10.7.0.2
for round in $(seq "$rounds"); do
	for who in go ours path plain; do
		start $who
		[ "$round" != 1 ] || echo "idle memory of $who: $(rss)"
		tcp $who 1
		tcp $who 4
		udp $who 64
		udp $who 1400
		pinged $who
		if [ $who = go ] || [ $who = ours ]; then first $who; fi
		stop $who
	done
done
echo "wgfido-tunnel says: $(sed -n 's/.*cipher/cipher/p' "$NET_TMP/wg-path.log" | head -1)"

row() { printf '%-34s %10.3f %10.3f %10.3f %10.3f   %s\n' "$1" "$(of go "$2")" "$(of ours "$2")" "$(of path "$2")" "$(of plain "$2")" "$3"; }
printf '%-34s %10s %10s %10s %10s   %s\n' "medians of $rounds rounds" go ours path plain "ours beside go, and the goal"
for streams in 1 4; do
	row "TCP $streams, Gbit/s" tcp$streams "$(ratio "$(of ours tcp$streams)" "$(of go tcp$streams)") times (8, better 11)"
	row "TCP $streams, CPU s per Gbit" cpu$streams "1/$(ratio "$(of go cpu$streams)" "$(of ours cpu$streams)") (1/8)"
done
for bytes in 64 1400; do
	row "UDP of $bytes bytes, 1000 packets/s" udp$bytes "$(ratio "$(of ours udp$bytes)" "$(of go udp$bytes)") times (3)"
	row "UDP of $bytes bytes, CPU us each" udpcpu$bytes "1/$(ratio "$(of go udpcpu$bytes)" "$(of ours udpcpu$bytes)")"
done
row "ping, us" ping "$(ratio "$(of ours ping)" "$(of go ping)") of it (1)"
row "first round trip, us" first "$(ratio "$(of ours first)" "$(of go first)") of it (0.5)"

start profile
iperf -P 1
stop profile
echo "CPU of the path by its threads' own clocks, TCP 1, sender and receiver:"
grep crypto "$NET_TMP/wg-path.log" | grep % | sed 's/^/  /'

# 1,000 peers with four allowed-ips each
{
	printf '[Interface]\nPrivateKey = %s\nListenPort = 51820\n' "$(cat "$NET_TMP/left.key")"
	for i in $(seq 1000); do
		printf '[Peer]\nPublicKey = %s\nAllowedIPs = 10.%d.%d.0/24, 172.16.%d.%d/32, fd00:%x::/64, fd01::%x/128\nEndpoint = 192.0.2.2:%d\n' \
			"$(head -c 32 /dev/urandom | base64)" $((i / 250 + 8)) $((i % 250)) $((i / 250)) $((i % 250)) "$i" "$i" $((2000 + i))
	done
} >"$NET_TMP/many.conf"
for who in go ours; do
	start $who
	began=$(now_ms)
	net_in left wg setconf wg0 "$NET_TMP/many.conf"
	echo "1000 peers, $who: loaded in $(($(now_ms) - began)) ms, then $(rss)"
	began=$(now_ms)
	net_in left wg show wg0 dump >/dev/null
	echo "1000 peers, $who: shown in $(($(now_ms) - began)) ms"
	stop $who
done
