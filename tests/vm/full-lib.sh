# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The stage of the full tier: this machine is the laptop, with its own systemd, system bus, polkit and udev; the gateway is a
# network namespace. On top of lib.sh and of tests/net/stage.sh, whose stage_office, stage_office_gateway, laptop, gateway,
# is_state ... work here as well ("laptop" is this machine).
#
#	full_set		users, bus policy, polkit actions, a udev rule; the cable; broker and agent as docs/running.md starts them
#	full_broker, full_agent	start that one part (again)
#	full_plug NAME [ARGS...]	a software token on uhid, and the broker knows it

. "$top_srcdir/tests/vm/lib.sh"
. "$top_srcdir/tests/net/stage.sh"

full_install() {
	local user

	for user in wgfido wgfido-net; do
		getent passwd $user >/dev/null || useradd --system --home-dir /nonexistent --shell /usr/sbin/nologin $user
	done
	install -m 644 "$NET_SRC/dbus/org.wgfido1.conf" /usr/share/dbus-1/system.d/
	install -m 644 "$NET_SRC/polkit/org.wgfido1.policy" /usr/share/polkit-1/actions/
	mkdir -p /run/udev/rules.d
	echo 'ACTION!="remove", SUBSYSTEM=="hidraw", ENV{ID_FIDO_TOKEN}=="1", GROUP="wgfido", MODE="0660"' \
		>/run/udev/rules.d/70-wgfido.rules
	udevadm control --reload
	busctl call -q org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus ReloadConfig
}

full_broker_answers() { wgfido status >/dev/null 2>&1; }
full_token_known() { wgfido tokens 2>/dev/null | grep -qF "uhid/$1"; }

full_broker() {
	net_start - wgfidod setpriv --reuid wgfido --regid wgfido --init-groups --inh-caps=-all --bounding-set=-all --no-new-privs \
		"$NET_BUILD/daemon/wgfidod" --config-dir "$NET_TMP/laptop/etc" --state-dir "$NET_TMP/laptop/state" \
		--token-worker "$NET_BUILD/token/wgfido-token" --agent-uid wgfido-net
	wait_for 20 full_broker_answers || fail "the broker does not start"
}

full_agent() {
	net_start - wgfido-rotate setpriv --reuid wgfido-net --regid wgfido-net --init-groups --inh-caps=-all,+net_admin \
		--ambient-caps=-all,+net_admin --bounding-set=-all,+net_admin --no-new-privs \
		"$NET_BUILD/agent/wgfido-rotate" --config-dir "$NET_TMP/laptop/etc" --run-dir "$NET_TMP/laptop/run"
	wait_for 20 grep -qw ready "$NET_TMP/wgfido-rotate.log" || fail "the agent does not start"
}

full_set() {
	vm_begin
	chmod 755 "$NET_TMP"
	full_install
	mkdir -p "$NET_TMP"/laptop/{etc,state,run,wireguard} "$NET_TMP"/gateway/{etc,run} "$NET_TMP/ns/laptop"
	chown wgfido: "$NET_TMP/laptop/state"
	chown wgfido-net: "$NET_TMP/laptop/run"
	export WGFIDO_CONFIG_DIR=$NET_TMP/laptop/etc WGFIDO_AGENT_RUNDIR=$NET_TMP/laptop/run
	export WGFIDO_WIREGUARD_CONFDIR=$NET_TMP/laptop/wireguard
	# By this process the namespace of the machine itself has a name, like the gateway's.
	sleep infinity &
	echo $! >"$NET_TMP/ns/laptop/pid"
	ip netns attach laptop $!
	net_ns gateway
	net_veth laptop cable 192.0.2.1/24 gateway eth0 192.0.2.2/24
	full_broker
	full_agent
}

full_plug() {
	vm_plug "$@"
	wait_for 20 full_token_known "$1" || fail "the broker does not see the key $1"
}
