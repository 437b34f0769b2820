# SPDX-License-Identifier: GPL-2.0-or-later
# The key is not wgfido's alone: while a tunnel is open, ssh and systemd use the same key, a browser-like program reads every
# report of its node, and none is in the other's way.
# vm: long
. "$top_srcdir/tests/vm/full-lib.sh"
full_system

STAGE_SLOT=120
stage_office
full_plug blue
wgfido enroll office --yes >/dev/null || fail "it does not enrol"
stage_office_gateway
node=$(vm_node blue)
# Reads all there is and never writes, without the lock.
net_start - browser sh -c 'exec cat "$1" >"$2"' sh "$node" "$NET_TMP/reports"
check "approved, with another reader of the node" wgfido approve office
check "a packet passes" wg_pings laptop 10.7.0.2
check_not "the reader read" test "$(stat -c %s "$NET_TMP/reports")" = 0

check "fido2-token -I" fido2-token -I "$node"
check "ssh-keygen makes an ecdsa-sk key" ssh-keygen -q -t ecdsa-sk -N '' -C vm -f "$NET_TMP/ssh"
echo "a text" >"$NET_TMP/text"
check "and signs with it" ssh-keygen -q -Y sign -f "$NET_TMP/ssh" -n vm "$NET_TMP/text"
echo "vm $(cat "$NET_TMP/ssh.pub")" >"$NET_TMP/signers"
check "which checks" sh -c 'ssh-keygen -Y verify -f "$1/signers" -I vm -n vm -s "$1/text.sig" <"$1/text"' sh "$NET_TMP"

# Both want the key at the same moment: each is served in its turn.
for i in 1 2 3; do
	echo "text $i" >"$NET_TMP/text$i"
	ssh-keygen -q -Y sign -f "$NET_TMP/ssh" -n vm "$NET_TMP/text$i" >"$NET_TMP/sign.log" 2>&1 &
	signs=$!
	wgfido approve office >"$NET_TMP/approve.log" 2>&1 || fail "approval beside ssh: $(cat "$NET_TMP/approve.log")"
	wait $signs || fail "ssh beside an approval: $(cat "$NET_TMP/sign.log")"
done
ok "ssh signs at the moment of an approval, three times"

truncate -s 32M "$NET_TMP/disk"
printf secret >"$NET_TMP/passphrase"
cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 "$NET_TMP/disk" "$NET_TMP/passphrase"
check "systemd-cryptenroll puts it on a volume" env PASSWORD=secret systemd-cryptenroll --fido2-device="$node" \
	--fido2-with-client-pin=no "$NET_TMP/disk"
check "and systemd-cryptsetup opens that with it" /lib/systemd/systemd-cryptsetup attach vm-disk "$NET_TMP/disk" - \
	"fido2-device=$node,headless=true"
/lib/systemd/systemd-cryptsetup detach vm-disk

# A key with a PIN, which both ask for.
printf '123456\n' | wgfido-softtoken set-pin --state "$NET_TMP/red.key" || fail "no PIN"
vm_plug red
udevadm settle
check "systemd-cryptenroll on a key with a PIN" env PASSWORD=secret PIN=123456 systemd-cryptenroll \
	--fido2-device="$(vm_node red)" --fido2-with-client-pin=yes "$NET_TMP/disk"
check "and systemd-cryptsetup opens the volume with the PIN" env PIN=123456 /lib/systemd/systemd-cryptsetup attach vm-disk \
	"$NET_TMP/disk" - "fido2-device=$(vm_node red),headless=true"
/lib/systemd/systemd-cryptsetup detach vm-disk
vm_unplug red

check "the tunnel is open still" is_state office open
check "and packets pass" wg_pings laptop 10.7.0.2

# Someone has the key's lock: wgfido waits for it, and says that it is busy when that takes too long.
flock "$node" sleep 5 &
check "an approval waits for a key that is in use" wgfido approve office
wait $!
