#!/usr/bin/env bash
# The story that ./demo tells. Runs as root of its own network, mount and process namespaces: demo-story.sh TMP MODE BUILD.
# MODE: auto, touch, key.
set -u

. tests/net/lib.sh
. tests/net/stage.sh
# shellcheck disable=SC2034 # NET_* are the library's
NET_TMP=$1 mode=$2 NET_BUILD=$3
export PATH=$NET_BUILD/client:$NET_BUILD/token/soft:$PATH:/usr/sbin:/sbin
unset DBUS_SESSION_BUS_ADDRESS
# The first process of a pid namespace gets only the signals that it asked for.
trap 'exit 130' INT
trap 'exit 143' TERM HUP

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' off=$'\e[0m'
else
	bold='' dim='' green='' red='' off=''
fi
chapter() { printf '\n%s%s%s\n' "$bold" "$*" "$off"; }
tell() { printf '  %s\n' "$*"; }
good() { printf '  %s+ %s%s\n' "$green" "$*" "$off"; }
# Replaces the library's: the story's own words, then the logs.
fail() {
	printf '  %s- %s%s\n' "$red" "$*" "$off" >&2
	tail -n 15 "$NET_TMP"/*.log >&2 2>/dev/null
	exit 1
}
# Shows a command as one would type it, and runs it on the laptop.
run() {
	printf '  %s$ %s%s\n' "$dim" "${*/$NET_TMP\/laptop\/wireguard/\/etc\/wireguard}" "$off"
	laptop "$@" 2>&1 | sed 's/^/    /'
	return "${PIPESTATUS[0]}"
}
passes() { wg_pings laptop "$1" "${2:-1}"; }
# --- the stage ---------------------------------------------------------------------------------------------------
mount -t tmpfs -o mode=755 tmpfs /run
[ /var/run -ef /run ] || mount --bind /run /var/run
mkdir -p /run/netns /run/wireguard
udev=--no-udev
[ "$mode" != key ] || udev=--debug
stage_set $udev
if ip -n laptop link add probe type wireguard 2>/dev/null; then
	ip -n laptop link del probe
	NET_WG=kernel kind="the kernel's WireGuard"
else
	# shellcheck disable=SC2034
	NET_WG=userspace kind="wireguard-go (this kernel has no WireGuard)"
	(: <>/dev/net/tun) 2>/dev/null ||
		fail "this kernel has no WireGuard, and /dev/net/tun, which wireguard-go needs, is not there either: try modprobe tun"
fi

plug() { # plug NAME: a software key appears
	[ "$mode" != key ] || {
		read -rp "  Plug in the security key \"$1\" and press Enter "
		return
	}
	local touch=auto
	[ "$mode" != touch ] || touch=manual
	stage_plug "$1" --touch $touch
}
touching() { # touching COMMAND...: runs it while the person (--touch) presses Enter
	if [ "$mode" = touch ]; then
		local socket
		run "$@" &
		local job=$!
		while kill -0 $job 2>/dev/null; do
			for socket in "$NET_TMP"/soft/*.ctl; do
				[ "$(wgfido-softtoken status --socket "${socket%.ctl}" 2>/dev/null)" = touch ] || continue
				read -rsp "  The key blinks: press Enter to touch it " </dev/tty
				echo
				wgfido-softtoken touch --socket "${socket%.ctl}" --timeout 5
			done
			sleep 0.1
		done
		wait $job
	else
		run "$@"
	fi
}

# Pulls the key while packets pass both ways, and says for how long they went on.
pull() { # pull KEY IFACE LAPTOP-IP GATEWAY-IP
	if [ "$mode" = key ]; then
		tell "Now pull the key out."
		wait_for 120 is_state "$2" closed || fail "the tunnel did not close"
		good "closed"
		return
	fi
	local out forth back
	out=$("$NET_BUILD/bench/flow" --a "/run/netns/laptop,$3" --b "/run/netns/gateway,$4" --pull "$(net_pid "key-$1")") || fail "no packets to watch"
	read -r _ forth _ back <<<"$out"
	good "$(awk -v f="$forth" -v b="$back" 'BEGIN { printf "the last packet passed %.1f ms (out) and %.1f ms (in) after the key was pulled", f/1000, b/1000 }')"
}

# --- the story ---------------------------------------------------------------------------------------------------
chapter "1. A laptop, a gateway, a security key"
STAGE_SLOT=5
stage_office
tell "Both ends run $kind."
plug blue
touching wgfido enroll office --yes || fail "enrolment failed"
tell "The gateway's admin gets these lines, and needs no key, no broker and no bus:"
run wgfido gateway office
stage_office_gateway

chapter "2. The tunnel is there, and closed"
wait_for 5 is_state office closed || fail "the agent does not guard the tunnel"
passes 10.7.0.2 && fail "a packet passed before anybody approved"
good "ping 10.7.0.2: no answer"

chapter "3. A touch opens it"
touching wgfido approve office || fail "approval failed"
wait_for 10 passes 10.7.0.2 || fail "no ping through the approved tunnel"
good "ping 10.7.0.2: $(laptop ping -n -c 2 -i 0.2 10.7.0.2 | sed -n 's/.*time=//p' | tail -n 1)"
run wgfido status

chapter "4. The preshared key changes, and a handshake confirms it"
tell "Here a slot lasts 5 s (normally 120 s). The PSK in WireGuard, hidden to all but its hash:"
hash_psk() { laptop wg show office preshared-keys | sha256sum | cut -c 1-16; }
first=$(hash_psk)
tell "  now:       $first"
changed() { [ "$(hash_psk)" != "$first" ]; }
wait_for 12 changed || fail "the PSK did not change"
tell "  next slot: $(hash_psk)"
tell "The gateway's WireGuard forgets its sessions, so that a handshake must use the new PSK now and not in 2 minutes:"
before=$(laptop wg show office latest-handshakes | cut -f 2)
sleep 1.1
stage_forget_sessions
gateway ping -q -n -c 1 -W 1 10.7.0.1 >/dev/null
later() { [ "$(laptop wg show office latest-handshakes | cut -f 2)" -gt "$before" ]; }
wait_for 12 later || fail "no handshake with the new PSK"
confirmed() { agent_state office '.peers[0].state' | grep -qx rotated; }
wait_for 6 confirmed || fail "the agent does not confirm the rotation"
good "handshake with the new PSK; the agent says: $(agent_state office '.peers[0].state')"

chapter "5. A backup key"
if [ "$mode" = key ]; then
	tell "(skipped with one real key; it is: wgfido keyslot add office)"
else
	plug green
	touching wgfido keyslot add office --label green --token soft-green || fail "the backup key was not added"
	stage_unplug green
	run wgfido keyslot list office
fi

chapter "6. Pull the key"
wait_for 10 passes 10.7.0.2 || fail "no ping before the key is pulled"
pull blue office 10.7.0.1 10.7.0.2
passes 10.7.0.2 && fail "a packet passed without a key"
good "ping 10.7.0.2: no answer"
run wgfido approve office && fail "approved without a key"

chapter "7. The other key opens it again"
if [ "$mode" = key ]; then plug blue; else plug green; fi
touching wgfido approve office || fail "approval with the backup key failed"
wait_for 10 passes 10.7.0.2 || fail "no ping with the backup key"
good "ping 10.7.0.2: answered"
laptop wgfido lock >/dev/null

chapter "8. The same for a gateway that knows nothing of wgfido: identity mode"
stage_home
touching wgfido protect home --yes || fail "protect failed"
run grep -n PrivateKey "$NET_TMP/laptop/wireguard/home.conf"
grep -qFf "$NET_TMP/home.key" "$NET_TMP/laptop/wireguard/home.conf" && fail "the private key is still in the file"
stage_home_up
wait_for 5 is_state home closed || fail "the agent does not guard the tunnel"
passes 10.8.0.2 && fail "a packet passed before anybody approved"
good "wg-quick up home: the tunnel is there, and closed"
touching wgfido approve home || fail "approval failed"
wait_for 10 passes 10.8.0.2 || fail "no ping through the approved tunnel"
good "ping 10.8.0.2: $(laptop ping -n -c 2 -i 0.2 10.8.0.2 | sed -n 's/.*time=//p' | tail -n 1)"
pull green home 10.8.0.1 10.8.0.2
passes 10.8.0.2 && fail "a packet passed without a key"
[ "$(laptop wg show home private-key)" = "(none)" ] && good "WireGuard no longer has the private key"

chapter "9. A private key that never leaves its token"
if [ "$mode" = key ]; then
	tell "(skipped with a real key: docs/cards.md has those that can do it)"
elif ! (: <>/dev/net/tun) 2>/dev/null; then
	tell "(skipped: there is no /dev/net/tun)"
elif [ "$(awk '{ print $3 }' /proc/self/uid_map)" = 4294967295 ]; then
	tell "(skipped: there are no user namespaces here, and wgfido-tunnel would become the user wgfido-net)"
else
	plug red
	touching wgfido genkey --resident | tee "$NET_TMP/genkey.out" || fail "no key was made"
	handle=$(sed -n 's/^ *\(wgfido\/resident\/[^ ]*\)$/\1/p' "$NET_TMP/genkey.out")
	pub=$(printf '%s\n' "$handle" | laptop wgfido pubkey) || fail "the handle gives no public key"
	tell "That is no key, but the name of one, and stands as PrivateKey in the wg-quick file. The gateway gets $pub"
	printf '[Interface]\nPrivateKey = %s\nAddress = 10.9.0.1/32\n[Peer]\nPublicKey = %s\nEndpoint = 192.0.2.2:51829\nAllowedIPs = 10.9.0.2/32\n' \
		"$handle" "$(wg_keys safe)" >"$NET_TMP/laptop/wireguard/safe.conf"
	chmod 600 "$NET_TMP/laptop/wireguard/safe.conf"
	printf '[Interface]\nPrivateKey = %s\nListenPort = 51829\n[Peer]\nPublicKey = %s\nAllowedIPs = 10.9.0.1/32\n' \
		"$(cat "$NET_TMP/safe.key")" "$pub" >"$NET_TMP/gateway-safe.conf"
	wg_up gateway safe 10.9.0.2/32 "$NET_TMP/gateway-safe.conf"
	ip -n gateway route add 10.9.0.1/32 dev safe
	touching wgfido enroll safe --resident --yes || fail "enrolment failed"
	stage_tunnel safe
	passes 10.9.0.2 && fail "a packet passed before anybody approved"
	good "wgfido-tunnel carries it: the tunnel is there, and closed"
	touching wgfido approve safe || fail "approval failed"
	wait_for 15 passes 10.9.0.2 || fail "no ping through the approved tunnel"
	good "ping 10.9.0.2: $(laptop ping -n -c 2 -i 0.2 10.9.0.2 | sed -n 's/.*time=//p' | tail -n 1), and the key answered for the handshake"
	pull red safe 10.9.0.1 10.9.0.2
	passes 10.9.0.2 && fail "a packet passed without a key"
	good "ping 10.9.0.2: no answer"
fi

chapter "That is wgfido."
tell "Took $SECONDS s. Nothing of it is left behind. README.md says how to use it for real."
