# SPDX-License-Identifier: GPL-2.0-or-later
# The token worker on a hidraw node of the kernel's, driven as the broker drives it: everything that is tested on a socket, and
# the lock, a second reader (who sees no shared secret), and the end of a node that is pulled while it is read.
. "$top_srcdir/tests/vm/lib.sh"
vm_begin
export WGFIDO_SOFTTOKEN=uhid
cd "$NET_BUILD"
check "the worker's tests" tests/integration/test-token-soft
check "X25519 keys" tests/integration/test-x25519-soft
check "X25519 keys, with others at the token" tests/integration/test-x25519-soft-others
