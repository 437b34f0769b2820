# SPDX-License-Identifier: GPL-2.0-or-later
# What udevd makes of the software token.
. "$top_srcdir/tests/vm/lib.sh"
vm_begin

vm_plug blue
udevadm settle
node=$(vm_node blue)
property() { udevadm info --query=property --property="$1" --value "$node"; }
check_eq "it is a security key" "$(property ID_FIDO_TOKEN)" 1
check "with the tag security-device" sh -c 'udevadm info --query=property --property=CURRENT_TAGS --value "$1" | grep -q :security-device:' sh "$node"
check "fido2-token -L lists it" sh -c 'fido2-token -L | grep -q "^$1:"' sh "$node"
vm_unplug blue
check_not "unplugged: the node is gone" test -e "$node"
