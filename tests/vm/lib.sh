# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# For the scripts that run in the virtual machine. Reports (ok, fail, check, skip, wait_for ...) are those of tests/net/lib.sh.
#
#	vm_net_test NAME	instead of the rest of the script: tests/net/NAME, on the kernel's WireGuard

vm_net_test() {
	modprobe -a wireguard veth dummy
	export WGFIDO_NET_BACKEND=kernel WGFIDO_NET_REQUIRED=1
	exec bash "$top_srcdir/tests/net/$1"
}
