/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The index of neighbours and own addresses by (interface, address); see table.h. Removal shifts
 * the followers back (Knuth, TAOCP 6.4, algorithm R), so that no tombstones pile up over reloads.
 */
#include "neighbour/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

uint64_t gt_neighbour_hash(uint8_t interface, const struct gt_addr *addr)
{
	/* Any fixed key will do: nobody but the operator chooses what is in the table. */
	static const struct gt_siphash_key key = {0x6e65696768626f75ULL, 0x72};
	uint8_t bytes[17];

	memcpy(bytes, addr->b, 16);
	bytes[16] = interface;
	return gt_siphash(&key, bytes, sizeof(bytes));
}

static uint32_t home(const struct gt_neighbour_map *map, uint8_t interface,
		     const struct gt_addr *addr)
{
	return (uint32_t)gt_neighbour_hash(interface, addr) & (map->size - 1);
}

/* The slot of the key, or the empty one where it belongs. */
static uint32_t locate(const struct gt_neighbour_map *map, uint8_t interface,
		       const struct gt_addr *addr)
{
	uint32_t i = home(map, interface, addr);

	while (map->slots[i].value != GT_NEIGHBOUR_NONE) {
		if (map->slots[i].interface == interface &&
		    gt_addr_equal(&map->slots[i].addr, addr))
			break;
		i = (i + 1) & (map->size - 1);
	}
	return i;
}

int gt_neighbour_map_reserve(struct gt_neighbour_map *map, uint32_t n)
{
	struct gt_neighbour_map bigger = {.size = 64};

	while (bigger.size / 2 < n)
		bigger.size *= 2;
	if (bigger.size <= map->size)
		return 0;
	bigger.slots = malloc(bigger.size * sizeof(*bigger.slots));
	if (bigger.slots == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < bigger.size; i++)
		bigger.slots[i].value = GT_NEIGHBOUR_NONE;
	for (uint32_t i = 0; i < map->size; i++) {
		const struct gt_neighbour_slot *s = &map->slots[i];

		if (s->value != GT_NEIGHBOUR_NONE)
			gt_neighbour_map_set(&bigger, s->interface, &s->addr, s->value);
	}
	free(map->slots);
	*map = bigger;
	return 0;
}

uint32_t gt_neighbour_map_find(const struct gt_neighbour_map *map, uint8_t interface,
			       const struct gt_addr *addr)
{
	if (map->size == 0)
		return GT_NEIGHBOUR_NONE;
	return map->slots[locate(map, interface, addr)].value;
}

void gt_neighbour_map_set(struct gt_neighbour_map *map, uint8_t interface,
			  const struct gt_addr *addr, uint32_t value)
{
	struct gt_neighbour_slot *s = &map->slots[locate(map, interface, addr)];

	s->addr = *addr;
	s->interface = interface;
	s->value = value;
}

void gt_neighbour_map_remove(struct gt_neighbour_map *map, uint8_t interface,
			     const struct gt_addr *addr)
{
	uint32_t mask = map->size - 1;

	if (gt_neighbour_map_find(map, interface, addr) == GT_NEIGHBOUR_NONE)
		return;
	uint32_t hole = locate(map, interface, addr);

	for (uint32_t i = (hole + 1) & mask; map->slots[i].value != GT_NEIGHBOUR_NONE;
	     i = (i + 1) & mask) {
		uint32_t h = home(map, map->slots[i].interface, &map->slots[i].addr);

		/* It may fill the hole if its home is not behind it on the way to i. */
		if (((i - h) & mask) >= ((i - hole) & mask)) {
			map->slots[hole] = map->slots[i];
			hole = i;
		}
	}
	map->slots[hole].value = GT_NEIGHBOUR_NONE;
}
