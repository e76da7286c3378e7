/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The parser against frames made by scapy (vectors_packets.h): what it finds in valid ones, the
 * reason it gives for each malformed one, and every truncation of every one in a heap block of the
 * exact size, so that ASan sees a byte read too far.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "packet/parse.h"
#include "support.h"
#include "vectors_packets.h"

#define TCP  6
#define UDP  17
#define NONE GT_FRAGMENT_NONE

/* bytes and length of a vector, and its name for messages */
#define V(name) #name, v_##name, sizeof(v_##name)

static enum gt_drop_reason parse(const struct gt_frame *f, struct gt_packet *p)
{
	enum gt_drop_reason bad = gt_parse_link(f, p);

	if (bad != GT_PARSE_OK || p->kind == GT_PACKET_ARP)
		return bad;
	return gt_parse_network(f, p);
}

static const char *reason_name(enum gt_drop_reason r)
{
	return r == GT_PARSE_OK ? "ok" : gt_drop_name(r);
}

/* Rows leave out what is zero. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

/* What each valid frame holds. need: bytes of L4 that must be there to be read. */
static const struct valid {
	const char *name;
	const uint8_t *bytes;
	uint32_t len;
	uint8_t kind, protocol, fragment, need;
	uint16_t l3, l4;
	uint32_t end;
	uint16_t sport, dport;
	uint8_t flags;
	uint32_t id;
	bool tagged;
	uint16_t vlan;
	uint8_t icmp_type, icmp_code;
} valid[] = {
	{V(tcp4), GT_PACKET_IPV4, TCP, NONE, 20, 14, 34, 54, 40000, 104, 0x02},
	{V(tcp4_data), GT_PACKET_IPV4, TCP, NONE, 20, 14, 34, 64, 40000, 104, 0x18},
	{V(tcp4_options), GT_PACKET_IPV4, TCP, NONE, 20, 14, 34, 74, 40000, 104, 0xc2},
	{V(tcp4_max_options), GT_PACKET_IPV4, TCP, NONE, 20, 14, 34, 94, 40000, 104, 0x10},
	{V(tcp4_padded), GT_PACKET_IPV4, TCP, NONE, 20, 14, 34, 54, 40000, 104, 0x02},
	{V(tcp4_ip_options), GT_PACKET_IPV4, TCP, NONE, 20, 14, 38, 58, 40000, 104, 0x02},
	{V(tcp4_max_ip_options), GT_PACKET_IPV4, TCP, NONE, 20, 14, 74, 94, 40000, 104, 0x02},
	{V(tcp4_df), GT_PACKET_IPV4, TCP, NONE, 20, 14, 34, 54, 40000, 104, 0x02},
	{V(tcp4_vlan), GT_PACKET_IPV4, TCP, NONE, 20, 18, 38, 58, 40000, 104, 0x02, .tagged = true,
	 .vlan = 42},
	{V(tcp4_vlan_4095), GT_PACKET_IPV4, TCP, NONE, 20, 18, 38, 58, 40000, 104, 0x02,
	 .tagged = true, .vlan = 4095},
	{V(tcp4_priority), GT_PACKET_IPV4, TCP, NONE, 20, 18, 38, 58, 40000, 104, 0x02,
	 .tagged = true},
	{V(tcp4_broadcast), GT_PACKET_IPV4, TCP, NONE, 20, 14, 34, 54, 40000, 104, 0x02},
	{V(udp4), GT_PACKET_IPV4, UDP, NONE, 8, 14, 34, 47, 40001, 514},
	{V(udp4_empty), GT_PACKET_IPV4, UDP, NONE, 8, 14, 34, 42, 40001, 514},
	{V(udp4_no_checksum), GT_PACKET_IPV4, UDP, NONE, 8, 14, 34, 47, 40001, 514},
	{V(udp4_padded), GT_PACKET_IPV4, UDP, NONE, 8, 14, 34, 44, 40001, 514},
	{V(udp4_shorter_than_ip), GT_PACKET_IPV4, UDP, NONE, 8, 14, 34, 47, 40001, 514},
	{V(gre4), GT_PACKET_IPV4, 47, NONE, 0, 14, 34, 38},
	{V(bare4), GT_PACKET_IPV4, 253, NONE, 0, 14, 34, 34},
	{V(echo4_odd), GT_PACKET_IPV4, 1, NONE, 8, 14, 34, 49, .icmp_type = 8},
	{V(error4_tcp_8), GT_PACKET_IPV4, 1, NONE, 8, 14, 34, 70, .icmp_type = 3, .icmp_code = 4},
	{V(udp4_first), GT_PACKET_IPV4, UDP, GT_FRAGMENT_FIRST, 8, 14, 34, 290, 40001, 514,
	 .id = 0x77aa},
	{V(udp4_middle), GT_PACKET_IPV4, UDP, GT_FRAGMENT_LATER, 0, 14, 34, 290, .id = 0x77aa},
	{V(udp4_last), GT_PACKET_IPV4, UDP, GT_FRAGMENT_LATER, 0, 14, 34, 42, .id = 0x77aa},
	{V(tcp4_first), GT_PACKET_IPV4, TCP, GT_FRAGMENT_FIRST, 20, 14, 34, 58, 40000, 104, 0x02,
	 0x77ab},
	{V(tcp4_first_exact), GT_PACKET_IPV4, TCP, GT_FRAGMENT_FIRST, 20, 14, 34, 58, 40000, 104,
	 0x02, 1},
	{V(tcp4_second_at_16), GT_PACKET_IPV4, TCP, GT_FRAGMENT_LATER, 0, 14, 34, 58, .id = 1},
	{V(udp4_fragment_at_the_end), GT_PACKET_IPV4, 1, GT_FRAGMENT_LATER, 0, 14, 34, 37, .id = 1},
	{V(tcp6), GT_PACKET_IPV6, TCP, NONE, 20, 14, 54, 74, 40000, 104, 0x02},
	{V(tcp6_padded), GT_PACKET_IPV6, TCP, NONE, 20, 14, 54, 74, 40000, 104, 0x02},
	{V(tcp6_vlan), GT_PACKET_IPV6, TCP, NONE, 20, 18, 58, 78, 40000, 104, 0x02, .tagged = true,
	 .vlan = 42},
	{V(udp6), GT_PACKET_IPV6, UDP, NONE, 8, 14, 54, 67, 40001, 514},
	{V(echo6), GT_PACKET_IPV6, 58, NONE, 8, 14, 54, 65, .icmp_type = 128},
	{V(error6_tcp_8), GT_PACKET_IPV6, 58, NONE, 8, 14, 54, 110, .icmp_type = 1, .icmp_code = 1},
	{V(tcp6_hbh), GT_PACKET_IPV6, TCP, NONE, 20, 14, 62, 82, 40000, 104, 0x02},
	{V(udp6_dstopts), GT_PACKET_IPV6, UDP, NONE, 8, 14, 78, 91, 40001, 514},
	{V(tcp6_routing_done), GT_PACKET_IPV6, TCP, NONE, 20, 14, 78, 98, 40000, 104, 0x02},
	{V(tcp6_ah), GT_PACKET_IPV6, TCP, NONE, 20, 14, 78, 98, 40000, 104, 0x02},
	{V(tcp6_atomic), GT_PACKET_IPV6, TCP, NONE, 20, 14, 62, 82, 40000, 104, 0x02},
	{V(tcp6_all), GT_PACKET_IPV6, TCP, NONE, 20, 14, 134, 154, 40000, 104, 0x02},
	{V(tcp6_chain_8), GT_PACKET_IPV6, TCP, NONE, 20, 14, 118, 138, 40000, 104, 0x02},
	{V(esp6), GT_PACKET_IPV6, 50, NONE, 0, 14, 54, 78},
	{V(nonext6), GT_PACKET_IPV6, 59, NONE, 0, 14, 54, 54},
	{V(udp6_first), GT_PACKET_IPV6, UDP, GT_FRAGMENT_FIRST, 8, 14, 62, 94, 40001, 514,
	 .id = 0x89abcdef},
	{V(udp6_later), GT_PACKET_IPV6, UDP, GT_FRAGMENT_LATER, 0, 14, 62, 86, .id = 0x89abcdef},
	{V(udp6_last), GT_PACKET_IPV6, UDP, GT_FRAGMENT_LATER, 0, 14, 62, 67, .id = 0x89abcdef},
	{V(tcp6_first_dstopts), GT_PACKET_IPV6, TCP, GT_FRAGMENT_FIRST, 20, 14, 70, 94, 40000, 104,
	 0x02, 1},
	{V(udp6_later_hbh), GT_PACKET_IPV6, UDP, GT_FRAGMENT_LATER, 0, 14, 70, 94, .id = 2},
	{V(udp6_fragment_at_the_end), GT_PACKET_IPV6, UDP, GT_FRAGMENT_LATER, 0, 14, 62, 69,
	 .id = 1},
	{V(dad6), GT_PACKET_IPV6, 58, NONE, 8, 14, 54, 78, .icmp_type = 135},
	{V(ns6), GT_PACKET_IPV6, 58, NONE, 8, 14, 54, 86, .icmp_type = 135},
};

#define N_VALID (sizeof(valid) / sizeof(valid[0]))

static const struct malformed {
	const char *name;
	const uint8_t *bytes;
	uint32_t len;
	enum gt_drop_reason reason;
} malformed[] = {
	{V(bad4_version), GT_DROP_IP_HEADER},
	{V(bad4_ihl_0), GT_DROP_IP_HEADER},
	{V(bad4_ihl_4), GT_DROP_IP_HEADER},
	{V(bad4_ihl_beyond_total), GT_DROP_IP_HEADER},
	{V(bad4_total_0), GT_DROP_IP_HEADER},
	{V(bad4_total_19), GT_DROP_IP_HEADER},
	{V(bad4_total_one_over), GT_DROP_IP_HEADER},
	{V(bad4_total_65535), GT_DROP_IP_HEADER},
	{V(bad4_checksum), GT_DROP_IP_CHECKSUM},
	{V(bad4_checksum_0), GT_DROP_IP_CHECKSUM},
	{V(bad4_tcp_cut), GT_DROP_SHORT},
	{V(bad4_tcp_doff_4), GT_DROP_TCP_HEADER},
	{V(bad4_tcp_doff_0), GT_DROP_TCP_HEADER},
	{V(bad4_tcp_doff_beyond), GT_DROP_TCP_HEADER},
	{V(bad4_tcp_doff_in_padding), GT_DROP_TCP_HEADER},
	{V(bad4_udp_cut), GT_DROP_SHORT},
	{V(bad4_udp_cut_padded), GT_DROP_SHORT},
	{V(bad4_udp_len_7), GT_DROP_UDP_HEADER},
	{V(bad4_udp_len_0), GT_DROP_UDP_HEADER},
	{V(bad4_udp_len_over), GT_DROP_UDP_HEADER},
	{V(bad4_udp_len_in_padding), GT_DROP_UDP_HEADER},
	{V(bad4_icmp_cut), GT_DROP_SHORT},
	{V(bad4_tiny_8), GT_DROP_TINY_FRAGMENT},
	{V(bad4_tiny_16), GT_DROP_TINY_FRAGMENT},
	{V(bad4_tiny_options), GT_DROP_TINY_FRAGMENT},
	{V(bad4_overlap_8), GT_DROP_TINY_FRAGMENT},
	{V(bad4_overlap_8_more), GT_DROP_TINY_FRAGMENT},
	{V(bad4_fragment_empty), GT_DROP_FRAGMENT_BAD},
	{V(bad4_first_empty), GT_DROP_FRAGMENT_BAD},
	{V(bad4_fragment_not_8), GT_DROP_FRAGMENT_BAD},
	{V(bad4_fragment_death), GT_DROP_FRAGMENT_BAD},
	/* RFC 791: 65,535 bytes is the datagram with its header. */
	{V(bad4_fragment_death_by_header), GT_DROP_FRAGMENT_BAD},
	{V(bad4_fragment_death_by_one), GT_DROP_FRAGMENT_BAD},
	{V(bad_vlan_twice), GT_DROP_VLAN},
	{V(bad_vlan_qinq_inside), GT_DROP_VLAN},
	{V(bad_vlan_qinq), GT_DROP_VLAN},
	{V(bad_type_lldp), GT_DROP_NOT_IP},
	{V(bad_type_length), GT_DROP_NOT_IP},
	{V(bad6_version), GT_DROP_IP_HEADER},
	{V(bad6_plen_over), GT_DROP_IP_HEADER},
	{V(bad6_plen_cuts_tcp), GT_DROP_SHORT},
	{V(bad6_plen_0), GT_DROP_SHORT},
	{V(bad6_jumbo), GT_DROP_IP_EXTENSION},
	{V(bad6_udp_len_over), GT_DROP_UDP_HEADER},
	{V(bad6_tcp_doff_4), GT_DROP_TCP_HEADER},
	{V(bad6_icmp_cut), GT_DROP_SHORT},
	{V(bad6_chain_9), GT_DROP_IP_EXTENSION},
	{V(bad6_chain_beyond), GT_DROP_IP_EXTENSION},
	{V(bad6_chain_ends), GT_DROP_IP_EXTENSION},
	{V(bad6_chain_only), GT_DROP_IP_EXTENSION},
	{V(bad6_hbh_second), GT_DROP_IP_EXTENSION},
	{V(bad6_hbh_twice), GT_DROP_IP_EXTENSION},
	{V(bad6_routing_left), GT_DROP_IP_EXTENSION},
	{V(bad6_routing_type0), GT_DROP_IP_EXTENSION},
	{V(bad6_fragment_twice), GT_DROP_IP_EXTENSION},
	{V(bad6_tiny), GT_DROP_TINY_FRAGMENT},
	{V(bad6_tiny_udp_chain), GT_DROP_TINY_FRAGMENT},
	{V(bad6_tiny_chain_cut), GT_DROP_TINY_FRAGMENT},
	{V(bad6_overlap_8), GT_DROP_TINY_FRAGMENT},
	{V(bad6_fragment_empty), GT_DROP_FRAGMENT_BAD},
	{V(bad6_fragment_not_8), GT_DROP_FRAGMENT_BAD},
	{V(bad6_fragment_death), GT_DROP_FRAGMENT_BAD},
	/* RFC 8200 4.5: the reassembled payload length counts the headers before it too. */
	{V(bad6_fragment_death_by_chain), GT_DROP_FRAGMENT_BAD},
	{V(bad6_unspecified_echo), GT_DROP_MARTIAN},
	{V(bad6_unspecified_udp), GT_DROP_MARTIAN},
	{V(bad6_unspecified_na), GT_DROP_MARTIAN},
	{V(bad6_unspecified_mld), GT_DROP_MARTIAN},
	{V(bad6_unspecified_fragment), GT_DROP_MARTIAN},
	{V(mapped6_destination), GT_DROP_NOT_OURS},
};

#define N_MALFORMED (sizeof(malformed) / sizeof(malformed[0]))

static void check_valid(const struct valid *v, const struct gt_packet *p)
{
	if (p->kind != v->kind || p->protocol != v->protocol || p->fragment != v->fragment ||
	    p->l3_off != v->l3 || p->l4_off != v->l4 || p->l3_end != v->end ||
	    p->src_port != rte_cpu_to_be_16(v->sport) ||
	    p->dst_port != rte_cpu_to_be_16(v->dport) || p->tcp_flags != v->flags ||
	    p->tagged != v->tagged || p->vlan != v->vlan || p->icmp_type != v->icmp_type ||
	    p->icmp_code != v->icmp_code || p->link_group != (v->bytes[0] & 1) ||
	    p->fragment_id != v->id)
		fail_msg("%s: kind %u protocol %u fragment %u l3 %u l4 %u end %u ports %u %u "
			 "flags %x id %x tagged %u vlan %u icmp %u %u",
			 v->name, p->kind, p->protocol, p->fragment, p->l3_off, p->l4_off,
			 p->l3_end, rte_be_to_cpu_16(p->src_port), rte_be_to_cpu_16(p->dst_port),
			 p->tcp_flags, p->fragment_id, p->tagged, p->vlan, p->icmp_type,
			 p->icmp_code);
}

/* The addresses as they lie in the header. */
static void check_addresses(const struct valid *v, const struct gt_packet *p)
{
	const uint8_t *ip = v->bytes + v->l3;
	struct gt_addr src = {{[10] = 0xff, 0xff}}, dst = src;

	if (v->kind == GT_PACKET_IPV4) {
		memcpy(src.b + 12, ip + 12, 4);
		memcpy(dst.b + 12, ip + 16, 4);
	} else {
		memcpy(src.b, ip + 8, 16);
		memcpy(dst.b, ip + 24, 16);
	}
	assert_memory_equal(&p->src, &src, 16);
	assert_memory_equal(&p->dst, &dst, 16);
}

static void parse_valid_finds_all_fields(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_VALID; i++) {
		struct gt_frame f = support_frame(valid[i].bytes, valid[i].len);
		struct gt_packet p;
		enum gt_drop_reason bad = parse(&f, &p);

		if (bad != GT_PARSE_OK)
			fail_msg("%s: %s", valid[i].name, reason_name(bad));
		check_valid(&valid[i], &p);
		check_addresses(&valid[i], &p);
		assert_memory_equal(f.data, valid[i].bytes, valid[i].len);
		support_frame_free(&f);
	}
}

static void parse_malformed_gives_its_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_MALFORMED; i++) {
		struct gt_frame f = support_frame(malformed[i].bytes, malformed[i].len);
		struct gt_packet p;
		enum gt_drop_reason bad = parse(&f, &p);

		if (bad != malformed[i].reason)
			fail_msg("%s: %s, not %s", malformed[i].name, reason_name(bad),
				 reason_name(malformed[i].reason));
		support_frame_free(&f);
	}
}

static void parse_arp_gives_its_offset_only(void **state)
{
	struct gt_frame f = support_frame(v_arp, sizeof(v_arp));
	struct gt_packet p;

	(void)state;
	assert_int_equal(gt_parse_link(&f, &p), GT_PARSE_OK);
	assert_int_equal(p.kind, GT_PACKET_ARP);
	assert_int_equal(p.l3_off, 14);
	assert_true(p.link_group);
	support_frame_free(&f);
	f = support_frame(v_arp_vlan, sizeof(v_arp_vlan));
	assert_int_equal(gt_parse_link(&f, &p), GT_PARSE_OK);
	assert_int_equal(p.kind, GT_PACKET_ARP);
	assert_int_equal(p.l3_off, 18);
	assert_int_equal(p.vlan, 42);
	support_frame_free(&f);
}

/* What a wire frame cut to n bytes is: it ends in a header, or before what IP announces. */
static enum gt_drop_reason reason_of_cut(const struct valid *v, uint32_t n)
{
	uint32_t ip = v->kind == GT_PACKET_IPV4 ? 20 : 40;

	if (n < 14 || n < v->l3)
		return GT_DROP_SHORT;
	if (n < v->l3 + ip)
		return GT_DROP_SHORT;
	return n < v->end ? GT_DROP_IP_HEADER : GT_PARSE_OK;
}

static void parse_valid_cut_on_the_wire_is_dropped(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_VALID; i++) {
		for (uint32_t n = 0; n <= valid[i].len; n++) {
			struct gt_frame f = support_frame(valid[i].bytes, n);
			struct gt_packet p;
			enum gt_drop_reason bad = parse(&f, &p);

			if (bad != reason_of_cut(&valid[i], n))
				fail_msg("%s cut to %u: %s, not %s", valid[i].name, n,
					 reason_name(bad),
					 reason_name(reason_of_cut(&valid[i], n)));
			if (bad == GT_PARSE_OK)
				check_valid(&valid[i], &p);
			support_frame_free(&f);
		}
	}
}

/* Cut by a capture, or in a later segment: all headers that are read must be in the first bytes. */
static void parse_valid_cut_in_memory_needs_its_headers(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_VALID; i++) {
		uint32_t need = valid[i].l4 + (uint32_t)valid[i].need;

		for (uint32_t n = 0; n <= valid[i].len; n++) {
			struct gt_frame f = support_frame(valid[i].bytes, n);
			struct gt_packet p;
			enum gt_drop_reason bad;

			f.wire_len = valid[i].len;
			bad = parse(&f, &p);
			if (bad != (n < need ? GT_DROP_SHORT : GT_PARSE_OK))
				fail_msg("%s, %u bytes of %u: %s", valid[i].name, n, valid[i].len,
					 reason_name(bad));
			if (bad == GT_PARSE_OK)
				check_valid(&valid[i], &p);
			support_frame_free(&f);
		}
	}
}

static void parse_malformed_cut_anywhere_reads_no_further(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_MALFORMED; i++) {
		for (uint32_t n = 0; n <= malformed[i].len; n++) {
			for (int wire = 0; wire < 2; wire++) {
				struct gt_frame f = support_frame(malformed[i].bytes, n);
				struct gt_packet p;

				if (wire)
					f.wire_len = malformed[i].len;
				assert_int_not_equal(parse(&f, &p), GT_PARSE_OK);
				support_frame_free(&f);
			}
		}
	}
}

static void parse_any_single_byte_changed_reads_no_further(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_VALID; i++) {
		for (uint32_t at = 12; at < valid[i].len && at < 160; at++) {
			for (unsigned value = 0; value < 256; value += at < 80 ? 1 : 17) {
				struct gt_frame f = support_frame(valid[i].bytes, valid[i].len);
				struct gt_packet p;

				f.data[at] = (uint8_t)value;
				if (parse(&f, &p) == GT_PARSE_OK && p.kind != GT_PACKET_ARP)
					assert_true(p.l4_off <= p.l3_end && p.l3_end <= f.len);
				support_frame_free(&f);
			}
		}
	}
}

static enum gt_drop_reason parse_with_source(const uint8_t *bytes, uint32_t len, const char *source)
{
	struct gt_frame f = support_frame(bytes, len);
	struct gt_addr a = support_addr(source);
	enum gt_drop_reason bad;
	struct gt_packet p;

	if (gt_addr_is_v4(&a)) {
		uint16_t sum;

		memcpy(f.data + 26, a.b + 12, 4);
		memset(f.data + 24, 0, 2);
		sum = (uint16_t)~support_sum(0, f.data + 14, 20);
		f.data[24] = (uint8_t)(sum >> 8);
		f.data[25] = (uint8_t)sum;
	} else {
		memcpy(f.data + 22, a.b, 16);
	}
	bad = parse(&f, &p);
	support_frame_free(&f);
	return bad;
}

static void parse_martian_source_is_dropped(void **state)
{
	static const char *const martians4[] = {"0.0.0.0",   "0.1.2.3",	  "127.0.0.1",
						"224.0.0.1", "240.0.0.1", "255.255.255.255"};
	static const char *const martians6[] = {"::1", "::192.0.2.1", "ff02::1", "ff00::", "::2"};

	(void)state;
	assert_int_equal(parse_with_source(v_tcp4, sizeof(v_tcp4), "198.51.100.1"), GT_PARSE_OK);
	assert_int_equal(parse_with_source(v_tcp6, sizeof(v_tcp6), "fe80::1"), GT_PARSE_OK);
	for (size_t i = 0; i < sizeof(martians4) / sizeof(martians4[0]); i++)
		assert_int_equal(parse_with_source(v_tcp4, sizeof(v_tcp4), martians4[i]),
				 GT_DROP_MARTIAN);
	for (size_t i = 0; i < sizeof(martians6) / sizeof(martians6[0]); i++)
		assert_int_equal(parse_with_source(v_tcp6, sizeof(v_tcp6), martians6[i]),
				 GT_DROP_MARTIAN);
}

static void parse_v4_mapped_source_in_v6_is_martian(void **state)
{
	struct gt_frame f = support_frame(v_tcp6, sizeof(v_tcp6));
	struct gt_addr mapped = support_addr("198.51.100.1");
	struct gt_packet p;

	(void)state;
	memcpy(f.data + 22, mapped.b, 16);
	assert_int_equal(parse(&f, &p), GT_DROP_MARTIAN);
	support_frame_free(&f);
}

/* ---- what ICMP errors embed ---- */

static const struct {
	const char *name;
	const uint8_t *bytes;
	uint32_t len, at, l4; /* where the embedded packet begins in the frame, its L4 in it */
	bool v6;
	uint8_t protocol;
	uint16_t sport, dport;
} embedded[] = {
	{V(error4_tcp), 42, 20, false, TCP, 104, 40000},
	{V(error4_tcp_8), 42, 20, false, TCP, 104, 40000},
	{V(error4_udp_options), 42, 24, false, UDP, 514, 40001},
	{V(error6_tcp), 62, 40, true, TCP, 104, 40000},
	{V(error6_tcp_8), 62, 40, true, TCP, 104, 40000},
	{V(error6_udp_chain), 62, 56, true, UDP, 514, 40001},
};

#define N_EMBEDDED (sizeof(embedded) / sizeof(embedded[0]))

static void parse_embedded_needs_8_bytes_of_l4_and_no_more(void **state)
{
	struct gt_addr v4 = support_addr("192.0.2.100"), v6 = support_addr("2001:db8::100");
	struct gt_addr a4 = support_addr("203.0.113.9"), a6 = support_addr("2001:db8:1::9");

	(void)state;
	for (size_t i = 0; i < N_EMBEDDED; i++) {
		for (uint32_t n = 0; n <= embedded[i].len - embedded[i].at; n++) {
			struct gt_frame f = support_frame(embedded[i].bytes + embedded[i].at, n);
			struct gt_packet p;
			enum gt_drop_reason bad = gt_parse_embedded(f.data, n, embedded[i].v6, &p);

			if (bad != (n < embedded[i].l4 + 8 ? GT_DROP_ICMP_BAD : GT_PARSE_OK))
				fail_msg("%s, %u bytes: %s", embedded[i].name, n, reason_name(bad));
			if (bad == GT_PARSE_OK) {
				assert_int_equal(p.protocol, embedded[i].protocol);
				assert_int_equal(rte_be_to_cpu_16(p.src_port), embedded[i].sport);
				assert_int_equal(rte_be_to_cpu_16(p.dst_port), embedded[i].dport);
				assert_memory_equal(&p.src, embedded[i].v6 ? &v6 : &v4, 16);
				assert_memory_equal(&p.dst, embedded[i].v6 ? &a6 : &a4, 16);
			}
			support_frame_free(&f);
		}
	}
}

static void parse_embedded_any_byte_changed_reads_no_further(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_EMBEDDED; i++) {
		uint32_t n = embedded[i].len - embedded[i].at;

		for (uint32_t at = 0; at < n; at++) {
			for (unsigned value = 0; value < 256; value++) {
				struct gt_frame f =
					support_frame(embedded[i].bytes + embedded[i].at, n);
				struct gt_packet p;

				f.data[at] = (uint8_t)value;
				gt_parse_embedded(f.data, n, embedded[i].v6, &p);
				support_frame_free(&f);
			}
		}
	}
}

static void parse_embedded_spoiled_lengths_and_checksum_are_not_believed(void **state)
{
	struct gt_frame f = support_frame(v_error4_tcp_8 + 42, sizeof(v_error4_tcp_8) - 42);
	struct gt_packet p;

	(void)state;
	f.data[2] = 0xff; /* total length */
	f.data[10] ^= 0xff;
	assert_int_equal(gt_parse_embedded(f.data, f.len, false, &p), GT_PARSE_OK);
	assert_int_equal(rte_be_to_cpu_16(p.src_port), 104);
	support_frame_free(&f);
}

static void parse_embedded_later_fragment_and_other_family_are_bad(void **state)
{
	struct gt_packet p;

	(void)state;
	assert_int_equal(gt_parse_embedded(v_udp4_middle + 14, 28, false, &p), GT_DROP_ICMP_BAD);
	assert_int_equal(gt_parse_embedded(v_udp6_later + 14, 56, true, &p), GT_DROP_ICMP_BAD);
	assert_int_equal(gt_parse_embedded(v_tcp4 + 14, 40, true, &p), GT_DROP_ICMP_BAD);
	assert_int_equal(gt_parse_embedded(v_tcp6 + 14, 60, false, &p), GT_DROP_ICMP_BAD);
	/* A first fragment has its ports. */
	assert_int_equal(gt_parse_embedded(v_udp4_first + 14, 28, false, &p), GT_PARSE_OK);
	assert_int_equal(gt_parse_embedded(v_udp6_first + 14, 56, true, &p), GT_PARSE_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse_valid_finds_all_fields),
		cmocka_unit_test(parse_malformed_gives_its_reason),
		cmocka_unit_test(parse_arp_gives_its_offset_only),
		cmocka_unit_test(parse_valid_cut_on_the_wire_is_dropped),
		cmocka_unit_test(parse_valid_cut_in_memory_needs_its_headers),
		cmocka_unit_test(parse_malformed_cut_anywhere_reads_no_further),
		cmocka_unit_test(parse_any_single_byte_changed_reads_no_further),
		cmocka_unit_test(parse_martian_source_is_dropped),
		cmocka_unit_test(parse_v4_mapped_source_in_v6_is_martian),
		cmocka_unit_test(parse_embedded_needs_8_bytes_of_l4_and_no_more),
		cmocka_unit_test(parse_embedded_any_byte_changed_reads_no_further),
		cmocka_unit_test(parse_embedded_spoiled_lengths_and_checksum_are_not_believed),
		cmocka_unit_test(parse_embedded_later_fragment_and_other_family_are_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
