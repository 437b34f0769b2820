# SPDX-License-Identifier: GPL-2.0-or-later
# libfido2 with its own transport on the software token's hidraw node.
. "$top_srcdir/tests/vm/lib.sh"
vm_begin
export WGFIDO_SOFTTOKEN=uhid
cd "$NET_BUILD"
check "libfido2's tests" tests/integration/test-softtoken
