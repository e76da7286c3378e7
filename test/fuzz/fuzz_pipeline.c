/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bytes as a story: frames on two interfaces, steps of time, changes of plan, all through one
 * worker with a connection table so small that it is always full. Frames are raw bytes, or built
 * from a few by a small grammar, with right checksums, so that the fuzzer gets deep. After each
 * burst support_pipe asserts what must hold always (counters' identity, bytes of forwarded frames,
 * out_if, `active` and the table agree); ARP and NDP go on to the neighbours; at the end everything
 * must run out.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "neighbour/neighbour.h"
#include "packet/parse.h"
#include "support_pipe.h"
#include "vectors_packets.h"

#define DIE_UNLESS(what) SUPPORT_DIE_UNLESS(what)

/* ---- the input ---- */

struct input {
	const uint8_t *p, *end;
};

static uint8_t take(struct input *in)
{
	return in->p < in->end ? *in->p++ : 0;
}

static uint16_t take16(struct input *in)
{
	uint16_t high = take(in);

	return (uint16_t)(high << 8 | take(in));
}

static size_t take_bytes(struct input *in, uint8_t *out, size_t n)
{
	size_t left = (size_t)(in->end - in->p);

	if (n > left)
		n = left;
	memcpy(out, in->p, n);
	in->p += n;
	return n;
}

/* ---- plans, built once: each from its predecessor, so that numbers hold ---- */

enum { PLANS = 8 };

static struct support_pipe pipe_;
static struct gt_plan *plans[PLANS];
static struct gt_config *second;

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

/* The second configuration: a server less and one more, ranges changed, a VIP gone and one new. */
static struct gt_config *make_second(void)
{
	struct gt_config *c = support_pipe_config();

	/* What is wrapped for san may be too big. */
	c->interfaces[1].mtu = 250;
	support_remove_server(c, 0, 1);
	support_server(c, 0, "new", "192.0.2.210", 50);
	support_server(c, 5, "new", "192.0.2.211", 50);
	support_ports(&c->vips[0], "80,5005-5020");
	support_ports(&c->vips[4], "1-30000");
	support_server(c, support_vip(c, "rest", "192.0.2.101", GT_PROTO_TCP, "30001-65535"), "z",
		       "192.0.2.212", 1);
	vary(c);
	return c;
}

static void add_plan(size_t i, struct gt_config *c, struct gt_server_state *states)
{
	plans[i] = support_plan(c, states, i > 0 ? plans[i - 1] : NULL);
}

static void make_plans(void)
{
	struct gt_config *c = pipe_.config;
	struct gt_server_state *s = pipe_.states, *t;

	add_plan(0, c, s);
	support_state(c, s, "web", "a")->up = false;
	support_state(c, s, "keep", "b")->up = false;
	support_state(c, s, "down", "a")->up = true;
	add_plan(1, c, s);
	support_state(c, s, "web", "a")->up = true;
	support_state(c, s, "web", "c")->admin = GT_ADMIN_DRAIN;
	support_state(c, s, "dns", "e")->weight = 0;
	support_state(c, s, "all", "a")->resolved = false;
	add_plan(2, c, s);
	support_state(c, s, "keep", "a")->up = false;
	support_state(c, s, "keep", "c")->admin = GT_ADMIN_DISABLED;
	support_state(c, s, "lost", "a")->resolved = true;
	add_plan(3, c, s);
	t = support_pipe_states(second);
	add_plan(4, second, t);
	support_state(second, t, "keep", "new")->weight = 65535;
	support_state(second, t, "web6", "c")->up = false;
	add_plan(5, second, t);
	for (size_t i = 0; i < 4; i++)
		support_state(second, t, "web", (const char *[]){"a", "c", "d", "new"}[i])->up =
			false;
	add_plan(6, second, t);
	free(t);
	/* and back, with the first one's names under other numbers where they were gone */
	t = support_pipe_states(c);
	add_plan(7, c, t);
	free(t);
}

/* ---- main's side: ARP and NDP ---- */

static struct gt_neighbours *neighbours;
static bool heard = true; /* it may have learned something since it was made */

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
static void make_neighbours(void)
{
	const struct gt_neighbour_hooks hooks = {.event = on_event};
	const struct gt_config *c = pipe_.config;

	gt_neighbours_destroy(neighbours);
	neighbours = gt_neighbours_create(&hooks);
	DIE_UNLESS(neighbours != NULL);
	for (uint8_t i = 0; i < c->n_interfaces; i++) {
		struct gt_mac mac = support_interface_mac(i);

		gt_neighbours_interface(neighbours, i, &mac, c->interfaces[i].vlan);
		for (size_t j = 0; j < c->interfaces[i].n_addresses; j++)
			gt_neighbours_add_own(neighbours, i, &c->interfaces[i].addresses[j], false);
	}
	for (size_t i = 0; i < c->n_vips; i++) {
		const struct gt_config_vip *v = &c->vips[i];
		struct gt_prefix host = {v->address, gt_addr_is_v4(&v->address) ? 32 : 128};

		gt_neighbours_add_own(neighbours, v->interface, &host, true);
		for (size_t j = 0; j < v->n_servers; j++)
			gt_neighbours_add(neighbours, v->servers[j].interface,
					  &v->servers[j].address, NULL);
	}
}

/* A punted frame's final verdict is an answer on the wire it came by, or a reason. */
static void to_main(struct gt_frame *f)
{
	const uint8_t *block = f->owner;
	uint32_t came = f->len;

	gt_neighbours_frame(neighbours, f, pipe_.now_ms);
	DIE_UNLESS(f->verdict == GT_ANSWER || f->verdict == GT_DROP);
	if (f->verdict == GT_DROP)
		DIE_UNLESS(f->reason == GT_DROP_NEIGHBOUR_BAD ||
			   f->reason == GT_DROP_NEIGHBOUR_OTHER ||
			   f->reason == GT_DROP_NEIGHBOUR_TOLD);
	else
		DIE_UNLESS(f->out_if == f->in_if && f->wire_len == f->len && f->data >= block &&
			   f->data + f->len <= block + GT_HEADROOM + came);
}

/* As new: nothing of one input may be left for the next. */
static void reset(void)
{
	struct gt_worker *w = pipe_.worker;

	memset(&w->counters, 0, sizeof(w->counters));
	memset(w->servers, 0, 256 * sizeof(*w->servers)); /* of some 40 numbers */
	memset(w->vips, 0, 64 * sizeof(*w->vips));
	memset(w->turns, 0, sizeof(*w->turns));
	memset(w->flows.buckets, 0, w->flows.n_buckets * sizeof(*w->flows.buckets));
	memset(w->fragments.entries, 0, gt_fragments_bytes());
	w->flows.entries = 0;
	w->flows.hand = 0;
	w->swept_ms = w->sweep_credit = 0;
	w->ipv4_id = 0;
	w->told_tick = w->may_tell = 0;
	pipe_.punted = 0;
	pipe_.now_ms = 1000000;
	pipe_.plan = plans[0];
	if (heard)
		make_neighbours();
	heard = false;
}

static void init(void)
{
	/* 8 places in 2 buckets would never find a stranger: a few more, still always full */
	support_pipe_open(&pipe_, 20);
	gt_plan_free(pipe_.plan);
	second = make_second();
	make_plans();
}

/* ---- frames ---- */

static const char *const destinations[16] = {
	"192.0.2.100",	 "192.0.2.100",	  "192.0.2.105", "192.0.2.101",
	"192.0.2.102",	 "192.0.2.105",	  "192.0.2.102", "192.0.2.103",
	"192.0.2.104",	 "192.0.2.2",	  "8.8.8.8",	 "2001:db8::100",
	"2001:db8::105", "2001:db8::100", "2001:db8::2", "ff02::1:ff00:100",
};
static const uint16_t ports[16] = {80,	 80,   443,  5000, 5005, 5010, 53,    53,
				   8080, 5015, 5020, 0,	   1,	 7,    30001, 65535};
static const uint8_t protocols[8] = {6, 6, 6, 17, 17, 0, 0, 47}; /* 0: ICMP of the family */

static void set_source(struct support_packet *s, uint8_t n)
{
	s->src = support_addr(gt_addr_is_v4(&s->dst) ? "203.0.113.0" : "2001:db8:1::");
	s->src.b[15] = n & 31;
	if (n == 32)
		s->src = s->dst;
	else if (n == 33)
		memset(s->src.b + 12, 0, 4);
	else if (n == 34)
		s->src.b[12] = 127;
}

/* The packet that an ICMP error embeds: from the VIP to the client. */
static size_t embed(struct input *in, const struct support_packet *outer, uint8_t *out)
{
	struct support_packet e = {.src = outer->dst,
				   .dst = outer->src,
				   .protocol = protocols[take(in) & 3],
				   .sport = ports[take(in) & 15],
				   .dport = take(in) & 7,
				   .payload_len = 8};
	size_t len = support_build(&e, out), keep = take(in);

	memmove(out, out + 14, len - 14);
	return keep < len - 14 ? keep : len - 14;
}

/* From six bytes and a few more: a valid packet, whole or a piece. */
static size_t build(struct input *in, uint8_t in_if, uint8_t *out)
{
	static const int tags[8] = {0, 0, 0, 43, 43, 1, 8192 + 1, 40960 + 43};
	uint8_t payload[512];
	struct support_packet s = {.dst = support_addr(destinations[take(in) & 15])};
	uint8_t kind = take(in), shape = take(in);
	bool v4 = gt_addr_is_v4(&s.dst);

	set_source(&s, take(in));
	s.dst_mac = support_interface_mac(in_if);
	s.protocol = protocols[kind & 7];
	if (s.protocol == 0)
		s.protocol = v4 ? 1 : 58;
	s.tag = in_if == 1 ? 43 : 0;
	if ((kind & 0xc0) == 0xc0)
		s.tag = tags[kind >> 3 & 7];
	s.sport = take(in) & 7;
	s.dport = ports[take(in) & 15];
	s.flags = (uint8_t)(shape & 0x17);
	s.icmp_type = take(in);
	s.payload = payload;
	s.payload_len = take(in);
	if ((s.protocol == 1 || s.protocol == 58) && s.icmp_type < 64)
		s.payload_len = embed(in, &s, payload);
	else
		take_bytes(in, payload, s.payload_len);
	if (shape & 0x80) { /* a piece of 40 bytes, or whatever is left */
		size_t whole = s.payload_len + (s.protocol == 6 ? 20 : s.protocol == 47 ? 0 : 8);
		size_t at = (size_t)(shape >> 5 & 3) * 40;

		s.id = kind >> 3 & 7;
		if (at < whole) {
			s.piece_offset = at;
			s.piece_len = whole - at < 40 ? whole - at : 40;
			s.more = at + 40 < whole;
		}
	}
	return support_build(&s, out);
}

/* One that scapy made, to be changed: what the grammar does not build. */
static size_t copy_vector(struct input *in, uint8_t in_if, uint8_t *out)
{
#define V(name)                                                                                    \
	{                                                                                          \
		v_##name, sizeof(v_##name)                                                         \
	}
	static const struct {
		const uint8_t *bytes;
		size_t len;
	} vectors[] = {
		V(arp),
		V(arp_vlan),
		V(ns6),
		V(dad6),
		V(tcp4_ip_options),
		V(tcp4_max_options),
		V(tcp6_all),
		V(tcp6_first_dstopts),
		V(udp6_later_hbh),
		V(echo4_options),
		V(echo6_dstopts),
		V(echo4_first),
		V(echo4_later),
		V(echo6_first),
		V(echo6_later),
		V(error4_udp_options),
		V(error4_tcp_8),
		V(error6_udp_chain),
		V(error6_tcp_8),
		V(tcp4_vlan),
		V(bad4_tiny_8),
		V(bad6_tiny),
		V(bad4_fragment_death),
		V(tcp6_chain_8),
	};
	uint8_t which = take(in) % (sizeof(vectors) / sizeof(vectors[0]));
	struct gt_mac mac = support_interface_mac(in_if);

	memcpy(out, vectors[which].bytes, vectors[which].len);
	if ((out[0] & 1) == 0)
		memcpy(out, mac.b, 6);
	return vectors[which].len;
}

/* Changes a few bytes of a built frame; repairs the IPv4 checksum afterwards in half the cases. */
static void mutate(struct input *in, uint8_t *bytes, size_t len)
{
	uint8_t n = take(in);
	size_t l3 = len > 17 && bytes[12] == 0x81 ? 18 : 14, header;
	uint16_t sum;

	for (uint8_t i = 0; i < (n & 7); i++) {
		size_t at = take(in);

		if (at < len)
			bytes[at] = take(in);
	}
	if ((n & 8) == 0 || len < l3 + 20 || bytes[l3] >> 4 != 4)
		return;
	header = (size_t)(bytes[l3] & 15) * 4;
	if (header < 20 || len < l3 + header)
		return;
	memset(bytes + l3 + 10, 0, 2);
	sum = (uint16_t)~support_sum(0, bytes + l3, header);
	bytes[l3 + 10] = (uint8_t)(sum >> 8);
	bytes[l3 + 11] = (uint8_t)sum;
}

/* One frame: how it is made, where it comes in, how much of it is there. */
static struct gt_frame next_frame(struct input *in)
{
	uint8_t bytes[2048], how = take(in);
	uint8_t in_if = how & 1;
	size_t len;
	struct gt_frame f;

	if (how & 2) {
		len = (how & 0xc0) == 0xc0 ? copy_vector(in, in_if, bytes)
					   : build(in, in_if, bytes);
		if (how & 4)
			mutate(in, bytes, len);
	} else {
		len = take_bytes(in, bytes, take(in));
		/* else nothing would pass the first test */
		if ((how & 4) != 0 && len >= 6)
			memcpy(bytes, support_interface_mac(in_if).b, 6);
	}
	if (how & 8) { /* the end is missing; in the wire frame too, or only here */
		size_t keep = take(in);

		keep = keep < len ? keep : len;
		f = support_frame(bytes, keep);
		if (how & 16)
			f.wire_len = (uint32_t)len;
	} else {
		f = support_frame(bytes, len);
		if ((how & 48) == 48)
			f.wire_len += take(in);
	}
	f.in_if = in_if;
	return f;
}

/* ---- the story ---- */

static void burst(struct input *in, unsigned n)
{
	struct gt_frame frames[GT_BURST_MAX];

	for (unsigned i = 0; i < n; i++)
		frames[i] = next_frame(in);
	support_pipe_burst(&pipe_, frames, n);
	support_pipe_active(&pipe_);
	for (unsigned i = 0; i < n; i++) {
		if (frames[i].verdict == GT_PUNT) {
			heard = true;
			to_main(&frames[i]);
		}
		support_pipe_done(&frames[i]);
	}
}

static void step(struct input *in)
{
	uint8_t op = take(in);

	switch (op & 7) {
	case 0:
		pipe_.plan = plans[op >> 3 & (PLANS - 1)];
		break;
	case 1:
		pipe_.now_ms += take16(in);
		break;
	case 2:
		/* minutes: what is remembered runs out */
		pipe_.now_ms += (op >> 3) * 60000ULL;
		break;
	case 3:
		support_pipe_tick(&pipe_);
		break;
	default:
		burst(in, 1 + (op >> 3) + (op & 3 ? 0 : 32));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, data + size};
	static bool ready;

	if (!ready)
		init();
	ready = true;
	reset();
	while (in.p < in.end)
		step(&in);
	/* Far beyond every timeout, and short of once around the ticks. */
	pipe_.now_ms += 21ULL * 86400 * 1000;
	support_pipe_flush(&pipe_);
	DIE_UNLESS(support_pipe_active(&pipe_) == 0);
	DIE_UNLESS(pipe_.worker->flows.entries == 0);
	DIE_UNLESS(pipe_.worker->counters.created == pipe_.worker->counters.expired);
	return 0;
}
