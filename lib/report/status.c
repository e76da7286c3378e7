/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The contract's object from a node and its workers; see report.h. The plan in force says which
 * numbers are whose; VIPs and servers stand in the order of the configuration.
 */
#include <stdlib.h>

#include "report/report.h"
#include "report/sums.h"

/* A server's number and names, so that they can be sorted. */
struct entry {
	const struct gt_plan_names *names;
	uint32_t number;
};

/* The configuration keeps VIPs in one array and each VIP's servers in another: addresses are order.
 */
static int compare_entries(const void *a, const void *b)
{
	const struct gt_plan_names *x = ((const struct entry *)a)->names;
	const struct gt_plan_names *y = ((const struct entry *)b)->names;

	if (x->vip != y->vip)
		return x->vip < y->vip ? -1 : 1;
	if (x->server != y->server)
		return x->server < y->server ? -1 : 1;
	return 0;
}

/* The used ones of n names in the order of the configuration. NULL: no memory. */
static struct entry *sort_names(const struct gt_plan_names *names, uint32_t n, size_t *used)
{
	struct entry *list = calloc((size_t)n + 1, sizeof(*list));

	*used = 0;
	if (list == NULL)
		return NULL;
	for (uint32_t i = 0; i < n; i++)
		if (names[i].vip != NULL)
			list[(*used)++] = (struct entry){&names[i], i};
	qsort(list, *used, sizeof(*list), compare_entries);
	return list;
}

/* Sets a number; false: no memory. */
static bool set(json_t *object, const char *key, uint64_t value)
{
	return json_object_set_new(object, key, json_integer((json_int_t)value)) == 0;
}

static bool has_way_back(const struct gt_config_vip *vip)
{
	return vip->mode == GT_MODE_NAT || vip->mode == GT_MODE_SNAT;
}

/* Who it is and what it weighs: beyond what the contract asks. mac is null while it is not known.
 */
static bool set_identity(json_t *o, const struct gt_plan_names *names)
{
	char addr[GT_ADDR_STRLEN], mac[GT_MAC_STRLEN];

	gt_addr_format(&names->server->address, addr);
	gt_mac_format(&names->state.mac, mac);
	return set(o, "weight", names->state.weight) &&
	       /* While slow start lasts: what it counts as. */
	       (names->state.slow_tenths == 0 ||
		set(o, "weight_now", gt_server_share(&names->state))) &&
	       json_object_set_new(o, "address", json_string(addr)) == 0 &&
	       json_object_set_new(o, "mac",
				   names->state.resolved ? json_string(mac) : json_null()) == 0;
}

static json_t *age_of(uint64_t then_ms, uint64_t now_ms)
{
	if (then_ms == 0)
		return json_null();
	return json_integer(now_ms > then_ms ? (json_int_t)((now_ms - then_ms) / 1000) : 0);
}

/* What checks say of a server: beyond what the contract asks. Ages are null for what never was. */
static json_t *check_object(const struct gt_health *h, uint64_t now_ms)
{
	static const char *const results[] = {
		[GT_HEALTH_UNCHECKED] = "unchecked",
		[GT_HEALTH_HEALTHY] = "healthy",
		[GT_HEALTH_SICK] = "failed",
	};
	bool tried = h->last.ended_ms != 0;

	return json_pack(
		"{s:s, s:s, s:o, s:o, s:I, s:o, s:I, s:I}", "result", results[h->last.outcome],
		"reason", tried ? h->last.reason : "not checked yet", "age_s",
		age_of(h->last.ended_ms, now_ms), "duration_us",
		tried ? json_integer((json_int_t)h->last.duration_us) : json_null(), "against",
		(json_int_t)h->against, "changed_s", age_of(h->changed_ms, now_ms), "healthy",
		(json_int_t)h->healthy, "failed", (json_int_t)h->sick);
}

/* True, too, where nobody checks it: nothing is said then. */
static bool set_check(json_t *o, const struct gt_node *node, const struct gt_plan_names *names)
{
	const struct gt_health *h = node->healths != NULL ? &node->healths[names->index] : NULL;

	return h == NULL || h->rule.interval_ms == 0 ||
	       json_object_set_new(o, "check", check_object(h, node->now_ms)) == 0;
}

/* Where an operator's word is in force, and what the file says is not. */
static bool set_in_file(json_t *o, const struct gt_plan_names *names)
{
	const struct gt_config_server *file = names->server;

	return (names->state.weight == file->weight || set(o, "weight_in_file", file->weight)) &&
	       (names->state.admin == file->state ||
		json_object_set_new(o, "state_in_file", json_string(gt_admin_name(file->state))) ==
			0);
}

static json_t *server_object(const struct gt_node *node, const struct entry *e,
			     struct gt_worker *const *workers, unsigned n)
{
	struct gt_server_counters sum = gt_sum_server(workers, n, e->number);
	json_t *o = json_object();

	if (json_object_set_new(o, "state", json_string(gt_server_state_name(&e->names->state))) ==
		    0 &&
	    set(o, "frames", sum.frames) && set(o, "bytes", sum.bytes) &&
	    set(o, "connections", sum.connections) && set(o, "active", (uint64_t)sum.active) &&
	    set(o, "open", (uint64_t)sum.open) && set_identity(o, e->names) &&
	    set_check(o, node, e->names) && set_in_file(o, e->names) &&
	    /* Only where replies come back through us. */
	    (!has_way_back(e->names->vip) ||
	     (set(o, "reply_frames", sum.reply_frames) && set(o, "reply_bytes", sum.reply_bytes))))
		return o;
	json_decref(o);
	return NULL;
}

/* servers: those of this VIP, n_servers of them. */
static json_t *vip_object(const struct gt_node *node, const struct entry *e,
			  const struct entry *servers, size_t n_servers,
			  struct gt_worker *const *workers, unsigned n)
{
	struct gt_vip_counters sum = gt_sum_vip(workers, n, e->number);
	json_t *o = json_object(), *list = json_object();

	for (size_t i = 0; i < n_servers; i++)
		if (json_object_set_new(list, servers[i].names->server->name,
					server_object(node, &servers[i], workers, n)) != 0)
			goto fail;
	if (set(o, "frames", sum.frames) && set(o, "bytes", sum.bytes) &&
	    set(o, "connections", sum.connections) && set(o, "untracked", sum.untracked) &&
	    json_object_set(o, "servers", list) == 0) {
		json_decref(list);
		return o;
	}
fail:
	json_decref(list);
	json_decref(o);
	return NULL;
}

static json_t *vips_object(const struct gt_node *node, struct gt_worker *const *workers, unsigned n)
{
	const struct gt_plan *plan = node->plan;
	size_t n_vips, n_servers, next = 0;
	struct entry *vips = sort_names(plan->vip_names, plan->n_vips, &n_vips);
	struct entry *servers = sort_names(plan->server_names, plan->n_servers, &n_servers);
	json_t *o = json_object();
	bool good = vips != NULL && servers != NULL;

	for (size_t i = 0; good && i < n_vips; i++) {
		size_t first = next;

		while (next < n_servers && servers[next].names->vip == vips[i].names->vip)
			next++;
		good = json_object_set_new(o, vips[i].names->vip->name,
					   vip_object(node, &vips[i], &servers[first], next - first,
						      workers, n)) == 0;
	}
	free(vips);
	free(servers);
	if (good)
		return o;
	json_decref(o);
	return NULL;
}

static json_t *frames_object(const struct gt_counters *c)
{
	json_t *o = json_object();

	if (set(o, "in", c->in) && set(o, "forwarded", c->forwarded) &&
	    set(o, "answered", c->answered) && set(o, "kernel", c->kernel) &&
	    set(o, "dropped", gt_counters_dropped(c)))
		return o;
	json_decref(o);
	return NULL;
}

static json_t *drops_object(const struct gt_counters *c)
{
	json_t *o = json_object();

	for (size_t i = 0; i < GT_DROP_REASON_COUNT; i++)
		if (c->drops[i] > 0 && !set(o, gt_drop_name((enum gt_drop_reason)i), c->drops[i])) {
			json_decref(o);
			return NULL;
		}
	return o;
}

static json_t *connections_object(const struct gt_counters *c, struct gt_worker *const *workers,
				  unsigned n)
{
	json_t *o = json_object();
	int64_t active = 0;

	/* All numbers: servers that a reload took away may still have some. */
	for (unsigned i = 0; i < n; i++)
		for (size_t j = 0; j < GT_SERVERS_MAX; j++)
			active += __atomic_load_n(&workers[i]->servers[j].active, __ATOMIC_RELAXED);
	if (set(o, "active", active < 0 ? 0 : (uint64_t)active) && set(o, "created", c->created) &&
	    set(o, "expired", c->expired) && set(o, "moved", c->moved))
		return o;
	json_decref(o);
	return NULL;
}

/* The connections that SNAT has, and how far the ports to the server that has most are used up. */
static json_t *snat_object(struct gt_worker *const *workers, unsigned n)
{
	json_t *o = json_object();
	uint64_t sessions = 0;
	unsigned most = 0;

	for (unsigned i = 0; i < n; i++) {
		const struct gt_snat *s = &workers[i]->snat;
		unsigned percent = gt_snat_fullest_percent(
			s, __atomic_load_n(&workers[i]->tick, __ATOMIC_RELAXED), NULL);

		sessions += __atomic_load_n(&s->live, __ATOMIC_RELAXED);
		most = percent > most ? percent : most;
	}
	if (set(o, "sessions", sessions) && set(o, "ports_used_percent", most))
		return o;
	json_decref(o);
	return NULL;
}

json_t *gt_report_status(const struct gt_node *node, struct gt_worker *const *workers, unsigned n)
{
	struct gt_counters sum = {0};
	json_t *o = json_object();

	gt_counters_add(&sum, &node->counters);
	for (unsigned i = 0; i < n; i++)
		gt_counters_add(&sum, &workers[i]->counters);
	/* jansson refuses a NULL value and a NULL object alike: no memory anywhere ends here. */
	if (json_object_set_new(o, "frames", frames_object(&sum)) == 0 &&
	    json_object_set_new(o, "drops", drops_object(&sum)) == 0 &&
	    json_object_set_new(o, "vips", vips_object(node, workers, n)) == 0 &&
	    json_object_set_new(o, "connections", connections_object(&sum, workers, n)) == 0 &&
	    (!node->snat || json_object_set_new(o, "snat", snat_object(workers, n)) == 0))
		return o;
	json_decref(o);
	return NULL;
}
