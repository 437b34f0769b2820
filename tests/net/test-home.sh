#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# identity mode: protect on a real wg-quick file, a gateway that knows nothing of wgfido, unprotect.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/stage.sh"
net_reexec "$@"
net_need wg-quick

stage_set --no-udev
stage_home
conf=$NET_TMP/laptop/wireguard/home.conf
cp "$conf" "$NET_TMP/home.before"
stage_plug blue
check "protects" laptop wgfido protect home --yes
check_not "the private key is no longer in the file" grep -qFf "$NET_TMP/home.key" "$conf"
check_eq "its mode is kept" "$(stat -c %a "$conf")" 600
check_not "nor in the key file" grep -rqFf "$NET_TMP/home.key" "$NET_TMP/laptop/state"
check_eq "pubkey is the interface's" "$(laptop wgfido pubkey home)" "$(cat "$NET_TMP/home.pub")"

stage_home_up
check "comes up closed" eventually is_state home closed
check_eq "without a private key" "$(laptop wg show home private-key)" "(none)"
check_not "no packet before approval" wg_pings laptop 10.8.0.2 1
check "approves" laptop wgfido approve home
check "a packet passes" wg_pings laptop 10.8.0.2
check "open" eventually is_state home open

out=$("$NET_BUILD/bench/flow" --a "/run/netns/laptop,10.8.0.1" --b "/run/netns/gateway,10.8.0.2" --pull "$(net_pid key-blue)") ||
	fail "the flow through the tunnel"
ok "pulled: $out (us to the last packet)"
check "closed" eventually is_state home closed
check_eq "the private key is gone from WireGuard" "$(laptop wg show home private-key)" "(none)"
check_not "no packet without the key" wg_pings laptop 10.8.0.2 1
check_not "nor from the gateway" wg_pings gateway 10.8.0.1 1

# Somebody puts a private key in while the tunnel is closed.
laptop wg set home private-key "$NET_TMP/home.key"
none() { [ "$(laptop wg show home private-key)" = "(none)" ]; }
check "a private key that appears in a closed tunnel is cleared" eventually none

stage_plug blue
check "approves again" laptop wgfido approve home
check "opens again" wg_pings laptop 10.8.0.2
check "unprotects with a fresh touch" laptop wgfido unprotect home
check "the file is as before, to the byte" cmp "$conf" "$NET_TMP/home.before"
check_not "the key file is gone" test -e "$NET_TMP/laptop/state/keys/home.key"
check_not "and the guard" test -e "$NET_TMP/laptop/etc/home.conf"
unguarded() { ! [ -e "$NET_TMP/laptop/run/home.json" ]; }
check "the agent no longer guards it" eventually unguarded
laptop wg set home private-key "$NET_TMP/home.key"
check "a plain tunnel again" wg_pings laptop 10.8.0.2

# protect of a tunnel that is up: as long as nothing is enrolled it stays up, and is closed once the key is in the key file.
stage_unplug blue
check_not "protects without a key" laptop wgfido protect home --yes
check "and leaves the tunnel open" wg_pings laptop 10.8.0.2
check "and the file as it was" cmp "$conf" "$NET_TMP/home.before"
stage_plug blue
check "protect with the tunnel up" laptop wgfido protect home --yes
check "closes it" eventually is_state home closed
check_not "no packet" wg_pings laptop 10.8.0.2 1
check "approves" laptop wgfido approve home
check "and opens it" wg_pings laptop 10.8.0.2
