/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the prober and its transports share: a target, which is one check and whom it asks, and how
 * a kind of transport carries it. A transport is four functions; each of the first three may end
 * the check by gt_target_done, and must not touch its own state after that.
 */
#ifndef GT_APP_PROBER_TARGET_H
#define GT_APP_PROBER_TARGET_H

#include "ask.h"
#include "node/node.h"

struct gt_prober;
struct gt_target;

struct gt_transport {
	/* Begins a check: t->state is NULL. */
	void (*start)(struct gt_target *t);
	/* Something that was given to gt_target_watch is ready. */
	void (*event)(struct gt_target *t, uint32_t events);
	/* The time is over: it ends here. */
	void (*timeout)(struct gt_target *t);
	/* Closes and frees whatever t->state has. Called once for each start. */
	void (*stop)(struct gt_target *t);
	/* Is there room for one more check now? false: it is put off. NULL: always. */
	bool (*has_room)(struct gt_prober *p);
};

extern const struct gt_transport gt_transport_stream; /* tcp, dicom, hl7, http, https */
extern const struct gt_transport gt_transport_icmp;
extern const struct gt_transport gt_transport_exec;

struct gt_target {
	/* Whom and what */
	const struct gt_transport *transport;
	struct gt_ask *ask;
	struct gt_probe_ask probe; /* the ask's, with this server's authority */
	struct gt_addr address;
	uint16_t port;
	bool via;	    /* to the VIP's address, by the MAC of its first server */
	struct gt_addr vip; /* where `via` */
	bool has_source;    /* an own address of the interface that the kernel has, too */
	struct gt_addr source;
	char interface[GT_NAME_MAX + 1]; /* that leads there; for messages */
	char vip_name[GT_NAME_MAX + 1],
		server_name[GT_NAME_MAX + 1]; /* of the first that shares it */
	/* Who shares it: indices in the node's states */
	uint32_t *servers;
	size_t n_servers;
	/* The check that is under way */
	void *state; /* the transport's */
	bool running;
	uint64_t put_off_ms; /* since when main is too busy for its event; 0: it is not */
	uint64_t late_ms;    /* how long it was, before */
	uint64_t started_ms, started_us;
	/* The engine's */
	struct gt_prober *prober;
	char *key; /* equal keys are one check */
	uint64_t id;
	uint32_t slot;
	bool wanted; /* by the configuration that is being taken */
	uint64_t due_ms;
	size_t heap; /* its place there */
};

/* The check has a result. The reason is copied. Stops the transport. */
void gt_target_done(struct gt_target *t, enum gt_health_outcome outcome, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * This host cannot ask, which says nothing about the server: a result like gt_target_done's, in
 * words for the operator. what: the call that failed with `error`, an errno.
 */
void gt_target_cannot(struct gt_target *t, const char *what, int error);

/* Did main keep it waiting for so long that it says nothing about the server if its time is over?
 */
bool gt_target_was_late(const struct gt_target *t);

/* Puts a descriptor of this check into main's epoll set, or changes what is waited for. 0, -errno.
 */
int gt_target_watch(struct gt_target *t, int fd, uint32_t events, bool again);

/* A connection through the VIP has this own address and port: frames of it get the MAC that the
 * server has now. False: it is not known. */
bool gt_target_via(struct gt_target *t, const struct gt_addr *own, uint16_t port);
/* The token of this check, by which gt_prober_find knows it until it is over. */
uint64_t gt_target_token(const struct gt_target *t);

/* Numbers that differ from check to check. */
uint32_t gt_target_serial(struct gt_target *t);

#endif
