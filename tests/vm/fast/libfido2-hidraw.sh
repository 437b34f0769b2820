# SPDX-License-Identifier: GPL-2.0-or-later
# libfido2 with its own transport on the software token's hidraw node; and X25519 keys of one process that others have no use of.
. "$top_srcdir/tests/vm/lib.sh"
vm_begin
export WGFIDO_SOFTTOKEN=uhid
cd "$NET_BUILD"
check "libfido2's tests" tests/integration/test-softtoken
check "X25519 keys, and several processes" tests/integration/test-softtoken-x25519
