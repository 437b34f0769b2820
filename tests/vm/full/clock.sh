# SPDX-License-Identifier: GPL-2.0-or-later
# The machine's clock stepped by an hour in both directions, with a tunnel of either mode open. The gateway is a namespace here,
# so its clock is the same one.
# vm: long
. "$top_srcdir/tests/vm/full-lib.sh"
. "$top_srcdir/tests/vm/full-both.sh"
full_system
both_enrol

off=0
step() {
	off=$((off + $1))
	date -s "@$(($(date +%s) + $1))" >/dev/null
}
export -f step
clock_end() {
	local status=$?

	set +e
	[ $off = 0 ] || step $((-off))
	(exit $status)
	full_end
}
trap clock_end EXIT
reason_is_clock() { [ "$(agent_state office .reason)" = "the approval ended: clock" ] && [ "$(agent_state home .reason)" = "the approval ended: clock" ]; }
until_us() { busctl get-property org.wgfido1 "/org/wgfido1/tunnel/$1" org.wgfido1.Tunnel ApprovedUntil | cut -d ' ' -f 2; }

open_both
closes "an hour back" 5000 step -3600
check "because of the clock" eventually reason_is_clock
off=-3600
step 3600
silent || fail "an hour back and forth again opens it"
check "the clock right again: closed still" reason_is_clock
open_both
ok "approved anew, packets pass"

wgfido approve office --for 30m >/dev/null && wgfido approve home --for 30m >/dev/null || fail "no approval for half an hour"
passes || fail "no packet"
closes "an hour ahead, out of the window" 5000 step 3600
check "because of the clock" eventually reason_is_clock
off=3600
step -3600
open_both

before="$(until_us office) $(until_us home)"
step 3600
check "an hour ahead, within the window: packets pass" passes
check_eq "and it ends no later than before" "$(until_us office) $(until_us home)" "$before"
stage_forget_sessions
check "a new handshake in the new slot" passes
closes "an hour back from there" 5000 step -3600
off=0
check "because of the clock" eventually reason_is_clock
