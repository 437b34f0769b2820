#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A gateway whose clock is off: it finds the client's slot, narrowly, and keeps it; one that is too far off stays closed.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/stage.sh"
net_reexec "$@"
# shellcheck disable=SC2086
set -- ${CC:-cc} && net_need "$1"

# stage_gateway_agent, with a clock that differs by so many seconds. Only CLOCK_REALTIME is off.
gateway_agent_off() {
	net_start gateway gateway-agent env LD_PRELOAD="$NET_TMP/clock-off.so" CLOCK_OFF="$1" \
		"$NET_BUILD/agent/wgfido-rotate" --gateway --config-dir "$NET_TMP/gateway/etc" --run-dir "$NET_TMP/gateway/run"
}
offset() { gateway_state gw-office '.peers[0].offset'; }

# shellcheck disable=SC2086 # CC may have arguments
${CC:-cc} -shared -fPIC -O2 -o "$NET_TMP/clock-off.so" "$NET_SRC/tests/net/clock-off.c" || fail "no shared object"
stage_set --no-udev
STAGE_SLOT=20
stage_office
stage_plug blue
check "enrols" laptop wgfido enroll office --yes
stage_office_gateway
net_stop gateway-agent
gateway_agent_off 45
check "approves" laptop wgfido approve office
# Pings start handshakes, which the gateway sees fail.
check "opens although the gateway is 45 s ahead" wg_pings laptop 10.7.0.2 120
found() { [ "$(offset)" -lt 0 ]; }
check "the gateway knows by how many slots" wait_for 10 found
echo "# offset: $(offset) slots"
