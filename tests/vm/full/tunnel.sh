# SPDX-License-Identifier: GPL-2.0-or-later
# A tunnel of the kernel's on the whole system: the broker as its user, the key by udev, who may by polkit; and the key pulled,
# with udevd well, stopped and started anew.
. "$top_srcdir/tests/vm/full-lib.sh"
full_system

STAGE_SLOT=120
stage_office
check_not "no key: no enrolment" sh -c 'wgfido enroll office --yes >"$1" 2>&1' sh "$NET_TMP/enroll.log"
full_plug blue
check "root enrols" wgfido enroll office --yes
check_eq "the key file is the broker's" "$(stat -c '%U %a' "$NET_TMP/laptop/state/keys/office.key")" "wgfido 600"
stage_office_gateway
check "the interface is closed" eventually is_state office closed
check_not "no packet before approval" wg_pings laptop 10.7.0.2 1

# polkit: a user without a session may not, unless a rule of the administrator's says so. Nobody is there to type a password.
getent passwd alice >/dev/null || useradd alice
as_alice() { setpriv --reuid alice --regid alice --init-groups --inh-caps=-all "$@"; }
check "alice sees the tunnel" sh -c 'setpriv --reuid alice --regid alice --init-groups wgfido status | grep -q office'
check_not "alice, without a session, may not approve" as_alice wgfido approve office
check_not "nor enrol" as_alice wgfido enroll office --yes
check "still closed" is_state office closed
mkdir -p /etc/polkit-1/rules.d
cat >/etc/polkit-1/rules.d/10-alice.rules <<'RULE'
polkit.addRule(function(action, subject) {
	if (action.id == "org.wgfido1.approve" && subject.user == "alice")
		return polkit.Result.YES;
});
RULE
check "with a rule for it she may" eventually as_alice wgfido approve office
rm /etc/polkit-1/rules.d/10-alice.rules
check "a packet passes" wg_pings laptop 10.7.0.2

# pulled HOW...: the last packet each way after the key is gone; the tunnel is closed then, and the key is back and approved after.
pulled() {
	local out

	out=$("$NET_BUILD/bench/flow" --a /run/netns/laptop,10.7.0.1 --b /run/netns/gateway,10.7.0.2 --interval-us 2000 --pull "$(net_pid key-blue)") ||
		fail "$1: the flow through the tunnel"
	ok "$1: pulled; last packet after: $out (us)"
	wait "$(net_pid key-blue)" || :
	check "$1: closed" eventually is_state office closed
	check_not "$1: no packet" wg_pings laptop 10.7.0.2 1
	check_not "$1: none back" wg_pings gateway 10.7.0.1 1
}
again() {
	full_plug blue
	check "root approves" wgfido approve office
	check "packets pass again" wg_pings laptop 10.7.0.2
}

pulled "udevd well"
again

systemctl kill -s STOP systemd-udevd
pulled "udevd stopped"
systemctl kill -s CONT systemd-udevd
again

systemctl restart systemd-udevd
pulled "udevd restarted"
again

net_stop key-blue KILL
check "the key's program killed: closed" eventually is_state office closed
