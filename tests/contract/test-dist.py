#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The release has every file that the repository has, as it is, and besides only what autoreconf makes.

So what is tested in the tree is tested of the release: each test, its corpus, each header that only a compiler names. Skipped
in a release's own build, which has no repository beside it. Git itself is not needed: its index is read.
"""
import filecmp
import os
import re
import struct
import subprocess
import sys
import tempfile

SOURCE = os.path.abspath(os.environ.get("top_srcdir", "."))
BUILD = os.environ.get("top_builddir", ".")
# For those who work in the repository.
LEFT_OUT = {".gitignore"}
MADE = re.compile(r"aclocal\.m4|config\.h\.in|configure|Makefile\.in|build-aux/[\w.-]+")


class Unknown(Exception):
    """No index, or one in a form that is not read here."""


def index_of(top):
    """Where git keeps what it knows of the files of the working tree top; in a second one of them .git is a file."""
    git = os.path.join(top, ".git")
    if os.path.isfile(git):
        with open(git, encoding="utf-8") as f:
            git = os.path.join(top, f.read().strip().removeprefix("gitdir: "))
    path = os.path.join(git, "index")
    if not os.path.exists(path):
        raise Unknown("this is no git repository")
    with open(path, "rb") as f:
        return f.read()


def tracked(index):
    """The paths in an index: gitformat-index(5), versions 2 and 3."""
    magic, version, count = struct.unpack_from(">4sII", index)
    if magic != b"DIRC" or version not in (2, 3):
        raise Unknown(f"git's index is of version {version}")
    paths, at = [], 12
    for _ in range(count):
        start = at
        flags, = struct.unpack_from(">H", index, at + 60)
        at += 62 + (2 if flags & 0x4000 else 0)
        end = index.index(b"\0", at)
        paths.append(index[at:end].decode())
        # One to eight zeros, to a multiple of eight.
        at = start + (end - start + 8) // 8 * 8
    if b"link" == index[at:at + 4]:
        raise Unknown("git's index is split")
    return set(paths)


def differences(top, paths, release):
    """Yields what the directory release has otherwise than the files paths below top."""
    found = {os.path.relpath(os.path.join(where, name), release) for where, _, names in os.walk(release) for name in names}
    if len(paths) < 2:
        yield f"the repository has {len(paths)} files?"
    for path in sorted(paths - found - LEFT_OUT):
        yield f"{path} is in the repository, and not in the release: EXTRA_DIST, or the SOURCES of what uses it"
    for path in sorted(LEFT_OUT & found):
        yield f"{path} is in the release"
    for path in sorted(path for path in found - paths if not MADE.fullmatch(path)):
        yield f"{path} is in the release, and not in the repository"
    for path in sorted(paths & found):
        ours, theirs = os.path.join(top, path), os.path.join(release, path)
        if not os.path.exists(ours) or not filecmp.cmp(ours, theirs, shallow=False):
            yield f"{path} is another file in the release"
        elif os.access(ours, os.X_OK) != os.access(theirs, os.X_OK):
            yield f"{path} may be run in one of repository and release only"


def self_test():
    def entry(path, flags=0):
        raw = bytes(60) + struct.pack(">H", flags | min(len(path), 0xfff)) + (b"\0\0" if flags else b"") + path.encode()
        return raw + bytes(8 - len(raw) % 8)
    names = ["a", "ab/cdefgh", "ab/cdefghi", "b" * 70, "c"]
    index = struct.pack(">4sII", b"DIRC", 3, len(names)) + b"".join(entry(n, 0x4000 if n == "c" else 0) for n in names) + b"TREE"
    if tracked(index) != set(names):
        yield f"self-test: the index has {sorted(tracked(index))}"
    with tempfile.TemporaryDirectory() as where:
        top, release = os.path.join(where, "top"), os.path.join(where, "release")
        for path, text in (("top/same", ""), ("top/other", "1"), ("top/missing", ""), ("top/mode", ""), ("top/.gitignore", ""),
                           ("release/same", ""), ("release/other", "2"), ("release/more", ""), ("release/mode", ""), ("release/configure", "")):
            os.makedirs(os.path.dirname(os.path.join(where, path)), exist_ok=True)
            with open(os.path.join(where, path), "w", encoding="utf-8") as f:
                f.write(text)
        os.chmod(os.path.join(top, "mode"), 0o755)
        found = [line.split()[0] for line in differences(top, {"same", "other", "missing", "mode", ".gitignore"}, release)]
        if found != ["missing", "more", "mode", "other"]:
            yield f"self-test: found {found}"


def main():
    problems = list(self_test())
    try:
        paths = tracked(index_of(SOURCE))
    except Unknown as why:
        print("\n".join(problems) or why)
        return 1 if problems else 77
    # Not a part of the make that runs the tests.
    env = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    with tempfile.TemporaryDirectory(prefix="wgfido-dist-") as where:
        release = os.path.join(where, "release")
        made = subprocess.run([os.environ.get("MAKE", "make"), "-s", "-C", BUILD, "distdir", f"distdir={release}"], env=env,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if made.returncode != 0:
            problems.append(f"make distdir:\n{made.stdout}")
        else:
            problems += differences(SOURCE, paths, release)
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
