# SPDX-License-Identifier: GPL-2.0-or-later
# The software token as a HID device of the kernel's, used by the distribution's own programs for security keys.
. "$top_srcdir/tests/vm/lib.sh"
vm_begin

vm_plug blue --touch auto
node=$(vm_node blue)
check "a hidraw node" test -c "$node"
check_eq "its bus, vendor and product" "$(grep HID_ID "$(vm_hid blue)/uevent")" "HID_ID=0003:00001209:00000001"
check_eq "a serial number of 16 digits" "$(sed -n 's/^HID_UNIQ=//p' "$(vm_hid blue)/uevent" | tr -d 0-9a-f | wc -c),$(sed -n 's/^HID_UNIQ=//p' "$(vm_hid blue)/uevent" | wc -c)" 1,17

fido2-token -L >"$NET_TMP/list"
check "fido2-token -L lists it" grep -q "^$node: vendor=0x1209, product=0x0001" "$NET_TMP/list"
fido2-token -I "$node" >"$NET_TMP/info"
check "fido2-token -I: it speaks FIDO2" grep -q "^version strings:.*FIDO_2" "$NET_TMP/info"
check "and has hmac-secret" grep -q "^extension strings:.*hmac-secret" "$NET_TMP/info"

# A credential, and an assertion with hmac-secret that checks.
b64() { head -c 32 /dev/urandom | base64 -w 0; echo; }
{ b64; echo example.org; echo alice; b64; } >"$NET_TMP/cred.in"
check "fido2-cred makes a credential" fido2-cred -M -h -i "$NET_TMP/cred.in" -o "$NET_TMP/cred" "$node"
check "whose attestation checks" sh -c 'fido2-cred -V -h -i "$1" -o "$1.ok" es256' sh "$NET_TMP/cred"
id=$(head -n 1 "$NET_TMP/cred.ok")
tail -n +2 "$NET_TMP/cred.ok" >"$NET_TMP/pub.pem"
salt=$(b64)
for i in 1 2; do
	{ b64; echo example.org; echo "$id"; echo "$salt"; } >"$NET_TMP/assert.in"
	check "fido2-assert, time $i" fido2-assert -G -h -i "$NET_TMP/assert.in" -o "$NET_TMP/assert$i" "$node"
	check "its signature checks" fido2-assert -V -h -i "$NET_TMP/assert$i" "$NET_TMP/pub.pem" es256
done
check_eq "one salt, one secret" "$(tail -n 1 "$NET_TMP/assert1")" "$(tail -n 1 "$NET_TMP/assert2")"
check_eq "of 32 bytes" "$(tail -n 1 "$NET_TMP/assert1" | base64 -d | wc -c)" 32

# A second key beside it, and the first unplugged.
vm_plug red --touch auto
check_eq "two keys are listed" "$(fido2-token -L | wc -l)" 2
vm_unplug blue
check_not "unplugged: the node is gone" test -e "$node"
check_eq "the other stays" "$(fido2-token -L | cut -d : -f 1)" "$(vm_node red)"
vm_unplug red KILL
check "killed: gone as well" eventually vm_no_hid red

# Again and again, as on a hub that is switched off and on.
rounds=${VM_ROUNDS:-20}
for i in $(seq "$rounds"); do
	vm_plug blue --touch auto
	[ "$i" = "$rounds" ] || vm_unplug blue
done
check "after $rounds times in and out it answers" fido2-token -I "$(vm_node blue)"
