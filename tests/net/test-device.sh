#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The device backends against a real WireGuard (the kernel's where there is one, else wireguard-go; WGFIDO_NET_BACKEND says
# otherwise): what they read is what wg(8) reads, and closing and opening a peer does to live traffic what the agent relies on.
. "$(dirname "$0")/lib.sh"
net_reexec "$@"

tool=$NET_BUILD/tests/net/device-tool
[ -x "$tool" ] || fail "$tool is not built"
echo "# WireGuard: $NET_WG"

net_ns laptop
net_ns gateway
net_veth laptop eth0 192.0.2.1/24 gateway eth0 192.0.2.2/24
laptop=$(wg_keys laptop)
gateway=$(wg_keys gateway)
other=$(wg_keys other)
wg_psk psk1
wg_psk psk2
wg_psk psk3
cat >"$NET_TMP/laptop.conf" <<END
[Interface]
PrivateKey = $(cat "$NET_TMP/laptop.key")
[Peer]
PublicKey = $gateway
PresharedKey = $(cat "$NET_TMP/psk1")
AllowedIPs = 10.0.0.2/32
Endpoint = 192.0.2.2:51820
PersistentKeepalive = 25
[Peer]
PublicKey = $other
AllowedIPs = 10.9.0.0/16, fd00:9::/64, 2001:db8::/32
Endpoint = [2001:db8::7]:4711
END
cat >"$NET_TMP/gateway.conf" <<END
[Interface]
PrivateKey = $(cat "$NET_TMP/gateway.key")
ListenPort = 51820
[Peer]
PublicKey = $laptop
PresharedKey = $(cat "$NET_TMP/psk1")
AllowedIPs = 10.0.0.1/32
END
wg_up gateway wg0 10.0.0.2/24 "$NET_TMP/gateway.conf"
wg_up laptop wg0 10.0.0.1/24 "$NET_TMP/laptop.conf"

l()
{
	net_in laptop "$tool" "$NET_WG" "$@"
}

g()
{
	net_in gateway "$tool" "$NET_WG" "$@"
}

# Both in one order, an allowed-ip a line; without counters, which move, and fwmark, which is not ours.
canonical()
{
	awk -F '\t' -v OFS='\t' '
		NF <= 4 { print $1, $2, $3; next }
		{
			print $1, $2, $3, $5, $8
			n = split($4, ips, ",")
			for (i = 1; i <= n; i++)
				print $1, ips[i]
		}' | sort
}

same_as_wg()
{
	[ "$(net_in "$1" "$tool" "$NET_WG" get wg0 | canonical)" = "$(net_in "$1" wg show wg0 dump | canonical)" ]
}

psk_of()
{
	net_in "$1" wg show wg0 preshared-keys | awk -v k="$2" '$1 == k { print $2 }'
}

field() # NS PUBKEY N
{
	net_in "$1" wg show wg0 dump | awk -F '\t' -v k="$2" -v n="$3" 'NR > 1 && $1 == k { print $n }'
}

check "auto chooses it" test "$(net_in laptop "$tool" auto get wg0 2>&1 >/dev/null)" = "$NET_WG"
check_not "lo is no WireGuard" net_in laptop "$tool" auto get lo
check_not "nor is what is not there" net_in laptop "$tool" auto get wg7
# Something may happen between the one's reading and the other's.
check "the laptop reads as wg reads" eventually same_as_wg laptop
check "a ping opens the session" wg_pings laptop 10.0.0.2
check "the gateway reads as wg reads, with an endpoint that roamed in" eventually same_as_wg gateway
handshake()
{
	l get wg0 | awk -F '\t' -v k="$gateway" '$1 == k { print $5 }'
}
shaken=$(handshake)
check_not "and the handshake" test "$shaken" = 0
check_eq "the same as wg" "$shaken" "$(wg_handshake laptop wg0 "$gateway")"

# A new PSK alone leaves the session as it is.
check "UPDATE at the laptop" l update wg0 "$gateway" "$NET_TMP/psk2"
check_eq "it is there" "$(psk_of laptop "$gateway")" "$(cat "$NET_TMP/psk2")"
check_eq "the keepalive stays" "$(field laptop "$gateway" 8)" 25
check_eq "the session is kept" "$(handshake)" "$shaken"
check "and goes on" wg_pings laptop 10.0.0.2
check "UPDATE of a peer that is not there" l update wg0 "$laptop" "$NET_TMP/psk2"
check_eq "is no error, and creates none" "$(psk_of laptop "$laptop")" ""

# Closing: the laptop renews with a PSK that only it has.
before=$(l get wg0 | canonical | grep -v "^$gateway")
check "RENEW at the laptop" l renew wg0 "$gateway" "$NET_TMP/psk3" 0
check_not "cuts the session at once (laptop to gateway)" wg_pings laptop 10.0.0.2 1
check_not "and gateway to laptop, which still has its session" wg_pings gateway 10.0.0.1 1
check_eq "no handshake with the wrong PSK" "$(wg_handshake laptop wg0 "$gateway")" 0
check_eq "the other peer is as it was" "$(l get wg0 | canonical | grep -v "^$gateway")" "$before"
check_eq "endpoint kept" "$(field laptop "$gateway" 3)" 192.0.2.2:51820
check_eq "allowed-ips kept" "$(field laptop "$gateway" 4)" 10.0.0.2/32
check_eq "keepalive off" "$(field laptop "$gateway" 8)" off
# Initiations with the wrong PSK do arrive: what the gateway hunts by.
rx=$(field gateway "$laptop" 6)
grows()
{
	[ "$(field gateway "$laptop" 6)" -gt "$rx" ]
}
wg_pings laptop 10.0.0.2 0.1 || :
check "the gateway's received bytes grow without a handshake" eventually grows

# Opening: both ends take the same PSK.
check "RENEW at the gateway" g renew wg0 "$laptop" "$NET_TMP/psk3"
check "RENEW at the laptop" l renew wg0 "$gateway" "$NET_TMP/psk3" 25
check "the handshake comes right after" wg_pings laptop 10.0.0.2
check_not "and is seen" test "$(wg_handshake laptop wg0 "$gateway")" = 0
check_eq "the keepalive is back" "$(field laptop "$gateway" 8)" 25

# Renewing without counters would make rates negative: they start again from zero.
check "RENEW at the laptop" l renew wg0 "$gateway" "$NET_TMP/psk1" 0
check_eq "handshake, rx and tx are zero again" "$(field laptop "$gateway" 5) $(field laptop "$gateway" 6)" "0 0"

# The private key, for identity mode.
check "CLEAR" l clear-key wg0
check_eq "no private key any more" "$(net_in laptop wg show wg0 private-key)" "(none)"
check "and reads so" eventually same_as_wg laptop
check "RENEW while cleared" l renew wg0 "$gateway" "$NET_TMP/psk3" 0
check_not "no traffic" wg_pings laptop 10.0.0.2 1
check_eq "no handshake" "$(wg_handshake laptop wg0 "$gateway")" 0
check "SET" l set-key wg0 "$NET_TMP/laptop.key"
check "and reads so" eventually same_as_wg laptop
check "RENEW once more" l renew wg0 "$gateway" "$NET_TMP/psk3" 0
check "the tunnel is back" wg_pings laptop 10.0.0.2

# Large: many peers, and one with allowed-ips beyond a message of netlink's.
net_ns large
wg_create large wg0
b()
{
	net_in large "$tool" "$NET_WG" "$@"
}
check "3000 peers added" b fill wg0 3000 2
check_eq "they are there" "$(net_in large wg show wg0 peers | wc -l)" 3000
check "and read as wg reads them" same_as_wg large
check "all renewed" b renew-all wg0 7
check_eq "with what they had" "$(net_in large wg show wg0 dump | awk -F '\t' 'NR > 1 && $8 == 7 && $4 ~ /,/ && $2 != "(none)"' | wc -l)" 3000
check "a peer with 3000 allowed-ips" b fill wg0 1 3000
check "reads as wg reads it" same_as_wg large
check "renewed" b renew-all wg0 0
check "reads as wg reads it" same_as_wg large
