#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# wgfido-rotate --gateway with many peers on a real WireGuard: CPU time of one slot of 120 s with everything in it (the new PSKs, the
# polls that hunting needs, status files), and memory. Figures, never a verdict. Usage: bench-gateway.sh [PEERS [SECONDS]]
. "$(dirname "$0")/../tests/net/lib.sh"
net_reexec "$@"
net_need python3

peers=${1:-10000}
seconds=${2:-120}
agent=$NET_BUILD/agent/wgfido-rotate

# utime + stime in ticks of the whole process; its children are none.
cpu_ms()
{
	local -a stat

	read -r -a stat <"/proc/$1/stat"
	echo $(((stat[13] + stat[14]) * 1000 / $(getconf CLK_TCK)))
}
memory_kib()
{
	awk -v k="$2:" '$1 == k { print $2 }' "/proc/$1/status"
}
agent_open()
{
	grep -q '"state":"open"' "$NET_TMP/run/gw.json" 2>/dev/null
}

net_ns gateway
mkdir -p "$NET_TMP/etc" "$NET_TMP/run"
wg_keys gw >/dev/null
# Any 32 bytes are an X25519 public key.
python3 - "$peers" "$NET_TMP" <<'PY'
import base64, os, sys
n, tmp = int(sys.argv[1]), sys.argv[2]
key = lambda: base64.b64encode(os.urandom(32)).decode()
with open(tmp + '/gw.wg', 'w') as wg, open(tmp + '/etc/gw.conf', 'w') as conf:
    wg.write('[Interface]\nPrivateKey = %s' % open(tmp + '/gw.key').read())
    conf.write('[Interface]\nMode = psk\nPublicKey = %s' % open(tmp + '/gw.pub').read())
    for i in range(n):
        peer = key()
        wg.write('[Peer]\nPublicKey = %s\nPresharedKey = %s\nAllowedIPs = 10.%d.%d.%d/32\n' %
                 (peer, key(), i >> 16, i >> 8 & 255, i & 255))
        conf.write('[Peer]\nPublicKey = %s\nTokenPublicKey = %s\n' % (peer, key()))
PY
wg_up gateway gw "" "$NET_TMP/gw.wg"
net_start gateway agent "$agent" --gateway --config-dir "$NET_TMP/etc" --run-dir "$NET_TMP/run"
pid=$NET_PID
wait_for 120 agent_open || fail "the agent does not open $peers peers"
sleep 2
start=$(cpu_ms "$pid")
sleep "$seconds"
end=$(cpu_ms "$pid")
echo "peers $peers, $NET_WG WireGuard"
echo "agent start: $start ms CPU (one X25519 a peer)"
echo "agent, $seconds s: $((end - start)) ms CPU (goal: under 500 in 120 s)"
echo "agent memory: $(memory_kib "$pid" VmRSS) KiB resident, $(memory_kib "$pid" VmHWM) KiB at most (goal: under 32768)"
[ "$NET_WG" = kernel ] || echo "wireguard-go itself: $(memory_kib "$(net_pid wg-gateway-gw)" VmRSS) KiB, $(cpu_ms "$(net_pid wg-gateway-gw)") ms CPU since its start"
