/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who is checked, and how: from a configuration to targets. What is asked of a server becomes a
 * key, a text that names all that matters; servers with equal keys share a target, and a target
 * whose key is in the next configuration, too, goes on.
 */
#include "prober_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/hash.h"

/* One server that is to be checked. */
struct wish {
	char *key;
	const struct gt_config_vip *vip;
	const struct gt_config_server *server;
	struct gt_ask *ask; /* held by `asks` of the plan */
	uint16_t port;
	uint32_t index; /* in the node's states */
};

struct plan {
	struct gt_prober *p;
	const struct gt_config *config;
	struct wish *wishes;
	size_t n;
	struct gt_ask **asks; /* by check: the file's, then the built-in ones by type */
	struct gt_target **fresh;
	size_t n_fresh;
};

/* ---- what cannot be checked ---- */

static const struct gt_transport *transport_of(enum gt_check_type type)
{
	switch (type) {
	case GT_CHECK_ICMP:
		return &gt_transport_icmp;
	case GT_CHECK_EXEC:
		return &gt_transport_exec;
	default:
		return &gt_transport_stream;
	}
}

/* A server that its check cannot reach, now and later. Its state stands. */
static void give_up(struct plan *plan, const struct gt_config_check *check, uint32_t index,
		    const char *reason)
{
	const struct gt_health_rule rule = {.interval_ms = check->interval_ms,
					    .timeout_ms = check->timeout_ms,
					    .rise = check->rise,
					    .fall = check->fall};
	const struct gt_health_result result = {GT_HEALTH_UNCHECKED, reason, plan->p->now_ms,
						plan->p->now_ms, 0};

	gt_node_watch(plan->p->node, index, &rule);
	gt_node_health(plan->p->node, index, &result);
}

/* ---- keys ---- */

/* The port that the check connects to, or that its program is told; 0: there is none. */
static uint16_t find_port(const struct gt_config_check *check, const struct gt_config_vip *vip,
			  const struct gt_config_server *server)
{
	if (check->type == GT_CHECK_ICMP)
		return 0;
	if (check->port != 0)
		return check->port;
	return server->port != 0 ? server->port : vip->ports[0].first;
}

/* The interface's own address from which the kernel reaches the server; NULL: the host chooses. */
static const struct gt_addr *find_source(const struct gt_config *config,
					 const struct gt_config_server *server)
{
	const struct gt_config_interface *f = &config->interfaces[server->interface];
	const struct gt_addr *found = NULL;

	for (size_t i = 0; f->kernel != NULL && i < f->n_addresses; i++) {
		const struct gt_prefix *own = &f->addresses[i];

		if (gt_prefix_contains(own, &server->address))
			return &own->addr;
		if (found == NULL && gt_addr_is_v4(&own->addr) == gt_addr_is_v4(&server->address))
			found = &own->addr;
	}
	return found;
}

static char *make_key(const struct plan *plan, const struct wish *w)
{
	const struct gt_addr *source = find_source(plan->config, w->server);
	const struct gt_ask *ask = w->ask;
	/* A program is told of whom it is asked. */
	bool own = ask->type == GT_CHECK_EXEC, via = w->vip->checked->via == GT_VIA_VIP;
	char to[GT_ADDR_STRLEN], from[GT_ADDR_STRLEN] = "", vip[GT_ADDR_STRLEN] = "", *key;

	gt_addr_format(&w->server->address, to);
	if (source != NULL)
		gt_addr_format(source, from);
	if (via)
		gt_addr_format(&w->vip->address, vip);
	if (asprintf(&key, "%s/%s %s %u from %s via %s every %u %u %u %u: %s",
		     own ? w->vip->name : "", own ? w->server->name : "", to, w->port, from, vip,
		     ask->interval_ms, ask->timeout_ms, ask->rise, ask->fall, ask->words) < 0)
		return NULL;
	return key;
}

static int compare_wishes(const void *a, const void *b)
{
	const struct wish *x = a, *y = b;
	int d = strcmp(x->key, y->key);

	return d != 0 ? d : (x->index > y->index) - (x->index < y->index);
}

/* ---- wishes ---- */

/* The check's ask, made when it is first needed. 0 with *out, which is NULL if it cannot be made:
 * then `refusal`; -ENOMEM. */
static int find_ask(struct plan *plan, const struct gt_config_check *check, struct gt_ask **out,
		    struct gt_ask_refusal *refusal)
{
	const struct gt_config *c = plan->config;
	bool builtin = check >= c->builtin_checks && check < c->builtin_checks + GT_CHECK_EXEC;
	size_t i = builtin ? c->n_checks + (size_t)(check - c->builtin_checks)
			   : (size_t)(check - c->checks);
	int rc = 0;

	if (plan->asks[i] == NULL)
		rc = gt_ask_create(check, &plan->asks[i], refusal);
	*out = plan->asks[i];
	return rc == -ENOMEM ? rc : 0;
}

static int wish_for(struct plan *plan, const struct gt_config_vip *vip,
		    const struct gt_config_server *server, uint32_t index)
{
	const struct gt_config_check *check = vip->checked;
	struct wish *w = &plan->wishes[plan->n];
	struct gt_ask_refusal refusal;

	if (check == NULL) {
		gt_node_watch(plan->p->node, index, NULL);
		return 0;
	}
	*w = (struct wish){.vip = vip,
			   .server = server,
			   .port = find_port(check, vip, server),
			   .index = index};
	if (w->port == 0 && transport_of(check->type) == &gt_transport_stream) {
		give_up(plan, check, index,
			"no port to connect to, for the VIP has port = any: write port in the "
			"[check NAME]");
		return 0;
	}
	if (find_ask(plan, check, &w->ask, &refusal) != 0)
		return -ENOMEM;
	if (w->ask == NULL) {
		give_up(plan, check, index, refusal.why);
		return 0;
	}
	w->key = make_key(plan, w);
	plan->n += w->key != NULL;
	return w->key != NULL ? 0 : -ENOMEM;
}

static int make_wishes(struct plan *plan)
{
	uint32_t k = 0;

	for (size_t i = 0; i < plan->config->n_vips; i++) {
		const struct gt_config_vip *vip = &plan->config->vips[i];

		for (size_t j = 0; j < vip->n_servers; j++)
			if (wish_for(plan, vip, &vip->servers[j], k++) != 0)
				return -ENOMEM;
	}
	if (plan->n > 0)
		qsort(plan->wishes, plan->n, sizeof(*plan->wishes), compare_wishes);
	return 0;
}

/* ---- targets ---- */

static int compare_targets(const void *a, const void *b)
{
	return strcmp((*(struct gt_target *const *)a)->key, (*(struct gt_target *const *)b)->key);
}

/* The targets that there are, by their keys. NULL: no memory. */
static struct gt_target **sort_targets(const struct gt_prober *p)
{
	struct gt_target **list = calloc(p->heap.n + 1, sizeof(struct gt_target *));

	if (list == NULL)
		return NULL;
	memcpy(list, p->heap.list != NULL ? p->heap.list : list,
	       p->heap.n * sizeof(struct gt_target *));
	qsort(list, p->heap.n, sizeof(struct gt_target *), compare_targets);
	return list;
}

/* Its server's own words for "Host:", where the check names none. */
static void write_authority(struct gt_target *t)
{
	char a[GT_ADDR_STRLEN];
	bool v4 = gt_addr_is_v4(&t->address);

	gt_addr_format(&t->address, a);
	snprintf(t->probe.authority, sizeof(t->probe.authority), "%s%s%s:%u", v4 ? "" : "[", a,
		 v4 ? "" : "]", t->port);
}

/* Takes the wish's key. NULL: no memory. */
static struct gt_target *make_target(const struct plan *plan, struct wish *w)
{
	const struct gt_siphash_key fixed = {0, 0};
	const struct gt_addr *source = find_source(plan->config, w->server);
	struct gt_target *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->transport = transport_of(w->ask->type);
	t->ask = gt_ask_hold(w->ask);
	t->probe = w->ask->probe;
	t->address = w->server->address;
	t->port = w->port;
	t->has_source = source != NULL;
	if (source != NULL)
		t->source = *source;
	strcpy(t->vip_name, w->vip->name);
	strcpy(t->server_name, w->server->name);
	strcpy(t->interface, plan->config->interfaces[w->server->interface].name);
	t->via = w->vip->checked->via == GT_VIA_VIP;
	t->vip = w->vip->address;
	write_authority(t);
	t->key = w->key;
	t->id = gt_siphash(&fixed, t->key, strlen(t->key));
	w->key = NULL;
	return t;
}

/* Gives a target the servers of n equal wishes. 0, -ENOMEM. */
static int set_servers(struct gt_target *t, const struct wish *w, size_t n)
{
	uint32_t *servers = calloc(n, sizeof(*servers));

	if (servers == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		servers[i] = w[i].index;
	free(t->servers);
	t->servers = servers;
	t->n_servers = n;
	t->wanted = true;
	return 0;
}

/* n equal wishes: the target that has their key, or a fresh one. */
static int grant(struct plan *plan, struct wish *w, size_t n, struct gt_target **old, size_t n_old)
{
	struct gt_target wanted = {.key = w->key}, *key = &wanted, *t;
	struct gt_target **found =
		bsearch(&key, old, n_old, sizeof(struct gt_target *), compare_targets);

	if (found != NULL)
		return set_servers(*found, w, n);
	t = make_target(plan, w);
	if (t == NULL)
		return -ENOMEM;
	plan->fresh[plan->n_fresh++] = t;
	return set_servers(t, w, n);
}

static int make_targets(struct plan *plan)
{
	struct gt_target **old = sort_targets(plan->p);
	size_t n = 0, n_old = plan->p->heap.n;
	int rc = old != NULL ? 0 : -ENOMEM;

	for (size_t i = 0; rc == 0 && i < plan->n; i += n) {
		n = 1;
		while (i + n < plan->n && strcmp(plan->wishes[i].key, plan->wishes[i + n].key) == 0)
			n++;
		rc = grant(plan, &plan->wishes[i], n, old, n_old);
	}
	free(old);
	return rc == 0 ? gt_prober_reserve(plan->p, plan->n_fresh) : rc;
}

/* ---- putting it into force ---- */

static void remove_unwanted(struct gt_prober *p, bool all)
{
	for (size_t i = 0; i < p->slots_capacity; i++) {
		struct gt_target *t = p->slots[i].target;

		if (t != NULL && (all || !t->wanted))
			gt_prober_remove(p, t);
	}
}

static void watch_all(const struct gt_prober *p)
{
	for (size_t i = 0; i < p->heap.n; i++) {
		struct gt_target *t = p->heap.list[i];
		const struct gt_health_rule rule = {.id = t->id,
						    .interval_ms = t->ask->interval_ms,
						    .timeout_ms = t->ask->timeout_ms,
						    .rise = t->ask->rise,
						    .fall = t->ask->fall};

		t->wanted = false;
		for (size_t j = 0; j < t->n_servers; j++)
			gt_node_watch(p->node, t->servers[j], &rule);
	}
}

static void put_into_force(struct plan *plan)
{
	struct gt_prober *p = plan->p;

	remove_unwanted(p, false);
	for (size_t i = 0; i < plan->n_fresh; i++) {
		struct gt_target *t = plan->fresh[i];
		const struct gt_health_rule rule = {.interval_ms = t->ask->interval_ms};

		t->due_ms = gt_health_first_ms(&rule, i, plan->n_fresh, p->now_ms);
		gt_prober_add(p, t);
	}
	plan->n_fresh = 0;
	watch_all(p);
}

/* Without memory for the checks all servers count as up: better than what is known no more. */
static void watch_nobody(struct gt_prober *p)
{
	remove_unwanted(p, true);
	for (size_t i = 0; i < gt_plan_count_servers(p->node->config); i++)
		gt_node_watch(p->node, i, NULL);
}

/* Each check under way is a descriptor, and all may hang at once. */
static void allow_descriptors(const struct gt_prober *p)
{
	struct rlimit limit;
	rlim_t want = p->heap.n + 1024;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= want)
		return;
	limit.rlim_cur = want < limit.rlim_max ? want : limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < want)
		gt_log(&p->log, LOG_WARNING,
		       "%zu checks may need %llu file descriptors at once, and %llu are allowed: "
		       "raise LimitNOFILE",
		       p->heap.n, (unsigned long long)want, (unsigned long long)limit.rlim_cur);
}

/* Who is not checked through gantry's own wires is checked by what else the host has. */
static void tell_routes(struct gt_prober *p)
{
	const struct gt_config *c = p->node->config;
	uint32_t told = p->told_routes;

	static_assert(GT_INTERFACES_MAX <= 32, "a bit for each");
	p->told_routes = 0;

	for (size_t i = 0; i < c->n_interfaces; i++) {
		bool used = false;

		for (size_t j = 0; j < p->heap.n && !used; j++)
			used = strcmp(p->heap.list[j]->interface, c->interfaces[i].name) == 0;
		if (!used || c->interfaces[i].kernel != NULL)
			continue;
		/* Interfaces stay as they are while gantry runs, so a bit is always the same one's.
		 */
		p->told_routes |= 1U << i;
		if ((told & 1U << i) == 0)
			gt_log(&p->log, LOG_NOTICE,
			       "interface %s: its servers are checked by this host's other "
			       "interfaces and routes, for it has no kernel = NAME",
			       c->interfaces[i].name);
	}
}

static void release(struct plan *plan)
{
	for (size_t i = 0; i < plan->n; i++)
		free(plan->wishes[i].key);
	for (size_t i = 0; i < plan->n_fresh; i++)
		gt_target_free(plan->fresh[i]);
	for (size_t i = 0; plan->asks != NULL && i < plan->config->n_checks + GT_CHECK_EXEC; i++)
		gt_ask_release(plan->asks[i]);
	free(plan->wishes);
	free(plan->fresh);
	free(plan->asks);
}

int gt_prober_configure(struct gt_prober *p, struct gt_node *node, uint64_t now_ms)
{
	const struct gt_config *c = node->config;
	size_t n = gt_plan_count_servers(c);
	struct plan plan = {.p = p,
			    .config = c,
			    .wishes = calloc(n + 1, sizeof(*plan.wishes)),
			    .asks = calloc(c->n_checks + GT_CHECK_EXEC, sizeof(struct gt_ask *)),
			    .fresh = calloc(n + 1, sizeof(struct gt_target *))};
	int rc = -ENOMEM;

	p->node = node;
	p->now_ms = now_ms;
	if (plan.wishes != NULL && plan.asks != NULL && plan.fresh != NULL)
		rc = make_wishes(&plan);
	if (rc == 0)
		rc = make_targets(&plan);
	if (rc == 0) {
		put_into_force(&plan);
		rc = gt_prober_route(p);
	}
	if (rc == 0) {
		allow_descriptors(p);
		tell_routes(p);
	} else {
		watch_nobody(p);
		gt_log(&p->log, LOG_ERR, "no memory for the checks: nobody is checked");
	}
	release(&plan);
	return rc;
}
