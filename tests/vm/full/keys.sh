# SPDX-License-Identifier: GPL-2.0-or-later
# Security keys: two at once; plugged in before the broker, before udevd and while an approval waits for one; pulled in the middle
# of a touch and at any other moment; twenty times in and out.
# vm: long
. "$top_srcdir/tests/vm/full-lib.sh"
full_system

STAGE_SLOT=120
stage_office
full_plug blue
wgfido enroll office --yes >/dev/null || fail "it does not enrol"
stage_office_gateway
opens() { check "$1: packets pass" wg_pings laptop 10.7.0.2; }
closed() {
	check "$1: closed" eventually is_state office closed
	check_not "$1: no packet" wg_pings laptop 10.7.0.2 0.5
}
n_tokens() { wgfido tokens | grep -c "^  id "; }
pull() { vm_unplug "$1" KILL; }

full_plug red
check "two keys, one with a keyslot: approves" wgfido approve office
opens "that one is used"
pull red
check "the other one pulled: packets pass" wg_pings laptop 10.7.0.2
check "and it is open" is_state office open
full_plug red
pull blue
closed "the one with the keyslot pulled"
check_not "the other one alone does not open it" sh -c 'wgfido approve office 2>"$1"' sh "$NET_TMP/wrong"
echo "# $(tail -n 1 "$NET_TMP/wrong")"

full_plug blue
wgfido keyslot add office --label red --token uhid/red >/dev/null || fail "no second keyslot"
pull red
pull blue
full_plug red --touch manual
full_plug blue --touch manual
wgfido approve office >/dev/null &
vm_touch red || fail "red wants no touch"
wait $! || fail "two keys with a keyslot: no approval"
opens "both have a keyslot, and red was touched"
check_eq "blue wants no touch any more" "$(wgfido-softtoken status --control "$NET_TMP/blue.touch")" idle
pull blue
check "blue pulled: open" is_state office open
check "and packets pass" wg_pings laptop 10.7.0.2
pull red
closed "red pulled"

# From here on blue alone.
full_plug blue
systemctl restart wgfidod
check "there before the broker: known" eventually full_token_known blue
check "and approves" wgfido approve office
opens "key before the broker"
udevadm trigger --action=add --subsystem-match=hidraw --settle
udevadm trigger --action=change --subsystem-match=hidraw --settle
check_eq "udevadm trigger: it is one key" "$(n_tokens)" 1
check "it stays open" wg_pings laptop 10.7.0.2
check "open" is_state office open

pull blue
udevd=(systemd-udevd-control.socket systemd-udevd-kernel.socket systemd-udevd.service)
systemctl stop "${udevd[@]}"
vm_plug blue
systemctl restart wgfidod
check "plugged in before udevd: not known yet" eventually full_broker_answers
systemctl start "${udevd[@]}"
udevadm trigger --type=devices --action=add --subsystem-match=hidraw
check "known after the coldplug" eventually full_token_known blue
check_eq "once" "$(n_tokens)" 1

pull blue
wgfido approve office --wait >"$NET_TMP/wait.out" 2>&1 &
waits=$!
waiting() { busctl get-property org.wgfido1 /org/wgfido1/tunnel/office org.wgfido1.Tunnel Prompt | grep -q '"token'; }
check "an approval waits for a key" eventually waiting
vm_plug blue
check "plugged in then: approved" wait $waits
opens "key plugged in while an approval waits"

pull blue
closed "pulled"
full_plug blue --touch manual
wgfido approve office >"$NET_TMP/touch.out" 2>&1 &
touches=$!
wants_touch() { [ "$(wgfido-softtoken status --control "$NET_TMP/blue.touch" 2>/dev/null)" = touch ]; }
check "it wants a touch" eventually wants_touch
pull blue
check_not "pulled during the touch: not approved" wait $touches
echo "# $(tail -n 1 "$NET_TMP/touch.out")"
check "a sentence says so" grep -q "pulled out" "$NET_TMP/touch.out"
closed "pulled during the touch"
full_plug blue
check "plugged in again it approves" wgfido approve office
opens "key and tunnel unharmed"

# A hub that is switched off and on.
broker=$(full_main_pid wgfidod)
fds() { find "/proc/$broker/fd" -mindepth 1 | wc -l; }
workers() { pgrep -c -P "$broker" || :; }
wgfido approve office >/dev/null || fail "no approval"
before="$(fds) $(workers)"
pull blue
start=$(now_ms)
"$NET_BUILD/tests/vm/hub" blue 20 2000 || fail "no hub"
echo "# twenty times in and out: $(($(now_ms) - start)) ms"
vm_plug blue
udevadm settle
check "plugged in for good: known" eventually full_token_known blue
check_eq "as one key" "$(n_tokens)" 1
check "approves" wgfido approve office
opens "after twenty times in and out"
as_before() { [ "$(fds) $(workers)" = "$before" ]; }
check "the broker has as many descriptors and workers as before ($before)" eventually as_before
check_eq "and is the same process" "$(full_main_pid wgfidod)" "$broker"

for ms in 0 150 300 500 700; do
	wgfido lock || fail "it does not lock"
	wgfido approve office >/dev/null 2>"$NET_TMP/random.out" &
	approval=$!
	sleep "$(printf '0.%03d' $((ms + RANDOM % 100)))"
	pull blue
	result=approved
	wait $approval || result="not approved"
	eventually is_state office closed || fail "pulled about $ms ms into an approval ($result): it is not closed"
	! wg_pings laptop 10.7.0.2 0.5 || fail "pulled about $ms ms into an approval ($result): a packet passes"
	is_state office closed || fail "pulled about $ms ms into an approval ($result): it opened later"
	echo "# pulled about $ms ms into an approval: $result, closed"
	full_plug blue
done
check "it approves after all that" wgfido approve office
opens "after all that"
