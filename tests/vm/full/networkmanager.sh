# SPDX-License-Identifier: GPL-2.0-or-later
# A WireGuard profile of NetworkManager from its import to the end of wgfido: set up, brought up, approved, reapplied, the key
# pulled and plugged in again, OnClose = deactivate, undone; for identity and for psk. All with the real NetworkManager and nmcli.
. "$top_srcdir/tests/vm/full-lib.sh"
full_system
nm_dir=/etc/NetworkManager/system-connections

nm_up() { nmcli -w 180 connection up "$1" >"$NET_TMP/nmcli.log" 2>&1; }
nm_is_active() { nmcli -g NAME connection show --active | grep -qx "$1"; }
nm_is_not_active() { ! nm_is_active "$1"; }
nm_has() { grep -qF -- "$2" "$nm_dir/$1.nmconnection"; }
drifts() { agent_state "$1" '.peers[0].drift_repaired'; }
no_interface() { [ ! -e "/sys/class/net/$1" ]; }

# key IFACE: what WireGuard has now, without the peer's name: the private key or the PSK
key() {
	case $1 in
	home) wg show home private-key ;;
	*) wg show "$1" preshared-keys | cut -f 2 ;;
	esac
}

# watch_key IFACE WANTED: a line "ms yes" or "ms no" for each look, until the file "watch" is gone
watch_key() {
	while net_pause 30 && [ -e "$NET_TMP/watch" ]; do
		if [ "$(key "$1")" = "$2" ]; then
			echo "$(now_ms) yes"
		else
			echo "$(now_ms) no"
		fi
	done
}

# reapplied IFACE CONNECTION: NetworkManager puts its own keys in; how long until the right one is back
reapplied() {
	local before='' wanted='' _

	wanted=$(key "$1")
	: >"$NET_TMP/spans"
	for _ in $(seq $((${VM_ROUNDS:-20} / 4))); do
		before=$(drifts "$1")
		touch "$NET_TMP/watch"
		watch_key "$1" "$wanted" >"$NET_TMP/watched" &
		nmcli -w 180 device reapply "$1" >/dev/null
		eventually is_repaired "$1" "$before" || fail "$1: reapplied, and not repaired"
		rm "$NET_TMP/watch"
		wait $! || :
		[ "$(key "$1")" = "$wanted" ] || [ "$1" != home ] || fail "$1: another key"
		awk '$2 == "no" && !from { from = $1 } $2 == "yes" && from && !to { to = $1 } END { print from ? to - from : 0 }' "$NET_TMP/watched" >>"$NET_TMP/spans"
	done
	ok "$1: reapplied $(wc -l <"$NET_TMP/spans") times, each repaired; the key was away for (ms, as seen): $(sort -n "$NET_TMP/spans" | tr '\n' ' ')"
}
# Of the journal, by whom and how often
opened() { journalctl -b -q -u wgfido-rotate --no-pager -o cat | grep -c "^$1: open$" || :; }
# Where the broker does not answer in time it is closed at once, and with OnClose = deactivate then gone: its state may be too short
# to be seen.
has_opened() { is_state "$1" open || [ "$(opened "$1")" -gt "$2" ]; }
ended_by_reload() { journalctl -b -q -u wgfidod --no-pager -o cat | grep -q "^$1: approval of uid 0 ended: reconfigured"; }
config_reads() { journalctl -b -q -u wgfido-rotate --no-pager -o cat | grep -c '^reading the configuration again' || :; }
has_read_config() { [ "$(config_reads)" -gt "$1" ]; }
is_repaired() { [ "$(drifts "$1")" -gt "$2" ] && is_state "$1" open; }

# The life of a connection that is set up: IFACE, the other end's ADDRESS.
life() {
	local iface=$1 address=$2

	check "$iface: up" nm_up "$iface"
	check "$iface: it comes up closed" eventually is_state "$iface" closed
	check_not "$iface: no packet" wg_pings laptop "$address" 1
	check "$iface: approved" wgfido approve "$iface"
	check "$iface: packets pass" wg_pings laptop "$address"
	reapplied "$iface"
	check "$iface: packets pass after that" wg_pings laptop "$address"
	vm_unplug blue
	check "$iface: unplugged: closed" eventually is_state "$iface" closed
	check_not "$iface: no packet" wg_pings laptop "$address" 1
	check "$iface: NetworkManager keeps it up" nm_is_active "$iface"
	nmcli -w 180 device reapply "$iface" >/dev/null
	sleep 1
	check_not "$iface: a reapply opens nothing" wg_pings laptop "$address" 2
	full_plug blue
	check "$iface: plugged in again and approved" wgfido approve "$iface"
	check "$iface: packets pass again" wg_pings laptop "$address"
}

# The rest of it: OnClose = deactivate.
on_close() {
	local iface=$1 address=$2 before=0

	echo "OnClose = deactivate" >"$NET_TMP/line"
	sed -i "/^Mode = /r $NET_TMP/line" "/etc/wgfido/$iface.conf"
	# Another configuration ends the approval that was given under the old one. The broker before the agent: an agent that knows of
	# OnClose already would take the interface down here, and how long it is closed and up is then a matter of luck.
	systemctl reload wgfidod
	check "$iface: reconfigured: closed" eventually is_state "$iface" closed
	check "$iface: by the broker, for that reason" eventually ended_by_reload "$iface"
	check "$iface: and still up" nm_is_active "$iface"
	before=$(config_reads)
	systemctl reload wgfido-rotate
	eventually has_read_config "$before" || fail "$iface: the agent does not read its configuration"
	check "$iface: OnClose is for what is open: still up" nm_is_active "$iface"
	before=$(opened "$iface")
	check "$iface: approved" wgfido approve "$iface"
	check "$iface: open" eventually has_opened "$iface" "$before"
	vm_unplug blue
	check "$iface: unplugged: down in NetworkManager" eventually nm_is_not_active "$iface"
	check "$iface: and its interface gone" eventually no_interface "$iface"
	sed -i '/^OnClose = /d' "/etc/wgfido/$iface.conf"
	stage_reload
	full_plug blue
	check "$iface: up again" nm_up "$iface"
	check "$iface: closed" eventually is_state "$iface" closed
	check_not "$iface: no packet" wg_pings laptop "$address" 1
	check "$iface: approved" wgfido approve "$iface"
	check "$iface: packets pass" wg_pings laptop "$address"
}

nmcli connection delete home office >/dev/null 2>&1 || :

### Without wgfido: two profiles as they are imported.
wg_keys home >/dev/null
wg_keys plain >/dev/null
wg_keys office >/dev/null
wg_keys gw-office >/dev/null
psk=$(wg genpsk)
cat >"$NET_TMP/home.conf" <<CONF
[Interface]
PrivateKey = $(cat "$NET_TMP/home.key")
Address = 10.8.0.1/32
[Peer]
PublicKey = $(cat "$NET_TMP/plain.pub")
Endpoint = 192.0.2.2:51821
AllowedIPs = 10.8.0.2/32
CONF
cat >"$NET_TMP/office.conf" <<CONF
[Interface]
PrivateKey = $(cat "$NET_TMP/office.key")
Address = 10.7.0.1/32
[Peer]
PublicKey = $(cat "$NET_TMP/gw-office.pub")
PresharedKey = $psk
Endpoint = 192.0.2.2:51820
AllowedIPs = 10.7.0.2/32
PersistentKeepalive = 25
CONF
cat >"$NET_TMP/plain.conf" <<CONF
[Interface]
PrivateKey = $(cat "$NET_TMP/plain.key")
ListenPort = 51821
[Peer]
PublicKey = $(cat "$NET_TMP/home.pub")
AllowedIPs = 10.8.0.1/32
CONF
cat >"$NET_TMP/gw-office.conf" <<CONF
[Interface]
PrivateKey = $(cat "$NET_TMP/gw-office.key")
ListenPort = 51820
[Peer]
PublicKey = $(cat "$NET_TMP/office.pub")
PresharedKey = $psk
AllowedIPs = 10.7.0.1/32
CONF
wg_up gateway plain 10.8.0.2/32 "$NET_TMP/plain.conf"
ip -n gateway route add 10.8.0.1/32 dev plain
wg_up gateway gw-office 10.7.0.2/32 "$NET_TMP/gw-office.conf"
ip -n gateway route add 10.7.0.1/32 dev gw-office
for iface in home office; do
	nmcli connection import type wireguard file "$NET_TMP/$iface.conf" >/dev/null || fail "nmcli imports nothing"
	eventually nm_is_active "$iface" || nm_up "$iface" || fail "$iface does not come up: $(cat "$NET_TMP/nmcli.log")"
done
check "home works without wgfido" wg_pings laptop 10.8.0.2
check "office works without wgfido" wg_pings laptop 10.7.0.2

### Who may do what.
getent passwd alice >/dev/null || useradd alice
check_not "alice may not set it up" setpriv --reuid alice --regid alice --init-groups wgfido nm setup home --identity --no-recovery
agent_calls() { setpriv --reuid wgfido-net --regid wgfido-net --init-groups busctl --quiet call org.freedesktop.NetworkManager "$@"; }
nm_object=$(nmcli -g DBUS-PATH,NAME connection show | sed -n 's/:home$//p')
check_not "the agent's user may not read secrets" agent_calls "$nm_object" org.freedesktop.NetworkManager.Settings.Connection GetSecrets s wireguard
check_not "nor delete a profile" agent_calls "$nm_object" org.freedesktop.NetworkManager.Settings.Connection Delete
check_not "nor switch networking off" agent_calls /org/freedesktop/NetworkManager org.freedesktop.NetworkManager Enable b false

doctor_says() {
	wgfido doctor >"$NET_TMP/doctor.log" 2>&1 || :
	grep -qF "$1" "$NET_TMP/doctor.log"
}

### identity
full_plug blue
check "home is set up" wgfido nm setup home --identity --no-recovery
check_not "its key is not in the profile" nm_has home "$(cat "$NET_TMP/home.key")"
check "the running interface is closed" eventually is_state home closed
check_eq "and has no key" "$(wg show home private-key)" "(none)"
check "doctor is content with the profile" doctor_says "home goes with NetworkManager's connection home"
check "and with the dispatcher script" doctor_says "NetworkManager runs /usr/lib/NetworkManager/dispatcher.d/90-wgfido"
life home 10.8.0.2
on_close home 10.8.0.2
check "home is undone" wgfido nm undo home
check "its key is in the profile" nm_has home "$(cat "$NET_TMP/home.key")"
check_not "wgfido has left it alone" test -e /etc/wgfido/home.conf
vm_unplug blue
check "up" nm_up home
check "it works without wgfido and without a security key" wg_pings laptop 10.8.0.2
nmcli connection delete home >/dev/null

### psk
full_plug blue
cat >/etc/wgfido/office.conf <<CONF
[Interface]
Mode = psk
PublicKey = $(cat "$NET_TMP/office.pub")
[Peer]
PublicKey = $(cat "$NET_TMP/gw-office.pub")
CONF
check "doctor finds a preshared key" doctor_says "office: NetworkManager's connection office has a preshared key"
rm /etc/wgfido/office.conf
check "office is set up" wgfido nm setup office --psk
check_not "its preshared key is not in the profile" nm_has office "$psk"
check "but in a file for the broker alone" test "$(cat /etc/wgfido/office-*.psk) $(stat -c '%U %G %a' /etc/wgfido/office-*.psk)" = "$psk root wgfido 640"
check "enrolled" wgfido enroll office --no-recovery
echo "$psk" >"$NET_TMP/gateway/psk"
chmod 600 "$NET_TMP/gateway/psk"
cat >"$NET_TMP/gateway/etc/gw-office.conf" <<CONF
[Interface]
Mode = psk
PublicKey = $(cat "$NET_TMP/gw-office.pub")
[Peer]
PublicKey = $(cat "$NET_TMP/office.pub")
TokenPublicKey = $(wgfido pubkey office)
PresharedKeyFile = $NET_TMP/gateway/psk
CONF
stage_gateway_agent
life office 10.7.0.2
# Which mode it is makes no difference to what is done about the interface: both only where there is time.
[ "${VM_ROUNDS:-20}" -lt 20 ] || on_close office 10.7.0.2
check "office is undone" wgfido nm undo office
check "its preshared key is in the profile" nm_has office "$psk"
check_not "and no file is left" sh -c 'ls /etc/wgfido | grep -q office'
net_stop gateway-agent
echo "$psk" | gateway wg set gw-office peer "$(cat "$NET_TMP/office.pub")" preshared-key /dev/stdin
vm_unplug blue
check "up" nm_up office
check "it works without wgfido and without a security key" wg_pings laptop 10.7.0.2
nmcli connection delete office >/dev/null
