# SPDX-License-Identifier: GPL-2.0-or-later
# Clocks that disagree, on the kernel's WireGuard.
. "$top_srcdir/tests/vm/lib.sh"
vm_net_test test-hunt.sh
