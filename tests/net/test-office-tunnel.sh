#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test-office.sh with wgfido-tunnel for the WireGuard of both ends: to the agent it is a userspace WireGuard as any other.
here=$(dirname "$0")
build=$(cd "${top_builddir:-.}" && pwd) || exit 99
PATH=$build/tunnel:$PATH NET_USERSPACE=wgfido-tunnel WGFIDO_NET_BACKEND=userspace exec "$here/test-office.sh" "$@"
