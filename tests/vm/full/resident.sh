# SPDX-License-Identifier: GPL-2.0-or-later
# A private key that never leaves its token on the whole system, as the README says it: a handle in the wg-quick file, wgfido-tunnel@
# in the place of wg-quick@, the gateway the kernel's WireGuard. Whom the process is, what it may, and how it closes.
. "$top_srcdir/tests/vm/full-lib.sh"
full_system

wg_keys plain >/dev/null
full_plug blue
handle=$(wgfido genkey --resident) || fail "no key was made"
case $handle in
wgfido/resident/*) ok "genkey prints a handle" ;;
*) fail "no handle: $handle" ;;
esac
pub=$(wgfido pubkey <<<"$handle") || fail "pubkey"
cat >/etc/wireguard/home.conf <<-CONF
	[Interface]
	PrivateKey = $handle
	Address = 10.8.0.1/32
	[Peer]
	PublicKey = $(cat "$NET_TMP/plain.pub")
	Endpoint = 192.0.2.2:51821
	AllowedIPs = 10.8.0.2/32
CONF
chmod 600 /etc/wireguard/home.conf
cat >"$NET_TMP/gateway/plain.conf" <<-CONF
	[Interface]
	PrivateKey = $(cat "$NET_TMP/plain.key")
	ListenPort = 51821
	[Peer]
	PublicKey = $pub
	AllowedIPs = 10.8.0.1/32
CONF
wg_up gateway plain 10.8.0.2/32 "$NET_TMP/gateway/plain.conf"
ip -n gateway route add 10.8.0.1/32 dev plain

check "enrols" wgfido enroll home --resident --yes
check_eq "the key is the handle's" "$(wgfido pubkey home)" "$pub"
check "its unit starts" systemctl enable --quiet --now wgfido-tunnel@home
pid=$(full_main_pid wgfido-tunnel@home)
check_eq "not dumpable: what /proc has of it is root's" "$(stat -c %U "/proc/$pid/mem")" root
field() { sed -n "s/^$1:[[:space:]]*//p" "/proc/$pid/status"; }
check_eq "it is the agent's user" "$(field Uid | cut -f 1-4)" "$(for _ in 1 2 3 4; do id -u wgfido-net; done | paste -s)"
check_eq "and its group, and no other" "$(field Gid | cut -f 1) $(field Groups)" "$(id -g wgfido-net) "
check_eq "CAP_NET_ADMIN, for now" "$(field CapEff)" 0000000000001000
check_eq "and for good" "$(field CapBnd) $(field CapPrm) $(field CapInh)" "0000000000001000 0000000000001000 0000000000000000"
check_eq "no new privileges" "$(field NoNewPrivs)" 1
check_eq "a filter of system calls" "$(field Seccomp)" 2
check_eq "no core dump" "$(awk '/core file size/ { print $5 }' "/proc/$pid/limits")" 0
check_not "nobody of its user reads its memory" setpriv --reuid wgfido-net --regid wgfido-net --clear-groups head -c 1 "/proc/$pid/mem"
check_eq "the socket" "$(stat -c '%G %a' /run/wireguard/home.sock)" "wgfido-net 660"
check "the agent's user may use it" setpriv --reuid wgfido-net --regid wgfido-net --clear-groups --inh-caps=-all wg show home
getent passwd alice >/dev/null || useradd alice
check_not "others may not" setpriv --reuid alice --regid alice --init-groups --inh-caps=-all wg show home
check "the interface is no kernel WireGuard" sh -c 'ip -d link show home | grep -q " tun type tun"'

check "the agent says that it is closed" eventually is_state home closed
check_not "no packet before approval" wg_pings laptop 10.8.0.2 1
check "approves" wgfido approve home
check "a packet passes" wg_pings laptop 10.8.0.2
check "the agent says that it is open" eventually is_state home open
check_eq "wg shows the handle" "$(wg show home private-key | cut -c 1-16)" wgfido/resident/
gateway wg set plain peer "$pub" remove
gateway wg setconf plain "$NET_TMP/gateway/plain.conf"
gateway wg set plain peer "$pub" endpoint 192.0.2.1:"$(wg show home listen-port)"
check "a handshake that the gateway begins" wg_pings gateway 10.8.0.1

out=$("$NET_BUILD/bench/flow" --a /run/netns/laptop,10.8.0.1 --b /run/netns/gateway,10.8.0.2 --interval-us 2000 --pull "$(net_pid key-blue)") ||
	fail "the flow through the tunnel"
ok "pulled; last packet after: $out (us)"
wait "$(net_pid key-blue)" || :
check "closed" eventually is_state home closed
check_not "no packet" wg_pings laptop 10.8.0.2 1
check_not "none back" wg_pings gateway 10.8.0.1 1

again() {
	check "$1: approves" wgfido approve home
	check "$1: a packet passes" wg_pings laptop 10.8.0.2
}
full_plug blue
again "plugged in again"
systemctl restart wgfidod
check "the broker restarted: closed" eventually is_state home closed
check_not "no packet" wg_pings laptop 10.8.0.2 1
eventually full_token_known blue || fail "the broker does not see the key"
again "broker back"
kill -KILL "$(full_main_pid wgfido-tunnel@home)"
back() { [ "$(full_main_pid wgfido-tunnel@home)" != "$pid" ] && systemctl is-active -q wgfido-tunnel@home && wg show home >/dev/null 2>&1; }
check "killed, it comes back" eventually back
check "with the approval that there is, a packet passes" wg_pings laptop 10.8.0.2
check "wgfido lock" wgfido lock
check_not "no packet" wg_pings laptop 10.8.0.2 1
check "doctor has nothing to say of it" sh -c '! wgfido doctor 2>&1 | grep -i home | grep -iE "fail|warn"'
systemctl disable --quiet --now wgfido-tunnel@home
gone() { ! ip link show dev home >/dev/null 2>&1 && ! [ -e /run/wireguard/home.sock ]; }
check "stopped: interface and socket are gone" eventually gone
