# SPDX-License-Identifier: GPL-2.0-or-later
# Identity mode from end to end on the kernel's WireGuard.
. "$top_srcdir/tests/vm/lib.sh"
vm_net_test test-home.sh
