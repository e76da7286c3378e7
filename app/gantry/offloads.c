/* SPDX-License-Identifier: BSD-3-Clause */
/* Which work is left to a device; see offloads.h. */
#include "offloads.h"

#include <stdio.h>

void gt_offload_rules(const struct gt_device devices[], size_t n, struct gt_offload_rules *out)
{
	*out = (struct gt_offload_rules){.one_pool = true};
	for (size_t i = 0; i < n; i++) {
		out->one_pool = out->one_pool && devices[i].node == devices[0].node;
		/* A buffer holds a frame of the MTU (check_buffer_size), and a NIC brings no longer
		 * ones. A virtual device brings what it was given. */
		out->chains = out->chains || !devices[i].pci || devices[i].n_slaves > 0;
	}
}

void gt_offloads_ask(const struct rte_eth_dev_info *info, const struct gt_offload_rules *rules,
		     struct rte_eth_conf *conf)
{
	uint64_t tx = 0;

	/* Of one pool, and no mbuf has a second reference: gantry makes none. */
	if (rules->one_pool)
		tx |= RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
	/* Drivers of NICs send faster without (i40e: "simple Tx" wants no offload but fast free).
	 */
	if (rules->chains)
		tx |= RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	conf->txmode.offloads = info->tx_offload_capa & tx;
	conf->rxmode.offloads = info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM;
	if (rules->chains)
		conf->rxmode.offloads |= info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
}

char *gt_offloads_format(const struct rte_eth_conf *conf, char *buf, size_t size)
{
	const struct {
		bool on;
		const char *name;
	} list[] = {
		{conf->rxmode.offloads & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM, "IPv4 checksums"},
		{conf->rxmode.mq_mode & RTE_ETH_MQ_RX_RSS_FLAG, "connections to queues"},
		{conf->txmode.offloads & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE, "fast free"},
		{conf->txmode.offloads & RTE_ETH_TX_OFFLOAD_MULTI_SEGS, "chained buffers"},
	};
	size_t used = 0;

	snprintf(buf, size, "nothing");
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]) && used < size; i++)
		if (list[i].on)
			used += (size_t)snprintf(buf + used, size - used, "%s%s",
						 used > 0 ? ", " : "", list[i].name);
	return buf;
}
