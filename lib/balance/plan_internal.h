/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files that build plans share; see plan.c for the order in which they do. */
#ifndef GT_BALANCE_PLAN_INTERNAL_H
#define GT_BALANCE_PLAN_INTERNAL_H

#include "balance/plan.h"

/* A table of slots and what it was built from. */
struct gt_plan_table {
	unsigned references; /* atomic: a draft shares tables with plans that main frees */
	bool rendezvous;
	uint32_t size;
	uint32_t since; /* generation of the plan that it was made for */
	size_t n_members;
	struct gt_maglev_server *members;
	uint16_t slots[];
};

/* Tables that are there and not filled yet. */
struct gt_plan_jobs {
	const struct gt_siphash_key *seed;
	struct gt_plan_job *list;
	size_t n, room;
};

/* A name in a persistence group, and its number. The texts are the configuration's. */
struct gt_plan_group_name {
	const char *group, *name;
	uint32_t number;
};

/*
 * What follows from the configuration and the interfaces' MACs alone is made once and shared by all
 * plans of them: each of these has the same pointers (plan_follow.c lists them), the last one frees
 * what they point to. Here is what is shared beside that.
 */
struct gt_plan_shared {
	unsigned references; /* atomic: a draft shares with plans that main frees */
	const struct gt_config *config;
	uint32_t edition; /* of it */
	/* Of the plan whose numbers were taken over. Only to compare: it may be gone. */
	const struct gt_plan_shared *before;
	uint16_t *vip_numbers;	  /* by index in the configuration */
	uint16_t *server_numbers; /* in the configuration's order, VIP by VIP */
};

/* What the next plan needs of this one. */
struct gt_plan_build {
	struct gt_plan_shared *shared; /* NULL: not whole yet */
	/* where the search for a number goes on */
	uint32_t service_cursor, server_cursor, vip_cursor, name_cursor;
	uint32_t *vips_by_name, n_vips_by_name; /* numbers, sorted */
	uint32_t *servers_by_name, n_servers_by_name;
	uint32_t *first_by_name; /* by VIP number: where in servers_by_name its servers begin */
	struct gt_plan_table **tables;		/* by VIP number; NULL: none */
	struct gt_plan_group_name *group_names; /* sorted; one with name "" for each group */
	size_t n_group_names;
};

/* State of one build. */
struct gt_plan_builder {
	const struct gt_config *config;
	const struct gt_server_state *states;
	const struct gt_plan *previous, *draft;
	const struct gt_plan_crew *crew; /* NULL: none */
	struct gt_plan *plan;
	struct gt_plan_jobs jobs;
	uint16_t *vip_numbers;	  /* by index in the configuration */
	uint16_t *server_numbers; /* in the configuration's order, VIP by VIP */
	uint8_t *used;		  /* numbers that are taken, while one kind is numbered */
	const uint8_t *again; /* by index in the configuration: VIPs to be made anew; NULL: all */
	uint32_t ranges_room;
};

/* Zeroed; never of zero bytes, so that NULL means no memory. */
void *gt_plan_array(size_t n, size_t size);

/* Slots of a table with open addressing that holds n: a power of two, at least twice n. */
uint32_t gt_plan_table_size(uint64_t n);

/* plan_numbers.c: numbers that last. All: 0, -ENOMEM, -ENOSPC. */
int gt_plan_number_vips(struct gt_plan_builder *b);
/* One for each server in the configuration's order. */
int gt_plan_number_servers(struct gt_plan_builder *b, uint16_t *numbers);
/* Sorts what has numbers by name, for the next plan to find them. */
int gt_plan_sort_vips(struct gt_plan *plan);
int gt_plan_sort_servers(struct gt_plan *plan);
/* The next free number below `max` from *cursor on, round and round; 0 if there is none. */
uint32_t gt_plan_take_number(uint8_t *used, uint32_t *cursor, uint32_t max);

/* plan_services.c: addresses, their port ranges, and the services that these are. */
int gt_plan_make_addresses(struct gt_plan_builder *b);
int gt_plan_make_services(struct gt_plan_builder *b);

/* An address of ours: its record, made if there is none yet. */
struct gt_plan_address *gt_plan_put_address(struct gt_plan *plan, const struct gt_addr *addr);

/* plan_routes.c: routes, neighbours, servers of nat, source addresses. 0, -ENOMEM. */
int gt_plan_make_routes(struct gt_plan_builder *b);
int gt_plan_make_neighbours(struct gt_plan_builder *b, const struct gt_plan_known *known, size_t n);
int gt_plan_make_nats(struct gt_plan_builder *b);
int gt_plan_make_sources(struct gt_plan_builder *b);

/* plan_express.c: what express.c of the pipeline looks up; after all addresses. 0, -ENOMEM. */
int gt_plan_make_express(struct gt_plan_builder *b);

/* plan_servers.c: VIPs and servers as workers read them. */
int gt_plan_make_vips(struct gt_plan_builder *b);
int gt_plan_make_servers(struct gt_plan_builder *b);
/* Writes the servers of the VIPs that are to be made anew. */
void gt_plan_fill_servers(struct gt_plan_builder *b);

/* plan_groups.c: persistence groups. */
bool gt_plan_is_grouped(const struct gt_config_vip *vip);
/* Numbers of their names; before services. 0, -ENOMEM, -ENOSPC. */
int gt_plan_number_groups(struct gt_plan_builder *b);
/* The service of a group's source records; 0: none (yet). plan may be NULL. */
uint16_t gt_plan_group_service(const struct gt_plan *plan, const char *group);
/* Which server has which name; after servers. 0, -ENOMEM. */
int gt_plan_make_groups(struct gt_plan_builder *b);

/* plan_members.c: which servers take new connections now: clears GT_SERVER_TAKES of the others. */
int gt_plan_choose_members(struct gt_plan_builder *b);

/* plan_tables.c: slot tables. */
int gt_plan_make_tables(struct gt_plan_builder *b);
/* Takes over the tables of `from` of all VIPs that are not to be made anew, for plan->vips as they
 * were copied. */
void gt_plan_take_tables(struct gt_plan_builder *b, const struct gt_plan *from);
void gt_plan_free_table(struct gt_plan_table *t); /* NULL is allowed */

/* plan_fill.c: what is in them. */
/* old: NULL, or the VIP's former table under this seed. 0, -ENOMEM. */
int gt_plan_add_job(struct gt_plan_jobs *jobs, struct gt_plan_table *table,
		    const struct gt_plan_table *old);
/* Fills them all, and frees the list. 0, -ENOMEM. */
int gt_plan_do_jobs(struct gt_plan_jobs *jobs, const struct gt_plan_crew *crew);

/* plan_follow.c: plans of one configuration. */
/* A plan of the same configuration and MACs, whose numbers are right; NULL: there is none. */
const struct gt_plan *gt_plan_find_base(const struct gt_plan_builder *b, const struct gt_mac *macs);
/* All of it from such a plan but routes and neighbours. 0, -ENOMEM. */
int gt_plan_follow(struct gt_plan_builder *b, const struct gt_plan *base);
/* A whole plan is there: others may share what the configuration made. 0, -ENOMEM. */
int gt_plan_share(struct gt_plan_builder *b);
/* Frees what it shares, or no longer holds on to it. */
void gt_plan_unshare(struct gt_plan *plan);

#endif
