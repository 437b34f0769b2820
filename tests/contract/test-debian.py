#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Each file that `make install` puts on a system is in one Debian package and in no other, and the release has what they are
made from. What else there is to know of the packages, lintian and the virtual machine say (tests/vm/full/packages-*.sh)."""
import fnmatch
import glob
import os
import re
import shutil
import subprocess
import tempfile
import unittest

SOURCE = os.environ.get("top_srcdir", ".")
BUILD = os.environ.get("top_builddir", ".")
# As debian/rules has it, for a release of the distribution with its units below /lib.
DIRECTORIES = {"systemdsystemunitdir": "/lib/systemd/system", "udevrulesdir": "/lib/udev/rules.d",
               "sysusersdir": "/usr/lib/sysusers.d", "tmpfilesdir": "/usr/lib/tmpfiles.d",
               "zshcompletiondir": "/usr/share/zsh/vendor-completions",
               "bashcompletiondir": "/usr/share/bash-completion/completions",
               "fishcompletiondir": "/usr/share/fish/vendor_completions.d"}


def read(*path):
    with open(os.path.join(SOURCE, *path), encoding="utf-8") as f:
        return f.read()


def lists():
    """{package: [patterns]}"""
    return {os.path.basename(path)[:-len(".install")]: [line for line in read(path).splitlines() if line]
            for path in glob.glob(os.path.join(os.path.abspath(SOURCE), "debian", "*.install"))}


def owners(path, packages):
    """A line of a list is a file, a directory or a pattern."""
    return [name for name, patterns in packages.items()
            if any(fnmatch.fnmatch(path, p) or fnmatch.fnmatch(path, p + "/*") for p in patterns)]


def installed():
    root = tempfile.mkdtemp(prefix="wgfido-debian-")
    try:
        # Not a part of the make that runs the tests.
        env = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
        subprocess.run([os.environ.get("MAKE", "make"), "-s", "-C", BUILD, "install", f"DESTDIR={root}", "prefix=/usr",
                        "exec_prefix=/usr", "bindir=/usr/bin", "sbindir=/usr/sbin", "libdir=/usr/lib", "libexecdir=/usr/libexec",
                        "datarootdir=/usr/share", "datadir=/usr/share", "mandir=/usr/share/man", "sysconfdir=/etc",
                        *(f"{name}={path}" for name, path in DIRECTORIES.items())],
                       env=env, stdout=subprocess.DEVNULL, check=True)
        return sorted(os.path.relpath(os.path.join(where, name), root)
                      for where, _, names in os.walk(root) for name in names)
    finally:
        shutil.rmtree(root)


class Debian(unittest.TestCase):
    def test_each_file_in_one_package(self):
        packages = lists()
        found = installed()
        self.assertTrue(found)
        self.assertEqual({path: owners(path, packages) for path in found if len(owners(path, packages)) != 1}, {},
                         "debian/PACKAGE.install says which package has a file")
        empty = {name: [p for p in patterns if not any(owners(path, {name: [p]}) for path in found)]
                 for name, patterns in packages.items()}
        self.assertEqual({name: patterns for name, patterns in empty.items() if patterns}, {}, "these match nothing")

    def test_it_can_fail(self):
        packages = {"a": ["usr/bin/x", "usr/share/y"], "b": ["usr/share/*/z"]}
        self.assertEqual(owners("usr/bin/x", packages), ["a"])
        self.assertEqual(owners("usr/share/y/z", packages), ["a", "b"])
        self.assertEqual(owners("usr/bin/xx", packages), [])

    def test_packages(self):
        self.assertEqual(set(re.findall(r"(?m)^Package: (.*)", read("debian", "control"))), set(lists()))

    def test_version(self):
        version = re.search(r"AC_INIT\(\[wgfido\], \[([^\]]*)\]", read("configure.ac"))[1]
        self.assertTrue(read("debian", "changelog").startswith(f"wgfido ({version}) "))

    def test_in_the_release(self):
        """What git has of debian/ is what debian/local.mk names."""
        named = set(re.findall(r"debian/\S+", read("debian", "local.mk"))) | {"debian/local.mk"}
        self.assertEqual([name for name in named if not os.path.exists(os.path.join(SOURCE, name))], [])
        if not shutil.which("git"):
            return  # a tarball's or a package's build
        git = subprocess.run(["git", "-C", SOURCE, "ls-files", "debian"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                             text=True, check=False)
        if git.returncode == 0 and git.stdout:
            self.assertEqual(set(git.stdout.split()) - named, set())


if __name__ == "__main__":
    unittest.main()
