# SPDX-License-Identifier: GPL-2.0-or-later
# wgfido-tunnel against the kernel's WireGuard on bad lines (netem) and with odd sizes.
# vm: long
. "$top_srcdir/tests/vm/lib.sh"
vm_net_test test-interop-line.sh
