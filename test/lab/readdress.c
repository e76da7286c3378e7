/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A TAP through its life, for kernel.sh: readdress COMMAND FILE.ini FILE.ini... makes the TAP of
 * the first file's first interface, gives it the addresses of one file after the other as reloads
 * would, and runs COMMAND after each step. Needs CAP_NET_ADMIN, and no DPDK.
 */
#include <stdio.h>
#include <stdlib.h>

#include "config/config.h"
#include "tap.h"

static void say(void *ctx, int level, const char *line)
{
	(void)ctx;
	(void)level;
	fprintf(stderr, "%s\n", line);
}

static struct gt_config *load(const char *file)
{
	struct gt_config_messages messages = {0};
	struct gt_config *config = NULL;

	if (gt_config_load(file, &config, &messages) != 0)
		fprintf(stderr, "%s: wrong\n", file);
	gt_config_messages_free(&messages);
	return config;
}

int main(int argc, char **argv)
{
	const struct gt_mac mac = {{2, 0, 0, 0, 0, 9}};
	const struct gt_log log = {say, NULL};
	struct gt_config *now, *next;
	struct gt_tap tap;
	int rc;

	now = argc > 2 ? load(argv[2]) : NULL;
	if (now == NULL || gt_tap_create(&tap, now->interfaces, &log) != 0)
		return 1;
	rc = gt_tap_set_up(&tap, now->interfaces, &mac, &log);
	if (rc == 0)
		rc = system(argv[1]);
	for (int i = 3; i < argc && rc == 0; i++) {
		next = load(argv[i]);
		if (next == NULL)
			return 1;
		rc = gt_tap_readdress(&tap, now->interfaces, next->interfaces, &log);
		gt_config_free(now);
		now = next;
		if (rc == 0)
			rc = system(argv[1]);
	}
	gt_config_free(now);
	gt_tap_close(&tap, &log);
	return rc != 0;
}
