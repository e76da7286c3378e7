/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Locks of devices; see device_lock.h. A lock is a socket's name in the abstract namespace: it goes
 * with its process, however that ends, leaves no file, and holds for the network namespace, as the
 * name of an interface does. Anyone on the host may take such a name, so it counts only if root or
 * our own user has it.
 */
#include "device_lock.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "say.h"

#define DYING_MS 2000
#define RETRY_MS 50

static socklen_t name_lock(const char *device, struct sockaddr_un *a)
{
	int n;

	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	/* The first byte stays zero: that is the abstract namespace. */
	n = snprintf(a->sun_path + 1, sizeof(a->sun_path) - 1, "gantry/device/%s", device);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

/* Who has it. False: nobody any more. */
static bool find_holder(const struct sockaddr_un *a, socklen_t len, struct ucred *who)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof(*who);
	bool found;

	if (fd < 0)
		return false;
	found = connect(fd, (const struct sockaddr *)a, len) == 0 &&
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, who, &size) == 0;
	close(fd);
	return found;
}

/* Holds it until the process ends: the descriptor stays open. 0, -errno. */
static int take(const struct sockaddr_un *a, socklen_t len)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), rc = 0;

	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)a, len) != 0 || listen(fd, SOMAXCONN) != 0) {
		rc = -errno;
		close(fd);
	}
	return rc;
}

static int lock_device(const struct gt_config *config, size_t i, const char *device,
		       const struct gt_log *log)
{
	const struct gt_config_interface *c = &config->interfaces[i];
	struct ucred who = {0};
	struct sockaddr_un a;
	socklen_t len = name_lock(device, &a);
	char where[GT_WHERE_MAX];
	int rc = take(&a, len);
	/* Nobody accepts: each look takes a place in its queue, so there is one. */
	bool known = rc == -EADDRINUSE && find_holder(&a, len, &who);
	bool stranger = known && who.uid != 0 && who.uid != geteuid();

	for (int ms = 0; rc == -EADDRINUSE && !stranger && ms < DYING_MS; ms += RETRY_MS) {
		usleep(RETRY_MS * 1000);
		rc = take(&a, len);
	}
	if (rc == 0)
		return 0;
	gt_say_where(config, "interface", &c->lines, "device", where, sizeof(where));
	if (rc == -EADDRINUSE && !stranger) {
		gt_log(log, LOG_ERR,
		       "%sanother gantry, pid %ld, has %s, and each frame would be forwarded "
		       "twice: stop it, or give this one another device",
		       where, (long)who.pid, device);
		return -EBUSY;
	}
	gt_log(log, LOG_WARNING,
	       "%sit cannot be seen whether another gantry has %s, too: a process of uid %ld holds "
	       "the name for that (%s)",
	       where, device, (long)who.uid, strerror(-rc));
	return 0;
}

int gt_devices_lock(const struct gt_config *config, const struct gt_device devices[],
		    const struct gt_log *log)
{
	int rc = 0;

	for (size_t i = 0; i < config->n_interfaces && rc == 0; i++) {
		const struct gt_device *d = &devices[i];

		/* Other virtual devices are their process's own. */
		if (d->interface[0] != '\0')
			rc = lock_device(config, i, d->interface, log);
		else if (d->pci)
			rc = lock_device(config, i, d->name, log);
	}
	return rc;
}
