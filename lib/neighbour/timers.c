/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What time brings: questions and refreshes of neighbours, announcements of our addresses, and the
 * search for other stations that answer for a VIP. Each set is walked in turn from where the last
 * tick ended, and each kind of frame has a budget, so that a thousand due at once neither burst nor
 * starve anyone.
 */
#include "neighbour/table.h"

#define QUESTION_MS	  1000
#define QUESTIONS_FIRST	  GT_NEIGHBOUR_SILENT_TRIES
#define QUESTION_LATER_MS 5000 /* and more seldom */
#define REFRESH_UNICAST	  3    /* RFC 4861 10: MAX_UNICAST_SOLICIT */
#define REFRESH_ALL	  6    /* and MAX_MULTICAST_SOLICIT */
#define UNASKED_MS	  30000
#define LOOK_MS		  60000
#define LOOK_AFTER_MS	  1000

static void fill(struct gt_neighbour_bucket *b, uint32_t size, uint64_t now_ms)
{
	uint64_t ms = now_ms - b->filled_ms;
	uint32_t more = ms >= 100 ? size : (uint32_t)ms * size / 100;

	/* What is less than a token is not lost: the time stays. */
	if (more == 0)
		return;
	b->filled_ms = now_ms;
	b->tokens = b->tokens + more > size ? size : b->tokens + more;
}

static bool take(struct gt_neighbour_bucket *b)
{
	if (b->tokens == 0)
		return false;
	b->tokens--;
	return true;
}

static void question(const struct gt_neighbours *n, uint8_t interface, const struct gt_addr *source,
		     const struct gt_addr *target, const struct gt_mac *to)
{
	uint8_t frame[GT_NEIGHBOUR_FRAME_MAX];
	const struct gt_neighbour_link *link = &n->links[interface];
	size_t len = gt_addr_is_v4(target) ? gt_arp_question(frame, link, source, target, to)
					   : gt_ndp_question(frame, link, source, target, to);

	n->hooks.emit(n->hooks.ctx, interface, frame, len);
}

static void announce(const struct gt_neighbours *n, const struct gt_neighbour_own *own)
{
	uint8_t frame[GT_NEIGHBOUR_FRAME_MAX];
	const struct gt_neighbour_link *link = &n->links[own->interface];
	size_t len = gt_addr_is_v4(&own->addr) ? gt_arp_announcement(frame, link, &own->addr)
					       : gt_ndp_announcement(frame, link, &own->addr);

	n->hooks.emit(n->hooks.ctx, own->interface, frame, len);
}

static void tell(const struct gt_neighbours *n, struct gt_neighbour_entry *e,
		 enum gt_neighbour_event event, const struct gt_mac *mac)
{
	e->told = true;
	n->hooks.event(n->hooks.ctx, event, e->pub.interface, &e->pub.addr, mac, NULL);
}

static void lose(const struct gt_neighbours *n, struct gt_neighbour_entry *e, uint64_t now_ms)
{
	gt_neighbour_set_state(e, GT_NEIGHBOUR_UNRESOLVED, now_ms);
	e->pub.next_ms = now_ms + QUESTION_LATER_MS;
	tell(n, e, GT_NEIGHBOUR_EVENT_LOST, &e->pub.mac);
}

/* The interface has no own address of this family. What was heard of the neighbour is kept. */
static void cannot_ask(const struct gt_neighbours *n, struct gt_neighbour_entry *e, uint64_t now_ms)
{
	if (e->pub.state == GT_NEIGHBOUR_UNRESOLVED) {
		e->pub.next_ms = now_ms + QUESTION_LATER_MS;
		if (!e->told)
			tell(n, e, GT_NEIGHBOUR_EVENT_SILENT, NULL);
		return;
	}
	gt_neighbour_set_state(e, GT_NEIGHBOUR_RESOLVED, now_ms);
	e->pub.next_ms = now_ms + UNASKED_MS;
}

static void ask(const struct gt_neighbours *n, struct gt_neighbour_entry *e,
		const struct gt_addr *source, uint64_t now_ms)
{
	bool unicast = e->pub.state == GT_NEIGHBOUR_REFRESHING && e->pub.tries < REFRESH_UNICAST;

	question(n, e->pub.interface, source, &e->pub.addr, unicast ? &e->pub.mac : NULL);
	e->pub.tries++;
	e->pub.next_ms = now_ms + (e->told ? QUESTION_LATER_MS : QUESTION_MS);
}

void gt_neighbour_ask_again(struct gt_neighbour_entry *e, uint64_t now_ms)
{
	if (e->pub.state == GT_NEIGHBOUR_STATIC)
		return;
	if (e->pub.state == GT_NEIGHBOUR_RESOLVED)
		gt_neighbour_set_state(e, GT_NEIGHBOUR_REFRESHING, now_ms);
	/* Not by unicast first: the station may have another MAC, or sit at another port. */
	e->pub.tries = e->pub.state == GT_NEIGHBOUR_REFRESHING ? REFRESH_UNICAST : 0;
	e->pub.next_ms = now_ms;
	e->told = false;
}

/* A guest that did not answer is not waited for. */
static bool is_gone(const struct gt_neighbour_entry *e)
{
	return e->pub.state == GT_NEIGHBOUR_REFRESHING ? e->pub.tries >= REFRESH_ALL
						       : e->pub.tries >= QUESTIONS_FIRST;
}

/* Does what is due for a neighbour: false if there is no token left for its question. */
static bool serve(struct gt_neighbours *n, struct gt_neighbour_entry *e, uint64_t now_ms)
{
	if (e->pub.state == GT_NEIGHBOUR_STATIC || now_ms < e->pub.next_ms)
		return true;
	if (e->guest && is_gone(e)) {
		if (e->pub.state == GT_NEIGHBOUR_REFRESHING)
			tell(n, e, GT_NEIGHBOUR_EVENT_LOST, &e->pub.mac);
		gt_neighbour_forget(n, e);
		return true;
	}
	if (e->pub.state == GT_NEIGHBOUR_REFRESHING && e->pub.tries >= REFRESH_ALL) {
		lose(n, e, now_ms);
		return true;
	}
	if (e->pub.state == GT_NEIGHBOUR_UNRESOLVED && e->pub.tries == QUESTIONS_FIRST &&
	    !e->told) {
		tell(n, e, GT_NEIGHBOUR_EVENT_SILENT, NULL);
		e->pub.next_ms = now_ms + QUESTION_LATER_MS;
		return true;
	}

	const struct gt_addr *source = gt_neighbour_source(n, e->pub.interface, &e->pub.addr);

	if (source == NULL) {
		cannot_ask(n, e, now_ms);
		return true;
	}
	if (!take(&n->questions))
		return false;
	if (e->pub.state == GT_NEIGHBOUR_RESOLVED)
		gt_neighbour_set_state(e, GT_NEIGHBOUR_REFRESHING, now_ms);
	ask(n, e, source, now_ms);
	return true;
}

/* The next time after now that lies on the address's own phase of the minute: spread, without
 * drift. */
static uint64_t next_look(const struct gt_neighbour_own *own, uint64_t now_ms)
{
	uint64_t phase = gt_neighbour_hash(own->interface, &own->addr) % LOOK_MS;

	return now_ms + LOOK_MS - (now_ms + LOOK_MS - phase) % LOOK_MS;
}

static void announced(struct gt_neighbour_own *own, uint64_t now_ms)
{
	/* At 0, 1 and 3 s. */
	own->announcements--;
	own->announce_ms = now_ms + (own->announcements == 2 ? 1000 : 2000);
	if (own->announcements == 0)
		own->look_ms = now_ms + LOOK_AFTER_MS;
}

/* Does what is due for an address of ours, one frame at most: false if there is no token left. */
static bool claim(struct gt_neighbours *n, struct gt_neighbour_own *own, uint64_t now_ms)
{
	bool due;

	if (own->silent && !own->withdrawn)
		gt_neighbour_announce_again(own);
	own->silent = own->withdrawn;
	if (own->silent)
		return true;
	due = own->announcements > 0 && now_ms >= own->announce_ms;

	if (due || own->defend) {
		if (!take(&n->claims))
			return false;
		announce(n, own);
		own->defend = false;
		if (due)
			announced(own, now_ms);
		return true;
	}
	if (own->vips == 0 || own->announcements > 0 || now_ms < own->look_ms)
		return true;

	const struct gt_addr *source = gt_neighbour_source(n, own->interface, &own->addr);

	if (source != NULL) {
		if (!take(&n->claims))
			return false;
		question(n, own->interface, source, &own->addr, NULL);
	}
	own->look_ms = next_look(own, now_ms);
	return true;
}

void gt_neighbours_tick(struct gt_neighbours *n, uint64_t now_ms)
{
	/* All are refreshed every 30 s: three times what that takes, at least. */
	uint32_t questions = n->n_entries / 100;

	n->now_ms = now_ms;
	if (n->hooks.emit == NULL)
		return;
	if (questions < GT_NEIGHBOUR_TOKENS)
		questions = GT_NEIGHBOUR_TOKENS;
	fill(&n->questions, questions, now_ms);
	fill(&n->claims, GT_NEIGHBOUR_TOKENS, now_ms);

	for (uint32_t i = 0; i < n->n_owns; i++) {
		uint32_t at = n->owns_next < n->n_owns ? n->owns_next : 0;

		if (!claim(n, &n->owns[at], now_ms))
			break;
		n->owns_next = at + 1;
	}
	for (uint32_t i = 0; i < n->n_entries; i++) {
		uint32_t at = n->entries_next < n->n_entries ? n->entries_next : 0;

		if (!serve(n, &n->entries[at], now_ms))
			break;
		n->entries_next = at + 1;
	}
}
