# SPDX-License-Identifier: GPL-2.0-or-later
# The system's own services in trouble, with a tunnel of either mode open: udevd stopped while the key is pulled, udevd and logind
# started anew, polkit gone in the middle of a question. What has nothing to do with the key closes nothing.
# vm: long
. "$top_srcdir/tests/vm/full-lib.sh"
. "$top_srcdir/tests/vm/full-both.sh"
full_system
both_enrol
pull_blue() { kill "$(net_pid key-blue)"; }
export -f pull_blue net_pid
export NET_TMP

open_both
closes "key pulled" 5000 pull_blue
full_plug blue
open_both

systemctl kill -s STOP systemd-udevd
closes "key pulled, udevd stopped" 5000 pull_blue
systemctl kill -s CONT systemd-udevd
full_plug blue
open_both

systemctl restart systemd-udevd
check "udevd restarted: both stay open" passes
closes "key pulled after that" 5000 pull_blue
full_plug blue
open_both

# This kernel renames only what is down; what it is called when it is up again makes no difference.
rename() { ip link set "$1" down && ip link set "$1" name "$2" && ip link set "$2" up && ip route add "$3" dev "$2"; }
renamed() { [ "$(wg show away private-key)" = "(none)" ]; }
start=$(now_ms)
rename home away 10.8.0.2/32
check "renamed: its private key is taken out" eventually renamed
echo "# renamed: $(($(now_ms) - start)) ms until closed"
check_not "no packet" wg_pings laptop 10.8.0.2 0.5
check_not "none back" wg_pings gateway 10.8.0.1 0.5
rename away home 10.8.0.2/32
check "with its name again it opens, still approved" passes

# The broker holds suspend back through logind, also through the one that comes after.
inhibits() { busctl call org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager ListInhibitors 2>/dev/null | grep -q '"wgfido"'; }
check "suspend is held back" inhibits
systemctl restart systemd-logind
check "logind restarted: both stay open" passes
check "and the new one holds suspend back" eventually inhibits
unit_kill KILL systemd-logind
check "logind killed (-9): both stay open" passes
check "and suspend is held back by the next" eventually inhibits

# alice may by a rule alone, so that polkit has to be asked.
getent passwd alice >/dev/null || useradd alice
mkdir -p /etc/polkit-1/rules.d
cat >/etc/polkit-1/rules.d/10-alice.rules <<'RULE'
polkit.addRule(function(action, subject) {
	if (action.id == "org.wgfido1.approve" && subject.user == "alice")
		return polkit.Result.YES;
});
RULE
as_alice() { setpriv --reuid alice --regid alice --init-groups --inh-caps=-all "$@"; }
wgfido lock || fail "it does not lock"
check "polkit's rule lets alice" eventually as_alice wgfido approve office
wgfido lock || fail "it does not lock"
unit_kill STOP polkit
as_alice wgfido approve office >"$NET_TMP/alice.out" 2>&1 &
asked=$!
check_not "polkit frozen: no answer, no approval" wait_for 1 is_state office open
start=$(now_ms)
unit_kill KILL polkit
check_not "polkit killed (-9) while it is asked: not approved" wait $asked
echo "# that took $(($(now_ms) - start)) ms, and alice reads: $(cat "$NET_TMP/alice.out")"
check "she reads that it was polkit's fault" grep -q "polkit ended" "$NET_TMP/alice.out"
check "closed" is_state office closed
check_not "no packet" wg_pings laptop 10.7.0.2 0.5
check "polkit is started again by the question, and says yes" eventually as_alice wgfido approve office
check "packets pass" wg_pings laptop 10.7.0.2
rm /etc/polkit-1/rules.d/10-alice.rules
