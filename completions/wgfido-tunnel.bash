# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion for wgfido-tunnel(8)

_wgfido_tunnel() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} words="--foreground --wireguard-dir --debug --help --version" file

	COMPREPLY=()
	if [[ $prev == --wireguard-dir ]]; then
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return
	fi
	for file in "${WGFIDO_WIREGUARD_CONFDIR:-/etc/wireguard}"/*.conf "${WGFIDO_CONFIG_DIR:-/etc/wgfido}"/*.conf; do
		[[ ! -e $file ]] || words+=" $(basename "$file" .conf)"
	done
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur" | sort -u)
}

complete -F _wgfido_tunnel wgfido-tunnel
