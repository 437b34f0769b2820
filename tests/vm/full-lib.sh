# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The stage of the full tier: this machine is the laptop, with its own systemd, system bus, polkit and udev, and wgfido installed
# on it; the gateway is a network namespace. On top of lib.sh and of tests/net/stage.sh, whose stage_office,
# stage_office_gateway, laptop, gateway, is_state ... work here as well ("laptop" is this machine).
#
#	full_system		what `make install` puts on a system, in the places where it belongs; users, udev and bus know of it;
#				both units run; the cable (192.0.2.1 here, 192.0.2.2 at the gateway). All of it goes when the script
#				ends. Then $NET_TMP/laptop/etc is /etc/wgfido, and so on.
#	full_install, full_units	its two halves: the files; the units enabled and started
#	full_cable		the gateway and the cable
#	full_plug NAME [ARGS...]	a software token on uhid, and the broker knows it
#	full_main_pid UNIT

. "$top_srcdir/tests/vm/lib.sh"
. "$top_srcdir/tests/net/stage.sh"

full_stage=$NET_BUILD/vm/stage

full_reload() {
	systemctl daemon-reload
	udevadm control --reload
	systemctl reload dbus
}

full_install() {
	# Without what mount options and owners of the host's directories would bring along.
	(cd "$full_stage" && find . -type d -exec mkdir -p /{} ';' -o -print0 | cpio -p0dm --quiet -R 0:0 /)
	systemd-sysusers
	systemd-tmpfiles --create wgfido.conf wgfido-net.conf
	full_reload
}

full_uninstall() {
	(cd "$full_stage" && find . ! -type d -print0) | (cd / && xargs -0 rm -f)
	full_reload
}

full_broker_answers() { wgfido status >/dev/null 2>&1; }
full_token_known() { wgfido tokens 2>/dev/null | grep -qF "uhid/$1"; }
full_token_unknown() { ! full_token_known "$1"; }
full_main_pid() { systemctl show -P MainPID "$1"; }

full_units() {
	systemctl enable --quiet wgfidod wgfido-rotate
	systemctl start wgfidod wgfido-rotate || fail "the units do not start"
	eventually full_broker_answers || fail "the broker does not answer"
}

full_end() {
	local status=$?

	trap - EXIT ERR
	set +e
	if [ $status != 0 ] && [ $status != 77 ]; then
		journalctl -b -q --no-pager -o short-monotonic -n 60 -u wgfidod -u wgfido-rotate -u wgfido-tunnel@home
	fi
	systemctl disable --quiet --now wgfido-tunnel@home wgfido-rotate wgfidod
	systemctl reset-failed
	ip link del home 2>/dev/null
	# Not with a script that is killed in the middle: the next one begins by cleaning up as well.
	rm -rf /etc/wgfido /var/lib/wgfido /etc/wireguard /run/wgfido-net
	full_uninstall
	vm_end
	exit $status
}

full_cable() {
	mkdir -p "$NET_TMP"/gateway/{etc,run} "$NET_TMP/ns/laptop"
	# By this process the namespace of the machine itself has a name, like the gateway's.
	sleep infinity &
	echo $! >"$NET_TMP/ns/laptop/pid"
	ip netns attach laptop $!
	net_ns gateway
	net_veth laptop cable 192.0.2.1/24 gateway eth0 192.0.2.2/24
}

full_system() {
	vm_begin
	# What is installed, and of the build tree only what is not.
	PATH=${PATH#"$NET_BUILD/client:$NET_BUILD/token/soft:"}
	trap full_end EXIT
	chmod 755 "$NET_TMP"
	rm -rf /etc/wgfido /var/lib/wgfido /etc/wireguard /run/wgfido-net
	full_install
	mkdir -p "$NET_TMP/laptop" /etc/wireguard
	ln -s /etc/wgfido "$NET_TMP/laptop/etc"
	ln -s /var/lib/wgfido "$NET_TMP/laptop/state"
	ln -s /run/wgfido-net "$NET_TMP/laptop/run"
	ln -s /etc/wireguard "$NET_TMP/laptop/wireguard"
	full_units
	full_cable
}

# In place of the ones in stage.sh.
stage_reload() {
	systemctl reload wgfidod wgfido-rotate
}

full_plug() {
	# The one that was pulled before is not taken for this one.
	eventually full_token_unknown "$1" || fail "the broker still has a key $1"
	vm_plug "$@"
	eventually full_token_known "$1" || fail "the broker does not see the key $1"
}
