# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# A tunnel of either mode on the installed system, on top of full-lib.sh: "office" (psk) and "home" (identity), opened and closed
# by the one key "blue".
#
#	both_enrol		after full_system: both tunnels, with their gateways
#	both_ready		the broker answers and knows the key
#	open_both		approves both, and a packet passes in both
#	passes			a packet passes in both, both ways
#	closes WHAT MS CMD...	both are open and packets flow; CMD is run; prints how long packets passed, and fails where that
#				was longer than MS, where one passes after, or where a key is left in WireGuard. CMD that ends in --back:
#				something opens them again at once, so that only the time of silence is looked at
#	unit_kill SIGNAL UNIT	its main process

both_ready() { full_token_known blue; }

both_enrol() {
	STAGE_SLOT=120
	stage_office
	stage_home
	full_plug blue
	wgfido enroll office --yes >/dev/null || fail "office does not enrol"
	wgfido protect home --yes >/dev/null || fail "home is not protected"
	stage_office_gateway
	stage_home_up
}

passes() {
	local office=''

	wg_pings laptop 10.7.0.2 &
	office=$!
	wg_pings laptop 10.8.0.2 && wait $office
}

open_both() {
	local out

	out=$(wgfido approve office 2>&1 && wgfido approve home 2>&1) || fail "no approval: $out"
	passes || fail "approved, but no packet passes: $(wgfido status)"
}

unit_kill() { kill -s "$1" "$(full_main_pid "$2")"; }
freeze_both() { unit_kill STOP wgfidod && unit_kill STOP wgfido-rotate; }

# Each way at once: nobody waits for the sum of the time-outs.
silent() {
	local pids=() pid pair ok=0

	for pair in laptop,10.7.0.2 gateway,10.7.0.1 laptop,10.8.0.2 gateway,10.8.0.1; do
		wg_pings "${pair%,*}" "${pair#*,}" 0.5 &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		! wait "$pid" || ok=1
	done
	return $ok
}

both_keys() { printf '%s %s\n' "$(wg show office preshared-keys | cut -f 2)" "$(wg show home private-key)"; }

# keys_gone PSK: that one is no longer in office, and no private key in home
keys_gone() {
	local psk='' key=''

	read -r psk key < <(both_keys)
	[ -n "$psk" ] && [ "$psk" != "$1" ] && [ "$key" = "(none)" ]
}

closes() {
	local what=$1 limit=$2 back='' psk='' key='' watch='' figures=''
	local act=("${@:3}")

	if [ "${act[-1]}" = --back ]; then
		unset 'act[-1]'
		back=1
	fi
	read -r psk key < <(both_keys)
	[ "$key" = "$(cat "$NET_TMP/home.key")" ] || fail "$what: home is not open before"
	export -f unit_kill freeze_both full_main_pid
	# For what is open again a second later somebody has to look meanwhile.
	if [ -n "$back" ]; then
		eventually keys_gone "$psk" &
		watch=$!
	fi
	# shellcheck disable=SC2016 # for the other shell
	figures=$("$NET_BUILD/bench/flow" --a /run/netns/laptop,10.7.0.1 --b /run/netns/gateway,10.7.0.2 \
		--a /run/netns/laptop,10.8.0.1 --b /run/netns/gateway,10.8.0.2 --interval-us 10000 --quiet-ms 500 --packets 30 \
		--limit-ms 60000 -- bash -c '"$@"' bash "${act[@]}") || fail "$what: the flow through the tunnels"
	echo "# $what: last packet after (ms, out and in): $(awk '{ printf "%s %.0f %.0f ", NR == 1 ? "psk" : "identity", $2 / 1000, $4 / 1000 }' <<<"$figures")"
	awk -v limit="$limit" '$2 > limit * 1000 || $4 > limit * 1000 { late = 1 } END { exit late }' <<<"$figures" ||
		fail "$what: that is more than $limit ms"
	if [ -n "$back" ]; then
		wait "$watch" || fail "$what: a key is still in WireGuard"
	else
		silent || fail "$what: a packet passes"
		keys_gone "$psk" || fail "$what: a key is still in WireGuard"
	fi
	ok "$what: closed, no packet, no key in WireGuard"
}
