/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The plan: the configuration, the servers' states and their MACs compiled into what a worker reads
 * for a frame. Main builds a whole new one for every change; workers only ever read it; it is
 * immutable from then on, so no lock is needed and a worker sees the old or the new, never a
 * mixture.
 *
 * Numbers. A connection's entry names its service (VIP address, protocol, port) and its server by
 * 16-bit numbers. They are stable: a plan takes over from the previous one the number of whatever
 * is still there, and gives new things numbers from a cursor that goes round, so that a number is
 * used again only after all others were: an old entry never meets a stranger under its number.
 */
#ifndef GT_BALANCE_PLAN_H
#define GT_BALANCE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "balance/maglev.h"
#include "base/addr.h"
#include "base/frame.h"
#include "base/hash.h"
#include "config/config.h"
#include "packet/outer.h"

/* Highest number + 1 of each kind; number 0 of services and servers is never given. */
#define GT_SERVICES_MAX 65536
#define GT_SERVERS_MAX	65536
#define GT_VIPS_MAX	16384
#define GT_NO_SERVER	0

/* A VIP's ports (gt_ports_count) are services of their own up to this many; above, and for `any`,
 * its connections carry the port in their (wide) key. */
#define GT_PORTS_EXPANDED_MAX 256

/* What main knows of a server beside its configuration. */
struct gt_server_state {
	bool up;
	enum gt_admin admin;
	uint16_t weight;
	bool resolved;
	bool lost; /* not resolved, and its station was asked in vain */
	struct gt_mac mac;
	/* Of a VIP with policy = failover: it had everything in the last plan, and with
	 * sticky_failover = yes it keeps that. */
	bool current;
	/* Tenths of its weight that it does not get yet, 0 to 9: slow start; and since when. */
	uint8_t slow_tenths;
	uint64_t slow_since_ms;
};

/* May new connections come to a server in this state? Any caller. */
static inline bool gt_server_takes_new(const struct gt_server_state *s)
{
	return s->up && s->admin == GT_ADMIN_ENABLED && s->weight > 0;
}

/* "up", "down", "drain" or "disabled". Any caller. */
const char *gt_server_state_name(const struct gt_server_state *s);

/* By what a server's share of new connections is measured: its weight, or what slow start gives it
 * of that, and 0 only if the weight is. Any caller. */
static inline uint16_t gt_server_share(const struct gt_server_state *s)
{
	uint32_t share = (uint32_t)s->weight * (10U - s->slow_tenths) / 10;

	return (uint16_t)(share == 0 && s->weight > 0 ? 1 : share);
}

/* Flags of a server. */
#define GT_SERVER_KEEPS	   0x01 /* up and not disabled: known connections stay */
#define GT_SERVER_TAKES	   0x02 /* new connections come: enabled with a weight, and its turn */
#define GT_SERVER_RESOLVED 0x04 /* its MAC is known */

/* A server's VIP, by its family: what no encapsulation is. */
#define GT_VIP_V4 0x40
#define GT_VIP_V6 0x80

/* How ordinary packets go to a server by the express path. */
enum gt_express {
	/* they do not: it is not alive or not resolved, its interface tagged, or the address family
	 * changes on the way */
	GT_EXPRESS_NONE,
	GT_EXPRESS_DR,
	GT_EXPRESS_SNAT,
	GT_EXPRESS_NAT,
	GT_EXPRESS_TUNNEL,
};

/* What a worker needs to send to a server, and to answer for it: a cache line. */
struct gt_plan_server {
	uint8_t macs[12]; /* destination, then source: the first 12 bytes of its frames */
	uint16_t vip;	  /* number */
	uint8_t out_if;
	uint8_t express; /* enum gt_express */
	struct gt_addr addr;
	rte_be16_t port; /* 0: the client's */
	uint8_t mode;	 /* enum gt_mode */
	union {
		uint8_t encapsulation; /* GT_MODE_TUNNEL: enum gt_encapsulation */
		uint8_t vip_family;    /* other modes: GT_VIP_... */
	};
	union {
		/* SNAT and tunnels: plan->sources[first_source] and so on are our addresses of its
		 * family */
		uint32_t first_source;
		/* nat: what its address that becomes its VIP's adds to a checksum's sum; as 16 bits
		 * in network order, and not 0 */
		uint16_t reply_sum;
	};
	uint16_t n_sources;
	uint16_t mtu;	     /* of out_if */
	uint16_t group_name; /* number of its name in its VIP's persistence group; 0: none */
	uint8_t flags;
	uint8_t vip_if; /* its VIP's interface */
	union {
		struct gt_outer outer;	 /* tunnels: what outer headers are, ready made */
		struct gt_addr vip_addr; /* other modes: its VIP's address */
	};
};
_Static_assert(sizeof(struct gt_plan_server) == 64, "a server is a cache line");

/* Which service a port range of an address is. */
struct gt_plan_range {
	uint16_t first, last; /* ports in host order */
	uint16_t service;     /* of `first`; of all ports where wide */
	uint8_t protocol;
	bool wide;
};

/* An address that is ours. */
struct gt_plan_address {
	struct gt_addr addr;
	uint32_t ranges; /* index of its first range */
	uint32_t n_ranges;
	uint8_t in_if; /* interface that it belongs to */
	bool used;
	bool vip;	   /* a VIP, else an own address */
	bool source;	   /* SNAT uses it: replies to it are looked up */
	bool kernel;	   /* an own address that the host's kernel has, too, by in_if's TAP */
	bool answers_echo; /* a VIP with a healthy server */
};

/* What a worker needs of a VIP. */
struct gt_plan_vip {
	/* Server numbers, by hash; NULL: no server takes new connections. All schedulers have it:
	 * it is what a packet gets whose connection is not known. */
	const uint16_t *slots;
	uint32_t n_slots;
	uint32_t n_members;
	/* The servers in `slots`, for schedulers that take turns */
	const struct gt_maglev_server *members;
	uint32_t members_since;	 /* of plan->generation: when this list last changed */
	uint32_t idle_ticks;	 /* of established and UDP connections, in ticks of flow/flow.h */
	uint32_t source_ticks;	 /* of source records: the longest idle_ticks of the group */
	uint16_t source_service; /* with persistence = source: the service of its source records,
				    shared by its group, else 0 */
	uint16_t group_column;	 /* in plan->group_servers */
	uint8_t scheduler;	 /* enum gt_scheduler */
	uint8_t protocol;
	uint8_t mode;	   /* enum gt_mode */
	uint8_t interface; /* where its clients are */
	bool grouped : 1;  /* in a persistence group */
	bool reset : 1;	   /* on_down = reset */
	struct gt_addr addr;
};
_Static_assert(sizeof(struct gt_plan_vip) == 64, "a VIP is a cache line");

/* A server of a `nat` VIP: where its replies came from in the client's eyes. */
struct gt_plan_nat {
	struct gt_addr server;
	rte_be16_t port;     /* 0: any, and the same as the VIP's */
	rte_be16_t vip_port; /* of that port */
	uint16_t number;     /* the server's; 0: this record is free */
	uint8_t protocol;    /* 0: only says that it is a nat server's address */
};

/* Where packets to a prefix leave. */
struct gt_plan_route {
	/* An address of its family is in it if (address ^ net) & mask is 0, as two words; of IPv4
	 * the second ones. */
	uint64_t net[2], mask[2];
	uint8_t macs[12]; /* where `known` the gateway's, and out_if's own */
	/* Bytes of IP that an untagged frame has room for; 0: out_if is tagged, or the gateway's
	 * MAC not known */
	uint16_t plain_mtu;
	uint8_t out_if;
	bool via : 1;
	bool known : 1;		/* where `via`: the gateway's MAC is */
	struct gt_addr gateway; /* where `via` */
};
_Static_assert(sizeof(struct gt_plan_route) == 64, "a route is a cache line");

/* A station on a wire whose MAC is known. */
struct gt_plan_neighbour {
	struct gt_addr addr;
	struct gt_mac mac;
	uint8_t interface;
	bool used;
};

struct gt_plan_service {
	uint16_t vip;	 /* number; 0: there is no such service any more */
	rte_be16_t port; /* 0 where the connection's key has it */
};

/* What an ordinary packet of a service needs. Services of few ports only (see express.c). */
struct gt_plan_express {
	uint32_t idle_ticks;
	uint8_t flags; /* GT_EXPRESS_... */
	uint8_t reserved;
	uint16_t service;
};
#define GT_EXPRESS_SESSIONS 0x01 /* mode = snat */
#define GT_EXPRESS_CHANGES  0x04 /* nat: more than the MACs */
#define GT_EXPRESS_WRAPS    0x08 /* tunnel */
#define GT_EXPRESS_BY_SOURCE                                                                       \
	0x02 /* persistence = source: its clients' records are to be renewed                       \
	      */

/* ... found by its destination in one step: four of them are a cache line, */
struct gt_plan_express_v4 {
	uint64_t key; /* address, port << 32, protocol << 48, as on the wire; 0: this one is free */
	struct gt_plan_express to;
};
_Static_assert(sizeof(struct gt_plan_express_v4) == 16, "four are a cache line");

/* or two. */
struct gt_plan_express_v6 {
	uint64_t address[2];
	uint32_t port_protocol; /* port, protocol << 16; 0: this one is free */
	uint32_t reserved;
	struct gt_plan_express to;
};
_Static_assert(sizeof(struct gt_plan_express_v6) == 32, "two are a cache line");

struct gt_plan_interface {
	struct gt_mac mac;
	uint16_t vlan; /* 0: none */
	uint16_t mtu;  /* bytes of IP */
	bool kernel;   /* the host's kernel has a TAP for it */
};

/* For people: what the number of a VIP or a server stands for. Workers do not read it. */
struct gt_plan_names {
	const struct gt_config_vip *vip; /* NULL: the number is not used */
	const struct gt_config_server *server;
	struct gt_server_state state;
	uint32_t index; /* of a server: in the states that the plan was built from */
};

#define GT_PLAN_NETWORKS 4

struct gt_plan {
	uint64_t generation; /* 1, 2, ... */
	struct gt_siphash_key seed;
	struct gt_plan_interface interfaces[GT_INTERFACES_MAX];
	unsigned n_interfaces;
	/* VIPs and own addresses: open addressing, linear, a power of two, at most half full */
	struct gt_plan_address *addresses;
	uint32_t addresses_mask;
	/* Which addresses are ours, a bit each by their hash, 32 bits for each: tells most
	 * strangers for certain */
	uint64_t *ours;
	uint8_t ours_shift; /* 2^(32 - shift) bits */
	/* The first halves of those of IPv6, each place filled, or that they are too many: most
	 * strangers are of other networks */
	bool ours_are_scattered;
	uint64_t ours_networks[GT_PLAN_NETWORKS];
	/* open addressing; half full at most; 2^(32 - shift) places, and 2^(64 - shift) */
	struct gt_plan_express_v4 *express_v4;
	struct gt_plan_express_v6 *express_v6;
	uint8_t express_v4_shift, express_v6_shift;
	struct gt_plan_range *ranges; /* of one address together, sorted by protocol and port */
	uint32_t n_ranges;
	struct gt_plan_nat
		*nats; /* open addressing by server, port and protocol; half full at most */
	uint32_t nats_mask;
	/* By family, IPv6 and IPv4; of each the longest prefix first, default routes last */
	struct gt_plan_route *routes[2];
	uint32_t n_routes[2];
	const struct gt_plan_route *subnets_end[2]; /* behind the first ones, which are not `via` */
	/* What gt_plan_find_route finds behind them, whatever the address, by the preferred
	 * interface; of plain_mtu 0: no route by a gateway */
	const struct gt_plan_route *defaults[2][GT_INTERFACES_MAX];
	struct gt_plan_neighbour *neighbours; /* open addressing; half full at most */
	uint32_t neighbours_mask;
	struct gt_addr *sources;
	uint32_t n_sources;
	/* Persistence groups: the server of a name in a VIP is at the name's row + the VIP's
	 * column. Row 0 is of numbers that no name has. */
	uint32_t *group_rows; /* by group_name */
	uint16_t *group_servers;
	uint32_t n_group_names; /* highest number + 1; 0: there is no group */
	/* by number; n is the highest number + 1 */
	struct gt_plan_service *services;
	struct gt_plan_vip *vips;
	struct gt_plan_server *servers;
	uint32_t n_services, n_vips, n_servers;
	struct gt_plan_names *vip_names, *server_names;
	struct gt_plan_build *build; /* the builder's own */
};

/* A neighbour that main knows: clients and gateways; servers have theirs in their state. */
struct gt_plan_known {
	struct gt_addr addr;
	struct gt_mac mac;
	uint8_t interface;
};

/* Are clients of a server that is down or disabled told by a reset? on_down, as written or by mode.
 * Any caller. */
bool gt_plan_resets(const struct gt_config_vip *vip);

/* Servers of all VIPs: as many as there are states. Any caller. */
static inline size_t gt_plan_count_servers(const struct gt_config *config)
{
	size_t n = 0;

	for (size_t i = 0; i < config->n_vips; i++)
		n += config->vips[i].n_servers;
	return n;
}

/*
 * Helpers that fill tables: `run` calls job(arg, i) for each i below n, in any order and by several
 * threads at once if it likes, and returns when all are done. No job waits for another.
 */
struct gt_plan_crew {
	void (*run)(void *ctx, void (*job)(void *arg, size_t i), void *arg, size_t n);
	void *ctx;
};

/*
 * Builds a plan. `config` must outlive it (it points into it: main frees both together).
 * states: one for each server of each VIP in file order, VIP by VIP. macs: one for each interface.
 * known: stations on the wires that are no servers, for the way back of `nat` and `snat`. previous:
 * NULL, or the plan whose numbers and Maglev tables are taken over; it may be freed before or after
 * this one. *out is to be freed by gt_plan_free. 0, -ENOMEM, -ENOSPC (more services or servers than
 * numbers; never, if gt_config_load passed the file and there is no previous plan). Main; or, for a
 * draft, another thread while main keeps `previous`.
 */
int gt_plan_build(const struct gt_config *config, const struct gt_server_state *states,
		  const struct gt_mac *macs, const struct gt_plan_known *known, size_t n_known,
		  const struct gt_plan *previous, struct gt_plan **out);
/*
 * The same, beginning with a draft (or NULL): a plan that gt_plan_build made of this configuration
 * and the same or nearly the same states and previous plan, maybe in another thread. Its tables are
 * taken over where they are right, which saves a millisecond for each. Main, and none else may use
 * the draft then. crew: NULL, or who fills the tables.
 */
int gt_plan_build_by_draft(const struct gt_config *config, const struct gt_server_state *states,
			   const struct gt_mac *macs, const struct gt_plan_known *known,
			   size_t n_known, const struct gt_plan *previous,
			   const struct gt_plan *draft, const struct gt_plan_crew *crew,
			   struct gt_plan **out);
/* NULL is allowed. Main, when no worker reads it any more; a draft: who built it. */
void gt_plan_free(struct gt_plan *plan);

/* Is there a server of this number (not: one that may take anything)? Worker. */
static inline bool gt_plan_has_server(const struct gt_plan *plan, uint16_t server)
{
	return server < plan->n_servers && plan->servers[server].vip != 0;
}

/*
 * The hash of an address, as its two words, in a plan's tables: they hold what the configuration
 * says, no attacker places it, so one multiplication by 2^64 / golden ratio spreads it well enough.
 * The half that differs within a subnet goes to the bottom: all of it reaches the bits that are
 * used, from 32 up. Any caller.
 */
static inline uint64_t gt_plan_hash_words(uint64_t w0, uint64_t w1)
{
	return (w0 ^ (w1 >> 32 | w1 << 32)) * 0x9e3779b97f4a7c15ULL;
}

static inline uint64_t gt_plan_hash_address(const struct gt_addr *a)
{
	uint64_t w[2];

	memcpy(w, a->b, 16);
	return gt_plan_hash_words(w[0], w[1]);
}

/* The address's record, or NULL. Worker. */
static inline const struct gt_plan_address *gt_plan_find_address(const struct gt_plan *plan,
								 const struct gt_addr *a)
{
	uint64_t h = gt_plan_hash_address(a);

	for (uint32_t i = (uint32_t)(h >> 40) & plan->addresses_mask;;
	     i = (i + 1) & plan->addresses_mask) {
		const struct gt_plan_address *e = &plan->addresses[i];

		if (!e->used)
			return NULL;
		if (gt_addr_equal(&e->addr, a))
			return e;
	}
}

/*
 * Where an IPv4 address is in plan->ours, of 2^(32 - shift) bits. 32 bits wide, so that of eight
 * addresses all are found at once (pipeline/lanes.h).
 */
#define GT_PLAN_SPREAD	     0x9e3779b1U /* 2^32 / golden ratio, a prime */
#define GT_PLAN_SPREAD_PORTS 0x85ebca77U /* another one */

static inline uint32_t gt_plan_ours_v4(rte_be32_t v4, unsigned shift)
{
	return v4 * GT_PLAN_SPREAD >> shift;
}

/* ... and any address, as its two words. Of IPv6 those that begin by eight bytes of 0 are as IPv4
 * ones. */
static inline uint32_t gt_plan_ours_at(uint64_t w0, uint64_t w1, unsigned shift)
{
#if RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN
	return w0 == 0 ? gt_plan_ours_v4((uint32_t)(w1 >> 32), shift)
		       : (uint32_t)(gt_plan_hash_words(w0, w1) >> (32 + shift));
#else
	return w0 == 0 ? gt_plan_ours_v4((uint32_t)w1, shift)
		       : (uint32_t)(gt_plan_hash_words(w0, w1) >> (32 + shift));
#endif
}

/* False: the address there is none of ours. True: it may be. Of plan->ours. Worker. */
static inline bool gt_plan_may_be_ours(const uint64_t *ours, uint32_t at)
{
	return (ours[at / 64] >> at % 64 & 1) != 0;
}

/* The record of an address that may be ours, given as its two words, or NULL. Worker. */
static inline const struct gt_plan_address *gt_plan_find_words(const struct gt_plan *plan,
							       const uint64_t w[2])
{
	struct gt_addr a;

	if (!gt_plan_may_be_ours(plan->ours, gt_plan_ours_at(w[0], w[1], plan->ours_shift)))
		return NULL;
	memcpy(a.b, w, sizeof(a.b));
	return gt_plan_find_address(plan, &a);
}

/* Where the search for an express record begins. Worker. */
static inline uint32_t gt_plan_express_v4_home(uint64_t key, unsigned shift)
{
	return ((uint32_t)key * GT_PLAN_SPREAD + (uint32_t)(key >> 32) * GT_PLAN_SPREAD_PORTS) >>
	       shift;
}

static inline uint64_t gt_plan_express_v6_home(const uint64_t address[2], uint32_t port_protocol,
					       unsigned shift)
{
	uint64_t w = address[0] ^ (address[1] >> 32 | address[1] << 32);

	return (w + port_protocol) * 0x9e3779b97f4a7c15ULL >> shift;
}

/* Of an address's ranges the one that holds a protocol and port (host order), or NULL. Worker. */
const struct gt_plan_range *gt_plan_find_range(const struct gt_plan *plan,
					       const struct gt_plan_address *address,
					       uint8_t protocol, uint16_t port);

/* The service of a port that lies in the range. Worker. */
static inline uint16_t gt_plan_range_service(const struct gt_plan_range *r, uint16_t port)
{
	return r->wide ? r->service : (uint16_t)(r->service + (port - r->first));
}

/* Where the search for a record of an address and something more begins. Worker. */
static inline uint32_t gt_plan_address_home(const struct gt_addr *a, uint64_t more, uint32_t mask)
{
	uint64_t w[2];

	memcpy(w, a->b, 16);
	return (uint32_t)(gt_plan_hash_words(w[0] ^ more, w[1]) >> 40) & mask;
}

/* The nat server's record for this very port. Worker. */
static inline const struct gt_plan_nat *gt_plan_find_nat_port(const struct gt_plan *plan,
							      const struct gt_addr *server,
							      uint8_t protocol, rte_be16_t port)
{
	for (uint32_t i =
		     gt_plan_address_home(server, (uint64_t)port << 8 | protocol, plan->nats_mask);
	     plan->nats[i].number != 0; i = (i + 1) & plan->nats_mask) {
		const struct gt_plan_nat *n = &plan->nats[i];

		if (n->port == port && n->protocol == protocol && gt_addr_equal(&n->server, server))
			return n;
	}
	return NULL;
}

/* The nat server that a packet came from by its source, or NULL. Worker. */
static inline const struct gt_plan_nat *gt_plan_find_nat(const struct gt_plan *plan,
							 const struct gt_addr *server,
							 uint8_t protocol, rte_be16_t port)
{
	const struct gt_plan_nat *n = gt_plan_find_nat_port(plan, server, protocol, port);

	return n != NULL ? n : gt_plan_find_nat_port(plan, server, protocol, 0);
}

/* Is it the address of any nat server? Worker. */
bool gt_plan_is_nat_server(const struct gt_plan *plan, const struct gt_addr *server);

/*
 * Where a packet to an address leaves: by the interface in whose subnet it is, else by a gateway:
 * that of interface `prefer` if it has one. NULL: no route. Worker.
 */
static inline const struct gt_plan_route *
gt_plan_find_route(const struct gt_plan *plan, const struct gt_addr *to, uint8_t prefer)
{
	const struct gt_plan_route *found = NULL;
	bool v4 = gt_addr_is_v4(to);
	uint64_t w[2];

	memcpy(w, to->b, sizeof(w));
	for (uint32_t i = 0; i < plan->n_routes[v4]; i++) {
		const struct gt_plan_route *r = &plan->routes[v4][i];

		if (((w[1] ^ r->net[1]) & r->mask[1]) != 0 ||
		    (!v4 && ((w[0] ^ r->net[0]) & r->mask[0]) != 0))
			continue;
		if (!r->via || r->out_if == prefer)
			return r;
		if (found == NULL)
			found = r;
	}
	return found;
}

/*
 * The first step of gt_plan_find_route for who knows the family, inline: the subnet in which an
 * address is (of IPv4: the last four bytes of one), or NULL: then plan->defaults tells. Worker.
 */
static inline const struct gt_plan_route *gt_plan_find_subnet_v4(const struct gt_plan *plan,
								 rte_be32_t to)
{
	for (const struct gt_plan_route *r = plan->routes[1]; r < plan->subnets_end[1]; r++) {
		uint32_t net, mask;

		memcpy(&net, (const uint8_t *)r->net + 12, sizeof(net));
		memcpy(&mask, (const uint8_t *)r->mask + 12, sizeof(mask));
		if (((to ^ net) & mask) == 0)
			return r;
	}
	return NULL;
}

static inline const struct gt_plan_route *gt_plan_find_subnet_v6(const struct gt_plan *plan,
								 const struct gt_addr *to)
{
	uint64_t w[2];

	memcpy(w, to->b, sizeof(w));
	for (const struct gt_plan_route *r = plan->routes[0]; r < plan->subnets_end[0]; r++)
		if ((((w[0] ^ r->net[0]) & r->mask[0]) | ((w[1] ^ r->net[1]) & r->mask[1])) == 0)
			return r;
	return NULL;
}

/* The MAC of a station on an interface's wire, or NULL: it is not known. Worker. */
static inline const struct gt_mac *
gt_plan_find_neighbour(const struct gt_plan *plan, uint8_t interface, const struct gt_addr *addr)
{
	for (uint32_t i = gt_plan_address_home(addr, interface, plan->neighbours_mask);
	     plan->neighbours[i].used; i = (i + 1) & plan->neighbours_mask)
		if (plan->neighbours[i].interface == interface &&
		    gt_addr_equal(&plan->neighbours[i].addr, addr))
			return &plan->neighbours[i].mac;
	return NULL;
}

/* Writes the MACs, destination and source, that a packet to an address gets on this route to it.
 * False: the next hop's is not known. Worker. */
static inline bool gt_plan_put_macs(const struct gt_plan *plan, const struct gt_plan_route *route,
				    const struct gt_addr *to, uint8_t macs[12])
{
	const struct gt_mac *mac;

	if (route->via) {
		if (route->known)
			memcpy(macs, route->macs, sizeof(route->macs));
		return route->known;
	}
	mac = gt_plan_find_neighbour(plan, route->out_if, to);
	if (mac == NULL)
		return false;
	memcpy(macs, mac->b, 6);
	memcpy(macs + 6, plan->interfaces[route->out_if].mac.b, 6);
	return true;
}

/*
 * What a source record holds of a server, and the server of a VIP that a record means: the server's
 * number, or in a group the number of its name. GT_NO_SERVER: the VIP has none of that name.
 * Worker.
 */
static inline uint16_t gt_plan_to_record(const struct gt_plan *plan, uint16_t server)
{
	uint16_t name = plan->servers[server].group_name;

	return name != 0 ? name : server;
}

static inline uint16_t gt_plan_from_record(const struct gt_plan *plan, uint16_t vip, uint32_t value)
{
	const struct gt_plan_vip *v = &plan->vips[vip];

	if (!v->grouped)
		return (uint16_t)value;
	return value < plan->n_group_names
		       ? plan->group_servers[plan->group_rows[value] + v->group_column]
		       : GT_NO_SERVER;
}

/* What is hashed to choose a server for a connection: client address, VIP address, client port, VIP
 * port, protocol in 32 bits; with persistence = source the first two words alone. Worker. */
#define GT_PLAN_CHOICE_WORDS 5

static inline void gt_plan_choice_words(const struct gt_plan_vip *v, const struct gt_addr *client,
					rte_be16_t client_port, rte_be16_t vip_port,
					uint64_t words[GT_PLAN_CHOICE_WORDS])
{
	memcpy(words, client->b, 16);
	memcpy(words + 2, v->addr.b, 16);
	words[4] = (uint64_t)client_port | (uint64_t)vip_port << 16 | (uint64_t)v->protocol << 32;
}

/* The server that such a hash chooses, or GT_NO_SERVER. Worker. */
static inline uint16_t gt_plan_chosen(const struct gt_plan *plan, uint16_t vip, uint64_t choice)
{
	const struct gt_plan_vip *v = &plan->vips[vip];

	return v->slots == NULL ? GT_NO_SERVER : v->slots[gt_maglev_slot(choice, v->n_slots)];
}

/*
 * The server that the hash chooses for a connection: SipHash under the seed of client address and
 * port, VIP address and port, protocol; with persistence = source of the client address alone.
 * GT_NO_SERVER if there is none. The same on every node. Worker.
 */
uint16_t gt_plan_schedule(const struct gt_plan *plan, uint16_t vip, const struct gt_addr *client,
			  rte_be16_t client_port, rte_be16_t vip_port);

#endif
