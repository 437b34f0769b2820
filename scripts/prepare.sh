# shellcheck shell=bash
# Sourced by ./demo and ./check: what both need before they start. Packages come from the distribution through
# apt, with sudo when not root; builds go to build/NAME in the source tree.

# What a build needs, and what the demo runs.
packages_build="autoconf automake make gcc libc6-dev pkg-config
	libfido2-dev libhidapi-dev libsodium-dev libsystemd-dev libmnl-dev libssl-dev libcbor-dev libinih-dev libjansson-dev
	libseccomp-dev libpcsclite-dev"
# Where it exists: a cipher that the build can do without.
case $(dpkg --print-architecture 2>/dev/null) in
amd64) packages_build="$packages_build libipsec-mb-dev" ;;
esac
packages_run="dbus-daemon iproute2 iputils-ping wireguard-tools wireguard-go procps util-linux jq"
# What configure looks for besides, for the tests.
packages_configure="libcmocka-dev python3"
# What the tests use besides.
packages_test="clang libclang-rt-14-dev llvm-14 python3-dbus python3-dbusmock python3-gi polkitd
	gcc-arm-none-eabi
	xvfb xdotool notification-daemon dunst pinentry-gtk2 desktop-file-utils
	pcscd vsmartcard-vpcd opensc
	fido2-tools mandoc libxml2-utils xz-utils tcpdump expect systemd zsh fish"

# What the virtual machine's tests use besides.
packages_vm="qemu-system-x86 busybox-static cpio kmod xz-utils e2fsprogs mmdebstrap
	debhelper dpkg-dev lintian"

say() { printf '%s\n' "$*"; }
die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# Installs those of the named packages that are missing. Says what it does; needs apt, and root or sudo.
prepare_packages() {
	local p missing=() sudo=()
	command -v dpkg-query >/dev/null || die "this needs Debian 12 or a system like it (no dpkg-query here)"
	for p in "$@"; do
		[ "$(dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || missing+=("$p")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null ||
			die "these packages are missing, and there is no sudo to install them with: ${missing[*]}"
		sudo=(sudo)
	fi
	say "Installing ${#missing[@]} packages: ${missing[*]}"
	local log
	log=$(mktemp)
	if ! { "${sudo[@]}" apt-get update -q && "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -q --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
		tail -n 20 "$log" >&2
		rm -f "$log"
		die "apt-get could not install what is missing; see above"
	fi
	rm -f "$log"
}

# A configure newer than everything it is made from.
prepare_configure() {
	if [ ! -x configure ] || [ -n "$(find configure.ac Makefile.am ./*/*.mk ./*/*/*.mk -newer configure 2>/dev/null)" ]; then
		autoreconf -fi >autoreconf.log 2>&1 || { cat autoreconf.log >&2; die "autoreconf failed"; }
		rm -f autoreconf.log
	fi
}

# prepare_build NAME CONFIGURE-ARGUMENTS...: configures and builds in build/NAME, quietly unless it fails.
prepare_build() {
	local dir=build/$1 log=build/$1.log top=$PWD
	shift
	mkdir -p "$dir"
	prepare_configure
	if [ ! -f "$dir/Makefile" ] || [ configure -nt "$dir/Makefile" ] || [ "$(cat "$dir/.args" 2>/dev/null)" != "$*" ]; then
		(cd "$dir" && "$top/configure" "$@") >"$log" 2>&1 || { tail -n 30 "$log" >&2; die "configure failed: $log"; }
		# Paths are compiled in, and no object depends on them.
		[ "$(cat "$dir/.args" 2>/dev/null)" = "$*" ] || make -C "$dir" clean >>"$log" 2>&1
		printf '%s\n' "$*" >"$dir/.args"
	fi
	make -C "$dir" -j"$(nproc)" all >"$log" 2>&1 || { grep -E 'error|Error|\*\*\*' "$log" | head -n 30 >&2; die "the build failed: $log"; }
}
