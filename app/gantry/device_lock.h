/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One gantry owns a device: with two on one interface of the kernel's (net_af_packet, net_af_xdp)
 * both would get every frame, and forward it twice. The kernel itself does not keep them apart.
 */
#ifndef GT_APP_DEVICE_LOCK_H
#define GT_APP_DEVICE_LOCK_H

#include "devices.h"

/*
 * Takes each device for this process, until it ends. A predecessor that is just dying is waited
 * for, 2 s. 0, -EBUSY after a message: another gantry has it. Main, after gt_devices_prepare.
 */
int gt_devices_lock(const struct gt_config *config, const struct gt_device devices[],
		    const struct gt_log *log);

#endif
