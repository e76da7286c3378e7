/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker with a plan, or several that hand frames over, driven frame by frame by tests and by the
 * fuzzer. Each burst is checked for what must hold always: the counters' identity, that what left
 * is what the configuration allows for what came (support_check.h), that every server's `active` is
 * what the tables hold, and that every session has its entry.
 */
#ifndef GT_TEST_SUPPORT_PIPE_H
#define GT_TEST_SUPPORT_PIPE_H

#include "pipeline/pipeline.h"
#include "support.h"
#include "support_check.h"

#define SUPPORT_PLANS_MAX   512
#define SUPPORT_WORKERS_MAX 4
#define SUPPORT_HELD_MAX    (SUPPORT_WORKERS_MAX * GT_FRAGMENT_HELD_MAX + GT_BURST_MAX)

struct support_pipe {
	struct gt_config *config;
	struct gt_server_state *states;
	struct gt_plan *plan;
	struct gt_plan *old[SUPPORT_PLANS_MAX];
	struct gt_config *old_configs[SUPPORT_PLANS_MAX];
	unsigned n_old, n_old_configs;
	struct gt_worker *worker; /* the first one */
	struct gt_worker *workers[SUPPORT_WORKERS_MAX];
	/* of each worker, if `twinned`: support_twin.h */
	struct gt_worker *twins[SUPPORT_WORKERS_MAX];
	bool twinned;
	unsigned n_workers;
	uint32_t n_bursts;
	unsigned receiver; /* index of the worker that the next bursts come to */
	struct support_talks *talks;
	uint64_t now_ms;
	uint64_t resets; /* answers that were TCP resets */
	uint64_t punted; /* frames with that verdict: they are main's to count */
	/* what is held, as it came */
	struct support_copy {
		void *owner;
		uint8_t *bytes;
		uint32_t len, wire_len;
		uint8_t in_if;
	} copies[SUPPORT_HELD_MAX];
	unsigned n_copies;
	/* on the way to another worker; `home` is the caller's frame, NULL: it was held */
	struct support_handed {
		struct gt_frame frame;
		struct gt_frame *home;
	} handed[SUPPORT_HELD_MAX];
	unsigned n_handed;
	void *released[SUPPORT_HELD_MAX]; /* blocks that live until the next call */
	unsigned n_released;
	/* what left last, for stories that answer it: the first bytes */
	struct support_left {
		uint8_t bytes[128];
		uint32_t len;
		uint8_t out_if;
	} left[16];
	unsigned n_left; /* counts on for ever */
};

/* Stations that every plan knows: the gateways of lan, 192.0.2.1 and 2001:db8::1, and a client on
 * each wire, .50 and ::50. */
#define SUPPORT_KNOWN 6
extern struct gt_plan_known support_pipe_known[SUPPORT_KNOWN];

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

/*
 * Appends VIPs of the modes that translate; a on lan, b on san:
 *   nat   192.0.2.106 TCP 80, 443: a, b        nat6   2001:db8::106 TCP 80: a, b
 *   natu  192.0.2.106 UDP 53: a, port 5353     natu6  2001:db8::106 UDP any: a
 *   snat  192.0.2.107 TCP 80, 443: a, port 8080, b; with two snat_address
 *   snatu 192.0.2.107 UDP 53: a, b             snat6  2001:db8::107 TCP 80, by source: a, b
 *   snatu6 2001:db8::107 UDP any: a, b
 *   cross, crossu, cross6, crossu6: the same ports of 192.0.2.108 and 2001:db8::108 with snat, and
 *         servers of the other family
 */
void support_pipe_add_nat(struct gt_config *c);
/* Both, without tags and services of too many ports: everything may go by the express path. */
struct gt_config *support_pipe_express_config(void);

/* With that configuration. Time begins at 1,000,000 ms. */
void support_pipe_open(struct support_pipe *p, uint32_t connections);
/* The same with any configuration, which is taken over, and its workers' `params` but for
 * `steer`. */
void support_pipe_open_with(struct support_pipe *p, struct gt_config *config, unsigned n_workers,
			    const struct gt_worker_params *params);
void support_pipe_close(struct support_pipe *p);
/* New workers in the place of those, with nothing held. */
void support_pipe_recreate_workers(struct support_pipe *p, const struct gt_worker_params *params);
/* From now on each worker has a twin, which must do the same by the general path alone. Before any
 * frame. */
void support_pipe_twin_workers(struct support_pipe *p, const struct gt_worker_params *params);
/* A plan that knows support_pipe_known. */
struct gt_plan *support_pipe_plan(struct gt_config *c, const struct gt_server_state *states,
				  const struct gt_plan *previous);
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
/* Both, of a burst that nobody looks at. */
void support_pipe_give(struct support_pipe *p, struct gt_frame *frames, unsigned n);

/* One packet in a burst of one. The frame is to be given to support_pipe_done. */
struct gt_frame support_pipe_send(struct support_pipe *p, const struct support_packet *packet);
/* The same, when only verdict, reason and server matter: the server's number, or -1 - reason, or
 * -1000 - verdict if it was neither sent nor dropped. */
int support_pipe_server(struct support_pipe *p, const struct support_packet *packet);

/* Checks that `active` of all servers are the table's connections, and returns how many. */
uint64_t support_pipe_active(const struct support_pipe *p);

#endif
