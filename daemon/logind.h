/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * EndOn = suspend, lock, logout: what logind tells. A delay inhibitor holds suspend back until the approvals are ended and the
 * agent has closed. Where there is no logind one log line says so, and tunnels with EndOn = lock or logout are
 * not approved.
 */
#pragma once

struct bus;
struct logind;

int logind_new(struct logind **ret, struct bus *served);
struct logind *logind_free(struct logind *l);
