# SPDX-License-Identifier: GPL-2.0-or-later
"""What the contract tests share: the C files of a tree and what they include."""
import os
import re

FOLDERS = ("common", "token", "daemon", "bus", "agent", "tunnel", "client", "bench", "tests")
INCLUDE = re.compile(r'^\s*#\s*include\s*(<[^>]+>|"[^"]+")')


def sources(top, suffixes=(".c", ".h"), folders=FOLDERS):
    """Paths from the top, sorted."""
    found = []
    for folder in folders:
        for where, _, names in os.walk(os.path.join(top, folder)):
            found += [os.path.relpath(os.path.join(where, name), top) for name in names if name.endswith(suffixes)]
    return sorted(found)


def includes(top, path):
    """(line, header, is it a system header) for each #include."""
    with open(os.path.join(top, path), encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            match = INCLUDE.match(line)
            if match:
                yield number, match.group(1)[1:-1], match.group(1)[0] == "<"
