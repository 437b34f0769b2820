# SPDX-License-Identifier: GPL-2.0-or-later
# The device backends on the kernel's WireGuard.
. "$top_srcdir/tests/vm/lib.sh"
vm_net_test test-device.sh
