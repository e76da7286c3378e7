/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Orders about servers, and how far they are carried out; see requests.h. A server may be stopped
 * when it has no open connection left. How many it has is what each worker counts as it goes (the
 * sum of `open` over the workers): exact but for the connections whose first or last packet is
 * being handled at this moment, so no table needs to be walked.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/sums.h"
#include "requests.h"

/* Numbers of the servers by their index in the states. NULL: no memory. */
static uint16_t *map_numbers(const struct gt_node *node)
{
	const struct gt_plan *plan = node->plan;
	uint16_t *numbers = calloc(gt_plan_count_servers(node->config) + 1, sizeof(*numbers));

	for (uint32_t i = 1; numbers != NULL && i < plan->n_servers; i++)
		if (plan->server_names[i].vip != NULL)
			numbers[plan->server_names[i].index] = (uint16_t)i;
	return numbers;
}

/* {"server", "servers": [{"vip", "server", "state", "open", "active"}], "remaining",
 * "safe_to_stop"}: safe when no new ones come and none is left. NULL: no memory. */
static json_t *remaining_object(const struct gt_run *r, const char *name)
{
	const struct gt_node *node = r->node;
	uint16_t *numbers = map_numbers(node);
	json_t *list = json_array();
	struct gt_node_place at = {0};
	struct gt_worker *workers[GT_WORKERS_MAX];
	int64_t sum = 0;
	bool takes = false;

	gt_run_workers(r, workers);
	while (numbers != NULL && gt_node_next_server(node, name, &at)) {
		const struct gt_server_state *s = &node->states[at.index];
		struct gt_server_counters c =
			gt_sum_server(workers, r->n_lcores, numbers[at.index]);

		sum += c.open;
		takes = takes || gt_server_takes_new(s);
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:s, s:I, s:I}", "vip", at.vip->name, "server",
					at.server->name, "state", gt_server_state_name(s), "open",
					(json_int_t)c.open, "active", (json_int_t)c.active));
	}
	free(numbers);
	return json_pack("{s:s, s:o, s:I, s:b}", "server", name, "servers", list, "remaining",
			 (json_int_t)sum, "safe_to_stop", !takes && sum == 0);
}

void gt_show_remaining(struct gt_run *r, struct gt_reply *reply, const struct gt_request *q)
{
	struct gt_node_place at = {0};
	char error[768];

	if (gt_node_next_server(r->node, q->arguments[0], &at)) {
		gt_say(reply, remaining_object(r, q->arguments[0]));
		return;
	}
	gt_node_explain_unknown(r->node, q->arguments[0], error, sizeof(error));
	gt_say_error(reply, 1, "%s", error);
}

void gt_order_settled(void *ctx, struct gt_reply *reply)
{
	struct gt_run *r = ctx;
	json_t *o;

	if (reply->text.n > 0)
		return;
	o = reply->order.counts ? remaining_object(r, reply->order.server)
				: json_pack("{s:s}", "server", reply->order.server);
	json_object_set_new(o, "done", json_string(reply->order.done));
	gt_say(reply, o);
}

/* Done is what the workers do: whoever is told may stop the server at once. So the answer is made
 * when they use the new plan. */
static void act(struct gt_run *r, struct gt_reply *reply, const struct gt_request *q,
		enum gt_node_action action, long value, const char *done)
{
	const char *server = q->arguments[0];
	char error[768] = "";

	if (strlen(server) >= sizeof(reply->order.server)) {
		gt_say_error(reply, 2, "a server's name has at most %zu bytes",
			     sizeof(reply->order.server) - 1);
		return;
	}
	if (gt_node_act(r->node, action, server, value, error, sizeof(error)) != 0) {
		gt_say_error(reply, 1, "%s", error);
		return;
	}
	strcpy(reply->order.server, server);
	snprintf(reply->order.done, sizeof(reply->order.done), "%s", done);
	reply->order.counts = action == GT_ACTION_DRAIN || action == GT_ACTION_DISABLE;
	reply->plan = r->plans + 1;
}

void gt_order_enable(struct gt_run *r, struct gt_reply *reply, const struct gt_request *q)
{
	act(r, reply, q, GT_ACTION_ENABLE, 0, "enabled");
}

void gt_order_drain(struct gt_run *r, struct gt_reply *reply, const struct gt_request *q)
{
	act(r, reply, q, GT_ACTION_DRAIN, 0, "drained: keeps its connections, takes no new ones");
}

void gt_order_disable(struct gt_run *r, struct gt_reply *reply, const struct gt_request *q)
{
	struct gt_node_place at = {0};

	act(r, reply, q, GT_ACTION_DISABLE, 0, "disabled");
	/* Of one server it can be said what becomes of its connections. */
	if (reply->plan != 0 && gt_node_next_server(r->node, q->arguments[0], &at)) {
		char fate[GT_NODE_FATE_MAX];
		size_t index = at.index;

		if (!gt_node_next_server(r->node, q->arguments[0], &at))
			snprintf(reply->order.done, sizeof(reply->order.done), "disabled: %s",
				 gt_node_fate(r->node, index, fate, sizeof(fate)));
	}
}

void gt_order_weight(struct gt_run *r, struct gt_reply *reply, const struct gt_request *q)
{
	long weight = gt_parse_number(q->arguments[1]);
	char done[64];

	if (weight < 0 || weight > 65535) {
		gt_say_error(reply, 2, "'%s' is no weight: 0 to 65535", q->arguments[1]);
		return;
	}
	snprintf(done, sizeof(done), "weight %ld", weight);
	act(r, reply, q, GT_ACTION_WEIGHT, weight, done);
}

void gt_order_revert(struct gt_run *r, struct gt_reply *reply, const struct gt_request *q)
{
	const char *server = q->arguments[0];
	char error[768] = "";
	size_t n;

	if (gt_node_revert(r->node, server, &n, error, sizeof(error)) != 0) {
		gt_say_error(reply, 1, "%s", error);
		return;
	}
	snprintf(reply->order.server, sizeof(reply->order.server), "%s", server);
	snprintf(reply->order.done, sizeof(reply->order.done),
		 "weight and state as in the file, %zu server%s changed", n, n == 1 ? "" : "s");
	/* Nothing changed: no plan will come, and the one that is in force is told of at once. */
	if (n > 0)
		reply->plan = r->plans + 1;
	else
		gt_order_settled(r, reply);
}
