/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ARP and NDP from arbitrary bytes, with time and reloads between them. An input is a list of
 * records, each a byte of what to do, a byte of length or argument, and bytes. Every frame is a
 * heap block of its exact size behind the promised headroom. What gantry answers or sends is given
 * to a second node, which must find nothing wrong with it: so checksums, lengths and rules are
 * checked by the reader.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "neighbour/neighbour.h"

#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

struct world {
	struct gt_neighbours *node, *peer;
	uint64_t now;
};

static const struct gt_mac macs[3] = {
	{{2, 0, 0, 0, 0, 1}}, {{2, 0, 0, 0, 0, 2}}, {{2, 0, 0, 0, 0, 0x11}}};

/* Own addresses, VIPs, servers of both families; inputs name them by number. */
static const char *const names[] = {"192.0.2.2",     "192.0.2.100",  "192.0.2.11",    "2001:db8::2",
				    "2001:db8::100", "2001:db8::11", "2001:db8::101", "10.0.0.1"};

static struct gt_addr address(unsigned i)
{
	struct gt_addr a;

	CHECK(gt_addr_parse(names[i % 8], &a) == 0);
	return a;
}

static void on_event(void *ctx, enum gt_neighbour_event event, uint8_t interface,
		     const struct gt_addr *addr, const struct gt_mac *mac,
		     const struct gt_mac *old_mac)
{
	(void)ctx;
	CHECK(interface < 2 && addr != NULL);
	CHECK((mac == NULL) == (event == GT_NEIGHBOUR_EVENT_SILENT));
	CHECK((old_mac != NULL) == (event == GT_NEIGHBOUR_EVENT_CHANGED));
	CHECK(mac == NULL || gt_mac_is_unicast(mac));
}

/* The verdict, and in *out (if not NULL) the answer, which the caller frees. */
static struct gt_frame give(struct gt_neighbours *n, uint8_t interface, const uint8_t *bytes,
			    size_t len, uint64_t now)
{
	uint8_t *block = malloc(GT_HEADROOM + len);

	CHECK(block != NULL);
	if (len > 0)
		memcpy(block + GT_HEADROOM, bytes, len);

	struct gt_frame f = {.data = block + GT_HEADROOM,
			     .len = (uint32_t)len,
			     .wire_len = (uint32_t)len,
			     .in_if = interface,
			     .verdict = GT_PUNT,
			     .owner = block};

	gt_neighbours_frame(n, &f, now);
	CHECK(f.data >= block && f.data <= block + GT_HEADROOM);
	CHECK(f.data + f.len <= block + GT_HEADROOM + len);
	if (f.verdict == GT_DROP)
		CHECK(f.reason == GT_DROP_NEIGHBOUR_BAD || f.reason == GT_DROP_NEIGHBOUR_OTHER ||
		      f.reason == GT_DROP_NEIGHBOUR_TOLD);
	else
		CHECK(f.verdict == GT_ANSWER && f.wire_len == f.len && f.out_if == interface);
	return f;
}

static void give_peer(struct world *w, const uint8_t *bytes, size_t len)
{
	struct gt_frame f = give(w->peer, 0, bytes, len, w->now);

	CHECK(f.verdict == GT_DROP && f.reason != GT_DROP_NEIGHBOUR_BAD);
	free(f.owner);
}

static void on_emit(void *ctx, uint8_t interface, const uint8_t *frame, size_t len)
{
	CHECK(interface < 2 && len >= 60 && len <= GT_NEIGHBOUR_FRAME_MAX);
	give_peer(ctx, frame, len);
}

/* A fuzzer does not guess checksums: where an input asks for it, an NDP frame gets the right one.
 */
static void repair(uint8_t *f, size_t len)
{
	size_t ip = len > 13 && f[12] == 0x81 && f[13] == 0 ? 18 : 14;
	unsigned long sum = 58;

	if (len < ip + 44)
		return;
	size_t payload = (size_t)(f[ip + 4] << 8 | f[ip + 5]);

	if (payload > len - ip - 40)
		return;
	f[ip + 42] = 0;
	f[ip + 43] = 0;
	sum += payload;
	for (size_t i = 8; i < 40 + payload; i++)
		sum += i % 2 == 0 ? (unsigned)f[ip + i] << 8 : f[ip + i];
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	f[ip + 42] = (uint8_t)(~sum >> 8);
	f[ip + 43] = (uint8_t)~sum;
}

static void input_frame(struct world *w, uint8_t interface, bool right, const uint8_t *bytes,
			size_t len)
{
	uint8_t copy[256];

	memcpy(copy, bytes, len);
	if (right)
		repair(copy, len);

	struct gt_frame f = give(w->node, interface, copy, len, w->now);

	if (f.verdict == GT_ANSWER)
		give_peer(w, f.data, f.len);
	free(f.owner);
}

static void change(struct world *w, uint8_t what, uint8_t which)
{
	uint8_t interface = which >> 7;
	struct gt_addr a = address(which);
	struct gt_prefix p = {a, gt_addr_is_v4(&a) ? 24 : 64};
	const struct gt_mac *mac = which & 0x20 ? &macs[2] : NULL;

	switch (what % 4) {
	case 0:
		CHECK(gt_neighbours_add(w->node, interface, &a, mac) == 0);
		break;
	case 1:
		gt_neighbours_remove(w->node, interface, &a, mac);
		break;
	case 2:
		CHECK(gt_neighbours_add_own(w->node, interface, &p, which & 0x20) == 0);
		break;
	case 3:
		gt_neighbours_remove_own(w->node, interface, &p, which & 0x20);
		break;
	}
}

static void setup(struct world *w)
{
	struct gt_neighbour_hooks hooks = {.emit = on_emit, .event = on_event, .ctx = w};
	struct gt_neighbour_hooks deaf = {.event = on_event, .ctx = w};

	*w = (struct world){.node = gt_neighbours_create(&hooks),
			    .peer = gt_neighbours_create(&deaf)};
	CHECK(w->node != NULL && w->peer != NULL);
	gt_neighbours_interface(w->node, 0, &macs[0], 0);
	gt_neighbours_interface(w->node, 1, &macs[1], 42);
	/* The peer must be no station of the node, or it would take its frames for its own. */
	gt_neighbours_interface(w->peer, 0, &(struct gt_mac){{2, 0, 0, 0, 0, 9}}, 0);
	for (uint8_t i = 0; i < 6; i++)
		change(w, i % 3 == 2 ? 0 : 2, (uint8_t)(i % 3 == 1 ? i | 0x20 : i));
	/* It tracks the servers, so that learning is gone through, too. */
	for (unsigned i = 0; i < 8; i++) {
		struct gt_addr a = address(i);

		CHECK(gt_neighbours_add(w->peer, 0, &a, NULL) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w;

	setup(&w);
	while (size >= 2) {
		uint8_t what = data[0], arg = data[1];
		size_t len = 0;

		data += 2;
		size -= 2;
		if (what & 0x80) {
			w.now += (uint64_t)arg * 50;
			gt_neighbours_tick(w.node, w.now);
		} else if (what & 0x40) {
			change(&w, what, arg);
		} else {
			len = arg < size ? arg : size;
			input_frame(&w, what & 1, what & 2, data, len);
		}
		data += len;
		size -= len;
	}
	for (size_t i = 0; gt_neighbours_at(w.node, i) != NULL; i++)
		CHECK(gt_neighbours_at(w.node, i)->references > 0);
	gt_neighbours_destroy(w.node);
	gt_neighbours_destroy(w.peer);
	return 0;
}
