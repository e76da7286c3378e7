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

/* What a device brings, and to whom. */
struct gt_bench_wire {
	const struct gt_config_vip *vip;
	uint32_t n_flows;
	/* Two frames of each connection, with half of all others in between: the second is its
	 * server's reply, or, where replies pass us by, an ACK as the first: so many frames of
	 * `dr` are compared with those of both ways. Of one queue only. */
	bool twice;
	unsigned n_queues;
	uint32_t room;	 /* of each queue's worker, for connections */
	unsigned number; /* among the devices that are open at once */
};

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
	uint32_t n_frames[GT_BENCH_QUEUES_MAX];
	uint16_t port;	    /* the VIP's */
	unsigned number;    /* as in its wire */
	unsigned n_created; /* devices that DPDK has */
};

/*
 * One ACK of each of so many connections, or two frames, in an order that no prefetcher guesses;
 * with two queues they are dealt as a NIC with our key deals them, and the port is said to do so.
 * t: the VIP's traffic, which must have learned its connections if replies are to come. False: see
 * why. To be closed in any case. Main.
 */
bool gt_bench_device_open(struct gt_bench_device *d, const struct gt_bench *b,
			  const struct gt_bench_wire *wire, struct gt_traffic *t, char *why,
			  size_t size);
/* One that is all zero, or closed already, may be closed, too. Main. */
void gt_bench_device_close(struct gt_bench_device *d);

/* Bytes of its buffers, and of the tables of its queues' workers. Any caller. */
uint64_t gt_bench_device_bytes(const struct gt_bench *b, const struct gt_bench_wire *wire);

#endif
