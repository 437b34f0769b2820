# SPDX-License-Identifier: GPL-2.0-or-later
# Each part killed, stopped, frozen or started anew, with a tunnel of either mode open: how long until no packet passes, that
# neither preshared key nor private key is left in WireGuard, and that all of it comes back by itself.
# vm: long
. "$top_srcdir/tests/vm/full-lib.sh"
. "$top_srcdir/tests/vm/full-both.sh"
full_system
both_enrol

open_both
closes "broker killed (-9)" 15000 unit_kill KILL wgfidod
check "it comes back by itself" eventually both_ready
open_both

closes "broker stopped" 15000 systemctl stop wgfidod
systemctl start wgfidod
eventually both_ready || fail "the broker does not start again"
open_both

closes "broker frozen" 8000 unit_kill STOP wgfidod
unit_kill CONT wgfidod
check "thawed, it answers" eventually both_ready
open_both

closes "agent stopped" 15000 systemctl stop wgfido-rotate
check_eq "the status says why" "$(agent_state office .reason)" "the agent was stopped"
systemctl start wgfido-rotate
check "started again, it opens what is still approved" passes

closes "agent killed (-9)" 15000 unit_kill KILL wgfido-rotate --back
check "it comes back by itself, and opens what is still approved" passes

closes "agent frozen" 30000 unit_kill STOP wgfido-rotate --back
check "killed by the watchdog, it comes back and opens what is still approved" passes

closes "both frozen" 30000 freeze_both
check "the watchdog kills both, and they come back" eventually both_ready
open_both

closes "message bus restarted" 15000 systemctl restart dbus
check "broker and agent find the new bus" eventually both_ready
open_both

closes "message bus killed (-9)" 15000 unit_kill KILL dbus
check "broker and agent find the next bus" eventually both_ready
open_both
