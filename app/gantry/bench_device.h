/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ports of `gantry bench`'s loops: what gt_ports_open makes of a configuration with one VIP
 * whose interface is a net_pcap with infinite_rx=1. It brings the same frames for ever, each copied
 * into a fresh buffer; what is sent vanishes. The frames stand in files without a name (memfd), so
 * that nothing is left behind, however the program ends.
 */
#ifndef GT_APP_BENCH_DEVICE_H
#define GT_APP_BENCH_DEVICE_H

#include "bench_measure.h"
#include "ports.h"

#define GT_BENCH_QUEUES_MAX 2

struct gt_bench_device {
	/* As in the configuration that is measured, but for these devices and this VIP alone. */
	struct gt_config config;
	struct gt_config_interface interfaces[GT_INTERFACES_MAX];
	struct gt_config_vip vip;
	char text[GT_INTERFACES_MAX][128]; /* the interfaces' devices */
	struct gt_device devices[GT_INTERFACES_MAX];
	struct gt_ports ports;
	unsigned n_queues;
	int files[GT_BENCH_QUEUES_MAX];
	uint32_t n_frames[GT_BENCH_QUEUES_MAX]; /* of each queue: one of each of its connections */
	uint16_t port;				/* the VIP's */
	unsigned n_created;			/* devices that DPDK has */
};

/*
 * One ACK of each of so many connections, in an order that no prefetcher guesses; with two queues
 * they are dealt as a NIC with our key deals them, and the port is said to do so. Each queue's
 * worker is to have room for `room` connections. False: see why. To be closed in any case. Main.
 */
bool gt_bench_device_open(struct gt_bench_device *d, const struct gt_bench *b,
			  const struct gt_config_vip *vip, uint32_t n_flows, unsigned n_queues,
			  uint32_t room, char *why, size_t size);
void gt_bench_device_close(struct gt_bench_device *d);

/* Bytes of its buffers, and of the tables of its queues' workers. Any caller. */
uint64_t gt_bench_device_bytes(const struct gt_bench *b, const struct gt_config_vip *vip,
			       uint32_t n_flows, unsigned n_queues, uint32_t room);

#endif
