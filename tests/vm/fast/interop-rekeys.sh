# SPDX-License-Identifier: GPL-2.0-or-later
# Twenty rekeys between wgfido-tunnel and the kernel's WireGuard, in both directions.
# vm: long
. "$top_srcdir/tests/vm/lib.sh"
vm_net_test test-interop-rekeys.sh
