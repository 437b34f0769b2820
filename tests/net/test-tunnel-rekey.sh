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
check "a packet passes" wg_pings laptop 10.8.0.2
check "and with the other gateway" wg_pings laptop 10.8.0.3
old=$(property PublicKey)
check "makes the next key" laptop wgfido rekey home --yes
next=$(property NextPublicKey)
check_not "which is another one" [ "$next" = "$old" ]
check "the tunnel stays open" wg_pings laptop 10.8.0.2
tried() { grep -q "next key, which is tried" "$NET_TMP/wgfido-tunnel.log"; }
check "and tries the next" eventually tried

start=$(now_ms)
gateway wg set plain peer "$next" allowed-ips 10.8.0.1/32
check "the gateway has it: packets pass again" wg_pings laptop 10.8.0.2
echo "# $(($(now_ms) - start)) ms until the first packet under the next key"
by_next() { [ "$(wg_handshake gateway plain "$next")" != 0 ]; }
check "by a handshake with it" by_next
gateway wg set plain peer "$old" remove
check "and do so without the old one there" wg_pings laptop 10.8.0.2
check "the other gateway knows the old one only, and goes on" wg_pings laptop 10.8.0.3
check "so it is still the tunnel's" has_key "$old"

net_in gateway2 wg set plain2 peer "$next" allowed-ips 10.8.0.1/32
check "the other gateway has it too: packets pass" wg_pings laptop 10.8.0.3
check "now it takes the old one's place" eventually has_key "$next"
check "there is no next one any more" [ -z "$(property NextPublicKey)" ]
check "a packet passes" wg_pings laptop 10.8.0.2
check "and with the other gateway" wg_pings laptop 10.8.0.3
check "open all the time" eventually is open
check_not "and never told as closed" grep -q "home: closed.*another key" "$NET_TMP/wgfido-rotate.log"
confirmed() { [ "$(agent_state home '[.peers[] | .name + " " + .state] | sort | join(", ")')" = "$1" ]; }
check "and soon each is known to have the new key" eventually confirmed "gateway rotated, gateway2 rotated"
check_eq "wg shows its handle" "$(laptop wg show home private-key)" "$(property Handle)"
check "revoke" laptop wgfido revoke home
check_not "closes it as before" wg_pings laptop 10.8.0.2 1
check "approves" laptop wgfido approve home
check "and opens, with the new key" wg_pings laptop 10.8.0.2
check "with the other gateway too" wg_pings laptop 10.8.0.3

# Committed by somebody while one gateway has the new key and the other has not: no session ends by that, and where the new key is known it
# is soon shown to be.
check "makes another next key" laptop wgfido rekey home --yes
next=$(property NextPublicKey)
net_start laptop pings ping -n -i 0.05 10.8.0.2
net_start laptop pings2 ping -n -i 0.05 10.8.0.3
check "packets flow" eventually grep -q icmp_seq=2 "$NET_TMP/pings2.log"
gateway wg set plain peer "$next" allowed-ips 10.8.0.1/32
check "commits it" laptop wgfido rekey home --commit --yes
check "it is the tunnel's" eventually has_key "$next"
says_so() { laptop wgfido status | grep -q "gateway2.*open, no handshake since its key changed, last handshake"; }
check "the gateway that has it is known to have it" eventually confirmed "gateway rotated, gateway2 open"
check "status says what is known of the other" eventually says_so
many() { [ "$(grep -c icmp_seq "$NET_TMP/pings2.log")" -gt 160 ]; }
check "packets go on" eventually many
net_stop pings INT
net_stop pings2 INT
read -r sent lost twice < <(net_lost <"$NET_TMP/pings2.log")
echo "# $sent packets to the other"
check_eq "no packet to the other is lost, none comes twice" "$lost $twice" "0 0"
read -r sent lost twice < <(net_lost <"$NET_TMP/pings.log")
echo "# $lost of $sent packets to the one, which let the old key go when it took the new one"
net_in gateway2 wg set plain2 peer "$next" allowed-ips 10.8.0.1/32
check "which is told of it, and then has it" eventually confirmed "gateway rotated, gateway2 rotated"
