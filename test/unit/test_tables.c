/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tables of slots must stay what they are, byte for byte: another table is another server for
 * connections that no worker remembers, and nodes of two releases side by side would not agree. The
 * checksums were recorded from the plain algorithms as they stood at first (the paper's walk slot
 * by slot; every server's whole logarithm), on memberships from a fixed generator: whatever makes
 * tables faster has to give these.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "balance/maglev.h"
#include "balance/plan.h"
#include "balance/rendezvous.h"
#include "support.h"

#define SERVERS_MAX 1000

/* How weights are drawn: each is the shape of some operator's file. */
enum weights { SAME, SMALL, WIDE, EXTREME };

struct membership {
	struct gt_siphash_key key;
	struct gt_maglev_server servers[SERVERS_MAX];
	size_t n;
};

static uint32_t draw_weight(enum weights kind, uint64_t *seed)
{
	uint64_t r = support_random(seed);

	switch (kind) {
	case SAME:
		return 100;
	case SMALL:
		return (uint32_t)(r % 9) + 1;
	case WIDE:
		return (uint32_t)(r % 65535) + 1;
	default:
		return r % 3 == 0 ? 65535 : 1;
	}
}

static void draw_membership(struct membership *m, size_t n, enum weights kind, uint64_t *seed)
{
	m->key = (struct gt_siphash_key){support_random(seed), support_random(seed)};
	m->n = n;
	for (size_t i = 0; i < n; i++)
		m->servers[i] = (struct gt_maglev_server){.identity = support_random(seed),
							  .weight = draw_weight(kind, seed),
							  .value = (uint16_t)support_random(seed)};
}

static uint64_t checksum(uint64_t sum, const uint16_t *table, uint32_t size)
{
	struct gt_siphash_key key = {sum, 0};

	return gt_siphash(&key, table, size * sizeof(*table));
}

struct group {
	size_t n;
	enum weights weights;
	uint32_t size; /* 0: as for n servers */
	unsigned rounds;
	uint64_t maglev, rendezvous;
};

/* Recorded by a build of commit 57b9bdb. */
static const struct group groups[] = {
	{1, SAME, 0, 12, 0xf924b82a327c20ba, 0xf924b82a327c20ba},
	{1, SMALL, 0, 12, 0xae219d7ab4b0d78a, 0xae219d7ab4b0d78a},
	{1, WIDE, 0, 12, 0xf85d9aa389904ed5, 0xf85d9aa389904ed5},
	{1, EXTREME, 0, 12, 0x2860e072234f713f, 0x2860e072234f713f},
	{2, SAME, 0, 12, 0xaae0cbac3dd7cd9c, 0xd3f8ae8424a076b7},
	{2, SMALL, 0, 12, 0xd88e1268e4036f71, 0x83ffe8de9edd9782},
	{2, WIDE, 0, 12, 0x964df70f50bcf083, 0xd23fcd9be49d71c8},
	{2, EXTREME, 0, 12, 0xaec4696a0fb0779e, 0xeb1573383b1b40ce},
	{3, SAME, 0, 12, 0xd8134f86ca1b2fbf, 0xa625833b29195011},
	{3, SMALL, 0, 12, 0xdb3456ccae1424fa, 0x7d7007279ca8829c},
	{3, WIDE, 0, 12, 0x7a32349035b9371c, 0x2c31a9ae515e7d7e},
	{3, EXTREME, 0, 12, 0xd42ab5bab9f95c34, 0x6e8a961aaf776ec6},
	{4, SAME, 0, 12, 0xdf65be336f76cef0, 0xbcfb9926a1e4115e},
	{4, SMALL, 0, 12, 0xf8a8a1f6e94e6797, 0x424577ad67b25238},
	{4, WIDE, 0, 12, 0x2f6a59aa2067fc27, 0xe6dc260f117b039d},
	{4, EXTREME, 0, 12, 0x28c67626a1257598, 0x24cc7b1e3b2147f5},
	{5, SAME, 0, 12, 0xc706564720935364, 0xa3a6be45f8bfeae8},
	{5, SMALL, 0, 12, 0x58e0c3fad50a9985, 0x461ba2a386306ad5},
	{5, WIDE, 0, 12, 0xd718b6e834a15bda, 0xe940a70b3028842d},
	{5, EXTREME, 0, 12, 0xc25d0d9b4abbe565, 0xcbed7a38c4c02b7e},
	{7, SAME, 0, 5, 0xf24a7d1f47af122d, 0x2f8530f791b1d282},
	{7, SMALL, 0, 5, 0x68ea5b9b55e00ca5, 0xe49f7b788bcadc8b},
	{7, WIDE, 0, 5, 0xdfc4892d45ce3890, 0x5f0d1977cf630f1a},
	{7, EXTREME, 0, 5, 0x9ab4891c8a51c147, 0x7550cd12ac290318},
	{8, SAME, 0, 5, 0xb1ff8c0faaf3aae9, 0x2f676ccb82b9ba03},
	{8, SMALL, 0, 5, 0x6840ead3d66151b7, 0xd669e15291eb79fd},
	{8, WIDE, 0, 5, 0x07b5a933e12545f1, 0x264e8e930fa073b7},
	{8, EXTREME, 0, 5, 0xbc55f8d0530b664f, 0x6308e86fe0b5c85b},
	{9, SAME, 0, 5, 0x4648cf9e33d750e3, 0x80639d6c27dcf400},
	{9, SMALL, 0, 5, 0xa1deaa3c05925c46, 0x4b783093c111c50a},
	{9, WIDE, 0, 5, 0x096d9cd5a8ef2c3f, 0x8335b3ee977dfd0f},
	{9, EXTREME, 0, 5, 0x789753886b45b47d, 0x25e8b6af27b9750b},
	{16, SAME, 0, 5, 0x35dd75260f943cf8, 0x9ba191e3497db2e4},
	{16, SMALL, 0, 5, 0x3455621f500ee9c1, 0x8f034088b80b5864},
	{16, WIDE, 0, 5, 0x6bf5bceb8be0dc55, 0x7045db5326acecee},
	{16, EXTREME, 0, 5, 0x73a27ee6f9ad87cd, 0x66387188a340cb54},
	{31, SAME, 0, 5, 0x7b8b0a7e12491378, 0x1689cceffb02a5cc},
	{31, SMALL, 0, 5, 0x6adf5a76ff22b9de, 0x690e01051cccd1f5},
	{31, WIDE, 0, 5, 0xa0d872afc308fff5, 0x61aab398e8f29994},
	{31, EXTREME, 0, 5, 0x29f53b01d8ea4f58, 0x6c7476f05713bd09},
	{64, SAME, 0, 2, 0x98454bd810677cbb, 0xd35754b1159e5a65},
	{64, SMALL, 0, 2, 0xaba4dd99985542cb, 0x26d1d8bc4c90fb45},
	{64, WIDE, 0, 2, 0xe0028ebf61ddd5e6, 0xffa95c972e2f6281},
	{64, EXTREME, 0, 2, 0xb488755735981e46, 0x07e4c2bd8e0cb818},
	{100, SAME, 0, 2, 0xb63440a807c159d4, 0xa3f8624b4820bb36},
	{100, SMALL, 0, 2, 0x121e41dcc190e0b3, 0x4ea00f79923e3d8d},
	{100, WIDE, 0, 2, 0x00a733169b491d40, 0xe9fd5593f720dbcb},
	{100, EXTREME, 0, 2, 0xe98544833c4197a5, 0x5769ef8e0e10ee6b},
	{255, SAME, 0, 2, 0xfb1a60219db4d701, 0x419888bcad612654},
	{255, SMALL, 0, 2, 0x7c1b55e3422a64bc, 0x35a997f2a1192e52},
	{255, WIDE, 0, 2, 0x11a99a56f917fc12, 0xa59a1f4f179b6713},
	{255, EXTREME, 0, 2, 0x2af1c3a55fe6a1c9, 0xe3116fb16d8d522f},
	{300, SAME, 0, 2, 0x1c5a8390475c223d, 0xa78ef9065f421751},
	{300, SMALL, 0, 2, 0x53eab68f067d1ad8, 0x988d26fba1cd7957},
	{300, WIDE, 0, 2, 0xeba78d03de21be4b, 0x43e48c1ef34423bf},
	{300, EXTREME, 0, 2, 0xf25346c8faae3349, 0xa60d5b13a04e0675},
	{656, SAME, 0, 1, 0xbca07c432b6a98f0, 0xc4b8cd9a1e7aed7a},
	{656, SMALL, 0, 1, 0xa19d9b78e6bc8dcb, 0x98f5bb5b74fcae5a},
	{656, WIDE, 0, 1, 0x9bd3d1611fa7db6c, 0x066ba5ad070c58c8},
	{656, EXTREME, 0, 1, 0x5e1f4aa789e20e3a, 0x6cd3f5fac67ba0f8},
	{1000, SAME, 0, 1, 0xd39e0fbcb89a7902, 0xdc1448e3a3cc3635},
	{1000, SMALL, 0, 1, 0xd3ca5f874fbe7648, 0xad6b0fd1f75a6968},
	{1000, WIDE, 0, 1, 0xb4b1aba96c9b5456, 0x0ebb05eba8de9c3c},
	{1000, EXTREME, 0, 1, 0x530d58195ec92952, 0x2c6eebc9ee91ec59},
	{1, SMALL, 7, 60, 0xe6d8dfc4ad17afe8, 0xe6d8dfc4ad17afe8},
	{2, SAME, 7, 60, 0x7ed56d37a7b72697, 0xf575991d5feaca62},
	{5, SMALL, 7, 60, 0x35949b69e6b0a7c5, 0x4a6d03b487f6d41f},
	{7, SMALL, 7, 60, 0xbcda4c0eb2c4b065, 0x2ddad90a1d1c835e},
	{1, SMALL, 11, 60, 0xb18bd29db93e197f, 0xb18bd29db93e197f},
	{2, SAME, 11, 60, 0x6eaf931c87b535fb, 0x038cfb92ad727d84},
	{5, SMALL, 11, 60, 0x67a52569dde5b55b, 0xcd17f8534af92276},
	{7, SMALL, 11, 60, 0x77546958d0201cef, 0xac86d961b2e145a4},
	{1, SMALL, 13, 60, 0x3aa770ba6bf93814, 0x3aa770ba6bf93814},
	{2, SAME, 13, 60, 0x254a1dd40a65f2fc, 0x6dc0f51b7ef4e4df},
	{5, SMALL, 13, 60, 0xe5cc35ff4399bc38, 0xe60a7280a01566f9},
	{7, SMALL, 13, 60, 0xef361e141e22d2c7, 0x53cd697cc93dc413},
	{1, SMALL, 251, 60, 0xe80824918907e02d, 0xe80824918907e02d},
	{2, SAME, 251, 60, 0xf99d1fbb50c95143, 0xcb5bd2cfdd210fc8},
	{5, SMALL, 251, 60, 0x4223eb6ec6261ddb, 0x4ea76967bbf5553b},
	{7, SMALL, 251, 60, 0x4769221021047793, 0xd84add9b4c6feaba},
	{1, SMALL, 257, 60, 0x209356b303034af0, 0x209356b303034af0},
	{2, SAME, 257, 60, 0x122c57ebabd310f2, 0x84f4250600979ddf},
	{5, SMALL, 257, 60, 0x3c48a6bed4fc870d, 0xf1b88136e2d6c68a},
	{7, SMALL, 257, 60, 0xd7d045f212478b31, 0x5558e25d7f5c4c83},
	{1, SMALL, 1009, 60, 0xc9fae669a2a60701, 0xc9fae669a2a60701},
	{2, SAME, 1009, 60, 0x59942813830076a8, 0x9c92d060a5645fa9},
	{5, SMALL, 1009, 60, 0xd07189e0d624c4ac, 0xc0573358c0021a51},
	{7, SMALL, 1009, 60, 0x3c3a70c16b505f37, 0x67038b26d898fc62},
	{1, SMALL, 4099, 60, 0x0faac0a4de0f58a0, 0x0faac0a4de0f58a0},
	{2, SAME, 4099, 60, 0x07195754962e7a4c, 0x0ede700b4fbfb570},
	{5, SMALL, 4099, 60, 0x21c8044397764161, 0xaaccc0b3136bb0bb},
	{7, SMALL, 4099, 60, 0x0caa73d1412a3e5b, 0xf5633a95332ebfbe},
	{1, SMALL, 8209, 60, 0x4995dd3ebfa2635e, 0x4995dd3ebfa2635e},
	{2, SAME, 8209, 60, 0x8544cd6b0e65a095, 0xca1a9a8ad367916b},
	{5, SMALL, 8209, 60, 0xb1ee641e1b9230e8, 0x424fbb6104fd0c62},
	{7, SMALL, 8209, 60, 0xedd3e4648526b745, 0x9a880cc47c30bef7},
	{251, SAME, 251, 20, 0x56189ad7380595a5, 0x0000000000000000},
	{250, WIDE, 251, 20, 0x161078f12b92fa94, 0x0000000000000000},
	{1000, WIDE, 1009, 4, 0x75f82947edaa6b12, 0x0000000000000000},
	{200, EXTREME, 4099, 10, 0xfae9d405c58d836b, 0xce74e95dc9adbbb5},
};

static uint64_t sum_of(const struct group *g, bool rendezvous, uint64_t seed)
{
	uint32_t size = g->size > 0 ? g->size : gt_maglev_size(g->n);
	uint16_t *table = malloc(size * sizeof(*table));
	static struct membership m;
	uint64_t sum = 0;

	assert_non_null(table);
	for (unsigned i = 0; i < g->rounds; i++) {
		draw_membership(&m, g->n, g->weights, &seed);
		assert_int_equal(rendezvous
					 ? gt_rendezvous_build(&m.key, m.servers, m.n, table, size)
					 : gt_maglev_build(&m.key, m.servers, m.n, table, size),
				 0);
		sum = checksum(sum, table, size);
	}
	free(table);
	return sum;
}

static void check(bool rendezvous)
{
	unsigned wrong = 0;

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		const struct group *g = &groups[i];
		uint64_t sum, want = rendezvous ? g->rendezvous : g->maglev;

		if (rendezvous && g->n * g->rounds > 2000)
			continue;
		sum = sum_of(g, rendezvous, i + 1);
		if (sum == want)
			continue;
		wrong++;
		print_error("group %zu (%zu servers): 0x%016" PRIx64 ", recorded 0x%016" PRIx64
			    "\n",
			    i, g->n, sum, want);
	}
	assert_int_equal(wrong, 0);
}

static void maglev_build_many_memberships_as_recorded(void **state)
{
	(void)state;
	check(false);
}

static void rendezvous_build_many_memberships_as_recorded(void **state)
{
	(void)state;
	check(true);
}

/* ---- of whole plans ---- */

#define VIPS 36

/* A third of them have servers of the same names, addresses and weights, another third of the same
 * but for a weight, the rest has its own. */
static struct gt_config *make_config(void)
{
	struct gt_config_messages messages = {0};
	struct gt_config *config = NULL;
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	fputs("[gantry]\nname = t\n[interface lan]\ndevice = net_null0\naddress = 10.0.0.2/8\n", f);
	for (unsigned i = 0; i < VIPS; i++) {
		fprintf(f,
			"[vip v%u]\ninterface = lan\naddress = 10.1.0.%u\nport = 104\ncheck = "
			"none\n"
			"scheduler = %s\n",
			i, i + 1, i % 4 == 0 ? "rendezvous" : "maglev");
		for (unsigned j = 0; j < 5; j++)
			fprintf(f, "[server v%u/s%u]\naddress = 10.64.%u.%u\nweight = %u\n", i, j,
				i % 3 == 2 ? i : 0, j + 1, i % 3 == 1 && j == 2 ? 1 + i % 2 : 100);
	}
	fclose(f);
	assert_int_equal(gt_config_parse("t", text, len, &config, &messages), 0);
	gt_config_messages_free(&messages);
	free(text);
	return config;
}

/* Each VIP's table is what its own list gives. */
static void assert_right(const struct gt_plan *plan)
{
	static uint16_t table[65537];

	for (uint32_t i = 1; i < plan->n_vips; i++) {
		const struct gt_plan_vip *v = &plan->vips[i];

		assert_int_equal(v->n_slots, 65537);
		assert_int_equal((v->scheduler == GT_SCHED_RENDEZVOUS ? gt_rendezvous_build
								      : gt_maglev_build)(
					 &plan->seed, v->members, v->n_members, table, v->n_slots),
				 0);
		assert_memory_equal(v->slots, table, sizeof(table));
	}
}

/* A crew that begins at the end. */
static void run_backward(void *ctx, void (*job)(void *arg, size_t i), void *arg, size_t n)
{
	*(unsigned *)ctx += 1;
	while (n-- > 0)
		job(arg, n);
}

static void plan_tables_of_equal_lists_as_of_each_alone(void **state)
{
	const struct gt_mac mac = {{2, 0, 0, 0, 0, 2}};
	struct gt_config *c = make_config();
	struct gt_server_state *states = support_states(c);
	unsigned calls = 0;
	const struct gt_plan_crew crew = {run_backward, &calls};
	struct gt_plan *plan, *next;

	(void)state;
	assert_int_equal(gt_plan_build_by_draft(c, states, &mac, NULL, 0, NULL, NULL, &crew, &plan),
			 0);
	assert_int_equal(plan->n_vips, VIPS + 1);
	assert_true(calls > 0);
	assert_right(plan);
	/* A server of all VIPs goes down: rendezvous tables are made from the older ones. */
	for (size_t i = 0; i < VIPS; i++)
		states[i * 5 + 1].up = false;
	assert_int_equal(gt_plan_build(c, states, &mac, NULL, 0, plan, &next), 0);
	assert_right(next);
	gt_plan_free(plan);
	gt_plan_free(next);
	free(states);
	gt_config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(maglev_build_many_memberships_as_recorded),
		cmocka_unit_test(rendezvous_build_many_memberships_as_recorded),
		cmocka_unit_test(plan_tables_of_equal_lists_as_of_each_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
