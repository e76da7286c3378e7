/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fewer capabilities; see privileges.h. Linux keeps them for each thread, and when the devices are
 * open DPDK has started its threads: each of them must drop its own. They are told by a signal, as
 * the C library itself does for setuid(2) and libpsx for capset(2) (libpsx knows only threads whose
 * pthread_create it wraps at link time, and so none of a shared DPDK's).
 */
#include "privileges.h"

#include <cap-ng.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* DPDK and libmicrohttpd use no real-time signal. */
#define DROP_SIGNAL (SIGRTMIN + 3)
/* A thread that takes no signal for so long is stuck in a driver. */
#define THREAD_WAIT_MS 5000
#define THREADS_MAX    1024

#define BIT(capability) (UINT64_C(1) << (capability))

/* ---- which ---- */

static bool has_prefix(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

static uint64_t choose(const struct gt_config *config, const struct gt_device devices[])
{
	/* icmp checks, which a reload may bring. */
	uint64_t kept = BIT(CAP_NET_RAW);

	for (size_t i = 0; i < config->n_interfaces; i++) {
		/* Memory that is mapped for a device counts as locked. */
		if (devices[i].pci)
			kept |= BIT(CAP_IPC_LOCK);
		/* A kernel path is kept in order by netlink. Drivers over the kernel's interfaces
		 * undo at the end what they did to them: an XDP program left behind would eat all
		 * frames. */
		if (config->interfaces[i].kernel != NULL || devices[i].interface[0] != '\0' ||
		    has_prefix(devices[i].name, "net_tap"))
			kept |= BIT(CAP_NET_ADMIN);
	}
	return kept;
}

/* ---- one thread ---- */

static struct {
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	int done, failed; /* threads; the errno of the last one that failed */
} drop;

static int capset_self(const struct __user_cap_data_struct *data)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};

	return syscall(SYS_capset, &header, data) == 0 ? 0 : -errno;
}

/* Only system calls: it runs in a signal handler. */
static int drop_self(void)
{
	int rc;

	/* Needs CAP_SETPCAP, which only a service with fewer capabilities than ours lacks: what it
	 * starts then gets what is kept. */
	prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED, 0, 0, 0);
	rc = capset_self(drop.data);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		rc = -errno;
	return rc;
}

static void on_signal(int number)
{
	int saved = errno, rc = drop_self();

	(void)number;
	if (rc != 0)
		__atomic_store_n(&drop.failed, -rc, __ATOMIC_RELAXED);
	__atomic_add_fetch(&drop.done, 1, __ATOMIC_RELEASE);
	errno = saved;
}

/* ---- all threads ---- */

/* The other threads' ids. Their number, or -errno. */
static int list_threads(pid_t *tids)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *e;
	int n = 0;

	if (dir == NULL)
		return -errno;
	while ((e = readdir(dir)) != NULL && n < THREADS_MAX) {
		pid_t tid = (pid_t)strtol(e->d_name, NULL, 10);

		if (tid > 0 && tid != (pid_t)syscall(SYS_gettid))
			tids[n++] = tid;
	}
	closedir(dir);
	return n;
}

/* Sends each the signal and waits until all have dropped. 0, -errno. */
static int drop_others(const pid_t *tids, int n)
{
	static const struct timespec step = {.tv_nsec = 1000000};
	int told = 0;

	for (int i = 0; i < n; i++) {
		if (syscall(SYS_tgkill, getpid(), tids[i], DROP_SIGNAL) == 0)
			told++;
		else if (errno != ESRCH) /* it has ended */
			return -errno;
	}
	for (int ms = 0; __atomic_load_n(&drop.done, __ATOMIC_ACQUIRE) < told; ms++) {
		if (ms == THREAD_WAIT_MS)
			return -ETIMEDOUT;
		nanosleep(&step, NULL);
	}
	return -__atomic_load_n(&drop.failed, __ATOMIC_RELAXED);
}

/* A thread that one started meanwhile, before its own turn, has what that one had: once more, then
 * all have dropped. 0, -errno. */
static int drop_all(void)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, old;
	pid_t tids[THREADS_MAX];
	int rc = drop_self(), n;

	if (sigaction(DROP_SIGNAL, &action, &old) != 0)
		return -errno;
	for (int i = 0; rc == 0 && i < 2; i++) {
		drop.done = 0;
		n = list_threads(tids);
		rc = n < 0 ? n : drop_others(tids, n);
	}
	if (rc != -ETIMEDOUT) /* else one may still come */
		sigaction(DROP_SIGNAL, &old, NULL);
	return rc;
}

/* ---- what main calls ---- */

/* Which capabilities this thread may use. */
static uint64_t read_permitted(void)
{
	uint64_t set = 0;

	capng_get_caps_process();
	for (unsigned c = 0; c <= CAP_LAST_CAP; c++)
		if (capng_have_capability(CAPNG_PERMITTED, c))
			set |= BIT(c);
	return set;
}

/* "cap_net_admin, cap_net_raw", or "none". Returns buf. */
static const char *format_set(uint64_t set, char *buf, size_t size)
{
	size_t used = 0;

	snprintf(buf, size, "none");
	for (unsigned c = 0; c <= CAP_LAST_CAP && used < size; c++)
		if ((set & BIT(c)) != 0)
			used += (size_t)snprintf(buf + used, size - used, "%scap_%s",
						 used > 0 ? ", " : "", capng_capability_to_name(c));
	return buf;
}

int gt_privileges_drop(const struct gt_config *config, const struct gt_device devices[],
		       const struct gt_log *log)
{
	uint64_t kept = read_permitted() & choose(config, devices);
	char names[256];
	int rc;

	for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		drop.data[i].effective = drop.data[i].permitted = (uint32_t)(kept >> 32 * i);
	rc = drop_all();
	if (rc != 0)
		gt_log(log, LOG_ERR, "capabilities cannot be dropped: %s", strerror(-rc));
	else
		gt_log(log, LOG_INFO, "capabilities kept: %s",
		       format_set(kept, names, sizeof(names)));
	return rc;
}
