# SPDX-License-Identifier: GPL-2.0-or-later
# From the device destroyed in the kernel to the last packet through the kernel's WireGuard, twenty times (./check: four); and that
# nothing of what is sent meanwhile takes a wider route instead: a capture on the outer link has none of the inner packets.
. "$top_srcdir/tests/vm/full-lib.sh"
full_system
rounds=${VM_ROUNDS:-20}

# median and maximum of the numbers on stdin, microseconds to ms
summary() {
	sort -n | awk '{ v[NR] = $1 } END { printf "median %.1f ms, maximum %.1f ms of %d\n", v[int((NR + 1) / 2)] / 1000, v[NR] / 1000, NR }'
}

STAGE_SLOT=120
stage_office
full_plug blue
wgfido enroll office --yes >/dev/null || fail "it does not enrol"
stage_office_gateway

# The wider routes, both ways, which a packet without the tunnel would take.
ip route add 10.0.0.0/8 via 192.0.2.2 dev cable
ip -n gateway route add 10.0.0.0/8 via 192.0.2.1 dev eth0
net_start - capture tcpdump -i cable -n -U -w "$NET_TMP/capture" "net 10.0.0.0/8 or icmp"
eventually grep -q "listening on" "$NET_TMP/capture.log" || fail "no capture"

for _ in $(seq "$rounds"); do
	wgfido approve office >/dev/null 2>"$NET_TMP/approve.log" || fail "no approval: $(cat "$NET_TMP/approve.log")"
	"$NET_BUILD/bench/flow" --a /run/netns/laptop,10.7.0.1 --b /run/netns/gateway,10.7.0.2 --quiet-ms 300 --packets 50 --interval-us 2000 --pull "$(net_pid key-blue)" ||
		fail "the flow through the tunnel"
	wait "$(net_pid key-blue)" || :
	eventually is_state office closed || fail "it does not close"
	reason_is office "the approval ended: token-removed" || fail "it closes, but not because of the key: $(agent_state office .reason)"
	# What is sent now: nobody gets it, and a key that is there again changes nothing about that.
	wg_pings laptop 10.7.0.2 0.5 &
	out=$!
	wg_pings gateway 10.7.0.1 0.5 &
	in=$!
	full_plug blue
	! wait $out || fail "a packet out"
	! wait $in || fail "a packet in"
done >"$NET_TMP/pulled"
cat "$NET_TMP/pulled"
echo "# unplugged to the last packet out: $(awk '{ print $2 }' "$NET_TMP/pulled" | summary)"
echo "# unplugged to the last packet in:  $(awk '{ print $4 }' "$NET_TMP/pulled" | summary)"
# A machine that stalls makes some of them slow. What is not told, but found out by asking, is slow each time.
told() { awk '$2 <= 1000000 && $4 <= 1000000 { good = 1 } END { exit !good }' "$NET_TMP/pulled"; }
late() { awk '$2 > 20000000 || $4 > 20000000 { bad = 1 } END { exit !bad }' "$NET_TMP/pulled"; }
check "it need not take a second" told
check_not "and never takes twenty" late

wg_pings laptop 192.0.2.2 || fail "the cable"
seen() { tcpdump -n -r "$NET_TMP/capture" "$@" 2>/dev/null | wc -l; }
captured() { [ "$(seen host 192.0.2.2)" -ge 2 ]; }
check "the capture captures" eventually captured
check_eq "and no inner packet is in it" "$(seen net 10.0.0.0/8)" 0
