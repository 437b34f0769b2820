#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""SECURITY.md names only tests that exist: every file, and every test in it."""
import glob
import os
import re
import sys

TOP = os.environ.get("top_srcdir", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
REFERENCE = re.compile(r"(test-[\w-]+|fuzz-[\w-]+|(?:fast|full)/[\w-]+)(?:: (.*))?$")


def missing(text, sources):
    """Yields what the tables of text name and sources (base name without extension: contents) do not have."""
    rows = 0
    for row in re.findall(r"^\| .* \| (.*) \|$", text, re.M):
        for part in row.split(";"):
            match = REFERENCE.match(part.strip())
            if not match:
                continue
            rows += 1
            if match.group(1) not in sources:
                yield "there is no %s" % match.group(1)
                continue
            for name in filter(None, (n.strip() for n in (match.group(2) or "").split(","))):
                if not re.search(r"\b%s\b" % re.escape(name), sources[match.group(1)]):
                    yield "%s has no %s" % (match.group(1), name)
    if rows < 20:
        yield "only %d claims were found: has the table another form now?" % rows


def main():
    sources = {}
    for path in glob.glob(os.path.join(TOP, "tests", "*", "*")):
        name, extension = os.path.splitext(os.path.basename(path))
        if extension in (".c", ".py", ".sh"):
            with open(path, encoding="utf-8") as f:
                sources[name] = f.read()
    for path in glob.glob(os.path.join(TOP, "tests", "vm", "*", "*.sh")):
        name = os.path.splitext(os.path.relpath(path, os.path.join(TOP, "tests", "vm")))[0]
        with open(path, encoding="utf-8") as f:
            sources[name] = f.read()
    with open(os.path.join(TOP, "SECURITY.md"), encoding="utf-8") as f:
        text = f.read()

    # It can fail.
    row = "| a claim | test-of-nothing; full/nothing; test-secret: test_that_is_not_there |\n"
    found = list(missing(text + row, sources))
    assert "there is no test-of-nothing" in found and "there is no full/nothing" in found and \
        "test-secret has no test_that_is_not_there" in found, found

    problems = list(missing(text, sources))
    for problem in problems:
        print("SECURITY.md: " + problem)
    return 1 if problems else 0


sys.exit(main())
