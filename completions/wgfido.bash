# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion for wgfido(1)

# What `wgfido status --json` knows: tunnels, the peers or keyslots of tunnel $2, or tokens. By its indentation, so that no
# JSON parser is needed; names that a shell would take apart are left out.
_wgfido_status() {
	"${COMP_WORDS[0]}" status --json 2>/dev/null | awk -F '"' -v want="$1" -v tunnel="$2" '
		function offer(s) { if (s ~ /^[A-Za-z0-9_.@+-]+$/) print s }
		/^  "/ { section = $2 }
		/^      "/ { member = $2 }
		/^      "interface": / { ours = $4 == tunnel; if (want == "tunnels") offer($4) }
		/^      "name": / && section == "tunnels" { if ($4 == tunnel) ours = 1; if (want == "tunnels") offer($4) }
		/^      "id": / && section == "tokens" && want == "tokens" { print $4 }
		!ours { next }
		/^          "id": / && member == "keyslots" && want == "slots" { gsub(/[^0-9]/, "", $3); print $3 }
		/^          "public_key": / { key = substr($4, 1, 8) }
		/^          "name": / && member == "peers" && want == "peers" { offer($4 != "" ? $4 : key) }'
}

# Interfaces with a configuration file here or there; and what the broker and the agent say.
_wgfido_tunnels() {
	local file
	{
		for file in "${WGFIDO_CONFIG_DIR:-/etc/wgfido}"/*.conf "$@"; do
			[[ -e $file ]] || continue
			file=${file##*/}
			printf '%s\n' "${file%.conf}"
		done
		_wgfido_status tunnels
	} | sort -u
}

# tunnel/peer, for each peer of the tunnel that is being typed.
_wgfido_peers() {
	local tunnel=$1 file=${WGFIDO_CONFIG_DIR:-/etc/wgfido}/$1.conf
	{
		_wgfido_status peers "$tunnel"
		[[ ! -r $file ]] || awk -F '=' '
			/^[ \t]*\[/ { peer = tolower($0) ~ /^[ \t]*\[peer\]/ }
			peer && tolower($1) ~ /^[ \t]*name[ \t]*$/ { gsub(/^[ \t]+|[ \t]*([#;].*)?$/, "", $2); print $2 }' "$file" |
			grep -xE '[A-Za-z0-9_.@+-]+'
	} | sort -u | while IFS= read -r name; do printf '%s/%s\n' "$tunnel" "$name"; done
}

# NetworkManager's WireGuard connections. A name that a shell would take apart is offered as its UUID.
_wgfido_connections() {
	local name uuid type
	while IFS=: read -r uuid type name; do
		[[ $type == wireguard ]] || continue
		if [[ $name =~ ^[A-Za-z0-9_.@+-]+$ ]]; then
			printf '%s\n' "$name"
		else
			printf '%s\n' "$uuid"
		fi
	done < <(nmcli -g UUID,TYPE,NAME connection show 2>/dev/null)
}

_wgfido() {
	local verbs="status approve revoke lock protect unprotect nm enroll gateway genkey pubkey rekey keyslot tokens monitor doctor"
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} verb=${COMP_WORDS[1]} options="" words="" i
	local key="--token --pin-fd --confirm-pin" new="--yes --uv --label" wireguard=${WGFIDO_WIREGUARD_CONFDIR:-/etc/wireguard}
	local -a places=()

	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		mapfile -t COMPREPLY < <(compgen -W "$verbs --help --version" -- "$cur")
		return
	fi
	case $verb in
	status) options="--json --watch" ;;
	approve) options="--for --wait $key" ;;
	protect) options="--rekey --no-recovery $new $key" ;;
	unprotect) options="--recovery --recovery-fd $key" ;;
	tokens) options="--keys" ;;
	gateway) options="--windows --window --from --output" ;;
	enroll) options="--resident --slot --touch --no-recovery $new $key" ;;
	genkey) options="--resident --slot --touch --wait $key" ;;
	rekey) options="--commit --abandon --resident --slot --touch --no-recovery $new $key" ;;
	nm) options="--identity --psk --no-recovery --recovery --recovery-fd $new $key" ;;
	keyslot) options="--recovery --recovery-fd $new $key" ;;
	esac
	# The arguments that are complete already; what an option takes is none of them.
	for ((i = 2; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--for | --token | --uv | --label | --slot | --touch | --pin-fd | --recovery-fd | --windows | --window | --from | --output) ((i++)) ;;
		-*) ;;
		*) places+=("${COMP_WORDS[i]}") ;;
		esac
	done
	case $prev in
	--uv) words="auto pin presence" ;;
	--for) words="30m 1h 4h 8h" ;;
	--token) words=$(_wgfido_status tokens) ;;
	--slot) words="ctaphid openpgp piv:9d" ;;
	--touch) words="never cached always" ;;
	--windows) words="30d 90d 365d" ;;
	--window) words="24h 12h" ;;
	--output) mapfile -t COMPREPLY < <(compgen -f -- "$cur") && return ;;
	--label | --pin-fd | --recovery-fd | --from) return ;;
	*)
		case $cur:$verb:${#places[@]} in
		-*) words="$options --help" ;;
		*/*:approve:0 | */*:revoke:0) words=$(_wgfido_peers "${cur%%/*}") ;;
		*:protect:0 | *:enroll:0) words=$(_wgfido_tunnels "$wireguard"/*.conf) ;;
		*:approve:0 | *:revoke:0 | *:unprotect:0 | *:gateway:0 | *:pubkey:0 | *:rekey:0) words=$(_wgfido_tunnels) ;;
		*:nm:0) words="setup undo" ;;
		*:nm:1) words=$(_wgfido_connections) ;;
		*:keyslot:0) words="list add remove recover" ;;
		*:keyslot:1) words=$(_wgfido_tunnels) ;;
		*:keyslot:2) [[ ${places[0]} != remove ]] || words=$(_wgfido_status slots "${places[1]}") ;;
		esac
		[[ -n $words ]] || words="$options --help"
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -F _wgfido wgfido
