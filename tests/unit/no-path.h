/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What struct path_ops does with staged packets where none is ever staged: in tests of the control side alone. */
#pragma once

#include "tunnel/device.h"

static inline void no_path_send_staged(void *path, struct peer *peer, uint64_t now_us, bool always_one)
{
	(void)path;
	(void)peer;
	(void)now_us;
	(void)always_one;
}

static inline void no_path_drop_staged(void *path, struct peer *peer, bool tell)
{
	(void)path;
	(void)peer;
	(void)tell;
}
