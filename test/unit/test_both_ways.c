/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Full bursts of clients' packets and their servers' replies, of nat and snat: the express path
 * takes eight of both at once (pipeline/chunk_both.h). A twin of the worker takes the same frames
 * by the general path, and bytes, verdicts, counters and memory must be the same after each burst
 * (support_twin.h); what leaves is checked against the configuration besides (support_check.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "packet/parse.h"
#include "support_dialog.h"

#define TCP 6
#define UDP 17

/* nat; snat; snat with servers of the other family; snat by another gateway; one that comes and
 * goes */
static const char *const vips[] = {"192.0.2.106",    "2001:db8::106", "192.0.2.107",
				   "2001:db8::107",  "192.0.2.108",   "2001:db8::108",
				   "198.51.100.110", "192.0.2.110"};
#define NAT6	1
#define SNAT4	2
#define BY_SAN	6
#define LASTING 7 /* of them, all but the last */
#define VIPS	(sizeof(vips) / sizeof(vips[0]))
#define DIALOGS 160U /* of each VIP */

/* Other VIPs of ours, each in a network of its own. */
static const struct {
	const char *name, *address;
} networks[] = {
	{"n1", "2001:db8:a1::1"}, {"n2", "2001:db8:a2::1"}, {"n3", "2001:db8:a3::1"},
	{"n4", "2001:db8:a4::1"}, {"n5", "2001:db8:a5::1"}, {"n6", "2001:db8:a6::1"},
};
#define NETWORKS (sizeof(networks) / sizeof(networks[0]))

struct stage {
	struct support_pipe pipe;
	struct support_dialog dialogs[VIPS][DIALOGS];
	unsigned opened; /* how often all of them were */
	uint64_t seed;
};

/* keeps: the IPv6 VIP of snat keeps its clients at their servers. */
static struct gt_config *make_config(bool keeps)
{
	struct gt_config *c = support_pipe_express_config();
	size_t v;

	for (size_t i = 0; i < c->n_vips; i++) {
		if (strcmp(c->vips[i].name, "snat6") == 0 && !keeps)
			c->vips[i].persistence = GT_PERSIST_CONNECTION;
		if (strcmp(c->vips[i].name, "nat") == 0 || strcmp(c->vips[i].name, "nat6") == 0)
			c->vips[i].servers[0].port = 8080;
		/* Two services of one address. */
		if (strcmp(c->vips[i].name, "nat6") == 0 || strcmp(c->vips[i].name, "snat6") == 0 ||
		    strcmp(c->vips[i].name, "cross6") == 0)
			support_ports(&c->vips[i], "80,443");
	}
	/* More networks than a plan remembers apart. */
	for (unsigned i = 0; keeps && i < NETWORKS; i++)
		support_server(
			c,
			support_vip(c, networks[i].name, networks[i].address, GT_PROTO_TCP, "80"),
			"a", "2001:db8::199", 100);
	c->interfaces[1].has_gateway4 = true;
	c->interfaces[1].gateway4 = support_addr("198.51.100.50");
	v = support_vip(c, "bysan", vips[BY_SAN], GT_PROTO_TCP, "80");
	c->vips[v].mode = GT_MODE_SNAT;
	c->vips[v].interface = 1;
	support_server(c, v, "a", "192.0.2.195", 100);
	return c;
}

static void open_stage(struct stage *s, bool keeps)
{
	struct gt_worker_params params = {.connections = 1200,
					  .wide = true,
					  .snat = GT_CONFIG_SNAT_V6,
					  .random = "0123456789abcde",
					  .memory = gt_memory_heap};

	support_pipe_open_with(&s->pipe, make_config(keeps), 1, &params);
	support_pipe_twin_workers(&s->pipe, &params);
}

/* Of four clients one is on our own wire. */
static struct gt_addr client_of(size_t vip, unsigned n)
{
	bool v4 = strchr(vips[vip], '.') != NULL;
	struct gt_addr a;

	if (n % 4 == 3)
		return support_addr(v4 ? "192.0.2.50" : "2001:db8::50");
	a = support_addr(v4 ? "203.0.113.9" : "2001:db8:1::9");
	a.b[15] = (uint8_t)(a.b[15] + n);
	return a;
}

static void open_dialog(struct stage *s, size_t vip, unsigned n)
{
	struct support_dialog *d = &s->dialogs[vip][n];
	unsigned left = s->pipe.n_left;

	d->replies = false;
	/* Eight in a row on one wire, so that some eight have no neighbour among them. */
	d->request = (struct support_packet){.src = client_of(vip, n / 8),
					     .dst = support_addr(vips[vip]),
					     .protocol = TCP,
					     .sport = (uint16_t)(3000 + n + s->opened * DIALOGS),
					     .dport = vip < BY_SAN && n % 5 == 0 ? 443 : 80,
					     .flags = GT_TCP_SYN,
					     .ttl = 64};
	support_dialog_send(&s->pipe, &d->request, 0);
	if (s->pipe.n_left == left)
		return;
	support_dialog_learn(&s->pipe, d);
	d->request.payload_len = n % 90;
	/* Some are open before their server has said a word. */
	support_dialog_establish(&s->pipe, d, n % 16 != 5);
}

static void open_all(struct stage *s)
{
	for (size_t vip = 0; vip < VIPS; vip++)
		for (unsigned n = 0; n < DIALOGS; n++)
			open_dialog(s, vip, n);
	s->opened++;
}

/* Who sends: clients alone, one of each in turns, anybody, servers alone. */
enum mix { CLIENTS, TURNS, ANYBODY, SERVERS, MIXES };

static bool is_reply(enum mix mix, unsigned i, uint64_t r)
{
	return mix == SERVERS || (mix == TURNS && i % 2 == 1) || (mix == ANYBODY && (r & 1) != 0);
}

/* One that is not as the others are. */
static void disturb(struct support_packet *p, bool reply, uint64_t r)
{
	uint64_t much = r >> 16;

	switch (r % 8) {
	case 0:
		p->flags = (uint8_t)(much & 0x3f);
		break;
	case 1:
		p->protocol = UDP;
		break;
	case 2:
		p->ttl = 1;
		break;
	case 3:
		/* from nobody's port, or somebody new */
		p->sport = (uint16_t)(10000 + much % 50000);
		break;
	case 4:
		/* to nobody's port */
		if (reply)
			p->dport = (uint16_t)(much % 65536);
		break;
	case 5:
		p->src = p->dst;
		break;
	case 6:
		/* a forgery: an address of ours */
		if (!gt_addr_is_v4(&p->src))
			p->src = support_addr(networks[much % NETWORKS].address);
		break;
	default:
		/* more than the wire takes that it is to leave by */
		p->payload_len = 1470 + (uint32_t)(much % 60);
		break;
	}
}

static void give_burst(struct stage *s, size_t vip, enum mix mix, unsigned first, bool calm)
{
	uint8_t in_if = mix == SERVERS ? first & 1 : 0;
	struct gt_frame frames[GT_BURST_MAX];

	for (unsigned i = 0; i < GT_BURST_MAX; i++) {
		uint64_t r = support_random(&s->seed);
		unsigned n = (calm ? first + i : (unsigned)(r >> 8)) % DIALOGS;
		size_t of = !calm && r % 64 == 7 ? (r >> 40) % LASTING : vip;
		const struct support_dialog *d;
		struct support_packet p;
		bool reply;

		/* Two VIPs of one kind, whose replies leave by different gateways. */
		if (of == SNAT4 && i / 4 % 2 == 1)
			of = BY_SAN;
		d = &s->dialogs[of][n];

		/* Its replies come in by one interface, its server's. */
		for (unsigned j = 0; mix == SERVERS && j < DIALOGS && d->reply_if != in_if; j++)
			d = &s->dialogs[of][(n + j) % DIALOGS];
		reply = is_reply(mix, i, r >> 20) && d->replies && d->reply_if == in_if;
		p = reply ? d->reply : d->request;
		if (mix == SERVERS && !reply)
			p.protocol = UDP;
		if (!calm && r % 24 == 5)
			disturb(&p, reply, r >> 8);
		frames[i] = support_packet_frame(&p);
		frames[i].in_if = in_if;
	}
	support_pipe_give(&s->pipe, frames, GT_BURST_MAX);
}

static void change_servers(struct stage *s)
{
	for (size_t i = 0; i < gt_plan_count_servers(s->pipe.config); i++) {
		uint64_t r = support_random(&s->seed);

		s->pipe.states[i].up = r % 8 != 0;
		s->pipe.states[i].resolved = (r >> 8) % 16 != 0;
	}
	support_pipe_replan(&s->pipe);
}

static void play(bool keeps)
{
	static struct stage s;
	uint64_t forwarded;

	s = (struct stage){.seed = 7};
	open_stage(&s, keeps);
	for (unsigned round = 0; round < 1600; round++) {
		enum mix mix = (enum mix)(round % MIXES);
		size_t vip = round / MIXES % LASTING;
		bool calm = round / 32 % 2 == 0;

		if (round % 100 == 0)
			open_all(&s);
		forwarded = s.pipe.worker->counters.forwarded;
		give_burst(&s, vip, mix, round * 24, calm);
		/* Where nothing was disturbed yet, all of it is ordinary. */
		if (round < 32)
			assert_int_equal(s.pipe.worker->counters.forwarded,
					 forwarded + GT_BURST_MAX);
		s.pipe.now_ms += round % 37 == 0 ? 20000 : round % 203 == 0 ? 8000000 : 50;
		if (round % 50 == 49)
			change_servers(&s);
	}
	support_pipe_close(&s.pipe);
}

static void both_ways_are_as_their_frames(void **state)
{
	(void)state;
	play(false);
	play(true);
}

/* An address of snat's becomes a VIP's: what is to come back to it does not. */
static bool gives_up(unsigned round)
{
	return round % 8 == 7;
}

/* VIPs of snat lose a server. */
static struct gt_config *take_servers(unsigned round)
{
	static const char *const addresses[] = {"192.0.2.190", "192.0.2.191", "192.0.2.192",
						"192.0.2.193"};
	struct gt_config *c = make_config(false);
	size_t n = c->n_vips, extra;

	if (round % 2 == 0)
		return c;
	for (size_t i = 0; i < n; i++) {
		struct gt_config_vip *v = &c->vips[i];

		/* the last one, or the first */
		if (v->mode == GT_MODE_SNAT && v->n_servers > 1) {
			if (round % 4 == 1)
				v->servers[0] = v->servers[1];
			v->n_servers--;
		}
		if (gives_up(round) && v->n_snat_addresses > 1)
			v->n_snat_addresses--;
	}
	if (gives_up(round))
		support_server(c, support_vip(c, "taken", "192.0.2.4", GT_PROTO_UDP, "9"), "a",
			       "192.0.2.196", 100);
	extra = support_vip(c, "extra", vips[LASTING], GT_PROTO_TCP, "80");
	c->vips[extra].mode = GT_MODE_SNAT;
	for (unsigned i = 0; i < 4; i++)
		support_server(c, extra, (const char[2]){(char)('a' + i), 0}, addresses[i], 100);
	return c;
}

/* Servers and addresses that are gone after a reload: their old sessions' replies are not sent. */
static void both_ways_survive_a_reload(void **state)
{
	static struct stage s;

	(void)state;
	s = (struct stage){.seed = 9};
	open_stage(&s, false);
	for (unsigned round = 0; round < 60; round++) {
		open_all(&s);
		support_pipe_reload(&s.pipe, take_servers(round));
		for (unsigned i = 0; i < VIPS * MIXES; i++)
			if (!gives_up(round) || i % MIXES == SERVERS)
				give_burst(&s, i / MIXES, (enum mix)(i % MIXES), i * 8, true);
		/* Room for the next ones. */
		s.pipe.now_ms += 3 * 3600 * 1000;
		support_pipe_flush(&s.pipe);
	}
	support_pipe_close(&s.pipe);
}

/* Among eight packets of one service, from networks that are none of ours, one in the name of an
 * address of ours. */
static void both_ways_forgeries_are_seen(void **state)
{
	static struct stage s;

	(void)state;
	s = (struct stage){.seed = 11};
	open_stage(&s, true);
	open_all(&s);
	for (unsigned i = 0; i < NETWORKS * 8; i++) {
		uint64_t forged = s.pipe.worker->counters.drops[GT_DROP_SOURCE_VIP];
		struct gt_frame frames[8];

		for (unsigned j = 0; j < 8; j++) {
			/* to port 80 */
			struct support_packet p = s.dialogs[NAT6][j * 5 + 1 + i % 2].request;

			p.src = support_addr("2001:db8:1::9");
			if (j == i % 8)
				p.src = support_addr(networks[i / 8].address);
			frames[j] = support_packet_frame(&p);
			frames[j].in_if = 0;
		}
		support_pipe_give(&s.pipe, frames, 8);
		assert_int_equal(s.pipe.worker->counters.drops[GT_DROP_SOURCE_VIP], forged + 1);
	}
	support_pipe_close(&s.pipe);
}

/* A connection of snat that is established. */
static void begin_dialog(struct support_pipe *p, struct support_dialog *d, const char *vip,
			 uint16_t vip_port, unsigned port)
{
	*d = (struct support_dialog){.request = {.src = support_addr("203.0.113.9"),
						 .dst = support_addr(vip),
						 .protocol = TCP,
						 .sport = (uint16_t)port,
						 .dport = vip_port,
						 .flags = GT_TCP_SYN,
						 .ttl = 64}};
	support_dialog_send(p, &d->request, 0);
	support_dialog_learn(p, d);
	support_dialog_establish(p, d, true);
}

/* Two services of one address, one of snat and one of dr; swapped, each is the other's. */
static struct gt_config *make_two(bool swapped)
{
	struct gt_config *c = make_config(false);
	size_t v;

	v = support_vip(c, "is_snat", "192.0.2.111", GT_PROTO_TCP, swapped ? "81" : "80");
	c->vips[v].mode = GT_MODE_SNAT;
	support_server(c, v, "a", "192.0.2.197", 100);
	v = support_vip(c, "is_dr", "192.0.2.111", GT_PROTO_TCP, swapped ? "80" : "81");
	support_server(c, v, "a", "192.0.2.198", 100);
	return c;
}

/* A service that was snat's and is dr's after a reload: its old sessions end, also where they come
 * among snat's clients. */
static void both_ways_a_service_changes_its_mode(void **state)
{
	static struct stage s;
	struct support_dialog old[8], new[8];

	(void)state;
	s = (struct stage){.seed = 13};
	open_stage(&s, false);
	support_pipe_reload(&s.pipe, make_two(false));
	for (unsigned i = 0; i < 8; i++)
		begin_dialog(&s.pipe, &old[i], "192.0.2.111", 80, 7000 + i);
	support_pipe_reload(&s.pipe, make_two(true));
	for (unsigned i = 0; i < 8; i++)
		begin_dialog(&s.pipe, &new[i], "192.0.2.111", 81, 7100 + i);
	for (unsigned place = 0; place < 8; place++) {
		uint64_t created = s.pipe.worker->counters.created;
		struct gt_frame frames[8];

		for (unsigned i = 0; i < 8; i++) {
			frames[i] = support_packet_frame(i == place ? &old[place].request
								    : &new[i].request);
			frames[i].in_if = 0;
		}
		support_pipe_give(&s.pipe, frames, 8);
		assert_int_equal(s.pipe.worker->counters.created, created + 1);
	}
	support_pipe_close(&s.pipe);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ways_are_as_their_frames),
		cmocka_unit_test(both_ways_survive_a_reload),
		cmocka_unit_test(both_ways_forgeries_are_seen),
		cmocka_unit_test(both_ways_a_service_changes_its_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
