#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Manual pages: every option of --help is in the page and every option of the page in --help; mandoc has nothing to say."""
import glob
import os
import re
import shutil
import subprocess
import sys
import unittest

SOURCE = os.environ.get("top_srcdir", ".")
BUILD = os.environ.get("top_builddir", ".")
PAGES = {
    "wgfido.1": "client/wgfido",
    "wgfido-prompt.1": "client/wgfido-prompt",
    "wgfido-softtoken.1": "token/soft/wgfido-softtoken",
    "wgfido-rotate.8": "agent/wgfido-rotate",
    "wgfido-token.8": "token/wgfido-token",
    "wgfido-tunnel.8": "tunnel/wgfido-tunnel",
    "wgfidod.8": "daemon/wgfidod",
}
OTHER_PAGES = {"wgfido.7", "wgfido.conf.5"}
# Of other projects; mandoc's own list of manuals is of the machine that builds.
XREFS = {"wg(8)", "wg-quick(8)", "udev(7)", "polkit(8)", "pinentry(1)", "ssh(1)", "seccomp(2)", "systemd-logind.service(8)",
         "systemd-networkd.service(8)"}
LONG = r"--([a-z][a-z0-9-]*)"
MANDOC = shutil.which("mandoc")


def page(name):
    with open(os.path.join(SOURCE, "man", name), encoding="utf-8") as f:
        return f.read()


def run(program, *argv):
    return subprocess.run([os.path.join(BUILD, program), *argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=True).stdout


def verbs(text):
    """Of the list that begins with two blanks; a line of an option begins with dashes."""
    return re.findall(r"(?m)^  ([a-z][a-z-]*) ", text)


def help_options(program):
    text = run(program, "--help")
    # A program without verbs says so by having none in its synopsis.
    has_verbs = " VERB " in text
    options = {"version"} if "--version" in text or has_verbs else set()
    for part in [text, *(run(program, verb, "--help") for verb in (verbs(text) if has_verbs else []))]:
        options.update(re.findall(r"(?m)^ +" + LONG + r"\b", part))
        options.update(re.findall(r"\[" + LONG, part))
    return options | {"help"}, set(verbs(text)) if has_verbs else set()


def page_options(text):
    lines = [line for line in text.splitlines() if line.startswith(".") and not line.startswith('.\\"')]
    # An option that is said of another program comes after its .Nm or .Xr.
    own = [line for line in lines if not re.match(r"\.(Nm|Xr) \S+ .*Fl", line)]
    return set(re.findall(r"\bFl -([a-z][a-z0-9-]*)", "\n".join(own))) | set(re.findall(r"\| -([a-z]+)$", "\n".join(own), re.M))


class Options(unittest.TestCase):
    def test_every_page(self):
        for name, program in PAGES.items():
            with self.subTest(page=name):
                options, names = help_options(program)
                self.assertGreater(len(options), 3, "--help was not understood")
                text = page(name)
                self.assertEqual(options - page_options(text), set(), "in --help only")
                self.assertEqual(page_options(text) - options - self.elsewhere(name), set(), "in the page only")
                for verb in names:
                    self.assertRegex(text, rf"(?m)^\.Cm (.*\| )?{verb}\b", f"{verb}: not in the synopsis")
                    self.assertRegex(text, rf"(?m)^\.It Cm {verb}\b", f"{verb}: not explained")

    def elsewhere(self, name):
        """An example may name an option of another program on a line of its own."""
        return {"soft-tokens"} if name == "wgfido-softtoken.1" else set()

    def test_can_fail(self):
        self.assertEqual(page_options(".Op Fl -one\n.Fl -two | -three\n.Nm other Fl -four\n--five\n"), {"one", "two", "three"})
        self.assertEqual(verbs("Usage: x\n  run   text\n  --help\nset\n"), ["run"])

    def test_every_page_is_known(self):
        self.assertEqual({os.path.basename(path) for path in glob.glob(os.path.join(SOURCE, "man", "*.[0-9]"))},
                         set(PAGES) | OTHER_PAGES)

    def test_references(self):
        known = {re.sub(r"(.*)\.(\d)$", r"\1(\2)", name) for name in set(PAGES) | OTHER_PAGES} | XREFS
        for name in set(PAGES) | OTHER_PAGES:
            for what, section in re.findall(r"\.(?:It )?Xr (\S+) (\d)", page(name)):
                self.assertIn(f"{what}({section})", known, name)


@unittest.skipUnless(MANDOC, "mandoc is not installed")
class Lint(unittest.TestCase):
    def lint(self, text):
        out = subprocess.run([MANDOC, "-T", "lint", "-W", "style"], input=text, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, check=False).stdout
        return [line for line in out.splitlines()
                if "referenced manual not found" not in line and "outdated mandoc.db" not in line]

    def test_clean(self):
        for name in set(PAGES) | OTHER_PAGES:
            self.assertEqual(self.lint(page(name)), [], name)

    def test_can_fail(self):
        self.assertNotEqual(self.lint(page("wgfido.7").replace(".El", "", 1)), [])


if __name__ == "__main__":
    outcome = unittest.main(exit=False).result
    sys.exit(1 if not outcome.wasSuccessful() else 77 if outcome.skipped else 0)
