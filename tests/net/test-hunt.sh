#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A client whose clock is off: the gateway finds its slot, narrowly, and keeps it.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/stage.sh"
net_reexec "$@"
# shellcheck disable=SC2086
set -- ${CC:-cc} && net_need "$1"

offset() { gateway_state gw-office '.peers[0].offset'; }

# shellcheck disable=SC2086 # CC may have arguments
${CC:-cc} -shared -fPIC -O2 -o "$NET_TMP/clock-off.so" "$NET_SRC/tests/net/clock-off.c" || fail "no shared object"
# The gateway's agent and its WireGuard go by the same clock, as they would: it is the laptop's broker and agent that are behind.
STAGE_LAPTOP_ENV="LD_PRELOAD=$NET_TMP/clock-off.so CLOCK_OFF=-45 ASAN_OPTIONS=verify_asan_link_order=0"
stage_set --no-udev
STAGE_SLOT=20
stage_office
stage_plug blue
check "enrols" laptop wgfido enroll office --yes
stage_office_gateway
check "approves" laptop wgfido approve office
# Pings start handshakes, which the gateway sees fail.
check "opens although the laptop is 45 s behind" wg_pings laptop 10.7.0.2 300
found() { [ "$(offset)" -lt 0 ]; }
check "the gateway knows by how many slots" eventually found
echo "# offset: $(offset) slots"
first=$(psk_of gateway gw-office)
moved() { [ "$(psk_of gateway gw-office)" != "$first" ]; }
same() { [ "$(psk_of laptop office)" = "$(psk_of gateway gw-office)" ]; }
check "and goes on with the slots from there" eventually moved
check "in step with the laptop" eventually same
check "packets pass" wg_pings laptop 10.7.0.2
