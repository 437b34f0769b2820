# SPDX-License-Identifier: GPL-2.0-or-later
# Every part killed, stopped, frozen: on the kernel's WireGuard.
# vm: long
. "$top_srcdir/tests/vm/lib.sh"
vm_net_test test-fail-closed.sh
