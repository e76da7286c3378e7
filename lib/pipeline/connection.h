/* SPDX-License-Identifier: BSD-3-Clause */
/* Which server a packet's connection has; see connection.c. */
#ifndef GT_PIPELINE_CONNECTION_H
#define GT_PIPELINE_CONNECTION_H

#include <rte_branch_prediction.h>

#include "packet/parse.h"
#include "pipeline/forward.h"
#include "pipeline/pipeline.h"

/*
 * An entry's value is its server's number. With snat it is this bit and the name of its session,
 * whose server its pair tells; or, where VIPs share a server and so its pairs, this bit too, and
 * the session tells.
 */
#define GT_VALUE_SESSION      (1U << 31)
#define GT_VALUE_OTHER_SERVER (1U << 30)

static inline bool gt_connection_is_session(uint32_t value)
{
	return (value & GT_VALUE_SESSION) != 0;
}

/* The session that a value names. Any caller. */
static inline uint32_t gt_connection_session(uint32_t value)
{
	return value & (GT_VALUE_OTHER_SERVER - 1);
}

/* The number of a session's server, by the value that names it. Any caller: in front of main's eyes
 * the session may end, and then it is any number. */
static inline uint16_t gt_connection_session_server(const struct gt_snat *snat, uint32_t value)
{
	uint32_t name = gt_connection_session(value);
	const struct gt_snat_session *s;

	if (likely((value & GT_VALUE_OTHER_SERVER) == 0))
		return gt_snat_pair(snat, name)->server;
	s = gt_snat_session(snat, name);
	return s != NULL ? s->server : GT_NO_SERVER;
}

/* The VIP of a session, or NULL: its service is gone, and so it can be neither found nor told
 * about. Worker. */
static inline const struct gt_plan_vip *gt_connection_session_vip(const struct gt_plan *plan,
								  const struct gt_snat_session *s)
{
	uint16_t vip = s->service < plan->n_services ? plan->services[s->service].vip : 0;

	return vip != 0 ? &plan->vips[vip] : NULL;
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

/* A packet of the server's side belongs to the session: its state, which is its entry's too, and
 * its time. Worker. */
void gt_connection_reply(struct gt_worker *w, uint32_t session, const struct gt_packet *p);

#endif
