/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the halves of the keystore share: the version of the format, and the rules that parsing and making slots both keep. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define KEYFILE_VERSION 1
/* With this one came resident keys; wrapped ones stayed as they were, and are read by what is older. */
#define KEYFILE_VERSION_RESIDENT 2
/* Slot ids are below this; kept under 2^31 so that they print and parse the same everywhere. */
#define KEYFILE_SLOT_ID_END 0x7fffffffu

/* 1 to KEYFILE_LABEL_MAX - 1 bytes of UTF-8 without control characters: labels are printed on terminals. */
bool keyslot_label_valid(const char *label);
