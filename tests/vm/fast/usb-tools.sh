# SPDX-License-Identifier: GPL-2.0-or-later
# The software token as a USB device on the kernel's virtual host controller: what a cable has and uhid has not.
. "$top_srcdir/tests/vm/lib.sh"
vm_begin

vm_plug_usb blue
node=$(vm_node blue)
serial=$(wgfido-softtoken info --state "$NET_TMP/blue.key" | sed -n 's/^serial: //p')
# From the HID device to its interface, and to the device.
usb=$(readlink -f "$(vm_hid blue)/../..")
check_eq "its manufacturer" "$(cat "$usb/manufacturer")" wgfido
check_eq "its product" "$(cat "$usb/product")" "software token"
check_eq "its serial number" "$(cat "$usb/serial")" "$serial"
check_eq "full speed" "$(cat "$usb/speed")" 12
fido2-token -L >"$NET_TMP/list"
check_eq "fido2-token -L shows the strings" "$(cat "$NET_TMP/list")" "$node: vendor=0x1209, product=0x0001 (wgfido software token)"
fido2-token -I "$node" >"$NET_TMP/info"
check "fido2-token -I: it speaks FIDO2" grep -q "^version strings:.*FIDO_2" "$NET_TMP/info"

# Long messages both ways.
b64() { head -c 32 /dev/urandom | base64 -w 0; echo; }
{ b64; echo example.org; echo alice; b64; } >"$NET_TMP/cred.in"
check "fido2-cred makes a credential" fido2-cred -M -h -i "$NET_TMP/cred.in" -o "$NET_TMP/cred" "$node"
check "whose attestation checks" sh -c 'fido2-cred -V -h -i "$1" -o "$1.ok" es256' sh "$NET_TMP/cred"

# A second one beside it.
vm_plug_usb red
check_eq "two keys are listed" "$(fido2-token -L | wc -l)" 2
used() { awk '$1 == "hs" && $3 == "006"' /sys/devices/platform/vhci_hcd.0/status | wc -l; }
check_eq "each on a port of its own" "$(used)" 2
vm_unplug blue KILL
gone() { ! test -e "$usb"; }
check "killed: the device is gone from the bus" eventually gone
check_not "and its node" test -e "$node"
vm_unplug red
check "ended: gone as well" eventually vm_no_hid red
vm_plug_usb blue
check "plugged in again it answers" fido2-token -I "$(vm_node blue)"

# Whoever administers the machine can pull it: it notices, and ends.
port=$(awk '$1 == "hs" && $3 == "006" { print $2 + 0 }' /sys/devices/platform/vhci_hcd.0/status)
echo "$port" >/sys/devices/platform/vhci_hcd.0/detach
ended() { ! kill -0 "$(net_pid key-blue)" 2>/dev/null; }
check "detached by the kernel it ends" eventually ended
