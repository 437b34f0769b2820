#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The vectors kept in the tree, and those in the specification, are what the independent code makes.
[ -n "$PYTHON3" ] && [ -x "$PYTHON3" ] || { echo "no python3: skipped"; exit 77; }
dir=$top_srcdir/tests/vectors
"$PYTHON3" -B "$dir/x25519.py" --check "$dir/x25519.txt" &&
	"$PYTHON3" -B "$dir/x25519.py" --document "$top_srcdir/docs/ctaphid-x25519.md" || exit 1
# Could it fail at all?
sed 's/^\(    dh-empty.answer 09000*\)./\1f/' "$top_srcdir/docs/ctaphid-x25519.md" >x25519-changed.$$ || exit 1
if "$PYTHON3" -B "$dir/x25519.py" --document x25519-changed.$$ 2>/dev/null; then
	echo "a changed vector was not seen"
	status=1
fi
rm -f x25519-changed.$$
exit "${status:-0}"
