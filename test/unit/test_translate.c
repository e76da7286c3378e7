/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Translation against packets built anew: what comes out must be, byte for byte, what support.c
 * builds from the new fields, with every checksum summed up by a plain loop. Frames lie in blocks
 * of their exact size, so that a byte too far is seen. Between families test/replay has scapy's
 * word for it, too.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "packet/icmp.h"
#include "packet/translate.h"
#include "support.h"

static uint64_t seed = 1;

static uint64_t any(uint64_t n)
{
	return support_random(&seed) % n;
}

static struct gt_addr any_address(bool v4)
{
	struct gt_addr a;

	if (v4)
		return gt_addr_from_v4(rte_cpu_to_be_32((uint32_t)(0x0a000001 + any(0xffffff))));
	for (size_t i = 0; i < 16; i++)
		a.b[i] = (uint8_t)any(256);
	a.b[0] = 0x20;
	return a;
}

/* The IP header's offset in a frame without a tag, or with one. */
static uint8_t *ip_of(struct gt_frame *f)
{
	return f->data + (f->data[12] == 0x81 && f->data[13] == 0 ? 18 : 14);
}

static struct gt_translation translation(const struct support_packet *to)
{
	return (struct gt_translation){.src = to->src,
				       .dst = to->dst,
				       .src_port = rte_cpu_to_be_16(to->sport),
				       .dst_port = rte_cpu_to_be_16(to->dport)};
}

static enum gt_drop_reason translate(struct gt_frame *f, const struct gt_translation *t)
{
	struct gt_packet p;

	assert_int_equal(gt_parse_link(f, &p), GT_PARSE_OK);
	assert_int_equal(gt_parse_network(f, &p), GT_PARSE_OK);
	return gt_translate(f, &p, t);
}

static void assert_frame(const struct gt_frame *f, const uint8_t *want, size_t len)
{
	assert_int_equal(f->len, len);
	assert_int_equal(f->wire_len, len);
	assert_memory_equal(f->data, want, len);
}

/* Two sights of one random packet: as it comes, and as it must leave. */
static void make_pair(struct support_packet *from, struct support_packet *to, bool v4, bool to_v4,
		      uint8_t *payload)
{
	*from = (struct support_packet){
		.src = any_address(v4),
		.dst = any_address(v4),
		.protocol = any(2) ? IPPROTO_TCP : IPPROTO_UDP,
		.flags = GT_TCP_ACK,
		.sport = (uint16_t)any(65536),
		.dport = (uint16_t)any(65536),
		.tag = any(3) ? 0 : 1 + (int)any(4096) + (int)any(8) * 0x2000,
		.payload = payload,
		.payload_len = any(4) ? any(40) : any(1400),
		.ttl = (uint8_t)(2 + any(254)),
	};
	for (size_t i = 0; i < from->payload_len; i++)
		payload[i] = any(2) ? (uint8_t)any(256) : (any(2) ? 0xff : 0);
	*to = *from;
	to->src = any_address(to_v4);
	to->dst = any_address(to_v4);
	to->sport = (uint16_t)any(65536);
	to->dport = (uint16_t)any(65536);
	to->ttl--;
}

static void within_a_family_any_packet_is_as_built_anew(void **state)
{
	uint8_t want[2048], payload[2048];
	struct support_packet from, to;

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		bool v4 = any(2);
		struct gt_translation t;
		struct gt_frame f;
		size_t len;

		make_pair(&from, &to, v4, v4, payload);
		from.id = to.id = (uint32_t)any(65536);
		if (any(4) == 0 && from.payload_len > 80) {
			/* a first or a later fragment */
			from.more = to.more = true;
			from.piece_offset = to.piece_offset = any(2) * 32;
			from.piece_len = to.piece_len = 32 + any(3) * 8;
		}
		f = support_packet_frame(&from);
		len = support_build(&to, want);
		t = translation(&to);
		assert_int_equal(translate(&f, &t), GT_PARSE_OK);
		assert_frame(&f, want, len);
		support_frame_free(&f);
	}
}

/* What support_build makes of IPv4, as RFC 7915 5.1 wants it: DF only above 1260 bytes. */
static void finish_v4(uint8_t *ip, size_t total)
{
	uint16_t sum;

	if (total > 1260 && (ip[6] & 0x3f) == 0 && ip[7] == 0)
		ip[6] |= 0x40;
	ip[10] = ip[11] = 0;
	sum = (uint16_t)~support_sum(0, ip, 20);
	ip[10] = (uint8_t)(sum >> 8);
	ip[11] = (uint8_t)sum;
}

static void between_families_any_packet_is_as_built_anew(void **state)
{
	uint8_t want[2048], payload[2048];
	struct support_packet from, to;

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		bool v4 = any(2);
		struct gt_translation t;
		struct gt_frame f;
		size_t len, l3;

		make_pair(&from, &to, v4, !v4, payload);
		if (any(4) == 0 && from.payload_len > 80) {
			from.id = to.id = (uint32_t)any(65536);
			from.more = to.more = true;
			from.piece_offset = to.piece_offset = any(2) * 32;
			from.piece_len = to.piece_len = 32 + any(3) * 8;
		}
		f = support_packet_frame(&from);
		len = support_build(&to, want);
		l3 = from.tag ? 18 : 14;
		t = translation(&to);
		t.ipv4_id = (uint16_t)any(65536);
		if (!v4) {
			if (!from.more) {
				want[l3 + 4] = (uint8_t)(t.ipv4_id >> 8);
				want[l3 + 5] = (uint8_t)t.ipv4_id;
			}
			finish_v4(want + l3, len - l3);
		}
		assert_int_equal(translate(&f, &t), GT_PARSE_OK);
		assert_frame(&f, want, len);
		support_frame_free(&f);
	}
}

/* Ports are tried until the sum comes out as 0: it must be written as 0xffff. */
static void udp_checksum_that_becomes_zero_is_ffff(void **state)
{
	unsigned met = 0;

	(void)state;
	/* the last round: IPv4 without a checksum, for which IPv6 gets one made */
	for (int v = 0; v < 5; v++) {
		bool v4 = v & 1 || v == 4, to_v4 = v & 2;
		struct support_packet from = {.src = any_address(v4),
					      .dst = any_address(v4),
					      .protocol = IPPROTO_UDP,
					      .sport = 53,
					      .dport = 53,
					      .payload_len = 3},
				      to = from;

		to.src = any_address(to_v4);
		to.dst = any_address(to_v4);
		for (unsigned port = 0; port < 65536; port++) {
			struct gt_frame f = support_packet_frame(&from);
			struct gt_translation t;
			uint8_t *l4;

			to.sport = (uint16_t)port;
			t = translation(&to);
			if (v == 4)
				ip_of(&f)[26] = ip_of(&f)[27] = 0;
			assert_int_equal(translate(&f, &t), GT_PARSE_OK);
			l4 = ip_of(&f) + (to_v4 ? 20 : 40);
			assert_false(l4[6] == 0 && l4[7] == 0);
			if (l4[6] == 0xff && l4[7] == 0xff) {
				assert_true(support_checksums_good(f.data, f.len));
				met++;
			}
			support_frame_free(&f);
		}
	}
	assert_true(met >= 5);
}

static void udp_without_a_checksum(void **state)
{
	struct support_packet from = {.protocol = IPPROTO_UDP, .sport = 9, .dport = 10};

	(void)state;
	for (size_t len = 0; len < 50; len++) {
		for (int v = 0; v < 4; v++) {
			bool v4 = v & 1, to_v4 = v & 2;
			struct support_packet to;
			struct gt_frame f;
			struct gt_translation t;
			enum gt_drop_reason got;
			uint8_t *l4;

			from.payload_len = len;
			from.src = any_address(v4);
			from.dst = any_address(v4);
			to = from;
			to.src = any_address(to_v4);
			to.dst = any_address(to_v4);
			f = support_packet_frame(&from);
			l4 = ip_of(&f) + (v4 ? 20 : 40);
			l4[6] = l4[7] = 0;
			t = translation(&to);
			got = translate(&f, &t);
			if (!v4) {
				assert_int_equal(got, GT_DROP_UDP_HEADER);
			} else {
				assert_int_equal(got, GT_PARSE_OK);
				l4 = ip_of(&f) + (to_v4 ? 20 : 40);
				assert_int_equal(l4[6] == 0 && l4[7] == 0, to_v4);
				assert_true(support_checksums_good(f.data, f.len));
			}
			support_frame_free(&f);
		}
	}
}

/* An incremental update must neither mend nor spoil. */
/* UDP's own length ends it (RFC 8200 8.1); options may follow (RFC 9868). Found by test_modes. */
static void udp_checksum_is_made_over_udp_length_not_the_packets(void **state)
{
	struct support_packet from = {.src = any_address(true),
				      .dst = any_address(true),
				      .protocol = IPPROTO_UDP,
				      .sport = 7,
				      .dport = 53,
				      .payload_len = 40},
			      to = from;
	struct gt_frame f = support_packet_frame(&from);
	struct gt_translation t;
	uint8_t tail[4] = {0, IPPROTO_UDP, 0, 28}, *udp = ip_of(&f) + 20;

	(void)state;
	to.src = any_address(false);
	to.dst = any_address(false);
	t = translation(&to);
	udp[5] = 28;
	memset(udp + 6, 0, 2);
	assert_int_equal(translate(&f, &t), GT_PARSE_OK);
	udp = ip_of(&f) + 40;
	assert_int_equal(udp[5], 28);
	assert_int_equal(
		support_sum(support_sum(support_sum(0, ip_of(&f) + 8, 32), tail, 4), udp, 28),
		0xffff);
	support_frame_free(&f);
}

static void damaged_packets_stay_damaged_by_as_much(void **state)
{
	uint8_t payload[2048];
	struct support_packet from, to;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		bool v4 = any(2), to_v4 = any(2);
		struct gt_translation t;
		struct gt_frame f;
		uint8_t *l4;

		make_pair(&from, &to, v4, to_v4, payload);
		if (from.payload_len < 2)
			continue;
		f = support_packet_frame(&from);
		/* one bit: no checksum misses it */
		f.data[f.len - 1 - any(2)] ^= (uint8_t)(1U << any(8));
		l4 = ip_of(&f) + (v4 ? 20 : 40);
		if (from.protocol == IPPROTO_UDP && l4[6] == 0 && l4[7] == 0)
			l4[6] = 1;
		t = translation(&to);
		assert_int_equal(translate(&f, &t), GT_PARSE_OK);
		assert_false(support_checksums_good(f.data, f.len));
		support_frame_free(&f);
	}
}

static void ttl_of_one_is_refused_with_the_frame_untouched(void **state)
{
	(void)state;
	for (int v = 0; v < 4; v++) {
		bool v4 = v & 1, to_v4 = v & 2;
		struct support_packet from = {.src = any_address(v4),
					      .dst = any_address(v4),
					      .protocol = IPPROTO_TCP,
					      .ttl = 1};
		struct gt_frame f = support_packet_frame(&from);
		struct gt_translation t = {any_address(to_v4), any_address(to_v4), 1, 2, 3};
		uint8_t before[256];

		memcpy(before, f.data, f.len);
		assert_int_equal(translate(&f, &t), GT_DROP_TTL);
		assert_memory_equal(f.data, before, f.len);
		support_frame_free(&f);
	}
}

/* ---- ICMP errors ---- */

/* An error of `type` that embeds `len` bytes of a packet. */
static struct gt_frame error_frame(const struct gt_addr *src, const struct gt_addr *dst,
				   uint8_t type, uint8_t code, const uint8_t *embedded, size_t len,
				   uint8_t ttl)
{
	struct support_packet p = {.src = *src,
				   .dst = *dst,
				   .protocol = gt_addr_is_v4(dst) ? IPPROTO_ICMP : IPPROTO_ICMPV6,
				   .icmp_type = type,
				   .icmp_code = code,
				   .payload = embedded,
				   .payload_len = len,
				   .ttl = ttl};

	return support_packet_frame(&p);
}

/* Every length of the embedded packet, from 8 bytes of its L4 to all of it. */
static void errors_within_a_family_are_as_built_anew(void **state)
{
	uint8_t was[2048], is[2048], payload[2048];

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		bool v4 = any(2);
		size_t header = v4 ? 20 : 40, whole, len;
		struct support_packet from, to;
		struct gt_translation inner, outer;
		struct gt_addr src = any_address(v4), dst, new_src = any_address(v4), new_dst;
		struct gt_packet p, e;
		struct gt_frame f, want;
		uint8_t type = v4 ? 3 : 1;

		make_pair(&from, &to, v4, v4, payload);
		from.payload_len = to.payload_len = any(40);
		from.tag = to.tag = 0;
		to.ttl++; /* what is embedded does not travel */
		whole = support_build(&from, was) - 14;
		support_build(&to, is);
		dst = from.src;
		new_dst = to.src;
		len = header + 8 + any(whole - header - 7);
		/* Half a checksum is nobody's use, and stays. */
		if (from.protocol == IPPROTO_TCP && len == header + 17)
			len--;
		f = error_frame(&src, &dst, type, 1, was + 14, len, 9);
		want = error_frame(&new_src, &new_dst, type, 1, is + 14, len, 8);
		inner = translation(&to);
		outer = (struct gt_translation){.src = new_src, .dst = new_dst};
		assert_int_equal(gt_parse_link(&f, &p), GT_PARSE_OK);
		assert_int_equal(gt_parse_network(&f, &p), GT_PARSE_OK);
		assert_int_equal(
			gt_parse_embedded(f.data + p.l4_off + 8, f.len - p.l4_off - 8U, !v4, &e),
			GT_PARSE_OK);
		assert_int_equal(gt_translate_error(&f, &p, &e, &outer, &inner), GT_PARSE_OK);
		assert_frame(&f, want.data, want.len);
		assert_true(support_checksums_good(f.data, f.len));
		support_frame_free(&f);
		support_frame_free(&want);
	}
}

/* Between families the parser and a plain sum judge what came out; exact bytes are in test/replay.
 */
static void errors_between_families_parse_again_with_good_checksums(void **state)
{
	uint8_t was[2048], payload[2048];

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		bool v4 = any(2);
		size_t header = v4 ? 20 : 40, whole, len;
		struct support_packet from, to;
		struct gt_translation inner, outer;
		struct gt_addr src = any_address(v4), dst;
		struct gt_packet p, e;
		struct gt_frame f;

		make_pair(&from, &to, v4, !v4, payload);
		from.tag = 0;
		whole = support_build(&from, was) - 14;
		dst = from.src;
		len = header + 8 + any(whole - header - 7);
		if (len > 1400)
			len = 1400;
		f = error_frame(&src, &dst, v4 ? 3 : 1, v4 ? 3 : 4, was + 14, len, 9);
		inner = translation(&to);
		outer = (struct gt_translation){.src = any_address(!v4), .dst = to.src};
		gt_parse_link(&f, &p);
		assert_int_equal(gt_parse_network(&f, &p), GT_PARSE_OK);
		assert_int_equal(
			gt_parse_embedded(f.data + p.l4_off + 8, f.len - p.l4_off - 8U, !v4, &e),
			GT_PARSE_OK);
		assert_int_equal(gt_translate_error(&f, &p, &e, &outer, &inner), GT_PARSE_OK);
		assert_true(support_checksums_good(f.data, f.len));
		gt_parse_link(&f, &p);
		assert_int_equal(gt_parse_network(&f, &p), GT_PARSE_OK);
		assert_true(p.l3_end == f.len && f.len == f.wire_len && f.len <= 1280 + 14);
		assert_int_equal(p.icmp_type, v4 ? 1 : 3);
		assert_int_equal(p.icmp_code, v4 ? 4 : 3);
		assert_int_equal(
			gt_parse_embedded(f.data + p.l4_off + 8, f.len - p.l4_off - 8U, v4, &e),
			GT_PARSE_OK);
		assert_true(gt_addr_equal(&e.src, &to.src) && gt_addr_equal(&e.dst, &to.dst));
		assert_int_equal(rte_be_to_cpu_16(e.src_port), to.sport);
		assert_int_equal(rte_be_to_cpu_16(e.dst_port), to.dport);
		support_frame_free(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(within_a_family_any_packet_is_as_built_anew),
		cmocka_unit_test(between_families_any_packet_is_as_built_anew),
		cmocka_unit_test(udp_checksum_that_becomes_zero_is_ffff),
		cmocka_unit_test(udp_without_a_checksum),
		cmocka_unit_test(udp_checksum_is_made_over_udp_length_not_the_packets),
		cmocka_unit_test(damaged_packets_stay_damaged_by_as_much),
		cmocka_unit_test(ttl_of_one_is_refused_with_the_frame_untouched),
		cmocka_unit_test(errors_within_a_family_are_as_built_anew),
		cmocka_unit_test(errors_between_families_parse_again_with_good_checksums),
	};

	return cmocka_run_group_tests_name("translate", tests, NULL, NULL);
}
