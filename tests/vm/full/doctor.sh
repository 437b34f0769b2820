# SPDX-License-Identifier: GPL-2.0-or-later
# wgfido doctor on the whole system: one thing after the other is broken; it must be found, by a user who is not root as well
# where that is possible; nothing opens that should not; and what doctor says mends it.
# vm: long
. "$top_srcdir/tests/vm/full-lib.sh"

# doctor_says STATUS: its output in $NET_TMP/doctor
doctor_says() {
	local status=0

	wgfido doctor >"$NET_TMP/doctor" 2>&1 || status=$?
	[ $status = "$1" ]
}
all_well() { doctor_says 0 && grep -qx 'All is well.' "$NET_TMP/doctor"; }
is_all_well() {
	eventually all_well || { cat "$NET_TMP/doctor"; fail "${1:-all is well}: not so"; }
	ok "${1:-all is well}"
}
findings() { sed -n 's/^wrong  *//p' "$NET_TMP/doctor"; }
mends() { sed -n 's/^ *-> //p' "$NET_TMP/doctor"; }

# finds WHAT SENTENCE MEND: exactly this one finding; both are patterns of grep
finds_one() {
	doctor_says 1 && [ "$(findings | wc -l)" = 1 ] && findings | grep -q "$1" && mends | grep -q "$2"
}
finds() {
	eventually finds_one "$2" "$3" || { cat "$NET_TMP/doctor"; fail "$1: not found"; }
	ok "$1: $(findings) -> $(mends)"
}
# Does what doctor says.
mend() {
	sh -c "$(mends)" >"$NET_TMP/mend.log" 2>&1 || { cat "$NET_TMP/mend.log"; fail "the command that mends: $(mends)"; }
	is_all_well mended
}
as_nobody() { setpriv --reuid nobody --regid nogroup --clear-groups --inh-caps=-all "$@"; }
may_not() { check_not "$1: nobody else may approve" as_nobody wgfido approve office; }

full_system
clock="$NET_BUILD/tests/vm/kernel-clock"
"$clock" synchronised
STAGE_SLOT=120
stage_office
full_plug blue
check "root enrols" wgfido enroll office --yes
stage_office_gateway
eventually is_state office closed || fail "the interface is not closed"
chmod go= /etc/wireguard/*.conf
cp -a /etc/wgfido/office.conf "$NET_TMP/office.conf"
is_all_well "all is well on a system that is whole"
eventually as_nobody wgfido doctor >"$NET_TMP/doctor" || { cat "$NET_TMP/doctor"; fail "nobody sees something wrong"; }
ok "and for a user who is not root"

# The time
"$clock" unsynchronised
finds "no time" "The clock is not synchronised" "systemd-timesyncd"
"$clock" synchronised

# The broker and the agent
systemctl stop wgfidod
is_all_well "a broker that was stopped is started by the question"
systemctl mask --quiet --now wgfidod
finds "the broker masked" "wgfidod.service is masked" "unmask wgfidod"
mend
systemctl stop wgfido-rotate
finds "the agent stopped" "wgfido-rotate.service does not run" "enable --now wgfido-rotate"
mend
systemctl disable --quiet wgfido-rotate
finds "the agent not enabled" "does not start with the machine" "systemctl enable wgfido-rotate"
mend
systemctl enable --quiet wgfido-rotate-gateway
finds "both agents enabled" "each of them stops the other" "disable --now wgfido-rotate-gateway"
mend

# udev
node=$(vm_node blue)
chown root: "$node"
chmod 600 "$node"
finds "the node is root's" "may not open the security key at $node" "udevadm trigger"
mend
rule=$(find /lib/udev/rules.d /usr/lib/udev/rules.d -name 72-wgfido.rules | head -n 1)
mv "$rule" "$NET_TMP/rule"
chown root: "$node"
finds "no rule" "may not open the security key" "72-wgfido.rules is missing"
mv "$NET_TMP/rule" "$rule"
finds "the rule is back" "may not open the security key" "^udevadm"
mend
mkdir -p /etc/udev/rules.d
ln -s /dev/null /etc/udev/rules.d/60-fido-id.rules
udevadm control --reload
udevadm trigger --settle --action=change "/sys/class/hidraw/${node##*/}"
finds "udev without fido_id" "udev does not take it for one" "udevadm trigger"
rm /etc/udev/rules.d/60-fido-id.rules
mend
systemctl stop systemd-udevd-control.socket systemd-udevd-kernel.socket systemd-udevd
finds "udevd stopped" "udevd does not run" "systemctl start systemd-udevd"
mend

# The bus
policy=/usr/share/dbus-1/system.d/org.wgfido1.conf
mv $policy "$NET_TMP/policy"
systemctl reload dbus
finds "no bus policy" "has no policy for org.wgfido1" "is missing"
may_not "no bus policy"
cp "$NET_TMP/policy" $policy
is_all_well "the bus sees by itself that the policy is back"
grep -v ForgetKey "$NET_TMP/policy" >$policy
systemctl reload dbus
finds "an older policy" "not of this version.*ForgetKey" "systemctl reload dbus"
cp "$NET_TMP/policy" $policy
is_all_well
service=/usr/share/dbus-1/system-services/org.wgfido1.service
mv $service "$NET_TMP/service"
systemctl reload dbus
finds "the bus cannot start the broker" "cannot start the broker" "is missing"
mv "$NET_TMP/service" $service
systemctl reload dbus

# polkit
systemctl mask --quiet --now polkit
finds "polkit masked" "polkit.service is masked" "unmask polkit"
may_not "polkit masked"
mend
actions=/usr/share/polkit-1/actions/org.wgfido1.policy
mv $actions "$NET_TMP/actions"
finds "polkit without our actions" "polkit does not know the action org.wgfido1" "$actions"
may_not "polkit without our actions"
sed /policykit.owner/d "$NET_TMP/actions" >$actions
finds "actions without an owner" "does not let the user wgfido ask" "$actions"
rm $actions
mv "$NET_TMP/actions" $actions
is_all_well

# logind
systemctl mask --quiet --now systemd-logind
is_all_well "EndOn = suspend: no finding"
check "but a note" grep -q "^note .*nothing tells of suspend" "$NET_TMP/doctor"
sed -i 's/^Mode = psk/&\nEndOn = suspend,lock/' /etc/wgfido/office.conf
stage_reload
finds "logind masked, EndOn = lock" "systemd-logind.service is masked" "unmask systemd-logind"
check_not "logind masked, EndOn = lock: not even root may approve" wgfido approve office
check "and it is closed" is_state office closed
mend
check "root approves" eventually wgfido approve office
check "a packet passes" wg_pings laptop 10.7.0.2
systemctl kill -s KILL systemd-logind
check "logind killed: closed" eventually is_state office closed
cp -a "$NET_TMP/office.conf" /etc/wgfido/office.conf
stage_reload
is_all_well

# Files
echo "Colour = red" >>/etc/wgfido/office.conf
finds "an unknown key" "office.conf:[0-9]*: " "wgfido.conf(5)"
cp -a "$NET_TMP/office.conf" /etc/wgfido/office.conf
chmod 666 /etc/wgfido/office.conf
finds "anybody may change the configuration" "may change /etc/wgfido/office.conf" "chmod go-w"
mend
key=/var/lib/wgfido/keys/office.key
cp -a $key "$NET_TMP/key"
chmod 644 $key
finds "anybody may read the key file" "may read or change $key" "chmod go="
mend
chown root $key
finds "the key file is root's" "does not belong to wgfido" "chown -h wgfido"
mend
echo x >>$key
stage_reload
finds "a damaged key file" "the key file is damaged" "from a backup"
check_not "a damaged key file: no approval" wgfido approve office
cp -a "$NET_TMP/key" $key
stage_reload
is_all_well
sed -i '1a SaveConfig = true' /etc/wireguard/office.conf
finds "SaveConfig" "SaveConfig writes" "remove line 2 of"
sed -i 2d /etc/wireguard/office.conf
touch -d '1 hour ago' /etc/wireguard/.office.conf.tmp-0123abcd
finds "a leftover" "may hold the private key" "^rm "
mend

# The kernel's module
echo "blacklist wireguard" >/etc/modprobe.d/no.conf
for ns in laptop gateway; do
	ip -n $ns link show type wireguard | sed -n 's/^[0-9]*: \([^:@]*\).*/\1/p' | while read -r ifname; do
		ip -n $ns link del "$ifname"
	done
done
rmmod wireguard
finds "the module is blocked" "may not load its WireGuard" "out of /etc/modprobe.d/no.conf"
rm /etc/modprobe.d/no.conf
is_all_well "the module can be loaded"
