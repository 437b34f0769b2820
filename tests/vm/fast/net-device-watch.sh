# SPDX-License-Identifier: GPL-2.0-or-later
# Interfaces of the kernel's that come and go.
. "$top_srcdir/tests/vm/lib.sh"
vm_net_test test-device-watch.sh
