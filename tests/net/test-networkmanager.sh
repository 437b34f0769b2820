#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# OnClose = deactivate: NetworkManager hears of it after the tunnel is closed, and whatever becomes of NetworkManager, closing and
# opening go on. (tests/vm/full/networkmanager.sh has the real one.)
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/stage.sh"
net_reexec "$@"
net_need wg-quick
/usr/bin/python3 -c 'import dbus, gi' 2>/dev/null || skip "python3 has no dbus and gi"

stage_set --no-udev
stage_home
stage_plug blue
laptop wgfido protect home --yes >/dev/null || fail "it does not protect"
echo "OnClose = deactivate" >>"$NET_TMP/laptop/etc/home.conf"
stage_reload
stage_home_up
check "comes up closed" eventually is_state home closed

log_has() { grep -q "$1" "$NET_TMP/wgfido-rotate.log"; }
asked() { grep -qx "$1" "$NET_TMP/networkmanager.log"; }
nm_start() {
	net_start - networkmanager /usr/bin/python3 "$NET_SRC/tests/net/fake-networkmanager.py" "$1"
	eventually asked ready || fail "no NetworkManager"
}
# open_close WHAT: a key is there before and after
open_close() {
	check "$1: opens" laptop wgfido approve home
	check "$1: a packet passes" wg_pings laptop 10.8.0.2
	stage_unplug blue
	check "$1: closed" eventually is_state home closed
	stage_plug blue
}

open_close "no NetworkManager"
check "the log says so" eventually log_has "home: NetworkManager does not run"

nm_start active
check_not "what is closed already is not told" asked "device of home"
open_close "NetworkManager"
check "it is told" eventually asked "deactivate /org/freedesktop/NetworkManager/ActiveConnection/5"
check "and answers" eventually log_has "home: deactivated in NetworkManager"
net_stop networkmanager

nm_start external
open_close "an interface that is not NetworkManager's"
check "stays" eventually log_has "home: not NetworkManager's own"
check_not "nothing was deactivated" asked "deactivate /org/freedesktop/NetworkManager/ActiveConnection/5"
net_stop networkmanager

nm_start hanging
open_close "a NetworkManager that hangs"
check "was asked" eventually asked "deactivate /org/freedesktop/NetworkManager/ActiveConnection/5"
open_close "and meanwhile"
net_stop networkmanager KILL
open_close "a NetworkManager that dies"
