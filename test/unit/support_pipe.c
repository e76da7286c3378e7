/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker driven by tests and the fuzzer; see support_pipe.h. */
#include "support_pipe.h"

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

struct gt_server_state *support_pipe_states(const struct gt_config *c)
{
	struct gt_server_state *s = support_states(c);

	support_state(c, s, "down", "a")->up = false;
	support_state(c, s, "lost", "a")->resolved = false;
	return s;
}

/* ---- birth and end ---- */

void support_pipe_open(struct support_pipe *p, uint32_t connections)
{
	struct gt_worker_params params = {
		.connections = connections, .random = "0123456789abcde", .memory = gt_memory_heap};

	memset(p, 0, sizeof(*p));
	p->config = support_pipe_config();
	p->states = support_pipe_states(p->config);
	p->plan = support_plan(p->config, p->states, NULL);
	p->worker = gt_worker_create(&params);
	DIE_UNLESS(p->worker != NULL);
	p->now_ms = 1000000;
}

void support_pipe_replan(struct support_pipe *p)
{
	DIE_UNLESS(p->n_old < SUPPORT_PLANS_MAX);
	p->old[p->n_old++] = p->plan;
	p->plan = support_plan(p->config, p->states, p->plan);
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

static void free_released(struct support_pipe *p)
{
	for (unsigned i = 0; i < p->n_released; i++)
		free(p->released[i]);
	p->n_released = 0;
}

void support_pipe_close(struct support_pipe *p)
{
	support_pipe_flush(p);
	free_released(p);
	gt_worker_destroy(p->worker);
	for (unsigned i = 0; i < p->n_old; i++)
		gt_plan_free(p->old[i]);
	for (unsigned i = 0; i < p->n_old_configs; i++)
		support_config_free(p->old_configs[i]);
	gt_plan_free(p->plan);
	free(p->states);
	support_config_free(p->config);
}

/* ---- what must hold always ---- */

static void check_identity(const struct support_pipe *p)
{
	const struct gt_counters *c = &p->worker->counters;
	uint64_t in = 0, out = 0;

	DIE_UNLESS(c->in == c->forwarded + c->answered + c->kernel + gt_counters_dropped(c) +
				    p->punted + p->worker->fragments.n_held);
	for (unsigned i = 0; i < p->plan->n_interfaces; i++) {
		in += c->interfaces[i].in_frames;
		out += c->interfaces[i].out_frames;
	}
	DIE_UNLESS(in == c->in);
	DIE_UNLESS(out == c->forwarded + c->answered);
}

/* Where the tag is behind, or the type if there is none; the VID. */
static uint32_t behind_tag(const uint8_t *d, uint32_t len, uint16_t *vid)
{
	if (len >= 18 && d[12] == 0x81 && d[13] == 0x00) {
		*vid = (uint16_t)((d[14] << 8 | d[15]) & 0xfff);
		return 16;
	}
	*vid = 0;
	return 12;
}

/* The server of a sent frame, by its MACs and interface, or NULL. */
static const struct gt_plan_server *server_at(const struct support_pipe *p,
					      const struct gt_frame *f)
{
	for (uint32_t i = 1; i < p->plan->n_servers; i++) {
		const struct gt_plan_server *s = &p->plan->servers[i];

		if (s->out_if == f->out_if && (s->flags & GT_SERVER_KEEPS) != 0 &&
		    memcmp(s->macs, f->data, 12) == 0)
			return s;
	}
	return NULL;
}

static uint32_t get16(const uint8_t *b)
{
	return (uint32_t)(b[0] << 8 | b[1]);
}

/* A wrapped frame: the type at `from`, then an outer packet that fits, and in its end what came. */
static void check_wrapped(const struct gt_frame *f, const struct gt_plan_server *s, uint32_t from,
			  const uint8_t *came)
{
	static const uint32_t shim[] = {0, 4, 12};
	bool v4 = gt_addr_is_v4(&s->addr);
	const uint8_t *ip = f->data + from + 2;
	uint32_t inner = came[0] >> 4 == 4 ? get16(came + 2) : 40 + get16(came + 4);
	uint32_t overhead = (v4 ? 20 : 40) + shim[s->encapsulation];
	/* Of a frame that is cut, or goes on in further segments, only the front is here. */
	uint32_t whole = from + 2 + overhead + inner, here = f->len < whole ? f->len : whole;

	DIE_UNLESS(get16(f->data + from) == (v4 ? 0x0800 : 0x86dd));
	DIE_UNLESS(f->len == f->wire_len ? f->len == whole : f->wire_len >= whole);
	DIE_UNLESS(overhead + inner <= s->mtu);
	DIE_UNLESS((v4 ? get16(ip + 2) : 40 + get16(ip + 4)) == overhead + inner);
	DIE_UNLESS(memcmp(ip + (v4 ? 16 : 24), s->addr.b + (v4 ? 12 : 0), v4 ? 4 : 16) == 0);
	DIE_UNLESS(!v4 || support_sum(0, ip, 20) == 0xffff);
	DIE_UNLESS(memcmp(ip + overhead, came, here - (from + 2 + overhead)) == 0);
}

/* A sent frame is what came but for the MACs, which are a server's, and the tag. */
static void check_sent(const struct support_pipe *p, const struct gt_frame *f, const uint8_t *came,
		       uint32_t came_len)
{
	uint16_t vid, came_vid;
	uint32_t from, came_from;
	const struct gt_plan_server *s = server_at(p, f);

	DIE_UNLESS(s != NULL);
	DIE_UNLESS(f->out_if < p->plan->n_interfaces);
	from = behind_tag(f->data, f->len, &vid);
	came_from = behind_tag(came, came_len, &came_vid);
	DIE_UNLESS(vid == p->plan->interfaces[f->out_if].vlan);
	if (s->mode == GT_MODE_TUNNEL) {
		check_wrapped(f, s, from, came + came_from + 2);
	} else {
		DIE_UNLESS(f->len - from == came_len - came_from);
		DIE_UNLESS(memcmp(f->data + from, came + came_from, f->len - from) == 0);
	}
	/* priority and DEI stay */
	if (from == 16 && came_from == 16)
		DIE_UNLESS((f->data[14] & 0xf0) == (came[14] & 0xf0));
}

/* Does it say "fragmentation needed" or "packet too big"? */
static bool is_too_big(const struct gt_frame *f)
{
	uint16_t vid;
	const uint8_t *ip = f->data + behind_tag(f->data, f->len, &vid) + 2;

	if (!support_checksums_good(f->data, f->len))
		return false;
	if (ip[0] == 0x45)
		return ip[9] == 1 && ip[20] == 3 && ip[21] == 4;
	return ip[0] == 0x60 && ip[6] == 58 && ip[40] == 2;
}

static void check_verdict(const struct support_pipe *p, const struct gt_frame *f,
			  const uint8_t *came, uint32_t came_len)
{
	switch ((enum gt_verdict)f->verdict) {
	case GT_SEND:
		check_sent(p, f, came, came_len);
		return;
	case GT_ANSWER:
		DIE_UNLESS(f->out_if == f->in_if);
		/* An echo is as long as it came; that something is too big is said in an error. */
		DIE_UNLESS(f->len == came_len || is_too_big(f));
		return;
	case GT_DROP:
		DIE_UNLESS(f->reason < GT_DROP_REASON_COUNT);
		return;
	case GT_PUNT:
		DIE_UNLESS(f->len == came_len && memcmp(f->data, came, came_len) == 0);
		return;
	case GT_HELD:
	case GT_KERNEL:
	case GT_HAND: /* there is one worker */
		break;
	}
	DIE_UNLESS(false);
}

/* Keeps a copy of a frame as it comes. */
static void remember(struct support_pipe *p, const struct gt_frame *f)
{
	struct support_copy *c = &p->copies[p->n_copies++];

	DIE_UNLESS(p->n_copies <= GT_RELEASED_MAX);
	*c = (struct support_copy){f->owner, malloc(f->len + 1U), f->len};
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
		check_verdict(p, f, c.bytes, c.len);
		free(c.bytes);
		return;
	}
	fprintf(stderr, "a frame that never came, or came back twice\n");
	abort();
}

/* What came back: each was held, is judged now, and lives until the next call. */
static void take_released(struct support_pipe *p)
{
	const struct gt_worker *w = p->worker;

	for (unsigned i = 0; i < w->n_released; i++) {
		const struct gt_frame *f = &w->released[i];

		DIE_UNLESS(f->verdict != GT_HELD && f->verdict != GT_PUNT);
		judge(p, f);
		p->released[p->n_released++] = f->owner;
	}
	DIE_UNLESS(p->n_copies == w->fragments.n_held);
}

uint64_t support_pipe_active(const struct support_pipe *p)
{
	const struct gt_flow_table *t = &p->worker->flows;
	struct gt_flow_entry out[GT_FLOW_BUCKET_SLOTS];
	static int64_t active[GT_SERVERS_MAX];
	uint64_t connections = 0, all = 0;
	uint16_t highest = 0;

	memset(active, 0, p->plan->n_servers * sizeof(*active));
	for (uint32_t i = 0; i < t->n_buckets; i++) {
		unsigned n = gt_flow_read(t, i, 0, out);

		all += n;
		for (unsigned j = 0; j < n; j++) {
			uint16_t server = gt_worker_entry_server(p->worker, &out[j]);

			DIE_UNLESS(server != GT_NO_SERVER);
			if (gt_flow_is_source(out[j].state))
				continue;
			highest = server > highest ? server : highest;
			active[server]++;
			connections++;
		}
	}
	DIE_UNLESS(all == t->entries);
	for (uint32_t i = 0; i < p->plan->n_servers || i <= highest; i++) {
		DIE_UNLESS(p->worker->servers[i].active == active[i]);
		active[i] = 0;
	}
	DIE_UNLESS(p->worker->counters.created - p->worker->counters.expired == connections);
	return connections;
}

/* ---- driving ---- */

void support_pipe_burst(struct support_pipe *p, struct gt_frame *frames, unsigned n)
{
	DIE_UNLESS(n <= GT_BURST_MAX);
	free_released(p);
	for (unsigned i = 0; i < n; i++)
		remember(p, &frames[i]);
	gt_worker_burst(p->worker, p->plan, p->now_ms, frames, n);
	for (unsigned i = 0; i < n; i++) {
		p->punted += frames[i].verdict == GT_PUNT;
		if (frames[i].verdict != GT_HELD)
			judge(p, &frames[i]);
	}
	take_released(p);
	check_identity(p);
}

void support_pipe_tick(struct support_pipe *p)
{
	free_released(p);
	gt_worker_tick(p->worker, p->plan, p->now_ms);
	take_released(p);
	check_identity(p);
}

void support_pipe_flush(struct support_pipe *p)
{
	free_released(p);
	gt_worker_flush(p->worker, p->plan, p->now_ms);
	take_released(p);
	check_identity(p);
	DIE_UNLESS(p->worker->fragments.n_held == 0);
}

void support_pipe_done(struct gt_frame *f)
{
	if (f->verdict != GT_HELD)
		support_frame_free(f);
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
