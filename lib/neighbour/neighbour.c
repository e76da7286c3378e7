/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The sets of the neighbour room: what main adds and removes, all counted, so that a reload adds
 * the new configuration before it removes the old one and nothing learned is lost. See neighbour.h;
 * what is heard is in heard.c, what time brings in timers.c.
 */
#include "neighbour/neighbour.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "neighbour/table.h"

struct gt_neighbours *gt_neighbours_create(const struct gt_neighbour_hooks *hooks)
{
	struct gt_neighbours *n = calloc(1, sizeof(*n));

	if (n == NULL)
		return NULL;
	n->hooks = *hooks;
	n->questions.tokens = GT_NEIGHBOUR_TOKENS;
	n->claims.tokens = GT_NEIGHBOUR_TOKENS;
	return n;
}

void gt_neighbours_destroy(struct gt_neighbours *n)
{
	if (n == NULL)
		return;
	free(n->entries);
	free(n->entries_map.slots);
	free(n->owns);
	free(n->owns_map.slots);
	free(n->sources);
	free(n);
}

void gt_neighbour_announce_again(struct gt_neighbour_own *own)
{
	own->announcements = 3;
	own->announce_ms = 0;
}

static void announce_all_again(struct gt_neighbours *n, uint8_t interface)
{
	for (uint32_t i = 0; i < n->n_owns; i++)
		if (n->owns[i].interface == interface)
			gt_neighbour_announce_again(&n->owns[i]);
}

void gt_neighbours_interface(struct gt_neighbours *n, uint8_t interface, const struct gt_mac *mac,
			     uint16_t vlan)
{
	assert(interface < GT_INTERFACES_MAX);
	n->links[interface] = (struct gt_neighbour_link){*mac, vlan, true};
	announce_all_again(n, interface);
}

void gt_neighbours_link_up(struct gt_neighbours *n, uint8_t interface)
{
	announce_all_again(n, interface);
	for (uint32_t i = 0; i < n->n_entries; i++)
		if (n->entries[i].pub.interface == interface)
			gt_neighbour_ask_again(&n->entries[i], n->now_ms);
}

static bool known(const struct gt_neighbours *n, uint8_t interface)
{
	return interface < GT_INTERFACES_MAX && n->links[interface].known;
}

/* Makes room for one more element of `size` bytes. The array, moved or not, or NULL: no memory. */
static void *grow(void *array, uint32_t used, uint32_t *room, size_t size)
{
	if (used < *room)
		return array;
	uint32_t more = *room == 0 ? 16 : *room * 2;
	void *bigger = realloc(array, more * size);

	if (bigger != NULL)
		*room = more;
	return bigger;
}

struct gt_neighbour_own *gt_neighbour_own(const struct gt_neighbours *n, uint8_t interface,
					  const struct gt_addr *addr)
{
	uint32_t i = gt_neighbour_map_find(&n->owns_map, interface, addr);

	return i == GT_NEIGHBOUR_NONE ? NULL : &n->owns[i];
}

bool gt_neighbour_answers(const struct gt_neighbours *n, uint8_t interface,
			  const struct gt_addr *addr)
{
	const struct gt_neighbour_own *own = gt_neighbour_own(n, interface, addr);

	return own != NULL && !own->withdrawn;
}

static struct gt_neighbour_own *make_own(struct gt_neighbours *n, uint8_t interface,
					 const struct gt_addr *addr)
{
	struct gt_neighbour_own *own = gt_neighbour_own(n, interface, addr);
	struct gt_neighbour_own *array;

	if (own != NULL)
		return own;
	array = grow(n->owns, n->n_owns, &n->owns_room, sizeof(*array));
	if (array == NULL)
		return NULL;
	n->owns = array;
	if (gt_neighbour_map_reserve(&n->owns_map, n->n_owns + 1) != 0)
		return NULL;
	gt_neighbour_map_set(&n->owns_map, interface, addr, n->n_owns);
	own = &n->owns[n->n_owns++];
	*own = (struct gt_neighbour_own){.addr = *addr, .interface = interface};
	gt_neighbour_announce_again(own);
	return own;
}

static void forget_conflicts(struct gt_neighbours *n, uint8_t interface, const struct gt_addr *addr)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < n->n_conflicts; i++) {
		const struct gt_neighbour_conflict *c = &n->conflicts[i];

		if (c->interface != interface || !gt_addr_equal(&c->addr, addr))
			n->conflicts[kept++] = *c;
	}
	n->n_conflicts = kept;
}

static void release_own(struct gt_neighbours *n, struct gt_neighbour_own *own)
{
	if (--own->references > 0)
		return;
	forget_conflicts(n, own->interface, &own->addr);
	gt_neighbour_map_remove(&n->owns_map, own->interface, &own->addr);

	const struct gt_neighbour_own *last = &n->owns[--n->n_owns];

	if (own != last) {
		*own = *last;
		gt_neighbour_map_set(&n->owns_map, own->interface, &own->addr,
				     (uint32_t)(own - n->owns));
	}
}

static struct gt_neighbour_source *find_source(const struct gt_neighbours *n, uint8_t interface,
					       const struct gt_prefix *prefix)
{
	for (uint32_t i = 0; i < n->n_sources; i++) {
		struct gt_neighbour_source *s = &n->sources[i];

		if (s->interface == interface && s->prefix.len == prefix->len &&
		    gt_addr_equal(&s->prefix.addr, &prefix->addr))
			return s;
	}
	return NULL;
}

const struct gt_addr *gt_neighbour_source(const struct gt_neighbours *n, uint8_t interface,
					  const struct gt_addr *target)
{
	const struct gt_addr *first = NULL;
	bool v4 = gt_addr_is_v4(target);

	for (uint32_t i = 0; i < n->n_sources; i++) {
		const struct gt_neighbour_source *s = &n->sources[i];

		if (s->interface != interface || gt_addr_is_v4(&s->prefix.addr) != v4)
			continue;
		if (gt_prefix_contains(&s->prefix, target))
			return &s->prefix.addr;
		if (first == NULL)
			first = &s->prefix.addr;
	}
	return first;
}

int gt_neighbours_add_own(struct gt_neighbours *n, uint8_t interface,
			  const struct gt_prefix *prefix, bool vip)
{
	struct gt_neighbour_source *source = NULL;
	struct gt_neighbour_own *own;

	if (!known(n, interface))
		return -EINVAL;
	/* All that may fail comes first, and none of it where the address is known already. */
	if (!vip) {
		source = find_source(n, interface, prefix);
		if (source == NULL) {
			source = grow(n->sources, n->n_sources, &n->sources_room, sizeof(*source));
			if (source == NULL)
				return -ENOMEM;
			n->sources = source;
			source = &n->sources[n->n_sources];
			*source = (struct gt_neighbour_source){.prefix = *prefix,
							       .interface = interface};
		}
	}
	own = make_own(n, interface, &prefix->addr);
	if (own == NULL)
		return -ENOMEM;

	own->references++;
	if (vip) {
		own->vips++;
		return 0;
	}
	n->n_sources += source == &n->sources[n->n_sources];
	source->references++;
	return 0;
}

void gt_neighbours_remove_own(struct gt_neighbours *n, uint8_t interface,
			      const struct gt_prefix *prefix, bool vip)
{
	struct gt_neighbour_own *own = gt_neighbour_own(n, interface, &prefix->addr);

	if (own == NULL)
		return;
	if (vip) {
		if (own->vips == 0)
			return;
		own->vips--;
	} else {
		struct gt_neighbour_source *s = find_source(n, interface, prefix);

		if (s == NULL)
			return;
		/* Their order counts, and they are few. */
		if (--s->references == 0) {
			n->n_sources--;
			memmove(s, s + 1, (size_t)(&n->sources[n->n_sources] - s) * sizeof(*s));
		}
	}
	release_own(n, own);
}

void gt_neighbours_withdraw(struct gt_neighbours *n, uint8_t interface, const struct gt_addr *addr,
			    bool withdrawn)
{
	struct gt_neighbour_own *own = gt_neighbour_own(n, interface, addr);

	if (own == NULL)
		return;
	if (withdrawn && !own->withdrawn)
		forget_conflicts(n, interface, addr);
	own->withdrawn = withdrawn;
}

struct gt_neighbour_entry *gt_neighbour_entry(const struct gt_neighbours *n, uint8_t interface,
					      const struct gt_addr *addr)
{
	uint32_t i = gt_neighbour_map_find(&n->entries_map, interface, addr);

	return i == GT_NEIGHBOUR_NONE ? NULL : &n->entries[i];
}

void gt_neighbour_set_state(struct gt_neighbour_entry *e, enum gt_neighbour_state state,
			    uint64_t now_ms)
{
	if (e->pub.state == state)
		return;
	e->pub.state = (uint8_t)state;
	e->pub.since_ms = now_ms;
}

static struct gt_neighbour_entry *make_entry(struct gt_neighbours *n, uint8_t interface,
					     const struct gt_addr *addr)
{
	struct gt_neighbour_entry *e = gt_neighbour_entry(n, interface, addr);
	struct gt_neighbour_entry *array;

	if (e != NULL)
		return e;
	array = grow(n->entries, n->n_entries, &n->entries_room, sizeof(*array));
	if (array == NULL)
		return NULL;
	n->entries = array;
	if (gt_neighbour_map_reserve(&n->entries_map, n->n_entries + 1) != 0)
		return NULL;
	gt_neighbour_map_set(&n->entries_map, interface, addr, n->n_entries);
	e = &n->entries[n->n_entries++];
	*e = (struct gt_neighbour_entry){.pub = {.interface = interface,
						 .state = GT_NEIGHBOUR_UNRESOLVED,
						 .addr = *addr,
						 .since_ms = n->now_ms}};
	return e;
}

int gt_neighbours_add(struct gt_neighbours *n, uint8_t interface, const struct gt_addr *addr,
		      const struct gt_mac *mac)
{
	struct gt_neighbour_entry *e;

	if (!known(n, interface))
		return -EINVAL;
	e = make_entry(n, interface, addr);
	if (e == NULL)
		return -ENOMEM;
	if (e->guest) {
		e->guest = false;
		n->n_guests--;
	}
	e->pub.references++;
	if (mac != NULL) {
		e->fixed++;
		e->pub.mac = *mac;
		gt_neighbour_set_state(e, GT_NEIGHBOUR_STATIC, n->now_ms);
	}
	return 0;
}

void gt_neighbours_remove(struct gt_neighbours *n, uint8_t interface, const struct gt_addr *addr,
			  const struct gt_mac *mac)
{
	struct gt_neighbour_entry *e = gt_neighbour_entry(n, interface, addr);

	/* A reference of that kind must be there. */
	if (e == NULL || (mac != NULL ? e->fixed : e->pub.references - e->fixed) == 0)
		return;
	if (mac != NULL && --e->fixed == 0) {
		gt_neighbour_set_state(e, GT_NEIGHBOUR_RESOLVED, n->now_ms);
		e->pub.next_ms = 0;
		e->pub.tries = 0;
		e->told = false;
	}
	if (--e->pub.references == 0)
		gt_neighbour_forget(n, e);
}

void gt_neighbour_forget(struct gt_neighbours *n, struct gt_neighbour_entry *e)
{
	gt_neighbour_map_remove(&n->entries_map, e->pub.interface, &e->pub.addr);
	n->n_guests -= e->guest;
	const struct gt_neighbour_entry *last = &n->entries[--n->n_entries];

	if (e != last) {
		*e = *last;
		gt_neighbour_map_set(&n->entries_map, e->pub.interface, &e->pub.addr,
				     (uint32_t)(e - n->entries));
	}
}

/* Is the address in a subnet of the interface, and not ours? */
static bool may_be_guest(const struct gt_neighbours *n, uint8_t interface,
			 const struct gt_addr *addr)
{
	for (uint32_t i = 0; i < n->n_sources; i++)
		if (n->sources[i].interface == interface &&
		    gt_prefix_contains(&n->sources[i].prefix, addr))
			return gt_neighbour_own(n, interface, addr) == NULL;
	return false;
}

struct gt_neighbour_entry *gt_neighbour_guest(struct gt_neighbours *n, uint8_t interface,
					      const struct gt_addr *addr)
{
	struct gt_neighbour_entry *e;

	if (n->n_guests >= n->guests_most || !may_be_guest(n, interface, addr))
		return NULL;
	e = make_entry(n, interface, addr);
	if (e != NULL) {
		e->guest = true;
		n->n_guests++;
	}
	return e;
}

void gt_neighbours_guests(struct gt_neighbours *n, uint32_t most)
{
	n->guests_most = most;
	for (uint32_t i = n->n_entries; most == 0 && i-- > 0;)
		if (n->entries[i].guest)
			gt_neighbour_forget(n, &n->entries[i]);
}

void gt_neighbours_want(struct gt_neighbours *n, uint8_t interface, const struct gt_addr *addr)
{
	if (known(n, interface) && gt_neighbour_entry(n, interface, addr) == NULL)
		gt_neighbour_guest(n, interface, addr);
}

const struct gt_neighbour *gt_neighbours_find(const struct gt_neighbours *n, uint8_t interface,
					      const struct gt_addr *addr)
{
	const struct gt_neighbour_entry *e = gt_neighbour_entry(n, interface, addr);

	return e == NULL ? NULL : &e->pub;
}

const struct gt_neighbour *gt_neighbours_at(const struct gt_neighbours *n, size_t i)
{
	return i < n->n_entries ? &n->entries[i].pub : NULL;
}

const struct gt_neighbour_conflict *gt_neighbours_conflict_at(const struct gt_neighbours *n,
							      size_t i)
{
	return i < n->n_conflicts ? &n->conflicts[i] : NULL;
}
