#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The worker for smart cards and the monitor of readers against a real pcscd, with the tests' own card in a virtual reader
# (vsmartcard-vpcd): X25519, PINs, sessions that are kept and lost, other programs, removal, deadlines, pcscd that comes and goes.
. "$(dirname "$0")/lib.sh"
net_reexec "$@"
net_need pcscd opensc-tool
[ -e /usr/lib/pcsc/drivers/serial/libifdvpcd.so ] || skip "vsmartcard-vpcd is not installed"

tool=$NET_BUILD/tests/card/card-tool
worker=$NET_BUILD/token/wgfido-token
reader="Virtual Card 00 00"
mkdir "$NET_TMP/readers" "$NET_TMP/slot"
cat >"$NET_TMP/readers/vpcd" <<END
FRIENDLYNAME "Virtual Card"
DEVICENAME /dev/null:0x8C7B
LIBPATH /usr/lib/pcsc/drivers/serial/libifdvpcd.so
CHANNELID 0x8C7B
END

start_pcscd()
{
	mkdir -p /run/pcscd
	net_start - pcscd pcscd -f -c "$NET_TMP/readers"
	check "pcscd runs" eventually test -S /run/pcscd/pcscd.comm
}

# card NUMBER LINE...: tells the card (in the reader's slot NUMBER)
start_card()
{
	local n=$1

	mkfifo "$NET_TMP/slot/in$n"
	: >"$NET_TMP/slot/out$n" # before it is looked into
	"$NET_BUILD/tests/card/vicc" $((35963 + n)) "${@:2}" <"$NET_TMP/slot/in$n" >>"$NET_TMP/slot/out$n" 2>"$NET_TMP/vicc$n.log" &
	# shellcheck disable=SC1083 # the descriptor goes into an array
	exec {card_fd[n]}>"$NET_TMP/slot/in$n"
}

card()
{
	local n=$1 before

	shift
	before=$(grep -c '^ok' "$NET_TMP/slot/out$n" || true)
	echo "$*" >&"${card_fd[n]}"
	eventually more_than "$n" "$before" || fail "the card in slot $n does not hear: $*"
}

more_than()
{
	[ "$(grep -c '^ok' "$NET_TMP/slot/out$1" || true)" -gt "$2" ]
}

# use_with_touch FILE: in the background (its pid in job), until a touch is asked for. The worker says so before it sends the command.
use_with_touch()
{
	local before

	before=$(waits)
	: >"$1"
	ask dh 2:0 123456 leave 300000 >"$1" &
	job=$!
	check "a touch is asked for" eventually grep -q "status 2" "$1"
	check "and waited for" eventually waits_more_than "$before"
}

waits()
{
	grep -c '^waits' "$NET_TMP/slot/out0" || true
}

waits_more_than()
{
	[ "$(waits)" -gt "$1" ]
}

# what the card's last "state" said
state()
{
	card 0 state
	grep '^verify' "$NET_TMP/slot/out0" | tail -n 1
}

unverified()
{
	grep -q "verified 0" <<<"$(state)"
}

ask()
{
	"$tool" "$worker" "$reader" "$@" 2>>"$NET_TMP/tool.log"
}

seen()
{
	grep -qxF -- "$1" "$NET_TMP/monitor.log"
}

seen_again()
{
	[ "$(grep -cxF -- "$1" "$NET_TMP/monitor.log")" -ge 2 ]
}

declare -a card_fd
net_start - monitor "$tool" "$worker" --cards
check "without pcscd the monitor waits" never_for 0.3 test -s "$NET_TMP/monitor.log"
start_pcscd
check "the monitor finds pcscd when it comes" eventually seen "connected "
start_card 0
card 0 insert
check "the monitor sees the card" eventually seen "added $reader"

out=$(ask info list)
check "info" grep -q "^1 Ok product=Virtual Card serial=123456 capabilities=1548 tries=3$" <<<"$out"
check "the list has both keys" grep -qE "^16 Ok slots=22 2:00:touch1:pin1:[0-9a-f]{64} 3:9d:touch1:pin1:[0-9a-f]{64}$" <<<"$out"

out=$(ask dh 2:0 123456 leave 60000 dh 3:9d 123456 leave 60000 dh 2:0 - leave 60000 dh 2:0 999999 leave 60000)
check_eq "X25519 with both applications, PINs asked for and refused" "$out" "18 Ok right
18 Ok right
18 PinRequired
18 PinInvalid tries=2"
check_eq "a PIN is tried once" "$(state)" "verify 3 dh 2 verified 0 tries 2"

out=$(ask dh 2:0 123456 keep 60000 dh 2:0 - keep 60000 dh 2:0 - keep 60000 forget dh 2:0 - keep 60000)
check_eq "a kept session, and its end" "$out" "18 Ok right
18 Ok right
18 Ok right
22 Ok
18 PinRequired"
ask dh 2:0 123456 keep 60000 >/dev/null
check "the session ends with the worker" eventually unverified

# Another program that resets the card
mkfifo "$NET_TMP/go"
: >"$NET_TMP/lost"
ask dh 2:0 123456 keep 60000 line dh 2:0 - keep 60000 <"$NET_TMP/go" >"$NET_TMP/lost" &
job=$!
exec {go}>"$NET_TMP/go"
check "a session" eventually grep -q right "$NET_TMP/lost"
opensc-tool -r "$reader" --reset >/dev/null 2>&1 || fail "opensc-tool cannot reset the card"
echo >&"$go"
wait "$job"
check "a reset by others ends it, and is said" grep -q "^18 PinRequired (another program used the card, which ended the session)$" "$NET_TMP/lost"

# Touch
card 0 uif 1
card 0 patience 300
use_with_touch "$NET_TMP/touch"
card 0 touch
wait "$job"
check "and does it" grep -q "^18 Ok right$" "$NET_TMP/touch"
card 0 patience 4
out=$(ask dh 2:0 123456 leave 300000)
check_eq "nobody touches it: the card says so" "$out" "status 2
18 TouchTimeout"
card 0 patience 300
began=$(now_ms)
out=$(ask dh 2:0 123456 leave 3000)
check_eq "the deadline holds though the call blocks" "$out" "status 2
18 TouchTimeout"
echo "# deadline of 3000 ms: $(($(now_ms) - began)) ms"
# The card itself waits on for its touch, whoever has gone, if the command has come to it; and pcscd needs a moment to see that nobody
# wants its answer.
usable() {
	card 0 touch
	ask info | grep -q "^1 Ok "
}
touched_late() {
	eventually usable || fail "the card does not come back: $(ask info)"
}
touched_late
out=$(ask cancel dh 2:0 123456 leave 300000)
check_eq "so does a cancellation" "$out" "status 2
18 Cancelled"
touched_late
card 0 uif 3
# It may want a touch, and is silent: then it wants one.
use_with_touch "$NET_TMP/maybe"
card 0 touch
wait "$job"
check "also then" grep -q "^18 Ok right$" "$NET_TMP/maybe"
card 0 uif 0
check "nothing of it stays verified" eventually unverified

# Status words
for row in "2a 6982 PinRequired" "2a 6983 PinBlocked" "2a 6985 TokenFailed" "2a 6a88 NotEnrolled" "20 63c1 PinInvalid"; do
	read -r ins sw outcome <<<"$row"
	card 0 inject "$ins" "$sw"
	out=$(ask dh 2:0 123456 leave 60000)
	check "status word $sw: $outcome" grep -q "^18 $outcome" <<<"$out"
done

# A card that is slow, while the worker's ticks interrupt every call
card 0 slow 120
check_eq "signals break no call" "$(ask dh 3:9d 123456 leave 60000)" "18 Ok right"
card 0 slow 0

# Out in the middle
card 0 uif 1
use_with_touch "$NET_TMP/pulled"
card 0 pull
wait "$job"
check "pulled out in the middle" grep -q "^18 TokenFailed" "$NET_TMP/pulled"
check "the monitor sees it go" eventually seen "removed $reader"
check_eq "no card" "$(ask info)" "1 TokenMissing (there is no card in the reader)"

# A second reader
start_card 1 none
card 1 insert
check "a card in another reader" eventually seen "added Virtual Card 00 01"
check_eq "without our applications" "$("$tool" "$worker" "Virtual Card 00 01" info)" "1 Unsupported (the card can do no X25519)"
card 0 uif 0
card 0 insert
check "and the first one again" eventually seen_again "added $reader"

# pcscd goes
net_stop pcscd
check "the monitor ends with pcscd" eventually seen "end"
check "without a turn of a loop" test "$(wc -l <"$NET_TMP/monitor.log")" -lt 12
