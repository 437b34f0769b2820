/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ends approvals when their time is over: a timer on CLOCK_BOOTTIME, and a look whenever the real-time clock is set. */
#pragma once

struct broker;
struct expiry;

int expiry_new(struct expiry **ret, struct broker *b);
/* The approvals changed. */
void expiry_arm(struct expiry *e);
struct expiry *expiry_free(struct expiry *e);
