# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# For the tests (and the demo) that need network namespaces and a real WireGuard. A script begins like this:
#
#	#!/usr/bin/env bash
#	. "$(dirname "$0")/lib.sh"
#	net_reexec "$@"
#
# and runs from there in user, network, mount and pid namespaces of its own. It is pid 1 of the pid namespace, so whatever it
# started dies with it, however it ends; /run is a private tmpfs, so no file of it stays either. Exit status as automake wants it:
# 0, 1 (fail), 77 (skip: the reason is on the last line; with WGFIDO_NET_REQUIRED=1 that is a failure too).
#
# Set-up
#	net_reexec ARGS...	enter the namespaces (once; returns at once inside). Skips when there are none, or no WireGuard.
#				Then: set -eu, lo up, $NET_TMP set, $NET_WG = kernel|userspace (forced by WGFIDO_NET_BACKEND).
#	net_need CMD...		skips when one of these programs is missing
#	net_tmp			prints a new directory that goes when the script ends
#	net_ns NAME		makes a "machine": a network namespace with its own /run/wireguard and /sys, lo up. All other files
#				are shared. `ip -n NAME` works too.
#	net_veth NS1 IF1 ADDR1/LEN NS2 IF2 ADDR2/LEN	a cable between two machines, both ends up
#	net_address NS IF ADDR/LEN	one more address
#	net_in NS CMD...	runs CMD on a machine; its status is CMD's
#	net_exec NS CMD...	the same instead of the (sub)shell: exec
#	net_start NS NAME CMD...	starts a daemon on a machine ("-": here): output to $NET_TMP/NAME.log, its pid in NET_PID and
#				`net_pid NAME`
#	net_stop NAME [SIGNAL]	signals it (TERM) and waits for its end
#	net_reload NAME...	SIGHUP to broker or agents, which read their configuration again before this returns
#
# WireGuard
#	wg_create NS IFACE	makes an interface; with wireguard-go (or $NET_USERSPACE): starts it (as daemon wg-NS-IFACE) and waits for its socket
#	wg_up NS IFACE ADDR/LEN CONF	wg_create, then wg setconf with the file CONF, address, up. ADDR may be "" (none). Routes to
#				allowed-ips beyond ADDR's own network are the caller's to add.
#	wg_down NS IFACE	deletes it; ends its wireguard-go
#	wg_keys NAME		new key pair in $NET_TMP/NAME.key and $NET_TMP/NAME.pub (prints the public key)
#	wg_psk NAME		new preshared key in the file $NET_TMP/NAME
#	wg_handshake NS IFACE PUBKEY	prints unix time of the last handshake, 0 if never
#	wg_pings NS ADDR [SECONDS]	true when a ping to ADDR is answered, pinging every 200 ms; false after NET_PATIENCE, or SECONDS:
#				for what must not be answered
#	net_lost	reads what ping says: prints how many packets it can tell of, how many of these were lost, and how many came
#				twice. The last forty it cannot tell of: ping does not wait for what it sent last.
#	wg_refuses NS ADDR	true when a connection to ADDR fails within NET_PATIENCE, with "No route to host"
#
# Checks
#	eventually CMD...	polls CMD (every 50 ms or more) until it is true; false after NET_PATIENCE seconds, which a slow and busy machine
#				does not need either: what shall come true
#	wait_for SECONDS CMD...	the same for SECONDS (may be a fraction): where the time is what is claimed
#	never_for SECONDS CMD...	true when CMD stays false for SECONDS
#	ok TEXT; fail TEXT	report; fail also shows the logs and ends the script with 1
#	check TEXT CMD...	CMD true: ok, else fail
#	check_not TEXT CMD...	the other way round
#	check_eq TEXT GOT WANT
#	skip REASON		ends the script with 77 (or 1, see above)
#	now_ms			prints milliseconds of a clock that never jumps
#
# The top of the build is $NET_BUILD ($top_builddir or else the working directory, as under make), of the source $NET_SRC.

NET_SCRIPT=$(readlink -f "$0")
# shellcheck disable=SC2034 # for the scripts
NET_SRC=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
NET_BUILD=$(cd "${top_builddir:-.}" && pwd)
NET_OK=0
# Nothing that passes takes as long; an initiation that found nobody is repeated only after 5 s, and that may happen more than once.
NET_PATIENCE=${NET_PATIENCE:-60}

skip()
{
	if [ "${WGFIDO_NET_REQUIRED:-}" = 1 ]; then
		echo "FAIL: cannot run here, and WGFIDO_NET_REQUIRED=1 forbids to skip: $*"
		exit 1
	fi
	echo "SKIP: $*"
	exit 77
}

ok()
{
	NET_OK=$((NET_OK + 1))
	echo "ok $NET_OK - $*"
}

fail()
{
	local log

	echo "not ok - $*"
	for log in "${NET_TMP:-/nonexistent}"/*.log; do
		[ -s "$log" ] || continue
		echo "--- ${log##*/}"
		tail -n 40 "$log"
	done
	exit 1
}

check()
{
	local what=$1

	shift
	if "$@"; then
		ok "$what"
	else
		fail "$what: $*"
	fi
}

check_not()
{
	local what=$1

	shift
	if "$@"; then
		fail "$what: not $*"
	else
		ok "$what"
	fi
}

check_eq()
{
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		fail "$1: got '$2', want '$3'"
	fi
}

# NET_NOW: /proc/uptime is CLOCK_BOOTTIME in hundredths and needs no process.
net_clock()
{
	local up

	read -r up _ </proc/uptime
	up=${up/./}
	NET_NOW=$((10#$up * 10))
}

now_ms()
{
	net_clock
	echo "$NET_NOW"
}

# Milliseconds, without a process: where a processor is emulated, each of them is a tenth of a second of it. Nobody ever writes
# into the pipe.
net_pause()
{
	local seconds

	printf -v seconds '%d.%03d' $(($1 / 1000)) $(($1 % 1000))
	[ -p /run/net-never ] || mkfifo /run/net-never 2>/dev/null || :
	read -rt "$seconds" _ <>/run/net-never || :
}

# NET_MS: the milliseconds of seconds that may be a fraction
net_ms()
{
	local part=000

	[[ $1 != *.* ]] || part=${1#*.}000
	NET_MS=$((10#0${1%%.*} * 1000 + 10#${part:0:3}))
}

# A look that is long leaves as much time again to what it waits for.
wait_for()
{
	local end look

	net_ms "$1"
	shift
	net_clock
	end=$((NET_NOW + NET_MS))
	while :; do
		look=$NET_NOW
		! "$@" || return 0
		net_clock
		[ "$NET_NOW" -lt "$end" ] || return 1
		look=$((NET_NOW - look))
		net_pause $((look < 50 ? 50 : look < 500 ? look : 500))
		net_clock
	done
}

eventually()
{
	wait_for "$NET_PATIENCE" "$@"
}

never_for()
{
	! wait_for "$@"
}

net_need()
{
	local program

	for program; do
		command -v "$program" >/dev/null || skip "the program $program is not installed"
	done
}

net_reexec()
{
	local flags why

	PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
	if [ "${WGFIDO_NET_INSIDE:-}" != "$NET_SCRIPT" ]; then
		net_need unshare nsenter ip wg ping awk
		flags=(--net --mount --propagation private --pid --fork --kill-child)
		# The user namespace also for root: the same world for everyone, and no way to touch the host's.
		if why=$(unshare --user --map-root-user "${flags[@]}" mount -t tmpfs none /run 2>&1); then
			flags+=(--user --map-root-user)
		elif [ "$(id -u)" != 0 ] || ! why=$(unshare "${flags[@]}" mount -t tmpfs none /run 2>&1); then
			skip "no network namespaces for this user ($why)"
		fi
		export WGFIDO_NET_INSIDE=$NET_SCRIPT NET_BUILD
		exec unshare "${flags[@]}" -- "$NET_SCRIPT" "$@"
	fi
	NET_BUILD=$(cd "$NET_BUILD" && pwd)

	# pid 1 gets only the signals that it asked for.
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	set -eu
	trap 'echo "not ok - ${0##*/}:$LINENO: $BASH_COMMAND"' ERR
	unset WGFIDO_NET_INSIDE
	# In some containers not to be had; the old one shows the same processes under other pids, which nothing here looks at.
	mount -t proc proc /proc 2>/dev/null || :
	mount -t tmpfs -o mode=755 none /run
	[ /var/run -ef /run ] || mount --bind /run /var/run
	mkdir -p /run/wireguard /run/netns /run/wgfido-test
	NET_TMP=/run/wgfido-test
	ip link set lo up

	case "${WGFIDO_NET_BACKEND:-auto}" in
	userspace) NET_WG=userspace ;;
	kernel | auto)
		if ip link add wgprobe type wireguard 2>/dev/null; then
			ip link del wgprobe
			NET_WG=kernel
		elif [ "${WGFIDO_NET_BACKEND:-auto}" = kernel ]; then
			skip "this kernel has no WireGuard"
		else
			NET_WG=userspace
		fi
		;;
	*) fail "WGFIDO_NET_BACKEND is kernel, userspace or auto" ;;
	esac
	[ "$NET_WG" = kernel ] || net_need_userspace
}

# For a script that is about userspace WireGuard, whatever the kernel has.
net_need_userspace()
{
	command -v wireguard-go >/dev/null || skip "neither WireGuard in the kernel nor the program wireguard-go"
	[ -c /dev/net/tun ] || skip "there is no /dev/net/tun"
	(: <>/dev/net/tun) 2>/dev/null || skip "this user may not open /dev/net/tun"
	NET_WG=userspace
}

net_tmp()
{
	mktemp -d "$NET_TMP/tmp.XXXXXX"
}

net_ns()
{
	local name=$1 pid

	mkdir -p "$NET_TMP/ns/$name/wireguard"
	# A process holds it: that gives a mount namespace too, and so a /run/wireguard to each.
	# shellcheck disable=SC2016
	unshare --net --mount --propagation slave sh -c '
		set -e
		mount --bind "$1/wireguard" /run/wireguard
		mount -t sysfs sysfs /sys 2>/dev/null || :
		ip link set lo up
		echo $$ >"$1/pid.new"
		mv "$1/pid.new" "$1/pid"
		exec sleep infinity' sh "$NET_TMP/ns/$name" >"$NET_TMP/ns-$name.log" 2>&1 </dev/null &
	eventually test -s "$NET_TMP/ns/$name/pid" || fail "no namespace $name"
	read -r pid <"$NET_TMP/ns/$name/pid"
	ip netns attach "$name" "$pid"
}

net_exec()
{
	local pid=

	read -r pid <"$NET_TMP/ns/$1/pid" || fail "no namespace $1"
	shift
	exec nsenter --target "$pid" --net --mount --wd="$PWD" -- "$@"
}

net_in()
{
	(net_exec "$@")
}

# Without duplicate address detection, which would keep an IPv6 address from being used for a second.
net_address()
{
	case "$3" in
	*:*) ip -n "$1" address add "$3" dev "$2" nodad ;;
	*) ip -n "$1" address add "$3" dev "$2" ;;
	esac
}

net_veth()
{
	ip link add "$2" netns "$1" type veth peer name "$5" netns "$4"
	net_address "$1" "$2" "$3"
	net_address "$4" "$5" "$6"
	ip -n "$1" link set "$2" up
	ip -n "$4" link set "$5" up
}

net_start()
{
	local ns=$1 name=$2

	shift 2
	# Now: what the one before it said is no word of this one's. At its end is written, so that a test may empty it.
	: >"$NET_TMP/$name.log"
	if [ "$ns" = - ]; then
		"$@" >>"$NET_TMP/$name.log" 2>&1 </dev/null &
	else
		net_exec "$ns" "$@" >>"$NET_TMP/$name.log" 2>&1 </dev/null &
	fi
	NET_PID=$!
	echo "$NET_PID" >"$NET_TMP/$name.pid"
}

net_pid()
{
	cat "$NET_TMP/$1.pid"
}

net_stop()
{
	local pid

	pid=$(net_pid "$1")
	kill -s "${2:-TERM}" "$pid" 2>/dev/null || :
	wait "$pid" 2>/dev/null || :
	rm -f "$NET_TMP/$1.pid"
}

net_reloads()
{
	grep -c "reading the configuration again" "$NET_TMP/$1.log" || :
}

net_reloads_more_than()
{
	[ "$(net_reloads "$1")" -gt "$2" ]
}

net_reload()
{
	local name count

	for name; do
		count=$(net_reloads "$name")
		kill -HUP "$(net_pid "$name")"
		eventually net_reloads_more_than "$name" "$count" || fail "$name does not read its configuration again"
	done
}

# Not before somebody listens there: between bind() and listen() wg finds a socket that refuses, and removes it as a dead one's.
wg_answers()
{
	net_in "$1" grep -q " 00010000 .*/$2\.sock\$" /proc/net/unix && net_in "$1" wg show "$2" >/dev/null 2>&1
}

wg_create()
{
	local ns=$1 iface=$2

	if [ "$NET_WG" = kernel ]; then
		ip -n "$ns" link add "$iface" type wireguard
	else
		net_start "$ns" "wg-$ns-$iface" env LOG_LEVEL="${WGFIDO_NET_LOG_LEVEL:-error}" "${NET_USERSPACE:-wireguard-go}" -f "$iface"
		eventually wg_answers "$ns" "$iface" || fail "wireguard-go $iface does not answer on its socket"
	fi
}

wg_up()
{
	local ns=$1 iface=$2 address=$3 conf=$4

	wg_create "$ns" "$iface"
	net_in "$ns" wg setconf "$iface" "$conf"
	[ -z "$address" ] || net_address "$ns" "$iface" "$address"
	ip -n "$ns" link set "$iface" up
}

wg_down()
{
	if [ "$NET_WG" = kernel ]; then
		ip -n "$1" link del "$2"
	else
		net_stop "wg-$1-$2"
	fi
}

wg_keys()
{
	(umask 077 && wg genkey >"$NET_TMP/$1.key")
	wg pubkey <"$NET_TMP/$1.key" | tee "$NET_TMP/$1.pub"
}

wg_psk()
{
	(umask 077 && wg genpsk >"$NET_TMP/$1")
}

wg_handshake()
{
	net_in "$1" wg show "$2" latest-handshakes | awk -v k="$3" '$1 == k { t = $2 } END { print t + 0 }'
}

wg_refuses()
{
	local out=''

	out=$(net_in "$1" timeout "$NET_PATIENCE" bash -c ": <'/dev/tcp/$2/9'" 2>&1)
	[[ $out = *"No route to host"* ]]
}

wg_pings()
{
	local end='' left=''

	net_ms "${3:-$NET_PATIENCE}"
	net_clock
	end=$((NET_NOW + NET_MS))
	while left=$(((end - NET_NOW + 999) / 1000)) && [ "$left" -gt 0 ]; do
		# -w is in whole seconds and counts from the start, -c 1 ends with the first answer; "unreachable" ends it too, but that may
		# change.
		net_in "$1" ping -q -n -i 0.2 -c 1 -w "$left" "$2" >/dev/null 2>&1 && return 0
		net_pause 100
		net_clock
	done
	return 1
}

net_lost()
{
	awk '
		/ bytes from / && match($0, /icmp_seq=[0-9]+/) {
			i = substr($0, RSTART + 9, RLENGTH - 9) + 0
			if (seen[i]++) twice++
			if (i > last) last = i
		}
		END {
			for (i = 1; i <= last - 40; i++)
				if (!seen[i]) lost++
			print (last > 40 ? last - 40 : 0), lost + 0, twice + 0
		}'
}
