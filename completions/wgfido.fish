# SPDX-License-Identifier: GPL-2.0-or-later
# fish completion for wgfido(1)

# What `wgfido status --json` knows: tunnels, the peers or keyslots of tunnel $argv[2], or tokens. By its indentation, so that
# no JSON parser is needed.
function __wgfido_status
    command wgfido status --json 2>/dev/null | awk -F '"' -v want="$argv[1]" -v tunnel="$argv[2]" '
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
end

function __wgfido_config_dir
    set -q WGFIDO_CONFIG_DIR; and echo $WGFIDO_CONFIG_DIR; or echo /etc/wgfido
end

function __wgfido_tunnels
    begin
        for file in (__wgfido_config_dir)/*.conf
            string replace -r '.*/(.*)\.conf$' '$1' -- $file
        end
        __wgfido_status tunnels
    end | sort -u
end

# Also those that wg-quick knows and wgfido does not yet.
function __wgfido_interfaces
    set -l dir /etc/wireguard
    set -q WGFIDO_WIREGUARD_CONFDIR; and set dir $WGFIDO_WIREGUARD_CONFDIR
    begin
        for file in $dir/*.conf
            string replace -r '.*/(.*)\.conf$' '$1' -- $file
        end
        __wgfido_tunnels
    end | sort -u
end

# Tunnels; behind a slash, the peers of the tunnel.
function __wgfido_targets
    set -l tunnel (string match -r '^([^/]+)/' -- (commandline -ct))[2]
    if test -z "$tunnel"
        __wgfido_tunnels
        return
    end
    set -l file (__wgfido_config_dir)/$tunnel.conf
    begin
        __wgfido_status peers $tunnel
        test -r $file; and awk -F '=' '
            /^[ \t]*\[/ { peer = tolower($0) ~ /^[ \t]*\[peer\]/ }
            peer && tolower($1) ~ /^[ \t]*name[ \t]*$/ { gsub(/^[ \t]+|[ \t]*([#;].*)?$/, "", $2); print $2 }' $file
    end | sort -u | string replace -r '^' "$tunnel/"
end

# The arguments that are complete already, without options and what they take.
function __wgfido_places
    set -l skip no
    for word in (commandline -opc)[2..-1]
        switch $word
            case --for --token --uv --label --slot --touch --pin-fd --recovery-fd --windows --window --from --output
                set skip yes
            case '-*'
            case '*'
                test $skip = yes; or echo $word
                set skip no
        end
    end
end

# __wgfido_at N VERB...: the verb is one of these, and N arguments stand behind it.
function __wgfido_at
    set -l places (__wgfido_places)
    test (count $places) -eq (math $argv[1] + 1); and contains -- $places[1] $argv[2..-1]
end

function __wgfido_verb
    set -l places (__wgfido_places)
    test (count $places) -gt 0; and contains -- $places[1] $argv
end

function __wgfido_no_verb
    test (count (__wgfido_places)) -eq 0
end

function __wgfido_slots
    set -l places (__wgfido_places)
    test "$places[2]" = remove; and __wgfido_status slots $places[3]
end

# NetworkManager's WireGuard connections. A colon in a name has a backslash before it.
function __wgfido_connections
    nmcli -g TYPE,NAME connection show 2>/dev/null | string replace -rf '^wireguard:' '' | string replace -a '\\:' ':'
end

complete -c wgfido -f
complete -c wgfido -n __wgfido_no_verb -l version -d 'Print the version'
complete -c wgfido -l help -d 'Explain'
complete -c wgfido -n __wgfido_no_verb -a status -d 'Show the tunnels'
complete -c wgfido -n __wgfido_no_verb -a approve -d 'Open a tunnel with a touch of the security key'
complete -c wgfido -n __wgfido_no_verb -a revoke -d 'Close a tunnel'
complete -c wgfido -n __wgfido_no_verb -a lock -d 'Close every tunnel'
complete -c wgfido -n __wgfido_no_verb -a protect -d 'Lock the private key of a wg-quick file to the security key'
complete -c wgfido -n __wgfido_no_verb -a unprotect -d 'Put a protected private key back'
complete -c wgfido -n __wgfido_no_verb -a nm -d 'Lock a WireGuard connection of NetworkManager to the security key'
complete -c wgfido -n __wgfido_no_verb -a enroll -d 'Make a token key for a tunnel'
complete -c wgfido -n __wgfido_no_verb -a gateway -d 'Print the lines that the other end adds'
complete -c wgfido -n __wgfido_no_verb -a genkey -d 'Make a key that never leaves its security key'
complete -c wgfido -n __wgfido_no_verb -a pubkey -d 'Print a public key of a tunnel'
complete -c wgfido -n __wgfido_no_verb -a rekey -d 'Make a new key in place of an old one'
complete -c wgfido -n __wgfido_no_verb -a keyslot -d 'Manage security keys and recovery codes'
complete -c wgfido -n __wgfido_no_verb -a tokens -d 'List the security keys that are plugged in'
complete -c wgfido -n __wgfido_no_verb -a monitor -d 'Print a line at each change'
complete -c wgfido -n __wgfido_no_verb -a doctor -d 'Check everything and say what mends it'

complete -c wgfido -n '__wgfido_at 0 approve revoke' -a '(__wgfido_targets)'
complete -c wgfido -n '__wgfido_at 0 protect enroll' -a '(__wgfido_interfaces)'
complete -c wgfido -n '__wgfido_at 0 unprotect gateway pubkey rekey' -a '(__wgfido_tunnels)'
complete -c wgfido -n '__wgfido_at 0 nm' -a 'setup undo'
complete -c wgfido -n '__wgfido_at 1 nm' -a '(__wgfido_connections)'
complete -c wgfido -n '__wgfido_at 0 keyslot' -a 'list add remove recover'
complete -c wgfido -n '__wgfido_at 1 keyslot' -a '(__wgfido_tunnels)'
complete -c wgfido -n '__wgfido_at 2 keyslot' -a '(__wgfido_slots)'

complete -c wgfido -n '__wgfido_verb status' -l json -d 'For programs'
complete -c wgfido -n '__wgfido_verb status' -l watch -d 'Again at each change'
complete -c wgfido -n '__wgfido_verb approve' -l for -x -a '30m 1h 4h 8h' -d 'For this long'
complete -c wgfido -n '__wgfido_verb approve genkey' -l wait -d 'Wait for a security key'
complete -c wgfido -n '__wgfido_verb enroll genkey rekey' -l resident -d 'A key that never leaves the token'
complete -c wgfido -n '__wgfido_verb enroll genkey rekey' -l slot -x -a 'ctaphid openpgp piv:9d' -d 'Where on the token'
complete -c wgfido -n '__wgfido_verb enroll genkey rekey' -l touch -x -a 'never cached always' -d 'When the token asks for a touch'
complete -c wgfido -n '__wgfido_verb rekey' -l commit -d 'Switch to the next key'
complete -c wgfido -n '__wgfido_verb rekey' -l abandon -d 'Give the next key up'
complete -c wgfido -n '__wgfido_verb gateway' -l windows -x -a '30d 90d 365d' -d 'Make window keys for this long'
complete -c wgfido -n '__wgfido_verb gateway' -l window -x -a '24h 12h' -d 'How long each lasts'
complete -c wgfido -n '__wgfido_verb gateway' -l from -x -d 'Date of the first window'
complete -c wgfido -n '__wgfido_verb gateway' -l output -r -F -d 'Write them there'
complete -c wgfido -n '__wgfido_verb tokens' -l keys -d 'And the keys that never leave them'
complete -c wgfido -n '__wgfido_verb nm' -l identity -d 'Lock the private key'
complete -c wgfido -n '__wgfido_verb nm' -l psk -d 'Change preshared keys'
complete -c wgfido -n '__wgfido_verb protect' -l rekey -d 'Make a new key'
complete -c wgfido -n '__wgfido_verb protect nm enroll rekey' -l no-recovery -d 'Make no recovery code'
complete -c wgfido -n '__wgfido_verb protect nm enroll rekey keyslot' -l yes -d 'Ask nothing'
complete -c wgfido -n '__wgfido_verb protect nm enroll rekey keyslot' -l uv -x -a 'auto pin presence' -d 'PIN or presence'
complete -c wgfido -n '__wgfido_verb protect nm enroll rekey keyslot' -l label -x -d 'Name of this security key'
complete -c wgfido -n '__wgfido_verb unprotect nm keyslot' -l recovery -d 'A recovery code'
complete -c wgfido -n '__wgfido_verb unprotect nm keyslot' -l recovery-fd -x -d 'Read the recovery code from there'
complete -c wgfido -n '__wgfido_verb approve protect unprotect nm enroll genkey rekey keyslot' -l token -x -a '(__wgfido_status tokens)' \
    -d 'Use this security key'
complete -c wgfido -n '__wgfido_verb approve protect unprotect nm enroll genkey rekey keyslot' -l pin-fd -x -d 'Read the PIN from there'
complete -c wgfido -n '__wgfido_verb approve protect unprotect nm enroll genkey rekey keyslot' -l confirm-pin \
    -d 'Use the PIN also when few tries are left'
