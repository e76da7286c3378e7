/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Wrapping. Each packet of vectors_tunnel.h must become, byte for byte, what scapy makes of it in
 * each encapsulation and outer family, and be found again in what a router quotes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>
#include <string.h>
#include <cmocka.h>

#include "packet/tunnel.h"
#include "support.h"
#include "vectors_tunnel.h"

#define N_VECTORS (sizeof(vectors_tunnel) / sizeof(vectors_tunnel[0]))

static struct gt_packet parse(const struct gt_frame *f)
{
	struct gt_packet p;

	assert_int_equal(gt_parse_link(f, &p), GT_PARSE_OK);
	assert_int_equal(gt_parse_network(f, &p), GT_PARSE_OK);
	return p;
}

static struct gt_tunnel tunnel_of(size_t i)
{
	bool v4 = vectors_tunnel[i].v4;

	return (struct gt_tunnel){.src = support_addr(v4 ? TUNNEL_SRC4 : TUNNEL_SRC6),
				  .dst = support_addr(v4 ? TUNNEL_DST4 : TUNNEL_DST6),
				  .kind = vectors_tunnel[i].kind,
				  .ipv4_id = vectors_tunnel[i].id,
				  .variation = vectors_tunnel[i].variation};
}

/* ---- the bytes ---- */

static void wrap_equals_scapys_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_VECTORS; i++) {
		struct gt_frame f = support_frame(vectors_tunnel[i].in, vectors_tunnel[i].in_len);
		struct gt_packet p = parse(&f);
		struct gt_tunnel t = tunnel_of(i);

		gt_tunnel_wrap(&f, &p, &t);
		if (f.len != vectors_tunnel[i].out_len || f.wire_len != f.len)
			fail_msg("%s: %u bytes, not %u", vectors_tunnel[i].name, f.len,
				 vectors_tunnel[i].out_len);
		for (uint32_t j = 0; j < f.len; j++)
			if (f.data[j] != vectors_tunnel[i].out[j])
				fail_msg("%s: byte %u is %02x, not %02x", vectors_tunnel[i].name, j,
					 f.data[j], vectors_tunnel[i].out[j]);
		support_frame_free(&f);
	}
}

/* The bytes at hand are fewer than the packet's: a capture cut it, or further segments follow. */
static void wrap_cut_frame_keeps_its_wire_length(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_VECTORS; i++) {
		struct gt_frame f = support_frame(vectors_tunnel[i].in, vectors_tunnel[i].in_len);
		struct gt_packet p = parse(&f);
		struct gt_tunnel t = tunnel_of(i);
		uint32_t overhead = gt_tunnel_overhead(t.kind, vectors_tunnel[i].v4);
		bool sum = t.kind == GT_TUNNEL_GUE && !vectors_tunnel[i].v4;

		f.len = p.l4_off;
		gt_tunnel_wrap(&f, &p, &t);
		assert_int_equal(f.wire_len, vectors_tunnel[i].in_len + overhead);
		assert_int_equal(f.len, p.l4_off + overhead);
		/* Only a UDP checksum cannot be made. */
		if (sum)
			assert_memory_equal(f.data + p.l3_off + 46, "\0\0", 2);
		assert_memory_equal(f.data, vectors_tunnel[i].out, p.l3_off + (sum ? 46U : 48U));
		support_frame_free(&f);
	}
}

static void wrap_gue_over_ipv6_checksum_is_never_zero(void **state)
{
	struct support_packet s = {.src = support_addr("2001:db8:1::9"),
				   .dst = support_addr("2001:db8::100"),
				   .protocol = IPPROTO_UDP,
				   .payload_len = 2};
	unsigned all_ones = 0;

	(void)state;
	/* An inner checksum that is not checked here takes all values, and so does the outer. */
	for (uint32_t x = 0; x < 65536; x++) {
		struct gt_frame f = support_packet_frame(&s);
		struct gt_packet p = parse(&f);
		struct gt_tunnel t = {.src = support_addr(TUNNEL_SRC6),
				      .dst = support_addr(TUNNEL_DST6),
				      .kind = GT_TUNNEL_GUE};
		uint16_t got;

		f.data[p.l4_off + 6] = (uint8_t)(x >> 8);
		f.data[p.l4_off + 7] = (uint8_t)x;
		gt_tunnel_wrap(&f, &p, &t);
		got = (uint16_t)(f.data[60] << 8 | f.data[61]);
		assert_int_not_equal(got, 0);
		all_ones += got == 0xffff;
		assert_true(support_checksums_good(f.data, f.len));
		support_frame_free(&f);
	}
	/* 0x0000 and 0xffff inside are the same number: of 65536, two give the outer ffff, at most.
	 */
	assert_in_range(all_ones, 1, 2);
}

/* ---- what routers quote ---- */

static void quoted_reads_what_was_wrapped(void **state)
{
	unsigned read = 0;

	(void)state;
	for (size_t i = 0; i < N_VECTORS; i++) {
		struct gt_frame f = support_frame(vectors_tunnel[i].in, vectors_tunnel[i].in_len);
		struct gt_packet p = parse(&f), inner;
		struct gt_tunnel t = tunnel_of(i), got;
		uint32_t overhead = gt_tunnel_overhead(t.kind, vectors_tunnel[i].v4), len, least;
		uint8_t *quote;

		len = vectors_tunnel[i].out_len - p.l3_off;
		/* Eight bytes of the inner L4 must be there. */
		least = overhead + p.l4_off - p.l3_off + 8U;
		for (uint32_t cut = 0; cut <= len; cut++) {
			bool ok;

			/* A block of just that size: ASan sees what is read behind it. */
			quote = malloc(cut > 0 ? cut : 1);
			memcpy(quote, vectors_tunnel[i].out + p.l3_off, cut);
			ok = gt_tunnel_quoted(quote, cut, !vectors_tunnel[i].v4, &got, &inner);
			assert_int_equal(ok, p.fragment != GT_FRAGMENT_LATER && cut >= least);
			free(quote);
		}
		if (p.fragment != GT_FRAGMENT_LATER) {
			read++;
			assert_int_equal(got.kind, t.kind);
			assert_true(gt_addr_equal(&got.src, &t.src));
			assert_true(gt_addr_equal(&got.dst, &t.dst));
			assert_int_equal(inner.kind, p.kind);
			assert_int_equal(inner.protocol, p.protocol);
			assert_int_equal(inner.l3_off, overhead);
			assert_true(gt_addr_equal(&inner.src, &p.src));
			assert_int_equal(inner.src_port, p.src_port);
			assert_int_equal(inner.dst_port, p.dst_port);
		}
		support_frame_free(&f);
	}
	assert_true(read > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrap_equals_scapys_bytes),
		cmocka_unit_test(wrap_cut_frame_keeps_its_wire_length),
		cmocka_unit_test(wrap_gue_over_ipv6_checksum_is_never_zero),
		cmocka_unit_test(quoted_reads_what_was_wrapped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
