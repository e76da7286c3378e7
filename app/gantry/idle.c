/* SPDX-License-Identifier: BSD-3-Clause */
/* What a worker does when nothing comes in; see idle.h. */
#include "idle.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_interrupts.h>

#include "ports.h"
#include "worker.h"

/* A rest is to last what it says, not 50 us longer (the default slack of timers). */
#define TIMER_SLACK_NS 1000UL

static void add_fd(struct gt_idle *idle, int fd)
{
	idle->fds[idle->n_fds++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

/* ---- what tells of frames ---- */

/* A NIC's RX interrupt, by an epoll of ours. */
static bool add_interrupt(struct gt_lcore *l, unsigned i)
{
	struct gt_idle *idle = &l->idle;
	uint16_t queue = (uint16_t)l->index;

	if (idle->interrupts < 0)
		idle->interrupts = epoll_create1(EPOLL_CLOEXEC);
	if (idle->interrupts < 0 ||
	    rte_eth_dev_rx_intr_ctl_q(l->ports[i], queue, idle->interrupts, RTE_INTR_EVENT_ADD,
				      NULL) != 0 ||
	    rte_eth_dev_rx_intr_enable(l->ports[i], queue) != 0)
		return false;
	rte_eth_dev_rx_intr_disable(l->ports[i], queue);
	idle->arm[i] = true;
	return true;
}

static bool add_port(struct gt_lcore *l, unsigned i, const struct gt_port *p)
{
	int fds[GT_BOND_SLAVES_MAX];
	unsigned n = gt_ports_rx_fds(p, l->index, fds);

	for (unsigned j = 0; j < n; j++)
		add_fd(&l->idle, fds[j]);
	return n > 0 || (p->interrupts && add_interrupt(l, i));
}

void gt_idle_init(struct gt_lcore *l, bool sleeps, const struct gt_ports *ports,
		  const struct gt_log *log)
{
	struct gt_wake *wake = &l->shared->wake[l->index];
	struct gt_idle *idle = &l->idle;
	bool all = true;

	*idle = (struct gt_idle){.sleeps = sleeps,
				 .interrupts = -1,
				 .spin_tsc = rte_get_tsc_hz() / 1000000 * GT_IDLE_SPIN_US};
	wake->fd = -1;
	if (!sleeps)
		return;
	for (unsigned i = 0; i < l->n_ports; i++) {
		if (add_port(l, i, &ports->list[i]))
			continue;
		all = false;
		gt_log(log, LOG_INFO,
		       "interface %s: %s does not tell when frames come, so worker %u naps for up "
		       "to %u us when idle",
		       ports->list[i].name, ports->list[i].device, l->index, GT_IDLE_NAP_MAX_US);
	}
	wake->fd = all ? eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) : -1;
	if (wake->fd < 0) {
		idle->n_fds = 0;
		return;
	}
	if (idle->interrupts >= 0)
		add_fd(idle, idle->interrupts);
	add_fd(idle, wake->fd);
}

void gt_idle_close(struct gt_lcore *l)
{
	struct gt_wake *wake = &l->shared->wake[l->index];

	if (!l->idle.sleeps)
		return;
	if (wake->fd >= 0)
		close(wake->fd);
	if (l->idle.interrupts >= 0)
		close(l->idle.interrupts);
	wake->fd = l->idle.interrupts = -1;
}

void gt_idle_begin(struct gt_idle *idle)
{
	if (idle->sleeps)
		prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS, 0UL, 0UL, 0UL);
	gt_idle_busy(idle, rte_rdtsc());
}

/* ---- resting ---- */

static void nap(struct gt_idle *idle)
{
	struct timespec t = {.tv_nsec = idle->nap_us * 1000L};

	nanosleep(&t, NULL);
	idle->nap_us = RTE_MIN(idle->nap_us * 2, (uint32_t)GT_IDLE_NAP_MAX_US);
}

static void arm(struct gt_lcore *l, bool on)
{
	for (unsigned i = 0; i < l->n_ports; i++) {
		if (!l->idle.arm[i])
			continue;
		if (on)
			rte_eth_dev_rx_intr_enable(l->ports[i], (uint16_t)l->index);
		else
			rte_eth_dev_rx_intr_disable(l->ports[i], (uint16_t)l->index);
	}
}

/* Did one come while the interrupts were off? Drivers that cannot tell are asked by the next turn.
 */
static bool has_frames(const struct gt_lcore *l)
{
	for (unsigned i = 0; i < l->n_ports; i++)
		if (l->idle.arm[i] && rte_eth_rx_queue_count(l->ports[i], (uint16_t)l->index) > 0)
			return true;
	return rte_ring_count(l->transmit) > 0 || rte_ring_count(l->shared->handed[l->index]) > 0;
}

/* Takes away what woke us and would do so again. */
static void acknowledge(struct gt_lcore *l)
{
	struct gt_idle *idle = &l->idle;
	struct rte_epoll_event events[GT_INTERFACES_MAX];

	for (unsigned i = 0; i < idle->n_fds; i++) {
		struct pollfd *p = &idle->fds[i];
		eventfd_t count;
		socklen_t len = sizeof(int);
		int error;

		if (p->revents == 0)
			continue;
		if (p->fd == idle->interrupts)
			rte_epoll_wait(p->fd, events, GT_INTERFACES_MAX, 0);
		else if (p->fd == l->shared->wake[l->index].fd)
			eventfd_read(p->fd, &count);
		else if ((p->revents & POLLERR) != 0 &&
			 /* A socket says that its interface is down until it is asked. */
			 getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
			nap(idle);
	}
}

static void wait_for_frames(struct gt_lcore *l)
{
	static const struct timespec most = {.tv_nsec = GT_IDLE_WAIT_MS * 1000000L};
	struct gt_wake *wake = &l->shared->wake[l->index];

	arm(l, true);
	__atomic_store_n(&wake->asleep, true, __ATOMIC_RELAXED);
	/* Whoever puts a frame into a ring after this look sees that we sleep. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!has_frames(l) && ppoll(l->idle.fds, l->idle.n_fds, &most, NULL) > 0)
		acknowledge(l);
	__atomic_store_n(&wake->asleep, false, __ATOMIC_RELAXED);
	arm(l, false);
}

bool gt_idle_rest(struct gt_lcore *l, uint64_t tsc)
{
	struct gt_idle *idle = &l->idle;

	if (!idle->sleeps || tsc - idle->busy_tsc < idle->spin_tsc)
		return false;
	if (idle->n_fds > 0)
		wait_for_frames(l);
	else
		nap(idle);
	return true;
}

void gt_wake_up(struct gt_wake *wake)
{
	if (wake->fd < 0)
		return;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&wake->asleep, __ATOMIC_RELAXED))
		eventfd_write(wake->fd, 1);
}
