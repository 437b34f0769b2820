# SPDX-License-Identifier: GPL-2.0-or-later
# The Debian packages on a laptop: installed, upgraded and removed with tunnels open, purged, installed again; and what is left
# is what README.Debian says.
# vm: long
. "$top_srcdir/tests/vm/packages-lib.sh"
packages_begin
all=(wgfido-desktop wgfido wgfido-agent wgfido-softtoken)
packages_files >"$NET_TMP/files-before"

# One that is there already.
PATH=$NET_BUILD/token/soft:$PATH vm_plug blue
packages_install "${all[@]}"
for unit in wgfidod wgfido-rotate; do
	check "$unit is enabled" systemctl -q is-enabled $unit
	check "and runs" systemctl -q is-active $unit
done
check_eq "the gateway's agent is neither" "$(systemctl is-enabled wgfido-rotate-gateway) $(systemctl is-active wgfido-rotate-gateway)" \
	"disabled inactive"
check "wgfido-prompt is enabled for every session" systemctl --global -q is-enabled wgfido-prompt
check "the broker answers" eventually full_broker_answers
check "and knows the key that was plugged in before" eventually full_token_known blue
check_eq "its directory is its own" "$(stat -c '%U %a' /var/lib/wgfido)" "wgfido 700"

mkdir -p "$NET_TMP/laptop"
ln -s /etc/wgfido "$NET_TMP/laptop/etc"
ln -s /run/wgfido-net "$NET_TMP/laptop/run"
ln -s /etc/wireguard "$NET_TMP/laptop/wireguard"
full_cable

STAGE_SLOT=120
stage_office
stage_home
check "a tunnel with a changing preshared key is enrolled" wgfido enroll office --yes
stage_office_gateway
check "and one whose private key is wrapped" wgfido protect home --yes
stage_home_up
check "both are closed" sh -c 'for i in office home; do [ "$(jq -r .state /run/wgfido-net/$i.json)" = closed ] || exit; done'
check_not "no packet before approval" wg_pings laptop 10.7.0.2 1

# opened WHEN
opened() {
	check "$1: approved" wgfido approve office
	check "$1: and home" wgfido approve home
	check "$1: a packet passes" wg_pings laptop 10.7.0.2
	check "$1: one through home" wg_pings laptop 10.8.0.2
}
# closed WHEN
closed() {
	local probe probes=()

	wg_pings laptop 10.7.0.2 1 & probes+=($!)
	wg_pings gateway 10.7.0.1 1 & probes+=($!)
	wg_pings laptop 10.8.0.2 1 & probes+=($!)
	wg_pings gateway 10.8.0.1 1 & probes+=($!)
	for probe in "${probes[@]}"; do
		check_not "$1: no packet, out or in" wait "$probe"
	done
	check_eq "$1: home has no private key" "$(wg show home private-key)" "(none)"
}
opened "installed"
vm_unplug blue
check "the key pulled: closed" eventually is_state office closed
closed "the key pulled"
full_plug blue
opened "the key back"

# A later version, which differs in nothing but its number.
pids="$(full_main_pid wgfidod) $(full_main_pid wgfido-rotate)"
(
	packages_from=$VM_PACKAGES/later
	packages_install "${all[@]}"
)
check "upgraded" grep -q '+later$' <<<"$(dpkg-query -W wgfido)"
check "the broker answers" eventually full_broker_answers
check_not "another broker and another agent" test "$(full_main_pid wgfidod) $(full_main_pid wgfido-rotate)" = "$pids"
closed "upgraded"
check "the agent knows" eventually is_state office closed
opened "upgraded"

# Removed while open, with everything left that says how to open them.
dpkg --remove "${all[@]}" >"$NET_TMP/dpkg.log" 2>&1 || fail "dpkg --remove"
closed "removed"
check_not "no program of ours runs" pgrep -u wgfido,wgfido-net
check_eq "the keys are there" "$(cd /var/lib/wgfido/keys && echo *.key)" "home.key office.key"
check_eq "the configuration is there" "$(cd /etc/wgfido && echo *)" "home.conf office.conf"
check_not "the state of the agent is not" test -e /run/wgfido-net

dpkg --purge "${all[@]}" >"$NET_TMP/dpkg.log" 2>&1 || fail "dpkg --purge"
check_eq "a purge takes no key" "$(cd /var/lib/wgfido/keys && echo *.key)" "home.key office.key"
check "and says so" grep -q "/var/lib/wgfido stays" "$NET_TMP/dpkg.log"
check "of the configuration as well" grep -q "/etc/wgfido stays" "$NET_TMP/dpkg.log"
check_eq "the keys' owner is there still" "$(stat -c %U /var/lib/wgfido/keys/home.key)" wgfido

packages_install "${all[@]}"
check "installed again: it runs" eventually full_broker_answers
closed "installed again"
check "and knows the key" eventually full_token_known blue
opened "installed again"
check "and the key comes out of its file" wgfido unprotect home
check "into the file of wg-quick" grep -q "^PrivateKey = $(sed 's/[+/]/[&]/g' "$NET_TMP/home.key")" /etc/wireguard/home.conf

vm_unplug blue
check "what is in debian/tests/laptop" env PATH=/usr/sbin:/usr/bin:/sbin:/bin sh "$top_srcdir/debian/tests/laptop"

# Nothing enrolled: then a purge, of what runs, leaves nothing.
rm /etc/wgfido/* /var/lib/wgfido/keys/*.key
dpkg --purge "${all[@]}" >"$NET_TMP/dpkg.log" 2>&1 || fail "dpkg --purge"
rm -rf /etc/wireguard
mkdir /etc/wireguard
packages_files >"$NET_TMP/files-after"
check_eq "a purge without keys leaves nothing" "$(comm -13 "$NET_TMP/files-before" "$NET_TMP/files-after")" ""
check_not "no unit" systemctl cat wgfidod
