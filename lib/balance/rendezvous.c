/* SPDX-License-Identifier: BSD-3-Clause */
/* Weighted rendezvous tables; see rendezvous.h. */
#include "balance/rendezvous.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define STEP_BITS 7
_Static_assert(1 << STEP_BITS == GT_RENDEZVOUS_STEPS, "a step for each value of those bits");

/* The product of two numbers with 63 bits of fraction (1.63). */
static inline uint64_t mul63(uint64_t a, uint64_t b)
{
	return (uint64_t)(((unsigned __int128)a * b) >> 63);
}

/* ---- the logarithm ---- */

/*
 * log2 of x in [1, 2), 1.63, to 62 bits of fraction: squaring doubles the logarithm, so each square
 * tells its next bit (Knuth, TAOCP 1.2.2, exercise 25). A square is rounded down by up to 2^-63 of
 * itself, which doubles with each further bit: the result is off by about 2^-56.
 */
static uint64_t log2_bitwise(uint64_t x)
{
	uint64_t out = 0;

	for (unsigned i = 0; i < 62; i++) {
		unsigned __int128 square = (unsigned __int128)x * x; /* 2.126 */

		out <<= 1;
		if (square >> 127 != 0) {
			out |= 1;
			x = (uint64_t)(square >> 64);
		} else {
			x = (uint64_t)(square >> 63);
		}
	}
	return out;
}

void gt_rendezvous_log_init(struct gt_rendezvous_log *log)
{
	for (uint64_t k = 0; k < GT_RENDEZVOUS_STEPS; k++) {
		uint64_t c = (GT_RENDEZVOUS_STEPS + k) << (63 - STEP_BITS);

		log->log2[k] = log2_bitwise(c);
		/* (2^63)^2 / c */
		log->inverse[k] = (uint64_t)(((unsigned __int128)1 << 126) / c);
	}
}

/*
 * x = 2^e c (1 + r), c the step below the mantissa, r below 2^-7, so log2 x = e + log2 c + ln(1 +
 * r) / ln 2. The series r - r^2/2 + r^3/3 - r^4/4 leaves less than r^5/5, 2^-37.3.
 */
uint64_t gt_rendezvous_draw(const struct gt_rendezvous_log *log, uint64_t h)
{
	static const uint64_t third = 0x2aaaaaaaaaaaaaabULL;  /* 1/3, 1.63 */
	static const uint64_t log2_e = 0xb8aa3b295c17f0bcULL; /* 1/ln 2, 1.63 */
	const unsigned __int128 whole = (unsigned __int128)65 << 62;
	unsigned __int128 sum;
	uint64_t m, k, r, r2, series, draw;
	unsigned e;

	/* The mantissa of 2h + 1, 1.63. With h's top bit set the 1 at its end is lost: 2^-63. */
	if (h >> 63 != 0) {
		e = 64;
		m = h;
	} else {
		e = 63 - (unsigned)__builtin_clzll(2 * h + 1);
		m = (2 * h + 1) << (63 - e);
	}
	k = m >> (63 - STEP_BITS) & (GT_RENDEZVOUS_STEPS - 1);
	r = mul63(m & ((1ULL << (63 - STEP_BITS)) - 1), log->inverse[k]);
	r2 = mul63(r, r);
	series = r - r2 / 2 + mul63(mul63(r2, r), third) - mul63(r2, r2) / 4;
	sum = ((unsigned __int128)e << 62) + log->log2[k] + mul63(series, log2_e) / 2;
	draw = (uint64_t)((whole - sum) >> (62 - GT_RENDEZVOUS_BITS));
	return draw > 0 ? draw : 1;
}

/* ---- scores ---- */

/* A server as it draws. */
struct drawer {
	uint64_t secret; /* of its identity under the key */
	uint64_t identity;
	uint32_t weight;
	uint16_t value;
};

static struct drawer make_drawer(const struct gt_siphash_key *key, const struct gt_maglev_server *s)
{
	/* Not the message of Maglev's permutation. */
	uint64_t in[2] = {s->identity, 1};

	return (struct drawer){gt_siphash(key, in, sizeof(in)), s->identity, s->weight, s->value};
}

/* SplitMix64's output (Steele, Lea, Flood 2014): as good as any here, for only we know the secret
 * that it starts from, and ten times as fast as SipHash. */
static inline uint64_t slot_hash(uint64_t secret, uint32_t slot)
{
	uint64_t z = secret + (slot + 1ULL) * 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

/* From here on (2^-33 or so) 0.44 of a number is more than a logarithm's error, 16. */
#define LEAST_SURE 100

/* Who leads in a slot, and with what. */
struct lead {
	const struct drawer *drawer;
	uint64_t draw;
};

/* draw / weight, compared without dividing: 47 bits by 16 are no more than 63. */
static inline void challenge(struct lead *lead, const struct drawer *d,
			     const struct gt_rendezvous_log *log, uint32_t slot)
{
	uint64_t h = slot_hash(d->secret, slot), least = ~h >> (64 - GT_RENDEZVOUS_BITS);
	uint64_t draw, mine, best;

	if (lead->drawer == NULL) {
		*lead = (struct lead){d, gt_rendezvous_draw(log, h)};
		return;
	}
	best = lead->draw * d->weight;
	/* -log2(u) is at least 1.44 (1 - u), and so more than 1 - u by far more than its error:
	 * most servers are out without a logarithm. */
	if (least > LEAST_SURE && least * lead->drawer->weight > best)
		return;
	draw = gt_rendezvous_draw(log, h);
	mine = draw * lead->drawer->weight;
	if (mine < best || (mine == best && d->identity < lead->drawer->identity))
		*lead = (struct lead){d, draw};
}

static uint16_t draw_exactly(const struct drawer *drawers, size_t n,
			     const struct gt_rendezvous_log *log, uint32_t slot)
{
	struct lead lead = {NULL, 0};

	for (size_t i = 0; i < n; i++)
		challenge(&lead, &drawers[i], log, slot);
	return lead.drawer->value;
}

/* ---- scores, roughly ---- */

/*
 * Nearly always a rough logarithm tells who leads, and only where two are too close to each other
 * is the slot drawn exactly: the result is the same. Rough is a straight line within a step h =
 * 2^-7 of the mantissa, one multiplication. It is below log2 by at most h^2 / (8 ln 2), 2^-16.4,
 * and all else is rounded the same way, so that a rough draw is above the exact one, by less than
 * this.
 */
#define ROUGH_ERROR (1 << (GT_RENDEZVOUS_BITS - 16))
/* More than an exact draw's error, which goes both ways. */
#define ROUGH_LIFT 32
/* Below this, once in 2^40 draws, the 2 h + 1 of the exact draw is not as good as 2 h. */
#define ROUGH_LEAST (1ULL << 24)
/* So many are drawn without a branch; of the others most are out by the hash alone. */
#define ROUGH_FEW 8

/* By a step: log2 there, and what it gains until the next one; 40 bits of fraction. */
struct logs {
	struct gt_rendezvous_log exact;
	struct {
		uint64_t base, gain; /* gain: below 2^34, as 1 / ln 2 of a step is */
	} rough[GT_RENDEZVOUS_STEPS];
};

static void init_logs(struct logs *l)
{
	const unsigned drop = 62 - GT_RENDEZVOUS_BITS;

	gt_rendezvous_log_init(&l->exact);
	for (unsigned k = 0; k < GT_RENDEZVOUS_STEPS; k++) {
		uint64_t next = k + 1 < GT_RENDEZVOUS_STEPS ? l->exact.log2[k + 1] : 1ULL << 62;

		l->rough[k].base = l->exact.log2[k] >> drop;
		l->rough[k].gain = (next - l->exact.log2[k]) >> drop;
	}
}

/* From the exact draw + 16 to that + ROUGH_ERROR; h at least ROUGH_LEAST. */
static inline uint64_t rough_draw(const struct logs *l, uint64_t h)
{
	unsigned zeros = (unsigned)__builtin_clzll(h | 1);
	uint64_t m = h << zeros, k = m >> (63 - STEP_BITS) & (GT_RENDEZVOUS_STEPS - 1);
	uint64_t within = m >> (33 - STEP_BITS) & ((1U << 30) - 1); /* of 2^30 */

	return ((zeros + 1ULL) << GT_RENDEZVOUS_BITS) + ROUGH_LIFT - l->rough[k].base -
	       (l->rough[k].gain * within >> 30);
}

/* Who leads, and with what; whether anybody came too close. */
struct rough_lead {
	const struct drawer *drawer;
	uint64_t draw;
	bool unsure;
};

static inline void challenge_roughly(struct rough_lead *lead, const struct drawer *d,
				     const struct logs *l, uint64_t h)
{
	uint64_t draw = rough_draw(l, h);
	int64_t ahead = (int64_t)(draw * lead->drawer->weight) - (int64_t)(lead->draw * d->weight);
	int64_t error = (int64_t)ROUGH_ERROR * (lead->drawer->weight + d->weight);

	lead->unsure |= (h < ROUGH_LEAST) | ((ahead < error) & (ahead > -error));
	lead->drawer = ahead < 0 ? d : lead->drawer;
	lead->draw = ahead < 0 ? draw : lead->draw;
}

/* As in challenge: is it behind by its hash alone? A rough lead is no better than the exact one. */
static inline bool is_out(const struct rough_lead *lead, const struct drawer *d, uint64_t h)
{
	uint64_t least = ~h >> (64 - GT_RENDEZVOUS_BITS);

	return least > LEAST_SURE && least * lead->drawer->weight > lead->draw * d->weight;
}

static uint16_t draw_slot(const struct drawer *drawers, size_t n, const struct logs *l,
			  uint32_t slot)
{
	uint64_t h = slot_hash(drawers[0].secret, slot);
	struct rough_lead lead = {drawers, rough_draw(l, h), h < ROUGH_LEAST};
	size_t i = 1;

	for (; i < n && i < ROUGH_FEW; i++)
		challenge_roughly(&lead, &drawers[i], l, slot_hash(drawers[i].secret, slot));
	for (; i < n; i++) {
		h = slot_hash(drawers[i].secret, slot);
		if (!is_out(&lead, &drawers[i], h))
			challenge_roughly(&lead, &drawers[i], l, h);
	}
	return lead.unsure ? draw_exactly(drawers, n, &l->exact, slot) : lead.drawer->value;
}

/* ---- tables ---- */

static bool is_valid(const struct gt_maglev_server *servers, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (servers[i].weight == 0 || servers[i].weight > UINT16_MAX)
			return false;
	return n > 0;
}

int gt_rendezvous_build(const struct gt_siphash_key *key, const struct gt_maglev_server *servers,
			size_t n, uint16_t *table, uint32_t size)
{
	struct drawer *drawers;
	struct logs logs;

	if (!is_valid(servers, n))
		return -EINVAL;
	drawers = malloc(n * sizeof(*drawers));
	if (drawers == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		drawers[i] = make_drawer(key, &servers[i]);
	init_logs(&logs);
	for (uint32_t slot = 0; slot < size; slot++)
		table[slot] = draw_slot(drawers, n, &logs, slot);
	free(drawers);
	return 0;
}

/* ---- what changed ---- */

#define LIST_END UINT32_MAX

/* By identity: a server as it was and as it is; weight 0: it was, is not there. */
struct change {
	uint64_t identity;
	uint32_t was, is;
	uint16_t old_value;
	uint32_t drawer; /* of the new list */
};

static int by_identity(const void *a, const void *b)
{
	uint64_t x = ((const struct change *)a)->identity;
	uint64_t y = ((const struct change *)b)->identity;

	return x < y ? -1 : x > y;
}

/* Both lists as one, each identity once. Returns how many. */
static size_t pair_up(struct change *c, const struct gt_maglev_server *old, size_t n_old,
		      const struct gt_maglev_server *servers, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n_old; i++)
		c[i] = (struct change){old[i].identity, old[i].weight, 0, old[i].value, LIST_END};
	for (size_t i = 0; i < n; i++)
		c[n_old + i] =
			(struct change){servers[i].identity, 0, servers[i].weight, 0, (uint32_t)i};
	qsort(c, n_old + n, sizeof(*c), by_identity);
	for (size_t i = 0; i < n_old + n; i++) {
		if (kept == 0 || c[kept - 1].identity != c[i].identity) {
			c[kept++] = c[i];
			continue;
		}
		c[kept - 1].was += c[i].was;
		c[kept - 1].is += c[i].is;
		c[kept - 1].old_value |= c[i].old_value;
		c[kept - 1].drawer &= c[i].drawer;
	}
	return kept;
}

/* Those that came or gained, and by old value who keeps his slots against the rest. */
struct delta {
	uint32_t *keeper;      /* drawer; LIST_END: its slots are drawn anew */
	uint32_t *challengers; /* drawers */
	size_t n_challengers;
};

static void sort_out(struct delta *d, const struct change *changes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct change *c = &changes[i];

		if (c->was > 0)
			d->keeper[c->old_value] = c->is >= c->was ? c->drawer : LIST_END;
		if (c->is > c->was)
			d->challengers[d->n_challengers++] = c->drawer;
	}
}

static void update_slots(const struct delta *d, const struct drawer *drawers, size_t n,
			 const uint16_t *old_table, uint16_t *table, uint32_t size)
{
	struct logs logs;

	init_logs(&logs);
	for (uint32_t slot = 0; slot < size; slot++) {
		uint32_t keeper = d->keeper[old_table[slot]];
		struct lead lead = {NULL, 0};

		if (keeper == LIST_END) {
			table[slot] = draw_slot(drawers, n, &logs, slot);
			continue;
		}
		if (d->n_challengers > 0)
			challenge(&lead, &drawers[keeper], &logs.exact, slot);
		for (size_t i = 0; i < d->n_challengers; i++)
			challenge(&lead, &drawers[d->challengers[i]], &logs.exact, slot);
		table[slot] = lead.drawer != NULL ? lead.drawer->value : drawers[keeper].value;
	}
}

int gt_rendezvous_update(const struct gt_siphash_key *key, const struct gt_maglev_server *old,
			 size_t n_old, const uint16_t *old_table,
			 const struct gt_maglev_server *servers, size_t n, uint16_t *table,
			 uint32_t size)
{
	struct change *changes = malloc((n_old + n + 1) * sizeof(*changes));
	struct drawer *drawers = malloc((n + 1) * sizeof(*drawers));
	struct delta d = {malloc((UINT16_MAX + 1) * sizeof(*d.keeper)),
			  malloc((n + 1) * sizeof(*d.challengers)), 0};
	int ret = -ENOMEM;

	if (changes == NULL || drawers == NULL || d.keeper == NULL || d.challengers == NULL)
		goto out;
	ret = -EINVAL;
	if (!is_valid(servers, n))
		goto out;
	for (size_t i = 0; i < n; i++)
		drawers[i] = make_drawer(key, &servers[i]);
	memset(d.keeper, 0xff, (UINT16_MAX + 1) * sizeof(*d.keeper));
	sort_out(&d, changes, pair_up(changes, old, n_old, servers, n));
	update_slots(&d, drawers, n, old_table, table, size);
	ret = 0;
out:
	free(d.challengers);
	free(d.keeper);
	free(drawers);
	free(changes);
	return ret;
}
