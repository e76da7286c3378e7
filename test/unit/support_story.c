/* SPDX-License-Identifier: BSD-3-Clause */
/* Stories through workers; see support_story.h. */
#include "support_story.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "support_story_frames.h"

#define DIE_UNLESS(what) SUPPORT_DIE_UNLESS(what)

/* ---- memory that is as new again without being asked for ---- */

#define POOL_MAX   256
#define PAGE_BYTES 4096UL

/* Blocks of the heap, so that ASan knows their ends, in the order they are asked for. */
struct support_pool {
	struct {
		void *p;
		size_t bytes;
	} blocks[POOL_MAX];
	unsigned n, next, live;
};

static void *pool_alloc(void *ctx, size_t bytes)
{
	struct support_pool *pool = ctx;
	unsigned i = pool->next++;

	DIE_UNLESS(i < POOL_MAX);
	pool->live++;
	if (i == pool->n) {
		pool->blocks[i].p = gt_memory_heap.alloc(NULL, bytes);
		pool->blocks[i].bytes = bytes;
		pool->n++;
	}
	DIE_UNLESS(pool->blocks[i].p != NULL && pool->blocks[i].bytes == bytes);
	return pool->blocks[i].p;
}

/* Tables of tens of megabytes, of which a story touches little: whole pages are given back, and
 * come again as zeros. */
static void clear(uint8_t *p, size_t bytes)
{
	uintptr_t from = ((uintptr_t)p + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
	uintptr_t to = ((uintptr_t)p + bytes) & ~(PAGE_BYTES - 1);

	if (to <= from || bytes < 16 * PAGE_BYTES) {
		memset(p, 0, bytes);
		return;
	}
	memset(p, 0, from - (uintptr_t)p);
	DIE_UNLESS(madvise((void *)from, to - from, MADV_DONTNEED) == 0);
	memset((void *)to, 0, (uintptr_t)p + bytes - to);
}

/* When the last one is given back, all are as new. */
static void pool_free(void *ctx, void *p)
{
	struct support_pool *pool = ctx;

	if (p == NULL || --pool->live > 0)
		return;
	for (unsigned i = 0; i < pool->n; i++)
		clear(pool->blocks[i].p, pool->blocks[i].bytes);
	pool->next = 0;
}

static void pool_destroy(struct support_pool *pool)
{
	for (unsigned i = 0; i < pool->n; i++)
		gt_memory_heap.free(NULL, pool->blocks[i].p);
	free(pool);
}

/* ---- plans ---- */

static struct gt_config_vip *vip(struct gt_config *c, const char *name)
{
	for (size_t i = 0; i < c->n_vips; i++)
		if (strcmp(c->vips[i].name, name) == 0)
			return &c->vips[i];
	abort();
}

/* VIPs of every scheduler, a group, failover and a fallback: in the second plans only, so that
 * connections see each change. */
static void vary(struct gt_config *c)
{
	c->vips[0].scheduler = GT_SCHED_ROUND_ROBIN;
	c->vips[1].scheduler = GT_SCHED_LEAST_CONNECTIONS;
	c->vips[2].scheduler = GT_SCHED_RENDEZVOUS;
	c->vips[3].scheduler = GT_SCHED_ROUND_ROBIN;
	for (int v = 4; v <= 5; v++) {
		c->vips[v].scheduler = GT_SCHED_LEAST_CONNECTIONS;
		c->vips[v].persistence = GT_PERSIST_SOURCE;
		strcpy(c->vips[v].persistence_group, "pacs");
	}
	c->vips[8].policy = GT_POLICY_FAILOVER;
	strcpy(c->vips[0].fallback, "d");
}

/* Modes change with connections open; what is not allowed in the new one goes. */
static void vary_modes(struct gt_config *c)
{
	vip(c, "web6")->mode = GT_MODE_NAT;
	vip(c, "dns")->mode = GT_MODE_SNAT;
	vip(c, "snat")->mode = GT_MODE_DR;
	vip(c, "snat")->servers[0].port = 0;
	vip(c, "snatu")->mode = GT_MODE_NAT;
	vip(c, "nat6")->mode = GT_MODE_SNAT;
	vip(c, "natu")->servers[0].port = 5354;
	vip(c, "cross")->on_down = GT_ON_DOWN_SILENT;
	vip(c, "cross6")->persistence = GT_PERSIST_SOURCE;
}

static struct gt_config *make_first(const struct support_story_params *params)
{
	struct gt_config *c = support_pipe_config();

	support_pipe_add_nat(c);
	vip(c, "all")->on_down = GT_ON_DOWN_RESET;
	/* In all configurations: that needs a restart. */
	c->interfaces[0].kernel = strdup("tap0");
	for (size_t i = 0; i < c->n_vips && params->same_tunnels; i++)
		c->vips[i].encapsulation = params->encapsulation;
	return c;
}

/* A server less and one more, ranges and modes changed, a VIP gone and one new. */
static struct gt_config *make_second(const struct support_story_params *params)
{
	struct gt_config *c = make_first(params);

	/* What is wrapped for san may be too big, and what is translated. */
	c->interfaces[1].mtu = 250;
	support_remove_server(c, 0, 1);
	support_server(c, 0, "new", "192.0.2.210", 50);
	support_server(c, 5, "new", "192.0.2.211", 50);
	support_ports(&c->vips[0], "80,5005-5020");
	support_ports(&c->vips[4], "1-30000");
	support_server(c, support_vip(c, "rest", "192.0.2.101", GT_PROTO_TCP, "30001-65535"), "z",
		       "192.0.2.212", 1);
	vary(c);
	vary_modes(c);
	return c;
}

static void add_plan(struct support_story *s, size_t i, struct gt_config *c,
		     struct gt_server_state *states)
{
	s->plans[i] = support_pipe_plan(c, states, i > 0 ? s->plans[i - 1] : NULL);
	s->configs[i] = c;
}

static void down(const struct gt_config *c, struct gt_server_state *s, const char *vips,
		 const char *server, bool up)
{
	char names[128], *rest = names, *name;

	strcpy(names, vips);
	while ((name = strsep(&rest, " ")) != NULL)
		support_state(c, s, name, server)->up = up;
}

static void make_plans(struct support_story *story, struct gt_config *second)
{
	struct gt_config *c = story->pipe.config;
	struct gt_server_state *s = story->pipe.states, *t;

	add_plan(story, 0, c, s);
	down(c, s, "web nat snat snatu cross6 crossu all tun tunu tun6 tunu6", "a", false);
	down(c, s, "keep nat6 snat6 cross crossu6", "b", false);
	support_state(c, s, "down", "a")->up = true;
	add_plan(story, 1, c, s);
	down(c, s, "web snat nat all tun tunu tun6 tunu6", "a", true);
	support_state(c, s, "web", "c")->admin = GT_ADMIN_DRAIN;
	support_state(c, s, "snat", "b")->admin = GT_ADMIN_DRAIN;
	support_state(c, s, "dns", "e")->weight = 0;
	support_state(c, s, "all", "a")->resolved = false;
	support_state(c, s, "cross", "a")->resolved = false;
	add_plan(story, 2, c, s);
	support_state(c, s, "keep", "a")->up = false;
	support_state(c, s, "keep", "c")->admin = GT_ADMIN_DISABLED;
	support_state(c, s, "snat", "a")->admin = GT_ADMIN_DISABLED;
	support_state(c, s, "lost", "a")->resolved = true;
	down(c, s, "natu natu6 snatu6", "a", false);
	add_plan(story, 3, c, s);
	t = support_pipe_states(second);
	add_plan(story, 4, second, t);
	support_state(second, t, "keep", "new")->weight = 65535;
	support_state(second, t, "web6", "c")->up = false;
	down(second, t, "snat snatu nat6", "a", false);
	add_plan(story, 5, second, t);
	for (size_t i = 0; i < 4; i++)
		support_state(second, t, "web", (const char *[]){"a", "c", "d", "new"}[i])->up =
			false;
	down(second, t, "nat nat6 cross cross6 snat6 tun tun6", "b", false);
	add_plan(story, 6, second, t);
	free(t);
	/* and back, with the first one's names under other numbers where they were gone */
	t = support_pipe_states(c);
	add_plan(story, 7, c, t);
	free(t);
}

void support_story_plan(struct support_story *s, unsigned n)
{
	s->pipe.plan = s->plans[n % SUPPORT_STORY_PLANS];
	s->pipe.config = s->configs[n % SUPPORT_STORY_PLANS];
}

/* ---- main's side: ARP and NDP ---- */

static void on_event(void *ctx, enum gt_neighbour_event event, uint8_t interface,
		     const struct gt_addr *addr, const struct gt_mac *mac,
		     const struct gt_mac *old_mac)
{
	(void)ctx;
	(void)addr;
	(void)mac;
	(void)old_mac;
	DIE_UNLESS(event != GT_NEIGHBOUR_EVENT_SILENT && interface < 2);
}

/* The VIPs and own addresses of the first configuration, and servers that are to be learned. */
static void make_neighbours(struct support_story *s)
{
	const struct gt_neighbour_hooks hooks = {.event = on_event};
	const struct gt_config *c = s->configs[0];

	gt_neighbours_destroy(s->neighbours);
	s->neighbours = gt_neighbours_create(&hooks);
	DIE_UNLESS(s->neighbours != NULL);
	for (uint8_t i = 0; i < c->n_interfaces; i++) {
		struct gt_mac mac = support_interface_mac(i);

		gt_neighbours_interface(s->neighbours, i, &mac, c->interfaces[i].vlan);
		for (size_t j = 0; j < c->interfaces[i].n_addresses; j++)
			gt_neighbours_add_own(s->neighbours, i, &c->interfaces[i].addresses[j],
					      false);
	}
	for (size_t i = 0; i < c->n_vips; i++) {
		const struct gt_config_vip *v = &c->vips[i];
		struct gt_prefix host = {v->address, gt_addr_is_v4(&v->address) ? 32 : 128};

		gt_neighbours_add_own(s->neighbours, v->interface, &host, true);
		for (size_t j = 0; j < v->n_servers; j++)
			gt_neighbours_add(s->neighbours, v->servers[j].interface,
					  &v->servers[j].address, NULL);
	}
}

/* A punted frame's final verdict is an answer on the wire it came by, or a reason. */
static void to_main(struct support_story *s, struct gt_frame *f)
{
	const uint8_t *block = f->owner;
	uint32_t came = f->len;

	gt_neighbours_frame(s->neighbours, f, s->pipe.now_ms);
	DIE_UNLESS(f->verdict == GT_ANSWER || f->verdict == GT_DROP);
	if (f->verdict == GT_DROP)
		DIE_UNLESS(f->reason == GT_DROP_NEIGHBOUR_BAD ||
			   f->reason == GT_DROP_NEIGHBOUR_OTHER ||
			   f->reason == GT_DROP_NEIGHBOUR_TOLD);
	else
		DIE_UNLESS(f->out_if == f->in_if && f->wire_len == f->len && f->data >= block &&
			   f->data + f->len <= block + GT_HEADROOM + came);
}

/* ---- birth, end, and as new ---- */

void support_story_open(struct support_story *s, const struct support_story_params *params)
{
	memset(s, 0, sizeof(*s));
	s->pool = calloc(1, sizeof(*s->pool));
	DIE_UNLESS(s->pool != NULL);
	s->params = (struct gt_worker_params){
		.connections = params->connections,
		.wide = true,
		.snat = GT_CONFIG_SNAT_V6,
		.random = "0123456789abcde",
		.memory = {.alloc = pool_alloc, .free = pool_free, .ctx = s->pool}};
	s->destinations = params->destinations;
	s->n_destinations = params->n_destinations;
	support_pipe_open_with(&s->pipe, make_first(params), params->n_workers, &s->params);
	support_pipe_twin_workers(&s->pipe, &s->params);
	gt_plan_free(s->pipe.plan);
	make_plans(s, make_second(params));
	support_story_plan(s, 0);
	make_neighbours(s);
}

void support_story_begin(struct support_story *s)
{
	struct support_pipe *p = &s->pipe;

	p->twinned = true;
	support_pipe_recreate_workers(p, &s->params);
	support_talks_forget(p->talks);
	p->punted = 0;
	p->n_left = 0;
	p->receiver = 0;
	p->now_ms = 1000000;
	support_story_plan(s, 0);
	if (s->heard)
		make_neighbours(s);
	s->heard = false;
}

void support_story_close(struct support_story *s)
{
	/* The pipe frees the plan and configuration in force. */
	support_story_plan(s, 0);
	support_pipe_close(&s->pipe);
	for (size_t i = 1; i < SUPPORT_STORY_PLANS; i++)
		gt_plan_free(s->plans[i]);
	support_config_free(s->configs[4]);
	gt_neighbours_destroy(s->neighbours);
	pool_destroy(s->pool);
}

/* ---- the story ---- */

void support_story_burst(struct support_story *s, struct support_input *in, const uint8_t *how,
			 unsigned n)
{
	struct gt_frame frames[GT_BURST_MAX];

	DIE_UNLESS(n <= GT_BURST_MAX);
	for (unsigned i = 0; i < n; i++)
		frames[i] = support_story_frame(s, in, how != NULL ? how[i] : support_take(in));
	support_pipe_burst(&s->pipe, frames, n);
	support_pipe_active(&s->pipe);
	for (unsigned i = 0; i < n; i++) {
		if (frames[i].verdict == GT_PUNT) {
			s->heard = true;
			to_main(s, &frames[i]);
		}
		support_pipe_done(&frames[i]);
	}
}

static uint16_t take16(struct support_input *in)
{
	uint16_t high = support_take(in);

	return (uint16_t)(high << 8 | support_take(in));
}

void support_story_step(struct support_story *s, struct support_input *in)
{
	struct support_pipe *p = &s->pipe;
	uint8_t op = support_take(in);

	switch (op & 7) {
	case 0:
		support_story_plan(s, op >> 3);
		break;
	case 1:
		p->now_ms += take16(in);
		break;
	case 2:
		/* minutes: what is remembered runs out */
		p->now_ms += (op >> 3) * 60000ULL;
		break;
	case 3:
		support_pipe_tick(p);
		p->receiver = op >> 3;
		break;
	default:
		support_story_burst(s, in, NULL, 1U + (op >> 3) + (op & 3 ? 0 : 32));
	}
}

/* Every session that a worker has room for can be opened again. */
static void check_sessions(struct gt_worker *w)
{
	struct gt_snat_pair_key key = {.server = support_addr("192.0.2.170"),
				       .source = support_addr("192.0.2.3"),
				       .port = rte_cpu_to_be_16(8080),
				       .protocol = 6};
	uint32_t n = w->snat.n_sessions, *sessions = malloc(n * sizeof(*sessions));

	DIE_UNLESS(sessions != NULL && w->snat.live == 0 &&
		   gt_snat_fullest_percent(&w->snat, w->tick, NULL) == 0);
	for (uint32_t i = 0; i < n; i++) {
		sessions[i] = gt_snat_open(&w->snat, &key, 1, w->tick);
		DIE_UNLESS(sessions[i] != GT_SNAT_NONE);
	}
	DIE_UNLESS(gt_snat_open(&w->snat, &key, 1, w->tick) == GT_SNAT_NONE);
	for (uint32_t i = 0; i < n; i++)
		gt_snat_cancel(&w->snat, sessions[i], w->tick);
	free(sessions);
}

void support_story_end(struct support_story *s)
{
	struct support_pipe *p = &s->pipe;

	/* Far beyond every timeout, and short of once around the ticks. */
	p->now_ms += 21ULL * 86400 * 1000;
	support_pipe_flush(p);
	DIE_UNLESS(support_pipe_active(p) == 0);
	/* What ended just now rests. */
	p->now_ms += 121000;
	support_pipe_flush(p);
	/* What is tried out now is tried on the workers alone. */
	p->twinned = false;
	for (unsigned i = 0; i < p->n_workers; i++) {
		struct gt_worker *w = p->workers[i];

		DIE_UNLESS(w->flows.entries == 0);
		DIE_UNLESS(w->counters.created == w->counters.expired);
		for (uint32_t j = 0; j < p->plan->n_servers; j++)
			DIE_UNLESS(w->servers[j].active == 0 && w->servers[j].open == 0);
		check_sessions(w);
	}
}
