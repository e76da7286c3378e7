/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ARP and NDP: answers, questions, learning, ageing, conflicts, pacing. What gantry should say is
 * compared with frames that scapy made (neighbour_frames.h), variants of which get their checksum
 * from the plain loop below. Every frame goes in as a heap block of its exact size behind the
 * promised headroom, so that ASan sees a byte too many; time is stepped by hand.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "neighbour/neighbour.h"
#include "neighbour_frames.h"

#define TICK 100

struct sent {
	uint64_t ms;
	uint8_t interface;
	size_t len;
	uint8_t bytes[GT_NEIGHBOUR_FRAME_MAX];
};

struct told {
	uint64_t ms;
	enum gt_neighbour_event event;
	uint8_t interface;
	struct gt_addr addr;
	struct gt_mac mac, old_mac;
	bool has_mac, has_old_mac;
};

/* A node, what it sent and told, and what became of the last frame. */
struct world {
	struct gt_neighbours *n;
	uint64_t now;
	struct sent *sent;
	size_t n_sent, room;
	struct told told[1024];
	size_t n_told;
	enum gt_verdict verdict;
	enum gt_drop_reason reason;
	uint8_t out_if;
	uint32_t out_len, out_wire_len;
	ptrdiff_t moved; /* how far the frame's start moved forward */
	uint8_t out[2048];
};

static const struct gt_mac mac_m = {{2, 0, 0, 0, 0, 0x01}};
static const struct gt_mac mac_m2 = {{2, 0, 0, 0, 0, 0x02}};
static const struct gt_mac mac_s = {{2, 0, 0, 0, 0, 0x11}};
static const struct gt_mac mac_x = {{2, 0, 0, 0, 0, 0x99}};

static struct gt_addr addr(const char *s)
{
	struct gt_addr a;

	assert_int_equal(gt_addr_parse(s, &a), 0);
	return a;
}

static struct gt_prefix prefix(const char *s)
{
	struct gt_prefix p;

	assert_int_equal(gt_prefix_parse(s, &p), 0);
	return p;
}

static void on_emit(void *ctx, uint8_t interface, const uint8_t *frame, size_t len)
{
	struct world *w = ctx;

	if (w->n_sent == w->room) {
		w->room = w->room == 0 ? 64 : w->room * 2;
		w->sent = realloc(w->sent, w->room * sizeof(*w->sent));
		assert_non_null(w->sent);
	}
	struct sent *s = &w->sent[w->n_sent++];

	assert_true(len >= 60 && len <= sizeof(s->bytes));
	*s = (struct sent){.ms = w->now, .interface = interface, .len = len};
	memcpy(s->bytes, frame, len);
}

static void on_event(void *ctx, enum gt_neighbour_event event, uint8_t interface,
		     const struct gt_addr *a, const struct gt_mac *mac,
		     const struct gt_mac *old_mac)
{
	struct world *w = ctx;

	assert_true(w->n_told < sizeof(w->told) / sizeof(w->told[0]));
	struct told *t = &w->told[w->n_told++];

	*t = (struct told){.ms = w->now,
			   .event = event,
			   .interface = interface,
			   .addr = *a,
			   .has_mac = mac != NULL,
			   .has_old_mac = old_mac != NULL};
	if (mac != NULL)
		t->mac = *mac;
	if (old_mac != NULL)
		t->old_mac = *old_mac;
}

static struct world *make(bool emits)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	struct gt_neighbour_hooks hooks = {
		.emit = emits ? on_emit : NULL, .event = on_event, .ctx = w};

	w->n = gt_neighbours_create(&hooks);
	assert_non_null(w->n);
	gt_neighbours_interface(w->n, 0, &mac_m, 0);
	return w;
}

static void done(struct world *w)
{
	gt_neighbours_destroy(w->n);
	free(w->sent);
	free(w);
}

static void own(struct world *w, uint8_t interface, const char *p)
{
	struct gt_prefix pre = prefix(p);

	assert_int_equal(gt_neighbours_add_own(w->n, interface, &pre, false), 0);
}

static void vip(struct world *w, uint8_t interface, const char *a)
{
	struct gt_addr address = addr(a);
	struct gt_prefix pre = {address, gt_addr_is_v4(&address) ? 32 : 128};

	assert_int_equal(gt_neighbours_add_own(w->n, interface, &pre, true), 0);
}

static void remove_vip(struct world *w, uint8_t interface, const char *a)
{
	struct gt_addr address = addr(a);
	struct gt_prefix pre = {address, gt_addr_is_v4(&address) ? 32 : 128};

	gt_neighbours_remove_own(w->n, interface, &pre, true);
}

static void server(struct world *w, uint8_t interface, const char *a)
{
	struct gt_addr address = addr(a);

	assert_int_equal(gt_neighbours_add(w->n, interface, &address, NULL), 0);
}

static const struct gt_neighbour *find(const struct world *w, uint8_t interface, const char *a)
{
	struct gt_addr address = addr(a);

	return gt_neighbours_find(w->n, interface, &address);
}

/* The house of most tests: interface 0 with both families, a VIP and a server of each. */
static struct world *house(void)
{
	struct world *w = make(true);

	own(w, 0, "192.0.2.2/24");
	own(w, 0, "2001:db8::2/64");
	vip(w, 0, "192.0.2.100");
	vip(w, 0, "2001:db8::100");
	server(w, 0, "192.0.2.11");
	server(w, 0, "2001:db8::11");
	return w;
}

/* All announcements and first questions are over: only what follows is recorded. */
static void run_until(struct world *w, uint64_t ms)
{
	for (; w->now < ms; w->now += TICK)
		gt_neighbours_tick(w->n, w->now);
}

static void forget(struct world *w)
{
	w->n_sent = 0;
	w->n_told = 0;
}

static void give_cut(struct world *w, uint8_t interface, const uint8_t *bytes, size_t len,
		     size_t wire_len)
{
	uint8_t *block = malloc(GT_HEADROOM + len);

	assert_non_null(block);
	memset(block, 0xee, GT_HEADROOM);
	memcpy(block + GT_HEADROOM, bytes, len);

	struct gt_frame f = {.data = block + GT_HEADROOM,
			     .len = (uint32_t)len,
			     .wire_len = (uint32_t)wire_len,
			     .in_if = interface,
			     .verdict = GT_PUNT};

	gt_neighbours_frame(w->n, &f, w->now);
	w->verdict = f.verdict;
	w->reason = f.reason;
	w->out_if = f.out_if;
	w->out_len = f.len;
	w->out_wire_len = f.wire_len;
	w->moved = block + GT_HEADROOM - f.data;
	assert_true(f.len <= sizeof(w->out));
	memcpy(w->out, f.data, f.len);
	free(block);
}

static void give(struct world *w, uint8_t interface, const uint8_t *bytes, size_t len)
{
	give_cut(w, interface, bytes, len, len);
}

static void assert_answer(const struct world *w, const uint8_t *expected, size_t len)
{
	assert_int_equal(w->verdict, GT_ANSWER);
	assert_int_equal(w->out_len, len);
	assert_int_equal(w->out_wire_len, len);
	assert_memory_equal(w->out, expected, len);
}

static void assert_dropped(const struct world *w, enum gt_drop_reason reason)
{
	assert_int_equal(w->verdict, GT_DROP);
	assert_string_equal(gt_drop_name(w->reason), gt_drop_name(reason));
}

static void assert_sent(const struct world *w, size_t i, uint64_t ms, const uint8_t *expected,
			size_t len)
{
	assert_true(i < w->n_sent);
	assert_int_equal(w->sent[i].ms, ms);
	assert_int_equal(w->sent[i].len, len);
	assert_memory_equal(w->sent[i].bytes, expected, len);
}

static void assert_told(const struct world *w, size_t i, enum gt_neighbour_event event,
			const char *a, const struct gt_mac *mac, const struct gt_mac *old_mac)
{
	struct gt_addr address = addr(a);

	assert_true(i < w->n_told);
	assert_int_equal(w->told[i].event, event);
	assert_memory_equal(&w->told[i].addr, &address, sizeof(address));
	assert_int_equal(w->told[i].has_mac, mac != NULL);
	assert_int_equal(w->told[i].has_old_mac, old_mac != NULL);
	if (mac != NULL)
		assert_memory_equal(&w->told[i].mac, mac, sizeof(*mac));
	if (old_mac != NULL)
		assert_memory_equal(&w->told[i].old_mac, old_mac, sizeof(*old_mac));
}

/* ---- frames of our own making ---- */

/* ICMPv6 checksum by RFC 8200 8.1, written without a thought to speed. */
static void set_icmp_checksum(uint8_t *ip)
{
	unsigned len = (unsigned)(ip[4] << 8 | ip[5]);
	unsigned long sum = len + 58;

	ip[42] = 0;
	ip[43] = 0;
	for (unsigned i = 8; i < 40; i += 2)
		sum += (unsigned)(ip[i] << 8 | ip[i + 1]);
	for (unsigned i = 0; i < len; i++)
		sum += i % 2 == 0 ? (unsigned)ip[40 + i] << 8 : ip[40 + i];
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum & 0xffff;
	ip[42] = (uint8_t)(sum >> 8);
	ip[43] = (uint8_t)sum;
}

/* Offsets in an untagged frame. */
enum {
	A_OP = 21,
	A_SHA = 22,
	A_SPA = 28,
	A_THA = 32,
	A_TPA = 38,
	N_IP = 14,
	N_PAYLOAD = 18,
	N_NEXT = 20,
	N_HOPS = 21,
	N_SRC = 22,
	N_DST = 38,
	N_TYPE = 54,
	N_CODE = 55,
	N_FLAGS = 58,
	N_TARGET = 62,
	N_OPTION = 78,
};

struct arp {
	uint8_t op;
	struct gt_mac sha;
	const char *spa, *tpa;
};

static void give_arp(struct world *w, uint8_t interface, const struct arp *a)
{
	uint8_t f[sizeof(arp_request)];

	memcpy(f, arp_request, sizeof(f));
	f[A_OP] = a->op;
	memcpy(f + 6, a->sha.b, 6);
	memcpy(f + A_SHA, a->sha.b, 6);
	memcpy(f + A_SPA, addr(a->spa).b + 12, 4);
	memcpy(f + A_TPA, addr(a->tpa).b + 12, 4);
	give(w, interface, f, sizeof(f));
}

struct na {
	struct gt_mac mac;
	const char *target;
	uint8_t flags;	/* 0x40 solicited, 0x20 override */
	bool no_option; /* the Ethernet source alone has the MAC */
};

static void give_na(struct world *w, const struct na *a)
{
	uint8_t f[sizeof(na)];

	memcpy(f, na, sizeof(f));
	memcpy(f + 6, a->mac.b, 6);
	memcpy(f + N_SRC, addr(a->target).b, 16);
	memcpy(f + N_TARGET, addr(a->target).b, 16);
	memcpy(f + N_OPTION + 2, a->mac.b, 6);
	f[N_FLAGS] = a->flags;
	if (a->no_option)
		f[N_PAYLOAD + 1] = 24;
	set_icmp_checksum(f + N_IP);
	give(w, 0, f, a->no_option ? N_OPTION : sizeof(f));
}

/* ---- ARP: answers ---- */

static void frame_arp_request_for_vip_is_answered(void **state)
{
	(void)state;
	struct world *w = house();

	give(w, 0, arp_request, sizeof(arp_request));
	assert_answer(w, arp_answer, sizeof(arp_answer));
	assert_int_equal(w->out_if, 0);
	assert_int_equal(w->moved, 0);
	assert_int_equal(w->n_told, 0);
	done(w);
}

static void frame_arp_request_with_padding_keeps_length_and_zeroes_it(void **state)
{
	(void)state;
	struct world *w = house();
	uint8_t f[60], expected[60] = {0};

	memset(f, 0xaa, sizeof(f));
	memcpy(f, arp_request, sizeof(arp_request));
	memcpy(expected, arp_answer, sizeof(arp_answer));
	give(w, 0, f, sizeof(f));
	assert_answer(w, expected, sizeof(expected));
	/* The rest of a frame that was cut behind what is needed does not come back. */
	give_cut(w, 0, f, sizeof(f), 64);
	assert_answer(w, expected, sizeof(expected));
	done(w);
}

static void frame_arp_request_for_own_address_is_answered(void **state)
{
	(void)state;
	struct world *w = house();

	/* RFC 826; also where the request came unicast. */
	give_arp(w, 0, &(struct arp){1, mac_s, "192.0.2.11", "192.0.2.2"});
	assert_int_equal(w->verdict, GT_ANSWER);
	assert_memory_equal(w->out, mac_s.b, 6);
	assert_memory_equal(w->out + 6, mac_m.b, 6);
	assert_int_equal(w->out[A_OP], 2);
	assert_memory_equal(w->out + A_SHA, mac_m.b, 6);
	assert_memory_equal(w->out + A_SPA, "\xc0\x00\x02\x02", 4);
	assert_memory_equal(w->out + A_THA, mac_s.b, 6);
	assert_memory_equal(w->out + A_TPA, "\xc0\x00\x02\x0b", 4);
	done(w);
}

static void frame_arp_request_with_other_ethernet_source_is_answered_to_sender_in_arp(void **state)
{
	(void)state;
	struct world *w = house();
	uint8_t f[sizeof(arp_request)];

	memcpy(f, arp_request, sizeof(f));
	f[11] = 0x77;
	give(w, 0, f, sizeof(f));
	assert_answer(w, arp_answer, sizeof(arp_answer));
	done(w);
}

static void frame_arp_probe_for_vip_is_answered_without_conflict(void **state)
{
	(void)state;
	struct world *w = house();
	uint8_t expected[sizeof(arp_answer)];

	run_until(w, 10000);
	forget(w);
	/* RFC 5227 2.1.1: sender address 0. */
	give_arp(w, 0, &(struct arp){1, {{2, 0, 0, 0, 0, 0xc1}}, "0.0.0.0", "192.0.2.100"});
	memcpy(expected, arp_answer, sizeof(expected));
	memset(expected + A_TPA, 0, 4);
	assert_answer(w, expected, sizeof(expected));
	assert_int_equal(w->n_told, 0);
	assert_null(gt_neighbours_conflict_at(w->n, 0));
	done(w);
}

static void frame_arp_request_for_server_is_other(void **state)
{
	(void)state;
	struct world *w = house();

	give_arp(w, 0, &(struct arp){1, {{2, 0, 0, 0, 0, 0xc1}}, "192.0.2.50", "192.0.2.11"});
	assert_dropped(w, GT_DROP_NEIGHBOUR_OTHER);
	/* Not even for a static one. */
	struct gt_addr fixed = addr("192.0.2.12");

	assert_int_equal(gt_neighbours_add(w->n, 0, &fixed, &mac_s), 0);
	give_arp(w, 0, &(struct arp){1, {{2, 0, 0, 0, 0, 0xc1}}, "192.0.2.50", "192.0.2.12"});
	assert_dropped(w, GT_DROP_NEIGHBOUR_OTHER);
	give_arp(w, 0, &(struct arp){1, {{2, 0, 0, 0, 0, 0xc1}}, "0.0.0.0", "192.0.2.12"});
	assert_dropped(w, GT_DROP_NEIGHBOUR_OTHER);
	done(w);
}

static void frame_arp_request_for_address_of_other_interface_is_other(void **state)
{
	(void)state;
	struct world *w = house();

	gt_neighbours_interface(w->n, 1, &mac_m2, 0);
	own(w, 1, "198.51.100.2/24");
	give(w, 1, arp_request, sizeof(arp_request));
	assert_dropped(w, GT_DROP_NEIGHBOUR_OTHER);
	give_arp(w, 0, &(struct arp){1, mac_s, "192.0.2.11", "198.51.100.2"});
	assert_dropped(w, GT_DROP_NEIGHBOUR_OTHER);
	give_arp(w, 1, &(struct arp){1, mac_s, "198.51.100.9", "198.51.100.2"});
	assert_int_equal(w->verdict, GT_ANSWER);
	assert_int_equal(w->out_if, 1);
	assert_memory_equal(w->out + A_SHA, mac_m2.b, 6);
	done(w);
}

static void frame_on_unknown_interface_is_other(void **state)
{
	(void)state;
	struct world *w = house();

	give(w, 5, arp_request, sizeof(arp_request));
	assert_dropped(w, GT_DROP_NEIGHBOUR_OTHER);
	give(w, 255, arp_request, sizeof(arp_request));
	assert_dropped(w, GT_DROP_NEIGHBOUR_OTHER);
	done(w);
}

static void frame_arp_tagged_request_keeps_its_tag(void **state)
{
	(void)state;
	struct world *w = make(true);

	gt_neighbours_interface(w->n, 0, &mac_m, 42);
	vip(w, 0, "192.0.2.100");
	give(w, 0, tagged_request, sizeof(tagged_request));
	assert_answer(w, tagged_answer, sizeof(tagged_answer));
	done(w);
}

/* ---- ARP: what is malformed ---- */

struct edit {
	size_t off;
	uint8_t value;
};

static void frame_arp_malformed_is_bad(void **state)
{
	(void)state;
	static const struct edit edits[] = {
		{12, 0x81},    /* no ARP: some other type */
		{6, 0x03},     /* Ethernet source is multicast */
		{15, 6},       /* hardware type: IEEE 802 */
		{14, 1},       /* hardware type 0x0101 */
		{16, 0x86},    /* protocol */
		{17, 0x06},    /* protocol */
		{18, 8},       /* hardware size */
		{19, 16},      /* protocol size */
		{A_OP, 0},     /* operation */
		{A_OP, 3},     /* reverse ARP */
		{20, 1},       /* operation 0x0101 */
		{A_SHA, 0x03}, /* sender MAC is multicast */
		{A_SPA, 127},  /* sender is loopback, */
		{A_SPA, 224},  /* multicast, */
		{A_SPA, 255},  /* class E, */
		{A_SPA, 0},    /* 0.0.2.50 */
	};
	struct world *w = house();

	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		uint8_t f[sizeof(arp_request)];

		memcpy(f, arp_request, sizeof(f));
		f[edits[i].off] = edits[i].value;
		give(w, 0, f, sizeof(f));
		assert_dropped(w, GT_DROP_NEIGHBOUR_BAD);
	}
	uint8_t f[sizeof(arp_request)];

	memcpy(f, arp_request, sizeof(f));
	memset(f + A_SHA, 0, 6);
	give(w, 0, f, sizeof(f));
	assert_dropped(w, GT_DROP_NEIGHBOUR_BAD);
	give_arp(w, 0, &(struct arp){2, mac_s, "0.0.0.0", "192.0.2.100"});
	assert_dropped(w, GT_DROP_NEIGHBOUR_BAD);
	assert_int_equal(w->n_told, 0);
	done(w);
}

static void frame_truncated_at_every_length_is_bad(void **state)
{
	(void)state;
	static const struct {
		const uint8_t *bytes;
		size_t len;
	} frames[] = {
		{arp_request, sizeof(arp_request)},
		{arp_reply, sizeof(arp_reply)},
		{tagged_request, sizeof(tagged_request)},
		{ns, sizeof(ns)},
		{ns_nud, sizeof(ns_nud)},
		{ns_dad, sizeof(ns_dad)},
		{na, sizeof(na)},
		{tagged_ns, sizeof(tagged_ns)},
	};
	struct world *w = house();

	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		for (size_t len = 0; len < frames[i].len; len++) {
			give(w, 0, frames[i].bytes, len);
			assert_dropped(w, GT_DROP_NEIGHBOUR_BAD);
			/* The wire had it all, but it is not here. */
			give_cut(w, 0, frames[i].bytes, len, frames[i].len);
			assert_dropped(w, GT_DROP_NEIGHBOUR_BAD);
		}
		give(w, 0, frames[i].bytes, frames[i].len);
		assert_true(w->verdict == GT_ANSWER || w->reason == GT_DROP_NEIGHBOUR_TOLD);
	}
	done(w);
}

/* ---- ARP: learning ---- */

static void frame_arp_reply_of_neighbour_is_learned(void **state)
{
	(void)state;
	struct world *w = house();

	w->now = 500;
	give(w, 0, arp_reply, sizeof(arp_reply));
	assert_dropped(w, GT_DROP_NEIGHBOUR_TOLD);
	assert_int_equal(w->n_told, 1);
	assert_told(w, 0, GT_NEIGHBOUR_EVENT_RESOLVED, "192.0.2.11", &mac_s, NULL);

	const struct gt_neighbour *nb = find(w, 0, "192.0.2.11");

	assert_int_equal(nb->state, GT_NEIGHBOUR_RESOLVED);
	assert_memory_equal(&nb->mac, &mac_s, sizeof(mac_s));
	assert_int_equal(nb->confirmed_ms, 500);
	assert_int_equal(nb->since_ms, 500);
	/* The same again is no news, but a confirmation. */
	w->now = 900;
	give(w, 0, arp_reply, sizeof(arp_reply));
	assert_int_equal(w->n_told, 1);
	assert_int_equal(find(w, 0, "192.0.2.11")->confirmed_ms, 900);
	assert_int_equal(find(w, 0, "192.0.2.11")->since_ms, 500);
	done(w);
}

static void frame_arp_request_of_neighbour_is_learned_and_answered(void **state)
{
	(void)state;
	struct world *w = house();

	give_arp(w, 0, &(struct arp){1, mac_s, "192.0.2.11", "192.0.2.100"});
	assert_int_equal(w->verdict, GT_ANSWER);
	assert_told(w, 0, GT_NEIGHBOUR_EVENT_RESOLVED, "192.0.2.11", &mac_s, NULL);
	done(w);
}

static void frame_arp_request_of_neighbour_for_others_is_learned_and_other(void **state)
{
	(void)state;
	struct world *w = house();

	give_arp(w, 0, &(struct arp){1, mac_s, "192.0.2.11", "192.0.2.77"});
	assert_dropped(w, GT_DROP_NEIGHBOUR_OTHER);
	assert_told(w, 0, GT_NEIGHBOUR_EVENT_RESOLVED, "192.0.2.11", &mac_s, NULL);
	done(w);
}

static void frame_arp_gratuitous_changes_the_mac(void **state)
{
	(void)state;
	struct world *w = house();

	for (uint8_t op = 1; op <= 2; op++) {
		struct gt_mac first = {{2, 0, 0, 0, op, 1}}, second = {{2, 0, 0, 0, op, 2}};

		give_arp(w, 0, &(struct arp){op, first, "192.0.2.11", "192.0.2.11"});
		assert_dropped(w, GT_DROP_NEIGHBOUR_TOLD);
		forget(w);
		give_arp(w, 0, &(struct arp){op, second, "192.0.2.11", "192.0.2.11"});
		assert_dropped(w, GT_DROP_NEIGHBOUR_TOLD);
		assert_int_equal(w->n_told, 1);
		assert_told(w, 0, GT_NEIGHBOUR_EVENT_CHANGED, "192.0.2.11", &second, &first);
		assert_memory_equal(&find(w, 0, "192.0.2.11")->mac, &second, sizeof(second));
	}
	done(w);
}

static void frame_arp_of_stranger_is_not_learned(void **state)
{
	(void)state;
	struct world *w = house();

	gt_neighbours_interface(w->n, 1, &mac_m2, 0);
	give_arp(w, 0, &(struct arp){2, mac_s, "192.0.2.12", "192.0.2.2"});
	assert_dropped(w, GT_DROP_NEIGHBOUR_TOLD);
	/* A neighbour is one of its interface. */
	give_arp(w, 1, &(struct arp){2, mac_s, "192.0.2.11", "192.0.2.2"});
	assert_dropped(w, GT_DROP_NEIGHBOUR_TOLD);
	assert_int_equal(w->n_told, 0);
	assert_null(find(w, 0, "192.0.2.12"));
	assert_int_equal(find(w, 0, "192.0.2.11")->state, GT_NEIGHBOUR_UNRESOLVED);
	done(w);
}

static void frame_arp_probe_of_neighbour_is_not_learned(void **state)
{
	(void)state;
	struct world *w = house();

	/* Whether it may have the address is what it wants to know. */
	give_arp(w, 0, &(struct arp){1, mac_s, "0.0.0.0", "192.0.2.11"});
	assert_dropped(w, GT_DROP_NEIGHBOUR_OTHER);
	assert_int_equal(find(w, 0, "192.0.2.11")->state, GT_NEIGHBOUR_UNRESOLVED);
	done(w);
}

/* ---- conflicts ---- */

static void frame_arp_reply_for_vip_by_other_is_conflict(void **state)
{
	(void)state;
	struct world *w = house();
	const struct gt_neighbour_conflict *c;

	run_until(w, 10000);
	forget(w);
	give_arp(w, 0, &(struct arp){2, mac_s, "192.0.2.100", "192.0.2.2"});
	assert_dropped(w, GT_DROP_NEIGHBOUR_TOLD);
	assert_int_equal(w->n_told, 1);
	assert_told(w, 0, GT_NEIGHBOUR_EVENT_CONFLICT, "192.0.2.100", &mac_s, NULL);
	c = gt_neighbours_conflict_at(w->n, 0);
	assert_non_null(c);
	assert_memory_equal(&c->mac, &mac_s, sizeof(mac_s));
	assert_int_equal(c->first_ms, 10000);
	assert_int_equal(c->last_ms, 10000);
	assert_int_equal(c->count, 1);
	assert_null(gt_neighbours_conflict_at(w->n, 1));
	done(w);
}

static void frame_arp_conflict_is_defended_once_in_10_s_and_told_once_a_minute(void **state)
{
	(void)state;
	struct world *w = make(true);
	size_t defended = 0;

	/* No own address: so nothing is asked for, and all that leaves is announcements. */
	vip(w, 0, "192.0.2.100");
	run_until(w, 10000);
	forget(w);
	for (; w->now < 10000 + 120000; w->now += TICK) {
		give_arp(w, 0, &(struct arp){2, mac_s, "192.0.2.100", "192.0.2.100"});
		gt_neighbours_tick(w->n, w->now);
	}
	/* RFC 5227 2.4 (c). */
	assert_int_equal(w->n_sent, 12);
	for (size_t i = 0; i < w->n_sent; i++, defended++)
		assert_sent(w, i, 10000 + i * 10000, arp_announcement, sizeof(arp_announcement));
	assert_int_equal(w->n_told, 2);
	assert_int_equal(w->told[1].ms - w->told[0].ms, 60000);
	assert_int_equal(gt_neighbours_conflict_at(w->n, 0)->count, 1200);
	done(w);
}

static void frame_arp_request_in_name_of_vip_is_conflict_and_not_answered(void **state)
{
	(void)state;
	struct world *w = house();

	/* A server without arp_announce=2 asks for its way with the VIP as its address. */
	give_arp(w, 0, &(struct arp){1, mac_s, "192.0.2.100", "192.0.2.2"});
	assert_dropped(w, GT_DROP_NEIGHBOUR_TOLD);
	assert_told(w, 0, GT_NEIGHBOUR_EVENT_CONFLICT, "192.0.2.100", &mac_s, NULL);
	give_arp(w, 0, &(struct arp){1, mac_s, "192.0.2.2", "192.0.2.2"});
	assert_dropped(w, GT_DROP_NEIGHBOUR_TOLD);
	assert_told(w, 1, GT_NEIGHBOUR_EVENT_CONFLICT, "192.0.2.2", &mac_s, NULL);
	done(w);
}

static void frame_reflected_is_no_conflict(void **state)
{
	(void)state;
	struct world *w = house();

	/* As we sent them, on this interface and on another one of the same wire. */
	gt_neighbours_interface(w->n, 1, &mac_m2, 0);
	own(w, 1, "192.0.2.3/24");
	run_until(w, 5000);
	w->n_told = 0;
	for (size_t i = 0; i < w->n_sent; i++) {
		struct sent s = w->sent[i];

		for (uint8_t in = 0; in < 2; in++) {
			give(w, in, s.bytes, s.len);
			assert_dropped(w, GT_DROP_NEIGHBOUR_TOLD);
		}
	}
	assert_int_equal(w->n_told, 0);
	assert_null(gt_neighbours_conflict_at(w->n, 0));
	done(w);
}

static void frame_ndp_reflected_by_either_mac_is_no_conflict(void **state)
{
	(void)state;
	struct world *w = house();
	uint8_t f[sizeof(ns)];

	/* By its option, whoever passed it on, */
	memcpy(f, ndp_announcement, sizeof(f));
	memcpy(f + 6, mac_x.b, 6);
	give(w, 0, f, sizeof(f));
	assert_dropped(w, GT_DROP_NEIGHBOUR_TOLD);
	/* and by its Ethernet source, where it has no option. */
	memcpy(f, ns_nud, sizeof(ns_nud));
	memcpy(f + 6, mac_m.b, 6);
	memcpy(f + N_SRC, addr("2001:db8::2").b, 16);
	set_icmp_checksum(f + N_IP);
	give(w, 0, f, sizeof(ns_nud));
	assert_dropped(w, GT_DROP_NEIGHBOUR_TOLD);
	assert_int_equal(w->n_told, 0);
	assert_null(gt_neighbours_conflict_at(w->n, 0));
	done(w);
}

static void conflicts_more_than_64_oldest_is_forgotten(void **state)
{
	(void)state;
	struct world *w = house();
	struct arp a = {2, {{2, 0, 0, 0, 1, 0}}, "192.0.2.100", "192.0.2.2"};

	for (unsigned i = 0; i < 64; i++, w->now++) {
		a.sha.b[5] = (uint8_t)i;
		give_arp(w, 0, &a);
	}
	/* The first is seen again, so that the second is the oldest when one more comes. */
	a.sha.b[5] = 0;
	give_arp(w, 0, &a);
	a.sha.b[5] = 64;
	give_arp(w, 0, &a);
	assert_non_null(gt_neighbours_conflict_at(w->n, 63));
	assert_null(gt_neighbours_conflict_at(w->n, 64));
	assert_int_equal(gt_neighbours_conflict_at(w->n, 0)->mac.b[5], 64);
	assert_int_equal(gt_neighbours_conflict_at(w->n, 1)->mac.b[5], 0);
	assert_int_equal(gt_neighbours_conflict_at(w->n, 1)->count, 2);
	assert_int_equal(gt_neighbours_conflict_at(w->n, 2)->mac.b[5], 63);
	assert_int_equal(gt_neighbours_conflict_at(w->n, 63)->mac.b[5], 2);
	/* All of them are of one address: told once. */
	assert_int_equal(w->n_told, 1);
	done(w);
}

static void conflicts_of_removed_address_are_forgotten(void **state)
{
	(void)state;
	struct world *w = house();

	give_arp(w, 0, &(struct arp){2, mac_s, "192.0.2.100", "192.0.2.2"});
	give_arp(w, 0, &(struct arp){2, mac_s, "192.0.2.2", "192.0.2.2"});
	give_arp(w, 0, &(struct arp){2, mac_x, "192.0.2.100", "192.0.2.2"});
	assert_non_null(gt_neighbours_conflict_at(w->n, 2));
	remove_vip(w, 0, "192.0.2.100");
	assert_null(gt_neighbours_conflict_at(w->n, 1));
	struct gt_addr left = addr("192.0.2.2");

	assert_memory_equal(&gt_neighbours_conflict_at(w->n, 0)->addr, &left, sizeof(left));
	give_arp(w, 0, &(struct arp){2, mac_s, "192.0.2.100", "192.0.2.2"});
	assert_null(gt_neighbours_conflict_at(w->n, 1));
	done(w);
}

/* ---- NDP: answers ---- */

static void frame_ns_for_vip_is_answered(void **state)
{
	(void)state;
	struct world *w = house();

	give(w, 0, ns, sizeof(ns));
	assert_answer(w, ns_answer, sizeof(ns_answer));
	assert_int_equal(w->moved, 0);
	assert_int_equal(w->out_if, 0);
	done(w);
}

static void frame_ns_without_option_is_answered_to_ethernet_source_in_headroom(void **state)
{
	(void)state;
	struct world *w = house();

	give(w, 0, ns_nud, sizeof(ns_nud));
	assert_answer(w, ns_answer, sizeof(ns_answer));
	assert_int_equal(w->moved, 8);
	done(w);
}

static void frame_ns_tagged_without_option_keeps_its_tag(void **state)
{
	(void)state;
	struct world *w = make(true);

	gt_neighbours_interface(w->n, 0, &mac_m, 42);
	vip(w, 0, "2001:db8::100");
	give(w, 0, tagged_ns, sizeof(tagged_ns));
	assert_answer(w, tagged_na, sizeof(tagged_na));
	assert_int_equal(w->moved, 8);
	done(w);
}

static void frame_ns_for_duplicate_detection_is_answered_to_all_nodes(void **state)
{
	(void)state;
	struct world *w = house();

	/* RFC 4861 7.2.4. */
	give(w, 0, ns_dad, sizeof(ns_dad));
	assert_answer(w, dad_answer, sizeof(dad_answer));
	assert_int_equal(w->n_told, 0);
	assert_null(gt_neighbours_conflict_at(w->n, 0));
	done(w);
}

static void frame_ns_with_more_options_and_padding_is_answered_without(void **state)
{
	(void)state;
	struct world *w = house();
	uint8_t f[sizeof(ns) + 8 + 6];

	/* A nonce (RFC 3971), and bytes behind the IPv6 packet. */
	memset(f, 0xaa, sizeof(f));
	memcpy(f, ns, sizeof(ns));
	memcpy(f + sizeof(ns), "\x0e\x01nonce!", 8);
	f[N_PAYLOAD + 1] = 40;
	set_icmp_checksum(f + N_IP);
	give(w, 0, f, sizeof(f));
	assert_answer(w, ns_answer, sizeof(ns_answer));
	assert_int_equal(w->moved, 0);
	done(w);
}

static void frame_ns_for_others_is_other(void **state)
{
	(void)state;
	struct world *w = house();
	static const char *const targets[] = {"2001:db8::11", "2001:db8::101", "fe80::1"};

	gt_neighbours_interface(w->n, 1, &mac_m2, 0);
	for (size_t i = 0; i < 3; i++) {
		uint8_t f[sizeof(ns)];

		memcpy(f, ns, sizeof(f));
		memcpy(f + N_TARGET, addr(targets[i]).b, 16);
		set_icmp_checksum(f + N_IP);
		give(w, 0, f, sizeof(f));
		assert_dropped(w, GT_DROP_NEIGHBOUR_OTHER);
	}
	give(w, 1, ns, sizeof(ns));
	assert_dropped(w, GT_DROP_NEIGHBOUR_OTHER);
	done(w);
}

/* ---- NDP: what is malformed ---- */

static void frame_ndp_malformed_is_bad(void **state)
{
	(void)state;
	static const struct {
		const uint8_t *base;
		struct edit edits[4];
		const char *rule;
	} cases[] = {
		{ns, {{N_HOPS, 254}}, "7.1.1 hop limit"},
		{na, {{N_HOPS, 1}}, "7.1.2 hop limit"},
		{ns, {{N_CODE, 1}}, "7.1.1 code"},
		{na, {{N_CODE, 255}}, "7.1.2 code"},
		{ns, {{N_TYPE, 133}}, "a router solicitation"},
		{ns, {{N_TYPE, 137}}, "a redirect"},
		{ns, {{N_IP, 0x45}}, "version"},
		{ns, {{N_NEXT, 17}}, "no ICMPv6"},
		{ns, {{N_NEXT, 0}}, "hop-by-hop options"},
		{ns, {{N_NEXT, 44}}, "RFC 6980: a fragment"},
		{ns, {{N_OPTION + 1, 0}}, "7.1.1 option of length 0"},
		{na, {{N_OPTION + 1, 0}}, "7.1.2 option of length 0"},
		{ns, {{N_OPTION, 99}, {N_OPTION + 1, 0}}, "7.1.1 unknown option of length 0"},
		{ns, {{N_OPTION + 1, 2}}, "option goes over the end"},
		{ns, {{N_OPTION, 99}, {N_OPTION + 1, 255}}, "unknown option goes over the end"},
		{ns, {{N_PAYLOAD + 1, 25}}, "half an option"},
		{ns, {{N_PAYLOAD + 1, 23}}, "7.1.1 length below 24"},
		{ns, {{N_OPTION + 2, 0x33}}, "source MAC is multicast"},
		{na, {{N_OPTION + 2, 0xff}}, "target MAC is multicast"},
		{ns, {{N_TARGET, 0xff}}, "7.1.1 target is multicast"},
		{na, {{N_TARGET, 0xff}}, "7.1.2 target is multicast"},
		{na, {{N_DST, 0xff}}, "7.1.2 multicast and solicited"},
		{ns, {{N_SRC, 0xff}}, "source is multicast"},
		{na, {{N_SRC, 0xff}}, "source is multicast"},
	};
	struct world *w = house();

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t f[sizeof(ns)];

		memcpy(f, cases[i].base, sizeof(f));
		for (size_t j = 0; j < 4 && cases[i].edits[j].off != 0; j++)
			f[cases[i].edits[j].off] = cases[i].edits[j].value;
		set_icmp_checksum(f + N_IP);
		give(w, 0, f, sizeof(f));
		if (w->verdict != GT_DROP || w->reason != GT_DROP_NEIGHBOUR_BAD)
			fail_msg("accepted: %s", cases[i].rule);
	}
	assert_int_equal(w->n_told, 0);
	done(w);
}

static void frame_ndp_with_half_an_option_at_its_end_is_bad(void **state)
{
	(void)state;
	struct world *w = house();

	for (uint8_t extra = 1; extra < 8; extra++) {
		uint8_t f[sizeof(ns)];

		memcpy(f, ns, sizeof(f));
		f[N_PAYLOAD + 1] = (uint8_t)(24 + extra);
		set_icmp_checksum(f + N_IP);
		give(w, 0, f, (size_t)N_OPTION + extra);
		assert_dropped(w, GT_DROP_NEIGHBOUR_BAD);
	}
	done(w);
}

static void frame_ndp_bad_checksum_is_bad(void **state)
{
	(void)state;
	struct world *w = house();

	/* Each bit of what it covers, but for lengths and types, which other rules catch. */
	for (size_t i = N_SRC; i < sizeof(ns); i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			uint8_t f[sizeof(ns)];

			memcpy(f, ns, sizeof(f));
			f[i] ^= (uint8_t)(1 << bit);
			give(w, 0, f, sizeof(f));
			assert_dropped(w, GT_DROP_NEIGHBOUR_BAD);
		}
	}
	done(w);
}

static void frame_ns_unspecified_source_rules_are_kept(void **state)
{
	(void)state;
	struct world *w = house();
	uint8_t f[sizeof(ns)];

	/* RFC 4861 7.1.1: from :: there is no source link-layer address, */
	memcpy(f, ns, sizeof(f));
	memset(f + N_SRC, 0, 16);
	set_icmp_checksum(f + N_IP);
	give(w, 0, f, sizeof(f));
	assert_dropped(w, GT_DROP_NEIGHBOUR_BAD);
	/* and it goes to a solicited-node multicast address, */
	static const char *const others[] = {"2001:db8::100", "ff02::1", "ff02::2:ff00:100",
					     "ff02::1:fe00:100", "ff05::1:ff00:100"};

	for (size_t i = 0; i < 5; i++) {
		memcpy(f, ns_dad, sizeof(ns_dad));
		memcpy(f + N_DST, addr(others[i]).b, 16);
		set_icmp_checksum(f + N_IP);
		give(w, 0, f, sizeof(ns_dad));
		assert_dropped(w, GT_DROP_NEIGHBOUR_BAD);
	}
	/* and no advertisement comes from ::. */
	memcpy(f, na, sizeof(f));
	memset(f + N_SRC, 0, 16);
	set_icmp_checksum(f + N_IP);
	give(w, 0, f, sizeof(f));
	assert_dropped(w, GT_DROP_NEIGHBOUR_BAD);
	done(w);
}

static void frame_ns_for_mapped_target_does_not_meet_the_ipv4_vip(void **state)
{
	(void)state;
	struct world *w = house();
	uint8_t f[sizeof(ns)];
	struct gt_addr mapped = addr("192.0.2.100");

	memcpy(f, ns, sizeof(f));
	memcpy(f + N_TARGET, mapped.b, 16);
	set_icmp_checksum(f + N_IP);
	give(w, 0, f, sizeof(f));
	assert_dropped(w, GT_DROP_NEIGHBOUR_BAD);
	memcpy(f, ns, sizeof(f));
	memcpy(f + N_SRC, mapped.b, 16);
	set_icmp_checksum(f + N_IP);
	give(w, 0, f, sizeof(f));
	assert_dropped(w, GT_DROP_NEIGHBOUR_BAD);
	done(w);
}

static void frame_ndp_link_layer_option_of_other_size_is_bad(void **state)
{
	(void)state;
	struct world *w = house();
	uint8_t f[sizeof(ns) + 8];

	memset(f, 0, sizeof(f));
	memcpy(f, ns, sizeof(ns));
	f[N_PAYLOAD + 1] = 40;
	f[N_OPTION + 1] = 2;
	set_icmp_checksum(f + N_IP);
	give(w, 0, f, sizeof(f));
	assert_dropped(w, GT_DROP_NEIGHBOUR_BAD);
	done(w);
}

/* ---- NDP: learning, RFC 4861 7.2.3 and 7.2.5 ---- */

static void frame_na_of_neighbour_is_learned(void **state)
{
	(void)state;
	struct world *w = house();

	w->now = 700;
	give(w, 0, na, sizeof(na));
	assert_dropped(w, GT_DROP_NEIGHBOUR_TOLD);
	assert_int_equal(w->n_told, 1);
	assert_told(w, 0, GT_NEIGHBOUR_EVENT_RESOLVED, "2001:db8::11", &mac_s, NULL);
	assert_int_equal(find(w, 0, "2001:db8::11")->confirmed_ms, 700);
	done(w);
}

static void frame_ns_of_neighbour_is_learned_from_its_option_only(void **state)
{
	(void)state;
	struct world *w = house();
	uint8_t f[sizeof(ns)];

	memcpy(f, ns_nud, sizeof(ns_nud));
	memcpy(f + N_SRC, addr("2001:db8::11").b, 16);
	set_icmp_checksum(f + N_IP);
	give(w, 0, f, sizeof(ns_nud));
	assert_int_equal(w->verdict, GT_ANSWER);
	assert_int_equal(w->n_told, 0);

	memcpy(f, ns, sizeof(f));
	memcpy(f + N_SRC, addr("2001:db8::11").b, 16);
	memcpy(f + N_OPTION + 2, mac_s.b, 6);
	set_icmp_checksum(f + N_IP);
	give(w, 0, f, sizeof(f));
	assert_int_equal(w->verdict, GT_ANSWER);
	assert_memory_equal(w->out, mac_s.b, 6);
	assert_told(w, 0, GT_NEIGHBOUR_EVENT_RESOLVED, "2001:db8::11", &mac_s, NULL);
	done(w);
}

static void frame_na_without_override_does_not_replace_but_asks_again(void **state)
{
	(void)state;
	struct world *w = house();

	run_until(w, 10000);
	give(w, 0, na, sizeof(na));
	give(w, 0, arp_reply, sizeof(arp_reply));
	run_until(w, 12000);
	forget(w);
	give_na(w, &(struct na){.mac = mac_x, .target = "2001:db8::11", .flags = 0x40});
	assert_dropped(w, GT_DROP_NEIGHBOUR_TOLD);
	assert_int_equal(w->n_told, 0);
	assert_memory_equal(&find(w, 0, "2001:db8::11")->mac, &mac_s, sizeof(mac_s));
	gt_neighbours_tick(w->n, w->now);
	assert_int_equal(w->n_sent, 1);
	assert_sent(w, 0, 12000, ndp_refresh, sizeof(ndp_refresh));
	assert_int_equal(find(w, 0, "2001:db8::11")->state, GT_NEIGHBOUR_REFRESHING);
	/* With override it does. */
	give_na(w, &(struct na){.mac = mac_x, .target = "2001:db8::11", .flags = 0x60});
	assert_told(w, 0, GT_NEIGHBOUR_EVENT_CHANGED, "2001:db8::11", &mac_x, &mac_s);
	assert_int_equal(find(w, 0, "2001:db8::11")->state, GT_NEIGHBOUR_RESOLVED);
	done(w);
}

static void frame_na_without_override_resolves_an_unresolved_one(void **state)
{
	(void)state;
	struct world *w = house();

	give_na(w, &(struct na){.mac = mac_s, .target = "2001:db8::11", .flags = 0});
	assert_told(w, 0, GT_NEIGHBOUR_EVENT_RESOLVED, "2001:db8::11", &mac_s, NULL);
	done(w);
}

static void frame_na_without_option_confirms_only_what_is_known_and_if_solicited(void **state)
{
	(void)state;
	struct world *w = house();
	struct na a = {.mac = mac_x, .target = "2001:db8::11", .flags = 0x60, .no_option = true};

	give_na(w, &a);
	assert_int_equal(w->n_told, 0);
	assert_int_equal(find(w, 0, "2001:db8::11")->state, GT_NEIGHBOUR_UNRESOLVED);
	give(w, 0, na, sizeof(na));
	w->now = 5000;
	give_na(w, &a);
	assert_int_equal(find(w, 0, "2001:db8::11")->confirmed_ms, 5000);
	assert_memory_equal(&find(w, 0, "2001:db8::11")->mac, &mac_s, sizeof(mac_s));
	w->now = 6000;
	a.flags = 0x20;
	give_na(w, &a);
	assert_int_equal(find(w, 0, "2001:db8::11")->confirmed_ms, 5000);
	done(w);
}

static void frame_na_for_vip_by_other_is_conflict_and_defended(void **state)
{
	(void)state;
	struct world *w = house();

	run_until(w, 10000);
	forget(w);
	give_na(w, &(struct na){.mac = mac_s, .target = "2001:db8::100", .flags = 0x60});
	assert_dropped(w, GT_DROP_NEIGHBOUR_TOLD);
	assert_told(w, 0, GT_NEIGHBOUR_EVENT_CONFLICT, "2001:db8::100", &mac_s, NULL);
	/* Nothing but the option is missing: the Ethernet source tells who it is. */
	give_na(w,
		&(struct na){
			.mac = mac_x, .target = "2001:db8::2", .flags = 0x40, .no_option = true});
	assert_told(w, 1, GT_NEIGHBOUR_EVENT_CONFLICT, "2001:db8::2", &mac_x, NULL);
	gt_neighbours_tick(w->n, w->now);
	for (size_t i = 0; i < w->n_sent; i++)
		if (w->sent[i].len == sizeof(ndp_announcement) &&
		    memcmp(w->sent[i].bytes, ndp_announcement, sizeof(ndp_announcement)) == 0) {
			done(w);
			return;
		}
	fail_msg("not defended");
}

static void frame_ns_in_name_of_vip_is_conflict_and_not_answered(void **state)
{
	(void)state;
	struct world *w = house();
	uint8_t f[sizeof(ns)];

	memcpy(f, ns, sizeof(f));
	memcpy(f + N_SRC, addr("2001:db8::100").b, 16);
	memcpy(f + N_TARGET, addr("2001:db8::2").b, 16);
	set_icmp_checksum(f + N_IP);
	give(w, 0, f, sizeof(f));
	assert_dropped(w, GT_DROP_NEIGHBOUR_TOLD);
	assert_int_equal(w->told[0].event, GT_NEIGHBOUR_EVENT_CONFLICT);
	done(w);
}

/* ---- questions and ageing ---- */

static void tick_unresolved_asks_thrice_then_tells_then_every_5_s(void **state)
{
	(void)state;
	static const struct {
		const char *own, *server;
		uint16_t vlan;
		const uint8_t *question;
		size_t len;
	} cases[] = {
		{"192.0.2.2/24", "192.0.2.11", 0, arp_question, sizeof(arp_question)},
		{"2001:db8::2/64", "2001:db8::11", 0, ndp_question, sizeof(ndp_question)},
		{"192.0.2.2/24", "192.0.2.11", 42, tagged_arp_question,
		 sizeof(tagged_arp_question)},
		{"2001:db8::2/64", "2001:db8::11", 42, tagged_ndp_question,
		 sizeof(tagged_ndp_question)},
	};
	static const uint64_t asked[] = {10000, 11000, 12000, 18000, 23000, 28000};

	for (size_t i = 0; i < 4; i++) {
		struct world *w = make(true);

		gt_neighbours_interface(w->n, 0, &mac_m, cases[i].vlan);
		own(w, 0, cases[i].own);
		run_until(w, 10000);
		forget(w);
		server(w, 0, cases[i].server);
		run_until(w, 30000);
		assert_int_equal(w->n_sent, 6);
		for (size_t j = 0; j < 6; j++)
			assert_sent(w, j, asked[j], cases[i].question, cases[i].len);
		assert_int_equal(w->n_told, 1);
		assert_told(w, 0, GT_NEIGHBOUR_EVENT_SILENT, cases[i].server, NULL, NULL);
		assert_int_equal(w->told[0].ms, 13000);
		assert_int_equal(find(w, 0, cases[i].server)->tries, 6);
		done(w);
	}
}

/* Finds when the first frame to a resolved neighbour leaves; the world stands right behind it. */
static uint64_t run_to_refresh(struct world *w, uint64_t confirmed)
{
	while (w->n_sent == 0 && w->now < confirmed + 60000) {
		gt_neighbours_tick(w->n, w->now);
		w->now += TICK;
	}
	return w->now - TICK;
}

static void tick_resolved_is_refreshed_by_unicast_then_to_all_then_lost(void **state)
{
	(void)state;
	static const struct {
		const char *own, *server;
		const uint8_t *refresh, *question, *answer;
		size_t len, answer_len;
	} cases[] = {
		{"192.0.2.2/24", "192.0.2.11", arp_refresh, arp_question, arp_reply,
		 sizeof(arp_refresh), sizeof(arp_reply)},
		{"2001:db8::2/64", "2001:db8::11", ndp_refresh, ndp_question, na,
		 sizeof(ndp_refresh), sizeof(na)},
	};

	for (size_t i = 0; i < 2; i++) {
		struct world *w = make(true);

		own(w, 0, cases[i].own);
		server(w, 0, cases[i].server);
		run_until(w, 10000);
		give(w, 0, cases[i].answer, cases[i].answer_len);
		forget(w);

		uint64_t start = run_to_refresh(w, 10000);

		assert_in_range(start, 40000, 45000);
		assert_int_equal(find(w, 0, cases[i].server)->state, GT_NEIGHBOUR_REFRESHING);
		run_until(w, start + 6000);
		assert_int_equal(w->n_sent, 6);
		for (size_t j = 0; j < 6; j++)
			assert_sent(w, j, start + j * 1000,
				    j < 3 ? cases[i].refresh : cases[i].question, cases[i].len);
		/* Still used. */
		assert_int_equal(w->n_told, 0);
		assert_int_equal(find(w, 0, cases[i].server)->state, GT_NEIGHBOUR_REFRESHING);
		run_until(w, start + 6000 + 12000);
		assert_int_equal(w->n_told, 1);
		assert_told(w, 0, GT_NEIGHBOUR_EVENT_LOST, cases[i].server, &mac_s, NULL);
		assert_int_equal(w->told[0].ms, start + 6000);
		assert_int_equal(find(w, 0, cases[i].server)->state, GT_NEIGHBOUR_UNRESOLVED);
		assert_int_equal(w->n_sent, 8);
		assert_sent(w, 6, start + 11000, cases[i].question, cases[i].len);
		assert_sent(w, 7, start + 16000, cases[i].question, cases[i].len);
		/* It comes back, is refreshed like new, and is told when lost again. */
		give(w, 0, cases[i].answer, cases[i].answer_len);
		assert_told(w, 1, GT_NEIGHBOUR_EVENT_RESOLVED, cases[i].server, &mac_s, NULL);
		w->n_sent = 0;
		start = run_to_refresh(w, w->now);
		run_until(w, start + 10000);
		assert_sent(w, 1, start + 1000, cases[i].refresh, cases[i].len);
		assert_int_equal(w->n_told, 3);
		assert_told(w, 2, GT_NEIGHBOUR_EVENT_LOST, cases[i].server, &mac_s, NULL);
		done(w);
	}
}

static void tick_refreshed_and_answered_stays_resolved(void **state)
{
	(void)state;
	struct world *w = make(true);

	own(w, 0, "192.0.2.2/24");
	server(w, 0, "192.0.2.11");
	run_until(w, 10000);
	give(w, 0, arp_reply, sizeof(arp_reply));
	forget(w);
	/* An hour, each question answered at once. */
	for (; w->now < 3600000; w->now += TICK) {
		size_t before = w->n_sent;

		gt_neighbours_tick(w->n, w->now);
		if (w->n_sent > before)
			give(w, 0, arp_reply, sizeof(arp_reply));
	}
	assert_int_equal(w->n_told, 0);
	assert_in_range(w->n_sent, 3590 / 36, 3590 / 30);
	for (size_t i = 0; i < w->n_sent; i++)
		assert_sent(w, i, w->sent[i].ms, arp_refresh, sizeof(arp_refresh));
	done(w);
}

static void tick_source_is_own_address_of_the_subnet_else_the_first(void **state)
{
	(void)state;
	static const struct {
		const char *server, *source;
	} cases[] = {
		{"192.0.2.11", "192.0.2.2"},   {"198.51.100.7", "198.51.100.2"},
		{"203.0.113.1", "192.0.2.2"},  {"2001:db8:1::11", "2001:db8:1::2"},
		{"2001:db8:2::11", "fe80::2"}, {"fe80::11", "fe80::2"},
	};
	struct world *w = make(true);

	gt_neighbours_interface(w->n, 1, &mac_m2, 0);
	own(w, 1, "203.0.113.2/24");
	own(w, 0, "192.0.2.2/24");
	own(w, 0, "198.51.100.2/24");
	own(w, 0, "fe80::2/64");
	own(w, 0, "2001:db8:1::2/64");
	run_until(w, 10000);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct gt_addr source = addr(cases[i].source);
		bool v4 = gt_addr_is_v4(&source);

		forget(w);
		server(w, 0, cases[i].server);
		gt_neighbours_tick(w->n, w->now);
		assert_int_equal(w->n_sent, 1);
		assert_memory_equal(w->sent[0].bytes + (v4 ? A_SPA : N_SRC),
				    source.b + (v4 ? 12 : 0), v4 ? 4 : 16);
		struct gt_addr target = addr(cases[i].server);

		gt_neighbours_remove(w->n, 0, &target, NULL);
	}
	done(w);
}

static void tick_without_own_address_cannot_ask_and_tells(void **state)
{
	(void)state;
	struct world *w = make(true);

	own(w, 0, "192.0.2.2/24");
	vip(w, 0, "2001:db8::100");
	run_until(w, 10000);
	forget(w);
	server(w, 0, "2001:db8::11");
	run_until(w, 60000);
	assert_int_equal(w->n_sent, 0);
	assert_int_equal(w->n_told, 1);
	assert_told(w, 0, GT_NEIGHBOUR_EVENT_SILENT, "2001:db8::11", NULL, NULL);
	/* What it says of itself is used and, as it cannot be asked for, kept. */
	give(w, 0, na, sizeof(na));
	assert_told(w, 1, GT_NEIGHBOUR_EVENT_RESOLVED, "2001:db8::11", &mac_s, NULL);
	run_until(w, 300000);
	assert_int_equal(w->n_sent, 0);
	assert_int_equal(w->n_told, 2);
	assert_int_equal(find(w, 0, "2001:db8::11")->state, GT_NEIGHBOUR_RESOLVED);
	/* With an own address it is asked. */
	own(w, 0, "2001:db8::2/64");
	run_until(w, 340000);
	assert_int_equal(find(w, 0, "2001:db8::11")->state, GT_NEIGHBOUR_UNRESOLVED);
	done(w);
}

static void add_many(struct world *w, uint32_t first, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct gt_addr a = gt_addr_from_v4(rte_cpu_to_be_32(first + i));

		assert_int_equal(gt_neighbours_add(w->n, 0, &a, NULL), 0);
	}
}

/* Steps one tick: how many frames it sent, all of them answered if `answer`. */
static size_t step(struct world *w, bool answer)
{
	size_t before = w->n_sent, n;

	gt_neighbours_tick(w->n, w->now);
	n = w->n_sent - before;
	for (size_t i = before; answer && i < before + n; i++) {
		char target[GT_ADDR_STRLEN];
		rte_be32_t v4;

		memcpy(&v4, w->sent[i].bytes + A_TPA, 4);
		struct gt_addr a = gt_addr_from_v4(v4);

		if (find(w, 0, gt_addr_format(&a, target)) != NULL)
			give_arp(w, 0, &(struct arp){2, mac_s, target, "10.0.0.2"});
	}
	w->n_told = 0;
	w->now += TICK;
	return n;
}

static void tick_1000_neighbours_are_resolved_in_a_second_and_refreshed_spread(void **state)
{
	(void)state;
	struct world *w = make(true);
	size_t busiest = 0;

	own(w, 0, "10.0.0.2/8");
	run_until(w, 10000);
	forget(w);
	add_many(w, 0x0a010000, 1000);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(step(w, true), 100);
	for (size_t i = 0; gt_neighbours_at(w->n, i) != NULL; i++)
		assert_int_equal(gt_neighbours_at(w->n, i)->state, GT_NEIGHBOUR_RESOLVED);
	assert_int_equal(step(w, true), 0);
	/* Ten minutes: 1000 in 5 s would be 20 a tick, if they were perfectly even. */
	w->n_sent = 0;
	while (w->now < 610000) {
		size_t n = step(w, true);

		busiest = n > busiest ? n : busiest;
	}
	assert_in_range(busiest, 1, 60);
	assert_in_range(w->n_sent, 1000 * 600 / 36, 1000 * 600 / 30);
	done(w);
}

static void tick_often_paces_by_time(void **state)
{
	(void)state;
	struct world *w = make(true);
	size_t n = 0;

	own(w, 0, "10.0.0.2/8");
	run_until(w, 10000);
	forget(w);
	add_many(w, 0x0a010000, 1000);
	/* Every millisecond: the budget, and then one for each. */
	for (unsigned i = 0; i <= 100; i++, w->now++)
		gt_neighbours_tick(w->n, w->now);
	n = w->n_sent;
	assert_in_range(n, 100, 200);
	done(w);
}

static void tick_40000_neighbours_keep_up_with_their_refreshes(void **state)
{
	(void)state;
	struct world *w = make(true);

	own(w, 0, "10.0.0.2/8");
	run_until(w, 10000);
	forget(w);
	add_many(w, 0x0a010000, 40000);
	while (w->now < 120000)
		step(w, true);
	for (size_t i = 0; gt_neighbours_at(w->n, i) != NULL; i++) {
		assert_int_equal(gt_neighbours_at(w->n, i)->state, GT_NEIGHBOUR_RESOLVED);
		assert_true(w->now - gt_neighbours_at(w->n, i)->confirmed_ms < 36000);
	}
	done(w);
}

static void static_neighbour_is_never_asked_nor_changed(void **state)
{
	(void)state;
	struct world *w = make(true);
	struct gt_addr a = addr("192.0.2.11"), a6 = addr("2001:db8::11");

	own(w, 0, "192.0.2.2/24");
	own(w, 0, "2001:db8::2/64");
	run_until(w, 10000);
	forget(w);
	assert_int_equal(gt_neighbours_add(w->n, 0, &a, &mac_x), 0);
	assert_int_equal(gt_neighbours_add(w->n, 0, &a6, &mac_x), 0);
	run_until(w, 20000);
	give(w, 0, arp_reply, sizeof(arp_reply));
	give(w, 0, na, sizeof(na));
	run_until(w, 200000);
	assert_int_equal(w->n_sent, 0);
	assert_int_equal(w->n_told, 0);
	assert_int_equal(find(w, 0, "192.0.2.11")->state, GT_NEIGHBOUR_STATIC);
	assert_memory_equal(&find(w, 0, "192.0.2.11")->mac, &mac_x, sizeof(mac_x));
	assert_memory_equal(&find(w, 0, "2001:db8::11")->mac, &mac_x, sizeof(mac_x));
	done(w);
}

static void frame_alone_ages_nothing(void **state)
{
	(void)state;
	struct world *w = house();

	give(w, 0, arp_reply, sizeof(arp_reply));
	w->now = 100000000;
	give(w, 0, arp_request, sizeof(arp_request));
	assert_int_equal(find(w, 0, "192.0.2.11")->state, GT_NEIGHBOUR_RESOLVED);
	assert_int_equal(w->n_sent, 0);
	assert_int_equal(w->n_told, 1);
	done(w);
}

static void tick_without_emit_does_nothing(void **state)
{
	(void)state;
	struct world *w = make(false);

	own(w, 0, "192.0.2.2/24");
	vip(w, 0, "192.0.2.100");
	server(w, 0, "192.0.2.11");
	server(w, 0, "192.0.2.12");
	give(w, 0, arp_reply, sizeof(arp_reply));
	give_arp(w, 0, &(struct arp){2, mac_s, "192.0.2.100", "192.0.2.2"});
	run_until(w, 200000);
	assert_int_equal(find(w, 0, "192.0.2.11")->state, GT_NEIGHBOUR_RESOLVED);
	assert_int_equal(w->n_told, 2);
	assert_told(w, 1, GT_NEIGHBOUR_EVENT_CONFLICT, "192.0.2.100", &mac_s, NULL);
	done(w);
}

/* ---- announcements and the search for others ---- */

static void tick_vip_is_announced_at_0_1_3_s_then_looked_for_every_minute(void **state)
{
	(void)state;
	static const struct {
		const char *own, *vip;
		const uint8_t *announcement;
		size_t len, target, source;
		unsigned addr_len;
	} cases[] = {
		{"192.0.2.2/24", "192.0.2.100", arp_announcement, sizeof(arp_announcement), A_TPA,
		 A_SPA, 4},
		{"2001:db8::2/64", "2001:db8::100", ndp_announcement, sizeof(ndp_announcement),
		 N_TARGET, N_SRC, 16},
	};

	for (size_t i = 0; i < 2; i++) {
		struct world *w = make(true);
		struct gt_addr own_addr = prefix(cases[i].own).addr, vip_addr = addr(cases[i].vip);
		unsigned skip = 16 - cases[i].addr_len;

		own(w, 0, cases[i].own);
		run_until(w, 10000);
		/* An own address is announced, too, and not looked for. */
		assert_int_equal(w->n_sent, 3);
		forget(w);
		vip(w, 0, cases[i].vip);
		run_until(w, 200000);
		assert_sent(w, 0, 10000, cases[i].announcement, cases[i].len);
		assert_sent(w, 1, 11000, cases[i].announcement, cases[i].len);
		assert_sent(w, 2, 13000, cases[i].announcement, cases[i].len);
		/* At 14 s, then on its own second of each minute. */
		assert_in_range(w->n_sent, 3 + 1 + 3, 3 + 1 + 4);
		assert_int_equal(w->sent[3].ms, 14000);
		assert_in_range(w->sent[4].ms, 14001, 74000);
		for (size_t j = 3; j < w->n_sent; j++) {
			const struct sent *s = &w->sent[j];

			assert_memory_equal(s->bytes + cases[i].target, vip_addr.b + skip,
					    cases[i].addr_len);
			assert_memory_equal(s->bytes + cases[i].source, own_addr.b + skip,
					    cases[i].addr_len);
			if (j > 4)
				assert_int_equal(s->ms - w->sent[j - 1].ms, 60000);
		}
		done(w);
	}
}

static void link_up_announces_again_and_asks_all_at_once(void **state)
{
	(void)state;
	struct world *w = house();
	const struct gt_addr other = addr("192.0.2.13");

	gt_neighbours_interface(w->n, 1, &mac_m2, 0);
	own(w, 1, "198.51.100.2/24");
	server(w, 1, "198.51.100.11");
	assert_int_equal(gt_neighbours_add(w->n, 0, &other, &mac_x), 0);
	run_until(w, 20000);
	give(w, 0, arp_reply, sizeof(arp_reply));
	run_until(w, 30000);
	forget(w);
	gt_neighbours_link_up(w->n, 0);
	gt_neighbours_tick(w->n, w->now);
	/* four addresses of ours; the known server, by a question to all; the one that was silent
	 */
	assert_int_equal(w->n_sent, 6);
	for (size_t i = 0; i < w->n_sent; i++)
		assert_int_equal(w->sent[i].interface, 0);
	assert_sent(w, 2, 30000, arp_announcement, sizeof(arp_announcement));
	assert_sent(w, 3, 30000, ndp_announcement, sizeof(ndp_announcement));
	assert_sent(w, 4, 30000, arp_question, sizeof(arp_question));
	assert_sent(w, 5, 30000, ndp_question, sizeof(ndp_question));
	/* Its MAC stays in use, and if it does not answer it is lost after 3 s, not 30. */
	assert_int_equal(find(w, 0, "192.0.2.11")->state, GT_NEIGHBOUR_REFRESHING);
	assert_int_equal(find(w, 0, "192.0.2.13")->state, GT_NEIGHBOUR_STATIC);
	run_until(w, 33100);
	assert_int_equal(find(w, 0, "192.0.2.11")->state, GT_NEIGHBOUR_UNRESOLVED);
	assert_told(w, 0, GT_NEIGHBOUR_EVENT_LOST, "192.0.2.11", &mac_s, NULL);
	done(w);
}

static void tick_10000_vips_are_paced(void **state)
{
	(void)state;
	struct world *w = make(true);
	unsigned *announced = calloc(10000, sizeof(*announced));
	unsigned *asked = calloc(10000, sizeof(*asked));
	size_t busiest = 0;

	assert_non_null(announced);
	assert_non_null(asked);
	own(w, 0, "10.0.0.2/8");
	run_until(w, 10000);
	forget(w);
	for (uint32_t i = 0; i < 10000; i++) {
		struct gt_prefix p = {gt_addr_from_v4(rte_cpu_to_be_32(0x0a010000 + i)), 32};

		assert_int_equal(gt_neighbours_add_own(w->n, 0, &p, true), 0);
	}
	/* The first announcement of all comes before the second of any. */
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(step(w, false), 100);
	for (size_t i = 0; i < w->n_sent; i++) {
		uint32_t v4;

		memcpy(&v4, w->sent[i].bytes + A_SPA, 4);
		announced[rte_be_to_cpu_32(v4) - 0x0a010000]++;
	}
	for (unsigned i = 0; i < 10000; i++)
		assert_int_equal(announced[i], 1);
	/* All three, and the first question, within 40 s; then one question a minute. */
	while (w->now < 10000 + 41000)
		assert_true(step(w, false) <= 100);
	while (w->now < 120000)
		step(w, false);
	w->n_sent = 0;
	while (w->now < 180000) {
		size_t n = step(w, false);

		busiest = n > busiest ? n : busiest;
	}
	for (size_t i = 0; i < w->n_sent; i++) {
		uint32_t v4;

		memcpy(&v4, w->sent[i].bytes + A_TPA, 4);
		asked[rte_be_to_cpu_32(v4) - 0x0a010000]++;
	}
	for (unsigned i = 0; i < 10000; i++)
		assert_int_equal(asked[i], 1);
	/* 16.7 on average; Poisson leaves little above 40. */
	assert_in_range(busiest, 17, 45);
	free(announced);
	free(asked);
	done(w);
}

static void interface_with_another_mac_announces_again(void **state)
{
	(void)state;
	struct world *w = house();

	run_until(w, 10000);
	forget(w);
	gt_neighbours_interface(w->n, 0, &mac_m2, 0);
	gt_neighbours_tick(w->n, w->now);
	assert_in_range(w->n_sent, 4, 6);
	for (size_t i = 0; i < w->n_sent; i++)
		assert_memory_equal(w->sent[i].bytes + 6, mac_m2.b, 6);
	give(w, 0, arp_request, sizeof(arp_request));
	assert_memory_equal(w->out + A_SHA, mac_m2.b, 6);
	done(w);
}

static void own_removed_is_neither_announced_nor_answered(void **state)
{
	(void)state;
	struct world *w = make(true);

	own(w, 0, "192.0.2.2/24");
	vip(w, 0, "192.0.2.100");
	remove_vip(w, 0, "192.0.2.100");
	run_until(w, 200000);
	assert_int_equal(w->n_sent, 3);
	give(w, 0, arp_request, sizeof(arp_request));
	assert_dropped(w, GT_DROP_NEIGHBOUR_OTHER);
	done(w);
}

/* ---- the sets ---- */

static void own_counted_stays_until_the_last_is_removed(void **state)
{
	(void)state;
	struct world *w = make(true);
	struct gt_prefix wide = prefix("192.0.2.100/16");

	/* Two VIPs on one address, and the same address as an own one with two prefixes. */
	vip(w, 0, "192.0.2.100");
	vip(w, 0, "192.0.2.100");
	own(w, 0, "192.0.2.100/24");
	own(w, 0, "192.0.2.100/16");
	run_until(w, 10000);
	forget(w);
	/* What was not added so is not removed. */
	struct gt_prefix other = prefix("192.0.2.100/8");

	gt_neighbours_remove_own(w->n, 0, &other, false);
	remove_vip(w, 0, "192.0.2.101");
	remove_vip(w, 1, "192.0.2.100");
	remove_vip(w, 0, "192.0.2.100");
	remove_vip(w, 0, "192.0.2.100");
	remove_vip(w, 0, "192.0.2.100");
	struct gt_prefix narrow = prefix("192.0.2.100/24");

	gt_neighbours_remove_own(w->n, 0, &narrow, false);
	gt_neighbours_remove_own(w->n, 0, &narrow, false);
	give(w, 0, arp_request, sizeof(arp_request));
	assert_int_equal(w->verdict, GT_ANSWER);
	/* No VIP any more: it is not looked for; and no new one: it is not announced. */
	run_until(w, 200000);
	assert_int_equal(w->n_sent, 0);
	gt_neighbours_remove_own(w->n, 0, &wide, false);
	give(w, 0, arp_request, sizeof(arp_request));
	assert_dropped(w, GT_DROP_NEIGHBOUR_OTHER);
	done(w);
}

static void reload_new_before_old_keeps_what_was_learned(void **state)
{
	(void)state;
	struct world *w = house();

	run_until(w, 10000);
	give(w, 0, arp_reply, sizeof(arp_reply));
	give(w, 0, na, sizeof(na));
	forget(w);
	struct gt_prefix p4 = prefix("192.0.2.2/24");
	struct gt_addr a = addr("192.0.2.11");

	own(w, 0, "192.0.2.2/24");
	vip(w, 0, "192.0.2.100");
	server(w, 0, "192.0.2.11");
	assert_int_equal(find(w, 0, "192.0.2.11")->references, 2);
	gt_neighbours_remove_own(w->n, 0, &p4, false);
	remove_vip(w, 0, "192.0.2.100");
	gt_neighbours_remove(w->n, 0, &a, NULL);
	assert_int_equal(find(w, 0, "192.0.2.11")->references, 1);
	assert_int_equal(find(w, 0, "192.0.2.11")->state, GT_NEIGHBOUR_RESOLVED);
	assert_memory_equal(&find(w, 0, "192.0.2.11")->mac, &mac_s, sizeof(mac_s));
	gt_neighbours_tick(w->n, w->now);
	assert_int_equal(w->n_sent, 0);
	assert_int_equal(w->n_told, 0);
	gt_neighbours_remove(w->n, 0, &a, NULL);
	assert_null(find(w, 0, "192.0.2.11"));
	gt_neighbours_remove(w->n, 0, &a, NULL);
	done(w);
}

static void neighbour_is_static_while_one_of_its_references_is(void **state)
{
	(void)state;
	struct world *w = make(true);
	struct gt_addr a = addr("192.0.2.11");

	own(w, 0, "192.0.2.2/24");
	run_until(w, 10000);
	forget(w);
	server(w, 0, "192.0.2.11");
	run_until(w, 15000);
	assert_told(w, 0, GT_NEIGHBOUR_EVENT_SILENT, "192.0.2.11", NULL, NULL);
	forget(w);
	/* A reload gives it a MAC, then another one, and takes it away again. */
	assert_int_equal(gt_neighbours_add(w->n, 0, &a, &mac_x), 0);
	gt_neighbours_remove(w->n, 0, &a, NULL);
	gt_neighbours_remove(w->n, 0, &a, NULL); /* no such reference */
	assert_int_equal(find(w, 0, "192.0.2.11")->references, 1);
	assert_int_equal(gt_neighbours_add(w->n, 0, &a, &mac_s), 0);
	gt_neighbours_remove(w->n, 0, &a, &mac_x);
	assert_int_equal(find(w, 0, "192.0.2.11")->state, GT_NEIGHBOUR_STATIC);
	assert_memory_equal(&find(w, 0, "192.0.2.11")->mac, &mac_s, sizeof(mac_s));
	server(w, 0, "192.0.2.11");
	assert_int_equal(find(w, 0, "192.0.2.11")->state, GT_NEIGHBOUR_STATIC);
	gt_neighbours_remove(w->n, 0, &a, &mac_s);
	gt_neighbours_remove(w->n, 0, &a, &mac_s); /* no such reference */
	/* The MAC is kept and verified, as that of any other. */
	assert_int_equal(find(w, 0, "192.0.2.11")->state, GT_NEIGHBOUR_RESOLVED);
	uint64_t start = w->now;

	run_until(w, start + 7000);
	assert_int_equal(w->n_sent, 6);
	assert_sent(w, 0, start, arp_refresh, sizeof(arp_refresh));
	assert_sent(w, 5, start + 5000, arp_question, sizeof(arp_question));
	assert_told(w, 0, GT_NEIGHBOUR_EVENT_LOST, "192.0.2.11", &mac_s, NULL);
	done(w);
}

static void add_on_unknown_interface_is_einval(void **state)
{
	(void)state;
	struct world *w = make(true);
	struct gt_addr a = addr("192.0.2.11");
	struct gt_prefix p = prefix("192.0.2.2/24");

	assert_int_equal(gt_neighbours_add(w->n, 1, &a, NULL), -EINVAL);
	assert_int_equal(gt_neighbours_add(w->n, GT_INTERFACES_MAX, &a, NULL), -EINVAL);
	assert_int_equal(gt_neighbours_add_own(w->n, 1, &p, false), -EINVAL);
	assert_int_equal(gt_neighbours_add_own(w->n, 255, &p, true), -EINVAL);
	done(w);
}

static void sets_added_and_removed_at_random_agree_with_a_list(void **state)
{
	(void)state;
	static unsigned model[2][2000];
	struct world *w = make(true);
	uint32_t x = 12345;

	gt_neighbours_interface(w->n, 1, &mac_m2, 0);
	for (unsigned i = 0; i < 200000; i++) {
		x = x * 1664525 + 1013904223;
		uint8_t interface = (x >> 30) & 1;
		unsigned k = (x >> 8) % 2000;
		struct gt_addr a = gt_addr_from_v4(rte_cpu_to_be_32(0x0a000000 + k));

		/* Phases of growth and of shrinking. */
		if ((x >> 25) % 16 < ((i / 20000) % 2 == 0 ? 11U : 5U)) {
			assert_int_equal(gt_neighbours_add(w->n, interface, &a, NULL), 0);
			model[interface][k]++;
		} else {
			gt_neighbours_remove(w->n, interface, &a, NULL);
			model[interface][k] -= model[interface][k] > 0;
		}
	}
	size_t there = 0;

	for (uint8_t interface = 0; interface < 2; interface++) {
		for (unsigned k = 0; k < 2000; k++) {
			struct gt_addr a = gt_addr_from_v4(rte_cpu_to_be_32(0x0a000000 + k));
			const struct gt_neighbour *nb = gt_neighbours_find(w->n, interface, &a);

			assert_int_equal(nb != NULL ? nb->references : 0, model[interface][k]);
			there += model[interface][k] > 0;
		}
	}
	assert_null(gt_neighbours_at(w->n, there));
	assert_true(there == 0 || gt_neighbours_at(w->n, there - 1) != NULL);
	assert_in_range(there, 1, 3999);
	done(w);
}

static void destroy_null_is_allowed(void **state)
{
	(void)state;
	gt_neighbours_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frame_arp_request_for_vip_is_answered),
		cmocka_unit_test(frame_arp_request_with_padding_keeps_length_and_zeroes_it),
		cmocka_unit_test(frame_arp_request_for_own_address_is_answered),
		cmocka_unit_test(
			frame_arp_request_with_other_ethernet_source_is_answered_to_sender_in_arp),
		cmocka_unit_test(frame_arp_probe_for_vip_is_answered_without_conflict),
		cmocka_unit_test(frame_arp_request_for_server_is_other),
		cmocka_unit_test(frame_arp_request_for_address_of_other_interface_is_other),
		cmocka_unit_test(frame_on_unknown_interface_is_other),
		cmocka_unit_test(frame_arp_tagged_request_keeps_its_tag),
		cmocka_unit_test(frame_arp_malformed_is_bad),
		cmocka_unit_test(frame_truncated_at_every_length_is_bad),
		cmocka_unit_test(frame_arp_reply_of_neighbour_is_learned),
		cmocka_unit_test(frame_arp_request_of_neighbour_is_learned_and_answered),
		cmocka_unit_test(frame_arp_request_of_neighbour_for_others_is_learned_and_other),
		cmocka_unit_test(frame_arp_gratuitous_changes_the_mac),
		cmocka_unit_test(frame_arp_of_stranger_is_not_learned),
		cmocka_unit_test(frame_arp_probe_of_neighbour_is_not_learned),
		cmocka_unit_test(frame_arp_reply_for_vip_by_other_is_conflict),
		cmocka_unit_test(
			frame_arp_conflict_is_defended_once_in_10_s_and_told_once_a_minute),
		cmocka_unit_test(frame_arp_request_in_name_of_vip_is_conflict_and_not_answered),
		cmocka_unit_test(frame_reflected_is_no_conflict),
		cmocka_unit_test(frame_ndp_reflected_by_either_mac_is_no_conflict),
		cmocka_unit_test(conflicts_more_than_64_oldest_is_forgotten),
		cmocka_unit_test(conflicts_of_removed_address_are_forgotten),
		cmocka_unit_test(frame_ns_for_vip_is_answered),
		cmocka_unit_test(
			frame_ns_without_option_is_answered_to_ethernet_source_in_headroom),
		cmocka_unit_test(frame_ns_tagged_without_option_keeps_its_tag),
		cmocka_unit_test(frame_ns_for_duplicate_detection_is_answered_to_all_nodes),
		cmocka_unit_test(frame_ns_with_more_options_and_padding_is_answered_without),
		cmocka_unit_test(frame_ns_for_others_is_other),
		cmocka_unit_test(frame_ndp_malformed_is_bad),
		cmocka_unit_test(frame_ndp_with_half_an_option_at_its_end_is_bad),
		cmocka_unit_test(frame_ndp_bad_checksum_is_bad),
		cmocka_unit_test(frame_ns_unspecified_source_rules_are_kept),
		cmocka_unit_test(frame_ns_for_mapped_target_does_not_meet_the_ipv4_vip),
		cmocka_unit_test(frame_ndp_link_layer_option_of_other_size_is_bad),
		cmocka_unit_test(frame_na_of_neighbour_is_learned),
		cmocka_unit_test(frame_ns_of_neighbour_is_learned_from_its_option_only),
		cmocka_unit_test(frame_na_without_override_does_not_replace_but_asks_again),
		cmocka_unit_test(frame_na_without_override_resolves_an_unresolved_one),
		cmocka_unit_test(
			frame_na_without_option_confirms_only_what_is_known_and_if_solicited),
		cmocka_unit_test(frame_na_for_vip_by_other_is_conflict_and_defended),
		cmocka_unit_test(frame_ns_in_name_of_vip_is_conflict_and_not_answered),
		cmocka_unit_test(tick_unresolved_asks_thrice_then_tells_then_every_5_s),
		cmocka_unit_test(tick_resolved_is_refreshed_by_unicast_then_to_all_then_lost),
		cmocka_unit_test(tick_refreshed_and_answered_stays_resolved),
		cmocka_unit_test(tick_source_is_own_address_of_the_subnet_else_the_first),
		cmocka_unit_test(tick_without_own_address_cannot_ask_and_tells),
		cmocka_unit_test(
			tick_1000_neighbours_are_resolved_in_a_second_and_refreshed_spread),
		cmocka_unit_test(tick_often_paces_by_time),
		cmocka_unit_test(tick_40000_neighbours_keep_up_with_their_refreshes),
		cmocka_unit_test(static_neighbour_is_never_asked_nor_changed),
		cmocka_unit_test(frame_alone_ages_nothing),
		cmocka_unit_test(tick_without_emit_does_nothing),
		cmocka_unit_test(tick_vip_is_announced_at_0_1_3_s_then_looked_for_every_minute),
		cmocka_unit_test(link_up_announces_again_and_asks_all_at_once),
		cmocka_unit_test(tick_10000_vips_are_paced),
		cmocka_unit_test(interface_with_another_mac_announces_again),
		cmocka_unit_test(own_removed_is_neither_announced_nor_answered),
		cmocka_unit_test(own_counted_stays_until_the_last_is_removed),
		cmocka_unit_test(reload_new_before_old_keeps_what_was_learned),
		cmocka_unit_test(neighbour_is_static_while_one_of_its_references_is),
		cmocka_unit_test(add_on_unknown_interface_is_einval),
		cmocka_unit_test(sets_added_and_removed_at_random_agree_with_a_list),
		cmocka_unit_test(destroy_null_is_allowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
