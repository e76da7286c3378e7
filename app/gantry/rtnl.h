/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What gantry asks of the host's kernel by rtnetlink(7): addresses, routes and rules of its TAPs.
 * Each call is one request and its acknowledgment. All of it bears GT_RTNL_PROTOCOL, by which
 * `ip rule` and `ip route` show whose it is. Main.
 */
#ifndef GT_APP_RTNL_H
#define GT_APP_RTNL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

/* Who made a route or a rule; nobody has this number in iproute2's rt_protos. */
#define GT_RTNL_PROTOCOL 71

/* Where our rules stand: before `main` (32766), behind `local` (0). */
#define GT_RTNL_PRIORITY 1000

/* Of routes that the kernel makes of a TAP's addresses in the table `main`: an interface of the
 * host's in the same subnet has 0 (IPv4) or 256 (IPv6) and goes first. */
#define GT_RTNL_METRIC 2048

struct mnl_socket;

struct gt_rtnl {
	struct mnl_socket *socket;
	uint32_t seq;
};

/* 0, -errno. */
int gt_rtnl_open(struct gt_rtnl *n);
void gt_rtnl_close(struct gt_rtnl *n);

/* Gives an interface an address with its subnet, without duplicate address detection (main answers
 * for it). 0, also if it is there, -errno. */
int gt_rtnl_add_address(struct gt_rtnl *n, unsigned index, const struct gt_prefix *address);
int gt_rtnl_remove_address(struct gt_rtnl *n, unsigned index, const struct gt_prefix *address);

struct gt_rtnl_route {
	uint32_t table;
	unsigned index;		       /* of the interface where it leaves */
	struct gt_prefix to;	       /* bits behind its length are ignored; length 0: default */
	const struct gt_addr *gateway; /* NULL: on the wire */
	const struct gt_addr *source;  /* for what has none yet; NULL: the kernel's choice */
};

/* In the place of one to the same prefix. 0, -errno. */
int gt_rtnl_set_route(struct gt_rtnl *n, const struct gt_rtnl_route *route);
int gt_rtnl_remove_route(struct gt_rtnl *n, const struct gt_rtnl_route *route);

/* A neighbour that is never asked for, in the place of what is known of it. 0, -errno. */
int gt_rtnl_set_neighbour(struct gt_rtnl *n, unsigned index, const struct gt_addr *addr,
			  const struct gt_mac *mac);

/* The rule `from ADDRESS lookup TABLE`. 0, also if it is there, -errno. */
int gt_rtnl_add_rule(struct gt_rtnl *n, const struct gt_addr *from, uint32_t table);
int gt_rtnl_remove_rule(struct gt_rtnl *n, const struct gt_addr *from, uint32_t table);

/* Removes all of our rules that name a table. 0, -errno. */
int gt_rtnl_remove_rules(struct gt_rtnl *n, uint32_t table);

#endif
