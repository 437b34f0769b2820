#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Window keys, from the gateway's verb to packets, over the end of a window: an approval opens the tunnel for the window in which it was
# given, and not for the next. Windows end on full hours, so the clocks of all are a little before one.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/stage.sh"
net_reexec "$@"
# shellcheck disable=SC2086
set -- ${CC:-cc} && net_need "$1"

# shellcheck disable=SC2086 # CC may have arguments
${CC:-cc} -shared -fPIC -O2 -o "$NET_TMP/clock-off.so" "$NET_SRC/tests/net/clock-off.c" || fail "no shared object"
stage_set --no-udev
STAGE_SLOT=10
stage_office
stage_plug blue
check "enrols a key that stays in its token" laptop wgfido enroll office --resident --touch always --yes
stage_office_gateway

made=$(gateway env WGFIDO_CONFIG_DIR="$NET_TMP/gateway/etc" wgfido gateway gw-office --windows 3h --window 1h \
	--output "$NET_TMP/laptop/etc/office.windows") || fail "no window keys"
ok "the gateway makes its window keys"
sed -n '/^WindowKeys = /p' <<<"$made" >>"$NET_TMP/gateway/etc/gw-office.conf"
echo "WindowKeysFile = $NET_TMP/laptop/etc/office.windows" >>"$NET_TMP/laptop/etc/office.conf"
check_eq "the line for its [Peer]" "$(tail -n 1 "$NET_TMP/gateway/etc/gw-office.conf")" "WindowKeys = 1h"

# all_at SECONDS: broker and agents begin again, so long before a full hour
all_at() {
	local now=''

	net_stop gateway-agent
	net_stop wgfido-rotate
	net_stop wgfidod
	now=$(date +%s)
	off=$((3600 - now % 3600 - $1))
	STAGE_LAPTOP_ENV="LD_PRELOAD=$NET_TMP/clock-off.so CLOCK_OFF=$off ASAN_OPTIONS=verify_asan_link_order=0"
	stage_broker --no-udev
	stage_agent
	# shellcheck disable=SC2086 # words
	net_start gateway gateway-agent env $STAGE_LAPTOP_ENV "$NET_BUILD/agent/wgfido-rotate" --gateway \
		--config-dir "$NET_TMP/gateway/etc" --run-dir "$NET_TMP/gateway/run"
	eventually stage_token_known blue || fail "the broker does not see the key again"
}
# By the clock that the broker has.
left() { echo $((3600 - ($(date +%s) + off) % 3600)); }
same() { [ "$(psk_of laptop office)" = "$(psk_of gateway gw-office)" ]; }
# The shortest that a slow machine does in time; if it does not, once more with a longer one.
opened() {
	laptop wgfido approve office >"$NET_TMP/approve.log" 2>&1 && wg_pings laptop 10.7.0.2 "$1" && [ "$(left)" -le "$1" ]
}
for before in 15 60 300 0; do
	[ $before -gt 0 ] || fail "not approved, or no packet, before the window's end: $(cat "$NET_TMP/approve.log")"
	all_at $before
	! opened $before || break
done
ok "approves, and a packet passes, $(left) s before the window ends"
until_s() { laptop wgfido status --json | jq -r '.tunnels[] | select(.interface == "office") | .approved_until // empty' 2>/dev/null; }
echo "# approved until: $(until_s)"

check "at its end the tunnel closes" wait_for $((before + NET_PATIENCE)) is_state office closed
[ "$(left)" -gt 3000 ] || fail "that was $(left) s before it"
echo "# closed $((3600 - $(left))) s after the full hour, as whole seconds have it: $(agent_state office .reason)"
check_not "no packet" wg_pings laptop 10.7.0.2 1
# That its PSK has changed is no sign of it: it does with each slot.
hour=$((($(date +%s) + off) / 3600 * 3600))
moved() {
	local slot=''

	slot=$(gateway_state gw-office '.peers[0].slot')
	[ $((${slot:-0} * STAGE_SLOT)) -ge $hour ]
}
check "the gateway is in the next window" eventually moved
check_not "whose PSK nobody here has" same
check_not "still none" wg_pings laptop 10.7.0.2 1
check_not "nor back" wg_pings gateway 10.7.0.1 1
check "approved anew" laptop wgfido approve office
check "packets pass in the next window" wg_pings laptop 10.7.0.2
check "with the same PSK at both ends" eventually same

# A file of other times: there is no window to approve in, and the user is told what to do.
gateway env WGFIDO_CONFIG_DIR="$NET_TMP/gateway/etc" wgfido gateway gw-office --windows 3h --from 2020-01-01 \
	--output "$NET_TMP/laptop/etc/office.windows" >/dev/null 2>&1 || fail "no window keys of another time"
laptop wgfido revoke office >/dev/null
stage_reload
check_not "no approval without a window for now" sh -c 'ip netns exec laptop wgfido approve office >"$1" 2>&1' sh "$NET_TMP/refused.log"
check "it says why, and what helps" grep -q "wgfido gateway" "$NET_TMP/refused.log"
check_not "and no packet" wg_pings laptop 10.7.0.2 1
