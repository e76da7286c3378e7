/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * snat over several workers, in both ways that frames come to them: a device that places frames as
 * a NIC with our key and table does (by DPDK's rte_softrss), where no reply may have to be handed
 * over; and devices that bring any frame to any worker, where all are. ICMP errors and fragments
 * find their connection from every worker. Within a family and between the families.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "packet/parse.h"
#include "pipeline/pipeline.h"
#include "support.h"

#define WORKERS_MAX 7

struct team {
	struct gt_config *config;
	struct gt_server_state *states;
	struct gt_plan *plan;
	struct gt_worker *workers[WORKERS_MAX];
	uint16_t n;
	bool exact; /* the device places frames as a NIC with our key */
	uint64_t now_ms;
	uint64_t random;
};

/* Which VIP, which servers: each family to each, TCP and UDP; one of persistence = source. */
static const struct kind {
	const char *name, *vip, *server;
	enum gt_protocol protocol;
	const char *port;
	uint16_t vip_port, server_port; /* 0: the client's */
	bool source;
} kinds[] = {
	{"t44", "192.0.2.100", "192.0.2.11", GT_PROTO_TCP, "104", 104, 11112, false},
	{"t66", "2001:db8::100", "2001:db8::11", GT_PROTO_TCP, "104", 104, 0, false},
	{"t64", "2001:db8::100", "192.0.2.12", GT_PROTO_TCP, "80", 80, 8080, false},
	{"t46", "192.0.2.100", "2001:db8::12", GT_PROTO_TCP, "80", 80, 0, false},
	{"u44", "192.0.2.100", "192.0.2.11", GT_PROTO_UDP, "514", 514, 0, false},
	{"u66", "2001:db8::100", "2001:db8::11", GT_PROTO_UDP, "514", 514, 5514, false},
	{"u64", "2001:db8::100", "192.0.2.12", GT_PROTO_UDP, "53", 53, 0, false},
	{"u46", "192.0.2.100", "2001:db8::12", GT_PROTO_UDP, "53", 53, 0, false},
	{"src", "192.0.2.101", "192.0.2.13", GT_PROTO_TCP, "104", 104, 0, true},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static struct gt_config *make_config(void)
{
	struct gt_config *c = support_config(7);

	support_interface(c, "lan", 0, "192.0.2.2/24");
	support_address(c, 0, "2001:db8::2/64");
	c->interfaces[0].has_gateway4 = c->interfaces[0].has_gateway6 = true;
	c->interfaces[0].gateway4 = support_addr("192.0.2.1");
	c->interfaces[0].gateway6 = support_addr("2001:db8::1");
	for (size_t i = 0; i < KINDS; i++) {
		const struct kind *k = &kinds[i];
		size_t v = support_vip(c, k->name, k->vip, k->protocol, k->port);

		c->vips[v].mode = GT_MODE_SNAT;
		if (k->source)
			c->vips[v].persistence = GT_PERSIST_SOURCE;
		support_server(c, v, "a", k->server, 100)->port = k->server_port;
	}
	return c;
}

static void open_team(struct team *t, uint16_t n, bool exact)
{
	struct gt_plan_known known[2] = {{support_addr("192.0.2.1"), {{2, 9, 9, 9, 9, 4}}, 0},
					 {support_addr("2001:db8::1"), {{2, 9, 9, 9, 9, 6}}, 0}};
	struct gt_worker_params params = {.connections = 2000,
					  .wide = true,
					  .snat = GT_CONFIG_SNAT_V6,
					  .steer = {.n_workers = n, .exact = {exact}},
					  .random = "0123456789abcde",
					  .memory = gt_memory_heap};
	struct gt_mac mac = support_interface_mac(0);

	*t = (struct team){.config = make_config(), .n = n, .exact = exact, .now_ms = 1000000};
	t->states = support_states(t->config);
	assert_int_equal(gt_plan_build(t->config, t->states, &mac, known, 2, NULL, &t->plan), 0);
	for (uint16_t w = 0; w < n; w++) {
		params.steer.worker = w;
		t->workers[w] = gt_worker_create(&params);
		assert_non_null(t->workers[w]);
	}
}

static void close_team(struct team *t)
{
	uint64_t in = 0, fates = 0;

	for (uint16_t w = 0; w < t->n; w++) {
		const struct gt_counters *c = &t->workers[w]->counters;

		in += c->in;
		fates += c->forwarded + c->answered + gt_counters_dropped(c);
		gt_worker_destroy(t->workers[w]);
	}
	assert_int_equal(in, fates);
	gt_plan_free(t->plan);
	free(t->states);
	support_config_free(t->config);
}

/* ---- what goes and what comes out ---- */

/* A packet that left: its ends, and the worker that sent it after how many hand-overs. */
struct sent {
	struct gt_addr src, dst;
	uint16_t sport, dport;
	unsigned worker, hands;
};

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void read_ends(const struct gt_frame *f, struct sent *s)
{
	const uint8_t *ip = f->data + 14, *l4;

	if (ip[0] >> 4 == 4) {
		memset(s->src.b, 0, 10);
		memset(s->src.b + 10, 0xff, 2);
		s->dst = s->src;
		memcpy(s->src.b + 12, ip + 12, 4);
		memcpy(s->dst.b + 12, ip + 16, 4);
		l4 = ip + 20;
	} else {
		memcpy(s->src.b, ip + 8, 16);
		memcpy(s->dst.b, ip + 24, 16);
		l4 = ip + 40 + (ip[6] == IPPROTO_FRAGMENT ? 8 : 0);
	}
	s->sport = get16(l4);
	s->dport = get16(l4 + 2);
}

/* A frame that comes to a worker, and is handed on until one sends it. */
static struct sent send_from(struct team *t, unsigned worker, const struct support_packet *p)
{
	struct gt_frame f = support_packet_frame(p);
	struct sent s = {.worker = worker};

	for (;;) {
		gt_worker_burst(t->workers[s.worker], t->plan, t->now_ms, &f, 1);
		if (f.verdict != GT_HAND)
			break;
		assert_int_not_equal(f.to_worker, s.worker);
		s.worker = f.to_worker;
		/* A fragment meets the others first, then goes home. */
		assert_true(++s.hands <= 2);
	}
	assert_int_equal(f.verdict, GT_SEND);
	assert_true(support_checksums_good(f.data, f.len));
	read_ends(&f, &s);
	support_frame_free(&f);
	return s;
}

/* The queue of a whole TCP or UDP packet: a NIC's, of 512 entries as app/gantry/rss.c writes them;
 * of other devices, any. */
static unsigned queue_of(struct team *t, const struct support_packet *p)
{
	if (t->exact)
		return support_rss(&p->src, &p->dst, p->sport, p->dport) % 512 % 128 % t->n;
	return (unsigned)(support_random(&t->random) % t->n);
}

static struct support_packet between(const struct gt_addr *src, uint16_t sport,
				     const struct gt_addr *dst, uint16_t dport, uint8_t protocol,
				     uint8_t flags)
{
	return (struct support_packet){.src = *src,
				       .dst = *dst,
				       .sport = sport,
				       .dport = dport,
				       .protocol = protocol,
				       .flags = flags,
				       .payload_len = 100};
}

/* The same packet the other way, as an ICMP error about it embeds it: the error is from its
 * receiver to its sender. */
static struct support_packet error_about(const struct support_packet *p, uint8_t *bytes)
{
	bool v4 = gt_addr_is_v4(&p->dst);

	return (struct support_packet){.src = p->dst,
				       .dst = p->src,
				       .protocol = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6,
				       .icmp_type = v4 ? 3 : 1,
				       .icmp_code = v4 ? 3 : 4,
				       .payload_len = support_build(p, bytes) - 14,
				       .payload = bytes + 14};
}

/* ---- what is asked of a connection ---- */

struct connection {
	const struct kind *kind;
	struct support_packet request, reply; /* as they come in */
	unsigned owner;
};

static struct gt_addr random_client(struct team *t, bool v4)
{
	struct gt_addr a = support_addr("2001:db8:c::");
	uint64_t r = support_random(&t->random);

	if (v4)
		return gt_addr_from_v4(rte_cpu_to_be_32(0x0a000000 | (uint32_t)(r & 0xffffff)));
	memcpy(a.b + 8, &r, 8);
	return a;
}

static struct connection begin(struct team *t, const struct kind *k)
{
	struct gt_addr vip = support_addr(k->vip), server = support_addr(k->server);
	struct gt_addr client = random_client(t, gt_addr_is_v4(&vip));
	uint16_t port = (uint16_t)(1024 + support_random(&t->random) % 60000);
	uint8_t protocol = k->protocol == GT_PROTO_TCP ? IPPROTO_TCP : IPPROTO_UDP;
	struct connection c = {
		.kind = k,
		.request = between(&client, port, &vip, k->vip_port, protocol, GT_TCP_SYN)};
	struct sent s = send_from(t, queue_of(t, &c.request), &c.request);

	/* A NIC does not know that a client's address alone shall count. */
	if (t->exact && !k->source)
		assert_int_equal(s.hands, 0);
	assert_true(gt_addr_equal(&s.dst, &server));
	assert_int_equal(s.dport, k->server_port != 0 ? k->server_port : k->vip_port);
	assert_true(s.sport >= 1024);
	c.owner = s.worker;
	c.reply = between(&s.dst, s.dport, &s.src, s.sport, protocol, GT_TCP_SYN | GT_TCP_ACK);
	return c;
}

static void assert_is_reply(const struct connection *c, const struct sent *s)
{
	assert_int_equal(s->worker, c->owner);
	assert_true(gt_addr_equal(&s->src, &c->request.dst));
	assert_true(gt_addr_equal(&s->dst, &c->request.src));
	assert_int_equal(s->sport, c->request.dport);
	assert_int_equal(s->dport, c->request.sport);
}

static void assert_is_request(const struct connection *c, const struct sent *s)
{
	assert_int_equal(s->worker, c->owner);
	assert_true(gt_addr_equal(&s->src, &c->reply.dst));
	assert_true(gt_addr_equal(&s->dst, &c->reply.src));
	assert_int_equal(s->sport, c->reply.dport);
	assert_int_equal(s->dport, c->reply.sport);
}

/* By the NIC's queue, without a hand-over; or by every worker, handed over once by all but one. */
static void reply_comes_home(struct team *t, const struct connection *c)
{
	if (t->exact) {
		struct sent s = send_from(t, queue_of(t, &c->reply), &c->reply);

		assert_is_reply(c, &s);
		assert_int_equal(s.hands, 0);
		return;
	}
	for (unsigned w = 0; w < t->n; w++) {
		struct sent s = send_from(t, w, &c->reply);

		assert_is_reply(c, &s);
		assert_int_equal(s.hands, w != c->owner);
	}
}

/* An error about the reply comes from the client's side, one about the request from the server's.
 */
static void errors_come_home(struct team *t, const struct connection *c)
{
	uint8_t bytes[2048];
	struct support_packet out = between(&c->request.dst, c->request.dport, &c->request.src,
					    c->request.sport, c->request.protocol, GT_TCP_ACK);
	struct support_packet to_client = error_about(&out, bytes);

	for (unsigned w = 0; w < t->n; w++) {
		struct sent s = send_from(t, w, &to_client);

		assert_int_equal(s.worker, c->owner);
		assert_int_equal(s.hands, w != c->owner);
		assert_true(gt_addr_equal(&s.dst, &c->reply.src));
	}
	out = between(&c->reply.dst, c->reply.dport, &c->reply.src, c->reply.sport,
		      c->reply.protocol, GT_TCP_ACK);
	to_client = error_about(&out, bytes);
	for (unsigned w = 0; w < t->n; w++) {
		struct sent s = send_from(t, w, &to_client);

		assert_int_equal(s.worker, c->owner);
		assert_int_equal(s.hands, w != c->owner);
		assert_true(gt_addr_equal(&s.dst, &c->request.src));
	}
}

/* A datagram in two, its pieces to different workers; no device places fragments by ports. */
static void fragments_come_home(struct team *t, const struct connection *c)
{
	for (unsigned w = 0; w < t->n; w++) {
		struct support_packet p[2] = {c->request, c->reply};

		for (unsigned way = 0; way < 2; way++) {
			struct sent s;

			p[way].id = (uint32_t)support_random(&t->random) & 0xffff;
			p[way].piece_len = 64;
			p[way].more = true;
			s = send_from(t, w, &p[way]);
			if (way == 0)
				assert_is_request(c, &s);
			else
				assert_is_reply(c, &s);
			p[way].piece_offset = 64;
			p[way].piece_len = 44; /* of 100, and 8 of UDP */
			p[way].more = false;
			s = send_from(t, (w + 1) % t->n, &p[way]);
			assert_int_equal(s.worker, c->owner);
			assert_true(
				gt_addr_equal(&s.dst, way == 0 ? &c->reply.src : &c->request.src));
		}
	}
}

static uint64_t handed(const struct team *t)
{
	uint64_t sum = 0;

	for (uint16_t w = 0; w < t->n; w++)
		sum += t->workers[w]->counters.handed;
	return sum;
}

static void connections_over(uint16_t n, bool exact)
{
	unsigned owners[WORKERS_MAX] = {0};
	struct team t;

	open_team(&t, n, exact);
	for (unsigned i = 0; i < 100 * KINDS; i++) {
		const struct kind *k = &kinds[i % KINDS];
		struct connection c = begin(&t, k);
		uint64_t before = handed(&t);

		owners[c.owner]++;
		reply_comes_home(&t, &c);
		if (exact)
			assert_int_equal(handed(&t), before);
		errors_come_home(&t, &c);
		if (k->protocol == GT_PROTO_UDP)
			fragments_come_home(&t, &c);
		t.now_ms += 10;
	}
	/* all have their part, or the above says little */
	for (unsigned w = 0; w < n; w++)
		assert_in_range(owners[w], 100 * KINDS / n / 2, 100 * KINDS / n * 2);
	close_team(&t);
}

static void snat_exact_device_replies_come_to_their_owner(void **state)
{
	(void)state;
	for (uint16_t n = 2; n <= WORKERS_MAX; n++)
		connections_over(n, true);
}

static void snat_any_device_replies_are_handed_to_their_owner(void **state)
{
	(void)state;
	for (uint16_t n = 2; n <= WORKERS_MAX; n++)
		connections_over(n, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(snat_exact_device_replies_come_to_their_owner),
		cmocka_unit_test(snat_any_device_replies_are_handed_to_their_owner),
	};

	return cmocka_run_group_tests_name("workers", tests, NULL, NULL);
}
