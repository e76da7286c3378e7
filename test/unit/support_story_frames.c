/* SPDX-License-Identifier: BSD-3-Clause */
/* The frames of a story; see support_story.h. */
#include "support_story_frames.h"

#include <netinet/in.h>
#include <string.h>

#include "packet/parse.h"
#include "support_view.h"
#include "vectors_packets.h"

/* ---- the input ---- */

uint8_t support_take(struct support_input *in)
{
	if (in->seed != NULL)
		return (uint8_t)(support_random(in->seed) >> 40);
	return in->p < in->end ? *in->p++ : 0;
}

static size_t take_bytes(struct support_input *in, uint8_t *out, size_t n)
{
	size_t left = in->seed != NULL ? n : (size_t)(in->end - in->p);

	if (n > left)
		n = left;
	for (size_t i = 0; i < n; i++)
		out[i] = support_take(in);
	return n;
}

/* ---- clients ---- */

static const char *const destinations[32] = {
	"192.0.2.100",	    "192.0.2.100",   "192.0.2.105",   "192.0.2.101",   "192.0.2.102",
	"192.0.2.105",	    "192.0.2.102",   "192.0.2.103",   "192.0.2.104",   "192.0.2.2",
	"8.8.8.8",	    "2001:db8::100", "2001:db8::105", "2001:db8::100", "2001:db8::2",
	"ff02::1:ff00:100", "192.0.2.106",   "192.0.2.106",   "192.0.2.107",   "192.0.2.107",
	"192.0.2.108",	    "192.0.2.108",   "2001:db8::106", "2001:db8::106", "2001:db8::107",
	"2001:db8::107",    "2001:db8::108", "2001:db8::108", "192.0.2.3",     "192.0.2.50",
	"203.0.113.7",	    "2001:db8:1::7",
};
static const uint16_t ports[16] = {80,	 80,   443,  5000, 5005, 5010, 53,    53,
				   8080, 5015, 5020, 0,	   1,	 7,    30001, 65535};
static const uint8_t protocols[8] = {6, 6, 6, 17, 17, 0, 0, 47}; /* 0: ICMP of the family */
/* What only one kind of station may send from. */
static const char *const strangers4[] = {"127.0.0.1",	"192.0.2.160",	 "192.0.2.162",
					 "192.0.2.170", "192.0.2.50",	 "198.51.100.50",
					 "192.0.2.107", "198.51.100.161"};
static const char *const strangers6[] = {"::1",		  "2001:db8::160",  "2001:db8::162",
					 "2001:db8::174", "2001:db8::50",   "2001:db8:2::50",
					 "2001:db8::107", "2001:db8:2::161"};

static void set_source(struct support_packet *s, uint8_t n)
{
	bool v4 = gt_addr_is_v4(&s->dst);

	s->src = support_addr(v4 ? "203.0.113.0" : "2001:db8:1::");
	s->src.b[15] = n & 31;
	if (n == 32)
		s->src = s->dst;
	else if (n == 33)
		memset(s->src.b + 12, 0, 4);
	else if (n >= 34 && n < 42)
		s->src = support_addr((v4 ? strangers4 : strangers6)[n - 34]);
}

/* The packet that an ICMP error embeds: from the VIP to the client. */
static size_t embed(struct support_input *in, const struct support_packet *outer, uint8_t *out)
{
	struct support_packet e = {.src = outer->dst,
				   .dst = outer->src,
				   .protocol = protocols[support_take(in) & 3],
				   .sport = ports[support_take(in) & 15],
				   .dport = support_take(in) & 7,
				   .payload_len = 8};
	size_t len = support_build(&e, out), keep = support_take(in);

	memmove(out, out + 14, len - 14);
	return keep < len - 14 ? keep : len - 14;
}

/* A piece of 40 bytes, or whatever is left. */
static void cut_piece(struct support_packet *s, uint8_t id, uint8_t which)
{
	size_t header = s->protocol == 6					     ? 20
			: s->protocol == 17 || s->protocol == 1 || s->protocol == 58 ? 8
										     : 0;
	size_t whole = s->payload_len + header;
	size_t at = (size_t)(which & 3) * 40;

	s->id = id & 7;
	if (at >= whole)
		return;
	s->piece_offset = at;
	s->piece_len = whole - at < 40 ? whole - at : 40;
	s->more = at + 40 < whole;
}

/* What UDP may be besides: without checksum, which IPv4 allows, and shorter than its packet. */
static void vary_udp(const struct support_packet *s, uint8_t shape, uint8_t *out)
{
	bool v4 = gt_addr_is_v4(&s->dst), piece = s->piece_len > 0;
	uint8_t *udp = out + (s->tag != 0 ? 18 : 14) + (v4 ? 20 : piece ? 48 : 40);

	if (s->protocol != IPPROTO_UDP || s->piece_offset > 0)
		return;
	if (shape & 1)
		memset(udp + 6, 0, 2);
	if ((shape & 2) && udp[5] > 16)
		udp[5] = (uint8_t)(udp[5] - 8);
}

static const char *pick(const struct support_story *s, uint8_t n)
{
	return s->destinations != NULL ? s->destinations[n % s->n_destinations]
				       : destinations[n & 31];
}

/* The fuzzer finds what leads deeper by itself; chance would mostly miss. */
static void guide(struct support_packet *s, uint8_t r)
{
	if ((r & 7) != 0)
		s->dport = s->protocol == IPPROTO_UDP ? 53 : 80;
	if (r & 8)
		s->flags = GT_TCP_ACK;
	if (r & 16)
		s->sport &= 1;
}

/* From six bytes and a few more: a valid packet, whole or a piece. */
static size_t build(const struct support_story *story, struct support_input *in, uint8_t in_if,
		    uint8_t *out)
{
	static const int tags[8] = {0, 0, 0, 43, 43, 1, 8192 + 1, 40960 + 43};
	uint8_t payload[512];
	struct support_packet s = {.dst = support_addr(pick(story, support_take(in)))};
	uint8_t kind = support_take(in), shape = support_take(in);
	bool v4 = gt_addr_is_v4(&s.dst);
	size_t len;

	set_source(&s, support_take(in));
	s.dst_mac = support_interface_mac(in_if);
	s.protocol = protocols[kind & 7];
	if (s.protocol == 0)
		s.protocol = v4 ? 1 : 58;
	s.tag = in_if == 1 ? 43 : 0;
	if ((kind & 0xc0) == 0xc0)
		s.tag = tags[kind >> 3 & 7];
	s.sport = support_take(in) & 7;
	s.dport = ports[support_take(in) & 15];
	s.flags = (uint8_t)(shape & 0x17);
	if (in->seed != NULL)
		guide(&s, support_take(in));
	s.icmp_type = support_take(in);
	s.payload = payload;
	s.payload_len = support_take(in);
	if ((s.protocol == 1 || s.protocol == 58) && s.icmp_type < 64)
		s.payload_len = embed(in, &s, payload);
	else
		take_bytes(in, payload, s.payload_len);
	if (shape & 0x80)
		cut_piece(&s, kind >> 3, shape >> 5);
	len = support_build(&s, out);
	vary_udp(&s, shape, out);
	return len;
}

/* ---- who answers what left ---- */

static const struct support_left *pick_left(const struct support_pipe *p, uint8_t n)
{
	return p->n_left == 0 ? NULL : &p->left[(p->n_left - 1 - (n & 15)) % 16];
}

/* An error about a frame that left: from its receiver or from a router. */
static void set_error(struct support_input *in, const struct support_view *v, uint8_t kind,
		      uint8_t *payload, struct support_packet *s)
{
	static const uint8_t types4[4] = {3, 11, 12, 3}, types6[4] = {1, 3, 4, 2};
	uint32_t keep = v->len - v->l3;

	s->protocol = v->v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	s->icmp_type = (v->v4 ? types4 : types6)[kind >> 2 & 3];
	s->icmp_code = v->v4 && (kind >> 2 & 3) == 3 ? 4 : support_take(in) & 15;
	s->icmp_rest = (uint32_t)(support_take(in) << 8 | support_take(in));
	if (kind & 0x10)
		s->src = support_addr(v->v4 ? "203.0.113.99" : "2001:db8:1::99");
	s->payload = payload;
	s->payload_len = support_take(in);
	if (s->payload_len > keep)
		s->payload_len = keep;
	memcpy(payload, v->d + v->l3, s->payload_len);
}

/* What the receiver of a frame that left sends back, or what is said about it; 0 bytes if none
 * left. */
static size_t build_answer(const struct support_story *story, struct support_input *in,
			   uint8_t *in_if, uint8_t *out)
{
	const struct support_left *l = pick_left(&story->pipe, support_take(in));
	uint8_t kind = support_take(in), shape = support_take(in), payload[256];
	struct support_packet s = {0};
	struct support_view v;
	size_t len;

	if (l == NULL || !support_view(l->bytes, l->len, &v))
		return 0;
	s.src = v.dst;
	s.dst = v.src;
	s.protocol = v.protocol;
	s.sport = v.dport;
	s.dport = v.sport;
	s.flags = (uint8_t)(shape & 0x17);
	*in_if = l->out_if;
	s.dst_mac = support_interface_mac(*in_if);
	s.tag = *in_if == 1 ? 43 : 0;
	if ((kind & 3) == 3) {
		set_error(in, &v, kind, payload, &s);
		return support_build(&s, out);
	}
	s.payload_len = support_take(in);
	if (shape & 0x80)
		cut_piece(&s, kind >> 2, shape >> 5);
	len = support_build(&s, out);
	vary_udp(&s, shape, out);
	return len;
}

/* One that scapy made, to be changed: what the grammar does not build. */
static size_t copy_vector(struct support_input *in, uint8_t in_if, uint8_t *out)
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
	uint8_t which = support_take(in) % (sizeof(vectors) / sizeof(vectors[0]));
	struct gt_mac mac = support_interface_mac(in_if);

	memcpy(out, vectors[which].bytes, vectors[which].len);
	if ((out[0] & 1) == 0)
		memcpy(out, mac.b, 6);
	return vectors[which].len;
}

/* Changes a few bytes of a built frame; repairs the IPv4 checksum afterwards in half the cases. */
static void mutate(struct support_input *in, uint8_t *bytes, size_t len)
{
	uint8_t n = support_take(in);
	size_t l3 = len > 17 && bytes[12] == 0x81 ? 18 : 14, header;
	uint16_t sum;

	for (uint8_t i = 0; i < (n & 7); i++) {
		size_t at = support_take(in);

		if (at < len)
			bytes[at] = support_take(in);
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

/* ---- one frame ---- */

static size_t make(const struct support_story *s, struct support_input *in, uint8_t how,
		   uint8_t *in_if, uint8_t *bytes)
{
	size_t len = 0;

	if ((how & 0xc0) == SUPPORT_HOW_ANSWER)
		len = build_answer(s, in, in_if, bytes);
	else if ((how & 0xc0) == 0xc0)
		return copy_vector(in, *in_if, bytes);
	return len > 0 ? len : build(s, in, *in_if, bytes);
}

struct gt_frame support_story_frame(const struct support_story *s, struct support_input *in,
				    uint8_t how)
{
	uint8_t bytes[2048], in_if = how & SUPPORT_HOW_SAN;
	size_t len;
	struct gt_frame f;

	if (how & SUPPORT_HOW_BUILT) {
		len = make(s, in, how, &in_if, bytes);
		if (how & SUPPORT_HOW_CHANGE)
			mutate(in, bytes, len);
	} else {
		len = take_bytes(in, bytes, support_take(in));
		/* else nothing would pass the first test */
		if ((how & SUPPORT_HOW_CHANGE) != 0 && len >= 6)
			memcpy(bytes, support_interface_mac(in_if).b, 6);
	}
	if (how & SUPPORT_HOW_CUT) { /* in the wire frame too, or only here */
		size_t keep = support_take(in);

		keep = keep < len ? keep : len;
		f = support_frame(bytes, keep);
		if (how & 16)
			f.wire_len = (uint32_t)len;
	} else {
		f = support_frame(bytes, len);
		if ((how & 48) == 48)
			f.wire_len += support_take(in);
	}
	f.in_if = in_if;
	return f;
}
