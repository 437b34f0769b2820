# SPDX-License-Identifier: GPL-2.0-or-later
# The machine itself: nothing below it means much unless this holds.
. "$top_srcdir/tests/vm/lib.sh"

state=$(systemctl is-system-running --wait)
[ "$state" = running ] || systemctl --no-pager --failed
check_eq "systemd is process 1, and every unit runs" "$(cat /proc/1/comm) $state" "systemd running"
check "udevd" systemctl -q is-active systemd-udevd
check "logind" systemctl -q is-active systemd-logind
check "NetworkManager" systemctl -q is-active NetworkManager
check "polkitd, when asked for" busctl call org.freedesktop.PolicyKit1 /org/freedesktop/PolicyKit1/Authority \
	org.freedesktop.DBus.Peer Ping
