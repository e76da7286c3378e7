/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What one configuration changes of another, key by key of the schema: for a reload, which tells
 * it, keeps what did not change, and refuses what is settled at the start.
 */
#ifndef GT_CONFIG_COMPARE_H
#define GT_CONFIG_COMPARE_H

#include "config/config.h"

struct gt_config_change {
	size_t added, removed, changed;
};

struct gt_config_changes {
	struct gt_config_change vips, checks;
	/* of VIPs that are in both; one with another address is another server */
	struct gt_config_change servers; /* changed: in anything but weight and state */
	size_t weights, states;
	size_t interfaces; /* changed */
	size_t keys;	   /* of [gantry] */
	/* What each VIP was, and each server in the order of VIPs and servers. The configuration
	 * that they point into must stay meanwhile. */
	const struct gt_config_vip **vip_was; /* NULL: new */
	struct gt_config_server_was {
		const struct gt_config_server *server; /* NULL: new */
		size_t index;			       /* in that order */
	} * server_was;
};

/*
 * Warns in messages where a change costs connections. 0, or -ENOMEM. *out is to be freed by
 * gt_config_changes_free, also then. Any caller.
 */
int gt_config_compare(const struct gt_config *from, const struct gt_config *to,
		      struct gt_config_changes *out, struct gt_config_messages *messages);
void gt_config_changes_free(struct gt_config_changes *c);

/* "2 VIPs added, 1 server removed, 3 weights changed", or "nothing changed", cut to fit. Returns
 * buf. */
char *gt_config_changes_text(const struct gt_config_changes *c, char *buf, size_t size);

/* For which sessions of mode snat memory is taken at the start: it stays so. */
enum gt_config_snat {
	GT_CONFIG_SNAT_NONE,
	GT_CONFIG_SNAT_V4, /* of IPv4 clients */
	GT_CONFIG_SNAT_V6, /* of any */
};

/*
 * May `to` take the place of `from` while gantry runs? -EXDEV if it may not: then messages has an
 * error for each key that is settled at the start and differs, with both values and the line in
 * `to`. snat: what memory was taken at the start. 0, -EXDEV, -ENOMEM. Any caller.
 */
int gt_config_settled(const struct gt_config *from, const struct gt_config *to,
		      enum gt_config_snat snat, struct gt_config_messages *messages);

/* What the VIPs of mode snat need. Any caller. */
enum gt_config_snat gt_config_needs_snat(const struct gt_config *config);

#endif
