/* SPDX-License-Identifier: BSD-3-Clause */
/* The ports; see ports.h. */
#include "ports.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_eth_bond.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>

#include "bonds.h"
#include "eal.h"
#include "offloads.h"
#include "rss.h"

#define AF_PACKET_DRIVER "net_af_packet"
#define TAP_DRIVER	 "net_tap"

/* What open_port works on. */
struct opening {
	struct gt_port *port;
	const struct gt_config *config;
	const struct gt_config_interface *c;
	const struct gt_device *device;
	const struct gt_log *log;
	struct gt_offload_rules rules;
	struct rte_eth_dev_info info;
};

static int fail(const struct opening *o, const char *what, int rc)
{
	char said[GT_EAL_SAID_MAX];

	gt_eal_said(said, sizeof(said));
	gt_log(o->log, LOG_ERR, "interface %s: device %s: %s: %s%s%s%s", o->port->name,
	       o->port->device, what, strerror(-rc), said[0] != '\0' ? " (DPDK: " : "", said,
	       said[0] != '\0' ? ")" : "");
	return rc;
}

/* ---- pools ---- */

static struct rte_mempool *find_pool(const struct gt_ports *ports, int node)
{
	for (unsigned i = 0; i < ports->n; i++)
		if (ports->list[i].pool != NULL && ports->list[i].node == node)
			return ports->list[i].pool;
	return NULL;
}

/*
 * rte_pktmbuf_pool_create with one choice of its own. On ordinary memory it would let no buffer lie
 * across the end of a page, so that each takes a whole one of 4 KB; but net_af_xdp registers with
 * the kernel as many bytes as the buffers have, and not those of the gaps between them: a frame in
 * one of the last buffers would be lost, and the buffer with it. No device does DMA there, so they
 * stand side by side.
 */
static struct rte_mempool *create_pool(const char *name, const struct gt_config *config,
				       uint32_t buffers, int node)
{
	struct rte_pktmbuf_pool_private private = {.mbuf_data_room_size =
							   (uint16_t)config->buffer_size};
	unsigned flags = config->hugepages ? 0 : RTE_MEMPOOL_F_NO_IOVA_CONTIG;
	struct rte_mempool *pool = rte_mempool_create_empty(
		name, buffers, (unsigned)sizeof(struct rte_mbuf) + config->buffer_size,
		GT_BUFFERS_CACHED, sizeof(private), node, flags);

	if (pool == NULL)
		return NULL;
	rte_pktmbuf_pool_init(pool, &private);
	if (rte_mempool_set_ops_byname(pool, rte_mbuf_best_mempool_ops(), NULL) != 0 ||
	    rte_mempool_populate_default(pool) < 0) {
		rte_mempool_free(pool);
		return NULL;
	}
	rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
	return pool;
}

static int get_pool(struct gt_ports *ports, const struct opening *o, const struct gt_budget *budget)
{
	struct gt_port *p = o->port;
	char name[32];

	p->pool = find_pool(ports, p->node);
	if (p->pool != NULL)
		return 0;
	/* A name is used once in a process, which may have several sets of ports (bench_loop.c). */
	snprintf(name, sizeof(name), "gantry-%d-%u", p->node, p->id);
	p->pool = create_pool(name, o->config, budget->buffers, p->node);
	if (p->pool != NULL)
		return 0;
	gt_log(o->log, LOG_ERR,
	       "no memory on NUMA node %d for %u packet buffers of %u bytes: lower `buffers`, or "
	       "add hugepages",
	       p->node, budget->buffers, o->config->buffer_size);
	return -ENOMEM;
}

/* ---- what net_af_packet does not tell ---- */

/*
 * net_af_packet does not tell what its ring had no room for, and this is what one must know when a
 * worker gets too little CPU. The kernel tells, to whoever asks the driver's socket.
 */
static void find_sockets(struct gt_port *p, const char *kernel)
{
	unsigned index = if_nametoindex(kernel);
	int highest = (int)sysconf(_SC_OPEN_MAX);

	for (int fd = 3; fd < RTE_MIN(highest, 1024) && p->n_sockets < RTE_DIM(p->sockets); fd++) {
		struct sockaddr_ll a = {0};
		socklen_t len = sizeof(a);

		if (getsockname(fd, (struct sockaddr *)&a, &len) == 0 &&
		    a.sll_family == AF_PACKET && a.sll_ifindex == (int)index)
			p->sockets[p->n_sockets++] = fd;
	}
}

static void find_all_sockets(struct gt_port *p)
{
	if (strncmp(p->device, AF_PACKET_DRIVER, strlen(AF_PACKET_DRIVER)) == 0)
		find_sockets(p, p->kernel);
	for (unsigned i = 0; i < p->n_slaves; i++)
		if (strncmp(p->slaves[i].name, AF_PACKET_DRIVER, strlen(AF_PACKET_DRIVER)) == 0)
			find_sockets(p, p->slaves[i].kernel);
}

/* The driver opens a socket for each queue, in their order, slave by slave. */
static unsigned list_sockets(const struct gt_port *p, unsigned queue, int fds[])
{
	unsigned n_slaves = p->n_slaves > 0 ? p->n_slaves : 1, n_queues = p->n_sockets / n_slaves;

	if (n_queues == 0 || p->n_sockets % n_slaves != 0 || queue >= n_queues)
		return 0;
	for (unsigned i = 0; i < n_slaves; i++)
		fds[i] = p->sockets[i * n_queues + queue];
	return n_slaves;
}

/* The TAP's queue is a file that is readable while it has frames; there is nothing to enable. */
static unsigned find_tap_fd(const struct gt_port *p, unsigned queue, int fds[])
{
	if (!p->interrupts || strncmp(p->device, TAP_DRIVER, strlen(TAP_DRIVER)) != 0)
		return 0;
	fds[0] = rte_eth_dev_rx_intr_ctl_q_get_fd(p->id, (uint16_t)queue);
	return fds[0] >= 0;
}

unsigned gt_ports_rx_fds(const struct gt_port *p, unsigned queue, int fds[GT_BOND_SLAVES_MAX])
{
	unsigned n = list_sockets(p, queue, fds);

	return n > 0 ? n : find_tap_fd(p, queue, fds);
}

static uint64_t read_ring_missed(struct gt_port *p)
{
	for (unsigned i = 0; i < p->n_sockets; i++) {
		struct tpacket_stats s = {0};
		socklen_t len = sizeof(s);

		/* Asking sets it back to 0. */
		if (getsockopt(p->sockets[i], SOL_PACKET, PACKET_STATISTICS, &s, &len) == 0)
			p->ring_missed += s.tp_drops;
	}
	return p->ring_missed;
}

/* ---- one port ---- */

/* May it have RX interrupts? A bond has none of its own; of other virtual devices none has. */
static bool may_interrupt(const struct gt_device *d)
{
	static const char *const drivers[] = {TAP_DRIVER, "net_virtio_user"};

	if (d->n_slaves > 0 || d->pci)
		return d->n_slaves == 0;
	for (size_t i = 0; i < RTE_DIM(drivers); i++)
		if (strncmp(d->name, drivers[i], strlen(drivers[i])) == 0)
			return true;
	return false;
}

/* With RX interrupts if they will be used: not every driver that has none takes no for an answer.
 */
static int configure_queues(const struct opening *o, struct rte_eth_conf *conf)
{
	uint16_t n = o->config->workers;

	if (o->port->interrupts) {
		conf->intr_conf.rxq = 1;
		if (rte_eth_dev_configure(o->port->id, n, n, conf) == 0)
			return 0;
		conf->intr_conf.rxq = 0;
		o->port->interrupts = false;
	}
	return rte_eth_dev_configure(o->port->id, n, n, conf);
}

static int configure(const struct opening *o)
{
	struct rte_eth_conf conf = {0};
	uint8_t key[GT_TOEPLITZ_KEY_BYTES];
	struct gt_port *p = o->port;
	char offloads[128];
	uint16_t n_rx = GT_DESCRIPTORS, n_tx = GT_DESCRIPTORS, workers = o->config->workers;
	int rc;

	/* Where the device has a limit it is asked for what it can, and set_mtu tells of the rest.
	 */
	if (o->info.max_mtu >= o->c->mtu &&
	    o->info.max_rx_pktlen >= (uint32_t)o->c->mtu + RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN)
		conf.rxmode.mtu = o->c->mtu;
	gt_offloads_ask(&o->info, &o->rules, &conf);
	if (workers > o->info.max_rx_queues || workers > o->info.max_tx_queues) {
		gt_log(o->log, LOG_ERR,
		       "interface %s: device %s has %u queues, which is too few for workers = %u",
		       p->name, p->device, RTE_MIN(o->info.max_rx_queues, o->info.max_tx_queues),
		       workers);
		return -EINVAL;
	}
	gt_rss_ask(&o->info, workers, key, &conf);
	rc = configure_queues(o, &conf);
	if (rc != 0)
		return fail(o, "cannot be configured", rc);
	p->checks_ipv4 = (conf.rxmode.offloads & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM) != 0;
	gt_log(o->log, LOG_INFO, "interface %s: %s does for us: %s", p->name, p->device,
	       gt_offloads_format(&conf, offloads, sizeof(offloads)));
	rc = rte_eth_dev_adjust_nb_rx_tx_desc(p->id, &n_rx, &n_tx);
	if (rc != 0)
		return fail(o, "queues cannot be sized", rc);
	for (uint16_t q = 0; q < workers; q++) {
		rc = rte_eth_rx_queue_setup(p->id, q, n_rx, (unsigned)p->node, NULL, p->pool);
		if (rc != 0)
			return fail(o, "receive queue cannot be set up", rc);
		rc = rte_eth_tx_queue_setup(p->id, q, n_tx, (unsigned)p->node, NULL);
		if (rc != 0)
			return fail(o, "transmit queue cannot be set up", rc);
	}
	return 0;
}

static int set_mtu(const struct opening *o)
{
	uint16_t mtu;
	int rc;

	if (o->port->kernel[0] != '\0' ||
	    (rte_eth_dev_get_mtu(o->port->id, &mtu) == 0 && mtu == o->c->mtu))
		return 0; /* devices.c set it, or it is so */
	rc = rte_eth_dev_set_mtu(o->port->id, o->c->mtu);
	if (rc == -ENOTSUP)
		gt_log(o->log, LOG_NOTICE,
		       "interface %s: %s has no MTU to set, frames come as "
		       "they are",
		       o->port->name, o->port->device);
	else if (rc != 0)
		return fail(o, "does not take its mtu", rc);
	return 0;
}

/* In promiscuous mode the pipeline drops what is for others by its MAC. */
static int set_mac(const struct opening *o)
{
	struct gt_port *p = o->port;
	struct rte_ether_addr mac;
	int rc = rte_eth_macaddr_get(p->id, &mac);

	if (rc != 0)
		return fail(o, "has no MAC", rc);
	memcpy(p->mac.b, mac.addr_bytes, sizeof(p->mac.b));
	if (!o->c->has_mac || gt_mac_equal(&o->c->mac, &p->mac))
		return 0;
	p->mac = o->c->mac;
	memcpy(mac.addr_bytes, p->mac.b, sizeof(p->mac.b));
	/* A bond takes its first slave's at its start if it was not told by its own function. */
	rc = p->n_slaves > 0 ? rte_eth_bond_mac_address_set(p->id, &mac)
			     : rte_eth_dev_default_mac_addr_set(p->id, &mac);
	if (rc == 0)
		return 0;
	rc = rte_eth_promiscuous_enable(p->id);
	gt_log(o->log, LOG_NOTICE, "interface %s: %s does not take another MAC, %s", p->name,
	       p->device,
	       rc == 0 ? "so it runs in promiscuous mode" : "frames to `mac` may not come in");
	return 0;
}

/* NDP asks by multicast, one group for the last bytes of each address. */
static void hear_groups(const struct opening *o)
{
	if (rte_eth_allmulticast_enable(o->port->id) == 0 ||
	    rte_eth_promiscuous_enable(o->port->id) == 0)
		return;
	gt_log(o->log, LOG_INFO, "interface %s: %s has no multicast filter to open", o->port->name,
	       o->port->device);
}

static int find(const struct opening *o)
{
	char said[GT_EAL_SAID_MAX];

	if (rte_eth_dev_get_port_by_name(o->port->device, &o->port->id) == 0) {
		o->port->opened = true;
		return 0;
	}
	gt_eal_said(said, sizeof(said));
	gt_log(o->log, LOG_ERR, "interface %s: DPDK found no device %s%s%s%s", o->port->name,
	       o->c->device, said[0] != '\0' ? " (" : "", said, said[0] != '\0' ? ")" : "");
	return -ENODEV;
}

/* Some drivers tell only now that they have no interrupts to give. */
static int start(const struct opening *o)
{
	int rc = rte_eth_dev_start(o->port->id);

	if (rc == 0 || !o->port->interrupts)
		return rc;
	o->port->interrupts = false;
	rc = configure(o);
	return rc == 0 ? rte_eth_dev_start(o->port->id) : rc;
}

static int open_port(struct gt_ports *ports, struct opening *o, const struct gt_budget *budget)
{
	int rc = find(o);

	if (rc == 0)
		rc = gt_bonds_find(o->port, o->device, o->log);
	if (rc != 0)
		return rc;
	gt_eal_forget();
	rc = rte_eth_dev_info_get(o->port->id, &o->info);
	if (rc != 0)
		return fail(o, "does not tell what it can do", rc);
	rc = get_pool(ports, o, budget);
	if (rc == 0)
		rc = configure(o);
	if (rc == 0)
		rc = set_mtu(o);
	if (rc == 0)
		rc = set_mac(o);
	if (rc != 0)
		return rc;
	rc = start(o);
	if (rc != 0)
		return fail(o, "does not start", rc);
	o->port->started = true;
	find_all_sockets(o->port);
	o->port->rss_known = gt_rss_place(o->port->id, &o->info, o->config->workers);
	if (o->config->workers > 1 && !o->port->rss_known)
		gt_log(o->log, LOG_NOTICE,
		       "interface %s: %s does not place connections by our key, so workers hand "
		       "frames to each other",
		       o->port->name, o->port->device);
	hear_groups(o);
	return 0;
}

int gt_ports_open(struct gt_ports *ports, const struct gt_config *config,
		  const struct gt_device devices[], const struct gt_budget *budget, int node,
		  bool sleeps, const struct gt_log *log)
{
	memset(ports, 0, sizeof(*ports));
	ports->log = *log;
	for (size_t i = 0; i < config->n_interfaces; i++) {
		struct gt_port *p = &ports->list[i];
		struct opening o = {.port = p,
				    .config = config,
				    .c = &config->interfaces[i],
				    .device = &devices[i],
				    .log = log};
		int rc;

		snprintf(p->name, sizeof(p->name), "%s", config->interfaces[i].name);
		memcpy(p->device, devices[i].name, sizeof(p->device));
		memcpy(p->kernel, devices[i].interface, sizeof(p->kernel));
		p->node = devices[i].node >= 0 ? devices[i].node : node;
		p->interrupts = sleeps && may_interrupt(&devices[i]);
		gt_offload_rules(devices, config->n_interfaces, &o.rules);
		ports->n++;
		rc = open_port(ports, &o, budget);
		if (rc != 0)
			return rc;
	}
	return 0;
}

void gt_ports_close(struct gt_ports *ports)
{
	for (unsigned i = ports->n; i-- > 0;) {
		struct gt_port *p = &ports->list[i];
		int rc = p->started ? rte_eth_dev_stop(p->id) : 0;

		if (rc == 0 && p->opened)
			rc = rte_eth_dev_close(p->id);
		if (rc != 0)
			gt_log(&ports->log, LOG_WARNING,
			       "interface %s: device %s does not close: %s", p->name, p->device,
			       strerror(-rc));
		p->started = p->opened = false;
	}
	for (unsigned i = 0; i < ports->n; i++) {
		struct rte_mempool *pool = ports->list[i].pool;

		for (unsigned j = i; j < ports->n; j++)
			if (ports->list[j].pool == pool)
				ports->list[j].pool = NULL;
		rte_mempool_free(pool);
	}
	ports->n = 0;
}

/* ---- links and statistics ---- */

/* Drivers on top of the kernel's interfaces say "up" in any case: there, the kernel is asked. */
static bool read_link(struct gt_port *p, const struct gt_log *log, bool tell)
{
	struct rte_eth_link link = {0};
	int rc = rte_eth_link_get_nowait(p->id, &link);

	if (rc != 0)
		return rc == -ENOTSUP; /* a device without links */
	if (p->n_slaves > 0 && !gt_bonds_update(p, log, tell))
		return false;
	p->speed_mbps = link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed;
	return link.link_status == RTE_ETH_LINK_UP &&
	       (p->kernel[0] == '\0' || gt_devices_kernel_link(p->kernel));
}

static void tell_link(const struct gt_events *events, const struct gt_port *p, uint64_t was_ms)
{
	bool up = p->link_up;
	struct gt_event e = {.level = up ? LOG_NOTICE : LOG_ERR,
			     .kind = "interface",
			     .interface = p->name,
			     .what = "link",
			     .old = up ? "down" : "up",
			     .now = up ? "up" : "down"};

	if (up)
		gt_event(events, e,
			 "interface %s: link is up, after %" PRIu64 ".%" PRIu64
			 " s: addresses are announced, neighbours asked again",
			 p->name, was_ms / 1000, was_ms % 1000 / 100);
	else
		gt_event(
			events, e,
			"interface %s: link is down: what would leave by it is dropped (link-down)",
			p->name);
}

bool gt_ports_update_links(struct gt_ports *ports, uint64_t now_ms, const struct gt_events *events)
{
	bool all = true;

	for (unsigned i = 0; i < ports->n; i++) {
		struct gt_port *p = &ports->list[i];
		bool up = read_link(p, &ports->log, events != NULL);

		if (up != p->link_up || p->link_ms == 0) {
			uint64_t was_ms = now_ms - p->link_ms;
			bool changed = up != p->link_up;

			p->link_up = up;
			p->link_ms = now_ms;
			if (events != NULL && changed)
				tell_link(events, p, was_ms);
		}
		all = all && up;
	}
	return all;
}

void gt_ports_stats(struct gt_port *port, struct gt_port_stats *out)
{
	struct rte_eth_stats stats;

	memset(out, 0, sizeof(*out));
	if (rte_eth_stats_get(port->id, &stats) != 0)
		return;
	out->missed = stats.imissed + stats.rx_nombuf + read_ring_missed(port);
	out->errors = stats.ierrors + stats.oerrors;
}
