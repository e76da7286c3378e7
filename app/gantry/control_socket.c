/* SPDX-License-Identifier: BSD-3-Clause */
/* The control socket's place in the file system; see control_socket.h. */
#include "control_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "say.h"

#define LISTEN_BACKLOG 32
/* A gantry that was killed still listens while the kernel frees its memory. */
#define DYING_MS 2000
#define RETRY_MS 50

static int name_socket(const char *path, struct sockaddr_un *a)
{
	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(a->sun_path))
		return -ENAMETOOLONG;
	strcpy(a->sun_path, path);
	return 0;
}

/* Opens the directory of the path, which is made if it is missing. A descriptor or -errno. */
static int open_directory(const char *path)
{
	char copy[sizeof(((struct sockaddr_un *)0)->sun_path)];
	const char *dir;
	int fd;

	snprintf(copy, sizeof(copy), "%s", path);
	dir = dirname(copy);
	if (mkdir(dir, 0755) != 0 && errno != EEXIST)
		return -errno;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Does somebody listen there? A socket without a listener refuses: its owner was killed. */
static bool is_alive(const struct sockaddr_un *a)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool alive;

	if (fd < 0)
		return false;
	alive = connect(fd, (const struct sockaddr *)a, sizeof(*a)) == 0 || errno == EAGAIN;
	close(fd);
	return alive;
}

/* Removes what is left of a dead one. 0, -EADDRINUSE (alive), -EEXIST (no socket at all). */
static int clear_path(const struct sockaddr_un *a)
{
	struct stat st;

	if (lstat(a->sun_path, &st) != 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	if (is_alive(a))
		return -EADDRINUSE;
	return unlink(a->sun_path) == 0 ? 0 : -errno;
}

/* Lets the group in. 0, or -errno of a group that this process may not give files to. */
static int admit(const struct sockaddr_un *a, gid_t group)
{
	if (group == GT_CONTROL_NO_GROUP)
		return 0;
	return chown(a->sun_path, (uid_t)-1, group) == 0 && chmod(a->sun_path, 0660) == 0 ? 0
											  : -errno;
}

/* A socket that listens there, or -errno. */
static int bind_and_listen(const struct sockaddr_un *a, gid_t group)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), rc;
	mode_t old;

	if (fd < 0)
		return -errno;
	/* Nobody else may use it, from the first moment on. */
	old = umask(0177);
	rc = bind(fd, (const struct sockaddr *)a, sizeof(*a)) == 0 ? 0 : -errno;
	umask(old);
	if (rc == 0) {
		rc = admit(a, group);
		if (rc == 0 && listen(fd, LISTEN_BACKLOG) != 0)
			rc = -errno;
		if (rc != 0)
			unlink(a->sun_path);
	}
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

/*
 * Two gantrys that start at the same moment must not both find the path free: the directory is
 * locked meanwhile, by a lock that goes with its holder. In a directory like /tmp anyone may hold
 * it for ever, so it is not waited for longer than the other's start could last.
 */
static void lock(int dir)
{
	for (int i = 0; i < 20 && flock(dir, LOCK_EX | LOCK_NB) != 0; i++)
		usleep(10000);
}

/* A socket, or -errno. */
static int claim(const char *path, gid_t group)
{
	struct sockaddr_un a;
	int rc = name_socket(path, &a), dir;

	if (rc != 0)
		return rc;
	dir = open_directory(path);
	if (dir < 0)
		return dir;
	lock(dir);
	rc = clear_path(&a);
	if (rc == 0)
		rc = bind_and_listen(&a, group);
	close(dir);
	return rc;
}

static void tell_claim(const struct gt_log *log, const char *path, int rc)
{
	if (rc == -EADDRINUSE)
		gt_log(log, LOG_ERR,
		       "another gantry listens at %s: stop it, or give this node a `name` and a "
		       "`control` of its own in [gantry]",
		       path);
	else if (rc == -EEXIST)
		gt_log(log, LOG_ERR, "%s is in the way and no socket: remove it, or set `control`",
		       path);
	else if (rc == -EACCES || rc == -EPERM)
		gt_log(log, LOG_ERR,
		       "no permission to make the control socket %s: run gantry as root, or set "
		       "`control` to a place that it may write to",
		       path);
	else
		gt_log(log, LOG_ERR, "no control socket at %s: %s (set `control` to another place)",
		       path, strerror(-rc));
}

/* The group's number: 0, or -ENOENT after a message. */
static int find_group(const struct gt_config *config, const struct gt_log *log, gid_t *group)
{
	const struct group *g;
	char where[GT_WHERE_MAX];

	*group = GT_CONTROL_NO_GROUP;
	if (config->control_group[0] == '\0')
		return 0;
	g = getgrnam(config->control_group);
	if (g == NULL) {
		gt_log(log, LOG_ERR,
		       "%sno group '%s' on this host: make it with groupadd --system %s, or "
		       "leave control_group out",
		       gt_say_where(config, "gantry", &config->lines, "control_group", where,
				    sizeof(where)),
		       config->control_group, config->control_group);
		return -ENOENT;
	}
	*group = g->gr_gid;
	return 0;
}

int gt_control_socket(const struct gt_config *config, const struct gt_log *log)
{
	gid_t group;
	int fd = find_group(config, log, &group);

	if (fd != 0)
		return fd;
	fd = claim(config->control, group);
	for (int ms = 0; fd == -EADDRINUSE && ms < DYING_MS; ms += RETRY_MS) {
		usleep(RETRY_MS * 1000);
		fd = claim(config->control, group);
	}
	if (fd < 0)
		tell_claim(log, config->control, fd);
	return fd;
}
