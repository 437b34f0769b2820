# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Sourced by check-vm: what the machine is made of, in $vm_dir, made when missing. Each is named by what it is made from, so
# that a new kernel of the distribution, another package in the list or a change here makes it anew; the old one goes.
#
#	vm_tools		give_up if programs are missing
#	vm_make_kernel		the distribution's kernel package, unpacked: $vm_kernel (vmlinux, lib/modules), $vm_release
#	vm_make_initramfs	$vm_initramfs: busybox, a few modules, initramfs-init; the same for both tiers
#	vm_make_image		$vm_image: the root file system of the full tier
#	vm_make_stage		$vm_dir/stage: what `make install` puts on a system, for full_system
#	vm_make_packages	$vm_packages_dir: the .deb files and what lintian says of them; empty, and why in $vm_packages_why

# In the initramfs: what mounts the root.
vm_modules_boot="virtio_pci virtio_blk ext4 9pnet_virtio 9p overlay"
# In the image of the full tier; the fast tier has all of the package's.
vm_modules_image="$vm_modules_boot virtio_rng wireguard uhid hid-generic usbhid vhci-hcd veth tun dummy ip6_udp_tunnel
	nf_tables nft_ct nft_fib_inet xt_conntrack autofs4 unix loop fuse efi_pstore dm_crypt xts"

# In the image: the system, then what our programs are linked with, then what the tests use.
vm_packages="systemd systemd-sysv dbus polkitd udev kmod libpam-systemd network-manager wireguard-tools fido2-tools
	libfido2-1 libhidapi-hidraw0 libsodium23 libsystemd0 libmnl0 libssl3 libcbor0.8 libinih1 libjansson4 libseccomp2 libpcsclite1
	iproute2 iputils-ping jq procps util-linux tcpdump openssh-client cryptsetup-bin cpio pcscd vsmartcard-vpcd"

vm_say() { printf '# %s\n' "$*"; }

vm_tools() {
	local program missing=()

	[ "$(uname -m)" = x86_64 ] || give_up "the machine is emulated on x86_64 only"
	for program in qemu-system-x86_64 busybox cpio depmod modprobe xz mke2fs mmdebstrap apt-get dpkg setpriv; do
		command -v "$program" >/dev/null || missing+=("$program")
	done
	[ ${#missing[@]} = 0 ] || give_up "missing: ${missing[*]} (scripts/prepare.sh names the packages: packages_vm)"
	# Linked with libraries it would not start in the initramfs.
	! ldd "$(command -v busybox)" >/dev/null 2>&1 || give_up "busybox is not the static one (package busybox-static)"
}

# key TEXT...: short and different for different text
vm_key() { printf '%s\n' "$@" | sha256sum | cut -c 1-12; }

# keep KIND NAME: removes the others of its kind
vm_keep() {
	local path

	for path in "$vm_dir/$1"-*; do
		[ "$path" = "$vm_dir/$1-$2" ] || rm -rf "$path"
	done
}

# The kernel that the distribution's metapackage stands for now.
vm_make_kernel() {
	local package version dir tmp started=$SECONDS

	package=$(apt-cache depends linux-image-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[^ ]*\)$/\1/p' | head -n 1)
	[ -n "$package" ] || give_up "apt knows no linux-image-amd64 (apt-get update?)"
	version=$(apt-cache show --no-all-versions "$package" | sed -n 's/^Version: //p' | head -n 1)
	vm_release=${package#linux-image-}
	vm_kernel=$vm_dir/kernel-$package-$version
	if [ ! -e "$vm_kernel/vmlinux" ]; then
		tmp=$(mktemp -d "$vm_dir/new.XXXXXX")
		vm_say "fetching $package $version"
		(cd "$tmp" && apt-get download -q "$package=$version") >"$vm_dir/kernel.log" 2>&1 || {
			rm -rf "$tmp"
			give_up "$package cannot be fetched: $(tail -n 1 "$vm_dir/kernel.log")"
		}
		dpkg -x "$tmp"/*.deb "$tmp/tree"
		dir=$tmp/kernel
		mkdir -p "$dir/lib"
		mv "$tmp/tree/lib/modules" "$dir/lib/modules"
		# The package ships no modules.dep.
		depmod -b "$dir" "$vm_release"
		vm_carve "$tmp/tree/boot/vmlinuz-$vm_release" "$dir/vmlinux"
		rm -rf "$vm_kernel"
		mv "$dir" "$vm_kernel"
		rm -rf "$tmp"
		vm_keep kernel "$package-$version"
		vm_say "kernel: $((SECONDS - started)) s"
	fi
}

# The kernel unpacked beforehand saves the emulator from doing it at every boot. Where it is not xz, boot it as it is.
vm_carve() {
	local offset

	for offset in $(LC_ALL=C grep -abo "$(printf '\xfd7zXZ')" "$1" | cut -d : -f 1); do
		tail -c "+$((offset + 1))" "$1" | xz -dc --single-stream >"$2" 2>/dev/null
		[ "$(head -c 4 "$2" | tail -c 3)" != ELF ] || return 0
	done
	cp "$1" "$2"
}

# modules NAME...: paths of these modules and what they need, from $vm_kernel/lib/modules/RELEASE on, in the order to load them
vm_modules() {
	local module

	for module; do
		modprobe -d "$vm_kernel" -S "$vm_release" --show-depends "$module" | sed -n 's/^insmod //p'
	done | sed "s|^$vm_kernel/||" | awk '{ print $1 }' | awk '!seen[$0]++'
}

vm_make_initramfs() {
	local name tmp path started=$SECONDS

	# shellcheck disable=SC2086
	name=$(vm_key "$(basename "$vm_kernel")" "$vm_modules_boot" "$(cat "$vm_src/tests/vm/initramfs-init")" "$(busybox | head -n 1)")
	vm_initramfs=$vm_dir/initramfs-$name
	[ ! -e "$vm_initramfs" ] || return 0
	tmp=$(mktemp -d "$vm_dir/new.XXXXXX")
	mkdir -p "$tmp"/{bin,modules,proc,sys,dev,lower,rw,new}
	cp "$(command -v busybox)" "$tmp/bin/busybox"
	install -m 755 "$vm_src/tests/vm/initramfs-init" "$tmp/init"
	# shellcheck disable=SC2086
	for path in $(vm_modules $vm_modules_boot); do
		cp "$vm_kernel/$path" "$tmp/modules/"
		basename "$path" >>"$tmp/modules/list"
	done
	(cd "$tmp" && find . | cpio -o -H newc --quiet -R 0:0) >"$vm_initramfs.new"
	rm -rf "$tmp"
	mv "$vm_initramfs.new" "$vm_initramfs"
	vm_keep initramfs "$name"
	vm_say "initramfs: $((SECONDS - started)) s"
}

vm_make_image() {
	local suite name tmp started=$SECONDS packages tar_as=()

	# shellcheck disable=SC1091
	suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	# shellcheck disable=SC2086 # its line breaks go
	packages=$(echo $vm_packages | tr ' ' ,)
	name=$(vm_key "$suite" "$packages" "$vm_modules_image" "$(basename "$vm_kernel")" "$(cat "$vm_src/tests/vm/image-setup")")
	vm_image=$vm_dir/image-$name
	[ ! -e "$vm_image" ] || return 0
	if [ "$(id -u)" != 0 ]; then
		# Whose the files are has to survive from the tar to the image.
		command -v fakeroot >/dev/null || give_up "missing: fakeroot, to make an image without being root"
		tar_as=(fakeroot)
	fi
	tmp=$(mktemp -d "$vm_dir/new.XXXXXX")
	vm_say "making the image of the full tier ($suite)"
	mkdir -p "$tmp/modules/lib/modules/$vm_release"
	# shellcheck disable=SC2086,SC2046
	(cd "$vm_kernel" && cp --parents $(vm_modules $vm_modules_image) "lib/modules/$vm_release"/modules.{order,builtin,builtin.modinfo} "$tmp/modules/")
	depmod -b "$tmp/modules" "$vm_release"
	if ! mmdebstrap --variant=minbase --format=tar --include="$packages" \
		--customize-hook="copy-in $tmp/modules/lib/modules /lib/" \
		--customize-hook="$vm_src/tests/vm/image-setup \"\$1\"" \
		"$suite" "$tmp/tree.tar" >"$vm_dir/image.log" 2>&1; then
		rm -rf "$tmp"
		give_up "mmdebstrap could not make the image (vm/image.log): $(grep -m 1 '^E:' "$vm_dir/image.log")"
	fi
	mkdir "$tmp/tree"
	# shellcheck disable=SC2016
	"${tar_as[@]}" sh -ec 'tar -C "$1/tree" -xpf "$1/tree.tar" && mke2fs -q -t ext4 -O ^has_journal -d "$1/tree" "$2" 1500M' \
		sh "$tmp" "$vm_image.new" >>"$vm_dir/image.log" 2>&1 || {
		rm -rf "$tmp" "$vm_image.new"
		give_up "mke2fs could not make the image (vm/image.log)"
	}
	rm -rf "$tmp"
	mv "$vm_image.new" "$vm_image"
	vm_keep image "$name"
	vm_say "image: $((SECONDS - started)) s"
}

# Anew each time: it takes a second.
vm_make_stage() {
	local variable wanted

	for wanted in prefix=/usr sysconfdir=/etc localstatedir=/var; do
		variable=$(sed -n "s/^${wanted%%=*} = //p" "$vm_build/Makefile")
		[ "$variable" = "${wanted#*=}" ] ||
			give_up "the full tier installs this build: configure it with --prefix=/usr --sysconfdir=/etc --localstatedir=/var"
	done
	rm -rf "$vm_dir/stage"
	make -s -C "$vm_build" install DESTDIR="$vm_dir/stage" >"$vm_dir/stage.log" 2>&1 ||
		give_up "make install failed (vm/stage.log)"
}

# vm_make_later DIR: packages of a later version in DIR/later, which differ in nothing but its number
vm_make_later() {
	local deb

	mkdir "$1/later"
	for deb in "$1"/*.deb; do
		dpkg-deb -R "$deb" "$1/later/tree" &&
			sed -i -E "s/^Version: .*/&+later/; s/(wgfido[a-z-]* \(= [^)]*)\)/\1+later)/" "$1/later/tree/DEBIAN/control" &&
			dpkg-deb --root-owner-group -b "$1/later/tree" "$1/later/$(basename "$deb")" >/dev/null || return
		rm -rf "$1/later/tree"
	done
}

# From what a release has, as `make dist` would pack it. What keeps them from being made is for their script to say: the others
# want none of it.
vm_make_packages() {
	local name dir=$vm_dir/packages-build started=$SECONDS program missing=()

	vm_packages_dir='' vm_packages_why=''
	for program in dpkg-buildpackage dpkg-checkbuilddeps dh lintian; do
		command -v "$program" >/dev/null || missing+=("$program")
	done
	if [ ${#missing[@]} != 0 ]; then
		vm_packages_why="missing: ${missing[*]} (scripts/prepare.sh names the packages: packages_vm)"
		return
	fi
	# Always in the same place: a compiler's cache then knows the sources again.
	rm -rf "$dir"
	mkdir "$dir"
	if ! make -s -C "$vm_build" distdir distdir="$dir/wgfido" >"$vm_dir/packages.log" 2>&1; then
		vm_packages_why="make distdir failed (vm/packages.log)"
		return
	fi
	name=$(vm_key "$(cd "$dir/wgfido" && find . -type f -print0 | sort -z | xargs -0 sha256sum)")
	if [ ! -e "$vm_dir/packages-$name" ]; then
		vm_say "making the packages"
		if ! (
			cd "$dir/wgfido" || exit
			export DEB_BUILD_PROFILES="nocheck noautodbgsym" DEB_BUILD_OPTIONS="nocheck noautodbgsym parallel=$(nproc)"
			[ ! -d /usr/lib/ccache ] || PATH=/usr/lib/ccache:$PATH
			# Not a part of the make that runs us.
			unset MAKEFLAGS MFLAGS MAKELEVEL CC
			dpkg-buildpackage -b -us -uc
		) >>"$vm_dir/packages.log" 2>&1; then
			vm_packages_why="dpkg-buildpackage failed (vm/packages.log): $(grep -m 1 -E 'rror' "$vm_dir/packages.log")"
			return
		fi
		lintian --allow-root --no-cfg "$dir"/*.changes >"$dir/lintian" 2>&1 || vm_say "lintian finds something"
		vm_make_later "$dir" || { vm_packages_why="the packages of a later version cannot be made"; return; }
		rm -rf "$dir/wgfido" "$vm_dir/packages-$name"
		mv "$dir" "$vm_dir/packages-$name"
		vm_keep packages "$name"
		vm_say "packages: $((SECONDS - started)) s"
	fi
	rm -rf "$dir"
	vm_packages_dir=$vm_dir/packages-$name
}
