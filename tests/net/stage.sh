# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The stage of the tunnel tests and of the demo, on top of lib.sh: a machine "laptop" with broker, agent and software keys on a
# private bus, and a machine "gateway". Everything lives under $NET_TMP.
#
#	stage_set [BROKER-ARGUMENTS...]	both machines, a cable (192.0.2.1, 192.0.2.2), bus, broker, the laptop's agent
#	stage_broker ARGS..., stage_agent, stage_gateway_agent	start that one part (again)
#	stage_office		psk mode: conf files for interface office (laptop, 10.7.0.1) and gw-office (gateway, 10.7.0.2), slots of
#				STAGE_SLOT seconds (2); the laptop's interface is made
#	stage_office_gateway	the gateway's half, once the laptop is enrolled: adds the token public key, starts its agent
#	stage_forget_sessions	at the gateway, of gw-office
#	stage_home		identity mode: wg-quick file of home (laptop, 10.8.0.1), and plain (gateway, 10.8.0.2, no wgfido)
#	stage_home_up		wg-quick up home
#	stage_resident		identity mode with a key that stays in its token: home at the laptop (wgfido-tunnel), plain at the gateway,
#				plain2 at another one, gateway2 (10.8.0.3)
#	stage_tunnel		starts its wgfido-tunnel again
#	stage_plug NAME [ARGS...]	a software key appears (touches itself unless ARGS say otherwise) and the broker sees it
#	stage_unplug NAME [SIGNAL]	it goes, and the broker sees that
#	STAGE_LAPTOP_ENV	"VAR=VALUE ..." for the laptop's broker and agent
#	laptop CMD..., gateway CMD...	run there
#	agent_state IFACE JQ-FILTER	reads the laptop's agent status; gateway_state the same at the gateway
#	is_state IFACE STATE; reason_is IFACE REASON; peer_is IFACE STATE	of the laptop's agent
#	psk_of MACHINE IFACE	the one peer's PSK

laptop() { net_in laptop "$@"; }
gateway() { net_in gateway "$@"; }
agent_state() {
	stage_status "laptop/run/$1" "$2" || return
	echo "$STAGE_VALUE"
}
gateway_state() {
	stage_status "gateway/run/$1" "$2" || return
	echo "$STAGE_VALUE"
}
is_state() { stage_status "laptop/run/$1" .state && [ "$STAGE_VALUE" = "$2" ]; }
peer_is() { stage_status "laptop/run/$1" '.peers[0].state' && [ "$STAGE_VALUE" = "$2" ]; }
reason_is() { stage_status "laptop/run/$1" .reason && [ "$STAGE_VALUE" = "$2" ]; }
# By the line: the first is the interface, the second its first peer. jq, for which it need not be so, takes half a second in an
# emulated machine, and most of what waits asks here.
stage_status() {
	local file=$NET_TMP/$1.json line='' peer='' value=''

	STAGE_VALUE=''
	if [[ ! $2 =~ ^\.(peers\[0\]\.)?[a-z_]+$ ]]; then
		STAGE_VALUE=$(jq -r "$2" "$file" 2>/dev/null)
		return
	fi
	{ { read -r line && { read -r peer || :; }; } <"$file"; } 2>/dev/null || return
	[[ $2 != .peers* ]] || line=$peer
	value="\"${2##*.}\":(\"([^\"]*)\"|[0-9a-z-]+)"
	STAGE_VALUE=null
	[[ ! $line =~ $value ]] || STAGE_VALUE=${BASH_REMATCH[2]:-${BASH_REMATCH[1]#\"\"}}
}
psk_of() { net_in "$1" wg show "$2" preshared-keys | cut -f 2; }
stage_broker_answers() { laptop wgfido status >/dev/null 2>&1; }
stage_token_known() { laptop wgfido tokens 2>/dev/null | grep -q "$1"; }
stage_token_gone() { ! stage_token_known "$1"; }

stage_set() {
	net_need dbus-daemon jq
	export PATH=$NET_BUILD/client:$NET_BUILD/token/soft:$PATH
	unset DBUS_SESSION_BUS_ADDRESS
	mkdir -p "$NET_TMP"/laptop/{etc,state,run,wireguard} "$NET_TMP"/gateway/{etc,run} "$NET_TMP/soft"
	net_ns laptop
	net_ns gateway
	net_veth laptop eth0 192.0.2.1/24 gateway eth0 192.0.2.2/24
	cat >"$NET_TMP/bus.conf" <<-CONF
		<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
		 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
		<busconfig>
		  <type>system</type>
		  <listen>unix:path=$NET_TMP/bus</listen>
		  <auth>EXTERNAL</auth>
		  <policy context="default">
		    <allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_type="signal"/>
		    <allow send_requested_reply="true" send_type="method_return"/>
		    <allow send_requested_reply="true" send_type="error"/>
		    <allow receive_type="method_call"/><allow receive_type="method_return"/>
		    <allow receive_type="error"/><allow receive_type="signal"/>
		  </policy>
		</busconfig>
	CONF
	export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$NET_TMP/bus
	export WGFIDO_CONFIG_DIR=$NET_TMP/laptop/etc WGFIDO_AGENT_RUNDIR=$NET_TMP/laptop/run
	export WGFIDO_WIREGUARD_CONFDIR=$NET_TMP/laptop/wireguard
	net_start - bus dbus-daemon --config-file="$NET_TMP/bus.conf" --nofork --print-address
	# It says so when it accepts; its socket is there a moment before.
	eventually grep -q unix: "$NET_TMP/bus.log" || fail "dbus-daemon does not start"
	stage_broker "$@"
	stage_agent
}

stage_broker() {
	[ $# -gt 0 ] || set -- --no-udev
	# shellcheck disable=SC2086 # words
	net_start - wgfidod env ${STAGE_LAPTOP_ENV:-} "$NET_BUILD/daemon/wgfidod" --agent-uid 0 --config-dir "$NET_TMP/laptop/etc" \
		--state-dir "$NET_TMP/laptop/state" --token-worker "$NET_BUILD/token/wgfido-token" --soft-tokens "$NET_TMP/soft" "$@"
	eventually stage_broker_answers || fail "the broker does not start"
}

stage_agent() {
	# shellcheck disable=SC2086 # words
	net_start laptop wgfido-rotate env ${STAGE_LAPTOP_ENV:-} "$NET_BUILD/agent/wgfido-rotate" --config-dir "$NET_TMP/laptop/etc" \
		--run-dir "$NET_TMP/laptop/run"
	# A signal before it is ready would end it.
	eventually grep -qw ready "$NET_TMP/wgfido-rotate.log" || fail "the agent does not start"
}

# The laptop's broker and agent read their configuration again.
stage_reload() {
	net_reload wgfidod wgfido-rotate
}

stage_gateway_agent() {
	net_start gateway gateway-agent "$NET_BUILD/agent/wgfido-rotate" --gateway --config-dir "$NET_TMP/gateway/etc" \
		--run-dir "$NET_TMP/gateway/run"
}

stage_plug() {
	local name=$1

	shift
	[ $# -gt 0 ] || set -- --touch auto
	# The one of that name that was pulled before.
	eventually stage_token_gone "$name" || fail "the broker still sees a key $name"
	net_start - "key-$name" wgfido-softtoken run --state "$NET_TMP/$name.key" --socket "$NET_TMP/soft/$name" --name "$name" --quiet "$@"
	eventually test -S "$NET_TMP/soft/$name" || fail "the software key does not start"
	eventually stage_token_known "$name" || fail "the broker does not see the key $name"
}

stage_unplug() {
	net_stop "key-$1" "${2:-TERM}"
	eventually stage_token_gone "$1" || fail "the broker still sees the key $1"
}

stage_office() {
	local laptop_pub gateway_pub

	laptop_pub=$(wg_keys office)
	gateway_pub=$(wg_keys gw-office)
	cat >"$NET_TMP/laptop/wireguard/office.conf" <<-CONF
		[Interface]
		PrivateKey = $(cat "$NET_TMP/office.key")
		[Peer]
		PublicKey = $gateway_pub
		Endpoint = 192.0.2.2:51820
		AllowedIPs = 10.7.0.2/32
	CONF
	cat >"$NET_TMP/laptop/etc/office.conf" <<-CONF
		[Interface]
		Mode = psk
		Name = the office
		PublicKey = $laptop_pub
		SlotSeconds = ${STAGE_SLOT:-2}
		[Peer]
		Name = gateway
		PublicKey = $gateway_pub
	CONF
	stage_reload
	wg_up laptop office 10.7.0.1/32 "$NET_TMP/laptop/wireguard/office.conf"
	ip -n laptop route add 10.7.0.2/32 dev office
}

stage_office_gateway() {
	local laptop_pub=''

	laptop_pub=$(cat "$NET_TMP/office.pub")
	cat >"$NET_TMP/gateway/etc/gw-office.conf" <<-CONF
		[Interface]
		Mode = psk
		PublicKey = $(cat "$NET_TMP/gw-office.pub")
		SlotSeconds = ${STAGE_SLOT:-2}
		[Peer]
		Name = laptop
		PublicKey = $laptop_pub
		TokenPublicKey = $(laptop wgfido pubkey office)
	CONF
	cat >"$NET_TMP/gateway/gw-office.conf" <<-CONF
		[Interface]
		PrivateKey = $(cat "$NET_TMP/gw-office.key")
		ListenPort = 51820
		[Peer]
		PublicKey = $laptop_pub
		PresharedKey = $(wg genpsk)
		AllowedIPs = 10.7.0.1/32
	CONF
	wg_up gateway gw-office 10.7.0.2/32 "$NET_TMP/gateway/gw-office.conf"
	ip -n gateway route add 10.7.0.1/32 dev gw-office
	stage_gateway_agent
}

# The gateway's WireGuard forgets its sessions, so that the next packet needs a handshake. (wireguard-go does not when its link
# goes down and up.)
stage_forget_sessions() {
	local peer=''

	peer=$(cat "$NET_TMP/office.pub")
	psk_of gateway gw-office >"$NET_TMP/forget.psk"
	gateway wg set gw-office peer "$peer" remove peer "$peer" preshared-key "$NET_TMP/forget.psk" allowed-ips 10.7.0.1/32 \
		endpoint "$(gateway wg show gw-office endpoints | cut -f 2)"
}

stage_home() {
	local home_pub='' plain_pub=''

	home_pub=$(wg_keys home)
	plain_pub=$(wg_keys plain)
	cat >"$NET_TMP/laptop/wireguard/home.conf" <<-CONF
		# my tunnel home
		[Interface]
		PrivateKey = $(cat "$NET_TMP/home.key")
		Address = 10.8.0.1/32

		[Peer]
		PublicKey = $plain_pub
		Endpoint = 192.0.2.2:51821
		AllowedIPs = 10.8.0.2/32
	CONF
	chmod 600 "$NET_TMP/laptop/wireguard/home.conf"
	cat >"$NET_TMP/gateway/plain.conf" <<-CONF
		[Interface]
		PrivateKey = $(cat "$NET_TMP/plain.key")
		ListenPort = 51821
		[Peer]
		PublicKey = $home_pub
		AllowedIPs = 10.8.0.1/32
	CONF
	wg_up gateway plain 10.8.0.2/32 "$NET_TMP/gateway/plain.conf"
	ip -n gateway route add 10.8.0.1/32 dev plain
}

stage_home_up() {
	laptop env WG_QUICK_USERSPACE_IMPLEMENTATION=wireguard-go LOG_LEVEL=error \
		wg-quick up "$NET_TMP/laptop/wireguard/home.conf" >>"$NET_TMP/wg-quick.log" 2>&1 || fail "wg-quick up home failed"
}

# The laptop's end of home as a key that stays in the token "blue", carried by wgfido-tunnel; the gateway's (and gateway2's, at
# 10.8.0.3) are plain. The key is enrolled, the gateways know its public key, the tunnel is up and closed.
stage_resident() {
	local i='' pub=''

	PATH=$NET_BUILD/tunnel:$PATH
	wg_keys plain >/dev/null
	wg_keys plain2 >/dev/null
	cat >"$NET_TMP/laptop/etc/home.conf" <<-CONF
		[Interface]
		Mode = identity
		[Peer]
		Name = gateway
		PublicKey = $(cat "$NET_TMP/plain.pub")
		[Peer]
		Name = gateway2
		PublicKey = $(cat "$NET_TMP/plain2.pub")
	CONF
	stage_reload
	stage_plug blue
	stage_call Enroll 'a{sv}' 1 resident b true || fail "no resident key"
	pub=$(laptop wgfido pubkey home)
	for i in "" 2; do
		cat >"$NET_TMP/gateway/plain$i.conf" <<-CONF
			[Interface]
			PrivateKey = $(cat "$NET_TMP/plain$i.key")
			ListenPort = 5182$((1 + ${i:-0}))
			[Peer]
			PublicKey = $pub
			AllowedIPs = 10.8.0.1/32
			Endpoint = 192.0.2.1:51820
		CONF
	done
	wg_up gateway plain 10.8.0.2/32 "$NET_TMP/gateway/plain.conf"
	ip -n gateway route add 10.8.0.1/32 dev plain
	net_ns gateway2
	net_veth laptop eth2 198.51.100.1/24 gateway2 eth0 198.51.100.2/24
	sed -i 's/192.0.2.1:/198.51.100.1:/' "$NET_TMP/gateway/plain2.conf"
	wg_up gateway2 plain2 10.8.0.3/32 "$NET_TMP/gateway/plain2.conf"
	ip -n gateway2 route add 10.8.0.1/32 dev plain2
	cat >"$NET_TMP/laptop/wireguard/home.conf" <<-CONF
		[Interface]
		Address = 10.8.0.1/32
		ListenPort = 51820
		[Peer]
		PublicKey = $(cat "$NET_TMP/plain.pub")
		Endpoint = 192.0.2.2:51821
		AllowedIPs = 10.8.0.2/32
		[Peer]
		PublicKey = $(cat "$NET_TMP/plain2.pub")
		Endpoint = 198.51.100.2:51823
		AllowedIPs = 10.8.0.3/32
	CONF
	chmod 600 "$NET_TMP/laptop/wireguard/home.conf"
	# shellcheck disable=SC2119
	stage_tunnel
}

# METHOD SIGNATURE ARGUMENTS of the tunnel home at the laptop's broker.
stage_call() {
	busctl --system --timeout=60 call org.wgfido1 /org/wgfido1/tunnel/home org.wgfido1.Tunnel "$@" >>"$NET_TMP/busctl.log" 2>&1
}

# Starts wgfido-tunnel for IFACE (home), and has wg-quick make of it what its file says.
# shellcheck disable=SC2120 # the demo gives it another interface
stage_tunnel() {
	local iface=${1:-home}

	net_start laptop wgfido-tunnel "$NET_BUILD/tunnel/wgfido-tunnel" --foreground "$iface"
	eventually wg_answers laptop "$iface" || fail "wgfido-tunnel does not start"
	laptop bash "$NET_BUILD/systemd/wgfido-quick" --made "$iface" up "$NET_TMP/laptop/wireguard/$iface.conf" >>"$NET_TMP/wg-quick.log" 2>&1 ||
		fail "wg-quick up $iface failed"
}
