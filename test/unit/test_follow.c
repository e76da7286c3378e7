/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A plan that follows another one of its configuration (plan_follow.c) beside one that is built as
 * a whole: whatever becomes of the servers, workers must not see a difference.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "support_pipe.h"

#define CHANGES 400

/* VIPs of all modes, schedulers, a group, failover, a fallback; several on one address. */
static struct gt_config *make_config(void)
{
	struct gt_config *c = support_pipe_config();

	support_pipe_add_nat(c);
	c->vips[0].scheduler = GT_SCHED_ROUND_ROBIN;
	c->vips[1].scheduler = GT_SCHED_LEAST_CONNECTIONS;
	c->vips[2].scheduler = GT_SCHED_RENDEZVOUS;
	for (int v = 3; v <= 5; v++) {
		c->vips[v].persistence = GT_PERSIST_SOURCE;
		strcpy(c->vips[v].persistence_group, "pacs");
	}
	c->vips[8].policy = GT_POLICY_FAILOVER;
	c->vips[10].policy = GT_POLICY_FAILOVER;
	c->vips[10].sticky_failover = true;
	strcpy(c->vips[0].fallback, "d");
	return c;
}

static void assert_same_vips(const struct gt_plan *a, const struct gt_plan *b)
{
	assert_int_equal(a->n_vips, b->n_vips);
	for (uint32_t i = 0; i < a->n_vips; i++) {
		struct gt_plan_vip x = a->vips[i], y = b->vips[i];

		assert_int_equal(x.n_slots, y.n_slots);
		assert_int_equal(x.n_members, y.n_members);
		if (x.n_slots > 0)
			assert_memory_equal(x.slots, y.slots, x.n_slots * sizeof(*x.slots));
		if (x.n_members > 0)
			assert_memory_equal(x.members, y.members, x.n_members * sizeof(*x.members));
		assert_int_equal(x.slots == NULL, y.slots == NULL);
		x.slots = y.slots = NULL;
		x.members = y.members = NULL;
		assert_memory_equal(&x, &y, sizeof(x));
	}
}

static void assert_same_names(const struct gt_plan *a, const struct gt_plan *b)
{
	for (uint32_t i = 0; i < a->n_servers; i++) {
		const struct gt_plan_names *x = &a->server_names[i], *y = &b->server_names[i];

		assert_int_equal(x->vip == NULL, y->vip == NULL);
		if (x->vip == NULL)
			continue;
		assert_string_equal(x->vip->name, y->vip->name);
		assert_string_equal(x->server->name, y->server->name);
		assert_string_equal(gt_server_state_name(&x->state),
				    gt_server_state_name(&y->state));
		assert_int_equal(x->state.weight, y->state.weight);
		assert_int_equal(x->state.slow_tenths, y->state.slow_tenths);
		assert_int_equal(x->index, y->index);
	}
}

#define ASSERT_SAME_ARRAY(field, n)                                                                \
	assert_memory_equal(a->field, b->field, (size_t)(n) * sizeof(*a->field))

static void assert_same(const struct gt_plan *a, const struct gt_plan *b)
{
	assert_int_equal(a->generation, b->generation);
	assert_int_equal(a->n_servers, b->n_servers);
	assert_int_equal(a->n_services, b->n_services);
	assert_int_equal(a->n_ranges, b->n_ranges);
	assert_int_equal(a->n_routes[0], b->n_routes[0]);
	assert_int_equal(a->n_routes[1], b->n_routes[1]);
	assert_int_equal(a->n_sources, b->n_sources);
	assert_int_equal(a->n_group_names, b->n_group_names);
	assert_int_equal(a->addresses_mask, b->addresses_mask);
	assert_int_equal(a->ours_shift, b->ours_shift);
	assert_int_equal(a->express_v4_shift, b->express_v4_shift);
	assert_int_equal(a->express_v6_shift, b->express_v6_shift);
	assert_int_equal(a->nats_mask, b->nats_mask);
	assert_int_equal(a->neighbours_mask, b->neighbours_mask);
	ASSERT_SAME_ARRAY(servers, a->n_servers);
	ASSERT_SAME_ARRAY(addresses, a->addresses_mask + 1);
	ASSERT_SAME_ARRAY(express_v4, UINT64_C(1) << (32 - a->express_v4_shift));
	ASSERT_SAME_ARRAY(express_v6, UINT64_C(1) << (64 - a->express_v6_shift));
	ASSERT_SAME_ARRAY(ours, UINT64_C(1) << (32 - a->ours_shift - 6));
	ASSERT_SAME_ARRAY(ranges, a->n_ranges);
	ASSERT_SAME_ARRAY(services, a->n_services);
	ASSERT_SAME_ARRAY(sources, a->n_sources);
	ASSERT_SAME_ARRAY(group_rows, a->n_group_names);
	assert_same_vips(a, b);
	assert_same_names(a, b);
}

/* Something that happens to a server. */
static void disturb(struct gt_server_state *s, uint64_t *random)
{
	switch (support_random(random) % 7) {
	case 0:
		s->weight = (uint16_t)(support_random(random) % 3 * 50);
		break;
	case 1:
		s->admin = (enum gt_admin)(support_random(random) % 3);
		break;
	case 2:
		s->resolved = !s->resolved;
		s->mac.b[5]++;
		break;
	case 3:
		s->lost = !s->lost;
		break;
	case 4:
		s->current = !s->current;
		break;
	case 5:
		s->slow_tenths = (uint8_t)(support_random(random) % 10);
		break;
	default:
		s->up = !s->up;
		break;
	}
}

/* The whole plan: of another edition than the one before it. */
static struct gt_plan *build_whole(struct gt_config *c, const struct gt_server_state *states,
				   const struct gt_plan *previous, const struct gt_plan *draft)
{
	struct gt_mac macs[2] = {support_interface_mac(0), support_interface_mac(1)};
	struct gt_plan *plan = NULL;

	c->edition++;
	assert_int_equal(
		gt_plan_build_by_draft(c, states, macs, NULL, 0, previous, draft, NULL, &plan), 0);
	return plan;
}

static struct gt_plan *build_next(const struct gt_config *c, const struct gt_server_state *states,
				  const struct gt_plan *previous, const struct gt_plan *draft)
{
	struct gt_mac macs[2] = {support_interface_mac(0), support_interface_mac(1)};
	struct gt_plan *plan = NULL;

	assert_int_equal(
		gt_plan_build_by_draft(c, states, macs, NULL, 0, previous, draft, NULL, &plan), 0);
	return plan;
}

static void follow_any_changes_equals_a_whole_plan(void **state)
{
	struct gt_config *c = make_config(), *twin = make_config();
	struct gt_server_state *states = support_states(c);
	size_t n = gt_plan_count_servers(c);
	struct gt_plan *plan = build_next(c, states, NULL, NULL);
	struct gt_plan *whole = build_whole(twin, states, NULL, NULL);
	uint64_t random = 1;

	(void)state;
	assert_same(plan, whole);
	for (int i = 0; i < CHANGES; i++) {
		struct gt_plan *next, *next_whole;

		for (uint64_t k = support_random(&random) % 4; k > 0; k--)
			disturb(&states[support_random(&random) % n], &random);
		next = build_next(c, states, plan, NULL);
		next_whole = build_whole(twin, states, whole, NULL);
		/* It did follow: that is shared. */
		assert_ptr_equal(next->services, plan->services);
		assert_ptr_not_equal(next_whole->services, whole->services);
		assert_same(next, next_whole);
		/* In either order. */
		gt_plan_free(i % 2 ? plan : whole);
		gt_plan_free(i % 2 ? whole : plan);
		plan = next;
		whole = next_whole;
	}
	gt_plan_free(plan);
	gt_plan_free(whole);
	free(states);
	support_config_free(c);
	support_config_free(twin);
}

/* A reload: another configuration, drafted from one plan, adopted when others have come. */
static void follow_a_draft_equals_a_whole_plan(void **state)
{
	struct gt_config *old = make_config(), *c = make_config(), *twin = make_config();
	struct gt_server_state *states = support_states(old);
	size_t n = gt_plan_count_servers(old);
	uint64_t random = 2;

	(void)state;
	support_ports(&c->vips[0], "80,5005-5020");
	support_ports(&twin->vips[0], "80,5005-5020");
	for (int i = 0; i < 50; i++) {
		struct gt_plan *first = build_next(old, states, NULL, NULL), *second;
		struct gt_plan *draft, *draft_whole, *plan, *whole;

		disturb(&states[support_random(&random) % n], &random);
		draft = build_next(c, states, first, NULL);
		draft_whole = build_whole(twin, states, first, NULL);
		disturb(&states[support_random(&random) % n], &random);
		second = build_next(old, states, first, NULL);
		disturb(&states[support_random(&random) % n], &random);
		plan = build_next(c, states, second, draft);
		whole = build_whole(twin, states, second, draft_whole);
		assert_ptr_equal(plan->services, draft->services);
		assert_ptr_not_equal(whole->services, draft_whole->services);
		assert_same(plan, whole);
		gt_plan_free(first);
		gt_plan_free(draft);
		gt_plan_free(draft_whole);
		gt_plan_free(second);
		gt_plan_free(plan);
		gt_plan_free(whole);
	}
	free(states);
	support_config_free(old);
	support_config_free(c);
	support_config_free(twin);
}

/* A draft of numbers that are no longer in force is no base. */
static void follow_a_draft_of_other_numbers_is_refused(void **state)
{
	struct gt_config *old = make_config(), *c = make_config();
	struct gt_server_state *states = support_states(old);
	struct gt_plan *first = build_next(old, states, NULL, NULL);
	struct gt_plan *draft = build_next(c, states, first, NULL), *second, *plan;

	(void)state;
	second = build_whole(old, states, first, NULL);
	plan = build_next(c, states, second, draft);
	assert_ptr_not_equal(plan->services, draft->services);
	gt_plan_free(first);
	gt_plan_free(draft);
	gt_plan_free(second);
	gt_plan_free(plan);
	free(states);
	support_config_free(old);
	support_config_free(c);
}

/* The interface's own MAC changed: it is in every server's frames. */
static void follow_another_mac_makes_a_whole_plan(void **state)
{
	struct gt_config *c = make_config();
	struct gt_server_state *states = support_states(c);
	struct gt_plan *first = build_next(c, states, NULL, NULL), *plan = NULL;
	struct gt_mac macs[2] = {{{2, 9, 9, 9, 9, 9}}, support_interface_mac(1)};
	uint16_t server = support_server_number(first, "web", "a");

	(void)state;
	assert_int_equal(gt_plan_build(c, states, macs, NULL, 0, first, &plan), 0);
	assert_memory_equal(plan->servers[server].macs + 6, macs[0].b, 6);
	gt_plan_free(first);
	gt_plan_free(plan);
	free(states);
	support_config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(follow_any_changes_equals_a_whole_plan),
		cmocka_unit_test(follow_a_draft_equals_a_whole_plan),
		cmocka_unit_test(follow_a_draft_of_other_numbers_is_refused),
		cmocka_unit_test(follow_another_mac_makes_a_whole_plan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
