/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker with a plan, driven frame by frame by tests and by the fuzzer. Each burst is checked for
 * what must hold always: the counters' identity, that a forwarded frame differs from what came in
 * its MACs and its tag alone (in a tunnel: is wrapped), that every server's `active` is what the
 * table holds.
 */
#ifndef GT_TEST_SUPPORT_PIPE_H
#define GT_TEST_SUPPORT_PIPE_H

#include "pipeline/pipeline.h"
#include "support.h"

#define SUPPORT_PLANS_MAX 512

struct support_pipe {
	struct gt_config *config;
	struct gt_server_state *states;
	struct gt_plan *plan;
	struct gt_plan *old[SUPPORT_PLANS_MAX];
	struct gt_config *old_configs[SUPPORT_PLANS_MAX];
	unsigned n_old, n_old_configs;
	struct gt_worker *worker;
	uint64_t now_ms;
	uint64_t punted; /* frames with that verdict: they are main's to count */
	/* what is held, as it came */
	struct support_copy {
		void *owner;
		uint8_t *bytes;
		uint32_t len;
	} copies[GT_RELEASED_MAX];
	unsigned n_copies;
	void *released[GT_RELEASED_MAX]; /* blocks that live until the next call */
	unsigned n_released;
};

/*
 * Interfaces lan (192.0.2.2, 2001:db8::2) and san (VLAN 42; 198.51.100.2, 2001:db8:2::2); VIPs
 *   web   192.0.2.100 TCP 80, 443, 5000-5010: a, b, c on lan, d on san
 *   dns   192.0.2.100 UDP 53: e, f
 *   web6  2001:db8::100 TCP 80: a, b on lan, c on san
 *   dns6  2001:db8::100 UDP any: d, e
 *   all   192.0.2.101 TCP any: a, b, c
 *   keep  192.0.2.102 TCP 80, persistence = source: a, b, c
 *   down  192.0.2.103 TCP 80: a, which is down
 *   lost  192.0.2.104 TCP 80: a, which is not resolved
 *   tun, tunu, tun6, tunu6: tunnels of 192.0.2.105 and 2001:db8::105, TCP and UDP 53, 80: a by an
 *         IPv4 address, b by an IPv6 one; ipip, gue, gre, gue
 */
struct gt_config *support_pipe_config(void);
struct gt_server_state *support_pipe_states(const struct gt_config *c);

/* With that configuration. Time begins at 1,000,000 ms. */
void support_pipe_open(struct support_pipe *p, uint32_t connections);
void support_pipe_close(struct support_pipe *p);
/* A new plan from config and states; the old one lives until the end. */
void support_pipe_replan(struct support_pipe *p);
/* Another configuration, which is taken over, and its states as support_pipe_states has them. */
void support_pipe_reload(struct support_pipe *p, struct gt_config *config);
/* The state of a server, to change before a replan. */
struct gt_server_state *support_pipe_state(struct support_pipe *p, const char *vip,
					   const char *server);

/* gt_worker_burst, gt_worker_tick, gt_worker_flush with all checks. */
void support_pipe_burst(struct support_pipe *p, struct gt_frame *frames, unsigned n);
void support_pipe_tick(struct support_pipe *p);
void support_pipe_flush(struct support_pipe *p);
/* Frees a frame that had its burst, unless it is held. */
void support_pipe_done(struct gt_frame *f);

/* One packet in a burst of one. The frame is to be given to support_pipe_done. */
struct gt_frame support_pipe_send(struct support_pipe *p, const struct support_packet *packet);
/* The same, when only verdict, reason and server matter: the server's number, or -1 - reason, or
 * -1000 - verdict if it was neither sent nor dropped. */
int support_pipe_server(struct support_pipe *p, const struct support_packet *packet);

/* Checks that `active` of all servers are the table's connections, and returns how many. */
uint64_t support_pipe_active(const struct support_pipe *p);

#endif
