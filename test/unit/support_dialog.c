/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "packet/parse.h"
#include "support_dialog.h"
#include "support_view.h"

void support_dialog_learn(const struct support_pipe *p, struct support_dialog *d)
{
	const struct support_left *l = &p->left[(p->n_left - 1) % 16];
	struct support_view v;

	assert_true(support_view(l->bytes, l->len, &v));
	d->replies = true;
	d->reply_if = l->out_if;
	d->reply = (struct support_packet){.dst_mac = support_interface_mac(l->out_if),
					   .src = v.dst,
					   .dst = v.src,
					   .protocol = v.protocol,
					   .sport = v.dport,
					   .dport = v.sport,
					   .flags = GT_TCP_ACK,
					   .payload_len = 20,
					   .ttl = 64};
}

void support_dialog_send(struct support_pipe *p, const struct support_packet *packet, uint8_t in_if)
{
	struct gt_frame f = support_packet_frame(packet);

	f.in_if = in_if;
	support_pipe_give(p, &f, 1);
}

void support_dialog_establish(struct support_pipe *p, struct support_dialog *d, bool answers)
{
	struct support_packet answer = d->reply;

	answer.flags = GT_TCP_SYN | GT_TCP_ACK;
	if (answers)
		support_dialog_send(p, &answer, d->reply_if);
	d->request.flags = GT_TCP_ACK;
	support_dialog_send(p, &d->request, 0);
}
