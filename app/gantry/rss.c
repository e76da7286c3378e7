/* SPDX-License-Identifier: BSD-3-Clause */
/* Receive-side scaling; see rss.h. */
#include "rss.h"

#include <string.h>

/* What must be hashed by addresses and ports for a worker to own what it receives. */
#define WHOLE                                                                                      \
	(RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV4_UDP |                             \
	 RTE_ETH_RSS_NONFRAG_IPV6_TCP | RTE_ETH_RSS_NONFRAG_IPV6_UDP)

/* Can the device hash by our key, and place by our table? */
static bool has_rss(const struct rte_eth_dev_info *info, uint16_t workers)
{
	return workers > 1 && (info->flow_type_rss_offloads & WHOLE) == WHOLE &&
	       info->hash_key_size == GT_TOEPLITZ_KEY_BYTES &&
	       info->reta_size >= GT_TOEPLITZ_TABLE_SIZE &&
	       info->reta_size % GT_TOEPLITZ_TABLE_SIZE == 0 &&
	       info->reta_size <= RTE_ETH_RSS_RETA_SIZE_512;
}

void gt_rss_ask(const struct rte_eth_dev_info *info, uint16_t workers,
		uint8_t key[GT_TOEPLITZ_KEY_BYTES], struct rte_eth_conf *conf)
{
	if (!has_rss(info, workers))
		return;
	memcpy(key, gt_toeplitz_key, GT_TOEPLITZ_KEY_BYTES);
	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	conf->rx_adv_conf.rss_conf = (struct rte_eth_rss_conf){
		.rss_key = key,
		.rss_key_len = GT_TOEPLITZ_KEY_BYTES,
		.rss_hf = (WHOLE | RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_IPV6) &
			  info->flow_type_rss_offloads,
	};
}

bool gt_rss_place(uint16_t port, const struct rte_eth_dev_info *info, uint16_t workers)
{
	struct rte_eth_rss_reta_entry64 table[RTE_ETH_RSS_RETA_SIZE_512 / RTE_ETH_RETA_GROUP_SIZE];

	if (!has_rss(info, workers))
		return false;
	memset(table, 0, sizeof(table));
	for (uint16_t i = 0; i < info->reta_size; i++) {
		struct rte_eth_rss_reta_entry64 *group = &table[i / RTE_ETH_RETA_GROUP_SIZE];

		group->mask |= 1ULL << i % RTE_ETH_RETA_GROUP_SIZE;
		group->reta[i % RTE_ETH_RETA_GROUP_SIZE] =
			gt_toeplitz_worker(gt_toeplitz_entry(i), workers);
	}
	return rte_eth_dev_rss_reta_update(port, table, info->reta_size) == 0;
}
