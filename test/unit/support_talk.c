/* SPDX-License-Identifier: BSD-3-Clause */
/* Who talked to whom through snat; see support_talk.h. */
#include "support_talk.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

#define DIE_UNLESS(what) SUPPORT_DIE_UNLESS(what)

#define TALKS	 (1U << 18)
#define RESTS_MS 119000 /* of the 120 s, for both ends of it are rounded to ticks */

/* All bytes of a key count, so it is always begun by memset. */
struct key {
	struct support_talk_key k;
	struct gt_addr client, vip; /* only where the ports are 0: support_talk_ever */
};

struct talk {
	struct key key;
	struct support_talk_client client;
	uint64_t last_ms;
	uint32_t generation; /* in use if it is the table's */
};

struct support_talks {
	uint32_t generation, n;
	struct talk talks[TALKS];
};

struct support_talks *support_talks_create(void)
{
	struct support_talks *t = calloc(1, sizeof(*t));

	DIE_UNLESS(t != NULL);
	t->generation = 1;
	return t;
}

void support_talks_destroy(struct support_talks *t)
{
	free(t);
}

void support_talks_forget(struct support_talks *t)
{
	t->generation++;
	t->n = 0;
}

static void make_key(const struct support_talk_key *k, struct key *key)
{
	memset(key, 0, sizeof(*key));
	key->k.server = k->server;
	key->k.source = k->source;
	key->k.server_port = k->server_port;
	key->k.source_port = k->source_port;
	key->k.protocol = k->protocol;
}

static void make_pair(const struct gt_addr *server, const struct gt_addr *source,
		      const struct support_talk_client *client, struct key *key)
{
	memset(key, 0, sizeof(*key));
	key->k.server = *server;
	key->k.source = *source;
	key->client = client->client;
	key->vip = client->vip;
}

/* The talk of a key, or the free place where it would be. FNV-1a. */
static struct talk *place(const struct support_talks *t, const struct key *key)
{
	const uint8_t *b = (const uint8_t *)key;
	uint32_t h = 2166136261U;

	for (size_t i = 0; i < sizeof(*key); i++)
		h = (h ^ b[i]) * 16777619U;
	h ^= h >> 15;
	for (h &= TALKS - 1;; h = (h + 1) & (TALKS - 1)) {
		const struct talk *talk = &t->talks[h];

		if (talk->generation != t->generation || memcmp(&talk->key, key, sizeof(*key)) == 0)
			return (struct talk *)(uintptr_t)talk;
	}
}

static struct talk *add(struct support_talks *t, const struct key *key)
{
	struct talk *talk = place(t, key);

	if (talk->generation == t->generation)
		return talk;
	DIE_UNLESS(++t->n < TALKS / 4 * 3);
	*talk = (struct talk){.key = *key, .generation = t->generation};
	return talk;
}

static bool same_client(const struct support_talk_client *a, const struct support_talk_client *b)
{
	return a->client_port == b->client_port && a->vip_port == b->vip_port &&
	       gt_addr_equal(&a->client, &b->client) && gt_addr_equal(&a->vip, &b->vip);
}

void support_talk_sent(struct support_talks *t, const struct support_talk_key *k,
		       const struct support_talk_client *client, uint64_t now_ms)
{
	struct talk *talk;
	struct key key;

	make_pair(&k->server, &k->source, client, &key);
	add(t, &key);
	make_key(k, &key);
	talk = add(t, &key);
	/* With TCP a half-open connection may have to yield at once: from outside nobody can tell.
	 */
	if (k->protocol == IPPROTO_UDP && talk->last_ms != 0 && !same_client(&talk->client, client))
		DIE_UNLESS(now_ms - talk->last_ms >= RESTS_MS);
	talk->client = *client;
	talk->last_ms = now_ms;
}

static void make_unseen(uint8_t protocol, const struct support_talk_client *client, struct key *key)
{
	memset(key, 0, sizeof(*key));
	key->client = client->client;
	key->vip = client->vip;
	key->k.server_port = client->vip_port;
	key->k.source_port = client->client_port;
	key->k.protocol = protocol;
}

void support_talk_unseen(struct support_talks *t, uint8_t protocol,
			 const struct support_talk_client *client)
{
	struct key key;

	make_unseen(protocol, client, &key);
	add(t, &key);
}

static bool is_in(const struct support_talks *t, const struct key *key)
{
	return place(t, key)->generation == t->generation;
}

void support_talk_is(struct support_talks *t, const struct support_talk_key *k,
		     const struct support_talk_client *client, uint64_t now_ms)
{
	const struct talk *talk;
	struct key key;

	make_key(k, &key);
	talk = place(t, &key);
	if (talk->generation == t->generation && same_client(&talk->client, client))
		return;
	make_unseen(k->protocol, client, &key);
	DIE_UNLESS(is_in(t, &key));
	/* It may not have come in somebody's place either. */
	support_talk_sent(t, k, client, now_ms);
}

void support_talk_answered(struct support_talks *t, const struct support_talk_key *k,
			   uint64_t now_ms)
{
	struct talk *talk;
	struct key key;

	make_key(k, &key);
	talk = place(t, &key);
	DIE_UNLESS(talk->generation == t->generation);
	talk->last_ms = now_ms;
}

bool support_talk_ever(const struct support_talks *t, const struct gt_addr *server,
		       const struct gt_addr *source, const struct support_talk_client *client)
{
	struct key key;

	make_pair(server, source, client, &key);
	return is_in(t, &key);
}
