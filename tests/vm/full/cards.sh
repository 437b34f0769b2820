# SPDX-License-Identifier: GPL-2.0-or-later
# Smart cards on the whole system: pcscd by its socket unit, its polkit, the broker in its unit's sandbox; a virtual card.
# vm: long
. "$top_srcdir/tests/vm/full-lib.sh"
command -v pcscd >/dev/null || skip "pcscd is not in the image"
full_system

rule=/usr/share/polkit-1/rules.d/50-wgfido-cards.rules
card_is_listed() { wgfido tokens | grep -q "id *card-"; }
says_denied() { journalctl -b -q --no-pager -u wgfidod | grep -q "pcscd lets wgfido at no smart card"; }
pcscd_listens() { ss -Hltn "sport = :35963" | grep -q .; }

check "the rule for pcscd is where polkit reads it" test -e "$rule"
# Without it nobody without a session gets at a card, where pcscd asks polkit at all (that of Debian 12 does not).
if [ -e /usr/share/polkit-1/actions/org.debian.pcsc-lite.policy ]; then
	mv "$rule" "$NET_TMP/rule"
	systemctl restart polkit pcscd.socket wgfidod
	check "without its rule the broker is denied, and says so" eventually says_denied
	check "doctor names the rule" sh -c 'wgfido doctor | grep -q "the rule for it is missing"'
	cp "$NET_TMP/rule" "$rule"
	systemctl restart polkit
fi
systemctl restart pcscd.socket wgfidod
check "pcscd is started by its socket" eventually pcscd_listens
mkfifo "$NET_TMP/card"
"$NET_BUILD/tests/card/vicc" 35963 <"$NET_TMP/card" >"$NET_TMP/card.log" 2>&1 &
exec 9>"$NET_TMP/card"
echo insert >&9
check "the card is a token" eventually card_is_listed
wgfido tokens
check "with what it can do" eventually sh -c 'wgfido tokens | grep -q "openpgp piv"'
check "its serial number and tries" eventually sh -c 'wgfido tokens | grep -q "serial *123456" && wgfido tokens | grep -q "3 tries left"'
check "doctor knows it" sh -c 'wgfido doctor | grep -q "The smart card .* (123456) can open tunnels"'

systemctl restart pcscd
echo pull >&9
eventually pcscd_listens || fail "pcscd does not come back"
check "it is gone with pcscd" eventually sh -c '! wgfido tokens | grep -q "id *card-"'
echo insert >&9
check "and back with it" eventually card_is_listed
echo pull >&9
check "taken out" eventually sh -c '! wgfido tokens | grep -q "id *card-"'
exec 9>&-
