# SPDX-License-Identifier: GPL-2.0-or-later
# fish completion for wgfido-tunnel(8)

function __wgfido_tunnel_interfaces
    set -l wireguard /etc/wireguard
    set -q WGFIDO_WIREGUARD_CONFDIR; and set wireguard $WGFIDO_WIREGUARD_CONFDIR
    set -l config /etc/wgfido
    set -q WGFIDO_CONFIG_DIR; and set config $WGFIDO_CONFIG_DIR
    for file in $wireguard/*.conf $config/*.conf
        string replace -r '.*/(.*)\.conf$' '$1' -- $file
    end | sort -u
end

complete -c wgfido-tunnel -f -a '(__wgfido_tunnel_interfaces)'
complete -c wgfido-tunnel -s f -l foreground -d 'Stay in the foreground'
complete -c wgfido-tunnel -l wireguard-dir -x -a '(__fish_complete_directories)' -d 'Where its configuration socket is'
complete -c wgfido-tunnel -l debug -d 'Log more'
complete -c wgfido-tunnel -l help -d 'Explain'
complete -c wgfido-tunnel -l version -d 'Print the version'
