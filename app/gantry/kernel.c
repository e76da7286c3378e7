/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel path; see kernel.h. */
#include "kernel.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>

#include <rte_arp.h>
#include <rte_ether.h>
#include <rte_ip.h>

#include "events.h"
#include "flow/snat.h"
#include "run.h"

/* Frames of one TAP that go onto the wire in a turn of main's. */
#define SENT_MAX 128
/* Slots of the ring to the worker that are left to main's own answers. */
#define SPARE_SLOTS (GT_TRANSMIT_RING / 2)
/* Segments of an mbuf that are written at once: a frame of MTU 9216 in buffers of 256 bytes would
 * have 80, one of the usual buffers 5. */
#define PIECES_MAX 96

/* ---- coming up and going down ---- */

bool gt_kernel_wanted(const struct gt_config *config)
{
	for (size_t i = 0; i < config->n_interfaces; i++)
		if (config->interfaces[i].kernel != NULL)
			return true;
	return false;
}

int gt_kernel_create(struct gt_kernel *k, const struct gt_config *config, const struct gt_log *log)
{
	k->log = *log;
	for (size_t i = 0; i < config->n_interfaces; i++) {
		const struct gt_config_interface *c = &config->interfaces[i];
		int rc = 0;

		k->taps[i] = (struct gt_tap){.fd = -1};
		k->n++;
		if (c->kernel != NULL)
			rc = gt_tap_create(&k->taps[i], c, log);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* Does SNAT use an address of the interface as its source, unless a snat_address is given? */
static bool lends_to_snat(const struct gt_config *config, size_t interface)
{
	for (size_t i = 0; i < config->n_vips; i++) {
		const struct gt_config_vip *v = &config->vips[i];

		for (size_t j = 0; v->mode == GT_MODE_SNAT && j < v->n_servers; j++)
			if (v->servers[j].interface == interface)
				return true;
	}
	return false;
}

/* SNAT has the ports below GT_SNAT_PORT_KERNEL of an address that it shares with the kernel. */
static void warn_of_ports(const struct gt_kernel *k, const struct gt_config_interface *c)
{
	static const char file[] = "/proc/sys/net/ipv4/ip_local_port_range";
	FILE *f = fopen(file, "re");
	unsigned first, last;

	if (f == NULL)
		return;
	if (fscanf(f, "%u %u", &first, &last) == 2 && first < GT_SNAT_PORT_KERNEL)
		gt_log(&k->log, LOG_WARNING,
		       "interface %s: the kernel uses ports from %u on (%s), and mode = snat those "
		       "up to %u of the same address: a connection may get the other's answers: "
		       "set "
		       "net.ipv4.ip_local_port_range = %u %u, or give the VIPs a snat_address",
		       c->name, first, file, GT_SNAT_PORT_KERNEL - 1, GT_SNAT_PORT_KERNEL,
		       last > GT_SNAT_PORT_KERNEL ? last : 60999);
	fclose(f);
}

int gt_kernel_set_up(struct gt_kernel *k, const struct gt_config *config,
		     const struct gt_ports *ports)
{
	for (unsigned i = 0; i < k->n; i++) {
		const struct gt_config_interface *c = &config->interfaces[i];
		int rc;

		if (k->taps[i].fd < 0)
			continue;
		rc = gt_tap_set_up(&k->taps[i], c, &ports->list[i].mac, &k->log);
		if (rc != 0)
			return rc;
		if (lends_to_snat(config, i))
			warn_of_ports(k, c);
	}
	return 0;
}

int gt_kernel_readdress(struct gt_kernel *k, const struct gt_config *from,
			const struct gt_config *to)
{
	int first = 0;

	for (unsigned i = 0; i < k->n; i++) {
		int rc = gt_tap_readdress(&k->taps[i], &from->interfaces[i], &to->interfaces[i],
					  &k->log);

		first = first != 0 ? first : rc;
	}
	return first;
}

void gt_kernel_close(struct gt_kernel *k)
{
	for (unsigned i = 0; i < k->n; i++)
		gt_tap_close(&k->taps[i], &k->log);
	k->n = 0;
}

int gt_kernel_watch(struct gt_kernel *k, int epoll_fd)
{
	for (unsigned i = 0; i < k->n; i++) {
		struct epoll_event e = {.events = EPOLLIN,
					.data.u64 = GT_TOKEN(GT_SOURCE_KERNEL, i)};

		if (k->taps[i].fd >= 0 &&
		    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, k->taps[i].fd, &e) != 0)
			return -errno;
	}
	return 0;
}

/* ---- to the kernel ---- */

/* The frame without its tag, which the TAP knows nothing of. True: the kernel has it. */
static bool give(const struct gt_tap *tap, const struct rte_mbuf *m)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	uint32_t cut = eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_VLAN) ? RTE_VLAN_HLEN : 0;
	struct iovec pieces[PIECES_MAX];
	int n = 1;

	/* MACs, then what is behind the tag; without one, all that is behind the MACs. */
	pieces[0] = (struct iovec){rte_pktmbuf_mtod(m, void *), 2 * RTE_ETHER_ADDR_LEN};
	for (const struct rte_mbuf *s = m; s != NULL; s = s->next) {
		uint32_t skip = s == m ? 2 * RTE_ETHER_ADDR_LEN + cut : 0;

		if (n == PIECES_MAX)
			return false;
		pieces[n++] = (struct iovec){rte_pktmbuf_mtod_offset(s, void *, skip),
					     s->data_len - skip};
	}
	return tap->fd >= 0 && writev(tap->fd, pieces, n) > 0;
}

unsigned gt_kernel_take(struct gt_run *r, unsigned most)
{
	struct gt_counters *c = &r->node->counters;
	unsigned taken = 0;

	for (unsigned i = 0; i < r->n_lcores && r->lcores[i]->kernel != NULL; i++) {
		/* Each worker its part of what is left. */
		unsigned n = (most - taken) / (r->n_lcores - i);
		void *m;

		for (; n > 0 && rte_ring_sc_dequeue(r->lcores[i]->kernel, &m) == 0; n--) {
			const struct rte_mbuf *frame = m;

			if (!give(&r->kernel.taps[frame->port], frame)) {
				/* The worker has counted it for the kernel: undo that. */
				c->kernel--;
				c->drops[GT_DROP_KERNEL_FULL]++;
			}
			rte_pktmbuf_free(m);
			taken++;
		}
	}
	return taken;
}

/* Is it ARP or NDP that tells, and asks nothing of us? */
static bool is_news(const struct rte_mbuf *m)
{
	const uint8_t *d = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t type_off = 2 * RTE_ETHER_ADDR_LEN, off;
	const struct rte_arp_hdr *arp;

	if (m->data_len >= type_off + 2 + RTE_VLAN_HLEN && d[type_off] == 0x81 &&
	    d[type_off + 1] == 0)
		type_off += RTE_VLAN_HLEN;
	off = type_off + 2;
	if (d[type_off] == 0x08 && d[type_off + 1] == 0x06) {
		arp = (const struct rte_arp_hdr *)(d + off);
		return off + sizeof(*arp) <= m->data_len &&
		       (arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REPLY) ||
			arp->arp_data.arp_sip == arp->arp_data.arp_tip);
	}
	/* A worker has seen that it is a whole solicitation or advertisement, without fragments;
	 * main takes none with extension headers, nor does the kernel. */
	return d[type_off] == 0x86 && d[type_off + 1] == 0xdd &&
	       off + sizeof(struct rte_ipv6_hdr) < m->data_len &&
	       d[off + sizeof(struct rte_ipv6_hdr)] == 136;
}

void gt_kernel_copy(struct gt_kernel *k, const struct rte_mbuf *m)
{
	if (m->port < k->n && k->taps[m->port].fd >= 0 && is_news(m))
		give(&k->taps[m->port], m);
}

/* ---- from the kernel ---- */

/* Is it IP for the address of a VIP? */
static bool is_for_vip(const struct gt_plan *plan, const uint8_t *d, size_t len)
{
	const uint8_t *ip = d + RTE_ETHER_HDR_LEN;
	const struct gt_plan_address *a;
	struct gt_addr to;

	if (len >= RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv4_hdr) && d[12] == 0x08 && d[13] == 0) {
		rte_be32_t v4;

		memcpy(&v4, ip + 16, sizeof(v4));
		to = gt_addr_from_v4(v4);
	} else if (len >= RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv6_hdr) && d[12] == 0x86 &&
		   d[13] == 0xdd) {
		memcpy(to.b, ip + 24, sizeof(to.b));
	} else {
		return false;
	}
	a = gt_plan_find_address(plan, &to);
	return a != NULL && a->vip;
}

static bool may_send(struct gt_run *r, uint8_t interface, struct rte_mbuf *m)
{
	struct gt_kernel *k = &r->kernel;
	uint8_t *d = rte_pktmbuf_mtod(m, uint8_t *);

	if (!is_for_vip(r->node->plan, d, m->data_len))
		return true;
	if (k->redirect != NULL && k->redirect(k->redirect_ctx, interface, d, m->data_len))
		return true;
	k->to_vips++;
	return false;
}

/* Puts the interface's tag in. */
static void add_tag(struct rte_mbuf *m, uint16_t vlan)
{
	uint8_t *d = (uint8_t *)rte_pktmbuf_prepend(m, RTE_VLAN_HLEN);

	assert(d != NULL); /* the headroom is all there */
	memmove(d, d + RTE_VLAN_HLEN, 2 * RTE_ETHER_ADDR_LEN);
	d[12] = RTE_ETHER_TYPE_VLAN >> 8;
	d[13] = RTE_ETHER_TYPE_VLAN & 0xff;
	d[14] = (uint8_t)(vlan >> 8);
	d[15] = (uint8_t)vlan;
}

/* Reads one frame of a TAP into a buffer and sends it. False: there is none, or no buffer. */
static bool carry(struct gt_run *r, uint8_t interface)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(r->ports.list[interface].pool);
	uint16_t vlan = r->node->plan->interfaces[interface].vlan;
	struct gt_counters *c = &r->node->counters;
	ssize_t len;

	if (m == NULL)
		return false;
	len = read(r->kernel.taps[interface].fd, rte_pktmbuf_mtod(m, void *),
		   rte_pktmbuf_tailroom(m));
	if (len < RTE_ETHER_HDR_LEN) {
		rte_pktmbuf_free(m);
		return false;
	}
	m->data_len = (uint16_t)len;
	m->pkt_len = (uint32_t)len;
	if (!may_send(r, interface, m)) {
		rte_pktmbuf_free(m);
		return true;
	}
	if (vlan != 0)
		add_tag(m, vlan);
	c->interfaces[interface].out_frames++;
	c->interfaces[interface].out_bytes += m->pkt_len;
	/* There is room: who calls has looked. */
	gt_lcore_transmit(r->lcores[0], m, interface, GT_TX_UNASKED);
	return true;
}

void gt_kernel_event(struct gt_run *r, unsigned interface)
{
	/* What finds no room waits in the TAP's queue, as it would for a NIC. */
	for (unsigned i = 0; i < SENT_MAX; i++)
		if (rte_ring_free_count(r->lcores[0]->transmit) <= SPARE_SLOTS ||
		    !carry(r, (uint8_t)interface))
			return;
}
