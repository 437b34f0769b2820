# SPDX-License-Identifier: GPL-2.0-or-later
# A token on USB, on the kernel's virtual host controller: what udev makes of it, a tunnel with it, and the cable pulled.
# vm: long
. "$top_srcdir/tests/vm/full-lib.sh"
full_system

STAGE_SLOT=120
stage_office
vm_plug_usb blue
known() { wgfido tokens 2>/dev/null | grep -qF vhci_hcd; }
check "the broker knows it by its port" eventually known
udevadm settle
node=$(vm_node blue)
property() { udevadm info --query=property --property="$1" --value "$node"; }
check_eq "udev: it is a security key" "$(property ID_FIDO_TOKEN)" 1
check "with the tag security-device" sh -c 'udevadm info --query=property --property=CURRENT_TAGS --value "$1" | grep -q :security-device:' sh "$node"
check_eq "with its path" "$(property ID_PATH | cut -d - -f 1)" platform

check "enrols" wgfido enroll office --yes
stage_office_gateway
check "approves" wgfido approve office
check "a packet passes" wg_pings laptop 10.7.0.2
start=$(now_ms)
vm_unplug blue KILL
check "pulled: it closes" eventually is_state office closed
echo "# $(($(now_ms) - start)) ms until closed"
check_not "no packet out" wg_pings laptop 10.7.0.2 0.3
check_not "no packet in" wg_pings gateway 10.7.0.1 0.3
vm_plug_usb blue
check "plugged in again the broker knows it" eventually known
check "approves" wgfido approve office
check "and packets pass" wg_pings laptop 10.7.0.2
