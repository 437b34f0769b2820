# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# For the scripts that run in the virtual machine. Reports (ok, fail, check, skip, wait_for, never_for ...) and machines of one's
# own (net_ns, net_veth, wg_up ...) are those of tests/net/lib.sh.
#
#	vm_begin		-eu, $NET_TMP, our programs in PATH, no leftovers when the script ends
#	vm_net_test NAME	instead of the rest of the script: tests/net/NAME, on the kernel's WireGuard
#	vm_plug NAME [ARGS...]	a software token as a HID device; its finger is at $NET_TMP/NAME.touch. Waits for the node.
#	vm_plug_usb NAME [ARGS...]	the same on the kernel's virtual USB
#	vm_unplug NAME [SIGNAL]	waits until its process is gone
#	vm_hid NAME, vm_node NAME	its directory below /sys/bus/hid, its node in /dev
#	vm_no_hid NAME		it is not there
#	vm_touch NAME [ARGS...]	gives a touch when one is wanted

. "$top_srcdir/tests/net/lib.sh"
NET_WG=kernel

vm_net_test() {
	modprobe -a wireguard veth dummy tun sch_netem
	export WGFIDO_NET_BACKEND=kernel WGFIDO_NET_REQUIRED=1
	exec bash "$top_srcdir/tests/net/$1"
}

vm_begin() {
	NET_TMP=$(mktemp -d /run/vm-test.XXXXXX)
	PATH=$NET_BUILD/client:$NET_BUILD/token/soft:$PATH
	# The paths of the software are those of the build tree, which the machine sees under the same names.
	mkdir -p /run/wireguard /run/netns
	modprobe -a uhid hid-generic wireguard veth dummy
	set -eu
	trap 'echo "not ok - ${0##*/}:$LINENO: $BASH_COMMAND"' ERR
	trap vm_end EXIT
}

vm_end() {
	local pid file dir

	trap - EXIT ERR
	set +e
	for dir in "$NET_TMP"/ns/*; do
		[ ! -d "$dir" ] || ip netns del "${dir##*/}" 2>/dev/null
	done
	for file in "$NET_TMP"/*.pid "$NET_TMP"/ns/*/pid; do
		[ -s "$file" ] || continue
		read -r pid <"$file"
		kill -CONT "$pid" 2>/dev/null
		kill "$pid" 2>/dev/null
	done
	wait
	# What is in the machine's own namespace does not go with a gateway's.
	ip link del office 2>/dev/null
	rm -rf "$NET_TMP"
}

# On USB it has its port's name, and is known by its serial number.
vm_hid() {
	local dir wanted=HID_PHYS=uhid/$1

	[ ! -e "$NET_TMP/$1.usb" ] || wanted=HID_UNIQ=$(wgfido-softtoken info --state "$NET_TMP/$1.key" 2>/dev/null | sed -n 's/^serial: //p')
	for dir in /sys/bus/hid/devices/*; do
		! grep -qxF "$wanted" "$dir/uevent" 2>/dev/null || { echo "$dir"; return 0; }
	done
	return 1
}

vm_node() {
	local dir=''

	dir=$(vm_hid "$1") || return 1
	for dir in "$dir"/hidraw/*; do
		[ ! -e "$dir" ] || { echo "/dev/${dir##*/}"; return 0; }
	done
	return 1
}

vm_has_node() { [ -c "$(vm_node "$1")" ]; }
vm_no_hid() { ! vm_hid "$1" >/dev/null; }

vm_plug() {
	rm -f "$NET_TMP/$1.usb"
	vm_plug_into --uhid "$@"
}

vm_plug_usb() {
	modprobe -a vhci-hcd usbhid
	: >"$NET_TMP/$1.usb"
	vm_plug_into --usb "$@"
}

vm_plug_into() {
	local how=$1 name=$2

	shift 2
	[ $# -gt 0 ] || set -- --touch auto
	net_start - "key-$name" wgfido-softtoken run --state "$NET_TMP/$name.key" "$how" --control "$NET_TMP/$name.touch" \
		--name "$name" --quiet "$@"
	eventually vm_has_node "$name" || fail "the key $name has no hidraw node"
}

vm_unplug() {
	net_stop "key-$1" "${2:-TERM}"
}

vm_touch() {
	local name=$1

	shift
	wgfido-softtoken touch --control "$NET_TMP/$name.touch" "$@"
}
