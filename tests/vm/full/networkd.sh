# SPDX-License-Identifier: GPL-2.0-or-later
# systemd-networkd makes the interface, wgfido owns the preshared key (psk) or the private key (identity); the files are those of
# docs/running.md. NetworkManager runs as well.
# vm: long
. "$top_srcdir/tests/vm/full-lib.sh"
full_system

networkd_end() {
	local status=$?

	set +e
	systemctl stop systemd-networkd.socket systemd-networkd
	ip link del office
	ip link del home
	rm -f /etc/systemd/network/*
	(exit $status)
	full_end
}
trap networkd_end EXIT

# netdev IFACE PEER ENDPOINT ALLOWED-IP ADDRESS; the private key is /etc/systemd/network/IFACE.key
netdev() {
	cat >"/etc/systemd/network/$1.netdev" <<-NETDEV
		[NetDev]
		Name=$1
		Kind=wireguard

		[WireGuard]
		PrivateKeyFile=/etc/systemd/network/$1.key

		[WireGuardPeer]
		PublicKey=$2
		Endpoint=$3
		AllowedIPs=$4
		RouteTable=main
	NETDEV
	cat >"/etc/systemd/network/$1.network" <<-NETWORK
		[Match]
		Name=$1
		[Network]
		Address=$5
	NETWORK
	chgrp systemd-network "/etc/systemd/network/$1".*
	chmod 640 "/etc/systemd/network/$1".*
}
psk() { wg show office preshared-keys | cut -f 2; }
is_there() { ip link show "$1" >/dev/null 2>&1; }
# Restarted it has set its own values when it is ready; the agent has the last word.
owned() { is_state "$1" open && wg_pings laptop "$2" 1; }
restarted() {
	local start=''

	systemctl restart systemd-networkd
	start=$(now_ms)
	check "$1: open after a restart of networkd" eventually owned "$1" "$2"
	echo "# $(($(now_ms) - start)) ms after it"
}

mkdir -p /etc/systemd/network
STAGE_SLOT=120
stage_office
ip link del office
rm /etc/wireguard/office.conf /etc/wgfido/office.conf
stage_reload
install -m 640 -g systemd-network "$NET_TMP/office.key" /etc/systemd/network/office.key
netdev office "$(cat "$NET_TMP/gw-office.pub")" 192.0.2.2:51820 10.7.0.2/32 10.7.0.1/32
systemctl start systemd-networkd
check "networkd makes the interface" eventually is_there office
full_plug blue
check "enroll makes the configuration from the running interface" wgfido enroll office --yes
check "which has the peer" grep -q "$(cat "$NET_TMP/gw-office.pub")" /etc/wgfido/office.conf
stage_office_gateway
check "closed" eventually is_state office closed
check_not "no packet" wg_pings laptop 10.7.0.2 1
check "approved" wgfido approve office
check "packets pass" wg_pings laptop 10.7.0.2
ours=$(psk)
networkctl reload
check_eq "networkctl reload keeps the preshared key" "$(psk)" "$ours"
networkctl reconfigure office
check_eq "networkctl reconfigure, too" "$(psk)" "$ours"
check "packets pass" wg_pings laptop 10.7.0.2
restarted office 10.7.0.2
check_eq "with the preshared key of the agent" "$(psk)" "$ours"
systemctl restart NetworkManager
check "NetworkManager restarted: packets pass" wg_pings laptop 10.7.0.2
check_eq "and the preshared key is the agent's" "$(psk)" "$ours"
wgfido revoke office
check "revoked: closed" eventually is_state office closed
check_not "no packet" wg_pings laptop 10.7.0.2 1
systemctl restart systemd-networkd
check "a restart of networkd opens nothing" never_for 2 wg_pings laptop 10.7.0.2 0.5
check "closed" is_state office closed

# Mode = identity: the key from a file of wg-quick's, and a throwaway one for networkd, which wants one.
stage_home
check "protect takes the key" wgfido protect home --yes
(umask 027 && wg genkey >/etc/systemd/network/home.key)
netdev home "$(cat "$NET_TMP/plain.pub")" 192.0.2.2:51821 10.8.0.2/32 10.8.0.1/32
networkctl reload
check "networkd makes the interface" eventually is_there home
check "closed" eventually is_state home closed
check_not "no packet" wg_pings laptop 10.8.0.2 1
check "approved" wgfido approve home
check "packets pass" wg_pings laptop 10.8.0.2
check_eq "with the protected key" "$(wg show home public-key)" "$(cat "$NET_TMP/home.pub")"
networkctl reload
check "networkctl reload: packets pass" wg_pings laptop 10.8.0.2
restarted home 10.8.0.2
check_eq "with the protected key" "$(wg show home public-key)" "$(cat "$NET_TMP/home.pub")"
wgfido revoke home
check "revoked: closed" eventually is_state home closed
check_not "no packet" wg_pings laptop 10.8.0.2 1
