# SPDX-License-Identifier: GPL-2.0-or-later
# wg-quick and its unit: up closed and opened later, up by a touch (PreUp), no touch, a wait that is called off; what wg does to a
# running interface; down and up while approved; both modes.
# vm: long
. "$top_srcdir/tests/vm/full-lib.sh"
full_system

quick_end() {
	local status=$?

	set +e
	systemctl stop wg-quick@office wg-quick@home
	rm -rf /run/systemd/system/wgfidod.service.d
	(exit $status)
	full_end
}
trap quick_end EXIT

# So that nobody waits half a minute for the touch that does not come.
mkdir -p /run/systemd/system/wgfidod.service.d
printf '[Service]\nExecStart=\nExecStart=/usr/libexec/wgfido/wgfidod --state-dir %%S/wgfido --touch-timeout-ms 6000\n' \
	>/run/systemd/system/wgfidod.service.d/timeout.conf
systemctl daemon-reload
systemctl restart wgfidod

no_interface() { [ ! -e "/sys/class/net/$1" ]; }
tunnel_is() { [ "$(wgfido status --json | jq -r --arg i "$1" '.tunnels[] | select(.interface == $i) | .state')" = "$2" ]; }
unit_is() { [ "$(systemctl show -P ActiveState "wg-quick@$1")" = "$2" ]; }
psk() { wg show office preshared-keys | cut -f 2; }
psk_is() { [ "$(psk)" = "$1" ]; }
drift_is() { [ "$(agent_state office '.peers[0].drift_repaired')" = "$1" ]; }

STAGE_SLOT=120
stage_office
ip link del office
conf=/etc/wireguard/office.conf
chmod 600 $conf
sed -i '/^PrivateKey/a Address = 10.7.0.1/32\nSaveConfig = true' $conf
full_plug blue
wgfido enroll office --yes >"$NET_TMP/enroll.log" 2>&1 || fail "it does not enrol"
check "enroll warns of SaveConfig" grep -q "SaveConfig = true in line 4 of $conf" "$NET_TMP/enroll.log"
check "doctor finds it" sh -c 'wgfido doctor | grep -q -- "-> remove line 4 of $1"' sh $conf
sed -i /SaveConfig/d $conf
stage_office_gateway

# As it comes up with the machine.
systemctl start wg-quick@office
check "the unit brings it up, closed" eventually is_state office closed
check_not "no packet" wg_pings laptop 10.7.0.2 1
check "approved later" wgfido approve office
check "packets pass" wg_pings laptop 10.7.0.2
check "open" eventually is_state office open

ours=$(psk)
systemctl reload wg-quick@office
check_eq "wg syncconf (the unit's reload) keeps the preshared key" "$(psk)" "$ours"
wg addconf office <(wg-quick strip office | sed -n '/Peer/,$p')
check_eq "wg addconf, too" "$(psk)" "$ours"
check "nothing was repaired" drift_is 0
wg setconf office <(wg-quick strip office)
start=$(now_ms)
check "wg setconf clears it, and the agent puts it back" eventually psk_is "$ours"
echo "# after $(($(now_ms) - start)) ms"
check "which status counts" eventually drift_is 1
check "packets pass" wg_pings laptop 10.7.0.2
systemctl stop wg-quick@office
check "down" eventually is_state office absent
check "down leaves the approval" tunnel_is office approved
check "and the file as it was: no preshared key in it" sh -c '! grep -qi preshared "$1"' sh $conf
systemctl start wg-quick@office
check "up again: open without a touch" eventually is_state office open
check "packets pass" wg_pings laptop 10.7.0.2
systemctl stop wg-quick@office
wgfido revoke office

# PreUp.
sed -i '/^PrivateKey/a PreUp = wgfido approve %i --wait' $conf
vm_unplug blue
systemctl start --no-block wg-quick@office
check "PreUp: waits for a security key" eventually tunnel_is office waiting
check "no interface yet" no_interface office
full_plug blue --touch manual
check "plugged in: a touch is wanted" eventually tunnel_is office touch-needed
vm_touch blue
check "touched: the unit is up" eventually unit_is office active
check "and open" eventually is_state office open
check "packets pass" wg_pings laptop 10.7.0.2
systemctl stop wg-quick@office
wgfido revoke office

check_not "no touch in time: wg-quick up fails" wg-quick up office
check "nothing came up" no_interface office
check "nothing is approved" tunnel_is office locked
vm_unplug blue
systemctl start --no-block wg-quick@office
eventually tunnel_is office waiting || fail "it does not wait"
systemctl stop wg-quick@office
check "stopped while it waits: nobody waits any more" eventually tunnel_is office locked
check "nothing came up" no_interface office
# In a process group of its own, as a terminal has it; bash has its background ignore SIGINT, which env takes back.
setsid -f env --default-signal=INT sh -c 'echo $$ >"$1/quick.pid"; exec wg-quick up office' sh "$NET_TMP" >"$NET_TMP/quick.log" 2>&1
eventually tunnel_is office waiting || fail "it does not wait"
kill -INT -- "-$(net_pid quick)"
rm "$NET_TMP/quick.pid"
check "interrupted while it waits: nobody waits any more" eventually tunnel_is office locked
check "nothing came up" no_interface office

# Mode = identity.
stage_home
full_plug blue
sed -i '/^Address/a SaveConfig = true' /etc/wireguard/home.conf
check_not "protect refuses SaveConfig" sh -c 'wgfido protect home --yes >"$1" 2>&1' sh "$NET_TMP/protect.log"
check "and names the line" grep -q "home.conf:5: it has SaveConfig = true" "$NET_TMP/protect.log"
sed -i /SaveConfig/d /etc/wireguard/home.conf
wgfido protect home --yes >/dev/null || fail "home is not protected"
systemctl start wg-quick@home
check "identity: up, closed" eventually is_state home closed
check_eq "without a private key" "$(wg show home private-key)" "(none)"
check "approved" wgfido approve home
check "packets pass" wg_pings laptop 10.8.0.2
systemctl restart wg-quick@home
check "down and up: open without a touch" eventually is_state home open
check "packets pass" wg_pings laptop 10.8.0.2
wgfido revoke home
check "revoked: closed" eventually is_state home closed
check_not "no packet" wg_pings laptop 10.8.0.2 1
