# SPDX-License-Identifier: GPL-2.0-or-later
# wgfido-prompt as a user's own service manager runs it, with its sandbox: on the session bus, seeing the broker and the agent; started
# again when the bus is gone; gone with the graphical session. (What it shows is tests/integration/test-prompt.py's.)
# vm: long
. "$top_srcdir/tests/vm/full-lib.sh"
full_system
getent passwd desk >/dev/null || useradd desk
uid=$(id -u desk)

# What the package dbus-user-session brings, and a desktop's target.
units=/run/systemd/user
mkdir -p $units
cat >$units/dbus.socket <<'UNIT'
[Socket]
ListenStream=%t/bus
UNIT
cat >$units/dbus.service <<'UNIT'
[Unit]
Requires=dbus.socket
[Service]
Type=notify
ExecStart=/usr/bin/dbus-daemon --session --address=systemd: --nofork --nopidfile --systemd-activation --syslog-only
UNIT
cat >$units/desktop.service <<'UNIT'
[Unit]
BindsTo=graphical-session.target
Before=graphical-session.target
[Service]
ExecStart=/bin/sleep infinity
UNIT
trap 'systemctl stop user@'"$uid"'; rm -rf '$units'; rm -rf /etc/systemd/user/graphical-session.target.wants; full_end' EXIT
systemctl --global enable wgfido-prompt 2>/dev/null
check "enabled for every user" test -L /etc/systemd/user/graphical-session.target.wants/wgfido-prompt.service
systemctl start "user@$uid" || fail "no service manager for the user"

as_desk() {
	setpriv --reuid desk --regid desk --init-groups --inh-caps=-all env XDG_RUNTIME_DIR="/run/user/$uid" \
		DBUS_SESSION_BUS_ADDRESS="unix:path=/run/user/$uid/bus" "$@"
}
user() { as_desk systemctl --user "$@"; }
prompt_pid() { user show -P MainPID wgfido-prompt; }
owns() { as_desk busctl --user status org.wgfido1.Prompt 2>/dev/null | grep -q "^PID=$(prompt_pid)\$"; }
said() { journalctl -q -b --no-pager "_UID=$uid" | grep -q "wgfido-prompt.*$1"; }

check_not "not before the graphical session" user -q is-active wgfido-prompt
user start dbus.socket desktop.service || fail "the session does not start"
check "begins with the graphical session" eventually user -q is-active wgfido-prompt
check "owns its name on the session bus" eventually owns
pid=$(prompt_pid)
check "no new privileges" grep -q "^NoNewPrivs:.*1" "/proc/$pid/status"
check "a filter of system calls" grep -q "^Seccomp:.*2" "/proc/$pid/status"
check "no core dumps" grep -Eq "^Max core file size +0 +0" "/proc/$pid/limits"

# It sees what the broker and the agent say: what has closed is news, for which it looks for a notification daemon.
STAGE_SLOT=120
stage_office
full_plug blue
check "root enrols" wgfido enroll office --yes
check "the interface is closed" eventually is_state office closed
check_not "nothing to tell so far" said "no notification daemon"
check "approved" wgfido approve office
check "open" eventually is_state office open
vm_unplug blue
check "closed, and it wants to tell" eventually said "no notification daemon"

user restart dbus.service
check "the session bus gone: it comes back by itself" eventually owns
check_not "as another process" test "$pid" = "$(prompt_pid)"
user stop desktop.service
prompt_ended() { ! user -q is-active wgfido-prompt; }
check "ends with the graphical session" eventually prompt_ended
