# SPDX-License-Identifier: GPL-2.0-or-later
# wgfido-tunnel against the kernel's WireGuard.
. "$top_srcdir/tests/vm/lib.sh"
vm_net_test test-interop.sh
