/* SPDX-License-Identifier: BSD-3-Clause */
/* When to speak of SNAT's source ports; see snat_alarm.h. */
#include "node/snat_alarm.h"

#include <inttypes.h>

static struct gt_event alarm_event(int level, const char *what, const char *old, const char *now)
{
	return (struct gt_event){
		.level = level, .kind = "snat", .what = what, .old = old, .now = now};
}

static void look_at_refused(struct gt_snat_alarm *a, uint64_t now_ms, uint64_t refused,
			    const struct gt_events *events)
{
	if (refused != a->refused) {
		if (!a->refusing) {
			a->refusing = true;
			a->begin = a->refused;
			gt_event(events, alarm_event(LOG_ERR, "refused", "no", "yes"),
				 "snat-full: new connections are refused: all source ports to a "
				 "server are in use or rest for 2 minutes, or the connection table "
				 "is full; add a snat_address, or raise `connections`");
		}
		a->refused_ms = now_ms;
		a->refused = refused;
	} else if (a->refusing && now_ms - a->refused_ms >= GT_SNAT_ALARM_QUIET_MS) {
		a->refusing = false;
		gt_event(events, alarm_event(LOG_NOTICE, "refused", "yes", "no"),
			 "snat-full is over: %" PRIu64 " frames were dropped", refused - a->begin);
	}
}

static void tell_ports(struct gt_snat_alarm *a, uint64_t now_ms, int level, unsigned percent,
		       const char *what, const struct gt_events *events)
{
	char source[GT_ADDR_STRLEN], server[GT_ADDR_STRLEN];

	a->told_ms = now_ms;
	gt_event(events, alarm_event(level, "ports", "free", "scarce"),
		 "snat: %u %% of the source ports of %s to server %s port %u are in use or rest%s",
		 percent, gt_addr_format(&a->pair.source, source),
		 gt_addr_format(&a->pair.server, server), rte_be_to_cpu_16(a->pair.port), what);
}

void gt_snat_alarm_look(struct gt_snat_alarm *a, uint64_t now_ms, uint64_t refused,
			unsigned percent, const struct gt_snat_pair_key *fullest,
			const struct gt_events *events)
{
	look_at_refused(a, now_ms, refused, events);
	if (a->told_ms != 0 && now_ms - a->told_ms < GT_SNAT_ALARM_QUIET_MS)
		return;
	if (!a->full && percent >= GT_SNAT_ALARM_ON_PERCENT) {
		a->full = true;
		a->pair = *fullest;
		tell_ports(a, now_ms, LOG_WARNING, percent, ": add a snat_address", events);
	} else if (a->full && percent < GT_SNAT_ALARM_OFF_PERCENT) {
		a->full = false;
		a->told_ms = now_ms;
		gt_event(events, alarm_event(LOG_NOTICE, "ports", "scarce", "free"),
			 "snat: no server has %d %% of its source ports used up any more",
			 GT_SNAT_ALARM_OFF_PERCENT);
	}
}
