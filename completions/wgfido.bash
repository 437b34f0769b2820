# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion for wgfido(1)

_wgfido_tunnels() {
	local file
	for file in "${WGFIDO_CONFIG_DIR:-/etc/wgfido}"/*.conf "$@"; do
		[[ -e $file ]] || continue
		file=${file##*/}
		printf '%s\n' "${file%.conf}"
	done | sort -u
}

_wgfido() {
	local verbs="status approve revoke lock protect unprotect enroll gateway pubkey rekey keyslot tokens monitor doctor"
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} verb=${COMP_WORDS[1]} words=""
	local key="--token --pin-fd --confirm-pin" create="--no-recovery --yes --uv --label"

	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		mapfile -t COMPREPLY < <(compgen -W "$verbs --help --version" -- "$cur")
		return
	fi
	case $prev in
	--uv) words="auto pin presence" ;;
	--for) words="30m 1h 4h 8h" ;;
	--token | --label | --pin-fd | --recovery-fd) return ;;
	*)
		case $verb in
		status) words="--json --watch" ;;
		approve) words="--for --wait $key $(_wgfido_tunnels)" ;;
		revoke | gateway | pubkey) words=$(_wgfido_tunnels) ;;
		protect) words="--rekey $create $key $(_wgfido_tunnels "${WGFIDO_WIREGUARD_CONFDIR:-/etc/wireguard}"/*.conf)" ;;
		enroll) words="$create $key $(_wgfido_tunnels "${WGFIDO_WIREGUARD_CONFDIR:-/etc/wireguard}"/*.conf)" ;;
		rekey) words="$create $key $(_wgfido_tunnels)" ;;
		unprotect) words="--recovery --recovery-fd $key $(_wgfido_tunnels)" ;;
		keyslot)
			if ((COMP_CWORD == 2)); then
				words="list add remove recover"
			else
				words="--recovery --recovery-fd --yes --uv --label $key $(_wgfido_tunnels)"
			fi
			;;
		esac
		words+=" --help"
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -F _wgfido wgfido
