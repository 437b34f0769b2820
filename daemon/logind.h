/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * EndOn = suspend, lock, logout: what logind tells. A delay inhibitor holds suspend back until the approvals are ended. Where
 * there is no logind nothing of this happens, and one log line says so.
 */
#pragma once

#include <systemd/sd-bus.h>

struct broker;
struct logind;

int logind_new(struct logind **ret, sd_bus *bus, struct broker *broker);
struct logind *logind_free(struct logind *l);
