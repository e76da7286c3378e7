/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ports: each interface's DPDK device, set up with one RX and one TX queue for each worker, and
 * the pools of packet buffers on the devices' NUMA nodes.
 */
#ifndef GT_APP_PORTS_H
#define GT_APP_PORTS_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_mempool.h>

#include "base/addr.h"
#include "base/frame.h"
#include "base/event.h"
#include "budget.h"
#include "config/config.h"
#include "devices.h"

struct gt_port {
	char name[GT_NAME_MAX + 1]; /* the interface's */
	char device[64];
	char kernel[IFNAMSIZ]; /* the kernel's interface below, or empty */
	uint16_t id;	       /* DPDK's */
	int node;	       /* NUMA node of its buffers */
	struct rte_mempool *pool;
	struct gt_mac mac;
	bool opened, started;
	bool interrupts;  /* RX interrupts were asked for: workers may sleep */
	bool checks_ipv4; /* mbufs tell whether IPv4 headers' checksums are right */
	bool rss_known;	  /* its queues are chosen by gt_steer_connection (pipeline/steer.h) */
	struct gt_port_slave {
		char name[64], kernel[IFNAMSIZ];
		uint16_t id;
		bool link_up; /* it carries frames (bonds.h) */
	} slaves[GT_BOND_SLAVES_MAX];
	unsigned n_slaves, bond_mode; /* 0: it is no bond */
	uint16_t primary;	      /* of active-backup: the slave in use */
	bool moved;	  /* a bond's frames take other slaves than when main last looked */
	bool link_up;	  /* as it was last told */
	uint64_t link_ms; /* since when */
	uint32_t speed_mbps;
	int sockets[GT_WORKERS_MAX * GT_BOND_SLAVES_MAX]; /* of net_af_packet's, its own */
	unsigned n_sockets;
	uint64_t ring_missed; /* what these sockets had no room for */
};

struct gt_ports {
	struct gt_port list[GT_INTERFACES_MAX];
	unsigned n;
	struct gt_log log;
};

/*
 * Finds, configures and starts the device of each interface. sleeps: workers will want to be woken
 * by them. 0, -errno after a message; then
 * gt_ports_close undoes what was done. Main, after EAL.
 */
int gt_ports_open(struct gt_ports *ports, const struct gt_config *config,
		  const struct gt_device devices[], const struct gt_budget *budget, int node,
		  bool sleeps, const struct gt_log *log);

/* Descriptors that are readable while this queue has frames: returns how many, 0 if its driver has
 * none of that kind. Main. */
unsigned gt_ports_rx_fds(const struct gt_port *p, unsigned queue, int fds[GT_BOND_SLAVES_MAX]);

/* Stops and closes them: no worker uses them any more. Main. */
void gt_ports_close(struct gt_ports *ports);

/* Reads the links and tells of each change, if events is not NULL. True: all are up. Main. */
bool gt_ports_update_links(struct gt_ports *ports, uint64_t now_ms, const struct gt_events *events);

/* What the device counted. Main. */
struct gt_port_stats {
	uint64_t missed; /* came, and there was no buffer or nobody fetched them in time */
	uint64_t errors; /* in or out */
};
void gt_ports_stats(struct gt_port *port, struct gt_port_stats *out);

#endif
