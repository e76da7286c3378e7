/* SPDX-License-Identifier: BSD-3-Clause */
/* Which server a packet's connection has; see connection.c. */
#ifndef GT_PIPELINE_CONNECTION_H
#define GT_PIPELINE_CONNECTION_H

#include "packet/parse.h"
#include "pipeline/forward.h"
#include "pipeline/pipeline.h"

/* Tells the session of snat from a server's number, as an entry's value. */
#define GT_VALUE_SESSION (1U << 31)

static inline bool gt_connection_is_session(uint32_t value)
{
	return (value & GT_VALUE_SESSION) != 0;
}

static inline struct gt_snat_session *gt_connection_session(const struct gt_worker *w,
							    uint32_t value)
{
	return &w->snat.sessions[value & ~GT_VALUE_SESSION];
}

/* How often a packet of a known connection renews its client's record: a look-up more. */
#define GT_RECORD_TICKS GT_TICKS(60)

/*
 * A client's record is to live as long as its connections, which touch it only when they begin: so
 * it is renewed when one is established, and then by its first packet of each minute. meta: of the
 * connection's entry, its tick still the last packet's. Worker.
 */
static inline bool gt_connection_record_is_due(const struct gt_worker *w, uint32_t meta)
{
	return (meta & GT_TICK_MASK) / GT_RECORD_TICKS !=
	       (w->tick & GT_TICK_MASK) / GT_RECORD_TICKS;
}

/* The key of a client's connection to a port (in network order) of a range. Worker. */
void gt_connection_key(const struct gt_plan_range *range, const struct gt_addr *client,
		       rte_be16_t client_port, rte_be16_t vip_port, struct gt_flow_key *key);

/*
 * The path of a TCP or UDP packet to a VIP: its connection's, or the scheduler's, which is then
 * noted if the table has room. GT_PARSE_OK; or NO_SERVER, SNAT_FULL (no source port or session is
 * free), or RESET: the connection's server is down, it has ended, and its client is to be told.
 * Worker.
 */
enum gt_drop_reason gt_connection_path(struct gt_worker *w, uint16_t vip, const struct gt_packet *p,
				       const struct gt_flow_key *key, uint64_t hash,
				       struct gt_path *path);

/* What is known of a packet's connection beforehand. */
struct gt_connection_known {
	struct gt_flow_ref ref; /* what gt_flow_find gives now */
	uint64_t choice;	/* the hash of gt_plan_choice_words; 0: not made yet */
};

/* gt_connection_path for who has looked. Worker. */
enum gt_drop_reason gt_connection_decide(struct gt_worker *w, uint16_t vip,
					 const struct gt_packet *p, const struct gt_flow_key *key,
					 uint64_t hash, struct gt_connection_known known,
					 struct gt_path *path);

/* The same for a packet about a connection (an ICMP error): it neither makes nor keeps alive an
 * entry. GT_PARSE_OK, NO_SERVER, or ICMP_BAD: there is no such session. Worker. */
enum gt_drop_reason gt_connection_peek(struct gt_worker *w, uint16_t vip,
				       const struct gt_addr *client, rte_be16_t client_port,
				       rte_be16_t vip_port, const struct gt_flow_key *key,
				       uint64_t hash, struct gt_path *path);

/* A packet of the server's side belongs to the session: its state and time. Worker. */
void gt_connection_reply(struct gt_worker *w, uint32_t session, const struct gt_packet *p);

#endif
