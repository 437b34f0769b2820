#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every part killed, stopped or frozen while the tunnel is open: it closes, and comes back.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/stage.sh"
net_reexec "$@"

open_again() {
	check "$1: approves" laptop wgfido approve office
	check "$1: opens" wg_pings laptop 10.7.0.2
}
# By whichever way it is to notice, not the other one, nor the approval's end, which is hours away.
gone="the broker (wgfidod) is not running" silent="the broker (wgfidod) does not answer"
closed() { # closed WHAT REASON
	local start
	start=$(now_ms)
	check "$1: closes" eventually is_state office closed
	echo "# $1: $(($(now_ms) - start)) ms until closed"
	check "$1: since $2" eventually reason_is office "$2"
	check_not "$1: no packet" wg_pings laptop 10.7.0.2 1
	check_not "$1: none back" wg_pings gateway 10.7.0.1 1
}

stage_set --no-udev
stage_office
stage_plug blue
check "enrols" laptop wgfido enroll office --yes
stage_office_gateway
open_again start

net_stop wgfidod KILL
closed "broker killed with -9" "$gone"
stage_broker
eventually stage_token_known blue || fail "the new broker does not see the key"
check "the broker's death ended the approval" is_state office closed
open_again "broker back"

kill -STOP "$(net_pid wgfidod)"
closed "broker frozen" "$silent"
kill -CONT "$(net_pid wgfidod)"
check "the broker answers again" eventually stage_broker_answers
open_again "broker thawed"

net_stop wgfidod TERM
closed "broker stopped" "$gone"
stage_broker
eventually stage_token_known blue || fail "the new broker does not see the key"
open_again "broker started"

net_stop wgfido-rotate TERM
check_not "agent stopped: no packet" wg_pings laptop 10.7.0.2 1
check_not "agent stopped: none back" wg_pings gateway 10.7.0.1 1
stage_agent
check "agent back: opens what is still approved" wg_pings laptop 10.7.0.2

# Killed with -9 it cannot close; what runs after it (ExecStopPost) does.
net_stop wgfido-rotate KILL
check "--close-all" laptop "$NET_BUILD/agent/wgfido-rotate" --close-all --config-dir "$NET_TMP/laptop/etc" --run-dir "$NET_TMP/laptop/run"
check_not "agent killed with -9, then --close-all: no packet" wg_pings laptop 10.7.0.2 1
check_not "and none back" wg_pings gateway 10.7.0.1 1
stage_agent
check "agent back after -9" wg_pings laptop 10.7.0.2

# The bus itself goes.
net_stop bus TERM
closed "bus gone" "$gone"
