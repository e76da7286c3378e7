/* SPDX-License-Identifier: BSD-3-Clause */
/* Nodes and what they say; see support_node.h. */
#include "support_node.h"

#include <stdio.h>
#include <string.h>

#include "neighbour_frames.h"
#include "support.h"

struct gt_config *support_parse(const char *text)
{
	struct gt_config_messages m;
	struct gt_config *c;

	if (gt_config_parse("test.ini", text, strlen(text), &c, &m) != 0) {
		fprintf(stderr, "%s\n", m.n > 0 ? m.list[0].text : "no configuration");
		abort();
	}
	gt_config_messages_free(&m);
	return c;
}

static void on_line(void *ctx, int level, const char *text)
{
	struct support_heard *h = ctx;
	size_t used = strlen(h->log);

	snprintf(h->log + used, sizeof(h->log) - used, "%d %s\n", level, text);
	h->lines++;
}

static const char *or_none(const char *s)
{
	return s != NULL ? s : "-";
}

static void on_event(void *ctx, const struct gt_event *e)
{
	struct support_heard *h = ctx;
	size_t used = strlen(h->events);

	SUPPORT_DIE_UNLESS(e->kind != NULL);
	SUPPORT_DIE_UNLESS(strstr(h->log, e->text) != NULL); /* the log has the same sentence */
	snprintf(h->events + used, sizeof(h->events) - used, "%s %s/%s %s: %s > %s\n", e->kind,
		 or_none(e->vip), or_none(e->server), or_none(e->what), or_none(e->old),
		 or_none(e->now));
	h->n_events++;
}

static void on_frame(void *ctx, uint8_t interface, const uint8_t *frame, size_t len)
{
	struct support_heard *h = ctx;

	SUPPORT_DIE_UNLESS(interface == 0);
	SUPPORT_DIE_UNLESS(len >= 42);
	h->frames++;
	/* An announcement's sender and target are the same. */
	h->arp_questions +=
		frame[12] == 8 && frame[13] == 6 && memcmp(frame + 28, frame + 38, 4) != 0;
	h->announcements +=
		(len == sizeof(arp_announcement) && memcmp(frame, arp_announcement, len) == 0) ||
		(len == sizeof(ndp_announcement) && memcmp(frame, ndp_announcement, len) == 0);
}

struct gt_node *support_node(const char *text, struct support_heard *h)
{
	const struct gt_mac mac = {{2, 0, 0, 0, 0, 1}};
	const struct gt_node_hooks hooks = {
		.emit = on_frame, .event = on_event, .ctx = h, .log = {on_line, h}};
	struct gt_node *node = NULL;

	memset(h, 0, sizeof(*h));
	SUPPORT_DIE_UNLESS(gt_node_create(support_parse(text), &mac, &hooks, &node) == 0);
	return node;
}
