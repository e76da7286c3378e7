/* SPDX-License-Identifier: BSD-3-Clause */
/* How other threads get numbers from main; see mailbox.h. */
#include "mailbox.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/*
 * One for the process, and never destroyed: threads of EAL's telemetry outlive everything else.
 * Main holds `lock` while it runs a letter, so that nobody can give up on one that is being
 * answered; the others hold it only to look at the fields below.
 */
static struct {
	pthread_mutex_t turn; /* who asks: one at a time */
	pthread_mutex_t lock;
	pthread_cond_t answered;
	int fd;		   /* -1: closed */
	gt_mailbox_fn *fn; /* NULL: no letter */
	void *arg;
} mailbox = {
	.turn = PTHREAD_MUTEX_INITIALIZER,
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.answered = PTHREAD_COND_INITIALIZER,
	.fd = -1,
};

/* Waits until the letter is answered, or time is up. `lock` is held. 0, -errno. */
static int wait_for_answer(void)
{
	struct timespec until;
	int rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += GT_MAILBOX_WAIT_MS / 1000;
	while (mailbox.fn != NULL && mailbox.fd >= 0 && rc == 0)
		rc = pthread_cond_clockwait(&mailbox.answered, &mailbox.lock, CLOCK_MONOTONIC,
					    &until);
	if (mailbox.fn == NULL)
		return 0;
	mailbox.fn = NULL;
	return mailbox.fd < 0 ? -ECANCELED : -ETIMEDOUT;
}

int gt_mailbox_ask(gt_mailbox_fn *fn, void *arg)
{
	int rc = -ECANCELED;

	pthread_mutex_lock(&mailbox.turn);
	pthread_mutex_lock(&mailbox.lock);
	if (mailbox.fd >= 0 && eventfd_write(mailbox.fd, 1) == 0) {
		mailbox.fn = fn;
		mailbox.arg = arg;
		rc = wait_for_answer();
	}
	pthread_mutex_unlock(&mailbox.lock);
	pthread_mutex_unlock(&mailbox.turn);
	return rc;
}

int gt_mailbox_open(int epoll_fd, uint64_t token)
{
	struct epoll_event e = {.events = EPOLLIN, .data.u64 = token};
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), rc = 0;

	if (fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e) != 0)
		rc = -errno;
	if (rc != 0 && fd >= 0)
		close(fd);
	if (rc != 0)
		return rc;
	pthread_mutex_lock(&mailbox.lock);
	mailbox.fd = fd;
	pthread_mutex_unlock(&mailbox.lock);
	return 0;
}

void gt_mailbox_event(struct gt_run *r)
{
	eventfd_t n;

	pthread_mutex_lock(&mailbox.lock);
	/* Its count does not matter: it is read so that it wakes main again. */
	if (mailbox.fd >= 0 && eventfd_read(mailbox.fd, &n) == 0 && mailbox.fn != NULL) {
		mailbox.fn(r, mailbox.arg);
		mailbox.fn = NULL;
		pthread_cond_signal(&mailbox.answered);
	}
	pthread_mutex_unlock(&mailbox.lock);
}

void gt_mailbox_close(void)
{
	pthread_mutex_lock(&mailbox.lock);
	if (mailbox.fd >= 0)
		close(mailbox.fd);
	mailbox.fd = -1;
	pthread_cond_broadcast(&mailbox.answered);
	pthread_mutex_unlock(&mailbox.lock);
}
