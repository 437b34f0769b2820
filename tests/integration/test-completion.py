#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Completion in bash, zsh and fish: the words that each offers, against the program's own help and a fake broker."""
import os
import re
import shutil
import subprocess
import unittest

from client_case import KEY, WGFIDO, ClientCase, Terminal, fake

COMPLETIONS = os.path.join(os.path.abspath(os.environ.get("top_srcdir", os.path.join(os.path.dirname(__file__), "..", ".."))),
                           "completions")
BASH_DRIVER = r"""
source "$1"; shift
COMP_WORDS=(wgfido "$@"); COMP_CWORD=$#
_wgfido
[ ${#COMPREPLY[@]} = 0 ] || printf '%s\n' "${COMPREPLY[@]}"
"""
# What is added is also written to a file, except where compadd is only asked to fill an array.
ZSH_SETUP = r"""
fpath=(%s $fpath); autoload -Uz compinit; compinit -u -D
compadd() {
	if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then builtin compadd "$@"; return; fi
	local -a hits; builtin compadd -A hits "$@"; print -rl -- $hits >>%s; builtin compadd "$@"
}
words() { _main_complete; compstate[list]= compstate[insert]=; print -r -- DON''E >/dev/tty }
zle -C words list-choices words; bindkey '^I' words; print READ''Y
"""


# nmcli -g FIELDS connection show
NMCLI = r"""#!/bin/sh
case $2 in
TYPE,NAME) printf '%s\n' wireguard:office 'wireguard:my tunnel' 802-11-wireless:wg9 ;;
UUID,TYPE,NAME) printf '%s\n' u-1:wireguard:office 'u-2:wireguard:my tunnel' u-3:802-11-wireless:wg9 ;;
esac
"""


class Shell:
    """A mixin: what is the same in all shells. words(*typed) gives what may stand in place of the last."""

    odd_connection = "my tunnel"

    def setUp(self):
        super().setUp()
        self.env["PATH"] = self.where("bin") + ":" + os.path.dirname(WGFIDO) + ":" + os.environ["PATH"]
        os.mkdir(self.where("bin"))
        self.write("bin/nmcli", NMCLI)
        os.chmod(self.where("bin/nmcli"), 0o755)
        self.write("etc/wg0.conf", "[Interface]\nMode = psk\n[Peer]\nName = branch # far\nPublicKey = %s\n" % KEY["B"])
        self.write("etc/wg7.conf", "[Interface]\nName = none\n")
        self.write("wireguard/wg8.conf", "")

    def with_broker(self):
        b = self.start_broker()
        tunnel = b.add(fake.Tunnel, "wg0", Name="office", KeySlots=self.keyslots())
        b.add(fake.Peer, tunnel, KEY["A"], Name="gw")
        b.add(fake.Peer, tunnel, KEY["C"])
        other = b.add(fake.Tunnel, "wg1", Name="a name; with blanks")
        b.add(fake.Peer, other, KEY["A"], Name="elsewhere")
        b.add(fake.Token, 1)
        b.start()

    def keyslots(self):
        import dbus

        slots = [(dbus.UInt32(n), "hmac-secret", "key", "pin", dbus.UInt64(1)) for n in (3, 12)]
        return dbus.Array(slots, signature="(ussst)")

    def verbs(self):
        return set(re.findall(r"(?m)^  ([a-z]+) ", self.wgfido("--help")))

    def test_verbs(self):
        offered = self.words("")
        self.assertEqual({word for word in offered if not word.startswith("-")}, self.verbs())
        self.assertLessEqual({"--help", "--version"}, offered | self.words("--"))
        self.assertEqual(self.words("unp"), {"unprotect"})

    def test_options(self):
        for verb in sorted(self.verbs()):
            options = set(re.findall(r"(?m)^  (--[a-z-]+)", self.wgfido(verb, "--help")))
            self.assertEqual(self.words(verb, "--"), options | {"--help"}, verb)

    def test_tunnels(self):
        self.assertEqual(self.words("approve", ""), {"wg0", "wg7"})
        self.assertEqual(self.words("protect", ""), {"wg0", "wg7", "wg8"})
        self.assertEqual(self.words("approve", "wg0/"), {"wg0/branch"})
        self.with_broker()
        for verb in ("approve", "revoke", "unprotect", "gateway", "pubkey", "rekey"):
            self.assertEqual(self.words(verb, ""), {"wg0", "wg1", "wg7", "office"}, verb)
        self.assertEqual(self.words("keyslot", "list", ""), {"wg0", "wg1", "wg7", "office"})
        # Behind the tunnel and other options; some shells leave out those that are there already.
        self.assertEqual(self.words("approve", "wg0", "--wait", "--f"), {"--for"})

    def test_peers(self):
        self.with_broker()
        self.assertEqual(self.words("approve", "wg0/"), {"wg0/gw", "wg0/branch", "wg0/" + KEY["C"][:8]})
        self.assertEqual(self.words("revoke", "office/g"), {"office/gw"})

    def test_values(self):
        self.with_broker()
        self.assertEqual(self.words("protect", "wg0", "--uv", ""), {"auto", "pin", "presence"})
        self.assertEqual(self.words("approve", "--token", ""), {"path-1"})
        self.assertEqual(self.words("approve", "--for", ""), {"30m", "1h", "4h", "8h"})
        self.assertEqual(self.words("approve", "--for", "1h", "off"), {"office"})
        self.assertEqual(self.words("nm", ""), {"setup", "undo"})
        self.assertEqual(self.words("nm", "setup", ""), {"office", self.odd_connection})
        self.assertEqual(self.words("nm", "undo", "of"), {"office"})
        self.assertEqual(self.words("keyslot", ""), {"list", "add", "remove", "recover"})
        self.assertEqual(self.words("keyslot", "remove", "wg0", ""), {"3", "12"})


class Bash(Shell, ClientCase):
    odd_connection = "u-2"  # a blank would need quotes

    def words(self, *typed):
        done = subprocess.run(["bash", "--norc", "-c", BASH_DRIVER, "bash", os.path.join(COMPLETIONS, "wgfido.bash"), *typed],
                              env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=True)
        self.assertEqual(done.stderr, "")
        return set(done.stdout.splitlines())

    def test_syntax(self):
        subprocess.run(["bash", "-n", os.path.join(COMPLETIONS, "wgfido.bash")], check=True)


@unittest.skipUnless(shutil.which("fish"), "fish is not installed")
class Fish(Shell, ClientCase):
    def words(self, *typed):
        env = dict(self.env, HOME=self.dir, XDG_CONFIG_HOME=self.where("xdg"), XDG_DATA_HOME=self.where("xdg"))
        done = subprocess.run(["fish", "--no-config", "-c", "source $argv[1]; complete -C $argv[2]",
                               os.path.join(COMPLETIONS, "wgfido.fish"), " ".join(("wgfido",) + typed)],
                              env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=True)
        self.assertEqual(done.stderr, "")
        return {line.split("\t")[0] for line in done.stdout.splitlines()}


@unittest.skipUnless(shutil.which("zsh"), "zsh is not installed")
class Zsh(Shell, ClientCase):
    """zsh completes only in its line editor, which wants a terminal."""

    shell = None
    odd_connection = "my\\ tunnel"  # as it is typed

    def start(self):
        self.shell = Terminal([shutil.which("zsh"), "-f", "-i"], dict(self.env, HOME=self.dir))
        self.addCleanup(self.shell.finish)
        self.addCleanup(self.shell.type, "\x15exit\n")
        self.shell.type(ZSH_SETUP % (COMPLETIONS, self.where("words")))
        self.shell.expect("READY\r?\n")

    def words(self, *typed):
        if not self.shell:
            self.start()
        self.write("words", "")
        self.shell.type("\x15" + " ".join(("wgfido",) + typed) + "\t")
        self.shell.expect("DONE\r?\n")
        tunnel = "".join(typed[-1].rpartition("/")[:2])
        return {tunnel + word for word in self.read("words").decode().split("\n") if word}


if __name__ == "__main__":
    unittest.main()
