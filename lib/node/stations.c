/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The stations around a node: which addresses it answers for, whose MACs it wants, and what is said
 * about them in the log.
 */
#include "node/internal.h"

#include <stdio.h>

/* Clients on our wires whose MACs are kept for the way back. */
#define GUESTS_MAX 65536

/* MACs that moved, in lines of the log a minute. */
#define MOVES_TOLD_MAX 10

/* The address that leads to a server: its own on a shared wire, else the interface's gateway. */
const struct gt_addr *gt_node_next_hop(const struct gt_config *config,
				       const struct gt_config_server *server)
{
	const struct gt_config_interface *c = &config->interfaces[server->interface];

	for (size_t i = 0; i < c->n_addresses; i++)
		if (gt_prefix_contains(&c->addresses[i], &server->address))
			return &server->address;
	return gt_addr_is_v4(&server->address) ? &c->gateway4 : &c->gateway6;
}

/* Does anything go to clients through us, so that they must be found? Replies; and what routers in
 * a tunnel say. */
static bool has_way_back(const struct gt_config *config)
{
	for (size_t i = 0; i < config->n_vips; i++)
		if (config->vips[i].mode == GT_MODE_NAT || config->vips[i].mode == GT_MODE_SNAT ||
		    config->vips[i].mode == GT_MODE_TUNNEL)
			return true;
	return false;
}

static bool is_gateway(const struct gt_config *config, uint8_t interface,
		       const struct gt_addr *addr)
{
	const struct gt_config_interface *c = &config->interfaces[interface];

	return (c->has_gateway4 && gt_addr_equal(&c->gateway4, addr)) ||
	       (c->has_gateway6 && gt_addr_equal(&c->gateway6, addr));
}

/* Who has this address, for a log line: "server pacs/a, web/a" or "gateway"; empty: a client. */
static void name_station(const struct gt_config *config, uint8_t interface,
			 const struct gt_addr *addr, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	if (is_gateway(config, interface, addr)) {
		snprintf(buf, size, "gateway");
		return;
	}
	for (size_t i = 0; i < config->n_vips; i++) {
		const struct gt_config_vip *vip = &config->vips[i];

		for (size_t j = 0; j < vip->n_servers && used < size; j++) {
			if (!gt_addr_equal(&vip->servers[j].address, addr))
				continue;
			used += (size_t)snprintf(buf + used, size - used, "%s%s/%s",
						 used > 0 ? ", " : "server ", vip->name,
						 vip->servers[j].name);
		}
	}
}

/* An event about a station: `mac` and `old` are NULL where they are not known. */
static struct gt_event station_event(int level, const char *interface, const char *addr,
				     const char *what, const char *old, const char *now,
				     const char *who)
{
	return (struct gt_event){.level = level,
				 .kind = "neighbour",
				 .interface = interface,
				 .address = addr,
				 .what = what,
				 .old = old,
				 .now = now,
				 .reason = who};
}

static void tell_conflict(struct gt_node *node, const char *interface, const char *addr,
			  const char *mac)
{
	gt_node_tell(
		node,
		station_event(LOG_ERR, interface, addr, "conflict", NULL, mac,
			      "another station answers for our address"),
		"ARP/NDP conflict: another station, %s, answers for our address %s on %s: if "
		"it is a server of the VIP, set arp_ignore=1 and arp_announce=2 there (README, "
		"\"Servers\")",
		mac, addr, interface);
}

/* Of each minute, the first so many. */
static bool may_tell_move(struct gt_node *node)
{
	uint64_t minute = node->now_ms / 60000;

	if (minute != node->moves_minute) {
		node->moves_minute = minute;
		node->moves_told = 0;
	}
	if (node->moves_told == MOVES_TOLD_MAX)
		return false;
	node->moves_told++;
	return true;
}

void gt_node_on_neighbour(void *ctx, enum gt_neighbour_event event, uint8_t interface,
			  const struct gt_addr *addr, const struct gt_mac *mac,
			  const struct gt_mac *old_mac)
{
	struct gt_node *node = ctx;
	const char *name = node->config->interfaces[interface].name;
	char a[GT_ADDR_STRLEN], m[GT_MAC_STRLEN] = "", old[GT_MAC_STRLEN] = "", who[256];

	gt_addr_format(addr, a);
	if (mac != NULL)
		gt_mac_format(mac, m);
	if (old_mac != NULL)
		gt_mac_format(old_mac, old);
	if (event == GT_NEIGHBOUR_EVENT_CONFLICT) {
		tell_conflict(node, name, a, m);
		return;
	}
	node->changes++;
	name_station(node->config, interface, addr, who, sizeof(who));
	/* Clients come and go. */
	if (who[0] == '\0') {
		node->guests_dirty = true;
		return;
	}
	node->dirty = node->stations_moved = true;
	switch (event) {
	case GT_NEIGHBOUR_EVENT_RESOLVED:
		gt_node_tell(node, station_event(LOG_NOTICE, name, a, "mac", NULL, m, who),
			     "%s: %s is at %s on %s", who, a, m, name);
		break;
	case GT_NEIGHBOUR_EVENT_CHANGED:
		if (may_tell_move(node))
			gt_node_tell(node, station_event(LOG_WARNING, name, a, "mac", old, m, who),
				     "%s: %s moved from %s to %s on %s%s", who, a, old, m, name,
				     node->moves_told == MOVES_TOLD_MAX
					     ? "; more moves in this minute are not told"
					     : "");
		break;
	case GT_NEIGHBOUR_EVENT_LOST:
		gt_node_tell(node, station_event(LOG_ERR, name, a, "mac", m, NULL, who),
			     "%s: %s no longer answers ARP/NDP on %s: its frames are dropped "
			     "(no-neighbour)",
			     who, a, name);
		break;
	case GT_NEIGHBOUR_EVENT_SILENT:
		gt_node_tell(node, station_event(LOG_ERR, name, a, "mac", NULL, NULL, who),
			     "%s: %s does not answer ARP/NDP on %s: is it up, on this wire, with "
			     "this address?",
			     who, a, name);
		break;
	case GT_NEIGHBOUR_EVENT_CONFLICT:
		break;
	}
}

/* Counts what main sends unasked and hands it on. */
void gt_node_on_emit(void *ctx, uint8_t interface, const uint8_t *frame, size_t len)
{
	struct gt_node *node = ctx;

	node->counters.interfaces[interface].out_frames++;
	node->counters.interfaces[interface].out_bytes += len;
	node->hooks.emit(node->hooks.ctx, interface, frame, len);
}

/*
 * What a configuration wants of the neighbours is added and removed by the same walk. If an
 * addition fails, those before it are undone: the walk again, removing as many.
 */
struct want {
	struct gt_neighbours *n;
	const struct gt_config *config;
	bool add;
	size_t done, most;
};

/* The walk goes on. */
#define WALKING(rc, w) ((rc) == 0 && (w)->done < (w)->most)

/* Adds or removes an address of ours. 0 or -ENOMEM. */
static int want_own(struct want *w, uint8_t interface, const struct gt_prefix *prefix, bool vip)
{
	int ret = 0;

	if (w->add)
		ret = gt_neighbours_add_own(w->n, interface, prefix, vip);
	else
		gt_neighbours_remove_own(w->n, interface, prefix, vip);
	w->done += ret == 0;
	return ret;
}

static int want_neighbour(struct want *w, uint8_t interface, const struct gt_addr *addr,
			  const struct gt_mac *mac)
{
	int ret = 0;

	if (w->add)
		ret = gt_neighbours_add(w->n, interface, addr, mac);
	else
		gt_neighbours_remove(w->n, interface, addr, mac);
	w->done += ret == 0;
	return ret;
}

static int want_interface(struct want *w, uint8_t i)
{
	const struct gt_config_interface *c = &w->config->interfaces[i];
	int ret = 0;

	for (size_t j = 0; WALKING(ret, w) && j < c->n_addresses; j++)
		ret = want_own(w, i, &c->addresses[j], false);
	if (!has_way_back(w->config))
		return ret;
	if (WALKING(ret, w) && c->has_gateway4)
		ret = want_neighbour(w, i, &c->gateway4, NULL);
	if (WALKING(ret, w) && c->has_gateway6)
		ret = want_neighbour(w, i, &c->gateway6, NULL);
	return ret;
}

/* A source address of SNAT is answered for on the interface whose subnet it is in. */
static int want_sources(struct want *w, const struct gt_config_vip *vip)
{
	int ret = 0;

	for (size_t k = 0; k < vip->n_snat_addresses; k++) {
		const struct gt_addr *a = &vip->snat_addresses[k];
		struct gt_prefix host = {*a, gt_addr_is_v4(a) ? 32 : 128};

		for (size_t i = 0; WALKING(ret, w) && i < w->config->n_interfaces; i++) {
			const struct gt_config_interface *c = &w->config->interfaces[i];
			bool inside = false;

			for (size_t j = 0; j < c->n_addresses; j++)
				inside |= gt_prefix_contains(&c->addresses[j], a);
			if (inside)
				ret = want_own(w, (uint8_t)i, &host, true);
		}
	}
	return ret;
}

static int want_vip(struct want *w, const struct gt_config_vip *vip)
{
	struct gt_prefix host = {vip->address, gt_addr_is_v4(&vip->address) ? 32 : 128};
	int ret = want_own(w, vip->interface, &host, true);

	if (WALKING(ret, w))
		ret = want_sources(w, vip);
	for (size_t j = 0; WALKING(ret, w) && j < vip->n_servers; j++) {
		const struct gt_config_server *s = &vip->servers[j];

		ret = want_neighbour(w, s->interface, gt_node_next_hop(w->config, s),
				     s->has_mac ? &s->mac : NULL);
	}
	return ret;
}

static int walk(struct want *w)
{
	int ret = 0;

	for (size_t i = 0; WALKING(ret, w) && i < w->config->n_interfaces; i++)
		ret = want_interface(w, (uint8_t)i);
	for (size_t i = 0; WALKING(ret, w) && i < w->config->n_vips; i++)
		ret = want_vip(w, &w->config->vips[i]);
	return ret;
}

int gt_node_want_neighbours(struct gt_node *node, const struct gt_config *config, bool add)
{
	struct want w = {node->neighbours, config, add, 0, SIZE_MAX};
	int ret = walk(&w);

	if (ret != 0) {
		struct want undo = {node->neighbours, config, false, 0, w.done};

		walk(&undo);
	}
	return ret;
}

void gt_node_admit_guests(struct gt_node *node)
{
	gt_neighbours_guests(node->neighbours, has_way_back(node->config) ? GUESTS_MAX : 0);
}
