#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Prints, and never fails for being slow: from the token's answer to the PSK in WireGuard, from the unplugged key to the last packet,
# and what broker and agent occupy. Beside each the time this machine needs for a round trip of the kind that is in it.
. "$(dirname "$0")/../tests/net/lib.sh"
. "$(dirname "$0")/../tests/net/stage.sh"
net_reexec "$@"
rounds=${1:-50}

# median, 90th percentile and maximum of the numbers on stdin, in ms
summary() {
	sort -n | awk '{ v[NR] = $1 } END { printf "median %.2f ms, p90 %.2f ms, max %.2f ms of %d\n",
		v[int((NR + 1) / 2)] / 1000, v[int(NR * 0.9 + 0.5)] / 1000, v[NR] / 1000, NR }'
}
rss() { awk '/^(RssAnon|VmRSS)/ { printf "%s %.1f MiB  ", $1, $2 / 1024 }' "/proc/$(net_pid "$1")/status"; }

stage_set --no-udev
STAGE_SLOT=120
stage_office
stage_plug blue
laptop wgfido enroll office --yes >/dev/null
stage_office_gateway
wait_for 10 is_state office closed || fail "the tunnel is not guarded"

echo "WireGuard: $NET_WG"
echo "idle memory: broker $(rss wgfidod) agent $(rss wgfido-rotate)"

stage_unplug blue
for _ in $(seq "$rounds"); do
	stage_plug blue --touch manual
	laptop wgfido approve office >/dev/null 2>&1 &
	approve=$!
	laptop "$NET_BUILD/bench/opened" office "$NET_TMP/soft/blue.ctl" || fail "the approval did not open"
	wait $approve || fail "the approval failed"
	laptop wgfido revoke office >/dev/null
	wait_for 5 is_state office closed || fail "revoke did not close"
	stage_unplug blue
done >"$NET_TMP/opened"
echo "from the token's answer to the PSK in WireGuard (goal 5 ms): $(summary <"$NET_TMP/opened")"

for _ in $(seq "$rounds"); do
	stage_plug blue
	laptop wgfido approve office >/dev/null
	"$NET_BUILD/bench/flow" --a "/run/netns/laptop,10.7.0.1" --b "/run/netns/gateway,10.7.0.2" --quiet-ms 200 --pull "$(net_pid key-blue)" ||
		fail "the flow through the tunnel"
	stage_unplug blue
done >"$NET_TMP/pulled"
echo "from the unplugged key to the last packet out (goal 10 ms): $(awk '{ print $2 }' "$NET_TMP/pulled" | summary)"
echo "from the unplugged key to the last packet in  (goal 10 ms): $(awk '{ print $4 }' "$NET_TMP/pulled" | summary)"
echo "memory after $((2 * rounds)) approvals: broker $(rss wgfidod) agent $(rss wgfido-rotate)"

# What to read the figures beside: a signal to a process that answers over a pipe, twice through the scheduler.
for _ in $(seq "$rounds"); do
	start=$(date +%s%N)
	/bin/true
	echo $((($(date +%s%N) - start) / 1000))
done | summary | sed 's/^/starting one process here: /'
