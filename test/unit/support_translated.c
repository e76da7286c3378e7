/* SPDX-License-Identifier: BSD-3-Clause */
/* Translations compared with what they are of; see support_translated.h. */
#include "support_translated.h"

#include <netinet/in.h>
#include <string.h>

#include "support.h"

#define DIE_UNLESS(what) SUPPORT_DIE_UNLESS(what)

/* Are the bytes the same but for those in [from, to) of a field list? `n` at a and b. */
struct field {
	uint32_t from, to;
};

static bool same_but(const uint8_t *a, const uint8_t *b, uint32_t n, const struct field *fields,
		     unsigned n_fields)
{
	uint32_t at = 0;

	for (unsigned i = 0; i < n_fields && at < n; i++) {
		uint32_t to = fields[i].from < n ? fields[i].from : n;

		if (memcmp(a + at, b + at, to - at) != 0)
			return false;
		at = fields[i].to;
	}
	return at >= n || memcmp(a + at, b + at, n - at) == 0;
}

/* Of one family: all headers up to L4 but the addresses, the checksum, and the TTL if `routed`. */
static void check_headers(const struct support_view *in, const struct support_view *out,
			  bool routed)
{
	const struct field v4[] = {{8, routed ? 9 : 8}, {10, 20}};
	const struct field v6[] = {{7, routed ? 8 : 7}, {8, 40}};

	DIE_UNLESS(in->l4 - in->l3 == out->l4 - out->l3);
	DIE_UNLESS(
		same_but(in->d + in->l3, out->d + out->l3, in->l4 - in->l3, in->v4 ? v4 : v6, 2));
}

/* Between families: no options or extension headers but a fragment's. */
static void check_new_headers(const struct support_view *in, const struct support_view *out)
{
	DIE_UNLESS(out->l4 - out->l3 == (out->v4 ? 20U : out->fragment ? 48U : 40U));
	DIE_UNLESS(in->traffic_class == out->traffic_class);
	DIE_UNLESS(in->end - in->l4 == out->end - out->l4);
	DIE_UNLESS(in->protocol == out->protocol);
	DIE_UNLESS(in->fragment == out->fragment && in->more == out->more &&
		   in->offset == out->offset);
	if (in->fragment)
		DIE_UNLESS((in->id & 0xffff) == (out->id & 0xffff) &&
			   (out->v4 || out->id == in->id));
}

static void check_outer(const struct support_view *in, const struct support_view *out,
			const struct support_ends *ends)
{
	DIE_UNLESS(gt_addr_equal(&out->src, &ends->src) && gt_addr_equal(&out->dst, &ends->dst));
	DIE_UNLESS(in->ttl > 1 && out->ttl == in->ttl - 1);
	DIE_UNLESS(in->traffic_class == out->traffic_class);
	DIE_UNLESS(support_view_header_good(out));
}

/* ---- L4 ---- */

/* A UDP packet that came without checksum: IPv4 does without, IPv6 must have one. */
static void check_no_checksum(const struct support_view *in, const struct support_view *out)
{
	uint16_t check = support_get16(out->d + out->l4 + 6);

	DIE_UNLESS(in->v4);
	if (out->v4) {
		DIE_UNLESS(check == 0);
		return;
	}
	DIE_UNLESS(!out->fragment && out->end <= out->len);
	DIE_UNLESS(check != 0 && support_view_sum(out) == 0);
}

/* The checksum, if it is here: as good as it came. */
static void check_sums(const struct support_view *in, const struct support_view *out)
{
	uint32_t at = support_view_check_at(in);
	bool udp = in->protocol == IPPROTO_UDP;

	if (udp && support_get16(in->d + in->l4 + at) == 0) {
		check_no_checksum(in, out);
		return;
	}
	DIE_UNLESS(support_view_sum_changed(in) == support_view_sum_changed(out));
	DIE_UNLESS(!udp || support_get16(out->d + out->l4 + at) != 0);
	if (!in->fragment && in->end <= in->len)
		DIE_UNLESS(support_view_sum(in) == support_view_sum(out));
}

static void check_l4(const struct support_view *in, const struct support_view *out, uint32_t n,
		     const struct support_ends *ends)
{
	uint32_t at = support_view_check_at(in);
	const struct field fields[] = {{0, 4}, {at, at + 2}};

	if (in->offset != 0) {
		DIE_UNLESS(memcmp(in->d + in->l4, out->d + out->l4, n) == 0);
		return;
	}
	DIE_UNLESS(in->has_ports && out->has_ports);
	DIE_UNLESS(out->sport == ends->sport && out->dport == ends->dport);
	DIE_UNLESS(same_but(in->d + in->l4, out->d + out->l4, n, fields, 2));
}

void support_check_translated(const struct support_view *in, const struct support_view *out,
			      const struct support_ends *ends)
{
	check_outer(in, out, ends);
	if (in->v4 == out->v4)
		check_headers(in, out, true);
	else
		check_new_headers(in, out);
	/* Padding behind the packet stays, too. */
	DIE_UNLESS(in->len - in->l4 == out->len - out->l4);
	check_l4(in, out, in->len - in->l4, ends);
	if (in->offset == 0)
		check_sums(in, out);
}

/* ---- ICMP errors ---- */

/* The embedded packet's checksum, as far as it is here. */
static void check_embedded_sums(const struct support_view *e, const struct support_view *x,
				uint32_t n)
{
	uint32_t at = support_view_check_at(e);

	if (e->v4 && x->v4)
		DIE_UNLESS(support_sum(0, e->d, e->l4) % 0xffff ==
			   support_sum(0, x->d, x->l4) % 0xffff);
	if (at + 2 > n)
		return;
	if (e->protocol == IPPROTO_UDP && support_get16(e->d + e->l4 + at) == 0)
		DIE_UNLESS(support_get16(x->d + x->l4 + at) == 0);
	else
		DIE_UNLESS(support_view_sum_changed(e) == support_view_sum_changed(x));
}

void support_check_error(const struct support_view *in, const struct support_view *out,
			 const struct support_ends *outer, const struct support_ends *inner)
{
	static const struct field checksum[] = {{2, 4}};
	struct support_view e, x;
	uint32_t n, n_out;

	check_outer(in, out, outer);
	DIE_UNLESS(support_view_is_error(out) && support_view_embedded(in, &e) &&
		   support_view_embedded(out, &x));
	DIE_UNLESS(gt_addr_equal(&x.src, &inner->src) && gt_addr_equal(&x.dst, &inner->dst));
	n = e.len - e.l4;
	n_out = x.len - x.l4;
	if (in->v4 == out->v4) {
		check_headers(in, out, true);
		check_headers(&e, &x, false);
		DIE_UNLESS(in->len - in->l4 == out->len - out->l4 && n == n_out);
		DIE_UNLESS(same_but(in->d + in->l4, out->d + out->l4, 8, checksum, 1));
		if (in->end <= in->len)
			DIE_UNLESS(support_view_sum(in) == support_view_sum(out));
	} else {
		/* Put together anew, so it must be right; it may leave out what is behind. */
		DIE_UNLESS(out->len == out->end && support_view_sum(out) == 0);
		DIE_UNLESS(e.traffic_class == x.traffic_class && e.protocol == x.protocol);
		DIE_UNLESS(n_out >= 8 && n_out <= n);
		n = n_out;
	}
	check_l4(&e, &x, n, inner);
	check_embedded_sums(&e, &x, n);
}
