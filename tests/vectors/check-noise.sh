#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The vectors kept in the tree are those that the independent code makes.
[ -n "$PYTHON3" ] && [ -x "$PYTHON3" ] || { echo "no python3: skipped"; exit 77; }
dir=$top_srcdir/tests/vectors
exec "$PYTHON3" -B "$dir/noise.py" --check "$dir/noise.txt"
