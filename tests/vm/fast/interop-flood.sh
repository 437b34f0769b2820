# SPDX-License-Identifier: GPL-2.0-or-later
# wgfido-tunnel and the kernel's WireGuard flooded with initiations.
# vm: long
. "$top_srcdir/tests/vm/lib.sh"
vm_net_test test-interop-flood.sh
