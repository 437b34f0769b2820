#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A token at both ends, each machine with a broker, an agent and a bus of its own. In step without an offset; and with one clock
# off by a slot and a quarter, the side with the greater token public key finds the other one's slot, which never hunts.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/stage.sh"
net_reexec "$@"
# shellcheck disable=SC2086
set -- ${CC:-cc} && net_need "$1"

SLOT=120
DESK=$NET_TMP/desk

# The second machine, in the stage's namespace "gateway".
on_desk() {
	DBUS_SYSTEM_BUS_ADDRESS=unix:path=$DESK/bus WGFIDO_CONFIG_DIR=$DESK/etc WGFIDO_AGENT_RUNDIR=$DESK/run \
		WGFIDO_WIREGUARD_CONFDIR=$DESK/wireguard "$@"
}
desk() { on_desk gateway "$@"; }
desk_state() { jq -r "$2" "$DESK/run/$1.json" 2>/dev/null; }
desk_answers() { desk wgfido status >/dev/null 2>&1; }
desk_token_known() { desk wgfido tokens 2>/dev/null | grep -q green; }
# With clocks that differ by so many seconds: the broker's and the agent's.
desk_start() {
	local clock=(env)

	# The option is for a build with sanitizers, which want to be loaded first.
	[ "$1" = 0 ] || clock=(env LD_PRELOAD="$NET_TMP/clock-off.so" CLOCK_OFF="$1"
		ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0")
	on_desk net_start - desk-broker "${clock[@]}" "$NET_BUILD/daemon/wgfidod" --agent-uid 0 --config-dir "$DESK/etc" \
		--state-dir "$DESK/state" --token-worker "$NET_BUILD/token/wgfido-token" --soft-tokens "$DESK/soft" --no-udev
	eventually desk_answers || fail "the second broker does not start"
	on_desk net_start gateway desk-agent "${clock[@]}" "$NET_BUILD/agent/wgfido-rotate" --config-dir "$DESK/etc" \
		--run-dir "$DESK/run"
	eventually grep -qw ready "$NET_TMP/desk-agent.log" || fail "the second agent does not start"
}
desk_stop() {
	net_stop desk-agent
	net_stop desk-broker
}
# guard FILE OWN OTHER [TOKEN]
guard() {
	cat >"$1" <<-CONF
		[Interface]
		Mode = psk
		PublicKey = $(cat "$NET_TMP/$2.pub")
		SlotSeconds = $SLOT
		[Peer]
		PublicKey = $(cat "$NET_TMP/$3.pub")
		${4:+TokenPublicKey = $4}
	CONF
}
# tunnel NAME OTHER ENDPOINT ADDRESS
tunnel() {
	cat <<-CONF
		[Interface]
		PrivateKey = $(cat "$NET_TMP/$1.key")
		ListenPort = 51820
		[Peer]
		PublicKey = $(cat "$NET_TMP/$2.pub")
		Endpoint = $3:51820
		AllowedIPs = $4/32
	CONF
}
both_reload() {
	net_reload wgfidod desk-broker wgfido-rotate desk-agent
}
hex() { base64 -d <<<"$1" | od -An -v -tx1 | tr -d ' \n'; }
same_psk() { [ "$(psk_of laptop office)" = "$(psk_of gateway home)" ]; }
laptop_seen() { agent_state office ".peers[0].$1"; }
desk_seen() { desk_state home ".peers[0].$1"; }
seen() { [ "$($1 state)" = "$2" ]; }

# shellcheck disable=SC2086 # CC may have arguments
${CC:-cc} -shared -fPIC -O2 -o "$NET_TMP/clock-off.so" "$NET_SRC/tests/net/clock-off.c" || fail "no shared object"
stage_set --no-udev
mkdir -p "$DESK"/{etc,state,run,soft,wireguard}
sed "s|unix:path=$NET_TMP/bus|unix:path=$DESK/bus|" "$NET_TMP/bus.conf" >"$DESK/bus.conf"
net_start - desk-bus dbus-daemon --config-file="$DESK/bus.conf" --nofork --print-address
eventually grep -q unix: "$NET_TMP/desk-bus.log" || fail "the second dbus-daemon does not start"
desk_start 0

wg_keys office >/dev/null
wg_keys home >/dev/null
guard "$NET_TMP/laptop/etc/office.conf" office home
guard "$DESK/etc/home.conf" home office
both_reload
stage_plug blue
net_start - key-green wgfido-softtoken run --state "$NET_TMP/green.key" --socket "$DESK/soft/green" --name green --quiet --touch auto
eventually desk_token_known || fail "the second broker does not see its key"
check "enrols at the one end" laptop wgfido enroll office --yes
check "and at the other" desk wgfido enroll home --yes
laptop_token=$(laptop wgfido pubkey office)
desk_token=$(desk wgfido pubkey home)
guard "$NET_TMP/laptop/etc/office.conf" office home "$desk_token"
guard "$DESK/etc/home.conf" home office "$laptop_token"
both_reload
tunnel office home 192.0.2.2 10.7.0.2 >"$NET_TMP/office.wg"
tunnel home office 192.0.2.1 10.7.0.1 >"$NET_TMP/home.wg"
wg_up laptop office 10.7.0.1/32 "$NET_TMP/office.wg"
wg_up gateway home 10.7.0.2/32 "$NET_TMP/home.wg"
ip -n laptop route add 10.7.0.2/32 dev office
ip -n gateway route add 10.7.0.1/32 dev home
check "closed" eventually is_state office closed
check "approves at the one end" laptop wgfido approve office
check_not "no packet by one touch of the two" wg_pings laptop 10.7.0.2 2
check "approves at the other" desk wgfido approve home
check "two touches open it" wg_pings laptop 10.7.0.2
check "both ends derived the same PSK" eventually same_psk
check "the handshake confirms it" eventually seen laptop_seen rotated
check "at the other end too" eventually seen desk_seen rotated
check_eq "no offset" "$(laptop_seen offset) $(desk_seen offset)" "0 0"

# The second machine's clock alone is off, so that it is the hunter that is behind: forward there are five slots to try, back one.
if [[ $(hex "$laptop_token") > $(hex "$desk_token") ]]; then
	hunter=laptop_seen other=desk_seen off=150
	pings() { wg_pings gateway 10.7.0.1 300; }
else
	hunter=desk_seen other=laptop_seen off=-150
	pings() { wg_pings laptop 10.7.0.2 300; }
fi
echo "# ${hunter%_seen} hunts"
check "closes" laptop wgfido revoke office
desk_stop
desk_start "$off"
check "approves" laptop wgfido approve office
check "and at the end whose clock is off by $off s" desk wgfido approve home
hunted=$NET_TMP/hunted
(until [ -e "$hunted.end" ]; do "$other" state; sleep 0.2; done >"$hunted.other") &
watcher=$!
# Pings start handshakes, which the hunter sees fail.
# Most of the time it is one slot. Where that changes in the middle of its try, the next round finds it.
check "opens" pings
found() { [ "$("$hunter" offset)" -gt 0 ]; }
check "the hunter knows by how many slots" eventually found
echo "# offset: $("$hunter" offset) slots"
check "it is confirmed" eventually seen "$hunter" rotated
touch "$hunted.end"
wait "$watcher"
check_eq "the other side has no offset" "$("$other" offset)" 0
check_not "and never hunted" grep -q hunting "$hunted.other"
check "closes at the end" desk wgfido revoke home
check_not "and no packet passes" wg_pings laptop 10.7.0.2 2
