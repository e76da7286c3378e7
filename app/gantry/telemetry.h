/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gantry's numbers in DPDK's telemetry, beside those of the devices: /gantry/status, /gantry/drops,
 * /gantry/workers, /gantry/vips, /gantry/vip,NAME and /gantry/servers,VIP, for dpdk-telemetry.py
 * and Telegraf's dpdk input. Its threads get them from main by mailbox.h.
 */
#ifndef GT_APP_TELEMETRY_H
#define GT_APP_TELEMETRY_H

#include "base/log.h"

/* Adds the commands. Without them gantry runs on: a warning says so. Main, once, after EAL. */
void gt_telemetry_register(const struct gt_log *log);

#endif
