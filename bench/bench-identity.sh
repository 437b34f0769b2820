#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A private key that stays in its token: what a handshake waits for on the way through broker and worker, and whether the tunnel is as
# fast as the same program with a software key, once the session stands. Arguments: rounds (50), seconds per measurement (1). Many
# short rounds: what else the machine does comes and goes, and with the median of the rounds' ratios its confidence interval is told.
. "$(dirname "$0")/../tests/net/lib.sh"
. "$(dirname "$0")/../tests/net/stage.sh"
net_reexec "$@"
net_need iperf3 jq xxd
(: <>/dev/net/tun) 2>/dev/null || skip "there is no /dev/net/tun"
rounds=${1:-50}
seconds=${2:-1}

stage_set --no-udev
stage_plug blue
handle=$(laptop wgfido genkey --resident 2>/dev/null) || fail "no key was made"
pub=$(laptop wgfido pubkey <<<"$handle")
wg_keys soft >/dev/null
wg_keys gateway >/dev/null

# ends NAME NETWORK PORT PRIVATE-KEY PUBLIC-KEY: wgfido-tunnel at both ends
ends() {
	printf '[Interface]\nPrivateKey = %s\nAddress = %s.1/24\n[Peer]\nPublicKey = %s\nEndpoint = 192.0.2.2:%s\nAllowedIPs = %s.2/32\n' \
		"$4" "$2" "$(cat "$NET_TMP/gateway.pub")" "$3" "$2" >"$NET_TMP/laptop/wireguard/$1.conf"
	printf '[Interface]\nPrivateKey = %s\nListenPort = %s\n[Peer]\nPublicKey = %s\nAllowedIPs = %s.1/32\n' \
		"$(cat "$NET_TMP/gateway.key")" "$3" "$5" "$2" >"$NET_TMP/gateway-$1.conf"
	chmod 600 "$NET_TMP/laptop/wireguard/$1.conf"
	# Both ends are on one bus here: of the tunnel's own name it would be the token's as well.
	net_start gateway "gateway-$1" "$NET_BUILD/tunnel/wgfido-tunnel" --foreground "gw-$1"
	wait_for 10 wg_answers gateway "gw-$1" || fail "no tunnel at the gateway"
	gateway wg setconf "gw-$1" "$NET_TMP/gateway-$1.conf"
	net_address gateway "gw-$1" "$2.2/24"
	ip -n gateway link set "gw-$1" mtu 1420 up
}
ends hard 10.9.0 51829 "$handle" "$pub"
ends soft 10.10.0 51830 "$(cat "$NET_TMP/soft.key")" "$(cat "$NET_TMP/soft.pub")"
laptop wgfido enroll hard --resident --yes >/dev/null 2>&1 || fail "enrolment failed"
stage_tunnel hard
stage_tunnel soft
laptop wgfido approve hard >/dev/null 2>&1 || fail "approval failed"
wg_pings laptop 10.9.0.2 15 || fail "no packet with the token's key"
wg_pings laptop 10.10.0.2 15 || fail "no packet with the software key"

peer=$(base64 -d <"$NET_TMP/gateway.pub" | xxd -p -c 32)
read -r whole late calls <<<"$(laptop "$NET_BUILD/bench/bus-dh" hard "$peer" 1000)"
token=$("$(dirname "$0")/bench-resident.sh" 500 | sed -n "s/^of which the token's reports: *median *\([0-9.]*\).*/\1/p")
echo "DiffieHellman on the bus: median $whole us, p99 $late us, $calls calls a second"
[ -z "$token" ] || awk -v w="$whole" -v t="$token" 'BEGIN {
	printf "of which broker, worker and channel add %.0f us to the %.0f us of the token (goal: under 1000)\n", w - t, t }'

net_start gateway iperf iperf3 -s
iperf_up() { net_in gateway ss -Hltn 'sport = :5201' | grep -q .; }
wait_for 10 iperf_up || fail "iperf3 does not start"
# measure NAME ADDRESS: bits a second, and CPU ticks of both ends a gigabit
# shellcheck disable=SC2046 # words
ticks() { awk '{ t += $14 + $15 } END { print t }' $(pgrep -x wgfido-tunnel -a | awk -v n="$1" '$NF == n || $NF == "gw-" n { print "/proc/" $1 "/stat" }'); }
measure() {
	local before

	before=$(ticks "$1")
	laptop iperf3 -J -c "$2" -t "$seconds" | jq '.end.sum_received.bits_per_second, .end.sum_received.bytes * 8' >"$NET_TMP/measured"
	head -n 1 "$NET_TMP/measured" >>"$NET_TMP/$1.rates"
	awk -v t=$(($(ticks "$1") - before)) 'NR == 2 { print t / 100 / ($1 / 1e9) }' "$NET_TMP/measured" >>"$NET_TMP/$1.costs"
}
# Whoever goes first in a round is not always the same.
for round in $(seq "$rounds"); do
	[ $((round % 2)) = 0 ] || measure hard 10.9.0.2
	measure soft 10.10.0.2
	[ $((round % 2)) = 1 ] || measure hard 10.9.0.2
done
# ratios WHAT: of the rounds, sorted; their median, and between which of them it lies with 95 % (order statistics)
ratios() { paste "$NET_TMP/hard.$1" "$NET_TMP/soft.$1" | awk '{ print $1 / $2 }' | sort -g | awk '{ v[NR] = $1 } END {
	low = int((NR - 1.96 * sqrt(NR)) / 2); low = low < 1 ? 1 : low
	printf "%.3f (95 %%: %.3f to %.3f)", (v[int((NR + 1) / 2)] + v[int((NR + 2) / 2)]) / 2, v[low], v[NR + 1 - low] }'; }
median() { sort -g "$1" | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int((NR + 2) / 2)]) / 2 }'; }
awk -v h="$(median "$NET_TMP/hard.rates")" -v s="$(median "$NET_TMP/soft.rates")" -v r="$(ratios rates)" 'BEGIN {
	printf "TCP with the key in a token: %.2f Gb/s, with a software key %.2f Gb/s: %s of it (goal: within 0.02)\n", h / 1e9, s / 1e9, r }'
awk -v h="$(median "$NET_TMP/hard.costs")" -v s="$(median "$NET_TMP/soft.costs")" -v r="$(ratios costs)" 'BEGIN {
	printf "CPU of both ends: %.3f s a gigabit, and %.3f: %s of it\n", h, s, r }'
