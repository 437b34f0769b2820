#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The watch on interfaces: links that come, are renamed and go; the socket of a wireguard-go that comes behind its TUN.
. "$(dirname "$0")/lib.sh"
net_reexec "$@"

tool=$NET_BUILD/tests/net/device-tool
[ -x "$tool" ] || fail "$tool is not built"
rmdir /run/wireguard
net_start - watch "$tool" auto watch -
log=$NET_TMP/watch.log
check "it watches" eventually grep -q "^watching" "$log"

told()
{
	grep -q "^$1" "$log"
}

ip link add one type veth peer name two
check "one end of a cable appears" eventually told "+ one"
check "the other one, too" eventually told "+ two"
ip link set one name other
check "a new name comes" eventually told "+ other"
check_eq "after the old one went" "$(grep -n -m 1 "^- one" "$log" | cut -d : -f 1)" \
	"$(($(grep -n -m 1 "^+ other" "$log" | cut -d : -f 1) - 1))"
ip link del other
check "one end goes" eventually told "- other"
check "the other one, too" eventually told "- two"
check "no such is a WireGuard" test "$(grep "^+" "$log" | grep -v -c " none$")" = 0

net_need_userspace
if [ "$NET_WG" = userspace ]; then
	net_start - wg env LOG_LEVEL=error wireguard-go -f wg0
	check "wireguard-go's interface is told again when its socket answers, in a directory that was not there" eventually told "+ wg0 userspace"
	net_stop wg
	check "it goes" eventually told "- wg0"
fi
check "the watch lives" kill -0 "$(net_pid watch)"
