#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A key that never leaves its token is replaced while the tunnel is open: the next key is tried beside the present one, serves each
# gateway that has it, and takes the present one's place when all have it. Nobody presses a button, and no session ends by it.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/stage.sh"
net_reexec "$@"
net_need_userspace
net_need wg-quick busctl

property() { busctl --system get-property org.wgfido1 /org/wgfido1/tunnel/home org.wgfido1.Tunnel "$1" | cut -d '"' -f 2; }
has_key() { [ "$(property PublicKey)" = "$1" ]; }
is() { [ "$(agent_state home .state)" = "$1" ]; }

stage_set --no-udev
stage_resident
check "approves" laptop wgfido approve home
check "a packet passes" wg_pings laptop 10.8.0.2 10
check "and with the other gateway" wg_pings laptop 10.8.0.3 10
old=$(property PublicKey)
check "makes the next key" laptop wgfido rekey home --yes
next=$(property NextPublicKey)
check_not "which is another one" [ "$next" = "$old" ]
check "the tunnel stays open" wg_pings laptop 10.8.0.2 2
tried() { grep -q "next key, which is tried" "$NET_TMP/wgfido-tunnel.log"; }
check "and tries the next" wait_for 5 tried

start=$(now_ms)
gateway wg set plain peer "$next" allowed-ips 10.8.0.1/32
check "the gateway has it: packets pass again" wg_pings laptop 10.8.0.2 15
echo "# $(($(now_ms) - start)) ms until the first packet under the next key"
by_next() { [ "$(wg_handshake gateway plain "$next")" != 0 ]; }
check "by a handshake with it" by_next
gateway wg set plain peer "$old" remove
check "and do so without the old one there" wg_pings laptop 10.8.0.2 2
check "the other gateway knows the old one only, and goes on" wg_pings laptop 10.8.0.3 2
check "so it is still the tunnel's" has_key "$old"

net_in gateway2 wg set plain2 peer "$next" allowed-ips 10.8.0.1/32
check "the other gateway has it too: packets pass" wg_pings laptop 10.8.0.3 15
check "now it takes the old one's place" wait_for 10 has_key "$next"
check "there is no next one any more" [ -z "$(property NextPublicKey)" ]
check "a packet passes" wg_pings laptop 10.8.0.2 2
check "and with the other gateway" wg_pings laptop 10.8.0.3 2
check "open all the time" wait_for 3 is open
check_not "and never told as closed" grep -q "home: closed.*another key" "$NET_TMP/wgfido-rotate.log"
says_so() { laptop wgfido status | grep -q "open, no handshake since its key changed, last handshake"; }
check "status says what is known of the new key" says_so
check_eq "wg shows its handle" "$(laptop wg show home private-key)" "$(property Handle)"
out=$(laptop wgfido revoke home && wg_pings laptop 10.8.0.2 1 || echo closed)
check_eq "revoke closes it as before" "${out##*$'\n'}" closed
check "approves" laptop wgfido approve home
check "and opens, with the new key" wg_pings laptop 10.8.0.2 15
