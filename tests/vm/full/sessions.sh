# SPDX-License-Identifier: GPL-2.0-or-later
# Who may approve, by the real polkitd and logind: the active session at the machine may, a session in the background, a remote one
# and none at all may not. And what ends an approval: suspend, hibernation, lock and logout.
# vm: long
. "$top_srcdir/tests/vm/full-lib.sh"
full_system

# Not on a tmpfs, which cannot be swapped to, and not in /var/tmp, of which logind sees one of its own.
swap=/vm-swap
sessions_end() {
	local status=$?

	set +e
	systemctl stop vm-alice vm-bob 2>/dev/null
	pkill -KILL -u alice
	swapoff $swap 2>/dev/null
	rm -f $swap
	rm -rf /run/systemd/system/systemd-{suspend,hibernate}.service.d
	(exit $status)
	full_end
}
trap sessions_end EXIT

# as USER SESSION CMD...: in the control group of that session, by which polkit, logind and the broker know a program's session.
as() {
	local user=$1 session=$2

	shift 2
	# shellcheck disable=SC2016
	sh -c 'echo $$ >"/sys/fs/cgroup/user.slice/user-$1.slice/session-$2.scope/cgroup.procs" && shift 2 && exec setpriv "$@"' sh \
		"$(id -u "$user")" "$session" --reuid "$user" --regid "$user" --init-groups --inh-caps=-all "$@" >>"$NET_TMP/as.log" 2>&1
}
session_on() { loginctl list-sessions --no-legend | awk -v tty="$1" '$NF == tty { print $1 }'; }
# has_session TTY USER: it is listed before its control group is there
has_session() { [ -d "/sys/fs/cgroup/user.slice/user-$(id -u "$2").slice/session-$(session_on "$1").scope" ]; }
no_session() { ! loginctl show-session "$1" >/dev/null 2>&1; }
session_is() { [ "$(loginctl show-session "$1" -P "$2" 2>/dev/null)" = "$3" ]; }
log_in() {
	systemd-run --quiet --no-block --collect --unit "vm-$1" -p PAMName=login -p "TTYPath=/dev/$2" -p StandardInput=tty-force \
		-p StandardOutput=journal -p "User=$1" sleep infinity
	eventually has_session "$2" "$1" || fail "$1 has no session on $2"
}
alice_at_the_machine() {
	log_in alice tty1
	alice=$(session_on tty1)
	loginctl activate "$alice"
	eventually session_is "$alice" Active yes || fail "alice's session is not active"
}
ended() { [ "$(wgfido status --json | jq -r '.tunnels[0].end_reason')" = "$1" ]; }
# over WHAT REASON: the approval has ended for that reason, and the tunnel is closed
over() {
	check "$1: the approval has ended" eventually ended "$2"
	check "$1: the tunnel is closed" eventually is_state office closed
}
approved() { as alice "$alice" wgfido approve office || fail "alice cannot approve: $(tail -n 1 "$NET_TMP/as.log")"; }
end_on() {
	sed -i "/^EndOn/d; s/^Mode = psk/&\nEndOn = $1/" /etc/wgfido/office.conf
	systemctl reload wgfidod
}
locked_hint() {
	busctl call org.freedesktop.login1 "$(busctl --json=short call org.freedesktop.login1 /org/freedesktop/login1 \
		org.freedesktop.login1.Manager GetSession s "$alice" | jq -r '.data[0]')" org.freedesktop.login1.Session SetLockedHint b "$1"
}
# In place of the sleep that the emulator cannot do; all else of it is logind's and systemd's own.
fake_sleep() {
	mkdir -p "/run/systemd/system/systemd-$1.service.d"
	printf '[Service]\nExecStart=\nExecStart=/bin/cp /run/wgfido-net/office.json %s/slept\n' "$NET_TMP" \
		>"/run/systemd/system/systemd-$1.service.d/fake.conf"
}
# sleeps VERB STATE: and how the tunnel was at the moment of the sleep
sleeps() {
	systemctl "$1"
	check "$1: the machine sleeps" eventually test -s "$NET_TMP/slept"
	check_eq "$1: the tunnel then" "$(jq -r .state "$NET_TMP/slept")" "$2"
	rm "$NET_TMP/slept"
	eventually inhibited || fail "suspend is not held back again"
}
inhibited() { systemd-inhibit --list --no-legend | grep -q '^wgfido .* sleep .* delay'; }

getent passwd alice >/dev/null || useradd alice
getent passwd bob >/dev/null || useradd bob
fake_sleep suspend
fake_sleep hibernate
systemctl daemon-reload
STAGE_SLOT=120
stage_office
full_plug blue
wgfido enroll office --yes >/dev/null 2>&1 || fail "it does not enrol"
stage_office_gateway

# Who may approve. Nobody is there to type a password.
log_in bob tty2
bob=$(session_on tty2)
alice_at_the_machine
check "alice's session, at the machine, approves" as alice "$alice" wgfido approve office
check "a packet passes" wg_pings laptop 10.7.0.2
# A connection that the gateway refuses is one that was asked for and answered.
refused() { as "$@" timeout "$NET_PATIENCE" bash -c ': </dev/tcp/10.7.0.2/9' || tail -n 2 "$NET_TMP/as.log" | grep -q "Connection refused"; }
check "bob's pass too: it is open to every user" refused bob "$bob"
check_not "bob's session, in the background, may not approve" as bob "$bob" wgfido approve office
check "nor is anything changed by that" is_state office open
check "bob may close it" as bob "$bob" wgfido revoke office
over "revoked by bob" revoked
loginctl activate "$bob"
check "bob's session comes to the front" eventually session_is "$bob" Active yes
check_not "alice's, in the background now, may not" as alice "$alice" wgfido approve office
check "bob's approves" as bob "$bob" wgfido approve office
check "alice may close what bob approved" as alice "$alice" wgfido revoke office
over "revoked by alice" revoked
loginctl activate "$alice"
check "alice's session is at the front again" eventually session_is "$alice" Active yes
mkfifo "$NET_TMP/keyboard"
exec 8<>"$NET_TMP/keyboard"
script -qec "login -f -h 198.51.100.7 alice" /dev/null <&8 >"$NET_TMP/remote.log" 2>&1 &
echo $! >"$NET_TMP/remote.pid"
check "alice logs in from elsewhere" eventually has_session pts/0 alice
remote=$(session_on pts/0)
check "that session is remote" session_is "$remote" Remote yes
check_not "it may not approve" as alice "$remote" wgfido approve office
check "and is told why" sh -c 'tail -n 1 "$1" | grep -q "wants authentication"' sh "$NET_TMP/as.log"
check_not "nor may a program without a session" setpriv --reuid alice --regid alice --init-groups wgfido approve office
check "still closed" is_state office closed
loginctl terminate-session "$remote"

# EndOn = suspend is the default.
check "suspend is held back" inhibited
approved
loginctl lock-session "$alice"
check "nothing else by default: open though locked" never_for 0.5 is_state office closed
sleeps suspend closed
over "suspended" suspend
approved
check "open again" eventually is_state office open
systemctl kill -s STOP wgfido-rotate
systemctl suspend
check "suspend waits for an agent that has not closed yet" never_for 0.5 test -e "$NET_TMP/slept"
systemctl kill -s CONT wgfido-rotate
check "and goes on when it has" eventually test -s "$NET_TMP/slept"
check_eq "the tunnel then" "$(jq -r .state "$NET_TMP/slept")" closed
rm "$NET_TMP/slept"

# Hibernation ends all; logind does not say beforehand which it is, so where the machine cannot hibernate it is not taken for that.
end_on none
approved
eventually is_state office open || fail "it does not open"
sleeps suspend open
fallocate -l 1000M $swap
chmod 600 $swap
mkswap -q $swap
swapon $swap
sleeps hibernate closed
over "hibernated" suspend
swapoff $swap

end_on lock,logout
approved
loginctl lock-session "$bob"
check "another's session locked: still approved" never_for 1 ended lock
loginctl lock-session "$alice"
over "locked by logind" lock
approved
locked_hint true
over "locked by the desktop" lock
locked_hint false
approved
as alice "$alice" setsid -f sleep infinity
systemctl stop vm-alice
over "logged out, a program left running" logout
check "whose session is there still" session_is "$alice" State closing
pkill -KILL -u alice sleep
check "until that ends" eventually no_session "$alice"
alice_at_the_machine
approved
systemctl stop vm-alice
over "logged out" logout
