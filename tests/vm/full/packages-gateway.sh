# SPDX-License-Identifier: GPL-2.0-or-later
# lintian; and a gateway with nothing but wgfido-agent, which sees neither libfido2 nor a message bus. This machine is the
# gateway; the laptop is a namespace with a bus of its own and the programs of the build tree.
# vm: long
. "$top_srcdir/tests/vm/packages-lib.sh"
packages_begin
check_eq "lintian has nothing to say" "$(cat "$VM_PACKAGES/lintian")" ""

packages_install wgfido-agent
check_eq "a gateway has the agent's package" \
	"$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' 'wgfido*' | sed -n 's/^installed //p')" wgfido-agent
needs=$(packages_closure wgfido-agent)
echo "# which needs:$needs"
check_eq "which needs neither libfido2 nor D-Bus" "$(grep -Eo ' (libfido2|libhidapi|dbus|default-dbus|polkit)[^ ]*' <<<"$needs" || :)" ""
check "nor a file of theirs" sh -c '! ldd /usr/sbin/wgfido-rotate /usr/bin/wgfido | grep -E "not found|fido2|libdbus"'
check_not "its unit is not enabled" systemctl -q is-enabled wgfido-rotate-gateway
check_not "nor started" systemctl -q is-active wgfido-rotate-gateway
check_eq "/etc/wgfido is there" "$(stat -c '%U %a' /etc/wgfido)" "root 755"

# What it does not need is not there for it.
mkdir -p /run/systemd/system/wgfido-rotate-gateway.service.d
cat >/run/systemd/system/wgfido-rotate-gateway.service.d/vm.conf <<'UNIT'
[Service]
InaccessiblePaths=/run/dbus /usr/lib/x86_64-linux-gnu/libfido2.so.1
UNIT
systemctl daemon-reload

eval "namespace_$(declare -f net_ns)"
net_ns() {
	[ "$1" = gateway ] || { namespace_net_ns "$@"; return; }
	mkdir -p "$NET_TMP/ns/gateway"
	sleep infinity &
	echo $! >"$NET_TMP/ns/gateway/pid"
	ip netns attach gateway $!
}
stage_gateway_agent() {
	systemctl enable --quiet --now wgfido-rotate-gateway || fail "wgfido-rotate-gateway does not start"
}
stage_reload() { kill -HUP "$(net_pid wgfidod)" "$(net_pid wgfido-rotate)"; }
here() { env -u DBUS_SYSTEM_BUS_ADDRESS -u WGFIDO_CONFIG_DIR -u WGFIDO_AGENT_RUNDIR -u WGFIDO_WIREGUARD_CONFDIR "$@"; }
stage_set
rmdir "$NET_TMP"/gateway/{etc,run}
ln -s /etc/wgfido "$NET_TMP/gateway/etc"
ln -s /run/wgfido-net "$NET_TMP/gateway/run"

STAGE_SLOT=120
stage_office
stage_plug blue
check "the laptop enrols" wgfido enroll office --yes
stage_office_gateway
check_not "no packet before approval" wg_pings laptop 10.7.0.2 1
check "approved" wgfido approve office
check "a packet passes" wg_pings laptop 10.7.0.2
check "and back" wg_pings gateway 10.7.0.1
here /usr/bin/wgfido status >"$NET_TMP/status" || fail "wgfido status at the gateway: $(cat "$NET_TMP/status")"
check "wgfido status at the gateway shows the tunnel" grep -q gw-office "$NET_TMP/status"
here /usr/bin/wgfido doctor >"$NET_TMP/doctor" || :
sed 's/^/# doctor: /' "$NET_TMP/doctor"
check "wgfido doctor knows that a gateway needs no broker" grep -q 'a gateway needs none' "$NET_TMP/doctor"

# Once more the same version, then what a laptop has: neither starts the laptop's agent, which would end this one.
packages_install wgfido-agent
check "installed once more: the unit runs" systemctl -q is-active wgfido-rotate-gateway
stage_forget_sessions
check "and a new handshake comes of it" wg_pings laptop 10.7.0.2
pid=$(full_main_pid wgfido-rotate-gateway)
packages_install wgfido
check_eq "with wgfido installed the gateway's agent runs on" "$(full_main_pid wgfido-rotate-gateway)" "$pid"
check_not "and the laptop's is not enabled" systemctl -q is-enabled wgfido-rotate
check_not "nor started" systemctl -q is-active wgfido-rotate
dpkg --purge wgfido >"$NET_TMP/dpkg.log" 2>&1 || fail "dpkg --purge wgfido"
check_eq "and without it again" "$(full_main_pid wgfido-rotate-gateway)" "$pid"

before=$(psk_of gateway gw-office)
dpkg --remove wgfido-agent >"$NET_TMP/dpkg.log" 2>&1 || fail "dpkg --remove wgfido-agent"
check_not "removed: no agent" pgrep -u wgfido-net
check_not "the preshared key is another" test "$(psk_of gateway gw-office)" = "$before"
check_not "and not none" test "$(psk_of gateway gw-office)" = "(none)"
check_eq "the configuration is there" "$(ls /etc/wgfido)" gw-office.conf
dpkg --purge wgfido-agent >"$NET_TMP/dpkg.log" 2>&1 || fail "dpkg --purge wgfido-agent"
check_eq "purged: still" "$(ls /etc/wgfido)" gw-office.conf
check "and that is said" grep -q "/etc/wgfido stays" "$NET_TMP/dpkg.log"

packages_install wgfido-agent
check "what is in debian/tests/gateway" here env PATH="/usr/sbin:/usr/bin:/sbin:/bin" sh "$top_srcdir/debian/tests/gateway"
