/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a frame gets: the rows of the contract's table for `dr`, IPv4 and IPv6, each with its
 * verdict, reason and counters. support_pipe.c checks each frame's bytes and the counters'
 * identity.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "packet/parse.h"
#include "support_pipe.h"
#include "vectors_packets.h"

#define TCP 6
#define UDP 17
#define SYN GT_TCP_SYN
#define ACK GT_TCP_ACK

static const char *const client4 = "203.0.113.9", *const client6 = "2001:db8:1::9";

static struct support_packet packet(const char *dst, uint8_t protocol, uint16_t dport)
{
	return (struct support_packet){
		.src = support_addr(strchr(dst, ':') != NULL ? client6 : client4),
		.dst = support_addr(dst),
		.protocol = protocol,
		.sport = 40000,
		.dport = dport,
		.flags = SYN,
		.payload_len = 13,
	};
}

static struct support_pipe open_pipe(void)
{
	struct support_pipe p;

	support_pipe_open(&p, 1000);
	return p;
}

/* As support_pipe_server: minus one minus the reason. */
#define DROPPED(reason) (-1 - GT_DROP_##reason)
#define ANSWERED	(-1000 - GT_ANSWER)
#define PUNTED		(-1000 - GT_PUNT)

static int give(struct support_pipe *p, struct support_packet s)
{
	uint64_t before = p->worker->counters.in;
	int got = support_pipe_server(p, &s);

	assert_true(p->worker->counters.in == before + 1);
	if (got < 0 && got > -1000)
		assert_true(p->worker->counters.drops[-1 - got] > 0);
	return got;
}

/* A frame as it is, on an interface. */
static int give_bytes(struct support_pipe *p, uint8_t in_if, const uint8_t *bytes, size_t len)
{
	struct gt_frame f = support_frame(bytes, len);
	int got;

	f.in_if = in_if;
	support_pipe_burst(p, &f, 1);
	got = f.verdict == GT_DROP ? -1 - f.reason : f.verdict == GT_SEND ? 1 : -1000 - f.verdict;
	support_pipe_done(&f);
	return got;
}

static void assert_server_of(const struct support_pipe *p, int server, const char *vip)
{
	assert_in_range(server, 1, p->plan->n_servers - 1);
	assert_string_equal(p->plan->server_names[server].vip->name, vip);
}

/* ---- to a VIP ---- */

static void burst_to_a_vips_port_is_sent_to_one_of_its_servers(void **state)
{
	static const struct {
		const char *dst;
		uint8_t protocol;
		uint16_t port;
		const char *vip;
	} rows[] = {
		{"192.0.2.100", TCP, 80, "web"},   {"192.0.2.100", TCP, 443, "web"},
		{"192.0.2.100", TCP, 5000, "web"}, {"192.0.2.100", TCP, 5010, "web"},
		{"192.0.2.100", UDP, 53, "dns"},   {"2001:db8::100", TCP, 80, "web6"},
		{"2001:db8::100", UDP, 0, "dns6"}, {"2001:db8::100", UDP, 65535, "dns6"},
		{"192.0.2.101", TCP, 0, "all"},	   {"192.0.2.101", TCP, 65535, "all"},
		{"192.0.2.102", TCP, 80, "keep"},
	};
	struct support_pipe p = open_pipe();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct support_packet s = packet(rows[i].dst, rows[i].protocol, rows[i].port);
		int server = give(&p, s);

		assert_server_of(&p, server, rows[i].vip);
		/* and there it stays */
		s.flags = ACK;
		assert_int_equal(give(&p, s), server);
	}
	assert_true(p.worker->counters.created == sizeof(rows) / sizeof(rows[0]));
	assert_true(support_pipe_active(&p) == sizeof(rows) / sizeof(rows[0]));
	support_pipe_close(&p);
}

static void burst_sent_frame_has_the_servers_and_the_interfaces_mac(void **state)
{
	struct support_pipe p = open_pipe();
	struct support_packet s = packet("192.0.2.103", TCP, 80);
	struct gt_mac want;
	struct gt_frame f;
	uint8_t came[2048];
	size_t len;

	(void)state;
	support_pipe_state(&p, "down", "a")->up = true;
	support_pipe_replan(&p);
	len = support_build(&s, came);
	f = support_pipe_send(&p, &s);
	assert_int_equal(f.verdict, GT_SEND);
	assert_int_equal(f.out_if, 0);
	assert_int_equal(f.len, len);
	want = support_server_mac(&p.config->vips[6].servers[0].address);
	assert_memory_equal(f.data, want.b, 6);
	want = support_interface_mac(0);
	assert_memory_equal(f.data + 6, want.b, 6);
	assert_memory_equal(f.data + 12, came + 12, len - 12);
	support_pipe_done(&f);
	support_pipe_close(&p);
}

static void burst_to_no_port_of_a_vip_is_no_service(void **state)
{
	static const struct {
		const char *dst;
		uint8_t protocol;
		uint16_t port;
	} rows[] = {
		{"192.0.2.100", TCP, 81},    {"192.0.2.100", TCP, 4999}, {"192.0.2.100", TCP, 5011},
		{"192.0.2.100", TCP, 53},    {"192.0.2.100", UDP, 80},	 {"192.0.2.100", 47, 0},
		{"192.0.2.100", 50, 0},	     {"192.0.2.101", UDP, 80},	 {"192.0.2.100", 58, 0},
		{"2001:db8::100", TCP, 443}, {"2001:db8::100", 50, 0},	 {"2001:db8::100", 59, 0},
		{"2001:db8::100", 1, 0},
	};
	struct support_pipe p = open_pipe();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(give(&p, packet(rows[i].dst, rows[i].protocol, rows[i].port)),
				 DROPPED(NO_SERVICE));
	assert_true(p.worker->counters.created == 0);
	support_pipe_close(&p);
}

static void burst_to_a_vip_without_a_server_is_no_server(void **state)
{
	struct support_pipe p = open_pipe();
	uint16_t vip = support_vip_number(p.plan, "down");

	(void)state;
	assert_int_equal(give(&p, packet("192.0.2.103", TCP, 80)), DROPPED(NO_SERVER));
	assert_true(p.worker->vips[vip].no_server == 1);
	assert_true(p.worker->counters.created == 0 && support_pipe_active(&p) == 0);
	support_pipe_close(&p);
}

static void burst_to_an_unresolved_server_is_no_neighbour(void **state)
{
	struct support_pipe p = open_pipe();

	(void)state;
	assert_int_equal(give(&p, packet("192.0.2.104", TCP, 80)), DROPPED(NO_NEIGHBOUR));
	support_pipe_close(&p);
}

/* ---- ICMP ---- */

static struct support_packet icmp(const char *dst, uint8_t type, uint8_t code)
{
	struct support_packet s = packet(dst, strchr(dst, ':') != NULL ? 58 : 1, 0);

	s.icmp_type = type;
	s.icmp_code = code;
	return s;
}

static void burst_echo_is_answered_while_a_server_is_healthy(void **state)
{
	struct support_pipe p = open_pipe();

	(void)state;
	assert_int_equal(give(&p, icmp("192.0.2.100", 8, 0)), ANSWERED);
	assert_int_equal(give(&p, icmp("2001:db8::100", 128, 0)), ANSWERED);
	/* unresolved is not unhealthy */
	assert_int_equal(give(&p, icmp("192.0.2.104", 8, 0)), ANSWERED);
	assert_int_equal(give(&p, icmp("192.0.2.103", 8, 0)), DROPPED(NO_SERVER));
	assert_true(p.worker->counters.answered == 3);
	support_pipe_close(&p);
}

static void burst_echo_answer_is_a_good_reply(void **state)
{
	static const char *const vips[] = {"192.0.2.100", "2001:db8::100"};
	struct support_pipe p = open_pipe();

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct support_packet s = icmp(vips[i], i ? 128 : 8, 0);
		struct gt_mac mac = support_interface_mac(0);
		struct gt_frame f = support_pipe_send(&p, &s);
		struct gt_packet r;

		assert_int_equal(f.verdict, GT_ANSWER);
		assert_true(support_checksums_good(f.data, f.len));
		assert_int_equal(gt_parse_link(&f, &r), GT_PARSE_OK);
		assert_int_equal(gt_parse_network(&f, &r), GT_PARSE_OK);
		assert_memory_equal(&r.src, &s.dst, 16);
		assert_memory_equal(&r.dst, &s.src, 16);
		assert_int_equal(r.icmp_type, i ? 129 : 0);
		assert_memory_equal(f.data + 6, mac.b, 6);
		support_pipe_done(&f);
	}
	support_pipe_close(&p);
}

static void burst_other_icmp_is_icmp_other(void **state)
{
	static const uint8_t types4[] = {0, 5, 9, 10, 13, 17, 40, 255},
			     types6[] = {0, 5, 100, 127, 129, 130, 133, 134, 137, 255};
	struct support_pipe p = open_pipe();

	(void)state;
	for (size_t i = 0; i < sizeof(types4); i++)
		assert_int_equal(give(&p, icmp("192.0.2.100", types4[i], 0)), DROPPED(ICMP_OTHER));
	for (size_t i = 0; i < sizeof(types6); i++)
		assert_int_equal(give(&p, icmp("2001:db8::100", types6[i], 0)),
				 DROPPED(ICMP_OTHER));
	assert_int_equal(give(&p, icmp("192.0.2.100", 8, 1)), DROPPED(ICMP_OTHER));
	support_pipe_close(&p);
}

/* An error about what the VIP sent to the client: `embed` builds that packet. */
static struct support_packet error_about(const struct support_packet *connection, uint8_t *bytes,
					 size_t l4_bytes)
{
	struct support_packet back = {.src = connection->dst,
				      .dst = connection->src,
				      .protocol = connection->protocol,
				      .sport = connection->dport,
				      .dport = connection->sport,
				      .payload_len = 20};
	struct support_packet error = *connection;
	bool v6 = !gt_addr_is_v4(&connection->dst);

	support_build(&back, bytes);
	memmove(bytes, bytes + 14, 200);
	error.src = support_addr(v6 ? "2001:db8:77::1" : "198.18.0.1"); /* a router */
	error.protocol = v6 ? 58 : 1;
	error.icmp_type = v6 ? 2 : 3;
	error.icmp_code = v6 ? 0 : 4;
	error.payload = bytes;
	error.payload_len = (v6 ? 40 : 20) + l4_bytes;
	return error;
}

static void burst_icmp_error_goes_to_its_connections_server(void **state)
{
	static const struct {
		const char *dst;
		uint8_t protocol;
		uint16_t port;
	} rows[] = {{"192.0.2.100", TCP, 80},	 {"192.0.2.100", UDP, 53},
		    {"192.0.2.101", TCP, 12345}, {"2001:db8::100", TCP, 80},
		    {"2001:db8::100", UDP, 999}, {"192.0.2.102", TCP, 80}};
	struct support_pipe p = open_pipe();
	uint8_t embedded[2048];
	uint64_t entries;
	int other = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (uint16_t port = 1; port < 20; port++) {
			struct support_packet s = packet(rows[i].dst, rows[i].protocol,
							 rows[i].port),
					      e;
			int server, fresh;

			s.sport = port;
			server = give(&p, s);
			assert_true(server > 0);
			e = error_about(&s, embedded, 8);
			assert_int_equal(give(&p, e), server);
			/* without a connection the scheduler says where it would go */
			s.sport = (uint16_t)(port + 1000);
			e = error_about(&s, embedded, 8);
			entries = p.worker->flows.entries;
			fresh = give(&p, e);
			assert_true(fresh > 0);
			assert_true(p.worker->flows.entries == entries); /* and makes none */
			assert_int_equal(give(&p, s), fresh);
			other += fresh != server;
		}
	}
	assert_true(other > 0);
	support_pipe_close(&p);
}

static void burst_icmp_error_follows_its_connection_not_the_schedule(void **state)
{
	struct support_pipe p = open_pipe();
	uint8_t embedded[2048];
	int elsewhere = 0;

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (uint16_t port = 1; port < 60; port++) {
			struct support_packet s = packet("192.0.2.100", TCP, 443), e;
			static int server[60];

			s.sport = port;
			if (round == 0) {
				server[port] = give(&p, s);
				continue;
			}
			e = error_about(&s, embedded, 8);
			assert_int_equal(give(&p, e), server[port]);
			elsewhere += gt_plan_schedule(p.plan, support_vip_number(p.plan, "web"),
						      &s.src, rte_cpu_to_be_16(port),
						      rte_cpu_to_be_16(443)) != server[port];
		}
		support_pipe_state(&p, "web", "a")->weight = 1;
		support_pipe_state(&p, "web", "b")->admin = GT_ADMIN_DRAIN;
		support_pipe_replan(&p);
	}
	assert_true(elsewhere > 10);
	support_pipe_close(&p);
}

static void burst_icmp_error_malformed_is_dropped(void **state)
{
	static const char *const vips[] = {"192.0.2.100", "2001:db8::100"};
	struct support_pipe p = open_pipe();
	uint8_t embedded[2048];

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct support_packet s = packet(vips[v6], TCP, 80), e;

		for (size_t n = 0; n < 8; n++) {
			e = error_about(&s, embedded, n);
			assert_int_equal(give(&p, e), DROPPED(ICMP_BAD));
		}
		e = error_about(&s, embedded, 8);
		embedded[v6 ? 23 : 15] ^= 1; /* not from the VIP */
		assert_int_equal(give(&p, e), DROPPED(ICMP_BAD));
		s.dport = 81;
		e = error_about(&s, embedded, 8);
		assert_int_equal(give(&p, e), DROPPED(NO_SERVICE));
		s.protocol = v6 ? 58 : 1; /* about an answered echo */
		e = error_about(&s, embedded, 8);
		assert_int_equal(give(&p, e), DROPPED(ICMP_OTHER));
		/* itself a fragment */
		s = packet(vips[v6], TCP, 80);
		e = error_about(&s, embedded, 8);
		e.piece_len = 24;
		e.more = true;
		assert_int_equal(give(&p, e), DROPPED(ICMP_BAD));
	}
	support_pipe_close(&p);
}

/* ---- neighbours ---- */

static void burst_arp_and_ndp_are_mains(void **state)
{
	struct support_pipe p = open_pipe();
	uint8_t na[sizeof(v_ns6)], tagged[sizeof(v_arp) + 4];
	struct gt_addr vip = support_addr("2001:db8::100");

	(void)state;
	assert_int_equal(give_bytes(&p, 0, v_arp, sizeof(v_arp)), PUNTED);
	assert_int_equal(give_bytes(&p, 0, v_dad6, sizeof(v_dad6)), PUNTED);
	assert_int_equal(give_bytes(&p, 0, v_ns6, sizeof(v_ns6)), PUNTED);
	/* another station that answers for a VIP must be heard of */
	memcpy(na, v_ns6, sizeof(na));
	na[54] = 136;
	memcpy(na + 22, vip.b, 16);
	assert_int_equal(give_bytes(&p, 0, na, sizeof(na)), PUNTED);
	/* also with the interface's tag, and not with another */
	memcpy(tagged, v_arp_vlan, sizeof(tagged));
	assert_int_equal(give_bytes(&p, 1, tagged, sizeof(tagged)), PUNTED);
	assert_int_equal(give_bytes(&p, 0, tagged, sizeof(tagged)), DROPPED(VLAN));
	assert_int_equal(give_bytes(&p, 1, v_arp, sizeof(v_arp)), DROPPED(VLAN));
	assert_true(p.punted == 5);
	support_pipe_close(&p);
}

/* ---- not for a VIP ---- */

static void burst_to_an_own_address_is_own_address(void **state)
{
	static const char *const own[] = {"192.0.2.2", "198.51.100.2", "2001:db8::2"};
	struct support_pipe p = open_pipe();

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		bool v6 = i == 2;

		assert_int_equal(give(&p, packet(own[i], TCP, 80)), DROPPED(OWN_ADDRESS));
		assert_int_equal(give(&p, icmp(own[i], v6 ? 128 : 8, 0)), DROPPED(OWN_ADDRESS));
	}
	support_pipe_close(&p);
}

static void burst_to_others_is_not_ours(void **state)
{
	static const char *const others[] = {
		"192.0.2.11",	   "192.0.2.99",    "8.8.8.8", "224.0.0.1",
		"255.255.255.255", "2001:db8::101", "ff02::1", "::1"};
	struct support_pipe p = open_pipe();

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(give(&p, packet(others[i], TCP, 80)), DROPPED(NOT_OURS));
	support_pipe_close(&p);
}

static void burst_source_that_is_ours_is_dropped(void **state)
{
	struct support_pipe p = open_pipe();
	struct support_packet s = packet("192.0.2.100", TCP, 80);

	(void)state;
	s.src = support_addr("192.0.2.101"); /* another VIP */
	assert_int_equal(give(&p, s), DROPPED(SOURCE_VIP));
	s.src = s.dst; /* LAND */
	assert_int_equal(give(&p, s), DROPPED(SOURCE_VIP));
	s.src = support_addr("192.0.2.2");
	assert_int_equal(give(&p, s), DROPPED(MARTIAN));
	s = packet("2001:db8::100", TCP, 80);
	s.src = s.dst;
	assert_int_equal(give(&p, s), DROPPED(SOURCE_VIP));
	/* also when it is for nobody here: a server's reply that came back */
	s = packet("198.18.0.9", TCP, 40000);
	s.src = support_addr("192.0.2.100");
	assert_int_equal(give(&p, s), DROPPED(SOURCE_VIP));
	support_pipe_close(&p);
}

/* ---- the link ---- */

static void burst_macs_are_judged_first(void **state)
{
	static const struct {
		const char *mac;
		int want;
	} rows[] = {
		{"02:00:00:00:00:02", DROPPED(OTHER_MAC)},
		{"02:00:00:00:00:00", DROPPED(OTHER_MAC)},
		{"01:00:5e:00:00:01", DROPPED(OTHER_MAC)},
		{"01:80:c2:00:00:00", DROPPED(OTHER_MAC)},
		{"33:33:00:00:00:02", DROPPED(OTHER_MAC)},
		{"ff:ff:ff:ff:ff:fe", DROPPED(OTHER_MAC)},
		{"ff:ff:ff:ff:ff:ff", DROPPED(LINK_GROUP)},
		{"33:33:00:00:00:01", DROPPED(LINK_GROUP)},
		{"33:33:ff:12:34:56", DROPPED(LINK_GROUP)},
	};
	struct support_pipe p = open_pipe();
	struct support_packet s = packet("192.0.2.100", TCP, 80);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		s.dst_mac = support_mac(rows[i].mac);
		assert_int_equal(give(&p, s), rows[i].want);
	}
	s.dst_mac = support_interface_mac(0);
	s.src_mac = support_mac("03:00:00:00:00:01");
	assert_int_equal(give(&p, s), DROPPED(SOURCE_MAC));
	s.src_mac = support_mac("ff:ff:ff:ff:ff:ff");
	assert_int_equal(give(&p, s), DROPPED(SOURCE_MAC));
	support_pipe_close(&p);
}

static void burst_tag_must_be_the_interfaces(void **state)
{
	static const struct {
		uint8_t in_if;
		int tag; /* VID, -1 none */
		bool passes;
	} rows[] = {{0, -1, true},  {0, 0, true},  {0, 42, false}, {0, 1, false}, {0, 4095, false},
		    {1, -1, false}, {1, 0, false}, {1, 42, true},  {1, 43, false}};
	struct support_pipe p = open_pipe();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct support_packet s = packet("192.0.2.100", TCP, 80);
		uint8_t bytes[2048];
		size_t len;

		/* with a priority, which is no matter */
		s.tag = rows[i].tag < 0 ? 0 : (rows[i].tag | 0xa000) + 1;
		s.dst_mac = support_interface_mac(rows[i].in_if);
		len = support_build(&s, bytes);
		assert_int_equal(give_bytes(&p, rows[i].in_if, bytes, len),
				 rows[i].passes ? 1 : DROPPED(VLAN));
	}
	assert_int_equal(give_bytes(&p, 0, v_bad_vlan_qinq, sizeof(v_bad_vlan_qinq)),
			 DROPPED(VLAN));
	assert_int_equal(give_bytes(&p, 0, v_bad_type_lldp, sizeof(v_bad_type_lldp)),
			 DROPPED(NOT_IP));
	support_pipe_close(&p);
}

/* ---- malformed ---- */

static void burst_malformed_is_dropped_by_its_reason(void **state)
{
#define ROW(name, reason)                                                                          \
	{                                                                                          \
		v_##name, sizeof(v_##name), DROPPED(reason)                                        \
	}
	static const struct {
		const uint8_t *bytes;
		size_t len;
		int want;
	} rows[] = {
		ROW(bad4_version, IP_HEADER),
		ROW(bad4_ihl_4, IP_HEADER),
		ROW(bad4_total_one_over, IP_HEADER),
		ROW(bad4_checksum, IP_CHECKSUM),
		ROW(bad4_tcp_cut, SHORT),
		ROW(bad4_tcp_doff_4, TCP_HEADER),
		ROW(bad4_udp_len_over, UDP_HEADER),
		ROW(bad4_tiny_8, TINY_FRAGMENT),
		ROW(bad4_overlap_8, TINY_FRAGMENT),
		ROW(bad4_fragment_death, FRAGMENT_BAD),
		ROW(bad6_version, IP_HEADER),
		ROW(bad6_chain_9, IP_EXTENSION),
		ROW(bad6_routing_left, IP_EXTENSION),
		ROW(bad6_tiny, TINY_FRAGMENT),
		ROW(bad6_unspecified_udp, MARTIAN),
	};
	struct support_pipe p = open_pipe();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(give_bytes(&p, 0, rows[i].bytes, rows[i].len), rows[i].want);
	for (size_t n = 0; n < 34; n++)
		assert_int_equal(give_bytes(&p, 0, v_tcp4, n), DROPPED(SHORT));
	assert_true(p.worker->counters.forwarded == 0 && p.worker->flows.entries == 0);
	support_pipe_close(&p);
}

/* ---- counters ---- */

static void burst_counts_vip_server_and_interface(void **state)
{
	struct support_pipe p = open_pipe();
	uint16_t vip = support_vip_number(p.plan, "all");
	struct support_packet s = packet("192.0.2.101", TCP, 80);
	uint64_t bytes = 0, frames = 0, connections = 0, server_bytes = 0;
	uint8_t buf[2048];

	(void)state;
	for (uint16_t i = 0; i < 100; i++) {
		s.sport = i / 2; /* two frames each */
		s.payload_len = i;
		bytes += support_build(&s, buf);
		assert_true(give(&p, s) > 0);
	}
	for (uint32_t i = 1; i < p.plan->n_servers; i++) {
		if (p.plan->servers[i].vip != vip)
			continue;
		frames += p.worker->servers[i].frames;
		server_bytes += p.worker->servers[i].bytes;
		connections += p.worker->servers[i].connections;
	}
	assert_true(frames == 100 && connections == 50 && server_bytes == bytes);
	assert_true(p.worker->vips[vip].frames == 100 && p.worker->vips[vip].bytes == bytes);
	assert_true(p.worker->vips[vip].connections == 50 && p.worker->vips[vip].untracked == 0);
	assert_true(p.worker->counters.interfaces[0].in_bytes == bytes);
	assert_true(p.worker->counters.interfaces[0].out_bytes == bytes);
	assert_true(p.worker->counters.created == 50);
	support_pipe_close(&p);
}

static void unsent_and_unpunted_keep_the_identity(void **state)
{
	struct support_pipe p = open_pipe();
	struct support_packet s = packet("192.0.2.100", TCP, 80), e = icmp("192.0.2.100", 8, 0);
	struct gt_frame sent = support_pipe_send(&p, &s), answer = support_pipe_send(&p, &e), arp;
	const struct gt_counters *c = &p.worker->counters;

	(void)state;
	gt_worker_unsent(p.worker, &sent, GT_DROP_TX_FULL);
	gt_worker_unsent(p.worker, &answer, GT_DROP_LINK_DOWN);
	arp = support_frame(v_arp, sizeof(v_arp));
	support_pipe_burst(&p, &arp, 1);
	p.punted--;
	gt_worker_unpunted(p.worker, &arp);
	assert_true(c->drops[GT_DROP_TX_FULL] == 1 && c->drops[GT_DROP_LINK_DOWN] == 1 &&
		    c->drops[GT_DROP_PUNT_FULL] == 1);
	assert_true(c->in == 3 && c->forwarded == 0 && c->answered == 0);
	assert_true(c->interfaces[0].out_frames == 0 && c->interfaces[0].out_bytes == 0);
	assert_true(c->interfaces[1].out_frames == 0 && c->interfaces[1].out_bytes == 0);
	assert_int_equal(arp.verdict, GT_DROP);
	support_frame_free(&sent);
	support_frame_free(&answer);
	support_frame_free(&arp);
	support_pipe_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(burst_to_a_vips_port_is_sent_to_one_of_its_servers),
		cmocka_unit_test(burst_sent_frame_has_the_servers_and_the_interfaces_mac),
		cmocka_unit_test(burst_to_no_port_of_a_vip_is_no_service),
		cmocka_unit_test(burst_to_a_vip_without_a_server_is_no_server),
		cmocka_unit_test(burst_to_an_unresolved_server_is_no_neighbour),
		cmocka_unit_test(burst_echo_is_answered_while_a_server_is_healthy),
		cmocka_unit_test(burst_echo_answer_is_a_good_reply),
		cmocka_unit_test(burst_other_icmp_is_icmp_other),
		cmocka_unit_test(burst_icmp_error_goes_to_its_connections_server),
		cmocka_unit_test(burst_icmp_error_follows_its_connection_not_the_schedule),
		cmocka_unit_test(burst_icmp_error_malformed_is_dropped),
		cmocka_unit_test(burst_arp_and_ndp_are_mains),
		cmocka_unit_test(burst_to_an_own_address_is_own_address),
		cmocka_unit_test(burst_to_others_is_not_ours),
		cmocka_unit_test(burst_source_that_is_ours_is_dropped),
		cmocka_unit_test(burst_macs_are_judged_first),
		cmocka_unit_test(burst_tag_must_be_the_interfaces),
		cmocka_unit_test(burst_malformed_is_dropped_by_its_reason),
		cmocka_unit_test(burst_counts_vip_server_and_interface),
		cmocka_unit_test(unsent_and_unpunted_keep_the_identity),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
