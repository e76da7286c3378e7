/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker driven by tests and the fuzzer; see support_pipe.h. */
#include "support_pipe.h"
#include "support_twin.h"

#include "pipeline/burst.h"

#include <string.h>

#define DIE_UNLESS(what) SUPPORT_DIE_UNLESS(what)

/* ---- the configuration ---- */

static size_t add_vip(struct gt_config *c, const char *name, const char *address,
		      enum gt_protocol protocol, const char *ports, const char *servers, int on_san)
{
	size_t v = support_vip(c, name, address, protocol, ports);
	bool v6 = strchr(address, ':') != NULL;

	for (int i = 0; servers[i] != '\0'; i++) {
		char server[2] = {servers[i], '\0'}, addr[64];
		bool san = i == on_san;

		/* Each of its own: .11 for the first VIP's first and so on. */
		snprintf(addr, sizeof(addr), v6 ? "2001:db8:%s:%x" : "%s.%d",
			 v6 ? (san ? "2:" : "") : (san ? "198.51.100" : "192.0.2"),
			 (int)(11 + v * 8) + i);
		support_server(c, v, server, addr, 100)->interface = san;
	}
	return v;
}

/* One server of each family; those in san's subnets are there. */
static void add_tunnel(struct gt_config *c, const char *name, const char *address,
		       enum gt_protocol protocol, enum gt_encapsulation encapsulation,
		       const char *server4, const char *server6)
{
	size_t v = support_vip(c, name, address, protocol, "53,80");

	c->vips[v].mode = GT_MODE_TUNNEL;
	c->vips[v].encapsulation = encapsulation;
	support_server(c, v, "a", server4, 100)->interface = server4[0] == '1' && server4[2] == '8';
	support_server(c, v, "b", server6, 100)->interface = 1;
}

struct gt_config *support_pipe_config(void)
{
	struct gt_config *c = support_config(7);
	size_t keep;

	support_interface(c, "lan", 0, "192.0.2.2/24");
	support_address(c, 0, "2001:db8::2/64");
	support_interface(c, "san", 42, "198.51.100.2/24");
	support_address(c, 1, "2001:db8:2::2/64");
	c->interfaces[0].has_gateway4 = c->interfaces[0].has_gateway6 = true;
	c->interfaces[0].gateway4 = support_addr("192.0.2.1");
	c->interfaces[0].gateway6 = support_addr("2001:db8::1");
	add_vip(c, "web", "192.0.2.100", GT_PROTO_TCP, "80,443,5000-5010", "abcd", 3);
	add_vip(c, "dns", "192.0.2.100", GT_PROTO_UDP, "53", "ef", -1);
	add_vip(c, "web6", "2001:db8::100", GT_PROTO_TCP, "80", "abc", 2);
	add_vip(c, "dns6", "2001:db8::100", GT_PROTO_UDP, "any", "de", -1);
	add_vip(c, "all", "192.0.2.101", GT_PROTO_TCP, "any", "abc", -1);
	keep = add_vip(c, "keep", "192.0.2.102", GT_PROTO_TCP, "80", "abc", -1);
	c->vips[keep].persistence = GT_PERSIST_SOURCE;
	add_vip(c, "down", "192.0.2.103", GT_PROTO_TCP, "80", "a", -1);
	add_vip(c, "lost", "192.0.2.104", GT_PROTO_TCP, "80", "a", -1);
	add_tunnel(c, "tun", "192.0.2.105", GT_PROTO_TCP, GT_ENCAP_IPIP, "192.0.2.90",
		   "2001:db8:2::90");
	add_tunnel(c, "tunu", "192.0.2.105", GT_PROTO_UDP, GT_ENCAP_GUE, "192.0.2.91",
		   "2001:db8:2::91");
	add_tunnel(c, "tun6", "2001:db8::105", GT_PROTO_TCP, GT_ENCAP_GRE, "192.0.2.92",
		   "2001:db8:2::92");
	add_tunnel(c, "tunu6", "2001:db8::105", GT_PROTO_UDP, GT_ENCAP_GUE, "198.51.100.93",
		   "2001:db8:2::93");
	return c;
}

/* Servers a and b by address, which is of san where it says so; `port` is a's. */
static size_t add_nat(struct gt_config *c, const char *name, enum gt_mode mode, const char *address,
		      enum gt_protocol protocol, const char *ports, const char *a, uint16_t port,
		      const char *b)
{
	size_t v = support_vip(c, name, address, protocol, ports);

	c->vips[v].mode = mode;
	support_server(c, v, "a", a, 100)->port = port;
	if (b != NULL)
		support_server(c, v, "b", b, 100)->interface = 1;
	return v;
}

void support_pipe_add_nat(struct gt_config *c)
{
	static struct gt_addr sources[2];
	size_t v;

	add_nat(c, "nat", GT_MODE_NAT, "192.0.2.106", GT_PROTO_TCP, "80,443", "192.0.2.160", 0,
		"198.51.100.161");
	add_nat(c, "natu", GT_MODE_NAT, "192.0.2.106", GT_PROTO_UDP, "53", "192.0.2.162", 5353,
		NULL);
	add_nat(c, "nat6", GT_MODE_NAT, "2001:db8::106", GT_PROTO_TCP, "80", "2001:db8::160", 0,
		"2001:db8:2::161");
	add_nat(c, "natu6", GT_MODE_NAT, "2001:db8::106", GT_PROTO_UDP, "any", "2001:db8::162", 0,
		NULL);
	v = add_nat(c, "snat", GT_MODE_SNAT, "192.0.2.107", GT_PROTO_TCP, "80,443", "192.0.2.170",
		    8080, "198.51.100.171");
	sources[0] = support_addr("192.0.2.3");
	sources[1] = support_addr("192.0.2.4");
	c->vips[v].snat_addresses = sources;
	c->vips[v].n_snat_addresses = 2;
	add_nat(c, "snatu", GT_MODE_SNAT, "192.0.2.107", GT_PROTO_UDP, "53", "192.0.2.172", 0,
		"198.51.100.173");
	v = add_nat(c, "snat6", GT_MODE_SNAT, "2001:db8::107", GT_PROTO_TCP, "80", "2001:db8::174",
		    0, "2001:db8:2::175");
	c->vips[v].persistence = GT_PERSIST_SOURCE;
	add_nat(c, "snatu6", GT_MODE_SNAT, "2001:db8::107", GT_PROTO_UDP, "any", "2001:db8::176", 0,
		"2001:db8:2::177");
	add_nat(c, "cross", GT_MODE_SNAT, "192.0.2.108", GT_PROTO_TCP, "80,443", "2001:db8::178", 0,
		"2001:db8:2::179");
	add_nat(c, "crossu", GT_MODE_SNAT, "192.0.2.108", GT_PROTO_UDP, "53", "2001:db8::180", 5353,
		"2001:db8:2::181");
	add_nat(c, "cross6", GT_MODE_SNAT, "2001:db8::108", GT_PROTO_TCP, "80", "192.0.2.182", 0,
		"198.51.100.183");
	add_nat(c, "crossu6", GT_MODE_SNAT, "2001:db8::108", GT_PROTO_UDP, "any", "192.0.2.184", 0,
		"198.51.100.185");
}

struct gt_config *support_pipe_express_config(void)
{
	struct gt_config *c = support_pipe_config();

	support_pipe_add_nat(c);
	c->interfaces[1].vlan = 0;
	for (size_t i = 0; i < c->n_vips; i++)
		if (strcmp(c->vips[i].name, "natu6") == 0 || strcmp(c->vips[i].name, "snatu6") == 0)
			support_ports(&c->vips[i], "53");
	return c;
}

struct gt_server_state *support_pipe_states(const struct gt_config *c)
{
	struct gt_server_state *s = support_states(c);

	support_state(c, s, "down", "a")->up = false;
	support_state(c, s, "lost", "a")->resolved = false;
	return s;
}

/* ---- birth and end ---- */

struct gt_plan_known support_pipe_known[SUPPORT_KNOWN];

static void make_known(void)
{
	static const char *const addresses[SUPPORT_KNOWN] = {"192.0.2.1",     "2001:db8::1",
							     "192.0.2.50",    "2001:db8::50",
							     "198.51.100.50", "2001:db8:2::50"};

	for (uint8_t i = 0; i < SUPPORT_KNOWN; i++)
		support_pipe_known[i] = (struct gt_plan_known){
			support_addr(addresses[i]), {{2, 0xc1, 0, 0, 1, i}}, i >= 4};
}

struct gt_plan *support_pipe_plan(struct gt_config *c, const struct gt_server_state *states,
				  const struct gt_plan *previous)
{
	struct gt_mac macs[GT_INTERFACES_MAX];
	struct gt_plan *plan = NULL;

	make_known();
	support_edition(c);
	for (size_t i = 0; i < GT_INTERFACES_MAX; i++)
		macs[i] = support_interface_mac(i);
	DIE_UNLESS(gt_plan_build(c, states, macs, support_pipe_known, SUPPORT_KNOWN, previous,
				 &plan) == 0);
	return plan;
}

static void free_released(struct support_pipe *p)
{
	for (unsigned i = 0; i < p->n_released; i++)
		free(p->released[i]);
	p->n_released = 0;
}

static void create_workers(struct support_pipe *p, const struct gt_worker_params *params)
{
	for (unsigned i = 0; i < p->n_workers; i++) {
		struct gt_worker_params own = *params;

		own.steer.worker = (uint16_t)i;
		own.steer.n_workers = (uint16_t)p->n_workers;
		p->workers[i] = gt_worker_create(&own);
		DIE_UNLESS(p->workers[i] != NULL);
		p->twins[i] = p->twinned ? gt_worker_create(&own) : NULL;
		DIE_UNLESS(!p->twinned || p->twins[i] != NULL);
	}
	p->worker = p->workers[0];
}

static void destroy_workers(struct support_pipe *p)
{
	for (unsigned i = 0; i < p->n_workers; i++) {
		gt_worker_destroy(p->workers[i]);
		gt_worker_destroy(p->twins[i]);
	}
}

void support_pipe_twin_workers(struct support_pipe *p, const struct gt_worker_params *params)
{
	/* Turns and loads that several workers share would count twice. */
	DIE_UNLESS(params->turns == NULL && params->loads == NULL);
	p->twinned = true;
	support_pipe_recreate_workers(p, params);
}

void support_pipe_recreate_workers(struct support_pipe *p, const struct gt_worker_params *params)
{
	free_released(p);
	destroy_workers(p);
	create_workers(p, params);
}

void support_pipe_open_with(struct support_pipe *p, struct gt_config *config, unsigned n_workers,
			    const struct gt_worker_params *params)
{
	memset(p, 0, sizeof(*p));
	DIE_UNLESS(n_workers <= SUPPORT_WORKERS_MAX);
	p->config = config;
	p->states = support_pipe_states(p->config);
	p->plan = support_pipe_plan(p->config, p->states, NULL);
	p->n_workers = n_workers;
	create_workers(p, params);
	p->talks = support_talks_create();
	p->now_ms = 1000000;
}

void support_pipe_open(struct support_pipe *p, uint32_t connections)
{
	const struct gt_worker_params params = {
		.connections = connections, .random = "0123456789abcde", .memory = gt_memory_heap};

	support_pipe_open_with(p, support_pipe_config(), 1, &params);
}

void support_pipe_replan(struct support_pipe *p)
{
	DIE_UNLESS(p->n_old < SUPPORT_PLANS_MAX);
	p->old[p->n_old++] = p->plan;
	p->plan = support_pipe_plan(p->config, p->states, p->plan);
}

void support_pipe_reload(struct support_pipe *p, struct gt_config *config)
{
	DIE_UNLESS(p->n_old_configs < SUPPORT_PLANS_MAX);
	p->old_configs[p->n_old_configs++] = p->config;
	p->config = config;
	free(p->states);
	p->states = support_pipe_states(config);
	support_pipe_replan(p);
}

struct gt_server_state *support_pipe_state(struct support_pipe *p, const char *vip,
					   const char *server)
{
	return support_state(p->config, p->states, vip, server);
}

void support_pipe_close(struct support_pipe *p)
{
	support_pipe_flush(p);
	free_released(p);
	destroy_workers(p);
	support_talks_destroy(p->talks);
	for (unsigned i = 0; i < p->n_old; i++)
		gt_plan_free(p->old[i]);
	for (unsigned i = 0; i < p->n_old_configs; i++)
		support_config_free(p->old_configs[i]);
	gt_plan_free(p->plan);
	free(p->states);
	support_config_free(p->config);
}

/* ---- what must hold always ---- */

static unsigned count_held(const struct support_pipe *p)
{
	unsigned n = 0;

	for (unsigned i = 0; i < p->n_workers; i++)
		n += p->workers[i]->fragments.n_held;
	return n;
}

/* Between bursts nothing is on its way from worker to worker. */
static void check_identity(const struct support_pipe *p)
{
	struct gt_counters sum = {0};
	uint64_t in = 0, out = 0;

	for (unsigned i = 0; i < p->n_workers; i++)
		gt_counters_add(&sum, &p->workers[i]->counters);
	DIE_UNLESS(sum.in == sum.forwarded + sum.answered + sum.kernel + gt_counters_dropped(&sum) +
				     p->punted + count_held(p));
	for (unsigned i = 0; i < p->plan->n_interfaces; i++) {
		in += sum.interfaces[i].in_frames;
		out += sum.interfaces[i].out_frames;
	}
	DIE_UNLESS(in == sum.in);
	DIE_UNLESS(out == sum.forwarded + sum.answered);
}

static void note_left(struct support_pipe *p, const struct gt_frame *f)
{
	struct support_left *l = &p->left[p->n_left++ % 16];

	l->len = f->len < sizeof(l->bytes) ? f->len : (uint32_t)sizeof(l->bytes);
	memcpy(l->bytes, f->data, l->len);
	l->out_if = f->out_if;
}

static void check_verdict(struct support_pipe *p, const struct gt_frame *f,
			  const struct support_copy *copy)
{
	const struct support_check check = {.config = p->config,
					    .plan = p->plan,
					    .known = support_pipe_known,
					    .n_known = SUPPORT_KNOWN,
					    .talks = p->talks,
					    .now_ms = p->now_ms};
	const struct support_came came = {copy->bytes, copy->len, copy->wire_len, copy->in_if};

	switch ((enum gt_verdict)f->verdict) {
	case GT_SEND:
		support_check_sent(&check, &came, f);
		note_left(p, f);
		return;
	case GT_ANSWER:
		p->resets += support_check_answer(&check, &came, f);
		support_check_stayed(&check, &came);
		return;
	case GT_DROP:
		DIE_UNLESS(f->reason < GT_DROP_REASON_COUNT);
		support_check_stayed(&check, &came);
		return;
	case GT_PUNT:
		DIE_UNLESS(f->len == came.len && memcmp(f->data, came.bytes, came.len) == 0);
		return;
	case GT_KERNEL:
		DIE_UNLESS(p->plan->interfaces[f->in_if].kernel);
		DIE_UNLESS(f->len == came.len && memcmp(f->data, came.bytes, came.len) == 0);
		return;
	case GT_HELD:
	case GT_HAND:
		break;
	}
	DIE_UNLESS(false);
}

/* Keeps a copy of a frame as it comes. */
static void remember(struct support_pipe *p, const struct gt_frame *f)
{
	struct support_copy *c = &p->copies[p->n_copies++];

	DIE_UNLESS(p->n_copies <= SUPPORT_HELD_MAX);
	*c = (struct support_copy){f->owner, malloc(f->len + 1U), f->len, f->wire_len, f->in_if};
	DIE_UNLESS(c->bytes != NULL);
	memcpy(c->bytes, f->data, f->len);
}

/* A frame has its final verdict: it is compared with its copy, which is then gone. */
static void judge(struct support_pipe *p, const struct gt_frame *f)
{
	for (unsigned i = 0; i < p->n_copies; i++) {
		struct support_copy c = p->copies[i];

		if (c.owner != f->owner)
			continue;
		p->copies[i] = p->copies[--p->n_copies];
		check_verdict(p, f, &c);
		free(c.bytes);
		return;
	}
	fprintf(stderr, "a frame that never came, or came back twice\n");
	abort();
}

/* A worker's verdict: on to another worker, or the last one. home: as in support_handed. */
static void settle(struct support_pipe *p, struct gt_frame *f, struct gt_frame *home)
{
	if (f->verdict == GT_HAND) {
		DIE_UNLESS(f->to_worker < p->n_workers && p->n_handed < SUPPORT_HELD_MAX);
		DIE_UNLESS(f->steered == GT_STEERED_FRAGMENTS || f->steered == GT_STEERED_HOME);
		p->handed[p->n_handed++] = (struct support_handed){*f, home};
		return;
	}
	if (home != NULL)
		*home = *f;
	if (f->verdict == GT_HELD)
		return;
	p->punted += f->verdict == GT_PUNT;
	judge(p, f);
	if (home == NULL)
		p->released[p->n_released++] = f->owner;
}

/* What came back from a worker: each was held, and lives until the next call. */
static void take_released(struct support_pipe *p, struct gt_worker *w)
{
	for (unsigned i = 0; i < w->n_released; i++) {
		struct gt_frame f = w->released[i];

		DIE_UNLESS(f.verdict != GT_HELD && f.verdict != GT_PUNT);
		settle(p, &f, NULL);
	}
}

static void run(struct support_pipe *p, struct gt_worker *w, struct gt_frame *frames,
		struct gt_frame **homes, unsigned n)
{
	struct gt_worker *twin = p->twinned ? p->twins[w->steer.worker] : NULL;
	struct gt_frame copies[GT_BURST_MAX];

	for (unsigned i = 0; twin != NULL && i < n; i++)
		copies[i] = support_twin_copy(&frames[i]);
	/* Whichever kind of CPU the burst is compiled for: all work on the same memory. Not taking
	 * strict turns, as requests and replies may. */
	w->burst = (++p->n_bursts * 0x9e3779b9U >> 31) != 0 ? gt_burst_select() : gt_burst_portable;
	gt_worker_burst(w, p->plan, p->now_ms, frames, n);
	if (twin != NULL)
		support_twin_burst(twin, w, p->plan, p->now_ms, frames, copies, n);
	for (unsigned i = 0; i < n; i++)
		settle(p, &frames[i], homes[i]);
	take_released(p, w);
}

/* Takes what is on its way to a worker, in order and at most a burst, out of p->handed. */
static unsigned take_handed(struct support_pipe *p, unsigned worker, struct gt_frame *frames,
			    struct gt_frame **homes)
{
	unsigned n = 0, kept = 0;

	for (unsigned i = 0; i < p->n_handed; i++) {
		struct support_handed *h = &p->handed[i];

		if (h->frame.to_worker != worker || n == GT_BURST_MAX) {
			p->handed[kept++] = *h;
			continue;
		}
		frames[n] = h->frame;
		homes[n++] = h->home;
	}
	p->n_handed = kept;
	return n;
}

/* To the meeting place of fragments, then home: a frame is handed over twice at most. */
static void deliver(struct support_pipe *p)
{
	struct gt_frame frames[GT_BURST_MAX], *homes[GT_BURST_MAX];

	for (unsigned rounds = 0; p->n_handed > 0; rounds++) {
		DIE_UNLESS(rounds < 8);
		for (unsigned i = 0; i < p->n_workers; i++) {
			unsigned n = take_handed(p, i, frames, homes);

			if (n > 0)
				run(p, p->workers[i], frames, homes, n);
		}
	}
}

/* ---- active connections and sessions ---- */

static int64_t active_[GT_SERVERS_MAX];

/* Adds what a worker's table holds to active_; returns its connections. */
static uint64_t count_active(const struct gt_worker *w, uint16_t *highest)
{
	struct gt_flow_entry out[GT_FLOW_BUCKET_SLOTS];
	uint64_t connections = 0, all = 0, sessions = 0;

	for (uint32_t i = 0; i < w->flows.n_buckets; i++) {
		unsigned n = gt_flow_read(&w->flows, i, 0, out);

		all += n;
		for (unsigned j = 0; j < n; j++) {
			uint16_t server = gt_worker_entry_server(w, &out[j]);

			DIE_UNLESS(server != GT_NO_SERVER);
			if (gt_flow_is_source(out[j].state))
				continue;
			*highest = server > *highest ? server : *highest;
			active_[server]++;
			connections++;
			/* The top bit tells a session from a server. */
			sessions += out[j].value >> 31;
		}
	}
	DIE_UNLESS(all == w->flows.entries);
	DIE_UNLESS(sessions == w->snat.live);
	DIE_UNLESS(w->counters.created - w->counters.expired == connections);
	return connections;
}

uint64_t support_pipe_active(const struct support_pipe *p)
{
	uint64_t connections = 0;
	uint16_t highest = 0;

	for (unsigned i = 0; i < p->n_workers; i++)
		connections += count_active(p->workers[i], &highest);
	for (uint32_t i = 0; i < p->plan->n_servers || i <= highest; i++) {
		int64_t counted = 0;

		for (unsigned j = 0; j < p->n_workers; j++)
			counted += p->workers[j]->servers[i].active;
		DIE_UNLESS(counted == active_[i]);
		active_[i] = 0;
	}
	return connections;
}

/* ---- driving ---- */

void support_pipe_burst(struct support_pipe *p, struct gt_frame *frames, unsigned n)
{
	struct gt_frame *homes[GT_BURST_MAX];

	DIE_UNLESS(n <= GT_BURST_MAX);
	free_released(p);
	for (unsigned i = 0; i < n; i++) {
		remember(p, &frames[i]);
		homes[i] = &frames[i];
	}
	run(p, p->workers[p->receiver % p->n_workers], frames, homes, n);
	deliver(p);
	DIE_UNLESS(p->n_copies == count_held(p));
	check_identity(p);
}

void support_pipe_tick(struct support_pipe *p)
{
	free_released(p);
	for (unsigned i = 0; i < p->n_workers; i++) {
		gt_worker_tick(p->workers[i], p->plan, p->now_ms);
		if (p->twinned) {
			gt_worker_tick(p->twins[i], p->plan, p->now_ms);
			support_twin_compare(p->twins[i], p->workers[i], p->plan);
		}
		take_released(p, p->workers[i]);
	}
	check_identity(p);
}

void support_pipe_flush(struct support_pipe *p)
{
	free_released(p);
	for (unsigned i = 0; i < p->n_workers; i++) {
		gt_worker_flush(p->workers[i], p->plan, p->now_ms);
		if (p->twinned) {
			gt_worker_flush(p->twins[i], p->plan, p->now_ms);
			support_twin_compare(p->twins[i], p->workers[i], p->plan);
		}
		take_released(p, p->workers[i]);
	}
	check_identity(p);
	DIE_UNLESS(count_held(p) == 0 && p->n_copies == 0 && p->n_handed == 0);
}

void support_pipe_done(struct gt_frame *f)
{
	if (f->verdict != GT_HELD)
		support_frame_free(f);
}

void support_pipe_give(struct support_pipe *p, struct gt_frame *frames, unsigned n)
{
	support_pipe_burst(p, frames, n);
	for (unsigned i = 0; i < n; i++)
		support_pipe_done(&frames[i]);
}

struct gt_frame support_pipe_send(struct support_pipe *p, const struct support_packet *packet)
{
	struct gt_frame f = support_packet_frame(packet);

	support_pipe_burst(p, &f, 1);
	return f;
}

int support_pipe_server(struct support_pipe *p, const struct support_packet *packet)
{
	struct gt_frame f = support_pipe_send(p, packet);
	int got = f.verdict == GT_DROP ? -1 - f.reason : -1000 - f.verdict;

	for (uint32_t i = 1; f.verdict == GT_SEND && i < p->plan->n_servers; i++)
		if ((p->plan->servers[i].flags & GT_SERVER_RESOLVED) != 0 &&
		    memcmp(p->plan->servers[i].macs, f.data, 12) == 0)
			got = (int)i;
	support_pipe_done(&f);
	return got;
}
