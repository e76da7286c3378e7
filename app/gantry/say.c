/* SPDX-License-Identifier: BSD-3-Clause */
/* Log lines on stderr and to syslog; see say.h. */
#include "say.h"

#include <paths.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "config/config.h"

/* One process, one log. */
static int log_fd = STDERR_FILENO;

void gt_say_to(int fd)
{
	log_fd = fd;
}

static const char *level_name(int level)
{
	switch (level) {
	case LOG_EMERG:
	case LOG_ALERT:
	case LOG_CRIT:
		return "CRITICAL";
	case LOG_ERR:
		return "ERROR";
	case LOG_WARNING:
		return "WARNING";
	case LOG_NOTICE:
		return "NOTICE";
	case LOG_INFO:
		return "INFO";
	default:
		return "DEBUG";
	}
}

/* Does it go straight into the journal? $JOURNAL_STREAM then names its device and inode. */
static bool is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long device, inode;
	struct stat st;

	return stream != NULL && sscanf(stream, "%lu:%lu", &device, &inode) == 2 &&
	       fstat(log_fd, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

/*
 * To the syslog daemon, as syslog(3) would say it (RFC 3164) but for one thing: that waits for a
 * daemon which does not read, and main waits for nobody. Where there is no daemon nothing is lost:
 * stderr has it all.
 */
static void tell_syslog(const char *node, int level, const char *text)
{
	static int fd = -1;
	const struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = _PATH_LOG};
	time_t now = time(NULL);
	char buf[700], when[24];
	struct tm tm;
	int n;

	if (fd < 0)
		fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	/* "Nov  4 12:00:00", in English whatever the locale: none is set. */
	strftime(when, sizeof(when), "%b %e %T", localtime_r(&now, &tm));
	n = snprintf(buf, sizeof(buf), "<%d>%s gantry[%ld]: %s: %s: %s", LOG_DAEMON | level, when,
		     (long)getpid(), node, level_name(level), text);
	if (n >= (int)sizeof(buf))
		n = (int)sizeof(buf) - 1;
	if (fd >= 0 &&
	    sendto(fd, buf, (size_t)n, MSG_NOSIGNAL, (const struct sockaddr *)&a, sizeof(a)) < 0)
		return;
}

static void line(void *ctx, int level, const char *text)
{
	char buf[640];
	int n = 0;

	if (level > LOG_INFO)
		return;
	if (is_journal())
		n = snprintf(buf, sizeof(buf), "<%d>", level);
	else
		tell_syslog(ctx, level, text);
	n += snprintf(buf + n, sizeof(buf) - (size_t)n, "gantry[%s]: %s: %s\n", (const char *)ctx,
		      level_name(level), text);
	if (n >= (int)sizeof(buf))
		n = (int)sizeof(buf) - 1;
	/* In one write, so that lines of several threads do not mix. A lost line is no reason to
	 * stop. */
	if (write(log_fd, buf, (size_t)n) < 0)
		return;
}

struct gt_log gt_say_log(const char *node)
{
	/* The hook takes no const, and `line` changes nothing. */
	union {
		const char *in;
		void *out;
	} name = {node};

	return (struct gt_log){.line = line, .ctx = name.out};
}

char *gt_say_where(const struct gt_config *config, const char *section,
		   const struct gt_config_lines *lines, const char *key, char *buf, size_t size)
{
	unsigned n = gt_config_line(section, lines, key);

	if (n > 0)
		snprintf(buf, size, "%s:%u: %s: ", config->file, n, key);
	else
		snprintf(buf, size, "%s: %s: ", config->file, key);
	return buf;
}
