/* SPDX-License-Identifier: BSD-3-Clause */
/* SNAT sessions and ports; see snat.h. */
#include "flow/snat.h"

#include <errno.h>
#include <string.h>

#include <rte_prefetch.h>

#include "base/hash.h"
#include "flow/flow.h"

#define BLOCK_PORTS GT_SNAT_BLOCK_PORTS
#define PAIR_BLOCKS (GT_SNAT_PORTS / BLOCK_PORTS)
#define NO_BLOCK    GT_SNAT_NO_BLOCK
/* So many ports ahead a slot is fetched. */
#define PORTS_AHEAD 8
/* How many pairs, ports or sessions are looked at for one that may be reclaimed. */
#define LOOKS	     64
#define PAIR_BUCKETS GT_SNAT_PAIR_BUCKETS

_Static_assert(GT_SNAT_PORTS % BLOCK_PORTS == 0, "whole blocks");
_Static_assert((PAIR_BUCKETS & (PAIR_BUCKETS - 1)) == 0, "a power of two");

/*
 * One for each pair, and one more than what the sessions fill: of a block, each of n workers has
 * one port in n.
 */
static uint32_t count_blocks(uint32_t sessions, uint16_t n_workers)
{
	return (uint32_t)(sessions / BLOCK_PORTS * (n_workers + 1ULL) + GT_SNAT_PAIRS_MAX);
}

static uint64_t slots_bytes(uint32_t sessions, uint16_t n_workers)
{
	return (count_blocks(sessions, n_workers) + 1ULL) * BLOCK_PORTS *
	       sizeof(struct gt_snat_slot);
}

uint64_t gt_snat_bytes(uint32_t sessions, uint16_t n_workers)
{
	return sessions * sizeof(struct gt_snat_session) +
	       GT_SNAT_PAIRS_MAX * sizeof(struct gt_snat_pair) + PAIR_BUCKETS * sizeof(uint32_t) +
	       slots_bytes(sessions, n_workers) +
	       (count_blocks(sessions, n_workers) + 1ULL) * sizeof(uint32_t);
}

uint64_t gt_snat_piece_bytes(uint32_t sessions, uint16_t n_workers)
{
	uint64_t slots = slots_bytes(sessions, n_workers);

	return sessions * sizeof(struct gt_snat_session) > slots
		       ? sessions * sizeof(struct gt_snat_session)
		       : slots;
}

/* Fills port_entry. The port is the last of what is hashed. */
static void learn_ports(struct gt_snat *s)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		for (unsigned byte = 0; byte < 2; byte++) {
			uint8_t in[GT_TOEPLITZ_INPUT_MAX] = {0};
			size_t len = v6 ? 36 : 12;

			for (unsigned value = 0; value < 256; value++) {
				in[len - 2 + byte] = (uint8_t)value;
				s->port_entry[v6][byte][value] =
					gt_toeplitz_entry(gt_toeplitz(in, len));
			}
		}
	}
}

int gt_snat_create(struct gt_snat *s, uint32_t sessions, uint16_t worker, uint16_t n_workers,
		   const uint8_t random[16], const struct gt_memory *m)
{
	struct gt_siphash_key seed;

	memset(s, 0, sizeof(*s));
	s->memory = *m;
	s->n_sessions = sessions;
	s->n_blocks = count_blocks(sessions, n_workers);
	s->sessions = m->alloc(m->ctx, sessions * sizeof(*s->sessions));
	s->pairs = m->alloc(m->ctx, GT_SNAT_PAIRS_MAX * sizeof(*s->pairs));
	s->pair_table = m->alloc(m->ctx, PAIR_BUCKETS * sizeof(*s->pair_table));
	s->blocks = m->alloc(m->ctx, slots_bytes(sessions, n_workers));
	s->block_next = m->alloc(m->ctx, (s->n_blocks + 1ULL) * sizeof(*s->block_next));
	if (s->sessions == NULL || s->pairs == NULL || s->pair_table == NULL || s->blocks == NULL ||
	    s->block_next == NULL) {
		gt_snat_destroy(s);
		return -ENOMEM;
	}
	s->free_session = GT_SNAT_NONE;
	s->fresh_block = 1;
	s->worker = worker;
	s->n_workers = n_workers;
	learn_ports(s);
	memcpy(&seed, random, sizeof(seed));
	for (uint64_t i = 0; i < 2; i++)
		s->key[i] = gt_siphash(&seed, &i, sizeof(i)) | 1;
	return 0;
}

void gt_snat_destroy(struct gt_snat *s)
{
	struct gt_memory m = s->memory;

	if (m.free == NULL)
		return;
	m.free(m.ctx, s->sessions);
	m.free(m.ctx, s->pairs);
	m.free(m.ctx, s->pair_table);
	m.free(m.ctx, s->blocks);
	m.free(m.ctx, s->block_next);
	memset(s, 0, sizeof(*s));
}

/* ---- pairs ---- */

/* Takes a bucket out of the open addressing: what stands behind it moves up (Knuth 6.4, R). */
static void free_bucket(struct gt_snat *s, uint32_t hole)
{
	uint32_t i = hole;

	for (;;) {
		uint32_t home;

		i = (i + 1) & (PAIR_BUCKETS - 1);
		if (s->pair_table[i] == 0)
			break;
		home = gt_snat_pair_home(s, &s->pairs[s->pair_table[i] - 1].key);
		if (((i - home) & (PAIR_BUCKETS - 1)) < ((i - hole) & (PAIR_BUCKETS - 1)))
			continue;
		s->pair_table[hole] = s->pair_table[i];
		hole = i;
	}
	s->pair_table[hole] = 0;
}

static bool has_rested(const struct gt_snat *s, const struct gt_snat_pair *p, uint16_t port,
		       uint32_t tick)
{
	return ((tick - gt_snat_slot_of(s, p, port)->since) & GT_TICK_MASK) >= GT_SNAT_REST_TICKS;
}

static void free_pair(struct gt_snat *s, struct gt_snat_pair *p)
{
	free_bucket(s, gt_snat_find_bucket(s, &p->key));
	for (unsigned i = 0; i < PAIR_BLOCKS; i++) {
		if (p->blocks[i] == NO_BLOCK)
			continue;
		memset(&s->blocks[(size_t)p->blocks[i] * BLOCK_PORTS], 0,
		       BLOCK_PORTS * sizeof(*s->blocks));
		s->block_next[p->blocks[i]] = s->free_block;
		s->free_block = p->blocks[i];
	}
	s->pairs_changed++;
	p->used = false;
	p->next = s->free_pair;
	s->free_pair = (uint32_t)(p - s->pairs) + 1;
	s->n_pairs--;
}

/* A pair without sessions whose last port has rested may go. Looks at a few; true if one went.
 * `but`: not this one. */
static bool reclaim_pair(struct gt_snat *s, const struct gt_snat_pair *but, uint32_t tick)
{
	for (unsigned tries = 0; tries < LOOKS; tries++) {
		struct gt_snat_pair *p = &s->pairs[s->hand];

		s->hand = s->hand + 1 < s->fresh_pair ? s->hand + 1 : 0;
		if (p->used && p != but && p->live == 0 &&
		    (p->rest_tail == 0 || has_rested(s, p, p->rest_tail, tick))) {
			free_pair(s, p);
			return true;
		}
	}
	return false;
}

static struct gt_snat_pair *add_pair(struct gt_snat *s, const struct gt_snat_pair_key *key,
				     uint32_t tick)
{
	uint32_t i = s->fresh_pair;

	if (s->n_pairs == GT_SNAT_PAIRS_MAX && !reclaim_pair(s, NULL, tick))
		return NULL;
	if (s->free_pair != 0) {
		i = s->free_pair - 1;
		s->free_pair = s->pairs[i].next;
	} else {
		s->fresh_pair++;
	}
	s->pairs[i] = (struct gt_snat_pair){
		.key = *key,
		.used = true,
		.fresh = GT_SNAT_PORT_FIRST,
		.look = GT_SNAT_PORT_FIRST,
		.entry = gt_toeplitz_entry(
			gt_toeplitz_tuple(&key->server, &key->source, key->port, 0)),
	};
	s->n_pairs++;
	s->pairs_changed++;
	s->pair_table[gt_snat_find_bucket(s, key)] = i + 1;
	return &s->pairs[i];
}

/* ---- ports ---- */

/*
 * The first port from `port` on whose replies come to this worker; above UINT16_MAX: there is none.
 * About n_workers are looked at: with 4 workers that makes a new connection's port 4 ns dearer,
 * with 16 it is 30, and a port that has rested is the worker's anyway. rte_thash_adjust_tuple was
 * rejected: 70 to 200 ns each time, it changes 6 bytes of the key that all devices must have then,
 * and it does not know which ports are free.
 */
static uint32_t own_port(const struct gt_snat *s, const struct gt_snat_pair *p, uint32_t port)
{
	const uint8_t(*add)[256] = s->port_entry[!gt_addr_is_v4(&p->key.server)];

	while (port <= UINT16_MAX &&
	       gt_toeplitz_worker((uint8_t)(p->entry ^ add[0][port >> 8] ^ add[1][port & 0xff]),
				  s->n_workers) != s->worker)
		port++;
	return port;
}

uint32_t gt_snat_ports(const struct gt_snat *s)
{
	uint32_t entries = (GT_TOEPLITZ_TABLE_SIZE - s->worker + s->n_workers - 1U) / s->n_workers;

	return GT_SNAT_PORTS / GT_TOEPLITZ_TABLE_SIZE * entries;
}

/* Moves rest_next on behind what has rested by now; some at a time, but more than come to rest. */
static void ripen(struct gt_snat *s, struct gt_snat_pair *p, uint32_t tick)
{
	for (unsigned i = 0; i < 4 && p->rest_next != 0 && has_rested(s, p, p->rest_next, tick);
	     i++) {
		p->rest_next = gt_snat_slot_of(s, p, p->rest_next)->next;
		p->resting--;
	}
}

static uint16_t take_rested(struct gt_snat *s, struct gt_snat_pair *p, uint32_t tick)
{
	uint16_t port = p->rest_head;

	ripen(s, p, tick);
	if (port == 0 || port == p->rest_next)
		return 0;
	p->rest_head = gt_snat_slot_of(s, p, port)->next;
	if (p->rest_head == 0)
		p->rest_tail = 0;
	return port;
}

/* A block of slots, all fresh; from a pair that nobody uses any more, if need be. 0: none. */
static uint32_t take_block(struct gt_snat *s, const struct gt_snat_pair *p, uint32_t tick)
{
	uint32_t block;

	if (s->free_block == NO_BLOCK && s->fresh_block > s->n_blocks && !reclaim_pair(s, p, tick))
		return NO_BLOCK;
	block = s->free_block;
	if (block != NO_BLOCK)
		s->free_block = s->block_next[block];
	else if (s->fresh_block <= s->n_blocks)
		block = s->fresh_block++;
	return block;
}

/* Ports that are the pair's, over all workers. */
static uint32_t count_ports(const struct gt_snat_pair *p)
{
	return p->key.shared ? GT_SNAT_PORT_KERNEL - GT_SNAT_PORT_FIRST : GT_SNAT_PORTS;
}

static uint16_t take_fresh(struct gt_snat *s, struct gt_snat_pair *p, uint32_t tick)
{
	uint32_t port = own_port(s, p, p->fresh), i = port - GT_SNAT_PORT_FIRST;

	p->fresh = port;
	if (i >= count_ports(p))
		return 0;
	if (p->blocks[i / BLOCK_PORTS] == NO_BLOCK) {
		uint32_t block = take_block(s, p, tick);

		if (block == NO_BLOCK)
			return 0;
		p->blocks[i / BLOCK_PORTS] = block;
	}
	p->fresh++;
	/* Its line, of five ports or six, is read for the first time when one of them is taken. */
	rte_prefetch0(&s->blocks[(size_t)p->blocks[i / BLOCK_PORTS] * BLOCK_PORTS +
				 (i + PORTS_AHEAD) % BLOCK_PORTS]);
	return (uint16_t)port;
}

uint32_t gt_snat_open(struct gt_snat *s, const struct gt_snat_pair_key *key, uint32_t tick)
{
	uint32_t bucket = gt_snat_find_bucket(s, key), index = s->free_session;
	bool fresh = index == GT_SNAT_NONE && s->fresh_session < s->n_sessions;
	struct gt_snat_pair *p;
	struct gt_snat_session *session;
	uint16_t port;

	if (fresh)
		index = s->fresh_session;
	if (index == GT_SNAT_NONE)
		return GT_SNAT_NONE;
	p = s->pair_table[bucket] != 0 ? &s->pairs[s->pair_table[bucket] - 1]
				       : add_pair(s, key, tick);
	if (p == NULL)
		return GT_SNAT_NONE;
	port = take_rested(s, p, tick);
	if (port == 0)
		port = take_fresh(s, p, tick);
	if (port == 0)
		return GT_SNAT_NONE;
	session = &s->sessions[index];
	if (fresh)
		s->fresh_session++;
	else
		s->free_session = session->next;
	/* The next one's line tells which one follows it: a miss for each, one behind the other. */
	if (s->free_session != GT_SNAT_NONE)
		rte_prefetch0(&s->sessions[s->free_session]);
	else if (s->fresh_session < s->n_sessions)
		rte_prefetch0(&s->sessions[s->fresh_session]);
	*session = (struct gt_snat_session){
		.pair = (uint32_t)(p - s->pairs), .port = port, .live = true, .tick = tick};
	gt_snat_slot_of(s, p, port)->session = index + 1;
	p->live++;
	s->live++;
	return index;
}

static void free_session(struct gt_snat *s, struct gt_snat_pair *p, uint32_t index)
{
	p->live--;
	s->live--;
	s->sessions[index].live = false;
	s->sessions[index].next = s->free_session;
	s->free_session = index;
}

void gt_snat_close(struct gt_snat *s, uint32_t index, uint32_t tick)
{
	uint16_t port = s->sessions[index].port;
	struct gt_snat_pair *p = &s->pairs[s->sessions[index].pair];

	ripen(s, p, tick);
	*gt_snat_slot_of(s, p, port) = (struct gt_snat_slot){.since = tick & GT_TICK_MASK};
	if (p->rest_tail != 0)
		gt_snat_slot_of(s, p, p->rest_tail)->next = port;
	else
		p->rest_head = port;
	p->rest_tail = port;
	if (p->rest_next == 0)
		p->rest_next = port;
	p->resting++;
	free_session(s, p, index);
}

void gt_snat_cancel(struct gt_snat *s, uint32_t index, uint32_t tick)
{
	uint16_t port = s->sessions[index].port;
	struct gt_snat_pair *p = &s->pairs[s->sessions[index].pair];

	/* Like one that rested first of all. */
	*gt_snat_slot_of(s, p, port) = (struct gt_snat_slot){
		.since = (tick - GT_SNAT_REST_TICKS) & GT_TICK_MASK, .next = p->rest_head};
	p->rest_head = port;
	if (p->rest_tail == 0)
		p->rest_tail = port;
	free_session(s, p, index);
}

static bool is_half_open(const struct gt_snat_session *session, uint32_t tick)
{
	return session->live && session->state == GT_FLOW_SYN &&
	       ((tick - session->tick) & GT_TICK_MASK) >= GT_SNAT_YIELD_TICKS;
}

uint32_t gt_snat_half_open(struct gt_snat *s, const struct gt_snat_pair_key *key, uint32_t tick)
{
	uint32_t bucket = key != NULL ? gt_snat_find_bucket(s, key) : 0;
	struct gt_snat_pair *p;

	for (unsigned i = 0; key == NULL && i < LOOKS && s->n_sessions > 0; i++) {
		s->yield_hand = (s->yield_hand + 1) % s->n_sessions;
		if (is_half_open(&s->sessions[s->yield_hand], tick))
			return s->yield_hand;
	}
	if (key == NULL || s->pair_table[bucket] == 0)
		return GT_SNAT_NONE;
	p = &s->pairs[s->pair_table[bucket] - 1];
	for (unsigned i = 0; i < LOOKS; i++) {
		const struct gt_snat_slot *slot;

		p->look = own_port(s, p, p->look + 1);
		if (p->look > UINT16_MAX)
			p->look = own_port(s, p, GT_SNAT_PORT_FIRST);
		slot = gt_snat_slot_of(s, p, (uint16_t)p->look);
		if (slot != NULL && slot->session != 0 &&
		    is_half_open(&s->sessions[slot->session - 1], tick))
			return slot->session - 1;
	}
	return GT_SNAT_NONE;
}

uint32_t gt_snat_find(const struct gt_snat *s, const struct gt_snat_pair_key *key, uint16_t port)
{
	uint32_t bucket = gt_snat_find_bucket(s, key);
	const struct gt_snat_slot *slot =
		s->pair_table[bucket] == 0
			? NULL
			: gt_snat_slot_of(s, &s->pairs[s->pair_table[bucket] - 1], port);

	return slot == NULL || slot->session == 0 ? GT_SNAT_NONE : slot->session - 1;
}

unsigned gt_snat_fullest_percent(const struct gt_snat *s, uint32_t tick,
				 struct gt_snat_pair_key *key)
{
	uint32_t most = 0;

	if (s->sessions == NULL)
		return 0;
	for (uint32_t i = 0; i < s->fresh_pair; i++) {
		const struct gt_snat_pair *p = &s->pairs[i];
		const struct gt_snat_slot *tail = gt_snat_slot_of(s, p, p->rest_tail);
		uint32_t n = p->live;

		if (!p->used)
			continue;
		/* A pair without traffic has nobody to count its ports ripe. */
		if (tail != NULL && ((tick - tail->since) & GT_TICK_MASK) < GT_SNAT_REST_TICKS)
			n += p->resting;
		n = n * (GT_SNAT_PORTS / 1024) / (count_ports(p) / 1024);
		if (n > most && key != NULL)
			*key = p->key;
		if (n > most)
			most = n;
	}
	return (unsigned)(most * 100 / gt_snat_ports(s));
}
