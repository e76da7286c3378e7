/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Echo answered in place: each request of vectors_packets.h must become, byte for byte, the reply
 * that scapy makes, whole and in fragments; what comes out is parsed again and its checksums are
 * recomputed by a plain loop.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "packet/icmp.h"
#include "support.h"
#include "vectors_packets.h"

static const struct gt_mac balancer = {{2, 0, 0, 0, 0, 1}};

static struct gt_packet parse(const struct gt_frame *f)
{
	struct gt_packet p;

	assert_int_equal(gt_parse_link(f, &p), GT_PARSE_OK);
	assert_int_equal(gt_parse_network(f, &p), GT_PARSE_OK);
	return p;
}

static struct gt_frame answer(const uint8_t *request, size_t len)
{
	struct gt_frame f = support_frame(request, len);
	struct gt_packet p = parse(&f);

	if (p.fragment != GT_FRAGMENT_LATER)
		assert_true(gt_icmp_is_echo_request(&p));
	gt_icmp_answer_echo(&f, &p, &balancer);
	return f;
}

#define CASE(name) #name, v_##name, v_##name##_reply, sizeof(v_##name)

static void answer_echo_equals_scapys_reply(void **state)
{
	static const struct {
		const char *name;
		const uint8_t *request, *reply;
		size_t len;
	} cases[] = {
		{CASE(echo4_even)},    {CASE(echo4_odd)},    {CASE(echo4_empty)},
		{CASE(echo4_zero)},    {CASE(echo4_padded)}, {CASE(echo4_options)},
		{CASE(echo4_vlan)},    {CASE(echo4_first)},  {CASE(echo4_later)},
		{CASE(echo6_even)},    {CASE(echo6_odd)},    {CASE(echo6_zero)},
		{CASE(echo6_dstopts)}, {CASE(echo6_first)},  {CASE(echo6_later)},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct gt_frame f = answer(cases[i].request, cases[i].len);
		struct gt_packet p = parse(&f);

		for (size_t j = 0; j < cases[i].len; j++)
			if (f.data[j] != cases[i].reply[j])
				fail_msg("%s: byte %zu is %02x, not %02x", cases[i].name, j,
					 f.data[j], cases[i].reply[j]);
		assert_int_equal(f.len, cases[i].len);
		if (p.fragment != GT_FRAGMENT_LATER) {
			assert_false(gt_icmp_is_echo_request(&p));
			assert_false(gt_icmp_is_error(&p));
		}
		support_frame_free(&f);
	}
}

static void answer_echo_every_payload_length_has_good_checksums(void **state)
{
	uint64_t seed = 1;

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		for (size_t len = 0; len < 300; len++) {
			uint8_t payload[300], bytes[2048];
			struct support_packet s = {
				.src = support_addr(v6 ? "2001:db8:1::9" : "203.0.113.9"),
				.dst = support_addr(v6 ? "2001:db8::100" : "192.0.2.100"),
				.protocol = v6 ? 58 : 1,
				.icmp_type = v6 ? 128 : 8,
				.icmp_rest = (uint32_t)support_random(&seed),
				.payload = payload,
				.payload_len = len,
				.ttl = (uint8_t)(1 + support_random(&seed) % 255),
			};
			struct gt_frame f;

			/* Runs of FF and 00 are where the two zeros of one's complement meet. */
			for (size_t i = 0; i < len; i++)
				payload[i] = len % 3 == 0   ? (uint8_t)support_random(&seed)
					     : len % 3 == 1 ? 0xff
							    : 0;
			f = answer(bytes, support_build(&s, bytes));
			assert_true(support_checksums_good(bytes, f.len));
			assert_true(support_checksums_good(f.data, f.len));
			assert_int_equal(f.data[f.len - len - 8], v6 ? 129 : 0);
			support_frame_free(&f);
		}
	}
}

/* Only the checksum of an all-zero message tells FFFF from 0000; every other takes both. */
static void answer_echo_every_id_has_a_good_checksum(void **state)
{
	(void)state;
	for (uint32_t id = 0; id < 65536; id++) {
		struct support_packet s = {
			.src = support_addr("203.0.113.9"),
			.dst = support_addr("192.0.2.100"),
			.protocol = 1,
			.icmp_type = 8,
			.icmp_rest = id << 16,
		};
		uint8_t bytes[2048];
		struct gt_frame f = answer(bytes, support_build(&s, bytes));

		if (!support_checksums_good(f.data, f.len))
			fail_msg("id %u", id);
		support_frame_free(&f);
	}
}

static void answer_echo_damaged_stays_damaged(void **state)
{
	struct gt_frame f = answer(v_echo4_damaged, sizeof(v_echo4_damaged));

	(void)state;
	assert_int_equal(f.data[34], 0);
	assert_false(support_checksums_good(f.data, f.len));
	support_frame_free(&f);
	for (int bit = 0; bit < 8 * 16; bit++) {
		uint8_t bytes[sizeof(v_echo6_odd)];

		memcpy(bytes, v_echo6_odd, sizeof(bytes));
		/* behind type and code, and not the checksum's own field alone */
		bytes[54 + 2 + bit % 72 / 8] ^= (uint8_t)(1 << bit % 8);
		f = answer(bytes, sizeof(bytes));
		assert_false(support_checksums_good(f.data, f.len));
		support_frame_free(&f);
	}
}

/* All pieces put together again are the whole reply. */
static void answer_echo_in_fragments_reassembles(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct support_packet s = {
			.src = support_addr(v6 ? "2001:db8:1::9" : "203.0.113.9"),
			.dst = support_addr(v6 ? "2001:db8::100" : "192.0.2.100"),
			.protocol = v6 ? 58 : 1,
			.icmp_type = v6 ? 128 : 8,
			.payload_len = 1001,
			.id = 77,
		};
		uint8_t whole[2048], want[2048];
		size_t header = v6 ? 54 : 34, len;
		struct gt_frame f;

		f = answer(want, support_build(&s, want));
		len = f.len - header;
		memcpy(want, f.data, f.len);
		support_frame_free(&f);
		for (size_t at = 0; at < len; at += 400) {
			uint8_t bytes[2048];

			s.piece_offset = at;
			s.piece_len = len - at < 400 ? len - at : 400;
			s.more = at + 400 < len;
			f = answer(bytes, support_build(&s, bytes));
			memcpy(whole + at, f.data + f.len - s.piece_len, s.piece_len);
			support_frame_free(&f);
		}
		assert_memory_equal(whole, want + header, len);
		assert_true(support_checksums_good(want, header + len));
	}
}

static void is_error_and_echo_by_type(void **state)
{
	(void)state;
	for (unsigned type = 0; type < 256; type++) {
		struct gt_packet p = {.kind = GT_PACKET_IPV4, .icmp_type = (uint8_t)type};

		/* RFC 792; a redirect (5) would have to come from the first router. */
		assert_int_equal(gt_icmp_is_error(&p),
				 type == 3 || type == 4 || type == 11 || type == 12);
		assert_int_equal(gt_icmp_is_echo_request(&p), type == 8);
		p.icmp_code = 1;
		assert_false(gt_icmp_is_echo_request(&p));
		p.icmp_code = 0;
		p.kind = GT_PACKET_IPV6;
		/* RFC 4443 2.1: errors are below 128, and 1 to 4 are known. */
		assert_int_equal(gt_icmp_is_error(&p), type >= 1 && type <= 4);
		assert_int_equal(gt_icmp_is_echo_request(&p), type == 128);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answer_echo_equals_scapys_reply),
		cmocka_unit_test(answer_echo_every_payload_length_has_good_checksums),
		cmocka_unit_test(answer_echo_every_id_has_a_good_checksum),
		cmocka_unit_test(answer_echo_damaged_stays_damaged),
		cmocka_unit_test(answer_echo_in_fragments_reassembles),
		cmocka_unit_test(is_error_and_echo_by_type),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
