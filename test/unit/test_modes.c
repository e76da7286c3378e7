/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random frames through every mode, by one worker and by three: clients' packets of every kind,
 * what servers answer, errors about both, pieces, frames changed and cut, noise; servers go down
 * and come back, and configurations change. Each frame that leaves is checked (support_check.h),
 * each burst's counters add up, and at the end no entry, session, port or held frame is left.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support_story.h"

/* Of each mode, half by one worker and half by three, unless GT_TEST_FRAMES says how many. */
#define FRAMES 20000
#define BURST  32

static unsigned count_frames(void)
{
	const char *more = getenv("GT_TEST_FRAMES");

	return more != NULL ? (unsigned)strtoul(more, NULL, 10) : FRAMES;
}

/* Three of four well-formed, half of these answers if there are any; one of 16 noise. */
static uint8_t any_how(uint64_t r, bool answers)
{
	uint8_t how = (uint8_t)(r & SUPPORT_HOW_SAN);

	if (r >> 8 & 1)
		how &= (uint8_t)~SUPPORT_HOW_SAN;
	if ((r >> 16 & 15) != 0)
		how |= SUPPORT_HOW_BUILT;
	if ((r >> 20 & 3) == 0)
		how |= SUPPORT_HOW_CHANGE;
	if ((r >> 22 & 31) == 0)
		how |= SUPPORT_HOW_CUT | (r >> 40 & 16);
	if ((r >> 28 & 1) && (answers || (r >> 34 & 7) == 0))
		how |= SUPPORT_HOW_ANSWER;
	else if ((r >> 29 & 31) == 0)
		how |= 0xc0; /* a vector of scapy's */
	return how;
}

/* Between bursts: mostly a little time, now and then all of an idle timeout, or another plan. */
static void go_on(struct support_story *s, uint64_t r)
{
	struct support_pipe *p = &s->pipe;

	p->now_ms += r % 500;
	p->receiver = (unsigned)(r >> 10);
	if ((r >> 16) % 8 == 0)
		p->now_ms += (r >> 20) % 8000;
	if ((r >> 32) % 128 == 0)
		p->now_ms += 7500000;
	if ((r >> 42) % 8 == 0)
		support_story_plan(s, (unsigned)(r >> 50));
	support_pipe_tick(p);
}

static struct gt_counters sum_counters(const struct support_pipe *p)
{
	struct gt_counters sum = {0};

	for (unsigned i = 0; i < p->n_workers; i++)
		gt_counters_add(&sum, &p->workers[i]->counters);
	return sum;
}

static uint64_t count_replies(const struct support_pipe *p)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < p->n_workers; i++)
		for (uint32_t j = 0; j < p->plan->n_servers; j++)
			n += p->workers[i]->servers[j].reply_frames;
	return n;
}

/* Ports that a pair of the worker's has at all: each is used once, for none has rested. */
static uint32_t count_ports(struct gt_snat *snat, const struct gt_snat_pair_key *key, uint32_t tick)
{
	uint32_t n = 0, session;

	while ((session = gt_snat_open(snat, key, 1, tick)) != GT_SNAT_NONE) {
		gt_snat_close(snat, session, tick);
		n++;
	}
	return n;
}

/* All workers together have all ports of every pair again. */
static void check_ports(const struct support_pipe *p)
{
	for (uint32_t i = 1; i < p->plan->n_servers; i++) {
		const struct gt_plan_names *n = &p->plan->server_names[i];
		const struct gt_plan_server *s = &p->plan->servers[i];
		uint16_t port = n->vip == NULL	       ? 0
				: n->server->port != 0 ? n->server->port
						       : n->vip->ports[0].first;

		for (uint32_t j = 0;
		     n->vip != NULL && n->vip->mode == GT_MODE_SNAT && j < s->n_sources; j++) {
			struct gt_snat_pair_key key = {
				.server = n->server->address,
				.source = p->plan->sources[s->first_source + j],
				.port = rte_cpu_to_be_16(port),
				.protocol = (uint8_t)n->vip->protocol,
				.shared = gt_plan_find_address(
						  p->plan, &p->plan->sources[s->first_source + j])
						  ->kernel};
			uint32_t all = 0;

			for (unsigned k = 0; k < p->n_workers; k++)
				all += count_ports(&p->workers[k]->snat, &key, p->workers[k]->tick);
			/* 1024 to 65535, or to 32767 where the kernel has the rest. */
			assert_int_equal(all, key.shared ? 31744 : 64512);
		}
	}
}

/* What must have happened, or the story tells nothing. */
struct wanted {
	bool replies, resets;
};

static void tell(struct support_story *s, uint64_t seed, struct wanted wanted)
{
	uint32_t frames = count_frames() / 2;
	struct support_input in = {.seed = &seed};
	struct gt_counters c;

	for (uint32_t i = 0; i < frames; i += BURST) {
		uint8_t how[BURST];

		for (unsigned j = 0; j < BURST; j++)
			how[j] = any_how(support_random(&seed), wanted.replies);
		support_story_burst(s, &in, how, BURST);
		go_on(s, support_random(&seed));
	}
	c = sum_counters(&s->pipe);
	assert_true(c.in >= frames);
	assert_true(c.forwarded > frames / 20);
	assert_true(c.created > frames / 200);
	assert_true(c.answered > 0);
	if (wanted.replies)
		assert_true(count_replies(&s->pipe) > frames / 100);
	if (wanted.resets)
		assert_true(s->pipe.resets > 0);
	assert_true(c.moved > 0);
	printf("%10" PRIu64 " frames: %" PRIu64 " forwarded (%" PRIu64 " replies), %" PRIu64
	       " answered (%" PRIu64 " resets), %" PRIu64 " dropped; %" PRIu64
	       " connections, %" PRIu64 " moved\n",
	       c.in, c.forwarded, count_replies(&s->pipe), c.answered, s->pipe.resets,
	       gt_counters_dropped(&c), c.created, c.moved);
	support_story_end(s);
	check_ports(&s->pipe);
}

static void run(struct support_story_params params, struct wanted wanted)
{
	for (unsigned workers = 1; workers <= 3; workers += 2) {
		static struct support_story s;

		params.n_workers = workers;
		params.connections = 300;
		support_story_open(&s, &params);
		tell(&s, 42 + workers, wanted);
		support_story_close(&s);
	}
}

#define DESTINATIONS(...)                                                                          \
	static const char *const to[] = {__VA_ARGS__};                                             \
	struct support_story_params params = {.destinations = to,                                  \
					      .n_destinations = sizeof(to) / sizeof(to[0])}

static void random_frames_through_dr_leak_nothing(void **state)
{
	DESTINATIONS("192.0.2.100", "192.0.2.101", "192.0.2.102", "2001:db8::100");

	(void)state;
	run(params, (struct wanted){0});
}

static void random_frames_through_nat_leak_nothing(void **state)
{
	DESTINATIONS("192.0.2.106", "2001:db8::106", "203.0.113.3", "2001:db8:1::3");

	(void)state;
	run(params, (struct wanted){.replies = true, .resets = true});
}

static void random_frames_through_snat_leak_nothing(void **state)
{
	DESTINATIONS("192.0.2.107", "2001:db8::107");

	(void)state;
	run(params, (struct wanted){.replies = true, .resets = true});
}

static void random_frames_through_snat_between_families_leak_nothing(void **state)
{
	DESTINATIONS("192.0.2.108", "2001:db8::108");

	(void)state;
	run(params, (struct wanted){.replies = true, .resets = true});
}

static void run_tunnel(enum gt_encapsulation encapsulation)
{
	DESTINATIONS("192.0.2.105", "2001:db8::105");

	params.same_tunnels = true;
	params.encapsulation = encapsulation;
	run(params, (struct wanted){0});
}

static void random_frames_through_ipip_leak_nothing(void **state)
{
	(void)state;
	run_tunnel(GT_ENCAP_IPIP);
}

static void random_frames_through_gre_leak_nothing(void **state)
{
	(void)state;
	run_tunnel(GT_ENCAP_GRE);
}

static void random_frames_through_gue_leak_nothing(void **state)
{
	(void)state;
	run_tunnel(GT_ENCAP_GUE);
}

static void random_frames_through_all_modes_leak_nothing(void **state)
{
	(void)state;
	run((struct support_story_params){0}, (struct wanted){.replies = true});
}

/* With a name, that test alone; * stands for anything. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_frames_through_dr_leak_nothing),
		cmocka_unit_test(random_frames_through_nat_leak_nothing),
		cmocka_unit_test(random_frames_through_snat_leak_nothing),
		cmocka_unit_test(random_frames_through_snat_between_families_leak_nothing),
		cmocka_unit_test(random_frames_through_ipip_leak_nothing),
		cmocka_unit_test(random_frames_through_gre_leak_nothing),
		cmocka_unit_test(random_frames_through_gue_leak_nothing),
		cmocka_unit_test(random_frames_through_all_modes_leak_nothing),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("modes", tests, NULL, NULL);
}
