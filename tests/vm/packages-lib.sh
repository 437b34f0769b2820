# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# For the scripts that install the Debian packages, on top of full-lib.sh. The machine has nothing of ours before and after.
#
#	packages_begin		or skips, if there are none
#	packages_install NAME...; packages_file NAME
#	packages_closure NAME	all that it depends on, names of virtual packages as well; of alternatives those that are installed
#	packages_files		what is on the disk, without dpkg's bookkeeping and the users, which stay

. "$top_srcdir/tests/vm/full-lib.sh"

packages_end() {
	local status=$? link

	trap - EXIT ERR
	set +e
	if [ $status != 0 ] && [ $status != 77 ]; then
		journalctl -b -q --no-pager -o short-monotonic -n 60 -u wgfidod -u wgfido-rotate -u wgfido-rotate-gateway
	fi
	dpkg --purge wgfido-desktop wgfido wgfido-agent wgfido-softtoken >/dev/null 2>&1
	rm -rf /run/systemd/system/wgfido-rotate-gateway.service.d /etc/wgfido /var/lib/wgfido /etc/wireguard /run/wgfido-net
	systemctl daemon-reload
	systemctl reset-failed
	for link in home gw-office; do
		ip link del $link 2>/dev/null
	done
	vm_end
	exit $status
}

packages_begin() {
	if [ -z "${VM_PACKAGES:-}" ]; then
		[ "${VM_REQUIRED:-}" != 1 ] || export WGFIDO_NET_REQUIRED=1
		skip "no packages: ${VM_PACKAGES_WHY:-they were not made}"
	fi
	vm_begin
	PATH=${PATH#"$NET_BUILD/client:$NET_BUILD/token/soft:"}
	trap packages_end EXIT
	chmod 755 "$NET_TMP"
	rm -rf /etc/wgfido /var/lib/wgfido /etc/wireguard /run/wgfido-net
	mkdir /etc/wireguard
}

packages_file() { echo "${packages_from:-$VM_PACKAGES}/${1}"_[0-9]*.deb; }

packages_install() {
	local name files=()

	for name; do
		files+=("$(packages_file "$name")")
	done
	dpkg --install "${files[@]}" >"$NET_TMP/dpkg.log" 2>&1 || fail "dpkg --install $*"
}

packages_files() {
	find /etc /usr /var/lib -xdev \( -path /var/lib/dpkg -o -path /var/lib/NetworkManager -o -path /var/lib/systemd/timers \
		-o -name 'ld.so.cache' \) -prune -o ! -name 'passwd*' ! -name 'shadow*' ! -name 'group*' ! -name 'gshadow*' \
		! -name '.pwd.lock' -print | sort
}

packages_closure() {
	local queue=("$1") seen=' ' name dependency needs

	while [ ${#queue[@]} -gt 0 ]; do
		name=${queue[0]}
		queue=("${queue[@]:1}")
		[[ $seen != *" $name "* ]] || continue
		seen+="$name "
		needs=$(dpkg-query -W -f='${Pre-Depends}, ${Depends}\n' "$name" 2>/dev/null |
			sed 's/([^)]*)//g; s/:[a-z]*//g; s/ *| */|/g; s/,/ /g') || :
		for dependency in $needs; do
			for name in ${dependency//|/ }; do
				if [ "$name" = "$dependency" ] || dpkg-query -W "$name" >/dev/null 2>&1; then
					queue+=("$name")
				fi
			done
		done
	done
	echo "$seen"
}
